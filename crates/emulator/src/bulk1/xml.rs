// SPDX-License-Identifier: Apache-2.0
//! XML of the asynchronous API, read into a tree by local names; `xsi:nil="true"` is the only attribute that means something.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// An element without its prefix and attributes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    pub name: String,
    pub text: String,
    pub is_nil: bool,
    pub children: Vec<Element>,
}

/// Parses a document; nothing when it is not well-formed.
pub fn parse(text: &[u8]) -> Option<Element> {
    let mut reader = Reader::from_str(std::str::from_utf8(text).ok()?);
    let mut open: Vec<Element> = Vec::new();
    loop {
        let ended = match reader.read_event().ok()? {
            Event::Start(tag) => {
                open.push(element(&tag)?);
                None
            }
            Event::Empty(tag) => Some(element(&tag)?),
            Event::End(_) => Some(open.pop()?),
            Event::Text(text) => {
                append(&mut open, &text);
                None
            }
            Event::CData(text) => {
                append(&mut open, &text);
                None
            }
            Event::GeneralRef(reference) => {
                match reference.resolve_char_ref().ok()? {
                    Some(character) => append(&mut open, character.encode_utf8(&mut [0; 4])),
                    None => append(&mut open, quick_xml::escape::resolve_predefined_entity(&reference)?),
                }
                None
            }
            Event::Eof => return None,
            _ => None,
        };
        if let Some(element) = ended {
            match open.last_mut() {
                Some(parent) => parent.children.push(element),
                None => return Some(element),
            }
        }
    }
}

fn append(open: &mut [Element], text: &str) {
    if let Some(element) = open.last_mut() {
        element.text += text;
    }
}

fn element(tag: &BytesStart<'_>) -> Option<Element> {
    let mut is_nil = false;
    for attribute in tag.attributes() {
        let attribute = attribute.ok()?;
        let value: &str = &attribute.value;
        is_nil |= attribute.key.local_name().as_ref() == "nil" && matches!(value, "true" | "1");
    }
    Some(Element { name: tag.local_name().as_ref().to_owned(), is_nil, ..Element::default() })
}

/// Text made safe for element content.
pub fn escape(text: &str) -> String {
    quick_xml::escape::escape(text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nil_is_seen_and_prefixes_do_not_matter() {
        let tree = parse(
            b"<s:sObjects xmlns:s='x' xmlns:xsi='y'><sObject><Phone xsi:nil=\"true\"/><Name>A &amp; B</Name></sObject></s:sObjects>",
        )
        .unwrap();
        let row = &tree.children[0];
        assert_eq!(
            (tree.name.as_str(), row.children[0].is_nil, row.children[1].text.as_str()),
            ("sObjects", true, "A & B")
        );
        assert!(parse(b"<a><b></a>").is_none() && parse(b"").is_none());
    }
}
