// SPDX-License-Identifier: Apache-2.0
//! A job of Bulk 1.0: the frame that its batches hang in (`salesforce-api.md` 3.4).

use std::io::Write as _;
use std::sync::{Arc, Mutex, MutexGuard};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::bulk::order::Order;
use crate::bulk::progress::{Progress, State as BatchState, invalid_state};
use crate::error::ApiError;
use crate::faces::lock;
use crate::org::Org;
use crate::value::date_time_text;

use super::batch::{Batch, spent_ms};
use super::chunking::Chunking;
use super::order::Content;

/// Where a job is. It does not end by itself, and failed batches do not fail it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    Open,
    Closed,
    Aborted,
}

impl State {
    /// The name in a job.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Open => "Open",
            State::Closed => "Closed",
            State::Aborted => "Aborted",
        }
    }
}

/// Whether batches wait for each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    Parallel,
    Serial,
}

impl Mode {
    /// The name in a job.
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Parallel => "Parallel",
            Mode::Serial => "Serial",
        }
    }
}

/// A job.
#[derive(Debug)]
pub struct Job {
    /// 18 characters, prefix 750.
    pub id: String,
    /// Its number among the org's jobs of both APIs.
    pub number: u64,
    pub order: Order,
    pub mode: Mode,
    pub content: Content,
    /// What `Sforce-Enable-PKChunking` asked for.
    pub chunking: Option<Chunking>,
    /// When it was ordered, in ms.
    pub created_ms: i64,
    /// State, and since when, in ms.
    standing: Mutex<(State, i64)>,
    batches: Mutex<Vec<Arc<Batch>>>,
}

/// How many batches are in which state, and what they did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub queued: usize,
    pub in_progress: usize,
    pub completed: usize,
    pub failed: usize,
    pub total: usize,
    pub processed: u64,
    pub refused: u64,
    pub spent_ms: i64,
}

impl Job {
    /// A job that stands so.
    #[allow(clippy::too_many_arguments, reason = "each is a part of the order, and no two have one type")]
    pub fn new(
        (id, number): (String, u64),
        order: Order,
        mode: Mode,
        content: Content,
        chunking: Option<Chunking>,
        created_ms: i64,
        standing: (State, i64),
    ) -> Job {
        let (standing, batches) = (Mutex::new(standing), Mutex::default());
        Job { id, number, order, mode, content, chunking, created_ms, standing, batches }
    }

    pub fn state(&self) -> State {
        lock(&self.standing).0
    }

    /// State, and since when, in ms.
    pub fn standing(&self) -> (State, i64) {
        *lock(&self.standing)
    }

    /// The batches, in the order of their making.
    pub fn batches(&self) -> Vec<Arc<Batch>> {
        lock(&self.batches).clone()
    }

    /// Whether a query of it was split by Ids.
    pub fn is_chunked(&self) -> bool {
        self.chunking.is_some()
    }

    /// Adds a batch that waits for its turn.
    ///
    /// # Errors
    /// Why the day's batches are used up, or the body cannot be kept.
    pub fn add(self: &Arc<Job>, org: &Org, body: &[u8], is_chunk: bool) -> Result<Arc<Batch>, String> {
        let now_ms = org.clock().now();
        let (name, spool) = {
            let mut registry = lock(&org.faces.jobs);
            // Rows are counted when they are read.
            registry.quotas.take_batch(now_ms, 0)?;
            (registry.next_batch(), registry.spool.clone())
        };
        let request = spool.begin(&format!("{}-request", name.0)).and_then(|mut draft| {
            draft.write_all(body)?;
            draft.finish()
        });
        let request = request.map_err(|error| format!("the batch cannot be kept: {error}"))?;
        let progress = Progress::new(BatchState::UploadComplete, now_ms);
        let batch = Arc::new(Batch::new(name, self, request, is_chunk, now_ms, progress));
        self.hang_in(batch.clone());
        Ok(batch)
    }

    /// Puts a batch behind the others.
    pub fn hang_in(&self, batch: Arc<Batch>) {
        lock(&self.batches).push(batch);
    }

    /// `Closed`: no batch can be added any more; those that are there go on.
    ///
    /// # Errors
    /// `InvalidJobState` for an aborted job.
    pub fn close(&self, now_ms: i64) -> Result<(), ApiError> {
        let mut standing = lock(&self.standing);
        match standing.0 {
            State::Open => *standing = (State::Closed, now_ms),
            State::Closed => {}
            State::Aborted => return Err(invalid_state("Closing already Aborted Job not allowed")),
        }
        Ok(())
    }

    /// `Aborted`: batches that wait are not processed, what was written stays.
    ///
    /// # Errors
    /// `InvalidJobState` for a job that was closed or aborted.
    pub fn abort(&self, now_ms: i64) -> Result<(), ApiError> {
        {
            let mut standing = lock(&self.standing);
            if standing.0 != State::Open {
                return Err(invalid_state(format!("Aborting already {} Job not allowed", standing.0.as_str())));
            }
            *standing = (State::Aborted, now_ms);
        }
        for batch in self.batches() {
            batch.stop();
            let mut progress: MutexGuard<'_, Progress> = batch.progress();
            if progress.state == BatchState::UploadComplete {
                progress.abort(now_ms)?;
            }
        }
        Ok(())
    }

    /// Whether nothing has happened to it since then.
    pub fn is_idle_since(&self, ms: i64) -> bool {
        lock(&self.standing).1 < ms && self.batches().iter().all(|batch| batch.progress().since_ms < ms)
    }

    /// What the batches add up to.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for batch in self.batches() {
            let progress = batch.progress();
            counts.total += 1;
            match progress.state {
                BatchState::Open | BatchState::UploadComplete => counts.queued += 1,
                BatchState::InProgress => counts.in_progress += 1,
                BatchState::JobComplete => counts.completed += 1,
                BatchState::Failed => counts.failed += 1,
                BatchState::Aborted => {}
            }
            let (processed, refused) = progress.counts();
            counts.processed += processed;
            counts.refused += refused;
            counts.spent_ms += spent_ms(&progress);
        }
        counts
    }

    /// The job in the list of Bulk 2.0.
    pub fn listed(&self) -> Map<String, Value> {
        let (state, since_ms) = self.standing();
        let line = json!({
            "id": self.id,
            "operation": self.order.operation.as_str(),
            "object": self.order.object,
            "createdById": self.order.caller.user_id,
            "createdDate": date_time_text(self.created_ms, "+0000"),
            "systemModstamp": date_time_text(since_ms, "+0000"),
            "state": state.as_str(),
            "concurrencyMode": self.mode.as_str(),
            "contentType": self.content.as_str(),
            "apiVersion": self.order.version.parse::<f64>().unwrap_or(0.0),
            "jobType": "Classic",
        });
        line.as_object().cloned().unwrap_or_default()
    }
}
