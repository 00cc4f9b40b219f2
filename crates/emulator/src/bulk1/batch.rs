// SPDX-License-Identifier: Apache-2.0
//! A batch of a Bulk 1.0 job: its request, how far it is, and what came of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use crate::bulk::progress::{Outcome, Progress};
use crate::bulk::spool::Kept;
use crate::bulk::turn::{Task, nudge};
use crate::faces::lock;
use crate::id;
use crate::org::Org;

use super::job::{Job, Mode};
use super::{chunking, ingest, journal, query};

/// A batch. Its bodies lie in the spool as `<id>-request` and `<id>-result-N`.
#[derive(Debug)]
pub struct Batch {
    /// 18 characters, prefix 751.
    pub id: String,
    /// Its number among the org's batches.
    pub number: u64,
    job: Weak<Job>,
    pub job_id: String,
    /// What was posted.
    pub request: Kept,
    /// Whether it is a range that another batch's query was split into.
    pub is_chunk: bool,
    /// When it was posted, in ms.
    pub created_ms: i64,
    progress: Mutex<Progress>,
    /// Numbers of the results of a query.
    results: Mutex<Vec<u64>>,
    stop: AtomicBool,
}

impl Batch {
    pub fn new(
        (id, number): (String, u64),
        job: &Arc<Job>,
        request: Kept,
        is_chunk: bool,
        created_ms: i64,
        progress: Progress,
    ) -> Batch {
        Batch {
            id,
            number,
            job: Arc::downgrade(job),
            job_id: job.id.clone(),
            request,
            is_chunk,
            created_ms,
            progress: Mutex::new(progress),
            results: Mutex::default(),
            stop: AtomicBool::new(false),
        }
    }

    /// How far it is, for as long as the guard lives.
    pub fn progress(&self) -> MutexGuard<'_, Progress> {
        lock(&self.progress)
    }

    /// The Ids of a query's results: 15 characters, as recorded.
    pub fn result_ids(&self) -> Vec<String> {
        lock(&self.results).iter().map(|&number| id::to15(&id::make("752", number)).to_owned()).collect()
    }

    /// The numbers behind [`Batch::result_ids`].
    pub fn results(&self) -> MutexGuard<'_, Vec<u64>> {
        lock(&self.results)
    }

    /// Asks running work to stop after the chunk it is at.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Whether running work should stop.
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Whether a batch before it in a Serial job has not ended.
    fn waits_for_another(&self, job: &Job) -> bool {
        let batches = job.batches();
        let before = batches.iter().take_while(|batch| batch.id != self.id);
        job.mode == Mode::Serial && before.into_iter().any(|batch| !batch.progress().state.is_final())
    }
}

/// How long a batch took, in ms; nothing before it has ended.
pub fn spent_ms(progress: &Progress) -> i64 {
    if progress.state.is_final() { progress.spent_ms(progress.since_ms) } else { 0 }
}

impl Task for Batch {
    fn progress(&self) -> MutexGuard<'_, Progress> {
        lock(&self.progress)
    }

    fn work(&self, org: &Org) -> Outcome {
        let Some(job) = self.job.upgrade() else { return Outcome::failed("InvalidJob : the job is gone") };
        if !job.order.operation.is_query() {
            return ingest::run(org, &job, self);
        }
        match chunking::split(org, &job, self) {
            Some(outcome) => outcome,
            None => query::run(org, &job, self),
        }
    }

    fn changed(&self, org: &Org) {
        journal::keep_batch(org, self);
    }

    fn followed(&self, org: &Arc<Org>) {
        // A split query has new batches behind it.
        let job = self.job.upgrade().filter(|job| job.is_chunked());
        for batch in job.iter().flat_map(|job| job.batches()).filter(|batch| batch.id != self.id) {
            let waits = batch.progress().next_ms().is_some() && batch.created_ms >= self.created_ms;
            if waits && batch.number > self.number {
                nudge(org, &batch);
            }
        }
    }

    fn is_held(&self) -> bool {
        self.job.upgrade().is_some_and(|job| self.waits_for_another(&job))
    }
}
