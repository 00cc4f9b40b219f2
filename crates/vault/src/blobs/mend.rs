// SPDX-License-Identifier: Apache-2.0
//! Taking out bodies that a check has found damaged or missing, at the beginning of the next backup, so that they can be stored anew.
//!
//! 1. Each damaged file is read once more: one that was brought back from a copy meanwhile is no longer damaged.
//! 2. A pack is written again with those of its bodies that still have their hash; the row of a large body that cannot be read is left out.
//!    A commit puts the new pack in the place of the old, which stays in the store for the time of grace of removed files.
//! 3. The table names no damaged body any more, so that a body of that content is stored like a new one when the org gives it. It
//!    gets the same hash, and every version of every record that refers to it is whole again.
//! 4. The damage is forgotten when the backup's manifest is put; interrupted before, the next run looks again for what is missing.
//!
//! Not promised: a body that the org has no longer comes back from a copy of the vault only.

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};
use futures::stream::TryStreamExt;
use object_store::ObjectStoreExt as _;
use serde_json::json;
use std::sync::atomic::Ordering;

use super::compact::{COLUMNS, Packs};
use super::parse_hash;
use crate::backup::Unfinished;
use crate::check::is_damage;
use crate::columns::ID;
use crate::error::{Error, Result};
use crate::examine::examine;
use crate::log::{Commit, DataFile, Log, Operation, State};
use crate::org::OrgVault;
use crate::removed;

impl Unfinished {
    /// Takes out damaged bodies; whether there were any, in this run or in an interrupted one. The backup must then look for bodies that
    /// are referred to and not stored.
    pub async fn quarantine_bodies(&self) -> Result<bool> {
        let org = self.org();
        if !org.may_be_damaged() {
            return Ok(false);
        }
        let (mut lost, mut still) = (false, Vec::new());
        for file in org.damaged().await? {
            let damaged = match file.path.strip_prefix("blobs/") {
                Some(path) => self.take_out_damaged(path).await?,
                None => true,
            };
            lost |= damaged && file.path.starts_with("blobs/");
            if damaged {
                still.push(file);
            }
        }
        org.note_damaged(&still).await?;
        self.mending_bodies.store(lost, Ordering::Relaxed);
        Ok(lost)
    }

    /// Whether a pack or large body is damaged, which it then no longer is part of the table.
    async fn take_out_damaged(&self, path: &str) -> Result<bool> {
        let (org, log) = (self.org(), self.org().blob_log());
        let Some(state) = log.state().await? else { return Ok(true) };
        match path.strip_prefix("large/") {
            None => {
                let Some(file) = state.files.iter().find(|file| file.name == path).cloned() else { return Ok(true) };
                if is_sound(org, &log, &file).await? {
                    return Ok(false);
                }
                self.rewrite(&log, state, file, None).await?;
            }
            Some(name) => {
                for file in state.files.clone() {
                    let Some(hash) = large(org, &log, &file, name).await? else { continue };
                    if is_whole(org, &hash).await? {
                        return Ok(false);
                    }
                    self.rewrite(&log, state, file, Some(name)).await?;
                    break;
                }
            }
        }
        Ok(true)
    }

    /// Puts what can be read of a pack in its place, without one of its large bodies.
    async fn rewrite(&self, log: &Log, state: State, file: DataFile, without: Option<&str>) -> Result<()> {
        let org = self.org();
        let mut packs = Packs::new(log, std::slice::from_ref(&file), state.version + 1);
        let before = file.rows;
        for row in 0..file.rows {
            // One by one, so that a body that can be read is not lost with its neighbours.
            let Some(batch) = readable(org, log, &file, row).await? else { continue };
            let name = batch.column(3).as_string::<i32>();
            if without.is_none() || without != name.is_valid(0).then(|| name.value(0)) {
                packs.push(batch).await?;
            }
        }
        let files = packs.finish().await?;
        let kept: u64 = files.iter().map(|file| file.rows).sum();
        removed::note_damaged(org, log, &file, self.at()).await?;
        let commit = Commit {
            schema: None,
            files,
            removed: vec![file],
            operation: Operation::Delete,
            outcome: json!({"bodiesLost": before.saturating_sub(kept)}),
            at: self.at(),
        };
        log.commit(Some(state), commit).await?;
        *org.blob_index().lock().await = None;
        Ok(())
    }
}

/// A row of a pack, if it can be read and its body has its hash.
async fn readable(org: &OrgVault, log: &Log, file: &DataFile, row: u64) -> Result<Option<RecordBatch>> {
    let row = usize::try_from(row).expect("a pack fits in memory");
    let read = async {
        let mut batches = org.read_pack(log, file, &COLUMNS, Some(row)).await?;
        batches.try_next().await.map_err(|error| super::unreadable(log, file, error))
    };
    let batch = match read.await {
        Ok(Some(batch)) if batch.num_rows() == 1 => batch,
        Ok(_) => return Ok(None),
        Err(error) if is_damage(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    let (ids, large, bodies) =
        (batch.column(0).as_string::<i32>(), batch.column(3).as_string::<i32>(), batch.column(4).as_binary::<i32>());
    let whole = match parse_hash(if ids.is_valid(0) { ids.value(0) } else { "" }) {
        Ok(_) if large.is_valid(0) => true,
        Ok(hash) => bodies.is_valid(0) && *blake3::hash(bodies.value(0)).as_bytes() == hash,
        Err(_) => false,
    };
    Ok(whole.then_some(batch))
}

async fn is_sound(org: &OrgVault, log: &Log, file: &DataFile) -> Result<bool> {
    let path = log.path().clone().join(file.name.as_str());
    let size = match org.store().head(&path).await {
        Ok(meta) => meta.size,
        Err(object_store::Error::NotFound { .. }) => 0,
        Err(error) => return Err(Error::because("a damaged pack cannot be looked at", error)),
    };
    Ok(size == file.bytes && examine(org, &path, file, None).await?.is_empty())
}

/// The hash of a large body, if this pack names it.
async fn large(org: &OrgVault, log: &Log, file: &DataFile, name: &str) -> Result<Option<String>> {
    let mut batches = match org.read_pack(log, file, &[ID, "large"], None).await {
        Ok(batches) => batches,
        Err(error) if is_damage(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    loop {
        let batch = match batches.try_next().await.map_err(|error| super::unreadable(log, file, error)) {
            Ok(Some(batch)) => batch,
            Ok(None) => return Ok(None),
            Err(error) if is_damage(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        let (ids, names) = (batch.column(0).as_string::<i32>(), batch.column(1).as_string::<i32>());
        let found = (0..batch.num_rows()).find(|row| names.is_valid(*row) && names.value(*row) == name);
        if let Some(row) = found {
            return Ok(Some(ids.value(row).to_owned()));
        }
    }
}

async fn is_whole(org: &OrgVault, hash: &str) -> Result<bool> {
    let read = async {
        let mut body = org.blob(hash).await?;
        while body.try_next().await?.is_some() {}
        Ok(())
    };
    match read.await {
        Ok(()) => Ok(true),
        Err(error) if is_damage(&error) => Ok(false),
        Err(error) => Err(error),
    }
}
