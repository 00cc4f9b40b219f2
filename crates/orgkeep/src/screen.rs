// SPDX-License-Identifier: Apache-2.0
//! Where words go: stdout is what was asked for, stderr is everything else.
//!
//! With `--json` stdout carries JSON Lines only. A reader that went away (`| head`) is not an error: later output is
//! dropped and the work goes on, because half a restore would be worse than an unread line.

use crate::failure::{Failure, Kind};
use crate::table::{Shape, Table};
use crate::{environment, text};
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

pub struct Screen {
    json: bool,
    shape: Shape,
    progress: bool,
    /// Nobody reads stdout any more.
    closed: AtomicBool,
}

impl Screen {
    pub fn new(json: bool) -> Screen {
        let width = environment::variable("COLUMNS")
            .and_then(|columns| columns.parse().ok())
            .or_else(|| comfy_table::Table::new().width())
            .unwrap_or(100)
            .clamp(40, 400);
        let shape = if io::stdout().is_terminal() { Shape::Drawn(width) } else { Shape::Plain };
        let dumb = environment::variable("TERM").is_some_and(|terminal| terminal == "dumb");
        Screen { json, shape, progress: io::stderr().is_terminal() && !dumb, closed: AtomicBool::new(false) }
    }

    pub fn json(&self) -> bool {
        self.json
    }

    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Whether bars can be drawn on stderr.
    pub fn draws_progress(&self) -> bool {
        self.progress && !self.json
    }

    /// Data for people, on stdout; nothing with `--json`.
    pub fn show(&self, words: &str) -> Result<(), Failure> {
        if self.json { Ok(()) } else { self.write(words.as_bytes()) }
    }

    pub fn line(&self, words: &str) -> Result<(), Failure> {
        self.show(&format!("{words}\n"))
    }

    pub fn table(&self, table: &Table) -> Result<(), Failure> {
        self.show(&table.render(self.shape))
    }

    /// One line of `--json`; nothing without it.
    pub fn record(&self, value: &serde_json::Value) -> Result<(), Failure> {
        if self.json { self.write(format!("{value}\n").as_bytes()) } else { Ok(()) }
    }

    /// A remark for people, on stderr; nothing with `--json`.
    pub fn say(&self, words: &str) {
        if !self.json {
            // A closed stderr leaves nobody to tell.
            let _ = writeln!(io::stderr().lock(), "{words}");
        }
    }

    fn write(&self, bytes: &[u8]) -> Result<(), Failure> {
        if self.closed.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut out = io::stdout().lock();
        match out.write_all(bytes).and_then(|()| out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.closed.store(true, Ordering::Relaxed);
                Ok(())
            }
            Err(error) => Err(Failure::caused(Kind::Invalid, "could not write to the standard output", &error)),
            Ok(()) => Ok(()),
        }
    }

    /// Stdout for bytes (an export). Tells apart a reader that went away from a failure.
    pub fn bytes(&self) -> Bytes<'_> {
        Bytes { screen: self }
    }

    pub fn reader_went_away(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }
}

/// Raw stdout, for an export.
pub struct Bytes<'a> {
    screen: &'a Screen,
}

impl Write for Bytes<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = io::stdout().lock().write(buffer);
        self.note(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = io::stdout().lock().flush();
        self.note(flushed)
    }
}

impl Bytes<'_> {
    fn note<T>(&self, outcome: io::Result<T>) -> io::Result<T> {
        if matches!(&outcome, Err(error) if error.kind() == io::ErrorKind::BrokenPipe) {
            self.screen.closed.store(true, Ordering::Relaxed);
        }
        outcome
    }
}

/// `Name: value` lines with the values in one column.
pub fn facts<'a>(pairs: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let pairs: Vec<(&str, String)> = pairs.into_iter().collect();
    let width = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or(0) + 1;
    pairs
        .iter()
        .map(|(name, value)| format!("{} {}\n", text::padded(&format!("{name}:"), width, false), text::shown(value)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_line_up() {
        let facts = facts([("Org", "Acme".to_owned()), ("API version", "67.0\u{7}".to_owned())]);
        assert_eq!(facts, "Org:         Acme\nAPI version: 67.0\\u{7}\n");
    }
}
