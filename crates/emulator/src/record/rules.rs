// SPDX-License-Identifier: Apache-2.0
//! What the platform itself does for some objects when rows of them are saved (`salesforce-api.md` 6.8, 6.9).
//!
//! Four moments: before the row is complete (values that follow from others), when it is complete (refusals), after it is
//! stored (rows of other objects), and around a delete.

mod activity;
mod campaign;
mod case;
mod currency;
mod feed;
mod file;
mod knowledge;
mod lead;
mod name;
mod opportunity;
mod person;
mod price;
mod profile;
mod relation;
mod setup;

use super::draft::Draft;
use super::{Fields, Input, save};
pub(crate) use currency::corporate as corporate_currency;
pub use knowledge::{edit as edit_article, publish as publish_article};

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
        "Contact" | "Lead" | "User" => name::join(draft),
        "CurrencyType" => currency::before_type(draft),
        "Knowledge__kav" => return knowledge::before(tx, caller, draft),
        "Opportunity" => opportunity::follow_stage(tx, draft),
        "OpportunityLineItem" | "QuoteLineItem" | "OrderItem" => return price::line(tx, draft),
        "PricebookEntry" => price::entry(tx, draft),
        "CampaignMember" => campaign::member(tx, draft),
        "Case" => case::follow_status(tx, draft),
        "Task" => activity::task(tx, draft),
        "Event" => activity::event(tx, draft),
        "ContentVersion" => return file::version(tx, caller, draft),
        "ContentDocumentLink" => file::link(draft),
        "Attachment" | "Document" | "StaticResource" => file::body_length(draft),
        "AccountContactRelation" => relation::before(tx, caller, draft),
        "Contract" | "Order" => setup::status_code(tx, draft),
        "FeedItem" | "FeedComment" => draft.set_if_null("InsertedById", caller.user_id.clone()),
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
        "Task" | "Event" => activity::check(tx, draft),
        "ContentDocumentLink" => file::check_link(tx, draft),
        "ContentVersion" => file::check_version(draft),
        "AccountContactRelation" => relation::check(tx, draft),
        "ObjectPermissions" | "FieldPermissions" | "PermissionSet" => crate::rights::check_dependencies(tx, draft),
        "PermissionSetAssignment" => together_unique(tx, draft, &["AssigneeId", "PermissionSetId"]),
        "GroupMember" => together_unique(tx, draft, &["GroupId", "UserOrGroupId"]),
        "CaseTeamMember" => together_unique(tx, draft, &["ParentId", "MemberId"]),
        "EntitySubscription" => together_unique(tx, draft, &["ParentId", "SubscriberId"]),
        "TopicAssignment" => together_unique(tx, draft, &["TopicId", "EntityId"]),
        "User" => setup::check_user(tx, draft),
        _ if draft.object.custom_setting && draft.object.has("SetupOwnerId") => {
            together_unique(tx, draft, &["SetupOwnerId"])
        }
        _ => Ok(()),
    }
}

/// Rows of other objects.
pub fn after(tx: &mut Tx<'_>, caller: &Caller, draft: &Draft) -> Result<(), SaveError> {
    match draft.object.name.as_str() {
        "Account" => person::after_account(tx, caller, draft),
        "Contact" => {
            relation::after_contact(tx, caller, draft)?;
            person::after_contact(tx, caller, draft)
        }
        "CurrencyType" => currency::after_type(tx, draft),
        "DatedConversionRate" => currency::after_rate(tx, draft.get("IsoCode")),
        "Knowledge__kav" | "Knowledge__ka" => knowledge::mirror(tx, &draft.object, &draft.id),
        "Opportunity" => opportunity::after(tx, caller, draft),
        "OpportunityLineItem" => opportunity::sum_lines(tx, draft.text("OpportunityId")),
        "Campaign" if draft.is_new() => campaign::add_statuses(tx, caller, draft),
        "ContentVersion" => file::after_version(tx, caller, draft),
        "ContentDocument" if !draft.is_new() => file::after_document(tx, draft),
        "FeedItem" if draft.is_new() => feed::mirror(tx, draft),
        "Profile" | "PermissionSet" => profile::mirror(tx, caller, draft),
        "User" if draft.is_new() => profile::keep_login(tx, caller, draft),
        _ => Ok(()),
    }
}

/// Refusals of a delete that describe does not tell.
pub fn before_delete(tx: &Tx<'_>, row: &Row) -> Result<(), SaveError> {
    match row.object.name.as_str() {
        "AccountContactRelation" if row.get("IsDirect").is_true() => {
            let message = "You can't delete a direct account contact relationship.";
            Err(SaveError::new("DELETE_FAILED", message, &[]))
        }
        "Contact" => person::check_delete_contact(row),
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
pub fn after_delete_or_undelete(tx: &mut Tx<'_>, row: &Row) -> Result<(), SaveError> {
    match row.object.name.as_str() {
        "OpportunityLineItem" => opportunity::sum_lines(tx, row.get("OpportunityId").as_str()),
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
