// SPDX-License-Identifier: Apache-2.0
//! Merging small packs of bodies. Each pack is a group by itself (see `compact.rs`); one that is half full is left alone.

use std::collections::HashSet;

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, RecordBatch, make_array};
use arrow_data::transform::MutableArrayData;
use bytes::BytesMut;
use futures::stream::TryStreamExt;

use super::{PACK_BYTES, encode, unreadable};
use crate::columns::{BACKUP, ID};
use crate::compact::{self, Compacted};
use crate::error::{Error, Kind, Result};
use crate::lock::Lock;
use crate::log::{DataFile, Log};
use crate::org::OrgVault;

/// The columns of a pack, in their order.
pub(super) const COLUMNS: [&str; 6] = [ID, "md5", "length", "large", "body", BACKUP];

/// The packs to be merged next; none where there are few small ones.
pub(crate) fn plan(files: &[DataFile]) -> Option<Vec<DataFile>> {
    let small = files.iter().filter(|file| file.bytes < PACK_BYTES as u64 / 2);
    compact::pick(small.map(|file| vec![file]).collect())
}

/// Merges small packs until there are few.
pub(crate) async fn compact(org: &OrgVault, lock: &Lock, done: &mut Compacted) -> Result<()> {
    let log = org.blob_log();
    let Some(mut state) = log.state().await? else { return Ok(()) };
    let mut changed = false;
    while let Some(selected) = plan(&state.files) {
        let mut packs = Packs::new(&log, &selected, state.version + 1);
        for file in &selected {
            let mut batches = org.read_pack(&log, file, &COLUMNS, None).await?;
            while let Some(batch) = batches.try_next().await.map_err(|error| unreadable(&log, file, error))? {
                packs.push(batch).await?;
            }
        }
        let files = packs.finish().await?;
        done.add(&selected, &files);
        state = compact::commit(org, &log, state, files, selected, lock).await?;
        *org.blob_index().lock().await = None;
        changed = true;
    }
    done.tables += u64::from(changed);
    Ok(())
}

/// Writes rows as packs of the usual size, each sorted by hash.
pub(super) struct Packs<'a> {
    log: &'a Log,
    sequence: u64,
    version: u64,
    part: u64,
    held: Vec<RecordBatch>,
    held_bytes: usize,
    files: Vec<DataFile>,
}

impl<'a> Packs<'a> {
    pub(super) fn new(log: &'a Log, replaced: &[DataFile], version: u64) -> Packs<'a> {
        let sequence = replaced.iter().map(|file| file.sequence).max().unwrap_or(0);
        Packs { log, sequence, version, part: 0, held: Vec::new(), held_bytes: 0, files: Vec::new() }
    }

    pub(super) async fn push(&mut self, batch: RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let bytes = |column: &ArrayRef| column.to_data().get_slice_memory_size().unwrap_or(0);
        self.held_bytes += batch.columns().iter().map(bytes).sum::<usize>();
        self.held.push(batch);
        if self.held_bytes >= PACK_BYTES { self.store_held().await } else { Ok(()) }
    }

    async fn store_held(&mut self) -> Result<()> {
        if self.held.is_empty() {
            return Ok(());
        }
        let held = std::mem::take(&mut self.held);
        let bytes = std::mem::take(&mut self.held_bytes);
        let encoded =
            tokio::task::spawn_blocking(move || encode(std::iter::once(sorted(&held)), BytesMut::with_capacity(bytes)));
        let encoded = encoded.await.map_err(crate::sorter::stopped)??;
        self.files.push(self.log.put_file(encoded, self.sequence, self.version, self.part).await?);
        self.part += 1;
        Ok(())
    }

    pub(super) async fn finish(mut self) -> Result<Vec<DataFile>> {
        self.store_held().await?;
        Ok(self.files)
    }
}

/// The rows of all batches in order of their hash, each once.
fn sorted(batches: &[RecordBatch]) -> Result<RecordBatch> {
    let mut rows: Vec<(&str, usize, usize)> = Vec::new();
    let mut seen = HashSet::new();
    for (index, batch) in batches.iter().enumerate() {
        let ids = batch.column(0).as_string::<i32>();
        rows.extend((0..batch.num_rows()).map(|row| (ids.value(row), index, row)).filter(|row| seen.insert(row.0)));
    }
    rows.sort_unstable();
    let unfit = |error| Error::because("bodies cannot be packed", error).of_kind(Kind::Bug);
    let columns: Vec<ArrayRef> = (0..batches[0].num_columns())
        .map(|column| {
            let arrays: Vec<_> = batches.iter().map(|batch| batch.column(column).to_data()).collect();
            let mut built = MutableArrayData::new(arrays.iter().collect(), true, rows.len());
            for (_, batch, row) in &rows {
                built.try_extend(*batch, *row, *row + 1).map_err(unfit)?;
            }
            Ok(make_array(built.freeze()))
        })
        .collect::<Result<_>>()?;
    RecordBatch::try_new(batches[0].schema(), columns).map_err(unfit)
}
