// SPDX-License-Identifier: Apache-2.0
//! Values as the store keeps them, and their text forms on the wire.
//!
//! A date is `YYYY-MM-DD`, a time `HH:MM:SS.mmmZ`, a date and time whole milliseconds since 1970 UTC (before 1970:
//! negative). A number that is integral and has up to 18 digits stays an exact integer, also in a double, currency or
//! percent field, because a float would lose its last digits.

mod date;

use std::io::Write as _;

pub use date::{date_time_text, parse_date, parse_date_time, parse_time, write_date_time};

use crate::schema::{Field, FieldType};

/// One stored value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Num(f64),
    Text(String),
}

/// As equality has it, but for numbers that are no number.
impl std::hash::Hash for Value {
    fn hash<H: std::hash::Hasher>(&self, hasher: &mut H) {
        std::mem::discriminant(self).hash(hasher);
        match self {
            Value::Null => {}
            Value::Bool(value) => value.hash(hasher),
            Value::Int(value) => value.hash(hasher),
            Value::Num(value) => value.to_bits().hash(hasher),
            Value::Text(value) => value.hash(hasher),
        }
    }
}

impl Value {
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// True for `Bool(true)` and for the 1 that SQLite gives back.
    pub fn is_true(&self) -> bool {
        matches!(self, Value::Bool(true) | Value::Int(1))
    }

    pub fn as_int(&self) -> Option<i64> {
        match self {
            Value::Int(n) => Some(*n),
            Value::Num(n) if n.fract() == 0.0 => Some(*n as i64),
            Value::Bool(b) => Some(i64::from(*b)),
            _ => None,
        }
    }

    pub fn as_num(&self) -> Option<f64> {
        match self {
            Value::Int(n) => Some(*n as f64),
            Value::Num(n) => Some(*n),
            _ => None,
        }
    }

    /// Reads a column of SQLite as a value of this field.
    pub fn from_sql(value: rusqlite::types::ValueRef<'_>, kind: FieldType) -> Value {
        use rusqlite::types::ValueRef;
        match value {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(n) if kind == FieldType::Boolean => Value::Bool(n != 0),
            ValueRef::Integer(n) => Value::Int(n),
            ValueRef::Real(n) => Value::Num(n),
            ValueRef::Text(text) | ValueRef::Blob(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        }
    }
}

impl rusqlite::ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        use rusqlite::types::{ToSqlOutput, Value as Owned, ValueRef};
        Ok(match self {
            Value::Null => ToSqlOutput::Owned(Owned::Null),
            Value::Bool(b) => ToSqlOutput::Owned(Owned::Integer(i64::from(*b))),
            Value::Int(n) => ToSqlOutput::Owned(Owned::Integer(*n)),
            Value::Num(n) => ToSqlOutput::Owned(Owned::Real(*n)),
            Value::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
        })
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::Text(text)
    }
}

impl From<bool> for Value {
    fn from(b: bool) -> Value {
        Value::Bool(b)
    }
}

impl From<i64> for Value {
    fn from(n: i64) -> Value {
        Value::Int(n)
    }
}

/// The REST form (`salesforce-api.md` 2.6): date and time `2022-03-17T16:21:26.000+0000`; double, currency and percent
/// always with a fraction digit, integers without. What a base64 field shows is a URL that only the caller knows.
pub fn json(value: &Value, field: &Field) -> serde_json::Value {
    use serde_json::Value as Json;
    match (value, field.kind) {
        (Value::Null, FieldType::Boolean) => Json::Bool(false),
        (Value::Null, _) => Json::Null,
        (Value::Bool(b), _) => Json::Bool(*b),
        (Value::Int(n), FieldType::Boolean) => Json::Bool(*n != 0),
        (Value::Int(ms), FieldType::Datetime) => Json::String(date_time_text(*ms, "+0000")),
        (Value::Int(n), kind) if kind.has_fraction() => exact_fraction(*n),
        (Value::Int(n), _) => Json::from(*n),
        (Value::Num(n), FieldType::Int | FieldType::Long) => Json::from(*n as i64),
        (Value::Num(n), _) => serde_json::Number::from_f64(*n).map_or(Json::Null, Json::Number),
        (Value::Text(text), _) => Json::String(text.clone()),
    }
}

/// What [`json`] makes of a stored value, without making it: for rows that are sent on as they are read.
pub struct Shown<'a> {
    pub value: rusqlite::types::ValueRef<'a>,
    pub field: &'a Field,
}

impl serde::Serialize for Shown<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use rusqlite::types::ValueRef;
        match (self.value, self.field.kind) {
            (ValueRef::Null, FieldType::Boolean) => serializer.serialize_bool(false),
            (ValueRef::Null, _) => serializer.serialize_unit(),
            (ValueRef::Integer(n), FieldType::Boolean) => serializer.serialize_bool(n != 0),
            (ValueRef::Integer(ms), FieldType::Datetime) => {
                let mut text = Vec::with_capacity(28);
                write_date_time(ms, "+0000", &mut text);
                serializer.serialize_str(std::str::from_utf8(&text).expect("digits and a zone are text"))
            }
            (ValueRef::Integer(n), kind) if kind.has_fraction() && n.unsigned_abs() <= 1 << 53 => {
                serializer.serialize_f64(n as f64)
            }
            (ValueRef::Integer(n), _) => serializer.serialize_i64(n),
            (ValueRef::Real(n), FieldType::Int | FieldType::Long) => serializer.serialize_i64(n as i64),
            (ValueRef::Real(n), _) => serializer.serialize_f64(n),
            (ValueRef::Text(text) | ValueRef::Blob(text), _) => match std::str::from_utf8(text) {
                Ok(text) => serializer.serialize_str(text),
                Err(_) => serializer.serialize_str(&String::from_utf8_lossy(text)),
            },
        }
    }
}

/// An integer of a double field as JSON: with `.0` where a float holds it exactly, else as the integer, which keeps
/// all digits.
fn exact_fraction(n: i64) -> serde_json::Value {
    let float = n as f64;
    if n.unsigned_abs() <= 1 << 53 { serde_json::Value::from(float) } else { serde_json::Value::from(n) }
}

/// The form of Bulk API 2.0 (`salesforce-api.md` 3.1), without quotes: date and time `2022-03-17T16:21:26.000Z`, booleans
/// `true`/`false`, nothing for null.
pub fn csv_text(value: &Value, field: &Field, out: &mut Vec<u8>) {
    match (value, field.kind) {
        (Value::Null, FieldType::Boolean) => out.extend_from_slice(b"false"),
        (Value::Null, _) => {}
        (Value::Bool(b), _) => out.extend_from_slice(if *b { b"true" } else { b"false" }),
        (Value::Int(n), FieldType::Boolean) => out.extend_from_slice(if *n != 0 { b"true" } else { b"false" }),
        (Value::Int(ms), FieldType::Datetime) => out.extend_from_slice(date_time_text(*ms, "Z").as_bytes()),
        (Value::Int(n), kind) => {
            let _ = write!(out, "{n}");
            if kind.has_fraction() && n.unsigned_abs() <= 1 << 53 {
                out.extend_from_slice(b".0");
            }
        }
        (Value::Num(n), FieldType::Int | FieldType::Long) => {
            let _ = write!(out, "{}", *n as i64);
        }
        (Value::Num(n), _) => {
            let _ = write!(out, "{n:?}");
        }
        (Value::Text(text), _) => out.extend_from_slice(text.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::types::ValueRef;

    use super::*;

    #[test]
    fn what_is_shown_is_what_is_made() {
        const KINDS: [FieldType; 9] = [
            FieldType::Boolean,
            FieldType::Int,
            FieldType::Long,
            FieldType::Double,
            FieldType::Currency,
            FieldType::Datetime,
            FieldType::Date,
            FieldType::String,
            FieldType::Base64,
        ];
        let stored = [
            ValueRef::Null,
            ValueRef::Integer(0),
            ValueRef::Integer(1),
            ValueRef::Integer(-1_647_534_086_123),
            ValueRef::Integer(1 << 53),
            ValueRef::Integer(i64::MAX),
            ValueRef::Real(0.1 + 0.2),
            ValueRef::Real(-2.0),
            ValueRef::Real(1e300),
            ValueRef::Real(f64::INFINITY),
            ValueRef::Text("a \"b\" \u{1}\n é".as_bytes()),
            ValueRef::Text(b"2022-03-17"),
            ValueRef::Blob(b"\xff\xfe"),
        ];
        for kind in KINDS {
            let field = Field::usual("F", "F", kind, 0);
            for value in stored {
                let made = json(&Value::from_sql(value, kind), &field);
                let shown = Shown { value, field: &field };
                assert_eq!(serde_json::to_value(&shown).unwrap(), made, "{kind:?} {value:?}");
                assert_eq!(serde_json::to_string(&shown).unwrap(), made.to_string(), "{kind:?} {value:?}");
            }
        }
    }
}
