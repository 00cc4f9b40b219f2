// SPDX-License-Identifier: Apache-2.0
//! The functions that formulas may use. Those of the calendar stand in `calendar`.

use super::calendar;
use super::evaluate::{Place, Result, evaluate, look_up, same};
use super::parse::Expression;

const KNOWN: [&str; 50] = [
    "ABS",
    "AND",
    "ASCII",
    "BEGINS",
    "BLANKVALUE",
    "BR",
    "CASE",
    "CASESAFEID",
    "CEILING",
    "CHR",
    "CONTAINS",
    "EXP",
    "FIND",
    "FLOOR",
    "IF",
    "INCLUDES",
    "INITCAP",
    "ISBLANK",
    "ISNULL",
    "ISNUMBER",
    "ISPICKVAL",
    "LEFT",
    "LEN",
    "LN",
    "LOG",
    "LOWER",
    "LPAD",
    "MAX",
    "MCEILING",
    "MFLOOR",
    "MID",
    "MIN",
    "MOD",
    "NOT",
    "NULLVALUE",
    "OR",
    "PI",
    "PICKCOUNT",
    "REVERSE",
    "RIGHT",
    "ROUND",
    "RPAD",
    "SQRT",
    "SUBSTITUTE",
    "TEXT",
    "TRIM",
    "TRUNC",
    "UPPER",
    "VALUE",
    "XOR",
];

/// What rules alone may call.
const OF_RULES: [&str; 5] = ["ISCHANGED", "ISCLONE", "ISNEW", "PRIORVALUE", "REGEX"];

/// Whether a function is emulated.
pub fn known(name: &str, of_rule: bool) -> bool {
    KNOWN.contains(&name) || calendar::KNOWN.contains(&name) || (of_rule && OF_RULES.contains(&name))
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
        "XOR" => Result::Bool(all().filter(Result::is_true).count() % 2 == 1),
        "ISBLANK" => Result::Bool(of(0).is_blank()),
        // A text is never null.
        "ISNULL" => Result::Bool(of(0) == Result::Null),
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
        "PICKCOUNT" => Result::Number(text(0).split(';').filter(|value| !value.is_empty()).count() as f64),
        "INITCAP" => Result::Text(capitals(&text(0))),
        "REVERSE" => Result::Text(text(0).chars().rev().collect()),
        "ASCII" => text(0).chars().next().map_or(Result::Null, |first| Result::Number(f64::from(u32::from(first)))),
        "CHR" => char::from_u32(number(0) as u32).map_or(Result::Null, |one| Result::Text(one.to_string())),
        "BR" => Result::Text("\n".to_owned()),
        "SUBSTITUTE" => Result::Text(text(0).replace(&text(1), &text(2))),
        "LPAD" | "RPAD" => Result::Text(pad(&text(0), count(number(1)), &text(2), name == "LPAD")),
        "ABS" => Result::Number(number(0).abs()),
        // CEILING and FLOOR of negative numbers go away from zero, unlike their mathematical twins.
        "CEILING" => Result::Number(number(0).abs().ceil().copysign(number(0))),
        "FLOOR" => Result::Number(number(0).abs().floor().copysign(number(0))),
        "MCEILING" => Result::Number(number(0).ceil()),
        "MFLOOR" => Result::Number(number(0).floor()),
        "EXP" => Result::Number(number(0).exp()),
        "LN" => Result::Number(number(0).ln()),
        "LOG" => Result::Number(number(0).log10()),
        "PI" => Result::Number(std::f64::consts::PI),
        "TRUNC" => {
            let factor = 10f64.powf(number(1));
            Result::Number((number(0) * factor).trunc() / factor)
        }
        "SQRT" => Result::Number(number(0).sqrt()),
        "MOD" => Result::Number(number(0).rem_euclid(number(1))),
        "ROUND" => {
            let factor = 10f64.powf(number(1));
            Result::Number((number(0) * factor).round() / factor)
        }
        "MAX" => Result::Number(all().map(|result| result.number()).fold(f64::NEG_INFINITY, f64::max)),
        "MIN" => Result::Number(all().map(|result| result.number()).fold(f64::INFINITY, f64::min)),
        "ISNEW" => Result::Bool(place.rule.is_some_and(|rule| rule.old.is_none())),
        "ISCLONE" => Result::Bool(false),
        "ISCHANGED" => Result::Bool(prior(arguments, place).is_some_and(|was| was != of(0))),
        "PRIORVALUE" => prior(arguments, place).unwrap_or_else(|| of(0)),
        _ => calendar::call(name, of, place.tx.now),
    }
}

/// What a field was before the record was changed; none when it is new.
fn prior(arguments: &[Expression], place: &Place<'_>) -> Option<Result> {
    let old = place.rule?.old?;
    match arguments.first() {
        Some(Expression::Path(path)) => Some(look_up(path, place.tx, place.object, old)),
        _ => None,
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

fn capitals(text: &str) -> String {
    let mut inside = false;
    let one = |c: char| {
        let shown: String = if inside { c.to_lowercase().collect() } else { c.to_uppercase().collect() };
        inside = c.is_alphanumeric();
        shown
    };
    text.chars().map(one).collect()
}
