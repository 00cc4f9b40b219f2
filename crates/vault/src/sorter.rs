// SPDX-License-Identifier: Apache-2.0
//! Sorts any number of rows by Id in bounded memory.
//!
//! Rows are held until they take [`RUN_BYTES`], then sorted and stored as a run, in one file or, where it is to stay, in several
//! small ones; at the end the runs and what is
//! still in memory are merged. Of rows with the same Id the one that came last remains. Compressing a run takes place
//! beside the collection of the next, but files are stored one after the other in a fixed order.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::stream::StreamExt;
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use tokio::task::JoinHandle;

use crate::batch::Batch;
use crate::columns::Schema;
use crate::datafile::{self, Encoded, Hashes, Reading};
use crate::digest::Digest;
use crate::error::{Error, Kind, Result};
use crate::org::OrgVault;
use crate::output::FILE_BYTES;
use crate::runs::{self, BatchStream, Picks, Rank, Run, Segment, Versions};

/// Memory of the rows of one run. A capture takes about three times as much: one run is collected, one compressed.
pub(crate) const RUN_BYTES: usize = 8 * 1024 * 1024;
const SORTED_ROWS: usize = 8192;

/// Where runs go.
pub(crate) enum Purpose {
    /// Beside the data, removed after use; names begin with the text given.
    Spill(String),
    /// Among the data files of a table, as what it will consist of: the rows are numbered.
    Table { folder: Path, sequence: u64, version: u64 },
}

/// One stored run: a file, or several that follow each other.
pub(crate) struct StoredRun {
    pub files: Vec<StoredFile>,
    pub live: u64,
    pub digest: Digest,
    pub low: String,
    pub high: String,
}

pub(crate) struct StoredFile {
    pub path: Path,
    pub encoded_bytes: u64,
    pub rows: u64,
    pub low: String,
    pub high: String,
    pub stats: serde_json::Value,
    pub part: u64,
}

impl StoredRun {
    fn segments(&self) -> VecDeque<Segment> {
        let segment = |file: &StoredFile| Segment::File {
            path: file.path.clone(),
            bytes: file.encoded_bytes,
            low: file.low.clone(),
            high: file.high.clone(),
            newest_at: None,
        };
        self.files.iter().map(segment).collect()
    }

    pub(crate) fn paths(&self) -> impl Iterator<Item = Path> {
        self.files.iter().map(|file| file.path.clone())
    }
}

struct Prepared {
    files: Vec<PreparedFile>,
    live: u64,
    digest: Digest,
    low: String,
    high: String,
}

struct PreparedFile {
    encoded: Encoded,
    low: String,
    high: String,
}

/// Collects rows into sorted runs.
pub(crate) struct Collector {
    org: OrgVault,
    schema: Schema,
    purpose: Purpose,
    held: Vec<Batch>,
    held_bytes: usize,
    preparing: Option<JoinHandle<Result<Prepared>>>,
    pub(crate) runs: Vec<StoredRun>,
    /// Files stored so far.
    parts: u64,
    pub(crate) rows_given: u64,
}

impl Collector {
    pub(crate) fn new(org: OrgVault, schema: Schema, purpose: Purpose) -> Collector {
        Collector {
            org,
            schema,
            purpose,
            held: Vec::new(),
            held_bytes: 0,
            preparing: None,
            runs: Vec::new(),
            parts: 0,
            rows_given: 0,
        }
    }

    pub(crate) async fn push(&mut self, batch: Batch) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        if (0..batch.len()).any(|row| batch.id(row).is_empty()) {
            return Err(Error::new(Kind::Invalid, "a row without an Id cannot be kept"));
        }
        self.rows_given += batch.len() as u64;
        let batch = batch.conform(&self.schema)?.hashed();
        self.held_bytes += batch.memory_bytes();
        self.held.push(batch);
        if self.held_bytes >= RUN_BYTES {
            self.store_held().await?;
        }
        Ok(())
    }

    /// Stores what is held as a run. Waits for the run before it, compresses this one while the caller goes on.
    async fn store_held(&mut self) -> Result<()> {
        self.store_prepared().await?;
        if self.held.is_empty() {
            return Ok(());
        }
        let held = std::mem::take(&mut self.held);
        self.held_bytes = 0;
        let number = match self.purpose {
            Purpose::Spill(_) => None,
            Purpose::Table { sequence, .. } => Some(sequence),
        };
        self.preparing = Some(tokio::task::spawn_blocking(move || prepare(held, number)));
        Ok(())
    }

    async fn store_prepared(&mut self) -> Result<()> {
        let Some(preparing) = self.preparing.take() else { return Ok(()) };
        let prepared = preparing.await.map_err(stopped)??;
        let mut files = Vec::with_capacity(prepared.files.len());
        for PreparedFile { encoded, low, high } in prepared.files {
            let part = self.parts;
            let path = match &self.purpose {
                Purpose::Spill(prefix) => {
                    self.org.path("spill").join(format!("{prefix}-{part:05}-{}.parquet", crate::keys::random_name()?))
                }
                Purpose::Table { folder, sequence, version } => {
                    folder.clone().join(crate::log::file_name(*sequence, *version, part)?)
                }
            };
            let encoded_bytes = encoded.bytes.len() as u64;
            datafile::store_file(self.org.store().as_ref(), &path, encoded.bytes).await?;
            self.parts += 1;
            files.push(StoredFile { path, encoded_bytes, rows: encoded.rows, low, high, stats: encoded.stats, part });
        }
        self.runs.push(StoredRun {
            files,
            live: prepared.live,
            digest: prepared.digest,
            low: prepared.low,
            high: prepared.high,
        });
        Ok(())
    }

    /// Everything collected, as stored runs only.
    pub(crate) async fn into_runs(mut self) -> Result<Vec<StoredRun>> {
        self.store_held().await?;
        self.store_prepared().await?;
        Ok(self.runs)
    }

    /// Everything collected: stored runs, and after them what is still in memory, sorted.
    pub(crate) async fn finish(mut self) -> Result<(Vec<StoredRun>, Vec<Batch>)> {
        self.store_prepared().await?;
        let held = std::mem::take(&mut self.held);
        let sorted = tokio::task::spawn_blocking(move || sort(held)).await.map_err(stopped)??;
        Ok((self.runs, sorted))
    }
}

pub(crate) fn stopped(error: tokio::task::JoinError) -> Error {
    Error::because("sorting or compressing rows stopped", error).of_kind(Kind::Bug)
}

/// The runs of a sort, in order of coming: later ones win.
pub(crate) fn sorted_runs(stored: &[StoredRun], memory: Vec<Batch>) -> Vec<Run> {
    let rank = |index: usize| -> Rank { (index as u64, 0, 0) };
    let mut runs: Vec<Run> = stored
        .iter()
        .enumerate()
        .map(|(index, run)| Run { rank: rank(index), by_backup: false, segments: run.segments() })
        .collect();
    if !memory.is_empty() {
        let segments = [Segment::Memory(memory)].into();
        runs.push(Run { rank: rank(stored.len()), by_backup: false, segments });
    }
    runs
}

fn prepare(held: Vec<Batch>, number: Option<u64>) -> Result<Prepared> {
    let mut sorted = sort(held)?;
    if let Some(sequence) = number {
        sorted = sorted.into_iter().map(|batch| batch.numbered(sequence)).collect();
    }
    let (mut live, mut digest) = (0, Digest::default());
    if number.is_some() {
        for batch in &sorted {
            for row in (0..batch.len()).filter(|row| !batch.deleted(*row)) {
                digest.add(batch.hash(row));
                live += 1;
            }
        }
    }
    let last = &sorted[sorted.len() - 1];
    let (low, high) = (sorted[0].id(0).to_owned(), last.id(last.len() - 1).to_owned());
    let parts = if number.is_some() { in_parts(sorted, FILE_BYTES) } else { vec![sorted] };
    let files = parts.into_iter().map(|part| prepare_file(part, number.is_some())).collect::<Result<_>>()?;
    Ok(Prepared { files, live, digest, low, high })
}

fn prepare_file(sorted: Vec<Batch>, lasting: bool) -> Result<PreparedFile> {
    let last = &sorted[sorted.len() - 1];
    let (low, high) = (sorted[0].id(0).to_owned(), last.id(last.len() - 1).to_owned());
    let batches: Vec<_> = sorted.iter().map(|batch| batch.record_batch().clone()).collect();
    drop(sorted);
    Ok(PreparedFile { encoded: datafile::encode(&batches, lasting)?, low, high })
}

/// Cuts rows into parts that take about so much memory each.
fn in_parts(batches: Vec<Batch>, part_bytes: usize) -> Vec<Vec<Batch>> {
    let mut parts = vec![Vec::new()];
    let mut held_bytes = 0;
    for mut rest in batches {
        while !rest.is_empty() {
            if held_bytes >= part_bytes {
                parts.push(Vec::new());
                held_bytes = 0;
            }
            let room = (part_bytes - held_bytes) / rest.memory_bytes_per_row().max(1) + 1;
            let part = rest.slice(0, room.min(rest.len()));
            rest = rest.slice(part.len(), rest.len() - part.len());
            held_bytes += part.memory_bytes();
            parts.last_mut().expect("there is always one").push(part);
        }
    }
    parts
}

/// Sorts by Id; of equal Ids the last remains. Rows that came in order are not moved.
pub(crate) fn sort(held: Vec<Batch>) -> Result<Vec<Batch>> {
    let held: Vec<Arc<Batch>> = held.into_iter().filter(|batch| !batch.is_empty()).map(Arc::new).collect();
    let mut ids: Vec<(&str, u32, u32)> = Vec::with_capacity(held.iter().map(|batch| batch.len()).sum());
    for (index, batch) in held.iter().enumerate() {
        let count = u32::try_from(batch.len()).expect("a batch fits in memory");
        ids.extend((0..count).map(|row| (batch.id(row as usize), index as u32, row)));
    }
    if ids.windows(2).all(|pair| pair[0].0 < pair[1].0) {
        return Ok(held.iter().map(|batch| batch.as_ref().clone()).collect());
    }
    ids.sort_unstable();
    let mut sorted = Vec::new();
    let mut picks = Picks::default();
    let mut rows = 0;
    for (position, (id, batch, row)) in ids.iter().enumerate() {
        if ids.get(position + 1).is_some_and(|next| next.0 == *id) {
            continue;
        }
        picks.push(&held[*batch as usize], *row as usize, *row as usize + 1);
        rows += 1;
        if rows == SORTED_ROWS {
            sorted.push(picks.take()?);
            rows = 0;
        }
    }
    if !picks.is_empty() {
        sorted.push(picks.take()?);
    }
    Ok(sorted)
}

/// Sorts rows that are not captured, such as those of a live org, to compare them with a backup.
pub struct Sorter {
    collector: Collector,
}

impl OrgVault {
    /// A sorter for rows in these columns. What does not fit in memory lies encrypted in the vault until the rows are read.
    pub async fn sorter(&self, schema: &Schema) -> Result<Sorter> {
        let purpose = Purpose::Spill(format!("sorter-{}", crate::keys::random_name()?));
        Ok(Sorter { collector: Collector::new(self.clone(), schema.clone(), purpose) })
    }
}

impl Sorter {
    /// Adds rows, in any order. Invalid for a row without an Id.
    pub async fn push(&mut self, batch: Batch) -> Result<()> {
        self.collector.push(batch).await
    }

    /// The rows sorted by Id, those marked deleted among them. Of rows with the same Id the last remains.
    pub async fn sorted(self) -> Result<BatchStream> {
        let (org, schema) = (self.collector.org.clone(), self.collector.schema.clone());
        let (stored, memory) = self.collector.finish().await?;
        let reading = Reading { schema, hashes: Hashes::Yes, ids: None, batch_bytes: batch_bytes(stored.len()) };
        let merged = runs::merge(org.store(), sorted_runs(&stored, memory), reading, Versions::Newest, true);
        let paths: Vec<Path> = stored.iter().flat_map(StoredRun::paths).collect();
        let cleanup = futures::stream::once(async move {
            remove(&org, &paths).await;
            None
        });
        Ok(merged.map(Some).chain(cleanup).filter_map(std::future::ready).boxed())
    }
}

/// Memory for one batch of each of so many files that are open at once.
pub(crate) fn batch_bytes(files: usize) -> u64 {
    (32 * 1024 * 1024 / files.max(1) as u64).clamp(256 * 1024, 4 * 1024 * 1024)
}

/// Removes files that are of no more use. What cannot be removed now is swept by a later backup.
pub(crate) async fn remove(org: &OrgVault, paths: &[Path]) {
    for path in paths {
        let _ = org.store().delete(path).await;
    }
}
