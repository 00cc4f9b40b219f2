// SPDX-License-Identifier: Apache-2.0
//! Objects of the platform that no describe we have holds, made from what the Object Reference says of them.

use std::sync::Arc;

use super::{Field, FieldType, Object, Schema};

impl Schema {
    /// This schema with those of these objects that it lacks:
    ///
    /// - `DeleteEvent`, read-only, queryable, one row per record in the recycle bin (`salesforce-api.md` 2.7). Its key prefix is a
    ///   guess.
    /// - `UserPermissionAccess`, what the asking user may do, by the permissions that a permission set of this org has (Object
    ///   Reference, "UserPermissionAccess"; its rows are worked out, see `soql/permission_access.rs`).
    pub fn with_platform_objects(self) -> Schema {
        let permissions = self.object("PermissionSet").map(|sets| user_permission_access(sets));
        let made: Vec<Object> = [Some(delete_event()), permissions].into_iter().flatten().collect();
        let missing: Vec<Object> = made.into_iter().filter(|made| self.object(&made.name).is_none()).collect();
        if missing.is_empty() {
            return self;
        }
        let mut objects = self.to_objects();
        objects.extend(missing);
        self.rebuilt(objects)
    }
}

fn delete_event() -> Object {
    let mut object = read_only("DeleteEvent", "Delete Event", "Delete Events", "0DE");
    let mut who = system("DeletedById", "Deleted By ID", FieldType::Reference, 18);
    who.reference_to = vec!["User".to_owned()];
    who.relationship_name = Some("DeletedBy".to_owned());
    let mut record = system("Record", "Record", FieldType::String, 18);
    // Found by it when the record comes back; describe shows it as an ordinary field.
    (record.case_sensitive, record.id_lookup) = (true, false);
    object.fields.extend(
        [
            system("Id", "Delete Event ID", FieldType::Id, 18),
            who,
            system("DeletedDate", "Deleted Date", FieldType::Datetime, 0),
            record,
            system("RecordName", "Record Name", FieldType::String, 255),
            system("SobjectName", "Sobject Name", FieldType::String, 80),
        ]
        .map(Arc::new),
    );
    object
}

/// One row for the asking user: a boolean for each permission, by the names that permission sets have. It supports describe and query
/// alone; that the Bulk API refuses it is a guess.
fn user_permission_access(sets: &Object) -> Object {
    let mut object = Object {
        key_prefix: None,
        retrieveable: false,
        bulk: false,
        ..read_only("UserPermissionAccess", "User Permission Access", "User Permission Access", "")
    };
    let mut updated = system("LastCacheUpdate", "Last Cache Update", FieldType::Datetime, 0);
    (updated.nillable, updated.groupable) = (true, false);
    object.fields.push(Arc::new(system("Id", "User Permission Access ID", FieldType::Id, 18)));
    object.fields.push(Arc::new(updated));
    let permissions = sets.fields.iter().filter(|field| field.name.starts_with("Permissions"));
    object.fields.extend(permissions.map(|field| {
        let mut permission = system(&field.name, &field.label, FieldType::Boolean, 0);
        (permission.sortable, permission.groupable, permission.aggregatable) = (false, false, false);
        Arc::new(permission)
    }));
    object
}

/// An object that can be queried and nothing else.
pub(super) fn read_only(name: &str, label: &str, plural: &str, prefix: &str) -> Object {
    Object {
        name: name.to_owned(),
        label: label.to_owned(),
        label_plural: plural.to_owned(),
        key_prefix: Some(prefix.to_owned()),
        queryable: true,
        retrieveable: true,
        bulk: true,
        ..Object::default()
    }
}

/// A field that the server alone writes.
pub(super) fn system(name: &str, label: &str, kind: FieldType, length: u32) -> Field {
    let mut field = Field::usual(name, label, kind, length);
    (field.nillable, field.createable, field.updateable, field.defaulted_on_create) = (false, false, false, true);
    field.id_lookup = kind == FieldType::Id;
    field
}
