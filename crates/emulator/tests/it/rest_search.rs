// SPDX-License-Identifier: Apache-2.0
//! Search: SOSL, with parameters, and suggestions (`salesforce-api.md` 2.2).

use crate::caller::{Caller, encode};
use serde_json::{Value, json};

/// Two accounts and three contacts.
async fn org() -> Caller {
    let caller = Caller::new();
    let acme = json!({"Name": "Acme Rocket Supply", "Phone": "555-0100", "Description": "Sells to a coyote"});
    let acme = caller.create("Account", acme).await;
    caller.create("Account", json!({"Name": "National Utility", "Description": "Buys from Acme"})).await;
    for (first, last, email) in [
        ("Wile", "Coyote", "wile@acme.com"),
        ("Road", "Runner", "beep@desert.org"),
        ("Marvin", "Martian", "m@mars.org"),
    ] {
        let contact = json!({"FirstName": first, "LastName": last, "Email": email, "AccountId": acme});
        caller.create("Contact", contact).await;
    }
    caller
}

async fn search(caller: &Caller, statement: &str) -> Vec<Value> {
    let body = caller.get(&format!("/search?q={}", encode(statement))).await.expect(200);
    body["searchRecords"].as_array().unwrap().clone()
}

fn values(records: &[Value], field: &str) -> Vec<String> {
    records.iter().map(|record| record[field].as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn words_are_found_in_the_fields_asked_for() {
    let caller = org().await;
    for (statement, wanted) in [
        ("FIND {acme} RETURNING Account(Name)", vec!["Acme Rocket Supply", "National Utility"]),
        ("FIND {acme} IN NAME FIELDS RETURNING Account(Name)", vec!["Acme Rocket Supply"]),
        ("FIND {acme} RETURNING Contact(Name)", vec!["Wile Coyote"]),
        ("FIND {acme} IN EMAIL FIELDS RETURNING Account(Name), Contact(Name)", vec!["Wile Coyote"]),
        ("FIND {0100} IN PHONE FIELDS RETURNING Account(Name)", vec!["Acme Rocket Supply"]),
        (
            "FIND {coyote OR mart*} IN NAME FIELDS RETURNING Contact(Name ORDER BY Name)",
            vec!["Marvin Martian", "Wile Coyote"],
        ),
        ("FIND {\"rocket supply\" AND NOT utility} RETURNING Account(Name)", vec!["Acme Rocket Supply"]),
        (
            "FIND {*ar*} RETURNING Contact(Name WHERE Email LIKE '%.org' ORDER BY Name DESC LIMIT 1)",
            vec!["Marvin Martian"],
        ),
        ("FIND {org} RETURNING Contact(Name ORDER BY Name LIMIT 1 OFFSET 1)", vec!["Road Runner"]),
        ("FIND {venus}", vec![]),
    ] {
        assert_eq!(values(&search(&caller, statement).await, "Name"), wanted, "{statement}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_objects_every_one_is_searched_and_ids_are_given() {
    let caller = org().await;
    let records = search(&caller, "FIND {acme}").await;
    let kinds: Vec<&str> = records.iter().map(|record| record["attributes"]["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["Account", "Account", "Contact"]);
    for record in &records {
        let names: Vec<&String> = record.as_object().unwrap().keys().collect();
        assert_eq!(names, ["attributes", "Id"]);
        let url = record["attributes"]["url"].as_str().unwrap();
        assert!(url.ends_with(record["Id"].as_str().unwrap()) && url.starts_with("/services/data/v67.0/sobjects/"));
    }
    assert_eq!(search(&caller, "FIND {acme} LIMIT 2").await.len(), 2);
    let id = records[2]["Id"].as_str().unwrap();
    caller.delete(&format!("/sobjects/Contact/{id}")).await.expect(204);
    assert_eq!(search(&caller, "FIND {acme}").await.len(), 2, "what is deleted is not found");
    // Before 37.0 the records were the whole answer.
    let said = caller.get(&format!("/services/data/v36.0/search?q={}", encode("FIND {acme}"))).await.expect(200);
    assert_eq!(said.as_array().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn found_words_can_be_marked() {
    let caller = org().await;
    let records = search(&caller, "FIND {Coyote} RETURNING Account(Name, Description) WITH HIGHLIGHT").await;
    assert_eq!(records[0]["highlight.Description"], "Sells to a <mark>coyote</mark>");
    assert!(records[0].get("highlight.Name").is_none());
}

#[tokio::test(start_paused = true)]
async fn searches_that_are_none_are_refused() {
    let caller = org().await;
    let refused = async |statement: &str| caller.get(&format!("/search?q={}", encode(statement))).await.error();
    let text = "No search term found. The search term must be enclosed in braces.";
    assert_eq!(refused("FIND acme").await, (400, "MALFORMED_SEARCH".into(), text.into()));
    assert_eq!(caller.get("/search").await.error().1, "MALFORMED_SEARCH");
    let text = "search term must be longer than one character: a";
    assert_eq!(refused("FIND {a}").await, (400, "MALFORMED_SEARCH".into(), text.into()));
    assert_eq!(refused("FIND {acme} RETURNING XYZZY").await.1, "INVALID_TYPE");
    assert_eq!(refused("FIND {acme} RETURNING Account(Foo)").await.1, "INVALID_FIELD");
    assert_eq!(refused("FIND {acme} RETURNING Account(Name WHERE)").await.1, "MALFORMED_QUERY");
    let (_, code, text) = refused("FIND {acme} WITH DIVISION = 'Global'").await;
    assert!(code == "MALFORMED_SEARCH" && text.contains("WITH DIVISION"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn parameters_search_as_sosl_does() {
    let caller = org().await;
    let path = "/parameterizedSearch?q=acme&sobject=Account,Contact&Account.fields=Id,Name&Account.limit=1&in=ALL";
    let body = caller.get(path).await.expect(200);
    let records = body["searchRecords"].as_array().unwrap();
    assert_eq!(records.len(), 2);
    assert_eq!((records[0]["Name"].clone(), records[1].get("Name")), (json!("Acme Rocket Supply"), None));
    let sent = json!({
        "q": "acme", "fields": ["Id", "LastName"], "in": "ALL", "overallLimit": 100, "defaultLimit": 10,
        "sobjects": [{"name": "Account", "fields": ["Id", "Name"], "where": "Name LIKE 'Nat%'", "limit": 20}, {"name": "Contact"}],
    });
    let body = caller.post("/parameterizedSearch", sent).await.expect(200);
    let records = body["searchRecords"].as_array().unwrap();
    assert_eq!(
        (records[0]["Name"].clone(), records[1]["LastName"].clone()),
        (json!("National Utility"), json!("Coyote"))
    );
    let (_, _, text) = caller.get("/parameterizedSearch?q=acme&division=Global").await.error();
    assert!(text.contains("division"), "{text}");
    assert_eq!(caller.get("/parameterizedSearch").await.error().1, "MALFORMED_SEARCH");
}

#[tokio::test(start_paused = true)]
async fn names_are_suggested_while_they_are_typed() {
    let caller = org().await;
    let body = caller.get("/search/suggestions?q=national+u&sobject=Account").await.expect(200);
    let record = &body["autoSuggestResults"][0];
    let names: Vec<&String> = record.as_object().unwrap().keys().collect();
    assert_eq!(names, ["attributes", "Id", "Name"]);
    assert_eq!(record["Name"], "National Utility");
    assert_eq!(body["hasMoreResults"], false);
    assert_eq!(body["meta"]["nameFields"], json!([{"entityApiName": "Account", "fieldApiName": "Name"}]));
    for (path, count, more) in [
        ("q=na&sobject=Account", 0, false),
        ("q=tional&sobject=Account", 0, false),
        ("q=acme&sobject=Account,Contact", 1, false),
        ("q=mar&sobject=Account,Contact", 1, false),
    ] {
        let body = caller.get(&format!("/search/suggestions?{path}")).await.expect(200);
        assert_eq!(body["autoSuggestResults"].as_array().unwrap().len(), count, "{path}");
        assert_eq!(body["hasMoreResults"], more);
    }
    assert_eq!(caller.get("/search/suggestions?q=acme").await.error().1, "MISSING_ARGUMENT");
    assert_eq!(caller.get("/search/suggestions?q=acme&sobject=Task").await.error().1, "INVALID_TYPE");
    let said =
        caller.call("GET", "/search/suggestions?q=nat&sobject=Account", &[("accept", "application/xml")], "").await;
    assert!(said.text().contains("<suggestions><autoSuggestResults type=\"Account\""), "{}", said.text());
}

#[tokio::test(start_paused = true)]
async fn scope_and_columns_of_a_search_are_told() {
    let caller = org().await;
    let body = caller.get("/search/scopeOrder").await.expect(200);
    assert_eq!(body[0], json!({"type": "Account", "url": "/services/data/v67.0/sobjects/Account/describe"}));
    let body = caller.get("/search/layout?q=Account,Contact").await.expect(200);
    let column = json!({"field": "Account.Name", "format": null, "label": "Account Name", "name": "Name"});
    assert_eq!((&body[0]["searchColumns"][0], &body[1]["objectType"]), (&column, &json!("Contact")));
}
