// SPDX-License-Identifier: Apache-2.0
//! `/query`, `/queryAll` and their further pages (`salesforce-api.md` 2.6).
//!
//! A page holds 2,000 records unless `Sforce-Query-Options` asks for fewer. What does not fit is kept as a cursor of Ids.

use serde_json::{Map, Value};

use crate::answer::{Answer, write_json};
use crate::ctx::Ctx;
use crate::error::ApiError;
use crate::log::Family;
use crate::org::Tx;
use crate::rest::cursor::{self, Asked};
use crate::rest::{Call, children, columns, explain, recent};
use crate::soql::{self, Options, Prepared, Text, Which};

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
    let page = Page { ctx, tx, call, statement, prepared: &prepared, kind, size: page_size(call) };
    let counts = prepared.is_count_only() || prepared.is_aggregate();
    let found = || if counts { prepared.counted(tx) } else { prepared.total(tx) };
    ctx.org.faces.faults.on_query(Family::Query, &prepared.object().name, counts, tx.now, found)?;
    if prepared.is_count_only() {
        return Ok(page.answer(prepared.total(tx)?, Records::Values(Vec::new()), None));
    }
    if prepared.is_aggregate() {
        let (records, _) = page.records(Which::All)?;
        if records.len() > PAGE_MAX {
            let text =
                "Aggregate query does not support queryMore(), use LIMIT to restrict the results to a single batch";
            return Err(ApiError::new(400, "EXCEEDED_ID_LIMIT", text));
        }
        return Ok(page.answer(records.len() as u64, records, None));
    }
    recent::remember_all(ctx, tx, statement, &prepared)?;
    let (records, is_more) = page.records(Which::First(page.size))?;
    if !is_more {
        // Nearly every result is whole in its first page, and nothing has to be kept of it.
        return Ok(page.answer(records.len() as u64, records, None));
    }
    let asked = Asked { statement, all: kind.all, tooling: kind.tooling, user_id: &ctx.caller.user_id };
    let first = cursor::open(tx, &prepared, asked, page.size)?;
    let next = first.locator.map(|locator| next_url(ctx, kind.tooling, &locator, page.size));
    Ok(page.answer(first.total as u64, records, next))
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
    let page = Page { ctx, tx, call, statement: &cursor.statement, prepared: &prepared, kind, size: page_size(call) };
    let end = cursor.total.min(offset + page.size);
    let (records, _) = page.records(Which::Ids(&cursor.ids(tx, offset, end)))?;
    let next = (end < cursor.total).then(|| next_url(ctx, cursor.tooling, locator, end));
    Ok(page.answer(cursor.total as u64, records, next))
}

/// The records of a page.
enum Records {
    Text(Text),
    /// For who looks into them, and where child results had to be cut.
    Values(Vec<Value>),
}

impl Records {
    fn len(&self) -> usize {
        match self {
            Records::Text(text) => text.records,
            Records::Values(values) => values.len(),
        }
    }
}

/// A page of a query that is being answered.
struct Page<'a> {
    ctx: &'a Ctx,
    tx: &'a Tx<'a>,
    call: &'a Call,
    statement: &'a str,
    prepared: &'a Prepared,
    kind: Kind,
    size: usize,
}

impl Page<'_> {
    /// Reads records, and cuts child results that are more than a page. Says whether there are more records.
    fn records(&self, which: Which<'_>) -> Result<(Records, bool), ApiError> {
        let Page { ctx, tx, prepared, .. } = *self;
        if !self.call.looks_into {
            let text = prepared.text(tx, &ctx.version, which)?;
            if text.most_children <= self.size {
                let is_more = text.is_more;
                return Ok((Records::Text(text), is_more));
            }
        }
        let (mut records, is_more) = prepared.records_and_more(tx, &ctx.version, which)?;
        children::cut(ctx, tx, self.statement, prepared.object(), self.kind, self.size, &mut records)?;
        Ok((Records::Values(records), is_more))
    }

    fn answer(&self, total: u64, records: Records, next: Option<String>) -> Answer {
        let tooling = self.kind.tooling;
        let mut body = Map::new();
        if tooling {
            // The tooling API says a little more.
            body.insert("size".into(), records.len().into());
        }
        body.insert("totalSize".into(), total.into());
        body.insert("done".into(), next.is_none().into());
        if tooling {
            body.insert("queryLocator".into(), Value::Null);
            body.insert("entityTypeName".into(), self.prepared.object().name.as_str().into());
        }
        if let Some(url) = next {
            body.insert("nextRecordsUrl".into(), url.into());
        }
        match records {
            Records::Values(records) => {
                body.insert("records".into(), records.into());
                Answer::ok(Value::Object(body))
            }
            Records::Text(records) => {
                let mut text = Vec::with_capacity(records.json.len() + 256);
                write_json(&body, &mut text);
                // The records go before the closing brace.
                text.pop();
                text.extend_from_slice(b",\"records\":[");
                text.extend_from_slice(&records.json);
                text.extend_from_slice(b"]}");
                Answer::text(text)
            }
        }
    }
}

/// After queryAll the address says `/query/` too.
pub fn next_url(ctx: &Ctx, tooling: bool, locator: &str, offset: usize) -> String {
    let tooling = if tooling { "/tooling" } else { "" };
    format!("{}{tooling}/query/{locator}-{offset}", ctx.data_path())
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
