// SPDX-License-Identifier: Apache-2.0
//! Workflow rules and their field updates (`salesforce-api.md` 6.5).
//!
//! After a record is saved, the rules whose time and condition it is are found, by name; then their field updates are made, in
//! that order, and the record is written once more. A field update that is to re-evaluate and changed something lets the rules
//! that have not fired yet be tried again, at most [`MOST_ROUNDS`] times. A field update may go to a parent.
//!
//! Without effect: alerts, tasks, outbound messages, flow actions, and everything that waits for its time.

use std::collections::HashMap;
use std::sync::Arc;

use super::condition::{Condition, read_formula};
use super::validation::absent;
use super::{OfObject, Standing, Verdict, system};
use crate::error::SaveError;
use crate::metadata::{self, Node};
use crate::record::formula::RuleFormula;
use crate::record::{self, Draft, Input};
use crate::schema::{Field, Object, Schema};
use crate::store::{Tx, compare_folded};
use crate::user::Caller;
use crate::value::Value;

/// Salesforce documents that a field update re-evaluates at most five times.
const MOST_ROUNDS: usize = 5;

/// An active rule with field updates.
#[derive(Debug)]
pub struct WorkflowRule {
    trigger: Trigger,
    condition: Condition,
    updates: Vec<FieldUpdate>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trigger {
    Creation,
    CreationOrTriggeringUpdate,
    AllChanges,
}

/// What one field becomes.
#[derive(Clone, Debug)]
pub struct FieldUpdate {
    /// The reference to the parent whose field it is.
    parent: Option<usize>,
    field: Arc<Field>,
    becomes: Becomes,
    reevaluates: bool,
}

#[derive(Clone, Debug)]
enum Becomes {
    Literal(String),
    Formula(RuleFormula),
    Null,
    Next,
    Previous,
    /// Type and name.
    Named(String, String),
}

impl FieldUpdate {
    fn read(schema: &Schema, object: &Arc<Object>, node: &Node) -> Result<FieldUpdate, Verdict> {
        let parent = match node.text_of("targetObject") {
            "" => None,
            name => Some(object.position(name).ok_or_else(|| absent(name))?),
        };
        let of = match parent {
            None => object.clone(),
            Some(at) => {
                let target = object.fields[at].reference_to.first().and_then(|name| schema.object(name));
                target.cloned().ok_or_else(|| absent(&object.fields[at].name))?
            }
        };
        let name = node.text_of("field");
        let field = of.field(name).cloned().ok_or_else(|| absent(name))?;
        let becomes = match node.text_of("operation") {
            "Literal" => Becomes::Literal(node.text_of("literalValue").to_owned()),
            "Formula" => Becomes::Formula(read_formula(schema, object, node.text_of("formula"))?),
            "Null" => Becomes::Null,
            "NextValue" => Becomes::Next,
            "PreviousValue" => Becomes::Previous,
            "LookupValue" => {
                Becomes::Named(node.text_of("lookupValueType").to_owned(), node.text_of("lookupValue").to_owned())
            }
            other => return Err(Verdict::Dormant(format!("the operation {other} is not emulated"))),
        };
        Ok(FieldUpdate { parent, field, becomes, reevaluates: node.is_true("reevaluateOnChange") })
    }

    fn value(&self, tx: &Tx<'_>, caller: &Caller, draft: &Draft, current: &Value) -> Result<Value, SaveError> {
        let neighbour = |step: isize| {
            let active: Vec<&str> =
                self.field.picklist.iter().filter(|one| one.active).map(|one| one.value.as_str()).collect();
            let here = active.iter().position(|value| Some(*value) == current.as_str());
            let there = here.and_then(|at| at.checked_add_signed(step)).and_then(|at| active.get(at));
            there.map_or_else(|| current.clone(), |value| Value::from(*value))
        };
        match &self.becomes {
            Becomes::Literal(text) => record::value_of(&self.field, Input::Text(text.clone())),
            Becomes::Formula(formula) => Ok(formula.value(tx, caller, draft, &self.field)),
            Becomes::Null => Ok(Value::Null),
            Becomes::Next => Ok(neighbour(1)),
            Becomes::Previous => Ok(neighbour(-1)),
            Becomes::Named(kind, name) => {
                Ok(named(tx, &draft.object, kind, name).map_or_else(|| current.clone(), Value::Text))
            }
        }
    }
}

/// The Id of a user, queue, record type or other row by the name that metadata has for it.
pub fn named(tx: &Tx<'_>, object: &Object, kind: &str, name: &str) -> Option<String> {
    let (table, condition) = match kind {
        "User" => ("User", "\"Username\" = ?1"),
        "Queue" => ("Group", "\"Type\" = 'Queue' AND \"DeveloperName\" = ?1"),
        "RecordType" => {
            let own = name.rsplit('.').next().unwrap_or(name);
            return object
                .record_types
                .iter()
                .find(|one| compare_folded(&one.developer_name, own).is_eq())
                .map(|one| one.id.clone());
        }
        _ => return None,
    };
    tx.ids_where(tx.schema.object(table)?, condition, &[&name]).into_iter().next()
}

/// Judges a rule or a field update by its full name.
pub fn judge(schema: &Schema, kind: &str, full_name: &str, node: &Node) -> Verdict {
    let object = full_name.split_once('.').and_then(|(object, _)| schema.object(object));
    let Some(object) = object else { return Verdict::Dormant("its object is not there".to_owned()) };
    let read = match kind {
        "WorkflowFieldUpdate" => FieldUpdate::read(schema, object, node).map(drop),
        _ => Condition::of_rule(schema, object, node).map(drop),
    };
    match read {
        Err(verdict) => verdict,
        Ok(()) if kind == "WorkflowRule" && node.all("actions").all(|one| one.text_of("type") != "FieldUpdate") => {
            Verdict::Dormant("of its actions only field updates are emulated".to_owned())
        }
        Ok(()) => Verdict::Works,
    }
}

/// Reads the deployed rules with their field updates.
pub fn read(tx: &Tx<'_>, objects: &mut HashMap<String, OfObject>, standings: &mut Vec<Standing>) {
    let updates: HashMap<String, Node> = metadata::components_of(tx, "WorkflowFieldUpdate")
        .into_iter()
        .map(|(component, node)| (component.full_name.to_lowercase(), node))
        .collect();
    for (component, node) in metadata::components_of(tx, "WorkflowRule") {
        let active = node.is_true("active");
        let mut verdict = judge(&tx.schema, "WorkflowRule", &component.full_name, &node);
        let container = component.full_name.split('.').next().unwrap_or_default();
        if let (true, Verdict::Works, Some(object)) = (active, &verdict, tx.schema.object(container)) {
            match rule(&tx.schema, object, &node, &updates) {
                Ok(rule) => objects.entry(object.name.clone()).or_default().workflow.push(rule),
                Err(wrong) => verdict = wrong,
            }
        }
        standings.push(Standing::new("WorkflowRule", component.full_name, active, verdict));
    }
}

fn rule(
    schema: &Schema,
    object: &Arc<Object>,
    node: &Node,
    updates: &HashMap<String, Node>,
) -> Result<WorkflowRule, Verdict> {
    let trigger = match node.text_of("triggerType") {
        "onCreateOnly" => Trigger::Creation,
        "onAllChanges" => Trigger::AllChanges,
        _ => Trigger::CreationOrTriggeringUpdate,
    };
    let mut found = Vec::new();
    for action in node.all("actions").filter(|action| action.text_of("type") == "FieldUpdate") {
        let name = format!("{}.{}", object.name, action.text_of("name"));
        let Some(update) = updates.get(&name.to_lowercase()) else {
            return Err(Verdict::Dormant(format!("there is no WorkflowFieldUpdate named {name}")));
        };
        found.push(FieldUpdate::read(schema, object, update)?);
    }
    Ok(WorkflowRule { trigger, condition: Condition::of_rule(schema, object, node)?, updates: found })
}

impl WorkflowRule {
    fn fires(&self, tx: &Tx<'_>, caller: &Caller, draft: &Draft) -> bool {
        let in_time = draft.is_new() || self.trigger != Trigger::Creation;
        let once = self.trigger == Trigger::CreationOrTriggeringUpdate;
        in_time && self.condition.holds(tx, caller, draft) && !(once && self.condition.held(tx, caller, draft))
    }
}

/// Makes the field updates of the rules that fire: the record's own in the draft, those of parents at once. Answers whether any
/// was made of the record itself.
pub fn run(tx: &mut Tx<'_>, caller: &Caller, rules: &[WorkflowRule], draft: &mut Draft) -> Result<bool, SaveError> {
    let mut waiting: Vec<&WorkflowRule> = rules.iter().collect();
    let mut any = false;
    for _ in 0..=MOST_ROUNDS {
        let (fired, rest): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|rule| rule.fires(tx, caller, draft));
        waiting = rest;
        let mut again = false;
        for update in fired.iter().flat_map(|rule| &rule.updates) {
            match update.parent {
                Some(at) => update_parent(tx, caller, draft, at, update)?,
                None => {
                    let Some(at) = draft.object.position(&update.field.name) else { continue };
                    let value = update.value(tx, caller, draft, &draft.values[at])?;
                    let changed = draft.values[at] != value;
                    draft.values[at] = value;
                    any |= changed;
                    again |= changed && update.reevaluates;
                }
            }
        }
        if !again || waiting.is_empty() {
            break;
        }
    }
    Ok(any)
}

fn update_parent(
    tx: &mut Tx<'_>,
    caller: &Caller,
    draft: &Draft,
    at: usize,
    update: &FieldUpdate,
) -> Result<(), SaveError> {
    let Some(id) = draft.values[at].as_str() else { return Ok(()) };
    let Some(object) = tx.schema.by_prefix(id).cloned() else { return Ok(()) };
    let Some(row) = tx.row(&object, id) else { return Ok(()) };
    let value = update.value(tx, caller, draft, row.get(&update.field.name))?;
    if *row.get(&update.field.name) == value {
        return Ok(());
    }
    let text = super::condition::plain(&value, update.field.kind);
    let input = if value.is_null() { Input::Null } else { Input::Text(text) };
    record::update(tx, &system(caller), &object, row.id(), vec![(update.field.name.clone(), input)])
}
