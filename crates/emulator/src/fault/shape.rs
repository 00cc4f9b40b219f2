// SPDX-License-Identifier: Apache-2.0
//! How each API says that it refuses (`salesforce-api.md` 1.4, 1.8, 2.1, 3.4), and the pages that are sent when no API is
//! reached at all. The text of those pages is made up: only their status and type are known.

use serde_json::json;

use crate::answer::Answer;
use crate::bulk1;
use crate::error::ApiError;
use crate::log::Family;
use crate::pubsub;

/// A refusal in the form of an API. `json` is whether a Bulk 1.0 request speaks JSON.
pub fn refusal(family: Family, json: bool, status: u16, code: &str, message: &str) -> Answer {
    match family {
        Family::OAuth => Answer::json(status, json!({"error": code, "error_description": message})),
        Family::Soap => {
            let message = quick_xml::escape::escape(message);
            let text = format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope \
                 xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns:sf=\"urn:fault.partner.soap.sforce.com\">\
                 <soapenv:Body><soapenv:Fault><faultcode>sf:{code}</faultcode><faultstring>{code}: {message}</faultstring>\
                 </soapenv:Fault></soapenv:Body></soapenv:Envelope>"
            );
            Answer::bytes(status, "text/xml;charset=UTF-8", text)
        }
        Family::Bulk1 => bulk1::refusal(json, status, code, message),
        Family::PubSub => pubsub::refusal_of_fault(status, code, message),
        _ => ApiError::new(status, code, message).into(),
    }
}

/// A page of the edge.
pub fn page(status: u16) -> Answer {
    let (title, text) = match status {
        420 => ("We are down for maintenance.", "Sorry for the inconvenience. We'll be back shortly."),
        503 => {
            ("Service Unavailable", "The server is temporarily unable to service your request. Please try again later.")
        }
        _ => ("Server Error", "The request could not be served."),
    };
    let html = format!(
        "<!DOCTYPE html>\n<html>\n<head><title>{title}</title></head>\n<body>\n<h1>{title}</h1>\n<p>{text}</p>\n</body>\n</html>\n"
    );
    Answer::page(status, html)
}
