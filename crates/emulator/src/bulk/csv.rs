// SPDX-License-Identifier: Apache-2.0
//! The CSV of Bulk API 2.0 (`salesforce-api.md` 3.1 and 3.2): a reader that is as strict as the org, and the writer of
//! one value.
//!
//! A job fixes delimiter and line ending before it sees data, so the reader guesses nothing: outside quotes only the
//! job's line ending ends a row, and the other one (or half of it) is the error that real jobs fail with. Inside
//! quotes everything is data, a doubled quote is a quote. A quote inside an unquoted value is an error; a byte order
//! mark makes one of the first quote, as it does in Salesforce.
//!
//! The reader holds one row in memory and passes bytes through; it does not care for UTF-8 (delimiters are ASCII, so
//! no multi-byte character can be cut) and does not compare the number of values between rows.

use std::io::{self, BufRead};

/// The longest value that a job accepts, in bytes of UTF-8 counted as characters (`salesforce-api.md` 3.2: 32,000
/// characters per field).
pub const VALUE_MAX_CHARS: usize = 32_000;
/// The longest record (`salesforce-api.md` 3.2).
pub const RECORD_MAX_CHARS: usize = 400_000;
/// The most values in a record (`salesforce-api.md` 3.2).
pub const RECORD_MAX_FIELDS: usize = 5_000;

/// How rows end: `lineEnding` of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineEnding {
    Lf,
    CrLf,
}

impl LineEnding {
    /// The name in a job.
    pub fn as_str(self) -> &'static str {
        match self {
            LineEnding::Lf => "LF",
            LineEnding::CrLf => "CRLF",
        }
    }

    /// What ends a row.
    pub fn text(self) -> &'static str {
        match self {
            LineEnding::Lf => "\n",
            LineEnding::CrLf => "\r\n",
        }
    }

    /// From the name in a job.
    pub fn named(name: &str) -> Option<LineEnding> {
        match name {
            "LF" => Some(LineEnding::Lf),
            "CRLF" => Some(LineEnding::CrLf),
            _ => None,
        }
    }
}

/// What stands between values: `columnDelimiter` of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delimiter {
    Backquote,
    Caret,
    Comma,
    Pipe,
    Semicolon,
    Tab,
}

impl Delimiter {
    /// The name in a job.
    pub fn as_str(self) -> &'static str {
        match self {
            Delimiter::Backquote => "BACKQUOTE",
            Delimiter::Caret => "CARET",
            Delimiter::Comma => "COMMA",
            Delimiter::Pipe => "PIPE",
            Delimiter::Semicolon => "SEMICOLON",
            Delimiter::Tab => "TAB",
        }
    }

    /// The byte between two values.
    pub fn byte(self) -> u8 {
        match self {
            Delimiter::Backquote => b'`',
            Delimiter::Caret => b'^',
            Delimiter::Comma => b',',
            Delimiter::Pipe => b'|',
            Delimiter::Semicolon => b';',
            Delimiter::Tab => b'\t',
        }
    }

    /// From the name in a job.
    pub fn named(name: &str) -> Option<Delimiter> {
        [
            Delimiter::Backquote,
            Delimiter::Caret,
            Delimiter::Comma,
            Delimiter::Pipe,
            Delimiter::Semicolon,
            Delimiter::Tab,
        ]
        .into_iter()
        .find(|delimiter| delimiter.as_str() == name)
    }
}

/// One row, its values unquoted. Reused between reads.
#[derive(Clone, Debug, Default)]
pub struct Row {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Row {
    /// How many values the row has.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether nothing was read into it.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The bytes of one value; empty beyond the last.
    pub fn value(&self, index: usize) -> &[u8] {
        let Some(&end) = self.ends.get(index) else { return b"" };
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.bytes[start..end]
    }

    /// All values in order.
    pub fn values(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map(|index| self.value(index))
    }

    /// Bytes of all values.
    pub fn size_bytes(&self) -> usize {
        self.bytes.len()
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    fn end_value(&mut self) {
        self.ends.push(self.bytes.len());
    }
}

/// Why data is not CSV as the job announced it.
#[derive(Debug)]
pub enum Broken {
    /// The rows end otherwise than the job says.
    LineEnding,
    /// A quote where none may stand, or one that is never closed.
    Quote,
    /// A value, a record or the number of values is above its limit; says which.
    TooLong(&'static str),
    /// The data could not be read.
    Read(io::Error),
}

impl Broken {
    /// The `errorMessage` of the job that fails for it. The texts for line endings and quotes are Salesforce's
    /// (`salesforce-api.md` 3.2); those for limits follow their pattern, no real one is known.
    pub fn job_error(&self, line_ending: LineEnding) -> String {
        match self {
            Broken::LineEnding => format!(
                "ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is {}",
                line_ending.as_str()
            ),
            Broken::Quote => "InvalidBatch : Failed to parse CSV. Found unescaped quote. A value with quote should be \
                              within a quote"
                .to_owned(),
            Broken::TooLong(what) => format!("InvalidBatch : Failed to parse CSV. {what}"),
            Broken::Read(error) => format!("InternalServerError : {error}"),
        }
    }
}

/// Reads rows one after another.
pub struct Reader<R> {
    input: R,
    delimiter: u8,
    line_ending: LineEnding,
}

enum At {
    ValueStart,
    Unquoted,
    Quoted,
    /// After a quote inside a quoted value: the end of it, or the first of two.
    Quote,
    /// After CR outside quotes.
    Cr,
}

impl<R: BufRead> Reader<R> {
    pub fn new(input: R, delimiter: Delimiter, line_ending: LineEnding) -> Reader<R> {
        Reader { input, delimiter: delimiter.byte(), line_ending }
    }

    /// Reads the next row that is not an empty line. False at the end of the data. A last row without a line ending
    /// counts.
    ///
    /// # Errors
    /// The data is not CSV as announced. What was read before stays valid; nothing after it can be read.
    pub fn read(&mut self, row: &mut Row) -> Result<bool, Broken> {
        loop {
            row.clear();
            if !self.read_line(row)? {
                return Ok(false);
            }
            let is_blank = row.len() == 1 && row.value(0).is_empty();
            if !is_blank {
                return Ok(true);
            }
        }
    }

    fn read_line(&mut self, row: &mut Row) -> Result<bool, Broken> {
        let mut at = At::ValueStart;
        let mut value_start = 0;
        loop {
            let chunk = match self.input.fill_buf() {
                Ok(chunk) => chunk,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Broken::Read(error)),
            };
            if chunk.is_empty() {
                return match at {
                    At::ValueStart if row.is_empty() => Ok(false),
                    At::Quoted => Err(Broken::Quote),
                    At::Cr => Err(Broken::LineEnding),
                    At::ValueStart | At::Unquoted | At::Quote => {
                        row.end_value();
                        Ok(true)
                    }
                };
            }
            let (used, done) = scan(chunk, &mut at, &mut value_start, row, self.delimiter, self.line_ending)?;
            self.input.consume(used);
            if done {
                return Ok(true);
            }
            if row.bytes.len() - value_start > 4 * VALUE_MAX_CHARS {
                return Err(Broken::TooLong("A value is longer than 32000 characters"));
            }
        }
    }
}

/// Takes bytes of one chunk into the row until the row ends or the chunk does. Returns how many bytes it took and
/// whether the row is complete.
fn scan(
    chunk: &[u8],
    at: &mut At,
    value_start: &mut usize,
    row: &mut Row,
    delimiter: u8,
    line_ending: LineEnding,
) -> Result<(usize, bool), Broken> {
    let mut position = 0;
    while position < chunk.len() {
        let byte = chunk[position];
        match at {
            At::Quoted => {
                let rest = &chunk[position..];
                let plain = rest.iter().position(|&byte| byte == b'"').unwrap_or(rest.len());
                row.bytes.extend_from_slice(&rest[..plain]);
                position += plain;
                if position < chunk.len() {
                    *at = At::Quote;
                    position += 1;
                }
                continue;
            }
            At::Cr => {
                // CR was seen outside quotes: only as the first half of the job's own line ending is it allowed.
                if byte != b'\n' || line_ending == LineEnding::Lf {
                    return Err(Broken::LineEnding);
                }
                row.end_value();
                check_limits(row)?;
                return Ok((position + 1, true));
            }
            At::ValueStart if byte == b'"' => *at = At::Quoted,
            At::Quote if byte == b'"' => {
                row.bytes.push(b'"');
                *at = At::Quoted;
            }
            At::ValueStart | At::Quote | At::Unquoted => {
                if byte == delimiter {
                    row.end_value();
                    *value_start = row.bytes.len();
                    *at = At::ValueStart;
                } else if byte == b'\n' {
                    if line_ending == LineEnding::CrLf {
                        return Err(Broken::LineEnding);
                    }
                    row.end_value();
                    check_limits(row)?;
                    return Ok((position + 1, true));
                } else if byte == b'\r' {
                    *at = At::Cr;
                } else if byte == b'"' || matches!(at, At::Quote) {
                    return Err(Broken::Quote);
                } else {
                    row.bytes.push(byte);
                    *at = At::Unquoted;
                }
            }
        }
        position += 1;
    }
    Ok((position, false))
}

fn check_limits(row: &Row) -> Result<(), Broken> {
    if row.len() > RECORD_MAX_FIELDS {
        return Err(Broken::TooLong("A record has more than 5000 fields"));
    }
    // Bytes bound characters from above, so counting is needed only where there are many bytes.
    if row.bytes.len() <= VALUE_MAX_CHARS {
        return Ok(());
    }
    if row.values().any(|value| value.len() > VALUE_MAX_CHARS && characters(value) > VALUE_MAX_CHARS) {
        return Err(Broken::TooLong("A value is longer than 32000 characters"));
    }
    if row.bytes.len() > RECORD_MAX_CHARS && characters(&row.bytes) > RECORD_MAX_CHARS {
        return Err(Broken::TooLong("A record is longer than 400000 characters"));
    }
    Ok(())
}

fn characters(text: &[u8]) -> usize {
    text.iter().filter(|&&byte| (byte & 0xC0) != 0x80).count()
}

/// Appends one value, quoted as Bulk 2.0 quotes every value of its results.
pub fn write_value(out: &mut Vec<u8>, value: &[u8]) {
    out.push(b'"');
    let mut rest = value;
    while let Some(quote) = rest.iter().position(|&byte| byte == b'"') {
        out.extend_from_slice(&rest[..=quote]);
        out.push(b'"');
        rest = &rest[quote + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// Appends one row of quoted values.
pub fn write_row<'a>(
    out: &mut Vec<u8>,
    values: impl IntoIterator<Item = &'a [u8]>,
    delimiter: Delimiter,
    line_ending: LineEnding,
) {
    for (index, value) in values.into_iter().enumerate() {
        if index > 0 {
            out.push(delimiter.byte());
        }
        write_value(out, value);
    }
    out.extend_from_slice(line_ending.text().as_bytes());
}

#[cfg(test)]
mod tests;
