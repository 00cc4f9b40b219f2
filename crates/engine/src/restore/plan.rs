// SPDX-License-Identifier: Apache-2.0
//! A plan: exactly what a restore will write, in order, and what it will not write, and why. It is data: printed by a dry run,
//! kept in a file for review, executed by [`super::apply`]. Values are not in it; they are in the vault, and a plan names the backup.

use crate::error::{Error, Result};
use crate::event::Action;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Version of the plan's JSON.
pub const PLAN_FORMAT: u32 = 1;

/// Rows that one collections call takes, and SOAP `undelete` too (`salesforce-api.md` 2.8, 6.7).
pub(crate) const ROWS_PER_CALL: usize = 200;
/// From so many rows of a step on, a Bulk job is cheaper than collections calls.
pub(crate) const BULK_ROWS: usize = 2_000;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    pub format: u32,
    pub made: DateTime<Utc>,
    pub source_org: String,
    pub target_org: String,
    /// Who will write.
    pub target_username: String,
    /// The backup that values are taken from.
    pub backup: u64,
    /// What was selected, in words.
    pub selection: String,
    pub steps: Vec<Step>,
    pub not_written: Vec<NotWritten>,
    /// What the target org lacks. A plan with entries here is applied only when `skip_missing` is set.
    pub missing: Vec<Missing>,
    pub skip_missing: bool,
    /// Ids that stand for another record in the target: users, record types, price books, found by name.
    pub references: BTreeMap<String, String>,
}

/// Records of one object that are written in the same way, after all steps before.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Step {
    pub action: Action,
    pub object: String,
    /// Fields that are written, unless an item names its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
    pub records: Vec<Item>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Item {
    /// Its Id in the backup.
    pub id: String,
    /// Its Id in the target, where that is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_id: Option<String>,
    /// SystemModstamp in the target when the plan was made: a later one means that the org moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stamp: Option<String>,
    /// Fields that differ (update), or lookups to be set now (relink).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
    /// Lookups left empty on creation, because their target comes later.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub later: Vec<String>,
    /// Lookups left empty for good, because the target org does not have what they refer to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dropped: Vec<String>,
}

impl Item {
    /// The Id under which an existing record is written.
    pub fn current(&self) -> &str {
        self.target_id.as_deref().unwrap_or(&self.id)
    }
}

/// Records, or fields of records, that a restore leaves alone.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NotWritten {
    pub object: String,
    pub reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    pub ids: Vec<String>,
}

/// An object or a field that the plan needs and the target org does not have.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Missing {
    pub object: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Records that hold a value for it.
    pub records: u64,
}

/// What a plan does, for people.
#[derive(Clone, Debug, Serialize)]
pub struct PlanSummary {
    pub steps: Vec<StepLine>,
    pub not_written: Vec<NotWrittenLine>,
    pub records: u64,
    pub estimated_calls: u64,
}

#[derive(Clone, Debug, Serialize)]
pub struct StepLine {
    pub action: Action,
    pub object: String,
    pub records: u64,
    /// Per field, in how many records it is written; empty for whole records.
    pub fields: BTreeMap<String, u64>,
}

#[derive(Clone, Debug, Serialize)]
pub struct NotWrittenLine {
    pub object: String,
    pub records: u64,
    pub reason: String,
    pub hint: Option<String>,
    pub examples: Vec<String>,
}

impl Plan {
    /// Reads a plan that was written to a file.
    ///
    /// # Errors
    /// `Invalid` for what is no plan, or one of a newer format.
    pub fn from_json(json: &[u8]) -> Result<Plan> {
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let unreadable = |source: serde_json::Error| {
            Error::invalid(format!("this is not a restore plan: {source}"))
                .hint("a plan is written by `orgkeep restore … --dry-run --plan FILE`")
        };
        let version: Version = serde_json::from_slice(json).map_err(unreadable)?;
        if version.format != PLAN_FORMAT {
            return Err(Error::invalid(format!(
                "the plan has format {}, this program reads {PLAN_FORMAT}",
                version.format
            ))
            .hint("make the plan again with this version"));
        }
        serde_json::from_slice(json).map_err(unreadable)
    }

    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).expect("a plan has only text keys")
    }

    /// Tells two plans apart.
    pub(crate) fn digest(&self) -> String {
        blake3::hash(&self.to_json()).to_hex().to_string()
    }

    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    pub fn records(&self) -> u64 {
        self.steps.iter().map(|step| step.records.len() as u64).sum()
    }

    /// What it leaves alone.
    pub(crate) fn not_written_lines(&self) -> Vec<NotWrittenLine> {
        let line = |line: &NotWritten| NotWrittenLine {
            object: line.object.clone(),
            records: line.ids.len() as u64,
            reason: line.reason.clone(),
            hint: line.hint.clone(),
            examples: line.ids.iter().take(3).cloned().collect(),
        };
        self.not_written.iter().map(line).collect()
    }

    pub fn summary(&self) -> PlanSummary {
        PlanSummary {
            steps: self.steps.iter().map(StepLine::new).collect(),
            not_written: self.not_written_lines(),
            records: self.records(),
            estimated_calls: self.steps.iter().map(Step::calls).sum(),
        }
    }
}

impl Step {
    /// API calls it is likely to take; polls of a Bulk job are guessed.
    fn calls(&self) -> u64 {
        let rows = self.records.len();
        let calls = match self.action {
            Action::Upload => rows,
            Action::Undelete => rows.div_ceil(ROWS_PER_CALL),
            _ if rows >= BULK_ROWS => 10,
            _ => rows.div_ceil(ROWS_PER_CALL),
        };
        calls as u64
    }
}

impl StepLine {
    fn new(step: &Step) -> StepLine {
        let mut fields = BTreeMap::new();
        for field in step.records.iter().flat_map(|item| &item.fields) {
            *fields.entry(field.clone()).or_default() += 1;
        }
        StepLine { action: step.action, object: step.object.clone(), records: step.records.len() as u64, fields }
    }
}
