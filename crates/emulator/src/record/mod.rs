// SPDX-License-Identifier: Apache-2.0
//! The platform's save logic, one place for every API (`salesforce-api.md` 6.2 to 6.8).
//!
//! A save goes: names to fields and the right to write them ([`access`]), values to the field's type (`convert`), parents
//! named by external id (`reference`), defaults, required fields, references, what the platform knows of this object
//! (`rules`), unique values (`unique`), audit fields, formulas ([`formula`]), the row, then what follows from it: rows of
//! other objects, roll-ups of parents (`rollup`), history (`history`). Everything runs in the caller's savepoint; a row
//! that is refused may leave traces that only its rollback removes.
//!
//! What customers configure joins in by [`crate::automation`].
//!
//! Not emulated: Apex, flows.

pub mod access;
mod archive;
mod audit;
mod convert;
mod delete;
mod delete_event;
mod draft;
pub mod formula;
mod hierarchy;
mod history;
mod lead_conversion;
mod merge;
mod number;
mod plan;
pub(crate) mod record_type;
mod recycle_bin;
mod reference;
mod rollup;
mod rules;
mod save;
mod unique;
mod upsert;

pub(crate) use archive::archive_activities;
pub use convert::picklist_order;
pub(crate) use convert::value_of;
pub use delete::{delete, empty_from_recycle_bin, hard_delete, undelete};
pub(crate) use draft::Draft;
pub(crate) use formula::refresh_clock as refresh_clock_formulas;
pub use lead_conversion::{LeadConvert, LeadConverted, convert_lead};
pub use merge::{Merged, merge};
pub use plan::Plan;
pub use record_type::RecordTypeRules;
pub(crate) use recycle_bin::expire as expire_recycle_bin;
pub(crate) use rollup::recompute;
pub(crate) use rules::corporate_currency;
pub use rules::{OwnerChange, delete_article, edit_article, publish_article};
pub(crate) use save::{Again, resave};
pub use save::{insert, update, update_with};
pub use upsert::{find_by_external_id, upsert};

use crate::store::body::Body;
use crate::value::Value;

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
    /// Bytes that need not be in memory.
    Body(Body),
}

impl Input {
    /// A stored value, as a caller would write it.
    pub(crate) fn from_value(value: Value) -> Input {
        match value {
            Value::Null => Input::Null,
            Value::Bool(b) => Input::Bool(b),
            Value::Int(n) => Input::Number(n.to_string()),
            Value::Num(n) => Input::Number(n.to_string()),
            Value::Text(text) => Input::Text(text),
        }
    }
}

/// What to write: names as the caller wrote them, in any case.
pub type Fields = Vec<(String, Input)>;
