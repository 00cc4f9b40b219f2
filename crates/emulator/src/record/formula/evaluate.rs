// SPDX-License-Identifier: Apache-2.0
//! From an expression and a row to a value.

use std::sync::Arc;

use super::parse::{Expression, Operator};
use super::{functions, global};
use crate::schema::{Field, FieldType, Object, Schema};
use crate::store::Tx;
use crate::user::Caller;
use crate::value::{self, Value};

/// The row a formula is computed for.
pub struct Place<'a> {
    pub tx: &'a Tx<'a>,
    pub object: &'a Arc<Object>,
    pub values: &'a [Value],
    /// What only rules know; none for the formula of a field.
    pub rule: Option<Rule<'a>>,
}

/// What a rule's formula may look at beside the row.
#[derive(Clone, Copy)]
pub struct Rule<'a> {
    pub caller: &'a Caller,
    /// The row before it was changed; none when it is new.
    pub old: Option<&'a [Value]>,
}

/// An intermediate result. Dates are days since 1970, date-times milliseconds.
#[derive(Clone, Debug, PartialEq)]
pub enum Result {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    Date(i64),
    Time(i64),
}

pub const DAY_MS: i64 = 86_400_000;

impl Result {
    pub fn number(&self) -> f64 {
        match self {
            Result::Number(n) => *n,
            Result::Bool(b) => f64::from(u8::from(*b)),
            Result::Date(days) => *days as f64,
            Result::Time(ms) => *ms as f64 / DAY_MS as f64,
            Result::Null | Result::Text(_) => 0.0,
        }
    }

    pub fn text(&self) -> String {
        match self {
            Result::Text(text) => text.clone(),
            Result::Number(n) if n.fract() == 0.0 && n.abs() < 1e15 => format!("{n:.0}"),
            Result::Number(n) => n.to_string(),
            Result::Bool(b) => b.to_string(),
            Result::Date(days) => date_text(*days),
            Result::Time(ms) => {
                let text = value::date_time_text(*ms, "Z");
                format!("{} {}Z", text.get(..10).unwrap_or_default(), text.get(11..19).unwrap_or_default())
            }
            Result::Null => String::new(),
        }
    }

    pub fn is_true(&self) -> bool {
        matches!(self, Result::Bool(true))
    }

    pub fn is_blank(&self) -> bool {
        matches!(self, Result::Null) || matches!(self, Result::Text(text) if text.is_empty())
    }

    /// As the field stores it.
    pub fn into_field(self, field: &Field) -> Value {
        match (field.kind, self) {
            (FieldType::Boolean, result) => Value::Bool(result.is_true()),
            (_, Result::Null) => Value::Null,
            (FieldType::Date, Result::Date(days)) => Value::Text(date_text(days)),
            (FieldType::Date, Result::Time(ms)) => Value::Text(date_text(ms.div_euclid(DAY_MS))),
            (FieldType::Datetime, Result::Time(ms)) => Value::Int(ms.div_euclid(1000) * 1000),
            (FieldType::Reference, result) => crate::id::to18(&result.text()).map_or(Value::Null, Value::Text),
            (kind, result) if kind.is_number() => number(result.number(), field.scale),
            (kind, result) if kind.is_text() => {
                let text: String = result.text().chars().take(field.length.max(1) as usize).collect();
                if text.is_empty() { Value::Null } else { Value::Text(text) }
            }
            _ => Value::Null,
        }
    }
}

fn number(n: f64, scale: u32) -> Value {
    if !n.is_finite() {
        return Value::Null;
    }
    let rounded = format!("{n:.*}", scale as usize).parse::<f64>().unwrap_or(n);
    if rounded.fract() == 0.0 && rounded.abs() < 1e15 { Value::Int(rounded as i64) } else { Value::Num(rounded) }
}

pub fn date_text(days: i64) -> String {
    value::date_time_text(days.saturating_mul(DAY_MS), "").get(..10).unwrap_or_default().to_owned()
}

fn from_value(value: &Value, kind: FieldType) -> Result {
    match (kind, value) {
        (FieldType::Boolean, Value::Null) => Result::Bool(false),
        (_, Value::Null) => empty(kind),
        (FieldType::Boolean, value) => Result::Bool(value.is_true()),
        (FieldType::Datetime, Value::Int(ms)) => Result::Time(*ms),
        (FieldType::Date, Value::Text(text)) => {
            value::parse_date_time(text).map_or(Result::Null, |ms| Result::Date(ms.div_euclid(DAY_MS)))
        }
        (_, Value::Int(n)) => Result::Number(*n as f64),
        (_, Value::Num(n)) => Result::Number(*n),
        (_, Value::Bool(b)) => Result::Bool(*b),
        (_, Value::Text(text)) => Result::Text(text.clone()),
    }
}

/// Texts are empty, but never null.
fn empty(kind: FieldType) -> Result {
    if kind.is_text() { Result::Text(String::new()) } else { Result::Null }
}

/// Computes an expression. A path that leads nowhere is null.
pub fn evaluate(expression: &Expression, place: &Place<'_>) -> Result {
    match expression {
        Expression::Null => Result::Null,
        Expression::Bool(b) => Result::Bool(*b),
        Expression::Number(n) => Result::Number(*n),
        Expression::Text(text) => Result::Text(text.clone()),
        Expression::Path(path) => look_up(path, place.tx, place.object, place.values),
        Expression::Global(path) => global::look_up(path, place),
        Expression::Matches(inner, pattern) => Result::Bool(pattern.matches(&evaluate(inner, place).text())),
        Expression::Not(inner) => Result::Bool(!evaluate(inner, place).is_true()),
        Expression::Minus(inner) => Result::Number(-evaluate(inner, place).number()),
        Expression::Operation(operator, left, right) => operate(*operator, left, right, place),
        Expression::Call(name, arguments) => functions::call(name, arguments, place),
    }
}

/// The relationship and, where it may lead to several objects, the one that is meant: `Owner:User`.
fn relationship(step: &str) -> (&str, Option<&str>) {
    step.split_once(':').map_or((step, None), |(name, object)| (name, Some(object)))
}

pub fn look_up(path: &[String], tx: &Tx<'_>, object: &Arc<Object>, values: &[Value]) -> Result {
    let Some((first, rest)) = path.split_first() else { return Result::Null };
    if rest.is_empty() {
        let at = object.position(first);
        return at.map_or(Result::Null, |at| from_value(&values[at], object.fields[at].kind));
    }
    let nowhere =
        || field_at_end(&tx.schema, object, path).map_or(Result::Null, |field| from_value(&Value::Null, field.kind));
    let (name, wanted) = relationship(first);
    let Some(at) = object.relationship(name).and_then(|field| object.position(&field.name)) else {
        return Result::Null;
    };
    let Value::Text(id) = &values[at] else { return nowhere() };
    let Some(parent) = tx.schema.by_prefix(id) else { return nowhere() };
    let meant =
        wanted.is_none_or(|wanted| parent.name.eq_ignore_ascii_case(if wanted == "Queue" { "Group" } else { wanted }));
    match tx.row(parent, id) {
        Some(row) if meant => look_up(rest, tx, &row.object, &row.values),
        _ => nowhere(),
    }
}

/// The field that a path ends at. None where it leads nowhere.
pub fn field_at_end(schema: &Schema, object: &Arc<Object>, path: &[String]) -> Option<Arc<Field>> {
    let (first, rest) = path.split_first()?;
    if rest.is_empty() {
        return object.field(first).cloned();
    }
    let (name, wanted) = relationship(first);
    let reference = object.relationship(name)?;
    let targets = reference.reference_to.iter().filter(|target| {
        wanted.is_none_or(|wanted| target.eq_ignore_ascii_case(if wanted == "Queue" { "Group" } else { wanted }))
    });
    targets.filter_map(|target| field_at_end(schema, schema.object(target)?, rest)).next()
}

fn operate(operator: Operator, left: &Expression, right: &Expression, place: &Place<'_>) -> Result {
    let a = evaluate(left, place);
    match operator {
        Operator::And => return Result::Bool(a.is_true() && evaluate(right, place).is_true()),
        Operator::Or => return Result::Bool(a.is_true() || evaluate(right, place).is_true()),
        _ => {}
    }
    let b = evaluate(right, place);
    let of_nothing = place.rule.is_some() && !matches!((left, right), (Expression::Null, _) | (_, Expression::Null));
    if of_nothing && is_unknown(operator, &a, &b) {
        return Result::Null;
    }
    match operator {
        Operator::Equal => Result::Bool(same(&a, &b)),
        Operator::Unequal => Result::Bool(!same(&a, &b)),
        Operator::Less => Result::Bool(a.number() < b.number()),
        Operator::LessOrEqual => Result::Bool(a.number() <= b.number()),
        Operator::Greater => Result::Bool(a.number() > b.number()),
        Operator::GreaterOrEqual => Result::Bool(a.number() >= b.number()),
        Operator::Join => Result::Text(a.text() + &b.text()),
        Operator::Add => add(&a, &b, 1.0),
        Operator::Subtract => add(&a, &b, -1.0),
        Operator::Multiply => Result::Number(a.number() * b.number()),
        // Division by zero is an error on the platform, which shows as an empty field.
        Operator::Divide if b.number() == 0.0 => Result::Null,
        Operator::Divide => Result::Number(a.number() / b.number()),
        Operator::Power => Result::Number(a.number().powf(b.number())),
        Operator::And | Operator::Or => Result::Bool(false),
    }
}

/// In rules an empty number or date is neither equal to another, nor unequal, nor less, and what is computed of it is empty.
fn is_unknown(operator: Operator, a: &Result, b: &Result) -> bool {
    let either = |one: &Result, other: &Result| *one == Result::Null && !matches!(other, Result::Text(_));
    match operator {
        Operator::Equal | Operator::Unequal => a != b && (either(a, b) || either(b, a)),
        Operator::Join => false,
        _ => either(a, b) || either(b, a),
    }
}

pub fn same(a: &Result, b: &Result) -> bool {
    match (a, b) {
        _ if a.is_blank() && b.is_blank() => true,
        (Result::Text(a), Result::Text(b)) => a == b,
        (Result::Text(_), _) | (_, Result::Text(_)) => a.text() == b.text(),
        (Result::Null, _) | (_, Result::Null) => false,
        _ => a.number() == b.number(),
    }
}

/// Texts are joined; days are added to dates; the difference of two dates is a number of days.
fn add(a: &Result, b: &Result, sign: f64) -> Result {
    match (a, b) {
        (Result::Text(_), _) | (_, Result::Text(_)) if sign > 0.0 => Result::Text(a.text() + &b.text()),
        (Result::Date(x), Result::Date(y)) => Result::Number((x - y) as f64),
        (Result::Time(x), Result::Time(y)) => Result::Number((x - y) as f64 / DAY_MS as f64),
        (Result::Date(days), other) => Result::Date(days + (sign * other.number()) as i64),
        (Result::Time(ms), other) => Result::Time(ms + (sign * other.number() * DAY_MS as f64) as i64),
        _ => Result::Number(a.number() + sign * b.number()),
    }
}
