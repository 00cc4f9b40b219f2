// SPDX-License-Identifier: Apache-2.0
//! Query jobs: the org runs a query into pages of CSV, which stay for seven days and can be fetched in any order.

use futures::stream::{self, StreamExt};
use serde::Deserialize;
use serde_json::json;

use super::results::{self, Place};
use super::{Job, JobInfo, JobKind};
use crate::call::Call;
use crate::error::Result;
use crate::org::Org;
use crate::query::{Scope, object_of};
use crate::rows::RowStream;

#[derive(Clone)]
pub struct QueryJob {
    pub id: String,
    job: Job,
}

impl Org {
    /// Creates a query job. What Bulk API 2.0 cannot query is in `salesforce-api.md` 3.1; the org says it here or as
    /// the reason for which the job fails.
    pub async fn bulk_query(&self, soql: &str, scope: Scope) -> Result<QueryJob> {
        let subject = object_of(soql);
        let body = json!({"operation": scope.resource(), "query": soql, "contentType": "CSV", "columnDelimiter": "COMMA", "lineEnding": "LF"});
        let url = self.client.url(&["jobs", "query"]);
        // An orphan of a lost answer costs the org a little work and is forgotten after seven days.
        let call = Call::json(
            "bulk",
            http::Method::POST,
            url,
            body.to_string().into_bytes(),
            format!("creating a query job of {subject}"),
        )
        .repeatable();
        let job: JobInfo = self.client.read_json(&call).await?;
        Ok(QueryJob::resume(self, job.id, subject))
    }

    /// The rows of a query job, once it is complete.
    pub async fn bulk_rows(&self, soql: &str, scope: Scope) -> Result<RowStream> {
        let job = self.bulk_query(soql, scope).await?;
        job.wait(&mut |_| {}).await?;
        Ok(job.rows())
    }
}

impl QueryJob {
    /// A job that was created before. `object` is for messages only.
    pub fn resume(org: &Org, id: String, object: &str) -> QueryJob {
        let job = Job { client: org.client.clone(), kind: JobKind::Query, id: id.clone(), subject: object.to_owned() };
        QueryJob { id, job }
    }

    pub async fn state(&self) -> Result<JobInfo> {
        self.job.state().await
    }

    /// Waits until the job is finished, telling `progress` the rows processed so far.
    ///
    /// # Errors
    ///
    /// The org's own words where the job failed or was aborted; `Unreachable` where it hangs.
    pub async fn wait(&self, progress: &mut (dyn FnMut(u64) + Send)) -> Result<JobInfo> {
        self.job.wait(progress).await
    }

    /// All rows of a finished job, one page after the other. Their columns are the header of the CSV; where there are
    /// no rows, one empty [`crate::Rows`] still tells the columns.
    pub fn rows(&self) -> RowStream {
        results::rows(self.job.clone(), Place::first(self.job.url(&["results"])))
    }

    /// Places of the pages, for fetching several at once with [`QueryJob::page`].
    pub async fn result_pages(&self) -> Result<Vec<String>> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Pages {
            result_pages: Vec<Page>,
            next_records_url: Option<String>,
            #[serde(default)]
            done: bool,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Page {
            result_url: String,
        }
        let client = &self.job.client;
        let doing = self.job.doing("listing the pages of");
        let mut places = Vec::new();
        let mut url = self.job.url(&["resultPages"]);
        loop {
            let pages: Pages = client
                .read_json(&Call::get("bulk", url, doing.as_str()))
                .await
                .map_err(|error| self.job.named(error))?;
            places.extend(pages.result_pages.into_iter().map(|page| page.result_url));
            match pages.next_records_url.filter(|_| !pages.done) {
                Some(next) => url = client.follow(&next, &doing)?,
                None => return Ok(places),
            }
        }
    }

    /// The rows of one page of [`QueryJob::result_pages`].
    pub fn page(&self, place: &str) -> RowStream {
        match self.job.client.follow(place, &self.job.doing("reading")) {
            Ok(url) => results::rows(self.job.clone(), Place::only(url)),
            Err(error) => stream::iter([Err(error)]).boxed(),
        }
    }

    pub async fn abort(&self) -> Result<()> {
        self.job.set_state("Aborted", "aborting").await.map(drop)
    }

    /// Removes a finished job and its results from the org.
    pub async fn delete(self) -> Result<()> {
        self.job.delete().await
    }
}
