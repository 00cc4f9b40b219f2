// SPDX-License-Identifier: Apache-2.0
//! The bodies of files while their rows are read: which row's body is held already, and which is wanted.
//!
//! A body is one API call, so it is fetched only when its content is not held yet. A version of a file never changes its body:
//! what the vault holds for its Id is taken over. An attachment has no MD5: its body is wanted again when its stamp moved.
//!
//! Rows do not wait for bodies. One whose body is wanted is kept without, and `bodies.rs` fetches it when all rows are there.

use super::Run;
use crate::error::Result;
use crate::note::Note;
use crate::spec::{Body, Spec};
use futures::stream::TryStreamExt;
use orgkeep_salesforce::Rows;
use std::collections::HashMap;

/// What stands before the hash in the column of a body.
pub(crate) const REFERENCE: &str = "blob:";

/// The hash in the column of a body.
pub(crate) fn hash_of(cell: &str) -> Option<&str> {
    cell.strip_prefix(REFERENCE)
}

/// How many Ids of an object's rows are remembered as wanting a body. Where there are more, all of its rows are looked at.
const MOST_IDS: usize = 100_000;

/// Tells which of an object's rows want a body.
pub(super) struct Bodies<'a> {
    run: &'a Run<'a>,
    spec: &'a Spec,
    body: &'a Body,
}

impl<'a> Bodies<'a> {
    pub fn new(run: &'a Run<'a>, spec: &'a Spec, body: &'a Body) -> Bodies<'a> {
        Bodies { run, spec, body }
    }

    /// The reference of each row's body as far as it is held, in the order of the rows. The others are wanted.
    pub async fn of(&self, rows: &Rows, note: &mut Note) -> Result<Vec<Option<String>>> {
        let held = self.held(rows).await?;
        let mut references: Vec<Option<String>> = vec![None; rows.len()];
        let mut wanted = Vec::new();
        for (row, reference) in references.iter_mut().enumerate() {
            let cell = |name: &str| self.spec.position(name).and_then(|column| rows.cell(row, column));
            let length = self.body.length.as_deref().and_then(cell);
            if cell("IsDeleted") == Some("true") || is_link(length, cell("ContentUrl")) {
                continue;
            }
            let id = cell("Id").unwrap_or_default().to_owned();
            if self.run.unfinished.erasures().of(&self.spec.object).is_some_and(|erased| erased.contains(&id)) {
                continue;
            }
            let lasting = self.body.checksum.as_deref().and_then(cell).is_some();
            match held.get(&id) {
                Some((stamp, known)) if lasting || stamp.as_deref() == self.spec.stamp.as_deref().and_then(cell) => {
                    *reference = Some(known.clone());
                }
                _ => {
                    note.left += 1;
                    wanted.push(id);
                }
            }
        }
        self.run.want(&self.spec.object, wanted);
        Ok(references)
    }

    /// Stamp and reference that the vault holds for these rows.
    async fn held(&self, rows: &Rows) -> Result<HashMap<String, (Option<String>, String)>> {
        let Some(id) = self.spec.position("Id") else { return Ok(HashMap::new()) };
        let ids: Vec<String> = (0..rows.len()).filter_map(|row| rows.cell(row, id)).map(str::to_owned).collect();
        let stamp = self.spec.stamp.as_deref().unwrap_or("Id");
        let mut held = HashMap::new();
        let mut batches = self.run.held_rows(&self.spec.object, &["Id", stamp, &self.body.field], Some(ids)).await?;
        while let Some(batch) = batches.try_next().await? {
            let (stamp, body) = (batch.column_index(stamp), batch.column_index(&self.body.field));
            for row in 0..batch.len() {
                if let Some(reference) = body.and_then(|column| batch.text(row, column)) {
                    let stamp = stamp.and_then(|column| batch.text(row, column)).map(|text| text.into_owned());
                    held.insert(batch.id(row).to_owned(), (stamp, reference.into_owned()));
                }
            }
        }
        Ok(held)
    }
}

/// A ContentVersion that is a link has a URL and no body.
pub(super) fn is_link(length: Option<&str>, url: Option<&str>) -> bool {
    length == Some("0") && url.is_some()
}

impl Run<'_> {
    /// Remembers rows that want a body.
    fn want(&self, object: &str, ids: Vec<String>) {
        let mut wanting = self.wanting.lock().expect("no holder of this lock panics");
        let known = wanting.entry(object.to_owned()).or_default();
        known.extend(ids.into_iter().take(MOST_IDS.saturating_sub(known.len())));
    }

    /// The rows of an object that were read in this run and want a body, as far as they are remembered.
    pub(super) fn wanting(&self, object: &str) -> Vec<String> {
        self.wanting.lock().expect("no holder of this lock panics").get(object).cloned().unwrap_or_default()
    }

    /// How many these are.
    pub(super) fn wanting_rows(&self, object: &str) -> u64 {
        self.wanting.lock().expect("no holder of this lock panics").get(object).map_or(0, |ids| ids.len() as u64)
    }
}
