// SPDX-License-Identifier: Apache-2.0
//! `/query`, `/queryAll` and their further pages (`salesforce-api.md` 2.6).
//!
//! A page holds 2,000 records unless `Sforce-Query-Options` asks for fewer. What does not fit is kept as a cursor of Ids.

use serde_json::{Map, Value, json};

use crate::answer::Answer;
use crate::ctx::Ctx;
use crate::error::ApiError;
use crate::faces::lock;
use crate::org::Tx;
use crate::rest::Call;
use crate::rest::columns;
use crate::rest::cursor::Cursor;
use crate::soql::{self, Options, Prepared, Which};

const PAGE_MAX: usize = 2_000;
const PAGE_MIN: usize = 200;

/// The first page of a query.
pub fn first(ctx: &Ctx, tx: &Tx<'_>, call: &Call, all: bool, tooling: bool) -> Result<Answer, ApiError> {
    if call.query.get("explain").is_some() {
        // Query plans tell of indexes and statistics that the emulator does not have.
        return Err(ApiError::new(400, "UNKNOWN_EXCEPTION", "The emulator has no query plans to explain"));
    }
    let statement = call.query.get("q").filter(|text| !text.trim().is_empty());
    let statement = statement.ok_or_else(|| ApiError::malformed_query("A query string has to be specified"))?;
    let options = Options { all, bulk: false, tooling, now: tx.now };
    let prepared = soql::prepare(&tx.schema, &ctx.caller, statement, options)?;
    if call.query.is_true("columns") {
        return columns::answer(tx, &prepared, statement);
    }
    if prepared.is_count_only() {
        return Ok(Answer::ok(page(prepared.total(tx)?, Vec::new(), None, &prepared, tooling)));
    }
    if prepared.is_aggregate() {
        let records = prepared.records(tx, &ctx.version, Which::All)?;
        if records.len() > PAGE_MAX {
            let text =
                "Aggregate query does not support queryMore(), use LIMIT to restrict the results to a single batch";
            return Err(ApiError::new(400, "EXCEEDED_ID_LIMIT", text));
        }
        return Ok(Answer::ok(page(records.len() as u64, records, None, &prepared, tooling)));
    }
    let ids = prepared.ids(tx)?;
    let size = page_size(call);
    let total = ids.len() as u64;
    let records = prepared.records(tx, &ctx.version, Which::Ids(&ids[..ids.len().min(size)]))?;
    let next = (ids.len() > size).then(|| {
        let cursor = Cursor {
            statement: statement.into(),
            all,
            tooling,
            ids: ids.into(),
            user_id: ctx.caller.user_id.clone(),
            opened_ms: tx.now,
        };
        let locator = lock(&ctx.org.faces.cursors).open(cursor);
        next_url(ctx, tooling, &locator, size)
    });
    Ok(Answer::ok(page(total, records, next, &prepared, tooling)))
}

/// A further page: `<locator>-<offset>`.
pub fn next(ctx: &Ctx, tx: &Tx<'_>, call: &Call, locator: &str) -> Result<Answer, ApiError> {
    let (locator, offset) = locator.split_once('-').unwrap_or((locator, "0"));
    let offset: usize = offset.parse().map_err(|_| ApiError::invalid_query_locator())?;
    let cursor = lock(&ctx.org.faces.cursors)
        .get(locator, tx.now)
        .filter(|cursor| cursor.user_id == ctx.caller.user_id && offset <= cursor.ids.len())
        .ok_or_else(ApiError::invalid_query_locator)?;
    let options = Options { all: cursor.all, bulk: false, tooling: cursor.tooling, now: cursor.opened_ms };
    let prepared = soql::prepare(&tx.schema, &ctx.caller, &cursor.statement, options)?;
    let end = cursor.ids.len().min(offset + page_size(call));
    let records = prepared.records(tx, &ctx.version, Which::Ids(&cursor.ids[offset..end]))?;
    let next = (end < cursor.ids.len()).then(|| next_url(ctx, cursor.tooling, locator, end));
    Ok(Answer::ok(page(cursor.ids.len() as u64, records, next, &prepared, cursor.tooling)))
}

/// After queryAll the address says `/query/` too.
fn next_url(ctx: &Ctx, tooling: bool, locator: &str, offset: usize) -> String {
    let tooling = if tooling { "/tooling" } else { "" };
    format!("{}{tooling}/query/{locator}-{offset}", ctx.data_path())
}

fn page(total: u64, records: Vec<Value>, next: Option<String>, prepared: &Prepared, tooling: bool) -> Value {
    let mut body = Map::new();
    if tooling {
        // The tooling API says a little more.
        body.insert("size".into(), records.len().into());
    }
    body.insert("totalSize".into(), total.into());
    body.insert("done".into(), next.is_none().into());
    if tooling {
        body.insert("queryLocator".into(), Value::Null);
        body.insert("entityTypeName".into(), prepared.object().name.as_str().into());
    }
    if let Some(url) = next {
        body.insert("nextRecordsUrl".into(), url.into());
    }
    body.insert("records".into(), json!(records));
    Value::Object(body)
}

/// `Sforce-Query-Options: batchSize=200..2000`; what lies outside is brought inside.
fn page_size(call: &Call) -> usize {
    let wanted = call.header("sforce-query-options").and_then(|value| {
        let (_, number) = value
            .split([',', ';'])
            .find_map(|part| part.split_once('=').filter(|(name, _)| name.trim().eq_ignore_ascii_case("batchSize")))?;
        number.trim().parse::<usize>().ok()
    });
    wanted.unwrap_or(PAGE_MAX).clamp(PAGE_MIN, PAGE_MAX)
}
