// SPDX-License-Identifier: Apache-2.0
//! `UserPermissionAccess`: what the asking user may do, one row with a boolean for each permission, worked out when it is asked from
//! the profile and the permission sets of the user (Object Reference, "UserPermissionAccess", since API 41.0: "API users without
//! PermissionsViewSetup can use this object to check if their own sessions have access to a feature").
//!
//! The row stands in the object's table while a statement runs. Guesses: its Id, and `LastCacheUpdate`, which is null.

use crate::id;
use crate::store::Tx;
use crate::user::Caller;
use crate::value::Value;

use super::plan::Plan;

const OBJECT: &str = "UserPermissionAccess";

/// Whose permissions.
#[derive(Clone, Debug)]
pub struct PermissionAccess {
    asking: Caller,
}

/// `None` for a statement about another object.
pub fn of(plan: &Plan, asking: &Caller) -> Option<PermissionAccess> {
    (plan.object.name == OBJECT).then(|| PermissionAccess { asking: asking.clone() })
}

impl PermissionAccess {
    /// Puts the row in its place.
    pub fn fill(&self, tx: &Tx<'_>) -> rusqlite::Result<()> {
        clear(tx)?;
        let Some(object) = tx.schema.object(OBJECT).cloned() else { return Ok(()) };
        let value = |name: &str| match (name, name.strip_prefix("Permissions")) {
            ("Id", _) => Value::Text(id::make("000", 1)),
            (_, Some(permission)) => Value::Bool(self.asking.can(permission)),
            _ => Value::Null,
        };
        let values: Vec<Value> = object.fields.iter().map(|field| value(&field.name)).collect();
        tx.insert_row(&object, &values)
    }
}

/// Takes the row away.
pub fn clear(tx: &Tx<'_>) -> rusqlite::Result<()> {
    tx.note("DELETE FROM \"UserPermissionAccess\"", &[]).map(drop)
}
