// SPDX-License-Identifier: Apache-2.0
//! The rows of a finished job in temporary files: written once, in the order in which the job made them, then served
//! from there as often as asked.
//!
//! Beside the rows a second file holds where each row ends, eight bytes per row, so that any page of any size is one
//! seek and one sequential read, and nothing of a result stays in memory. The files vanish with the job.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};

use axum::body::Body;
use bytes::Bytes;
use tempfile::NamedTempFile;

/// How much is read and sent at once.
const PIECE_BYTES: u64 = 256 * 1024;

/// Collects rows.
pub struct Writer {
    header: Vec<u8>,
    rows: BufWriter<NamedTempFile>,
    ends: BufWriter<NamedTempFile>,
    count: u64,
    size_bytes: u64,
}

impl Writer {
    /// Starts a result with its header row, which includes the line ending.
    ///
    /// # Errors
    /// No temporary file can be made.
    pub fn new(header: Vec<u8>) -> io::Result<Writer> {
        let file = || -> io::Result<_> { Ok(BufWriter::with_capacity(256 * 1024, NamedTempFile::new()?)) };
        Ok(Writer { header, rows: file()?, ends: file()?, count: 0, size_bytes: 0 })
    }

    /// Adds one row, which includes its line ending.
    ///
    /// # Errors
    /// The temporary file cannot be written, for example because the disk is full.
    pub fn add(&mut self, row: &[u8]) -> io::Result<()> {
        self.rows.write_all(row)?;
        self.size_bytes += row.len() as u64;
        self.count += 1;
        self.ends.write_all(&self.size_bytes.to_le_bytes())
    }

    /// How many rows were added.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Ends the result.
    ///
    /// # Errors
    /// The temporary file cannot be written.
    pub fn finish(self) -> io::Result<Results> {
        let close = |file: BufWriter<NamedTempFile>| file.into_inner().map_err(io::IntoInnerError::into_error);
        Ok(Results {
            header: self.header.into(),
            rows: close(self.rows)?,
            ends: close(self.ends)?,
            count: self.count,
            size_bytes: self.size_bytes,
        })
    }
}

/// All rows of a job.
#[derive(Debug)]
pub struct Results {
    header: Bytes,
    rows: NamedTempFile,
    ends: NamedTempFile,
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
    header: Option<Bytes>,
    file: File,
    left_bytes: u64,
}

impl Results {
    /// Up to `max_rows` rows from row `first` (from 0) on.
    ///
    /// # Errors
    /// The temporary file cannot be read.
    pub fn page(&self, first: u64, max_rows: u64) -> io::Result<Page> {
        let first = first.min(self.count);
        let count = max_rows.min(self.count - first);
        let start = self.end_of(first)?;
        let end = self.end_of(first + count)?;
        let mut file = self.rows.reopen()?;
        file.seek(SeekFrom::Start(start))?;
        let size_bytes = self.header.len() as u64 + end - start;
        Ok(Page { count, size_bytes, header: Some(self.header.clone()), file, left_bytes: end - start })
    }

    /// The first row that no longer fits when rows from `first` on may have `max_bytes`; at least one row fits.
    ///
    /// # Errors
    /// The temporary file cannot be read.
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
        let mut file = self.ends.reopen()?;
        file.seek(SeekFrom::Start((rows - 1) * 8))?;
        let mut bytes = [0; 8];
        file.read_exact(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }
}

impl Page {
    /// The page as a body that reads the file while it is sent.
    pub fn into_body(self) -> Body {
        Body::from_stream(futures::stream::try_unfold(self, |mut page| async move {
            Ok::<_, io::Error>(page.next_piece()?.map(|piece| (piece, page)))
        }))
    }

    fn next_piece(&mut self) -> io::Result<Option<Bytes>> {
        if let Some(header) = self.header.take() {
            return Ok(Some(header));
        }
        if self.left_bytes == 0 {
            return Ok(None);
        }
        let size = self.left_bytes.min(PIECE_BYTES);
        let mut piece = vec![0; usize::try_from(size).expect("a piece is small")];
        self.file.read_exact(&mut piece)?;
        self.left_bytes -= size;
        Ok(Some(piece.into()))
    }
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
        let mut writer = Writer::new(b"\"Id\"\n".to_vec()).unwrap();
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
        let mut writer = Writer::new(Vec::new()).unwrap();
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
}
