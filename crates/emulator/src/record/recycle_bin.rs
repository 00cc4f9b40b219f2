// SPDX-License-Identifier: Apache-2.0
//! How the recycle bin forgets (`salesforce-api.md` 6.7): after 15 days, and the oldest first when it holds more than its
//! capacity, but nothing that was deleted less than two hours ago. What it forgets is gone for good and no longer seen by
//! `queryAll`.
//!
//! Not emulated: rows that `queryAll` still shows up to a day after they were removed.

use super::delete::purge;
use crate::error::SaveError;
use crate::store::Tx;

const HOUR_MS: i64 = 3_600_000;
/// How long a deleted record can be brought back.
const KEPT_MS: i64 = 15 * 24 * HOUR_MS;
/// What was deleted within this time stays, however full the bin is.
const SPARED_MS: i64 = 2 * HOUR_MS;

/// Removes what is too old and what is too much. Answers when the bin should be looked at again, in ms.
///
/// # Errors
/// Only what a full disk brings about.
pub(crate) fn expire(tx: &mut Tx<'_>, capacity_rows: i64) -> Result<i64, SaveError> {
    for root in roots_before(tx, tx.now - KEPT_MS + 1, i64::MAX)? {
        purge(tx, &root)?;
    }
    let held: i64 = tx.conn.prepare_cached("SELECT count(*) FROM _recycle")?.query_row([], |row| row.get(0))?;
    let mut excess = held - capacity_rows;
    while excess > 0 {
        let Some(root) = roots_before(tx, tx.now - SPARED_MS, 1)?.pop() else { break };
        let sql = "SELECT count(*) FROM _recycle WHERE root_id = ?1";
        excess -= tx.conn.prepare_cached(sql)?.query_row([&root], |row| row.get::<_, i64>(0))?.max(1);
        purge(tx, &root)?;
    }
    let oldest: Option<i64> =
        tx.conn.prepare_cached("SELECT min(deleted_ms) FROM _recycle")?.query_row([], |row| row.get(0))?;
    Ok(oldest.map_or(i64::MAX, |oldest| oldest + KEPT_MS).min(tx.now + HOUR_MS))
}

/// What was deleted by itself before a time, the oldest first.
fn roots_before(tx: &Tx<'_>, before_ms: i64, most: i64) -> Result<Vec<String>, SaveError> {
    let sql = "SELECT DISTINCT root_id FROM _recycle WHERE deleted_ms < ?1 ORDER BY deleted_ms, root_id LIMIT ?2";
    let mut statement = tx.conn.prepare_cached(sql)?;
    let found = statement.query_map([before_ms, most], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    Ok(found)
}
