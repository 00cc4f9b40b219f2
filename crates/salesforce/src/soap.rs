// SPDX-License-Identifier: Apache-2.0
//! `undelete`, which only SOAP has (`salesforce-api.md` 2.2, 6.7). It is the one way to put a record back with the Id
//! that it had.
//!
//! SOAP takes the session in the body, so a call cannot be prepared before the session is known; otherwise it goes
//! through the same loop as every other call. A session that has ended is a fault with HTTP status 500 (1.8).

use http::Method;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderName};
use quick_xml::Reader;
use quick_xml::escape::escape;
use quick_xml::events::Event;

use crate::call::Call;
use crate::error::{Error, Kind, Result};
use crate::secret::Secret;
use crate::transport::Body;
use crate::write::{RowError, RowResult, Writer};

/// Ids of one call.
pub const MOST_ROWS_UNDELETED: usize = 200;

impl Writer {
    /// Takes up to 200 records out of the recycle bin, of any objects, with what was deleted by cascade together with
    /// them. The results are in the order of the Ids; `UNDELETE_FAILED` means that the record is not in the bin.
    ///
    /// # Errors
    ///
    /// It is not repeated after a lost answer: the error then says `sent`. Sessions in JWT form are not accepted by
    /// SOAP, which is `Denied`.
    pub async fn undelete(&self, ids: &[String]) -> Result<Vec<RowResult>> {
        let doing = format!("undeleting {} records", ids.len());
        if ids.len() > MOST_ROWS_UNDELETED {
            return Err(Error::new(Kind::Bug, doing, format!("one call takes at most {MOST_ROWS_UNDELETED} records")));
        }
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let client = &self.org().client;
        if client.session.token().await?.access_token.expose().starts_with("eyJ") {
            return Err(Error::new(Kind::Denied, doing, "SOAP does not take access tokens in JWT form")
                .hint("in Setup > External Client App Manager > the app > Settings switch off \"Issue JSON Web Token (JWT)-based access tokens for named users\""));
        }
        let mut url = client.instance_url.clone();
        url.set_path(&format!("/services/Soap/u/{}", client.api_version));
        let mut call = Call::json("soap", Method::POST, url, Vec::new(), doing)
            .header(CONTENT_TYPE, "text/xml; charset=utf-8")
            .header(ACCEPT, "text/xml")
            .header(HeaderName::from_static("soapaction"), "\"\"");
        call.body = Body::Bytes(undelete(ids).into());
        call.body_with_session = Some(envelope);
        let answer = client.whole(&call).await?;
        let results = read_results(&answer).map_err(|source| {
            let mut error = Error::new(Kind::Corrupt, call.doing.as_str(), "the answer has not the expected form")
                .caused_by(source);
            error.sent = true;
            error
        })?;
        if results.len() != ids.len() {
            let what = format!("the org answered for {} of {} records", results.len(), ids.len());
            let mut error = Error::new(Kind::Corrupt, call.doing.as_str(), what);
            error.sent = true;
            return Err(error);
        }
        Ok(results)
    }
}

fn undelete(ids: &[String]) -> String {
    let ids: String = ids.iter().map(|id| format!("<urn:ids>{}</urn:ids>", escape(id.as_str()))).collect();
    format!("<urn:undelete>{ids}</urn:undelete>")
}

fn envelope(body: &str, session: &Secret) -> String {
    let session = escape(session.expose());
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
         <soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns:urn=\"urn:partner.soap.sforce.com\">\
         <soapenv:Header><urn:SessionHeader><urn:sessionId>{session}</urn:sessionId></urn:SessionHeader>\
         <urn:AllOrNoneHeader><urn:allOrNone>false</urn:allOrNone></urn:AllOrNoneHeader></soapenv:Header>\
         <soapenv:Body>{body}</soapenv:Body></soapenv:Envelope>"
    )
}

/// `result` elements with `id`, `success` and `errors` (`message`, `statusCode`, `fields`).
fn read_results(xml: &[u8]) -> Result<Vec<RowResult>, quick_xml::Error> {
    let mut reader = Reader::from_reader(xml);
    let mut results = Vec::new();
    let mut result: Option<RowResult> = None;
    let mut text = String::new();
    loop {
        match reader.read_event()? {
            Event::Start(start) => {
                text.clear();
                match start.local_name().as_ref() {
                    "result" => result = Some(RowResult::default()),
                    "errors" => {
                        if let Some(result) = &mut result {
                            result.errors.push(RowError::default());
                        }
                    }
                    _ => {}
                }
            }
            Event::Text(part) => text.push_str(&part),
            Event::GeneralRef(entity) => {
                let entity = format!("&{};", &*entity);
                text.push_str(&quick_xml::escape::unescape(&entity)?);
            }
            Event::End(end) => {
                let name = end.local_name();
                if name.as_ref() == "result" {
                    results.extend(result.take());
                } else if let Some(result) = &mut result {
                    set(result, name.as_ref(), text.trim());
                }
                text.clear();
            }
            Event::Eof => return Ok(results),
            _ => {}
        }
    }
}

fn set(result: &mut RowResult, name: &str, text: &str) {
    match (name, result.errors.last_mut()) {
        ("id", _) => result.id = (!text.is_empty()).then(|| text.to_owned()),
        ("success", _) => result.success = text == "true",
        ("message", Some(error)) => error.message = text.to_owned(),
        ("statusCode", Some(error)) => error.status_code = text.to_owned(),
        ("fields", Some(error)) => error.fields.push(text.to_owned()),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_read_in_order_with_their_errors() {
        let xml = br#"<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns="urn:partner.soap.sforce.com" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body><undeleteResponse>
            <result><id>001000000000001AAA</id><success>true</success></result>
            <result><errors><message>Entity is not in the recycle bin &amp; &lt;gone&gt;</message><statusCode>UNDELETE_FAILED</statusCode></errors><id xsi:nil="true"/><success>false</success></result>
            </undeleteResponse></soapenv:Body></soapenv:Envelope>"#;
        let results = read_results(xml).unwrap();
        assert_eq!(results.len(), 2);
        assert_eq!((results[0].id.as_deref(), results[0].success), (Some("001000000000001AAA"), true));
        assert_eq!((results[1].id.as_deref(), results[1].success), (None, false));
        assert_eq!(results[1].errors[0].status_code, "UNDELETE_FAILED");
        assert_eq!(results[1].errors[0].message, "Entity is not in the recycle bin & <gone>");
    }

    #[test]
    fn an_id_cannot_leave_its_element() {
        assert!(undelete(&["</urn:ids>".to_owned()]).contains("<urn:ids>&lt;/urn:ids&gt;</urn:ids>"));
    }
}
