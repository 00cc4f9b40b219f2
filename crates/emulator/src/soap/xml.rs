// SPDX-License-Identifier: Apache-2.0
//! XML read into a tree by local names, and text made safe for XML.

use quick_xml::Reader;
use quick_xml::events::Event;

/// An element without its prefix and attributes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    pub name: String,
    pub text: String,
    pub children: Vec<Element>,
}

impl Element {
    /// The first child of a name.
    pub fn find(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
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
            Event::Start(tag) => open.push(named(tag.local_name().as_ref())),
            Event::Empty(tag) => {
                let element = named(tag.local_name().as_ref());
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

fn named(name: &str) -> Element {
    Element { name: name.to_owned(), ..Element::default() }
}

/// Text made safe for element content.
pub fn escape(text: &str) -> String {
    quick_xml::escape::escape(text).into_owned()
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
        assert!(parse(b"<a><b></a>").is_none() && parse(b"").is_none() && parse(b"<a>").is_none());
    }
}
