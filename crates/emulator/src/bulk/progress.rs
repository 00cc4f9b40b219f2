// SPDX-License-Identifier: Apache-2.0
//! The way of a piece of work, be it a job of Bulk 2.0 or a batch of Bulk 1.0: it waits for its turn, is worked off once,
//! and shows its outcome when its time is over (`salesforce-api.md` 3.1, 3.2, 3.4). Nothing here touches records.
//!
//! It is driven by whoever looks at it. [`Progress::claim`] is true exactly once, when the work has waited long enough,
//! and obliges the caller to do it and hand its [`Outcome`] to [`Progress::worked`]; the state still says InProgress until
//! the time that work of its size takes is over. Time is the emulator's clock, so a test under paused time sees every
//! state. With stepped jobs only [`Progress::step`] moves.

use serde::{Deserialize, Serialize};

use crate::error::ApiError;

use super::results::Results;
use super::spool::Kept;

/// How long each state lasts on the emulator's clock, in milliseconds.
pub const STATE_MS: i64 = 100;
/// How many rows are worked off per millisecond, on top of that.
const ROWS_PER_MS: u64 = 1_000;

/// Where a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

    /// The name in a batch of Bulk 1.0. `NotProcessed` is written without a blank, whatever the documentation says
    /// (clients that waited for "Not Processed" slept for ever).
    pub fn of_batch(self) -> &'static str {
        match self {
            State::Open | State::UploadComplete => "Queued",
            State::InProgress => "InProgress",
            State::JobComplete => "Completed",
            State::Failed => "Failed",
            State::Aborted => "NotProcessed",
        }
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
    /// The answers of a batch of Bulk 1.0, each whole.
    pub documents: Vec<Kept>,
    /// How much longer than its size says the work takes, in ms.
    pub slow_ms: i64,
}

impl Outcome {
    /// Nothing but a reason.
    pub fn failed(error: impl Into<String>) -> Outcome {
        Outcome { error: Some(error.into()), ..Outcome::default() }
    }
}

/// The data of a job that writes.
#[derive(Debug, Default)]
pub enum Upload {
    /// Nothing was sent.
    #[default]
    None,
    /// It is being sent.
    Running,
    /// All of it is here.
    Done(Kept),
}

/// How far a piece of work is.
#[derive(Debug)]
pub struct Progress {
    pub state: State,
    /// When the state was entered, in ms.
    pub since_ms: i64,
    /// When it was ordered for execution, in ms.
    pub closed_ms: i64,
    /// Somebody has taken the work on.
    working: bool,
    /// When the outcome shows, in ms.
    done_ms: Option<i64>,
    pub upload: Upload,
    pub outcome: Outcome,
}

/// What of a [`Progress`] another process needs to go on with it, beside the bodies.
#[derive(Debug, Serialize, Deserialize)]
pub struct Standing {
    state: State,
    since_ms: i64,
    closed_ms: i64,
    done_ms: Option<i64>,
    error: Option<String>,
    processed: u64,
    failed: u64,
}

impl Progress {
    /// How it stands.
    pub fn standing(&self) -> Standing {
        Standing {
            state: self.state,
            since_ms: self.since_ms,
            closed_ms: self.closed_ms,
            done_ms: self.done_ms,
            error: self.outcome.error.clone(),
            processed: self.outcome.processed,
            failed: self.outcome.failed,
        }
    }

    /// One that stood so when its process ended. Work that was under way waits for its turn again.
    pub fn found(standing: Standing, upload: Upload, bodies: Outcome) -> Progress {
        let torn = standing.state == State::InProgress && standing.done_ms.is_none();
        let Standing { error, processed, failed, .. } = standing;
        Progress {
            state: if torn { State::UploadComplete } else { standing.state },
            since_ms: standing.since_ms,
            closed_ms: standing.closed_ms,
            working: standing.state == State::InProgress && !torn,
            done_ms: standing.done_ms,
            upload,
            outcome: Outcome { error, processed, failed, ..bodies },
        }
    }

    /// One that waits for its data, or one that only waits for its turn.
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
        self.done_ms = Some(now_ms.max(self.since_ms + STATE_MS + size_ms.saturating_add(outcome.slow_ms)));
        self.outcome = outcome;
    }

    /// Shows the outcome when its time has come; true when that is now.
    pub fn settle(&mut self, now_ms: i64) -> bool {
        let due = self.state == State::InProgress && self.done_ms.is_some_and(|done_ms| now_ms >= done_ms);
        if due {
            let failed = self.outcome.error.is_some();
            self.enter(if failed { State::Failed } else { State::JobComplete }, now_ms);
        }
        due
    }

    /// How long it has been under way, or was, in ms.
    pub fn spent_ms(&self, now_ms: i64) -> i64 {
        let until_ms = if self.state.is_final() { self.since_ms } else { now_ms };
        (until_ms - self.closed_ms).max(0)
    }

    /// Rows worked off and rows refused, as they show: nothing before the end.
    pub fn counts(&self) -> (u64, u64) {
        if self.state.is_final() { (self.outcome.processed, self.outcome.failed) } else { (0, 0) }
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
