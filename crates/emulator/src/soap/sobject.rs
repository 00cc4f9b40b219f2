// SPDX-License-Identifier: Apache-2.0
//! Records of the partner API: `sObject` elements read into fields, and records written as `sObject` elements.
//!
//! A sent record names its object in its element `type`; elements after it are fields, `fieldsToNull` names those to empty, and
//! an element with elements of its own names a parent by an external id. Empty elements and `xsi:nil` change nothing, as the
//! partner API has it: only `fieldsToNull` empties a field. In answers the Id comes twice where it was selected, as the
//! real server sends it: once because every `sObject` has one, once as a selected field.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use crate::org::Tx;
use crate::record::{Fields, Input};
use crate::schema::{Field, FieldType, Object, Schema};

use super::xml::{Element, nil, tag};
use super::{Fault, faults};

/// A record as a call sent it.
pub struct Sent {
    pub object: Arc<Object>,
    pub id: Option<String>,
    pub fields: Fields,
}

/// Reads a record. An unknown object or field refuses the whole call, since the record cannot be read then.
pub fn read(schema: &Schema, element: &Element, truncates: bool) -> Result<Sent, Fault> {
    let name = match element.children.iter().find(|child| child.name == "type") {
        Some(named) => named.text.trim().to_owned(),
        // Clients made from an enterprise WSDL say it by `xsi:type`.
        None if !matches!(element.kind.as_str(), "" | "sObject") => element.kind.clone(),
        None => return Err(Fault::new("INVALID_TYPE", "Must send a concrete entity type.")),
    };
    let object = schema.object(&name).cloned().ok_or_else(|| faults::no_such_object(&name))?;
    let mut sent = Sent { object, id: None, fields: Fields::new() };
    for name in element.texts_of("fieldsToNull") {
        check_column(&sent.object, &name)?;
        sent.fields.push((name, Input::Null));
    }
    for child in element.children.iter().filter(|child| !matches!(child.name.as_str(), "type" | "fieldsToNull")) {
        let is_null = |fields: &Fields| fields.iter().any(|(name, _)| name.eq_ignore_ascii_case(&child.name));
        if child.nil || (child.text.is_empty() && child.children.is_empty()) || is_null(&sent.fields) {
            continue;
        }
        if child.name.eq_ignore_ascii_case("Id") {
            sent.id = Some(child.text.trim().to_owned());
            continue;
        }
        check_column(&sent.object, &child.name)?;
        let input = input(sent.object.field(&child.name), child, truncates);
        sent.fields.push((child.name.clone(), input));
    }
    Ok(sent)
}

fn check_column(object: &Object, name: &str) -> Result<(), Fault> {
    let known = object.has(name) || object.relationship(name).is_some();
    if known { Ok(()) } else { Err(faults::no_such_column(name, &object.name)) }
}

fn input(field: Option<&Arc<Field>>, element: &Element, truncates: bool) -> Input {
    if !element.children.is_empty() {
        let keys = element.children.iter().filter(|child| !child.nil && !child.text.is_empty());
        return Input::Parent(keys.map(|child| (child.name.clone(), Input::Text(child.text.clone()))).collect());
    }
    let text = element.text.clone();
    let Some(field) = field else { return Input::Text(text) };
    match field.kind {
        FieldType::Base64 => Input::Text(text.split_ascii_whitespace().collect()),
        // A date may carry a zone, which says nothing.
        FieldType::Date => Input::Text(text.trim().get(..10).unwrap_or(&text).to_owned()),
        kind if truncates && kind.is_text() && field.length > 0 => {
            Input::Text(text.chars().take(field.length as usize).collect())
        }
        _ => Input::Text(text),
    }
}

/// What the writing of records needs beside the record.
#[derive(Clone, Copy)]
pub struct Writer<'a> {
    pub tx: &'a Tx<'a>,
    /// Values say their type (`CallOptions.returnFieldDataTypes`).
    pub typed: bool,
    /// The type of each record is its object, as the tooling API has it, not `sObject`.
    pub tooling: bool,
}

impl Writer<'_> {
    /// Writes a record, given as REST shows it.
    pub fn write(self, element: &str, members: &Map<String, Value>, out: &mut String) {
        let kind = members.get("attributes").and_then(|attributes| attributes["type"].as_str()).unwrap_or_default();
        let object = self.tx.schema.object(kind).map(AsRef::as_ref);
        if self.tooling {
            *out += &format!("<{element} xsi:type=\"sf:{kind}\">");
        } else {
            *out += &format!("<{element} xsi:type=\"sf:sObject\">{}", tag("sf:type", kind));
            *out += &match members.get("Id").and_then(Value::as_str) {
                Some(id) => tag("sf:Id", id),
                None => nil("sf:Id"),
            };
        }
        for (name, value) in members.iter().filter(|(name, _)| *name != "attributes") {
            self.value(&format!("sf:{name}"), object.and_then(|object| object.field(name)), value, out);
        }
        *out += &format!("</{element}>");
    }

    fn value(self, element: &str, field: Option<&Arc<Field>>, value: &Value, out: &mut String) {
        match value {
            Value::Null => *out += &nil(element),
            Value::Object(inner) if inner.contains_key("records") => {
                *out += &format!("<{element} xsi:type=\"QueryResult\">{}{}", tag("done", "true"), nil("queryLocator"));
                let rows = inner["records"].as_array().map(Vec::as_slice).unwrap_or_default();
                for members in rows.iter().filter_map(Value::as_object) {
                    self.write("records", members, out);
                }
                *out += &format!("{}</{element}>", tag("size", &rows.len().to_string()));
            }
            Value::Object(inner) if inner.contains_key("attributes") => self.write(element, inner, out),
            Value::Object(parts) => *out += &compound(element, parts),
            value => {
                let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                let shown = match field.map(|field| field.kind) {
                    Some(FieldType::Datetime) => shown.replace("+0000", "Z"),
                    Some(FieldType::Base64) => self.content(&shown),
                    _ => shown,
                };
                let kind = match field {
                    _ if !self.typed => String::new(),
                    Some(field) => format!(" xsi:type=\"{}\"", simple_type(field)),
                    None if value.is_number() => " xsi:type=\"xsd:double\"".to_owned(),
                    None => " xsi:type=\"xsd:string\"".to_owned(),
                };
                *out += &format!("<{element}{kind}>{}</{element}>", super::xml::escape(&shown));
            }
        }
    }

    /// What a base64 field holds. `url` is where REST would read it: `…/sobjects/Attachment/00P…/Body`.
    fn content(self, url: &str) -> String {
        let mut parts = url.rsplit('/');
        let (field, id) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let object = parts.next().and_then(|name| self.tx.schema.object(name));
        let bytes = object.and_then(|object| self.tx.blob(object, id, field));
        STANDARD.encode(bytes.unwrap_or_default())
    }
}

/// An address or a location, its parts in the order of the WSDL: an address extends a location.
fn compound(element: &str, parts: &Map<String, Value>) -> String {
    const LOCATION: [&str; 2] = ["latitude", "longitude"];
    const ADDRESS: [&str; 8] =
        ["city", "country", "countryCode", "geocodeAccuracy", "postalCode", "state", "stateCode", "street"];
    let is_address = parts.contains_key("city");
    let names = LOCATION.iter().chain(ADDRESS.iter().filter(|_| is_address));
    let inner: String = names
        .map(|name| match parts.get(*name) {
            None | Some(Value::Null) => nil(name),
            Some(Value::String(text)) => tag(name, text),
            Some(other) => tag(name, &other.to_string()),
        })
        .collect();
    format!("<{element} xsi:type=\"{}\">{inner}</{element}>", if is_address { "address" } else { "location" })
}

/// A field's type as the envelope's prefixes name it: `ID` is the partner namespace's own.
fn simple_type(field: &Field) -> &'static str {
    match field.soap_type() {
        "tns:ID" => "ID",
        known if known.starts_with("xsd:") => known,
        _ => "xsd:string",
    }
}
