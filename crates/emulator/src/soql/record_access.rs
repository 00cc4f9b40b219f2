// SPDX-License-Identifier: Apache-2.0
//! `UserRecordAccess`: what a user may do with up to 200 records, worked out when it is asked (Object Reference,
//! "UserRecordAccess"). A statement names one user by `UserId =` and the records by `RecordId =` or `RecordId IN`; the rows
//! that answer it stand in the object's table while it runs.
//!
//! Records that the asking user does not see are left out. Not emulated: `UserRecordAccess.HasReadAccess` as a path from a
//! record. Guesses: the text for more than 200 records and for a missing filter, and that transferring takes what full access
//! takes, or an org-wide default that lets everybody transfer.

use crate::error::ApiError;
use crate::id;
use crate::rights::{self, Deed};
use crate::sharing::{self, Level};
use crate::store::Tx;
use crate::user::Caller;
use crate::value::Value;

use super::ast::Operator;
use super::plan::{Expr, Plan, Test};
use super::refusal;

const OBJECT: &str = "UserRecordAccess";
const MOST_RECORDS: usize = 200;
const SELECTED: [&str; 7] = [
    "RecordId",
    "HasReadAccess",
    "HasEditAccess",
    "HasDeleteAccess",
    "HasTransferAccess",
    "HasAllAccess",
    "MaxAccessLevel",
];

/// Whose access to what is asked for.
#[derive(Clone, Debug)]
pub struct RecordAccess {
    asking: Caller,
    user: String,
    records: Vec<String>,
}

/// Takes user and records out of the conditions of a statement about this object.
///
/// # Errors
/// `INVALID_FIELD` with recorded texts for another SELECT list, `MALFORMED_QUERY` without the filters.
pub fn of(plan: &mut Plan, asking: &Caller) -> Result<Option<RecordAccess>, ApiError> {
    if plan.object.name != OBJECT {
        return Ok(None);
    }
    if plan.written.iter().any(|written| !SELECTED.contains(&written.name.as_str())) {
        let text = "Can select only RecordId, a Has*Access field, and MaxAccessLevel";
        return Err(refusal::plain("INVALID_FIELD", text));
    }
    if !plan.written.is_empty() && !plan.written.iter().any(|written| written.name == "RecordId") {
        return Err(refusal::plain("INVALID_FIELD", "RecordId field must be selected"));
    }
    let (mut users, mut records, mut others) = (Vec::new(), None, Vec::new());
    let tests = match plan.filter.take() {
        Some(Test::And(tests)) => tests,
        Some(test) => vec![test],
        None => Vec::new(),
    };
    for test in tests {
        match (named(&test), &test) {
            (Some("UserId"), Test::Compare { operator: Operator::Equal, right, .. }) => users.push(whole(right)),
            (Some("RecordId"), Test::Compare { operator: Operator::Equal, right, .. }) => {
                records = Some(vec![whole(right)]);
            }
            (Some("RecordId"), Test::In { values, .. }) => records = Some(values.iter().map(whole).collect()),
            _ => others.push(test),
        }
    }
    let (Some(records), [user]) = (records, users.as_slice()) else {
        let text = "UserRecordAccess: a filter on a reified column is required [UserId,RecordId]";
        return Err(refusal::plain("MALFORMED_QUERY", text));
    };
    if records.len() > MOST_RECORDS {
        let text = format!("UserRecordAccess: at most {MOST_RECORDS} record IDs can be queried");
        return Err(refusal::plain("MALFORMED_QUERY", text));
    }
    plan.filter = (!others.is_empty()).then_some(Test::And(others));
    Ok(Some(RecordAccess { asking: asking.clone(), user: user.clone(), records }))
}

fn named(test: &Test) -> Option<&str> {
    match test {
        Test::Compare { left: Expr::Field { node: 0, field }, .. }
        | Test::In { left: Expr::Field { node: 0, field }, .. } => Some(&field.name),
        _ => None,
    }
}

fn whole(value: &Value) -> String {
    let text = value.as_str().unwrap_or_default();
    id::to18(text).unwrap_or_else(|| text.to_owned())
}

impl RecordAccess {
    /// Puts the rows in their place.
    pub fn fill(&self, tx: &Tx<'_>) -> rusqlite::Result<()> {
        clear(tx)?;
        let Some(object) = tx.schema.object(OBJECT).cloned() else { return Ok(()) };
        let subject = self.subject(tx);
        let mut rows = 0;
        for record in &self.records {
            let Some(levels) = self.levels(tx, &subject, record) else { continue };
            rows += 1;
            let max = ["None", "Read", "Edit", "Delete", "Transfer", "All"];
            let max = max[levels.iter().rposition(|has| *has).map_or(0, |at| at + 1)];
            let value = |name: &str| match name {
                "Id" => Value::Text(id::make("000", rows)),
                "UserId" => Value::Text(self.user.clone()),
                "RecordId" => Value::Text(record.clone()),
                "MaxAccessLevel" => Value::from(max),
                name => SELECTED[1..6]
                    .iter()
                    .position(|known| *known == name)
                    .map_or(Value::Null, |at| Value::Bool(levels[at])),
            };
            let values: Vec<Value> = object.fields.iter().map(|field| value(&field.name)).collect();
            tx.insert_row(&object, &values)?;
        }
        Ok(())
    }

    fn subject(&self, tx: &Tx<'_>) -> Caller {
        if self.asking.user_id == self.user {
            return Caller { bypass: false, ..self.asking.clone() };
        }
        rights::caller_as_stored(tx, &self.user)
    }

    /// Read, edit, delete, transfer, all. None for a record that is not there for who asks.
    fn levels(&self, tx: &Tx<'_>, subject: &Caller, record: &str) -> Option<[bool; 5]> {
        let object = tx.object_of(record)?;
        let row = tx.row(&object, record).filter(|row| !row.is_deleted())?;
        if !self.asking.sees(&object) || !sharing::allows(tx, &self.asking, &object, row.id(), Level::Read) {
            return None;
        }
        let has = |deed: Deed, level: Level| {
            subject.may(&object, deed) && sharing::allows(tx, subject, &object, row.id(), level)
        };
        let read = has(Deed::Read, Level::Read);
        let edit = read && has(Deed::Edit, Level::Edit);
        let all = edit && sharing::allows(tx, subject, &object, row.id(), Level::Delete);
        let everybody = edit && matches!(object.name.as_str(), "Lead" | "Case") && {
            let default = format!("Default{}Access", object.name);
            let organization = tx.schema.object("Organization").and_then(|one| tx.rows_where(one, "1 = 1", &[]).pop());
            organization.is_some_and(|row| row.text(&default) == "ReadEditTransfer")
        };
        Some([read, edit, all && subject.may(&object, Deed::Delete), all || everybody, all])
    }
}

/// Takes the rows away.
pub fn clear(tx: &Tx<'_>) -> rusqlite::Result<()> {
    tx.note("DELETE FROM \"UserRecordAccess\"", &[]).map(drop)
}
