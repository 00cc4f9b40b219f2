// SPDX-License-Identifier: Apache-2.0
//! The rows of a job: written once, in the order in which the job made them, then served as often as asked.
//!
//! Beside the rows a second body holds where each row ends, eight bytes per row, so that any page of any size is one
//! sequential read, and nothing of a large result stays in memory. The header row is the beginning of the first body.

use std::io::{self, Read, Write};

use axum::body::Body;
use bytes::Bytes;

use super::spool::{Draft, Kept, Range, Spool};

/// How much is read and sent at once.
const PIECE_BYTES: u64 = 256 * 1024;

/// Collects rows.
pub struct Writer {
    rows: Draft,
    ends: Draft,
    header_bytes: u64,
}

/// How far a [`Writer`] had come: what is needed to go on with it in another process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Mark {
    pub header_bytes: u64,
    pub rows: u64,
    pub size_bytes: u64,
}

impl Writer {
    /// Starts a result under a name, with its header row, which includes the line ending.
    ///
    /// # Errors
    /// The body cannot be begun.
    pub fn new(spool: &Spool, name: &str, header: &[u8]) -> io::Result<Writer> {
        let mut rows = spool.begin(name)?;
        rows.write_all(header)?;
        Ok(Writer { rows, ends: spool.begin(&ends(name))?, header_bytes: header.len() as u64 })
    }

    /// Goes on where a mark was made.
    ///
    /// # Errors
    /// The bodies are gone or cannot be written.
    pub fn go_on(spool: &Spool, name: &str, mark: Mark) -> io::Result<Writer> {
        let rows = spool.go_on(name, mark.header_bytes + mark.size_bytes)?;
        Ok(Writer { rows, ends: spool.go_on(&ends(name), mark.rows * 8)?, header_bytes: mark.header_bytes })
    }

    /// Adds one row, which includes its line ending.
    ///
    /// # Errors
    /// The body cannot be written, for example because the disk is full.
    pub fn add(&mut self, row: &[u8]) -> io::Result<()> {
        self.rows.write_all(row)?;
        let end = self.rows.size_bytes() - self.header_bytes;
        self.ends.write_all(&end.to_le_bytes())
    }

    /// How many rows were added.
    pub fn count(&self) -> u64 {
        self.ends.size_bytes() / 8
    }

    /// Hands what was added to the system and says how far that is.
    ///
    /// # Errors
    /// The bodies cannot be written.
    pub fn mark(&mut self) -> io::Result<Mark> {
        self.rows.flush()?;
        self.ends.flush()?;
        let size_bytes = self.rows.size_bytes() - self.header_bytes;
        Ok(Mark { header_bytes: self.header_bytes, rows: self.count(), size_bytes })
    }

    /// Ends the result.
    ///
    /// # Errors
    /// The bodies cannot be written.
    pub fn finish(self) -> io::Result<Results> {
        let (header_bytes, count) = (self.header_bytes, self.count());
        let (rows, ends) = (self.rows.finish()?, self.ends.finish()?);
        let size_bytes = rows.size_bytes - header_bytes;
        Ok(Results { rows, ends, header_bytes, count, size_bytes })
    }
}

fn ends(name: &str) -> String {
    format!("{name}-ends")
}

/// All rows of a job.
#[derive(Clone, Debug)]
pub struct Results {
    rows: Kept,
    ends: Kept,
    /// Bytes of the header row.
    pub header_bytes: u64,
    /// Rows without the header.
    pub count: u64,
    /// Bytes without the header.
    pub size_bytes: u64,
}

/// A range of rows, with the header before it.
pub struct Page {
    /// Rows in it.
    pub count: u64,
    /// Bytes in it, with the header.
    pub size_bytes: u64,
    header: Range,
    rows: Range,
}

impl Results {
    /// The result of this name that another process finished.
    pub fn find(spool: &Spool, name: &str, header_bytes: u64) -> Option<Results> {
        let (rows, ends) = (spool.find(name)?, spool.find(&ends(name))?);
        let size_bytes = rows.size_bytes.checked_sub(header_bytes)?;
        let count = ends.size_bytes / 8;
        Some(Results { rows, ends, header_bytes, count, size_bytes })
    }

    /// Up to `max_rows` rows from row `first` (from 0) on.
    ///
    /// # Errors
    /// The body cannot be read.
    pub fn page(&self, first: u64, max_rows: u64) -> io::Result<Page> {
        let first = first.min(self.count);
        let count = max_rows.min(self.count - first);
        let start = self.end_of(first)?;
        let length = self.end_of(first + count)? - start;
        Ok(Page {
            count,
            size_bytes: self.header_bytes + length,
            header: self.rows.range(0, self.header_bytes)?,
            rows: self.rows.range(self.header_bytes + start, length)?,
        })
    }

    /// The first row that no longer fits when rows from `first` on may have `max_bytes`; at least one row fits.
    ///
    /// # Errors
    /// The body cannot be read.
    pub fn rows_within(&self, first: u64, max_rows: u64, max_bytes: u64) -> io::Result<u64> {
        let start = self.end_of(first.min(self.count))?;
        let most = max_rows.min(self.count.saturating_sub(first));
        let (mut fits, mut too_many) = (most.min(1), most + 1);
        while too_many - fits > 1 {
            let middle = fits + (too_many - fits) / 2;
            if self.end_of(first + middle)? - start <= max_bytes { fits = middle } else { too_many = middle }
        }
        Ok(fits)
    }

    /// Where the row with this number begins, which is where the one before it ends.
    fn end_of(&self, rows: u64) -> io::Result<u64> {
        if rows == 0 {
            return Ok(0);
        }
        let mut bytes = [0; 8];
        self.ends.range((rows - 1) * 8, 8)?.read_exact(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }
}

impl Page {
    /// The page as a body that is read while it is sent.
    pub fn into_body(self) -> Body {
        stream(vec![self.header, self.rows])
    }
}

/// A body of the web from ranges of kept ones, read piece by piece while it is sent.
pub fn stream(mut ranges: Vec<Range>) -> Body {
    ranges.reverse();
    Body::from_stream(futures::stream::try_unfold(ranges, |mut ranges| async move {
        Ok::<_, io::Error>(next_piece(&mut ranges)?.map(|piece| (piece, ranges)))
    }))
}

fn next_piece(ranges: &mut Vec<Range>) -> io::Result<Option<Bytes>> {
    while let Some(range) = ranges.last_mut() {
        let size = range.left_bytes().min(PIECE_BYTES);
        if size == 0 {
            ranges.pop();
            continue;
        }
        let mut piece = vec![0; usize::try_from(size).expect("a piece is small")];
        range.read_exact(&mut piece)?;
        return Ok(Some(piece.into()));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn text(page: Page) -> String {
        let bytes = axum::body::to_bytes(page.into_body(), usize::MAX).await.unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn any_range_of_rows_is_a_page_with_the_header() {
        let mut writer = Writer::new(&Spool::default(), "r", b"\"Id\"\n").unwrap();
        for row in ["\"1\"\n", "\"22\"\n", "\"3\n3\"\n"] {
            writer.add(row.as_bytes()).unwrap();
        }
        let results = writer.finish().unwrap();
        assert_eq!(text(results.page(0, 9).unwrap()).await, "\"Id\"\n\"1\"\n\"22\"\n\"3\n3\"\n");
        let page = results.page(1, 1).unwrap();
        assert_eq!((page.count, page.size_bytes), (1, 10));
        assert_eq!(text(page).await, "\"Id\"\n\"22\"\n");
        assert_eq!(text(results.page(3, 5).unwrap()).await, "\"Id\"\n");
        assert_eq!(results.page(9, 5).unwrap().count, 0);
    }

    #[test]
    fn a_page_is_bounded_in_bytes_too_but_never_empty() {
        let mut writer = Writer::new(&Spool::default(), "r", b"").unwrap();
        for _ in 0..10 {
            writer.add(b"0123456789").unwrap();
        }
        let results = writer.finish().unwrap();
        assert_eq!(results.rows_within(0, 100, 35).unwrap(), 3);
        assert_eq!(results.rows_within(0, 2, 35).unwrap(), 2);
        assert_eq!(results.rows_within(8, 100, 35).unwrap(), 2);
        assert_eq!(results.rows_within(0, 100, 1).unwrap(), 1);
        assert_eq!(results.rows_within(10, 100, 1).unwrap(), 0);
    }

    #[tokio::test]
    async fn a_torn_result_goes_on_at_its_mark() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::in_folder(folder.path()).unwrap();
        let mut writer = Writer::new(&spool, "r", b"H\n").unwrap();
        writer.add(b"1\n").unwrap();
        let mark = writer.mark().unwrap();
        writer.add(b"lost\n").unwrap();
        writer.mark().unwrap();
        drop(writer);
        let mut writer = Writer::go_on(&spool, "r", mark).unwrap();
        writer.add(b"2\n").unwrap();
        writer.finish().unwrap();
        let results = Results::find(&spool, "r", 2).unwrap();
        assert_eq!(results.count, 2);
        assert_eq!(text(results.page(0, 9).unwrap()).await, "H\n1\n2\n");
    }
}
