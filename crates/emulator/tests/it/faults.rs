// SPDX-License-Identifier: Apache-2.0
//! Every fault over a real socket, ordered through the control API as a client in another language would, and the control API
//! itself.

use std::net::SocketAddr;

use crate::client::{Client, csv, settings};
use http::header::CONTENT_TYPE;
use orgkeep_emulator::fault::{Effect, Fault, When};
use orgkeep_emulator::{Emulator, Jobs, Locking, Settings};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// An emulator behind a socket.
struct Served {
    emulator: Emulator,
    address: SocketAddr,
    token: String,
}

/// What came over the socket until it was closed.
struct Got {
    /// 0 when not a byte came.
    status: u16,
    head: String,
    body: Vec<u8>,
    /// Whether the body ended as its headers said.
    whole: bool,
}

impl Got {
    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {} {}", self.head, self.text()))
    }

    fn header(&self, name: &str) -> &str {
        let line = self.head.lines().find(|line| line.to_ascii_lowercase().starts_with(&format!("{name}:")));
        line.and_then(|line| line.split_once(':')).map_or("", |(_, value)| value.trim())
    }

    fn code(&self) -> (u16, String) {
        (self.status, self.json()[0]["errorCode"].as_str().unwrap_or_default().to_owned())
    }
}

impl Served {
    async fn new() -> Served {
        Served::with(settings()).await
    }

    async fn with(settings: Settings) -> Served {
        let emulator = Emulator::start(settings).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let served = emulator.clone();
        tokio::spawn(async move { served.serve(listener, std::future::pending()).await });
        let token = emulator.credentials(0).access_token;
        Served { emulator, address, token }
    }

    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Got {
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.address);
        let has_token = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization"));
        if !has_token && !path.starts_with("/_emulator") {
            request += &format!("Authorization: Bearer {}\r\n", self.token);
        }
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        request += &format!("Content-Length: {}\r\n\r\n{body}", body.len());
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        // A connection that is cut may end in an error as well as in an end.
        let _ = stream.read_to_end(&mut bytes).await;
        parse(&bytes)
    }

    async fn get(&self, path: &str) -> Got {
        self.send("GET", &data(path), &[], "").await
    }

    async fn post(&self, path: &str, body: &Value) -> Got {
        self.send("POST", &data(path), &[("Content-Type", "application/json")], &body.to_string()).await
    }

    /// Orders a fault.
    async fn fault(&self, fault: Value) {
        let got = self.send("POST", "/_emulator/faults", &[], &fault.to_string()).await;
        assert_eq!(got.status, 200, "{}", got.text());
    }

    async fn control(&self, method: &str, path: &str, body: Value) -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let got = self.send(method, &format!("/_emulator{path}"), &[], &body).await;
        assert_eq!(got.status, 200, "{path}: {}", got.text());
        got.json()
    }

    /// A client in the same process, for what is not shown here.
    fn client(&self) -> Client {
        Client { emulator: self.emulator.clone(), token: self.token.clone(), base: "/services/data/v67.0".to_owned() }
    }

    /// Runs a Bulk 2.0 job to its end, and gives its path and last state.
    async fn job(&self, family: &str, order: &Value, data: &str) -> (String, Value) {
        let client = self.client();
        let reply = client.json("POST", &format!("/jobs/{family}"), order).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let path = format!("/jobs/{family}/{}", reply.json()["id"].as_str().unwrap());
        if family == "ingest" {
            client.send("PUT", &format!("{path}/batches"), "text/csv", data.to_owned()).await;
            client.json("PATCH", &path, &json!({"state": "UploadComplete"})).await;
        }
        for _ in 0..100_000 {
            let job = client.get(&path).await.json();
            if ["JobComplete", "Failed"].contains(&job["state"].as_str().unwrap()) {
                return (path, job);
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        panic!("the job never ended");
    }
}

fn data(path: &str) -> String {
    if path.starts_with("/services") { path.to_owned() } else { format!("/services/data/v67.0{path}") }
}

fn parse(bytes: &[u8]) -> Got {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        assert!(bytes.is_empty(), "half a head");
        return Got { status: 0, head: String::new(), body: Vec::new(), whole: false };
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let rest = &bytes[end + 4..];
    let lower = head.to_ascii_lowercase();
    if lower.contains("transfer-encoding: chunked") {
        let (mut body, mut rest) = (Vec::new(), rest);
        while let Some(line) = rest.windows(2).position(|two| two == b"\r\n") {
            let size = usize::from_str_radix(std::str::from_utf8(&rest[..line]).unwrap(), 16).unwrap();
            if size == 0 {
                return Got { status, head, body, whole: true };
            }
            let Some(chunk) = rest.get(line + 2..line + 2 + size) else { break };
            body.extend_from_slice(chunk);
            rest = rest.get(line + 4 + size..).unwrap_or_default();
        }
        return Got { status, head, body, whole: false };
    }
    let length = lower.split("content-length: ").nth(1).map_or(0, |text| text.lines().next().unwrap().parse().unwrap());
    Got { status, whole: rest.len() == length, body: rest.to_vec(), head }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_comes_in_the_form_of_its_api_and_has_no_effect() {
    let served = Served::new().await;
    let refuse =
        json!({"refuse": {"status": 503, "code": "SERVER_UNAVAILABLE", "message": "later", "retry_after_seconds": 7}});
    served.fault(json!({"when": {"method": "POST", "object": "Account"}, "nth": 2, "do": refuse})).await;
    let account = json!({"Name": "A"});
    assert_eq!(served.post("/sobjects/Account", &account).await.status, 201);
    let refused = served.post("/sobjects/Account", &account).await;
    assert_eq!(refused.code(), (503, "SERVER_UNAVAILABLE".into()));
    assert_eq!(
        (refused.header("retry-after"), refused.header(CONTENT_TYPE.as_str())),
        ("7", "application/json;charset=UTF-8")
    );
    assert_eq!(served.post("/sobjects/Account", &account).await.status, 201, "once only");
    assert_eq!(served.client().count("Account").await, 2);

    let refuse = |code: &str| json!({"refuse": {"status": 500, "code": code, "message": "no & no"}});
    served.fault(json!({"when": {"family": "soap"}, "do": refuse("SERVER_UNAVAILABLE")})).await;
    let got = served.send("POST", "/services/Soap/u/67.0", &[], "<x/>").await;
    assert!(got.text().contains("<faultcode>sf:SERVER_UNAVAILABLE</faultcode>") && got.status == 500, "{}", got.text());
    served.fault(json!({"when": {"family": "bulk1"}, "times": 2, "do": refuse("InternalServerError")})).await;
    let got = served.send("GET", "/services/async/67.0/job/750000000000000", &[], "").await;
    assert!(got.text().contains("<exceptionCode>InternalServerError</exceptionCode>"), "{}", got.text());
    let got = served.send("POST", "/services/async/67.0/job", &[("Content-Type", "application/json")], "{}").await;
    assert_eq!((got.status, &got.json()["exceptionCode"]), (500, &json!("InternalServerError")));
    served.fault(json!({"when": {"family": "oauth"}, "do": refuse("server_error")})).await;
    let got = served.send("POST", "/services/oauth2/token", &[], "grant_type=x").await;
    assert_eq!(got.json(), json!({"error": "server_error", "error_description": "no & no"}));
}

#[tokio::test(start_paused = true)]
async fn the_edge_answers_with_pages() {
    let served = Served::new().await;
    for status in [420, 503] {
        served.fault(json!({"when": {"path": "/services/data/*/limits"}, "do": {"page": {"status": status}}})).await;
        assert_eq!(served.get("/").await.status, 200, "another path");
        let page = served.get("/limits").await;
        assert_eq!((page.status, page.header("content-type")), (status, "text/html;charset=UTF-8"));
        assert!(page.text().starts_with("<!DOCTYPE html>"));
        assert_eq!(served.get("/limits").await.status, 200);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_comes_late() {
    let served = Served::new().await;
    served.fault(json!({"when": {"family": "query"}, "do": {"delay": {"ms": 3_600_000}}})).await;
    assert_eq!(served.get("/query?q=SELECT+Id+FROM+Account").await.status, 200);
    let last = served.emulator.orgs()[0].request_log().pop().unwrap();
    assert!(last.duration_ms >= 3_600_000, "{last}");
    assert_eq!((last.faults, last.object.as_deref()), (vec!["delay"], Some("Account")));
}

#[tokio::test(start_paused = true)]
async fn a_csv_breaks_in_the_middle_or_ends_early_and_looks_whole() {
    let served = Served::new().await;
    for number in 0..50 {
        served.client().create("Account", &json!({"Name": format!("Account {number}")})).await;
    }
    let order = json!({"operation": "query", "query": "SELECT Id, Name FROM Account"});
    let (path, _) = served.job("query", &order, "").await;
    let results = format!("{path}/results");
    let good = served.get(&results).await;
    assert!(good.whole && csv(good.text()).1.len() == 50);
    served
        .fault(json!({"when": {"path": "*/results", "object": "Account"}, "do": {"cut": {"after_bytes": 500}}}))
        .await;
    let cut = served.get(&results).await;
    assert_eq!((cut.status, cut.whole, cut.body.len()), (200, false, 500));
    assert_eq!(cut.header("sforce-numberofrecords"), "50");
    served.fault(json!({"when": {"path": "*/results"}, "do": {"truncate": {"after_bytes": 500}}})).await;
    let short = served.get(&results).await;
    assert_eq!((short.status, short.whole, short.body.len()), (200, true, 500));
    assert_eq!(good.body[..500], short.body[..]);
    assert!(served.get(&results).await.body == good.body);
}

#[tokio::test(start_paused = true)]
async fn a_reply_is_lost_after_its_effect() {
    let served = Served::new().await;
    served.fault(json!({"when": {"method": "POST"}, "do": "lose_reply"})).await;
    let lost = served.post("/sobjects/Account", &json!({"Name": "There"})).await;
    assert_eq!((lost.status, lost.body.len()), (0, 0));
    assert_eq!(served.client().count("Account").await, 1);

    // In the same process the answer has a mark and a body that breaks.
    served.emulator.orgs()[0].faults().add(Fault::new(When::default(), Effect::LoseReply));
    let request = http::Request::get("/services/data").body(axum::body::Body::empty()).unwrap();
    let response = served.emulator.handle(request).await;
    assert!(response.extensions().get::<orgkeep_emulator::fault::strike::Lost>().is_some());
    assert!(axum::body::to_bytes(response.into_body(), usize::MAX).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn sessions_end_and_the_allowance_runs_out() {
    let served = Served::new().await;
    served.fault(json!({"when": {"family": "query"}, "nth": 2, "do": "expire_session"})).await;
    let query = "/query?q=SELECT+Id+FROM+Account";
    assert_eq!(served.get(query).await.status, 200);
    assert_eq!(served.get(query).await.code(), (401, "INVALID_SESSION_ID".into()));
    assert_eq!(served.get("/limits").await.code(), (401, "INVALID_SESSION_ID".into()));

    let served = Served::new().await;
    served.fault(json!({"when": {"path": "*/limits"}, "do": "exhaust_limit"})).await;
    assert_eq!(served.get(query).await.status, 200);
    assert_eq!(served.get("/limits").await.code(), (403, "REQUEST_LIMIT_EXCEEDED".into()));
    assert_eq!(served.get(query).await.code(), (403, "REQUEST_LIMIT_EXCEEDED".into()));
    served.control("POST", "/limits", json!({"used": 0, "max": 100})).await;
    assert_eq!(served.get(query).await.header("sforce-limit-info"), "api-usage=1/100");
}

#[tokio::test(start_paused = true)]
async fn limits_and_describes_are_stale() {
    let served = Served::new().await;
    served.fault(json!({"times": 2, "do": {"stale_limits": {"used": 3, "max": 15_000}}})).await;
    assert_eq!(served.get("/").await.header("sforce-limit-info"), "api-usage=3/15000");
    assert_eq!(served.get("/").await.header("sforce-limit-info"), "api-usage=3/15000");
    assert_ne!(served.get("/").await.header("sforce-limit-info"), "api-usage=3/15000");

    served.fault(json!({"when": {"path": "*/describe", "object": "Account"}, "times": 2, "do": "stale"})).await;
    let fields = |got: &Got| got.json()["fields"].as_array().unwrap().iter().any(|field| field["name"] == "New__c");
    assert!(!fields(&served.get("/sobjects/Account/describe").await));
    served.control("POST", "/schema", json!({"add_field": {"object": "Account", "field": "New__c"}})).await;
    assert!(!fields(&served.get("/sobjects/Account/describe").await), "as it was");
    assert!(fields(&served.get("/sobjects/Account/describe").await));
}

#[tokio::test(start_paused = true)]
async fn the_schema_changes_in_the_middle() {
    let served = Served::new().await;
    let client = served.client();
    client.create("Account", &json!({"Name": "A", "Legacy_Id__c": "L1"})).await;
    let query = |fields: &str| format!("/query?q=SELECT+{fields}+FROM+Account");
    let at_second = |effect: Value| json!({"when": {"family": "query"}, "nth": 2, "do": effect});
    served
        .fault(at_second(json!({"rename_field": {"object": "Account", "field": "Legacy_Id__c", "to": "Old_Id__c"}})))
        .await;
    assert_eq!(served.get(&query("Legacy_Id__c")).await.status, 200);
    assert_eq!(served.get(&query("Legacy_Id__c")).await.code(), (400, "INVALID_FIELD".into()));
    assert_eq!(
        served.get(&query("Old_Id__c")).await.json()["records"][0]["Old_Id__c"],
        "L1",
        "the values moved with it"
    );

    served.control("DELETE", "/faults", Value::Null).await;
    served.fault(at_second(json!({"drop_field": {"object": "Account", "field": "Old_Id__c"}}))).await;
    assert_eq!(served.get(&query("Old_Id__c")).await.status, 200);
    assert_eq!(served.get(&query("Old_Id__c")).await.code(), (400, "INVALID_FIELD".into()));
    served.fault(at_second(json!({"add_field": {"object": "Account", "field": "Late__c"}}))).await;
    assert_eq!(served.get(&query("Late__c")).await.code(), (400, "INVALID_FIELD".into()));
    assert_eq!(served.get(&query("Late__c")).await.status, 200);
    served.fault(at_second(json!({"remove_object": {"object": "Account"}}))).await;
    assert_eq!(served.get(&query("Id")).await.status, 200);
    assert_eq!(served.get(&query("Id")).await.code(), (400, "INVALID_TYPE".into()));
}

#[tokio::test(start_paused = true)]
async fn rows_are_locked_for_a_while() {
    let served = Served::new().await;
    let id = served.client().create("Account", &json!({"Name": "A"})).await;
    let locks = json!({"lock_rows": {"ids": [id], "ms": 60_000}});
    served.fault(json!({"when": {"method": "PATCH"}, "nth": 1, "do": locks})).await;
    let path = data(&format!("/sobjects/Account/{id}"));
    let patch = || served.send("PATCH", &path, &[("Content-Type", "application/json")], "{\"Phone\": \"1\"}");
    let refused = patch().await;
    assert_eq!(refused.code(), (400, "UNABLE_TO_LOCK_ROW".into()), "{}", refused.text());
    served.control("POST", "/clock", json!({"advance_seconds": 61})).await;
    assert_eq!(patch().await.status, 204);
}

#[tokio::test(start_paused = true)]
async fn rows_are_seen_later_than_they_are_stamped() {
    let served = Served::new().await;
    served.fault(json!({"when": {"family": "query"}, "do": {"late_commits": {"count": 3, "longest_ms": 600_000, "seed": 5}}})).await;
    let query = "/query?q=SELECT+SystemModstamp+FROM+Account";
    let first = served.get(query).await;
    let asked = first.header("date").to_owned();
    assert_eq!(first.json()["totalSize"], 0);
    served.control("POST", "/clock", json!({"advance_seconds": 601})).await;
    let later = served.get(query).await.json();
    assert_eq!(later["totalSize"], 3);
    let asked: chrono::DateTime<chrono::Utc> = chrono::DateTime::parse_from_rfc2822(&asked).unwrap().into();
    for record in later["records"].as_array().unwrap() {
        let stamp = record["SystemModstamp"].as_str().unwrap().replace("+0000", "Z");
        let stamp: chrono::DateTime<chrono::Utc> = stamp.parse().unwrap();
        assert!(stamp <= asked, "{record}: read at {asked}, and not there");
    }
}

#[tokio::test(start_paused = true)]
async fn jobs_are_slow_fail_and_refuse_rows() {
    let served = Served::new().await;
    let insert = json!({"operation": "insert", "object": "Account"});
    let rows: String = (0..600).map(|number| format!("A{number}\n")).collect();
    let csv_data = format!("Name\n{rows}");
    let slow = json!({"when": {"object": "Account", "operation": "insert"}, "do": {"slow_job": {"ms": 600_000}}});
    served.fault(slow).await;
    let (_, job) = served.job("ingest", &insert, "Name\nA\n").await;
    assert_eq!(job["state"], "JobComplete");
    assert!(job["totalProcessingTime"].as_i64().unwrap() >= 600_000, "{job}");

    let message = "InternalServerError : the emulator was told to fail";
    served
        .fault(json!({"when": {"family": "bulk"}, "do": {"fail_job": {"message": message, "after_rows": 200}}}))
        .await;
    let (path, job) = served.job("ingest", &insert, &csv_data).await;
    assert_eq!((&job["state"], &job["errorMessage"]), (&json!("Failed"), &json!(message)));
    assert_eq!(job["numberRecordsProcessed"], 200);
    assert_eq!(csv(served.get(&format!("{path}/unprocessedrecords")).await.text()).1.len(), 400);
    served.fault(json!({"do": {"fail_job": {"message": message}}})).await;
    let (_, job) = served.job("query", &json!({"operation": "query", "query": "SELECT Id FROM Account"}), "").await;
    assert_eq!((&job["state"], &job["errorMessage"]), (&json!("Failed"), &json!(message)));

    served.fault(json!({"when": {"object": "Account"}, "do": {"refuse_rows": {"every": 100}}})).await;
    let (path, job) = served.job("ingest", &insert, &csv_data).await;
    assert_eq!(job["numberRecordsFailed"], 6);
    let failed = served.get(&format!("{path}/failedResults")).await;
    assert!(
        csv(failed.text())
            .1
            .iter()
            .all(|row| row[1].starts_with("UNABLE_TO_LOCK_ROW:unable to obtain exclusive access"))
    );

    // Bulk 1.0: the batch fails, the job does not.
    served.fault(json!({"when": {"family": "bulk1"}, "do": {"fail_job": {"message": message}}})).await;
    let order = json!({"operation": "insert", "object": "Account", "contentType": "CSV"}).to_string();
    let session = [("X-SFDC-Session", served.token.as_str()), ("Content-Type", "application/json")];
    let job = served.send("POST", "/services/async/67.0/job", &session, &order).await.json();
    let path = format!("/services/async/67.0/job/{}/batch", job["id"].as_str().unwrap());
    served.send("POST", &path, &session, "Name\nA\n").await;
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    let list = served.send("GET", &path, &session, "").await;
    assert!(
        list.text().contains(&format!("<state>Failed</state>\n  <stateMessage>{message}</stateMessage>")),
        "{}",
        list.text()
    );
}

#[tokio::test(start_paused = true)]
async fn chance_meets_the_same_requests_in_every_run() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let served = Served::new().await;
        let effects = json!(["lose_reply", {"page": {"status": 503}}, {"refuse": {"status": 500, "code": "UNKNOWN_EXCEPTION", "message": "x"}}]);
        served
            .fault(json!({"when": {"family": "rest", "client": "Drill"}, "rate": 0.3, "seed": 11, "do": effects}))
            .await;
        let mut seen = Vec::new();
        for _ in 0..30 {
            seen.push(served.send("GET", &data("/limits"), &[("User-Agent", "drill/2")], "").await.status);
        }
        assert_eq!(served.get("/limits").await.status, 200, "another client");
        runs.push(seen);
    }
    assert_eq!(runs[0], runs[1]);
    let good = runs[0].iter().filter(|status| **status == 200).count();
    assert!((12..30).contains(&good) && runs[0].contains(&0) && runs[0].contains(&503), "{:?}", runs[0]);
}

#[tokio::test(start_paused = true)]
async fn jobs_on_children_of_one_parent_get_into_each_others_way() {
    // A row holds its parent for a second here, so twenty rows are what 20,000 are by default.
    let locking = Locking { held_ms_per_row: 1_000, wait_max_ms: 10_000 };
    let served = Served::with(Settings { locking, ..settings() }).await;
    let client = served.client();
    let skewed = client.create("Account", &json!({"Name": "Skewed"})).await;
    let other = client.create("Account", &json!({"Name": "Other"})).await;
    let order = json!({"operation": "insert", "object": "Contact"});
    let rows = |parent: &str| (0..20).map(|number| format!("C{number},{parent}\n")).collect::<String>();
    let (_, first) = served.job("ingest", &order, &format!("LastName,AccountId\n{}", rows(&skewed))).await;
    assert_eq!(first["numberRecordsFailed"], 0, "a job never waits for itself");
    let (path, second) =
        served.job("ingest", &order, &format!("LastName,AccountId\n{}{}", rows(&skewed), rows(&other))).await;
    assert_eq!((&second["state"], &second["numberRecordsFailed"]), (&json!("JobComplete"), &json!(20)));
    let failed = served.get(&format!("{path}/failedResults")).await;
    let text = format!(
        "UNABLE_TO_LOCK_ROW:unable to obtain exclusive access to this record or 1 records: {}:--",
        &skewed[..15]
    );
    assert!(csv(failed.text()).1.iter().all(|row| row[1] == text), "{}", failed.text());
    // Once the first is through, the same rows go in.
    served.control("POST", "/clock", json!({"advance_seconds": 60})).await;
    let (_, third) = served.job("ingest", &order, &format!("LastName,AccountId\n{}", rows(&skewed))).await;
    assert_eq!(third["numberRecordsFailed"], 0);
}

#[tokio::test(start_paused = true)]
async fn the_log_tells_what_each_client_cost() {
    let served = Served::new().await;
    let body = "{\"Name\": \"A\"}";
    let headers = [("User-Agent", "drill/2.1 (test)"), ("Content-Type", "application/json")];
    let created = served.send("POST", &data("/sobjects/Account"), &headers, body).await;
    let answer_bytes = created.body.len() as u64;
    served.send("GET", &data("/query?q=SELECT+Id+FROM+Nothing"), &headers, "").await;
    let log = served.control("GET", "/log", Value::Null).await;
    let first = &log["requests"][0];
    assert_eq!((&first["number"], &first["status"], &first["family"]), (&json!(1), &json!(201), &json!("rest")));
    assert_eq!((&first["object"], &first["client"]), (&json!("Account"), &json!("drill/2.1 (test)")));
    assert_eq!((&first["bytes_in"], &first["bytes_out"]), (&json!(body.len()), &json!(answer_bytes)));
    assert_eq!(first["app"], "Orgkeep");
    let later = served.control("GET", "/log?after=1&family=query", Value::Null).await;
    assert_eq!((later["requests"].as_array().unwrap().len(), &later["requests"][0]["status"]), (1, &json!(400)));
    let usage = served.control("GET", "/usage", Value::Null).await;
    assert_eq!(usage["families"]["rest"]["requests"], 1);
    assert_eq!(usage["families"]["query"]["refused"], 1);
    assert_eq!(usage["clients"]["drill/2.1"]["rest"]["bytes_in"], body.len());
    assert_eq!(usage["apps"]["Orgkeep"]["rest"]["bytes_out"], answer_bytes);
    assert_eq!(usage["objects"]["Account"]["rest"], 1);
    assert_eq!(usage["daily_api_requests"]["used"], 2);
    served.control("DELETE", "/log", Value::Null).await;
    assert_eq!(served.control("GET", "/usage", Value::Null).await["requests"], 0);

    // One plain line for whoever watches.
    let lines = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = lines.clone();
    served.emulator.watch(move |entry| seen.lock().unwrap().push(entry.to_string()));
    served.send("GET", &data("/limits"), &headers, "").await;
    let line = lines.lock().unwrap().pop().unwrap();
    assert!(line.contains(" 200 rest GET /services/data/v67.0/limits 0ms in=0 out="), "{line}");
    assert!(line.ends_with(" client=drill/2.1 app=Orgkeep"), "{line}");
}

#[tokio::test(start_paused = true)]
async fn drills_are_driven_from_outside() {
    let served = Served::with(Settings { jobs: Jobs::Stepped, ..settings() }).await;
    let client = served.client();
    let calls = served.control("GET", "", Value::Null).await;
    assert!(calls["calls"].as_array().unwrap().iter().any(|call| call["path"] == "/_emulator/faults"));
    let orgs = served.control("GET", "/orgs", Value::Null).await;
    assert_eq!(orgs["orgs"][0]["access_token"], json!(served.token));
    let user = orgs["orgs"][0]["user_id"].as_str().unwrap().to_owned();

    // The clock, and the recycle bin.
    let before = served.control("GET", "/clock", Value::Null).await["ms"].as_i64().unwrap();
    let after = served.control("POST", "/clock", json!({"advance_seconds": 90.5})).await["ms"].as_i64().unwrap();
    assert!(after - before >= 90_500);
    let id = client.create("Account", &json!({"Name": "A"})).await;
    served.send("DELETE", &data(&format!("/sobjects/Account/{id}")), &[], "").await;
    assert_eq!(served.control("POST", "/recycle-bin/purge", json!({"older_than_days": 1})).await["purged"], 0);
    assert_eq!(served.control("POST", "/recycle-bin/purge", Value::Null).await["purged"], 1);
    let all = served.get("/queryAll?q=SELECT+Id+FROM+Account").await;
    assert_eq!(all.json()["totalSize"], 0);

    // Jobs by steps.
    let order = json!({"operation": "query", "query": "SELECT Id FROM Account"});
    let job = served.post("/jobs/query", &order).await.json();
    let state = |answer: &Value| answer["jobs"][0]["state"].as_str().unwrap().to_owned();
    assert_eq!(state(&served.control("GET", "/jobs", Value::Null).await), "UploadComplete");
    assert_eq!(state(&served.control("POST", "/jobs/step", Value::Null).await), "InProgress");
    assert_eq!(state(&served.control("POST", "/jobs/step", Value::Null).await), "JobComplete");
    assert_eq!(served.get(&format!("/jobs/query/{}/results", job["id"].as_str().unwrap())).await.status, 200);

    // Somebody else's transaction, stamped now and seen later.
    let insert = json!([{"object": "Account", "fields": {"Name": "Late"}}]);
    let late = served.control("POST", "/late-commits", json!({"insert": insert, "after_seconds": 900})).await;
    assert_eq!(client.count("Account").await, 0);
    served.control("POST", "/clock", json!({"advance_seconds": 901})).await;
    let found = client.query("SELECT Id FROM Account").await;
    assert_eq!(found[0]["Id"], late["ids"][0]);
    assert_eq!(served.control("GET", "/rows/Account", Value::Null).await[0]["Name"], "Late");

    // Rows, users, sessions.
    let ids = json!({"ids": [late["ids"][0]]});
    served.control("POST", "/rows/lock", ids.clone()).await;
    let path = data(&format!("/sobjects/Account/{}", late["ids"][0].as_str().unwrap()));
    assert_eq!(served.send("DELETE", &path, &[], "").await.code().1, "UNABLE_TO_LOCK_ROW");
    assert_eq!(served.control("POST", "/rows/unlock", ids).await["unlocked"], 1);
    served.control("POST", &format!("/users/{user}/permissions"), json!({"ApiEnabled": false})).await;
    assert_eq!(served.get("/limits").await.status, 403);
    served.control("POST", &format!("/users/{user}/permissions"), json!({"ApiEnabled": true})).await;
    served.control("POST", &format!("/users/{user}/freeze"), json!({"frozen": true})).await;
    assert_eq!(served.get("/limits").await.status, 401);
    served.control("POST", &format!("/users/{user}/freeze"), json!({"frozen": false})).await;
    assert_eq!(served.get("/limits").await.status, 200);
    served.control("POST", "/sessions/expire", Value::Null).await;
    assert_eq!(served.get("/limits").await.status, 401);
    served.control("POST", "/sessions/revoke", Value::Null).await;

    // What is not there is said so.
    for (method, path, status) in
        [("GET", "/nothing", 404), ("POST", "/clock", 400), ("DELETE", "/faults/9", 404), ("GET", "/log?org=7", 404)]
    {
        let got = served.send(method, &format!("/_emulator{path}"), &[], "").await;
        assert_eq!((got.status, got.json()["error"].is_string()), (status, true), "{path}");
    }
    assert!(served.emulator.orgs()[0].request_log().iter().all(|entry| !entry.path.contains("_emulator")));
}
