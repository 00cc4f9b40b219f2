// SPDX-License-Identifier: Apache-2.0
//! The one way in: from an HTTP request to an HTTP response, whether it came over a socket or from the same process.
//!
//! 1. The path says which API is meant; each has its own way to refuse a session (`salesforce-api.md` 1.8).
//! 2. For REST: retired version, session, API permission and daily allowance are checked in this order.
//! 3. The face answers, unless a fault does (`fault.rs`).
//! 4. The answer gets the headers every answer has, is printed as asked for, zipped as asked for, spoilt by a fault where one
//!    strikes, and logged.

use std::future::Future;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::serve::Listener;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::StreamExt as _;
use http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, DATE, SET_COOKIE, STRICT_TRANSPORT_SECURITY,
    VARY,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::answer::xml::{self, Ending};
use crate::answer::{Answer, Content, prettied, render};
use crate::control::web;
use crate::ctx::{Ctx, base_url};
use crate::error::ApiError;
use crate::faces::lock;
use crate::fault::strike::Lost;
use crate::fault::target::Target;
use crate::host::Place;
use crate::log::{Family, LogEntry, filled, without_secrets};
use crate::oauth::{self, token_of};
use crate::org::Org;
use crate::pubsub::{self, Closing};
use crate::request::{Query, Request, decode_path, header};
use crate::tls::Secure;
use crate::traffic::{Ended, Traffic, counted_in, counted_out};
use crate::wire::{Peer, Wires};
use crate::{Emulator, bulk1, fault, landing, network, rest, soap};

/// Longest request target, and longest target and headers together (`salesforce-api.md` 2.1).
const URI_MAX_BYTES: usize = 16_384;
/// Bodies below this are sent as they are, because zipping them saves nothing.
const GZIP_MIN_BYTES: usize = 1_024;

/// What the log and the last headers need to know of a request once it is answered.
struct Seen {
    org: Option<Arc<Org>>,
    user_id: Option<String>,
    family: Family,
}

impl Seen {
    fn open(family: Family) -> Seen {
        Seen { org: None, user_id: None, family }
    }
}

impl Emulator {
    /// Answers one request in-process, through the same router as the socket.
    pub async fn handle(&self, request: http::Request<Body>) -> http::Response<Body> {
        let (parts, body) = request.into_parts();
        let is_secure = parts.extensions.get::<Secure>().is_some();
        let base_url = base_url(&parts.headers, &parts.uri, is_secure);
        let path = parts.uri.path().to_owned();
        let mut query = Query::parse(parts.uri.query().unwrap_or_default());
        let method = overridden(&parts.method, &mut query);
        let mut accepted = Accepted::of(&parts.headers);
        let mut segments = decode_path(&path);
        let ending = xml::take_ending(&mut segments, &path);
        accepted.xml = match &ending {
            Ending::None => xml::wanted(&parts.headers, &segments),
            Ending::Xml(below) => Some(below.clone()),
            Ending::Json | Ending::Nowhere => None,
        };
        let at_ms = self.clock().now();
        if segments.first().is_some_and(|first| first == web::ROOT) {
            let request = Request { method, path: segments, query, headers: parts.headers, body };
            return respond(web::route(self, request).await, &accepted, None, false);
        }
        let traffic = Arc::new(Traffic::default());
        let body = counted_in(body, traffic.clone());
        let (org, app) = self.named(&parts.headers);
        fault::strike::release(&org);
        let (target, body) = Target::of(&org, &method, &path, &segments, &query, &parts.headers, body).await;
        let strikes = org.faults().on_request(&target, org.clock().now());
        let struck = fault::strike::before(&org, &target, &parts.headers, &strikes).await;
        let new_browser = !header(&parts.headers, "cookie").is_some_and(|cookies| cookies.contains("BrowserId="));
        let socket = parts.extensions.get::<network::Socket>().map(|socket| socket.0);
        let client = network::address_of(&parts.headers, socket);
        let target_bytes = parts.uri.path_and_query().map_or(0, |target| target.as_str().len());
        let is_rpc = target.family == Some(Family::PubSub);
        let mut rpc_response = None;
        let (answer, seen) = if let Some(refusal) = too_large(target_bytes, &parts.headers) {
            (refusal, Seen::open(Family::Open))
        } else if let Some(answer) = struck {
            let named = (target.family != Some(Family::OAuth)).then(|| org.clone());
            (answer, Seen { org: named, ..Seen::open(target.family.unwrap_or(Family::Open)) })
        } else if is_rpc {
            let mut request = http::Request::new(body);
            *request.uri_mut() = parts.uri.clone();
            *request.method_mut() = parts.method.clone();
            *request.headers_mut() = parts.headers.clone();
            *request.extensions_mut() = parts.extensions;
            let (response, org, user_id) = network::from_client(client, pubsub::answer(self, request, &base_url)).await;
            rpc_response = Some(response);
            (Answer::empty(200), Seen { org, user_id, family: Family::PubSub })
        } else if ending == Ending::Nowhere {
            (ApiError::not_found().into(), Seen::open(Family::Rest))
        } else {
            let mut headers = parts.headers;
            if matches!(ending, Ending::Xml(_)) {
                headers.insert(ACCEPT, HeaderValue::from_static("application/xml"));
            }
            let request = Request { method: method.clone(), path: segments, query, headers, body };
            network::from_client(client, self.route(request, &base_url)).await
        };
        let now_ms = self.clock().now();
        let entry = LogEntry {
            number: 0,
            at_ms,
            duration_ms: now_ms - at_ms,
            method: parts.method.to_string(),
            path: without_secrets(&path, parts.uri.query()),
            status: answer.status,
            family: seen.family,
            user_id: seen.user_id,
            object: target.object,
            client: target.client,
            app,
            bytes_in: 0,
            bytes_out: 0,
            faults: strikes.iter().map(|(_, effect)| effect.name()).collect(),
        };
        let has_session = entry.user_id.is_some();
        let limit = seen.org.as_ref().filter(|_| seen.family.is_counted()).map(|org| org.faces.limit_line(now_ms));
        // Whoever is told a token is told one that survives a crash.
        for org in self.orgs() {
            org.keep();
        }
        let is_rpc = rpc_response.is_some();
        let mut response = rpc_response.unwrap_or_else(|| respond(answer, &accepted, limit, method == Method::HEAD));
        if is_secure && matches!(self.place(&base_url), Place::Anywhere) {
            // A browser would remember it of localhost, and plain http would stop working there.
            response.headers_mut().remove(STRICT_TRANSPORT_SECURITY);
        }
        if has_session && new_browser && !is_rpc {
            add_cookies(response.headers_mut(), now_ms);
        }
        response.headers_mut().insert(DATE, date(now_ms));
        let asked = parts.uri.path_and_query().map_or("", |target| target.as_str());
        let request = format!("{} {asked}", parts.method);
        let response = fault::strike::after(&org, &request, &strikes, response).await;
        let log = seen.org.as_ref().map_or(&self.inner.log, |org| &org.faces.log);
        let shared = lock(log).add(entry.clone(), traffic.clone());
        let watch = self.inner.watch.get().cloned();
        let seen_traffic = traffic.clone();
        let ended = watch.map(|watch| Ended::new(move || watch(&filled(&entry, &seen_traffic))));
        response.map(|body| counted_out(body, vec![traffic, shared], ended))
    }

    /// The org that a request names by its token, and the app of that session; else the first org.
    fn named(&self, headers: &HeaderMap) -> (Arc<Org>, Option<String>) {
        let token = header(headers, "x-sfdc-session")
            .or_else(|| header(headers, "accesstoken"))
            .or_else(|| header(headers, "authorization").and_then(token_of));
        let found = token
            .and_then(|token| self.orgs().iter().find(|org| token.starts_with(org.id15())).map(|org| (org, token)));
        let Some((org, token)) = found else { return (self.orgs()[0].clone(), None) };
        let client_id =
            lock(&org.faces.sessions).look_at(token, self.clock().now()).and_then(|found| found.client_id.clone());
        let app = client_id.and_then(|id| lock(&org.faces.apps).get(&id).map(|app| app.name.clone()));
        (org.clone(), app)
    }

    /// Calls this with each request once its answer has been sent. Only the first watcher counts.
    pub fn watch(&self, watcher: impl Fn(&LogEntry) + Send + Sync + 'static) {
        let _ = self.inner.watch.set(Arc::new(watcher));
    }

    async fn route(&self, request: Request, base_url: &str) -> (Answer, Seen) {
        let path = request.path.clone();
        let segments: Vec<&str> = path.iter().map(String::as_str).collect();
        let no_api = matches!(self.place(base_url), Place::NoApi);
        match segments[..] {
            [] => (landing::page_of(self, base_url, &request.headers), Seen::open(Family::Open)),
            ["services", api, ..] if no_api && api != "oauth2" => (not_found_page(), Seen::open(Family::Open)),
            ["services", "oauth2", ..] | ["id", ..] | [".well-known", ..] => {
                let answer = oauth::route(self, request, base_url).await;
                (answer.unwrap_or_else(not_found_page), Seen::open(Family::OAuth))
            }
            ["secur", "frontdoor.jsp"] => {
                (Answer::empty(302).header("location", format!("{base_url}/")), Seen::open(Family::Open))
            }
            ["services", "data"] => (rest::versions(&request.method), Seen::open(Family::Open)),
            ["services", "data", version, ..] => self.rest(request, version, base_url).await,
            ["services", kind, ref rest @ ..] if kind.eq_ignore_ascii_case("soap") => {
                let (answer, org, user_id) = soap::route(self, request, rest, base_url).await;
                (answer, Seen { org, user_id, family: Family::Soap })
            }
            ["services", "async", ..] => {
                let (answer, org, user_id) = bulk1::route(self, request, base_url).await;
                (answer, Seen { org, user_id, family: Family::Bulk1 })
            }
            _ => (not_found_page(), Seen::open(Family::Open)),
        }
    }

    async fn rest(&self, mut request: Request, version: &str, base_url: &str) -> (Answer, Seen) {
        let family = rest::family(&request.path[3..]);
        let version = match rest::checked_version(version) {
            Ok(version) => version,
            Err(error) => return (error.into(), Seen::open(family)),
        };
        let (org, session) = match self.session(&request.headers, base_url) {
            Ok(found) => found,
            Err(error) => return (error.into(), Seen::open(family)),
        };
        let seen = Seen { org: Some(org.clone()), user_id: Some(session.user_id.clone()), family };
        if !session.is_for_apis() {
            let text = "This session is not valid for use with the REST API";
            return (ApiError::new(401, "INVALID_SESSION_ID", text).into(), seen);
        }
        let mut caller = org.caller(&session.user_id);
        if !caller.has_api() {
            return (ApiError::api_disabled().into(), seen);
        }
        if !caller.can("ApiEnabled") {
            let text = "API is not enabled for this Organization or Partner";
            return (ApiError::new(403, "API_CURRENTLY_DISABLED", text).into(), seen);
        }
        if !org.faces.take_call(org.clock().now()) {
            return (ApiError::request_limit_exceeded().into(), seen);
        }
        caller.session = Some(session.token.clone());
        rest::read_call_headers(&mut caller, &request.headers);
        let api = match family {
            Family::Bulk => "bulkapi",
            Family::Tooling => "toolingrest",
            _ => "rest",
        };
        caller.origin = Some(rest::origin(api, &version, rest::call_option(&request.headers, "client")));
        request.path.drain(..3);
        let ctx = Ctx {
            emulator: self.clone(),
            org,
            caller,
            version,
            headers: request.headers.clone(),
            base_url: base_url.to_owned(),
            session: session.token,
        };
        let answer = rest::route(&ctx, request).await.unwrap_or_else(Answer::from);
        (answer, seen)
    }

    /// The session of a REST request (`salesforce-api.md` 1.8).
    fn session(&self, headers: &HeaderMap, base_url: &str) -> Result<(Arc<Org>, crate::session::Session), ApiError> {
        let Some(authorization) = header(headers, "authorization") else { return Err(ApiError::invalid_session()) };
        let token =
            token_of(authorization).ok_or_else(|| ApiError::new(401, "INVALID_AUTH_HEADER", "INVALID_AUTH_HEADER"))?;
        let refused = || match token.starts_with("eyJ") && jsonwebtoken::decode_header(token).is_err() {
            true => ApiError::new(401, "INVALID_JWT_FORMAT", "INVALID_JWT_FORMAT"),
            false => ApiError::invalid_session(),
        };
        self.session_at(token, base_url).ok_or_else(refused)
    }

    /// The org and session of an access token at a host: a My Domain knows the sessions of its own org only.
    pub(crate) fn session_at(&self, token: &str, base_url: &str) -> Option<(Arc<Org>, crate::session::Session)> {
        let found = self.session_of(token)?;
        match self.place(base_url) {
            Place::Org(own) if own.id != found.0.id => None,
            _ => Some(found),
        }
    }

    /// The org and session of an access token; using it keeps it alive. A user who may not enter any more has no session.
    pub(crate) fn session_of(&self, token: &str) -> Option<(Arc<Org>, crate::session::Session)> {
        let is_jwt = token.starts_with("eyJ");
        let known = |org: &&Arc<Org>| lock(&org.faces.sessions).look_at(token, org.clock().now()).is_some();
        let org = self.orgs().iter().find(|org| if is_jwt { known(org) } else { token.starts_with(org.id15()) })?;
        let session = lock(&org.faces.sessions).use_token(token, org.clock().now())?;
        let app = session.client_id.as_deref();
        if app.is_some_and(|app| lock(&org.faces.apps).get(app).is_none_or(|app| app.blocked)) {
            return None;
        }
        let rights = org.rights(&session.user_id);
        (rights.may_enter && org.keeps(&rights.profile_id)).then(|| (org.clone(), session))
    }

    /// Serves a socket until `until` is done, then lets requests in flight finish.
    ///
    /// # Errors
    /// What accepting connections ends with.
    pub async fn serve(
        &self,
        listener: TcpListener,
        until: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        // Answers are small and many: waiting to fill a packet would cost 40 ms each.
        let listener = axum::serve::ListenerExt::tap_io(listener, |stream: &mut TcpStream| {
            let _ = stream.set_nodelay(true);
        });
        self.serve_over(listener, false, until).await
    }

    /// Serves whatever brings connections; of those over TLS the requests are marked as such.
    pub(crate) async fn serve_over<L>(
        &self,
        listener: L,
        is_secure: bool,
        until: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()>
    where
        L: Listener<Addr = SocketAddr>,
    {
        let emulator = self.clone();
        // Streams of events never end by themselves.
        let (close, closing) = watch::channel(false);
        let until = async move {
            until.await;
            close.send_replace(true);
            // Whoever opens a stream from now on sees it too.
            drop(close);
        };
        let answer = move |ConnectInfo(peer): ConnectInfo<Peer>, mut request: http::Request<Body>| {
            let (emulator, closing) = (emulator.clone(), Closing(closing.clone()));
            async move {
                request.extensions_mut().insert(closing);
                request.extensions_mut().insert(network::Socket(peer.address.ip()));
                if is_secure {
                    request.extensions_mut().insert(Secure);
                }
                let response = emulator.handle(request).await;
                if response.extensions().get::<Lost>().is_some() {
                    peer.switch.cut();
                }
                response
            }
        };
        let service = Router::new().fallback(answer).into_make_service_with_connect_info::<Peer>();
        axum::serve(Wires(listener), service).with_graceful_shutdown(until).await
    }
}

/// 414 for a long target, 431 for one that is too long together with its headers: pages of the web server, not of an API.
fn too_large(target_bytes: usize, headers: &HeaderMap) -> Option<Answer> {
    let header_bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    let (status, reason) = match target_bytes {
        target if target > URI_MAX_BYTES => (414, "URI Too Long"),
        target if target + header_bytes > URI_MAX_BYTES => (431, "Request Header Fields Too Large"),
        _ => return None,
    };
    Some(Answer::page(status, format!("<h1>Bad Message {status}</h1><pre>reason: {reason}</pre>")))
}

/// The cookies by which Salesforce knows a browser again (`salesforce-api.md` 2.1); nothing depends on them.
fn add_cookies(headers: &mut HeaderMap, now_ms: i64) {
    const YEAR_SECONDS: i64 = 365 * 24 * 3600;
    let until = date(now_ms.saturating_add(YEAR_SECONDS * 1000));
    let until = until.to_str().unwrap_or_default();
    for (name, value) in [
        ("CookieConsentPolicy", "0:1".to_owned()),
        ("LSKey-c$CookieConsentPolicy", "0:1".to_owned()),
        ("BrowserId", format!("emulated{now_ms:014}")),
    ] {
        let cookie = format!("{name}={value}; path=/; expires={until}; Max-Age={YEAR_SECONDS}");
        if let Ok(value) = HeaderValue::from_str(&cookie) {
            headers.append(SET_COOKIE, value);
        }
    }
}

/// `POST …?_HttpMethod=PATCH` (`salesforce-api.md` 2.1).
fn overridden(method: &Method, query: &mut Query) -> Method {
    if *method != Method::POST {
        return method.clone();
    }
    let wanted =
        query.get("_HttpMethod").and_then(|name| Method::from_bytes(name.to_ascii_uppercase().as_bytes()).ok());
    query.0.retain(|(name, _)| name != "_HttpMethod");
    wanted.unwrap_or(Method::POST)
}

fn not_found_page() -> Answer {
    Answer::page(404, oauth::page("URL No Longer Exists", "<main><h1>URL No Longer Exists</h1></main>"))
}

/// `Date` by the emulated clock (`salesforce-api.md` 2.1): clients take the time of their assertions from it.
fn date(now_ms: i64) -> HeaderValue {
    let since = Duration::from_millis(u64::try_from(now_ms).unwrap_or_default());
    let text = httpdate::fmt_http_date(std::time::UNIX_EPOCH + since);
    HeaderValue::from_str(&text).expect("a date has no control characters")
}

/// How the client wants its answer.
struct Accepted {
    gzip: bool,
    pretty: bool,
    /// The path below the version of a REST request that is answered in XML.
    xml: Option<Vec<String>>,
}

impl Accepted {
    fn of(headers: &HeaderMap) -> Accepted {
        let pretty = header(headers, "x-prettyprint").is_some_and(|value| value.trim() == "1");
        Accepted { gzip: takes_gzip(headers), pretty, xml: None }
    }
}

/// Whether the client takes zipped answers.
pub(crate) fn takes_gzip(headers: &HeaderMap) -> bool {
    header(headers, "accept-encoding").is_some_and(|encodings| {
        encodings.split(',').any(|one| {
            let mut parts = one.split(';').map(str::trim);
            parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip")) && parts.next() != Some("q=0")
        })
    })
}

fn respond(answer: Answer, accepted: &Accepted, limit: Option<String>, head: bool) -> http::Response<Body> {
    let mut headers = answer.headers;
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-cache,must-revalidate,max-age=0,no-store,private"));
    headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    headers.insert("x-robots-tag", HeaderValue::from_static("none"));
    headers.insert("strict-transport-security", HeaderValue::from_static("max-age=63072000; includeSubDomains"));
    if let Some(value) = limit.and_then(|line| HeaderValue::from_str(&line).ok()) {
        headers.insert("sforce-limit-info", value);
    }
    let (content_type, body) = match answer.body {
        Content::Empty => (None, Whole::Bytes(Bytes::new())),
        Content::Json(value) if accepted.xml.is_some() => {
            let bytes = xml::render(&value, accepted.xml.as_deref().unwrap_or_default());
            (Some("application/xml;charset=UTF-8".to_owned()), Whole::Bytes(bytes.into()))
        }
        Content::Text(text) if accepted.xml.is_some() => {
            let value = serde_json::from_slice(&text).expect("it was written as JSON");
            let bytes = xml::render(&value, accepted.xml.as_deref().unwrap_or_default());
            (Some("application/xml;charset=UTF-8".to_owned()), Whole::Bytes(bytes.into()))
        }
        Content::Text(text) => {
            let bytes = if accepted.pretty { prettied(&text) } else { text };
            (Some("application/json;charset=UTF-8".to_owned()), Whole::Bytes(bytes.into()))
        }
        Content::Json(value) => {
            let bytes = render(&value, accepted.pretty);
            (Some("application/json;charset=UTF-8".to_owned()), Whole::Bytes(bytes.into()))
        }
        Content::Bytes { content_type, bytes } => (Some(content_type), Whole::Bytes(bytes)),
        Content::Stream { content_type, body } => (Some(content_type), Whole::Stream(body)),
    };
    let zips = accepted.gzip
        && !head
        && content_type.as_deref().is_some_and(is_text)
        && !headers.contains_key(CONTENT_ENCODING);
    if let Some(value) = content_type.and_then(|content_type| HeaderValue::from_str(&content_type).ok()) {
        headers.insert(CONTENT_TYPE, value);
    }
    let body = match body {
        Whole::Bytes(bytes) if zips && bytes.len() >= GZIP_MIN_BYTES => {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            Body::from(gzip(&bytes))
        }
        Whole::Stream(body) if zips => {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            gzip_stream(body)
        }
        Whole::Bytes(bytes) => {
            if head {
                headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
            }
            Body::from(if head { Bytes::new() } else { bytes })
        }
        Whole::Stream(body) => {
            if head {
                Body::empty()
            } else {
                body
            }
        }
    };
    let mut response = http::Response::new(body);
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    *response.headers_mut() = headers;
    response
}

enum Whole {
    Bytes(Bytes),
    Stream(Body),
}

/// File bodies go out as they are: most are compressed already.
fn is_text(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default();
    kind.starts_with("text/") || matches!(kind, "application/json" | "application/xml")
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 4), Compression::fast());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("writing to memory cannot fail")
}

/// Zips a body piece by piece, so that a large result is never whole in memory.
fn gzip_stream(body: Body) -> Body {
    let encoder = Some(GzEncoder::new(Vec::new(), Compression::fast()));
    let zipped = futures::stream::unfold((body.into_data_stream(), encoder), |(mut pieces, encoder)| async move {
        let mut encoder = encoder?;
        loop {
            match pieces.next().await {
                Some(Ok(piece)) => {
                    encoder.write_all(&piece).expect("writing to memory cannot fail");
                    if !encoder.get_ref().is_empty() {
                        let out = std::mem::take(encoder.get_mut());
                        return Some((Ok(Bytes::from(out)), (pieces, Some(encoder))));
                    }
                }
                Some(Err(error)) => return Some((Err(error), (pieces, None))),
                None => {
                    let out = encoder.finish().expect("writing to memory cannot fail");
                    return Some((Ok(Bytes::from(out)), (pieces, None)));
                }
            }
        }
    });
    Body::from_stream(zipped)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn a_stream_is_zipped_while_it_is_sent() {
        let pieces = (0..50_u32).map(|at| Ok::<_, io::Error>(Bytes::from(format!("{at},").repeat(3_000))));
        let plain: Vec<u8> = (0..50_u32).flat_map(|at| format!("{at},").repeat(3_000).into_bytes()).collect();
        let answer = Answer::stream("text/csv", Body::from_stream(futures::stream::iter(pieces)));
        let response = respond(answer, &Accepted { gzip: true, pretty: false, xml: None }, None, false);
        assert_eq!(response.headers()[CONTENT_ENCODING], "gzip");
        let zipped = response.into_body().collect().await.unwrap().to_bytes();
        let mut back = Vec::new();
        flate2::read::GzDecoder::new(&zipped[..]).read_to_end(&mut back).unwrap();
        assert!(back == plain && zipped.len() < plain.len() / 10);
    }

    #[tokio::test]
    async fn a_stream_that_breaks_off_does_not_end_well() {
        let pieces = vec![Ok(Bytes::from_static(b"half")), Err(io::Error::other("cut"))];
        let answer = Answer::stream("text/csv", Body::from_stream(futures::stream::iter(pieces)));
        let response = respond(answer, &Accepted { gzip: true, pretty: false, xml: None }, None, false);
        assert!(response.into_body().collect().await.is_err());
    }

    #[test]
    fn gzip_is_sent_only_to_those_who_take_it() {
        let takes = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("accept-encoding", HeaderValue::from_str(value).unwrap());
            Accepted::of(&headers).gzip
        };
        assert!(takes("gzip") && takes("br, GZIP;q=0.5") && takes("deflate,gzip"));
        assert!(!takes("gzip;q=0, deflate") && !takes("identity") && !takes("xgzip"));
    }
}
