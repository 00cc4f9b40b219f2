// SPDX-License-Identifier: Apache-2.0
//! The history of a whole object, beside that of each of its records.

use std::collections::{BTreeMap, BTreeSet};

use futures::TryStreamExt;
use orgkeep_vault::{Batch, CaptureKind, Kind, OrgVault};
use proptest::prelude::*;

use crate::world::*;

/// Of each Id its versions, newest first: backup, whether it was gone, name.
type Versions = BTreeMap<String, Vec<(u64, bool, Option<String>)>>;

async fn of_the_object(org: &OrgVault, at: u64, ids: Option<Vec<String>>) -> Versions {
    let rows = org.versions_until("Account", at, Some(vec!["Name".into()]), ids).await.unwrap();
    let batches: Vec<Batch> = rows.try_collect().await.unwrap();
    let mut versions = Versions::new();
    let mut before = String::new();
    for batch in &batches {
        assert_eq!(batch.names().collect::<Vec<_>>(), ["Id", "Name"]);
        for row in 0..batch.len() {
            let id = batch.id(row).to_owned();
            assert!(before <= id, "versions come in order of Id");
            let name = batch.text(row, 1).map(|text| text.into_owned());
            versions.entry(id.clone()).or_default().push((batch.backup(row), batch.deleted(row), name));
            before = id;
        }
    }
    versions
}

async fn of_each_record(org: &OrgVault, at: u64, ids: &BTreeSet<String>) -> Versions {
    let mut versions = Versions::new();
    for id in ids {
        let mut history = org.history("Account", id).await.unwrap();
        history.retain(|version| version.backup <= at);
        history.reverse();
        if !history.is_empty() {
            let told = history.iter().map(|version| {
                let name = version.batch.text(version.row, 1).map(|text| text.into_owned());
                (version.backup, version.deleted, name)
            });
            versions.insert(id.clone(), told.collect());
        }
    }
    versions
}

async fn both_agree(changes: Vec<Vec<(u8, bool)>>, compacts: bool) {
    let org = plain_org().await;
    let mut ids = BTreeSet::new();
    for (round, rows) in changes.iter().enumerate() {
        let rows: BTreeMap<String, bool> = rows.iter().map(|(id, gone)| (format!("001{id:03}"), *gone)).collect();
        ids.extend(rows.keys().cloned());
        let name = format!("round {round}");
        let records: Vec<Record<'_>> = rows.iter().map(|(id, gone)| (id.as_str(), *gone, name.as_str(), "1")).collect();
        backup(&org, CaptureKind::Changes, vec![accounts(&records)]).await;
    }
    if compacts {
        let lock = lock(&org).await;
        org.compact(&lock).await.unwrap();
        lock.release().await.unwrap();
    }
    let some: Vec<String> = ids.iter().step_by(3).cloned().collect();
    for at in 1..=changes.len() as u64 {
        assert_eq!(of_the_object(&org, at, None).await, of_each_record(&org, at, &ids).await, "as of {at}");
        let few = of_each_record(&org, at, &some.iter().cloned().collect()).await;
        assert_eq!(of_the_object(&org, at, Some(some.clone())).await, few, "some, as of {at}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn the_history_of_an_object_is_that_of_its_records(
        changes in prop::collection::vec(prop::collection::vec((0u8..40, any::<bool>()), 1..25), 1..14),
        compacts in any::<bool>(),
    ) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(both_agree(changes, compacts));
    }
}

#[tokio::test]
async fn a_history_ends_with_the_backup_asked_for_and_knows_when_each_was() {
    let org = plain_org().await;
    for name in ["a", "b", "c"] {
        backup(&org, CaptureKind::Changes, vec![accounts(&[("001A", false, name, "1")])]).await;
    }
    // What a backup that is being made has captured is nobody's history yet.
    let held = lock(&org).await;
    let unfinished = org.begin(&held).await.unwrap();
    capture(&unfinished, "Account", CaptureKind::Changes, vec![accounts(&[("001A", false, "d", "1")])]).await;
    drop(unfinished);
    let seen = of_the_object(&org, 3, None).await;
    assert_eq!(seen["001A"].iter().map(|version| version.0).collect::<Vec<_>>(), [3, 2, 1]);
    assert_eq!(org.versions_until("Account", 4, None, None).await.err().unwrap().kind(), Kind::NotFound);
    assert_eq!(org.versions_until("Acount", 3, None, None).await.err().unwrap().kind(), Kind::NotFound);
    // Versions of a backup that has expired are there until it is removed, and its time for ever.
    org.expire(&held, &[2]).await.unwrap();
    held.release().await.unwrap();
    assert_eq!(org.finish_times().await.unwrap().into_keys().collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(of_the_object(&org, 3, None).await["001A"].len(), 3);
}
