// SPDX-License-Identifier: Apache-2.0
//! From when to when each version of a record was the one that the vault held.
//!
//! Versions come with the newest of each Id first, so what replaced a version is the row before it. A version is valid from the moment
//! the backup was finished that captured it, to the moment the next version's was; the record itself changed at some time before:
//! `LastModifiedDate` and `LastModifiedById` of the version say when and by whom.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use datafusion::arrow::array::{ArrayRef, Int64Array, TimestampMicrosecondArray};
use orgkeep_vault::Batch;

/// When each backup was finished.
pub(crate) struct Times(pub BTreeMap<u64, DateTime<Utc>>);

impl Times {
    fn micros(&self, backup: u64) -> Option<i64> {
        self.0.get(&backup).map(DateTime::timestamp_micros)
    }
}

/// Of each row of a batch.
pub(crate) struct Spans {
    pub valid_from: ArrayRef,
    pub valid_to: ArrayRef,
    pub until_backup: ArrayRef,
}

/// Remembers the last row across batches.
pub(crate) struct Successors {
    times: Arc<Times>,
    id: String,
    backup: u64,
}

impl Successors {
    pub fn new(times: Arc<Times>) -> Successors {
        Successors { times, id: String::new(), backup: 0 }
    }

    pub fn of(&mut self, batch: &Batch) -> Spans {
        let mut from = Vec::with_capacity(batch.len());
        let mut to = Vec::with_capacity(batch.len());
        let mut until = Vec::with_capacity(batch.len());
        for row in 0..batch.len() {
            let (id, backup) = (batch.id(row), batch.backup(row));
            let next = (id == self.id).then_some(self.backup);
            from.push(self.times.micros(backup));
            to.push(next.and_then(|next| self.times.micros(next)));
            until.push(next.and_then(|next| i64::try_from(next).ok()));
            if next.is_none() {
                self.id.clear();
                self.id.push_str(id);
            }
            self.backup = backup;
        }
        let times = |values: Vec<Option<i64>>| -> ArrayRef {
            Arc::new(TimestampMicrosecondArray::from(values).with_timezone("UTC"))
        };
        Spans { valid_from: times(from), valid_to: times(to), until_backup: Arc::new(Int64Array::from(until)) }
    }
}
