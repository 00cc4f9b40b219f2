// SPDX-License-Identifier: Apache-2.0
//! Answers that REST has already, borrowed as JSON: SOAP writes the same facts as XML.

use http::{HeaderMap, Method};
use serde_json::Value;
use url::form_urlencoded;

use crate::ctx::Ctx;

use super::Fault;

/// What a GET below the API version answers; its error as a fault.
pub fn get(ctx: &Ctx, path: &str, query: &[(&str, &str)]) -> Result<Value, Fault> {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
    let url = format!("{}/{path}?{query}", ctx.data_path());
    let answer = ctx.org.write(|tx| crate::rest::dispatch(ctx, tx, &Method::GET, &url, &HeaderMap::new(), &[], true));
    let is_success = answer.is_success();
    let body = answer.into_json().unwrap_or(Value::Null);
    if is_success {
        return Ok(body);
    }
    let text = |name: &str| body[0][name].as_str().unwrap_or_default().to_owned();
    Err(Fault::new(&text("errorCode"), text("message")))
}
