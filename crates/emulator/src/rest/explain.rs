// SPDX-License-Identifier: Apache-2.0
//! `/query?explain=`: the plans by which a statement, or the list view of an Id, could be run, the best first (`salesforce-api.md` 2.2).
//!
//! The form and the notes are those of the REST guide; the numbers are the emulator's own: rows are counted, not estimated, an
//! index is what a real org has by default (Id, owner, audit dates, record type, lookups, external ids, unique fields), and the
//! cost of a plan is the share of the object's rows it reads, as if a third of them cost as much as reading all.

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::ctx::Ctx;
use crate::error::ApiError;
use crate::org::Tx;
use crate::rest::{list_view, live_rows};
use crate::schema::{Field, Object};
use crate::soql::ast::{Condition, Operator, Value as Operand};
use crate::soql::{self, Options};

/// A scan costs more than an index that leads to less than this share of the rows.
const SELECTIVE_SHARE: f64 = 0.3;
const INDEXED: [&str; 7] =
    ["Id", "Name", "OwnerId", "CreatedDate", "SystemModstamp", "LastModifiedDate", "RecordTypeId"];

/// The plans of a statement that could be run.
pub fn answer(ctx: &Ctx, tx: &Tx<'_>, statement: &str, options: Options) -> Result<Answer, ApiError> {
    let named = statement.trim();
    let of_view = list_view::statement_of(tx, named);
    if crate::id::valid(named) && of_view.is_none() {
        // What a report selects is not kept.
        return Err(ApiError::new(400, "INVALID_ID", format!("invalid report or list view id: {named}")));
    }
    let statement = of_view.as_deref().unwrap_or(statement);
    let prepared = soql::prepare(&tx.schema, &ctx.caller, statement, options)?;
    let object = prepared.object();
    let query = soql::parse(statement)?;
    let rows = live_rows(tx, object);
    let mut notes = Vec::new();
    let note = |field: &str| {
        json!({
            "description": "Not considering filter for optimization because unindexed",
            "fields": [field],
            "tableEnumOrId": object.name,
        })
    };
    let filtered = filtered(object, query.filter.as_ref());
    let (leading, others): (Vec<&Field>, Vec<&Field>) = filtered.into_iter().partition(|field| is_indexed(field));
    notes.extend(others.iter().map(|field| note(&field.name)));
    if object.has("IsDeleted") {
        notes.push(note("IsDeleted"));
    }
    let plan = |fields: Vec<&str>, kind: &str, cardinality: u64, cost: f64| {
        json!({
            "cardinality": cardinality,
            "fields": fields,
            "leadingOperationType": kind,
            "notes": notes,
            "relativeCost": (cost * 1000.0).round() / 1000.0,
            "sobjectCardinality": rows,
            "sobjectType": object.name,
        })
    };
    let matching = if prepared.is_aggregate() { rows } else { prepared.total(tx)? };
    let mut plans: Vec<(f64, Value)> = Vec::new();
    let scan = 1.0 / (1.0 + SELECTIVE_SHARE);
    plans.push((scan, plan(Vec::new(), "TableScan", matching, scan)));
    if let Some(field) = leading.first() {
        let share = if rows == 0 { 0.0 } else { matching as f64 / rows as f64 };
        let cost = share / SELECTIVE_SHARE;
        plans.push((cost, plan(vec![field.name.as_str()], "Index", matching, cost)));
    }
    plans.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    Ok(Answer::ok(json!({"plans": plans.into_iter().map(|(_, plan)| plan).collect::<Vec<_>>()})))
}

fn is_indexed(field: &Field) -> bool {
    INDEXED.contains(&field.name.as_str()) || field.is_reference() || field.unique || field.external_id
}

/// The object's own fields that every row must satisfy a comparison of.
fn filtered<'a>(object: &'a Object, condition: Option<&Condition>) -> Vec<&'a Field> {
    let own = |value: &Operand| match value {
        Operand::Path(path) => object.field(&path.text()).map(AsRef::as_ref),
        Operand::Call { .. } => None,
    };
    match condition {
        Some(Condition::And(parts)) => parts.iter().flat_map(|part| filtered(object, Some(part))).collect(),
        Some(Condition::Compare { left, operator, .. }) if *operator != Operator::NotEqual => {
            own(left).into_iter().collect()
        }
        Some(Condition::Like { left, .. } | Condition::In { left, negated: false, .. }) => {
            own(left).into_iter().collect()
        }
        Some(Condition::InQuery { left, negated: false, .. }) => own(left).into_iter().collect(),
        _ => Vec::new(),
    }
}
