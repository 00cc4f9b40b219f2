// SPDX-License-Identifier: Apache-2.0
//! Formula fields: a subset of the formula language, computed when a row is saved.
//!
//! Understood: `+ - * / ^ & = == <> != < <= > >= && ||`, parentheses, texts, numbers, TRUE, FALSE, NULL, fields, fields of
//! parents (`Account__r.Name`), and the functions listed in `functions`. A formula that uses anything else is null on
//! every row. As on the platform, an empty number counts as 0 in arithmetic, and an empty text as empty.
//!
//! A row's formulas are computed anew when the row is saved, when a roll-up of it changes, and when the parent that they look
//! at directly is saved; none of the last two changes its `SystemModstamp`. Not guaranteed: a formula that looks two parents up
//! follows a change there only at the next save, and TODAY() and NOW() stand still between saves.

mod evaluate;
mod functions;
mod parse;

use std::sync::Arc;

pub use parse::Expression;

use super::draft::Draft;
use super::plan::Plan;
use super::rules::OwnerChange;
use crate::schema::{Object, Schema};
use crate::store::Tx;
use crate::value::Value;
use evaluate::Place;

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

/// Objects with formulas that look at this one directly, and through which field.
pub fn looking_at(schema: &Schema, object: &Object) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    for child in &object.children {
        let Some(below) = schema.object(&child.object) else { continue };
        let Some(relationship) = below.field(&child.field).and_then(|field| field.relationship_name.clone()) else {
            continue;
        };
        let looks = |text: &String| {
            let paths = parse::parse(text).map(|expression| expression.paths()).unwrap_or_default();
            paths.iter().any(|path| path.len() > 1 && path[0].eq_ignore_ascii_case(&relationship))
        };
        if below.fields.iter().any(|field| field.formula.as_ref().is_some_and(looks)) {
            found.push((child.object.clone(), child.field.clone()));
        }
    }
    found
}

/// Computes the formulas of a row that is being saved.
pub fn compute(tx: &Tx<'_>, plan: &Plan, draft: &mut Draft) {
    for (at, expression) in &plan.formulas {
        let place = Place { tx, object: &draft.object, values: &draft.values };
        let value = evaluate::evaluate(expression, &place).into_field(&draft.object.fields[*at]);
        draft.values[*at] = value;
    }
}

/// Computes the formulas of a stored row anew.
pub fn refresh(tx: &Tx<'_>, object: &Arc<Object>, id: &str) {
    let plan = tx.schema.plan(object);
    if plan.formulas.is_empty() {
        return;
    }
    let Some(row) = tx.row(object, id) else { return };
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
}

/// Computes the formulas of children that look at a changed row.
pub fn refresh_children(tx: &Tx<'_>, plan: &Plan, id: &str) {
    for (child, field) in &plan.looked_at_by {
        let Some(object) = tx.schema.object(child).cloned() else { continue };
        for below in tx.ids_where(&object, &format!("\"{field}\" = ?1"), &[&id]) {
            refresh(tx, &object, &below);
        }
    }
}
