// SPDX-License-Identifier: Apache-2.0
//! Following the structure: from `vault.json` and the manifests to the tables, and to every file that they name.
//!
//! Files are not asked for one by one: a table's folder is listed once, and what the log names is looked up there.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures::stream::TryStreamExt;
use object_store::ObjectMeta;
use object_store::path::Path;
use serde_json::Value;

use super::content::{Content, Unit};
use super::kinds::Kind as FileKind;
use super::{Check, is_damage};
use crate::backup::{DocumentRef, Link, Manifest, follows};
use crate::capture::Captured;
use crate::datafile::{self, FileReader};
use crate::error::{Error, Kind, Result};
use crate::log::{DataFile, Log, State};
use crate::merkle;
use crate::packed::ENDING;
use crate::seal::speaks_of;
use crate::vaultfile::vault_path;

impl Check<'_> {
    /// Goes through all of it and collects what there is to read.
    pub(super) async fn structure(&mut self) -> Result<()> {
        let vault_file = self.org.vault().examine().await;
        self.seen(&vault_path(), 0);
        self.note(&vault_path(), None, Vec::new(), vault_file)?;
        let manifests = self.manifests().await?;
        self.manifests = manifests.into();
        self.erasures().await?;
        self.objects().await?;
        self.blobs().await?;
        self.missing_erasures();
        self.documents().await?;
        self.restores().await?;
        let manifests = self.manifests.clone();
        self.rest(&manifests).await
    }

    async fn manifests(&mut self) -> Result<Vec<Manifest>> {
        let folder = self.org.path("backups");
        let (mut there, mut marks, mut seals) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
        for meta in self.list(&folder).await? {
            match self.kind(&meta.location) {
                Some(FileKind::Manifest(sequence)) => drop(there.insert(sequence, meta)),
                Some(FileKind::Mark(sequence)) => drop(marks.insert(sequence)),
                Some(FileKind::Seal(sequence)) => drop(seals.insert(sequence)),
                _ => {}
            }
        }
        for sequence in marks.iter().filter(|sequence| !seals.contains(sequence)) {
            let path = self.org.mark_path(*sequence);
            self.damaged(
                &path,
                None,
                Vec::new(),
                "the seal of this backup is gone, which stays when a backup is removed",
            );
        }
        let (mut manifests, mut before): (Vec<Manifest>, _) = (Vec::new(), None::<Link>);
        for (sequence, meta) in &there {
            let sequence = *sequence;
            self.seen(&meta.location, meta.size);
            self.sequences.push(sequence);
            let loaded = self.org.load_manifest(sequence).await;
            if let Some(manifest) = self.note(&meta.location, None, vec![sequence], loaded)? {
                // Backups that retention removed left their marks.
                let mut gap = before.as_ref().map_or(1, |link| link.sequence + 1);
                while gap < sequence && marks.contains(&gap) && !there.contains_key(&gap) {
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
        let wrong = |what| Err(Error::new(Kind::Corrupt, what).with("backup", manifest.sequence));
        if merkle::root(&manifest.state)? != manifest.root {
            return wrong("the root of a backup is not that of its state");
        }
        let fits = |(object, captured): (&String, &Captured)| {
            let held = manifest.state.get(object);
            held.is_some_and(|held| (held.live, &held.digest) == (captured.live, &captured.digest))
        };
        if !manifest.objects.iter().all(fits) {
            return wrong("the state of a backup is not what was captured in it");
        }
        let path = self.org.seal_path(manifest.sequence, &manifest.hash);
        self.seen(&path, 0);
        let (_, statement) = self.org.read_seal(&path).await?;
        speaks_of(&statement, manifest)?;
        if self.org.vault().public_key() != statement.public_key {
            return wrong("a backup was sealed with the key of another vault");
        }
        Ok(())
    }

    async fn objects(&mut self) -> Result<()> {
        // From which backup on there is something of each: what a removed backup captured, those after it still hold. Tables that only an
        // unfinished backup has written to are named by no manifest.
        let mut objects: BTreeMap<String, Option<u64>> =
            self.org.tables().await?.into_iter().map(|object| (object, None)).collect();
        for manifest in self.manifests.clone().iter() {
            for object in manifest.objects.keys().chain(manifest.state.keys()) {
                objects.entry(object.clone()).or_default().get_or_insert(manifest.sequence);
            }
        }
        for (object, first) in &objects {
            let log = self.org.log(object);
            let backups = first.map_or_else(Vec::new, |first| self.since(first));
            let state = match log.state().await {
                Ok(None) if first.is_none() => continue,
                Ok(None) => Err(Error::new(Kind::NotFound, "the table's log is gone")),
                Ok(Some(state)) => Ok(state),
                Err(error) => Err(error),
            };
            let Some(state) = self.note(log.path(), Some(object), backups.clone(), state)? else { continue };
            let before = self.report.damage.len();
            let sizes = self.log(&log, Some(object), &state).await?;
            for file in &state.files {
                let columns = state.columns.clone();
                let content = Content::Rows { object: object.clone(), file: file.clone(), columns };
                self.file(&log, Some(object), file, &sizes, content)?;
            }
            // A table that lacks files cannot have the states that it should.
            if self.report.damage.len() == before && first.is_some() {
                let bytes = state.files.iter().map(|file| file.bytes).sum();
                let content = Content::States { object: object.clone() };
                self.units.push(Unit { path: log.path().clone(), bytes, backups, content });
            }
        }
        Ok(())
    }

    /// Whether a file that a log names is there and has its size; if so, it is there to be read.
    fn file(
        &mut self,
        log: &Log,
        object: Option<&str>,
        file: &DataFile,
        sizes: &HashMap<String, u64>,
        content: Content,
    ) -> Result<()> {
        let path = log.path().clone().join(file.name.as_str());
        let backups = self.since(file.backups().0);
        let sound = length(sizes.get(&file.name).copied(), file.bytes);
        self.seen(&path, file.bytes);
        match sound {
            Ok(()) => self.units.push(Unit { path, bytes: file.bytes, backups, content }),
            Err(error) => {
                self.damaged(&path, object, backups, error.chain());
                if let (Some(damage), Some((low, high))) = (self.report.damage.last_mut(), file.ids())
                    && object.is_some()
                {
                    damage.ids = Some((low.to_owned(), high.to_owned()));
                }
                self.units.push(Unit { path, bytes: 0, backups: Vec::new(), content: Content::Missing });
            }
        }
        Ok(())
    }

    /// The log was readable as far as it was needed; its other commits and checkpoints should be as well. Gives the sizes of
    /// the files in the table's folder.
    async fn log(&mut self, log: &Log, object: Option<&str>, state: &State) -> Result<HashMap<String, u64>> {
        let listed = self.list(log.path()).await?;
        let folder = log.path().clone().join("_delta_log");
        for version in 0..=state.version {
            let path = folder.clone().join(format!("{version:020}.json"));
            let actions = log.actions(version).await;
            if let Ok(Some(actions)) = &actions {
                let erasure = |action: &Value| action.pointer("/commitInfo/orgkeep/erased/erasure")?.as_u64();
                self.named_erasures.extend(actions.iter().filter_map(erasure));
            }
            let found = actions.and_then(ours);
            self.seen(&path, 0);
            // The state of the table was readable without it, from a checkpoint.
            self.note(&path, object, Vec::new(), found)?;
        }
        for meta in listed.iter().filter(|meta| meta.location.as_ref().starts_with(folder.as_ref())) {
            if meta.location.as_ref().ends_with(".json") {
                continue;
            }
            let found = if meta.location.as_ref().ends_with(".parquet") {
                datafile::decode_all(FileReader::new(self.org.store(), meta.location.clone(), meta.size)).await
            } else {
                self.json(&meta.location).await
            };
            self.seen(&meta.location, meta.size);
            // Checkpoints only save time: the commits hold the same.
            self.note(&meta.location, object, Vec::new(), found)?;
        }
        Ok(listed.into_iter().filter_map(|meta| Some((meta.location.filename()?.to_owned(), meta.size))).collect())
    }

    async fn blobs(&mut self) -> Result<()> {
        let log = self.org.blob_log();
        let every = self.sequences.clone();
        let state = log.state().await;
        let Some(Some(state)) = self.note(log.path(), None, every, state)? else { return Ok(()) };
        // Large bodies lie below the same folder, under names of their own.
        let sizes = self.log(&log, None, &state).await?;
        for file in &state.files {
            self.file(&log, None, file, &sizes, Content::Pack { file: file.clone() })?;
            // A pack that is not readable is damage of its own, found when it is read.
            let large = match crate::blobs::large_bodies(&self.org, &log, file).await {
                Ok(large) => large,
                Err(error) if is_damage(&error) => {
                    if !self.report.damage.iter().any(|damage| damage.path.ends_with(&file.name)) {
                        let path = log.path().clone().join(file.name.as_str());
                        let backups = self.since(file.backups().0);
                        self.damaged(&path, None, backups, error.chain());
                    }
                    continue;
                }
                Err(error) => return Err(error),
            };
            for (path, expected, hash) in large {
                let backups = self.since(file.backups().0);
                self.seen(&path, expected);
                let found = length(sizes.get(path.filename().unwrap_or_default()).copied(), expected);
                let content = if found.is_ok() { Content::Large { hash } } else { Content::Missing };
                self.note(&path, None, backups.clone(), found)?;
                self.units.push(Unit { path, bytes: expected, backups, content });
            }
        }
        Ok(())
    }

    async fn documents(&mut self) -> Result<()> {
        for meta in self.list(&self.org.path("documents")).await? {
            let name = meta.location.filename().and_then(|name| name.strip_suffix(ENDING)).unwrap_or_default();
            let content = Content::Document(DocumentRef(name.to_owned()));
            self.seen(&meta.location, meta.size);
            self.units.push(Unit { path: meta.location, bytes: meta.size, backups: Vec::new(), content });
        }
        Ok(())
    }

    async fn restores(&mut self) -> Result<()> {
        for meta in self.list(&self.org.path("restores")).await? {
            self.seen(&meta.location, meta.size);
            let content = Content::Restore;
            self.units.push(Unit { path: meta.location, bytes: meta.size, backups: Vec::new(), content });
        }
        Ok(())
    }

    pub(super) async fn list(&self, folder: &Path) -> Result<Vec<ObjectMeta>> {
        let mut listed: Vec<ObjectMeta> = self
            .org
            .store()
            .list(Some(folder))
            .try_collect()
            .await
            .map_err(|error| Error::because("the vault cannot be listed", error).with("folder", folder))?;
        listed.sort_by(|a, b| a.location.cmp(&b.location));
        Ok(listed)
    }
}

/// Whether a commit has what ours have: a reader skips actions that it does not know, and a changed letter can make one so.
fn ours(actions: Option<Vec<Value>>) -> Result<()> {
    let known = |action: &Value| {
        let mut keys = action.as_object().into_iter().flat_map(|action| action.keys());
        matches!(
            (keys.next().map(String::as_str), keys.next()),
            (Some("commitInfo" | "protocol" | "metaData" | "add" | "remove"), None)
        )
    };
    let noted = |action: &Value| action.pointer("/commitInfo/orgkeep").is_some();
    match actions {
        Some(actions) if actions.iter().any(noted) && actions.iter().all(known) => Ok(()),
        Some(_) => Err(Error::new(Kind::Corrupt, "a commit of the table is not as Orgkeep writes them")),
        None => Err(Error::new(Kind::NotFound, "a commit of the table is gone")),
    }
}

fn length(found: Option<u64>, expected: u64) -> Result<()> {
    match found {
        None => Err(Error::new(Kind::NotFound, "the file is not there")),
        Some(bytes) if bytes != expected => {
            Err(Error::new(Kind::Corrupt, "the file has the wrong length: cut off or overwritten")
                .with("bytes", bytes)
                .with("expected", expected))
        }
        Some(_) => Ok(()),
    }
}
