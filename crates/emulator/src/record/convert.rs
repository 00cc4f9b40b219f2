// SPDX-License-Identifier: Apache-2.0
//! From what a caller wrote to a value of the field's type, or the refusal that Salesforce gives (`salesforce-api.md` 6.6).
//!
//! Text is kept as it is, spaces included; an empty text is null. Numbers are rounded to the field's scale, date-times to the
//! second. Bulk's texts and JSON's values go the same way, so `"12"` and `12` are the same number, and a number given to a text
//! field becomes its digits.

use base64::Engine as _;

use super::Input;
use crate::error::SaveError;
use crate::id;
use crate::schema::{Field, FieldType};
use crate::store::body::Body;
use crate::value::{self, Value};

/// The value, or bytes for a base64 field.
pub enum Converted {
    Value(Value),
    Body(Body),
}

/// The value that a field other than base64 takes.
///
/// # Errors
/// What convert refuses.
pub fn value_of(field: &Field, input: Input) -> Result<Value, SaveError> {
    match convert(field, input)? {
        Converted::Value(value) => Ok(value),
        Converted::Body(_) => Ok(Value::Null),
    }
}

pub fn convert(field: &Field, input: Input) -> Result<Converted, SaveError> {
    let value = match (field.kind, input) {
        (FieldType::Boolean, Input::Null) => Value::Bool(false),
        (_, Input::Null) => Value::Null,
        (FieldType::Base64, Input::Bytes(bytes)) => return Ok(Converted::Body(Body::Bytes(bytes))),
        (FieldType::Base64, Input::Body(body)) => return Ok(Converted::Body(body)),
        (FieldType::Base64, Input::Text(text)) => {
            let bytes = base64::engine::general_purpose::STANDARD.decode(text.as_bytes());
            return bytes.map(|bytes| Converted::Body(Body::Bytes(bytes))).map_err(|_| wrong_type(field, "not base64"));
        }
        (FieldType::Boolean, Input::Bool(on)) => Value::Bool(on),
        (_, Input::Bool(on)) if field.kind.is_text() => Value::from(if on { "true" } else { "false" }),
        (_, Input::Number(text) | Input::Text(text)) => from_text(field, text)?,
        (_, Input::Bool(_) | Input::Bytes(_) | Input::Body(_) | Input::Parent(_)) => {
            return Err(wrong_type(field, "value"));
        }
    };
    Ok(Converted::Value(value))
}

fn from_text(field: &Field, text: String) -> Result<Value, SaveError> {
    if text.is_empty() {
        return Ok(if field.kind == FieldType::Boolean { Value::Bool(false) } else { Value::Null });
    }
    match field.kind {
        FieldType::Boolean => match text.trim() {
            "1" => Ok(Value::Bool(true)),
            "0" => Ok(Value::Bool(false)),
            word if word.eq_ignore_ascii_case("true") => Ok(Value::Bool(true)),
            word if word.eq_ignore_ascii_case("false") => Ok(Value::Bool(false)),
            _ => Err(wrong_type(field, &text)),
        },
        FieldType::Int | FieldType::Long => whole_number(field, &text),
        FieldType::Double | FieldType::Currency | FieldType::Percent => number(field, &text),
        FieldType::Date => match value::parse_date(&text) {
            Some(date) => in_calendar(field, &date, &text).map(|()| Value::Text(date)),
            None => Err(wrong_type(field, &text)),
        },
        FieldType::Datetime => match value::parse_date_time(&text) {
            Some(ms) => in_calendar(field, text.get(..4).unwrap_or_default(), &text)
                .map(|()| Value::Int(ms.div_euclid(1000) * 1000)),
            None => Err(wrong_type(field, &text)),
        },
        FieldType::Time => value::parse_time(&text).map(Value::Text).ok_or_else(|| wrong_type(field, &text)),
        FieldType::Reference | FieldType::Id => {
            id::to18(text.trim()).map(Value::Text).ok_or_else(|| SaveError::malformed_id(&text, &field.name))
        }
        FieldType::Email if !is_email(&text) => {
            let message = format!("{}: invalid email address: {text}", field.label);
            Err(SaveError::new("INVALID_EMAIL_ADDRESS", message, &[&field.name]))
        }
        FieldType::Picklist => one_of(field, text),
        FieldType::Multipicklist => several_of(field, &text),
        FieldType::Address | FieldType::Location => Err(wrong_type(field, &text)),
        _ => fitting(field, text).map(Value::Text),
    }
}

/// Salesforce's calendar runs from 1700 to 4000.
fn in_calendar(field: &Field, date: &str, text: &str) -> Result<(), SaveError> {
    let year = date.get(..4).and_then(|year| year.parse::<u32>().ok()).unwrap_or(0);
    if (1700..=4000).contains(&year) {
        return Ok(());
    }
    let message = format!("{}: invalid date: {text}", field.label);
    Err(SaveError::new("NUMBER_OUTSIDE_VALID_RANGE", message, &[&field.name]))
}

fn wrong_type(field: &Field, text: &str) -> SaveError {
    let message = format!("{}: value not of required type: {text}", field.label);
    SaveError::new("INVALID_TYPE_ON_FIELD_IN_RECORD", message, &[&field.name])
}

fn outside(field: &Field, text: &str) -> SaveError {
    let message = format!("{}: value outside of valid range on numeric field: {text}", field.label);
    SaveError::new("NUMBER_OUTSIDE_VALID_RANGE", message, &[&field.name])
}

fn fitting(field: &Field, text: String) -> Result<String, SaveError> {
    let most = field.length as usize;
    if most == 0 || text.len() <= most || text.chars().count() <= most {
        return Ok(text);
    }
    let message = format!("{}: data value too large: {text} (max length={most})", field.label);
    Err(SaveError::new("STRING_TOO_LONG", message, &[&field.name]))
}

fn whole_number(field: &Field, text: &str) -> Result<Value, SaveError> {
    let text = text.trim();
    let exact = text.parse::<i64>().ok().or_else(|| {
        let number = text.parse::<f64>().ok().filter(|number| number.is_finite() && number.fract() == 0.0)?;
        Some(number as i64)
    });
    let number = exact.ok_or_else(|| wrong_type(field, text))?;
    if field.kind == FieldType::Int && i32::try_from(number).is_err() {
        return Err(outside(field, text));
    }
    Ok(Value::Int(number))
}

/// A decimal, rounded half away from zero to the field's scale. Up to 18 digits without a fraction stay exact.
fn number(field: &Field, text: &str) -> Result<Value, SaveError> {
    let text = text.trim();
    let plain = text.strip_suffix('%').unwrap_or(text);
    if let Ok(whole) = plain.parse::<i64>() {
        let digits = whole.unsigned_abs().checked_ilog10().map_or(1, |log| log + 1);
        return if digits <= whole_digits(field) { Ok(Value::Int(whole)) } else { Err(outside(field, text)) };
    }
    let number =
        plain.parse::<f64>().ok().filter(|number| number.is_finite()).ok_or_else(|| wrong_type(field, text))?;
    if number.abs() >= 10f64.powi(whole_digits(field).cast_signed()) {
        return Err(outside(field, text));
    }
    let rounded = format!("{number:.*}", field.scale as usize).parse::<f64>().unwrap_or(number);
    if rounded.fract() == 0.0 && rounded.abs() < 1e15 {
        return Ok(Value::Int(rounded as i64));
    }
    Ok(Value::Num(rounded))
}

fn whole_digits(field: &Field) -> u32 {
    if field.precision == 0 { 18 } else { field.precision.saturating_sub(field.scale) }
}

/// One `@` with something before it and a domain with a dot behind, no white space.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    let words = domain.split('.').collect::<Vec<_>>();
    !local.is_empty()
        && text.len() <= 320
        && !text.contains(char::is_whitespace)
        && !domain.contains('@')
        && words.len() > 1
        && words.iter().all(|word| !word.is_empty())
}

fn one_of(field: &Field, text: String) -> Result<Value, SaveError> {
    let known = field.picklist.iter().find(|known| known.value == text);
    let known =
        known.or_else(|| field.picklist.iter().find(|known| crate::store::compare_folded(&known.value, &text).is_eq()));
    match known {
        Some(known) if known.active || !field.restricted_picklist => Ok(Value::Text(known.value.clone())),
        None if !field.restricted_picklist => fitting(field, text).map(Value::Text),
        _ => Err(bad_picklist_value(field, &text)),
    }
}

fn several_of(field: &Field, text: &str) -> Result<Value, SaveError> {
    let mut values = Vec::new();
    for word in text.split(';').map(str::trim).filter(|word| !word.is_empty()) {
        if let Value::Text(value) = one_of(field, word.to_owned())?
            && !values.contains(&value)
        {
            values.push(value);
        }
    }
    picklist_order(field, &mut values);
    if values.is_empty() { Ok(Value::Null) } else { fitting(field, values.join(";")).map(Value::Text) }
}

/// The values of a multi-select picklist are kept in the order of its definition, others behind.
pub fn picklist_order(field: &Field, values: &mut [String]) {
    values.sort_by_key(|value| field.picklist.iter().position(|known| known.value == *value).unwrap_or(usize::MAX));
}

fn bad_picklist_value(field: &Field, text: &str) -> SaveError {
    let message = format!("{}: bad value for restricted picklist field: {text}", field.label);
    SaveError::new("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", message, &[&field.name])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(field: &Field, text: &str) -> Result<Value, String> {
        match convert(field, Input::Text(text.to_owned())) {
            Ok(Converted::Value(value)) => Ok(value),
            Ok(Converted::Body(_)) => panic!("no bytes here"),
            Err(error) => Err(error.code),
        }
    }

    #[test]
    fn numbers_keep_eighteen_digits_and_are_rounded_to_the_scale() {
        let mut field = Field::usual("Amount", "Amount", FieldType::Currency, 0);
        (field.precision, field.scale) = (18, 2);
        assert_eq!(value(&field, "1.256"), Ok(Value::Num(1.26)));
        assert_eq!(value(&field, "2.50"), Ok(Value::Num(2.5)));
        assert_eq!(value(&field, "3.00"), Ok(Value::Int(3)));
        assert_eq!(value(&field, "12345678901234567"), Err("NUMBER_OUTSIDE_VALID_RANGE".into()));
        field.scale = 0;
        assert_eq!(value(&field, "123456789012345678"), Ok(Value::Int(123_456_789_012_345_678)));
        assert_eq!(value(&field, "-1234567890123456789"), Err("NUMBER_OUTSIDE_VALID_RANGE".into()));
        assert_eq!(value(&field, "many"), Err("INVALID_TYPE_ON_FIELD_IN_RECORD".into()));
    }

    #[test]
    fn email_addresses() {
        let field = Field::usual("Email", "Email", FieldType::Email, 80);
        assert!(value(&field, "a.b@example.co").is_ok());
        for text in ["123", "a@b", "a b@example.com", "@example.com", "a@@example.com", "a@example..com"] {
            assert_eq!(value(&field, text), Err("INVALID_EMAIL_ADDRESS".into()), "{text}");
        }
    }

    #[test]
    fn a_date_before_1700_is_refused_and_one_before_1900_is_not() {
        let field = Field::usual("Start__c", "Start", FieldType::Date, 0);
        assert_eq!(value(&field, "1888-12-31"), Ok(Value::from("1888-12-31")));
        assert_eq!(value(&field, "1066-10-14"), Err("NUMBER_OUTSIDE_VALID_RANGE".into()));
    }
}
