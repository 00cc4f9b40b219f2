// SPDX-License-Identifier: Apache-2.0
//! Bulk API 2.0: jobs that read (`/jobs/query`) and jobs that write (`/jobs/ingest`), `salesforce-api.md` 3.1 to 3.3.
//!
//! A job is data in a [`Registry`]; its work is done by whoever finds it due. Closing a job spawns a nudge that looks
//! again when its turn comes, so that a job runs although nobody polls; every request about a job looks too, so that it
//! also runs when the nudge died with its runtime. Under a current-thread runtime the work runs inline, which makes an
//! in-process test deterministic; else on a blocking thread.
//!
//! Jobs live in memory and are gone when the emulator is restarted.

mod columns;
pub mod csv;
mod ingest;
pub mod job;
mod order;
mod query;
mod results;
mod upload;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::Jobs;
use crate::answer::Answer;
use crate::ctx::Ctx;
use crate::error::ApiError;
use crate::faces::lock;
use crate::id;
use crate::org::Org;
use crate::request::{Query, Request};

use job::{Job, Order, State, invalid_state};
use results::Results;

/// Jobs per page of a list.
const LIST_PAGE: usize = 1_000;

/// How long a job is kept after it last changed (`salesforce-api.md` 3.3), in ms.
const KEPT_MS: i64 = 7 * 24 * 3600 * 1000;

/// The jobs of an org.
#[derive(Debug, Default)]
pub struct Registry {
    /// When states move.
    pub pace: Jobs,
    jobs: BTreeMap<String, Arc<Job>>,
    made: u64,
}

impl Registry {
    fn add(&mut self, order: Order, now_ms: i64) -> Arc<Job> {
        self.made += 1;
        let job = Arc::new(Job::new(id::make("750", self.made), self.made, order, now_ms));
        self.jobs.insert(job.id.clone(), job.clone());
        job
    }

    /// The jobs that are kept, after the old ones were dropped with their results.
    fn kept(&mut self, now_ms: i64) -> &BTreeMap<String, Arc<Job>> {
        self.jobs.retain(|_, job| !job.progress().is_idle_since(now_ms - KEPT_MS));
        &self.jobs
    }
}

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
            nudge(&ctx.org, &job);
            Ok(Answer::ok(Value::Object(job.summary())))
        }
        [] if method == Method::POST => {
            let (job, closed) = upload::create(ctx, request).await?;
            if closed {
                nudge(&ctx.org, &job);
            }
            Ok(Answer::ok(Value::Object(job.summary())))
        }
        [] if method == Method::GET => list(ctx, is_query, &request.query).await,
        [] => Err(not_allowed(&method, "GET,HEAD,POST")),
        [job_id, below @ ..] => {
            let job = find(&ctx.org, job_id, is_query)?;
            settle(&ctx.org, &job).await;
            match below {
                [] => one(ctx, &job, request).await,
                ["batches"] if !is_query && method == Method::PUT => upload::put(&job, request).await,
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
                Some("UploadComplete") if !job.operation.is_query() => close(ctx, job)?,
                Some("Aborted") => abort(job, now_ms)?,
                other => return Err(order::invalid_value(other.unwrap_or_default(), "state")),
            }
            Ok(Answer::ok(Value::Object(job.summary())))
        }
        Method::DELETE => {
            let state = job.progress().state;
            let deletable = state.is_final() || (!job.operation.is_query() && state == State::UploadComplete);
            if !deletable {
                let text = format!("cannot delete job in state {}", state.as_str());
                return Err(ApiError::new(400, "API_ERROR", text));
            }
            job.stop();
            lock(&ctx.org.faces.jobs).jobs.remove(&job.id);
            Ok(Answer::empty(204))
        }
        ref method => Err(not_allowed(method, "DELETE,GET,HEAD,PATCH")),
    }
}

fn close(ctx: &Ctx, job: &Arc<Job>) -> Result<(), ApiError> {
    let was_open = {
        let mut progress = job.progress();
        if matches!(progress.upload, job::Upload::Running) {
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

fn abort(job: &Job, now_ms: i64) -> Result<(), ApiError> {
    let untouched = job.progress().abort(now_ms)?;
    job.stop();
    if untouched && !job.operation.is_query() {
        let outcome = ingest::unprocessed(job);
        job.progress().worked(outcome, now_ms);
    }
    Ok(())
}

fn part_of(ctx: &Ctx, job: &Job, part: &str, query: &Query) -> Result<Answer, ApiError> {
    if job.operation.is_query() {
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
    let job = lock(&org.faces.jobs).kept(org.clock().now()).get(&job_id).cloned();
    job.filter(|job| job.operation.is_query() == is_query).ok_or_else(ApiError::not_found)
}

/// The jobs of one family, oldest first, 1,000 per page.
async fn list(ctx: &Ctx, is_query: bool, query: &Query) -> Result<Answer, ApiError> {
    let job_type = if is_query { "V2Query" } else { "V2Ingest" };
    let other_type = query.get("jobType").is_some_and(|wanted| wanted != job_type);
    let other_mode = query.get("concurrencyMode").is_some_and(|mode| !mode.eq_ignore_ascii_case("parallel"));
    let start = match query.get("queryLocator") {
        None => 0,
        Some(locator) => query::decode_locator(locator).ok_or_else(ApiError::invalid_query_locator)?,
    };
    let start = usize::try_from(start).unwrap_or(usize::MAX);
    let jobs: Vec<Arc<Job>> = {
        let mut registry = lock(&ctx.org.faces.jobs);
        let mut jobs: Vec<_> = registry
            .kept(ctx.org.clock().now())
            .values()
            .filter(|job| job.operation.is_query() == is_query)
            .cloned()
            .collect();
        jobs.sort_by_key(|job| job.number);
        if other_type || other_mode || query.is_true("isPkChunkingEnabled") { Vec::new() } else { jobs }
    };
    let mut records = Vec::new();
    for job in jobs.iter().skip(start).take(LIST_PAGE) {
        settle(&ctx.org, job).await;
        let mut info = job.summary();
        info.insert("jobType".to_owned(), json!(job_type));
        records.push(Value::Object(info));
    }
    let next = start.saturating_add(LIST_PAGE);
    let done = next >= jobs.len();
    let family = if is_query { "query" } else { "ingest" };
    let next_url = (!done).then(|| {
        let locator = query::encode_locator(next as u64);
        format!("{}/jobs/{family}?queryLocator={locator}", ctx.data_path())
    });
    Ok(Answer::ok(json!({"done": done, "records": records, "nextRecordsUrl": next_url})))
}

/// Looks at a job again when its turn has come.
fn nudge(org: &Arc<Org>, job: &Arc<Job>) {
    let Ok(runtime) = Handle::try_current() else { return };
    let (org, job) = (org.clone(), job.clone());
    runtime.spawn(async move {
        let wait_ms = job.progress().next_ms().map_or(0, |at_ms| at_ms - org.clock().now());
        tokio::time::sleep(Duration::from_millis(u64::try_from(wait_ms).unwrap_or(0))).await;
        settle(&org, &job).await;
    });
}

/// Moves a job as far as the clock says, doing its work if nobody has.
async fn settle(org: &Arc<Org>, job: &Arc<Job>) {
    if lock(&org.faces.jobs).pace == Jobs::Stepped {
        return;
    }
    let claimed = job.progress().claim(org.clock().now());
    if claimed {
        let has_threads =
            Handle::try_current().is_ok_and(|runtime| runtime.runtime_flavor() == RuntimeFlavor::MultiThread);
        if has_threads {
            let (org, job) = (org.clone(), job.clone());
            // When the caller goes away the work still runs to its end; a panic in it was reported by the runtime.
            let _ = tokio::task::spawn_blocking(move || work(&org, &job)).await;
        } else {
            work(org, job);
        }
    }
    job.progress().settle(org.clock().now());
}

fn work(org: &Org, job: &Job) {
    let outcome = if job.operation.is_query() { query::run(org, job) } else { ingest::run(org, job) };
    job.progress().worked(outcome, org.clock().now());
}

impl Org {
    /// One step of every Bulk job, for tests with [`Jobs::Stepped`]: from UploadComplete to InProgress, or from there
    /// through the work to the end.
    pub fn step_jobs(&self) {
        let jobs: Vec<Arc<Job>> = lock(&self.faces.jobs).jobs.values().cloned().collect();
        for job in jobs {
            let is_due = job.progress().step(self.clock().now());
            if is_due {
                work(self, &job);
                job.progress().finish_step(self.clock().now());
            }
        }
    }
}
