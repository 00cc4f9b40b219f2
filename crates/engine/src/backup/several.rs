// SPDX-License-Identifier: Apache-2.0
//! Reading many objects of which little is to be read: five queries in one call (`salesforce-api.md` 2.8).
//!
//! In an incremental backup that is every object whose rows are asked for by their stamp, whatever comes of it; in a full one every
//! object that the org says is small. Of an object with nothing new nothing is written. Where more rows come than a Bulk job
//! would carry better, and where a query is refused, the object is read by itself.

use super::ask::Question;
use super::catalog::Entry;
use super::read::{self, BULK_ROWS, Reading};
use super::{Run, quiet};
use crate::detours::Wanted;
use crate::error::Result;
use crate::event::{Event, Mode, Route};
use crate::note::{Note, Overlap};
use crate::spec::Spec;
use chrono::{DateTime, Utc};
use futures::stream::{self, StreamExt, TryStreamExt};
use orgkeep_salesforce::{Answered, MOST_QUERIES, Query, Rows, fits_a_url};
use std::cmp::Reverse;

/// Up to so many rows an object is read together with others; more do not fit one page.
pub(super) const SMALL_ROWS: u64 = 2_000;
/// Composite calls made at the same time.
const PARALLEL_CALLS: usize = 2;
/// Objects whose rows are compared and written at the same time.
const PARALLEL_WRITES: usize = 4;

/// An object that is to be read by itself, with the number of rows that the org says are to come.
pub(super) type Single<'e> = (&'e Entry, Option<u64>);

/// Reads what it can of these objects, and gives back the others.
pub(super) async fn objects<'e>(run: &Run<'_>, entries: &[&'e Entry]) -> Result<Vec<Single<'e>>> {
    let entries = quiet::objects(run, entries).await?;
    let fits = |entry: &&Entry| fits_a_url(&question(run, entry).select()) && !run.refuses_others(entry);
    let (together, long): (Vec<&Entry>, Vec<&Entry>) = entries.into_iter().partition(fits);
    let mut single: Vec<Single<'e>> = long.into_iter().map(|entry| (entry, None)).collect();
    let groups = dealt(together, |entry| run.held(&entry.object));
    let calls = stream::iter(groups).map(|group| Box::pin(five(run, group))).buffer_unordered(PARALLEL_CALLS);
    // The next questions are asked while rows that came are compared and written.
    let answers = calls.map_ok(|answers| stream::iter(answers).map(Ok)).try_flatten();
    let mut kept = answers
        .map(|answer: Result<Told<'e>>| Box::pin(async { settle(run, answer?).await }))
        .buffer_unordered(PARALLEL_WRITES);
    while let Some(left) = kept.try_next().await? {
        single.extend(left);
    }
    single.sort_by(|(a, _), (b, _)| a.object.cmp(&b.object));
    Ok(single)
}

/// What this backup wants of an object.
fn question(run: &Run<'_>, entry: &Entry) -> Question {
    Question::rows(&entry.spec, read::condition(run, entry), None)
}

/// What an object's query of a call brought.
struct Told<'e> {
    entry: &'e Entry,
    /// The org's clock before it was asked.
    asked_at: Option<DateTime<Utc>>,
    /// `None` where it was refused.
    answered: Option<Answered>,
}

/// Groups of objects for one call each. The largest, of which most is likely to come, lead different groups and come first: their rows
/// are written while the org answers the others.
fn dealt<T>(mut entries: Vec<T>, rows_held: impl Fn(&T) -> u64) -> Vec<Vec<T>> {
    entries.sort_by_key(|entry| Reverse(rows_held(entry)));
    let count = entries.len().div_ceil(MOST_QUERIES);
    let mut groups: Vec<Vec<T>> = std::iter::repeat_with(Vec::new).take(count).collect();
    for (place, entry) in entries.into_iter().enumerate() {
        groups[place % count].push(entry);
    }
    groups
}

async fn five<'e>(run: &Run<'_>, group: Vec<&'e Entry>) -> Result<Vec<Told<'e>>> {
    let asked_at = run.org_time();
    let queries: Vec<Query> = group.iter().map(|entry| question(run, entry).query()).collect();
    let told = |(entry, answered): (&&'e Entry, Option<Answered>)| Told { entry, asked_at, answered };
    // There the rows are taken out of the JSON while those of other objects are compared here.
    let org = run.org.clone();
    let answers = read::aside(async move { org.composite_queries(&queries).await }).await?;
    match answers {
        Ok(answers) => Ok(group.iter().zip(answers.into_iter().map(std::result::Result::ok)).map(told).collect()),
        // Five together may be too much for an org that answers each of them.
        Err(error) if read::was_too_much(&error) => Ok(group.iter().map(|entry| told((entry, None))).collect()),
        Err(error) => Err(error.into()),
    }
}

/// Keeps what came, or gives the object back.
async fn settle<'e>(run: &Run<'_>, told: Told<'e>) -> Result<Option<Single<'e>>> {
    let Told { entry, asked_at, answered } = told;
    match answered {
        Some(answered) if answered.total <= BULK_ROWS => {
            let reading = Reading { since: run.since(entry), route: Route::Composite, asked_at };
            keep(run, entry, reading, answered).await?;
            Ok(None)
        }
        answered => Ok(Some((entry, answered.map(|answered| answered.total)))),
    }
}

async fn keep(run: &Run<'_>, entry: &Entry, reading: Reading, answered: Answered) -> Result<()> {
    let whole = reading.since.is_none() && answered.rest.is_none();
    if whole && answered.total == answered.rows.len() as u64 {
        run.count(&entry.object, Ok(live(entry, &answered.rows)));
    }
    let nothing_held = run.held(&entry.object) == 0;
    if answered.rows.is_empty() && (reading.since.is_some() || nothing_held) {
        run.look(entry, reading, &answered.rows);
        return Ok(());
    }
    if nothing_new(run, entry, reading, &answered) {
        run.look(entry, reading, &answered.rows);
        return Ok(());
    }
    run.say(Event::ObjectStarted {
        object: entry.object.clone(),
        route: reading.route,
        rows_expected: Some(answered.total),
    });
    let total = answered.total;
    let rows = stream::iter([Ok(answered.rows)]).chain(stream::iter(answered.rest).flatten()).boxed();
    match read::keep(run, entry, reading, rows).await {
        Ok(()) => Ok(()),
        Err(read::Failure::Stop(error)) => Err(error),
        // On a later page: there are more ways to ask for it by itself.
        Err(read::Failure::Refused(_) | read::Failure::Withheld { .. }) => read::object(run, entry, Some(total)).await,
    }
}

/// Whether the rows are those of the overlap as they were read before. Of a file's row the body would have to be asked for.
fn nothing_new(run: &Run<'_>, entry: &Entry, reading: Reading, answered: &Answered) -> bool {
    let whole = reading.since.is_some() && answered.rest.is_none() && entry.spec.body.is_none();
    let Some(note) = run.previous_note(&entry.object).filter(|_| whole) else { return false };
    let newest = || read::newest(&entry.spec, &answered.rows);
    let now = || overlap(&entry.spec, Overlap::all(), &answered.rows);
    // A row that is newer than all that were read spares the digest of all of them.
    note.overlap.is_some() && newest() <= note.high_water.as_deref() && note.overlap == now()
}

/// The digest of those of the rows that lie in an overlap.
fn overlap(spec: &Spec, mut overlap: Overlap, rows: &Rows) -> Option<String> {
    let stamp = spec.position(spec.stamp.as_deref()?)?;
    let batch = read::batch(spec, rows, &[]);
    (0..rows.len()).for_each(|row| overlap.add(rows.cell(row, stamp), &batch, row));
    overlap.digest()
}

impl Run<'_> {
    /// Whether an object was not given the last time in the way in which several are asked for together.
    fn refuses_others(&self, entry: &Entry) -> bool {
        let refused = |note: &Note| note.route == Route::None && !note.gaps.is_empty();
        let refused = self.mode == Mode::Incremental && self.previous_note(&entry.object).is_some_and(refused);
        let wanted = Wanted::rows(self.since(entry).is_none());
        refused || self.goes_by_parents(entry) || self.learned(&entry.object).known().ranges(wanted) > 1
    }

    /// Notes that an object has not moved.
    pub(super) fn still(&self, entry: &Entry, reading: Reading) {
        self.look(entry, reading, &Rows::empty(entry.spec.fields.clone().into()));
    }

    /// Notes that an object was asked for and had nothing new among these rows.
    fn look(&self, entry: &Entry, reading: Reading, rows: &Rows) {
        let previous = self.previous_note(&entry.object);
        let spec = &entry.spec;
        let fresh = Overlap::of(reading.asked_at).filter(|_| spec.body.is_none());
        let note = Note {
            route: reading.route,
            asked_at: reading.asked_at,
            gaps: [previous.map(Note::lasting_gaps).unwrap_or_default(), entry.fields_missed()].concat(),
            overlap: fresh.and_then(|fresh| overlap(spec, fresh, rows)),
            erased: previous.map_or(0, |note| note.erased),
            unseen: self.unseen(&entry.object),
            high_water: previous.and_then(|note| note.high_water.clone()),
            ..Note::empty(self.mode)
        };
        let note = match reading.since {
            Some(_) => note.with_freshness_of(previous),
            None => {
                let mut note = note;
                note.held_at(reading.asked_at, true);
                note
            }
        };
        self.looked.lock().expect("no holder of this lock panics").insert(entry.object.clone(), note);
    }
}

fn live(entry: &Entry, rows: &Rows) -> u64 {
    let deleted = entry.spec.position("IsDeleted");
    let gone = |row: &usize| deleted.is_some_and(|column| rows.cell(*row, column) == Some("true"));
    (0..rows.len()).filter(|row| !gone(row)).count() as u64
}

#[cfg(test)]
mod tests {
    use super::dealt;

    #[test]
    fn the_largest_lead_and_no_group_is_too_large() {
        let groups = dealt((0..12u64).collect(), |rows| *rows);
        assert_eq!(groups, [vec![11, 8, 5, 2], vec![10, 7, 4, 1], vec![9, 6, 3, 0]]);
        assert!(dealt(Vec::<u64>::new(), |rows| *rows).is_empty());
    }
}
