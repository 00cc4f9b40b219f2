// SPDX-License-Identifier: Apache-2.0
//! Permission sets and profiles of rows as XML: what they grant.

use super::super::effect;
use super::super::xml::Node;
use crate::org::{Row, Tx};

fn row(tx: &Tx<'_>, object: &str, condition: &str, value: &str) -> Option<Row> {
    let object = tx.schema.object(object)?;
    tx.rows_where(object, condition, &[&value]).into_iter().next()
}

/// Id and XML of a permission set.
pub fn set(tx: &Tx<'_>, name: &str) -> Option<(String, Node)> {
    let set = row(tx, "PermissionSet", "\"Name\" = ?1 AND \"IsOwnedByProfile\" = 0", name)?;
    let mut node = Node::named("PermissionSet");
    if !set.text("Description").is_empty() {
        node.children.push(Node::leaf("description", set.text("Description")));
    }
    below(tx, set.id(), &mut node);
    node.children.push(Node::leaf("hasActivationRequired", set.get("HasActivationRequired").is_true().to_string()));
    node.children.push(Node::leaf("label", set.text("Label")));
    permissions(&set, &mut node);
    node.children.sort_by(|a, b| a.name.cmp(&b.name));
    Some((set.id().to_owned(), node))
}

/// Id and XML of a profile, by the name that metadata gives it.
pub fn profile(tx: &Tx<'_>, name: &str) -> Option<(String, Node)> {
    let profile = row(tx, "Profile", "\"Name\" = ?1", &effect::profile_row_name(name))?;
    let license = row(tx, "UserLicense", "\"Id\" = ?1", profile.text("UserLicenseId"));
    let mut node = Node::named("Profile")
        .with(Node::leaf("custom", (effect::profile_name(profile.text("Name")) == profile.text("Name")).to_string()));
    if let Some(set) = row(tx, "PermissionSet", "\"ProfileId\" = ?1", profile.id()) {
        below(tx, set.id(), &mut node);
    }
    node.children.push(Node::leaf(
        "userLicense",
        license.map_or_else(|| "Salesforce".to_owned(), |license| license.text("Name").to_owned()),
    ));
    permissions(&profile, &mut node);
    node.children.sort_by(|a, b| a.name.cmp(&b.name));
    Some((profile.id().to_owned(), node))
}

fn permissions(row: &Row, node: &mut Node) {
    let granted = row.object.fields.iter().filter(|field| row.get(&field.name).is_true());
    let mut names: Vec<&str> = granted.filter_map(|field| field.name.strip_prefix("Permissions")).collect();
    names.sort_unstable();
    for name in names {
        node.children
            .push(Node::named("userPermissions").with(Node::leaf("enabled", "true")).with(Node::leaf("name", name)));
    }
}

fn below(tx: &Tx<'_>, set: &str, node: &mut Node) {
    if let Some(fields) = tx.schema.object("FieldPermissions") {
        for row in tx.rows_where(fields, "\"ParentId\" = ?1", &[&set]) {
            let one = Node::named("fieldPermissions")
                .with(Node::leaf("editable", row.get("PermissionsEdit").is_true().to_string()))
                .with(Node::leaf("field", row.text("Field")))
                .with(Node::leaf("readable", row.get("PermissionsRead").is_true().to_string()));
            node.children.push(one);
        }
    }
    if let Some(objects) = tx.schema.object("ObjectPermissions") {
        for row in tx.rows_where(objects, "\"ParentId\" = ?1", &[&set]) {
            let flag = |column: &str| row.get(column).is_true().to_string();
            let one = Node::named("objectPermissions")
                .with(Node::leaf("allowCreate", flag("PermissionsCreate")))
                .with(Node::leaf("allowDelete", flag("PermissionsDelete")))
                .with(Node::leaf("allowEdit", flag("PermissionsEdit")))
                .with(Node::leaf("allowRead", flag("PermissionsRead")))
                .with(Node::leaf("modifyAllRecords", flag("PermissionsModifyAllRecords")))
                .with(Node::leaf("object", row.text("SobjectType")))
                .with(Node::leaf("viewAllRecords", flag("PermissionsViewAllRecords")));
            node.children.push(one);
        }
    }
}
