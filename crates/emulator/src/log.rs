// SPDX-License-Identifier: Apache-2.0
//! What was asked of an org: the last requests, counts per API family, and the daily allowance they were taken from.
//!
//! The allowance is a rolling window of 24 hours, as Salesforce counts it, kept in hourly buckets: a call leaves the
//! count between 23 and 24 hours after it was made.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};

use crate::traffic::Traffic;
use crate::value::date_time_text;

const KEPT_ENTRIES: usize = 10_000;
const HOUR_MS: i64 = 3_600_000;
const WINDOW_HOURS: i64 = 24;

/// The API a request belongs to; the keys of [`crate::org::Org::usage_by_family`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// OAuth, identity and discovery: not counted against the allowance.
    OAuth,
    /// `/services/data` and pages for people: not counted.
    Open,
    /// Rows, describes, limits and whatever else is plain REST.
    Rest,
    /// `/query` and `/queryAll`, first and later pages.
    Query,
    /// The composite resources.
    Composite,
    /// Bulk API 2.0.
    Bulk,
    /// Bulk API 1.0.
    Bulk1,
    /// Bodies of files.
    Blob,
    /// The tooling API.
    Tooling,
    /// SOAP.
    Soap,
    /// The Pub/Sub API: not counted.
    PubSub,
}

impl Family {
    /// The family's name in lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            Family::OAuth => "oauth",
            Family::Open => "open",
            Family::Rest => "rest",
            Family::Query => "query",
            Family::Composite => "composite",
            Family::Bulk => "bulk",
            Family::Bulk1 => "bulk1",
            Family::Blob => "blob",
            Family::Tooling => "tooling",
            Family::Soap => "soap",
            Family::PubSub => "pubsub",
        }
    }

    /// Whether calls of this family are taken from the daily allowance.
    pub fn is_counted(self) -> bool {
        !matches!(self, Family::OAuth | Family::Open | Family::PubSub)
    }
}

/// One request that was answered.
#[derive(Clone, Debug)]
pub struct LogEntry {
    /// Its number among the requests of its org, from 1.
    pub number: u64,
    /// When it came, in milliseconds since the epoch by the emulator's clock.
    pub at_ms: i64,
    /// How long until its answer began, in milliseconds of the emulator's clock.
    pub duration_ms: i64,
    /// The method as sent.
    pub method: String,
    /// Path and query, without tokens and secrets.
    pub path: String,
    /// Status of the answer.
    pub status: u16,
    /// The API it belongs to.
    pub family: Family,
    /// Who asked, when known.
    pub user_id: Option<String>,
    /// The object it is about, when it names one.
    pub object: Option<String>,
    /// The `User-Agent`.
    pub client: String,
    /// The connected app of the session, when known.
    pub app: Option<String>,
    /// Bytes of the request's body, so far.
    pub bytes_in: u64,
    /// Bytes of the answer's body, so far: while it is being sent the number grows.
    pub bytes_out: u64,
    /// Names of the faults that struck it.
    pub faults: Vec<&'static str>,
}

/// What requests cost: one client's, or one API's.
#[derive(Debug, Default)]
struct Cost {
    requests: u64,
    /// Of those the ones answered with a status of 400 and above.
    refused: u64,
    duration_ms: i64,
    traffic: Arc<Traffic>,
    /// Bytes of bodies that were counted elsewhere.
    bytes_in: u64,
}

/// The last requests and what there were of each family, client and object.
#[derive(Debug, Default)]
pub struct RequestLog {
    entries: VecDeque<(LogEntry, Arc<Traffic>)>,
    added: u64,
    by_family: BTreeMap<Family, u64>,
    /// By client, app and family.
    costs: BTreeMap<(String, String, Family), Cost>,
    by_object: BTreeMap<(String, Family), u64>,
}

impl RequestLog {
    /// Adds an answered request; the oldest of more than 10,000 is forgotten, but stays counted. The traffic is that of the
    /// request itself; what its answer's bytes are also to be counted in is given back.
    pub fn add(&mut self, mut entry: LogEntry, traffic: Arc<Traffic>) -> Arc<Traffic> {
        self.added += 1;
        entry.number = self.added;
        *self.by_family.entry(entry.family).or_default() += 1;
        let (client, app) = asker(&entry);
        let cost = self.costs.entry((client.to_owned(), app.to_owned(), entry.family)).or_default();
        cost.requests += 1;
        cost.refused += u64::from(entry.status >= 400);
        cost.duration_ms += entry.duration_ms;
        cost.bytes_in += traffic.bytes_in();
        let shared = cost.traffic.clone();
        if let Some(object) = &entry.object {
            *self.by_object.entry((object.clone(), entry.family)).or_default() += 1;
        }
        if self.entries.len() == KEPT_ENTRIES {
            self.entries.pop_front();
        }
        self.entries.push_back((entry, traffic));
        shared
    }

    /// The kept requests, oldest first.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = LogEntry> {
        self.entries.iter().map(|(entry, traffic)| filled(entry, traffic))
    }

    /// Requests per family since the start.
    pub fn by_family(&self) -> BTreeMap<&'static str, u64> {
        self.by_family.iter().map(|(family, requests)| (family.as_str(), *requests)).collect()
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = RequestLog::default();
    }

    /// What was asked since the start: by family, by client and family, by app and family, and requests by object and family.
    pub fn usage(&self) -> Value {
        let mut families: BTreeMap<&str, Sums> = BTreeMap::new();
        let mut clients: BTreeMap<&str, BTreeMap<&str, Sums>> = BTreeMap::new();
        let mut apps: BTreeMap<&str, BTreeMap<&str, Sums>> = BTreeMap::new();
        for ((client, app, family), cost) in &self.costs {
            let family = family.as_str();
            families.entry(family).or_default().add(cost);
            clients.entry(client).or_default().entry(family).or_default().add(cost);
            apps.entry(app).or_default().entry(family).or_default().add(cost);
        }
        let mut objects: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
        for ((object, family), requests) in &self.by_object {
            objects.entry(object).or_default().insert(family.as_str(), *requests);
        }
        json!({"requests": self.added, "families": families, "clients": clients, "apps": apps, "objects": objects})
    }
}

/// Costs added up, as the control API shows them.
#[derive(Default, Serialize)]
struct Sums {
    requests: u64,
    refused: u64,
    bytes_in: u64,
    bytes_out: u64,
    duration_ms: i64,
}

impl Sums {
    fn add(&mut self, cost: &Cost) {
        self.requests += cost.requests;
        self.refused += cost.refused;
        self.bytes_in += cost.bytes_in;
        self.bytes_out += cost.traffic.bytes_out();
        self.duration_ms += cost.duration_ms;
    }
}

/// An entry with the bytes that were counted until now.
pub fn filled(entry: &LogEntry, traffic: &Traffic) -> LogEntry {
    LogEntry { bytes_in: traffic.bytes_in(), bytes_out: traffic.bytes_out(), ..entry.clone() }
}

/// The product of the `User-Agent`, and the app of the session: what usage is kept by.
fn asker(entry: &LogEntry) -> (&str, &str) {
    let product = entry.client.split_whitespace().next().unwrap_or("unknown");
    (product, entry.app.as_deref().unwrap_or("unknown"))
}

impl LogEntry {
    /// As JSON, for the control API.
    pub fn json(&self) -> Value {
        json!({
            "number": self.number, "at": date_time_text(self.at_ms, "Z"), "duration_ms": self.duration_ms,
            "method": self.method, "path": self.path, "status": self.status, "family": self.family.as_str(),
            "object": self.object, "user": self.user_id, "client": self.client, "app": self.app,
            "bytes_in": self.bytes_in, "bytes_out": self.bytes_out, "faults": self.faults,
        })
    }
}

impl fmt::Display for LogEntry {
    /// One plain line: time, status, API, method, path, duration, bytes in and out, object, client, app, faults.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = date_time_text(self.at_ms, "Z");
        write!(f, "{time} {} {} {} {}", self.status, self.family.as_str(), self.method, self.path)?;
        write!(f, " {}ms in={} out={}", self.duration_ms, self.bytes_in, self.bytes_out)?;
        if let Some(object) = &self.object {
            write!(f, " object={object}")?;
        }
        let (client, app) = asker(self);
        write!(f, " client={client} app={}", app.replace(' ', "_"))?;
        if !self.faults.is_empty() {
            write!(f, " faults={}", self.faults.join(","))?;
        }
        Ok(())
    }
}

/// Calls taken from the daily allowance.
#[derive(Debug)]
pub struct Usage {
    hours: VecDeque<(i64, u64)>,
    max: u64,
    /// Calls of other applications for each call that is counted.
    others: u64,
}

impl Default for Usage {
    fn default() -> Usage {
        Usage { hours: VecDeque::new(), max: 1_000_000, others: 0 }
    }
}

impl Usage {
    /// Sets the allowance, and what of it counts as used now.
    pub fn set(&mut self, now_ms: i64, used: u64, max: u64) {
        self.hours.clear();
        self.hours.push_back((now_ms.div_euclid(HOUR_MS), used));
        self.max = max;
    }

    /// From now on other applications make so many calls for each one that is counted.
    pub fn set_others(&mut self, others: u64) {
        self.others = others;
    }

    /// Calls of the last 24 hours.
    pub fn used(&mut self, now_ms: i64) -> u64 {
        let oldest = now_ms.div_euclid(HOUR_MS) - WINDOW_HOURS;
        while self.hours.front().is_some_and(|(hour, _)| *hour <= oldest) {
            self.hours.pop_front();
        }
        self.hours.iter().map(|(_, calls)| calls).sum()
    }

    /// The allowance.
    pub fn max(&self) -> u64 {
        self.max
    }

    /// Counts calls, and those of others beside them.
    pub fn add(&mut self, now_ms: i64, calls: u64) {
        let calls = calls.saturating_mul(self.others.saturating_add(1));
        let hour = now_ms.div_euclid(HOUR_MS);
        match self.hours.back_mut() {
            Some((last, count)) if *last == hour => *count += calls,
            _ => self.hours.push_back((hour, calls)),
        }
    }
}

/// The path with the values of secrets taken out, fit for a log.
pub fn without_secrets(path: &str, query: Option<&str>) -> String {
    const SECRETS: [&str; 6] = ["token=", "oauth_token=", "access_token=", "sid=", "code=", "client_secret="];
    let Some(query) = query else { return path.to_owned() };
    let shown: Vec<String> = query
        .split('&')
        .map(|pair| match SECRETS.iter().find(|secret| pair.starts_with(**secret)) {
            Some(secret) => format!("{secret}…"),
            None => pair.to_owned(),
        })
        .collect();
    format!("{path}?{}", shown.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_allowance_is_a_rolling_day() {
        let mut usage = Usage::default();
        usage.set(0, 10, 100);
        usage.add(1, 1);
        usage.add(5 * HOUR_MS, 2);
        assert_eq!(usage.used(23 * HOUR_MS), 13);
        assert_eq!(usage.used(24 * HOUR_MS), 2);
        assert_eq!(usage.used(29 * HOUR_MS), 0);
        assert_eq!(usage.max(), 100);
    }

    #[test]
    fn tokens_do_not_reach_the_log() {
        assert_eq!(without_secrets("/id", Some("oauth_token=00D!x&format=json")), "/id?oauth_token=…&format=json");
        assert_eq!(without_secrets("/id", None), "/id");
    }
}
