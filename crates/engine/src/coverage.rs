// SPDX-License-Identifier: Apache-2.0
//! What a backup covers: per object what the org has and what the vault holds, every difference with its reason and what to do about it,
//! and on request the references that lead nowhere inside the backup.
//!
//! All but the references stands in the backup's manifest, as it was found when the backup was taken: nothing is asked of the org. References
//! are counted by reading the rows: the hashes of all Ids held are kept in memory, as many as fit at a time, and every reference is looked
//! up among them, in as many passes as that takes.

mod references;

use crate::backup::{HIDDEN, Hidden, INVISIBLE, ObjectLine, QUERY_ALL_FILES, Sight, TO_SEE_ALL, UNSEEN};
use crate::error::Result;
use crate::event::{Monitor, Route, State};
use crate::point::{Entry, Point};
use chrono::{DateTime, Utc};
use orgkeep_salesforce::Describe;
use orgkeep_vault::OrgVault;
pub use references::Dangling;
use serde::Serialize;
use std::collections::BTreeMap;

/// What to look at.
#[derive(Clone, Debug, Default)]
pub struct CoverageOptions {
    /// A backup; the newest by default.
    pub at: Option<u64>,
    /// Only this object.
    pub object: Option<String>,
    /// Also read all rows and count the references that lead to no record of the backup.
    pub references: bool,
}

/// One object of a backup.
#[derive(Clone, Debug, Serialize)]
pub struct ObjectCoverage {
    #[serde(flatten)]
    pub line: ObjectLine,
    /// Fields whose values are held, and fields that the org shows.
    pub fields_held: usize,
    pub fields_in_org: usize,
    /// Fields that the org shows and the rows do not have. Compound fields are not among them: their components are fields of their own.
    pub fields_missing: Vec<String>,
    /// Fields that the org has and does not show to the user who backed up; where it holds rows, a gap says so.
    pub fields_hidden: Vec<String>,
    /// Formula and roll-up fields, which change without a stamp.
    pub calculated: usize,
    /// Their values are those of this time, by the org's clock; later ones where their record changed since.
    pub calculated_as_of: Option<DateTime<Utc>>,
    /// Rows are those that the org showed at this time, by its clock.
    pub as_of: Option<DateTime<Utc>>,
    /// All Ids were last held against the org's at this time, by its clock.
    pub ids_as_of: Option<DateTime<Utc>>,
    /// What would make it complete, where it is not.
    pub to_do: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Coverage {
    pub sequence: u64,
    pub finished: DateTime<Utc>,
    pub state: State,
    pub objects: Vec<ObjectCoverage>,
    /// Objects that have no rows to read, with the reason.
    pub without_rows: BTreeMap<String, String>,
    /// Why it is not known which fields are hidden from the user who backed up, where it is not. Such a backup is not green.
    pub hidden_fields_unknown: Option<String>,
    /// Why not every record of the org is shown to the user who backed up, where that is so. Such a backup is not green.
    pub not_all_shown: Option<String>,
    /// By object and field, where it was asked for.
    pub dangling: Option<Vec<Dangling>>,
}

/// What a backup covers.
///
/// # Errors
/// `NotFound` for a backup or object that is not there.
pub async fn coverage(vault: &OrgVault, options: &CoverageOptions, monitor: &dyn Monitor) -> Result<Coverage> {
    let point = Point::at(vault, options.at).await?;
    let only = match &options.object {
        Some(object) => Some(point.named(object)?.0.clone()),
        None => None,
    };
    let mut objects = Vec::new();
    for (object, entry) in &point.content.objects {
        if only.as_ref().is_none_or(|only| only == object) {
            let describe = point.describe(vault, object).await?;
            let hidden = point.content.hidden.as_ref().and_then(|hidden| hidden.fields.get(object));
            objects.push(ObjectCoverage {
                fields_hidden: hidden.cloned().unwrap_or_default(),
                ..of_object(object, entry, describe.as_ref())
            });
        }
    }
    let dangling = match options.references {
        true => Some(references::dangling(vault, &point, only.as_deref(), monitor).await?),
        false => None,
    };
    let without_rows = if only.is_some() { BTreeMap::new() } else { point.content.without_rows.clone() };
    let hidden = point.content.hidden.as_ref();
    let sight = point.content.sight.as_ref();
    let known = hidden.map_or(State::Green, Hidden::state).max(sight.map_or(State::Green, Sight::state));
    let not_all_shown = sight.and_then(Sight::shortfall);
    let hidden_fields_unknown = hidden.and_then(|hidden| hidden.unknown.clone());
    let state = objects.iter().map(|object| object.line.state).max().unwrap_or(State::Green).max(known);
    let (sequence, finished) = (point.sequence, point.finished);
    Ok(Coverage { sequence, finished, state, objects, without_rows, hidden_fields_unknown, not_all_shown, dangling })
}

fn of_object(object: &str, entry: &Entry, describe: Option<&Describe>) -> ObjectCoverage {
    let described = describe.map(|describe| describe.fields.as_slice()).unwrap_or_default();
    let shown: Vec<_> =
        described.iter().filter(|field| !matches!(field.field_type.name(), "address" | "location")).collect();
    let read = entry.note.route != Route::None;
    let missing = |name: &&String| read && !entry.fields.contains(name);
    let calculated = shown.iter().filter(|field| field.calculated).count();
    ObjectCoverage {
        fields_held: entry.fields.len(),
        fields_in_org: shown.len(),
        fields_missing: shown.iter().map(|field| &field.name).filter(missing).cloned().collect(),
        fields_hidden: Vec::new(),
        calculated,
        calculated_as_of: entry.note.whole_at.filter(|_| calculated > 0),
        as_of: entry.note.asked_at,
        ids_as_of: entry.note.ids_at(),
        to_do: to_do(entry),
        line: ObjectLine::new(object, entry),
    }
}

/// What an admin can do about it. The reasons are the org's own words, so that only those with a known remedy have one.
fn to_do(entry: &Entry) -> Option<String> {
    if entry.state == State::Green {
        return None;
    }
    let says = |word: &str| entry.note.gaps.iter().any(|gap| gap.reason.contains(word));
    let remedy = if says(HIDDEN) {
        "give the user who backs up read access to these fields in one of its permission sets, or the permission View All Fields (Global); \
         the next backup reads them"
    } else if says(INVISIBLE) || (says(UNSEEN) && says(QUERY_ALL_FILES)) {
        "switch on Query All Files (it needs View All Data) under System Permissions of a permission set of the user who backs up"
    } else if says(UNSEEN) {
        TO_SEE_ALL
    } else if says("INSUFFICIENT_ACCESS") || says("hidden from this user") {
        "give the user who backs up View All Data and View All Fields, then run `orgkeep backup NAME --full`"
    } else if says("left to the budget") {
        "run the backup again: it goes on with the files; `--file-budget` says how many bytes a run may fetch"
    } else if says("QUERY_TIMEOUT") || says("UNKNOWN_EXCEPTION") || says("could not be fetched") {
        "run the backup again at a quieter time of the org; what is held stays"
    } else if says("the org counts") || entry.note.gaps.is_empty() {
        "run `orgkeep backup NAME --full`: it holds all Ids of the org against the vault's"
    } else if says("no longer shows") {
        "nothing, if it was deleted on purpose; else give the user who backs up access to it again"
    } else {
        "the reason beside it is the org's; `orgkeep backup NAME` asks again"
    };
    Some(remedy.to_owned())
}
