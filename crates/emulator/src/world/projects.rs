// SPDX-License-Identifier: Apache-2.0
//! The demonstration org's own objects: projects below projects, tasks they are master of, skills through a junction, invoices that
//! point at projects which point back, settings in a hierarchy, custom metadata. The longest texts and largest numbers are here.

use std::collections::HashSet;

use super::record::Record;
use super::text::{long, phone, place, sentence};
use super::{World, WorldError, maybe_odd};
use crate::org::Org;
use crate::store::Tx;

/// Bytes of the longest texts.
const LONG_BYTES: usize = 102_400;

pub fn make(world: &mut World, org: &Org) -> Result<(), WorldError> {
    let rules = world.share("Region_Rule__mdt");
    world.each(org, "Region_Rule__mdt", rules, rule)?;
    let settings = world.share("Billing_Setting__c");
    world.each(org, "Billing_Setting__c", settings, |world, tx, number| setting(world, tx, &org.id, number))?;
    let skills = world.share("Skill__c");
    world.each(org, "Skill__c", skills, skill)?;
    let projects = world.share("Project__c");
    world.each(org, "Project__c", projects, project)?;
    let tasks = world.share("Project_Task__c");
    world.each(org, "Project_Task__c", tasks, task)?;
    let mut known = HashSet::new();
    let junctions = world.share("Project_Skill__c");
    world.each(org, "Project_Skill__c", junctions, |world, tx, _| junction(world, tx, &mut known))?;
    let invoices = world.share("Invoice__c");
    world.each(org, "Invoice__c", invoices, invoice)?;
    world.each(org, "invoices of projects", world.made("Invoice__c") / 2, |world, tx, number| {
        // The invoice's project points back at it.
        let Some(invoice) = world.nth("Invoice__c", number * 2) else { return Ok(()) };
        let Some(project) = world.read(tx, "Invoice__c", &invoice, "Project__c") else { return Ok(()) };
        world.update(tx, "Project__c", &project, Record::new().text("Current_Invoice__c", invoice))
    })?;
    world.each(org, "each other's parents", world.made("Project__c").min(1), |world, tx, _| {
        let (Some(one), Some(other)) = (world.nth("Project__c", 2), world.nth("Project__c", 3)) else { return Ok(()) };
        world.update(tx, "Project__c", &one, Record::new().text("Parent_Project__c", &*other))?;
        world.update(tx, "Project__c", &other, Record::new().text("Parent_Project__c", one))
    })
}

fn rule(world: &mut World, tx: &mut Tx<'_>, number: u64) -> Result<(), WorldError> {
    let country = ["Germany", "日本", "Brazil"][usize::try_from(number % 3).unwrap_or(0)];
    let name = format!("Rule_{}", number + 1);
    let record = Record::new()
        .text("DeveloperName", &*name)
        .text("MasterLabel", format!("Rule {}", number + 1))
        .text("Label", format!("Rule {}", number + 1))
        .text("Language", "en_US")
        .text("QualifiedApiName", name)
        .text("Country__c", country)
        .number("Rate__c", format!("{}.5", number + 5))
        .flag("Active__c", number.is_multiple_of(2));
    world.insert(tx, "Region_Rule__mdt", record).map(drop)
}

/// The first setting is the org's, the others are users'.
fn setting(world: &mut World, tx: &mut Tx<'_>, org: &str, number: u64) -> Result<(), WorldError> {
    let owner = if number == 0 { Some(org.to_owned()) } else { world.users.nth(number - 1) };
    let record = Record::new()
        .maybe("SetupOwnerId", owner)
        .text("Name", format!("Billing Setting {}", number + 1))
        .number("Threshold__c", format!("{}.25", 1000 * (number + 1)))
        .flag("Enabled__c", number == 0)
        .text("Contact_Email__c", "billing@example.com");
    world.insert(tx, "Billing_Setting__c", record).map(drop)
}

fn skill(world: &mut World, tx: &mut Tx<'_>, number: u64) -> Result<(), WorldError> {
    // `Ski-1` and `sKI-1` differ, because the field is case-sensitive.
    let code = format!("{}-{}", if number.is_multiple_of(2) { "Ski" } else { "sKI" }, number / 2);
    let name = maybe_odd(number, 3, format!("Skill {}", number + 1));
    let record =
        Record::new().text("Name", name).text("Code__c", code).text("Description__c", sentence(&mut world.random, 30));
    world.insert(tx, "Skill__c", record).map(drop)
}

fn project(world: &mut World, tx: &mut Tx<'_>, number: u64) -> Result<(), WorldError> {
    let name = maybe_odd(number, 7, format!("Project {}", number + 1));
    let parent = if number > 3 && number.is_multiple_of(3) { world.any("Project__c") } else { None };
    let site = place(&mut world.random);
    let mut record = Record::new()
        .text("Name", name)
        .maybe("RecordTypeId", world.record_type("Project__c"))
        .maybe("Account__c", world.any("Account"))
        .maybe("Sponsor__c", world.any("Contact"))
        .maybe("Parent_Project__c", parent)
        .text("External_Key__c", format!("PRJ-{number:06}"))
        .number("External_Number__c", 900_000_000_000_000_000_u64 + number)
        .text("Case_Code__c", format!("{}{}", if number.is_multiple_of(2) { "Pq" } else { "pQ" }, number / 2))
        .maybe("Status__c", world.choice("Project__c", "Status__c"))
        .text("Regions__c", *world.random.pick(&["EMEA", "EMEA;APAC", "AMER;LATAM;APAC"]))
        .cents("Budget__c", world.random.between(100_000, 9_999_999_999))
        .number("Margin__c", format!("{}.{:02}", world.random.between(-50, 99), world.random.between(0, 99)))
        .number("Ratio__c", format!("0.{:08}", world.random.between(1, 99_999_999)))
        .text("Kickoff__c", format!("{}T{:02}:30:00.000Z", world.day(1500, 300), world.random.between(0, 23)))
        .text("Standup__c", format!("{:02}:15:30.250Z", world.random.between(0, 23)))
        .number("Site__Latitude__s", site.latitude)
        .number("Site__Longitude__s", site.longitude)
        .text("Secret__c", format!("4111-1111-{:04}-{number:04}", world.random.between(0, 9999)))
        .text("Short_Note__c", maybe_odd(number, 2, "short".to_owned()))
        .text("Email__c", format!("project{number}@example.com"))
        .text("Phone__c", phone(&mut world.random))
        .text("Website__c", format!("https://projects.example.com/?id={number}&x=%20"))
        .flag("Active__c", !number.is_multiple_of(5));
    record = match number % 10 {
        0 => record.text("Start__c", "1850-01-01").number("Big_Number__c", "999999999999999999"),
        1 => record.text("Start__c", "1899-12-31").number("Big_Number__c", "-100000000000000001"),
        2 => record.text("Start__c", "1700-01-01").number("Big_Number__c", "123456789012345678"),
        _ => record.text("Start__c", world.day(2000, 600)).number("Big_Number__c", world.random.between(0, 1_000_000)),
    };
    record = match number % 20 {
        5 => record.text("Summary__c", long(&mut world.random, LONG_BYTES)),
        6 => {
            record.text("Notes__c", format!("<p>{}</p>", long(&mut world.random, LONG_BYTES / 2).replace('\n', "<br>")))
        }
        _ => {
            let words = 8 + world.random.below(50);
            record
                .text("Summary__c", sentence(&mut world.random, words))
                .text("Notes__c", "<p>plain <b>and</b> bold</p>")
        }
    };
    world.insert(tx, "Project__c", record).map(drop)
}

fn task(world: &mut World, tx: &mut Tx<'_>, number: u64) -> Result<(), WorldError> {
    let predecessor = if number % 4 == 3 { world.any("Project_Task__c") } else { None };
    let title = maybe_odd(number, 5, sentence(&mut world.random, 4));
    let user = world.user();
    let record = Record::new()
        .maybe("Project__c", world.any("Project__c"))
        .text("Title__c", title.chars().take(120).collect::<String>())
        .maybe("Predecessor__c", predecessor)
        .text("Assignee__c", user)
        .cents("Cost__c", world.random.between(0, 5_000_000))
        .number("Hours__c", format!("{}.5", world.random.between(0, 400)))
        .text("Due__c", world.day(400, 400))
        .flag("Done__c", number.is_multiple_of(3));
    world.insert(tx, "Project_Task__c", record).map(drop)
}

fn junction(world: &mut World, tx: &mut Tx<'_>, known: &mut HashSet<(String, String)>) -> Result<(), WorldError> {
    let (Some(project), Some(skill)) = (world.any("Project__c"), world.any("Skill__c")) else { return Ok(()) };
    if !known.insert((project.clone(), skill.clone())) {
        return Ok(());
    }
    let record = Record::new()
        .text("Project__c", project)
        .text("Skill__c", skill)
        .maybe("Level__c", world.choice("Project_Skill__c", "Level__c"));
    world.insert(tx, "Project_Skill__c", record).map(drop)
}

fn invoice(world: &mut World, tx: &mut Tx<'_>, number: u64) -> Result<(), WorldError> {
    let record = Record::new()
        .maybe("Project__c", world.any("Project__c"))
        // A payer cannot be deleted, so most invoices have none.
        .maybe("Payer__c", if number.is_multiple_of(10) { world.any("Account") } else { None })
        .cents("Amount__c", world.random.between(1_000, 999_999_999))
        .text("Issued__c", format!("{}T09:00:00Z", world.day(800, 0)))
        .flag("Paid__c", !number.is_multiple_of(3));
    world.insert(tx, "Invoice__c", record).map(drop)
}
