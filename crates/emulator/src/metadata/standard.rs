// SPDX-License-Identifier: Apache-2.0
//! Components that nobody deployed: standard objects with their fields and layouts, what the org was made with, standard value
//! sets, profiles and permission sets of rows.
//!
//! They are made of the schema and the rows when they are asked for, so they always say what holds. What a real org has beside
//! (list views, actions, apps, settings) is not known to the emulator and not listed.

mod field;
mod permission;

use super::component::Component;
use super::model::value_set;
use super::xml::Node;
use super::{component, container, effect, types};
use crate::org::Tx;
use crate::schema::{FieldType, Object};

/// A component as it stands, with its file's XML.
#[derive(Clone, Debug)]
pub struct Made {
    pub component: Component,
    pub node: Node,
}

/// The component of a standard part of the org.
fn made(tx: &Tx<'_>, kind: &str, full_name: &str, id: &str, node: Node) -> Made {
    let (file_kind, stem) = match container::of_part(kind) {
        Some((parent, _)) => (parent, container::container_name(parent, full_name)),
        None => (kind, full_name),
    };
    let file = types::find(file_kind)
        .map(|one| format!("{}/{stem}.{}", one.directory, one.suffix.unwrap_or_default()))
        .unwrap_or_default();
    let user = tx.first_user_id();
    let component = Component {
        kind: kind.to_owned(),
        full_name: full_name.to_owned(),
        container: container::of_part(kind).map(|_| stem.to_owned()),
        id: id.to_owned(),
        file,
        created_by: user.clone(),
        created_ms: 0,
        modified_by: user,
        modified_ms: 0,
    };
    Made { component, node }
}

/// The names of all standard components of a type.
pub fn names(tx: &Tx<'_>, kind: &str) -> Vec<String> {
    let rows = |object: &str, condition: &str, field: &str| -> Vec<String> {
        let Some(object) = tx.schema.object(object) else { return Vec::new() };
        tx.rows_where(object, condition, &[]).iter().map(|row| row.text(field).to_owned()).collect()
    };
    match kind {
        "CustomObject" => {
            tx.schema.objects().filter(|object| is_listed(object)).map(|object| object.name.clone()).collect()
        }
        "CustomField" => own_fields(tx),
        "Layout" => tx.schema.objects().filter(|object| has_layout(object)).map(|object| layout_name(object)).collect(),
        "PermissionSet" => rows("PermissionSet", "\"IsOwnedByProfile\" = 0", "Name"),
        "Profile" => rows("Profile", "1 = 1", "Name").iter().map(|name| effect::profile_name(name)).collect(),
        "RecordType" => {
            let of = |object: &std::sync::Arc<Object>| {
                let name = object.name.clone();
                let kinds = object.record_types.iter().filter(|kind| !kind.master);
                kinds.map(|kind| format!("{name}.{}", kind.developer_name)).collect::<Vec<_>>()
            };
            tx.schema.objects().flat_map(of).collect()
        }
        "StandardValueSet" => {
            types::standard_value_sets().filter(|name| values(tx, name).is_some()).map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}

/// The standard component of this type and name.
pub fn find(tx: &Tx<'_>, kind: &str, full_name: &str) -> Option<Made> {
    match kind {
        "CustomObject" => {
            let object = tx.schema.object(full_name).filter(|object| is_listed(object))?;
            Some(made(tx, kind, &object.name, "", object_node(tx, object)))
        }
        "CustomField" => {
            let (object, name) = full_name.split_once('.')?;
            let object = tx.schema.object(object).filter(|object| is_listed(object))?;
            let known = object.field(name).filter(|known| field::is_shown(object, known))?;
            Some(made(tx, kind, &format!("{}.{}", object.name, known.name), "", field::node(known)))
        }
        "Layout" => {
            let (object, _) = full_name.split_once('-')?;
            let object =
                tx.schema.object(object).filter(|object| has_layout(object) && layout_name(object) == full_name)?;
            Some(made(tx, kind, full_name, "", layout(object)))
        }
        "PermissionSet" => permission::set(tx, full_name).map(|(id, node)| made(tx, kind, full_name, &id, node)),
        "Profile" => permission::profile(tx, full_name).map(|(id, node)| made(tx, kind, full_name, &id, node)),
        "RecordType" => {
            let (object, name) = full_name.split_once('.')?;
            let object = tx.schema.object(object)?;
            let known = object
                .record_types
                .iter()
                .find(|known| known.developer_name.eq_ignore_ascii_case(name) && !known.master)?;
            let node = Node::named("RecordType")
                .with(Node::leaf("fullName", known.developer_name.as_str()))
                .with(Node::leaf("active", known.active.to_string()))
                .with(Node::leaf("label", known.name.as_str()));
            Some(made(tx, kind, &format!("{}.{}", object.name, known.developer_name), &known.id, node))
        }
        "StandardValueSet" => values(tx, full_name).map(|node| made(tx, kind, full_name, "", node)),
        _ => None,
    }
}

/// The parts of a standard container which nobody deployed.
pub fn parts(tx: &Tx<'_>, object_name: &str) -> Vec<Made> {
    let Some(object) = tx.schema.object(object_name).filter(|object| is_listed(object)) else { return Vec::new() };
    let fields = object.fields.iter().filter(|known| field::is_shown(object, known));
    let mut found: Vec<Made> = fields
        .map(|known| made(tx, "CustomField", &format!("{}.{}", object.name, known.name), "", field::node(known)))
        .collect();
    for known in object.record_types.iter().filter(|known| !known.master) {
        found.extend(find(tx, "RecordType", &format!("{}.{}", object.name, known.developer_name)));
    }
    found.retain(|made| component::find(tx, &made.component.kind, &made.component.full_name).is_none());
    found
}

/// Objects that an admin can customise; their histories, shares and feeds are not among them.
fn is_listed(object: &Object) -> bool {
    object.associate_entity_type.is_none() && (object.custom || (object.layoutable && object.key_prefix.is_some()))
}

fn has_layout(object: &Object) -> bool {
    is_listed(object) && object.layoutable && !object.custom_setting && !object.is_custom_metadata()
}

fn layout_name(object: &Object) -> String {
    format!("{}-{} Layout", object.name, object.label)
}

/// Custom fields that came with the org.
fn own_fields(tx: &Tx<'_>) -> Vec<String> {
    let mut names = Vec::new();
    for object in tx.schema.objects().filter(|object| is_listed(object)) {
        let own = object.fields.iter().filter(|known| known.custom && known.name.ends_with("__c"));
        names.extend(own.map(|known| format!("{}.{}", object.name, known.name)));
    }
    names
}

fn object_node(tx: &Tx<'_>, object: &Object) -> Node {
    let mut node = Node::named("CustomObject");
    let mut add = |name: &str, value: String| node.children.push(Node::leaf(name, value));
    if object.custom {
        if !object.is_custom_metadata() && !object.custom_setting {
            add("deploymentStatus", "Deployed".to_owned());
        }
        if object.custom_setting {
            let kind = if object.has("SetupOwnerId") { "Hierarchy" } else { "List" };
            add("customSettingsType", kind.to_owned());
        }
    }
    add("enableFeeds", object.feed_enabled.to_string());
    add("enableHistory", tx.schema.history_of(&object.name).is_some().to_string());
    if object.custom {
        add("label", object.label.clone());
        if let Some(name) = object.name_field().filter(|_| object.has("OwnerId") || !object.custom_setting) {
            let mut field = Node::named("nameField");
            if let Some(format) = &name.auto_number_format {
                field.children.push(Node::leaf("displayFormat", format.as_str()));
            }
            field.children.push(Node::leaf("label", name.label.as_str()));
            field.children.push(Node::leaf("type", if name.auto_number { "AutoNumber" } else { "Text" }));
            if !object.is_custom_metadata() {
                node.children.push(field);
            }
        }
        node.children.push(Node::leaf("pluralLabel", object.label_plural.as_str()));
        if !object.is_custom_metadata() && !object.custom_setting {
            let detail = object.fields.iter().any(|field| field.is_master_detail());
            node.children.push(Node::leaf("sharingModel", if detail { "ControlledByParent" } else { "ReadWrite" }));
        }
    }
    node
}

/// One section with every field that can be edited, in two columns, which is how a page begins.
fn layout(object: &Object) -> Node {
    let mut columns = [Node::named("layoutColumns"), Node::named("layoutColumns")];
    let shown = object.fields.iter().filter(|field| {
        field.compound.as_deref().is_none_or(|whole| whole == field.name)
            && (field.updateable || field.createable || field.kind == FieldType::Address)
            && field.kind != FieldType::Base64
    });
    for (at, field) in shown.enumerate() {
        let behavior = match (field.required_on_create(), field.updateable || field.kind == FieldType::Address) {
            (true, _) => "Required",
            (false, true) => "Edit",
            (false, false) => "Readonly",
        };
        let item = Node::named("layoutItems")
            .with(Node::leaf("behavior", behavior))
            .with(Node::leaf("field", field.name.as_str()));
        columns[at % 2].children.push(item);
    }
    let mut section = Node::named("layoutSections")
        .with(Node::leaf("customLabel", "false"))
        .with(Node::leaf("detailHeading", "false"))
        .with(Node::leaf("editHeading", "true"))
        .with(Node::leaf("label", "Information"));
    section.children.extend(columns);
    Node::named("Layout").with(section.with(Node::leaf("style", "TwoColumnsTopToBottom")))
}

/// A standard value set, of the first field that has its values.
fn values(tx: &Tx<'_>, name: &str) -> Option<Node> {
    let field = value_set::fields(name).find_map(|(object, field)| tx.schema.object(object)?.field(field).cloned())?;
    if field.picklist.is_empty() {
        return None;
    }
    let mut node = Node::named("StandardValueSet").with(Node::leaf("sorted", "false"));
    for value in &field.picklist {
        let mut one = Node::named("standardValue")
            .with(Node::leaf("fullName", value.value.as_str()))
            .with(Node::leaf("default", value.default_value.to_string()));
        if !value.active {
            one.children.push(Node::leaf("isActive", "false"));
        }
        node.children.push(one.with(Node::leaf("label", value.label.as_str())));
    }
    Some(node)
}
