// SPDX-License-Identifier: Apache-2.0
//! Field history: a row per changed field that is tracked ([`crate::schema::Tracking`]). Of long text it is kept that it
//! changed, without the old and the new value (Salesforce Help, "Field History Tracking").
//!
//! Not emulated: the row `created` of a new record, and the second row of a changed lookup, which has names where the first has
//! Ids.

use super::draft::Draft;
use super::{Fields, Input, insert};
use crate::error::SaveError;
use crate::schema::FieldType;
use crate::store::Tx;
use crate::user::Caller;
use crate::value::{self, Value};

pub fn record(tx: &mut Tx<'_>, caller: &Caller, draft: &Draft) -> Result<(), SaveError> {
    if draft.object.associate_entity_type.is_some() {
        return Ok(());
    }
    let Some(history) = tx.schema.history_of(&draft.object.name).cloned() else { return Ok(()) };
    let through = if history.custom || history.name.ends_with("__History") {
        "ParentId".to_owned()
    } else {
        format!("{}Id", draft.object.name)
    };
    let platform = Caller { bypass: true, ..caller.clone() };
    for at in draft.changes() {
        let field = &draft.object.fields[at];
        if !draft.object.tracks(at) {
            continue;
        }
        let is_long = field.kind == FieldType::Textarea && field.length > 255;
        let text = |value: &Value| {
            let mut out = Vec::new();
            value::csv_text(value, field, &mut out);
            let text: String = String::from_utf8_lossy(&out).chars().take(255).collect();
            if text.is_empty() || is_long { Input::Null } else { Input::Text(text) }
        };
        let old = draft.old.as_ref().map_or(Input::Null, |old| text(&old[at]));
        let row: Fields = vec![
            (through.clone(), Input::Text(draft.id.clone())),
            ("Field".into(), Input::Text(field.name.clone())),
            ("DataType".into(), Input::Text(data_type(field.kind).into())),
            ("OldValue".into(), old),
            ("NewValue".into(), text(&draft.values[at])),
        ];
        insert(tx, &platform, &history, row)?;
    }
    Ok(())
}

/// Notes what happened to a record that is no change of a field: `accountMerged`, `leadConverted`.
pub fn note(tx: &mut Tx<'_>, caller: &Caller, object: &str, id: &str, what: &str) -> Result<(), SaveError> {
    let Some(history) = tx.schema.history_of(object).cloned() else { return Ok(()) };
    let through =
        if object == "Opportunity" || !object.ends_with("__c") { format!("{object}Id") } else { "ParentId".into() };
    let platform = Caller { bypass: true, ..caller.clone() };
    let row: Fields = vec![
        (through, Input::Text(id.to_owned())),
        ("Field".into(), Input::Text(what.to_owned())),
        ("DataType".into(), Input::Text("Text".into())),
    ];
    insert(tx, &platform, &history, row).map(drop)
}

fn data_type(kind: FieldType) -> &'static str {
    match kind {
        FieldType::Reference => "EntityId",
        FieldType::Boolean => "Boolean",
        FieldType::Date => "DateOnly",
        FieldType::Datetime => "DateTime",
        FieldType::Currency => "Currency",
        FieldType::Percent => "Percent",
        FieldType::Double | FieldType::Int | FieldType::Long => "Double",
        FieldType::Picklist => "DynamicEnum",
        FieldType::Multipicklist => "MultiEnum",
        _ => "Text",
    }
}
