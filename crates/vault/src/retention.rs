// SPDX-License-Identifier: Apache-2.0
//! Which backups are kept: the policy and the holds of an org, and what follows from them.
//!
//! The policy is that of restic: backups are looked at from the newest to the oldest, and each rule keeps the newest of so
//! many hours, days, weeks (of ISO), months and years, all in UTC. `keep_within` counts from the newest backup, not from
//! today, so that an org that is backed up no more loses nothing. What any rule keeps is kept; without a rule everything is. The newest
//! backup, and what is on hold, is always kept.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Datelike as _, Months, TimeDelta, Timelike as _, Utc};
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, Result};
use crate::lock::Lock;
use crate::org::OrgVault;
use crate::packed::ENDING;

/// How long an expired backup can be brought back, unless the policy says otherwise.
const GRACE_DAYS: u32 = 7;

/// Rules of what is kept. Zero and none are no rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Policy {
    pub keep_last: u32,
    pub keep_hourly: u32,
    pub keep_daily: u32,
    pub keep_weekly: u32,
    pub keep_monthly: u32,
    pub keep_yearly: u32,
    /// Such as `1y6m`, `14d` or `36h`.
    pub keep_within: Option<String>,
    /// Days between the expiry of a backup and its removal.
    pub grace_days: u32,
    /// Whether every backup also expires and removes what the policy says.
    pub automatic: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            keep_last: 0,
            keep_hourly: 0,
            keep_daily: 0,
            keep_weekly: 0,
            keep_monthly: 0,
            keep_yearly: 0,
            keep_within: None,
            grace_days: GRACE_DAYS,
            automatic: false,
        }
    }
}

/// Why something is not to be removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    pub since: DateTime<Utc>,
    pub reason: String,
}

/// What the vault keeps of an org's retention, in `retention.json.zst`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Retention {
    pub policy: Option<Policy>,
    pub backups: BTreeMap<u64, Hold>,
    /// By object and Id.
    pub records: BTreeMap<String, BTreeMap<String, Hold>>,
}

impl Policy {
    fn rules(&self) -> [(&'static str, u32); 6] {
        [
            ("last", self.keep_last),
            ("hourly", self.keep_hourly),
            ("daily", self.keep_daily),
            ("weekly", self.keep_weekly),
            ("monthly", self.keep_monthly),
            ("yearly", self.keep_yearly),
        ]
    }

    /// Whether it has a rule at all.
    pub fn is_empty(&self) -> bool {
        self.rules().iter().all(|(_, count)| *count == 0) && self.keep_within.is_none()
    }

    /// Of backups with the time of each, oldest first, those that are kept. Invalid for a `keep_within` that is no duration.
    pub fn keeps(&self, backups: &[(u64, DateTime<Utc>)]) -> Result<BTreeSet<u64>> {
        if self.is_empty() {
            return Ok(backups.iter().map(|(sequence, _)| *sequence).collect());
        }
        let mut kept: BTreeSet<u64> = backups.last().map(|(sequence, _)| *sequence).into_iter().collect();
        for (rule, count) in self.rules() {
            let (mut left, mut before) = (count, None);
            for (sequence, at) in backups.iter().rev() {
                let bucket = bucket(rule, *sequence, *at);
                if left > 0 && before != Some(bucket) {
                    kept.insert(*sequence);
                    left -= 1;
                    before = Some(bucket);
                }
            }
        }
        if let (Some(within), Some((_, newest))) = (&self.keep_within, backups.last()) {
            let since = before(*newest, within)?;
            kept.extend(backups.iter().filter(|(_, at)| *at >= since).map(|(sequence, _)| *sequence));
        }
        Ok(kept)
    }
}

/// What two backups have in common of which a rule keeps one.
fn bucket(rule: &str, sequence: u64, at: DateTime<Utc>) -> (i64, u32, u32) {
    let (year, day) = (i64::from(at.year()), at.ordinal());
    match rule {
        "hourly" => (year, day, at.hour()),
        "daily" => (year, day, 0),
        "weekly" => (i64::from(at.iso_week().year()), at.iso_week().week(), 0),
        "monthly" => (year, at.month(), 0),
        "yearly" => (year, 0, 0),
        _ => (sequence.cast_signed(), 0, 0),
    }
}

/// The time so long before another: years, months, days, hours, as in `1y6m14d12h`.
fn before(at: DateTime<Utc>, text: &str) -> Result<DateTime<Utc>> {
    let wrong = || {
        Error::new(Kind::Invalid, "this is no duration").with("duration", text).hint("write it like 1y6m, 14d or 36h")
    };
    let (mut at, mut digits, mut any) = (at, String::new(), false);
    for letter in text.chars() {
        if letter.is_ascii_digit() {
            digits.push(letter);
            continue;
        }
        let number: u32 = std::mem::take(&mut digits).parse().map_err(|_| wrong())?;
        at = match letter {
            'y' => at.checked_sub_months(Months::new(number.checked_mul(12).ok_or_else(wrong)?)),
            'm' => at.checked_sub_months(Months::new(number)),
            'd' => at.checked_sub_signed(TimeDelta::days(number.into())),
            'h' => at.checked_sub_signed(TimeDelta::hours(number.into())),
            _ => None,
        }
        .ok_or_else(wrong)?;
        any = true;
    }
    if any && digits.is_empty() { Ok(at) } else { Err(wrong()) }
}

impl OrgVault {
    fn retention_path(&self) -> Path {
        self.path(&format!("retention{ENDING}"))
    }

    /// Policy and holds of this org; none where nothing was ever said.
    pub async fn retention(&self) -> Result<Retention> {
        self.packed_or_default(&self.retention_path(), "the retention of the org").await
    }

    /// Keeps policy and holds. Invalid for a policy that cannot be followed.
    pub async fn set_retention(&self, lock: &Lock, retention: &Retention) -> Result<()> {
        lock.of(self)?;
        if let Some(policy) = &retention.policy {
            policy.keeps(&[(1, lock.at())])?;
        }
        self.put_packed(&self.retention_path(), retention, "the retention of the org cannot be written").await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    /// Backups every six hours from the first of January 2025 on.
    fn backups(count: u64) -> Vec<(u64, DateTime<Utc>)> {
        let start = time("2025-01-01T00:00:00Z");
        (0..count).map(|number| (number + 1, start + TimeDelta::hours(6 * number.cast_signed()))).collect()
    }

    #[test]
    fn every_rule_keeps_the_newest_of_its_buckets() {
        let backups = backups(4 * 400);
        let kept = |policy: Policy| policy.keeps(&backups).unwrap();
        let last = backups.len() as u64;
        assert_eq!(kept(Policy::default()).len() as u64, last);
        assert_eq!(kept(Policy { keep_last: 2, ..Policy::default() }), [last - 1, last].into());
        assert_eq!(kept(Policy { keep_daily: 3, ..Policy::default() }), [last - 8, last - 4, last].into());
        // 2026-02-04 is a Wednesday; the weeks before end on Sundays.
        let weekly = kept(Policy { keep_weekly: 2, ..Policy::default() });
        let dates: Vec<String> =
            weekly.iter().map(|sequence| backups[*sequence as usize - 1].1.format("%F %a").to_string()).collect();
        assert_eq!(dates, ["2026-02-01 Sun", "2026-02-04 Wed"]);
        let yearly = kept(Policy { keep_yearly: 9, ..Policy::default() });
        assert_eq!(yearly.len(), 2);
        let months = kept(Policy { keep_monthly: 3, keep_last: 1, ..Policy::default() });
        assert_eq!(months.len(), 3);
    }

    #[test]
    fn within_counts_from_the_newest_backup() {
        let backups = backups(40);
        let kept = |within: &str| Policy { keep_within: Some(within.into()), ..Policy::default() }.keeps(&backups);
        assert_eq!(kept("1d").unwrap().len(), 5);
        assert_eq!(kept("1d6h").unwrap().len(), 6);
        assert_eq!(kept("1y").unwrap().len(), 40);
        for wrong in ["", "3", "d", "1w", "1d3", "-1d", "99999999999d"] {
            assert_eq!(kept(wrong).unwrap_err().kind(), Kind::Invalid, "{wrong}");
        }
    }
}
