// SPDX-License-Identifier: Apache-2.0
//! Friendly URLs: `/sobjects/Contact/{id}/Account/Owner` follows lookups, up to five; `/sobjects/Account/{id}/Contacts` lists
//! children (`salesforce-api.md` 2.2). Since 36.0.
//!
//! A lookup leads to the record as GET, PATCH and DELETE of the record itself treat it; an empty one is 404. Children come as the
//! result of a query and can only be read; they end the path.

use http::Method;

use crate::answer::Answer;
use crate::ctx::Ctx;
use crate::error::ApiError;
use crate::id;
use crate::org::{Row, Tx};
use crate::record;
use crate::rest::{Call, fields_of, query, rows};
use crate::schema::{Child, FieldType, Object};
use crate::sharing::{Level, allows};

const PARENTS_MAX: usize = 5;

/// Where a path leads.
enum End {
    Record(Row),
    Children { of: String, child: Child },
}

/// Whether the segment after the object is a record's Id and not the name of a field.
pub fn is_path(object: &Object, id: &str) -> bool {
    object.field(id).is_none() && id::valid(id)
}

/// GET and HEAD.
pub fn get(ctx: &Ctx, tx: &Tx<'_>, call: &Call, object: &Object, id: &str, path: &[&str]) -> Result<Answer, ApiError> {
    match follow(ctx, tx, object, id, path)? {
        End::Record(row) => rows::read(ctx, tx, call, &row.object, row.id()),
        End::Children { of, child } => {
            let statement = children(ctx, tx, call, &of, &child)?;
            query::answer(ctx, tx, call, &statement, query::Kind::default())
        }
    }
}

/// PATCH and DELETE.
pub fn write(
    ctx: &Ctx,
    tx: &mut Tx<'_>,
    call: &Call,
    object: &Object,
    id: &str,
    path: &[&str],
) -> Result<Answer, ApiError> {
    let End::Record(row) = follow(ctx, tx, object, id, path)? else {
        return Err(ApiError::method_not_allowed(call.method.as_str(), "GET,HEAD"));
    };
    let id = row.id().to_owned();
    if call.method == Method::PATCH {
        let fields = fields_of(&row.object, call.json()?)?;
        record::update(tx, &ctx.caller, &row.object, &id, fields)?;
    } else {
        record::delete(tx, &ctx.caller, &id)?;
    }
    Ok(Answer::empty(204))
}

fn follow(ctx: &Ctx, tx: &Tx<'_>, object: &Object, id: &str, path: &[&str]) -> Result<End, ApiError> {
    if ctx.version_number() < 36 || path.len() > PARENTS_MAX {
        return Err(ApiError::not_found());
    }
    let mut row = rows::find(tx, object, id)?;
    for (place, name) in path.iter().enumerate() {
        if let Some(field) = ctx.caller.relationship(&tx.schema, &row.object, name) {
            let parent = row.get(&field.name).as_str().ok_or_else(ApiError::not_found)?.to_owned();
            let object = tx.object_of(&parent).ok_or_else(ApiError::not_found)?;
            if !ctx.caller.sees(&object) || !allows(tx, &ctx.caller, &object, &parent, Level::Read) {
                return Err(ApiError::not_found());
            }
            row = rows::find(tx, &object, &parent)?;
            continue;
        }
        let is_last = place + 1 == path.len();
        let child = row.object.child(name).filter(|_| is_last).cloned().ok_or_else(ApiError::not_found)?;
        return Ok(End::Children { of: row.id().to_owned(), child });
    }
    Ok(End::Record(row))
}

/// The children as a query: the fields asked for, or all that a query can select.
fn children(ctx: &Ctx, tx: &Tx<'_>, call: &Call, parent: &str, child: &Child) -> Result<String, ApiError> {
    let object = ctx.caller.object(&tx.schema, &child.object).ok_or_else(ApiError::not_found)?;
    let fields = match call.query.get("fields") {
        Some(list) => list.to_owned(),
        None => {
            let seen = object.fields.iter().filter(|field| ctx.caller.sees_field(object, field));
            let shown = seen.filter(|field| field.kind != FieldType::Base64);
            shown.map(|field| field.name.as_str()).collect::<Vec<_>>().join(", ")
        }
    };
    Ok(format!("SELECT {fields} FROM {} WHERE {} = '{parent}'", object.name, child.field))
}
