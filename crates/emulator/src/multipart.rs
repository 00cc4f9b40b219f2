// SPDX-License-Identifier: Apache-2.0
//! `multipart/form-data` as clients send it with files and with Bulk jobs (`salesforce-api.md` 2.9, 3.2): read piece by
//! piece while it arrives, each part spooled to a temporary file once it is larger than a megabyte, so that an upload
//! of 2 GB needs no memory.
//!
//! The parser searches for CR LF `--boundary` in a buffer that starts with an invented CR LF (so that the first
//! boundary looks like every other) and keeps back only the bytes that could be the beginning of a boundary. Parts may
//! come in any order and under any name: jsforce sends the file before the JSON.

use std::io::{self, Read, Seek, SeekFrom, Write};

use axum::body::Body;
use futures::StreamExt;
use http::HeaderMap;
use tempfile::SpooledTempFile;

use crate::{error::ApiError, request};

/// Parts up to this size stay in memory.
const SPOOL_BYTES: usize = 1024 * 1024;
/// The headers of one part may not be longer.
const HEADERS_MAX_BYTES: usize = 64 * 1024;

/// One part of a form.
pub struct Part {
    /// `name` of the content disposition.
    pub name: String,
    /// `filename` of the content disposition: what makes a part a file.
    pub filename: Option<String>,
    /// `Content-Type` without its parameters, in lower case; empty when there is none.
    pub content_type: String,
    /// Bytes of the body.
    pub size_bytes: u64,
    body: SpooledTempFile,
}

impl Part {
    /// Whether the part holds JSON: by its content type or, where that is missing or plain text, by its first byte.
    pub fn is_json(&mut self) -> bool {
        if self.content_type == "application/json" {
            return true;
        }
        if self.filename.is_some() || !(self.content_type.is_empty() || self.content_type == "text/plain") {
            return false;
        }
        let mut head = [0; 64];
        let read = self.rewind().and_then(|()| self.body.read(&mut head)).unwrap_or(0);
        head[..read].iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{')
    }

    /// The whole body.
    ///
    /// # Errors
    /// The temporary file cannot be read.
    pub fn bytes(&mut self) -> io::Result<Vec<u8>> {
        self.rewind()?;
        let mut bytes = Vec::with_capacity(usize::try_from(self.size_bytes).unwrap_or(0));
        self.body.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// The body, which stays in its file when it is large.
    ///
    /// # Errors
    /// The temporary file cannot be read.
    pub fn into_body(self) -> io::Result<crate::store::body::Body> {
        crate::store::body::Body::spooled(self.body, self.size_bytes)
    }

    fn rewind(&mut self) -> io::Result<()> {
        self.body.seek(SeekFrom::Start(0)).map(|_| ())
    }
}

/// Whether a request carries a form with parts.
pub fn is_multipart(headers: &HeaderMap) -> bool {
    request::media_type(headers).starts_with("multipart/")
}

/// Reads a whole form.
///
/// # Errors
/// 400 `INVALID_MULTIPART_REQUEST` when it is none, is cut off, or is longer than `max_bytes` in all its parts.
pub async fn read(headers: &HeaderMap, body: Body, max_bytes: u64) -> Result<Vec<Part>, ApiError> {
    let content_type = request::header(headers, "content-type").unwrap_or_default();
    let boundary = boundary(content_type).ok_or_else(|| malformed("the boundary is missing"))?;
    let mut parser = Parser::new(&boundary);
    let mut stream = body.into_data_stream();
    let mut received: u64 = 0;
    while let Some(piece) = stream.next().await {
        let piece = piece.map_err(|error| malformed(&error.to_string()))?;
        received += piece.len() as u64;
        if received > max_bytes {
            return Err(malformed("the request is too large"));
        }
        parser.push(&piece).map_err(|error| malformed(&error.to_string()))?;
    }
    parser.finish().map_err(|error| malformed(&error.to_string()))
}

/// 400 `INVALID_MULTIPART_REQUEST` (`salesforce-api.md` 2.9; the text is not known).
pub fn malformed(why: &str) -> ApiError {
    ApiError::new(400, "INVALID_MULTIPART_REQUEST", format!("Multipart message was malformed: {why}"))
}

fn boundary(content_type: &str) -> Option<String> {
    let value = parameter(content_type, "boundary")?;
    (!value.is_empty() && value.len() <= 200).then_some(value)
}

/// A parameter of a header value such as `form-data; name="a;b"; filename="c"`.
fn parameter(header: &str, name: &str) -> Option<String> {
    let mut rest = header;
    loop {
        rest = &rest[rest.find(';')? + 1..];
        let (key, after) = rest.split_once('=')?;
        let (value, tail) = parameter_value(after);
        if key.trim().eq_ignore_ascii_case(name) {
            return Some(value);
        }
        rest = tail;
    }
}

/// The value after `=`, quoted (with backslash escapes) or not, and what follows it.
fn parameter_value(text: &str) -> (String, &str) {
    let text = text.trim_start();
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(';').unwrap_or(text.len());
        return (text[..end].trim().to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((index, character)) = characters.next() {
        match character {
            '"' => return (value, &quoted[index + 1..]),
            '\\' => match characters.next() {
                // Browsers write Windows paths unescaped, so only a quote and a backslash are escapes.
                Some((_, next @ ('"' | '\\'))) => value.push(next),
                Some((_, next)) => value.extend(['\\', next]),
                None => break,
            },
            _ => value.push(character),
        }
    }
    (value, "")
}

enum State {
    Preamble,
    /// After a boundary: `--` ends the form, CR LF begins a part.
    Boundary,
    Headers,
    Body,
    End,
}

struct Parser {
    delimiter: Vec<u8>,
    buffer: Vec<u8>,
    state: State,
    parts: Vec<Part>,
}

impl Parser {
    fn new(boundary: &str) -> Parser {
        let delimiter = [b"\r\n--", boundary.as_bytes()].concat();
        Parser { delimiter, buffer: b"\r\n".to_vec(), state: State::Preamble, parts: Vec::new() }
    }

    fn push(&mut self, chunk: &[u8]) -> io::Result<()> {
        self.buffer.extend_from_slice(chunk);
        while self.step()? {}
        Ok(())
    }

    /// One transition. False when more data is needed.
    fn step(&mut self) -> io::Result<bool> {
        match self.state {
            State::Preamble => self.take_until_delimiter(false),
            State::Body => self.take_until_delimiter(true),
            State::Boundary => {
                let Some(end) = find(&self.buffer, b"\r\n") else {
                    if self.buffer.starts_with(b"--") {
                        self.state = State::End;
                    }
                    return Ok(false);
                };
                self.state = if self.buffer.starts_with(b"--") { State::End } else { State::Headers };
                // The line break stays: it is the first half of the blank line when a part has no headers.
                self.buffer.drain(..end);
                Ok(true)
            }
            State::Headers => {
                let Some(end) = find(&self.buffer, b"\r\n\r\n") else {
                    if self.buffer.len() > HEADERS_MAX_BYTES {
                        return Err(io::Error::other("the headers of a part are too long"));
                    }
                    return Ok(false);
                };
                let part = part(&String::from_utf8_lossy(&self.buffer[..end]));
                self.parts.push(part);
                self.buffer.drain(..end + 4);
                self.state = State::Body;
                Ok(true)
            }
            State::End => {
                self.buffer.clear();
                Ok(false)
            }
        }
    }

    /// Passes everything before the next boundary to the current part, or drops it.
    fn take_until_delimiter(&mut self, keep: bool) -> io::Result<bool> {
        let found = find(&self.buffer, &self.delimiter);
        let end = found.unwrap_or_else(|| self.buffer.len().saturating_sub(self.delimiter.len()));
        if keep && end > 0 {
            let part = self.parts.last_mut().expect("a body follows the headers that began its part");
            part.body.write_all(&self.buffer[..end])?;
            part.size_bytes += end as u64;
        }
        match found {
            Some(_) => {
                self.buffer.drain(..end + self.delimiter.len());
                self.state = State::Boundary;
                Ok(true)
            }
            None => {
                self.buffer.drain(..end);
                Ok(false)
            }
        }
    }

    fn finish(self) -> io::Result<Vec<Part>> {
        match self.state {
            State::End => Ok(self.parts),
            State::Preamble => Err(io::Error::other("no part was found")),
            _ => Err(io::Error::other("the last boundary is missing")),
        }
    }
}

fn part(headers: &str) -> Part {
    let mut part = Part {
        name: String::new(),
        filename: None,
        content_type: String::new(),
        size_bytes: 0,
        body: SpooledTempFile::new(SPOOL_BYTES),
    };
    for line in headers.split("\r\n") {
        let Some((name, value)) = line.split_once(':') else { continue };
        if name.trim().eq_ignore_ascii_case("content-disposition") {
            part.name = parameter(value, "name").unwrap_or_default();
            part.filename = parameter(value, "filename");
        } else if name.trim().eq_ignore_ascii_case("content-type") {
            part.content_type = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        }
    }
    part
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    let first = needle[0];
    let mut from = 0;
    while from + needle.len() <= haystack.len() {
        let candidates = &haystack[from..=haystack.len() - needle.len()];
        let at = from + candidates.iter().position(|&byte| byte == first)?;
        if &haystack[at..at + needle.len()] == needle {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &[u8], piece_bytes: usize) -> io::Result<Vec<Part>> {
        let mut parser = Parser::new("xx");
        for piece in text.chunks(piece_bytes) {
            parser.push(piece)?;
        }
        parser.finish()
    }

    const FORM: &[u8] = b"preamble\r\n--xx\r\nContent-Disposition: form-data; name=\"VersionData\"; filename=\"a \\\"b\\\"; c.bin\"\r\n\
        Content-Type: application/octet-stream\r\n\r\n\x00\r\n--x\r\n--xy\xff\r\n--xx\r\ncontent-disposition: form-data; \
        name=entity\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{\"a\":1}\r\n--xx--\r\nepilogue";

    #[test]
    fn parts_are_the_same_however_the_bytes_arrive() {
        for piece_bytes in 1..FORM.len() + 1 {
            let mut parts = parse(FORM, piece_bytes).unwrap();
            assert_eq!(parts.len(), 2);
            assert_eq!(parts[0].name, "VersionData");
            assert_eq!(parts[0].filename.as_deref(), Some("a \"b\"; c.bin"));
            assert_eq!(parts[0].bytes().unwrap(), b"\x00\r\n--x\r\n--xy\xff");
            assert!(!parts[0].is_json());
            assert_eq!(parts[1].name, "entity");
            assert_eq!(parts[1].bytes().unwrap(), b"{\"a\":1}");
            assert!(parts[1].is_json());
        }
    }

    #[test]
    fn a_part_may_be_empty_or_without_headers() {
        let mut parts =
            parse(b"--xx\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n--xx\r\n\r\nb\r\n--xx--", 4).unwrap();
        assert_eq!(parts[0].size_bytes, 0);
        assert_eq!(parts[1].bytes().unwrap(), b"b");
    }

    #[test]
    fn a_form_that_is_cut_off_is_refused() {
        assert!(parse(b"--xx\r\nContent-Disposition: form-data; name=a\r\n\r\nabc", 7).is_err());
        assert!(parse(b"no form at all", 7).is_err());
    }

    #[test]
    fn a_large_part_leaves_memory() {
        let body = vec![7u8; 3 * SPOOL_BYTES];
        let form =
            [b"--xx\r\nContent-Disposition: form-data; name=a; filename=a\r\n\r\n", &body[..], b"\r\n--xx--"].concat();
        let mut parts = parse(&form, 64 * 1024).unwrap();
        assert!(parts[0].body.is_rolled());
        assert_eq!(parts[0].bytes().unwrap(), body);
    }
}
