// SPDX-License-Identifier: Apache-2.0
//! A store in memory of which one write fails, before or after its effect.

use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreFault {
    None,
    /// The write of this number has no effect.
    Before(usize),
    /// It has its effect, and says that it failed.
    After(usize),
}

#[derive(Debug)]
pub struct FaultyStore {
    inner: InMemory,
    writes: AtomicUsize,
    fault: Mutex<StoreFault>,
}

impl FaultyStore {
    pub fn new(inner: InMemory, fault: StoreFault) -> FaultyStore {
        FaultyStore { inner, writes: AtomicUsize::new(0), fault: Mutex::new(fault) }
    }

    pub fn writes(&self) -> usize {
        self.writes.load(Ordering::Relaxed)
    }

    pub fn heal(&self) {
        *self.fault.lock().unwrap() = StoreFault::None;
    }
}

impl std::fmt::Display for FaultyStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a store that fails as told")
    }
}

fn failure() -> Error {
    Error::Generic { store: "story", source: "the story failed this write".into() }
}

#[async_trait::async_trait]
impl ObjectStore for FaultyStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let number = self.writes.fetch_add(1, Ordering::Relaxed);
        let fault = *self.fault.lock().unwrap();
        if fault == StoreFault::Before(number) {
            return Err(failure());
        }
        let done = self.inner.put_opts(location, payload, options).await;
        if fault == StoreFault::After(number) { Err(failure()) } else { done }
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let number = self.writes.fetch_add(1, Ordering::Relaxed);
        if matches!(*self.fault.lock().unwrap(), StoreFault::Before(at) | StoreFault::After(at) if at == number) {
            return Err(failure());
        }
        self.inner.put_multipart_opts(location, options).await
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
