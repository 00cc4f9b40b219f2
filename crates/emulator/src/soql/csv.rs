// SPDX-License-Identifier: Apache-2.0
//! Rows as the Bulk API's CSV (`salesforce-api.md` 3.1): every value in quotes, quotes doubled, nothing for null, dates and times
//! `2022-03-17T16:21:26.000Z`. Written straight from SQLite's row into one buffer that is used again for each row, because
//! hundreds of thousands of rows pass here.

use std::io::Write as _;

use rusqlite::types::ValueRef;

use super::failed;
use super::functions::prepare;
use super::plan::{Plan, Written};
use super::refusal;
use super::sql::{self, Rows, Sql};
use crate::error::ApiError;
use crate::schema::FieldType;
use crate::store::Tx;
use crate::value::date_time_text;

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
    let mut statement = prepare(tx.conn, &text).map_err(failed)?;
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
            FieldType::Datetime => moment(line, number),
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

/// `2022-03-17T16:21:26.000Z`, with the calendar worked out by hand: a general formatter takes longer than the rest of the row.
fn moment(line: &mut Vec<u8>, ms: i64) {
    let (days, ms_of_day) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
    // Days to a date of the proleptic Gregorian calendar, counted in eras of 400 years that begin in March.
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    if !(0..=9999).contains(&year) {
        line.extend_from_slice(date_time_text(ms, "Z").as_bytes());
        return;
    }
    let mut digits = |number: i64, width: u32, after: u8| {
        for place in (0..width).rev() {
            line.push(b'0' + u8::try_from(number / 10_i64.pow(place) % 10).unwrap_or(0));
        }
        line.push(after);
    };
    digits(year, 4, b'-');
    digits(month, 2, b'-');
    digits(day, 2, b'T');
    digits(ms_of_day / 3_600_000, 2, b':');
    digits(ms_of_day / 60_000 % 60, 2, b':');
    digits(ms_of_day / 1000 % 60, 2, b'.');
    digits(ms_of_day % 1000, 3, b'Z');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_agree_with_the_general_formatter() {
        let spread = (0..20_000).map(|step| -62_135_596_800_000 + step * 15_778_476_123);
        for ms in spread.chain([0, -1, 951_782_400_000, 1_709_164_800_000, 253_402_300_799_999]) {
            let mut line = Vec::new();
            moment(&mut line, ms);
            assert_eq!(String::from_utf8(line).unwrap(), date_time_text(ms, "Z"));
        }
    }

    #[test]
    fn quotes_are_doubled() {
        let mut line = Vec::new();
        quote(&mut line, b"a \"b\"\n,c\"");
        assert_eq!(line, b"\"a \"\"b\"\"\n,c\"\"\"");
    }
}
