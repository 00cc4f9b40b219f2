// SPDX-License-Identifier: Apache-2.0
//! What was asked of an org: the last requests, counts per API family, and the daily allowance they were taken from.
//!
//! The allowance is a rolling window of 24 hours, as Salesforce counts it, kept in hourly buckets: a call leaves the
//! count between 23 and 24 hours after it was made.

use std::collections::{BTreeMap, VecDeque};

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
        }
    }

    /// Whether calls of this family are taken from the daily allowance.
    pub fn is_counted(self) -> bool {
        !matches!(self, Family::OAuth | Family::Open)
    }
}

/// One request that was answered.
#[derive(Clone, Debug)]
pub struct LogEntry {
    /// When it came, in milliseconds since the epoch by the emulator's clock.
    pub at_ms: i64,
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
}

/// The last requests and how many there were of each family.
#[derive(Debug, Default)]
pub struct RequestLog {
    entries: VecDeque<LogEntry>,
    by_family: BTreeMap<Family, u64>,
}

impl RequestLog {
    /// Adds an answered request; the oldest of more than 10,000 is forgotten, but stays counted.
    pub fn add(&mut self, entry: LogEntry) {
        *self.by_family.entry(entry.family).or_default() += 1;
        if self.entries.len() == KEPT_ENTRIES {
            self.entries.pop_front();
        }
        self.entries.push_back(entry);
    }

    /// The kept requests, oldest first.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = &LogEntry> {
        self.entries.iter()
    }

    /// Requests per family since the start.
    pub fn by_family(&self) -> BTreeMap<&'static str, u64> {
        self.by_family.iter().map(|(family, requests)| (family.as_str(), *requests)).collect()
    }
}

/// Calls taken from the daily allowance.
#[derive(Debug)]
pub struct Usage {
    hours: VecDeque<(i64, u64)>,
    max: u64,
}

impl Default for Usage {
    fn default() -> Usage {
        Usage { hours: VecDeque::new(), max: 1_000_000 }
    }
}

impl Usage {
    /// Sets the allowance, and what of it counts as used now.
    pub fn set(&mut self, now_ms: i64, used: u64, max: u64) {
        self.hours.clear();
        self.hours.push_back((now_ms.div_euclid(HOUR_MS), used));
        self.max = max;
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

    /// Counts calls.
    pub fn add(&mut self, now_ms: i64, calls: u64) {
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
