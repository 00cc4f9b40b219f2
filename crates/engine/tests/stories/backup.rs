// SPDX-License-Identifier: Apache-2.0
//! Backups: what they hold, what they say is missing, and what they cost.

use crate::stage::Stage;
use orgkeep_engine::{Filter, Mode, Route, State, history, list, record};
use serde_json::json;

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
