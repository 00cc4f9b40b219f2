// SPDX-License-Identifier: Apache-2.0
//! The objects and fields of an org, as describe shows them.
//!
//! The standard objects and those of the demonstration org are checked-in files that `cargo xtask schema` makes; a project
//! may add to them. A schema never changes once made: an org that changes its schema makes a new one, so whoever holds one
//! sees a consistent picture.

pub mod custom;
mod field;
mod flags;
mod load;
mod object;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

pub use field::{Field, FieldType, PicklistValue, Summary, SummaryOperation};
pub use object::{Child, NeedsFilter, Object, RecordTypeInfo};

/// All objects of an org. Names are found in any case.
#[derive(Clone, Debug, Default)]
pub struct Schema {
    objects: BTreeMap<String, Arc<Object>>,
    by_lower: HashMap<String, String>,
    by_prefix: HashMap<String, String>,
}

impl Schema {
    /// The standard schema with the demonstration org's own objects.
    pub fn standard() -> Schema {
        load::standard()
    }

    /// Completes objects into a schema: references to absent objects are dropped, and child relationships are made from
    /// the reference fields where the description lacks them.
    pub fn new(objects: impl IntoIterator<Item = Object>) -> Schema {
        load::complete(objects.into_iter().collect())
    }

    pub fn object(&self, name: &str) -> Option<&Arc<Object>> {
        self.objects.get(name).or_else(|| {
            let canonical = self.by_lower.get(&name.to_ascii_lowercase())?;
            self.objects.get(canonical)
        })
    }

    /// The object that Ids with this prefix belong to.
    pub fn by_prefix(&self, id_or_prefix: &str) -> Option<&Arc<Object>> {
        self.objects.get(self.by_prefix.get(id_or_prefix.get(..3)?)?)
    }

    /// Sorted by name.
    pub fn objects(&self) -> impl Iterator<Item = &Arc<Object>> {
        self.objects.values()
    }

    pub fn len(&self) -> usize {
        self.objects.len()
    }

    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }
}
