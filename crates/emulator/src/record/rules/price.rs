// SPDX-License-Identifier: Apache-2.0
//! Price books: the standard price comes first, and a line needs an active entry of its opportunity's price book
//! (`salesforce-api.md` 6.4, 6.9).

use super::opportunity::money;
use super::together_unique;
use crate::error::SaveError;
use crate::record::draft::Draft;
use crate::store::{Row, Tx};
use crate::value::Value;

fn row(tx: &Tx<'_>, object: &str, id: &Value) -> Option<Row> {
    tx.row(tx.schema.object(object)?, id.as_str()?)
}

/// A price book entry is named and coded like its product, and takes the standard price when told so.
pub fn entry(tx: &Tx<'_>, draft: &mut Draft) {
    if let Some(product) = row(tx, "Product2", draft.get("Product2Id")) {
        draft.set("Name", product.get("Name").clone());
        draft.set("ProductCode", product.get("ProductCode").clone());
    }
    if draft.get("UseStandardPrice").is_true()
        && let Some(standard) = standard_price(tx, draft)
    {
        draft.set("UnitPrice", standard.get("UnitPrice").clone());
    }
}

pub fn check_entry(tx: &Tx<'_>, draft: &Draft) -> Result<(), SaveError> {
    if !draft.is_new() {
        return Ok(());
    }
    let book = row(tx, "Pricebook2", draft.get("Pricebook2Id"));
    let is_standard = book.is_some_and(|book| book.get("IsStandard").is_true());
    if !is_standard && standard_price(tx, draft).is_none() {
        let message = "Before creating a custom price, create a standard price.";
        return Err(SaveError::new("STANDARD_PRICE_NOT_DEFINED", message, &[]));
    }
    let keys = ["Pricebook2Id", "Product2Id", "CurrencyIsoCode"];
    let keys = if draft.object.has("CurrencyIsoCode") { &keys[..] } else { &keys[..2] };
    match together_unique(tx, draft, keys) {
        Err(error) => {
            let message = "This price definition already exists in this price book".to_owned();
            Err(SaveError { message, fields: vec!["Pricebook2Id".into(), "Product2Id".into()], ..error })
        }
        Ok(()) => Ok(()),
    }
}

fn standard_price(tx: &Tx<'_>, draft: &Draft) -> Option<Row> {
    let entries = tx.schema.object("PricebookEntry")?;
    // In an org of several currencies each has its own standard price.
    let same = if draft.object.has("CurrencyIsoCode") { "\"CurrencyIsoCode\" = ?2" } else { "?2 IS NULL" };
    let condition = format!(
        "\"Product2Id\" = ?1 AND {same} AND \"IsDeleted\" = 0 AND \"Pricebook2Id\" IN (SELECT \"Id\" FROM \"Pricebook2\" WHERE \"IsStandard\" = 1)"
    );
    tx.rows_where(entries, &condition, &[draft.get("Product2Id"), draft.get("CurrencyIsoCode")]).into_iter().next()
}

/// An entry that lines use stays.
pub fn check_delete(tx: &Tx<'_>, entry: &Row) -> Result<(), SaveError> {
    let used = tx.count("OpportunityLineItem", "\"PricebookEntryId\" = ?1 AND \"IsDeleted\" = 0", &[&entry.id()]);
    if used == 0 {
        return Ok(());
    }
    let message = format!(
        "Your attempt to delete {} could not be completed because some opportunity products use it. Edit the price book entry and make it inactive instead.",
        entry.text("Name")
    );
    Err(SaveError::new("DELETE_FAILED", message, &[]))
}

/// The parent of a line, by the line's object.
fn parent(line: &str) -> (&'static str, &'static str) {
    match line {
        "QuoteLineItem" => ("Quote", "QuoteId"),
        "OrderItem" => ("Order", "OrderId"),
        _ => ("Opportunity", "OpportunityId"),
    }
}

/// Product, list price, name and total of a line. Unit price and total price follow from each other: exactly one is given.
pub fn line(tx: &mut Tx<'_>, draft: &mut Draft) -> Result<(), SaveError> {
    let (parent_object, parent_field) = parent(&draft.object.name);
    let header = row(tx, parent_object, draft.get(parent_field));
    if draft.is_new() && draft.get("PricebookEntryId").is_null() && !draft.get("Product2Id").is_null() {
        let entry = entry_of_product(tx, header.as_ref(), draft.get("Product2Id"));
        draft.set("PricebookEntryId", entry);
    }
    if let Some(entry) = row(tx, "PricebookEntry", draft.get("PricebookEntryId")) {
        draft.set("Product2Id", entry.get("Product2Id").clone());
        draft.set("ListPrice", entry.get("UnitPrice").clone());
        draft.set("ProductCode", entry.get("ProductCode").clone());
        if draft.is_new() && draft.get("UnitPrice").is_null() && draft.get("TotalPrice").is_null() {
            draft.set("UnitPrice", entry.get("UnitPrice").clone());
        }
        if let Some(header) = &header {
            draft.set(
                "Name",
                format!("{} {}", header.text("Name"), entry.text("Name")).chars().take(376).collect::<String>(),
            );
            if header.get("Pricebook2Id").is_null() && draft.is_new() {
                tx.update_row(&header.object, header.id(), &["Pricebook2Id"], &[entry.get("Pricebook2Id")])?;
            }
        }
    }
    let both = draft.given("UnitPrice")
        && draft.given("TotalPrice")
        && !draft.get("UnitPrice").is_null()
        && !draft.get("TotalPrice").is_null();
    let same = draft.is_new() || (draft.changed("UnitPrice") && draft.changed("TotalPrice"));
    if both && same && draft.object.name == "OpportunityLineItem" && !consistent(draft) {
        let message = "field integrity exception: unknown (only one of unit price or total price may be specified)";
        return Err(SaveError::new("FIELD_INTEGRITY_EXCEPTION", message, &["UnitPrice", "TotalPrice"]));
    }
    let quantity = draft.get("Quantity").as_num().unwrap_or(0.0);
    let kept = 1.0 - draft.get("Discount").as_num().unwrap_or(0.0) / 100.0;
    if draft.given("TotalPrice") && !draft.given("UnitPrice") {
        if let Some(total) = draft.get("TotalPrice").as_num().filter(|_| quantity * kept != 0.0) {
            draft.set("UnitPrice", money(total / (quantity * kept)));
        }
    } else if let Some(unit) = draft.get("UnitPrice").as_num() {
        draft.set("TotalPrice", money(unit * quantity * kept));
    }
    draft.set("Subtotal", draft.get("UnitPrice").as_num().map_or(Value::Null, |unit| money(unit * quantity)));
    Ok(())
}

/// A caller who gives both, and both say the same, is let through, as the world and an exact restore do.
fn consistent(draft: &Draft) -> bool {
    let number = |field: &str| draft.get(field).as_num().unwrap_or(0.0);
    let kept = 1.0 - number("Discount") / 100.0;
    (number("UnitPrice") * number("Quantity") * kept - number("TotalPrice")).abs() < 0.01
}

fn entry_of_product(tx: &Tx<'_>, header: Option<&Row>, product: &Value) -> Value {
    let book = header.map_or(Value::Null, |header| header.get("Pricebook2Id").clone());
    let Some(entries) = tx.schema.object("PricebookEntry") else { return Value::Null };
    let condition = "\"Product2Id\" = ?1 AND \"Pricebook2Id\" = ?2 AND \"IsDeleted\" = 0";
    let found = tx.ids_where(entries, condition, &[product, &book]);
    found.into_iter().next().map_or(Value::Null, Value::Text)
}

pub fn check_line(tx: &Tx<'_>, draft: &Draft) -> Result<(), SaveError> {
    if !draft.is_new() {
        return Ok(());
    }
    let Some(entry) = row(tx, "PricebookEntry", draft.get("PricebookEntryId")) else {
        return Err(SaveError::required(vec!["PricebookEntryId".into()]));
    };
    let refuse = |message: &str| Err(SaveError::new("FIELD_INTEGRITY_EXCEPTION", message, &["PricebookEntryId"]));
    let opportunity = row(tx, "Opportunity", draft.get("OpportunityId"));
    let of = |field: &str| opportunity.as_ref().map_or(Value::Null, |opportunity| opportunity.get(field).clone());
    let book = of("Pricebook2Id");
    if of("CurrencyIsoCode") != *entry.get("CurrencyIsoCode") {
        return refuse(
            "field integrity exception: PricebookEntryId (pricebook entry currency code does not match opportunity currency code)",
        );
    }
    if !entry.get("IsActive").is_true() {
        return refuse("field integrity exception: PricebookEntryId (pricebook entry is inactive)");
    }
    if !book.is_null() && book != *entry.get("Pricebook2Id") {
        return refuse(
            "field integrity exception: PricebookEntryId (pricebook entry is in a different pricebook than the one assigned to the opportunity)",
        );
    }
    Ok(())
}
