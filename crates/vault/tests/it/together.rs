// SPDX-License-Identifier: Apache-2.0
//! What keeps a vault small and private, one together with another: attestations, keys and copies after an erasure and an expiry, bodies
//! that nothing refers to, and storage that refuses to remove.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::TimeDelta;
use futures::TryStreamExt;
use futures::stream::{BoxStream, StreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult,
};
use orgkeep_vault::{
    Attestation, CaptureKind, ErasureDraft, Kind, OrgVault, Place, Policy, Protection, Retention, Secret, Unlock,
    Vault, copy,
};

use crate::world::*;

const GONE: &str = "001ERIKA";

fn passphrase() -> Unlock {
    Unlock::Passphrase(Secret::new("p"))
}

/// Four backups: a person who comes, changes and stays, and somebody who changes every time.
async fn filled(store: Arc<dyn ObjectStore>) -> (Vault, OrgVault) {
    let vault = Vault::init(store, Protection::Passphrase(Secret::new("p"))).await.unwrap().0;
    let org = vault.org(ORG).await.unwrap();
    for round in 1..=4 {
        let name = format!("round {round}");
        let mut rows: Vec<Record<'_>> = vec![("001OTHER", false, name.as_str(), "")];
        if round % 2 == 0 {
            rows.push((GONE, false, name.as_str(), "1"));
        }
        backup(&org, CaptureKind::Changes, vec![accounts(&rows)]).await;
    }
    (vault, org)
}

async fn erase(org: &OrgVault) -> orgkeep_vault::Erasure {
    let lock = lock(org).await;
    let records = BTreeMap::from([("Account".to_owned(), BTreeSet::from([GONE.to_owned()]))]);
    let draft = ErasureDraft { object: "Account".into(), ids: vec![GONE.into()], records, ..ErasureDraft::default() };
    let (erasure, _) = org.erase(&lock, draft).await.unwrap();
    lock.release().await.unwrap();
    erasure
}

async fn sound(org: &OrgVault) {
    assert_eq!(org.check(true, &mut |_| {}).await.unwrap().damage, []);
}

fn digest(text: &str) -> u128 {
    u128::from_str_radix(text, 16).unwrap()
}

#[tokio::test]
async fn an_attestation_from_before_an_erasure_holds_and_names_what_was_erased() {
    let (vault, org) = filled(memory()).await;
    let attested: Vec<Attestation> = [org.attest(1).await.unwrap(), org.attest(3).await.unwrap()].into();
    let erasure = erase(&org).await;
    let org = vault.org(ORG).await.unwrap();
    let before = org.verify(&attested[0], &mut |_| {}).await.unwrap();
    assert!(before.holds() && before.erased.is_empty(), "nothing of it was erased: {before:?}");
    let verification = org.verify(&attested[1], &mut |_| {}).await.unwrap();
    assert!(verification.holds(), "{verification:?}");
    let [gone] = verification.erased.as_slice() else { panic!("{verification:?}") };
    assert_eq!((gone.object.as_str(), gone.records, gone.erasure), ("Account", 1, 1));
    assert_eq!(gone.certificate, erasure.hash());

    // Without the vault's word: what was attested, less what the certificate says, is what a new attestation says.
    let share = erasure.shares["Account"].iter().rev().find(|share| share.backup <= 3).unwrap();
    let held = &attested[1].state["Account"];
    assert_eq!(held.live - share.live, 1);
    // A vault that never had the record has just that.
    let other = plain_org().await;
    backup(&other, CaptureKind::Everything, vec![accounts(&[("001OTHER", false, "round 3", "")])]).await;
    let rest = digest(&held.digest).wrapping_sub(digest(&share.digest));
    assert_eq!(rest, digest(&other.attest(1).await.unwrap().state["Account"].digest));
    let signed = org.sign_erasure(&erasure).unwrap();
    assert_eq!(signed.public_key, vault.public_key());
    assert!(org.erasure_statement(&erasure).ends_with(&format!("\n1\n{}\n", erasure.hash())));

    // An attestation made since counts nobody who is gone.
    backup(&org, CaptureKind::Changes, vec![accounts(&[("001OTHER", false, "on", "")])]).await;
    let after = org.verify(&org.attest(5).await.unwrap(), &mut |_| {}).await.unwrap();
    assert!(after.holds() && after.erased.is_empty(), "{after:?}");
}

#[tokio::test]
async fn keys_exchanged_after_an_erasure_bring_nothing_back() {
    let store = memory();
    let (vault, org) = filled(store.clone()).await;
    erase(&org).await;
    let held = org.lock("keys", now()).await.unwrap();
    org.rotate(&held, now()).await.unwrap();
    org.continue_rotation(&held, u64::MAX, now()).await.unwrap();
    let last = org.continue_rotation(&held, u64::MAX, now() + TimeDelta::hours(25)).await.unwrap();
    assert!(last.done);
    held.release().await.unwrap();
    vault.add_passphrase(&"second".into(), Some("second")).await.unwrap();
    vault.remove_way("recovery").await.unwrap();
    let org = Vault::open(store, Unlock::Passphrase(Secret::new("second"))).await.unwrap().org(ORG).await.unwrap();
    sound(&org).await;
    assert!(org.erased().await.unwrap().holding("Account", GONE).is_some());
    // The org still gives the record: it is not stored again.
    let rows = [(GONE, false, "still here", "1"), ("001OTHER", false, "five", "")];
    backup(&org, CaptureKind::Changes, vec![accounts(&rows)]).await;
    assert_eq!(names(&org, 5).await, [("001OTHER".to_owned(), "five".to_owned())]);
    assert!(org.history("Account", GONE).await.unwrap().is_empty());
    sound(&org).await;
}

#[tokio::test]
async fn a_copy_made_in_the_time_of_grace_can_undo_an_expiry_and_obeys_the_erasure() {
    let (store, target) = (memory(), memory());
    let (_, org) = filled(store.clone()).await;
    let run = || async {
        let (from, to) = (Place::from(store.clone()), Place::from(target.clone()));
        copy(&from, &to, true, &mut |_, _| {}).await.unwrap()
    };
    // What was copied before it was erased does not outlive the next copy.
    run().await;
    erase(&org).await;
    let held = lock(&org).await;
    org.expire(&held, &[1, 2]).await.unwrap();
    held.release().await.unwrap();
    let mirrored = run().await;
    assert!(mirrored.removed > 0, "{mirrored:?}");
    let copied = Vault::open(target.clone(), passphrase()).await.unwrap().org(ORG).await.unwrap();
    sound(&copied).await;
    let numbers = |manifests: Vec<orgkeep_vault::Manifest>| -> Vec<u64> {
        manifests.iter().map(|manifest| manifest.sequence).collect()
    };
    assert_eq!(numbers(copied.manifests().await.unwrap()), [3, 4]);
    assert!(copied.history("Account", GONE).await.unwrap().is_empty());

    // Undone in the copy alone: all four are there, the record is not.
    let held = lock(&copied).await;
    assert_eq!(copied.unexpire(&held, None).await.unwrap(), [1, 2]);
    held.release().await.unwrap();
    assert_eq!(numbers(copied.manifests().await.unwrap()), [1, 2, 3, 4]);
    assert_eq!(numbers(org.manifests().await.unwrap()), [3, 4]);
    for at in 1..=4 {
        assert_eq!(names(&copied, at).await.len(), 1, "backup {at}");
    }
    sound(&copied).await;
    // The next copy makes it the same as the source again, also when that has removed the backups meanwhile.
    let late = org.lock("test", now() + TimeDelta::days(8)).await.unwrap();
    org.remove_expired(&late, &[1, 2]).await.unwrap();
    late.release().await.unwrap();
    run().await;
    let copied = Vault::open(target.clone(), passphrase()).await.unwrap().org(ORG).await.unwrap();
    assert_eq!(numbers(copied.manifests().await.unwrap()), [3, 4]);
    sound(&copied).await;
}

#[tokio::test]
async fn bodies_that_nothing_refers_to_are_dropped_and_the_others_stay() {
    let store = memory();
    let org = plain_vault(store.clone()).await.org(ORG).await.unwrap();
    let held = lock(&org).await;
    let unfinished = org.begin(&held).await.unwrap();
    let blobs = unfinished.blobs().await.unwrap();
    let mut hashes = Vec::new();
    for (seed, length) in [(1, 500), (2, 500), (3, 1_200_000), (4, 1_200_000)] {
        let body = Bytes::from(vec![seed; length]);
        hashes.push(blobs.put(futures::stream::iter([Ok::<_, std::io::Error>(body)])).await.unwrap().hash);
    }
    blobs.commit().await.unwrap();
    unfinished.finish(draft()).await.unwrap();
    let large = || async {
        let folder = Path::from(format!("orgs/{ORG}/blobs/large"));
        store.list(Some(&folder)).try_collect::<Vec<_>>().await.unwrap().len()
    };
    assert_eq!(org.drop_bodies(&held, &|_| true).await.unwrap(), 0);
    assert_eq!(large().await, 2);
    // One small one and one large one go, at once; what is referred to is read as before.
    let gone = [hashes[0].clone(), hashes[2].clone()];
    assert_eq!(org.drop_bodies(&held, &|hash| !gone.iter().any(|gone| gone == hash)).await.unwrap(), 2);
    assert_eq!(large().await, 1);
    for (hash, stays) in hashes.iter().zip([false, true, false, true]) {
        assert_eq!(org.has_blob(hash).await.unwrap(), stays, "{hash}");
        if stays {
            let body: Vec<Bytes> = org.blob(hash).await.unwrap().try_collect().await.unwrap();
            assert_eq!(blake3::hash(&body.concat()).to_hex().as_str(), hash);
        }
    }
    assert_eq!(org.drop_bodies(&held, &|hash| !gone.iter().any(|gone| gone == hash)).await.unwrap(), 0);
    held.release().await.unwrap();
    sound(&org).await;
}

/// A store with a retention rule of its own: what lies below a folder cannot be removed.
#[derive(Debug)]
struct Keeping {
    inner: Arc<dyn ObjectStore>,
    folders: Vec<String>,
}

impl fmt::Display for Keeping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("keeping store")
    }
}

#[async_trait]
impl ObjectStore for Keeping {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> object_store::Result<PutResult> {
        self.inner.put_opts(location, payload, opts).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> object_store::Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        let (inner, folders) = (self.inner.clone(), self.folders.clone());
        let one = move |path: object_store::Result<Path>| {
            let (inner, folders) = (inner.clone(), folders.clone());
            async move {
                let path = path?;
                if folders.iter().any(|folder| path.as_ref().contains(folder.as_str())) {
                    let source = "the object is retained until 2027".into();
                    return Err(object_store::Error::PermissionDenied { path: path.to_string(), source });
                }
                let mut done = inner.delete_stream(futures::stream::once(async { Ok(path) }).boxed());
                done.next().await.expect("one path was given")
            }
        };
        locations.then(one).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> object_store::Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

#[tokio::test]
async fn storage_that_refuses_to_remove_delays_an_expiry_and_an_erasure_and_fails_no_backup() {
    let store = memory();
    let (vault, _) = filled(store.clone()).await;
    let keeping = |folders: &[&str]| {
        let folders = folders.iter().map(|folder| (*folder).to_owned()).collect();
        vault.at(Arc::new(Keeping { inner: store.clone(), folders }) as Arc<dyn ObjectStore>)
    };
    let at = |days: i64| now() + TimeDelta::days(days);
    let org = keeping(&["/backups/0000000001.json"]).org(ORG).await.unwrap();
    let policy = Policy { keep_last: 1, ..Policy::default() };
    let held = org.lock("test", at(0)).await.unwrap();
    org.expire(&held, &[1, 2, 3]).await.unwrap();
    held.release().await.unwrap();
    let held = org.lock("test", at(8)).await.unwrap();
    let removal = org.remove_expired(&held, &[1, 2, 3]).await.unwrap();
    assert_eq!((removal.backups.as_slice(), removal.refused.as_slice()), ([2, 3].as_slice(), [1].as_slice()));
    // What only the one that stays sees is still there, and it can still be brought back.
    let due = org.expiry(&Retention::default(), &policy, at(8)).await.unwrap().due;
    assert_eq!(due, [1]);
    sound(&org).await;
    assert_eq!(org.unexpire(&held, Some(1)).await.unwrap(), [1]);
    assert_eq!(names(&org, 1).await, [("001OTHER".to_owned(), "round 1".to_owned())]);
    org.expire(&held, &[1]).await.unwrap();
    held.release().await.unwrap();
    // Its time is over.
    let free = vault.at(store.clone()).org(ORG).await.unwrap();
    let held = free.lock("test", at(20)).await.unwrap();
    let removal = free.remove_expired(&held, &[1]).await.unwrap();
    assert!(removal.refused.is_empty() && removal.backups == [1]);
    held.release().await.unwrap();
    sound(&free).await;

    // An erasure says that it is not complete and why; backups go on and store the record no more, and the first that may completes it.
    let org = keeping(&["/objects/Account/0"]).org(ORG).await.unwrap();
    let held = lock(&org).await;
    let records = BTreeMap::from([("Account".to_owned(), BTreeSet::from([GONE.to_owned()]))]);
    let draft = ErasureDraft { object: "Account".into(), ids: vec![GONE.into()], records, ..ErasureDraft::default() };
    let refused = org.erase(&held, draft).await.unwrap_err();
    assert!(refused.kind() == Kind::Denied && refused.next_step().unwrap().contains("completes the erasure"));
    held.release().await.unwrap();
    // Nobody reads the record any more, and what is left to do is no damage.
    assert_eq!(names(&org, 4).await, [("001OTHER".to_owned(), "round 4".to_owned())]);
    let report = org.check(true, &mut |_| {}).await.unwrap();
    assert_eq!((report.damage, report.incomplete_erasures), (vec![], vec![1]));
    let rows = [(GONE, false, "still here", "1"), ("001OTHER", false, "five", "")];
    backup(&org, CaptureKind::Changes, vec![accounts(&rows)]).await;
    assert_eq!(names(&org, 5).await, [("001OTHER".to_owned(), "five".to_owned())]);
    sound(&org).await;
    let done = Path::from(format!("orgs/{ORG}/erasures/0000000001.done.json.zst"));
    let there = |path: Path| {
        let store = store.clone();
        async move { object_store::ObjectStoreExt::head(store.as_ref(), &path).await.is_ok() }
    };
    assert!(!there(done.clone()).await);
    let free = vault.at(store.clone()).org(ORG).await.unwrap();
    backup(&free, CaptureKind::Changes, vec![accounts(&[("001OTHER", false, "six", "")])]).await;
    assert!(there(done).await, "completed by the first backup that may");
    sound(&free).await;
}

/// A backup that stores a body; its hash.
async fn stored(org: &OrgVault, body: &'static str) -> String {
    let held = lock(org).await;
    let unfinished = org.begin(&held).await.unwrap();
    let blobs = unfinished.blobs().await.unwrap();
    let body = Ok::<_, std::io::Error>(Bytes::from_static(body.as_bytes()));
    let hash = blobs.put(futures::stream::iter([body])).await.unwrap().hash;
    blobs.commit().await.unwrap();
    unfinished.finish(draft()).await.unwrap();
    held.release().await.unwrap();
    hash
}

#[tokio::test]
async fn what_is_stored_after_a_refused_erasure_stays() {
    let store = memory();
    let (vault, org) = filled(store.clone()).await;
    let hash = stored(&org, "a form that many people fill in").await;
    let folders = vec!["/objects/Account/0".to_owned()];
    let org =
        vault.at(Arc::new(Keeping { inner: store.clone(), folders }) as Arc<dyn ObjectStore>).org(ORG).await.unwrap();
    let refused = async |id: &str, bodies: BTreeSet<String>| {
        let held = lock(&org).await;
        let records = BTreeMap::from([("Account".to_owned(), BTreeSet::from([id.to_owned()]))]);
        let draft =
            ErasureDraft { object: "Account".into(), ids: vec![id.into()], records, bodies, ..ErasureDraft::default() };
        assert_eq!(org.erase(&held, draft).await.unwrap_err().kind(), Kind::Denied);
        held.release().await.unwrap();
    };
    refused(GONE, BTreeSet::from([hash.clone()])).await;
    assert!(!org.has_blob(&hash).await.unwrap());
    // The next person is not left waiting for the first one's files.
    refused("001OTHER", BTreeSet::new()).await;
    assert_eq!(names(&org, 4).await, []);
    let report = org.check(true, &mut |_| {}).await.unwrap();
    assert_eq!((report.damage, report.incomplete_erasures), (vec![], vec![1, 2]));

    // Somebody else's file of the same content is stored anew, and no attempt to complete the erasure takes it away.
    assert_eq!(stored(&org, "a form that many people fill in").await, hash);
    for _ in 0..2 {
        backup(&org, CaptureKind::Changes, vec![accounts(&[("001NEW", false, "new", "")])]).await;
        assert!(org.has_blob(&hash).await.unwrap());
    }
    let free = vault.at(store.clone()).org(ORG).await.unwrap();
    backup(&free, CaptureKind::Changes, vec![accounts(&[("001NEW", false, "newer", "")])]).await;
    assert!(free.has_blob(&hash).await.unwrap());
    let report = free.check(true, &mut |_| {}).await.unwrap();
    assert_eq!((report.damage, report.incomplete_erasures), (vec![], vec![]));
}
