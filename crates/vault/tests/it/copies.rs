// SPDX-License-Identifier: Apache-2.0
//! Copies of a vault: whole at every moment, continued after any failure, and never of something else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::TryStreamExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use orgkeep_vault::{CaptureKind, Copied, ErasureDraft, Kind, Place, Protection, Result, Secret, Unlock, Vault, copy};

use crate::world::*;

fn place(store: &Arc<dyn ObjectStore>) -> Place {
    Place::from(store.clone())
}

async fn run(from: &Arc<dyn ObjectStore>, to: &Arc<dyn ObjectStore>, mirror: bool) -> Result<Copied> {
    copy(&place(from), &place(to), mirror, &mut |_, _| {}).await
}

async fn grow(vault: &Vault, round: u8) {
    let org = vault.org(ORG).await.unwrap();
    let lock = lock(&org).await;
    let unfinished = org.begin(&lock).await.unwrap();
    let name = format!("round {round}");
    capture(&unfinished, "Account", CaptureKind::Changes, vec![accounts(&[("001A", false, &name, "1")])]).await;
    let blobs = unfinished.blobs().await.unwrap();
    let body = bytes::Bytes::from(vec![round; 9_000_000 * usize::from(round == 1) + 10]);
    blobs.put(futures::stream::iter([Ok::<_, std::io::Error>(body)])).await.unwrap();
    blobs.commit().await.unwrap();
    unfinished.put_document("describe", name.as_bytes()).await.unwrap();
    unfinished.finish(draft()).await.unwrap();
    lock.release().await.unwrap();
}

/// What the place holds: every file but marks and locks.
async fn stored(store: &Arc<dyn ObjectStore>) -> Vec<(Path, blake3::Hash)> {
    let mut paths: Vec<Path> = store.list(None).map_ok(|meta| meta.location).try_collect().await.unwrap();
    paths.sort();
    let mut found = Vec::new();
    for path in paths {
        let bytes = store.get(&path).await.unwrap().bytes().await.unwrap();
        found.push((path, blake3::hash(&bytes)));
    }
    found
}

#[tokio::test]
async fn a_copy_is_the_same_vault_and_is_brought_up_to_date() {
    let (from, to) = (memory(), memory());
    let protection = Protection::Passphrase(Secret::new("p"));
    let vault = Vault::init(from.clone(), protection).await.unwrap().0;
    grow(&vault, 1).await;
    let first = run(&from, &to, false).await.unwrap();
    assert_eq!((first.backups, first.present), (1, 0));
    assert_eq!(stored(&from).await, stored(&to).await);
    grow(&vault, 2).await;
    let second = run(&from, &to, false).await.unwrap();
    assert_eq!(second.backups, 2);
    assert!(second.bytes < 100_000 && second.present > 5, "only what is new: {second:?}");
    let opened = Vault::open(to.clone(), Unlock::Passphrase(Secret::new("p"))).await.unwrap();
    let org = opened.org(ORG).await.unwrap();
    assert_eq!(names(&org, 2).await[0].1, "round 2");
    assert_eq!(org.check(true, &mut |_| {}).await.unwrap().damage, []);
    // What was removed at the source is removed by a mirror only.
    let extra = Path::from(format!("orgs/{ORG}/documents/{}.json.zst", "0".repeat(64)));
    to.put(&extra, "left over".into()).await.unwrap();
    assert_eq!(run(&from, &to, false).await.unwrap().removed, 0);
    assert_eq!(run(&from, &to, true).await.unwrap().removed, 1);
    assert_eq!(stored(&from).await, stored(&to).await);
}

#[tokio::test]
async fn an_erasure_is_complete_at_a_copy_when_its_files_are_gone_there_too() {
    let (from, to) = (memory(), memory());
    let vault = plain_vault(from.clone()).await;
    let org = vault.org(ORG).await.unwrap();
    backup(&org, CaptureKind::Changes, vec![accounts(&[("001A", false, "secret", ""), ("001B", false, "b", "")])])
        .await;
    run(&from, &to, false).await.unwrap();
    let held = lock(&org).await;
    let records = BTreeMap::from([("Account".to_owned(), BTreeSet::from(["001A".to_owned()]))]);
    let draft = ErasureDraft { object: "Account".into(), ids: vec!["001A".into()], records, ..ErasureDraft::default() };
    org.erase(&held, draft).await.unwrap();
    held.release().await.unwrap();
    let incomplete = async || {
        let org = Vault::open(to.clone(), Unlock::None).await.unwrap().org(ORG).await.unwrap();
        org.check(true, &mut |_| {}).await.unwrap().incomplete_erasures
    };
    // The file with the record is still at the target, though no table names it.
    run(&from, &to, false).await.unwrap();
    assert_eq!(incomplete().await, [1]);
    run(&from, &to, true).await.unwrap();
    assert_eq!(incomplete().await, [0; 0]);
    assert_eq!(stored(&from).await, stored(&to).await);
    // What was complete there stays so.
    assert_eq!(run(&from, &to, false).await.unwrap().files, 0);
}

#[tokio::test]
async fn a_target_that_is_something_else_or_went_on_by_itself_is_left_alone() {
    let from = Arc::new(InMemory::new());
    let vault = Vault::init(from.clone() as Arc<dyn ObjectStore>, Protection::None).await.unwrap().0;
    grow(&vault, 1).await;
    let ahead: Arc<dyn ObjectStore> = Arc::new(from.fork());
    grow(&Vault::open(ahead.clone(), Unlock::None).await.unwrap(), 2).await;
    let from: Arc<dyn ObjectStore> = from;
    let (other, holiday) = (memory(), memory());
    Vault::init(other.clone(), Protection::None).await.unwrap();
    holiday.put(&Path::from("photo.jpg"), "x".into()).await.unwrap();
    for target in [&ahead, &other, &holiday] {
        let before = stored(target).await;
        for mirror in [false, true] {
            assert_eq!(run(&from, target, mirror).await.unwrap_err().kind(), Kind::Invalid);
        }
        assert_eq!(stored(target).await, before);
    }
    // Both went on: neither is a copy of the other any more.
    grow(&vault, 3).await;
    assert_eq!(run(&from, &ahead, true).await.unwrap_err().kind(), Kind::Invalid);
    assert_eq!(run(&ahead, &from, true).await.unwrap_err().kind(), Kind::Invalid);
}

#[tokio::test]
async fn a_backup_under_way_does_no_harm_to_a_copy() {
    let (from, to) = (memory(), memory());
    let vault = Vault::init(from.clone(), Protection::None).await.unwrap().0;
    grow(&vault, 1).await;
    let org = vault.org(ORG).await.unwrap();
    let lock = lock(&org).await;
    let unfinished = org.begin(&lock).await.unwrap();
    capture(&unfinished, "Account", CaptureKind::Changes, vec![accounts(&[("001A", false, "half", "1")])]).await;
    assert_eq!(run(&from, &to, false).await.unwrap().backups, 1);
    let copied = Vault::open(to.clone(), Unlock::None).await.unwrap().org(ORG).await.unwrap();
    assert_eq!(names(&copied, 1).await[0].1, "round 1");
    assert_eq!(copied.check(true, &mut |_| {}).await.unwrap().damage, []);
    unfinished.finish(draft()).await.unwrap();
    lock.release().await.unwrap();
    assert_eq!(run(&from, &to, false).await.unwrap().backups, 2);
    assert_eq!(names(&copied, 2).await[0].1, "half");
}

#[tokio::test]
async fn any_operation_of_a_copy_may_fail() {
    let from = memory();
    let vault = Vault::init(from.clone(), Protection::None).await.unwrap().0;
    grow(&vault, 2).await;
    let base = Arc::new(InMemory::new());
    run(&from, &(base.clone() as Arc<dyn ObjectStore>), false).await.unwrap();
    grow(&vault, 3).await;
    let quiet = Faulty::new(Arc::new(base.fork()), None);
    run(&from, &(Arc::new(quiet.clone()) as Arc<dyn ObjectStore>), true).await.unwrap();
    let expected = stored(&from).await;
    let (mut failures, mut older) = (0, 0);
    for number in 0..quiet.operations() {
        for fault in [Fault::Before, Fault::After] {
            let store: Arc<dyn ObjectStore> = Arc::new(base.fork());
            let faulty: Arc<dyn ObjectStore> = Arc::new(Faulty::new(store.clone(), Some((number, fault))));
            failures += u32::from(run(&from, &faulty, true).await.is_err());
            // Whatever happened, it is a vault, of the backups that are in it.
            let org = Vault::open(store.clone(), Unlock::None).await.unwrap().org(ORG).await.unwrap();
            let manifests = org.manifests().await.unwrap();
            older += u32::from(manifests.len() == 1);
            assert_eq!(org.check(true, &mut |_| {}).await.unwrap().damage, [], "{fault:?} {number}");
            run(&from, &store, true).await.unwrap();
            assert_eq!(stored(&store).await, expected, "again after {fault:?} {number}");
        }
    }
    assert!(failures > 20 && older > 10, "{failures} failures, {older} with the older backup only");
}
