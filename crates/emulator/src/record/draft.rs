// SPDX-License-Identifier: Apache-2.0
//! A row on its way into the store.

use std::sync::Arc;

use super::rules::OwnerChange;
use crate::schema::Object;
use crate::store::body::Body;
use crate::value::Value;

/// The values a row will have, which of them the caller gave, and what it was before.
pub struct Draft {
    pub object: Arc<Object>,
    /// 18 characters; on insert allocated before the rules run.
    pub id: String,
    pub values: Vec<Value>,
    pub given: Vec<bool>,
    /// Bytes of base64 fields, by position.
    pub blobs: Vec<(usize, Body)>,
    /// None on insert.
    pub old: Option<Vec<Value>>,
    /// What goes along when the owner changes.
    pub owner_change: OwnerChange,
}

impl Draft {
    /// A row as it stands, of which nothing is changed and nothing is known of before.
    pub fn standing(object: Arc<Object>, id: String, values: Vec<Value>) -> Draft {
        let given = vec![false; values.len()];
        Draft { object, id, values, given, blobs: Vec::new(), old: None, owner_change: OwnerChange::default() }
    }

    pub fn is_new(&self) -> bool {
        self.old.is_none()
    }

    /// The value of a field; null where the object has no such field.
    pub fn get(&self, field: &str) -> &Value {
        self.object.position(field).map_or(&Value::Null, |at| &self.values[at])
    }

    pub fn text(&self, field: &str) -> Option<&str> {
        self.get(field).as_str()
    }

    pub fn was(&self, field: &str) -> &Value {
        match (&self.old, self.object.position(field)) {
            (Some(old), Some(at)) => &old[at],
            _ => &Value::Null,
        }
    }

    /// Sets a field, where the object has it.
    pub fn set(&mut self, field: &str, value: impl Into<Value>) {
        if let Some(at) = self.object.position(field) {
            self.values[at] = value.into();
        }
    }

    pub fn set_if_null(&mut self, field: &str, value: impl Into<Value>) {
        if let Some(at) = self.object.position(field)
            && self.values[at].is_null()
        {
            self.values[at] = value.into();
        }
    }

    /// Whether the caller gave this field, null included.
    pub fn given(&self, field: &str) -> bool {
        self.object.position(field).is_some_and(|at| self.given[at])
    }

    /// Whether the value differs from what it was. True for every value of a new row.
    pub fn changed(&self, field: &str) -> bool {
        self.is_new() || self.get(field) != self.was(field)
    }

    /// Positions whose value differs from what it was.
    pub fn changes(&self) -> Vec<usize> {
        match &self.old {
            Some(old) => (0..self.values.len()).filter(|&at| self.values[at] != old[at]).collect(),
            None => (0..self.values.len()).collect(),
        }
    }
}
