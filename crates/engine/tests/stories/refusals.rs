// SPDX-License-Identifier: Apache-2.0
//! What an org refuses of an object, and how the rows come all the same.

use crate::stage::Stage;
use orgkeep_emulator::schema::{Field, FieldType};
use orgkeep_engine::{BackupReport, ObjectLine, Route, State, history, record};
use serde_json::{Value, json};

fn line(report: &BackupReport, object: &str) -> ObjectLine {
    report.objects.iter().find(|line| line.object == object).unwrap().clone()
}

fn text_field(name: &str) -> Field {
    let field = Field::usual(name, name, FieldType::String, 80);
    Field { custom: true, createable: true, updateable: true, nillable: true, ..field }
}

async fn named(stage: &Stage, object: &str, count: usize) -> Vec<String> {
    let rows: Vec<Value> = (0..count).map(|n| json!({"Name": format!("{n}")})).collect();
    stage.create(object, &rows).await
}

async fn too_much(stage: &Stage, object: &str, above: u64, code: &str, message: &str) {
    let limit = json!({"limit_rows": {"above": above, "code": code, "message": message}});
    stage.order(json!({"when": {"object": object}, "times": 0, "do": limit})).await;
}

/// Queries of an object that the org refused so far.
async fn refused(stage: &Stage) -> u64 {
    let request = http::Request::get("http://localhost/_emulator/faults").body(Default::default()).unwrap();
    let answer = stage.emulator.handle(request).await;
    let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
    let faults: Value = serde_json::from_slice(&body).unwrap();
    let faults = faults.as_array().or_else(|| faults["faults"].as_array()).unwrap();
    faults.iter().map(|fault| fault["struck"].as_u64().unwrap()).sum()
}

#[tokio::test(start_paused = true)]
async fn what_takes_the_org_too_long_to_count_is_counted_in_ranges_of_ids() {
    let stage = Stage::new();
    let products = named(&stage, "Product2", 50).await;
    let limit = json!({"limit_counts": {"above": 10, "code": "QUERY_TIMEOUT", "message": "Your query request was running for too long."}});
    stage.order(json!({"when": {"object": "Product2"}, "times": 0, "do": limit})).await;
    let first = line(&stage.backup().await, "Product2");
    assert_eq!((first.rows_in_org, first.rows_held, first.state), (Some(50), 50, State::Green), "{first:?}");
    assert!(refused(&stage).await > 2);
    // What was learned saves the refusals of the next, but for the question with the newest stamp, which is asked once.
    let mut refusals = Vec::new();
    for round in 0..3 {
        stage.later(1);
        let before = refused(&stage).await;
        stage.update("Product2", &products[0], json!({"Description": format!("{round}")})).await;
        stage.delete_for_good("Product2", &products[round + 1..round + 2]).await;
        let next = line(&stage.backup().await, "Product2");
        let rows = 49 - round as u64;
        assert_eq!((next.rows_in_org, next.vanished, next.rows_held), (Some(rows), 1, rows), "{next:?}");
        assert_eq!(next.state, State::Green);
        refusals.push(refused(&stage).await - before);
    }
    assert!(refusals[0] <= 1 && refusals[1] == 0 && refusals[2] == 0, "{refusals:?}");
}

#[tokio::test(start_paused = true)]
async fn what_takes_the_org_too_long_is_read_in_ranges_of_ids_and_so_at_once_the_next_time() {
    let stage = Stage::new();
    let mut products = named(&stage, "Product2", 50).await;
    products.sort();
    too_much(&stage, "Product2", 10, "QUERY_TIMEOUT", "Your query request was running for too long.").await;
    let first = line(&stage.backup().await, "Product2");
    assert_eq!((first.route, first.rows_held, first.state), (Route::Rest, 50, State::Green), "{first:?}");
    let notices = stage.ears.notices();
    assert!(
        notices.iter().any(|notice| notice.contains("Product2") && notice.contains("ranges of Ids")),
        "{notices:?}"
    );

    // Everything changes twice: what was learned of changes the first time saves the refusals of the second.
    let mut refusals = Vec::new();
    for round in 0..2 {
        stage.later(1);
        for product in &products {
            stage.update("Product2", product, json!({"Description": format!("{round}")})).await;
        }
        let before = refused(&stage).await;
        let next = line(&stage.backup().await, "Product2");
        assert_eq!((next.changed, next.rows_held, next.state), (50, 50, State::Green), "{next:?}");
        refusals.push(refused(&stage).await - before);
    }
    assert!(refusals[0] > 3 && refusals[1] == 0, "{refusals:?}");
    // A full one finds out anew.
    let before = refused(&stage).await;
    assert_eq!(line(&stage.try_backup(true).await.unwrap(), "Product2").rows_held, 50);
    assert!(refused(&stage).await > before);
}

#[tokio::test(start_paused = true)]
async fn an_org_that_gives_no_more_than_some_rows_is_read_in_ranges_and_one_that_refuses_any_is_a_gap() {
    let stage = Stage::new();
    named(&stage, "Product2", 9).await;
    too_much(&stage, "Product2", 1, "OPERATION_TOO_LARGE", "exceeded 100000 distinct who/what's").await;
    named(&stage, "Campaign", 2).await;
    too_much(&stage, "Campaign", 0, "QUERY_TIMEOUT", "Your query request was running for too long.").await;
    let report = stage.backup().await;
    let products = line(&report, "Product2");
    assert_eq!((products.rows_held, products.state), (9, State::Green), "one by one: {products:?}");
    let campaigns = line(&report, "Campaign");
    assert_eq!((campaigns.route, campaigns.state), (Route::None, State::Yellow), "{campaigns:?}");
    assert!(campaigns.gaps[0].reason.contains("QUERY_TIMEOUT"), "{campaigns:?}");
}

#[tokio::test(start_paused = true)]
async fn a_field_that_vanishes_in_mid_backup_is_left_out_and_named() {
    let stage = Stage::new();
    let org = stage.emulator.orgs()[0].clone();
    assert!(org.add_field("Account", text_field("Colour__c")));
    let account = stage.create_one("Account", json!({"Name": "a", "Colour__c": "blue"})).await;
    // After the describes, before the rows.
    stage.network.meanwhile_after(7, "/composite", |emulator| {
        assert!(emulator.orgs()[0].drop_field("Account", "Colour__c"));
    });
    let first = line(&stage.backup().await, "Account");
    let gaps: Vec<&str> = first.gaps.iter().map(|gap| gap.what.as_str()).collect();
    assert_eq!((first.rows_held, first.state, gaps), (1, State::Yellow, vec!["field Colour__c"]), "{first:?}");
    assert!(first.gaps[0].reason.contains("INVALID_FIELD"), "{first:?}");
    let shown = record(&stage.vault().await, "Account", &account, None).await.unwrap();
    assert!(
        shown.fields.contains(&("Name".into(), Some("a".into())))
            && shown.fields.iter().all(|(name, _)| name != "Colour__c")
    );
}

/// A query of 340 fields goes to the Bulk API, which refuses it, and then in parts.
async fn wide() -> (Stage, Vec<String>, &'static str) {
    let stage = Stage::new();
    let org = stage.emulator.orgs()[0].clone();
    for number in 0..340 {
        assert!(org.add_field("Account", text_field(&format!("A_field_with_a_name_of_forty_chars_{number:03}_c__c"))));
    }
    let last = "A_field_with_a_name_of_forty_chars_339_c__c";
    let rows: Vec<Value> = (0..3).map(|n| json!({"Name": format!("{n}"), last: format!("{n}")})).collect();
    let accounts = stage.create("Account", &rows).await;
    (stage, accounts, last)
}

#[tokio::test(start_paused = true)]
async fn a_query_too_long_for_a_url_that_bulk_refuses_is_asked_in_parts() {
    let (stage, accounts, last) = wide().await;
    let refuse = json!({"refuse": {"status": 400, "code": "INVALIDENTITY", "message": "Entity 'Account' is not supported by the Bulk API."}});
    let when = json!({"object": "Account", "path": "*/jobs/query", "method": "POST"});
    stage.order(json!({"when": when, "times": 0, "do": refuse})).await;
    // One record changes when the first part has been read.
    let changing = accounts[1].clone();
    let reads = move |emulator: &orgkeep_emulator::Emulator| {
        let text = |text: &str| orgkeep_emulator::record::Input::Text(text.to_owned());
        let org = &emulator.orgs()[0];
        emulator.clock().advance(std::time::Duration::from_secs(60));
        org.update(&changing, vec![("Name".into(), text("new")), (last.to_owned(), text("new"))]).unwrap();
    };
    stage.network.meanwhile_after(1, "ORDER+BY+Id", reads);
    let first = line(&stage.backup().await, "Account");
    assert_eq!((first.route, first.rows_held, first.state), (Route::Rest, 3, State::Green), "{first:?}");
    for (account, value) in accounts.iter().zip(["0", "new", "2"]) {
        let shown = record(&stage.vault().await, "Account", account, None).await.unwrap();
        for field in ["Name", last] {
            assert!(shown.fields.contains(&(field.into(), Some(value.into()))), "{field} of {account}");
        }
    }
    // The next one does not ask for a job any more.
    let before = refused(&stage).await;
    stage.later(1);
    stage.update("Account", &accounts[0], json!({last: "later"})).await;
    let second = line(&stage.backup().await, "Account");
    assert_eq!((second.changed, second.state, refused(&stage).await - before), (1, State::Green, 0), "{second:?}");
}

#[tokio::test(start_paused = true)]
async fn a_bulk_job_that_fails_or_loses_its_results_is_followed_by_rest() {
    let (stage, accounts, last) = wide().await;
    let fail = json!({"fail_job": {"message": "InternalServerError : Retried more than fifteen times"}});
    stage.order(json!({"when": {"object": "Account"}, "do": fail})).await;
    let first = line(&stage.backup().await, "Account");
    assert_eq!((first.route, first.rows_held, first.state), (Route::Rest, 3, State::Green), "{first:?}");
    for (code, status) in [("NOT_FOUND", 404), ("UNKNOWN_EXCEPTION", 500)] {
        stage.later(1);
        stage.update("Account", &accounts[0], json!({last: code})).await;
        let refuse = json!({"refuse": {"status": status, "code": code, "message": "The results are gone"}});
        stage.order(json!({"when": {"path": "*/results"}, "times": 0, "do": refuse})).await;
        let next = line(&stage.try_backup(true).await.unwrap(), "Account");
        assert_eq!((next.route, next.changed, next.state), (Route::Rest, 1, State::Green), "{next:?}");
    }
    assert_eq!(history(&stage.vault().await, "Account", &accounts[0]).await.unwrap().len(), 3);
}
