// SPDX-License-Identifier: Apache-2.0
//! Backup, browse, compare, restore: the only place that knows both an org and a vault.
//!
//! No terminal, environment, home or clock of its own: a [`Clock`] tells the time and a [`Monitor`] hears every [`Event`].

mod backup;
mod browse;
mod check;
mod compact;
mod compare;
mod coverage;
mod deletion;
mod describes;
mod detours;
mod erase;
mod error;
mod estimate;
mod event;
mod export;
mod filter;
mod id;
mod lineage;
mod note;
mod point;
mod prove;
mod restore;
mod retain;
mod rich;
mod spec;
mod stamp;
mod tables;

pub use backup::{
    BackupLine, BackupOptions, BackupReport, ObjectLine, Reconcile, TO_SEE_ALL, backup, backups, objects,
};
pub use browse::{FieldChange, Listing, Record, Version, body, history, list, record};
pub use check::check;
pub use compact::compact;
pub use compare::{
    ChangeKind, CompareOptions, Comparison, ObjectComparison, RecordChange, SchemaChange, Side, compare,
};
pub use coverage::{Coverage, CoverageOptions, Dangling, ObjectCoverage, coverage};
pub use deletion::{DeletedBy, Source};
pub use erase::{Certificate, erase, erased_since, erasure};
pub use error::{Error, Kind, Result, nearest};
pub use estimate::{Cost, Estimate, Schedule, estimate};
pub use event::{Action, Clock, Event, Gap, Mode, Monitor, Route, Silent, State};
pub use export::{Format, export};
pub use filter::Filter;
pub use id::normalize as full_id;
pub use prove::{Proof, prove};
pub use restore::{
    Item, Missing, NotWritten, NotWrittenLine, PLAN_FORMAT, Plan, PlanOptions, PlanSummary, Refused, RestoreReport,
    Selection, Step, StepLine, apply, plan,
};
pub use retain::{ExpireOptions, ExpireReport, Held, expire, expiring, hold, unexpire};
pub use rich::Image;
pub use tables::{Table, Tables, tables};
