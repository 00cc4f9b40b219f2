// SPDX-License-Identifier: Apache-2.0
//! What multi-currency adds to the schema (`salesforce-api.md` 6.10): `CurrencyType`, `DatedConversionRate`, `CurrencyIsoCode` on
//! objects with amounts and on every custom one, and `DefaultCurrencyIsoCode` on users.
//!
//! Which standard objects without amounts have `CurrencyIsoCode` is taken from the Object Reference.

use super::{add_missing, find};
use crate::error::SaveError;
use crate::org::Org;
use crate::record::{self, Input};
use crate::schema::{Field, FieldType, Object, PicklistValue};
use crate::store::Tx;
use crate::value::Value;

/// Objects that have a currency although they may have no amount of their own.
const WITH_CURRENCY: [&str; 22] = [
    "Account",
    "Asset",
    "Campaign",
    "CampaignMember",
    "Case",
    "Contact",
    "Contract",
    "ContractLineItem",
    "Event",
    "Lead",
    "Opportunity",
    "OpportunityLineItem",
    "Order",
    "OrderItem",
    "PricebookEntry",
    "Product2",
    "Quote",
    "QuoteLineItem",
    "ServiceContract",
    "Task",
    "User",
    "WorkOrder",
];
/// Units of it that are one of the corporate currency, for the second currency of a new org.
const SEED_RATE: f64 = 0.5;

pub fn complete(objects: &mut Vec<Object>, currencies: &[String]) {
    if find(objects, "CurrencyType").is_none() {
        objects.push(currency_type());
    }
    if find(objects, "DatedConversionRate").is_none() {
        objects.push(dated_rate());
    }
    for object in objects.iter_mut().filter(|object| has_currency(object)) {
        object.fields.retain(|field| field.name != "CurrencyIsoCode");
        add_missing(object, iso_field("CurrencyIsoCode", "Currency ISO Code", currencies));
    }
    if let Some(users) = find(objects, "User") {
        users.fields.retain(|field| field.name != "DefaultCurrencyIsoCode");
        add_missing(users, iso_field("DefaultCurrencyIsoCode", "Default Currency ISO Code", currencies));
    }
    for object in objects.iter_mut().filter(|object| object.name == "DatedConversionRate") {
        object.fields.retain(|field| field.name != "IsoCode");
        let mut field = iso_field("IsoCode", "Currency ISO Code", currencies);
        (field.updateable, field.defaulted_on_create) = (false, false);
        add_missing(object, field);
    }
}

fn has_currency(object: &Object) -> bool {
    let writable = object.createable && object.associate_entity_type.is_none() && !object.is_custom_metadata();
    let amounts = || object.fields.iter().any(|field| field.kind == FieldType::Currency && !field.calculated);
    let own = matches!(object.name.as_str(), "CurrencyType" | "DatedConversionRate");
    writable && !own && (object.custom || WITH_CURRENCY.contains(&object.name.as_str()) || amounts())
}

fn iso_field(name: &str, label: &str, currencies: &[String]) -> Field {
    let mut field = Field::usual(name, label, FieldType::Picklist, 255);
    (field.nillable, field.defaulted_on_create, field.restricted_picklist) = (false, true, true);
    field.picklist = currencies
        .iter()
        .enumerate()
        .map(|(at, iso)| PicklistValue {
            active: true,
            default_value: at == 0,
            label: iso.clone(),
            value: iso.clone(),
            valid_for: None,
        })
        .collect();
    field
}

/// An object with the system fields of one that customers fill, without those a customer's own has beside them.
fn with_system_fields(name: &str, label: &str, plural: &str, prefix: &str) -> Object {
    let mut object =
        crate::schema::custom::object(name, label, plural, crate::schema::custom::Kind::ListSetting, "Name", None);
    object.fields.retain(|field| !matches!(field.name.as_str(), "Name" | "IsDeleted"));
    (object.custom, object.custom_setting) = (false, false);
    object.key_prefix = Some(prefix.to_owned());
    object
}

fn currency_type() -> Object {
    let mut object = with_system_fields("CurrencyType", "Currency Type", "Currency Types", "01L");
    object.deletable = false;
    let mut iso = Field::usual("IsoCode", "Currency ISO Code", FieldType::Picklist, 40);
    (iso.nillable, iso.updateable, iso.unique) = (false, false, true);
    let mut rate = Field::usual("ConversionRate", "Conversion Rate", FieldType::Double, 0);
    (rate.nillable, rate.precision, rate.scale) = (false, 18, 6);
    let mut places = Field::usual("DecimalPlaces", "Decimal Places", FieldType::Int, 0);
    (places.nillable, places.digits) = (false, 1);
    let active = Field::usual("IsActive", "Active", FieldType::Boolean, 0);
    let corporate = Field::usual("IsCorporate", "Corporate Currency", FieldType::Boolean, 0);
    for field in [iso, rate, places, active, corporate] {
        add_missing(&mut object, field);
    }
    object
}

fn dated_rate() -> Object {
    let mut object =
        with_system_fields("DatedConversionRate", "Dated Conversion Rate", "Dated Conversion Rates", "04w");
    let mut start = Field::usual("StartDate", "Start Date", FieldType::Date, 0);
    (start.nillable, start.updateable) = (false, false);
    let mut next = Field::usual("NextStartDate", "Next Start Date", FieldType::Date, 0);
    (next.createable, next.updateable) = (false, false);
    let mut rate = Field::usual("ConversionRate", "Conversion Rate", FieldType::Double, 0);
    (rate.nillable, rate.precision, rate.scale) = (false, 18, 6);
    for field in [start, next, rate] {
        add_missing(&mut object, field);
    }
    object
}

/// The first two currencies; what was saved before is in the corporate one.
pub fn seed(tx: &mut Tx<'_>) -> Result<(), SaveError> {
    if tx.count("CurrencyType", "1 = 1", &[]) == 0 {
        create(tx, "USD", 1.0, true)?;
        create(tx, "EUR", SEED_RATE, false)?;
    }
    let corporate = record::corporate_currency(tx);
    let schema = tx.schema.clone();
    for object in schema.objects() {
        for field in ["CurrencyIsoCode", "DefaultCurrencyIsoCode"].iter().filter(|field| object.has(field)) {
            let sql = format!("UPDATE \"{}\" SET \"{field}\" = ?1 WHERE \"{field}\" IS NULL", object.name);
            tx.conn.execute(&sql, [&corporate])?;
        }
    }
    Ok(())
}

/// Lets picklists show the currencies that the org's rows name: those of a store that is opened again, or of rows that were
/// written since.
pub fn refresh(org: &Org) -> rusqlite::Result<()> {
    let active = org.read(|tx| {
        let Some(types) = tx.schema.object("CurrencyType") else { return Vec::new() };
        let mut rows = tx.rows_where(types, "\"IsActive\" = 1", &[]);
        rows.sort_by_key(|row| !row.get("IsCorporate").is_true());
        rows.iter().map(|row| row.text("IsoCode").to_owned()).collect()
    });
    let same = org.set_up(|set_up| std::mem::replace(&mut set_up.currencies, active.clone()) == active);
    if same { Ok(()) } else { org.change_schema(|_| {}) }
}

pub fn add(org: &Org, iso_code: &str, rate: f64) -> Result<(), SaveError> {
    org.write(|tx| tx.savepoint(|tx| create(tx, iso_code, rate, false)))?;
    refresh(org).map_err(SaveError::from)
}

fn create(tx: &mut Tx<'_>, iso_code: &str, rate: f64, corporate: bool) -> Result<(), SaveError> {
    let unknown = || SaveError::new("INVALID_TYPE", "sObject type 'CurrencyType' is not supported.", &[]);
    let object = tx.schema.object("CurrencyType").cloned().ok_or_else(unknown)?;
    let places = if matches!(iso_code, "JPY" | "KRW") { 0 } else { 2 };
    let fields = [
        ("IsoCode", Value::from(iso_code)),
        ("ConversionRate", Value::Num(rate)),
        ("DecimalPlaces", Value::Int(places)),
        ("IsActive", Value::Bool(true)),
        ("IsCorporate", Value::Bool(corporate)),
    ];
    let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), Input::from_value(value))).collect();
    let platform = crate::org::seed::platform(tx);
    record::insert(tx, &platform, &object, fields).map(drop)
}
