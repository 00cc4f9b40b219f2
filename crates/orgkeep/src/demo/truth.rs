// SPDX-License-Identifier: Apache-2.0
//! What is really in the emulated org, read from its own tables and not through its API: the second witness.

use super::bad_day::{Damage, OVERWRITTEN};
use crate::number::{counted, grouped};
use orgkeep_emulator::{Emulator, Org};
use std::collections::BTreeMap;

pub struct Truth {
    /// Live records per object, and whether anybody but Salesforce writes that object.
    counts: BTreeMap<String, (u64, bool)>,
    /// The overwritten field by Id.
    field: BTreeMap<String, Option<String>>,
}

/// What the second witness says.
pub struct Verdict {
    pub holds: bool,
    pub lines: Vec<String>,
}

impl Truth {
    pub fn of(emulator: &Emulator) -> Truth {
        let org = &emulator.orgs()[0];
        Truth { counts: counts(org), field: field(org) }
    }

    pub fn records(&self) -> u64 {
        self.counts.values().filter(|(_, written)| *written).map(|(count, _)| count).sum()
    }

    pub fn objects(&self) -> u64 {
        self.counts.values().filter(|(count, written)| *written && *count > 0).count() as u64
    }

    /// Files, each of which may have several versions.
    pub fn files(&self) -> u64 {
        self.counts.get("ContentDocument").map_or(0, |(count, _)| *count)
    }

    pub fn compared_with(&self, after: &Truth, day: &Damage) -> Verdict {
        let mut lines = Vec::new();
        let mut objects = 0u64;
        let mut equal = 0u64;
        for (object, (before, written)) in &self.counts {
            let now = after.counts.get(object).map_or(0, |(count, _)| *count);
            if !written || *before == 0 && now == 0 {
                continue;
            }
            objects += 1;
            if now == *before {
                equal += 1;
            } else {
                lines.push(format!("{object}: {} records before, {} now", grouped(*before), grouped(now)));
            }
        }
        let (object, name) = OVERWRITTEN;
        let kept: Vec<&String> = day.overwritten.iter().filter(|id| after.field.contains_key(*id)).collect();
        let right = kept.iter().filter(|id| after.field.get(**id) == self.field.get(**id)).count();
        lines.insert(0, format!("{} of {} have as many records as before", grouped(equal), counted(objects, "object")));
        lines.push(format!(
            "{} of {} overwritten {object} records that kept their Id have their {name} again",
            grouped(right as u64),
            grouped(kept.len() as u64)
        ));
        Verdict { holds: equal == objects && right == kept.len(), lines }
    }
}

fn counts(org: &Org) -> BTreeMap<String, (u64, bool)> {
    org.read(|tx| {
        tx.schema
            .objects()
            .filter_map(|object| {
                let live = if object.field("IsDeleted").is_some() { "WHERE \"IsDeleted\" = 0" } else { "" };
                let sql = format!("SELECT COUNT(*) FROM \"{}\" {live}", object.name);
                // An object without a table has no records.
                let count: i64 = tx.conn.query_row(&sql, [], |row| row.get(0)).ok()?;
                Some((object.name.clone(), (count.unsigned_abs(), object.createable)))
            })
            .collect()
    })
}

fn field(org: &Org) -> BTreeMap<String, Option<String>> {
    let (object, field) = OVERWRITTEN;
    org.read(|tx| {
        let Some(object) = tx.schema.object(object).cloned() else { return BTreeMap::new() };
        tx.rows_where(&object, "\"IsDeleted\" = 0", &[])
            .into_iter()
            .map(|row| (row.id().to_owned(), Some(row.text(field).to_owned()).filter(|text| !text.is_empty())))
            .collect()
    })
}
