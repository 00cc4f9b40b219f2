// SPDX-License-Identifier: Apache-2.0
//! XML read into a tree by local names, and text made safe for XML.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// An element without its prefix, and of its attributes the two that XML Schema gives a meaning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    pub name: String,
    /// `xsi:type` without its prefix, empty when there is none.
    pub kind: String,
    /// `xsi:nil="true"`.
    pub nil: bool,
    pub text: String,
    pub children: Vec<Element>,
}

impl Element {
    /// The first child of a name.
    pub fn find(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }

    /// All children of a name, in any case: clients write `Ids` and `ids`.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |child| child.name.eq_ignore_ascii_case(name))
    }

    /// The texts of all children of a name.
    pub fn texts_of(&self, name: &str) -> Vec<String> {
        self.all(name).map(|child| child.text.trim().to_owned()).collect()
    }

    /// Whether the first child of a name says `true` or `1`.
    pub fn is_true(&self, name: &str) -> bool {
        let text = self.text_of(name);
        text == "1" || text.eq_ignore_ascii_case("true")
    }

    /// The text of the first child of a name, empty when there is none.
    pub fn text_of(&self, name: &str) -> String {
        self.find(name).map(|child| child.text.trim().to_owned()).unwrap_or_default()
    }
}

/// Parses a document; nothing when it is not well-formed.
pub fn parse(text: &[u8]) -> Option<Element> {
    let mut reader = Reader::from_str(std::str::from_utf8(text).ok()?);
    let mut open: Vec<Element> = Vec::new();
    loop {
        match reader.read_event().ok()? {
            Event::Start(tag) => open.push(element(&tag)?),
            Event::Empty(tag) => {
                let element = element(&tag)?;
                match open.last_mut() {
                    Some(parent) => parent.children.push(element),
                    None => return Some(element),
                }
            }
            Event::End(_) => {
                let element = open.pop()?;
                match open.last_mut() {
                    Some(parent) => parent.children.push(element),
                    None => return Some(element),
                }
            }
            Event::Text(text) => {
                if let Some(element) = open.last_mut() {
                    element.text += &text;
                }
            }
            Event::CData(text) => {
                if let Some(element) = open.last_mut() {
                    element.text += &text;
                }
            }
            Event::GeneralRef(reference) => {
                if let Some(element) = open.last_mut() {
                    let resolved = match reference.resolve_char_ref().ok()? {
                        Some(character) => character.to_string(),
                        None => quick_xml::escape::resolve_predefined_entity(&reference)?.to_owned(),
                    };
                    element.text += &resolved;
                }
            }
            Event::Eof => return None,
            _ => {}
        }
    }
}

fn element(tag: &BytesStart<'_>) -> Option<Element> {
    let mut element = Element { name: tag.local_name().as_ref().to_owned(), ..Element::default() };
    for attribute in tag.attributes() {
        let attribute = attribute.ok()?;
        // `nil` and `type` without a prefix mean nothing; with one they are XML Schema's, whatever the prefix is.
        let Some((_, name)) = attribute.key.as_ref().split_once(':') else { continue };
        let value = attribute.value.trim();
        match name {
            "nil" => element.nil = matches!(value, "true" | "1"),
            "type" => element.kind = value.rsplit(':').next().unwrap_or_default().to_owned(),
            _ => {}
        }
    }
    Some(element)
}

/// Text made safe for element content.
pub fn escape(text: &str) -> String {
    quick_xml::escape::escape(text).into_owned()
}

/// `<name xsi:nil="true"/>`.
pub fn nil(name: &str) -> String {
    format!("<{name} xsi:nil=\"true\"/>")
}

/// `<name>text</name>`, or nil for an empty text.
pub fn tag_or_nil(name: &str, text: &str) -> String {
    if text.is_empty() { nil(name) } else { tag(name, text) }
}

/// `<name>text</name>`.
pub fn tag(name: &str, text: &str) -> String {
    format!("<{name}>{}</{name}>", escape(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_do_not_matter() {
        let tree =
            parse(b"<?xml version='1.0'?><a:E xmlns:a='x'><a:B><p>1 &lt;&#33;</p><p/><![CDATA[<q>]]></a:B></a:E>")
                .unwrap();
        let body = tree.find("B").unwrap();
        assert_eq!((body.text_of("p").as_str(), body.children.len()), ("1 <!", 2));
        assert_eq!(body.text, "<q>");
        let typed = parse(b"<s xmlns:i='x' i:type='urn:Account' type='no'><n i:nil='true'/></s>").unwrap();
        assert_eq!((typed.kind.as_str(), typed.children[0].nil), ("Account", true));
        assert!(parse(b"<a><b></a>").is_none() && parse(b"").is_none() && parse(b"<a>").is_none());
    }
}
