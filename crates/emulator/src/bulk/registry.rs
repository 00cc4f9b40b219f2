// SPDX-License-Identifier: Apache-2.0
//! The jobs of an org: those of Bulk 2.0 and, beside them, those of Bulk 1.0, which share its Ids, its allowances and its
//! bodies. A job is forgotten seven days after it last changed, with its bodies (`salesforce-api.md` 3.3).

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::Jobs;
use crate::bulk1;
use crate::id;

use super::contention::Contention;
use super::job::Job;
use super::order::Order;
use super::quota::Quotas;
use super::spool::Spool;

/// How long a job is kept after it last changed, in ms.
const KEPT_MS: i64 = 7 * 24 * 3600 * 1000;

/// The jobs of an org.
#[derive(Debug, Default)]
pub struct Registry {
    /// When states move.
    pub pace: Jobs,
    pub spool: Spool,
    pub quotas: Quotas,
    pub contention: Contention,
    /// Bulk 2.0, by Id.
    pub jobs: BTreeMap<String, Arc<Job>>,
    /// Bulk 1.0, by Id.
    pub classic: BTreeMap<String, Arc<bulk1::Job>>,
    jobs_made: u64,
    batches_made: u64,
    results_made: u64,
}

impl Registry {
    /// Adds a job of Bulk 2.0.
    pub fn add(&mut self, order: Order, now_ms: i64) -> Arc<Job> {
        let (id, number) = self.next_job();
        let job = Arc::new(Job::new(id, number, order, now_ms));
        self.jobs.insert(job.id.clone(), job.clone());
        job
    }

    /// Id and number of a new job.
    pub fn next_job(&mut self) -> (String, u64) {
        self.jobs_made += 1;
        (id::make("750", self.jobs_made), self.jobs_made)
    }

    /// Id and number of a new batch.
    pub fn next_batch(&mut self) -> (String, u64) {
        self.batches_made += 1;
        (id::make("751", self.batches_made), self.batches_made)
    }

    /// Number of a new result of a Bulk 1.0 query.
    pub fn next_result(&mut self) -> u64 {
        self.results_made += 1;
        self.results_made
    }

    /// Goes on behind the numbers that another process gave.
    pub fn count_from(&mut self, jobs: u64, batches: u64, results: u64) {
        self.jobs_made = self.jobs_made.max(jobs);
        self.batches_made = self.batches_made.max(batches);
        self.results_made = self.results_made.max(results);
    }

    /// Forgets what is old, and gives the Ids of the jobs and batches that went.
    pub fn forget_old(&mut self, now_ms: i64) -> Vec<String> {
        let since_ms = now_ms - KEPT_MS;
        let mut gone = Vec::new();
        self.jobs.retain(|id, job| {
            let keep = !job.progress().is_idle_since(since_ms);
            if !keep {
                gone.push(id.clone());
            }
            keep
        });
        self.classic.retain(|id, job| {
            let keep = !job.is_idle_since(since_ms);
            if !keep {
                gone.push(id.clone());
                gone.extend(job.batches().iter().map(|batch| batch.id.clone()));
            }
            keep
        });
        for id in &gone {
            self.spool.remove(id);
        }
        gone
    }
}
