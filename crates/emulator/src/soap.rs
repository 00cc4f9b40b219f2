// SPDX-License-Identifier: Apache-2.0
//! The SOAP APIs: the partner API whole, the enterprise API as far as signing in needs it, the tooling API's queries and
//! describes, and what the Apex API says where there is no Apex (`salesforce-api.md` 1.7, 1.8, 4.1, 6.7).
//!
//! What a call does is the same as through REST: records are saved by [`crate::record`], statements run by [`crate::soql`],
//! describes and spans of changes are REST's answers written as XML in the order of the WSDL. Requests are matched by local names, because every client has its own prefixes; answers have the envelope prefixed and
//! the payload not, because clients parse them with patterns (`salesforce-api.md` 8). Every error is a fault with
//! status 500. What is not known is refused, as the real server refuses an operation that its WSDL lacks.

mod apex;
mod calls;
mod conversion;
mod describe;
mod faults;
mod header;
mod layout;
mod login;
mod password;
mod query;
mod refused;
mod replicate;
mod resource;
mod retrieve;
mod save;
mod search;
mod sobject;
mod xml;

use std::sync::Arc;

use crate::Emulator;
use crate::answer::Answer;
use crate::ctx::Ctx;
use crate::org::Org;
use crate::request::Request;
use crate::rest::checked_version;

pub(crate) use faults::{Fault, fault};
use xml::Element;

const CONTENT_TYPE: &str = "text/xml;charset=UTF-8";

/// A call in its setting: which API, which version, from which address.
pub(crate) struct Call<'a> {
    emulator: &'a Emulator,
    /// `u` partner, `c` enterprise.
    kind: &'a str,
    /// `59.0`.
    version: String,
    base_url: &'a str,
    header: Element,
    operation: Element,
}

/// Answers a request below `/services/Soap`; says whose it was, where that is known.
pub(crate) async fn route(
    emulator: &Emulator,
    mut request: Request,
    below: &[&str],
    base_url: &str,
) -> (Answer, Option<Arc<Org>>, Option<String>) {
    if request.method != http::Method::POST {
        return (Answer::page(405, "<h1>HTTP method not supported</h1>".into()), None, None);
    }
    let body = match request.body_bytes().await {
        Ok(body) => body,
        Err(error) => return (fault(&error.into(), "u"), None, None),
    };
    let [kind, version, ..] = below else {
        return (fault(&Fault::new("UNSUPPORTED_API_VERSION", "Unsupported API version"), "u"), None, None);
    };
    if *kind == "m" {
        return crate::metadata::soap::route(emulator, &body, version, base_url).await;
    }
    let call = match read(emulator, kind, version, base_url, &body) {
        Ok(call) => call,
        Err(refused) => return (fault(&refused, kind), None, None),
    };
    if call.operation.name == "login" && matches!(*kind, "u" | "c") {
        return match login::login(&call) {
            Ok((payload, org, user_id)) => (envelope(kind, "", &payload), Some(org), Some(user_id)),
            Err(refused) => (fault(&refused, kind), None, None),
        };
    }
    let ctx = match context(&call) {
        Ok(ctx) => ctx,
        Err((refused, org)) => return (fault(&refused, kind), org, None),
    };
    let (org, user_id) = (ctx.org.clone(), ctx.caller.user_id.clone());
    let answer = match calls::answer(&ctx, &call) {
        Ok(payload) => envelope(kind, &answer_headers(&ctx, &call), &payload),
        Err(refused) => fault(&refused, kind),
    };
    (answer, Some(org), Some(user_id))
}

fn read<'a>(
    emulator: &'a Emulator,
    kind: &'a str,
    version: &str,
    base_url: &'a str,
    body: &[u8],
) -> Result<Call<'a>, Fault> {
    let version = checked_version(&format!("v{version}")).or_else(|_| checked_version(&format!("v{version}.0")));
    let version = version.map_err(|_| Fault::new("UNSUPPORTED_API_VERSION", "Unsupported API version"))?;
    let envelope = xml::parse(body).ok_or_else(|| Fault::client("The request is not a well-formed SOAP envelope"))?;
    let mut parts = envelope.children.into_iter();
    let (mut header, mut operation) = (Element::default(), None);
    for part in &mut parts {
        match part.name.as_str() {
            "Header" => header = part,
            "Body" => operation = part.children.into_iter().next(),
            _ => {}
        }
    }
    let operation = operation.ok_or_else(|| Fault::new("UNKNOWN_EXCEPTION", "No operation in the SOAP body"))?;
    Ok(Call { emulator, kind, version, base_url, header, operation })
}

/// The session of the call, checked like REST's: session, permission, allowance.
fn context(call: &Call<'_>) -> Result<Ctx, (Fault, Option<Arc<Org>>)> {
    let token = call.header.find("SessionHeader").map(|header| header.text_of("sessionId")).unwrap_or_default();
    let (org, session) =
        call.emulator.session_at(&token, call.base_url).ok_or_else(|| (Fault::session(&token), None))?;
    if token.starts_with("eyJ") {
        // SOAP takes no access tokens that are JWTs (`salesforce-api.md` 1.4).
        return Err((Fault::session(&token), Some(org)));
    }
    if !session.is_for_apis() {
        let text = "This session is not valid for use with the API";
        return Err((Fault::new("INVALID_SESSION_ID", text), Some(org)));
    }
    let mut caller = org.caller(&session.user_id);
    if !caller.has_api() || !caller.can("ApiEnabled") {
        let text = "API is not enabled for this Organization or Partner";
        return Err((Fault::new("API_DISABLED_FOR_ORG", text), Some(org)));
    }
    if !org.faces.take_call(org.clock().now()) {
        return Err((Fault::new("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."), Some(org)));
    }
    caller.session = Some(token.clone());
    header::apply(call, &mut caller);
    Ok(Ctx {
        emulator: call.emulator.clone(),
        org,
        caller,
        version: call.version.clone(),
        headers: http::HeaderMap::new(),
        base_url: call.base_url.to_owned(),
        session: token,
    })
}

/// The partner, enterprise and tooling APIs tell the usage; the Apex API gives the log that was asked for.
fn answer_headers(ctx: &Ctx, call: &Call<'_>) -> String {
    match call.kind {
        "s" => call.header.find("DebuggingHeader").map(|_| apex::debugging_info()).unwrap_or_default(),
        "m" => String::new(),
        _ => limit_header(ctx),
    }
}

fn limit_header(ctx: &Ctx) -> String {
    let (used, max) = ctx.org.daily_usage();
    format!(
        "<LimitInfoHeader><limitInfo><current>{used}</current><limit>{max}</limit><type>API REQUESTS</type></limitInfo>\
         </LimitInfoHeader>"
    )
}

fn namespace(kind: &str) -> &'static str {
    match kind {
        "c" => "urn:enterprise.soap.sforce.com",
        "m" => "http://soap.sforce.com/2006/04/metadata",
        "T" => "urn:tooling.soap.sforce.com",
        "s" => "http://soap.sforce.com/2006/08/apex",
        _ => "urn:partner.soap.sforce.com",
    }
}

/// The namespace of records, as the prefix `sf` names it.
fn record_namespace(kind: &str) -> &'static str {
    match kind {
        "c" => "urn:sobject.enterprise.soap.sforce.com",
        "T" => "urn:sobject.tooling.soap.sforce.com",
        _ => "urn:sobject.partner.soap.sforce.com",
    }
}

fn envelope(kind: &str, header: &str, payload: &str) -> Answer {
    let header = if header.is_empty() { String::new() } else { format!("<soapenv:Header>{header}</soapenv:Header>") };
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope \
         xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns=\"{}\" \
         xmlns:sf=\"{}\" xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\
         {header}<soapenv:Body>{payload}</soapenv:Body></soapenv:Envelope>",
        namespace(kind),
        record_namespace(kind)
    );
    Answer::bytes(200, CONTENT_TYPE, text)
}
