// SPDX-License-Identifier: Apache-2.0
//! The list of events in `docs/contract.md` is generated from one value of each.

use orgkeep_engine::{Action, Event, Gap, Mode, Route, State};

/// One of each. A new event does not compile until it is added to `number`, and the test fails until it is here too.
fn one_of_each() -> Vec<Event> {
    let object = || "Account".to_owned();
    vec![
        Event::BackupStarted { org: "00D".into(), sequence: 1, mode: Mode::Full, continued: false, objects: 1 },
        Event::ObjectStarted { object: object(), route: Route::Bulk, rows_expected: None },
        Event::ObjectProgress { object: object(), rows: 1, bytes: 1 },
        Event::ObjectFinished {
            object: object(),
            route: Route::Bulk,
            rows_read: 1,
            added: 1,
            changed: 0,
            deleted: 0,
            rows_held: 1,
            rows_in_org: None,
            gaps: vec![Gap { what: String::new(), reason: String::new() }],
        },
        Event::FileProgress { files: 1, bytes: 1 },
        Event::Allowance { calls: 1, org_used: None, org_max: None },
        Event::Notice { message: String::new(), hint: None },
        Event::BackupFinished {
            sequence: 1,
            state: State::Green,
            objects: 1,
            rows: 1,
            added: 1,
            changed: 0,
            deleted: 0,
            files: 0,
            bytes: 1,
            calls: 1,
        },
        Event::CompareProgress { object: object(), rows: 1 },
        Event::PlanProgress { object: object(), records: 1 },
        Event::RestoreStarted { restore: String::new(), steps: 1, records: 1, continued: false },
        Event::StepStarted { step: 1, steps: 1, action: Action::Create, object: object(), records: 1 },
        Event::StepProgress { step: 1, records: 1 },
        Event::StepFinished { step: 1, done: 1, failed: 0 },
        Event::RestoreFinished { restore: String::new(), undeleted: 0, created: 1, updated: 0, failed: 0 },
        Event::CheckProgress { files: 1, bytes: 1, damaged: 0 },
        Event::CopyProgress { files: 1, bytes: 1 },
    ]
}

fn number(event: &Event) -> usize {
    match event {
        Event::BackupStarted { .. } => 0,
        Event::ObjectStarted { .. } => 1,
        Event::ObjectProgress { .. } => 2,
        Event::ObjectFinished { .. } => 3,
        Event::FileProgress { .. } => 4,
        Event::Allowance { .. } => 5,
        Event::Notice { .. } => 6,
        Event::BackupFinished { .. } => 7,
        Event::CompareProgress { .. } => 8,
        Event::PlanProgress { .. } => 9,
        Event::RestoreStarted { .. } => 10,
        Event::StepStarted { .. } => 11,
        Event::StepProgress { .. } => 12,
        Event::StepFinished { .. } => 13,
        Event::RestoreFinished { .. } => 14,
        Event::CheckProgress { .. } => 15,
        Event::CopyProgress { .. } => 16,
    }
}

#[test]
fn the_contract_lists_every_event_with_its_fields() {
    let mut rows = String::new();
    for (place, event) in one_of_each().iter().enumerate() {
        assert_eq!(number(event), place);
        let line = serde_json::to_value(event).unwrap();
        let fields = line.as_object().unwrap();
        let names: Vec<String> = fields.keys().filter(|key| *key != "type").map(|key| format!("`{key}`")).collect();
        rows.push_str(&format!("| `{}` | {} |\n", fields["type"].as_str().unwrap(), names.join(", ")));
    }
    let contract = include_str!("../../../../docs/contract.md");
    assert!(contract.contains(&rows), "docs/contract.md must hold these rows, in this order:\n\n{rows}");
}
