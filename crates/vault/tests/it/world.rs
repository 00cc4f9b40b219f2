// SPDX-License-Identifier: Apache-2.0
//! What the tests share: a small object, rows of it, and a store that fails when it is told to.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, TimeZone, Utc};
use futures::TryStreamExt;
use futures::stream::{BoxStream, StreamExt};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, Result,
};
use orgkeep_vault::{
    Batch, BatchStream, Builder, CaptureKind, Captured, Column, ColumnType, Lock, Manifest, ManifestDraft, OrgVault,
    Protection, Scan, Schema, Unfinished, Vault,
};
use serde_json::json;

pub const ORG: &str = "00D000000000001EAA";

pub fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 3, 1, 12, 0, 0).unwrap()
}

pub fn memory() -> Arc<dyn ObjectStore> {
    Arc::new(InMemory::new())
}

pub fn account() -> Schema {
    Schema::new(vec![
        Column::new("Id", ColumnType::Text),
        Column::new("Name", ColumnType::Text),
        Column::new("AnnualRevenue", ColumnType::Decimal { precision: 18, scale: 2 }),
        Column::new("SystemModstamp", ColumnType::Timestamp),
    ])
    .unwrap()
}

/// A row of `account()`: Id, whether deleted, name, revenue.
pub type Record<'a> = (&'a str, bool, &'a str, &'a str);

pub fn accounts(rows: &[Record<'_>]) -> Batch {
    let mut builder = Builder::new(&account());
    for (id, deleted, name, revenue) in rows {
        builder.push(*deleted, [Some(*id), Some(name), Some(revenue), Some("2026-02-03T04:05:06.000Z")].into_iter());
    }
    builder.finish()
}

pub async fn plain_vault(store: Arc<dyn ObjectStore>) -> Vault {
    Vault::init(store, Protection::None).await.unwrap().0
}

pub async fn plain_org() -> OrgVault {
    plain_vault(memory()).await.org(ORG).await.unwrap()
}

pub async fn lock(org: &OrgVault) -> Lock {
    org.lock("test", now()).await.unwrap()
}

pub async fn capture(unfinished: &Unfinished, object: &str, kind: CaptureKind, batches: Vec<Batch>) -> Captured {
    let schema = batches.first().map_or_else(account, |batch| batch.schema().clone());
    let mut capture = unfinished.capture(object, &schema, kind).await.unwrap();
    for batch in batches {
        capture.push(batch).await.unwrap();
    }
    capture.finish(json!({"by": "test"})).await.unwrap()
}

pub fn draft() -> ManifestDraft {
    ManifestDraft { started_at: now(), finished_at: now(), content: json!({"green": true}) }
}

/// A whole backup of one object.
pub async fn backup(org: &OrgVault, kind: CaptureKind, batches: Vec<Batch>) -> (Manifest, Captured) {
    let lock = lock(org).await;
    let unfinished = org.begin(&lock).await.unwrap();
    let captured = capture(&unfinished, "Account", kind, batches).await;
    let manifest = unfinished.finish(draft()).await.unwrap();
    lock.release().await.unwrap();
    (manifest, captured)
}

pub async fn collect(rows: BatchStream) -> Vec<Batch> {
    rows.try_collect().await.unwrap()
}

/// The rows of a stream as text by Id: deleted, then every column but Id.
pub fn table(batches: &[Batch]) -> BTreeMap<String, (bool, Vec<Option<String>>)> {
    let mut table = BTreeMap::new();
    let mut before = String::new();
    for batch in batches {
        for row in 0..batch.len() {
            let id = batch.id(row).to_owned();
            assert!(before < id, "rows come in order of Id, each once: {before} then {id}");
            before = id.clone();
            let cells = (1..batch.names().len()).map(|column| batch.text(row, column).map(|text| text.into_owned()));
            table.insert(id, (batch.deleted(row), cells.collect()));
        }
    }
    table
}

/// The names of the live accounts as of a backup.
pub async fn names(org: &OrgVault, at: u64) -> Vec<(String, String)> {
    let batches = collect(org.scan("Account", at, Scan::default()).await.unwrap()).await;
    table(&batches).into_iter().map(|(id, (_, cells))| (id, cells[0].clone().unwrap_or_default())).collect()
}

/// When the store that was told to fail does so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Before,
    /// The operation takes place, its reply is lost.
    After,
}

/// A store that counts its operations and fails one of them.
#[derive(Debug, Clone)]
pub struct Faulty {
    inner: Arc<dyn ObjectStore>,
    done: Arc<AtomicUsize>,
    fail: Option<(usize, Fault)>,
}

impl Faulty {
    pub fn new(inner: Arc<dyn ObjectStore>, fail: Option<(usize, Fault)>) -> Faulty {
        Faulty { inner, done: Arc::default(), fail }
    }

    pub fn operations(&self) -> usize {
        self.done.load(Ordering::SeqCst)
    }

    fn turn(&self) -> Option<Fault> {
        let turn = self.done.fetch_add(1, Ordering::SeqCst);
        self.fail.filter(|(number, _)| *number == turn).map(|(_, fault)| fault)
    }

    async fn run<T>(&self, operation: impl Future<Output = Result<T>>) -> Result<T> {
        let fault = self.turn();
        if fault == Some(Fault::Before) {
            return Err(broken());
        }
        let done = operation.await;
        if fault == Some(Fault::After) { Err(broken()) } else { done }
    }
}

fn broken() -> object_store::Error {
    object_store::Error::Generic { store: "test", source: "the line is cut".into() }
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("faulty store")
    }
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        self.run(self.inner.put_opts(location, payload, opts)).await
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        let upload = self.run(self.inner.put_multipart_opts(location, opts)).await?;
        Ok(Box::new(FaultyUpload { upload, store: self.clone() }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.run(self.inner.get_opts(location, options)).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.run(self.inner.get_ranges(location, ranges)).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        match self.turn() {
            None => self.inner.delete_stream(locations),
            Some(Fault::Before) => futures::stream::once(async { Err(broken()) }).boxed(),
            Some(Fault::After) => {
                self.inner.delete_stream(locations).filter_map(|_| async { Some(Err(broken())) }).boxed()
            }
        }
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.turn() {
            None => self.inner.list(prefix),
            Some(_) => futures::stream::once(async { Err(broken()) }).boxed(),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.run(self.inner.list_with_delimiter(prefix)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.run(self.inner.copy_opts(from, to, options)).await
    }
}

#[derive(Debug)]
struct FaultyUpload {
    upload: Box<dyn MultipartUpload>,
    store: Faulty,
}

#[async_trait]
impl MultipartUpload for FaultyUpload {
    fn put_part(&mut self, data: PutPayload) -> object_store::UploadPart {
        let (store, part) = (self.store.clone(), self.upload.put_part(data));
        Box::pin(async move { store.run(part).await })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let store = self.store.clone();
        store.run(self.upload.complete()).await
    }

    async fn abort(&mut self) -> Result<()> {
        self.upload.abort().await
    }
}

/// A store that counts the bytes of data files that are put into it.
#[derive(Debug, Clone)]
pub struct Counted {
    inner: Arc<dyn ObjectStore>,
    bytes: Arc<AtomicUsize>,
}

impl Counted {
    pub fn new(inner: Arc<dyn ObjectStore>) -> Counted {
        Counted { inner, bytes: Arc::default() }
    }

    /// Bytes put so far into files of tables.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::SeqCst) as u64
    }
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("counted store")
    }
}

#[async_trait]
impl ObjectStore for Counted {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        if location.as_ref().contains("/objects/") && !location.as_ref().contains("_delta_log") {
            self.bytes.fetch_add(payload.content_length(), Ordering::SeqCst);
        }
        self.inner.put_opts(location, payload, opts).await
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
