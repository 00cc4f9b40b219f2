// SPDX-License-Identifier: Apache-2.0
//! A transport for tests: a list of expected requests and what happens to each.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{self, StreamExt};
use futures::{FutureExt, TryStreamExt};
use http::{HeaderMap, StatusCode};
use url::Url;

use crate::{Login, Options, Org, Request, Response, SendError, Transport};

/// What happens to a request.
#[derive(Clone)]
pub(crate) enum Answer {
    Reply(StatusCode, HeaderMap, Bytes),
    /// The answer begins like that and is cut.
    Cut(HeaderMap, Bytes),
    /// It never reached the org.
    NotSent,
    /// It reached the org, but the answer did not come back.
    Lost,
}

pub(crate) fn json(body: &str) -> Answer {
    status(200, body)
}

pub(crate) fn status(status: u16, body: &str) -> Answer {
    Answer::Reply(StatusCode::from_u16(status).unwrap(), HeaderMap::new(), body.to_owned().into())
}

pub(crate) fn headers<const N: usize>(pairs: [(&'static str, &str); N]) -> HeaderMap {
    pairs.into_iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
}

impl Answer {
    pub(crate) fn with(self, name: &'static str, value: &str) -> Answer {
        match self {
            Answer::Reply(status, mut map, body) => {
                map.extend(headers([(name, value)]));
                Answer::Reply(status, map, body)
            }
            other => other,
        }
    }
}

/// A request that was made: `GET /path?query`, its session, and its body.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub line: String,
    pub headers: HeaderMap,
    pub body: String,
}

type Handler = Box<dyn FnMut(&Seen) -> Answer + Send>;

pub(crate) struct Script {
    handler: Arc<Mutex<Handler>>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Script {
    /// Requests in this order and no others. The expected line may end in `*`.
    pub(crate) fn steps(steps: Vec<(&'static str, Answer)>) -> Arc<Script> {
        let mut steps = VecDeque::from(steps);
        Script::answering(move |seen| {
            let (expected, answer) = steps.pop_front().unwrap_or_else(|| panic!("unexpected {}", seen.line));
            let fits = match expected.strip_suffix('*') {
                Some(start) => seen.line.starts_with(start),
                None => seen.line == expected,
            };
            assert!(fits, "expected {expected}, got {}", seen.line);
            answer
        })
    }

    pub(crate) fn answering(handler: impl FnMut(&Seen) -> Answer + Send + 'static) -> Arc<Script> {
        Arc::new(Script { handler: Arc::new(Mutex::new(Box::new(handler))), seen: Arc::default() })
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Requests made since the connection was there.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.seen().into_iter().skip(2).map(|seen| seen.line).collect()
    }
}

impl Transport for Script {
    fn send(&self, request: Request) -> BoxFuture<'static, Result<Response, SendError>> {
        let (handler, log) = (self.handler.clone(), self.seen.clone());
        async move {
            let body: Vec<Bytes> = request.body.open().try_collect().await.unwrap();
            let mut line = format!("{} {}", request.method, request.url.path());
            if let Some(query) = request.url.query() {
                line = format!("{line}?{query}");
            }
            let body = String::from_utf8_lossy(&body.concat()).into_owned();
            let seen = Seen { line, headers: request.headers, body };
            log.lock().unwrap().push(seen.clone());
            let answer = handler.lock().unwrap()(&seen);
            // Time passes, so that other requests overlap with this one.
            tokio::time::sleep(Duration::from_millis(10)).await;
            match answer {
                Answer::Reply(status, headers, body) => Ok(Response::whole(status, headers, body)),
                Answer::Cut(headers, body) => {
                    let pieces: Vec<_> = body.chunks(7).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
                    let cut = [Err(SendError::lost("acme", "connection reset"))];
                    let body = stream::iter(pieces).chain(stream::iter(cut)).boxed();
                    Ok(Response { status: StatusCode::OK, headers, body })
                }
                Answer::NotSent => Err(SendError::not_sent("acme", "connection refused")),
                Answer::Lost => Err(SendError::lost("acme", "connection reset")),
            }
        }
        .boxed()
    }
}

pub(crate) const VERSIONS: &str = r#"[{"label":"Spring '24","url":"/services/data/v60.0","version":"60.0"},{"label":"x","url":"/services/data/v67.0","version":"67.0"},{"label":"x","url":"/services/data/v68.0","version":"68.0"}]"#;
pub(crate) const USERINFO: &str = r#"{"user_id":"005000000000001AAA","organization_id":"00D000000000001EAA","preferred_username":"jane@acme.example"}"#;

pub(crate) fn url() -> Url {
    Url::parse("https://acme.my.salesforce.com").unwrap()
}

pub(crate) fn access_token() -> Login {
    Login::AccessToken { instance_url: url(), access_token: "00D!first".into() }
}

/// Connects by an access token, which is two requests, and then follows the steps.
pub(crate) async fn connected(mut steps: Vec<(&'static str, Answer)>) -> (Org, Arc<Script>) {
    let mut all = vec![("GET /services/data", json(VERSIONS)), ("GET /services/oauth2/userinfo", json(USERINFO))];
    all.append(&mut steps);
    let script = Script::steps(all);
    let org = Org::connect(script.clone(), access_token(), Options::default()).await.unwrap();
    (org, script)
}
