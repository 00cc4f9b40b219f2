// SPDX-License-Identifier: Apache-2.0
//! Converting a lead into an account, a contact and an opportunity (SOAP API guide, `convertLead()`).
//!
//! 1. The account, contact and opportunity are made from the lead's fields, or an existing account and contact get what they
//!    lack; only with `overwrite_lead_source` is a lead source replaced.
//! 2. Activities move to the contact and the opportunity (without one, the account); notes, attachments and files to the
//!    contact; campaign members name the contact beside the lead.
//! 3. The lead is marked converted and cannot be changed or referred to any more, which is what
//!    [`super::rules`] sees to (`CANNOT_UPDATE_CONVERTED_LEAD`).
//!
//! The opportunity closes on the last day of the running quarter and starts in the first open stage. A lead without a company
//! becomes a person account where the org has them. Not emulated: an admin's mapping of custom fields, assignment rules and
//! mails. The text for a wrong status is quoted in public reports (`INVALID_STATUS, invalid convertedStatus: X: [Status]`); the
//! code for a contact without its account is a guess.

use chrono::{DateTime, Datelike as _, Days, Months, NaiveDate};

use super::access::{self, Deed};
use super::delete::{any_row, live_row};
use super::rules::create;
use super::{Fields, Input, history, insert, update};
use crate::error::SaveError;
use crate::sharing::Level;
use crate::store::{Row, Tx};
use crate::user::Caller;
use crate::value::Value;

/// The lead's field and the account's.
const TO_ACCOUNT: [(&str, &str); 15] = [
    ("Company", "Name"),
    ("AnnualRevenue", "AnnualRevenue"),
    ("NumberOfEmployees", "NumberOfEmployees"),
    ("Industry", "Industry"),
    ("Rating", "Rating"),
    ("Website", "Website"),
    ("Phone", "Phone"),
    ("Fax", "Fax"),
    ("LeadSource", "AccountSource"),
    ("Street", "BillingStreet"),
    ("City", "BillingCity"),
    ("State", "BillingState"),
    ("PostalCode", "BillingPostalCode"),
    ("Country", "BillingCountry"),
    ("CurrencyIsoCode", "CurrencyIsoCode"),
];
/// The lead's field and the contact's.
const TO_CONTACT: [(&str, &str); 22] = [
    ("LastName", "LastName"),
    ("FirstName", "FirstName"),
    ("MiddleName", "MiddleName"),
    ("Suffix", "Suffix"),
    ("Salutation", "Salutation"),
    ("Title", "Title"),
    ("Email", "Email"),
    ("Phone", "Phone"),
    ("MobilePhone", "MobilePhone"),
    ("Fax", "Fax"),
    ("Description", "Description"),
    ("LeadSource", "LeadSource"),
    ("Street", "MailingStreet"),
    ("City", "MailingCity"),
    ("State", "MailingState"),
    ("PostalCode", "MailingPostalCode"),
    ("Country", "MailingCountry"),
    ("DoNotCall", "DoNotCall"),
    ("HasOptedOutOfEmail", "HasOptedOutOfEmail"),
    ("HasOptedOutOfFax", "HasOptedOutOfFax"),
    ("IndividualId", "IndividualId"),
    ("CurrencyIsoCode", "CurrencyIsoCode"),
];

/// What to convert, and into what: the SOAP API's `LeadConvert`.
#[derive(Clone, Debug, Default)]
pub struct LeadConvert {
    pub lead_id: String,
    /// An existing account; none makes one.
    pub account_id: Option<String>,
    /// An existing contact of that account; none makes one.
    pub contact_id: Option<String>,
    /// An existing opportunity; none makes one unless `do_not_create_opportunity`.
    pub opportunity_id: Option<String>,
    /// A status that `LeadStatus` marks as converted.
    pub converted_status: String,
    pub do_not_create_opportunity: bool,
    /// The lead's company, when none.
    pub opportunity_name: Option<String>,
    pub overwrite_lead_source: bool,
    /// Who owns what is made; the lead's owner, when none.
    pub owner_id: Option<String>,
    /// Further values of the three records.
    pub account_fields: Fields,
    pub contact_fields: Fields,
    pub opportunity_fields: Fields,
}

/// What became of a lead: the SOAP API's `LeadConvertResult`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeadConverted {
    pub lead_id: String,
    pub account_id: String,
    pub contact_id: String,
    pub opportunity_id: Option<String>,
    /// The account again, when it is a person account.
    pub related_person_account_id: Option<String>,
}

/// Converts a lead.
///
/// # Errors
/// `CANNOT_UPDATE_CONVERTED_LEAD` for a converted one, `INVALID_STATUS` for a status that does not convert,
/// `ENTITY_IS_DELETED` and `INVALID_CROSS_REFERENCE_KEY` for records that are gone, and what the saves may answer.
pub fn convert_lead(tx: &mut Tx<'_>, caller: &Caller, request: &LeadConvert) -> Result<LeadConverted, SaveError> {
    tx.acts(caller);
    let lead = live_row(tx, &request.lead_id)?;
    check(tx, caller, request, &lead)?;
    let owner = owner(tx, request, &lead)?;
    let person = request.account_id.is_none()
        && lead.get("Company").is_null()
        && lead.object.has("Company")
        && tx.schema.object("Account").is_some_and(|account| account.has("IsPersonAccount"));
    let account = account(tx, caller, request, &lead, &owner, person)?;
    let contact = match person {
        true => any_row(tx, &account)?.text("PersonContactId").to_owned(),
        false => contact(tx, caller, request, &lead, &owner, &account)?,
    };
    let opportunity = opportunity(tx, caller, request, &lead, &owner, &account, &contact)?;
    move_activities(tx, caller, &lead, &contact, opportunity.as_ref().unwrap_or(&account))?;
    move_attachments(tx, caller, &lead, &contact)?;
    name_contact_in_campaigns(tx, &lead, &contact)?;
    mark(tx, caller, request, &lead, [Some(&account), Some(&contact), opportunity.as_ref()])?;
    Ok(LeadConverted {
        lead_id: lead.id().to_owned(),
        related_person_account_id: person.then(|| account.clone()),
        account_id: account,
        contact_id: contact,
        opportunity_id: opportunity,
    })
}

fn check(tx: &Tx<'_>, caller: &Caller, request: &LeadConvert, lead: &Row) -> Result<(), SaveError> {
    if lead.object.name != "Lead" {
        return Err(SaveError::wrong_object_id("Lead ID", lead.id(), "leadId"));
    }
    access::check_object(caller, &lead.object, Deed::Edit)?;
    access::check_row(tx, caller, &lead.object, lead.id(), Level::Edit)?;
    if !caller.can("ConvertLeads") {
        return Err(SaveError::insufficient_access());
    }
    if lead.get("IsConverted").is_true() {
        return Err(SaveError::new("CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead", &[]));
    }
    let converting = "\"MasterLabel\" = ?1 AND \"IsConverted\" = 1";
    if tx.count("LeadStatus", converting, &[&request.converted_status]) == 0 {
        let message = format!("invalid convertedStatus: {}", request.converted_status);
        return Err(SaveError::new("INVALID_STATUS", message, &["Status"]));
    }
    for (id, object) in [
        (&request.account_id, "Account"),
        (&request.contact_id, "Contact"),
        (&request.opportunity_id, "Opportunity"),
        (&request.owner_id, "User"),
    ] {
        let Some(id) = id else { continue };
        let row = live_row(tx, id)?;
        if row.object.name != object {
            return Err(SaveError::wrong_object_id(&format!("{object} ID"), id, &format!("{}Id", lower(object))));
        }
    }
    if request.contact_id.is_some() && request.account_id.is_none() {
        return Err(SaveError::required(vec!["accountId".into()]));
    }
    Ok(())
}

fn lower(object: &str) -> String {
    object.to_ascii_lowercase()
}

/// Accounts and contacts cannot belong to a queue: a queue's lead needs an owner to be converted.
fn owner(tx: &Tx<'_>, request: &LeadConvert, lead: &Row) -> Result<String, SaveError> {
    let owner = request.owner_id.clone().unwrap_or_else(|| lead.text("OwnerId").to_owned());
    let owner = crate::id::to18(&owner).unwrap_or(owner);
    let is_user = tx.schema.by_prefix(&owner).is_some_and(|object| object.name == "User");
    if is_user { Ok(owner) } else { Err(SaveError::required(vec!["ownerId".into()])) }
}

/// The lead's values under the names of another object, where both have them.
fn mapped(tx: &Tx<'_>, lead: &Row, object: &str, names: &[(&'static str, &'static str)]) -> Vec<(&'static str, Value)> {
    let Some(object) = tx.schema.object(object) else { return Vec::new() };
    let usable = |to: &str| object.field(to).is_some_and(|field| field.createable);
    names
        .iter()
        .filter(|(from, to)| usable(to) && !lead.get(from).is_null())
        .map(|(from, to)| (*to, lead.get(from).clone()))
        .collect()
}

/// Gives an existing record what it lacks.
fn complete(
    tx: &mut Tx<'_>,
    caller: &Caller,
    id: &str,
    values: Vec<(&'static str, Value)>,
    overwrite: &[&str],
    own: &Fields,
) -> Result<String, SaveError> {
    let row = live_row(tx, id)?;
    let lacking = |(name, _): &(&str, Value)| row.get(name).is_null() || overwrite.contains(name);
    let mut fields: Fields =
        values.into_iter().filter(lacking).map(|(name, value)| (name.to_owned(), Input::from_value(value))).collect();
    put(&mut fields, own);
    let platform = Caller { bypass: true, ..caller.clone() };
    update(tx, &platform, &row.object, row.id(), fields)?;
    Ok(row.id().to_owned())
}

/// Later values of the same field replace earlier ones.
fn put(fields: &mut Fields, own: &Fields) {
    for (name, value) in own {
        fields.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        fields.push((name.clone(), value.clone()));
    }
}

fn make(
    tx: &mut Tx<'_>,
    caller: &Caller,
    object: &str,
    values: Vec<(&'static str, Value)>,
    own: &Fields,
) -> Result<String, SaveError> {
    let object = tx.schema.object(object).cloned().ok_or_else(SaveError::not_found)?;
    let mut fields: Fields =
        values.into_iter().map(|(name, value)| (name.to_owned(), Input::from_value(value))).collect();
    put(&mut fields, own);
    let platform = Caller { bypass: true, ..caller.clone() };
    insert(tx, &platform, &object, fields)
}

fn account(
    tx: &mut Tx<'_>,
    caller: &Caller,
    request: &LeadConvert,
    lead: &Row,
    owner: &str,
    person: bool,
) -> Result<String, SaveError> {
    let mut values = mapped(tx, lead, "Account", &TO_ACCOUNT);
    if let Some(id) = &request.account_id {
        values.retain(|(name, _)| *name != "Name");
        let overwrite: &[&str] = if request.overwrite_lead_source { &["AccountSource"] } else { &[] };
        return complete(tx, caller, id, values, overwrite, &request.account_fields);
    }
    if person {
        for (from, to) in [
            ("LastName", "LastName"),
            ("FirstName", "FirstName"),
            ("Salutation", "Salutation"),
            ("Email", "PersonEmail"),
            ("MobilePhone", "PersonMobilePhone"),
            ("Title", "PersonTitle"),
            ("LeadSource", "PersonLeadSource"),
        ] {
            if !lead.get(from).is_null() {
                values.push((to, lead.get(from).clone()));
            }
        }
    }
    values.push(("OwnerId", Value::from(owner)));
    make(tx, caller, "Account", values, &request.account_fields)
}

fn contact(
    tx: &mut Tx<'_>,
    caller: &Caller,
    request: &LeadConvert,
    lead: &Row,
    owner: &str,
    account: &str,
) -> Result<String, SaveError> {
    let mut values = mapped(tx, lead, "Contact", &TO_CONTACT);
    if let Some(id) = &request.contact_id {
        if live_row(tx, id)?.text("AccountId") != account {
            return Err(SaveError::invalid_cross_reference(&["contactId"]));
        }
        values.retain(|(name, _)| !matches!(*name, "LastName" | "FirstName"));
        let overwrite: &[&str] = if request.overwrite_lead_source { &["LeadSource"] } else { &[] };
        return complete(tx, caller, id, values, overwrite, &request.contact_fields);
    }
    values.push(("AccountId", Value::from(account)));
    values.push(("OwnerId", Value::from(owner)));
    make(tx, caller, "Contact", values, &request.contact_fields)
}

fn opportunity(
    tx: &mut Tx<'_>,
    caller: &Caller,
    request: &LeadConvert,
    lead: &Row,
    owner: &str,
    account: &str,
    contact: &str,
) -> Result<Option<String>, SaveError> {
    if let Some(id) = &request.opportunity_id {
        let fields = request.opportunity_fields.clone();
        let row = live_row(tx, id)?;
        let platform = Caller { bypass: true, ..caller.clone() };
        update(tx, &platform, &row.object, row.id(), fields)?;
        return Ok(Some(row.id().to_owned()));
    }
    if request.do_not_create_opportunity {
        return Ok(None);
    }
    let company = if lead.get("Company").is_null() { lead.text("Name") } else { lead.text("Company") };
    let name = request.opportunity_name.as_deref().filter(|name| !name.is_empty()).unwrap_or(company);
    let name: String = name.chars().take(120).collect();
    let mut values = vec![
        ("Name", Value::from(name)),
        ("AccountId", Value::from(account)),
        ("OwnerId", Value::from(owner)),
        ("StageName", first_stage(tx)),
        ("CloseDate", Value::from(end_of_quarter(tx.now))),
        ("ContactId", Value::from(contact)),
    ];
    for (from, to) in [("LeadSource", "LeadSource"), ("CurrencyIsoCode", "CurrencyIsoCode")] {
        if !lead.get(from).is_null() {
            values.push((to, lead.get(from).clone()));
        }
    }
    if let Some(campaign) = latest_campaign(tx, lead) {
        values.push(("CampaignId", Value::from(campaign)));
    }
    make(tx, caller, "Opportunity", values, &request.opportunity_fields).map(Some)
}

/// The campaign of the lead that was touched last is the primary one of its opportunity.
fn latest_campaign(tx: &Tx<'_>, lead: &Row) -> Option<String> {
    let members = tx.schema.object("CampaignMember")?;
    let rows = tx.rows_where(members, "\"LeadId\" = ?1 AND \"IsDeleted\" = 0", &[&lead.id()]);
    let latest = rows.iter().max_by_key(|row| row.get("LastModifiedDate").as_int())?;
    Some(latest.text("CampaignId").to_owned())
}

fn first_stage(tx: &Tx<'_>) -> Value {
    let sql = "SELECT \"MasterLabel\" FROM \"OpportunityStage\" WHERE \"IsActive\" = 1 AND \"IsClosed\" = 0 ORDER BY \"SortOrder\" LIMIT 1";
    let stage = tx.conn.prepare_cached(sql).and_then(|mut statement| statement.query_row([], |row| row.get(0)));
    stage.map_or_else(|_| Value::from("Prospecting"), Value::Text)
}

fn end_of_quarter(now: i64) -> String {
    let today = DateTime::from_timestamp_millis(now).unwrap_or_default().date_naive();
    let first = NaiveDate::from_ymd_opt(today.year(), today.month0() / 3 * 3 + 1, 1).unwrap_or(today);
    let last = first.checked_add_months(Months::new(3)).and_then(|next| next.checked_sub_days(Days::new(1)));
    last.unwrap_or(today).format("%Y-%m-%d").to_string()
}

fn move_activities(tx: &mut Tx<'_>, caller: &Caller, lead: &Row, contact: &str, what: &str) -> Result<(), SaveError> {
    let platform = Caller { bypass: true, ..caller.clone() };
    for object in ["Task", "Event"] {
        let Some(object) = tx.schema.object(object).cloned() else { continue };
        for id in tx.ids_where(&object, "\"WhoId\" = ?1 AND \"IsDeleted\" = 0", &[&lead.id()]) {
            let fields =
                vec![("WhoId".into(), Input::Text(contact.into())), ("WhatId".into(), Input::Text(what.into()))];
            update(tx, &platform, &object, &id, fields)?;
        }
    }
    Ok(())
}

fn move_attachments(tx: &mut Tx<'_>, caller: &Caller, lead: &Row, contact: &str) -> Result<(), SaveError> {
    let platform = Caller { bypass: true, ..caller.clone() };
    for object in ["Note", "Attachment"] {
        let Some(object) = tx.schema.object(object).cloned() else { continue };
        for id in tx.ids_where(&object, "\"ParentId\" = ?1 AND \"IsDeleted\" = 0", &[&lead.id()]) {
            update(tx, &platform, &object, &id, vec![("ParentId".into(), Input::Text(contact.into()))])?;
        }
    }
    let Some(links) = tx.schema.object("ContentDocumentLink").cloned() else { return Ok(()) };
    for link in tx.rows_where(&links, "\"LinkedEntityId\" = ?1", &[&lead.id()]) {
        let fields = vec![
            ("ContentDocumentId", link.get("ContentDocumentId").clone()),
            ("LinkedEntityId", Value::from(contact)),
            ("ShareType", link.get("ShareType").clone()),
            ("Visibility", link.get("Visibility").clone()),
        ];
        create(tx, caller, "ContentDocumentLink", fields)?;
    }
    Ok(())
}

/// A member of a campaign that was a lead is now the contact too; the lead stays on it.
fn name_contact_in_campaigns(tx: &mut Tx<'_>, lead: &Row, contact: &str) -> Result<(), SaveError> {
    let Some(members) = tx.schema.object("CampaignMember").cloned() else { return Ok(()) };
    let stamp = Value::Int(super::audit::second(tx.now));
    let contact = Value::from(contact);
    for id in tx.ids_where(&members, "\"LeadId\" = ?1 AND \"IsDeleted\" = 0", &[&lead.id()]) {
        let columns = ["ContactId", "LeadOrContactId", "Type", "SystemModstamp"];
        tx.update_row(&members, &id, &columns, &[&contact, &contact, &Value::from("Contact"), &stamp])?;
    }
    Ok(())
}

fn mark(
    tx: &mut Tx<'_>,
    caller: &Caller,
    request: &LeadConvert,
    lead: &Row,
    made: [Option<&String>; 3],
) -> Result<(), SaveError> {
    let day = DateTime::from_timestamp_millis(tx.now).unwrap_or_default().format("%Y-%m-%d").to_string();
    let id = |id: Option<&String>| id.map_or(Input::Null, |id| Input::Text(id.clone()));
    let [account, contact, opportunity] = made;
    let fields: Fields = vec![
        ("Status".into(), Input::Text(request.converted_status.clone())),
        ("IsConverted".into(), Input::Bool(true)),
        ("ConvertedDate".into(), Input::Text(day)),
        ("ConvertedAccountId".into(), id(account)),
        ("ConvertedContactId".into(), id(contact)),
        ("ConvertedOpportunityId".into(), id(opportunity)),
        ("IsUnreadByOwner".into(), Input::Bool(false)),
    ];
    let platform = Caller { bypass: true, ..caller.clone() };
    update(tx, &platform, &lead.object, lead.id(), fields)?;
    history::note(tx, caller, "Lead", lead.id(), "leadConverted")
}
