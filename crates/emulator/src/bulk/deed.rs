// SPDX-License-Identifier: Apache-2.0
//! What one row of a job asks for, and doing it: the same for a line of CSV, a JSON object and an `sObject` of XML
//! (`salesforce-api.md` 3.2, 3.4).

use std::collections::HashSet;
use std::sync::Arc;

use crate::error::SaveError;
use crate::id;
use crate::org::Tx;
use crate::record::{self, Fields, Input};
use crate::schema::Object;

use super::operation::Operation;
use super::order::Order;

/// One row, read.
#[derive(Debug, Default)]
pub struct Deed {
    /// The Id it names, as given.
    pub id: Option<String>,
    /// The value an upsert matches by.
    pub external: Option<Input>,
    /// What it writes, without those two.
    pub fields: Fields,
    /// Why it cannot be done, where that was seen when it was read.
    pub error: Option<SaveError>,
}

/// What became of a row.
#[derive(Debug)]
pub enum Done {
    Written { id: String, created: bool },
    Refused { id: String, error: SaveError },
}

/// Does it in a savepoint, so that a refused row leaves no trace. `matched` holds what was matched by in this chunk
/// before: the same external id twice is refused.
pub fn perform(
    tx: &mut Tx<'_>,
    order: &Order,
    object: &Arc<Object>,
    deed: Deed,
    matched: &mut HashSet<String>,
) -> Done {
    let Deed { id: given, external, fields, error } = deed;
    let known = given.as_deref().and_then(id::to18).unwrap_or_default();
    if let Some(error) = error {
        return Done::Refused { id: known, error };
    }
    let caller = &order.caller;
    let result = tx.savepoint(|tx| match order.operation {
        Operation::Insert if given.is_some() => {
            Err(SaveError::new("INVALID_FIELD_FOR_INSERT_UPDATE", "cannot specify Id in an insert call", &["Id"]))
        }
        Operation::Insert => record::insert(tx, caller, object, fields).map(|id| (id, true)),
        Operation::Update => {
            let id = given
                .as_deref()
                .ok_or_else(|| SaveError::new("MISSING_ARGUMENT", "Id not specified in an update call", &[]))?;
            record::update(tx, caller, object, id, fields).map(|()| (known.clone(), false))
        }
        Operation::Upsert => upsert(tx, order, object, external, fields, matched),
        Operation::Delete | Operation::HardDelete => {
            let id = given.as_deref().ok_or_else(|| SaveError::new("MISSING_ARGUMENT", "Id not specified", &["Id"]))?;
            delete(tx, order, object, id).map(|()| (known.clone(), false))
        }
        Operation::Query | Operation::QueryAll => unreachable!("a query job writes nothing"),
    });
    match result {
        Ok((id, created)) => Done::Written { id, created },
        Err(error) => Done::Refused { id: known, error },
    }
}

fn upsert(
    tx: &mut Tx<'_>,
    order: &Order,
    object: &Arc<Object>,
    external: Option<Input>,
    fields: Fields,
    matched: &mut HashSet<String>,
) -> Result<(String, bool), SaveError> {
    let field = order.external_field.as_deref().unwrap_or("Id");
    match external {
        Some(value) => {
            let text = shown(&value);
            if !matched.insert(text.to_lowercase()) {
                let text = format!("Duplicate external id specified: {text}");
                return Err(SaveError::new("DUPLICATE_VALUE", text, &[field]));
            }
            record::upsert(tx, &order.caller, object, field, &value, fields)
        }
        // Without an Id an upsert by Id is an insert; an external id must be there.
        None if field.eq_ignore_ascii_case("Id") => {
            record::upsert(tx, &order.caller, object, field, &Input::Null, fields)
        }
        None => Err(SaveError::new("MISSING_ARGUMENT", format!("{field} not specified"), &[])),
    }
}

fn shown(value: &Input) -> String {
    match value {
        Input::Text(text) | Input::Number(text) => text.clone(),
        Input::Bool(flag) => flag.to_string(),
        Input::Null | Input::Parent(_) | Input::Bytes(_) | Input::Body(_) => String::new(),
    }
}

fn delete(tx: &mut Tx<'_>, order: &Order, object: &Arc<Object>, id: &str) -> Result<(), SaveError> {
    let id18 = id::to18(id).ok_or_else(|| SaveError::malformed_id(id, "Id"))?;
    if object.key_prefix.as_deref().is_some_and(|prefix| prefix != id::prefix(&id18)) {
        return Err(SaveError::wrong_object_id(&format!("{} ID", object.label), id, "Id"));
    }
    match order.operation {
        Operation::HardDelete => record::hard_delete(tx, &order.caller, &id18),
        _ => record::delete(tx, &order.caller, &id18),
    }
}
