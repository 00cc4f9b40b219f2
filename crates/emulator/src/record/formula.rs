// SPDX-License-Identifier: Apache-2.0
//! Formulas: a subset of the formula language, for fields, computed when a row is saved, and for rules ([`RuleFormula`]).
//!
//! Understood: `+ - * / ^ & = == <> != < <= > >= && || !`, parentheses, comments, texts, numbers, TRUE, FALSE, NULL, fields,
//! fields of parents (`Account__r.Name`, `Owner:User.Email`), and the functions listed in `functions` and `calendar`. A field
//! whose formula uses anything else is null on every row. As on the platform, an empty number counts as 0 in a field's
//! arithmetic, and an empty text as empty.
//!
//! Rules may also call ISNEW, ISCHANGED, PRIORVALUE, ISCLONE (never true here) and REGEX with a pattern that is written there,
//! and look at `$User`, `$Profile`, `$UserRole`, `$Organization`, `$Permission`, `$Setup`, `$CustomMetadata`, `$Label`,
//! `$RecordType` and `$System` (`global`). What is computed of an empty number or date is empty, and compared with anything
//! but NULL it is neither equal nor unequal, as the documentation of validation rules says; that NOT of this is true is a
//! guess.
//!
//! A row's formulas are computed anew when the row is saved, when a roll-up of it changes, and when a field that they look at
//! changes on a parent at any distance, be it a formula itself; none of the last two changes its `SystemModstamp`. Formulas
//! that call TODAY or NOW are computed anew every midnight (UTC). Not guaranteed: NOW() stands still between midnights.

mod calendar;
mod evaluate;
mod functions;
mod global;
mod parse;
mod pattern;

use std::sync::Arc;

pub use parse::Expression;

use super::draft::Draft;
use super::plan::Plan;
use super::rules::OwnerChange;
use crate::schema::{Field, Object, Schema};
use crate::store::Tx;
use crate::user::Caller;
use crate::value::Value;
use evaluate::{Place, Rule};

/// How far a change is followed from formula to formula.
const MOST_STEPS: usize = 10;

/// The fields that a formula reads, as paths; none when the formula cannot be understood.
pub fn paths(text: &str) -> Option<Vec<Vec<String>>> {
    parse::parse(text).ok().map(|expression| expression.paths())
}

/// What a rule's formula says of a draft (`salesforce-api.md` 6.5): a condition, or the value of a field update.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleFormula(Expression);

impl RuleFormula {
    /// # Errors
    /// What stands there that is outside of the subset.
    pub fn read(text: &str) -> Result<RuleFormula, String> {
        parse::parse_rule(text).map(RuleFormula).map_err(|unknown| unknown.0)
    }

    /// The first field that it reads and that is not there, as written.
    pub fn missing(&self, schema: &Schema, object: &Arc<Object>) -> Option<String> {
        let absent = |path: &Vec<String>| evaluate::field_at_end(schema, object, path).is_none();
        self.0.paths().into_iter().find(absent).map(|path| path.join("."))
    }

    /// Whether it is true of the draft.
    pub fn holds(&self, tx: &Tx<'_>, caller: &Caller, draft: &Draft) -> bool {
        self.result(tx, caller, draft).is_true()
    }

    /// Its value, as this field stores it.
    pub fn value(&self, tx: &Tx<'_>, caller: &Caller, draft: &Draft, field: &Field) -> Value {
        self.result(tx, caller, draft).into_field(field)
    }

    /// Its value as text.
    pub fn text(&self, tx: &Tx<'_>, caller: &Caller, draft: &Draft) -> String {
        self.result(tx, caller, draft).text()
    }

    fn result(&self, tx: &Tx<'_>, caller: &Caller, draft: &Draft) -> evaluate::Result {
        let rule = Rule { caller, old: draft.old.as_deref() };
        let place = Place { tx, object: &draft.object, values: &draft.values, rule: Some(rule) };
        evaluate::evaluate(&self.0, &place)
    }
}

/// The formulas of an object that can be understood, those that others use first.
pub fn in_order(_schema: &Schema, object: &Object) -> Vec<(usize, Arc<Expression>)> {
    let mut waiting: Vec<(usize, Arc<Expression>)> = Vec::new();
    for (at, field) in object.fields.iter().enumerate() {
        if let Some(expression) = field.formula.as_deref().and_then(|text| parse::parse(text).ok()) {
            waiting.push((at, Arc::new(expression)));
        }
    }
    let mut ordered = Vec::new();
    while !waiting.is_empty() {
        let names: Vec<String> = waiting.iter().map(|(at, _)| object.fields[*at].name.to_ascii_lowercase()).collect();
        let ready = waiting.iter().position(|(_, expression)| {
            !expression.paths().iter().any(|path| path.len() == 1 && names.contains(&path[0].to_ascii_lowercase()))
        });
        // Formulas that use each other in a circle cannot be made on the platform; here they are computed as they come.
        ordered.push(waiting.remove(ready.unwrap_or(0)));
    }
    ordered
}

/// A formula that looks at a field of another object, and the way from there to the formula's rows.
#[derive(Debug, PartialEq, Eq)]
pub struct Onlooker {
    /// The field that is looked at.
    field: String,
    /// Object and reference field of each step down, the formula's own object last.
    way: Vec<(String, String)>,
}

/// The formulas, at any distance, that look at this object.
pub fn looking_at(schema: &Schema, object: &Object) -> Vec<Onlooker> {
    let mut found: Vec<Onlooker> = Vec::new();
    for below in schema.objects() {
        for text in below.fields.iter().filter_map(|field| field.formula.as_ref()) {
            let paths = parse::parse(text).map(|expression| expression.paths()).unwrap_or_default();
            for path in paths.iter().filter(|path| path.len() > 1) {
                found.extend(onlooker(schema, below, path, object));
            }
        }
    }
    found.dedup();
    found
}

/// The way back from an object that a path goes through, where the path ends there.
fn onlooker(schema: &Schema, from: &Arc<Object>, path: &[String], object: &Object) -> Option<Onlooker> {
    let (field, steps) = path.split_last()?;
    let mut at = from.clone();
    let mut way = Vec::new();
    for step in steps {
        let reference = at.relationship(step)?.clone();
        way.insert(0, (at.name.clone(), reference.name.clone()));
        let target = match reference.reference_to.iter().find(|name| **name == object.name) {
            Some(name) if way.len() == steps.len() => name,
            _ => reference.reference_to.first()?,
        };
        at = schema.object(target)?.clone();
    }
    let field = at.field(field).filter(|_| at.name == object.name)?;
    Some(Onlooker { field: field.name.clone(), way })
}

/// Computes the formulas of a row that is being saved.
pub fn compute(tx: &Tx<'_>, plan: &Plan, draft: &mut Draft) {
    for (at, expression) in &plan.formulas {
        let place = Place { tx, object: &draft.object, values: &draft.values, rule: None };
        let value = evaluate::evaluate(expression, &place).into_field(&draft.object.fields[*at]);
        draft.values[*at] = value;
    }
}

/// Computes the formulas of a stored row anew, and those that look at the ones that changed.
pub fn refresh(tx: &Tx<'_>, object: &Arc<Object>, id: &str) {
    follow(tx, object, id, &[], 0);
}

/// Computes the formulas of a stored row anew, and those that look at the ones that changed or at these fields of it.
pub fn refresh_around(tx: &Tx<'_>, object: &Arc<Object>, id: &str, changed: &[&str]) {
    follow(tx, object, id, changed, 0);
}

/// Computes the formulas that look at these fields of a row.
pub fn refresh_onlookers(tx: &Tx<'_>, plan: &Plan, id: &str, changed: &[&str]) {
    tell(tx, plan, id, changed, 0);
}

fn follow(tx: &Tx<'_>, object: &Arc<Object>, id: &str, changed: &[&str], depth: usize) {
    let plan = tx.schema.plan(object);
    let mut changed = changed.to_vec();
    if !plan.formulas.is_empty()
        && let Some(row) = tx.row(object, id)
    {
        let mut draft = Draft {
            object: object.clone(),
            id: id.to_owned(),
            given: vec![false; row.values.len()],
            old: Some(row.values.clone()),
            values: row.values,
            blobs: Vec::new(),
            owner_change: OwnerChange::default(),
        };
        compute(tx, &plan, &mut draft);
        let changes = draft.changes();
        let columns: Vec<&str> = changes.iter().map(|&at| object.fields[at].name.as_str()).collect();
        let values: Vec<&Value> = changes.iter().map(|&at| &draft.values[at]).collect();
        tx.update_row(object, id, &columns, &values).expect("a formula fits its column");
        changed.extend(columns);
    }
    tell(tx, &plan, id, &changed, depth);
}

fn tell(tx: &Tx<'_>, plan: &Plan, id: &str, changed: &[&str], depth: usize) {
    if depth >= MOST_STEPS {
        return;
    }
    for onlooker in plan.looked_at_by.iter().filter(|onlooker| changed.contains(&onlooker.field.as_str())) {
        let mut ids = vec![id.to_owned()];
        let mut last = None;
        for (object, field) in &onlooker.way {
            let Some(object) = tx.schema.object(object).cloned() else { return };
            let condition = format!("\"{field}\" = ?1");
            ids = ids.iter().flat_map(|id| tx.ids_where(&object, &condition, &[id])).collect();
            last = Some(object);
        }
        for (object, id) in last.iter().flat_map(|object| ids.iter().map(move |id| (object, id))) {
            follow(tx, object, id, &[], depth + 1);
        }
    }
}

/// Computes the formulas that call TODAY or NOW anew, of all rows: the day has changed.
///
/// # Errors
/// Only what a full disk brings about.
pub(crate) fn refresh_clock(tx: &Tx<'_>) {
    let schema = tx.schema.clone();
    for object in schema.objects() {
        let of_clock = |text: &str| parse::parse(text).is_ok_and(|expression| expression.calls(&["TODAY", "NOW"]));
        if object.fields.iter().any(|field| field.formula.as_deref().is_some_and(of_clock)) {
            for id in tx.ids_where(object, "1 = 1", &[]) {
                refresh(tx, object, &id);
            }
        }
    }
}
