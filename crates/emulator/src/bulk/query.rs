// SPDX-License-Identifier: Apache-2.0
//! Query jobs: ordering, running and paging them (`salesforce-api.md` 3.1).
//!
//! A query is checked when it is ordered and run once, into temporary files; pages are ranges of rows of those. A locator
//! is the base64 of the row a page begins with, so every locator works at any time and in any order.

use std::io;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde_json::json;

use crate::answer::Answer;
use crate::ctx::Ctx;
use crate::error::ApiError;
use crate::faces::lock;
use crate::log::Family;
use crate::org::{Org, Tx};
use crate::request::Query;
use crate::soql::{self, Dialect, Prepared};
use crate::user::Caller;

use super::job::Job;
use super::operation::Operation;
use super::progress::{Outcome, State, invalid_state};
use super::results::{Results, Writer};
use super::{order, unreadable};

/// Rows of a page when `maxRecords` does not say otherwise.
const PAGE_ROWS: u64 = 100_000;
/// The most rows of a page.
const PAGE_MAX_ROWS: u64 = 250_000;
/// The most bytes of a page.
const PAGE_MAX_BYTES: u64 = 1_000_000_000;
/// How many pages `resultPages` names at once.
const PAGES_AT_ONCE: usize = 5;

/// `POST /jobs/query`.
///
/// # Errors
/// As SOQL refuses the query.
pub fn create(ctx: &Ctx, body: &[u8]) -> Result<Arc<Job>, ApiError> {
    let mut order = order::query(ctx, body)?;
    let now_ms = ctx.org.clock().now();
    let prepared = prepare(&ctx.org, &order.caller, &order.query, order.operation)?;
    prepared.object().name.clone_into(&mut order.object);
    let mut registry = lock(&ctx.org.faces.jobs);
    registry.quotas.take_query_job(now_ms)?;
    Ok(registry.add(order, now_ms))
}

/// Checks a statement for Bulk.
///
/// # Errors
/// As SOQL refuses it.
pub fn prepare(org: &Org, caller: &Caller, text: &str, operation: Operation) -> Result<Prepared, ApiError> {
    let options =
        soql::Options { all: operation == Operation::QueryAll, bulk: true, tooling: false, now: org.clock().now() };
    soql::prepare(&org.schema(), caller, text, options)
}

/// Works the job off.
pub fn run(org: &Org, job: &Job) -> Outcome {
    let fault = org.faces.faults.on_job(Family::Bulk, &job.order.object, job.order.operation, org.clock().now());
    let outcome = match write(org, job) {
        _ if fault.failure.is_some() => {
            Outcome { error: fault.failure.map(|(message, _)| message), ..Outcome::default() }
        }
        Ok(rows) => Outcome { processed: rows.count, rows: Some(rows), ..Outcome::default() },
        Err(Stop::Refused(error)) => Outcome::failed(format!("{} : {}", error.code, error.message)),
        Err(Stop::Unwritable(error)) => Outcome::failed(format!("InternalServerError : {error}")),
        Err(Stop::Aborted) => Outcome::default(),
    };
    Outcome { slow_ms: fault.slow_ms, ..outcome }
}

/// Why the rows of a query are not all there.
pub enum Stop {
    Refused(ApiError),
    Unwritable(io::Error),
    Aborted,
}

impl From<ApiError> for Stop {
    fn from(error: ApiError) -> Stop {
        Stop::Refused(error)
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Stop {
        Stop::Unwritable(error)
    }
}

fn write(org: &Org, job: &Job) -> Result<Results, Stop> {
    let order = &job.order;
    let prepared = prepare(org, &order.caller, &order.query, order.operation)?;
    let dialect = Dialect { delimiter: order.delimiter.byte(), line_ending: order.line_ending.text() };
    let spool = lock(&org.faces.jobs).spool.clone();
    let mut rows = Writer::new(&spool, &format!("{}-rows", job.id), &prepared.csv_header(dialect))?;
    let first = |tx: &Tx<'_>| drop(prepared.csv(tx, dialect, |_| Err(Stop::Aborted)));
    org.read_apart(first, |tx| {
        org.faces.faults.on_query(Family::Bulk, &order.object, false, tx.now, || prepared.total(tx))?;
        prepared.csv(tx, dialect, |row| {
            if job.is_stopped() {
                return Err(Stop::Aborted);
            }
            rows.add(row).map_err(Stop::Unwritable)
        })
    })?;
    Ok(rows.finish()?)
}

/// The text form of the row a page begins with.
pub fn encode_locator(row: u64) -> String {
    STANDARD_NO_PAD.encode(row.to_string())
}

/// The row that a locator names: base64 of its number, or the number itself as up to API 48.0.
pub fn decode_locator(locator: &str) -> Option<u64> {
    let decimal = |text: &str| -> Option<u64> {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if digits { text.parse().ok() } else { None }
    };
    let decoded = STANDARD_NO_PAD.decode(locator.trim_end_matches('=')).ok();
    let decoded = decoded.and_then(|bytes| decimal(&String::from_utf8(bytes).ok()?));
    decoded.or_else(|| decimal(locator))
}

fn locator(ctx: &Ctx, row: u64) -> String {
    if ctx.version_number() <= 48 { row.to_string() } else { encode_locator(row) }
}

/// Checks that there are results and that this request may have them.
fn ready(ctx: &Ctx, job: &Job) -> Result<(), ApiError> {
    let version = &job.order.version;
    if *version != ctx.version {
        let text = format!("The job was created in API version {version}, the request is in {}", ctx.version);
        return Err(ApiError::new(409, "INVALIDVERSION", text));
    }
    let state = job.progress().state;
    if state == State::JobComplete {
        return Ok(());
    }
    Err(invalid_state(format!(
        "can only download query results of successfully completed bulk job with status: JOB_COMPLETE. Current status: {}",
        state.constant()
    )))
}

fn start(query: &Query) -> Result<u64, ApiError> {
    // Clients pass on the "null" of the last page's header or an empty value when they mean the beginning.
    match query.get("locator") {
        None | Some("" | "null") => Ok(0),
        Some(locator) => decode_locator(locator).ok_or_else(ApiError::invalid_query_locator),
    }
}

/// `GET /jobs/query/{id}/results`.
///
/// # Errors
/// 409 for another API version than the job's, 400 `INVALIDJOBSTATE` before it is complete; 204 is answered when it
/// failed.
pub fn results(ctx: &Ctx, job: &Job, query: &Query) -> Result<Answer, ApiError> {
    if job.order.version == ctx.version && job.progress().state == State::Failed {
        return Ok(Answer::empty(204));
    }
    ready(ctx, job)?;
    let max_rows = match query.get("maxRecords") {
        None | Some("") => PAGE_ROWS,
        Some(text) => {
            let rows = text.parse().ok().filter(|&rows: &u64| rows > 0);
            rows.ok_or_else(|| order::invalid_value(text, "maxRecords"))?
        }
    };
    let first = start(query)?;
    let progress = job.progress();
    let rows = progress.outcome.rows.as_ref().ok_or_else(ApiError::not_found)?;
    if first > rows.count {
        return Err(ApiError::invalid_query_locator());
    }
    let fits = rows.rows_within(first, max_rows.min(PAGE_MAX_ROWS), PAGE_MAX_BYTES);
    let page = fits.and_then(|fits| rows.page(first, fits)).map_err(|error| unreadable(&error))?;
    let next = first + page.count;
    let next = if next < rows.count { locator(ctx, next) } else { "null".to_owned() };
    let count = page.count.to_string();
    Ok(Answer::stream("text/csv", page.into_body())
        .header("sforce-numberofrecords", count)
        .header("sforce-locator", next))
}

/// `GET /jobs/query/{id}/resultPages`: up to five pages that can be fetched at once.
///
/// # Errors
/// As [`results`].
pub fn result_pages(ctx: &Ctx, job: &Job, query: &Query) -> Result<Answer, ApiError> {
    ready(ctx, job)?;
    let progress = job.progress();
    let rows = progress.outcome.rows.as_ref().ok_or_else(ApiError::not_found)?;
    let url = format!("{}/jobs/query/{}", ctx.data_path(), job.id);
    let mut first = start(query)?;
    let mut pages = Vec::new();
    while pages.len() < PAGES_AT_ONCE && (first < rows.count || (first == 0 && pages.is_empty())) {
        pages.push(json!({"resultUrl": format!("{url}/results?locator={}", locator(ctx, first))}));
        let fits = rows.rows_within(first, PAGE_ROWS, PAGE_MAX_BYTES).map_err(|error| unreadable(&error))?;
        if fits == 0 {
            break;
        }
        first += fits;
    }
    let done = first >= rows.count;
    let next = (!done).then(|| format!("{url}/resultPages?locator={}", locator(ctx, first)));
    Ok(Answer::ok(json!({"resultPages": pages, "nextRecordsUrl": next, "done": done})))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locators_are_the_row_in_base64_without_padding() {
        // salesforce-api.md 3.1: the documentation's sample MTAwMDA decodes to 10000.
        assert_eq!(encode_locator(10_000), "MTAwMDA");
        assert_eq!(decode_locator("MTAwMDA"), Some(10_000));
        assert_eq!(decode_locator("MjAwMDAw"), Some(200_000));
        assert_eq!(decode_locator("25000"), Some(25_000));
        assert_eq!(decode_locator("nonsense!"), None);
    }
}
