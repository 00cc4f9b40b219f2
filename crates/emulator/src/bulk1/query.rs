// SPDX-License-Identifier: Apache-2.0
//! The work of a batch that reads: a query whose rows become result files of up to a gigabyte (`salesforce-api.md` 3.3, 3.4).
//!
//! CSV has the form of Bulk 2.0. JSON is an array of REST's records, printed as recorded, with dates as milliseconds since
//! 1970; a polymorphic `TYPEOF` is allowed there. XML is a `queryResult` of `sObject` records. A query without rows leaves
//! one result that says so in words.

use std::io::{self, Read as _, Write as _};
use std::sync::Arc;

use serde_json::Value;

use crate::answer::render;
use crate::bulk::progress::Outcome;
use crate::bulk::query::{Stop, prepare};
use crate::bulk::spool::{Draft, Kept, Spool};
use crate::error::ApiError;
use crate::faces::lock;
use crate::log::Family;
use crate::org::{Org, Tx};
use crate::schema::{FieldType, Schema};
use crate::soql::{self, Dialect, Prepared};
use crate::value::parse_date_time;

use super::batch::Batch;
use super::job::Job;
use super::order::Content;
use super::xml::escape;

/// The most bytes of a result file (`salesforce-api.md` 3.3).
const RESULT_MAX_BYTES: u64 = 1_000_000_000;
const EMPTY: &[u8] = b"Records not found for this query";
const XML_HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><queryResult \
                        xmlns=\"http://www.force.com/2009/06/asyncapi/dataload\" \
                        xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">";

/// The statement a batch was posted with.
///
/// # Errors
/// The `stateMessage` of the batch, which fails.
pub fn statement(batch: &Batch) -> Result<String, String> {
    let mut text = String::new();
    let read = batch.request.open().and_then(|mut range| range.read_to_string(&mut text));
    read.map(|_| text.trim().to_owned()).map_err(|error| format!("InvalidBatch : {error}"))
}

/// Works the batch off.
pub fn run(org: &Org, job: &Job, batch: &Batch) -> Outcome {
    let text = match statement(batch) {
        Ok(text) => text,
        Err(error) => return Outcome::failed(error),
    };
    let spool = lock(&org.faces.jobs).spool.clone();
    let mut files = Files::new(job.content, spool, batch.id.clone(), RESULT_MAX_BYTES);
    let read = check(org, job, &text).map_err(Stop::Refused).and_then(|prepared| match job.content {
        Content::Csv | Content::ZipCsv => csv(org, batch, &prepared, &mut files),
        _ => records(org, job, batch, &prepared, &mut files),
    });
    let rows = files.rows;
    let fault = org.faces.faults.on_job(Family::Bulk1, &job.order.object, job.order.operation, org.clock().now());
    let outcome = match read.and_then(|()| files.finish().map_err(Stop::Unwritable)) {
        _ if fault.failure.is_some() => {
            Outcome { error: fault.failure.map(|(message, _)| message), ..Outcome::default() }
        }
        Ok(documents) => {
            let mut registry = lock(&org.faces.jobs);
            *batch.results() = documents.iter().map(|_| registry.next_result()).collect();
            Outcome { processed: rows, documents, ..Outcome::default() }
        }
        Err(Stop::Refused(error)) => Outcome::failed(message(&error)),
        Err(Stop::Unwritable(error)) => Outcome::failed(format!("InternalServerError : {error}")),
        Err(Stop::Aborted) => Outcome::default(),
    };
    Outcome { slow_ms: fault.slow_ms, ..outcome }
}

/// A `TYPEOF` makes nested records, which only JSON can show.
fn check(org: &Org, job: &Job, text: &str) -> Result<Prepared, ApiError> {
    let nests = |query: soql::ast::Query| query.select.iter().any(|item| matches!(item, soql::ast::Item::TypeOf(_)));
    let operation = job.order.operation;
    if job.content != Content::Json || !soql::parse(text).is_ok_and(nests) {
        return prepare(org, &job.order.caller, text, operation);
    }
    let all = operation == crate::bulk::operation::Operation::QueryAll;
    let options = soql::Options { all, bulk: false, tooling: false, now: org.clock().now() };
    soql::prepare(&org.schema(), &job.order.caller, text, options)
}

/// `stateMessage` of a query that is refused.
fn message(error: &ApiError) -> String {
    match error.code.as_str() {
        "FeatureNotEnabled" => format!("FeatureNotEnabled : {}", error.message),
        "INVALIDBATCH" | "API_ERROR" => format!("InvalidBatch : {}", error.message),
        "INVALIDENTITY" => format!("InvalidEntity : {}", error.message),
        code => format!("InvalidBatch : Failed to process query: {code}: {}", error.message),
    }
}

fn csv(org: &Org, batch: &Batch, prepared: &Prepared, files: &mut Files) -> Result<(), Stop> {
    let dialect = Dialect::default();
    files.head = prepared.csv_header(dialect);
    let first = |tx: &Tx<'_>| drop(prepared.csv(tx, dialect, |_| Err(Stop::Aborted)));
    org.read_apart(first, |tx| {
        prepared.csv(tx, dialect, |row| {
            if batch.is_stopped() {
                return Err(Stop::Aborted);
            }
            files.add(row).map_err(Stop::Unwritable)
        })
    })?;
    Ok(())
}

fn records(org: &Org, job: &Job, batch: &Batch, prepared: &Prepared, files: &mut Files) -> Result<(), Stop> {
    let schema = org.schema();
    org.read(|tx| {
        prepared.each_record(tx, &job.order.version, |mut record| {
            if batch.is_stopped() {
                return Err(Stop::Aborted);
            }
            let line = if job.content == Content::Json {
                epochs(&mut record, &schema);
                render(&record, true)
            } else {
                let mut text = String::new();
                sobject(&mut text, "records", &record, &schema);
                text.into_bytes()
            };
            files.add(&line).map_err(Stop::Unwritable)
        })
    })
}

/// Dates and times as numbers, wherever a record says of which object it is.
fn epochs(record: &mut Value, schema: &Arc<Schema>) {
    let Some(members) = record.as_object_mut() else { return };
    let object = members.get("attributes").and_then(|attributes| attributes["type"].as_str());
    let object = object.and_then(|name| schema.object(name)).cloned();
    for (name, value) in members {
        let kind = object.as_ref().and_then(|object| object.field(name)).map(|field| field.kind);
        match (kind, &*value) {
            (Some(kind @ (FieldType::Datetime | FieldType::Date)), Value::String(text)) => {
                let time = if kind == FieldType::Date { "T00:00:00Z" } else { "" };
                if let Some(ms) = parse_date_time(&format!("{text}{time}")) {
                    *value = Value::from(ms);
                }
            }
            _ => epochs(value, schema),
        }
    }
}

/// `<records xsi:type="sObject"><type>Account</type><Id>…</Id>…</records>`, parents nested.
fn sobject(out: &mut String, tag: &str, record: &Value, schema: &Arc<Schema>) {
    let Some(members) = record.as_object() else { return };
    let kind = members.get("attributes").and_then(|attributes| attributes["type"].as_str()).unwrap_or_default();
    let object = schema.object(kind);
    *out += &format!("<{tag} xsi:type=\"sObject\"><type>{kind}</type>");
    for (name, value) in members.iter().filter(|(name, _)| *name != "attributes") {
        let field = object.and_then(|object| object.field(name)).map(|field| field.kind);
        match value {
            Value::Object(_) => sobject(out, name, value, schema),
            Value::Null => *out += &format!("<{name} xsi:nil=\"true\"/>"),
            Value::String(text) => {
                // SOAP's form of a time ends in Z.
                let text = match field {
                    Some(FieldType::Datetime) => text.replace("+0000", "Z"),
                    _ => text.clone(),
                };
                *out += &format!("<{name}>{}</{name}>", escape(&text));
            }
            other => *out += &format!("<{name}>{other}</{name}>"),
        }
    }
    *out += &format!("</{tag}>");
}

/// The result files while they grow.
struct Files {
    content: Content,
    spool: Spool,
    batch_id: String,
    max_bytes: u64,
    head: Vec<u8>,
    rows: u64,
    growing: Option<Draft>,
    full: Vec<Kept>,
}

impl Files {
    fn new(content: Content, spool: Spool, batch_id: String, max_bytes: u64) -> Files {
        let head = match content {
            Content::Json => b"[ ".to_vec(),
            Content::Xml => XML_HEAD.as_bytes().to_vec(),
            _ => Vec::new(),
        };
        Files { content, spool, batch_id, max_bytes, head, rows: 0, growing: None, full: Vec::new() }
    }

    fn add(&mut self, row: &[u8]) -> io::Result<()> {
        let is_full = self.growing.as_ref().is_some_and(|draft| draft.size_bytes() + row.len() as u64 > self.max_bytes);
        if is_full {
            self.end_file()?;
        }
        match &mut self.growing {
            Some(draft) => {
                if self.content == Content::Json {
                    draft.write_all(b", ")?;
                }
                draft.write_all(row)?;
            }
            None => {
                let mut draft = self.begin_file()?;
                draft.write_all(&self.head)?;
                draft.write_all(row)?;
                self.growing = Some(draft);
            }
        }
        self.rows += 1;
        Ok(())
    }

    fn begin_file(&self) -> io::Result<Draft> {
        self.spool.begin(&format!("{}-result-{}", self.batch_id, self.full.len()))
    }

    fn end_file(&mut self) -> io::Result<()> {
        let Some(mut draft) = self.growing.take() else { return Ok(()) };
        draft.write_all(match self.content {
            Content::Json => b" ]",
            Content::Xml => b"</queryResult>",
            _ => b"",
        })?;
        self.full.push(draft.finish()?);
        Ok(())
    }

    fn finish(mut self) -> io::Result<Vec<Kept>> {
        self.end_file()?;
        if self.full.is_empty() {
            let mut draft = self.begin_file()?;
            match self.content {
                Content::Json => draft.write_all(b"[ ]")?,
                Content::Xml => {
                    draft.write_all(XML_HEAD.as_bytes())?;
                    draft.write_all(b"</queryResult>")?;
                }
                _ => draft.write_all(EMPTY)?,
            }
            self.full.push(draft.finish()?);
        }
        Ok(self.full)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(kept: &Kept) -> String {
        let mut text = String::new();
        kept.open().unwrap().read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn a_large_result_is_several_files_each_whole() {
        let mut files = Files::new(Content::Json, Spool::default(), "751".to_owned(), 9);
        for row in ["{1}", "{2}", "{3}"] {
            files.add(row.as_bytes()).unwrap();
        }
        let texts: Vec<String> = files.finish().unwrap().iter().map(text).collect();
        assert_eq!(texts, ["[ {1}, {2} ]", "[ {3} ]"]);
        let files = Files::new(Content::Csv, Spool::default(), "751".to_owned(), 9);
        assert_eq!(text(&files.finish().unwrap()[0]), "Records not found for this query");
    }
}
