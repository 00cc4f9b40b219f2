// SPDX-License-Identifier: Apache-2.0
//! `/composite/batch`: up to 25 subrequests that know nothing of each other (`salesforce-api.md` 2.8). Each one counts
//! against the daily allowance, and each is undone or kept for itself.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, Method};
use serde_json::{Map, Value, json};

use crate::answer::{Answer, Part};
use crate::ctx::Ctx;
use crate::error::ApiError;
use crate::multipart::malformed;
use crate::org::Tx;
use crate::rest;

use super::{Files, SUBREQUESTS_MAX, error_body, flag, invalid_input};

/// A batch of subrequests.
pub struct Batch {
    halt_on_error: bool,
    subrequests: Vec<(Method, String, Vec<u8>)>,
}

impl Batch {
    /// Reads the request.
    ///
    /// # Errors
    /// 400 for a batch that is too long or has a subrequest without method or URL.
    pub fn read(mut body: Map<String, Value>, files: &Files) -> Result<Batch, ApiError> {
        let Some(Value::Array(items)) = body.remove("batchRequests") else {
            return Err(ApiError::json_parser("The member 'batchRequests' is missing"));
        };
        if items.len() > SUBREQUESTS_MAX {
            let text = format!("The request exceeded the maximum number of {SUBREQUESTS_MAX} subrequests");
            return Err(ApiError::new(400, "LIMIT_EXCEEDED", text));
        }
        let subrequests: Result<Vec<_>, ApiError> = items.iter().map(|item| subrequest(item, files)).collect();
        Ok(Batch { halt_on_error: flag(&body, "haltOnError"), subrequests: subrequests? })
    }

    /// How many subrequests there are.
    pub fn len(&self) -> usize {
        self.subrequests.len()
    }

    /// Answers it inside a transaction.
    pub fn answer(&self, ctx: &Ctx, tx: &mut Tx<'_>) -> Answer {
        let mut has_errors = false;
        let mut results = Vec::with_capacity(256);
        for (method, url, body) in &self.subrequests {
            let (status, result) = if has_errors && self.halt_on_error {
                let text = "Batch processing was halted because a previous subrequest in the batch failed.";
                (412, Part::Value(error_body("BATCH_PROCESSING_HALTED", text)))
            } else {
                let answer = rest::dispatch(ctx, tx, method, url, &HeaderMap::new(), body, false);
                (answer.status, answer.into_part())
            };
            has_errors |= status >= 400;
            let comma = if results.is_empty() { "" } else { "," };
            results.extend_from_slice(format!("{comma}{{\"statusCode\":{status},\"result\":").as_bytes());
            result.write(&mut results);
            results.push(b'}');
        }
        let mut text = format!("{{\"hasErrors\":{has_errors},\"results\":[").into_bytes();
        text.extend_from_slice(&results);
        text.extend_from_slice(b"]}");
        Answer::text(text)
    }
}

fn subrequest(item: &Value, files: &Files) -> Result<(Method, String, Vec<u8>), ApiError> {
    let text = |name: &str| item.get(name).and_then(Value::as_str);
    let method = text("method").unwrap_or_default();
    if !matches!(method, "GET" | "HEAD" | "POST" | "PATCH" | "PUT" | "DELETE") {
        return Err(invalid_input(format!("Invalid method: {method}")));
    }
    let url = text("url").ok_or_else(|| ApiError::json_parser("The member 'url' of a subrequest is missing"))?;
    let mut body = item.get("richInput").filter(|body| !body.is_null()).cloned();
    if let Some(part) = text("binaryPartName") {
        // The file goes into the record as if it had been written there in base64.
        let bytes = files.get(part).ok_or_else(|| malformed(&format!("the part '{part}' is missing")))?;
        let field = text("binaryPartNameAlias").unwrap_or(part);
        let Value::Object(record) = body.get_or_insert_with(|| json!({})) else {
            return Err(ApiError::json_parser("The richInput of a subrequest is no object"));
        };
        record.insert(field.to_owned(), STANDARD.encode(bytes).into());
    }
    let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
    let method = Method::from_bytes(method.as_bytes()).expect("it is one of the methods above");
    Ok((method, url.to_owned(), body))
}
