// SPDX-License-Identifier: Apache-2.0
//! Rows on their way into the org, a chunk to a transaction: the same for both Bulk APIs.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;

use crate::faces::lock;
use crate::fault::JobFault;
use crate::log::Family;
use crate::org::{Org, Tx};
use crate::schema::Object;

use super::contention;
use super::deed::{Deed, Done, perform};
use super::order::Order;

/// Writes chunks of one job or batch.
pub struct Chunks<'a> {
    org: &'a Org,
    order: &'a Order,
    object: &'a Arc<Object>,
    /// Who holds the locks on parents: a job, or a batch of a parallel one.
    holder: &'a str,
    locking_fields: Vec<String>,
    fault: JobFault,
    rows: u64,
}

impl<'a> Chunks<'a> {
    pub fn new(family: Family, org: &'a Org, order: &'a Order, object: &'a Arc<Object>, holder: &'a str) -> Chunks<'a> {
        let fault = org.faces.faults.on_job(family, &object.name, order.operation, org.clock().now());
        Chunks { org, order, object, holder, locking_fields: contention::locking_fields(object), fault, rows: 0 }
    }

    /// Writes the rows of a chunk in one transaction; `keep` notes in it what became of them, in their order.
    ///
    /// # Errors
    /// Those of `keep`.
    pub fn write(
        &mut self,
        deeds: Vec<Deed>,
        keep: impl FnOnce(&Tx<'_>, Vec<Done>) -> io::Result<()>,
    ) -> io::Result<()> {
        let before = self.rows;
        self.rows += deeds.len() as u64;
        self.org.write(|tx| {
            let mut matched = HashSet::new();
            let numbered = (before + 1..).zip(deeds);
            let done = numbered.map(|(number, deed)| self.one(tx, number, deed, &mut matched)).collect();
            keep(tx, done)
        })
    }

    fn one(&self, tx: &mut Tx<'_>, number: u64, deed: Deed, matched: &mut HashSet<String>) -> Done {
        if let Some((every, error)) = &self.fault.refusal
            && number.is_multiple_of(*every)
        {
            let id = deed.id.unwrap_or_default();
            let error = error.clone().unwrap_or_else(|| contention::unable_to_lock(&id));
            return Done::Refused { id, error };
        }
        let parents = contention::parents(&self.locking_fields, &deed.fields);
        if !parents.is_empty() {
            let taken = lock(&self.org.faces.jobs).contention.take(self.holder, &parents, tx.now);
            if let Err(error) = taken {
                return Done::Refused { id: deed.id.unwrap_or_default(), error };
            }
        }
        perform(tx, self.order, self.object, deed, matched)
    }

    /// Why no further chunk is to be written.
    pub fn failure(&self) -> Option<String> {
        let (message, after_rows) = self.fault.failure.as_ref()?;
        (self.rows >= *after_rows).then(|| message.clone())
    }

    /// Ends the work: how much longer than usual it takes, in ms of the clock. Its locks are held as long.
    pub fn end(self) -> i64 {
        lock(&self.org.faces.jobs).contention.prolong(self.holder, self.fault.slow_ms);
        self.fault.slow_ms
    }
}
