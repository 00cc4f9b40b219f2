// SPDX-License-Identifier: Apache-2.0
//! Turns a parsed statement into a plan, or refuses it: names against the schema, flags of fields (filterable, sortable, groupable,
//! aggregatable), rules of aggregates, limits, and what the Bulk API cannot do (`salesforce-api.md` 3.1, 7.1).
//!
//! Objects and fields that are hidden from the caller do not exist, and only rows that are shared with the caller match
//! (`sharing`), in sub-queries and semi-joins too.

mod criteria;
mod expr;
mod select;

use std::sync::Arc;

use super::Options;
use super::ast::{Grouping, Item, Literal, Operator, Order, Query, Value as Named, Word};
use super::names::Names;
use super::plan::{Expr, Kind, Money, Plan, Sort, Test};
use super::refusal;
use crate::error::ApiError;
use crate::schema::{Object, Schema};
use crate::user::Caller;

const MOST_OFFSET: u64 = 2000;
const MOST_FIELDS_LIMIT: u64 = 200;
const MOST_CHILDREN: usize = 20;
const CHILD_LEVELS: usize = 5;

/// Everything a statement is checked against.
#[derive(Clone, Copy)]
pub struct Ground<'a> {
    pub text: &'a str,
    pub schema: &'a Schema,
    pub caller: &'a Caller,
    pub options: Options,
}

/// Where a statement stands: alone, under a parent, or in a condition.
#[derive(Clone, Copy, PartialEq)]
enum Position {
    Top,
    Children { level: usize },
    SemiJoin,
}

/// The plan of a whole statement.
pub fn check(ground: Ground<'_>, query: &Query) -> Result<Plan, ApiError> {
    if ground.options.bulk {
        bulk_form(ground, query)?;
    }
    let word = last_word(query);
    let object = ground.caller.object(ground.schema, &word.text);
    let object = object
        .filter(|_| query.from.path.0.len() == 1)
        .ok_or_else(|| refusal::no_object(ground.text, word.offset, &query.from.path.text()))?;
    if !object.queryable {
        let code = if ground.options.bulk { "INVALIDENTITY" } else { "INVALID_TYPE_FOR_OPERATION" };
        return Err(refusal::plain(code, format!("entity type {} does not support query", object.name)));
    }
    if ground.options.bulk && !object.bulk {
        return Err(refusal::plain(
            "INVALIDENTITY",
            format!("Entity '{}' is not supported by the Bulk API.", object.name),
        ));
    }
    plan(ground, query, object.clone(), Position::Top)
}

fn last_word(query: &Query) -> &Word {
    query.from.path.0.last().expect("a path has at least one word")
}

fn plan(ground: Ground<'_>, query: &Query, object: Arc<Object>, position: Position) -> Result<Plan, ApiError> {
    let mut names = Names::new(ground.text, ground.schema, ground.caller, object.clone(), &query.from);
    for from in &query.aliases {
        names.add_alias(from)?;
    }
    let kind = kind(query)?;
    let mut checker = Checker { ground, names, position, semi_joins: 0 };
    let owner = checker.owner(query, &object)?;
    let group = match &query.group {
        Grouping::None => Vec::new(),
        Grouping::Subtotals(word) => {
            let message = format!("GROUP BY {} is not supported by the emulated org", word.text.to_ascii_uppercase());
            return Err(refusal::at(ground.text, word.offset, "MALFORMED_QUERY", message));
        }
        Grouping::By(values) => values.iter().map(|value| checker.grouped(value)).collect::<Result<_, _>>()?,
    };
    let selected = checker.select(query, kind, &group)?;
    let filter = query.filter.as_ref().map(|condition| checker.test(condition, false)).transpose()?;
    let having = match &query.having {
        Some(_) if kind != Kind::Aggregate => {
            return Err(refusal::plain("MALFORMED_QUERY", "HAVING needs a grouped query"));
        }
        having => having.as_ref().map(|condition| checker.having(condition, &group)).transpose()?,
    };
    let order = query.order.iter().map(|order| checker.sort(order, kind, &group)).collect::<Result<_, _>>()?;
    checker.limits(query)?;
    Ok(Plan {
        object,
        nodes: checker.names.nodes,
        kind,
        columns: selected.columns,
        entries: selected.entries,
        written: selected.written,
        children: selected.children,
        filter,
        group,
        having,
        order,
        limit: query.limit,
        offset: query.offset,
        all: ground.options.all || query.all_rows,
        owner,
    })
}

/// Whether rows, a bare count or groups are asked for.
fn kind(query: &Query) -> Result<Kind, ApiError> {
    let aggregate = |item: &Item| match item {
        Item::Value { value: Named::Call { function, .. }, .. } => expr::aggregate_function(&function.text).is_some(),
        _ => false,
    };
    let bare = |item: &Item| match item {
        Item::Value { value: Named::Call { function, arguments }, .. } => {
            arguments.is_empty() && function.text.eq_ignore_ascii_case("COUNT")
        }
        _ => false,
    };
    if query.select.iter().any(bare) {
        if query.select.len() > 1 || query.group != Grouping::None || !query.order.is_empty() {
            return Err(refusal::plain(
                "MALFORMED_QUERY",
                "COUNT() must be the only element of the SELECT list, without GROUP BY and ORDER BY",
            ));
        }
        return Ok(Kind::Count);
    }
    let grouped = query.group != Grouping::None;
    Ok(if grouped || query.select.iter().any(aggregate) { Kind::Aggregate } else { Kind::Rows })
}

/// What Bulk refuses by the form of the statement alone.
fn bulk_form(ground: Ground<'_>, query: &Query) -> Result<(), ApiError> {
    let refused = |message: &str| Err(refusal::plain("API_ERROR", message));
    if query.group != Grouping::None || query.having.is_some() {
        return refused("GROUP BY not supported in Bulk Query");
    }
    if query.offset.is_some() {
        return refused("OFFSET not supported in Bulk Query");
    }
    if !query.purposes.is_empty() {
        return refused("FOR VIEW, FOR REFERENCE and FOR UPDATE not supported in Bulk Query");
    }
    for item in &query.select {
        match item {
            Item::Children(_) => return refused("Aggregate Relationships not supported in Bulk Query"),
            Item::TypeOf(_) => return refused("TYPEOF not supported in Bulk Query"),
            Item::Fields(_) => return refused("FIELDS function not supported in Bulk Query"),
            Item::Value { value: Named::Call { function, .. }, .. } => {
                let position =
                    refusal::at(ground.text, function.offset, "API_ERROR", "Function not supported in Bulk Query");
                return Err(position);
            }
            Item::Value { .. } => {}
        }
    }
    Ok(())
}

/// Objects that cannot be read as a whole (3.5): one of their fields must be compared with `=` or `IN`.
pub fn needs_filter(caller: &Caller, plan: &Plan, is_met: bool) -> Result<(), ApiError> {
    let Some(needs) = plan.object.needs_filter.as_ref().filter(|_| !is_met) else { return Ok(()) };
    if needs.unless_permission.as_deref().is_some_and(|permission| caller.can(permission)) {
        return Ok(());
    }
    let named = |expr: &Expr| matches!(expr, Expr::Field { node: 0, field } if needs.fields.contains(&field.name));
    fn narrows(test: &Test, named: &dyn Fn(&Expr) -> bool) -> bool {
        match test {
            Test::And(all) => all.iter().any(|test| narrows(test, named)),
            Test::Compare { left, operator: Operator::Equal, .. } | Test::In { left, .. } => named(left),
            _ => false,
        }
    }
    if plan.filter.as_ref().is_some_and(|filter| narrows(filter, &named)) {
        return Ok(());
    }
    Err(refusal::plain(&needs.code, needs.message.clone()))
}

struct Checker<'a> {
    ground: Ground<'a>,
    names: Names<'a>,
    position: Position,
    semi_joins: usize,
}

impl Checker<'_> {
    fn refuse<T>(&self, offset: usize, code: &str, message: impl AsRef<str>) -> Result<T, ApiError> {
        Err(refusal::at(self.ground.text, offset, code, message))
    }

    /// Whose records alone are asked for.
    fn owner(&self, query: &Query, object: &Object) -> Result<Option<String>, ApiError> {
        let mine = match &query.scope {
            None => false,
            Some(scope) if scope.text.eq_ignore_ascii_case("everything") => false,
            Some(scope) if scope.text.eq_ignore_ascii_case("mine") && object.has("OwnerId") => true,
            Some(scope) => {
                let message =
                    format!("The requested filter scope '{}' is not supported for {}", scope.text, object.name);
                return self.refuse(scope.offset, "INVALID_QUERY_SCOPE", message);
            }
        };
        Ok(mine.then(|| self.ground.caller.user_id.clone()))
    }

    fn sort(&mut self, order: &Order, kind: Kind, group: &[Expr]) -> Result<Sort, ApiError> {
        let by = self.expr(&order.value)?;
        let offset = order.value.offset();
        if kind == Kind::Aggregate && !by.is_aggregate() && !group.contains(&by) {
            let message = format!("Ordered field must be grouped or aggregated: {}", self.written(&order.value));
            return self.refuse(offset, "MALFORMED_QUERY", message);
        }
        if kind == Kind::Rows && by.is_aggregate() {
            return self.refuse(offset, "MALFORMED_QUERY", "Only aggregate queries can be ordered by an aggregate");
        }
        if let Expr::Field { field, .. } | Expr::Any { model: field, .. } = &by
            && !field.sortable
        {
            return self.refuse(
                offset,
                "INVALID_FIELD",
                format!("field '{}' can not be sorted in a query call", field.name),
            );
        }
        let by = if kind == Kind::Rows { self.in_money(by, Money::Corporate) } else { by };
        Ok(Sort { by, descending: order.descending, nulls_last: order.nulls_last.unwrap_or(false) })
    }

    fn limits(&self, query: &Query) -> Result<(), ApiError> {
        if query.offset.is_some_and(|offset| offset > MOST_OFFSET) {
            return Err(refusal::plain(
                "NUMBER_OUTSIDE_VALID_RANGE",
                format!("Maximum SOQL offset allowed is {MOST_OFFSET}"),
            ));
        }
        let unbounded =
            |item: &Item| matches!(item, Item::Fields(which) if !which.text.eq_ignore_ascii_case("STANDARD"));
        let limited = query.limit.is_some_and(|limit| limit <= MOST_FIELDS_LIMIT);
        if query.select.iter().any(unbounded) && !limited {
            let message = format!("The SOQL FIELDS function must have a LIMIT of at most {MOST_FIELDS_LIMIT}");
            return Err(refusal::plain("MALFORMED_QUERY", message));
        }
        Ok(())
    }

    /// A value as its text stands in the statement, for messages.
    fn written(&self, value: &Named) -> String {
        match value {
            Named::Path(path) => path.text(),
            Named::Call { function, .. } => function.text.clone(),
        }
    }
}

/// A coordinate or distance.
fn float(literal: &Literal) -> Option<f64> {
    match literal {
        Literal::Number(text) => text.parse().ok(),
        _ => None,
    }
}
