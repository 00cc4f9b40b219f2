// SPDX-License-Identifier: Apache-2.0
//! What an org does by itself as its clock goes: the recycle bin forgets, every midnight (UTC) old activities are archived and
//! formulas of the day are computed, late transactions commit.
//!
//! Nothing runs in a thread. Before every transaction the org is brought up to what its clock says, so a test that moves the
//! clock sees what happened meanwhile, in one step.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::late::Deeds;
use crate::record;
use crate::schema::Schema;
use crate::store::Store;

const DAY_MS: i64 = 86_400_000;
/// Rows the recycle bin holds for each user licence (`salesforce-api.md` 6.7; documents differ).
const ROWS_PER_LICENCE: i64 = 5_000;

/// What waits for the clock.
#[derive(Debug, Default)]
pub(super) struct Background {
    /// When something is to be done next, in ms.
    due_ms: AtomicI64,
    /// When the next day begins, in ms; 0 before the org was looked at.
    midnight_ms: AtomicI64,
    /// How many rows the recycle bin holds; 0 asks the licences.
    bin_rows: AtomicI64,
    /// Transactions that commit by themselves, and when.
    late: Mutex<Vec<(i64, Deeds)>>,
}

impl Background {
    pub fn set_bin_rows(&self, rows: i64) {
        self.bin_rows.store(rows, Ordering::Relaxed);
        self.due_ms.store(0, Ordering::Relaxed);
    }

    pub fn commit_at(&self, ms: i64, deeds: Deeds) {
        self.late.lock().unwrap_or_else(PoisonError::into_inner).push((ms, deeds));
        self.due_ms.fetch_min(ms, Ordering::Relaxed);
    }

    /// Brings the org up to its clock.
    pub fn settle(&self, store: &mut Store, schema: &Arc<Schema>, now: i64) -> rusqlite::Result<()> {
        if now < self.due_ms.load(Ordering::Relaxed) {
            return Ok(());
        }
        let ready = {
            let mut late = self.late.lock().unwrap_or_else(PoisonError::into_inner);
            late.sort_by_key(|(ms, _)| *ms);
            let first_later = late.iter().position(|(ms, _)| *ms > now).unwrap_or(late.len());
            late.drain(..first_later).collect::<Vec<_>>()
        };
        for (_, deeds) in ready {
            store.write(schema.clone(), now, |tx| deeds.commit(tx))?.expect("the rows of a late commit are locked");
        }
        let next = store.write(schema.clone(), now, |tx| {
            let night = self.midnight_ms.load(Ordering::Relaxed);
            if night == 0 || now >= night {
                if night > 0 {
                    record::archive_activities(tx).expect("the store can be written");
                    record::refresh_clock_formulas(tx);
                }
                self.midnight_ms.store((now.div_euclid(DAY_MS) + 1) * DAY_MS, Ordering::Relaxed);
            }
            let rows = match self.bin_rows.load(Ordering::Relaxed) {
                0 => ROWS_PER_LICENCE * licences(tx.conn).max(1),
                rows => rows,
            };
            record::expire_recycle_bin(tx, rows).expect("the store can be written")
        })?;
        let late = self.late.lock().unwrap_or_else(PoisonError::into_inner);
        let first_late = late.iter().map(|(ms, _)| *ms).min().unwrap_or(i64::MAX);
        let next = next.min(self.midnight_ms.load(Ordering::Relaxed)).min(first_late);
        self.due_ms.store(next, Ordering::Relaxed);
        Ok(())
    }
}

fn licences(conn: &rusqlite::Connection) -> i64 {
    conn.query_row("SELECT coalesce(sum(\"TotalLicenses\"), 0) FROM \"UserLicense\"", [], |row| row.get(0)).unwrap_or(0)
}
