// SPDX-License-Identifier: Apache-2.0
//! Queries by REST: pages of at most 2,000 rows, each named by the page before it (`salesforce-api.md` 2.6).
//!
//! The cursor lives for two days, so a page may be asked for again as often as needed. Rows deleted while reading may
//! be missing from later pages.

use std::sync::Arc;

use futures::stream::{self, StreamExt, TryStreamExt};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::call::{Call, Client, from_json};
use crate::error::{Kind, Result};
use crate::org::Org;
use crate::records::{self, Parsed, Shape};
use crate::rows::{RowStream, Rows};

mod parts;

/// A longer URL is refused with 414 (`salesforce-api.md` 2.1); some room is left for what stands before the query.
const LONGEST_URL_BYTES: usize = 16_000;

/// Whether a query can be sent by REST, alone or in a composite call.
pub fn fits_a_url(soql: &str) -> bool {
    url::form_urlencoded::byte_serialize(soql.as_bytes()).map(str::len).sum::<usize>() <= LONGEST_URL_BYTES
}

/// Which rows a query sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Those that users see.
    Live,
    /// Also those in the recycle bin, and archived activities.
    All,
}

impl Scope {
    /// The resource, and the operation of a Bulk API 2.0 job.
    pub(crate) fn resource(self) -> &'static str {
        match self {
            Scope::Live => "query",
            Scope::All => "queryAll",
        }
    }
}

/// One page of an answer, with its records still as they came.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Page<'a> {
    #[serde(borrow)]
    pub records: &'a RawValue,
    pub next_records_url: Option<String>,
}

impl Client {
    pub(crate) fn query_call(&self, soql: &str, scope: Scope, doing: &str) -> Call {
        let mut url = self.url(&[scope.resource()]);
        url.query_pairs_mut().append_pair("q", soql);
        Call::get("query", url, doing)
    }

    /// The first page of a query, as records of a known form.
    pub(crate) async fn query_json<T: DeserializeOwned>(&self, soql: &str, doing: &str) -> Result<Vec<T>> {
        let body = self.whole(&self.query_call(soql, Scope::Live, doing)).await?;
        let page: Page<'_> = from_json(&body, doing)?;
        from_json(page.records.get().as_bytes(), doing)
    }
}

impl Org {
    /// Rows of a query, page by page. `columns` is its SELECT list, also with paths to parents (`Owner.Name`);
    /// subqueries are left out. One that is too long for a URL is run as a Bulk API 2.0 job, which takes it in a body, or, where
    /// that is refused, in parts (see [`Org::query_in_parts`]).
    ///
    /// # Errors
    ///
    /// `Invalid` where the org refuses the query.
    pub fn query(&self, soql: &str, columns: &[String], scope: Scope) -> RowStream {
        let shape = Arc::new(Shape::of(columns));
        let doing = format!("querying {}", object_of(soql));
        let first = self.client.query_call(soql, scope, &doing);
        let org = self.clone();
        if !fits_a_url(soql) {
            let (soql, columns) = (soql.to_owned(), columns.to_owned());
            let job = async move {
                match org.bulk_rows(&soql, scope).await {
                    Err(error) if error.is_of_bulk() => Ok(org.query_in_parts(&soql, &columns, scope)),
                    rows => rows,
                }
            };
            return stream::once(job).try_flatten().boxed();
        }
        stream::try_unfold(Some(first), move |call| {
            let (org, shape) = (org.clone(), shape.clone());
            async move {
                let Some(call) = call else { return Ok(None) };
                let body = org.client.whole(&call).await?;
                let (rows, next) = org.read_page(&body, &shape, &call.doing).await?;
                let next = next.map(|next| org.client.follow(&next, &call.doing)).transpose()?;
                let next = next.map(|url| Call::get("query", url, call.doing.as_str()));
                Ok(Some((rows, next)))
            }
        })
        .try_filter_empty()
    }

    /// The rows of a page and the place of the next.
    pub(crate) async fn read_page(&self, body: &[u8], shape: &Shape, doing: &str) -> Result<(Rows, Option<String>)> {
        let page: Page<'_> = from_json(body, doing)?;
        let rows = self.read_records(page.records, shape, doing).await?;
        Ok((rows, page.next_records_url))
    }

    /// Records as rows. Describes objects where needed, once each (see `records.rs`).
    pub(crate) async fn read_records(&self, records: &RawValue, shape: &Shape, doing: &str) -> Result<Rows> {
        loop {
            let parsed = {
                let known = self.datetime_fields.read().unwrap_or_else(std::sync::PoisonError::into_inner);
                records::parse(records, shape, &known, doing)?
            };
            match parsed {
                Parsed::Rows(rows) => return Ok(rows),
                Parsed::Unknown(objects) => {
                    for object in objects {
                        self.learn_datetime_fields(&object).await?;
                    }
                }
            }
        }
    }

    async fn learn_datetime_fields(&self, object: &str) -> Result<()> {
        let answer = match self.describe(object).await {
            Ok(_) => return Ok(()),
            Err(error) if matches!(error.kind, Kind::NotFound | Kind::Invalid | Kind::Denied) => None,
            Err(error) => return Err(error),
        };
        let mut known = self.datetime_fields.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        known.entry(object.to_owned()).or_insert(answer);
        Ok(())
    }
}

trait FilterEmpty {
    fn try_filter_empty(self) -> RowStream;
}

impl<S: futures::Stream<Item = Result<Rows>> + Send + 'static> FilterEmpty for S {
    /// A page without rows is nothing to give out.
    fn try_filter_empty(self) -> RowStream {
        self.filter(|page| std::future::ready(!matches!(page, Ok(rows) if rows.is_empty()))).boxed()
    }
}

/// The object of the outermost FROM, for messages.
pub(crate) fn object_of(soql: &str) -> &str {
    let mut depth = 0i32;
    let mut words = soql.split_whitespace().skip_while(|word| {
        let outermost = depth == 0;
        depth += word.matches('(').count() as i32 - word.matches(')').count() as i32;
        !(outermost && word.eq_ignore_ascii_case("from"))
    });
    words.nth(1).unwrap_or("records")
}

#[cfg(test)]
mod tests;
