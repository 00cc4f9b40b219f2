// SPDX-License-Identifier: Apache-2.0
//! File bodies (`salesforce-api.md` 2.9): read from a record's base64 field, and written with a record in one multipart
//! request. Base64 inside JSON is no business of this module; such a record is a row like any other.
//!
//! An upload is spooled to a temporary file while it arrives, and the store takes it in pieces; a download is read in pieces
//! while it is sent, each in a transaction of its own. Neither needs memory for more than a piece.

use axum::body::Body;
use bytes::Bytes;
use futures::StreamExt as _;
use http::Method;
use serde_json::json;

use crate::answer::Answer;
use crate::ctx::Ctx;
use crate::error::ApiError;
use crate::id;
use crate::multipart::{self, Part};
use crate::org::Tx;
use crate::record::{self, Fields, Input};
use crate::request::Request;
use crate::rest::{fields_of, parse_json};
use crate::schema::{Field, FieldType, Object};
use crate::store::body::{Kept, PIECE_BYTES};

/// The spelling without a hyphen is Salesforce's.
const KIND: &str = "application/octetstream";
/// The largest version of a file.
const VERSION_MAX_BYTES: u64 = 2 * 1024 * 1024 * 1024;
/// The largest body of anything else.
const OTHER_MAX_BYTES: u64 = 500 * 1024 * 1024;
/// What the JSON and the boundaries may add.
const FORM_BYTES: u64 = 1024 * 1024;

/// Whether a request below `/sobjects` reads or writes a file body.
pub fn takes(ctx: &Ctx, request: &Request) -> bool {
    match (&request.method, &request.segments()[..]) {
        (&Method::GET | &Method::HEAD, ["sobjects", object, _, field]) => {
            let schema = ctx.org.schema();
            schema.object(object).and_then(|object| object.field(field)).is_some_and(|field| is_body(field))
        }
        (&Method::POST | &Method::PATCH, ["sobjects", _, ..]) => multipart::is_multipart(&request.headers),
        _ => false,
    }
}

/// Answers a request that [`takes`] says yes to.
///
/// # Errors
/// As the org refuses it.
pub async fn route(ctx: &Ctx, request: Request) -> Result<Answer, ApiError> {
    let path = request.path.clone();
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match (request.method.clone(), &path[1..]) {
        (Method::GET | Method::HEAD, [object, id, field]) => ctx.org.read(|tx| {
            crate::rest::hidden(ctx, tx, &path.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>())?;
            read(ctx, tx, object, id, field)
        }),
        (Method::POST, [object]) => {
            let (object, fields) = receive(ctx, request, object).await?;
            let created = ctx.org.write(|tx| tx.savepoint(|tx| record::insert(tx, &ctx.caller, &object, fields)));
            let id = created?;
            let location = format!("{}/sobjects/{}/{id}", ctx.data_path(), object.name);
            Ok(Answer::json(201, json!({"id": id, "success": true, "errors": []})).header("location", location))
        }
        (Method::PATCH, [object, id]) => {
            let id = id::to18(id).ok_or_else(|| ApiError::malformed_id(id))?;
            let (object, fields) = receive(ctx, request, object).await?;
            ctx.org.write(|tx| tx.savepoint(|tx| record::update(tx, &ctx.caller, &object, &id, fields)))?;
            Ok(Answer::empty(204))
        }
        _ => Err(ApiError::not_found()),
    }
}

fn is_body(field: &Field) -> bool {
    field.kind == FieldType::Base64
}

fn read(ctx: &Ctx, tx: &Tx<'_>, object: &str, id: &str, field: &str) -> Result<Answer, ApiError> {
    let object = crate::rest::object(tx, object)?;
    let id = id::to18(id).ok_or_else(|| ApiError::malformed_id(id))?;
    let row = tx.row(&object, &id).ok_or_else(ApiError::not_found)?;
    if row.is_deleted() {
        return Err(ApiError::entity_is_deleted());
    }
    let field = ctx.caller.field(&object, field).ok_or_else(ApiError::not_found)?;
    let kept = tx.kept_body(&id, &field.name).unwrap_or(Kept::Whole(Vec::new()));
    Ok(match kept {
        Kept::Whole(bytes) => Answer::bytes(200, KIND, bytes),
        Kept::Made(made) => in_pieces(made.bytes, move |piece| made.piece(piece)),
        Kept::Pieces { number, bytes } => {
            let org = ctx.org.clone();
            in_pieces(bytes, move |piece| org.read(|tx| tx.piece(number, piece)))
        }
    })
}

/// A body that is read while it is sent. One whose pieces end too early, because it was replaced, is cut off.
fn in_pieces(bytes: u64, read: impl Fn(u64) -> Option<Vec<u8>> + Send + 'static) -> Answer {
    let pieces = futures::stream::iter(0..bytes.div_ceil(PIECE_BYTES as u64)).map(move |piece| {
        let bytes = read(piece).map(Bytes::from);
        bytes.ok_or_else(|| std::io::Error::other("the file was replaced while it was read"))
    });
    Answer::stream(KIND, Body::from_stream(pieces)).header("content-length", bytes.to_string())
}

async fn receive(ctx: &Ctx, request: Request, object: &str) -> Result<(std::sync::Arc<Object>, Fields), ApiError> {
    let schema = ctx.org.schema();
    let object = schema.object(object).cloned().ok_or_else(ApiError::not_found)?;
    let most = if object.name == "ContentVersion" { VERSION_MAX_BYTES } else { OTHER_MAX_BYTES };
    let parts = multipart::read(&request.headers, request.body, most + FORM_BYTES).await?;
    let fields = fields(&object, parts)?;
    Ok((object, fields))
}

/// The record of a form: one part of JSON, and files named after base64 fields, in any order.
fn fields(object: &Object, parts: Vec<Part>) -> Result<Fields, ApiError> {
    let mut record = None;
    let mut bodies = Fields::new();
    for mut part in parts {
        let field = object.field(&part.name).filter(|field| is_body(field)).map(|field| field.name.clone());
        let is_record = record.is_none() && field.is_none() && part.is_json();
        let broken = |error: std::io::Error| multipart::malformed(&error.to_string());
        match field {
            _ if is_record => record = Some(fields_of(object, parse_json(&part.bytes().map_err(broken)?)?)?),
            None => {
                return Err(multipart::malformed(&format!("'{}' is no binary field of {}", part.name, object.name)));
            }
            Some(_) if part.filename.is_none() => {
                return Err(multipart::malformed(&format!("the filename of part '{}' is missing", part.name)));
            }
            Some(field) => bodies.push((field, Input::Body(part.into_body().map_err(broken)?))),
        }
    }
    let mut record = record.ok_or_else(|| multipart::malformed("the JSON part is missing"))?;
    if bodies.is_empty() {
        return Err(multipart::malformed("the binary part is missing"));
    }
    record.append(&mut bodies);
    Ok(record)
}
