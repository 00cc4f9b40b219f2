// SPDX-License-Identifier: Apache-2.0
//! What happens to records as time goes (`salesforce-api.md` 6.7, 6.9, 6.10): the recycle bin forgets, activities are
//! archived, transactions commit late, rows are locked.

use std::time::Duration;

use crate::desk::{Desk, START_MS, text};
use orgkeep_emulator::record::Fields;
use orgkeep_emulator::soql;
use orgkeep_emulator::value::Value;

const DAY: u64 = 86_400;

fn name(name: &str) -> Fields {
    vec![("Name".to_owned(), text(name))]
}

/// How many rows a query finds.
fn found(desk: &Desk, statement: &str, all: bool) -> u64 {
    desk.org.read(|tx| {
        let options = soql::Options { all, bulk: false, tooling: false, now: tx.now };
        let prepared = soql::prepare(&tx.schema, &desk.caller, statement, options).expect("a statement");
        prepared.total(tx).expect("counted")
    })
}

#[test]
fn the_recycle_bin_forgets_after_fifteen_days() {
    let desk = Desk::new();
    let early = desk.make("Account", &[("Name", "Early")]);
    let contact = desk.make("Contact", &[("LastName", "L"), ("AccountId", &early)]);
    let late = desk.make("Account", &[("Name", "Late")]);
    desk.delete(&early).expect("deleted");
    desk.later(DAY);
    desk.delete(&late).expect("deleted");
    desk.later(14 * DAY - 1);
    assert_eq!(found(&desk, "SELECT Id FROM Account WHERE IsDeleted = true", true), 2);
    desk.later(1);
    assert_eq!(found(&desk, "SELECT Id FROM Account WHERE IsDeleted = true", true), 1);
    assert_eq!(desk.find(&contact, "Id"), None, "what its delete took along");
    let error = desk.undelete(&early).expect_err("forgotten");
    assert_eq!(error.code, "INVALID_CROSS_REFERENCE_KEY");
    desk.undelete(&late).expect("a day younger");
    desk.later(2 * DAY);
    assert!(!desk.is_deleted(&late));
}

#[test]
fn a_full_recycle_bin_forgets_the_oldest_but_nothing_young() {
    let desk = Desk::new();
    desk.org.set_recycle_bin_capacity(3);
    let ids: Vec<String> = (0..5).map(|n| desk.make("Account", &[("Name", &n.to_string())])).collect();
    for id in &ids {
        desk.delete(id).expect("deleted");
        desk.later(60);
    }
    desk.later(3_600);
    assert_eq!(found(&desk, "SELECT Id FROM Account WHERE IsDeleted = true", true), 5, "younger than two hours");
    desk.later(2 * 3_600);
    assert_eq!(found(&desk, "SELECT Id FROM Account WHERE IsDeleted = true", true), 3);
    assert_eq!(desk.find(&ids[1], "Id"), None);
    assert!(desk.is_deleted(&ids[2]));
}

#[test]
fn who_deleted_what_is_told_while_it_is_in_the_bin() {
    // 2.7, 6.7 DeleteEvent
    let desk = Desk::new();
    let account = desk.make("Account", &[("Name", "Acme")]);
    let contact = desk.make("Contact", &[("LastName", "Lee"), ("AccountId", &account)]);
    desk.delete(&account).expect("deleted");
    let events = desk.org.rows("DeleteEvent");
    let about = |id: &str| events.iter().find(|event| event["Record"] == id).expect("an event").clone();
    let event = about(&account);
    assert_eq!(event["DeletedById"], desk.caller.user_id);
    assert_eq!(event["RecordName"], "Acme");
    assert_eq!(event["SobjectName"], "Account");
    assert_eq!(event["DeletedDate"], "2024-05-06T07:08:09.000+0000");
    assert_eq!(about(&contact)["RecordName"], "Lee");
    assert_eq!(found(&desk, "SELECT Id FROM DeleteEvent WHERE SobjectName = 'Contact'", false), 1);
    desk.undelete(&account).expect("back");
    assert_eq!(desk.count("DeleteEvent"), 0);
    let (code, ..) = desk.refused("DeleteEvent", &[]);
    assert_eq!(code, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY");
}

#[test]
fn old_activities_are_archived_at_night_and_seen_by_query_all_only() {
    // 6.9
    let desk = Desk::new();
    let old = desk.make("Task", &[("Subject", "Old"), ("Status", "Completed"), ("ActivityDate", "2023-05-01")]);
    let open = desk.make("Task", &[("Subject", "Open"), ("ActivityDate", "2023-05-01")]);
    let recent = desk.make("Task", &[("Subject", "New"), ("Status", "Completed"), ("ActivityDate", "2024-05-01")]);
    let event =
        desk.make("Event", &[("Subject", "E"), ("StartDateTime", "2023-01-01T10:00:00Z"), ("DurationInMinutes", "30")]);
    let stamp = desk.get(&old, "SystemModstamp");
    assert_eq!(found(&desk, "SELECT Id FROM Task", false), 3);
    desk.later(DAY);
    assert_eq!(found(&desk, "SELECT Id FROM Task", false), 2);
    assert_eq!(found(&desk, "SELECT Id FROM Task", true), 3);
    assert_eq!(found(&desk, "SELECT Id FROM Event", false), 0);
    assert_eq!(found(&desk, "SELECT Id FROM Task WHERE IsArchived = true", true), 1);
    assert!(desk.get(&old, "IsArchived").is_true() && desk.get(&event, "IsArchived").is_true());
    assert!(!desk.get(&open, "IsArchived").is_true() && !desk.get(&recent, "IsArchived").is_true());
    assert_eq!(desk.get(&old, "SystemModstamp"), stamp);
}

#[test]
fn a_late_commit_shows_rows_with_stamps_and_ids_of_before() {
    // 6.10: commit time is not stamp time
    let desk = Desk::new();
    let known = desk.make("Account", &[("Name", "Known")]);
    let mut late = desk.org.begin_late_commit();
    let id = late.insert("Account", name("Late")).expect("rehearsed");
    let child = vec![("LastName".to_owned(), text("L")), ("AccountId".to_owned(), text(&id))];
    let contact = late.insert("Contact", child).expect("it sees its own rows");
    late.update(&known, name("Changed")).expect("rehearsed");
    desk.later(900);
    let between = desk.make("Account", &[("Name", "Between")]);
    assert!(between > id, "the Id was given before");
    assert_eq!(desk.find(&id, "Id"), None, "nobody sees it yet");
    assert_eq!(desk.get(&known, "Name"), Value::from("Known"));
    let error = desk.update("Account", &known, &[("Site", "S")]).expect_err("the other transaction holds it");
    assert_eq!(error.code, "UNABLE_TO_LOCK_ROW");
    assert_eq!(error.message, format!("unable to obtain exclusive access to this record or 1 records: {known}"));
    late.commit().expect("committed");
    let stamp = Value::Int(START_MS / 1000 * 1000);
    for id in [&id, &contact, &known] {
        assert_eq!(desk.get(id, "SystemModstamp"), stamp, "{id}");
    }
    assert_eq!(desk.get(&between, "SystemModstamp"), Value::Int(START_MS / 1000 * 1000 + 900_000));
    assert_eq!(desk.get(&contact, "AccountId"), Value::from(id.as_str()));
    let next = desk.make("Account", &[("Name", "Next")]);
    assert!(next > between, "no Id is given twice");
    desk.update("Account", &known, &[("Site", "S")]).expect("free again");
}

#[test]
fn a_late_commit_that_is_dropped_never_happened() {
    let desk = Desk::new();
    let known = desk.make("Account", &[("Name", "Known")]);
    let mut late = desk.org.begin_late_commit();
    late.delete(&known).expect("rehearsed");
    assert!(late.insert("Account", Vec::new()).is_err(), "a name is required");
    drop(late);
    desk.update("Account", &known, &[("Name", "Free")]).expect("not locked");
    assert_eq!(desk.count("Account"), 1);
}

#[test]
fn late_commits_by_seed_come_by_themselves() {
    let desk = Desk::new();
    let ids = desk.org.late_commits(7, 5, Duration::from_secs(600)).expect("rehearsed");
    assert_eq!(desk.count("Account"), 0);
    let mut seen = vec![0];
    for _ in 0..60 {
        desk.later(10);
        seen.push(desk.count("Account"));
    }
    assert_eq!(seen.last(), Some(&5));
    assert!(seen.is_sorted() && seen.iter().any(|count| (1..5).contains(count)), "not all at once: {seen:?}");
    let rows = desk.org.rows("Account");
    assert!(rows.iter().all(|row| row["SystemModstamp"] == "2024-05-06T07:08:09.000+0000"), "{rows:?}");
    assert!(ids.iter().all(|id| rows.iter().any(|row| row["Id"] == id.as_str())));
    assert_eq!(Desk::new().org.late_commits(7, 5, Duration::from_secs(600)).expect("the same again"), ids);
}

#[test]
fn a_locked_row_refuses_writes_also_those_of_its_details() {
    // 6.6 UNABLE_TO_LOCK_ROW
    let desk = Desk::new();
    let project = desk.make("Project__c", &[("Name", "P")]);
    desk.org.lock_row(&project);
    let (code, ..) = desk.refused("Project_Task__c", &[("Project__c", &project), ("Title__c", "T")]);
    assert_eq!(code, "UNABLE_TO_LOCK_ROW");
    assert_eq!(desk.delete(&project).expect_err("locked").code, "UNABLE_TO_LOCK_ROW");
    assert!(desk.org.unlock_row(&project) && !desk.org.unlock_row(&project));
    desk.make("Project_Task__c", &[("Project__c", &project), ("Title__c", "T")]);
}
