// SPDX-License-Identifier: Apache-2.0
//! Solutions, cases below cases with comments and the e-mails that belong to them.

use super::record::Record;
use super::text::{long, sentence};
use super::{World, WorldError, maybe_odd};
use crate::org::Org;
use crate::store::Tx;

pub fn make(world: &mut World, org: &Org) -> Result<(), WorldError> {
    let solutions = world.share("Solution");
    world.each(org, "Solution", solutions, |world, tx, number| {
        let record = Record::new()
            .text("SolutionName", maybe_odd(number, 3, format!("Solution {}", number + 1)))
            .maybe("Status", world.choice("Solution", "Status"))
            .text("SolutionNote", sentence(&mut world.random, 60));
        world.insert(tx, "Solution", record).map(drop)
    })?;
    let cases = world.share("Case");
    world.each(org, "Case", cases, case)?;
    let comments = world.share("CaseComment");
    world.each(org, "CaseComment", comments, |world, tx, number| {
        let words = 4 + world.random.below(60);
        let record = Record::new()
            .maybe("ParentId", world.any("Case"))
            .text("CommentBody", maybe_odd(number, 6, sentence(&mut world.random, words)))
            .flag("IsPublished", number.is_multiple_of(3));
        world.insert(tx, "CaseComment", record).map(drop)
    })?;
    let messages = world.share("EmailMessage");
    world.each(org, "EmailMessage", messages, message)
}

fn case(world: &mut World, tx: &mut Tx<'_>, number: u64) -> Result<(), WorldError> {
    let contact = if number.is_multiple_of(4) { None } else { world.any("Contact") };
    let account = match &contact {
        Some(contact) => world.read(tx, "Contact", contact, "AccountId"),
        None => world.any("Account"),
    };
    let words = 10 + world.random.below(80);
    let record = Record::new()
        .text("Subject", maybe_odd(number, 7, sentence(&mut world.random, 6)))
        .maybe("RecordTypeId", world.record_type("Case"))
        .maybe("AccountId", account)
        .maybe("ContactId", contact)
        .maybe("AssetId", if number.is_multiple_of(10) { world.any("Asset") } else { None })
        .maybe("ParentId", if number % 12 == 11 { world.any("Case") } else { None })
        .maybe("Status", world.choice("Case", "Status"))
        .maybe("Priority", world.choice("Case", "Priority"))
        .maybe("Origin", world.choice("Case", "Origin"))
        .maybe("Reason", world.choice("Case", "Reason"))
        .text("Description", sentence(&mut world.random, words));
    world.insert(tx, "Case", record).map(drop)
}

fn message(world: &mut World, tx: &mut Tx<'_>, number: u64) -> Result<(), WorldError> {
    let text =
        if number.is_multiple_of(25) { long(&mut world.random, 30_000) } else { sentence(&mut world.random, 80) };
    let date = world.day(1500, 0);
    let record = Record::new()
        .maybe("ParentId", world.any("Case"))
        .text("Subject", maybe_odd(number, 4, sentence(&mut world.random, 5)))
        .text("HtmlBody", format!("<html><body><p>{}</p></body></html>", text.replace('\n', "<br/>")))
        .text("TextBody", text)
        .text("FromName", "Support")
        .text("FromAddress", "support@example.com")
        .text("ToAddress", format!("customer{number}@example.com"))
        .text("Status", if number.is_multiple_of(2) { "3" } else { "1" })
        .flag("Incoming", number % 2 == 1)
        .text("MessageDate", format!("{date}T08:15:00.000Z"));
    world.insert(tx, "EmailMessage", record).map(drop)
}
