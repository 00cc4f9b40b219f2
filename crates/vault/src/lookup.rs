// SPDX-License-Identifier: Apache-2.0
//! The newest version of some records, looked for from the newest files of a table to the oldest.
//!
//! What is asked for was often captured of late: the two sides of a comparison, a record that is shown, the rows that an incremental
//! backup replaces. A file is read only for records that no newer one has, so the many files of the first backup are often
//! not opened at all, and several files are read at once, since what is wanted of each is little.
//!
//! 1. The Ids are taken in portions, so that what is found of one fits into memory; portions follow each other in order of Id.
//! 2. Files are grouped by the last backup that captured rows of theirs, the newest first. Of each group those are read that
//!    may hold an Id that is still looked for.
//! 3. An Id is found once its version is of a later backup than all rows of the groups that follow. Until then what was found is a
//!    candidate, as in a merged file whose other rows are newer.
//! 4. All candidates of a portion pass through the same merge as whole files do, which knows what wins.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use futures::stream::{self, StreamExt, TryStreamExt};
use object_store::ObjectStore;
use tokio_util::task::AbortOnDropHandle;

use crate::batch::Batch;
use crate::datafile::Reading;
use crate::error::Result;
use crate::runs::{self, BatchStream, Rank, Segment, Versions};
use crate::sorter::{batch_bytes, stopped};

/// More Ids are cheaper to find by one merge.
const MOST_IDS: usize = 32 * 1024;
/// Ids of one portion, unless their rows are large.
const PORTION_IDS: u64 = 4 * 1024;
/// What the stored rows of a portion may take; in memory it is some times as much.
const PORTION_BYTES: u64 = 2 * 1024 * 1024;
/// Files read at the same time.
const PARALLEL_FILES: usize = 4;

/// A file in which a record may be.
#[derive(Clone)]
pub(crate) struct Candidate {
    pub rank: Rank,
    pub segment: Segment,
    /// The last backup that captured a row of it.
    pub newest: u64,
    pub rows: u64,
}

/// The newest row of each of the Ids of `reading`, which are sorted, or of all records.
pub(crate) fn newest(
    store: Arc<dyn ObjectStore>,
    files: Vec<Candidate>,
    reading: Reading,
    with_deleted: bool,
) -> BatchStream {
    let Some(ids) = reading.ids.clone() else { return all(store, files, reading, with_deleted) };
    let files: Vec<Candidate> = files.into_iter().filter(|file| file.segment.may_hold(&ids)).collect();
    if ids.len() > MOST_IDS {
        return all(store, files, reading, with_deleted);
    }
    let (bytes, rows) =
        files.iter().fold((0, 0), |(bytes, rows), file| (bytes + file.segment.bytes(), rows + file.rows));
    let portion = (PORTION_BYTES * rows / bytes.max(1)).clamp(16, PORTION_IDS) as usize;
    let mut groups: BTreeMap<u64, Vec<Candidate>> = BTreeMap::new();
    for file in files {
        groups.entry(file.newest).or_default().push(file);
    }
    let groups: Arc<[(u64, Vec<Candidate>)]> = groups.into_iter().rev().collect();
    let portions: Vec<Vec<String>> = ids.chunks(portion).map(<[String]>::to_vec).collect();
    stream::iter(portions)
        .then(move |ids| find(store.clone(), groups.clone(), reading.clone(), ids, with_deleted))
        .try_flatten()
        .boxed()
}

/// One merge of everything.
fn all(store: Arc<dyn ObjectStore>, files: Vec<Candidate>, reading: Reading, with_deleted: bool) -> BatchStream {
    let runs = runs::chains(files.into_iter().map(|file| (file.rank, file.segment)).collect());
    let reading = Reading { batch_bytes: batch_bytes(runs.len()), ..reading };
    runs::merge(store, runs, reading, Versions::Newest, with_deleted)
}

/// What is found of one portion.
async fn find(
    store: Arc<dyn ObjectStore>,
    groups: Arc<[(u64, Vec<Candidate>)]>,
    reading: Reading,
    mut ids: Vec<String>,
    with_deleted: bool,
) -> Result<BatchStream> {
    let mut found: Vec<(Rank, Segment)> = Vec::new();
    for (place, (_, files)) in groups.iter().enumerate() {
        if ids.is_empty() {
            break;
        }
        let looked_for: Arc<[String]> = std::mem::take(&mut ids).into();
        let next = groups.get(place + 1).map_or(0, |(newest, _)| *newest);
        let mut settled: HashSet<String> = HashSet::new();
        let opened: Vec<_> = files
            .iter()
            .filter(|file| file.segment.may_hold(&looked_for))
            .map(|file| {
                file_of(store.clone(), file.clone(), Reading { ids: Some(looked_for.clone()), ..reading.clone() })
            })
            .collect();
        let mut opened = stream::iter(opened).buffered(PARALLEL_FILES);
        while let Some((rank, batches)) = opened.try_next().await? {
            for batch in &batches {
                let newer = (0..batch.len()).filter(|row| batch.backup(*row) > next);
                settled.extend(newer.map(|row| batch.id(row).to_owned()));
            }
            if !batches.is_empty() {
                found.push((rank, Segment::Memory(batches)));
            }
        }
        ids = looked_for.iter().filter(|id| !settled.contains(*id)).cloned().collect();
    }
    Ok(runs::merge(store, runs::chains(found), reading, Versions::Newest, with_deleted))
}

/// The rows of a file that are looked for, read on a thread of their own.
async fn file_of(store: Arc<dyn ObjectStore>, file: Candidate, reading: Reading) -> Result<(Rank, Vec<Batch>)> {
    let rows = async move {
        let rows = runs::open(store, file.segment, reading, Versions::Newest).await?;
        rows.try_filter(|batch| std::future::ready(!batch.is_empty())).try_collect().await
    };
    let rows: Result<_> = AbortOnDropHandle::new(tokio::spawn(rows)).await.map_err(stopped)?;
    Ok((file.rank, rows?))
}
