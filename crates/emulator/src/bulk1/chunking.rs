// SPDX-License-Identifier: Apache-2.0
//! PK chunking: a query job with the header `Sforce-Enable-PKChunking` splits each posted query by ranges of Ids
//! (`salesforce-api.md` 3.4).
//!
//! When the posted batch has its turn, the Ids between the first and the last of the object (or of `parent`, for shares and
//! histories) are cut into ranges of `chunkSize` Ids, whether rows have them or not; each range becomes a batch with the
//! query and the range in its WHERE clause, and the posted batch is `NotProcessed`. A query with clauses beyond WHERE is not
//! split and runs as it is. Ranges that hold nothing are left out once there would be more than a thousand of them.
//!
//! The text of the refusal of an object that cannot be split is a guess.

use std::sync::Arc;

use http::HeaderMap;
use serde::{Deserialize, Serialize};

use crate::bulk::progress::Outcome;
use crate::id;
use crate::org::{Org, Tx};
use crate::request::header;
use crate::schema::{Field, FieldType, Object, Schema};
use crate::soql;

use super::Refusal;
use super::batch::Batch;
use super::job::Job;
use super::journal;
use super::query::statement;

const CHUNK_DEFAULT_ROWS: u64 = 100_000;
const CHUNK_MAX_ROWS: u64 = 250_000;
/// Above so many ranges the empty ones are left out.
const RANGES_MAX: u128 = 1_000;
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Standard objects that can be split, as documented; custom ones all can.
const SPLITTABLE: [&str; 26] = [
    "Account",
    "AccountContactRelation",
    "AccountTeamMember",
    "AiVisitSummary",
    "Asset",
    "B2BMktActivity",
    "Campaign",
    "CampaignMember",
    "CandidateAnswer",
    "Case",
    "CaseArticle",
    "CaseComment",
    "Claim",
    "Contact",
    "ContractLineItem",
    "ContentDocument",
    "ContentVersion",
    "Event",
    "EventRelation",
    "Lead",
    "LoginHistory",
    "Opportunity",
    "Product2",
    "Task",
    "User",
    "WorkOrder",
];

/// How to split.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunking {
    /// Ids of a range.
    size: u64,
    /// The object by whose Ids a share or history is split.
    parent: Option<String>,
    /// Where to begin, instead of the first Id.
    start_row: Option<String>,
}

/// What the request's header asks for: `true`, or `chunkSize=…; parent=…; startRow=…` in any selection.
///
/// # Errors
/// `ClientInputError` for a header that says something else.
pub fn asked(headers: &HeaderMap) -> Result<Option<Chunking>, Refusal> {
    let Some(text) = header(headers, "sforce-enable-pkchunking") else { return Ok(None) };
    let bad = |part: &str| {
        Refusal::new("ClientInputError", format!("Invalid value in header Sforce-Enable-PKChunking: {part}"))
    };
    let mut chunking = Chunking { size: CHUNK_DEFAULT_ROWS, parent: None, start_row: None };
    for part in text.split([';', ',']).map(str::trim).filter(|part| !part.is_empty()) {
        match part.split_once('=').map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim())) {
            None if part.eq_ignore_ascii_case("true") => {}
            None if part.eq_ignore_ascii_case("false") => return Ok(None),
            Some((name, value)) if name == "chunksize" => {
                let size = value.parse().ok().filter(|size| (1..=CHUNK_MAX_ROWS).contains(size));
                chunking.size = size.ok_or_else(|| bad(part))?;
            }
            Some((name, value)) if name == "parent" => chunking.parent = Some(value.to_owned()),
            Some((name, value)) if name == "startrow" => {
                id::to18(value).ok_or_else(|| bad(part))?;
                chunking.start_row = Some(value.to_owned());
            }
            _ => return Err(bad(part)),
        }
    }
    Ok(Some(chunking))
}

/// Whether an object can be split so.
///
/// # Errors
/// `InvalidJob` when it cannot.
pub fn check(schema: &Schema, object: &str, chunking: &Chunking) -> Result<(), Refusal> {
    let known = schema.object(object);
    let splits = |object: &Object| object.custom || SPLITTABLE.contains(&object.name.as_str());
    let fits = match &chunking.parent {
        None => known.is_some_and(|object| splits(object)),
        Some(parent) => {
            let parent = schema.object(parent).filter(|parent| splits(parent));
            known.zip(parent).is_some_and(|(object, parent)| key(object, &parent.name).is_some())
        }
    };
    if fits {
        return Ok(());
    }
    Err(Refusal::new("InvalidJob", format!("PK chunking is not supported for object: {object}")))
}

/// The field of a share or history that names its parent.
fn key(object: &Object, parent: &str) -> Option<String> {
    let refers = |field: &&Arc<Field>| {
        field.kind == FieldType::Reference && field.reference_to.iter().any(|target| target == parent)
    };
    object.fields.iter().find(refers).map(|field| field.name.clone())
}

/// Splits the query of a posted batch. Nothing when it is to run as it is.
pub fn split(org: &Org, job: &Arc<Job>, batch: &Batch) -> Option<Outcome> {
    let chunking = job.chunking.as_ref().filter(|_| !batch.is_chunk)?;
    let text = match statement(batch) {
        Ok(text) => text,
        Err(error) => return Some(Outcome::failed(error)),
    };
    let query = soql::parse(&text).ok()?;
    let only_where = query.scope.is_none()
        && query.order.is_empty()
        && query.limit.is_none()
        && query.offset.is_none()
        && query.purposes.is_empty()
        && query.having.is_none();
    if !only_where || query.filter.is_some() != where_clause(&text).is_some() {
        return None;
    }
    let schema = org.schema();
    let counted = schema.object(chunking.parent.as_deref().unwrap_or(&job.order.object))?;
    let object = schema.object(&job.order.object)?;
    let column = match &chunking.parent {
        Some(_) => key(object, &counted.name)?,
        None => "Id".to_owned(),
    };
    let ranges = org.read(|tx| ranges(tx, counted, chunking));
    let mut queries: Vec<String> = ranges.iter().map(|(from, to)| within(&text, &column, from, to)).collect();
    if queries.is_empty() {
        queries.push(text);
    }
    for query in queries {
        match job.add(org, query.as_bytes(), true) {
            Ok(chunk) => journal::keep_batch(org, &chunk),
            Err(error) => return Some(Outcome::failed(error)),
        }
    }
    let now_ms = org.clock().now();
    // It was waiting a moment ago and nobody else ends it.
    let _ = batch.progress().abort(now_ms);
    Some(Outcome::default())
}

/// Ranges of Ids, the upper end excluded, 15 characters each.
fn ranges(tx: &Tx<'_>, object: &Object, chunking: &Chunking) -> Vec<(String, String)> {
    let ends = format!("SELECT MIN(\"Id\"), MAX(\"Id\") FROM \"{}\"", object.name);
    let ends: rusqlite::Result<(Option<String>, Option<String>)> =
        tx.conn.query_row(&ends, [], |row| Ok((row.get(0)?, row.get(1)?)));
    let Ok((Some(first), Some(last))) = ends else { return Vec::new() };
    let first = chunking.start_row.as_deref().unwrap_or(&first);
    let (prefix, mut from, last) = (id::prefix(first).to_owned(), number(first), number(&last));
    let size = u128::from(chunking.size);
    let many = last.saturating_sub(from) / size > RANGES_MAX;
    let mut ranges = Vec::new();
    while from <= last {
        let (low, high) = (text(&prefix, from), text(&prefix, from + size));
        if !many || tx.count(&object.name, "\"Id\" >= ?1 AND \"Id\" < ?2", &[&low, &high]) > 0 {
            ranges.push((low, high));
        }
        from += size;
    }
    ranges
}

/// The counting part of an Id.
fn number(id: &str) -> u128 {
    let digit = |byte: u8| DIGITS.iter().position(|&known| known == byte).unwrap_or(0) as u128;
    id::to15(id).bytes().skip(3).fold(0, |number, byte| number * 62 + digit(byte))
}

fn text(prefix: &str, mut number: u128) -> String {
    let mut digits = [b'0'; 12];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[(number % 62) as usize];
        number /= 62;
    }
    format!("{prefix}{}", String::from_utf8_lossy(&digits))
}

/// The query with a range in its WHERE clause, as the documentation's example has it.
fn within(query: &str, column: &str, from: &str, to: &str) -> String {
    let range = format!("{column} >= '{from}' AND {column} < '{to}'");
    match where_clause(query) {
        None => format!("{} WHERE {range}", query.trim_end()),
        Some(at) => {
            let (head, filter) = (&query[..at], query[at + "WHERE".len()..].trim());
            format!("{head}WHERE ({filter}) AND {range}")
        }
    }
}

/// Where the statement's own WHERE stands: outside quotes and parentheses.
fn where_clause(query: &str) -> Option<usize> {
    let bytes = query.as_bytes();
    let (mut depth, mut quoted, mut at) = (0_usize, false, 0);
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if quoted => at += 1,
            b'\'' => quoted = !quoted,
            b'(' if !quoted => depth += 1,
            b')' if !quoted => depth = depth.saturating_sub(1),
            b'w' | b'W' if !quoted && depth == 0 => {
                let is_word = bytes[at..].len() >= 5 && bytes[at..at + 5].eq_ignore_ascii_case(b"WHERE");
                let apart =
                    |place: Option<&u8>| place.is_none_or(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_');
                if is_word && apart(at.checked_sub(1).and_then(|before| bytes.get(before))) && apart(bytes.get(at + 5))
                {
                    return Some(at);
                }
            }
            _ => {}
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentations_ranges_come_out() {
        // The PK chunking page: 250,000 Ids from 001300000000000 on.
        let from = number("001300000000000");
        let ends: Vec<String> = (1..4).map(|range| text("001", from + range * 250_000)).collect();
        assert_eq!(ends, ["00130000000132G", "00130000000264W", "00130000000396m"]);
    }

    #[test]
    fn a_range_joins_the_filter() {
        let plain = within("SELECT Name FROM Account ", "Id", "a", "b");
        assert_eq!(plain, "SELECT Name FROM Account WHERE Id >= 'a' AND Id < 'b'");
        let text = "SELECT Id FROM Account where Name = 'where (x\\'' OR Name = 'y'";
        let filtered = within(text, "Id", "a", "b");
        assert_eq!(
            filtered,
            "SELECT Id FROM Account WHERE (Name = 'where (x\\'' OR Name = 'y') AND Id >= 'a' AND Id < 'b'"
        );
    }

    #[test]
    fn headers_are_read_as_clients_write_them() {
        let read = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("sforce-enable-pkchunking", value.parse().unwrap());
            asked(&headers)
        };
        assert_eq!(read("true").unwrap().unwrap().size, 100_000);
        let singer = read("true; chunkSize=50000; parent=Account").unwrap().unwrap();
        assert_eq!((singer.size, singer.parent.as_deref()), (50_000, Some("Account")));
        assert!(read("FALSE").unwrap().is_none());
        assert!(read("chunkSize=250001").is_err() && read("startRow=x").is_err() && read("maybe").is_err());
    }
}
