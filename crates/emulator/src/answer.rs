// SPDX-License-Identifier: Apache-2.0
//! What a face of the emulator says back, before it is bytes: a status, headers and a body.
//!
//! JSON stays a value until the very end, because composite answers embed it and because `X-PrettyPrint` decides
//! its final form (`salesforce-api.md` 2.1). Records, of which there may be thousands, are written as text from the start; a
//! composite answer takes them as they are ([`Part`]).

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use crate::error::ApiError;

pub mod xml;

/// One answer of the org.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status code.
    pub status: u16,
    /// Headers besides the content type and those every answer carries.
    pub headers: HeaderMap,
    /// The body.
    pub body: Content,
}

/// The body of an [`Answer`].
#[derive(Debug)]
pub enum Content {
    /// No body and no content type.
    Empty,
    /// `application/json;charset=UTF-8`.
    Json(Value),
    /// The same, as compact text already.
    Text(Vec<u8>),
    /// Bytes that are in memory anyway.
    Bytes {
        /// `Content-Type` as sent.
        content_type: String,
        /// The body.
        bytes: Bytes,
    },
    /// A body that is produced while it is sent.
    Stream {
        /// `Content-Type` as sent.
        content_type: String,
        /// The body.
        body: Body,
    },
}

impl Answer {
    /// A JSON answer with the given status.
    pub fn json(status: u16, body: Value) -> Answer {
        Answer { status, headers: HeaderMap::new(), body: Content::Json(body) }
    }

    /// 200 with JSON.
    pub fn ok(body: Value) -> Answer {
        Answer::json(200, body)
    }

    /// 200 with JSON that was written already, compactly.
    pub fn text(json: Vec<u8>) -> Answer {
        Answer { status: 200, headers: HeaderMap::new(), body: Content::Text(json) }
    }

    /// A status without a body, such as the 204 of an update (`salesforce-api.md` 2.7).
    pub fn empty(status: u16) -> Answer {
        Answer { status, headers: HeaderMap::new(), body: Content::Empty }
    }

    /// Bytes of the given content type.
    pub fn bytes(status: u16, content_type: impl Into<String>, bytes: impl Into<Bytes>) -> Answer {
        let body = Content::Bytes { content_type: content_type.into(), bytes: bytes.into() };
        Answer { status, headers: HeaderMap::new(), body }
    }

    /// 200 with a body that is sent as it is made.
    pub fn stream(content_type: impl Into<String>, body: Body) -> Answer {
        Answer {
            status: 200,
            headers: HeaderMap::new(),
            body: Content::Stream { content_type: content_type.into(), body },
        }
    }

    /// An HTML page.
    pub fn page(status: u16, html: String) -> Answer {
        Answer::bytes(status, "text/html;charset=UTF-8", html)
    }

    /// The same answer with one more header. A value that no header can hold (a control character in a name that a
    /// caller chose) is left out.
    pub fn header(mut self, name: &'static str, value: impl AsRef<str>) -> Answer {
        if let Ok(value) = HeaderValue::from_str(value.as_ref()) {
            self.headers.insert(HeaderName::from_static(name), value);
        }
        self
    }

    /// The JSON body, for who looks into it. `Null` for an empty body, as a batch shows it
    /// (`salesforce-api.md` 2.8); `None` when the body is not JSON.
    pub fn into_json(self) -> Option<Value> {
        match self.body {
            Content::Json(value) => Some(value),
            Content::Text(text) => serde_json::from_slice(&text).ok(),
            Content::Empty => Some(Value::Null),
            Content::Bytes { content_type, bytes } if content_type.starts_with("application/json") => {
                serde_json::from_slice(&bytes).ok()
            }
            Content::Bytes { .. } | Content::Stream { .. } => None,
        }
    }

    /// The JSON body, for answers that are embedded in another one; null for what is not JSON.
    pub fn into_part(self) -> Part {
        match self.body {
            Content::Text(text) => Part::Text(text),
            _ => Part::Value(self.into_json().unwrap_or(Value::Null)),
        }
    }

    /// Whether the status is one of success.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

impl From<ApiError> for Answer {
    fn from(error: ApiError) -> Answer {
        match error.code.as_str() {
            // A failed precondition is told by the status alone.
            "" => Answer::empty(error.status),
            _ => Answer::json(error.status, error_json(&error)),
        }
    }
}

/// The array of one that REST answers with (`salesforce-api.md` 2.1, error format): `fields` only where there are some.
pub fn error_json(error: &ApiError) -> Value {
    let mut one = match error.extra.as_deref() {
        Some(Value::Object(members)) => members.clone(),
        _ => serde_json::Map::new(),
    };
    // Where the path leads nowhere, and of duplicates, the code stands first, as recorded; everywhere else the message does.
    let nowhere = error.code == "NOT_FOUND" && error.message == "The requested resource does not exist";
    if nowhere || error.code == "DUPLICATES_DETECTED" {
        one.insert("errorCode".into(), Value::from(error.code.as_str()));
    }
    one.insert("message".into(), Value::from(error.message.as_str()));
    one.insert("errorCode".into(), Value::from(error.code.as_str()));
    // What an admin made up is told with its fields even where there are none.
    if !error.fields.is_empty() || error.code == "FIELD_CUSTOM_VALIDATION_EXCEPTION" {
        one.insert("fields".into(), Value::from(error.fields.clone()));
    }
    let further = error.further.iter().flat_map(|next| match error_json(&ApiError::from(next.clone())) {
        Value::Array(all) => all,
        _ => Vec::new(),
    });
    std::iter::once(Value::Object(one)).chain(further).collect()
}

/// JSON inside other JSON.
#[derive(Clone, Debug)]
pub enum Part {
    Value(Value),
    /// Compact text.
    Text(Vec<u8>),
}

impl Part {
    /// What it says, for who looks into it.
    pub fn to_value(&self) -> Value {
        match self {
            Part::Value(value) => value.clone(),
            Part::Text(text) => serde_json::from_slice(text).expect("it was written as JSON"),
        }
    }

    /// Writes it at the end of `out`, compactly.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Part::Value(value) => write_json(value, out),
            Part::Text(text) => out.extend_from_slice(text),
        }
    }
}

/// Writes a value at the end of `out`, compactly.
pub fn write_json(value: &(impl serde::Serialize + ?Sized), out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).expect("what answers are made of always serializes into memory");
}

/// JSON as bytes: compact, or in the style of Jackson's pretty printer, which `X-PrettyPrint: 1` asks for.
pub fn render(value: &Value, pretty: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    write_json(value, &mut out);
    if pretty { prettied(&out) } else { out }
}

/// Compact JSON in Jackson's style: two spaces per object level, `" : "` after keys, arrays on one line with blanks inside:
/// `{\n  "records" : [ ]\n}`.
pub fn prettied(compact: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(compact.len() + compact.len() / 2);
    let mut objects = 0;
    // Whether what is open is an object; else it is an array.
    let mut open: Vec<bool> = Vec::new();
    let newline = |out: &mut Vec<u8>, depth: usize| {
        out.push(b'\n');
        (0..depth).for_each(|_| out.extend_from_slice(b"  "));
    };
    let mut at = 0;
    while let Some(byte) = compact.get(at) {
        let closes = matches!(compact.get(at + 1), Some(b'}' | b']'));
        at += 1;
        match byte {
            b'"' => {
                let end = at + string_end(&compact[at..]);
                out.extend_from_slice(&compact[at - 1..end]);
                at = end;
            }
            b'{' | b'[' if closes => {
                out.extend_from_slice(if *byte == b'{' { b"{ }" } else { b"[ ]" });
                at += 1;
            }
            b'{' => {
                objects += 1;
                open.push(true);
                out.push(b'{');
                newline(&mut out, objects);
            }
            b'[' => {
                open.push(false);
                out.extend_from_slice(b"[ ");
            }
            b',' if open.last() == Some(&true) => {
                out.push(b',');
                newline(&mut out, objects);
            }
            b',' => out.extend_from_slice(b", "),
            b':' => out.extend_from_slice(b" : "),
            b'}' => {
                objects -= 1;
                open.pop();
                newline(&mut out, objects);
                out.push(b'}');
            }
            b']' => {
                open.pop();
                out.extend_from_slice(b" ]");
            }
            other => out.push(*other),
        }
    }
    out
}

/// Where a string ends that began just before, with its closing quote.
fn string_end(text: &[u8]) -> usize {
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        at += if *byte == b'\\' { 2 } else { 1 };
        if *byte == b'"' {
            break;
        }
    }
    at.min(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn pretty_print_is_jacksons() {
        // salesforce-api.md 2.1: a recorded empty result.
        let empty = json!({"totalSize": 0, "records": []});
        assert_eq!(render(&empty, true), b"{\n  \"totalSize\" : 0,\n  \"records\" : [ ]\n}");
        let nested = json!([{"a": {"b": [1, 2], "c": {}}}, {"d": null}]);
        let text = String::from_utf8(render(&nested, true)).unwrap();
        assert_eq!(text, "[ {\n  \"a\" : {\n    \"b\" : [ 1, 2 ],\n    \"c\" : { }\n  }\n}, {\n  \"d\" : null\n} ]");
        assert_eq!(render(&empty, false), b"{\"totalSize\":0,\"records\":[]}");
        let tricky = json!({"a": "{\"b\":[1,2],\\\\\"}", "c": [{}, [], [[1], "x,y"]], "d": -1.5e300, "é": true});
        let text = String::from_utf8(render(&tricky, true)).unwrap();
        let wanted = r#""a" : "{\"b\":[1,2],\\\\\"}",
  "c" : [ { }, [ ], [ [ 1 ], "x,y" ] ],
  "d" : -1.5e+300,
  "é" : true"#;
        assert_eq!(text, format!("{{\n  {wanted}\n}}"));
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), tricky);
    }

    #[test]
    fn errors_name_fields_only_when_there_are_some() {
        let mut error = ApiError::new(400, "INVALID_FIELD", "no");
        assert_eq!(error_json(&error), json!([{"message": "no", "errorCode": "INVALID_FIELD"}]));
        error.fields.push("Name".into());
        assert_eq!(error_json(&error), json!([{"message": "no", "errorCode": "INVALID_FIELD", "fields": ["Name"]}]));
    }
}
