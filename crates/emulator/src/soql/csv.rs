// SPDX-License-Identifier: Apache-2.0
//! Rows as the Bulk API's CSV (`salesforce-api.md` 3.1): every value in quotes, quotes doubled, nothing for null, dates and times
//! `2022-03-17T16:21:26.000Z`. Written straight from SQLite's row into one buffer that is used again for each row, because
//! hundreds of thousands of rows pass here.

use std::io::Write as _;

use rusqlite::types::ValueRef;

use super::failed;
use super::functions::if_used;
use super::plan::{Plan, Written};
use super::refusal;
use super::sql::{self, Rows, Sql};
use crate::error::ApiError;
use crate::schema::FieldType;
use crate::store::Tx;
use crate::value::write_date_time;

/// How a file's columns and lines are parted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialect {
    pub delimiter: u8,
    pub line_ending: &'static str,
}

impl Default for Dialect {
    fn default() -> Dialect {
        Dialect { delimiter: b',', line_ending: "\n" }
    }
}

pub fn header(plan: &Plan, dialect: Dialect) -> Vec<u8> {
    let mut line = Vec::new();
    for (place, written) in plan.written.iter().enumerate() {
        if place > 0 {
            line.push(dialect.delimiter);
        }
        quote(&mut line, written.name.as_bytes());
    }
    line.extend_from_slice(dialect.line_ending.as_bytes());
    line
}

/// Gives each row, with its line ending, to `out`, and returns how many there were. An error of `out` ends the reading.
pub fn rows<E: From<ApiError>>(
    tx: &Tx<'_>,
    plan: &Plan,
    dialect: Dialect,
    out: &mut dyn FnMut(&[u8]) -> Result<(), E>,
) -> Result<u64, E> {
    if let Some(content) = plan.written.iter().find(|written| written.kind == FieldType::Base64) {
        let message = format!("Cannot serialize value for '{}' in CSV format", content.name);
        return Err(refusal::plain("FeatureNotEnabled", message).into());
    }
    let Sql { text, bound, .. } = sql::select(plan, Rows::Matching);
    let Some(mut statement) = if_used(tx.conn, &text, plan).map_err(failed)? else { return Ok(0) };
    let mut cursor = statement.query(rusqlite::params_from_iter(bound)).map_err(failed)?;
    let mut line = Vec::with_capacity(1024);
    let mut count = 0;
    while let Some(row) = cursor.next().map_err(failed)? {
        line.clear();
        for (place, written) in plan.written.iter().enumerate() {
            if place > 0 {
                line.push(dialect.delimiter);
            }
            cell(&mut line, written, row.get_ref(written.column).map_err(failed)?);
        }
        line.extend_from_slice(dialect.line_ending.as_bytes());
        out(&line)?;
        count += 1;
    }
    Ok(count)
}

fn cell(line: &mut Vec<u8>, written: &Written, stored: ValueRef<'_>) {
    line.push(b'"');
    match stored {
        ValueRef::Text(text) | ValueRef::Blob(text) => escaped(line, text),
        ValueRef::Null if written.kind == FieldType::Boolean && written.own => line.extend_from_slice(b"false"),
        ValueRef::Null => {}
        ValueRef::Integer(number) => match written.kind {
            FieldType::Boolean => line.extend_from_slice(if number == 0 { b"false" } else { b"true" }),
            FieldType::Datetime => write_date_time(number, "Z", line),
            kind => {
                let _ = write!(line, "{number}");
                if kind.has_fraction() && number.unsigned_abs() <= 1 << 53 {
                    line.extend_from_slice(b".0");
                }
            }
        },
        ValueRef::Real(number) => {
            let _ = write!(line, "{number:?}");
        }
    }
    line.push(b'"');
}

fn quote(line: &mut Vec<u8>, text: &[u8]) {
    line.push(b'"');
    escaped(line, text);
    line.push(b'"');
}

fn escaped(line: &mut Vec<u8>, text: &[u8]) {
    let mut rest = text;
    while let Some(place) = rest.iter().position(|&byte| byte == b'"') {
        line.extend_from_slice(&rest[..=place]);
        line.push(b'"');
        rest = &rest[place + 1..];
    }
    line.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_doubled() {
        let mut line = Vec::new();
        quote(&mut line, b"a \"b\"\n,c\"");
        assert_eq!(line, b"\"a \"\"b\"\"\n,c\"\"\"");
    }
}
