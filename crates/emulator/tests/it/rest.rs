// SPDX-License-Identifier: Apache-2.0
//! REST at large: versions, sessions, limits, describes and the form of answers, each case citing `salesforce-api.md`.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::time::Duration;

use crate::caller::{Caller, HOST};
use serde_json::{Value, json};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/fixtures");

/// A recorded body, or nothing where the fixtures are absent.
#[allow(clippy::disallowed_macros, reason = "a test that is left out says why")]
fn recorded(name: &str) -> Option<Value> {
    let path = format!("{FIXTURES}/CumulusCI/decoded/{name}");
    match std::fs::read(&path) {
        Ok(bytes) => Some(serde_json::from_slice(&bytes).unwrap()),
        Err(error) => {
            eprintln!("left out: {path}: {error}");
            None
        }
    }
}

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test(start_paused = true)]
async fn the_version_list_needs_no_session_and_costs_nothing() {
    // 0, 2.1, 2.2
    let caller = Caller::new();
    for path in ["/services/data", "/services/data/"] {
        let said = caller.raw("GET", path, &[], "").await;
        let list = said.expect(200);
        assert_eq!(list[0]["version"], "31.0");
        let last = json!({"label": "Summer '26", "url": "/services/data/v67.0", "version": "67.0"});
        assert_eq!(list.as_array().unwrap().last(), Some(&last));
        assert_eq!(said.header("sforce-limit-info"), "");
    }
    assert_eq!(caller.org().daily_usage().0, 0);
}

#[tokio::test(start_paused = true)]
async fn retired_and_unknown_versions_are_refused() {
    // 0
    let caller = Caller::new();
    let said = caller.call("GET", "/services/data/v30.0/limits", &[], "").await;
    assert_eq!((said.status, said.error().1), (410, "GONE".into()));
    let said = caller.call("GET", "/services/data/v99.0/limits", &[], "").await;
    assert_eq!(said.error(), (404, "NOT_FOUND".into(), "The requested resource does not exist".into()));
    for version in ["31.0", "48.0", "67.0"] {
        let map = caller.call("GET", &format!("/services/data/v{version}"), &[], "").await.expect(200);
        assert_eq!(map["query"], format!("/services/data/v{version}/query"));
        let credentials = &caller.credentials;
        assert_eq!(map["identity"], format!("http://{HOST}/id/{}/{}", credentials.org_id, credentials.user_id));
    }
}

#[tokio::test(start_paused = true)]
async fn sessions_are_refused_exactly() {
    // 1.8, 2.1: `Bearer` and `OAuth` are both good.
    let caller = Caller::new();
    let limits = "/services/data/v67.0/limits";
    let expired = (401, "INVALID_SESSION_ID".to_owned(), "Session expired or invalid".to_owned());
    for token in ["x", "00D000000000001!x", ""] {
        let said = caller.raw("GET", limits, &[("authorization", &format!("Bearer {token}x"))], "").await;
        assert_eq!(said.error(), expired);
        assert_eq!(said.text(), r#"[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]"#);
    }
    assert_eq!(caller.raw("GET", limits, &[], "").await.error(), expired);
    let said = caller.raw("GET", limits, &[("authorization", "Basic x")], "").await;
    assert_eq!((said.status, said.error().1), (401, "INVALID_AUTH_HEADER".into()));
    let said = caller.raw("GET", limits, &[("authorization", &format!("OAuth {}", caller.token))], "").await;
    assert_eq!(said.status, 200);
    caller.org().expire_sessions();
    assert_eq!(caller.get("/limits").await.error(), expired);
}

#[tokio::test(start_paused = true)]
async fn a_user_without_api_enabled_is_refused() {
    // 1.8
    let caller = Caller::new();
    caller.org().set_permission(&caller.credentials.user_id, "ApiEnabled", false);
    let text = "API is not enabled for this Organization or Partner";
    assert_eq!(caller.get("/limits").await.error(), (403, "API_CURRENTLY_DISABLED".into(), text.into()));
    caller.org().set_permission(&caller.credentials.user_id, "ApiEnabled", true);
    assert_eq!(caller.get("/limits").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn the_daily_allowance_runs_out_and_comes_back() {
    // 2.1: the short form of the header, which clients match from end to end; 403 when nothing is left.
    let caller = Caller::new();
    caller.org().set_daily_limit(4_998, 5_000);
    assert_eq!(caller.get("/limits").await.header("sforce-limit-info"), "api-usage=4999/5000");
    let body = caller.get("/limits").await.expect(200);
    assert_eq!(body["DailyApiRequests"], json!({"Max": 5000, "Remaining": 0}));
    let said = caller.get("/limits").await;
    assert_eq!(said.error(), (403, "REQUEST_LIMIT_EXCEEDED".into(), "TotalRequests Limit exceeded.".into()));
    assert_eq!(said.header("sforce-limit-info"), "api-usage=5000/5000");
    let again = caller.form("/services/oauth2/token", &[("grant_type", "x")]).await;
    assert_eq!(again.status, 400, "OAuth is not counted");
    caller.emulator.clock().advance(Duration::from_secs(24 * 3600));
    let grant = [
        ("grant_type", "client_credentials"),
        ("client_id", caller.credentials.client_id.as_str()),
        ("client_secret", caller.credentials.client_secret.as_str()),
    ];
    let body = caller.form("/services/oauth2/token", &grant).await.expect(200);
    let token = body["access_token"].as_str().unwrap();
    let said =
        caller.raw("GET", "/services/data/v67.0/limits", &[("authorization", &format!("Bearer {token}"))], "").await;
    assert_eq!(said.status, 200);
}

#[tokio::test(start_paused = true)]
async fn limits_are_objects_with_max_and_remaining() {
    // 2.3; storage needs ManageUsers.
    let caller = Caller::new();
    let body = caller.get("/limits").await.expect(200);
    for (name, value) in body.as_object().unwrap() {
        assert!(value["Max"].is_u64() && value["Remaining"].is_u64(), "{name}");
    }
    assert!(body.get("DataStorageMB").is_some() && body["DailyBulkApiBatches"]["Max"] == 15_000);
    assert_eq!(body["PermissionSets"]["CreateCustom"], json!({"Max": 1000, "Remaining": 999}));
    caller.org().set_permission(&caller.credentials.user_id, "ManageUsers", false);
    assert!(caller.get("/limits").await.expect(200).get("DataStorageMB").is_none());
    let old = caller.call("GET", "/services/data/v48.0/limits", &[], "").await.expect(200);
    assert!(old.get("DailyBulkApiBatches").is_none() && old["DailyBulkApiRequests"]["Max"] == 15_000);
}

#[tokio::test(start_paused = true)]
async fn record_counts_leave_out_the_recycle_bin_and_what_is_unknown() {
    // 2.3
    let caller = Caller::new();
    caller.create("Account", json!({"Name": "A"})).await;
    let gone = caller.create("Account", json!({"Name": "B"})).await;
    caller.delete(&format!("/sobjects/Account/{gone}")).await.expect(204);
    let body = caller.get("/limits/recordCount?sObjects=Account,Nothing,Contact,AccountHistory").await.expect(200);
    assert_eq!(body, json!({"sObjects": [{"count": 1, "name": "Account"}]}));
}

#[tokio::test(start_paused = true)]
async fn the_pretty_form_is_jacksons() {
    // 2.1
    let caller = Caller::new();
    let path = "/query?q=SELECT+Id+FROM+Account";
    let said = caller.call("GET", path, &[("x-prettyprint", "1")], "").await;
    assert_eq!(said.text(), "{\n  \"totalSize\" : 0,\n  \"done\" : true,\n  \"records\" : [ ]\n}");
    assert_eq!(said.header("content-type"), "application/json;charset=UTF-8");
    assert_eq!(caller.get(path).await.text(), "{\"totalSize\":0,\"done\":true,\"records\":[]}");
}

#[tokio::test(start_paused = true)]
async fn bodies_are_zipped_both_ways() {
    // 2.1
    let caller = Caller::new();
    let said = caller.call("GET", "/sobjects", &[("accept-encoding", "deflate, gzip")], "").await;
    assert_eq!((said.header("content-encoding"), said.header("vary")), ("gzip", "Accept-Encoding"));
    let mut plain = String::new();
    flate2::read::GzDecoder::new(&said.body[..]).read_to_string(&mut plain).unwrap();
    let unzipped: Value = serde_json::from_str(&plain).unwrap();
    assert_eq!(unzipped, caller.get("/sobjects").await.expect(200));

    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(br#"{"Name": "zipped"}"#).unwrap();
    let headers = [("content-encoding", "gzip"), ("content-type", "application/json")];
    let said = caller.call("POST", "/sobjects/Account", &headers, encoder.finish().unwrap()).await;
    assert_eq!(said.expect(201)["success"], true);
}

#[tokio::test(start_paused = true)]
async fn unknown_paths_and_methods_are_told_apart() {
    // 2.1, error format
    let caller = Caller::new();
    let missing = (404, "NOT_FOUND".to_owned(), "The requested resource does not exist".to_owned());
    for path in
        ["/nothing", "/sobjects/Nothing", "/sobjects/Nothing/describe", "/tooling/sobjects/SourceMember/describe"]
    {
        assert_eq!(caller.get(path).await.error(), missing, "{path}");
    }
    let said = caller.call("PUT", "/sobjects/Account/001000000000001AAA", &[], "{}").await;
    let text = "HTTP Method 'PUT' not allowed. Allowed are DELETE,GET,HEAD,PATCH,POST";
    assert_eq!(said.error(), (405, "METHOD_NOT_ALLOWED".into(), text.into()));
    let said = caller.call("DELETE", "/sobjects/Account", &[], "").await;
    assert_eq!(said.error().2, "HTTP Method 'DELETE' not allowed. Allowed are GET,HEAD,POST");
    let said = caller.get(&format!("/query?q={}", "x".repeat(17_000))).await;
    assert_eq!(said.status, 414);
}

#[tokio::test(start_paused = true)]
async fn describe_global_has_every_key_of_a_real_one() {
    // 2.4
    let caller = Caller::new();
    let body = caller.get("/sobjects").await.expect(200);
    assert_eq!((body["encoding"].clone(), body["maxBatchSize"].clone()), (json!("UTF-8"), json!(200)));
    let objects = body["sobjects"].as_array().unwrap();
    assert!(objects.len() > 80);
    let named = |name: &str| objects.iter().find(|object| object["name"] == name).unwrap();
    assert_eq!(named("Account")["keyPrefix"], "001");
    assert_eq!(named("AccountHistory")["associateParentEntity"], "Account");
    assert_eq!(named("AccountHistory")["associateEntityType"], "History");
    assert_eq!(named("Project__c")["custom"], true);
    let Some(real) = recorded("GET_sobjects_Global_describe.json") else { return };
    let theirs = real["sobjects"].as_array().unwrap().iter().find(|object| object["name"] == "Account").unwrap();
    assert_eq!(keys(named("Account")), keys(theirs));
    assert_eq!(keys(&named("Account")["urls"]), keys(&theirs["urls"]));
}

#[tokio::test(start_paused = true)]
async fn describe_has_every_key_of_a_real_one() {
    // 2.5: keys are sorted; `Id` is createable=false, defaultedOnCreate=true, idLookup=true.
    let caller = Caller::new();
    let body = caller.get("/sobjects/account/describe").await.expect(200);
    let fields = body["fields"].as_array().unwrap();
    assert_eq!((fields[0]["name"].clone(), fields[0]["defaultedOnCreate"].clone()), (json!("Id"), json!(true)));
    assert_eq!((fields[0]["createable"].clone(), fields[0]["idLookup"].clone()), (json!(false), json!(true)));
    let contacts = body["childRelationships"].as_array().unwrap().iter();
    let contacts = contacts.filter(|child| child["relationshipName"] == "Contacts").collect::<Vec<_>>();
    assert_eq!((contacts.len(), contacts[0]["field"].clone()), (1, json!("AccountId")));
    let order: Vec<&String> = body.as_object().unwrap().keys().collect();
    assert!(order.is_sorted());
    let Some(real) = recorded("GET_sobjects_Account_describe.json") else { return };
    // The recorded one is of version 48; these keys came later (2.5).
    let later = ["associateEntityType", "associateParentEntity", "sobjectDescribeOption"];
    let ours: BTreeSet<&str> = keys(&body).into_iter().filter(|key| !later.contains(key)).collect();
    assert_eq!(ours, keys(&real));
    assert_eq!(keys(&fields[0]), keys(&real["fields"][0]));
    assert_eq!(keys(&body["childRelationships"][0]), keys(&real["childRelationships"][0]));
    assert_eq!(keys(&body["urls"]), keys(&real["urls"]));
}

#[tokio::test(start_paused = true)]
async fn a_describe_that_has_not_changed_is_not_sent_again() {
    // 2.4
    let caller = Caller::new();
    let first = caller.get("/sobjects/Account/describe").await;
    let stamp = first.header("last-modified").to_owned();
    caller.emulator.clock().advance(Duration::from_secs(100));
    let said = caller.call("GET", "/sobjects/Account/describe", &[("if-modified-since", &stamp)], "").await;
    assert_eq!((said.status, said.body.len()), (304, 0));
    let earlier = "Sun, 01 Mar 2026 11:59:59 GMT";
    let said = caller.call("GET", "/sobjects/Account/describe", &[("if-modified-since", earlier)], "").await;
    assert_eq!(said.status, 200);
}

#[tokio::test(start_paused = true)]
async fn audit_fields_are_createable_only_with_switch_and_permission() {
    // 2.5, 6.3: the permission exists as a field only while Setup's switch is on.
    let caller = Caller::new();
    let createable = async || {
        let body = caller.get("/sobjects/Account/describe").await.expect(200);
        let fields = body["fields"].as_array().unwrap().iter();
        fields.filter(|field| field["createable"] == true).filter(|field| field["name"] == "CreatedDate").count() == 1
    };
    assert!(!createable().await);
    caller.org().set_permission(&caller.credentials.user_id, "CreateAuditFields", true);
    assert!(createable().await);
    caller.org().set_audit_fields_switch(false).unwrap();
    assert!(!createable().await);
}

#[tokio::test(start_paused = true)]
async fn the_log_knows_what_was_asked() {
    let caller = Caller::new();
    caller.get("/limits").await;
    caller.query("SELECT Id FROM Account").await;
    caller.query("SELECT Id FROM Contact").await;
    let usage = caller.org().usage_by_family();
    assert_eq!((usage["rest"], usage["query"]), (1, 2));
    let log = caller.org().request_log();
    assert_eq!(log[0].path, "/services/data/v67.0/limits");
    assert_eq!((log[0].status, log[0].user_id.as_deref()), (200, Some(caller.credentials.user_id.as_str())));
    let page = caller.raw("GET", "/", &[], "").await;
    assert!(page.text().contains(&caller.credentials.username) && page.text().contains("/services/data/v67.0/limits"));
    // The page is for whoever runs the emulator, and tells how to get in.
    assert!(page.text().contains(&caller.token));
}

#[tokio::test(start_paused = true)]
async fn answers_and_records_may_be_xml() {
    // 2.1: by `Accept` and by the ending of the path.
    let caller = Caller::new();
    let body = "<?xml version=\"1.0\" encoding=\"utf-8\" ?><Account><Name>A &lt; B</Name>\
                <NumberOfEmployees>12</NumberOfEmployees><Fax></Fax></Account>";
    let headers = [("content-type", "application/xml"), ("accept", "application/xml")];
    let said = caller.call("POST", "/sobjects/Account", &headers, body).await;
    assert_eq!((said.status, said.header("content-type")), (201, "application/xml;charset=UTF-8"), "{}", said.text());
    let id = said.text().split("<id>").nth(1).unwrap().split('<').next().unwrap().to_owned();
    let head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";
    assert_eq!(said.text(), format!("{head}<Result><id>{id}</id><success>true</success></Result>"));
    let url = format!("/services/data/v67.0/sobjects/Account/{id}");
    for (path, accept) in [("", "application/xml"), (".xml", "*/*")] {
        let path = format!("/sobjects/Account/{id}{path}?fields=Name,NumberOfEmployees");
        let said = caller.call("GET", &path, &[("accept", accept)], "").await;
        let wanted = format!(
            "{head}<Account type=\"Account\" url=\"{url}\"><Name>A &lt; B</Name>\
             <NumberOfEmployees>12</NumberOfEmployees></Account>"
        );
        assert_eq!(said.text(), wanted);
    }
    let said = caller.call("GET", "/query?q=SELECT+Name+FROM+Account", &[("accept", "application/xml")], "").await;
    let wanted = format!(
        "{head}<QueryResult><totalSize>1</totalSize><done>true</done><records type=\"Account\" url=\"{url}\">\
         <Name>A &lt; B</Name></records></QueryResult>"
    );
    assert_eq!(said.text(), wanted);
    let said = caller.raw("GET", "/services/data/v67.0/limits", &[("accept", "application/xml")], "").await;
    let wanted = "<Errors><Error><message>Session expired or invalid</message><errorCode>INVALID_SESSION_ID</errorCode>\
                  </Error></Errors>";
    assert_eq!((said.status, said.text()), (401, format!("{head}{wanted}").as_str()));
    let said =
        caller.call("POST", "/sobjects/Account", &[("content-type", "application/xml")], "<Account><Name>").await;
    assert_eq!((said.status, said.error().1), (400, "XML_PARSER_ERROR".into()));
    let said = caller.call("POST", "/sobjects/Account", &[("content-type", "text/plain")], "Name=A").await;
    assert_eq!((said.status, said.error().1), (415, "UNSUPPORTED_MEDIA_TYPE".into()));
}

#[tokio::test(start_paused = true)]
async fn targets_and_headers_have_a_size() {
    // 2.1: 16,384 bytes of target, and of target and headers.
    let caller = Caller::new();
    let long = "x".repeat(17_000);
    let said = caller.call("GET", "/limits", &[("x-filler", &long)], "").await;
    assert_eq!((said.status, said.header("content-type")), (431, "text/html;charset=UTF-8"));
    assert_eq!(caller.get(&format!("/limits?x={long}")).await.status, 414);
    assert_eq!(caller.call("GET", "/limits", &[("x-filler", &long[..15_000])], "").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn resources_are_there_since_their_version() {
    // 2.2; what is listed and not emulated is named.
    let caller = Caller::new();
    for (version, path, status) in [
        ("39.0", "/limits/recordCount", 404),
        ("40.0", "/limits/recordCount", 200),
        ("35.0", "/parameterizedSearch?q=acme", 404),
        ("36.0", "/parameterizedSearch?q=acme", 200),
        ("37.0", "/composite", 404),
        ("38.0", "/composite", 200),
        ("67.0", "/wave", 403),
    ] {
        let said = caller.call("GET", &format!("/services/data/v{version}{path}"), &[], "").await;
        assert_eq!(said.status, status, "{version}{path} {}", said.text());
    }
    assert_eq!(caller.get("/wave").await.error().1, "FUNCTIONALITY_NOT_ENABLED");
    let names: Vec<String> = caller.get("").await.expect(200).as_object().unwrap().keys().cloned().collect();
    assert!(names.len() > 40 && names.starts_with(&["tooling".to_owned(), "metadata".into()]), "{names:?}");
}

#[tokio::test(start_paused = true)]
async fn every_answer_has_the_headers_of_a_real_one() {
    // 2.1; a HEAD has them without the body.
    let caller = Caller::new();
    let said = caller.get("/limits").await;
    assert_eq!(said.header("cache-control"), "no-cache,must-revalidate,max-age=0,no-store,private");
    assert_eq!((said.header("x-content-type-options"), said.header("x-robots-tag")), ("nosniff", "none"));
    let cookies: Vec<&str> = said.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap()).collect();
    assert!(cookies.iter().any(|cookie| cookie.starts_with("BrowserId=")), "{cookies:?}");
    assert!(cookies.iter().any(|cookie| cookie.starts_with("CookieConsentPolicy=0:1;")));
    let again = caller.call("GET", "/limits", &[("cookie", "BrowserId=x")], "").await;
    assert_eq!(again.header("set-cookie"), "", "a browser that is known gets no other cookie");
    let head = caller.call("HEAD", "/limits", &[], "").await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), said.body.len().to_string());
    assert_eq!(head.header("sforce-limit-info"), "api-usage=3/1000000");
}
