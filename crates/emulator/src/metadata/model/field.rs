// SPDX-License-Identifier: Apache-2.0
//! A `CustomField` of metadata as a field of describe.

use super::super::Problem;
use super::super::xml::Node;
use super::ValueSets;
use crate::schema::{Field, FieldType, PicklistValue, Summary, SummaryFilter, SummaryOperation};
use crate::value::Value;

/// What a `CustomField` says.
pub struct Made {
    pub field: Field,
    /// How its parent calls the children behind it.
    pub relationship_name: Option<String>,
    /// Which values of the controlling field let each value be chosen: (value, controlling values).
    pub dependent: Vec<(String, Vec<String>)>,
    /// The shared value set that its values are those of.
    pub value_set: Option<String>,
}

/// What must be given for which types, in Salesforce's text "Must specify 'length' for a CustomField of type Text".
const MUST: [(&str, &[&str]); 12] = [
    ("Text", &["length"]),
    ("Number", &["precision", "scale"]),
    ("Currency", &["precision", "scale"]),
    ("Percent", &["precision", "scale"]),
    ("LongTextArea", &["length", "visibleLines"]),
    ("Html", &["length", "visibleLines"]),
    ("MultiselectPicklist", &["visibleLines"]),
    ("EncryptedText", &["length", "maskChar", "maskType"]),
    ("Location", &["scale"]),
    ("Lookup", &["referenceTo"]),
    ("MasterDetail", &["referenceTo"]),
    ("Summary", &["summaryForeignKey", "summaryOperation"]),
];
/// What may not be given: "Can not specify 'length' for a CustomField of type Checkbox".
const MUST_NOT: [(&str, &[&str]); 8] = [
    ("Checkbox", &["length", "precision", "scale", "referenceTo"]),
    ("Date", &["length", "precision", "scale", "referenceTo"]),
    ("DateTime", &["length", "precision", "scale", "referenceTo"]),
    ("Email", &["length", "precision", "scale", "referenceTo"]),
    ("Phone", &["length", "precision", "scale", "referenceTo"]),
    ("Text", &["precision", "scale", "referenceTo"]),
    ("Number", &["length", "referenceTo"]),
    ("Url", &["length", "precision", "scale", "referenceTo"]),
];

/// The field.
///
/// # Errors
/// Salesforce's text on what is wrong with the description.
pub fn field(node: &Node, value_sets: &ValueSets) -> Result<Made, Problem> {
    let name = node.text_of("fullName");
    let label = Some(node.text_of("label")).filter(|label| !label.is_empty()).unwrap_or(name);
    let word = node.text_of("type");
    check_attributes(node, word)?;
    let number = |name: &str, usual: u32| node.text_of(name).trim().parse().unwrap_or(usual);
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
        "" => return Err(Problem::at(node, "Required field is missing: type")),
        other => return Err(Problem::at(node, format!("field type {other} is not emulated"))),
    };
    let mut field = Field::usual(name, label, kind, length);
    if kind.has_fraction() {
        (field.precision, field.scale) = (number("precision", 18), number("scale", 0));
    }
    if kind == FieldType::Multipicklist {
        field.precision = number("visibleLines", 4);
    }
    field.inline_help_text = Some(node.text_of("inlineHelpText").to_owned()).filter(|help| !help.is_empty());
    field.nillable = kind != FieldType::Boolean && !node.is_true("required");
    (field.unique, field.external_id) = (node.is_true("unique"), node.is_true("externalId"));
    field.case_sensitive = node.is_true("caseSensitive");
    field.default_value = default_value(node.text_of("defaultValue"), kind);
    let mut made = Made { field, relationship_name: None, dependent: Vec::new(), value_set: None };
    match word {
        "LongTextArea" | "TextArea" => made.field.extra_type_info = Some("plaintextarea".into()),
        "Html" => (made.field.html_formatted, made.field.extra_type_info) = (true, Some("richtextarea".into())),
        "AutoNumber" => {
            made.field.auto_number = true;
            made.field.auto_number_format = Some(display_format(node));
        }
        "EncryptedText" => {
            made.field.mask = Some((node.text_of("maskType").to_owned(), node.text_of("maskChar").to_owned()));
        }
        "Picklist" | "MultiselectPicklist" => picklist(&mut made, node, value_sets)?,
        "Summary" => summary(&mut made.field, node)?,
        _ => {}
    }
    if let Some(formula) = node.first("formula") {
        made.field.formula = Some(formula.text.clone());
    }
    if kind == FieldType::Reference {
        made.relationship_name = reference(&mut made.field, node, word);
    }
    Ok(made)
}

fn check_attributes(node: &Node, word: &str) -> Result<(), Problem> {
    let of = |table: &[(&str, &'static [&'static str])]| {
        table.iter().find(|(kind, _)| *kind == word).map_or(&[][..], |(_, names)| names)
    };
    let is_formula = node.first("formula").is_some();
    if let Some(name) = of(&MUST).iter().find(|name| !is_formula && node.first(name).is_none()) {
        return Err(Problem::at(node, format!("Must specify '{name}' for a CustomField of type {word}")));
    }
    if let Some(name) = of(&MUST_NOT).iter().find(|name| !is_formula && node.first(name).is_some()) {
        return Err(Problem::at(node, format!("Can not specify '{name}' for a CustomField of type {word}")));
    }
    Ok(())
}

/// The format of an auto-number; Salesforce's own where none is given.
pub fn display_format(node: &Node) -> String {
    Some(node.text_of("displayFormat")).filter(|format| !format.is_empty()).unwrap_or("{0}").to_owned()
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
    let value = node.text_of("fullName").to_owned();
    let label = Some(node.text_of("label")).filter(|label| !label.is_empty()).unwrap_or(&value).to_owned();
    PicklistValue {
        active: node.text_of("isActive") != "false",
        default_value: node.is_true("default"),
        label,
        value,
        valid_for: None,
    }
}

fn picklist(made: &mut Made, node: &Node, value_sets: &ValueSets) -> Result<(), Problem> {
    if let Some(old) = node.first("picklist") {
        made.field.picklist = old.all("picklistValues").map(picklist_value).collect();
        made.field.restricted_picklist = old.is_true("restrictedPicklist");
        for value in old.all("picklistValues") {
            let by: Vec<String> = value.all("controllingFieldValues").map(|by| by.text.clone()).collect();
            made.dependent.push((value.text_of("fullName").to_owned(), by));
        }
        controlled(&mut made.field, old.text_of("controllingField"));
    }
    if let Some(set) = node.first("valueSet") {
        made.field.restricted_picklist = set.is_true("restricted");
        if let Some(definition) = set.first("valueSetDefinition") {
            made.field.picklist = definition.all("value").map(picklist_value).collect();
        } else if let Some(shared) = set.first("valueSetName") {
            let name = shared.text.trim().trim_end_matches("__gvs");
            let known = value_sets.get(name);
            let absent = || Problem::at(node, format!("In field: valueSetName - no GlobalValueSet named {name} found"));
            made.field.picklist = known.ok_or_else(absent)?.clone();
            made.field.restricted_picklist = true;
            made.value_set = Some(name.to_owned());
        }
        for setting in set.all("valueSettings") {
            let by: Vec<String> = setting.all("controllingFieldValue").map(|by| by.text.clone()).collect();
            made.dependent.push((setting.text_of("valueName").to_owned(), by));
        }
        controlled(&mut made.field, set.text_of("controllingField"));
    }
    take_default(&mut made.field);
    Ok(())
}

fn controlled(field: &mut Field, by: &str) {
    if !by.is_empty() {
        field.controller = Some(by.to_owned());
        field.dependent_picklist = true;
    }
}

/// The default of a picklist is that of its values which is marked so.
pub fn take_default(field: &mut Field) {
    let default =
        field.picklist.iter().find(|value| value.default_value).map(|value| Value::from(value.value.as_str()));
    if default.is_some() {
        field.default_value = default;
    }
}

fn summary(field: &mut Field, node: &Node) -> Result<(), Problem> {
    let operation = match node.text_of("summaryOperation") {
        "count" => SummaryOperation::Count,
        "sum" => SummaryOperation::Sum,
        "min" => SummaryOperation::Min,
        "max" => SummaryOperation::Max,
        other => {
            return Err(Problem::at(node, format!("'{other}' is not a valid value for the enum 'SummaryOperations'")));
        }
    };
    let key = node.text_of("summaryForeignKey");
    let absent = || Problem::at(node, format!("In field: summaryForeignKey - no CustomField named {key} found"));
    let (child_object, child_field) = key.split_once('.').ok_or_else(absent)?;
    let own = |text: &str| text.split_once('.').map_or(text, |(_, field)| field).to_owned();
    let summed_field = node.first("summarizedField").map(|summed| own(&summed.text));
    field.precision = 18;
    field.summary = Some(Summary {
        operation,
        child_object: child_object.to_owned(),
        child_field: child_field.to_owned(),
        summed_field,
        filters: node
            .all("summaryFilterItems")
            .map(|item| SummaryFilter {
                field: own(item.text_of("field")),
                operator: item.text_of("operation").to_owned(),
                value: item.text_of("value").to_owned(),
            })
            .collect(),
    });
    Ok(())
}

/// What the field points to; answers how the parent calls its children.
fn reference(field: &mut Field, node: &Node, word: &str) -> Option<String> {
    let target = match word {
        "Hierarchy" => "User",
        _ => node.text_of("referenceTo"),
    };
    field.reference_to = vec![target.to_owned()];
    if word == "MasterDetail" {
        field.relationship_order = Some(node.text_of("relationshipOrder").parse().unwrap_or(0));
        field.updateable = node.is_true("reparentableMasterDetail");
        field.write_requires_master_read = node.is_true("writeRequiresMasterRead");
    }
    field.cascade_delete = node.text_of("deleteConstraint") == "Cascade";
    field.restricted_delete = node.text_of("deleteConstraint") == "Restrict";
    let name = node.text_of("relationshipName");
    (!name.is_empty()).then(|| format!("{name}__r"))
}
