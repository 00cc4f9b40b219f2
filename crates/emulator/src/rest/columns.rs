// SPDX-License-Identifier: Apache-2.0
//! `/query?…&columns=true`: what a statement selects, without its rows. `sf data query` lays out its table by it.

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::error::ApiError;
use crate::org::Tx;
use crate::schema::{Field, FieldType, Object};
use crate::soql::ast::{Argument, Item, Path, Query, Value as Selected, Word};
use crate::soql::{self, Prepared};

/// The columns of a statement that was prepared, and so is known to be good.
pub fn answer(tx: &Tx<'_>, prepared: &Prepared, statement: &str) -> Result<Answer, ApiError> {
    let query = soql::parse(statement)?;
    let object = prepared.object();
    let columns = columns_of(tx, object, &query);
    let id_selected = query.select.iter().any(|item| {
        matches!(item, Item::Value { value: Selected::Path(path), .. } if path.text().eq_ignore_ascii_case("Id"))
    });
    Ok(Answer::ok(json!({
        "columnMetadata": columns,
        "entityName": object.name,
        "groupBy": prepared.is_aggregate(),
        "idSelected": id_selected,
        "keyPrefix": object.key_prefix,
    })))
}

fn columns_of(tx: &Tx<'_>, object: &Object, query: &Query) -> Vec<Value> {
    let mut columns: Vec<Value> = Vec::new();
    let mut unnamed = 0;
    for item in &query.select {
        match item {
            Item::Value { value: Selected::Path(path), alias } => {
                let path = without_from(path, query);
                match path.split_once('.') {
                    Some((relationship, rest)) => joined(tx, object, relationship, rest, &mut columns),
                    None => {
                        let mut column = plain(object.field(&path).map(AsRef::as_ref), &path);
                        if let Some(alias) = alias {
                            column["displayName"] = alias.text.as_str().into();
                        }
                        columns.push(column);
                    }
                }
            }
            Item::Value { value: Selected::Call { function, arguments }, alias } => {
                let shown = alias.as_ref().map_or_else(
                    || {
                        unnamed += 1;
                        format!("expr{}", unnamed - 1)
                    },
                    |alias| alias.text.clone(),
                );
                let field = arguments.first().and_then(|argument| match argument {
                    Argument::Value(Selected::Path(path)) => object.field(&path.text()),
                    _ => None,
                });
                // The column is known by its alias; what people see is the call.
                let mut column = plain(field.map(AsRef::as_ref), &shown);
                column["columnName"] = shown.into();
                column["aggregate"] = true.into();
                column["displayName"] = called(function, arguments).into();
                columns.push(column);
            }
            Item::Children(inner) => {
                let name = inner.from.path.text();
                let child = object.child(&name).and_then(|child| tx.schema.object(&child.object));
                let mut column = plain(None, &name);
                column["aggregate"] = true.into();
                if let Some(child) = child {
                    column["joinColumns"] = columns_of(tx, child, inner).into();
                }
                columns.push(column);
            }
            Item::TypeOf(of) => columns.push(plain(None, &of.path.text())),
            Item::Fields(word) => {
                let custom = match word.text.to_ascii_uppercase().as_str() {
                    "STANDARD" => Some(false),
                    "CUSTOM" => Some(true),
                    _ => None,
                };
                let wanted = object.fields.iter().filter(|field| custom.is_none_or(|custom| field.custom == custom));
                columns.extend(wanted.map(|field| plain(Some(field), &field.name)));
            }
        }
    }
    columns
}

/// `count(Id)`
fn called(function: &Word, arguments: &[Argument]) -> String {
    let arguments: Vec<String> = arguments
        .iter()
        .map(|argument| match argument {
            Argument::Value(Selected::Path(path)) => path.text(),
            Argument::Value(Selected::Call { function, arguments }) => called(function, arguments),
            Argument::Literal(..) => String::new(),
        })
        .collect();
    format!("{}({})", function.text, arguments.join(", "))
}

/// The path without the object's own name or alias before it: `a.Name` of `FROM Account a`.
fn without_from(path: &Path, query: &Query) -> String {
    let text = path.text();
    let Some((first, rest)) = text.split_once('.') else { return text };
    let same = |name: &str| name.eq_ignore_ascii_case(first);
    let own = same(&query.from.path.text()) || query.from.alias.as_ref().is_some_and(|alias| same(&alias.text));
    if own { rest.to_owned() } else { text }
}

/// A parent path: columns of one parent stand together below it.
fn joined(tx: &Tx<'_>, object: &Object, relationship: &str, rest: &str, columns: &mut Vec<Value>) {
    let field = object.relationship(relationship);
    let name = field.and_then(|field| field.relationship_name.clone()).unwrap_or_else(|| relationship.to_owned());
    let at = columns.iter().position(|column| column["columnName"] == name.as_str()).unwrap_or_else(|| {
        columns.push(plain(field.map(AsRef::as_ref), &name));
        columns.len() - 1
    });
    let parent = field.and_then(|field| tx.schema.object(field.reference_to.first()?));
    let mut below = match columns[at]["joinColumns"].take() {
        Value::Array(below) => below,
        _ => Vec::new(),
    };
    match (parent, rest.split_once('.')) {
        (Some(parent), Some((relationship, rest))) => joined(tx, parent, relationship, rest, &mut below),
        (parent, _) => below.push(plain(parent.and_then(|parent| parent.field(rest)).map(AsRef::as_ref), rest)),
    }
    columns[at]["joinColumns"] = below.into();
}

fn plain(field: Option<&Field>, name: &str) -> Value {
    let kind = field.map(|field| field.kind);
    let shown = field.filter(|field| field.name.eq_ignore_ascii_case(name)).map_or(name, |field| field.name.as_str());
    json!({
        "aggregate": false,
        "apexType": apex_type(kind),
        "booleanType": kind == Some(FieldType::Boolean),
        "columnName": shown,
        "custom": field.is_some_and(|field| field.custom),
        "displayName": shown,
        "foreignKeyName": field.and_then(|field| field.relationship_name.as_deref()),
        "insertable": field.is_some_and(|field| field.createable),
        "joinColumns": [],
        "numberType": kind.is_some_and(FieldType::is_number),
        "textType": kind.is_none_or(FieldType::is_text),
        "updatable": field.is_some_and(|field| field.updateable),
    })
}

fn apex_type(kind: Option<FieldType>) -> &'static str {
    match kind {
        Some(FieldType::Id | FieldType::Reference) => "Id",
        Some(FieldType::Boolean) => "Boolean",
        Some(FieldType::Int) => "Integer",
        Some(FieldType::Long) => "Long",
        Some(FieldType::Double) => "Double",
        Some(FieldType::Currency | FieldType::Percent) => "Decimal",
        Some(FieldType::Date) => "Date",
        Some(FieldType::Datetime) => "Datetime",
        Some(FieldType::Time) => "Time",
        Some(FieldType::Base64) => "Blob",
        Some(FieldType::Address) => "Address",
        Some(FieldType::Location) => "Location",
        _ => "String",
    }
}
