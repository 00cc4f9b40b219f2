// SPDX-License-Identifier: Apache-2.0
//! The one place that reads and writes CSV as Bulk API 2.0 speaks it (`salesforce-api.md` 3.1, 3.2): UTF-8, comma, a
//! header row, every value quoted, quotes doubled, newlines of any kind inside quotes, rows ended by LF or CRLF.
//!
//! Reading is a push: chunks of any size go in, cut anywhere (inside a quote, a CRLF, a character), batches of rows
//! come out. `csv-core` splits; its output goes straight into the batch that is given out.
//!
//! An end inside a quoted value is told from a real end, since a connection may be cut without saying so. An end
//! between two rows is not, nor one between two quotes that mean one: the caller compares the number of rows with what
//! the org announced.

use std::sync::Arc;

use csv_core::ReadRecordResult;

use crate::error::{Error, Kind, Result};
use crate::rows::{BATCH_BYTES, BATCH_ROWS, Rows, RowsBuilder};

/// Cells of the widest object: an org allows 5,000 fields per CSV (`salesforce-api.md` 3.2).
const MOST_COLUMNS: usize = 16_384;

pub struct Reader {
    core: csv_core::Reader,
    /// `None` until the header row is complete.
    batch: Option<RowsBuilder>,
    /// Output of `csv-core`; its first `filled` bytes are cells, `row_start` is where the unfinished row begins.
    text: Vec<u8>,
    filled: usize,
    row_start: usize,
    /// Ends of the unfinished row's cells, counted from `row_start`; the first `cells` of them are set.
    cell_ends: Vec<usize>,
    cells: usize,
    /// Rows still to be left out, since they were given out before the page was cut.
    skip: u64,
    rows: u64,
    inside_quotes: bool,
}

impl Default for Reader {
    fn default() -> Reader {
        Reader::new()
    }
}

impl Reader {
    pub fn new() -> Reader {
        Reader::skipping(0)
    }

    /// A reader that leaves out the first `rows` rows after the header.
    pub fn skipping(rows: u64) -> Reader {
        Reader {
            core: csv_core::Reader::new(),
            batch: None,
            text: Vec::new(),
            filled: 0,
            row_start: 0,
            cell_ends: vec![0; MOST_COLUMNS],
            cells: 0,
            skip: rows,
            rows: 0,
            inside_quotes: false,
        }
    }

    /// Complete rows read so far, with those that were left out and without the header.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The header row, once it was read.
    pub fn columns(&self) -> Option<&Arc<[String]>> {
        self.batch.as_ref().map(RowsBuilder::columns)
    }

    /// Takes the next bytes and appends the batches that they complete to `full`.
    ///
    /// # Errors
    ///
    /// `Corrupt` where a row has other cells than the header, or a cell is not UTF-8.
    pub fn feed(&mut self, chunk: &[u8], full: &mut Vec<Rows>) -> Result<()> {
        if chunk.is_empty() {
            return Ok(());
        }
        // Doubled quotes only ever make an even number.
        self.inside_quotes ^= memchr::memchr_iter(b'"', chunk).count() % 2 == 1;
        let mut rest = chunk;
        while !rest.is_empty() {
            rest = &rest[self.step(rest)?..];
            if self.batch.as_ref().is_some_and(|batch| batch.ends.len() >= BATCH_ROWS * batch.columns().len())
                || self.row_start >= BATCH_BYTES
            {
                full.extend(self.take_batch()?);
            }
        }
        Ok(())
    }

    /// The end of the input; gives the rows not yet given out.
    ///
    /// # Errors
    ///
    /// `Corrupt` as in [`Reader::feed`], and where the input ends inside a quoted value.
    pub fn finish(&mut self) -> Result<Option<Rows>> {
        if self.inside_quotes {
            return Err(corrupt("the text ends inside a quoted value").with("row", (self.rows + 1).to_string()));
        }
        self.step(&[])?;
        self.take_batch()
    }

    /// Gives as much to `csv-core` as makes one row, or all of it. An empty input is the end.
    fn step(&mut self, input: &[u8]) -> Result<usize> {
        // Cells are never longer than their CSV, so the output cannot run full.
        let needed = self.filled + input.len() + 1;
        if self.text.len() < needed {
            self.text.resize(needed.max((self.text.len() * 2).min(BATCH_BYTES)), 0);
        }
        let (result, read, written, ended) =
            self.core.read_record(input, &mut self.text[self.filled..], &mut self.cell_ends[self.cells..]);
        self.filled += written;
        self.cells += ended;
        match result {
            ReadRecordResult::InputEmpty | ReadRecordResult::End => {}
            ReadRecordResult::Record => self.end_row()?,
            ReadRecordResult::OutputFull => {
                return Err(Error::new(Kind::Bug, "reading CSV", "the output is shorter than the input"));
            }
            ReadRecordResult::OutputEndsFull => return Err(corrupt("a row has more than 16,384 cells")),
        }
        Ok(read)
    }

    fn end_row(&mut self) -> Result<()> {
        let cells = &self.cell_ends[..self.cells];
        match &mut self.batch {
            None => {
                let columns = header(&self.text[..self.filled], cells)?;
                self.batch = Some(RowsBuilder::new(columns));
                self.filled = 0;
            }
            Some(batch) => {
                self.rows += 1;
                if cells.len() != batch.columns().len() {
                    let what = format!("a row has {} cells, the header {}", cells.len(), batch.columns().len());
                    return Err(corrupt(&what).with("row", self.rows.to_string()));
                }
                if self.skip > 0 {
                    self.skip -= 1;
                    self.filled = self.row_start;
                } else {
                    let start = self.row_start;
                    batch.ends.extend(cells.iter().map(|end| u32::try_from(start + end).unwrap_or(u32::MAX)));
                }
            }
        }
        self.row_start = self.filled;
        self.cells = 0;
        Ok(())
    }

    /// The complete rows as a batch; the beginning of an unfinished row moves on to the next.
    fn take_batch(&mut self) -> Result<Option<Rows>> {
        let Some(batch) = self.batch.as_mut().filter(|batch| !batch.ends.is_empty()) else { return Ok(None) };
        let mut full = std::mem::replace(batch, RowsBuilder::new(batch.columns().clone()));
        batch.ends.reserve(full.ends.len());
        let next = self.text[self.row_start..self.filled].to_vec();
        self.text.truncate(self.row_start);
        full.bytes = std::mem::replace(&mut self.text, next);
        self.filled -= self.row_start;
        self.row_start = 0;
        full.finish().map(Some)
    }
}

fn header(text: &[u8], ends: &[usize]) -> Result<Arc<[String]>> {
    let mut start = 0;
    ends.iter()
        .map(|&end| {
            let name = std::str::from_utf8(&text[start..end]).map_err(|_| corrupt("the header is not UTF-8"))?;
            start = end;
            Ok(name.to_owned())
        })
        .collect()
}

fn corrupt(what: &str) -> Error {
    Error::new(Kind::Corrupt, "reading CSV", what)
}

/// Appends one row to `csv`: every value quoted, LF at the end. `None` is an empty cell, which an ingest job leaves
/// unchanged; null is [`NULL`].
pub fn write_row<'a>(csv: &mut Vec<u8>, cells: impl IntoIterator<Item = Option<&'a str>>) {
    for (place, cell) in cells.into_iter().enumerate() {
        if place > 0 {
            csv.push(b',');
        }
        csv.push(b'"');
        let mut rest = cell.unwrap_or_default().as_bytes();
        while let Some(quote) = memchr::memchr(b'"', rest) {
            csv.extend_from_slice(&rest[..=quote]);
            csv.push(b'"');
            rest = &rest[quote + 1..];
        }
        csv.extend_from_slice(rest);
        csv.push(b'"');
    }
    csv.push(b'\n');
}

/// What an ingest job takes as null. A text that reads so itself cannot be written by a Bulk API 2.0 job
/// (`salesforce-api.md` 3.2): whoever builds the CSV must send such a row by another API.
pub const NULL: &str = "#N/A";

#[cfg(test)]
mod tests;
