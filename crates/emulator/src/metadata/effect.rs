// SPDX-License-Identifier: Apache-2.0
//! Components that become rows: records of custom metadata types, permission sets, profiles, statuses of standard value sets.

mod custom_metadata;
mod list_view;
mod permission;
mod setup_row;
mod status;

use super::Problem;
use super::deploy::Draft;
use super::xml::Node;
use crate::org::Tx;

pub use permission::{merge_profile, profile_name, profile_row_name};

/// Writes what follows from a draft. Answers the Id of the row that stands for it, where there is one.
///
/// # Errors
/// Salesforce's text on what does not fit.
pub fn save(tx: &mut Tx<'_>, draft: &Draft) -> Result<Option<String>, Problem> {
    let Some(node) = &draft.node else { return Ok(None) };
    match draft.kind.as_str() {
        "CustomMetadata" => custom_metadata::save(tx, &draft.full_name, node).map(Some),
        "ListView" => Ok(list_view::save(tx, &draft.full_name, node)),
        "PermissionSet" => permission::save_set(tx, &draft.full_name, node).map(Some),
        "Profile" => permission::save_profile(tx, &draft.full_name, node).map(Some),
        "RecordType" => Ok(record_type(tx, &draft.full_name, node)),
        "ApexClass" | "ApexComponent" | "ApexPage" | "ApexTrigger" | "DuplicateRule" => {
            Ok(setup_row::save(tx, &draft.kind, &draft.full_name, node, &draft.files))
        }
        "StandardValueSet" => status::save(tx, &draft.full_name, node).map(|()| None),
        _ => Ok(None),
    }
}

/// Fills references between records of custom metadata types, when all are there.
///
/// # Errors
/// What a reference names is not there.
pub fn relate(tx: &Tx<'_>, draft: &Draft) -> Result<(), Problem> {
    draft.node.as_ref().map_or(Ok(()), |node| custom_metadata::relate(tx, &draft.full_name, node))
}

/// Removes the rows of a component. False when it had none.
pub fn remove(tx: &mut Tx<'_>, kind: &str, full_name: &str) -> bool {
    match kind {
        "CustomMetadata" => custom_metadata::remove(tx, full_name),
        "ListView" => list_view::remove(tx, full_name),
        "PermissionSet" => permission::remove_set(tx, full_name),
        "ApexClass" | "ApexComponent" | "ApexPage" | "ApexTrigger" | "DuplicateRule" => {
            setup_row::remove(tx, kind, full_name)
        }
        "RecordType" => {
            let (object, name) = full_name.split_once('.').unwrap_or_default();
            let Some(kinds) = tx.schema.object("RecordType").cloned() else { return false };
            let found = tx.ids_where(&kinds, "\"SobjectType\" = ?1 AND \"DeveloperName\" = ?2", &[&object, &name]);
            found.iter().for_each(|id| tx.delete_row(&kinds, id).expect("the store can be written"));
            !found.is_empty()
        }
        _ => false,
    }
}

/// The row of a record type was made with the schema; its name and whether it is active follow the file.
fn record_type(tx: &Tx<'_>, full_name: &str, node: &Node) -> Option<String> {
    use crate::value::Value;
    let (object, name) = full_name.split_once('.')?;
    let kinds = tx.schema.object("RecordType")?.clone();
    let found = tx.ids_where(&kinds, "\"SobjectType\" = ?1 AND \"DeveloperName\" = ?2", &[&object, &name]);
    let id = found.into_iter().next()?;
    let label = Value::from(node.text_of("label"));
    let description =
        Some(node.text_of("description")).filter(|text| !text.is_empty()).map_or(Value::Null, Value::from);
    let values = [&label, &Value::Bool(node.is_true("active")), &description];
    tx.update_row(&kinds, &id, &["Name", "IsActive", "Description"], &values).expect("the store can be written");
    Some(id)
}
