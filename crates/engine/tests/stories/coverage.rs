// SPDX-License-Identifier: Apache-2.0
//! What a backup says of itself.

use crate::stage::Stage;
use orgkeep_emulator::Settings;
use orgkeep_emulator::schema::{Field, FieldType};
use orgkeep_engine::{Coverage, CoverageOptions, Kind, ObjectCoverage, Silent, State, coverage, estimate};
use serde_json::json;

async fn looked_at(stage: &Stage, options: CoverageOptions) -> Coverage {
    coverage(&stage.vault().await, &options, &Silent).await.unwrap()
}

fn object<'c>(coverage: &'c Coverage, name: &str) -> &'c ObjectCoverage {
    coverage.objects.iter().find(|object| object.line.object == name).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_whole_backup_is_green_and_says_how_fresh_its_formulas_are() {
    let stage = Stage::new();
    let formula = Field {
        custom: true,
        calculated: true,
        formula: Some("1 + 1".into()),
        ..Field::usual("Two__c", "Two", FieldType::Double, 18)
    };
    stage.emulator.orgs()[0].add_field("Contact", formula);
    let account = stage.create_one("Account", json!({"Name": "a"})).await;
    stage.create_one("Contact", json!({"LastName": "b", "AccountId": account})).await;
    stage.backup().await;
    let first = looked_at(&stage, CoverageOptions { references: true, ..CoverageOptions::default() }).await;
    assert_eq!(first.state, State::Green);
    let contact = object(&first, "Contact");
    assert_eq!((contact.line.rows_in_org, contact.line.rows_held), (Some(1), 1));
    assert!(contact.fields_missing.is_empty(), "{:?}", contact.fields_missing);
    assert!(contact.fields_held > 30 && contact.calculated > 0, "{contact:?}");
    let of_contacts = |coverage: &Coverage| -> Vec<String> {
        let dangling = coverage.dangling.iter().flatten().filter(|dangling| dangling.object == "Contact");
        dangling.map(|dangling| dangling.field.clone()).collect()
    };
    assert!(of_contacts(&first).is_empty(), "{:?}", first.dangling);

    // An incremental backup reads rows, but formulas only of those that moved.
    stage.later(2);
    stage.backup().await;
    let second = looked_at(&stage, CoverageOptions::default()).await;
    let later = object(&second, "Contact");
    assert!(later.as_of > contact.as_of, "{:?}", later.as_of);
    assert_eq!(later.calculated_as_of, contact.calculated_as_of);
    stage.try_backup(true).await.unwrap();
    let third =
        looked_at(&stage, CoverageOptions { object: Some("contact".into()), ..CoverageOptions::default() }).await;
    assert_eq!(third.objects.len(), 1);
    assert!(object(&third, "Contact").calculated_as_of > contact.calculated_as_of);
}

#[tokio::test(start_paused = true)]
async fn what_was_not_read_is_named_with_its_reason_and_leaves_references_that_lead_nowhere() {
    let stage = Stage::new();
    let account = stage.create_one("Account", json!({"Name": "a"})).await;
    let contact = stage.create_one("Contact", json!({"LastName": "b", "AccountId": account})).await;
    stage.network.refuse("+FROM+Account");
    stage.backup().await;
    let seen = looked_at(&stage, CoverageOptions { references: true, ..CoverageOptions::default() }).await;
    assert_ne!(seen.state, State::Green);
    let accounts = object(&seen, "Account");
    assert!(accounts.line.gaps.iter().any(|gap| gap.reason.contains("UNKNOWN_EXCEPTION")), "{accounts:?}");
    assert!(accounts.to_do.is_some());
    let dangling = seen.dangling.as_ref().unwrap();
    let of_contact = dangling
        .iter()
        .find(|dangling| (dangling.object.as_str(), dangling.field.as_str()) == ("Contact", "AccountId"));
    let of_contact = of_contact.unwrap_or_else(|| panic!("{dangling:?}"));
    assert_eq!((of_contact.references, &of_contact.example), (1, &(contact, account)));

    let error = coverage(&stage.vault().await, &CoverageOptions { at: Some(7), ..Default::default() }, &Silent).await;
    assert_eq!(error.unwrap_err().kind(), Kind::NotFound);
}

#[tokio::test(start_paused = true)]
async fn an_estimate_comes_near_what_the_backups_then_cost() {
    let stage = Stage::with(Settings { records: 3_000, ..Settings::default() });
    let near = |estimated: u64, was: u64| estimated * 10 <= was * 15 && was * 10 <= estimated * 15;
    let before = estimate(&stage.org().await, &stage.vault().await).await.unwrap();
    assert_eq!(before.backups, 0);
    let full = stage.backup().await;
    let held: u64 = full.objects.iter().map(|line| line.rows_held).sum();
    assert!(
        near(before.full.calls, full.line.calls),
        "{} calls estimated, {} made",
        before.full.calls,
        full.line.calls
    );
    assert!(near(before.rows, held), "{} rows estimated, {held} held", before.rows);

    stage.later(1);
    stage.backup().await;
    stage.later(1);
    let after = estimate(&stage.org().await, &stage.vault().await).await.unwrap();
    let incremental = stage.backup().await;
    assert_eq!(after.backups, 2);
    let (estimated, made) = (after.incremental.calls, incremental.line.calls);
    assert!(near(estimated, made), "{estimated} calls estimated, {made} made");
    let daily: Vec<u64> = after.schedules.iter().map(|schedule| schedule.calls_a_day).collect();
    assert!(daily.windows(2).all(|pair| pair[0] < pair[1]), "{daily:?}");
    assert!(after.schedules[1].percent_of_allowance.unwrap() > 0.0);
}
