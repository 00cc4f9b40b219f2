// SPDX-License-Identifier: Apache-2.0
//! Lines of Bulk 1.0 jobs and batches in the org's store (see `crate::bulk::journal`).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::bulk::journal::{self, OrderLine};
use crate::bulk::progress::{Outcome, Progress, Standing, Upload};
use crate::bulk::spool::Spool;
use crate::faces::lock;
use crate::org::Org;

use super::batch::Batch;
use super::chunking::Chunking;
use super::job::{Job, Mode, State};
use super::order::Content;

#[derive(Serialize, Deserialize)]
struct JobLine {
    classic: OrderLine,
    mode: Mode,
    content: Content,
    chunking: Option<Chunking>,
    created_ms: i64,
    standing: (State, i64),
}

#[derive(Serialize, Deserialize)]
struct BatchLine {
    job_id: String,
    created_ms: i64,
    is_chunk: bool,
    standing: Standing,
    results: Vec<u64>,
    documents: usize,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Job(Box<JobLine>),
    Batch(BatchLine),
}

/// Writes down how a job stands.
pub fn keep_job(org: &Org, job: &Job) {
    let line = JobLine {
        classic: OrderLine::of(&job.order),
        mode: job.mode,
        content: job.content,
        chunking: job.chunking.clone(),
        created_ms: job.created_ms,
        standing: job.standing(),
    };
    journal::write(org, &job.id, job.number, &line);
}

/// Writes down how a batch stands.
pub fn keep_batch(org: &Org, batch: &Batch) {
    let line = {
        let progress = batch.progress();
        BatchLine {
            job_id: batch.job_id.clone(),
            created_ms: batch.created_ms,
            is_chunk: batch.is_chunk,
            standing: progress.standing(),
            results: batch.results().clone(),
            documents: progress.outcome.documents.len(),
        }
    };
    journal::write(org, &batch.id, batch.number, &line);
}

/// Puts the jobs of these lines into the org again, with their batches in order.
pub fn open(org: &Org, spool: &Spool, lines: Vec<(String, u64, String)>) {
    let mut jobs: BTreeMap<String, Arc<Job>> = BTreeMap::new();
    let mut batches = Vec::new();
    for (id, number, line) in lines {
        match serde_json::from_str(&line) {
            Ok(Line::Job(line)) => {
                let JobLine { classic, mode, content, chunking, created_ms, standing } = *line;
                let order = classic.order(org);
                let job = Job::new((id.clone(), number), order, mode, content, chunking, created_ms, standing);
                lock(&org.faces.jobs).count_from(number, 0, 0);
                jobs.insert(id, Arc::new(job));
            }
            Ok(Line::Batch(line)) => batches.push((id, number, line)),
            // Written by another version: the job is not known any more.
            Err(_) => {}
        }
    }
    for (id, number, line) in batches {
        let last_result = line.results.iter().copied().max().unwrap_or(0);
        lock(&org.faces.jobs).count_from(0, number, last_result);
        let Some(job) = jobs.get(&line.job_id) else { continue };
        let Some(request) = spool.find(&format!("{id}-request")) else { continue };
        let documents = (0..line.documents).filter_map(|place| spool.find(&format!("{id}-result-{place}"))).collect();
        let bodies = Outcome { documents, ..Outcome::default() };
        let progress = Progress::found(line.standing, Upload::None, bodies);
        let batch = Batch::new((id, number), job, request, line.is_chunk, line.created_ms, progress);
        *batch.results() = line.results;
        job.hang_in(Arc::new(batch));
    }
    lock(&org.faces.jobs).classic = jobs;
}
