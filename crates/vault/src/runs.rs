// SPDX-License-Identifier: Apache-2.0
//! A streaming merge of runs, each sorted by Id: of every Id the row with the highest rank, or every version of it.
//!
//! A run is a chain of files that follow each other, or rows in memory. Files are opened when the merge reaches their
//! smallest Id, so a chain costs the memory of one file, or of two: where few runs are merged, the file that follows is opened and
//! decoded on another thread while the rows of the one before it are used. The run with the smallest Id gives all its rows up to the next
//! smallest Id of any other run at once: where only one run covers a range of Ids, whole batches pass through as they
//! were read, without a look at single rows.
//!
//! Rows of tables rank by the backup that captured them, then by the version of their file; other runs by their order. A merged
//! file holds several versions of an Id, newest first. Where only the newest as of a backup is wanted, its other rows are
//! left out as it is read, so that to the merge no Id occurs twice in one run.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, make_array};
use arrow_data::transform::MutableArrayData;
use arrow_schema::ArrowError;
use futures::stream::{BoxStream, StreamExt};
use object_store::ObjectStore;
use object_store::path::Path;
use tokio_util::task::AbortOnDropHandle;

use crate::batch::Batch;
use crate::datafile::{self, Reading};
use crate::error::Result;
use crate::sorter::stopped;

/// Rows in order of Id. Every Id occurs once, unless all versions were asked for.
pub type BatchStream = BoxStream<'static, Result<Batch>>;

/// Rows per batch of a merge, unless they are large.
const MERGED_ROWS: usize = 8192;
const MERGED_BYTES: usize = 4 * 1024 * 1024;
/// A range of at least this many rows passes on as it is, when nothing waits before it.
const WHOLE_ROWS: usize = 1024;

/// Of so many runs the next file is opened ahead; of more, memory matters more.
const RUNS_AHEAD: usize = 4;

/// What wins where two runs hold the same Id: the greater.
pub(crate) type Rank = (u64, u64, u64);

#[derive(Clone)]
pub(crate) enum Segment {
    File {
        path: Path,
        bytes: u64,
        low: String,
        high: String,
        /// Where the file may hold several versions of an Id, or later ones: as of which backup the newest is wanted.
        newest_at: Option<u64>,
    },
    Memory(Vec<Batch>),
}

impl Segment {
    fn low(&self) -> &str {
        match self {
            Segment::File { low, .. } => low,
            Segment::Memory(batches) => batches.first().map_or("", |batch| batch.id(0)),
        }
    }

    /// What it takes in the store.
    pub(crate) fn bytes(&self) -> u64 {
        match self {
            Segment::File { bytes, .. } => *bytes,
            Segment::Memory(_) => 0,
        }
    }

    /// Whether a row of one of these Ids, which are sorted, may be in it.
    pub(crate) fn may_hold(&self, ids: &[String]) -> bool {
        let Segment::File { low, high, .. } = self else { return true };
        has_one_within(ids, low, high)
    }
}

/// Whether one of these Ids, which are sorted, lies between two.
pub(crate) fn has_one_within(ids: &[String], low: &str, high: &str) -> bool {
    ids.get(ids.partition_point(|id| id.as_str() < low)).is_some_and(|id| id.as_str() <= high)
}

/// Which rows of an Id a merge gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Versions {
    Newest,
    /// The row of each backup that captured one, newest first.
    All,
}

pub(crate) struct Run {
    pub rank: Rank,
    /// Whether each row ranks by the backup that captured it, before what `rank` says.
    pub by_backup: bool,
    pub segments: VecDeque<Segment>,
}

/// Makes as few runs as possible of files: of one rank, each file joins a run that ends before the file begins.
pub(crate) fn chains(mut files: Vec<(Rank, Segment)>) -> Vec<Run> {
    files.sort_by(|(a_rank, a), (b_rank, b)| (a_rank.0, a_rank.1, a.low()).cmp(&(b_rank.0, b_rank.1, b.low())));
    let mut runs: Vec<(String, Run)> = Vec::new();
    for (rank, segment) in files {
        let high = match &segment {
            Segment::File { high, .. } => high.clone(),
            Segment::Memory(batches) => {
                batches.last().map(|batch| batch.id(batch.len() - 1).to_owned()).unwrap_or_default()
            }
        };
        let follows = |(end, run): &&mut (String, Run)| {
            (run.rank.0, run.rank.1) == (rank.0, rank.1) && end.as_str() < segment.low()
        };
        match runs.iter_mut().find(|run| follows(run)) {
            Some((end, run)) => {
                *end = high;
                run.segments.push_back(segment);
            }
            None => runs.push((high, Run { rank, by_backup: true, segments: VecDeque::from([segment]) })),
        }
    }
    runs.into_iter().map(|(_, run)| run).collect()
}

struct Cursor {
    rank: Rank,
    by_backup: bool,
    segments: VecDeque<Segment>,
    /// The first of `segments`, being opened. Ends with the cursor.
    ahead: Option<AbortOnDropHandle<Result<BatchStream>>>,
    rows: Option<BatchStream>,
    batch: Option<Arc<Batch>>,
    row: usize,
}

impl Cursor {
    fn rank_of(&self, batch: &Batch, row: usize) -> Rank {
        if self.by_backup { (batch.backup(row), self.rank.1, self.rank.2) } else { self.rank }
    }
}

#[derive(PartialEq, Eq)]
struct Entry {
    id: String,
    rank: Rank,
    cursor: usize,
    /// Whether `id` is the Id of a row that was read, not just a lower bound.
    read: bool,
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        // Of one Id the highest rank comes first; a mere bound comes before it, so that it is replaced by what it stands for.
        (Reverse(&self.id), !self.read, self.rank, self.cursor).cmp(&(
            Reverse(&other.id),
            !other.read,
            other.rank,
            other.cursor,
        ))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

struct Merge {
    store: Arc<dyn ObjectStore>,
    reading: Reading,
    versions: Versions,
    with_deleted: bool,
    cursors: Vec<Cursor>,
    heap: BinaryHeap<Entry>,
    picks: Picks,
}

/// Merges `runs`, rows in the form that `reading` says. Rows of records that are gone are left out unless `with_deleted`.
pub(crate) fn merge(
    store: Arc<dyn ObjectStore>,
    runs: Vec<Run>,
    reading: Reading,
    versions: Versions,
    with_deleted: bool,
) -> BatchStream {
    let mut heap = BinaryHeap::new();
    let mut cursors = Vec::new();
    for run in runs {
        if let Some(first) = run.segments.front() {
            heap.push(Entry { id: first.low().to_owned(), rank: run.rank, cursor: cursors.len(), read: false });
            let Run { rank, by_backup, segments } = run;
            cursors.push(Cursor { rank, by_backup, segments, ahead: None, rows: None, batch: None, row: 0 });
        }
    }
    let merge = Merge { store, reading, versions, with_deleted, cursors, heap, picks: Picks::default() };
    futures::stream::try_unfold(merge, |mut merge| async move { Ok(merge.next().await?.map(|batch| (batch, merge))) })
        .boxed()
}

impl Merge {
    async fn next(&mut self) -> Result<Option<Batch>> {
        while let Some(entry) = self.heap.pop() {
            if !entry.read {
                self.open(entry.cursor).await?;
                continue;
            }
            // Everything else at this Id is older, or was replaced within the same backup: skip it.
            let newest = self.versions == Versions::Newest;
            let skipped =
                |other: &Entry| other.id == entry.id && (newest || !other.read || other.rank.0 == entry.rank.0);
            while self.heap.peek().is_some_and(skipped) {
                let other = self.heap.pop().expect("it was just seen");
                if other.read {
                    let row = self.cursors[other.cursor].row + 1;
                    self.advance(other.cursor, row).await?;
                } else {
                    self.open(other.cursor).await?;
                }
            }
            let cursor = &self.cursors[entry.cursor];
            let batch = cursor.batch.clone().expect("an entry that was read has a batch");
            let start = cursor.row;
            let end = match self.heap.peek() {
                None => batch.len(),
                Some(next) if next.id == entry.id => start + 1,
                Some(next) => end_before(&batch, start, &next.id),
            };
            self.pick(&batch, start, end);
            self.advance(entry.cursor, end).await?;
            if self.picks.full() {
                return self.picks.take().map(Some);
            }
        }
        if self.picks.is_empty() { Ok(None) } else { self.picks.take().map(Some) }
    }

    fn pick(&mut self, batch: &Arc<Batch>, start: usize, end: usize) {
        if self.with_deleted {
            return self.picks.push(batch, start, end);
        }
        let mut from = start;
        for row in start..end {
            if batch.deleted(row) {
                self.picks.push(batch, from, row);
                from = row + 1;
            }
        }
        self.picks.push(batch, from, end);
    }

    /// Opens the next segment of a cursor and enters its first row.
    async fn open(&mut self, index: usize) -> Result<()> {
        let cursor = &mut self.cursors[index];
        let ahead = cursor.ahead.take();
        let Some(segment) = cursor.segments.pop_front() else { return Ok(()) };
        let rows = match ahead {
            Some(opening) => opening.await.map_err(stopped)??,
            None => open(self.store.clone(), segment, self.reading.clone(), self.versions).await?,
        };
        if self.cursors.len() <= RUNS_AHEAD
            && let Some(next @ Segment::File { .. }) = self.cursors[index].segments.front()
        {
            let opening = open(self.store.clone(), next.clone(), self.reading.clone(), self.versions);
            self.cursors[index].ahead = Some(AbortOnDropHandle::new(tokio::spawn(async move {
                let mut rows = opening.await?;
                let first = rows.next().await;
                Ok(futures::stream::iter(first).chain(rows).boxed())
            })));
        }
        self.cursors[index].rows = Some(rows);
        self.fill(index).await
    }

    async fn advance(&mut self, index: usize, row: usize) -> Result<()> {
        let cursor = &mut self.cursors[index];
        cursor.row = row;
        let batch = cursor.batch.as_ref().expect("a cursor that moves has a batch");
        if row < batch.len() {
            let rank = cursor.rank_of(batch, row);
            self.heap.push(Entry { id: batch.id(row).to_owned(), rank, cursor: index, read: true });
            return Ok(());
        }
        self.fill(index).await
    }

    /// Takes the next batch of a cursor; at the end of a segment, enters the bound of the next.
    async fn fill(&mut self, index: usize) -> Result<()> {
        let cursor = &mut self.cursors[index];
        let next = match &mut cursor.rows {
            Some(rows) => loop {
                match rows.next().await.transpose()? {
                    Some(batch) if batch.is_empty() => {}
                    other => break other,
                }
            },
            None => None,
        };
        cursor.row = 0;
        cursor.batch = next.map(Arc::new);
        let entry = match (&cursor.batch, cursor.segments.front()) {
            (Some(batch), _) => {
                let rank = cursor.rank_of(batch, 0);
                Entry { id: batch.id(0).to_owned(), rank, cursor: index, read: true }
            }
            (None, Some(segment)) => {
                Entry { id: segment.low().to_owned(), rank: cursor.rank, cursor: index, read: false }
            }
            (None, None) => {
                cursor.rows = None;
                return Ok(());
            }
        };
        self.heap.push(entry);
        Ok(())
    }
}

/// The rows of a segment, of each Id those that `versions` says.
pub(crate) async fn open(
    store: Arc<dyn ObjectStore>,
    segment: Segment,
    reading: Reading,
    versions: Versions,
) -> Result<BatchStream> {
    match segment {
        Segment::Memory(batches) => Ok(futures::stream::iter(batches.into_iter().map(Ok)).boxed()),
        Segment::File { path, bytes, newest_at, .. } => {
            let rows = datafile::read(store, path, bytes, reading).await?;
            Ok(match newest_at {
                Some(at) if versions == Versions::Newest => newest(rows, at),
                _ => rows,
            })
        }
    }
}

/// Of rows sorted by Id, newest first, those that are the newest of their Id as of a backup.
fn newest(rows: BatchStream, at: u64) -> BatchStream {
    let mut last = String::new();
    rows.map(move |batch| {
        only(batch?, |batch, row| {
            let id = batch.id(row);
            let first = batch.backup(row) <= at && id != last;
            if first {
                last.clear();
                last.push_str(id);
            }
            first
        })
    })
    .boxed()
}

/// Those rows of a batch that are to be kept.
pub(crate) fn only(batch: Batch, mut keep: impl FnMut(&Batch, usize) -> bool) -> Result<Batch> {
    let (batch, mut picks) = (Arc::new(batch), Picks::default());
    for row in 0..batch.len() {
        if keep(&batch, row) {
            picks.push(&batch, row, row + 1);
        }
    }
    if picks.is_empty() { Ok(batch.slice(0, 0)) } else { picks.take() }
}

/// The first row after `start` whose Id is not below `bound`, found by doubling steps: near ends are the usual case.
pub(crate) fn end_before(batch: &Batch, start: usize, bound: &str) -> usize {
    let ids = batch.ids();
    let (mut low, mut step) = (start + 1, 1);
    while low < batch.len() && ids.value(low) < bound {
        let next = (low + step).min(batch.len());
        if next < batch.len() && ids.value(next) < bound {
            low = next + 1;
            step *= 2;
        } else {
            let (mut below, mut above) = (low + 1, next);
            while below < above {
                let middle = (below + above) / 2;
                if ids.value(middle) < bound {
                    below = middle + 1;
                } else {
                    above = middle;
                }
            }
            return below;
        }
    }
    low
}

/// Ranges of rows of several batches of one schema, to be put together into one batch.
#[derive(Default)]
pub(crate) struct Picks {
    batches: Vec<Arc<Batch>>,
    parts: Vec<(usize, usize, usize)>,
    rows: usize,
    bytes: usize,
}

impl Picks {
    pub(crate) fn push(&mut self, batch: &Arc<Batch>, start: usize, end: usize) {
        if start >= end {
            return;
        }
        self.rows += end - start;
        let index = match self.batches.iter().rposition(|held| Arc::ptr_eq(held, batch)) {
            Some(index) => index,
            None => {
                self.batches.push(batch.clone());
                self.batches.len() - 1
            }
        };
        self.bytes += (end - start) * (batch.memory_bytes_per_row());
        match self.parts.last_mut() {
            Some((last, _, until)) if *last == index && *until == start => *until = end,
            _ => self.parts.push((index, start, end)),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows == 0
    }

    pub(crate) fn full(&self) -> bool {
        self.rows >= MERGED_ROWS || self.bytes >= MERGED_BYTES || (self.parts.len() == 1 && self.rows >= WHOLE_ROWS)
    }

    pub(crate) fn take(&mut self) -> Result<Batch> {
        let Picks { batches, parts, rows, .. } = std::mem::take(self);
        let first = &batches[parts[0].0];
        let unfit = |error: ArrowError| crate::Error::because("rows of several files do not fit together", error);
        if let [(_, start, end)] = parts[..] {
            return Ok(first.slice(start, end - start));
        }
        let columns: Vec<ArrayRef> = (0..first.record_batch().num_columns())
            .map(|column| -> Result<ArrayRef, ArrowError> {
                let arrays: Vec<_> =
                    batches.iter().map(|batch| batch.record_batch().column(column).to_data()).collect();
                let mut built = MutableArrayData::new(arrays.iter().collect(), true, rows);
                for (index, start, end) in &parts {
                    built.try_extend(*index, *start, *end)?;
                }
                Ok(make_array(built.freeze()))
            })
            .collect::<Result<_, ArrowError>>()
            .map_err(unfit)?;
        let batch = RecordBatch::try_new(first.record_batch().schema(), columns).map_err(unfit)?;
        let origin = first.origin().cloned();
        Ok(Batch::new(first.schema().clone(), batch)?.with_origin(origin))
    }
}
