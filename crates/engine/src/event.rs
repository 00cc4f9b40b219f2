// SPDX-License-Identifier: Apache-2.0
//! Everything the engine says while it works. Terminal, JSON lines and tests are renderers of it.

use serde::{Deserialize, Serialize};

/// Receives events. One method, so that a renderer is one `match`.
pub trait Monitor: Send + Sync {
    fn event(&self, event: &Event);
}

/// Says nothing.
pub struct Silent;

impl Monitor for Silent {
    fn event(&self, _: &Event) {}
}

/// The time, as the caller knows it. Libraries have no clock of their own, so that a test can move it.
pub trait Clock: Send + Sync {
    fn now(&self) -> chrono::DateTime<chrono::Utc>;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Every row of every object is read and held against what the vault has.
    Full,
    /// Rows whose SystemModstamp moved are read; the rest is known.
    Incremental,
}

/// How the rows of an object are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Route {
    /// Bulk API 2.0 query jobs.
    Bulk,
    /// REST query pages.
    Rest,
    /// REST queries, five in one call.
    Composite,
    /// REST queries by the Ids of parent records, for objects that refuse an unfiltered query.
    Parents,
    /// Not read; the reason stands beside it.
    None,
}

/// Something that is not in a backup, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    pub what: String,
    pub reason: String,
}

/// Green: complete, and the counts match. Yellow: complete but for gaps that are named. Red: counts that do not match
/// without an explanation, or an object that could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Green,
    Yellow,
    Red,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Out of the recycle bin: keeps the Id.
    Undelete,
    /// A new record with a new Id.
    Create,
    /// A new file version or attachment with its body.
    Upload,
    /// Fields of a record that exists.
    Update,
    /// Lookups of a record created in this restore whose target was created after it.
    Relink,
}

#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    BackupStarted {
        org: String,
        sequence: u64,
        mode: Mode,
        continued: bool,
        objects: usize,
    },
    ObjectStarted {
        object: String,
        route: Route,
        rows_expected: Option<u64>,
    },
    ObjectProgress {
        object: String,
        rows: u64,
        bytes: u64,
    },
    ObjectFinished {
        object: String,
        route: Route,
        rows_read: u64,
        added: u64,
        changed: u64,
        deleted: u64,
        rows_held: u64,
        rows_in_org: Option<u64>,
        gaps: Vec<Gap>,
    },
    FileProgress {
        files: u64,
        bytes: u64,
    },
    Allowance {
        calls: u64,
        org_used: Option<u64>,
        org_max: Option<u64>,
    },
    Notice {
        message: String,
        hint: Option<String>,
    },
    BackupFinished {
        sequence: u64,
        state: State,
        objects: usize,
        rows: u64,
        added: u64,
        changed: u64,
        deleted: u64,
        files: u64,
        bytes: u64,
        calls: u64,
    },
    CompareProgress {
        object: String,
        rows: u64,
    },
    PlanProgress {
        object: String,
        records: u64,
    },
    RestoreStarted {
        restore: String,
        steps: usize,
        records: u64,
        continued: bool,
    },
    StepStarted {
        step: usize,
        steps: usize,
        action: Action,
        object: String,
        records: u64,
    },
    StepProgress {
        step: usize,
        records: u64,
    },
    StepFinished {
        step: usize,
        done: u64,
        failed: u64,
    },
    RestoreFinished {
        restore: String,
        undeleted: u64,
        created: u64,
        updated: u64,
        failed: u64,
    },
    CheckProgress {
        files: u64,
        bytes: u64,
        damaged: u64,
    },
    CopyProgress {
        files: u64,
        bytes: u64,
    },
}
