// SPDX-License-Identifier: Apache-2.0
//! What must hold after any sequence of writes: roll-ups and formulas equal a naive recomputation, and an undelete brings back
//! exactly what its delete took (`salesforce-api.md` 6.7, 6.10).

use std::collections::BTreeMap;

use crate::desk::{Desk, text};
use orgkeep_emulator::record::Input;
use proptest::prelude::*;
use serde_json::{Map, Value as Json};

/// One write to projects and their tasks. Numbers choose among what there is.
#[derive(Clone, Debug)]
enum Write {
    Project { budget: Option<u32> },
    Task { project: usize, cost: Option<u32>, day: Option<u32> },
    Cost { task: usize, cost: Option<u32> },
    Budget { project: usize, budget: Option<u32> },
    Delete { row: usize },
    HardDelete { row: usize },
    Undelete { row: usize },
}

fn write() -> impl Strategy<Value = Write> {
    let amount = || proptest::option::of(0..5_000_u32);
    prop_oneof![
        1 => amount().prop_map(|budget| Write::Project { budget }),
        4 => (0..8_usize, amount(), proptest::option::of(1..28_u32))
            .prop_map(|(project, cost, day)| Write::Task { project, cost, day }),
        3 => (0..20_usize, amount()).prop_map(|(task, cost)| Write::Cost { task, cost }),
        1 => (0..8_usize, amount()).prop_map(|(project, budget)| Write::Budget { project, budget }),
        3 => (0..30_usize).prop_map(|row| Write::Delete { row }),
        1 => (0..30_usize).prop_map(|row| Write::HardDelete { row }),
        3 => (0..30_usize).prop_map(|row| Write::Undelete { row }),
    ]
}

fn cents(amount: Option<u32>) -> Input {
    amount.map_or(Input::Null, |amount| text(&format!("{}.{:02}", amount / 100, amount % 100)))
}

/// Does a write; one that is refused changes nothing, which is part of what must hold.
fn play(desk: &Desk, write: &Write, projects: &mut Vec<String>, tasks: &mut Vec<String>) {
    let pick = |list: &[String], at: usize| (!list.is_empty()).then(|| list[at % list.len()].clone());
    let all: Vec<String> = projects.iter().chain(tasks.iter()).cloned().collect();
    match write {
        Write::Project { budget } => {
            projects.push(desk.insert("Project__c", &[("Budget__c", cents(*budget))]).unwrap());
        }
        Write::Task { project, cost, day } => {
            let Some(project) = pick(projects, *project) else { return };
            let due = day.map_or(Input::Null, |day| text(&format!("2024-06-{day:02}")));
            let fields =
                [("Project__c", text(&project)), ("Title__c", text("T")), ("Cost__c", cents(*cost)), ("Due__c", due)];
            tasks.extend(desk.insert("Project_Task__c", &fields));
        }
        Write::Cost { task, cost } => {
            let Some(task) = pick(tasks, *task) else { return };
            let value = match cents(*cost) {
                Input::Text(text) => text,
                _ => String::new(),
            };
            let _ = desk.update("Project_Task__c", &task, &[("Cost__c", &value)]);
        }
        Write::Budget { project, budget } => {
            let Some(project) = pick(projects, *project) else { return };
            let value = budget.map_or(String::new(), |budget| budget.to_string());
            let _ = desk.update("Project__c", &project, &[("Budget__c", &value)]);
        }
        Write::Delete { row } => drop(pick(&all, *row).map(|id| desk.delete(&id))),
        Write::HardDelete { row } => drop(pick(&all, *row).map(|id| desk.hard_delete(&id))),
        Write::Undelete { row } => drop(pick(&all, *row).map(|id| desk.undelete(&id))),
    }
}

fn number(row: &Map<String, Json>, field: &str) -> f64 {
    row.get(field).and_then(Json::as_f64).unwrap_or(0.0)
}

fn check_roll_ups(desk: &Desk) {
    let tasks = desk.org.rows("Project_Task__c");
    let projects = desk.org.rows("Project__c");
    for task in &tasks {
        assert!(projects.iter().any(|project| project["Id"] == task["Project__c"]), "no detail outlives its master");
    }
    for project in projects {
        let own: Vec<_> = tasks.iter().filter(|task| task["Project__c"] == project["Id"]).collect();
        let cost: f64 = own.iter().map(|task| number(task, "Cost__c")).sum();
        let due = own.iter().filter_map(|task| task.get("Due__c")?.as_str()).max();
        assert_eq!(number(&project, "Task_Count__c"), own.len() as f64);
        assert!((number(&project, "Cost__c") - cost).abs() < 0.001, "{project:?} and {own:?}");
        assert_eq!(project.get("Last_Due__c").and_then(Json::as_str), due);
        let remaining = number(&project, "Budget__c") - cost;
        assert!((number(&project, "Remaining__c") - remaining).abs() < 0.006, "{project:?}");
        let health = if cost > number(&project, "Budget__c") { "Over budget" } else { "On track" };
        assert_eq!(project["Health__c"], health, "{project:?}");
    }
}

const OBJECTS: [&str; 16] = [
    "Account",
    "AccountContactRelation",
    "AccountFeed",
    "CampaignMember",
    "Contact",
    "ContentDocumentLink",
    "Event",
    "FeedItem",
    "Note",
    "Opportunity",
    "OpportunityContactRole",
    "OpportunityLineItem",
    "Project__c",
    "Project_Skill__c",
    "Project_Task__c",
    "Task",
];

/// Every live row but for its `SystemModstamp`.
fn snapshot(desk: &Desk) -> BTreeMap<String, Map<String, Json>> {
    let rows = OBJECTS.iter().flat_map(|object| {
        desk.org.rows(object).into_iter().map(move |mut row| {
            row.remove("SystemModstamp");
            (format!("{object} {}", row["Id"]), row)
        })
    });
    rows.collect()
}

/// A small world whose shape the numbers decide.
fn plant(desk: &Desk, shape: &[u8]) -> Vec<String> {
    let mut accounts: Vec<String> = Vec::new();
    let mut contacts: Vec<String> = Vec::new();
    let mut all: Vec<String> = Vec::new();
    let campaign = desk.make("Campaign", &[("Name", "C")]);
    for (at, byte) in shape.iter().enumerate() {
        let pick = |list: &[String]| list.get(usize::from(*byte) % list.len().max(1)).cloned().unwrap_or_default();
        let (account, contact, any) = (pick(&accounts), pick(&contacts), pick(&all));
        let name = format!("N{at}");
        let id = match (at + usize::from(*byte)) % 9 {
            _ if accounts.is_empty() => desk.make("Account", &[("Name", &name)]),
            0 => desk.make("Account", &[("Name", &name), ("ParentId", &account)]),
            1 | 2 => desk.make("Contact", &[("LastName", &name), ("AccountId", &account), ("ReportsToId", &contact)]),
            3 => {
                let fields = [("Name", &*name), ("StageName", "Prospecting"), ("CloseDate", "2024-06-01")];
                let mut fields = fields.to_vec();
                fields.extend([("AccountId", account.as_str()), ("CampaignId", &campaign), ("ContactId", &contact)]);
                desk.make("Opportunity", &fields)
            }
            4 => desk.make("Task", &[("Subject", &name), ("WhatId", &account), ("WhoId", &contact)]),
            5 if !contact.is_empty() => {
                let fields = [("CampaignId", text(&campaign)), ("ContactId", text(&contact))];
                desk.insert("CampaignMember", &fields).unwrap_or_default()
            }
            6 => desk.make("Project__c", &[("Name", &name), ("Account__c", &account), ("Sponsor__c", &contact)]),
            7 => desk.make("FeedItem", &[("ParentId", &account), ("Body", &name)]),
            _ if any.starts_with("a00") => {
                desk.make("Project_Task__c", &[("Project__c", &any), ("Title__c", &name), ("Cost__c", "5")])
            }
            _ => desk.make("Note", &[("Title", &name), ("ParentId", &account)]),
        };
        if id.starts_with("001") {
            accounts.push(id.clone());
        } else if id.starts_with("003") {
            contacts.push(id.clone());
        }
        if !id.is_empty() {
            all.push(id);
        }
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn roll_ups_and_formulas_equal_a_naive_recomputation(writes in proptest::collection::vec(write(), 1..40)) {
        let desk = Desk::new();
        let (mut projects, mut tasks) = (Vec::new(), Vec::new());
        for write in &writes {
            play(&desk, write, &mut projects, &mut tasks);
            check_roll_ups(&desk);
        }
    }

    #[test]
    fn an_undelete_brings_back_exactly_what_the_delete_took(
        shape in proptest::collection::vec(any::<u8>(), 2..40),
        chosen in any::<prop::sample::Index>(),
    ) {
        let desk = Desk::new();
        let all = plant(&desk, &shape);
        let before = snapshot(&desk);
        let id = &all[chosen.index(all.len())];
        desk.later(5);
        match desk.delete(id) {
            Err(_) => prop_assert_eq!(snapshot(&desk), before, "a refused delete changes nothing"),
            Ok(()) => {
                let after = snapshot(&desk);
                prop_assert!(after.len() < before.len());
                let undeletable = desk.org.schema().by_prefix(id).is_some_and(|object| object.undeletable);
                if undeletable {
                    desk.later(5);
                    desk.undelete(id).unwrap();
                    prop_assert_eq!(snapshot(&desk), before);
                }
            }
        }
    }
}
