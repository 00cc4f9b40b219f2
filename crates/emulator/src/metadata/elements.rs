// SPDX-License-Identifier: Apache-2.0
//! Which elements each metadata type has, of which type and in which order: what the metadata WSDL says.
//!
//! `metadata/elements.txt.gz` has one type a line: its name, `<` and the type it extends, and its own elements, each with `?`
//! (may be missing), `*` (any number), a colon and its type; one letter stands for a type of XML Schema. A line beginning
//! with `=` is an enumeration. Three enumerations of over 400 values are left out: any word passes for them.
//!
//! Files are checked against it with Salesforce's own texts, and answers that carry components are brought into its order.
//! Elements that must be there are not checked here, and words of enumerations count in any case: Salesforce is more lenient
//! than its WSDL. Elements that only older versions have are known to packages of those versions.

use std::collections::{HashMap, HashSet};
use std::io::Read as _;
use std::sync::OnceLock;

use super::Problem;
use super::xml::{NAMESPACE, Node};

/// One element of a type.
#[derive(Clone, Debug)]
pub struct Element {
    pub name: &'static str,
    pub kind: &'static str,
    pub repeats: bool,
}

struct Known {
    base: Option<&'static str>,
    elements: Vec<Element>,
}

struct Table {
    types: HashMap<&'static str, Known>,
    enumerations: HashMap<&'static str, HashSet<&'static str>>,
}

fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    static TEXT: OnceLock<String> = OnceLock::new();
    TABLE.get_or_init(|| {
        let text = TEXT.get_or_init(|| {
            let mut text = String::new();
            let zipped: &[u8] = include_bytes!("../../metadata/elements.txt.gz");
            let read = flate2::read::GzDecoder::new(zipped).read_to_string(&mut text);
            read.expect("the checked-in table is read by a test");
            text
        });
        let mut table = Table { types: HashMap::new(), enumerations: HashMap::new() };
        for line in text.lines() {
            if let Some(enumeration) = line.strip_prefix('=') {
                let mut words = enumeration.split('\t');
                table.enumerations.insert(words.next().unwrap_or_default(), words.collect());
                continue;
            }
            let mut words = line.split(' ');
            let name = words.next().unwrap_or_default();
            let mut known = Known { base: None, elements: Vec::new() };
            for word in words {
                match word.strip_prefix('<') {
                    Some(base) => known.base = Some(base),
                    None => known.elements.push(element(word)),
                }
            }
            table.types.insert(name, known);
        }
        table
    })
}

fn element(word: &'static str) -> Element {
    let (name, kind) = word.split_once(':').unwrap_or((word, "a"));
    let repeats = name.ends_with(['*', '+']);
    Element { name: name.trim_end_matches(['?', '*', '+']), kind, repeats }
}

/// The elements of a type in the order of the WSDL, inherited ones first. None when the WSDL has no such type.
pub fn of(kind: &str) -> Option<Vec<&'static Element>> {
    let known = table().types.get(kind)?;
    let mut all = known.base.and_then(of).unwrap_or_default();
    all.extend(&known.elements);
    Some(all)
}

/// Elements that the WSDL has no more: type, element, and the last version that has it. Of `hidden` the documentation says 22,
/// but projects deploy it with version 53.
const FORMER: [(&str, &str, f64); 2] =
    [("FlexiPageRegion", "componentInstances", 48.0), ("ProfileFieldLevelSecurity", "hidden", f64::MAX)];

fn is_former(kind: &str, name: &str, version: f64) -> bool {
    FORMER.iter().any(|(of, element, last)| *of == kind && *element == name && version <= *last)
}

/// Checks an element and all below it against a type, as a package of an API version is. Types that the WSDL lacks are not
/// checked.
///
/// # Errors
/// The first thing that Salesforce's parser would stop at.
pub fn check(node: &Node, kind: &str, version: f64) -> Result<(), Problem> {
    let Some(elements) = of(kind) else { return Ok(()) };
    let mut seen: HashSet<&str> = HashSet::new();
    for child in &node.children {
        let wrong = |text: String| Problem::at(child, text);
        let Some(element) = elements.iter().find(|element| element.name == child.name) else {
            if is_former(kind, &child.name, version) {
                continue;
            }
            let text = format!("Element {{{NAMESPACE}}}{} invalid at this location in type {kind}", child.name);
            return Err(wrong(text));
        };
        if !element.repeats && !seen.insert(element.name) {
            let text = format!("Element {{{NAMESPACE}}}{} is duplicated at this location in type {kind}", child.name);
            return Err(wrong(text));
        }
        if child.attribute("nil") == Some("true") {
            continue;
        }
        let text = child.text.trim();
        match element.kind {
            "b" if !matches!(text, "true" | "false" | "0" | "1" | "") => {
                return Err(wrong(format!("'{text}' is not a valid value for the type xsd:boolean")));
            }
            "i" | "l" if !text.is_empty() && text.parse::<i64>().is_err() => {
                return Err(wrong(format!("'{text}' is not a valid value for the type xsd:int")));
            }
            "d" if !text.is_empty() && text.parse::<f64>().is_err() => {
                return Err(wrong(format!("'{text}' is not a valid value for the type xsd:double")));
            }
            kind => {
                if let Some(words) = table().enumerations.get(kind)
                    && !text.is_empty()
                    && !words.contains(text)
                    && !words.iter().any(|word| word.eq_ignore_ascii_case(text))
                {
                    return Err(wrong(format!("'{text}' is not a valid value for the enum '{kind}'")));
                }
                check(child, child.type_name().filter(|_| !child.children.is_empty()).unwrap_or(kind), version)?;
            }
        }
    }
    Ok(())
}

/// Brings an element and all below it into the order of the WSDL; elements of one name keep theirs.
pub fn sort(node: &mut Node, kind: &str) {
    let Some(elements) = of(kind) else { return };
    let place = |name: &str| elements.iter().position(|element| element.name == name).unwrap_or(usize::MAX);
    node.children.sort_by_key(|child| place(&child.name));
    for child in &mut node.children {
        if let Some(element) = elements.iter().find(|element| element.name == child.name) {
            sort(child, element.kind);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::xml;
    use super::*;

    fn checked(text: &str) -> Result<(), String> {
        let root = xml::parse(text).unwrap();
        check(&root, &root.name, 67.0).map_err(|wrong| wrong.text)
    }

    #[test]
    fn what_the_wsdl_does_not_know_is_refused_with_its_place() {
        assert_eq!(
            checked("<CustomField><fullName>A__c</fullName><type>Text</type><unique>true</unique></CustomField>"),
            Ok(())
        );
        let text =
            "Element {http://soap.sforce.com/2006/04/metadata}colour invalid at this location in type CustomField";
        assert_eq!(checked("<CustomField><colour>red</colour></CustomField>").unwrap_err(), text);
        let text = "'Txt' is not a valid value for the enum 'FieldType'";
        assert_eq!(checked("<CustomObject><fields><type>Txt</type></fields></CustomObject>").unwrap_err(), text);
        assert!(checked("<CustomField><unique>maybe</unique></CustomField>").unwrap_err().ends_with("xsd:boolean"));
        assert!(
            checked("<CustomField><label>a</label><label>b</label></CustomField>").unwrap_err().contains("duplicated")
        );
        assert_eq!(checked("<Unheard><of/></Unheard>"), Ok(()));
        let override_ =
            "<CustomObject><actionOverrides><type>lightningcomponent</type></actionOverrides></CustomObject>";
        assert_eq!(checked(override_), Ok(()));
        let page = "<FlexiPage><flexiPageRegions><componentInstances/></flexiPageRegions></FlexiPage>";
        assert!(checked(page).unwrap_err().contains("componentInstances invalid"));
        let root = xml::parse(page).unwrap();
        assert!(check(&root, &root.name, 48.0).is_ok());
    }

    #[test]
    fn the_full_name_comes_first() {
        let mut root =
            xml::parse("<CustomField><type>Text</type><label>L</label><fullName>A__c</fullName></CustomField>")
                .unwrap();
        sort(&mut root, "CustomField");
        let names: Vec<&str> = root.children.iter().map(|child| child.name.as_str()).collect();
        assert_eq!(names, ["fullName", "label", "type"]);
    }
}
