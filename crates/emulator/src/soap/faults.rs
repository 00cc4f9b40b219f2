// SPDX-License-Identifier: Apache-2.0
//! Refused calls: faults with status 500, their types by code as the WSDL has them, and where in a statement the error lies.
//!
//! Texts are recorded ones where a recording is public; `salesforce-api.md` 1.7 and 1.8 have login's and the session's.

use crate::answer::Answer;
use crate::error::ApiError;

use super::xml::{escape, tag};

/// A refused call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(super) code: String,
    pub(super) message: String,
    /// The type of the detail: `LoginFault`, `UnexpectedErrorFault`, …; empty for a fault of SOAP itself.
    pub(super) kind: &'static str,
    /// `faultcode` with the `sf:` prefix; login faults come without.
    pub(super) prefixed: bool,
}

impl Fault {
    pub(crate) fn new(code: &str, message: impl Into<String>) -> Fault {
        Fault { code: code.into(), message: message.into(), kind: kind_of(code), prefixed: true }
    }

    pub(crate) fn login(code: &str, message: &str) -> Fault {
        Fault { code: code.into(), message: message.into(), kind: "LoginFault", prefixed: false }
    }

    /// The client's mistake in SOAP itself: no envelope, no such operation.
    pub(crate) fn client(message: impl Into<String>) -> Fault {
        Fault { code: "Client".into(), message: message.into(), kind: "", prefixed: true }
    }

    /// jsforce finds an ended session by `<faultcode>sf:INVALID_SESSION_ID</faultcode>` (`salesforce-api.md` 1.8).
    pub(crate) fn session(token: &str) -> Fault {
        let text = format!(
            "Invalid Session ID found in SessionHeader: Illegal Session. Session not found, missing session key: {token}"
        );
        Fault::new("INVALID_SESSION_ID", text)
    }
}

impl From<ApiError> for Fault {
    fn from(error: ApiError) -> Fault {
        Fault::new(&error.code, error.message)
    }
}

/// The WSDL's fault types by code.
fn kind_of(code: &str) -> &'static str {
    match code {
        "MALFORMED_QUERY" => "MalformedQueryFault",
        "MALFORMED_SEARCH" => "MalformedSearchFault",
        "INVALID_FIELD" => "InvalidFieldFault",
        "INVALID_TYPE" => "InvalidSObjectFault",
        "INVALID_QUERY_LOCATOR" => "InvalidQueryLocatorFault",
        "INVALID_ID_FIELD" | "MALFORMED_ID" => "InvalidIdFault",
        "INVALID_NEW_PASSWORD" => "InvalidNewPasswordFault",
        "INVALID_OLD_PASSWORD" => "InvalidOldPasswordFault",
        _ => "UnexpectedErrorFault",
    }
}

/// The object of a record or a describe is unknown.
pub fn no_such_object(name: &str) -> Fault {
    let text = format!(
        "sObject type '{name}' is not supported. If you are attempting to use a custom object, be sure to append the '__c' \
         after the entity name. Please reference your WSDL or the describe call for the appropriate names."
    );
    Fault::new("INVALID_TYPE", text)
}

/// A field of a record is unknown.
pub fn no_such_column(column: &str, object: &str) -> Fault {
    let text = format!(
        "No such column '{column}' on entity '{object}'. If you are attempting to use a custom field, be sure to append the \
         '__c' after the custom field name. Please reference your WSDL or the describe call for the appropriate names."
    );
    Fault::new("INVALID_FIELD", text)
}

/// The WSDL has no such operation, or the emulator does not know it.
pub fn no_such_operation(namespace: &str, name: &str) -> Fault {
    Fault::client(format!("No operation available for request {{{namespace}}}{name}"))
}

/// More rows than a call takes.
pub fn too_many(most: usize) -> Fault {
    let text = format!("record limit reached. cannot submit more than {most} records into this call");
    Fault::new("EXCEEDED_ID_LIMIT", text)
}

/// The fault as an answer in the namespaces of an API: `u` partner, `c` enterprise, `m` metadata, `T` tooling, `s` Apex.
pub(crate) fn fault(fault: &Fault, kind: &str) -> Answer {
    let (code, message) = (escape(&fault.code), escape(&fault.message));
    let faults = match kind {
        "c" => "urn:fault.enterprise.soap.sforce.com",
        "m" => "http://soap.sforce.com/2006/04/metadata",
        "s" => "http://soap.sforce.com/2006/08/apex",
        "T" => "urn:fault.tooling.soap.sforce.com",
        _ => "urn:fault.partner.soap.sforce.com",
    };
    let (fault_code, fault_text, detail) = if fault.kind.is_empty() {
        (format!("soapenv:{code}"), message.clone(), String::new())
    } else {
        let prefix = if fault.prefixed { "sf:" } else { "" };
        // The metadata and Apex APIs define no types of faults: theirs have no detail.
        let detail = match kind {
            "m" | "s" => String::new(),
            _ => format!(
                "<detail><sf:{0} xsi:type=\"sf:{0}\"><sf:exceptionCode>{code}</sf:exceptionCode>\
                 <sf:exceptionMessage>{message}</sf:exceptionMessage>{1}</sf:{0}></detail>",
                fault.kind,
                place(fault)
            ),
        };
        (format!("{prefix}{code}"), format!("{code}: {message}"), detail)
    };
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope \
         xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns:sf=\"{faults}\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><soapenv:Body><soapenv:Fault>\
         <faultcode>{fault_code}</faultcode><faultstring>{fault_text}</faultstring>{detail}</soapenv:Fault></soapenv:Body></soapenv:Envelope>"
    );
    Answer::bytes(500, super::CONTENT_TYPE, text)
}

/// Row and column in the statement, which faults about a statement have: -1 where the text does not name them.
fn place(fault: &Fault) -> String {
    if !matches!(
        fault.kind,
        "InvalidFieldFault" | "InvalidSObjectFault" | "MalformedQueryFault" | "MalformedSearchFault"
    ) {
        return String::new();
    }
    let named = fault.message.split_once("ERROR at Row:").and_then(|(_, rest)| {
        let (row, rest) = rest.split_once(":Column:")?;
        let column: String = rest.chars().take_while(char::is_ascii_digit).collect();
        Some((row.parse::<u32>().ok()?.to_string(), column))
    });
    let (row, column) = named.unwrap_or_else(|| ("-1".to_owned(), "-1".to_owned()));
    tag("sf:row", &row) + &tag("sf:column", &column)
}
