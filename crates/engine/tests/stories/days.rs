// SPDX-License-Identifier: Apache-2.0
//! Bad days: schemas that change, allowances that run out, sessions that end, orgs that lack what is needed.

use crate::stage::{Fault, Stage, records};
use orgkeep_emulator::Settings;
use orgkeep_emulator::schema::{Field, FieldType};
use orgkeep_engine::{BackupReport, Event, Kind, PlanOptions, Route, Selection, State, history, record};
use orgkeep_salesforce::{AtTheReserve, Options, Share, Writer};
use serde_json::json;
use std::time::Duration;

fn text_field(name: &str) -> Field {
    Field {
        custom: true,
        createable: true,
        updateable: true,
        nillable: true,
        ..Field::usual(name, name, FieldType::String, 80)
    }
}

#[tokio::test(start_paused = true)]
async fn a_field_that_appears_vanishes_or_changes_its_type_fails_no_backup() {
    let stage = Stage::new();
    let account = stage.create_one("Account", json!({"Name": "a", "Phone": "1"})).await;
    stage.backup().await;
    stage.later(1);

    let org = stage.emulator.orgs()[0].clone();
    assert!(org.add_field("Account", text_field("Colour__c")));
    stage.update("Account", &account, json!({"Colour__c": "blue"})).await;
    let second = stage.backup().await;
    let line = second.objects.iter().find(|line| line.object == "Account").unwrap();
    assert_eq!((line.changed, line.state), (1, State::Green));

    stage.later(1);
    let number = Field { precision: 18, scale: 2, ..text_field("Colour__c") };
    assert!(org.add_field("Account", Field { kind: FieldType::Double, length: 0, ..number }));
    stage.update("Account", &account, json!({"Colour__c": 12.5})).await;
    stage.backup().await;

    stage.later(1);
    assert!(org.drop_field("Account", "Colour__c"));
    stage.update("Account", &account, json!({"Phone": "2"})).await;
    let line = stage.backup().await.objects.into_iter().find(|line| line.object == "Account").unwrap();
    let gaps: Vec<&str> = line.gaps.iter().map(|gap| gap.what.as_str()).collect();
    assert_eq!((line.state, gaps), (State::Yellow, vec!["field Colour__c"]), "what was there and is not shown is said");
    let line = stage.backup().await.objects.into_iter().find(|line| line.object == "Account").unwrap();
    assert_eq!((line.state, line.gaps.len()), (State::Green, 0), "and said once");

    let vault = stage.vault().await;
    for (at, colour) in [(2, "blue"), (3, "12.5")] {
        let shown = record(&vault, "Account", &account, Some(at)).await.unwrap();
        assert!(shown.fields.contains(&("Colour__c".into(), Some(colour.into()))), "{at}: {:?}", shown.fields);
    }
    assert_eq!(history(&vault, "Account", &account).await.unwrap().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_field_of_another_form_is_read_anew_in_every_row() {
    let stage = Stage::new();
    let org = stage.emulator.orgs()[0].clone();
    assert!(org.add_field("Account", text_field("Colour__c")));
    stage.create("Account", &[json!({"Name": "a", "Colour__c": "red"}), json!({"Name": "b"})]).await;
    stage.later(1);
    stage.backup().await;
    stage.later(1);
    // The stamps of the rows do not move.
    assert!(org.add_field("Account", Field { length: 40, ..text_field("Colour__c") }));
    stage.ears.0.lock().unwrap().clear();
    stage.backup().await;
    let events = stage.ears.0.lock().unwrap();
    let read = events.iter().find_map(|event| match event {
        Event::ObjectFinished { object, rows_read, .. } if object == "Account" => Some(*rows_read),
        _ => None,
    });
    assert_eq!(read, Some(2));
}

#[tokio::test(start_paused = true)]
async fn an_object_of_more_fields_than_a_url_holds_is_read_all_the_same() {
    let stage = Stage::new();
    let org = stage.emulator.orgs()[0].clone();
    for number in 0..340 {
        assert!(org.add_field("Account", text_field(&format!("A_field_with_a_name_of_forty_chars_{number:03}_c__c"))));
    }
    let last = "A_field_with_a_name_of_forty_chars_339_c__c";
    let rows = [json!({"Name": "a", last: "1"}), json!({"Name": "b", last: "2"}), json!({"Name": "c", last: "3"})];
    let accounts = stage.create("Account", &rows).await;
    let line = |report: BackupReport| report.objects.into_iter().find(|line| line.object == "Account").unwrap();
    let first = line(stage.backup().await);
    assert_eq!((first.rows_held, first.state), (3, State::Green), "{first:?}");
    stage.later(1);
    stage.update("Account", &accounts[0], json!({last: "one"})).await;
    stage.delete_for_good("Account", &accounts[2..]).await;
    let second = line(stage.backup().await);
    assert_eq!(
        (second.changed, second.vanished, second.rows_held, second.state),
        (1, 1, 2, State::Green),
        "{second:?}"
    );
    let shown = record(&stage.vault().await, "Account", &accounts[0], None).await.unwrap();
    assert!(shown.fields.contains(&(last.into(), Some("one".into()))));
}

#[tokio::test(start_paused = true)]
async fn an_org_that_answers_no_five_questions_at_once_is_asked_one_by_one() {
    let stage = Stage::new();
    stage.create("Account", &[json!({"Name": "a"})]).await;
    stage.backup().await;
    stage.later(1);
    stage.create("Account", &[json!({"Name": "b"})]).await;
    let composite = json!({"family": "composite", "path": "*/composite"});
    let refuse = json!({"refuse": {"status": 503, "code": "SERVER_UNAVAILABLE", "message": "too busy"}});
    // The first ones ask for describes.
    stage.order(json!({"when": composite, "nth": 9, "times": 0, "do": refuse})).await;
    let report = stage.backup().await;
    let line = report.objects.iter().find(|line| line.object == "Account").unwrap();
    assert_eq!((line.added, line.rows_held, line.state), (1, 2, State::Green), "{line:?}");
    let route = |route| report.objects.iter().filter(|line| line.route == route).count();
    assert!(route(Route::Rest) > 4, "objects were read by themselves");
    assert!(stage.network.log().iter().any(|request| request.ends_with("/queryAll")), "{:?}", stage.network.log());
}

/// An org with a backup, then a lead, of which the next backup meets this fault; and the requests that it made.
async fn interrupted(fault: Fault) -> (Stage, Vec<String>, usize) {
    let stage = Stage::new();
    stage.create("Account", &[json!({"Name": "a"})]).await;
    stage.backup().await;
    stage.later(1);
    let leads = stage.create("Lead", &[json!({"LastName": "Doe", "Company": "a"})]).await;
    stage.network.set(fault);
    assert_eq!(stage.try_backup(false).await.is_ok(), fault == Fault::None);
    let requests = stage.network.log().len();
    (stage, leads, requests)
}

#[tokio::test(start_paused = true)]
async fn what_an_interrupted_backup_read_is_held_against_the_org_also_when_a_full_one_continues_it() {
    let (_, _, requests) = interrupted(Fault::None).await;
    // Rows are read before the org counts.
    let (stage, leads, _) = interrupted(Fault::Down(requests - 1)).await;
    stage.network.set(Fault::None);
    stage.delete_for_good("Lead", &leads).await;
    let report = stage.try_backup(true).await.unwrap();
    let line = report.objects.iter().find(|line| line.object == "Lead").unwrap();
    assert_eq!((line.rows_held, line.state), (0, State::Green), "{line:?}");
    assert!(record(&stage.vault().await, "Lead", &leads[0], None).await.unwrap().deleted);
}

#[tokio::test(start_paused = true)]
async fn an_object_that_cannot_be_described_is_a_gap_and_no_failure() {
    let stage = Stage::new();
    stage.create("Account", &[json!({"Name": "a"})]).await;
    stage.backup().await;
    stage.later(25);
    stage.network.refuse("/sobjects/Account/describe");
    let report = stage.backup().await;
    let line = report.objects.iter().find(|line| line.object == "Account").unwrap();
    assert_eq!((line.rows_held, line.route, line.state), (1, Route::None, State::Yellow), "{line:?}");
    assert!(line.gaps[0].reason.contains("UNKNOWN_EXCEPTION"), "{line:?}");
}

#[tokio::test(start_paused = true)]
async fn links_of_files_are_not_taken_for_whole_where_the_files_could_not_be_read() {
    let stage = Stage::new();
    let file = json!({"Title": "t", "PathOnClient": "t.txt", "VersionData": "aGVsbG8="});
    stage.create_one("ContentVersion", file).await;
    // With this permission the org gives the links without a filter.
    let credentials = stage.emulator.credentials(0);
    stage.emulator.orgs()[0].set_permission(&credentials.user_id, "QueryAllFiles", false);
    stage.network.refuse("+FROM+ContentDocument");
    let report = stage.backup().await;
    for object in ["ContentDocument", "ContentDocumentLink"] {
        let line = report.objects.iter().find(|line| line.object == object).unwrap();
        assert_eq!((line.route, line.state), (Route::None, State::Yellow), "{line:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_backup_without_allowance_stops_and_the_next_one_continues() {
    let stage = Stage::new();
    stage.create("Account", &[json!({"Name": "a"}), json!({"Name": "b"})]).await;
    let org = stage.emulator.orgs()[0].clone();
    let (used, _) = org.daily_usage();
    org.set_daily_limit(used, used + 50);
    let error = stage.try_backup(false).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Limited, "{error}");
    org.set_daily_limit(0, 1_000_000);
    let report = stage.backup().await;
    assert_eq!(report.line.sequence, 1);
    assert_eq!(report.objects.iter().find(|line| line.object == "Account").unwrap().rows_held, 2);
}

#[tokio::test(start_paused = true)]
async fn what_a_killed_backup_has_read_is_not_read_again() {
    let stage = Stage::new();
    let body =
        |n: usize| json!({"Title": format!("{n}"), "PathOnClient": "a.txt", "VersionData": format!("Zmlyc3Q{n}")});
    stage.create("ContentVersion", &(0..9).map(body).collect::<Vec<_>>()).await;
    stage.network.set(Fault::None);
    let whole = stage.backup().await;
    let log = stage.network.log();
    let files = |log: &[String]| log.iter().filter(|request| request.ends_with("/VersionData")).count();
    assert_eq!(files(&log), usize::try_from(whole.line.files).unwrap());

    // The same org, a fresh vault, and the plug pulled some requests after the last file.
    let last_file = log.iter().rposition(|request| request.ends_with("/VersionData")).unwrap();
    let again = Stage::around(stage.emulator.clone());
    again.network.set(Fault::Down(last_file + 2));
    again.try_backup(false).await.unwrap_err();
    again.network.set(Fault::None);
    // The lease of the killed process runs out.
    again.later(1);
    let continued = again.backup().await;
    assert_eq!(continued.line.rows, whole.line.rows);
    assert_eq!(files(&again.network.log()), 0, "files that were read are not read again");
    let queries = |log: &[String]| log.iter().filter(|request| request.ends_with("/queryAll")).count();
    assert!(queries(&again.network.log()) < queries(&log), "nor are objects that were read");
}

#[tokio::test(start_paused = true)]
async fn a_target_that_lacks_a_field_is_refused_until_told_to_go_without() {
    let stage = Stage::with(Settings { orgs: 2, ..Settings::default() });
    assert!(stage.emulator.orgs()[0].add_field("Account", text_field("Colour__c")));
    let account = stage.create_one("Account", json!({"Name": "a", "Colour__c": "blue"})).await;
    stage.backup().await;
    let plan = stage.try_plan(1, 1, records("Account", &[account]), false).await.unwrap();
    assert_eq!(plan.missing[0].field.as_deref(), Some("Colour__c"));
    let error = stage.try_apply(1, &plan).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    assert!(error.to_string().contains("Account.Colour__c"), "{error}");
    assert!(stage.query_number(1, "SELECT Name FROM Account", &["Name"]).await.is_empty(), "nothing was written");
    let without = orgkeep_engine::Plan { skip_missing: true, ..plan };
    assert_eq!(stage.try_apply(1, &without).await.unwrap().created, 1);
}

#[tokio::test(start_paused = true)]
async fn a_target_that_lacks_the_object_is_told_so() {
    let stage = Stage::with(Settings { orgs: 2, ..Settings::default() });
    let account = stage.create_one("Account", json!({"Name": "a"})).await;
    let asset = stage.create_one("Asset", json!({"Name": "pump", "AccountId": account})).await;
    stage.backup().await;
    assert!(stage.emulator.orgs()[1].remove_object("Asset"));
    let plan = stage.try_plan(1, 1, records("Asset", &[asset]), false).await.unwrap();
    assert_eq!((plan.missing[0].object.as_str(), &plan.missing[0].field), ("Asset", &None));
    assert_eq!(stage.try_apply(1, &plan).await.unwrap_err().kind(), Kind::Invalid);
}

#[tokio::test(start_paused = true)]
async fn a_revoked_session_is_said_to_be_one() {
    let stage = Stage::new();
    let org = stage.org().await;
    let client_id = stage.emulator.credentials(0).client_id;
    stage.emulator.orgs()[0].expire_sessions();
    stage.emulator.orgs()[0].change_app(&client_id, |app| app.client_secret = Some("changed since".into()));
    let vault = stage.vault().await;
    let options = orgkeep_engine::BackupOptions::default();
    let error = orgkeep_engine::backup(&org, &vault, &options, &stage.clock(), &stage.ears).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Denied, "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_owner_who_left_is_replaced_by_who_restores() {
    let stage = Stage::new();
    let sales = stage.query("SELECT Id FROM User WHERE Username LIKE 'sales%'", &["Id"]).await[0][0].clone();
    let account = stage.create_one("Account", json!({"Name": "a", "OwnerId": sales})).await;
    stage.backup().await;
    stage.later(1);
    stage.delete_for_good("Account", std::slice::from_ref(&account)).await;
    stage.update("User", &sales, json!({"IsActive": false})).await;
    let plan = stage.plan(1, records("Account", &[account]), false).await;
    let report = stage.apply(&plan).await;
    assert_eq!((report.created, report.failed), (1, 0), "{report:?}");
    let owner = stage.query("SELECT OwnerId FROM Account", &["OwnerId"]).await[0][0].clone();
    assert_eq!(owner, stage.org().await.identity().user_id);
}

#[tokio::test(start_paused = true)]
async fn many_records_go_through_bulk_jobs_and_odd_ones_around_them() {
    let stage = Stage::new();
    let account = stage.create_one("Account", json!({"Name": "Acme"})).await;
    let mut rows: Vec<_> =
        (0..2_100).map(|n| json!({"LastName": format!("c{n}"), "AccountId": account, "Description": "same"})).collect();
    rows[7]["Description"] = json!("#N/A");
    rows[8]["LastName"] = json!("  \"quoted\",\nand more ");
    let contacts = stage.create("Contact", &rows).await;
    stage.backup().await;
    stage.later(1);
    stage.delete_for_good("Contact", &contacts).await;
    stage.network.set(Fault::None);
    let options = PlanOptions {
        at: 1,
        selection: Selection::Records { object: "Contact".into(), ids: contacts },
        related: false,
        skip_missing: false,
    };
    let plan = orgkeep_engine::plan(&stage.vault().await, &stage.org().await, &options, &stage.clock(), &stage.ears)
        .await
        .unwrap();
    let writer = Writer::new(stage.org().await);
    let report = orgkeep_engine::apply(&stage.vault().await, &plan, writer, &stage.clock(), &stage.ears).await.unwrap();
    assert_eq!((report.created, report.failed), (2_100, 0));
    let jobs = stage
        .network
        .log()
        .iter()
        .filter(|request| request.starts_with("POST") && request.ends_with("/jobs/ingest"))
        .count();
    assert_eq!(jobs, 1);
    let odd = stage.query("SELECT Id FROM Contact WHERE LastName = 'c7'", &["Id"]).await;
    let soql = format!("SELECT Description FROM Contact WHERE Id = '{}'", odd[0][0]);
    assert_eq!(stage.query(&soql, &["Description"]).await, [["#N/A"]]);
    assert_eq!(stage.query("SELECT COUNT(Id) n FROM Contact", &["n"]).await, [["2100"]]);
}

#[tokio::test(start_paused = true)]
async fn at_its_share_of_the_allowance_a_backup_waits_and_goes_on_by_itself() {
    let stage = Stage::new();
    stage.create("Account", &[json!({"Name": "a"}), json!({"Name": "b"})]).await;
    let org = stage.emulator.orgs()[0].clone();
    // Others have used nearly half of it. A hundredth of the questions that are kept for asking again is left, and ten calls.
    org.set_daily_limit(15_000 / 2 - 96 - 10, 15_000);
    let options =
        Options { reserve: Share::percent(50.0).unwrap(), at_the_reserve: AtTheReserve::Wait, ..Options::default() };
    let connected = stage.connect_with(0, options).await.unwrap();
    let relief = async {
        tokio::time::sleep(Duration::from_secs(5 * 3600)).await;
        let (used, _) = org.daily_usage();
        org.set_daily_limit(0, 15_000);
        used
    };
    let (report, used) = tokio::join!(stage.backup_of(connected, false), relief);
    assert!((7_400..=7_500).contains(&used), "{used} of 7,500");
    let report = report.unwrap();
    assert_eq!(report.objects.iter().find(|line| line.object == "Account").unwrap().rows_held, 2);
    let notices = stage.ears.notices();
    assert!(notices.iter().any(|notice| notice.contains("the backup waits")), "{notices:?}");
    assert!(notices.iter().any(|notice| notice.contains("the backup goes on")), "{notices:?}");
}

#[tokio::test(start_paused = true)]
async fn an_org_that_is_away_for_an_hour_ends_the_backup_and_the_next_one_goes_on_from_there() {
    let stage = Stage::new();
    stage.create("Account", &[json!({"Name": "a"}), json!({"Name": "b"})]).await;
    let body = json!({"Title": "t", "PathOnClient": "t.txt", "VersionData": "aGVsbG8="});
    stage.create("ContentVersion", &[body]).await;
    let away = json!({"when": {}, "nth": 75, "for_seconds": 3600, "do": {"page": {"status": 503}}});
    stage.order(away).await;
    let started = tokio::time::Instant::now();
    let error = stage.try_backup(false).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unreachable, "{error}");
    assert!(error.to_string().contains("503") && error.next_step().is_some(), "{error}");
    let waited = started.elapsed();
    assert!(waited > Duration::from_secs(60) && waited < Duration::from_secs(3600), "{waited:?}");
    let read = |stage: &Stage| -> Vec<String> {
        let events = stage.ears.0.lock().unwrap();
        let read = events.iter().filter_map(|event| match event {
            Event::ObjectFinished { object, .. } => Some(object.clone()),
            _ => None,
        });
        read.collect()
    };
    let before = read(&stage);
    assert!(before.iter().any(|object| object == "Account"), "{before:?}");
    stage.ears.0.lock().unwrap().clear();
    stage.later(2);
    let report = stage.backup().await;
    let open: Vec<_> = report.objects.iter().filter(|line| line.state != State::Green).collect();
    assert!(report.line.sequence == 1 && open.is_empty(), "{open:?}");
    let after = read(&stage);
    assert!(before.iter().all(|object| !after.contains(object)), "{before:?} were read again: {after:?}");
}
