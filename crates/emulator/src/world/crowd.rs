// SPDX-License-Identifier: Apache-2.0
//! Very many accounts and contacts for measurements, with about twenty typical values each. Rows are written straight into the tables,
//! in the form in which the platform's save would have left them, because saving half a million records one by one takes longer
//! than what is to be measured. A test holds such a row against one that was saved.

use std::sync::Arc;

use super::random::Random;
use super::text::{FIRST, LAST, company, phone, place};
use super::{BATCH, WorldError, YEARS_MS};
use crate::org::Org;
use crate::schema::{FieldType, Object};
use crate::store::Tx;
use crate::value::Value;

const INDUSTRIES: [&str; 5] = ["Agriculture", "Banking", "Energy", "Engineering", "Education"];

/// Adds this many accounts, and contacts of theirs with the account contact relation that each contact brings along.
pub fn accounts_and_contacts(org: &Org, accounts: u64, contacts: u64) -> Result<(), WorldError> {
    let mut account_ids: Vec<String> = Vec::new();
    let mut random = Random::new(1, "crowd");
    let owner = org.read(|tx| {
        let users = tx.schema.object("User").map(|user| tx.rows_where(user, "\"IsActive\" = 1", &[]));
        users.unwrap_or_default().first().map(|user| user.id().to_owned())
    });
    let owner = owner.unwrap_or_default();
    for first in (0..accounts).step_by(usize::try_from(BATCH * 20).unwrap_or(1)) {
        org.write(|tx| {
            let table = Table::of(tx, "Account", &ACCOUNT)?;
            for number in first..accounts.min(first + BATCH * 20) {
                account_ids.push(table.write(tx, &owner, account(&mut random, number), &mut random)?);
            }
            Ok(())
        })?;
    }
    for first in (0..contacts).step_by(usize::try_from(BATCH * 20).unwrap_or(1)) {
        org.write(|tx| {
            let table = Table::of(tx, "Contact", &CONTACT)?;
            let relations = Table::of(tx, "AccountContactRelation", &RELATION)?;
            for number in first..contacts.min(first + BATCH * 20) {
                let account = account_ids.get(usize::try_from(number % accounts.max(1)).unwrap_or(0));
                let account = account.map_or(Value::Null, |id| Value::from(&**id));
                let id = table.write(tx, &owner, contact(&mut random, number, account.clone()), &mut random)?;
                if !account.is_null() {
                    relations.write(
                        tx,
                        &owner,
                        vec![account, Value::from(id), Value::Bool(true), Value::Bool(true)],
                        &mut random,
                    )?;
                }
            }
            Ok(())
        })?;
    }
    Ok(())
}

const ACCOUNT: [&str; 17] = [
    "Name",
    "Type",
    "Industry",
    "Rating",
    "AccountNumber",
    "Phone",
    "Fax",
    "Website",
    "NumberOfEmployees",
    "AnnualRevenue",
    "BillingStreet",
    "BillingCity",
    "BillingState",
    "BillingPostalCode",
    "BillingCountry",
    "Description",
    "Site",
];

fn account(random: &mut Random, number: u64) -> Vec<Value> {
    let home = place(random);
    vec![
        Value::from(format!("{} {number}", company(random))),
        Value::from("Prospect"),
        Value::from(*random.pick(&INDUSTRIES)),
        Value::from(*random.pick(&["Hot", "Warm", "Cold"])),
        Value::from(format!("A-{number:08}")),
        Value::from(phone(random)),
        Value::from(phone(random)),
        Value::from(format!("https://www.example.com/{number}")),
        Value::Int(random.between(1, 90_000)),
        Value::Int(random.between(10_000, 900_000_000)),
        Value::from(home.street),
        Value::from(home.city),
        Value::from(home.state),
        Value::from(home.postal_code),
        Value::from(home.country),
        Value::from(format!("Customer number {number}, looked after since {}", 1990 + number % 30)),
        Value::from("Headquarters"),
    ]
}

const CONTACT: [&str; 17] = [
    "AccountId",
    "FirstName",
    "LastName",
    "Name",
    "Salutation",
    "Title",
    "Department",
    "Email",
    "Phone",
    "MobilePhone",
    "Birthdate",
    "LeadSource",
    "MailingStreet",
    "MailingCity",
    "MailingPostalCode",
    "MailingCountry",
    "Description",
];

fn contact(random: &mut Random, number: u64, account: Value) -> Vec<Value> {
    let home = place(random);
    let (first, last) = (*random.pick(&FIRST), *random.pick(&LAST));
    vec![
        account,
        Value::from(first),
        Value::from(last),
        Value::from(format!("{first} {last}")),
        Value::from(*random.pick(&["Mr.", "Ms.", "Dr."])),
        Value::from(*random.pick(&["Buyer", "Head of Purchasing", "Engineer", "CFO"])),
        Value::from(*random.pick(&["Purchasing", "Finance", "IT"])),
        Value::from(format!("contact{number}@example.com")),
        Value::from(phone(random)),
        Value::from(phone(random)),
        Value::from(format!("19{:02}-{:02}-{:02}", 40 + number % 60, 1 + number % 12, 1 + number % 28)),
        Value::from("Web"),
        Value::from(home.street),
        Value::from(home.city),
        Value::from(home.postal_code),
        Value::from(home.country),
        Value::from(format!("Met at the fair of {}", 2000 + number % 25)),
    ]
}

const RELATION: [&str; 4] = ["AccountId", "ContactId", "IsActive", "IsDirect"];

/// The statement that writes rows of an object, with the platform's values for every field that is not given.
struct Table {
    object: Arc<Object>,
    sql: String,
    usual: Vec<Value>,
    given: Vec<usize>,
}

impl Table {
    fn of(tx: &Tx<'_>, name: &str, given: &[&str]) -> Result<Table, WorldError> {
        let refused =
            |message: String| WorldError { object: name.to_owned(), code: "INVALID_FIELD".to_owned(), message };
        let object = tx.schema.object(name).cloned().ok_or_else(|| refused("no such object".to_owned()))?;
        let stored: Vec<_> = object.fields.iter().filter(|field| field.stored()).collect();
        let position = |wanted: &&str| {
            stored.iter().position(|field| field.name == **wanted).ok_or_else(|| refused(format!("no field {wanted}")))
        };
        let given = given.iter().map(position).collect::<Result<_, _>>()?;
        let columns: Vec<String> = stored.iter().map(|field| format!("\"{}\"", field.name)).collect();
        let sql =
            format!("INSERT INTO \"{name}\" ({}) VALUES ({})", columns.join(", "), vec!["?"; columns.len()].join(", "));
        let usual = stored.iter().map(|field| match field.kind {
            FieldType::Boolean => Value::Bool(field.default_value.as_ref().is_some_and(Value::is_true)),
            _ => field.default_value.clone().unwrap_or(Value::Null),
        });
        let usual = usual.collect();
        Ok(Table { object, sql, usual, given })
    }

    fn write(&self, tx: &Tx<'_>, owner: &str, values: Vec<Value>, random: &mut Random) -> Result<String, WorldError> {
        let id = tx.next_id(&self.object);
        let mut row = self.usual.clone();
        for (at, value) in self.given.iter().zip(values) {
            row[*at] = value;
        }
        let stamp = Value::Int((tx.now - random.between(0, YEARS_MS)).div_euclid(1000) * 1000);
        let stored = self.object.fields.iter().filter(|field| field.stored());
        for (field, value) in stored.zip(&mut row) {
            match field.name.as_str() {
                "Id" => *value = Value::from(&*id),
                "OwnerId" | "CreatedById" | "LastModifiedById" => *value = Value::from(owner),
                "CreatedDate" | "LastModifiedDate" | "SystemModstamp" => *value = stamp.clone(),
                _ => {}
            }
        }
        let mut statement = tx.conn.prepare_cached(&self.sql).map_err(|error| self.failed(error))?;
        statement.execute(rusqlite::params_from_iter(row)).map_err(|error| self.failed(error))?;
        Ok(id)
    }

    fn failed(&self, error: rusqlite::Error) -> WorldError {
        WorldError {
            object: self.object.name.clone(),
            code: "UNKNOWN_EXCEPTION".to_owned(),
            message: error.to_string(),
        }
    }
}
