// SPDX-License-Identifier: Apache-2.0
//! Reading the rows of one object into the vault.

use super::Run;
use super::catalog::{Entry, Parents};
use super::files::Bodies;
use super::report::note_json;
use crate::error::{Error, Result};
use crate::event::{Event, Gap, Mode, Route};
use crate::note::Note;
use crate::spec::Spec;
use chrono::{DateTime, Duration, SecondsFormat, Utc};
use futures::stream::{BoxStream, StreamExt, TryStreamExt};
use orgkeep_salesforce::{Kind as ApiKind, Org, RowStream, Rows, Scope};
use orgkeep_vault::{BatchStream, Builder, Capture, CaptureKind, Scan};

/// From so many rows on, a Bulk job costs less than REST pages of 2,000 rows each.
pub(crate) const BULK_ROWS: u64 = 10_000;
/// A record becomes visible when its transaction commits, which may be minutes after its SystemModstamp
/// (`salesforce-api.md` 6.10).
const OVERLAP: Duration = Duration::minutes(15);
/// Ids in one `IN (…)`: well under the limit of a URI, 16 KB.
pub(crate) const IDS_PER_QUERY: usize = 200;

/// Reads one object and commits its rows. An object that refuses is left with its reason.
pub(super) async fn object(run: &Run<'_>, entry: &Entry, in_org: Option<u64>) -> Result<()> {
    let object = &entry.object;
    if run.done(object).is_some() || (in_org == Some(0) && run.held(object) == 0 && run.mode_of(entry).is_none()) {
        return Ok(());
    }
    match attempt(run, entry, in_org).await {
        Ok(()) => Ok(()),
        Err(Failure::Refused(reason)) => {
            run.leave(object, Note::unread(run.mode, reason, None));
            Ok(())
        }
        Err(Failure::Stop(error)) => Err(error),
    }
}

impl Run<'_> {
    /// From which stamp on an object is read; `None` for all of it.
    fn mode_of(&self, entry: &Entry) -> Option<DateTime<Utc>> {
        if self.mode == Mode::Full {
            return None;
        }
        entry.spec.stamp.as_ref()?;
        let note = self.previous_note(&entry.object)?;
        // A field that the last backup did not have may hold values that moved no stamp.
        let previous = self.previous?.entry(&entry.object)?;
        let known = entry.spec.schema.columns().iter().all(|column| previous.fields.contains(&column.name));
        let high_water = DateTime::parse_from_rfc3339(note.high_water.as_deref()?).ok()?.to_utc();
        known.then_some(high_water - OVERLAP)
    }
}

impl Run<'_> {
    /// Live rows as this backup holds them so far.
    pub async fn held_rows(&self, object: &str, columns: &[&str], ids: Option<Vec<String>>) -> Result<BatchStream> {
        // A table made before a field existed has no column for it.
        let mut held = self.unfinished.scan(object, Scan { ids: ids.clone(), ..Scan::default() }).await?;
        let Some(first) = held.try_next().await? else { return Ok(held) };
        let known: Vec<String> =
            columns.iter().filter(|name| first.column_index(name).is_some()).map(|name| (*name).to_owned()).collect();
        Ok(self.unfinished.scan(object, Scan { columns: Some(known), ids, ..Scan::default() }).await?)
    }
}

impl Entry {
    /// Keeps the describe in the vault, once per content.
    pub async fn keep_describe(&self, run: &Run<'_>) -> Result<String> {
        Ok(run.unfinished.put_document(&self.object, self.describe.raw.to_string().as_bytes()).await?.0)
    }
}

/// Why an object was not read.
pub(super) enum Failure {
    /// The org refuses this object; the others can go on.
    Refused(String),
    /// Nothing can go on.
    Stop(Error),
}

impl<E: Into<Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Failure::Stop(error.into())
    }
}

/// What the org said of one object is a refusal; what concerns the session, the allowance or the network stops everything.
pub(crate) fn refusal(error: &orgkeep_salesforce::Error) -> Option<String> {
    let only_this = match error.kind {
        ApiKind::Invalid | ApiKind::NotFound => true,
        ApiKind::Denied => error.error_code().is_some_and(|code| code.starts_with("INSUFFICIENT_ACCESS")),
        _ => false,
    };
    only_this.then(|| error.to_string())
}

impl Failure {
    /// Where there is no going on without the rows.
    pub(super) fn into_error(self) -> Error {
        match self {
            Failure::Refused(reason) => {
                Error::new(crate::Kind::Busy, format!("an object refused to be read again: {reason}"))
                    .hint("run the backup again; it continues")
            }
            Failure::Stop(error) => error,
        }
    }
}

fn or_stop(error: orgkeep_salesforce::Error) -> Failure {
    match refusal(&error) {
        Some(reason) => Failure::Refused(reason),
        None => Failure::Stop(error.into()),
    }
}

async fn attempt(run: &Run<'_>, entry: &Entry, in_org: Option<u64>) -> Result<(), Failure> {
    let spec = &entry.spec;
    let since = run.mode_of(entry);
    let condition = since.map(|since| stamp_condition(spec, since));
    let expected = match (&condition, in_org) {
        (Some(condition), Some(rows)) if rows > BULK_ROWS => {
            Some(run.org.count(&spec.object, Some(condition), scope(spec)).await.map_err(or_stop)?)
        }
        (Some(_), _) => None,
        (None, rows) => rows,
    };
    let is_large = spec.body.is_some() || in_org.is_none_or(|rows| rows > BULK_ROWS);
    let _alone = if is_large { Some(run.large.lock().await) } else { None };
    let (route, stream) = open(run, entry, condition.as_deref(), expected).await?;
    run.say(Event::ObjectStarted { object: spec.object.clone(), route, rows_expected: expected });

    let kind = if since.is_some() { CaptureKind::Changes } else { CaptureKind::Everything };
    let describe = entry.keep_describe(run).await?;
    let capture = run.unfinished.capture(&spec.object, &spec.schema, kind).await?;
    let previous = run.previous_note(&spec.object);
    let mut note = Note {
        mode: if since.is_some() { Mode::Incremental } else { Mode::Full },
        route,
        high_water: previous.as_ref().and_then(|note| note.high_water.clone()),
        rows_in_org: None,
        rows_read: 0,
        vanished: 0,
        gaps: spec
            .unread
            .iter()
            .map(|field| Gap {
                what: format!("the content of {field}"),
                reason: "an object's second binary field is not read".into(),
            })
            .collect(),
        describe: Some(describe),
        files: 0,
        file_bytes: 0,
        bytes_read: 0,
    };
    let capture = rows(run, spec, capture, stream, &mut note).await?;
    let captured = capture.finish(note_json(&note)).await?;
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

/// Pushes rows into a capture, bodies of files first, and keeps the greatest stamp.
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
    let deleted = spec.position("IsDeleted");
    let stamp = spec.stamp.as_deref().and_then(|stamp| spec.position(stamp));
    let mut bodies = match &spec.body {
        Some(body) => Some(Bodies::new(run, spec, body).await?),
        None => None,
    };
    while let Some(rows) = stream.next().await {
        let rows = rows.map_err(or_stop)?;
        run.renew_lock().await?;
        let references = match &mut bodies {
            Some(bodies) => bodies.of(&rows, note).await?,
            None => Vec::new(),
        };
        let mut builder = Builder::new(&spec.schema);
        for (index, row) in rows.iter().enumerate() {
            let gone = deleted.is_some_and(|column| rows.cell(index, column) == Some("true"));
            let body = spec.body.is_some().then(|| references.get(index).and_then(|reference| reference.as_deref()));
            builder.push(gone, row.chain(body));
            if let Some(stamp) = stamp.and_then(|column| rows.cell(index, column))
                && note.high_water.as_deref().is_none_or(|highest| stamp > highest)
            {
                note.high_water = Some(stamp.to_owned());
            }
        }
        note.rows_read += rows.len() as u64;
        note.bytes_read += rows.bytes() as u64;
        capture.push(builder.finish()).await?;
        run.say(Event::ObjectProgress { object: spec.object.clone(), rows: note.rows_read, bytes: note.bytes_read });
    }
    if let Some(bodies) = bodies {
        bodies.commit().await?;
    }
    Ok(capture)
}

/// Rows of an object that the condition selects, by the cheapest route that the org accepts.
async fn open(
    run: &Run<'_>,
    entry: &Entry,
    condition: Option<&str>,
    expected: Option<u64>,
) -> Result<(Route, RowStream), Failure> {
    let spec = &entry.spec;
    let soql = spec.select(condition);
    if expected.is_some_and(|rows| rows > BULK_ROWS) {
        match bulk(run.org, &soql, scope(spec)).await {
            Ok(rows) => return Ok((Route::Bulk, rows)),
            Err(error) if refusal(&error).is_some() => {}
            Err(error) => return Err(Failure::Stop(error.into())),
        }
    }
    let mut rows = run.org.query(&soql, &spec.fields, scope(spec)).peekable();
    match (std::pin::Pin::new(&mut rows).peek().await, entry.parents) {
        (Some(Err(error)), Some(parents)) if refusal(error).is_some() => {
            Ok((Route::Parents, by_parents(run, spec, parents, condition).await?))
        }
        _ => Ok((Route::Rest, rows.boxed())),
    }
}

async fn bulk(org: &Org, soql: &str, scope: Scope) -> orgkeep_salesforce::Result<RowStream> {
    let job = org.bulk_query(soql, scope).await?;
    job.wait(&mut |_| {}).await?;
    Ok(job.rows())
}

/// Rows of an object that must be asked for by the Ids of their parents, which this backup has read before.
async fn by_parents(
    run: &Run<'_>,
    spec: &Spec,
    parents: Parents,
    condition: Option<&str>,
) -> Result<RowStream, Failure> {
    let mut ids = Vec::new();
    let mut batches = run.held_rows(parents.object, &["Id"], None).await?;
    while let Some(batch) = batches.try_next().await? {
        ids.extend((0..batch.len()).map(|row| batch.id(row).to_owned()));
    }
    let (org, spec) = (run.org.clone(), spec.clone());
    let condition = condition.map(|condition| format!(" AND {condition}")).unwrap_or_default();
    let groups: Vec<Vec<String>> = ids.chunks(IDS_PER_QUERY).map(<[String]>::to_vec).collect();
    let rows: BoxStream<'static, _> = futures::stream::iter(groups)
        .flat_map(move |group| {
            let list = format!("{}{condition}", in_list(parents.field, &group));
            org.query(&spec.select(Some(&list)), &spec.fields, scope(&spec))
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

/// Where an interrupted or moved object is read on from.
pub(super) fn resume_condition(spec: &Spec, note: &Note) -> Option<String> {
    let high_water = DateTime::parse_from_rfc3339(note.high_water.as_deref()?).ok()?.to_utc();
    spec.stamp.as_ref()?;
    Some(stamp_condition(spec, high_water - OVERLAP))
}
