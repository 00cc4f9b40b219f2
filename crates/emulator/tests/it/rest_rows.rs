// SPDX-License-Identifier: Apache-2.0
//! Rows by Id and by external id, what changed and what was deleted, each case citing `salesforce-api.md`.

use std::time::Duration;

use crate::caller::{Caller, encode};
use serde_json::{Value, json};

#[tokio::test(start_paused = true)]
async fn a_record_is_created_read_changed_and_deleted() {
    // 2.7, 2.1: names in any case, text coerced, a trailing slash, `_HttpMethod`.
    let caller = Caller::new();
    let said = caller
        .post("/sobjects/account/", json!({"NAME": "Acme", "numberofemployees": "10000", "AnnualRevenue": 5}))
        .await;
    let body = said.expect(201);
    let id = body["id"].as_str().unwrap();
    assert_eq!(body, json!({"id": id, "success": true, "errors": []}));
    assert_eq!(said.header("location"), format!("/services/data/v67.0/sobjects/Account/{id}"));
    let row = caller.get(&format!("/sobjects/Account/{id}")).await.expect(200);
    assert_eq!(
        row["attributes"],
        json!({"type": "Account", "url": format!("/services/data/v67.0/sobjects/Account/{id}")})
    );
    assert_eq!((row["Name"].clone(), row["NumberOfEmployees"].clone()), (json!("Acme"), json!(10_000)));
    assert!(row["AnnualRevenue"].is_f64() && row["BillingAddress"].is_null());
    assert_eq!(row["CreatedDate"], "2026-03-01T12:00:00.000+0000");

    let said = caller.patch(&format!("/sobjects/Account/{}", &id[..15]), json!({"Name": "Ajax"})).await;
    assert_eq!((said.status, said.body.len()), (204, 0));
    let path = format!("/sobjects/Account/{id}?_HttpMethod=PATCH");
    assert_eq!(caller.post(&path, json!({"Site": "here"})).await.status, 204);
    let row = caller.get(&format!("/sobjects/Account/{id}?fields=name,Site")).await.expect(200);
    assert_eq!((row["Name"].clone(), row["Site"].clone()), (json!("Ajax"), json!("here")));
    assert_eq!(row.as_object().unwrap().len(), 3);

    assert_eq!(caller.delete(&format!("/sobjects/Account/{id}")).await.status, 204);
    for said in
        [caller.get(&format!("/sobjects/Account/{id}")).await, caller.delete(&format!("/sobjects/Account/{id}")).await]
    {
        assert_eq!(said.error(), (404, "ENTITY_IS_DELETED".into(), "entity is deleted".into()));
    }
}

#[tokio::test(start_paused = true)]
async fn creating_below_id_says_created() {
    // 2.2: `/sobjects/T/Id`, `created` from 46.0 on.
    let caller = Caller::new();
    let body = caller.post("/sobjects/Account/Id", json!({"Name": "A"})).await.expect(201);
    assert_eq!(body["created"], true);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_saved_is_refused_with_its_code() {
    // 2.1, 2.7, 6.6
    let caller = Caller::new();
    let said = caller.post("/sobjects/Account", json!({"Foo": 1, "Name": "A"})).await;
    let text = "No such column 'Foo' on sobject of type Account";
    assert_eq!(said.error(), (400, "INVALID_FIELD".into(), text.into()));
    let said = caller.post("/sobjects/Account", json!({"Site": "x"})).await;
    assert_eq!(said.error(), (400, "REQUIRED_FIELD_MISSING".into(), "Required fields are missing: [Name]".into()));
    assert_eq!(said.json()[0]["fields"], json!(["Name"]));
    let headers = [("content-type", "application/json")];
    let said = caller.call("POST", "/sobjects/Account", &headers, "{\"Name\": ").await;
    assert_eq!((said.status, said.error().1), (400, "JSON_PARSER_ERROR".into()));
    assert_eq!(caller.query("SELECT count() FROM Account").await.expect(200)["totalSize"], 0);
}

#[tokio::test(start_paused = true)]
async fn ids_are_checked_before_they_are_looked_up() {
    // 6.1, 2.1
    let caller = Caller::new();
    let contact = caller.create("Contact", json!({"LastName": "C"})).await;
    let missing = (404, "NOT_FOUND".to_owned(), "The requested resource does not exist".to_owned());
    assert_eq!(
        caller.get(&format!("/sobjects/Account/{}", orgkeep_emulator::id::make("001", 999_999))).await.error(),
        missing
    );
    let said = caller.get("/sobjects/Account/001RM000003oLrB000").await;
    assert_eq!(said.error(), (400, "MALFORMED_ID".into(), "malformed id 001RM000003oLrB000".into()));
    let said = caller.get(&format!("/sobjects/Account/{contact}")).await;
    assert_eq!((said.status, said.error().1), (400, "MALFORMED_ID".into()));
    assert!(said.error().2.contains("id value of incorrect type"));
    assert_eq!(caller.get("/sobjects/Account/nonsense").await.error(), missing);
    let said = caller.get("/sobjects/Account/001000000000001AAA?fields=Id").await;
    assert_eq!(said.error(), missing);
    let id = caller.create("Account", json!({"Name": "A"})).await;
    let said = caller.get(&format!("/sobjects/Account/{id}?fields=Nope")).await;
    assert_eq!(said.error().1, "INVALID_FIELD");
}

#[tokio::test(start_paused = true)]
async fn a_record_that_has_not_changed_is_not_sent_again() {
    // 2.1
    let caller = Caller::new();
    let id = caller.create("Account", json!({"Name": "A"})).await;
    let path = format!("/sobjects/Account/{id}");
    for (since, status) in
        [("Sun, 01 Mar 2026 12:00:00 GMT", 304), ("Sun, 01 Mar 2026 11:59:59 GMT", 200), ("soon", 200)]
    {
        assert_eq!(caller.call("GET", &path, &[("if-modified-since", since)], "").await.status, status, "{since}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_record_is_written_only_in_the_state_the_caller_knows() {
    // 2.1: tags for Accounts only, dates for all.
    let caller = Caller::new();
    let id = caller.create("Account", json!({"Name": "A"})).await;
    let path = format!("/sobjects/Account/{id}");
    let tag = caller.get(&path).await.header("etag").to_owned();
    assert!(tag.len() > 20, "{tag}");
    assert_eq!(caller.call("GET", &path, &[("if-none-match", &tag)], "").await.status, 304);
    caller.emulator.clock().advance(Duration::from_secs(10));
    let json = ("content-type", "application/json");
    let body = r#"{"Phone": "1"}"#;
    assert_eq!(caller.call("PATCH", &path, &[json, ("if-match", &tag)], body).await.status, 204);
    let said = caller.call("PATCH", &path, &[json, ("if-match", &tag)], body).await;
    assert_eq!((said.status, said.body.len()), (412, 0));
    assert_eq!(caller.call("GET", &path, &[("if-none-match", &tag)], "").await.status, 200);
    let before = ("if-unmodified-since", "Sun, 01 Mar 2026 12:00:09 GMT");
    assert_eq!(caller.call("DELETE", &path, &[before], "").await.status, 412);
    assert_eq!(caller.call("GET", &path, &[before], "").await.status, 412);
    let now = ("if-unmodified-since", "Sun, 01 Mar 2026 12:00:10 GMT");
    assert_eq!(caller.call("DELETE", &path, &[now], "").await.status, 204);
    let contact = caller.create("Contact", json!({"LastName": "C"})).await;
    let path = format!("/sobjects/Contact/{contact}");
    assert_eq!(caller.get(&path).await.header("etag"), "");
    assert_eq!(caller.call("GET", &path, &[("if-match", "\"x\"")], "").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_lookup_can_be_followed_in_the_path() {
    // 2.2: friendly URLs; 404 when the lookup is empty.
    let caller = Caller::new();
    let account = caller.create("Account", json!({"Name": "Parent"})).await;
    let contact = caller.create("Contact", json!({"LastName": "C", "AccountId": account})).await;
    let row = caller.get(&format!("/sobjects/Contact/{contact}/Account")).await.expect(200);
    assert_eq!((row["Id"].clone(), row["Name"].clone()), (json!(account), json!("Parent")));
    assert_eq!(caller.get(&format!("/sobjects/Contact/{contact}/ReportsTo")).await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn an_external_id_creates_and_then_updates() {
    // 2.7
    let caller = Caller::new();
    let path = "/sobjects/Project__c/External_Key__c/P%2F1";
    let said = caller.patch(path, json!({"Name": "One"})).await;
    let body = said.expect(201);
    let id = body["id"].as_str().unwrap().to_owned();
    assert_eq!(body, json!({"id": id, "success": true, "errors": [], "created": true}));
    let body = caller.patch(path, json!({"Name": "Two"})).await.expect(200);
    assert_eq!(body, json!({"id": id, "success": true, "errors": [], "created": false}));
    let old = caller.call("PATCH", &format!("/services/data/v45.0{path}"), &[], "{\"Name\":\"Three\"}").await;
    assert_eq!((old.status, old.body.len()), (204, 0), "no body before 46.0");
    let row = caller.get(path).await.expect(200);
    assert_eq!((row["Name"].clone(), row["External_Key__c"].clone()), (json!("Three"), json!("P/1")));
    assert_eq!(caller.call("HEAD", path, &[], "").await.status, 200);
    assert_eq!(caller.delete(path).await.status, 204);
    assert_eq!(caller.get(path).await.status, 404);
    let number = "/sobjects/Project__c/External_Number__c/12";
    caller.patch(number, json!({"Name": "N"})).await.expect(201);
    assert_eq!(caller.get(number).await.expect(200)["External_Number__c"], 12.0);
}

#[tokio::test(start_paused = true)]
async fn external_ids_have_their_own_refusals() {
    // 2.7
    let caller = Caller::new();
    let said = caller.patch("/sobjects/Project__c/Nope__c/1", json!({"Name": "x"})).await;
    let text = "Provided external ID field does not exist or is not accessible: Nope__c";
    assert_eq!(said.error(), (404, "NOT_FOUND".into(), text.into()));
    let said =
        caller.patch("/sobjects/Project__c/External_Key__c/1", json!({"Name": "x", "external_key__c": "1"})).await;
    let text = "The External_Key__c field should not be specified in the sobject data.";
    assert_eq!(said.error(), (400, "INVALID_FIELD".into(), text.into()));
    let said = caller.patch("/sobjects/Project__c/External_Key__c/1?updateOnly=true", json!({"Name": "x"})).await;
    assert_eq!(said.status, 404);
    // A parent by its external id.
    let said = caller.post("/sobjects/Project__c", json!({"Name": "p", "Account__r": {"Legacy_Id__c": "L9"}})).await;
    let text = "Foreign key external ID: l9 not found for field Legacy_Id__c in entity Account";
    assert_eq!(said.error().1, "INVALID_FIELD");
    assert!(said.error().2.eq_ignore_ascii_case(text), "{}", said.text());
    let account = caller.create("Account", json!({"Name": "A", "Legacy_Id__c": "L9"})).await;
    let project = caller.create("Project__c", json!({"Name": "p", "Account__r": {"Legacy_Id__c": "L9"}})).await;
    let row = caller.get(&format!("/sobjects/Project__c/{project}")).await.expect(200);
    assert_eq!(row["Account__c"], account);
}

#[tokio::test(start_paused = true)]
async fn several_records_of_one_external_id_are_all_named() {
    // 2.7: 300 with the URLs.
    let caller = Caller::new();
    for name in ["A", "B"] {
        caller.create("Contact", json!({"LastName": name, "Email": "same@example.com"})).await;
    }
    let path = format!("/sobjects/Contact/Email/{}", encode("same@example.com"));
    let said = caller.get(&path).await;
    let urls = said.expect(300);
    assert_eq!(urls.as_array().unwrap().len(), 2);
    assert!(urls[0].as_str().unwrap().starts_with("/services/data/v67.0/sobjects/Contact/003"));
    assert_eq!(caller.patch(&path, json!({"LastName": "C"})).await.status, 300);
    assert_eq!(caller.delete(&path).await.status, 300);
}

async fn span(caller: &Caller, what: &str, minutes: std::ops::Range<i64>) -> Value {
    let now = caller.emulator.clock().now();
    let text = |minute: i64| {
        let moment = chrono::DateTime::from_timestamp_millis(now + minute * 60_000).unwrap();
        encode(&moment.format("%Y-%m-%dT%H:%M:%S+00:00").to_string())
    };
    let path = format!("/sobjects/Account/{what}?start={}&end={}", text(minutes.start), text(minutes.end));
    caller.get(&path).await.expect(200)
}

#[tokio::test(start_paused = true)]
async fn changes_and_deletions_are_listed_by_time() {
    // 2.7
    let caller = Caller::new();
    let kept = caller.create("Account", json!({"Name": "kept"})).await;
    let gone = caller.create("Account", json!({"Name": "gone"})).await;
    caller.emulator.clock().advance(Duration::from_secs(600));
    caller.delete(&format!("/sobjects/Account/{gone}")).await.expect(204);
    caller.patch(&format!("/sobjects/Account/{kept}"), json!({"Site": "x"})).await.expect(204);
    caller.emulator.clock().advance(Duration::from_secs(600));

    let updated = span(&caller, "updated", -15..-5).await;
    assert_eq!(updated["ids"], json!([kept]));
    assert!(updated["latestDateCovered"].as_str().unwrap().ends_with(".000+0000"));
    let deleted = span(&caller, "deleted", -15..-5).await;
    assert_eq!(deleted["deletedRecords"], json!([{"deletedDate": "2026-03-01T12:10:00.000+0000", "id": gone}]));
    assert_eq!(deleted["earliestDateAvailable"], "2026-02-14T12:20:00.000+0000");
    assert_eq!(span(&caller, "updated", -5..0).await["ids"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn spans_must_make_sense() {
    // 2.7
    let caller = Caller::new();
    for (start, end) in [
        ("2026-03-01T10:00:00Z", "2026-03-01T10:00:30Z"),
        ("2026-01-01T10:00:00Z", "2026-03-01T10:00:00Z"),
        ("yesterday", "2026-03-01T10:00:00Z"),
    ] {
        let said = caller.get(&format!("/sobjects/Account/updated?start={start}&end={end}")).await;
        assert_eq!((said.status, said.error().1), (400, "INVALID_REPLICATION_DATE".into()), "{start} {end}");
    }
    let said = caller.get("/sobjects/PermissionSet/deleted?start=2026-03-01T10:00:00Z&end=2026-03-01T11:00:00Z").await;
    assert_eq!((said.status, said.error().1), (400, "INVALID_TYPE_FOR_OPERATION".into()));
}
