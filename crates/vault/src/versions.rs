// SPDX-License-Identifier: Apache-2.0
//! Reading the history of a whole object: every version of every record, in bounded memory.
//!
//! It is the merge of the table's files that an erasure reads (`erase`): sorted by Id, and of one Id the newest first, so that a
//! reader knows of each version what came after it. Versions that were captured after the backup asked for, or by one that is not
//! finished, are left out as they come by.
//!
//! What differs between two backups can only be a record of which a version was captured between them (`changed_between`): a comparison
//! reads those files, and not the states.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use futures::stream::{StreamExt, TryStreamExt};

use crate::columns::Schema;
use crate::datafile::{self, Hashes, Reading};
use crate::error::Result;
use crate::org::OrgVault;
use crate::runs::{BatchStream, only};

/// About as much memory as one batch may take.
const BATCH_BYTES: u64 = 1024 * 1024;

impl OrgVault {
    /// All versions of an object's records that were captured up to the finished backup `at`, those that say that a record was gone
    /// among them: sorted by Id, of one Id the newest first. Versions that retention or erasure took out are not there. NotFound for
    /// an object or a backup that is not there.
    pub async fn versions_until(
        &self,
        object: &str,
        at: u64,
        columns: Option<Vec<String>>,
        ids: Option<Vec<String>>,
    ) -> Result<BatchStream> {
        self.finished(at).await?;
        let state = self.state_at(object, at).await?;
        let whole = Schema::new(state.columns.clone())?;
        let schema = columns.map_or_else(|| whole.clone(), |names| whole.project(&names));
        let rows = self.versions_of(&self.log(object), &state, schema, ids, Hashes::No)?;
        Ok(rows
            .and_then(move |batch| std::future::ready(only(batch, |batch, row| batch.backup(row) <= at)))
            .try_filter(|batch| std::future::ready(!batch.is_empty()))
            .boxed())
    }

    /// The Ids of an object's records of which a version was captured after one backup and up to another, sorted: all others are the
    /// same in both. `None` where there are more than `most`.
    pub async fn changed_between(
        &self,
        object: &str,
        after: u64,
        until: u64,
        most: usize,
    ) -> Result<Option<Vec<String>>> {
        let state = self.state_at(object, until).await?;
        let log = self.log(object);
        let schema = Schema::new(state.columns.clone())?.project(&[]);
        let reading = Reading { schema, hashes: Hashes::No, ids: None, batch_bytes: BATCH_BYTES };
        let mut ids = BTreeSet::new();
        for file in &state.files {
            let (first, last) = file.backups();
            if last <= after || first > until {
                continue;
            }
            let path = log.path().clone().join(file.name.as_str());
            let mut rows = datafile::read(self.store(), path, file.bytes, reading.clone()).await?;
            while let Some(batch) = rows.try_next().await? {
                let captured = (0..batch.len()).filter(|row| (after + 1..=until).contains(&batch.backup(*row)));
                ids.extend(captured.map(|row| batch.id(row).to_owned()));
                if ids.len() > most {
                    return Ok(None);
                }
            }
        }
        Ok(Some(ids.into_iter().collect()))
    }

    /// When each backup was finished, those that have expired included.
    pub async fn finish_times(&self) -> Result<BTreeMap<u64, DateTime<Utc>>> {
        let there = self.manifests().await?;
        let mut times: BTreeMap<u64, DateTime<Utc>> =
            there.into_iter().map(|manifest| (manifest.sequence, manifest.finished_at)).collect();
        for sequence in self.marks().await?.into_keys() {
            times.insert(sequence, self.read_mark(sequence).await?.finished_at);
        }
        Ok(times)
    }
}
