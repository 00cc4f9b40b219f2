// SPDX-License-Identifier: Apache-2.0
//! Restores: what comes back, what is left alone, and what is said about it.

use crate::stage::{Stage, records};
use orgkeep_engine::{Action, Filter, Kind, Plan, Selection, prove};
use serde_json::json;

#[tokio::test(start_paused = true)]
async fn a_deleted_account_comes_back_with_its_contacts() {
    let stage = Stage::new();
    let account = stage.create_one("Account", json!({"Name": "Acme"})).await;
    let contacts = stage
        .create(
            "Contact",
            &[json!({"LastName": "a", "AccountId": account}), json!({"LastName": "b", "AccountId": account})],
        )
        .await;
    stage.backup().await;
    stage.later(1);
    stage.delete(std::slice::from_ref(&account)).await;
    let report = stage.restore(1, records("Account", std::slice::from_ref(&account)), true).await;
    assert_eq!(report.failed, 0, "{report:?}");
    let back = stage.query("SELECT Id, AccountId FROM Contact ORDER BY LastName", &["Id", "AccountId"]).await;
    assert_eq!(back, [[contacts[0].clone(), account.clone()], [contacts[1].clone(), account.clone()]]);
    assert!(report.undeleted >= 1 && report.created == 0, "the recycle bin keeps the Ids: {report:?}");
}

#[tokio::test(start_paused = true)]
async fn a_record_gone_for_good_gets_a_new_id_and_its_children_follow() {
    let stage = Stage::new();
    let parent = stage.create_one("Account", json!({"Name": "Parent"})).await;
    let child = stage.create_one("Account", json!({"Name": "Child", "ParentId": parent})).await;
    let contact = stage.create_one("Contact", json!({"LastName": "Löwe", "AccountId": child})).await;
    stage.backup().await;
    stage.later(1);
    for (object, id) in [("Contact", &contact), ("Account", &child), ("Account", &parent)] {
        stage.delete_for_good(object, std::slice::from_ref(id)).await;
    }
    stage.backup().await;
    let report = stage.restore(1, Selection::ChangesSince(1), false).await;
    assert_eq!(report.failed, 0, "{report:?}");
    let rows = stage.query("SELECT Id, Parent.Name FROM Account WHERE Name = 'Child'", &["Id", "Parent.Name"]).await;
    assert_eq!(rows[0][1], "Parent");
    assert_ne!(rows[0][0], child);
    let rows = stage.query("SELECT Account.Name, LastName FROM Contact", &["Account.Name", "LastName"]).await;
    assert_eq!(rows, [["Child", "Löwe"]]);
    let proof = prove(&stage.vault().await, 1, &stage.org().await, &stage.ears).await.unwrap();
    assert!(proof.holds(), "{proof:?}");
    assert_eq!(proof.explained.iter().find(|(what, _)| what.starts_with("new Id")).map(|(_, n)| *n >= 3), Some(true));
}

#[tokio::test(start_paused = true)]
async fn only_fields_that_differ_are_written() {
    let stage = Stage::new();
    let ids = stage.create("Account", &[json!({"Name": "a", "Phone": "1"}), json!({"Name": "b", "Phone": "1"})]).await;
    stage.backup().await;
    stage.later(1);
    stage.update("Account", &ids[0], json!({"Phone": null, "Industry": "Banking"})).await;
    let plan = stage.plan(1, records("Account", &ids), false).await;
    assert_eq!(plan.records(), 1);
    assert_eq!(plan.steps[0].action, Action::Update);
    assert_eq!(plan.steps[0].records[0].fields, ["Phone", "Industry"]);
    stage.apply(&plan).await;
    let rows = stage.query("SELECT Phone, Industry FROM Account WHERE Name = 'a'", &["Phone", "Industry"]).await;
    assert_eq!(rows, [["1", ""]]);
}

#[tokio::test(start_paused = true)]
async fn a_plan_survives_a_file_and_a_moved_org_refuses_it() {
    let stage = Stage::new();
    let id = stage.create_one("Account", json!({"Name": "a"})).await;
    stage.backup().await;
    stage.later(1);
    stage.update("Account", &id, json!({"Name": "b"})).await;
    let plan = stage.plan(1, records("Account", std::slice::from_ref(&id)), false).await;
    let plan = Plan::from_json(&plan.to_json()).unwrap();
    stage.later(1);
    stage.update("Account", &id, json!({"Name": "c"})).await;
    let error = stage.try_apply(0, &plan).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Busy);
    assert_eq!(stage.query("SELECT Name FROM Account", &["Name"]).await, [["c"]]);
}

#[tokio::test(start_paused = true)]
async fn a_condition_selects_records_of_the_backup() {
    let stage = Stage::new();
    let ids = stage
        .create("Account", &[json!({"Name": "a", "AnnualRevenue": 5}), json!({"Name": "b", "AnnualRevenue": 50})])
        .await;
    stage.backup().await;
    stage.later(1);
    stage.delete(&ids).await;
    let filter = Filter::parse("AnnualRevenue > 10").unwrap();
    stage.restore(1, Selection::Where { object: "Account".into(), filter }, false).await;
    assert_eq!(stage.query("SELECT Name FROM Account", &["Name"]).await, [["b"]]);
}

#[tokio::test(start_paused = true)]
async fn unknown_names_get_the_nearest() {
    let stage = Stage::new();
    let id = stage.create_one("Account", json!({"Name": "a"})).await;
    stage.backup().await;
    let error = stage.try_plan(0, 1, records("Acount", std::slice::from_ref(&id)), false).await.unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
    assert!(error.next_step().unwrap().contains("Account"));
    let error = stage.try_plan(0, 7, records("Account", &[id]), false).await.unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
    let error = stage.try_plan(0, 1, records("Account", &["nonsense".into()]), false).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    let error = stage.try_plan(0, 1, records("Account", &["001000000000001".into()]), false).await.unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
}

#[tokio::test(start_paused = true)]
async fn a_file_gone_for_good_comes_back_with_all_its_versions_and_links() {
    let stage = Stage::new();
    let account = stage.create_one("Account", json!({"Name": "Acme"})).await;
    let version = |title: &str, body: &str| json!({"Title": title, "PathOnClient": "a.txt", "VersionData": body});
    // "first" and "second" in base64.
    let first = stage.create_one("ContentVersion", version("v1", "Zmlyc3Q=")).await;
    let document = stage
        .query(&format!("SELECT ContentDocumentId FROM ContentVersion WHERE Id = '{first}'"), &["ContentDocumentId"])
        .await[0][0]
        .clone();
    let mut second = version("v2", "c2Vjb25k");
    second["ContentDocumentId"] = json!(document);
    stage.create_one("ContentVersion", second).await;
    let link = json!({"ContentDocumentId": document, "LinkedEntityId": account, "ShareType": "V"});
    stage.create_one("ContentDocumentLink", link).await;
    stage.backup().await;
    stage.later(1);
    stage.delete_for_good("ContentDocument", std::slice::from_ref(&document)).await;
    stage.backup().await;
    let report = stage.restore(1, Selection::ChangesSince(1), false).await;
    assert_eq!(report.failed, 0, "{report:?}");
    assert_eq!(report.uploaded, 2);
    let rows = stage
        .query(
            "SELECT Title, VersionNumber, ContentSize FROM ContentVersion ORDER BY VersionNumber",
            &["Title", "VersionNumber", "ContentSize"],
        )
        .await;
    assert_eq!(rows, [["v1", "1", "5"], ["v2", "2", "6"]]);
    let soql = format!("SELECT ContentDocument.Title FROM ContentDocumentLink WHERE LinkedEntityId = '{account}'");
    assert_eq!(stage.query(&soql, &["ContentDocument.Title"]).await, [["v2"]]);
}

#[tokio::test(start_paused = true)]
async fn a_missing_optional_parent_is_left_out_and_said() {
    let stage = Stage::new();
    let account = stage.create_one("Account", json!({"Name": "Acme"})).await;
    let contact = stage.create_one("Contact", json!({"LastName": "a", "AccountId": account})).await;
    stage.backup().await;
    stage.later(1);
    stage.delete_for_good("Contact", std::slice::from_ref(&contact)).await;
    stage.delete_for_good("Account", &[account]).await;
    let plan = stage.plan(1, records("Contact", &[contact]), false).await;
    assert!(
        plan.not_written.iter().any(|line| line.reason.contains("AccountId is left empty")),
        "{:?}",
        plan.not_written
    );
    let report = stage.apply(&plan).await;
    assert_eq!((report.created, report.failed), (1, 0), "{report:?}");
}
