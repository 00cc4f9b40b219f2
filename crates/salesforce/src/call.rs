// SPDX-License-Identifier: Apache-2.0
//! One API call, and the one loop that carries it out: counts it, adds the session, sends it, and decides whether it
//! is sent again.
//!
//! - A session that has ended is renewed once per call, whatever the call does: the org turned it away at the door.
//! - A call that may be repeated is sent again after a lost connection and after answers that pass (420, 429, 502, 503,
//!   504, row locks; 500 only for GET), with growing pauses.
//! - A call that may not be repeated is sent again only where it certainly had no effect; otherwise the error says
//!   `sent`, and whoever made the call must look what became of it.
//!
//! A body that is streamed to the caller is the caller's from its first byte on: a cut in the middle of it is resumed
//! by those who know how (`bulk/query.rs`, `blob.rs`).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, DATE, HeaderName, HeaderValue};
use http::{HeaderMap, Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use crate::allowance::{Allowance, OAUTH};
use crate::error::{Error, Kind, Result};
use crate::gzip;
use crate::refusal;
use crate::retry::{Jitter, retry_after};
use crate::secret::Secret;
use crate::session::{self, Session, Token};
use crate::transport::{Body, Request, Response, SendError, Transport};

/// Whether sending a call twice is the same as sending it once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    Freely,
    Never,
}

#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub family: &'static str,
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    pub body: Body,
    pub repeat: Repeat,
    /// For errors: "describing Account".
    pub doing: String,
    /// Within the reserve too.
    pub always: bool,
    /// Where the body needs the session as SOAP does: makes it, once the session is known.
    pub body_with_session: Option<fn(&str, &Secret) -> String>,
}

impl Call {
    pub(crate) fn get(family: &'static str, url: Url, doing: impl Into<String>) -> Call {
        Call {
            family,
            method: Method::GET,
            url,
            headers: HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static("gzip"))]),
            body: Body::Empty,
            repeat: Repeat::Freely,
            doing: doing.into(),
            always: false,
            body_with_session: None,
        }
    }

    /// A call with a JSON body; it may not be repeated unless [`Call::repeatable`] says so.
    pub(crate) fn json(
        family: &'static str,
        method: Method,
        url: Url,
        body: Vec<u8>,
        doing: impl Into<String>,
    ) -> Call {
        let mut call = Call::get(family, url, doing).header(CONTENT_TYPE, "application/json");
        (call.method, call.body, call.repeat) = (method, Body::Bytes(body.into()), Repeat::Never);
        call
    }

    pub(crate) fn repeatable(mut self) -> Call {
        self.repeat = Repeat::Freely;
        self
    }

    pub(crate) fn header(mut self, name: HeaderName, value: &'static str) -> Call {
        self.headers.insert(name, HeaderValue::from_static(value));
        self
    }

    fn body(&self, token: &Token) -> Body {
        match (&self.body, self.body_with_session) {
            (Body::Bytes(bytes), Some(make)) => {
                Body::Bytes(make(&String::from_utf8_lossy(bytes), &token.access_token).into())
            }
            (body, _) => body.clone(),
        }
    }

    /// For bodies that compression does not shrink, or whose length matters.
    pub(crate) fn uncompressed(mut self) -> Call {
        self.headers.remove(ACCEPT_ENCODING);
        self
    }
}

/// What everything that speaks to one org shares.
pub(crate) struct Client {
    pub transport: Arc<dyn Transport>,
    pub session: Arc<Session>,
    pub allowance: Arc<Allowance>,
    pub jitter: Jitter,
    pub instance_url: Url,
    /// "67.0"
    pub api_version: String,
    /// `Sforce-Call-Options`
    pub call_options: HeaderValue,
    /// The org's clock as its last answer told it (`Date`), in seconds since 1970; 0 before.
    pub date: AtomicU64,
}

type Reading<T> = BoxFuture<'static, Result<T, SendError>>;

impl Client {
    /// `/services/data/vNN.0/` and these segments, each percent-encoded.
    pub(crate) fn url(&self, segments: &[&str]) -> Url {
        let mut url = self.instance_url.clone();
        url.set_path(&format!("/services/data/v{}", self.api_version));
        url.set_query(None);
        if let Ok(mut path) = url.path_segments_mut() {
            path.extend(segments);
        }
        url
    }

    /// A URL that the org gave, usually without its host.
    ///
    /// # Errors
    ///
    /// `Corrupt` where it leads to another host, to which the session must not be sent.
    pub(crate) fn follow(&self, place: &str, doing: &str) -> Result<Url> {
        let url = self.instance_url.join(place).ok().filter(|url| url.origin() == self.instance_url.origin());
        url.ok_or_else(|| Error::new(Kind::Corrupt, doing, format!("the org refers to another host: {place}")))
    }

    /// Sends a call and reads its whole answer.
    pub(crate) async fn whole(&self, call: &Call) -> Result<Bytes> {
        self.run(call, |response| async { session::whole(response).await.map(Bytes::from) }.boxed()).await
    }

    /// Sends a call and reads its answer as JSON.
    pub(crate) async fn read_json<T: DeserializeOwned>(&self, call: &Call) -> Result<T> {
        from_json(&self.whole(call).await?, &call.doing)
    }

    /// Sends a call and gives its answer with the body still to come.
    pub(crate) async fn open(&self, call: &Call) -> Result<Response> {
        self.run(call, |response| async { Ok(response) }.boxed()).await
    }

    fn learn_date(&self, headers: &HeaderMap) {
        let text = headers.get(DATE).and_then(|value| value.to_str().ok());
        let since_1970 = text.and_then(|text| httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok());
        if let Some(since_1970) = since_1970 {
            self.date.store(since_1970.as_secs(), Ordering::Relaxed);
        }
    }

    async fn run<T>(&self, call: &Call, read: fn(Response) -> Reading<T>) -> Result<T> {
        let host = call.url.host_str().unwrap_or_default();
        let mut backoff = self.jitter.backoff();
        let mut renewed = false;
        loop {
            let free = call.always || call.family == OAUTH;
            let admitted = if free { None } else { Some(self.allowance.admit(&call.doing).await?) };
            let token = self.session.token().await?;
            let mut headers = call.headers.clone();
            session::authorise(&mut headers, &token);
            headers.entry(ACCEPT).or_insert(HeaderValue::from_static("application/json"));
            headers.insert(HeaderName::from_static("sforce-call-options"), self.call_options.clone());
            let request =
                Request { method: call.method.clone(), url: call.url.clone(), headers, body: call.body(&token) };
            self.allowance.count(call.family);
            let mut asked = None;
            let failure = match self.transport.send(request).await {
                Err(failure) => Err(failure),
                Ok(response) => {
                    self.allowance.learn(&response.headers);
                    self.learn_date(&response.headers);
                    drop(admitted);
                    asked = retry_after(&response.headers);
                    // Only who asks for what has changed is told that nothing has; such an answer has no body.
                    let success = response.status.is_success() || response.status == StatusCode::NOT_MODIFIED;
                    let response = gzip::decode(response, host);
                    if success {
                        match read(response).await {
                            Ok(answer) => return Ok(answer),
                            Err(failure) => Err(failure),
                        }
                    } else {
                        refusal::read(response).await
                    }
                }
            };
            let (error, again) = match failure {
                Err(failure) => {
                    let again = call.repeat == Repeat::Freely || !failure.sent();
                    let mut error = Error::new(Kind::Unreachable, call.doing.as_str(), "");
                    error.sent = failure.sent() && call.repeat == Repeat::Never;
                    (error.caused_by(failure), again)
                }
                Ok(refusal) if refusal::session_ended(&refusal) && !renewed => {
                    renewed = true;
                    match self.session.renew(&token).await {
                        Ok(_) => continue,
                        Err(mut error) => {
                            error.org.get_or_insert(Box::new(refusal));
                            return Err(error);
                        }
                    }
                }
                Ok(refusal) => {
                    let effect = !refusal::had_no_effect(&refusal) && call.repeat == Repeat::Never;
                    let again = refusal::passes(&refusal, call.method == Method::GET) && !effect;
                    let mut error = refusal::error(&call.doing, refusal);
                    error.sent = effect;
                    (error, again)
                }
            };
            if !again {
                return Err(error);
            }
            if !backoff.wait(asked).await {
                return Err(error.with("tries", backoff.tries().to_string()));
            }
        }
    }
}

/// # Errors
///
/// `Corrupt` where the body of a successful answer is not the JSON that it should be.
pub(crate) fn from_json<'a, T: Deserialize<'a>>(body: &'a [u8], doing: &str) -> Result<T> {
    serde_json::from_slice(body).map_err(|source| {
        let what = if body.trim_ascii_start().starts_with(b"<") {
            "the answer is a web page and not from the API"
        } else {
            "the answer has not the expected form"
        };
        Error::new(Kind::Corrupt, doing, what).caused_by(source)
    })
}

#[cfg(test)]
mod tests;
