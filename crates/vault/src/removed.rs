// SPDX-License-Identifier: Apache-2.0
//! Files that a commit took out of a table and that are still in the store, because somebody may be reading them.
//!
//! `removed.json.zst` names them with the time. It is written before the commit, so that a file is never out of its table without
//! being named here; whoever removes looks whether the table still names the file, as it does where the commit failed.
//! Files are removed by the backup that begins after their time of grace. Only the holder of the org's lock writes this.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::log::{DataFile, Log};
use crate::org::OrgVault;
use crate::packed::ENDING;

/// How long a file stays in the store after it was taken out of its table.
const GRACE: TimeDelta = TimeDelta::hours(24);

/// Files by their paths from the root of the vault.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Removed {
    /// When each was taken out of its table.
    files: BTreeMap<String, DateTime<Utc>>,
    /// Those among them that were taken out because they cannot be read.
    #[serde(default)]
    damaged: BTreeSet<String>,
}

impl Removed {
    pub(crate) async fn of(org: &OrgVault) -> Result<Removed> {
        org.packed_or_default(&path(org), "the list of removed files").await
    }

    async fn put(&self, org: &OrgVault) -> Result<()> {
        org.put_packed(&path(org), self, "the list of removed files cannot be written").await
    }

    pub(crate) fn holds(&self, path: &Path) -> bool {
        self.files.contains_key(path.as_ref())
    }

    /// When a file was taken out of its table.
    pub(crate) fn at(&self, path: &Path) -> Option<DateTime<Utc>> {
        self.files.get(path.as_ref()).copied()
    }

    /// Whether a file was taken out because it cannot be read.
    pub(crate) fn is_damaged(&self, path: &Path) -> bool {
        self.damaged.contains(path.as_ref())
    }
}

fn path(org: &OrgVault) -> Path {
    org.path(&format!("removed{ENDING}"))
}

/// Notes files that are about to be taken out of a table.
pub(crate) async fn note(org: &OrgVault, log: &Log, files: &[DataFile], at: DateTime<Utc>) -> Result<()> {
    let mut removed = Removed::of(org).await?;
    removed.files.extend(files.iter().map(|file| (path_of(log, file), at)));
    removed.put(org).await
}

/// Notes a file that is about to be taken out of a table because it cannot be read.
pub(crate) async fn note_damaged(org: &OrgVault, log: &Log, file: &DataFile, at: DateTime<Utc>) -> Result<()> {
    let mut removed = Removed::of(org).await?;
    removed.files.insert(path_of(log, file), at);
    removed.damaged.insert(path_of(log, file));
    removed.put(org).await
}

fn path_of(log: &Log, file: &DataFile) -> String {
    log.path().clone().join(file.name.as_str()).to_string()
}

/// Removes the files whose time of grace is over. What cannot be removed now stays noted.
pub(crate) async fn sweep(org: &OrgVault, now: DateTime<Utc>) -> Result<()> {
    let mut removed = Removed::of(org).await?;
    let due: Vec<Path> =
        removed.files.iter().filter(|(_, at)| now - **at >= GRACE).map(|(path, _)| Path::from(path.as_str())).collect();
    if due.is_empty() {
        return Ok(());
    }
    let mut tables = Tables::of(org);
    for file in due {
        let gone = tables.name(&file).await?
            || matches!(org.store().delete(&file).await, Ok(()) | Err(object_store::Error::NotFound { .. }));
        if gone {
            removed.files.remove(file.as_ref());
            removed.damaged.remove(file.as_ref());
        }
    }
    removed.put(org).await
}

/// What the tables of an org name, each asked once.
pub(crate) struct Tables<'o> {
    org: &'o OrgVault,
    /// By the folder that the files lie in.
    named: HashMap<Path, HashSet<String>>,
}

impl<'o> Tables<'o> {
    pub(crate) fn of(org: &'o OrgVault) -> Tables<'o> {
        Tables { org, named: HashMap::new() }
    }

    /// Whether a table names a data file, or the table of bodies one that is an object of its own.
    pub(crate) async fn name(&mut self, file: &Path) -> Result<bool> {
        let (Some(name), Some(folder)) = (file.filename(), parent(file)) else { return Ok(false) };
        if !self.named.contains_key(&folder) {
            let names = if folder == self.org.large_folder() {
                crate::blobs::large(self.org).await?
            } else {
                self.org.log_at(folder.clone()).names().await?.unwrap_or_default()
            };
            self.named.insert(folder.clone(), names);
        }
        Ok(self.named[&folder].contains(name))
    }
}

fn parent(path: &Path) -> Option<Path> {
    let mut parts: Vec<_> = path.parts().collect();
    parts.pop()?;
    Some(Path::from_iter(parts))
}
