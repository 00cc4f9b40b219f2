// SPDX-License-Identifier: Apache-2.0
//! Users: what is filled in, what is unique, how many a licence allows.
//!
//! Usernames are kept in lower case. Uniqueness beyond this org is not known here. Guess: the licence refusal's text.

use crate::error::SaveError;
use crate::record::draft::Draft;
use crate::record::unique;
use crate::store::Tx;
use crate::value::Value;

const MOST_ALIAS: usize = 8;

/// A user without a nickname is called by the part of the username before the `@`.
pub fn before(draft: &mut Draft) {
    super::name::join(draft);
    if let Some(username) = draft.text("Username").map(str::to_lowercase) {
        if draft.is_new() && draft.get("CommunityNickname").is_null() {
            let nickname: String = username.split('@').next().unwrap_or_default().chars().take(40).collect();
            draft.set("CommunityNickname", nickname);
        }
        draft.set("Username", username);
    }
    if draft.is_new() {
        draft.set_if_null("UserType", "Standard");
    }
}

pub fn check(tx: &Tx<'_>, draft: &Draft) -> Result<(), SaveError> {
    super::setup::check_user(tx, draft)?;
    if let Some(alias) = draft.text("Alias").filter(|alias| alias.chars().count() > MOST_ALIAS) {
        let message = format!("Alias: data value too large: {alias} (max length={MOST_ALIAS})");
        return Err(SaveError::new("STRING_TOO_LONG", message, &["Alias"]));
    }
    let taken = |field: &str| {
        draft.changed(field)
            && !draft.get(field).is_null()
            && unique::holder(tx, &draft.object, field, draft.get(field), &draft.id).is_some()
    };
    if taken("CommunityNickname") {
        let message =
            "Duplicate Nickname.<br>Another user has already selected this nickname.<br>Please select another.";
        return Err(SaveError::new("DUPLICATE_COMM_NICKNAME", message, &["CommunityNickname"]));
    }
    if taken("FederationIdentifier") {
        let message = "Duplicate Federation Identifier. Another user has this federation identifier.";
        return Err(SaveError::new("DUPLICATE_VALUE", message, &["FederationIdentifier"]));
    }
    let activated = draft.get("IsActive").is_true() && (draft.is_new() || !draft.was("IsActive").is_true());
    if activated { check_licence(tx, draft) } else { Ok(()) }
}

/// An active user takes one of the licences of the profile's kind.
fn check_licence(tx: &Tx<'_>, draft: &Draft) -> Result<(), SaveError> {
    let row = |object: &str, id: &Value| id.as_str().and_then(|id| tx.row(tx.schema.object(object)?, id));
    let licence =
        row("Profile", draft.get("ProfileId")).and_then(|profile| row("UserLicense", profile.get("UserLicenseId")));
    let Some(licence) = licence else { return Ok(()) };
    let Some(total) = licence.get("TotalLicenses").as_int() else { return Ok(()) };
    let used = tx.count(
        "User",
        "\"IsActive\" = 1 AND \"Id\" <> ?1 AND \"ProfileId\" IN (SELECT \"Id\" FROM \"Profile\" WHERE \"UserLicenseId\" = ?2)",
        &[&draft.id, &licence.id()],
    );
    if used < total {
        return Ok(());
    }
    Err(SaveError::new("LICENSE_LIMIT_EXCEEDED", "License Limit Exceeded", &["ProfileId"]))
}
