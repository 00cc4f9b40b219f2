// SPDX-License-Identifier: Apache-2.0
use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use serde_json::{Map, json as value};
use tokio::time::Instant;

use crate::script::{Answer, Script, USERINFO, VERSIONS, access_token, connected, headers, json, status};
use crate::{Kind, Options, Org, Scope, Share, Writer};

const COUNT: &str = r#"{"totalSize":7,"done":true,"records":[]}"#;
const COUNT_LINE: &str = "GET /services/data/v67.0/query?q=SELECT+COUNT%28%29+FROM+Account";
const CREATE_LINE: &str = "POST /services/data/v67.0/composite/sobjects";

fn row() -> Map<String, serde_json::Value> {
    value!({"Name": "Acme"}).as_object().unwrap().clone()
}

#[tokio::test(start_paused = true)]
async fn connecting_learns_version_and_identity() {
    let (org, script) = connected(vec![]).await;
    let identity = org.identity();
    assert_eq!((identity.api_version.as_str(), identity.username.as_str()), ("67.0", "jane@acme.example"));
    assert_eq!(identity.org_id, "00D000000000001EAA");
    assert_eq!(script.seen()[1].headers["authorization"], "Bearer 00D!first");
    assert_eq!(script.seen()[1].headers["sforce-call-options"], "client=orgkeep");
    assert_eq!((org.usage().calls["oauth"], org.usage().counted()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn without_userinfo_the_identity_comes_from_the_resources() {
    let script = Script::steps(vec![
        ("GET /services/data", json(VERSIONS)),
        ("GET /services/oauth2/userinfo", status(403, "Bad_OAuth_Token")),
        (
            "GET /services/data/v60.0",
            json(r#"{"identity":"https://login.salesforce.com/id/00D000000000001EAA/005000000000001AAA"}"#),
        ),
        (
            "GET /services/data/v60.0/query?q=SELECT+Username+FROM+User*",
            json(r#"{"records":[{"attributes":{"type":"User"},"Username":"jane@acme.example"}]}"#),
        ),
    ]);
    let options = Options { api_version: Some(60), ..Options::default() };
    let org = Org::connect(script, access_token(), options).await.unwrap();
    assert_eq!((org.identity().user_id.as_str(), org.identity().api_version.as_str()), ("005000000000001AAA", "60.0"));
}

#[tokio::test(start_paused = true)]
async fn a_version_that_the_org_does_not_have_is_refused() {
    let script = Script::steps(vec![("GET /services/data", json(VERSIONS))]);
    let options = Options { api_version: Some(66), ..Options::default() };
    let error = Org::connect(script, access_token(), options).await.unwrap_err();
    assert_eq!(error.kind, Kind::Invalid);
    assert!(error.to_string().contains("66.0"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_read_whose_answer_is_lost_is_read_again() {
    let cut = Answer::Cut(headers([]), r#"{"totalSize":7,"do"#.into());
    let (org, script) = connected(vec![
        (COUNT_LINE, Answer::Lost),
        (COUNT_LINE, Answer::NotSent),
        (COUNT_LINE, cut),
        (COUNT_LINE, status(500, r#"[{"message":"An unexpected error occurred.","errorCode":"UNKNOWN_EXCEPTION"}]"#)),
        (
            COUNT_LINE,
            status(400, r#"[{"message":"unable to obtain exclusive access","errorCode":"UNABLE_TO_LOCK_ROW"}]"#),
        ),
        (COUNT_LINE, json(COUNT)),
    ])
    .await;
    assert_eq!(org.count("Account", None, Scope::Live).await.unwrap(), 7);
    assert_eq!(script.lines().len(), 6);
    assert_eq!(org.usage().calls["query"], 6);
}

#[tokio::test(start_paused = true)]
async fn a_create_whose_answer_is_lost_is_not_sent_again() {
    for answer in [
        Answer::Lost,
        Answer::Cut(headers([]), r#"[{"id":"001"#.into()),
        status(503, "<html>down</html>"),
        status(500, r#"[{"message":"An unexpected error occurred.","errorCode":"UNKNOWN_EXCEPTION"}]"#),
    ] {
        let (org, script) = connected(vec![(CREATE_LINE, answer)]).await;
        let error = Writer::new(org).create("Account", &[row()]).await.unwrap_err();
        assert_eq!((error.kind, error.sent), (Kind::Unreachable, true), "{error}");
        assert_eq!(script.lines(), [CREATE_LINE]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_create_that_surely_had_no_effect_is_sent_again() {
    let (org, script) = connected(vec![
        (CREATE_LINE, Answer::NotSent),
        (CREATE_LINE, status(429, "")),
        (
            CREATE_LINE,
            status(400, r#"[{"message":"unable to obtain exclusive access","errorCode":"UNABLE_TO_LOCK_ROW"}]"#),
        ),
        (CREATE_LINE, json(r#"[{"id":"001000000000001AAA","success":true,"errors":[]}]"#)),
    ])
    .await;
    let results = Writer::new(org).create("Account", &[row()]).await.unwrap();
    assert_eq!(results[0].id.as_deref(), Some("001000000000001AAA"));
    let last = script.seen().pop().unwrap();
    assert_eq!(last.headers["sforce-auto-assign"], "FALSE");
    assert_eq!(last.headers["sforce-duplicate-rule-header"], "allowSave=true");
    assert_eq!(last.body, r#"{"allOrNone":false,"records":[{"attributes":{"type":"Account"},"Name":"Acme"}]}"#);
}

#[tokio::test(start_paused = true)]
async fn an_update_is_repeated_and_its_rows_fail_one_by_one() {
    let results = r#"[{"id":"001000000000001AAA","success":true,"errors":[]},
        {"success":false,"errors":[{"statusCode":"UNABLE_TO_LOCK_ROW","message":"unable to obtain exclusive access","fields":[]}]}]"#;
    let line = "PATCH /services/data/v67.0/composite/sobjects";
    let (org, script) = connected(vec![(line, Answer::Lost), (line, status(503, "")), (line, json(results))]).await;
    let results = Writer::new(org).update("Account", &[row(), row()]).await.unwrap();
    assert!(results[0].success && !results[1].success);
    assert_eq!(results[1].errors[0].status_code, "UNABLE_TO_LOCK_ROW");
    assert_eq!(script.lines().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_org_that_stays_down_is_given_up_without_repeating_its_web_page() {
    let (org, script) =
        connected((0..8).map(|_| (COUNT_LINE, status(503, "<html><b>Maintenance</b></html>"))).collect()).await;
    let start = Instant::now();
    let error = org.count("Account", None, Scope::Live).await.unwrap_err();
    assert_eq!(error.kind, Kind::Unreachable);
    assert!(!error.to_string().contains('<') && error.to_string().contains("503"), "{error}");
    assert_eq!(script.lines().len(), 8);
    assert!((90..300).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_web_page_instead_of_an_answer_is_told_as_that() {
    let (org, _) = connected(vec![(COUNT_LINE, json("<html>Welcome</html>"))]).await;
    let error = org.count("Account", None, Scope::Live).await.unwrap_err();
    assert_eq!(error.kind, Kind::Corrupt);
    assert!(error.to_string().ends_with("a web page and not from the API"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn the_org_says_how_long_to_wait() {
    let (org, _) =
        connected(vec![(COUNT_LINE, status(429, "").with("retry-after", "77")), (COUNT_LINE, json(COUNT))]).await;
    let start = Instant::now();
    org.count("Account", None, Scope::Live).await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 77);
}

#[tokio::test(start_paused = true)]
async fn a_used_up_allowance_is_not_asked_again() {
    let limit = r#"[{"message":"TotalRequests Limit exceeded.","errorCode":"REQUEST_LIMIT_EXCEEDED"}]"#;
    let (org, script) = connected(vec![(COUNT_LINE, status(403, limit))]).await;
    let error = org.count("Account", None, Scope::Live).await.unwrap_err();
    assert_eq!((error.kind, error.org_message()), (Kind::Limited, Some("TotalRequests Limit exceeded.")));
    assert_eq!(script.lines().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn within_the_reserve_nothing_is_sent_but_the_question_for_the_limits() {
    let script = Script::steps(vec![
        ("GET /services/data", json(VERSIONS)),
        ("GET /services/oauth2/userinfo", json(USERINFO)),
        (COUNT_LINE, json(COUNT).with("sforce-limit-info", "api-usage=91/100")),
        (
            "GET /services/data/v67.0/limits",
            json(r#"{"DailyApiRequests":{"Max":100,"Remaining":50},"DataStorageMB":{"Max":5,"Remaining":4}}"#),
        ),
        (COUNT_LINE, json(COUNT)),
    ]);
    let options = Options { reserve: Share::percent(10.0).unwrap(), ..Options::default() };
    let org = Org::connect(script.clone(), access_token(), options).await.unwrap();
    org.count("Account", None, Scope::Live).await.unwrap();
    let error = org.count("Account", None, Scope::Live).await.unwrap_err();
    assert_eq!(error.kind, Kind::Limited);
    assert_eq!(script.lines().len(), 1);
    let limits = org.limits().await.unwrap();
    assert_eq!(limits.data_storage_mb.unwrap().remaining, 4);
    assert_eq!(limits.file_storage_mb, None);
    org.count("Account", None, Scope::Live).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn compressed_answers_are_decoded_and_a_truncated_one_is_a_cut() {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(COUNT.as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    let answer = |bytes: &[u8]| {
        Answer::Reply(http::StatusCode::OK, headers([("content-encoding", "gzip")]), bytes.to_vec().into())
    };
    let (org, script) =
        connected(vec![(COUNT_LINE, answer(&gzip[..gzip.len() - 12])), (COUNT_LINE, answer(&gzip))]).await;
    assert_eq!(org.count("Account", None, Scope::Live).await.unwrap(), 7);
    assert_eq!(script.seen()[2].headers["accept-encoding"], "gzip");
}

#[tokio::test(start_paused = true)]
async fn an_expired_access_token_is_denied_in_the_orgs_words() {
    let expired = r#"[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]"#;
    let (org, script) = connected(vec![(COUNT_LINE, status(401, expired))]).await;
    let error = org.count("Account", None, Scope::Live).await.unwrap_err();
    assert_eq!((error.kind, error.error_code()), (Kind::Denied, Some("INVALID_SESSION_ID")));
    assert!(error.hint.unwrap().contains("new access token"));
    assert_eq!(script.lines().len(), 1);
}
