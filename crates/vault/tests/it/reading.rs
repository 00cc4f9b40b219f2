// SPDX-License-Identifier: Apache-2.0
//! Reading states: parts of them, many backups of them, and what differs between two of them.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{TimeZone, Utc};
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use orgkeep_vault::{
    Batch, BatchStream, Builder, CaptureKind, Change, Column, ColumnType, Kind, OrgVault, Scan, Schema, merge,
};
use proptest::prelude::*;

use crate::world::*;

fn numbered(ids: impl Iterator<Item = u32>, name: &str) -> Vec<Batch> {
    let rows: Vec<(String, String)> = ids.map(|id| (format!("001{id:08}"), format!("{name} {id}"))).collect();
    let rows: Vec<Record<'_>> = rows.iter().map(|(id, name)| (id.as_str(), false, name.as_str(), "1")).collect();
    rows.chunks(5000).map(accounts).collect()
}

#[tokio::test]
async fn forty_backups_later_every_point_in_time_is_as_it_was() {
    // More commits than two checkpoints.
    let org = plain_org().await;
    backup(&org, CaptureKind::Everything, numbered(0..20_000, "base")).await;
    let mut expected: Vec<BTreeMap<u32, u64>> = vec![(0..20_000).map(|id| (id, 1)).collect()];
    for round in 2..=40u64 {
        let ids: Vec<u32> = (0..50).map(|index| (index * 401 + round as u32 * 13) % 20_010).collect();
        backup(&org, CaptureKind::Changes, numbered(ids.iter().copied(), &format!("round {round}"))).await;
        let mut state = expected.last().unwrap().clone();
        state.extend(ids.into_iter().map(|id| (id, round)));
        expected.push(state);
    }
    for (index, state) in expected.iter().enumerate().step_by(13) {
        let batches = collect(org.scan("Account", index as u64 + 1, Scan::default()).await.unwrap()).await;
        let seen = table(&batches);
        assert_eq!(seen.len(), state.len());
        let backups: BTreeSet<u64> =
            batches.iter().flat_map(|batch| (0..batch.len()).map(|row| batch.backup(row))).collect();
        assert_eq!(backups, state.values().copied().collect());
        for (id, round) in state {
            let name = if *round == 1 { format!("base {id}") } else { format!("round {round} {id}") };
            assert_eq!(seen[&format!("001{id:08}")].1[0].as_deref(), Some(name.as_str()));
        }
    }
    assert_eq!(org.check(true, &mut |_| {}).await.unwrap().damage, []);
}

#[tokio::test]
async fn parts_of_a_state_can_be_asked_for() {
    let org = plain_org().await;
    backup(&org, CaptureKind::Everything, numbered(0..30_000, "base")).await;
    backup(&org, CaptureKind::Changes, numbered([7, 29_999].into_iter(), "new")).await;
    let ids = ["00100029999", "00100000007", "00100000008", "001nobody", "00100000007"].map(str::to_owned).to_vec();
    let options = Scan { columns: Some(vec!["Name".into()]), ids: Some(ids), ..Scan::default() };
    let batches = collect(org.scan("Account", 2, options).await.unwrap()).await;
    assert_eq!(batches[0].names().collect::<Vec<_>>(), ["Id", "Name"]);
    let names: Vec<_> = table(&batches).into_values().map(|(_, cells)| cells[0].clone().unwrap()).collect();
    assert_eq!(names, ["new 7", "base 8", "new 29999"]);
    let options = Scan { columns: Some(vec!["Nme".into()]), ..Scan::default() };
    assert_eq!(org.scan("Account", 2, options).await.err().unwrap().kind(), Kind::NotFound);
    assert_eq!(org.history("Account", "00100000007").await.unwrap().len(), 2);
    assert_eq!(org.history("Account", "001nobody").await.unwrap().len(), 0);
    assert_eq!(org.schema("Account").await.unwrap(), account());
}

/// The files of the first backup are away: whoever opens one of them gets an error.
#[tokio::test]
async fn what_newer_files_have_is_not_looked_for_in_older_ones() {
    let store = memory();
    let org = plain_vault(store.clone()).await.org(ORG).await.unwrap();
    backup(&org, CaptureKind::Everything, numbered(0..20_000, "base")).await;
    let folder = Path::from(format!("orgs/{ORG}/objects/Account"));
    let base: Vec<Path> = store.list(Some(&folder)).map_ok(|meta| meta.location).try_collect().await.unwrap();
    backup(&org, CaptureKind::Changes, numbered((0..20_000).step_by(500), "second")).await;
    backup(&org, CaptureKind::Changes, numbered((0..20_000).step_by(1_000), "third")).await;
    for path in base.iter().filter(|path| path.extension() == Some("parquet")) {
        store.delete(path).await.unwrap();
    }
    let ids = |ids: &[u32]| Some(ids.iter().map(|id| format!("001{id:08}")).collect());
    let names = async |at, ids| {
        let rows = org.scan("Account", at, Scan { ids, ..Scan::default() }).await.unwrap();
        let batches: Vec<Batch> = rows.try_collect().await?;
        Ok::<_, orgkeep_vault::Error>(
            table(&batches).into_values().map(|(_, cells)| cells[0].clone()).collect::<Vec<_>>(),
        )
    };
    let some = |names: &[&str]| names.iter().map(|name| Some((*name).to_owned())).collect::<Vec<_>>();
    assert_eq!(names(3, ids(&[500, 1_000])).await.unwrap(), some(&["second 500", "third 1000"]));
    assert_eq!(names(2, ids(&[500, 1_000])).await.unwrap(), some(&["second 500", "second 1000"]));
    assert!(names(3, ids(&[500, 501])).await.is_err(), "501 is in the first backup only");
}

#[tokio::test]
async fn a_hint_of_time_leaves_old_files_out_but_uncovers_nothing() {
    let org = plain_org().await;
    let stamped = |id: &str, name: &str, year: i32| {
        let mut builder = Builder::new(&account());
        let stamp = format!("{year}-01-01T00:00:00.000Z");
        builder.push(false, [Some(id), Some(name), None, Some(stamp.as_str())].into_iter());
        vec![builder.finish()]
    };
    backup(&org, CaptureKind::Changes, stamped("001A", "old", 2001)).await;
    backup(&org, CaptureKind::Changes, stamped("001B", "recent", 2020)).await;
    // A version with an older stamp than the one it replaces still hides it.
    backup(&org, CaptureKind::Changes, stamped("001B", "replaced", 2002)).await;
    let since = Some(("SystemModstamp".to_owned(), Utc.with_ymd_and_hms(2010, 1, 1, 0, 0, 0).unwrap()));
    let batches = collect(org.scan("Account", 3, Scan { since, ..Scan::default() }).await.unwrap()).await;
    let names: Vec<_> = table(&batches).into_values().map(|(_, cells)| cells[0].clone().unwrap()).collect();
    assert_eq!(names, ["replaced"]);
}

async fn changes(left: BatchStream, right: BatchStream) -> BTreeMap<String, String> {
    let changes: Vec<Change> = merge(left, right).try_collect().await.unwrap();
    changes
        .into_iter()
        .map(|change| match change {
            Change::Added { right } => (right.id().to_owned(), "added".to_owned()),
            Change::Removed { left } => (left.id().to_owned(), "removed".to_owned()),
            Change::Changed { right, fields, .. } => (right.id().to_owned(), fields.join(" ")),
            Change::Same { left, .. } => (left.id().to_owned(), "same".to_owned()),
        })
        .collect()
}

async fn scan(org: &OrgVault, at: u64) -> BatchStream {
    org.scan("Account", at, Scan::default()).await.unwrap()
}

#[tokio::test]
async fn two_points_in_time_and_a_live_org_can_be_compared() {
    let org = plain_org().await;
    let first = [("001A", false, "a", "1"), ("001B", false, "b", "1"), ("001C", false, "c", "x")];
    backup(&org, CaptureKind::Everything, vec![accounts(&first)]).await;
    let second = [("001A", false, "a", "1.00"), ("001B", false, "b", "2"), ("001D", false, "d", "1")];
    backup(&org, CaptureKind::Everything, vec![accounts(&second)]).await;
    let words = |words: &[(&str, &str)]| -> BTreeMap<String, String> {
        words.iter().map(|(id, word)| ((*id).to_owned(), (*word).to_owned())).collect()
    };
    let expected = words(&[("001A", "same"), ("001B", "AnnualRevenue"), ("001C", "removed"), ("001D", "added")]);
    assert_eq!(changes(scan(&org, 1).await, scan(&org, 2).await).await, expected);
    // The live org has other types, lacks a column, has one more, and comes in any order.
    let live = Schema::new(vec![
        Column::new("Id", ColumnType::Text),
        Column::new("AnnualRevenue", ColumnType::Text),
        Column::new("Name", ColumnType::Text),
        Column::new("New__c", ColumnType::Boolean),
    ])
    .unwrap();
    let mut sorter = org.sorter(&live).await.unwrap();
    for (id, revenue, flag) in [("001C", "x", ""), ("001B", "1", "true"), ("001A", "1", "")] {
        let mut builder = Builder::new(&live);
        let name = id[3..].to_lowercase();
        builder.push(false, [Some(id), Some(revenue), Some(name.as_str()), Some(flag)].into_iter());
        sorter.push(builder.finish()).await.unwrap();
    }
    let expected = words(&[("001A", "SystemModstamp"), ("001B", "SystemModstamp New__c"), ("001C", "SystemModstamp")]);
    assert_eq!(changes(scan(&org, 1).await, sorter.sorted().await.unwrap()).await, expected);
}

fn stream(rows: &BTreeMap<u8, Option<u8>>, batch_rows: usize) -> BatchStream {
    let texts: Vec<(String, String)> = rows
        .iter()
        .map(|(id, name)| (format!("001{id:03}"), name.map(|name| name.to_string()).unwrap_or_default()))
        .collect();
    let rows: Vec<Record<'_>> = texts.iter().map(|(id, name)| (id.as_str(), false, name.as_str(), "")).collect();
    let batches: Vec<_> = rows.chunks(batch_rows).map(|rows| Ok(accounts(rows))).collect();
    Box::pin(futures::stream::iter(batches))
}

proptest! {
    #[test]
    fn a_merge_finds_what_a_plain_comparison_finds(
        left in prop::collection::btree_map(0u8..40, prop::option::of(0u8..3), 0..30),
        right in prop::collection::btree_map(0u8..40, prop::option::of(0u8..3), 0..30),
        sizes in (1usize..7, 1usize..7),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let found = runtime.block_on(changes(stream(&left, sizes.0), stream(&right, sizes.1)));
        let ids: BTreeSet<u8> = left.keys().chain(right.keys()).copied().collect();
        let expected: BTreeMap<String, String> = ids.into_iter().map(|id| {
            let word = match (left.get(&id), right.get(&id)) {
                (None, _) => "added",
                (_, None) => "removed",
                (a, b) if a == b => "same",
                _ => "Name",
            };
            (format!("001{id:03}"), word.to_owned())
        }).collect();
        prop_assert_eq!(found, expected);
    }
}
