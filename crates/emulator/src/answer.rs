// SPDX-License-Identifier: Apache-2.0
//! What a face of the emulator says back, before it is bytes: a status, headers and a body.
//!
//! JSON stays a value until the very end, because composite answers embed it and because `X-PrettyPrint` decides
//! its final form (`salesforce-api.md` 2.1).

use std::io;

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

    /// The JSON body, for answers that are embedded in another one. `Null` for an empty body, as a batch shows it
    /// (`salesforce-api.md` 2.8); `None` when the body is not JSON.
    pub fn into_json(self) -> Option<Value> {
        match self.body {
            Content::Json(value) => Some(value),
            Content::Empty => Some(Value::Null),
            Content::Bytes { content_type, bytes } if content_type.starts_with("application/json") => {
                serde_json::from_slice(&bytes).ok()
            }
            Content::Bytes { .. } | Content::Stream { .. } => None,
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
    // Where the path leads nowhere the code stands first, as recorded; everywhere else the message does.
    let nowhere = error.code == "NOT_FOUND" && error.message == "The requested resource does not exist";
    if nowhere {
        one.insert("errorCode".into(), Value::from(error.code.as_str()));
    }
    one.insert("message".into(), Value::from(error.message.as_str()));
    one.insert("errorCode".into(), Value::from(error.code.as_str()));
    if !error.fields.is_empty() {
        one.insert("fields".into(), Value::from(error.fields.clone()));
    }
    Value::Array(vec![Value::Object(one)])
}

/// JSON as bytes: compact, or in the style of Jackson's pretty printer, which `X-PrettyPrint: 1` asks for.
pub fn render(value: &Value, pretty: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    let written = if pretty {
        let mut serializer = serde_json::Serializer::with_formatter(&mut out, Jackson::default());
        serde::Serialize::serialize(value, &mut serializer)
    } else {
        serde_json::to_writer(&mut out, value)
    };
    written.expect("a JSON value always serializes into memory");
    out
}

/// Two spaces per object level, `" : "` after keys, arrays on one line with blanks inside: `{\n  "records" : [ ]\n}`.
#[derive(Default)]
struct Jackson {
    depth: usize,
    has_members: bool,
}

impl Jackson {
    fn newline<W: ?Sized + io::Write>(&self, out: &mut W) -> io::Result<()> {
        out.write_all(b"\n")?;
        for _ in 0..self.depth {
            out.write_all(b"  ")?;
        }
        Ok(())
    }
}

impl serde_json::ser::Formatter for Jackson {
    fn begin_object<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.depth += 1;
        self.has_members = false;
        out.write_all(b"{")
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        if !first {
            out.write_all(b",")?;
        }
        self.newline(out)
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b" : ")
    }

    fn end_object_value<W: ?Sized + io::Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.has_members = true;
        Ok(())
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.depth -= 1;
        if self.has_members {
            self.newline(out)?;
            out.write_all(b"}")
        } else {
            out.write_all(b" }")
        }
    }

    fn begin_array_value<W: ?Sized + io::Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        out.write_all(if first { b" " } else { b", " })
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b" ]")
    }
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
    }

    #[test]
    fn errors_name_fields_only_when_there_are_some() {
        let mut error = ApiError::new(400, "INVALID_FIELD", "no");
        assert_eq!(error_json(&error), json!([{"message": "no", "errorCode": "INVALID_FIELD"}]));
        error.fields.push("Name".into());
        assert_eq!(error_json(&error), json!([{"message": "no", "errorCode": "INVALID_FIELD", "fields": ["Name"]}]));
    }
}
