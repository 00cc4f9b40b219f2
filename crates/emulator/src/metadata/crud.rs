// SPDX-License-Identifier: Apache-2.0
//! Components one by one: the same as a deploy of each, with results of their own. Codes are those that saving a record has.

use super::component;
use super::deploy::{self, Draft};
use super::list;
use super::xml::Node;
use super::{container, retrieve, standard};
use crate::org::{Org, Tx};

/// What is done with a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    Create,
    Update,
    Upsert,
}

/// What became of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    pub full_name: String,
    pub created: bool,
    /// Code and text.
    pub problem: Option<(String, String)>,
}

/// The XML of a component with its full name; a container with all its parts.
pub fn read(tx: &Tx<'_>, kind: &str, full_name: &str) -> Option<Node> {
    let component = list::find(tx, kind, full_name)?;
    let mut node = if container::parts_of(kind).is_empty() {
        component::node(tx, &component).or_else(|| standard::find(tx, kind, full_name).map(|made| made.node))?
    } else {
        retrieve::assemble(tx, kind, full_name, |_, _| true, true)
    };
    node.children.retain(|child| child.name != "fullName");
    node.children.insert(0, Node::leaf("fullName", component.full_name));
    Some(node)
}

/// Saves components. A container's parts are saved with it.
pub fn write(org: &Org, user_id: &str, deed: Deed, components: Vec<(String, Node)>, all_or_none: bool) -> Vec<Written> {
    let mut drafts: Vec<Draft> = Vec::new();
    let mut owners: Vec<usize> = Vec::new();
    let mut written = Vec::new();
    for (at, (kind, mut node)) in components.into_iter().enumerate() {
        let full_name = node.text_of("fullName").trim().to_owned();
        node.attributes.clear();
        let there = org.read(|tx| list::find(tx, &kind, &full_name).is_some());
        let problem = match deed {
            _ if full_name.is_empty() => {
                Some(("REQUIRED_FIELD_MISSING", "Required fields are missing: [FullName]".to_owned()))
            }
            Deed::Create if there => {
                let text = format!("There is already a component of type {kind} named {full_name}");
                Some(("DUPLICATE_DEVELOPER_NAME", text))
            }
            Deed::Update if !there => {
                let text = format!("Entity of type '{kind}' named '{full_name}' cannot be found");
                Some(("INVALID_CROSS_REFERENCE_KEY", text))
            }
            _ => None,
        };
        let problem = problem.map(|(code, text)| (code.to_owned(), text));
        if problem.is_none() {
            let made = deploy::drafts_of(&kind, &full_name, node);
            owners.extend(std::iter::repeat_n(at, made.len()));
            drafts.extend(made);
        }
        written.push(Written { full_name, created: !there, problem });
    }
    if all_or_none && written.iter().any(|one| one.problem.is_some()) {
        written.iter_mut().filter(|one| one.problem.is_none()).for_each(roll_back);
        return written;
    }
    let saved = deploy::save(org, user_id, drafts, all_or_none);
    for ((draft, _), at) in saved.into_iter().zip(owners) {
        if let Some(problem) = draft.problem.filter(|_| written[at].problem.is_none()) {
            written[at].problem = Some((code_of(&problem.text).to_owned(), problem.text));
        }
    }
    if all_or_none && written.iter().any(|one| one.problem.is_some()) {
        written.iter_mut().filter(|one| one.problem.is_none()).for_each(roll_back);
    }
    written
}

fn roll_back(one: &mut Written) {
    let text = "Record rolled back because not all records were valid and the request was using AllOrNone header";
    one.problem = Some(("ALL_OR_NONE_OPERATION_ROLLED_BACK".to_owned(), text.to_owned()));
}

/// The status code that goes with a text.
fn code_of(text: &str) -> &'static str {
    match text {
        text if text.starts_with("Required field is missing") || text.starts_with("Must specify") => {
            "REQUIRED_FIELD_MISSING"
        }
        text if text.starts_with("In field:") || text.starts_with("Entity of type") => "INVALID_CROSS_REFERENCE_KEY",
        text if text.contains("is not a valid value for") => "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
        text if text.contains("referenced elsewhere") => "DEPENDENCY_EXISTS",
        _ => "FIELD_INTEGRITY_EXCEPTION",
    }
}

/// Removes components.
pub fn delete(org: &Org, user_id: &str, kind: &str, names: &[String], all_or_none: bool) -> Vec<Written> {
    let outcomes = deploy::delete(org, user_id, kind, names, all_or_none);
    let mut written: Vec<Written> = names
        .iter()
        .zip(outcomes)
        .map(|(name, problem)| Written {
            full_name: name.clone(),
            created: false,
            problem: problem.map(|text| {
                let code = if text.starts_with("No ") { "INVALID_CROSS_REFERENCE_KEY" } else { code_of(&text) };
                (code.to_owned(), text)
            }),
        })
        .collect();
    if all_or_none && written.iter().any(|one| one.problem.is_some()) {
        written.iter_mut().filter(|one| one.problem.is_none()).for_each(roll_back);
    }
    written
}

/// Gives a component another name. Those with rows or columns of their own keep theirs: renaming them is not emulated.
pub fn rename(org: &Org, user_id: &str, kind: &str, old: &str, new: &str) -> Written {
    let refuse = |code: &str, text: String| Written {
        full_name: new.to_owned(),
        created: false,
        problem: Some((code.to_owned(), text)),
    };
    if matches!(kind, "CustomField" | "CustomObject" | "CustomMetadata" | "PermissionSet" | "Profile" | "RecordType") {
        return refuse("INVALID_OPERATION", format!("renaming components of type {kind} is not emulated"));
    }
    let Some(node) =
        org.read(|tx| component::find(tx, kind, old).and_then(|component| component::node(tx, &component)))
    else {
        return refuse("INVALID_CROSS_REFERENCE_KEY", format!("Entity of type '{kind}' named '{old}' cannot be found"));
    };
    if org.read(|tx| component::find(tx, kind, new).is_some()) {
        return refuse("DUPLICATE_DEVELOPER_NAME", format!("There is already a component of type {kind} named {new}"));
    }
    let saved = deploy::save(org, user_id, deploy::drafts_of(kind, new, node), true);
    if let Some(problem) = saved.into_iter().find_map(|(draft, _)| draft.problem) {
        return refuse(code_of(&problem.text), problem.text);
    }
    deploy::delete(org, user_id, kind, &[old.to_owned()], true);
    Written { full_name: new.to_owned(), created: false, problem: None }
}
