// SPDX-License-Identifier: Apache-2.0
//! Orders and contracts are drafts before they are activated (`salesforce-api.md` 6.4, 6.7); orders and quotes know the sum of
//! their lines; a quote can be kept in step with its opportunity.
//!
//! Guesses: the codes for a change of an activated order's products.

use chrono::{Days, Months, NaiveDate};

use super::create;
use super::opportunity::{money, sum_lines};
use crate::error::SaveError;
use crate::record::audit;
use crate::record::draft::Draft;
use crate::store::{Row, Tx};
use crate::user::Caller;
use crate::value::Value;

/// The parts of an activation that follow from the status, and a contract's end from its term.
pub fn before(tx: &Tx<'_>, caller: &Caller, draft: &mut Draft) {
    super::setup::status_code(tx, draft);
    let active = draft.text("StatusCode") == Some("Activated");
    let was_active = draft.was("StatusCode").as_str() == Some("Activated");
    if active && !was_active {
        draft.set_if_null("ActivatedDate", audit::second(tx.now));
        draft.set_if_null("ActivatedById", caller.user_id.clone());
    }
    if draft.object.name == "Contract" {
        let start = draft.text("StartDate").and_then(|text| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok());
        let term = draft.get("ContractTerm").as_int().and_then(|months| u32::try_from(months).ok());
        let end = start
            .zip(term)
            .and_then(|(start, months)| start.checked_add_months(Months::new(months))?.checked_sub_days(Days::new(1)));
        draft.set("EndDate", end.map_or(Value::Null, |end| Value::from(end.format("%Y-%m-%d").to_string())));
    }
}

/// What is new is no more than a draft; an order is activated with products.
pub fn check(tx: &Tx<'_>, draft: &Draft) -> Result<(), SaveError> {
    let active = draft.text("StatusCode") == Some("Activated");
    let was_active = draft.was("StatusCode").as_str() == Some("Activated");
    let order = draft.object.name == "Order";
    if (draft.is_new() && active) || (was_active && !active) {
        let kind = if order { "order" } else { "contract" };
        let message = format!("Choose a valid {kind} status and save your changes. Ask your admin for details.");
        return Err(SaveError::new("FAILED_ACTIVATION", message, &["Status"]));
    }
    if order && active && !was_active && tx.count("OrderItem", "\"OrderId\" = ?1", &[&draft.id]) == 0 {
        return Err(SaveError::new("FAILED_ACTIVATION", "An order must have at least one product.", &[]));
    }
    Ok(())
}

pub fn check_delete(row: &Row) -> Result<(), SaveError> {
    if row.text("StatusCode") != "Activated" {
        return Ok(());
    }
    let kind = row.object.label.to_lowercase();
    Err(SaveError::new("DELETE_FAILED", format!("An activated {kind} cannot be deleted"), &[]))
}

/// A product of an order: from the order's price book, and only while the order is a draft.
pub fn check_line(tx: &Tx<'_>, draft: &Draft) -> Result<(), SaveError> {
    let header = if draft.object.name == "OrderItem" { ("Order", "OrderId") } else { ("Quote", "QuoteId") };
    let header = draft.text(header.1).and_then(|id| tx.row(tx.schema.object(header.0)?, id));
    let entry = draft.text("PricebookEntryId").and_then(|id| tx.row(tx.schema.object("PricebookEntry")?, id));
    let (Some(header), Some(entry)) = (header, entry) else { return Ok(()) };
    let refuse = |message: &str| Err(SaveError::new("FIELD_INTEGRITY_EXCEPTION", message, &["PricebookEntryId"]));
    if draft.is_new() && header.text("StatusCode") == "Activated" {
        return refuse("field integrity exception: unknown (products cannot be added to an activated order)");
    }
    if draft.is_new() && !entry.get("IsActive").is_true() {
        return refuse("field integrity exception: PricebookEntryId (pricebook entry is inactive)");
    }
    let book = header.get("Pricebook2Id");
    if draft.is_new() && !book.is_null() && book != entry.get("Pricebook2Id") {
        return refuse(
            "field integrity exception: PricebookEntryId (pricebook entry is in a different pricebook than the one assigned to the order)",
        );
    }
    Ok(())
}

/// An order's amount is the sum of its products.
pub fn sum_order(tx: &Tx<'_>, order_id: Option<&str>) -> Result<(), SaveError> {
    let (Some(id), Some(orders)) = (order_id, tx.schema.object("Order").cloned()) else { return Ok(()) };
    let sql = "SELECT coalesce(sum(\"UnitPrice\" * \"Quantity\"), 0) FROM \"OrderItem\" WHERE \"OrderId\" = ?1 AND \"IsDeleted\" = 0";
    let sum: f64 = tx.conn.prepare_cached(sql)?.query_row([id], |row| row.get(0))?;
    let stamp = Value::Int(audit::second(tx.now));
    tx.update_row(&orders, id, &["TotalAmount", "SystemModstamp"], &[&money(sum), &stamp])?;
    Ok(())
}

/// A quote's totals follow from its lines, tax and shipping; a quote that is synced has the opportunity's lines follow too.
pub fn sum_quote(tx: &mut Tx<'_>, caller: &Caller, quote_id: Option<&str>) -> Result<(), SaveError> {
    let (Some(id), Some(quotes)) = (quote_id, tx.schema.object("Quote").cloned()) else { return Ok(()) };
    let Some(quote) = tx.row(&quotes, id) else { return Ok(()) };
    let sql = "SELECT count(*), coalesce(sum(\"UnitPrice\" * \"Quantity\"), 0), coalesce(sum(\"TotalPrice\"), 0) FROM \"QuoteLineItem\" WHERE \"QuoteId\" = ?1 AND \"IsDeleted\" = 0";
    let (lines, subtotal, total): (i64, f64, f64) =
        tx.conn.prepare_cached(sql)?.query_row([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let extra = |field: &str| quote.get(field).as_num().unwrap_or(0.0);
    let grand = total + extra("Tax") + extra("ShippingHandling");
    let discount = if subtotal == 0.0 { 0.0 } else { (1.0 - total / subtotal) * 100.0 };
    let stamp = Value::Int(audit::second(tx.now));
    let columns = ["LineItemCount", "Subtotal", "TotalPrice", "GrandTotal", "Discount", "SystemModstamp"];
    let values = [&Value::Int(lines), &money(subtotal), &money(total), &money(grand), &money(discount), &stamp];
    tx.update_row(&quotes, id, &columns, &values)?;
    if quote.get("IsSyncing").is_true() { sync(tx, caller, &quote) } else { Ok(()) }
}

/// An opportunity that names a synced quote takes over its lines; one that names another no longer follows the old.
pub fn follow_quote(tx: &mut Tx<'_>, caller: &Caller, draft: &Draft) -> Result<(), SaveError> {
    if draft.is_new() || !draft.object.has("SyncedQuoteId") || !draft.changed("SyncedQuoteId") {
        return Ok(());
    }
    let Some(quotes) = tx.schema.object("Quote").cloned() else { return Ok(()) };
    if let Value::Text(old) = draft.was("SyncedQuoteId") {
        tx.update_row(&quotes, old, &["IsSyncing"], &[&Value::Bool(false)])?;
    }
    let Some(quote) = draft.text("SyncedQuoteId").and_then(|id| tx.row(&quotes, id)) else { return Ok(()) };
    tx.update_row(&quotes, quote.id(), &["IsSyncing"], &[&Value::Bool(true)])?;
    sync(tx, caller, &quote)
}

fn sync(tx: &mut Tx<'_>, caller: &Caller, quote: &Row) -> Result<(), SaveError> {
    let (Some(lines), Some(quoted)) =
        (tx.schema.object("OpportunityLineItem").cloned(), tx.schema.object("QuoteLineItem").cloned())
    else {
        return Ok(());
    };
    let opportunity = quote.get("OpportunityId").clone();
    for id in tx.ids_where(&lines, "\"OpportunityId\" = ?1 AND \"IsDeleted\" = 0", &[&opportunity]) {
        tx.delete_row(&lines, &id)?;
    }
    for line in tx.rows_where(&quoted, "\"QuoteId\" = ?1 AND \"IsDeleted\" = 0", &[&quote.id()]) {
        let mut fields = vec![("OpportunityId", opportunity.clone())];
        for name in ["PricebookEntryId", "Quantity", "UnitPrice", "Discount", "ServiceDate", "Description", "SortOrder"]
        {
            fields.push((name, line.get(name).clone()));
        }
        if let Some(copy) = create(tx, caller, "OpportunityLineItem", fields)? {
            tx.update_row(&quoted, line.id(), &["OpportunityLineItemId"], &[&Value::Text(copy)])?;
        }
    }
    sum_lines(tx, opportunity.as_str())
}
