// SPDX-License-Identifier: Apache-2.0
//! Field history: a row per changed field that is tracked ([`crate::schema::Tracking`]). Of long text and of several selected
//! values it is kept that they changed, without the old and the new value (Salesforce Help, "Field History Tracking").
//!
//! A changed lookup has two rows, one with the names (`DataType` Text) and one with the Ids (EntityId), and a standard one is called
//! without its `Id`: `Owner`. So public queries tell them apart (`Field = 'Owner' AND DataType != 'EntityId'`).
//!
//! A new record of an object whose history is kept has the row `created`; so has none that the platform made by itself, as the
//! generated world is taken to be older than the choice of fields. An object whose history is not kept has no rows.

use super::draft::Draft;
use super::{Fields, Input, insert};
use crate::error::SaveError;
use crate::schema::FieldType;
use crate::store::Tx;
use crate::user::Caller;
use crate::value::{self, Value};

pub fn record(tx: &mut Tx<'_>, caller: &Caller, draft: &Draft) -> Result<(), SaveError> {
    if draft.object.associate_entity_type.is_some() || !draft.object.tracking.is_on() {
        return Ok(());
    }
    if draft.old.is_none() {
        return if caller.bypass { Ok(()) } else { note(tx, caller, &draft.object.name, &draft.id, "created") };
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
        let long = field.kind == FieldType::Textarea && field.length > 255;
        let untold = long || field.kind == FieldType::Multipicklist;
        let text = |value: &Value| {
            let mut out = Vec::new();
            value::csv_text(value, field, &mut out);
            let text: String = String::from_utf8_lossy(&out).chars().take(255).collect();
            if text.is_empty() || untold { Input::Null } else { Input::Text(text) }
        };
        let nothing = Value::Null;
        let (old, new) = (draft.old.as_ref().map_or(&nothing, |old| &old[at]), &draft.values[at]);
        let called = match &field.relationship_name {
            Some(name) if !field.custom => name,
            _ => &field.name,
        };
        let row = |kind: &str, old: Input, new: Input| -> Fields {
            vec![
                (through.clone(), Input::Text(draft.id.clone())),
                ("Field".into(), Input::Text(called.clone())),
                ("DataType".into(), Input::Text(kind.into())),
                ("OldValue".into(), old),
                ("NewValue".into(), new),
            ]
        };
        if field.is_reference() {
            let names = row("Text", name_of(tx, old), name_of(tx, new));
            insert(tx, &platform, &history, names)?;
        }
        insert(tx, &platform, &history, row(data_type(field.kind), text(old), text(new)))?;
    }
    Ok(())
}

/// The name of the record with an Id.
fn name_of(tx: &Tx<'_>, id: &Value) -> Input {
    let row = id.as_str().and_then(|id| tx.row(&*tx.object_of(id)?, id));
    let name = row.and_then(|row| Some(row.get(&row.object.name_field()?.name).clone()));
    match name {
        Some(Value::Text(name)) => Input::Text(name.chars().take(255).collect()),
        _ => Input::Null,
    }
}

/// Notes what happened to a record that is no change of a field: `created`, `accountMerged`, `leadConverted`.
pub fn note(tx: &mut Tx<'_>, caller: &Caller, object: &str, id: &str, what: &str) -> Result<(), SaveError> {
    if !tx.schema.object(object).is_some_and(|object| object.tracking.is_on()) {
        return Ok(());
    }
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
