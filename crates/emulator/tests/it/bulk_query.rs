// SPDX-License-Identifier: Apache-2.0
//! Bulk API 2.0 query jobs (`salesforce-api.md` 3.1).

use std::time::Duration;

use crate::client::{Client, csv, settings};
use orgkeep_emulator::{Jobs, Settings};
use serde_json::{Value, json};

async fn order(client: &Client, query: &str) -> Value {
    let reply = client.json("POST", "/jobs/query", &json!({"operation": "query", "query": query})).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

/// Orders a query, waits under the test's clock, and gives the path of the job.
async fn run(client: &Client, query: &str) -> String {
    let path = format!("/jobs/query/{}", order(client, query).await["id"].as_str().unwrap());
    for _ in 0..100 {
        let job = client.get(&path).await.json();
        if job["state"] != "UploadComplete" && job["state"] != "InProgress" {
            return path;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the job never ended");
}

async fn accounts(client: &Client, count: usize) {
    for start in (0..count).step_by(200) {
        let records: Vec<Value> = (start..count.min(start + 200))
            .map(|number| json!({"attributes": {"type": "Account"}, "Name": format!("Account {number:04}")}))
            .collect();
        let reply = client.json("POST", "/composite/sobjects", &json!({"allOrNone": true, "records": records})).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_passes_through_its_states_on_the_clock() {
    let client = Client::new();
    accounts(&client, 3).await;
    let job = order(&client, "SELECT Id, Name FROM Account").await;
    assert_eq!(job["state"], "UploadComplete");
    assert_eq!(job["object"], "Account");
    assert_eq!(job["apiVersion"], json!(67.0));
    assert_eq!(job["createdDate"], "2026-01-01T00:00:00.000+0000");
    let members: Vec<&str> = job.as_object().unwrap().keys().map(String::as_str).collect();
    let sample = [
        "id",
        "operation",
        "object",
        "createdById",
        "createdDate",
        "systemModstamp",
        "state",
        "concurrencyMode",
        "contentType",
        "apiVersion",
        "lineEnding",
        "columnDelimiter",
    ];
    assert_eq!(members, sample, "3.1, the job on create");

    let path = format!("/jobs/query/{}", job["id"].as_str().unwrap());
    tokio::time::sleep(Duration::from_millis(110)).await;
    assert_eq!(client.get(&path).await.json()["state"], "InProgress");
    let early = client.get(&format!("{path}/results")).await;
    assert_eq!(
        early.refusal(),
        (
            400,
            "INVALIDJOBSTATE".into(),
            "can only download query results of successfully completed bulk job with status: JOB_COMPLETE. Current \
             status: IN_PROGRESS"
                .into()
        )
    );
    tokio::time::sleep(Duration::from_millis(110)).await;
    let job = client.get(&path).await.json();
    assert_eq!(job["state"], "JobComplete");
    assert_eq!(job["jobType"], "V2Query");
    assert_eq!(job["numberRecordsProcessed"], 3);
    assert_eq!(job["retries"], 0);
    assert_eq!(job["isPkChunkingSupported"], true);
}

#[tokio::test(start_paused = true)]
async fn a_job_runs_although_nobody_polls() {
    let client = Client::new();
    accounts(&client, 1).await;
    let path = format!("/jobs/query/{}", order(&client, "SELECT Id FROM Account").await["id"].as_str().unwrap());
    tokio::time::sleep(Duration::from_millis(150)).await;
    accounts(&client, 5).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let results = client.get(&format!("{path}/results")).await;
    assert_eq!(results.header("sforce-numberofrecords"), "1", "it read when its turn came, not when it was asked for");
}

#[tokio::test(start_paused = true)]
async fn pages_are_ranges_of_rows_named_by_locators() {
    let client = Client::new();
    accounts(&client, 25).await;
    let path = run(&client, "SELECT Name FROM Account ORDER BY Name").await;
    let mut names = Vec::new();
    let mut locator = String::new();
    let mut counts = Vec::new();
    while locator != "null" {
        let page = client.get(&format!("{path}/results?maxRecords=10&locator={locator}")).await;
        assert_eq!(page.status, 200);
        assert!(page.header("content-type").starts_with("text/csv"));
        let (header, rows) = csv(page.text());
        assert_eq!(header, ["Name"]);
        counts.push(page.header("sforce-numberofrecords").to_owned());
        names.extend(rows.into_iter().map(|row| row[0].clone()));
        locator = page.header("sforce-locator").to_owned();
    }
    assert_eq!(counts, ["10", "10", "5"]);
    let wanted: Vec<String> = (0..25).map(|number| format!("Account {number:04}")).collect();
    assert_eq!(names, wanted);
    // The base64 of "20", without padding: any page at any time.
    let again = client.get(&format!("{path}/results?maxRecords=10&locator=MjA")).await;
    assert_eq!(csv(again.text()).1[0], ["Account 0020"]);
    let wrong = client.get(&format!("{path}/results?locator=%21%21")).await;
    assert_eq!(wrong.refusal().1, "INVALID_QUERY_LOCATOR");
}

#[tokio::test(start_paused = true)]
async fn result_pages_name_what_can_be_fetched_at_once() {
    let client = Client::new();
    accounts(&client, 4).await;
    let path = run(&client, "SELECT Id FROM Account").await;
    let pages = client.get(&format!("{path}/resultPages")).await.json();
    assert_eq!(pages["done"], true);
    assert_eq!(pages["nextRecordsUrl"], Value::Null);
    let url = pages["resultPages"][0]["resultUrl"].as_str().unwrap();
    assert_eq!(url, format!("{}{path}/results?locator=MA", client.base));
    assert_eq!(client.get(url).await.header("sforce-numberofrecords"), "4");
    let old = client.version("57.0");
    let path = run(&old, "SELECT Id FROM Account").await;
    assert_eq!(old.get(&format!("{path}/resultPages")).await.status, 404, "API 58.0 and later");
}

#[tokio::test(start_paused = true)]
async fn results_are_quoted_and_say_null_at_the_end() {
    let client = Client::new();
    let text = "quote \" comma , line\nbreak 😀";
    client.create("Account", &json!({"Name": "A", "Description": text, "AnnualRevenue": 950000000})).await;
    let query = "SELECT Name, Description, AnnualRevenue, Phone, IsDeleted, CreatedDate, Owner.Name FROM Account";
    let path = run(&client, query).await;
    let results = client.get(&format!("{path}/results")).await;
    assert_eq!(results.header("sforce-locator"), "null");
    assert!(results.header("sforce-limit-info").starts_with("api-usage="));
    assert!(results.text().starts_with(
        "\"Name\",\"Description\",\"AnnualRevenue\",\"Phone\",\"IsDeleted\",\"CreatedDate\",\"Owner.Name\"\n"
    ));
    let (_, rows) = csv(results.text());
    assert_eq!(rows[0][..6], ["A", text, "950000000.0", "", "false", "2026-01-01T00:00:00.000Z"]);
}

#[tokio::test(start_paused = true)]
async fn no_rows_are_a_header() {
    let client = Client::new();
    let path = run(&client, "SELECT Id, Name FROM Account").await;
    let results = client.get(&format!("{path}/results")).await;
    assert_eq!(results.text(), "\"Id\",\"Name\"\n");
    assert_eq!((results.header("sforce-numberofrecords"), results.header("sforce-locator")), ("0", "null"));
}

#[tokio::test(start_paused = true)]
async fn delimiters_and_line_endings_are_the_jobs() {
    let client = Client::new();
    accounts(&client, 1).await;
    let order = json!({"operation": "query", "query": "SELECT Name, Phone FROM Account", "contentType": "CSV",
        "columnDelimiter": "PIPE", "lineEnding": "CRLF"});
    let job = client.json("POST", "/jobs/query", &order).await.json();
    assert_eq!((&job["columnDelimiter"], &job["lineEnding"]), (&json!("PIPE"), &json!("CRLF")));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let results = client.get(&format!("/jobs/query/{}/results", job["id"].as_str().unwrap())).await;
    assert_eq!(results.text(), "\"Name\"|\"Phone\"\r\n\"Account 0000\"|\"\"\r\n");
}

#[tokio::test(start_paused = true)]
async fn gzip_comes_when_asked_for() {
    let client = Client::new();
    accounts(&client, 400).await;
    let path = run(&client, "SELECT Name FROM Account").await;
    let plain = client.get(&format!("{path}/results")).await;
    assert_eq!(plain.header("content-encoding"), "");
    let zipped = client.send_with("GET", &format!("{path}/results"), &[("accept-encoding", "gzip")], "").await;
    assert_eq!(zipped.header("content-encoding"), "gzip");
    assert!(zipped.body.len() < plain.body.len() / 3);
    let mut unzipped = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&zipped.body[..]), &mut unzipped).unwrap();
    assert_eq!(unzipped, plain.body);
}

#[tokio::test(start_paused = true)]
async fn deleted_rows_come_with_query_all() {
    let client = Client::new();
    accounts(&client, 2).await;
    let id = client.query("SELECT Id FROM Account").await[0]["Id"].as_str().unwrap().to_owned();
    client.send("DELETE", &format!("/sobjects/Account/{id}"), "", "").await;
    for (operation, count) in [("query", "1"), ("queryAll", "2")] {
        let order = json!({"operation": operation, "query": "SELECT Id, IsDeleted FROM Account"});
        let job = client.json("POST", "/jobs/query", &order).await.json();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let results = client.get(&format!("/jobs/query/{}/results", job["id"].as_str().unwrap())).await;
        assert_eq!(results.header("sforce-numberofrecords"), count, "{operation}");
    }
}

#[tokio::test(start_paused = true)]
async fn another_version_is_a_conflict() {
    let client = Client::new();
    let path = run(&client, "SELECT Id FROM Account").await;
    assert_eq!(client.version("66.0").get(&format!("{path}/results")).await.status, 409);
    assert_eq!(client.version("66.0").get(&format!("{path}/resultPages")).await.status, 409);
    assert_eq!(client.version("66.0").get(&path).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn what_bulk_cannot_do_is_refused() {
    let client = Client::new();
    for (query, text) in [
        ("SELECT COUNT() FROM Account", ""),
        ("SELECT Name FROM Account GROUP BY Name", ""),
        ("SELECT Name FROM Account LIMIT 1 OFFSET 1", ""),
        ("SELECT Name, (SELECT Id FROM Contacts) FROM Account", ""),
        ("SELECT BillingAddress FROM Account", "Selecting compound data not supported in Bulk Query"),
        ("SELECT Id FROM Attachment", "is not supported by the Bulk API."),
        ("SELECT Nothing__c FROM Account", "No such column 'Nothing__c' on entity 'Account'"),
        ("", ""),
    ] {
        let reply = client.json("POST", "/jobs/query", &json!({"operation": "query", "query": query})).await;
        let (status, code, message) = reply.refusal();
        assert_eq!(status, 400, "{query}: {code} {message}");
        assert!(message.contains(text), "{query}: {code} {message}");
    }
    let reply = client.json("POST", "/jobs/query", &json!({"operation": "find", "query": "x"})).await;
    let text = "Invalid value: 'find' supplied for property: 'operation'";
    assert_eq!(reply.refusal(), (400, "API_ERROR".into(), text.into()));
}

#[tokio::test(start_paused = true)]
async fn a_base64_field_fails_the_job() {
    let client = Client::new();
    let path = run(&client, "SELECT Id, VersionData FROM ContentVersion").await;
    let job = client.get(&path).await.json();
    assert_eq!(job["state"], "Failed");
    assert_eq!(job["errorMessage"], "FeatureNotEnabled : Cannot serialize value for 'VersionData' in CSV format");
    assert_eq!(client.get(&format!("{path}/results")).await.status, 204);
}

#[tokio::test(start_paused = true)]
async fn jobs_are_listed_aborted_and_deleted() {
    let client = Client::new();
    let done = run(&client, "SELECT Id FROM Account").await;
    let waiting = format!("/jobs/query/{}", order(&client, "SELECT Id FROM Contact").await["id"].as_str().unwrap());
    let list = client.get("/jobs/query?jobType=V2Query").await.json();
    assert_eq!(list["done"], true);
    assert_eq!(list["nextRecordsUrl"], Value::Null);
    let objects: Vec<&Value> = list["records"].as_array().unwrap().iter().map(|job| &job["object"]).collect();
    assert_eq!(objects, ["Account", "Contact"]);
    assert!(client.get("/jobs/query?jobType=Classic").await.json()["records"].as_array().unwrap().is_empty());
    assert!(client.get("/jobs/ingest").await.json()["records"].as_array().unwrap().is_empty());

    let early = client.send("DELETE", &waiting, "", "").await;
    assert_eq!((early.status, early.refusal().1.as_str()), (400, "API_ERROR"));
    let aborted = client.json("PATCH", &waiting, &json!({"state": "Aborted"})).await;
    assert_eq!(aborted.json()["state"], "Aborted");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(client.get(&waiting).await.json()["state"], "Aborted");
    assert_eq!(client.get(&format!("{waiting}/results")).await.refusal().1, "INVALIDJOBSTATE");
    let text = "Aborting already Completed Job not allowed";
    let late = client.json("PATCH", &done, &json!({"state": "Aborted"})).await;
    assert_eq!(late.refusal(), (400, "INVALIDJOBSTATE".into(), text.into()));
    for path in [&waiting, &done] {
        assert_eq!(client.send("DELETE", path, "", "").await.status, 204);
        assert_eq!(client.get(path).await.refusal().1, "NOT_FOUND");
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_is_kept_for_seven_days() {
    // 3.3.
    let day = 24 * 3600;
    let client = Client::with(Settings { session_seconds: 30 * day, ..settings() });
    let path = run(&client, "SELECT Id FROM Account").await;
    client.emulator.clock().advance(Duration::from_secs(7 * day - 60));
    assert_eq!(client.get(&path).await.status, 200);
    client.emulator.clock().advance(Duration::from_secs(120));
    assert_eq!(client.get(&path).await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn stepped_jobs_wait_for_the_test() {
    let client = Client::with(Settings { jobs: Jobs::Stepped, ..settings() });
    let path = format!("/jobs/query/{}", order(&client, "SELECT Id FROM Account").await["id"].as_str().unwrap());
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(client.get(&path).await.json()["state"], "UploadComplete");
    client.emulator.orgs()[0].step_jobs();
    assert_eq!(client.get(&path).await.json()["state"], "InProgress");
    client.emulator.orgs()[0].step_jobs();
    assert_eq!(client.get(&path).await.json()["state"], "JobComplete");
}
