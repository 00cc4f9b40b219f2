// SPDX-License-Identifier: Apache-2.0
//! A field of the schema as a `CustomField`.

use super::super::xml::Node;
use crate::schema::{Field, FieldType, Object, SummaryOperation};
use crate::value::Value;

/// Whether an object's file shows the field: those an admin can change something about.
pub fn is_shown(object: &Object, field: &Field) -> bool {
    if field.compound.as_deref().is_some_and(|whole| whole != field.name && object.has(whole))
        || field.name.ends_with("__s")
    {
        return false;
    }
    match field.custom || field.name.ends_with("__c") {
        true => field.name.ends_with("__c"),
        false => !object.custom && (field.createable || field.updateable || field.kind.is_compound()),
    }
}

/// The field's XML. Of standard fields only the name and, for lookups and picklists, the type, as real files have it.
pub fn node(field: &Field) -> Node {
    let mut node = Node::named("CustomField").with(Node::leaf("fullName", field.name.as_str()));
    let mut add = |name: &str, value: String| node.children.push(Node::leaf(name, value));
    if !field.name.ends_with("__c") {
        match field.kind {
            FieldType::Reference => add("type", "Lookup".to_owned()),
            FieldType::Picklist => add("type", "Picklist".to_owned()),
            _ => {}
        }
        return node;
    }
    let kind = kind(field);
    if let Some(value) = &field.default_value {
        match value {
            Value::Bool(on) => add("defaultValue", on.to_string()),
            Value::Text(text) if field.picklist.is_empty() => add("defaultValue", format!("\"{text}\"")),
            Value::Int(number) => add("defaultValue", number.to_string()),
            Value::Num(number) => add("defaultValue", number.to_string()),
            _ => {}
        }
    } else if field.kind == FieldType::Boolean && field.formula.is_none() {
        add("defaultValue", "false".to_owned());
    }
    if let Some(format) = &field.auto_number_format {
        add("displayFormat", format.clone());
    }
    if field.is_reference() && !field.is_master_detail() {
        let constraint = if field.restricted_delete { "Restrict" } else { "SetNull" };
        add("deleteConstraint", constraint.to_owned());
    }
    if field.kind == FieldType::Location {
        add("displayLocationInDecimal", "true".to_owned());
    }
    if field.external_id {
        add("externalId", "true".to_owned());
    }
    if let Some(formula) = &field.formula {
        add("formula", formula.clone());
    }
    if let Some(help) = &field.inline_help_text {
        add("inlineHelpText", help.clone());
    }
    add("label", field.label.clone());
    if matches!(kind, "Text" | "LongTextArea" | "Html" | "EncryptedText") && field.formula.is_none() {
        add("length", field.length.to_string());
    }
    if let Some((kind, character)) = &field.mask {
        add("maskChar", character.clone());
        add("maskType", kind.clone());
    }
    if field.kind.has_fraction() && field.summary.is_none() {
        add("precision", field.precision.to_string());
    }
    if let Some(target) = field.reference_to.first() {
        add("referenceTo", target.clone());
        if let Some(name) = &field.relationship_name {
            add("relationshipName", name.trim_end_matches("__r").to_owned());
        }
    }
    if let Some(order) = field.relationship_order {
        add("relationshipOrder", order.to_string());
    }
    if !field.nillable
        && !field.is_master_detail()
        && !field.calculated
        && field.kind != FieldType::Boolean
        && !field.auto_number
    {
        add("required", "true".to_owned());
    }
    if field.kind.has_fraction() && field.summary.is_none() || field.kind == FieldType::Location {
        add("scale", field.scale.to_string());
    }
    if let Some(summary) = &field.summary {
        if let Some(summed) = &summary.summed_field {
            add("summarizedField", format!("{}.{summed}", summary.child_object));
        }
        add("summaryForeignKey", format!("{}.{}", summary.child_object, summary.child_field));
        let operation = match summary.operation {
            SummaryOperation::Count => "count",
            SummaryOperation::Sum => "sum",
            SummaryOperation::Min => "min",
            SummaryOperation::Max => "max",
        };
        add("summaryOperation", operation.to_owned());
    }
    add("type", kind.to_owned());
    if field.unique {
        add("unique", "true".to_owned());
    }
    if matches!(kind, "Picklist" | "MultiselectPicklist") {
        node.children.push(value_set(field));
    }
    if matches!(kind, "LongTextArea" | "Html" | "MultiselectPicklist") {
        node.children.push(Node::leaf(
            "visibleLines",
            if kind == "MultiselectPicklist" { field.precision.max(3).to_string() } else { "3".to_owned() },
        ));
    }
    node
}

fn value_set(field: &Field) -> Node {
    let mut definition = Node::named("valueSetDefinition").with(Node::leaf("sorted", "false"));
    for value in &field.picklist {
        let mut one = Node::named("value")
            .with(Node::leaf("fullName", value.value.as_str()))
            .with(Node::leaf("default", value.default_value.to_string()));
        if !value.active {
            one.children.push(Node::leaf("isActive", "false"));
        }
        definition.children.push(one.with(Node::leaf("label", value.label.as_str())));
    }
    let mut set = Node::named("valueSet");
    if let Some(controller) = &field.controller {
        set.children.push(Node::leaf("controllingField", controller.as_str()));
    }
    set.with(Node::leaf("restricted", field.restricted_picklist.to_string())).with(definition)
}

/// Metadata's word for the type.
fn kind(field: &Field) -> &'static str {
    match field.kind {
        _ if field.summary.is_some() => "Summary",
        _ if field.auto_number => "AutoNumber",
        FieldType::Boolean => "Checkbox",
        FieldType::Int | FieldType::Long | FieldType::Double => "Number",
        FieldType::Currency => "Currency",
        FieldType::Percent => "Percent",
        FieldType::Date => "Date",
        FieldType::Datetime => "DateTime",
        FieldType::Time => "Time",
        FieldType::Phone => "Phone",
        FieldType::Email => "Email",
        FieldType::Url => "Url",
        FieldType::Picklist | FieldType::Combobox => "Picklist",
        FieldType::Multipicklist => "MultiselectPicklist",
        FieldType::Reference if field.is_master_detail() => "MasterDetail",
        FieldType::Reference => "Lookup",
        FieldType::EncryptedString => "EncryptedText",
        FieldType::Location => "Location",
        FieldType::Textarea if field.html_formatted => "Html",
        FieldType::Textarea if field.length > 255 => "LongTextArea",
        FieldType::Textarea => "TextArea",
        _ => "Text",
    }
}
