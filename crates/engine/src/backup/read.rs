// SPDX-License-Identifier: Apache-2.0
//! Reading the rows of one object into the vault.

use super::Run;
use super::ask::{Question, ask};
use super::catalog::{Entry, Parents};
use super::files::Bodies;
use super::report::note_json;
use crate::detours::{Detours, Learned, Wanted};
use crate::error::{Error, Result};
use crate::event::{Event, Gap, Mode, Route};
use crate::note::{CONTENT_OF, Note, Overlap};
use crate::spec::Spec;
use chrono::{DateTime, SecondsFormat, Utc};
use futures::stream::{BoxStream, StreamExt, TryStreamExt};
use orgkeep_salesforce::{Kind as ApiKind, RowStream, Rows, Scope};
use orgkeep_vault::{Batch, BatchStream, Builder, Capture, CaptureKind, Captured, Scan};
use std::borrow::Cow;
use tokio_util::task::AbortOnDropHandle;

/// From so many rows on, a Bulk job costs less than REST pages of 2,000 rows each.
pub(crate) const BULK_ROWS: u64 = 10_000;
/// Ids in one `IN (…)`: well under the limit of a URI, 16 KB.
pub(crate) const IDS_PER_QUERY: usize = 200;

/// How the rows that come are to be understood.
#[derive(Clone, Copy)]
pub(super) struct Reading {
    /// Rows with a stamp from then on; `None` for all rows.
    pub since: Option<DateTime<Utc>>,
    pub route: Route,
    /// The org's clock before it was asked.
    pub asked_at: Option<DateTime<Utc>>,
}

/// Reads one object and commits its rows. An object that refuses is left with its reason. `expected` rows are to come, where that is
/// known.
pub(super) async fn object(run: &Run<'_>, entry: &Entry, expected: Option<u64>) -> Result<()> {
    loop {
        let shown = run.shown(entry);
        match attempt(run, &shown, expected).await {
            Ok(()) => return Ok(()),
            Err(Failure::Withheld { field, words }) if run.withhold(&shown, &field, &words) => {}
            Err(Failure::Refused(reason) | Failure::Withheld { words: reason, .. }) => {
                run.leave(&entry.object, Note::unread(run.mode, reason));
                return Ok(());
            }
            Err(Failure::Stop(error)) => return Err(error),
        }
    }
}

/// Which rows this backup wants of an object; `None` for all.
pub(super) fn condition(run: &Run<'_>, entry: &Entry) -> Option<String> {
    run.since(entry).map(|since| stamp_condition(&entry.spec, since))
}

impl Run<'_> {
    /// From which stamp on an object is read; `None` for all of it.
    pub(super) fn since(&self, entry: &Entry) -> Option<DateTime<Utc>> {
        if self.mode == Mode::Full || entry.reshaped {
            return None;
        }
        entry.spec.stamp.as_ref()?;
        let previous = self.previous?.entry(&entry.object)?;
        let since = previous.note.since()?;
        // A field that the last backup did not have may hold values that moved no stamp.
        entry.spec.is_covered_by(&previous.fields).then_some(since)
    }

    /// What was learned of an object, before and in this backup.
    pub(super) fn learned(&self, object: &str) -> Learned {
        self.learned.lock().expect("no holder of this lock panics").entry(object.to_owned()).or_default().clone()
    }

    /// An object without the fields that the org turned out not to give.
    pub(super) fn shown<'e>(&self, entry: &'e Entry) -> Cow<'e, Entry> {
        let learned = self.learned(&entry.object);
        let mut shown = Cow::Borrowed(entry);
        for (field, words) in &learned.known().fields {
            if shown.spec.position(field).is_some() {
                shown.to_mut().withhold(field, words);
            }
        }
        shown
    }

    /// Whether an object of which nothing is held is asked for by parents of which none are.
    fn has_nothing_below(&self, entry: &Entry) -> bool {
        let none = |parents: &Parents| self.left(parents.object).is_none() && self.held(parents.object) == 0;
        self.goes_by_parents(entry) && entry.parents.as_ref().is_some_and(none) && self.held(&entry.object) == 0
    }

    /// Whether an object is asked for by its parents at once, because it refused anything else the last time.
    pub(super) fn goes_by_parents(&self, entry: &Entry) -> bool {
        let was = |note: &Note| note.route == Route::Parents;
        self.mode == Mode::Incremental && entry.parents.is_some() && self.previous_note(&entry.object).is_some_and(was)
    }

    /// Says which ways were found that were not known `before`.
    fn say_detours(&self, object: &str, before: &Detours) {
        let learned = self.learned(object);
        let known = learned.known();
        let mut found = Vec::new();
        if known.no_bulk && !before.no_bulk {
            found.push("the org gives it by no Bulk job; it is read by REST".to_owned());
        }
        for wanted in [Wanted::Everything, Wanted::Changes] {
            let ranges = known.ranges(wanted);
            if ranges > before.ranges(wanted) {
                found.push(format!("all of it at once is too much for the org; it is read in {ranges} ranges of Ids"));
            }
        }
        for message in found {
            self.say(Event::Notice { message: format!("{object}: {message}"), hint: None });
        }
    }

    /// Goes on without a field that the org does not give. False where that cannot be.
    pub(super) fn withhold(&self, entry: &Entry, field: &str, words: &str) -> bool {
        if entry.spec.without(field).is_none() {
            return false;
        }
        self.say(Event::Notice {
            message: format!("{}: the org does not give {field} any more; its other fields are read", entry.object),
            hint: None,
        });
        let learned = self.learned(&entry.object);
        learned.known().fields.insert(field.to_owned(), words.to_owned());
        true
    }

    /// The org's clock, to the second.
    pub(super) fn org_time(&self) -> Option<DateTime<Utc>> {
        self.org.now().map(DateTime::from)
    }

    /// Live rows as this backup holds them so far.
    pub async fn held_rows(&self, object: &str, columns: &[&str], ids: Option<Vec<String>>) -> Result<BatchStream> {
        // A table made before a field existed has no column for it.
        let known = self.unfinished.schema(object).await?;
        let known = |name: &&&str| known.as_ref().is_some_and(|schema| schema.index(name).is_some());
        let columns = columns.iter().filter(known).map(|name| (*name).to_owned()).collect();
        Ok(self.unfinished.scan(object, Scan { columns: Some(columns), ids, ..Scan::default() }).await?)
    }
}

/// Why an object was not read.
pub(super) enum Failure {
    /// The org refuses this object; the others can go on.
    Refused(String),
    /// It refuses one of the fields.
    Withheld { field: String, words: String },
    /// Nothing can go on.
    Stop(Error),
}

impl<E: Into<Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Failure::Stop(error.into())
    }
}

/// Codes that the org gives for one object while it answers for others; of its own failure too, after it has been asked again.
const OF_ONE_OBJECT: [&str; 7] = [
    "EXCEEDED_ID_LIMIT",
    "FUNCTIONALITY_NOT_ENABLED",
    "OPERATION_NOT_ALLOWED",
    "OPERATION_TOO_LARGE",
    "QUERY_TIMEOUT",
    "REQUEST_RUNNING_TOO_LONG",
    "UNKNOWN_EXCEPTION",
];

/// What the org said of one object is a refusal; what concerns the session, the allowance or the network stops everything.
pub(crate) fn refusal(error: &orgkeep_salesforce::Error) -> Option<String> {
    let code = error.error_code().unwrap_or_default();
    let only_this = match error.kind {
        ApiKind::Invalid | ApiKind::NotFound => true,
        _ => code.starts_with("INSUFFICIENT_ACCESS") || OF_ONE_OBJECT.contains(&code),
    };
    only_this.then(|| error.to_string())
}

/// Why the org refuses one object; an error where that is not what happened.
pub(super) fn refused(error: orgkeep_salesforce::Error) -> Result<String> {
    Ok(refusal(&error).ok_or(error)?)
}

/// Whether several questions in one call may have been too much for an org that answers each of them.
pub(super) fn was_too_much(error: &orgkeep_salesforce::Error) -> bool {
    refusal(error).is_some() || error.kind == ApiKind::Unreachable
}

pub(super) fn or_stop(error: orgkeep_salesforce::Error) -> Failure {
    if let Some(field) = error.unknown_field() {
        return Failure::Withheld { field: field.to_owned(), words: error.to_string() };
    }
    match refusal(&error) {
        Some(reason) => Failure::Refused(reason),
        None => Failure::Stop(error.into()),
    }
}

async fn attempt(run: &Run<'_>, entry: &Entry, expected: Option<u64>) -> Result<(), Failure> {
    let spec = &entry.spec;
    if run.has_nothing_below(entry) {
        run.still(entry, Reading { since: None, route: Route::Parents, asked_at: run.org_time() });
        // The org counts such an object no more than it shows it whole.
        run.count(&spec.object, Ok(run.expected(&spec.object)));
        return Ok(());
    }
    let is_large = spec.body.is_some() || expected.is_none_or(|rows| rows > BULK_ROWS);
    let _alone = if is_large { Some(run.large.lock().await) } else { None };
    let asked_at = run.org_time();
    let learned = run.learned(&spec.object);
    let before = learned.known().clone();
    let (route, stream) = open(run, entry, expected, &learned).await?;
    // What is read by its parents is always read whole: that takes as many queries.
    let since = run.since(entry).filter(|_| route != Route::Parents);
    run.say(Event::ObjectStarted { object: spec.object.clone(), route, rows_expected: expected });
    keep(run, entry, Reading { since, route, asked_at }, stream).await?;
    run.say_detours(&spec.object, &before);
    Ok(())
}

/// Commits rows as they come.
pub(super) async fn keep(run: &Run<'_>, entry: &Entry, reading: Reading, stream: RowStream) -> Result<(), Failure> {
    let spec = &entry.spec;
    let Reading { since, route, asked_at } = reading;
    let kind = match since {
        Some(_) => CaptureKind::Changes,
        None if run.sees_all(&spec.object) => CaptureKind::Everything,
        None => CaptureKind::Shown,
    };
    let capture = run.unfinished.capture(&spec.object, &spec.schema, kind).await?;
    let previous = run.previous_note(&spec.object);
    let mut note = Note {
        route,
        asked_at,
        fields: spec.columns(),
        gaps: match since {
            Some(_) => previous.map(Note::lasting_gaps).unwrap_or_default(),
            None => Vec::new(),
        },
        erased: previous.map_or(0, |note| note.erased),
        unseen: run.unseen(&spec.object),
        high_water: previous.and_then(|note| note.high_water.clone()),
        ..Note::empty(if since.is_some() { Mode::Incremental } else { Mode::Full })
    };
    match since {
        Some(_) => note = note.with_freshness_of(previous),
        None => note.held_at(asked_at, true),
    }
    let unread = spec.unread.iter().map(|field| Gap {
        what: format!("{CONTENT_OF}{field}"),
        reason: "an object's second binary field is not read".into(),
    });
    note.gaps.extend(unread.filter(|_| since.is_none()));
    note.gaps.extend(entry.fields_missed());
    let mut capture = rows(run, spec, capture, stream, &mut note).await?;
    note.detours = run.learned(&spec.object).known().clone();
    if since.is_none() {
        note.erased = capture.erased();
    }
    let doubt = run.doubt(&spec.object, &mut capture);
    let captured = run.heard(&spec.object, &doubt, finish(capture, &note).await)?;
    if since.is_none() {
        note.unseen = captured.unseen;
    }
    run.say(Event::ObjectFinished {
        object: spec.object.clone(),
        route,
        rows_read: note.rows_read,
        added: captured.added,
        changed: captured.changed,
        deleted: captured.deleted,
        rows_held: captured.live,
        rows_in_org: None,
        gaps: note.gaps.clone(),
    });
    run.say_allowance();
    run.settle(captured, note);
    Ok(())
}

/// Holds the rows of a capture against the vault, on a thread of its own: other objects are read meanwhile.
pub(super) async fn finish(capture: Capture, note: &Note) -> Result<Captured> {
    let note = note_json(note);
    Ok(aside(async move { capture.finish(note).await }).await??)
}

/// Does some work on a thread of its own, as long as somebody waits for it.
pub(super) async fn aside<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Result<T> {
    let working = AbortOnDropHandle::new(tokio::spawn(work));
    working.await.map_err(|error| Error::bug(format!("work on another thread ended without an outcome: {error}")))
}

/// The greatest stamp of some rows.
pub(super) fn newest<'r>(spec: &Spec, rows: &'r Rows) -> Option<&'r str> {
    let stamp = spec.position(spec.stamp.as_deref()?)?;
    (0..rows.len()).filter_map(|row| rows.cell(row, stamp)).max()
}

/// Pushes rows into a capture, with the bodies of files that are held, and keeps the greatest stamp and the digest of the overlap.
pub(super) async fn rows<S>(
    run: &Run<'_>,
    spec: &Spec,
    mut capture: Capture,
    mut stream: S,
    note: &mut Note,
) -> Result<Capture, Failure>
where
    S: futures::Stream<Item = orgkeep_salesforce::Result<Rows>> + Unpin,
{
    let stamp = spec.stamp.as_deref().and_then(|stamp| spec.position(stamp));
    let bodies = spec.body.as_ref().map(|body| Bodies::new(run, spec, body));
    let mut overlap = Overlap::of(note.asked_at).filter(|_| stamp.is_some());
    while let Some(rows) = stream.next().await {
        let rows = rows.map_err(or_stop)?;
        let references = match &bodies {
            Some(bodies) => bodies.of(&rows, note).await?,
            None => Vec::new(),
        };
        run.see_images(spec, &rows);
        let batch = batch(spec, &rows, &references);
        let newest = newest(spec, &rows);
        if newest > note.high_water.as_deref() {
            note.high_water = newest.map(str::to_owned);
        }
        note.rows_read += rows.len() as u64;
        note.bytes_read += rows.bytes() as u64;
        if let (Some(overlap), Some(column)) = (&mut overlap, stamp) {
            (0..rows.len()).for_each(|row| overlap.add(rows.cell(row, column), &batch, row));
        }
        capture.push(batch).await?;
        run.say(Event::ObjectProgress { object: spec.object.clone(), rows: note.rows_read, bytes: note.bytes_read });
    }
    note.overlap = overlap.and_then(Overlap::digest);
    Ok(capture)
}

/// Rows as the vault keeps them, each with the reference of its body where the object has bodies.
pub(super) fn batch(spec: &Spec, rows: &Rows, references: &[Option<String>]) -> Batch {
    let deleted = spec.position("IsDeleted");
    let mut builder = Builder::new(&spec.schema);
    for (index, row) in rows.iter().enumerate() {
        let gone = deleted.is_some_and(|column| rows.cell(index, column) == Some("true"));
        let body = spec.body.is_some().then(|| references.get(index).and_then(|reference| reference.as_deref()));
        builder.push(gone, row.chain(body));
    }
    builder.finish()
}

/// What this backup wants of an object, by the cheapest route that the org accepts.
async fn open(
    run: &Run<'_>,
    entry: &Entry,
    expected: Option<u64>,
    learned: &Learned,
) -> Result<(Route, RowStream), Failure> {
    let spec = &entry.spec;
    if let Some(parents) = entry.parents.filter(|_| run.goes_by_parents(entry)) {
        return Ok((Route::Parents, by_parents(run, spec, parents).await?));
    }
    let question = Question::rows(spec, condition(run, entry), Some(Wanted::rows(run.since(entry).is_none())));
    match (ask(run.org, question, expected.is_some_and(|rows| rows > BULK_ROWS), learned).await, entry.parents) {
        (Ok((by_bulk, rows)), _) => Ok((if by_bulk { Route::Bulk } else { Route::Rest }, rows)),
        (Err(error), Some(parents)) if refusal(&error).is_some() => {
            Ok((Route::Parents, by_parents(run, spec, parents).await?))
        }
        (Err(error), _) => Err(or_stop(error)),
    }
}

/// All rows of an object that must be asked for by the Ids of their parents, which this backup has read before.
async fn by_parents(run: &Run<'_>, spec: &Spec, parents: Parents) -> Result<RowStream, Failure> {
    if run.left(parents.object).is_some() {
        let reason = format!("it is read by the Ids of {}, which could not be read", parents.object);
        return Err(Failure::Refused(reason));
    }
    let mut ids = Vec::new();
    let mut batches = run.held_rows(parents.object, &["Id"], None).await?;
    while let Some(batch) = batches.try_next().await? {
        ids.extend((0..batch.len()).map(|row| batch.id(row).to_owned()));
    }
    let (org, spec) = (run.org.clone(), spec.clone());
    let together = if parents.single { 1 } else { IDS_PER_QUERY };
    let groups: Vec<Vec<String>> = ids.chunks(together).map(<[String]>::to_vec).collect();
    let rows: BoxStream<'static, _> = futures::stream::iter(groups)
        .flat_map(move |group| {
            let condition = match &group[..] {
                [id] => format!("{} = '{id}'", parents.field),
                several => in_list(parents.field, several),
            };
            org.query(&spec.select(Some(&condition)), &spec.fields, scope(&spec))
        })
        .boxed();
    Ok(rows)
}

/// `field IN ('…', '…')`; Ids need no escapes.
pub(crate) fn in_list(field: &str, ids: &[impl AsRef<str>]) -> String {
    let quoted: Vec<String> = ids.iter().map(|id| format!("'{}'", id.as_ref())).collect();
    format!("{field} IN ({})", quoted.join(", "))
}

pub(super) fn stamp_condition(spec: &Spec, since: DateTime<Utc>) -> String {
    let stamp = spec.stamp.as_deref().expect("an object without a stamp is read whole");
    format!("{stamp} >= {}", since.to_rfc3339_opts(SecondsFormat::Millis, true))
}

/// Deleted and archived rows come too where the object tells them apart.
pub(super) fn scope(spec: &Spec) -> Scope {
    if spec.soft_deletes { Scope::All } else { Scope::Live }
}

/// Where an object that moved while it was read is read on from.
pub(super) fn resume_condition(spec: &Spec, note: &Note) -> Option<String> {
    spec.stamp.as_ref()?;
    Some(stamp_condition(spec, note.since()?))
}
