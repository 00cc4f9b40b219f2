// SPDX-License-Identifier: Apache-2.0
//! Reading what an org says when it does not do what was asked, and deciding what kind of error that is.
//!
//! Bodies come as a JSON array (REST, Bulk 2.0), a JSON object (OAuth, parts of composite), XML (SOAP) or, from the
//! machines in front of the org, as HTML, of which nothing is repeated (`salesforce-api.md` 1.4, 1.8, 2.1, 6.6).

use futures::StreamExt;
use http::StatusCode;
use http::header::LOCATION;
use serde::Deserialize;
use serde_json::Value;

use crate::error::{Error, Kind, Refusal};
use crate::transport::{Response, SendError};

/// An error body is small; of a page that is not, the rest says nothing new.
const MOST_BYTES: usize = 256 * 1024;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OneError {
    #[serde(alias = "statusCode")]
    error_code: Option<String>,
    #[serde(default)]
    message: String,
    #[serde(default)]
    fields: Vec<String>,
}

/// Reads the body of an answer that is not a success.
pub(crate) async fn read(mut response: Response) -> Result<Refusal, SendError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.body.next().await {
        body.extend_from_slice(&chunk?);
        if body.len() > MOST_BYTES {
            break;
        }
    }
    let mut refusal = parse(response.status, &body);
    if response.status.is_redirection()
        && let Some(place) = response.headers.get(LOCATION).and_then(|place| place.to_str().ok())
    {
        refusal.message = format!("the answer is a redirect to {place}");
    }
    Ok(refusal)
}

pub(crate) fn parse(http_status: StatusCode, body: &[u8]) -> Refusal {
    let mut refusal = Refusal { http_status, error_code: None, message: String::new(), fields: Vec::new() };
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    if text.starts_with('[') || text.starts_with('{') {
        if let Ok(value) = serde_json::from_str::<Value>(text) {
            parse_json(&mut refusal, &value);
        }
    } else if text.contains("<faultcode>") || text.contains("<faultcode ") {
        let code = tag(text, "faultcode").unwrap_or_default();
        let code = code.rsplit(':').next().unwrap_or_default();
        refusal.message = tag(text, "faultstring").unwrap_or_default();
        refusal.error_code = (!code.is_empty()).then(|| code.to_owned());
    } else if text.contains("<errorCode>") {
        refusal.error_code = tag(text, "errorCode");
        refusal.message = tag(text, "message").unwrap_or_default();
    } else if !text.starts_with('<') && text.len() < 200 && text.contains('_') && !text.contains(char::is_whitespace) {
        // userinfo: `Bad_OAuth_Token`
        refusal.error_code = Some(text.to_owned());
    }
    refusal
}

fn parse_json(refusal: &mut Refusal, value: &Value) {
    let first = value.get(0).unwrap_or(value);
    if let Some(error) = first.get("error").and_then(Value::as_str) {
        refusal.error_code = Some(error.to_owned());
        refusal.message = first.get("error_description").and_then(Value::as_str).unwrap_or_default().to_owned();
    } else if refusal.http_status == StatusCode::MULTIPLE_CHOICES {
        refusal.message = "several records have this external id".to_owned();
    } else if let Ok(error) = OneError::deserialize(first) {
        (refusal.error_code, refusal.message, refusal.fields) = (error.error_code, error.message, error.fields);
    }
}

/// The text of an element of a fault, whose values never hold markup but may hold entities.
fn tag(xml: &str, name: &str) -> Option<String> {
    let start = xml.find(&format!("<{name}>"))? + name.len() + 2;
    let end = start + xml[start..].find(&format!("</{name}>"))?;
    let text = quick_xml::escape::unescape(&xml[start..end]).ok()?;
    Some(text.into_owned())
}

/// Whether the session has ended, so that a new one may help (`salesforce-api.md` 1.8).
pub(crate) fn session_ended(refusal: &Refusal) -> bool {
    refusal.http_status == StatusCode::UNAUTHORIZED
        || matches!(refusal.error_code.as_deref(), Some("INVALID_SESSION_ID"))
}

/// Whether the same request may succeed in a while, although the org answered.
pub(crate) fn passes(refusal: &Refusal, is_get: bool) -> bool {
    match refusal.error_code.as_deref() {
        // Too many long requests at once; the daily allowance has the same code and does not pass.
        Some("REQUEST_LIMIT_EXCEEDED") => return refusal.message.contains("Concurrent"),
        Some("UNABLE_TO_LOCK_ROW" | "SERVER_UNAVAILABLE") => return true,
        // A failed query fails again; a SOAP fault is an answer.
        Some("QUERY_TIMEOUT" | "REQUEST_RUNNING_TOO_LONG") => return false,
        _ => {}
    }
    match refusal.http_status.as_u16() {
        420 | 429 | 502 | 503 | 504 => true,
        500 => is_get,
        // Seen for moments, without body.
        406 => is_get && refusal.error_code.is_none(),
        _ => false,
    }
}

/// Whether the org certainly did nothing: it turned the request away, or rolled it back and says why.
pub(crate) fn had_no_effect(refusal: &Refusal) -> bool {
    refusal.http_status.as_u16() < 500
        || !matches!(refusal.error_code.as_deref(), None | Some("UNKNOWN_EXCEPTION" | "SERVER_UNAVAILABLE"))
}

/// The error for a refusal by the org's APIs.
pub(crate) fn error(doing: &str, refusal: Refusal) -> Error {
    let (kind, hint) = classify(&refusal);
    let mut error = Error::new(kind, doing, "");
    if refusal.error_code.is_none() && refusal.message.is_empty() {
        error.what = "the org gave no reason".to_owned();
    }
    error.hint = hint.map(Into::into);
    error.org = Some(Box::new(refusal));
    error
}

fn classify(refusal: &Refusal) -> (Kind, Option<&'static str>) {
    let status = refusal.http_status.as_u16();
    match refusal.error_code.as_deref().unwrap_or_default() {
        "INVALID_SESSION_ID" | "Bad_OAuth_Token" | "Missing_OAuth_Token" | "INVALID_AUTH_HEADER" => {
            (Kind::Denied, Some("the session has ended or was revoked: connect again"))
        }
        "API_DISABLED" | "API_CURRENTLY_DISABLED" | "API_DISABLED_FOR_ORG" => (
            Kind::Denied,
            Some(
                "give the user a permission set with \"API Enabled\"; Professional Edition needs API access as an add-on",
            ),
        ),
        "REQUEST_LIMIT_EXCEEDED" => (
            Kind::Limited,
            Some(
                "the org's API requests of the last 24 hours are used up; see Setup > Company Information > API Requests, Last 24 Hours",
            ),
        ),
        "LIMIT_EXCEEDED" | "EXCEEDED_ID_LIMIT" | "TOO_MANY_APEX_REQUESTS" | "rate_limit_exceeded" => {
            (Kind::Limited, None)
        }
        "STORAGE_LIMIT_EXCEEDED" => (Kind::Limited, Some("the org has no storage left; see Setup > Storage Usage")),
        "INSUFFICIENT_ACCESS"
        | "INSUFFICIENT_ACCESS_OR_READONLY"
        | "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY"
        | "FUNCTIONALITY_NOT_ENABLED"
        | "OPERATION_NOT_ALLOWED" => (Kind::Denied, None),
        "NOT_FOUND" | "INVALID_TYPE" | "ENTITY_IS_DELETED" => (Kind::NotFound, None),
        "UNABLE_TO_LOCK_ROW" | "ENTITY_IS_LOCKED" => (Kind::Busy, None),
        "ORG_LOCKED"
        | "ORG_IN_MAINTENANCE"
        | "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE"
        | "SERVER_UNAVAILABLE"
        | "UNKNOWN_EXCEPTION"
        | "QUERY_TIMEOUT"
        | "REQUEST_RUNNING_TOO_LONG" => (Kind::Unreachable, None),
        _ => match status {
            300..=399 => (Kind::Invalid, Some("use the address that the org redirects to")),
            401 | 403 => (Kind::Denied, None),
            404 | 410 => (Kind::NotFound, None),
            409 => (Kind::Busy, None),
            429 => (Kind::Limited, None),
            406 | 420 => (Kind::Unreachable, None),
            // A SOAP fault, which has this status whatever is wrong.
            500 if refusal.error_code.is_some() => (Kind::Invalid, None),
            500.. => (Kind::Unreachable, Some("the org is not available at the moment; see status.salesforce.com")),
            _ => (Kind::Invalid, None),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_of_every_family_are_read() {
        let rest = parse(
            StatusCode::UNAUTHORIZED,
            br#"[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]"#,
        );
        assert_eq!(rest.error_code.as_deref(), Some("INVALID_SESSION_ID"));
        assert!(session_ended(&rest));

        let soap = parse(
            StatusCode::INTERNAL_SERVER_ERROR,
            b"<soapenv:Envelope><soapenv:Body><soapenv:Fault><faultcode>sf:INVALID_SESSION_ID</faultcode>\
              <faultstring>INVALID_SESSION_ID: Invalid Session ID &amp; more</faultstring></soapenv:Fault></soapenv:Body></soapenv:Envelope>",
        );
        assert_eq!(soap.error_code.as_deref(), Some("INVALID_SESSION_ID"));
        assert_eq!(soap.to_string(), "INVALID_SESSION_ID: Invalid Session ID & more");

        let oauth = parse(
            StatusCode::BAD_REQUEST,
            br#"{"error":"invalid_grant","error_description":"authentication failure"}"#,
        );
        assert_eq!(
            (oauth.error_code.as_deref(), oauth.message.as_str()),
            (Some("invalid_grant"), "authentication failure")
        );

        let identity = parse(StatusCode::FORBIDDEN, b"Bad_OAuth_Token");
        assert_eq!(identity.error_code.as_deref(), Some("Bad_OAuth_Token"));
    }

    #[test]
    fn an_html_page_is_no_reason() {
        let page = parse(StatusCode::SERVICE_UNAVAILABLE, b"<html><body>Down for <b>Maintenance</b></body></html>");
        assert!(passes(&page, false));
        let error = error("describing Account", page);
        assert_eq!(error.kind, Kind::Unreachable);
        assert_eq!(error.to_string(), "describing Account: the org gave no reason: HTTP 503 Service Unavailable");
    }

    #[test]
    fn the_daily_limit_does_not_pass_but_the_concurrent_one_does() {
        let of = |message: &str| {
            parse(
                StatusCode::FORBIDDEN,
                format!(r#"[{{"message":"{message}","errorCode":"REQUEST_LIMIT_EXCEEDED"}}]"#).as_bytes(),
            )
        };
        assert!(!passes(&of("TotalRequests Limit exceeded."), true));
        assert!(passes(&of("ConcurrentRequests (Concurrent API Requests) Limit exceeded."), true));
        assert_eq!(error("querying", of("TotalRequests Limit exceeded.")).kind, Kind::Limited);
    }

    #[test]
    fn a_missing_permission_is_named() {
        let disabled = parse(
            StatusCode::FORBIDDEN,
            br#"[{"message":"API is not enabled for this Organization or Partner","errorCode":"API_DISABLED_FOR_ORG"}]"#,
        );
        let error = error("connecting", disabled);
        assert_eq!(error.kind, Kind::Denied);
        assert!(error.hint.unwrap().contains("API Enabled"));
    }
}
