// SPDX-License-Identifier: Apache-2.0
//! A caller for tests: requests to an emulator in the same process, under a clock that starts on a fixed day.

use axum::body::Body;
use http::{HeaderMap, Request};
use http_body_util::BodyExt as _;
use orgkeep_emulator::{Clock, Credentials, Emulator, Settings};
use serde_json::Value;

/// 2026-03-01T12:00:00Z.
pub const START_MS: i64 = 1_772_366_400_000;
pub const HOST: &str = "acme.my.salesforce.test";

/// An emulator and a session in it.
pub struct Caller {
    pub emulator: Emulator,
    pub credentials: Credentials,
    pub token: String,
    pub version: &'static str,
}

/// An answer, read to its end.
pub struct Said {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Said {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The JSON, after the status was what it should be.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        if self.body.is_empty() { Value::Null } else { self.json() }
    }

    /// Status, code and text of REST's array of one error.
    #[track_caller]
    pub fn error(&self) -> (u16, String, String) {
        let body = self.json();
        let one = &body.as_array().unwrap_or_else(|| panic!("no error: {body}"))[0];
        (self.status, one["errorCode"].as_str().unwrap().to_owned(), one["message"].as_str().unwrap().to_owned())
    }
}

pub fn settings() -> Settings {
    Settings { clock: Clock::starting_at(START_MS), ..Settings::default() }
}

impl Caller {
    pub fn new() -> Caller {
        Caller::with(settings())
    }

    pub fn with(settings: Settings) -> Caller {
        let emulator = Emulator::start(settings).unwrap();
        let credentials = emulator.credentials(0);
        let token = credentials.access_token.clone();
        Caller { emulator, credentials, token, version: "67.0" }
    }

    pub fn org(&self) -> &orgkeep_emulator::Org {
        &self.emulator.orgs()[0]
    }

    /// Another user of the same emulator, signed in by SOAP.
    pub async fn as_user(&self, name: &str) -> Caller {
        let username = format!("{name}@org-1.orgkeep.example");
        let said = self.login(&username, &self.credentials.password, &[]).await;
        assert_eq!(said.status, 200, "{}", said.text());
        let text = said.text();
        let start = text.find("<sessionId>").unwrap() + "<sessionId>".len();
        let token = text[start..start + text[start..].find('<').unwrap()].to_owned();
        Caller { emulator: self.emulator.clone(), credentials: self.credentials.clone(), token, version: "67.0" }
    }

    pub async fn login(&self, username: &str, password: &str, headers: &[(&str, &str)]) -> Said {
        let body = format!(
            "<soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns:urn=\"urn:partner.soap.sforce.com\">\
             <soapenv:Body><urn:login><urn:username>{username}</urn:username><urn:password>{password}</urn:password></urn:login>\
             </soapenv:Body></soapenv:Envelope>"
        );
        let mut all = vec![("content-type", "text/xml"), ("soapaction", "login")];
        all.extend_from_slice(headers);
        self.raw("POST", "/services/Soap/u/59.0", &all, body).await
    }

    /// Any request, just as given.
    pub async fn raw(&self, method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Said {
        let mut request = Request::builder().method(method).uri(path).header("host", HOST);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = self.emulator.handle(request.body(body.into()).unwrap()).await;
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Said { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    /// A REST call below the version with the session, with further headers.
    pub async fn call(&self, method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Said {
        let authorization = format!("Bearer {}", self.token);
        let mut all = vec![("authorization", authorization.as_str())];
        all.extend_from_slice(headers);
        let whole = path.starts_with("/services") || path.starts_with("/id/");
        let path = if whole { path.to_owned() } else { format!("/services/data/v{}{path}", self.version) };
        self.raw(method, &path, &all, body).await
    }

    pub async fn get(&self, path: &str) -> Said {
        self.call("GET", path, &[], "").await
    }

    pub async fn delete(&self, path: &str) -> Said {
        self.call("DELETE", path, &[], "").await
    }

    pub async fn post(&self, path: &str, body: Value) -> Said {
        self.call("POST", path, &[("content-type", "application/json")], body.to_string()).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Said {
        self.call("PATCH", path, &[("content-type", "application/json")], body.to_string()).await
    }

    /// Creates a record and returns its Id.
    pub async fn create(&self, object: &str, body: Value) -> String {
        let said = self.post(&format!("/sobjects/{object}"), body).await;
        said.expect(201)["id"].as_str().unwrap().to_owned()
    }

    pub async fn query(&self, statement: &str) -> Said {
        self.get(&format!("/query?q={}", encode(statement))).await
    }

    /// A posted form, as OAuth takes it.
    pub async fn form(&self, path: &str, pairs: &[(&str, &str)]) -> Said {
        self.raw("POST", path, &[("content-type", "application/x-www-form-urlencoded")], form(pairs)).await
    }
}

pub fn form(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// Percent-encodes a value of a query.
pub fn encode(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
