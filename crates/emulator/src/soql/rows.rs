// SPDX-License-Identifier: Apache-2.0
//! Rows as REST's records (`salesforce-api.md` 2.6): `attributes` with the URL in the version asked for, parents as nested records or
//! null, children as nested results or null, compound values, base64 fields as URLs.
//!
//! A child result always comes whole, with `done` true: who answers cuts it into pages.

use std::sync::Arc;

use rusqlite::Row;
use rusqlite::types::ValueRef;
use serde_json::{Map, Value as Json, json};

use super::functions::prepare;
use super::plan::{Entry, Kind, Plan, Shape};
use super::sql::{self, Rows, Sql};
use super::{failed, show};
use crate::error::ApiError;
use crate::schema::{Field, Schema};
use crate::store::Tx;
use crate::value::{self, Value};

/// What the building of records needs beside the row.
#[derive(Clone, Copy)]
pub struct Ground<'a> {
    pub tx: &'a Tx<'a>,
    pub schema: &'a Schema,
    /// The path above the objects: `/services/data/v67.0/sobjects`.
    pub base: &'a str,
}

/// The records of a plan. Those asked for by Id come in the order of the Ids; Ids that match no row any more are left out.
pub fn records(ground: Ground<'_>, plan: &Plan, rows: Rows<'_>) -> Result<Vec<Json>, ApiError> {
    let Sql { text, bound, .. } = sql::select(plan, rows);
    let mut statement = prepare(ground.tx.conn, &text).map_err(failed)?;
    let mut cursor = statement.query(rusqlite::params_from_iter(bound)).map_err(failed)?;
    let mut records = Vec::new();
    while let Some(row) = cursor.next().map_err(failed)? {
        let id =
            if plan.kind == Kind::Aggregate { String::new() } else { text_at(row, 0).unwrap_or_default().to_owned() };
        records.push((id, ground.record(plan, row)?));
    }
    if let Rows::Ids(ids) = rows {
        let place: std::collections::HashMap<&str, usize> =
            ids.iter().enumerate().map(|(place, id)| (id.as_str(), place)).collect();
        records.sort_by_key(|(id, _)| place.get(id.as_str()).copied());
    }
    Ok(records.into_iter().map(|(_, record)| record).collect())
}

impl Ground<'_> {
    fn record(self, plan: &Plan, row: &Row<'_>) -> Result<Json, ApiError> {
        let mut record = Map::with_capacity(plan.entries.len() + 1);
        let attributes = match (plan.kind, text_at(row, 0)) {
            (Kind::Rows, Some(id)) => self.attributes(&plan.object.name, &plan.object.name, id),
            _ => json!({"type": "AggregateResult"}),
        };
        record.insert("attributes".to_owned(), attributes);
        self.fill(&mut record, plan, &plan.entries, row)?;
        Ok(Json::Object(record))
    }

    fn attributes(self, shown: &str, object: &str, id: &str) -> Json {
        json!({"type": shown, "url": format!("{}/{object}/{id}", self.base)})
    }

    fn fill(
        self,
        record: &mut Map<String, Json>,
        plan: &Plan,
        entries: &[Entry],
        row: &Row<'_>,
    ) -> Result<(), ApiError> {
        for entry in entries {
            record.insert(entry.key().to_owned(), self.entry(plan, entry, row)?);
        }
        Ok(())
    }

    fn entry(self, plan: &Plan, entry: &Entry, row: &Row<'_>) -> Result<Json, ApiError> {
        Ok(match entry {
            Entry::Value { column, model, shape, .. } => value_at(row, *column, model.as_ref(), *shape),
            Entry::Content { object, id, field, .. } => match text_at(row, *id) {
                Some(id) => Json::String(format!("{}/{object}/{id}/{field}", self.base)),
                None => Json::Null,
            },
            Entry::Compound { parts, .. } => {
                let parts = parts.iter().map(|(name, column, field)| {
                    ((*name).to_owned(), value_at(row, *column, Some(field), Shape::Plain))
                });
                let parts: Map<String, Json> = parts.collect();
                if parts.values().all(Json::is_null) { Json::Null } else { Json::Object(parts) }
            }
            Entry::Parent { object, id, entries, .. } => match text_at(row, *id) {
                None => Json::Null,
                Some(id) => self.nested(plan, self.attributes(object, object, id), entries, row)?,
            },
            Entry::AnyParent { id, named, entries, .. } => match text_at(row, *id) {
                None => Json::Null,
                Some(id) => {
                    let object = self.object_of(id);
                    let shown = if *named { object } else { "Name" };
                    self.nested(plan, self.attributes(shown, object, id), entries, row)?
                }
            },
            Entry::TypeOf { id, branches, otherwise, .. } => match text_at(row, *id) {
                None => Json::Null,
                Some(id) => {
                    let object = self.object_of(id);
                    let branch = branches.iter().find(|(name, _)| name == object);
                    let entries = branch.map_or(otherwise, |(_, entries)| entries);
                    self.nested(plan, self.attributes(object, object, id), entries, row)?
                }
            },
            Entry::Children { at, .. } => self.children(plan, *at, text_at(row, 0).unwrap_or_default())?,
        })
    }

    fn nested(self, plan: &Plan, attributes: Json, entries: &[Entry], row: &Row<'_>) -> Result<Json, ApiError> {
        let mut record = Map::with_capacity(entries.len() + 1);
        record.insert("attributes".to_owned(), attributes);
        self.fill(&mut record, plan, entries, row)?;
        Ok(Json::Object(record))
    }

    fn object_of(&self, id: &str) -> &str {
        self.schema.by_prefix(id).map_or("Name", |object| object.name.as_str())
    }

    fn children(self, plan: &Plan, at: usize, parent: &str) -> Result<Json, ApiError> {
        let child = &plan.children[at];
        let records = records(self, &child.plan, Rows::Below(&child.reference, parent))?;
        if records.is_empty() {
            return Ok(Json::Null);
        }
        Ok(json!({"totalSize": records.len(), "done": true, "records": records}))
    }
}

fn text_at<'r>(row: &'r Row<'_>, column: usize) -> Option<&'r str> {
    match row.get_ref(column) {
        Ok(ValueRef::Text(text)) => std::str::from_utf8(text).ok(),
        _ => None,
    }
}

fn value_at(row: &Row<'_>, column: usize, model: Option<&Arc<Field>>, shape: Shape) -> Json {
    let stored = row.get_ref(column).unwrap_or(ValueRef::Null);
    let Some(field) = model else {
        return match stored {
            ValueRef::Integer(number) => Json::from(number),
            ValueRef::Real(number) => Json::from(number),
            ValueRef::Text(text) => Json::from(String::from_utf8_lossy(text)),
            ValueRef::Null | ValueRef::Blob(_) => Json::Null,
        };
    };
    let stored = Value::from_sql(stored, field.kind);
    match shape {
        Shape::Plain => value::json(&stored, field),
        Shape::Label => show::label(&stored, field),
        Shape::Format => show::format(&stored, field),
        Shape::Money(iso) => show::money(&stored, field, text_at(row, iso).unwrap_or_default()),
    }
}
