// SPDX-License-Identifier: Apache-2.0
//! `/sobjects/T/updated` and `/deleted`: what changed in a span of time (`salesforce-api.md` 2.7).
//!
//! Seconds are ignored; a span must be a minute long at least. Updates go back 30 days, deletions 15 days.

use chrono::{DateTime, NaiveDateTime};
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::ctx::Ctx;
use crate::error::ApiError;
use crate::org::Tx;
use crate::request::Query;
use crate::rest::object;
use crate::schema::Object;
use crate::sharing;
use crate::value::date_time_text;

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;
const UPDATED_DAYS: i64 = 30;
const DELETED_DAYS: i64 = 15;
const IDS_MAX: usize = 600_000;

/// Ids of live rows whose `SystemModstamp` lies in the span.
pub fn updated(ctx: &Ctx, tx: &Tx<'_>, name: &str, query: &Query) -> Result<Answer, ApiError> {
    let object = replicateable(tx, name)?;
    let (start, end) = span(query, tx.now, UPDATED_DAYS)?;
    let stamp = if object.has("SystemModstamp") { "SystemModstamp" } else { "LastModifiedDate" };
    let live = if object.has("IsDeleted") { " AND \"IsDeleted\" = 0" } else { "" };
    let mut sql =
        format!("SELECT \"Id\" FROM \"{}\" AS q WHERE \"{stamp}\" >= ? AND \"{stamp}\" < ?{live}", object.name);
    let mut bound: Vec<rusqlite::types::Value> = vec![start.into(), end.into()];
    if let Some(shared) = sharing::condition(&tx.schema, &ctx.caller, &object, sharing::Level::Read) {
        sql += &format!(" AND ({})", shared.on("q"));
        bound.extend(shared.bound);
    }
    let ids: Vec<String> = tx
        .conn
        .prepare_cached(&sql)
        .and_then(|mut statement| statement.query_map(rusqlite::params_from_iter(bound), |row| row.get(0))?.collect())
        .expect("every replicateable object has a stamp");
    check_number(ids.len())?;
    let covered = covered(ctx, end);
    Ok(Answer::ok(json!({"ids": ids, "latestDateCovered": covered})))
}

/// Ids of deleted rows, in the recycle bin or out of it, with the time of their deletion.
pub fn deleted(ctx: &Ctx, tx: &Tx<'_>, name: &str, query: &Query) -> Result<Answer, ApiError> {
    let object = replicateable(tx, name)?;
    let (start, end) = span(query, tx.now, DELETED_DAYS)?;
    let sql = "SELECT id, deleted_ms FROM _recycle WHERE object = ?1 AND deleted_ms >= ?2 AND deleted_ms < ?3 \
               UNION SELECT id, deleted_ms FROM _purged WHERE object = ?1 AND deleted_ms >= ?2 AND deleted_ms < ?3 \
               ORDER BY 1";
    let records: Vec<Value> = tx
        .conn
        .prepare_cached(sql)
        .and_then(|mut statement| {
            let line = |row: &rusqlite::Row<'_>| {
                let (id, deleted_ms): (String, i64) = (row.get(0)?, row.get(1)?);
                Ok(json!({"id": id, "deletedDate": date_time_text(deleted_ms, "+0000")}))
            };
            statement.query_map(rusqlite::params![object.name, start, end], line)?.collect()
        })
        .expect("the store's own tables can be read");
    let shared = |record: &Value| {
        let id = record["id"].as_str().unwrap_or_default();
        sharing::allows(tx, &ctx.caller, &object, id, sharing::Level::Read)
    };
    let records: Vec<Value> = records.into_iter().filter(shared).collect();
    check_number(records.len())?;
    let earliest = date_time_text((tx.now - DELETED_DAYS * DAY_MS).div_euclid(MINUTE_MS) * MINUTE_MS, "+0000");
    let covered = covered(ctx, end);
    Ok(Answer::ok(json!({
        "deletedRecords": records, "earliestDateAvailable": earliest, "latestDateCovered": covered
    })))
}

fn check_number(ids: usize) -> Result<(), ApiError> {
    if ids > IDS_MAX {
        return Err(ApiError::new(400, "EXCEEDED_ID_LIMIT", "exceeded 600,000 ids; ask for a shorter span"));
    }
    Ok(())
}

fn replicateable(tx: &Tx<'_>, name: &str) -> Result<std::sync::Arc<Object>, ApiError> {
    let object = object(tx, name)?;
    if !object.replicateable {
        let text = format!("object type {} is not replicable", object.name);
        return Err(ApiError::new(400, "INVALID_TYPE_FOR_OPERATION", text));
    }
    Ok(object)
}

/// What is newer than now is not covered yet.
fn covered(ctx: &Ctx, end: i64) -> String {
    date_time_text(end.min(ctx.org.clock().now().div_euclid(MINUTE_MS) * MINUTE_MS), "+0000")
}

fn span(query: &Query, now: i64, days: i64) -> Result<(i64, i64), ApiError> {
    let invalid = |text: &str| ApiError::new(400, "INVALID_REPLICATION_DATE", text);
    let moment = |name: &str| {
        let text = query
            .get(name)
            .ok_or_else(|| ApiError::new(400, "MISSING_ARGUMENT", format!("missing required parameter: {name}")))?;
        // A `+` that was not encoded arrives as a blank.
        let ms =
            parse(&text.replace(' ', "+")).ok_or_else(|| invalid(&format!("{name} is not a valid date: {text}")))?;
        Ok::<_, ApiError>(ms.div_euclid(MINUTE_MS) * MINUTE_MS)
    };
    let (start, end) = (moment("start")?, moment("end")?);
    if start >= end {
        return Err(invalid("startDate must be at least one minute before endDate"));
    }
    if start < now - days * DAY_MS {
        return Err(invalid(&format!("startDate cannot be more than {days} days ago")));
    }
    Ok((start, end))
}

/// ISO 8601 with `Z` or an offset, with or without a colon in it.
fn parse(text: &str) -> Option<i64> {
    let offset = ["%Y-%m-%dT%H:%M:%S%.f%z", "%Y-%m-%dT%H:%M%z"];
    let moment = offset.iter().find_map(|format| DateTime::parse_from_str(text, format).ok());
    let utc = || NaiveDateTime::parse_from_str(text.strip_suffix('Z')?, "%Y-%m-%dT%H:%M:%S%.f").ok();
    moment.map(|moment| moment.timestamp_millis()).or_else(|| utc().map(|moment| moment.and_utc().timestamp_millis()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_read_in_every_form() {
        for text in [
            "2013-05-05T00:00:00+00:00",
            "2013-05-05T00:00:00Z",
            "2013-05-05T00:00:00.000+0000",
            "2013-05-05T02:00:00+02:00",
        ] {
            assert_eq!(parse(text), Some(1_367_712_000_000), "{text}");
        }
        assert_eq!(parse("2013-05-05"), None);
    }
}
