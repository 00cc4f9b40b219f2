// SPDX-License-Identifier: Apache-2.0
//! Ids and formulas that are held against the org's although the counts agree.

use crate::stage::Stage;
use orgkeep_emulator::record::Input;
use orgkeep_emulator::schema::{Field, FieldType};
use orgkeep_engine::{
    BackupReport, CoverageOptions, ObjectCoverage, ObjectLine, Silent, Source, State, coverage, history, record,
};
use serde_json::json;
use std::time::Duration;

fn line(report: &BackupReport, object: &str) -> ObjectLine {
    report.objects.iter().find(|line| line.object == object).unwrap().clone()
}

async fn covered(stage: &Stage, object: &str) -> ObjectCoverage {
    let seen = coverage(&stage.vault().await, &CoverageOptions::default(), &Silent).await.unwrap();
    seen.objects.into_iter().find(|seen| seen.line.object == object).unwrap()
}

#[tokio::test(start_paused = true)]
async fn one_record_missed_hides_another_that_is_gone_until_their_ids_are_due() {
    let stage = Stage::new();
    let accounts = stage.create("Account", &[json!({"Name": "a"}), json!({"Name": "b"})]).await;
    let late = {
        let org = stage.emulator.orgs()[0].clone();
        let mut late = org.begin_late_commit();
        let id = late.insert("Account", vec![("Name".into(), Input::Text("late".into()))]).unwrap();
        late.commit_after(Duration::from_secs(2 * 3600));
        id
    };
    stage.later(1);
    stage.backup().await;
    stage.later(2);
    stage.delete_for_good("Account", &accounts[..1]).await;
    let blind = line(&stage.backup().await, "Account");
    assert_eq!((blind.added, blind.deleted, blind.rows_in_org, blind.state), (0, 0, Some(2), State::Green));
    let before = covered(&stage, "Account").await;

    // Nobody asks for it: a week is over.
    stage.later(8 * 24);
    let seen = line(&stage.backup().await, "Account");
    assert_eq!((seen.added, seen.deleted, seen.vanished, seen.state), (1, 1, 1, State::Green), "{seen:?}");
    assert!(record(&stage.vault().await, "Account", &accounts[0], None).await.unwrap().deleted);
    assert!(!record(&stage.vault().await, "Account", &late, None).await.unwrap().deleted);
    let after = covered(&stage, "Account").await;
    assert!(after.ids_as_of > before.ids_as_of, "{:?}", after.ids_as_of);
    // And not again the next day.
    stage.network.set(crate::stage::Fault::None);
    stage.later(24);
    stage.backup().await;
    assert_eq!(covered(&stage, "Account").await.ids_as_of, after.ids_as_of);
}

/// A phone of the account, on its contacts, which do not move when it changes.
async fn with_formula(stage: &Stage) -> (String, Vec<String>) {
    stage.add_phone_of_account();
    let account = stage.create_one("Account", json!({"Name": "a", "Phone": "1"})).await;
    let contact = |name: &str| json!({"LastName": name, "AccountId": account});
    let contacts = stage.create("Contact", &[contact("b"), contact("c")]).await;
    (account, contacts)
}

#[tokio::test(start_paused = true)]
async fn formulas_are_brought_up_to_date_without_reading_their_records() {
    let stage = Stage::new();
    let (account, contacts) = with_formula(&stage).await;
    stage.later(1);
    stage.backup().await;
    stage.later(1);
    stage.update("Account", &account, json!({"Phone": "2"})).await;
    assert_eq!(line(&stage.backup().await, "Contact").changed, 0, "no stamp tells");
    let before = covered(&stage, "Contact").await;
    stage.later(1);
    // One of them also moves, after it was read.
    stage.update("Contact", &contacts[1], json!({"Title": "boss"})).await;
    let report = stage.reconcile().await;
    assert_eq!((line(&report, "Contact").changed, line(&report, "Contact").state), (2, State::Green));
    let after = covered(&stage, "Contact").await;
    assert!(after.calculated_as_of > before.calculated_as_of && after.ids_as_of > before.ids_as_of);
    for contact in &contacts {
        let shown = record(&stage.vault().await, "Contact", contact, None).await.unwrap();
        assert!(shown.fields.contains(&("Phone_of_account__c".into(), Some("2".into()))), "{shown:?}");
        let full = stage.query(&format!("SELECT LastName FROM Contact WHERE Id = '{contact}'"), &["LastName"]).await;
        assert!(shown.fields.contains(&("LastName".into(), Some(full[0][0].clone()))), "the rest is as it was");
    }
    let versions = history(&stage.vault().await, "Contact", &contacts[0]).await.unwrap();
    let fields: Vec<&str> = versions[1].changes.iter().map(|change| change.field.as_str()).collect();
    assert_eq!(fields, ["Phone_of_account__c"]);
    // What a full backup reads is what is held.
    assert_eq!(line(&stage.try_backup(true).await.unwrap(), "Contact").changed, 0);
}

/// The org stops showing a formula at some point of a backup that also holds formulas: the others stay under their names.
#[tokio::test(start_paused = true)]
async fn formulas_are_not_mixed_up_where_one_of_them_vanishes_meanwhile() {
    let mut withheld = 0;
    for after in 0..16 {
        let stage = Stage::new();
        let formula = |name: &str, of: &str| Field {
            custom: true,
            calculated: true,
            formula: Some(of.into()),
            ..Field::usual(name, name, FieldType::String, 80)
        };
        let org = stage.emulator.orgs()[0].clone();
        for (name, of) in [("A_phone__c", "Account.Phone"), ("B_site__c", "Account.Site")] {
            assert!(org.add_field("Contact", formula(name, of)));
        }
        let account = stage.create_one("Account", json!({"Name": "a", "Phone": "1", "Site": "s"})).await;
        let row = |name: &str| json!({"LastName": name, "AccountId": account});
        let contacts = stage.create("Contact", &[row("b"), row("c")]).await;
        stage.later(1);
        stage.backup().await;
        stage.later(1);
        stage.update("Contact", &contacts[0], json!({"Title": "boss"})).await;
        stage.network.meanwhile_after(after, "/composite", |emulator| {
            assert!(emulator.orgs()[0].drop_field("Contact", "A_phone__c"));
        });
        let report = stage.reconcile().await;
        withheld += usize::from(line(&report, "Contact").gaps.iter().any(|gap| gap.what == "field A_phone__c"));
        for contact in &contacts {
            let shown = record(&stage.vault().await, "Contact", contact, None).await.unwrap();
            assert!(shown.fields.contains(&("B_site__c".into(), Some("s".into()))), "after {after}: {shown:?}");
        }
    }
    assert!(withheld > 0, "in none of them was the field asked for in vain");
}

#[tokio::test(start_paused = true)]
async fn what_has_not_changed_is_held_side_by_side_for_little() {
    let stage = Stage::with(orgkeep_emulator::Settings { records: 400, ..Default::default() });
    stage.later(1);
    stage.backup().await;
    stage.later(1);
    let usual = stage.backup().await.line.calls;
    stage.later(1);
    let report = stage.reconcile().await;
    let filled = report.objects.iter().filter(|line| line.rows_held > 0).count() as u64;
    assert!(
        report.line.calls <= usual + filled / 4 + 5,
        "{} calls, {usual} without, {filled} objects",
        report.line.calls
    );
    assert_eq!((report.line.added, report.line.changed, report.line.deleted, report.line.bytes), (0, 0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_history_says_who_deleted_a_record_and_into_which_it_was_merged() {
    let stage = Stage::new();
    let accounts = stage.create("Account", &[json!({"Name": "a"}), json!({"Name": "b"}), json!({"Name": "c"})]).await;
    stage.backup().await;
    stage.later(1);
    stage.delete(&accounts[..1]).await;
    stage.emulator.orgs()[0].merge(&accounts[2], &accounts[1..2]).unwrap();
    stage.backup().await;
    // Long after, when the bin is empty and the event is gone.
    stage.later(24 * 30);
    stage.backup().await;
    let me = stage.org().await.identity().user_id.clone();
    let last = async |id: &str| {
        history(&stage.vault().await, "Account", id)
            .await
            .unwrap()
            .into_iter()
            .rfind(|version| version.deleted_by.is_some())
    };
    let deleted = last(&accounts[0]).await.unwrap();
    let by = deleted.deleted_by.unwrap();
    assert_eq!((&by.user, by.source, deleted.merged_into), (&me, Source::DeleteEvent, None));
    assert!(by.name.is_some() && by.at.is_some(), "{by:?}");
    let merged = last(&accounts[1]).await.unwrap();
    assert_eq!(merged.merged_into.as_deref(), Some(accounts[2].as_str()));
}
