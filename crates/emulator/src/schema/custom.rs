// SPDX-License-Identifier: Apache-2.0
//! What the platform adds to objects and fields that customers define (`salesforce-api.md` 2.5): the system fields of a
//! custom object, the flags of a master-detail or required field, the parts of a geolocation.

use std::sync::Arc;

use super::companion::Companion;
use super::{Field, FieldType, Object};
use crate::value::Value;

/// What kind of custom object this is, which decides its system fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Object,
    HierarchySetting,
    ListSetting,
    Metadata,
}

/// A custom object without fields of its own. `auto_number` is the format of its name, where that is numbered.
pub fn object(
    name: &str,
    label: &str,
    plural: &str,
    kind: Kind,
    name_label: &str,
    auto_number: Option<&str>,
) -> Object {
    let plain = kind == Kind::Object;
    let mut object = Object {
        name: name.to_owned(),
        label: label.to_owned(),
        label_plural: plural.to_owned(),
        custom: true,
        custom_setting: matches!(kind, Kind::HierarchySetting | Kind::ListSetting),
        queryable: true,
        retrieveable: true,
        searchable: plain,
        createable: kind != Kind::Metadata,
        updateable: kind != Kind::Metadata,
        deletable: kind != Kind::Metadata,
        undeletable: plain,
        replicateable: kind != Kind::Metadata,
        layoutable: plain,
        triggerable: plain,
        mru_enabled: plain,
        bulk: kind != Kind::Metadata,
        ..Object::default()
    };
    let mut add = |field: Field| object.fields.push(Arc::new(field));
    add(system("Id", "Record ID", FieldType::Id, 18));
    if kind == Kind::Metadata {
        metadata_fields(&mut add);
        return object;
    }
    if plain {
        let mut owner = lookup("OwnerId", "Owner ID", &["Group", "User"], "Owner");
        (owner.nillable, owner.defaulted_on_create) = (false, true);
        (owner.name_pointing, owner.polymorphic_foreign_key) = (true, true);
        add(owner);
    }
    add(system("IsDeleted", "Deleted", FieldType::Boolean, 0));
    add(name_field(name_label, auto_number));
    if kind == Kind::HierarchySetting {
        let mut owner = lookup("SetupOwnerId", "Location", &["Organization", "Profile", "User"], "SetupOwner");
        (owner.nillable, owner.updateable, owner.defaulted_on_create) = (false, false, true);
        (owner.name_pointing, owner.polymorphic_foreign_key, owner.cascade_delete) = (true, true, true);
        add(owner);
    }
    add(system("CreatedDate", "Created Date", FieldType::Datetime, 0));
    add(user("CreatedById", "Created By ID"));
    add(system("LastModifiedDate", "Last Modified Date", FieldType::Datetime, 0));
    add(user("LastModifiedById", "Last Modified By ID"));
    add(system("SystemModstamp", "System Modstamp", FieldType::Datetime, 0));
    if plain {
        for (name, label) in [("LastViewedDate", "Last Viewed Date"), ("LastReferencedDate", "Last Referenced Date")] {
            let mut seen = system(name, label, FieldType::Datetime, 0);
            (seen.nillable, seen.defaulted_on_create) = (true, false);
            add(seen);
        }
    }
    object
}

fn metadata_fields(add: &mut impl FnMut(Field)) {
    for (name, label, length) in [
        ("DeveloperName", "Custom Metadata Record Name", 40),
        ("MasterLabel", "Label", 40),
        ("Language", "Master Language", 40),
        ("NamespacePrefix", "Namespace Prefix", 15),
        ("Label", "Label", 40),
        ("QualifiedApiName", "Qualified API Name", 70),
    ] {
        let kind = if name == "Language" { FieldType::Picklist } else { FieldType::String };
        let mut field = system(name, label, kind, length);
        field.name_field = name == "DeveloperName";
        field.nillable = name == "NamespacePrefix";
        add(field);
    }
    add(system("SystemModstamp", "System Modstamp", FieldType::Datetime, 0));
}

fn name_field(label: &str, auto_number: Option<&str>) -> Field {
    let mut field = Field::usual("Name", label, FieldType::String, 80);
    field.name_field = true;
    field.id_lookup = true;
    match auto_number {
        Some(format) => {
            (field.createable, field.updateable, field.nillable) = (false, false, false);
            (field.auto_number, field.defaulted_on_create) = (true, true);
            field.auto_number_format = Some(format.to_owned());
        }
        // A record saved without a name is named by its Id.
        None => (field.nillable, field.defaulted_on_create) = (true, true),
    }
    field
}

/// A field that the server alone writes.
pub(super) fn system(name: &str, label: &str, kind: FieldType, length: u32) -> Field {
    let mut field = Field::usual(name, label, kind, length);
    (field.nillable, field.createable, field.updateable, field.defaulted_on_create) = (false, false, false, true);
    field.id_lookup = kind == FieldType::Id;
    field.default_value = (kind == FieldType::Boolean).then_some(Value::Bool(false));
    field
}

pub(super) fn user(name: &str, label: &str) -> Field {
    let mut field = lookup(name, label, &["User"], name.trim_end_matches("Id"));
    (field.nillable, field.createable, field.updateable, field.defaulted_on_create) = (false, false, false, true);
    field
}

fn lookup(name: &str, label: &str, targets: &[&str], relationship: &str) -> Field {
    let mut field = Field::usual(name, label, FieldType::Reference, 18);
    field.reference_to = targets.iter().map(|target| (*target).to_owned()).collect();
    field.relationship_name = Some(relationship.to_owned());
    field
}

/// Adds a custom field with everything that follows from what it is. A second field of the same name replaces the first.
pub fn add_field(object: &mut Object, mut field: Field) {
    let computed = field.formula.is_some() || field.summary.is_some();
    if computed {
        (field.calculated, field.nillable) = (true, field.summary.is_none());
        (field.createable, field.updateable, field.defaulted_on_create) =
            (false, false, field.kind == FieldType::Boolean);
        field.sortable = !field.kind.is_compound();
        field.groupable = field.groupable && field.summary.is_none();
    }
    if field.auto_number {
        (field.createable, field.updateable, field.nillable, field.defaulted_on_create) = (false, false, false, true);
    }
    if field.external_id || field.unique {
        field.id_lookup = true;
    }
    if field.is_reference() {
        field.length = 18;
        field.search_prefilterable = true;
        if field.relationship_name.is_none() {
            field.relationship_name = Some(format!("{}__r", field.name.trim_end_matches("__c")));
        }
    }
    if field.is_master_detail() {
        field.nillable = false;
        field.cascade_delete = true;
        object.fields.retain(|known| known.name != "OwnerId");
    }
    // What nobody can be made to fill in can be hidden; checkboxes and what the server writes are never empty.
    let is_required = !field.nillable && field.kind != FieldType::Boolean && !computed && !field.auto_number;
    field.permissionable = !is_required && !field.is_master_detail();
    field.defaulted_on_create |= field.default_value.is_some();
    object.fields.retain(|known| known.name != field.name);
    if field.kind == FieldType::Location {
        let stem = field.name.trim_end_matches("__c").to_owned();
        (field.createable, field.updateable) = (false, false);
        for part in ["Latitude", "Longitude"] {
            let mut half =
                Field::usual(&format!("{stem}__{part}__s"), &format!("{} ({part})", field.label), FieldType::Double, 0);
            (half.precision, half.scale) = (18, 15);
            half.compound = Some(field.name.clone());
            half.nillable = field.nillable;
            half.permissionable = true;
            object.fields.retain(|known| known.name != half.name);
            object.fields.push(Arc::new(half));
        }
    }
    object.fields.push(Arc::new(field));
}

/// An object has `RecordTypeId` from its first record type on.
pub fn add_record_type_field(object: &mut Object) {
    if object.has_field_unindexed("RecordTypeId") {
        return;
    }
    let mut field = Field::usual("RecordTypeId", "Record Type ID", FieldType::Reference, 18);
    field.reference_to = vec!["RecordType".to_owned()];
    field.relationship_name = Some("RecordType".to_owned());
    object.fields.push(Arc::new(field));
}

/// What else an org may keep of a custom object.
#[derive(Clone, Copy, Debug, Default)]
pub struct Enabled {
    /// Field history.
    pub history: bool,
    /// A feed.
    pub feed: bool,
    /// Change events.
    pub change_events: bool,
}

/// All companions of a custom object. The feed takes the form of its fields from `FeedItem`.
pub fn all_companions(parent: &Object, enabled: Enabled, feed_item: Option<&Object>) -> Vec<Object> {
    let mut made = companions(parent, enabled.history);
    if enabled.feed {
        made.push(Companion::Feed.of(parent, feed_item));
    }
    if enabled.change_events {
        let mut events = Companion::ChangeEvent.of(parent, None);
        events.table_when_used = true;
        made.push(events);
    }
    made
}

/// The companions of a custom object that keeps history, and is shared where it has owners.
pub fn companions(parent: &Object, history: bool) -> Vec<Object> {
    let mut made = Vec::new();
    if history {
        made.push(Companion::History.of(parent, None));
    }
    if parent.has_field_unindexed("OwnerId") {
        made.push(Companion::Share.of(parent, None));
    }
    made
}
