// SPDX-License-Identifier: Apache-2.0
//! Unique fields: no two rows outside the recycle bin have the same value. Text compares without case unless the field is
//! case-sensitive, which its column knows.

use rusqlite::OptionalExtension as _;

use super::draft::Draft;
use super::plan::Plan;
use crate::error::SaveError;
use crate::schema::Object;
use crate::store::Tx;
use crate::value::Value;

pub fn check(tx: &Tx<'_>, plan: &Plan, draft: &Draft) -> Result<(), SaveError> {
    for &at in &plan.unique {
        let unchanged = draft.old.as_ref().is_some_and(|old| old[at] == draft.values[at]);
        if unchanged || draft.values[at].is_null() {
            continue;
        }
        let field = &draft.object.fields[at].name;
        if let Some(other) = holder(tx, &draft.object, field, &draft.values[at], &draft.id) {
            return Err(SaveError::duplicate_value(field, &other));
        }
    }
    Ok(())
}

/// Another live row that has this value.
pub fn holder(tx: &Tx<'_>, object: &Object, field: &str, value: &Value, own_id: &str) -> Option<String> {
    let alive = if object.has("IsDeleted") { " AND \"IsDeleted\" = 0" } else { "" };
    let sql = format!("SELECT \"Id\" FROM \"{}\" WHERE \"{field}\" = ?1 AND \"Id\" <> ?2{alive}", object.name);
    let mut statement = tx.conn.prepare_cached(&sql).expect("every object has its table");
    statement.query_row(rusqlite::params![value, own_id], |row| row.get(0)).optional().expect("the store can be read")
}
