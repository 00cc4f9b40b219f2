// SPDX-License-Identifier: Apache-2.0
//! Damaged files are taken out by the next backup, and what is lost is said.

use std::sync::Arc;

use futures::TryStreamExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use orgkeep_vault::{CaptureKind, CheckOptions, Extent, Protection, Result, Unlock, Vault};

use crate::world::*;

/// What the org has: all of it is given where something was lost, else what changed.
const IN_THE_ORG: [Record<'static>; 3] =
    [("001A", false, "a", "1"), ("001B", false, "b", "2"), ("001C", false, "c", "3")];

/// Three backups of three accounts; the file of the second is broken, and a check has noted it.
async fn broken() -> (Arc<InMemory>, Path, bytes::Bytes) {
    let store = Arc::new(InMemory::new());
    let vault = Vault::init(store.clone() as Arc<dyn ObjectStore>, Protection::None).await.unwrap().0;
    let org = vault.org(ORG).await.unwrap();
    backup(&org, CaptureKind::Everything, vec![accounts(&[("001A", false, "old", "1"), IN_THE_ORG[1]])]).await;
    backup(&org, CaptureKind::Changes, vec![accounts(&[IN_THE_ORG[0], ("001D", true, "gone", "")])]).await;
    backup(&org, CaptureKind::Changes, vec![accounts(&[IN_THE_ORG[2]])]).await;
    let listed: Vec<_> =
        store.list(Some(&Path::from(format!("orgs/{ORG}/objects/Account")))).try_collect().await.unwrap();
    let path = listed.into_iter().map(|meta| meta.location).find(|path| path.as_ref().contains("/0000000002-"));
    let path = path.unwrap();
    let whole = store.get(&path).await.unwrap().bytes().await.unwrap();
    let mut bytes = whole.to_vec();
    bytes[10..60].fill(0x55);
    store.put(&path, bytes.into()).await.unwrap();
    let options = CheckOptions { extent: Extent::Everything, now: Some(now()) };
    assert_eq!(org.check_with(options, &mut |_| {}).await.unwrap().damage.len(), 1);
    assert_eq!(org.damaged().await.unwrap().len(), 1);
    (store, path, whole)
}

/// A backup as the engine takes it.
async fn run(store: Arc<dyn ObjectStore>) -> Result<usize> {
    let org = Vault::open(store, Unlock::None).await?.org(ORG).await?;
    let lock = org.lock("mending", now()).await?;
    let outcome = async {
        if org.newest().await?.is_some_and(|newest| newest.sequence == 4) {
            return Ok(0);
        }
        let unfinished = org.begin(&lock).await?;
        let lost = unfinished.quarantine().await?;
        let kind = if lost.is_empty() { CaptureKind::Changes } else { CaptureKind::Everything };
        let rows = if lost.is_empty() { Vec::new() } else { IN_THE_ORG.to_vec() };
        let mut capture = unfinished.capture("Account", &account(), kind).await?;
        if !rows.is_empty() {
            capture.push(accounts(&rows)).await?;
        }
        capture.finish(serde_json::json!({})).await?;
        unfinished.finish(draft()).await?;
        Ok(lost.len())
    }
    .await;
    let _ = lock.release().await;
    outcome
}

async fn whole_again(store: &Arc<dyn ObjectStore>) {
    let org = Vault::open(store.clone(), Unlock::None).await.unwrap().org(ORG).await.unwrap();
    let expected: Vec<(String, String)> =
        IN_THE_ORG.iter().map(|(id, _, name, _)| ((*id).to_owned(), (*name).to_owned())).collect();
    assert_eq!(names(&org, 4).await, expected);
    let report = org.check(true, &mut |_| {}).await.unwrap();
    assert_eq!(report.damage, []);
    assert_eq!(report.lost.len(), 1);
    let lost = &report.lost[0];
    assert_eq!((lost.object.as_str(), lost.rows, lost.from, lost.mended), ("Account", 2, 2, 4));
    assert_eq!(lost.ids, Some(("001A".to_owned(), "001D".to_owned())));
    // Before the damage all is as it was; after it the version that was lost is the older one.
    assert_eq!(names(&org, 1).await[0].1, "old");
    assert_eq!(names(&org, 2).await[0].1, "old");
}

#[tokio::test]
async fn a_file_that_was_brought_back_is_not_taken_out() {
    let (store, path, whole) = broken().await;
    store.put(&path, whole.into()).await.unwrap();
    let store: Arc<dyn ObjectStore> = store;
    assert_eq!(run(store.clone()).await.unwrap(), 0);
    let org = Vault::open(store, Unlock::None).await.unwrap().org(ORG).await.unwrap();
    assert_eq!(org.damaged().await.unwrap(), []);
    assert_eq!(org.lost().await.unwrap(), []);
    assert_eq!(names(&org, 2).await[0].1, "a");
    assert_eq!(org.check(true, &mut |_| {}).await.unwrap().damage, []);
}

#[tokio::test(start_paused = true)]
async fn damage_is_taken_out_by_the_next_backup_wherever_it_is_interrupted() {
    let (base, ..) = broken().await;
    let quiet = Faulty::new(Arc::new(base.fork()), None);
    assert_eq!(run(Arc::new(quiet.clone())).await.unwrap(), 1);
    let mut failures = 0;
    for number in 1..quiet.operations() {
        for fault in [Fault::Before, Fault::After] {
            let store: Arc<dyn ObjectStore> = Arc::new(base.fork());
            failures += u32::from(run(Arc::new(Faulty::new(store.clone(), Some((number, fault))))).await.is_err());
            let _ = store.delete(&Path::from(format!("orgs/{ORG}/lock"))).await;
            run(store.clone()).await.unwrap_or_else(|error| panic!("again after {fault:?} {number}: {error:?}"));
            whole_again(&store).await;
        }
    }
    assert!(failures > 20, "{failures}");
}

/// Stores the bodies that an org has, those that the vault lacks.
async fn bodies(store: Arc<dyn ObjectStore>) -> Result<bool> {
    let org = Vault::open(store, Unlock::None).await?.org(ORG).await?;
    let lock = org.lock("mending", now()).await?;
    let outcome = async {
        org.newest().await?;
        let unfinished = org.begin(&lock).await?;
        let lost = unfinished.quarantine_bodies().await?;
        let blobs = unfinished.blobs().await?;
        for body in [vec![1; 100], vec![2; 2_000_000], vec![3; 100]] {
            let stored = blobs.put(futures::stream::iter([Ok::<_, std::io::Error>(bytes::Bytes::from(body))])).await;
            stored.map_err(|error| match error {
                orgkeep_vault::BlobError::Vault(error) => error,
                orgkeep_vault::BlobError::Body(error) => panic!("{error}"),
            })?;
        }
        blobs.commit().await?;
        unfinished.finish(draft()).await?;
        Ok(lost)
    }
    .await;
    let _ = lock.release().await;
    outcome
}

/// A vault of three bodies, of which the large one is damaged and the pack of the others too.
async fn broken_bodies() -> Arc<InMemory> {
    let store = Arc::new(InMemory::new());
    Vault::init(store.clone() as Arc<dyn ObjectStore>, Protection::None).await.unwrap();
    assert!(!bodies(store.clone()).await.unwrap());
    let org = Vault::open(store.clone() as Arc<dyn ObjectStore>, Unlock::None).await.unwrap().org(ORG).await.unwrap();
    let listed: Vec<_> = store.list(Some(&Path::from(format!("orgs/{ORG}/blobs")))).try_collect().await.unwrap();
    // First the large one: behind a damaged pack nobody would look for it.
    for large in [true, false] {
        for path in listed.iter().map(|meta| &meta.location) {
            if path.as_ref().contains("_delta_log") || path.as_ref().contains("/large/") != large {
                continue;
            }
            let mut bytes = store.get(path).await.unwrap().bytes().await.unwrap().to_vec();
            bytes[10..60].fill(0x55);
            store.put(path, bytes.into()).await.unwrap();
        }
        let options = CheckOptions { extent: Extent::Everything, now: Some(now()) };
        assert!(!org.check_with(options, &mut |_| {}).await.unwrap().damage.is_empty());
    }
    assert!(!org.damaged().await.unwrap().is_empty());
    store
}

#[tokio::test(start_paused = true)]
async fn damaged_bodies_are_stored_anew_wherever_the_backup_is_interrupted() {
    let base = broken_bodies().await;
    let quiet = Faulty::new(Arc::new(base.fork()), None);
    assert!(bodies(Arc::new(quiet.clone())).await.unwrap());
    let mut failures = 0;
    for number in 1..quiet.operations() {
        for fault in [Fault::Before, Fault::After] {
            let store: Arc<dyn ObjectStore> = Arc::new(base.fork());
            failures += u32::from(bodies(Arc::new(Faulty::new(store.clone(), Some((number, fault))))).await.is_err());
            let _ = store.delete(&Path::from(format!("orgs/{ORG}/lock"))).await;
            bodies(store.clone()).await.unwrap_or_else(|error| panic!("again after {fault:?} {number}: {error:?}"));
            let org = Vault::open(store.clone(), Unlock::None).await.unwrap().org(ORG).await.unwrap();
            assert_eq!(org.check(true, &mut |_| {}).await.unwrap().damage, [], "{fault:?} {number}");
            for body in [vec![1; 100], vec![2; 2_000_000], vec![3; 100]] {
                let hash = blake3::hash(&body).to_hex().to_string();
                let parts: Vec<bytes::Bytes> = org.blob(&hash).await.unwrap().try_collect().await.unwrap();
                assert!(parts.concat() == body, "{fault:?} {number}");
            }
            assert_eq!(org.damaged().await.unwrap(), [], "{fault:?} {number}");
        }
    }
    assert!(failures > 20, "{failures}");
}
