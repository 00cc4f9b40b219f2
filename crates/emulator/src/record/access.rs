// SPDX-License-Identifier: Apache-2.0
//! Which objects and fields a caller may write (`salesforce-api.md` 1.11, 6.2, 6.3).

use super::Fields;
use crate::error::SaveError;
pub use crate::rights::Deed;
use crate::schema::{Field, Object, Schema};
use crate::sharing::{self, Level};
use crate::store::Tx;
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

/// Whether describe shows this field as createable to this caller. Audit fields turn createable when the org's switch is on
/// (the permission then exists as a field) and the caller has `CreateAuditFields`.
pub fn createable(schema: &Schema, object: &Object, field: &Field, caller: &Caller) -> bool {
    if field.createable {
        return object.position(&field.name).is_none_or(|at| caller.writes_at(object, at));
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

/// Refuses a caller who may not do this to rows of the object. Without the right to create or edit, the object is to the
/// caller as if it could not be created or edited at all; without the right to delete, access is insufficient (as a public
/// test suite against real orgs expects).
pub fn check_object(caller: &Caller, object: &Object, deed: Deed) -> Result<(), SaveError> {
    if caller.bypass {
        return Ok(());
    }
    if !caller.sees(object) {
        return Err(SaveError::new("INVALID_TYPE", format!("sObject type '{}' is not supported.", object.name), &[]));
    }
    let (possible, word) = match deed {
        Deed::Read => return Ok(()),
        Deed::Create => (object.createable && caller.may(object, deed), "inserted"),
        Deed::Edit => (object.updateable && caller.may(object, deed), "updated"),
        Deed::Delete => (object.deletable, "deleted"),
    };
    if !possible {
        let message = format!("entity type cannot be {word}: {}", object.label);
        return Err(SaveError::new("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", message, &[]));
    }
    if caller.may(object, deed) { Ok(()) } else { Err(SaveError::insufficient_access()) }
}

/// Refuses a caller with whom the row is not shared far enough. A row that the caller does not even see is to it as if it
/// were not there (`salesforce-api.md` 6.6).
pub fn check_row(tx: &Tx<'_>, caller: &Caller, object: &Object, id: &str, level: Level) -> Result<(), SaveError> {
    if sharing::allows(tx, caller, object, id, level) {
        return Ok(());
    }
    if sharing::allows(tx, caller, object, id, Level::Read) {
        Err(SaveError::insufficient_access())
    } else {
        Err(SaveError::invalid_cross_reference(&[]))
    }
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
    let mask = caller.field_mask(object);
    for (name, input) in fields {
        let at = match input {
            super::Input::Parent(_) => object.relationship(name).and_then(|field| object.position(&field.name)),
            _ => object.position(name),
        };
        let at = at.filter(|&at| mask.as_ref().is_none_or(|mask| mask.seen[at]));
        let Some(at) = at else { return Err(SaveError::no_such_column(name, &object.name)) };
        let field = &object.fields[at];
        let written = mask.as_ref().is_none_or(|mask| mask.written[at]);
        let open = match (caller.bypass, is_new) {
            (true, _) => field.stored() && !field.calculated,
            (_, true) if field.createable => written,
            (_, true) => audit_allowed && createable(schema, object, field, caller),
            (_, false) => field.updateable && written,
        };
        if !open {
            refused.push(field.name.clone());
        }
        found.push(at);
    }
    if refused.is_empty() { Ok(found) } else { Err(SaveError::not_writable(refused)) }
}
