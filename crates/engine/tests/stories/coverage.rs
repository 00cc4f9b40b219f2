// SPDX-License-Identifier: Apache-2.0
//! What a backup says of itself.

use crate::stage::{Fault, Stage};
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
    let before = estimate(&stage.org().await, &stage.vault().await, Some(7)).await.unwrap();
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
    let after = estimate(&stage.org().await, &stage.vault().await, Some(7)).await.unwrap();
    let incremental = stage.backup().await;
    assert_eq!(after.backups, 2);
    let (estimated, made) = (after.incremental.calls, incremental.line.calls);
    assert!(near(estimated, made), "{estimated} calls estimated, {made} made");
    let daily: Vec<u64> = after.schedules.iter().map(|schedule| schedule.calls_a_day).collect();
    assert!(daily.windows(2).all(|pair| pair[0] < pair[1]), "{daily:?}");
    assert!(after.schedules[1].percent_of_allowance.unwrap() > 0.0);

    // What a reconciliation takes comes on top, a seventh of it on each day.
    stage.later(1);
    let usual = stage.backup().await.line.calls;
    stage.later(1);
    let reconciled = stage.reconcile().await.line.calls - usual;
    assert!(near(after.reconciliation.calls, reconciled), "{:?} estimated, {reconciled} made", after.reconciliation);
    let share = after.reconciliation.calls.div_ceil(7);
    assert!(after.schedules.iter().all(|schedule| schedule.reconciliation_calls_a_day == share));
    let never = estimate(&stage.org().await, &stage.vault().await, None).await.unwrap();
    assert_eq!((never.reconcile_days, never.schedules[0].reconciliation_calls_a_day), (None, 0));
    assert!(after.schedules[0].calls_a_day >= never.schedules[0].calls_a_day + share);
}

/// Takes the right to read a field from every profile and permission set.
async fn hide(stage: &Stage, field: &str) {
    let rights = stage.query(&format!("SELECT Id FROM FieldPermissions WHERE Field = '{field}'"), &["Id"]).await;
    assert!(!rights.is_empty());
    stage.delete(&rights.into_iter().map(|mut row| row.remove(0)).collect::<Vec<_>>()).await;
}

#[tokio::test(start_paused = true)]
async fn fields_that_field_level_security_hides_are_named_with_what_to_do() {
    let stage = Stage::new();
    let account = stage.create_one("Account", json!({"Name": "a", "Rating": "Hot"})).await;
    let credentials = stage.emulator.credentials(0);
    stage.emulator.orgs()[0].set_permission(&credentials.user_id, "ViewAllFieldsGlobal", false);
    hide(&stage, "Account.Rating").await;
    // An object without rows has lost nothing by it.
    hide(&stage, "Lead.Rating").await;
    stage.later(1);
    let report = stage.backup().await;
    assert_eq!(report.line.state, State::Yellow);
    let seen = looked_at(&stage, CoverageOptions::default()).await;
    assert_eq!(object(&seen, "Account").fields_hidden, ["Rating"]);
    assert_eq!(object(&seen, "Lead").fields_hidden, ["Rating"]);
    let (accounts, leads) = (object(&seen, "Account"), object(&seen, "Lead"));
    assert_eq!((accounts.line.state, leads.line.state), (State::Yellow, State::Green));
    assert_eq!(accounts.line.gaps[0].what, "field Rating");
    assert!(accounts.to_do.as_ref().unwrap().contains("read access"), "{accounts:?}");
    assert!(seen.objects.iter().all(|one| one.fields_hidden.len() < 2), "{seen:?}");

    // Nothing has changed: nothing is asked for again, and it is still known.
    stage.later(1);
    stage.network.set(Fault::None);
    stage.backup().await;
    assert!(stage.network.log().iter().all(|request| !request.contains("/tooling/")), "{:?}", stage.network.log());
    assert_eq!(object(&looked_at(&stage, CoverageOptions::default()).await, "Account").fields_hidden, ["Rating"]);

    // The permission shows them, and the value is there.
    stage.emulator.orgs()[0].set_permission(&credentials.user_id, "ViewAllFieldsGlobal", true);
    stage.later(25);
    let report = stage.backup().await;
    assert_eq!(
        report.line.state,
        State::Green,
        "{:?}",
        looked_at(&stage, CoverageOptions::default()).await.hidden_fields_unknown
    );
    let shown = orgkeep_engine::record(&stage.vault().await, "Account", &account, None).await.unwrap();
    assert!(shown.fields.contains(&("Rating".into(), Some("Hot".into()))), "{shown:?}");
}

#[tokio::test(start_paused = true)]
async fn a_backup_that_cannot_know_what_is_hidden_says_so_and_is_not_green() {
    let stage = Stage::new();
    stage.create_one("Account", json!({"Name": "a"})).await;
    let credentials = stage.emulator.credentials(0);
    stage.emulator.orgs()[0].set_permission(&credentials.user_id, "ViewSetup", false);
    let report = stage.backup().await;
    let seen = looked_at(&stage, CoverageOptions::default()).await;
    assert!(seen.hidden_fields_unknown.as_ref().unwrap().contains("INVALID_TYPE"), "{:?}", seen.hidden_fields_unknown);
    assert_eq!((report.line.state, seen.state), (State::Yellow, State::Yellow));
    stage.emulator.orgs()[0].set_permission(&credentials.user_id, "ViewSetup", true);
    stage.later(1);
    assert_eq!(stage.backup().await.line.state, State::Green);
    assert_eq!(looked_at(&stage, CoverageOptions::default()).await.hidden_fields_unknown, None);
}

#[tokio::test(start_paused = true)]
async fn files_that_are_invisible_without_query_all_files_are_counted() {
    let stage = Stage::with(Settings { orgs: 1, ..Settings::default() });
    let org = &stage.emulator.orgs()[0];
    let credentials = stage.emulator.credentials(0);
    let version = |title: &str| json!({"Title": title, "PathOnClient": "a.txt", "VersionData": "Zmlyc3Q="});
    stage.create_one("ContentVersion", version("mine")).await;
    let other = stage.query("SELECT Id FROM User WHERE IsActive = true", &["Id"]).await;
    let other = other.into_iter().map(|mut row| row.remove(0)).find(|id| *id != credentials.user_id);
    let other = match other {
        Some(other) => other,
        None => {
            let profile =
                stage.query("SELECT Id FROM Profile WHERE Name = 'Standard User'", &["Id"]).await[0][0].clone();
            let user = json!({
                "Username": "other@acme.example", "LastName": "Other", "Email": "other@acme.example", "Alias": "other",
                "ProfileId": profile, "TimeZoneSidKey": "GMT", "LocaleSidKey": "en_US", "EmailEncodingKey": "UTF-8",
                "LanguageLocaleKey": "en_US"
            });
            stage.create_one("User", user).await
        }
    };
    let mut foreign = version("theirs");
    foreign["OwnerId"] = json!(other);
    stage.create_one("ContentVersion", foreign).await;
    assert_eq!(stage.backup().await.line.state, State::Green);

    org.set_permission(&credentials.user_id, "QueryAllFiles", false);
    stage.later(24);
    stage.backup().await;
    let seen = looked_at(&stage, CoverageOptions::default()).await;
    let documents = object(&seen, "ContentDocument");
    let gap = documents.line.gaps.iter().find(|gap| gap.reason.contains("Query All Files"));
    assert!(gap.unwrap_or_else(|| panic!("{documents:?}")).what.contains("1 of about 2"), "{documents:?}");
    assert_eq!(documents.line.state, State::Yellow);
    assert!(documents.to_do.as_ref().unwrap().contains("Query All Files"), "{documents:?}");
}
