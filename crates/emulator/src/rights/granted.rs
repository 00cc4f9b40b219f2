// SPDX-License-Identifier: Apache-2.0
//! Reads what a user's profile and permission sets grant, and grants new fields to administrators.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::{FieldRight, ObjectRights, governed};
use crate::schema::{Object, Schema};
use crate::store::{Row, Tx};
use crate::value::Value;

/// The union of what some permission sets grant.
#[derive(Default)]
pub struct Granted {
    pub permissions: BTreeSet<String>,
    pub objects: HashMap<String, ObjectRights>,
    pub fields: HashMap<String, HashMap<String, FieldRight>>,
}

/// What the profile's own permission set, the assigned sets and the sets of assigned groups grant together.
pub fn of_user(tx: &Tx<'_>, user_id: &str) -> Granted {
    let mut granted = Granted::default();
    let (Some(users), Some(sets)) = (tx.schema.object("User"), tx.schema.object("PermissionSet")) else {
        return granted;
    };
    let Some(user) = tx.row(users, user_id) else { return granted };
    for set in tx.rows_where(sets, "\"ProfileId\" = ?1", &[user.get("ProfileId")]) {
        granted.join(of_set(tx, sets, &set));
    }
    let Some(assignments) = tx.schema.object("PermissionSetAssignment") else { return granted };
    for assignment in tx.rows_where(assignments, "\"AssigneeId\" = ?1", &[&user_id]) {
        let over = assignment.get("ExpirationDate").as_int().is_some_and(|end| end <= tx.now);
        if over || assignment.get("IsRevoked").is_true() {
            continue;
        }
        if let Some(set) = tx.row(sets, assignment.text("PermissionSetId")) {
            granted.join(of_set(tx, sets, &set));
        }
        if let Some(group) = assignment.get("PermissionSetGroupId").as_str() {
            granted.join(of_group(tx, sets, group));
        }
    }
    granted
}

/// The sets of a group, less what its muting sets take.
fn of_group(tx: &Tx<'_>, sets: &Object, group: &str) -> Granted {
    let mut granted = Granted::default();
    let Some(components) = tx.schema.object("PermissionSetGroupComponent").cloned() else { return granted };
    let mut muted = Vec::new();
    for component in tx.rows_where(&components, "\"PermissionSetGroupId\" = ?1", &[&group]) {
        let id = component.text("PermissionSetId").to_owned();
        match tx.row(sets, &id) {
            Some(set) => granted.join(of_set(tx, sets, &set)),
            None => muted.extend(muting(tx, &id)),
        }
    }
    for taken in muted {
        granted.without(&taken);
    }
    granted
}

fn muting(tx: &Tx<'_>, id: &str) -> Option<Granted> {
    let muting = tx.schema.object("MutingPermissionSet")?.clone();
    let set = tx.row(&muting, id)?;
    Some(of_set(tx, &muting, &set))
}

/// What one set grants: its user permissions, and the rows below it.
fn of_set(tx: &Tx<'_>, sets: &Object, set: &Row) -> Granted {
    let mut granted = Granted::default();
    for (field, value) in sets.fields.iter().zip(&set.values) {
        if let Some(name) = field.name.strip_prefix("Permissions")
            && value.is_true()
        {
            granted.permissions.insert(name.to_owned());
        }
    }
    let id = set.id();
    if let Some(rights) = tx.schema.object("ObjectPermissions").cloned() {
        for row in tx.rows_where(&rights, "\"ParentId\" = ?1", &[&id]) {
            granted.objects.entry(row.text("SobjectType").to_owned()).or_default().join(object_rights(&row));
        }
    }
    if let Some(rights) = tx.schema.object("FieldPermissions").cloned() {
        for row in tx.rows_where(&rights, "\"ParentId\" = ?1", &[&id]) {
            let (object, field) = row.text("Field").split_once('.').unwrap_or((row.text("SobjectType"), ""));
            let field = canonical(&tx.schema, object, field);
            let right = granted.fields.entry(object.to_owned()).or_default().entry(field).or_default();
            right.0 |= row.get("PermissionsRead").is_true() || row.get("PermissionsEdit").is_true();
            right.1 |= row.get("PermissionsEdit").is_true();
        }
    }
    granted
}

/// `Account.Parent` in FieldPermissions means the field `ParentId`.
fn canonical(schema: &Schema, object: &str, field: &str) -> String {
    let object = schema.object(object);
    let known = object.and_then(|object| object.field(field).or_else(|| object.relationship(field)));
    known.map_or_else(|| field.to_owned(), |known| known.name.clone())
}

fn object_rights(row: &Row) -> ObjectRights {
    let on = |name: &str| row.get(name).is_true();
    ObjectRights {
        read: on("PermissionsRead"),
        create: on("PermissionsCreate"),
        edit: on("PermissionsEdit"),
        delete: on("PermissionsDelete"),
        view_all: on("PermissionsViewAllRecords"),
        modify_all: on("PermissionsModifyAllRecords"),
        view_all_fields: on("PermissionsViewAllFields"),
    }
}

impl Granted {
    fn join(&mut self, other: Granted) {
        self.permissions.extend(other.permissions);
        for (object, rights) in other.objects {
            self.objects.entry(object).or_default().join(rights);
        }
        for (object, fields) in other.fields {
            let own = self.fields.entry(object).or_default();
            for (field, (read, edit)) in fields {
                let right = own.entry(field).or_default();
                *right = (right.0 || read, right.1 || edit);
            }
        }
    }

    fn without(&mut self, muted: &Granted) {
        self.permissions.retain(|name| !muted.permissions.contains(name));
        for (object, rights) in &muted.objects {
            self.objects.entry(object.clone()).or_default().without(*rights);
        }
        for (object, fields) in &muted.fields {
            let own = self.fields.entry(object.clone()).or_default();
            for (field, (read, edit)) in fields {
                let right = own.entry(field.clone()).or_default();
                *right = (right.0 && !read, right.1 && !edit);
            }
        }
    }
}

/// Lets the permission sets that profiles own see and edit the fields of `schema` that `before` lacked, as the wizard of
/// Setup offers for a new field: those with `ModifyAllData` every one, others those of the objects that they may read.
/// (A field that the Metadata API makes is granted to nobody in a real org; here administrators always get it.)
pub fn grant_new_fields(tx: &Tx<'_>, before: Option<&Schema>) -> rusqlite::Result<()> {
    let schema = tx.schema.clone();
    let (Some(sets), Some(rights)) = (schema.object("PermissionSet"), schema.object("FieldPermissions")) else {
        return Ok(());
    };
    let new = new_fields(&schema, before);
    if new.is_empty() {
        return Ok(());
    }
    for set in tx.rows_where(sets, "\"IsOwnedByProfile\" = 1", &[]) {
        let administrator = set.get("PermissionsModifyAllData").is_true();
        if before.is_some() && !administrator {
            continue;
        }
        let granted = of_set(tx, sets, &set);
        let own = |name: &str| granted.objects.get(name).copied().unwrap_or_default();
        let can = |name: &str| granted.permissions.contains(name);
        for (object, field, editable) in &new {
            if !administrator && !governed::rights(object, &own, &can).read {
                continue;
            }
            if granted.fields.get(&object.name).is_some_and(|fields| fields.contains_key(field)) {
                continue;
            }
            let given = |name: &str| match name {
                "Id" => Value::Text(tx.next_id(rights)),
                "ParentId" => Value::Text(set.id().to_owned()),
                "SobjectType" => Value::Text(object.name.clone()),
                "Field" => Value::Text(format!("{}.{field}", object.name)),
                "PermissionsRead" => Value::Bool(true),
                "PermissionsEdit" => Value::Bool(*editable),
                "SystemModstamp" => Value::Int(tx.now.div_euclid(1000) * 1000),
                _ => Value::Null,
            };
            let values: Vec<Value> = rights.fields.iter().map(|field| given(&field.name)).collect();
            tx.insert_row(rights, &values)?;
        }
    }
    Ok(())
}

/// Fields under field-level security that the other schema lacks: object, field, whether anyone can write it.
fn new_fields<'s>(schema: &'s Schema, before: Option<&Schema>) -> Vec<(&'s Arc<Object>, String, bool)> {
    let mut new = Vec::new();
    for object in schema.objects().filter(|object| governed::has_field_security(object)) {
        let known = before.and_then(|before| before.object(&object.name));
        for field in object.fields.iter().filter(|field| governed::is_secured(object, field)) {
            if known.is_none_or(|known| !known.has(&field.name)) {
                let parts = object.fields.iter().filter(|part| part.compound.as_deref() == Some(&field.name));
                let editable = parts.chain([field]).any(|field| field.createable || field.updateable);
                new.push((object, field.name.clone(), editable));
            }
        }
    }
    new
}
