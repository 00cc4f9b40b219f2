// SPDX-License-Identifier: Apache-2.0
//! Comparisons: two backups, or a backup with the org as it is.

use crate::stage::Stage;
use orgkeep_emulator::schema::{Field, FieldType};
use orgkeep_engine::{ChangeKind, CompareOptions, Comparison, SchemaChange, Side, Silent, compare};
use serde_json::json;

#[tokio::test(start_paused = true)]
async fn a_comparison_names_what_was_added_removed_and_changed() {
    let stage = Stage::new();
    let ids = stage
        .create("Account", &[json!({"Name": "a", "Phone": "1"}), json!({"Name": "b"}), json!({"Name": "c"})])
        .await;
    stage.backup().await;
    stage.later(24);
    stage.update("Account", &ids[0], json!({"Phone": "2"})).await;
    stage.delete(&ids[1..2]).await;
    stage.create_one("Account", json!({"Name": "d"})).await;
    stage.backup().await;
    let vault = stage.vault().await;
    let options = CompareOptions { object: Some("account".into()), details: 10 };
    for to in [Side::Backup(2), Side::Live(&stage.org().await)] {
        let comparison = compare(&vault, Side::Backup(1), to, &options, &stage.ears).await.unwrap();
        let account = &comparison.objects[0];
        assert_eq!((account.added, account.removed, account.changed, account.same), (1, 1, 1, 1), "{account:?}");
        let changed = account.details.iter().find(|change| change.kind == ChangeKind::Changed).unwrap();
        assert_eq!((changed.id.as_str(), changed.name.as_deref()), (ids[0].as_str(), Some("a")));
        let phone = changed.fields.iter().find(|change| change.field == "Phone").unwrap();
        assert_eq!((phone.before.as_deref(), phone.after.as_deref()), (Some("1"), Some("2")));
        assert!(account.system_fields.contains("SystemModstamp"));
    }
}

#[tokio::test(start_paused = true)]
async fn of_many_records_only_those_captured_in_between_are_looked_at() {
    let stage = Stage::new();
    let rows: Vec<_> = (0..80).map(|number| json!({"Name": format!("a{number}"), "Phone": "1"})).collect();
    let ids = stage.create("Account", &rows).await;
    stage.backup().await;
    stage.later(24);
    stage.update("Account", &ids[7], json!({"Phone": "2"})).await;
    stage.delete(&ids[20..21]).await;
    stage.delete_for_good("Account", &ids[30..31]).await;
    let new = stage.create_one("Account", json!({"Name": "d"})).await;
    stage.try_backup(true).await.unwrap();
    stage.later(24);
    stage.update("Account", &ids[8], json!({"Phone": "3"})).await;
    stage.backup().await;
    let vault = stage.vault().await;
    let mut touched = vec![ids[7].clone(), ids[20].clone(), ids[30].clone(), new];
    touched.sort();
    assert_eq!(vault.changed_between("Account", 1, 2, 10).await.unwrap(), Some(touched));
    assert_eq!(vault.changed_between("Account", 2, 3, 10).await.unwrap(), Some(vec![ids[8].clone()]));
    assert_eq!(vault.changed_between("Account", 1, 2, 3).await.unwrap(), None);
    let options = CompareOptions { object: Some("Account".into()), details: 10 };
    let org = stage.org().await;
    // Against the org every record is read, between backups next to none: the numbers are the same.
    for (from, to, expected) in [
        (1, Side::Backup(3), (1, 2, 2, 76)),
        (1, Side::Live(&org), (1, 2, 2, 76)),
        (3, Side::Backup(1), (2, 1, 2, 76)),
        (2, Side::Backup(3), (0, 0, 1, 78)),
    ] {
        let comparison = compare(&vault, Side::Backup(from), to, &options, &stage.ears).await.unwrap();
        let account = &comparison.objects[0];
        let found = (account.added, account.removed, account.changed, account.same + account.touched);
        assert_eq!(found, expected, "{from} {}: {account:?}", to.label());
    }
}

#[tokio::test(start_paused = true)]
async fn an_org_that_did_not_change_has_no_difference() {
    let stage = Stage::new();
    stage.create("Account", &[json!({"Name": "a", "AnnualRevenue": 0.1}), json!({"Name": "b"})]).await;
    stage.backup().await;
    let options = CompareOptions::default();
    let org = stage.org().await;
    let comparison =
        compare(&stage.vault().await, Side::Backup(1), Side::Live(&org), &options, &stage.ears).await.unwrap();
    for object in &comparison.objects {
        assert!(!object.differs(), "{object:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_changed_in_the_schema_is_told_between_backups_and_against_the_org() {
    let stage = Stage::new();
    stage.create_one("Account", json!({"Name": "a"})).await;
    stage.backup().await;
    let org = stage.emulator.orgs()[0].clone();
    org.add_field("Account", Field { custom: true, ..Field::usual("Region__c", "Region", FieldType::String, 80) });
    org.drop_field("Account", "Fax");
    stage.later(1);
    stage.backup().await;
    let vault = stage.vault().await;
    let told = |comparison: &Comparison| -> Vec<(ChangeKind, String)> {
        let name = |change: &SchemaChange| format!("{}.{}", change.object, change.field.as_deref().unwrap_or_default());
        comparison.schema.iter().map(|change| (change.kind, name(change))).collect()
    };
    let expected =
        [(ChangeKind::Removed, "Account.Fax".to_owned()), (ChangeKind::Added, "Account.Region__c".to_owned())];
    let options = CompareOptions::default();
    let backups = compare(&vault, Side::Backup(1), Side::Backup(2), &options, &Silent).await.unwrap();
    assert_eq!(told(&backups), expected);
    let live = stage.org().await;
    let now = compare(&vault, Side::Backup(1), Side::Live(&live), &options, &Silent).await.unwrap();
    assert_eq!(told(&now), expected);
    let same = compare(&vault, Side::Backup(2), Side::Live(&live), &options, &Silent).await.unwrap();
    assert_eq!(told(&same), []);
}
