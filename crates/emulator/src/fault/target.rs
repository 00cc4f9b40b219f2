// SPDX-License-Identifier: Apache-2.0
//! What a request is about, as far as that shows before it is answered: for faults to fit, and for the request log.

use axum::body::{Body, Bytes};
use http::{HeaderMap, Method};
use serde_json::Value;

use crate::faces::lock;
use crate::id;
use crate::log::Family;
use crate::org::Org;
use crate::request::{Query, header, media_type};
use crate::{pubsub, rest, soql};

use super::When;

/// A larger order of a job is not looked into.
const ORDER_MAX_BYTES: usize = 1 << 20;

/// A request, by what can be said of it beforehand.
#[derive(Clone, Debug, Default)]
pub struct Target {
    pub family: Option<Family>,
    pub method: String,
    /// Without the query.
    pub path: String,
    pub object: Option<String>,
    /// What the job does that it orders or asks for.
    pub operation: Option<String>,
    /// `User-Agent`.
    pub client: String,
}

impl Target {
    /// Looks at a request; the body of an order is read and put back.
    pub async fn of(
        org: &Org,
        method: &Method,
        path: &str,
        segments: &[String],
        query: &Query,
        headers: &HeaderMap,
        body: Body,
    ) -> (Target, Body) {
        let family = family(segments);
        let mut target = Target {
            family: Some(family),
            method: method.to_string(),
            path: path.to_owned(),
            object: None,
            operation: None,
            client: header(headers, "user-agent").unwrap_or_default().to_owned(),
        };
        let below: Vec<&str> = segments.iter().skip(3).map(String::as_str).collect();
        let mut body = body;
        match (family, &below[..]) {
            (Family::Bulk, ["jobs", "query" | "ingest"]) | (Family::Bulk1, ["job"]) if *method == Method::POST => {
                if media_type(headers).starts_with("multipart/") {
                    return (target, body);
                }
                let bytes = axum::body::to_bytes(body, ORDER_MAX_BYTES).await.unwrap_or_default();
                target.read_order(&bytes);
                body = Body::from(bytes);
            }
            (Family::Bulk, ["jobs", _, job_id, ..]) | (Family::Bulk1, ["job", job_id, ..]) => {
                target.read_job(org, job_id)
            }
            (_, ["query" | "queryAll" | "tooling", ..]) => {
                target.object =
                    query.get("q").and_then(|text| soql::parse(text).ok()).map(|query| query.from.path.text());
            }
            (_, ["sobjects", object, ..]) => target.object = Some((*object).to_owned()),
            _ => {}
        }
        (target, body)
    }

    fn read_order(&mut self, body: &Bytes) {
        let text = String::from_utf8_lossy(body);
        let order: Value = serde_json::from_slice(body).unwrap_or_default();
        let named = |name: &str| {
            let tag = || Some(text.split_once(&format!("<{name}>"))?.1.split_once('<')?.0.to_owned());
            order[name].as_str().map(str::to_owned).or_else(tag)
        };
        self.operation = named("operation");
        let queried = || Some(soql::parse(order["query"].as_str()?).ok()?.from.path.text());
        self.object = named("object").or_else(queried);
    }

    fn read_job(&mut self, org: &Org, job_id: &str) {
        let Some(job_id) = id::to18(job_id) else { return };
        let registry = lock(&org.faces.jobs);
        let order = registry.jobs.get(&job_id).map(|job| &job.order);
        if let Some(order) = order.or_else(|| registry.classic.get(&job_id).map(|job| &job.order)) {
            self.object = Some(order.object.clone());
            self.operation = Some(order.operation.as_str().to_owned());
        }
    }

    /// Whether a fault is for it.
    pub fn fits(&self, when: &When) -> bool {
        let same = |wanted: &Option<String>, is: Option<&str>| match wanted {
            None => true,
            Some(wanted) => is.is_some_and(|is| wanted.eq_ignore_ascii_case(is)),
        };
        same(&when.family, self.family.map(Family::as_str))
            && same(&when.method, Some(&self.method))
            && same(&when.object, self.object.as_deref())
            && same(&when.operation, self.operation.as_deref())
            && when.path.as_deref().is_none_or(|pattern| matches(pattern, &self.path))
            && when.client.as_deref().is_none_or(|part| self.client.to_lowercase().contains(&part.to_lowercase()))
    }
}

/// The API that a path belongs to.
pub fn family(segments: &[String]) -> Family {
    let text: Vec<&str> = segments.iter().map(String::as_str).collect();
    match text[..] {
        ["services", "oauth2", ..] | ["id", ..] | [".well-known", ..] => Family::OAuth,
        ["services", "data", _, ..] => rest::family(&segments[3..]),
        ["services", "async", ..] => Family::Bulk1,
        ["services", kind, ..] if kind.eq_ignore_ascii_case("soap") => Family::Soap,
        [pubsub::ROOT, ..] => Family::PubSub,
        _ => Family::Open,
    }
}

/// Whether a text is what a pattern says, in which `*` stands for any text.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(text) = text.strip_prefix(head) else { return false };
    if rest.is_empty() {
        return true;
    }
    let starts = text.char_indices().map(|(at, _)| at).chain([text.len()]);
    starts.into_iter().any(|at| matches(rest, &text[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_text() {
        assert!(matches("/services/data/*/query*", "/services/data/v67.0/queryAll/01g"));
        assert!(matches("*/results", "/services/data/v67.0/jobs/query/750/results"));
        assert!(!matches("/services/data/*/query", "/services/data/v67.0/queryAll"));
        assert!(matches("/a", "/a") && !matches("/a", "/ab") && matches("*", ""));
    }
}
