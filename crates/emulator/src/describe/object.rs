// SPDX-License-Identifier: Apache-2.0
//! An object's line of describeGlobal, and its whole description (`salesforce-api.md` 2.4, 2.5).

use serde::Serialize;

use super::scopes::{Scope, scopes};
use super::urls::Urls;
use super::{DescribedField, View};
use crate::id::MASTER_RECORD_TYPE;
use crate::schema::{Child, Object};

/// What describeGlobal says of an object. The order is that of the answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectLine<'a> {
    pub activateable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub associate_entity_type: Option<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub associate_parent_entity: Option<Option<&'a str>>,
    pub createable: bool,
    pub custom: bool,
    pub custom_setting: bool,
    pub deep_cloneable: bool,
    pub deletable: bool,
    pub deprecated_and_hidden: bool,
    pub feed_enabled: bool,
    pub has_subtypes: bool,
    pub is_interface: bool,
    pub is_subtype: bool,
    pub key_prefix: Option<&'a str>,
    pub label: &'a str,
    pub label_plural: &'a str,
    pub layoutable: bool,
    pub mergeable: bool,
    pub mru_enabled: bool,
    pub name: &'a str,
    pub queryable: bool,
    pub replicateable: bool,
    pub retrieveable: bool,
    pub searchable: bool,
    pub triggerable: bool,
    pub undeletable: bool,
    pub updateable: bool,
    pub urls: Urls,
}

/// The whole description of an object. The order is that of the answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DescribedObject<'a> {
    pub action_overrides: [(); 0],
    pub activateable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub associate_entity_type: Option<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub associate_parent_entity: Option<Option<&'a str>>,
    pub child_relationships: Vec<Relationship<'a>>,
    pub compact_layoutable: bool,
    pub createable: bool,
    pub custom: bool,
    pub custom_setting: bool,
    pub deep_cloneable: bool,
    pub default_implementation: Option<()>,
    pub deletable: bool,
    pub deprecated_and_hidden: bool,
    pub extended_by: Option<()>,
    pub extends_interfaces: Option<()>,
    pub feed_enabled: bool,
    pub fields: Vec<DescribedField<'a>>,
    pub has_subtypes: bool,
    pub implemented_by: Option<()>,
    pub implements_interfaces: Option<()>,
    pub is_interface: bool,
    pub is_subtype: bool,
    pub key_prefix: Option<&'a str>,
    pub label: &'a str,
    pub label_plural: &'a str,
    pub layoutable: bool,
    pub listviewable: Option<()>,
    pub lookup_layoutable: Option<()>,
    pub mergeable: bool,
    pub mru_enabled: bool,
    pub name: &'a str,
    pub named_layout_infos: [(); 0],
    pub network_scope_field_name: Option<&'a str>,
    pub queryable: bool,
    pub record_type_infos: Vec<RecordTypeLine<'a>>,
    pub replicateable: bool,
    pub retrieveable: bool,
    pub search_layoutable: bool,
    pub searchable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sobject_describe_option: Option<&'static str>,
    pub supported_scopes: Vec<Scope>,
    pub triggerable: bool,
    pub undeletable: bool,
    pub updateable: bool,
    pub urls: Urls,
}

/// A relationship as its parent's description shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Relationship<'a> {
    pub cascade_delete: bool,
    #[serde(rename = "childSObject")]
    pub child_object: &'a str,
    pub deprecated_and_hidden: bool,
    pub field: &'a str,
    pub junction_id_list_names: [(); 0],
    pub junction_reference_to: [(); 0],
    pub relationship_name: Option<&'a str>,
    pub restricted_delete: bool,
}

/// A record type as its object's description shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordTypeLine<'a> {
    pub active: bool,
    pub available: bool,
    pub default_record_type_mapping: bool,
    pub developer_name: &'a str,
    pub master: bool,
    pub name: &'a str,
    pub record_type_id: &'a str,
    pub urls: Urls,
}

impl<'a> ObjectLine<'a> {
    pub(super) fn new(view: View<'a>, object: &'a Object) -> ObjectLine<'a> {
        let may = view.caller.rights_on(object);
        ObjectLine {
            activateable: false,
            associate_entity_type: view.associate(&object.associate_entity_type),
            associate_parent_entity: view.associate(&object.associate_parent_entity),
            createable: object.createable && may.create,
            custom: object.custom,
            custom_setting: object.custom_setting,
            deep_cloneable: object.deep_cloneable,
            deletable: object.deletable && may.delete,
            deprecated_and_hidden: object.deprecated_and_hidden,
            feed_enabled: object.feed_enabled,
            has_subtypes: false,
            is_interface: false,
            is_subtype: false,
            key_prefix: object.key_prefix.as_deref().filter(|_| !object.key_prefix_untold),
            label: &object.label,
            label_plural: &object.label_plural,
            layoutable: object.layoutable,
            mergeable: object.mergeable && may.delete,
            mru_enabled: object.mru_enabled,
            name: &object.name,
            queryable: object.queryable,
            replicateable: object.replicateable,
            retrieveable: object.retrieveable,
            searchable: object.searchable,
            triggerable: object.triggerable,
            undeletable: object.undeletable && may.delete,
            updateable: object.updateable && may.edit,
            urls: Urls::line(view, object),
        }
    }
}

impl<'a> DescribedObject<'a> {
    pub(super) fn new(view: View<'a>, object: &'a Object) -> DescribedObject<'a> {
        let line = ObjectLine::new(view, object);
        let mask = view.caller.field_mask(object);
        let newer = line.associate_entity_type.is_some();
        DescribedObject {
            action_overrides: [],
            activateable: line.activateable,
            associate_entity_type: line.associate_entity_type,
            associate_parent_entity: line.associate_parent_entity,
            child_relationships: object
                .children
                .iter()
                .filter(|child| child.is_listed(&object.name) && sees(view, child))
                .map(relationship)
                .chain(scoped_feeds(view, object))
                .collect(),
            compact_layoutable: object.compact_layoutable(),
            createable: line.createable,
            custom: line.custom,
            custom_setting: line.custom_setting,
            deep_cloneable: line.deep_cloneable,
            default_implementation: None,
            deletable: line.deletable,
            deprecated_and_hidden: line.deprecated_and_hidden,
            extended_by: None,
            extends_interfaces: None,
            feed_enabled: line.feed_enabled,
            fields: object
                .fields
                .iter()
                .enumerate()
                .filter(|(at, _)| mask.as_ref().is_none_or(|mask| mask.seen[*at]))
                .map(|(at, field)| {
                    DescribedField::new(view, object, field, mask.as_ref().is_none_or(|mask| mask.written[at]))
                })
                .collect(),
            has_subtypes: line.has_subtypes,
            implemented_by: None,
            implements_interfaces: None,
            is_interface: line.is_interface,
            is_subtype: line.is_subtype,
            key_prefix: line.key_prefix,
            label: line.label,
            label_plural: line.label_plural,
            layoutable: line.layoutable,
            listviewable: None,
            lookup_layoutable: None,
            mergeable: line.mergeable,
            mru_enabled: line.mru_enabled,
            name: line.name,
            named_layout_infos: [],
            network_scope_field_name: None,
            queryable: line.queryable,
            record_type_infos: record_types(view, object),
            replicateable: line.replicateable,
            retrieveable: line.retrieveable,
            search_layoutable: object.search_layoutable(),
            searchable: line.searchable,
            // Absent at 48.0, there in every younger recording; since which version is not known.
            sobject_describe_option: newer.then_some("FULL"),
            supported_scopes: scopes(view, object),
            triggerable: line.triggerable,
            undeletable: line.undeletable,
            updateable: line.updateable,
            urls: Urls::whole(view, object),
        }
    }
}

/// Whether the caller sees the child's object and its reference.
fn sees(view: View<'_>, child: &Child) -> bool {
    view.caller
        .object(view.schema, &child.object)
        .is_some_and(|object| view.caller.field(object, &child.field).is_some())
}

/// Networks list every feed that is told apart by network, although its field is no reference (as recorded).
fn scoped_feeds<'a>(view: View<'a>, object: &Object) -> Vec<Relationship<'a>> {
    if object.name != "Network" {
        return Vec::new();
    }
    let feeds = view.schema.objects().filter(|feed| feed.has("NetworkScope"));
    feeds
        .filter(|feed| view.caller.sees(feed))
        .map(|feed| Relationship {
            cascade_delete: false,
            child_object: &feed.name,
            deprecated_and_hidden: false,
            field: "NetworkScope",
            junction_id_list_names: [],
            junction_reference_to: [],
            relationship_name: None,
            restricted_delete: false,
        })
        .collect()
}

fn relationship(child: &Child) -> Relationship<'_> {
    Relationship {
        cascade_delete: child.cascade_delete,
        child_object: &child.object,
        deprecated_and_hidden: false,
        field: &child.field,
        junction_id_list_names: [],
        junction_reference_to: [],
        relationship_name: child.relationship_name.as_deref(),
        restricted_delete: child.restricted_delete,
    }
}

/// The record types, the master one last. It is there on every object with layouts, and the default where no other is.
fn record_types<'a>(view: View<'a>, object: &'a Object) -> Vec<RecordTypeLine<'a>> {
    let available = |id: &str| view.record_types.is_none_or(|access| access.visible.iter().any(|known| known == id));
    let line = |id: &'a str, name: &'a str, developer_name: &'a str, active, default, master| RecordTypeLine {
        active,
        available: active && (master || available(id)),
        default_record_type_mapping: default,
        developer_name,
        master,
        name,
        record_type_id: id,
        urls: Urls::layout(view, object, id),
    };
    let mut lines: Vec<RecordTypeLine<'a>> = object
        .record_types
        .iter()
        .map(|kind| {
            let default = match view.record_types {
                Some(access) => access.default.as_ref() == Some(&kind.id),
                None => kind.default,
            };
            line(&kind.id, &kind.name, &kind.developer_name, kind.active, default, kind.master)
        })
        .collect();
    if object.has_master_record_type() && !object.record_types.iter().any(|kind| kind.master) {
        let default = !lines.iter().any(|line| line.default_record_type_mapping);
        lines.push(line(MASTER_RECORD_TYPE, "Master", "Master", true, default, true));
    }
    lines
}
