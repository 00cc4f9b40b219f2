// SPDX-License-Identifier: Apache-2.0
//! A store that takes its time: every operation waits before its effect and again before its reply, and a listing shows what there was when it
//! was asked for. Two processes that back up over it at once, also where one has taken over the other's lock, lose nothing.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use futures::stream::{BoxStream, StreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, Result,
};
use orgkeep_vault::{CaptureKind, Kind, LEASE_MINUTES, OrgVault, Protection, Unlock, Vault};
use serde_json::json;

use crate::world::*;

#[derive(Debug, Clone)]
struct Slow {
    inner: Arc<dyn ObjectStore>,
    /// Operations so far: from their number and the pace follows how long each waits, so that a run can be repeated.
    done: Arc<AtomicU64>,
    pace: u64,
}

impl Slow {
    fn over(inner: &Arc<dyn ObjectStore>, pace: u64) -> Arc<dyn ObjectStore> {
        Arc::new(Slow { inner: inner.clone(), done: Arc::default(), pace })
    }

    /// Of the real clock, since the table library reads on threads of its own.
    fn wait(&self) -> Duration {
        let number = self.done.fetch_add(1, Ordering::SeqCst);
        Duration::from_millis((number * 7919 + self.pace * 104_729) % 4)
    }

    async fn run<T>(&self, operation: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::time::sleep(self.wait()).await;
        let done = operation.await;
        tokio::time::sleep(self.wait()).await;
        done
    }
}

impl fmt::Display for Slow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("slow store")
    }
}

#[async_trait]
impl ObjectStore for Slow {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        self.run(self.inner.put_opts(location, payload, opts)).await
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.run(self.inner.put_multipart_opts(location, opts)).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.run(self.inner.get_opts(location, options)).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let (wait, deleted) = (self.wait(), self.inner.delete_stream(locations));
        futures::stream::once(async move {
            tokio::time::sleep(wait).await;
            deleted
        })
        .flatten()
        .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (wait, inner, prefix) = (self.wait(), self.inner.clone(), prefix.cloned());
        futures::stream::once(async move {
            // As it is now, told later.
            let listed: Vec<_> = inner.list(prefix.as_ref()).collect().await;
            tokio::time::sleep(wait).await;
            futures::stream::iter(listed)
        })
        .flatten()
        .boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.run(self.inner.list_with_delimiter(prefix)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.run(self.inner.copy_opts(from, to, options)).await
    }
}

/// One process: a backup that gives a record of its own to each of two objects. The number of the backup, if it finished one.
async fn process(store: Arc<dyn ObjectStore>, id: &str, at: DateTime<Utc>) -> orgkeep_vault::Result<u64> {
    let org = Vault::open(store, Unlock::None).await?.org(ORG).await?;
    let lock = org.lock(id, at).await?;
    let outcome = async {
        let unfinished = org.begin(&lock).await?;
        for object in ["Account", "Contact"] {
            let mut capture = unfinished.capture(object, &account(), CaptureKind::Changes).await?;
            capture.push(accounts(&[(id, false, "made", "1")])).await?;
            capture.finish(json!({})).await?;
        }
        Ok(unfinished.finish(draft()).await?.sequence)
    }
    .await;
    let _ = lock.release().await;
    outcome
}

async fn held(org: &OrgVault) -> BTreeSet<String> {
    let newest = org.newest().await.unwrap().map_or(0, |manifest| manifest.sequence);
    names(org, newest).await.into_iter().map(|(id, _)| id).collect()
}

#[tokio::test]
async fn two_processes_over_a_slow_store_lose_nothing_and_finish_no_backup_twice() {
    let (mut both, mut refused) = (0, 0);
    for (pace, taken_over) in (0..8).map(|pace| (pace, pace % 2 == 1)) {
        let store = memory();
        let vault = Vault::init(store.clone(), Protection::None).await.unwrap().0;
        process(store.clone(), "001FIRST", now()).await.unwrap();
        // The second comes at the same time, or so late that it takes over the lock of the first, which still works.
        let later = if taken_over { TimeDelta::minutes(LEASE_MINUTES + 1) } else { TimeDelta::zero() };
        let (one, two) = tokio::join!(
            process(Slow::over(&store, pace), "001ONE", now()),
            process(Slow::over(&store, pace + 100), "001TWO", now() + later),
        );
        let mut expected = BTreeSet::from(["001FIRST".to_owned()]);
        let finished: Vec<u64> = [("001ONE", &one), ("001TWO", &two)]
            .into_iter()
            .filter_map(|(id, outcome)| match outcome {
                Ok(sequence) => {
                    expected.insert(id.to_owned());
                    Some(*sequence)
                }
                Err(error) => {
                    assert_eq!(error.kind(), Kind::Busy, "pace {pace}: {error:?}");
                    None
                }
            })
            .collect();
        both += u32::from(finished.len() == 2);
        refused += u32::from(finished.len() == 1);
        assert_eq!(
            finished.iter().collect::<BTreeSet<_>>().len(),
            finished.len(),
            "pace {pace}: one number, one backup"
        );
        let org = vault.at(store.clone()).org(ORG).await.unwrap();
        assert_eq!(org.manifests().await.unwrap().len(), 1 + finished.len());
        assert!(held(&org).await.is_superset(&expected), "pace {pace}: {:?} of {expected:?}", held(&org).await);
        assert_eq!(org.check(true, &mut |_| {}).await.unwrap().damage, [], "pace {pace}");
        // Whoever was refused runs again.
        let again = now() + TimeDelta::hours(2);
        process(store.clone(), "001AGAIN", again).await.unwrap();
        let org = vault.at(store.clone()).org(ORG).await.unwrap();
        assert!(held(&org).await.is_superset(&expected), "pace {pace}");
        assert_eq!(org.check(true, &mut |_| {}).await.unwrap().damage, [], "pace {pace}, afterwards");
    }
    assert!(refused > 0, "{both} rounds with two backups, {refused} with one");
}
