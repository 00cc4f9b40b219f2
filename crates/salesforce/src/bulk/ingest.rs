// SPDX-License-Identifier: Apache-2.0
//! Ingest jobs: the org writes rows from one CSV and keeps for seven days what became of each.
//!
//! That makes them safe to repeat, which a single create is not: a job's data can be uploaded only once, closing it a
//! second time changes nothing, and its results can be read again. A job that was created by a try whose answer was
//! lost stays open without data and does nothing.

use http::Method;
use http::header::CONTENT_TYPE;
use serde_json::json;

use super::results::{self, Place};
use super::{Job, JobInfo, JobKind, JobState};
use crate::call::Call;
use crate::error::{Kind, Result};
use crate::rows::RowStream;
use crate::transport::Body;
use crate::write::Writer;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    Insert,
    Update,
    Delete,
    Upsert {
        external_id: String,
    },
    /// Past the recycle bin; needs the permission *Bulk API Hard Delete*.
    HardDelete,
}

impl Operation {
    fn name(&self) -> &'static str {
        match self {
            Operation::Insert => "insert",
            Operation::Update => "update",
            Operation::Delete => "delete",
            Operation::Upsert { .. } => "upsert",
            Operation::HardDelete => "hardDelete",
        }
    }
}

/// What became of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upload {
    Done,
    /// The job already had its data; nothing was added.
    AlreadyUploaded,
}

#[derive(Clone)]
pub struct IngestJob {
    pub id: String,
    job: Job,
}

impl Writer {
    /// Creates an ingest job and nothing more: its id is to be kept before it gets data.
    pub async fn ingest(&self, object: &str, operation: Operation) -> Result<IngestJob> {
        let mut body = json!({"object": object, "operation": operation.name(), "contentType": "CSV", "columnDelimiter": "COMMA", "lineEnding": "LF"});
        if let Operation::Upsert { external_id } = &operation {
            body["externalIdFieldName"] = json!(external_id);
        }
        let client = &self.org().client;
        let doing = format!("creating an ingest job of {object}");
        let url = client.url(&["jobs", "ingest"]);
        let call = Call::json("bulk", Method::POST, url, body.to_string().into_bytes(), doing).repeatable();
        let job: JobInfo = client.read_json(&call).await?;
        Ok(IngestJob::resume(self, job.id, object))
    }
}

impl IngestJob {
    /// A job that was created before. `object` is for messages only.
    pub fn resume(writer: &Writer, id: String, object: &str) -> IngestJob {
        let client = writer.org().client.clone();
        let job = Job { client, kind: JobKind::Ingest, id: id.clone(), subject: object.to_owned() };
        IngestJob { id, job }
    }

    /// Gives the job its data: CSV with LF after each row, at most 100 MB (`salesforce-api.md` 3.2, 3.3; see
    /// [`crate::csv::write_row`]).
    ///
    /// A second upload is refused by the org, which is told by [`Upload::AlreadyUploaded`] and not as an error: that
    /// makes this safe to repeat.
    pub async fn upload(&self, csv: Body) -> Result<Upload> {
        let mut call =
            Call::get("bulk", self.job.url(&["batches"]), self.job.doing("uploading")).header(CONTENT_TYPE, "text/csv");
        (call.method, call.body) = (Method::PUT, csv);
        match self.job.client.whole(&call).await {
            Ok(_) => Ok(Upload::Done),
            Err(error) if error.org_message().is_some_and(|words| words.contains("Found multiple contents")) => {
                Ok(Upload::AlreadyUploaded)
            }
            Err(error) => Err(self.job.named(error)),
        }
    }

    /// Tells the org that the data is complete, so that it begins. Does nothing where it has begun.
    pub async fn close(&self) -> Result<()> {
        match self.job.set_state("UploadComplete", "closing").await {
            Ok(_) => Ok(()),
            Err(error) if error.kind == Kind::Invalid || error.kind == Kind::Busy => {
                let begun = [JobState::UploadComplete, JobState::InProgress, JobState::JobComplete, JobState::Failed];
                if begun.contains(&self.state().await?.state) { Ok(()) } else { Err(error) }
            }
            Err(error) => Err(error),
        }
    }

    pub async fn state(&self) -> Result<JobInfo> {
        self.job.state().await
    }

    /// Waits until the job is finished, telling `progress` the rows processed so far.
    ///
    /// # Errors
    ///
    /// The org's own words where the job failed or was aborted. Rows may have been written all the same: see
    /// [`IngestJob::successful`] and [`IngestJob::unprocessed`]. `Unreachable` where it hangs.
    pub async fn wait(&self, progress: &mut (dyn FnMut(u64) + Send)) -> Result<JobInfo> {
        self.job.wait(progress).await
    }

    /// `sf__Id`, `sf__Created`, then the columns that were uploaded. Not in the order of the upload.
    pub fn successful(&self) -> RowStream {
        self.results("successfulResults")
    }

    /// `sf__Id`, `sf__Error` (see [`crate::RowError::from_bulk`]), then the columns that were uploaded.
    pub fn failed(&self) -> RowStream {
        self.results("failedResults")
    }

    /// The columns that were uploaded, of rows that the org did not look at.
    pub fn unprocessed(&self) -> RowStream {
        self.results("unprocessedrecords")
    }

    pub async fn abort(&self) -> Result<()> {
        self.job.set_state("Aborted", "aborting").await.map(drop)
    }

    /// Removes a finished job and its results from the org.
    pub async fn delete(self) -> Result<()> {
        self.job.delete().await
    }

    fn results(&self, which: &str) -> RowStream {
        // The real paths of two of the three end with a slash (`salesforce-api.md` 3.2); without it is accepted
        // everywhere (2.1).
        results::rows(self.job.clone(), Place::only(self.job.url(&[which])))
    }
}

impl std::fmt::Debug for IngestJob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IngestJob").field("id", &self.id).field("object", &self.job.subject).finish()
    }
}
