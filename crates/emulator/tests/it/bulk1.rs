// SPDX-License-Identifier: Apache-2.0
//! Bulk API 1.0 (`salesforce-api.md` 3.4), against the shapes that CumulusCI recorded of real orgs.

use std::path::PathBuf;
use std::time::Duration;

use crate::client::{Client, Reply, csv, settings};
use orgkeep_emulator::{Jobs, Settings};
use serde_json::{Value, json};

const ROOT: &str = "/services/async/67.0/job";
const XML: &str = "application/xml; charset=UTF-8";
const NAMESPACE: &str = "xmlns=\"http://www.force.com/2009/06/asyncapi/dataload\"";

async fn send(client: &Client, method: &str, path: &str, content_type: &str, body: &str) -> Reply {
    let headers = [("content-type", content_type), ("x-sfdc-session", client.token.as_str())];
    client.send_with(method, path, &headers, body.to_owned()).await
}

async fn get(client: &Client, path: &str) -> Reply {
    send(client, "GET", path, "application/xml", "").await
}

/// The text of the first element of a name.
fn text(xml: &str, name: &str) -> String {
    let (_, rest) = xml.split_once(&format!("<{name}>")).unwrap_or_else(|| panic!("no {name} in {xml}"));
    rest.split_once('<').unwrap().0.to_owned()
}

fn job_info(operation: &str, object: &str, content: &str, more: &str) -> String {
    format!(
        "<jobInfo {NAMESPACE}><operation>{operation}</operation><object>{object}</object>{more}\
         <concurrencyMode>Parallel</concurrencyMode><contentType>{content}</contentType></jobInfo>"
    )
}

async fn open(client: &Client, operation: &str, object: &str, content: &str, more: &str) -> String {
    let reply = send(client, "POST", ROOT, XML, &job_info(operation, object, content, more)).await;
    assert_eq!((reply.status, reply.header("content-type")), (201, "application/xml"), "{}", reply.text());
    let path = format!("{ROOT}/{}", text(reply.text(), "id"));
    assert_eq!(reply.header("location"), path);
    path
}

async fn add(client: &Client, job: &str, content_type: &str, body: &str) -> String {
    let reply = send(client, "POST", &format!("{job}/batch"), content_type, body).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    let id = match reply.header("content-type") {
        "application/json" => reply.json()["id"].as_str().unwrap().to_owned(),
        _ => text(reply.text(), "id"),
    };
    format!("{job}/batch/{id}")
}

/// Waits under the test's clock until a batch has ended, and gives its state.
async fn ended(client: &Client, batch: &str) -> (String, Reply) {
    for _ in 0..200 {
        let reply = get(client, batch).await;
        let state = match reply.header("content-type") {
            "application/json" => reply.json()["state"].as_str().unwrap().to_owned(),
            _ => text(reply.text(), "state"),
        };
        if state != "Queued" && state != "InProgress" {
            return (state, reply);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the batch never ended");
}

async fn completed(client: &Client, batch: &str) {
    let (state, reply) = ended(client, batch).await;
    assert_eq!(state, "Completed", "{}", reply.text());
}

async fn results(client: &Client, batch: &str) -> Vec<Vec<String>> {
    let reply = get(client, &format!("{batch}/result")).await;
    assert_eq!((reply.status, reply.header("content-type")), (200, "text/csv"), "{}", reply.text());
    let (header, rows) = csv(reply.text());
    assert_eq!(header, ["Id", "Success", "Created", "Error"]);
    rows
}

#[allow(clippy::disallowed_macros, reason = "a test that is skipped says why")]
fn recordings() -> Option<PathBuf> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/fixtures/CumulusCI/cumulusci"));
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: {} is absent", folder.display());
    None
}

/// An answer with every value replaced, so that tags, their order and the blanks between them remain.
fn skeleton(xml: &str) -> String {
    let mut out = String::new();
    let mut rest = xml;
    while let Some((between, after)) = rest.split_once('<') {
        out += if between.trim().is_empty() { between } else { "*" };
        let (tag, after) = after.split_once('>').unwrap();
        out += &format!("<{tag}>");
        rest = after;
    }
    out
}

#[tokio::test(start_paused = true)]
async fn a_job_has_the_recorded_shape_at_every_step() {
    let Some(folder) = recordings() else { return };
    let template = |name: &str| {
        let path = folder.join("tests/shared_cassettes/vcr_string_templates").join(name);
        skeleton(&std::fs::read_to_string(path).unwrap())
    };
    let client = Client::new();
    let order = job_info("upsert", "Contact", "CSV", "<externalIdFieldName>Id</externalIdFieldName>");
    let created = send(&client, "POST", ROOT, XML, &order).await;
    assert_eq!((created.status, created.header("content-type")), (201, "application/xml"));
    assert_eq!(skeleton(created.text()), template("jobInfo_upsert_xml.tpl"));
    assert_eq!(text(created.text(), "createdDate"), "2026-01-01T00:00:00.000Z");
    assert_eq!(text(created.text(), "apiVersion"), "67.0");
    let job = format!("{ROOT}/{}", text(created.text(), "id"));

    let empty = get(&client, &format!("{job}/batch")).await;
    let recorded = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><batchInfoList\n   \
                    xmlns=\"http://www.force.com/2009/06/asyncapi/dataload\" />";
    assert_eq!(empty.text(), recorded);

    // Data as CumulusCI sends it: CR LF, everything quoted, an empty Id for a new record.
    let data = "\"FirstName\",\"LastName\",\"Email\",\"Id\"\r\n\"Lindsay\",\"Sitwell\",\"l@example.com\",\"\"\r\n\
                \"Audrey\",\"Cain\",\"a@example.com\",\"\"\r\n";
    let posted = send(&client, "POST", &format!("{job}/batch"), "text/csv", data).await;
    assert_eq!((posted.status, posted.header("content-type")), (201, "application/xml"));
    assert_eq!(skeleton(posted.text()), template("batchInfo_xml.tpl"));
    assert_eq!(text(posted.text(), "state"), "Queued");
    let batch = format!("{job}/batch/{}", text(posted.text(), "id"));

    let closed =
        send(&client, "POST", &job, XML, &format!("<jobInfo {NAMESPACE}><state>Closed</state></jobInfo>")).await;
    assert_eq!((closed.status, text(closed.text(), "state").as_str()), (200, "Closed"));
    assert_eq!(text(closed.text(), "numberBatchesQueued"), "1");
    completed(&client, &batch).await;
    let done = get(&client, &job).await;
    assert_eq!(skeleton(done.text()), template("jobInfo_upsert_xml.tpl"));
    for (name, value) in [("numberBatchesCompleted", "1"), ("numberBatchesTotal", "1"), ("numberRecordsProcessed", "2")]
    {
        assert_eq!(text(done.text(), name), value);
    }
    let list = get(&client, &format!("{job}/batch")).await;
    assert_eq!(skeleton(list.text()), template("batchInfoList_xml.tpl"));
    let rows = results(&client, &batch).await;
    assert!(rows.iter().all(|row| row[1..] == ["true", "true", ""]), "{rows:?}");
    assert_eq!(get(&client, &format!("{batch}/request")).await.text(), data);

    let created = send(&client, "POST", ROOT, XML, &job_info("insert", "Account", "CSV", "")).await;
    assert_eq!(skeleton(created.text()), template("jobInfo_insert_xml.tpl"));
}

#[tokio::test(start_paused = true)]
async fn a_json_query_has_the_recorded_shape() {
    let Some(folder) = recordings() else { return };
    let cassette = folder
        .join("tasks/bulkdata/tests/cassettes/TestSelect.test_select_similarity_select_and_insert_strategy_bulk.yaml");
    let cassette = std::fs::read_to_string(cassette).unwrap();
    let recorded = cassette.split("string: '{\"apex").nth(1).unwrap().split('\'').next().unwrap();
    let recorded: Value = serde_json::from_str(&format!("{{\"apex{recorded}")).unwrap();

    let client = Client::new();
    let contact = client.create("Contact", &json!({"LastName": "Contact"})).await;
    let event = json!({"Subject": "Test Event 2", "DurationInMinutes": 60, "ActivityDateTime": "2024-11-07T07:00:00Z", "WhoId": contact});
    client.create("Event", &event).await;
    let job = open(&client, "query", "Event", "JSON", "").await;
    let soql = "SELECT Id, TYPEOF Who WHEN Contact THEN LastName, Email WHEN Lead THEN LastName, Company ELSE Id END, \
                Subject, DurationInMinutes, ActivityDateTime FROM Event";
    let posted = send(&client, "POST", &format!("{job}/batch"), "application/json; charset=UTF-8", soql).await;
    assert_eq!((posted.status, posted.header("content-type")), (201, "application/json"));
    let batch_info = posted.json();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&batch_info), keys(&recorded));
    let shape = |value: &Value| value["createdDate"].as_str().unwrap()[10..].replace(|c: char| c.is_ascii_digit(), "9");
    assert_eq!(shape(&batch_info), shape(&recorded));
    assert_eq!(batch_info["stateMessage"], Value::Null);
    let batch = format!("{job}/batch/{}", batch_info["id"].as_str().unwrap());
    completed(&client, &batch).await;

    let ids = get(&client, &format!("{batch}/result")).await;
    assert_eq!(ids.header("content-type"), "application/json");
    let ids = ids.json();
    assert!(ids[0].as_str().unwrap().starts_with("752") && ids[0].as_str().unwrap().len() == 15);
    let rows = get(&client, &format!("{batch}/result/{}?format=json", ids[0].as_str().unwrap())).await;
    assert_eq!(rows.header("content-type"), "application/json");
    assert!(rows.text().starts_with("[ {\n  \"attributes\" : {\n    \"type\" : \"Event\","), "{}", rows.text());
    let row = &rows.json()[0];
    assert_eq!(row["ActivityDateTime"], json!(1_730_962_800_000_i64));
    assert_eq!((&row["Who"]["LastName"], &row["Who"]["Email"]), (&json!("Contact"), &Value::Null));
}

#[tokio::test(start_paused = true)]
async fn rows_keep_their_order_and_each_refusal_its_reason() {
    let client = Client::new();
    let job = open(&client, "insert", "Contact", "CSV", "").await;
    let mut data = String::from("LastName,Email\n");
    for number in 0..450 {
        data += &if number % 100 == 7 { ",x@example.com\n".to_owned() } else { format!("N{number:03},\n") };
    }
    let batch = add(&client, &job, "text/csv; charset=UTF-8", &data).await;
    let (state, info) = ended(&client, &batch).await;
    assert_eq!(state, "Completed", "refused rows do not fail a batch");
    assert_eq!(text(info.text(), "numberRecordsProcessed"), "450");
    assert_eq!(text(info.text(), "numberRecordsFailed"), "5");
    let rows = results(&client, &batch).await;
    assert_eq!(rows.len(), 450);
    let refused = "REQUIRED_FIELD_MISSING:Required fields are missing: [LastName]:LastName --";
    assert_eq!(rows[307], ["", "false", "false", refused]);
    let third = client.query(&format!("SELECT LastName FROM Contact WHERE Id = '{}'", rows[203][0])).await;
    assert_eq!(third[0]["LastName"], "N203");

    let job = open(&client, "insert", "Contact", "CSV", "").await;
    let batch = add(&client, &job, "text/csv", "LastName,Nope__c\nA,1\n").await;
    let (state, info) = ended(&client, &batch).await;
    assert_eq!(state, "Failed");
    assert_eq!(text(info.text(), "stateMessage"), "InvalidBatch : Field name not found : Nope__c");
    let refused = get(&client, &format!("{batch}/result")).await;
    assert_eq!((refused.status, text(refused.text(), "exceptionCode")), (400, "InvalidBatch".into()));
    assert_eq!(text(refused.text(), "exceptionMessage"), "Records not processed");
    assert_eq!(text(get(&client, &job).await.text(), "state"), "Open", "a failed batch does not fail the job");
}

#[tokio::test(start_paused = true)]
async fn json_and_xml_rows_are_written_too() {
    let client = Client::new();
    let account = client.create("Account", &json!({"Name": "A", "Legacy_Id__c": "L1"})).await;
    let order = json!({"operation": "insert", "object": "Contact", "contentType": "JSON"}).to_string();
    let reply = send(&client, "POST", ROOT, "application/json", &order).await;
    assert_eq!((reply.status, reply.header("content-type")), (201, "application/json"));
    assert_eq!((&reply.json()["state"], &reply.json()["apiVersion"]), (&json!("Open"), &json!(67.0)));
    let job = format!("{ROOT}/{}", reply.json()["id"].as_str().unwrap());
    let rows =
        json!([{"LastName": "J", "Account": {"Legacy_Id__c": "L1"}}, {"LastName": null, "Phone": "1"}]).to_string();
    let batch = add(&client, &job, "application/json", &rows).await;
    completed(&client, &batch).await;
    let reply = get(&client, &format!("{batch}/result")).await;
    assert_eq!(reply.header("content-type"), "application/json");
    let said = reply.json();
    assert_eq!(
        (&said[0]["success"], &said[0]["created"], &said[0]["errors"]),
        (&json!(true), &json!(true), &json!([]))
    );
    assert_eq!((&said[1]["success"], &said[1]["id"]), (&json!(false), &Value::Null));
    let error = json!({"statusCode": "REQUIRED_FIELD_MISSING", "message": "Required fields are missing: [LastName]", "fields": ["LastName"]});
    assert_eq!(said[1]["errors"], json!([error]));
    let found = client.query("SELECT AccountId FROM Contact WHERE LastName = 'J'").await;
    assert_eq!(found[0]["AccountId"], json!(account));

    let job = open(&client, "update", "Contact", "XML", "").await;
    let id = said[0]["id"].as_str().unwrap();
    let rows = format!(
        "<?xml version=\"1.0\"?><sObjects {NAMESPACE} xmlns:xsi=\"x\"><sObject><Id>{id}</Id><AccountId xsi:nil=\"true\"/>\
         <LastName>X &amp; Y</LastName></sObject><sObject><Id>003000000000000AAA</Id><LastName>Z</LastName></sObject></sObjects>"
    );
    let batch = add(&client, &job, "application/xml", &rows).await;
    completed(&client, &batch).await;
    let reply = get(&client, &format!("{batch}/result")).await;
    assert_eq!(reply.header("content-type"), "application/xml");
    let ok = format!("<result><id>{id}</id><success>true</success><created>false</created></result>");
    assert!(reply.text().contains(&ok), "{}", reply.text());
    assert!(reply.text().contains("<success>false</success>"), "{}", reply.text());
    let found = client.query("SELECT AccountId, LastName FROM Contact").await;
    assert_eq!((&found[0]["AccountId"], &found[0]["LastName"]), (&Value::Null, &json!("X & Y")));
}

#[tokio::test(start_paused = true)]
async fn rows_are_upserted_deleted_and_deleted_for_good() {
    let client = Client::new();
    let known = client.create("Account", &json!({"Name": "Old", "Legacy_Id__c": "L1"})).await;
    let more = "<externalIdFieldName>Legacy_Id__c</externalIdFieldName>";
    let job = open(&client, "upsert", "Account", "CSV", more).await;
    let batch = add(&client, &job, "text/csv", "Legacy_Id__c,Name\nL1,New\nL2,Other\n").await;
    completed(&client, &batch).await;
    let rows = results(&client, &batch).await;
    assert_eq!(rows[0], [known.as_str(), "true", "false", ""]);
    assert_eq!(rows[1][1..], ["true", "true", ""]);
    let job = open(&client, "delete", "Account", "CSV", "").await;
    let batch = add(&client, &job, "text/csv", &format!("Id\n{known}\n")).await;
    completed(&client, &batch).await;
    assert_eq!(client.count("Account").await, 1);

    // A query job for deleted rows sees it, a plain one does not.
    for (operation, rows) in [("query", 1), ("queryAll", 2)] {
        let job = open(&client, operation, "Account", "CSV", "").await;
        let batch = add(&client, &job, "text/csv", "SELECT Id, Name FROM Account").await;
        completed(&client, &batch).await;
        let list = get(&client, &format!("{batch}/result")).await;
        let result = format!("{batch}/result/{}", text(list.text(), "result"));
        assert_eq!(csv(get(&client, &result).await.text()).1.len(), rows, "{operation}");
    }

    let credentials = client.emulator.credentials(0);
    let org = &client.emulator.orgs()[0];
    org.set_permission(&credentials.user_id, "BulkApiHardDelete", false);
    let refused = send(&client, "POST", ROOT, XML, &job_info("hardDelete", "Account", "CSV", "")).await;
    assert_eq!((refused.status, text(refused.text(), "exceptionCode")), (400, "FeatureNotEnabled".into()));
    org.set_permission(&credentials.user_id, "BulkApiHardDelete", true);
    let job = open(&client, "hardDelete", "Account", "CSV", "").await;
    let batch = add(&client, &job, "text/csv", &format!("Id\n{}\n", rows[1][0])).await;
    completed(&client, &batch).await;
    assert_eq!(client.count("Account").await, 0);
}

#[tokio::test(start_paused = true)]
async fn refusals_come_in_the_requests_or_the_jobs_form() {
    let client = Client::new();
    let stranger =
        Client { token: "00D000000000000!x".into(), emulator: client.emulator.clone(), base: client.base.clone() };
    let refused = send(&stranger, "POST", ROOT, XML, &job_info("insert", "Account", "CSV", "")).await;
    assert_eq!((refused.status, refused.header("content-type")), (400, "application/xml"));
    assert!(refused.text().contains("<exceptionCode>InvalidSessionId</exceptionCode>"), "{}", refused.text());
    let refused = send(&stranger, "POST", ROOT, "application/json", "{}").await;
    assert_eq!(refused.json(), json!({"exceptionCode": "InvalidSessionId", "exceptionMessage": "Invalid session id"}));

    let code = |reply: &Reply| (reply.status, text(reply.text(), "exceptionCode"));
    let refused = |code: &str| (400, code.to_owned());
    let post = async |body: &str| code(&send(&client, "POST", ROOT, XML, body).await);
    assert_eq!(post(&job_info("insert", "Nothing", "CSV", "")).await, refused("InvalidJob"));
    assert_eq!(post(&job_info("query", "CaseStatus", "CSV", "")).await, refused("InvalidEntity"));
    assert_eq!(post(&job_info("INSERT", "Account", "CSV", "")).await, refused("ClientInputError"));
    assert_eq!(post("<jobInfo><operation>").await, refused("InvalidXML"));
    assert_eq!(code(&get(&client, &format!("{ROOT}/750000000000000AAA")).await), refused("InvalidJob"));
    assert_eq!(code(&get(&client, "/services/async/67.0/jobs").await), refused("InvalidUrl"));
    assert_eq!(code(&get(&client, "/services/async/12.0/job/750000000000000").await), refused("InvalidVersion"));

    let job = open(&client, "insert", "Account", "JSON", "").await;
    let reply = get(&client, &format!("{job}/batch/751000000000000AAA")).await;
    assert_eq!((reply.status, reply.json()["exceptionCode"].as_str()), (400, Some("InvalidBatch")));
    assert_eq!(code(&get(&client, &job.replace("67.0", "66.0")).await), refused("InvalidVersion"));
    client.emulator.orgs()[0].set_daily_limit(5, 5);
    assert_eq!(code(&get(&client, &job).await), refused("ExceededQuota"));
}

#[tokio::test(start_paused = true)]
async fn queries_that_cannot_be_run_fail_their_batch() {
    let client = Client::new();
    let job = open(&client, "query", "Account", "CSV", "").await;
    for (soql, message) in [
        ("SELECT Nope FROM Account", "InvalidBatch : Failed to process query: INVALID_FIELD: "),
        ("SELECT BillingAddress FROM Account", "Selecting compound data not supported in Bulk Query"),
    ] {
        let batch = add(&client, &job, "text/csv", soql).await;
        let (state, info) = ended(&client, &batch).await;
        assert_eq!(state, "Failed");
        assert!(text(info.text(), "stateMessage").contains(message), "{}", info.text());
    }
    let batch = add(&client, &job, "text/csv", "SELECT Id FROM Account").await;
    completed(&client, &batch).await;
    let list = get(&client, &format!("{batch}/result")).await;
    assert!(list.text().starts_with(&format!("<result-list {NAMESPACE}><result>752")), "{}", list.text());
    let rows = get(&client, &format!("{batch}/result/{}", text(list.text(), "result"))).await;
    assert_eq!((rows.header("content-type"), rows.text()), ("text/csv", "Records not found for this query"));

    client.create("Account", &json!({"Name": "A <b>", "Phone": null})).await;
    let job = open(&client, "query", "Account", "XML", "").await;
    let batch = add(&client, &job, "application/xml", "SELECT Name, Phone, Owner.Alias FROM Account").await;
    completed(&client, &batch).await;
    let list = get(&client, &format!("{batch}/result")).await;
    let rows = get(&client, &format!("{batch}/result/{}", text(list.text(), "result"))).await;
    assert!(rows.text().contains("<records xsi:type=\"sObject\"><type>Account</type>"), "{}", rows.text());
    assert!(
        rows.text()
            .contains("<Name>A &lt;b&gt;</Name><Phone xsi:nil=\"true\"/><Owner xsi:type=\"sObject\"><type>User</type>")
    );
}

#[tokio::test(start_paused = true)]
async fn pk_chunking_splits_a_query_by_ids() {
    let client = Client::new();
    for number in 0..25 {
        client.create("Account", &json!({"Name": format!("A{number:02}")})).await;
    }
    let order = job_info("query", "Account", "CSV", "");
    let headers = [
        ("content-type", XML),
        ("x-sfdc-session", client.token.as_str()),
        ("sforce-enable-pkchunking", "chunkSize=10"),
    ];
    let reply = client.send_with("POST", ROOT, &headers, order.clone()).await;
    let job = format!("{ROOT}/{}", text(reply.text(), "id"));
    let first = add(&client, &job, "text/csv", "SELECT Id, Name FROM Account WHERE Name != 'A03'").await;
    let (state, _) = ended(&client, &first).await;
    assert_eq!(state, "NotProcessed");
    let list = get(&client, &format!("{job}/batch")).await;
    let ids: Vec<&str> = list.text().split("<id>").skip(1).map(|rest| rest.split('<').next().unwrap()).collect();
    assert_eq!(ids.len(), 4, "the posted batch and three ranges: {}", list.text());
    let mut names = Vec::new();
    for id in &ids[1..] {
        let batch = format!("{job}/batch/{id}");
        completed(&client, &batch).await;
        let request = get(&client, &format!("{batch}/request")).await;
        assert!(request.text().contains("WHERE (Name != 'A03') AND Id >= '001"), "{}", request.text());
        let list = get(&client, &format!("{batch}/result")).await;
        let rows = get(&client, &format!("{batch}/result/{}", text(list.text(), "result"))).await;
        names.extend(csv(rows.text()).1.into_iter().map(|row| row[1].clone()));
    }
    names.sort();
    assert_eq!(names.len(), 24);
    assert!(!names.contains(&"A03".to_owned()));
    assert_eq!(text(get(&client, &job).await.text(), "numberBatchesTotal"), "4");

    // With ORDER BY it runs as it is; what cannot be split is refused at once.
    let whole = add(&client, &job, "text/csv", "SELECT Id FROM Account ORDER BY Name").await;
    completed(&client, &whole).await;
    let refused = client.send_with("POST", ROOT, &headers, job_info("query", "Organization", "CSV", "")).await;
    assert_eq!((refused.status, text(refused.text(), "exceptionCode")), (400, "InvalidJob".into()));
}

#[tokio::test(start_paused = true)]
async fn serial_batches_wait_for_each_other_and_an_abort_leaves_them_unprocessed() {
    let client = Client::new();
    let serial = job_info("insert", "Account", "CSV", "").replace("Parallel", "Serial");
    let reply = send(&client, "POST", ROOT, XML, &serial).await;
    let job = format!("{ROOT}/{}", text(reply.text(), "id"));
    let first = add(&client, &job, "text/csv", "Name\nA\n").await;
    let second = add(&client, &job, "text/csv", "Name\nB\n").await;
    tokio::time::sleep(Duration::from_millis(110)).await;
    let states = [&first, &second].map(|batch| batch.clone());
    let mut seen = Vec::new();
    for batch in states {
        seen.push(text(get(&client, &batch).await.text(), "state"));
    }
    assert_eq!(seen, ["InProgress", "Queued"]);
    completed(&client, &second).await;
    completed(&client, &first).await;

    let stepped = Client::with(Settings { jobs: Jobs::Stepped, ..settings() });
    let job = open(&stepped, "insert", "Account", "CSV", "").await;
    let batch = add(&stepped, &job, "text/csv", "Name\nA\n").await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(text(get(&stepped, &batch).await.text(), "state"), "Queued");
    let later = add(&stepped, &job, "text/csv", "Name\nB\n").await;
    stepped.emulator.orgs()[0].step_jobs();
    assert_eq!(text(get(&stepped, &batch).await.text(), "state"), "InProgress");
    stepped.emulator.orgs()[0].step_jobs();
    completed(&stepped, &batch).await;
    completed(&stepped, &later).await;
    let last = add(&stepped, &job, "text/csv", "Name\nC\n").await;
    let aborted =
        send(&stepped, "POST", &job, XML, &format!("<jobInfo {NAMESPACE}><state>Aborted</state></jobInfo>")).await;
    assert_eq!(text(aborted.text(), "state"), "Aborted");
    assert_eq!(ended(&stepped, &last).await.0, "NotProcessed");
    let refused = send(&stepped, "POST", &format!("{job}/batch"), "text/csv", "Name\nD\n").await;
    assert_eq!(text(refused.text(), "exceptionCode"), "InvalidJobState");
    assert_eq!(stepped.count("Account").await, 2);
}

#[tokio::test(start_paused = true)]
async fn files_come_in_a_zip_beside_their_rows() {
    let client = Client::new();
    let zip: String = include_str!("../../src/bulk1/zip_sample.txt").split_whitespace().collect();
    let zip = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, zip).unwrap();
    // The sample's row names the Account 001EM0000000001, the first that an org makes.
    let account = client.create("Account", &json!({"Name": "A"})).await;
    assert!(account.starts_with("001EM0000000001"), "{account}");
    let job = open(&client, "insert", "Attachment", "ZIP_CSV", "").await;
    let headers = [("content-type", "zip/csv"), ("x-sfdc-session", client.token.as_str())];
    let reply = client.send_with("POST", &format!("{job}/batch"), &headers, zip).await;
    let batch = format!("{job}/batch/{}", text(reply.text(), "id"));
    completed(&client, &batch).await;
    let rows = results(&client, &batch).await;
    assert_eq!(rows[0][1..], ["true", "true", ""]);
    let body = client.get(&format!("/sobjects/Attachment/{}/Body", rows[0][0])).await;
    assert_eq!(body.text(), "again and ".repeat(50));
}

#[tokio::test(start_paused = true)]
async fn jobs_of_both_apis_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let store = Some(folder.path().join("org.sqlite"));
    let here = || Settings { store: store.clone(), ..settings() };
    let (query, batch, results_before, ingest, open_job) = {
        let client = Client::with(here());
        client.create("Account", &json!({"Name": "Kept"})).await;
        let job = open(&client, "insert", "Account", "CSV", "").await;
        let batch = add(&client, &job, "text/csv", "Name\nA\n\nB\n").await;
        completed(&client, &batch).await;
        let reply = client
            .json("POST", "/jobs/query", &json!({"operation": "query", "query": "SELECT Name FROM Account"}))
            .await;
        let query = format!("/jobs/query/{}", reply.json()["id"].as_str().unwrap());
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(client.get(&query).await.json()["state"], "JobComplete");
        let reply = client.json("POST", "/jobs/ingest", &json!({"operation": "insert", "object": "Account"})).await;
        let ingest = format!("/jobs/ingest/{}", reply.json()["id"].as_str().unwrap());
        client.send("PUT", &format!("{ingest}/batches"), "text/csv", "Name\nC\n").await;
        let open_job = open(&client, "query", "Account", "CSV", "").await;
        (query, batch.clone(), results(&client, &batch).await, ingest, open_job)
    };
    let client = Client::with(here());
    assert_eq!(results(&client, &batch).await, results_before);
    let rows = client.get(&format!("{query}/results")).await;
    assert_eq!((rows.header("sforce-locator"), csv(rows.text()).1.len()), ("null", 3));
    // What was uploaded before is closed now, and nothing is written twice.
    client.json("PATCH", &ingest, &json!({"state": "UploadComplete"})).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(client.get(&ingest).await.json()["numberRecordsProcessed"], 1);
    assert_eq!(client.count("Account").await, 4);
    let batch = add(&client, &open_job, "text/csv", "SELECT Id FROM Account").await;
    completed(&client, &batch).await;
    let listed = client.get("/jobs/query?jobType=Classic").await.json();
    assert_eq!((listed["records"].as_array().unwrap().len(), &listed["records"][0]["jobType"]), (1, &json!("Classic")));

    // Seven days later everything is gone, files included.
    client.emulator.clock().advance(Duration::from_secs(8 * 24 * 3600));
    let token = client.emulator.orgs()[0].faces.sessions.lock().unwrap().open(
        client.emulator.orgs()[0].id15(),
        &client.emulator.credentials(0).user_id,
        None,
        None,
        ["api".to_owned()].into(),
        client.emulator.clock().now(),
    );
    let client = Client { token: token.token, ..client };
    assert_eq!(client.get(&query).await.status, 404);
    assert_eq!(get(&client, &open_job).await.status, 400);
    let left = std::fs::read_dir(folder.path().join("org.jobs")).unwrap().count();
    assert_eq!(left, 0, "bodies of jobs that are gone");
}
