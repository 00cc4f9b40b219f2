// SPDX-License-Identifier: Apache-2.0
//! Holding all Ids of an object side by side, those of the org and those held, and with them the values of formula and roll-up fields,
//! which change without a stamp.
//!
//! The Ids come by the cheapest way: small objects five in a call, large ones by a Bulk job. They are sorted in the vault's bounded
//! memory and merged with what is held, so that the number of records does not matter. Then
//!
//! - what is held as live, and the org has not, was deleted without a trace and becomes a deletion; unless the user is not shown all
//!   of the object (`sight.rs`): then it stays and is counted;
//! - what the org has as live, and is not held so, was missed and is read, unless it was erased here;
//! - what lies in the org's recycle bin, and is held as live, is read, so that it is kept as the org deleted it;
//! - where only calculated values differ, the row that is held gets the new ones: reading it again would give the same, and where a
//!   formula depends on the day that would be every row of the object. Where the stamp differs as well, the record moved since it was
//!   read, and is read.
//!
//! While an object is not shown as a whole, and once when it is again, stamps are held side by side in any case.
//!
//! All of it is one commit, or none where nothing differs. An interrupted backup holds again what it had held without a difference.
//!
//! When an object is due (`Reconcile`), this is done whether the counts agree or not: a record that was missed hides one that was deleted.
//! Objects that are read whole each time are never due, nor are those of which there is nothing on either side.

use super::ask::{Question, ask};
use super::catalog::{Catalog, Entry};
use super::read::{self, BULK_ROWS, Failure, IDS_PER_QUERY, in_list};
use super::several::SMALL_ROWS;
use super::{Reconcile, Run};
use crate::detours::Wanted;
use crate::error::Result;
use crate::event::{Event, Mode};
use crate::note::Note;
use crate::spec::Spec;
use chrono::{DateTime, Utc};
use futures::stream::{self, StreamExt, TryStreamExt};
use orgkeep_salesforce::{MOST_QUERIES, Query, RowStream, Rows, fits_a_url};
use orgkeep_vault::{Batch, BatchStream, Builder, Capture, CaptureKind, Column, Schema};
use std::borrow::Cow;

/// Deletions and patched rows given to a capture at once.
const TOGETHER: usize = 1_000;

/// Holds the objects that are due.
pub(super) async fn due(run: &Run<'_>, catalog: &Catalog, reconcile: Reconcile) -> Result<()> {
    // A full backup has just read every row.
    let Some(now) = run.org_time().filter(|_| run.mode == Mode::Incremental) else { return Ok(()) };
    let is_due = |entry: &&Entry| run.is_due(entry, reconcile, now);
    let (small, large): (Vec<&Entry>, Vec<&Entry>) = catalog.entries.iter().filter(is_due).partition(|entry| {
        run.held(&entry.object) <= SMALL_ROWS && fits_a_url(&Asked::of(run, &run.shown(entry), true).select())
    });
    let mut single = large;
    for group in small.chunks(MOST_QUERIES) {
        let asked_at = run.org_time();
        let shown: Vec<_> = group.iter().map(|entry| run.shown(entry)).collect();
        let asked: Vec<Asked> = shown.iter().map(|entry| Asked::of(run, entry, true)).collect();
        let queries: Vec<Query> = asked.iter().map(Asked::query).collect();
        match run.org.composite_queries(&queries).await {
            Ok(answers) => {
                for (((entry, shown), asked), answer) in group.iter().zip(&shown).zip(&asked).zip(answers) {
                    match answer {
                        Ok(answered) => {
                            let rest = stream::iter(answered.rest).flatten();
                            let rows = stream::iter([Ok(answered.rows)]).chain(rest).boxed();
                            let held = hold(run, shown, asked, asked_at, rows).await;
                            or_single(held, entry, &mut single)?;
                        }
                        Err(_) => single.push(entry),
                    }
                }
            }
            Err(error) if read::was_too_much(&error) => single.extend(group),
            Err(error) => return Err(error.into()),
        }
    }
    for entry in single {
        match object(run, entry, true).await {
            Ok(()) => {}
            Err(Failure::Stop(error)) => return Err(error),
            Err(Failure::Refused(reason) | Failure::Withheld { words: reason, .. }) => run.say(Event::Notice {
                message: format!("{}: its Ids could not be held side by side: {reason}", entry.object),
                hint: Some("the next backup tries again; the coverage says as of when they are".into()),
            }),
        }
    }
    Ok(())
}

/// What was refused in company is asked for alone.
fn or_single<'e>(held: Result<(), Failure>, entry: &'e Entry, single: &mut Vec<&'e Entry>) -> Result<()> {
    match held {
        Ok(()) => {}
        Err(Failure::Stop(error)) => return Err(error),
        Err(Failure::Refused(_) | Failure::Withheld { .. }) => single.push(entry),
    }
    Ok(())
}

/// Holds the Ids of one object, and its formulas where that is wanted.
pub(super) async fn object(run: &Run<'_>, entry: &Entry, formulas: bool) -> Result<(), Failure> {
    let asked_at = run.org_time();
    loop {
        let shown = run.shown(entry);
        let many = run.held(&entry.object) > BULK_ROWS;
        let asked = Asked::of(run, &shown, formulas);
        let held = match ask(run.org, asked.question.clone(), many, &run.learned(&entry.object)).await {
            Ok((_, rows)) => hold(run, &shown, &asked, asked_at, rows).await,
            Err(error) => Err(read::or_stop(error)),
        };
        match held {
            Err(Failure::Withheld { field, words }) if run.withhold(&shown, &field, &words) => {}
            held => return held,
        }
    }
}

/// What is asked of each record, and held against what the vault has.
struct Asked {
    question: Question,
    /// Whether formulas were wanted, and whether there are any.
    formulas_wanted: bool,
    formulas: bool,
    /// Stamps.
    stamps: bool,
}

impl Asked {
    /// Id, then whether the record lies in the recycle bin, then its stamp and what is calculated, where these are wanted.
    fn of(run: &Run<'_>, entry: &Entry, formulas: bool) -> Asked {
        let spec = &entry.spec;
        let (formulas_wanted, formulas) = (formulas, formulas && !spec.calculated.is_empty());
        let stamp = spec.stamp.clone().filter(|_| formulas || run.is_in_doubt(entry));
        let stamps = stamp.is_some();
        let flag = spec.soft_deletes.then(|| "IsDeleted".to_owned());
        let calculated = spec.calculated.iter().filter(|_| formulas).cloned();
        let question = Question {
            object: spec.object.clone(),
            fields: std::iter::once("Id".to_owned()).chain(flag).chain(stamp).chain(calculated).collect(),
            condition: None,
            scope: read::scope(spec),
            wanted: Some(Wanted::Ids),
        };
        Asked { question, formulas_wanted, formulas, stamps }
    }

    fn select(&self) -> String {
        self.question.select()
    }

    fn query(&self) -> Query {
        self.question.clone().query()
    }

    /// The columns to hold it against. A row whose formulas differ is written again with all its columns.
    fn held<'s>(&self, spec: &'s Spec) -> Vec<&'s str> {
        let wanted =
            |name: &&str| self.formulas || *name == "Id" || (self.stamps && spec.stamp.as_deref() == Some(*name));
        spec.schema.columns().iter().map(|column| column.name.as_str()).filter(wanted).collect()
    }
}

impl Run<'_> {
    fn is_due(&self, entry: &Entry, reconcile: Reconcile, now: DateTime<Utc>) -> bool {
        let readable = self.left(&entry.object).is_none() && entry.spec.stamp.is_some();
        let empty = self.held(&entry.object) == 0 && matches!(self.counted(&entry.object), Some(Ok(0)));
        if !readable || empty {
            return false;
        }
        let before = self.previous_note(&entry.object).and_then(Note::ids_at);
        let held_at = self.note_to_extend(entry).ids_at();
        // Also one that was interrupted holds an object once.
        let open = held_at.is_none() || held_at == before;
        if open && self.was_in_doubt(entry) && self.sees_all(&entry.object) {
            return true;
        }
        match reconcile {
            Reconcile::Never => false,
            Reconcile::Now => open,
            Reconcile::After(span) => held_at.is_none_or(|held_at| now - held_at >= span),
        }
    }
}

/// A row after the other of sorted batches.
struct Cursor {
    batches: BatchStream,
    batch: Option<Batch>,
    row: usize,
}

impl Cursor {
    async fn new(batches: BatchStream) -> Result<Cursor> {
        let mut cursor = Cursor { batches, batch: None, row: 0 };
        cursor.fill().await?;
        Ok(cursor)
    }

    async fn fill(&mut self) -> Result<()> {
        while self.batch.as_ref().is_none_or(|batch| self.row >= batch.len()) {
            self.row = 0;
            self.batch = self.batches.try_next().await?;
            if self.batch.is_none() {
                break;
            }
        }
        Ok(())
    }

    async fn step(&mut self) -> Result<()> {
        self.row += 1;
        self.fill().await
    }

    fn id(&self) -> Option<&str> {
        Some(self.batch.as_ref()?.id(self.row))
    }
}

/// Merges the org's Ids with those held, and commits what differs.
async fn hold(
    run: &Run<'_>,
    entry: &Entry,
    asked: &Asked,
    asked_at: Option<DateTime<Utc>>,
    mut rows: RowStream,
) -> Result<(), Failure> {
    let spec = &entry.spec;
    let question = &asked.question;
    let of_question = |name: &String| spec.schema.columns().iter().find(|column| column.name == *name).cloned();
    let schema = Schema::new(question.fields.iter().filter_map(of_question).collect())?;
    let flag = question.fields.iter().position(|name| name == "IsDeleted");
    let mut sorter = run.unfinished.vault().sorter(&schema).await?;
    while let Some(rows) = rows.next().await {
        sorter.push(batch(&schema, &rows.map_err(read::or_stop)?, flag)).await?;
    }
    let mut org = Cursor::new(sorter.sorted().await?).await?;
    let mut held = Cursor::new(run.held_rows(&spec.object, &asked.held(spec), None).await?).await?;
    let mut differences = Differences::new(run, spec, run.note_to_extend(entry));
    loop {
        let order = match (org.id(), held.id()) {
            (None, None) => break,
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some(org), Some(held)) => org.cmp(held),
        };
        let (in_org, in_vault) = (org.batch.as_ref(), held.batch.as_ref());
        match (order, in_org, in_vault) {
            (std::cmp::Ordering::Less, Some(batch), _) if !batch.deleted(org.row) => {
                differences.missed(batch.id(org.row)).await?;
            }
            (std::cmp::Ordering::Greater, _, Some(batch)) => differences.gone(batch.id(held.row)).await?,
            (std::cmp::Ordering::Equal, Some(batch), _) if batch.deleted(org.row) => {
                differences.read(batch.id(org.row)).await?;
            }
            (std::cmp::Ordering::Equal, Some(now), Some(before)) if asked.stamps || asked.formulas => {
                differences.values((now, org.row), (before, held.row)).await?;
            }
            _ => {}
        }
        if order != std::cmp::Ordering::Greater {
            org.step().await?;
        }
        if order != std::cmp::Ordering::Less {
            held.step().await?;
        }
    }
    drop((org, held));
    differences.commit(entry, asked_at, asked.formulas_wanted).await
}

fn batch(schema: &Schema, rows: &Rows, flag: Option<usize>) -> Batch {
    let mut builder = Builder::new(schema);
    for (index, row) in rows.iter().enumerate() {
        builder.push(flag.is_some_and(|flag| rows.cell(index, flag) == Some("true")), row);
    }
    builder.finish()
}

/// Where a column lies on either side, if it is there.
#[derive(Clone, Copy)]
struct Place {
    now: Option<usize>,
    before: Option<usize>,
}

impl Place {
    fn now<'b>(self, (batch, row): (&'b Batch, usize)) -> Option<Cow<'b, str>> {
        batch.text(row, self.now?)
    }

    fn before<'b>(self, (batch, row): (&'b Batch, usize)) -> Option<Cow<'b, str>> {
        batch.text(row, self.before?)
    }

    fn differ(self, now: (&Batch, usize), before: (&Batch, usize)) -> bool {
        self.now(now) != self.before(before)
    }
}

struct Places {
    /// `None` where stamps were not asked for.
    stamp: Option<Place>,
    /// Of each column of the object, and whether it was asked for because it is calculated.
    columns: Vec<(Place, bool)>,
}

impl Places {
    fn of(spec: &Spec, now: &Batch, before: &Batch) -> Places {
        let place = |name: &str| Place { now: now.column_index(name), before: before.column_index(name) };
        let calculated = |name: &String| now.column_index(name).is_some() && spec.calculated.contains(name);
        let stamp = spec.stamp.as_deref().map(place).filter(|stamp| stamp.now.is_some());
        let column = |column: &Column| (place(&column.name), calculated(&column.name));
        Places { stamp, columns: spec.schema.columns().iter().map(column).collect() }
    }
}

/// What differs, on its way into one capture.
struct Differences<'a> {
    run: &'a Run<'a>,
    spec: &'a Spec,
    note: Note,
    capture: Option<Capture>,
    /// Rows to be captured as they stand here: deletions of which nothing is known but the Id, and rows with other calculated values.
    given: Builder,
    waiting: usize,
    /// Ids of rows to be read.
    ids: Vec<String>,
    /// Where the columns of either side lie, once the first records were held side by side.
    places: Option<Places>,
    /// Whether what does not come is gone, once that was asked.
    shown: Option<bool>,
    gone: u64,
    unseen: u64,
    missed: u64,
    patched: u64,
    erased: u64,
}

impl<'a> Differences<'a> {
    fn new(run: &'a Run<'a>, spec: &'a Spec, note: Note) -> Differences<'a> {
        let given = Builder::new(&spec.schema);
        let ids = Vec::new();
        Differences {
            run,
            spec,
            note,
            capture: None,
            given,
            waiting: 0,
            ids,
            places: None,
            shown: None,
            gone: 0,
            unseen: 0,
            missed: 0,
            patched: 0,
            erased: 0,
        }
    }

    async fn gone(&mut self, id: &str) -> Result<()> {
        let shown = match self.shown {
            Some(shown) => shown,
            None => self.run.still_sees_all(&self.spec.object).await?,
        };
        self.shown = Some(shown);
        if !shown {
            self.unseen += 1;
            return Ok(());
        }
        self.gone += 1;
        let others = self.spec.schema.columns().len() - 1;
        self.give(true, std::iter::once(Some(id.to_owned())).chain(std::iter::repeat_n(None, others)).collect()).await
    }

    async fn missed(&mut self, id: &str) -> Result<(), Failure> {
        // What was erased here is known to be there, and is not read again.
        if self.run.unfinished.erasures().of(&self.spec.object).is_some_and(|ids| ids.contains(id)) {
            self.erased += 1;
            return Ok(());
        }
        self.missed += 1;
        self.read(id).await
    }

    async fn read(&mut self, id: &str) -> Result<(), Failure> {
        self.ids.push(id.to_owned());
        if self.ids.len() >= IDS_PER_QUERY { self.read_waiting().await } else { Ok(()) }
    }

    /// A record on both sides: reads it where it moved, or gives it the calculated values of now, where they differ.
    async fn values(&mut self, now: (&Batch, usize), before: (&Batch, usize)) -> Result<(), Failure> {
        let places = self.places.get_or_insert_with(|| Places::of(self.spec, now.0, before.0));
        if places.stamp.is_some_and(|stamp| stamp.differ(now, before)) {
            return self.read(now.0.id(now.1)).await;
        }
        if places.columns.iter().any(|(place, calculated)| *calculated && place.differ(now, before)) {
            self.patched += 1;
            let cell = |(place, calculated): &(Place, bool)| {
                let cell = if *calculated { place.now(now) } else { place.before(before) };
                cell.map(Cow::into_owned)
            };
            let cells = places.columns.iter().map(cell).collect();
            self.give(false, cells).await?;
        }
        Ok(())
    }

    async fn give(&mut self, deleted: bool, cells: Vec<Option<String>>) -> Result<()> {
        self.given.push(deleted, cells.iter().map(Option::as_deref));
        self.waiting += 1;
        if self.waiting >= TOGETHER { self.give_waiting().await } else { Ok(()) }
    }

    async fn give_waiting(&mut self) -> Result<()> {
        let given = std::mem::replace(&mut self.given, Builder::new(&self.spec.schema)).finish();
        self.waiting = 0;
        let mut capture = self.capture().await?;
        capture.push(given).await?;
        self.capture = Some(capture);
        Ok(())
    }

    async fn read_waiting(&mut self) -> Result<(), Failure> {
        let ids = std::mem::take(&mut self.ids);
        let question = Question::rows(self.spec, Some(in_list("Id", &ids)), None);
        let learned = self.run.learned(&self.spec.object);
        let (_, rows) = ask(self.run.org, question, false, &learned).await.map_err(read::or_stop)?;
        let capture = self.capture().await?;
        self.capture = Some(read::rows(self.run, self.spec, capture, rows, &mut self.note).await?);
        Ok(())
    }

    async fn capture(&mut self) -> Result<Capture> {
        match self.capture.take() {
            Some(capture) => Ok(capture),
            None => {
                let spec = self.spec;
                Ok(self.run.unfinished.capture(&spec.object, &spec.schema, CaptureKind::Changes).await?)
            }
        }
    }

    async fn commit(mut self, entry: &Entry, asked_at: Option<DateTime<Utc>>, formulas: bool) -> Result<(), Failure> {
        if self.waiting > 0 {
            self.give_waiting().await?;
        }
        if !self.ids.is_empty() {
            self.read_waiting().await?;
        }
        self.note.erased = self.erased;
        self.note.unseen = self.unseen;
        self.note.held_at(asked_at, formulas);
        self.note.detours = self.run.learned(&entry.object).known().clone();
        let Some(capture) = self.capture else {
            self.run.amend(entry, |kept| *kept = self.note);
            return Ok(());
        };
        self.note.vanished += self.gone;
        // Rows were read one by one: the overlap as a whole was not.
        self.note.overlap = None;
        let captured = read::finish(capture, &self.note).await?;
        self.run.say(Event::Notice {
            message: format!(
                "{}: held against the org: {} gone without a trace, {} missed, {} with other calculated values",
                entry.object, self.gone, self.missed, self.patched
            ),
            hint: None,
        });
        self.run.settle(captured, self.note);
        Ok(())
    }
}
