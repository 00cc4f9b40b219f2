// SPDX-License-Identifier: Apache-2.0
//! The work of a batch that writes: its rows in their order, 200 to a transaction, and one result per row in the same order
//! (`salesforce-api.md` 3.4). Rows that are refused do not fail the batch; one that cannot be read does, before any row.

use std::io::{self, Read as _, Write as _};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::bulk::CHUNK_ROWS;
use crate::bulk::chunk::Chunks;
use crate::bulk::csv::write_value;
use crate::bulk::deed::{Deed, Done};
use crate::bulk::journal;
use crate::bulk::progress::Outcome;
use crate::bulk::spool::{Draft, Spool};
use crate::error::SaveError;
use crate::faces::lock;
use crate::log::Family;
use crate::org::Org;

use super::batch::Batch;
use super::job::{Job, Mode};
use super::order::Content;
use super::records;
use super::xml::escape;

const XML_HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
                        <results xmlns=\"http://www.force.com/2009/06/asyncapi/dataload\">";

/// How far the work was when its process ended.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Mark {
    rows: usize,
    refused: u64,
    size_bytes: u64,
}

/// Works the batch off.
pub fn run(org: &Org, job: &Job, batch: &Batch) -> Outcome {
    work_off(org, job, batch).unwrap_or_else(|error| Outcome::failed(format!("InternalServerError : {error}")))
}

fn work_off(org: &Org, job: &Job, batch: &Batch) -> io::Result<Outcome> {
    let schema = org.schema();
    let Some(object) = schema.object(&job.order.object) else {
        return Ok(Outcome::failed(format!("InvalidJob : Unable to find object: {}", job.order.object)));
    };
    let mut body = Vec::new();
    batch.request.open()?.read_to_end(&mut body)?;
    let mut deeds = match records::read(job.content, &schema, object, &job.order, &body) {
        Ok(deeds) => deeds,
        Err(error) => return Ok(Outcome::failed(error)),
    };
    drop(body);
    let spool = lock(&org.faces.jobs).spool.clone();
    let found: Option<Mark> = journal::mark(org, &batch.id);
    if found.is_none()
        && let Err(error) = lock(&org.faces.jobs).quotas.take_rows(org.clock().now(), deeds.len())
    {
        return Ok(Outcome::failed(error));
    }
    // Batches of a Serial job never meet; those of a parallel one do.
    let holder = if job.mode == Mode::Serial { &job.id } else { &batch.id };
    let mut chunks = Chunks::new(Family::Bulk1, org, &job.order, object, holder);
    let mut results = Results::begin(job.content, &spool, &format!("{}-result-0", batch.id), found)?;
    deeds.drain(..results.mark.rows.min(deeds.len()));
    let mut error = None;
    while !deeds.is_empty() && !batch.is_stopped() {
        error = chunks.failure();
        if error.is_some() {
            break;
        }
        let chunk: Vec<Deed> = deeds.drain(..deeds.len().min(CHUNK_ROWS)).collect();
        chunks.write(chunk, |tx, done| {
            for done in &done {
                results.add(done, &job.order.version)?;
            }
            if spool.lasts() {
                journal::note(tx, &batch.id, &results.marked()?);
            }
            Ok(())
        })?;
    }
    let slow_ms = chunks.end();
    let mark = results.mark;
    let documents = vec![results.finish()?];
    Ok(Outcome { error, processed: mark.rows as u64, failed: mark.refused, documents, slow_ms, ..Outcome::default() })
}

/// The results while they grow.
struct Results {
    content: Content,
    draft: Draft,
    mark: Mark,
}

impl Results {
    fn begin(content: Content, spool: &Spool, name: &str, found: Option<Mark>) -> io::Result<Results> {
        if let Some(mark) = found {
            return Ok(Results { content, draft: spool.go_on(name, mark.size_bytes)?, mark });
        }
        let mut draft = spool.begin(name)?;
        draft.write_all(match content {
            Content::Csv | Content::ZipCsv => b"\"Id\",\"Success\",\"Created\",\"Error\"\n",
            Content::Json | Content::ZipJson => b"[",
            Content::Xml | Content::ZipXml => XML_HEAD.as_bytes(),
        })?;
        Ok(Results { content, draft, mark: Mark::default() })
    }

    fn add(&mut self, done: &Done, version: &str) -> io::Result<()> {
        let (id, created, error) = match done {
            Done::Written { id, created } => (id.as_str(), *created, None),
            // Up to 52.0 a refused row does not say which it was (`salesforce-api.md` 3.2; the same for 1.0 is a guess).
            Done::Refused { id, error } => {
                let told = version.split('.').next().and_then(|major| major.parse::<u32>().ok()) >= Some(53);
                (if told { id.as_str() } else { "" }, false, Some(error))
            }
        };
        let mut line = Vec::new();
        match self.content {
            Content::Csv | Content::ZipCsv => csv(&mut line, id, created, error),
            Content::Json | Content::ZipJson => {
                if self.mark.rows > 0 {
                    line.push(b',');
                }
                line.extend_from_slice(json_line(id, created, error).to_string().as_bytes());
            }
            Content::Xml | Content::ZipXml => line.extend_from_slice(xml(id, created, error).as_bytes()),
        }
        self.draft.write_all(&line)?;
        self.mark.rows += 1;
        self.mark.refused += u64::from(error.is_some());
        Ok(())
    }

    fn marked(&mut self) -> io::Result<Mark> {
        self.draft.flush()?;
        self.mark.size_bytes = self.draft.size_bytes();
        Ok(self.mark)
    }

    fn finish(mut self) -> io::Result<crate::bulk::spool::Kept> {
        self.draft.write_all(match self.content {
            Content::Csv | Content::ZipCsv => b"",
            Content::Json | Content::ZipJson => b"]",
            Content::Xml | Content::ZipXml => b"</results>",
        })?;
        self.draft.finish()
    }
}

fn csv(line: &mut Vec<u8>, id: &str, created: bool, error: Option<&SaveError>) {
    let text = error.map(error_text).unwrap_or_default();
    let values: [&[u8]; 4] = [
        id.as_bytes(),
        if error.is_none() { b"true" } else { b"false" },
        if created { b"true" } else { b"false" },
        text.as_bytes(),
    ];
    for (place, value) in values.into_iter().enumerate() {
        if place > 0 {
            line.push(b',');
        }
        write_value(line, value);
    }
    line.push(b'\n');
}

/// `CODE:message:Field --`, with a blank behind each field, as the documentation's sample has it. The semicolon between the
/// errors of a row is a guess.
fn error_text(error: &SaveError) -> String {
    let one = |error: &SaveError| {
        let fields: String = error.fields.iter().map(|field| format!("{field} ")).collect();
        format!("{}:{}:{fields}--", error.code, error.message)
    };
    error.all().map(one).collect::<Vec<String>>().join(";")
}

fn json_line(id: &str, created: bool, error: Option<&SaveError>) -> Value {
    let id = if id.is_empty() { Value::Null } else { json!(id) };
    let errors: Vec<Value> = error
        .into_iter()
        .flat_map(SaveError::all)
        .map(|error| json!({"statusCode": error.code, "message": error.message, "fields": error.fields}))
        .collect();
    json!({"success": error.is_none(), "created": created, "id": id, "errors": errors})
}

fn xml(id: &str, created: bool, error: Option<&SaveError>) -> String {
    let mut text = String::from("<result>");
    for error in error.into_iter().flat_map(SaveError::all) {
        text += "<errors>";
        for field in &error.fields {
            text += &format!("<fields>{}</fields>", escape(field));
        }
        text +=
            &format!("<message>{}</message><statusCode>{}</statusCode></errors>", escape(&error.message), error.code);
    }
    if !id.is_empty() {
        text += &format!("<id>{id}</id>");
    }
    text + &format!("<success>{}</success><created>{created}</created></result>", error.is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_written_as_the_documentation_does() {
        let error = SaveError::required(vec!["LastName".to_owned()]);
        assert_eq!(error_text(&error), "REQUIRED_FIELD_MISSING:Required fields are missing: [LastName]:LastName --");
        let error = SaveError::invalid_cross_reference(&[]);
        assert_eq!(error_text(&error), "INVALID_CROSS_REFERENCE_KEY:invalid cross reference id:--");
    }
}
