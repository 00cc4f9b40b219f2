// SPDX-License-Identifier: Apache-2.0
//! Erasure: nothing of the values is left in any file, everything else is as it was, and it is obeyed for ever.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use chrono::TimeDelta;
use futures::TryStreamExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use orgkeep_vault::{CaptureKind, ErasureDraft, Kind, OrgVault, Protection, Scan, Secret, Unlock, Vault};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::json;

use crate::world::*;

/// What must not be found anywhere afterwards: in a field, beside a column, in a small file, in a large one.
const SECRETS: [&str; 5] =
    ["Erika Mustermann", "Erika Beispiel", "not a number: Erika", "small: Erika", "large: Erika"];
const GONE: &str = "003ERIKA";

fn body(text: &str, length: usize) -> Bytes {
    // Distinct bodies that compression does not hide.
    Bytes::from(format!("{text} ").repeat(length / (text.len() + 1) + 1))
}

async fn put(unfinished: &orgkeep_vault::Unfinished, bodies: &[Bytes]) -> Vec<String> {
    let blobs = unfinished.blobs().await.unwrap();
    let mut hashes = Vec::new();
    for body in bodies {
        hashes.push(blobs.put(futures::stream::iter([Ok::<_, std::io::Error>(body.clone())])).await.unwrap().hash);
    }
    blobs.commit().await.unwrap();
    hashes
}

/// Eight backups of contacts, the last with a merge of files; the hashes of the bodies that go.
async fn fill(org: &OrgVault) -> BTreeSet<String> {
    let lock = lock(org).await;
    let mut gone = BTreeSet::new();
    for round in 1..=8 {
        let unfinished = org.begin(&lock).await.unwrap();
        let names: Vec<String> = (0..50).map(|row| format!("other {row} of {round}")).collect();
        let ids: Vec<String> = (0..50).map(|row| format!("003{row:05}")).collect();
        let mut rows: Vec<Record<'_>> =
            ids.iter().zip(&names).map(|(id, name)| (id.as_str(), false, name.as_str(), "1")).collect();
        if round > 1 {
            rows.truncate(round + 3);
        }
        match round {
            1 => rows.push((GONE, false, SECRETS[0], SECRETS[2])),
            3 | 8 => rows.push((GONE, false, SECRETS[1], "7")),
            5 => rows.push((GONE, true, SECRETS[1], "7")),
            _ => {}
        }
        capture(&unfinished, "Contact", CaptureKind::Changes, vec![accounts(&rows)]).await;
        if round == 1 {
            let bodies = [
                body(SECRETS[3], 900),
                body("small: somebody", 900),
                body(SECRETS[4], 1_500_000),
                body("large: somebody", 1_500_000),
            ];
            let hashes = put(&unfinished, &bodies).await;
            gone.extend([hashes[0].clone(), hashes[2].clone()]);
        }
        unfinished.finish(draft()).await.unwrap();
    }
    let ledger = org.restore_create(b"{\"selection\":\"LastName = 'Erika Mustermann'\"}").await.unwrap();
    ledger.append(&[json!({"type": "failed", "id": GONE, "reason": "small: Erika is no value"})]).await.unwrap();
    lock.release().await.unwrap();
    gone
}

fn wanted(bodies: &BTreeSet<String>) -> ErasureDraft {
    let records = BTreeMap::from([("Contact".to_owned(), BTreeSet::from([GONE.to_owned()]))]);
    ErasureDraft {
        object: "Contact".into(),
        ids: vec![GONE.into()],
        rule: "only itself".into(),
        records,
        bodies: bodies.clone(),
    }
}

/// Everything that can be read from a file, as one text.
fn readable(path: &Path, bytes: Bytes) -> String {
    let mut text = String::from_utf8_lossy(&bytes).into_owned();
    if path.as_ref().ends_with(".parquet") {
        for batch in ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap().build().unwrap() {
            for column in batch.unwrap().columns() {
                let data = column.to_data();
                for buffer in data.buffers().iter().chain(data.child_data().iter().flat_map(|child| child.buffers())) {
                    text.push_str(&String::from_utf8_lossy(buffer.as_slice()));
                }
            }
        }
    } else if path.as_ref().ends_with(".zst") {
        text.push_str(&String::from_utf8_lossy(&zstd::decode_all(&bytes[..]).unwrap()));
    }
    text
}

/// The files in which a secret is found.
async fn telling(store: &dyn ObjectStore) -> Vec<String> {
    let listed: Vec<_> = store.list(None).try_collect().await.unwrap();
    let mut found = Vec::new();
    for meta in listed {
        let bytes = store.get(&meta.location).await.unwrap().bytes().await.unwrap();
        let text = readable(&meta.location, bytes);
        found.extend(
            SECRETS.iter().filter(|secret| text.contains(*secret)).map(|secret| format!("{}: {secret}", meta.location)),
        );
    }
    found
}

/// The names as of each backup, deleted ones included.
async fn states(org: &OrgVault) -> Vec<BTreeMap<String, (bool, Vec<Option<String>>)>> {
    let mut states = Vec::new();
    for manifest in org.manifests().await.unwrap() {
        let options = Scan { with_deleted: true, ..Scan::default() };
        states.push(table(&collect(org.scan("Contact", manifest.sequence, options).await.unwrap()).await));
    }
    states
}

async fn silence(org: &OrgVault, lock: &orgkeep_vault::Lock) {
    let quiet = |entry: &mut serde_json::Value| {
        let fields = entry.as_object_mut().unwrap();
        ["reason", "selection"]
            .iter()
            .filter(|name| fields.insert((**name).to_owned(), "(erased)".into()).is_some())
            .count()
            > 0
    };
    for restore in org.restores().await.unwrap() {
        assert!(org.restore_open(&restore).await.unwrap().rewrite(lock, &quiet).await.unwrap());
    }
}

#[tokio::test]
async fn nothing_of_an_erased_record_is_left_in_any_file() {
    let store = memory();
    let vault = plain_vault(store.clone()).await;
    let org = vault.org(ORG).await.unwrap();
    let bodies = fill(&org).await;
    let found = telling(store.as_ref()).await;
    assert!(SECRETS.iter().all(|secret| found.iter().any(|line| line.ends_with(secret))), "{found:?}");
    let mut before = states(&org).await;
    let attested = org.attest(8).await.unwrap();

    let held = lock(&org).await;
    silence(&org, &held).await;
    let planned = org.erasure(wanted(&bodies), now()).await.unwrap();
    assert_eq!((planned.number, planned.versions["Contact"]), (0, 4));
    assert_eq!(planned.backups(), [1, 2, 3, 4, 8]);
    let (erasure, done) = org.erase(&held, wanted(&bodies)).await.unwrap();
    assert_eq!((erasure.number, &erasure.shares), (1, &planned.shares));
    assert!(done.files_removed >= 4 && done.bytes_removed > done.bytes_written, "{done:?}");

    assert_eq!(telling(store.as_ref()).await, [""; 0]);
    // All else is as it was, and every count and digest fits.
    for state in &mut before {
        state.remove(GONE);
    }
    let fresh = vault.org(ORG).await.unwrap();
    for org in [&org, &fresh] {
        assert_eq!(states(org).await, before);
        assert_eq!(org.history("Contact", GONE).await.unwrap().len(), 0);
        assert_eq!(org.check(true, &mut |_| {}).await.unwrap().damage, []);
        assert!(org.verify(&attested, &mut |_| {}).await.unwrap().holds());
        let other = blake3::hash(&body("large: somebody", 1_500_000)).to_hex();
        assert!(org.blob(&other).await.unwrap().try_collect::<Vec<_>>().await.is_ok());
        for hash in &bodies {
            assert!(!org.has_blob(hash).await.unwrap());
        }
    }

    // The org still has the record: it is not stored again, and the numbers know.
    let unfinished = org.begin(&held).await.unwrap();
    let rows = accounts(&[(GONE, false, SECRETS[0], "1"), ("00300001", false, "new", "1")]);
    let captured = capture(&unfinished, "Contact", CaptureKind::Changes, vec![rows]).await;
    assert_eq!((captured.erased, captured.changed, captured.live), (1, 1, 50));
    unfinished.finish(draft()).await.unwrap();
    assert_eq!(telling(store.as_ref()).await, [""; 0]);
    assert_eq!(org.check(true, &mut |_| {}).await.unwrap().damage, []);
    assert_eq!(fresh.erased().await.unwrap().holding("Contact", GONE).unwrap().number, 1);
    let nothing = ErasureDraft { records: BTreeMap::new(), ..wanted(&bodies) };
    assert_eq!(org.erase(&held, nothing).await.unwrap_err().kind(), Kind::Invalid);
}

#[tokio::test]
async fn in_an_encrypted_vault_every_file_that_held_the_record_is_gone() {
    let store = memory();
    let vault = Vault::init(store.clone(), Protection::Passphrase(Secret::new("p"))).await.unwrap().0;
    let org = vault.org(ORG).await.unwrap();
    let bodies = fill(&org).await;
    let files = async || -> BTreeSet<String> {
        let listed: Vec<_> = store.list(None).try_collect().await.unwrap();
        let is_data =
            |path: &str| (path.contains("/objects/") || path.contains("/blobs/")) && !path.contains("_delta_log");
        listed.iter().map(|meta| meta.location.to_string()).filter(|path| is_data(path)).collect()
    };
    let before = files().await;
    let held = lock(&org).await;
    let (_, done) = org.erase(&held, wanted(&bodies)).await.unwrap();
    let after = files().await;
    let gone: Vec<&String> = before.difference(&after).collect();
    assert_eq!(gone.len() as u64, done.files_removed);
    // The files of the first and the eighth backup, the merged one and the six it was made of, a pack, a large body.
    assert!(gone.len() >= 5, "{gone:?}");
    assert!(
        gone.iter().any(|path| path.contains("/blobs/large/"))
            && after.iter().any(|path| path.contains("/blobs/large/"))
    );
    assert_eq!(org.check(true, &mut |_| {}).await.unwrap().damage, []);
}

#[tokio::test]
async fn an_interrupted_backup_goes_on_without_what_was_erased_meanwhile() {
    let org = plain_org().await;
    let bodies = fill(&org).await;
    let held = lock(&org).await;
    let unfinished = org.begin(&held).await.unwrap();
    capture(&unfinished, "Contact", CaptureKind::Changes, vec![accounts(&[(GONE, false, "again", "1")])]).await;
    drop(unfinished);
    org.erase(&held, wanted(&bodies)).await.unwrap();
    let unfinished = org.begin(&held).await.unwrap();
    assert_eq!(unfinished.outcomes()["Contact"].live, 50);
    let manifest = unfinished.finish(draft()).await.unwrap();
    assert_eq!(manifest.state["Contact"].live, 50);
    assert_eq!(org.check(true, &mut |_| {}).await.unwrap().damage, []);
}

/// One person among many: what is written again is a small part of the vault.
#[tokio::test]
async fn erasing_one_of_many_rewrites_little() {
    let store = Counted::new(memory());
    let org = plain_vault(Arc::new(store.clone())).await.org(ORG).await.unwrap();
    let held = lock(&org).await;
    let unfinished = org.begin(&held).await.unwrap();
    let mut capture = unfinished.capture("Contact", &account(), CaptureKind::Everything).await.unwrap();
    for part in 0..140u64 {
        // Text that does not shrink: what compression makes of rows is not the question here.
        let noise = |row: u64| blake3::hash(&(part * 10_000 + row).to_le_bytes()).to_hex().repeat(32);
        let names: Vec<String> = (0..500).map(noise).collect();
        let ids: Vec<String> = (0..500).map(|row| format!("003{:09}", part * 500 + row)).collect();
        let rows: Vec<Record<'_>> =
            ids.iter().zip(&names).map(|(id, name)| (id.as_str(), false, name.as_str(), "1")).collect();
        capture.push(accounts(&rows)).await.unwrap();
    }
    capture.finish(json!({})).await.unwrap();
    unfinished.finish(draft()).await.unwrap();
    let whole = store.bytes();
    let one = "003000030000".to_owned();
    let records = BTreeMap::from([("Contact".to_owned(), BTreeSet::from([one.clone()]))]);
    let draft = ErasureDraft { object: "Contact".into(), ids: vec![one], records, ..ErasureDraft::default() };
    org.erase(&held, draft).await.unwrap();
    let rewritten = store.bytes() - whole;
    assert!(rewritten * 50 < whole, "{rewritten} bytes rewritten of {whole}");
    assert!(rewritten > 0);
}

/// Every store operation of an erasure fails before and after its effect. Run again, or by the next backup, it is complete.
#[tokio::test(start_paused = true)]
async fn any_operation_of_an_erasure_may_fail() {
    let base = Arc::new(InMemory::new());
    let vault = Vault::init(base.clone() as Arc<dyn ObjectStore>, Protection::None).await.unwrap().0;
    let org = vault.org(ORG).await.unwrap();
    let bodies = fill(&org).await;
    let mut expected = states(&org).await;
    expected.iter_mut().for_each(|state| _ = state.remove(GONE));
    let run = async |store: Arc<dyn ObjectStore>| {
        let org = Vault::open(store, Unlock::None).await?.org(ORG).await?;
        let lock = org.lock("sweep", now()).await?;
        let outcome = org.erase(&lock, wanted(&bodies)).await;
        let _ = lock.release().await;
        outcome.map(|_| ())
    };
    let quiet = Faulty::new(Arc::new(base.fork()), None);
    run(Arc::new(quiet.clone())).await.unwrap();
    let operations = quiet.operations();
    assert!((30..250).contains(&operations), "{operations} operations");
    let mut failures = 0;
    for number in 0..operations {
        // The reply lost after the effect matters where there is an effect; both kinds alternate with who completes it.
        for (fault, by_backup) in [(Fault::Before, number % 2 == 0), (Fault::After, number % 2 == 1)] {
            let store: Arc<dyn ObjectStore> = Arc::new(base.fork());
            let faulty = Faulty::new(store.clone(), Some((number, fault)));
            failures += u32::from(run(Arc::new(faulty)).await.is_err());
            let _ = store.delete(&Path::from(format!("orgs/{ORG}/lock"))).await;
            let org = Vault::open(store.clone(), Unlock::None).await.unwrap().org(ORG).await.unwrap();
            let begun = !org.erased().await.unwrap().is_empty();
            if by_backup && begun {
                let lock = org.lock("sweep", now() + TimeDelta::days(1)).await.unwrap();
                // Files that still have the record may be merged in between.
                org.compact(&lock).await.unwrap();
                org.begin(&lock).await.unwrap();
                lock.release().await.unwrap();
            } else {
                run(store.clone()).await.unwrap_or_else(|error| panic!("again after {fault:?} {number}: {error:?}"));
            }
            let org = Vault::open(store.clone(), Unlock::None).await.unwrap().org(ORG).await.unwrap();
            assert_eq!(states(&org).await[..8], expected, "after {fault:?} {number}");
            let left = telling(store.as_ref()).await;
            assert!(left.iter().all(|line| line.contains("/restores/")), "after {fault:?} {number}: {left:?}");
        }
    }
    assert!(failures > 20, "faults were noticed: {failures}");
}
