// SPDX-License-Identifier: Apache-2.0
//! The request headers of `salesforce-api.md` 2.1 that no other test is about; duplicate rules' are in `automation_acts.rs`, the
//! conditional ones in `rest_resources.rs` and `describe.rs`, the namespace of call options in `rest_query.rs`.

use crate::caller::Caller;
use serde_json::json;

#[tokio::test]
async fn sessions_are_named_in_three_ways() {
    let caller = Caller::new();
    for (header, value) in
        [("authorization", format!("Bearer {}", caller.token)), ("authorization", format!("OAuth {}", caller.token))]
    {
        assert_eq!(caller.raw("GET", "/services/data/v67.0/limits", &[(header, &value)], "").await.status, 200);
    }
    let job = "{\"operation\": \"query\", \"object\": \"Account\", \"contentType\": \"CSV\"}";
    let headers = [("x-sfdc-session", caller.token.as_str()), ("content-type", "application/json")];
    assert_eq!(caller.raw("POST", "/services/async/67.0/job", &headers, job).await.status, 201);
    let refused = caller.raw("GET", "/services/data/v67.0/limits", &[("authorization", "Bearer nobody")], "").await;
    assert_eq!((refused.status, refused.error().1.as_str()), (401, "INVALID_SESSION_ID"));
}

#[tokio::test]
async fn pages_are_as_large_as_asked_within_their_limits() {
    let caller = Caller::new();
    for number in 0..5 {
        let records: Vec<_> =
            (0..150).map(|row| json!({"attributes": {"type": "Account"}, "Name": format!("{number}/{row}")})).collect();
        caller.post("/composite/sobjects", json!({"allOrNone": true, "records": records})).await.expect(200);
    }
    for (header, rows) in [("batchSize=1", 200), ("batchSize=201", 201), ("batchSize=100000", 750), ("", 750)] {
        let path = "/query?q=SELECT+Id+FROM+Account";
        let answer = caller.call("GET", path, &[("sforce-query-options", header)], "").await.expect(200);
        assert_eq!(answer["records"].as_array().unwrap().len(), rows, "{header}");
        assert_eq!(answer["nextRecordsUrl"].is_null(), rows == 750, "{header}");
    }
}

#[tokio::test]
async fn what_names_a_package_or_a_language_that_the_org_has_not_changes_nothing() {
    let caller = Caller::new();
    let plain = caller.get("/sobjects/Account/describe").await.expect(200);
    for header in [("x-sfdc-packageversion-npsp", "1.0"), ("accept-language", "de")] {
        let answer = caller.call("GET", "/sobjects/Account/describe", &[header], "").await.expect(200);
        assert_eq!(answer, plain, "{header:?}");
    }
}

#[tokio::test]
async fn a_read_is_remembered_only_when_told() {
    let caller = Caller::new();
    let id = caller.create("Account", json!({"Name": "A"})).await;
    let recent = async || caller.get("/recent").await.expect(200).as_array().unwrap().len();
    let path = format!("/sobjects/Account/{id}");
    caller.call("GET", &path, &[], "").await.expect(200);
    assert_eq!(recent().await, 0);
    caller.call("GET", &path, &[("sforce-mru", "updateMru=true")], "").await.expect(200);
    assert_eq!(recent().await, 1);
}
