// SPDX-License-Identifier: Apache-2.0
//! Doing what a fault says: before the request is answered, and to its answer.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use futures::StreamExt as _;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::answer::Answer;
use crate::log::Family;
use crate::oauth::token_of;
use crate::org::Org;
use crate::request::{header, media_type};
use crate::schema::{Field, FieldType};

use super::target::Target;
use super::{Effect, FirstAnswer, shape};

const LIMIT_HEADER: HeaderName = HeaderName::from_static("sforce-limit-info");

/// How long a connection stands after its last byte.
const FLUSH: Duration = Duration::from_millis(10);

/// Marks a response of which no byte reaches the client. The socket breaks the connection instead of sending it; in-process
/// callers find the mark in its extensions, and a body that breaks at once.
#[derive(Clone, Copy, Debug)]
pub struct Lost;

/// What a request's faults do before it is answered. The answer, where one of them gives it.
pub async fn before(org: &Arc<Org>, target: &Target, headers: &HeaderMap, strikes: &[(u64, Effect)]) -> Option<Answer> {
    let family = target.family.unwrap_or(Family::Open);
    let mut answer = None;
    for (_, effect) in strikes {
        match effect {
            Effect::Delay { ms } => tokio::time::sleep(Duration::from_millis(*ms)).await,
            Effect::Refuse { status, code, message, retry_after_seconds } => {
                let json = media_type(headers) == "application/json";
                let refused = shape::refusal(family, json, *status, code, message);
                answer = Some(match retry_after_seconds {
                    Some(seconds) => refused.header("retry-after", seconds.to_string()),
                    None => refused,
                });
            }
            Effect::Page { status } => answer = Some(shape::page(*status)),
            Effect::ExpireSession => match token(headers) {
                Some(token) => {
                    org.revoke(token);
                }
                None => org.expire_sessions(),
            },
            other => change(org, other),
        }
    }
    answer
}

/// What a fault changes in the org itself; also what the control API does on request.
pub fn change(org: &Org, effect: &Effect) {
    match effect {
        Effect::ExhaustLimit => {
            let (_, max) = org.daily_usage();
            org.set_daily_limit(max, max);
        }
        Effect::DropField { object, field } => {
            org.drop_field(object, field);
        }
        Effect::AddField { object, field } => {
            org.add_field(object, Field::usual(field, field, FieldType::String, 255));
        }
        Effect::RenameField { object, field, to } => rename(org, object, field, to),
        Effect::RemoveObject { object } => {
            org.remove_object(object);
        }
        Effect::LockRows { ids, ms } => {
            ids.iter().for_each(|id| org.lock_row(id));
            org.faces.faults.hold(ids, org.clock().now().saturating_add(*ms));
        }
        Effect::LateCommits { count, longest_ms, seed } => {
            // Accounts with nothing but a name are refused by no rule of the platform; one of the org's own may refuse them.
            let _ = org.late_commits(*seed, *count, Duration::from_millis(*longest_ms));
        }
        _ => {}
    }
}

/// Lets go the rows whose lock has ended.
pub fn release(org: &Org) {
    for id in org.faces.faults.released(org.clock().now()) {
        org.unlock_row(&id);
    }
}

/// A field under another name, its values with it.
fn rename(org: &Org, object: &str, field: &str, to: &str) {
    let schema = org.schema();
    let Some(known) = schema.object(object).and_then(|object| object.field(field)) else { return };
    let mut renamed = (**known).clone();
    to.clone_into(&mut renamed.name);
    let stored = known.stored();
    let from = known.name.clone();
    if !org.add_field(object, renamed) {
        return;
    }
    if stored {
        let sql = format!("UPDATE \"{object}\" SET \"{to}\" = \"{from}\"");
        // A name that SQLite does not take was refused by the schema before.
        let _ = org.write(|tx| tx.conn.execute(&sql, []));
    }
    org.drop_field(object, &from);
}

fn token(headers: &HeaderMap) -> Option<&str> {
    header(headers, "x-sfdc-session").or_else(|| header(headers, "authorization").and_then(token_of))
}

/// What a request's faults do to its response.
pub async fn after(
    org: &Org,
    request: &str,
    strikes: &[(u64, Effect)],
    mut response: http::Response<Body>,
) -> http::Response<Body> {
    for (id, effect) in strikes {
        response = match effect {
            Effect::StaleLimits { used, max } => {
                if let Ok(value) = HeaderValue::from_str(&format!("api-usage={used}/{max}")) {
                    response.headers_mut().insert(LIMIT_HEADER, value);
                }
                response
            }
            Effect::Stale => stale(org, *id, request, response).await,
            Effect::Truncate { after_bytes } => shortened(response, *after_bytes, false),
            Effect::Cut { after_bytes } => shortened(response, *after_bytes, true),
            Effect::LoseReply => {
                let mut lost = shortened(response, 0, true);
                lost.extensions_mut().insert(Lost);
                lost
            }
            _ => response,
        };
    }
    response
}

async fn stale(org: &Org, id: u64, request: &str, response: http::Response<Body>) -> http::Response<Body> {
    let faults = &org.faces.faults;
    if let Some(first) = faults.first_answer(id, request) {
        let mut again = http::Response::new(Body::from(first.body));
        *again.status_mut() = StatusCode::from_u16(first.status).unwrap_or(StatusCode::OK);
        *again.headers_mut() = first.headers;
        return again;
    }
    let (parts, body) = response.into_parts();
    let Ok(body) = axum::body::to_bytes(body, usize::MAX).await else {
        return http::Response::from_parts(parts, broken());
    };
    let first = FirstAnswer { status: parts.status.as_u16(), headers: parts.headers.clone(), body: body.clone() };
    faults.remember(id, request.to_owned(), first);
    http::Response::from_parts(parts, Body::from(body))
}

/// The body up to so many bytes (of what goes over the wire), and then its end, or the end of the connection.
fn shortened(response: http::Response<Body>, after_bytes: u64, breaks: bool) -> http::Response<Body> {
    let (mut parts, body) = response.into_parts();
    // A broken one keeps its length, so that whoever counts sees what is missing; one that looks whole cannot.
    if !breaks {
        parts.headers.remove(CONTENT_LENGTH);
    }
    // What was sent before must reach the client before the connection breaks.
    let end = futures::stream::once(async {
        tokio::time::sleep(FLUSH).await;
        Err(io::Error::other("the connection was cut"))
    });
    let end = end.take(usize::from(breaks));
    let pieces = body
        .into_data_stream()
        .scan(after_bytes, |left, piece| {
            let piece = piece.map(|mut piece: Bytes| {
                let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(piece.len());
                *left -= taken as u64;
                piece.truncate(taken);
                piece
            });
            let over = piece.as_ref().is_ok_and(Bytes::is_empty);
            std::future::ready((!over).then_some(piece))
        })
        .map(|piece| piece.map_err(io::Error::other))
        .chain(end);
    http::Response::from_parts(parts, Body::from_stream(pieces))
}

fn broken() -> Body {
    Body::from_stream(futures::stream::iter([Err::<Bytes, _>(io::Error::other("the body broke off"))]))
}
