// SPDX-License-Identifier: Apache-2.0
//! Records in JSON, read into [`Rows`] without building a tree: each value goes from the body into its cell.
//!
//! Numbers keep their characters, since they are never made into numbers. A datetime is written `…T16:21:26.000+0000`
//! in JSON and `…T16:21:26.000Z` in CSV (`salesforce-api.md` 2.1, 3.1), and rows have the latter. JSON does not say
//! that a string is a datetime, so a string of that form is changed only if the object's describe says that its field
//! is one; the parser reports the objects whose describe it needs for that, and is then run again.
//!
//! Values that are no cell (an address, a location) are given as their JSON. Fields of type `anyType`, such as the
//! values of field histories, stay as they are.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::error::{Error, Kind, Result};
use crate::rows::{Rows, RowsBuilder};

/// Lower-case names of an object's datetime fields.
pub(crate) type DatetimeFields = HashSet<String>;

/// Lower-case object name to its datetime fields; `None` where the object could not be described.
pub(crate) type KnownDatetimes = HashMap<String, Option<DatetimeFields>>;

/// Datetime fields that every object has under these names.
const SYSTEM_DATETIMES: [&str; 5] =
    ["createddate", "lastmodifieddate", "systemmodstamp", "lastvieweddate", "lastreferenceddate"];

/// Where the values of a record go.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    pub columns: Arc<[String]>,
    root: Node,
}

#[derive(Debug, Clone, Default)]
struct Node {
    /// Field name in lower case, the column it fills, and the fields below it.
    fields: Vec<(String, Option<usize>, Node)>,
}

impl Shape {
    /// Columns are named as in a SELECT list, also along paths: `Owner.Name`.
    pub(crate) fn of(columns: &[String]) -> Shape {
        let mut root = Node::default();
        for (place, column) in columns.iter().enumerate() {
            let mut node = &mut root;
            let mut parts = column.split('.').peekable();
            while let Some(part) = parts.next() {
                let name = part.to_ascii_lowercase();
                let found = node.fields.iter().position(|(field, ..)| *field == name).unwrap_or_else(|| {
                    node.fields.push((name, None, Node::default()));
                    node.fields.len() - 1
                });
                if parts.peek().is_none() {
                    node.fields[found].1 = Some(place);
                }
                node = &mut node.fields[found].2;
            }
        }
        Shape { columns: columns.into(), root }
    }
}

/// Reads an array of records; `null` entries are left out.
pub(crate) enum Parsed {
    Rows(Rows),
    /// These objects must be described first.
    Unknown(BTreeSet<String>),
}

pub(crate) fn parse(records: &RawValue, shape: &Shape, known: &KnownDatetimes, doing: &str) -> Result<Parsed> {
    let mut cells = Cells {
        known,
        text: String::new(),
        places: vec![(0, 0); shape.columns.len()],
        rows: RowsBuilder::new(shape.columns.clone()),
        unknown: BTreeSet::new(),
    };
    let mut json = serde_json::Deserializer::from_str(records.get());
    let read = Records { node: &shape.root, cells: &mut cells }.deserialize(&mut json);
    read.map_err(|source| {
        Error::new(Kind::Corrupt, doing, "the records have not the expected form").caused_by(source)
    })?;
    if cells.unknown.is_empty() { cells.rows.finish().map(Parsed::Rows) } else { Ok(Parsed::Unknown(cells.unknown)) }
}

struct Cells<'a> {
    known: &'a KnownDatetimes,
    /// The current record's values in the order of the JSON, and where each column's is.
    text: String,
    places: Vec<(usize, usize)>,
    rows: RowsBuilder,
    unknown: BTreeSet<String>,
}

impl Cells<'_> {
    fn set(&mut self, column: usize, value: &str) {
        let start = self.text.len();
        self.text.push_str(value);
        self.places[column] = (start, self.text.len());
    }

    fn end_record(&mut self) {
        for &(start, end) in &self.places {
            self.rows.push_cell(&self.text[start..end]);
        }
        self.text.clear();
        self.places.fill((0, 0));
    }

    /// Whether this field holds datetimes; `None` where only a describe can tell.
    fn is_datetime(&self, object: &str, field: &str) -> Option<bool> {
        if SYSTEM_DATETIMES.contains(&field) || object.is_empty() || object == "aggregateresult" {
            return Some(true);
        }
        match self.known.get(object)? {
            Some(fields) => Some(fields.contains(field)),
            // Not to be described, as `Name`: the form speaks for itself.
            None => Some(true),
        }
    }
}

struct Records<'a, 'c> {
    node: &'a Node,
    cells: &'a mut Cells<'c>,
}

impl<'de> DeserializeSeed<'de> for Records<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Records<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of records")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut records: A) -> Result<(), A::Error> {
        while let Some(found) = records.next_element_seed(Record { node: self.node, cells: &mut *self.cells })? {
            if found {
                self.cells.end_record();
            }
        }
        Ok(())
    }
}

/// One record, or the record that a path leads to. `false` for null.
struct Record<'a, 'c> {
    node: &'a Node,
    cells: &'a mut Cells<'c>,
}

impl<'de> DeserializeSeed<'de> for Record<'_, '_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Record<'_, '_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record or null")
    }

    fn visit_unit<E>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<bool, A::Error> {
        #[derive(serde::Deserialize)]
        struct Attributes<'a> {
            #[serde(borrow, rename = "type")]
            object: Option<Cow<'a, str>>,
        }
        let Record { node, cells } = self;
        let mut object = String::new();
        let mut datetimes: Vec<(usize, &str)> = Vec::new();
        while let Some(name) = members.next_key::<Cow<'de, str>>()? {
            if name == "attributes" {
                let attributes: Attributes<'de> = members.next_value()?;
                object = attributes.object.unwrap_or_default().to_ascii_lowercase();
                continue;
            }
            let Some((field, column, below)) = node.fields.iter().find(|(field, ..)| field.eq_ignore_ascii_case(&name))
            else {
                members.next_value::<serde::de::IgnoredAny>()?;
                continue;
            };
            if !below.fields.is_empty() && column.is_none() {
                members.next_value_seed(Record { node: below, cells: &mut *cells })?;
                continue;
            }
            let value: &RawValue = members.next_value()?;
            let Some(column) = *column else { continue };
            match value.get().as_bytes().first() {
                Some(b'"') => {
                    let text: Cow<'_, str> =
                        serde_json::from_str(value.get()).map(|Text(text)| text).map_err(serde::de::Error::custom)?;
                    if is_json_datetime(&text) {
                        datetimes.push((column, field));
                    }
                    cells.set(column, &text);
                }
                Some(b'n') => {}
                _ => cells.set(column, value.get()),
            }
        }
        for (column, field) in datetimes {
            match cells.is_datetime(&object, field) {
                Some(true) => {
                    let (start, end) = cells.places[column];
                    let text = format!("{}Z", &cells.text[start..end - "+0000".len()]);
                    cells.set(column, &text);
                }
                Some(false) => {}
                None => {
                    cells.unknown.insert(object.clone());
                }
            }
        }
        Ok(true)
    }
}

#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// `2022-03-17T16:21:26.000+0000`; the year of an old date may have other lengths.
fn is_json_datetime(text: &str) -> bool {
    const TAIL: &[u8] = b"-00-00T00:00:00.000+0000";
    let bytes = text.as_bytes();
    let Some(year) = bytes.len().checked_sub(TAIL.len()) else { return false };
    (4..=6).contains(&year)
        && bytes[..year].iter().all(u8::is_ascii_digit)
        && bytes[year..].iter().zip(TAIL).all(|(byte, form)| match form {
            b'0' => byte.is_ascii_digit(),
            form => byte == form,
        })
        && text.ends_with("+0000")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str, columns: &[&str], known: &KnownDatetimes) -> Result<Vec<Vec<String>>, Vec<String>> {
        let columns: Vec<String> = columns.iter().map(|&column| column.to_owned()).collect();
        let raw = RawValue::from_string(json.to_owned()).unwrap();
        match parse(&raw, &Shape::of(&columns), known, "reading").unwrap() {
            Parsed::Rows(rows) => {
                Ok(rows.iter().map(|row| row.map(|cell| cell.unwrap_or_default().to_owned()).collect()).collect())
            }
            Parsed::Unknown(objects) => Err(objects.into_iter().collect()),
        }
    }

    #[test]
    fn values_become_cells_in_the_order_of_the_columns() {
        let json = r#"[{"attributes":{"type":"Account","url":"/x"},"Name":"Zür\u0069ch \"1\"\n😀","Id":"001","Amount":18014398509481985.10,
            "IsDeleted":false,"Nothing":null,"Owner":{"attributes":{"type":"User"},"Name":"Jane","Profile":{"Name":"Admin"}},"Parent":null,
            "CreatedDate":"2022-03-17T16:21:26.000+0000","BillingAddress":{"city":null},"Other":[1]},null]"#;
        let columns = [
            "Id",
            "name",
            "Amount",
            "IsDeleted",
            "Nothing",
            "Owner.Name",
            "Owner.Profile.Name",
            "Parent.Name",
            "CreatedDate",
            "BillingAddress",
        ];
        let rows = read(json, &columns, &HashMap::new()).unwrap();
        assert_eq!(
            rows,
            [[
                "001",
                "Zürich \"1\"\n😀",
                "18014398509481985.10",
                "false",
                "",
                "Jane",
                "Admin",
                "",
                "2022-03-17T16:21:26.000Z",
                r#"{"city":null}"#
            ]]
        );
    }

    #[test]
    fn only_a_datetime_field_is_rewritten() {
        let json = r#"[{"attributes":{"type":"Case"},"ClosedDate":"1850-03-17T16:21:26.000+0000","Text__c":"2022-03-17T16:21:26.000+0000"}]"#;
        let columns = ["ClosedDate", "Text__c"];
        assert_eq!(read(json, &columns, &HashMap::new()), Err(vec!["case".to_owned()]));
        let known = HashMap::from([("case".to_owned(), Some(HashSet::from(["closeddate".to_owned()])))]);
        assert_eq!(
            read(json, &columns, &known).unwrap(),
            [["1850-03-17T16:21:26.000Z", "2022-03-17T16:21:26.000+0000"]]
        );
    }

    #[test]
    fn the_form_of_a_datetime() {
        for (text, is) in [
            ("2022-03-17T16:21:26.000+0000", true),
            ("10022-03-17T16:21:26.000+0000", true),
            ("2022-03-17T16:21:26.000Z", false),
            ("2022-03-17T16:21:26.000+0100", false),
            ("x2022-03-17T16:21:26.000+0000", false),
            ("2022-03-17T16:21:26.000+0000 ", false),
            ("", false),
        ] {
            assert_eq!(is_json_datetime(text), is, "{text}");
        }
    }
}
