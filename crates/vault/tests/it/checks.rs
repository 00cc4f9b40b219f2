// SPDX-License-Identifier: Apache-2.0
//! Checks that read a share at a time, what they remember, and every single byte flipped.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use futures::TryStreamExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use orgkeep_vault::{
    CaptureKind, CheckOptions, CheckReport, Extent, OrgVault, Protection, Scan, Secret, Unlock, Vault,
};

use crate::everything::{self, Size};
use crate::world::*;

async fn check(org: &OrgVault, extent: Extent, now: DateTime<Utc>) -> CheckReport {
    org.check_with(CheckOptions { extent, now: Some(now) }, &mut |_| {}).await.unwrap()
}

/// Several objects with several files each, a body, a document.
async fn filled(vault: &Vault) -> OrgVault {
    let org = vault.org(ORG).await.unwrap();
    // Fewer than are merged.
    for round in 0..5 {
        let lock = lock(&org).await;
        let unfinished = org.begin(&lock).await.unwrap();
        for object in ["Account", "Contact", "Lead"] {
            let ids: Vec<String> = (0..200).map(|row| format!("{object}{row:04}")).collect();
            let name = format!("{object} {round}");
            let rows: Vec<Record<'_>> = ids.iter().map(|id| (id.as_str(), false, name.as_str(), "1")).collect();
            capture(&unfinished, object, CaptureKind::Changes, vec![accounts(&rows)]).await;
        }
        let blobs = unfinished.blobs().await.unwrap();
        let body = bytes::Bytes::from(vec![round; 1000]);
        blobs.put(futures::stream::iter([Ok::<_, std::io::Error>(body)])).await.unwrap();
        blobs.commit().await.unwrap();
        unfinished.put_document("describe", format!("{{\"round\":{round}}}").as_bytes()).await.unwrap();
        unfinished.finish(draft()).await.unwrap();
        lock.release().await.unwrap();
    }
    org
}

#[tokio::test]
async fn shares_add_up_to_the_whole_and_begin_with_what_was_read_longest_ago() {
    let store = memory();
    let vault = Vault::init(store, Protection::Passphrase(Secret::new("p"))).await.unwrap().0;
    let org = filled(&vault).await;
    let structure = check(&org, Extent::Nothing, now()).await;
    let whole = structure.content.whole_bytes;
    assert_eq!((structure.content.read_bytes, structure.content.never_bytes), (0, whole));
    let mut read = 0;
    for day in 0..5 {
        let report = check(&org, Extent::Share(0.2), now() + TimeDelta::days(day)).await;
        assert_eq!(report.damage, []);
        assert!(report.content.read_bytes * 5 >= whole && report.content.read_bytes * 5 < whole * 2, "{report:?}");
        read += report.content.read_bytes;
        // Every day another part: what was never read comes before what was.
        assert_eq!(report.content.never_bytes, whole.saturating_sub(read), "day {day}");
    }
    let report = check(&org, Extent::Nothing, now() + TimeDelta::days(4)).await;
    assert!(report.content.oldest >= Some(now()));
    let within: Vec<u64> = report.content.within.iter().map(|within| within.bytes).collect();
    assert!(within[0] < whole && within[1..] == [whole, whole, whole], "{report:?}");
    // The next share is that of the first day.
    let report = check(&org, Extent::Bytes(1), now() + TimeDelta::days(5)).await;
    assert!(report.content.read_bytes > 0 && report.content.read_bytes * 5 < whole);
    for day in 6..12 {
        check(&org, Extent::Share(0.2), now() + TimeDelta::days(day)).await;
    }
    let report = check(&org, Extent::Nothing, now() + TimeDelta::days(12)).await;
    assert!(report.content.oldest > Some(now() + TimeDelta::days(4)), "{:?}", report.content);
}

#[tokio::test]
async fn damage_is_remembered_by_object_and_range_until_it_is_mended() {
    let store = memory();
    let vault = Vault::init(store.clone(), Protection::None).await.unwrap().0;
    let org = filled(&vault).await;
    let listed: Vec<_> =
        store.list(Some(&Path::from(format!("orgs/{ORG}/objects/Contact")))).try_collect().await.unwrap();
    let mut files: Vec<Path> = listed.into_iter().map(|meta| meta.location).collect();
    files.retain(|path| path.as_ref().ends_with(".parquet"));
    files.sort();
    let whole = store.get(&files[2]).await.unwrap().bytes().await.unwrap();
    let mut bytes = whole.to_vec();
    let middle = bytes.len() / 3;
    bytes[middle..middle + 30].fill(0xaa);
    store.put(&files[2], bytes.into()).await.unwrap();
    assert_eq!(check(&org, Extent::Nothing, now()).await.damage, []);
    assert_eq!(org.damaged().await.unwrap(), []);
    let report = check(&org, Extent::Everything, now()).await;
    assert_eq!(report.damage.len(), 1, "{:?}", report.damage);
    let damage = &report.damage[0];
    assert_eq!((damage.path.as_str(), damage.object.as_deref()), (files[2].as_ref(), Some("Contact")));
    assert_eq!(damage.ids, Some(("Contact0000".to_owned(), "Contact0199".to_owned())));
    assert_eq!(damage.backups, [3, 4, 5]);
    let remembered = org.damaged().await.unwrap();
    assert_eq!(remembered.len(), 1);
    assert!(files[2].as_ref().ends_with(&remembered[0].path), "{remembered:?}");
    // What is whole stays readable: other objects, and this one as of before.
    for (object, at) in [("Account", 5), ("Lead", 5), ("Contact", 2)] {
        assert_eq!(table(&collect(org.scan(object, at, Scan::default()).await.unwrap()).await).len(), 200);
    }
    // It was never read whole, so the next share begins with it; brought back from a copy, it is forgotten.
    store.put(&files[2], whole.into()).await.unwrap();
    check(&org, Extent::Everything, now()).await;
    assert_eq!(org.damaged().await.unwrap(), []);
}

#[tokio::test]
async fn a_check_that_writes_nothing_writes_nothing() {
    let store = memory();
    let vault = Vault::init(store.clone(), Protection::None).await.unwrap().0;
    let org = filled(&vault).await;
    let before: Vec<_> = store.list(None).map_ok(|meta| (meta.location, meta.e_tag)).try_collect().await.unwrap();
    org.check(true, &mut |_| {}).await.unwrap();
    let after: Vec<_> = store.list(None).map_ok(|meta| (meta.location, meta.e_tag)).try_collect().await.unwrap();
    assert_eq!(before, after);
}

/// What a reader can get out of a small vault; an error in its place.
async fn contents(org: &OrgVault) -> Result<String, orgkeep_vault::Error> {
    let mut text = String::new();
    for manifest in org.manifests().await? {
        text.push_str(&format!("{manifest:?}"));
        for object in manifest.state.keys() {
            let options = Scan { with_deleted: true, ..Scan::default() };
            let rows: Vec<_> = org.scan(object, manifest.sequence, options).await?.try_collect().await?;
            text.push_str(&format!("{:?}", table(&rows)));
            let ids = Some(vec!["001B".to_owned()]);
            let rows: Vec<_> =
                org.scan(object, manifest.sequence, Scan { ids, ..Scan::default() }).await?.try_collect().await?;
            text.push_str(&format!("{:?}", table(&rows)));
        }
    }
    for round in 1..=5 {
        let hash = blake3::hash(format!("body of round {round}").as_bytes()).to_hex();
        let bytes: Vec<_> = org.blob(&hash).await?.try_collect::<Vec<bytes::Bytes>>().await?;
        text.push_str(&format!("{bytes:?}"));
    }
    // What decides of what goes, and what must not come back.
    text.push_str(&format!("{:?}{:?}{:?}", org.retention().await?, org.erased().await?.erasures, org.lost().await?));
    for id in org.restores().await? {
        let ledger = org.restore_open(&id).await?;
        text.push_str(&format!("{:?}{:?}", ledger.plan().await?, ledger.entries().await?));
    }
    Ok(text)
}

/// Every byte takes more than an hour: built with `ORGKEEP_EVERY_BYTE=1` the tests do so, else they take one in so many.
const STRIDE: usize = if option_env!("ORGKEEP_EVERY_BYTE").is_some() { 1 } else { 101 };

/// The bytes of a small vault, one after the other: a check finds it, or nobody can tell.
async fn every_byte_flipped(protection: Protection, unlock: Unlock) {
    let base = Arc::new(InMemory::new());
    let vault = everything::full(base.clone(), protection, Size::Least).await;
    let org = vault.org(ORG).await.unwrap();
    let expected = contents(&org).await.unwrap();
    let paths: Vec<Path> = base.list(None).map_ok(|meta| meta.location).try_collect().await.unwrap();
    let (mut found, mut harmless) = (0, 0);
    for path in paths {
        let whole = base.get(&path).await.unwrap().bytes().await.unwrap();
        for position in (path.as_ref().len() % STRIDE..whole.len()).step_by(STRIDE) {
            let mut bytes = whole.to_vec();
            bytes[position] ^= 1 << (position % 7);
            let store: Arc<dyn ObjectStore> = Arc::new(base.fork());
            store.put(&path, bytes.into()).await.unwrap();
            // Stretching a passphrase takes long; only where it can matter is the vault opened anew.
            let opened = if path.as_ref() == "vault.json" || matches!(unlock, Unlock::None) {
                Vault::open(store, unlock.clone()).await
            } else {
                Ok(vault.at(store))
            };
            let noticed = async {
                let opened = opened?;
                // Each org by itself: a byte of the one is no matter of the other.
                let other = path.as_ref().contains(everything::OTHER_ORG);
                let org = opened.org(if other { everything::OTHER_ORG } else { ORG }).await?;
                let damage = org.check(true, &mut |_| {}).await?.damage;
                Ok::<_, orgkeep_vault::Error>((org, damage))
            };
            let Ok((org, damage)) = noticed.await else {
                found += 1;
                continue;
            };
            if !damage.is_empty() {
                found += 1;
                continue;
            }
            harmless += 1;
            let org = if org.id() == ORG { org } else { org.vault().org(ORG).await.unwrap() };
            let same = contents(&org).await.map_err(|error| error.chain());
            assert_eq!(same.as_ref(), Ok(&expected), "byte {position} of {path}");
        }
    }
    assert!(found > 5000 / STRIDE && found > harmless, "{found} found, {harmless} harmless");
}

#[tokio::test]
async fn every_byte_of_an_encrypted_vault_flipped_is_found_or_harmless() {
    let passphrase = Secret::new("p");
    every_byte_flipped(Protection::Passphrase(passphrase.clone()), Unlock::Passphrase(passphrase)).await;
}

#[tokio::test]
async fn every_byte_of_a_plain_vault_flipped_is_found_or_harmless() {
    every_byte_flipped(Protection::None, Unlock::None).await;
}
