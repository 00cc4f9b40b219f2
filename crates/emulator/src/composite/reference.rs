// SPDX-License-Identifier: Apache-2.0
//! References between the subrequests of a chain: `@{refId.field}` and `@{ref.records[0].Id}` in URLs and bodies
//! (`salesforce-api.md` 2.8).
//!
//! The name before the first dot is a `referenceId`, to the letter; what follows walks the body of that subrequest's
//! answer, members in any case. A text that is nothing but one reference becomes the value itself, with its type;
//! inside other text the value is written out. In a URL it is percent-encoded, because the URL is read afterwards.

use std::collections::HashMap;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};

/// The bodies of the subrequests that succeeded, by reference id.
pub type Bodies = HashMap<String, Value>;

/// A reference that leads nowhere: the expression between the braces, and the reference id in it.
#[derive(Debug, PartialEq, Eq)]
pub struct Dangling {
    pub expression: String,
    pub reference_id: String,
}

impl Dangling {
    /// The text of the `PROCESSING_HALTED` it causes.
    pub fn message(&self) -> String {
        let Dangling { expression, reference_id } = self;
        format!("Invalid reference specified. No value for {expression} found in {reference_id}")
    }
}

/// A URL with every reference replaced.
///
/// # Errors
/// The first reference that leads nowhere.
pub fn in_url(url: &str, bodies: &Bodies) -> Result<String, Dangling> {
    replace(url, bodies, |value| utf8_percent_encode(&plain(value), NON_ALPHANUMERIC).to_string())
}

/// A body with every reference replaced.
///
/// # Errors
/// The first reference that leads nowhere.
pub fn in_body(body: &Value, bodies: &Bodies) -> Result<Value, Dangling> {
    Ok(match body {
        Value::String(text) => match whole(text) {
            Some(expression) => look_up(expression, bodies)?.clone(),
            None => Value::String(replace(text, bodies, plain)?),
        },
        Value::Array(items) => {
            let items: Result<Vec<Value>, Dangling> = items.iter().map(|item| in_body(item, bodies)).collect();
            Value::Array(items?)
        }
        Value::Object(members) => {
            let mut replaced = Map::with_capacity(members.len());
            for (name, value) in members {
                replaced.insert(name.clone(), in_body(value, bodies)?);
            }
            Value::Object(replaced)
        }
        other => other.clone(),
    })
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The expression of a text that is one reference and nothing else.
fn whole(text: &str) -> Option<&str> {
    let expression = text.strip_prefix("@{")?.strip_suffix('}')?;
    (!expression.contains(['{', '}'])).then_some(expression)
}

fn replace(text: &str, bodies: &Bodies, write: impl Fn(&Value) -> String) -> Result<String, Dangling> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("@{") {
        let Some(length) = rest[start..].find('}') else { break };
        out.push_str(&rest[..start]);
        out.push_str(&write(look_up(&rest[start + 2..start + length], bodies)?));
        rest = &rest[start + length + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

fn look_up<'a>(expression: &str, bodies: &'a Bodies) -> Result<&'a Value, Dangling> {
    let end = expression.find(['.', '[']).unwrap_or(expression.len());
    let (reference_id, path) = expression.split_at(end);
    let found = bodies.get(reference_id).and_then(|body| walk(body, path)).filter(|value| !value.is_null());
    found.ok_or_else(|| Dangling { expression: expression.to_owned(), reference_id: reference_id.to_owned() })
}

/// Follows `.member` and `[index]` steps.
fn walk<'a>(mut value: &'a Value, path: &str) -> Option<&'a Value> {
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('[') {
            let (index, after) = after.split_once(']')?;
            value = value.as_array()?.get(index.trim().parse::<usize>().ok()?)?;
            rest = after;
        } else {
            let after = rest.strip_prefix('.')?;
            let end = after.find(['.', '[']).unwrap_or(after.len());
            value = member(value, &after[..end])?;
            rest = &after[end..];
        }
    }
    Some(value)
}

fn member<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    let members = value.as_object()?;
    members.get(name).or_else(|| members.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn bodies() -> Bodies {
        let body = json!({"id": "001A", "records": [{"Id": "003B", "Name": "a&b c", "Amount": 1.5, "Fax": null}]});
        Bodies::from([("ref".to_owned(), body)])
    }

    #[test]
    fn references_are_values_alone_and_text_inside_text() {
        let body =
            json!({"A": "@{ref.id}", "B": ["@{ref.records[0].Amount}", "x @{ref.records[0].Name} y"], "C": "@ref"});
        let wanted = json!({"A": "001A", "B": [1.5, "x a&b c y"], "C": "@ref"});
        assert_eq!(in_body(&body, &bodies()).unwrap(), wanted);
        assert_eq!(in_body(&json!("@{ref.Id}"), &bodies()).unwrap(), json!("001A"), "members in any case");
    }

    #[test]
    fn a_url_keeps_its_shape() {
        let url = in_url("/q?q=SELECT Id FROM A WHERE Name='@{ref.records[0].Name}'", &bodies()).unwrap();
        assert_eq!(url, "/q?q=SELECT Id FROM A WHERE Name='a%26b%20c'");
    }

    #[test]
    fn a_reference_to_nothing_says_so() {
        for expression in ["other.id", "ref.records[1].Id", "ref.records[0].Fax", "Ref.id", "ref[0]"] {
            let dangling = in_url(&format!("/x/@{{{expression}}}"), &bodies()).unwrap_err();
            assert_eq!(dangling.expression, expression);
            assert!(dangling.message().starts_with("Invalid reference specified. No value for "));
        }
    }
}
