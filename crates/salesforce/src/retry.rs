// SPDX-License-Identifier: Apache-2.0
//! How long to wait before a request is sent again, and when to give up: 1 s, 2 s, 4 s … at most 60 s, each
//! shortened by up to a fifth so that many waiters do not come back together; eight tries within five minutes.
//!
//! Whether a request may be sent again at all is decided where it is sent (`call.rs`).

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::HeaderMap;
use http::header::RETRY_AFTER;
use rand::{Rng, SeedableRng, rngs::StdRng};

const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);
const MOST_TRIES: u32 = 8;
const MOST_WAITING: Duration = Duration::from_secs(300);

/// Source of jitter: the same org gives the same sequence, different orgs different ones.
#[derive(Debug)]
pub(crate) struct Jitter {
    seed: u64,
    taken: AtomicU64,
}

impl Jitter {
    pub(crate) fn of(name: &str) -> Jitter {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        Jitter { seed: hasher.finish(), taken: AtomicU64::new(0) }
    }

    pub(crate) fn backoff(&self) -> Backoff {
        let place = self.taken.fetch_add(1, Ordering::Relaxed);
        Backoff { tries: 1, waited: Duration::ZERO, random: StdRng::seed_from_u64(self.seed.wrapping_add(place)) }
    }
}

/// The waiting of one request.
#[derive(Debug)]
pub(crate) struct Backoff {
    tries: u32,
    waited: Duration,
    random: StdRng,
}

impl Backoff {
    /// Waits before the next try, at least `asked`; `false`, without waiting, when it is time to give up.
    pub(crate) async fn wait(&mut self, asked: Option<Duration>) -> bool {
        let doubled = FIRST_WAIT * 2u32.pow(self.tries.min(16) - 1);
        let wait =
            doubled.min(LONGEST_WAIT).mul_f64(self.random.random_range(0.8..=1.0)).max(asked.unwrap_or_default());
        if self.tries >= MOST_TRIES || self.waited + wait > MOST_WAITING {
            return false;
        }
        self.tries += 1;
        self.waited += wait;
        tokio::time::sleep(wait).await;
        true
    }

    pub(crate) fn tries(&self) -> u32 {
        self.tries
    }
}

/// `Retry-After` in seconds. The form with a date is not used by Salesforce.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waits_grow_and_end() {
        let start = Instant::now();
        let mut backoff = Jitter::of("acme").backoff();
        let mut waits = Vec::new();
        loop {
            let before = Instant::now();
            if !backoff.wait(None).await {
                break;
            }
            waits.push(before.elapsed().as_secs_f64());
        }
        assert_eq!(waits.len(), 7);
        for (place, wait) in waits.iter().enumerate() {
            let full = f64::from(1 << place).min(60.0);
            assert!((full * 0.8 - 0.01..=full + 0.01).contains(wait), "{waits:?}");
        }
        assert!(start.elapsed() < Duration::from_secs(125));
    }

    #[tokio::test(start_paused = true)]
    async fn the_org_may_ask_for_longer_but_not_for_ever() {
        let start = Instant::now();
        let mut backoff = Jitter::of("acme").backoff();
        assert!(backoff.wait(Some(Duration::from_secs(90))).await);
        assert!(start.elapsed() >= Duration::from_secs(90));
        assert!(!backoff.wait(Some(Duration::from_secs(3600))).await);
        assert!(start.elapsed() < Duration::from_secs(100));
    }

    #[test]
    fn jitter_is_the_same_for_the_same_org() {
        let first = |name: &str| Jitter::of(name).backoff().random.random::<u64>();
        assert_eq!(first("acme"), first("acme"));
        assert_ne!(first("acme"), first("other"));
    }
}
