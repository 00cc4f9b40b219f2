// SPDX-License-Identifier: Apache-2.0
//! The form of an event's payload: its Avro schema, and where each value comes from (`salesforce-api.md` 5.2).
//!
//! A change event has a header and then the fields of its companion object in their order, each `null` or a value. What
//! belongs to a compound field (an address, a location, a person's name) lies in a record of its own at the place of the first part. The
//! schema's id is the MD5 of its text in base64url, so an object whose fields change has another one, and events that were
//! kept under the older schema can still be read.
//!
//! Names of records, the order of their parts and the words in `doc` are those of schemas that real orgs answered, as
//! clients keep them in public repositories. Guessed: the `doc` of types that those lack, and of custom fields, which carry
//! the field's Id in a real org.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value as Json, json};

use crate::schema::{Companion, Field, FieldType, Object, Schema};

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Boolean,
    Int,
    Double,
    /// Milliseconds since 1970 UTC.
    DateTime,
    /// Milliseconds of midnight UTC.
    Date,
    /// Milliseconds since midnight.
    Time,
}

/// A value of the record: where it stands among the object's fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub at: usize,
    pub kind: Kind,
}

/// What a field of the event is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    Plain(Part),
    /// A record of the parts that the object has; none for those it lacks.
    Nested(Vec<Option<Part>>),
    /// `Account.Name` where there are person accounts: text, or a person's name when the field at `person` is true.
    Switchable {
        text: Part,
        person: usize,
        parts: Vec<Option<Part>>,
    },
}

/// A field of the event.
#[derive(Clone, Debug)]
pub struct Member {
    pub name: String,
    pub form: Form,
}

/// The form of one event object's payloads.
#[derive(Debug)]
pub struct Shape {
    /// `AccountChangeEvent`, `Order__e`.
    pub event: String,
    /// The object that it tells of: `Account`. A platform event tells of itself.
    pub entity: Arc<Object>,
    /// The fields after the header.
    pub members: Vec<Member>,
    pub schema_id: String,
    pub schema_json: String,
}

const ADDRESS: [(&str, FieldType); 10] = [
    ("Street", FieldType::String),
    ("City", FieldType::String),
    ("State", FieldType::String),
    ("PostalCode", FieldType::String),
    ("Country", FieldType::String),
    ("StateCode", FieldType::String),
    ("CountryCode", FieldType::String),
    ("Latitude", FieldType::Double),
    ("Longitude", FieldType::Double),
    ("GeocodeAccuracy", FieldType::String),
];
const PERSON_NAME: [&str; 6] = ["Salutation", "FirstName", "LastName", "MiddleName", "InformalName", "Suffix"];

impl Shape {
    /// The form of an object's change events; none for an object that has none.
    pub fn of_changes(schema: &Schema, entity: &Arc<Object>) -> Option<Shape> {
        let companion = companion(schema, entity)?;
        let mut drawing = Drawing::of(entity);
        drawing.fields.push(json!({"name": "ChangeEventHeader", "type": header(), "doc": "Data:ComplexValueType"}));
        for field in &companion.fields {
            let Some(at) = entity.position(&field.name) else { continue };
            if matches!(field.name.as_str(), "Id" | "ReplayId" | "ChangeEventHeader") {
                continue;
            }
            drawing.draw(at);
        }
        Some(drawing.finish(companion.name.clone()))
    }

    /// The form of a platform event's messages.
    pub fn of_platform_event(entity: &Arc<Object>) -> Shape {
        let mut drawing = Drawing::of(entity);
        for (at, field) in entity.fields.iter().enumerate() {
            match field.name.as_str() {
                "CreatedDate" => drawing.required(at, "CreatedDate:DateTime"),
                "CreatedById" => drawing.required(at, "CreatedBy:EntityId"),
                _ if !field.custom || field.calculated => {}
                _ => drawing.draw(at),
            }
        }
        drawing.finish(entity.name.clone())
    }
}

/// The companion object that tells of an object's changes; every custom object can have one. In the smaller catalog describe
/// shows none, and they are made here.
fn companion(schema: &Schema, entity: &Arc<Object>) -> Option<Arc<Object>> {
    let name = Companion::ChangeEvent.name_for(&entity.name);
    match schema.object(&name) {
        Some(companion) => {
            let is_own = companion.associate_entity_type.as_deref() == Some(Companion::ChangeEvent.as_str())
                && companion.associate_parent_entity.as_deref() == Some(entity.name.as_str());
            is_own.then(|| companion.clone())
        }
        None => {
            let is_told = entity.change_events || (entity.name.ends_with("__c") && !entity.custom_setting);
            is_told.then(|| Arc::new(Companion::ChangeEvent.of(entity, None)))
        }
    }
}

/// A shape while it is made.
struct Drawing<'a> {
    entity: &'a Arc<Object>,
    fields: Vec<Json>,
    members: Vec<Member>,
    /// Records that were written out: a later field names them.
    named: Vec<&'static str>,
}

impl<'a> Drawing<'a> {
    fn of(entity: &'a Arc<Object>) -> Drawing<'a> {
        Drawing { entity, fields: Vec::new(), members: Vec::new(), named: Vec::new() }
    }

    /// Adds the field at this place, or the compound field that it is a part of, once.
    fn draw(&mut self, at: usize) {
        let entity = self.entity;
        let field = &entity.fields[at];
        let whole = field.compound.as_deref().unwrap_or(&field.name).to_owned();
        if self.members.iter().any(|member| member.name == whole) {
            return;
        }
        let has_parts = entity.fields.iter().any(|part| part.compound.as_deref() == Some(&whole) && part.name != whole);
        let Some(whole_at) = entity.position(&whole) else { return self.plain(at) };
        match entity.fields[whole_at].kind {
            FieldType::Address => self.address(whole, &entity.fields[whole_at]),
            FieldType::Location => self.location(whole, &entity.fields[whole_at]),
            _ if has_parts => self.name(whole, whole_at),
            _ => self.plain(at),
        }
    }

    fn plain(&mut self, at: usize) {
        let field = &self.entity.fields[at];
        let (kind, avro) = kind_of(field.kind);
        self.add(&field.name, json!(["null", avro]), &doc(field), Form::Plain(Part { at, kind }));
    }

    /// A field that is never null.
    fn required(&mut self, at: usize, doc: &str) {
        let field = &self.entity.fields[at];
        let (kind, avro) = kind_of(field.kind);
        self.fields.push(json!({"name": field.name, "type": avro, "doc": doc}));
        self.members.push(Member { name: field.name.clone(), form: Form::Plain(Part { at, kind }) });
    }

    fn address(&mut self, whole: String, field: &Field) {
        // `BillingAddress` has `BillingStreet`, `Address` has `Street`, `Home__c` has `Home__Street__s`.
        let name = |part: &str| match whole.strip_suffix("__c") {
            Some(stem) => format!("{stem}__{part}__s"),
            None => format!("{}{part}", whole.strip_suffix("Address").unwrap_or(&whole)),
        };
        // One definition serves all addresses of the object.
        let has_codes = self.entity.fields.iter().any(|field| {
            field.compound.is_some() && (field.name.ends_with("StateCode") || field.name.ends_with("StateCode__s"))
        });
        let parts: Vec<(&str, FieldType)> = ADDRESS
            .into_iter()
            .filter(|(part, _)| has_codes || !part.ends_with("Code") || *part == "PostalCode")
            .collect();
        let form = parts.iter().map(|(part, _)| self.part(&name(part))).collect();
        let record = self.record("Address", &parts);
        self.add(&whole, json!(["null", record]), &doc(field), Form::Nested(form));
    }

    fn location(&mut self, whole: String, field: &Field) {
        let stem = whole.strip_suffix("__c").unwrap_or(&whole);
        let parts = [("Latitude", FieldType::Double), ("Longitude", FieldType::Double)];
        let form = parts.iter().map(|(part, _)| self.part(&format!("{stem}__{part}__s"))).collect();
        let record = self.record("Location", &parts);
        self.add(&whole, json!(["null", record]), &doc(field), Form::Nested(form));
    }

    fn name(&mut self, whole: String, whole_at: usize) {
        let present: Vec<&str> = PERSON_NAME.into_iter().filter(|part| self.part(part).is_some()).collect();
        let parts: Vec<(&str, FieldType)> = present.iter().map(|part| (*part, FieldType::String)).collect();
        let form: Vec<Option<Part>> = present.iter().map(|part| self.part(part)).collect();
        let text = Part { at: whole_at, kind: Kind::Text };
        match self.entity.position("IsPersonAccount").filter(|_| self.entity.name == "Account") {
            Some(person) => {
                let record = self.record("Switchable_PersonName", &parts);
                let form = Form::Switchable { text, person, parts: form };
                self.add(&whole, json!(["null", "string", record]), "Data:Switchable_PersonName", form);
            }
            None => {
                let record = self.record("PersonName", &parts);
                self.add(&whole, json!(["null", record]), "Data:PersonName", Form::Nested(form));
            }
        }
    }

    fn part(&self, name: &str) -> Option<Part> {
        let at = self.entity.position(name)?;
        Some(Part { at, kind: kind_of(self.entity.fields[at].kind).0 })
    }

    fn record(&mut self, name: &'static str, parts: &[(&str, FieldType)]) -> Json {
        if self.named.contains(&name) {
            return json!(name);
        }
        self.named.push(name);
        let field = |(part, kind): &(&str, FieldType)| json!({"name": part, "type": ["null", kind_of(*kind).1], "default": null});
        json!({"type": "record", "name": name, "fields": parts.iter().map(field).collect::<Vec<_>>()})
    }

    fn add(&mut self, name: &str, kind: Json, doc: &str, form: Form) {
        self.fields.push(json!({"name": name, "type": kind, "doc": doc, "default": null}));
        self.members.push(Member { name: name.to_owned(), form });
    }

    fn finish(self, event: String) -> Shape {
        let schema =
            json!({"type": "record", "name": event, "namespace": "com.sforce.eventbus", "fields": self.fields});
        let schema_json = schema.to_string();
        Shape {
            event,
            entity: self.entity.clone(),
            members: self.members,
            schema_id: schema_id(&schema_json),
            schema_json,
        }
    }
}

/// The id of a schema: the MD5 of its text in base64url, 22 characters.
fn schema_id(schema_json: &str) -> String {
    use md5::Digest as _;
    URL_SAFE_NO_PAD.encode(md5::Md5::digest(schema_json.as_bytes()))
}

/// `ChangeEventHeader`, as schemas of 2025 have it.
fn header() -> Json {
    let texts = || json!({"type": "array", "items": "string"});
    let kinds = super::change::ChangeType::ALL.map(super::change::ChangeType::as_str);
    json!({"type": "record", "name": "ChangeEventHeader", "fields": [
        {"name": "entityName", "type": "string"},
        {"name": "recordIds", "type": texts()},
        {"name": "changeType", "type": {"type": "enum", "name": "ChangeType", "symbols": kinds}},
        {"name": "changeOrigin", "type": "string"},
        {"name": "transactionKey", "type": "string"},
        {"name": "sequenceNumber", "type": "int"},
        {"name": "commitTimestamp", "type": "long"},
        {"name": "commitNumber", "type": "long"},
        {"name": "commitUser", "type": "string"},
        {"name": "nulledFields", "type": texts()},
        {"name": "diffFields", "type": texts()},
        {"name": "changedFields", "type": texts()},
    ]})
}

fn kind_of(kind: FieldType) -> (Kind, &'static str) {
    match kind {
        FieldType::Boolean => (Kind::Boolean, "boolean"),
        FieldType::Int => (Kind::Int, "int"),
        kind if kind.has_fraction() => (Kind::Double, "double"),
        FieldType::Datetime | FieldType::Long => (Kind::DateTime, "long"),
        FieldType::Date => (Kind::Date, "long"),
        FieldType::Time => (Kind::Time, "long"),
        _ => (Kind::Text, "string"),
    }
}

/// What `doc` says of a field: the platform's own word for its type.
fn doc(field: &Field) -> String {
    if field.name == "CreatedDate" {
        return "CreatedDate:DateTime".to_owned();
    }
    let word = match field.kind {
        FieldType::Reference | FieldType::Id => return "ForeignKey:EntityId".to_owned(),
        FieldType::Boolean => "Boolean",
        FieldType::Int => "Integer",
        FieldType::Double => "Double",
        FieldType::Currency => "Currency",
        FieldType::Percent => "Percent",
        FieldType::Date => "DateOnly",
        FieldType::Datetime => "DateTime",
        FieldType::Time => "TimeOnly",
        FieldType::Picklist if field.restricted_picklist && !field.custom => "StaticEnum",
        FieldType::Picklist | FieldType::Combobox => "DynamicEnum",
        FieldType::Multipicklist => "MultiEnum",
        FieldType::Email => "Email",
        FieldType::Phone => "Phone",
        FieldType::Url => "Url",
        FieldType::EncryptedString => "EncryptedText",
        FieldType::Address => "Address",
        FieldType::Location => "Location",
        FieldType::Textarea if field.html_formatted => "HtmlStringPlusClob",
        FieldType::Textarea if field.length > 255 => "StringPlusClob",
        FieldType::Textarea => "MultiLineText",
        FieldType::String if field.auto_number => "AutoNumber",
        _ => "Text",
    };
    format!("Data:{word}")
}
