// SPDX-License-Identifier: Apache-2.0
//! Keeping what an org's part of a vault needs locked, where the storage locks objects.
//!
//! The storage locks every file for a period when it is put. That period ends, and most files are needed for longer: whoever then gets hold of the
//! credentials could remove them. So after each backup every file of the org, and the vault's own, of which less than half the period is left is
//! locked for a whole one from now. Files that were taken out of their tables, and what comes and goes with work, are left to their end.
//!
//! `locked.json.zst` remembers until when each file was locked, because asking the storage would take a request each. It is written last: what an
//! interruption leaves out is locked again, which does no harm. A file that is written over is put anew and locked by the storage for a whole period,
//! so what is remembered of it is never too long.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use futures::stream::{StreamExt, TryStreamExt};
use object_store::path::Path;
use serde::Serialize;

use crate::copy::passing;
use crate::error::{Error, Kind, Result};
use crate::lock::Lock;
use crate::org::OrgVault;
use crate::packed::ENDING;
use crate::removed::Removed;
use crate::vault::org_path;
use crate::vaultfile::vault_path;

const AT_ONCE: usize = 16;

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
    /// Locks the files whose locks end soon for a whole period. None where the storage locks nothing.
    pub async fn renew_locks(&self, lock: &Lock) -> Result<Option<Locked>> {
        lock.of(self)?;
        let failed = |error| {
            let error = Error::because("files cannot be locked", error);
            if error.kind() == Kind::Denied {
                error.hint("the storage's user needs the right to set retention (s3:PutObjectRetention)")
            } else {
                error
            }
        };
        let Some(storage) = &self.place().locks else { return Ok(None) };
        let Some(retention) = storage.retention().await.map_err(failed)? else { return Ok(None) };
        let (now, path) = (lock.at(), self.path(&format!("locked{ENDING}")));
        let known: BTreeMap<String, DateTime<Utc>> = self.packed_or_default(&path, "the list of locked files").await?;
        let files = self.to_be_locked().await?;
        let still = |file: &Path| known.get(file.as_ref()).filter(|until| **until - now >= retention.period / 2);
        let due: Vec<&Path> = files.iter().filter(|file| still(file).is_none()).collect();
        let until = now + retention.period;
        let retain = async |file: &Path| match storage.retain(file, &retention.mode, until).await {
            // Gone since the folder was listed.
            Err(object_store::Error::NotFound { .. }) => Ok(()),
            done => done.map_err(failed),
        };
        futures::stream::iter(&due).map(|file| retain(file)).buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await?;
        let locked: BTreeMap<&str, DateTime<Utc>> =
            files.iter().map(|file| (file.as_ref(), still(file).copied().unwrap_or(until))).collect();
        if !due.is_empty() {
            self.put_packed(&path, &locked, "the list of locked files cannot be written").await?;
        }
        let (files, renewed) = (files.len() as u64, due.len() as u64);
        Ok(Some(Locked { files, renewed, until: locked.into_values().min().unwrap_or(until) }))
    }

    /// Every file that the org's backups need.
    async fn to_be_locked(&self) -> Result<Vec<Path>> {
        let removed = Removed::of(self).await?;
        let listed = self.place().store.list(Some(&org_path(self.id()))).map_ok(|meta| meta.location);
        let listed = listed.try_filter(|path| {
            let kept = !passing(path.as_ref()) && !is_mark_of_work(path) && !removed.holds(path);
            std::future::ready(kept)
        });
        let mut files: Vec<Path> =
            listed.try_collect().await.map_err(|error| Error::because("the org's folder cannot be listed", error))?;
        files.push(vault_path());
        Ok(files)
    }
}

fn is_mark_of_work(path: &Path) -> bool {
    matches!(path.filename(), Some("unfinished.json" | "rotation.json"))
}
