// SPDX-License-Identifier: Apache-2.0
//! One Bulk 2.0 job: what was ordered, how far it is, and what its JSON says (`salesforce-api.md` 3.1, 3.2).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};

use serde_json::{Map, Value, json};

use crate::faces::lock;
use crate::org::Org;
use crate::value;

use super::order::Order;
use super::progress::{Outcome, Progress, State};
use super::turn::Task;
use super::{ingest, journal, query};

/// A job. Its bodies lie in the spool as `<id>-data`, `-rows`, `-failed` and `-unprocessed`.
#[derive(Debug)]
pub struct Job {
    /// 18 characters, prefix 750.
    pub id: String,
    /// Its number in the org, from 1: what makes the order of its result rows its own.
    pub number: u64,
    pub order: Order,
    /// When it was ordered, in ms.
    pub created_ms: i64,
    pub progress: Mutex<Progress>,
    stop: AtomicBool,
}

impl Job {
    /// A job as ordered.
    pub fn new(id: String, number: u64, order: Order, now_ms: i64) -> Job {
        let state = if order.operation.is_query() { State::UploadComplete } else { State::Open };
        Job::found(id, number, order, now_ms, Progress::new(state, now_ms))
    }

    /// A job that is as far as this.
    pub fn found(id: String, number: u64, order: Order, created_ms: i64, progress: Progress) -> Job {
        Job { id, number, order, created_ms, progress: Mutex::new(progress), stop: AtomicBool::new(false) }
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

    /// `V2Query` or `V2Ingest`.
    pub fn job_type(&self) -> &'static str {
        if self.order.operation.is_query() { "V2Query" } else { "V2Ingest" }
    }

    /// The job as a create, close or abort answers it.
    pub fn summary(&self) -> Map<String, Value> {
        let (order, progress) = (&self.order, self.progress());
        let mut info = Map::new();
        let mut put = |name: &str, value: Value| info.insert(name.to_owned(), value);
        put("id", json!(self.id));
        put("operation", json!(order.operation.as_str()));
        put("object", json!(order.object));
        put("createdById", json!(order.caller.user_id));
        put("createdDate", json!(value::date_time_text(self.created_ms, "+0000")));
        put("systemModstamp", json!(value::date_time_text(progress.since_ms, "+0000")));
        put("state", json!(progress.state.as_str()));
        if let Some(field) = &order.external_field {
            put("externalIdFieldName", json!(field));
        }
        if let Some(rule) = &order.assignment_rule {
            put("assignmentRuleId", json!(rule));
        }
        put("concurrencyMode", json!("Parallel"));
        put("contentType", json!("CSV"));
        put("apiVersion", json!(order.version.parse::<f64>().unwrap_or(0.0)));
        if !order.operation.is_query() {
            put("contentUrl", json!(format!("services/data/v{}/jobs/ingest/{}/batches", order.version, self.id)));
        }
        put("lineEnding", json!(order.line_ending.as_str()));
        put("columnDelimiter", json!(order.delimiter.as_str()));
        info
    }

    /// The job as a GET of it answers, with its progress.
    pub fn info(&self, now_ms: i64) -> Map<String, Value> {
        let mut info = self.summary();
        let progress = self.progress();
        let mut put = |name: &str, value: Value| info.insert(name.to_owned(), value);
        let (processed, failed) = progress.counts();
        let spent_ms = progress.spent_ms(now_ms);
        put("jobType", json!(self.job_type()));
        put("numberRecordsProcessed", json!(processed));
        if self.order.operation.is_query() {
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

impl Task for Job {
    fn progress(&self) -> MutexGuard<'_, Progress> {
        lock(&self.progress)
    }

    fn work(&self, org: &Org) -> Outcome {
        if self.order.operation.is_query() { query::run(org, self) } else { ingest::run(org, self) }
    }

    fn changed(&self, org: &Org) {
        journal::keep(org, self);
    }
}
