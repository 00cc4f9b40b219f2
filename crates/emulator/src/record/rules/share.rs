// SPDX-License-Identifier: Apache-2.0
//! Sharing rows and owners (`salesforce-api.md` 6.9).
//!
//! Callers write only rows of the cause `Manual`, for custom objects also of a reason of their own (`…__c`); the others are the
//! platform's. A row that gives no more than the organisation-wide default is refused as trivial. When a record gets another
//! owner, its manual rows go, an account loses its team and an opportunity its, unless the caller keeps them, and what
//! [`OwnerChange`] names goes along.
//!
//! Owners have rows of their own only with [`Feature::OwnerShares`]. Guesses: the code for a cause that is not the caller's.

use crate::error::SaveError;
use crate::feature::Feature;
use crate::record::audit;
use crate::record::draft::Draft;
use crate::record::{Input, update};
use crate::schema::Object;
use crate::store::{Row, Tx};
use crate::user::Caller;
use crate::value::Value;

/// What goes along when a record gets another owner: the SOAP API's `OwnerChangeOptions`. Nothing, unless it is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OwnerChange {
    pub keep_account_team: bool,
    pub keep_sales_team: bool,
    /// Open tasks, and events to come, of the old owner.
    pub transfer_open_activities: bool,
    pub transfer_notes_and_attachments: bool,
    /// Contacts of a business account that the old owner owns.
    pub transfer_contacts: bool,
    pub transfer_contracts: bool,
    pub transfer_owned_open_opportunities: bool,
    pub transfer_others_open_opportunities: bool,
    pub transfer_owned_open_cases: bool,
}

/// Levels of access, the lowest first.
const LEVELS: [&str; 5] = ["None", "Read", "Edit", "ReadEditTransfer", "All"];

pub fn is_share(object: &Object) -> bool {
    object.associate_entity_type.as_deref() == Some("Share")
}

fn is_callers(object: &Object, cause: &str) -> bool {
    cause == "Manual" || (object.name.ends_with("__Share") && cause.ends_with("__c"))
}

/// The field that says how much a row gives.
fn level_field(object: &Object) -> String {
    let by_name = object.name.strip_suffix("Share").map(|parent| format!("{parent}AccessLevel"));
    by_name.filter(|name| object.has(name)).unwrap_or_else(|| "AccessLevel".to_owned())
}

pub fn check(tx: &Tx<'_>, draft: &Draft) -> Result<(), SaveError> {
    let old = draft.was("RowCause").as_str().unwrap_or("Manual");
    let cause = draft.text("RowCause").unwrap_or("Manual");
    if !is_callers(&draft.object, old) || !is_callers(&draft.object, cause) {
        return Err(SaveError::insufficient_access());
    }
    let field = level_field(&draft.object);
    let given = draft.text(&field).unwrap_or_default();
    if given == "All" && draft.changed(&field) {
        let message = format!("{field}: bad value for restricted picklist field: All");
        return Err(SaveError::new("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", message, &[&field]));
    }
    let parent = draft.object.associate_parent_entity.clone().unwrap_or_default();
    let Some(default) = organisation_default(tx, &parent).filter(|_| draft.changed(&field)) else { return Ok(()) };
    let rank = |level: &str| LEVELS.iter().position(|known| *known == level);
    if rank(given) <= rank(&default) {
        let message = format!(
            "field integrity exception: {field} (trivial share level {given}, for organization with default level {default})"
        );
        return Err(SaveError::new("FIELD_INTEGRITY_EXCEPTION", message, &[&field]));
    }
    Ok(())
}

/// What everybody may do with records of a standard object; none where the organisation does not say.
fn organisation_default(tx: &Tx<'_>, object: &str) -> Option<String> {
    let organisations = tx.schema.object("Organization")?;
    let row = tx.rows_where(organisations, "1 = 1", &[]).into_iter().next()?;
    let default = row.text(&format!("Default{object}Access")).to_owned();
    LEVELS.contains(&default.as_str()).then_some(default)
}

pub fn check_delete(caller: &Caller, row: &Row) -> Result<(), SaveError> {
    let own = caller.bypass || !is_share(&row.object) || is_callers(&row.object, row.text("RowCause"));
    if own { Ok(()) } else { Err(SaveError::insufficient_access()) }
}

/// The rows that share records of an object, and their field for the record.
fn share_of(tx: &Tx<'_>, object: &Object) -> Option<(std::sync::Arc<Object>, String)> {
    let name = match object.name.strip_suffix("__c") {
        Some(stem) => format!("{stem}__Share"),
        None => format!("{}Share", object.name),
    };
    let share = tx.schema.object(&name).filter(|share| is_share(share))?;
    let through = [format!("{}Id", object.name), "ParentId".to_owned()].into_iter().find(|field| share.has(field))?;
    Some((share.clone(), through))
}

/// The owner's row of a new record.
pub fn add_owner(tx: &Tx<'_>, draft: &Draft) -> Result<(), SaveError> {
    if !tx.set_up().has(Feature::OwnerShares) || draft.get("OwnerId").is_null() {
        return Ok(());
    }
    let Some((share, through)) = share_of(tx, &draft.object) else { return Ok(()) };
    let level = level_field(&share);
    let value = |name: &str| match name {
        "Id" => Value::Text(tx.next_id(&share)),
        "UserOrGroupId" => draft.get("OwnerId").clone(),
        "RowCause" => Value::from("Owner"),
        "LastModifiedDate" => Value::Int(audit::second(tx.now)),
        "LastModifiedById" => draft.get("LastModifiedById").clone(),
        "IsDeleted" => Value::Bool(false),
        name if name == through => Value::Text(draft.id.clone()),
        name if name == level => Value::from("All"),
        name if name.ends_with("AccessLevel") => Value::from("Edit"),
        _ => Value::Null,
    };
    let values: Vec<Value> = share.fields.iter().map(|field| value(&field.name)).collect();
    tx.insert_row(&share, &values)?;
    Ok(())
}

/// What follows when a record has another owner.
pub fn owner_changed(tx: &mut Tx<'_>, caller: &Caller, draft: &Draft) -> Result<(), SaveError> {
    if draft.is_new() || !draft.object.has("OwnerId") || !draft.changed("OwnerId") {
        return Ok(());
    }
    if let Some((share, through)) = share_of(tx, &draft.object) {
        let manual = format!("\"{through}\" = ?1 AND \"RowCause\" = 'Manual'");
        for id in tx.ids_where(&share, &manual, &[&draft.id]) {
            tx.delete_row(&share, &id)?;
        }
        let owners = format!("\"{through}\" = ?1 AND \"RowCause\" = 'Owner'");
        for id in tx.ids_where(&share, &owners, &[&draft.id]) {
            tx.update_row(&share, &id, &["UserOrGroupId"], &[draft.get("OwnerId")])?;
        }
    }
    let options = draft.owner_change;
    let team = match draft.object.name.as_str() {
        "Account" if !options.keep_account_team => Some(("AccountTeamMember", "AccountId")),
        "Opportunity" if !options.keep_sales_team => Some(("OpportunityTeamMember", "OpportunityId")),
        _ => None,
    };
    if let Some((team, through)) = team
        && let Some(members) = tx.schema.object(team).cloned()
    {
        for id in tx.ids_where(&members, &format!("\"{through}\" = ?1"), &[&draft.id]) {
            tx.delete_row(&members, &id)?;
        }
    }
    transfer(tx, caller, draft, options)
}

fn transfer(tx: &mut Tx<'_>, caller: &Caller, draft: &Draft, options: OwnerChange) -> Result<(), SaveError> {
    let now = audit::second(tx.now);
    let account = draft.object.name == "Account";
    let to_come = format!("(\"EndDateTime\" IS NULL OR \"EndDateTime\" >= {now})");
    let about = "(\"WhatId\" = ?1 OR \"WhoId\" = ?1) AND \"OwnerId\" = ?2";
    let owned = "\"AccountId\" = ?1 AND \"OwnerId\" = ?2";
    let others = "\"AccountId\" = ?1 AND \"OwnerId\" <> ?2";
    for (wanted, object, condition) in [
        (options.transfer_open_activities, "Task", format!("{about} AND \"IsClosed\" = 0")),
        (options.transfer_open_activities, "Event", format!("{about} AND {to_come}")),
        (options.transfer_notes_and_attachments, "Note", "\"ParentId\" = ?1 AND \"OwnerId\" = ?2".to_owned()),
        (options.transfer_notes_and_attachments, "Attachment", "\"ParentId\" = ?1 AND \"OwnerId\" = ?2".to_owned()),
        (options.transfer_contacts && account, "Contact", owned.to_owned()),
        (options.transfer_contracts && account, "Contract", owned.to_owned()),
        (options.transfer_owned_open_cases && account, "Case", format!("{owned} AND \"IsClosed\" = 0")),
        (options.transfer_owned_open_opportunities && account, "Opportunity", format!("{owned} AND \"IsClosed\" = 0")),
        (
            options.transfer_others_open_opportunities && account,
            "Opportunity",
            format!("{others} AND \"IsClosed\" = 0"),
        ),
    ] {
        let Some(object) = tx.schema.object(object).filter(|_| wanted).cloned() else { continue };
        let condition = format!("{condition} AND \"IsDeleted\" = 0");
        let platform = Caller { bypass: true, ..caller.clone() };
        let owner = draft.text("OwnerId").unwrap_or_default().to_owned();
        for id in tx.ids_where(&object, &condition, &[&draft.id, draft.was("OwnerId")]) {
            update(tx, &platform, &object, &id, vec![("OwnerId".to_owned(), Input::Text(owner.clone()))])?;
        }
    }
    Ok(())
}
