// SPDX-License-Identifier: Apache-2.0
//! Person accounts (`salesforce-api.md` 6.9): an account and a contact that are one person.
//!
//! An account is a person when its record type is, or when it is made with a last name and without a record type. The server
//! makes its contact; what is written on one side is copied to the other, without running the other's rules again. The
//! contact belongs to its account: it cannot be moved, get a record type or be deleted by itself.
//!
//! Guesses: the texts, but for the one that the reference quotes, and `INVALID_PERSON_ACCOUNT_OPERATION` as the code of what
//! the contact refuses.

use super::create;
use crate::error::SaveError;
use crate::feature::{CONTACT_FIELDS, TWIN_FIELDS};
use crate::record::draft::Draft;
use crate::record::{audit, formula};
use crate::schema::Object;
use crate::store::{Row, Tx};
use crate::user::Caller;
use crate::value::Value;

/// Decides whether an account is a person, and composes its name.
pub fn before_account(tx: &Tx<'_>, caller: &Caller, draft: &mut Draft) -> Result<(), SaveError> {
    if !draft.object.has("IsPersonAccount") {
        return Ok(());
    }
    let person = if draft.is_new() { is_person(tx, draft) } else { draft.was("IsPersonAccount").is_true() };
    if !draft.is_new() && draft.given("RecordTypeId") && draft.changed("RecordTypeId") {
        let kind = draft.text("RecordTypeId").and_then(|id| record_type(tx, id));
        if kind.is_some_and(|kind| kind.get("IsPersonType").is_true()) != person {
            return Err(refusal("An account cannot change between business and person account by its record type"));
        }
    }
    let wrong = wrong_names(draft, person);
    if !wrong.is_empty() && !caller.bypass {
        let message = format!("bad field names on insert/update call: {}", wrong.join(", "));
        return Err(SaveError { fields: wrong, ..SaveError::new("INVALID_FIELD_FOR_INSERT_UPDATE", message, &[]) });
    }
    draft.set("IsPersonAccount", person);
    if !person {
        return if draft.get("Name").is_null() { Err(SaveError::required(vec!["Name".into()])) } else { Ok(()) };
    }
    if draft.get("LastName").is_null() {
        return Err(SaveError::required(vec!["LastName".into()]));
    }
    if draft.is_new() && draft.get("RecordTypeId").is_null() {
        draft.set("RecordTypeId", person_record_type(tx));
    }
    super::name::join(draft);
    Ok(())
}

fn is_person(tx: &Tx<'_>, draft: &Draft) -> bool {
    let kind = draft.text("RecordTypeId").filter(|_| draft.given("RecordTypeId")).and_then(|id| record_type(tx, id));
    match kind {
        Some(kind) => kind.get("IsPersonType").is_true(),
        None => !draft.get("LastName").is_null(),
    }
}

fn record_type(tx: &Tx<'_>, id: &str) -> Option<Row> {
    tx.row(tx.schema.object("RecordType")?, id)
}

fn person_record_type(tx: &Tx<'_>) -> Value {
    let Some(kinds) = tx.schema.object("RecordType") else { return Value::Null };
    let found = tx.ids_where(kinds, "\"SobjectType\" = 'Account' AND \"IsPersonType\" = 1 AND \"IsActive\" = 1", &[]);
    found.into_iter().next().map_or(Value::Null, Value::Text)
}

/// What a caller gave that this kind of account does not have.
fn wrong_names(draft: &Draft, person: bool) -> Vec<String> {
    let given =
        draft.object.fields.iter().enumerate().filter(|(at, _)| draft.given[*at] && !draft.values[*at].is_null());
    let of_person = |name: &str| {
        name.ends_with("__pc")
            || matches!(name, "FirstName" | "LastName" | "MiddleName" | "Suffix" | "Salutation")
            || name.strip_prefix("Person").is_some_and(|rest| CONTACT_FIELDS.contains(&rest))
    };
    let wrong = |at: usize, name: &str| match person {
        true => name == "Name",
        // A flag that is off says nothing.
        false => of_person(name) && draft.values[at] != Value::Bool(false),
    };
    given.filter(|(at, field)| wrong(*at, &field.name)).map(|(_, field)| field.name.clone()).collect()
}

/// Makes the contact of a new person account, or tells it what changed.
pub fn after_account(tx: &mut Tx<'_>, caller: &Caller, draft: &Draft) -> Result<(), SaveError> {
    if !draft.get("IsPersonAccount").is_true() {
        return Ok(());
    }
    let Some(contacts) = tx.schema.object("Contact").cloned() else { return Ok(()) };
    let shared = shared(&draft.object, &contacts);
    if !draft.is_new() {
        let changed: Vec<(&str, &Value)> = shared
            .iter()
            .filter(|(own, _)| draft.changed(own))
            .map(|(own, theirs)| (theirs.as_str(), draft.get(own)))
            .collect();
        return tell(tx, caller, &contacts, draft.text("PersonContactId"), &changed);
    }
    let mut values: Vec<(&str, Value)> = shared
        .iter()
        .filter(|(own, _)| own != "Name")
        .map(|(own, theirs)| (theirs.as_str(), draft.get(own).clone()))
        .collect();
    values.retain(|(_, value)| !value.is_null());
    values.push(("AccountId", Value::Text(draft.id.clone())));
    values.push(("IsPersonAccount", Value::Bool(true)));
    for field in ["CreatedById", "LastModifiedById"] {
        values.push((field, draft.get(field).clone()));
    }
    for field in ["CreatedDate", "LastModifiedDate", "SystemModstamp"] {
        if let Value::Int(ms) = draft.get(field) {
            values.push((field, Value::Text(crate::value::date_time_text(*ms, "Z"))));
        }
    }
    if let Some(contact) = create(tx, caller, "Contact", values)? {
        tx.update_row(&draft.object, &draft.id, &["PersonContactId"], &[&Value::Text(contact)])?;
    }
    Ok(())
}

/// Tells a person account what changed on its contact.
pub fn after_contact(tx: &mut Tx<'_>, caller: &Caller, draft: &Draft) -> Result<(), SaveError> {
    if draft.is_new() || !draft.get("IsPersonAccount").is_true() {
        return Ok(());
    }
    let Some(accounts) = tx.schema.object("Account").cloned() else { return Ok(()) };
    let shared = shared(&accounts, &draft.object);
    let changed: Vec<(&str, &Value)> = shared
        .iter()
        .filter(|(_, own)| draft.changed(own))
        .map(|(theirs, own)| (theirs.as_str(), draft.get(own)))
        .collect();
    tell(tx, caller, &accounts, draft.text("AccountId"), &changed)
}

/// Refuses what only the account may do.
pub fn check_contact(tx: &Tx<'_>, draft: &Draft) -> Result<(), SaveError> {
    if !draft.object.has("IsPersonAccount") {
        return Ok(());
    }
    if draft.get("IsPersonAccount").is_true() {
        if !draft.is_new() && draft.changed("RecordTypeId") && draft.object.has("RecordTypeId") {
            return Err(SaveError::insufficient_access());
        }
        if !draft.is_new() && draft.changed("AccountId") {
            return Err(refusal("The contact of a person account cannot be moved to another account"));
        }
        return Ok(());
    }
    if !draft.changed("AccountId") {
        return Ok(());
    }
    let account = draft.text("AccountId").and_then(|id| tx.row(tx.schema.object("Account")?, id));
    if account.is_some_and(|account| account.get("IsPersonAccount").is_true()) {
        return Err(refusal("A person account cannot have contacts"));
    }
    Ok(())
}

/// A person's contact goes with its account.
pub fn check_delete_contact(row: &Row) -> Result<(), SaveError> {
    if row.get("IsPersonAccount").is_true() {
        return Err(refusal("The contact of a person account cannot be deleted, delete the account instead"));
    }
    Ok(())
}

/// The fields that account and contact share, each by its name there.
fn shared(account: &Object, contact: &Object) -> Vec<(String, String)> {
    let mut pairs: Vec<(String, String)> = TWIN_FIELDS
        .iter()
        .filter(|name| account.has(name))
        .map(|name| ((*name).to_owned(), (*name).to_owned()))
        .collect();
    pairs.extend(CONTACT_FIELDS.iter().map(|name| (format!("Person{name}"), (*name).to_owned())));
    for field in contact.fields.iter().filter(|field| !field.calculated && !field.auto_number) {
        if let Some(stem) = field.name.strip_suffix("__c") {
            pairs.push((format!("{stem}__pc"), field.name.clone()));
        }
    }
    let stored = |object: &Object, name: &str| object.field(name).is_some_and(|field| field.stored());
    pairs.retain(|(own, theirs)| stored(account, own) && stored(contact, theirs));
    pairs
}

fn tell(
    tx: &Tx<'_>,
    caller: &Caller,
    object: &std::sync::Arc<Object>,
    id: Option<&str>,
    changed: &[(&str, &Value)],
) -> Result<(), SaveError> {
    let Some(id) = id.filter(|_| !changed.is_empty()) else { return Ok(()) };
    let stamp = Value::Int(audit::second(tx.now));
    let author = Value::Text(caller.user_id.clone());
    let mut columns: Vec<&str> = changed.iter().map(|(name, _)| *name).collect();
    let mut values: Vec<&Value> = changed.iter().map(|(_, value)| *value).collect();
    columns.extend(["LastModifiedDate", "LastModifiedById", "SystemModstamp"]);
    values.extend([&stamp, &author, &stamp]);
    tx.update_row(object, id, &columns, &values)?;
    formula::refresh(tx, object, id);
    Ok(())
}

fn refusal(message: &str) -> SaveError {
    SaveError::new("INVALID_PERSON_ACCOUNT_OPERATION", message, &[])
}
