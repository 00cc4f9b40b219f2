// SPDX-License-Identifier: Apache-2.0
//! Permissions that need other permissions: the platform refuses a row of ObjectPermissions, FieldPermissions or
//! PermissionSet that grants one without the other. Setup ticks the missing ones by itself, the API does not.
//!
//! What needs what is told by the object reference for ObjectPermissions; the texts are those that deployments report
//! (`Permission Edit Account depends on permission(s): Read Account`). Of user permissions only the ones that Orgkeep
//! meets are checked. That a FieldPermissions row fails with the same words is a guess.

use super::governed;
use crate::error::SaveError;
use crate::record::Draft;
use crate::schema::Schema;
use crate::store::Tx;

/// Field of ObjectPermissions, its name in messages, the fields it needs beside itself.
const OF_OBJECTS: [(&str, &str, &[&str]); 7] = [
    ("PermissionsRead", "Read", &[]),
    ("PermissionsCreate", "Create", &["PermissionsRead"]),
    ("PermissionsEdit", "Edit", &["PermissionsRead"]),
    ("PermissionsDelete", "Delete", &["PermissionsEdit", "PermissionsRead"]),
    ("PermissionsViewAllRecords", "Read All", &["PermissionsRead"]),
    (
        "PermissionsModifyAllRecords",
        "Modify All",
        &["PermissionsDelete", "PermissionsEdit", "PermissionsViewAllRecords", "PermissionsRead"],
    ),
    ("PermissionsViewAllFields", "View All Fields", &["PermissionsRead"]),
];

/// User permissions that need others.
const OF_USERS: [(&str, &[&str]); 4] = [
    ("AuthorApex", &["ModifyAllData", "ViewSetup"]),
    ("CustomizeApplication", &["ViewSetup"]),
    ("ModifyAllData", &["ViewAllData"]),
    ("QueryAllFiles", &["ViewAllData"]),
];

/// Standard objects whose permissions need those of another.
const ABOVE: [(&str, &str); 4] =
    [("Asset", "Account"), ("Contact", "Account"), ("Contract", "Account"), ("Opportunity", "Account")];

/// Refuses a row that grants what needs more.
pub fn check(tx: &Tx<'_>, draft: &Draft) -> Result<(), SaveError> {
    match draft.object.name.as_str() {
        "ObjectPermissions" => object_permissions(tx, draft),
        "FieldPermissions" => field_permissions(tx, draft),
        "PermissionSet" => user_permissions(draft),
        _ => Ok(()),
    }
}

/// Whether an update leaves nothing granted, which deletes the row.
pub fn removes(draft: &Draft) -> bool {
    matches!(draft.object.name.as_str(), "ObjectPermissions" | "FieldPermissions") && !draft.is_new() && !grants(draft)
}

fn grants(draft: &Draft) -> bool {
    let mut flags = draft.object.fields.iter().filter(|field| field.name.starts_with("Permissions"));
    flags.any(|field| draft.get(&field.name).is_true())
}

fn broken(message: String, field: &str) -> SaveError {
    SaveError::new("FIELD_INTEGRITY_EXCEPTION", message, &[field])
}

fn nothing() -> SaveError {
    broken("You must enable at least one permission.".to_owned(), "Permissions")
}

/// A value that a picklist of the org's objects and fields lacks.
fn not_listed(draft: &Draft, field: &str) -> SaveError {
    let label = draft.object.field(field).map_or(field, |field| field.label.as_str());
    let message =
        format!("{label}: bad value for restricted picklist field: {}", draft.text(field).unwrap_or_default());
    SaveError::new("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", message, &[field])
}

fn object_permissions(tx: &Tx<'_>, draft: &Draft) -> Result<(), SaveError> {
    let name = draft.text("SobjectType").unwrap_or_default();
    let Some(object) = tx.schema.object(name).filter(|object| governed::has_own_permissions(object)) else {
        return Err(not_listed(draft, "SobjectType"));
    };
    if !grants(draft) {
        return if draft.is_new() { Err(nothing()) } else { Ok(()) };
    }
    let word = |wanted: &str| OF_OBJECTS.iter().find(|(field, ..)| *field == wanted).map_or("", |(_, word, _)| word);
    let mut broken_rules = Vec::new();
    for (field, shown, needs) in OF_OBJECTS {
        if !draft.get(field).is_true() {
            continue;
        }
        let mut missing: Vec<String> = needs
            .iter()
            .filter(|needed| !draft.get(needed).is_true())
            .map(|needed| format!("{} {}", word(needed), object.name))
            .collect();
        let follows = matches!(field, "PermissionsRead" | "PermissionsViewAllRecords");
        for master in masters(&tx.schema, &object.name).into_iter().filter(|_| follows) {
            let held = tx.count(
                "ObjectPermissions",
                &format!("\"ParentId\" = ?1 AND \"SobjectType\" = ?2 AND \"{field}\" = 1"),
                &[&draft.text("ParentId"), &master],
            );
            let everything = tx.count(
                "PermissionSet",
                "\"Id\" = ?1 AND (\"PermissionsViewAllData\" = 1 OR \"PermissionsModifyAllData\" = 1)",
                &[&draft.text("ParentId")],
            );
            if held == 0 && everything == 0 {
                missing.push(format!("{shown} {master}"));
            }
        }
        if !missing.is_empty() {
            missing.sort();
            broken_rules.push(format!(
                "Permission {shown} {} depends on permission(s): {}",
                object.name,
                missing.join(", ")
            ));
        }
    }
    if broken_rules.is_empty() { Ok(()) } else { Err(broken(broken_rules.join("; "), "Permissions")) }
}

/// The objects whose permission this one's needs: masters of a detail, and Account of what hangs on it.
fn masters(schema: &Schema, name: &str) -> Vec<String> {
    if let Some((_, above)) = ABOVE.iter().find(|(below, _)| *below == name) {
        return vec![(*above).to_owned()];
    }
    let Some(object) = schema.object(name).filter(|object| object.custom) else { return Vec::new() };
    let details = object.fields.iter().filter(|field| field.cascade_delete && field.custom);
    let masters = details.filter_map(|field| field.reference_to.first()).filter(|master| *master != name);
    masters
        .filter_map(|master| schema.object(master))
        .filter(|master| governed::has_own_permissions(master))
        .map(|master| master.name.clone())
        .collect()
}

fn field_permissions(tx: &Tx<'_>, draft: &Draft) -> Result<(), SaveError> {
    let name = draft.text("Field").unwrap_or_default();
    let known = name.split_once('.').and_then(|(object, field)| {
        let object = tx.schema.object(object)?;
        let field = object.field(field).or_else(|| object.relationship(field))?;
        governed::is_secured(object, field).then(|| object.name.clone())
    });
    match (known, draft.text("SobjectType")) {
        (Some(object), Some(stated)) if object == stated => {}
        (Some(_), _) => return Err(not_listed(draft, "SobjectType")),
        (None, _) => return Err(not_listed(draft, "Field")),
    }
    if !grants(draft) {
        return if draft.is_new() { Err(nothing()) } else { Ok(()) };
    }
    if draft.get("PermissionsEdit").is_true() && !draft.get("PermissionsRead").is_true() {
        let message = format!("Permission Edit {name} depends on permission(s): Read {name}");
        return Err(broken(message, "Permissions"));
    }
    let twin = tx.count(
        "FieldPermissions",
        "\"ParentId\" = ?1 AND \"Field\" = ?2 AND \"Id\" <> ?3",
        &[&draft.text("ParentId"), &name, &draft.id],
    );
    if twin > 0 { Err(SaveError::duplicate_value("FieldAndParent", &draft.id)) } else { Ok(()) }
}

fn user_permissions(draft: &Draft) -> Result<(), SaveError> {
    let has = |name: &str| draft.get(&format!("Permissions{name}")).is_true();
    let broken_rule = |(name, needs): &(&str, &[&str])| {
        let missing: Vec<&str> = needs.iter().copied().filter(|needed| !has(needed)).collect();
        (has(name) && !missing.is_empty())
            .then(|| format!("Permission {name} depends on permission(s): {}", missing.join(", ")))
    };
    let rules: Vec<String> = OF_USERS.iter().filter_map(broken_rule).collect();
    if rules.is_empty() { Ok(()) } else { Err(broken(rules.join("; "), "Permissions")) }
}
