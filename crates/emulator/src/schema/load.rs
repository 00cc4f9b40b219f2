// SPDX-License-Identifier: Apache-2.0
//! Reads the checked-in description of objects and completes it into a schema.
//!
//! The standard files hold one object per line: the objects of the core as text, the others zipped. Fields list in `is` the flags
//! that are true, in describe's spelling; companions of an object are named and made by rule ([`Companion`]). The
//! demonstration org's file is a JSON array that people write: a field there names in `flags` only what differs from the usual
//! for its type, with `!` for "not" (`"!nillable unique"`), and a custom object lacks its system fields, which are added.

use std::collections::{BTreeMap, HashMap};
use std::io::Read as _;
use std::sync::{Arc, OnceLock};

use serde::Deserialize;

use super::{
    Catalog, Child, Companion, Field, FieldType, NeedsFilter, Object, PicklistValue, RecordTypeInfo, Schema, Summary,
    custom,
};
use crate::value::Value;

const STANDARD: &str = include_str!("../../schema/standard.jsonl");
const FURTHER: &[u8] = include_bytes!("../../schema/further.jsonl.gz");
const DEMONSTRATION: &str = include_str!("../../schema/demonstration.json");

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ObjectText {
    name: String,
    label: String,
    label_plural: Option<String>,
    key_prefix: Option<String>,
    #[serde(default)]
    flags: String,
    associate_entity_type: Option<String>,
    associate_parent_entity: Option<String>,
    fields: Vec<FieldText>,
    #[serde(default)]
    record_types: Vec<RecordTypeText>,
    needs_filter: Option<NeedsFilterText>,
    /// The companions that the recorded org has, by the words of [`Companion`].
    #[serde(default)]
    companions: String,
    /// Those of them that the core has.
    #[serde(default)]
    core_companions: String,
    /// Of a custom object: how its name is called, and its format where it is numbered.
    name_label: Option<String>,
    auto_number: Option<String>,
    /// Of a custom object: whether it keeps a history.
    #[serde(default)]
    history: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FieldText {
    name: String,
    label: String,
    #[serde(rename = "type")]
    kind: FieldType,
    #[serde(default)]
    length: u32,
    #[serde(default)]
    precision: u32,
    #[serde(default)]
    scale: u32,
    #[serde(default)]
    digits: u32,
    #[serde(default)]
    flags: String,
    /// Exactly the flags that are true.
    is: Option<String>,
    #[serde(default)]
    picklist: Vec<PicklistText>,
    #[serde(default)]
    reference_to: Vec<String>,
    relationship_name: Option<String>,
    /// How the parent calls its children through this field.
    child_relationship_name: Option<String>,
    relationship_order: Option<u8>,
    compound: Option<String>,
    extra_type_info: Option<String>,
    help: Option<String>,
    default: Option<serde_json::Value>,
    formula: Option<String>,
    summary: Option<Summary>,
    auto_number_format: Option<String>,
    controller: Option<String>,
    mask: Option<(String, String)>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum PicklistText {
    Plain(String),
    Full(PicklistFull),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PicklistFull {
    value: String,
    label: Option<String>,
    #[serde(default)]
    default: bool,
    #[serde(default)]
    inactive: bool,
    #[serde(rename = "validFor")]
    valid_for: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RecordTypeText {
    developer_name: String,
    name: String,
    #[serde(default)]
    default: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NeedsFilterText {
    fields: Vec<String>,
    code: Option<String>,
    message: String,
    unless_permission: Option<String>,
}

/// A relationship name a field's description gives for its parents' side, by child object and field.
type ChildNames = HashMap<(String, String), String>;

pub(super) fn standard(catalog: Catalog) -> Schema {
    static SCHEMAS: [OnceLock<Schema>; 2] = [OnceLock::new(), OnceLock::new()];
    let place = match catalog {
        Catalog::Core => &SCHEMAS[0],
        Catalog::Everything => &SCHEMAS[1],
    };
    place.get_or_init(|| read(catalog)).clone()
}

fn read(catalog: Catalog) -> Schema {
    let everything = catalog == Catalog::Everything;
    let mut texts = lines(STANDARD);
    let core = texts.len();
    if everything {
        let mut further = String::new();
        flate2::read::GzDecoder::new(FURTHER).read_to_string(&mut further).expect(CHECKED_IN);
        texts.extend(lines(&further));
    }
    let own: Vec<ObjectText> = serde_json::from_str(DEMONSTRATION).expect(CHECKED_IN);
    let mut names = ChildNames::new();
    let mut wanted: Vec<(usize, Companion, bool)> = Vec::new();
    let mut objects: Vec<Object> = Vec::with_capacity(if everything { 1_300 } else { 200 });
    for (at, text) in texts.into_iter().enumerate() {
        let in_core: Vec<Companion> = text.core_companions.split_whitespace().filter_map(Companion::named).collect();
        let all = text.companions.split_whitespace().filter_map(Companion::named);
        wanted.extend(
            all.filter(|kind| everything || in_core.contains(kind)).map(|kind| (at, kind, in_core.contains(&kind))),
        );
        let change_events = text.companions.split_whitespace().any(|kind| kind == Companion::ChangeEvent.as_str());
        let mut object = object(text, &mut names);
        object.change_events = change_events;
        object.table_when_used = at >= core;
        objects.push(object);
    }
    let feed_item = objects.iter().find(|object| object.name == "FeedItem").cloned();
    for (at, kind, in_core) in wanted {
        let mut companion = kind.of(&objects[at], feed_item.as_ref());
        if companion.name == "EventRelationChangeEvent" {
            relate_to_all(&objects, &mut companion);
        }
        companion.table_when_used = !in_core;
        objects.push(companion);
    }
    for text in own {
        if let Some(known) = objects.iter_mut().find(|known| known.name == text.name) {
            add_fields(known, text.fields, &mut names);
            continue;
        }
        let history = text.history;
        let object = custom_object(text, &mut names);
        let change_events = everything && object.name.ends_with("__c") && !object.custom_setting;
        let enabled = custom::Enabled { history, feed: false, change_events };
        objects.extend(custom::all_companions(&object, enabled, None));
        objects.push(object);
    }
    Schema { catalog, ..assemble(objects, &names) }.with_platform_objects()
}

/// Changes of an event's relations name whatever an event may be about, as recorded parents say.
fn relate_to_all(objects: &[Object], changes: &mut Object) {
    let what = objects.iter().find(|object| object.name == "Event");
    let what = what.and_then(|event| event.fields.iter().find(|field| field.name == "WhatId"));
    let Some(about) = what.map(|field| field.reference_to.clone()) else { return };
    for field in changes.fields.iter_mut().filter(|field| field.name == "RelationId") {
        let field = std::sync::Arc::make_mut(field);
        field.reference_to.extend(about.iter().cloned());
        field.reference_to.sort();
        field.reference_to.dedup();
    }
}

/// Why reading what is checked in cannot fail.
const CHECKED_IN: &str = "the checked-in schema is read by a test";

fn lines(text: &str) -> Vec<ObjectText> {
    text.lines().filter(|line| !line.is_empty()).map(|line| serde_json::from_str(line).expect(CHECKED_IN)).collect()
}

pub(super) fn complete(objects: Vec<Object>) -> Schema {
    let mut names = ChildNames::new();
    for parent in &objects {
        for child in &parent.children {
            if let Some(name) = &child.relationship_name {
                names.insert((child.object.clone(), child.field.clone()), name.clone());
            }
        }
    }
    assemble(objects, &names)
}

fn object(text: ObjectText, names: &mut ChildNames) -> Object {
    let mut object = Object {
        label_plural: text.label_plural.unwrap_or_else(|| format!("{}s", text.label)),
        queryable: true,
        retrieveable: true,
        createable: true,
        updateable: true,
        deletable: true,
        replicateable: true,
        triggerable: true,
        undeletable: true,
        layoutable: true,
        searchable: true,
        bulk: !WORKED_OUT.contains(&text.name.as_str()),
        name: text.name,
        label: text.label,
        key_prefix: text.key_prefix,
        associate_entity_type: text.associate_entity_type,
        associate_parent_entity: text.associate_parent_entity,
        needs_filter: text.needs_filter.map(|needs| NeedsFilter {
            fields: needs.fields,
            code: needs.code.unwrap_or_else(|| "MALFORMED_QUERY".to_owned()),
            message: needs.message,
            unless_permission: needs.unless_permission,
        }),
        ..Object::default()
    };
    for word in text.flags.split_whitespace() {
        set_object_flag(&mut object, word);
    }
    object.record_types = text.record_types.into_iter().map(record_type).collect();
    for text in text.fields {
        if let Some(name) = &text.child_relationship_name {
            names.insert((object.name.clone(), text.name.clone()), name.clone());
        }
        object.fields.push(Arc::new(field(text)));
    }
    object
}

fn custom_object(text: ObjectText, names: &mut ChildNames) -> Object {
    let kind = match text.flags.as_str() {
        "hierarchySetting" => custom::Kind::HierarchySetting,
        _ if text.name.ends_with("__mdt") => custom::Kind::Metadata,
        _ => custom::Kind::Object,
    };
    let plural = text.label_plural.unwrap_or_else(|| format!("{}s", text.label));
    let name_label = text.name_label.unwrap_or_else(|| format!("{} Name", text.label));
    let mut object = custom::object(&text.name, &text.label, &plural, kind, &name_label, text.auto_number.as_deref());
    object.key_prefix = text.key_prefix;
    object.record_types = text.record_types.into_iter().map(record_type).collect();
    if !object.record_types.is_empty() {
        custom::add_record_type_field(&mut object);
    }
    add_fields(&mut object, text.fields, names);
    object
}

fn add_fields(object: &mut Object, fields: Vec<FieldText>, names: &mut ChildNames) {
    for text in fields {
        if let Some(name) = &text.child_relationship_name {
            names.insert((object.name.clone(), text.name.clone()), name.clone());
        }
        custom::add_field(object, field(text));
    }
}

fn record_type(text: RecordTypeText) -> RecordTypeInfo {
    RecordTypeInfo {
        id: String::new(),
        developer_name: text.developer_name,
        name: text.name,
        active: true,
        default: text.default,
        master: false,
    }
}

/// Objects whose rows are the schema itself. Bulk refuses them; that it does so with the words for any object it does not support is a
/// guess.
const WORKED_OUT: [&str; 3] = ["EntityDefinition", "EntityParticle", "FieldDefinition"];

fn set_object_flag(object: &mut Object, word: &str) {
    let (on, name) = match word.strip_prefix('!') {
        Some(name) => (false, name),
        None => (true, word),
    };
    let flag = match name {
        "customSetting" => &mut object.custom_setting,
        "queryable" => &mut object.queryable,
        "retrieveable" => &mut object.retrieveable,
        "searchable" => &mut object.searchable,
        "createable" => &mut object.createable,
        "updateable" => &mut object.updateable,
        "deletable" => &mut object.deletable,
        "undeletable" => &mut object.undeletable,
        "mergeable" => &mut object.mergeable,
        "replicateable" => &mut object.replicateable,
        "layoutable" => &mut object.layoutable,
        "triggerable" => &mut object.triggerable,
        "feedEnabled" => &mut object.feed_enabled,
        "mruEnabled" => &mut object.mru_enabled,
        "deepCloneable" => &mut object.deep_cloneable,
        "bulk" => &mut object.bulk,
        other => unreachable!("the checked-in schema is read by a test, and {other} is no flag of an object"),
    };
    *flag = on;
}

fn field(text: FieldText) -> Field {
    let mut field = Field::usual(&text.name, &text.label, text.kind, text.length);
    if text.is.is_some() {
        field.clear_flags();
    }
    for word in text.is.iter().flat_map(|is| is.split_whitespace()).chain(text.flags.split_whitespace()) {
        assert!(field.set_flag(word), "the checked-in schema is read by a test, and {word} is no flag of a field");
    }
    field.precision = text.precision;
    field.scale = text.scale;
    field.digits = text.digits;
    field.picklist = text.picklist.into_iter().map(picklist_value).collect();
    field.reference_to = text.reference_to;
    field.relationship_name = text.relationship_name;
    field.relationship_order = text.relationship_order;
    field.compound = text.compound;
    field.extra_type_info = text.extra_type_info;
    field.inline_help_text = text.help;
    field.default_value = text.default.and_then(default_value);
    field.formula = text.formula;
    field.summary = text.summary;
    field.auto_number_format = text.auto_number_format;
    field.controller = text.controller;
    field.mask = text.mask;
    field
}

fn picklist_value(text: PicklistText) -> PicklistValue {
    match text {
        PicklistText::Plain(value) => {
            PicklistValue { active: true, default_value: false, label: value.clone(), value, valid_for: None }
        }
        PicklistText::Full(full) => PicklistValue {
            active: !full.inactive,
            default_value: full.default,
            label: full.label.unwrap_or_else(|| full.value.clone()),
            value: full.value,
            valid_for: full.valid_for,
        },
    }
}

fn default_value(json: serde_json::Value) -> Option<Value> {
    match json {
        serde_json::Value::Bool(b) => Some(Value::Bool(b)),
        serde_json::Value::Number(n) => n.as_i64().map(Value::Int).or_else(|| n.as_f64().map(Value::Num)),
        serde_json::Value::String(text) => Some(Value::Text(text)),
        _ => None,
    }
}

/// Drops references to absent objects, derives the children of each object and builds the indexes.
fn assemble(mut objects: Vec<Object>, names: &ChildNames) -> Schema {
    objects.sort_by(|a, b| a.name.cmp(&b.name));
    let known: HashMap<String, usize> =
        objects.iter().enumerate().map(|(at, object)| (object.name.clone(), at)).collect();
    let mut children: Vec<Vec<Child>> = vec![Vec::new(); objects.len()];
    for object in &mut objects {
        for shared in &mut object.fields {
            if !shared.is_reference() {
                continue;
            }
            if shared.reference_to.iter().any(|name| !known.contains_key(name)) {
                let field = Arc::make_mut(shared);
                field.reference_to.retain(|name| known.contains_key(name));
            }
            for parent in &shared.reference_to {
                let siblings = &mut children[known[parent]];
                let given = names.get(&(object.name.clone(), shared.name.clone())).cloned();
                let name = given.or_else(|| shared.child_relationship_name.clone());
                let taken = siblings.iter().any(|child| name.is_some() && child.relationship_name == name);
                siblings.push(Child {
                    object: object.name.clone(),
                    field: shared.name.clone(),
                    relationship_name: name.filter(|_| !taken),
                    cascade_delete: shared.cascade_delete,
                    restricted_delete: shared.restricted_delete,
                });
            }
        }
    }
    let mut schema = Schema::default();
    let mut by_prefix: BTreeMap<String, String> = BTreeMap::new();
    for (mut object, children) in objects.into_iter().zip(children) {
        object.children = children;
        object.index();
        schema.by_lower.insert(object.name.to_ascii_lowercase(), object.name.clone());
        if let Some(prefix) = &object.key_prefix {
            // Feeds share their prefix with FeedItem, histories with each other: the object in its own right comes first.
            let companion = object.associate_entity_type.is_some() || object.table_when_used;
            if !companion || !by_prefix.contains_key(prefix) {
                by_prefix.insert(prefix.clone(), object.name.clone());
            }
        }
        schema.objects.insert(object.name.clone(), Arc::new(object));
    }
    schema.by_prefix = by_prefix.into_iter().collect();
    schema
}
