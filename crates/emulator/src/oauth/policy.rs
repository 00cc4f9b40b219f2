// SPDX-License-Identifier: Apache-2.0
//! Who may use an app, and who need not be asked (`salesforce-api.md` 1.4, 1.9).
//!
//! "Admin approved users are pre-authorized" is asked of the org each time: whoever loses the permission set loses the
//! app. A permission set also admits to an external client app by `SetupEntityAccess`.

use std::collections::BTreeSet;

use crate::oauth::app::{App, Permitted};
use crate::oauth::refusal::Refusal;
use crate::org::{Org, Tx};
use crate::session::Scopes;

/// Whether a user may use the app at all.
pub fn admits(org: &Org, app: &App, user_id: &str) -> bool {
    match &app.permitted {
        Permitted::SelfAuthorize => true,
        Permitted::AdminApproved(users) => {
            users.contains(user_id) || org.read(|tx| admitted_by_set_or_profile(tx, app, user_id))
        }
    }
}

/// Whether a user need not be asked for these scopes: an admin approved him, or he did so himself before.
pub fn is_approved(org: &Org, app: &App, user_id: &str, scopes: &Scopes) -> bool {
    match &app.permitted {
        Permitted::SelfAuthorize => app.approved.get(user_id).is_some_and(|approved| scopes.is_subset(approved)),
        Permitted::AdminApproved(_) => admits(org, app, user_id),
    }
}

/// Why a user who has just logged in cannot go on to consent: the error that goes back in the redirect.
pub fn refused_to_person(org: &Org, app: &App, user_id: &str) -> Option<Refusal> {
    if app.blocked {
        return Some(Refusal::new("OAUTH_APP_BLOCKED", "this app is blocked by admin"));
    }
    if !app.installed && app.external_client_app.is_some() {
        return Some(Refusal::new("OAUTH_EC_APP_NOT_FOUND", NOT_INSTALLED));
    }
    if !app.installed && !app.approved.contains_key(user_id) && !org.caller(user_id).can("CanApproveUninstalledApps") {
        let text = "An unexpected error has occurred during authentication. Please try again.";
        return Some(Refusal::new("OAUTH_APPROVAL_ERROR_GENERIC", text));
    }
    if !admits(org, app, user_id) {
        let text = "user is not admin approved to access this app";
        return Some(Refusal::new("OAUTH_APP_ACCESS_DENIED", text));
    }
    None
}

/// What an external client app says in an org that has none of it.
pub const NOT_INSTALLED: &str = "External client app is not installed in this org";

/// Why a token request for a user is refused, whatever buys the token. A connected app that is not installed goes on
/// for those who had approved it (`salesforce-api.md` 1.9).
///
/// # Errors
/// The refusal.
pub fn check(org: &Org, app: &App, user_id: &str) -> Result<(), Refusal> {
    if app.blocked {
        return Err(Refusal::new("invalid_client", "this app is blocked by admin"));
    }
    if !app.installed && app.external_client_app.is_some() {
        return Err(Refusal::new("invalid_client", NOT_INSTALLED));
    }
    if !app.installed && !app.approved.contains_key(user_id) {
        return Err(Refusal::not_installed());
    }
    if admits(org, app, user_id) { Ok(()) } else { Err(Refusal::not_admitted()) }
}

fn admitted_by_set_or_profile(tx: &Tx<'_>, app: &App, user_id: &str) -> bool {
    let (Some(users), Some(sets)) = (tx.schema.object("User"), tx.schema.object("PermissionSet")) else { return false };
    let Some(user) = tx.row(users, user_id) else { return false };
    let profile_id = user.text("ProfileId").to_owned();
    let profile = tx.schema.object("Profile").and_then(|object| tx.row(object, &profile_id));
    if profile.is_some_and(|profile| app.profiles.contains(profile.text("Name"))) {
        return true;
    }
    let opened = sets_with_access(tx, app);
    let assigned = "\"ProfileId\" = ?1 OR \"Id\" IN (SELECT \"PermissionSetId\" FROM \"PermissionSetAssignment\" \
                    WHERE \"AssigneeId\" = ?2)";
    tx.rows_where(sets, assigned, &[&profile_id, &user_id])
        .iter()
        .any(|set| app.permission_sets.contains(set.text("Name")) || opened.contains(set.id()))
}

/// Permission sets that have the app among their external client apps.
fn sets_with_access(tx: &Tx<'_>, app: &App) -> BTreeSet<String> {
    let access = tx.schema.object("SetupEntityAccess").filter(|object| object.has("SetupEntityId"));
    let (Some(access), Some(app_id)) = (access, &app.external_client_app) else { return BTreeSet::new() };
    let rows = tx.rows_where(access, "\"SetupEntityId\" = ?1", &[app_id]);
    rows.iter().map(|row| row.text("ParentId").to_owned()).collect()
}
