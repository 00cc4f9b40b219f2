// SPDX-License-Identifier: Apache-2.0
//! The functions that formulas may use.

use chrono::{DateTime, Datelike as _, NaiveDate};

use super::evaluate::{DAY_MS, Place, Result, evaluate, same};
use super::parse::Expression;
use crate::value;

const KNOWN: [&str; 42] = [
    "ABS",
    "AND",
    "BEGINS",
    "BLANKVALUE",
    "CASE",
    "CASESAFEID",
    "CEILING",
    "CONTAINS",
    "DATE",
    "DATEVALUE",
    "DAY",
    "FIND",
    "FLOOR",
    "IF",
    "INCLUDES",
    "ISBLANK",
    "ISNULL",
    "ISNUMBER",
    "ISPICKVAL",
    "LEFT",
    "LEN",
    "LOWER",
    "LPAD",
    "MAX",
    "MID",
    "MIN",
    "MOD",
    "MONTH",
    "NOT",
    "NOW",
    "NULLVALUE",
    "OR",
    "RIGHT",
    "ROUND",
    "RPAD",
    "SQRT",
    "SUBSTITUTE",
    "TEXT",
    "TODAY",
    "TRIM",
    "UPPER",
    "VALUE",
];

/// Whether a function is emulated.
pub fn known(name: &str) -> bool {
    KNOWN.contains(&name) || name == "YEAR"
}

/// Calls a function. Missing arguments count as null.
pub fn call(name: &str, arguments: &[Expression], place: &Place<'_>) -> Result {
    let of = |at: usize| arguments.get(at).map_or(Result::Null, |argument| evaluate(argument, place));
    let number = |at: usize| of(at).number();
    let text = |at: usize| of(at).text();
    let all = || arguments.iter().map(|argument| evaluate(argument, place));
    match name {
        "IF" => of(if of(0).is_true() { 1 } else { 2 }),
        "AND" => Result::Bool(all().all(|result| result.is_true())),
        "OR" => Result::Bool(all().any(|result| result.is_true())),
        "NOT" => Result::Bool(!of(0).is_true()),
        "ISBLANK" | "ISNULL" => Result::Bool(of(0).is_blank()),
        "BLANKVALUE" | "NULLVALUE" => {
            if of(0).is_blank() {
                of(1)
            } else {
                of(0)
            }
        }
        "ISPICKVAL" => Result::Bool(same(&of(0), &of(1))),
        "INCLUDES" => Result::Bool(text(0).split(';').any(|value| value == text(1))),
        "CASE" => case(arguments, place),
        "TEXT" | "CASESAFEID" => Result::Text(text(0)),
        "VALUE" => text(0).trim().parse().map_or(Result::Null, Result::Number),
        "ISNUMBER" => Result::Bool(text(0).trim().parse::<f64>().is_ok()),
        "LEN" => Result::Number(text(0).chars().count() as f64),
        "LEFT" => Result::Text(text(0).chars().take(count(number(1))).collect()),
        "RIGHT" => {
            let chars: Vec<char> = text(0).chars().collect();
            Result::Text(chars[chars.len().saturating_sub(count(number(1)))..].iter().collect())
        }
        "MID" => {
            Result::Text(text(0).chars().skip(count(number(1)).saturating_sub(1)).take(count(number(2))).collect())
        }
        "UPPER" => Result::Text(text(0).to_uppercase()),
        "LOWER" => Result::Text(text(0).to_lowercase()),
        "TRIM" => Result::Text(text(0).trim().to_owned()),
        "CONTAINS" => Result::Bool(text(0).contains(&text(1))),
        "BEGINS" => Result::Bool(text(0).starts_with(&text(1))),
        "FIND" => {
            let (needle, hay) = (text(0), text(1));
            Result::Number(hay.find(&needle).map_or(0, |at| hay[..at].chars().count() + 1) as f64)
        }
        "SUBSTITUTE" => Result::Text(text(0).replace(&text(1), &text(2))),
        "LPAD" | "RPAD" => Result::Text(pad(&text(0), count(number(1)), &text(2), name == "LPAD")),
        "ABS" => Result::Number(number(0).abs()),
        "CEILING" => Result::Number(number(0).ceil()),
        "FLOOR" => Result::Number(number(0).floor()),
        "SQRT" => Result::Number(number(0).sqrt()),
        "MOD" => Result::Number(number(0).rem_euclid(number(1))),
        "ROUND" => {
            let factor = 10f64.powf(number(1));
            Result::Number((number(0) * factor).round() / factor)
        }
        "MAX" => Result::Number(all().map(|result| result.number()).fold(f64::NEG_INFINITY, f64::max)),
        "MIN" => Result::Number(all().map(|result| result.number()).fold(f64::INFINITY, f64::min)),
        "TODAY" => Result::Date(place.tx.now.div_euclid(DAY_MS)),
        "NOW" => Result::Time(place.tx.now),
        "DATEVALUE" => match of(0) {
            Result::Time(ms) => Result::Date(ms.div_euclid(DAY_MS)),
            Result::Text(text) => {
                value::parse_date_time(&text).map_or(Result::Null, |ms| Result::Date(ms.div_euclid(DAY_MS)))
            }
            other => other,
        },
        "DATE" => {
            let day = NaiveDate::from_ymd_opt(number(0) as i32, number(1) as u32, number(2) as u32);
            let ms = day.and_then(|day| day.and_hms_opt(0, 0, 0)).map(|time| time.and_utc().timestamp_millis());
            ms.map_or(Result::Null, |ms| Result::Date(ms.div_euclid(DAY_MS)))
        }
        "YEAR" => part(&of(0), |day| f64::from(day.year())),
        "MONTH" => part(&of(0), |day| f64::from(day.month())),
        "DAY" => part(&of(0), |day| f64::from(day.day())),
        _ => Result::Null,
    }
}

fn count(n: f64) -> usize {
    if n > 0.0 { n as usize } else { 0 }
}

/// CASE(expression, value, result, …, otherwise)
fn case(arguments: &[Expression], place: &Place<'_>) -> Result {
    let Some((subject, rest)) = arguments.split_first() else { return Result::Null };
    let subject = evaluate(subject, place);
    let mut pairs = rest.chunks_exact(2);
    let hit = pairs.find(|pair| same(&subject, &evaluate(&pair[0], place)));
    match hit {
        Some(pair) => evaluate(&pair[1], place),
        None => rest.chunks_exact(2).remainder().first().map_or(Result::Null, |otherwise| evaluate(otherwise, place)),
    }
}

fn pad(text: &str, width: usize, with: &str, left: bool) -> String {
    let length = text.chars().count();
    if length >= width {
        return text.chars().take(width).collect();
    }
    let fill: String = if with.is_empty() { " " } else { with }.chars().cycle().take(width - length).collect();
    if left { fill + text } else { text.to_owned() + &fill }
}

fn part(result: &Result, of: impl Fn(DateTime<chrono::Utc>) -> f64) -> Result {
    let ms = match result {
        Result::Date(days) => days * DAY_MS,
        Result::Time(ms) => *ms,
        _ => return Result::Null,
    };
    DateTime::from_timestamp_millis(ms).map_or(Result::Null, |time| Result::Number(of(time)))
}
