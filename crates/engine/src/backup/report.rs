// SPDX-License-Identifier: Apache-2.0
//! What a backup came to: the engine's part of its manifest, and the same for people.

use super::Run;
use super::catalog::{self, Catalog};
use super::hidden::Hidden;
use super::sight::Sight;
use crate::error::Result;
use crate::event::{Event, Gap, Mode, Route, State};
use crate::note::Note;
use crate::point::{Content, DescribedAt, Entry, Point};
use chrono::{DateTime, Utc};
use orgkeep_vault::{ManifestDraft, OrgVault};
use serde::Serialize;
use std::collections::BTreeMap;

/// An object at a backup: what the org had, what the vault holds, and why they differ.
#[derive(Clone, Debug, Serialize)]
pub struct ObjectLine {
    pub object: String,
    pub route: Route,
    pub state: State,
    /// As the org counted them; `None` where it did not.
    pub rows_in_org: Option<u64>,
    pub rows_held: u64,
    pub added: u64,
    pub changed: u64,
    pub deleted: u64,
    /// Among the deleted, rows that left no trace in the recycle bin.
    pub vanished: u64,
    /// Rows in the org that were erased here and are not kept.
    pub erased: u64,
    /// Rows held that the org did not show to the user who backed up, and that may be deleted.
    pub rows_unseen: u64,
    /// Bodies of files that are still to be fetched, and their bytes.
    pub files_left: u64,
    pub file_bytes_left: u64,
    pub gaps: Vec<Gap>,
}

/// A finished backup.
#[derive(Clone, Debug, Serialize)]
pub struct BackupLine {
    pub sequence: u64,
    pub mode: Mode,
    pub state: State,
    pub started: DateTime<Utc>,
    pub finished: DateTime<Utc>,
    pub objects: usize,
    /// Rows live in the vault's state.
    pub rows: u64,
    pub added: u64,
    pub changed: u64,
    pub deleted: u64,
    /// Bodies of files fetched.
    pub files: u64,
    /// Bytes of data files added to the vault.
    pub bytes: u64,
    pub calls: u64,
}

/// A finished backup with all its objects.
#[derive(Clone, Debug, Serialize)]
pub struct BackupReport {
    #[serde(flatten)]
    pub line: BackupLine,
    pub objects: Vec<ObjectLine>,
    /// Objects that have no rows to read, with the reason.
    pub without_rows: BTreeMap<String, String>,
    pub calls_by_family: BTreeMap<String, u64>,
}

impl BackupReport {
    pub(super) fn new(point: Point) -> BackupReport {
        BackupReport {
            line: BackupLine::new(&point),
            objects: lines(&point),
            without_rows: point.content.without_rows,
            calls_by_family: point.content.calls,
        }
    }

    pub(super) fn event(&self) -> Event {
        let line = &self.line;
        Event::BackupFinished {
            sequence: line.sequence,
            state: line.state,
            objects: line.objects,
            rows: line.rows,
            added: line.added,
            changed: line.changed,
            deleted: line.deleted,
            files: line.files,
            bytes: line.bytes,
            calls: line.calls,
        }
    }
}

impl BackupLine {
    fn new(point: &Point) -> BackupLine {
        let entries = || point.content.objects.values();
        BackupLine {
            sequence: point.sequence,
            mode: point.content.mode,
            state: point.content.state,
            started: point.started,
            finished: point.finished,
            objects: point.content.objects.len(),
            rows: entries().map(|entry| entry.live).sum(),
            added: entries().map(|entry| entry.added).sum(),
            changed: entries().map(|entry| entry.changed).sum(),
            deleted: entries().map(|entry| entry.deleted).sum(),
            files: entries().map(|entry| entry.note.files).sum(),
            bytes: point.bytes,
            calls: point.content.calls.values().sum(),
        }
    }
}

impl ObjectLine {
    pub(crate) fn new(object: &str, entry: &Entry) -> ObjectLine {
        ObjectLine {
            object: object.to_owned(),
            route: entry.note.route,
            state: entry.state,
            rows_in_org: entry.note.rows_in_org,
            rows_held: entry.live,
            added: entry.added,
            changed: entry.changed,
            deleted: entry.deleted,
            vanished: entry.note.vanished,
            erased: entry.note.erased,
            rows_unseen: entry.note.unseen,
            files_left: entry.note.left + entry.note.images_left.unwrap_or(0),
            file_bytes_left: entry.note.left_bytes,
            gaps: entry.note.gaps.clone(),
        }
    }
}

fn lines(point: &Point) -> Vec<ObjectLine> {
    point.content.objects.iter().map(|(object, entry)| ObjectLine::new(object, entry)).collect()
}

/// All finished backups of an org, oldest first.
///
/// # Errors
/// `Corrupt` where the chain of manifests is broken.
pub async fn backups(vault: &OrgVault) -> Result<Vec<BackupLine>> {
    let erasures = vault.erased().await?;
    let line = |point: &Point| {
        let objects = point.content.objects.keys();
        let erased: u64 = objects.map(|object| erasures.live(object, point.sequence)).sum();
        let line = BackupLine::new(point);
        BackupLine { rows: line.rows.saturating_sub(erased), ..line }
    };
    Ok(Point::all(vault).await?.iter().map(line).collect())
}

/// The objects of a backup, or of the newest one.
///
/// # Errors
/// `NotFound` for a backup that is not there.
pub async fn objects(vault: &OrgVault, at: Option<u64>) -> Result<Vec<ObjectLine>> {
    Ok(lines(&Point::at(vault, at).await?))
}

pub(super) fn note_json(note: &Note) -> serde_json::Value {
    serde_json::to_value(note).expect("a note has only text keys")
}

/// What the manifest will say: every object of the catalog, read in this backup or carried over from the one before.
pub(super) fn draft(
    run: &Run<'_>,
    catalog: &Catalog,
    described: Option<DescribedAt>,
    hidden: Hidden,
    started: DateTime<Utc>,
    finished: DateTime<Utc>,
) -> Result<ManifestDraft> {
    let mut objects: BTreeMap<String, Entry> = BTreeMap::new();
    for entry in &catalog.entries {
        objects.insert(entry.object.clone(), object(run, &entry.object, fields(run, entry)));
    }
    for (name, reason) in &catalog.refused {
        objects.insert(name.clone(), carried(run, name, reason));
    }
    // Rows of an object that the org no longer shows stay readable; the backup says so.
    for (name, before) in run.previous.iter().flat_map(|point| &point.content.objects) {
        if before.live > 0 && !objects.contains_key(name) {
            let reason = "the org no longer shows this object; the rows are those of the backup before";
            objects.insert(name.clone(), carried(run, name, reason));
        }
    }
    hidden.tell(&mut objects);
    let state = objects.values().map(|entry| entry.state).max().unwrap_or(State::Green);
    let sight = run.sight.lock().expect("no holder of this lock panics").clone();
    let state = state.max(hidden.state()).max(sight.state());
    let calls = run.calls();
    let without_rows = catalog.without_rows.iter().cloned().collect();
    let (hidden, sight) = (Some(hidden), Some(sight));
    let content = Content { mode: run.mode, state, objects, without_rows, calls, described, hidden, sight };
    let content = serde_json::to_value(&content).expect("the content of a manifest has only text keys");
    Ok(ManifestDraft { started_at: started, finished_at: finished, content })
}

/// An object that was not read, as the backup before left it.
fn carried(run: &Run<'_>, name: &str, reason: &str) -> Entry {
    let before = run.previous.and_then(|point| point.entry(name));
    // Bodies of files that were left behind are asked for when the object is read again.
    let (left, left_bytes) = before.map_or((0, 0), |entry| (entry.note.left, entry.note.left_bytes));
    let unseen = before.map_or(0, |entry| entry.note.unseen);
    let images_left = before.and_then(|entry| entry.note.images_left);
    Entry {
        note: Note { left, left_bytes, unseen, images_left, ..Note::unread(run.mode, reason) },
        state: State::Yellow,
        live: run.live(name),
        added: 0,
        changed: 0,
        deleted: 0,
        digest: digest_before(run, name),
        fields: before.map(|entry| entry.fields.clone()).unwrap_or_default(),
    }
}

/// The fields whose values the rows have: for an object that was not read in this backup, those it had before.
fn fields(run: &Run<'_>, entry: &catalog::Entry) -> Vec<String> {
    let before = || run.previous.and_then(|point| point.entry(&entry.object)).map(|before| before.fields.clone());
    match (run.done(&entry.object), run.left(&entry.object)) {
        (Some((_, note)), _) => note.fields,
        (None, Some(_)) => before().unwrap_or_default(),
        (None, None) => entry.spec.columns(),
    }
}

/// The digest that the backup before had of an object, less what was erased since; empty for one that had none.
fn digest_before(run: &Run<'_>, name: &str) -> String {
    let Some((point, entry)) = run.previous.and_then(|point| Some((point, point.entry(name)?))) else {
        return String::new();
    };
    let adjusted = run.unfinished.erasures().adjusted(name, point.sequence, entry.live, &entry.digest);
    adjusted.map_or_else(|_| entry.digest.clone(), |(_, digest)| digest)
}

fn object(run: &Run<'_>, name: &str, fields: Vec<String>) -> Entry {
    let before = run.previous.and_then(|point| point.entry(name));
    let live = run.live(name);
    let digest = digest_before(run, name);
    let (mut note, counts, digest) = match (run.done(name), run.left(name)) {
        (Some((captured, mut note)), left) => {
            let counts = (captured.added, captured.changed, captured.deleted);
            // Read in part before an interruption, and refused after it.
            note.gaps.extend(left.into_iter().flat_map(|left| left.gaps));
            (note, counts, captured.digest)
        }
        (None, Some(mut note)) => {
            let before = before.map(|entry| &entry.note);
            note = note.with_freshness_of(before);
            note.asked_at = before.and_then(|note| note.asked_at);
            note.high_water = before.and_then(|note| note.high_water.clone());
            note.unseen = before.map_or(0, |note| note.unseen);
            note.images_left = before.and_then(|note| note.images_left);
            (note, (0, 0, 0), digest)
        }
        // Nothing new, or no rows in the org and none held.
        (None, None) => (run.looked(name).unwrap_or_else(|| Note::empty(run.mode)), (0, 0, 0), digest),
    };
    note.detours = run.learned(name).known().clone();
    if note.unseen > 0 {
        note.gaps.push(Sight::gap(name, note.unseen));
    }
    match run.counted(name) {
        Some(Ok(rows)) => {
            note.rows_in_org = Some(rows);
            if rows + note.unseen != live + note.erased {
                note.gaps.push(Gap {
                    what: format!("{} rows", rows.abs_diff(live)),
                    reason: format!("the org counts {rows} and the vault {live}, also after reading again"),
                });
            }
        }
        Some(Err(gap)) => note.gaps.push(gap),
        None => {}
    }
    let state = note.state(live);
    let (added, changed, deleted) = counts;
    Entry { note, state, live, added, changed, deleted, digest, fields }
}
