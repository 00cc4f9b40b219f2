// SPDX-License-Identifier: Apache-2.0
//! Answers held against the official WSDL: which elements a type has, in which order, and which of them must be there.

use std::collections::HashMap;

use orgkeep_emulator::metadata::xml::{self, Node};

/// The types and elements of a WSDL.
pub struct Wsdl {
    types: HashMap<String, Node>,
    elements: HashMap<String, Node>,
}

/// An element of a sequence.
struct Slot {
    name: String,
    kind: String,
    required: bool,
    repeats: bool,
}

impl Wsdl {
    pub fn read(text: &str) -> Wsdl {
        let root = xml::parse(text).expect("well-formed");
        let schemas = root.first("types").expect("types").all("schema");
        let mut wsdl = Wsdl { types: HashMap::new(), elements: HashMap::new() };
        for node in schemas.flat_map(|schema| &schema.children) {
            let Some(name) = node.attribute("name") else { continue };
            match node.name.as_str() {
                "complexType" => wsdl.types.insert(name.to_owned(), node.clone()),
                "element" => wsdl.elements.insert(name.to_owned(), node.clone()),
                _ => None,
            };
        }
        wsdl
    }

    fn slots(&self, node: &Node) -> Vec<Slot> {
        let mut slots = Vec::new();
        let extension = node.first("complexContent").and_then(|content| content.first("extension"));
        if let Some(base) = extension.and_then(|extension| extension.attribute("base")) {
            slots = self.slots(&self.types[base.rsplit(':').next().expect("a name")]);
        }
        for element in extension.unwrap_or(node).all("sequence").flat_map(|sequence| sequence.all("element")) {
            slots.push(Slot {
                name: element.attribute("name").unwrap_or_default().to_owned(),
                kind: element.attribute("type").unwrap_or_default().rsplit(':').next().unwrap_or_default().to_owned(),
                required: element.attribute("minOccurs") != Some("0"),
                repeats: element.attribute("maxOccurs") == Some("unbounded"),
            });
        }
        slots
    }

    /// Checks an answer's element, such as `deployResponse`. Answers how many elements were looked at.
    pub fn check(&self, node: &Node) -> usize {
        let element = self.elements.get(&node.name).unwrap_or_else(|| panic!("no element {}", node.name));
        let slots = self.slots(element.first("complexType").expect("a type"));
        self.check_all(node, &slots)
    }

    fn check_all(&self, node: &Node, slots: &[Slot]) -> usize {
        let mut seen = 1;
        let mut at = 0;
        for child in &node.children {
            let place = slots[at..].iter().position(|slot| slot.name == child.name);
            let place =
                place.unwrap_or_else(|| panic!("{} of {} stands where the WSDL has none", child.name, node.name));
            let missing = slots[at..at + place].iter().enumerate().find(|(skipped, slot)| {
                slot.required && !(*skipped == 0 && at > 0 && slots[at].repeats) && node.first(&slot.name).is_none()
            });
            assert!(missing.is_none(), "{} lacks {}", node.name, missing.map_or("", |(_, slot)| &slot.name));
            at += place;
            let slot = &slots[at];
            let kind = child.type_name().unwrap_or(&slot.kind);
            if let Some(known) = self.types.get(kind).filter(|_| child.attribute("nil") != Some("true")) {
                seen += self.check_all(child, &self.slots(known));
            }
            if !slot.repeats {
                at += 1;
            }
        }
        let missing = slots.iter().find(|slot| slot.required && node.first(&slot.name).is_none());
        assert!(missing.is_none(), "{} lacks {}", node.name, missing.map_or("", |slot| &slot.name));
        seen
    }
}
