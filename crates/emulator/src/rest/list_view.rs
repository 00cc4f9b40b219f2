// SPDX-License-Identifier: Apache-2.0
//! List views: `/sobjects/T/listviews`, each with its description and its results (REST API Developer Guide, "List View
//! Describe", "List View Results"; answers as recorded by restforce).
//!
//! A view that was deployed is what its `ListView` metadata says, translated into SOQL (`list_view::statement`) and run as the
//! caller. A row of `ListView` without metadata shows the names of all records, and so do the views that every object with
//! an owner comes with: all records and my records. Those two are no rows of `ListView`.
//!
//! A view whose metadata names a column, an operation or a scope that is not known here is listed as not compatible with
//! SOQL, and running it is refused.
//!
//! Guesses: the names of the views that come with an object; labels of the directions of sorting but those of texts,
//! phones and picklists; the texts of refusals.

mod statement;

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::ctx::Ctx;
use crate::error::ApiError;
use crate::id;
use crate::metadata::component;
use crate::metadata::xml::Node;
use crate::org::{Row, Tx};
use crate::rest::{Call, object};
use crate::schema::Object;
use crate::soql::{self, Options, Which};
use crate::value::parse_date_time;

use statement::{Column, Statement};

/// How many views or records are shown when nobody says how many.
const USUAL: usize = 25;
const MOST: usize = 2_000;
/// Above what the numbers of an org's own Ids reach.
const COMES_WITH: u64 = 900_000_000;

/// A view before it is translated.
struct View {
    id: String,
    developer_name: String,
    label: String,
    metadata: Node,
}

/// Answers what is asked of an object's list views.
pub fn answer(ctx: &Ctx, tx: &Tx<'_>, call: &Call, name: &str, below: &[&str]) -> Result<Answer, ApiError> {
    let object = object(tx, name)?;
    let views = views(tx, &object);
    let base = format!("{}/sobjects/{}/listviews", ctx.data_path(), object.name);
    let line = |view: &View| {
        let own = format!("{base}/{}", view.id);
        json!({
            "describeUrl": format!("{own}/describe"),
            "developerName": view.developer_name,
            "id": view.id,
            "label": view.label,
            "resultsUrl": format!("{own}/results"),
            "soqlCompatible": statement::of(tx, &object, &view.metadata).is_ok(),
            "url": own,
        })
    };
    let [id, rest @ ..] = below else {
        let (from, most) = (number(call, "offset").unwrap_or(0), number(call, "limit").unwrap_or(USUAL));
        let shown: Vec<Value> = views.iter().skip(from).take(most).map(line).collect();
        let next = (from + most < views.len()).then(|| format!("{base}?limit={most}&offset={}", from + most));
        return Ok(Answer::ok(json!({
            "done": next.is_none(),
            "listviews": shown,
            "nextRecordsUrl": next,
            "size": views.len(),
            "sobjectType": object.name,
        })));
    };
    let id = id::to18(id).ok_or_else(ApiError::not_found)?;
    let view = views.iter().find(|view| view.id == id).ok_or_else(ApiError::not_found)?;
    let translated = || {
        let refused = |text| ApiError::new(400, "INVALID_QUERY_FILTER_OPERATOR", text);
        statement::of(tx, &object, &view.metadata).map_err(refused)
    };
    match rest {
        [] => Ok(Answer::ok(line(view))),
        ["describe"] => Ok(Answer::ok(description(&object, view, &translated()?))),
        ["results"] => results(ctx, tx, call, view, &translated()?),
        _ => Err(ApiError::not_found()),
    }
}

/// What the list view with this Id selects; none where it cannot be run.
pub fn statement_of(tx: &Tx<'_>, id: &str) -> Option<String> {
    let id = id::to18(id)?;
    let row = tx.schema.object("ListView").and_then(|rows| tx.row(rows, &id))?;
    let object = tx.schema.object(row.text("SobjectType"))?.clone();
    let view = views(tx, &object).into_iter().find(|view| view.id == id)?;
    statement::of(tx, &object, &view.metadata).ok().map(|statement| statement.text(&object))
}

fn number(call: &Call, name: &str) -> Option<usize> {
    call.query.get(name).and_then(|text| text.parse().ok())
}

/// The views of an object, by label.
fn views(tx: &Tx<'_>, object: &Object) -> Vec<View> {
    let mut views: Vec<View> = Vec::new();
    for component in component::parts(tx, "CustomObject", &object.name) {
        if let Some(metadata) = component::node(tx, &component).filter(|_| component.kind == "ListView") {
            let developer_name = component.full_name.rsplit('.').next().unwrap_or_default().to_owned();
            views.push(View {
                id: component.id,
                developer_name,
                label: metadata.text_of("label").to_owned(),
                metadata,
            });
        }
    }
    let rows = tx.schema.object("ListView").map(|rows| tx.rows_where(rows, "\"SobjectType\" = ?1", &[&object.name]));
    for row in rows.unwrap_or_default() {
        if !views.iter().any(|view| view.id == row.id()) {
            views.push(of_row(&row));
        }
    }
    if object.layoutable && object.has("OwnerId") && object.name_field().is_some() {
        let stem: String = object.label_plural.split_whitespace().collect();
        for (at, (word, scope)) in [("All", "Everything"), ("My", "Mine")].into_iter().enumerate() {
            let developer_name = format!("{word}{stem}");
            if views.iter().any(|view| view.developer_name == developer_name) {
                continue;
            }
            let place = tx.schema.objects().position(|known| known.name == object.name).unwrap_or_default() as u64;
            views.push(View {
                id: id::make("00B", COMES_WITH + place * 2 + at as u64),
                label: format!("{word} {}", object.label_plural),
                developer_name,
                metadata: of_names(scope),
            });
        }
    }
    views.sort_by(|a, b| (&a.label, &a.id).cmp(&(&b.label, &b.id)));
    views
}

fn of_row(row: &Row) -> View {
    View {
        id: row.id().to_owned(),
        developer_name: row.text("DeveloperName").to_owned(),
        label: row.text("Name").to_owned(),
        metadata: of_names("Everything"),
    }
}

/// The names of records.
fn of_names(scope: &str) -> Node {
    Node::named("ListView").with(Node::leaf("columns", "NAME")).with(Node::leaf("filterScope", scope))
}

fn described(column: &Column, at: usize) -> Value {
    let is_first = at == 0;
    let (ascending, descending) = column.directions();
    json!({
        "ascendingLabel": ascending,
        "descendingLabel": descending,
        "fieldNameOrPath": column.path,
        "hidden": column.hidden,
        "label": column.label,
        "selectListItem": column.select_list_item(),
        "sortDirection": is_first.then_some("ascending"),
        "sortIndex": is_first.then_some(0),
        "sortable": !column.hidden && column.field.sortable,
        "type": column.field.kind.as_str(),
    })
}

fn columns(statement: &Statement) -> Vec<Value> {
    statement.columns.iter().enumerate().map(|(at, column)| described(column, at)).collect()
}

fn description(object: &Object, view: &View, statement: &Statement) -> Value {
    let sort = |path: &str| json!({"fieldNameOrPath": path, "nullsPosition": "first", "sortDirection": "ascending"});
    let order: Vec<Value> = statement.order.iter().map(|path| sort(path)).collect();
    json!({
        "columns": columns(statement),
        "id": short(&view.id),
        "orderBy": order,
        "query": statement.text(object),
        "scope": statement.scope,
        "sobjectType": object.name,
        "whereCondition": statement.condition.as_ref().map(statement::Condition::json),
    })
}

fn results(ctx: &Ctx, tx: &Tx<'_>, call: &Call, view: &View, statement: &Statement) -> Result<Answer, ApiError> {
    let most = number(call, "limit").unwrap_or(USUAL).clamp(1, MOST);
    let from = number(call, "offset").unwrap_or(0);
    let object = statement.object.clone();
    let options = Options { all: false, bulk: false, tooling: false, now: tx.now };
    let text = statement.text(&object);
    let prepared = soql::prepare(&tx.schema, &ctx.caller, &text, options)?;
    let ids = prepared.ids(tx)?;
    let page: Vec<String> = ids.iter().skip(from).take(most).cloned().collect();
    let records = prepared.records(tx, &ctx.version, Which::Ids(&page))?;
    let shown = |record: &Value| {
        let one = |column: &Column| {
            let found = column.path.split('.').fold(record, |at, name| &at[name]);
            json!({"fieldNameOrPath": column.path, "value": plain(found)})
        };
        let columns: Vec<Value> = statement.columns.iter().map(one).collect();
        json!({"columns": columns})
    };
    let records: Vec<Value> = records.iter().map(shown).collect();
    Ok(Answer::ok(json!({
        "columns": columns(statement),
        "developerName": view.developer_name,
        "done": from + records.len() >= ids.len(),
        "id": short(&view.id),
        "label": view.label,
        "records": records,
        "size": records.len(),
    })))
}

/// Ids of views are told with 15 characters, as recorded.
fn short(id: &str) -> &str {
    id.get(..15).unwrap_or(id)
}

/// Values are texts; date-times are written as `Fri Aug 01 21:15:46 GMT 2014`.
fn plain(value: &Value) -> Value {
    match value {
        Value::Null => Value::Null,
        Value::String(text) if text.len() == 28 && text.as_bytes()[10] == b'T' => {
            let moment = parse_date_time(text).and_then(chrono::DateTime::from_timestamp_millis);
            moment.map_or_else(|| value.clone(), |at| at.format("%a %b %d %H:%M:%S GMT %Y").to_string().into())
        }
        Value::String(_) => value.clone(),
        other => other.to_string().into(),
    }
}
