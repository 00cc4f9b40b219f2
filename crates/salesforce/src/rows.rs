// SPDX-License-Identifier: Apache-2.0
//! Rows as they come from an org, in one shape whichever API gave them: text cells in the order of the columns.
//!
//! The text of a value is the one of Bulk API 2.0 (`salesforce-api.md` 3.1): `true`, `2021-01-01T00:00:00.000Z`,
//! `13:30:00.000Z`, numbers with exactly the characters that were on the wire, strings verbatim, and null as the empty
//! cell. The APIs do not tell an empty string from null either.
//!
//! All cells lie in one buffer and only their ends are kept, because backing up is mostly this: there is no
//! allocation per cell, and UTF-8 is checked once for all of them.

use std::sync::Arc;

use futures::stream::BoxStream;

use crate::error::{Error, Kind, Result};

/// Some thousand rows, or about [`BATCH_BYTES`], per item.
pub type RowStream = BoxStream<'static, Result<Rows>>;

/// A batch is given out when its cells have reached this size.
pub const BATCH_BYTES: usize = 2 * 1024 * 1024;
/// A batch is given out when it has this many rows.
pub const BATCH_ROWS: usize = 10_000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rows {
    columns: Arc<[String]>,
    text: String,
    ends: Vec<u32>,
}

impl Rows {
    pub fn empty(columns: Arc<[String]>) -> Rows {
        Rows { columns, text: String::new(), ends: Vec::new() }
    }

    pub fn columns(&self) -> &Arc<[String]> {
        &self.columns
    }

    /// Position of a column; field names are not case-sensitive.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.eq_ignore_ascii_case(name))
    }

    pub fn len(&self) -> usize {
        self.ends.len().checked_div(self.columns.len()).unwrap_or(0)
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Size of the cells' text.
    pub fn bytes(&self) -> usize {
        self.text.len()
    }

    /// `None` is null, or an empty string.
    ///
    /// # Panics
    ///
    /// Where there is no such row or column.
    pub fn cell(&self, row: usize, column: usize) -> Option<&str> {
        assert!(column < self.columns.len(), "column {column} of {}", self.columns.len());
        let place = row * self.columns.len() + column;
        let start = if place == 0 { 0 } else { self.ends[place - 1] as usize };
        let cell = &self.text[start..self.ends[place] as usize];
        (!cell.is_empty()).then_some(cell)
    }

    /// The cells of one row, in the order of the columns.
    pub fn row(&self, row: usize) -> impl ExactSizeIterator<Item = Option<&str>> + Clone {
        (0..self.columns.len()).map(move |column| self.cell(row, column))
    }

    /// The rows, each as an iterator over its cells.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = impl ExactSizeIterator<Item = Option<&str>> + Clone> {
        (0..self.len()).map(|row| self.row(row))
    }

    /// Appends rows of the same columns.
    pub(crate) fn append(&mut self, other: &Rows) {
        debug_assert_eq!(self.columns, other.columns);
        let offset = u32::try_from(self.text.len()).expect("callers append what fits in memory many times over");
        self.text.push_str(&other.text);
        self.ends.extend(other.ends.iter().map(|end| end + offset));
    }
}

/// Rows being filled. It holds bytes until [`RowsBuilder::finish`] has seen that they are text.
#[derive(Debug)]
pub(crate) struct RowsBuilder {
    columns: Arc<[String]>,
    pub(crate) bytes: Vec<u8>,
    pub(crate) ends: Vec<u32>,
}

impl RowsBuilder {
    pub(crate) fn new(columns: Arc<[String]>) -> RowsBuilder {
        RowsBuilder { columns, bytes: Vec::new(), ends: Vec::new() }
    }

    pub(crate) fn columns(&self) -> &Arc<[String]> {
        &self.columns
    }

    pub(crate) fn push_cell(&mut self, cell: &str) {
        self.bytes.extend_from_slice(cell.as_bytes());
        self.ends.push(u32::try_from(self.bytes.len()).unwrap_or(u32::MAX));
    }

    /// # Errors
    ///
    /// `Corrupt` where the cells are not UTF-8 or the last row is not complete.
    pub(crate) fn finish(self) -> Result<Rows> {
        let corrupt = |what: &str| Error::new(Kind::Corrupt, "reading rows", what);
        if self.bytes.len() > u32::MAX as usize {
            return Err(corrupt("a single batch exceeds 4 GiB"));
        }
        if self.columns.is_empty() || !self.ends.len().is_multiple_of(self.columns.len()) {
            return Err(corrupt("the last row has too few cells"));
        }
        let text = String::from_utf8(self.bytes)
            .map_err(|source| corrupt("a cell is not UTF-8").caused_by(source.utf8_error()))?;
        // Two broken halves of a character in neighbouring cells are valid together, but not each.
        if !self.ends.iter().all(|&end| text.is_char_boundary(end as usize)) {
            return Err(corrupt("a cell is not UTF-8"));
        }
        Ok(Rows { columns: self.columns, text, ends: self.ends })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(names: &[&str]) -> Arc<[String]> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn cells_are_found_by_row_and_column_and_empty_is_null() {
        let mut builder = RowsBuilder::new(columns(&["Id", "Name"]));
        for cell in ["001", "", "002", "Zürich 😀"] {
            builder.push_cell(cell);
        }
        let mut rows = builder.finish().unwrap();
        assert_eq!((rows.len(), rows.cell(0, 1), rows.cell(1, 1)), (2, None, Some("Zürich 😀")));
        rows.append(&rows.clone());
        let all: Vec<Vec<Option<&str>>> = rows.iter().map(Iterator::collect).collect();
        assert_eq!(all, [[Some("001"), None], [Some("002"), Some("Zürich 😀")]].repeat(2));
        assert_eq!(rows.column("NAME"), Some(1));
        assert_eq!(Rows::empty(columns(&["Id"])).len(), 0);
    }

    #[test]
    fn a_character_split_over_two_cells_is_corrupt() {
        let mut builder = RowsBuilder::new(columns(&["A", "B"]));
        builder.bytes = "ä".as_bytes().to_vec();
        builder.ends = vec![1, 2];
        assert_eq!(builder.finish().unwrap_err().kind, Kind::Corrupt);
    }
}
