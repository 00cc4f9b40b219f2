// SPDX-License-Identifier: Apache-2.0
//! Fills an org with a world: made-up companies, people, deals, cases and projects of any number, the same for the same seed, with
//! everything in it that a backup may stumble over.
//!
//! Every record goes through the platform's save logic, so every rule holds for it; only audit fields are given, so that the records
//! seem to come from the last six years. Parts follow each other in the order of their references; what points forward or in a circle is
//! set by a second pass. `SHARES` says how many records of each object a thousand have; the rest are rows that the platform makes by
//! itself: direct account contact relations, documents and links of files, statuses of campaigns, history.
//!
//! A world of 500 records or more has:
//! - a chain of accounts ten deep, an account with many children, parents that are younger than their children;
//! - two contacts who report to each other, two projects that are each other's parent, projects and invoices that point at each other;
//! - tasks, events, notes and files on records of many objects;
//! - the texts of `text::ODD`, texts of more than 100 KB, dates before 1900, numbers of 18 digits;
//! - files from 0 bytes to 20 MB (smaller in worlds below 25,000 records), some in several versions, some with the content of another.
//!
//! Not made: users (those of the org own the records), activated orders and contracts, converted leads, recurring activities.
//!
//! Memory grows with the number of Ids, 18 bytes each; a world of a million records has about 1,200 files with 250 MB.

mod activities;
mod crowd;
mod files;
mod people;
mod projects;
mod random;
mod record;
mod selling;
mod sized;
mod support;
mod text;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use crowd::accounts_and_contacts;
pub use sized::{Files, add_files};
pub use text::ODD;

use crate::error::SaveError;
use crate::feature::Feature;
use crate::org::Org;
use crate::record as platform;
use crate::schema::Schema;
use crate::store::Tx;
use crate::user::Caller;
use crate::value::{Value, date_time_text};
use random::Random;
use record::{Ids, Record};

/// Records of one transaction. The org is free for others between two.
const BATCH: u64 = 500;
const DAY_MS: i64 = 86_400_000;
const YEARS_MS: i64 = 6 * 365 * DAY_MS;

/// Of a thousand records, and at least.
const SHARES: [(&str, u64, u64); 33] = [
    ("Account", 100, 24),
    ("Contact", 150, 30),
    ("AccountContactRelation", 15, 4),
    ("Lead", 60, 8),
    ("Product2", 6, 6),
    ("Pricebook2", 0, 2),
    ("Campaign", 3, 3),
    ("CampaignMember", 40, 6),
    ("Skill__c", 3, 4),
    ("Project__c", 16, 24),
    ("Project_Task__c", 24, 24),
    ("Project_Skill__c", 9, 6),
    ("Invoice__c", 9, 6),
    ("Billing_Setting__c", 0, 2),
    ("Region_Rule__mdt", 0, 3),
    ("Opportunity", 62, 12),
    ("OpportunityContactRole", 22, 6),
    ("OpportunityLineItem", 70, 12),
    ("Quote", 8, 4),
    ("QuoteLineItem", 11, 6),
    ("Contract", 6, 3),
    ("Order", 8, 4),
    ("OrderItem", 14, 6),
    ("Asset", 15, 6),
    ("Entitlement", 3, 2),
    ("Solution", 2, 2),
    ("Case", 46, 10),
    ("CaseComment", 30, 8),
    ("EmailMessage", 10, 4),
    ("Task", 46, 12),
    ("Event", 18, 8),
    ("Note", 6, 8),
    ("Attachment", 2, 4),
];

/// How many records of each object there are more than before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts(pub BTreeMap<String, u64>);

impl Counts {
    pub fn of(&self, object: &str) -> u64 {
        self.0.get(object).copied().unwrap_or(0)
    }

    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }
}

/// A record of the world that the org refused: a fault of the generator, or a schema that it does not fit.
#[derive(Debug, thiserror::Error)]
#[error("the org refused a generated {object}: {code} {message}")]
pub struct WorldError {
    pub object: String,
    pub code: String,
    pub message: String,
}

/// Makes about `records` records (a little more in small worlds, which have at least a few of everything).
pub fn populate(org: &Org, seed: u64, records: u64) -> Result<Counts, WorldError> {
    let failed = |error: rusqlite::Error| WorldError {
        object: "Organization".to_owned(),
        code: "UNKNOWN_EXCEPTION".to_owned(),
        message: error.to_string(),
    };
    org.turn_on(Feature::FieldHistory).map_err(failed)?;
    let before = count(org);
    let mut world = World::new(org, seed, records);
    people::make(&mut world, org)?;
    projects::make(&mut world, org)?;
    selling::make(&mut world, org)?;
    support::make(&mut world, org)?;
    activities::make(&mut world, org)?;
    files::make(&mut world, org)?;
    let mut counts = count(org);
    for (object, count) in &mut counts {
        *count -= before.get(object).copied().unwrap_or(0);
    }
    counts.retain(|_, count| *count > 0);
    Ok(Counts(counts))
}

/// The rows of each object that are not deleted.
fn count(org: &Org) -> BTreeMap<String, u64> {
    org.read(|tx| {
        let objects = tx.schema.objects().filter(|object| object.queryable);
        let rows = |object: &crate::schema::Object| {
            let live = if object.has("IsDeleted") { " WHERE \"IsDeleted\" IS NOT 1" } else { "" };
            let sql = format!("SELECT COUNT(*) FROM \"{}\"{live}", object.name);
            tx.conn.query_row(&sql, [], |row| row.get::<_, i64>(0)).map_or(0, i64::unsigned_abs)
        };
        objects.map(|object| (object.name.clone(), rows(object))).collect()
    })
}

/// What the parts of a world share while it is made.
struct World {
    seed: u64,
    records: u64,
    now: i64,
    schema: Arc<Schema>,
    caller: Caller,
    users: Ids,
    ids: BTreeMap<&'static str, Ids>,
    /// Of the part that is being made.
    random: Random,
}

impl World {
    fn new(org: &Org, seed: u64, records: u64) -> World {
        let (now, users) = org.read(|tx| {
            let users =
                tx.schema.object("User").map(|user| tx.rows_where(user, "\"IsActive\" = 1", &[])).unwrap_or_default();
            (tx.now.div_euclid(1000) * 1000, users.iter().map(|user| user.id().to_owned()).collect::<Vec<_>>())
        });
        let caller = Caller {
            user_id: users.first().cloned().unwrap_or_default(),
            allow_duplicates: true,
            bypass: true,
            ..Caller::default()
        };
        let mut known = Ids::default();
        users.iter().for_each(|user| known.push(user));
        World {
            seed,
            records,
            now,
            schema: org.schema(),
            caller,
            users: known,
            ids: BTreeMap::new(),
            random: Random::new(seed, ""),
        }
    }

    /// How many of an object this world gets; none where the org lacks the object.
    fn share(&self, object: &str) -> u64 {
        let share = SHARES.iter().find(|(name, ..)| *name == object);
        let (_, of_thousand, least) = share.expect("every object of the world has a share");
        if self.schema.object(object).is_none() { 0 } else { (self.records * of_thousand / 1000).max(*least) }
    }

    /// Runs `make` for each number below `count`, in batches of one transaction, with a stream of random numbers for this part.
    fn each(
        &mut self,
        org: &Org,
        part: &str,
        count: u64,
        mut make: impl FnMut(&mut World, &mut Tx<'_>, u64) -> Result<(), WorldError>,
    ) -> Result<(), WorldError> {
        self.random = Random::new(self.seed, part);
        let mut number = 0;
        while number < count {
            let end = count.min(number + BATCH);
            org.write(|tx| (number..end).try_for_each(|number| make(self, tx, number)))?;
            number = end;
        }
        Ok(())
    }

    /// Saves a record with audit fields out of the past and remembers its Id.
    fn insert(&mut self, tx: &mut Tx<'_>, name: &'static str, mut record: Record) -> Result<String, WorldError> {
        let schema = self.schema.clone();
        let Some(object) = schema.object(name) else {
            return Err(WorldError {
                object: name.to_owned(),
                code: "INVALID_TYPE".to_owned(),
                message: "no such object".to_owned(),
            });
        };
        if object.has("CreatedDate") {
            let created = self.now - DAY_MS - self.random.between(0, YEARS_MS) / 1000 * 1000;
            let modified = created + self.random.between(0, self.now - created) / 1000 * 1000;
            for (field, ms) in [("CreatedDate", created), ("LastModifiedDate", modified), ("SystemModstamp", modified)]
            {
                record = record.moment(field, ms);
            }
            let (creator, editor) = (self.user(), self.user());
            record = record.text("CreatedById", creator).text("LastModifiedById", editor);
        }
        if object.has("OwnerId")
            && object.field("OwnerId").is_some_and(|owner| owner.reference_to.iter().any(|to| to == "User"))
        {
            let owner = self.user();
            record = record.text("OwnerId", owner);
        }
        let fields = record.fields(object);
        let id = platform::insert(tx, &self.caller, object, fields).map_err(|error| refused(name, error))?;
        self.ids.entry(name).or_default().push(&id);
        Ok(id)
    }

    fn update(&self, tx: &mut Tx<'_>, name: &'static str, id: &str, record: Record) -> Result<(), WorldError> {
        let Some(object) = self.schema.object(name) else { return Ok(()) };
        platform::update(tx, &self.caller, object, id, record.fields(object)).map_err(|error| refused(name, error))
    }

    fn user(&mut self) -> String {
        self.users.pick(&mut self.random).unwrap_or_default()
    }

    /// Any record of the object, none when there is none yet.
    fn any(&mut self, object: &str) -> Option<String> {
        self.ids.get(object)?.pick(&mut self.random)
    }

    /// The record of this number, counted from the first and around.
    fn nth(&self, object: &str, number: u64) -> Option<String> {
        self.ids.get(object)?.nth(number)
    }

    fn made(&self, object: &str) -> u64 {
        self.ids.get(object).map_or(0, Ids::len)
    }

    /// A day between so many days ago and so many ahead.
    fn day(&mut self, ago: i64, ahead: i64) -> String {
        let ms = self.now + self.random.between(-ago, ahead) * DAY_MS;
        date_time_text(ms, "")[..10].to_owned()
    }

    /// One of the active values of a picklist.
    fn choice(&mut self, object: &str, field: &str) -> Option<String> {
        let schema = self.schema.clone();
        let values = &schema.object(object)?.field(field)?.picklist;
        let active: Vec<&str> = values.iter().filter(|value| value.active).map(|value| value.value.as_str()).collect();
        if active.is_empty() { None } else { Some((*self.random.pick(&active)).to_owned()) }
    }

    /// One of the record types of an object.
    fn record_type(&mut self, object: &str) -> Option<String> {
        let schema = self.schema.clone();
        let kinds: Vec<&str> = schema
            .object(object)?
            .record_types
            .iter()
            .filter(|kind| !kind.master && !kind.id.is_empty())
            .map(|kind| kind.id.as_str())
            .collect();
        if kinds.is_empty() { None } else { Some((*self.random.pick(&kinds)).to_owned()) }
    }

    /// The value of a field of a saved record.
    fn read(&self, tx: &Tx<'_>, object: &str, id: &str, field: &str) -> Option<String> {
        let row = tx.row(self.schema.object(object)?, id)?;
        match row.get(field) {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        }
    }
}

/// An odd text at every `step`th number, else the plain one.
fn maybe_odd(number: u64, step: u64, plain: String) -> String {
    if number % step == step - 1 {
        ODD[usize::try_from(number / step % ODD.len() as u64).unwrap_or(0)].to_owned()
    } else {
        plain
    }
}

fn refused(object: &str, error: SaveError) -> WorldError {
    WorldError { object: object.to_owned(), code: error.code, message: error.message }
}
