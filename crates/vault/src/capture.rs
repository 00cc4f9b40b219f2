// SPDX-License-Identifier: Apache-2.0
//! Capturing the rows of one object into its table, in one commit.
//!
//! 1. Rows are pushed in any order and collected into sorted runs.
//! 2. The first capture of an object adopts its runs as data files, as they are, if their ranges of Ids do not overlap;
//!    otherwise it merges them first.
//! 3. Every later capture walks the given rows and the held state side by side and appends only the rows that are new or
//!    differ. A capture of everything also appends, for each live row that was not given, that row marked deleted.
//! 4. One commit adds the files and carries the outcome; until then nothing of the capture is visible, and a capture that
//!    is repeated after an interruption starts from the same held state.

use std::collections::VecDeque;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures::stream::StreamExt;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::backup::Unfinished;
use crate::batch::{Batch, SameRow};
use crate::columns::Schema;
use crate::datafile::{self, Reading};
use crate::digest::{Digest, RowHasher};
use crate::error::{Error, Kind, Result};
use crate::log::{self, Commit, DataFile, Log, State};
use crate::org::{OrgVault, check_name};
use crate::runs::{self, BatchStream, Picks, Rank, Run, Segment, end_before};
use crate::sorter::{self, Collector, Purpose, StoredRun, batch_bytes, sorted_runs};

/// What the rows of a capture are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CaptureKind {
    /// Rows that are new or have changed. What is not given stays as it is held.
    Changes,
    /// The whole live set. What is held as live and is not given is gone.
    Everything,
}

/// The outcome of one capture, kept in the commit and in the manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Captured {
    pub object: String,
    pub kind: CaptureKind,
    /// Rows pushed, repeated Ids counted again.
    pub rows_given: u64,
    /// Records that were not held as live and are now.
    pub added: u64,
    /// Records that were held and differ now, without having come or gone.
    pub changed: u64,
    /// Records that are gone now and were not held as gone.
    pub deleted: u64,
    /// Records given exactly as they are held.
    pub unchanged: u64,
    /// Records that are live in the state after this.
    pub live: u64,
    /// Digest of the live state after this, 64 hexadecimal digits; the same for the same rows, however they came.
    pub digest: String,
    /// Data files added, and their plaintext bytes.
    pub files: u64,
    pub bytes: u64,
    /// Whatever the caller of [`Capture::finish`] gave.
    pub note: serde_json::Value,
}

/// A capture in progress. Dropping it captures nothing.
pub struct Capture {
    org: OrgVault,
    log: Log,
    object: String,
    kind: CaptureKind,
    sequence: u64,
    at: DateTime<Utc>,
    held: Option<State>,
    schema: Schema,
    collector: Collector,
    unfinished: Unfinished,
}

#[derive(Default)]
struct Counts {
    added: u64,
    changed: u64,
    deleted: u64,
    unchanged: u64,
    live: u64,
    digest: Digest,
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
        let version = held.as_ref().map_or(0, |state| state.version + 1);
        let (schema, purpose) = match &held {
            Some(state) => {
                let columns = Schema::new(state.columns.clone())?;
                (columns.union(given), Purpose::Spill(format!("{sequence:010}-{object}")))
            }
            None => (given.clone(), Purpose::Table { folder: log.path().clone(), sequence, version }),
        };
        let collector = Collector::new(org.clone(), schema.clone(), purpose);
        let (at, object, unfinished) = (unfinished.at(), object.to_owned(), unfinished.clone());
        Ok(Capture { org, log, object, kind, sequence, at, held, schema, collector, unfinished })
    }

    /// Adds rows, in any order. Of rows with the same Id the last counts. Invalid for a row without an Id.
    pub async fn push(&mut self, batch: Batch) -> Result<()> {
        self.collector.push(batch).await
    }

    /// Compares with what is held, appends what differs, commits. `note` is kept with the outcome.
    pub async fn finish(self, note: serde_json::Value) -> Result<Captured> {
        let Capture { org, log, object, kind, sequence, at, held, schema, collector, unfinished } = self;
        let rows_given = collector.rows_given;
        let mut output =
            Output::new(org.clone(), log.clone(), sequence, held.as_ref().map_or(0, |held| held.version + 1));
        let mut obsolete = Vec::new();
        let counts = match &held {
            None => {
                let stored = collector.into_runs().await?;
                if disjoint(&stored) {
                    let counts = adopt(stored, &mut output);
                    Counts { deleted: output.rows() - counts.added, ..counts }
                } else {
                    obsolete.extend(stored.iter().map(|run| run.path.clone()));
                    output.part = stored.len() as u64;
                    rewrite(&org, &schema, &stored, &mut output).await?
                }
            }
            Some(state) => {
                let (stored, memory) = collector.finish().await?;
                obsolete.extend(stored.iter().map(|run| run.path.clone()));
                compare(&org, &log, state, &schema, kind, (stored, memory), &mut output).await?
            }
        };
        let files = output.finish().await?;
        let captured = Captured {
            object: object.clone(),
            kind,
            rows_given,
            added: counts.added,
            changed: counts.changed,
            deleted: counts.deleted,
            unchanged: counts.unchanged,
            live: counts.live,
            digest: counts.digest.to_string(),
            files: files.len() as u64,
            bytes: files.iter().map(|file| file.bytes).sum(),
            note,
        };
        let evolved = held.as_ref().is_none_or(|state| state.columns != schema.columns());
        let commit = Commit {
            schema: evolved.then(|| log::delta_schema(schema.columns())),
            files,
            outcome: json!({"sequence": sequence, "captured": &captured}),
            at,
        };
        log.commit(held, commit).await?;
        org.forget_state(&object);
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
        let name = run.path.filename().expect("a data file has a name").to_owned();
        output.files.push(DataFile {
            name,
            bytes: run.encoded_bytes,
            rows: run.rows,
            sequence: output.sequence,
            version: output.version,
            part: run.part,
            stats: run.stats,
        });
    }
    counts.added = counts.live;
    counts
}

/// Merges the runs of a first capture that overlap.
async fn rewrite(org: &OrgVault, schema: &Schema, stored: &[StoredRun], output: &mut Output) -> Result<Counts> {
    let reading = Reading { schema: schema.clone(), ids: None, batch_bytes: batch_bytes(stored.len()) };
    let mut merged = runs::merge(org.store(), sorted_runs(stored, Vec::new()), reading, true);
    let mut counts = Counts::default();
    let mut hasher = RowHasher::new(schema);
    while let Some(batch) = merged.next().await.transpose()? {
        for row in 0..batch.len() {
            if batch.deleted(row) {
                counts.deleted += 1;
            } else {
                counts.live += 1;
                counts.digest.add(hasher.row(&batch, row));
            }
        }
        output.push(batch).await?;
    }
    counts.added = counts.live;
    Ok(counts)
}

/// Walks given and held rows side by side.
async fn compare(
    org: &OrgVault,
    log: &Log,
    state: &State,
    schema: &Schema,
    kind: CaptureKind,
    given: (Vec<StoredRun>, Vec<Batch>),
    output: &mut Output,
) -> Result<Counts> {
    let (mut counts, totals) = (Counts::default(), totals(log, state).await?);
    (counts.live, counts.digest) = totals;
    let (stored, memory) = given;
    if kind == CaptureKind::Changes && stored.is_empty() && memory.is_empty() {
        return Ok(counts);
    }
    let ids = (kind == CaptureKind::Changes && stored.is_empty()).then(|| few_ids(&memory, state)).flatten();
    let range = match kind {
        CaptureKind::Everything => None,
        CaptureKind::Changes => bounds(&stored, &memory),
    };
    let reading = Reading { schema: schema.clone(), ids: None, batch_bytes: batch_bytes(stored.len()) };
    let given = runs::merge(org.store(), sorted_runs(&stored, memory), reading, true);
    let held = held_rows(org, log, state, schema, ids, range);
    let (mut given, mut held) = (Walk::new(given), Walk::new(held));
    given.load().await?;
    held.load().await?;
    let mut hasher = RowHasher::new(schema);
    let mut same: Option<(Arc<Batch>, Arc<Batch>, SameRow)> = None;
    while let Some((new, row)) = given.current() {
        let id = new.id(row);
        // Held rows below this Id were not given.
        while let Some((old, at)) = held.current()
            && old.id(at) < id
        {
            let end = end_before(&old, at, id);
            missing(&old, at, end, kind, &mut counts, &mut hasher, output).await?;
            held.skip_to(end).await?;
        }
        match held.current() {
            Some((old, at)) if old.id(at) == id => {
                let fresh = !matches!(&same, Some((a, b, _)) if Arc::ptr_eq(a, &new) && Arc::ptr_eq(b, &old));
                if fresh {
                    same = Some((new.clone(), old.clone(), SameRow::new(&new, &old)));
                }
                let comparison = &same.as_ref().expect("it was just made").2;
                if comparison.same(row, at) {
                    counts.unchanged += 1;
                } else {
                    let (before, after) = (!old.deleted(at), !new.deleted(row));
                    if before {
                        counts.digest.subtract(hasher.row(&old, at));
                        counts.live -= 1;
                    }
                    if after {
                        counts.digest.add(hasher.row(&new, row));
                        counts.live += 1;
                    }
                    match (before, after) {
                        (false, true) => counts.added += 1,
                        (true, false) => counts.deleted += 1,
                        _ => counts.changed += 1,
                    }
                    output.pick(&new, row).await?;
                }
                held.skip_to(at + 1).await?;
            }
            _ => {
                if new.deleted(row) {
                    counts.deleted += 1;
                } else {
                    counts.added += 1;
                    counts.live += 1;
                    counts.digest.add(hasher.row(&new, row));
                }
                output.pick(&new, row).await?;
            }
        }
        given.skip_to(row + 1).await?;
    }
    if kind == CaptureKind::Everything {
        while let Some((old, at)) = held.current() {
            let end = old.len();
            missing(&old, at, end, kind, &mut counts, &mut hasher, output).await?;
            held.skip_to(end).await?;
        }
    }
    Ok(counts)
}

/// Held rows that were not given: gone, if everything was given.
async fn missing(
    old: &Arc<Batch>,
    start: usize,
    end: usize,
    kind: CaptureKind,
    counts: &mut Counts,
    hasher: &mut RowHasher,
    output: &mut Output,
) -> Result<()> {
    if kind == CaptureKind::Changes {
        return Ok(());
    }
    for row in (start..end).filter(|row| !old.deleted(*row)) {
        counts.deleted += 1;
        counts.live -= 1;
        counts.digest.subtract(hasher.row(old, row));
        output.push(old.slice(row, 1).buried()).await?;
    }
    Ok(())
}

/// Live rows and digest of the state of a table, as its newest commit of ours says.
pub(crate) async fn totals(log: &Log, state: &State) -> Result<(u64, Digest)> {
    for version in (0..=state.version).rev() {
        if let Some(outcome) = log.outcome(version).await? {
            let live = outcome.pointer("/captured/live").and_then(serde_json::Value::as_u64);
            let digest = outcome.pointer("/captured/digest").and_then(serde_json::Value::as_str);
            if let (Some(live), Some(digest)) = (live, digest) {
                return Ok((live, Digest::parse(digest)?));
            }
        }
    }
    Err(Error::new(Kind::Corrupt, "no commit of a table says how many rows are live").with("table", log.path()))
}

/// The given Ids, if they are so few beside the table that looking them up is cheaper than reading all.
fn few_ids(memory: &[Batch], state: &State) -> Option<Arc<[String]>> {
    let given: u64 = memory.iter().map(|batch| batch.len() as u64).sum();
    let held: u64 = state.files.iter().map(|file| file.rows).sum();
    (given * 8 < held)
        .then(|| memory.iter().flat_map(|batch| (0..batch.len()).map(|row| batch.id(row).to_owned())).collect())
}

fn bounds(stored: &[StoredRun], memory: &[Batch]) -> Option<(String, String)> {
    let low = stored.iter().map(|run| run.low.as_str()).chain(memory.first().map(|batch| batch.id(0))).min()?;
    let high =
        stored.iter().map(|run| run.high.as_str()).chain(memory.last().map(|batch| batch.id(batch.len() - 1))).max()?;
    Some((low.to_owned(), high.to_owned()))
}

/// The newest row of every Id of a table, deleted ones among them.
fn held_rows(
    org: &OrgVault,
    log: &Log,
    state: &State,
    schema: &Schema,
    ids: Option<Arc<[String]>>,
    range: Option<(String, String)>,
) -> BatchStream {
    let files = state
        .files
        .iter()
        .filter(|file| {
            let outside = |(low, high): &(String, String)| {
                file.ids().is_some_and(|(first, last)| last < low.as_str() || first > high.as_str())
            };
            !range.as_ref().is_some_and(outside)
        })
        .map(|file| ranked(log, file))
        .collect();
    let held: Vec<Run> = runs::chains(files);
    let reading = Reading { schema: schema.clone(), ids, batch_bytes: batch_bytes(held.len()) };
    runs::merge(org.store(), held, reading, true)
}

/// A file of a table as part of a merge.
pub(crate) fn ranked(log: &Log, file: &DataFile) -> (Rank, Segment) {
    // Without statistics a file may hold any Id: the lowest bound, and an end that nothing follows.
    let (low, high) = file.ids().unwrap_or(("", "\u{10ffff}"));
    let segment = Segment::File {
        path: log.path().clone().join(file.name.as_str()),
        bytes: file.bytes,
        low: low.to_owned(),
        high: high.to_owned(),
    };
    ((file.sequence, file.version, file.part), segment)
}

/// A position in a stream of batches.
struct Walk {
    rows: BatchStream,
    batch: Option<Arc<Batch>>,
    row: usize,
}

impl Walk {
    fn new(rows: BatchStream) -> Walk {
        Walk { rows, batch: None, row: 0 }
    }

    async fn load(&mut self) -> Result<()> {
        self.row = 0;
        self.batch = self.rows.next().await.transpose()?.map(Arc::new);
        Ok(())
    }

    fn current(&self) -> Option<(Arc<Batch>, usize)> {
        self.batch.as_ref().map(|batch| (batch.clone(), self.row))
    }

    async fn skip_to(&mut self, row: usize) -> Result<()> {
        self.row = row;
        if self.batch.as_ref().is_some_and(|batch| row >= batch.len()) {
            self.load().await?;
        }
        Ok(())
    }
}

/// Writes rows that come in order of Id as data files of a table.
struct Output {
    org: OrgVault,
    log: Log,
    sequence: u64,
    version: u64,
    part: u64,
    picks: Picks,
    held: VecDeque<Batch>,
    held_bytes: usize,
    files: Vec<DataFile>,
}

impl Output {
    fn new(org: OrgVault, log: Log, sequence: u64, version: u64) -> Output {
        Output {
            org,
            log,
            sequence,
            version,
            part: 0,
            picks: Picks::default(),
            held: VecDeque::new(),
            held_bytes: 0,
            files: Vec::new(),
        }
    }

    fn rows(&self) -> u64 {
        self.files.iter().map(|file| file.rows).sum()
    }

    async fn pick(&mut self, batch: &Arc<Batch>, row: usize) -> Result<()> {
        self.picks.push(batch, row, row + 1);
        if self.picks.full() { self.flush_picks().await } else { Ok(()) }
    }

    async fn flush_picks(&mut self) -> Result<()> {
        if self.picks.is_empty() {
            return Ok(());
        }
        let batch = self.picks.take()?;
        self.keep(batch).await
    }

    async fn push(&mut self, batch: Batch) -> Result<()> {
        if batch.len() == 1 {
            return self.pick(&Arc::new(batch), 0).await;
        }
        self.flush_picks().await?;
        self.keep(batch).await
    }

    async fn keep(&mut self, batch: Batch) -> Result<()> {
        self.held_bytes += batch.memory_bytes();
        self.held.push_back(batch.numbered(self.sequence));
        if self.held_bytes >= sorter::RUN_BYTES { self.store_held().await } else { Ok(()) }
    }

    async fn store_held(&mut self) -> Result<()> {
        if self.held.is_empty() {
            return Ok(());
        }
        let held = std::mem::take(&mut self.held);
        self.held_bytes = 0;
        let batches: Vec<_> = held.iter().map(|batch| batch.record_batch().clone()).collect();
        drop(held);
        let encoded =
            tokio::task::spawn_blocking(move || datafile::encode(&batches, true)).await.map_err(sorter::stopped)??;
        let name = log::file_name(self.sequence, self.version, self.part)?;
        let file = DataFile {
            bytes: encoded.bytes.len() as u64,
            rows: encoded.rows,
            sequence: self.sequence,
            version: self.version,
            part: self.part,
            stats: encoded.stats,
            name,
        };
        let path = self.log.path().clone().join(file.name.as_str());
        datafile::store_file(self.org.store().as_ref(), &path, encoded.bytes).await?;
        self.part += 1;
        self.files.push(file);
        Ok(())
    }

    async fn finish(&mut self) -> Result<Vec<DataFile>> {
        self.flush_picks().await?;
        self.store_held().await?;
        Ok(std::mem::take(&mut self.files))
    }
}
