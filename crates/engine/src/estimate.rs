// SPDX-License-Identifier: Apache-2.0
//! What backups of an org will cost, before one is taken: API calls, time and bytes of a full and an incremental one, and what schedules
//! would cost a day.
//!
//! The org is asked for three things: its objects, its own count of their rows (`recordCount`, a cached number, one call for all
//! objects) and its allowance. How much changes, how wide a row is and how fast rows come is taken from the backups that the vault
//! holds; where it holds none, from assumptions that are named. Calls are counted as a backup makes them (`backup/`): this is an
//! estimate of those rules, not a promise, and queries that the org refuses or jobs that it delays cost more.

use crate::backup::{BULK_ROWS, without_rows};
use crate::error::Result;
use crate::event::Mode;
use crate::point::Point;
use orgkeep_salesforce::{MOST_DESCRIBES, MOST_QUERIES, Org};
use orgkeep_vault::OrgVault;
use serde::Serialize;
use std::collections::BTreeMap;

/// A call tells a thousand fields, and an object has three dozen.
const OBJECTS_PER_TOOLING_CALL: u64 = 28;
/// Backups looked back at.
const HISTORY: usize = 30;
/// Rows of a page of REST.
const PAGE: u64 = 2_000;
/// Calls that a Bulk job takes beside its result pages: made, looked at twice, its first page.
const BULK_CALLS: u64 = 4;
const BULK_PAGE: u64 = 100_000;
/// Objects whose rows have bodies, each fetched by a call of its own where it is not held.
const WITH_BODIES: [&str; 4] = ["Attachment", "ContentVersion", "Document", "StaticResource"];

/// What is assumed of an org of which no backup tells.
const BYTES_PER_ROW: u64 = 500;
/// An Id with its flag, of a row that is held side by side; formulas come on top.
const BYTES_PER_ID: u64 = 40;
const ROWS_PER_SECOND: u64 = 2_000;
const CHANGED_A_DAY: f64 = 0.01;
const CALLS_PER_SECOND: u64 = 5;

/// What one backup takes.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Cost {
    pub calls: u64,
    pub rows: u64,
    /// Rows as the org sends them, uncompressed, without bodies of files.
    pub bytes: u64,
    pub seconds: u64,
}

/// What a schedule takes.
#[derive(Clone, Debug, Serialize)]
pub struct Schedule {
    pub every_minutes: u64,
    pub runs_a_day: u64,
    /// With the share of reconciliations.
    pub calls_a_day: u64,
    pub reconciliation_calls_a_day: u64,
    /// Of the org's daily allowance, in percent.
    pub percent_of_allowance: Option<f64>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Estimate {
    /// Objects that can be read, and those of them that have rows.
    pub objects: u64,
    pub objects_with_rows: u64,
    pub rows: u64,
    /// Bodies of files that are not held.
    pub files: u64,
    pub full: Cost,
    /// An hour after the one before.
    pub incremental: Cost,
    /// What holding all Ids and formulas against the org's takes beyond an incremental backup.
    pub reconciliation: Cost,
    /// Every how many days that is done; none for never.
    pub reconcile_days: Option<u32>,
    /// Rows that change in an hour.
    pub changed_rows_an_hour: f64,
    pub schedules: Vec<Schedule>,
    /// API requests of everyone in the last 24 hours, and the allowance.
    pub org_used: Option<u64>,
    pub org_max: Option<u64>,
    /// Backups that the numbers stand on; with none they are assumptions.
    pub backups: usize,
}

/// What the vault's backups tell.
struct History {
    backups: usize,
    bytes_per_row: u64,
    rows_per_second: u64,
    changed_rows_an_hour: f64,
    /// Objects in which something changes, from one backup to the next.
    changed_objects: f64,
    /// Rows held by object.
    held: BTreeMap<String, u64>,
}

/// Estimates what backups of the org will cost that hold all Ids every `reconcile_days` days.
///
/// # Errors
/// As the org refuses to be asked.
pub async fn estimate(org: &Org, vault: &OrgVault, reconcile_days: Option<u32>) -> Result<Estimate> {
    let summaries = org.describe_global().await?;
    let readable: Vec<&str> = summaries
        .iter()
        .filter(|summary| without_rows(summary).is_none())
        .map(|summary| summary.name.as_str())
        .collect();
    let counts = org.record_counts().await?;
    let _ = org.limits().await;
    let usage = org.usage();
    let rows_of = |object: &str| counts.get(object).copied().unwrap_or(0);
    let rows = readable.iter().map(|object| rows_of(object)).sum();
    let objects = readable.len() as u64;
    let filled: Vec<u64> = readable.iter().map(|object| rows_of(object)).filter(|rows| *rows > 0).collect();
    let history = History::of(vault, rows, filled.len() as u64).await?;
    let held = |object: &str| history.held.get(object).copied().unwrap_or(0);
    let files = WITH_BODIES.iter().map(|object| rows_of(object).saturating_sub(held(object))).sum();

    let seconds = |calls: u64, rows: u64| calls / CALLS_PER_SECOND + rows / history.rows_per_second.max(1);
    let together = |count: u64| count.div_ceil(MOST_QUERIES as u64);
    // Objects of up to one page are asked for together, the others by pages or by a Bulk job.
    let small = filled.iter().filter(|rows| **rows <= PAGE).count() as u64;
    let single: u64 = filled.iter().filter(|rows| **rows > PAGE).map(|rows| calls_for(*rows)).sum();
    let full = {
        // The list, what the user is shown, the describes, and what they hide.
        let describes = 2 + objects.div_ceil(MOST_DESCRIBES as u64) + objects.div_ceil(OBJECTS_PER_TOOLING_CALL);
        let counts = together(objects) + together(filled.len() as u64);
        let calls = describes + counts + together(small) + single + files;
        Cost { calls, rows, bytes: rows * history.bytes_per_row, seconds: seconds(calls, rows) }
    };
    let after = |hours: f64| {
        let rows = (history.changed_rows_an_hour * hours).ceil() as u64;
        let changed = (history.changed_objects.ceil() as u64).min(rows).max(u64::from(rows > 0));
        let pages = match changed {
            0 => 0,
            changed => changed * (calls_for(rows / changed) - 1),
        };
        // The list, what the user is shown, a question for each, and for what changed its rows and a count.
        let calls = 2 + together(objects) + 2 * together(changed) + pages;
        Cost { calls, rows, bytes: rows * history.bytes_per_row, seconds: seconds(calls, rows) }
    };
    let reconciliation = {
        let calls = together(small) + single;
        Cost { calls, rows, bytes: rows * BYTES_PER_ID, seconds: seconds(calls, rows) }
    };
    let reconcile_days = reconcile_days.filter(|days| *days > 0);
    let reconciliation_calls_a_day = reconcile_days.map_or(0, |days| reconciliation.calls.div_ceil(u64::from(days)));
    let schedule = |every_minutes: u64| {
        let runs_a_day = 24 * 60 / every_minutes;
        let calls_a_day = runs_a_day * after(every_minutes as f64 / 60.0).calls + reconciliation_calls_a_day;
        let percent_of_allowance =
            usage.org_max.filter(|max| *max > 0).map(|max| calls_a_day as f64 * 100.0 / max as f64);
        Schedule { every_minutes, runs_a_day, calls_a_day, reconciliation_calls_a_day, percent_of_allowance }
    };
    Ok(Estimate {
        objects,
        objects_with_rows: filled.len() as u64,
        rows,
        files,
        full,
        incremental: after(1.0),
        reconciliation,
        reconcile_days,
        changed_rows_an_hour: history.changed_rows_an_hour,
        schedules: [12 * 60, 60, 15].map(schedule).into(),
        org_used: usage.org_used,
        org_max: usage.org_max,
        backups: history.backups,
    })
}

/// Calls that the rows of one object take.
fn calls_for(rows: u64) -> u64 {
    if rows > BULK_ROWS { BULK_CALLS + rows.div_ceil(BULK_PAGE) } else { rows.div_ceil(PAGE).max(1) }
}

impl History {
    async fn of(vault: &OrgVault, rows: u64, filled: u64) -> Result<History> {
        let all = Point::all(vault).await?;
        let recent = &all[all.len().saturating_sub(HISTORY)..];
        let mut history = History {
            backups: recent.len(),
            bytes_per_row: BYTES_PER_ROW,
            rows_per_second: ROWS_PER_SECOND,
            changed_rows_an_hour: rows as f64 * CHANGED_A_DAY / 24.0,
            changed_objects: filled as f64 / 10.0,
            held: BTreeMap::new(),
        };
        if let Some(last) = recent.last() {
            history.held = last.content.objects.iter().map(|(object, entry)| (object.clone(), entry.live)).collect();
        }
        let notes = || recent.iter().flat_map(|point| point.content.objects.values()).map(|entry| &entry.note);
        let (read, bytes): (u64, u64) =
            notes().fold((0, 0), |(rows, bytes), note| (rows + note.rows_read, bytes + note.bytes_read));
        history.bytes_per_row = bytes.checked_div(read).unwrap_or(BYTES_PER_ROW);
        if let Some(full) = recent.iter().rfind(|point| point.content.mode == Mode::Full) {
            let seconds = (full.finished - full.started).num_seconds().max(1) as u64;
            let rows: u64 = full.content.objects.values().map(|entry| entry.note.rows_read).sum();
            history.rows_per_second = (rows / seconds).max(1);
        }
        let (mut hours, mut changed_rows, mut changed_objects, mut runs) = (0.0, 0, 0, 0);
        for pair in recent.windows(2).filter(|pair| pair[1].content.mode == Mode::Incremental) {
            let entries = || pair[1].content.objects.values().map(|entry| entry.added + entry.changed + entry.deleted);
            hours += (pair[1].finished - pair[0].finished).num_seconds().max(0) as f64 / 3600.0;
            changed_rows += entries().sum::<u64>();
            changed_objects += entries().filter(|rows| *rows > 0).count();
            runs += 1;
        }
        if runs > 0 && hours > 0.0 {
            history.changed_rows_an_hour = changed_rows as f64 / hours;
            history.changed_objects = changed_objects as f64 / f64::from(runs);
        }
        Ok(history)
    }
}
