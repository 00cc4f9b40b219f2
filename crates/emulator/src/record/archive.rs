// SPDX-License-Identifier: Apache-2.0
//! Old activities are archived: they stay, but only `queryAll` sees them (`salesforce-api.md` 6.9).
//!
//! Archived are events that ended, closed tasks that were due, and closed tasks without a due date that were created, more
//! than 365 days ago. Neither stamp of the row moves, which is a guess. The platform does it beside all saves, so a gap event
//! tells of it (Change Data Capture Developer Guide, "Gap Events").

use rusqlite::ToSql;

use crate::error::SaveError;
use crate::event::change::ChangeType;
use crate::store::Tx;
use crate::value;

const DAY_MS: i64 = 86_400_000;
const YOUNG_DAYS: i64 = 365;

/// Archives what is old. Answers how many activities it was.
///
/// # Errors
/// Only what a full disk brings about.
pub(crate) fn archive_activities(tx: &Tx<'_>) -> Result<usize, SaveError> {
    let edge = tx.now - YOUNG_DAYS * DAY_MS;
    let day = value::date_time_text(edge, "").get(..10).unwrap_or_default().to_owned();
    let mut archived = 0;
    archived += archive(tx, "Event", "\"EndDateTime\" < ?1", &[&edge])?;
    let task = "\"IsClosed\" = 1 AND (\"ActivityDate\" < ?1 OR (\"ActivityDate\" IS NULL AND \"CreatedDate\" < ?2))";
    archived += archive(tx, "Task", task, &[&day, &edge])?;
    Ok(archived)
}

/// Archives the rows of an object that match a condition in SQL.
fn archive(tx: &Tx<'_>, object: &str, condition: &str, values: &[&dyn ToSql]) -> Result<usize, SaveError> {
    let Some(object) = tx.schema.object(object).filter(|object| object.has("IsArchived")).cloned() else {
        return Ok(0);
    };
    let condition = format!("\"IsArchived\" = 0 AND {condition}");
    if tx.capture().is_on() {
        for id in tx.ids_where(&object, &condition, values) {
            tx.capture().touch_gap(tx, &object, &id, ChangeType::GapUpdate);
        }
    }
    Ok(tx.note(&format!("UPDATE \"{}\" SET \"IsArchived\" = 1 WHERE {condition}", object.name), values)?)
}
