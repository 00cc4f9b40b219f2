// SPDX-License-Identifier: Apache-2.0
//! The store of one org: the objects of the vault's place, decrypted when the vault is encrypted.
//!
//! A wrapper around any [`ObjectStore`]. Sizes in `head` and `list` are plaintext sizes, computed from the stored ones.
//! Reading a range fetches the chunks that hold it and, the first time, the header; headers are remembered, and a
//! object that no longer decrypts with it is looked at afresh before it counts as damaged. Conditional puts stay conditional.
//! Copies are re-encrypted, since the key of an object depends on its path.
//!
//! In a folder, what was put is flushed to the disk, with the folder entry that names it, before the put returns: a power
//! cut after a backup leaves a backup.
//!
//! Commits of a table's log never change once they are written, and the table library reads each of them several times:
//! their content is remembered, up to a few megabytes.
//!
//! Listing after an offset is sorted by name, whatever the store below does: the table log needs that.

use std::collections::HashMap;
use std::fmt;
use std::io::Read as _;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, RwLock};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::stream::{BoxStream, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyMode, CopyOptions, GetOptions, GetRange, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};

use crate::cipher::{self, CHUNK_BYTES, Damaged, FileCipher, HEADER_BYTES, Header, SEALED_BYTES};
use crate::keyring::Keyring;
use crate::location::Place;
use crate::parts::{PART_BYTES, emptied};

/// Objects up to this size are read at once.
const WHOLE_BYTES: u64 = 8 * 1024 * 1024;
/// A part that fills, with the chunk that exceeds it.
const SEALED_PART_BYTES: usize = PART_BYTES + SEALED_BYTES as usize;
/// Ranges nearer to each other than this are fetched at once.
const NEAR_CHUNKS: u64 = 4;
/// The memory of objects from this size on is used again: freed on another thread than it came from, it would pile up.
const REUSED_BYTES: usize = 1024 * 1024;
const REMEMBERED_HEADERS: usize = 4096;
const REMEMBERED_COMMIT_BYTES: usize = 4 * 1024 * 1024;

pub(crate) struct VaultStore {
    place: Place,
    keys: Option<RwLock<Arc<Keyring>>>,
    headers: Mutex<HashMap<Path, Known>>,
    commits: Mutex<Commits>,
    /// The memory of a large object that was put, for the next one.
    spare: Mutex<BytesMut>,
}

#[derive(Default)]
struct Commits {
    held: HashMap<Path, (ObjectMeta, Bytes)>,
    bytes: usize,
}

/// Whether an object is a commit of a table's log.
fn is_commit(path: &Path) -> bool {
    let mut parts: Vec<_> = path.parts().collect();
    let name = parts.pop();
    let number = name.as_ref().and_then(|name| name.as_ref().strip_suffix(".json"));
    number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
        && parts.last().is_some_and(|folder| folder.as_ref() == "_delta_log")
}

#[derive(Clone)]
struct Known {
    header: Header,
    stored_bytes: u64,
}

fn damaged(path: &Path, damage: Damaged) -> object_store::Error {
    object_store::Error::Generic { store: "vault", source: Box::new(Damaged(format!("{path}: {damage}"))) }
}

fn cipher_of(ring: &Keyring, header: Header, path: &Path) -> Result<FileCipher> {
    let number = cipher::key_number(&header);
    let key = ring.keys.get(&number).ok_or_else(|| {
        damaged(path, Damaged(format!("sealed with key {number}, which the org has not (or got just now)")))
    })?;
    FileCipher::new(key, header, path.as_ref()).map_err(|damage| damaged(path, damage))
}

impl VaultStore {
    /// Without a key, objects are stored as they are.
    pub(crate) fn new(place: &Place, keys: Option<Keyring>) -> Self {
        VaultStore {
            place: place.clone(),
            keys: keys.map(|keys| RwLock::new(Arc::new(keys))),
            headers: Mutex::default(),
            commits: Mutex::default(),
            spare: Mutex::default(),
        }
    }

    fn spare(&self) -> std::sync::MutexGuard<'_, BytesMut> {
        self.spare.lock().expect("no one panics while holding this lock")
    }

    fn cipher(&self, header: Header, path: &Path) -> Result<FileCipher> {
        cipher_of(&self.keyring().expect("only encrypted stores ask for a cipher"), header, path)
    }

    fn new_cipher(&self, path: &Path) -> Result<(FileCipher, Header)> {
        let current = self.keyring().map_or(0, |ring| ring.current);
        let header = cipher::new_header(current)
            .map_err(|error| object_store::Error::Generic { store: "vault", source: Box::new(error) })?;
        Ok((self.cipher(header, path)?, header))
    }

    /// The keys of the org; none in an unencrypted vault.
    pub(crate) fn keyring(&self) -> Option<Arc<Keyring>> {
        let keys = self.keys.as_ref()?;
        Some(keys.read().expect("no one panics while holding this lock").clone())
    }

    /// Reads and writes with these keys from now on.
    pub(crate) fn take_keys(&self, ring: Keyring) {
        if let Some(keys) = &self.keys {
            *keys.write().expect("no one panics while holding this lock") = Arc::new(ring);
        }
    }

    /// Seals an object with the current key, in its place, if another one has sealed it; how many bytes it has, if so.
    pub(crate) async fn seal_anew(&self, path: &Path) -> Result<Option<u64>> {
        let current = self.keyring().map_or(0, |ring| ring.current);
        let (known, _) = self.header(path, &GetOptions::default()).await?;
        if cipher::key_number(&known.header) == current {
            return Ok(None);
        }
        let result = self.get_whole(path, GetOptions::default()).await?;
        let plain = result.meta.size;
        let mut stream = result.into_stream();
        if plain <= WHOLE_BYTES {
            let mut bytes = BytesMut::new();
            while let Some(part) = stream.next().await.transpose()? {
                bytes.extend_from_slice(&part);
            }
            self.put_opts(path, bytes.freeze().into(), PutOptions::default()).await?;
        } else {
            let mut upload = self.put_multipart_opts(path, PutMultipartOptions::default()).await?;
            while let Some(part) = stream.next().await.transpose()? {
                upload.put_part(part.into()).await?;
            }
            upload.complete().await?;
        }
        self.forget(path);
        Ok(Some(plain))
    }

    fn forget(&self, path: &Path) {
        self.headers.lock().expect("no one panics while holding this lock").remove(path);
    }

    fn remember(&self, path: &Path, known: Known) {
        let mut headers = self.headers.lock().expect("no one panics while holding this lock");
        if headers.len() >= REMEMBERED_HEADERS {
            headers.clear();
        }
        headers.insert(path.clone(), known);
    }

    fn known(&self, path: &Path) -> Option<Known> {
        self.headers.lock().expect("no one panics while holding this lock").get(path).cloned()
    }

    async fn header(&self, path: &Path, options: &GetOptions) -> Result<(Known, ObjectMeta)> {
        let result = self
            .place
            .store
            .get_opts(path, GetOptions { range: Some(GetRange::Bounded(0..HEADER_BYTES)), ..options.clone() })
            .await?;
        let meta = result.meta.clone();
        let bytes = result.bytes().await?;
        let header: Header =
            bytes.as_ref().try_into().map_err(|_| damaged(path, Damaged("cut off within its header".into())))?;
        let known = Known { header, stored_bytes: meta.size };
        self.remember(path, known.clone());
        Ok((known, meta))
    }

    fn plain_meta(&self, mut meta: ObjectMeta) -> ObjectMeta {
        if self.keys.is_some() {
            // An impossible size is damage; listing goes on, and whoever reads the object is told.
            meta.size = cipher::plain_size(meta.size).unwrap_or(0);
        }
        meta
    }

    async fn get_whole(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        let result = self.place.store.get_opts(path, options).await?;
        let stored = result.meta.size;
        let plain = cipher::plain_size(stored)
            .ok_or_else(|| damaged(path, Damaged(format!("no object has {stored} bytes: cut off"))))?;
        let meta = self.plain_meta(result.meta.clone());
        let attributes = result.attributes.clone();
        let count = cipher::chunks(plain);
        let mut stored_stream = match result.payload {
            // In small pieces, each from another thread and back, as the file would come of itself, it takes several times as long.
            GetResultPayload::File(file, _) if stored <= WHOLE_BYTES => {
                let ring = self.keyring().expect("only encrypted stores come here");
                let bytes = whole_file(file, stored, ring, path.clone()).await?;
                return Ok(GetResult { attributes, ..result_of(bytes, meta, 0..plain) });
            }
            _ => result.into_stream(),
        };
        let mut held = BytesMut::new();
        while held.len() < HEADER_BYTES as usize {
            let bytes = stored_stream.next().await.transpose()?;
            held.extend_from_slice(&bytes.ok_or_else(|| damaged(path, Damaged("cut off within its header".into())))?);
        }
        let header: Header = held.split_to(HEADER_BYTES as usize)[..].try_into().expect("48 bytes were split off");
        let opener = Opener { cipher: self.cipher(header, path)?, path: path.clone(), held, chunk: 0, count };
        let stream = futures::stream::try_unfold((opener, stored_stream), |(mut opener, mut stored)| async move {
            loop {
                if let Some(plain) = opener.take(false)? {
                    return Ok(Some((plain, (opener, stored))));
                }
                if opener.chunk == opener.count {
                    return Ok(None);
                }
                match stored.next().await.transpose()? {
                    Some(bytes) => opener.held.extend_from_slice(&bytes),
                    None => {
                        let plain = opener.take(true)?;
                        return Ok(plain.map(|plain| (plain, (opener, stored))));
                    }
                }
            }
        });
        Ok(GetResult { payload: GetResultPayload::Stream(stream.boxed()), meta, range: 0..plain, attributes })
    }

    async fn read(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        if self.keys.is_none() {
            return self.place.store.get_opts(location, options).await;
        }
        if options.head {
            let mut result = self.place.store.get_opts(location, options).await?;
            result.meta = self.plain_meta(result.meta);
            result.range = 0..result.meta.size;
            return Ok(result);
        }
        let Some(range) = options.range.clone() else { return self.get_whole(location, options).await };
        let (known, meta) = self.header(location, &options).await?;
        let meta = self.plain_meta(meta);
        let range = match range {
            GetRange::Bounded(range) => range.start..range.end.min(meta.size),
            GetRange::Offset(start) => start..meta.size,
            GetRange::Suffix(length) => meta.size.saturating_sub(length)..meta.size,
        };
        if range.start > range.end || (range.start == range.end && meta.size > 0) {
            return Err(damaged(location, Damaged(format!("it ends before byte {}", range.start))));
        }
        let bytes = self.fetch(location, &known, std::slice::from_ref(&range)).await?.remove(0);
        Ok(result_of(bytes, meta, range))
    }

    async fn get_commit(&self, location: &Path) -> Result<GetResult> {
        let held = self.commits().held.get(location).cloned();
        let (meta, bytes) = match held {
            Some(held) => held,
            None => {
                let result = self.read(location, GetOptions::default()).await?;
                let (meta, bytes) = (result.meta.clone(), result.bytes().await?);
                let mut commits = self.commits();
                if commits.bytes + bytes.len() > REMEMBERED_COMMIT_BYTES {
                    *commits = Commits::default();
                }
                if bytes.len() <= REMEMBERED_COMMIT_BYTES {
                    commits.bytes += bytes.len();
                    commits.held.insert(location.clone(), (meta.clone(), bytes.clone()));
                }
                (meta, bytes)
            }
        };
        let range = 0..bytes.len() as u64;
        Ok(result_of(bytes, meta, range))
    }

    fn commits(&self) -> std::sync::MutexGuard<'_, Commits> {
        self.commits.lock().expect("no one panics while holding this lock")
    }

    /// Reads everything from the store again from now on.
    pub(crate) fn forget_all(&self) {
        *self.commits() = Commits::default();
        self.headers.lock().expect("no one panics while holding this lock").clear();
    }

    /// Fetches plaintext ranges; all must lie within `known`'s object.
    async fn fetch(&self, path: &Path, known: &Known, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let plain = cipher::plain_size(known.stored_bytes).unwrap_or(0);
        let count = cipher::chunks(plain);
        let cipher = self.cipher(known.header, path)?;
        // Which chunks are needed, in order, those near each other together.
        let mut spans: Vec<Range<u64>> = Vec::new();
        let mut wanted: Vec<Range<u64>> = ranges
            .iter()
            .filter(|range| range.start < range.end)
            .map(|range| range.start / CHUNK_BYTES..(range.end - 1) / CHUNK_BYTES + 1)
            .collect();
        wanted.sort_by_key(|span| span.start);
        for span in wanted {
            match spans.last_mut() {
                Some(last) if span.start <= last.end + NEAR_CHUNKS => last.end = last.end.max(span.end),
                _ => spans.push(span),
            }
        }
        let stored: Vec<Range<u64>> = spans
            .iter()
            .map(|span| {
                HEADER_BYTES + span.start * SEALED_BYTES
                    ..(HEADER_BYTES + span.end * SEALED_BYTES).min(known.stored_bytes)
            })
            .collect();
        let fetched = if stored.is_empty() { Vec::new() } else { self.place.store.get_ranges(path, &stored).await? };
        let mut opened = Vec::with_capacity(fetched.len());
        for (span, bytes) in spans.iter().zip(fetched) {
            let plain = cipher.open_all(span.start, count, &bytes).map_err(|damage| damaged(path, damage))?;
            opened.push(Bytes::from(plain));
        }
        ranges
            .iter()
            .map(|range| {
                if range.start >= range.end {
                    return Ok(Bytes::new());
                }
                let position = spans
                    .iter()
                    .position(|span| span.contains(&(range.start / CHUNK_BYTES)))
                    .expect("every range lies in one of the spans made from them");
                let base = spans[position].start * CHUNK_BYTES;
                let (start, end) = ((range.start - base) as usize, (range.end - base) as usize);
                if end > opened[position].len() {
                    return Err(damaged(path, Damaged("cut off".into())));
                }
                Ok(opened[position].slice(start..end))
            })
            .collect()
    }
}

fn result_of(bytes: Bytes, meta: ObjectMeta, range: Range<u64>) -> GetResult {
    let payload = GetResultPayload::Stream(futures::stream::once(async move { Ok(bytes) }).boxed());
    GetResult { payload, meta, range, attributes: Default::default() }
}

/// Opens the chunks of a whole object as they arrive.
struct Opener {
    cipher: FileCipher,
    path: Path,
    held: BytesMut,
    chunk: u64,
    count: u64,
}

impl Opener {
    fn take(&mut self, at_end: bool) -> Result<Option<Bytes>> {
        let last = self.chunk + 1 == self.count;
        if self.chunk == self.count || (self.held.len() < SEALED_BYTES as usize && !at_end) {
            return Ok(None);
        }
        let length = self.held.len().min(SEALED_BYTES as usize);
        let mut sealed = self.held.split_to(length);
        let plain = self.cipher.open(self.chunk, last, &mut sealed).map_err(|damage| damaged(&self.path, damage))?;
        sealed.truncate(plain);
        self.chunk += 1;
        Ok(Some(sealed.freeze()))
    }
}

impl fmt::Display for VaultStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "vault on {}", self.place.store)
    }
}

impl fmt::Debug for VaultStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[async_trait]
impl ObjectStore for VaultStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let done = if self.keys.is_some() {
            self.forget(location);
            let (cipher, _) = self.new_cipher(location)?;
            let plain: Bytes = payload.into();
            let large = plain.len() >= REUSED_BYTES;
            let memory = if large { std::mem::take(&mut *self.spare()) } else { BytesMut::new() };
            let sealed = cipher.seal_all(&plain, memory);
            let done = self.place.store.put_opts(location, sealed.clone().into(), opts).await;
            if large {
                *self.spare() = emptied(sealed);
            }
            done?
        } else {
            self.place.store.put_opts(location, payload, opts).await?
        };
        flush(self.place.file(location)).await?;
        Ok(done)
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        let inner = self.place.store.put_multipart_opts(location, opts).await?;
        let inner = Box::new(FlushedUpload { inner, file: self.place.file(location) });
        if self.keys.is_none() {
            return Ok(inner);
        }
        self.forget(location);
        let (cipher, header) = self.new_cipher(location)?;
        let mut sealed = BytesMut::with_capacity(SEALED_PART_BYTES);
        sealed.extend_from_slice(&header);
        Ok(Box::new(SealedUpload { inner, cipher, plain: Vec::new(), sealed, sent: Bytes::new(), chunk: 0 }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let plain = options.range.is_none()
            && !options.head
            && options.if_match.is_none()
            && options.if_none_match.is_none()
            && options.version.is_none();
        if plain && is_commit(location) { self.get_commit(location).await } else { self.read(location, options).await }
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        if self.keys.is_none() {
            return self.place.store.get_ranges(location, ranges).await;
        }
        if let Some(known) = self.known(location) {
            let plain = cipher::plain_size(known.stored_bytes).unwrap_or(0);
            if ranges.iter().all(|range| range.end <= plain)
                && let Ok(bytes) = self.fetch(location, &known, ranges).await
            {
                return Ok(bytes);
            }
            // Perhaps the object was replaced since its header was read: look again before calling it damaged.
            self.forget(location);
        }
        let (known, _) = self.header(location, &GetOptions::default()).await?;
        let plain = cipher::plain_size(known.stored_bytes).unwrap_or(0);
        if let Some(range) = ranges.iter().find(|range| range.end > plain) {
            return Err(damaged(location, Damaged(format!("it ends before byte {}", range.end))));
        }
        self.fetch(location, &known, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.forget_all();
        self.place.store.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let encrypted = self.keys.is_some();
        self.place
            .store
            .list(prefix)
            .map_ok(move |mut meta| {
                if encrypted {
                    meta.size = cipher::plain_size(meta.size).unwrap_or(0);
                }
                meta
            })
            .boxed()
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        let offset = offset.clone();
        let listing = self.list(prefix);
        futures::stream::once(async move {
            let mut found: Vec<ObjectMeta> =
                listing.try_filter(|meta| std::future::ready(meta.location > offset)).try_collect().await?;
            found.sort_by(|a, b| a.location.cmp(&b.location));
            Ok::<_, object_store::Error>(futures::stream::iter(found.into_iter().map(Ok)))
        })
        .try_flatten()
        .boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let mut result = self.place.store.list_with_delimiter(prefix).await?;
        for meta in &mut result.objects {
            *meta = self.plain_meta(meta.clone());
        }
        Ok(result)
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        if self.keys.is_none() {
            return self.place.store.copy_opts(from, to, options).await;
        }
        let bytes = self.read(from, GetOptions::default()).await?.bytes().await?;
        let mode = match options.mode {
            CopyMode::Overwrite => PutMode::Overwrite,
            CopyMode::Create => PutMode::Create,
        };
        self.put_opts(to, bytes.into(), mode.into()).await.map(|_| ())
    }
}

/// A small file, read and opened at once, on a thread of its own.
async fn whole_file(mut file: std::fs::File, size: u64, ring: Arc<Keyring>, path: Path) -> Result<Bytes> {
    let opened = tokio::task::spawn_blocking(move || {
        let mut stored = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        file.read_to_end(&mut stored).map_err(unreadable)?;
        let cut = || damaged(&path, Damaged("cut off".into()));
        let (header, sealed) = stored.split_first_chunk().ok_or_else(cut)?;
        let count = cipher::chunks(cipher::plain_size(stored.len() as u64).ok_or_else(cut)?);
        let plain = cipher_of(&ring, *header, &path)?.open_all(0, count, sealed);
        plain.map(Bytes::from).map_err(|damage| damaged(&path, damage))
    });
    opened.await.map_err(unreadable).flatten()
}

fn unreadable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> object_store::Error {
    object_store::Error::Generic { store: "vault", source: error.into() }
}

/// Waits until a file and its entry in the folder are on the disk.
pub(crate) async fn flush(file: Option<PathBuf>) -> Result<()> {
    let Some(file) = file else { return Ok(()) };
    let flushed = tokio::task::spawn_blocking(move || {
        std::fs::File::open(&file)?.sync_all()?;
        match file.parent() {
            // Only some systems can open a folder to flush it; where not, the file's own flush must do.
            Some(folder) if cfg!(unix) => std::fs::File::open(folder)?.sync_all(),
            _ => Ok(()),
        }
    });
    let flushed = flushed.await.map_err(std::io::Error::other).flatten();
    flushed.map_err(|error| object_store::Error::Generic { store: "vault", source: Box::new(error) })
}

/// An upload that is on the disk when it is complete.
#[derive(Debug)]
struct FlushedUpload {
    inner: Box<dyn MultipartUpload>,
    file: Option<PathBuf>,
}

#[async_trait]
impl MultipartUpload for FlushedUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.inner.put_part(data)
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let done = self.inner.complete().await?;
        flush(self.file.clone()).await?;
        Ok(done)
    }

    async fn abort(&mut self) -> Result<()> {
        self.inner.abort().await
    }
}

/// Seals an upload as its parts come. The last chunk is known only at the end, so one chunk is always held back.
struct SealedUpload {
    inner: Box<dyn MultipartUpload>,
    cipher: FileCipher,
    /// The chunk that fills.
    plain: Vec<u8>,
    /// The part that fills.
    sealed: BytesMut,
    /// The part before, whose memory the next one uses.
    sent: Bytes,
    chunk: u64,
}

impl SealedUpload {
    fn seal(&mut self, last: bool) {
        self.cipher.seal(self.chunk, last, &self.plain, &mut self.sealed);
        self.plain.clear();
        self.chunk += 1;
    }

    /// A part, if one is full: all have the same size, which some services insist on.
    fn part(&mut self) -> Option<Bytes> {
        let over = self.sealed.get(PART_BYTES..)?;
        let mut next = emptied(std::mem::take(&mut self.sent));
        next.reserve(SEALED_PART_BYTES);
        next.extend_from_slice(over);
        self.sealed.truncate(PART_BYTES);
        self.sent = std::mem::replace(&mut self.sealed, next).freeze();
        Some(self.sent.clone())
    }
}

impl fmt::Debug for SealedUpload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedUpload({:?})", self.inner)
    }
}

#[async_trait]
impl MultipartUpload for SealedUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let mut parts = Vec::new();
        for mut bytes in data.iter().map(Bytes::as_ref) {
            while !bytes.is_empty() {
                if self.plain.len() == CHUNK_BYTES as usize {
                    self.seal(false);
                    parts.extend(self.part().map(|part| self.inner.put_part(part.into())));
                }
                let taken = bytes.len().min(CHUNK_BYTES as usize - self.plain.len());
                self.plain.extend_from_slice(&bytes[..taken]);
                bytes = &bytes[taken..];
            }
        }
        Box::pin(async move {
            for part in parts {
                part.await?;
            }
            Ok(())
        })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        self.seal(true);
        let last = std::mem::take(&mut self.sealed).freeze();
        self.inner.put_part(last.into()).await?;
        self.inner.complete().await
    }

    async fn abort(&mut self) -> Result<()> {
        self.inner.abort().await
    }
}

#[cfg(test)]
mod tests;
