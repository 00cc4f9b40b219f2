// SPDX-License-Identifier: Apache-2.0
//! A `CustomField` of metadata as a field of describe.

use super::xml::Node;
use super::{ValueSets, is_true, text};
use crate::schema::{Field, FieldType, PicklistValue, Summary, SummaryOperation};
use crate::value::Value;

/// The field, and how its parent calls the children behind it. The error says why there is none.
pub fn field(node: &Node, value_sets: &ValueSets) -> Result<(Field, Option<String>), String> {
    let name = text(node, "fullName");
    let label = Some(text(node, "label")).filter(|label| !label.is_empty()).unwrap_or(name);
    let word = text(node, "type");
    let number = |name: &str, usual: u32| text(node, name).parse().unwrap_or(usual);
    let (kind, length) = match word {
        "Text" => (FieldType::String, number("length", 1_300)),
        "TextArea" => (FieldType::Textarea, 255),
        "LongTextArea" | "Html" => (FieldType::Textarea, number("length", 32_768)),
        "Checkbox" => (FieldType::Boolean, 0),
        "Number" => (FieldType::Double, 0),
        "Currency" => (FieldType::Currency, 0),
        "Percent" => (FieldType::Percent, 0),
        "Date" => (FieldType::Date, 0),
        "DateTime" => (FieldType::Datetime, 0),
        "Time" => (FieldType::Time, 0),
        "Phone" => (FieldType::Phone, 40),
        "Email" => (FieldType::Email, 80),
        "Url" => (FieldType::Url, 255),
        "Picklist" => (FieldType::Picklist, 255),
        "MultiselectPicklist" => (FieldType::Multipicklist, 4_099),
        "Lookup" | "Hierarchy" | "MasterDetail" | "MetadataRelationship" => (FieldType::Reference, 18),
        "AutoNumber" => (FieldType::String, 30),
        "EncryptedText" => (FieldType::EncryptedString, number("length", 175)),
        "Location" => (FieldType::Location, 0),
        "Summary" => (FieldType::Double, 0),
        other => return Err(format!("field type {other} is not emulated")),
    };
    let mut field = Field::usual(name, label, kind, length);
    if kind.has_fraction() {
        (field.precision, field.scale) = (number("precision", 18), number("scale", 0));
    }
    if kind == FieldType::Multipicklist {
        field.precision = number("visibleLines", 4);
    }
    field.inline_help_text = Some(text(node, "inlineHelpText").to_owned()).filter(|help| !help.is_empty());
    field.nillable = kind != FieldType::Boolean && !is_true(node, "required");
    (field.unique, field.external_id) = (is_true(node, "unique"), is_true(node, "externalId"));
    field.case_sensitive = is_true(node, "caseSensitive");
    field.default_value = default_value(text(node, "defaultValue"), kind);
    match word {
        "LongTextArea" | "TextArea" => field.extra_type_info = Some("plaintextarea".into()),
        "Html" => (field.html_formatted, field.extra_type_info) = (true, Some("richtextarea".into())),
        "AutoNumber" => {
            field.auto_number = true;
            field.auto_number_format = Some(display_format(node));
        }
        "EncryptedText" => field.mask = Some((text(node, "maskType").to_owned(), text(node, "maskChar").to_owned())),
        "Picklist" | "MultiselectPicklist" => picklist(&mut field, node, value_sets)?,
        "Summary" => summary(&mut field, node)?,
        _ => {}
    }
    if let Some(formula) = node.first("formula") {
        field.formula = Some(formula.text.clone());
    }
    let children = if kind == FieldType::Reference { reference(&mut field, node, word) } else { None };
    Ok((field, children))
}

/// The format of an auto-number; Salesforce's own where none is given.
pub fn display_format(node: &Node) -> String {
    Some(text(node, "displayFormat")).filter(|format| !format.is_empty()).unwrap_or("{0}").to_owned()
}

/// Only literals: a default that is computed cannot be given by describe either.
fn default_value(text: &str, kind: FieldType) -> Option<Value> {
    match (kind, text.to_ascii_lowercase().as_str()) {
        (_, "") => None,
        (FieldType::Boolean, word) => Some(Value::Bool(word == "true")),
        (kind, word) if kind.is_number() => {
            word.parse::<i64>().map(Value::Int).or_else(|_| word.parse().map(Value::Num)).ok()
        }
        (kind, _) if kind.is_text() => {
            let quoted = text.strip_prefix(['"', '\'']).and_then(|rest| rest.strip_suffix(['"', '\'']));
            quoted.map(Value::from)
        }
        _ => None,
    }
}

pub fn picklist_value(node: &Node) -> PicklistValue {
    let value = text(node, "fullName").to_owned();
    let label = Some(text(node, "label")).filter(|label| !label.is_empty()).unwrap_or(&value).to_owned();
    PicklistValue {
        active: text(node, "isActive") != "false",
        default_value: is_true(node, "default"),
        label,
        value,
        valid_for: None,
    }
}

fn picklist(field: &mut Field, node: &Node, value_sets: &ValueSets) -> Result<(), String> {
    if let Some(old) = node.first("picklist") {
        field.picklist = old.all("picklistValues").map(picklist_value).collect();
        field.restricted_picklist = is_true(old, "restrictedPicklist");
    }
    let Some(set) = node.first("valueSet") else { return default_of_picklist(field) };
    field.restricted_picklist = is_true(set, "restricted");
    if let Some(definition) = set.first("valueSetDefinition") {
        field.picklist = definition.all("value").map(picklist_value).collect();
    } else if let Some(shared) = set.first("valueSetName") {
        let known = value_sets.get(&shared.text);
        field.picklist = known.ok_or_else(|| format!("value set {} is not in the project", shared.text))?.clone();
        field.restricted_picklist = true;
    }
    let controller = text(set, "controllingField");
    if !controller.is_empty() {
        field.controller = Some(controller.to_owned());
        field.dependent_picklist = true;
    }
    default_of_picklist(field)
}

fn default_of_picklist(field: &mut Field) -> Result<(), String> {
    let default =
        field.picklist.iter().find(|value| value.default_value).map(|value| Value::from(value.value.as_str()));
    if default.is_some() {
        field.default_value = default;
    }
    Ok(())
}

fn summary(field: &mut Field, node: &Node) -> Result<(), String> {
    if node.first("summaryFilterItems").is_some() {
        field.calculated = true;
        return Err("a roll-up with a filter is not emulated".into());
    }
    let operation = match text(node, "summaryOperation") {
        "count" => SummaryOperation::Count,
        "sum" => SummaryOperation::Sum,
        "min" => SummaryOperation::Min,
        "max" => SummaryOperation::Max,
        other => return Err(format!("roll-up operation {other} is not emulated")),
    };
    let key = text(node, "summaryForeignKey").split_once('.');
    let (child_object, child_field) = key.ok_or("the roll-up names no child")?;
    let summed_field = text(node, "summarizedField").split_once('.').map(|(_, field)| field.to_owned());
    field.precision = 18;
    field.summary = Some(Summary {
        operation,
        child_object: child_object.to_owned(),
        child_field: child_field.to_owned(),
        summed_field,
    });
    Ok(())
}

/// What the field points to; answers how the parent calls its children.
fn reference(field: &mut Field, node: &Node, word: &str) -> Option<String> {
    let target = match word {
        "Hierarchy" => "User",
        _ => text(node, "referenceTo"),
    };
    field.reference_to = vec![target.to_owned()];
    if word == "MasterDetail" {
        field.relationship_order = Some(text(node, "relationshipOrder").parse().unwrap_or(0));
        field.updateable = is_true(node, "reparentableMasterDetail");
        field.write_requires_master_read = is_true(node, "writeRequiresMasterRead");
    }
    field.cascade_delete = text(node, "deleteConstraint") == "Cascade";
    field.restricted_delete = text(node, "deleteConstraint") == "Restrict";
    let name = text(node, "relationshipName");
    (!name.is_empty()).then(|| format!("{name}__r"))
}
