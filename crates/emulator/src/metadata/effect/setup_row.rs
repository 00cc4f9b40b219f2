// SPDX-License-Identifier: Apache-2.0
//! Components that stand in a table of their own, where queries find them: Apex code, pages, duplicate rules.
//!
//! The row has the component's Id and what its files say; which moments a trigger's first line names, as the `Usage…` fields.

use super::super::component;
use super::super::xml::Node;
use crate::org::Tx;
use crate::schema::FieldType;
use crate::value::Value;

/// Writes the row. None where the org has no such object.
pub fn save(tx: &Tx<'_>, kind: &str, full_name: &str, node: &Node, files: &[(String, Vec<u8>)]) -> Option<String> {
    let object = tx.schema.object(kind)?.clone();
    let known = component::find(tx, kind, full_name).map(|known| known.id).filter(|id| !id.is_empty());
    let id = known.unwrap_or_else(|| tx.next_id(&object));
    let (container, own) = full_name.split_once('.').unwrap_or(("", full_name));
    let body = files.iter().find(|(path, _)| !path.ends_with("-meta.xml"));
    let body = body.and_then(|(_, body)| std::str::from_utf8(body).ok()).unwrap_or_default();
    let first_line = body.split('{').next().unwrap_or_default().to_lowercase();
    let second = tx.now.div_euclid(1000) * 1000;
    let user = Value::Text(tx.first_user_id());
    let text = |text: &str| if text.is_empty() { Value::Null } else { Value::from(text) };
    let row = tx.row(&object, &id);
    let value = |field: &crate::schema::Field| match field.name.as_str() {
        "Id" => Value::Text(id.clone()),
        "Name" | "DeveloperName" => text(own),
        "MasterLabel" => {
            text(Some(node.text_of("masterLabel")).filter(|label| !label.is_empty()).unwrap_or(node.text_of("label")))
        }
        "SobjectType" => text(container),
        "IsActive" => Value::Bool(node.is_true("isActive")),
        "Body" | "Markup" if kind != "DuplicateRule" => text(body),
        "ApiVersion" => node.text_of("apiVersion").parse().map_or(Value::Null, Value::Num),
        "Status" => text(node.text_of("status")),
        "IsValid" => Value::Bool(true),
        "Language" => Value::from("en_US"),
        "LengthWithoutComments" => Value::Int(i64::try_from(body.chars().count()).unwrap_or(i64::MAX)),
        "TableEnumOrId" => text(table_of(body)),
        "CreatedById" | "CreatedDate" if row.is_some() => {
            row.as_ref().map_or(Value::Null, |row| row.get(&field.name).clone())
        }
        "CreatedById" | "LastModifiedById" => user.clone(),
        "CreatedDate" | "LastModifiedDate" | "SystemModstamp" => Value::Int(second),
        name => match (name.strip_prefix("Usage"), field.kind) {
            (Some("IsBulk"), _) => Value::Bool(false),
            (Some(moment), _) => Value::Bool(first_line.contains(&spaced(moment))),
            (None, FieldType::Boolean) => Value::Bool(false),
            (None, _) => Value::Null,
        },
    };
    let values: Vec<Value> = object.fields.iter().map(|field| value(field)).collect();
    tx.delete_row(&object, &id).and_then(|()| tx.insert_row(&object, &values)).expect("the store can be written");
    Some(id)
}

/// Removes the row. False when there was none.
pub fn remove(tx: &Tx<'_>, kind: &str, full_name: &str) -> bool {
    let (Some(object), Some(known)) = (tx.schema.object(kind).cloned(), component::find(tx, kind, full_name)) else {
        return false;
    };
    let there = tx.row(&object, &known.id).is_some();
    tx.delete_row(&object, &known.id).expect("the store can be written");
    there
}

/// `BeforeInsert` as a trigger's first line has it.
fn spaced(moment: &str) -> String {
    let mut out = String::new();
    for c in moment.chars() {
        if c.is_uppercase() && !out.is_empty() {
            out.push(' ');
        }
        out.extend(c.to_lowercase());
    }
    out
}

/// The object in `trigger Name on Object (…)`.
fn table_of(body: &str) -> &str {
    let mut words = body.split(|c: char| c.is_whitespace() || c == '(').filter(|word| !word.is_empty());
    let found = words.by_ref().any(|word| word.eq_ignore_ascii_case("trigger"));
    let mut rest = words.skip(1).skip_while(|word| !word.eq_ignore_ascii_case("on"));
    if found { rest.nth(1).unwrap_or_default() } else { "" }
}
