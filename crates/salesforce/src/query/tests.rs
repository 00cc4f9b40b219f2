// SPDX-License-Identifier: Apache-2.0
use futures::{StreamExt, TryStreamExt};

use super::*;
use crate::composite::{Described, Query};
use crate::script::{Answer, connected, headers, json, status};
use crate::soql;

const FIRST: &str = "GET /services/data/v67.0/query?q=SELECT+Id%2C+Name+FROM+Account";
const SECOND: &str = "GET /services/data/v67.0/query/0r8000000000001AAA-2000";

fn columns(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn page(ids: &[&str], next: Option<&str>) -> Answer {
    json(&body(ids, next))
}

fn body(ids: &[&str], next: Option<&str>) -> String {
    let records: Vec<String> = ids
        .iter()
        .map(|id| format!(r#"{{"attributes":{{"type":"Account","url":"/x"}},"Id":"{id}","Name":"n{id}"}}"#))
        .collect();
    let next_url = next.map(|next| format!(r#","nextRecordsUrl":"{next}""#)).unwrap_or_default();
    format!(r#"{{"totalSize":9,"done":{}{next_url},"records":[{}]}}"#, next.is_none(), records.join(","))
}

fn ids(rows: &[Rows]) -> Vec<String> {
    rows.iter().flat_map(Rows::iter).map(|mut row| row.next().flatten().unwrap_or_default().to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn pages_follow_each_other_and_a_lost_one_is_asked_for_again() {
    let (org, script) = connected(vec![
        (FIRST, page(&["1", "2"], Some("/services/data/v67.0/query/0r8000000000001AAA-2000"))),
        (SECOND, Answer::Lost),
        (SECOND, page(&["3"], None)),
    ])
    .await;
    let columns = columns(&["Id", "Name"]);
    let rows = org.query(&soql::select(&columns, "Account", None), &columns, Scope::Live);
    assert_eq!(ids(&rows.try_collect::<Vec<_>>().await.unwrap()), ["1", "2", "3"]);
    assert_eq!(script.lines(), [FIRST, SECOND, SECOND]);
}

#[tokio::test(start_paused = true)]
async fn the_session_is_not_sent_to_another_host() {
    let (org, script) = connected(vec![(FIRST, page(&["1"], Some("https://evil.example/query/1")))]).await;
    let columns = columns(&["Id", "Name"]);
    let mut rows = org.query(&soql::select(&columns, "Account", None), &columns, Scope::Live);
    let error = rows.next().await.unwrap().unwrap_err();
    assert_eq!(error.kind, Kind::Corrupt);
    assert_eq!(script.lines(), [FIRST]);
}

#[tokio::test(start_paused = true)]
async fn a_query_too_long_for_a_url_runs_as_a_job() {
    let job = |state: &str| json(&format!(r#"{{"id":"750000000000001AAA","state":"{state}","apiVersion":67.0}}"#));
    let told = headers([("sforce-numberofrecords", "1"), ("sforce-locator", "null"), ("content-type", "text/csv")]);
    let (org, script) = connected(vec![
        ("POST /services/data/v67.0/jobs/query", job("UploadComplete")),
        ("GET /services/data/v67.0/jobs/query/750000000000001AAA", job("JobComplete")),
        (
            "GET /services/data/v67.0/jobs/query/750000000000001AAA/results",
            Answer::Reply(http::StatusCode::OK, told, "\"Id\"\n\"1\"\n".into()),
        ),
    ])
    .await;
    // Spaces, commas and quotes take more room in a URL.
    let soql = format!("SELECT Id FROM Account WHERE Name IN ({}'')", "'',".repeat(2_000));
    let rows: Vec<Rows> = org.query(&soql, &columns(&["Id"]), Scope::Live).try_collect().await.unwrap();
    assert_eq!((rows[0].len(), rows[0].cell(0, 0)), (1, Some("1")));
    assert!(script.seen()[2].body.contains(r#""operation":"query""#) && script.seen()[2].body.contains("IN ("));
}

#[tokio::test(start_paused = true)]
async fn an_object_is_described_once_where_a_text_looks_like_a_datetime() {
    let record = r#"{"records":[{"attributes":{"type":"Case"},"ClosedDate":"2022-03-17T16:21:26.000+0000","Subject":"2022-03-17T16:21:26.000+0000"}]}"#;
    let describe =
        r#"{"name":"Case","fields":[{"name":"ClosedDate","type":"datetime"},{"name":"Subject","type":"string"}]}"#;
    let query = "GET /services/data/v67.0/queryAll?*";
    let (org, script) = connected(vec![
        (query, json(record)),
        ("GET /services/data/v67.0/sobjects/case/describe", json(describe)),
        (query, json(record)),
    ])
    .await;
    let columns = columns(&["ClosedDate", "Subject"]);
    for _ in 0..2 {
        let rows = org.query("SELECT ClosedDate, Subject FROM Case", &columns, Scope::All);
        let rows: Vec<Rows> = rows.try_collect().await.unwrap();
        let cells: Vec<Option<&str>> = rows[0].row(0).collect();
        assert_eq!(cells, [Some("2022-03-17T16:21:26.000Z"), Some("2022-03-17T16:21:26.000+0000")]);
    }
    assert_eq!(script.lines().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_refused_query_speaks_in_the_orgs_words() {
    let words = r#"[{"message":"\nSELECT Id, Foo FROM Account\n           ^\nERROR at Row:1:Column:12\nNo such column 'Foo' on entity 'Account'.","errorCode":"INVALID_FIELD"}]"#;
    let (org, _) = connected(vec![("GET /services/data/v67.0/query*", status(400, words))]).await;
    let error =
        org.query("SELECT Id, Foo FROM Account", &columns(&["Id"]), Scope::Live).next().await.unwrap().unwrap_err();
    assert_eq!((error.kind, error.error_code()), (Kind::Invalid, Some("INVALID_FIELD")));
    assert!(!error.to_string().contains('\n'), "{error}");
}

#[tokio::test(start_paused = true)]
async fn five_queries_are_one_call_and_fail_one_by_one() {
    let answer = format!(
        r#"{{"compositeResponse":[{{"body":[{{"errorCode":"INVALID_TYPE","message":"sObject type 'X' is not supported."}}],"httpHeaders":{{}},"httpStatusCode":400,"referenceId":"part1"}},{{"body":{},"httpHeaders":{{}},"httpStatusCode":200,"referenceId":"part0"}}]}}"#,
        body(&["1"], Some("/services/data/v67.0/query/0r8000000000001AAA-2000"))
    );
    let line = "POST /services/data/v67.0/composite";
    let (org, script) =
        connected(vec![(line, Answer::Lost), (line, json(&answer)), (SECOND, page(&["2"], None))]).await;
    let wanted = columns(&["Id", "Name"]);
    let query =
        |object| Query { soql: format!("SELECT Id, Name FROM {object}"), columns: wanted.clone(), scope: Scope::Live };
    let mut results = org.composite_queries(&[query("Account"), query("X")]).await.unwrap().into_iter();
    let first = results.next().unwrap().unwrap();
    assert_eq!(first.total, 9);
    let mut pages = vec![first.rows];
    pages.extend(first.rest.unwrap().try_collect::<Vec<_>>().await.unwrap());
    assert_eq!(ids(&pages), ["1", "2"]);
    let refused = results.next().unwrap().err().unwrap();
    assert_eq!((refused.kind, refused.error_code()), (Kind::NotFound, Some("INVALID_TYPE")));
    assert_eq!(org.usage().calls["composite"], 2);
    let first =
        r#"{"method":"GET","url":"/services/data/v67.0/query?q=SELECT+Id%2C+Name+FROM+Account","referenceId":"part0"}"#;
    assert!(script.seen()[2].body.contains(first), "{}", script.seen()[2].body);
    let six = vec![query("Account"); 6];
    assert_eq!(org.composite_queries(&six).await.err().unwrap().kind, Kind::Bug);
}

#[tokio::test(start_paused = true)]
async fn retrieving_splits_the_ids_and_leaves_out_what_is_gone() {
    let line = "POST /services/data/v67.0/composite/sobjects/Account";
    let record = |id: &str| format!(r#"{{"attributes":{{"type":"Account"}},"Id":"{id}"}}"#);
    let (org, script) =
        connected(vec![(line, json(&format!("[{},null]", record("1")))), (line, json(&format!("[{}]", record("2"))))])
            .await;
    let wanted: Vec<String> = (0..2001).map(|id| format!("{id}")).collect();
    let rows = org.retrieve("Account", &wanted, &columns(&["Id"])).await.unwrap();
    assert_eq!(ids(&[rows]), ["1", "2"]);
    assert_eq!(script.seen()[3].body, r#"{"ids":["2000"],"fields":["Id"]}"#);
}

#[test]
fn the_object_of_a_query() {
    assert_eq!(object_of("select Id\nfrom Account where Name = ' from X'"), "Account");
    assert_eq!(object_of("SELECT Id, (SELECT Id FROM Contacts) FROM Account"), "Account");
    assert_eq!(object_of("SELECT"), "records");
}

#[tokio::test(start_paused = true)]
async fn a_describe_that_has_not_changed_is_not_sent_again() {
    let answer = r#"{"compositeResponse":[{"body":{"name":"Account","fields":[]},"httpHeaders":{},"httpStatusCode":200,"referenceId":"part0"},{"body":null,"httpHeaders":{},"httpStatusCode":304,"referenceId":"part1"},{"body":[{"errorCode":"NOT_FOUND","message":"The requested resource does not exist"}],"httpHeaders":{},"httpStatusCode":404,"referenceId":"part2"}]}"#;
    let (org, script) = connected(vec![("POST /services/data/v67.0/composite", json(answer))]).await;
    let then = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
    let described = org.describes(&[("Account", None), ("Contact", Some(then)), ("X", None)]).await.unwrap();
    assert!(
        matches!(&described[0], Ok(Described::Now(describe)) if describe.raw == r#"{"name":"Account","fields":[]}"#)
    );
    assert!(matches!(described[1], Ok(Described::Unchanged)));
    assert_eq!(described[2].as_ref().unwrap_err().kind, Kind::NotFound);
    let body = &script.seen()[2].body;
    assert_eq!(body.matches("If-Modified-Since").count(), 1);
    assert!(body.contains(r#""If-Modified-Since":"Tue, 14 Nov 2023 22:13:20 GMT""#), "{body}");
}
