// SPDX-License-Identifier: Apache-2.0
//! Records named by an external id: GET, HEAD, PATCH (upsert) and DELETE (`salesforce-api.md` 2.7).

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::ctx::Ctx;
use crate::error::ApiError;
use crate::org::{Row, Tx};
use crate::record::{self, Input};
use crate::rest::{Call, fields_of, object, related, rows};
use crate::schema::{Field, FieldType, Object};
use crate::sharing::{Level, allows};

/// What an external id names.
enum Found {
    None,
    One(Box<Row>),
    /// 300 with the URLs of all.
    Several(Answer),
}

/// GET and HEAD.
pub fn get(ctx: &Ctx, tx: &Tx<'_>, call: &Call, name: &str, field: &str, value: &str) -> Result<Answer, ApiError> {
    let object = object(tx, name)?;
    if related::is_path(&object, field) {
        return related::get(ctx, tx, call, &object, field, &[value]);
    }
    let field = external_field(&object, field)?;
    match find(ctx, tx, &object, field, value) {
        Found::None => Err(ApiError::not_found()),
        Found::Several(answer) => Ok(answer),
        Found::One(row) => rows::read(ctx, tx, call, &object, row.id()),
    }
}

/// PATCH: creates, or updates the one record with the value.
pub fn upsert(
    ctx: &Ctx,
    tx: &mut Tx<'_>,
    call: &Call,
    name: &str,
    field: &str,
    value: &str,
) -> Result<Answer, ApiError> {
    let object = object(tx, name)?;
    if related::is_path(&object, field) {
        return related::write(ctx, tx, call, &object, field, &[value]);
    }
    let field = external_field(&object, field)?;
    let found = find(ctx, tx, &object, field, value);
    if let Found::Several(answer) = found {
        return Ok(answer);
    }
    if call.query.is_true("updateOnly") && matches!(found, Found::None) {
        return Err(ApiError::not_found());
    }
    let members = call.json()?;
    if members.keys().any(|key| key.eq_ignore_ascii_case(&field.name)) {
        let text = format!("The {} field should not be specified in the sobject data.", field.name);
        return Err(ApiError::invalid_field(text));
    }
    let fields = fields_of(&object, members)?;
    let value = Input::Text(value.to_owned());
    let (id, created) = record::upsert(tx, &ctx.caller, &object, &field.name, &value, fields)?;
    let modern = ctx.version_number() >= 46;
    Ok(match (created, modern) {
        (true, _) => rows::created(ctx, &object, &id, modern),
        (false, true) => Answer::ok(json!({"id": id, "success": true, "errors": [], "created": false})),
        (false, false) => Answer::empty(204),
    })
}

/// DELETE.
pub fn delete(
    ctx: &Ctx,
    tx: &mut Tx<'_>,
    call: &Call,
    name: &str,
    field: &str,
    value: &str,
) -> Result<Answer, ApiError> {
    let object = object(tx, name)?;
    if related::is_path(&object, field) {
        return related::write(ctx, tx, call, &object, field, &[value]);
    }
    let field = external_field(&object, field)?;
    match find(ctx, tx, &object, field, value) {
        Found::None => Err(ApiError::not_found()),
        Found::Several(answer) => Ok(answer),
        Found::One(row) => {
            record::delete(tx, &ctx.caller, row.id())?;
            Ok(Answer::empty(204))
        }
    }
}

/// The field, when records can be looked up by it.
fn external_field<'a>(object: &'a Object, name: &str) -> Result<&'a Field, ApiError> {
    let field = object.field(name).filter(|field| field.external_id || field.id_lookup);
    field.map(AsRef::as_ref).ok_or_else(|| {
        let text = format!("Provided external ID field does not exist or is not accessible: {name}");
        ApiError::new(404, "NOT_FOUND", text)
    })
}

fn find(ctx: &Ctx, tx: &Tx<'_>, object: &Object, field: &Field, value: &str) -> Found {
    let live = if object.has("IsDeleted") { " AND \"IsDeleted\" = 0" } else { "" };
    let condition = format!("\"{}\" = ?1{live}", field.name);
    let id = crate::id::to18(value);
    let number = field.kind.is_number().then(|| value.parse::<f64>().ok()).flatten();
    let rows = match (field.kind, &id, number) {
        (FieldType::Id | FieldType::Reference, Some(id), _) => tx.rows_where(object, &condition, &[id]),
        (_, _, Some(number)) => tx.rows_where(object, &condition, &[&number]),
        _ => tx.rows_where(object, &condition, &[&value]),
    };
    let seen = |row: &Row| allows(tx, &ctx.caller, object, row.id(), Level::Read);
    let mut rows = rows.into_iter().filter(seen);
    match (rows.next(), rows.next()) {
        (None, _) => Found::None,
        (Some(row), None) => Found::One(Box::new(row)),
        (Some(first), Some(second)) => {
            let url = |row: Row| Value::from(format!("{}/sobjects/{}/{}", ctx.data_path(), object.name, row.id()));
            Found::Several(Answer::json(300, [first, second].into_iter().chain(rows).map(url).collect()))
        }
    }
}
