// SPDX-License-Identifier: Apache-2.0
//! Delete, recycle bin, undelete (`salesforce-api.md` 6.7).

use crate::desk::{Desk, START_MS};
use orgkeep_emulator::value::Value;

#[test]
fn an_account_takes_its_tree_along_and_brings_it_back() {
    let desk = Desk::new();
    let account = desk.make("Account", &[("Name", "A")]);
    let contact = desk.make("Contact", &[("LastName", "L"), ("AccountId", &account)]);
    let earlier = desk.make("Contact", &[("LastName", "E"), ("AccountId", &account)]);
    let deal = desk.make(
        "Opportunity",
        &[("Name", "D"), ("StageName", "Prospecting"), ("CloseDate", "2024-01-01"), ("AccountId", &account)],
    );
    let task = desk.make("Task", &[("Subject", "T"), ("WhatId", &deal)]);
    let note = desk.make("Note", &[("Title", "N"), ("ParentId", &contact)]);
    desk.delete(&earlier).expect("deleted before");
    desk.later(10);
    desk.delete(&account).expect("deleted");
    for id in [&account, &contact, &deal, &task, &note] {
        assert!(desk.is_deleted(id), "{id}");
        assert_eq!(desk.get(id, "SystemModstamp"), Value::Int(START_MS / 1000 * 1000 + 10_000));
    }
    let error = desk.undelete(&contact).expect_err("its account is in the bin");
    assert_eq!((error.code.as_str(), error.message.as_str()), ("UNDELETE_FAILED", "must undelete parent"));
    desk.undelete(&account).expect("back");
    for id in [&account, &contact, &deal, &task, &note] {
        assert!(!desk.is_deleted(id), "{id}");
    }
    assert!(desk.is_deleted(&earlier), "deleted by itself earlier");
    assert_eq!(desk.get(&contact, "AccountId"), Value::Text(account.clone()));
    let error = desk.undelete(&account).expect_err("not in the bin");
    assert_eq!(error.message, "Entity is not in the recycle bin");
}

#[test]
fn restricting_children_keep_their_parent() {
    // 6.6 DELETE_FAILED
    let desk = Desk::new();
    let account = desk.make("Account", &[("Name", "Acme")]);
    let contact = desk.make("Contact", &[("LastName", "L"), ("AccountId", &account)]);
    desk.make("Case", &[("Subject", "S"), ("AccountId", &account)]);
    let error = desk.delete(&account).expect_err("a case hangs on it");
    assert_eq!(error.code, "DELETE_FAILED");
    assert_eq!(
        error.message,
        "Your attempt to delete Acme could not be completed because it is associated with the following cases.: 00000001"
    );
    assert!(!desk.is_deleted(&contact), "nothing was deleted");
}

#[test]
fn other_lookups_are_emptied_and_put_back_unless_somebody_set_them() {
    let desk = Desk::new();
    let manager = desk.make("Contact", &[("LastName", "Boss")]);
    let one = desk.make("Contact", &[("LastName", "One"), ("ReportsToId", &manager)]);
    let two = desk.make("Contact", &[("LastName", "Two"), ("ReportsToId", &manager)]);
    let project = desk.make("Project__c", &[("Sponsor__c", &manager)]);
    desk.delete(&manager).expect("deleted");
    for (id, field) in [(&one, "ReportsToId"), (&two, "ReportsToId"), (&project, "Sponsor__c")] {
        assert_eq!(desk.get(id, field), Value::Null);
    }
    desk.update("Contact", &two, &[("ReportsToId", &one)]).expect("somebody else now");
    desk.undelete(&manager).expect("back");
    assert_eq!(desk.get(&one, "ReportsToId"), Value::Text(manager.clone()));
    assert_eq!(desk.get(&two, "ReportsToId"), Value::Text(one.clone()));
    assert_eq!(desk.get(&project, "Sponsor__c"), Value::Text(manager));
}

#[test]
fn objects_without_a_recycle_bin_are_gone_at_once_but_fall_and_rise_with_their_parent() {
    let desk = Desk::new();
    let campaign = desk.make("Campaign", &[("Name", "Fair")]);
    let lead = desk.make("Lead", &[("LastName", "L"), ("Company", "C")]);
    let member = desk.make("CampaignMember", &[("CampaignId", &campaign), ("LeadId", &lead)]);
    desk.delete(&campaign).expect("deleted");
    assert!(desk.is_deleted(&member));
    desk.undelete(&campaign).expect("back");
    assert!(!desk.is_deleted(&member));
    desk.delete(&member).expect("deleted");
    assert_eq!(desk.find(&member, "Id"), None);
}

#[test]
fn an_emptied_bin_gives_nothing_back() {
    let desk = Desk::new();
    let account = desk.make("Account", &[("Name", "A")]);
    let contact = desk.make("Contact", &[("LastName", "L"), ("AccountId", &account)]);
    assert_eq!(desk.empty(&account).expect_err("not in the bin").message, "Entity is not in the recycle bin");
    desk.delete(&account).expect("deleted");
    desk.empty(&account).expect("emptied");
    assert_eq!((desk.find(&account, "Id"), desk.find(&contact, "Id")), (None, None));
    assert_eq!(desk.undelete(&account).expect_err("gone").code, "INVALID_CROSS_REFERENCE_KEY");
}

#[test]
fn a_hard_delete_removes_the_tree_and_also_what_is_in_the_bin() {
    let desk = Desk::new();
    let account = desk.make("Account", &[("Name", "A")]);
    let contact = desk.make("Contact", &[("LastName", "L"), ("AccountId", &account)]);
    desk.hard_delete(&account).expect("gone");
    assert_eq!((desk.find(&account, "Id"), desk.find(&contact, "Id")), (None, None));
    let other = desk.make("Account", &[("Name", "B")]);
    desk.delete(&other).expect("in the bin");
    desk.hard_delete(&other).expect("gone");
    assert_eq!(desk.find(&other, "Id"), None);
}

#[test]
fn deleting_twice_and_deleting_nothing() {
    // 2.7
    let desk = Desk::new();
    let account = desk.make("Account", &[("Name", "A")]);
    desk.delete(&account).expect("deleted");
    assert_eq!(desk.delete(&account).expect_err("again").code, "ENTITY_IS_DELETED");
    assert_eq!(desk.update("Account", &account, &[("Name", "B")]).expect_err("in the bin").code, "ENTITY_IS_DELETED");
    let never = orgkeep_emulator::id::make("001", 4_000);
    assert_eq!(desk.delete(&never).expect_err("never was").code, "INVALID_CROSS_REFERENCE_KEY");
    assert_eq!(desk.delete("001").expect_err("no id").code, "MALFORMED_ID");
}

#[test]
fn a_unique_value_taken_meanwhile_stops_the_undelete() {
    let desk = Desk::new();
    let first = desk.make("Project__c", &[("External_Key__c", "K")]);
    desk.delete(&first).expect("deleted");
    desk.make("Project__c", &[("External_Key__c", "K")]);
    assert_eq!(desk.undelete(&first).expect_err("taken").code, "DUPLICATE_VALUE");
    assert!(desk.is_deleted(&first));
}

#[test]
fn a_junction_falls_with_either_master_and_a_cycle_of_lookups_with_neither() {
    let desk = Desk::new();
    let project = desk.make("Project__c", &[("Name", "P")]);
    let skill = desk.make("Skill__c", &[("Name", "S"), ("Code__c", "s")]);
    let link = desk.make("Project_Skill__c", &[("Project__c", &project), ("Skill__c", &skill)]);
    let invoice = desk.make("Invoice__c", &[("Project__c", &project)]);
    desk.update("Project__c", &project, &[("Current_Invoice__c", &invoice)]).expect("a cycle of two objects");
    desk.delete(&skill).expect("deleted");
    assert!(desk.is_deleted(&link));
    desk.undelete(&skill).expect("back");
    desk.delete(&project).expect("deleted");
    assert!(desk.is_deleted(&link) && !desk.is_deleted(&invoice));
    assert_eq!(desk.get(&invoice, "Project__c"), Value::Null);
    desk.undelete(&project).expect("back");
    assert_eq!(desk.get(&invoice, "Project__c"), Value::Text(project));
}

#[test]
fn nothing_comes_back_that_points_at_what_is_gone_for_good() {
    // 6.7: a hard delete leaves nothing to point at, so what waits in the bin must not either.
    let desk = Desk::new();
    let account = desk.make("Account", &[("Name", "A")]);
    let contact = desk.make("Contact", &[("LastName", "L")]);
    let campaign = desk.make("Campaign", &[("Name", "C")]);
    let deal = [
        ("Name", "D"),
        ("StageName", "Prospecting"),
        ("CloseDate", "2024-01-01"),
        ("AccountId", &account),
        ("CampaignId", &campaign),
    ];
    let deal = desk.make("Opportunity", &deal);
    let task = desk.make("Task", &[("Subject", "T"), ("WhatId", &account), ("WhoId", &contact)]);
    desk.delete(&account).expect("deleted");
    assert!(desk.is_deleted(&deal) && desk.is_deleted(&task));
    for id in [&contact, &campaign] {
        desk.delete(id).expect("deleted");
        desk.empty(id).expect("emptied");
    }
    desk.undelete(&account).expect("back");
    assert!(!desk.is_deleted(&deal));
    assert_eq!(desk.get(&deal, "AccountId"), Value::Text(account));
    assert_eq!(desk.get(&deal, "CampaignId"), Value::Null, "a lookup is emptied");
    assert_eq!(desk.find(&task, "Id"), None, "tasks fall with their contact, as describe says, so they go with it too");
}
