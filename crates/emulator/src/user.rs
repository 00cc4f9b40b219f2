// SPDX-License-Identifier: Apache-2.0
//! Who calls, and what they may do.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::store::Tx;

mod known;

pub(crate) use known::KnownRights;

/// The user behind a request, with what their profile and permission sets grant.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    pub user_id: String,
    /// Names of user permissions as metadata writes them: `ViewAllData` (`salesforce-api.md` 1.11).
    pub permissions: Arc<BTreeSet<String>>,
    /// `Sforce-Auto-Assign`: whether assignment rules may change the owner.
    pub auto_assign: bool,
    /// `Sforce-Duplicate-Rule-Header: allowSave=true`.
    pub allow_duplicates: bool,
    /// The session's token, where there is one.
    pub session: Option<String>,
    /// The platform itself: every stored field may be given, audit fields too, and nothing is refused for lack of rights.
    pub bypass: bool,
}

impl Caller {
    pub fn can(&self, permission: &str) -> bool {
        self.bypass || self.permissions.contains(permission)
    }

    /// Whether both may do the same, as far as that can be told at once: rights that were read in the same state of the org
    /// are one set in memory ([`crate::sign_in`]).
    pub fn has_same_rights(&self, other: &Caller) -> bool {
        self.bypass == other.bypass && Arc::ptr_eq(&self.permissions, &other.permissions)
    }
}

/// What a permission set grants on objects, as names that [`Caller::permissions`] holds beside user permissions:
/// `Create:Account`, `Edit:Account`, `Delete:Account`.
pub fn object_rights(tx: &Tx<'_>, permission_set_id: &str) -> Vec<String> {
    let Some(rights) = tx.schema.object("ObjectPermissions") else { return Vec::new() };
    let mut names = Vec::new();
    for row in tx.rows_where(rights, "\"ParentId\" = ?1", &[&permission_set_id]) {
        for deed in ["Create", "Edit", "Delete"] {
            if row.get(&format!("Permissions{deed}")).is_true() {
                names.push(format!("{deed}:{}", row.text("SobjectType")));
            }
        }
    }
    names
}
