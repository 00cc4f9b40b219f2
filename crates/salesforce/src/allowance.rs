// SPDX-License-Identifier: Apache-2.0
//! The org's allowance of API requests per 24 hours: what this client used of it, and what must be left for others.
//!
//! Every answer of the org says how much everybody used (`Sforce-Limit-Info`, `salesforce-api.md` 2.1). Where one more request, beside
//! those that are under way, would take from the reserve, it is not sent: it is refused here, or it waits, as the owner of the
//! client chose. What was learnt grows old, since the allowance comes back with time: after five minutes one request is let through to
//! learn anew, and reading `/limits` is always allowed. Those that wait let one through every fifteen minutes.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::HeaderMap;
use tokio::time::Instant;

use crate::error::{Error, Kind, Result};

/// `/limits` is up to 5 minutes old by itself (`salesforce-api.md` 2.3).
const TRUSTED_FOR: Duration = Duration::from_secs(300);
/// How long requests wait until one of them asks the org again.
const ASKS_AGAIN: Duration = Duration::from_secs(900);
/// What is kept for asking again through a day, so that this takes nothing from the reserve either.
const QUESTIONS: u64 = 96;
/// How long they wait for the answer of one that is under way.
const AN_ANSWER: Duration = Duration::from_secs(1);

/// What becomes of a request that would take from the reserve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AtTheReserve {
    /// It fails as `Limited`.
    #[default]
    Refuse,
    /// It waits until the org has allowance again.
    Wait,
}

/// A fraction between none and all.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default)]
pub struct Share(f64);

impl Share {
    /// `None` where it is not between 0 and 100.
    pub fn percent(percent: f64) -> Option<Share> {
        (0.0..=100.0).contains(&percent).then_some(Share(percent / 100.0))
    }

    /// This share of a whole, rounded up.
    pub fn of(self, whole: u64) -> u64 {
        (whole as f64 * self.0).ceil() as u64
    }
}

/// API requests, as far as known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usage {
    /// Requests sent by this client, repeated ones included, by family: `oauth` (signing in, versions, identity; the
    /// org does not count these), `rest`, `query`, `bulk`, `blob`, `soap`, `composite`, `tooling`.
    pub calls: BTreeMap<&'static str, u64>,
    /// Requests of everyone in the last 24 hours, as the org last said.
    pub org_used: Option<u64>,
    pub org_max: Option<u64>,
    /// How long it will take until the org is asked again, where requests wait for allowance.
    pub asks_again_in: Option<Duration>,
}

impl Usage {
    /// Requests of this client that count against the allowance.
    pub fn counted(&self) -> u64 {
        self.calls.iter().filter(|(family, _)| **family != OAUTH).map(|(_, calls)| calls).sum()
    }
}

pub(crate) const OAUTH: &str = "oauth";

#[derive(Debug)]
pub(crate) struct Allowance {
    reserve: Share,
    at_the_reserve: AtTheReserve,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    usage: Usage,
    learnt: Option<Instant>,
    /// Admitted requests whose answers have not come.
    under_way: u64,
    /// When the org is asked again, while requests wait for allowance.
    asks_again: Option<Instant>,
}

/// A request that may be sent. It counts as under way until this is dropped.
pub(crate) struct Admitted<'a>(&'a Allowance);

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        self.0.state().under_way -= 1;
    }
}

impl Allowance {
    pub(crate) fn new(reserve: Share, at_the_reserve: AtTheReserve) -> Allowance {
        Allowance { reserve, at_the_reserve, state: Mutex::default() }
    }

    pub(crate) fn count(&self, family: &'static str) {
        *self.state().usage.calls.entry(family).or_default() += 1;
    }

    pub(crate) fn learn(&self, headers: &HeaderMap) {
        let known = headers.get("sforce-limit-info").and_then(|value| value.to_str().ok()).and_then(parse);
        if let Some((used, max)) = known {
            self.learn_usage(used, max);
        }
    }

    pub(crate) fn learn_usage(&self, used: u64, max: u64) {
        let mut state = self.state();
        (state.usage.org_used, state.usage.org_max) = (Some(used), Some(max));
        state.learnt = Some(Instant::now());
    }

    /// Lets a request pass, at once or after a wait.
    ///
    /// # Errors
    ///
    /// `Limited` where it would take from the reserve and is not to wait.
    pub(crate) async fn admit(&self, doing: &str) -> Result<Admitted<'_>> {
        loop {
            let until = match self.try_admit() {
                Ok(admitted) => return Ok(admitted),
                Err(until) => until,
            };
            if self.at_the_reserve == AtTheReserve::Refuse {
                return Err(self.refusal(doing));
            }
            tokio::time::sleep_until(until).await;
        }
    }

    fn refusal(&self, doing: &str) -> Error {
        let usage = self.usage();
        let (used, max) = (usage.org_used.unwrap_or_default(), usage.org_max.unwrap_or_default());
        let (remaining, reserved) = (max.saturating_sub(used), self.reserve.of(max));
        let left =
            format!("{remaining} of the org's {max} API requests are left, and {reserved} are reserved for others");
        let hint = "wait until requests of the last 24 hours fall out of the count, or lower the reserve";
        Error::new(Kind::Limited, doing, left).hint(hint)
    }

    /// Or when to try again.
    fn try_admit(&self) -> std::result::Result<Admitted<'_>, Instant> {
        let now = Instant::now();
        let mut state = self.state();
        let (used, max) = (state.usage.org_used.unwrap_or(0), state.usage.org_max.unwrap_or(u64::MAX));
        let (remaining, reserved) = (max.saturating_sub(used), self.reserve.of(max));
        let free = remaining.saturating_sub(reserved);
        let waits = self.at_the_reserve == AtTheReserve::Wait;
        let (enough, trusted_for) = match self.at_the_reserve {
            AtTheReserve::Refuse => (free > 0 || reserved == 0, TRUSTED_FOR),
            AtTheReserve::Wait => (free > state.under_way + QUESTIONS.min(max / 100), ASKS_AGAIN),
        };
        let again = state.learnt.map_or(now, |learnt| learnt + trusted_for);
        let asks = now >= again && (state.under_way == 0 || !waits);
        if enough || asks {
            if !enough {
                // The others wait until the answer to this one is there.
                state.learnt = Some(now);
            }
            state.asks_again = None;
            state.under_way += 1;
            return Ok(Admitted(self));
        }
        // An answer that is to come may change everything.
        let until = if state.under_way > 0 { now + AN_ANSWER } else { again };
        if state.under_way == 0 {
            state.asks_again = Some(until);
        }
        Err(until)
    }

    pub(crate) fn usage(&self) -> Usage {
        let state = self.state();
        let asks_again_in = state.asks_again.map(|then| then.saturating_duration_since(Instant::now()));
        Usage { asks_again_in, ..state.usage.clone() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `api-usage=18/5000`, possibly followed by `; per-app-api-usage=17/250(appName=…)`.
fn parse(value: &str) -> Option<(u64, u64)> {
    let usage = value.split(';').find_map(|part| part.trim().strip_prefix("api-usage="))?;
    let (used, max) = usage.split_once('/')?;
    Some((used.trim().parse().ok()?, max.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(usage: &str) -> HeaderMap {
        HeaderMap::from_iter([("sforce-limit-info".parse().unwrap(), usage.parse().unwrap())])
    }

    #[test]
    fn the_header_of_both_forms_is_read() {
        assert_eq!(parse("api-usage=18/5000"), Some((18, 5000)));
        assert_eq!(
            parse("api-usage=25/5000; per-app-api-usage=17/250(appName=sample-connected-app)"),
            Some((25, 5000))
        );
        assert_eq!(parse("per-app-api-usage=17/250"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_reserve_is_left_alone_until_the_knowledge_is_old() {
        let allowance = Allowance::new(Share::percent(10.0).unwrap(), AtTheReserve::Refuse);
        allowance.admit("querying").await.unwrap();
        allowance.learn(&headers("api-usage=899/1000"));
        allowance.admit("querying").await.unwrap();
        allowance.learn(&headers("api-usage=900/1000"));
        let error = allowance.admit("querying").await.map(drop).unwrap_err();
        assert_eq!(error.kind, Kind::Limited);
        assert!(error.to_string().contains("100 of the org's 1000"), "{error}");

        tokio::time::advance(TRUSTED_FOR + Duration::from_secs(1)).await;
        allowance.admit("querying").await.unwrap();
        allowance.admit("querying").await.map(drop).unwrap_err();
        allowance.learn(&headers("api-usage=10/1000"));
        allowance.admit("querying").await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_reserve_the_org_decides() {
        let allowance = Allowance::new(Share::default(), AtTheReserve::Refuse);
        allowance.learn(&headers("api-usage=1000/1000"));
        allowance.admit("querying").await.unwrap();
        assert_eq!(allowance.usage().org_used, Some(1000));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_under_way_counts_and_the_others_wait_until_the_org_has_allowance_again() {
        let allowance = Allowance::new(Share::percent(50.0).unwrap(), AtTheReserve::Wait);
        allowance.learn(&headers("api-usage=488/1000"));
        let first = allowance.admit("querying").await.unwrap();
        let second = allowance.admit("querying").await.unwrap();
        let third = tokio::time::timeout(Duration::from_secs(60), allowance.admit("querying")).await;
        assert!(third.is_err(), "three requests and ten questions would have made it 501");

        allowance.learn(&headers("api-usage=500/1000"));
        drop((first, second));
        let start = Instant::now();
        assert!(tokio::time::timeout(Duration::from_secs(10), allowance.admit("querying")).await.is_err());
        let asks_again_in = allowance.usage().asks_again_in.unwrap();
        assert!(asks_again_in > Duration::from_secs(880) && asks_again_in <= ASKS_AGAIN, "{asks_again_in:?}");

        // One asks; the others follow its answer.
        let asking = allowance.admit("querying").await.unwrap();
        assert!(start.elapsed() >= Duration::from_secs(890), "{:?}", start.elapsed());
        assert!(tokio::time::timeout(Duration::from_secs(30), allowance.admit("querying")).await.is_err());
        allowance.learn(&headers("api-usage=100/1000"));
        drop(asking);
        drop(allowance.admit("querying").await.unwrap());
        assert_eq!(allowance.usage().asks_again_in, None);
    }
}
