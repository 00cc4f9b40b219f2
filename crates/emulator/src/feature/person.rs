// SPDX-License-Identifier: Apache-2.0
//! What person accounts add to the schema (`salesforce-api.md` 6.9): on the account the fields of its contact, as `Person…` for
//! standard and `…__pc` for custom ones, the parts of a person's name, `IsPersonAccount` and `PersonContactId`; a record type
//! "Person Account".

use std::sync::Arc;

use super::{add_missing, find, mark, read_only};
use crate::error::SaveError;
use crate::schema::{Field, FieldType, Object, RecordTypeInfo, custom};
use crate::store::Tx;

/// Standard fields of a contact that its person account shows with `Person` before their name.
pub(crate) const CONTACT_FIELDS: [&str; 36] = [
    "MailingStreet",
    "MailingCity",
    "MailingState",
    "MailingPostalCode",
    "MailingCountry",
    "MailingLatitude",
    "MailingLongitude",
    "MailingGeocodeAccuracy",
    "MailingAddress",
    "OtherStreet",
    "OtherCity",
    "OtherState",
    "OtherPostalCode",
    "OtherCountry",
    "OtherLatitude",
    "OtherLongitude",
    "OtherGeocodeAccuracy",
    "OtherAddress",
    "MobilePhone",
    "HomePhone",
    "OtherPhone",
    "AssistantPhone",
    "Email",
    "Title",
    "Department",
    "AssistantName",
    "LeadSource",
    "Birthdate",
    "HasOptedOutOfEmail",
    "HasOptedOutOfFax",
    "DoNotCall",
    "LastCURequestDate",
    "LastCUUpdateDate",
    "EmailBouncedReason",
    "EmailBouncedDate",
    "IndividualId",
];
/// Fields that account and contact have under the same name, and share when they are one person.
pub(crate) const TWIN_FIELDS: [&str; 10] = [
    "Name",
    "FirstName",
    "LastName",
    "MiddleName",
    "Suffix",
    "Salutation",
    "Phone",
    "Fax",
    "OwnerId",
    "CurrencyIsoCode",
];
const NAME_PARTS: [&str; 5] = ["LastName", "FirstName", "Salutation", "MiddleName", "Suffix"];
const DEVELOPER_NAME: &str = "PersonAccount";

pub fn complete(objects: &mut [Object]) {
    let Some(contact) = find(objects, "Contact") else { return };
    add_missing(contact, flag("IsPersonAccount", "Is Person Account"));
    let mut twins: Vec<Field> = contact.fields.iter().filter_map(|field| twin(field)).collect();
    let name_parts: Vec<Field> = NAME_PARTS
        .iter()
        .filter_map(|name| contact.fields.iter().find(|field| field.name == *name))
        .map(|field| {
            let mut field = Field::clone(field);
            field.nillable = true;
            field.extra_type_info = Some("switchablepersonname".to_owned());
            field
        })
        .collect();
    let Some(account) = find(objects, "Account") else { return };
    add_missing(account, flag("IsPersonAccount", "Is Person Account"));
    let mut person = read_only("PersonContactId", "Contact ID", FieldType::Reference, 18);
    person.reference_to = vec!["Contact".to_owned()];
    person.relationship_name = Some("PersonContact".to_owned());
    add_missing(account, person);
    for field in name_parts.into_iter().chain(twins.drain(..)) {
        add_missing(account, field);
    }
    if let Some(name) = account.fields.iter_mut().find(|field| field.name == "Name") {
        let name = Arc::make_mut(name);
        name.nillable = true;
        name.extra_type_info = Some("switchablepersonname".to_owned());
    }
    if !account.record_types.iter().any(|kind| kind.developer_name == DEVELOPER_NAME) {
        custom::add_record_type_field(account);
        account.record_types.push(RecordTypeInfo {
            id: String::new(),
            developer_name: DEVELOPER_NAME.to_owned(),
            name: "Person Account".to_owned(),
            active: true,
            default: false,
            master: false,
        });
    }
    // A lead without a company is a person.
    if let Some(company) =
        find(objects, "Lead").and_then(|leads| leads.fields.iter_mut().find(|field| field.name == "Company"))
    {
        Arc::make_mut(company).nillable = true;
    }
    if let Some(kinds) = find(objects, "RecordType") {
        add_missing(kinds, flag("IsPersonType", "Is Person Type"));
    }
}

/// A contact's field as its person account shows it.
fn twin(field: &Field) -> Option<Field> {
    let name = match field.name.strip_suffix("__c") {
        Some(stem) => format!("{stem}__pc"),
        None if CONTACT_FIELDS.contains(&field.name.as_str()) => format!("Person{}", field.name),
        None => return None,
    };
    let mut twin = field.clone();
    twin.relationship_name = field.relationship_name.as_ref().map(|path| match path.strip_suffix("__r") {
        Some(stem) => format!("{stem}__pr"),
        None => format!("Person{path}"),
    });
    twin.compound = field.compound.as_ref().map(|compound| format!("Person{compound}"));
    (twin.unique, twin.id_lookup, twin.name_field) = (false, false, false);
    twin.nillable = field.kind != FieldType::Boolean;
    twin.name = name;
    Some(twin)
}

fn flag(name: &str, label: &str) -> Field {
    let mut field = read_only(name, label, FieldType::Boolean, 0);
    field.defaulted_on_create = true;
    field
}

pub fn seed(tx: &Tx<'_>) -> Result<(), SaveError> {
    let sql =
        "UPDATE \"RecordType\" SET \"IsPersonType\" = 1 WHERE \"SobjectType\" = 'Account' AND \"DeveloperName\" = ?1";
    mark(tx, sql, &[&DEVELOPER_NAME])
}
