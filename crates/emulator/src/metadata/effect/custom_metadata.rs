// SPDX-License-Identifier: Apache-2.0
//! Records of custom metadata types: a `CustomMetadata` file is a row of its type's object.
//!
//! `Type.Record` is the record `Record` of `Type__mdt`. Rows are written as they are, without the save logic of records: only
//! a deploy writes them. References between records are filled when all records of the deploy are there.

use std::sync::Arc;

use super::super::Problem;
use super::super::xml::Node;
use crate::org::Tx;
use crate::schema::{FieldType, Object};
use crate::value::{self, Value};

fn object_of(tx: &Tx<'_>, full_name: &str) -> Option<(Arc<Object>, String)> {
    let (kind, record) = full_name.split_once('.')?;
    let object = tx.schema.object(&format!("{kind}__mdt"))?.clone();
    Some((object, record.to_owned()))
}

fn row_of(tx: &Tx<'_>, object: &Object, record: &str) -> Option<String> {
    let own = record.rsplit_once("__").map_or(record, |(_, own)| own);
    tx.ids_where(object, "\"DeveloperName\" = ?1", &[&own]).into_iter().next()
}

/// Writes the row; answers its Id.
///
/// # Errors
/// The type or a field of it is not there, or a value is not of the field's type.
pub fn save(tx: &mut Tx<'_>, full_name: &str, node: &Node) -> Result<String, Problem> {
    let Some((object, record)) = object_of(tx, full_name) else {
        let kind = full_name.split('.').next().unwrap_or_default();
        return Err(Problem::at(
            node,
            format!("In field: customMetadataType - no CustomObject named {kind}__mdt found"),
        ));
    };
    let known = row_of(tx, &object, &record);
    let id = known.clone().unwrap_or_else(|| tx.next_id(&object));
    let (namespace, own) = match record.rsplit_once("__") {
        Some((namespace, own)) => (Value::from(namespace), own),
        None => (Value::Null, record.as_str()),
    };
    let label = Some(node.text_of("label")).filter(|label| !label.is_empty()).unwrap_or(own);
    let mut values: Vec<Value> = Vec::with_capacity(object.fields.len());
    for field in &object.fields {
        values.push(match field.name.as_str() {
            "Id" => Value::from(id.as_str()),
            "DeveloperName" => Value::from(own),
            "MasterLabel" | "Label" => Value::from(label),
            "QualifiedApiName" => Value::from(record.as_str()),
            "Language" => Value::from("en_US"),
            "NamespacePrefix" => namespace.clone(),
            "SystemModstamp" => Value::Int(tx.now / 1_000 * 1_000),
            _ if field.kind == FieldType::Boolean => {
                Value::Bool(field.default_value.as_ref().is_some_and(Value::is_true))
            }
            _ => Value::Null,
        });
    }
    for given in node.all("values") {
        let name = given.text_of("field");
        let at = object.position(name).filter(|&at| object.fields[at].custom);
        let Some(at) = at else {
            return Err(Problem::at(
                given,
                format!("In field: field - no CustomField named {}.{name} found", object.name),
            ));
        };
        if !object.fields[at].is_reference() {
            values[at] = convert(object.fields[at].kind, given)?;
        }
    }
    if let Some(id) = &known {
        tx.delete_row(&object, id).expect("the store can be written");
    }
    tx.insert_row(&object, &values).expect("the values are those of the fields");
    Ok(id)
}

fn convert(kind: FieldType, given: &Node) -> Result<Value, Problem> {
    let Some(value) = given.first("value") else { return Ok(Value::Null) };
    let text = value.text.as_str();
    if value.attribute("nil") == Some("true") || (text.is_empty() && !kind.is_text()) {
        return Ok(if kind == FieldType::Boolean { Value::Bool(false) } else { Value::Null });
    }
    let wrong = || {
        let text = format!("bad value '{text}' for field {}", given.text_of("field"));
        Problem::at(value, text)
    };
    Ok(match kind {
        FieldType::Boolean => Value::Bool(text == "true" || text == "1"),
        FieldType::Date => Value::Text(value::parse_date(text).ok_or_else(wrong)?),
        FieldType::Datetime => Value::Int(value::parse_date_time(text).ok_or_else(wrong)?),
        FieldType::Time => Value::Text(value::parse_time(text).ok_or_else(wrong)?),
        kind if kind.is_number() => match text.parse::<f64>() {
            Ok(number) if number.fract() == 0.0 && number.abs() < 1e15 => Value::Int(number as i64),
            Ok(number) => Value::Num(number),
            Err(_) => return Err(wrong()),
        },
        _ if text.is_empty() => Value::Null,
        _ => Value::from(text),
    })
}

/// Fills the references of a record: to records of other types by name, to objects and fields by their API names.
///
/// # Errors
/// The record that is named is not there.
pub fn relate(tx: &Tx<'_>, full_name: &str, node: &Node) -> Result<(), Problem> {
    let Some((object, record)) = object_of(tx, full_name) else { return Ok(()) };
    let Some(id) = row_of(tx, &object, &record) else { return Ok(()) };
    for given in node.all("values") {
        let Some(field) = object.field(given.text_of("field")).filter(|field| field.is_reference()) else { continue };
        let text = given.text_of("value");
        let target = field.reference_to.first().and_then(|target| tx.schema.object(target));
        let value = match target.filter(|target| target.is_custom_metadata()) {
            _ if text.is_empty() => Value::Null,
            None => Value::from(text),
            Some(target) => match row_of(tx, target, text) {
                Some(id) => Value::Text(id),
                None => {
                    let kind = target.name.trim_end_matches("__mdt");
                    return Err(Problem::at(
                        given,
                        format!("In field: {} - no CustomMetadata named {kind}.{text} found", field.name),
                    ));
                }
            },
        };
        tx.update_row(&object, &id, &[&field.name], &[&value]).expect("the store can be written");
    }
    Ok(())
}

/// Removes the row.
pub fn remove(tx: &Tx<'_>, full_name: &str) -> bool {
    let found = object_of(tx, full_name).and_then(|(object, record)| Some((row_of(tx, &object, &record)?, object)));
    let Some((id, object)) = found else { return false };
    tx.delete_row(&object, &id).expect("the store can be written");
    true
}
