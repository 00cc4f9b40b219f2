// SPDX-License-Identifier: Apache-2.0
//! Campaigns and their members (`salesforce-api.md` 6.9).

use super::{create, twin};
use crate::error::SaveError;
use crate::record::draft::Draft;
use crate::store::Tx;
use crate::user::Caller;
use crate::value::{self, Value};

/// With both a contact and a lead only the contact stays. Whether the member responded follows from the status.
pub fn member(tx: &Tx<'_>, draft: &mut Draft) {
    if !draft.get("ContactId").is_null() {
        draft.set("LeadId", Value::Null);
    }
    let person = if draft.get("ContactId").is_null() { "LeadId" } else { "ContactId" };
    let person = draft.get(person).clone();
    draft.set("LeadOrContactId", person.clone());
    let row = person.as_str().and_then(|id| tx.row(tx.schema.by_prefix(id)?, id));
    if let Some(row) = row {
        for field in ["Name", "FirstName", "LastName", "Salutation", "Title", "Email", "Phone", "Fax", "MobilePhone"] {
            draft.set(field, row.get(field).clone());
        }
        draft.set("Type", row.object.name.clone());
        draft.set("LeadOrContactOwnerId", row.get("OwnerId").clone());
    }
    // The campaign says which status members begin with.
    if draft.is_new() && !draft.given("Status") {
        let default = tx.schema.object("CampaignMemberStatus").and_then(|statuses| {
            let condition = "\"CampaignId\" = ?1 AND \"IsDefault\" = 1 AND \"IsDeleted\" = 0";
            tx.rows_where(statuses, condition, &[draft.get("CampaignId")]).into_iter().next()
        });
        if let Some(default) = default {
            draft.set("Status", default.get("Label").clone());
        }
    }
    if let Some(status) = status(tx, draft) {
        let responded = status.get("HasResponded").is_true();
        if responded && draft.get("FirstRespondedDate").is_null() {
            let today = value::date_time_text(tx.now, "").get(..10).unwrap_or_default().to_owned();
            draft.set("FirstRespondedDate", today);
        } else if !responded {
            draft.set("FirstRespondedDate", Value::Null);
        }
        draft.set("HasResponded", status.get("HasResponded").clone());
    }
}

fn status(tx: &Tx<'_>, draft: &Draft) -> Option<crate::store::Row> {
    let statuses = tx.schema.object("CampaignMemberStatus")?;
    let condition = "\"CampaignId\" = ?1 AND \"Label\" = ?2 AND \"IsDeleted\" = 0";
    tx.rows_where(statuses, condition, &[draft.get("CampaignId"), draft.get("Status")]).into_iter().next()
}

pub fn check_member(tx: &Tx<'_>, draft: &Draft) -> Result<(), SaveError> {
    if draft.get("ContactId").is_null() && draft.get("LeadId").is_null() {
        return Err(SaveError::required(vec!["LeadId".into()]));
    }
    super::lead::check_reference(tx, draft, "LeadId")?;
    if draft.is_new() && twin(tx, draft, &["CampaignId", "LeadOrContactId"]).is_some() {
        let message = "Attempted to add an entity to a campaign that it is already a member of.";
        return Err(SaveError::new("DUPLICATE_VALUE", message, &[]));
    }
    if draft.changed("Status") && !draft.get("Status").is_null() && status(tx, draft).is_none() {
        let message =
            format!("Status: bad value for restricted picklist field: {}", draft.text("Status").unwrap_or_default());
        return Err(SaveError::new("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", message, &["Status"]));
    }
    Ok(())
}

/// A campaign has one default status: a new one takes the mark from the old.
pub fn one_default(tx: &Tx<'_>, draft: &Draft) -> Result<(), SaveError> {
    if draft.get("IsDefault").is_true() && draft.changed("IsDefault") {
        let sql = "UPDATE \"CampaignMemberStatus\" SET \"IsDefault\" = 0 WHERE \"CampaignId\" = ?1 AND \"Id\" <> ?2 AND \"IsDefault\" = 1";
        tx.note(sql, &[draft.get("CampaignId"), &draft.id])?;
    }
    Ok(())
}

/// A new campaign has two member statuses: Sent, which is the default, and Responded.
pub fn add_statuses(tx: &mut Tx<'_>, caller: &Caller, draft: &Draft) -> Result<(), SaveError> {
    for (order, label, responded) in [(1, "Sent", false), (2, "Responded", true)] {
        let fields = vec![
            ("CampaignId", Value::Text(draft.id.clone())),
            ("Label", Value::from(label)),
            ("SortOrder", Value::Int(order)),
            ("IsDefault", Value::Bool(!responded)),
            ("HasResponded", Value::Bool(responded)),
        ];
        create(tx, caller, "CampaignMemberStatus", fields)?;
    }
    Ok(())
}
