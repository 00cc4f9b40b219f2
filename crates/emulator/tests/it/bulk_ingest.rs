// SPDX-License-Identifier: Apache-2.0
//! Bulk API 2.0 ingest jobs (`salesforce-api.md` 3.2).

use std::collections::BTreeSet;
use std::time::Duration;

use crate::client::{Client, csv, settings};
use axum::body::Body;
use orgkeep_emulator::{Jobs, Settings};
use serde_json::{Value, json};

async fn open(client: &Client, order: Value) -> String {
    let reply = client.json("POST", "/jobs/ingest", &order).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let job = reply.json();
    assert_eq!(job["state"], "Open");
    let id = job["id"].as_str().unwrap();
    assert_eq!(job["contentUrl"], format!("services/data/v67.0/jobs/ingest/{id}/batches"), "no leading slash");
    format!("/jobs/ingest/{id}")
}

async fn put(client: &Client, path: &str, data: impl Into<Body>) {
    let reply = client.send("PUT", &format!("{path}/batches"), "text/csv", data).await;
    assert_eq!((reply.status, reply.text()), (201, ""));
}

async fn close(client: &Client, path: &str) {
    let reply = client.json("PATCH", path, &json!({"state": "UploadComplete"})).await;
    assert_eq!(reply.json()["state"], "UploadComplete", "{}", reply.text());
}

async fn ended(client: &Client, path: &str) -> Value {
    for _ in 0..100 {
        let job = client.get(path).await.json();
        if !["Open", "UploadComplete", "InProgress"].contains(&job["state"].as_str().unwrap()) {
            return job;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the job never ended");
}

/// A whole job: its path and how it ended.
async fn run(client: &Client, order: Value, data: &str) -> (String, Value) {
    let path = open(client, order).await;
    put(client, &path, data.to_owned()).await;
    close(client, &path).await;
    let job = ended(client, &path).await;
    (path, job)
}

async fn results(client: &Client, path: &str, part: &str) -> Vec<Vec<String>> {
    let reply = client.get(&format!("{path}/{part}/")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    csv(reply.text()).1
}

#[tokio::test(start_paused = true)]
async fn rows_are_inserted_and_named_in_the_results() {
    let client = Client::new();
    let data = "name,Description,NumberOfEmployees\nA,\"two\nlines, \"\"quoted\"\"\",12\nB,,#N/A\n";
    let (path, job) = run(&client, json!({"object": "account", "operation": "insert"}), data).await;
    assert_eq!(job["state"], "JobComplete");
    assert_eq!((&job["numberRecordsProcessed"], &job["numberRecordsFailed"]), (&json!(2), &json!(0)));
    assert_eq!((&job["jobType"], &job["object"]), (&json!("V2Ingest"), &json!("Account")));
    let reply = client.get(&format!("{path}/successfulResults/")).await;
    assert!(reply.text().starts_with("\"sf__Id\",\"sf__Created\",\"name\",\"Description\",\"NumberOfEmployees\"\n"));
    let mut rows = csv(reply.text()).1;
    rows.sort_by(|a, b| a[2].cmp(&b[2]));
    assert_eq!(rows[0][1..], ["true", "A", "two\nlines, \"quoted\"", "12"]);
    assert_eq!(rows[1][1..], ["true", "B", "", "#N/A"]);
    let records = client.query("SELECT Id, Name, Description, NumberOfEmployees FROM Account ORDER BY Name").await;
    assert_eq!(records[0]["Id"], json!(rows[0][0]));
    assert_eq!(records[0]["Description"], "two\nlines, \"quoted\"");
    assert_eq!(records[0]["NumberOfEmployees"], 12);
    assert!(results(&client, &path, "failedResults").await.is_empty());
    assert!(results(&client, &path, "unprocessedrecords").await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn each_refused_row_says_why_and_the_job_is_complete() {
    let client = Client::new();
    client.create("Account", &json!({"Name": "Old", "Legacy_Id__c": "L1"})).await;
    let data = "Name,Legacy_Id__c\n,L2\nNew,L1\nFine,L3\n";
    let (path, job) = run(&client, json!({"object": "Account", "operation": "insert"}), data).await;
    assert_eq!(job["state"], "JobComplete");
    assert_eq!((&job["numberRecordsProcessed"], &job["numberRecordsFailed"]), (&json!(3), &json!(2)));
    let reply = client.get(&format!("{path}/FAILEDRESULTS")).await;
    assert!(reply.text().starts_with("\"sf__Id\",\"sf__Error\",\"Name\",\"Legacy_Id__c\"\n"));
    let errors: BTreeSet<(String, String)> =
        csv(reply.text()).1.into_iter().map(|row| (row[3].clone(), row[1].clone())).collect();
    let old = client.query("SELECT Id FROM Account WHERE Legacy_Id__c = 'L1'").await;
    let old = &old[0]["Id"].as_str().unwrap()[..15];
    let wanted = [
        (
            "L1".to_owned(),
            format!("DUPLICATE_VALUE:duplicate value found: Legacy_Id__c duplicates value on record with id: {old}:--"),
        ),
        ("L2".to_owned(), "REQUIRED_FIELD_MISSING:Required fields are missing: [Name]:Name--".to_owned()),
    ];
    assert_eq!(errors, BTreeSet::from(wanted));
    assert_eq!(results(&client, &path, "successfulresults").await[0][2..], ["Fine", "L3"]);
    assert_eq!(client.count("Account").await, 2);
}

#[tokio::test(start_paused = true)]
async fn an_update_leaves_empty_values_alone_and_empties_by_na() {
    let client = Client::new();
    let account = json!({"Name": "A", "Phone": "1", "Fax": "2", "Description": "3"});
    let id = client.create("Account", &account).await;
    let data = format!("Id,Phone,Fax,Description\n{},,#N/A,new\n001000000000000AAA,x,x,x\n,x,x,x\n", &id[..15]);
    let (path, job) = run(&client, json!({"object": "Account", "operation": "update"}), &data).await;
    assert_eq!((&job["numberRecordsProcessed"], &job["numberRecordsFailed"]), (&json!(3), &json!(2)));
    let record = &client.query("SELECT Phone, Fax, Description FROM Account").await[0];
    assert_eq!((&record["Phone"], &record["Fax"], &record["Description"]), (&json!("1"), &Value::Null, &json!("new")));
    assert_eq!(results(&client, &path, "successfulResults").await[0][..2], [id.as_str(), "false"]);
    let errors: BTreeSet<String> =
        results(&client, &path, "failedResults").await.into_iter().map(|row| row[1].clone()).collect();
    assert!(errors.contains("MISSING_ARGUMENT:Id not specified in an update call:--"), "{errors:?}");
    assert!(errors.iter().any(|error| error.starts_with("INVALID_CROSS_REFERENCE_KEY:")), "{errors:?}");
}

#[tokio::test(start_paused = true)]
async fn an_upsert_matches_by_its_external_id() {
    let client = Client::new();
    client.create("Account", &json!({"Name": "Old", "Legacy_Id__c": "L1"})).await;
    let order = json!({"object": "Account", "operation": "upsert", "externalIdFieldName": "legacy_id__c"});
    let (path, job) = run(&client, order, "Legacy_Id__c,Name\nL1,Renamed\nL2,New\nL2,Twice\n,None\n").await;
    assert_eq!(job["externalIdFieldName"], "Legacy_Id__c");
    assert_eq!((&job["numberRecordsProcessed"], &job["numberRecordsFailed"]), (&json!(4), &json!(2)));
    let created: BTreeSet<(String, String)> = results(&client, &path, "successfulResults")
        .await
        .into_iter()
        .map(|row| (row[2].clone(), row[1].clone()))
        .collect();
    assert_eq!(created, BTreeSet::from([("L1".into(), "false".into()), ("L2".into(), "true".into())]));
    let names = client.query("SELECT Name FROM Account ORDER BY Legacy_Id__c").await;
    assert_eq!((&names[0]["Name"], &names[1]["Name"]), (&json!("Renamed"), &json!("New")));
    let errors: BTreeSet<String> =
        results(&client, &path, "failedResults").await.into_iter().map(|row| row[1].clone()).collect();
    let wanted = [
        "DUPLICATE_VALUE:Duplicate external id specified: L2:Legacy_Id__c--".to_owned(),
        "MISSING_ARGUMENT:Legacy_Id__c not specified:--".to_owned(),
    ];
    assert_eq!(errors, BTreeSet::from(wanted));
}

#[tokio::test(start_paused = true)]
async fn parents_are_named_by_external_ids() {
    let client = Client::new();
    let account = client.create("Account", &json!({"Name": "A", "Legacy_Id__c": "L1"})).await;
    let user = client.emulator.credentials(0);
    let data = format!("LastName,Account.Legacy_Id__c,User:Owner.Username\nOne,L1,{}\nTwo,gone,\n", user.username);
    let (path, _) = run(&client, json!({"object": "Contact", "operation": "insert"}), &data).await;
    let contacts = client.query("SELECT LastName, AccountId, OwnerId FROM Contact").await;
    assert_eq!(contacts.len(), 1);
    assert_eq!((&contacts[0]["AccountId"], &contacts[0]["OwnerId"]), (&json!(account), &json!(user.user_id)));
    let error = &results(&client, &path, "failedResults").await[0][1];
    assert!(
        error.starts_with(
            "INVALID_FIELD:Foreign key external ID: gone not found for field Legacy_Id__c in entity Account"
        ),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn rows_are_deleted_and_hard_deleted() {
    let client = Client::new();
    let user = client.emulator.credentials(0).user_id;
    let org = client.emulator.orgs()[0].clone();
    org.set_permission(&user, "BulkApiHardDelete", false);
    let order = json!({"object": "Account", "operation": "hardDelete"});
    let (status, code, message) = client.json("POST", "/jobs/ingest", &order).await.refusal();
    assert_eq!((status, code.as_str()), (400, "FEATURENOTENABLED"));
    assert!(message.contains("hardDelete operation requires special user profile permission"), "{message}");
    org.set_permission(&user, "BulkApiHardDelete", true);

    let soft = client.create("Account", &json!({"Name": "soft"})).await;
    let hard = client.create("Account", &json!({"Name": "hard"})).await;
    let contact = client.create("Contact", &json!({"LastName": "no account"})).await;
    let data = format!("Id\n{soft}\n{contact}\n");
    let (path, job) = run(&client, json!({"object": "Account", "operation": "delete"}), &data).await;
    assert_eq!((&job["numberRecordsProcessed"], &job["numberRecordsFailed"]), (&json!(2), &json!(1)));
    assert!(results(&client, &path, "failedResults").await[0][1].starts_with("MALFORMED_ID:"));
    run(&client, order.clone(), &format!("Id\n{hard}\n")).await;
    assert_eq!(client.count("Account").await, 0);
    let bin = client.get("/queryAll?q=SELECT+Id+FROM+Account+WHERE+IsDeleted=true").await.json();
    assert_eq!(bin["totalSize"], 1, "what was hard-deleted is not in the bin: {bin}");
    let (_, job) = run(&client, order, "Id,Name\n001000000000001AAA,x\n").await;
    assert_eq!(job["errorMessage"], "InvalidBatch : Field name not found : Name");
}

#[tokio::test(start_paused = true)]
async fn an_unknown_column_fails_the_job_and_touches_nothing() {
    let client = Client::new();
    let data = "Name,ContactId__c\nA,1\nB,2\n";
    let (path, job) = run(&client, json!({"object": "Account", "operation": "insert"}), data).await;
    // 3.2, the sample of a complete failure.
    assert_eq!(job["state"], "Failed");
    assert_eq!(job["errorMessage"], "InvalidBatch : Field name not found : ContactId__c");
    assert_eq!((&job["numberRecordsProcessed"], &job["numberRecordsFailed"]), (&json!(0), &json!(0)));
    assert_eq!(results(&client, &path, "unprocessedRecords").await, [["A", "1"], ["B", "2"]]);
    assert_eq!(client.count("Account").await, 0);
}

#[tokio::test(start_paused = true)]
async fn the_wrong_line_ending_fails_the_job() {
    let client = Client::new();
    for (line_ending, data) in [("LF", "Name\r\nA\r\n"), ("CRLF", "Name\nA\n")] {
        let order = json!({"object": "Account", "operation": "insert", "lineEnding": line_ending});
        let (_, job) = run(&client, order, data).await;
        assert_eq!(
            job["errorMessage"],
            format!(
                "ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is {line_ending}"
            )
        );
    }
    let order = json!({"object": "Account", "operation": "insert", "lineEnding": "CRLF", "columnDelimiter": "TAB"});
    let (path, job) = run(&client, order, "Name\tPhone\r\nA\t1\r\n").await;
    assert_eq!((&job["state"], &job["numberRecordsFailed"]), (&json!("JobComplete"), &json!(0)));
    let text = client.get(&format!("{path}/successfulResults")).await;
    assert!(text.text().starts_with("\"sf__Id\"\t\"sf__Created\"\t\"Name\"\t\"Phone\"\r\n"));
}

#[tokio::test(start_paused = true)]
async fn data_is_sent_once() {
    let client = Client::new();
    let path = open(&client, json!({"object": "Account", "operation": "insert"})).await;
    put(&client, &path, "Name\nA\n").await;
    let id15 = &path.rsplit('/').next().unwrap()[..15];
    let again = client.send("PUT", &format!("{path}/batches/"), "text/csv", "Name\nB\n").await;
    let text = format!(
        "Found multiple contents for job: <{id15}>, please 'Close' / 'Abort' / 'Delete' the current Job then create a new \
         Job and make sure you only do 'PUT' once on a given Job."
    );
    assert_eq!(again.refusal(), (400, "INVALIDJOBSTATE".into(), text));
    close(&client, &path).await;
    let twice = client.json("PATCH", &path, &json!({"state": "UploadComplete"})).await;
    assert_eq!(twice.status, 200, "closing is idempotent");
    ended(&client, &path).await;
    assert_eq!(client.json("PATCH", &path, &json!({"state": "UploadComplete"})).await.json()["state"], "JobComplete");
    assert_eq!(client.count("Account").await, 1);
}

#[tokio::test(start_paused = true)]
async fn an_upload_comes_in_pieces_and_zipped() {
    let client = Client::new();
    let pieces = ["Na", "me\nOne\nTw", "o\n"].map(|piece| Ok::<_, std::io::Error>(bytes::Bytes::from(piece)));
    let path = open(&client, json!({"object": "Account", "operation": "insert"})).await;
    put(&client, &path, Body::from_stream(futures::stream::iter(pieces))).await;
    close(&client, &path).await;
    assert_eq!(ended(&client, &path).await["numberRecordsProcessed"], 2);

    let path = open(&client, json!({"object": "Account", "operation": "insert"})).await;
    let mut zip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut zip, b"Name\nThree\n").unwrap();
    let headers = [("content-type", "text/csv"), ("content-encoding", "gzip")];
    let reply = client.send_with("PUT", &format!("{path}/batches"), &headers, zip.finish().unwrap()).await;
    assert_eq!(reply.status, 201);
    close(&client, &path).await;
    assert_eq!(ended(&client, &path).await["numberRecordsProcessed"], 1);
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_breaks_off_can_be_sent_again() {
    let client = Client::new();
    let path = open(&client, json!({"object": "Account", "operation": "insert"})).await;
    let broken = [Ok(bytes::Bytes::from("Name\nA\n")), Err(std::io::Error::other("gone"))];
    let reply = client
        .send("PUT", &format!("{path}/batches"), "text/csv", Body::from_stream(futures::stream::iter(broken)))
        .await;
    assert_eq!(reply.status, 400);
    put(&client, &path, "Name\nA\n").await;
    close(&client, &path).await;
    assert_eq!(ended(&client, &path).await["numberRecordsProcessed"], 1);
    assert_eq!(client.count("Account").await, 1);
}

#[tokio::test(start_paused = true)]
async fn one_form_makes_fills_and_closes_a_job() {
    let client = Client::new();
    let form = "--b\r\nContent-Type: application/json\r\nContent-Disposition: form-data; name=\"job\"\r\n\r\n\
        {\"object\":\"Account\",\"operation\":\"insert\",\"contentType\":\"CSV\"}\r\n--b\r\nContent-Type: text/csv\r\n\
        Content-Disposition: form-data; name=\"content\"; filename=\"content\"\r\n\r\nName\nA\nB\n\r\n--b--\r\n";
    let reply = client.send("POST", "/jobs/ingest", "multipart/form-data; boundary=b", form).await;
    let job = reply.json();
    assert_eq!((reply.status, &job["state"]), (200, &json!("UploadComplete")));
    let path = format!("/jobs/ingest/{}", job["id"].as_str().unwrap());
    let job = ended(&client, &path).await;
    assert_eq!((&job["state"], &job["numberRecordsProcessed"]), (&json!("JobComplete"), &json!(2)));
}

#[tokio::test(start_paused = true)]
async fn an_aborted_job_leaves_its_rows_unprocessed() {
    let client = Client::with(Settings { jobs: Jobs::Stepped, ..settings() });
    let path = open(&client, json!({"object": "Account", "operation": "insert"})).await;
    put(&client, &path, "Name\nA\nB\n").await;
    let early = client.get(&format!("{path}/successfulResults")).await;
    assert_eq!(early.refusal().1, "INVALIDJOBSTATE");
    close(&client, &path).await;
    client.emulator.orgs()[0].step_jobs();
    assert_eq!(client.get(&path).await.json()["state"], "InProgress");
    assert_eq!(client.send("DELETE", &path, "", "").await.status, 400);
    assert_eq!(client.json("PATCH", &path, &json!({"state": "Aborted"})).await.json()["state"], "Aborted");
    client.emulator.orgs()[0].step_jobs();
    assert_eq!(client.count("Account").await, 0);
    assert_eq!(results(&client, &path, "unprocessedrecords").await, [["A"], ["B"]]);
    let late = client.json("PATCH", &path, &json!({"state": "UploadComplete"})).await;
    assert_eq!(late.refusal().1, "INVALIDJOBSTATE");
    assert_eq!(client.send("DELETE", &path, "", "").await.status, 204);
    assert_eq!(client.get(&path).await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn orders_that_cannot_be_taken_are_refused() {
    let client = Client::new();
    let refusals = [
        (
            json!({"object": "Nothing__c", "operation": "insert"}),
            "INVALIDJOB",
            "InvalidJob : Unable to find object: Nothing__c",
        ),
        (
            json!({"object": "Account", "operation": "merge"}),
            "API_ERROR",
            "Invalid value: 'merge' supplied for property: 'operation'",
        ),
        (
            json!({"object": "Account", "operation": "upsert", "externalIdFieldName": "Phone"}),
            "INVALIDJOB",
            "InvalidJob : Field name provided, Phone does not match an External ID for Account",
        ),
        (
            json!({"object": "Attachment", "operation": "insert"}),
            "INVALIDENTITY",
            "Entity 'Attachment' is not supported by the Bulk API.",
        ),
        (
            json!({"object": "Account", "operation": "insert", "contentType": "XML"}),
            "API_ERROR",
            "Invalid value: 'XML' supplied for property: 'contentType'",
        ),
    ];
    for (order, code, message) in refusals {
        let reply = client.json("POST", "/jobs/ingest", &order).await;
        assert_eq!(reply.refusal(), (400, code.into(), message.into()));
    }
    assert_eq!(client.send("POST", "/jobs/ingest", "application/json", "{").await.refusal().1, "JSON_PARSER_ERROR");
    assert_eq!(client.get("/jobs/ingest/750000000000001AAA").await.refusal().1, "NOT_FOUND");
    let path = open(&client, json!({"object": "Account", "operation": "insert"})).await;
    assert_eq!(client.get(&path.replace("ingest", "query")).await.status, 404, "the other family does not know it");
    close(&client, &path).await;
    assert_eq!(ended(&client, &path).await["errorMessage"], "InvalidBatch : Records not found");
}

#[tokio::test(start_paused = true)]
async fn many_rows_go_in_quickly_and_come_out_in_another_order() {
    let client = Client::new();
    let mut data = String::from("Name,Legacy_Id__c\n");
    for number in 0..20_100 {
        data += &format!("Account {number},L{number}\n");
    }
    let (path, job) = run(&client, json!({"object": "Account", "operation": "insert"}), &data).await;
    assert_eq!((&job["numberRecordsProcessed"], &job["numberRecordsFailed"]), (&json!(20_100), &json!(0)));
    let rows = results(&client, &path, "successfulResults").await;
    let keys: Vec<&str> = rows.iter().map(|row| row[3].as_str()).collect();
    let in_order: Vec<String> = (0..20_100).map(|number| format!("L{number}")).collect();
    assert_ne!(keys, in_order, "match by content, not by position");
    assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), 20_100);
    let one = client.query("SELECT Id FROM Account WHERE Legacy_Id__c = 'L7'").await;
    let row = rows.iter().find(|row| row[3] == "L7").unwrap();
    assert_eq!(one[0]["Id"], json!(row[0]));
}

/// Says to this binary, started again, in which folder it is to work; see [`killed`].
const CHILD_FOLDER: &str = "ORGKEEP_TEST_CHILD_FOLDER";

#[allow(clippy::disallowed_methods, reason = "how a test tells its second process what to do")]
fn child_folder() -> Option<std::path::PathBuf> {
    std::env::var_os(CHILD_FOLDER).map(Into::into)
}

/// Starts this binary with one test in a second process that works in `folder`, and kills it once `begun` says so.
fn killed(test: &str, folder: &std::path::Path, begun: impl Fn() -> bool) {
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("bulk_ingest::{test}")])
        .env(CHILD_FOLDER, folder)
        .env("TMPDIR", folder)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    while !begun() && child.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
    let _ = child.kill();
    child.wait().unwrap();
}

const TORN_ROWS: usize = 6_000;

#[tokio::test]
async fn a_job_that_was_torn_by_a_kill_goes_on_where_it_was() {
    let here = |folder: &std::path::Path| Settings { store: Some(folder.join("org.sqlite")), ..settings() };
    if let Some(folder) = child_folder() {
        let client = Client::with(here(&folder));
        let path = open(&client, json!({"object": "Account", "operation": "insert"})).await;
        let rows: String = (0..TORN_ROWS).map(|number| format!("N{number}\n")).collect();
        put(&client, &path, format!("Name\n{rows}")).await;
        close(&client, &path).await;
        ended(&client, &path).await;
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let results = folder.path().join("org.jobs/750EM0000000001AAA-rows");
    let begun = || std::fs::metadata(&results).is_ok_and(|file| file.len() > 20_000);
    killed("a_job_that_was_torn_by_a_kill_goes_on_where_it_was", folder.path(), begun);
    let client = Client::with(here(folder.path()));
    let path = "/jobs/ingest/750EM0000000001";
    let job = ended(&client, path).await;
    assert_eq!((&job["numberRecordsProcessed"], &job["numberRecordsFailed"]), (&json!(TORN_ROWS), &json!(0)));
    let rows = self::results(&client, path, "successfulResults").await;
    let names: BTreeSet<&String> = rows.iter().map(|row| &row[2]).collect();
    let ids: BTreeSet<&String> = rows.iter().map(|row| &row[0]).collect();
    assert_eq!((rows.len(), names.len(), ids.len()), (TORN_ROWS, TORN_ROWS, TORN_ROWS), "each row once");
    assert_eq!(client.count("Account").await, TORN_ROWS as u64);
}

#[tokio::test]
async fn nothing_stays_behind_when_the_process_is_killed() {
    if let Some(folder) = child_folder() {
        let client = Client::new();
        let path = open(&client, json!({"object": "Account", "operation": "insert"})).await;
        put(&client, &path, vec![b'x'; 3_000_000]).await;
        std::fs::write(folder.join("uploaded"), "").unwrap();
        std::future::pending::<()>().await;
    }
    let folder = tempfile::tempdir().unwrap();
    killed("nothing_stays_behind_when_the_process_is_killed", folder.path(), || {
        folder.path().join("uploaded").exists()
    });
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["uploaded"]);
}

#[tokio::test(start_paused = true)]
async fn too_much_data_is_refused_and_the_job_still_takes_some() {
    let client = Client::new();
    let path = open(&client, json!({"object": "Account", "operation": "insert"})).await;
    let piece = axum::body::Bytes::from(vec![b'x'; 1 << 20]);
    let pieces = futures::stream::iter((0..114).map(move |_| Ok::<_, std::io::Error>(piece.clone())));
    let reply = client.send("PUT", &format!("{path}/batches"), "text/csv", Body::from_stream(pieces)).await;
    assert_eq!(reply.status, 413, "{}", reply.text());
    put(&client, &path, "Name\nA\n").await;
}

#[tokio::test(start_paused = true)]
async fn batches_of_a_day_run_out() {
    let client = Client::new();
    client.emulator.orgs()[0].faces.jobs.lock().unwrap().quotas.batches.set(crate::client::NEW_YEAR, 15_000, 15_000);
    let (path, job) = run(&client, json!({"object": "Account", "operation": "insert"}), "Name\nA\n").await;
    assert_eq!(job["errorMessage"], "ExceededQuota : ApiBatchItems Limit exceeded.");
    assert_eq!(results(&client, &path, "unprocessedrecords").await, [["A"]]);
    let limits = client.get("/limits").await.json();
    assert_eq!(limits["DailyBulkApiBatches"], json!({"Max": 15_000, "Remaining": 0}));
    client.emulator.orgs()[0].faces.jobs.lock().unwrap().quotas.query_jobs.set(crate::client::NEW_YEAR, 10_000, 10_000);
    let reply =
        client.json("POST", "/jobs/query", &json!({"operation": "query", "query": "SELECT Id FROM Account"})).await;
    assert_eq!((reply.status, reply.refusal().1), (400, "LIMIT_EXCEEDED".to_owned()));
}
