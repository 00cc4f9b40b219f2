// SPDX-License-Identifier: Apache-2.0
//! Storage that locks what is put into it: what the backups need stays locked, whatever its age.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use orgkeep_vault::{BucketRetention, CaptureKind, Kind, ObjectLock, OrgVault, Place, copy, renew_locks_of_copy};

use crate::world::*;

/// Locks for thirty days, and remembers until when it was asked to lock what.
#[derive(Default)]
struct Locking {
    asked: Mutex<BTreeMap<String, DateTime<Utc>>>,
    refuses: bool,
}

#[async_trait]
impl ObjectLock for Locking {
    async fn retention(&self) -> object_store::Result<Option<BucketRetention>> {
        Ok(Some(BucketRetention { mode: "GOVERNANCE".into(), period: TimeDelta::days(30) }))
    }

    async fn retain(&self, path: &Path, mode: &str, until: DateTime<Utc>) -> object_store::Result<()> {
        assert_eq!(mode, "GOVERNANCE");
        if self.refuses {
            let (path, source) = (path.to_string(), "not allowed".into());
            return Err(object_store::Error::PermissionDenied { path, source });
        }
        self.asked.lock().unwrap().insert(path.to_string(), until);
        Ok(())
    }
}

async fn renewed(org: &OrgVault, day: i64) -> orgkeep_vault::Locked {
    let lock = org.lock("test", now() + TimeDelta::days(day)).await.unwrap();
    let locked = org.renew_locks(&lock).await.unwrap().unwrap();
    lock.release().await.unwrap();
    locked
}

#[tokio::test]
async fn what_backups_need_stays_locked_and_what_they_no_longer_need_does_not() {
    let store = memory();
    let vault = plain_vault(store.clone()).await;
    let locking = Arc::new(Locking::default());
    let place = Place { store: store.clone(), folder: None, locks: Some(locking.clone()) };
    let org = vault.at(place).org(ORG).await.unwrap();
    backup(&org, CaptureKind::Changes, vec![accounts(&[("001A", false, "one", "")])]).await;

    let first = renewed(&org, 0).await;
    // A day more than the bucket gives, so that no clock makes it less.
    assert_eq!((first.renewed, first.until), (first.files, now() + TimeDelta::days(31)));
    let listed = async || -> Vec<String> {
        store.list(None).map_ok(|meta| meta.location.to_string()).try_collect().await.unwrap()
    };
    let asked = || locking.asked.lock().unwrap().clone();
    for path in listed().await {
        let comes_and_goes = path.ends_with("/lock") || path.ends_with("/locked.json.zst");
        assert_eq!(asked().contains_key(&path), !comes_and_goes, "{path}");
    }
    assert!(asked().contains_key("vault.json"));

    // A day later only what is new is locked; when half the time is over, everything is.
    backup(&org, CaptureKind::Changes, vec![accounts(&[("001A", false, "two", "")])]).await;
    let second = renewed(&org, 1).await;
    assert_eq!(second.renewed, second.files - first.files);
    assert!(second.renewed > 0);
    assert_eq!(second.until, first.until);
    assert_eq!(renewed(&org, 2).await.renewed, 0);
    let third = renewed(&org, 17).await;
    assert_eq!(third.renewed, first.files, "those of the first day");
    assert!(third.until > now() + TimeDelta::days(30), "{third:?}");

    // Files that a merge took out of their table, and manifests of backups that have expired, are left to the end of their locks.
    for round in 3..=20 {
        let name = format!("round {round}");
        backup(&org, CaptureKind::Changes, vec![accounts(&[("001A", false, name.as_str(), "")])]).await;
    }
    let lock = org.lock("test", now() + TimeDelta::days(59)).await.unwrap();
    org.expire(&lock, &[1]).await.unwrap();
    lock.release().await.unwrap();
    renewed(&org, 60).await;
    let locks = asked();
    let manifest = |number: u64| locks[&format!("orgs/{ORG}/backups/{number:010}.json.zst")];
    assert!(manifest(1) < now() + TimeDelta::days(60) && manifest(2) == now() + TimeDelta::days(91));
    let rows: Vec<String> = listed().await.into_iter().filter(|path| path.contains("/objects/Account/0")).collect();
    let (needed, left): (Vec<&String>, Vec<&String>) =
        rows.iter().partition(|path| locks.get(*path) == Some(&(now() + TimeDelta::days(91))));
    assert!(left.len() >= 18 && !needed.is_empty() && needed.len() < 6, "{needed:?} {left:?}");
}

#[tokio::test]
async fn storage_that_locks_nothing_or_refuses_is_told_apart() {
    let store = memory();
    let vault = plain_vault(store.clone()).await;
    let org = vault.org(ORG).await.unwrap();
    backup(&org, CaptureKind::Changes, vec![accounts(&[("001A", false, "one", "")])]).await;
    let held = lock(&org).await;
    assert_eq!(org.renew_locks(&held).await.unwrap(), None);
    held.release().await.unwrap();
    let locks: Arc<dyn ObjectLock> = Arc::new(Locking { refuses: true, ..Locking::default() });
    let org = vault.at(Place { store, folder: None, locks: Some(locks) }).org(ORG).await.unwrap();
    let held = lock(&org).await;
    let refused = org.renew_locks(&held).await.unwrap_err();
    assert!(refused.kind() == Kind::Denied && refused.next_step().unwrap().contains("s3:PutObjectRetention"));
}

#[tokio::test]
async fn a_copy_stays_locked_as_far_as_the_vault_still_has_its_files() {
    let (here, there) = (memory(), memory());
    let org = plain_vault(here.clone()).await.org(ORG).await.unwrap();
    backup(&org, CaptureKind::Changes, vec![accounts(&[("001A", false, "one", "")])]).await;
    let locking = Arc::new(Locking::default());
    let plain = |store| Place { store, folder: None, locks: None };
    let (from, to) = (plain(here.clone()), Place { locks: Some(locking.clone()), ..plain(there.clone()) });
    let copied = async |day| {
        copy(&from, &to, false, &mut |_, _| ()).await.unwrap();
        renew_locks_of_copy(&from, &to, now() + TimeDelta::days(day)).await.unwrap().unwrap()
    };
    let first = copied(0).await;
    assert_eq!((first.renewed, first.until), (first.files, now() + TimeDelta::days(31)));
    assert!(first.files >= 5, "{first:?}");
    assert_eq!(renew_locks_of_copy(&to, &from, now()).await.unwrap(), None, "storage that locks nothing");

    // Only what is new is locked again, until half the time is over; then what the vault still has.
    backup(&org, CaptureKind::Changes, vec![accounts(&[("001A", false, "two", "")])]).await;
    let gone = Path::from(format!("orgs/{ORG}/backups/0000000001.json.zst"));
    here.delete(&gone).await.unwrap();
    let second = copied(1).await;
    assert_eq!(second.renewed, second.files - (first.files - 1));
    assert_eq!(copied(17).await.renewed, first.files - 1);
    let asked = locking.asked.lock().unwrap().clone();
    assert_eq!(asked[gone.as_ref()], first.until);
    assert_eq!(asked["vault.json"], now() + TimeDelta::days(48));
    assert!(!asked.keys().any(|path| path.contains("locked")), "{asked:?}");

    // A list that cannot be read costs requests only.
    there.put(&Path::from("locked.json.zst"), "no list".into()).await.unwrap();
    let again = copied(17).await;
    assert_eq!(again.renewed, again.files);
}
