// SPDX-License-Identifier: Apache-2.0
//! Reading: the state of an object as of a backup, and the history of one record.
//!
//! The state at backup n holds, for each Id, the row with the greatest `_backup` not above n; of rows of one backup the
//! one whose file has the greatest version. Only finished backups can be asked for, so rows of one that is being made are never
//! seen. Rows come sorted by Id, in bounded memory, from a merge of the table's files.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures::stream::StreamExt;

use crate::backup::Unfinished;
use crate::batch::Batch;
use crate::columns::Schema;
use crate::compare::candidate;
use crate::datafile::{self, Hashes, Reading};
use crate::error::{Error, Kind, Result};
use crate::log::{DataFile, State};
use crate::lookup;
use crate::org::OrgVault;
use crate::runs::{BatchStream, has_one_within};
use crate::sorter::batch_bytes;

/// What to read of a state. The default reads every live record with all its columns.
#[derive(Debug, Clone, Default)]
pub struct Scan {
    /// Only these columns, and `Id`. NotFound for one that the table does not have.
    pub columns: Option<Vec<String>>,
    /// Only records with these Ids, exactly as they are stored.
    pub ids: Option<Vec<String>>,
    /// Also records that are gone, as they were last known.
    pub with_deleted: bool,
    /// A hint: rows whose value in this timestamp column lies before this may be left out. Others may be given as well.
    pub since: Option<(String, DateTime<Utc>)>,
}

/// One captured version of a record.
#[derive(Debug, Clone)]
pub struct Version {
    /// The backup that captured it.
    pub backup: u64,
    /// Whether the record was gone.
    pub deleted: bool,
    /// The row of the version.
    pub batch: Arc<Batch>,
    pub row: usize,
}

impl OrgVault {
    /// The columns of an object, all that it ever had, in the order in which they came.
    pub async fn schema(&self, object: &str) -> Result<Schema> {
        let complete = self.known_manifests().keys().next_back().copied().unwrap_or(0);
        Schema::new(self.state_at(object, complete).await?.columns.clone())
    }

    /// The records of an object as of backup `at`, sorted by Id. NotFound for an object or a backup that is not there.
    pub async fn scan(&self, object: &str, at: u64, options: Scan) -> Result<BatchStream> {
        self.finished(at).await?;
        let state = self.state_at(object, at).await?;
        self.scan_of(object, &state, at, options)
    }

    /// The records that a table's state holds as of `at`.
    pub(crate) fn scan_of(&self, object: &str, state: &State, at: u64, options: Scan) -> Result<BatchStream> {
        let log = self.log(object);
        let whole = Schema::new(state.columns.clone())?;
        let schema = match &options.columns {
            None => whole,
            Some(names) => {
                if let Some(unknown) = names.iter().find(|name| whole.index(name).is_none()) {
                    return Err(Error::new(Kind::NotFound, "the object has no such field in the vault")
                        .with("object", object)
                        .with("field", unknown));
                }
                whole.project(names)
            }
        };
        let ids: Option<Arc<[String]>> = options.ids.map(|mut ids| {
            ids.sort_unstable();
            ids.dedup();
            ids.into()
        });
        let visible: Vec<&DataFile> = state.files.iter().filter(|file| file.backups().0 <= at).collect();
        let wanted = since(visible, options.since.as_ref());
        let files = wanted.into_iter().map(|file| candidate(&log, file, at)).collect();
        let reading = Reading { schema, hashes: Hashes::No, ids, batch_bytes: batch_bytes(1) };
        let rows = lookup::newest(self.store(), files, reading, options.with_deleted);
        let origin: Arc<str> = format!("{}/{object}", self.origin()).into();
        Ok(rows.map(move |batch| batch.map(|batch| batch.with_origin(Some(origin.clone())))).boxed())
    }

    /// All versions of one record, oldest first. Empty for an Id that the vault has never seen.
    pub async fn history(&self, object: &str, id: &str) -> Result<Vec<Version>> {
        let finished = self.manifests().await?.last().map_or(0, |manifest| manifest.sequence);
        let state = self.state_at(object, finished).await?;
        let log = self.log(object);
        let ids: Arc<[String]> = [id.to_owned()].into();
        let schema = Schema::new(state.columns.clone())?;
        let reading = Reading { schema, hashes: Hashes::No, ids: Some(ids.clone()), batch_bytes: 1024 * 1024 };
        let mut versions: Vec<(u64, Version)> = Vec::new();
        for file in state.files.iter().filter(|file| file.backups().0 <= finished && may_hold(file, &ids)) {
            let path = log.path().clone().join(file.name.as_str());
            let mut rows = datafile::read(self.store(), path, file.bytes, reading.clone()).await?;
            while let Some(batch) = rows.next().await.transpose()? {
                let batch = Arc::new(batch);
                for row in 0..batch.len() {
                    let version =
                        Version { backup: batch.backup(row), deleted: batch.deleted(row), batch: batch.clone(), row };
                    versions.push((file.version, version));
                }
            }
        }
        versions.retain(|(_, version)| version.backup <= finished);
        // A second capture in one backup replaces the first: that one was never part of a state.
        versions.sort_by_key(|(file, version)| (version.backup, std::cmp::Reverse(*file)));
        versions.dedup_by_key(|(_, version)| version.backup);
        Ok(versions.into_iter().map(|(_, version)| version).collect())
    }
}

impl Unfinished {
    /// The columns of an object as the backup that is being made holds it; none for an object never captured.
    pub async fn schema(&self, object: &str) -> Result<Option<Schema>> {
        self.org().log(object).state().await?.map(|state| Schema::new(state.columns)).transpose()
    }

    /// The records of an object as the backup that is being made holds them so far; none for an object never captured.
    pub async fn scan(&self, object: &str, options: Scan) -> Result<BatchStream> {
        match self.org().log(object).state().await? {
            Some(state) => self.org().scan_of(object, &state, self.sequence(), options),
            None => Ok(futures::stream::empty().boxed()),
        }
    }
}

pub(crate) fn may_hold(file: &DataFile, ids: &[String]) -> bool {
    file.ids().is_none_or(|(low, high)| has_one_within(ids, low, high))
}

/// Leaves out files that hold only rows from before the time asked for, as far as that uncovers no older version: a file
/// is needed as long as it may hide rows of another one that is read.
fn since<'a>(files: Vec<&'a DataFile>, since: Option<&(String, DateTime<Utc>)>) -> Vec<&'a DataFile> {
    let Some((column, time)) = since else { return files };
    let is_old = |file: &&DataFile| {
        let newest = file.stats["maxValues"][column.as_str()].as_str();
        let newest = newest.and_then(|text| DateTime::parse_from_rfc3339(text).ok());
        // Rows without a value have no place in the statistics; such a file says nothing.
        newest.is_some_and(|newest| newest < *time) && no_nulls(file, column)
    };
    let (mut old, mut wanted): (Vec<&DataFile>, Vec<&DataFile>) = files.into_iter().partition(is_old);
    // Whatever is taken in may itself be hidden in part by others.
    let mut looked_at = 0;
    while looked_at < wanted.len() {
        let file = wanted[looked_at];
        looked_at += 1;
        let (hiding, rest) = old.into_iter().partition(|other| hides(other, file));
        old = rest;
        wanted.extend::<Vec<&DataFile>>(hiding);
    }
    wanted
}

fn no_nulls(file: &DataFile, column: &str) -> bool {
    file.stats["nullCount"][column] == 0
}

/// Whether a file may hold a newer version of a record in the other.
fn hides(file: &DataFile, other: &DataFile) -> bool {
    file.backups().1 >= other.backups().0 && overlap(file, other)
}

fn overlap(a: &DataFile, b: &DataFile) -> bool {
    match (a.ids(), b.ids()) {
        (Some((a_low, a_high)), Some((b_low, b_high))) => a_low <= b_high && b_low <= a_high,
        _ => true,
    }
}
