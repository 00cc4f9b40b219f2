// SPDX-License-Identifier: Apache-2.0
//! Getting into a vault, and staying out of each other's way.

use std::sync::Arc;

use chrono::TimeDelta;
use futures::StreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, PutPayload};
use orgkeep_vault::{CaptureKind, Kind, Location, Place, Protection, Scan, Secret, Unlock, Vault};

use crate::world::*;

fn passphrase(text: &str) -> Unlock {
    Unlock::Passphrase(Secret::new(text))
}

#[tokio::test]
async fn an_encrypted_vault_opens_with_its_passphrase_and_its_recovery_key_only() {
    let store = memory();
    let protection = Protection::Passphrase(Secret::new("correct horse"));
    let (vault, recovery) = Vault::init(store.clone(), protection).await.unwrap();
    let recovery = recovery.unwrap().to_string();
    assert!(vault.encrypted());
    let org = vault.org(ORG).await.unwrap();
    backup(&org, CaptureKind::Everything, vec![accounts(&[("001A", false, "Geheim GmbH", "42")])]).await;
    for unlock in [passphrase("correct horse"), Unlock::RecoveryKey(Secret::new(recovery))] {
        let vault = Vault::open(store.clone(), unlock).await.unwrap();
        assert_eq!(vault.orgs().await.unwrap(), [ORG]);
        let org = vault.org(ORG).await.unwrap();
        assert_eq!(names(&org, 1).await, [("001A".to_owned(), "Geheim GmbH".to_owned())]);
        assert_eq!(org.check(true, &mut |_| {}).await.unwrap().damage, []);
    }
    for unlock in [passphrase("correct horsf"), Unlock::None, Unlock::RecoveryKey(Secret::new("AAAAA-AAAAA"))] {
        assert_eq!(Vault::open(store.clone(), unlock).await.unwrap_err().kind(), Kind::Denied);
    }
    // Nothing that was captured can be read from what is stored.
    let mut listed = store.list(None);
    while let Some(meta) = listed.next().await {
        let bytes = store.get(&meta.unwrap().location).await.unwrap().bytes().await.unwrap();
        for word in ["Geheim", "AnnualRevenue", "numRecords", "PAR1"] {
            assert!(!bytes.windows(word.len()).any(|window| window == word.as_bytes()), "{word}");
        }
    }
}

#[tokio::test]
async fn a_place_that_is_not_empty_is_left_alone() {
    let store = memory();
    store.put(&Path::from("holiday/photo.jpg"), PutPayload::from_static(b"x")).await.unwrap();
    let error = Vault::init(store.clone(), Protection::None).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    assert!(error.to_string().contains("holiday/photo.jpg"), "{error}");
    assert!(store.get(&Path::from("vault.json")).await.is_err());
    let error = Vault::open(store, Unlock::None).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.next_step().is_some_and(|hint| hint.contains("orgkeep init"))),
        (Kind::NotFound, true)
    );
}

#[tokio::test]
async fn a_vault_of_a_newer_format_is_not_touched() {
    let store = memory();
    let path = Path::from("vault.json");
    let newer = br#"{"what":"orgkeep vault","format":7,"lattice":true}"#;
    store.put(&path, PutPayload::from_static(newer)).await.unwrap();
    let error = Vault::open(store.clone(), Unlock::None).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    assert!(error.to_string().contains("format 7") && error.to_string().contains("readable 2"), "{error}");
    let older = br#"{"what":"orgkeep vault","format":1}"#;
    store.put(&path, PutPayload::from_static(older)).await.unwrap();
    let error = Vault::open(store.clone(), Unlock::None).await.unwrap_err();
    assert!(error.to_string().contains("older format") && error.kind() == Kind::Invalid, "{error}");
    store.put(&path, PutPayload::from_static(b"{\"name\":\"my app\"}")).await.unwrap();
    assert_eq!(Vault::open(store, Unlock::None).await.unwrap_err().kind(), Kind::Invalid);
}

#[tokio::test]
async fn the_wrong_vaults_key_opens_nothing() {
    let (one, other) = (memory(), memory());
    for store in [&one, &other] {
        let protection = Protection::Passphrase(Secret::new("same"));
        let vault = Vault::init(store.clone(), protection).await.unwrap().0;
        vault.org(ORG).await.unwrap();
    }
    let path = Path::from(format!("orgs/{ORG}/key.json"));
    let foreign = other.get(&path).await.unwrap().bytes().await.unwrap();
    one.put(&path, foreign.into()).await.unwrap();
    let vault = Vault::open(one, passphrase("same")).await.unwrap();
    assert_eq!(vault.org(ORG).await.unwrap_err().kind(), Kind::Corrupt);
}

#[tokio::test]
async fn two_processes_cannot_write_to_one_org_in_a_bucket() {
    let vault = plain_vault(memory()).await;
    let (one, two) = (vault.org(ORG).await.unwrap(), vault.org(ORG).await.unwrap());
    let held = one.lock("process 1", now()).await.unwrap();
    let error = two.lock("process 2", now() + TimeDelta::minutes(9)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Busy);
    assert!(error.to_string().contains("process 1") && error.to_string().contains("2026-03-01T12:00:00"), "{error}");
    held.renew(now() + TimeDelta::minutes(9)).await.unwrap();
    assert_eq!(two.lock("process 2", now() + TimeDelta::minutes(15)).await.unwrap_err().kind(), Kind::Busy);
    // Silence for ten minutes: taken over, and the first holder is told when it wakes up.
    let taken = two.lock("process 2", now() + TimeDelta::minutes(20)).await.unwrap();
    assert_eq!(held.renew(now() + TimeDelta::minutes(21)).await.unwrap_err().kind(), Kind::Busy);
    taken.release().await.unwrap();
    two.lock("process 3", now() + TimeDelta::minutes(21)).await.unwrap();
}

#[tokio::test]
async fn a_clock_that_jumps_neither_steals_a_lock_nor_hides_why_it_is_held() {
    let vault = plain_vault(memory()).await;
    let (one, two) = (vault.org(ORG).await.unwrap(), vault.org(ORG).await.unwrap());
    let held = one.lock("process 1", now() + TimeDelta::days(365)).await.unwrap();
    let error = two.lock("process 2", now()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Busy);
    assert!(error.next_step().is_some_and(|hint| hint.contains("clocks") && hint.contains("/lock")), "{error:?}");
    // The holder's own clock is set right: it keeps its lock, and others see it renewed by the time that they know.
    held.renew(now()).await.unwrap();
    let error = two.lock("process 2", now() + TimeDelta::minutes(5)).await.unwrap_err();
    assert_eq!(error.next_step(), Some("wait for it to finish"));
    // Backups finished under a wrong clock stay in the order of their numbers.
    let unfinished = one.begin(&held).await.unwrap();
    capture(&unfinished, "Account", CaptureKind::Everything, vec![accounts(&[("001A", false, "future", "")])]).await;
    let ahead = orgkeep_vault::ManifestDraft { finished_at: now() + TimeDelta::days(365), ..draft() };
    unfinished.finish(ahead).await.unwrap();
    held.release().await.unwrap();
    backup(&two, CaptureKind::Changes, vec![accounts(&[("001A", false, "now", "")])]).await;
    assert_eq!(two.newest().await.unwrap().unwrap().sequence, 2);
    assert_eq!(names(&two, 2).await[0].1, "now");
    assert_eq!(two.check(true, &mut |_| {}).await.unwrap().damage, []);
}

#[tokio::test]
async fn a_writer_that_slept_through_its_lease_cannot_finish() {
    let vault = plain_vault(memory()).await;
    let (one, two) = (vault.org(ORG).await.unwrap(), vault.org(ORG).await.unwrap());
    let rows = || vec![accounts(&[("001A", false, "a", "")])];
    let sleeper = one.begin(&one.lock("sleeper", now()).await.unwrap()).await.unwrap();
    let mut late = sleeper.capture("Account", &account(), CaptureKind::Everything).await.unwrap();
    late.push(accounts(&[("001Z", false, "zombie", "")])).await.unwrap();
    let lock = two.lock("other", now() + TimeDelta::minutes(30)).await.unwrap();
    let other = two.begin(&lock).await.unwrap();
    capture(&other, "Account", CaptureKind::Everything, rows()).await;
    other.finish(draft()).await.unwrap();
    assert_eq!(late.finish(serde_json::Value::Null).await.unwrap_err().kind(), Kind::Busy);
    let changed = orgkeep_vault::ManifestDraft { content: serde_json::json!("late"), ..draft() };
    assert_eq!(sleeper.finish(changed).await.unwrap_err().kind(), Kind::Busy);
    assert_eq!(names(&two, 1).await, [("001A".to_owned(), "a".to_owned())]);
}

#[tokio::test]
async fn a_folder_is_locked_by_the_system_and_an_abandoned_lock_vanishes() {
    let folder = tempfile::tempdir().unwrap();
    let location = Location::parse(folder.path().join("vault").to_str().unwrap()).unwrap();
    let place: Place = location.open([]).unwrap();
    let vault = Vault::init(place, Protection::None).await.unwrap().0;
    let org = vault.org(ORG).await.unwrap();
    let held = org.lock("process 1", now()).await.unwrap();
    let again = Vault::open(location.open([]).unwrap(), Unlock::None).await.unwrap();
    let other = again.org(ORG).await.unwrap();
    let error = other.lock("process 2", now() + TimeDelta::hours(5)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Busy);
    assert!(error.to_string().contains("process 1"), "{error}");
    drop(held);
    backup(&other, CaptureKind::Everything, vec![accounts(&[("001A", false, "a", "")])]).await;
    assert_eq!(names(&org, 1).await.len(), 1);
    assert_eq!(org.check(true, &mut |_| {}).await.unwrap().damage, []);
    let parquet = walk(folder.path()).into_iter().filter(|path| path.ends_with(".parquet")).count();
    assert_eq!(parquet, 1, "a plain vault is a folder of plain tables");
}

fn walk(folder: &std::path::Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(walk(&path)) } else { found.push(path.display().to_string()) }
    }
    found
}

#[tokio::test]
async fn names_are_checked_before_they_become_paths() {
    let vault = plain_vault(memory()).await;
    for org in ["", "../other", "a/b", "00D 1"] {
        assert_eq!(vault.org(org).await.unwrap_err().kind(), Kind::Invalid);
    }
    assert_eq!(Location::parse("gopher://x/y").unwrap().open([]).err().unwrap().kind(), Kind::Invalid);
    assert_eq!(Location::parse("").unwrap_err().kind(), Kind::Invalid);
    assert!(Location::parse("memory:///").unwrap().open([]).is_ok());
    let region = [("aws_region".to_owned(), "eu-central-1".to_owned())];
    assert!(Location::parse("s3://bucket/folder").unwrap().open(region).is_ok());
    let org = vault.org(ORG).await.unwrap();
    backup(&org, CaptureKind::Everything, vec![accounts(&[("001A", false, "a", "")])]).await;
    let error = org.scan("Acount", 1, Scan::default()).await.err().unwrap();
    assert_eq!(error.kind(), Kind::NotFound);
    let error = org.scan("Accounts", 1, Scan::default()).await.err().unwrap();
    assert_eq!(error.next_step(), Some("did you mean Account?"));
    let error = org.scan("Account", 9, Scan::default()).await.err().unwrap();
    assert_eq!((error.kind(), error.next_step()), (Kind::NotFound, Some("there is only backup 1")));
}

/// Two threads, to see that nothing depends on there being one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_works_on_several_threads_too() {
    let store: Arc<dyn ObjectStore> = memory();
    let vault = plain_vault(store).await;
    let org = vault.org(ORG).await.unwrap();
    let lock = lock(&org).await;
    let unfinished = org.begin(&lock).await.unwrap();
    let objects = ["Account", "Contact", "Lead", "Case"];
    let captures = objects.map(|object| {
        let unfinished = unfinished.clone();
        tokio::spawn(async move {
            capture(&unfinished, object, CaptureKind::Everything, vec![accounts(&[("001A", false, object, "1")])]).await
        })
    });
    for capture in captures {
        assert_eq!(capture.await.unwrap().live, 1);
    }
    let manifest = unfinished.finish(draft()).await.unwrap();
    assert_eq!(manifest.objects.len(), 4);
    assert_eq!(org.check(true, &mut |_| {}).await.unwrap().damage, []);
}

#[test]
fn many_tables_are_opened_at_once_by_few_threads() {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).max_blocking_threads(3).enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    runtime.block_on(async {
        let place = Location::parse(folder.path().to_str().unwrap()).unwrap().open([]).unwrap();
        let org = Vault::init(place, Protection::None).await.unwrap().0.org(ORG).await.unwrap();
        let names: Vec<String> = (0..12).map(|number| format!("Object{number}")).collect();
        let opened = futures::future::join_all(names.iter().map(|name| org.columns(name)));
        let opened =
            tokio::time::timeout(std::time::Duration::from_secs(120), opened).await.expect("none waits for ever");
        assert!(opened.into_iter().all(|columns| columns.unwrap().is_none()));
    });
}
