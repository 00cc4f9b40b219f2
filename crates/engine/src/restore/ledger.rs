// SPDX-License-Identifier: Apache-2.0
//! What a restore did, as JSON Lines in the vault: what it is about to send before it sends it, and what became of each record.

use super::plan::Plan;
use crate::error::{Error, Result};
use chrono::{DateTime, Utc};
use orgkeep_vault::RestoreLedger;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Line {
    /// Records that are about to be sent. `job` is the Bulk job that will carry them.
    Intent {
        step: usize,
        at: DateTime<Utc>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        job: Option<String>,
        ids: Vec<String>,
    },
    Done {
        step: usize,
        id: String,
        /// Where the record has another Id now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        new_id: Option<String>,
        /// It was there already, so nothing was created.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        there: bool,
    },
    Failed {
        step: usize,
        id: String,
        reason: String,
    },
    /// A record that came into being along with another one.
    Along {
        id: String,
        new_id: String,
    },
    /// Nothing more will be written under this restore.
    Finished {
        at: DateTime<Utc>,
        interrupted: bool,
    },
}

/// The part of a plan that later restores need without reading all of it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Header {
    pub target_org: String,
}

impl Header {
    pub async fn of(ledger: &RestoreLedger) -> Result<Header> {
        serde_json::from_slice(&ledger.plan().await?).map_err(|source| unreadable(ledger.id(), &source))
    }
}

pub(crate) async fn plan(ledger: &RestoreLedger) -> Result<Plan> {
    Plan::from_json(&ledger.plan().await?)
}

pub(crate) async fn lines(ledger: &RestoreLedger) -> Result<Vec<Line>> {
    let entries = ledger.entries().await?;
    entries
        .into_iter()
        .map(|entry| serde_json::from_value(entry).map_err(|source| unreadable(ledger.id(), &source)))
        .collect()
}

fn unreadable(id: &str, source: &serde_json::Error) -> Error {
    Error::new(crate::Kind::Corrupt, format!("the ledger of restore {id} cannot be read: {source}"))
        .hint("run `orgkeep check NAME`")
}

pub(crate) async fn append(ledger: &RestoreLedger, lines: &[Line]) -> Result<()> {
    let entries: Vec<serde_json::Value> =
        lines.iter().map(|line| serde_json::to_value(line).expect("a line has only text keys")).collect();
    Ok(ledger.append(&entries).await?)
}

/// Where a restore stands.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Per step, Ids with an outcome.
    pub settled: HashMap<usize, HashSet<String>>,
    /// Per step, how many of them were there already.
    pub there: HashMap<usize, u64>,
    pub failed: Vec<(usize, String, String)>,
    /// Intents of which some record has no outcome.
    pub open: Vec<OpenIntent>,
    pub finished: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct OpenIntent {
    pub step: usize,
    pub at: DateTime<Utc>,
    pub job: Option<String>,
    pub ids: Vec<String>,
}

impl Progress {
    pub fn of(lines: Vec<Line>) -> Progress {
        let mut progress = Progress::default();
        let mut intents = Vec::new();
        for line in lines {
            match line {
                Line::Intent { step, at, job, ids } => intents.push(OpenIntent { step, at, job, ids }),
                Line::Done { step, id, there, .. } => {
                    *progress.there.entry(step).or_default() += u64::from(there);
                    progress.settled.entry(step).or_default().insert(id);
                }
                Line::Failed { step, id, reason } => {
                    progress.settled.entry(step).or_default().insert(id.clone());
                    progress.failed.push((step, id, reason));
                }
                Line::Along { .. } => {}
                Line::Finished { .. } => progress.finished = true,
            }
        }
        for mut intent in intents {
            let settled = progress.settled.get(&intent.step);
            intent.ids.retain(|id| settled.is_none_or(|settled| !settled.contains(id)));
            if !intent.ids.is_empty() {
                progress.open.push(intent);
            }
        }
        progress
    }

    pub fn is_settled(&self, step: usize, id: &str) -> bool {
        self.settled.get(&step).is_some_and(|ids| ids.contains(id))
    }
}
