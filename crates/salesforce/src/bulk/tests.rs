// SPDX-License-Identifier: Apache-2.0
use futures::{StreamExt, TryStreamExt};
use http::StatusCode;
use tokio::time::Instant;

use crate::script::{Answer, connected, headers, json, status};
use crate::{Body, Kind, Operation, QueryJob, RowStream, Rows, Scope, Upload, Writer};

const JOB: &str = "GET /services/data/v67.0/jobs/query/750000000000001AAA";
const RESULTS: &str = "GET /services/data/v67.0/jobs/query/750000000000001AAA/results";
const SECOND: &str = "GET /services/data/v67.0/jobs/query/750000000000001AAA/results?locator=Mg";
const INGEST: &str = "/services/data/v67.0/jobs/ingest/750000000000002AAA";

fn job(state: &str, rest: &str) -> Answer {
    json(&format!(r#"{{"id":"750000000000001AAA","state":"{state}","apiVersion":67.0{rest}}}"#))
}

fn page(csv: &str, rows: &str, locator: &str) -> Answer {
    let headers =
        headers([("sforce-numberofrecords", rows), ("sforce-locator", locator), ("content-type", "text/csv")]);
    Answer::Reply(StatusCode::OK, headers, csv.to_owned().into())
}

async fn cells(rows: RowStream) -> crate::Result<Vec<Vec<String>>> {
    let rows: Vec<Rows> = rows.try_collect().await?;
    let all = rows.iter().flat_map(Rows::iter);
    Ok(all.map(|row| row.map(|cell| cell.unwrap_or_default().to_owned()).collect()).collect())
}

fn resumed(org: &crate::Org) -> QueryJob {
    QueryJob::resume(org, "750000000000001AAA".into(), "Account")
}

#[tokio::test(start_paused = true)]
async fn a_job_is_created_awaited_and_read_page_by_page() {
    let (org, script) = connected(vec![
        ("POST /services/data/v67.0/jobs/query", Answer::Lost),
        ("POST /services/data/v67.0/jobs/query", job("UploadComplete", "")),
        (JOB, job("UploadComplete", "")),
        (JOB, job("InProgress", r#","numberRecordsProcessed":1"#)),
        (JOB, job("JobComplete", r#","numberRecordsProcessed":3"#)),
        (RESULTS, page("\"Id\",\"Owner.Name\"\n\"1\",\"a\nb\"\n\"2\",\"\"\n", "2", "Mg")),
        (SECOND, page("\"Id\",\"Owner.Name\"\n\"3\",\"c\"\n", "1", "null")),
        ("DELETE /services/data/v67.0/jobs/query/750000000000001AAA", Answer::Lost),
        ("DELETE /services/data/v67.0/jobs/query/750000000000001AAA", status(404, "")),
    ])
    .await;
    let job = org.bulk_query("SELECT Id, Owner.Name FROM Account", Scope::All).await.unwrap();
    let mut progress = Vec::new();
    let done = job.wait(&mut |rows| progress.push(rows)).await.unwrap();
    assert_eq!((progress, done.number_records_processed), (vec![0, 1, 3], 3));
    assert_eq!(cells(job.rows()).await.unwrap(), [["1", "a\nb"], ["2", ""], ["3", "c"]]);
    job.delete().await.unwrap();
    let body = r#"{"operation":"queryAll","query":"SELECT Id, Owner.Name FROM Account","contentType":"CSV","columnDelimiter":"COMMA","lineEnding":"LF"}"#;
    assert_eq!(script.seen()[2].body, body);
    assert_eq!(org.usage().calls["bulk"], 9);
}

/// Cut after each single byte of the page, and once after all of it.
#[tokio::test(start_paused = true)]
async fn a_page_cut_anywhere_goes_on_without_repeating_a_row() {
    let csv = "\"Id\",\"Name\"\n\"1\",\"a \"\"b\"\"\nc\"\n\"2\",\"ä\"\n\"3\",\"\"\n";
    for cut in 0..=csv.len() {
        let begin = csv.as_bytes()[..cut].to_vec();
        let (org, script) = connected(vec![
            (
                RESULTS,
                Answer::Cut(headers([("sforce-numberofrecords", "3"), ("sforce-locator", "null")]), begin.into()),
            ),
            (RESULTS, page(csv, "3", "null")),
        ])
        .await;
        let rows = cells(resumed(&org).rows()).await.unwrap();
        assert_eq!(rows, [["1", "a \"b\"\nc"], ["2", "ä"], ["3", ""]], "cut at {cut}");
        assert_eq!(script.lines().len(), 2);
    }
}

/// Large enough that batches have been given out before the cut.
#[tokio::test(start_paused = true)]
async fn rows_given_out_before_the_cut_are_not_given_out_again() {
    let mut csv = String::from("\"Id\"\n");
    for row in 0..50_000 {
        csv.push_str(&format!("\"{row:018}\"\n"));
    }
    let begin = csv.as_bytes()[..csv.len() - 100].to_vec();
    let cut = Answer::Cut(headers([("sforce-locator", "Mg")]), begin.into());
    let (org, script) = connected(vec![
        (RESULTS, cut.clone()),
        (RESULTS, cut),
        (RESULTS, page(&csv, "50000", "Mg")),
        (SECOND, page("\"Id\"\n\"x\"\n", "1", "null")),
    ])
    .await;
    let batches: Vec<Rows> = resumed(&org).rows().try_collect().await.unwrap();
    let ids: Vec<String> =
        batches.iter().flat_map(Rows::iter).map(|mut row| row.next().unwrap().unwrap().to_owned()).collect();
    assert!(batches.len() >= 3, "{}", batches.len());
    assert_eq!(ids.len(), 50_001);
    assert!(ids[..50_000].iter().enumerate().all(|(row, id)| *id == format!("{row:018}")));
    assert_eq!(script.lines(), [RESULTS, RESULTS, RESULTS, SECOND]);
}

#[tokio::test(start_paused = true)]
async fn a_page_that_ends_early_without_saying_so_is_fetched_again() {
    let whole = "\"Id\",\"Name\"\n\"1\",\"a\"\n\"2\",\"b\"\n";
    let (org, script) = connected(vec![
        (RESULTS, page("\"Id\",\"Name\"\n\"1\",\"a\"\n", "2", "null")),
        (RESULTS, page("\"Id\",\"Name\"\n\"1\",\"a\"\n\"2\",\"b", "2", "null")),
        (RESULTS, page("\"Id\",\"Name\"\n\"1\",\"a\"\n\"2\"", "2", "null")),
        (RESULTS, page(whole, "2", "null")),
    ])
    .await;
    assert_eq!(cells(resumed(&org).rows()).await.unwrap(), [["1", "a"], ["2", "b"]]);
    assert_eq!(script.lines().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_page_that_never_arrives_whole_is_given_up() {
    let cut = || (RESULTS, Answer::Cut(headers([]), "\"Id\"\n\"1\"".into()));
    let (org, script) = connected((0..8).map(|_| cut()).collect()).await;
    let error = cells(resumed(&org).rows()).await.unwrap_err();
    assert_eq!(error.kind, Kind::Unreachable);
    assert!(error.to_string().contains("750000000000001AAA"), "{error}");
    assert_eq!(script.lines().len(), 8);
}

#[tokio::test(start_paused = true)]
async fn no_rows_still_tell_the_columns() {
    let (org, _) = connected(vec![(RESULTS, page("\"Id\",\"Name\"\n", "0", "null"))]).await;
    let rows: Vec<Rows> = resumed(&org).rows().try_collect().await.unwrap();
    assert_eq!((rows.len(), rows[0].len(), rows[0].columns().join(",")), (1, 0, "Id,Name".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_failed_job_speaks_in_the_orgs_words() {
    let words = r#","errorMessage":"FeatureNotEnabled : Cannot serialize value for 'Body' in CSV format""#;
    let (org, _) = connected(vec![(JOB, job("Failed", words))]).await;
    let error = resumed(&org).wait(&mut |_| ()).await.unwrap_err();
    assert_eq!(error.kind, Kind::Invalid);
    assert_eq!(
        error.to_string(),
        "waiting for the query job of Account: FeatureNotEnabled : Cannot serialize value for 'Body' in CSV format (job 750000000000001AAA)"
    );
    let (org, _) = connected(vec![(JOB, job("Aborted", ""))]).await;
    assert_eq!(resumed(&org).wait(&mut |_| ()).await.unwrap_err().kind, Kind::Busy);
}

#[tokio::test(start_paused = true)]
async fn a_slow_job_is_awaited_and_a_hanging_one_is_not() {
    let mut steps = vec![(JOB, job("UploadComplete", ""))];
    steps.extend((0..900).map(|_| (JOB, job("InProgress", r#","numberRecordsProcessed":10"#))));
    let (org, script) = connected(steps).await;
    let start = Instant::now();
    let error = resumed(&org).wait(&mut |_| ()).await.unwrap_err();
    assert_eq!(error.kind, Kind::Unreachable);
    assert!(error.hint.unwrap().contains("abort it"));
    assert_eq!(start.elapsed().as_secs() / 3600, 4);
    assert!(script.lines().len() < 500, "{}", script.lines().len());
}

#[tokio::test(start_paused = true)]
async fn pages_can_be_listed_and_read_one_by_one() {
    let list = |places: &str, next: &str| {
        json(&format!(r#"{{"resultPages":[{places}],"nextRecordsUrl":{next},"done":{}}}"#, next == "null"))
    };
    let url = |locator: &str| {
        format!(r#"{{"resultUrl":"/services/data/v67.0/jobs/query/750000000000001AAA/results?locator={locator}"}}"#)
    };
    let pages = "GET /services/data/v67.0/jobs/query/750000000000001AAA/resultPages";
    let (org, script) = connected(vec![
        (pages, list(&url("MA"), r#""/services/data/v67.0/jobs/query/750000000000001AAA/resultPages?locator=Mg""#)),
        ("GET /services/data/v67.0/jobs/query/750000000000001AAA/resultPages?locator=Mg", list(&url("Mg"), "null")),
        (SECOND, page("\"Id\"\n\"3\"\n", "1", "NA")),
    ])
    .await;
    let job = resumed(&org);
    let places = job.result_pages().await.unwrap();
    assert_eq!(places.len(), 2);
    assert_eq!(cells(job.page(&places[1])).await.unwrap(), [["3"]]);
    assert_eq!(script.lines().len(), 3);
    let elsewhere = job.page("https://evil.example/results").next().await.unwrap().unwrap_err();
    assert_eq!(elsewhere.kind, Kind::Corrupt);
}

#[tokio::test(start_paused = true)]
async fn an_ingest_job_can_be_repeated_at_every_step() {
    let open = || json(r#"{"id":"750000000000002AAA","state":"Open"}"#);
    let put: &'static str = "PUT /services/data/v67.0/jobs/ingest/750000000000002AAA/batches";
    let patch: &'static str = "PATCH /services/data/v67.0/jobs/ingest/750000000000002AAA";
    let get: &'static str = "GET /services/data/v67.0/jobs/ingest/750000000000002AAA";
    let twice = r#"[{"errorCode":"INVALIDJOBSTATE","message":"Found multiple contents for job: <750000000000002AAA>, please 'Close' / 'Abort' / 'Delete' the current Job"}]"#;
    let closed = r#"[{"errorCode":"INVALIDJOBSTATE","message":"Closing already Completed Job not allowed"}]"#;
    let (org, script) = connected(vec![
        ("POST /services/data/v67.0/jobs/ingest", open()),
        (put, Answer::Lost),
        (put, status(400, twice)),
        (patch, Answer::Lost),
        (patch, status(400, closed)),
        (get, json(r#"{"id":"750000000000002AAA","state":"InProgress"}"#)),
        (get, json(r#"{"id":"750000000000002AAA","state":"JobComplete","numberRecordsProcessed":2,"numberRecordsFailed":1}"#)),
        (
            "GET /services/data/v67.0/jobs/ingest/750000000000002AAA/failedResults",
            json("\"sf__Id\",\"sf__Error\",\"Name\"\n\"\",\"REQUIRED_FIELD_MISSING:Required fields are missing: [X]:X--\",\"a\"\n"),
        ),
    ])
    .await;
    let writer = Writer::new(org);
    let job = writer.ingest("Contact", Operation::Upsert { external_id: "Ext__c".into() }).await.unwrap();
    assert!(
        script.seen()[2].body.contains(r#""operation":"upsert""#)
            && script.seen()[2].body.contains(r#""externalIdFieldName":"Ext__c""#)
    );
    let csv = Body::Bytes("\"Name\"\n\"a\"\n".into());
    assert_eq!(job.upload(csv).await.unwrap(), Upload::AlreadyUploaded);
    assert_eq!(script.seen()[3].headers["content-type"], "text/csv");
    job.close().await.unwrap();
    let done = job.wait(&mut |_| ()).await.unwrap();
    assert_eq!(done.number_records_failed, 1);
    assert_eq!(cells(job.failed()).await.unwrap()[0][2], "a");
    assert!(script.lines().iter().all(|line| line.contains("/jobs/ingest")), "{INGEST}");
}

#[tokio::test(start_paused = true)]
async fn closing_an_aborted_job_is_an_error() {
    let aborted = r#"[{"errorCode":"INVALIDJOBSTATE","message":"job was aborted"}]"#;
    let (org, _) = connected(vec![
        ("PATCH /services/data/v67.0/jobs/ingest/750000000000002AAA", status(400, aborted)),
        (
            "GET /services/data/v67.0/jobs/ingest/750000000000002AAA",
            json(r#"{"id":"750000000000002AAA","state":"Aborted"}"#),
        ),
    ])
    .await;
    let job = crate::IngestJob::resume(&Writer::new(org), "750000000000002AAA".into(), "Contact");
    let error = job.close().await.unwrap_err();
    assert_eq!((error.kind, error.error_code()), (Kind::Invalid, Some("INVALIDJOBSTATE")));
}
