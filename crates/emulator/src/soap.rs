// SPDX-License-Identifier: Apache-2.0
//! The SOAP API as far as REST has no answer to it: `login`, `undelete`, `emptyRecycleBin`, and the small calls around
//! them (`salesforce-api.md` 1.7, 6.7).
//!
//! Requests are matched by local names, because every client has its own prefixes; answers have the envelope prefixed and
//! the payload not, because clients parse them with patterns (`salesforce-api.md` 8). Every error is a fault with
//! status 500. What is not known is refused, as the real server refuses an operation that its WSDL lacks.

mod calls;
mod login;
mod query;
mod xml;

use std::sync::Arc;

use crate::Emulator;
use crate::answer::Answer;
use crate::ctx::Ctx;
use crate::error::ApiError;
use crate::org::Org;
use crate::request::Request;
use crate::rest::checked_version;

use xml::{Element, escape};

const CONTENT_TYPE: &str = "text/xml;charset=UTF-8";

/// A refused call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    code: String,
    message: String,
    /// The type of the detail: `LoginFault`, `UnexpectedErrorFault`, …
    kind: &'static str,
    /// `faultcode` with the `sf:` prefix; login faults come without.
    prefixed: bool,
}

impl Fault {
    fn new(code: &str, message: impl Into<String>) -> Fault {
        Fault { code: code.into(), message: message.into(), kind: "UnexpectedErrorFault", prefixed: true }
    }

    fn login(code: &str, message: &str) -> Fault {
        Fault { code: code.into(), message: message.into(), kind: "LoginFault", prefixed: false }
    }

    /// jsforce finds an ended session by `<faultcode>sf:INVALID_SESSION_ID</faultcode>` (`salesforce-api.md` 1.8).
    fn session(token: &str) -> Fault {
        let text = format!(
            "Invalid Session ID found in SessionHeader: Illegal Session. Session not found, missing session key: {token}"
        );
        Fault::new("INVALID_SESSION_ID", text)
    }
}

impl From<ApiError> for Fault {
    fn from(error: ApiError) -> Fault {
        let kind = match error.code.as_str() {
            "MALFORMED_QUERY" => "MalformedQueryFault",
            "INVALID_FIELD" => "InvalidFieldFault",
            "INVALID_TYPE" => "InvalidSObjectFault",
            "INVALID_QUERY_LOCATOR" => "InvalidQueryLocatorFault",
            _ => "UnexpectedErrorFault",
        };
        Fault { code: error.code, message: error.message, kind, prefixed: true }
    }
}

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
        Ok(payload) => envelope(kind, &limit_header(&ctx), &payload),
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
    let envelope = xml::parse(body).ok_or_else(|| Fault {
        code: "Client".into(),
        message: "The request is not a well-formed SOAP envelope".into(),
        kind: "",
        prefixed: true,
    })?;
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
    let (org, session) = call.emulator.session_of(&token).ok_or_else(|| (Fault::session(&token), None))?;
    let mut caller = org.caller(&session.user_id);
    if !caller.can("ApiEnabled") {
        let text = "API is not enabled for this Organization or Partner";
        return Err((Fault::new("API_DISABLED_FOR_ORG", text), Some(org)));
    }
    if !org.faces.take_call(org.clock().now()) {
        return Err((Fault::new("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."), Some(org)));
    }
    caller.session = Some(token.clone());
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

fn envelope(kind: &str, header: &str, payload: &str) -> Answer {
    let header = if header.is_empty() { String::new() } else { format!("<soapenv:Header>{header}</soapenv:Header>") };
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope \
         xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns=\"{}\" \
         xmlns:sf=\"urn:sobject.partner.soap.sforce.com\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\
         {header}<soapenv:Body>{payload}</soapenv:Body></soapenv:Envelope>",
        namespace(kind)
    );
    Answer::bytes(200, CONTENT_TYPE, text)
}

fn fault(fault: &Fault, kind: &str) -> Answer {
    let (code, message) = (escape(&fault.code), escape(&fault.message));
    let faults = match kind {
        "c" => "urn:fault.enterprise.soap.sforce.com",
        "m" => "http://soap.sforce.com/2006/04/metadata",
        "T" => "urn:fault.tooling.soap.sforce.com",
        _ => "urn:fault.partner.soap.sforce.com",
    };
    let (fault_code, fault_text, detail) = if fault.kind.is_empty() {
        (format!("soapenv:{code}"), message.clone(), String::new())
    } else {
        let prefix = if fault.prefixed { "sf:" } else { "" };
        let detail = format!(
            "<detail><sf:{0} xsi:type=\"sf:{0}\"><sf:exceptionCode>{code}</sf:exceptionCode>\
             <sf:exceptionMessage>{message}</sf:exceptionMessage></sf:{0}></detail>",
            fault.kind
        );
        (format!("{prefix}{code}"), format!("{code}: {message}"), detail)
    };
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope \
         xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns:sf=\"{faults}\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><soapenv:Body><soapenv:Fault>\
         <faultcode>{fault_code}</faultcode><faultstring>{fault_text}</faultstring>{detail}</soapenv:Fault></soapenv:Body></soapenv:Envelope>"
    );
    Answer::bytes(500, CONTENT_TYPE, text)
}
