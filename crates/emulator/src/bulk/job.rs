// SPDX-License-Identifier: Apache-2.0
//! One Bulk 2.0 job and the way it goes: Open, UploadComplete, InProgress, then JobComplete, Failed or Aborted
//! (`salesforce-api.md` 3.1, 3.2). Nothing here touches records; `query.rs` and `ingest.rs` do the work.
//!
//! A job is driven by whoever looks at it. [`Progress::claim`] is true exactly once, when the job has waited long enough
//! in UploadComplete, and obliges the caller to do the work and hand its [`Outcome`] to [`Progress::worked`]; the state
//! still says InProgress until the time that a job of its size takes is over. Time is the emulator's clock, so a test
//! under paused time sees every state. With stepped jobs only [`Progress::step`] moves.

use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Map, Value, json};
use tempfile::NamedTempFile;

use super::csv::{Delimiter, LineEnding};
use super::results::Results;
use crate::error::ApiError;
use crate::faces::lock;
use crate::user::Caller;
use crate::value;

/// How long each state of a job lasts on the emulator's clock, in milliseconds.
pub const STATE_MS: i64 = 100;
/// How many rows a job works off per millisecond, on top of that.
const ROWS_PER_MS: u64 = 1_000;

/// What a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Query,
    QueryAll,
    Insert,
    Update,
    Upsert,
    Delete,
    HardDelete,
}

impl Operation {
    /// The name in a job.
    pub fn as_str(self) -> &'static str {
        match self {
            Operation::Query => "query",
            Operation::QueryAll => "queryAll",
            Operation::Insert => "insert",
            Operation::Update => "update",
            Operation::Upsert => "upsert",
            Operation::Delete => "delete",
            Operation::HardDelete => "hardDelete",
        }
    }

    /// Whether it reads.
    pub fn is_query(self) -> bool {
        matches!(self, Operation::Query | Operation::QueryAll)
    }
}

/// Where a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Open,
    UploadComplete,
    InProgress,
    JobComplete,
    Failed,
    Aborted,
}

impl State {
    /// The name in a job.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Open => "Open",
            State::UploadComplete => "UploadComplete",
            State::InProgress => "InProgress",
            State::JobComplete => "JobComplete",
            State::Failed => "Failed",
            State::Aborted => "Aborted",
        }
    }

    /// Whether nothing will happen to the job any more.
    pub fn is_final(self) -> bool {
        matches!(self, State::JobComplete | State::Failed | State::Aborted)
    }

    /// The spelling of error texts: `JOB_COMPLETE`, `IN_PROGRESS`.
    pub fn constant(self) -> &'static str {
        match self {
            State::Open => "OPEN",
            State::UploadComplete => "UPLOAD_COMPLETE",
            State::InProgress => "IN_PROGRESS",
            State::JobComplete => "JOB_COMPLETE",
            State::Failed => "FAILED",
            State::Aborted => "ABORTED",
        }
    }
}

/// What a job left behind.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Why the job as a whole failed.
    pub error: Option<String>,
    /// Rows that were read, or that were tried to be written.
    pub processed: u64,
    /// Of those the ones that were refused.
    pub failed: u64,
    /// The rows of a query, or the rows that were written.
    pub rows: Option<Results>,
    /// The rows that were refused.
    pub failed_rows: Option<Results>,
    /// The rows that were not tried.
    pub unprocessed_rows: Option<Results>,
}

/// The data of an ingest job.
#[derive(Debug, Default)]
pub enum Upload {
    /// Nothing was sent.
    #[default]
    None,
    /// It is being sent.
    Running,
    /// All of it is here.
    Done(NamedTempFile),
}

/// A job: what was ordered, and how far it is.
#[derive(Debug)]
pub struct Job {
    /// 18 characters, prefix 750.
    pub id: String,
    /// Its number in the org, from 1: what makes the order of its result rows its own.
    pub number: u64,
    pub operation: Operation,
    /// Name of the object as in the schema.
    pub object: String,
    /// SOQL of a query job.
    pub query: String,
    /// The field an upsert matches by.
    pub external_field: Option<String>,
    /// `assignmentRuleId`, repeated in the job and otherwise without effect.
    pub assignment_rule: Option<String>,
    /// API version it was made in, as in `"67.0"`.
    pub version: String,
    pub delimiter: Delimiter,
    pub line_ending: LineEnding,
    /// Who ordered it and with which permissions: the job acts for that user.
    pub caller: Caller,
    /// When it was ordered, in ms.
    pub created_ms: i64,
    pub progress: Mutex<Progress>,
    stop: AtomicBool,
}

/// How far a job is.
#[derive(Debug)]
pub struct Progress {
    pub state: State,
    /// When the state was entered, in ms.
    since_ms: i64,
    /// When the job was ordered for execution, in ms.
    closed_ms: i64,
    /// Somebody has taken the work on.
    working: bool,
    /// When the outcome shows, in ms.
    done_ms: Option<i64>,
    pub upload: Upload,
    pub outcome: Outcome,
}

impl Progress {
    /// A job that waits for its data, or one that only waits for its turn.
    pub fn new(state: State, now_ms: i64) -> Progress {
        Progress {
            state,
            since_ms: now_ms,
            closed_ms: now_ms,
            working: false,
            done_ms: None,
            upload: Upload::None,
            outcome: Outcome::default(),
        }
    }

    fn enter(&mut self, state: State, now_ms: i64) {
        self.state = state;
        self.since_ms = now_ms;
    }

    /// Whether nothing has happened to it since then and nothing is going to.
    pub fn is_idle_since(&self, ms: i64) -> bool {
        self.since_ms < ms && (self.state.is_final() || self.state == State::Open)
    }

    /// When something will happen by itself, in ms.
    pub fn next_ms(&self) -> Option<i64> {
        match self.state {
            State::UploadComplete => Some(self.since_ms + STATE_MS),
            State::InProgress => self.done_ms,
            _ => None,
        }
    }

    /// True once, when the job's turn has come: the caller must then do its work.
    pub fn claim(&mut self, now_ms: i64) -> bool {
        if self.state != State::UploadComplete || now_ms < self.since_ms + STATE_MS {
            return false;
        }
        self.enter(State::InProgress, now_ms);
        self.working = true;
        true
    }

    /// Takes the result of the work. Of an aborted job the rows that were worked off meanwhile are kept.
    pub fn worked(&mut self, outcome: Outcome, now_ms: i64) {
        let size_ms = i64::try_from(outcome.processed / ROWS_PER_MS).unwrap_or(i64::MAX / 4);
        self.done_ms = Some(now_ms.max(self.since_ms + STATE_MS + size_ms));
        self.outcome = outcome;
    }

    /// Shows the outcome when its time has come.
    pub fn settle(&mut self, now_ms: i64) {
        if self.state == State::InProgress && self.done_ms.is_some_and(|done_ms| now_ms >= done_ms) {
            let failed = self.outcome.error.is_some();
            self.enter(if failed { State::Failed } else { State::JobComplete }, now_ms);
        }
    }

    /// One step by hand: to InProgress, and from there, if true is returned, through the work to the end, which the
    /// caller must do and then call [`Progress::worked`] and [`Progress::finish_step`].
    pub fn step(&mut self, now_ms: i64) -> bool {
        match self.state {
            State::UploadComplete => {
                self.enter(State::InProgress, now_ms);
                false
            }
            State::InProgress => {
                self.working = true;
                self.done_ms.is_none()
            }
            _ => false,
        }
    }

    /// Shows the outcome at once.
    pub fn finish_step(&mut self, now_ms: i64) {
        self.done_ms = Some(now_ms);
        self.settle(now_ms);
    }

    /// `UploadComplete`. Repeating it on a job that is on its way or done changes nothing.
    ///
    /// # Errors
    /// 400 `INVALIDJOBSTATE` for a job that failed or was aborted.
    pub fn close(&mut self, now_ms: i64) -> Result<(), ApiError> {
        match self.state {
            State::Open => {
                self.closed_ms = now_ms;
                self.enter(State::UploadComplete, now_ms);
                Ok(())
            }
            State::UploadComplete | State::InProgress | State::JobComplete => Ok(()),
            State::Failed | State::Aborted => {
                Err(invalid_state(format!("Closing already {} Job not allowed", spoken(self.state))))
            }
        }
    }

    /// `Aborted`. True when the work was never taken on, so that nobody else will say what became of the rows.
    ///
    /// # Errors
    /// 400 `INVALIDJOBSTATE` "Aborting already Completed Job not allowed" for a job that has ended.
    pub fn abort(&mut self, now_ms: i64) -> Result<bool, ApiError> {
        if self.state.is_final() {
            return Err(invalid_state(format!("Aborting already {} Job not allowed", spoken(self.state))));
        }
        self.enter(State::Aborted, now_ms);
        Ok(!self.working)
    }
}

fn spoken(state: State) -> &'static str {
    match state {
        State::JobComplete => "Completed",
        other => other.as_str(),
    }
}

/// 400 `INVALIDJOBSTATE`.
pub fn invalid_state(message: impl Into<String>) -> ApiError {
    ApiError::new(400, "INVALIDJOBSTATE", message)
}

impl Job {
    /// A job as ordered.
    pub fn new(id: String, number: u64, order: Order, now_ms: i64) -> Job {
        let state = if order.operation.is_query() { State::UploadComplete } else { State::Open };
        Job {
            id,
            number,
            operation: order.operation,
            object: order.object,
            query: order.query,
            external_field: order.external_field,
            assignment_rule: order.assignment_rule,
            version: order.version,
            delimiter: order.delimiter,
            line_ending: order.line_ending,
            caller: order.caller,
            created_ms: now_ms,
            progress: Mutex::new(Progress::new(state, now_ms)),
            stop: AtomicBool::new(false),
        }
    }

    /// How far it is, for as long as the guard lives.
    pub fn progress(&self) -> MutexGuard<'_, Progress> {
        lock(&self.progress)
    }

    /// Asks running work to stop after the chunk it is at.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Whether running work should stop.
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// The job as a create, close or abort answers it.
    pub fn summary(&self) -> Map<String, Value> {
        let progress = self.progress();
        let mut info = Map::new();
        let mut put = |name: &str, value: Value| info.insert(name.to_owned(), value);
        put("id", json!(self.id));
        put("operation", json!(self.operation.as_str()));
        put("object", json!(self.object));
        put("createdById", json!(self.caller.user_id));
        put("createdDate", json!(value::date_time_text(self.created_ms, "+0000")));
        put("systemModstamp", json!(value::date_time_text(progress.since_ms, "+0000")));
        put("state", json!(progress.state.as_str()));
        if let Some(field) = &self.external_field {
            put("externalIdFieldName", json!(field));
        }
        if let Some(rule) = &self.assignment_rule {
            put("assignmentRuleId", json!(rule));
        }
        put("concurrencyMode", json!("Parallel"));
        put("contentType", json!("CSV"));
        put("apiVersion", json!(self.version.parse::<f64>().unwrap_or(0.0)));
        if !self.operation.is_query() {
            put("contentUrl", json!(format!("services/data/v{}/jobs/ingest/{}/batches", self.version, self.id)));
        }
        put("lineEnding", json!(self.line_ending.as_str()));
        put("columnDelimiter", json!(self.delimiter.as_str()));
        info
    }

    /// The job as a GET of it answers, with its progress.
    pub fn info(&self, now_ms: i64) -> Map<String, Value> {
        let mut info = self.summary();
        let progress = self.progress();
        let mut put = |name: &str, value: Value| info.insert(name.to_owned(), value);
        let shown = progress.state.is_final();
        let processed = if shown { progress.outcome.processed } else { 0 };
        let failed = if shown { progress.outcome.failed } else { 0 };
        let until_ms = if shown { progress.since_ms } else { now_ms };
        let spent_ms = (until_ms - progress.closed_ms).max(0);
        put("jobType", json!(if self.operation.is_query() { "V2Query" } else { "V2Ingest" }));
        put("numberRecordsProcessed", json!(processed));
        if self.operation.is_query() {
            put("retries", json!(0));
            put("totalProcessingTime", json!(spent_ms));
            put("isPkChunkingSupported", json!(true));
        } else {
            put("numberRecordsFailed", json!(failed));
            put("retries", json!(0));
            put("totalProcessingTime", json!(spent_ms));
            put("apiActiveProcessingTime", json!(spent_ms));
            put("apexProcessingTime", json!(0));
        }
        if let (State::Failed, Some(error)) = (progress.state, &progress.outcome.error) {
            put("errorMessage", json!(error));
        }
        info
    }
}

/// What a caller ordered.
pub struct Order {
    pub operation: Operation,
    pub object: String,
    pub query: String,
    pub external_field: Option<String>,
    pub assignment_rule: Option<String>,
    pub version: String,
    pub delimiter: Delimiter,
    pub line_ending: LineEnding,
    pub caller: Caller,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_last_and_the_outcome_shows_when_its_time_has_come() {
        let mut progress = Progress::new(State::UploadComplete, 1_000);
        assert!(!progress.claim(1_099));
        assert!(progress.claim(1_100) && !progress.claim(1_101), "claimed once");
        progress.worked(Outcome { processed: 50_000, ..Outcome::default() }, 1_100);
        progress.settle(1_249);
        assert_eq!(progress.state, State::InProgress);
        progress.settle(1_250);
        assert_eq!(progress.state, State::JobComplete);
    }

    #[test]
    fn closing_twice_is_one_closing_and_what_has_ended_cannot_be_aborted() {
        let mut progress = Progress::new(State::Open, 0);
        progress.close(1).unwrap();
        progress.close(2).unwrap();
        assert_eq!((progress.state, progress.next_ms()), (State::UploadComplete, Some(101)));
        assert!(progress.claim(200));
        progress.worked(Outcome { error: Some("no".into()), ..Outcome::default() }, 200);
        progress.settle(300);
        assert_eq!(progress.state, State::Failed);
        assert_eq!(progress.close(301).unwrap_err().code, "INVALIDJOBSTATE");
        assert_eq!(progress.abort(301).unwrap_err().message, "Aborting already Failed Job not allowed");
    }

    #[test]
    fn an_aborted_job_stays_aborted_when_its_work_ends() {
        let mut progress = Progress::new(State::UploadComplete, 0);
        assert!(progress.claim(100));
        progress.abort(110).unwrap();
        progress.worked(Outcome { processed: 200, ..Outcome::default() }, 120);
        progress.settle(1_000);
        assert_eq!((progress.state, progress.outcome.processed), (State::Aborted, 200));
    }

    #[test]
    fn stepped_jobs_take_one_state_per_step() {
        let mut progress = Progress::new(State::UploadComplete, 0);
        assert!(!progress.step(0));
        assert_eq!(progress.state, State::InProgress);
        assert!(progress.step(0));
        progress.worked(Outcome::default(), 0);
        progress.finish_step(0);
        assert_eq!(progress.state, State::JobComplete);
        assert!(!progress.step(0));
    }
}
