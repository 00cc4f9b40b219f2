// SPDX-License-Identifier: Apache-2.0
//! The platform's save logic, one place for every API (`salesforce-api.md` 6.2 to 6.8).
//!
//! A save goes: names to fields and the right to write them ([`access`]), values to the field's type (`convert`), parents
//! named by external id (`reference`), defaults, required fields, references, what the platform knows of this object
//! (`rules`), unique values (`unique`), audit fields, formulas ([`formula`]), the row, then what follows from it: rows of
//! other objects, roll-ups of parents (`rollup`), history (`history`). Everything runs in the caller's savepoint; a row
//! that is refused may leave traces that only its rollback removes.
//!
//! Not emulated: triggers, flows, validation rules, assignment rules, sharing beyond "all or own objects", duplicate rules.

pub mod access;
mod audit;
mod convert;
mod delete;
mod draft;
pub mod formula;
mod hierarchy;
mod history;
mod number;
mod plan;
mod reference;
mod rollup;
mod rules;
mod save;
mod unique;
mod upsert;

pub use convert::picklist_order;
pub use delete::{delete, empty_from_recycle_bin, hard_delete, undelete};
pub use plan::Plan;
pub use save::{insert, update};
pub use upsert::{find_by_external_id, upsert};

/// A value as a caller wrote it.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    Null,
    Bool(bool),
    /// The digits as written, so that none are lost.
    Number(String),
    Text(String),
    /// A parent named by an external id: `{"Merchandise__r": {"ExtId__c": 123}}`, or a CSV column `Merchandise__r.ExtId__c`.
    Parent(Vec<(String, Input)>),
    Bytes(Vec<u8>),
}

/// What to write: names as the caller wrote them, in any case.
pub type Fields = Vec<(String, Input)>;
