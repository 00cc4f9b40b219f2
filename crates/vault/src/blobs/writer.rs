// SPDX-License-Identifier: Apache-2.0
//! Storing bodies in a backup that is being made, several at once.
//!
//! A body is collected up to the size from which it is an object of its own; that one is stored in parts while it comes. Hashes are
//! computed beside what receives the bodies, a large body's part by part. Small ones fill a pack. A pack that is full is written and
//! committed while the next one fills; when that is full first, whoever brings the next body waits. So what is in memory is a pack
//! that fills, and one that is written, as bodies, encoded and sealed. The same memory serves pack after pack, and body after body:
//! what is allocated on one thread and freed on another piles up in an allocator.
//!
//! Where a pack cannot be written, its bodies are lost, and the writer takes and commits nothing any more: that
//! [`BlobWriter::commit`] returns says that everything is kept that was put, also what somebody else's `put` failed to store. Whoever
//! stops waiting for a pack to be written leaves it as it is.
//!
//! Not promised: that what was put is kept without a commit. Full packs mostly are.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use bytes::{Bytes, BytesMut};
use futures::stream::Stream;
use md5::{Digest as _, Md5};
use object_store::{MultipartUpload, ObjectStoreExt as _};
use serde_json::json;
use tokio_util::task::AbortOnDropHandle;

use super::{BlobError, BlobRef, Half, Index, LARGE_BYTES, PACK_BYTES, encode, half, parse_hash, rows, schema};
use crate::backup::Unfinished;
use crate::datafile::Encoded;
use crate::error::{Error, Kind, Result};
use crate::log::{Commit, Operation, State};
use crate::parts::{Parts, emptied};
use crate::sorter::stopped;

/// Fewer bytes are hashed in less time than it takes to have another thread do it.
const HASHED_APART_BYTES: usize = 16 * 1024;
/// What a row of a pack takes besides its body, about.
const ROW_BYTES: usize = 256;
/// Of a pack, about so much is copied at a time to be encoded.
const COPIED_BYTES: usize = 1024 * 1024;

/// A body with its row in a pack.
pub(super) struct Packed {
    pub reference: BlobRef,
    pub hash: [u8; 32],
    /// The name of its own object; `None` where the body is in the pack.
    pub large: Option<String>,
    /// Its place in the content of the pack, else nowhere.
    pub place: Range<usize>,
}

#[derive(Default)]
struct Pack {
    bodies: Vec<Packed>,
    /// Those that lie in the pack, one after another.
    content: BytesMut,
    /// The memory of a pack that was written, for the content of the next one and for its file.
    spare: [BytesMut; 2],
    /// What was put and is not in the index yet.
    known: HashSet<Half>,
    /// The one before, being written and committed.
    storing: Option<AbortOnDropHandle<Result<Stored>>>,
    /// The table as the last pack left it.
    state: Option<State>,
    /// Why one was not written.
    failed: Option<Kind>,
}

/// A pack that was written and committed.
struct Stored {
    state: State,
    hashes: Vec<[u8; 32]>,
    memory: [BytesMut; 2],
}

/// Stores bodies in a backup that is being made. Clones share it, so several bodies can come at once.
#[derive(Clone)]
pub struct BlobWriter {
    unfinished: Unfinished,
    pack: Arc<tokio::sync::Mutex<Pack>>,
    /// The memory of small bodies that are in a pack by now, for those that come: of as many as came at once.
    spare: Arc<Mutex<Vec<BytesMut>>>,
}

impl BlobWriter {
    pub(super) fn new(unfinished: Unfinished) -> BlobWriter {
        BlobWriter { unfinished, pack: Arc::default(), spare: Arc::default() }
    }

    /// Whether a body is stored already, or waits to be.
    pub async fn has(&self, hash: &str) -> Result<bool> {
        let half = half(&parse_hash(hash)?);
        Ok(self.pack.lock().await.known.contains(&half) || self.unfinished.org().has_blob(hash).await?)
    }

    /// Stores a body, unless one of the same content is stored. Holds a part of it in memory, and two as the store seals them.
    pub async fn put<E>(
        &self,
        body: impl Stream<Item = std::result::Result<Bytes, E>> + Send,
    ) -> std::result::Result<BlobRef, BlobError<E>> {
        let body = std::pin::pin!(body);
        let mut parts = Parts::of(body);
        let spare = self.spare().pop().unwrap_or_default();
        let head = parts.head(spare, LARGE_BYTES).await.map_err(BlobError::Body)?;
        if head.len() < LARGE_BYTES {
            let hasher = Hasher::default().with(head.clone()).await?;
            let reference = self.keep(hasher, None, &head).await?;
            self.spare().push(emptied(head));
            return Ok(reference);
        }
        parts.put_back(head);
        let name = format!("{:010}-{}", self.unfinished.sequence(), crate::keys::random_name()?);
        let path = self.unfinished.org().large_path(&name);
        let failed = |error| Error::because("the body of a file cannot be stored", error).with("path", &path);
        let mut upload = self.unfinished.org().store().put_multipart(&path).await.map_err(failed)?;
        let outcome = async {
            let mut hasher = Hasher::default();
            while let Some(part) = parts.next().await.map_err(BlobError::Body)? {
                let stored = upload.put_part(part.clone().into());
                let (hashed, stored) = futures::join!(hasher.with(part.clone()), stored);
                hasher = hashed?;
                stored.map_err(failed)?;
                parts.give_back(part);
            }
            if !self.has(&hasher.blake3.finalize().to_hex()).await? {
                upload.complete().await.map_err(failed)?;
                return Ok(self.keep(hasher, Some(name), &[]).await?);
            }
            let reference = hasher.reference();
            let _ = upload.abort().await;
            Ok(reference)
        }
        .await;
        if outcome.is_err() {
            let _ = upload.abort().await;
        }
        outcome
    }

    fn spare(&self) -> std::sync::MutexGuard<'_, Vec<BytesMut>> {
        self.spare.lock().expect("no one panics while holding this lock")
    }

    async fn keep(&self, hasher: Hasher, large: Option<String>, body: &[u8]) -> Result<BlobRef> {
        let reference = hasher.reference();
        let hash = *hasher.blake3.finalize().as_bytes();
        let mut pack = self.pack.lock().await;
        pack.sound()?;
        if pack.known.contains(&half(&hash)) || self.unfinished.org().has_blob(&reference.hash).await? {
            return Ok(reference);
        }
        pack.known.insert(half(&hash));
        let place = pack.fill(body);
        pack.bodies.push(Packed { reference: reference.clone(), hash, large, place });
        if pack.bytes() >= PACK_BYTES {
            pack.settle().await?;
            pack.store(&self.unfinished);
        }
        Ok(reference)
    }

    /// Stores what is still in memory and makes everything that was put findable.
    pub async fn commit(&self) -> Result<()> {
        let mut pack = self.pack.lock().await;
        pack.sound()?;
        pack.settle().await?;
        if !pack.bodies.is_empty() {
            pack.store(&self.unfinished);
        }
        pack.settle().await
    }
}

impl Pack {
    /// Takes a body into the content; its place there.
    fn fill(&mut self, body: &[u8]) -> Range<usize> {
        if self.content.is_empty() && !body.is_empty() {
            // Growing would copy what is there, and leave memory behind.
            self.content.reserve(PACK_BYTES + LARGE_BYTES);
        }
        let start = self.content.len();
        self.content.extend_from_slice(body);
        start..self.content.len()
    }

    /// What it takes, about.
    fn bytes(&self) -> usize {
        self.content.len() + self.bodies.len() * ROW_BYTES
    }

    /// Begins to write what is here, while the next pack fills.
    fn store(&mut self, unfinished: &Unfinished) {
        let bodies = std::mem::take(&mut self.bodies);
        let [next, memory] = std::mem::take(&mut self.spare);
        let content = std::mem::replace(&mut self.content, next).freeze();
        let task = tokio::spawn(write(unfinished.clone(), bodies, content, memory, self.state.take()));
        self.storing = Some(AbortOnDropHandle::new(task));
    }

    /// Waits for the pack that is being written. Whoever stops waiting leaves it as it is.
    async fn settle(&mut self) -> Result<()> {
        let Some(storing) = &mut self.storing else { return Ok(()) };
        let outcome = storing.await;
        self.storing = None;
        let stored = outcome.map_err(stopped).flatten().inspect_err(|error| self.failed = Some(error.kind()))?;
        for hash in &stored.hashes {
            self.known.remove(&half(hash));
        }
        self.state = Some(stored.state);
        self.spare = stored.memory;
        Ok(())
    }

    fn sound(&self) -> Result<()> {
        match self.failed {
            Some(kind) => Err(Error::new(kind, "bodies of files that came before could not be stored")),
            None => Ok(()),
        }
    }
}

/// Writes and commits a pack of bodies and enters them into the index. `known` is the table as it is, if that is known.
async fn write(
    unfinished: Unfinished,
    mut bodies: Vec<Packed>,
    content: Bytes,
    memory: BytesMut,
    known: Option<State>,
) -> Result<Stored> {
    let org = unfinished.org();
    let log = org.blob_log();
    let before = match known {
        Some(known) => Some(known),
        None => log.state().await?,
    };
    let (sequence, version) = (unfinished.sequence(), before.as_ref().map_or(0, |state| state.version + 1));
    let length: u64 = bodies.iter().map(|body| body.reference.length).sum();
    bodies.sort_by_key(|body| body.hash);
    let hashes: Vec<[u8; 32]> = bodies.iter().map(|body| body.hash).collect();
    let packed = content.clone();
    let encoded = tokio::task::spawn_blocking(move || encode_bodies(&bodies, &packed, sequence, memory));
    let encoded = encoded.await.map_err(stopped)??;
    let bytes = encoded.bytes.clone();
    let file = log.put_file(encoded, sequence, version, 0).await?;
    let memory = [content, bytes].map(emptied);
    let commit = Commit {
        schema: before.is_none().then(schema),
        files: vec![file],
        removed: Vec::new(),
        operation: Operation::Write,
        outcome: json!({"sequence": sequence, "bodies": hashes.len(), "bytes": length}),
        at: unfinished.at(),
    };
    let state = log.commit(before, commit).await?;
    org.note_due(None, &state);
    let mut held = org.blob_index().lock().await;
    let old = held.take().unwrap_or_default();
    // The rows of the packs before keep their places: files come in order of sequence and version.
    let mut index =
        Arc::try_unwrap(old).unwrap_or_else(|shared| Index { rows: shared.rows.clone(), files: shared.files.clone() });
    if index.files.len() + 1 == state.files.len() {
        let number = u32::try_from(index.files.len()).expect("a table has fewer files than 2^32");
        for (row, hash) in hashes.iter().enumerate() {
            index.rows.insert(half(hash), (number, u32::try_from(row).expect("a pack fits in memory")));
        }
        index.files = state.files.clone();
        *held = Some(Arc::new(index));
    }
    Ok(Stored { state, hashes, memory })
}

/// Encodes a pack, some bodies at a time.
fn encode_bodies(bodies: &[Packed], content: &[u8], sequence: u64, mut memory: BytesMut) -> Result<Encoded> {
    let room = content.len() + bodies.len() * ROW_BYTES;
    let some = (bodies.len() * COPIED_BYTES / room.max(1)).max(1);
    memory.reserve(room);
    encode(bodies.chunks(some).map(|some| rows(some, content, sequence)), memory)
}

#[derive(Default)]
struct Hasher {
    blake3: blake3::Hasher,
    md5: Md5,
    length: u64,
}

impl Hasher {
    /// The same with these bytes after what it has.
    async fn with(mut self, bytes: Bytes) -> Result<Hasher> {
        if bytes.len() < HASHED_APART_BYTES {
            self.update(&bytes);
            return Ok(self);
        }
        let hashed = tokio::task::spawn_blocking(move || {
            self.update(&bytes);
            self
        });
        hashed.await.map_err(stopped)
    }

    fn update(&mut self, bytes: &[u8]) {
        self.blake3.update(bytes);
        self.md5.update(bytes);
        self.length += bytes.len() as u64;
    }

    fn reference(&self) -> BlobRef {
        BlobRef {
            hash: self.blake3.finalize().to_hex().to_string(),
            md5: crate::keys::hex(&self.md5.clone().finalize()),
            length: self.length,
        }
    }
}
