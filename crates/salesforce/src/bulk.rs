// SPDX-License-Identifier: Apache-2.0
//! Bulk API 2.0 (`salesforce-api.md` 3.1, 3.2): what jobs of both directions share, which is their states and the
//! waiting for them.
//!
//! A job is asked for its state with growing pauses, from a quarter of a second to half a minute. There is no limit to
//! how long a job may take, but there is one to how long it may do nothing.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use tokio::time::Instant;

use crate::call::{Call, Client};
use crate::error::{Error, Kind, Result};

mod ingest;
mod query;
mod results;
#[cfg(test)]
mod tests;

pub use ingest::{IngestJob, Operation, Upload};
pub use query::QueryJob;

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A job whose state and counts have not changed for so long hangs.
const STALLED_AFTER: Duration = Duration::from_secs(4 * 3600);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum JobState {
    /// An ingest job that takes data.
    Open,
    UploadComplete,
    InProgress,
    /// Also where each single row failed.
    JobComplete,
    Failed,
    Aborted,
    Other(String),
}

impl<'de> Deserialize<'de> for JobState {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<JobState, D::Error> {
        let name = String::deserialize(deserializer)?;
        Ok(match name.as_str() {
            "Open" => JobState::Open,
            "UploadComplete" => JobState::UploadComplete,
            "InProgress" => JobState::InProgress,
            "JobComplete" => JobState::JobComplete,
            "Failed" => JobState::Failed,
            "Aborted" => JobState::Aborted,
            _ => JobState::Other(name),
        })
    }
}

/// A job as the org describes it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobInfo {
    pub id: String,
    pub state: JobState,
    pub operation: Option<String>,
    pub object: Option<String>,
    #[serde(default)]
    pub number_records_processed: u64,
    #[serde(default)]
    pub number_records_failed: u64,
    #[serde(default)]
    pub retries: u32,
    /// Milliseconds.
    #[serde(default)]
    pub total_processing_time: u64,
    pub error_message: Option<String>,
}

impl JobInfo {
    pub fn is_finished(&self) -> bool {
        matches!(self.state, JobState::JobComplete | JobState::Failed | JobState::Aborted)
    }
}

/// Which kind of job, as in its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JobKind {
    Query,
    Ingest,
}

impl JobKind {
    pub(crate) fn path(self) -> &'static str {
        match self {
            JobKind::Query => "query",
            JobKind::Ingest => "ingest",
        }
    }
}

/// A job, as the functions of both kinds see it.
#[derive(Clone)]
pub(crate) struct Job {
    pub client: Arc<Client>,
    pub kind: JobKind,
    pub id: String,
    /// For messages: the object, or what the job is for.
    pub subject: String,
}

impl Job {
    pub(crate) fn url(&self, rest: &[&str]) -> url::Url {
        let mut segments = vec!["jobs", self.kind.path(), self.id.as_str()];
        segments.extend(rest);
        self.client.url(&segments)
    }

    pub(crate) fn doing(&self, verb: &str) -> String {
        format!("{verb} the {} job of {}", self.kind.path(), self.subject)
    }

    pub(crate) fn named(&self, error: Error) -> Error {
        error.with("job", self.id.as_str())
    }

    pub(crate) async fn state(&self) -> Result<JobInfo> {
        let call = Call::get("bulk", self.url(&[]), self.doing("asking for"));
        self.client.read_json(&call).await.map_err(|error| self.named(error))
    }

    pub(crate) async fn set_state(&self, state: &str, verb: &str) -> Result<JobInfo> {
        let body = format!(r#"{{"state":"{state}"}}"#).into_bytes();
        let call = Call::json("bulk", http::Method::PATCH, self.url(&[]), body, self.doing(verb)).repeatable();
        self.client.read_json(&call).await.map_err(|error| self.named(error))
    }

    pub(crate) async fn delete(&self) -> Result<()> {
        let mut call = Call::get("bulk", self.url(&[]), self.doing("deleting"));
        call.method = http::Method::DELETE;
        match self.client.whole(&call).await {
            Ok(_) => Ok(()),
            // Deleted by a try whose answer was lost.
            Err(error) if error.kind == Kind::NotFound => Ok(()),
            Err(error) => Err(self.named(error)),
        }
    }

    /// Waits until the job is finished, telling `progress` the rows processed so far after each look.
    ///
    /// # Errors
    ///
    /// The org's own words where the job failed or was aborted; `Unreachable` where it hangs.
    pub(crate) async fn wait(&self, progress: &mut (dyn FnMut(u64) + Send)) -> Result<JobInfo> {
        let mut pause = FIRST_PAUSE;
        let mut moved = Instant::now();
        let mut last = None;
        loop {
            let job = self.state().await?;
            progress(job.number_records_processed);
            match &job.state {
                JobState::JobComplete => return Ok(job),
                JobState::Failed | JobState::Aborted => return Err(self.failure(&job)),
                _ => {}
            }
            let now = Some((job.state.clone(), job.number_records_processed, job.retries));
            if now != last {
                (last, moved) = (now, Instant::now());
            } else if moved.elapsed() >= STALLED_AFTER {
                let what =
                    format!("it is {:?} and has not moved for {} hours", job.state, STALLED_AFTER.as_secs() / 3600);
                let mut error = Error::new(Kind::Unreachable, self.doing("waiting for"), what)
                    .hint("abort it in Setup > Bulk Data Load Jobs, then try again");
                error.job_ended = true;
                return Err(self.named(error));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 3 / 2).min(LONGEST_PAUSE);
        }
    }

    fn failure(&self, job: &JobInfo) -> Error {
        let words = job.error_message.as_deref().unwrap_or_default();
        let (kind, what) = match job.state {
            JobState::Aborted => (Kind::Busy, "it was aborted".to_owned()),
            _ if words.is_empty() => (Kind::Unreachable, "it failed, and the org gave no reason".to_owned()),
            _ if words.contains("LockFailure") || words.contains("UNABLE_TO_LOCK_ROW") => {
                (Kind::Busy, words.to_owned())
            }
            _ if words.contains("LIMIT_EXCEEDED") => (Kind::Limited, words.to_owned()),
            _ => (Kind::Invalid, words.to_owned()),
        };
        let mut error = Error::new(kind, self.doing("waiting for"), what);
        error.job_ended = true;
        self.named(error)
    }
}
