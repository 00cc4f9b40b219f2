// SPDX-License-Identifier: Apache-2.0
//! Assignment rules of cases and leads (`salesforce-api.md` 2.1, 6.5): the first entry whose criteria hold names the owner.
//!
//! They run where the call asks for them: REST unless `Sforce-Auto-Assign` says FALSE, SOAP with an `AssignmentRuleHeader`, Bulk
//! with an `assignmentRuleId`; by Id a rule runs that is not the active one. An entry without an assignee leaves the owner. When
//! no entry holds the owner stays too: a real org gives the record to the default owner of its case or lead settings.
//!
//! Without effect: teams, notifications; auto-response and escalation rules as a whole.

use std::collections::HashMap;

use super::condition::Condition;
use super::workflow::named;
use super::{OfObject, Standing, Verdict};
use crate::error::SaveError;
use crate::metadata::{self, Node};
use crate::record::Draft;
use crate::schema::Schema;
use crate::store::Tx;
use crate::user::Caller;
use crate::value::Value;

/// A rule, active or not.
#[derive(Debug)]
pub struct AssignmentRule {
    id: String,
    active: bool,
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    condition: Condition,
    /// Type and name of the new owner.
    owner: Option<(String, String)>,
}

/// Judges `Case.Rule`.
pub fn judge(schema: &Schema, full_name: &str, node: &Node) -> Verdict {
    entries(schema, full_name, node).map_or_else(|verdict| verdict, |_| Verdict::Works)
}

fn entries(schema: &Schema, full_name: &str, node: &Node) -> Result<Vec<Entry>, Verdict> {
    let object = full_name.split_once('.').and_then(|(object, _)| schema.object(object));
    let object = object.ok_or_else(|| Verdict::Dormant("its object is not there".to_owned()))?;
    let entry = |entry: &Node| {
        let owner = Some(entry.text_of("assignedTo")).filter(|name| !name.is_empty());
        Ok(Entry {
            condition: Condition::of_rule(schema, object, entry)?,
            owner: owner.map(|name| (entry.text_of("assignedToType").to_owned(), name.to_owned())),
        })
    };
    node.all("ruleEntry").map(entry).collect()
}

/// Reads the deployed rules.
pub fn read(tx: &Tx<'_>, objects: &mut HashMap<String, OfObject>, standings: &mut Vec<Standing>) {
    for (component, node) in metadata::components_of(tx, "AssignmentRule") {
        let active = node.is_true("active");
        let object = component.full_name.split_once('.').and_then(|(object, _)| tx.schema.object(object));
        let verdict = match (entries(&tx.schema, &component.full_name, &node), object) {
            (Ok(entries), Some(object)) => {
                let rule = AssignmentRule { id: component.id.clone(), active, entries };
                objects.entry(object.name.clone()).or_default().assignment.push(rule);
                Verdict::Works
            }
            (Err(verdict), _) => verdict,
            (Ok(_), None) => Verdict::Dormant("its object is not there".to_owned()),
        };
        standings.push(Standing::new("AssignmentRule", component.full_name, active, verdict));
    }
}

/// Gives the draft the owner that the rules say. False when they say none, or the one it has.
///
/// # Errors
/// `INVALID_CROSS_REFERENCE_KEY` for a rule that is not there; that code is a guess.
pub fn assign(tx: &Tx<'_>, caller: &Caller, rules: &[AssignmentRule], draft: &mut Draft) -> Result<bool, SaveError> {
    if !caller.auto_assign || rules.is_empty() {
        return Ok(false);
    }
    let rule = match &caller.assignment_rule {
        None => rules.iter().find(|rule| rule.active),
        Some(id) => {
            let id = crate::id::to18(id).unwrap_or_else(|| id.clone());
            let found = rules.iter().find(|rule| rule.id == id);
            Some(found.ok_or_else(|| SaveError::invalid_cross_reference(&[]))?)
        }
    };
    let entry = rule.and_then(|rule| rule.entries.iter().find(|entry| entry.condition.holds(tx, caller, draft)));
    let Some((kind, name)) = entry.and_then(|entry| entry.owner.as_ref()) else { return Ok(false) };
    let (Some(at), Some(owner)) = (draft.object.position("OwnerId"), named(tx, &draft.object, kind, name)) else {
        return Ok(false);
    };
    let owner = Value::Text(owner);
    let changed = draft.values[at] != owner;
    draft.values[at] = owner;
    Ok(changed)
}
