// SPDX-License-Identifier: Apache-2.0
//! Backups of an org: finished ones as a chain of manifests, and the one that is being made.
//!
//! 1. [`OrgVault::begin`] gives the next sequence. A marker `unfinished.json` says that work has begun; where one is left
//!    over from an interrupted run, its outcomes are read from the tables' own commits, the same sequence goes on, and
//!    files that no commit names are swept.
//! 2. Captures, documents and blobs are added, each durable by itself.
//! 3. [`Unfinished::finish`] writes the seal of the manifest and then the manifest, put-if-absent: only now does the backup
//!    exist for readers. Then tables that now have too many small files have them merged.
//!
//! What is held of every object is carried from manifest to manifest, so that a manifest says all of its state, and its root.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, Mutex};

use chrono::{DateTime, TimeDelta, Utc};
use futures::stream::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStoreExt as _, PutMode};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::capture::{Capture, CaptureKind, Captured};
use crate::columns::Schema;
use crate::erasure::ErasureList;
use crate::error::{Error, Kind, Result};
use crate::expire::Expired;
use crate::lock::Lock;
use crate::log::Log;
use crate::merkle::{self, Held};
use crate::org::OrgVault;
use crate::packed::{self, ENDING};
use crate::removed::{self, Removed};

/// Spilled rows of a comparison that nobody finished are removed after this time.
const LEFTOVER_HOURS: i64 = 24;

/// A finished backup.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    pub format: u32,
    pub org: String,
    /// Counted from 1, without gaps.
    pub sequence: u64,
    /// BLAKE3 of the JSON of the manifest before this one, in hexadecimal.
    pub predecessor: Option<String>,
    pub started_at: DateTime<Utc>,
    pub finished_at: DateTime<Utc>,
    /// What was captured in this backup, by object. An object that is not here is held as the backups before left it.
    pub objects: BTreeMap<String, Captured>,
    /// What is held of every object as of this backup, captured in it or before.
    pub state: BTreeMap<String, Held>,
    /// Merkle root of `state`, 64 hexadecimal digits.
    pub root: String,
    /// What the engine says of the backup: coverage, counts, calls. The vault does not look into it.
    pub content: Value,
    /// BLAKE3 of the JSON of this manifest.
    #[serde(skip)]
    pub hash: String,
}

/// What the maker of a backup adds to its manifest.
#[derive(Debug, Clone, PartialEq)]
pub struct ManifestDraft {
    pub started_at: DateTime<Utc>,
    pub finished_at: DateTime<Utc>,
    pub content: Value,
}

/// Names a document by the BLAKE3 hash of its bytes, in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DocumentRef(pub String);

#[derive(Serialize, Deserialize)]
struct Marker {
    sequence: u64,
    since: DateTime<Utc>,
}

/// A backup that is being made. Clones share it. Dropping it leaves the backup unfinished, to be continued.
#[derive(Clone)]
pub struct Unfinished {
    org: OrgVault,
    lock: Lock,
    sequence: u64,
    interrupted: bool,
    predecessor: Option<Arc<Manifest>>,
    outcomes: Arc<Mutex<BTreeMap<String, Captured>>>,
    /// Whether damaged files were taken out of their tables.
    pub(crate) mending: Arc<std::sync::atomic::AtomicBool>,
    /// Whether bodies were.
    pub(crate) mending_bodies: Arc<std::sync::atomic::AtomicBool>,
    erasures: Arc<ErasureList>,
}

impl OrgVault {
    pub(crate) fn manifest_path(&self, sequence: u64) -> Path {
        self.path("backups").join(format!("{sequence:010}{ENDING}"))
    }

    pub(crate) async fn listed(&self) -> Result<Listed> {
        let damaged = self.damaged_path();
        let mut saw_damaged = false;
        let names: Vec<String> = self
            .store()
            .list(Some(&self.path("backups")))
            .try_filter_map(|meta| {
                saw_damaged |= meta.location == damaged;
                let name = meta.location.filename().and_then(|name| name.strip_suffix(ENDING));
                std::future::ready(Ok(name.map(str::to_owned)))
            })
            .try_collect()
            .await
            .map_err(|error| Error::because("the backups cannot be listed", error).with("org", self.id()))?;
        self.saw_damaged(saw_damaged);
        let manifests = names.iter().filter_map(|name| name.parse().ok()).collect();
        let marks: BTreeSet<u64> =
            names.iter().filter_map(|name| name.strip_suffix(".expired")?.parse().ok()).collect();
        *self.known_expired() = Some(Arc::new(marks.clone()));
        Ok(Listed { manifests, marks })
    }

    /// The sequences of all manifests that are there, expired or not.
    pub(crate) async fn manifest_sequences(&self) -> Result<Vec<u64>> {
        Ok(self.listed().await?.manifests.into_iter().collect())
    }

    /// The backups that have expired, and whether the manifest is removed.
    pub(crate) async fn marks(&self) -> Result<BTreeMap<u64, bool>> {
        let Listed { manifests, marks } = self.listed().await?;
        Ok(marks.into_iter().map(|sequence| (sequence, !manifests.contains(&sequence))).collect())
    }

    /// The finished backups in order of their sequence, but those that have expired. Corrupt where one is missing or does not follow its
    /// predecessor.
    pub async fn manifests(&self) -> Result<Vec<Manifest>> {
        let listed = self.listed().await?;
        let (mut manifests, mut before) = (Vec::new(), None);
        for sequence in listed.manifests.union(&listed.marks) {
            let link = if listed.manifests.contains(sequence) {
                let manifest = self.read_manifest(*sequence).await?;
                let link = Link::of(&manifest);
                if !listed.marks.contains(sequence) {
                    manifests.push(manifest.as_ref().clone());
                }
                link
            } else {
                self.read_mark(*sequence).await?.into()
            };
            follows(before.as_ref(), &link)?;
            before = Some(link);
        }
        Ok(manifests)
    }

    /// The newest finished backup; none before the first. Corrupt where one before it is missing or it does not follow that. The
    /// whole chain is verified by `check`.
    pub async fn newest(&self) -> Result<Option<Manifest>> {
        let listed = self.listed().await?;
        let Some(last) = listed.manifests.last() else { return Ok(None) };
        let manifest = self.read_manifest(*last).await?;
        let before = last.saturating_sub(1);
        let before = if listed.manifests.contains(&before) {
            Some(Link::of(&*self.read_manifest(before).await?))
        } else if listed.marks.contains(&before) {
            Some(self.read_mark(before).await?.into())
        } else {
            None
        };
        follows(before.as_ref(), &Link::of(&manifest))?;
        Ok(Some(manifest.as_ref().clone()))
    }

    /// One finished backup. NotFound names those that there are.
    pub async fn manifest(&self, sequence: u64) -> Result<Manifest> {
        self.finished(sequence).await.map(|manifest| manifest.as_ref().clone())
    }

    pub(crate) async fn finished(&self, sequence: u64) -> Result<Arc<Manifest>> {
        let known = self.known_expired().clone();
        let expired = match known {
            Some(known) => known,
            None => Arc::new(self.listed().await?.marks),
        };
        if expired.contains(&sequence) {
            return Err(match self.read_mark(sequence).await?.removed_at {
                Some(at) => Error::new(Kind::NotFound, "the backup has expired and was removed")
                    .with("backup", sequence)
                    .with("removed", at.format("%Y-%m-%d")),
                None => Error::new(Kind::NotFound, "the backup has expired")
                    .with("backup", sequence)
                    .hint(format!("until it is removed `orgkeep expire NAME --undo {sequence}` brings it back")),
            });
        }
        match self.read_manifest(sequence).await {
            Err(error) if error.kind() == Kind::NotFound => {
                let listed = self.listed().await?;
                let there: Vec<u64> = listed.manifests.difference(&listed.marks).copied().collect();
                Err(Error::new(Kind::NotFound, "there is no such backup").with("backup", sequence).hint(
                    match (there.first(), there.last()) {
                        (Some(first), Some(last)) if first != last => format!("there are backups {first} to {last}"),
                        (Some(only), _) => format!("there is only backup {only}"),
                        _ => "this org has no finished backup yet".into(),
                    },
                ))
            }
            other => other,
        }
    }

    async fn read_manifest(&self, sequence: u64) -> Result<Arc<Manifest>> {
        if let Some(known) = self.known_manifests().get(&sequence) {
            return Ok(known.clone());
        }
        let manifest = Arc::new(self.load_manifest(sequence).await?);
        self.known_manifests().insert(sequence, manifest.clone());
        Ok(manifest)
    }

    /// Reads a manifest from the store, whether it is known or not.
    pub(crate) async fn load_manifest(&self, sequence: u64) -> Result<Manifest> {
        let path = self.manifest_path(sequence);
        let json = self.unpacked(&path, "the manifest of a backup").await?;
        let mut manifest: Manifest = serde_json::from_slice(&json)
            .map_err(|error| Error::because("the manifest of a backup is not readable", error).with("path", &path))?;
        if manifest.sequence != sequence || manifest.org != self.id() {
            return Err(Error::new(Kind::Corrupt, "a manifest stands in the place of another").with("path", &path));
        }
        manifest.hash = blake3::hash(&json).to_hex().to_string();
        Ok(manifest)
    }

    /// Begins the next backup, or goes on with the one that was interrupted.
    pub async fn begin(&self, lock: &Lock) -> Result<Unfinished> {
        lock.of(self)?;
        let completed = self.complete_erasures(lock).await?;
        let last = self.newest().await?;
        let sequence = last.as_ref().map_or(1, |manifest| manifest.sequence + 1);
        let unfinished = Unfinished {
            org: self.clone(),
            lock: lock.clone(),
            sequence,
            interrupted: self.marker().await?.is_some(),
            predecessor: last.map(Arc::new),
            outcomes: Arc::default(),
            mending: Arc::default(),
            mending_bodies: Arc::default(),
            erasures: self.erased().await?,
        };
        if unfinished.interrupted || !completed.is_empty() {
            unfinished.recover().await?;
        }
        unfinished.sweep_spills().await?;
        removed::sweep(self, lock.at()).await?;
        self.mark(sequence, lock.at()).await?;
        Ok(unfinished)
    }

    fn marker_path(&self) -> Path {
        self.path("unfinished.json")
    }

    async fn marker(&self) -> Result<Option<Marker>> {
        let unreadable =
            |error| Error::because("the mark of an unfinished backup cannot be read", error).with("org", self.id());
        match self.store().get(&self.marker_path()).await {
            Ok(found) => {
                let bytes = found.bytes().await.map_err(unreadable)?;
                // One that is not readable still says that something was interrupted.
                Ok(Some(serde_json::from_slice(&bytes).unwrap_or(Marker { sequence: 0, since: DateTime::UNIX_EPOCH })))
            }
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(unreadable(error)),
        }
    }

    async fn mark(&self, sequence: u64, since: DateTime<Utc>) -> Result<()> {
        let json = serde_json::to_vec(&Marker { sequence, since }).expect("the marker is plain JSON");
        self.store().put(&self.marker_path(), json.into()).await.map(|_| ()).map_err(|error| {
            Error::because("the mark of an unfinished backup cannot be written", error).with("org", self.id())
        })
    }

    /// Marks work on the tables that is no backup, so that the next backup sweeps what an interruption of it leaves. Whether there was no
    /// mark before.
    pub(crate) async fn begin_work(&self, at: DateTime<Utc>) -> Result<bool> {
        let fresh = self.marker().await?.is_none();
        if fresh {
            self.mark(0, at).await?;
        }
        Ok(fresh)
    }

    /// Takes the mark away again that [`OrgVault::begin_work`] made.
    pub(crate) async fn end_work(&self, marked: bool) {
        if marked {
            // Where this fails the next backup looks for leftovers and finds none.
            let _ = self.store().delete(&self.marker_path()).await;
        }
    }

    /// A document by its reference. NotFound where there is none, Corrupt where it is not what it was.
    pub async fn document(&self, reference: &DocumentRef) -> Result<Vec<u8>> {
        let path = self.document_path(reference)?;
        let bytes = self.unpacked(&path, "a document").await?;
        if blake3::hash(&bytes).to_hex().as_str() != reference.0 {
            return Err(
                Error::new(Kind::Corrupt, "a document is not what it was when it was stored").with("path", path)
            );
        }
        Ok(bytes)
    }

    fn document_path(&self, reference: &DocumentRef) -> Result<Path> {
        let hexadecimal = reference.0.len() == 64 && reference.0.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !hexadecimal {
            return Err(Error::new(Kind::Invalid, "a reference to a document has 64 hexadecimal digits")
                .with("reference", &reference.0));
        }
        Ok(self.path("documents").join(format!("{}{ENDING}", reference.0)))
    }
}

/// What there is below `backups/`.
pub(crate) struct Listed {
    manifests: BTreeSet<u64>,
    /// Of backups that have expired, their manifests there or not.
    pub(crate) marks: BTreeSet<u64>,
}

/// A backup in the chain of backups: by its manifest, or by the mark that stays where that was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    pub sequence: u64,
    predecessor: Option<String>,
    hash: String,
}

impl Link {
    pub(crate) fn of(manifest: &Manifest) -> Link {
        let Manifest { sequence, predecessor, hash, .. } = manifest;
        Link { sequence: *sequence, predecessor: predecessor.clone(), hash: hash.clone() }
    }
}

impl From<Expired> for Link {
    fn from(mark: Expired) -> Link {
        Link { sequence: mark.sequence, predecessor: mark.predecessor, hash: mark.hash }
    }
}

/// Whether a backup continues the chain.
pub(crate) fn follows(before: Option<&Link>, link: &Link) -> Result<()> {
    let expected = before.map_or(1, |before| before.sequence + 1);
    if link.sequence != expected || link.predecessor.as_ref() != before.map(|before| &before.hash) {
        return Err(Error::new(Kind::Corrupt, "the chain of backups is broken")
            .with("backup", link.sequence)
            .with("should follow", expected - 1)
            .hint("a manifest was changed or removed; run `orgkeep check`"));
    }
    Ok(())
}

impl Unfinished {
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// What is being backed up into.
    pub fn vault(&self) -> &OrgVault {
        &self.org
    }

    /// Whether this goes on with work that was interrupted.
    pub fn interrupted(&self) -> bool {
        self.interrupted
    }

    /// What was erased of this org, as of when this backup was begun.
    pub fn erasures(&self) -> &Arc<ErasureList> {
        &self.erasures
    }

    /// What has been captured in this backup so far, by object, by this process and those interrupted before it.
    pub fn outcomes(&self) -> BTreeMap<String, Captured> {
        self.outcomes.lock().expect("no one panics while holding this lock").clone()
    }

    pub(crate) fn org(&self) -> &OrgVault {
        &self.org
    }

    pub(crate) fn at(&self) -> DateTime<Utc> {
        self.lock.at()
    }

    pub(crate) fn committed(&self, captured: Captured) {
        self.outcomes.lock().expect("no one panics while holding this lock").insert(captured.object.clone(), captured);
    }

    /// Collects the outcomes of the interrupted run and removes the files that no commit names, and seals that no manifest
    /// followed.
    async fn recover(&self) -> Result<()> {
        let seals = self.org.seals().await?;
        let orphans: Vec<Path> = seals.range(self.sequence..).flat_map(|(_, paths)| paths.iter().cloned()).collect();
        if !orphans.is_empty() {
            // A seal whose manifest is only not listed yet is no orphan.
            self.still_next().await?;
            crate::sorter::remove(&self.org, &orphans).await;
        }
        for object in self.org.tables().await? {
            let log = self.org.log(&object);
            let state = log.state().await?;
            if let Some(state) = &state {
                let mut erased = None;
                for version in (0..=state.version).rev() {
                    let Some(outcome) = log.outcome(version).await? else { continue };
                    // Merging files and taking rows out of them captures nothing; but what was erased since is held no more.
                    let Some(sequence) = outcome["sequence"].as_u64() else {
                        erased = erased.or_else(|| serde_json::from_value::<Held>(outcome["erased"].clone()).ok());
                        continue;
                    };
                    if sequence < self.sequence {
                        break;
                    }
                    if let Ok(mut captured) = serde_json::from_value::<Captured>(outcome["captured"].clone()) {
                        if let Some(Held { live, digest }) = erased {
                            (captured.live, captured.digest) = (live, digest);
                        }
                        self.committed(captured);
                        break;
                    }
                }
            }
            let named = state.iter().flat_map(|state| state.files.iter().map(|file| file.name.clone())).collect();
            self.sweep(&log, &named).await?;
        }
        if !self.outcomes().is_empty() {
            // Of an interrupted run, or of this very backup, finished: then the backups were listed as they were some time ago.
            self.still_next().await?;
        }
        crate::blobs::sweep(&self.org, self).await
    }

    /// Removes data files that no commit names and none took out of its table.
    pub(crate) async fn sweep(&self, log: &Log, named: &HashSet<String>) -> Result<()> {
        let failed = |error| Error::because("files left over cannot be removed", error).with("table", log.path());
        let removed = Removed::of(&self.org).await?;
        let mut listed = self.org.store().list(Some(log.path()));
        let mut leftovers = Vec::new();
        while let Some(meta) = listed.next().await.transpose().map_err(failed)? {
            let name = meta.location.filename().unwrap_or_default();
            let depth = meta.location.parts().count() - log.path().parts().count();
            if depth == 1 && name.ends_with(".parquet") && !named.contains(name) && !removed.holds(&meta.location) {
                leftovers.push(meta.location);
            }
        }
        for path in &leftovers {
            self.not_named(log, path).await?;
        }
        crate::sorter::remove(&self.org, &leftovers).await;
        Ok(())
    }

    /// Busy where the commit that a file was written for names it after all: then the log was listed as it was some time ago.
    async fn not_named(&self, log: &Log, path: &Path) -> Result<()> {
        let name = path.filename().unwrap_or_default();
        let version = name.split('-').nth(1).and_then(|version| version.parse().ok());
        let Some(version) = version else { return Ok(()) };
        let actions = log.actions(version).await?.unwrap_or_default();
        let named = |of: &str| actions.iter().any(|action| action.pointer(of).and_then(Value::as_str) == Some(name));
        if named("/add/path") && !self.taken_out(log, version, name).await? {
            return Err(Error::new(Kind::Busy, "the storage listed an older state of a table")
                .with("file", path)
                .hint("run the backup again"));
        }
        Ok(())
    }

    /// Whether a later commit has taken a file out of its table.
    async fn taken_out(&self, log: &Log, added: u64, name: &str) -> Result<bool> {
        let mut version = added + 1;
        while let Some(actions) = log.actions(version).await? {
            if actions.iter().any(|action| action.pointer("/remove/path").and_then(Value::as_str) == Some(name)) {
                return Ok(true);
            }
            version += 1;
        }
        Ok(false)
    }

    async fn sweep_spills(&self) -> Result<()> {
        let failed = |error| Error::because("files left over cannot be removed", error).with("org", self.org.id());
        let oldest = self.at() - TimeDelta::hours(LEFTOVER_HOURS);
        let mut listed = self.org.store().list(Some(&self.org.path("spill")));
        let mut leftovers = Vec::new();
        while let Some(meta) = listed.next().await.transpose().map_err(failed)? {
            let of_comparison = meta.location.filename().is_some_and(|name| name.starts_with("sorter-"));
            if !of_comparison || meta.last_modified < oldest {
                leftovers.push(meta.location);
            }
        }
        crate::sorter::remove(&self.org, &leftovers).await;
        Ok(())
    }

    /// Busy where this backup, or a later one, is finished already: a store may list what there was some time ago.
    pub(crate) async fn still_next(&self) -> Result<()> {
        match self.org.store().head(&self.org.manifest_path(self.sequence)).await {
            Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(Error::because("it cannot be seen whether the backup is finished", error)),
            Ok(_) => Err(Error::new(Kind::Busy, "this backup is finished already: the storage listed an older state")
                .with("backup", self.sequence)
                .hint("run the backup again")),
        }
    }

    /// Captures rows of one object. An object may be captured again in the same backup: what comes, changes and goes adds up.
    pub async fn capture(&self, object: &str, schema: &Schema, kind: CaptureKind) -> Result<Capture> {
        Capture::begin(self, object, schema, kind).await
    }

    /// Stores a small document, such as a describe, unless it is there already. `name` is for messages only.
    pub async fn put_document(&self, name: &str, bytes: &[u8]) -> Result<DocumentRef> {
        let reference = DocumentRef(blake3::hash(bytes).to_hex().to_string());
        let path = self.org.document_path(&reference)?;
        match self.org.store().put_opts(&path, packed::pack(bytes).into(), PutMode::Create.into()).await {
            Ok(_) | Err(object_store::Error::AlreadyExists { .. }) => Ok(reference),
            Err(error) => Err(Error::because("a document cannot be stored", error).with("document", name)),
        }
    }

    /// A document that was stored in this backup or an earlier one.
    pub async fn document(&self, reference: &DocumentRef) -> Result<Vec<u8>> {
        self.org.document(reference).await
    }

    /// What is held of every object as of this backup: what was captured in it, else what the backup before held.
    fn state(&self) -> Result<BTreeMap<String, Held>> {
        let held = |captured: &Captured| Held { live: captured.live, digest: captured.digest.clone() };
        let erasures = &self.erasures;
        let mut state: BTreeMap<String, Held> = match &self.predecessor {
            None => BTreeMap::new(),
            Some(before) => {
                let less = |(object, held): (&String, &Held)| {
                    Ok((object.clone(), erasures.held(object, before.sequence, held)?))
                };
                before.state.iter().map(less).collect::<Result<_>>()?
            }
        };
        state.extend(self.outcomes().iter().map(|(object, captured)| (object.clone(), held(captured))));
        Ok(state)
    }

    /// Writes the manifest: from now on the backup exists. Busy if another process has finished this sequence.
    pub async fn finish(self, draft: ManifestDraft) -> Result<Manifest> {
        let state = self.state()?;
        let mut manifest = Manifest {
            format: crate::vault::FORMAT,
            org: self.org.id().into(),
            sequence: self.sequence,
            predecessor: self.predecessor.as_ref().map(|before| before.hash.clone()),
            started_at: draft.started_at,
            finished_at: draft.finished_at,
            objects: self.outcomes(),
            root: merkle::root(&state)?,
            state,
            content: draft.content,
            hash: String::new(),
        };
        let json = serde_json::to_vec(&manifest)
            .map_err(|error| Error::because("the manifest cannot be written as JSON", error).of_kind(Kind::Invalid))?;
        manifest.hash = blake3::hash(&json).to_hex().to_string();
        self.org.put_seal(&manifest, &self.org.vault().signer()?).await?;
        let path = self.org.manifest_path(self.sequence);
        if let Err(error) = self.org.store().put_opts(&path, packed::pack(&json).into(), PutMode::Create.into()).await {
            // The reply may have been lost after the write took place.
            match self.org.load_manifest(self.sequence).await {
                Ok(there) if there.hash == manifest.hash => {}
                Ok(_) => {
                    return Err(Error::new(Kind::Busy, "another process has finished this backup meanwhile")
                        .with("backup", self.sequence)
                        .hint("run the backup again"));
                }
                Err(_) => {
                    return Err(
                        Error::because("the manifest of the backup cannot be written", error).with("path", path)
                    );
                }
            }
        }
        self.org.known_manifests().insert(self.sequence, Arc::new(manifest.clone()));
        if [&self.mending, &self.mending_bodies].iter().any(|flag| flag.load(std::sync::atomic::Ordering::Relaxed)) {
            // Where this fails the next backup reads these objects whole once more.
            let _ = self.mended().await;
        }
        // Where this fails the next backup looks for leftovers and finds none.
        let _ = self.org.store().delete(&self.org.marker_path()).await;
        // The backup is finished; files that could not be merged now are merged after the next capture of their table.
        let _ = self.org.compact_due(&self.lock).await;
        Ok(manifest)
    }
}
