// SPDX-License-Identifier: Apache-2.0
//! Permission sets and profiles: user permissions are columns of their row, object and field permissions and access to Apex,
//! pages and custom permissions are rows below it (`salesforce-api.md` 1.11).
//!
//! A permission set's file is the whole of it: what it does not name is taken away. A profile's file only changes what it names.
//! Metadata names some standard profiles otherwise than their rows: `Admin` is "System Administrator".

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;

use super::super::Problem;
use super::super::component;
use super::super::xml::Node;
use crate::org::{Tx, seed};
use crate::record::{self, Fields, Input};
use crate::value::Value;

const STANDARD_PROFILES: [(&str, &str); 7] = [
    ("Admin", "System Administrator"),
    ("ContractManager", "Contract Manager"),
    ("MarketingProfile", "Marketing User"),
    ("ReadOnly", "Read Only"),
    ("SolutionManager", "Solution Manager"),
    ("Standard", "Standard User"),
    ("StandardAul", "Standard Platform User"),
];
/// The flags of object permissions and their columns.
const OBJECT_FLAGS: [(&str, &str); 7] = [
    ("allowCreate", "PermissionsCreate"),
    ("allowDelete", "PermissionsDelete"),
    ("allowEdit", "PermissionsEdit"),
    ("allowRead", "PermissionsRead"),
    ("modifyAllRecords", "PermissionsModifyAllRecords"),
    ("viewAllRecords", "PermissionsViewAllRecords"),
    ("viewAllFields", "PermissionsViewAllFields"),
];
const FIELD_FLAGS: [(&str, &str); 2] = [("editable", "PermissionsEdit"), ("readable", "PermissionsRead")];
/// Element, its child that names the component, the component's type.
const ACCESSES: [(&str, &str, &str); 3] = [
    ("classAccesses", "apexClass", "ApexClass"),
    ("customPermissions", "name", "CustomPermission"),
    ("pageAccesses", "apexPage", "ApexPage"),
];

/// User permissions that come with features or were retired. Profiles of projects (NPSP's) name them; no recorded org has a column
/// for them, so they are kept in the file and decide nothing.
const OF_FEATURES: [&str; 8] = [
    "CreateWorkBadgeDefinition",
    "FieldServiceAccess",
    "ManageClearbitIntegration",
    "ManagePackageLicenses",
    "ManageTranslation",
    "ManageZapierIntegration",
    "SendExternalEmailAvailable",
    "ViewFlowUsageAndFlowEventData",
];

/// The name a profile's row has.
pub fn profile_row_name(full_name: &str) -> String {
    let standard = STANDARD_PROFILES.iter().find(|(name, _)| *name == full_name).map(|(_, row)| (*row).to_owned());
    standard.unwrap_or_else(|| percent_decode_str(full_name).decode_utf8_lossy().into_owned())
}

/// The name that metadata gives to the profile of a row.
pub fn profile_name(row_name: &str) -> String {
    STANDARD_PROFILES.iter().find(|(_, row)| *row == row_name).map_or(row_name, |(name, _)| name).to_owned()
}

fn text(value: &str) -> Input {
    if value.is_empty() { Input::Null } else { Input::Text(value.to_owned()) }
}

fn refused(node: &Node) -> impl Fn(crate::error::SaveError) -> Problem {
    let (line, column) = (node.line, node.column);
    move |error| Problem { line, column, text: error.message }
}

fn write(tx: &mut Tx<'_>, object: &str, id: Option<&str>, fields: Fields, node: &Node) -> Result<String, Problem> {
    let Some(object) = tx.schema.object(object).cloned() else { return Ok(String::new()) };
    let fields: Fields = fields.into_iter().filter(|(name, _)| object.has(name)).collect();
    let caller = seed::platform(tx);
    match id {
        Some(id) => record::update(tx, &caller, &object, id, fields).map(|()| id.to_owned()),
        None => record::insert(tx, &caller, &object, fields),
    }
    .map_err(refused(node))
}

fn first(tx: &Tx<'_>, object: &str, condition: &str, values: &[&dyn rusqlite::ToSql]) -> Option<String> {
    let object = tx.schema.object(object)?;
    tx.ids_where(object, condition, values).into_iter().next()
}

/// The user permissions that the file names, as fields of a row; `whole` also names all others, as not given.
fn user_permissions(tx: &Tx<'_>, node: &Node, whole: bool) -> Result<Fields, Problem> {
    let Some(sets) = tx.schema.object("PermissionSet").cloned() else { return Ok(Fields::new()) };
    let mut given: BTreeMap<String, bool> = BTreeMap::new();
    if whole {
        let all = sets.fields.iter().filter(|field| field.name.starts_with("Permissions"));
        given.extend(all.map(|field| (field.name.clone(), false)));
    }
    for one in node.all("userPermissions") {
        let name = one.text_of("name");
        if OF_FEATURES.contains(&name) {
            continue;
        }
        let Some(field) = sets.field(&format!("Permissions{name}")) else {
            return Err(Problem::at(one, format!("Unknown user permission: {name}")));
        };
        given.insert(field.name.clone(), one.is_true("enabled"));
    }
    Ok(given.into_iter().map(|(name, on)| (name, Input::Bool(on))).collect())
}

/// Writes a permission set; answers its Id.
///
/// # Errors
/// It names what is not there.
pub fn save_set(tx: &mut Tx<'_>, name: &str, node: &Node) -> Result<String, Problem> {
    let known = first(tx, "PermissionSet", "\"Name\" = ?1 AND \"IsOwnedByProfile\" = 0", &[&name]);
    let label = Some(node.text_of("label")).filter(|label| !label.is_empty());
    if known.is_none() && label.is_none() {
        return Err(Problem::at(node, "Required field is missing: label"));
    }
    let mut fields: Fields = vec![("Name".into(), text(name)), ("IsCustom".into(), Input::Bool(true))];
    fields.extend(label.map(|label| ("Label".to_owned(), text(label))));
    fields.push(("Description".into(), text(node.text_of("description"))));
    fields.push(("HasActivationRequired".into(), Input::Bool(node.is_true("hasActivationRequired"))));
    if known.is_none() {
        fields.extend([("Type".to_owned(), text("Regular")), ("IsOwnedByProfile".to_owned(), Input::Bool(false))]);
        let license = node.text_of("license");
        fields.extend(
            first(tx, "UserLicense", "\"Name\" = ?1", &[&license]).map(|id| ("LicenseId".to_owned(), text(&id))),
        );
    }
    fields.extend(user_permissions(tx, node, true)?);
    let id = write(tx, "PermissionSet", known.as_deref(), fields, node)?;
    below(tx, &id, node, true)?;
    Ok(id)
}

/// Writes a profile; answers its Id. One that is not there is made, with the permission set that it owns.
///
/// # Errors
/// It names what is not there.
pub fn save_profile(tx: &mut Tx<'_>, full_name: &str, node: &Node) -> Result<String, Problem> {
    let name = profile_row_name(full_name);
    let permissions = user_permissions(tx, node, false)?;
    let known = first(tx, "Profile", "\"Name\" = ?1", &[&name]);
    let is_new = known.is_none();
    let mut fields = permissions.clone();
    if is_new {
        let license = Some(node.text_of("userLicense")).filter(|license| !license.is_empty()).unwrap_or("Salesforce");
        let license =
            first(tx, "UserLicense", "\"Name\" = ?1", &[&license]).or_else(|| first(tx, "UserLicense", "1 = 1", &[]));
        fields.extend([("Name".to_owned(), text(&name)), ("UserType".to_owned(), text("Standard"))]);
        fields.extend(license.map(|id| ("UserLicenseId".to_owned(), text(&id))));
    }
    if node.first("description").is_some() {
        fields.push(("Description".to_owned(), text(node.text_of("description"))));
    }
    let id = if fields.is_empty() {
        known.unwrap_or_default()
    } else {
        write(tx, "Profile", known.as_deref(), fields, node)?
    };
    let set = first(tx, "PermissionSet", "\"ProfileId\" = ?1", &[&id]);
    let mut fields = permissions;
    if set.is_none() {
        fields.extend([
            ("Name".to_owned(), text(&format!("X{}", crate::id::to15(&id)))),
            ("Label".to_owned(), text(&name)),
            ("ProfileId".to_owned(), text(&id)),
            ("IsOwnedByProfile".to_owned(), Input::Bool(true)),
            ("IsCustom".to_owned(), Input::Bool(true)),
            ("Type".to_owned(), text("Profile")),
        ]);
    }
    let set = if fields.is_empty() {
        set.unwrap_or_default()
    } else {
        write(tx, "PermissionSet", set.as_deref(), fields, node)?
    };
    below(tx, &set, node, false)?;
    Ok(id)
}

/// The rows below a permission set.
fn below(tx: &mut Tx<'_>, set: &str, node: &Node, whole: bool) -> Result<(), Problem> {
    let mut objects: BTreeMap<String, Fields> = BTreeMap::new();
    for one in node.all("objectPermissions") {
        let name = one.text_of("object");
        let Some(object) = tx.schema.object(name) else {
            return Err(Problem::at(one, format!("In field: object - no CustomObject named {name} found")));
        };
        let fields = OBJECT_FLAGS.iter().map(|(flag, column)| ((*column).to_owned(), Input::Bool(one.is_true(flag))));
        let mut fields: Fields = fields.collect();
        fields.push(("SobjectType".to_owned(), text(&object.name)));
        objects.insert(object.name.clone(), fields);
    }
    rows(tx, "ObjectPermissions", "SobjectType", set, objects, whole, node)?;
    let mut fields: BTreeMap<String, Fields> = BTreeMap::new();
    for one in node.all("fieldPermissions") {
        for (object, field) in named_fields(tx, one)? {
            let flags = FIELD_FLAGS.iter().map(|(flag, column)| ((*column).to_owned(), Input::Bool(one.is_true(flag))));
            let mut row: Fields = flags.collect();
            let name = format!("{object}.{field}");
            row.extend([("SobjectType".to_owned(), text(&object)), ("Field".to_owned(), text(&name))]);
            fields.insert(name, row);
        }
    }
    rows(tx, "FieldPermissions", "Field", set, fields, whole, node)?;
    accesses(tx, set, node, whole)
}

/// The field that a permission names, on each object that has it. Standard fields that the schema lacks have no row.
fn named_fields(tx: &Tx<'_>, one: &Node) -> Result<Vec<(String, String)>, Problem> {
    let name = one.text_of("field");
    let (object, field) = name.split_once('.').unwrap_or((name, ""));
    let objects: Vec<&str> = if object == "Activity" { vec!["Event", "Task"] } else { vec![object] };
    let mut found = Vec::new();
    for object in objects {
        let Some(known) = tx.schema.object(object) else { continue };
        let Some(known_field) = known.field(field).or_else(|| known.field(&format!("{field}Id"))) else { continue };
        if known_field.custom
            && !known_field.permissionable
            && !known_field.calculated
            && known_field.compound.is_none()
        {
            return Err(Problem::at(one, format!("You cannot deploy to a required field: {name}")));
        }
        found.push((known.name.clone(), known_field.name.clone()));
    }
    if found.is_empty() && (field.ends_with("__c") || object.ends_with("__c")) {
        return Err(Problem::at(one, format!("In field: field - no CustomField named {name} found")));
    }
    Ok(found)
}

/// Brings rows of one kind in line: those that are named are written, unless they grant nothing; a row that grants nothing is no
/// row. With `whole`, the others go.
fn rows(
    tx: &mut Tx<'_>,
    object: &str,
    key: &str,
    set: &str,
    wanted: BTreeMap<String, Fields>,
    whole: bool,
    node: &Node,
) -> Result<(), Problem> {
    let Some(kind) = tx.schema.object(object).cloned() else { return Ok(()) };
    let present: BTreeMap<String, String> = tx
        .rows_where(&kind, "\"ParentId\" = ?1", &[&set])
        .into_iter()
        .map(|row| (row.text(key).to_owned(), row.id().to_owned()))
        .collect();
    for (name, id) in &present {
        if whole && !wanted.contains_key(name) {
            tx.delete_row(&kind, id).expect("the store can be written");
        }
    }
    for (name, mut fields) in wanted {
        let grants = fields.iter().any(|(_, value)| *value == Input::Bool(true));
        match (present.get(&name), grants) {
            (Some(id), false) => tx.delete_row(&kind, id).expect("the store can be written"),
            (Some(id), true) => {
                fields.retain(|(name, _)| name.starts_with("Permissions"));
                write(tx, object, Some(id), fields, node)?;
            }
            (None, true) => {
                fields.push(("ParentId".to_owned(), text(set)));
                write(tx, object, None, fields, node)?;
            }
            (None, false) => {}
        }
    }
    Ok(())
}

fn accesses(tx: &mut Tx<'_>, set: &str, node: &Node, whole: bool) -> Result<(), Problem> {
    let Some(kind) = tx.schema.object("SetupEntityAccess").cloned() else { return Ok(()) };
    if whole {
        let known = tx.ids_where(
            &kind,
            "\"ParentId\" = ?1 AND \"SetupEntityType\" IN ('ApexClass', 'ApexPage', 'CustomPermission')",
            &[&set],
        );
        known.iter().for_each(|id| tx.delete_row(&kind, id).expect("the store can be written"));
    }
    for (element, name_of, component_kind) in ACCESSES {
        for one in node.all(element) {
            let name = one.text_of(name_of);
            let Some(found) = component::find(tx, component_kind, name) else {
                // Classes and pages of packages are not there, and nothing depends on them.
                if !one.is_true("enabled") || name.contains("__") {
                    continue;
                }
                return Err(Problem::at(one, format!("In field: {name_of} - no {component_kind} named {name} found")));
            };
            if one.is_true("enabled") {
                let row =
                    [("ParentId", set), ("SetupEntityId", found.id.as_str()), ("SetupEntityType", component_kind)];
                let values: Vec<Value> = kind
                    .fields
                    .iter()
                    .map(|field| match row.iter().find(|(name, _)| *name == field.name) {
                        Some((_, value)) => Value::from(*value),
                        None if field.name == "Id" => Value::Text(tx.next_id(&kind)),
                        None if field.name == "SystemModstamp" => Value::Int(tx.now / 1_000 * 1_000),
                        None => Value::Null,
                    })
                    .collect();
                tx.insert_row(&kind, &values).expect("the values are those of the fields");
            }
        }
    }
    Ok(())
}

/// Removes a permission set with its rows.
pub fn remove_set(tx: &Tx<'_>, name: &str) -> bool {
    let Some(id) = first(tx, "PermissionSet", "\"Name\" = ?1 AND \"IsOwnedByProfile\" = 0", &[&name]) else {
        return false;
    };
    for (object, key) in [
        ("ObjectPermissions", "ParentId"),
        ("FieldPermissions", "ParentId"),
        ("SetupEntityAccess", "ParentId"),
        ("PermissionSetAssignment", "PermissionSetId"),
        ("PermissionSet", "Id"),
    ] {
        let Some(kind) = tx.schema.object(object).cloned() else { continue };
        for row in tx.ids_where(&kind, &format!("\"{key}\" = ?1"), &[&id]) {
            tx.delete_row(&kind, &row).expect("the store can be written");
        }
    }
    true
}

/// How entries of a profile are told apart: element and the children that name it.
const ENTRIES: [(&str, &[&str]); 14] = [
    ("applicationVisibilities", &["application"]),
    ("categoryGroupVisibilities", &["dataCategoryGroup"]),
    ("classAccesses", &["apexClass"]),
    ("customMetadataTypeAccesses", &["name"]),
    ("customPermissions", &["name"]),
    ("customSettingAccesses", &["name"]),
    ("externalDataSourceAccesses", &["externalDataSource"]),
    ("fieldPermissions", &["field"]),
    ("flowAccesses", &["flow"]),
    ("layoutAssignments", &["layout", "recordType"]),
    ("objectPermissions", &["object"]),
    ("pageAccesses", &["apexPage"]),
    ("recordTypeVisibilities", &["recordType"]),
    ("tabVisibilities", &["tab"]),
];

/// A profile's file after another was deployed over it: entries that the new one names are replaced, the rest stays.
pub fn merge_profile(mut known: Node, new: &Node) -> Node {
    let key = |node: &Node| -> String {
        let names: &[&str] = match ENTRIES.iter().find(|(element, _)| *element == node.name) {
            Some((_, names)) => names,
            None if node.name == "userPermissions" => &["name"],
            None => &[],
        };
        let parts: Vec<&str> = names.iter().map(|name| node.text_of(name)).collect();
        format!("{} {}", node.name, parts.join(" "))
    };
    let replaced: Vec<String> = new.children.iter().map(key).collect();
    known.children.retain(|child| !replaced.contains(&key(child)));
    known.children.extend(new.children.iter().cloned());
    known.children.sort_by_cached_key(|child| (child.name != "fullName", key(child)));
    known
}
