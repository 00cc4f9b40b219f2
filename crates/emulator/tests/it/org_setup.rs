// SPDX-License-Identifier: Apache-2.0
//! What the metadata of an object decides elsewhere in the org: which changes are kept in its history, which list views can be
//! run. And articles of Knowledge through the REST API, which an org has by a feature.

use crate::client::{Client, settings};
use crate::porter::{deploy, deploy_well, package, problems, zip};
use orgkeep_emulator::{Feature, Settings};
use serde_json::{Value, json};

/// A package with one object.
fn object(name: &str, body: &str) -> Vec<u8> {
    let file = format!("objects/{name}.object");
    let body = format!("<CustomObject xmlns=\"http://soap.sforce.com/2006/04/metadata\">{body}</CustomObject>");
    let fields: Vec<String> = body
        .split("<fields><fullName>")
        .skip(1)
        .filter_map(|rest| Some(format!("{name}.{}", rest.split_once('<')?.0)))
        .collect();
    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
    zip(&[("package.xml", &package(&[("CustomObject", &[name]), ("CustomField", &fields)])), (&file, &body)])
}

fn text_field(name: &str, tracked: bool) -> String {
    format!(
        "<fields><fullName>{name}</fullName><label>{name}</label><length>20</length><trackHistory>{tracked}</trackHistory>\
         <type>Text</type></fields>"
    )
}

fn boat(history: bool, fields: &str) -> Vec<u8> {
    let body = format!(
        "<deploymentStatus>Deployed</deploymentStatus><enableHistory>{history}</enableHistory>{fields}<label>Boat</label>\
         <nameField><label>Boat Name</label><type>Text</type></nameField><pluralLabel>Boats</pluralLabel>\
         <sharingModel>ReadWrite</sharingModel>"
    );
    object("Boat__c", &body)
}

async fn update(client: &Client, object: &str, id: &str, fields: Value) {
    let reply = client.json("PATCH", &format!("/sobjects/{object}/{id}"), &fields).await;
    assert_eq!(reply.status, 204, "{}", reply.text());
}

async fn history(client: &Client, object: &str) -> Vec<String> {
    let statement = format!("SELECT Field FROM {object} ORDER BY Field");
    let rows = client.query(&statement).await;
    rows.iter().map(|row| row["Field"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn history_is_kept_of_the_fields_that_metadata_tracks() {
    let client = Client::new();
    let fields = text_field("Colour__c", true) + &text_field("Size__c", false);
    deploy_well(&client, &boat(true, &fields)).await;
    let id = client.create("Boat__c", &json!({"Name": "Ark"})).await;
    let change = json!({"Name": "Arc", "Colour__c": "red", "Size__c": "big"});
    update(&client, "Boat__c", &id, change).await;
    assert_eq!(history(&client, "Boat__History").await, ["Colour__c", "created"]);
    // One more is chosen later, of the fields that are there.
    deploy_well(&client, &boat(true, &text_field("Size__c", true))).await;
    update(&client, "Boat__c", &id, json!({"Colour__c": "blue", "Size__c": "small"})).await;
    assert_eq!(history(&client, "Boat__History").await, ["Colour__c", "Colour__c", "created", "Size__c"]);
}

#[tokio::test(start_paused = true)]
async fn twenty_fields_are_tracked_and_only_where_the_object_keeps_a_history() {
    let client = Client::new();
    let refused = async |zip: Vec<u8>| {
        let result =
            deploy(&client, &zip, "<singlePackage>true</singlePackage><rollbackOnError>true</rollbackOnError>").await;
        assert_eq!(result.text_of("status"), "Failed");
        problems(&result).into_iter().map(|(_, problem)| problem).next().unwrap()
    };
    let off = refused(boat(false, &text_field("Colour__c", true))).await;
    assert_eq!(off, "The entity: Boat__c does not have history tracking enabled");
    let many: String = (0..21).map(|number| text_field(&format!("F{number}__c"), true)).collect();
    let problem = refused(boat(true, &many)).await;
    assert_eq!(problem, "exceeded the allowed number of fields to track on a given entity");
}

#[tokio::test(start_paused = true)]
async fn a_standard_object_tracks_what_metadata_says_and_nothing_before() {
    let client = Client::new();
    let id = client.create("Account", &json!({"Name": "Acme"})).await;
    update(&client, "Account", &id, json!({"Name": "Before"})).await;
    assert_eq!(history(&client, "AccountHistory").await, Vec::<String>::new());
    let tracked = |name: &str| format!("<fields><fullName>{name}</fullName><trackHistory>true</trackHistory></fields>");
    let chosen: String = ["Name", "BillingAddress", "Description", "OwnerId"].map(tracked).concat();
    deploy_well(&client, &object("Account", &format!("<enableHistory>true</enableHistory>{chosen}"))).await;
    let id = client.create("Account", &json!({"Name": "Acme"})).await;
    let long = json!({"Name": "Acne", "BillingCity": "Oslo", "Description": "x".repeat(300)});
    update(&client, "Account", &id, long).await;
    assert_eq!(history(&client, "AccountHistory").await, ["BillingCity", "created", "Description", "Name"]);
    let rows = client.query("SELECT OldValue, NewValue FROM AccountHistory WHERE Field = 'Description'").await;
    assert!(rows[0]["NewValue"].is_null(), "of long text it is kept that it changed");
    let users = client.query("SELECT Id, Name FROM User WHERE Name IN ('Ada Admin', 'Sam Sales') ORDER BY Name").await;
    update(&client, "Account", &id, json!({"OwnerId": users[1]["Id"]})).await;
    let owner = "SELECT DataType, OldValue, NewValue FROM AccountHistory WHERE Field = 'Owner' ORDER BY DataType";
    let owner = client.query(owner).await;
    assert_eq!(owner.len(), 2, "names beside Ids");
    assert_eq!((&owner[0]["DataType"], &owner[0]["NewValue"]), (&json!("EntityId"), &users[1]["Id"]));
    assert_eq!((&owner[1]["OldValue"], &owner[1]["NewValue"]), (&json!("Ada Admin"), &json!("Sam Sales")));
    deploy_well(
        &client,
        &object("Account", &("<enableHistory>true</enableHistory>".to_owned() + &text_field("A__c", true))),
    )
    .await;
    update(&client, "Account", &id, json!({"Name": "Acme", "A__c": "1"})).await;
    assert_eq!(
        history(&client, "AccountHistory").await,
        ["A__c", "BillingCity", "created", "Description", "Name", "Name", "Owner", "Owner"]
    );
    deploy_well(&client, &object("Account", "<enableHistory>false</enableHistory>")).await;
    update(&client, "Account", &id, json!({"A__c": "2"})).await;
    assert_eq!(history(&client, "AccountHistory").await.len(), 8);
}

const VIEWS: &str = "<listViews><fullName>Tall</fullName><booleanFilter>1 AND (2 OR 3)</booleanFilter><columns>NAME</columns>
    <columns>Colour__c</columns><columns>OWNER.ALIAS</columns><filterScope>Everything</filterScope>
    <filters><field>CREATED_DATE</field><operation>equals</operation><value>THIS_YEAR</value></filters>
    <filters><field>Colour__c</field><operation>equals</operation><value>red,blue</value></filters>
    <filters><field>NAME</field><operation>startsWith</operation><value>A_</value></filters>
    <label>Tall boats</label></listViews>
    <listViews><fullName>Odd</fullName><columns>NOTHING</columns><filterScope>Everything</filterScope><label>Odd</label></listViews>";

#[tokio::test(start_paused = true)]
async fn list_views_are_described_and_run() {
    let client = Client::new();
    let body = format!(
        "<deploymentStatus>Deployed</deploymentStatus>{}<label>Boat</label>{VIEWS}<nameField><label>Boat Name</label>\
         <type>Text</type></nameField><pluralLabel>Boats</pluralLabel><sharingModel>ReadWrite</sharingModel>",
        text_field("Colour__c", false)
    );
    let parcel = object("Boat__c", &body);
    deploy_well(&client, &parcel).await;
    for (name, colour) in [("Ark", "red"), ("Bee", "blue"), ("Cat", "white"), ("A_", "grey"), ("Ax", "grey")] {
        client.create("Boat__c", &json!({"Name": name, "Colour__c": colour})).await;
    }
    let list = client.get("/sobjects/Boat__c/listviews").await.json();
    let names: Vec<(&str, bool)> = list["listviews"]
        .as_array()
        .unwrap()
        .iter()
        .map(|view| (view["developerName"].as_str().unwrap(), view["soqlCompatible"] == true))
        .collect();
    assert_eq!(names, [("AllBoats", true), ("MyBoats", true), ("Odd", false), ("Tall", true)]);
    let url = |name: &str, which: &str| {
        let view = list["listviews"].as_array().unwrap().iter().find(|view| view["developerName"] == name).unwrap();
        view[which].as_str().unwrap().to_owned()
    };
    let row = client.query("SELECT Id FROM ListView WHERE DeveloperName = 'Tall'").await;
    assert!(url("Tall", "url").ends_with(row[0]["Id"].as_str().unwrap()), "a view is a row");
    let described = client.get(&url("Tall", "describeUrl")).await.json();
    assert_eq!(
        described["query"],
        "SELECT Name, Colour__c, Owner.Alias, Id, CreatedDate, LastModifiedDate, SystemModstamp FROM Boat__c WHERE \
         (CreatedDate = THIS_YEAR AND (Colour__c IN ('red', 'blue') OR Name LIKE 'A\\_%')) ORDER BY Name ASC NULLS FIRST, \
         Id ASC NULLS FIRST"
    );
    let columns: Vec<&str> =
        described["columns"].as_array().unwrap().iter().map(|column| column["label"].as_str().unwrap()).collect();
    assert_eq!(columns[..3], ["Boat Name", "Colour__c", "Boat Owner Alias"]);
    let results = client.get(&url("Tall", "resultsUrl")).await.json();
    let shown: Vec<&str> =
        results["records"].as_array().unwrap().iter().map(|row| row["columns"][0]["value"].as_str().unwrap()).collect();
    assert_eq!(shown, ["A_", "Ark", "Bee"]);
    assert_eq!((results["size"].as_u64(), results["done"].as_bool()), (Some(3), Some(true)));
    let created = results["records"][0]["columns"][4]["value"].as_str().unwrap();
    assert!(created.starts_with("Thu Jan 01 00:00:") && created.ends_with(" GMT 2026"), "{created}");
    let view = row[0]["Id"].as_str().unwrap();
    let plans = client.get(&format!("/query?explain={view}")).await.json();
    assert_eq!(plans["plans"][0]["sobjectType"], "Boat__c", "the plans of a view");
    let global = client.get("/sobjects/Global/describe/layouts").await.json();
    assert!(global["layouts"][0]["quickActionList"].is_object(), "{global}");
    let page = client.get(&(url("AllBoats", "resultsUrl") + "?limit=2&offset=2")).await.json();
    assert_eq!((page["size"].as_u64(), page["done"].as_bool()), (Some(2), Some(false)));
    let refused = client.get(&url("Odd", "resultsUrl")).await.refusal();
    assert_eq!(
        refused,
        (400, "INVALID_QUERY_FILTER_OPERATOR".into(), "The column NOTHING of a list view is not known".into())
    );
    assert_eq!(client.get(&url("MyBoats", "resultsUrl")).await.json()["size"], 5);
}

#[tokio::test(start_paused = true)]
async fn results_of_list_views_have_the_form_that_was_recorded() {
    let Some(path) = crate::porter::fixture("restforce/spec/fixtures/sobject/list_view_results_success_response.json")
    else {
        return;
    };
    let recorded: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let client = Client::new();
    let record = json!({"Name": "Burlington", "BillingState": "NC", "Phone": "(336) 222-7000", "Type": "Customer"});
    client.create("Account", &record).await;
    let columns =
        ["ACCOUNT.NAME", "Site", "ACCOUNT.ADDRESS1_STATE", "ACCOUNT.PHONE1", "ACCOUNT.TYPE", "CORE.USERS.ALIAS"];
    let columns: String = columns.iter().map(|column| format!("<columns>{column}</columns>")).collect();
    let view = format!(
        "<listViews><fullName>MyAccounts</fullName>{columns}<filterScope>Mine</filterScope><label>My Accounts</label></listViews>"
    );
    deploy_well(&client, &object("Account", &view)).await;
    let list = client.get("/sobjects/Account/listviews").await.json();
    let view = list["listviews"].as_array().unwrap().iter().find(|view| view["developerName"] == "MyAccounts").unwrap();
    let own = client.get(view["resultsUrl"].as_str().unwrap()).await.json();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&own), keys(&recorded));
    for (own, recorded) in own["columns"].as_array().unwrap().iter().zip(recorded["columns"].as_array().unwrap()) {
        let mut own = own.clone();
        // Labels were others then.
        own["label"] = recorded["label"].clone();
        assert_eq!(own, *recorded);
    }
    let fields = |result: &Value| -> Vec<Value> {
        result["records"][0]["columns"].as_array().unwrap().iter().map(|one| one["fieldNameOrPath"].clone()).collect()
    };
    assert_eq!(fields(&own), fields(&recorded));
    assert_eq!((&own["label"], &own["developerName"]), (&recorded["label"], &recorded["developerName"]));
}

#[tokio::test(start_paused = true)]
async fn articles_are_published_taken_back_archived_and_deleted_as_clients_ask() {
    // Knowledge Developer Guide; requests as sfdoc sends them.
    let client = Client::with(Settings { features: [Feature::Knowledge].into(), ..settings() });
    let page = async |accept: &str| {
        let request = http::Request::get("/").header("accept", accept).body(axum::body::Body::empty()).unwrap();
        let body = client.emulator.handle(request).await.into_body();
        String::from_utf8(axum::body::to_bytes(body, usize::MAX).await.unwrap().to_vec()).unwrap()
    };
    let told: Value = serde_json::from_str(&page("application/json").await).unwrap();
    assert_eq!(told["orgs"][0]["features"], json!(["knowledge"]), "the start page tells of the feature");
    assert!(page("text/html").await.contains("with knowledge"));
    let path = "/knowledgeManagement/articleVersions/masterVersions";
    let draft = client.create("Knowledge__kav", &json!({"Title": "How", "UrlName": "how"})).await;
    let status = async |id: &str| {
        let rows = client.query(&format!("SELECT PublishStatus FROM Knowledge__kav WHERE Id = '{id}'")).await;
        rows.first().map(|row| row["PublishStatus"].as_str().unwrap().to_owned())
    };
    let set = async |id: &str, status: &str| {
        client.json("PATCH", &format!("{path}/{id}"), &json!({"publishStatus": status})).await.status
    };
    let delete = async |id: &str| client.send("DELETE", &format!("{path}/{id}"), "", "").await.status;
    assert_eq!((set(&draft, "online").await, status(&draft).await), (204, Some("Online".into())));
    assert_eq!(delete(&draft).await, 400, "a published version stays");
    assert_eq!((set(&draft, "draft").await, status(&draft).await), (204, Some("Draft".into())));
    assert_eq!(set(&draft, "Online").await, 204);
    let article = client.query("SELECT KnowledgeArticleId FROM Knowledge__kav").await[0]["KnowledgeArticleId"].clone();
    let again = client.json("POST", path, &json!({"articleId": article})).await;
    assert_eq!(again.status, 201);
    let second = again.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(set(&draft, "draft").await, 400, "there is a draft");
    assert_eq!((delete(&second).await, status(&second).await), (204, None));
    assert_eq!((set(&draft, "archived").await, status(&draft).await), (204, Some("Archived".into())));
}
