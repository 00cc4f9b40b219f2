// SPDX-License-Identifier: Apache-2.0
//! Profiles own a permission set each, which says the same (`salesforce-api.md` 1.11); users have a row in UserLogin that
//! says whether they are frozen.

use super::super::draft::Draft;
use super::create;
use crate::error::SaveError;
use crate::id;
use crate::store::Tx;
use crate::user::Caller;
use crate::value::Value;

/// Makes the permission set of a new profile, and carries user permissions from a profile to its set and back.
pub fn mirror(tx: &mut Tx<'_>, caller: &Caller, draft: &Draft) -> Result<(), SaveError> {
    let flags = draft.object.fields.iter().filter(|field| field.name.starts_with("Permissions"));
    let flags: Vec<(&str, &Value)> = flags.map(|field| (field.name.as_str(), draft.get(&field.name))).collect();
    let is_profile = draft.object.name == "Profile";
    if is_profile && draft.is_new() {
        let name = format!("X{}", id::to15(&draft.id));
        let label = draft.text("Name").unwrap_or_default();
        let mut fields = vec![
            ("Name", Value::from(name.as_str())),
            ("Label", Value::from(label)),
            ("ProfileId", Value::Text(draft.id.clone())),
            ("IsOwnedByProfile", Value::Bool(true)),
            ("IsCustom", Value::Bool(true)),
            ("Type", Value::from("Profile")),
        ];
        fields.extend(flags.into_iter().map(|(name, value)| (name, value.clone())));
        return create(tx, caller, "PermissionSet", fields).map(|_| ());
    }
    let changed: Vec<(&str, &Value)> = flags.into_iter().filter(|(name, _)| draft.changed(name)).collect();
    if changed.is_empty() || draft.is_new() {
        return Ok(());
    }
    let (columns, values): (Vec<&str>, Vec<&Value>) = changed.into_iter().unzip();
    let (other, condition, key) = if is_profile {
        ("PermissionSet", "\"ProfileId\" = ?1", draft.id.as_str())
    } else {
        ("Profile", "\"Id\" = ?1", draft.text("ProfileId").unwrap_or_default())
    };
    let Some(other) = tx.schema.object(other).cloned() else { return Ok(()) };
    for twin in tx.ids_where(&other, condition, &[&key]) {
        tx.update_row(&other, &twin, &columns, &values)?;
    }
    Ok(())
}

/// The row that a user is frozen by.
pub fn keep_login(tx: &mut Tx<'_>, caller: &Caller, draft: &Draft) -> Result<(), SaveError> {
    create(tx, caller, "UserLogin", vec![("UserId", Value::Text(draft.id.clone()))]).map(|_| ())
}
