// SPDX-License-Identifier: Apache-2.0
//! `DeleteEvent`: who deleted which record, and when, as long as the record is in the recycle bin (`salesforce-api.md` 2.7,
//! 6.7). A row for each record that went, also those that a cascade took; that it ends with an undelete or when the bin is
//! emptied is a guess.

use crate::error::SaveError;
use crate::store::{Row, Tx};
use crate::user::Caller;
use crate::value::Value;

const OBJECT: &str = "DeleteEvent";

/// Notes that a record went to the recycle bin.
pub fn record(tx: &Tx<'_>, caller: &Caller, row: &Row) -> Result<(), SaveError> {
    let Some(events) = tx.schema.object(OBJECT).cloned() else { return Ok(()) };
    let time = Value::Int(super::audit::second(tx.now));
    let name: String = name_of(row).chars().take(255).collect();
    let values: Vec<Value> = events
        .fields
        .iter()
        .map(|field| match field.name.as_str() {
            "Id" => Value::Text(tx.next_id(&events)),
            "DeletedById" | "CreatedById" => Value::Text(caller.user_id.clone()),
            "DeletedDate" | "CreatedDate" | "SystemModstamp" => time.clone(),
            "Record" => Value::from(row.id()),
            "RecordName" => Value::from(name.as_str()),
            "SobjectName" => Value::from(row.object.name.as_str()),
            _ => Value::Null,
        })
        .collect();
    tx.insert_row(&events, &values)?;
    Ok(())
}

/// The record is back, or gone for good.
pub fn withdraw(tx: &Tx<'_>, row: &Row) -> Result<(), SaveError> {
    if row.is_deleted() && tx.schema.object(OBJECT).is_some() {
        tx.note("DELETE FROM \"DeleteEvent\" WHERE \"Record\" = ?1", &[&row.id()])?;
    }
    Ok(())
}

/// What a record is called: its name, its number or its subject.
pub fn name_of(row: &Row) -> &str {
    row.object.name_field().map_or("", |field| row.text(&field.name))
}
