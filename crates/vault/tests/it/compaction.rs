// SPDX-License-Identifier: Apache-2.0
//! Compaction: few files, the same rows at every point in time, and readers and killed processes that notice nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::TimeDelta;
use futures::{StreamExt, TryStreamExt};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use orgkeep_vault::{CaptureKind, Compacted, OrgVault, Protection, RowsDigest, Scan, Unlock, Vault};

use crate::world::*;

const BACKUPS: u64 = 100;

/// The rows of backup `n`: the first has all, later ones change a few, delete one and bring one back.
fn rows_of(n: u64) -> Vec<(String, bool, String)> {
    let row = |number: u64, deleted| (format!("001{number:05}"), deleted, format!("name {number} of {n}"));
    if n == 1 {
        return (0..400).map(|number| row(number, false)).collect();
    }
    let mut rows: Vec<_> = (0..4).map(|step| row((n * 37 + step * 101) % 420, false)).collect();
    rows.push(row(n * 13 % 400, true));
    rows
}

fn batch(rows: &[(String, bool, String)]) -> orgkeep_vault::Batch {
    let rows: Vec<Record<'_>> =
        rows.iter().map(|(id, deleted, name)| (id.as_str(), *deleted, name.as_str(), "1.5")).collect();
    accounts(&rows)
}

/// One backup, now and then with a second capture of the same records. Files are merged when it is finished.
async fn step(org: &OrgVault, n: u64) {
    let lock = lock(org).await;
    let unfinished = org.begin(&lock).await.unwrap();
    if n.is_multiple_of(7) {
        let early: Vec<_> = rows_of(n).into_iter().map(|(id, _, _)| (id, false, "replaced".to_owned())).collect();
        capture(&unfinished, "Account", CaptureKind::Changes, vec![batch(&early)]).await;
    }
    capture(&unfinished, "Account", CaptureKind::Changes, vec![batch(&rows_of(n))]).await;
    let blobs = unfinished.blobs().await.unwrap();
    let body = bytes::Bytes::from(format!("body {n} ").repeat(50));
    blobs.put(futures::stream::iter([Ok::<_, std::io::Error>(body)])).await.unwrap();
    blobs.commit().await.unwrap();
    unfinished.finish(draft()).await.unwrap();
    lock.release().await.unwrap();
}

type Names = BTreeMap<String, (bool, String)>;

/// What is in the state of each backup, played without a vault.
fn expected() -> Vec<Names> {
    let mut states: Vec<Names> = vec![Names::new()];
    for n in 1..=BACKUPS {
        let mut state = states.last().unwrap().clone();
        state.extend(rows_of(n).into_iter().map(|(id, deleted, name)| (id, (deleted, name))));
        states.push(state);
    }
    states
}

async fn state(org: &OrgVault, at: u64, options: Scan) -> Names {
    let batches = collect(org.scan("Account", at, options).await.unwrap()).await;
    table(&batches).into_iter().map(|(id, (gone, cells))| (id, (gone, cells[0].clone().unwrap_or_default()))).collect()
}

/// How many files there are, and their bytes.
async fn files(store: &dyn ObjectStore, part: &str) -> (usize, u64) {
    let folder = Path::from(format!("orgs/{ORG}/{part}"));
    let listed: Vec<_> = store.list(Some(&folder)).try_collect().await.unwrap();
    let files: Vec<u64> =
        listed.iter().filter(|meta| !meta.location.as_ref().contains("_delta_log")).map(|meta| meta.size).collect();
    (files.len(), files.iter().sum())
}

#[tokio::test]
async fn a_hundred_small_backups_leave_few_files_and_read_as_before() {
    let store = memory();
    let counted = Counted::new(store.clone());
    let org = plain_vault(Arc::new(counted.clone())).await.org(ORG).await.unwrap();
    let before = counted.bytes();
    let mut captured_bytes = 0;
    for n in 1..=BACKUPS {
        step(&org, n).await;
    }
    let states = expected();
    for manifest in org.manifests().await.unwrap() {
        let (at, captured) = (manifest.sequence, &manifest.objects["Account"]);
        captured_bytes += captured.bytes;
        let with_deleted = Scan { with_deleted: true, ..Scan::default() };
        assert_eq!(state(&org, at, with_deleted).await, states[at as usize], "backup {at}");
        let mut digest = RowsDigest::default();
        let mut live = 0;
        for batch in collect(org.scan("Account", at, Scan::default()).await.unwrap()).await {
            live += batch.len() as u64;
            let batch = batch.hashed();
            (0..batch.len()).for_each(|row| digest.add(&batch, row));
        }
        assert_eq!((live, digest.to_string()), (captured.live, captured.digest.clone()), "backup {at}");
        let ids = vec!["00100037".to_owned(), "00100111".to_owned(), "00100405".to_owned()];
        let some = state(&org, at, Scan { ids: Some(ids.clone()), with_deleted: true, ..Scan::default() }).await;
        let expected: Names = states[at as usize]
            .iter()
            .filter(|(id, _)| ids.contains(id))
            .map(|(id, row)| (id.clone(), row.clone()))
            .collect();
        assert_eq!(some, expected, "backup {at}");
    }
    for number in [0, 37, 111, 399] {
        let id = format!("001{number:05}");
        let history = org.history("Account", &id).await.unwrap();
        let versions: Vec<(u64, String)> = history
            .iter()
            .map(|version| (version.backup, version.batch.text(version.row, 1).unwrap().into_owned()))
            .collect();
        let expected: Vec<(u64, String)> = (1..=BACKUPS)
            .filter_map(|n| rows_of(n).into_iter().rev().find(|row| row.0 == id).map(|row| (n, row.2)))
            .collect();
        assert_eq!(versions, expected, "{id}");
    }
    let report = org.check(true, &mut |_| {}).await.unwrap();
    assert_eq!(report.damage, []);
    // A week later the files that were taken out are gone from the store as well.
    let lock = org.lock("test", now() + TimeDelta::days(7)).await.unwrap();
    org.begin(&lock).await.unwrap().finish(draft()).await.unwrap();
    lock.release().await.unwrap();
    let (left, bytes) = files(store.as_ref(), "objects/Account").await;
    assert!(left <= 12, "{left} files");
    let (packs, _) = files(store.as_ref(), "blobs").await;
    assert!(packs <= 12, "{packs} packs");
    // Every file that ever was: what backups captured, and what was written again.
    let written = counted.bytes() - before;
    assert!(written <= captured_bytes * 4, "{written} bytes written for {captured_bytes} captured, {bytes} remain");
    assert_eq!(org.check(true, &mut |_| {}).await.unwrap().damage, []);
    for n in 1..=BACKUPS {
        let hash = blake3::hash(format!("body {n} ").repeat(50).as_bytes()).to_hex();
        let body: Vec<bytes::Bytes> = org.blob(&hash).await.unwrap().try_collect().await.unwrap();
        assert_eq!(body.concat().len(), format!("body {n} ").len() * 50);
    }
}

#[tokio::test]
async fn who_opened_a_table_before_a_compaction_reads_on() {
    let store = memory();
    let vault = plain_vault(store.clone()).await;
    let org = vault.org(ORG).await.unwrap();
    for n in 1..=7 {
        step(&org, n).await;
    }
    let states = expected();
    // One that has begun to read, and one that knows which files there are.
    let reader = vault.org(ORG).await.unwrap();
    let begun = reader.scan("Account", 7, Scan { with_deleted: true, ..Scan::default() }).await.unwrap();
    let mut begun = begun.peekable();
    assert!(std::pin::Pin::new(&mut begun).peek().await.is_some());
    let before = files(store.as_ref(), "objects/Account").await.0;
    step(&org, 8).await;
    // One file of this backup, and one that six others became; none is gone yet.
    assert_eq!(files(store.as_ref(), "objects/Account").await.0, before + 2);
    let rows = table(&begun.try_collect::<Vec<_>>().await.unwrap());
    assert_eq!(rows.len(), states[7].len());
    for at in 1..=7 {
        let options = || Scan { with_deleted: true, ..Scan::default() };
        assert_eq!(state(&reader, at, options()).await, states[at as usize]);
        assert_eq!(state(&org, at, options()).await, states[at as usize]);
    }
    // Nothing is left to do.
    let held = lock(&org).await;
    assert_eq!(org.compact(&held).await.unwrap(), Compacted::default());
}

async fn seen(vault: &Vault, backups: u64) -> Vec<Names> {
    let org = vault.org(ORG).await.unwrap();
    let mut seen = Vec::new();
    for at in 1..=backups {
        seen.push(state(&org, at, Scan { with_deleted: true, ..Scan::default() }).await);
    }
    seen
}

/// Every store operation of a backup that ends in a compaction fails before and after its effect; nothing that is read
/// changes, and the backups after it leave nothing behind in the store.
#[tokio::test(start_paused = true)]
async fn any_operation_of_a_compaction_may_fail() {
    let base = Arc::new(InMemory::new());
    let vault = Vault::init(base.clone() as Arc<dyn ObjectStore>, Protection::None).await.unwrap().0;
    let org = vault.org(ORG).await.unwrap();
    for n in 1..=7 {
        step(&org, n).await;
    }
    let states = expected();
    let run = async |store: Arc<dyn ObjectStore>| {
        let vault = Vault::open(store, Unlock::None).await?;
        let org = vault.org(ORG).await?;
        let lock = org.lock("sweep", now()).await?;
        let outcome = async {
            if org.newest().await?.is_some_and(|newest| newest.sequence == 8) {
                return org.compact(&lock).await.map(|_| ());
            }
            let unfinished = org.begin(&lock).await?;
            if !unfinished.outcomes().contains_key("Account") {
                let mut capture = unfinished.capture("Account", &account(), CaptureKind::Changes).await?;
                capture.push(batch(&rows_of(8))).await?;
                capture.finish(serde_json::Value::Null).await?;
            }
            unfinished.finish(draft()).await.map(|_| ())
        };
        let outcome = outcome.await;
        let _ = lock.release().await;
        outcome
    };
    let quiet = Faulty::new(Arc::new(base.fork()), None);
    run(Arc::new(quiet.clone())).await.unwrap();
    let operations = quiet.operations();
    assert!((30..200).contains(&operations), "{operations} operations");
    let mut failures = 0;
    for number in 0..operations {
        for fault in [Fault::Before, Fault::After] {
            let store: Arc<dyn ObjectStore> = Arc::new(base.fork());
            let faulty = Faulty::new(store.clone(), Some((number, fault)));
            failures += u32::from(run(Arc::new(faulty)).await.is_err());
            let _ = store.delete(&Path::from(format!("orgs/{ORG}/lock"))).await;
            let vault = Vault::open(store.clone(), Unlock::None).await.unwrap();
            assert_eq!(seen(&vault, 7).await, states[1..=7], "after {fault:?} {number}");
            for _ in 0..2 {
                run(store.clone()).await.unwrap_or_else(|error| panic!("again after {fault:?} {number}: {error:?}"));
            }
            // Two backups: the second removes what was taken out a day before.
            let org = vault.org(ORG).await.unwrap();
            for day in 1..=2 {
                let lock = org.lock("sweep", now() + TimeDelta::days(day)).await.unwrap();
                org.begin(&lock).await.unwrap().finish(draft()).await.unwrap();
                lock.release().await.unwrap();
            }
            let vault = Vault::open(store.clone(), Unlock::None).await.unwrap();
            assert_eq!(seen(&vault, 8).await, states[1..=8], "after {fault:?} {number} and again");
            let org = vault.org(ORG).await.unwrap();
            assert_eq!(org.check(true, &mut |_| {}).await.unwrap().damage, [], "after {fault:?} {number}");
            // The first backup, the two captures of the seventh, and one of all others.
            assert_eq!(files(store.as_ref(), "objects/Account").await.0, 4, "after {fault:?} {number}");
        }
    }
    assert!(failures > 15, "faults were noticed: {failures}");
}
