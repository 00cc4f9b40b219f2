// SPDX-License-Identifier: Apache-2.0
//! Tasks, events and notes on records of many objects. A lead cannot be related to anything else.

use super::record::Record;
use super::text::sentence;
use super::{DAY_MS, World, WorldError, maybe_odd};
use crate::org::Org;
use crate::store::Tx;

const RELATED_TO: [&str; 8] =
    ["Account", "Opportunity", "Case", "Asset", "Contract", "Order", "Campaign", "Project__c"];
const NOTED: [&str; 5] = ["Account", "Contact", "Opportunity", "Lead", "Contract"];

pub fn make(world: &mut World, org: &Org) -> Result<(), WorldError> {
    let tasks = world.share("Task");
    world.each(org, "Task", tasks, |world, tx, number| {
        let (who, what) = relations(world, "Task", number);
        let record = Record::new()
            .text("Subject", maybe_odd(number, 8, world.choice("Task", "Subject").unwrap_or_default()))
            .maybe("WhoId", who)
            .maybe("WhatId", what)
            .text("ActivityDate", world.day(300, 60))
            .maybe("Status", world.choice("Task", "Status"))
            .maybe("Priority", world.choice("Task", "Priority"))
            .text("Description", sentence(&mut world.random, 20));
        world.insert(tx, "Task", record).map(drop)
    })?;
    let events = world.share("Event");
    world.each(org, "Event", events, event)?;
    let notes = world.share("Note");
    world.each(org, "Note", notes, |world, tx, number| {
        let parent = in_turn(world, "Note", "ParentId", &NOTED, number);
        let record = Record::new()
            .maybe("ParentId", parent)
            .text("Title", maybe_odd(number, 3, format!("Note {}", number + 1)))
            .text("Body", sentence(&mut world.random, 60))
            .flag("IsPrivate", number.is_multiple_of(9));
        world.insert(tx, "Note", record).map(drop)
    })
}

fn event(world: &mut World, tx: &mut Tx<'_>, number: u64) -> Result<(), WorldError> {
    let (who, what) = relations(world, "Event", number);
    let minutes = 15 * (1 + world.random.between(0, 11));
    let start = (world.now + world.random.between(-300, 60) * DAY_MS) / DAY_MS * DAY_MS + 36_000_000;
    let record = Record::new()
        .text("Subject", maybe_odd(number, 6, world.choice("Event", "Subject").unwrap_or_default()))
        .maybe("WhoId", who)
        .maybe("WhatId", what)
        .moment("StartDateTime", start)
        .moment("EndDateTime", start + minutes * 60_000)
        .moment("ActivityDateTime", start)
        .number("DurationInMinutes", minutes)
        .text("Location", maybe_odd(number, 5, "Room 4".to_owned()))
        .maybe("ShowAs", world.choice("Event", "ShowAs"));
    world.insert(tx, "Event", record).map(drop)
}

/// Whom and what an activity is about.
fn relations(world: &mut World, object: &str, number: u64) -> (Option<String>, Option<String>) {
    match number % 6 {
        0 => (world.any("Lead"), None),
        1 => (world.any("Contact"), None),
        2 | 3 => (world.any("Contact"), in_turn(world, object, "WhatId", &RELATED_TO, number / 6 * 2 + number % 2)),
        _ => (None, in_turn(world, object, "WhatId", &RELATED_TO, number / 6 * 2 + number % 2)),
    }
}

/// A record of one of the objects, in turn, that the reference may point to.
pub fn in_turn(world: &mut World, object: &str, field: &str, objects: &[&str], number: u64) -> Option<String> {
    let schema = world.schema.clone();
    let targets = &schema.object(object)?.field(field)?.reference_to;
    let possible: Vec<&str> =
        objects.iter().copied().filter(|name| targets.iter().any(|to| to == name) && world.made(name) > 0).collect();
    let at = usize::try_from(number % possible.len().max(1) as u64).ok()?;
    world.any(possible.get(at)?)
}
