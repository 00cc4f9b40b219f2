// SPDX-License-Identifier: Apache-2.0
//! One record by its Id: create, read, update, delete (`salesforce-api.md` 2.7).
//!
//! Reading goes through SOQL, so that a record looks the same whichever way it is asked for.

use serde_json::json;

use crate::answer::Answer;
use crate::ctx::Ctx;
use crate::error::{ApiError, SaveError};
use crate::event::bus::uuid;
use crate::id;
use crate::org::{Row, Tx};
use crate::record;
use crate::rest::conditional::{Conditions, row_tag, stamped};
use crate::rest::{Call, fields_of, object, recent};
use crate::schema::Object;
use crate::soql::{self, Options};

/// POST `/sobjects/T`, and `/sobjects/T/Id`, whose answer says that it created.
pub fn create(ctx: &Ctx, tx: &mut Tx<'_>, call: &Call, name: &str) -> Result<Answer, ApiError> {
    let object = object(tx, name)?;
    let fields = fields_of(&object, call.json()?)?;
    let id = record::insert(tx, &ctx.caller, &object, fields).map_err(|error| of_version(ctx, error))?;
    recent::remember(ctx, call, &object, &id);
    let says_created = call.path.len() == 3 && ctx.version_number() >= 46;
    Ok(created(ctx, &object, &id, says_created))
}

/// 201 with the new Id and where to find it.
pub fn created(ctx: &Ctx, object: &Object, id: &str, says_created: bool) -> Answer {
    let mut body = json!({"id": id, "success": true, "errors": []});
    if object.name.ends_with("__e") {
        // What was published is named by a UUID, in the place of an error (Platform Events Developer Guide).
        let operation = uuid(&format!("operation {id}"), false);
        body["errors"] = json!([{"statusCode": "OPERATION_ENQUEUED", "message": operation, "fields": []}]);
    }
    if says_created {
        body["created"] = true.into();
    }
    Answer::json(201, body).header("location", format!("{}/sobjects/{}/{id}", ctx.data_path(), object.name))
}

/// GET `/sobjects/T/id`, all fields or those of `fields=`.
pub fn get(ctx: &Ctx, tx: &Tx<'_>, call: &Call, name: &str, id: &str) -> Result<Answer, ApiError> {
    let object = object(tx, name)?;
    let row = find(tx, &object, id)?;
    let tag = tag_of(&row);
    let changed_ms = changed_ms(&row);
    recent::remember(ctx, call, &object, row.id());
    let conditions = Conditions::of(&call.headers);
    conditions.check(tag.as_deref(), changed_ms, true)?;
    let answer = if conditions.is_known(tag.as_deref(), changed_ms) {
        Answer::empty(304)
    } else {
        read(ctx, tx, call, &object, row.id())?
    };
    Ok(match tag {
        Some(tag) => stamped(answer, &tag, changed_ms),
        None => answer,
    })
}

/// Only Accounts have tags (`salesforce-api.md` 2.1).
fn tag_of(row: &Row) -> Option<String> {
    let state = || format!("{} {}", row.id(), row.get("SystemModstamp").as_int().unwrap_or_default());
    (row.object.name == "Account").then(|| row_tag(&state()))
}

fn changed_ms(row: &Row) -> i64 {
    row.get("LastModifiedDate").as_int().unwrap_or_default()
}

/// Refuses to write a row of which the caller knows another state.
fn check_unchanged(call: &Call, row: &Row) -> Result<(), ApiError> {
    Conditions::of(&call.headers).check(tag_of(row).as_deref(), changed_ms(row), false)
}

/// PATCH: 204 without a body.
pub fn update(ctx: &Ctx, tx: &mut Tx<'_>, call: &Call, name: &str, id: &str) -> Result<Answer, ApiError> {
    let object = object(tx, name)?;
    let row = find(tx, &object, id)?;
    check_unchanged(call, &row)?;
    let id = row.id().to_owned();
    let fields = fields_of(&object, call.json()?)?;
    record::update(tx, &ctx.caller, &object, &id, fields).map_err(|error| of_version(ctx, error))?;
    recent::remember(ctx, call, &object, &id);
    Ok(Answer::empty(204))
}

/// DELETE: 204 without a body; 404 for what is deleted already.
pub fn delete(ctx: &Ctx, tx: &mut Tx<'_>, call: &Call, name: &str, id: &str) -> Result<Answer, ApiError> {
    let object = object(tx, name)?;
    let row = find(tx, &object, id)?;
    check_unchanged(call, &row)?;
    let id = row.id().to_owned();
    record::delete(tx, &ctx.caller, &id)?;
    Ok(Answer::empty(204))
}

/// The live row of a path's Id, which may have 15 or 18 characters.
///
/// # Errors
/// 400 `MALFORMED_ID` for what is no Id or belongs to another object, 404 for a row that is deleted or never was.
pub fn find(tx: &Tx<'_>, object: &Object, text: &str) -> Result<Row, ApiError> {
    let Some(id) = id::to18(text).filter(|_| id::valid(text)) else {
        // A path that is no Id names nothing, unless it has an Id's length.
        let looks_like_id = matches!(text.len(), 15 | 18) && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        return Err(if looks_like_id { ApiError::malformed_id(text) } else { ApiError::not_found() });
    };
    if object.key_prefix.as_deref().is_some_and(|prefix| !id.starts_with(prefix)) {
        let text = format!("{} ID: id value of incorrect type: {text}", object.label);
        return Err(ApiError::new(400, "MALFORMED_ID", text).with_fields(vec!["Id".into()]));
    }
    match tx.row(object, &id) {
        Some(row) if row.is_deleted() => Err(ApiError::entity_is_deleted()),
        Some(row) => Ok(row),
        None => Err(ApiError::not_found()),
    }
}

/// The record as GET shows it.
pub fn read(ctx: &Ctx, tx: &Tx<'_>, call: &Call, object: &Object, id: &str) -> Result<Answer, ApiError> {
    let names: Vec<&str> = match call.query.get("fields") {
        Some(list) => list.split(',').map(str::trim).filter(|name| !name.is_empty()).collect(),
        None => {
            let seen = object.fields.iter().filter(|field| ctx.caller.sees_field(object, field));
            seen.map(|field| field.name.as_str()).collect()
        }
    };
    for name in &names {
        if !name.contains('.') && ctx.caller.field(object, name).is_none() {
            let text = format!("No such column '{name}' on sobject of type {}", object.name);
            return Err(ApiError::invalid_field(text));
        }
    }
    // A field asked for twice is answered once.
    let mut distinct: Vec<&str> = Vec::with_capacity(names.len());
    for name in names {
        if !distinct.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            distinct.push(name);
        }
    }
    let statement = format!("SELECT {} FROM {} WHERE Id = '{id}'", distinct.join(", "), object.name);
    let options = Options { all: true, bulk: false, tooling: false, now: tx.now };
    let prepared = soql::prepare(&tx.schema, &ctx.caller, &statement, options)?;
    if call.looks_into {
        let records = prepared.records(tx, &ctx.version, soql::Which::All)?;
        return records.into_iter().next().map(Answer::ok).ok_or_else(ApiError::not_found);
    }
    let text = prepared.text(tx, &ctx.version, soql::Which::All)?;
    if text.records == 0 { Err(ApiError::not_found()) } else { Ok(Answer::text(text.json)) }
}

/// A refusal that names records, with their addresses in the version of the call.
fn of_version(ctx: &Ctx, mut error: SaveError) -> SaveError {
    if let Some(extra) = &mut error.extra {
        let text = extra.to_string().replace("/services/data/v67.0/", &format!("{}/", ctx.data_path()));
        **extra = serde_json::from_str(&text).unwrap_or_default();
    }
    error
}
