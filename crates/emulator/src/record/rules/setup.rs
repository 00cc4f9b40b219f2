// SPDX-License-Identifier: Apache-2.0
//! Users, custom settings and status codes.

use rusqlite::OptionalExtension as _;

use crate::error::SaveError;
use crate::record::draft::Draft;
use crate::record::unique;
use crate::store::Tx;
use crate::value::Value;

/// A hierarchy setting without an owner is the organisation's.
pub fn setting_owner(tx: &Tx<'_>, draft: &mut Draft) {
    let organisation = tx
        .conn
        .prepare_cached("SELECT \"Id\" FROM \"Organization\" LIMIT 1")
        .and_then(|mut statement| statement.query_row([], |row| row.get::<_, String>(0)).optional());
    if let Ok(Some(id)) = organisation {
        draft.set_if_null("SetupOwnerId", id);
    }
}

/// A hierarchy setting belongs to the organisation, a profile or a user.
pub fn check_setting_owner(tx: &Tx<'_>, draft: &Draft) -> Result<(), SaveError> {
    let owner = draft.text("SetupOwnerId").and_then(|id| tx.schema.by_prefix(id));
    if owner.is_none_or(|owner| matches!(owner.name.as_str(), "Organization" | "Profile" | "User")) {
        return Ok(());
    }
    Err(SaveError::new("INVALID_SETUP_OWNER", "invalid setup owner", &["SetupOwnerId"]))
}

/// A group is an ordinary one unless it is said, and named for code by its name.
pub fn group(draft: &mut Draft) {
    draft.set_if_null("Type", "Regular");
    if let Some(name) = draft.text("Name").filter(|_| draft.is_new() && draft.get("DeveloperName").is_null()) {
        let word = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
        let developer_name: String = name.chars().map(word).take(80).collect();
        draft.set("DeveloperName", developer_name);
    }
}

/// Contracts and orders show what their status means.
pub fn status_code(tx: &Tx<'_>, draft: &mut Draft) {
    let statuses = tx.schema.object(&format!("{}Status", draft.object.name));
    let row = statuses.and_then(|statuses| {
        tx.rows_where(statuses, "\"MasterLabel\" = ?1", &[draft.get("Status")]).into_iter().next()
    });
    draft.set("StatusCode", row.map_or_else(|| Value::from("Draft"), |row| row.get("StatusCode").clone()));
}

/// Usernames are unique among all users, inactive ones too, and have the form of an e-mail address.
pub fn check_user(tx: &Tx<'_>, draft: &Draft) -> Result<(), SaveError> {
    let Value::Text(username) = draft.get("Username") else { return Ok(()) };
    if !draft.changed("Username") {
        return Ok(());
    }
    if !username.contains('@') {
        let message = "Username must be in the form of an email address (for example, john@acme.com).";
        return Err(SaveError::new("INVALID_EMAIL_ADDRESS", message, &["Username"]));
    }
    if unique::holder(tx, &draft.object, "Username", draft.get("Username"), &draft.id).is_some() {
        let message = "Duplicate Username.<br>The username already exists in this or another Salesforce organization. Usernames must be \
                       unique across all Salesforce organizations. To resolve, use a different username (it doesn't need to match the \
                       user's email address).";
        return Err(SaveError::new("DUPLICATE_USERNAME", message, &["Username"]));
    }
    Ok(())
}
