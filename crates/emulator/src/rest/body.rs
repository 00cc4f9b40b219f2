// SPDX-License-Identifier: Apache-2.0
//! Request bodies: JSON text to an object, and an object to the fields of a record.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use crate::error::ApiError;
use crate::record::{Fields, Input};
use crate::schema::{FieldType, Object};

/// A body as a JSON object.
///
/// # Errors
/// `JSON_PARSER_ERROR`, with where the text stops making sense.
pub fn parse_json(body: &[u8]) -> Result<Map<String, Value>, ApiError> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(ApiError::json_parser("Can not deserialize: unexpected array at [line:1, column:1]")),
        Err(error) => {
            let (line, column) = (error.line().max(1), error.column().max(1));
            let what = if error.is_eof() { "Unexpected end-of-input" } else { "Unexpected character" };
            Err(ApiError::json_parser(format!("{what} at [line:{line}, column:{column}]")))
        }
    }
}

/// The fields that a JSON record sets. `attributes` is no field; a nested object names a parent by an external id
/// (`salesforce-api.md` 2.7); text for a base64 field is decoded.
///
/// # Errors
/// `JSON_PARSER_ERROR` for lists and for base64 that is none.
pub fn fields_of(object: &Object, members: Map<String, Value>) -> Result<Fields, ApiError> {
    let mut fields = Fields::with_capacity(members.len());
    for (name, value) in members {
        if name == "attributes" {
            continue;
        }
        let is_base64 = object.field(&name).is_some_and(|field| field.kind == FieldType::Base64);
        let input = match value {
            Value::String(text) if is_base64 => Input::Bytes(decode(&name, &text)?),
            other => input(&name, other)?,
        };
        fields.push((name, input));
    }
    Ok(fields)
}

fn input(name: &str, value: Value) -> Result<Input, ApiError> {
    Ok(match value {
        Value::Null => Input::Null,
        Value::Bool(flag) => Input::Bool(flag),
        Value::Number(number) => Input::Number(number.to_string()),
        Value::String(text) => Input::Text(text),
        Value::Object(members) => {
            let mut parent = Vec::with_capacity(members.len());
            for (key, value) in members {
                if key != "attributes" {
                    let value = input(&key, value)?;
                    parent.push((key, value));
                }
            }
            Input::Parent(parent)
        }
        Value::Array(_) => {
            let text = format!("Cannot deserialize instance of {name} from START_ARRAY value [line:1, column:1]");
            return Err(ApiError::json_parser(text));
        }
    })
}

fn decode(name: &str, text: &str) -> Result<Vec<u8>, ApiError> {
    let compact: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    STANDARD
        .decode(compact)
        .map_err(|_| ApiError::json_parser(format!("Cannot deserialize instance of base64Binary from {name}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_record_becomes_fields() {
        let Value::Object(members) = json!({
            "attributes": {"type": "X"}, "A": 950000.5, "B": null, "C": true, "P__r": {"attributes": {}, "Ext__c": 123}
        }) else {
            unreachable!()
        };
        let fields = fields_of(&Object::default(), members).unwrap();
        let parent = Input::Parent(vec![("Ext__c".into(), Input::Number("123".into()))]);
        assert_eq!(
            fields,
            vec![
                ("A".into(), Input::Number("950000.5".into())),
                ("B".into(), Input::Null),
                ("C".into(), Input::Bool(true)),
                ("P__r".into(), parent),
            ]
        );
    }

    #[test]
    fn broken_json_says_where() {
        let error = parse_json(b"{\"a\": }").unwrap_err();
        assert_eq!((error.status, error.code.as_str()), (400, "JSON_PARSER_ERROR"));
        assert!(error.message.contains("line:1"), "{}", error.message);
        assert!(parse_json(b"[]").is_err());
    }
}
