// SPDX-License-Identifier: Apache-2.0
//! `/composite`: up to 25 subrequests in order, each of which may use what earlier ones answered
//! (`salesforce-api.md` 2.8).
//!
//! Subrequests run one after another in one transaction, also with `collateSubrequests`, which allows another order and
//! does not demand one. A subrequest whose reference leads nowhere is `PROCESSING_HALTED`. With `allOrNone` the first
//! failure undoes everything, and all others say that they were rolled back.

use std::collections::{BTreeSet, HashSet};

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Map, Value, json};

use crate::answer::{Answer, Part, write_json};
use crate::ctx::Ctx;
use crate::error::ApiError;
use crate::org::Tx;
use crate::request::Query;
use crate::rest;

use super::reference::{Bodies, in_body, in_url};
use super::{Files, SUBREQUESTS_MAX, collections, error_body, flag, invalid_input};

/// How many subrequests may be collections or queries.
const HEAVY_MAX: usize = 5;
/// Headers that a subrequest may not have.
const FORBIDDEN_HEADERS: [&str; 3] = ["accept", "authorization", "content-type"];
const ROLLED_BACK: &str = "The transaction was rolled back since another operation in the same transaction failed.";

/// A chain of subrequests.
pub struct Chain {
    all_or_none: bool,
    subrequests: Vec<Subrequest>,
}

/// One request of a chain or a graph.
pub struct Subrequest {
    method: Method,
    url: String,
    reference_id: String,
    headers: HeaderMap,
    body: Option<Value>,
}

/// What a subrequest answered.
struct Result {
    status: u16,
    headers: Map<String, Value>,
    body: Part,
}

impl Result {
    fn halted(message: &str) -> Result {
        Result { status: 400, headers: Map::new(), body: Part::Value(error_body("PROCESSING_HALTED", message)) }
    }

    fn is_success(&self) -> bool {
        self.status < 400
    }

    fn shown(&self, reference_id: &str) -> Vec<u8> {
        let mut text = b"{\"body\":".to_vec();
        self.body.write(&mut text);
        text.extend_from_slice(b",\"httpHeaders\":");
        write_json(&self.headers, &mut text);
        text.extend_from_slice(format!(",\"httpStatusCode\":{},\"referenceId\":", self.status).as_bytes());
        write_json(reference_id, &mut text);
        text.push(b'}');
        text
    }
}

/// The results of a chain as its answer shows them.
pub fn write_results(results: &[Vec<u8>], out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"compositeResponse\":[");
    for (place, result) in results.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        out.extend_from_slice(result);
    }
    out.extend_from_slice(b"]}");
}

impl From<Answer> for Result {
    fn from(answer: Answer) -> Result {
        let mut headers = Map::new();
        for (name, shown) in [("location", "Location"), ("etag", "ETag"), ("last-modified", "Last-Modified")] {
            if let Some(value) = answer.headers.get(name).and_then(|value| value.to_str().ok()) {
                headers.insert(shown.to_owned(), json!(value));
            }
        }
        Result { status: answer.status, headers, body: answer.into_part() }
    }
}

impl Chain {
    /// Reads the request.
    ///
    /// # Errors
    /// 400 for a chain that is too long, names a reference twice, or has a subrequest that may not be in it.
    pub fn read(mut body: Map<String, Value>) -> std::result::Result<Chain, ApiError> {
        let Some(Value::Array(items)) = body.remove("compositeRequest") else {
            return Err(ApiError::json_parser("The member 'compositeRequest' is missing"));
        };
        if items.len() > SUBREQUESTS_MAX {
            let text = format!("The request exceeded the maximum number of {SUBREQUESTS_MAX} subrequests");
            return Err(ApiError::new(400, "LIMIT_EXCEEDED", text));
        }
        let chain = Chain { all_or_none: flag(&body, "allOrNone"), subrequests: Chain::subrequests_of(items)? };
        if chain.subrequests.iter().filter(|one| one.is_heavy()).count() > HEAVY_MAX {
            let text =
                format!("The request exceeded the maximum of {HEAVY_MAX} subrequests that are collections or queries");
            return Err(ApiError::new(400, "LIMIT_EXCEEDED", text));
        }
        Ok(chain)
    }

    /// The subrequests of a request, each with a name of its own.
    ///
    /// # Errors
    /// 400 for one that cannot be read, and for a name given twice.
    pub fn subrequests_of(items: Vec<Value>) -> std::result::Result<Vec<Subrequest>, ApiError> {
        let subrequests: std::result::Result<Vec<Subrequest>, ApiError> = items.into_iter().map(subrequest).collect();
        let subrequests = subrequests?;
        let mut known = HashSet::new();
        if let Some(twice) = subrequests.iter().find(|one| !known.insert(one.reference_id.as_str())) {
            let text = format!("Duplicate ReferenceId provided in the request: {}", twice.reference_id);
            return Err(invalid_input(text));
        }
        Ok(subrequests)
    }

    /// A chain that is undone by its first failure.
    pub fn all_or_none(subrequests: Vec<Subrequest>) -> Chain {
        Chain { all_or_none: true, subrequests }
    }

    pub fn subrequests(&self) -> &[Subrequest] {
        &self.subrequests
    }

    /// Answers it inside a transaction.
    pub fn answer(&self, ctx: &Ctx, tx: &mut Tx<'_>) -> Answer {
        let mut text = Vec::with_capacity(4_096);
        write_results(&self.results(ctx, tx).0, &mut text);
        Answer::text(text)
    }

    /// The results in order as they are shown, and whether all succeeded.
    pub fn results(&self, ctx: &Ctx, tx: &mut Tx<'_>) -> (Vec<Vec<u8>>, bool) {
        let results = if self.all_or_none {
            tx.savepoint(|tx| {
                let results = self.run(ctx, tx);
                if results.iter().all(Result::is_success) { Ok(results) } else { Err(results) }
            })
            .unwrap_or_else(|results| self.rolled_back(results))
        } else {
            self.run(ctx, tx)
        };
        let successful = results.iter().all(Result::is_success);
        (self.shown(results), successful)
    }

    /// The results of a chain that is not tried.
    pub fn halted(&self) -> Vec<Vec<u8>> {
        self.shown(self.rolled_back(Vec::new()))
    }

    fn shown(&self, results: Vec<Result>) -> Vec<Vec<u8>> {
        self.subrequests
            .iter()
            .zip(results)
            .map(|(subrequest, result)| result.shown(&subrequest.reference_id))
            .collect()
    }

    /// The results in order; with `allOrNone` they end with the first failure.
    fn run(&self, ctx: &Ctx, tx: &mut Tx<'_>) -> Vec<Result> {
        let mut bodies = Bodies::new();
        let mut results = Vec::with_capacity(self.subrequests.len());
        let used: BTreeSet<String> = self.subrequests.iter().flat_map(Subrequest::references).collect();
        for subrequest in &self.subrequests {
            let is_used = used.contains(&subrequest.reference_id);
            let result = subrequest.run(ctx, tx, &bodies, is_used);
            let success = result.is_success();
            if success && is_used {
                bodies.insert(subrequest.reference_id.clone(), result.body.to_value());
            }
            results.push(result);
            if self.all_or_none && !success {
                break;
            }
        }
        results
    }

    /// Only the failure keeps its own error.
    fn rolled_back(&self, results: Vec<Result>) -> Vec<Result> {
        let mut results: Vec<Result> = results
            .into_iter()
            .map(|result| if result.is_success() { Result::halted(ROLLED_BACK) } else { result })
            .collect();
        results.resize_with(self.subrequests.len(), || Result::halted(ROLLED_BACK));
        results
    }
}

impl Subrequest {
    pub fn method(&self) -> &Method {
        &self.method
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn reference_id(&self) -> &str {
        &self.reference_id
    }

    /// The names of the subrequests whose answers it uses.
    pub fn references(&self) -> BTreeSet<String> {
        let body = self.body.as_ref().map(Value::to_string).unwrap_or_default();
        if !self.url.contains("@{") && !body.contains("@{") {
            return BTreeSet::new();
        }
        [self.url.as_str(), body.as_str()]
            .into_iter()
            .flat_map(|text| text.split("@{").skip(1))
            .filter_map(|rest| rest.split(['.', '[', '}']).next().map(str::to_owned))
            .collect()
    }

    /// Segments of the path below the version, before references are put in.
    pub fn below_version(&self) -> Vec<&str> {
        let path = self.url.split('?').next().unwrap_or_default();
        path.split('/').filter(|segment| !segment.is_empty()).skip(3).collect()
    }

    fn is_heavy(&self) -> bool {
        let below = self.below_version();
        let below = below.strip_prefix(&["tooling"]).unwrap_or(&below);
        matches!(below, ["composite", "sobjects", ..] | ["query" | "queryAll", ..])
    }

    fn run(&self, ctx: &Ctx, tx: &mut Tx<'_>, bodies: &Bodies, is_used: bool) -> Result {
        let replaced = in_url(&self.url, bodies).and_then(|url| {
            let body = self.body.as_ref().map(|body| in_body(body, bodies)).transpose()?;
            Ok((url, body))
        });
        let (url, body) = match replaced {
            Ok(replaced) => replaced,
            Err(dangling) => return Result::halted(&dangling.message()),
        };
        if let ["composite", "sobjects", below @ ..] = &self.below_version()[..] {
            return collection(ctx, tx, &self.method, below, &url, body).unwrap_or_else(Answer::from).into();
        }
        let bytes = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        rest::dispatch(ctx, tx, &self.method, &url, &self.headers, &bytes, is_used).into()
    }
}

fn collection(
    ctx: &Ctx,
    tx: &mut Tx<'_>,
    method: &Method,
    path: &[&str],
    url: &str,
    body: Option<Value>,
) -> std::result::Result<Answer, ApiError> {
    let query = Query::parse(url.split_once('?').map_or("", |(_, query)| query));
    let body = match body {
        Some(Value::Object(body)) => body,
        None => Map::new(),
        Some(_) => return Err(ApiError::json_parser("The body of the subrequest is no object")),
    };
    let call = collections::Call { method: method.clone(), path, query: &query, body, files: Files::new() };
    collections::answer(ctx, tx, call)
}

fn subrequest(item: Value) -> std::result::Result<Subrequest, ApiError> {
    let Value::Object(mut item) = item else {
        return Err(ApiError::json_parser("A subrequest is no object"));
    };
    let text = |name: &str| item.get(name).and_then(Value::as_str).map(str::to_owned);
    let missing = |name: &str| ApiError::json_parser(format!("The member '{name}' of a subrequest is missing"));
    let method = text("method").ok_or_else(|| missing("method"))?;
    let url = text("url").ok_or_else(|| missing("url"))?;
    let reference_id = text("referenceId").ok_or_else(|| missing("referenceId"))?;
    if !matches!(method.as_str(), "GET" | "HEAD" | "POST" | "PATCH" | "PUT" | "DELETE") {
        return Err(invalid_input(format!("Invalid method: {method}")));
    }
    let starts = reference_id.starts_with(|first: char| first.is_ascii_alphanumeric());
    if !starts || !reference_id.chars().all(|one| one.is_ascii_alphanumeric() || one == '_') {
        return Err(invalid_input(format!(
            "Provided referenceId ('{reference_id}') must start with a letter or a number, and it can contain only \
             letters, numbers and underscores ('_')."
        )));
    }
    if !url.starts_with("/services/data/v") {
        return Err(invalid_input(format!("The URL of a subrequest must start with /services/data/vXX.X/: {url}")));
    }
    let headers = match item.get("httpHeaders") {
        Some(Value::Object(headers)) => read_headers(headers)?,
        _ => HeaderMap::new(),
    };
    let body = item.remove("body").filter(|body| !body.is_null());
    let method = Method::from_bytes(method.as_bytes()).expect("it is one of the methods above");
    Ok(Subrequest { method, url, reference_id, headers, body })
}

fn read_headers(headers: &Map<String, Value>) -> std::result::Result<HeaderMap, ApiError> {
    let mut read = HeaderMap::new();
    for (name, value) in headers {
        if FORBIDDEN_HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
            return Err(invalid_input(format!("The header {name} is not allowed in a subrequest")));
        }
        if name.eq_ignore_ascii_case("accept-encoding") {
            // A part of an answer is not zipped by itself.
            continue;
        }
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(&value)) {
            read.insert(name, value);
        }
    }
    Ok(read)
}
