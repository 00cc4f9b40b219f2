// SPDX-License-Identifier: Apache-2.0
//! What lies in an org's folder beside the content: keys, seals and marks of backups that are gone, erasures, holds, and the notes
//! that work leaves.
//!
//! The erasures are read first, because they say what the states of earlier backups are short of. The rest comes last: the folder is listed, and whatever
//! the structure has not led to is read for what its name says that it is. These files are small, and read whole by every check; only data
//! files that were taken out of their tables, and stay for a day for those who read them, are left to the reading of content.
//!
//! What nobody names, and what has a name that Orgkeep does not give, is no damage: it is counted, and left alone.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use futures::stream::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStoreExt as _};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Check;
use super::content::{Content, Unit};
use super::kinds::Kind as FileKind;
use super::memory::DamagedFile;
use crate::backup::{Link, Manifest};
use crate::erasure::{Erased, Erasure, ErasureList, TakenOut};
use crate::error::{Error, Kind, Result};
use crate::former::Former;
use crate::locked::LOCKED_OF_COPY;
use crate::mend::Lost;
use crate::removed::Removed;
use crate::retention::Retention;
use crate::vault::org_path;

/// So many paths of files that nothing names are in the report.
const MOST_UNNAMED: usize = 20;

/// Files in the place of the vault that nothing names: what an interruption left, or what others put there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unnamed {
    pub files: u64,
    pub bytes: u64,
    /// The first of them.
    pub paths: Vec<String>,
}

impl Check<'_> {
    pub(super) async fn erasures(&mut self) -> Result<()> {
        let listed = self.list(&self.org.path("erasures")).await?;
        let (mut there, mut out, mut done, mut whole) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new(), Vec::new());
        for meta in listed {
            match self.kind(&meta.location) {
                Some(FileKind::Erasure(number)) => there.insert(number, meta),
                Some(FileKind::ErasureEnd(number)) => done.insert(number, meta),
                Some(FileKind::ErasureProgress(number)) => out.insert(number, meta),
                _ => None,
            };
        }
        for (number, meta) in &there {
            self.seen(&meta.location, meta.size);
            let found = self.org.packed::<Erasure>(&meta.location, "an erasure").await.and_then(|erasure| {
                let wrong = || Error::new(Kind::Corrupt, "an erasure stands in the place of another");
                if erasure.number == *number { Ok(erasure) } else { Err(wrong()) }
            });
            whole.extend(self.note(&meta.location, None, Vec::new(), found)?);
        }
        for meta in out.values() {
            self.seen(&meta.location, meta.size);
            let found = self.org.packed::<TakenOut>(&meta.location, "the progress of an erasure").await;
            self.note(&meta.location, None, Vec::new(), found)?;
        }
        for (number, meta) in &done {
            self.seen(&meta.location, meta.size);
            let found = self.org.packed::<Erased>(&meta.location, "the end of an erasure").await;
            self.note(&meta.location, None, Vec::new(), found)?;
            self.named_erasures.insert(*number);
        }
        self.broken_erasures = whole.len() < there.len();
        let incomplete: BTreeSet<u64> = there.keys().filter(|number| !done.contains_key(number)).copied().collect();
        self.listed_erasures = there.into_keys().collect();
        self.erasures_under_way = incomplete.iter().filter(|number| !out.contains_key(number)).copied().collect();
        self.report.incomplete_erasures = Vec::from_iter(incomplete.iter().copied());
        self.erased = ErasureList::new(whole, incomplete);
        Ok(())
    }

    /// Erasures are numbered without gaps, and commits of tables name those that they carried out: one that is gone is missed.
    pub(super) fn missing_erasures(&mut self) {
        let last = self.listed_erasures.iter().chain(&self.named_erasures).max().copied().unwrap_or(0);
        let missing: BTreeSet<u64> = (1..=last).filter(|number| !self.listed_erasures.contains(number)).collect();
        for number in missing {
            let path = self.org.erasure_path(number, "");
            self.damaged(&path, None, Vec::new(), "the erasure is not there: what it erased may come back");
        }
    }

    /// Everything in the org's folder that was not looked at yet.
    pub(super) async fn rest(&mut self, manifests: &[Manifest]) -> Result<()> {
        let removed = super::or_nothing(Removed::of(&self.org).await)?;
        let sealed: BTreeMap<u64, Link> = manifests.iter().map(|one| (one.sequence, Link::of(one))).collect();
        for meta in self.list(&org_path(self.org.id())).await? {
            if self.looked_at.contains(meta.location.as_ref()) {
                continue;
            }
            match self.kind(&meta.location) {
                // Whoever takes over the lock or the work overwrites these.
                Some(FileKind::Lock | FileKind::Spill) => {}
                Some(FileKind::Rows(_) | FileKind::Pack | FileKind::Body) => {
                    if !removed.holds(&meta.location) {
                        self.unnamed(&meta);
                        continue;
                    }
                    self.seen(&meta.location, meta.size);
                    // What is known to be damaged was mended as far as that can be.
                    if !removed.is_damaged(&meta.location) {
                        let (path, bytes) = (meta.location, meta.size);
                        self.units.push(Unit { path, bytes, backups: Vec::new(), content: Content::TakenOut });
                    }
                }
                Some(kind) => {
                    self.seen(&meta.location, meta.size);
                    let found = match self.small(&kind, &meta.location, &sealed).await {
                        // Gone since the folder was listed.
                        Err(error) if error.kind() == Kind::NotFound => Ok(()),
                        found => found,
                    };
                    let backups = kind.backup().filter(|backup| sealed.contains_key(backup)).into_iter().collect();
                    self.note(&meta.location, kind.object(), backups, found)?;
                }
                None => self.unnamed(&meta),
            }
        }
        self.outside().await
    }

    /// What lies in the place of the vault and is of no org.
    async fn outside(&mut self) -> Result<()> {
        let listed = self.org.place().store.list_with_delimiter(None).await;
        let listed = listed.map_err(|error| Error::because("the place of the vault cannot be listed", error))?;
        for meta in listed.objects {
            if !matches!(meta.location.as_ref(), "vault.json" | "vault.lock" | LOCKED_OF_COPY) {
                self.unnamed(&meta);
            }
        }
        Ok(())
    }

    /// Reads one of the small files.
    async fn small(&self, kind: &FileKind, path: &Path, manifests: &BTreeMap<u64, Link>) -> Result<()> {
        let what = kind.to_string();
        match kind {
            FileKind::Key => self.org.vault().examine_keys(self.org.id()).await,
            FileKind::Mark(sequence) => {
                let link = Link::from(self.org.read_mark(*sequence).await?);
                match manifests.get(sequence) {
                    Some(manifest) if *manifest != link => {
                        Err(Error::new(Kind::Corrupt, "the mark is of another backup than the manifest beside it"))
                    }
                    _ => Ok(()),
                }
            }
            // Of a backup that was removed, or never finished.
            FileKind::Seal(_) => self.org.read_seal(path).await.map(drop),
            FileKind::Retention => self.packed::<Retention>(path, &what).await,
            FileKind::Former => self.packed::<Former>(path, &what).await,
            FileKind::Removed => self.packed::<Removed>(path, &what).await,
            FileKind::Lost => self.packed::<Vec<Lost>>(path, &what).await,
            FileKind::Checked | FileKind::Locked => self.packed::<BTreeMap<String, DateTime<Utc>>>(path, &what).await,
            FileKind::DamagedFiles => self.packed::<Vec<DamagedFile>>(path, &what).await,
            FileKind::Unfinished | FileKind::Rotation | FileKind::Log(_) => self.json(path).await,
            // The structure leads to all the others; one that it does not is new.
            _ => self.org.store().get(path).await.map(drop).map_err(|error| Error::because(what, error)),
        }
    }

    async fn packed<T: DeserializeOwned>(&self, path: &Path, what: &str) -> Result<()> {
        self.org.packed::<T>(path, what).await.map(drop)
    }

    /// Lines of JSON, of which there may be one.
    pub(super) async fn json(&self, path: &Path) -> Result<()> {
        let unreadable = |error| Error::because("a file is not readable", error);
        let bytes = self.org.store().get(path).await.map_err(unreadable)?.bytes().await.map_err(unreadable)?;
        let parsed: Result<Vec<Value>, _> = serde_json::Deserializer::from_slice(&bytes).into_iter().collect();
        parsed.map(drop).map_err(|error| Error::because("a file is not readable", error))
    }

    fn unnamed(&mut self, meta: &ObjectMeta) {
        let unnamed = &mut self.report.unnamed;
        unnamed.files += 1;
        unnamed.bytes += meta.size;
        if unnamed.paths.len() < MOST_UNNAMED {
            unnamed.paths.push(meta.location.to_string());
        }
    }

    /// Reads a file that was taken out of its table, to its end. One that was removed meanwhile has had its time.
    pub(super) async fn taken_out(&self, path: &Path) -> Result<()> {
        let unreadable = |error| Error::because("a file that was taken out of its table is not readable", error);
        let mut bytes = match self.org.store().get(path).await {
            Ok(found) => found.into_stream(),
            Err(object_store::Error::NotFound { .. }) => return Ok(()),
            Err(error) => return Err(unreadable(error)),
        };
        while bytes.try_next().await.map_err(unreadable)?.is_some() {}
        Ok(())
    }
}
