// SPDX-License-Identifier: Apache-2.0
//! Products and price books, opportunities with lines and roles, quotes, contracts, orders, assets, entitlements. A product has a standard
//! price before it has one in another book; lines take entries of their opportunity's book only.

use std::collections::HashMap;

use super::record::Record;
use super::text::{place, sentence};
use super::{World, WorldError, maybe_odd};
use crate::org::Org;
use crate::store::Tx;

/// A price of a product in a book.
struct Entry {
    id: String,
    product: String,
    cents: i64,
}

/// The entries of each price book, and which book an opportunity, quote or order has.
#[derive(Default)]
struct Prices {
    books: Vec<(String, Vec<Entry>)>,
    /// Position in `books` by the record's Id.
    book_of: HashMap<String, usize>,
}

impl Prices {
    fn entry(&self, record: &str, choice: u64) -> Option<&Entry> {
        let (_, entries) = &self.books[*self.book_of.get(record)?];
        entries.get(usize::try_from(choice % entries.len().max(1) as u64).ok()?)
    }

    /// The book of a new record: each in turn.
    fn book(&self, number: u64) -> usize {
        usize::try_from(number % self.books.len().max(1) as u64).unwrap_or(0)
    }
}

pub fn make(world: &mut World, org: &Org) -> Result<(), WorldError> {
    let products = world.share("Product2");
    world.each(org, "Product2", products, product)?;
    let mut prices = price_books(world, org)?;
    if prices.books.is_empty() {
        return Ok(());
    }
    let opportunities = world.share("Opportunity");
    world.each(org, "Opportunity", opportunities, |world, tx, number| opportunity(world, tx, number, &mut prices))?;
    let roles = world.share("OpportunityContactRole");
    world.each(org, "OpportunityContactRole", roles, role)?;
    let lines = world.share("OpportunityLineItem");
    world.each(org, "OpportunityLineItem", lines, |world, tx, number| line(world, tx, number, &prices))?;
    let quotes = world.share("Quote");
    world.each(org, "Quote", quotes, |world, tx, number| quote(world, tx, number, &mut prices))?;
    let quote_lines = world.share("QuoteLineItem");
    world.each(org, "QuoteLineItem", quote_lines, |world, tx, number| {
        priced(world, tx, number, &prices, ("QuoteLineItem", "QuoteId", "Quote"))
    })?;
    let contracts = world.share("Contract");
    world.each(org, "Contract", contracts, contract)?;
    let orders = world.share("Order");
    world.each(org, "Order", orders, |world, tx, number| order(world, tx, number, &mut prices))?;
    let order_items = world.share("OrderItem");
    world.each(org, "OrderItem", order_items, |world, tx, number| {
        priced(world, tx, number, &prices, ("OrderItem", "OrderId", "Order"))
    })?;
    let assets = world.share("Asset");
    world.each(org, "Asset", assets, asset)?;
    let entitlements = world.share("Entitlement");
    world.each(org, "Entitlement", entitlements, entitlement)
}

fn product(world: &mut World, tx: &mut Tx<'_>, number: u64) -> Result<(), WorldError> {
    let record = Record::new()
        .text("Name", maybe_odd(number, 6, format!("Product {}", number + 1)))
        .text("ProductCode", format!("P-{:05}", number + 1))
        .text("Description", sentence(&mut world.random, 25))
        .flag("IsActive", number % 12 != 11);
    world.insert(tx, "Product2", record).map(drop)
}

/// The standard book has all products, the others every second.
fn price_books(world: &mut World, org: &Org) -> Result<Prices, WorldError> {
    let mut prices = Prices::default();
    let standard = org.read(|tx| {
        let rows = tx.schema.object("Pricebook2").map(|book| tx.rows_where(book, "\"IsStandard\" = 1", &[]));
        rows.unwrap_or_default().first().map(|row| row.id().to_owned())
    });
    let books = world.share("Pricebook2");
    world.each(org, "Pricebook2", books, |world, tx, number| {
        let id = match (&standard, number) {
            (Some(standard), 0) => standard.clone(),
            (None, 0) => world.insert(tx, "Pricebook2", book("Standard Price Book").flag("IsStandard", true))?,
            _ => world.insert(tx, "Pricebook2", book(&format!("Partners {number}")))?,
        };
        prices.books.push((id, Vec::new()));
        Ok(())
    })?;
    let products = world.made("Product2");
    world.each(org, "PricebookEntry", products * books, |world, tx, number| {
        let (at, product) = (number / products, number % products);
        let Some(product_id) = world.nth("Product2", product).filter(|_| at == 0 || product.is_multiple_of(2)) else {
            return Ok(());
        };
        let cents =
            1_000 + i64::try_from(product * 7_919 % 900_000).unwrap_or(0) - i64::try_from(at * 100).unwrap_or(0);
        let (book, entries) = &mut prices.books[usize::try_from(at).unwrap_or(0)];
        let record = Record::new()
            .text("Pricebook2Id", &**book)
            .text("Product2Id", &*product_id)
            .cents("UnitPrice", cents)
            .flag("UseStandardPrice", false)
            .flag("IsActive", true);
        let id = world.insert(tx, "PricebookEntry", record)?;
        entries.push(Entry { id, product: product_id, cents });
        Ok(())
    })?;
    Ok(prices)
}

fn book(name: &str) -> Record {
    Record::new().text("Name", name).text("Description", "Prices of the generated world").flag("IsActive", true)
}

fn opportunity(world: &mut World, tx: &mut Tx<'_>, number: u64, prices: &mut Prices) -> Result<(), WorldError> {
    let at = prices.book(number);
    let mut record = Record::new()
        .text("Name", maybe_odd(number, 10, format!("Deal {}", number + 1)))
        .maybe("RecordTypeId", world.record_type("Opportunity"))
        .maybe("AccountId", world.any("Account"))
        .maybe("StageName", world.choice("Opportunity", "StageName"))
        .text("CloseDate", world.day(1200, 300))
        .maybe("Type", world.choice("Opportunity", "Type"))
        .maybe("LeadSource", world.choice("Opportunity", "LeadSource"))
        .maybe("CampaignId", if number.is_multiple_of(6) { world.any("Campaign") } else { None })
        .maybe("Project__c", if number.is_multiple_of(9) { world.any("Project__c") } else { None })
        .text("Pricebook2Id", &*prices.books[at].0)
        .cents("Amount", world.random.between(10_000, 500_000_000));
    if number.is_multiple_of(8) {
        record = record
            .text("NextStep", sentence(&mut world.random, 5))
            .text("Description", sentence(&mut world.random, 50));
    }
    let id = world.insert(tx, "Opportunity", record)?;
    prices.book_of.insert(id, at);
    Ok(())
}

/// One contact an opportunity, so that no pair comes twice.
fn role(world: &mut World, tx: &mut Tx<'_>, number: u64) -> Result<(), WorldError> {
    if number >= world.made("Opportunity") {
        return Ok(());
    }
    let record = Record::new()
        .maybe("OpportunityId", world.nth("Opportunity", number))
        .maybe("ContactId", world.any("Contact"))
        .maybe("Role", world.choice("OpportunityContactRole", "Role"))
        .flag("IsPrimary", number.is_multiple_of(2));
    world.insert(tx, "OpportunityContactRole", record).map(drop)
}

fn line(world: &mut World, tx: &mut Tx<'_>, number: u64, prices: &Prices) -> Result<(), WorldError> {
    let Some(opportunity) = world.any("Opportunity") else { return Ok(()) };
    let Some(entry) = prices.entry(&opportunity, number) else { return Ok(()) };
    let record = Record::new()
        .text("OpportunityId", opportunity)
        .text("PricebookEntryId", &*entry.id)
        .number("Quantity", world.random.between(1, 40))
        .cents("UnitPrice", entry.cents)
        .text("Description", maybe_odd(number, 8, "as offered".to_owned()));
    world.insert(tx, "OpportunityLineItem", record).map(drop)
}

fn quote(world: &mut World, tx: &mut Tx<'_>, number: u64, prices: &mut Prices) -> Result<(), WorldError> {
    let Some(opportunity) = world.nth("Opportunity", number * 3) else { return Ok(()) };
    let at = prices.book_of[&opportunity];
    let record = Record::new()
        .text("Name", maybe_odd(number, 5, format!("Quote {}", number + 1)))
        .text("OpportunityId", opportunity)
        .text("Pricebook2Id", &*prices.books[at].0)
        .maybe("ContactId", world.any("Contact"))
        .maybe("Status", world.choice("Quote", "Status"))
        .text("ExpirationDate", world.day(100, 300))
        .cents("ShippingHandling", world.random.between(0, 50_000));
    let id = world.insert(tx, "Quote", record)?;
    prices.book_of.insert(id, at);
    Ok(())
}

/// A line of a quote or an order.
fn priced(
    world: &mut World,
    tx: &mut Tx<'_>,
    number: u64,
    prices: &Prices,
    (object, field, parent): (&'static str, &'static str, &str),
) -> Result<(), WorldError> {
    let Some(parent) = world.any(parent) else { return Ok(()) };
    let Some(entry) = prices.entry(&parent, number) else { return Ok(()) };
    let record = Record::new()
        .text(field, parent)
        .text("PricebookEntryId", &*entry.id)
        .text("Product2Id", &*entry.product)
        .number("Quantity", world.random.between(1, 20))
        .cents("UnitPrice", entry.cents);
    world.insert(tx, object, record).map(drop)
}

fn contract(world: &mut World, tx: &mut Tx<'_>, number: u64) -> Result<(), WorldError> {
    let record = Record::new()
        .maybe("AccountId", world.any("Account"))
        .text("StartDate", world.day(900, 30))
        .number("ContractTerm", 6 * (1 + number % 6))
        .text("Status", "Draft")
        .text("SpecialTerms", sentence(&mut world.random, 30));
    world.insert(tx, "Contract", record).map(drop)
}

fn order(world: &mut World, tx: &mut Tx<'_>, number: u64, prices: &mut Prices) -> Result<(), WorldError> {
    let at = prices.book(number);
    let home = place(&mut world.random);
    let record = Record::new()
        .maybe("AccountId", world.any("Account"))
        .text("EffectiveDate", world.day(700, 30))
        .text("Status", "Draft")
        .text("StatusCode", "Draft")
        .text("Pricebook2Id", &*prices.books[at].0)
        .text("BillingCity", home.city)
        .text("BillingCountry", home.country)
        .text("PoNumber", format!("PO {number}"));
    let id = world.insert(tx, "Order", record)?;
    prices.book_of.insert(id, at);
    Ok(())
}

fn asset(world: &mut World, tx: &mut Tx<'_>, number: u64) -> Result<(), WorldError> {
    let parent = if number % 5 == 4 { world.any("Asset") } else { None };
    let record = Record::new()
        .text("Name", maybe_odd(number, 9, format!("Machine {}", number + 1)))
        .maybe("ParentId", parent)
        .maybe("AccountId", world.any("Account"))
        .maybe("ContactId", if number.is_multiple_of(3) { world.any("Contact") } else { None })
        .maybe("Product2Id", world.any("Product2"))
        .text("SerialNumber", format!("{:016X}", world.random.next()))
        .maybe("Status", world.choice("Asset", "Status"))
        .text("InstallDate", world.day(2000, 0))
        .cents("Price", world.random.between(1_000, 9_000_000))
        .number("Quantity", 1 + number % 4);
    world.insert(tx, "Asset", record).map(drop)
}

fn entitlement(world: &mut World, tx: &mut Tx<'_>, number: u64) -> Result<(), WorldError> {
    let record = Record::new()
        .text("Name", format!("Support {}", number + 1))
        .maybe("AccountId", world.any("Account"))
        .maybe("AssetId", if number.is_multiple_of(2) { world.any("Asset") } else { None })
        .maybe("Type", world.choice("Entitlement", "Type"))
        .text("StartDate", world.day(700, 0))
        .text("EndDate", world.day(0, 700));
    world.insert(tx, "Entitlement", record).map(drop)
}
