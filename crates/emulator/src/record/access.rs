// SPDX-License-Identifier: Apache-2.0
//! Which objects and fields a caller may write (`salesforce-api.md` 1.11, 6.2, 6.3).

use super::Fields;
use crate::error::SaveError;
use crate::schema::{Field, Object, Schema};
use crate::user::Caller;

/// Objects whose audit fields can be given on insert, beside all custom ones (6.3).
const WITH_AUDIT_FIELDS: [&str; 20] = [
    "Account",
    "Attachment",
    "CampaignMember",
    "Case",
    "CaseComment",
    "Contact",
    "ContentNote",
    "ContentVersion",
    "Contract",
    "EmailMessage",
    "Event",
    "FeedComment",
    "FeedItem",
    "Idea",
    "Lead",
    "Opportunity",
    "Quote",
    "Task",
    "Vote",
    "WorkOrder",
];
const AUDIT_FIELDS: [&str; 4] = ["CreatedDate", "CreatedById", "LastModifiedDate", "LastModifiedById"];
const LEAD_CONVERSION: [&str; 4] =
    ["ConvertedDate", "ConvertedAccountId", "ConvertedContactId", "ConvertedOpportunityId"];

/// What is done to rows of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    Create,
    Edit,
    Delete,
}

/// Whether describe shows this field as createable to this caller. Audit fields turn createable when the org's switch is on
/// (the permission then exists as a field) and the caller has `CreateAuditFields`.
pub fn createable(schema: &Schema, object: &Object, field: &Field, caller: &Caller) -> bool {
    if field.createable {
        return true;
    }
    let audit = AUDIT_FIELDS.contains(&field.name.as_str())
        || (object.name == "Lead" && LEAD_CONVERSION.contains(&field.name.as_str()));
    if !audit || !caller.can("CreateAuditFields") || !audit_switch(schema) {
        return false;
    }
    match object.name.as_str() {
        "FeedItem" | "FeedComment" => caller.can("CanInsertFeedSystemFields"),
        _ => takes_audit_fields(object),
    }
}

/// Whether audit fields of this object can be given at all, the switch and the permissions granted.
pub fn takes_audit_fields(object: &Object) -> bool {
    object.name.ends_with("__c") || WITH_AUDIT_FIELDS.contains(&object.name.as_str())
}

/// Whether Setup's switch "Set Audit Fields upon Record Creation" is on.
pub fn audit_switch(schema: &Schema) -> bool {
    schema.object("PermissionSet").is_some_and(|object| object.has("PermissionsCreateAuditFields"))
}

/// Refuses a caller who may not do this to rows of the object.
pub fn check_object(caller: &Caller, object: &Object, deed: Deed) -> Result<(), SaveError> {
    if caller.bypass {
        return Ok(());
    }
    let (possible, word) = match deed {
        Deed::Create => (object.createable, "inserted"),
        Deed::Edit => (object.updateable, "updated"),
        Deed::Delete => (object.deletable, "deleted"),
    };
    if !possible {
        let message = format!("entity type cannot be {word}: {}", object.label);
        return Err(SaveError::new("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", message, &[]));
    }
    if may(caller, object, deed) { Ok(()) } else { Err(SaveError::insufficient_access()) }
}

fn may(caller: &Caller, object: &Object, deed: Deed) -> bool {
    let special = match object.name.as_str() {
        "User" | "UserRole" | "Group" | "GroupMember" => "ManageUsers",
        "PermissionSet" | "ObjectPermissions" | "FieldPermissions" | "SetupEntityAccess" => {
            "ManageProfilesPermissionsets"
        }
        "PermissionSetAssignment" => "AssignPermissionSets",
        _ => "ModifyAllData",
    };
    caller.can(special) || caller.can("ModifyAllData") || caller.can(&format!("{deed:?}:{}", object.name))
}

/// Refuses fields that do not exist or that this save may not write. Answers where each stands; a parent stands where its
/// reference field does.
pub fn positions(
    schema: &Schema,
    object: &Object,
    caller: &Caller,
    fields: &Fields,
    is_new: bool,
    audit_allowed: bool,
) -> Result<Vec<usize>, SaveError> {
    let mut found = Vec::with_capacity(fields.len());
    let mut refused = Vec::new();
    for (name, input) in fields {
        let at = match input {
            super::Input::Parent(_) => object.relationship(name).and_then(|field| object.position(&field.name)),
            _ => object.position(name),
        };
        let Some(at) = at else { return Err(SaveError::no_such_column(name, &object.name)) };
        let field = &object.fields[at];
        let open = match (caller.bypass, is_new) {
            (true, _) => field.stored() && !field.calculated,
            (_, true) if audit_allowed => createable(schema, object, field, caller),
            (_, true) => field.createable,
            (_, false) => field.updateable,
        };
        if !open {
            refused.push(field.name.clone());
        }
        found.push(at);
    }
    if refused.is_empty() { Ok(found) } else { Err(SaveError::not_writable(refused)) }
}
