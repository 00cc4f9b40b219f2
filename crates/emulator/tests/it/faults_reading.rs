// SPDX-License-Identifier: Apache-2.0
//! What befalls whoever reads a whole org: statements that take too long, jobs that fail for one object, objects that a licence
//! does not cover, an org that is away for an hour, an allowance that others use up, a sandbox that was refreshed; and rows that
//! only a backup looks for.

use std::time::Duration;

use crate::caller::Caller;
use orgkeep_emulator::fault::{Effect, Fault, When};
use orgkeep_emulator::{Clock, Settings};
use serde_json::{Value, json};

async fn control(caller: &Caller, path: &str, body: Value) -> Value {
    let headers = [("host", "127.0.0.1"), ("content-type", "application/json")];
    caller.raw("POST", &format!("/_emulator{path}"), &headers, body.to_string()).await.expect(200)
}

fn refused(status: u16, code: &str, message: &str) -> Effect {
    Effect::Refuse { status, code: code.into(), message: message.into(), retry_after_seconds: None }
}

fn about(object: &str) -> When {
    When { object: Some(object.to_owned()), ..When::default() }
}

/// A query job, followed to its end.
async fn job(caller: &Caller, statement: &str) -> Value {
    let created = caller.post("/jobs/query", json!({"operation": "query", "query": statement})).await.expect(200);
    for _ in 0..50 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let path = format!("/jobs/query/{}", created["id"].as_str().unwrap());
        let info = caller.get(&path).await.expect(200);
        if !["UploadComplete", "InProgress"].contains(&info["state"].as_str().unwrap()) {
            return info;
        }
    }
    panic!("the job does not end");
}

#[tokio::test(start_paused = true)]
async fn statements_and_jobs_of_one_object_are_refused_and_of_others_not() {
    let caller = Caller::new();
    let faults = caller.org().faults();
    for (status, code, message) in [
        (400, "QUERY_TIMEOUT", "Your query request was running for too long."),
        (400, "OPERATION_TOO_LARGE", "exceeded 100000 distinct who/what's"),
        (403, "FUNCTIONALITY_NOT_ENABLED", "this feature is not currently enabled for this user"),
        (400, "INVALID_TYPE_FOR_OPERATION", "entity type Case does not support query"),
    ] {
        let number = faults.add(Fault { times: Some(0), ..Fault::new(about("Case"), refused(status, code, message)) });
        let said = caller.query("SELECT Id FROM Case").await.error();
        assert_eq!(said, (status, code.to_owned(), message.to_owned()));
        let created = caller.post("/jobs/query", json!({"operation": "query", "query": "SELECT Id FROM Case"})).await;
        assert_eq!(created.error().1, code);
        caller.query("SELECT Id FROM Contact").await.expect(200);
        assert!(faults.remove(number));
    }
    caller.query("SELECT Id FROM Case").await.expect(200);
    for message in [
        "InvalidBatch : Failed to process query: QUERY_TIMEOUT: Your query request was running for too long.",
        "InternalServerError : Retried more than fifteen times",
    ] {
        let failing = Effect::FailJob { message: message.to_owned(), after_rows: 0 };
        let number = faults.add(Fault { times: Some(0), ..Fault::new(about("Case"), failing) });
        let info = job(&caller, "SELECT Id FROM Case").await;
        assert_eq!((&info["state"], &info["errorMessage"]), (&json!("Failed"), &json!(message)));
        assert_eq!(job(&caller, "SELECT Id FROM Contact").await["state"], "JobComplete");
        assert!(faults.remove(number));
    }
}

#[tokio::test(start_paused = true)]
async fn a_statement_that_finds_too_many_rows_is_refused_and_its_parts_are_not() {
    let caller = Caller::new();
    let mut ids = Vec::new();
    for name in ["a", "b", "c"] {
        ids.push(caller.create("Account", json!({"Name": name})).await);
    }
    let limit = Effect::LimitRows { above: 2, code: "QUERY_TIMEOUT".into(), message: "too long".into() };
    caller.org().faults().add(Fault { times: Some(0), ..Fault::new(about("Account"), limit) });
    assert_eq!(caller.query("SELECT Id FROM Account").await.error().1, "QUERY_TIMEOUT");
    let info = job(&caller, "SELECT Id FROM Account").await;
    assert_eq!((&info["state"], &info["errorMessage"]), (&json!("Failed"), &json!("QUERY_TIMEOUT : too long")));
    for rest in ["ORDER BY Id DESC LIMIT 1".to_owned(), format!("WHERE Id <= '{}'", ids[1])] {
        caller.query(&format!("SELECT Id FROM Account {rest}")).await.expect(200);
        assert_eq!(job(&caller, &format!("SELECT Id FROM Account {rest}")).await["state"], "JobComplete");
    }
}

#[tokio::test]
async fn an_org_is_away_for_an_hour_of_its_clock() {
    let caller = Caller::new();
    let order = json!({"when": {}, "nth": 2, "for_seconds": 3600, "do": {"page": {"status": 503}}});
    control(&caller, "/faults", order).await;
    assert_eq!(caller.get("/limits").await.status, 200);
    for _ in 0..3 {
        let away = caller.get("/limits").await;
        assert_eq!((away.status, away.text().starts_with('<')), (503, true));
    }
    control(&caller, "/clock", json!({"advance_seconds": 3_599})).await;
    assert_eq!(caller.get("/limits").await.status, 503);
    control(&caller, "/clock", json!({"advance_seconds": 1})).await;
    assert_eq!(caller.get("/limits").await.status, 200);
}

#[tokio::test]
async fn other_applications_use_the_allowance_too() {
    let caller = Caller::new();
    control(&caller, "/limits", json!({"used": 100, "max": 120, "others": 4})).await;
    let used = async |caller: &Caller| caller.get("/limits").await.header("sforce-limit-info").to_owned();
    assert_eq!(used(&caller).await, "api-usage=105/120");
    assert_eq!(used(&caller).await, "api-usage=110/120");
    for _ in 0..2 {
        caller.get("/limits").await.expect(200);
    }
    assert_eq!(caller.get("/limits").await.error().1, "REQUEST_LIMIT_EXCEEDED");
}

#[tokio::test]
async fn a_refreshed_sandbox_has_another_id_under_the_same_host() {
    let settings = |refreshes| Settings {
        sandbox: true,
        my_domain: Some("acme".to_owned()),
        refreshes,
        clock: Clock::starting_at(crate::caller::START_MS),
        ..Settings::default()
    };
    let (before, after) = (Caller::with(settings(0)), Caller::with(settings(1)));
    assert_eq!(before.credentials.username, after.credentials.username);
    assert_ne!(before.credentials.org_id, after.credentials.org_id);
    let row = async |caller: &Caller| {
        caller.query("SELECT Id, IsSandbox FROM Organization").await.expect(200)["records"][0].clone()
    };
    assert_eq!(row(&after).await["Id"], after.credentials.org_id);
    assert_eq!(row(&after).await["IsSandbox"], true);
    let url = async |caller: &Caller| {
        caller.call("GET", "/services/oauth2/userinfo", &[], "").await.expect(200)["urls"]["custom_domain"].clone()
    };
    assert_eq!(url(&before).await, url(&after).await);
    let made = async |caller: &Caller| caller.create("Account", json!({"Name": "A"})).await;
    assert_ne!(made(&before).await, made(&after).await);
}

#[tokio::test]
async fn bodies_are_kept_of_documents_static_resources_and_notes() {
    let caller = Caller::with(Settings { catalog: orgkeep_emulator::Catalog::Everything, ..crate::caller::settings() });
    let folder = caller
        .create("Folder", json!({"Name": "F", "DeveloperName": "F", "Type": "Document", "AccessType": "Public"}))
        .await;
    for (object, row, field) in [
        ("Document", json!({"Name": "D", "DeveloperName": "D", "FolderId": folder, "Body": "aGVsbG8="}), "Body"),
        (
            "StaticResource",
            json!({"Name": "S", "ContentType": "text/plain", "CacheControl": "Public", "Body": "aGVsbG8="}),
            "Body",
        ),
    ] {
        let id = caller.create(object, row).await;
        let read = caller.get(&format!("/sobjects/{object}/{id}/{field}")).await;
        assert_eq!((read.status, read.text()), (200, "hello"), "{object}");
    }
    // An enhanced note is a file, and a note under the Id of its document.
    let version = json!({"PathOnClient": "N.snote", "VersionData": "PGI+aGVsbG88L2I+"});
    caller.create("ContentVersion", version).await;
    let notes = caller.query("SELECT Id, Title, TextPreview, FileType, ContentSize FROM ContentNote").await.expect(200);
    let note = &notes["records"][0];
    assert_eq!(
        (&note["Title"], &note["TextPreview"], &note["FileType"]),
        (&json!("N"), &json!("hello"), &json!("SNOTE"))
    );
    let id = note["Id"].as_str().unwrap();
    assert_eq!(caller.get(&format!("/sobjects/ContentNote/{id}/Content")).await.text(), "<b>hello</b>");
    assert_eq!(caller.delete(&format!("/sobjects/ContentDocument/{id}")).await.status, 204);
    let left = caller.query("SELECT COUNT() FROM ContentNote").await.expect(200);
    assert_eq!(left["totalSize"], 0);
}
