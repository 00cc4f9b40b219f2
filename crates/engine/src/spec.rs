// SPDX-License-Identifier: Apache-2.0
//! What is read of an object and in which columns it is kept, decided by what the org says of it (its describe) and by
//! nothing else.
//!
//! Compound fields (`address`, `location`) are left out: their components are fields of their own. The body of a file
//! (`base64`) is not a value of a row: its column holds a reference to the body, which the vault keeps once per content.

use crate::error::Result;
use orgkeep_salesforce::{Describe, Field, soql};
use orgkeep_vault::{Column, ColumnType, Schema};
use serde_json::json;

/// An object of an org, as a backup reads it.
#[derive(Clone, Debug)]
pub(crate) struct Spec {
    pub object: String,
    /// Fields that are selected, `Id` first.
    pub fields: Vec<String>,
    /// Columns they are kept in, in the same order, then the one of the body.
    pub schema: Schema,
    /// The field that tells when a row changed last, best first: SystemModstamp, LastModifiedDate, CreatedDate, LoginTime.
    pub stamp: Option<String>,
    /// Whether the org can tell the newest of these stamps.
    pub newest_known: bool,
    /// Whether deleted rows can be told apart (`IsDeleted`).
    pub soft_deletes: bool,
    pub body: Option<Body>,
    /// Base64 fields beyond the first, which are not read.
    pub unread: Vec<String>,
    /// Rich text areas, whose images are kept beside the rows.
    pub rich: Vec<String>,
    /// Formula and roll-up fields, which change without a stamp.
    pub calculated: Vec<String>,
}

/// Where the body of a file is.
#[derive(Clone, Debug)]
pub(crate) struct Body {
    pub field: String,
    /// MD5 of the body, where the org knows it (ContentVersion).
    pub checksum: Option<String>,
    /// Number of bytes.
    pub length: Option<String>,
}

impl Spec {
    pub fn new(describe: &Describe) -> Result<Spec> {
        let has = |name: &str| describe.fields.iter().any(|field| field.name == name);
        let first = |names: &[&str]| names.iter().find(|name| has(name)).map(|name| (*name).to_owned());
        let mut readable: Vec<&Field> = describe
            .fields
            .iter()
            .filter(|field| !matches!(field.field_type.name(), "address" | "location" | "base64"))
            .collect();
        readable.sort_by_key(|field| field.name != "Id");
        let mut columns: Vec<Column> =
            readable.iter().map(|field| Column::new(&field.name, column_type(field))).collect();
        let mut bodies = describe.fields.iter().filter(|field| field.field_type.name() == "base64");
        let body = bodies.next().map(|field| Body {
            field: field.name.clone(),
            checksum: first(&["Checksum"]),
            length: first(&["ContentSize", "BodyLength"]),
        });
        if let Some(body) = &body {
            columns.push(Column::new(&body.field, ColumnType::Text));
        }
        let stamp = stamp(describe);
        let aggregatable = |stamp: &String| describe.field(stamp).is_some_and(|field| field.aggregatable);
        Ok(Spec {
            object: describe.name.clone(),
            fields: readable.iter().map(|field| field.name.clone()).collect(),
            schema: Schema::new(columns)?,
            newest_known: stamp.as_ref().is_some_and(aggregatable),
            stamp,
            soft_deletes: has("IsDeleted"),
            body,
            unread: bodies.map(|field| field.name.clone()).collect(),
            rich: readable.iter().filter(|field| is_rich(field)).map(|field| field.name.clone()).collect(),
            calculated: readable.iter().filter(|field| field.calculated).map(|field| field.name.clone()).collect(),
        })
    }

    /// Without a field that the org refuses. `None` where nothing is lost with it, or too much.
    pub fn without(&self, field: &str) -> Option<Spec> {
        let place = self.position(field)?;
        let needed = ["Id", "IsDeleted"].contains(&field) || self.stamp.as_deref() == Some(field);
        let of_body = |body: &Body| body.checksum.as_deref() == Some(field) || body.length.as_deref() == Some(field);
        if needed || self.body.as_ref().is_some_and(of_body) {
            return None;
        }
        let mut less = self.clone();
        less.fields.remove(place);
        less.calculated.retain(|name| name != field);
        less.rich.retain(|name| name != field);
        let columns = self.schema.columns().iter().filter(|column| column.name != field).cloned().collect();
        less.schema = Schema::new(columns).ok()?;
        Some(less)
    }

    /// Columns without the one of the body, which only the vault has.
    pub fn schema_without_body(&self) -> Result<Schema> {
        let columns = self.schema.columns().iter().take(self.fields.len()).cloned().collect();
        Ok(Schema::new(columns)?)
    }

    /// Names of the columns, in their order.
    pub fn columns(&self) -> Vec<String> {
        self.schema.columns().iter().map(|column| column.name.clone()).collect()
    }

    /// Whether every column is among the fields that were read before.
    pub fn is_covered_by(&self, fields: &[String]) -> bool {
        let names = || self.schema.columns().iter().map(|column| &column.name);
        // They hardly ever differ, and are then in the same order.
        names().eq(fields) || names().all(|name| fields.contains(name))
    }

    /// Position of a field among [`Spec::fields`].
    pub fn position(&self, field: &str) -> Option<usize> {
        self.fields.iter().position(|name| name == field)
    }

    /// `SELECT … FROM object WHERE …`.
    pub fn select(&self, condition: Option<&str>) -> String {
        soql::select(&self.fields, &self.object, condition)
    }
}

/// What of a describe decides how its object is read, as a describe: a twentieth of it, so that a backup that finds nothing changed has
/// little to parse.
pub(crate) fn outline(describe: &Describe) -> String {
    let field = |field: &Field| {
        let mut outline = json!({"name": field.name, "type": field.field_type.name()});
        let flags =
            [("aggregatable", field.aggregatable), ("calculated", field.calculated), ("filterable", field.filterable)];
        if is_rich(field) {
            outline["extraTypeInfo"] = RICH.into();
        }
        for (flag, _) in flags.into_iter().filter(|(_, is)| *is) {
            outline[flag] = true.into();
        }
        for (number, value) in [("precision", field.precision), ("scale", field.scale)] {
            if value != 0 {
                outline[number] = value.into();
            }
        }
        outline
    };
    json!({"name": describe.name, "fields": describe.fields.iter().map(field).collect::<Vec<_>>()}).to_string()
}

/// What a describe says of a rich text area.
const RICH: &str = "richtextarea";

fn is_rich(field: &Field) -> bool {
    field.extra_type_info.as_deref() == Some(RICH)
}

/// Some objects show a stamp and refuse to be filtered by it (`salesforce-api.md` 3.5); they are read whole.
fn stamp(describe: &Describe) -> Option<String> {
    let filterable = |name: &&&str| describe.fields.iter().any(|field| field.name == **name && field.filterable);
    ["SystemModstamp", "LastModifiedDate", "CreatedDate", "LoginTime"]
        .iter()
        .find(filterable)
        .map(|name| (*name).to_owned())
}

/// Calculated numbers come with more digits than their describe admits, so they are kept as floating point; stored ones
/// as decimals of their declared size. Whatever does not fit is kept verbatim by the vault.
fn column_type(field: &Field) -> ColumnType {
    match field.field_type.name() {
        "boolean" => ColumnType::Boolean,
        "int" | "long" => ColumnType::Integer,
        "double" | "currency" | "percent" if field.calculated => ColumnType::Double,
        "double" | "currency" | "percent" => match (u8::try_from(field.precision), i8::try_from(field.scale)) {
            (Ok(precision @ 1..=38), Ok(scale)) if scale as u8 <= precision => ColumnType::Decimal { precision, scale },
            _ => ColumnType::Double,
        },
        "date" => ColumnType::Date,
        "datetime" => ColumnType::Timestamp,
        _ => ColumnType::Text,
    }
}
