// SPDX-License-Identifier: Apache-2.0
//! Where the work stands: events added up, and one line that says it.

use crate::number::{bytes, counted, grouped};
use orgkeep_engine::Event;
use std::collections::BTreeMap;
use std::time::Duration;

/// Sums over the events so far.
#[derive(Debug, Default)]
pub struct Standing {
    work: Work,
    objects_expected: u64,
    objects: u64,
    /// Rows and bytes of objects that are being read.
    reading: BTreeMap<String, (u64, u64)>,
    rows: u64,
    bytes: u64,
    files: u64,
    calls: u64,
    calls_left: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Work {
    #[default]
    Backup,
    Compare,
    Plan,
    Restore,
    Copy,
    Check,
}

impl Standing {
    pub fn add(&mut self, event: &Event) {
        match event {
            Event::BackupStarted { objects, .. } => {
                *self = Standing { objects_expected: *objects as u64, ..Standing::default() };
            }
            Event::ObjectProgress { object, rows, bytes } => {
                self.reading.insert(object.clone(), (*rows, *bytes));
            }
            Event::ObjectFinished { object, rows_read, .. } => {
                let (_, bytes) = self.reading.remove(object).unwrap_or_default();
                self.objects += 1;
                self.rows += rows_read;
                self.bytes += bytes;
            }
            Event::FileProgress { files, bytes } => {
                self.files = *files;
                // Bytes of files come as a sum of their own.
                self.reading.insert("files".to_owned(), (0, *bytes));
            }
            Event::Allowance { calls, org_used, org_max } => {
                self.calls = *calls;
                self.calls_left = org_max.zip(*org_used).map(|(max, used)| max.saturating_sub(used));
            }
            Event::CompareProgress { object, rows } => {
                self.work = Work::Compare;
                self.reading.insert(object.clone(), (*rows, 0));
            }
            Event::PlanProgress { object, records } => {
                self.work = Work::Plan;
                self.reading.insert(object.clone(), (*records, 0));
            }
            Event::RestoreStarted { steps, .. } => {
                let objects_expected = *steps as u64;
                *self = Standing { work: Work::Restore, objects_expected, ..Standing::default() };
            }
            Event::StepProgress { step, records } => {
                self.reading.insert(step.to_string(), (*records, 0));
            }
            Event::StepFinished { step, done, .. } => {
                self.reading.remove(&step.to_string());
                self.objects += 1;
                self.rows += done;
            }
            Event::CopyProgress { files, bytes } => {
                self.work = Work::Copy;
                self.files = *files;
                self.bytes = *bytes;
            }
            Event::CheckProgress { files, bytes, .. } => {
                self.work = Work::Check;
                self.files = *files;
                self.bytes = *bytes;
            }
            _ => {}
        }
    }

    pub fn rows(&self) -> u64 {
        self.rows + self.reading.values().map(|(rows, _)| rows).sum::<u64>()
    }

    fn bytes(&self) -> u64 {
        self.bytes + self.reading.values().map(|(_, bytes)| bytes).sum::<u64>()
    }

    /// One line, without what is zero or unknown: how far, how much, how fast, what it cost and what is left.
    pub fn line(&self, elapsed: Duration) -> String {
        let mut parts = Vec::new();
        let expected = grouped(self.objects_expected);
        match self.work {
            Work::Backup => parts.push(format!("{} of {expected} objects", grouped(self.objects))),
            Work::Restore => parts.push(format!("{} of {expected} steps", grouped(self.objects))),
            Work::Copy => parts.push(format!("{} copied", counted(self.files, "file"))),
            Work::Check => parts.push(format!("{} checked", counted(self.files, "file"))),
            Work::Compare => parts.push("comparing".to_owned()),
            Work::Plan => parts.push("planning".to_owned()),
        }
        let noun = if matches!(self.work, Work::Restore | Work::Plan) { "record" } else { "row" };
        if !matches!(self.work, Work::Check | Work::Copy) {
            parts.push(counted(self.rows(), noun));
        }
        if self.files > 0 && !matches!(self.work, Work::Check | Work::Copy) {
            parts.push(counted(self.files, "file"));
        }
        if self.bytes() > 0 {
            parts.push(bytes(self.bytes()));
        }
        let seconds = elapsed.as_secs_f64();
        if self.rows() > 0 && seconds >= 1.0 {
            parts.push(format!("{} {noun}s/s", grouped((self.rows() as f64 / seconds) as u64)));
        }
        if self.calls > 0 {
            let left = self.calls_left.map(|left| format!(", {} left", grouped(left))).unwrap_or_default();
            parts.push(format!("{}{left}", counted(self.calls, "API call")));
        }
        parts.join(" · ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use orgkeep_engine::{Mode, Route};

    #[test]
    fn a_line_says_how_far_how_much_how_fast_and_what_is_left() {
        let mut standing = Standing::default();
        let org = "00D000000000001EAA".to_owned();
        standing.add(&Event::BackupStarted { org, sequence: 1, mode: Mode::Full, continued: false, objects: 60 });
        standing.add(&Event::ObjectProgress { object: "Account".into(), rows: 2_000, bytes: 900_000 });
        standing.add(&Event::ObjectFinished {
            object: "Account".into(),
            route: Route::Bulk,
            rows_read: 3_000,
            added: 3_000,
            changed: 0,
            deleted: 0,
            rows_held: 3_000,
            rows_in_org: Some(3_000),
            gaps: Vec::new(),
        });
        standing.add(&Event::ObjectProgress { object: "Contact".into(), rows: 1_000, bytes: 300_000 });
        standing.add(&Event::Allowance { calls: 41, org_used: Some(1_041), org_max: Some(100_000) });
        assert_eq!(
            standing.line(Duration::from_secs(2)),
            "1 of 60 objects · 4,000 rows · 1.2 MB · 2,000 rows/s · 41 API calls, 98,959 left"
        );
    }

    #[test]
    fn a_restore_counts_steps_and_records() {
        let mut standing = Standing::default();
        standing.add(&Event::RestoreStarted { restore: "r".into(), steps: 4, records: 500, continued: false });
        standing.add(&Event::StepProgress { step: 1, records: 200 });
        standing.add(&Event::StepFinished { step: 1, done: 300, failed: 2 });
        standing.add(&Event::StepProgress { step: 2, records: 10 });
        assert_eq!(standing.line(Duration::from_millis(900)), "1 of 4 steps · 310 records");
    }
}
