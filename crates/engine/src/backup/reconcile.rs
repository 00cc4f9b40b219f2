// SPDX-License-Identifier: Apache-2.0
//! The org's count of every object against the vault's.
//!
//! Where they differ: read on from the newest stamp held, because the org may have moved since; count again; then hold all Ids side
//! by side. An Id that the vault has and the org has not was deleted without a trace (hard delete, emptied recycle bin) and
//! becomes a deletion; one that the org has and the vault has not is read, unless it was erased here. What still differs then is said.

use super::Run;
use super::catalog::{Catalog, Entry};
use super::count;
use super::read::{self, IDS_PER_QUERY, in_list};
use crate::error::Result;
use crate::event::{Event, Gap};
use crate::note::Note;
use futures::stream::{StreamExt, TryStreamExt};
use orgkeep_vault::{Builder, CaptureKind, Schema};

/// Compares all counts and mends what differs.
pub(super) async fn counts(run: &Run<'_>, catalog: &Catalog) -> Result<()> {
    let known =
        |entry: &Entry| matches!(run.counted(&entry.object), Some(Ok(rows)) if rows == run.expected(&entry.object));
    let open = |entry: &&Entry| run.left(&entry.object).is_none() && !known(entry);
    let entries: Vec<&Entry> = catalog.entries.iter().filter(open).collect();
    let mut differing = Vec::new();
    for (entry, count) in counted(run, &entries).await? {
        match count {
            Ok(rows) if rows == run.expected(&entry.object) => run.count(&entry.object, Ok(rows)),
            Ok(rows) => differing.push((entry, rows)),
            Err(reason) => run.count(&entry.object, Err(Gap { what: "the org's count".into(), reason })),
        }
    }
    for (entry, rows) in differing {
        one(run, entry, rows).await?;
    }
    Ok(())
}

async fn counted<'e>(run: &Run<'_>, entries: &[&'e Entry]) -> Result<Vec<(&'e Entry, Result<u64, String>)>> {
    let mut counts = count::counts(run.org, entries).await?;
    Ok(entries.iter().filter_map(|entry| Some((*entry, counts.remove(&entry.object)?))).collect())
}

async fn recount(run: &Run<'_>, entry: &Entry) -> Result<u64> {
    match counted(run, &[entry]).await?.pop() {
        Some((_, Ok(rows))) => Ok(rows),
        _ => Ok(run.org.count(&entry.object, count::live(entry), read::scope(&entry.spec)).await?),
    }
}

async fn one(run: &Run<'_>, entry: &Entry, counted: u64) -> Result<()> {
    let object = &entry.object;
    let held = run.held(object);
    read_on(run, entry).await?;
    let mut rows = recount(run, entry).await?;
    if rows != run.expected(object) {
        run.say(Event::Notice {
            message: format!(
                "{object}: the org counts {counted} rows and the vault {held}; holding all Ids side by side"
            ),
            hint: None,
        });
        side_by_side(run, entry).await?;
        rows = recount(run, entry).await?;
    }
    run.count(object, Ok(rows));
    Ok(())
}

/// Reads what changed since the object was read.
async fn read_on(run: &Run<'_>, entry: &Entry) -> Result<()> {
    let spec = &entry.spec;
    let mut note = run.note_to_extend(entry);
    let condition = read::resume_condition(spec, &note);
    if condition.is_none() && run.done(&entry.object).is_some() {
        return Ok(());
    }
    note.asked_at = run.org_time();
    let stream = run.org.query(&spec.select(condition.as_deref()), &spec.fields, read::scope(spec));
    let capture = run.unfinished.capture(&spec.object, &spec.schema, CaptureKind::Changes).await?;
    let capture = match read::rows(run, spec, capture, stream, &mut note).await {
        Ok(capture) => capture,
        Err(failure) => return Err(failure.into_error()),
    };
    let captured = read::finish(capture, &note).await?;
    run.settle(captured, note);
    Ok(())
}

/// Holds the Ids of all live rows against those held as live.
async fn side_by_side(run: &Run<'_>, entry: &Entry) -> Result<()> {
    let spec = &entry.spec;
    let mut in_org = ids_in_org(run, entry).await?;
    in_org.sort_unstable();
    in_org.dedup();
    let mut seen = vec![false; in_org.len()];
    let mut gone: Vec<String> = Vec::new();
    let mut batches = run.held_rows(&spec.object, &["Id"], None).await?;
    while let Some(batch) = batches.try_next().await? {
        for row in 0..batch.len() {
            match in_org.binary_search_by(|id| id.as_str().cmp(batch.id(row))) {
                Ok(place) => seen[place] = true,
                Err(_) => gone.push(batch.id(row).to_owned()),
            }
        }
    }
    drop(batches);
    let missing: Vec<&str> = in_org.iter().zip(&seen).filter(|(_, seen)| !**seen).map(|(id, _)| id.as_str()).collect();
    // What was erased here is known to be there, and is not read again.
    let erasures = run.unfinished.erasures();
    let is_erased = |id: &&str| erasures.of(&spec.object).is_some_and(|ids| ids.contains(*id));
    let (erased, missing): (Vec<&str>, Vec<&str>) = missing.into_iter().partition(is_erased);
    let erased = erased.len() as u64;
    if gone.is_empty() && missing.is_empty() && erased == run.erased(&spec.object) {
        return Ok(());
    }

    let mut note = run.note_to_extend(entry);
    note.vanished += gone.len() as u64;
    note.erased = erased;
    let mut capture = run.unfinished.capture(&spec.object, &spec.schema, CaptureKind::Changes).await?;
    capture.push(tombstones(&spec.schema, &gone)).await?;
    for group in missing.chunks(IDS_PER_QUERY) {
        let soql = spec.select(Some(&in_list("Id", group)));
        let stream = run.org.query(&soql, &spec.fields, read::scope(spec));
        capture = match read::rows(run, spec, capture, stream, &mut note).await {
            Ok(capture) => capture,
            Err(failure) => return Err(failure.into_error()),
        };
    }
    // Rows were read one by one: the overlap as a whole was not.
    note.overlap = None;
    let captured = read::finish(capture, &note).await?;
    run.settle(captured, note);
    Ok(())
}

/// Ids of the live rows. 5 million of them take about 200 MB.
async fn ids_in_org(run: &Run<'_>, entry: &Entry) -> Result<Vec<String>> {
    let spec = &entry.spec;
    let live = count::live(entry).map(|condition| format!(" WHERE {condition}")).unwrap_or_default();
    let soql = format!("SELECT Id FROM {}{live}", spec.object);
    let mut rows = run.org.query(&soql, &["Id".to_owned()], read::scope(spec)).boxed();
    let mut ids = Vec::new();
    while let Some(rows) = rows.try_next().await? {
        ids.extend((0..rows.len()).filter_map(|row| rows.cell(row, 0)).map(str::to_owned));
    }
    Ok(ids)
}

/// Deletions of which nothing is known but the Id.
fn tombstones(schema: &Schema, ids: &[String]) -> orgkeep_vault::Batch {
    let mut builder = Builder::new(schema);
    let others = schema.columns().len() - 1;
    for id in ids {
        builder.push(true, std::iter::once(Some(id.as_str())).chain(std::iter::repeat_n(None, others)));
    }
    builder.finish()
}

impl Run<'_> {
    /// Live rows in the org that were erased here, as far as that is known.
    fn erased(&self, object: &str) -> u64 {
        let note = self.done(object).map(|(_, note)| note).or_else(|| self.looked(object));
        note.as_ref().or_else(|| self.previous_note(object)).map_or(0, |note| note.erased)
    }

    /// How many rows the org should count: those that are held, and those that were erased here and not there.
    pub(super) fn expected(&self, object: &str) -> u64 {
        self.live(object) + self.erased(object)
    }

    /// Live rows that are held, less those that were erased since the backup before counted them.
    pub(super) fn live(&self, object: &str) -> u64 {
        let counted_in = self.previous.filter(|_| self.done(object).is_none());
        let erased = counted_in.map_or(0, |before| self.unfinished.erasures().live(object, before.sequence));
        self.held(object).saturating_sub(erased)
    }

    /// The note of this backup for an object, to be extended by a further reading.
    pub(super) fn note_to_extend(&self, entry: &Entry) -> Note {
        if let Some((_, note)) = self.done(&entry.object) {
            return note;
        }
        let previous = self.previous_note(&entry.object);
        let looked = self.looked(&entry.object).unwrap_or_else(|| Note {
            whole_at: previous.and_then(|previous| previous.whole_at),
            high_water: previous.and_then(|previous| previous.high_water.clone()),
            ..Note::empty(self.mode)
        });
        Note { fields: entry.spec.columns(), ..looked }
    }
}
