// SPDX-License-Identifier: Apache-2.0
//! Keeping what an org's part of a vault needs locked, where the storage locks objects.
//!
//! The storage locks every file for a period when it is put. That period ends, and most files are needed for longer: whoever then gets hold of the
//! credentials could remove them. So after each backup every file of the org, and the vault's own, of which less than half the period is left is
//! locked for a whole one from now. Files that no table names any more, manifests of backups that have expired, and what comes and goes with work,
//! are left to their end.
//!
//! `locked.json.zst` remembers until when each file was locked, because asking the storage would take a request each. It is written after what it
//! says was done: what an interruption leaves out is locked again, which does no harm. A file that is written over is put anew and locked by the storage for a whole period,
//! so what is remembered of it is never too long.
//!
//! A copy is kept locked as far as the vault that it was made of has its files. What is about to go there is locked with the rest: without keys
//! nobody can tell. The names of files are no secret, so `locked.json.zst` of the copy says plainly until when. Who may write there can make it lie,
//! so that locks are renewed later than they should be; of what is locked, nothing can be removed by that before its lock ends.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use futures::stream::{StreamExt, TryStreamExt};
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use serde::Serialize;

use crate::copy::{listed, passing};
use crate::error::{Error, Kind, Result};
use crate::location::{BucketRetention, ObjectLock, Place};
use crate::lock::Lock;
use crate::org::OrgVault;
use crate::packed::{ENDING, pack, unpack};
use crate::removed::{Removed, Tables};
use crate::vault::org_path;
use crate::vaultfile::vault_path;

/// What a copy's files are known to be locked until.
pub(crate) const LOCKED_OF_COPY: &str = "locked.json.zst";
const AT_ONCE: usize = 16;
/// After so many files the list of what is locked is written.
const NOTED_AT_ONCE: usize = 2_000;
const MARGIN: TimeDelta = TimeDelta::days(1);

/// How far what an org needs is locked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Locked {
    pub files: u64,
    /// Of them, those whose locks were made longer now.
    pub renewed: u64,
    /// All of them are locked at least until then.
    pub until: DateTime<Utc>,
}

impl OrgVault {
    /// Whether the storage may be of those that lock files; only asking it tells.
    pub fn may_be_locked(&self) -> bool {
        self.place().locks.is_some()
    }

    /// Locks the files whose locks end soon for a whole period. None where the storage locks nothing.
    pub async fn renew_locks(&self, lock: &Lock) -> Result<Option<Locked>> {
        lock.of(self)?;
        let Some(storage) = &self.place().locks else { return Ok(None) };
        let Some(retention) = storage.retention().await.map_err(failed)? else { return Ok(None) };
        lock.renewing(self.lock_needed(storage.as_ref(), &retention, lock.at())).await.map(Some)
    }

    async fn lock_needed(
        &self,
        storage: &dyn ObjectLock,
        retention: &BucketRetention,
        now: DateTime<Utc>,
    ) -> Result<Locked> {
        let path = self.path(&format!("locked{ENDING}"));
        let mut locked: BTreeMap<String, DateTime<Utc>> =
            match self.packed_or_default(&path, "the list of locked files").await {
                // It only saves requests.
                Err(error) if error.kind() == Kind::Corrupt => BTreeMap::new(),
                known => known?,
            };
        let listed = self.listed_files().await?;
        let due = due(&mut locked, &listed, retention, now);
        let due = self.needed(due).await?;
        renew(storage, retention, now, locked, &due, async |locked| {
            self.put_packed(&path, locked, "the list of locked files cannot be written").await
        })
        .await
    }

    /// Every file that may have to be locked: not what comes and goes with work, nor manifests of backups that have expired.
    async fn listed_files(&self) -> Result<BTreeSet<String>> {
        let expired = self.listed().await?.marks;
        let expired: HashSet<Path> = expired.into_iter().map(|number| self.manifest_path(number)).collect();
        let removed = Removed::of(self).await?;
        let listed = self.place().store.list(Some(&org_path(self.id()))).map_ok(|meta| meta.location);
        let kept = listed.try_filter(|path| {
            let gone = removed.holds(path) || expired.contains(path);
            std::future::ready(!gone && !comes_and_goes(path.as_ref()))
        });
        let mut files: BTreeSet<String> = kept
            .map_ok(|path| path.to_string())
            .try_collect()
            .await
            .map_err(|error| Error::because("the org's folder cannot be listed", error))?;
        files.insert(vault_path().to_string());
        Ok(files)
    }

    /// Without data files and bodies that no table names: they are on their way out, and a lock would keep them.
    async fn needed(&self, files: Vec<String>) -> Result<Vec<String>> {
        let (mut tables, mut needed) = (Tables::of(self), Vec::new());
        for file in files {
            let path = Path::from(file.as_str());
            let is_content = file.ends_with(".parquet") || path.prefix_matches(&self.large_folder());
            if !is_content || tables.name(&path).await? {
                needed.push(file);
            }
        }
        Ok(needed)
    }
}

/// Locks the files of a copy whose locks end soon for a whole period, as far as the vault at `from` has them. None where its storage locks
/// nothing.
pub async fn renew_locks_of_copy(from: &Place, to: &Place, now: DateTime<Utc>) -> Result<Option<Locked>> {
    let Some(storage) = &to.locks else { return Ok(None) };
    let Some(retention) = storage.retention().await.map_err(failed)? else { return Ok(None) };
    let path = Path::from(LOCKED_OF_COPY);
    let known = match to.store.get(&path).await {
        Ok(found) => found.bytes().await,
        Err(error) => Err(error),
    };
    let mut locked: BTreeMap<String, DateTime<Utc>> = match known {
        // It only saves requests.
        Ok(bytes) => unpack(&bytes, &path).ok().and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default(),
        Err(object_store::Error::NotFound { .. }) => BTreeMap::new(),
        Err(error) => return Err(Error::because("the list of locked files cannot be read", error)),
    };
    let (source, target) = (listed(from).await?, listed(to).await?);
    let wanted = target.into_keys().filter(|path| !comes_and_goes(path) && source.contains_key(path)).collect();
    let due = due(&mut locked, &wanted, &retention, now);
    let locked = renew(storage.as_ref(), &retention, now, locked, &due, async |locked| {
        let json = serde_json::to_vec(locked).expect("a list of files has only text keys");
        let put = to.store.put(&path, pack(&json).into()).await;
        put.map(|_| ()).map_err(|error| Error::because("the list of locked files cannot be written", error))
    });
    locked.await.map(Some)
}

/// Whether a file comes and goes with work.
fn comes_and_goes(path: &str) -> bool {
    passing(path) || matches!(path.rsplit('/').next(), Some("unfinished.json" | "rotation.json"))
}

/// The files whose locks are not known to last for half a period. What is not among `files` is forgotten.
fn due(
    locked: &mut BTreeMap<String, DateTime<Utc>>,
    files: &BTreeSet<String>,
    retention: &BucketRetention,
    now: DateTime<Utc>,
) -> Vec<String> {
    // Nobody here locks for longer: such a list is somebody else's, who wants locks to end.
    locked.retain(|file, until| files.contains(file) && *until <= now + retention.period + MARGIN);
    let due = |file: &&String| locked.get(*file).is_none_or(|until| *until - now < retention.period / 2);
    files.iter().filter(due).cloned().collect()
}

/// Locks these files for a whole period; `note` remembers what is locked.
async fn renew(
    storage: &dyn ObjectLock,
    retention: &BucketRetention,
    now: DateTime<Utc>,
    mut locked: BTreeMap<String, DateTime<Utc>>,
    due: &[String],
    note: impl AsyncFn(&BTreeMap<String, DateTime<Utc>>) -> Result<()>,
) -> Result<Locked> {
    // The storage counts from its own clock and the time of the put: what is asked for must be later.
    let until = now + retention.period + MARGIN;
    let (mut renewed, mut refused) = (0, None);
    for some in due.chunks(NOTED_AT_ONCE) {
        let retain = async |file: String| {
            let done = storage.retain(&Path::from(file.as_str()), &retention.mode, until).await;
            (file, done)
        };
        let mut done = futures::stream::iter(some.iter().cloned()).map(retain).buffer_unordered(AT_ONCE);
        while let Some((file, done)) = done.next().await {
            match done {
                Ok(()) => {
                    renewed += 1;
                    locked.insert(file, until);
                }
                // Gone since the folder was listed.
                Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => refused = Some(failed(error).with("path", file)),
            }
        }
        note(&locked).await?;
    }
    match refused {
        Some(error) => Err(error),
        None => Ok(Locked { files: locked.len() as u64, renewed, until: locked.into_values().min().unwrap_or(until) }),
    }
}

fn failed(error: object_store::Error) -> Error {
    let error = Error::because("files cannot be locked", error);
    if error.kind() == Kind::Denied {
        error.hint("the storage's user needs the rights s3:PutObjectRetention and s3:GetBucketObjectLockConfiguration")
    } else {
        error
    }
}
