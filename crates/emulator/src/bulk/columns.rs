// SPDX-License-Identifier: Apache-2.0
//! What the header row of an ingest job means (`salesforce-api.md` 3.2, CSV rules).
//!
//! A column is a field of the object (in any case), or a parent by external id: `Account.Ext__c`, and where several
//! objects are possible `User:Owner.Username`. One unknown column fails the whole job before any row is tried.

use crate::record::{Fields, Input};
use crate::schema::{FieldType, Object, Schema};

use super::csv::Row;
use super::deed::Deed;
use super::operation::Operation;

/// What sets a field to null; an empty value leaves it alone.
const NULL: &[u8] = b"#N/A";

/// The meaning of each column, in the order of the header.
#[derive(Debug)]
pub struct Columns {
    columns: Vec<Column>,
    /// Which column holds the Id of the record.
    id: Option<usize>,
    /// Which column holds the value an upsert matches by.
    external: Option<usize>,
}

#[derive(Debug)]
enum Column {
    Id,
    Field { name: String, boolean: bool },
    Parent { relationship: String, object: Option<String>, field: String },
}

impl Columns {
    /// Reads the header of a job on `object`. With `files` a column may be of type base64.
    ///
    /// # Errors
    /// The `errorMessage` of the job, which fails.
    pub fn read(
        header: &Row,
        schema: &Schema,
        object: &Object,
        operation: Operation,
        external_field: Option<&str>,
        files: bool,
    ) -> Result<Columns, String> {
        let mut read = Columns { columns: Vec::with_capacity(header.len()), id: None, external: None };
        for (index, name) in header.values().enumerate() {
            let name = String::from_utf8_lossy(name);
            let name = name.trim();
            let column = column(name, schema, object, files).ok_or_else(|| not_found(name))?;
            let is_id = matches!(column, Column::Id);
            if matches!(operation, Operation::Delete | Operation::HardDelete) && !is_id {
                return Err(not_found(name));
            }
            if is_id {
                read.id = Some(index);
            }
            if external_field.is_some_and(|field| field.eq_ignore_ascii_case(name)) {
                read.external = Some(index);
            }
            read.columns.push(column);
        }
        Ok(read)
    }

    /// What a row asks for.
    pub fn deed(&self, row: &Row) -> Deed {
        let text = |column: Option<usize>| column.map(|index| text(row.value(index)));
        let id = text(self.id).map(|id| id.trim().to_owned()).filter(|id| !id.is_empty());
        let external = text(self.external).filter(|value| !value.is_empty() && value.as_bytes() != NULL);
        Deed { id, external: external.map(Input::Text), fields: self.fields(row), error: None }
    }

    /// What a row writes: empty values left out, `#N/A` as null, and neither the Id nor (of an upsert) the external id.
    fn fields(&self, row: &Row) -> Fields {
        let mut fields = Fields::with_capacity(self.columns.len());
        for (index, column) in self.columns.iter().enumerate() {
            let value = row.value(index);
            if value.is_empty() || self.external == Some(index) {
                continue;
            }
            match column {
                Column::Id => {}
                Column::Field { name, boolean } => fields.push((name.clone(), input(value, *boolean))),
                Column::Parent { relationship, .. } if value == NULL => {
                    fields.push((relationship.clone(), Input::Null));
                }
                Column::Parent { relationship, object, field } => {
                    let mut parent = Vec::with_capacity(2);
                    if let Some(object) = object {
                        let kind = vec![("type".to_owned(), Input::Text(object.clone()))];
                        parent.push(("attributes".to_owned(), Input::Parent(kind)));
                    }
                    parent.push((field.clone(), input(value, false)));
                    fields.push((relationship.clone(), Input::Parent(parent)));
                }
            }
        }
        fields
    }
}

fn not_found(name: &str) -> String {
    format!("InvalidBatch : Field name not found : {name}")
}

/// Bytes that are no UTF-8 become replacement characters, as in every Java decoder.
fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value).into_owned()
}

fn input(value: &[u8], boolean: bool) -> Input {
    if value == NULL {
        return Input::Null;
    }
    let text = text(value);
    if boolean {
        match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" => return Input::Bool(true),
            "false" | "0" | "no" => return Input::Bool(false),
            _ => {}
        }
    }
    Input::Text(text)
}

fn column(name: &str, schema: &Schema, object: &Object, files: bool) -> Option<Column> {
    if let Some(field) = object.field(name) {
        return match field.kind {
            FieldType::Id => Some(Column::Id),
            // A compound field has no value of its own.
            FieldType::Address | FieldType::Location => None,
            // Bytes come only in the zip of a Bulk 1.0 batch, where the value names their file.
            FieldType::Base64 if !files => None,
            kind => Some(Column::Field { name: field.name.clone(), boolean: kind == FieldType::Boolean }),
        };
    }
    let (parent_object, path) = match name.split_once(':') {
        Some((parent_object, path)) => (Some(parent_object), path),
        None => (None, name),
    };
    let (relationship, external) = path.split_once('.')?;
    let reference = object.relationship(relationship)?;
    let candidates = reference.reference_to.iter().filter_map(|target| schema.object(target));
    let mut found = candidates
        .filter(|target| parent_object.is_none_or(|wanted| wanted.eq_ignore_ascii_case(&target.name)))
        .filter_map(|target| Some((target, target.field(external)?)))
        .filter(|(_, field)| field.external_id || field.id_lookup || field.kind == FieldType::Id);
    let (target, field) = found.next()?;
    Some(Column::Parent {
        relationship: reference.relationship_name.clone()?,
        object: parent_object.map(|_| target.name.clone()),
        field: field.name.clone(),
    })
}
