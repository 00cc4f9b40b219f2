// SPDX-License-Identifier: Apache-2.0
//! What the metadata of an object decides elsewhere in the org: which changes are kept in its history, which list views can be
//! run.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod client;
mod porter;

use client::Client;
use porter::{deploy, deploy_well, package, problems, zip};
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
    assert_eq!(history(&client, "Boat__History").await, ["Colour__c"]);
    // One more is chosen later, of the fields that are there.
    deploy_well(&client, &boat(true, &text_field("Size__c", true))).await;
    update(&client, "Boat__c", &id, json!({"Colour__c": "blue", "Size__c": "small"})).await;
    assert_eq!(history(&client, "Boat__History").await, ["Colour__c", "Colour__c", "Size__c"]);
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
async fn a_standard_object_tracks_its_first_fields_until_metadata_says_which() {
    let client = Client::new();
    let id = client.create("Account", &json!({"Name": "Acme"})).await;
    let long = json!({"Name": "Acne", "BillingCity": "Oslo", "Description": "x".repeat(300)});
    update(&client, "Account", &id, long).await;
    assert_eq!(history(&client, "AccountHistory").await, ["BillingCity", "Description", "Name"]);
    let rows = client.query("SELECT OldValue, NewValue FROM AccountHistory WHERE Field = 'Description'").await;
    assert!(rows[0]["NewValue"].is_null(), "of long text it is kept that it changed");
    deploy_well(
        &client,
        &object("Account", &("<enableHistory>true</enableHistory>".to_owned() + &text_field("A__c", true))),
    )
    .await;
    update(&client, "Account", &id, json!({"Name": "Acme", "A__c": "1"})).await;
    assert_eq!(history(&client, "AccountHistory").await, ["A__c", "BillingCity", "Description", "Name"]);
    deploy_well(&client, &object("Account", "<enableHistory>false</enableHistory>")).await;
    update(&client, "Account", &id, json!({"A__c": "2"})).await;
    assert_eq!(history(&client, "AccountHistory").await.len(), 4);
}
