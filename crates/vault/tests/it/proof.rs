// SPDX-License-Identifier: Apache-2.0
//! Seals and attestations: what they notice, and what they live through.

use std::sync::Arc;

use futures::TryStreamExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use orgkeep_vault::{Attestation, CaptureKind, Kind, OrgVault, Protection, Secret, Unlock, Vault};

use crate::world::*;

async fn two_backups(org: &OrgVault) {
    backup(org, CaptureKind::Everything, vec![accounts(&[("001A", false, "a", "1"), ("001B", false, "b", "2")])]).await;
    let lock = lock(org).await;
    let unfinished = org.begin(&lock).await.unwrap();
    capture(&unfinished, "Contact", CaptureKind::Everything, vec![accounts(&[("003A", false, "c", "3")])]).await;
    unfinished.finish(draft()).await.unwrap();
    lock.release().await.unwrap();
}

async fn paths(store: &dyn ObjectStore, ending: &str) -> Vec<Path> {
    let listed: Vec<_> = store.list(None).try_collect().await.unwrap();
    let mut paths: Vec<Path> = listed.into_iter().map(|meta| meta.location).collect();
    paths.retain(|path| path.as_ref().ends_with(ending));
    paths.sort();
    paths
}

#[tokio::test]
async fn every_manifest_says_its_whole_state_and_has_its_seal() {
    for protection in [Protection::None, Protection::Passphrase(Secret::new("p"))] {
        let store = memory();
        let vault = Vault::init(store.clone(), protection).await.unwrap().0;
        let org = vault.org(ORG).await.unwrap();
        two_backups(&org).await;
        let manifests = org.manifests().await.unwrap();
        assert_eq!(manifests[0].state.keys().collect::<Vec<_>>(), ["Account"]);
        assert_eq!(
            manifests[1].state.keys().collect::<Vec<_>>(),
            ["Account", "Contact"],
            "what was held is carried on"
        );
        assert_eq!(manifests[1].state["Account"], manifests[0].state["Account"]);
        for manifest in &manifests {
            let statement = org.seal(manifest.sequence).await.unwrap().verified().unwrap();
            assert_eq!(statement.manifest, manifest.hash);
            assert_eq!(statement.root, manifest.root);
            assert_eq!(statement.public_key, vault.public_key());
        }
        assert_eq!(org.check(true, &mut |_| {}).await.unwrap().damage, []);
        // A manifest that was exchanged by who can write but not seal, hashes and all, is noticed.
        let seal = paths(store.as_ref(), ".seal.json.zst").await.remove(1);
        let whole = store.get(&seal).await.unwrap().bytes().await.unwrap();
        store.delete(&seal).await.unwrap();
        let org = vault.org(ORG).await.unwrap();
        assert_eq!(org.check(false, &mut |_| {}).await.unwrap().damage.len(), 1);
        assert_eq!(org.seal(2).await.unwrap_err().kind(), Kind::NotFound);
        store.put(&seal, whole.into()).await.unwrap();
        assert_eq!(org.check(false, &mut |_| {}).await.unwrap().damage, []);
    }
}

#[tokio::test]
async fn an_attestation_holds_until_something_differs() {
    let store = memory();
    let vault = Vault::init(store.clone(), Protection::None).await.unwrap().0;
    let org = vault.org(ORG).await.unwrap();
    two_backups(&org).await;
    let file = org.attest(2).await.unwrap().to_json();
    let attestation = Attestation::parse(&file).unwrap();
    assert_eq!(attestation.verified().unwrap().sequence, 2);
    // Later backups change nothing.
    backup(&org, CaptureKind::Changes, vec![accounts(&[("001A", false, "changed", "1")])]).await;
    let verification = org.verify(&attestation, &mut |_| {}).await.unwrap();
    assert!(verification.holds(), "{verification:?}");
    assert_eq!(verification.objects, 2);

    // The file was changed: a record less, another signature.
    let mut other = attestation.clone();
    other.state.get_mut("Account").unwrap().live = 1;
    assert_eq!(other.verified().unwrap_err().kind(), Kind::Corrupt);
    let mut other = attestation.clone();
    other.seal.statement = other.seal.statement.replace("\"sequence\":2", "\"sequence\":3");
    assert_eq!(other.verified().unwrap_err().kind(), Kind::Corrupt);
    assert_eq!(Attestation::parse(b"{}").unwrap_err().kind(), Kind::Invalid);

    // Rows were exchanged behind the manifests, which still say what they said.
    let forged = Vault::init(memory(), Protection::None).await.unwrap().0.org(ORG).await.unwrap();
    backup(&forged, CaptureKind::Everything, vec![accounts(&[("001A", false, "a", "1"), ("001B", false, "x", "2")])])
        .await;
    let other = forged.attest(1).await.unwrap();
    assert_eq!(org.verify(&other, &mut |_| {}).await.unwrap_err().kind(), Kind::Invalid, "of another vault");
    let log = Path::from(format!("orgs/{ORG}/objects/Contact/_delta_log/00000000000000000000.json"));
    let commit = store.get(&log).await.unwrap().bytes().await.unwrap();
    store.delete(&log).await.unwrap();
    let org = vault.org(ORG).await.unwrap();
    let verification = org.verify(&attestation, &mut |_| {}).await.unwrap();
    assert!(!verification.holds() && verification.in_chain);
    assert_eq!(verification.differences.len(), 1);
    assert_eq!((verification.differences[0].object.as_str(), &verification.differences[0].found), ("Contact", &None));
    store.put(&log, commit.into()).await.unwrap();
    assert!(org.verify(&attestation, &mut |_| {}).await.unwrap().holds());
}

#[tokio::test]
async fn a_vault_put_back_to_an_older_copy_does_not_contain_what_was_seen() {
    let store = Arc::new(InMemory::new());
    let vault = Vault::init(store.clone() as Arc<dyn ObjectStore>, Protection::None).await.unwrap().0;
    let org = vault.org(ORG).await.unwrap();
    let rows = |name| vec![accounts(&[("001A", false, name, "")])];
    backup(&org, CaptureKind::Changes, rows("one")).await;
    let copy: Arc<dyn ObjectStore> = Arc::new(store.fork());
    let (seen, _) = backup(&org, CaptureKind::Changes, rows("two")).await;
    assert!(org.contains(2, &seen.hash).await.unwrap());
    let copy = Vault::open(copy, Unlock::None).await.unwrap().org(ORG).await.unwrap();
    assert!(!copy.contains(2, &seen.hash).await.unwrap(), "older");
    backup(&copy, CaptureKind::Changes, rows("another two")).await;
    assert!(!copy.contains(2, &seen.hash).await.unwrap(), "continued: a fork");
    backup(&copy, CaptureKind::Changes, rows("three")).await;
    assert!(!copy.contains(2, &seen.hash).await.unwrap());
    assert!(copy.contains(1, seen.predecessor.as_ref().unwrap()).await.unwrap());
}
