// SPDX-License-Identifier: Apache-2.0
//! `toLabel()` and `FORMAT()` as a user of the locale en_US in GMT sees them.

use chrono::DateTime;
use serde_json::Value as Json;

use crate::schema::{Field, FieldType};
use crate::value::{self, Value};

/// The label of a picklist value, or of each value of a multi-select; anything else as it is.
pub fn label(stored: &Value, field: &Field) -> Json {
    let Value::Text(text) = stored else { return value::json(stored, field) };
    let one = |text: &str| {
        let known = field.picklist.iter().find(|known| known.value == text);
        known.map_or_else(|| text.to_owned(), |known| known.label.clone())
    };
    match field.kind {
        FieldType::Multipicklist => Json::String(text.split(';').map(one).collect::<Vec<_>>().join(";")),
        _ => Json::String(one(text)),
    }
}

/// `$1,234.50`, `12.5%`, `3/17/2022`, `3/17/2022, 4:21 PM`: always a text.
pub fn format(stored: &Value, field: &Field) -> Json {
    match (stored, field.kind) {
        (Value::Null, _) => Json::Null,
        (Value::Int(ms), FieldType::Datetime) => {
            let moment = DateTime::from_timestamp_millis(*ms);
            moment.map_or(Json::Null, |moment| Json::String(moment.format("%-m/%-d/%Y, %-I:%M %p").to_string()))
        }
        (Value::Text(text), FieldType::Date) => {
            let day = chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d");
            Json::String(day.map_or_else(|_| text.clone(), |day| day.format("%-m/%-d/%Y").to_string()))
        }
        (Value::Int(_) | Value::Num(_), kind) if kind.is_number() => {
            let digits = field.scale as usize;
            let written = match stored {
                Value::Int(number) if digits == 0 => number.to_string(),
                Value::Int(number) => format!("{number}.{}", "0".repeat(digits)),
                other => format!("{:.digits$}", other.as_num().unwrap_or_default()),
            };
            let grouped = grouped(&written);
            Json::String(match kind {
                FieldType::Currency if grouped.starts_with('-') => format!("-${}", &grouped[1..]),
                FieldType::Currency => format!("${grouped}"),
                FieldType::Percent => format!("{grouped}%"),
                _ => grouped,
            })
        }
        (other, _) => match value::json(other, field) {
            Json::String(text) => Json::String(text),
            json => Json::String(json.to_string()),
        },
    }
}

/// `EUR 1,234.50`, as orgs of several currencies write amounts.
pub fn money(stored: &Value, field: &Field, iso: &str) -> Json {
    match format(stored, field) {
        Json::String(text) => {
            let (sign, amount) = text.strip_prefix('-').map_or(("", text.as_str()), |rest| ("-", rest));
            Json::String(format!("{sign}{iso} {}", amount.trim_start_matches('$')))
        }
        other => other,
    }
}

/// A comma between thousands.
fn grouped(number: &str) -> String {
    let (sign, unsigned) = number.strip_prefix('-').map_or(("", number), |rest| ("-", rest));
    let (whole, fraction) =
        unsigned.split_once('.').map_or((unsigned, None), |(whole, fraction)| (whole, Some(fraction)));
    let mut out = sign.to_owned();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    if let Some(fraction) = fraction {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn thousands_are_parted() {
        for (number, shown) in
            [("0", "0"), ("999", "999"), ("1000", "1,000"), ("-1234567.50", "-1,234,567.50"), ("-100", "-100")]
        {
            assert_eq!(grouped(number), shown);
        }
    }
}
