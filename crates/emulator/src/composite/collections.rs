// SPDX-License-Identifier: Apache-2.0
//! sObject Collections: up to 200 rows created, updated, upserted or deleted, up to 2,000 retrieved
//! (`salesforce-api.md` 2.8).
//!
//! The request as a whole is refused only for what makes it unreadable: not JSON, too many rows, an unknown object or
//! field. Every other refusal is the result of its row. With `allOrNone` one refused row undoes all, and the others say
//! that they were rolled back.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use http::Method;
use serde_json::{Map, Value, json};

use crate::answer::Answer;
use crate::ctx::Ctx;
use crate::error::{ApiError, SaveError};
use crate::id;
use crate::org::Tx;
use crate::record::{self, Fields, Input};
use crate::request::Query;
use crate::rest::fields_of;
use crate::schema::{FieldType, Object};
use crate::soql::{self, Which};
use crate::user::Caller;

use super::{Files, flag, invalid_input, row_errors};

const ROWS_MAX: usize = 200;
const CHUNKS_MAX: usize = 10;
const RETRIEVE_MAX: usize = 2_000;

/// A request below `/composite/sobjects`.
pub struct Call<'a> {
    pub method: Method,
    /// Segments after `sobjects`.
    pub path: &'a [&'a str],
    pub query: &'a Query,
    pub body: Map<String, Value>,
    /// Files of a multipart request.
    pub files: Files,
}

/// Answers a collection request inside a transaction.
///
/// # Errors
/// 400 and 404 as above, 405 for another method.
pub fn answer(ctx: &Ctx, tx: &mut Tx<'_>, mut call: Call<'_>) -> Result<Answer, ApiError> {
    match (call.method.as_str(), call.path) {
        ("POST", []) => {
            let rows = create_rows(tx, &mut call)?;
            let all_or_none = flag(&call.body, "allOrNone");
            Ok(save(tx, rows, all_or_none, |tx, (object, fields)| {
                let id = record::insert(tx, &ctx.caller, &object, fields).map_err(|error| (None, error))?;
                Ok(Done { id, created: None })
            }))
        }
        ("PATCH", []) => {
            let rows = update_rows(tx, &mut call)?;
            let all_or_none = flag(&call.body, "allOrNone");
            Ok(save(tx, rows, all_or_none, |tx, (object, id, fields)| update(tx, &ctx.caller, &object, id, fields)))
        }
        ("PATCH", [object, field]) => {
            let object = crate::rest::object(tx, object)?;
            let rows = upsert_rows(tx, &mut call, &object, field)?;
            let all_or_none = flag(&call.body, "allOrNone");
            let mut matched = HashSet::new();
            Ok(save(tx, rows, all_or_none, |tx, (value, fields)| {
                upsert(tx, &ctx.caller, &object, field, value, fields, &mut matched)
            }))
        }
        ("DELETE", []) => {
            let ids: Vec<String> = list(call.query.get("ids").unwrap_or_default());
            check_count(ids.len(), ROWS_MAX)?;
            let all_or_none = call.query.is_true("allOrNone");
            Ok(save(tx, ids, all_or_none, |tx, id: String| delete(tx, &ctx.caller, &id)))
        }
        ("GET" | "HEAD", [object]) => {
            let ids = list(call.query.get("ids").unwrap_or_default());
            let fields = list(call.query.get("fields").unwrap_or_default());
            retrieve(ctx, tx, object, &ids, &fields)
        }
        ("POST", [object]) => {
            let ids = texts(&call.body, "ids")?;
            let fields = texts(&call.body, "fields")?;
            retrieve(ctx, tx, object, &ids, &fields)
        }
        (method, []) => Err(ApiError::method_not_allowed(method, "DELETE,PATCH,POST")),
        (method, [_]) => Err(ApiError::method_not_allowed(method, "GET,HEAD,POST")),
        (method, [_, _]) => Err(ApiError::method_not_allowed(method, "PATCH")),
        _ => Err(ApiError::not_found()),
    }
}

/// A row that was written.
struct Done {
    id: String,
    /// Whether an upsert created it.
    created: Option<bool>,
}

/// The Id a refused row is known by, and why it was refused.
type Refused = (Option<String>, SaveError);

/// Writes every row in a savepoint of its own, and all of them in one when they succeed or fail together.
fn save<R>(
    tx: &mut Tx<'_>,
    mut rows: Vec<R>,
    all_or_none: bool,
    mut one: impl FnMut(&mut Tx<'_>, R) -> Result<Done, Refused>,
) -> Answer {
    let mut each = |tx: &mut Tx<'_>| -> Vec<Result<Done, Refused>> {
        rows.drain(..).map(|row| tx.savepoint(|tx| one(tx, row))).collect()
    };
    if !all_or_none {
        return Answer::ok(results(each(tx)));
    }
    let outcome = tx.savepoint(|tx| {
        let outcome = each(tx);
        if outcome.iter().all(Result::is_ok) { Ok(outcome) } else { Err(outcome) }
    });
    let outcome = outcome.unwrap_or_else(|undone| undone.into_iter().map(rolled_back).collect());
    Answer::ok(results(outcome))
}

fn rolled_back(row: Result<Done, Refused>) -> Result<Done, Refused> {
    row.and_then(|done| {
        let text = "Record rolled back because not all records were valid and the request was using AllOrNone header";
        Err((Some(done.id), SaveError::new("ALL_OR_NONE_OPERATION_ROLLED_BACK", text, &[])))
    })
}

fn results(outcome: Vec<Result<Done, Refused>>) -> Value {
    let show = |row: Result<Done, Refused>| {
        let mut result = Map::new();
        let (id, error) = match &row {
            Ok(done) => (Some(done.id.as_str()), None),
            Err((id, error)) => (id.as_deref(), Some(error)),
        };
        if let Some(id) = id {
            result.insert("id".to_owned(), json!(id));
        }
        result.insert("success".to_owned(), json!(error.is_none()));
        result.insert("errors".to_owned(), error.map_or_else(|| json!([]), row_errors));
        if let Ok(Done { created: Some(created), .. }) = row {
            result.insert("created".to_owned(), json!(created));
        }
        Value::Object(result)
    };
    outcome.into_iter().map(show).collect()
}

fn update(
    tx: &mut Tx<'_>,
    caller: &Caller,
    object: &Object,
    id: Option<String>,
    fields: Fields,
) -> Result<Done, Refused> {
    let Some(id) = id else {
        return Err((None, SaveError::new("MISSING_ARGUMENT", "Id not specified in an update call", &[])));
    };
    let known = id::to18(&id).unwrap_or_else(|| id.clone());
    match record::update(tx, caller, object, &id, fields) {
        Ok(()) => Ok(Done { id: known, created: None }),
        Err(error) => Err((Some(known), error)),
    }
}

fn upsert(
    tx: &mut Tx<'_>,
    caller: &Caller,
    object: &Object,
    field: &str,
    value: Option<Input>,
    fields: Fields,
    matched: &mut HashSet<String>,
) -> Result<Done, Refused> {
    let by_id = field.eq_ignore_ascii_case("Id");
    let Some(value) = value else {
        if !by_id {
            return Err((None, SaveError::new("MISSING_ARGUMENT", format!("{field} not specified"), &[])));
        }
        let upserted = record::upsert(tx, caller, object, "Id", &Input::Null, fields);
        let (id, created) = upserted.map_err(|error| (None, error))?;
        return Ok(Done { id, created: Some(created) });
    };
    let text = match &value {
        Input::Text(text) | Input::Number(text) => text.clone(),
        other => format!("{other:?}"),
    };
    if !matched.insert(text.to_lowercase()) {
        let message = format!("Duplicate external id specified: {text}");
        return Err((None, SaveError::new("DUPLICATE_VALUE", message, &[field])));
    }
    if by_id {
        return update(tx, caller, object, Some(text), fields).map(|done| Done { created: Some(false), ..done });
    }
    let (id, created) = record::upsert(tx, caller, object, field, &value, fields).map_err(|error| (None, error))?;
    Ok(Done { id, created: Some(created) })
}

fn delete(tx: &mut Tx<'_>, caller: &Caller, id: &str) -> Result<Done, Refused> {
    let known = id::to18(id).ok_or_else(|| (Some(id.to_owned()), SaveError::malformed_id(id, "Id")))?;
    match record::delete(tx, caller, &known) {
        Ok(()) => Ok(Done { id: known, created: None }),
        Err(error) => Err((Some(known), error)),
    }
}

/// The rows of a create, each with its object.
fn create_rows(tx: &Tx<'_>, call: &mut Call<'_>) -> Result<Vec<(Arc<Object>, Fields)>, ApiError> {
    let rows = records(call)?;
    let rows: Result<Vec<_>, ApiError> = rows.into_iter().map(|row| row_of(tx, row, &mut call.files)).collect();
    let rows = rows?;
    check_chunks(rows.iter().map(|(object, _)| object.name.as_str()))?;
    Ok(rows)
}

/// A row to update: its object, its Id, and the rest of it.
type UpdateRow = (Arc<Object>, Option<String>, Fields);

/// The rows of an update.
fn update_rows(tx: &Tx<'_>, call: &mut Call<'_>) -> Result<Vec<UpdateRow>, ApiError> {
    let rows = create_rows(tx, call)?;
    Ok(rows.into_iter().map(|(object, mut fields)| (object, id_text(take(&mut fields, "Id")), fields)).collect())
}

/// The rows of an upsert: the value each is matched by, and the rest of it.
fn upsert_rows(
    tx: &Tx<'_>,
    call: &mut Call<'_>,
    object: &Object,
    field: &str,
) -> Result<Vec<(Option<Input>, Fields)>, ApiError> {
    let usable =
        object.field(field).is_some_and(|field| field.external_id || field.id_lookup || field.kind == FieldType::Id);
    if !usable {
        let text = format!("Provided external ID field does not exist or is not accessible: {field}");
        return Err(ApiError::new(404, "NOT_FOUND", text));
    }
    let mut rows = Vec::new();
    for (kind, mut fields) in create_rows(tx, call)? {
        if kind.name != object.name {
            let (found, wanted) = (&kind.name, &object.name);
            return Err(invalid_input(format!("A record is of type {found}, the request of {wanted}")));
        }
        let value = take(&mut fields, field).filter(|value| !matches!(value, Input::Null));
        let value = value.filter(|value| !matches!(value, Input::Text(text) if text.is_empty()));
        rows.push((value, fields));
    }
    Ok(rows)
}

fn records(call: &mut Call<'_>) -> Result<Vec<Map<String, Value>>, ApiError> {
    let Some(Value::Array(rows)) = call.body.remove("records") else {
        return Err(ApiError::json_parser("The records of the request are missing"));
    };
    check_count(rows.len(), ROWS_MAX)?;
    let object = |row| match row {
        Value::Object(row) => Ok(row),
        _ => Err(ApiError::json_parser("A record of the request is no object")),
    };
    rows.into_iter().map(object).collect()
}

/// The object and the fields of one record. A column that the object lacks refuses the whole request, as it cannot be
/// read as a record of that object.
fn row_of(tx: &Tx<'_>, mut row: Map<String, Value>, files: &mut Files) -> Result<(Arc<Object>, Fields), ApiError> {
    let attributes = match row.remove("attributes") {
        Some(Value::Object(attributes)) => attributes,
        _ => return Err(invalid_input("Object type must be supplied in the attributes of each record")),
    };
    let attribute = |name: &str| attributes.get(name).and_then(Value::as_str);
    let name = attribute("type").unwrap_or_default();
    let object = tx.schema.object(name).cloned();
    let object = object.ok_or_else(|| ApiError::invalid_type(format!("sObject type '{name}' is not supported.")))?;
    for column in row.keys() {
        if !object.has(column) && object.relationship(column).is_none() {
            return Err(ApiError::invalid_field(format!(
                "No such column '{column}' on sobject of type {}",
                object.name
            )));
        }
    }
    let mut fields = fields_of(&object, row)?;
    if let Some(part) = attribute("binaryPartName") {
        let field = attribute("binaryPartNameAlias").unwrap_or(part);
        let bytes = files.get(part).cloned();
        let bytes = bytes.ok_or_else(|| crate::multipart::malformed(&format!("the part '{part}' is missing")))?;
        fields.push((field.to_owned(), Input::Bytes(bytes)));
    }
    Ok((object, fields))
}

/// Takes a field out of a record, whatever its case.
fn take(fields: &mut Fields, name: &str) -> Option<Input> {
    let at = fields.iter().position(|(key, _)| key.eq_ignore_ascii_case(name))?;
    Some(fields.remove(at).1)
}

fn id_text(input: Option<Input>) -> Option<String> {
    match input {
        Some(Input::Text(id)) if !id.is_empty() => Some(id),
        _ => None,
    }
}

/// Rows of equal type that follow each other are one chunk.
fn check_chunks<'a>(types: impl Iterator<Item = &'a str>) -> Result<(), ApiError> {
    let mut chunks = 0;
    let mut last = None;
    for kind in types {
        if last != Some(kind) {
            chunks += 1;
            last = Some(kind);
        }
    }
    if chunks <= CHUNKS_MAX {
        return Ok(());
    }
    let text = "Cannot have more than 10 chunks in a single operation. Please rearrange the data to reduce chunking.";
    Err(invalid_input(text))
}

fn check_count(count: usize, most: usize) -> Result<(), ApiError> {
    if count <= most {
        return Ok(());
    }
    let text = format!("record limit reached. cannot submit more than {most} records into this call");
    Err(ApiError::new(400, "EXCEEDED_ID_LIMIT", text))
}

/// The rows with these Ids, in their order; null for one that is not there.
fn retrieve(ctx: &Ctx, tx: &Tx<'_>, object: &str, ids: &[String], fields: &[String]) -> Result<Answer, ApiError> {
    let object = crate::rest::object(tx, object)?;
    check_count(ids.len(), RETRIEVE_MAX)?;
    if ids.is_empty() || fields.is_empty() {
        return Err(ApiError::new(400, "MISSING_ARGUMENT", "The ids and fields of the request must be specified"));
    }
    let wanted: Result<Vec<String>, ApiError> =
        ids.iter().map(|id| id::to18(id).ok_or_else(|| ApiError::malformed_id(id))).collect();
    let wanted = wanted?;
    let mut seen = HashSet::new();
    let columns: Vec<&str> =
        fields.iter().map(String::as_str).filter(|name| seen.insert(name.to_ascii_lowercase())).collect();
    let among: Vec<String> = wanted.iter().map(|id| format!("'{id}'")).collect();
    let text = format!("SELECT {} FROM {} WHERE Id IN ({})", columns.join(", "), object.name, among.join(","));
    let options = soql::Options { now: tx.now, ..soql::Options::default() };
    let prepared = soql::prepare(&tx.schema, &ctx.caller, &text, options)?;
    let mut found: HashMap<String, Value> = HashMap::new();
    for record in prepared.records(tx, &ctx.version, Which::All)? {
        let url = record.pointer("/attributes/url").and_then(Value::as_str).unwrap_or_default();
        let id = url.rsplit('/').next().unwrap_or_default().to_owned();
        found.insert(id, record);
    }
    Ok(Answer::ok(wanted.iter().map(|id| found.get(id).cloned().unwrap_or(Value::Null)).collect()))
}

fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

fn texts(body: &Map<String, Value>, name: &str) -> Result<Vec<String>, ApiError> {
    let items = body.get(name).and_then(Value::as_array);
    let items = items.ok_or_else(|| ApiError::json_parser(format!("The member '{name}' is missing")))?;
    let text = |item: &Value| {
        let item = item.as_str().map(str::to_owned);
        item.ok_or_else(|| ApiError::json_parser(format!("The member '{name}' holds more than text")))
    };
    items.iter().map(text).collect()
}
