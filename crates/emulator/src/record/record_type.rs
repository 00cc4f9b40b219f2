// SPDX-License-Identifier: Apache-2.0
//! Record types by profile, and picklist values by record type (`salesforce-api.md` 6.6).
//!
//! A new record gets the record type that is the default of its author's profile, and nobody can give one that the profile
//! does not have. A record type narrows picklists: its default value is filled in, and a restricted picklist takes only its
//! values (`INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST`). Without a word about a profile or a picklist, everything is allowed, as
//! for an administrator.

use std::collections::HashMap;

use rusqlite::OptionalExtension as _;

use super::draft::Draft;
use crate::describe::Kept;
use crate::error::SaveError;
use crate::faces::lock;
use crate::org::Org;
use crate::store::Tx;
use crate::user::Caller;
use crate::value::Value;

/// What profiles and record types allow.
#[derive(Clone, Debug, Default)]
pub struct RecordTypeRules {
    /// By profile and object.
    access: HashMap<(String, String), Access>,
    /// By record type and field.
    values: HashMap<(String, String), Values>,
}

/// What a profile says of an object's record types.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// The Ids of those that may be used.
    pub visible: Vec<String>,
    /// What new records get.
    pub default: Option<String>,
}

#[derive(Clone, Debug, Default)]
struct Values {
    allowed: Vec<String>,
    default: Option<String>,
}

impl Org {
    /// Says whether a profile may use a record type, and whether its new records get it. False when there is no such record
    /// type.
    pub fn set_record_type_access(
        &self,
        profile_id: &str,
        object: &str,
        developer_name: &str,
        visible: bool,
        default: bool,
    ) -> bool {
        let Some(id) = self.record_type_id(object, developer_name) else { return false };
        let profile = crate::id::to18(profile_id).unwrap_or_else(|| profile_id.to_owned());
        *lock(&self.faces.described) = Kept::default();
        self.set_up(|set_up| {
            let access = set_up.record_types.access.entry((profile, object.to_owned())).or_default();
            access.visible.retain(|known| *known != id);
            if visible {
                access.visible.push(id.clone());
            }
            if default {
                access.default = Some(id);
            } else if access.default.as_deref() == Some(id.as_str()) {
                access.default = None;
            }
        });
        true
    }

    /// Narrows a picklist for records of a record type. False when there is no such record type.
    pub fn set_record_type_values(
        &self,
        object: &str,
        developer_name: &str,
        field: &str,
        allowed: &[&str],
        default: Option<&str>,
    ) -> bool {
        let Some(id) = self.record_type_id(object, developer_name) else { return false };
        let values = Values {
            allowed: allowed.iter().map(|value| (*value).to_owned()).collect(),
            default: default.map(str::to_owned),
        };
        self.set_up(|set_up| set_up.record_types.values.insert((id, field.to_owned()), values));
        true
    }

    fn record_type_id(&self, object: &str, developer_name: &str) -> Option<String> {
        let schema = self.schema();
        let kinds = &schema.object(object)?.record_types;
        kinds.iter().find(|kind| kind.developer_name == developer_name).map(|kind| kind.id.clone())
    }
}

/// What the caller's profile says of an object's record types.
pub fn access<'a>(tx: &'a Tx<'_>, caller: &Caller, object: &str) -> Option<&'a Access> {
    let rules = &tx.set_up().record_types.access;
    if rules.is_empty() {
        return None;
    }
    let sql = "SELECT \"ProfileId\" FROM \"User\" WHERE \"Id\" = ?1";
    let mut statement = tx.conn.prepare_cached(sql).expect("every object has its table");
    let profile: Option<String> =
        statement.query_row([&caller.user_id], |row| row.get(0)).optional().expect("the store can be read").flatten();
    rules.get(&(profile?, object.to_owned()))
}

/// The record type that new records of this caller get, when the profile names one.
pub fn default_of(tx: &Tx<'_>, caller: &Caller, object: &str) -> Option<String> {
    access(tx, caller, object)?.default.clone()
}

/// Whether the caller may give this record type.
pub fn is_visible(tx: &Tx<'_>, caller: &Caller, object: &str, id: &str) -> bool {
    caller.bypass || access(tx, caller, object).is_none_or(|access| access.visible.iter().any(|known| known == id))
}

/// Fills in the record type's default values, and refuses values that it does not have.
pub fn narrow(tx: &Tx<'_>, caller: &Caller, record_type: Option<usize>, draft: &mut Draft) -> Result<(), SaveError> {
    let rules = &tx.set_up().record_types.values;
    if rules.is_empty() {
        return Ok(());
    }
    let Some(Value::Text(kind)) = record_type.map(|at| draft.values[at].clone()) else { return Ok(()) };
    let object = draft.object.clone();
    for (at, field) in object.fields.iter().enumerate().filter(|(_, field)| !field.picklist.is_empty()) {
        let Some(values) = rules.get(&(kind.clone(), field.name.clone())) else { continue };
        if draft.is_new() && !draft.given[at] {
            draft.values[at] = values.default.clone().map_or(Value::Null, Value::Text);
        }
        let Value::Text(value) = &draft.values[at] else { continue };
        let changed = draft.old.as_ref().is_none_or(|old| old[at] != draft.values[at]);
        let known = |word: &str| values.allowed.iter().any(|allowed| allowed == word);
        if changed && field.restricted_picklist && !caller.bypass && !value.split(';').all(known) {
            let message = format!("{}: bad value for restricted picklist field: {value}", field.label);
            return Err(SaveError::new("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", message, &[&field.name]));
        }
    }
    Ok(())
}
