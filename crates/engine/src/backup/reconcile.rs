// SPDX-License-Identifier: Apache-2.0
//! The org's count of every object against the vault's.
//!
//! Where they differ: read on from the newest stamp held, because the org may have moved since; count again; then hold all Ids side
//! by side (see `ids.rs`). What still differs then is said.

use super::ask::{Question, ask};
use super::catalog::{Catalog, Entry};
use super::read::{self, Failure};
use super::{Run, count, ids};
use crate::detours::Wanted;
use crate::error::Result;
use crate::event::{Event, Gap, Route};
use crate::note::Note;
use orgkeep_vault::CaptureKind;

/// Compares all counts and mends what differs.
pub(super) async fn counts(run: &Run<'_>, catalog: &Catalog) -> Result<()> {
    // The org counts such an object no more than it shows it whole; also where an interrupted run has read it.
    for entry in &catalog.entries {
        if run.done(&entry.object).is_some_and(|(_, note)| note.route == Route::Parents) {
            run.count(&entry.object, Ok(run.expected(&entry.object)));
        }
    }
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
    let mut counts = count::counts(run.org, entries, &|object| run.learned(object)).await?;
    Ok(entries.iter().filter_map(|entry| Some((*entry, counts.remove(&entry.object)?))).collect())
}

async fn recount(run: &Run<'_>, entry: &Entry) -> Result<u64> {
    match counted(run, &[entry]).await?.pop() {
        Some((_, Ok(rows))) => Ok(rows),
        _ => Ok(count::alone(run.org, entry, &run.learned(&entry.object)).await?),
    }
}

async fn one(run: &Run<'_>, entry: &Entry, counted: u64) -> Result<()> {
    loop {
        let shown = run.shown(entry);
        let reason = match mend(run, &shown, counted).await {
            Ok(rows) => {
                run.count(&entry.object, Ok(rows));
                return Ok(());
            }
            Err(Failure::Stop(error)) => return Err(error),
            Err(Failure::Withheld { field, words }) if run.withhold(&shown, &field, &words) => continue,
            Err(Failure::Refused(reason) | Failure::Withheld { words: reason, .. }) => reason,
        };
        // What was read before stays, and the count says that it is not all.
        let gap = Gap { what: "what changed while it was read".into(), reason };
        run.leave(&entry.object, Note { gaps: vec![gap], ..Note::unread(run.mode, "") });
        run.count(&entry.object, Ok(counted));
        return Ok(());
    }
}

/// Brings an object to what the org counts, and gives its last count.
async fn mend(run: &Run<'_>, entry: &Entry, counted: u64) -> Result<u64, Failure> {
    let object = &entry.object;
    let held = run.held(object);
    read_on(run, entry).await?;
    let rows = recount(run, entry).await?;
    if rows == run.expected(object) {
        return Ok(rows);
    }
    run.say(Event::Notice {
        message: format!("{object}: the org counts {counted} rows and the vault {held}; holding all Ids side by side"),
        hint: None,
    });
    ids::object(run, entry, false).await?;
    Ok(recount(run, entry).await?)
}

/// Reads what changed since the object was read.
async fn read_on(run: &Run<'_>, entry: &Entry) -> Result<(), Failure> {
    let spec = &entry.spec;
    let mut note = run.note_to_extend(entry);
    let condition = read::resume_condition(spec, &note);
    if condition.is_none() && run.done(&entry.object).is_some() {
        return Ok(());
    }
    note.asked_at = run.org_time();
    let wanted = Wanted::rows(condition.is_none());
    let question = Question::rows(spec, condition, Some(wanted));
    let learned = run.learned(&entry.object);
    let (_, stream) = ask(run.org, question, false, &learned).await.map_err(read::or_stop)?;
    let capture = run.unfinished.capture(&spec.object, &spec.schema, CaptureKind::Changes).await?;
    let capture = read::rows(run, spec, capture, stream, &mut note).await?;
    let captured = read::finish(capture, &note).await?;
    run.settle(captured, note);
    Ok(())
}

impl Run<'_> {
    /// Live rows in the org that were erased here, as far as that is known.
    fn erased(&self, object: &str) -> u64 {
        let note = self.done(object).map(|(_, note)| note).or_else(|| self.looked(object));
        note.as_ref().or_else(|| self.previous_note(object)).map_or(0, |note| note.erased)
    }

    /// How many rows the org should count: those that are held, and those that were erased here and not there, less those that it does
    /// not show.
    pub(super) fn expected(&self, object: &str) -> u64 {
        (self.live(object) + self.erased(object)).saturating_sub(self.unseen(object))
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
        let looked = self.looked(&entry.object).unwrap_or_else(|| {
            let high_water = previous.and_then(|previous| previous.high_water.clone());
            Note { high_water, ..Note::empty(self.mode) }.with_freshness_of(previous)
        });
        let unseen = self.unseen(&entry.object);
        Note { fields: entry.spec.columns(), unseen, ..looked }
    }
}
