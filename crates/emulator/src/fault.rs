// SPDX-License-Identifier: Apache-2.0
//! Bad days on order: what goes wrong with which request or job, the how-many-eth time, and how often.
//!
//! A [`Fault`] says when (API family, method, path, object, operation, client) and what ([`Effect`]). Every request that fits is
//! counted; the fault strikes from the `nth` on, `times` times. With a `rate` it strikes by chance instead, drawn from its
//! seed, so that the same requests meet the same faults in every run. With several effects the seed picks one each time.
//!
//! An org has its own faults. A request that names no org by its token counts for the first org of the process. Requests to
//! the control API itself are never struck.

mod shape;
pub mod strike;
pub mod target;

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Bytes;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use serde::{Deserialize, Serialize};

use crate::bulk::operation::Operation;
use crate::error::{ApiError, SaveError};
use crate::faces::lock;
use crate::log::Family;

use target::Target;

/// What a fault is for. What is left out fits everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct When {
    /// As in the request log: `rest`, `query`, `bulk`, `bulk1`, `composite`, `blob`, `tooling`, `soap`, `oauth`, `open`.
    pub family: Option<String>,
    /// The HTTP method, in any case.
    pub method: Option<String>,
    /// The path without the query, whole, `*` standing for any text: `/services/data/*/query*`.
    pub path: Option<String>,
    /// The object that a request names in its path, its query or its job.
    pub object: Option<String>,
    /// What a Bulk job does, as in `insert`. Requests that name none do not fit.
    pub operation: Option<String>,
    /// A part of the `User-Agent`, in any case.
    pub client: Option<String>,
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Effect {
    /// The request is refused, in the form of its API, and has no effect.
    Refuse { status: u16, code: String, message: String, retry_after_seconds: Option<u64> },
    /// A page of HTML instead of an answer, as the edge sends it with 420 and 503; no effect.
    Page { status: u16 },
    /// The answer comes that much later by tokio's clock.
    Delay { ms: u64 },
    /// The body ends after so many bytes as if it were whole.
    Truncate { after_bytes: u64 },
    /// The connection breaks after so many bytes of the body.
    Cut { after_bytes: u64 },
    /// The request has its effect, and the connection breaks before a byte of the answer.
    LoseReply,
    /// The request's session ends before it.
    ExpireSession,
    /// The daily allowance is used up from this request on.
    ExhaustLimit,
    /// `Sforce-Limit-Info` says this.
    StaleLimits { used: u64, max: u64 },
    /// The answer is the one that the same request got when the fault met it for the first time.
    Stale,
    /// A field is removed before the request.
    DropField { object: String, field: String },
    /// A text field of 255 characters is added before the request.
    AddField { object: String, field: String },
    /// A field gets another name before the request, with its values.
    RenameField { object: String, field: String, to: String },
    /// An object is removed before the request.
    RemoveObject { object: String },
    /// Rows are locked by somebody else, for so long by the org's clock.
    LockRows { ids: Vec<String>, ms: i64 },
    /// Others create so many accounts whose rows are stamped now and seen at times within `longest_ms` that the seed decides.
    LateCommits {
        count: usize,
        longest_ms: u64,
        #[serde(default)]
        seed: u64,
    },
    /// A Bulk job or batch takes that much longer, and holds its locks as long.
    SlowJob { ms: i64 },
    /// A Bulk job or batch fails with this message, once so many rows are done.
    FailJob {
        message: String,
        #[serde(default)]
        after_rows: u64,
    },
    /// Every so many-eth row that a Bulk job or batch writes is refused; for its lock, unless a code is given.
    RefuseRows { every: u64, code: Option<String>, message: Option<String> },
    /// A query that finds more rows than that is refused so, alone, in a composite request or as a job: for what takes too long.
    LimitRows { above: u64, code: String, message: String },
    /// The same for counts and other aggregates over more rows than that.
    LimitCounts { above: u64, code: String, message: String },
}

impl Effect {
    /// Whether it strikes jobs and batches when they are worked off, instead of requests.
    fn is_of_jobs(&self) -> bool {
        matches!(self, Effect::SlowJob { .. } | Effect::FailJob { .. } | Effect::RefuseRows { .. })
    }

    /// Whether it strikes queries, when it is known what they find.
    fn is_of_queries(&self) -> bool {
        matches!(self, Effect::LimitRows { .. } | Effect::LimitCounts { .. })
    }

    /// How many rows a query may find, or one that counts, with the refusal.
    fn limit(&self, counts: bool) -> Option<(u64, &str, &str)> {
        match self {
            Effect::LimitRows { above, code, message } if !counts => Some((*above, code, message)),
            Effect::LimitCounts { above, code, message } if counts => Some((*above, code, message)),
            _ => None,
        }
    }

    /// Its name in JSON, for the log.
    pub fn name(&self) -> &'static str {
        match self {
            Effect::Refuse { .. } => "refuse",
            Effect::Page { .. } => "page",
            Effect::Delay { .. } => "delay",
            Effect::Truncate { .. } => "truncate",
            Effect::Cut { .. } => "cut",
            Effect::LoseReply => "lose_reply",
            Effect::ExpireSession => "expire_session",
            Effect::ExhaustLimit => "exhaust_limit",
            Effect::StaleLimits { .. } => "stale_limits",
            Effect::Stale => "stale",
            Effect::DropField { .. } => "drop_field",
            Effect::AddField { .. } => "add_field",
            Effect::RenameField { .. } => "rename_field",
            Effect::RemoveObject { .. } => "remove_object",
            Effect::LockRows { .. } => "lock_rows",
            Effect::LateCommits { .. } => "late_commits",
            Effect::SlowJob { .. } => "slow_job",
            Effect::FailJob { .. } => "fail_job",
            Effect::RefuseRows { .. } => "refuse_rows",
            Effect::LimitRows { .. } => "limit_rows",
            Effect::LimitCounts { .. } => "limit_counts",
        }
    }
}

/// One effect, or several of which the seed picks one each time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Effects {
    One(Effect),
    OneOf(Vec<Effect>),
}

/// Something that is to go wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    #[serde(default)]
    pub when: When,
    /// From which fitting request or job on it strikes, counted from 1.
    #[serde(default = "first")]
    pub nth: u64,
    /// How often it strikes; 0 is for ever. Once unless given, for ever with a rate.
    pub times: Option<u64>,
    /// It strikes for so many seconds of the org's clock, from when it strikes first, and then no more. As often as it fits,
    /// unless `times` says otherwise.
    #[serde(default)]
    pub for_seconds: Option<u64>,
    /// How likely it strikes, from 0 to 1, instead of always.
    pub rate: Option<f64>,
    /// What its chance is drawn from.
    #[serde(default)]
    pub seed: u64,
    #[serde(rename = "do")]
    pub effects: Effects,
}

fn first() -> u64 {
    1
}

impl Fault {
    /// One that strikes the first fitting request or job, once.
    pub fn new(when: When, effect: Effect) -> Fault {
        Fault { when, nth: 1, times: None, for_seconds: None, rate: None, seed: 0, effects: Effects::One(effect) }
    }
}

/// A fault that waits, with what it has met.
#[derive(Debug)]
struct Armed {
    id: u64,
    fault: Fault,
    fitted: u64,
    struck: u64,
    /// When it struck first, in ms.
    since_ms: Option<i64>,
    random: StdRng,
    /// For [`Effect::Stale`]: the first answer to each request.
    first_answers: HashMap<String, FirstAnswer>,
}

/// An answer that is given again.
#[derive(Clone, Debug)]
pub struct FirstAnswer {
    pub status: u16,
    pub headers: http::HeaderMap,
    pub body: Bytes,
}

impl Armed {
    /// Counts a request or job that fits, and says what happens to it.
    fn strike(&mut self, now_ms: i64) -> Option<Effect> {
        self.fitted += 1;
        let unlimited = if self.fault.rate.is_some() || self.fault.for_seconds.is_some() { 0 } else { 1 };
        let span_ms =
            self.fault.for_seconds.map(|seconds| i64::try_from(seconds.saturating_mul(1_000)).unwrap_or(i64::MAX));
        let is_over = span_ms.zip(self.since_ms).is_some_and(|(span, since)| now_ms.saturating_sub(since) >= span);
        let times = self.fault.times.unwrap_or(unlimited);
        let drawn = self.fault.rate.is_none_or(|rate| self.random.random_bool(rate.clamp(0.0, 1.0)));
        if self.fitted < self.fault.nth || (times > 0 && self.struck >= times) || is_over || !drawn {
            return None;
        }
        let effect = match &self.fault.effects {
            Effects::One(effect) => effect.clone(),
            Effects::OneOf(effects) if effects.is_empty() => return None,
            Effects::OneOf(effects) => effects[self.random.random_range(0..effects.len())].clone(),
        };
        self.struck += 1;
        self.since_ms.get_or_insert(now_ms);
        Some(effect)
    }

    fn is(&self, of: fn(&Effect) -> bool) -> bool {
        match &self.fault.effects {
            Effects::One(effect) => of(effect),
            Effects::OneOf(effects) => effects.iter().all(of),
        }
    }

    /// Over how many rows a query of rows, or one that counts, may be refused.
    fn least_limit(&self, counts: bool) -> Option<u64> {
        let limit = |effect: &Effect| effect.limit(counts).map(|(above, ..)| above);
        match &self.fault.effects {
            Effects::One(effect) => limit(effect),
            Effects::OneOf(effects) => effects.iter().filter_map(limit).min(),
        }
    }

    /// Whether it strikes requests.
    fn is_of_requests(&self) -> bool {
        !self.is(Effect::is_of_jobs) && !self.is(Effect::is_of_queries)
    }
}

/// What goes wrong with a job or batch.
#[derive(Debug, Default)]
pub struct JobFault {
    pub slow_ms: i64,
    /// The message, and after how many rows.
    pub failure: Option<(String, u64)>,
    /// Every how many-eth row is refused, and how.
    pub refusal: Option<(u64, Option<SaveError>)>,
}

/// The faults of an org.
#[derive(Debug, Default)]
pub struct Faults {
    armed: Mutex<Vec<Armed>>,
    /// How many there are, so that a request of a good day asks for no lock.
    count: AtomicUsize,
    made: AtomicUsize,
    /// Rows that are locked, and until when, in ms.
    held: Mutex<Vec<(String, i64)>>,
}

impl Faults {
    /// Orders a fault; its number is for [`Faults::remove`].
    pub fn add(&self, fault: Fault) -> u64 {
        let id = self.made.fetch_add(1, Ordering::Relaxed) as u64 + 1;
        let random = StdRng::seed_from_u64(fault.seed);
        let mut armed = lock(&self.armed);
        armed.push(Armed { id, fault, fitted: 0, struck: 0, since_ms: None, random, first_answers: HashMap::new() });
        self.count.store(armed.len(), Ordering::Relaxed);
        id
    }

    /// Takes a fault back. False when there is none of this number.
    pub fn remove(&self, id: u64) -> bool {
        let mut armed = lock(&self.armed);
        let before = armed.len();
        armed.retain(|fault| fault.id != id);
        self.count.store(armed.len(), Ordering::Relaxed);
        armed.len() < before
    }

    /// Takes all of them back.
    pub fn clear(&self) {
        lock(&self.armed).clear();
        self.count.store(0, Ordering::Relaxed);
    }

    /// The faults with their numbers, how often they fitted and how often they struck.
    pub fn list(&self) -> Vec<(u64, Fault, u64, u64)> {
        lock(&self.armed).iter().map(|armed| (armed.id, armed.fault.clone(), armed.fitted, armed.struck)).collect()
    }

    /// Whether there is no fault at all.
    pub fn is_empty(&self) -> bool {
        self.count.load(Ordering::Relaxed) == 0
    }

    /// What happens to a request, with the numbers of the faults.
    pub fn on_request(&self, target: &Target, now_ms: i64) -> Vec<(u64, Effect)> {
        if self.is_empty() {
            return Vec::new();
        }
        let mut armed = lock(&self.armed);
        let fitting = armed.iter_mut().filter(|armed| armed.is_of_requests() && target.fits(&armed.fault.when));
        fitting
            .filter_map(|armed| Some((armed.id, armed.strike(now_ms)?)))
            .filter(|(_, effect)| !effect.is_of_jobs() && !effect.is_of_queries())
            .collect()
    }

    /// What happens to a job or batch that is about to be worked off.
    pub fn on_job(&self, family: Family, object: &str, operation: Operation, now_ms: i64) -> JobFault {
        let mut found = JobFault::default();
        if self.is_empty() {
            return found;
        }
        for armed in lock(&self.armed).iter_mut().filter(|armed| armed.is(Effect::is_of_jobs)) {
            let when = &armed.fault.when;
            let fits = when.family.as_deref().is_none_or(|wanted| wanted == family.as_str())
                && when.object.as_deref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(object))
                && when.operation.as_deref().is_none_or(|wanted| wanted == operation.as_str());
            match if fits { armed.strike(now_ms) } else { None } {
                Some(Effect::SlowJob { ms }) => found.slow_ms += ms,
                Some(Effect::FailJob { message, after_rows }) => found.failure = Some((message, after_rows)),
                Some(Effect::RefuseRows { every, code, message }) => {
                    let error = code.map(|code| SaveError::new(&code, message.unwrap_or_default(), &[]));
                    found.refusal = Some((every.max(1), error));
                }
                _ => {}
            }
        }
        found
    }

    /// Whether a query of an object is refused for the rows that it finds, or `counts`.
    ///
    /// # Errors
    /// The refusal, and that of `found`.
    pub fn on_query(
        &self,
        family: Family,
        object: &str,
        counts: bool,
        now_ms: i64,
        found: impl Fn() -> Result<u64, ApiError>,
    ) -> Result<(), ApiError> {
        if self.is_empty() {
            return Ok(());
        }
        for armed in lock(&self.armed).iter_mut().filter(|armed| armed.is(Effect::is_of_queries)) {
            let when = &armed.fault.when;
            let fits = when.family.as_deref().is_none_or(|wanted| wanted == family.as_str())
                && when.object.as_deref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(object));
            let Some(least) = armed.least_limit(counts).filter(|_| fits) else { continue };
            let rows = found()?;
            let drawn = if rows > least { armed.strike(now_ms) } else { None };
            // Of several limits one is drawn, which may be higher.
            if let Some((above, code, message)) = drawn.as_ref().and_then(|effect| effect.limit(counts))
                && rows > above
            {
                return Err(ApiError::new(400, code, message));
            }
        }
        Ok(())
    }

    /// The first answer that a fault remembers for a request.
    pub fn first_answer(&self, id: u64, request: &str) -> Option<FirstAnswer> {
        lock(&self.armed).iter().find(|armed| armed.id == id)?.first_answers.get(request).cloned()
    }

    /// Lets a fault remember an answer.
    pub fn remember(&self, id: u64, request: String, answer: FirstAnswer) {
        if let Some(armed) = lock(&self.armed).iter_mut().find(|armed| armed.id == id) {
            armed.first_answers.insert(request, answer);
        }
    }

    /// Notes rows that are locked until a time in ms.
    pub fn hold(&self, ids: &[String], until_ms: i64) {
        lock(&self.held).extend(ids.iter().map(|id| (id.clone(), until_ms)));
    }

    /// Rows whose lock has ended by now.
    pub fn released(&self, now_ms: i64) -> Vec<String> {
        let mut held = lock(&self.held);
        let over = held.iter().filter(|(_, until_ms)| *until_ms <= now_ms).map(|(id, _)| id.clone()).collect();
        held.retain(|(_, until_ms)| *until_ms > now_ms);
        over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn armed(nth: u64, times: Option<u64>, rate: Option<f64>) -> Faults {
        let faults = Faults::default();
        let effects = Effects::OneOf(vec![Effect::LoseReply, Effect::Page { status: 503 }]);
        faults.add(Fault { when: When::default(), nth, times, for_seconds: None, rate, seed: 7, effects });
        faults
    }

    fn strikes(faults: &Faults) -> Vec<bool> {
        (0..40).map(|_| !faults.on_request(&Target::default(), 0).is_empty()).collect()
    }

    #[test]
    fn the_nth_time_and_so_many_times() {
        let struck = strikes(&armed(3, Some(2), None));
        assert_eq!(struck.iter().position(|struck| *struck), Some(2));
        assert_eq!(struck.iter().filter(|struck| **struck).count(), 2);
        assert_eq!(strikes(&armed(1, None, None)).iter().filter(|struck| **struck).count(), 1);
        assert!(strikes(&armed(1, Some(0), None)).iter().all(|struck| *struck));
    }

    #[test]
    fn chance_is_the_same_in_every_run() {
        let struck = strikes(&armed(1, None, Some(0.3)));
        assert_eq!(struck, strikes(&armed(1, None, Some(0.3))));
        let count = struck.iter().filter(|struck| **struck).count();
        assert!((4..=20).contains(&count), "{count} of 40");
    }

    #[test]
    fn one_of_several_limits_strikes() {
        let limit = |above: u64| Effect::LimitRows { above, code: "QUERY_TIMEOUT".into(), message: "too long".into() };
        let faults = Faults::default();
        let effects = Effects::OneOf(vec![limit(2), limit(5)]);
        let when = When::default();
        faults.add(Fault { when, nth: 1, times: Some(0), for_seconds: None, rate: None, seed: 7, effects });
        let refused = |rows: u64| {
            (0..40).filter(|_| faults.on_query(Family::Query, "Account", false, 0, || Ok(rows)).is_err()).count()
        };
        assert_eq!((refused(2), refused(9)), (0, 40));
        assert!((1..40).contains(&refused(3)));
        assert!(faults.on_query(Family::Query, "Account", true, 0, || Ok(9)).is_ok(), "a count is none of them");
    }

    #[test]
    fn faults_are_written_in_json_as_documented() {
        let text = r#"{"when": {"family": "query", "object": "Account"}, "nth": 2, "do": {"refuse": {"status": 503, "code": "SERVER_UNAVAILABLE", "message": "later"}}}"#;
        let fault: Fault = serde_json::from_str(text).unwrap();
        assert_eq!((fault.nth, fault.when.family.as_deref()), (2, Some("query")));
        let fault: Fault =
            serde_json::from_str(r#"{"do": ["lose_reply", {"delay": {"ms": 5}}], "rate": 0.1}"#).unwrap();
        assert_eq!(fault.effects, Effects::OneOf(vec![Effect::LoseReply, Effect::Delay { ms: 5 }]));
        assert!(serde_json::from_str::<Fault>(r#"{"do": "lose_reply", "whenn": {}}"#).is_err());
    }
}
