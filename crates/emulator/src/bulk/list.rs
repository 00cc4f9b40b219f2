// SPDX-License-Identifier: Apache-2.0
//! `GET /jobs/query` and `GET /jobs/ingest`: the jobs of a family, oldest first, 1,000 per page, those of Bulk 1.0 among them
//! as `Classic` (`salesforce-api.md` 3.1, 3.2).

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::answer::Answer;
use crate::bulk1;
use crate::ctx::Ctx;
use crate::error::ApiError;
use crate::faces::lock;
use crate::request::Query;

use super::job::Job;
use super::query::{decode_locator, encode_locator};
use super::turn::settle;

/// Jobs per page.
const PAGE_JOBS: usize = 1_000;

enum Listed {
    Job(Arc<Job>),
    Classic(Arc<bulk1::Job>),
}

impl Listed {
    fn number(&self) -> u64 {
        match self {
            Listed::Job(job) => job.number,
            Listed::Classic(job) => job.number,
        }
    }

    fn passes(&self, query: &Query) -> bool {
        let (job_type, mode, chunked) = match self {
            Listed::Job(job) => (job.job_type(), "Parallel", false),
            Listed::Classic(job) => ("Classic", job.mode.as_str(), job.is_chunked()),
        };
        query.get("jobType").is_none_or(|wanted| wanted == job_type)
            && query.get("concurrencyMode").is_none_or(|wanted| wanted.eq_ignore_ascii_case(mode))
            && (!query.is_true("isPkChunkingEnabled") || chunked)
    }
}

/// The page that a request asks for.
///
/// # Errors
/// 400 `INVALID_QUERY_LOCATOR`.
pub async fn jobs(ctx: &Ctx, is_query: bool, query: &Query) -> Result<Answer, ApiError> {
    let start = match query.get("queryLocator") {
        None => 0,
        Some(locator) => decode_locator(locator).ok_or_else(ApiError::invalid_query_locator)?,
    };
    let start = usize::try_from(start).unwrap_or(usize::MAX);
    super::forget_old(&ctx.org);
    let mut jobs: Vec<Listed> = {
        let registry = lock(&ctx.org.faces.jobs);
        let classic = registry.classic.values().cloned().map(Listed::Classic);
        let all = registry.jobs.values().cloned().map(Listed::Job).chain(classic);
        all.filter(|job| {
            let operation = match job {
                Listed::Job(job) => job.order.operation,
                Listed::Classic(job) => job.order.operation,
            };
            operation.is_query() == is_query && job.passes(query)
        })
        .collect()
    };
    jobs.sort_by_key(Listed::number);
    let mut records = Vec::new();
    for job in jobs.iter().skip(start).take(PAGE_JOBS) {
        records.push(Value::Object(line(ctx, job).await));
    }
    let next = start.saturating_add(PAGE_JOBS);
    let done = next >= jobs.len();
    let family = if is_query { "query" } else { "ingest" };
    let next_url =
        (!done).then(|| format!("{}/jobs/{family}?queryLocator={}", ctx.data_path(), encode_locator(next as u64)));
    Ok(Answer::ok(json!({"done": done, "records": records, "nextRecordsUrl": next_url})))
}

async fn line(ctx: &Ctx, job: &Listed) -> Map<String, Value> {
    match job {
        Listed::Job(job) => {
            settle(&ctx.org, job).await;
            let mut info = job.summary();
            info.insert("jobType".to_owned(), json!(job.job_type()));
            info
        }
        Listed::Classic(job) => job.listed(),
    }
}
