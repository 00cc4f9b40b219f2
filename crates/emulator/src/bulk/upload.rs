// SPDX-License-Identifier: Apache-2.0
//! How data comes to an ingest job: one PUT, or one multipart request that creates, fills and closes the job
//! (`salesforce-api.md` 3.2). Data goes to the spool as it arrives, unzipped on the way; a body that breaks
//! off leaves the job as if nothing had been sent.

use std::io::{self, Write};
use std::sync::Arc;

use axum::body::Body;
use flate2::write::MultiGzDecoder;
use futures::StreamExt;

use crate::answer::Answer;
use crate::ctx::Ctx;
use crate::error::ApiError;
use crate::faces::lock;
use crate::multipart;
use crate::request::{self, Request};

use super::job::Job;
use super::order;
use super::progress::{State, Upload, invalid_state};
use super::spool::{Draft, Kept, Spool};

/// 150 MB after base64 encoding (`salesforce-api.md` 3.3), so three quarters of that as they arrive here.
const UPLOAD_MAX_BYTES: u64 = 150 * 1024 * 1024 / 4 * 3;
/// What a multipart request may carry (`salesforce-api.md` 3.2).
const MULTIPART_MAX_CHARS: usize = 100_000;

/// `POST /jobs/ingest`: the job, and whether it is closed already.
///
/// # Errors
/// As [`order::ingest`]; 400 for a form without the parts `job` and `content`.
pub async fn create(ctx: &Ctx, mut request: Request) -> Result<(Arc<Job>, bool), ApiError> {
    if !multipart::is_multipart(&request.headers) {
        let order = order::ingest(ctx, &request.body_bytes().await?)?;
        return Ok((lock(&ctx.org.faces.jobs).add(order, ctx.org.clock().now()), false));
    }
    let mut parts = multipart::read(&request.headers, request.body, 4 * 1024 * 1024).await?;
    let mut named = |name: &str| -> Result<Vec<u8>, ApiError> {
        let part = parts.iter_mut().find(|part| part.name == name);
        let part = part.ok_or_else(|| multipart::malformed(&format!("the part '{name}' is missing")))?;
        part.bytes().map_err(|error| unwritable(&error))
    };
    let order = order::ingest(ctx, &named("job")?)?;
    let content = named("content")?;
    if String::from_utf8_lossy(&content).chars().count() > MULTIPART_MAX_CHARS {
        return Err(ApiError::new(400, "EXCEEDED_MAX_SIZE_REQUEST", "The content part exceeds 100000 characters"));
    }
    let now_ms = ctx.org.clock().now();
    let (job, spool) = {
        let mut registry = lock(&ctx.org.faces.jobs);
        (registry.add(order, now_ms), registry.spool.clone())
    };
    let data = spool.begin(&format!("{}-data", job.id)).and_then(|mut draft| {
        draft.write_all(&content)?;
        draft.finish()
    });
    {
        let mut progress = job.progress();
        progress.upload = Upload::Done(data.map_err(|error| unwritable(&error))?);
        progress.close(now_ms)?;
    }
    Ok((job, true))
}

/// `PUT /jobs/ingest/{id}/batches`.
///
/// # Errors
/// 400 when the job is not open or has its data, or when the encoding of the data is broken; 413 when it is too large.
pub async fn put(spool: &Spool, job: &Job, request: Request) -> Result<Answer, ApiError> {
    {
        let mut progress = job.progress();
        if !matches!(progress.upload, Upload::None) {
            return Err(second_upload(&job.id));
        }
        if progress.state != State::Open {
            return Err(invalid_state(format!(
                "Job is not open for uploads. Current status: {}",
                progress.state.constant()
            )));
        }
        progress.upload = Upload::Running;
    }
    // Taken back when the request is dropped in the middle, so that the job can be given its data again.
    let mut claim = Claim { job, kept: false };
    let data = receive(spool, job, request).await?;
    let mut progress = job.progress();
    claim.kept = true;
    progress.upload = Upload::Done(data);
    Ok(Answer::empty(201))
}

struct Claim<'a> {
    job: &'a Job,
    kept: bool,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        if !self.kept {
            self.job.progress().upload = Upload::None;
        }
    }
}

async fn receive(spool: &Spool, job: &Job, request: Request) -> Result<Kept, ApiError> {
    let zipped = request::is_gzip(&request.headers);
    let draft = spool.begin(&format!("{}-data", job.id)).map_err(|error| unwritable(&error))?;
    let bounded = Bounded { draft, left_bytes: UPLOAD_MAX_BYTES };
    let bounded = if zipped {
        let decoder = copy(request.body, MultiGzDecoder::new(bounded)).await?;
        decoder.finish().map_err(|error| refuse(&error))?
    } else {
        copy(request.body, bounded).await?
    };
    bounded.draft.finish().map_err(|error| unwritable(&error))
}

async fn copy<W: Write>(body: Body, mut to: W) -> Result<W, ApiError> {
    let mut stream = body.into_data_stream();
    while let Some(piece) = stream.next().await {
        let piece =
            piece.map_err(|error| ApiError::new(400, "CLIENTINPUTERROR", format!("ClientInputError : {error}")))?;
        to.write_all(&piece).map_err(|error| refuse(&error))?;
    }
    to.flush().map_err(|error| refuse(&error))?;
    Ok(to)
}

/// A body that takes so many bytes and no more.
struct Bounded {
    draft: Draft,
    left_bytes: u64,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len() as u64;
        self.left_bytes = self.left_bytes.checked_sub(taken).ok_or(io::ErrorKind::FileTooLarge)?;
        self.draft.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.draft.flush()
    }
}

fn refuse(error: &io::Error) -> ApiError {
    match error.kind() {
        io::ErrorKind::FileTooLarge => ApiError::new(
            413,
            "EXCEEDED_MAX_SIZE_REQUEST",
            "The data of a job must not exceed 150 MB after base64 encoding",
        ),
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
            ApiError::new(400, "CLIENTINPUTERROR", format!("ClientInputError : {error}"))
        }
        _ => unwritable(error),
    }
}

fn unwritable(error: &io::Error) -> ApiError {
    ApiError::new(500, "UNKNOWN_EXCEPTION", format!("The data cannot be kept: {error}"))
}

/// The text is Salesforce's; it shows the Id with 15 characters.
fn second_upload(job_id: &str) -> ApiError {
    invalid_state(format!(
        "Found multiple contents for job: <{}>, please 'Close' / 'Abort' / 'Delete' the current Job then create a new \
         Job and make sure you only do 'PUT' once on a given Job.",
        crate::id::to15(job_id)
    ))
}
