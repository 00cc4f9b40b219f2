// SPDX-License-Identifier: Apache-2.0
//! Many operations in one request (`salesforce-api.md` 2.8): collections of rows, chains of subrequests, batches of
//! them, and trees of new records.
//!
//! Every request here is one call of the daily allowance, but a batch, which is as many as it has subrequests. Whatever
//! must succeed or fail together runs in one savepoint of one transaction; subrequests are answered inside it, through
//! the same code as requests of their own.

mod batch;
mod chain;
mod collections;
mod graph;
mod reference;
mod tree;

use std::collections::HashMap;

use http::Method;
use serde_json::{Map, Value, json};

use crate::answer::Answer;
use crate::ctx::Ctx;
use crate::error::{ApiError, SaveError};
use crate::multipart;
use crate::request::Request;
use crate::rest::catalog::check_composite;
use crate::rest::parse_json;

pub use tree::{Planted, plant};

/// The most subrequests of a chain or a batch.
const SUBREQUESTS_MAX: usize = 25;
/// What all files of one collection may have together (`salesforce-api.md` 2.8).
const FILES_MAX_BYTES: u64 = 500 * 1024 * 1024;

/// Answers everything below `/composite`. `request.path` begins with `composite`.
///
/// # Errors
/// 400 for what is no such request; what goes wrong with a row or a subrequest is part of the answer.
pub async fn route(ctx: &Ctx, mut request: Request) -> Result<Answer, ApiError> {
    let path: Vec<String> = request.path.iter().skip(1).cloned().collect();
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let method = request.method.clone();
    check_composite(ctx, &path)?;
    match path[..] {
        [] if matches!(method, Method::GET | Method::HEAD) => Ok(resources(ctx)),
        [] | ["batch" | "graph"] | ["tree", _] if method != Method::POST => {
            Err(ApiError::method_not_allowed(method.as_str(), if path.is_empty() { "GET,HEAD,POST" } else { "POST" }))
        }
        [] => {
            let body = parse_json(&request.body_bytes().await?)?;
            let chain = chain::Chain::read(body)?;
            Ok(ctx.org.write(|tx| chain.answer(ctx, tx)))
        }
        ["graph"] => {
            let graphs = graph::Graphs::read(parse_json(&request.body_bytes().await?)?)?;
            Ok(ctx.org.write(|tx| graphs.answer(ctx, tx)))
        }
        ["batch"] => {
            let (body, files) = read_collection(method, &mut request).await?;
            let batch = batch::Batch::read(body, &files)?;
            ctx.count_calls(batch.len().saturating_sub(1) as u64);
            Ok(ctx.org.write(|tx| batch.answer(ctx, tx)))
        }
        ["tree", object] => {
            let body = parse_json(&request.body_bytes().await?)?;
            Ok(ctx.org.write(|tx| tree::answer(tx, &ctx.caller, object, body)))
        }
        ["sobjects", ref below @ ..] => {
            let (body, files) = read_collection(request.method.clone(), &mut request).await?;
            let call = collections::Call { method, path: below, query: &request.query, body, files };
            ctx.org.write(|tx| collections::answer(ctx, tx, call))
        }
        _ => Err(ApiError::not_found()),
    }
}

/// The files of a multipart collection by the names that records refer to.
type Files = HashMap<String, Vec<u8>>;

async fn read_collection(method: Method, request: &mut Request) -> Result<(Map<String, Value>, Files), ApiError> {
    if matches!(method, Method::GET | Method::HEAD | Method::DELETE) {
        return Ok((Map::new(), Files::new()));
    }
    if !multipart::is_multipart(&request.headers) {
        return Ok((parse_json(&request.body_bytes().await?)?, Files::new()));
    }
    let body = std::mem::replace(&mut request.body, axum::body::Body::empty());
    let mut records = None;
    let mut files = Files::new();
    for mut part in multipart::read(&request.headers, body, FILES_MAX_BYTES).await? {
        let is_records = records.is_none() && part.is_json();
        let bytes = part.bytes().map_err(|error| multipart::malformed(&error.to_string()))?;
        if is_records {
            records = Some(parse_json(&bytes)?);
        } else {
            files.insert(part.name, bytes);
        }
    }
    Ok((records.ok_or_else(|| multipart::malformed("the JSON part is missing"))?, files))
}

fn resources(ctx: &Ctx) -> Answer {
    let names = ["tree", "batch", "sobjects", "graph"];
    let map: Map<String, Value> =
        names.iter().map(|name| ((*name).to_owned(), format!("{}/composite/{name}", ctx.data_path()).into())).collect();
    Answer::ok(Value::Object(map))
}

/// The errors of a refused row as collections and trees show them: `statusCode`, where single rows have `errorCode`.
fn row_errors(error: &SaveError) -> Value {
    error.all().map(|one| json!({"statusCode": one.code, "message": one.message, "fields": one.fields})).collect()
}

/// An error in a list of one, as the body of a subrequest.
fn error_body(code: &str, message: &str) -> Value {
    json!([{"errorCode": code, "message": message}])
}

/// 400 for a request whose parts do not fit together.
fn invalid_input(message: impl Into<String>) -> ApiError {
    ApiError::new(400, "INVALID_INPUT", message)
}

fn flag(body: &Map<String, Value>, name: &str) -> bool {
    body.get(name).and_then(Value::as_bool).unwrap_or(false)
}
