// SPDX-License-Identifier: Apache-2.0
//! Backups: what they hold, what they say is missing, and what they cost.

use crate::stage::Stage;
use orgkeep_emulator::Settings;
use orgkeep_emulator::record::Input;
use orgkeep_emulator::schema::{Catalog, Field, FieldType};
use orgkeep_engine::{Event, Filter, Mode, Route, State, history, list, record};
use serde_json::json;
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn a_first_backup_holds_every_row_the_org_counts() {
    let stage = Stage::new();
    let account = stage.create_one("Account", json!({"Name": "Acme 🦀", "AnnualRevenue": 950000000})).await;
    stage
        .create("Contact", &[json!({"LastName": "Löwe", "AccountId": account}), json!({"LastName": " spaced "})])
        .await;
    let report = stage.backup().await;
    assert_eq!((report.line.sequence, report.line.mode), (1, Mode::Full));
    for line in report.objects.iter().filter(|line| line.route != Route::None) {
        assert_eq!(line.rows_in_org, Some(line.rows_held), "{line:?}");
        assert_eq!(line.state, State::Green, "{line:?}");
    }
    let contacts = report.objects.iter().find(|line| line.object == "Contact").unwrap();
    assert_eq!((contacts.rows_held, contacts.added), (2, 2));
    let listing = list(&stage.vault().await, "contact", None, Some(&Filter::parse("LastName = 'löwe'").unwrap()), 10)
        .await
        .unwrap();
    assert_eq!(listing.rows.len(), 1);
    let shown = record(&stage.vault().await, "Account", &account[..15], None).await.unwrap();
    assert!(shown.fields.contains(&("AnnualRevenue".into(), Some("950000000".into()))));
}

#[tokio::test(start_paused = true)]
async fn an_incremental_backup_stores_only_what_changed() {
    let stage = Stage::new();
    let accounts = stage.create("Account", &[json!({"Name": "a"}), json!({"Name": "b"}), json!({"Name": "c"})]).await;
    stage.backup().await;
    stage.later(24);
    stage.update("Account", &accounts[1], json!({"Name": "B"})).await;
    stage.delete(&accounts[2..]).await;
    stage.create("Account", &[json!({"Name": "d"})]).await;
    let report = stage.backup().await;
    assert_eq!(report.line.mode, Mode::Incremental);
    let line = report.objects.iter().find(|line| line.object == "Account").unwrap();
    assert_eq!((line.added, line.changed, line.deleted, line.rows_held), (1, 1, 1, 3), "{line:?}");
    assert_eq!(line.state, State::Green);
    let versions = history(&stage.vault().await, "Account", &accounts[1]).await.unwrap();
    assert_eq!(versions.len(), 2);
    assert!(versions[1].changes.iter().any(|change| change.field == "Name" && change.after.as_deref() == Some("B")));
}

#[tokio::test(start_paused = true)]
async fn nothing_changed_means_nothing_stored() {
    let stage = Stage::new();
    stage.create("Account", &[json!({"Name": "a"}), json!({"Name": "b"})]).await;
    stage.backup().await;
    let report = stage.backup().await;
    assert_eq!((report.line.added, report.line.changed, report.line.deleted), (0, 0, 0));
    assert_eq!(report.line.bytes, 0);
}

#[tokio::test(start_paused = true)]
async fn what_has_not_changed_costs_a_quarter_of_a_call() {
    // Hundreds of objects, of which most hold rows or could.
    let stage = Stage::with(Settings { catalog: Catalog::Everything, records: 400, ..Settings::default() });
    let changing = ["Account", "Contact", "Lead", "Opportunity", "Case", "Campaign", "Product2", "Contract"];
    let first = stage.backup().await;
    let read = first.objects.iter().filter(|line| line.route != Route::None).count() as u64;
    let filled = first.objects.iter().filter(|line| line.rows_held > 0).count();
    assert!(read >= 800 && filled > 60, "{read} objects, {filled} with rows");
    // The second has the first one's rows in its overlap.
    stage.later(1);
    stage.backup().await;
    stage.later(1);
    for object in changing {
        let id = stage.emulator.orgs()[0].rows(object)[0]["Id"].as_str().unwrap().to_owned();
        stage.update(object, &id, json!({"Description": "changed"})).await;
    }
    let report = stage.backup().await;
    let changed = report.objects.iter().filter(|line| line.added + line.changed + line.deleted > 0).count() as u64;
    assert!(changed >= changing.len() as u64, "{changed}");
    // A changed object costs its rows and a count beside, at most a call each.
    let calls = report.line.calls - 2 * changed;
    assert!(calls * 4 <= read - changed, "{calls} calls for {} unchanged objects", read - changed);
    assert!(stage.network.log().iter().all(|request| !request.ends_with("/describe")), "{:?}", stage.network.log());
}

#[tokio::test(start_paused = true)]
async fn rows_of_a_bulk_load_are_not_read_again_for_ever() {
    let stage = Stage::new();
    let rows: Vec<_> = (0..50).map(|number| json!({"Name": format!("loaded {number}")})).collect();
    stage.create("Account", &rows).await;
    stage.later(1);
    stage.backup().await;
    let read = |report: &orgkeep_engine::BackupReport| {
        let vault_note = report.objects.iter().find(|line| line.object == "Account").unwrap().clone();
        (vault_note.route, vault_note.rows_held)
    };
    stage.ears.0.lock().unwrap().clear();
    let report = stage.backup().await;
    assert_eq!(read(&report), (Route::Composite, 50));
    let started = |event: &Event| matches!(event, Event::ObjectStarted { object, .. } if object == "Account");
    assert!(!stage.ears.0.lock().unwrap().iter().any(started), "rows older than the overlap were read again");
}

#[tokio::test(start_paused = true)]
async fn rows_of_the_overlap_that_are_as_they_were_are_not_held_against_the_vault() {
    let stage = Stage::new();
    let accounts = stage.create("Account", &[json!({"Name": "a"}), json!({"Name": "b"})]).await;
    stage.backup().await;
    let started = |event: &Event| matches!(event, Event::ObjectStarted { object, .. } if object == "Account");
    for _ in 0..2 {
        stage.ears.0.lock().unwrap().clear();
        stage.backup().await;
        assert!(!stage.ears.0.lock().unwrap().iter().any(started), "the org gave what it had given");
    }
    // At the same time by the org's clock: the stamp stays what it was.
    stage.update("Account", &accounts[0], json!({"Name": "A"})).await;
    let report = stage.backup().await;
    let line = report.objects.iter().find(|line| line.object == "Account").unwrap();
    assert_eq!((line.changed, line.rows_held), (1, 2), "{line:?}");
}

/// A reading takes time: what changes behind its back, on a page that it has read, has a smaller stamp than what it reads last.
#[tokio::test(start_paused = true)]
async fn a_record_that_changes_behind_the_back_of_a_long_reading_is_read_next_time() {
    let stage = Stage::new();
    let rows: Vec<_> = (0..2_100).map(|number| json!({"Name": format!("{number}")})).collect();
    let mut accounts = stage.create("Account", &rows).await;
    accounts.sort();
    let (early, late) = (accounts[0].clone(), accounts[2_050].clone());
    let changed = early.clone();
    stage.network.meanwhile("/query/0", move |emulator| {
        let org = &emulator.orgs()[0];
        let name = |text: &str| vec![("Name".to_owned(), Input::Text(text.to_owned()))];
        emulator.clock().advance(Duration::from_secs(3600));
        org.update(&changed, name("behind its back")).unwrap();
        emulator.clock().advance(Duration::from_secs(3600));
        org.update(&late, name("read last")).unwrap();
    });
    stage.backup().await;
    assert!(history(&stage.vault().await, "Account", &early).await.unwrap().len() == 1);
    stage.later(1);
    stage.backup().await;
    let shown = record(&stage.vault().await, "Account", &early, None).await.unwrap();
    assert!(shown.fields.contains(&("Name".into(), Some("behind its back".into()))), "{shown:?}");
}

#[tokio::test(start_paused = true)]
async fn a_field_that_was_added_is_read_although_describes_are_asked_for_only_when_they_changed() {
    let stage = Stage::new();
    let account = stage.create_one("Account", json!({"Name": "a"})).await;
    stage.later(1);
    stage.backup().await;
    stage.later(1);
    let org = &stage.emulator.orgs()[0];
    assert!(org.add_field("Account", Field::usual("Shoe__c", "Shoe", FieldType::String, 20)));
    org.update(&account, vec![("Shoe__c".into(), Input::Text("left".into()))]).unwrap();
    stage.backup().await;
    let shown = record(&stage.vault().await, "Account", &account, None).await.unwrap();
    assert!(shown.fields.contains(&("Shoe__c".into(), Some("left".into()))), "{shown:?}");
}

#[tokio::test(start_paused = true)]
async fn a_record_deleted_for_good_is_noticed_by_the_count() {
    let stage = Stage::new();
    let accounts = stage.create("Account", &[json!({"Name": "a"}), json!({"Name": "b"})]).await;
    stage.backup().await;
    stage.later(24);
    stage.delete_for_good("Account", &accounts[..1]).await;
    let report = stage.backup().await;
    let line = report.objects.iter().find(|line| line.object == "Account").unwrap();
    assert_eq!((line.deleted, line.vanished, line.rows_held, line.state), (1, 1, 1, State::Green));
    assert!(stage.ears.notices().iter().any(|notice| notice.contains("Account")));
    let versions = history(&stage.vault().await, "Account", &accounts[0]).await.unwrap();
    assert!(versions.last().unwrap().deleted);
}

#[tokio::test(start_paused = true)]
async fn a_file_is_read_once_per_content() {
    let stage = Stage::new();
    let body = |title: &str, text: &str| json!({"Title": title, "PathOnClient": format!("{title}.txt"), "VersionData": base64(text)});
    stage.create("ContentVersion", &[body("one", "same"), body("two", "same"), body("three", "other")]).await;
    let report = stage.backup().await;
    assert_eq!(report.line.files, 2);
    stage.later(1);
    stage.create("ContentVersion", &[body("four", "other")]).await;
    assert_eq!(stage.backup().await.line.files, 0);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_could_not_be_read_stays_a_gap_until_it_can() {
    let stage = Stage::new();
    let body = json!({"Title": "one", "PathOnClient": "one.txt", "VersionData": base64("text")});
    stage.create("ContentVersion", &[body]).await;
    let refuse = json!({"refuse": {"status": 403, "code": "INSUFFICIENT_ACCESS", "message": "not today"}});
    let fault = json!({"when": {"path": "*/VersionData"}, "times": 0, "do": refuse});
    let org = &stage.emulator.orgs()[0];
    org.faults().add(serde_json::from_value(fault).unwrap());
    let versions = |report: &orgkeep_engine::BackupReport| {
        report.objects.iter().find(|line| line.object == "ContentVersion").unwrap().clone()
    };
    let first = versions(&stage.backup().await);
    assert_eq!((first.state, first.gaps.len()), (State::Yellow, 1), "{first:?}");
    // Long after, when nothing has moved: still missing, still said.
    for _ in 0..2 {
        stage.later(24);
        let again = versions(&stage.backup().await);
        assert_eq!((again.state, again.gaps), (State::Yellow, first.gaps.clone()));
    }
    org.faults().clear();
    let report = stage.backup().await;
    assert_eq!((report.line.files, versions(&report).state), (1, State::Green));
    stage.later(24);
    assert_eq!(versions(&stage.backup().await).state, State::Green);
}

#[tokio::test(start_paused = true)]
async fn two_backups_of_one_org_at_once_are_refused() {
    let stage = Stage::new();
    let vault = stage.vault().await;
    let now = orgkeep_engine::Clock::now(&stage.clock());
    let _held = vault.lock("the other machine", now).await.unwrap();
    let error = stage.try_backup(false).await.unwrap_err();
    assert_eq!(error.kind(), orgkeep_engine::Kind::Busy);
    assert!(format!("{error}").contains("the other machine"), "{error}");
}

/// Base64 without a crate: the API wants it for a body in JSON.
fn base64(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut encoded = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let bits = chunk.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for digit in 0..4 {
            encoded.push(if digit <= chunk.len() {
                DIGITS[(bits >> (18 - 6 * digit)) as usize & 63] as char
            } else {
                '='
            });
        }
    }
    encoded
}
