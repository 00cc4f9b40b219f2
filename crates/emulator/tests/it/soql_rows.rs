// SPDX-License-Identifier: Apache-2.0
//! A small org whose rows are written past the platform's rules.

use orgkeep_emulator::schema::{FieldType, Schema};
use orgkeep_emulator::value::{Value, parse_date_time};
use orgkeep_emulator::{Caller, Clock, Org, Tx};

/// 2024-03-01 12:00 UTC.
pub const NOW: i64 = 1_709_294_400_000;

/// Ids of these tests, beyond any that the org gives out itself.
pub fn id(prefix: &str, number: u64) -> String {
    orgkeep_emulator::id::make(prefix, 1_000_000 + number)
}

pub fn admin() -> Caller {
    let permissions = ["ViewAllData", "QueryAllFiles"].map(str::to_owned);
    Caller { user_id: id("005", 1), permissions: std::sync::Arc::new(permissions.into()), ..Caller::default() }
}

pub fn empty_org() -> Org {
    Org::open(0, Schema::standard(), Clock::starting_at(NOW), None).unwrap()
}

/// Writes a row; what is not given is null, booleans false.
pub fn put(tx: &Tx<'_>, object: &str, id: &str, values: &[(&str, Value)]) {
    let object = tx.schema.object(object).unwrap();
    let mut names = vec!["\"Id\"".to_owned()];
    let mut all = vec![Value::from(id)];
    for field in object.fields.iter().filter(|field| field.stored() && field.name != "Id") {
        let given = values.iter().find(|(name, _)| *name == field.name).map(|(_, value)| value.clone());
        names.push(format!("\"{}\"", field.name));
        all.push(given.unwrap_or(if field.kind == FieldType::Boolean { Value::Bool(false) } else { Value::Null }));
    }
    for (name, _) in values {
        assert!(object.has(name), "{} has no field {name}", object.name);
    }
    let marks = vec!["?"; names.len()].join(", ");
    let sql = format!("INSERT INTO \"{}\" ({}) VALUES ({marks})", object.name, names.join(", "));
    tx.conn.execute(&sql, rusqlite::params_from_iter(all)).unwrap();
}

/// Four accounts in a small tree and a deleted one, two contacts, an opportunity, two tasks, an attachment.
pub fn org() -> Org {
    let org = empty_org();
    let at = |text: &str| Value::Int(parse_date_time(text).unwrap());
    let text = |text: &str| Value::from(text);
    org.write(|tx| {
        put(tx, "User", &id("005", 1), &[("Name", text("Ann Ash")), ("Alias", text("ann"))]);
        put(tx, "User", &id("005", 2), &[("Name", text("Ben Birch"))]);
        put(tx, "Group", &id("00G", 1), &[("Name", text("Everyone's Tasks")), ("Type", text("Queue"))]);
        let owner = ("OwnerId", Value::from(id("005", 1)));
        let parent = ("ParentId", Value::from(id("001", 1)));
        put(
            tx,
            "Account",
            &id("001", 1),
            &[
                ("Name", text("Alpha")),
                ("Industry", text("Energy")),
                ("NumberOfEmployees", Value::Int(10)),
                ("IsPartner", Value::Bool(true)),
                ("CreatedDate", at("2024-02-28T23:59:59Z")),
                ("ShippingLatitude", Value::Num(52.5)),
                ("ShippingLongitude", Value::Num(13.4)),
                owner.clone(),
            ],
        );
        put(
            tx,
            "Account",
            &id("001", 2),
            &[
                ("Name", text("Beta")),
                ("Industry", text("Banking")),
                ("NumberOfEmployees", Value::Int(20)),
                ("AnnualRevenue", Value::Int(2500)),
                ("BillingCity", text("Köln")),
                ("Site", text(" a \"b\"\n,c ")),
                ("CreatedDate", at("2024-02-29T10:00:00Z")),
                parent.clone(),
                owner.clone(),
            ],
        );
        put(
            tx,
            "Account",
            &id("001", 3),
            &[
                ("Name", text("Gämma")),
                ("NumberOfEmployees", Value::Int(30)),
                ("AnnualRevenue", Value::Num(1000.0)),
                ("CreatedDate", at("2024-03-01T00:00:00Z")),
                parent,
                ("OwnerId", Value::from(id("005", 2))),
            ],
        );
        put(
            tx,
            "Account",
            &id("001", 4),
            &[("Name", text("Delta")), ("CreatedDate", at("1888-12-31T00:00:00Z")), owner.clone()],
        );
        put(
            tx,
            "Account",
            &id("001", 5),
            &[
                ("Name", text("Gone")),
                ("IsDeleted", Value::Bool(true)),
                ("CreatedDate", at("2020-01-01T00:00:00Z")),
                owner.clone(),
            ],
        );
        for (number, name) in [(1, "Adler"), (2, "Zimmer")] {
            put(
                tx,
                "Contact",
                &id("003", number),
                &[("LastName", text(name)), ("AccountId", Value::from(id("001", 2)))],
            );
        }
        put(
            tx,
            "Opportunity",
            &id("006", 1),
            &[("Name", text("Big Deal")), ("StageName", text("Prospecting")), ("AccountId", Value::from(id("001", 1)))],
        );
        put(tx, "Task", &id("00T", 1), &[("Subject", text("Call")), ("WhatId", Value::from(id("001", 1))), owner]);
        put(
            tx,
            "Task",
            &id("00T", 2),
            &[
                ("Subject", text("Write")),
                ("WhatId", Value::from(id("006", 1))),
                ("OwnerId", Value::from(id("00G", 1))),
            ],
        );
        put(tx, "Attachment", &id("00P", 1), &[("Name", text("a.txt")), ("ParentId", Value::from(id("001", 1)))]);
    });
    org
}
