// SPDX-License-Identifier: Apache-2.0
//! Rows as REST's records (`salesforce-api.md` 2.6): `attributes` with the URL in the version asked for, parents as nested records or
//! null, children as nested results or null, compound values, base64 fields as URLs.
//!
//! A record is written straight from SQLite's row: as JSON's text for who sends it on, as a value for who looks into it. Both
//! are made by one description of the record ([`Record`]), so they cannot differ.
//!
//! A child result always comes whole, with `done` true: who answers cuts it into pages.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::Row;
use rusqlite::types::ValueRef;
use serde::ser::{Error as _, SerializeMap};
use serde::{Serialize, Serializer};
use serde_json::{Value as Json, json};

use super::functions;
use super::plan::{Entry, Kind, Plan, Shape};
use super::sql::{self, Rows, Sql};
use super::{failed, show};
use crate::error::ApiError;
use crate::schema::{Field, Schema};
use crate::store::Tx;
use crate::value::{Shown, Value};

/// What the building of records needs beside the row.
pub struct Ground<'a> {
    tx: &'a Tx<'a>,
    schema: &'a Schema,
    /// The path above the objects: `/services/data/v67.0/sobjects`.
    base: &'a str,
    /// Why a child result could not be read: a serializer's error cannot carry it.
    refusal: RefCell<Option<ApiError>>,
    most_children: Cell<usize>,
}

/// Records as the members of a JSON list, parted by commas.
#[derive(Debug, Default)]
pub struct Text {
    pub json: Vec<u8>,
    pub records: usize,
    /// Whether there was a further row beyond those asked for.
    pub is_more: bool,
    /// The length of the longest child result.
    pub most_children: usize,
}

impl<'a> Ground<'a> {
    pub fn new(tx: &'a Tx<'a>, schema: &'a Schema, base: &'a str) -> Ground<'a> {
        Ground { tx, schema, base, refusal: RefCell::default(), most_children: Cell::default() }
    }

    /// The records of a plan, at most so many. Those asked for by Id come in the order of the Ids; Ids that match no row any more
    /// are left out. Says whether there are more.
    pub fn records(&self, plan: &Plan, rows: Rows<'_>, most: usize) -> Result<(Vec<Json>, bool), ApiError> {
        let mut records = Vec::new();
        let (order, is_more) = self.each(plan, rows, most, |record| {
            records.push(serde_json::to_value(record)?);
            Ok(())
        })?;
        let records = match order {
            None => records,
            Some(order) => order.into_iter().map(|at| records[at].take()).collect(),
        };
        Ok((records, is_more))
    }

    /// The same as text.
    pub fn text(&self, plan: &Plan, rows: Rows<'_>, most: usize) -> Result<Text, ApiError> {
        let mut json = Vec::with_capacity(4_096);
        let mut ends = Vec::new();
        let (order, is_more) = self.each(plan, rows, most, |record| {
            if !ends.is_empty() {
                json.push(b',');
            }
            serde_json::to_writer(&mut json, &record)?;
            ends.push(json.len());
            Ok(())
        })?;
        if let Some(order) = order {
            let mut ordered = Vec::with_capacity(json.len());
            for at in order {
                if !ordered.is_empty() {
                    ordered.push(b',');
                }
                let begin = if at == 0 { 0 } else { ends[at - 1] + 1 };
                ordered.extend_from_slice(&json[begin..ends[at]]);
            }
            json = ordered;
        }
        Ok(Text { json, records: ends.len(), is_more, most_children: self.most_children.get() })
    }

    /// Gives every matching record to `each`, whose error ends the reading.
    pub fn every<E: From<ApiError>>(&self, plan: &Plan, mut each: impl FnMut(Json) -> Result<(), E>) -> Result<(), E> {
        let mut stop = None;
        let read = self.each(plan, Rows::Matching, usize::MAX, |record| {
            each(serde_json::to_value(record)?).map_err(|error| {
                stop = Some(error);
                serde_json::Error::custom("the reading was ended")
            })
        });
        match stop {
            Some(error) => Err(error),
            None => read.map(|_| ()).map_err(E::from),
        }
    }

    /// Gives at most so many records to `each`, and says whether there was one more. Where they did not come in the order of the
    /// Ids asked for, it tells their places in that order.
    fn each(
        &self,
        plan: &Plan,
        rows: Rows<'_>,
        most: usize,
        mut each: impl FnMut(Record<'_>) -> serde_json::Result<()>,
    ) -> Result<(Option<Vec<usize>>, bool), ApiError> {
        let Sql { text, bound, .. } = sql::select(plan, rows);
        let Some(mut statement) = functions::if_used(self.tx.conn, &text, plan).map_err(failed)? else {
            return Ok((None, false));
        };
        let mut cursor = statement.query(rusqlite::params_from_iter(bound)).map_err(failed)?;
        let mut order = Order::of(rows);
        let mut count = 0;
        while let Some(row) = cursor.next().map_err(failed)? {
            if count == most {
                return Ok((order.places(), true));
            }
            if let Rows::Ids(_) = rows {
                order.add(text_at(row, 0).unwrap_or_default());
            }
            each(Record { ground: self, plan, row }).map_err(|error| self.refused(&error))?;
            count += 1;
        }
        Ok((order.places(), false))
    }

    fn refused(&self, error: &serde_json::Error) -> ApiError {
        let refusal = self.refusal.borrow_mut().take();
        refusal.unwrap_or_else(|| ApiError::new(500, "UNKNOWN_EXCEPTION", error.to_string()))
    }

    fn object_of(&self, id: &str) -> &str {
        self.schema.by_prefix(id).map_or("Name", |object| object.name.as_str())
    }

    fn children(&self, plan: &Plan, at: usize, parent: &str) -> Result<Json, ApiError> {
        let child = &plan.children[at];
        let (records, _) = self.records(&child.plan, Rows::Below(&child.reference, parent), usize::MAX)?;
        self.most_children.set(self.most_children.get().max(records.len()));
        if records.is_empty() {
            return Ok(Json::Null);
        }
        Ok(json!({"totalSize": records.len(), "done": true, "records": records}))
    }
}

/// The order of the Ids asked for. It costs nothing as long as rows come in it, as they do where the statement has no other.
struct Order<'a> {
    ids: &'a [String],
    /// The place after the last row's.
    next: usize,
    came: Vec<usize>,
    is_kept: bool,
    by_id: HashMap<&'a str, usize>,
}

impl<'a> Order<'a> {
    fn of(rows: Rows<'a>) -> Order<'a> {
        let ids = if let Rows::Ids(ids) = rows { ids } else { &[] };
        Order { ids, next: 0, came: Vec::new(), is_kept: true, by_id: HashMap::new() }
    }

    fn add(&mut self, id: &str) {
        if self.is_kept
            && let Some(further) = self.ids[self.next..].iter().take(16).position(|known| known == id)
        {
            self.next += further + 1;
            self.came.push(self.next - 1);
            return;
        }
        if self.by_id.is_empty() {
            self.by_id = self.ids.iter().enumerate().map(|(place, id)| (id.as_str(), place)).collect();
        }
        let place = self.by_id.get(id).copied().unwrap_or(usize::MAX);
        self.is_kept &= self.came.last().is_none_or(|last| *last < place);
        self.next = place.saturating_add(1).min(self.ids.len());
        self.came.push(place);
    }

    /// Which of the rows that came stands first, second, …; none when they came so.
    fn places(self) -> Option<Vec<usize>> {
        if self.is_kept {
            return None;
        }
        let mut places: Vec<usize> = (0..self.came.len()).collect();
        places.sort_by_key(|at| self.came[*at]);
        Some(places)
    }
}

/// One row as it is shown.
struct Record<'r> {
    ground: &'r Ground<'r>,
    plan: &'r Plan,
    row: &'r Row<'r>,
}

/// A record that is not its statement's own: a parent.
struct Nested<'r> {
    record: &'r Record<'r>,
    attributes: Attributes<'r>,
    entries: &'r [Entry],
}

struct Attributes<'r> {
    shown: &'r str,
    base: &'r str,
    object: &'r str,
    id: &'r str,
}

struct Member<'r> {
    record: &'r Record<'r>,
    entry: &'r Entry,
}

struct Compound<'r> {
    record: &'r Record<'r>,
    parts: &'r [(&'static str, usize, Arc<Field>)],
}

/// What a base64 field shows: where its content is read.
struct Address<'r>(std::fmt::Arguments<'r>);

impl Serialize for Address<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl Serialize for Record<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.plan.entries.len() + 1))?;
        match (self.plan.kind, text_at(self.row, 0)) {
            (Kind::Rows, Some(id)) => {
                let name = &self.plan.object.name;
                map.serialize_entry("attributes", &self.attributes(name, name, id))?;
            }
            _ => map.serialize_entry("attributes", &Aggregate { kind: "AggregateResult" })?,
        }
        self.fill(&mut map, &self.plan.entries)?;
        map.end()
    }
}

#[derive(Serialize)]
struct Aggregate {
    #[serde(rename = "type")]
    kind: &'static str,
}

impl<'r> Record<'r> {
    fn attributes<'s>(&'s self, shown: &'s str, object: &'s str, id: &'s str) -> Attributes<'s> {
        Attributes { shown, base: self.ground.base, object, id }
    }

    fn fill<M: SerializeMap>(&'r self, map: &mut M, entries: &'r [Entry]) -> Result<(), M::Error> {
        entries.iter().try_for_each(|entry| map.serialize_entry(entry.key(), &Member { record: self, entry }))
    }

    fn nested<'s>(&'s self, shown: &'s str, object: &'s str, id: &'s str, entries: &'s [Entry]) -> Nested<'s> {
        Nested { record: self, attributes: self.attributes(shown, object, id), entries }
    }
}

impl Serialize for Attributes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("type", self.shown)?;
        map.serialize_entry("url", &Address(format_args!("{}/{}/{}", self.base, self.object, self.id)))?;
        map.end()
    }
}

impl Serialize for Nested<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.entries.len() + 1))?;
        map.serialize_entry("attributes", &self.attributes)?;
        self.record.fill(&mut map, self.entries)?;
        map.end()
    }
}

impl Serialize for Compound<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let row = self.record.row;
        let empty = |column: usize| matches!(row.get_ref(column), Ok(ValueRef::Null) | Err(_));
        // No part is a flag, which would be false rather than absent.
        if self.parts.iter().all(|(_, column, _)| empty(*column)) {
            return serializer.serialize_unit();
        }
        let mut map = serializer.serialize_map(Some(self.parts.len()))?;
        for (name, column, field) in self.parts {
            map.serialize_entry(name, &Shown { value: row.get_ref(*column).unwrap_or(ValueRef::Null), field })?;
        }
        map.end()
    }
}

impl Serialize for Member<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Record { ground, plan, row } = self.record;
        match self.entry {
            Entry::Value { column, model, shape, .. } => serialize(row, *column, model.as_ref(), *shape, serializer),
            Entry::Content { object, id, field, .. } => match text_at(row, *id) {
                Some(id) => serializer.collect_str(&format_args!("{}/{object}/{id}/{field}", ground.base)),
                None => serializer.serialize_unit(),
            },
            Entry::Compound { parts, .. } => Compound { record: self.record, parts }.serialize(serializer),
            Entry::Parent { object, id, entries, .. } => match text_at(row, *id) {
                None => serializer.serialize_unit(),
                Some(id) => self.record.nested(object, object, id, entries).serialize(serializer),
            },
            Entry::AnyParent { id, named, entries, .. } => match text_at(row, *id) {
                None => serializer.serialize_unit(),
                Some(id) => {
                    let object = ground.object_of(id);
                    let shown = if *named { object } else { "Name" };
                    self.record.nested(shown, object, id, entries).serialize(serializer)
                }
            },
            Entry::TypeOf { id, branches, otherwise, .. } => match text_at(row, *id) {
                None => serializer.serialize_unit(),
                Some(id) => {
                    let object = ground.object_of(id);
                    let branch = branches.iter().find(|(name, _)| name == object);
                    let entries = branch.map_or(otherwise, |(_, entries)| entries);
                    self.record.nested(object, object, id, entries).serialize(serializer)
                }
            },
            Entry::Children { at, .. } => match ground.children(plan, *at, text_at(row, 0).unwrap_or_default()) {
                Ok(result) => result.serialize(serializer),
                Err(error) => {
                    ground.refusal.borrow_mut().get_or_insert(error);
                    Err(S::Error::custom("a child result cannot be read"))
                }
            },
        }
    }
}

fn text_at<'r>(row: &'r Row<'_>, column: usize) -> Option<&'r str> {
    match row.get_ref(column) {
        Ok(ValueRef::Text(text)) => std::str::from_utf8(text).ok(),
        _ => None,
    }
}

fn serialize<S: Serializer>(
    row: &Row<'_>,
    column: usize,
    model: Option<&Arc<Field>>,
    shape: Shape,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let stored = row.get_ref(column).unwrap_or(ValueRef::Null);
    let Some(field) = model else {
        return match stored {
            ValueRef::Integer(number) => serializer.serialize_i64(number),
            ValueRef::Real(number) => serializer.serialize_f64(number),
            ValueRef::Text(text) => serializer.serialize_str(&String::from_utf8_lossy(text)),
            ValueRef::Null | ValueRef::Blob(_) => serializer.serialize_unit(),
        };
    };
    let shown = match shape {
        Shape::Plain => return Shown { value: stored, field }.serialize(serializer),
        Shape::Label => show::label(&Value::from_sql(stored, field.kind), field),
        Shape::Format => show::format(&Value::from_sql(stored, field.kind), field),
        Shape::Money(iso) => {
            show::money(&Value::from_sql(stored, field.kind), field, text_at(row, iso).unwrap_or_default())
        }
    };
    shown.serialize(serializer)
}
