// SPDX-License-Identifier: Apache-2.0
//! Components through the Tooling API (`salesforce-api.md` 4.4): rules, flows and fields as rows that can be queried, read with
//! their `Metadata`, and switched on and off by writing it.
//!
//! Emulated: `tooling/query` over one of [`KINDS`] with fields, `EntityDefinition.…`, comparisons, LIKE, IN, AND, OR, NOT, ORDER
//! BY, LIMIT and COUNT(); `tooling/sobjects/T/id` by GET, and by PATCH with `Metadata`, which is the same as `updateMetadata`.
//! Anything else about these types is refused. Standard fields and rules of packages are not among the rows: `definition` has
//! all objects and fields.

mod selection;

use serde_json::{Map, Value, json};

use crate::answer::Answer;
use crate::ctx::Ctx;
use crate::error::ApiError;
use crate::metadata::{self, Component, Node, crud, elements};
use crate::org::Tx;
use crate::rest::Call;
use crate::soql::ast::Query;
use crate::value::date_time_text;

pub(super) use selection::{Asked, json_of as literal};

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
    let rows = all.iter().map(|(component, node)| Value::Object(row(ctx, kind, component, node)));
    let mut rows = asked.rows(rows, query)?;
    rows.truncate(query.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX));
    let paths = asked.selected(query)?;
    let whole = paths.iter().flatten().any(|path| matches!(path[0].as_str(), "FullName" | "Metadata"));
    if whole && rows.len() > 1 {
        let text = format!(
            "When retrieving results with Metadata or FullName fields, the query qualifications must specify no more than one row for \
             retrieval. Result size: {}",
            rows.len()
        );
        return Err(ApiError::malformed_query(text));
    }
    Ok(asked.answer(ctx, &rows, paths.as_deref()))
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
