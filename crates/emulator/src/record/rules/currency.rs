// SPDX-License-Identifier: Apache-2.0
//! Currencies of an org that has several (`salesforce-api.md` 6.10).
//!
//! A record without a currency gets its parent's, where it is a line of something, else its author's. One currency is
//! corporate; the rates of the others are units of them for one of it. Texts are guesses but for the price book entry's.

use rusqlite::OptionalExtension as _;

use super::together_unique;
use crate::error::SaveError;
use crate::record::draft::Draft;
use crate::store::Tx;
use crate::user::Caller;
use crate::value::Value;

/// The parts of something priced, and what they are parts of.
const LINES: [(&str, &str, &str); 4] = [
    ("OpportunityLineItem", "OpportunityId", "Opportunity"),
    ("QuoteLineItem", "QuoteId", "Quote"),
    ("OrderItem", "OrderId", "Order"),
    ("ContractLineItem", "ServiceContractId", "ServiceContract"),
];

/// Gives a new record its currency.
pub fn fill(tx: &Tx<'_>, caller: &Caller, draft: &mut Draft) {
    if !draft.is_new() {
        return;
    }
    if draft.object.name == "User" {
        draft.set_if_null("DefaultCurrencyIsoCode", corporate(tx));
    }
    if !draft.get("CurrencyIsoCode").is_null() || !draft.object.has("CurrencyIsoCode") {
        return;
    }
    let line = LINES.iter().find(|(object, ..)| *object == draft.object.name);
    let above = line.and_then(|(_, through, parent)| tx.row(tx.schema.object(parent)?, draft.text(through)?));
    let iso = match above.map(|row| row.get("CurrencyIsoCode").clone()) {
        Some(Value::Text(iso)) => iso,
        _ => of_user(tx, &caller.user_id),
    };
    draft.set("CurrencyIsoCode", iso);
}

/// The org's own currency.
pub fn corporate(tx: &Tx<'_>) -> String {
    let sql = "SELECT \"IsoCode\" FROM \"CurrencyType\" WHERE \"IsCorporate\" = 1 LIMIT 1";
    let found = tx.conn.prepare_cached(sql).and_then(|mut statement| statement.query_row([], |row| row.get(0)));
    found.unwrap_or_else(|_| "USD".to_owned())
}

fn of_user(tx: &Tx<'_>, user: &str) -> String {
    let sql = "SELECT \"DefaultCurrencyIsoCode\" FROM \"User\" WHERE \"Id\" = ?1";
    let found =
        tx.conn.prepare_cached(sql).and_then(|mut statement| statement.query_row([user], |row| row.get(0)).optional());
    found.ok().flatten().flatten().unwrap_or_else(|| corporate(tx))
}

/// Refuses a currency that the org does not use, and a change under lines that are priced in it.
pub fn check(tx: &Tx<'_>, draft: &Draft) -> Result<(), SaveError> {
    let Some(iso) = draft.text("CurrencyIsoCode").filter(|_| draft.changed("CurrencyIsoCode")) else { return Ok(()) };
    if tx.count("CurrencyType", "\"IsoCode\" = ?1 AND \"IsActive\" = 1", &[&iso]) == 0 {
        let message = format!("Currency ISO Code: bad value for restricted picklist field: {iso}");
        return Err(SaveError::new("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", message, &["CurrencyIsoCode"]));
    }
    let lines = LINES.iter().find(|(.., parent)| *parent == draft.object.name);
    if let Some((line, through, _)) = lines.filter(|_| !draft.is_new())
        && tx.count(line, &format!("\"{through}\" = ?1"), &[&draft.id]) > 0
    {
        let message =
            "field integrity exception: CurrencyIsoCode (the currency of a record with line items cannot be changed)";
        return Err(SaveError::new("FIELD_INTEGRITY_EXCEPTION", message, &["CurrencyIsoCode"]));
    }
    Ok(())
}

/// The corporate currency is the measure of the others.
pub fn before_type(draft: &mut Draft) {
    if draft.get("IsCorporate").is_true() {
        draft.set("ConversionRate", 1);
        draft.set("IsActive", true);
    }
}

pub fn check_type(tx: &Tx<'_>, draft: &Draft) -> Result<(), SaveError> {
    let refuse = |code: &str, message: &str, field: &str| Err(SaveError::new(code, message, &[field]));
    let known = draft.text("IsoCode").is_some_and(|iso| iso.len() == 3 && iso.bytes().all(|c| c.is_ascii_uppercase()));
    if !known {
        return refuse("INVALID_CURRENCY_ISO", "invalid currency ISO code", "IsoCode");
    }
    if draft.get("ConversionRate").as_num().is_none_or(|rate| rate <= 0.0) {
        return refuse("INVALID_CURRENCY_CONV_RATE", "invalid currency conversion rate", "ConversionRate");
    }
    if !draft.is_new() && draft.was("IsCorporate").is_true() {
        if !draft.get("IsCorporate").is_true() {
            return refuse("CANT_UNSET_CORP_CURRENCY", "cannot unset the corporate currency", "IsCorporate");
        }
        if !draft.get("IsActive").is_true() {
            return refuse("CANT_DISABLE_CORP_CURRENCY", "cannot disable the corporate currency", "IsActive");
        }
        if draft.given("ConversionRate") && draft.changed("ConversionRate") {
            return refuse("INVALID_CURRENCY_CORP_RATE", "the corporate currency's rate is 1", "ConversionRate");
        }
    }
    together_unique(tx, draft, &["IsoCode"])
}

/// A new corporate currency makes all rates anew, so that its own is 1.
pub fn after_type(tx: &Tx<'_>, draft: &Draft) -> Result<(), SaveError> {
    if draft.is_new() || !draft.get("IsCorporate").is_true() || draft.was("IsCorporate").is_true() {
        return Ok(());
    }
    let Some(rate) = draft.was("ConversionRate").as_num() else { return Ok(()) };
    tx.note(
        "UPDATE \"CurrencyType\" SET \"IsCorporate\" = 0, \"ConversionRate\" = round(\"ConversionRate\" / ?1, 6) WHERE \"Id\" <> ?2",
        &[&rate, &draft.id],
    )?;
    Ok(())
}

/// Rates of one currency follow each other: each knows when the next begins.
pub fn after_rate(tx: &Tx<'_>, iso: &Value) -> Result<(), SaveError> {
    tx.note(
        "UPDATE \"DatedConversionRate\" SET \"NextStartDate\" = coalesce((SELECT min(n.\"StartDate\") FROM \"DatedConversionRate\" n \
         WHERE n.\"IsoCode\" = ?1 AND n.\"StartDate\" > \"DatedConversionRate\".\"StartDate\"), '9999-12-31') WHERE \"IsoCode\" = ?1",
        &[iso],
    )?;
    Ok(())
}

/// A currency keeps at least one rate.
pub fn check_delete_rate(tx: &Tx<'_>, row: &crate::store::Row) -> Result<(), SaveError> {
    if tx.count("DatedConversionRate", "\"IsoCode\" = ?1", &[row.get("IsoCode")]) > 1 {
        return Ok(());
    }
    let message = "cannot delete the last dated conversion rate of a currency";
    Err(SaveError::new("CANNOT_DELETE_LAST_DATED_CONVERSION_RATE", message, &[]))
}
