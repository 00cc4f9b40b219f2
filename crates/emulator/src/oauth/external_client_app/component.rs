// SPDX-License-Identifier: Apache-2.0
//! One component as it is kept: read from the XML of a deploy, written as the XML of a retrieve.
//!
//! Reading checks what a schema can check: the root, the names of the elements, Booleans, numbers and enumerations. The
//! texts are those of the Metadata API (`Error parsing file: …`).

use serde::{Deserialize, Serialize};

use super::kind::{Holds, Kind};
use crate::metadata::xml::{self, Node};

const NAMESPACE: &str = "http://soap.sforce.com/2006/04/metadata";

/// A component of an org.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Component {
    pub kind: Kind,
    pub full_name: String,
    /// 18 characters.
    pub id: String,
    /// In ms.
    pub created_ms: i64,
    /// In ms.
    pub modified_ms: i64,
    /// The elements below the root, in the order of the file.
    pub elements: Vec<Node>,
}

impl Component {
    /// The text of an element, empty when it is absent.
    pub fn text(&self, name: &str) -> &str {
        self.elements.iter().find(|element| element.name == name).map_or("", |element| element.text.trim())
    }

    /// Whether an element says `true`.
    pub fn says(&self, name: &str) -> bool {
        self.text(name) == "true"
    }

    /// A number, when there is one.
    pub fn number(&self, name: &str) -> Option<i64> {
        self.text(name).parse().ok()
    }

    /// The parts of a comma-separated element.
    pub fn list(&self, name: &str) -> impl Iterator<Item = &str> {
        self.text(name).split(',').map(str::trim).filter(|part| !part.is_empty())
    }

    /// The application that the component belongs to: itself, or the one it names.
    pub fn application(&self) -> &str {
        match self.kind {
            Kind::ExternalClientApplication => &self.full_name,
            _ => self.text("externalClientApplication"),
        }
    }

    /// Sets the text of an element, or takes it out.
    pub fn set(&mut self, name: &str, text: Option<&str>) {
        self.elements.retain(|element| element.name != name);
        if let Some(text) = text {
            self.elements.push(leaf(name, text));
        }
    }

    /// The file as a retrieve gives it: elements in alphabetical order, switches that were not given as `false`, never
    /// the secret (`salesforce-api.md` 1.10).
    pub fn to_xml(&self) -> String {
        let mut elements: Vec<Node> =
            self.elements.iter().filter(|element| element.name != "consumerSecret").cloned().collect();
        for (name, holds) in self.kind.elements() {
            let absent = !elements.iter().any(|element| element.name == *name);
            // These came with later versions than the rest and are absent from recorded retrieves when not given.
            let late = matches!(*name, "isDPopEnabled" | "isMtlsEnabled" | "isEnforceRefreshTokenTTL");
            if *holds == Holds::Boolean && absent && !late {
                elements.push(leaf(name, "false"));
            }
        }
        elements.sort_by(|a, b| a.name.cmp(&b.name));
        let mut text =
            format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{} xmlns=\"{NAMESPACE}\">\n", self.kind.name());
        for element in &elements {
            write(element, 1, &mut text);
        }
        text + &format!("</{}>\n", self.kind.name())
    }
}

fn leaf(name: &str, text: &str) -> Node {
    Node::leaf(name, text)
}

fn write(node: &Node, depth: usize, out: &mut String) {
    let indent = "    ".repeat(depth);
    if node.children.is_empty() {
        let text = quick_xml::escape::escape(node.text.as_str());
        *out += &format!("{indent}<{0}>{text}</{0}>\n", node.name);
        return;
    }
    *out += &format!("{indent}<{}>\n", node.name);
    for child in &node.children {
        write(child, depth + 1, out);
    }
    *out += &format!("{indent}</{}>\n", node.name);
}

/// The elements of a file.
///
/// # Errors
/// The text of the problem that a deploy reports.
pub fn read(kind: Kind, body: &[u8]) -> Result<Vec<Node>, String> {
    let text = std::str::from_utf8(body).map_err(|_| parsing("Invalid UTF-8"))?;
    let root = xml::parse(text).map_err(|error| parsing(&error.reason))?;
    if root.name != kind.name() {
        return Err(parsing(&format!("Element {{{NAMESPACE}}}{} invalid at this location", root.name)));
    }
    let mut elements = Vec::new();
    for element in root.children {
        // Every component may carry its name; it is that of the file.
        if element.name == "fullName" {
            continue;
        }
        let Some((_, holds)) = kind.elements().iter().find(|(name, _)| *name == element.name) else {
            let text =
                format!("Element {{{NAMESPACE}}}{} invalid at this location in type {}", element.name, kind.name());
            return Err(parsing(&text));
        };
        check(element.text.trim(), *holds)?;
        elements.push(element);
    }
    Ok(elements)
}

fn check(text: &str, holds: Holds) -> Result<(), String> {
    match holds {
        Holds::Boolean if !matches!(text, "true" | "false" | "1" | "0") => {
            Err(parsing(&format!("'{text}' is not a valid value for the type xsd:boolean")))
        }
        Holds::Int if text.parse::<i32>().is_err() => {
            Err(parsing(&format!("'{text}' is not a valid value for the type xsd:int")))
        }
        Holds::OneOf(name, values) if !values.contains(&text) => {
            Err(format!("'{text}' is not a valid value for the enum '{name}'"))
        }
        _ => Ok(()),
    }
}

fn parsing(text: &str) -> String {
    format!("Error parsing file: {text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_schema_can_check_is_checked() {
        let kind = Kind::ExtlClntAppOauthConfigurablePolicies;
        let file = |inner: &str| format!("<{0} xmlns=\"{NAMESPACE}\">{inner}</{0}>", kind.name());
        let refused = |inner: &str| read(kind, file(inner).as_bytes()).unwrap_err();
        assert_eq!(
            refused("<permittedUsersPolicyType>AdminApproved</permittedUsersPolicyType>"),
            "'AdminApproved' is not a valid value for the enum 'PermittedUsersPolicyType'"
        );
        assert!(refused("<scopes>Api</scopes>").contains(
            "Element {http://soap.sforce.com/2006/04/metadata}scopes invalid at this location in type ExtlClntAppOauthConfigurablePolicies"
        ));
        assert!(refused("<isTokenExchangeFlowEnabled>yes</isTokenExchangeFlowEnabled>").contains("xsd:boolean"));
        assert!(refused("<sessionTimeoutInMinutes>soon</sessionTimeoutInMinutes>").contains("xsd:int"));
        assert!(read(kind, b"<ExternalClientApplication/>").is_err() && read(kind, b"<a><b>").is_err());
        assert_eq!(read(kind, file("<label>A &amp; B</label>").as_bytes()).unwrap()[0].text, "A & B");
    }

    #[test]
    fn a_retrieved_file_has_its_switches_and_no_secret() {
        let component = Component {
            kind: Kind::ExtlClntAppGlobalOauthSettings,
            full_name: "A_glbl".into(),
            id: String::new(),
            created_ms: 0,
            modified_ms: 0,
            elements: vec![leaf("label", "A & B"), leaf("consumerSecret", "S3"), leaf("callbackUrl", "https://a/")],
        };
        let text = component.to_xml();
        assert!(text.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ExtlClntAppGlobalOauthSettings xmlns="));
        assert!(text.contains("    <callbackUrl>https://a/</callbackUrl>\n"));
        assert!(text.contains("<label>A &amp; B</label>") && !text.contains("S3"));
        assert!(text.contains("    <isPkceRequired>false</isPkceRequired>\n"));
        let back = read(component.kind, text.as_bytes()).unwrap();
        assert!(back.is_sorted_by(|a, b| a.name <= b.name));
    }
}
