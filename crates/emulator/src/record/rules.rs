// SPDX-License-Identifier: Apache-2.0
//! What the platform itself does for some objects when rows of them are saved (`salesforce-api.md` 6.8, 6.9).
//!
//! Four moments: before the row is complete (values that follow from others), when it is complete (refusals), after it is
//! stored (rows of other objects), and around a delete.

mod activity;
mod asset;
mod campaign;
mod case;
mod currency;
mod email;
mod feed;
mod file;
mod invitee;
mod knowledge;
mod lead;
mod name;
pub(crate) mod note;
mod opportunity;
mod order;
mod person;
mod price;
mod profile;
mod recurrence;
mod relation;
mod series;
mod setup;
mod share;
mod user;

use super::draft::Draft;
use super::{Fields, Input, save};
pub(crate) use currency::corporate as corporate_currency;
pub use knowledge::{delete as delete_article, edit as edit_article, publish as publish_article};
pub use share::OwnerChange;

use crate::error::SaveError;
use crate::feature::Feature;
use crate::store::{Row, Tx};
use crate::user::Caller;
use crate::value::Value;

/// Values that follow from others.
pub fn before(tx: &mut Tx<'_>, caller: &Caller, draft: &mut Draft) -> Result<(), SaveError> {
    if tx.set_up().has(Feature::MultiCurrency) {
        currency::fill(tx, caller, draft);
    }
    match draft.object.name.as_str() {
        "Account" => return person::before_account(tx, caller, draft),
        "Asset" => asset::before(tx, draft),
        "Contact" | "Lead" => name::join(draft),
        "Entitlement" => asset::entitlement(tx, draft),
        "EventRelation" | "TaskRelation" => invitee::before(draft),
        "User" => user::before(draft),
        "CurrencyType" => currency::before_type(draft),
        "Knowledge__kav" => return knowledge::before(tx, caller, draft),
        "Opportunity" => opportunity::follow_stage(tx, draft),
        "OpportunityLineItem" | "QuoteLineItem" | "OrderItem" => return price::line(tx, draft),
        "PricebookEntry" => price::entry(tx, draft),
        "CampaignMember" => campaign::member(tx, draft),
        "Case" => case::follow_status(tx, draft),
        "Task" => activity::task(tx, draft),
        "Event" => {
            activity::event(tx, draft);
            series::before(draft);
        }
        "ContentVersion" => return file::version(tx, caller, draft),
        "ContentDocumentLink" => file::link(draft),
        "Attachment" | "StaticResource" => file::body_length(draft),
        "Document" => {
            file::body_length(draft);
            // Whoever makes it is its author unless another is named (Object Reference, "Document").
            draft.set_if_null("AuthorId", caller.user_id.clone());
        }
        "AccountContactRelation" => relation::before(tx, caller, draft),
        "Contract" | "Order" => order::before(tx, caller, draft),
        "FeedItem" | "FeedComment" => feed::before(tx, caller, draft),
        "Group" => setup::group(draft),
        _ if draft.object.custom_setting => setup::setting_owner(tx, draft),
        _ => {}
    }
    Ok(())
}

/// Refusals.
pub fn check(tx: &Tx<'_>, caller: &Caller, draft: &Draft) -> Result<(), SaveError> {
    if caller.bypass {
        return Ok(());
    }
    if tx.set_up().has(Feature::MultiCurrency) {
        currency::check(tx, draft)?;
    }
    match draft.object.name.as_str() {
        "Contact" => person::check_contact(tx, draft),
        "CurrencyType" => currency::check_type(tx, draft),
        "DatedConversionRate" => together_unique(tx, draft, &["IsoCode", "StartDate"]),
        "Knowledge__kav" => knowledge::check(tx, draft),
        "OpportunityLineItem" => price::check_line(tx, draft),
        "PricebookEntry" => price::check_entry(tx, draft),
        "CampaignMember" => campaign::check_member(tx, draft),
        "Lead" => lead::check(caller, draft),
        "Task" | "Event" => {
            activity::check(tx, draft)?;
            recurrence::check(draft)?;
            series::check(draft)
        }
        "Asset" => asset::check(draft),
        "Contract" | "Order" => order::check(tx, draft),
        "OrderItem" | "QuoteLineItem" => order::check_line(tx, draft),
        "EmailMessage" => email::check(tx, draft),
        "EventRelation" | "TaskRelation" => invitee::check(tx, draft),
        "FeedItem" | "FeedComment" => feed::check(draft),
        "QueueSobject" => together_unique(tx, draft, &["QueueId", "SobjectType"]),
        "ContentDocumentLink" => file::check_link(tx, draft),
        "ContentVersion" => file::check_version(draft),
        "AccountContactRelation" => relation::check(tx, draft),
        "ObjectPermissions" | "FieldPermissions" | "PermissionSet" => crate::rights::check_dependencies(tx, draft),
        "PermissionSetAssignment" => together_unique(tx, draft, &["AssigneeId", "PermissionSetId"]),
        "GroupMember" => together_unique(tx, draft, &["GroupId", "UserOrGroupId"]),
        "CaseTeamMember" => together_unique(tx, draft, &["ParentId", "MemberId"]),
        "EntitySubscription" => together_unique(tx, draft, &["ParentId", "SubscriberId"]),
        "TopicAssignment" => together_unique(tx, draft, &["TopicId", "EntityId"]),
        "User" => user::check(tx, draft),
        _ if draft.object.custom_setting && draft.object.has("SetupOwnerId") => {
            setup::check_setting_owner(tx, draft)?;
            together_unique(tx, draft, &["SetupOwnerId"])
        }
        _ if draft.object.custom_setting => together_unique(tx, draft, &["Name"]),
        _ if share::is_share(&draft.object) => share::check(tx, draft),
        _ => Ok(()),
    }
}

/// Rows of other objects.
pub fn after(tx: &mut Tx<'_>, caller: &Caller, draft: &Draft) -> Result<(), SaveError> {
    if draft.is_new() {
        share::add_owner(tx, draft)?;
    } else {
        share::owner_changed(tx, caller, draft)?;
    }
    match draft.object.name.as_str() {
        "Account" => person::after_account(tx, caller, draft),
        "Contact" => {
            relation::after_contact(tx, caller, draft)?;
            person::after_contact(tx, caller, draft)
        }
        "CurrencyType" => currency::after_type(tx, draft),
        "DatedConversionRate" => currency::after_rate(tx, draft.get("IsoCode")),
        "Knowledge__kav" | "Knowledge__ka" => knowledge::mirror(tx, &draft.object, &draft.id),
        "Opportunity" => {
            opportunity::after(tx, caller, draft)?;
            order::follow_quote(tx, caller, draft)
        }
        "OpportunityLineItem" => opportunity::sum_lines(tx, draft.text("OpportunityId")),
        "Campaign" if draft.is_new() => campaign::add_statuses(tx, caller, draft),
        "ContentVersion" => file::after_version(tx, caller, draft),
        "ContentDocument" if !draft.is_new() => file::after_document(tx, draft),
        "Profile" | "PermissionSet" => profile::mirror(tx, caller, draft),
        "User" if draft.is_new() => profile::keep_login(tx, caller, draft),
        "FeedItem" => feed::mirror(tx, draft),
        "FeedComment" => feed::count_comments(tx, draft.text("FeedItemId")),
        "CampaignMemberStatus" => campaign::one_default(tx, draft),
        "EmailMessage" => email::after(tx, caller, draft),
        "EventRelation" | "TaskRelation" => invitee::after(tx, caller, draft),
        "Task" | "Event" => {
            invitee::relate(tx, caller, draft)?;
            recurrence::after(tx, caller, draft)?;
            series::after(tx, caller, draft)
        }
        "OrderItem" => order::sum_order(tx, draft.text("OrderId")),
        "QuoteLineItem" => order::sum_quote(tx, caller, draft.text("QuoteId")),
        "Quote" if draft.changed("Tax") || draft.changed("ShippingHandling") => {
            order::sum_quote(tx, caller, Some(&draft.id))
        }
        _ => Ok(()),
    }
}

/// Refusals of a delete that describe does not tell.
pub fn before_delete(tx: &Tx<'_>, caller: &Caller, row: &Row) -> Result<(), SaveError> {
    share::check_delete(caller, row)?;
    match row.object.name.as_str() {
        "AccountContactRelation" if row.get("IsDirect").is_true() => {
            let message = "You can't delete a direct account contact relationship.";
            Err(SaveError::new("DELETE_FAILED", message, &[]))
        }
        "Contact" => person::check_delete_contact(row),
        "Contract" | "Order" => order::check_delete(row),
        "DatedConversionRate" => currency::check_delete_rate(tx, row),
        "Knowledge__kav" => knowledge::check_delete(row),
        "PricebookEntry" => price::check_delete(tx, row),
        "CampaignMemberStatus" if row.get("IsDefault").is_true() => {
            Err(SaveError::new("DELETE_FAILED", "The default member status cannot be deleted.", &[]))
        }
        _ => Ok(()),
    }
}

/// What a row that is gone, or back, changes elsewhere.
pub fn after_delete_or_undelete(tx: &mut Tx<'_>, caller: &Caller, row: &Row) -> Result<(), SaveError> {
    match row.object.name.as_str() {
        "Event" => series::after_delete(tx, caller, row),
        "OpportunityLineItem" => opportunity::sum_lines(tx, row.get("OpportunityId").as_str()),
        "OrderItem" => order::sum_order(tx, row.get("OrderId").as_str()),
        "QuoteLineItem" => order::sum_quote(tx, caller, row.get("QuoteId").as_str()),
        "EventRelation" | "TaskRelation" => invitee::after_delete(tx, row),
        "FeedItem" => feed::after_delete(tx, row),
        "FeedComment" => feed::count_comments(tx, row.get("FeedItemId").as_str()),
        "DatedConversionRate" => currency::after_rate(tx, row.get("IsoCode")),
        "Knowledge__kav" | "Knowledge__ka" => knowledge::mirror(tx, &row.object, row.id()),
        _ => Ok(()),
    }
}

/// No other live row has the same values in these fields together.
fn together_unique(tx: &Tx<'_>, draft: &Draft, fields: &[&str]) -> Result<(), SaveError> {
    if !fields.iter().any(|field| draft.changed(field)) {
        return Ok(());
    }
    match twin(tx, draft, fields) {
        Some(other) => Err(SaveError::duplicate_value(fields[0], &other)),
        None => Ok(()),
    }
}

/// Another live row with the same values in these fields.
fn twin(tx: &Tx<'_>, draft: &Draft, fields: &[&str]) -> Option<String> {
    if fields.iter().any(|field| draft.get(field).is_null()) {
        return None;
    }
    let mut condition: Vec<String> =
        fields.iter().enumerate().map(|(at, field)| format!("\"{field}\" = ?{}", at + 1)).collect();
    condition.push(format!("\"Id\" <> ?{}", fields.len() + 1));
    if draft.object.has("IsDeleted") {
        condition.push("\"IsDeleted\" = 0".into());
    }
    let mut values: Vec<&dyn rusqlite::ToSql> =
        fields.iter().map(|field| draft.get(field) as &dyn rusqlite::ToSql).collect();
    values.push(&draft.id);
    tx.ids_where(&draft.object, &condition.join(" AND "), &values).into_iter().next()
}

/// Creates a row on the platform's own account: whoever made it happen is its author.
pub(super) fn create(
    tx: &mut Tx<'_>,
    caller: &Caller,
    object: &str,
    fields: Vec<(&str, Value)>,
) -> Result<Option<String>, SaveError> {
    let Some(object) = tx.schema.object(object).cloned() else { return Ok(None) };
    let platform = Caller { bypass: true, ..caller.clone() };
    let present = |(name, value): (&str, Value)| object.has(name).then(|| (name.to_owned(), Input::from_value(value)));
    let fields: Fields = fields.into_iter().filter_map(present).collect();
    save::insert(tx, &platform, &object, fields).map(Some)
}
