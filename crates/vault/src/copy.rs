// SPDX-License-Identifier: Apache-2.0
//! Copying a whole vault to another place, byte by byte as it is stored: what is encrypted stays so, and no key is needed.
//!
//! 1. The manifests that there are now say what is to be copied: what they name was finished before. A backup under way does no
//!    harm; what it has done is copied by the next run.
//! 2. `vault.json` and the keys come first, then all that is only ever added (data files, bodies, documents, commits in their order),
//!    then what may be written anew, and the seals and manifests last, in their order. So the target is a vault at every moment, of
//!    the backups whose manifests it has.
//! 3. Every file is read from the source once and hashed on the way, and read back from the target and hashed again.
//! 4. Stopped anywhere, the next run goes on: a file that is never written twice and has its size at the target is taken for copied.
//!    Sizes of encrypted files follow from the content; `check` at the target reads it all.
//!
//! That the files of an erasure are removed is copied last, to a target that has no file of rows or bodies which the source has not: until then
//! the erasure is incomplete there, and `check` says so.
//!
//! A target that has something must be a copy of the same vault: of the same id, and with manifests that are the same as the first of
//! the source. With `mirror` what the source no longer has is removed at the target, last of all and manifests first.

use std::collections::{BTreeMap, HashMap, HashSet};

use futures::stream::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt as _};

use crate::error::{Error, Kind, Result};
use crate::keyring;
use crate::location::Place;
use crate::packed::ENDING;
use crate::parts::{PART_BYTES, Parts};
use crate::store::flush;
use crate::vaultfile;

/// Small files are copied side by side: on a bucket each takes a round trip or three.
const AT_ONCE: usize = 8;

/// What a copy did.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Copied {
    /// Files written and verified.
    pub files: u64,
    pub bytes: u64,
    /// Files that the target had already.
    pub present: u64,
    /// Files that were removed because the source has them no more.
    pub removed: u64,
    /// Files that the source has no more and that the target's storage would not remove yet: the next copy tries again.
    pub refused: u64,
    /// Finished backups at the target now, of all orgs.
    pub backups: u64,
}

/// When a file is written, relative to others. Within a rank the order is that of the names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// Without it nothing else can be read.
    Vault,
    /// Put once under its name and never changed.
    Content,
    /// Commits of tables' logs: each names files of content.
    Commit,
    /// May be written anew under its name.
    Changing,
    Seal,
    Manifest,
    /// Says that the files of an erasure are removed, see [`erasures_completed`].
    ErasureEnd,
    /// Keys that a target has already are given those of the source before anything else, see [`keys`].
    Key,
}

/// What is not part of a vault's content: locks, until when a storage has locked what, and what was spilled.
pub(crate) fn passing(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    let locked = name.strip_suffix(ENDING) == Some("locked");
    locked || matches!(name, "lock" | "vault.lock") || path.split('/').nth(2) == Some("spill")
}

fn rank(path: &str) -> Rank {
    let parts: Vec<&str> = path.split('/').collect();
    let name = parts.last().copied().unwrap_or_default();
    match parts.as_slice() {
        ["vault.json"] => Rank::Vault,
        ["orgs", _, "key.json"] => Rank::Key,
        ["orgs", _, "backups", name] if name.ends_with(&format!(".seal{ENDING}")) => Rank::Seal,
        ["orgs", _, "backups", name] if number(name).is_some() => Rank::Manifest,
        ["orgs", _, "erasures", name] if name.ends_with(&format!(".done{ENDING}")) => Rank::ErasureEnd,
        _ if parts.contains(&"_delta_log") => {
            if name.ends_with(".json") {
                Rank::Commit
            } else {
                Rank::Changing
            }
        }
        ["orgs", _, "objects" | "blobs" | "documents" | "metadata", ..] => Rank::Content,
        _ => Rank::Changing,
    }
}

/// The sequence of a manifest, by its name.
fn number(name: &str) -> Option<u64> {
    name.strip_suffix(ENDING)?.parse().ok()
}

pub(crate) async fn listed(place: &Place) -> Result<BTreeMap<String, ObjectMeta>> {
    let listed = place.store.list(None).map_ok(|meta| (meta.location.to_string(), meta));
    listed.try_collect().await.map_err(|error| Error::because("a place cannot be listed", error))
}

/// Copies the vault at `from` to `to`. `progress` is told of every file that was written or found.
///
/// Invalid for a target that holds anything else than a copy of this vault.
pub async fn copy(
    from: &Place,
    to: &Place,
    mirror: bool,
    progress: &mut (dyn FnMut(&Copied, &str) + Send),
) -> Result<Copied> {
    // Manifests before everything else: what they name is there already.
    let before = listed(from).await?;
    let manifests = manifests(&before);
    let there = listed(to).await?;
    same_vault(from, to, &before, &there, &manifests).await?;
    let source = listed(from).await?;
    if let (None, Some(meta)) = (there.get("vault.json"), source.get("vault.json")) {
        one(from, to, Rank::Vault, "vault.json", meta, None, false).await?;
    }
    let rekeyed = keys(from, to, &source, &there).await?;
    let mut todo: Vec<(Rank, &String, &ObjectMeta)> = source
        .iter()
        .filter(|(path, _)| !passing(path))
        .map(|(path, meta)| (rank(path), path, meta))
        .filter(|(rank, path, _)| match rank {
            Rank::Manifest | Rank::Seal => due(path, &manifests),
            rank => *rank != Rank::ErasureEnd,
        })
        .collect();
    todo.sort_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)));
    let mut copied = Copied::default();
    let mut start = 0;
    while start < todo.len() {
        let rank = todo[start].0;
        let end = start + todo[start..].partition_point(|(other, ..)| *other == rank);
        // Where the order counts, one after the other.
        let at_once = if matches!(rank, Rank::Content | Rank::Changing | Rank::Seal) { AT_ONCE } else { 1 };
        let mut done = futures::stream::iter(todo[start..end].iter().map(|(rank, path, meta)| {
            let known = there.get(*path);
            let exchanged = rekeyed.contains(org(path));
            async move { one(from, to, *rank, path, meta, known, exchanged).await.map(|written| (written, *path)) }
        }))
        .buffered(at_once);
        while let Some((written, path)) = done.next().await.transpose()? {
            copied.count(written);
            copied.backups += u64::from(rank == Rank::Manifest);
            progress(&copied, path);
        }
        start = end;
    }
    if mirror {
        remove(to, &there, &source, &manifests, &mut copied, progress).await?;
    }
    erasures_completed(from, to, &source, &there, &mut copied, progress).await?;
    Ok(copied)
}

impl Copied {
    /// Counts a file: how many bytes were written, unless it was there.
    fn count(&mut self, written: Option<u64>) {
        match written {
            Some(bytes) => {
                self.files += 1;
                self.bytes += bytes;
            }
            None => self.present += 1,
        }
    }
}

/// The org whose file this is; nothing for a file of the vault.
fn org(path: &str) -> &str {
    path.split('/').nth(1).unwrap_or_default()
}

/// Copies that the files of erasures are removed, of orgs of which the target has no rows or bodies that the source has not.
async fn erasures_completed(
    from: &Place,
    to: &Place,
    source: &BTreeMap<String, ObjectMeta>,
    there: &BTreeMap<String, ObjectMeta>,
    copied: &mut Copied,
    progress: &mut (dyn FnMut(&Copied, &str) + Send),
) -> Result<()> {
    let ends: Vec<&String> = source.keys().filter(|path| rank(path) == Rank::ErasureEnd).collect();
    if ends.is_empty() {
        return Ok(());
    }
    let holds =
        |path: &String| matches!(path.split('/').nth(2), Some("objects" | "blobs")) && rank(path) == Rank::Content;
    let target = listed(to).await?;
    let behind: HashSet<&str> =
        target.keys().filter(|path| holds(path) && !source.contains_key(*path)).map(|path| org(path)).collect();
    for path in ends.into_iter().filter(|path| !behind.contains(org(path))) {
        copied.count(one(from, to, Rank::ErasureEnd, path, &source[path], there.get(path), false).await?);
        progress(copied, path);
    }
    Ok(())
}

/// Which backups there are, by org.
fn manifests(listed: &BTreeMap<String, ObjectMeta>) -> HashMap<String, Vec<u64>> {
    let mut found: HashMap<String, Vec<u64>> = HashMap::new();
    for path in listed.keys().filter(|path| rank(path) == Rank::Manifest) {
        let mut parts = path.split('/').skip(1);
        let (org, name) = (parts.next().unwrap_or_default(), parts.nth(1).unwrap_or_default());
        found.entry(org.to_owned()).or_default().extend(number(name));
    }
    found
}

/// Whether a manifest or a seal belongs to a backup that was finished when the copy began.
fn due(path: &str, manifests: &HashMap<String, Vec<u64>>) -> bool {
    let mut parts = path.split('/').skip(1);
    let (org, name) = (parts.next().unwrap_or_default(), parts.nth(1).unwrap_or_default());
    let sequence = number(name).or_else(|| crate::seal::parse_name(name).map(|(sequence, _)| sequence));
    let newest = manifests.get(org).and_then(|sequences| sequences.iter().max().copied()).unwrap_or(0);
    sequence.is_some_and(|sequence| sequence <= newest)
}

/// Refuses a target that holds anything else, or that went on by itself.
async fn same_vault(
    from: &Place,
    to: &Place,
    source: &BTreeMap<String, ObjectMeta>,
    there: &BTreeMap<String, ObjectMeta>,
    manifests: &HashMap<String, Vec<u64>>,
) -> Result<()> {
    let here = vaultfile::read(from).await?.file;
    let Some(first) = there.keys().find(|path| !passing(path)) else { return Ok(()) };
    let other = match vaultfile::read(to).await {
        Ok(found) => found.file,
        Err(error) if matches!(error.kind(), Kind::NotFound | Kind::Invalid) => {
            return Err(Error::new(Kind::Invalid, "the target is neither empty nor a copy of this vault")
                .with("holds", first)
                .hint("name an empty place"));
        }
        Err(error) => return Err(error),
    };
    if other.id != here.id {
        return Err(Error::new(Kind::Invalid, "the target holds another vault")
            .with("vault", other.id)
            .hint("name an empty place, or a copy of this vault"));
    }
    // The source must contain what the target has. Names of seals tell manifests apart without a key, also where one was sealed with
    // another key since; of a time before seals the bytes do.
    let seals = |listed: &BTreeMap<String, ObjectMeta>, org: &str, sequence: u64| -> Vec<String> {
        let folder = format!("orgs/{org}/backups/{sequence:010}-");
        listed.keys().filter(|path| path.starts_with(&folder)).cloned().collect()
    };
    for path in there.keys().filter(|path| rank(path) == Rank::Manifest) {
        let org = org(path);
        let sequence = path.rsplit('/').next().and_then(number).unwrap_or(0);
        let known = manifests.get(org).is_some_and(|sequences| sequences.contains(&sequence));
        let beyond = manifests.get(org).is_none_or(|sequences| sequences.iter().all(|other| *other < sequence));
        // What retention has removed at the source is older than what is there.
        let (ours, theirs) = (seals(source, org, sequence), seals(there, org, sequence));
        let same = if known && !theirs.is_empty() {
            theirs.iter().any(|seal| ours.contains(seal))
        } else if known {
            hash(from.store.as_ref(), path).await? == hash(to.store.as_ref(), path).await?
        } else {
            !beyond
        };
        if !same {
            return Err(Error::new(
                Kind::Invalid,
                "the target has backups that this vault has not: it went on by itself",
            )
            .with("org", org)
            .with("backup", sequence)
            .hint("copy in the other direction, or to an empty place"));
        }
    }
    Ok(())
}

async fn hash(store: &dyn ObjectStore, path: &str) -> Result<blake3::Hash> {
    let failed = |error| Error::because("a file cannot be read", error).with("path", path);
    let mut stream = store.get(&Path::from(path)).await.map_err(failed)?.into_stream();
    let mut hasher = blake3::Hasher::new();
    while let Some(bytes) = stream.next().await.transpose().map_err(failed)? {
        hasher.update(&bytes);
    }
    Ok(hasher.finalize())
}

/// The beginning of a file, which is another whenever the file was sealed anew.
async fn head(place: &Place, path: &str) -> Result<bytes::Bytes> {
    let range = 0..crate::cipher::HEADER_BYTES;
    let found = place.store.get_range(&Path::from(path), range).await;
    found.map_err(|error| Error::because("a file cannot be read", error).with("path", path))
}

/// Gives a target that has keys already those that new files are sealed with, and lets it keep the others until all files are
/// copied: `key.json` itself comes with its rank, last. Names the orgs whose files may have been sealed anew.
async fn keys(
    from: &Place,
    to: &Place,
    source: &BTreeMap<String, ObjectMeta>,
    there: &BTreeMap<String, ObjectMeta>,
) -> Result<HashSet<String>> {
    let mut exchanged = HashSet::new();
    for path in source.keys().filter(|path| rank(path) == Rank::Key) {
        let org = org(path);
        let Some((file, ..)) = keyring::read(from, org).await? else { continue };
        if file.exchanged() {
            exchanged.insert(org.to_owned());
        }
        let both = match there.get(path) {
            Some(_) => match keyring::read(to, org).await? {
                Some((other, ..)) if other != file => {
                    exchanged.insert(org.to_owned());
                    file.with(other)
                }
                _ => continue,
            },
            None => file,
        };
        to.store
            .put(&Path::from(path.as_str()), both.to_json().into())
            .await
            .map_err(|error| Error::because("a file cannot be written to the target", error).with("path", path))?;
    }
    Ok(exchanged)
}

/// Copies one file unless it is there; how many bytes were written.
async fn one(
    from: &Place,
    to: &Place,
    rank: Rank,
    path: &str,
    meta: &ObjectMeta,
    known: Option<&ObjectMeta>,
    exchanged: bool,
) -> Result<Option<u64>> {
    let there = known.is_some_and(|known| known.size == meta.size);
    let once = matches!(rank, Rank::Content | Rank::Commit)
        && (!exchanged || (there && head(from, path).await? == head(to, path).await?));
    if there && (once || hash(from.store.as_ref(), path).await? == hash(to.store.as_ref(), path).await?) {
        return Ok(None);
    }
    let unreadable = |error| Error::because("a file of the vault cannot be read", error).with("path", path);
    let location = Path::from(path);
    let found = match from.store.get(&location).await {
        Ok(found) => found,
        // Removed since it was listed, by a backup or a check that went on: whatever was finished before does not need it.
        Err(object_store::Error::NotFound { .. }) if rank < Rank::Seal && rank > Rank::Vault => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    let (written, bytes) = write(to, &location, found.into_stream().map_err(unreadable).boxed()).await?;
    if hash(to.store.as_ref(), path).await? != written {
        return Err(Error::new(Kind::Corrupt, "a file is not what was written to the target").with("path", path));
    }
    Ok(Some(bytes))
}

async fn write(
    to: &Place,
    path: &Path,
    bytes: futures::stream::BoxStream<'_, Result<bytes::Bytes>>,
) -> Result<(blake3::Hash, u64)> {
    let failed = |error| Error::because("a file cannot be written to the target", error).with("path", path);
    let (mut hasher, mut parts) = (blake3::Hasher::new(), Parts::of(bytes));
    let first = parts.head(bytes::BytesMut::new(), PART_BYTES).await?;
    hasher.update(&first);
    if first.len() < PART_BYTES {
        to.store.put(path, first.into()).await.map_err(failed)?;
    } else {
        let mut upload = to.store.put_multipart(path).await.map_err(failed)?;
        upload.put_part(first.into()).await.map_err(failed)?;
        while let Some(part) = parts.next().await? {
            hasher.update(&part);
            upload.put_part(part.clone().into()).await.map_err(failed)?;
            parts.give_back(part);
        }
        upload.complete().await.map_err(failed)?;
    }
    flush(to.file(path)).await.map_err(failed)?;
    Ok((hasher.finalize(), hasher.count()))
}

/// Removes at the target what the source has no more: manifests first, so that none is left without what it names.
async fn remove(
    to: &Place,
    there: &BTreeMap<String, ObjectMeta>,
    source: &BTreeMap<String, ObjectMeta>,
    manifests: &HashMap<String, Vec<u64>>,
    copied: &mut Copied,
    progress: &mut (dyn FnMut(&Copied, &str) + Send),
) -> Result<()> {
    let mut gone: Vec<&String> = there.keys().filter(|path| !source.contains_key(*path) && !passing(path)).collect();
    gone.retain(|path| rank(path) != Rank::Vault && (rank(path) != Rank::Manifest || due(path, manifests)));
    gone.sort_by_key(|path| (std::cmp::Reverse(rank(path)), *path));
    let mut manifest_stays = false;
    for path in gone {
        if manifest_stays && rank(path) != Rank::Manifest {
            // It may name this file.
            copied.refused += 1;
            continue;
        }
        match to.store.delete(&Path::from(path.as_str())).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => copied.removed += 1,
            // Locked, perhaps.
            Err(object_store::Error::PermissionDenied { .. }) => {
                manifest_stays |= rank(path) == Rank::Manifest;
                copied.refused += 1;
            }
            Err(error) => {
                return Err(Error::because("a file cannot be removed at the target", error).with("path", path));
            }
        }
        progress(copied, path);
    }
    Ok(())
}
