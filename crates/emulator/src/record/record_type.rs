// SPDX-License-Identifier: Apache-2.0
//! Record types by profile, and picklist values by record type (`salesforce-api.md` 6.6).
//!
//! A new record gets the record type that is the default of its author's profile, and nobody can give one that the profile
//! does not have. A record type narrows picklists: its default value is filled in, and a restricted picklist takes only its
//! values (`INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST`). Without a word about a profile or a picklist, everything is allowed, as
//! for an administrator.
//!
//! Both come from the deployed record types and profiles, unless a test has said something else of the same profile and object, or
//! of the same record type and field.

use std::collections::HashMap;

use rusqlite::OptionalExtension as _;

use super::draft::Draft;
use crate::automation;
use crate::describe::Kept;
use crate::error::SaveError;
use crate::faces::lock;
use crate::metadata::{self, profile_row_name};
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

impl RecordTypeRules {
    /// What the deployed components say.
    pub(crate) fn deployed(tx: &Tx<'_>) -> RecordTypeRules {
        let mut rules = RecordTypeRules::default();
        let id_of = |full_name: &str| {
            let (object, name) = full_name.split_once('.')?;
            let object = tx.schema.object(object)?;
            let kind = object.record_types.iter().find(|kind| kind.developer_name.eq_ignore_ascii_case(name))?;
            Some((object.clone(), kind.id.clone()))
        };
        for (component, node) in metadata::components_of(tx, "RecordType") {
            let Some((object, id)) = id_of(&component.full_name) else { continue };
            for picklist in node.all("picklistValues") {
                let Some(field) = object.field(picklist.text_of("picklist")) else { continue };
                let name = |value: &metadata::Node| {
                    percent_encoding::percent_decode_str(value.text_of("fullName")).decode_utf8_lossy().into_owned()
                };
                let values = Values {
                    allowed: picklist.all("values").map(name).collect(),
                    default: picklist.all("values").find(|value| value.is_true("default")).map(name),
                };
                rules.values.insert((id.clone(), field.name.clone()), values);
            }
        }
        for (component, node) in metadata::components_of(tx, "Profile") {
            let Some(profiles) = tx.schema.object("Profile") else { continue };
            let found = tx.ids_where(profiles, "\"Name\" = ?1", &[&profile_row_name(&component.full_name)]);
            let Some(profile) = found.into_iter().next() else { continue };
            for entry in node.all("recordTypeVisibilities") {
                let Some((object, id)) = id_of(entry.text_of("recordType")) else { continue };
                let access = rules.access.entry((profile.clone(), object.name.clone())).or_default();
                if entry.is_true("visible") {
                    access.visible.push(id.clone());
                }
                if entry.is_true("default") {
                    access.default = Some(id);
                }
            }
        }
        rules
    }
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
pub fn access(tx: &Tx<'_>, caller: &Caller, object: &str) -> Option<Access> {
    let set = &tx.set_up().record_types.access;
    let deployed = automation::deployed(tx);
    let deployed = deployed.as_ref().map(|automation| &automation.record_types.access);
    if set.is_empty() && deployed.is_none_or(HashMap::is_empty) {
        return None;
    }
    let sql = "SELECT \"ProfileId\" FROM \"User\" WHERE \"Id\" = ?1";
    let mut statement = tx.conn.prepare_cached(sql).expect("every object has its table");
    let profile: Option<String> =
        statement.query_row([&caller.user_id], |row| row.get(0)).optional().expect("the store can be read").flatten();
    let key = (profile?, object.to_owned());
    set.get(&key).or_else(|| deployed?.get(&key)).cloned()
}

/// The record type that new records of this caller get, when the profile names one.
pub fn default_of(tx: &Tx<'_>, caller: &Caller, object: &str) -> Option<String> {
    access(tx, caller, object)?.default
}

/// Whether the caller may give this record type.
pub fn is_visible(tx: &Tx<'_>, caller: &Caller, object: &str, id: &str) -> bool {
    caller.bypass || access(tx, caller, object).is_none_or(|access| access.visible.iter().any(|known| known == id))
}

/// Fills in the record type's default values, and refuses values that it does not have.
pub fn narrow(tx: &Tx<'_>, caller: &Caller, record_type: Option<usize>, draft: &mut Draft) -> Result<(), SaveError> {
    let set = &tx.set_up().record_types.values;
    let deployed = automation::deployed(tx);
    let deployed = deployed.as_ref().map(|automation| &automation.record_types.values);
    if set.is_empty() && deployed.is_none_or(HashMap::is_empty) {
        return Ok(());
    }
    let Some(Value::Text(kind)) = record_type.map(|at| draft.values[at].clone()) else { return Ok(()) };
    let object = draft.object.clone();
    for (at, field) in object.fields.iter().enumerate().filter(|(_, field)| !field.picklist.is_empty()) {
        let key = (kind.clone(), field.name.clone());
        let Some(values) = set.get(&key).or_else(|| deployed?.get(&key)) else { continue };
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
