// SPDX-License-Identifier: Apache-2.0
//! Records that come in as XML: `<Account><Name>Acme</Name></Account>` (`salesforce-api.md` 2.1).
//!
//! Every value is text, which saving converts as it does text in JSON; an empty element and `xsi:nil` are null. The name of
//! the outermost element is not looked at, because the path names the object.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use serde_json::{Map, Value};

use crate::error::ApiError;

/// The members of a record.
///
/// # Errors
/// `XML_PARSER_ERROR`
pub fn parse(body: &[u8]) -> Result<Map<String, Value>, ApiError> {
    let text = std::str::from_utf8(body).map_err(|error| malformed(&error.to_string()))?;
    let mut reader = Reader::from_str(text);
    let mut open: Vec<Element> = Vec::new();
    loop {
        let event = reader.read_event().map_err(|error| malformed(&error.to_string()))?;
        match event {
            Event::Start(tag) => open.push(Element::new(&tag)),
            Event::Empty(tag) => {
                let Some(done) = close(&mut open, Element::new(&tag)) else { continue };
                return Ok(done);
            }
            Event::End(_) => {
                let element = open.pop().ok_or_else(|| malformed("an element ends that did not begin"))?;
                if let Some(done) = close(&mut open, element) {
                    return Ok(done);
                }
            }
            Event::Text(part) => push(&mut open, &part),
            Event::CData(part) => push(&mut open, &part),
            Event::GeneralRef(reference) => {
                let character = reference.resolve_char_ref().map_err(|error| malformed(&error.to_string()))?;
                let known = || quick_xml::escape::resolve_predefined_entity(&reference).map(str::to_owned);
                let text = character.map(String::from).or_else(known);
                push(&mut open, &text.ok_or_else(|| malformed("an entity is not known"))?);
            }
            Event::Eof => return Err(malformed("Unexpected end of document")),
            _ => {}
        }
    }
}

struct Element {
    name: String,
    text: String,
    is_nil: bool,
    members: Map<String, Value>,
}

impl Element {
    fn new(tag: &BytesStart<'_>) -> Element {
        let name = tag.local_name().as_ref().to_owned();
        let is_nil = tag.attributes().flatten().any(|attribute| {
            attribute.key.local_name().as_ref() == "nil" && matches!(attribute.value.as_ref(), "true" | "1")
        });
        Element { name, text: String::new(), is_nil, members: Map::new() }
    }

    fn value(self) -> Value {
        if !self.members.is_empty() {
            return Value::Object(self.members);
        }
        if self.is_nil || self.text.is_empty() { Value::Null } else { Value::String(self.text) }
    }
}

/// Hands a finished element to its parent, or gives the record when it was the outermost.
fn close(open: &mut [Element], element: Element) -> Option<Map<String, Value>> {
    match open.last_mut() {
        Some(parent) => {
            parent.members.insert(element.name.clone(), element.value());
            None
        }
        None => Some(element.members),
    }
}

fn push(open: &mut [Element], text: &str) {
    if let Some(element) = open.last_mut() {
        element.text += text;
    }
}

fn malformed(why: &str) -> ApiError {
    ApiError::new(400, "XML_PARSER_ERROR", why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_record_is_read() {
        let body =
            b"<?xml version=\"1.0\"?><Account xmlns:xsi=\"x\"><Name>A &amp; B</Name><Fax xsi:nil=\"true\"/><Site/>\
            <Parent><Ext__c>7</Ext__c></Parent></Account>";
        let wanted = json!({"Name": "A & B", "Fax": null, "Site": null, "Parent": {"Ext__c": "7"}});
        assert_eq!(Value::Object(parse(body).unwrap()), wanted);
        assert_eq!(parse(b"<Account><Name>").unwrap_err().code, "XML_PARSER_ERROR");
        assert_eq!(parse(b"").unwrap_err().status, 400);
    }
}
