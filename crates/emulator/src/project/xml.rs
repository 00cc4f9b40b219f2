// SPDX-License-Identifier: Apache-2.0
//! Metadata files as trees: they are small, and nothing in them depends on attributes or mixed content.

use quick_xml::Reader;
use quick_xml::events::Event;
use serde::{Deserialize, Serialize};

/// An element: its name without prefix, the text directly in it, and its children.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Node {
    pub name: String,
    pub text: String,
    pub children: Vec<Node>,
}

impl Node {
    pub fn first(&self, name: &str) -> Option<&Node> {
        self.children.iter().find(|child| child.name == name)
    }

    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Node> {
        self.children.iter().filter(move |child| child.name == name)
    }
}

/// The root element.
pub fn parse(text: &str) -> Result<Node, String> {
    let mut reader = Reader::from_str(text);
    let mut open: Vec<Node> = vec![Node::default()];
    loop {
        match reader.read_event().map_err(|error| error.to_string())? {
            Event::Start(tag) => open.push(named(tag.local_name().as_ref())),
            Event::Empty(tag) => {
                let node = named(tag.local_name().as_ref());
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
                let character = match reference.resolve_char_ref().map_err(|error| error.to_string())? {
                    Some(character) => character.to_string(),
                    None => quick_xml::escape::resolve_predefined_entity(&reference).unwrap_or_default().to_owned(),
                };
                top(&mut open).text += &character;
            }
            Event::Eof => break,
            _ => {}
        }
    }
    let root = open.pop().and_then(|mut outside| outside.children.pop());
    root.ok_or_else(|| "it has no element".to_owned())
}

fn named(name: &str) -> Node {
    Node { name: name.to_owned(), ..Node::default() }
}

/// The innermost open element. The outermost stands for the document and is never closed by well-formed input.
fn top(open: &mut Vec<Node>) -> &mut Node {
    if open.is_empty() {
        open.push(Node::default());
    }
    let last = open.len() - 1;
    &mut open[last]
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
        assert!(parse("<a><b></a>").is_err());
        assert!(parse("").is_err());
    }
}
