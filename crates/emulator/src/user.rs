// SPDX-License-Identifier: Apache-2.0
//! Who calls, and what they may do.

use std::collections::BTreeSet;
use std::sync::Arc;

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
}
