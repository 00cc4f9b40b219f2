// SPDX-License-Identifier: Apache-2.0
//! The sweep: every store operation of a backup fails once before and once after its effect; run again, the vault holds
//! the same as if nothing had happened.

use std::sync::Arc;

use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt as _};
use orgkeep_vault::{CaptureKind, Protection, Result, Scan, Unlock, Vault};
use serde_json::json;

use crate::world::*;

/// What a backup run does: what is captured already is left alone, as the engine does.
async fn run(vault: &Vault, round: u64) -> Result<()> {
    let org = vault.org(ORG).await?;
    let lock = org.lock("sweep", now()).await?;
    let outcome = async {
        if org.manifests().await?.len() as u64 >= round {
            return Ok(());
        }
        let unfinished = org.begin(&lock).await?;
        unfinished.put_document("describe", b"{\"name\":\"Account\"}").await?;
        let blobs = unfinished.blobs().await?;
        let body = format!("body of round {round}");
        blobs.put(futures::stream::iter([Ok::<_, std::convert::Infallible>(body.into_bytes().into())])).await.map_err(
            |error| match error {
                orgkeep_vault::BlobError::Vault(error) => error,
                orgkeep_vault::BlobError::Body(never) => match never {},
            },
        )?;
        blobs.commit().await?;
        for object in ["Account", "Contact"] {
            if unfinished.outcomes().contains_key(object) {
                continue;
            }
            let kind = if round == 1 { CaptureKind::Everything } else { CaptureKind::Changes };
            let mut capture = unfinished.capture(object, &account(), kind).await?;
            let name = format!("{object} {round}");
            let rows = [("001A", false, "first", ""), ("001B", round > 1, name.as_str(), "5")];
            capture.push(accounts(&rows)).await?;
            capture.finish(json!({})).await?;
        }
        unfinished.finish(draft()).await?;
        Ok(())
    }
    .await;
    // A killed process gives no lock back; ten minutes later it is taken over. Here it is given back at once.
    let _ = lock.release().await;
    outcome
}

async fn contents(vault: &Vault) -> Vec<String> {
    let org = vault.org(ORG).await.unwrap();
    let mut contents = Vec::new();
    for manifest in org.manifests().await.unwrap() {
        for (object, captured) in &manifest.objects {
            contents.push(format!("{} {object} {captured:?}", manifest.sequence));
            let options = Scan { with_deleted: true, ..Scan::default() };
            let rows = table(&collect(org.scan(object, manifest.sequence, options).await.unwrap()).await);
            contents.push(format!("{rows:?}"));
        }
        let hash = blake3::hash(format!("body of round {}", manifest.sequence).as_bytes()).to_hex();
        assert!(org.has_blob(&hash).await.unwrap());
    }
    assert_eq!(org.check(true, &mut |_| {}).await.unwrap().damage, []);
    contents
}

/// Bytes of a file differ from run to run only where it was written twice; leave them out of the comparison.
fn essence(contents: Vec<String>) -> Vec<String> {
    contents.into_iter().map(|line| line.split(", bytes: ").next().unwrap().to_owned()).collect()
}

async fn sweep(base: &InMemory, round: u64) {
    let quiet = Faulty::new(Arc::new(base.fork()), None);
    let vault = Vault::open(Arc::new(quiet.clone()) as Arc<dyn ObjectStore>, Unlock::None).await.unwrap();
    let opened = quiet.operations();
    run(&vault, round).await.unwrap();
    let operations = quiet.operations();
    let expected = essence(contents(&vault).await);
    // Long enough to mean something, and short enough for a bucket: the whole backup of two objects, a body and a document.
    assert!((20..100).contains(&(operations - opened)), "{} operations", operations - opened);
    let mut failures = 0;
    for number in opened..operations {
        for fault in [Fault::Before, Fault::After] {
            let store: Arc<dyn ObjectStore> = Arc::new(base.fork());
            let faulty = Faulty::new(store.clone(), Some((number, fault)));
            let vault = Vault::open(Arc::new(faulty) as Arc<dyn ObjectStore>, Unlock::None).await.unwrap();
            failures += u32::from(run(&vault, round).await.is_err());
            let _ = store.delete(&object_store::path::Path::from(format!("orgs/{ORG}/lock"))).await;
            let vault = Vault::open(store, Unlock::None).await.unwrap();
            run(&vault, round).await.unwrap_or_else(|error| panic!("again after {fault:?} {number}: {error:?}"));
            assert_eq!(essence(contents(&vault).await), expected, "after {fault:?} {number}");
        }
    }
    assert!(failures > 20, "faults were noticed: {failures}");
}

#[tokio::test(start_paused = true)]
async fn any_operation_of_a_backup_may_fail() {
    // A first backup, and one that finds tables, blobs and documents there.
    for round in [1, 2] {
        let base = Arc::new(InMemory::new());
        let vault = Vault::init(base.clone() as Arc<dyn ObjectStore>, Protection::None).await.unwrap().0;
        for before in 1..round {
            run(&vault, before).await.unwrap();
        }
        sweep(&base, round).await;
    }
}
