// SPDX-License-Identifier: Apache-2.0
//! The emulator's only source of time.
//!
//! A reading is the start of the clock plus what tokio's clock counted since, plus what tests added with
//! [`Clock::advance`]. tokio's clock is used because a test can pause it: an hour of polling then passes in milliseconds,
//! and job states and session ages follow. Readings never go backwards. Not guaranteed: agreement with the wall after
//! the machine slept.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// A shared clock: clones show the same time, and moving one moves all.
#[derive(Clone, Debug)]
pub struct Clock {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    start_ms: i64,
    /// `None` where it moves only when it is told to.
    started: Option<Instant>,
    offset_ms: AtomicI64,
}

impl Clock {
    /// A clock that shows the machine's time.
    #[allow(clippy::disallowed_methods, reason = "the one place of the emulator that asks the machine for the time")]
    pub fn system() -> Clock {
        let wall = std::time::SystemTime::now();
        let since = wall.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Clock::starting_at(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    /// A clock that shows `ms` (milliseconds since 1970 UTC) now and runs from there.
    pub fn starting_at(ms: i64) -> Clock {
        Clock::new(ms, Some(Instant::now()))
    }

    /// A clock that shows `ms` (milliseconds since 1970 UTC) until it is moved: what happens one after the other then happens at
    /// the same time, however slow the machine is.
    pub fn standing_at(ms: i64) -> Clock {
        Clock::new(ms, None)
    }

    fn new(start_ms: i64, started: Option<Instant>) -> Clock {
        Clock { inner: Arc::new(Inner { start_ms, started, offset_ms: AtomicI64::new(0) }) }
    }

    /// Milliseconds since 1970 UTC.
    pub fn now(&self) -> i64 {
        let elapsed = self.inner.started.map_or(Duration::ZERO, |started| started.elapsed());
        let elapsed = i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX);
        self.inner.start_ms.saturating_add(elapsed).saturating_add(self.inner.offset_ms.load(Ordering::Relaxed))
    }

    /// Moves the clock forward at once, without waiting.
    pub fn advance(&self, by: Duration) {
        let ms = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.inner.offset_ms.fetch_add(ms, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn paused_time_and_advance_both_move_the_clock() {
        let clock = Clock::starting_at(1_000);
        assert_eq!(clock.now(), 1_000);
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(clock.now(), 3_000);
        clock.clone().advance(Duration::from_millis(5));
        assert_eq!(clock.now(), 3_005);
    }

    #[tokio::test(start_paused = true)]
    async fn a_standing_clock_moves_only_when_told() {
        let clock = Clock::standing_at(1_000);
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(clock.now(), 1_000);
        clock.advance(Duration::from_millis(5));
        assert_eq!(clock.now(), 1_005);
    }
}
