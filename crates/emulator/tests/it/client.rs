// SPDX-License-Identifier: Apache-2.0
//! A caller of one emulated org through [`Emulator::handle`], for tests of its faces.
use axum::body::Body;
use http::{HeaderMap, Method, Request};
use orgkeep_emulator::{Clock, Emulator, Settings};
use serde_json::Value;

/// 2026-01-01T00:00:00Z, in ms.
pub const NEW_YEAR: i64 = 1_767_225_600_000;

pub struct Client {
    pub emulator: Emulator,
    pub token: String,
    /// `/services/data/vNN.N`
    pub base: String,
}

pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is text")
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Status and code of a refusal.
    pub fn refusal(&self) -> (u16, String, String) {
        let error = &self.json()[0];
        let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
        (self.status, text("errorCode"), text("message"))
    }
}

/// Settings of an empty org at the start of 2026.
pub fn settings() -> Settings {
    Settings { clock: Clock::starting_at(NEW_YEAR), ..Settings::default() }
}

impl Client {
    pub fn new() -> Client {
        Client::with(settings())
    }

    pub fn with(settings: Settings) -> Client {
        let emulator = Emulator::start(settings).unwrap();
        let token = emulator.credentials(0).access_token;
        Client { emulator, token, base: "/services/data/v67.0".to_owned() }
    }

    /// The same org through another API version.
    pub fn version(&self, version: &str) -> Client {
        let base = format!("/services/data/v{version}");
        Client { emulator: self.emulator.clone(), token: self.token.clone(), base }
    }

    pub async fn send(&self, method: &str, path: &str, content_type: &str, body: impl Into<Body>) -> Reply {
        self.send_with(method, path, &[("content-type", content_type)], body).await
    }

    pub async fn send_with(&self, method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Reply {
        let target = if path.starts_with("/services") { path.to_owned() } else { format!("{}{path}", self.base) };
        let mut request = Request::builder()
            .method(Method::from_bytes(method.as_bytes()).unwrap())
            .uri(target)
            .header("host", "org.test")
            .header("authorization", format!("Bearer {}", self.token));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.answer(request.body(body.into()).unwrap()).await
    }

    /// What is answered to a request as it is.
    pub async fn answer(&self, request: Request<Body>) -> Reply {
        let (parts, body) = self.emulator.handle(request).await.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap().to_vec();
        Reply { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, "application/json", Body::empty()).await
    }

    pub async fn json(&self, method: &str, path: &str, body: &Value) -> Reply {
        self.send(method, path, "application/json", body.to_string()).await
    }

    /// The records of a query.
    pub async fn query(&self, soql: &str) -> Vec<Value> {
        let query: String = url::form_urlencoded::byte_serialize(soql.as_bytes()).collect();
        let reply = self.get(&format!("/query?q={query}")).await;
        assert_eq!(reply.status, 200, "{soql}: {}", reply.text());
        reply.json()["records"].as_array().cloned().unwrap_or_default()
    }

    pub async fn count(&self, object: &str) -> u64 {
        let reply = self.get(&format!("/query?q=SELECT+COUNT()+FROM+{object}")).await;
        reply.json()["totalSize"].as_u64().unwrap_or_else(|| panic!("{}", reply.text()))
    }

    /// Creates a record and gives its Id.
    pub async fn create(&self, object: &str, record: &Value) -> String {
        let reply = self.json("POST", &format!("/sobjects/{object}"), record).await;
        assert_eq!(reply.status, 201, "{}", reply.text());
        reply.json()["id"].as_str().unwrap().to_owned()
    }
}

/// Rows of a CSV in which every value is quoted, without the header, and the header.
pub fn csv(text: &str) -> (Vec<String>, Vec<Vec<String>>) {
    let mut rows = Vec::new();
    let mut row = Vec::new();
    let mut value = String::new();
    let mut quoted = false;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                value.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut value)),
            '\n' if !quoted => {
                row.push(std::mem::take(&mut value));
                rows.push(std::mem::take(&mut row));
            }
            _ => value.push(character),
        }
    }
    assert!(!quoted && row.is_empty() && value.is_empty(), "the text ends inside a row");
    let header = if rows.is_empty() { Vec::new() } else { rows.remove(0) };
    (header, rows)
}
