// SPDX-License-Identifier: Apache-2.0
//! Several requests in one call: a composite request counts as one against the allowance, whatever it holds, and may
//! hold 25 requests, five of them queries (`salesforce-api.md` 2.8). That is what makes the many small objects of an org
//! cheap to read.

use std::sync::Arc;
use std::time::SystemTime;

use futures::stream::{self, StreamExt};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::call::{Call, from_json};
use crate::describe::Describe;
use crate::error::{Error, Kind, Result};
use crate::org::Org;
use crate::query::{Scope, object_of};
use crate::records::Shape;
use crate::refusal;
use crate::rows::{RowStream, Rows};

/// Queries of one composite call.
pub const MOST_QUERIES: usize = 5;
/// Describes of one composite call.
pub const MOST_DESCRIBES: usize = 25;

/// One of several queries.
#[derive(Debug, Clone)]
pub struct Query {
    pub soql: String,
    /// Its SELECT list, also with paths to parents (`Owner.Name`).
    pub columns: Vec<String>,
    pub scope: Scope,
}

/// What a query gave in the call that held it.
pub struct Answered {
    /// The first page: at most 2,000 rows.
    pub rows: Rows,
    /// Rows in all.
    pub total: u64,
    /// The other pages, which cost a call each when they are read.
    pub rest: Option<RowStream>,
}

/// An object of which a describe was asked.
#[derive(Debug)]
pub enum Described {
    /// Boxed, since most answers are the other one.
    Now(Box<Describe>),
    /// As it was at the time that was given.
    Unchanged,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    #[serde(borrow)]
    composite_response: Vec<Part<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part<'a> {
    /// Absent where nothing has changed.
    #[serde(borrow, default)]
    body: Option<&'a RawValue>,
    http_status_code: u16,
    reference_id: String,
}

impl Org {
    /// Runs up to five queries in one call.
    ///
    /// # Errors
    ///
    /// Of the whole call; what is wrong with one query is in its place.
    pub async fn composite_queries(&self, queries: &[Query]) -> Result<Vec<Result<Answered>>> {
        let doing = format!("running {} queries", queries.len());
        let parts = queries.iter().map(|query| {
            let url = self.client.query_call(&query.soql, query.scope, &doing).url;
            json!({"method": "GET", "url": format!("{}?{}", url.path(), url.query().unwrap_or_default())})
        });
        let body = self.composite(parts.collect(), MOST_QUERIES, &doing).await?;
        let mut results = Vec::with_capacity(queries.len());
        for (part, query) in parts_of(&body, queries.len(), &doing)?.iter().zip(queries) {
            results.push(self.answered(part, query).await);
        }
        Ok(results)
    }

    async fn answered(&self, part: &Part<'_>, query: &Query) -> Result<Answered> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Total {
            total_size: u64,
        }
        let doing = format!("querying {}", object_of(&query.soql));
        let body = part.success(&doing)?;
        let shape = Arc::new(Shape::of(&query.columns));
        let (rows, next) = self.read_page(body, &shape, &doing).await?;
        let total = from_json::<Total>(body, &doing)?.total_size;
        let rest = next.map(|next| self.pages(next, shape, doing));
        Ok(Answered { rows, total, rest })
    }

    /// The pages of a query from a place on.
    fn pages(&self, place: String, shape: Arc<Shape>, doing: String) -> RowStream {
        let state = (self.clone(), Some(place));
        stream::try_unfold(state, move |(org, place)| {
            let (shape, doing) = (shape.clone(), doing.clone());
            async move {
                let Some(place) = place else { return Ok(None) };
                let call = Call::get("query", org.client.follow(&place, &doing)?, doing.as_str());
                let body = org.client.whole(&call).await?;
                let (rows, next) = org.read_page(&body, &shape, &doing).await?;
                Ok(Some((rows, (org, next))))
            }
        })
        .boxed()
    }

    /// Describes up to 25 objects in one call, those that come with a time only where they changed since then
    /// (`salesforce-api.md` 2.5). Whether a changed permission counts as a change is not documented, so that whoever
    /// relies on this asks without a time now and then.
    ///
    /// # Errors
    ///
    /// Of the whole call; what is wrong with one object is in its place.
    pub async fn describes(&self, objects: &[(&str, Option<SystemTime>)]) -> Result<Vec<Result<Described>>> {
        let doing = format!("describing {} objects", objects.len());
        let parts = objects.iter().map(|(object, since)| {
            let mut part = json!({"method": "GET", "url": self.client.url(&["sobjects", object, "describe"]).path()});
            if let Some(since) = since {
                part["httpHeaders"] = json!({"If-Modified-Since": httpdate::fmt_http_date(*since)});
            }
            part
        });
        let body = self.composite(parts.collect(), MOST_DESCRIBES, &doing).await?;
        let parts = parts_of(&body, objects.len(), &doing)?;
        Ok(parts.iter().zip(objects).map(|(part, (object, _))| self.described(part, object)).collect())
    }

    fn described(&self, part: &Part<'_>, object: &str) -> Result<Described> {
        if part.http_status_code == StatusCode::NOT_MODIFIED.as_u16() {
            return Ok(Described::Unchanged);
        }
        let describe = Describe::parse(part.success(&format!("describing {object}"))?)?;
        self.know(&describe);
        Ok(Described::Now(Box::new(describe)))
    }

    async fn composite(&self, mut parts: Vec<Value>, most: usize, doing: &str) -> Result<bytes::Bytes> {
        if parts.len() > most {
            return Err(Error::new(Kind::Bug, doing, format!("one call takes at most {most} of them")));
        }
        for (place, part) in parts.iter_mut().enumerate() {
            part["referenceId"] = reference(place).into();
        }
        let body = json!({"allOrNone": false, "compositeRequest": parts}).to_string().into_bytes();
        let call = Call::json("composite", Method::POST, self.client.url(&["composite"]), body, doing).repeatable();
        self.client.whole(&call).await
    }
}

impl<'a> Part<'a> {
    /// The body of a part that went well, or what was wrong with it.
    fn success(&self, doing: &str) -> Result<&'a [u8]> {
        let status = StatusCode::from_u16(self.http_status_code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = self.body.map_or(b"null".as_slice(), |body| body.get().as_bytes());
        if status.is_success() { Ok(body) } else { Err(refusal::error(doing, refusal::parse(status, body))) }
    }
}

/// The answers in the order of what was asked.
fn parts_of<'a>(body: &'a [u8], asked: usize, doing: &str) -> Result<Vec<Part<'a>>> {
    let mut answer: Answer<'a> = from_json(body, doing)?;
    (0..asked)
        .map(|place| {
            let found = answer.composite_response.iter().position(|part| part.reference_id == reference(place));
            let missing = || Error::new(Kind::Corrupt, doing, "the org left out one of the answers");
            Ok(answer.composite_response.swap_remove(found.ok_or_else(missing)?))
        })
        .collect()
}

fn reference(place: usize) -> String {
    format!("part{place}")
}
