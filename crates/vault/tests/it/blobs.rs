// SPDX-License-Identifier: Apache-2.0
//! Bodies of files: stored once, found by their hash, checked when read.

use std::sync::Arc;

use bytes::Bytes;
use futures::stream::iter;
use futures::{StreamExt, TryStreamExt};
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt as _};
use orgkeep_vault::{BlobError, BlobRef, BlobWriter, Kind, Location, OrgVault, Protection, Secret, Unlock, Vault};

use crate::world::*;

async fn put(blobs: &BlobWriter, body: &[u8]) -> BlobRef {
    let parts: Vec<Result<Bytes, std::io::Error>> =
        body.chunks(100_000).map(|part| Ok(Bytes::copy_from_slice(part))).collect();
    blobs.put(iter(parts)).await.unwrap()
}

async fn get(org: &OrgVault, hash: &str) -> Vec<u8> {
    let parts: Vec<Bytes> = org.blob(hash).await.unwrap().try_collect().await.unwrap();
    parts.concat()
}

fn noise(length: usize, seed: u8) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().update(&[seed]).finalize_xof().fill(&mut bytes);
    bytes
}

#[tokio::test]
async fn bodies_of_every_size_come_back_and_are_stored_once() {
    let store = memory();
    let protection = Protection::Passphrase(Secret::new("p"));
    let vault = Vault::init(store.clone(), protection).await.unwrap().0;
    let org = vault.org(ORG).await.unwrap();
    let lock = lock(&org).await;
    let sizes = [0, 1, 65_535, 65_536, 65_537, 900_000, 1_048_576, 1_500_000, 20_000_000];
    let mut stored = Vec::new();
    for round in 0..2u8 {
        let unfinished = org.begin(&lock).await.unwrap();
        let blobs = unfinished.blobs().await.unwrap();
        for size in sizes {
            // The second round brings the same bodies again, and one new one.
            stored.push((put(&blobs, &noise(size, 1)).await, size));
        }
        put(&blobs, &noise(10, 100 + round)).await;
        assert!(blobs.has(&stored[0].0.hash).await.unwrap());
        blobs.commit().await.unwrap();
        unfinished.finish(draft()).await.unwrap();
    }
    let fresh = vault.org(ORG).await.unwrap();
    for (reference, size) in &stored {
        let body = noise(*size, 1);
        assert_eq!((reference.length, get(&fresh, &reference.hash).await), (*size as u64, body));
    }
    assert_eq!(stored[0].0.md5, "d41d8cd98f00b204e9800998ecf8427e");
    let mut listed = store.list(Some(&object_store::path::Path::from(format!("orgs/{ORG}/blobs/large"))));
    let mut large = 0;
    while listed.try_next().await.unwrap().is_some() {
        large += 1;
    }
    assert_eq!(large, 3);
    assert_eq!(fresh.check(true, &mut |_| {}).await.unwrap().damage, []);
    assert_eq!(fresh.blob(&"0".repeat(64)).await.err().unwrap().kind(), Kind::NotFound);
    assert_eq!(fresh.blob("nonsense").await.err().unwrap().kind(), Kind::Invalid);
}

/// In a folder, and encrypted, the memory of a pack serves the next ones: as bodies, as a file and sealed.
#[tokio::test]
async fn bodies_of_many_packs_come_back_from_an_encrypted_folder() {
    let folder = tempfile::tempdir().unwrap();
    let place = Location::parse(folder.path().to_str().unwrap()).unwrap().open([]).unwrap();
    let vault = Vault::init(place, Protection::Passphrase(Secret::new("p"))).await.unwrap().0;
    let org = vault.org(ORG).await.unwrap();
    let lock = lock(&org).await;
    let unfinished = org.begin(&lock).await.unwrap();
    let blobs = unfinished.blobs().await.unwrap();
    // Longer and shorter ones by turns, several at once: what one leaves behind in memory must not end up in another.
    let body =
        |number: u8| noise(if number.is_multiple_of(3) { 1_000 } else { 1_000_000 - usize::from(number) }, number);
    let put = |number: u8| {
        let blobs = &blobs;
        async move { (number, put(blobs, &body(number)).await.hash) }
    };
    let stored: Vec<(u8, String)> = iter(0..60u8).map(put).buffer_unordered(8).collect().await;
    blobs.commit().await.unwrap();
    unfinished.finish(draft()).await.unwrap();
    let packs = std::fs::read_dir(folder.path().join(format!("orgs/{ORG}/blobs"))).unwrap();
    let is_pack = |name: &std::ffi::OsStr| name.to_string_lossy().ends_with(".parquet");
    assert!(packs.filter(|entry| is_pack(&entry.as_ref().unwrap().file_name())).count() > 3);
    let fresh = vault.org(ORG).await.unwrap();
    for (number, hash) in stored {
        assert!(get(&fresh, &hash).await == body(number), "{number}");
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_leaves_nothing() {
    let org = plain_org().await;
    let lock = lock(&org).await;
    let unfinished = org.begin(&lock).await.unwrap();
    let blobs = unfinished.blobs().await.unwrap();
    for before in [1, 30] {
        let parts = (0..before).map(|_| Ok(Bytes::from(vec![7; 100_000]))).chain([Err("cut off")]);
        assert!(matches!(blobs.put(iter(parts)).await, Err(BlobError::Body("cut off"))));
    }
    blobs.commit().await.unwrap();
    unfinished.finish(draft()).await.unwrap();
    assert_eq!(org.check(true, &mut |_| {}).await.unwrap().damage, []);
}

#[tokio::test]
async fn bodies_of_a_killed_run_are_swept_or_kept_but_never_half() {
    let store = memory();
    let vault = plain_vault(store.clone()).await;
    let org = vault.org(ORG).await.unwrap();
    let held = lock(&org).await;
    let unfinished = org.begin(&held).await.unwrap();
    let blobs = unfinished.blobs().await.unwrap();
    let kept = put(&blobs, &noise(2_000_000, 1)).await;
    blobs.commit().await.unwrap();
    let lost = put(&blobs, &noise(3_000_000, 2)).await;
    drop((blobs, unfinished));
    held.release().await.unwrap();
    let org = vault.org(ORG).await.unwrap();
    let held = lock(&org).await;
    let unfinished = org.begin(&held).await.unwrap();
    let blobs = unfinished.blobs().await.unwrap();
    assert!(blobs.has(&kept.hash).await.unwrap());
    assert!(!blobs.has(&lost.hash).await.unwrap());
    let large = object_store::path::Path::from(format!("orgs/{ORG}/blobs/large"));
    let left: Vec<_> = store.list(Some(&large)).try_collect().await.unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(put(&blobs, &noise(3_000_000, 2)).await, lost);
    blobs.commit().await.unwrap();
    assert_eq!(get(&org, &lost.hash).await, noise(3_000_000, 2));
    let path = &left[0].location;
    let mut bytes = store.get(path).await.unwrap().bytes().await.unwrap().to_vec();
    bytes[1_000_000] ^= 1;
    store.put(path, bytes.into()).await.unwrap();
    let read: Result<Vec<Bytes>, _> = org.blob(&kept.hash).await.unwrap().try_collect().await;
    assert_eq!(read.unwrap_err().kind(), Kind::Corrupt);
}

#[tokio::test]
async fn a_body_is_known_by_its_md5_in_every_org_of_a_vault_as_long_as_it_is_there() {
    let store = memory();
    let vault = Vault::init(store.clone(), Protection::Passphrase(Secret::new("p"))).await.unwrap().0;
    let (first, second) = (vault.org(ORG).await.unwrap(), vault.org("00D000000000002EAA").await.unwrap());
    let mut sums = std::collections::HashSet::new();
    for (org, seeds) in [(&first, [1, 2]), (&second, [2, 3])] {
        let lock = lock(org).await;
        let unfinished = org.begin(&lock).await.unwrap();
        let blobs = unfinished.blobs().await.unwrap();
        for seed in seeds {
            sums.insert(put(&blobs, &noise(1_500_000, seed)).await.md5);
        }
        blobs.commit().await.unwrap();
        unfinished.finish(draft()).await.unwrap();
        lock.release().await.unwrap();
    }
    sums.insert("0".repeat(32));
    let known = second.bodies_by_md5(&sums).await.unwrap();
    assert_eq!((known.len(), known.values().filter(|body| body.is_here()).count()), (3, 2));
    let elsewhere = known.values().find(|body| !body.is_here()).unwrap();
    let parts: Vec<Bytes> = elsewhere.open().await.unwrap().unwrap().try_collect().await.unwrap();
    assert_eq!((parts.concat(), elsewhere.length), (noise(1_500_000, 1), 1_500_000));
    // What has gone there fails to open, and is not known any more.
    let folder = object_store::path::Path::from(format!("orgs/{ORG}/blobs"));
    let listed: Vec<_> = store.list(Some(&folder)).try_collect().await.unwrap();
    for file in listed {
        store.delete(&file.location).await.unwrap();
    }
    assert!(
        elsewhere.open().await.is_err() || {
            let body = elsewhere.open().await.unwrap().unwrap();
            body.try_collect::<Vec<Bytes>>().await.is_err()
        }
    );
    assert_eq!(second.bodies_by_md5(&sums).await.unwrap().len(), 2);
}

/// Brings bodies that fill a pack and begin another, four at a time; whether all were taken and committed.
async fn bring(org: &OrgVault, bodies: &[Vec<u8>]) -> Result<(), Box<dyn std::error::Error>> {
    let lock = org.lock("test", now()).await?;
    let blobs = org.begin(&lock).await?.blobs().await?;
    let puts = bodies.iter().map(|body| {
        let parts = body.chunks(100_000).map(|part| Ok::<_, std::io::Error>(Bytes::copy_from_slice(part)));
        blobs.put(iter(parts.collect::<Vec<_>>()))
    });
    let put: Vec<_> = iter(puts).buffer_unordered(4).collect().await;
    let committed = blobs.commit().await;
    let refused = put.into_iter().find_map(Result::err);
    assert!(refused.is_none() || committed.is_err(), "committed, although {refused:?}");
    Ok(committed?)
}

#[tokio::test]
async fn a_pack_that_is_written_while_the_next_one_fills_is_kept_or_its_failure_is_told() {
    let bodies: Vec<Vec<u8>> = (0..21).map(|seed| noise(900_000, seed)).collect();
    let base = Arc::new(InMemory::new());
    Vault::init(base.clone() as Arc<dyn ObjectStore>, Protection::None).await.unwrap();
    let open =
        async |store: Arc<dyn ObjectStore>| Vault::open(store, Unlock::None).await.unwrap().org(ORG).await.unwrap();
    let quiet = Faulty::new(Arc::new(base.fork()), None);
    bring(&open(Arc::new(quiet.clone())).await, &bodies).await.unwrap();
    let (mut told, mut kept) = (0, 0);
    for number in 0..quiet.operations() {
        for fault in [Fault::Before, Fault::After] {
            let store: Arc<dyn ObjectStore> = Arc::new(base.fork());
            let faulty: Arc<dyn ObjectStore> = Arc::new(Faulty::new(store.clone(), Some((number, fault))));
            let Ok(vault) = Vault::open(faulty, Unlock::None).await else { continue };
            let Ok(org) = vault.org(ORG).await else { continue };
            if bring(&org, &bodies).await.is_err() {
                told += 1;
                continue;
            }
            kept += 1;
            let fresh = open(store).await;
            for body in &bodies {
                assert_eq!(&get(&fresh, blake3::hash(body).to_hex().as_str()).await, body, "{fault:?} {number}");
            }
        }
    }
    // A lost reply is looked after, so that some of these are no failures.
    assert!(told > 10 && kept > 0, "{told} failures were told, {kept} were none");
}
