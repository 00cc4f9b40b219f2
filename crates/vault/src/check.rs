// SPDX-License-Identifier: Apache-2.0
//! Checking a vault: every object that anything names is there, whole, and readable.
//!
//! Names are followed from the manifests to the tables, from the tables to their files, from packs to large bodies, and
//! through documents and restores. Damage is collected, not raised, so that one broken file hides no other; only a store
//! that cannot be reached ends a check. With `read_data`, every page of every file is decoded, every body is hashed and
//! the digest of the newest state of each object is computed afresh.
//!
//! Not found: an object that nothing names any more, and a vault put back as a whole to an older state.

use futures::stream::{StreamExt, TryStreamExt};
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use crate::backup::{DocumentRef, Link, Manifest, follows};
use crate::capture::Captured;
use crate::columns::Schema;
use crate::datafile::{self, Reading};
use crate::error::{Error, Kind, Result};
use crate::log::{DataFile, Log, State};
use crate::merkle::{self, Held};
use crate::org::OrgVault;
use crate::packed::ENDING;
use crate::seal::speaks_of;

/// One thing that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damage {
    /// Where it lies in the vault.
    pub path: String,
    /// The object whose records it holds.
    pub object: Option<String>,
    /// The finished backups that cannot be read in full because of it.
    pub backups: Vec<u64>,
    /// What is wrong, in words.
    pub what: String,
}

/// What a check went through and found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckReport {
    pub files: u64,
    /// Plaintext bytes of those files.
    pub bytes: u64,
    pub damage: Vec<Damage>,
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

struct Check<'a> {
    org: OrgVault,
    read_data: bool,
    progress: &'a mut (dyn FnMut(CheckProgress<'_>) + Send),
    report: CheckReport,
    sequences: Vec<u64>,
}

impl OrgVault {
    /// Checks everything that is kept of this org. An error means that the check could not go on, not that it found damage.
    pub async fn check(
        &self,
        read_data: bool,
        progress: &mut (dyn FnMut(CheckProgress<'_>) + Send),
    ) -> Result<CheckReport> {
        self.forget_all();
        let mut check =
            Check { org: self.clone(), read_data, progress, report: CheckReport::default(), sequences: Vec::new() };
        let vault_file = self.vault().examine().await;
        check.seen(&crate::vaultfile::vault_path(), 0);
        check.note(&crate::vaultfile::vault_path(), None, Vec::new(), vault_file)?;
        let manifests = check.manifests().await?;
        check.objects(&manifests).await?;
        check.blobs().await?;
        check.documents().await?;
        check.restores().await?;
        Ok(check.report)
    }
}

/// Damage is news for the report; anything else means that the store cannot be read now.
fn is_damage(error: &Error) -> bool {
    matches!(error.kind(), Kind::Corrupt | Kind::NotFound | Kind::Invalid)
}

impl Check<'_> {
    fn seen(&mut self, path: &Path, bytes: u64) {
        self.report.files += 1;
        self.report.bytes += bytes;
        let (files, bytes, damaged) = (self.report.files, self.report.bytes, self.report.damage.len() as u64);
        (self.progress)(CheckProgress { files, bytes, damaged, path: path.as_ref() });
    }

    fn damaged(&mut self, path: &Path, object: Option<&str>, backups: Vec<u64>, what: impl Into<String>) {
        self.report.damage.push(Damage {
            path: path.to_string(),
            object: object.map(str::to_owned),
            backups,
            what: what.into(),
        });
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

    fn since(&self, sequence: u64) -> Vec<u64> {
        self.sequences.iter().copied().filter(|known| *known >= sequence).collect()
    }

    async fn manifests(&mut self) -> Result<Vec<Manifest>> {
        let folder = self.org.path("backups");
        let mut listed: Vec<_> = self
            .org
            .store()
            .list(Some(&folder))
            .try_collect()
            .await
            .map_err(|error| Error::because("the backups cannot be listed", error))?;
        listed.sort_by(|a, b| a.location.cmp(&b.location));
        let mut manifests: Vec<Manifest> = Vec::new();
        let (marks, mut before) = (self.org.marks().await?, None::<Link>);
        for meta in listed {
            let number = meta.location.filename().and_then(|name| name.strip_suffix(ENDING)?.parse::<u64>().ok());
            let Some(sequence) = number else { continue };
            self.seen(&meta.location, meta.size);
            self.sequences.push(sequence);
            let loaded = self.org.load_manifest(sequence).await;
            if let Some(manifest) = self.note(&meta.location, None, vec![sequence], loaded)? {
                // Backups that retention removed left their marks.
                let mut gap = before.as_ref().map_or(1, |link| link.sequence + 1);
                while gap < sequence && marks.get(&gap) == Some(&true) {
                    let mark = self.org.read_mark(gap).await.map(Link::from);
                    let chained = mark.and_then(|link| follows(before.as_ref(), &link).map(|()| link));
                    let Some(link) = self.note(&folder, None, vec![sequence], chained)? else { break };
                    before = Some(link);
                    gap += 1;
                }
                let link = Link::of(&manifest);
                let chained = follows(before.as_ref(), &link);
                before = Some(link);
                self.note(&meta.location, None, vec![sequence], chained)?;
                let sealed = self.seal(&manifest).await;
                self.note(&meta.location, None, vec![sequence], sealed)?;
                manifests.push(manifest);
            }
        }
        Ok(manifests)
    }

    /// Whether a manifest is what was sealed, by this vault's key, and its root that of the state it names.
    async fn seal(&mut self, manifest: &Manifest) -> Result<()> {
        let Some(root) = &manifest.root else { return Ok(()) };
        let wrong = |what| Err(Error::new(Kind::Corrupt, what).with("backup", manifest.sequence));
        if merkle::root(&manifest.state)? != *root {
            return wrong("the root of a backup is not that of its state");
        }
        let fits = |(object, captured): (&String, &Captured)| {
            manifest
                .state
                .get(object)
                .is_some_and(|held| (held.live, &held.digest) == (captured.live, &captured.digest))
        };
        if !manifest.objects.iter().all(fits) {
            return wrong("the state of a backup is not what was captured in it");
        }
        let path = self.org.seal_path(manifest.sequence, &manifest.hash);
        self.seen(&path, 0);
        let (_, statement) = self.org.read_seal(&path).await?;
        speaks_of(&statement, manifest)?;
        if self.org.vault().public_key().await.as_ref() != Some(&statement.public_key) {
            return wrong("a backup was sealed with the key of another vault");
        }
        Ok(())
    }

    async fn objects(&mut self, manifests: &[Manifest]) -> Result<()> {
        let mut objects: Vec<&String> = manifests.iter().flat_map(|manifest| manifest.objects.keys()).collect();
        objects.sort_unstable();
        objects.dedup();
        for object in objects {
            let log = self.org.log(object);
            let first = manifests
                .iter()
                .filter(|manifest| manifest.objects.contains_key(object))
                .map(|manifest| manifest.sequence)
                .min()
                .unwrap_or(1);
            let backups = self.since(first);
            let state = match log.state().await {
                Ok(None) => Err(Error::new(Kind::NotFound, "the table's log is gone")),
                Ok(Some(state)) => Ok(state),
                Err(error) => Err(error),
            };
            let Some(state) = self.note(log.path(), Some(object), backups, state)? else { continue };
            let sound = self.table(&log, Some(object), &state).await?;
            let newest = manifests.iter().rev().find_map(|manifest| {
                manifest.objects.get(object).map(|captured| (manifest.sequence, captured.clone()))
            });
            if let (true, true, Some((sequence, captured))) = (sound, self.read_data, newest) {
                let found = self.org.totals(object, sequence).await;
                if let Some(Held { live, digest }) = self.note(log.path(), Some(object), vec![sequence], found)?
                    && (live, digest)
                        != self.org.erased().await?.adjusted(object, sequence, captured.live, &captured.digest)?
                {
                    let what = format!(
                        "the records of backup {sequence} are not those that were captured: {live} live, {} expected",
                        captured.live
                    );
                    self.damaged(log.path(), Some(object), vec![sequence], what);
                }
            }
        }
        Ok(())
    }

    /// Checks the files of a table; whether all are sound.
    async fn table(&mut self, log: &Log, object: Option<&str>, state: &State) -> Result<bool> {
        let before = self.report.damage.len();
        self.log(log, object, state).await?;
        for file in &state.files {
            let path = log.path().clone().join(file.name.as_str());
            let backups = self.since(file.backups().0);
            let found = self.file(log, object, state, file).await;
            self.seen(&path, file.bytes);
            self.note(&path, object, backups, found)?;
        }
        Ok(self.report.damage.len() == before)
    }

    /// The log was readable as far as it was needed; its other commits and checkpoints should be as well.
    async fn log(&mut self, log: &Log, object: Option<&str>, state: &State) -> Result<()> {
        let folder = log.path().clone().join("_delta_log");
        for version in 0..=state.version {
            let path = folder.clone().join(format!("{version:020}.json"));
            let found = match log.outcome(version).await {
                Ok(None) => Err(Error::new(Kind::NotFound, "a commit of the table is gone or not Orgkeep's")),
                other => other.map(|_| ()),
            };
            self.seen(&path, 0);
            // The state of the table was readable without it, from a checkpoint.
            self.note(&path, object, Vec::new(), found)?;
        }
        let mut listed: Vec<_> = self
            .org
            .store()
            .list(Some(&folder))
            .try_collect()
            .await
            .map_err(|error| Error::because("the log of a table cannot be listed", error))?;
        listed.sort_by(|a: &object_store::ObjectMeta, b| a.location.cmp(&b.location));
        for meta in listed.iter().filter(|meta| !meta.location.as_ref().ends_with(".json")) {
            let found = if meta.location.as_ref().ends_with(".parquet") {
                datafile::decode_all(self.org.store(), meta.location.clone(), meta.size).await
            } else {
                self.json(&meta.location).await
            };
            self.seen(&meta.location, meta.size);
            // Checkpoints only save time: the commits hold the same.
            self.note(&meta.location, object, Vec::new(), found)?;
        }
        Ok(())
    }

    async fn file(&self, log: &Log, object: Option<&str>, state: &State, file: &DataFile) -> Result<()> {
        let path = log.path().clone().join(file.name.as_str());
        self.length(&path, file.bytes).await?;
        if !self.read_data {
            return Ok(());
        }
        let mut rows = 0;
        if object.is_some() {
            let reading =
                Reading { schema: Schema::new(state.columns.clone())?, ids: None, batch_bytes: 4 * 1024 * 1024 };
            let mut batches = datafile::read(self.org.store(), path, file.bytes, reading).await?;
            while let Some(batch) = batches.next().await.transpose()? {
                rows += batch.len() as u64;
            }
        } else {
            let columns = ["Id", "body"];
            let mut batches = datafile::read_raw(self.org.store(), path, file.bytes, &columns, None).await?;
            while let Some(batch) = batches.next().await {
                let batch = batch.map_err(|error| Error::because("a pack of bodies is not readable", error))?;
                rows += batch.num_rows() as u64;
                crate::blobs::verify(&batch)?;
            }
        }
        if rows != file.rows {
            return Err(Error::new(Kind::Corrupt, "the file has another number of rows than the table's log says")
                .with("rows", rows)
                .with("expected", file.rows));
        }
        Ok(())
    }

    async fn json(&self, path: &Path) -> Result<()> {
        let unreadable = |error| Error::because("a file is not readable", error);
        let bytes = self.org.store().get(path).await.map_err(unreadable)?.bytes().await.map_err(unreadable)?;
        let parsed: Result<serde_json::Value, _> = serde_json::from_slice(&bytes);
        parsed.map(|_| ()).map_err(|error| Error::because("a file is not readable", error))
    }

    async fn length(&self, path: &Path, expected: u64) -> Result<()> {
        let meta = self.org.store().head(path).await.map_err(|error| Error::because("the file is not there", error))?;
        if meta.size != expected {
            return Err(Error::new(Kind::Corrupt, "the file has the wrong length: cut off or overwritten")
                .with("bytes", meta.size)
                .with("expected", expected));
        }
        Ok(())
    }

    async fn blobs(&mut self) -> Result<()> {
        let log = self.org.blob_log();
        let every = self.sequences.clone();
        let state = log.state().await;
        let Some(Some(state)) = self.note(log.path(), None, every, state)? else { return Ok(()) };
        self.table(&log, None, &state).await?;
        for file in &state.files {
            // A pack that is not readable has been noted.
            let large = match crate::blobs::large_bodies(&self.org, &log, file).await {
                Ok(large) => large,
                Err(error) if is_damage(&error) => continue,
                Err(error) => return Err(error),
            };
            for (path, length, hash) in large {
                let backups = self.since(file.sequence);
                let mut found = self.length(&path, length).await;
                if found.is_ok() && self.read_data {
                    found = self.body(&hash).await;
                }
                self.seen(&path, length);
                self.note(&path, None, backups, found)?;
            }
        }
        Ok(())
    }

    async fn body(&self, hash: &str) -> Result<()> {
        let mut body = self.org.blob(hash).await?;
        while body.next().await.transpose()?.is_some() {}
        Ok(())
    }

    async fn documents(&mut self) -> Result<()> {
        for meta in self.list("documents").await? {
            let name = meta.location.filename().and_then(|name| name.strip_suffix(ENDING)).unwrap_or_default();
            let found = self.org.document(&DocumentRef(name.to_owned())).await;
            self.seen(&meta.location, meta.size);
            self.note(&meta.location, None, Vec::new(), found)?;
        }
        Ok(())
    }

    async fn restores(&mut self) -> Result<()> {
        for meta in self.list("restores").await? {
            let store = self.org.store();
            let found = async { store.get(&meta.location).await?.bytes().await }.await;
            let found = found.map_err(|error| Error::because("a part of a restore is not readable", error));
            self.seen(&meta.location, meta.size);
            self.note(&meta.location, None, Vec::new(), found)?;
        }
        Ok(())
    }

    async fn list(&self, part: &str) -> Result<Vec<object_store::ObjectMeta>> {
        let mut listed: Vec<object_store::ObjectMeta> = self
            .org
            .store()
            .list(Some(&self.org.path(part)))
            .try_collect()
            .await
            .map_err(|error| Error::because("the vault cannot be listed", error).with("part", part))?;
        listed.sort_by(|a, b| a.location.cmp(&b.location));
        Ok(listed)
    }
}
