// SPDX-License-Identifier: Apache-2.0
//! Resources around records: related records, recent ones, layouts, list views, menus, and the headers that change a call
//! (`salesforce-api.md` 2.1, 2.2).

use std::sync::Arc;

use crate::caller::{Caller, encode};
use orgkeep_emulator::schema::{Field, FieldType};
use serde_json::{Value, json};

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test(start_paused = true)]
async fn lookups_are_followed_five_times_and_children_listed() {
    // 2.2: friendly URLs.
    let caller = Caller::new();
    let mut parent = Value::Null;
    let mut ids = Vec::new();
    for number in 0..7 {
        let id = caller.create("Account", json!({"Name": format!("A{number}"), "ParentId": parent})).await;
        parent = json!(id);
        ids.push(id);
    }
    let contact = caller.create("Contact", json!({"LastName": "C", "AccountId": ids[6]})).await;
    let path = format!("/sobjects/Contact/{contact}/Account/Parent?fields=Name");
    let row = caller.get(&path).await.expect(200);
    assert_eq!((row["Name"].clone(), keys(&row)), (json!("A5"), vec!["attributes", "Name"]));
    let five = format!("/sobjects/Contact/{contact}/Account/Parent/Parent/Parent/Parent");
    assert_eq!(caller.get(&five).await.expect(200)["Name"], "A2");
    assert_eq!(caller.get(&format!("{five}/Parent")).await.status, 404);
    assert_eq!(caller.get(&format!("/sobjects/Account/{}/Parent", ids[0])).await.status, 404);
    assert_eq!(
        caller.get(&format!("/sobjects/Contact/{contact}/Account?fields=Nope")).await.error().1,
        "INVALID_FIELD"
    );

    let children = format!("/sobjects/Account/{}/Contacts", ids[6]);
    let body = caller.get(&format!("{children}?fields=Id,LastName")).await.expect(200);
    let url = format!("/services/data/v67.0/sobjects/Contact/{contact}");
    let record = json!({"attributes": {"type": "Contact", "url": url}, "Id": contact, "LastName": "C"});
    assert_eq!(body, json!({"totalSize": 1, "done": true, "records": [record]}));
    assert!(keys(&caller.get(&children).await.expect(200)["records"][0]).len() > 30, "all fields");
    let none = caller.get(&format!("/sobjects/Account/{}/Contacts", ids[0])).await.expect(200);
    assert_eq!(none, json!({"totalSize": 0, "done": true, "records": []}));

    let path = format!("/sobjects/Contact/{contact}/Account");
    assert_eq!(caller.patch(&path, json!({"Phone": "1"})).await.status, 204);
    assert_eq!(caller.get(&format!("{path}?fields=Phone")).await.expect(200)["Phone"], "1");
    assert_eq!(caller.patch(&children, json!({"Phone": "1"})).await.status, 405);
    let parent = format!("/sobjects/Account/{}/Parent", ids[1]);
    assert_eq!(caller.delete(&parent).await.status, 204);
    assert_eq!(caller.get(&format!("/sobjects/Account/{}", ids[0])).await.error().1, "ENTITY_IS_DELETED");
    let old = caller.get(&format!("/services/data/v35.0/sobjects/Contact/{contact}/Account")).await;
    assert_eq!(old.status, 404);
}

#[tokio::test(start_paused = true)]
async fn images_of_rich_text_are_read_by_their_reference() {
    let caller = Caller::new();
    let mut field = Field::usual("Story__c", "Story", FieldType::Textarea, 32_768);
    field.extra_type_info = Some("richtextarea".into());
    field.custom = true;
    field.html_formatted = true;
    assert!(caller.org().add_field("Account", field));
    let id = caller.create("Account", json!({"Name": "A", "Story__c": "Once"})).await;
    let png = [0x89, b'P', b'N', b'G', 1, 2, 3];
    let reference = caller.org().attach_rich_text_image(&id, "Story__c", &png).unwrap();
    let text = caller.get(&format!("/sobjects/Account/{id}?fields=Story__c")).await.expect(200);
    let text = text["Story__c"].as_str().unwrap();
    assert!(text.starts_with("Once<img") && text.contains(&format!("refid={reference}")), "{text}");
    let path = format!("/sobjects/Account/{id}/richTextImageFields/Story__c/{reference}");
    let said = caller.get(&path).await;
    assert_eq!((said.status, said.header("content-type"), said.body.as_slice()), (200, "image/png", &png[..]));
    let other = format!("/sobjects/Account/{id}/richTextImageFields/Description/{reference}");
    assert_eq!(caller.get(&other).await.status, 404);
    assert_eq!(caller.get(&format!("{}x", &path[..path.len() - 1])).await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn what_was_looked_at_is_remembered_when_asked_for() {
    // 2.1: `Sforce-Mru`, false unless told.
    let caller = Caller::new();
    let first = caller.create("Account", json!({"Name": "First"})).await;
    let second = caller.create("Account", json!({"Name": "Second"})).await;
    assert_eq!(caller.get("/recent").await.expect(200), json!([]));
    let mru = [("sforce-mru", "updateMru=true"), ("content-type", "application/json")];
    for id in [&first, &second, &first] {
        assert_eq!(caller.call("GET", &format!("/sobjects/Account/{id}"), &mru, "").await.status, 200);
    }
    assert_eq!(caller.call("POST", "/sobjects/Contact", &mru, r#"{"LastName": "C"}"#).await.status, 201);
    let recent = caller.get("/recent").await.expect(200);
    let names: Vec<&str> = recent.as_array().unwrap().iter().map(|record| record["Name"].as_str().unwrap()).collect();
    assert_eq!(names, ["C", "First", "Second"]);
    assert_eq!(keys(&recent[0]), ["attributes", "Id", "Name"]);
    assert_eq!(caller.get("/recent?limit=1").await.expect(200).as_array().unwrap().len(), 1);
    let basic = caller.get("/sobjects/Account").await.expect(200);
    assert_eq!(keys(&basic), ["objectDescribe", "recentItems"]);
    assert_eq!(basic["recentItems"][0]["Id"], first);
    assert_eq!(basic["recentItems"].as_array().unwrap().len(), 2);
    caller.query("SELECT Id FROM Account WHERE Name = 'Second' FOR VIEW").await.expect(200);
    assert_eq!(caller.get("/recent?limit=1").await.expect(200)[0]["Id"], second);
    caller.query("SELECT Id FROM Account WHERE Name = 'First'").await.expect(200);
    assert_eq!(caller.get("/recent?limit=1").await.expect(200)[0]["Id"], second);
}

#[tokio::test(start_paused = true)]
async fn names_may_lack_the_namespace_of_a_package() {
    // 2.1: `Sforce-Call-Options`.
    let caller = Caller::new();
    let mut field = Field::usual("pkg__Size__c", "Size", FieldType::String, 20);
    field.custom = true;
    assert!(caller.org().add_field("Account", field));
    let done = caller.org().change_schema(|objects| {
        let account = objects.iter().find(|object| object.name == "Account").unwrap();
        let mut own = account.clone();
        own.name = "pkg__Thing__c".into();
        own.key_prefix = Some("zz1".into());
        own.custom = true;
        own.children.clear();
        own.fields.retain(|field| matches!(field.name.as_str(), "Id" | "Name" | "IsDeleted"));
        let mut size = Field::usual("pkg__Size__c", "Size", FieldType::String, 20);
        size.custom = true;
        own.fields.push(Arc::new(size));
        objects.push(own);
    });
    done.unwrap();
    for options in ["client=x; defaultNamespace=pkg", "client=x, defaultNamespace=pkg"] {
        let headers = [("sforce-call-options", options), ("content-type", "application/json")];
        let body = r#"{"Name": "T", "Size__c": "big"}"#;
        let said = caller.call("POST", "/sobjects/Thing__c", &headers, body).await;
        assert_eq!(said.status, 201, "{}", said.text());
        let statement = encode("SELECT Size__c FROM Thing__c WHERE Size__c = 'big' AND Name != 'Size__c'");
        let path = format!("/query?q={statement}");
        let found = caller.call("GET", &path, &headers, "").await.expect(200);
        assert_eq!(found["records"][0]["pkg__Size__c"], "big");
        assert_eq!(caller.get(&path).await.error().1, "INVALID_TYPE");
    }
}

#[tokio::test(start_paused = true)]
async fn layouts_name_every_field_and_record_type() {
    let caller = Caller::new();
    let body = caller.get("/sobjects/Account/describe/layouts").await.expect(200);
    assert_eq!(keys(&body), ["layouts", "recordTypeMappings", "recordTypeSelectorRequired"]);
    let mapping = body["recordTypeMappings"].as_array().unwrap().last().unwrap();
    assert_eq!((&mapping["master"], &mapping["recordTypeId"]), (&json!(true), &json!("012000000000000AAA")));
    let layout = caller.get("/sobjects/Account/describe/layouts/012000000000000AAA").await.expect(200);
    let text = layout["detailLayoutSections"].to_string();
    assert!(text.contains("\"value\":\"Industry\"") && text.contains("\"value\":\"Phone\""));
    assert_eq!(caller.get("/sobjects/Account/describe/layouts/012EM0000000999").await.status, 404);
    let compact = caller.get("/sobjects/Account/describe/compactLayouts").await.expect(200);
    assert_eq!(compact["compactLayouts"][0]["name"], "SYSTEM");
    let primary = caller.get("/sobjects/Account/describe/compactLayouts/primary").await.expect(200);
    assert_eq!(primary["fieldItems"][0]["layoutComponents"][0]["value"], "Name");
    let several = caller.get("/compactLayouts?q=Account,Contact").await.expect(200);
    assert_eq!(keys(&several), ["Account", "Contact"]);
    let approvals = caller.get("/sobjects/Account/describe/approvalLayouts").await.expect(200);
    assert_eq!(approvals, json!({"approvalLayouts": []}));
}

#[tokio::test(start_paused = true)]
async fn an_org_without_automation_says_so() {
    let caller = Caller::new();
    let views =
        json!({"done": true, "listviews": [], "nextRecordsUrl": null, "size": 0, "sobjectType": "CampaignMember"});
    let base = "/services/data/v67.0/actions";
    for (path, wanted) in [
        ("/sobjects/campaignmember/listviews", views),
        ("/sobjects/Account/quickActions", json!([])),
        ("/quickActions", json!([])),
        ("/process/rules", json!({"rules": {}})),
        ("/process/approvals", json!({"approvals": {}})),
        ("/actions", json!({"custom": format!("{base}/custom"), "standard": format!("{base}/standard")})),
        ("/actions/custom/flow", json!({"actions": []})),
        ("/appMenu/AppSwitcher", json!({"appMenuItems": []})),
        // As recorded by CumulusCI.
        ("/connect/communities", json!({"communities": [], "total": 0})),
    ] {
        assert_eq!(caller.get(path).await.expect(200), wanted, "{path}");
    }
    assert_eq!(caller.get("/tabs").await.expect(200)[0]["name"], "standard-Account");
    assert_eq!(caller.get("/theme").await.expect(200)["themeItems"][0]["name"], "Account");
    assert_eq!(caller.get("/sobjects/Nothing/quickActions").await.status, 404);
    assert_eq!(caller.get("/actions/custom/magic").await.status, 404);
    assert_eq!(caller.get("/search/suggestSearchQueries?q=abc").await.error().1, "FUNCTIONALITY_NOT_ENABLED");
}

#[tokio::test(start_paused = true)]
async fn plans_of_a_query_are_told_without_running_it() {
    // The form of the REST guide's example.
    let caller = Caller::new();
    for number in 0..10 {
        caller.create("Account", json!({"Name": format!("A{number}"), "Industry": "Energy"})).await;
    }
    let explain = async |statement: &str| caller.get(&format!("/query?explain={}", encode(statement))).await;
    let body = explain("SELECT Id FROM Account WHERE Name = 'A1' AND Industry = 'Energy'").await.expect(200);
    let plan = &body["plans"][0];
    let names =
        ["cardinality", "fields", "leadingOperationType", "notes", "relativeCost", "sobjectCardinality", "sobjectType"];
    assert_eq!(keys(plan), names);
    assert_eq!((&plan["leadingOperationType"], &plan["fields"]), (&json!("Index"), &json!(["Name"])));
    assert_eq!((&plan["cardinality"], &plan["sobjectCardinality"]), (&json!(1), &json!(10)));
    let note = json!({"description": "Not considering filter for optimization because unindexed",
        "fields": ["Industry"], "tableEnumOrId": "Account"});
    assert_eq!(plan["notes"][0], note);
    assert_eq!(body["plans"][1]["leadingOperationType"], "TableScan");
    let body = explain("SELECT Id FROM Account WHERE Industry = 'Energy'").await.expect(200);
    assert_eq!(body["plans"].as_array().unwrap().len(), 1);
    assert_eq!(explain("SELECT Id FORM Account").await.error().1, "MALFORMED_QUERY");
    assert_eq!(explain("00OEM0000000001").await.error().1, "INVALID_ID");
}

#[tokio::test(start_paused = true)]
async fn counts_leave_out_objects_without_rows() {
    // As recorded: an object without rows is missing from the answer.
    let caller = Caller::new();
    caller.create("Account", json!({"Name": "A"})).await;
    let body = caller.get("/limits/recordCount?sObjects=Account,Opportunity").await.expect(200);
    assert_eq!(body, json!({"sObjects": [{"count": 1, "name": "Account"}]}));
}
