// SPDX-License-Identifier: Apache-2.0
//! What a vault remembers of its checks: when each file was last read whole and was sound, and which files are damaged.
//!
//! Two small files of the org, `checked.json.zst` and, as long as there is damage, `backups/damaged.json.zst`. Losing either costs reading again, and no more.
//! Two checks at the same time may forget what the other has read.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::content::{Content, Unit};
use super::{Coverage, Damage, Within};
use crate::error::{Error, Result};
use crate::org::OrgVault;
use crate::packed::{self, ENDING};

/// A data file or a body that a check could not read in full.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DamagedFile {
    /// From the folder of the org.
    pub path: String,
    /// The object whose records it holds; none for bodies of files.
    pub object: Option<String>,
    /// The Ids that cannot be read, where they are known.
    pub ids: Option<(String, String)>,
    pub found_at: DateTime<Utc>,
    /// What is wrong, in words.
    pub what: String,
}

#[derive(Default)]
pub(super) struct Memory {
    /// By path from the folder of the org.
    read: BTreeMap<String, DateTime<Utc>>,
    damaged: BTreeMap<String, DamagedFile>,
    damaged_before: usize,
    changed: bool,
}

fn checked_path(org: &OrgVault) -> Path {
    org.path(&format!("checked{ENDING}"))
}

fn within(org: &OrgVault, path: &str) -> String {
    path.strip_prefix(org.path("").as_ref()).unwrap_or(path).trim_start_matches('/').to_owned()
}

/// A file that is not readable remembers nothing.
async fn load<T: DeserializeOwned + Default>(org: &OrgVault, path: &Path) -> Result<T> {
    let found = async { org.store().get(path).await?.bytes().await }.await;
    match found {
        Ok(bytes) => {
            let json = packed::unpack(&bytes, path).unwrap_or_default();
            Ok(serde_json::from_slice(&json).unwrap_or_default())
        }
        Err(object_store::Error::NotFound { .. }) => Ok(T::default()),
        Err(error) => {
            let error = Error::because("what is known of earlier checks cannot be read", error).with("path", path);
            if super::is_damage(&error) { Ok(T::default()) } else { Err(error) }
        }
    }
}

async fn keep(org: &OrgVault, path: &Path, value: &impl Serialize) -> Result<()> {
    org.put_packed(path, value, "what was checked cannot be noted").await
}

impl OrgVault {
    /// The files that checks have found damaged and that no backup has dealt with since.
    pub async fn damaged(&self) -> Result<Vec<DamagedFile>> {
        load(self, &self.damaged_path()).await
    }

    /// Beside the manifests, so that a backup, which lists those, knows whether it is there.
    pub(crate) fn damaged_path(&self) -> Path {
        self.path("backups").join(format!("damaged{ENDING}"))
    }

    /// Remembers which files are damaged.
    pub(crate) async fn note_damaged(&self, files: &[DamagedFile]) -> Result<()> {
        if !files.is_empty() {
            return keep(self, &self.damaged_path(), &files).await;
        }
        match self.store().delete(&self.damaged_path()).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(Error::because("damage cannot be forgotten", error).with("org", self.id())),
        }
    }
}

impl Memory {
    pub(super) async fn of(org: &OrgVault) -> Result<Memory> {
        let damaged = org.damaged().await?;
        Ok(Memory {
            read: load(org, &checked_path(org)).await?,
            damaged_before: damaged.len(),
            damaged: damaged.into_iter().map(|file| (file.path.clone(), file)).collect(),
            changed: false,
        })
    }

    /// When a file was last read; `None`, which is less than any time, for never.
    pub(super) fn read_at(&self, org: &OrgVault, path: &Path) -> Option<DateTime<Utc>> {
        self.read.get(&within(org, path.as_ref())).copied()
    }

    /// Notes damage of a file whose content can be fetched again.
    pub(super) fn damaged(&mut self, org: &OrgVault, damage: &Damage, now: Option<DateTime<Utc>>) {
        let (Some(now), path) = (now, within(org, &damage.path)) else { return };
        let is_file = path.ends_with(".parquet") && !path.contains("_delta_log") || path.starts_with("blobs/large/");
        if is_file {
            let Damage { object, ids, what, .. } = damage.clone();
            self.changed = true;
            let file = DamagedFile { path: path.clone(), object, ids, found_at: now, what };
            self.damaged.entry(path).and_modify(|known| known.what.clone_from(&file.what)).or_insert(file);
        }
    }

    /// Notes that a file was read, and how.
    pub(super) fn read(
        &mut self,
        org: &OrgVault,
        unit: &Unit,
        sound: bool,
        damage: &[Damage],
        now: Option<DateTime<Utc>>,
    ) {
        let Some(now) = now else { return };
        let path = within(org, unit.path.as_ref());
        self.changed = true;
        if sound {
            self.damaged.remove(&path);
            self.read.insert(path, now);
        } else {
            self.read.remove(&path);
            if matches!(unit.content, Content::TakenOut) {
                // No table holds it any more: there is nothing to fetch again.
                return;
            }
            let here: Vec<&Damage> = damage.iter().filter(|damage| damage.path == unit.path.as_ref()).collect();
            for damage in here {
                self.damaged(org, damage, Some(now));
            }
        }
    }

    /// Writes down what has changed. What is no longer there is forgotten.
    pub(super) async fn put(&mut self, org: &OrgVault, units: &[Unit]) -> Result<()> {
        let there: BTreeSet<String> = units.iter().map(|unit| within(org, unit.path.as_ref())).collect();
        let before = self.damaged.len();
        self.read.retain(|path, _| there.contains(path));
        self.damaged.retain(|path, _| there.contains(path));
        if !self.changed && before == self.damaged.len() {
            return Ok(());
        }
        keep(org, &checked_path(org), &self.read).await?;
        if self.damaged_before + self.damaged.len() > 0 {
            let files: Vec<DamagedFile> = self.damaged.values().cloned().collect();
            org.note_damaged(&files).await?;
        }
        self.changed = false;
        self.damaged_before = self.damaged.len();
        Ok(())
    }

    pub(super) fn coverage(&self, org: &OrgVault, units: &[Unit], read: u64, now: Option<DateTime<Utc>>) -> Coverage {
        let mut coverage = Coverage { read_bytes: read, ..Coverage::default() };
        coverage.within = [1, 7, 30, 90].map(|days| Within { days, bytes: 0 }).into();
        for unit in units.iter().filter(|unit| !matches!(unit.content, Content::Missing)) {
            coverage.whole_bytes += unit.bytes;
            let Some(at) = self.read_at(org, &unit.path) else {
                coverage.never_bytes += unit.bytes;
                continue;
            };
            coverage.oldest = Some(coverage.oldest.map_or(at, |oldest| oldest.min(at)));
            for within in &mut coverage.within {
                if now.is_some_and(|now| now - at <= TimeDelta::days(within.days.into())) {
                    within.bytes += unit.bytes;
                }
            }
        }
        coverage
    }
}
