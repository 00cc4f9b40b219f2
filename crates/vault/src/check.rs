// SPDX-License-Identifier: Apache-2.0
//! Checking a vault: everything that anything names is there, whole, and readable.
//!
//! 1. The structure is followed, always all of it: `vault.json`, the chain of manifests with their seals and marks, the erasures, the
//!    tables' logs, and from there the name and size of every file of content: data files, packs and bodies, documents, restores. What
//!    lies beside that in the org's folder is read for what its name says that it is (`rest`).
//! 2. Of the content as much is read as was asked for, what was read longest ago first: every page of a data file is decoded and held
//!    against what the log says of it, every body is hashed, and the state of each object is computed afresh and held against the
//!    manifests.
//! 3. Where it may write, the check notes in the vault when each file was last read whole, so that runs which read a share
//!    each reach all of it, and which files are damaged, so that the next backup can fetch their records again.
//!
//! Damage is collected, not raised, so that one broken file hides no other; only a store that cannot be reached ends a check,
//! and what was read until then is noted.
//!
//! Not found: a vault put back as a whole to an older state, which only who has seen the newer one can tell. Files that nothing names are
//! counted, and not read.

mod content;
mod kinds;
mod memory;
mod rest;
mod structure;

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use crate::backup::Manifest;
use crate::erasure::ErasureList;
use crate::error::{Error, Kind, Result};
use crate::mend::Lost;
use crate::org::OrgVault;
use crate::vault::org_path;
use crate::vaultfile::vault_path;
use content::Unit;
pub(crate) use content::damage_or;
pub use memory::DamagedFile;
use memory::Memory;
pub use rest::Unnamed;

/// One thing that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damage {
    /// Where it lies in the vault.
    pub path: String,
    /// What it is, in words, such as `manifest of backup 3`; none for a whole folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The org whose it is; none for what concerns the whole vault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub org: Option<String>,
    /// The object whose records it holds.
    pub object: Option<String>,
    /// The first and the last Id of the records that cannot be read, where it is not all of the file's or nothing is known of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ids: Option<(String, String)>,
    /// The finished backups that cannot be read in full because of it.
    pub backups: Vec<u64>,
    /// What is wrong, in words.
    pub what: String,
}

/// How much of the content a check reads. The structure is always read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Extent {
    Nothing,
    /// A part of all bytes, between 0 and 1.
    Share(f64),
    Bytes(u64),
    Everything,
}

/// How a check is to go about it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CheckOptions {
    pub extent: Extent,
    /// The time now. Where it is given, the vault remembers what was read and what is damaged; else nothing is written.
    pub now: Option<DateTime<Utc>>,
}

/// How much of the content was last read when.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// All content, in bytes to read. Rows of tables count twice: by file, and by the states they make up.
    pub whole_bytes: u64,
    /// Read by this check.
    pub read_bytes: u64,
    /// Never read whole, as far as the vault remembers.
    pub never_bytes: u64,
    /// Of the rest, when the part that was read longest ago was read.
    pub oldest: Option<DateTime<Utc>>,
    /// Bytes read within the last day, week, month of 30 days, and quarter of 90 days.
    pub within: Vec<Within>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Within {
    pub days: u32,
    pub bytes: u64,
}

/// What a check went through and found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckReport {
    pub files: u64,
    /// Plaintext bytes of those files.
    pub bytes: u64,
    pub damage: Vec<Damage>,
    /// What earlier damage has cost for good: the states of some backups lack these versions.
    pub lost: Vec<Lost>,
    /// What nothing names; no damage.
    #[serde(default)]
    pub unnamed: Unnamed,
    /// Numbers of erasures that were begun and have not removed everything yet.
    #[serde(default)]
    pub incomplete_erasures: Vec<u64>,
    pub content: Coverage,
}

/// How far a check has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckProgress<'a> {
    pub files: u64,
    pub bytes: u64,
    pub damaged: u64,
    /// What was looked at last.
    pub path: &'a str,
}

type Progress<'a> = dyn FnMut(CheckProgress<'_>) + Send + 'a;

struct Check<'a> {
    org: OrgVault,
    progress: &'a mut Progress<'a>,
    report: CheckReport,
    sequences: Vec<u64>,
    manifests: Arc<[Manifest]>,
    units: Vec<Unit>,
    /// Paths of all files that were seen.
    looked_at: HashSet<String>,
    erased: ErasureList,
    /// Numbers of erasures that have not been through all tables yet.
    erasures_under_way: BTreeSet<u64>,
    /// Whether one of the erasures cannot be read.
    broken_erasures: bool,
    /// Numbers of erasures that are there, and of those that others speak of.
    listed_erasures: BTreeSet<u64>,
    named_erasures: BTreeSet<u64>,
}

impl OrgVault {
    /// Checks everything that is kept of this org, all content too where `read_data`, and writes nothing. An error means that the
    /// check could not go on, not that it found damage.
    pub async fn check(
        &self,
        read_data: bool,
        progress: &mut (dyn FnMut(CheckProgress<'_>) + Send),
    ) -> Result<CheckReport> {
        let extent = if read_data { Extent::Everything } else { Extent::Nothing };
        self.check_with(CheckOptions { extent, now: None }, progress).await
    }

    /// Checks what is kept of this org: all of its structure, and as much of the content as the options say.
    pub async fn check_with(
        &self,
        options: CheckOptions,
        progress: &mut (dyn FnMut(CheckProgress<'_>) + Send),
    ) -> Result<CheckReport> {
        self.forget_all();
        self.forget_erasures().await;
        let mut report_progress = |step: CheckProgress<'_>| progress(step);
        let mut check = Check {
            org: self.clone(),
            progress: &mut report_progress,
            report: CheckReport::default(),
            sequences: Vec::new(),
            manifests: Arc::new([]),
            units: Vec::new(),
            looked_at: HashSet::new(),
            erased: ErasureList::default(),
            erasures_under_way: BTreeSet::new(),
            broken_erasures: false,
            listed_erasures: BTreeSet::new(),
            named_erasures: BTreeSet::new(),
        };
        check.report.lost = or_nothing(self.lost().await)?;
        check.structure().await?;
        let mut memory = Memory::of(self).await?;
        let read = check.content(options, &mut memory).await;
        if options.now.is_some() {
            // Also of a check that could not go on: what it has read counts.
            memory.put(self, &check.units).await?;
        }
        read?;
        check.report.content = memory.coverage(self, &check.units, check.report.content.read_bytes, options.now);
        Ok(check.report)
    }
}

/// Damage is news for the report; anything else means that the store cannot be read now.
pub(crate) fn is_damage(error: &Error) -> bool {
    matches!(error.kind(), Kind::Corrupt | Kind::NotFound | Kind::Invalid)
}

/// What a list says, and nothing where it is damaged: then it is named when it is its turn (`rest`).
fn or_nothing<T: Default>(found: Result<T>) -> Result<T> {
    match found {
        Err(error) if is_damage(&error) => Ok(T::default()),
        found => found,
    }
}

impl Check<'_> {
    /// What a file is, by its name.
    fn kind(&self, path: &Path) -> Option<kinds::Kind> {
        let within = path.as_ref().strip_prefix(org_path(self.org.id()).as_ref())?;
        kinds::Kind::of(within.trim_start_matches('/'))
    }

    fn seen(&mut self, path: &Path, bytes: u64) {
        self.looked_at.insert(path.to_string());
        self.report.files += 1;
        self.report.bytes += bytes;
        self.say(path.as_ref());
    }

    fn say(&mut self, path: &str) {
        let (files, bytes, damaged) = (self.report.files, self.report.bytes, self.report.damage.len() as u64);
        (self.progress)(CheckProgress { files, bytes, damaged, path });
    }

    fn damaged(&mut self, path: &Path, object: Option<&str>, backups: Vec<u64>, what: impl Into<String>) {
        let damage = self.damage(path, object, backups, what.into());
        self.report.damage.push(damage);
    }

    fn damage(&self, path: &Path, object: Option<&str>, backups: Vec<u64>, what: String) -> Damage {
        let file = match self.kind(path) {
            Some(kind) => Some(kind.to_string()),
            None if *path == vault_path() => Some("vault.json".to_owned()),
            None => None,
        };
        let org = (*path != vault_path()).then(|| self.org.id().to_owned());
        Damage { path: path.to_string(), file, org, object: object.map(str::to_owned), ids: None, backups, what }
    }

    /// Turns what one step found into damage, or passes on what is none.
    fn note<T>(&mut self, path: &Path, object: Option<&str>, backups: Vec<u64>, found: Result<T>) -> Result<Option<T>> {
        match found {
            Ok(found) => Ok(Some(found)),
            Err(error) if is_damage(&error) => {
                self.damaged(path, object, backups, error.chain());
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The finished backups from a sequence on.
    fn since(&self, sequence: u64) -> Vec<u64> {
        self.sequences.iter().copied().filter(|known| *known >= sequence).collect()
    }
}
