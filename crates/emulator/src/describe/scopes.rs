// SPDX-License-Identifier: Apache-2.0
//! `supportedScopes`: what `USING SCOPE` takes for an object, with the labels of list views.
//!
//! Recorded for Account, Case (48.0) and Contact (a newer version); for the others it follows from what an object has: an
//! owner, queues that may own it, teams. The scope of scoping rules came with version 53.

use serde::Serialize;

use super::View;
use crate::schema::Object;

const SCOPING_RULES_SINCE: u32 = 53;

/// One scope.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Scope {
    pub label: String,
    pub name: &'static str,
}

pub(super) fn scopes(view: View<'_>, object: &Object) -> Vec<Scope> {
    if !object.layoutable || object.custom_setting || !object.has("OwnerId") {
        return Vec::new();
    }
    let (name, records) = (object.name.as_str(), object.label_plural.to_lowercase());
    let queues = object.field("OwnerId").is_some_and(|owner| owner.reference_to.iter().any(|target| target == "Group"));
    let scoped =
        object.custom || matches!(name, "Account" | "Case" | "Contact" | "Event" | "Lead" | "Opportunity" | "Task");
    let mut scopes = vec![Scope { label: format!("All {records}"), name: "everything" }];
    let mut add = |applies: bool, label: String, name: &'static str| {
        if applies {
            scopes.push(Scope { label, name });
        }
    };
    add(name == "Case", format!("My case teams {records}"), "genericteam");
    add(true, format!("My {records}"), "mine");
    add(queues, format!("Queue owned {records}"), "queue_owned");
    add(scoped && view.version_number() >= SCOPING_RULES_SINCE, "Filter by scope".into(), "scopingRule");
    add(matches!(name, "Account" | "Contact" | "Opportunity"), format!("My team's {records}"), "team");
    add(name == "Case", format!("My role-based team's {records}"), "team_by_role");
    add(queues, format!("User owned {records}"), "user_owned");
    scopes
}
