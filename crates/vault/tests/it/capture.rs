// SPDX-License-Identifier: Apache-2.0
//! What a capture keeps, against a plain model: a map from Id to row, copied at every backup.

use std::collections::BTreeMap;

use orgkeep_vault::{Builder, CaptureKind, Column, ColumnType, Kind, Scan, Schema};
use proptest::prelude::*;
use serde_json::json;

use crate::world::*;

#[tokio::test]
async fn three_backups_can_each_be_seen_as_they_were() {
    let org = plain_org().await;
    let first =
        accounts(&[("001A", false, "Acme", "10"), ("001C", false, "Cyan", "1.50"), ("001B", false, "Bolt", "")]);
    let (one, captured) = backup(&org, CaptureKind::Everything, vec![first]).await;
    assert_eq!((one.sequence, captured.added, captured.live), (1, 3, 3));
    let second =
        accounts(&[("001B", false, "Bolt & Son", ""), ("001D", false, "Dune", ""), ("001A", false, "Acme", "10.00")]);
    let (_, captured) = backup(&org, CaptureKind::Changes, vec![second]).await;
    assert_eq!((captured.added, captured.changed, captured.unchanged, captured.live), (1, 1, 1, 4));
    let third =
        accounts(&[("001A", false, "Acme", "10"), ("001D", true, "Dune", ""), ("001B", false, "Bolt & Son", "")]);
    let (three, captured) = backup(&org, CaptureKind::Everything, vec![third]).await;
    assert_eq!((captured.deleted, captured.unchanged, captured.live), (2, 2, 2));
    let name = |id: &str, name: &str| (id.to_owned(), name.to_owned());
    assert_eq!(names(&org, 1).await, [name("001A", "Acme"), name("001B", "Bolt"), name("001C", "Cyan")]);
    assert_eq!(
        names(&org, 2).await,
        [name("001A", "Acme"), name("001B", "Bolt & Son"), name("001C", "Cyan"), name("001D", "Dune")]
    );
    assert_eq!(names(&org, 3).await, [name("001A", "Acme"), name("001B", "Bolt & Son")]);
    let options = Scan { with_deleted: true, ..Scan::default() };
    let all = table(&collect(org.scan("Account", 3, options).await.unwrap()).await);
    assert_eq!(all["001C"], (true, vec![Some("Cyan".into()), Some("1.5".into()), all["001A"].1[2].clone()]));
    assert_eq!(three.predecessor, Some(org.manifest(2).await.unwrap().hash));
    assert_eq!(org.manifests().await.unwrap().len(), 3);
    let history = org.history("Account", "001B").await.unwrap();
    let seen: Vec<_> =
        history.iter().map(|version| (version.backup, version.batch.text(version.row, 1).unwrap())).collect();
    assert_eq!(seen, [(1, "Bolt".into()), (2, "Bolt & Son".into())]);
    let gone = org.history("Account", "001D").await.unwrap();
    assert_eq!(gone.iter().map(|version| version.deleted).collect::<Vec<_>>(), [false, true]);
}

#[tokio::test]
async fn what_came_changed_and_went_adds_up_over_the_captures_of_one_backup() {
    let org = plain_org().await;
    let first = accounts(&[("001A", false, "a", "1"), ("001B", false, "b", "1"), ("001C", false, "c", "1")]);
    backup(&org, CaptureKind::Everything, vec![first]).await;
    let lock = lock(&org).await;
    let unfinished = org.begin(&lock).await.unwrap();
    let read = accounts(&[("001A", false, "A", "1"), ("001D", false, "d", "1")]);
    let one = capture(&unfinished, "Account", CaptureKind::Changes, vec![read]).await;
    // 001A again, which counts once, and what was found missing afterwards.
    let read_on = accounts(&[("001A", false, "AA", "1"), ("001B", true, "b", "1")]);
    let two = capture(&unfinished, "Account", CaptureKind::Changes, vec![read_on]).await;
    assert_eq!((two.added, two.changed, two.deleted, two.live), (1, 1, 1, 3));
    assert!(two.files == 2 && two.bytes > one.bytes);
    let manifest = unfinished.finish(draft()).await.unwrap();
    assert_eq!(manifest.objects["Account"], two);
}

#[tokio::test]
async fn an_object_without_records_has_an_empty_state() {
    let org = plain_org().await;
    let (manifest, captured) = backup(&org, CaptureKind::Everything, vec![]).await;
    assert_eq!((captured.live, captured.files), (0, 0));
    assert_eq!(names(&org, manifest.sequence).await, []);
    assert_eq!(org.objects().await.unwrap(), ["Account"]);
}

#[tokio::test]
async fn what_is_not_shown_stays_and_is_counted() {
    let org = plain_org().await;
    let row = |id: &'static str, gone: bool, name: &'static str| (id, gone, name, "1");
    let rows = [row("001A", false, "a"), row("001B", false, "b"), row("001C", true, "c"), row("001D", false, "d")];
    let (_, first) = backup(&org, CaptureKind::Shown, vec![accounts(&rows)]).await;
    assert_eq!((first.live, first.unseen), (3, 0));
    // Of the others one changes, one is said to be deleted, and one is new.
    let shown = [row("001B", false, "B"), row("001E", false, "e")];
    let (second, captured) = backup(&org, CaptureKind::Shown, vec![accounts(&shown)]).await;
    assert_eq!((captured.added, captured.changed, captured.deleted), (1, 1, 0));
    assert_eq!((captured.live, captured.unseen), (4, 2));
    let held: Vec<String> = names(&org, second.sequence).await.into_iter().map(|(_, name)| name).collect();
    assert_eq!(held, ["a", "B", "d", "e"]);
    let (_, third) = backup(&org, CaptureKind::Shown, vec![accounts(&[row("001A", true, "a")])]).await;
    assert_eq!((third.deleted, third.live, third.unseen), (1, 3, 3));
    // As if nothing had been out of sight.
    let (_, fourth) = backup(&org, CaptureKind::Everything, vec![accounts(&shown)]).await;
    assert_eq!((fourth.deleted, fourth.live, fourth.unseen), (1, 2, 0));
}

#[tokio::test]
async fn the_digest_is_of_the_rows_and_not_of_how_they_came() {
    let org = plain_org().await;
    let other = plain_org().await;
    backup(&org, CaptureKind::Everything, vec![accounts(&[("001A", false, "x", "1"), ("001B", false, "y", "2")])])
        .await;
    let (_, one) = backup(&org, CaptureKind::Changes, vec![accounts(&[("001A", false, "z", "1")])]).await;
    let (_, two) = backup(
        &other,
        CaptureKind::Everything,
        vec![accounts(&[("001B", false, "y", "2.0"), ("001A", false, "z", "1")])],
    )
    .await;
    assert_eq!(one.digest, two.digest);
    let (_, back) = backup(&org, CaptureKind::Everything, vec![]).await;
    assert_eq!((back.live, back.digest.as_str()), (0, "0".repeat(32).as_str()));
}

#[tokio::test]
async fn a_field_that_comes_goes_or_changes_its_type_fails_nothing() {
    let org = plain_org().await;
    let schema = |columns: &[(&str, ColumnType)]| {
        let id = [("Id", ColumnType::Text)];
        Schema::new(id.iter().chain(columns).map(|(name, kind)| Column::new(*name, *kind)).collect()).unwrap()
    };
    let take = async |schema: Schema, cells: &[Option<&str>]| {
        let mut builder = Builder::new(&schema);
        builder.push(false, cells.iter().copied());
        backup(&org, CaptureKind::Everything, vec![builder.finish()]).await.1
    };
    take(schema(&[("Score__c", ColumnType::Integer)]), &[Some("001A"), Some("7")]).await;
    // The number became text, and a checkbox was added.
    let second = schema(&[("Flag__c", ColumnType::Boolean), ("Score__c", ColumnType::Text)]);
    let captured = take(second.clone(), &[Some("001A"), Some("true"), Some("seven")]).await;
    assert_eq!(captured.changed, 1);
    assert_eq!(take(second.clone(), &[Some("001A"), Some("true"), Some("seven")]).await.unchanged, 1);
    assert_eq!(take(second, &[Some("001A"), Some("true"), Some("8.0")]).await.changed, 1);
    take(schema(&[("Flag__c", ColumnType::Boolean)]), &[Some("001A"), Some("true")]).await;
    let row =
        async |at| table(&collect(org.scan("Account", at, Scan::default()).await.unwrap()).await)["001A"].1.clone();
    assert_eq!(row(1).await, [Some("7".into()), None]);
    assert_eq!(row(2).await, [Some("seven".into()), Some("true".into())]);
    assert_eq!(row(4).await, [Some("8".into()), Some("true".into())]);
    assert_eq!(row(5).await, [None, Some("true".into())]);
}

#[tokio::test]
async fn a_row_without_an_id_is_refused() {
    let org = plain_org().await;
    let lock = lock(&org).await;
    let unfinished = org.begin(&lock).await.unwrap();
    let mut capture = unfinished.capture("Account", &account(), CaptureKind::Changes).await.unwrap();
    let error = capture.push(accounts(&[("", false, "nameless", "")])).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    let error = unfinished.capture("../Account", &account(), CaptureKind::Changes).await.err().unwrap();
    assert_eq!(error.kind(), Kind::Invalid);
}

#[tokio::test]
async fn more_rows_than_memory_may_hold_come_back_sorted() {
    // Rows of 20 KB: 3,000 of them are more than two runs, pushed in an order that makes the runs overlap.
    let org = plain_org().await;
    let filler = "lorem ipsum ".repeat(1700);
    let rows = |step: usize, kept: &str| {
        let ids: Vec<String> = (0..3000).map(|row| format!("001{:06}", row * step % 3001)).collect();
        let names: Vec<String> = ids.iter().map(|id| format!("{kept} {id} {filler}")).collect();
        let rows: Vec<Record<'_>> =
            ids.iter().zip(&names).map(|(id, name)| (id.as_str(), false, name.as_str(), "")).collect();
        rows.chunks(250).map(accounts).collect::<Vec<_>>()
    };
    let lock = lock(&org).await;
    let unfinished = org.begin(&lock).await.unwrap();
    let first = capture(&unfinished, "Account", CaptureKind::Everything, rows(1234, "first")).await;
    assert_eq!((first.rows_given, first.live), (3000, 3000));
    assert!(first.files > 1);
    unfinished.finish(draft()).await.unwrap();
    let unfinished = org.begin(&lock).await.unwrap();
    let second = capture(&unfinished, "Account", CaptureKind::Everything, rows(77, "second")).await;
    // Row 0 has Id 001000000 in both; the Ids missing from each are different ones of 3001.
    assert_eq!(second.changed + second.added, 3000);
    assert_eq!(second.live, 3000);
    unfinished.finish(draft()).await.unwrap();
    assert_eq!(names(&org, 2).await.len(), 3000);
    assert!(names(&org, 1).await.iter().all(|(id, name)| name.starts_with(&format!("first {id} "))));
}

/// One step of a model run.
#[derive(Debug, Clone)]
struct Step {
    everything: bool,
    /// Id, deleted, name. An Id may occur several times: the last counts.
    rows: Vec<(u8, bool, u8)>,
    batch_rows: usize,
    /// Whether the process is killed after the capture: its work goes on in the next step, with the same sequence.
    killed: bool,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let rows = prop::collection::vec((0u8..24, prop::bool::weighted(0.2), 0u8..4), 0..30);
    let step = (any::<bool>(), rows, 1usize..9, prop::bool::weighted(0.3))
        .prop_map(|(everything, rows, batch_rows, killed)| Step { everything, rows, batch_rows, killed });
    prop::collection::vec(step, 1..7)
}

type Model = BTreeMap<String, (bool, String)>;

fn apply(model: &mut Model, step: &Step) {
    let mut given: Model = BTreeMap::new();
    for (id, deleted, name) in &step.rows {
        given.insert(format!("001{id:02}"), (*deleted, format!("name {name}")));
    }
    if step.everything {
        for (id, row) in model.iter_mut() {
            if !given.contains_key(id) {
                row.0 = true;
            }
        }
    }
    model.extend(given);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_captures_gives_the_state_of_the_model(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let vault = plain_vault(memory()).await;
            let mut model = Model::new();
            let mut finished: Vec<Model> = Vec::new();
            for step in &steps {
                // A new process each time: nothing is remembered but what is in the vault.
                let org = vault.org(ORG).await.unwrap();
                let lock = lock(&org).await;
                let unfinished = org.begin(&lock).await.unwrap();
                assert_eq!(unfinished.sequence(), finished.len() as u64 + 1);
                let texts: Vec<(String, bool, String)> = step.rows.iter()
                    .map(|(id, deleted, name)| (format!("001{id:02}"), *deleted, format!("name {name}"))).collect();
                let rows: Vec<Record<'_>> =
                    texts.iter().map(|(id, deleted, name)| (id.as_str(), *deleted, name.as_str(), "1")).collect();
                let kind = if step.everything { CaptureKind::Everything } else { CaptureKind::Changes };
                let captured =
                    capture(&unfinished, "Account", kind, rows.chunks(step.batch_rows).map(accounts).collect()).await;
                apply(&mut model, step);
                assert_eq!(captured.live, model.values().filter(|row| !row.0).count() as u64);
                if step.killed {
                    // A process that is gone holds no lease; here it is only forgotten, so give it back.
                    lock.release().await.unwrap();
                    assert_eq!(vault.org(ORG).await.unwrap().manifests().await.unwrap().len(), finished.len());
                } else {
                    let manifest = unfinished.finish(draft()).await.unwrap();
                    assert_eq!(manifest.objects["Account"], captured);
                    lock.release().await.unwrap();
                    finished.push(model.clone());
                }
            }
            let org = vault.org(ORG).await.unwrap();
            for (index, model) in finished.iter().enumerate() {
                let options = Scan { with_deleted: true, ..Scan::default() };
                let rows = table(&collect(org.scan("Account", index as u64 + 1, options).await.unwrap()).await);
                let rows: Model = rows.into_iter().map(|(id, (gone, cells))| (id, (gone, cells[0].clone().unwrap()))).collect();
                assert_eq!(&rows, model, "as of backup {}", index + 1);
            }
            if !finished.is_empty() {
                let report = org.check(true, &mut |_| {}).await.unwrap();
                assert_eq!(report.damage, []);
            }
        });
    }
}

#[tokio::test]
async fn an_interrupted_backup_goes_on_with_its_number_and_its_outcomes() {
    let vault = plain_vault(memory()).await;
    let org = vault.org(ORG).await.unwrap();
    backup(&org, CaptureKind::Everything, vec![accounts(&[("001A", false, "a", "")])]).await;
    let lock_one = lock(&org).await;
    let unfinished = org.begin(&lock_one).await.unwrap();
    let done = capture(&unfinished, "Account", CaptureKind::Changes, vec![accounts(&[("001A", false, "b", "")])]).await;
    assert_eq!(names(&org, 1).await, [("001A".to_owned(), "a".to_owned())]);
    assert_eq!(org.scan("Account", 2, Scan::default()).await.err().unwrap().kind(), Kind::NotFound);
    lock_one.release().await.unwrap();
    let again = vault.org(ORG).await.unwrap();
    let lock_two = lock(&again).await;
    let resumed = again.begin(&lock_two).await.unwrap();
    assert!(resumed.interrupted());
    assert_eq!(resumed.sequence(), 2);
    assert_eq!(resumed.outcomes(), BTreeMap::from([("Account".to_owned(), done.clone())]));
    let manifest = resumed.finish(draft()).await.unwrap();
    assert_eq!(manifest.objects["Account"].note, json!({"by": "test"}));
    assert_eq!(names(&again, 2).await, [("001A".to_owned(), "b".to_owned())]);
    let fresh = again.begin(&lock_two).await.unwrap();
    assert!(!fresh.interrupted() && fresh.outcomes().is_empty());
}
