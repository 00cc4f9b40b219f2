// SPDX-License-Identifier: Apache-2.0
//! Which of the permissions that a backup needs the signed-in user has.
//!
//! Asked of the org: the user's profile and every permission set that is assigned (`salesforce-api.md` 1.11). *Query All
//! Files* is also tried, because what counts is what the org lets happen: only its holders may query links to files without
//! a filter (`salesforce-api.md` 6.8). Where profile and sets cannot be read, *View All Data* stays unknown. *API
//! Enabled* needs no question: without it nothing here is answered.

use futures::TryStreamExt;
use orgkeep_salesforce::{Org, Scope};
use serde::Serialize;
use std::fmt;

/// `None`: the org does not let this user find out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Permissions {
    api_enabled: bool,
    view_all_data: Option<bool>,
    query_all_files: Option<bool>,
}

impl Permissions {
    pub async fn of(org: &Org) -> Permissions {
        let assigned = assigned(org).await.ok();
        let view_all_data = assigned.map(|held| held.0);
        let query_all_files = match (assigned.map(|held| held.1), may_query_all_links(org).await) {
            (_, Some(tried)) => Some(tried),
            (assigned, None) => assigned,
        };
        Permissions { api_enabled: true, view_all_data, query_all_files }
    }

    /// The missing ones by their label, each with what to do.
    pub fn missing(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let view = (
            "View All Data",
            "in Setup > Permission Sets, switch it on under System Permissions of a set that this user has; without it only records shared with the user are backed up",
        );
        let files = (
            "Query All Files",
            "in Setup > Permission Sets, switch it on under System Permissions of a set that this user has (it needs View All Data); without it files in private libraries are not backed up",
        );
        [(self.view_all_data, view), (self.query_all_files, files)]
            .into_iter()
            .filter(|(held, _)| *held == Some(false))
            .map(|(_, permission)| permission)
    }
}

impl fmt::Display for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |held: Option<bool>| match held {
            Some(true) => "yes",
            Some(false) => "NO",
            None => "unknown",
        };
        write!(
            f,
            "API Enabled {}, View All Data {}, Query All Files {}",
            word(Some(self.api_enabled)),
            word(self.view_all_data),
            word(self.query_all_files)
        )
    }
}

/// View All Data and Query All Files, over the profile and all permission sets of the user.
async fn assigned(org: &Org) -> orgkeep_salesforce::Result<(bool, bool)> {
    // The Id is the org's own, so it needs no quoting.
    let user = &org.identity().user_id;
    let by_set = format!("SELECT PermissionSetId FROM PermissionSetAssignment WHERE AssigneeId = '{user}'");
    let by_profile = format!("SELECT ProfileId FROM User WHERE Id = '{user}'");
    let sets = granted(org, "PermissionSet", &by_set).await?;
    let profile = granted(org, "Profile", &by_profile).await?;
    Ok((sets.0 || profile.0, sets.1 || profile.1))
}

async fn granted(org: &Org, object: &str, ids: &str) -> orgkeep_salesforce::Result<(bool, bool)> {
    let columns = ["PermissionsViewAllData", "PermissionsQueryAllFiles"].map(str::to_owned);
    let soql = format!("SELECT {} FROM {object} WHERE Id IN ({ids})", columns.join(", "));
    let mut pages = org.query(&soql, &columns, Scope::Live);
    let mut held = (false, false);
    while let Some(rows) = pages.try_next().await? {
        for row in 0..rows.len() {
            held.0 |= rows.cell(row, 0) == Some("true");
            held.1 |= rows.cell(row, 1) == Some("true");
        }
    }
    Ok(held)
}

/// Only holders of *Query All Files* may query ContentDocumentLink without a filter; any refusal counts as not held.
async fn may_query_all_links(org: &Org) -> Option<bool> {
    match org.count("ContentDocumentLink", None, Scope::Live).await {
        Ok(_) => Some(true),
        Err(error) => match error.kind {
            orgkeep_salesforce::Kind::Invalid | orgkeep_salesforce::Kind::Denied => Some(false),
            _ => None,
        },
    }
}
