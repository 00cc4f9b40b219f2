// SPDX-License-Identifier: Apache-2.0
//! A generated world is the same for the same seed, whole in its references, and has every oddity that it promises.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::LazyLock;

use orgkeep_emulator::schema::FieldType;
use orgkeep_emulator::value::Value;
use orgkeep_emulator::world::{self, Counts, ODD};
use orgkeep_emulator::{Clock, Emulator, Org, Settings};
use std::sync::Arc;

/// 2026-06-01 00:00 UTC.
const NOW: i64 = 1_780_272_000_000;
const RECORDS: u64 = 800;

/// A fresh org whose clock stands still.
fn org() -> Arc<Org> {
    let settings = Settings { clock: Clock::starting_at(NOW), ..Settings::default() };
    Emulator::start(settings).unwrap().orgs()[0].clone()
}

fn populated(seed: u64) -> (Arc<Org>, Counts) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let org = org();
        let counts = world::populate(&org, seed, RECORDS).unwrap();
        (org, counts)
    })
}

static WORLD: LazyLock<(Arc<Org>, Counts)> = LazyLock::new(|| populated(1));

/// All rows of all objects, and the digests of all contents.
fn everything(org: &Org) -> BTreeMap<String, Vec<Vec<Value>>> {
    org.read(|tx| {
        let objects = tx.schema.objects().map(|object| {
            let rows = tx.rows_where(object, "1", &[]).into_iter().map(|row| row.values).collect();
            (object.name.clone(), rows)
        });
        let mut all: BTreeMap<String, Vec<Vec<Value>>> = objects.collect();
        let mut blobs = tx.conn.prepare("SELECT id, field, md5 FROM _blob ORDER BY id, field").unwrap();
        let digests =
            blobs.query_map([], |row| Ok((0..3).map(|at| Value::Text(row.get(at).unwrap())).collect())).unwrap();
        all.insert("_blob".to_owned(), digests.collect::<Result<_, _>>().unwrap());
        all
    })
}

/// How many rows SQL counts.
fn count(sql: &str) -> i64 {
    WORLD.0.read(|tx| tx.conn.query_row(sql, [], |row| row.get(0)).unwrap_or_else(|error| panic!("{sql}: {error}")))
}

#[test]
fn the_same_seed_gives_the_same_world() {
    let (again, counts) = populated(1);
    assert_eq!(counts, WORLD.1);
    let (one, other) = (everything(&WORLD.0), everything(&again));
    for (object, rows) in &one {
        assert_eq!(rows.len(), other[object].len(), "{object}");
        for (a, b) in rows.iter().zip(&other[object]) {
            assert_eq!(a, b, "{object}");
        }
    }
}

#[test]
fn another_seed_gives_another_world() {
    let (other, _) = populated(2);
    assert_ne!(everything(&WORLD.0)["Contact"], everything(&other)["Contact"]);
}

#[test]
fn counts_are_those_of_the_tables() {
    let counts = &WORLD.1;
    assert!((RECORDS..RECORDS * 5 / 4).contains(&counts.total()), "{}", counts.total());
    for (object, rows) in &counts.0 {
        assert!(*rows > 0, "{object}");
    }
    assert_eq!(counts.of("Contact"), count("SELECT COUNT(*) FROM Contact").unsigned_abs());
    assert_eq!(counts.of("Nothing"), 0);
    for object in [
        "Account",
        "AccountContactRelation",
        "Asset",
        "Attachment",
        "Billing_Setting__c",
        "Campaign",
        "CampaignMember",
        "CampaignMemberStatus",
        "Case",
        "CaseComment",
        "Contact",
        "ContentDocument",
        "ContentDocumentLink",
        "ContentVersion",
        "Contract",
        "EmailMessage",
        "Entitlement",
        "Event",
        "Invoice__c",
        "Lead",
        "Note",
        "Opportunity",
        "OpportunityContactRole",
        "OpportunityLineItem",
        "Order",
        "OrderItem",
        "Pricebook2",
        "PricebookEntry",
        "Product2",
        "Project_Skill__c",
        "Project_Task__c",
        "Project__c",
        "Quote",
        "QuoteLineItem",
        "Region_Rule__mdt",
        "Skill__c",
        "Solution",
        "Task",
    ] {
        assert!(counts.of(object) > 0, "{object}");
    }
}

#[test]
fn every_reference_leads_to_a_record_that_it_may_lead_to() {
    WORLD.0.read(|tx| {
        let mut ids: HashSet<String> = HashSet::new();
        for object in tx.schema.objects() {
            let mut statement = tx.conn.prepare(&format!("SELECT \"Id\" FROM \"{}\"", object.name)).unwrap();
            ids.extend(statement.query_map([], |row| row.get::<_, String>(0)).unwrap().map(Result::unwrap));
        }
        let mut followed = 0;
        for object in tx.schema.objects() {
            // A file's body has an Id, but is no object that can be read.
            for field in object.fields.iter().filter(|field| !field.reference_to.is_empty()) {
                let sql =
                    format!("SELECT DISTINCT \"{0}\" FROM \"{1}\" WHERE \"{0}\" IS NOT NULL", field.name, object.name);
                let mut statement = tx.conn.prepare(&sql).unwrap();
                for id in statement.query_map([], |row| row.get::<_, String>(0)).unwrap().map(Result::unwrap) {
                    assert!(ids.contains(&id), "{}.{} {id}", object.name, field.name);
                    let target = tx.schema.by_prefix(&id).unwrap();
                    assert!(
                        field.reference_to.contains(&target.name),
                        "{}.{} {}",
                        object.name,
                        field.name,
                        target.name
                    );
                    followed += 1;
                }
            }
        }
        assert!(followed > 1000, "{followed}");
    });
}

#[test]
fn no_required_value_is_missing_and_no_text_is_too_long() {
    WORLD.0.read(|tx| {
        for name in WORLD.1.0.keys() {
            let object = tx.schema.object(name).unwrap();
            for row in tx.rows_where(object, "1", &[]) {
                for (field, value) in object.fields.iter().zip(&row.values) {
                    if field.required_on_create() && field.kind != FieldType::Base64 {
                        assert!(!value.is_null(), "{name}.{} of {}", field.name, row.id());
                    }
                    if let Some(text) = value.as_str().filter(|_| field.length > 0) {
                        assert!(text.chars().count() <= field.length as usize, "{name}.{}", field.name);
                    }
                }
            }
        }
    });
}

#[test]
fn every_odd_text_is_somewhere() {
    let mut texts = BTreeSet::new();
    for rows in everything(&WORLD.0).values() {
        texts.extend(rows.iter().flatten().filter_map(|value| value.as_str().map(str::to_owned)));
    }
    for odd in ODD {
        assert!(texts.contains(odd), "{odd:?}");
    }
    assert!(texts.iter().any(|text| text.len() > 100_000));
    assert!(texts.iter().any(|text| text.chars().any(|letter| letter.len_utf8() == 4)));
}

#[test]
fn old_dates_and_large_numbers() {
    assert!(count("SELECT COUNT(*) FROM Project__c WHERE Start__c < '1900-01-01'") >= 3);
    assert!(count("SELECT COUNT(*) FROM Contact WHERE Birthdate < '1900-01-01'") > 0);
    assert!(
        count(
            "SELECT COUNT(*) FROM Project__c WHERE Big_Number__c = 999999999999999999 AND typeof(Big_Number__c) = 'integer'"
        ) > 0
    );
    assert!(count("SELECT COUNT(*) FROM Project__c WHERE Big_Number__c = -100000000000000001") > 0);
    assert!(count("SELECT COUNT(*) FROM Account WHERE AnnualRevenue = 999999999999999999") > 0);
    assert!(
        count(
            "SELECT COUNT(DISTINCT External_Number__c) FROM Project__c WHERE External_Number__c >= 900000000000000000"
        ) > 3
    );
}

#[test]
fn hierarchies_and_circles() {
    let depth = "WITH RECURSIVE up(id, depth) AS (SELECT Id, 1 FROM Account WHERE ParentId IS NULL
        UNION ALL SELECT Account.Id, depth + 1 FROM Account JOIN up ON Account.ParentId = up.id) SELECT MAX(depth) FROM up";
    assert!(count(depth) >= 10);
    assert_eq!(
        count(&depth.replace("MAX(depth)", "COUNT(*)")),
        count("SELECT COUNT(*) FROM Account"),
        "no circle of accounts"
    );
    assert!(
        count("SELECT MAX(n) FROM (SELECT COUNT(*) n FROM Account GROUP BY ParentId HAVING ParentId IS NOT NULL)") >= 4
    );
    assert!(count("SELECT COUNT(*) FROM Account WHERE ParentId > Id") > 0, "parents younger than their children");
    assert_eq!(
        count("SELECT COUNT(*) FROM Contact a JOIN Contact b ON a.ReportsToId = b.Id AND b.ReportsToId = a.Id"),
        2
    );
    assert_eq!(
        count(
            "SELECT COUNT(*) FROM Project__c a JOIN Project__c b ON a.Parent_Project__c = b.Id AND b.Parent_Project__c = a.Id"
        ),
        2
    );
    assert!(
        count(
            "SELECT COUNT(*) FROM Project__c p JOIN Invoice__c i ON p.Current_Invoice__c = i.Id AND i.Project__c = p.Id"
        ) > 0
    );
    assert!(count("SELECT COUNT(*) FROM Project_Task__c WHERE Predecessor__c IS NOT NULL") > 0);
}

#[test]
fn computed_fields_have_values() {
    assert_eq!(
        count(
            "SELECT COUNT(*) FROM Project__c p WHERE Task_Count__c != (SELECT COUNT(*) FROM Project_Task__c t WHERE t.Project__c = p.Id)"
        ),
        0
    );
    assert!(count("SELECT COUNT(*) FROM Project__c WHERE Task_Count__c > 0 AND Remaining__c IS NOT NULL") > 0);
    assert!(count("SELECT COUNT(DISTINCT Name) FROM Invoice__c") >= 6);
    assert_eq!(count("SELECT COUNT(*) FROM Contact WHERE Name IS NULL"), 0);
}

#[test]
fn activities_are_about_many_objects() {
    for object in ["Task", "Event"] {
        assert!(count(&format!("SELECT COUNT(DISTINCT substr(WhatId, 1, 3)) FROM {object}")) >= 3, "{object}");
        assert_eq!(count(&format!("SELECT COUNT(DISTINCT substr(WhoId, 1, 3)) FROM {object}")), 2, "{object}");
    }
    assert!(count("SELECT COUNT(DISTINCT substr(ParentId, 1, 3)) FROM Note") >= 4);
    assert!(count("SELECT COUNT(DISTINCT substr(LinkedEntityId, 1, 3)) FROM ContentDocumentLink") >= 5);
}

#[test]
fn prices_are_in_the_book_of_their_deal() {
    let strangers = "SELECT COUNT(*) FROM OpportunityLineItem l JOIN Opportunity o ON o.Id = l.OpportunityId JOIN PricebookEntry e ON e.Id = l.PricebookEntryId
        WHERE e.Pricebook2Id != o.Pricebook2Id";
    assert_eq!(count(strangers), 0);
    assert!(count("SELECT COUNT(DISTINCT Pricebook2Id) FROM Opportunity") >= 2);
    assert_eq!(count("SELECT COUNT(*) FROM Pricebook2 WHERE IsStandard = 1"), 1);
}

#[test]
fn files_have_sizes_versions_and_twins() {
    assert!(count("SELECT COUNT(*) FROM _blob WHERE length = 0") > 0);
    assert_eq!(count("SELECT MAX(length) FROM _blob"), i64::try_from(RECORDS * 1000).unwrap());
    assert!(count("SELECT MAX(n) FROM (SELECT COUNT(*) n FROM ContentVersion GROUP BY ContentDocumentId)") >= 3);
    assert!(count("SELECT COUNT(*) - COUNT(DISTINCT md5) FROM _blob WHERE length > 0 AND field = 'VersionData'") >= 2);
    assert_eq!(
        count("SELECT COUNT(*) FROM ContentDocument"),
        count("SELECT COUNT(*) FROM ContentVersion WHERE IsLatest = 1")
    );
    assert_eq!(
        count("SELECT COUNT(*) FROM Attachment"),
        count("SELECT COUNT(*) FROM _blob WHERE field = 'Body' AND id LIKE '00P%'")
    );
}

#[test]
fn records_come_from_the_past() {
    let years = "SELECT COUNT(DISTINCT strftime('%Y', CreatedDate / 1000, 'unixepoch')) FROM Account";
    assert!(count(years) >= 5);
    assert_eq!(count("SELECT COUNT(*) FROM Account WHERE LastModifiedDate < CreatedDate"), 0);
    assert_eq!(count(&format!("SELECT COUNT(*) FROM Contact WHERE SystemModstamp > {NOW}")), 0);
}

#[test]
fn a_crowd_is_written_as_it_would_have_been_saved() {
    let org = org();
    world::accounts_and_contacts(&org, 30, 50).unwrap();
    let admin = orgkeep_emulator::Caller { bypass: true, ..Default::default() };
    for (name, relation) in [("Account", None), ("Contact", Some("AccountContactRelation"))] {
        org.write(|tx| {
            let object = tx.schema.object(name).unwrap().clone();
            let written = tx.rows_where(&object, "1", &[]).remove(0);
            let mut fields = orgkeep_emulator::record::Fields::new();
            for (field, value) in object.fields.iter().zip(&written.values) {
                let input = match value {
                    Value::Text(text) => orgkeep_emulator::record::Input::Text(text.clone()),
                    Value::Int(number) if field.kind == FieldType::Datetime => {
                        orgkeep_emulator::record::Input::Text(orgkeep_emulator::value::date_time_text(*number, "Z"))
                    }
                    Value::Int(number) => orgkeep_emulator::record::Input::Number(number.to_string()),
                    _ => continue,
                };
                let computed = field.name == "Id" || (field.name == "Name" && name == "Contact");
                if !computed && !field.calculated {
                    fields.push((field.name.clone(), input));
                }
            }
            let id = orgkeep_emulator::record::insert(tx, &admin, &object, fields).unwrap();
            let saved = tx.row(&object, &id).unwrap();
            for (at, field) in object.fields.iter().enumerate().filter(|(_, field)| field.name != "Id") {
                assert_eq!(written.values[at], saved.values[at], "{name}.{}", field.name);
            }
            if let Some(relation) = relation {
                let relation = tx.schema.object(relation).unwrap().clone();
                let of = |contact: &str| tx.rows_where(&relation, "\"ContactId\" = ?1", &[&contact]).remove(0);
                let (a, b) = (of(written.id()), of(saved.id()));
                for field in ["AccountId", "IsActive", "IsDirect", "IsDeleted"] {
                    assert_eq!(a.get(field), b.get(field), "{field}");
                }
            }
        });
    }
    let filled = org.read(|tx| {
        tx.rows_where(tx.schema.object("Account").unwrap(), "1", &[])[0]
            .values
            .iter()
            .filter(|value| !value.is_null())
            .count()
    });
    assert!(filled >= 20, "{filled}");
}
