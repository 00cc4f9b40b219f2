// SPDX-License-Identifier: Apache-2.0
//! Companies and people: accounts in hierarchies, contacts who report to each other, relations to further accounts, leads, campaigns with
//! their members.

use std::collections::HashSet;

use super::record::Record;
use super::text::{FIRST, LAST, company, long, phone, place, sentence};
use super::{World, WorldError, maybe_odd};
use crate::org::Org;
use crate::store::Tx;

/// Accounts of the chain, each the parent of the next.
const CHAIN: u64 = 10;

pub fn make(world: &mut World, org: &Org) -> Result<(), WorldError> {
    let accounts = world.share("Account");
    world.each(org, "Account", accounts, account)?;
    world.each(org, "younger parents", (accounts / 50).max(4), |world, tx, number| {
        // An account of the first half below one of the last quarter, which was saved after it.
        let (child, parent) = (
            world.nth("Account", CHAIN + 1 + number * 7 % (accounts / 2)),
            world.nth("Account", accounts - 1 - number),
        );
        let (Some(child), Some(parent)) = (child, parent) else { return Ok(()) };
        let free = world.read(tx, "Account", &child, "ParentId").is_none()
            && world.read(tx, "Account", &parent, "ParentId").is_none();
        if free && child != parent {
            world.update(tx, "Account", &child, Record::new().text("ParentId", parent))
        } else {
            Ok(())
        }
    })?;
    let contacts = world.share("Contact");
    world.each(org, "Contact", contacts, contact)?;
    world.each(org, "two who report to each other", contacts.div_ceil(1000), |world, tx, number| {
        let (one, other) = (world.nth("Contact", number * 1000 + 4), world.nth("Contact", number * 1000 + 5));
        let (Some(one), Some(other)) = (one, other) else { return Ok(()) };
        world.update(tx, "Contact", &one, Record::new().text("ReportsToId", &*other))?;
        world.update(tx, "Contact", &other, Record::new().text("ReportsToId", one))
    })?;
    let mut related = HashSet::new();
    let relations = world.share("AccountContactRelation");
    world.each(org, "AccountContactRelation", relations, |world, tx, number| {
        relation(world, tx, number, &mut related)
    })?;
    let leads = world.share("Lead");
    world.each(org, "Lead", leads, lead)?;
    let campaigns = world.share("Campaign");
    world.each(org, "Campaign", campaigns, campaign)?;
    let mut members = HashSet::new();
    let count = world.share("CampaignMember");
    world.each(org, "CampaignMember", count, |world, tx, number| member(world, tx, number, &mut members))
}

fn account(world: &mut World, tx: &mut Tx<'_>, number: u64) -> Result<(), WorldError> {
    let parent = match number {
        0 => None,
        // The chain.
        1..CHAIN => world.nth("Account", number - 1),
        // Many children of the first account.
        _ if number % 20 == 13 => world.nth("Account", 0),
        _ if world.random.once_in(5) => world.any("Account"),
        _ => None,
    };
    let plain = format!("{} {}", company(&mut world.random), number + 1);
    let name = maybe_odd(number, 11, plain);
    let (billing, shipping) = (place(&mut world.random), place(&mut world.random));
    let mut record = Record::new()
        .text("Name", name)
        .maybe("ParentId", parent)
        .maybe("RecordTypeId", world.record_type("Account"))
        .maybe("Type", world.choice("Account", "Type"))
        .maybe("Industry", world.choice("Account", "Industry"))
        .maybe("Rating", world.choice("Account", "Rating"))
        .maybe("Ownership", world.choice("Account", "Ownership"))
        .maybe("Tier__c", world.choice("Account", "Tier__c"))
        .text("AccountNumber", format!("A-{:07}", number + 1))
        .text("Legacy_Id__c", format!("LEG-A-{number}"))
        .text("Phone", phone(&mut world.random))
        .text("Website", format!("https://www.example.com/{number}"))
        .number("NumberOfEmployees", world.random.between(1, 250_000))
        .text("BillingStreet", billing.street)
        .text("BillingCity", billing.city)
        .text("BillingState", billing.state)
        .text("BillingPostalCode", billing.postal_code)
        .text("BillingCountry", billing.country)
        .number("BillingLatitude", billing.latitude)
        .number("BillingLongitude", billing.longitude);
    // Numbers of 18 digits, a negative one, and plain ones.
    record = match number % 25 {
        3 => record.number("AnnualRevenue", "999999999999999999"),
        4 => record.number("AnnualRevenue", "-123456789012345678"),
        _ => record.number("AnnualRevenue", world.random.between(10_000, 5_000_000_000)),
    };
    if number.is_multiple_of(3) {
        record = record
            .text("ShippingStreet", shipping.street)
            .text("ShippingCity", shipping.city)
            .text("ShippingCountry", shipping.country);
    }
    if number.is_multiple_of(4) {
        let words = 10 + world.random.below(60);
        record = record.text("Description", sentence(&mut world.random, words));
    }
    if number.is_multiple_of(6) {
        let site = maybe_odd(number / 6, 2, format!("Site {number}"));
        record = record.text("Site", site);
    }
    world.insert(tx, "Account", record).map(drop)
}

fn contact(world: &mut World, tx: &mut Tx<'_>, number: u64) -> Result<(), WorldError> {
    let (first, last) = (*world.random.pick(&FIRST), *world.random.pick(&LAST));
    let chief = if number % 3 == 2 { world.any("Contact") } else { None };
    // One in forty has no account, which makes it private.
    let employer = if number % 40 == 39 { None } else { world.any("Account") };
    let home = place(&mut world.random);
    let title = maybe_odd(number, 4, sentence(&mut world.random, 2));
    let mut record = Record::new()
        .text("FirstName", maybe_odd(number, 29, first.to_owned()))
        .text("LastName", last)
        .maybe("Salutation", world.choice("Contact", "Salutation"))
        .maybe("AccountId", employer)
        .maybe("ReportsToId", chief)
        .text("Title", title)
        .text("Department", maybe_odd(number, 3, "Purchasing".to_owned()))
        .text("Email", format!("contact{number}@example.com"))
        .text("Phone", phone(&mut world.random))
        .maybe("LeadSource", world.choice("Contact", "LeadSource"))
        .text("Legacy_Id__c", format!("LEG-C-{number}"))
        .text("MailingStreet", home.street)
        .text("MailingCity", home.city)
        .text("MailingPostalCode", home.postal_code)
        .text("MailingCountry", home.country);
    if number.is_multiple_of(2) {
        // A few were born before 1900.
        let year =
            if number.is_multiple_of(50) { world.random.between(1870, 1899) } else { world.random.between(1935, 2004) };
        record = record
            .text("Birthdate", format!("{year}-{:02}-{:02}", world.random.between(1, 12), world.random.between(1, 28)));
    }
    if number.is_multiple_of(5) {
        let languages = ["English;日本語", "Deutsch", "English;Français;Deutsch"];
        record = record.text("Languages__c", *world.random.pick(&languages));
    }
    if number.is_multiple_of(7) {
        let words = 5 + world.random.below(40);
        record = record.text("Description", sentence(&mut world.random, words));
    }
    world.insert(tx, "Contact", record).map(drop)
}

/// A contact works for one more account than its own.
fn relation(
    world: &mut World,
    tx: &mut Tx<'_>,
    number: u64,
    related: &mut HashSet<(String, String)>,
) -> Result<(), WorldError> {
    let (Some(contact), Some(account)) = (world.any("Contact"), world.any("Account")) else { return Ok(()) };
    let employer = world.read(tx, "Contact", &contact, "AccountId");
    if employer.is_none() || employer.as_ref() == Some(&account) || !related.insert((contact.clone(), account.clone()))
    {
        return Ok(());
    }
    let record = Record::new()
        .text("ContactId", contact)
        .text("AccountId", account)
        .flag("IsActive", !number.is_multiple_of(4))
        .text("Roles", if number.is_multiple_of(2) { "Decision Maker;Influencer" } else { "Evaluator" })
        .text("StartDate", world.day(2000, 0));
    world.insert(tx, "AccountContactRelation", record).map(drop)
}

fn lead(world: &mut World, tx: &mut Tx<'_>, number: u64) -> Result<(), WorldError> {
    let home = place(&mut world.random);
    let mut record = Record::new()
        .text("FirstName", *world.random.pick(&FIRST))
        .text("LastName", *world.random.pick(&LAST))
        .text("Company", maybe_odd(number, 13, company(&mut world.random)))
        .text("Status", if number.is_multiple_of(3) { "Working - Contacted" } else { "Open - Not Contacted" })
        .maybe("LeadSource", world.choice("Lead", "LeadSource"))
        .maybe("Industry", world.choice("Lead", "Industry"))
        .text("Email", format!("lead{number}@example.org"))
        .text("Phone", phone(&mut world.random))
        .text("City", home.city)
        .text("Country", home.country)
        .number("NumberOfEmployees", world.random.between(1, 5000));
    if number % 200 == 7 {
        record = record.text("Description", long(&mut world.random, 20_000));
    }
    world.insert(tx, "Lead", record).map(drop)
}

fn campaign(world: &mut World, tx: &mut Tx<'_>, number: u64) -> Result<(), WorldError> {
    let parent = if number % 3 == 2 { world.nth("Campaign", number / 3) } else { None };
    let name = maybe_odd(number, 4, format!("Campaign {}", number + 1));
    let record = Record::new()
        .text("Name", name)
        .maybe("ParentId", parent)
        .flag("IsActive", number.is_multiple_of(2))
        .maybe("Type", world.choice("Campaign", "Type"))
        .maybe("Status", world.choice("Campaign", "Status"))
        .text("StartDate", world.day(900, 100))
        .text("EndDate", world.day(0, 400))
        .cents("BudgetedCost", world.random.between(100_000, 90_000_000))
        .text("Description", sentence(&mut world.random, 20));
    world.insert(tx, "Campaign", record).map(drop)
}

/// A contact or lead is in a campaign at most once.
fn member(
    world: &mut World,
    tx: &mut Tx<'_>,
    number: u64,
    members: &mut HashSet<(String, String)>,
) -> Result<(), WorldError> {
    let (field, person) = if number.is_multiple_of(3) { ("LeadId", "Lead") } else { ("ContactId", "Contact") };
    let (Some(campaign), Some(person)) = (world.any("Campaign"), world.any(person)) else { return Ok(()) };
    if !members.insert((campaign.clone(), person.clone())) {
        return Ok(());
    }
    let status = if number.is_multiple_of(4) { "Responded" } else { "Sent" };
    let record = Record::new().text("CampaignId", campaign).text(field, person).text("Status", status);
    world.insert(tx, "CampaignMember", record).map(drop)
}
