// SPDX-License-Identifier: Apache-2.0
//! Rows on their way into the org, a chunk to a transaction: the same for both Bulk APIs.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;

use crate::faces::lock;
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
}

impl<'a> Chunks<'a> {
    pub fn new(org: &'a Org, order: &'a Order, object: &'a Arc<Object>, holder: &'a str) -> Chunks<'a> {
        Chunks { org, order, object, holder, locking_fields: contention::locking_fields(object) }
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
        self.org.write(|tx| {
            let mut matched = HashSet::new();
            let done = deeds.into_iter().map(|deed| self.one(tx, deed, &mut matched)).collect();
            keep(tx, done)
        })
    }

    fn one(&self, tx: &mut Tx<'_>, deed: Deed, matched: &mut HashSet<String>) -> Done {
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
        None
    }

    /// How much longer than usual the work takes, in ms of the clock.
    pub fn slow_ms(&self) -> i64 {
        0
    }
}
