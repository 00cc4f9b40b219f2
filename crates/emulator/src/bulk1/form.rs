// SPDX-License-Identifier: Apache-2.0
//! Jobs, batches, lists and errors as the answers write them: XML as recorded (line breaks and indents included), JSON with
//! its keys in alphabetical order. `Content-Type` has no charset (`salesforce-api.md` 8).

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::bulk::progress::Progress;
use crate::value::date_time_text;

use super::Refusal;
use super::batch::{Batch, spent_ms};
use super::job::Job;
use super::order::Content;
use super::xml::escape;

const NAMESPACE: &str = "http://www.force.com/2009/06/asyncapi/dataload";
const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Xml,
    Json,
}

impl Form {
    /// That of a request's content type.
    pub fn of(media_type: &str) -> Form {
        if media_type == "application/json" { Form::Json } else { Form::Xml }
    }

    /// That of a job's answers.
    pub fn of_job(content: Content) -> Form {
        if matches!(content, Content::Json | Content::ZipJson) { Form::Json } else { Form::Xml }
    }

    pub fn job(self, job: &Job) -> Answer {
        self.job_with_status(200, job)
    }

    pub fn job_with_status(self, status: u16, job: &Job) -> Answer {
        match self {
            Form::Xml => xml(status, element("jobInfo", &tags(1, &job_tags(job)))),
            Form::Json => json_answer(status, &job_json(job)),
        }
    }

    pub fn batch(self, status: u16, batch: &Batch) -> Answer {
        match self {
            Form::Xml => xml(status, element("batchInfo", &tags(1, &batch_tags(batch)))),
            Form::Json => json_answer(status, &batch_json(batch)),
        }
    }

    pub fn batches(self, job: &Job) -> Answer {
        let batches = job.batches();
        match self {
            Form::Json => {
                let lines: Vec<Value> = batches.iter().map(|batch| batch_json(batch)).collect();
                json_answer(200, &json!({"batchInfo": lines}))
            }
            Form::Xml if batches.is_empty() => {
                xml(200, format!("{DECLARATION}<batchInfoList\n   xmlns=\"{NAMESPACE}\" />"))
            }
            Form::Xml => {
                let mut lines = String::new();
                for batch in &batches {
                    let _ = write!(lines, " <batchInfo>\n{} </batchInfo>\n", tags(2, &batch_tags(batch)));
                }
                xml(200, element("batchInfoList", &lines))
            }
        }
    }

    pub fn result_list(self, ids: &[String]) -> Answer {
        match self {
            Form::Json => json_answer(200, &json!(ids)),
            Form::Xml => {
                let lines: String = ids.iter().map(|id| format!("<result>{id}</result>")).collect();
                xml(200, format!("<result-list xmlns=\"{NAMESPACE}\">{lines}</result-list>"))
            }
        }
    }

    /// Every refusal has status 400 (`salesforce-api.md` 1.8, 3.4).
    pub fn error(self, refusal: &Refusal) -> Answer {
        match self {
            Form::Json => {
                json_answer(400, &json!({"exceptionCode": refusal.code, "exceptionMessage": refusal.message}))
            }
            Form::Xml => {
                let lines =
                    tags(1, &[("exceptionCode", refusal.code.clone()), ("exceptionMessage", refusal.message.clone())]);
                xml(400, element("error", &lines))
            }
        }
    }
}

fn xml(status: u16, text: String) -> Answer {
    Answer::bytes(status, "application/xml", text)
}

fn json_answer(status: u16, value: &Value) -> Answer {
    Answer::bytes(status, "application/json", value.to_string())
}

fn element(name: &str, lines: &str) -> String {
    format!("{DECLARATION}<{name}\n   xmlns=\"{NAMESPACE}\">\n{lines}</{name}>")
}

fn tags(indent: usize, tags: &[(&str, String)]) -> String {
    let blanks = " ".repeat(indent);
    tags.iter().map(|(name, value)| format!("{blanks}<{name}>{}</{name}>\n", escape(value))).collect()
}

fn job_tags(job: &Job) -> Vec<(&'static str, String)> {
    let (state, since_ms) = job.standing();
    let counts = job.counts();
    let mut tags = vec![
        ("id", job.id.clone()),
        ("operation", job.order.operation.as_str().to_owned()),
        ("object", job.order.object.clone()),
        ("createdById", job.order.caller.user_id.clone()),
        ("createdDate", date_time_text(job.created_ms, "Z")),
        ("systemModstamp", date_time_text(since_ms, "Z")),
        ("state", state.as_str().to_owned()),
    ];
    tags.extend(job.order.external_field.iter().map(|field| ("externalIdFieldName", field.clone())));
    tags.push(("concurrencyMode", job.mode.as_str().to_owned()));
    tags.push(("contentType", job.content.as_str().to_owned()));
    tags.extend(job.order.assignment_rule.iter().map(|rule| ("assignmentRuleId", rule.clone())));
    tags.extend([
        ("numberBatchesQueued", counts.queued.to_string()),
        ("numberBatchesInProgress", counts.in_progress.to_string()),
        ("numberBatchesCompleted", counts.completed.to_string()),
        ("numberBatchesFailed", counts.failed.to_string()),
        ("numberBatchesTotal", counts.total.to_string()),
        ("numberRecordsProcessed", counts.processed.to_string()),
        ("numberRetries", "0".to_owned()),
        ("apiVersion", job.order.version.clone()),
        ("numberRecordsFailed", counts.refused.to_string()),
        ("totalProcessingTime", counts.spent_ms.to_string()),
        ("apiActiveProcessingTime", counts.spent_ms.to_string()),
        ("apexProcessingTime", "0".to_owned()),
    ]);
    tags
}

fn job_json(job: &Job) -> Value {
    let (state, since_ms) = job.standing();
    let counts = job.counts();
    json!({
        "apexProcessingTime": 0,
        "apiActiveProcessingTime": counts.spent_ms,
        "apiVersion": job.order.version.parse::<f64>().unwrap_or(0.0),
        "assignmentRuleId": job.order.assignment_rule,
        "concurrencyMode": job.mode.as_str(),
        "contentType": job.content.as_str(),
        "createdById": job.order.caller.user_id,
        "createdDate": date_time_text(job.created_ms, "+0000"),
        "externalIdFieldName": job.order.external_field,
        "fastPathEnabled": false,
        "id": job.id,
        "numberBatchesCompleted": counts.completed,
        "numberBatchesFailed": counts.failed,
        "numberBatchesInProgress": counts.in_progress,
        "numberBatchesQueued": counts.queued,
        "numberBatchesTotal": counts.total,
        "numberRecordsFailed": counts.refused,
        "numberRecordsProcessed": counts.processed,
        "numberRetries": 0,
        "object": job.order.object,
        "operation": job.order.operation.as_str(),
        "state": state.as_str(),
        "systemModstamp": date_time_text(since_ms, "+0000"),
        "totalProcessingTime": counts.spent_ms,
    })
}

/// The reason of a batch that failed.
fn state_message(progress: &Progress) -> Option<&String> {
    progress.outcome.error.as_ref().filter(|_| progress.state == crate::bulk::progress::State::Failed)
}

fn batch_tags(batch: &Batch) -> Vec<(&'static str, String)> {
    let progress = batch.progress();
    let (processed, refused) = progress.counts();
    let spent = spent_ms(&progress).to_string();
    let mut tags = vec![
        ("id", batch.id.clone()),
        ("jobId", batch.job_id.clone()),
        ("state", progress.state.of_batch().to_owned()),
    ];
    tags.extend(state_message(&progress).map(|message| ("stateMessage", message.clone())));
    tags.extend([
        ("createdDate", date_time_text(batch.created_ms, "Z")),
        ("systemModstamp", date_time_text(progress.since_ms, "Z")),
        ("numberRecordsProcessed", processed.to_string()),
        ("numberRecordsFailed", refused.to_string()),
        ("totalProcessingTime", spent.clone()),
        ("apiActiveProcessingTime", spent),
        ("apexProcessingTime", "0".to_owned()),
    ]);
    tags
}

fn batch_json(batch: &Batch) -> Value {
    let progress = batch.progress();
    let (processed, refused) = progress.counts();
    let spent = spent_ms(&progress);
    json!({
        "apexProcessingTime": 0,
        "apiActiveProcessingTime": spent,
        "createdDate": date_time_text(batch.created_ms, "+0000"),
        "id": batch.id,
        "jobId": batch.job_id,
        "numberRecordsFailed": refused,
        "numberRecordsProcessed": processed,
        "state": progress.state.of_batch(),
        "stateMessage": state_message(&progress),
        "systemModstamp": date_time_text(progress.since_ms, "+0000"),
        "totalProcessingTime": spent,
    })
}
