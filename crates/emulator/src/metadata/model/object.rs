// SPDX-License-Identifier: Apache-2.0
//! A `CustomObject` of metadata as an object of describe: objects, custom settings, custom metadata types, platform events.

use super::super::Problem;
use super::super::xml::Node;
use super::field;
use crate::schema::custom::{self, Kind};
use crate::schema::{Field, FieldType, Object};

/// What names of custom objects end in, in the words of Salesforce's own refusal.
const ENDINGS: &str = "__as, __b, __c, __dll, __dlm, __e, __kav, __mdt, __mg, __x";

/// Whether an object of this name is made by a deploy, and not by the platform.
pub fn is_custom(name: &str) -> bool {
    matches!(name.rsplit_once("__"), Some((_, "c" | "mdt" | "e" | "b" | "x" | "kav")))
}

/// The first character of the key prefix of an object of this name.
pub fn prefix_letter(name: &str) -> char {
    match name.rsplit_once("__").map(|(_, kind)| kind) {
        Some("mdt") => 'm',
        Some("e") => 'e',
        Some("x") => 'x',
        _ => 'a',
    }
}

/// A new custom object, without a key prefix.
///
/// # Errors
/// The name's ending is none that is emulated, or something that must be said is not.
pub fn make(name: &str, node: &Node, strict: bool) -> Result<Object, Problem> {
    let kind = match name.rsplit_once("__").map(|(_, kind)| kind) {
        Some("c") if node.text_of("customSettingsType") == "Hierarchy" => Kind::HierarchySetting,
        Some("c") if node.text_of("customSettingsType") == "List" => Kind::ListSetting,
        Some("b" | "c" | "e" | "x") => Kind::Object,
        Some("mdt") => Kind::Metadata,
        // Lightning Knowledge has its one object, and an org without Knowledge none.
        Some("kav") => return Err(Problem::at(node, "Not available for deploy for this organization")),
        _ => {
            let text = format!("'{name}' does not resolve to a valid sObject type, fullName must end with: {ENDINGS}");
            return Err(Problem::at(node, text));
        }
    };
    let (is_event, is_big) = (name.ends_with("__e"), name.ends_with("__b"));
    let is_external = name.ends_with("__x");
    if strict {
        required(node, kind, is_event || is_big || is_external)?;
        if is_external && node.text_of("externalDataSource").is_empty() {
            return Err(Problem::at(node, "Required field is missing: externalDataSource"));
        }
    }
    let given = |name: &str| Some(node.text_of(name)).filter(|text| !text.is_empty());
    let label = given("label").unwrap_or(name);
    let plural = given("pluralLabel").unwrap_or(label);
    let nothing = Node::default();
    let name_field = node.first("nameField").unwrap_or(&nothing);
    let name_label = Some(name_field.text_of("label")).filter(|label| !label.is_empty()).unwrap_or("Name");
    let format = (name_field.text_of("type") == "AutoNumber").then(|| field::display_format(name_field));
    let mut object = custom::object(name, label, plural, kind, name_label, format.as_deref());
    object.feed_enabled = node.is_true("enableFeeds");
    if is_event {
        // Platform events can be published, which is a create; nothing reads them back (`salesforce-api.md` 2.4).
        object.fields.retain(|field| matches!(field.name.as_str(), "Id" | "CreatedDate" | "CreatedById"));
        (object.queryable, object.retrieveable, object.searchable, object.replicateable) = (false, false, false, false);
        (object.updateable, object.deletable, object.undeletable, object.layoutable) = (false, false, false, false);
    }
    if is_big {
        // Big objects have no name, no owner and no recycle bin, and their rows are replaced rather than changed.
        object.fields.retain(|field| matches!(field.name.as_str(), "Id" | "CreatedDate" | "CreatedById"));
        (object.searchable, object.replicateable, object.triggerable, object.mru_enabled) =
            (false, false, false, false);
        (object.updateable, object.deletable, object.undeletable, object.layoutable) = (false, false, false, false);
    }
    if is_external {
        external(&mut object);
    }
    Ok(object)
}

/// External objects have rows elsewhere, which are read one by one: no Bulk, no search, no history, no saves (Object Reference,
/// "External Objects"; that a source is not writable is taken for granted).
fn external(object: &mut Object) {
    object.fields.retain(|field| field.name == "Id");
    let mut id = Field::usual("ExternalId", "External ID", FieldType::String, 255);
    (id.nillable, id.external_id, id.id_lookup) = (false, true, true);
    let url = Field::usual("DisplayUrl", "Display URL", FieldType::Url, 1000);
    for mut field in [id, url] {
        (field.createable, field.updateable, field.custom) = (false, false, false);
        object.fields.push(field.into());
    }
    (object.searchable, object.replicateable, object.triggerable, object.bulk) = (false, false, false, false);
    (object.createable, object.updateable, object.deletable, object.undeletable) = (false, false, false, false);
}

fn required(node: &Node, kind: Kind, is_nameless: bool) -> Result<(), Problem> {
    let mut names = vec!["label"];
    if kind == Kind::Object {
        names.extend(["pluralLabel", "deploymentStatus"]);
        if !is_nameless {
            if node.first("nameField").is_none() {
                return Err(Problem::at(node, "Must specify a nameField of type Text or AutoNumber"));
            }
            names.push("sharingModel");
        }
    }
    match names.into_iter().find(|name| node.first(name).is_none()) {
        Some(name) => Err(Problem::at(node, format!("Required field is missing: {name}"))),
        None => Ok(()),
    }
}

/// Brings what a deploy says of an object that is there into it.
pub fn change(object: &mut Object, node: &Node) {
    if !object.custom {
        return;
    }
    let mut take = |target: fn(&mut Object) -> &mut String, name: &str| {
        let text = node.text_of(name);
        if !text.is_empty() {
            text.clone_into(target(object));
        }
    };
    take(|object| &mut object.label, "label");
    take(|object| &mut object.label_plural, "pluralLabel");
    if node.first("enableFeeds").is_some() {
        object.feed_enabled = node.is_true("enableFeeds");
    }
    let Some(name_field) = node.first("nameField") else { return };
    if let Some(at) = object.fields.iter().position(|field| field.name == "Name") {
        let mut field = (*object.fields[at]).clone();
        let label = name_field.text_of("label");
        if !label.is_empty() {
            label.clone_into(&mut field.label);
        }
        let format = (name_field.text_of("type") == "AutoNumber").then(|| field::display_format(name_field));
        if format.is_some() != field.auto_number {
            let numbered = format.is_some();
            (field.createable, field.updateable, field.nillable) = (!numbered, !numbered, !numbered);
            (field.auto_number, field.defaulted_on_create) = (numbered, numbered);
        }
        field.auto_number_format = format;
        object.fields[at] = field.into();
    }
}
