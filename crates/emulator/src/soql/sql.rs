// SPDX-License-Identifier: Apache-2.0
//! A plan as SQLite's SQL with bound values. No text of a statement ever becomes text of the SQL: names come from the schema, values
//! are bound.
//!
//! SOQL conditions are true or false where SQL's may be unknown. Instead of wrapping each comparison, NOT is pushed down to the
//! comparisons, whose opposites say what an absent value means; so plain comparisons stay as SQLite's indexes know them.

use rusqlite::types::Value as Bound;

use super::ast::Operator;
use super::date;
use super::plan::{Expr, Function, Kind, Money, Node, Plan, RateDay, Test};
use crate::schema::{Field, FieldType};
use crate::value::Value;

/// Which rows of a plan are wanted.
#[derive(Clone, Copy, Debug)]
pub enum Rows<'a> {
    /// What the statement says.
    Matching,
    /// The first so many of what the statement says.
    First(u64),
    /// These Ids, in any order, whatever the statement's conditions say by now.
    Ids(&'a [String]),
    /// What the statement says, below this parent by this reference.
    Below(&'a Field, &'a str),
}

/// SQL under construction with the values to bind.
#[derive(Default)]
pub struct Sql {
    pub text: String,
    pub bound: Vec<Bound>,
    plans: usize,
}

/// The statement that reads all columns of a plan.
pub fn select(plan: &Plan, rows: Rows<'_>) -> Sql {
    let mut sql = Sql::default();
    if let [Expr::Aggregate { function: Function::Count, of }] = &plan.columns[..]
        && of.as_ref().is_none_or(|of| is_field(of, "Id"))
        && let Some(count) = count_of_all(plan)
    {
        sql.push(&count);
        return sql;
    }
    let tag = sql.tag();
    sql.push("SELECT ");
    for (place, column) in plan.columns.iter().enumerate() {
        sql.separate(place, ", ");
        sql.expr(tag, column);
    }
    sql.body(tag, plan, rows);
    sql.order_and_limit(tag, plan, rows);
    sql
}

/// The statement that reads the Ids of a plan's rows, in order.
pub fn ids(plan: &Plan) -> Sql {
    let mut sql = Sql::default();
    let tag = sql.tag();
    sql.push(&format!("SELECT q{tag}_0.\"Id\""));
    sql.body(tag, plan, Rows::Matching);
    sql.order_and_limit(tag, plan, Rows::Matching);
    sql
}

/// The statement that counts a plan's rows or groups, within its limit.
pub fn total(plan: &Plan) -> Sql {
    let mut sql = Sql::default();
    if plan.kind == Kind::Count
        && let Some(count) = count_of_all(plan)
    {
        sql.push(&count);
        return sql;
    }
    let tag = sql.tag();
    sql.push("SELECT COUNT(*) FROM (SELECT 1");
    if plan.group.is_empty() && plan.kind == Kind::Aggregate {
        // An aggregate over everything is one row, also over nothing.
        sql.push(", COUNT(*)");
    }
    sql.body(tag, plan, Rows::Matching);
    sql.limit(plan, None);
    sql.push(")");
    sql
}

fn is_field(expr: &Expr, name: &str) -> bool {
    matches!(expr, Expr::Field { node: 0, field } if field.name == name)
}

/// How many rows an object has, or how many of them are not deleted, where that is all that is asked: SQLite counts a whole table, and
/// the few rows of an index, without looking at each row.
fn count_of_all(plan: &Plan) -> Option<String> {
    let alone = plan.nodes.len() == 1 && plan.nodes[0].sight.is_none() && plan.owner.is_none();
    let whole = plan.group.is_empty() && plan.having.is_none() && plan.limit.is_none() && plan.offset.is_none();
    let live = match &plan.filter {
        None => !plan.all,
        Some(Test::Compare { left, operator: Operator::Equal, right: Value::Bool(false) })
            if is_field(left, "IsDeleted") =>
        {
            true
        }
        Some(_) => return None,
    };
    let archives = !plan.all && plan.object.has("IsArchived");
    if !alone || !whole || archives || !plan.object.has("IsDeleted") {
        return None;
    }
    let table = &plan.object.name;
    let deleted =
        if live { format!(" - (SELECT COUNT(*) FROM \"{table}\" WHERE \"IsDeleted\" = 1)") } else { String::new() };
    Some(format!("SELECT (SELECT COUNT(*) FROM \"{table}\"){deleted}"))
}

impl Sql {
    fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn separate(&mut self, place: usize, separator: &str) {
        if place > 0 {
            self.push(separator);
        }
    }

    fn bind(&mut self, value: impl Into<Bound>) {
        self.text.push('?');
        self.bound.push(value.into());
    }

    fn tag(&mut self) -> usize {
        self.plans += 1;
        self.plans - 1
    }

    /// FROM to HAVING.
    fn body(&mut self, tag: usize, plan: &Plan, rows: Rows<'_>) {
        for (node, at) in plan.nodes.iter().enumerate().map(|(at, node)| (node, at)) {
            let table = &node.object.name;
            match &node.via {
                None => self.push(&format!(" FROM \"{table}\" AS q{tag}_{at}")),
                Some((below, reference)) => {
                    self.push(&format!(
                        " LEFT JOIN \"{table}\" AS q{tag}_{at} ON q{tag}_{at}.\"Id\" = q{tag}_{below}.\"{}\"",
                        reference.name
                    ));
                    self.sight(tag, at, node);
                }
            }
        }
        self.push(" WHERE 1");
        match rows {
            Rows::Matching | Rows::First(_) => {}
            Rows::Ids(ids) => {
                self.push(&format!(" AND q{tag}_0.\"Id\" IN (SELECT value FROM json_each("));
                self.bind(serde_json::Value::from(ids.to_vec()).to_string());
                self.push("))");
            }
            Rows::Below(reference, parent) => {
                self.push(&format!(" AND q{tag}_0.\"{}\" = ", reference.name));
                self.bind(parent.to_owned());
            }
        }
        if !plan.all {
            // Archived activities are seen by queryAll only.
            let archived = matches!(plan.object.name.as_str(), "Task" | "Event");
            for (flag, applies) in [("IsDeleted", true), ("IsArchived", archived)] {
                if applies && plan.object.has(flag) {
                    self.push(&format!(" AND q{tag}_0.\"{flag}\" IS NOT 1"));
                }
            }
        }
        self.sight(tag, 0, &plan.nodes[0]);
        if let Some(owner) = &plan.owner {
            self.push(&format!(" AND q{tag}_0.\"OwnerId\" = "));
            self.bind(owner.clone());
        }
        if let (Some(filter), Rows::Matching | Rows::First(_) | Rows::Below(..)) = (&plan.filter, rows) {
            self.push(" AND ");
            self.test(tag, filter, false);
        }
        for (place, expr) in plan.group.iter().enumerate() {
            self.push(if place == 0 { " GROUP BY " } else { ", " });
            self.expr(tag, expr);
        }
        if let Some(having) = &plan.having {
            self.push(" HAVING ");
            self.test(tag, having, false);
        }
    }

    /// Only rows that are shared with the caller.
    fn sight(&mut self, tag: usize, at: usize, node: &Node) {
        if let Some(sight) = &node.sight {
            self.push(&format!(" AND ({})", sight.on(&format!("q{tag}_{at}"))));
            self.bound.extend(sight.bound.iter().cloned());
        }
    }

    /// Rows end in the order of their Ids, so that every order is total and pages fit together.
    fn order_and_limit(&mut self, tag: usize, plan: &Plan, rows: Rows<'_>) {
        if matches!(rows, Rows::Ids(_)) {
            return;
        }
        let by_id = plan.kind == Kind::Rows;
        for (place, sort) in plan.order.iter().enumerate() {
            self.push(if place == 0 { " ORDER BY " } else { ", " });
            self.expr(tag, &sort.by);
            self.push(if sort.descending { " DESC" } else { " ASC" });
            self.push(if sort.nulls_last { " NULLS LAST" } else { " NULLS FIRST" });
        }
        if by_id {
            self.push(if plan.order.is_empty() { " ORDER BY " } else { ", " });
            self.push(&format!("q{tag}_0.\"Id\""));
        }
        let most = if let Rows::First(most) = rows { Some(most) } else { None };
        self.limit(plan, most);
    }

    fn limit(&mut self, plan: &Plan, most: Option<u64>) {
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let limit = plan.limit.into_iter().chain(most).min();
        // Not bound, because SQLite plans by it.
        if limit.is_some() || plan.offset.is_some() {
            self.push(&format!(" LIMIT {}", limit.map_or(-1, number)));
        }
        if let Some(offset) = plan.offset {
            self.push(&format!(" OFFSET {}", number(offset)));
        }
    }

    fn expr(&mut self, tag: usize, expr: &Expr) {
        let column = |node: &usize, name: &str| format!("q{tag}_{node}.\"{name}\"");
        match expr {
            Expr::Field { node, field } => self.push(&column(node, &field.name)),
            Expr::Any { node, reference, targets, model } => {
                let reference = column(node, &reference.name);
                self.push(&format!("(CASE substr({reference}, 1, 3)"));
                for (prefix, object, field) in targets {
                    self.push(" WHEN ");
                    self.bind(prefix.clone());
                    self.push(&format!(" THEN (SELECT \"{field}\" FROM \"{object}\" WHERE \"Id\" = {reference})"));
                }
                self.push(" END)");
                if model.kind.is_text() && !model.case_sensitive {
                    self.push(" COLLATE SF");
                }
            }
            Expr::AnyType { node, reference, names } => {
                self.push(&format!("(CASE substr({}, 1, 3)", column(node, &reference.name)));
                for (prefix, name) in names {
                    self.push(" WHEN ");
                    self.bind(prefix.clone());
                    self.push(" THEN ");
                    self.bind(name.clone());
                }
                self.push(" END) COLLATE SF");
            }
            Expr::Part { function, of } => {
                let mut inner = Sql { plans: self.plans, ..Sql::default() };
                inner.expr(tag, of);
                debug_assert!(inner.bound.is_empty(), "dates are read from fields, which bind nothing");
                let moment = match of.kind() {
                    FieldType::Datetime => format!("{} / 1000.0, 'unixepoch'", inner.text),
                    _ => inner.text,
                };
                self.push(&date::part_sql(function, &moment).expect("checked to be a part of a date"));
            }
            Expr::Distance { node, latitude, longitude, from, miles } => {
                let (latitude, longitude) = (column(node, &latitude.name), column(node, &longitude.name));
                self.push(&format!("soql_distance({latitude}, {longitude}, "));
                self.bind(from.0);
                self.push(", ");
                self.bind(from.1);
                self.push(", ");
                self.bind(i64::from(*miles));
                self.push(")");
            }
            Expr::Converted { node, field, to, day } => {
                let day = day.map(|day| match day {
                    RateDay::Own => column(node, "CloseDate"),
                    RateDay::OfOpportunity => format!(
                        "(SELECT o.\"CloseDate\" FROM \"Opportunity\" o WHERE o.\"Id\" = {})",
                        column(node, "OpportunityId")
                    ),
                });
                let rate = |iso: &str| rate(iso, day.as_deref());
                let (amount, own) = (column(node, &field.name), rate(&column(node, "CurrencyIsoCode")));
                match to {
                    Money::Corporate => self.push(&format!("({amount} / {own})")),
                    Money::OfUser(user) => {
                        self.push(&format!("({amount} / {own} * "));
                        let mut theirs = Sql { plans: self.plans, ..Sql::default() };
                        theirs.expr(tag, &Expr::UserCurrency { user: user.clone() });
                        self.push(&rate(&theirs.text));
                        // The currency is named once more where its dated rate is looked up.
                        if day.is_some() {
                            self.bound.extend(theirs.bound.clone());
                        }
                        self.bound.extend(theirs.bound);
                        self.push(")");
                    }
                    // An amount in the very currency is compared as it is: there and back a digit could be lost.
                    Money::Iso(iso) => {
                        self.push(&format!("(CASE WHEN {} = ", column(node, "CurrencyIsoCode")));
                        self.bind(iso.clone());
                        self.push(&format!(" THEN {amount} ELSE {amount} / {own} * {} END)", rate("?")));
                        let times = if day.is_some() { 2 } else { 1 };
                        self.bound.extend(std::iter::repeat_n(Bound::Text(iso.clone()), times));
                    }
                }
            }
            Expr::UserCurrency { user } => {
                self.push("(SELECT u.\"DefaultCurrencyIsoCode\" FROM \"User\" u WHERE u.\"Id\" = ");
                self.bind(user.clone());
                self.push(")");
            }
            Expr::Masked { node, field, last_four, mask } => {
                self.push(&format!("soql_mask({}, {}, '{mask}')", column(node, &field.name), i32::from(*last_four)));
            }
            Expr::Aggregate { function, of } => {
                self.push(match function {
                    Function::Count => "COUNT(",
                    Function::CountDistinct => "COUNT(DISTINCT ",
                    Function::Sum => "SUM(",
                    Function::Avg => "AVG(",
                    Function::Min => "MIN(",
                    Function::Max => "MAX(",
                });
                match of {
                    Some(of) => self.expr(tag, of),
                    None => self.push("*"),
                }
                self.push(")");
            }
        }
    }

    fn test(&mut self, tag: usize, test: &Test, negated: bool) {
        match test {
            Test::And(all) | Test::Or(all) => {
                let conjunction = matches!(test, Test::And(_)) != negated;
                self.push("(");
                for (place, one) in all.iter().enumerate() {
                    self.separate(place, if conjunction { " AND " } else { " OR " });
                    self.test(tag, one, negated);
                }
                self.push(")");
            }
            Test::Not(one) => self.test(tag, one, !negated),
            Test::Null(expr) => {
                self.expr(tag, expr);
                self.push(if negated { " IS NOT NULL" } else { " IS NULL" });
            }
            Test::Compare { left, operator, right } => self.compare(tag, left, *operator, right, negated),
            Test::Like { left, pattern } => {
                self.push(if negated { "NOT soql_like(" } else { "soql_like(" });
                self.expr(tag, left);
                self.push(", ");
                self.bind(pattern.clone());
                self.push(")");
            }
            Test::In { left, values } => {
                self.opposite(tag, left, negated);
                self.push(if negated { " NOT IN (" } else { " IN (" });
                for (place, value) in values.iter().enumerate() {
                    self.separate(place, ", ");
                    self.bind(bound(value));
                }
                self.push(if negated { "))" } else { ")" });
            }
            Test::InPlan { left, plan } => {
                self.opposite(tag, left, negated);
                self.push(if negated { " NOT IN (" } else { " IN (" });
                let inner = self.tag();
                let column = &plan.columns[plan.written[0].column];
                self.push("SELECT ");
                self.expr(inner, column);
                self.body(inner, plan, Rows::Matching);
                self.push(" AND ");
                self.expr(inner, column);
                self.push(" IS NOT NULL");
                if plan.limit.is_some() || plan.offset.is_some() {
                    self.order_and_limit(inner, plan, Rows::Matching);
                }
                self.push(if negated { "))" } else { ")" });
            }
            Test::Includes { left, combinations } => {
                self.push(if negated { "NOT (" } else { "(" });
                for (place, combination) in combinations.iter().enumerate() {
                    self.separate(place, " OR ");
                    self.push("soql_includes(");
                    self.expr(tag, left);
                    self.push(", ");
                    self.bind(combination.clone());
                    self.push(")");
                }
                self.push(")");
            }
        }
    }

    /// The left side of an IN; its opposite also holds for an absent value, and is closed by one more parenthesis.
    fn opposite(&mut self, tag: usize, left: &Expr, negated: bool) {
        if negated {
            self.push("(");
            self.expr(tag, left);
            self.push(" IS NULL OR ");
        }
        self.expr(tag, left);
    }

    fn compare(&mut self, tag: usize, left: &Expr, operator: Operator, right: &Value, negated: bool) {
        if left.kind() == FieldType::Boolean {
            // The flag of an absent parent counts as false.
            self.push("COALESCE(");
            self.expr(tag, left);
            self.push(if negated { ", 0) <> " } else { ", 0) = " });
            self.bind(bound(right));
            return;
        }
        let sign = match (operator, negated) {
            (Operator::Equal, false) => " = ",
            // `IS NOT` is true for an absent value.
            (Operator::Equal, true) => " IS NOT ",
            (Operator::NotEqual, false) => " IS NOT ",
            (Operator::NotEqual, true) => " = ",
            (Operator::Less, false) | (Operator::GreaterOrEqual, true) => " < ",
            (Operator::LessOrEqual, false) | (Operator::Greater, true) => " <= ",
            (Operator::Greater, false) | (Operator::LessOrEqual, true) => " > ",
            (Operator::GreaterOrEqual, false) | (Operator::Less, true) => " >= ",
        };
        let or_absent = negated && !matches!(operator, Operator::Equal | Operator::NotEqual);
        if or_absent {
            self.push("(");
            self.expr(tag, left);
            self.push(" IS NULL OR ");
        }
        // Without being told, SQLite takes a quarter of the rows to be newer than any stamp, and reads the table in the order of Ids.
        let newest =
            matches!(left, Expr::Field { field, .. } if field.name == "SystemModstamp") && sign.starts_with(" >");
        self.push(if newest { "likelihood(" } else { "" });
        self.expr(tag, left);
        self.push(sign);
        self.bind(bound(right));
        self.push(if newest { ", 0.01)" } else { "" });
        if or_absent {
            self.push(")");
        }
    }
}

fn bound(value: &Value) -> Bound {
    match value {
        Value::Null => Bound::Null,
        Value::Bool(truth) => Bound::Integer(i64::from(*truth)),
        Value::Int(number) => Bound::Integer(*number),
        Value::Num(number) => Bound::Real(*number),
        Value::Text(text) => Bound::Text(text.clone()),
    }
}

/// How many units of a currency are one of the corporate currency, given SQL for its ISO code, and for a day where dated rates
/// count. A day before the first of them has the rate that is not dated.
fn rate(iso: &str, day: Option<&str>) -> String {
    let dated = day.map_or(String::new(), |day| {
        format!(
            "(SELECT d.\"ConversionRate\" FROM \"DatedConversionRate\" d WHERE d.\"IsoCode\" = {iso} AND d.\"StartDate\" <= {day} \
             AND d.\"NextStartDate\" > {day}), "
        )
    });
    format!("coalesce({dated}(SELECT r.\"ConversionRate\" FROM \"CurrencyType\" r WHERE r.\"IsoCode\" = {iso}), 1.0)")
}
