// SPDX-License-Identifier: Apache-2.0
//! Capturing the rows of one object into its table, in one commit.
//!
//! 1. Rows are pushed in any order and collected into sorted runs.
//! 2. The first capture of an object adopts its runs as data files, as they are, if their ranges of Ids do not overlap;
//!    otherwise it merges them first.
//! 3. Every later capture walks the given rows and the held state side by side and appends only the rows that are new or
//!    differ. A capture of everything also appends, for each live row that was not given, that row marked deleted; one of all that
//!    is shown counts those instead.
//! 4. One commit adds the files and carries the outcome; until then nothing of the capture is visible, and a capture that
//!    is repeated after an interruption starts from the same held state. Where nothing is new there is no commit: the log of a
//!    table does not grow with backups that found nothing, and an interrupted backup asks for such an object again.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use futures::stream::StreamExt;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::backup::Unfinished;
use crate::batch::Batch;
use crate::columns::Schema;
use crate::compare::compare;
use crate::datafile::{Hashes, Reading};
use crate::digest::Digest;
use crate::erasure::{self, ErasureList};
use crate::error::{Error, Kind, Result};
use crate::log::{self, Commit, DataFile, Log, Operation, State};
use crate::org::{OrgVault, check_name};
use crate::output::Output;
use crate::runs::{self, Versions};
use crate::sorter::{self, Collector, Purpose, StoredRun, batch_bytes, sorted_runs};

/// What the rows of a capture are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CaptureKind {
    /// Rows that are new or have changed. What is not given stays as it is held.
    Changes,
    /// The whole live set. What is held as live and is not given is gone.
    Everything,
    /// All that the giver is shown, which may not be the whole live set. What is held as live and is not given stays as it is held,
    /// and is counted.
    Shown,
}

/// The outcome of one capture, kept in the commit and in the manifest. Where an object is captured several times in one backup, the
/// numbers of what came, changed, went and was written are those of all captures so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Captured {
    pub object: String,
    pub kind: CaptureKind,
    /// Rows pushed, repeated Ids counted again.
    pub rows_given: u64,
    /// Records that were not held as live and are now.
    pub added: u64,
    /// Records that were held and differ now, without having come or gone. One that this backup had captured before is not counted
    /// again.
    pub changed: u64,
    /// Records that are gone now and were not held as gone.
    pub deleted: u64,
    /// Records given exactly as they are held.
    pub unchanged: u64,
    /// Live rows given of records that were erased here, which are not kept.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub erased: u64,
    /// Live records that a capture of all that is shown was not given, and kept.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unseen: u64,
    /// Records that are live in the state after this.
    pub live: u64,
    /// Digest of the live state after this, 32 hexadecimal digits; the same for the same rows, however they came.
    pub digest: String,
    /// Data files added, and their plaintext bytes.
    pub files: u64,
    pub bytes: u64,
    /// Whatever the caller of [`Capture::finish`] gave.
    pub note: serde_json::Value,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Whether the giver was shown all that there is; none where that is not to be had.
type Doubt = Box<dyn FnOnce() -> BoxFuture<'static, Option<bool>> + Send>;

/// What it means that a held row is not given.
pub(crate) struct Absence {
    pub kind: CaptureKind,
    /// Asked before the first row counts as gone.
    pub doubt: Option<Doubt>,
}

impl Absence {
    /// Whether rows that are not given count as gone, of which there are some.
    pub(crate) async fn is_the_end(&mut self) -> Result<bool> {
        if self.kind == CaptureKind::Everything
            && let Some(doubt) = self.doubt.take()
        {
            let whole = doubt().await;
            let unknown =
                || Error::new(Kind::Unreachable, "whether rows that did not come are gone could not be asked");
            self.kind = if whole.ok_or_else(unknown)? { CaptureKind::Everything } else { CaptureKind::Shown };
        }
        Ok(self.kind == CaptureKind::Everything)
    }
}

/// A capture in progress. Dropping it captures nothing.
pub struct Capture {
    org: OrgVault,
    log: Log,
    object: String,
    absence: Absence,
    sequence: u64,
    at: DateTime<Utc>,
    held: Option<State>,
    schema: Schema,
    collector: Collector,
    unfinished: Unfinished,
    erasures: Arc<ErasureList>,
    /// Live rows of erased records that were given.
    erased: u64,
}

#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) added: u64,
    pub(crate) changed: u64,
    pub(crate) deleted: u64,
    pub(crate) unchanged: u64,
    pub(crate) unseen: u64,
    pub(crate) live: u64,
    pub(crate) digest: Digest,
}

impl Capture {
    pub(crate) async fn begin(
        unfinished: &Unfinished,
        object: &str,
        given: &Schema,
        kind: CaptureKind,
    ) -> Result<Capture> {
        check_name(object)?;
        let org = unfinished.org().clone();
        let log = org.log(object);
        let held = log.state().await?;
        let sequence = unfinished.sequence();
        // Rows of this sequence or a later one, though nothing was captured yet: left over, or the listing of the backups was old.
        let ahead = held.iter().flat_map(|state| &state.files).any(|file| file.sequence >= sequence);
        if ahead && !unfinished.outcomes().contains_key(object) {
            unfinished.still_next().await?;
        }
        let version = held.as_ref().map_or(0, |state| state.version + 1);
        let (schema, purpose) = match &held {
            Some(state) => {
                let columns = Schema::new(state.columns.clone())?;
                (columns.union(given), Purpose::Spill(format!("{sequence:010}-{object}")))
            }
            None => (given.clone(), Purpose::Table { folder: log.path().clone(), sequence, version }),
        };
        let collector = Collector::new(org.clone(), schema.clone(), purpose);
        let erasures = unfinished.erasures().clone();
        let (at, object, unfinished) = (unfinished.at(), object.to_owned(), unfinished.clone());
        let absence = Absence { kind, doubt: None };
        Ok(Capture {
            org,
            log,
            object,
            absence,
            sequence,
            at,
            held,
            schema,
            collector,
            unfinished,
            erasures,
            erased: 0,
        })
    }

    /// Adds rows, in any order. Of rows with the same Id the last counts. Those of records that were erased are left out. Invalid for a
    /// row without an Id.
    pub async fn push(&mut self, batch: Batch) -> Result<()> {
        let batch = match self.erasures.of(&self.object) {
            None => batch,
            Some(ids) => {
                let (kept, erased) = erasure::without(batch, ids)?;
                self.erased += erased;
                kept
            }
        };
        self.collector.push(batch).await
    }

    /// Live rows of erased records that were given so far.
    pub fn erased(&self) -> u64 {
        self.erased
    }

    /// Has a capture of everything ask, before the first held row counts as gone, whether everything was given. If not, it is one of all
    /// that is shown; where it is not to be had, nothing is committed.
    pub fn ask_before_deleting(&mut self, ask: impl FnOnce() -> BoxFuture<'static, Option<bool>> + Send + 'static) {
        self.absence.doubt = Some(Box::new(ask));
    }

    /// Compares with what is held, appends what differs, commits. `note` is kept with the outcome.
    pub async fn finish(self, note: serde_json::Value) -> Result<Captured> {
        let Capture {
            org, log, object, mut absence, sequence, at, held, schema, collector, unfinished, erased, ..
        } = self;
        let rows_given = collector.rows_given;
        let mut output = Output::new(log.clone(), sequence, held.as_ref().map_or(0, |held| held.version + 1), true);
        let mut obsolete = Vec::new();
        let counts = match &held {
            None => {
                let stored = collector.into_runs().await?;
                if disjoint(&stored) {
                    let counts = adopt(stored, &mut output);
                    Counts { deleted: output.rows() - counts.added, ..counts }
                } else {
                    obsolete.extend(stored.iter().flat_map(StoredRun::paths));
                    output.part = obsolete.len() as u64;
                    rewrite(&org, &schema, &stored, &mut output).await?
                }
            }
            Some(state) => {
                let (stored, memory) = collector.finish().await?;
                obsolete.extend(stored.iter().flat_map(StoredRun::paths));
                compare(&org, &log, state, &schema, &mut absence, (stored, memory), &mut output).await?
            }
        };
        let files = output.finish().await?;
        let before = unfinished.outcomes().remove(&object);
        let before = |number: fn(&Captured) -> u64| before.as_ref().map_or(0, number);
        let captured = Captured {
            object: object.clone(),
            kind: absence.kind,
            rows_given: rows_given + before(|captured| captured.rows_given),
            added: counts.added + before(|captured| captured.added),
            changed: counts.changed + before(|captured| captured.changed),
            deleted: counts.deleted + before(|captured| captured.deleted),
            unchanged: counts.unchanged + before(|captured| captured.unchanged),
            erased: erased + before(|captured| captured.erased),
            unseen: counts.unseen,
            live: counts.live,
            digest: counts.digest.to_string(),
            files: files.len() as u64 + before(|captured| captured.files),
            bytes: files.iter().map(|file| file.bytes).sum::<u64>() + before(|captured| captured.bytes),
            note,
        };
        let evolved = held.as_ref().is_none_or(|state| state.columns != schema.columns());
        if evolved || !files.is_empty() {
            let commit = Commit {
                schema: evolved.then(|| log::delta_schema(schema.columns())),
                files,
                removed: Vec::new(),
                operation: Operation::Write,
                outcome: json!({"sequence": sequence, "captured": &captured}),
                at,
            };
            let state = log.commit(held, commit).await?;
            org.forget_state(&object);
            org.note_due(Some(&object), &state);
        }
        unfinished.committed(captured.clone());
        sorter::remove(&org, &obsolete).await;
        Ok(captured)
    }
}

fn disjoint(stored: &[StoredRun]) -> bool {
    let mut ranges: Vec<(&str, &str)> = stored.iter().map(|run| (run.low.as_str(), run.high.as_str())).collect();
    ranges.sort_unstable();
    ranges.windows(2).all(|pair| pair[0].1 < pair[1].0)
}

/// Takes the runs of a first capture as they are.
fn adopt(stored: Vec<StoredRun>, output: &mut Output) -> Counts {
    let mut counts = Counts::default();
    for run in stored {
        counts.digest.add(run.digest);
        counts.live += run.live;
        for file in run.files {
            let name = file.path.filename().expect("a data file has a name").to_owned();
            output.files.push(DataFile {
                name,
                bytes: file.encoded_bytes,
                rows: file.rows,
                sequence: output.sequence,
                version: output.version,
                part: file.part,
                stats: file.stats,
            });
        }
    }
    counts.added = counts.live;
    counts
}

/// Merges the runs of a first capture that overlap.
async fn rewrite(org: &OrgVault, schema: &Schema, stored: &[StoredRun], output: &mut Output) -> Result<Counts> {
    let reading =
        Reading { schema: schema.clone(), hashes: Hashes::Yes, ids: None, batch_bytes: batch_bytes(stored.len()) };
    let mut merged = runs::merge(org.store(), sorted_runs(stored, Vec::new()), reading, Versions::Newest, true);
    let mut counts = Counts::default();
    while let Some(batch) = merged.next().await.transpose()? {
        for row in 0..batch.len() {
            if batch.deleted(row) {
                counts.deleted += 1;
            } else {
                counts.live += 1;
                counts.digest.add(batch.hash(row));
            }
        }
        output.push(batch).await?;
    }
    counts.added = counts.live;
    Ok(counts)
}
