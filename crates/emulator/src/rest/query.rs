// SPDX-License-Identifier: Apache-2.0
//! `/query`, `/queryAll` and their further pages (`salesforce-api.md` 2.6).
//!
//! A page holds 2,000 records unless `Sforce-Query-Options` asks for fewer. What does not fit is kept as a cursor of Ids.

use serde_json::{Map, Value, json};

use crate::answer::Answer;
use crate::ctx::Ctx;
use crate::error::ApiError;
use crate::org::Tx;
use crate::rest::cursor::{self, Asked};
use crate::rest::{Call, children, columns, explain, recent};
use crate::soql::{self, Options, Prepared, Which};

const PAGE_MAX: usize = 2_000;
const PAGE_MIN: usize = 200;

/// By which resource a query is asked.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kind {
    /// `queryAll`: deleted rows too.
    pub all: bool,
    pub tooling: bool,
}

/// The first page of a query, its columns, or how it would be run.
pub fn first(ctx: &Ctx, tx: &Tx<'_>, call: &Call, kind: Kind) -> Result<Answer, ApiError> {
    let text = |name: &str| call.query.get(name).filter(|text| !text.trim().is_empty());
    if let Some(statement) = text("explain") {
        return explain::answer(ctx, tx, statement, options(kind, tx.now));
    }
    let statement = text("q").ok_or_else(|| ApiError::malformed_query("A query string has to be specified"))?;
    if call.query.is_true("columns") {
        let prepared = soql::prepare(&tx.schema, &ctx.caller, statement, options(kind, tx.now))?;
        return columns::answer(tx, &prepared, statement);
    }
    answer(ctx, tx, call, statement, kind)
}

fn options(kind: Kind, now: i64) -> Options {
    Options { all: kind.all, bulk: false, tooling: kind.tooling, now }
}

/// The first page of a statement.
pub fn answer(ctx: &Ctx, tx: &Tx<'_>, call: &Call, statement: &str, kind: Kind) -> Result<Answer, ApiError> {
    let prepared = soql::prepare(&tx.schema, &ctx.caller, statement, options(kind, tx.now))?;
    let tooling = kind.tooling;
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
    let size = page_size(call);
    let asked = Asked { statement, all: kind.all, tooling, user_id: &ctx.caller.user_id };
    let first = cursor::open(tx, &prepared, asked, size)?;
    let mut records = prepared.records(tx, &ctx.version, Which::Ids(&first.ids))?;
    children::cut(ctx, tx, statement, prepared.object(), kind, size, &mut records)?;
    recent::remember_all(ctx, statement, prepared.object(), &first.ids);
    let next = first.locator.map(|locator| next_url(ctx, tooling, &locator, size));
    Ok(Answer::ok(page(first.total as u64, records, next, &prepared, tooling)))
}

/// A further page: `<locator>-<offset>`.
pub fn next(ctx: &Ctx, tx: &Tx<'_>, call: &Call, locator: &str) -> Result<Answer, ApiError> {
    let (locator, offset) = locator.split_once('-').unwrap_or((locator, "0"));
    let offset: usize = offset.parse().map_err(|_| ApiError::invalid_query_locator())?;
    let cursor = cursor::find(tx, locator, &ctx.caller.user_id)
        .filter(|cursor| offset <= cursor.total)
        .ok_or_else(ApiError::invalid_query_locator)?;
    let kind = Kind { all: cursor.all, tooling: cursor.tooling };
    let prepared = soql::prepare(&tx.schema, &ctx.caller, &cursor.statement, options(kind, cursor.opened_ms))?;
    let end = cursor.total.min(offset + page_size(call));
    let ids = cursor.ids(tx, offset, end);
    let mut records = prepared.records(tx, &ctx.version, Which::Ids(&ids))?;
    children::cut(ctx, tx, &cursor.statement, prepared.object(), kind, page_size(call), &mut records)?;
    let next = (end < cursor.total).then(|| next_url(ctx, cursor.tooling, locator, end));
    Ok(Answer::ok(page(cursor.total as u64, records, next, &prepared, cursor.tooling)))
}

/// After queryAll the address says `/query/` too.
pub fn next_url(ctx: &Ctx, tooling: bool, locator: &str, offset: usize) -> String {
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
