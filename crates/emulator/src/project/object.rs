// SPDX-License-Identifier: Apache-2.0
//! The project's objects, made or extended.

use std::collections::BTreeMap;

use super::xml::Node;
use super::{Project, ValueSets, field, is_true, text};
use crate::schema::custom::{self, Kind};
use crate::schema::{Catalog, Child, Object, RecordTypeInfo, Schema};

/// What the project's files say of one object.
#[derive(Default)]
pub struct Described {
    pub object: Option<Node>,
    pub fields: Vec<Node>,
    pub record_types: Vec<Node>,
}

/// Adds all of them to a schema.
pub fn add(schema: &Schema, described: BTreeMap<String, Described>, value_sets: &ValueSets) -> Project {
    let mut objects: BTreeMap<String, Object> =
        schema.to_objects().into_iter().map(|object| (object.name.clone(), object)).collect();
    let mut skipped = Vec::new();
    let mut children = Vec::new();
    let mut numbers: BTreeMap<char, u32> = BTreeMap::new();
    for (name, description) in described {
        // Fields of activities are fields of tasks and of events.
        let targets: Vec<&str> = if name == "Activity" { vec!["Task", "Event"] } else { vec![&name] };
        for target in targets {
            if !objects.contains_key(target) {
                match make(target, description.object.as_ref(), &mut numbers, &objects) {
                    Ok(object) => {
                        objects.insert(target.to_owned(), object);
                    }
                    Err(reason) => {
                        skipped.push(format!("{target}: {reason}"));
                        continue;
                    }
                }
            }
            let Some(object) = objects.get_mut(target) else { continue };
            extend(object, &description, value_sets, &mut children, &mut skipped);
        }
        let says = |what: &str| description.object.as_ref().is_some_and(|object| is_true(object, what));
        let feed = says("enableFeeds");
        if let Some(object) = objects.get_mut(&name).filter(|object| object.custom && feed) {
            object.feed_enabled = true;
        }
        if let Some(object) = objects.get(&name).filter(|object| object.custom && object.name.ends_with("__c")) {
            let change_events = schema.catalog() == Catalog::Everything && !object.custom_setting;
            let enabled = custom::Enabled { history: says("enableHistory"), feed, change_events };
            for companion in custom::all_companions(object, enabled, objects.get("FeedItem")) {
                objects.entry(companion.name.clone()).or_insert(companion);
            }
        }
    }
    for (parent, child) in children {
        if let Some(parent) = objects.get_mut(&parent) {
            parent.children.push(child);
        }
    }
    Project { schema: schema.rebuilt(objects.into_values()), skipped }
}

/// A new custom object.
fn make(
    name: &str,
    node: Option<&Node>,
    numbers: &mut BTreeMap<char, u32>,
    known: &BTreeMap<String, Object>,
) -> Result<Object, String> {
    let nothing = Node::default();
    let node = node.unwrap_or(&nothing);
    let (letter, kind) = match name.rsplit_once("__").map(|(_, kind)| kind) {
        Some("c") if text(node, "customSettingsType") == "Hierarchy" => ('a', Kind::HierarchySetting),
        Some("c") if text(node, "customSettingsType") == "List" => ('a', Kind::ListSetting),
        Some("c") => ('a', Kind::Object),
        Some("mdt") => ('m', Kind::Metadata),
        Some("e") => ('e', Kind::Object),
        Some(other) => return Err(format!("objects of kind __{other} are not emulated")),
        None => return Err("this standard object is not emulated".into()),
    };
    let label = Some(text(node, "label")).filter(|label| !label.is_empty()).unwrap_or(name);
    let plural = Some(text(node, "pluralLabel")).filter(|label| !label.is_empty()).unwrap_or(label);
    let name_field = node.first("nameField").unwrap_or(&nothing);
    let name_label = Some(text(name_field, "label")).filter(|label| !label.is_empty()).unwrap_or("Name");
    let format = (text(name_field, "type") == "AutoNumber").then(|| field::display_format(name_field));
    let mut object = custom::object(name, label, plural, kind, name_label, format.as_deref());
    object.key_prefix = Some(free_prefix(letter, numbers, known));
    object.feed_enabled = is_true(node, "enableFeeds");
    if letter == 'e' {
        // Platform events can be published, which is a create; nothing reads them back (`salesforce-api.md` 2.4).
        object.fields.retain(|field| matches!(field.name.as_str(), "Id" | "CreatedDate" | "CreatedById"));
        (object.queryable, object.retrieveable, object.searchable, object.replicateable) = (false, false, false, false);
        (object.updateable, object.deletable, object.undeletable, object.layoutable) = (false, false, false, false);
    }
    Ok(object)
}

/// The next free key prefix of this kind, from `a10` on; those before are the demonstration org's.
fn free_prefix(letter: char, numbers: &mut BTreeMap<char, u32>, known: &BTreeMap<String, Object>) -> String {
    let number = numbers.entry(letter).or_insert(62);
    loop {
        let digit =
            |n: u32| char::from(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"[(n % 62) as usize]);
        let prefix = format!("{letter}{}{}", digit(*number / 62), digit(*number));
        *number += 1;
        if known.values().all(|object| object.key_prefix.as_deref() != Some(&prefix)) {
            return prefix;
        }
    }
}

fn extend(
    object: &mut Object,
    description: &Described,
    value_sets: &ValueSets,
    children: &mut Vec<(String, Child)>,
    skipped: &mut Vec<String>,
) {
    for node in &description.fields {
        let name = text(node, "fullName");
        // Fields of the platform are here already; projects only relabel them.
        if !name.ends_with("__c") {
            continue;
        }
        match field::field(node, value_sets) {
            Ok((field, relationship_name)) => {
                for parent in &field.reference_to {
                    let child = Child {
                        object: object.name.clone(),
                        field: field.name.clone(),
                        relationship_name: relationship_name.clone(),
                        cascade_delete: field.cascade_delete,
                        restricted_delete: field.restricted_delete,
                    };
                    children.push((parent.clone(), child));
                }
                custom::add_field(object, field);
            }
            Err(reason) => skipped.push(format!("{}.{name}: {reason}", object.name)),
        }
    }
    for node in &description.record_types {
        let developer_name = text(node, "fullName").to_owned();
        if object.record_types.iter().any(|known| known.developer_name == developer_name) {
            continue;
        }
        custom::add_record_type_field(object);
        object.record_types.push(RecordTypeInfo {
            id: String::new(),
            name: Some(text(node, "label")).filter(|label| !label.is_empty()).unwrap_or(&developer_name).to_owned(),
            developer_name,
            active: is_true(node, "active"),
            default: false,
            master: false,
        });
    }
}
