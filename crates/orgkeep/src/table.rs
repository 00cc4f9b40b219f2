// SPDX-License-Identifier: Apache-2.0
//! Tables for people.
//!
//! On a terminal a table is drawn with lines and fits the width: long cells wrap. Elsewhere (a file, a pipe) the same
//! table is plain columns divided by two spaces, without lines and without cutting, so that `grep` and `less -S` work.
//! Scripts should use `--json` instead.

use crate::text;
use comfy_table::{CellAlignment, ContentArrangement, presets};
use unicode_width::UnicodeWidthStr;

/// Where a table is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Lines around cells, within this many columns.
    Drawn(u16),
    /// Columns divided by spaces.
    Plain,
}

impl Shape {
    /// For a table that is indented.
    pub fn narrower(self, columns: u16) -> Shape {
        match self {
            Shape::Drawn(width) => Shape::Drawn(width.saturating_sub(columns)),
            Shape::Plain => Shape::Plain,
        }
    }
}

/// Rows of cells under headings. A heading that starts with `>` has its column right-aligned (numbers).
pub struct Table {
    headings: Vec<(String, bool)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new<H: AsRef<str>>(headings: impl IntoIterator<Item = H>) -> Table {
        let headings = headings
            .into_iter()
            .map(|heading| match heading.as_ref().strip_prefix('>') {
                Some(text) => (text::shown(text).into_owned(), true),
                None => (text::shown(heading.as_ref()).into_owned(), false),
            })
            .collect();
        Table { headings, rows: Vec::new() }
    }

    /// Adds a row; cells are made safe to show here.
    pub fn row<C: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = C>) {
        let mut cells: Vec<String> = cells.into_iter().map(|cell| text::shown(cell.as_ref()).into_owned()).collect();
        cells.resize(self.headings.len(), String::new());
        self.rows.push(cells);
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// For tables with more columns than fit: cuts cells to `cell_columns` and keeps the leading columns that fit.
    /// Returns how many columns were left out. Plain tables keep everything.
    pub fn fit(&mut self, shape: Shape, cell_columns: usize) -> usize {
        let Shape::Drawn(width) = shape else { return 0 };
        for cell in self.rows.iter_mut().flatten() {
            *cell = text::cut(cell, cell_columns).into_owned();
        }
        let mut used = 1;
        let mut kept = 0;
        for column_width in self.widths() {
            used += column_width + 3;
            if kept > 0 && used > usize::from(width) {
                break;
            }
            kept += 1;
        }
        let left_out = self.headings.len() - kept;
        self.headings.truncate(kept);
        for row in &mut self.rows {
            row.truncate(kept);
        }
        left_out
    }

    /// The table as text, ending with a line break.
    pub fn render(&self, shape: Shape) -> String {
        match shape {
            Shape::Drawn(width) => self.drawn(width),
            Shape::Plain => self.plain(),
        }
    }

    fn widths(&self) -> Vec<usize> {
        let mut widths: Vec<usize> = self.headings.iter().map(|(heading, _)| heading.width()).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.width());
            }
        }
        widths
    }

    fn drawn(&self, width: u16) -> String {
        let mut table = comfy_table::Table::new();
        table.load_style(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(width).force_no_tty();
        table.set_header(self.headings.iter().map(|(heading, _)| heading));
        for row in &self.rows {
            table.add_row(row);
        }
        for (index, (_, right)) in self.headings.iter().enumerate() {
            if let (true, Some(column)) = (*right, table.column_mut(index)) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        format!("{table}\n")
    }

    fn plain(&self) -> String {
        let widths = self.widths();
        let headings: Vec<&str> = self.headings.iter().map(|(heading, _)| heading.as_str()).collect();
        let rows = self.rows.iter().map(|row| row.iter().map(String::as_str).collect::<Vec<&str>>());
        let mut rendered = String::new();
        for row in std::iter::once(headings).chain(rows) {
            let cells: Vec<String> = row
                .iter()
                .zip(&widths)
                .zip(&self.headings)
                .map(|((cell, width), (_, right))| text::padded(cell, *width, *right))
                .collect();
            rendered.push_str(cells.join("  ").trim_end());
            rendered.push('\n');
        }
        rendered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Table {
        let mut table = Table::new(["Object", ">Rows", "Note"]);
        table.row(["Account", "3,000", "all of it"]);
        table.row(["Invoice__c", "12", "a long remark that wraps on a narrow terminal"]);
        table
    }

    #[test]
    fn plain_columns_line_up_and_nothing_is_cut() {
        insta::assert_snapshot!(sample().render(Shape::Plain), @r"
        Object       Rows  Note
        Account     3,000  all of it
        Invoice__c     12  a long remark that wraps on a narrow terminal
        ");
    }

    #[test]
    fn a_drawn_table_stays_within_the_width() {
        let drawn = sample().render(Shape::Drawn(44));
        assert!(drawn.lines().all(|line| line.width() <= 44), "{drawn}");
        insta::assert_snapshot!(drawn, @r"
        ┌────────────┬───────┬─────────────────────┐
        │ Object     ┆  Rows ┆ Note                │
        ╞════════════╪═══════╪═════════════════════╡
        │ Account    ┆ 3,000 ┆ all of it           │
        │ Invoice__c ┆    12 ┆ a long remark that  │
        │            ┆       ┆ wraps on a narrow   │
        │            ┆       ┆ terminal            │
        └────────────┴───────┴─────────────────────┘
        ");
    }

    #[test]
    fn columns_that_do_not_fit_are_left_out_from_the_right() {
        let mut table = Table::new(["Id", "Name", "City", "Phone"]);
        table.row(["001000000000001AAA", "A very long name of an account", "Oslo", "+47"]);
        assert_eq!(table.fit(Shape::Drawn(50), 16), 1);
        insta::assert_snapshot!(table.render(Shape::Drawn(50)), @r"
        ┌──────────────────┬──────────────────┬──────┐
        │ Id               ┆ Name             ┆ City │
        ╞══════════════════╪══════════════════╪══════╡
        │ 001000000000001… ┆ A very long nam… ┆ Oslo │
        └──────────────────┴──────────────────┴──────┘
        ");
        assert_eq!(Table::new(["Id"]).fit(Shape::Plain, 3), 0);
    }

    #[test]
    fn cells_are_made_safe() {
        let mut table = Table::new(["Name"]);
        table.row(["a\u{1b}[2J\nb"]);
        assert_eq!(table.render(Shape::Plain), "Name\na\\u{1b}[2J\\nb\n");
        assert!(!table.is_empty());
    }
}
