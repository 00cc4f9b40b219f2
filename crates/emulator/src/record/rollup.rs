// SPDX-License-Identifier: Apache-2.0
//! Roll-up summaries: count, sum, minimum and maximum over the live children of a master-detail relationship.
//!
//! A parent's summaries are computed anew whenever one of its children is written, deleted or brought back, and with them
//! the parent's formulas and `SystemModstamp`, but not who modified it last.

mod filter;

use std::collections::BTreeSet;
use std::sync::Arc;

use super::draft::Draft;
use super::plan::Plan;
use super::{audit, formula};
use crate::schema::{FieldType, Object, Schema, SummaryOperation};
use crate::store::{Row, Tx};
use crate::value::Value;

/// A summary of a parent object that rows of a child object feed.
#[derive(Debug)]
pub struct RollUp {
    parent: String,
    field: String,
    /// The child's reference to the parent.
    pub through: String,
    /// Computes the value; takes the parent's Id.
    sql: String,
    /// Whether the value is in the corporate currency and has to be brought into the parent's.
    converts: bool,
}

/// All roll-ups that rows of this object feed.
pub fn fed_by(schema: &Schema, child: &Object) -> Vec<RollUp> {
    let mut found = Vec::new();
    for parent in schema.objects() {
        for field in &parent.fields {
            let Some(summary) = field.summary.as_ref().filter(|summary| summary.child_object == child.name) else {
                continue;
            };
            let summed = summary.summed_field.as_deref();
            if !child.has(&summary.child_field) || summed.is_some_and(|summed| !child.has(summed)) {
                continue;
            }
            let amount =
                summed.and_then(|summed| child.field(summed)).is_some_and(|field| field.kind == FieldType::Currency);
            let converts = amount && child.has("CurrencyIsoCode") && parent.has("CurrencyIsoCode");
            let column = match converts {
                false => format!("\"{}\"", summed.unwrap_or("Id")),
                true => format!("(\"{}\" / {})", summed.unwrap_or("Id"), rate_of(&child.name)),
            };
            let call = match summary.operation {
                SummaryOperation::Count => "count(*)".to_owned(),
                SummaryOperation::Sum => format!("coalesce(sum({column}), 0)"),
                SummaryOperation::Min => format!("min({column})"),
                SummaryOperation::Max => format!("max({column})"),
            };
            let through = &summary.child_field;
            found.push(RollUp {
                parent: parent.name.clone(),
                field: field.name.clone(),
                through: through.clone(),
                converts,
                sql: format!(
                    "SELECT {call} FROM \"{}\" WHERE \"{through}\" = ?1 AND \"IsDeleted\" = 0{}",
                    child.name,
                    filter::condition(child, &summary.filters)
                ),
            });
        }
    }
    found
}

/// A new row has no children yet: counts and sums are 0.
pub fn start(plan: &Plan, draft: &mut Draft) {
    for &at in &plan.summaries {
        let zero = draft.object.fields[at]
            .summary
            .as_ref()
            .is_some_and(|summary| matches!(summary.operation, SummaryOperation::Count | SummaryOperation::Sum));
        draft.values[at] = if zero { Value::Int(0) } else { Value::Null };
    }
}

/// Brings the parents of a written row up to date.
pub fn feed(tx: &Tx<'_>, plan: &Plan, draft: &Draft) {
    for roll_up in &plan.feeds {
        compute(tx, roll_up, draft.get(&roll_up.through));
        if draft.changed(&roll_up.through) && !draft.is_new() {
            compute(tx, roll_up, draft.was(&roll_up.through));
        }
    }
}

/// Brings the parents of a deleted or undeleted row up to date.
pub fn feed_row(tx: &Tx<'_>, row: &Row) {
    let plan = tx.schema.plan(&row.object);
    for roll_up in &plan.feeds {
        compute(tx, roll_up, row.get(&roll_up.through));
    }
}

/// Computes all roll-ups of an object's rows, such as those of a field that was just made, and then their formulas.
pub fn recompute(tx: &Tx<'_>, parent: &Arc<Object>) {
    let children: BTreeSet<&str> =
        parent.fields.iter().filter_map(|field| Some(field.summary.as_ref()?.child_object.as_str())).collect();
    let ids = tx.ids_where(parent, "1 = 1", &[]);
    for child in children.into_iter().filter_map(|child| tx.schema.object(child)) {
        for roll_up in fed_by(&tx.schema, child).into_iter().filter(|roll_up| roll_up.parent == parent.name) {
            ids.iter().for_each(|id| compute(tx, &roll_up, &Value::Text(id.clone())));
        }
    }
    ids.iter().for_each(|id| formula::refresh(tx, parent, id));
}

fn compute(tx: &Tx<'_>, roll_up: &RollUp, parent_id: &Value) {
    let Value::Text(id) = parent_id else { return };
    let Some(parent) = tx.schema.object(&roll_up.parent).cloned() else { return };
    let Some(kind) = parent.field(&roll_up.field).map(|field| field.kind) else { return };
    let mut statement = tx.conn.prepare_cached(&roll_up.sql).expect("the roll-up's columns exist");
    let value =
        statement.query_row([id], |row| Ok(Value::from_sql(row.get_ref(0)?, kind))).expect("the store can be read");
    drop(statement);
    let value = if roll_up.converts { in_currency_of(tx, &parent, id, &roll_up.field, value) } else { value };
    let stamp = Value::Int(audit::second(tx.now));
    let columns = [roll_up.field.as_str(), "SystemModstamp"];
    tx.update_row(&parent, id, &columns, &[&value, &stamp]).expect("a summary fits its column");
    formula::refresh_around(tx, &parent, id, &[&roll_up.field]);
}

/// How many units of a row's currency are one of the corporate currency.
fn rate_of(table: &str) -> String {
    format!(
        "coalesce((SELECT r.\"ConversionRate\" FROM \"CurrencyType\" r WHERE r.\"IsoCode\" = \"{table}\".\"CurrencyIsoCode\"), 1.0)"
    )
}

/// An amount of the corporate currency in the currency of a row, rounded as the field is.
fn in_currency_of(tx: &Tx<'_>, object: &Object, id: &str, field: &str, amount: Value) -> Value {
    let Some(number) = amount.as_num() else { return amount };
    let sql = format!("SELECT {} FROM \"{}\" WHERE \"Id\" = ?1", rate_of(&object.name), object.name);
    let rate =
        tx.conn.prepare_cached(&sql).and_then(|mut statement| statement.query_row([id], |row| row.get::<_, f64>(0)));
    let scale = object.field(field).map_or(2, |field| field.scale);
    let unit = 10f64.powi(scale.cast_signed());
    let rounded = (number * rate.unwrap_or(1.0) * unit).round() / unit;
    if rounded.fract() == 0.0 && rounded.abs() < 1e15 { Value::Int(rounded as i64) } else { Value::Num(rounded) }
}
