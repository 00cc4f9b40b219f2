// SPDX-License-Identifier: Apache-2.0
//! The REST API below `/services/data` (`salesforce-api.md` 2).
//!
//! A resource is answered inside one transaction; what a refused request had begun is undone. Composite requests have their
//! parts answered here too ([`dispatch`]). Bodies that may be large never come here: Bulk, multipart and file bodies
//! have routes of their own.

mod body;
pub(crate) mod catalog;
mod children;
mod columns;
mod conditional;
pub mod cursor;
mod definition;
pub(crate) mod describe;
mod explain;
mod external;
mod interface;
mod knowledge;
mod layout;
mod limits;
mod list_view;
mod namespace;
mod query;
pub(crate) mod recent;
mod related;
mod replicate;
mod rich_text;
mod rows;
mod search;
mod setup;
mod tooling;
mod xml_body;

use bytes::Bytes;
use std::sync::Arc;

use http::{HeaderMap, Method};
use serde_json::{Map, Value, json};

pub use body::{fields_of, parse_json};
pub(crate) use limits::live_rows;

use crate::answer::{Answer, xml};
use crate::ctx::Ctx;
use crate::error::ApiError;
use crate::log::Family;
use crate::org::Tx;
use crate::request::{self, Query, Request, decode_path};
use crate::sharing::{Level, allows};
use crate::user::Caller;
use crate::{blob, bulk, composite, metadata};

/// The newest API version, Summer '26.
pub const LATEST_VERSION: &str = "67.0";
const OLDEST: u32 = 31;
const NEWEST: u32 = 67;
/// What the list calls the first of three releases a year: Spring '14 is 30.0.
const SEASONS: [&str; 3] = ["Spring", "Summer", "Winter"];

/// One request for a resource, with its body whole.
#[derive(Debug)]
pub struct Call {
    pub method: Method,
    /// Segments below `/services/data/vNN.N`.
    pub path: Vec<String>,
    pub query: Query,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// Who asked looks into the answer, and wants records as values. Else they are written as text at once.
    pub looks_into: bool,
}

impl Call {
    /// A header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        request::header(&self.headers, name)
    }

    /// The body as a JSON object; one in XML is read as if it were JSON.
    ///
    /// # Errors
    /// `JSON_PARSER_ERROR`, `XML_PARSER_ERROR`, and 415 for another type of content.
    pub fn json(&self) -> Result<Map<String, Value>, ApiError> {
        match request::media_type(&self.headers).as_str() {
            "application/xml" | "text/xml" => xml_body::parse(&self.body),
            "" | "application/json" | "text/json" => parse_json(&self.body),
            other => {
                let text = format!("Content-Type header specified in HTTP request is not supported: {other}");
                Err(ApiError::new(415, "UNSUPPORTED_MEDIA_TYPE", text))
            }
        }
    }
}

/// `/services/data`: every version, oldest first, without a session (`salesforce-api.md` 0, 2.2).
pub fn versions(method: &Method) -> Answer {
    if *method != Method::GET && *method != Method::HEAD {
        return ApiError::method_not_allowed(method.as_str(), "GET,HEAD").into();
    }
    let list = (OLDEST..=NEWEST).map(|number| {
        // 31.0 is Summer '14; three releases make a year, and Winter carries the next year's number.
        let season = SEASONS[(number as usize - 30) % 3];
        let year = 14 + (number - 30) / 3 + u32::from(season == "Winter");
        json!({"label": format!("{season} '{year}"), "url": format!("/services/data/v{number}.0"), "version": format!("{number}.0")})
    });
    Answer::ok(Value::Array(list.collect()))
}

/// The version of a path segment such as `v67.0`.
///
/// # Errors
/// 410 for a retired version, 404 for one that never was.
pub fn checked_version(segment: &str) -> Result<String, ApiError> {
    let number = segment.strip_prefix(['v', 'V']).and_then(|text| text.strip_suffix(".0")).map(str::parse::<u32>);
    match number {
        Some(Ok(number)) if (OLDEST..=NEWEST).contains(&number) => Ok(format!("{number}.0")),
        Some(Ok(number)) if (1..OLDEST).contains(&number) => Err(ApiError::new(410, "GONE", "410:GONE")),
        _ => Err(ApiError::not_found()),
    }
}

/// The family that a path below the version is counted in.
pub fn family(path: &[String]) -> Family {
    match path.first().map(String::as_str) {
        Some("jobs") => Family::Bulk,
        Some("composite") => Family::Composite,
        Some("query" | "queryAll" | "search" | "parameterizedSearch") => Family::Query,
        Some("tooling") => Family::Tooling,
        Some("sobjects") if path.len() == 4 && !crate::id::valid(&path[3]) && crate::id::valid(&path[2]) => {
            Family::Blob
        }
        _ => Family::Rest,
    }
}

/// Reads the headers that change what a save does (`salesforce-api.md` 2.1).
pub fn read_call_headers(caller: &mut Caller, headers: &HeaderMap) {
    if let Some(value) = request::header(headers, "sforce-auto-assign") {
        let value = value.trim();
        caller.auto_assign = !value.eq_ignore_ascii_case("false");
        caller.assignment_rule = crate::id::valid(value).then(|| value.to_owned());
    }
    if let Some(value) = request::header(headers, "sforce-duplicate-rule-header") {
        let value = value.to_ascii_lowercase();
        let says =
            |wanted: &str| value.split([';', ',']).any(|part| part.split_whitespace().collect::<String>() == wanted);
        caller.allow_duplicates = says("allowsave=true");
        caller.duplicate_details = says("includerecorddetails=true");
    }
}

/// What change events call an API and its client: `com/salesforce/api/rest/67.0;client=Loader` (Change Data Capture
/// Developer Guide, "ChangeEventHeader Fields"). The client is what its call options say.
pub fn origin(api: &str, version: &str, client: &str) -> Arc<str> {
    let mut origin = format!("com/salesforce/api/{api}/{version}");
    if !client.is_empty() {
        origin += &format!(";client={client}");
    }
    origin.into()
}

/// A member of `Sforce-Call-Options`: `client=X, defaultNamespace=ns`. Empty where it is not given.
pub fn call_option<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    let options = request::header(headers, "sforce-call-options").unwrap_or_default();
    let pairs = options.split([';', ',']).filter_map(|part| part.split_once('='));
    pairs
        .map(|(key, value)| (key.trim(), value.trim()))
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .unwrap_or_default()
        .1
}

/// Answers a request below `/services/data/vNN.N`.
///
/// # Errors
/// Whatever refuses it.
pub async fn route(ctx: &Ctx, mut request: Request) -> Result<Answer, ApiError> {
    match request.segments()[..] {
        ["jobs", ..] => return bulk::route(ctx, request).await,
        ["metadata", ..] => return metadata::rest::route(ctx, request).await,
        ["composite", ..] => return composite::route(ctx, request).await,
        ["tooling", "composite", ..] => {
            request.path.remove(0);
            return composite::route(ctx, request).await;
        }
        ["sobjects", ..] if blob::takes(ctx, &request) => return blob::route(ctx, request).await,
        _ => {}
    }
    let body = request.body_bytes().await?;
    let Request { method, path, query, headers, .. } = request;
    let looks_into = xml::is_preferred(&headers);
    let mut call = Call { method, path, query, headers, body, looks_into };
    namespace::apply(ctx, &mut call);
    if let Some(answer) = setup::route(ctx, &call).or_else(|| definition::route(ctx, &call)) {
        return answer;
    }
    if is_read(&call.method) {
        ctx.org.read(|tx| read(ctx, tx, &call))
    } else {
        ctx.org.write(|tx| tx.savepoint(|tx| write(ctx, tx, &call)))
    }
}

/// Answers a subrequest. `url` is as composite requests write it: `/services/data/v67.0/sobjects/…`, or
/// `v67.0/sobjects/…` as in a batch (`salesforce-api.md` 2.8). It runs inside its caller's transaction; what a refused
/// one had begun is undone. `looks_into` says whether the caller reads what is in the answer, rather than send it on.
pub fn dispatch(
    ctx: &Ctx,
    tx: &mut Tx<'_>,
    method: &Method,
    url: &str,
    headers: &HeaderMap,
    body: &[u8],
    looks_into: bool,
) -> Answer {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let segments = decode_path(path);
    let skipped = if segments.first().is_some_and(|first| first == "services") { 3 } else { 1 };
    let Some(version) = segments.get(skipped - 1) else { return ApiError::not_found().into() };
    let version = match checked_version(version) {
        Ok(version) => version,
        Err(error) => return error.into(),
    };
    let mut ctx = Ctx { version, ..ctx.clone() };
    read_call_headers(&mut ctx.caller, headers);
    // The answer is embedded in another one, which is zipped as a whole.
    let mut headers = headers.clone();
    headers.remove(http::header::ACCEPT_ENCODING);
    let mut call = Call {
        method: method.clone(),
        path: segments[skipped..].to_vec(),
        query: Query::parse(query),
        headers,
        body: Bytes::copy_from_slice(body),
        looks_into,
    };
    namespace::apply(&ctx, &mut call);
    let answer = if is_read(&call.method) { read(&ctx, tx, &call) } else { tx.savepoint(|tx| write(&ctx, tx, &call)) };
    answer.unwrap_or_else(Answer::from)
}

fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// Answers a GET or HEAD.
fn read(ctx: &Ctx, tx: &Tx<'_>, call: &Call) -> Result<Answer, ApiError> {
    catalog::check(ctx, call)?;
    hidden(ctx, tx, &call.path)?;
    let path: Vec<&str> = call.path.iter().map(String::as_str).collect();
    if let Some(answer) = interface::answer(ctx, tx, call, &path) {
        return answer;
    }
    if let ["tooling", "sobjects", _, ..] = path[..] {
        let (ctx, call) = tooling::mirrored(ctx, call)?;
        return read(&ctx, tx, &call);
    }
    match path[..] {
        [] => Ok(catalog::resources(ctx)),
        ["apps", "oauth", ref below @ ..] => crate::oauth::consumer::read(ctx, below, &call.query),
        ["limits"] => Ok(limits::limits(ctx, tx)),
        ["limits", "recordCount"] => Ok(limits::record_count(ctx, tx, call.query.get("sObjects"))),
        ["sobjects"] => Ok(describe::global(ctx, call)),
        ["sobjects", object] => describe::basic(ctx, tx, object),
        ["sobjects", object, "describe"] => describe::describe(ctx, tx, call, object),
        ["sobjects", object, "updated"] => replicate::updated(ctx, tx, object, &call.query),
        ["sobjects", object, "deleted"] => replicate::deleted(ctx, tx, object, &call.query),
        ["sobjects", object, id] => rows::get(ctx, tx, call, object, id),
        ["sobjects", "Global", "describe", "layouts"] => Ok(layout::global()),
        ["sobjects", object, "describe", "layouts"] => layout::layouts(ctx, tx, object, None),
        ["sobjects", object, "describe", "layouts", kind] => layout::layouts(ctx, tx, object, Some(kind)),
        ["sobjects", object, "describe", "compactLayouts"] => layout::compact(ctx, tx, object, false),
        ["sobjects", object, "describe", "compactLayouts", "primary"] => layout::compact(ctx, tx, object, true),
        ["sobjects", object, "describe", "approvalLayouts"] => layout::approval(tx, object),
        ["compactLayouts"] => layout::compact_of_several(tx, call.query.get("q").unwrap_or_default()),
        ["recent"] => recent::all(ctx, tx, call),
        ["sobjects", object, id, "richTextImageFields", field, reference] => {
            rich_text::get(tx, object, id, field, reference)
        }
        ["sobjects", name, id, ref below @ ..] if below.len() > 1 => {
            let object = object(tx, name)?;
            related::get(ctx, tx, call, &object, id, below)
        }
        ["sobjects", object, field, value] => external::get(ctx, tx, call, object, field, value),
        ["query"] => query::first(ctx, tx, call, query::Kind::default()),
        ["queryAll"] => query::first(ctx, tx, call, query::Kind { all: true, tooling: false }),
        ["query" | "queryAll", locator] => query::next(ctx, tx, call, locator),
        ["search"] => search::sosl(ctx, tx, &call.query),
        ["search", "suggestions"] => search::suggestions(ctx, tx, &call.query),
        ["search", "scopeOrder"] => Ok(search::scope_order(ctx, tx)),
        ["search", "layout"] => search::layout(tx, &call.query),
        ["parameterizedSearch"] => search::parameterized(ctx, tx, &call.query),
        ["tooling"] => Ok(tooling::resources(ctx)),
        ["tooling", "sobjects"] => Ok(tooling::global(ctx, tx)),
        ["tooling", "search"] => search::sosl(ctx, tx, &call.query),
        ["tooling", "query"] => query::first(ctx, tx, call, query::Kind { all: false, tooling: true }),
        ["tooling", "query", locator] => query::next(ctx, tx, call, locator),
        ["tooling", ..] => Err(tooling::unknown(&path)),
        _ => Err(catalog::unknown(&call.path)),
    }
}

/// Answers any other method.
fn write(ctx: &Ctx, tx: &mut Tx<'_>, call: &Call) -> Result<Answer, ApiError> {
    catalog::check(ctx, call)?;
    hidden(ctx, tx, &call.path)?;
    if let [first, second, _, ..] = &call.path[..]
        && first == "tooling"
        && second == "sobjects"
    {
        let (ctx, call) = tooling::mirrored(ctx, call)?;
        return write(&ctx, tx, &call);
    }
    match (call.method.as_str(), &call.path.iter().map(String::as_str).collect::<Vec<_>>()[..]) {
        ("POST", ["parameterizedSearch"]) => search::parameterized_body(ctx, tx, call),
        ("POST", ["sobjects", object]) => rows::create(ctx, tx, call, object),
        ("POST", ["sobjects", object, id]) if id.eq_ignore_ascii_case("Id") => rows::create(ctx, tx, call, object),
        ("PATCH", ["sobjects", object, id]) => rows::update(ctx, tx, call, object, id),
        ("DELETE", ["sobjects", object, id]) => rows::delete(ctx, tx, call, object, id),
        ("PATCH", ["sobjects", object, field, value]) => external::upsert(ctx, tx, call, object, field, value),
        ("POST", ["knowledgeManagement", "articleVersions", "masterVersions"]) => knowledge::edit(ctx, tx, call),
        ("DELETE", ["knowledgeManagement", "articleVersions", "masterVersions", id]) => knowledge::delete(ctx, tx, id),
        ("PATCH", ["knowledgeManagement", "articleVersions", "masterVersions", id]) => {
            knowledge::publish(ctx, tx, call, id)
        }
        ("DELETE", ["sobjects", object, field, value]) => external::delete(ctx, tx, call, object, field, value),
        ("PATCH" | "DELETE", ["sobjects", name, id, below @ ..]) if below.len() > 1 => {
            let object = object(tx, name)?;
            related::write(ctx, tx, call, &object, id, below)
        }
        (_, path @ ["tooling", ..]) => Err(tooling::unknown(path)),
        _ => Err(catalog::unknown(&call.path)),
    }
}

/// 404 for objects and rows that the caller may not see, like for those that are not there.
pub(crate) fn hidden(ctx: &Ctx, tx: &Tx<'_>, path: &[String]) -> Result<(), ApiError> {
    let ["sobjects", name, rest @ ..] = &path.iter().map(String::as_str).collect::<Vec<_>>()[..] else { return Ok(()) };
    let Some(object) = tx.schema.object(name) else { return Ok(()) };
    if !ctx.caller.sees(object) {
        return Err(ApiError::not_found());
    }
    match rest.first().filter(|text| crate::id::valid(text)).and_then(|text| crate::id::to18(text)) {
        Some(id) if tx.row(object, &id).is_some() && !allows(tx, &ctx.caller, object, &id, Level::Read) => {
            Err(ApiError::not_found())
        }
        _ => Ok(()),
    }
}

/// The object of a path, in any case.
///
/// # Errors
/// 404
pub(crate) fn object(tx: &Tx<'_>, name: &str) -> Result<std::sync::Arc<crate::schema::Object>, ApiError> {
    tx.schema.object(name).cloned().ok_or_else(ApiError::not_found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_have_their_names() {
        // salesforce-api.md 0 and 2.2: 60.0 is Spring '24, 67.0 Summer '26; ascending from 31.0.
        let Some(Value::Array(list)) = versions(&Method::GET).into_json() else { panic!("a list") };
        assert_eq!(list[0]["version"], "31.0");
        assert_eq!(list[29], json!({"label": "Spring '24", "url": "/services/data/v60.0", "version": "60.0"}));
        assert_eq!(list[36]["label"], "Summer '26");
        assert_eq!(list[34]["label"], "Winter '26");
        assert_eq!(list.len(), 37);
    }

    #[test]
    fn retired_versions_are_gone() {
        assert_eq!(checked_version("v30.0").unwrap_err().status, 410);
        assert_eq!(checked_version("v68.0").unwrap_err().status, 404);
        assert_eq!(checked_version("latest").unwrap_err().status, 404);
        assert_eq!(checked_version("v67.0").unwrap(), "67.0");
    }
}
