// SPDX-License-Identifier: Apache-2.0
//! Components through the Tooling API (`salesforce-api.md` 4.4): rules, flows and fields as rows that can be queried, read with
//! their `Metadata`, and switched on and off by writing it.
//!
//! Emulated: `tooling/query` over one of [`KINDS`] with fields, `EntityDefinition.…`, comparisons, LIKE, IN, AND, OR, NOT, ORDER
//! BY, LIMIT and COUNT(); `tooling/sobjects/T/id` by GET, and by PATCH with `Metadata`, which is the same as `updateMetadata`.
//! Anything else about these types is refused. Standard fields and rules of packages are not among the rows.

use std::cmp::Ordering;

use serde_json::{Map, Value, json};

use crate::answer::Answer;
use crate::ctx::Ctx;
use crate::error::ApiError;
use crate::metadata::{self, Component, Node, crud, elements};
use crate::org::Tx;
use crate::rest::Call;
use crate::soql::ast::{Condition, Item, Literal, Operator, Query, Value as Selected};
use crate::value::date_time_text;

/// The types whose components are rows here.
const KINDS: [&str; 6] =
    ["CustomField", "Flow", "ValidationRule", "WorkflowFieldUpdate", "WorkflowRule", "AssignmentRule"];

/// Answers what is about such a type; none for everything else.
pub fn route(ctx: &Ctx, call: &Call) -> Option<Result<Answer, ApiError>> {
    let path: Vec<&str> = call.path.iter().map(String::as_str).collect();
    let kind = |name: &str| KINDS.into_iter().find(|known| known.eq_ignore_ascii_case(name));
    let own = |kind: &str| ctx.org.schema().object(kind).is_none();
    match (call.method.as_str(), &path[..]) {
        ("GET", ["tooling", "query"]) => {
            let statement = call.query.get("q")?;
            let query = crate::soql::parse(statement).ok()?;
            let kind = kind(&query.from.path.text()).filter(|kind| own(kind))?;
            Some(allowed(ctx).and_then(|()| ctx.org.read(|tx| select(ctx, tx, kind, &query))))
        }
        ("GET", ["tooling", "sobjects", name, id]) if *id != "describe" => {
            let kind = kind(name).filter(|kind| own(kind))?;
            Some(allowed(ctx).and_then(|()| {
                ctx.org.read(|tx| {
                    let (component, node) = find(tx, kind, id).ok_or_else(ApiError::not_found)?;
                    Ok(Answer::ok(Value::Object(row(ctx, kind, &component, &node))))
                })
            }))
        }
        ("PATCH", ["tooling", "sobjects", name, id]) => {
            let kind = kind(name).filter(|kind| own(kind))?;
            Some(allowed(ctx).and_then(|()| update(ctx, call, kind, id)))
        }
        _ => None,
    }
}

fn allowed(ctx: &Ctx) -> Result<(), ApiError> {
    if metadata::may_use(&ctx.caller) { Ok(()) } else { Err(ApiError::insufficient_access()) }
}

fn find(tx: &Tx<'_>, kind: &str, id: &str) -> Option<(Component, Node)> {
    let id = crate::id::to18(id)?;
    metadata::components_of(tx, kind).into_iter().find(|(component, _)| component.id == id)
}

/// Writes a component's `Metadata`.
fn update(ctx: &Ctx, call: &Call, kind: &str, id: &str) -> Result<Answer, ApiError> {
    let body = call.json()?;
    let given = body.get("Metadata").and_then(Value::as_object);
    let given =
        given.ok_or_else(|| ApiError::new(400, "REQUIRED_FIELD_MISSING", "Required fields are missing: [Metadata]"))?;
    let (component, _) = ctx.org.read(|tx| find(tx, kind, id)).ok_or_else(ApiError::not_found)?;
    let mut node = Node::named(kind);
    children(&mut node, given);
    node.children.retain(|child| child.name != "fullName");
    elements::sort(&mut node, kind);
    node.children.insert(0, Node::leaf("fullName", component.full_name));
    let written = crud::write(&ctx.org, &ctx.caller.user_id, crud::Deed::Update, vec![(kind.to_owned(), node)], true);
    match written.into_iter().find_map(|one| one.problem) {
        Some((code, text)) => Err(ApiError::new(400, &code, text)),
        None => Ok(Answer::empty(204)),
    }
}

/// JSON members as elements; null ones are left out.
fn children(node: &mut Node, members: &Map<String, Value>) {
    for (name, value) in members {
        let all = match value {
            Value::Array(all) => all.iter().collect(),
            one => vec![one],
        };
        for value in all {
            match value {
                Value::Null => {}
                Value::Object(members) => {
                    let mut child = Node::named(name);
                    children(&mut child, members);
                    node.children.push(child);
                }
                Value::String(text) => node.children.push(Node::leaf(name, text.as_str())),
                other => node.children.push(Node::leaf(name, other.to_string())),
            }
        }
    }
}

/// An element as JSON, with everything that its type may have.
fn shown(node: &Node, kind: &str) -> Value {
    let Some(known) = elements::of(kind) else { return Value::from(node.text.as_str()) };
    let mut out = Map::new();
    for element in known.iter().filter(|element| element.name != "fullName") {
        let value = |child: &Node| match element.kind {
            "b" => Value::Bool(child.text.trim() == "true"),
            "i" | "d" => serde_json::from_str(child.text.trim()).unwrap_or(Value::Null),
            kind if child.children.is_empty() && elements::of(kind).is_none() => Value::from(child.text.as_str()),
            kind => shown(child, kind),
        };
        let shown = if element.repeats {
            node.all(element.name).map(value).collect()
        } else {
            node.first(element.name).map_or(Value::Null, value)
        };
        out.insert(element.name.to_owned(), shown);
    }
    Value::Object(out)
}

/// A component as a row.
fn row(ctx: &Ctx, kind: &str, component: &Component, node: &Node) -> Map<String, Value> {
    let (object, own) = component.full_name.split_once('.').unwrap_or(("", &component.full_name));
    let text = |name: &str| Some(node.text_of(name)).filter(|text| !text.is_empty()).map_or(Value::Null, Value::from);
    let url = format!("{}/tooling/sobjects/{kind}/{}", ctx.data_path(), component.id);
    let mut row = Map::new();
    row.insert("attributes".to_owned(), json!({"type": kind, "url": url}));
    let mut put = |name: &str, value: Value| row.insert(name.to_owned(), value);
    put("Id", component.id.as_str().into());
    match kind {
        "ValidationRule" => {
            put("ValidationName", own.into());
            put("Active", node.is_true("active").into());
            put("Description", text("description"));
            put("ErrorDisplayField", text("errorDisplayField"));
            put("ErrorMessage", text("errorMessage"));
            put("EntityDefinitionId", object.into());
        }
        "CustomField" => {
            put("DeveloperName", own.strip_suffix("__c").unwrap_or(own).into());
            put("TableEnumOrId", object.into());
            put("EntityDefinitionId", object.into());
        }
        "Flow" => {
            put("MasterLabel", text("label"));
            put("Status", text("status"));
            put("ProcessType", text("processType"));
            put("Description", text("description"));
            put("VersionNumber", 1.into());
        }
        _ => {
            put("Name", own.into());
            put("TableEnumOrId", object.into());
            put("EntityDefinitionId", object.into());
        }
    }
    if !object.is_empty() {
        put("EntityDefinition", json!({"QualifiedApiName": object, "DeveloperName": object.trim_end_matches("__c")}));
    }
    put("NamespacePrefix", component.namespace().map_or(Value::Null, Value::from));
    put("ManageableState", "unmanaged".into());
    put("CreatedById", component.created_by.as_str().into());
    put("CreatedDate", date_time_text(component.created_ms / 1000 * 1000, "+0000").into());
    put("LastModifiedById", component.modified_by.as_str().into());
    put("LastModifiedDate", date_time_text(component.modified_ms / 1000 * 1000, "+0000").into());
    put("FullName", component.full_name.as_str().into());
    put("Metadata", shown(node, kind));
    row
}

fn select(ctx: &Ctx, tx: &Tx<'_>, kind: &str, query: &Query) -> Result<Answer, ApiError> {
    let all = metadata::components_of(tx, kind);
    let model = row(ctx, kind, &Component { full_name: "X.Y".to_owned(), ..blank(kind) }, &Node::named(kind));
    let asked = Asked { kind, model: Value::Object(model) };
    let mut rows = Vec::new();
    for (component, node) in all {
        let row = Value::Object(row(ctx, kind, &component, &node));
        if query.filter.as_ref().map_or(Ok(true), |filter| asked.holds(&row, filter))? {
            rows.push(row);
        }
    }
    for order in query.order.iter().rev() {
        let path = asked.path(&order.value)?;
        rows.sort_by(|a, b| {
            let by = compare(at(a, &path), at(b, &path));
            if order.descending { by.reverse() } else { by }
        });
    }
    rows.truncate(query.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX));
    let mut paths = Vec::new();
    for item in &query.select {
        match item {
            Item::Value { value: Selected::Call { function, arguments }, .. }
                if function.text.eq_ignore_ascii_case("count") && arguments.is_empty() =>
            {
                return Ok(Answer::ok(json!({"totalSize": rows.len(), "done": true, "records": []})));
            }
            Item::Value { value, .. } => paths.push(asked.path(value)?),
            _ => return Err(ApiError::malformed_query("only fields can be selected of components")),
        }
    }
    let whole = paths.iter().any(|path| matches!(path[0].as_str(), "FullName" | "Metadata"));
    if whole && rows.len() > 1 {
        let text = format!(
            "When retrieving results with Metadata or FullName fields, the query qualifications must specify no more than one row for \
             retrieval. Result size: {}",
            rows.len()
        );
        return Err(ApiError::malformed_query(text));
    }
    let records: Vec<Value> = rows.iter().map(|row| narrowed(ctx, row, &paths)).collect();
    Ok(Answer::ok(json!({
        "size": records.len(), "totalSize": records.len(), "done": true, "queryLocator": null, "entityTypeName": kind,
        "records": records,
    })))
}

fn blank(kind: &str) -> Component {
    Component {
        kind: kind.to_owned(),
        full_name: String::new(),
        container: None,
        id: String::new(),
        file: String::new(),
        created_by: String::new(),
        created_ms: 0,
        modified_by: String::new(),
        modified_ms: 0,
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
                let object = row["EntityDefinitionId"].as_str().unwrap_or_default();
                let url = format!("{}/tooling/sobjects/EntityDefinition/{object}", ctx.data_path());
                let fresh = json!({"attributes": {"type": "EntityDefinition", "url": url}});
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

struct Asked<'k> {
    kind: &'k str,
    /// A row with all members that rows of the type have.
    model: Value,
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

fn json_of(literal: &Literal) -> Option<Value> {
    Some(match literal {
        Literal::Null => Value::Null,
        Literal::Bool(on) => Value::Bool(*on),
        Literal::Text(text) => Value::from(text.text.as_str()),
        Literal::Number(number) => serde_json::from_str(number).ok()?,
        Literal::Moment(_) | Literal::Relative(..) | Literal::Currency(_) => return None,
    })
}
