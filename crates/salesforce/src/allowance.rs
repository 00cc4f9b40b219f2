// SPDX-License-Identifier: Apache-2.0
//! The org's allowance of API requests per 24 hours: what this client used of it, and what must be left for others.
//!
//! Every answer of the org says how much is used (`Sforce-Limit-Info`, `salesforce-api.md` 2.1). When what remains is
//! within the reserve, requests are refused here, before they are sent. What was learnt grows old, since the allowance
//! comes back with time: after five minutes one request is let through to learn anew, and reading `/limits` is always
//! allowed.
//!
//! Several requests in flight at once may exceed the reserve by their number.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::HeaderMap;
use tokio::time::Instant;

use crate::error::{Error, Kind, Result};

/// `/limits` is up to 5 minutes old by itself (`salesforce-api.md` 2.3).
const TRUSTED_FOR: Duration = Duration::from_secs(300);

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
    /// org does not count these), `rest`, `query`, `bulk`, `blob`, `soap`, `composite`.
    pub calls: BTreeMap<&'static str, u64>,
    /// Requests of everyone in the last 24 hours, as the org last said.
    pub org_used: Option<u64>,
    pub org_max: Option<u64>,
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
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    usage: Usage,
    learnt: Option<Instant>,
}

impl Allowance {
    pub(crate) fn new(reserve: Share) -> Allowance {
        Allowance { reserve, state: Mutex::default() }
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

    /// # Errors
    ///
    /// `Limited` where what is known to remain is within the reserve.
    pub(crate) fn admit(&self, doing: &str) -> Result<()> {
        let mut state = self.state();
        let (Some(used), Some(max), Some(learnt)) = (state.usage.org_used, state.usage.org_max, state.learnt) else {
            return Ok(());
        };
        let (remaining, reserved) = (max.saturating_sub(used), self.reserve.of(max));
        if reserved == 0 || remaining > reserved {
            return Ok(());
        }
        if learnt.elapsed() > TRUSTED_FOR {
            // The others wait until the answer to this one is there, or for as long again.
            state.learnt = Some(Instant::now());
            return Ok(());
        }
        Err(Error::new(
            Kind::Limited,
            doing,
            format!("{remaining} of the org's {max} API requests are left, and {reserved} are reserved for others"),
        )
        .hint("wait until requests of the last 24 hours fall out of the count, or lower the reserve"))
    }

    pub(crate) fn usage(&self) -> Usage {
        self.state().usage.clone()
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
        let allowance = Allowance::new(Share::percent(10.0).unwrap());
        allowance.admit("querying").unwrap();
        allowance.learn(&headers("api-usage=899/1000"));
        allowance.admit("querying").unwrap();
        allowance.learn(&headers("api-usage=900/1000"));
        let error = allowance.admit("querying").unwrap_err();
        assert_eq!(error.kind, Kind::Limited);
        assert!(error.to_string().contains("100 of the org's 1000"), "{error}");

        tokio::time::advance(TRUSTED_FOR + Duration::from_secs(1)).await;
        allowance.admit("querying").unwrap();
        allowance.admit("querying").unwrap_err();
        allowance.learn(&headers("api-usage=10/1000"));
        allowance.admit("querying").unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_reserve_the_org_decides() {
        let allowance = Allowance::new(Share::default());
        allowance.learn(&headers("api-usage=1000/1000"));
        allowance.admit("querying").unwrap();
        assert_eq!(allowance.usage().org_used, Some(1000));
    }
}
