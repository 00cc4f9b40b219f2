// SPDX-License-Identifier: Apache-2.0
//! The transport over the network: a pool of connections with TLS by rustls.
//!
//! Redirects are not followed, because a session must not travel to a host that nobody named, and nothing is
//! decompressed, because bodies are decoded where they are streamed. A request has no time limit of its own, since a
//! result page may take an hour to download; what is limited is silence.

use std::future::ready;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt};

use crate::error::{Error, Kind, Result};
use crate::transport::{Body, Request, Response, SendError, Transport};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// A query may think for 120 s before the org gives it up with `QUERY_TIMEOUT` (`salesforce-api.md` 2.6).
const SILENCE_TIMEOUT: Duration = Duration::from_secs(180);
const KEEPALIVE: Duration = Duration::from_secs(60);

#[derive(Debug, Clone)]
pub struct Http {
    plain: reqwest::Client,
    /// Made when it is first needed: it reads the machine's certificates, which are hundreds of files.
    secure: Arc<OnceLock<reqwest::Client>>,
}

impl Http {
    pub fn new() -> Result<Http> {
        let plain = builder().tls_certs_only([]).build().map_err(|source| {
            Error::new(Kind::Invalid, "preparing connections", "the HTTP client cannot be set up").caused_by(source)
        })?;
        Ok(Http { plain, secure: Arc::default() })
    }

    fn client(&self, scheme: &str) -> reqwest::Result<&reqwest::Client> {
        if scheme == "http" {
            return Ok(&self.plain);
        }
        match self.secure.get() {
            Some(client) => Ok(client),
            // Of two that are made at once one is kept.
            None => builder().build().map(|client| self.secure.get_or_init(|| client)),
        }
    }
}

fn builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent(concat!("orgkeep/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(SILENCE_TIMEOUT)
        .tcp_keepalive(KEEPALIVE)
        .http2_adaptive_window(true)
}

impl Transport for Http {
    fn send(&self, request: Request) -> BoxFuture<'static, Result<Response, SendError>> {
        let host = request.url.host_str().unwrap_or_default().to_owned();
        let client = match self.client(request.url.scheme()) {
            Ok(client) => client,
            Err(error) => return ready(Err(failed(&host, &error))).boxed(),
        };
        let builder = client.request(request.method, request.url).headers(request.headers);
        let builder = match request.body {
            Body::Empty => builder,
            Body::Bytes(bytes) => builder.body(bytes),
            stream @ Body::Stream(_) => builder.body(reqwest::Body::wrap_stream(stream.open())),
        };
        async move {
            let response = builder.send().await.map_err(|error| failed(&host, &error))?;
            let (status, headers) = (response.status(), response.headers().clone());
            let body = response.bytes_stream().map_err(move |error| SendError::lost(&host, innermost(&error))).boxed();
            Ok(Response { status, headers, body })
        }
        .boxed()
    }
}

fn failed(host: &str, error: &reqwest::Error) -> SendError {
    if error.is_connect() || error.is_builder() {
        SendError::not_sent(host, innermost(error))
    } else if error.is_timeout() {
        SendError::lost(host, format_args!("no answer within {} s", SILENCE_TIMEOUT.as_secs()))
    } else {
        SendError::lost(host, innermost(error))
    }
}

/// The outer errors only say "error sending request for url"; the reason is at the bottom.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
