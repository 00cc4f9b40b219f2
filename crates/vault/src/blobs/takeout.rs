// SPDX-License-Identifier: Apache-2.0
//! Taking bodies out: packs that hold one of them are written again without, large ones are removed.

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use chrono::{DateTime, Utc};
use futures::stream::TryStreamExt;
use serde_json::json;

use super::compact::{COLUMNS, Packs};
use super::{large_names, unreadable};
use crate::columns::ID;
use crate::erasure::Erased;
use crate::error::{Error, Result};
use crate::lock::Lock;
use crate::log::{Commit, Operation};
use crate::org::OrgVault;

/// Takes out the bodies that `unwanted` names by their hash, in one commit. Their files stay in the store until [`purge`].
pub(crate) async fn take_out(
    org: &OrgVault,
    unwanted: &(dyn Fn(&str) -> bool + Send + Sync),
    lock: &Lock,
    done: &mut Erased,
) -> Result<u64> {
    let log = org.blob_log();
    let Some(state) = log.state().await? else { return Ok(0) };
    let (mut removed, mut files, mut count) = (Vec::new(), Vec::new(), 0);
    for file in &state.files {
        let mut found = 0;
        let mut ids = org.read_pack(&log, file, &[ID], None).await?;
        while let Some(batch) = ids.try_next().await.map_err(|error| unreadable(&log, file, error))? {
            found += batch.column(0).as_string::<i32>().iter().flatten().filter(|hash| unwanted(hash)).count();
        }
        if found == 0 {
            continue;
        }
        count += found as u64;
        let mut packs = Packs::new(&log, std::slice::from_ref(file), file.version);
        let mut batches = org.read_pack(&log, file, &COLUMNS, None).await?;
        while let Some(batch) = batches.try_next().await.map_err(|error| unreadable(&log, file, error))? {
            for kept in others(&batch, unwanted) {
                packs.push(kept).await?;
            }
        }
        files.extend(packs.finish().await?);
        removed.push(file.clone());
    }
    if removed.is_empty() {
        return Ok(0);
    }
    done.files_written += files.len() as u64;
    done.bytes_written += files.iter().map(|file| file.bytes).sum::<u64>();
    let commit = Commit {
        schema: None,
        files,
        removed,
        operation: Operation::Delete,
        outcome: json!({"bodiesTakenOut": count}),
        at: lock.at(),
    };
    log.commit(Some(state), commit).await?;
    *org.blob_index().lock().await = None;
    Ok(count)
}

/// The rows of other bodies, as slices of the batch.
fn others(batch: &RecordBatch, unwanted: &(dyn Fn(&str) -> bool + Send + Sync)) -> Vec<RecordBatch> {
    let ids = batch.column(0).as_string::<i32>();
    let (mut kept, mut start) = (Vec::new(), 0);
    for row in 0..=batch.num_rows() {
        if row == batch.num_rows() || unwanted(ids.value(row)) {
            if row > start {
                kept.push(batch.slice(start, row - start));
            }
            start = row + 1;
        }
    }
    kept
}

/// Removes the packs and large bodies that the table does not name.
pub(crate) async fn purge(org: &OrgVault, since: DateTime<Utc>, done: &mut Erased) -> Result<Option<Error>> {
    let log = org.blob_log();
    let Some(state) = log.state().await? else { return Ok(None) };
    let large = large_names(org, &log, &state.files).await?;
    let named = state.files.into_iter().map(|file| file.name).collect();
    let refused = org.purge(log.path(), &named, since, done).await?;
    Ok(org.purge(&org.large_folder(), &large, since, done).await?.or(refused))
}
