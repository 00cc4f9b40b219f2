// SPDX-License-Identifier: Apache-2.0
//! The one seam to the network: an org is a function from request to response.
//!
//! Everything above it (sessions, retries, the allowance) is the same whether the requests travel over TLS to
//! Salesforce or are answered in the same process. A transport neither retries, nor follows redirects, nor
//! decompresses.

use std::fmt;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, StreamExt};
use http::{HeaderMap, Method, StatusCode};
use url::Url;

pub trait Transport: Send + Sync + 'static {
    /// Sends one request. An answer of any status is a `Response`; only the absence of one is an error.
    fn send(&self, request: Request) -> BoxFuture<'static, Result<Response, SendError>>;
}

#[derive(Debug, Clone)]
pub struct Request {
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    pub body: Body,
}

/// What a request carries. It can be opened again, since a request may have to be repeated.
#[derive(Clone)]
pub enum Body {
    Empty,
    Bytes(Bytes),
    /// Sent without `Content-Length`. Each call must give the same bytes.
    Stream(Arc<dyn Fn() -> BoxStream<'static, io::Result<Bytes>> + Send + Sync>),
}

impl Body {
    /// The body as a stream, opened anew.
    pub fn open(&self) -> BoxStream<'static, io::Result<Bytes>> {
        match self {
            Body::Empty => stream::empty().boxed(),
            Body::Bytes(bytes) => stream::iter([Ok(bytes.clone())]).boxed(),
            Body::Stream(open) => open(),
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Body::Empty => f.write_str("Empty"),
            Body::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
            Body::Stream(_) => f.write_str("Stream"),
        }
    }
}

pub struct Response {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: BoxStream<'static, Result<Bytes, SendError>>,
}

impl Response {
    /// An answer whose body is already there.
    pub fn whole(status: StatusCode, headers: HeaderMap, body: impl Into<Bytes>) -> Response {
        let body = body.into();
        Response { status, headers, body: stream::iter([Ok(body)]).boxed() }
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response").field("status", &self.status).field("headers", &self.headers).finish_non_exhaustive()
    }
}

/// No answer, or not a whole one.
#[derive(Debug)]
pub struct SendError {
    host: String,
    sent: bool,
    cause: String,
}

impl SendError {
    /// The request surely did not reach the org: the name was not found, the connection was refused, TLS failed.
    pub fn not_sent(host: impl Into<String>, cause: impl fmt::Display) -> SendError {
        SendError { host: host.into(), sent: false, cause: cause.to_string() }
    }

    /// The request may have reached the org and taken effect: the connection was cut, or the time was up.
    pub fn lost(host: impl Into<String>, cause: impl fmt::Display) -> SendError {
        SendError { host: host.into(), sent: true, cause: cause.to_string() }
    }

    /// Whether the request may have reached the org.
    pub fn sent(&self) -> bool {
        self.sent
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.sent { "the connection was lost" } else { "cannot be reached" };
        write!(f, "{} {what}: {}", self.host, self.cause)
    }
}

impl std::error::Error for SendError {}
