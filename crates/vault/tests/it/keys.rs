// SPDX-License-Identifier: Apache-2.0
//! Ways into a vault, and the exchange of its keys, also when any operation fails.

use std::sync::Arc;

use chrono::TimeDelta;
use futures::TryStreamExt;
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt as _};
use orgkeep_vault::{CaptureKind, Kind, OrgVault, Place, Protection, Result, Secret, Unlock, Vault, copy};

use crate::world::*;

fn passphrase(text: &str) -> Unlock {
    Unlock::Passphrase(Secret::new(text))
}

async fn made(store: Arc<dyn ObjectStore>) -> (Vault, Unlock) {
    let (vault, recovery) = Vault::init(store, Protection::Passphrase(Secret::new("p"))).await.unwrap();
    (vault, Unlock::RecoveryKey(Secret::new(recovery.unwrap().to_string())))
}

async fn round(org: &OrgVault, name: &str) {
    let lock = lock(org).await;
    let unfinished = org.begin(&lock).await.unwrap();
    capture(&unfinished, "Account", CaptureKind::Changes, vec![accounts(&[("001A", false, name, "1")])]).await;
    let blobs = unfinished.blobs().await.unwrap();
    // Above what is put at once, and above one part.
    let body = bytes::Bytes::from(name.repeat(3_000_000 * usize::from(name == "large") + 1));
    blobs.put(futures::stream::iter([Ok::<_, std::io::Error>(body)])).await.unwrap();
    blobs.commit().await.unwrap();
    unfinished.finish(draft()).await.unwrap();
    lock.release().await.unwrap();
}

#[tokio::test]
async fn ways_into_a_vault_come_and_go_but_never_the_last() {
    let store = memory();
    let (vault, recovery) = made(store.clone()).await;
    round(&vault.org(ORG).await.unwrap(), "a").await;
    assert_eq!(vault.test(&recovery).await.unwrap(), "recovery");
    assert_eq!(vault.add_passphrase(&"q".into(), Some("night shift")).await.unwrap(), "night shift");
    assert_eq!(vault.add_passphrase(&"r".into(), None).await.unwrap(), "passphrase-2");
    assert_eq!(vault.add_passphrase(&"".into(), None).await.unwrap_err().kind(), Kind::Invalid);
    let (another, label) = vault.add_recovery_key(None).await.unwrap();
    assert_eq!(label, "recovery-2");
    let another = Unlock::RecoveryKey(Secret::new(another.to_string()));
    for unlock in [passphrase("p"), passphrase("q"), passphrase("r"), recovery.clone(), another.clone()] {
        Vault::open(store.clone(), unlock).await.unwrap().org(ORG).await.unwrap();
    }
    vault.change_passphrase(&"q".into(), &"changed".into()).await.unwrap();
    assert_eq!(vault.change_passphrase(&"q".into(), &"x".into()).await.unwrap_err().kind(), Kind::Denied);
    assert_eq!(vault.test(&passphrase("changed")).await.unwrap(), "night shift");
    assert_eq!(vault.remove_way("nobody").await.unwrap_err().kind(), Kind::NotFound);
    for label in ["passphrase", "passphrase-2", "recovery", "recovery-2"] {
        // Labels that were counted move up when one before them goes.
        let ways = vault.ways().await.unwrap();
        let label = if ways.iter().any(|way| way.label == label) { label } else { label.split('-').next().unwrap() };
        vault.remove_way(label).await.unwrap();
    }
    assert_eq!(vault.remove_way("night shift").await.unwrap_err().kind(), Kind::Invalid);
    for unlock in [passphrase("p"), passphrase("q"), passphrase("r"), recovery, another] {
        assert_eq!(Vault::open(store.clone(), unlock).await.unwrap_err().kind(), Kind::Denied);
    }
    let org = Vault::open(store, passphrase("changed")).await.unwrap().org(ORG).await.unwrap();
    assert_eq!(names(&org, 1).await.len(), 1);
    assert_eq!(org.check(true, &mut |_| {}).await.unwrap().damage, []);
}

#[tokio::test]
async fn two_processes_that_remove_the_last_two_ways_do_not_both_succeed() {
    let store = memory();
    let (vault, _) = made(store.clone()).await;
    let other = Vault::open(store.clone(), passphrase("p")).await.unwrap();
    let (one, two) = tokio::join!(vault.remove_way("passphrase"), other.remove_way("recovery"));
    assert_eq!(u8::from(one.is_ok()) + u8::from(two.is_ok()), 1, "{one:?} {two:?}");
    assert_eq!(vault.ways().await.unwrap().len(), 1);
    // Both may add: the second begins anew with what the first has left.
    let (x, y) = ("x".into(), "y".into());
    let (one, two) = tokio::join!(vault.add_passphrase(&x, Some("x")), other.add_passphrase(&y, Some("y")));
    one.unwrap();
    two.unwrap();
    assert_eq!(vault.ways().await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_slot_that_was_exchanged_is_found_by_check() {
    let store = memory();
    let (vault, recovery) = made(store.clone()).await;
    round(&vault.org(ORG).await.unwrap(), "a").await;
    let path = object_store::path::Path::from("vault.json");
    let bytes = store.get(&path).await.unwrap().bytes().await.unwrap();
    let mut file: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    let wrapped = file["slots"][1]["wrapped"].as_str().unwrap().to_owned();
    let other = if wrapped.starts_with('A') { "B" } else { "A" };
    file["slots"][1]["wrapped"] = format!("{other}{}", &wrapped[1..]).into();
    store.put(&path, serde_json::to_vec_pretty(&file).unwrap().into()).await.unwrap();
    let vault = Vault::open(store, passphrase("p")).await.unwrap();
    assert_eq!(vault.test(&recovery).await.unwrap_err().kind(), Kind::Denied);
    let damage = vault.org(ORG).await.unwrap().check(false, &mut |_| {}).await.unwrap().damage;
    assert_eq!(damage.len(), 1, "{damage:?}");
    assert_eq!(damage[0].path, "vault.json");
}

/// The numbers of the keys that files are sealed with.
async fn numbers(store: &dyn ObjectStore) -> std::collections::BTreeMap<u64, usize> {
    let listed: Vec<_> = store.list(None).try_collect().await.unwrap();
    let mut numbers = std::collections::BTreeMap::new();
    for meta in listed {
        let bytes = store.get(&meta.location).await.unwrap().bytes().await.unwrap();
        if bytes.starts_with(b"ORGKEEP\x01") {
            *numbers.entry(u64::from_be_bytes(bytes[8..16].try_into().unwrap())).or_default() += 1;
        }
    }
    numbers
}

#[tokio::test]
async fn keys_are_exchanged_little_by_little_and_the_old_one_goes() {
    let store = memory();
    let (vault, _) = made(store.clone()).await;
    let org = vault.org(ORG).await.unwrap();
    round(&org, "large").await;
    // Opened before: it reads on while keys are exchanged.
    let reader = Vault::open(store.clone(), passphrase("p")).await.unwrap().org(ORG).await.unwrap();
    assert_eq!(names(&reader, 1).await.len(), 1);
    let held = org.lock("keys", now()).await.unwrap();
    org.rotate(&held, now()).await.unwrap();
    assert!(org.rotating());
    let first = org.continue_rotation(&held, 1, now()).await.unwrap();
    assert_eq!((first.files, first.done), (1, false));
    assert!(first.remaining > 5);
    held.release().await.unwrap();
    assert_eq!(names(&reader, 1).await.len(), 1);
    assert_eq!(numbers(store.as_ref()).await.keys().copied().collect::<Vec<_>>(), [0, 1]);
    // Backups and copies meanwhile.
    let org = Vault::open(store.clone(), passphrase("p")).await.unwrap().org(ORG).await.unwrap();
    assert!(org.rotating());
    round(&org, "b").await;
    let target = memory();
    let run = |target: Arc<dyn ObjectStore>| {
        let (from, to) = (Place::from(store.clone()), Place::from(target));
        async move { copy(&from, &to, true, &mut |_, _| {}).await.unwrap() }
    };
    run(target.clone()).await;
    let held = org.lock("keys", now()).await.unwrap();
    let rest = org.continue_rotation(&held, u64::MAX, now() + TimeDelta::hours(1)).await.unwrap();
    assert_eq!((rest.remaining, rest.done), (0, false), "it is not a day yet");
    assert_eq!(numbers(store.as_ref()).await.keys().copied().collect::<Vec<_>>(), [1]);
    let last = org.continue_rotation(&held, u64::MAX, now() + TimeDelta::hours(25)).await.unwrap();
    assert!(last.done && !org.rotating());
    held.release().await.unwrap();
    let org = Vault::open(store.clone(), passphrase("p")).await.unwrap().org(ORG).await.unwrap();
    assert!(!org.rotating());
    assert_eq!(org.check(true, &mut |_| {}).await.unwrap().damage, []);
    assert_eq!(names(&org, 2).await[0].1, "b");
    // The copy has the same files under the same names, sealed anew: it follows.
    run(target.clone()).await;
    let copied = Vault::open(target.clone(), passphrase("p")).await.unwrap().org(ORG).await.unwrap();
    assert_eq!(copied.check(true, &mut |_| {}).await.unwrap().damage, []);
    assert_eq!(numbers(target.as_ref()).await.keys().copied().collect::<Vec<_>>(), [1]);
}

#[tokio::test]
async fn a_leaked_passphrase_opens_nothing_after_its_key_is_exchanged() {
    let store = memory();
    let (vault, recovery) = made(store.clone()).await;
    round(&vault.org(ORG).await.unwrap(), "a").await;
    vault.add_passphrase(&"leaked".into(), None).await.unwrap();
    let (vault, newer) = vault.revoke(&passphrase("p")).await.unwrap();
    round(&vault.org(ORG).await.unwrap(), "b").await;
    for unlock in [passphrase("leaked"), recovery] {
        assert_eq!(Vault::open(store.clone(), unlock).await.unwrap_err().kind(), Kind::Denied);
    }
    for unlock in [passphrase("p"), Unlock::RecoveryKey(Secret::new(newer.to_string()))] {
        let org = Vault::open(store.clone(), unlock).await.unwrap().org(ORG).await.unwrap();
        assert_eq!(names(&org, 2).await[0].1, "b");
        assert_eq!(org.check(true, &mut |_| {}).await.unwrap().damage, [], "also the seals, by the same key");
    }
}

/// All that changes keys, one after the other; what is done already does no harm.
async fn exchange(store: Arc<dyn ObjectStore>, unlock: &Unlock) -> Result<()> {
    let vault = Vault::open(store, unlock.clone()).await?;
    if !vault.ways().await?.iter().any(|way| way.label == "second") {
        vault.add_recovery_key(Some("second")).await?;
    }
    let (vault, _) = vault.revoke(unlock).await?;
    let org = vault.org(ORG).await?;
    let lock = org.lock("keys", now()).await?;
    let outcome = async {
        org.rotate(&lock, now()).await?;
        org.continue_rotation(&lock, 1, now()).await?;
        org.continue_rotation(&lock, u64::MAX, now()).await?;
        org.continue_rotation(&lock, u64::MAX, now() + TimeDelta::days(2)).await
    }
    .await;
    let _ = lock.release().await;
    outcome.map(drop)
}

#[tokio::test(start_paused = true)]
async fn any_operation_of_an_exchange_of_keys_may_fail() {
    let base = Arc::new(InMemory::new());
    let (vault, unlock) = made(base.clone() as Arc<dyn ObjectStore>).await;
    round(&vault.org(ORG).await.unwrap(), "a").await;
    let quiet = Faulty::new(Arc::new(base.fork()), None);
    exchange(Arc::new(quiet.clone()), &unlock).await.unwrap();
    let operations = quiet.operations();
    assert!((50..400).contains(&operations), "{operations}");
    let mut failures = 0;
    // A recovery key needs no stretching, which would take minutes.
    for (number, fault) in (1..operations).flat_map(|number| [(number, Fault::Before), (number, Fault::After)]) {
        let store: Arc<dyn ObjectStore> = Arc::new(base.fork());
        failures +=
            u32::from(exchange(Arc::new(Faulty::new(store.clone(), Some((number, fault)))), &unlock).await.is_err());
        let _ = store.delete(&object_store::path::Path::from(format!("orgs/{ORG}/lock"))).await;
        // Whatever happened, the recovery key opens it and everything can be read; and it can be gone on with.
        let org = Vault::open(store.clone(), unlock.clone()).await.unwrap().org(ORG).await.unwrap();
        assert_eq!(org.check(true, &mut |_| {}).await.unwrap().damage, [], "{fault:?} {number}");
        if number % 5 == 0 {
            exchange(store.clone(), &unlock)
                .await
                .unwrap_or_else(|error| panic!("again after {fault:?} {number}: {error:?}"));
            let org = Vault::open(store.clone(), unlock.clone()).await.unwrap().org(ORG).await.unwrap();
            assert_eq!(names(&org, 1).await.len(), 1);
            assert_eq!(numbers(store.as_ref()).await.len(), 1);
        }
    }
    assert!(failures > 50, "{failures}");
}
