// SPDX-License-Identifier: Apache-2.0
//! References: parents named by external id, and whether what an Id names is there, alive and of the right object
//! (`salesforce-api.md` 2.7, 6.1, 6.6).

use rusqlite::OptionalExtension as _;

use super::Input;
use super::draft::Draft;
use super::plan::{self, Plan};
use super::record_type;
use super::upsert::find_by_external_id;
use crate::error::SaveError;
use crate::id;
use crate::schema::{Field, Object};
use crate::sharing::{self, Level};
use crate::store::Tx;
use crate::user::Caller;
use crate::value::Value;

/// The Id of the parent that these external ids name. Null when the external id is null.
pub fn parent(tx: &Tx<'_>, field: &Field, names: Vec<(String, Input)>) -> Result<Value, SaveError> {
    let mut wanted_type = None;
    let mut key = None;
    for (name, input) in names {
        match (name.as_str(), input) {
            ("attributes", Input::Parent(attributes)) => {
                wanted_type = attributes.into_iter().find_map(|(name, value)| match value {
                    Input::Text(text) if name == "type" => Some(text),
                    _ => None,
                });
            }
            ("type", Input::Text(text)) => wanted_type = Some(text),
            (_, input) => key = Some((name, input)),
        }
    }
    let Some((key, input)) = key else { return Ok(Value::Null) };
    if input == Input::Null {
        return Ok(Value::Null);
    }
    let candidates = field
        .reference_to
        .iter()
        .filter(|target| wanted_type.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(target)));
    let object = candidates.filter_map(|target| tx.schema.object(target)).find(|object| object.has(&key)).cloned();
    let Some(object) = object else {
        let target = wanted_type.or_else(|| field.reference_to.first().cloned()).unwrap_or_default();
        return Err(SaveError::no_such_column(&key, &target));
    };
    let key_field = object.field(&key).map_or(key.as_str(), |field| &field.name).to_owned();
    if key_field == "Id" {
        let Input::Text(text) = input else { return Err(SaveError::malformed_id("", &field.name)) };
        return id::to18(&text).map(Value::Text).ok_or_else(|| SaveError::malformed_id(&text, &field.name));
    }
    let shown = match &input {
        Input::Text(text) | Input::Number(text) => text.clone(),
        _ => String::new(),
    };
    match find_by_external_id(tx, &object, &key_field, &input)?.as_slice() {
        [one] => Ok(Value::Text(one.clone())),
        [] => {
            let message =
                format!("Foreign key external ID: {shown} not found for field {key_field} in entity {}", object.name);
            Err(SaveError::new("INVALID_FIELD", message, &[]))
        }
        _ => {
            let message = format!("{key_field}: more than one record found for external id field: [{shown}]");
            Err(SaveError::new("DUPLICATE_EXTERNAL_ID", message, &[&key_field]))
        }
    }
}

/// Checks every reference that the draft changes.
pub fn check(tx: &Tx<'_>, caller: &Caller, plan: &Plan, draft: &mut Draft) -> Result<(), SaveError> {
    let object = draft.object.clone();
    for &at in &plan.references {
        let field = &object.fields[at];
        let unchanged = draft.old.as_ref().is_some_and(|old| old[at] == draft.values[at]);
        let Value::Text(id) = &draft.values[at] else { continue };
        if unchanged {
            continue;
        }
        if Some(at) == plan.record_type {
            if plan::is_master_record_type(id) {
                draft.values[at] = Value::Null;
            } else if !object.record_type(id).is_some_and(|kind| kind.active)
                || !record_type::is_visible(tx, caller, &object.name, id)
            {
                let message = format!("Record Type ID: this ID value isn't valid for the user: {id}");
                return Err(SaveError::new("INVALID_CROSS_REFERENCE_KEY", message, &["RecordTypeId"]));
            }
            continue;
        }
        if !draft.given[at] || caller.bypass {
            continue;
        }
        let target = target(tx, field, id)?;
        let Some(target) = target else { continue };
        match is_deleted(tx, &target, id) {
            None => return Err(SaveError::invalid_cross_reference(&[&field.name])),
            Some(true) => {
                return Err(SaveError { fields: vec![field.name.clone()], ..SaveError::entity_is_deleted() });
            }
            Some(false) => {}
        }
        check_shared(tx, caller, field, &target, id)?;
        if Some(at) == plan.owner {
            owner(tx, caller, &object, &target, id)?;
        }
    }
    Ok(())
}

/// A row may point only at what its author reads, and belong only to what its author edits (or reads, where the
/// relationship is content with that).
fn check_shared(tx: &Tx<'_>, caller: &Caller, field: &Field, target: &Object, id: &str) -> Result<(), SaveError> {
    let level = if field.cascade_delete && field.custom && !field.write_requires_master_read {
        Level::Edit
    } else {
        Level::Read
    };
    if sharing::allows(tx, caller, target, id, level) {
        return Ok(());
    }
    let message = format!("insufficient access rights on cross-reference id: {}", id::to15(id));
    Err(SaveError::new("INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", message, &[]))
}

/// The object that the Id belongs to, when the field may point to it. `None` when the field's targets are not emulated.
fn target(tx: &Tx<'_>, field: &Field, id: &str) -> Result<Option<std::sync::Arc<Object>>, SaveError> {
    if field.reference_to.is_empty() {
        return Ok(None);
    }
    let object = tx.schema.by_prefix(id);
    match object {
        Some(object) if field.reference_to.contains(&object.name) => Ok(Some(object.clone())),
        _ => Err(SaveError::wrong_object_id(&field.label, id, &field.name)),
    }
}

/// Whether the row is deleted; `None` when it never was, or is gone.
pub fn is_deleted(tx: &Tx<'_>, object: &Object, id: &str) -> Option<bool> {
    let mut statement = tx.conn.prepare_cached(object.is_deleted_sql()).expect("every object has its table");
    let found =
        statement.query_row([id], |row| row.get::<_, Option<bool>>(0)).optional().expect("the store can be read");
    found.map(|deleted| deleted.unwrap_or(false))
}

/// An owner must be active, unless the caller may use inactive ones; a queue must admit the object.
fn owner(tx: &Tx<'_>, caller: &Caller, object: &Object, target: &Object, id: &str) -> Result<(), SaveError> {
    match target.name.as_str() {
        "User" if !caller.can("UpdateWithInactiveOwner") && object.name != "User" => {
            let active = tx.row(target, id).is_some_and(|user| user.get("IsActive").is_true());
            if active {
                return Ok(());
            }
            let kind = object.label.to_lowercase();
            let message = format!("operation performed with inactive user [{}] as owner of {kind}", id::to15(id));
            Err(SaveError::new("INACTIVE_OWNER_OR_USER", message, &["OwnerId"]))
        }
        "Group" => {
            let admits =
                tx.count("QueueSobject", "\"QueueId\" = ?1 AND \"SobjectType\" = ?2", &[&id, &object.name]) > 0;
            if admits {
                return Ok(());
            }
            let message = "Queue not associated with this SObject type";
            Err(SaveError::new("INVALID_OPERATION", message, &["OwnerId"]))
        }
        _ => Ok(()),
    }
}
