// SPDX-License-Identifier: Apache-2.0
//! What formulas of rules see that belongs to no record: `$User.Email`, `$Setup.Switch__c.Off__c`.
//!
//! `$Permission` is true for custom permissions that are assigned through the profile or a permission set
//! (`SetupEntityAccess` rows), and never for standard ones. `$Setup` reads a
//! hierarchy setting of the user, else of the profile, else of the org.

use super::evaluate::{Place, Result, look_up as look_up_path};
use crate::metadata::component;
use crate::store::{Row, Tx};

/// Globals with the length of their paths.
const KNOWN: [(&str, usize); 11] = [
    ("$CustomMetadata", 4),
    ("$Label", 2),
    ("$Organization", 2),
    ("$Permission", 2),
    ("$Profile", 2),
    ("$RecordType", 2),
    ("$Setup", 3),
    ("$System", 2),
    ("$User", 2),
    ("$UserRole", 2),
    ("$CustomLabel", 2),
];

/// Whether a path that begins with `$` is emulated.
pub fn is_known(path: &[String]) -> bool {
    let first = path.first().map_or("", String::as_str);
    KNOWN.iter().any(|(name, length)| name.eq_ignore_ascii_case(first) && path.len() >= *length)
}

/// Its value; null where nothing is there.
pub fn look_up(path: &[String], place: &Place<'_>) -> Result {
    let (Some((first, rest)), Some(rule)) = (path.split_first(), place.rule) else { return Result::Null };
    let tx = place.tx;
    let of_row = |row: Option<Row>| row.map_or(Result::Null, |row| look_up_path(rest, tx, &row.object, &row.values));
    match first.to_ascii_lowercase().as_str() {
        "$user" => of_row(user(place)),
        "$profile" => of_row(related(place, "Profile", "ProfileId")),
        "$userrole" => of_row(related(place, "UserRole", "UserRoleId")),
        "$organization" => {
            let organizations = tx.schema.object("Organization");
            of_row(organizations.and_then(|object| tx.rows_where(object, "1 = 1", &[]).into_iter().next()))
        }
        "$recordtype" => {
            let path: Vec<String> = std::iter::once("RecordType".to_owned()).chain(rest.iter().cloned()).collect();
            look_up_path(&path, tx, place.object, place.values)
        }
        "$permission" => Result::Bool(has_permission(tx, &rule.caller.user_id, &rest[0])),
        "$setup" => {
            setting(place, &rest[0]).map_or(Result::Null, |row| look_up_path(&rest[1..], tx, &row.object, &row.values))
        }
        "$custommetadata" => custom_metadata(tx, rest),
        "$label" | "$customlabel" => label(tx, &rest[0]),
        "$system" if rest[0].eq_ignore_ascii_case("OriginDateTime") => Result::Time(-2_208_988_800_000),
        _ => Result::Null,
    }
}

fn user(place: &Place<'_>) -> Option<Row> {
    let users = place.tx.schema.object("User")?;
    place.tx.row(users, &place.rule?.caller.user_id)
}

fn related(place: &Place<'_>, object: &str, field: &str) -> Option<Row> {
    let object = place.tx.schema.object(object)?;
    place.tx.row(object, user(place)?.text(field))
}

fn setting(place: &Place<'_>, name: &str) -> Option<Row> {
    let settings = place.tx.schema.object(name).filter(|object| object.custom_setting)?;
    let of = |owner: &str| {
        let found = place.tx.rows_where(settings, "\"SetupOwnerId\" = ?1", &[&owner]);
        found.into_iter().find(|row| !row.is_deleted())
    };
    let user = user(place)?;
    let organization = || {
        let object = place.tx.schema.object("Organization")?;
        place.tx.ids_where(object, "1 = 1", &[]).into_iter().next()
    };
    of(user.id()).or_else(|| of(user.text("ProfileId"))).or_else(|| of(&organization()?))
}

fn custom_metadata(tx: &Tx<'_>, path: &[String]) -> Result {
    let [object, record, rest @ ..] = path else { return Result::Null };
    let Some(object) = tx.schema.object(object).filter(|object| object.has("DeveloperName")) else {
        return Result::Null;
    };
    let row = tx.rows_where(object, "\"DeveloperName\" = ?1", &[record]).into_iter().next();
    row.map_or(Result::Null, |row| look_up_path(rest, tx, &row.object, &row.values))
}

fn label(tx: &Tx<'_>, name: &str) -> Result {
    let node = component::find(tx, "CustomLabel", name).and_then(|found| component::node(tx, &found));
    node.map_or(Result::Null, |node| Result::Text(node.text_of("value").to_owned()))
}

/// Whether a custom permission is assigned to the user, by the profile or by a permission set.
fn has_permission(tx: &Tx<'_>, user_id: &str, name: &str) -> bool {
    let Some(permission) = component::find(tx, "CustomPermission", name) else { return false };
    let granted = "\"SetupEntityId\" = ?1 AND (\"ParentId\" IN (SELECT \"Id\" FROM \"PermissionSet\" WHERE \"ProfileId\" = \
                   (SELECT \"ProfileId\" FROM \"User\" WHERE \"Id\" = ?2)) OR \"ParentId\" IN \
                   (SELECT \"PermissionSetId\" FROM \"PermissionSetAssignment\" WHERE \"AssigneeId\" = ?2))";
    tx.count("SetupEntityAccess", granted, &[&permission.id, &user_id]) > 0
}
