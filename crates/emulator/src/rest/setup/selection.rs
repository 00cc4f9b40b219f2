// SPDX-License-Identifier: Apache-2.0
//! SOQL over rows that are no rows of the store: components and definitions, as JSON, evaluated one by one.

use std::cmp::Ordering;

use serde_json::{Map, Value, json};

use crate::answer::Answer;
use crate::ctx::Ctx;
use crate::error::ApiError;
use crate::soql::ast::{Condition, Item, Literal, Operator, Query, Value as Selected};

/// What a statement says about rows of one kind.
pub struct Asked<'k> {
    pub kind: &'k str,
    /// A row with all members that rows of the kind have.
    pub model: Value,
}

impl Asked<'_> {
    /// The rows that a statement wants, in its order.
    ///
    /// # Errors
    /// It names what rows of the kind do not have, or says what is not evaluated.
    pub fn rows(&self, all: impl IntoIterator<Item = Value>, query: &Query) -> Result<Vec<Value>, ApiError> {
        let mut rows = Vec::new();
        for row in all {
            if query.filter.as_ref().map_or(Ok(true), |filter| self.holds(&row, filter))? {
                rows.push(row);
            }
        }
        for order in query.order.iter().rev() {
            let path = self.path(&order.value)?;
            rows.sort_by(|a, b| {
                let by = compare(at(a, &path), at(b, &path));
                if order.descending { by.reverse() } else { by }
            });
        }
        Ok(rows)
    }

    /// What it selects of them: paths, or none for a count.
    ///
    /// # Errors
    /// It names what rows of the kind do not have, or more than fields.
    pub fn selected(&self, query: &Query) -> Result<Option<Vec<Vec<String>>>, ApiError> {
        let mut paths = Vec::new();
        for item in &query.select {
            match item {
                Item::Value { value: Selected::Call { function, arguments }, .. }
                    if function.text.eq_ignore_ascii_case("count") && arguments.is_empty() =>
                {
                    return Ok(None);
                }
                Item::Value { value, .. } => paths.push(self.path(value)?),
                _ => return Err(ApiError::malformed_query("only fields can be selected of components")),
            }
        }
        Ok(Some(paths))
    }

    /// The answer of the Tooling API with these rows.
    pub fn answer(&self, ctx: &Ctx, rows: &[Value], paths: Option<&[Vec<String>]>) -> Answer {
        let Some(paths) = paths else {
            return Answer::ok(json!({"totalSize": rows.len(), "done": true, "records": []}));
        };
        let records: Vec<Value> = rows.iter().map(|row| narrowed(ctx, row, paths)).collect();
        Answer::ok(json!({
            "size": records.len(), "totalSize": records.len(), "done": true, "queryLocator": null,
            "entityTypeName": self.kind, "records": records,
        }))
    }
}

/// What was asked for of a row.
fn narrowed(ctx: &Ctx, row: &Value, paths: &[Vec<String>]) -> Value {
    let mut out = Map::new();
    out.insert("attributes".to_owned(), row["attributes"].clone());
    for path in paths {
        let value = at(row, path).clone();
        match &path[..] {
            [name] => out.insert(name.clone(), value),
            [parent, name, ..] => {
                let id = row[format!("{parent}Id")].as_str().unwrap_or_default();
                let url = format!("{}/tooling/sobjects/{parent}/{id}", ctx.data_path());
                let fresh = json!({"attributes": {"type": parent, "url": url}});
                let inner = out.entry(parent.clone()).or_insert(fresh);
                inner[name] = value;
                None
            }
            [] => None,
        };
    }
    Value::Object(out)
}

fn at<'v>(row: &'v Value, path: &[String]) -> &'v Value {
    path.iter().fold(row, |value, name| &value[name])
}

fn compare(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::String(a), Value::String(b)) => crate::store::compare_folded(a, b),
        (Value::Number(a), Value::Number(b)) => a.as_f64().partial_cmp(&b.as_f64()).unwrap_or(Ordering::Equal),
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Null, Value::Null) => Ordering::Equal,
        (Value::Null, _) => Ordering::Less,
        (_, Value::Null) => Ordering::Greater,
        _ => a.to_string().cmp(&b.to_string()),
    }
}

impl Asked<'_> {
    /// The members that a path leads through, as rows spell them.
    fn path(&self, value: &Selected) -> Result<Vec<String>, ApiError> {
        let Selected::Path(path) = value else {
            return Err(ApiError::malformed_query("functions of fields of components are not emulated"));
        };
        let mut here = &self.model;
        let mut found = Vec::new();
        for word in &path.0 {
            let members = here.as_object().into_iter().flatten();
            let Some((name, below)) = members.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(&word.text))
            else {
                let text = format!(
                    "No such column '{}' on entity '{}'. If you are attempting to use a custom field, be sure to append the '__c' after \
                     the custom field name. Please reference your WSDL or the describe call for the appropriate names.",
                    path.text(),
                    self.kind
                );
                return Err(ApiError::invalid_field(text));
            };
            found.push(name.clone());
            here = below;
        }
        Ok(found)
    }

    fn holds(&self, row: &Value, condition: &Condition) -> Result<bool, ApiError> {
        let equals = |left: &Selected, literal: &Literal| -> Result<Option<Ordering>, ApiError> {
            let path = self.path(left)?;
            let value = at(row, &path);
            let literal = json_of(literal)
                .ok_or_else(|| ApiError::malformed_query("this literal is not emulated for components"))?;
            let both_ids = path.last().is_some_and(|name| name.ends_with("Id"));
            let literal = match literal.as_str().and_then(crate::id::to18).filter(|_| both_ids) {
                Some(id) => Value::from(id),
                None => literal,
            };
            let unknown = value.is_null() != literal.is_null();
            Ok((!unknown).then(|| compare(value, &literal)))
        };
        Ok(match condition {
            Condition::And(all) => {
                all.iter().try_fold(true, |is, one| Ok::<_, ApiError>(is && self.holds(row, one)?))?
            }
            Condition::Or(all) => {
                all.iter().try_fold(false, |is, one| Ok::<_, ApiError>(is || self.holds(row, one)?))?
            }
            Condition::Not(one) => !self.holds(row, one)?,
            Condition::Compare { left, operator, right, .. } => {
                let order = equals(left, right)?;
                match operator {
                    Operator::Equal => order == Some(Ordering::Equal),
                    Operator::NotEqual => order != Some(Ordering::Equal),
                    Operator::Less => order == Some(Ordering::Less),
                    Operator::LessOrEqual => order.is_some_and(Ordering::is_le),
                    Operator::Greater => order == Some(Ordering::Greater),
                    Operator::GreaterOrEqual => order.is_some_and(Ordering::is_ge),
                }
            }
            Condition::In { left, negated, list } => {
                let mut any = false;
                for (literal, _) in list {
                    any |= equals(left, literal)? == Some(Ordering::Equal);
                }
                any != *negated
            }
            Condition::Like { left, pattern, .. } => {
                let path = self.path(left)?;
                let Literal::Text(pattern) = pattern else { return Ok(false) };
                let parts: Vec<String> = pattern.text.to_lowercase().split('%').map(str::to_owned).collect();
                at(row, &path).as_str().is_some_and(|value| like(&value.to_lowercase(), &parts))
            }
            Condition::InQuery { .. } | Condition::Includes { .. } => {
                return Err(ApiError::malformed_query("this condition is not emulated for components"));
            }
        })
    }
}

/// Whether a text has these parts in their order, with anything between them.
fn like(text: &str, parts: &[String]) -> bool {
    let [first, middle @ .., last] = parts else { return parts.first().is_some_and(|whole| whole == text) };
    let Some(mut rest) = text.strip_prefix(first.as_str()) else { return false };
    for part in middle {
        let Some((_, behind)) = rest.split_once(part.as_str()) else { return false };
        rest = behind;
    }
    rest.ends_with(last.as_str())
}

/// A literal as JSON; none for moments and the like.
pub fn json_of(literal: &Literal) -> Option<Value> {
    Some(match literal {
        Literal::Null => Value::Null,
        Literal::Bool(on) => Value::Bool(*on),
        Literal::Text(text) => Value::from(text.text.as_str()),
        Literal::Number(number) => serde_json::from_str(number).ok()?,
        Literal::Moment(_) | Literal::Relative(..) | Literal::Currency(_) => return None,
    })
}
