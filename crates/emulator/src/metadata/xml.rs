// SPDX-License-Identifier: Apache-2.0
//! Metadata as trees: elements with their attributes, text and place in the file, read from XML and written as Salesforce
//! writes it.
//!
//! A place is that behind an element's start tag, counted from 1: what Salesforce names in deploy messages, as in
//! `referenceTo value of 'Fruit__c' does not resolve to a valid sObject type (166:13)`. Comments are not kept, and text
//! between elements is not either; nothing in metadata depends on mixed content.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use serde::{Deserialize, Serialize};

/// The namespace of all metadata.
pub const NAMESPACE: &str = "http://soap.sforce.com/2006/04/metadata";

/// An element: its name without prefix, the text directly in it, and its children.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Node {
    pub name: String,
    /// As written, namespace declarations left out: `xsi:type`, `xsi:nil`, `fqn`.
    pub attributes: Vec<(String, String)>,
    pub text: String,
    pub children: Vec<Node>,
    #[serde(skip)]
    pub line: u32,
    #[serde(skip)]
    pub column: u32,
}

/// Two elements are equal when they say the same, wherever they stand.
impl PartialEq for Node {
    fn eq(&self, other: &Node) -> bool {
        self.name == other.name
            && self.text == other.text
            && self.attributes == other.attributes
            && self.children == other.children
    }
}

/// Why a text is no metadata: where, and what the parser says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    pub line: u32,
    pub column: u32,
    pub reason: String,
}

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.reason)
    }
}

impl Node {
    /// An element with nothing in it.
    pub fn named(name: &str) -> Node {
        Node { name: name.to_owned(), ..Node::default() }
    }

    /// An element with text.
    pub fn leaf(name: &str, text: impl Into<String>) -> Node {
        Node { name: name.to_owned(), text: text.into(), ..Node::default() }
    }

    /// The same with one more child.
    pub fn with(mut self, child: Node) -> Node {
        self.children.push(child);
        self
    }

    pub fn first(&self, name: &str) -> Option<&Node> {
        self.children.iter().find(|child| child.name == name)
    }

    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Node> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The text of a child element, empty when there is none.
    pub fn text_of(&self, name: &str) -> &str {
        self.first(name).map_or("", |child| child.text.as_str())
    }

    pub fn is_true(&self, name: &str) -> bool {
        self.text_of(name).trim() == "true"
    }

    /// An attribute by its name without prefix.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let local = |full: &str| full.rsplit(':').next() == Some(name);
        self.attributes.iter().find(|(full, _)| local(full)).map(|(_, value)| value.as_str())
    }

    /// The type that `xsi:type` names, without prefix.
    pub fn type_name(&self) -> Option<&str> {
        self.attribute("type").map(|name| name.rsplit(':').next().unwrap_or(name))
    }

    /// The element as a metadata file: declaration, namespace, four blanks for each level.
    pub fn document(&self) -> String {
        let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        let mut declared = format!(" xmlns=\"{NAMESPACE}\"");
        if self.uses_types() {
            declared += " xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\"";
        }
        self.write(&mut out, 0, &declared);
        out
    }

    fn uses_types(&self) -> bool {
        self.attributes.iter().any(|(name, _)| name.starts_with("xsi:")) || self.children.iter().any(Node::uses_types)
    }

    fn open_tag(&self, out: &mut String, declared: &str) {
        out.push('<');
        out.push_str(&self.name);
        out.push_str(declared);
        for (name, value) in &self.attributes {
            *out += &format!(" {name}=\"{}\"", quick_xml::escape::escape(value.as_str()));
        }
    }

    fn write(&self, out: &mut String, depth: usize, declared: &str) {
        let indent = |out: &mut String, depth: usize| (0..depth).for_each(|_| out.push_str("    "));
        indent(out, depth);
        self.open_tag(out, declared);
        if self.children.is_empty() {
            if self.text.is_empty() {
                out.push_str("/>\n");
                return;
            }
            *out += &format!(">{}</{}>\n", quick_xml::escape::escape(self.text.as_str()), self.name);
            return;
        }
        out.push_str(">\n");
        for child in &self.children {
            child.write(out, depth + 1, "");
        }
        indent(out, depth);
        *out += &format!("</{}>\n", self.name);
    }

    /// The element without blanks between its parts, as SOAP carries it.
    pub fn compact(&self) -> String {
        let mut out = String::new();
        self.write_compact(&mut out);
        out
    }

    fn write_compact(&self, out: &mut String) {
        self.open_tag(out, "");
        if self.children.is_empty() && self.text.is_empty() {
            out.push_str("/>");
            return;
        }
        out.push('>');
        out.push_str(&quick_xml::escape::escape(self.text.as_str()));
        self.children.iter().for_each(|child| child.write_compact(out));
        *out += &format!("</{}>", self.name);
    }
}

/// Counts lines while the reader goes on.
struct Place<'a> {
    text: &'a [u8],
    at: usize,
    line: u32,
    column: u32,
}

impl Place<'_> {
    fn to(&mut self, position: u64) -> (u32, u32) {
        let position = usize::try_from(position).unwrap_or(usize::MAX).min(self.text.len());
        for &byte in &self.text[self.at.min(position)..position] {
            match byte {
                b'\n' => (self.line, self.column) = (self.line + 1, 1),
                // The bytes that go on with a character do not count.
                0x80..=0xBF => {}
                _ => self.column += 1,
            }
        }
        self.at = self.at.max(position);
        (self.line, self.column)
    }
}

/// The root element.
///
/// # Errors
/// The text is not well-formed XML, or has no element.
pub fn parse(text: &str) -> Result<Node, Malformed> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader::from_str(text);
    let mut place = Place { text: text.as_bytes(), at: 0, line: 1, column: 1 };
    let mut open: Vec<Node> = vec![Node::default()];
    loop {
        let event = reader.read_event();
        let (line, column) = place.to(reader.buffer_position());
        let malformed = |reason: String| Malformed { line, column, reason };
        match event.map_err(|error| malformed(error.to_string()))? {
            Event::Start(tag) => open.push(started(&tag, line, column)?),
            Event::Empty(tag) => {
                let node = started(&tag, line, column)?;
                top(&mut open).children.push(node);
            }
            Event::End(_) => {
                let mut node = open.pop().unwrap_or_default();
                if !node.children.is_empty() {
                    node.text.clear();
                }
                top(&mut open).children.push(node);
            }
            Event::Text(part) => top(&mut open).text += &part,
            Event::CData(part) => top(&mut open).text += &part,
            Event::GeneralRef(reference) => {
                let resolved = reference.resolve_char_ref().map_err(|error| malformed(error.to_string()))?;
                let character = match resolved {
                    Some(character) => character.to_string(),
                    None => quick_xml::escape::resolve_predefined_entity(&reference).unwrap_or_default().to_owned(),
                };
                top(&mut open).text += &character;
            }
            Event::Eof if open.len() > 1 => {
                return Err(malformed("XML document structures must start and end within the same entity.".to_owned()));
            }
            Event::Eof => break,
            _ => {}
        }
    }
    let root = open.pop().and_then(|mut outside| outside.children.pop());
    root.ok_or_else(|| Malformed { line: 1, column: 1, reason: "it has no element".to_owned() })
}

fn started(tag: &BytesStart<'_>, line: u32, column: u32) -> Result<Node, Malformed> {
    let mut node = Node { line, column, ..Node::named(tag.local_name().as_ref()) };
    for attribute in tag.attributes() {
        let failed = |reason: String| Malformed { line, column, reason };
        let attribute = attribute.map_err(|error| failed(error.to_string()))?;
        let name: &str = attribute.key.as_ref();
        if name != "xmlns" && !name.starts_with("xmlns:") {
            let value = quick_xml::escape::unescape(&attribute.value).map_err(|error| failed(error.to_string()))?;
            node.attributes.push((name.to_owned(), value.into_owned()));
        }
    }
    Ok(node)
}

/// The innermost open element. The outermost stands for the document and is never closed by well-formed input.
fn top(open: &mut Vec<Node>) -> &mut Node {
    if open.is_empty() {
        open.push(Node::default());
    }
    let last = open.len() - 1;
    &mut open[last]
}

/// Whether a text means true. Requests of Python clients say `True`, which Salesforce takes.
pub fn is_truth(text: &str) -> bool {
    text == "1" || text.eq_ignore_ascii_case("true")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_texts_and_entities() {
        let root =
            parse("<?xml version=\"1.0\"?><a xmlns=\"x\"><b>1 &lt; 2 &amp; &#65;</b><c/><b><![CDATA[<z>]]></b></a>")
                .expect("well-formed");
        assert_eq!(root.name, "a");
        let texts: Vec<&str> = root.all("b").map(|b| b.text.as_str()).collect();
        assert_eq!(texts, ["1 < 2 & A", "<z>"]);
        assert!(root.first("c").is_some() && root.first("d").is_none());
        assert!(parse("<a><b></a>").is_err() && parse("").is_err() && parse("<a>").is_err());
    }

    #[test]
    fn a_place_is_behind_the_start_tag() {
        let root =
            parse("<?xml version=\"1.0\"?>\n<a>\n    <fields>\n        <é>ü</é><x t=\"1\"/></fields></a>").unwrap();
        let fields = root.first("fields").unwrap();
        assert_eq!((fields.line, fields.column), (3, 13));
        assert_eq!((fields.children[1].line, fields.children[1].column), (4, 27));
        let error = parse("<a>\n<b></c></a>").unwrap_err();
        assert_eq!(error.line, 2);
    }

    #[test]
    fn what_is_written_is_read_again() {
        let text =
            "<v xmlns:xsi=\"i\"><a xsi:type=\"xsd:string\">1 &lt; \"2\" &amp; '3'\n</a><n xsi:nil=\"true\"/><e/></v>";
        let root = parse(text).unwrap();
        assert_eq!(root.first("a").and_then(Node::type_name), Some("string"));
        for written in [root.document(), root.compact()] {
            assert_eq!(parse(&written).unwrap(), root, "{written}");
        }
        assert!(
            root.document()
                .contains("\n    <a xsi:type=\"xsd:string\">1 &lt; &quot;2&quot; &amp; &apos;3&apos;\n</a>\n")
        );
    }
}
