// SPDX-License-Identifier: Apache-2.0
//! Several queries in one call: a composite request counts as one against the allowance, whatever it holds, and may
//! hold five queries (`salesforce-api.md` 2.8). That is what makes the many small objects of an org cheap to read.

use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use crate::call::{Call, from_json};
use crate::error::{Error, Kind, Result};
use crate::org::Org;
use crate::query::{Scope, object_of};
use crate::records::Shape;
use crate::refusal;
use crate::rows::Rows;

/// Queries of one composite call.
pub const MOST_QUERIES: usize = 5;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    #[serde(borrow)]
    composite_response: Vec<Part<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part<'a> {
    #[serde(borrow)]
    body: &'a RawValue,
    http_status_code: u16,
    reference_id: String,
}

impl Org {
    /// Runs up to five queries, each given with its columns (see [`Org::query`]), and gives all rows of each. A query
    /// with more than 2,000 rows costs further calls for its later pages, so this is for small answers.
    ///
    /// # Errors
    ///
    /// Of the whole call; what is wrong with one query is in its place.
    pub async fn composite_queries(&self, soql: &[(String, Vec<String>)], scope: Scope) -> Result<Vec<Result<Rows>>> {
        let doing = format!("running {} queries", soql.len());
        if soql.len() > MOST_QUERIES {
            return Err(Error::new(Kind::Bug, doing, format!("one call takes at most {MOST_QUERIES} queries")));
        }
        if soql.is_empty() {
            return Ok(Vec::new());
        }
        let parts: Vec<_> = soql
            .iter()
            .enumerate()
            .map(|(place, (soql, _))| {
                let url = self.client.query_call(soql, scope, &doing).url;
                let url = format!("{}?{}", url.path(), url.query().unwrap_or_default());
                json!({"method": "GET", "url": url, "referenceId": reference(place)})
            })
            .collect();
        let body = json!({"allOrNone": false, "compositeRequest": parts}).to_string().into_bytes();
        let call = Call::json("composite", Method::POST, self.client.url(&["composite"]), body, doing).repeatable();
        let body = self.client.whole(&call).await?;
        let answer: Answer<'_> = from_json(&body, &call.doing)?;
        let mut results = Vec::with_capacity(soql.len());
        for (place, (soql, columns)) in soql.iter().enumerate() {
            let part = answer.composite_response.iter().find(|part| part.reference_id == reference(place));
            let Some(part) = part else {
                return Err(Error::new(Kind::Corrupt, call.doing.as_str(), "the org left out one of the answers"));
            };
            results.push(self.read_part(part, soql, columns).await);
        }
        Ok(results)
    }

    async fn read_part(&self, part: &Part<'_>, soql: &str, columns: &[String]) -> Result<Rows> {
        let doing = format!("querying {}", object_of(soql));
        let status = StatusCode::from_u16(part.http_status_code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if !status.is_success() {
            return Err(refusal::error(&doing, refusal::parse(status, part.body.get().as_bytes())));
        }
        let shape = Shape::of(columns);
        let (mut rows, mut next) = self.read_page(part.body.get().as_bytes(), &shape, &doing).await?;
        while let Some(place) = next {
            let call = Call::get("query", self.client.follow(&place, &doing)?, doing.as_str());
            let body = self.client.whole(&call).await?;
            let page;
            (page, next) = self.read_page(&body, &shape, &doing).await?;
            rows.append(&page);
        }
        Ok(rows)
    }
}

fn reference(place: usize) -> String {
    format!("query{place}")
}
