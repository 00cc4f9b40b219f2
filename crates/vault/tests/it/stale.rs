// SPDX-License-Identifier: Apache-2.0
//! A store that lists what there was some time ago.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, Result,
};
use orgkeep_vault::{CaptureKind, Kind, Unlock, Vault};

use crate::world::*;

/// Lists nothing whose path contains this.
#[derive(Debug)]
struct Behind {
    inner: Arc<dyn ObjectStore>,
    hidden: &'static str,
}

impl fmt::Display for Behind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a store that is behind")
    }
}

#[async_trait]
impl ObjectStore for Behind {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        self.inner.put_opts(location, payload, opts).await
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let hidden = self.hidden;
        let listed = self.inner.list(prefix);
        listed.try_filter(move |meta| std::future::ready(!meta.location.as_ref().contains(hidden))).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

#[tokio::test]
async fn an_old_listing_lets_nobody_write_into_a_finished_backup() {
    for hidden in ["0000000002.json.zst", "0000000002", "_delta_log/00000000000000000001"] {
        let store = memory();
        let vault = plain_vault(store.clone()).await;
        let org = vault.org(ORG).await.unwrap();
        for name in ["one", "two"] {
            backup(&org, CaptureKind::Changes, vec![accounts(&[("001A", false, name, "")])]).await;
        }
        let behind: Arc<dyn ObjectStore> = Arc::new(Behind { inner: store.clone(), hidden });
        let late = Vault::open(behind, Unlock::None).await.unwrap().org(ORG).await.unwrap();
        // Twice: the second finds the first interrupted, and must not sweep what it cannot see the names of.
        let mut outcome = Ok(());
        for _ in 0..2 {
            let lock = late.lock("late", now()).await.unwrap();
            let work = async {
                let unfinished = late.begin(&lock).await?;
                let mut capture = unfinished.capture("Account", &account(), CaptureKind::Changes).await?;
                capture.push(accounts(&[("001A", false, "three", "")])).await?;
                capture.finish(serde_json::Value::Null).await?;
                unfinished.finish(draft()).await.map(drop)
            };
            outcome = work.await;
            let _ = lock.release().await;
        }
        let fresh = Vault::open(store, Unlock::None).await.unwrap().org(ORG).await.unwrap();
        assert_eq!(names(&fresh, 2).await[0].1, "two", "{hidden}: {outcome:?}");
        assert_eq!(names(&fresh, 1).await[0].1, "one");
        if fresh.manifests().await.unwrap().len() == 2 {
            assert_eq!(outcome.unwrap_err().kind(), Kind::Busy, "{hidden}");
        }
        // With a store that has caught up, the next backup goes on.
        backup(&fresh, CaptureKind::Changes, vec![accounts(&[("001A", false, "next", "")])]).await;
        let newest = fresh.newest().await.unwrap().unwrap().sequence;
        assert_eq!(names(&fresh, newest).await[0].1, "next");
        assert_eq!(fresh.check(true, &mut |_| {}).await.unwrap().damage, []);
    }
}
