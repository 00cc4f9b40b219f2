// SPDX-License-Identifier: Apache-2.0
//! Backing up an org: read what it lets be read, keep what is new, count, and say what is missing.
//!
//! An incremental backup asks each object for the rows whose stamp is not older than the newest one held, less an
//! overlap, deleted ones included; the vault recognises rows it already has. Objects that were quiet of late are asked for a count and
//! the newest stamp first (`quiet`). Hard deletes leave no trace in such an answer, so
//! afterwards the org counts the live rows of every object. Where its count is not the vault's, the object is read again from
//! where it was left (the org may have moved) and then all Ids are held side by side. A full backup reads
//! every row of every object, which also finds changed formula values, since those move no stamp.
//!
//! The rows of an object become durable in one commit that carries the note of how they were read. An interrupted backup is
//! continued under its number and does not read an object twice that has its commit. Nobody sees any of it before
//! the manifest is written, which is the last step.
//!
//! What no longer comes is believed to be gone only of objects that the user is shown as a whole (`sight`).
//!
//! Not promised: a single point in time over all objects. Salesforce offers none; the manifest says when it began and ended.

mod ask;
mod bodies;
mod catalog;
mod count;
mod files;
mod hidden;
mod ids;
mod images;
mod quiet;
mod read;
mod reconcile;
mod report;
mod several;
mod sight;
mod watch;

pub(crate) use catalog::{Catalog, no_rows as without_rows};
pub(crate) use count::counts;
pub(crate) use files::hash_of;
pub(crate) use hidden::{HIDDEN, Hidden, INVISIBLE};
pub(crate) use read::{BULK_ROWS, IDS_PER_QUERY, in_list, refusal};
pub use report::{BackupLine, BackupReport, ObjectLine, backups, objects};
pub use sight::TO_DO as TO_SEE_ALL;
pub(crate) use sight::{QUERY_ALL_FILES, Sight, UNSEEN};

use crate::detours::Learned;
use crate::error::{Error, Result};
use crate::event::{Clock, Event, Gap, Mode, Monitor};
use crate::note::Note;
use crate::point::{DescribedAt, Point};
use catalog::{Entry, Known};
use chrono::TimeDelta;
use futures::stream::{StreamExt, TryStreamExt};
use orgkeep_salesforce::Org;
use orgkeep_vault::{CaptureKind, Captured, Lock, Lost, OrgVault, Unfinished};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use watch::Watch;

/// When the Ids of an object, and the values of its formulas, are held against those of the org, though they seem to agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reconcile {
    Never,
    Now,
    /// When they were last held so long ago.
    After(TimeDelta),
}

/// How a backup is to be taken.
#[derive(Clone, Debug)]
pub struct BackupOptions {
    /// Read every row again instead of those that changed.
    pub full: bool,
    /// In an incremental one.
    pub reconcile: Reconcile,
    /// Who takes it, for the message somebody else gets meanwhile.
    pub holder: String,
    /// Objects read at the same time.
    pub parallel_objects: usize,
    /// Images in rich text and bodies of files are fetched up to so many bytes, files newest first; `None` for all of them.
    pub file_budget_bytes: Option<u64>,
}

impl Default for BackupOptions {
    fn default() -> Self {
        Self {
            full: false,
            reconcile: Reconcile::After(TimeDelta::days(7)),
            holder: "orgkeep".into(),
            parallel_objects: 2,
            file_budget_bytes: None,
        }
    }
}

/// One backup under way.
pub(crate) struct Run<'a> {
    pub org: &'a Org,
    pub unfinished: &'a Unfinished,
    pub previous: Option<&'a Point>,
    pub mode: Mode,
    pub monitor: &'a dyn Monitor,
    /// Held while a large object is read, because sorting and writing its rows takes most of a backup's memory.
    pub large: tokio::sync::Mutex<()>,
    /// Calls that this connection had made before.
    calls_before: BTreeMap<&'static str, u64>,
    /// What has its commit in this backup: before an interruption, or now.
    outcomes: Mutex<BTreeMap<String, (Captured, Note)>>,
    /// What was not read, with the note that says why.
    unread: Mutex<BTreeMap<String, Note>>,
    /// What was asked for and had nothing new.
    looked: Mutex<BTreeMap<String, Note>>,
    /// Rows that were read and want the body of a file, by object.
    wanting: Mutex<BTreeMap<String, Vec<String>>>,
    /// What the org refused of each object, and the ways around it.
    learned: Mutex<BTreeMap<String, Learned>>,
    /// Live rows as the org counts them, or why it does not.
    counts: Mutex<BTreeMap<String, Result<u64, Gap>>>,
    /// What the user is shown.
    sight: Mutex<Sight>,
    /// Images in rich text of rows that were read, by object.
    images: Mutex<images::ByObject>,
    /// Objects that an interrupted run of this backup has read.
    resumed: images::Resumed,
}

impl Run<'_> {
    /// The note of an object in the backup before this one.
    pub fn previous_note(&self, object: &str) -> Option<&Note> {
        Some(&self.previous?.entry(object)?.note)
    }

    /// Rows of an object that the vault holds as live, in this backup or, where it has not been touched, in the one before.
    pub fn held(&self, object: &str) -> u64 {
        let outcomes = self.outcomes.lock().expect("no holder of this lock panics");
        match outcomes.get(object) {
            Some((captured, _)) => captured.live,
            None => self.previous.and_then(|point| point.entry(object)).map_or(0, |entry| entry.live),
        }
    }

    pub fn done(&self, object: &str) -> Option<(Captured, Note)> {
        self.outcomes.lock().expect("no holder of this lock panics").get(object).cloned()
    }

    /// Whether this backup has committed the rows of an object, with all its fields: an interrupted run may have seen fewer.
    /// A full backup reads again what was read incrementally.
    fn has_read(&self, entry: &Entry) -> bool {
        let enough = |note: &Note| self.mode == Mode::Incremental || note.mode == Mode::Full;
        self.done(&entry.object).is_some_and(|(_, note)| enough(&note) && entry.spec.is_covered_by(&note.fields))
    }

    pub fn settle(&self, captured: Captured, note: Note) {
        self.outcomes.lock().expect("no holder of this lock panics").insert(captured.object.clone(), (captured, note));
    }

    pub fn leave(&self, object: &str, note: Note) {
        self.unread.lock().expect("no holder of this lock panics").insert(object.to_owned(), note);
    }

    pub fn left(&self, object: &str) -> Option<Note> {
        self.unread.lock().expect("no holder of this lock panics").get(object).cloned()
    }

    fn looked(&self, object: &str) -> Option<Note> {
        self.looked.lock().expect("no holder of this lock panics").get(object).cloned()
    }

    /// Changes what is noted of an object.
    fn amend(&self, entry: &Entry, change: impl FnOnce(&mut Note)) {
        if let Some((_, note)) = self.outcomes.lock().expect("no holder of this lock panics").get_mut(&entry.object) {
            return change(note);
        }
        if let Some(note) = self.unread.lock().expect("no holder of this lock panics").get_mut(&entry.object) {
            return change(note);
        }
        let mut note = self.note_to_extend(entry);
        change(&mut note);
        self.looked.lock().expect("no holder of this lock panics").insert(entry.object.clone(), note);
    }

    pub fn counted(&self, object: &str) -> Option<Result<u64, Gap>> {
        self.counts.lock().expect("no holder of this lock panics").get(object).cloned()
    }

    /// Notes the org's count of an object.
    pub fn count(&self, object: &str, count: Result<u64, Gap>) {
        self.counts.lock().expect("no holder of this lock panics").insert(object.to_owned(), count);
    }

    pub fn say(&self, event: Event) {
        self.monitor.event(&event);
    }

    /// API calls of this backup, by family.
    pub fn calls(&self) -> BTreeMap<String, u64> {
        let before = |family: &str| self.calls_before.get(family).copied().unwrap_or_default();
        self.org.usage().calls.iter().map(|(family, calls)| ((*family).to_owned(), calls - before(family))).collect()
    }

    pub fn say_allowance(&self) {
        let usage = self.org.usage();
        self.say(Event::Allowance {
            calls: self.calls().values().sum(),
            org_used: usage.org_used,
            org_max: usage.org_max,
        });
    }
}

/// Takes a backup, or continues one that was interrupted.
///
/// # Errors
/// `Busy` while somebody else backs up the same org into the same vault; `Denied`, `Limited` and `Unreachable` as the org says, after
/// which the next backup continues where this one stopped. What one object refuses is no error but a gap in the coverage.
pub async fn backup(
    org: &Org,
    vault: &OrgVault,
    options: &BackupOptions,
    clock: &dyn Clock,
    monitor: &dyn Monitor,
) -> Result<BackupReport> {
    // 1. One writer per org.
    let lock = vault.lock(&options.holder, clock.now()).await?;
    let watch = Watch::new(org, &lock, clock, monitor);
    let report = watch.over(Box::pin(take(org, vault, options, &lock, clock, monitor))).await;
    // Where this fails too, the lease runs out by itself; the reason why the backup failed is what matters.
    let released = lock.release().await;
    let report = report?;
    released?;
    monitor.event(&report.event());
    Ok(report)
}

async fn take(
    org: &Org,
    vault: &OrgVault,
    options: &BackupOptions,
    lock: &Lock,
    clock: &dyn Clock,
    monitor: &dyn Monitor,
) -> Result<BackupReport> {
    let started = clock.now();
    let calls_before = org.usage().calls;

    // 2. An interrupted backup is continued under its number.
    let previous = vault.newest().await?.map(Point::of).transpose()?;
    let unfinished = vault.begin(lock).await?;
    let mode = if options.full || previous.is_none() { Mode::Full } else { Mode::Incremental };

    // 3. What the org has and how each object can be read.
    let before = match &previous {
        Some(point) => point.described(vault, mode, org.now().map(chrono::DateTime::from)).await?,
        None => None,
    };
    let known = before
        .zip(previous.as_ref())
        .map(|((outlines, asked_at), previous)| Known::of(outlines, asked_at, &previous.content));
    let mut catalog = Catalog::inspect(org, known.as_ref()).await?;
    let sent: BTreeSet<String> = catalog.describes.objects().map(str::to_owned).collect();
    let as_before = known.as_ref().is_some_and(|known| catalog.is_as(known));
    if let Some(point) = previous.as_ref().filter(|_| !as_before)
        && let Some(before) = point.describes(vault).await?
    {
        catalog.complete(&before);
        catalog.compare(&before, point.sequence)?;
    }
    // What a check has found damaged is taken out of the vault, and read again from the org.
    for lost in unfinished.quarantine().await? {
        catalog.read_whole(&lost.object);
        monitor.event(&lost_notice(&lost));
    }
    let bodies_lost = unfinished.quarantine_bodies().await?;
    let sight = Sight::ask(org).await?;
    let outcomes = continued(&unfinished)?;
    let resumed = outcomes.keys().cloned().collect();
    let learned = learned(mode, previous.as_ref(), &outcomes);
    let run = Run {
        org,
        unfinished: &unfinished,
        previous: previous.as_ref(),
        mode,
        monitor,
        large: tokio::sync::Mutex::new(()),
        calls_before,
        outcomes: Mutex::new(outcomes),
        unread: Mutex::default(),
        looked: Mutex::default(),
        wanting: Mutex::default(),
        learned: Mutex::new(learned),
        counts: Mutex::default(),
        sight: Mutex::new(sight),
        images: Mutex::default(),
        resumed,
    };
    let continued = !run.outcomes.lock().expect("no holder of this lock panics").is_empty();
    run.say(Event::BackupStarted {
        org: org.identity().org_id.clone(),
        sequence: unfinished.sequence(),
        mode,
        continued,
        objects: catalog.entries.len(),
    });
    run.say_sight();

    // 4. Rows.
    for entry in &mut catalog.entries {
        if let Cow::Owned(shown) = run.shown(entry) {
            *entry = shown;
        }
    }
    let (first, later): (Vec<&Entry>, Vec<&Entry>) = catalog.entries.iter().partition(|entry| entry.parents.is_none());
    for group in [first, later] {
        rows(&run, group, options).await?;
    }

    // 5. The Ids of objects that are due, and then the org's count of every object, against the vault's; what differs is looked into.
    ids::due(&run, &catalog, options.reconcile).await?;
    reconcile::counts(&run, &catalog).await?;

    // 6. Images in rich text and the bodies of files that are not held yet.
    let spent = images::fetch(&run, &catalog, bodies_lost, options.file_budget_bytes).await?;
    let budget = options.file_budget_bytes.map(|budget| budget.saturating_sub(spent));
    bodies::fetch(&run, &catalog, bodies_lost, budget).await?;

    // 7. What the org does not show.
    hidden::files(&run, &catalog).await?;
    let hidden = hidden::fields(&run, &catalog, &sent, known.is_some()).await?;

    // 8. The manifest, which makes it a backup.
    let described = describes(&run, &catalog, known.is_some(), as_before).await?;
    let draft = report::draft(&run, &catalog, described, hidden, started, clock.now())?;
    drop(run);
    Ok(BackupReport::new(Point::of(unfinished.finish(draft).await?)?))
}

fn lost_notice(lost: &Lost) -> Event {
    let ids = lost.ids.as_ref().map_or(String::new(), |(low, high)| format!(" from {low} to {high}"));
    Event::Notice {
        message: format!(
            "a damaged file with {} versions of {} records{ids} was taken out; backups {} to {} lack those that were captured in it",
            lost.rows,
            lost.object,
            lost.from,
            lost.mended - 1
        ),
        hint: Some("what the org still has is read again now; older versions are in copies of the vault only".into()),
    }
}

/// Keeps the describes unless they are `as_before`. Those of objects that the org no longer shows stay as long as rows of them are held.
/// `in_part` says that the org was asked only for what had changed.
async fn describes(run: &Run<'_>, catalog: &Catalog, in_part: bool, as_before: bool) -> Result<Option<DescribedAt>> {
    let before = run.previous.and_then(|point| point.content.described.as_ref());
    let whole_at = match before.filter(|_| in_part) {
        Some(before) => before.whole_at,
        None => catalog.asked_at,
    };
    if let Some(before) = before.filter(|_| as_before) {
        return Ok(Some(DescribedAt { asked_at: catalog.asked_at, whole_at, ..before.clone() }));
    }
    let mut describes = std::borrow::Cow::Borrowed(&catalog.describes);
    let vanished: Vec<&String> = match run.previous {
        Some(point) => point.filled().filter(|object| catalog.entry(object).is_none()).collect(),
        None => Vec::new(),
    };
    if !vanished.is_empty()
        && let Some(point) = run.previous
        && let Some(kept) = point.describes(run.unfinished.vault()).await?
    {
        for object in vanished {
            if let Some(raw) = kept.raw(object) {
                describes.to_mut().push(object, raw);
            }
        }
    }
    let document = run.unfinished.put_document("describes", describes.bytes()).await?.0;
    let outlines = Some(run.unfinished.put_document("outlines of describes", catalog.outlines.bytes()).await?.0);
    Ok(Some(DescribedAt { document, outlines, asked_at: catalog.asked_at, whole_at }))
}

/// Reads what this backup has not finished of some objects: the small and the unchanged together, then the others one by one.
async fn rows(run: &Run<'_>, entries: Vec<&Entry>, options: &BackupOptions) -> Result<()> {
    let mut open: Vec<&Entry> = entries.into_iter().filter(|entry| !run.has_read(entry)).collect();
    let mut single = Vec::new();
    if run.mode == Mode::Full {
        let counts = count::counts(run.org, &open, &|object| run.learned(object)).await?;
        open.retain(|entry| match counts.get(&entry.object) {
            // Nothing to read, and nothing held that could be gone.
            Some(Ok(0)) if run.held(&entry.object) == 0 => false,
            Some(Ok(rows)) if *rows <= several::SMALL_ROWS => true,
            Some(Ok(rows)) => {
                single.push((*entry, Some(*rows)));
                false
            }
            _ => {
                single.push((*entry, None));
                false
            }
        });
    }
    single.extend(several::objects(run, &open).await?);
    futures::stream::iter(single)
        .map(|(entry, expected)| read::object(run, entry, expected))
        .buffer_unordered(options.parallel_objects.max(1))
        .try_collect()
        .await
}

/// What was learned of each object: by the backup before, unless all is to be tried again, and by an interrupted run of this one.
fn learned(
    mode: Mode,
    previous: Option<&Point>,
    outcomes: &BTreeMap<String, (Captured, Note)>,
) -> BTreeMap<String, Learned> {
    let before = previous.filter(|_| mode == Mode::Incremental).into_iter().flat_map(|point| &point.content.objects);
    let before = before.map(|(object, entry)| (object, &entry.note.detours));
    let now = outcomes.iter().map(|(object, (_, note))| (object, &note.detours));
    let all = before.chain(now).filter(|(_, detours)| !detours.is_empty());
    all.map(|(object, detours)| (object.clone(), Learned::new(detours.clone()))).collect()
}

/// What an interrupted run of this backup has committed.
fn continued(unfinished: &Unfinished) -> Result<BTreeMap<String, (Captured, Note)>> {
    unfinished
        .outcomes()
        .into_iter()
        .map(|(object, captured)| {
            let mut note: Note = serde_json::from_value(captured.note.clone()).map_err(|source| {
                Error::bug(format!("the note of {object} in the unfinished backup cannot be read: {source}"))
            })?;
            // A note is written before it is known.
            if captured.kind == CaptureKind::Shown {
                note.unseen = captured.unseen;
            }
            Ok((object, (captured, note)))
        })
        .collect()
}
