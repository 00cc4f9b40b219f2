// SPDX-License-Identifier: Apache-2.0
//! The Metadata API over SOAP (`salesforce-api.md` 4.1): `/services/Soap/m/67.0`.
//!
//! Requests are matched by local names in any case, because clients call the same things differently (`request` and
//! `retrieveRequest`, `ZipFile` and `zipFile`); answers have the envelope prefixed and the payload not. Elements stand in the
//! order of the WSDL. Faults have a code and a text and no detail, as this API's have.

mod answer;
mod components;
mod files;

use std::sync::Arc;

pub(super) use answer::status;

use super::xml::{self, NAMESPACE, Node};
use crate::Emulator;
use crate::answer::Answer;
use crate::ctx::Ctx;
use crate::org::Org;
use crate::rest::checked_version;

/// A refused call: code and text.
pub(super) type Fault = (String, String);

fn fault(code: &str, text: impl Into<String>) -> Fault {
    (code.to_owned(), text.into())
}

/// The operation of a call, with its header.
pub(super) struct Call<'a> {
    pub ctx: &'a Ctx,
    pub header: &'a Node,
    pub operation: &'a Node,
}

impl Call<'_> {
    /// The first child of the operation with one of these names, in any case.
    fn child(&self, names: &[&str]) -> Option<&Node> {
        child(self.operation, names)
    }

    /// The text of such a child, empty when there is none.
    fn text(&self, names: &[&str]) -> &str {
        self.child(names).map_or("", |child| child.text.trim())
    }

    /// Whether one refused component undoes all.
    fn all_or_none(&self) -> bool {
        child(self.header, &["AllOrNoneHeader"]).is_some_and(|header| header.is_true("allOrNone"))
    }
}

fn child<'a>(node: &'a Node, names: &[&str]) -> Option<&'a Node> {
    node.children.iter().find(|child| names.iter().any(|name| child.name.eq_ignore_ascii_case(name)))
}

/// The text of a child in any case, empty when there is none.
fn text_of<'a>(node: &'a Node, name: &str) -> &'a str {
    child(node, &[name]).map_or("", |child| child.text.trim())
}

/// Answers a request; says whose it was, where that is known.
pub(crate) async fn route(
    emulator: &Emulator,
    body: &[u8],
    version: &str,
    base_url: &str,
) -> (Answer, Option<Arc<Org>>, Option<String>) {
    let envelope = std::str::from_utf8(body).ok().and_then(|text| xml::parse(text).ok());
    let Some(envelope) = envelope else {
        let refused = fault("", "The request is not a well-formed SOAP envelope");
        return (answer_fault(&refused), None, None);
    };
    let version = checked_version(&format!("v{version}")).or_else(|_| checked_version(&format!("v{version}.0")));
    let Ok(version) = version else {
        return (answer_fault(&fault("UNSUPPORTED_API_VERSION", "Unsupported API version")), None, None);
    };
    let nothing = Node::default();
    let header = child(&envelope, &["Header"]).unwrap_or(&nothing);
    let operation = child(&envelope, &["Body"]).and_then(|body| body.children.first()).unwrap_or(&nothing);
    let token = child(header, &["SessionHeader"]).map(|session| text_of(session, "sessionId")).unwrap_or_default();
    let ctx = match context(emulator, token, version, base_url) {
        Ok(ctx) => ctx,
        Err((refused, org)) => return (answer_fault(&refused), org, None),
    };
    let (org, user_id) = (ctx.org.clone(), ctx.caller.user_id.clone());
    let call = Call { ctx: &ctx, header, operation };
    let answer = match answer(&call).await {
        Ok(payload) => envelope_of(&operation.name, &payload),
        Err(refused) => answer_fault(&refused),
    };
    (answer, Some(org), Some(user_id))
}

/// The session of the call: its user needs the API, and one of two permissions for whatever this API does.
fn context(
    emulator: &Emulator,
    token: &str,
    version: String,
    base_url: &str,
) -> Result<Ctx, (Fault, Option<Arc<Org>>)> {
    let ended = || {
        let text =
            "Invalid Session ID found in SessionHeader: Illegal Session. Session not found, missing session key: ";
        (fault("INVALID_SESSION_ID", format!("{text}{token}")), None)
    };
    let (org, session) = emulator.session_of(token).ok_or_else(ended)?;
    let mut caller = org.caller(&session.user_id);
    if !caller.can("ApiEnabled") {
        let text = "API is not enabled for this Organization or Partner";
        return Err((fault("API_DISABLED_FOR_ORG", text), Some(org)));
    }
    if !org.faces.take_call(org.clock().now()) {
        return Err((fault("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."), Some(org)));
    }
    if !super::may_use(&caller) {
        return Err((fault("INSUFFICIENT_ACCESS", super::NO_ACCESS), Some(org)));
    }
    caller.session = Some(token.to_owned());
    Ok(Ctx {
        emulator: emulator.clone(),
        org,
        caller,
        version,
        headers: http::HeaderMap::new(),
        base_url: base_url.to_owned(),
        session: token.to_owned(),
    })
}

async fn answer(call: &Call<'_>) -> Result<String, Fault> {
    match call.operation.name.as_str() {
        "describeMetadata" => Ok(answer::describe()),
        "describeValueType" => components::describe_value_type(call),
        "listMetadata" => answer::list(call),
        "deploy" => files::deploy(call),
        "checkDeployStatus" => files::check_deploy(call).await,
        "cancelDeploy" => files::cancel(call).await,
        "deployRecentValidation" => files::quick_deploy(call).await,
        "retrieve" => files::retrieve(call),
        "checkRetrieveStatus" => files::check_retrieve(call).await,
        "checkStatus" => files::check_status(call).await,
        "readMetadata" => components::read(call),
        "createMetadata" | "updateMetadata" | "upsertMetadata" => components::write(call),
        "deleteMetadata" => components::delete(call),
        "renameMetadata" => components::rename(call),
        name => Err(fault("", format!("No operation available for request {{{NAMESPACE}}}{name}"))),
    }
}

const CONTENT_TYPE: &str = "text/xml;charset=UTF-8";

fn envelope_of(operation: &str, payload: &str) -> Answer {
    let content = match payload {
        "" => format!("<{operation}Response/>"),
        payload => format!("<{operation}Response>{payload}</{operation}Response>"),
    };
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope \
         xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns=\"{NAMESPACE}\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\">\
         <soapenv:Body>{content}</soapenv:Body></soapenv:Envelope>"
    );
    Answer::bytes(200, CONTENT_TYPE, text)
}

fn answer_fault((code, text): &Fault) -> Answer {
    let escape = |text: &str| quick_xml::escape::escape(text).into_owned();
    let (code, text) = match code.as_str() {
        "" => ("soapenv:Client".to_owned(), escape(text)),
        code => (format!("sf:{}", escape(code)), format!("{}: {}", escape(code), escape(text))),
    };
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope \
         xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns:sf=\"{NAMESPACE}\"><soapenv:Body>\
         <soapenv:Fault><faultcode>{code}</faultcode><faultstring>{text}</faultstring></soapenv:Fault></soapenv:Body></soapenv:Envelope>"
    );
    Answer::bytes(500, CONTENT_TYPE, text)
}
