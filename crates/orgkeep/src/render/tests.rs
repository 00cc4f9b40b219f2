// SPDX-License-Identifier: Apache-2.0

use crate::table::Shape;
use chrono::{DateTime, Utc};
use orgkeep_engine::*;
use std::collections::BTreeMap;

fn time(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn line(object: &str, added: u64, changed: u64) -> ObjectLine {
    ObjectLine {
        object: object.into(),
        route: Route::Bulk,
        state: State::Green,
        rows_in_org: Some(3_000),
        rows_held: 3_000,
        added,
        changed,
        deleted: 0,
        vanished: 0,
        erased: 0,
        rows_unseen: 0,
        files_left: 0,
        file_bytes_left: 0,
        gaps: Vec::new(),
    }
}

fn report(state: State) -> BackupReport {
    let mut vote = line("Vote", 0, 0);
    vote.route = Route::None;
    vote.state = State::Yellow;
    vote.gaps = vec![Gap { what: "all rows".into(), reason: "the org demands a filter".into() }];
    let mut lead = line("Lead", 0, 0);
    lead.state = state;
    lead.rows_in_org = Some(3_001);
    BackupReport {
        line: BackupLine {
            sequence: 2,
            mode: Mode::Incremental,
            state,
            started: time("2026-11-22T02:00:00Z"),
            finished: time("2026-11-22T02:01:05Z"),
            objects: 4,
            rows: 25_013,
            added: 12,
            changed: 2_000,
            deleted: 0,
            files: 203,
            bytes: 5_300_000,
            calls: 412,
        },
        objects: vec![line("Account", 12, 0), line("Contact", 0, 2_000), lead, vote],
        without_rows: BTreeMap::new(),
        calls_by_family: BTreeMap::new(),
    }
}

#[test]
fn a_backup_shows_what_it_brought_and_what_is_missing() {
    insta::assert_snapshot!(super::backup(&report(State::Yellow), Shape::Drawn(90)));
    assert_eq!(super::backup_shortfall(&report(State::Yellow)), None);
}

#[test]
fn a_red_backup_names_its_objects() {
    let report = report(State::Red);
    assert!(super::backup(&report, Shape::Plain).contains("RED"));
    assert_eq!(super::backup_shortfall(&report).unwrap(), "backup 2 is finished, but not complete: Lead");
}

#[test]
fn backups_are_a_list() {
    insta::assert_snapshot!(super::backups(&[report(State::Green).line]).render(Shape::Plain));
}

fn change(kind: ChangeKind, fields: usize) -> RecordChange {
    RecordChange {
        object: "Account".into(),
        id: "001000000000001AAA".into(),
        name: Some("Müller & Söhne\u{1b}[31m".into()),
        kind,
        was_id: (kind == ChangeKind::Added).then(|| "001000000000009AAA".into()),
        fields: (0..fields)
            .map(|number| FieldChange {
                field: format!("Field{number}__c"),
                before: (number > 0).then(|| " with spaces ".into()),
                after: Some("line one\nline two, which is so long that it is cut somewhere".into()),
            })
            .collect(),
    }
}

#[test]
fn a_comparison_fits_its_width_and_shows_fields() {
    let differing = ObjectComparison {
        object: "Account".into(),
        added: 1,
        removed: 300,
        changed: 2_000,
        touched: 4,
        same: 700,
        fields: [("Phone", 2_000), ("Name", 3), ("Site", 2), ("Rating", 1), ("SystemModstamp", 2_004)]
            .map(|(field, records)| (field.to_owned(), records))
            .into(),
        system_fields: ["SystemModstamp".to_owned()].into(),
        details: vec![
            change(ChangeKind::Added, 3),
            change(ChangeKind::Changed, 8),
            change(ChangeKind::Removed, 1),
            change(ChangeKind::Touched, 1),
        ],
        ..ObjectComparison::default()
    };
    let same = ObjectComparison { object: "Lead".into(), same: 12, ..ObjectComparison::default() };
    let comparison = Comparison {
        schema: Vec::new(),
        from: "backup 1".into(),
        to: "the org now".into(),
        objects: vec![differing, same],
        skipped: vec![("Vote".into(), "the org demands a filter".into())],
    };
    let text = super::comparison(&comparison, Shape::Drawn(80));
    insta::assert_snapshot!(text);
    assert!(!text.contains('\u{1b}'));
    let nothing = Comparison { objects: Vec::new(), skipped: Vec::new(), ..comparison };
    assert_eq!(super::comparison(&nothing, Shape::Plain), "From backup 1 to the org now\n\nNothing differs.\n");
}

#[test]
fn a_plan_says_what_will_be_written_and_what_not() {
    let item =
        |fields: &[&str]| Item { fields: fields.iter().map(|field| (*field).to_owned()).collect(), ..Item::default() };
    let plan = Plan {
        format: PLAN_FORMAT,
        made: time("2026-11-22T02:00:00Z"),
        source_org: "00D000000000001EAA".into(),
        target_org: "00D000000000002EAA".into(),
        target_username: "restore@acme.example".into(),
        backup: 1,
        selection: "what changed since backup 1".into(),
        steps: vec![
            Step {
                action: Action::Undelete,
                object: "Account".into(),
                fields: Vec::new(),
                records: vec![item(&[]); 300],
            },
            Step {
                action: Action::Update,
                object: "Contact".into(),
                fields: Vec::new(),
                records: vec![item(&["Phone"]), item(&["Phone", "Fax", "A", "B", "C", "D"])],
            },
        ],
        not_written: vec![NotWritten {
            object: "Contact".into(),
            reason: "made after the backup".into(),
            hint: Some("delete it by hand".into()),
            ids: vec!["003000000000001AAA".into()],
        }],
        missing: vec![Missing { object: "Account".into(), field: Some("Region__c".into()), records: 12 }],
        skip_missing: false,
        references: BTreeMap::new(),
    };
    insta::assert_snapshot!(super::plan(&plan, Shape::Drawn(100)));
    let empty = Plan { steps: Vec::new(), not_written: Vec::new(), missing: Vec::new(), ..plan };
    assert!(super::plan(&empty, Shape::Plain).ends_with("Nothing to write.\n"));
}

#[test]
fn a_restore_groups_what_the_org_refused_and_repeats_what_was_left_alone() {
    let refused = |id: &str, reason: &str| Refused {
        object: "Lead".into(),
        id: id.into(),
        action: Action::Create,
        reason: reason.into(),
    };
    let report = RestoreReport {
        restore: "0000000001".into(),
        created: 1_200,
        failed: 3,
        refused: vec![refused("00Q1", "no"), refused("00Q2", "no"), refused("00Q3", "never")],
        not_written: vec![NotWrittenLine {
            object: "Account".into(),
            records: 2,
            reason: "the images in its rich text are not put back".into(),
            hint: None,
            examples: vec!["001000000000001AAA".into()],
        }],
        missing: vec![Missing { object: "Account".into(), field: Some("Region__c".into()), records: 12 }],
        ..RestoreReport::default()
    };
    insta::assert_snapshot!(super::restore(&report, Shape::Plain));
}

#[test]
fn a_proof_shows_what_it_cannot_explain() {
    let proof = Proof {
        backup: 1,
        records: 25_013,
        equal: 25_012,
        explained: vec![("LastModifiedDate: set by Salesforce, nobody can write it".into(), 2_300)],
        unexplained: 1,
        examples: vec![change(ChangeKind::Changed, 1)],
        skipped: Vec::new(),
    };
    insta::assert_snapshot!(super::proof(&proof, Shape::Plain));
}

#[test]
fn a_record_shows_its_fields_and_its_history() {
    let record = Record {
        backup: 2,
        object: "Account".into(),
        id: "001000000000001AAA".into(),
        deleted: true,
        fields: vec![
            ("Id".into(), Some("001000000000001AAA".into())),
            ("Description".into(), Some("two\nlines".into())),
            ("Fax".into(), None),
        ],
        images: Vec::new(),
        now_known_as: Some("001000000000077AAA".into()),
    };
    let version = |backup, deleted, fields| Version {
        backup,
        taken: time("2026-11-22T02:00:00Z"),
        deleted,
        deleted_by: deleted.then(|| DeletedBy {
            user: "005000000000001AAA".into(),
            name: Some("Jo Doe".into()),
            at: Some(time("2026-11-21T09:00:00Z")),
            source: Source::DeleteEvent,
        }),
        merged_into: deleted.then(|| "001000000000002AAA".into()),
        changes: change(ChangeKind::Changed, fields).fields,
    };
    let history = super::history(&[version(1, false, 5), version(2, false, 2), version(3, true, 0)]);
    insta::assert_snapshot!(format!("{}\n{history}", super::record(&record)));
}

#[test]
fn a_difference_far_into_a_text_is_seen() {
    let long = "The same beginning of a very long description that goes on and on, ";
    let (old, new) = (format!("{long}then ends"), format!("{long}then goes on"));
    assert_eq!(super::before_and_after(Some(&old), Some(&new)), r#""…nd on, then ends" -> "…nd on, then goes on""#);
    assert_eq!(super::before_and_after(Some("a"), Some("b")), r#""a" -> "b""#);
    assert_eq!(super::before_and_after(None, Some("")), r#"(empty) -> """#);
}
