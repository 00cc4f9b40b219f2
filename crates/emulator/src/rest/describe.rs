// SPDX-License-Identifier: Apache-2.0
//! describeGlobal and describe (`salesforce-api.md` 2.4, 2.5).
//!
//! Both tell in `Last-Modified` when the schema of what they describe last changed by the org's clock, and answer 304 to whoever
//! names that time or a later one in `If-Modified-Since`; then nothing is described at all. A change of the caller's rights
//! does not move `Last-Modified`: whether it does in a real org is not known.

use std::io::Read as _;

use bytes::Bytes;
use serde_json::json;

use crate::answer::Answer;
use crate::ctx::Ctx;
use crate::describe::{View, to_json};
use crate::error::ApiError;
use crate::faces::lock;
use crate::org::Tx;
use crate::record::record_type;
use crate::rest::conditional::{Conditions, short_tag, stamped};
use crate::rest::{Call, recent};
use crate::server;

const JSON: &str = "application/json;charset=UTF-8";

/// `/sobjects`.
pub fn global(ctx: &Ctx, call: &Call) -> Answer {
    let schema = ctx.org.schema();
    conditional(ctx, call, schema.last_modified_ms(), || {
        written(ctx, call, None, || to_json(&View::of(ctx, &schema).global()))
    })
}

/// `/sobjects/T`: the object's line of describeGlobal, and the rows the user looked at last.
pub fn basic(ctx: &Ctx, tx: &Tx<'_>, name: &str) -> Result<Answer, ApiError> {
    let object = super::object(tx, name)?;
    Ok(Answer::ok(
        json!({"objectDescribe": View::of(ctx, &tx.schema).line(&object), "recentItems": recent::of_object(ctx, tx, &object)?}),
    ))
}

/// `/sobjects/T/describe`.
pub fn describe(ctx: &Ctx, tx: &Tx<'_>, call: &Call, name: &str) -> Result<Answer, ApiError> {
    let schema = ctx.org.schema();
    let object = ctx.caller.object(&schema, name).cloned().ok_or_else(ApiError::not_found)?;
    Ok(conditional(ctx, call, schema.last_modified_ms_of(&object), || {
        written(ctx, call, Some(&object.name), || {
            let access = record_type::access(tx, &ctx.caller, &object.name);
            to_json(&View::of(ctx, &schema).with_record_types(access.as_ref()).object(&object))
        })
    }))
}

/// 304 when nothing changed since the time the caller names, else the body; either way with a tag and `Last-Modified`.
fn conditional(ctx: &Ctx, call: &Call, changed_ms: i64, body: impl FnOnce() -> Answer) -> Answer {
    let tag = short_tag(&format!("{} {} {changed_ms}", ctx.version, call.path.join("/")));
    let conditions = Conditions::of(&call.headers);
    if let Err(refusal) = conditions.check(None, changed_ms, true) {
        return refusal.into();
    }
    let answer = if conditions.is_known(None, changed_ms) { Answer::empty(304) } else { body() };
    stamped(answer, &tag, changed_ms)
}

/// The description as the caller takes it, made of what was kept: zipped, or as plain JSON. Where something is still to be done
/// to the answer (pretty printing, another format), as a value.
fn written(ctx: &Ctx, call: &Call, object: Option<&str>, json: impl FnOnce() -> Vec<u8>) -> Answer {
    let schema = ctx.org.schema();
    let key = (object.map(str::to_owned), ctx.version.clone(), ctx.base_url.clone());
    let found = lock(&ctx.org.faces.described).find(&schema, &key, &ctx.caller);
    let zipped = found.unwrap_or_else(|| {
        let zipped = Bytes::from(server::gzip(&json()));
        lock(&ctx.org.faces.described).keep(&schema, key, &ctx.caller, zipped.clone());
        zipped
    });
    let as_json = call.header("x-prettyprint").is_none_or(|value| value.trim() != "1")
        && call.header("accept").is_none_or(|accepted| !accepted.contains("xml"));
    if as_json && server::takes_gzip(&call.headers) {
        return Answer::bytes(200, JSON, zipped).header("content-encoding", "gzip");
    }
    let mut plain = Vec::with_capacity(zipped.len() * 12);
    flate2::read::GzDecoder::new(zipped.as_ref()).read_to_end(&mut plain).expect("it was zipped here");
    if as_json {
        return Answer::bytes(200, JSON, plain);
    }
    Answer::ok(serde_json::from_slice(&plain).expect("it was written as JSON"))
}
