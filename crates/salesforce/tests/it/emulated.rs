// SPDX-License-Identifier: Apache-2.0
//! An emulated org below the transport: no socket, and time that passes by itself as soon as everyone waits.

use std::sync::{Arc, Mutex};

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt};
use orgkeep_emulator::{Clock, Credentials, Emulator, Settings};
use orgkeep_salesforce::{
    Body, Login, Options, Org, Request, Response, RowStream, Rows, Secret, SendError, TokenStore, Transport, Writer,
};
use serde_json::{Map, Value};
use url::Url;

/// 2026-01-02T03:04:05Z
pub const START_MS: i64 = 1_767_323_045_000;

/// The transport into an emulator.
pub struct Local(pub Emulator);

impl Transport for Local {
    fn send(&self, request: Request) -> BoxFuture<'static, Result<Response, SendError>> {
        let emulator = self.0.clone();
        async move {
            let host = request.url.host_str().unwrap_or_default().to_owned();
            let body = match request.body {
                Body::Empty => axum::body::Body::empty(),
                Body::Bytes(bytes) => axum::body::Body::from(bytes),
                stream @ Body::Stream(_) => axum::body::Body::from_stream(stream.open()),
            };
            let mut sent = http::Request::new(body);
            *sent.method_mut() = request.method;
            *sent.uri_mut() = request.url.as_str().parse().expect("a URL is a URI");
            *sent.headers_mut() = request.headers;
            sent.headers_mut().insert(http::header::HOST, host.parse().expect("a host is a header value"));
            let (parts, body) = emulator.handle(sent).await.into_parts();
            let body = body.into_data_stream().map_err(move |error| SendError::lost(&host, error)).boxed();
            Ok(Response { status: parts.status, headers: parts.headers, body })
        }
        .boxed()
    }
}

/// A line on which the answer to every request for a result page is cut, each time a little later, until it comes
/// through.
pub struct BadLine {
    pub line: Arc<dyn Transport>,
    pub cuts: std::sync::atomic::AtomicUsize,
    /// How much later each cut comes.
    pub step_bytes: usize,
}

impl Transport for BadLine {
    fn send(&self, request: Request) -> BoxFuture<'static, Result<Response, SendError>> {
        let is_page = request.url.path().ends_with("/results");
        let answer = self.line.send(request);
        if !is_page {
            return answer;
        }
        let mut left = self.step_bytes * self.cuts.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        async move {
            let mut response = answer.await?;
            let body = response.body.flat_map(move |chunk| {
                let chunk = chunk.unwrap();
                let begin = chunk.slice(..left.min(chunk.len()));
                let cut = begin.len() < chunk.len();
                left -= begin.len();
                futures::stream::iter(
                    [Some(Ok(begin)), cut.then(|| Err(SendError::lost("acme", "reset")))].into_iter().flatten(),
                )
            });
            response.body = body.boxed();
            Ok(response)
        }
        .boxed()
    }
}

/// One emulated org and how to get into it.
pub struct Emulated {
    pub emulator: Emulator,
    pub credentials: Credentials,
}

/// An org without records.
pub fn emulated() -> Emulated {
    with(Settings::default())
}

pub fn with(settings: Settings) -> Emulated {
    let emulator = Emulator::start(Settings { clock: Clock::starting_at(START_MS), ..settings }).unwrap();
    let credentials = emulator.credentials(0);
    Emulated { emulator, credentials }
}

impl Emulated {
    pub fn transport(&self) -> Arc<Local> {
        Arc::new(Local(self.emulator.clone()))
    }

    pub fn url(&self) -> Url {
        Url::parse("https://acme.my.salesforce.com").unwrap()
    }

    pub async fn connect(&self, login: Login) -> orgkeep_salesforce::Result<Org> {
        Org::connect(self.transport(), login, Options::default()).await
    }

    pub fn access_token(&self) -> Login {
        Login::AccessToken { instance_url: self.url(), access_token: self.credentials.access_token.as_str().into() }
    }

    pub fn client_credentials(&self) -> Login {
        Login::ClientCredentials {
            login_url: self.url(),
            client_id: self.credentials.client_id.clone(),
            client_secret: self.credentials.client_secret.as_str().into(),
        }
    }

    pub async fn org(&self) -> Org {
        self.connect(self.access_token()).await.unwrap()
    }

    pub async fn writer(&self) -> Writer {
        Writer::new(self.org().await)
    }
}

/// Keeps tokens in memory.
#[derive(Default)]
pub struct Kept(pub Mutex<Vec<Secret>>);

impl TokenStore for Kept {
    fn keep(&self, refresh_token: &Secret) -> std::io::Result<()> {
        self.0.lock().unwrap().push(refresh_token.clone());
        Ok(())
    }
}

pub fn row(fields: Value) -> Map<String, Value> {
    fields.as_object().expect("a row is a JSON object").clone()
}

pub fn names(columns: &[&str]) -> Vec<String> {
    columns.iter().map(|&column| column.to_owned()).collect()
}

/// All cells, null as "".
pub async fn cells(rows: RowStream) -> Vec<Vec<String>> {
    let batches: Vec<Rows> = rows.try_collect().await.unwrap();
    batches.iter().flat_map(table).collect()
}

pub fn table(rows: &Rows) -> Vec<Vec<String>> {
    rows.iter().map(|row| row.map(|cell| cell.unwrap_or_default().to_owned()).collect()).collect()
}

/// Creates accounts named `{name} {number}`, 200 per call, and gives their Ids.
pub async fn accounts(writer: &Writer, name: &str, number: usize) -> Vec<String> {
    let rows: Vec<_> =
        (0..number).map(|place| row(serde_json::json!({"Name": format!("{name} {place:05}")}))).collect();
    let mut ids = Vec::new();
    for rows in rows.chunks(200) {
        for result in writer.create("Account", rows).await.unwrap() {
            assert!(result.success, "{:?}", result.errors);
            ids.push(result.id.unwrap());
        }
    }
    ids
}
