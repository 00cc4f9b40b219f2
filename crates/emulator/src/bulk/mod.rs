// SPDX-License-Identifier: Apache-2.0
//! Bulk API 2.0: jobs that read (`/jobs/query`) and jobs that write (`/jobs/ingest`), `salesforce-api.md` 3.1 to 3.3.
//!
//! A job is data in a [`Registry`] (`registry.rs`), waits for its turn on the clock (`progress.rs`, `turn.rs`), and does its work
//! (`query.rs`; `ingest.rs`, `columns.rs`, `chunk.rs`, `deed.rs`); its bodies lie in the spool (`spool.rs`, `results.rs`), and
//! where the org has a store file, the journal finds everything again after a restart. Bulk 1.0 (`crate::bulk1`) has other
//! requests and answers and shares all of that.

pub(crate) mod chunk;
pub(crate) mod columns;
pub mod contention;
pub mod csv;
pub(crate) mod deed;
mod ingest;
pub mod job;
pub(crate) mod journal;
mod list;
pub mod operation;
pub mod order;
pub mod progress;
pub(crate) mod query;
pub mod quota;
mod registry;
pub mod results;
pub mod spool;
pub(crate) mod turn;
mod upload;

use std::sync::Arc;

use http::Method;
use serde_json::Value;

use crate::answer::Answer;
use crate::ctx::Ctx;
use crate::error::ApiError;
use crate::faces::lock;
use crate::id;
use crate::org::Org;
use crate::request::{Query, Request};

use job::Job;
use progress::{State, Upload, invalid_state};
pub use registry::Registry;
use results::Results;
use turn::{nudge, settle, step};

pub(crate) use ingest::CHUNK_ROWS;

/// Answers everything below `/jobs`. `request.path` begins with `jobs`.
///
/// # Errors
/// As the org refuses: see `salesforce-api.md` 3.1 and 3.2.
pub async fn route(ctx: &Ctx, mut request: Request) -> Result<Answer, ApiError> {
    let path: Vec<String> = request.path.iter().skip(1).cloned().collect();
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let (family, rest) = path.split_first().ok_or_else(ApiError::not_found)?;
    let is_query = match *family {
        "query" => true,
        "ingest" => false,
        _ => return Err(ApiError::not_found()),
    };
    let method = request.method.clone();
    match rest {
        [] if method == Method::POST && is_query => {
            let job = query::create(ctx, &request.body_bytes().await?)?;
            journal::keep(&ctx.org, &job);
            nudge(&ctx.org, &job);
            Ok(Answer::ok(Value::Object(job.summary())))
        }
        [] if method == Method::POST => {
            let (job, closed) = upload::create(ctx, request).await?;
            journal::keep(&ctx.org, &job);
            if closed {
                nudge(&ctx.org, &job);
            }
            Ok(Answer::ok(Value::Object(job.summary())))
        }
        [] if method == Method::GET => list::jobs(ctx, is_query, &request.query).await,
        [] => Err(not_allowed(&method, "GET,HEAD,POST")),
        [job_id, below @ ..] => {
            let job = find(&ctx.org, job_id, is_query)?;
            settle(&ctx.org, &job).await;
            match below {
                [] => one(ctx, &job, request).await,
                ["batches"] if !is_query && method == Method::PUT => {
                    let spool = lock(&ctx.org.faces.jobs).spool.clone();
                    let answer = upload::put(&spool, &job, request).await?;
                    journal::keep(&ctx.org, &job);
                    Ok(answer)
                }
                ["batches"] if !is_query => Err(not_allowed(&method, "PUT")),
                [part] if method == Method::GET => part_of(ctx, &job, part, &request.query),
                _ => Err(ApiError::not_found()),
            }
        }
    }
}

/// The job itself: GET, PATCH and DELETE.
async fn one(ctx: &Ctx, job: &Arc<Job>, mut request: Request) -> Result<Answer, ApiError> {
    let now_ms = ctx.org.clock().now();
    match request.method {
        Method::GET => Ok(Answer::ok(Value::Object(job.info(now_ms)))),
        Method::PATCH => {
            let body = order::json_object(&request.body_bytes().await?)?;
            match body.get("state").and_then(Value::as_str) {
                Some("UploadComplete") if !job.order.operation.is_query() => close(ctx, job)?,
                Some("Aborted") => abort(&ctx.org, job, now_ms)?,
                other => return Err(order::invalid_value(other.unwrap_or_default(), "state")),
            }
            journal::keep(&ctx.org, job);
            Ok(Answer::ok(Value::Object(job.summary())))
        }
        Method::DELETE => {
            let state = job.progress().state;
            let deletable = state.is_final() || (!job.order.operation.is_query() && state == State::UploadComplete);
            if !deletable {
                let text = format!("cannot delete job in state {}", state.as_str());
                return Err(ApiError::new(400, "API_ERROR", text));
            }
            job.stop();
            {
                let mut registry = lock(&ctx.org.faces.jobs);
                registry.jobs.remove(&job.id);
                registry.spool.remove(&job.id);
            }
            journal::forget(&ctx.org, std::slice::from_ref(&job.id));
            Ok(Answer::empty(204))
        }
        ref method => Err(not_allowed(method, "DELETE,GET,HEAD,PATCH")),
    }
}

fn close(ctx: &Ctx, job: &Arc<Job>) -> Result<(), ApiError> {
    let was_open = {
        let mut progress = job.progress();
        if matches!(progress.upload, Upload::Running) {
            return Err(invalid_state("The upload of the job's data is not finished"));
        }
        let was_open = progress.state == State::Open;
        progress.close(ctx.org.clock().now())?;
        was_open
    };
    if was_open {
        nudge(&ctx.org, job);
    }
    Ok(())
}

fn abort(org: &Org, job: &Job, now_ms: i64) -> Result<(), ApiError> {
    let untouched = job.progress().abort(now_ms)?;
    job.stop();
    if untouched && !job.order.operation.is_query() {
        let outcome = ingest::unprocessed(org, job);
        job.progress().worked(outcome, now_ms);
    }
    Ok(())
}

fn part_of(ctx: &Ctx, job: &Job, part: &str, query: &Query) -> Result<Answer, ApiError> {
    if job.order.operation.is_query() {
        return match part {
            "results" => query::results(ctx, job, query),
            "resultPages" if ctx.version_number() >= 58 => query::result_pages(ctx, job, query),
            _ => Err(ApiError::not_found()),
        };
    }
    let progress = job.progress();
    let rows: Option<&Results> = match part.to_ascii_lowercase().as_str() {
        "successfulresults" => progress.outcome.rows.as_ref(),
        "failedresults" => progress.outcome.failed_rows.as_ref(),
        "unprocessedrecords" => progress.outcome.unprocessed_rows.as_ref(),
        _ => return Err(ApiError::not_found()),
    };
    if !progress.state.is_final() {
        let state = progress.state.constant();
        return Err(invalid_state(format!(
            "can only download results of completed bulk job with status: JOB_COMPLETE. Current status: {state}"
        )));
    }
    match rows {
        Some(rows) => {
            let page = rows.page(0, u64::MAX).map_err(|error| unreadable(&error))?;
            Ok(Answer::stream("text/csv", page.into_body()))
        }
        // The job ended before its header was read, so not even that is known.
        None => Ok(Answer::bytes(200, "text/csv", "")),
    }
}

fn unreadable(error: &std::io::Error) -> ApiError {
    ApiError::new(500, "UNKNOWN_EXCEPTION", format!("The results cannot be read: {error}"))
}

fn not_allowed(method: &Method, allowed: &str) -> ApiError {
    ApiError::method_not_allowed(method.as_str(), allowed)
}

fn find(org: &Org, job_id: &str, is_query: bool) -> Result<Arc<Job>, ApiError> {
    let job_id = id::to18(job_id).ok_or_else(ApiError::not_found)?;
    forget_old(org);
    let job = lock(&org.faces.jobs).jobs.get(&job_id).cloned();
    job.filter(|job| job.order.operation.is_query() == is_query).ok_or_else(ApiError::not_found)
}

/// Drops the jobs whose time is over.
pub(crate) fn forget_old(org: &Org) {
    let gone = lock(&org.faces.jobs).forget_old(org.clock().now());
    journal::forget(org, &gone);
}

impl Org {
    /// One step of every Bulk job, for tests with [`crate::Jobs::Stepped`]: from UploadComplete to InProgress, or from there
    /// through the work to the end. The batches of Bulk 1.0 step likewise.
    pub fn step_jobs(&self) {
        let (jobs, classic): (Vec<Arc<Job>>, Vec<_>) = {
            let registry = lock(&self.faces.jobs);
            (registry.jobs.values().cloned().collect(), registry.classic.values().cloned().collect())
        };
        for job in jobs {
            step(self, &*job);
        }
        for batch in classic.iter().flat_map(|job| job.batches()) {
            step(self, &*batch);
        }
    }
}
