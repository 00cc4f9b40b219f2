// SPDX-License-Identifier: Apache-2.0
//! The functions of date and time. Everything is in UTC: users' time zones do not matter here.

use chrono::{DateTime, Datelike as _, Months, NaiveDate, Timelike as _, Utc};

use super::evaluate::{DAY_MS, Result};
use crate::value;

pub const KNOWN: [&str; 22] = [
    "ADDMONTHS",
    "DATE",
    "DATETIMEVALUE",
    "DATEVALUE",
    "DAY",
    "DAYOFYEAR",
    "FROMUNIXTIME",
    "HOUR",
    "ISOWEEK",
    "ISOYEAR",
    "MILLISECOND",
    "MINUTE",
    "MONTH",
    "NOW",
    "SECOND",
    "TIMENOW",
    "TIMEVALUE",
    "TODAY",
    "UNIXTIMESTAMP",
    "WEEKDAY",
    "WEEKNUM",
    "YEAR",
];

/// Calls a function; `of` gives its arguments, `now` is in ms.
pub fn call(name: &str, of: impl Fn(usize) -> Result, now: i64) -> Result {
    let number = |at: usize| of(at).number();
    match name {
        "TODAY" => Result::Date(now.div_euclid(DAY_MS)),
        "NOW" => Result::Time(now),
        "TIMENOW" => Result::Text(time_text(now)),
        "DATEVALUE" => match of(0) {
            Result::Time(ms) => Result::Date(ms.div_euclid(DAY_MS)),
            Result::Text(text) => {
                value::parse_date_time(&text).map_or(Result::Null, |ms| Result::Date(ms.div_euclid(DAY_MS)))
            }
            other => other,
        },
        "DATETIMEVALUE" => match of(0) {
            Result::Date(days) => Result::Time(days * DAY_MS),
            Result::Text(text) => {
                let iso = text.trim().replacen(' ', "T", 1);
                let zoned = if iso.contains('T') && !iso.ends_with('Z') { iso + "Z" } else { iso };
                value::parse_date_time(&zoned).map_or(Result::Null, Result::Time)
            }
            other => other,
        },
        "TIMEVALUE" => match of(0) {
            Result::Time(ms) => Result::Text(time_text(ms)),
            other => other,
        },
        "DATE" => {
            let day = NaiveDate::from_ymd_opt(number(0) as i32, number(1) as u32, number(2) as u32);
            day.map_or(Result::Null, days_of)
        }
        "ADDMONTHS" => match (of(0), number(1) as i32) {
            (Result::Date(days), months) => moment(days * DAY_MS)
                .and_then(|time| add_months(time.date_naive(), months))
                .map_or(Result::Null, days_of),
            (Result::Time(ms), months) => moment(ms)
                .and_then(|time| Some((add_months(time.date_naive(), months)?, ms.rem_euclid(DAY_MS))))
                .map_or(Result::Null, |(day, rest)| match days_of(day) {
                    Result::Date(days) => Result::Time(days * DAY_MS + rest),
                    other => other,
                }),
            _ => Result::Null,
        },
        "YEAR" => part(&of(0), |day| f64::from(day.year())),
        "MONTH" => part(&of(0), |day| f64::from(day.month())),
        "DAY" => part(&of(0), |day| f64::from(day.day())),
        // Sunday is 1.
        "WEEKDAY" => part(&of(0), |day| f64::from(day.weekday().num_days_from_sunday() + 1)),
        "DAYOFYEAR" => part(&of(0), |day| f64::from(day.ordinal())),
        "ISOWEEK" => part(&of(0), |day| f64::from(day.iso_week().week())),
        "ISOYEAR" => part(&of(0), |day| f64::from(day.iso_week().year())),
        "WEEKNUM" => part(&of(0), |day| f64::from(day.ordinal0() / 7 + 1)),
        "HOUR" => part(&of(0), |time| f64::from(time.hour())),
        "MINUTE" => part(&of(0), |time| f64::from(time.minute())),
        "SECOND" => part(&of(0), |time| f64::from(time.second())),
        "MILLISECOND" => part(&of(0), |time| f64::from(time.timestamp_subsec_millis())),
        "UNIXTIMESTAMP" => match of(0) {
            Result::Date(days) => Result::Number((days * DAY_MS / 1000) as f64),
            Result::Time(ms) => Result::Number(ms.div_euclid(1000) as f64),
            _ => Result::Null,
        },
        "FROMUNIXTIME" => Result::Time((number(0) * 1000.0) as i64),
        _ => Result::Null,
    }
}

fn moment(ms: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_millis(ms)
}

fn days_of(day: NaiveDate) -> Result {
    let ms = day.and_hms_opt(0, 0, 0).map(|time| time.and_utc().timestamp_millis());
    ms.map_or(Result::Null, |ms| Result::Date(ms.div_euclid(DAY_MS)))
}

/// The last day of a month leads to the last day of a month.
fn add_months(day: NaiveDate, months: i32) -> Option<NaiveDate> {
    let by = Months::new(months.unsigned_abs());
    let moved = if months < 0 { day.checked_sub_months(by)? } else { day.checked_add_months(by)? };
    let is_last = day.succ_opt().is_some_and(|next| next.month() != day.month());
    if !is_last {
        return Some(moved);
    }
    let next_month = moved.with_day(1)?.checked_add_months(Months::new(1))?;
    next_month.pred_opt()
}

fn time_text(ms: i64) -> String {
    value::date_time_text(ms, "Z").get(11..).unwrap_or_default().to_owned()
}

/// A part of a date, a date-time or a time.
fn part(result: &Result, of: impl Fn(DateTime<Utc>) -> f64) -> Result {
    let ms = match result {
        Result::Date(days) => Some(days * DAY_MS),
        Result::Time(ms) => Some(*ms),
        Result::Text(time) => value::parse_date_time(&format!("1970-01-01T{time}")),
        _ => None,
    };
    ms.and_then(moment).map_or(Result::Null, |time| Result::Number(of(time)))
}
