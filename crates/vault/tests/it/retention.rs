// SPDX-License-Identifier: Apache-2.0
//! Retention: what expires is hidden and comes back, what is removed takes along what no other backup sees and nothing else.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::TimeDelta;
use futures::TryStreamExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use orgkeep_vault::{
    CaptureKind, ErasureDraft, Hold, Kind, ManifestDraft, OrgVault, Policy, Protection, Retention, Scan, Unlock, Vault,
};

use crate::world::*;

const BACKUPS: u64 = 10;

/// Ten daily backups: in each a new version of one record, every second day of another, and some that come, go and stay.
async fn fill(org: &OrgVault) {
    for n in 1..=BACKUPS {
        let at = now() + TimeDelta::days(n.cast_signed());
        let lock = org.lock("test", at).await.unwrap();
        let unfinished = org.begin(&lock).await.unwrap();
        let daily = format!("daily {n}");
        let mut rows: Vec<Record<'_>> = vec![("001DAILY", false, daily.as_str(), "")];
        if n % 2 == 0 {
            rows.push(("001OTHER", n == 6, daily.as_str(), ""));
        }
        if n == 1 {
            rows.extend([("001STAYS", false, "stays", ""), ("001GOES", false, "goes", "")]);
        }
        if n == 4 {
            rows.push(("001GOES", true, "goes", ""));
        }
        capture(&unfinished, "Account", CaptureKind::Changes, vec![accounts(&rows)]).await;
        unfinished.finish(ManifestDraft { finished_at: at, ..draft() }).await.unwrap();
        lock.release().await.unwrap();
    }
}

type State = BTreeMap<String, (bool, Vec<Option<String>>)>;

async fn states(org: &OrgVault) -> BTreeMap<u64, State> {
    let mut states = BTreeMap::new();
    for manifest in org.manifests().await.unwrap() {
        let options = Scan { with_deleted: true, ..Scan::default() };
        states.insert(
            manifest.sequence,
            table(&collect(org.scan("Account", manifest.sequence, options).await.unwrap()).await),
        );
    }
    states
}

async fn sound(org: &OrgVault) {
    assert_eq!(org.check(true, &mut |_| {}).await.unwrap().damage, []);
}

fn policy() -> Policy {
    Policy { keep_last: 2, keep_weekly: 2, ..Policy::default() }
}

#[tokio::test]
async fn what_expires_is_hidden_comes_back_and_is_removed_after_its_time() {
    let store = memory();
    let org = plain_vault(store.clone()).await.org(ORG).await.unwrap();
    fill(&org).await;
    let before = states(&org).await;
    let at = |days: i64| now() + TimeDelta::days(days);

    // Without a policy nothing expires.
    let lock = org.lock("test", at(20)).await.unwrap();
    assert!(org.expiry(&Retention::default(), &Policy::default(), at(20)).await.unwrap().expiring.is_empty());
    let hold = |reason: &str| Hold { since: at(20), reason: reason.into() };
    let mut retention = Retention { policy: Some(policy()), ..Retention::default() };
    retention.backups.insert(3, hold("a lawsuit"));
    org.set_retention(&lock, &retention).await.unwrap();
    assert_eq!(org.retention().await.unwrap(), retention);
    // From the second of March 2026, a Monday: the weeks of 10 and 11 end on the eighth (backup 7) and are at the eleventh.
    let expiry = org.expiry(&retention, &policy(), at(20)).await.unwrap();
    assert_eq!((expiry.kept, expiry.held), (vec![7, 9, 10], vec![3]));
    assert_eq!(expiry.expiring, [1, 2, 4, 5, 6, 8]);
    assert_eq!(org.expire(&lock, &[10]).await.unwrap_err().kind(), Kind::Invalid);
    assert_eq!(org.expire(&lock, &[3]).await.unwrap_err().kind(), Kind::Invalid);

    // Hidden, and back.
    org.expire(&lock, &expiry.expiring).await.unwrap();
    assert_eq!(states(&org).await.keys().copied().collect::<Vec<_>>(), [3, 7, 9, 10]);
    let error = org.scan("Account", 5, Scan::default()).await.err().unwrap();
    assert!(error.kind() == Kind::NotFound && error.next_step().unwrap().contains("--undo 5"), "{error}");
    sound(&org).await;
    assert_eq!(org.unexpire(&lock, Some(5)).await.unwrap(), [5]);
    assert_eq!(org.unexpire(&lock, Some(5)).await.unwrap_err().kind(), Kind::NotFound);
    assert_eq!(org.unexpire(&lock, None).await.unwrap(), [1, 2, 4, 6, 8]);
    assert_eq!(states(&org).await, before);

    // Expired again; nothing is due before the time of grace is over.
    org.expire(&lock, &expiry.expiring).await.unwrap();
    assert!(org.expiry(&retention, &policy(), at(26)).await.unwrap().due.is_empty());
    let due = org.expiry(&retention, &policy(), at(27)).await.unwrap().due;
    assert_eq!(due, expiry.expiring);
    lock.release().await.unwrap();
    let lock = org.lock("test", at(27)).await.unwrap();
    let planned = org.removal(&due).await.unwrap();
    let removed = org.remove_expired(&lock, &due).await.unwrap();
    // Of the daily one 3, 7, 9 and 10 stay; of the other 2 (seen by 3), 6 (by 7), 8 (by 9) and 10; the one that went, both.
    assert_eq!((planned.versions, removed.versions), (7, 7));
    let rows: usize = {
        let versions: Vec<_> = org.versions("Account", None, None).await.unwrap().try_collect().await.unwrap();
        versions.iter().map(orgkeep_vault::Batch::len).sum()
    };
    assert_eq!(rows, 4 + 4 + 1 + 2);
    for org in [&org, &Vault::open(store.clone(), Unlock::None).await.unwrap().org(ORG).await.unwrap()] {
        let left = states(org).await;
        assert!(left.iter().all(|(sequence, state)| before[sequence] == *state), "{left:?}");
        assert_eq!(left.len(), 4);
        sound(org).await;
        let error = org.manifest(5).await.unwrap_err();
        assert!(error.to_string().contains("was removed"), "{error}");
    }
    assert_eq!(org.unexpire(&lock, Some(5)).await.unwrap_err().kind(), Kind::NotFound);
    assert!(org.expiry(&retention, &policy(), at(40)).await.unwrap().due.is_empty());

    // And a backup goes on, with its chain.
    let unfinished = org.begin(&lock).await.unwrap();
    assert_eq!(unfinished.sequence(), 11);
    capture(&unfinished, "Account", CaptureKind::Changes, vec![accounts(&[("001DAILY", false, "on", "")])]).await;
    unfinished.finish(draft()).await.unwrap();
    sound(&org).await;
}

#[tokio::test]
async fn a_record_on_hold_keeps_all_its_versions_and_is_not_erased() {
    let org = plain_org().await;
    fill(&org).await;
    let lock = org.lock("test", now() + TimeDelta::days(40)).await.unwrap();
    let mut retention = Retention::default();
    let hold = Hold { since: now(), reason: "a lawsuit".into() };
    retention.records.entry("Account".into()).or_default().insert("001DAILY".into(), hold);
    org.set_retention(&lock, &retention).await.unwrap();
    let all: Vec<u64> = (1..BACKUPS).collect();
    org.expire(&lock, &all).await.unwrap();
    org.remove_expired(&lock, &all).await.unwrap();
    assert_eq!(org.history("Account", "001DAILY").await.unwrap().len(), BACKUPS as usize);
    assert_eq!(org.history("Account", "001OTHER").await.unwrap().len(), 1);
    let ids = std::collections::BTreeSet::from(["001DAILY".to_owned()]);
    let draft = ErasureDraft { records: BTreeMap::from([("Account".to_owned(), ids)]), ..ErasureDraft::default() };
    let error = org.erase(&lock, draft).await.unwrap_err();
    assert!(error.kind() == Kind::Invalid && error.to_string().contains("a lawsuit"), "{error}");
    assert!(org.erased().await.unwrap().is_empty());
    sound(&org).await;
}

/// Every store operation of an expiry and a removal fails before and after its effect; run again, all is as if nothing had been.
#[tokio::test(start_paused = true)]
async fn any_operation_of_a_removal_may_fail() {
    let base = Arc::new(InMemory::new());
    let vault = Vault::init(base.clone() as Arc<dyn ObjectStore>, Protection::None).await.unwrap().0;
    let org = vault.org(ORG).await.unwrap();
    fill(&org).await;
    let before = states(&org).await;
    let run = async |store: Arc<dyn ObjectStore>| {
        let org = Vault::open(store, Unlock::None).await?.org(ORG).await?;
        let lock = org.lock("sweep", now() + TimeDelta::days(60)).await?;
        let policy = Policy { grace_days: 0, ..policy() };
        let outcome = async {
            let expiry = org.expiry(&Retention::default(), &policy, lock.at()).await?;
            org.expire(&lock, &expiry.expiring).await?;
            let due = org.expiry(&Retention::default(), &policy, lock.at()).await?.due;
            org.remove_expired(&lock, &due).await
        };
        let outcome = outcome.await;
        let _ = lock.release().await;
        outcome
    };
    let quiet = Faulty::new(Arc::new(base.fork()), None);
    run(Arc::new(quiet.clone())).await.unwrap();
    let operations = quiet.operations();
    assert!((40..300).contains(&operations), "{operations} operations");
    let mut failures = 0;
    for number in 0..operations {
        let faults = if number % 2 == 0 { [Fault::Before, Fault::After] } else { [Fault::After, Fault::Before] };
        for fault in faults {
            let store: Arc<dyn ObjectStore> = Arc::new(base.fork());
            let faulty = Faulty::new(store.clone(), Some((number, fault)));
            failures += u32::from(run(Arc::new(faulty)).await.is_err());
            let _ = store.delete(&Path::from(format!("orgs/{ORG}/lock"))).await;
            run(store.clone()).await.unwrap_or_else(|error| panic!("again after {fault:?} {number}: {error:?}"));
            let org = Vault::open(store.clone(), Unlock::None).await.unwrap().org(ORG).await.unwrap();
            let left = states(&org).await;
            assert_eq!(left.keys().copied().collect::<Vec<_>>(), [7, 9, 10], "after {fault:?} {number}");
            assert!(left.iter().all(|(sequence, state)| before[sequence] == *state), "after {fault:?} {number}");
            assert_eq!(org.history("Account", "001DAILY").await.unwrap().len(), 3, "after {fault:?} {number}");
            if fault == Fault::After {
                sound(&org).await;
            }
        }
    }
    assert!(failures > 20, "faults were noticed: {failures}");
}
