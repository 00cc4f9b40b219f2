// SPDX-License-Identifier: Apache-2.0
//! Users and custom settings.

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
