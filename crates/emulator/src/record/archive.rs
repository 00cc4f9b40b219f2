// SPDX-License-Identifier: Apache-2.0
//! Old activities are archived: they stay, but only `queryAll` sees them (`salesforce-api.md` 6.9).
//!
//! Archived are events that ended, closed tasks that were due, and closed tasks without a due date that were created, more
//! than 365 days ago. Neither stamp of the row moves, which is a guess.

use crate::error::SaveError;
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
    if tx.schema.object("Event").is_some_and(|events| events.has("IsArchived")) {
        let sql = "UPDATE \"Event\" SET \"IsArchived\" = 1 WHERE \"IsArchived\" = 0 AND \"EndDateTime\" < ?1";
        archived += tx.note(sql, &[&edge])?;
    }
    if tx.schema.object("Task").is_some_and(|tasks| tasks.has("IsArchived")) {
        let sql = "UPDATE \"Task\" SET \"IsArchived\" = 1 WHERE \"IsArchived\" = 0 AND \"IsClosed\" = 1 AND \
                   (\"ActivityDate\" < ?1 OR (\"ActivityDate\" IS NULL AND \"CreatedDate\" < ?2))";
        archived += tx.note(sql, &[&day, &edge])?;
    }
    Ok(archived)
}
