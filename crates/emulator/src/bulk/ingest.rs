// SPDX-License-Identifier: Apache-2.0
//! The work of an ingest job (`salesforce-api.md` 3.2 "Processing").
//!
//! The data is read in batches of up to 10,000 rows (or 10 million bytes), each batch is cut into chunks of 200, and the
//! chunks of a batch are worked off in an order that the job's number shuffles: the real server does them in parallel, so
//! neither Ids nor result rows follow the input. Each chunk is one transaction, each row a savepoint in it: a refused row
//! leaves no trace, and an abort takes effect between chunks. Rows that were not tried, because the job was aborted, its
//! data broke off or the day's batches are used up, are its unprocessed records.
//!
//! Where the org has a store, a chunk's transaction also notes how many chunks are done and how long the results are then. A
//! job that was torn by the end of the process goes on behind that chunk: no row is written twice or left out.
//!
//! Not emulated: the five-minute limit of a chunk, and the retries after it and after failed locks.

use std::io::{self, BufRead, BufReader};

use crate::error::SaveError;
use crate::faces::lock;
use crate::log::Family;
use crate::org::Org;

use super::chunk::Chunks;
use super::columns::Columns;
use super::csv::{self, Broken, Reader, Row};
use super::deed::Done;
use super::job::Job;
use super::journal::{self, Mark};
use super::progress::{Outcome, Upload};
use super::results::Writer;
use super::spool::Spool;

const BATCH_ROWS: usize = 10_000;
const BATCH_BYTES: usize = 10_000_000;
/// Rows of a transaction.
pub const CHUNK_ROWS: usize = 200;

/// Works the job off.
pub fn run(org: &Org, job: &Job) -> Outcome {
    let data = match &job.progress().upload {
        Upload::Done(data) => data.open(),
        Upload::None | Upload::Running => return Outcome::failed("InvalidBatch : Records not found"),
    };
    let worked = data.and_then(|data| {
        let reader = Reader::new(BufReader::with_capacity(1 << 18, data), job.order.delimiter, job.order.line_ending);
        let spool = lock(&org.faces.jobs).spool.clone();
        let done: Option<Mark> = journal::mark(org, &job.id);
        Work { org, job, reader, spool, chunks_done: 0, skipped: done.as_ref().map_or(0, |mark| mark.chunks) }.run(done)
    });
    worked.unwrap_or_else(|error| Outcome::failed(format!("InternalServerError : {error}")))
}

/// What an aborted job that was never begun leaves: every row unprocessed.
pub fn unprocessed(org: &Org, job: &Job) -> Outcome {
    let Upload::Done(data) = &job.progress().upload else { return Outcome::default() };
    let spool = lock(&org.faces.jobs).spool.clone();
    let spare = data.open().and_then(|data| {
        let mut reader = Reader::new(BufReader::new(data), job.order.delimiter, job.order.line_ending);
        let mut header = Row::default();
        if !matches!(reader.read(&mut header), Ok(true)) {
            return Ok(None);
        }
        let mut rows = Writer::new(&spool, &format!("{}-unprocessed", job.id), &line(job, &[], &header))?;
        keep_rest(job, &mut reader, &mut rows)?;
        rows.finish().map(Some)
    });
    Outcome { unprocessed_rows: spare.unwrap_or(None), ..Outcome::default() }
}

struct Work<'a, R> {
    org: &'a Org,
    job: &'a Job,
    reader: Reader<R>,
    spool: Spool,
    chunks_done: u64,
    /// Chunks that another process had done.
    skipped: u64,
}

/// The three results while they grow.
struct Files {
    successful: Writer,
    failed: Writer,
    unprocessed: Writer,
}

impl Files {
    fn begin(job: &Job, spool: &Spool, header: &Row, done: Option<Mark>) -> io::Result<Files> {
        let begin = |part: &str, place: usize, first: &[&[u8]]| {
            let name = format!("{}-{part}", job.id);
            match &done {
                Some(mark) => Writer::go_on(spool, &name, mark.results[place]),
                None => Writer::new(spool, &name, &line(job, first, header)),
            }
        };
        Ok(Files {
            successful: begin("rows", 0, &[b"sf__Id", b"sf__Created"])?,
            failed: begin("failed", 1, &[b"sf__Id", b"sf__Error"])?,
            unprocessed: begin("unprocessed", 2, &[])?,
        })
    }

    fn mark(&mut self, chunks: u64) -> io::Result<Mark> {
        Ok(Mark { chunks, results: [self.successful.mark()?, self.failed.mark()?, self.unprocessed.mark()?] })
    }
}

impl<R: BufRead> Work<'_, R> {
    fn run(mut self, done: Option<Mark>) -> io::Result<Outcome> {
        let mut header = Row::default();
        match self.reader.read(&mut header) {
            Ok(true) => {}
            Ok(false) => return Ok(Outcome::failed("InvalidBatch : Records not found")),
            Err(broken) => return Ok(Outcome::failed(broken.job_error(self.job.order.line_ending))),
        }
        let mut files = Files::begin(self.job, &self.spool, &header, done)?;
        let (error, slow_ms) = self.work_off(&header, &mut files)?;
        let (written, refused) = (files.successful.count(), files.failed.count());
        Ok(Outcome {
            error,
            processed: written + refused,
            failed: refused,
            rows: Some(files.successful.finish()?),
            failed_rows: Some(files.failed.finish()?),
            unprocessed_rows: Some(files.unprocessed.finish()?),
            slow_ms,
            ..Outcome::default()
        })
    }

    /// The job's error, if it fails as a whole, and how slow it is.
    fn work_off(&mut self, header: &Row, files: &mut Files) -> io::Result<(Option<String>, i64)> {
        let order = &self.job.order;
        let schema = self.org.schema();
        let object = schema.object(&order.object).cloned();
        let read = object.ok_or_else(|| format!("InvalidJob : Unable to find object: {}", order.object));
        let read = read.and_then(|object| {
            let field = order.external_field.as_deref();
            Ok((Columns::read(header, &schema, &object, order.operation, field, false)?, object))
        });
        let (columns, object) = match read {
            Ok(read) => read,
            Err(error) => {
                keep_rest(self.job, &mut self.reader, &mut files.unprocessed)?;
                return Ok((Some(error), 0));
            }
        };
        let mut chunks = Chunks::new(Family::Bulk, self.org, order, &object, &self.job.id);
        let error = self.batches(header.len(), &mut chunks, &columns, files)?;
        Ok((error, chunks.end()))
    }

    fn batches(
        &mut self,
        width: usize,
        chunks: &mut Chunks<'_>,
        columns: &Columns,
        files: &mut Files,
    ) -> io::Result<Option<String>> {
        loop {
            let (batch, end) = self.read_batch(width);
            let mut refusal = None;
            if !batch.is_empty() && self.chunks_done >= self.skipped {
                refusal = lock(&self.org.faces.jobs).quotas.take_batch(self.org.clock().now(), batch.len()).err();
            }
            for chunk in shuffled(batch.len().div_ceil(CHUNK_ROWS), self.job.number) {
                let rows = &batch[chunk * CHUNK_ROWS..batch.len().min((chunk + 1) * CHUNK_ROWS)];
                self.chunks_done += 1;
                if self.chunks_done <= self.skipped {
                    continue;
                }
                refusal = refusal.or_else(|| chunks.failure());
                if self.job.is_stopped() || refusal.is_some() {
                    for row in rows {
                        files.unprocessed.add(&line(self.job, &[], row))?;
                    }
                } else {
                    self.write_chunk(chunks, columns, rows, files)?;
                }
            }
            match end {
                End::Broken(error) => return Ok(Some(error)),
                _ if refusal.is_some() || self.job.is_stopped() => {
                    keep_rest(self.job, &mut self.reader, &mut files.unprocessed)?;
                    return Ok(refusal);
                }
                End::More => {}
                End::Data => return Ok(None),
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
                Err(broken) => return (batch, End::Broken(broken.job_error(self.job.order.line_ending))),
            }
        }
        (batch, End::More)
    }

    fn write_chunk(
        &self,
        chunks: &mut Chunks<'_>,
        columns: &Columns,
        rows: &[Row],
        files: &mut Files,
    ) -> io::Result<()> {
        let deeds = rows.iter().map(|row| columns.deed(row)).collect();
        chunks.write(deeds, |tx, done| {
            // Result rows keep no order inside a chunk either: they begin somewhere in the middle.
            let start = usize::try_from(self.job.number).unwrap_or(0) * 7 % rows.len().max(1);
            for index in (start..rows.len()).chain(0..start) {
                match &done[index] {
                    Done::Written { id, created } => {
                        let created: &[u8] = if *created { b"true" } else { b"false" };
                        files.successful.add(&line(self.job, &[id.as_bytes(), created], &rows[index]))?;
                    }
                    Done::Refused { id, error } => {
                        let error = error_text(error);
                        files.failed.add(&line(self.job, &[id.as_bytes(), error.as_bytes()], &rows[index]))?;
                    }
                }
            }
            if self.spool.lasts() {
                journal::note(tx, &self.job.id, &files.mark(self.chunks_done)?);
            }
            Ok(())
        })
    }
}

enum End {
    More,
    Data,
    Broken(String),
}

/// `CODE:message:fields--`; that several errors of a row stand behind each other with a semicolon is a guess.
pub fn error_text(error: &SaveError) -> String {
    let one = |error: &SaveError| format!("{}:{}:{}--", error.code, error.message, error.fields.join(","));
    error.all().map(one).collect::<Vec<String>>().join(";")
}

/// One row of a result file: the job's own values, then the row as it was sent.
fn line(job: &Job, first: &[&[u8]], row: &Row) -> Vec<u8> {
    let mut out = Vec::with_capacity(row.size_bytes() + 4 * row.len() + 64);
    csv::write_row(&mut out, first.iter().copied().chain(row.values()), job.order.delimiter, job.order.line_ending);
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
