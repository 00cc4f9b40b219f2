// SPDX-License-Identifier: Apache-2.0
//! Insert or update by an external id (`salesforce-api.md` 2.7).

use super::convert::{Converted, convert};
use super::save::{insert_with, update};
use super::{Fields, Input};
use crate::error::SaveError;
use crate::schema::Object;
use crate::store::Tx;
use crate::user::Caller;
use crate::value::Value;

/// The Id, and whether the record was created. The field `Id` with a null value creates.
pub fn upsert(
    tx: &mut Tx<'_>,
    caller: &Caller,
    object: &Object,
    external_field: &str,
    external_value: &Input,
    mut fields: Fields,
) -> Result<(String, bool), SaveError> {
    if external_field.eq_ignore_ascii_case("Id") {
        return match external_value {
            Input::Text(id) if !id.is_empty() => {
                update(tx, caller, object, id, fields).map(|()| (crate::id::to18(id).unwrap_or_default(), false))
            }
            _ => insert_with(tx, caller, object, fields, false).map(|id| (id, true)),
        };
    }
    let field = object.field(external_field).filter(|field| field.external_id || field.id_lookup);
    let Some(field) = field else {
        let message = format!("Provided external ID field does not exist or is not accessible: {external_field}");
        return Err(SaveError::new("NOT_FOUND", message, &[]));
    };
    if fields.iter().any(|(name, _)| name.eq_ignore_ascii_case(external_field)) {
        let message = format!("The {} field should not be specified in the sobject data.", field.name);
        return Err(SaveError::new("INVALID_FIELD", message, &[]));
    }
    if matches!(external_value, Input::Null) || matches!(external_value, Input::Text(text) if text.is_empty()) {
        let message = format!("{} not specified", field.name);
        return Err(SaveError::new("MISSING_ARGUMENT", message, &[]));
    }
    let found = find_by_external_id(tx, object, &field.name, external_value)?;
    match found.as_slice() {
        [] => {
            fields.push((field.name.clone(), external_value.clone()));
            insert_with(tx, caller, object, fields, false).map(|id| (id, true))
        }
        [id] => update(tx, caller, object, id, fields).map(|()| (id.clone(), false)),
        several => {
            let message =
                format!("{}: more than one record found for external id field: [{}]", field.name, several.join(", "));
            Err(SaveError::new("DUPLICATE_EXTERNAL_ID", message, &[&field.name]))
        }
    }
}

/// The Ids of the live rows with this external id, in order. Errors when the value is not of the field's type.
pub fn find_by_external_id(tx: &Tx<'_>, object: &Object, field: &str, value: &Input) -> Result<Vec<String>, SaveError> {
    let Some(field) = object.field(field) else { return Err(SaveError::no_such_column(field, &object.name)) };
    let Converted::Value(value) = convert(field, value.clone())? else { return Ok(Vec::new()) };
    if value == Value::Null {
        return Ok(Vec::new());
    }
    let alive = if object.has("IsDeleted") { " AND \"IsDeleted\" = 0" } else { "" };
    let sql = format!("SELECT \"Id\" FROM \"{}\" WHERE \"{}\" = ?1{alive} ORDER BY \"Id\"", object.name, field.name);
    let mut statement = tx.conn.prepare_cached(&sql).expect("every object has its table");
    let found = statement.query_map([value], |row| row.get(0)).and_then(Iterator::collect);
    Ok(found.expect("the store can be read"))
}
