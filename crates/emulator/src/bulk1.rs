// SPDX-License-Identifier: Apache-2.0
//! Bulk API 1.0, `/services/async/NN.0/job…` (`salesforce-api.md` 3.4): jobs of batches, in XML and JSON, that Data Loader,
//! CumulusCI, jsforce, simple-salesforce and sfdmu still speak.
//!
//! A job is a frame (`job.rs`, read by `order.rs`, written by `form.rs`); each batch waits for its turn and is worked off on its
//! own (`batch.rs`): rows that are written come from CSV, JSON or XML (`records.rs`) and leave results in their order
//! (`ingest.rs`); a query leaves result files (`query.rs`), or is split by ranges of Ids first (`chunking.rs`). Turns, bodies, columns,
//! transactions and allowances are those of Bulk 2.0 (`crate::bulk`).
//!
//! Answers to a POST of job or state are in the request's content type, all others in that of the job (JSON for JSON,
//! else XML), without a charset, because clients compare it exactly. Errors have status 400 and the same two forms.

pub mod batch;
mod chunking;
mod form;
mod ingest;
mod job;
pub(crate) mod journal;
mod order;
mod query;
mod records;
mod xml;
mod zip;

use std::sync::Arc;

use http::Method;

use crate::Emulator;
use crate::answer::Answer;
use crate::bulk::forget_old;
use crate::bulk::progress::State;
use crate::bulk::results::stream;
use crate::bulk::spool::Kept;
use crate::bulk::turn::{nudge, settle};
use crate::ctx::Ctx;
use crate::error::ApiError;
use crate::faces::lock;
use crate::id;
use crate::oauth::token_of;
use crate::org::Org;
use crate::request::{Request, header, media_type};
use crate::rest;

use batch::Batch;
use form::Form;
pub use job::Job;

/// A refusal that a fault orders.
pub(crate) fn refusal(json: bool, status: u16, code: &str, message: &str) -> Answer {
    let form = if json { Form::Json } else { Form::Xml };
    Answer { status, ..form.error(&Refusal::new(code, message)) }
}

/// A batch may have so many bytes (`salesforce-api.md` 3.3).
const BATCH_MAX_BYTES: usize = 10_000_000;

/// A refused request.
#[derive(Debug)]
pub(crate) struct Refusal {
    code: String,
    message: String,
}

impl Refusal {
    pub(crate) fn new(code: &str, message: impl Into<String>) -> Refusal {
        Refusal { code: code.to_owned(), message: message.into() }
    }
}

impl From<ApiError> for Refusal {
    /// Bulk 2.0 says the same with codes in capitals and the CamelCase code again in front of the message.
    fn from(error: ApiError) -> Refusal {
        let code = match error.code.as_str() {
            "INVALIDJOBSTATE" => "InvalidJobState",
            "INVALIDJOB" => "InvalidJob",
            "INVALIDENTITY" => "InvalidEntity",
            "FEATURENOTENABLED" => "FeatureNotEnabled",
            "LIMIT_EXCEEDED" | "REQUEST_LIMIT_EXCEEDED" => "ExceededQuota",
            _ => "ClientInputError",
        };
        let message = error.message.strip_prefix(&format!("{code} : ")).unwrap_or(&error.message).to_owned();
        Refusal::new(code, message)
    }
}

/// Answers everything below `/services/async`, and says whose request it was.
pub async fn route(
    emulator: &Emulator,
    request: Request,
    base_url: &str,
) -> (Answer, Option<Arc<Org>>, Option<String>) {
    let asked = Form::of(&media_type(&request.headers));
    let token = header(&request.headers, "x-sfdc-session")
        .or_else(|| header(&request.headers, "authorization").and_then(token_of))
        .unwrap_or_default();
    let Some((org, session)) = emulator.session_at(token, base_url) else {
        return (asked.error(&Refusal::new("InvalidSessionId", "Invalid session id")), None, None);
    };
    let user_id = Some(session.user_id.clone());
    let mut caller = org.caller(&session.user_id);
    let refusal = if !caller.can("ApiEnabled") {
        Some(Refusal::new("InvalidUser", "API is not enabled for this Organization or Partner"))
    } else if !org.faces.take_call(org.clock().now()) {
        Some(ApiError::request_limit_exceeded().into())
    } else {
        None
    };
    if let Some(refusal) = refusal {
        return (asked.error(&refusal), Some(org), user_id);
    }
    caller.session = Some(session.token.clone());
    rest::read_call_headers(&mut caller, &request.headers);
    // Assignment rules run only for a job that names one.
    caller.auto_assign = false;
    let version = request.path.get(2).cloned().unwrap_or_default();
    caller.origin = Some(rest::origin("bulkapi", &version, rest::call_option(&request.headers, "client")));
    let ctx = Ctx {
        emulator: emulator.clone(),
        org: org.clone(),
        caller,
        version,
        headers: request.headers.clone(),
        base_url: base_url.to_owned(),
        session: session.token,
    };
    (answer(&ctx, request, asked).await, Some(org), user_id)
}

async fn answer(ctx: &Ctx, request: Request, asked: Form) -> Answer {
    if rest::checked_version(&format!("v{}", ctx.version)).is_err() {
        return asked.error(&Refusal::new("InvalidVersion", format!("Unsupported API version: {}", ctx.version)));
    }
    let path: Vec<String> = request.path.iter().skip(3).cloned().collect();
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let method = request.method.clone();
    let (job_id, below) = match path[..] {
        ["job"] if method == Method::POST => {
            return create(ctx, request, asked).await.unwrap_or_else(|refusal| asked.error(&refusal));
        }
        ["job", job_id, ref below @ ..] => (job_id, below),
        _ => return asked.error(&Refusal::new("InvalidUrl", "Destination URL not valid")),
    };
    let Some(job) = find(&ctx.org, job_id) else {
        return asked.error(&Refusal::new("InvalidJob", format!("Invalid job id: {job_id}")));
    };
    if job.order.version != ctx.version {
        let text = format!("API version {} does not match the version {} of the job", ctx.version, job.order.version);
        return asked.error(&Refusal::new("InvalidVersion", text));
    }
    for batch in job.batches() {
        settle(&ctx.org, &batch).await;
    }
    let own = Form::of_job(job.content);
    let answered = match (&method, below) {
        (&Method::GET, []) => Ok(own.job(&job)),
        (&Method::POST, []) => {
            return change(ctx, &job, request, asked).await.unwrap_or_else(|refusal| asked.error(&refusal));
        }
        (&Method::GET, ["batch"]) => Ok(own.batches(&job)),
        (&Method::POST, ["batch"]) => add_batch(ctx, &job, request).await.map(|batch| {
            own.batch(201, &batch)
                .header("location", format!("/services/async/{}/job/{}/batch/{}", ctx.version, job.id, batch.id))
        }),
        (&Method::GET, ["batch", batch_id]) => batch_of(&job, batch_id).map(|batch| own.batch(200, &batch)),
        (&Method::GET, ["batch", batch_id, "request"]) => {
            batch_of(&job, batch_id).and_then(|batch| kept(job.content.media_type(), &batch.request))
        }
        (&Method::GET, ["batch", batch_id, "result"]) => {
            batch_of(&job, batch_id).and_then(|batch| results(&job, &batch, own))
        }
        (&Method::GET, ["batch", batch_id, "result", result_id]) => {
            batch_of(&job, batch_id).and_then(|batch| result(&job, &batch, result_id))
        }
        _ => Err(Refusal::new("InvalidUrl", "Destination URL not valid")),
    };
    answered.unwrap_or_else(|refusal| own.error(&refusal))
}

/// `POST job`.
async fn create(ctx: &Ctx, mut request: Request, asked: Form) -> Result<Answer, Refusal> {
    let chunking = chunking::asked(&request.headers)?;
    let body = request.body_bytes().await?;
    let job = order::job(ctx, asked, &body, chunking)?;
    journal::keep_job(&ctx.org, &job);
    let location = format!("/services/async/{}/job/{}", ctx.version, job.id);
    Ok(asked.job_with_status(201, &job).header("location", location))
}

/// `POST job/{id}` with `Closed` or `Aborted`.
async fn change(ctx: &Ctx, job: &Arc<Job>, mut request: Request, asked: Form) -> Result<Answer, Refusal> {
    let state = order::state(asked, &request.body_bytes().await?)?;
    let now_ms = ctx.org.clock().now();
    match state.as_str() {
        "Closed" => job.close(now_ms)?,
        "Aborted" => job.abort(now_ms)?,
        other => {
            return Err(Refusal::new("InvalidJobState", format!("Invalid value for state: {other}")));
        }
    }
    journal::keep_job(&ctx.org, job);
    for batch in job.batches() {
        journal::keep_batch(&ctx.org, &batch);
    }
    Ok(asked.job(job))
}

/// `POST job/{id}/batch`.
async fn add_batch(ctx: &Ctx, job: &Arc<Job>, mut request: Request) -> Result<Arc<Batch>, Refusal> {
    let state = job.state();
    if state != job::State::Open {
        let text = format!("Job is not open; a batch cannot be added to a job in state {}", state.as_str());
        return Err(Refusal::new("InvalidJobState", text));
    }
    let body = request.body_bytes().await?;
    if body.len() > BATCH_MAX_BYTES {
        return Err(Refusal::new("ClientInputError", "Request body exceeds the maximum of 10000000 bytes of a batch"));
    }
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(Refusal::new("InvalidBatch", "Records not found"));
    }
    let batch = job.add(&ctx.org, &body, false).map_err(|error| Refusal::new("ExceededQuota", error))?;
    journal::keep_batch(&ctx.org, &batch);
    nudge(&ctx.org, &batch);
    Ok(batch)
}

/// `GET …/result`: of a query the list of its results, else one line per row in the order of the batch.
fn results(job: &Job, batch: &Batch, own: Form) -> Result<Answer, Refusal> {
    let progress = batch.progress();
    match progress.state {
        State::JobComplete if job.order.operation.is_query() => Ok(own.result_list(&batch.result_ids())),
        State::JobComplete => {
            let document = progress.outcome.documents.first().ok_or_else(not_processed)?;
            kept(job.content.media_type(), document)
        }
        state if state.is_final() => Err(not_processed()),
        _ => Err(Refusal::new("InvalidBatch", "Batch not completed")),
    }
}

fn not_processed() -> Refusal {
    Refusal::new("InvalidBatch", "Records not processed")
}

/// `GET …/result/{id}`.
fn result(job: &Job, batch: &Batch, result_id: &str) -> Result<Answer, Refusal> {
    let place = batch.result_ids().iter().position(|known| known == id::to15(result_id));
    let progress = batch.progress();
    let document = place.and_then(|place| progress.outcome.documents.get(place));
    let document = document.ok_or_else(|| Refusal::new("InvalidBatch", format!("Invalid result id: {result_id}")))?;
    kept(job.content.media_type(), document)
}

fn kept(media_type: &str, body: &Kept) -> Result<Answer, Refusal> {
    let range = body.open().map_err(|error| Refusal::new("InternalServerError", error.to_string()))?;
    Ok(Answer::stream(media_type, stream(vec![range])))
}

fn batch_of(job: &Job, batch_id: &str) -> Result<Arc<Batch>, Refusal> {
    let wanted = id::to18(batch_id);
    let batch = job.batches().into_iter().find(|batch| Some(&batch.id) == wanted.as_ref());
    batch.ok_or_else(|| Refusal::new("InvalidBatch", format!("Invalid batch id: {batch_id}")))
}

fn find(org: &Org, job_id: &str) -> Option<Arc<Job>> {
    let job_id = id::to18(job_id)?;
    forget_old(org);
    lock(&org.faces.jobs).classic.get(&job_id).cloned()
}
