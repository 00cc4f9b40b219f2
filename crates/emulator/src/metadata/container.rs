// SPDX-License-Identifier: Apache-2.0
//! Types whose files hold components of other types: a `CustomObject` file has fields, list views, validation rules …
//!
//! Each part is a component of its own, which can be listed, retrieved and deployed alone. A file is taken apart into what is
//! left of it and its parts, and put together again with its parts in the order of their names.

use super::xml::Node;

/// How a part stands in its container's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The element in the container's file.
    pub element: &'static str,
    /// The metadata type of the part.
    pub kind: &'static str,
}

const fn part(element: &'static str, kind: &'static str) -> Part {
    Part { element, kind }
}

const CONTAINERS: [(&str, &[Part]); 8] = [
    (
        "CustomObject",
        &[
            part("businessProcesses", "BusinessProcess"),
            part("compactLayouts", "CompactLayout"),
            part("fieldSets", "FieldSet"),
            part("fields", "CustomField"),
            part("indexes", "Index"),
            part("listViews", "ListView"),
            part("recordTypes", "RecordType"),
            part("sharingReasons", "SharingReason"),
            part("validationRules", "ValidationRule"),
            part("webLinks", "WebLink"),
        ],
    ),
    (
        "Workflow",
        &[
            part("alerts", "WorkflowAlert"),
            part("fieldUpdates", "WorkflowFieldUpdate"),
            part("flowActions", "WorkflowFlowAction"),
            part("knowledgePublishes", "WorkflowKnowledgePublish"),
            part("outboundMessages", "WorkflowOutboundMessage"),
            part("rules", "WorkflowRule"),
            part("send", "WorkflowSend"),
            part("tasks", "WorkflowTask"),
        ],
    ),
    ("CustomLabels", &[part("labels", "CustomLabel")]),
    (
        "SharingRules",
        &[
            part("sharingCriteriaRules", "SharingCriteriaRule"),
            part("sharingGuestRules", "SharingGuestRule"),
            part("sharingOwnerRules", "SharingOwnerRule"),
            part("sharingTerritoryRules", "SharingTerritoryRule"),
        ],
    ),
    ("AssignmentRules", &[part("assignmentRule", "AssignmentRule")]),
    ("AutoResponseRules", &[part("autoResponseRule", "AutoResponseRule")]),
    ("EscalationRules", &[part("escalationRule", "EscalationRule")]),
    ("MatchingRules", &[part("matchingRules", "MatchingRule")]),
];

/// The parts a type's files have; none for types that contain nothing.
pub fn parts_of(kind: &str) -> &'static [Part] {
    CONTAINERS.iter().find(|(name, _)| *name == kind).map_or(&[], |(_, parts)| parts)
}

/// The container of a part's type, and how the part stands in it.
pub fn of_part(kind: &str) -> Option<(&'static str, Part)> {
    CONTAINERS.iter().find_map(|(name, parts)| {
        let part = parts.iter().find(|part| part.kind == kind)?;
        Some((*name, *part))
    })
}

/// The full name of a part: `Account.Rating__c`; labels have no container in their name.
pub fn full_name(container: &str, container_name: &str, part_name: &str) -> String {
    if container == "CustomLabels" { part_name.to_owned() } else { format!("{container_name}.{part_name}") }
}

/// The name of the container that a part of this full name lies in.
pub fn container_name<'a>(container: &str, full_name: &'a str) -> &'a str {
    if container == "CustomLabels" { "CustomLabels" } else { full_name.split('.').next().unwrap_or(full_name) }
}

/// The name a part has inside its container.
pub fn own_name(full_name: &str) -> &str {
    full_name.split_once('.').map_or(full_name, |(_, own)| own)
}

/// Takes a container's file apart: what remains of it, and the parts with their kinds, each as a file of its own kind.
pub fn split(kind: &str, mut root: Node) -> (Node, Vec<(Part, Node)>) {
    let known = parts_of(kind);
    let mut parts = Vec::new();
    let mut rest = Vec::with_capacity(root.children.len());
    for mut child in std::mem::take(&mut root.children) {
        match known.iter().find(|part| part.element == child.name) {
            Some(part) => {
                child.name = part.kind.to_owned();
                parts.push((*part, child));
            }
            None => rest.push(child),
        }
    }
    root.children = rest;
    (root, parts)
}

/// Puts parts back into what remains of a container's file, in the order Salesforce writes: elements by name, and those of
/// one name by their full name.
pub fn join(mut root: Node, parts: impl IntoIterator<Item = (Part, Node)>) -> Node {
    for (part, mut node) in parts {
        node.name = part.element.to_owned();
        root.children.push(node);
    }
    let known: Vec<&str> = CONTAINERS.iter().flat_map(|(_, parts)| *parts).map(|part| part.element).collect();
    let own = |node: &Node| {
        if known.contains(&node.name.as_str()) { node.text_of("fullName").to_owned() } else { String::new() }
    };
    root.children.sort_by_cached_key(|child| (child.name != "fullName", child.name.clone(), own(child)));
    root
}

#[cfg(test)]
mod tests {
    use super::super::xml;
    use super::*;

    #[test]
    fn a_container_comes_apart_and_together() {
        let text = "<CustomObject><label>A</label><fields><fullName>B__c</fullName></fields><fields><fullName>A__c</fullName></fields></CustomObject>";
        let (rest, parts) = split("CustomObject", xml::parse(text).unwrap());
        assert_eq!((rest.children.len(), parts.len(), parts[0].0.kind), (1, 2, "CustomField"));
        assert_eq!(parts[0].1.name, "CustomField");
        let again = join(rest, parts);
        let names: Vec<&str> = again.children.iter().map(|child| child.text_of("fullName")).collect();
        assert_eq!(names, ["A__c", "B__c", ""]);
        assert_eq!(full_name("CustomObject", "Account", "A__c"), "Account.A__c");
        assert_eq!(container_name("CustomLabels", "Hello"), "CustomLabels");
        assert_eq!(of_part("WorkflowRule").unwrap().0, "Workflow");
    }
}
