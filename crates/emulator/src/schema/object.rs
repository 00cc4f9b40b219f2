// SPDX-License-Identifier: Apache-2.0
//! One object with its fields, children and record types (`salesforce-api.md` 2.4, 2.5).

use std::collections::HashMap;
use std::sync::Arc;

use super::{Field, Tracking, tracking};

/// What users' rights are made of.
const GRANTING: [&str; 18] = [
    "CustomPermission",
    "FieldPermissions",
    "Group",
    "GroupMember",
    "MutingPermissionSet",
    "ObjectPermissions",
    "Organization",
    "PermissionSet",
    "PermissionSetAssignment",
    "PermissionSetGroup",
    "PermissionSetGroupComponent",
    "PermissionSetLicenseAssign",
    "PermissionSetTabSetting",
    "Profile",
    "SetupEntityAccess",
    "User",
    "UserLogin",
    "UserRole",
];

/// An object whose queries must be filtered, and by what (`salesforce-api.md` 3.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeedsFilter {
    /// One of these fields must be compared with `=` or `IN`; where there are none, every query is refused.
    pub fields: Vec<String>,
    /// The refusal's code, nearly always `MALFORMED_QUERY`.
    pub code: String,
    /// The refusal's text.
    pub message: String,
    /// The permission that lifts it, e.g. `QueryAllFiles`.
    pub unless_permission: Option<String>,
}

/// A relationship seen from its parent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Child {
    pub object: String,
    pub field: String,
    pub relationship_name: Option<String>,
    pub cascade_delete: bool,
    pub restricted_delete: bool,
}

impl Child {
    /// Whether describe lists it for this parent. Records that were merged away, and what queues own, are followed without
    /// being listed.
    pub fn is_listed(&self, parent: &str) -> bool {
        self.field != "MasterRecordId" && !(self.field == "OwnerId" && parent == "Group")
    }
}

/// A record type of an object. Its Id is that of the `RecordType` row, allocated when the org was made.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RecordTypeInfo {
    pub id: String,
    pub developer_name: String,
    pub name: String,
    pub active: bool,
    pub default: bool,
    pub master: bool,
}

/// One object. Looking up fields takes names in any case.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Object {
    pub name: String,
    pub label: String,
    pub label_plural: String,
    pub key_prefix: Option<String>,
    /// Ids begin with the prefix, but describe does not say so: it is shared.
    pub key_prefix_untold: bool,
    pub custom: bool,
    pub custom_setting: bool,
    pub queryable: bool,
    pub retrieveable: bool,
    pub searchable: bool,
    pub createable: bool,
    pub updateable: bool,
    pub deletable: bool,
    pub undeletable: bool,
    pub mergeable: bool,
    pub replicateable: bool,
    pub layoutable: bool,
    pub triggerable: bool,
    pub feed_enabled: bool,
    pub mru_enabled: bool,
    pub deep_cloneable: bool,
    pub deprecated_and_hidden: bool,
    /// `History`, `Share`, `Feed` … of a generated companion.
    pub associate_entity_type: Option<String>,
    pub associate_parent_entity: Option<String>,
    pub fields: Vec<Arc<Field>>,
    pub children: Vec<Child>,
    pub record_types: Vec<RecordTypeInfo>,
    /// Whether the Bulk API takes it.
    pub bulk: bool,
    pub needs_filter: Option<NeedsFilter>,
    /// Which of its fields its history keeps.
    pub tracking: Tracking,
    /// Whether its changes can be captured, also when describe shows no companion for them.
    pub(crate) change_events: bool,
    /// The store makes its table when it is first used: most of the standard objects never are.
    pub(crate) table_when_used: bool,
    pub(super) grants: bool,
    pub(super) tracks: Vec<bool>,
    pub(super) by_name: HashMap<String, usize>,
    pub(super) by_relationship: HashMap<String, usize>,
    pub(super) select_all: String,
    pub(super) select_by_id: String,
    pub(super) insert: String,
    pub(super) is_deleted: String,
}

impl Object {
    /// The field of this name, in any case.
    pub fn field(&self, name: &str) -> Option<&Arc<Field>> {
        self.position(name).map(|at| &self.fields[at])
    }

    /// Where in `fields` the field of this name stands.
    pub fn position(&self, name: &str) -> Option<usize> {
        lookup(&self.by_name, name)
    }

    pub fn has(&self, name: &str) -> bool {
        self.position(name).is_some()
    }

    /// The reference field behind an element of a parent path: `Account`, `Parent__r`, `Owner`.
    pub fn relationship(&self, name: &str) -> Option<&Arc<Field>> {
        lookup(&self.by_relationship, name).map(|at| &self.fields[at])
    }

    /// The child relationship that a subquery names.
    pub fn child(&self, relationship_name: &str) -> Option<&Child> {
        let same =
            |name: &Option<String>| name.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(relationship_name));
        self.children.iter().find(|child| same(&child.relationship_name))
    }

    /// The field that names a record: `Name`, `CaseNumber`, `Subject`, `Title`.
    pub fn name_field(&self) -> Option<&Arc<Field>> {
        self.fields.iter().find(|field| field.name_field)
    }

    /// Custom metadata types end in `__mdt`; only a deployment writes their rows.
    pub fn is_custom_metadata(&self) -> bool {
        self.name.ends_with("__mdt")
    }

    pub fn record_type(&self, id: &str) -> Option<&RecordTypeInfo> {
        self.record_types.iter().find(|kind| kind.id == id)
    }

    /// Whether users' rights are made of its rows.
    pub(crate) fn grants(&self) -> bool {
        self.grants
    }

    /// Whether its history keeps changes of the field that stands here.
    pub(crate) fn tracks(&self, at: usize) -> bool {
        self.tracks.get(at).copied().unwrap_or_default()
    }

    /// `SELECT` of all stored columns, in the order of the fields.
    pub(crate) fn select_all(&self) -> &str {
        &self.select_all
    }

    pub(crate) fn select_by_id(&self) -> &str {
        &self.select_by_id
    }

    /// `INSERT` of all stored columns, in the order of the fields.
    pub(crate) fn insert_sql(&self) -> &str {
        &self.insert
    }

    /// [`Object::has`] for an object that is still being made.
    pub(crate) fn has_field_unindexed(&self, name: &str) -> bool {
        self.fields.iter().any(|field| field.name.eq_ignore_ascii_case(name))
    }

    /// `SELECT` of the deleted flag of the row with an Id; 0 for objects without one.
    pub(crate) fn is_deleted_sql(&self) -> &str {
        &self.is_deleted
    }

    pub(super) fn index(&mut self) {
        self.grants = GRANTING.contains(&self.name.as_str());
        self.tracks = tracking::tracked(self);
        let columns: Vec<String> =
            self.fields.iter().filter(|field| field.stored()).map(|field| format!("\"{}\"", field.name)).collect();
        self.select_all = format!("SELECT {} FROM \"{}\"", columns.join(", "), self.name);
        self.select_by_id = format!("{} WHERE \"Id\" = ?1", self.select_all);
        let places = vec!["?"; columns.len()].join(", ");
        self.insert = format!("INSERT INTO \"{}\" ({}) VALUES ({places})", self.name, columns.join(", "));
        let deleted = if self.has_field_unindexed("IsDeleted") { "\"IsDeleted\"" } else { "0" };
        self.is_deleted = format!("SELECT {deleted} FROM \"{}\" WHERE \"Id\" = ?1", self.name);
        let lower = |text: &str| text.to_ascii_lowercase();
        let mut by_name = HashMap::with_capacity(self.fields.len() * 2);
        let mut by_relationship = HashMap::new();
        for (at, field) in self.fields.iter().enumerate() {
            by_name.insert(lower(&field.name), at);
            by_name.insert(field.name.clone(), at);
            if let Some(name) = field.relationship_name.as_ref().filter(|_| field.is_reference()) {
                by_relationship.insert(lower(name), at);
                by_relationship.insert(name.clone(), at);
            }
        }
        self.by_name = by_name;
        self.by_relationship = by_relationship;
    }
}

/// Exact first, because nearly every caller writes the canonical case; then without case.
fn lookup(index: &HashMap<String, usize>, name: &str) -> Option<usize> {
    index.get(name).or_else(|| index.get(&name.to_ascii_lowercase())).copied()
}
