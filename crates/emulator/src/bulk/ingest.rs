// SPDX-License-Identifier: Apache-2.0
//! The work of an ingest job (`salesforce-api.md` 3.2 "Processing").
//!
//! The data is read in batches of up to 10,000 rows (or 10 million bytes), each batch is cut into chunks of 200, and the
//! chunks of a batch are worked off in an order that the job's number shuffles: the real server does them in parallel, so
//! neither Ids nor result rows follow the input. Each chunk is one transaction, each row a savepoint in it: a refused row
//! leaves no trace, and an abort takes effect between chunks. Rows that were not tried, because the job was aborted or its
//! data broke off, are its unprocessed records.
//!
//! Not emulated: lock contention, the five-minute limit of a chunk and the retries that follow them.

use std::collections::HashSet;
use std::io::{self, BufRead, BufReader};
use std::sync::Arc;

use crate::error::SaveError;
use crate::id;
use crate::org::{Org, Tx};
use crate::record::{self, Input};
use crate::schema::Object;

use super::columns::Columns;
use super::csv::{self, Broken, Reader, Row};
use super::job::{Job, Operation, Outcome, Upload};
use super::results::Writer;

const BATCH_ROWS: usize = 10_000;
const BATCH_BYTES: usize = 10_000_000;
const CHUNK_ROWS: usize = 200;

/// Works the job off.
pub fn run(org: &Org, job: &Job) -> Outcome {
    let data = match &job.progress().upload {
        Upload::Done(file) => file.reopen(),
        Upload::None | Upload::Running => return failed("InvalidBatch : Records not found".to_owned()),
    };
    let worked = data.and_then(|data| {
        let reader = Reader::new(BufReader::with_capacity(1 << 18, data), job.delimiter, job.line_ending);
        Work { org, job, reader }.run()
    });
    worked.unwrap_or_else(|error| failed(format!("InternalServerError : {error}")))
}

/// What an aborted job that was never begun leaves: every row unprocessed.
pub fn unprocessed(job: &Job) -> Outcome {
    let Upload::Done(file) = &job.progress().upload else { return Outcome::default() };
    let spare = file.reopen().and_then(|data| {
        let mut reader = Reader::new(BufReader::new(data), job.delimiter, job.line_ending);
        let mut header = Row::default();
        if !matches!(reader.read(&mut header), Ok(true)) {
            return Ok(None);
        }
        let mut rows = Writer::new(line(job, &[], &header))?;
        keep_rest(job, &mut reader, &mut rows)?;
        rows.finish().map(Some)
    });
    Outcome { unprocessed_rows: spare.unwrap_or(None), ..Outcome::default() }
}

fn failed(error: String) -> Outcome {
    Outcome { error: Some(error), ..Outcome::default() }
}

struct Work<'a, R> {
    org: &'a Org,
    job: &'a Job,
    reader: Reader<R>,
}

/// The three result files while they grow.
struct Files {
    successful: Writer,
    failed: Writer,
    unprocessed: Writer,
}

enum Written {
    Ok { id: String, created: bool },
    Refused { id: String, error: SaveError },
}

impl<R: BufRead> Work<'_, R> {
    fn run(mut self) -> io::Result<Outcome> {
        let mut header = Row::default();
        match self.reader.read(&mut header) {
            Ok(true) => {}
            Ok(false) => return Ok(failed("InvalidBatch : Records not found".to_owned())),
            Err(broken) => return Ok(failed(broken.job_error(self.job.line_ending))),
        }
        let mut files = Files {
            successful: Writer::new(line(self.job, &[b"sf__Id", b"sf__Created"], &header))?,
            failed: Writer::new(line(self.job, &[b"sf__Id", b"sf__Error"], &header))?,
            unprocessed: Writer::new(line(self.job, &[], &header))?,
        };
        let error = self.work_off(&header, &mut files)?;
        let (written, refused) = (files.successful.count(), files.failed.count());
        Ok(Outcome {
            error,
            processed: written + refused,
            failed: refused,
            rows: Some(files.successful.finish()?),
            failed_rows: Some(files.failed.finish()?),
            unprocessed_rows: Some(files.unprocessed.finish()?),
        })
    }

    /// The job's error, if it fails as a whole.
    fn work_off(&mut self, header: &Row, files: &mut Files) -> io::Result<Option<String>> {
        let schema = self.org.schema();
        let object = schema.object(&self.job.object).cloned();
        let columns = match &object {
            None => Err(format!("InvalidJob : Unable to find object: {}", self.job.object)),
            Some(object) => {
                let external_field = self.job.external_field.as_deref();
                Columns::read(header, &schema, object, self.job.operation, external_field)
            }
        };
        let (object, columns) = match (object, columns) {
            (Some(object), Ok(columns)) => (object, columns),
            (_, Err(error)) => {
                keep_rest(self.job, &mut self.reader, &mut files.unprocessed)?;
                return Ok(Some(error));
            }
            (None, Ok(_)) => unreachable!("columns are those of an object"),
        };
        loop {
            let (batch, end) = self.read_batch(header.len());
            for chunk in shuffled(batch.len().div_ceil(CHUNK_ROWS), self.job.number) {
                let rows = &batch[chunk * CHUNK_ROWS..batch.len().min((chunk + 1) * CHUNK_ROWS)];
                if self.job.is_stopped() {
                    for row in rows {
                        files.unprocessed.add(&line(self.job, &[], row))?;
                    }
                } else {
                    self.write_chunk(&object, &columns, rows, files)?;
                }
            }
            match end {
                End::More if self.job.is_stopped() => {
                    keep_rest(self.job, &mut self.reader, &mut files.unprocessed)?;
                    return Ok(None);
                }
                End::More => {}
                End::Data => return Ok(None),
                End::Broken(error) => return Ok(Some(error)),
            }
        }
    }

    fn read_batch(&mut self, width: usize) -> (Vec<Row>, End) {
        let (mut batch, mut size_bytes) = (Vec::new(), 0);
        while batch.len() < BATCH_ROWS && size_bytes < BATCH_BYTES {
            let mut row = Row::default();
            match self.reader.read(&mut row) {
                Ok(true) if row.len() == width => {
                    size_bytes += row.size_bytes();
                    batch.push(row);
                }
                Ok(true) => {
                    let text = format!(
                        "InvalidBatch : Failed to parse CSV. A record has {} values, the header {width}",
                        row.len()
                    );
                    return (batch, End::Broken(text));
                }
                Ok(false) => return (batch, End::Data),
                Err(broken) => return (batch, End::Broken(broken.job_error(self.job.line_ending))),
            }
        }
        (batch, End::More)
    }

    fn write_chunk(&self, object: &Arc<Object>, columns: &Columns, rows: &[Row], files: &mut Files) -> io::Result<()> {
        let mut matched = HashSet::new();
        let written: Vec<Written> = self
            .org
            .write(|tx| rows.iter().map(|row| write_row(tx, self.job, object, columns, row, &mut matched)).collect());
        // Result rows keep no order inside a chunk either: they begin somewhere in the middle.
        let start = usize::try_from(self.job.number).unwrap_or(0) * 7 % rows.len().max(1);
        for index in (start..rows.len()).chain(0..start) {
            match &written[index] {
                Written::Ok { id, created } => {
                    let created: &[u8] = if *created { b"true" } else { b"false" };
                    files.successful.add(&line(self.job, &[id.as_bytes(), created], &rows[index]))?;
                }
                Written::Refused { id, error } => {
                    let error = error_text(error);
                    files.failed.add(&line(self.job, &[id.as_bytes(), error.as_bytes()], &rows[index]))?;
                }
            }
        }
        Ok(())
    }
}

enum End {
    More,
    Data,
    Broken(String),
}

/// `CODE:message:fields--`.
pub fn error_text(error: &SaveError) -> String {
    format!("{}:{}:{}--", error.code, error.message, error.fields.join(","))
}

/// One row of a result file: the job's own values, then the row as it was sent.
fn line(job: &Job, first: &[&[u8]], row: &Row) -> Vec<u8> {
    let mut out = Vec::with_capacity(row.size_bytes() + 4 * row.len() + 64);
    csv::write_row(&mut out, first.iter().copied().chain(row.values()), job.delimiter, job.line_ending);
    out
}

fn keep_rest<R: BufRead>(job: &Job, reader: &mut Reader<R>, rows: &mut Writer) -> io::Result<()> {
    let mut row = Row::default();
    loop {
        match reader.read(&mut row) {
            Ok(true) => rows.add(&line(job, &[], &row))?,
            Ok(false) | Err(Broken::LineEnding | Broken::Quote | Broken::TooLong(_)) => return Ok(()),
            Err(Broken::Read(error)) => return Err(error),
        }
    }
}

fn write_row(
    tx: &mut Tx<'_>,
    job: &Job,
    object: &Arc<Object>,
    columns: &Columns,
    row: &Row,
    matched: &mut HashSet<String>,
) -> Written {
    let given = columns.id.map(|index| String::from_utf8_lossy(row.value(index)).trim().to_owned());
    let given = given.filter(|id| !id.is_empty());
    let known = given.as_deref().and_then(id::to18).unwrap_or_default();
    let result = tx.savepoint(|tx| match job.operation {
        Operation::Insert if given.is_some() => {
            Err(SaveError::new("INVALID_FIELD_FOR_INSERT_UPDATE", "cannot specify Id in an insert call", &["Id"]))
        }
        Operation::Insert => record::insert(tx, &job.caller, object, columns.fields(row)).map(|id| (id, true)),
        Operation::Update => {
            let id = given
                .as_deref()
                .ok_or_else(|| SaveError::new("MISSING_ARGUMENT", "Id not specified in an update call", &[]))?;
            record::update(tx, &job.caller, object, id, columns.fields(row)).map(|()| (known.clone(), false))
        }
        Operation::Upsert => upsert(tx, job, object, columns, row, matched),
        Operation::Delete | Operation::HardDelete => {
            let id = given.as_deref().ok_or_else(|| SaveError::new("MISSING_ARGUMENT", "Id not specified", &["Id"]))?;
            delete(tx, job, object, id).map(|()| (known.clone(), false))
        }
        Operation::Query | Operation::QueryAll => unreachable!("a query job writes nothing"),
    });
    match result {
        Ok((id, created)) => Written::Ok { id, created },
        Err(error) => Written::Refused { id: known, error },
    }
}

fn upsert(
    tx: &mut Tx<'_>,
    job: &Job,
    object: &Arc<Object>,
    columns: &Columns,
    row: &Row,
    matched: &mut HashSet<String>,
) -> Result<(String, bool), SaveError> {
    let field = job.external_field.as_deref().unwrap_or("Id");
    let value = columns.external.map(|index| String::from_utf8_lossy(row.value(index)).into_owned());
    let value = value.filter(|value| !value.is_empty() && value != "#N/A");
    match value {
        Some(value) => {
            if !matched.insert(value.to_lowercase()) {
                let text = format!("Duplicate external id specified: {value}");
                return Err(SaveError::new("DUPLICATE_VALUE", text, &[field]));
            }
            record::upsert(tx, &job.caller, object, field, &Input::Text(value), columns.fields(row))
        }
        // Without an Id an upsert by Id is an insert; an external id must be there.
        None if field.eq_ignore_ascii_case("Id") => {
            record::upsert(tx, &job.caller, object, field, &Input::Null, columns.fields(row))
        }
        None => Err(SaveError::new("MISSING_ARGUMENT", format!("{field} not specified"), &[])),
    }
}

fn delete(tx: &mut Tx<'_>, job: &Job, object: &Arc<Object>, id: &str) -> Result<(), SaveError> {
    let id18 = id::to18(id).ok_or_else(|| SaveError::malformed_id(id, "Id"))?;
    if object.key_prefix.as_deref().is_some_and(|prefix| prefix != id::prefix(&id18)) {
        return Err(SaveError::wrong_object_id(&format!("{} ID", object.label), id, "Id"));
    }
    match job.operation {
        Operation::HardDelete => record::hard_delete(tx, &job.caller, &id18),
        _ => record::delete(tx, &job.caller, &id18),
    }
}

/// The numbers below `count` in an order that depends on `seed` only (Fisher-Yates over a multiplicative generator).
fn shuffled(count: usize, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    for last in (1..count).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let other = usize::try_from(state >> 33).unwrap_or(0) % (last + 1);
        order.swap(last, other);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_chunks_is_another_but_always_the_same() {
        let order = shuffled(50, 1);
        assert_eq!(order, shuffled(50, 1));
        assert_ne!(order, shuffled(50, 2));
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_ne!(order, sorted);
        assert_eq!(sorted, (0..50).collect::<Vec<_>>());
    }

    #[test]
    fn errors_are_written_as_bulk_writes_them() {
        // salesforce-api.md 3.2.
        let error = SaveError::required(vec!["LastName".to_owned()]);
        assert_eq!(error_text(&error), "REQUIRED_FIELD_MISSING:Required fields are missing: [LastName]:LastName--");
    }
}
