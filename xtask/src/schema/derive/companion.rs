// SPDX-License-Identifier: Apache-2.0
//! Which companions an object has in the recorded org: it has those whose names the org lists.

use std::collections::BTreeSet;

use super::Choices;

const KINDS: [&str; 4] = ["History", "Share", "Feed", "ChangeEvent"];
/// These end like companions and are objects in their own right.
const NO_COMPANIONS: [&str; 6] = [
    "ActivityFieldHistory",
    "ActivityHistory",
    "LoginHistory",
    "OpportunityHistory",
    "ProcessInstanceHistory",
    "VerificationHistory",
];
/// A view of record actions that is no history of their fields.
const RECORD_ACTIONS: &str = "RecordActionHistory";

fn name(parent: &str, kind: &str) -> String {
    match (parent, kind) {
        ("Opportunity", "History") => "OpportunityFieldHistory".to_owned(),
        _ => format!("{parent}{kind}"),
    }
}

/// The names of all companions.
pub fn all(known: &BTreeSet<String>) -> BTreeSet<String> {
    let of = |parent: &String| KINDS.map(|kind| name(parent, kind));
    let own = |name: &String| NO_COMPANIONS.contains(&name.as_str()) || name == RECORD_ACTIONS;
    known.iter().flat_map(of).filter(|name| known.contains(name) && !own(name)).collect()
}

/// The kinds of an object's companions in the org, and those of them in the core.
pub fn kinds(parent: &str, companions: &BTreeSet<String>, choices: &Choices) -> (String, String) {
    let chosen = |kind: &str| match kind {
        "History" => parent == "Opportunity" || choices.history.iter().any(|known| known == parent),
        "Share" => choices.share.iter().any(|known| known == parent),
        "Feed" => choices.feed.iter().any(|known| known == parent),
        _ => false,
    };
    let core: Vec<&str> = KINDS.into_iter().filter(|kind| chosen(kind)).collect();
    let all: Vec<&str> =
        KINDS.into_iter().filter(|kind| core.contains(kind) || companions.contains(&name(parent, kind))).collect();
    (all.join(" "), core.join(" "))
}
