// SPDX-License-Identifier: Apache-2.0
//! The rows of a posted batch: CSV, a JSON array, `sObjects` of XML, or a zip that holds one of them as `request.txt` beside
//! the files that its rows name with `#` (`salesforce-api.md` 3.4, 6.8).

use std::collections::BTreeMap;

use serde_json::Value;

use crate::bulk::columns::Columns;
use crate::bulk::csv::{LineEnding, Reader, Row};
use crate::bulk::deed::Deed;
use crate::bulk::order::Order;
use crate::error::SaveError;
use crate::record::{Fields, Input};
use crate::schema::{FieldType, Object, Schema};

use super::order::Content;
use super::xml::{self, Element};
use super::zip;

/// A batch may have so many rows (`salesforce-api.md` 3.3).
const BATCH_MAX_ROWS: usize = 10_000;

/// Reads a batch.
///
/// # Errors
/// The `stateMessage` of the batch, which fails.
pub fn read(
    content: Content,
    schema: &Schema,
    object: &Object,
    order: &Order,
    body: &[u8],
) -> Result<Vec<Deed>, String> {
    let mut files = BTreeMap::new();
    let request;
    let text = if content.is_zip() {
        files = zip::read(body).map_err(|error| format!("InvalidBatch : {error}"))?;
        let found = files.remove("request.txt");
        request = found.ok_or("InvalidBatch : The request.txt file can't be found in the zip content")?;
        &request[..]
    } else {
        body
    };
    let mut deeds = match content {
        Content::Csv | Content::ZipCsv => csv(schema, object, order, text, content.is_zip())?,
        Content::Json | Content::ZipJson => json(order, text)?,
        Content::Xml | Content::ZipXml => sobjects(order, text)?,
    };
    if deeds.is_empty() {
        return Err("InvalidBatch : Records not found".to_owned());
    }
    if deeds.len() > BATCH_MAX_ROWS {
        return Err(format!(
            "InvalidBatch : Batch has {} records, more than the maximum of {BATCH_MAX_ROWS}",
            deeds.len()
        ));
    }
    if content.is_zip() {
        deeds.iter_mut().for_each(|deed| attach(deed, object, &files));
    }
    Ok(deeds)
}

/// Puts the bytes of the files in place of their names.
fn attach(deed: &mut Deed, object: &Object, files: &BTreeMap<String, Vec<u8>>) {
    for (name, value) in &mut deed.fields {
        let is_file = object.field(name).is_some_and(|field| field.kind == FieldType::Base64);
        let Input::Text(path) = &*value else { continue };
        if !is_file {
            continue;
        }
        match path.strip_prefix('#').and_then(|path| files.get(path)) {
            Some(bytes) => *value = Input::Bytes(bytes.clone()),
            None => {
                let text = format!("Cannot find the binary file of field {name}: {path}");
                deed.error = Some(SaveError::new("INVALID_FIELD", text, &[name]));
                return;
            }
        }
    }
}

fn csv(schema: &Schema, object: &Object, order: &Order, body: &[u8], files: bool) -> Result<Vec<Deed>, String> {
    // Bulk 1.0 has no line ending in its jobs: the first one that is met counts.
    let first = body.iter().position(|&byte| byte == b'\n');
    let ending = match first.and_then(|at| at.checked_sub(1)).map(|before| body[before]) {
        Some(b'\r') => LineEnding::CrLf,
        _ => LineEnding::Lf,
    };
    let mut reader = Reader::new(body, order.delimiter, ending);
    let mut header = Row::default();
    if !reader.read(&mut header).map_err(|broken| broken.job_error(ending))? {
        return Ok(Vec::new());
    }
    let field = order.external_field.as_deref();
    let columns = Columns::read(&header, schema, object, order.operation, field, files)?;
    let mut deeds = Vec::new();
    let mut row = Row::default();
    while reader.read(&mut row).map_err(|broken| broken.job_error(ending))? {
        if row.len() != header.len() {
            return Err(format!(
                "InvalidBatch : Failed to parse CSV. A record has {} values, the header {}",
                row.len(),
                header.len()
            ));
        }
        deeds.push(columns.deed(&row));
    }
    Ok(deeds)
}

fn json(order: &Order, body: &[u8]) -> Result<Vec<Deed>, String> {
    let rows = match serde_json::from_slice(body) {
        Ok(Value::Array(rows)) => rows,
        Ok(_) => return Err("InvalidBatch : Failed to parse JSON. An array of records was expected".to_owned()),
        Err(error) => return Err(format!("InvalidBatch : Failed to parse JSON. {error}")),
    };
    rows.into_iter()
        .map(|row| match input(row) {
            Some(Input::Parent(fields)) => Ok(deed(order, fields)),
            _ => Err("InvalidBatch : Failed to parse JSON. A record must be an object".to_owned()),
        })
        .collect()
}

/// `attributes` is no field, but of a parent it says the type.
fn input(value: Value) -> Option<Input> {
    Some(match value {
        Value::Null => Input::Null,
        Value::Bool(flag) => Input::Bool(flag),
        Value::Number(number) => Input::Number(number.to_string()),
        Value::String(text) => Input::Text(text),
        Value::Object(members) => {
            let fields = members.into_iter().map(|(name, value)| Some((name, input(value)?)));
            Input::Parent(fields.collect::<Option<Fields>>()?)
        }
        Value::Array(_) => return None,
    })
}

fn sobjects(order: &Order, body: &[u8]) -> Result<Vec<Deed>, String> {
    let root = xml::parse(body).filter(|root| root.name == "sObjects");
    let root = root.ok_or("InvalidBatch : Failed to parse XML. sObjects were expected")?;
    let rows = root.children.into_iter().filter(|child| child.name == "sObject");
    Ok(rows.map(|row| deed(order, row.children.into_iter().map(field).collect())).collect())
}

/// `<Owner><sObject><type>User</type><Username>…</Username></sObject></Owner>` names a parent.
fn field(element: Element) -> (String, Input) {
    if element.is_nil {
        return (element.name, Input::Null);
    }
    let Some(parent) = element.children.into_iter().find(|child| child.name == "sObject") else {
        return (element.name, Input::Text(element.text));
    };
    let mut fields = Fields::new();
    for child in parent.children {
        if child.name == "type" {
            let kind = vec![("type".to_owned(), Input::Text(child.text))];
            fields.push(("attributes".to_owned(), Input::Parent(kind)));
        } else {
            fields.push(field(child));
        }
    }
    (element.name, Input::Parent(fields))
}

/// A row whose fields are named, with what identifies it taken out.
fn deed(order: &Order, fields: Fields) -> Deed {
    let mut deed = Deed::default();
    for (name, value) in fields {
        let matches = order.external_field.as_deref().is_some_and(|field| field.eq_ignore_ascii_case(&name));
        if matches {
            deed.external = Some(value.clone()).filter(|value| !is_blank(value));
        }
        if name.eq_ignore_ascii_case("Id") {
            deed.id = match value {
                Input::Text(id) => Some(id.trim().to_owned()).filter(|id| !id.is_empty()),
                _ => None,
            };
        } else if !matches && name != "attributes" {
            deed.fields.push((name, value));
        }
    }
    deed
}

fn is_blank(value: &Input) -> bool {
    match value {
        Input::Null => true,
        Input::Text(text) => text.is_empty(),
        _ => false,
    }
}
