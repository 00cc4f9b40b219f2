// SPDX-License-Identifier: Apache-2.0
//! Fetching the bodies of files, after all rows: newest first, until there are none left or the budget of the run is spent.
//!
//! 1. What is wanted is learnt from the vault: rows whose column of the body is empty, or names a body that the vault does not have because
//!    a check found it damaged. Only rows that were read in this run are looked at, unless an earlier one left bodies behind. So nothing
//!    has to be carried over from run to run but the fact that something was left.
//! 2. Of what is wanted the newest are kept, a hundred thousand at a time. Where the org has told their MD5, the vault is looked through
//!    for it, the bodies of its other orgs too: what is here costs no call and no budget. One of another org is copied, so that
//!    neither depends on what the other erases or lets expire.
//! 3. The others are fetched some at a time, each content once. A portion of them becomes durable in one commit of bodies and then one of
//!    each object's rows, which get their references while the next portion comes: interrupted, the next run goes on behind the last one
//!    of which the rows were committed.
//! 4. What was refused is a gap that names the record. What the budget leaves is counted in a gap, and the next run begins with it.
//!
//! The body that exceeds the budget is still fetched: else one that is larger than the budget never would be.

use super::Run;
use super::catalog::{Catalog, Entry};
use super::files::{REFERENCE, hash_of, is_link};
use super::read::{self, refusal};
use crate::error::{Error, Result};
use crate::event::{Event, Gap};
use crate::note::{CONTENT_OF, Note};
use futures::stream::{self, StreamExt, TryStreamExt};
use orgkeep_salesforce::Org;
use orgkeep_vault::{BlobError, BlobRef, BlobWriter, Builder, CaptureKind, KnownBody, Scan};
use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};

/// Bodies fetched at the same time.
const PARALLEL_BODIES: usize = 8;
/// Wanted bodies that are held in memory at a time; each takes about 200 bytes.
const MOST_WANTED: usize = 100_000;
/// A portion ends after so many bodies, or so many bytes.
const PORTION_BODIES: usize = 1_000;
const PORTION_BYTES: u64 = 256 * 1024 * 1024;
/// Where the first so many bodies of an object are all refused, the others are not asked for.
pub(super) const REFUSALS_THAT_TELL: u64 = 50;
/// Refused bodies that are named one by one, per object.
const MOST_NAMED: usize = 100;

/// A row that wants a body. Ordered by when it changed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Wanted {
    changed: Option<String>,
    id: String,
    /// Place among the objects.
    object: usize,
    length: Option<u64>,
    checksum: Option<String>,
}

/// What became of the bodies of one object in this run.
#[derive(Clone, Default)]
struct Tally {
    /// Wanted, neither got nor tried yet, and their bytes as far as the org tells them.
    open: u64,
    open_bytes: u64,
    /// Fetched, also before an interruption.
    files: u64,
    bytes: u64,
    refused: Vec<Gap>,
    refusals: u64,
    /// Not asked for, because all before were refused.
    untried: u64,
}

/// Bodies that become durable together.
#[derive(Default)]
struct Portion<'w> {
    /// Held already, with their references.
    here: Vec<(&'w Wanted, String)>,
    /// To be had, from another org of the vault or from the org.
    get: Vec<(&'w Wanted, Option<&'w KnownBody>)>,
    /// Rows of the same content as one of those, by its Id; and that Id by the checksum.
    twins: HashMap<&'w str, Vec<&'w Wanted>>,
    by_checksum: HashMap<&'w str, &'w str>,
    bytes: u64,
}

impl<'w> Portion<'w> {
    /// Whether a row has the content of another one here, with which it gets its body.
    fn is_twin(&mut self, wanted: &'w Wanted) -> bool {
        let first = wanted.checksum.as_deref().and_then(|checksum| self.by_checksum.get(checksum));
        first.is_some_and(|first| {
            self.twins.entry(first).or_default().push(wanted);
            true
        })
    }

    fn add(&mut self, wanted: &'w Wanted, known: Option<&'w KnownBody>) {
        self.by_checksum.extend(wanted.checksum.as_deref().map(|checksum| (checksum, wanted.id.as_str())));
        self.bytes += wanted.length.unwrap_or(0);
        self.get.push((wanted, known));
    }

    fn is_full(&self) -> bool {
        self.get.len() >= PORTION_BODIES || self.here.len() >= PORTION_BODIES * 10 || self.bytes >= PORTION_BYTES
    }

    /// A row and those of the same content.
    fn all_of(&self, wanted: &'w Wanted) -> impl Iterator<Item = &'w Wanted> {
        std::iter::once(wanted).chain(self.twins.get(wanted.id.as_str()).into_iter().flatten().copied())
    }
}

/// A body that was got: its reference, and its length where the org was asked.
type Got = (String, Option<u64>);

/// Rows of an object whose bodies are durable.
struct Filled<'w> {
    object: usize,
    /// References, by the Ids of the rows.
    references: HashMap<&'w str, String>,
    /// As it was with these rows.
    tally: Tally,
}

struct Fetching<'a> {
    run: &'a Run<'a>,
    writer: BlobWriter,
    entries: Vec<&'a Entry>,
    tallies: Vec<Tally>,
    budget: Option<u64>,
    spent: u64,
    /// Records whose body was refused in this run, which are not tried again.
    tried: HashSet<String>,
}

/// Fetches what is wanted, up to `budget` bytes. `lost` says that bodies which are referred to may not be there.
pub(super) async fn fetch(run: &Run<'_>, catalog: &Catalog, lost: bool, budget: Option<u64>) -> Result<()> {
    let (unread, read): (Vec<&Entry>, Vec<&Entry>) = catalog
        .entries
        .iter()
        .filter(|entry| entry.spec.body.is_some())
        .partition(|entry| run.left(&entry.object).is_some());
    for entry in unread {
        // What was left behind stays so.
        let before = run.previous_note(&entry.object).map_or(0, |note| note.left.max(has_gaps(note).into()));
        run.amend(entry, |note| note.left = note.left.max(before));
    }
    let entries: Vec<&Entry> = read.into_iter().filter(|entry| lost || is_open(run, entry)).collect();
    if entries.is_empty() {
        return Ok(());
    }
    let fetched = |entry: &&Entry| run.done(&entry.object).map_or((0, 0), |(_, note)| (note.files, note.file_bytes));
    let before = entries.iter().map(fetched);
    let tallies = before.map(|(files, bytes)| Tally { files, bytes, ..Tally::default() }).collect();
    let writer = run.unfinished.blobs().await?;
    let mut fetching = Fetching { run, writer, entries, tallies, budget, spent: 0, tried: HashSet::new() };
    loop {
        let wanted = fetching.wanted(lost).await?;
        let all = fetching.tallies.iter().map(|tally| tally.open).sum::<u64>() == wanted.len() as u64;
        if !fetching.these(&wanted).await? || all {
            break;
        }
    }
    fetching.conclude();
    Ok(())
}

/// Whether bodies of an object may be wanted.
fn is_open(run: &Run<'_>, entry: &Entry) -> bool {
    run.wanting_rows(&entry.object) > 0 || left_behind(run, entry)
}

/// Whether bodies may be wanted by rows that this run has not read.
fn left_behind(run: &Run<'_>, entry: &Entry) -> bool {
    let remembered = run.wanting_rows(&entry.object);
    run.previous_note(&entry.object).is_some_and(|note| note.left > 0 || has_gaps(note))
        || run.done(&entry.object).is_some_and(|(_, note)| note.left > remembered)
}

fn has_gaps(note: &Note) -> bool {
    note.gaps.iter().any(is_of_bodies)
}

/// Whether a gap says that bodies of some records are missing. That of a field names one word.
fn is_of_bodies(gap: &Gap) -> bool {
    gap.what.strip_prefix(CONTENT_OF).is_some_and(|rest| rest.contains(' '))
}

impl<'a> Fetching<'a> {
    /// The newest of what is wanted and was not tried yet, newest first; all of it is counted.
    async fn wanted(&mut self, lost: bool) -> Result<Vec<Wanted>> {
        let mut newest: BinaryHeap<Reverse<Wanted>> = BinaryHeap::new();
        for object in 0..self.entries.len() {
            let (mut open, mut open_bytes) = (0, 0);
            let (run, entry) = (self.run, self.entries[object]);
            let ids = (!lost && !left_behind(run, entry)).then(|| run.wanting(&entry.object));
            let body = entry.spec.body.as_ref().expect("only objects with bodies are here");
            let (length, checksum) = (body.length.as_deref(), body.checksum.as_deref());
            let changed = if checksum.is_some() { Some("CreatedDate") } else { entry.spec.stamp.as_deref() };
            let columns = [Some("Id"), Some(body.field.as_str()), length, checksum, changed, Some("ContentUrl")];
            let columns: BTreeSet<&str> = columns.into_iter().flatten().collect();
            let columns: Vec<&str> = columns.into_iter().collect();
            let mut batches = run.held_rows(&entry.object, &columns, ids).await?;
            while let Some(batch) = batches.try_next().await? {
                let place = |name: Option<&str>| name.and_then(|name| batch.column_index(name));
                let (field, url) = (place(Some(&body.field)), place(Some("ContentUrl")));
                let (length, checksum, changed) = (place(length), place(checksum), place(changed));
                for row in 0..batch.len() {
                    let text = |column: Option<usize>| column.and_then(|column| batch.text(row, column));
                    let held = match text(field).as_deref().and_then(hash_of) {
                        Some(hash) => run.unfinished.vault().has_blob(hash).await?,
                        None => is_link(text(length).as_deref(), text(url).as_deref()),
                    };
                    if held || self.tried.contains(batch.id(row)) {
                        continue;
                    }
                    let length = text(length).and_then(|length| length.parse().ok());
                    open += 1;
                    open_bytes += length.unwrap_or(0);
                    newest.push(Reverse(Wanted {
                        changed: text(changed).map(|text| text.into_owned()),
                        id: batch.id(row).to_owned(),
                        object,
                        length,
                        checksum: text(checksum).map(|md5| md5.to_ascii_lowercase()),
                    }));
                    if newest.len() > MOST_WANTED {
                        newest.pop();
                    }
                }
            }
            (self.tallies[object].open, self.tallies[object].open_bytes) = (open, open_bytes);
        }
        Ok(newest.into_sorted_vec().into_iter().map(|Reverse(wanted)| wanted).collect())
    }

    /// Gives these rows their bodies; whether the budget lasted.
    async fn these(&mut self, wanted: &[Wanted]) -> Result<bool> {
        let checksums = wanted.iter().filter_map(|wanted| wanted.checksum.clone()).collect();
        let known = self.run.unfinished.vault().bodies_by_md5(&checksums).await?;
        let known = |wanted: &Wanted| {
            let body = known.get(wanted.checksum.as_ref()?)?;
            wanted.length.is_none_or(|length| length == body.length).then_some(body)
        };
        let mut lasted = true;
        let mut got: HashMap<&str, String> = HashMap::new();
        let (mut portion, mut filled) = (Portion::default(), Vec::new());
        for wanted in wanted {
            if self.tallies[wanted.object].is_hopeless() {
                self.tallies[wanted.object].give_up(wanted);
                self.tried.insert(wanted.id.clone());
            } else if let Some(reference) = wanted.checksum.as_deref().and_then(|checksum| got.get(checksum)) {
                portion.here.push((wanted, reference.clone()));
            } else if !portion.is_twin(wanted) {
                match known(wanted) {
                    Some(body) if body.is_here() => portion.here.push((wanted, format!("{REFERENCE}{}", body.hash))),
                    Some(body) => portion.add(wanted, Some(body)),
                    None if self.budget.is_some_and(|budget| self.spent >= budget) => lasted = false,
                    None => {
                        self.spent += wanted.length.unwrap_or(0);
                        portion.add(wanted, None);
                    }
                }
            }
            if portion.is_full() {
                filled = self.portion_after(filled, std::mem::take(&mut portion), &mut got).await?;
            }
        }
        filled = self.portion_after(filled, portion, &mut got).await?;
        keep_all(self.run, &self.entries, filled).await?;
        Ok(lasted)
    }

    /// Gets a portion while the rows of the one before are committed.
    async fn portion_after<'w>(
        &mut self,
        before: Vec<Filled<'_>>,
        portion: Portion<'w>,
        got: &mut HashMap<&'w str, String>,
    ) -> Result<Vec<Filled<'w>>> {
        let (run, entries, stop) = (self.run, self.entries.clone(), AtomicBool::new(false));
        let keep = async {
            let kept = keep_all(run, &entries, before).await;
            stop.store(kept.is_err(), Ordering::Relaxed);
            kept
        };
        let (kept, filled) = futures::join!(keep, self.portion(portion, got, &stop));
        let (filled, failed) = filled?;
        kept?;
        match failed {
            None => Ok(filled),
            // What has come is kept before the run stops.
            Some(error) => {
                keep_all(run, &entries, filled).await?;
                Err(error)
            }
        }
    }

    /// Gets and commits some bodies, until told to stop; their references are added to `got`. Beside what has come, the error that ended it
    /// early.
    async fn portion<'w>(
        &mut self,
        portion: Portion<'w>,
        got: &mut HashMap<&'w str, String>,
        stop: &AtomicBool,
    ) -> Result<(Vec<Filled<'w>>, Option<Error>)> {
        if portion.here.is_empty() && portion.get.is_empty() {
            return Ok((Vec::new(), None));
        }
        let mut filled: BTreeMap<usize, HashMap<&str, String>> = BTreeMap::new();
        for (wanted, reference) in &portion.here {
            filled.entry(wanted.object).or_default().insert(&wanted.id, reference.clone());
            self.tallies[wanted.object].settle(wanted);
        }
        let (org, entries, shared) = (self.run.org, &self.entries, &self.writer);
        // A portion may hold a thousand bodies, so it is noticed while one is under way.
        let hopeless: Vec<AtomicBool> = self.tallies.iter().map(|tally| tally.is_hopeless().into()).collect();
        let mut coming = stream::iter(portion.get.iter().copied())
            .map(|(wanted, known)| {
                let entry: &'a Entry = entries[wanted.object];
                let give_up = known.is_none() && hopeless[wanted.object].load(Ordering::Relaxed);
                async move {
                    let got = if give_up { None } else { Some(get(org, shared, entry, wanted, known).await?) };
                    Ok::<_, Error>((wanted, got))
                }
            })
            .buffer_unordered(PARALLEL_BODIES);
        let mut failed = None;
        while let Some(outcome) = coming.next().await
            && !stop.load(Ordering::Relaxed)
        {
            let (wanted, outcome) = match outcome {
                Ok(outcome) => outcome,
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            };
            let tally = &mut self.tallies[wanted.object];
            match outcome {
                None => {
                    for wanted in portion.all_of(wanted) {
                        self.tried.insert(wanted.id.clone());
                        self.tallies[wanted.object].give_up(wanted);
                    }
                }
                Some(Ok((reference, fetched))) => {
                    if let Some(bytes) = fetched {
                        tally.files += 1;
                        tally.bytes += bytes;
                        // Where the org does not tell a length, the budget learns it now.
                        self.spent += if wanted.length.is_none() { bytes } else { 0 };
                    }
                    for wanted in portion.all_of(wanted) {
                        filled.entry(wanted.object).or_default().insert(&wanted.id, reference.clone());
                        self.tallies[wanted.object].settle(wanted);
                        got.extend(wanted.checksum.as_deref().map(|checksum| (checksum, reference.clone())));
                    }
                    let sum = |of: fn(&Tally) -> u64| self.tallies.iter().map(of).sum();
                    self.run
                        .say(Event::FileProgress { files: sum(|tally| tally.files), bytes: sum(|tally| tally.bytes) });
                }
                Some(Err(reason)) => {
                    for wanted in portion.all_of(wanted) {
                        self.tried.insert(wanted.id.clone());
                        self.tallies[wanted.object].refuse(wanted, &entries[wanted.object].object, &reason);
                    }
                    hopeless[wanted.object].store(self.tallies[wanted.object].is_hopeless(), Ordering::Relaxed);
                }
            }
        }
        drop(coming);
        if let Err(error) = self.writer.commit().await {
            return Err(failed.unwrap_or_else(|| error.into()));
        }
        let tallies = &self.tallies;
        let rows = |(object, references): (usize, _)| Filled { object, references, tally: tallies[object].clone() };
        Ok((filled.into_iter().map(rows).collect(), failed))
    }

    /// Notes what is missing of every object.
    fn conclude(&self) {
        for (entry, tally) in self.entries.iter().zip(&self.tallies) {
            self.run.amend(entry, |note| tally.put(&entry.object, note));
        }
    }
}

/// Commits rows with the references of their bodies.
async fn keep_all(run: &Run<'_>, entries: &[&Entry], filled: Vec<Filled<'_>>) -> Result<()> {
    for Filled { object, references, tally } in filled {
        let entry = entries[object];
        let body = entry.spec.body.as_ref().expect("only objects with bodies are here");
        let Some(schema) = run.unfinished.schema(&entry.object).await? else { continue };
        let scan = Scan { ids: Some(references.keys().map(|id| (*id).to_owned()).collect()), ..Scan::default() };
        let mut capture = run.unfinished.capture(&entry.object, &schema, CaptureKind::Changes).await?;
        let mut batches = run.unfinished.scan(&entry.object, scan).await?;
        while let Some(batch) = batches.try_next().await? {
            let mut builder = Builder::new(&schema);
            for row in 0..batch.len() {
                let reference = references.get(batch.id(row)).map(|reference| Cow::from(reference.as_str()));
                let cell = |name: &str| batch.column_index(name).and_then(|column| batch.text(row, column));
                let cells: Vec<Option<Cow<'_, str>>> = schema
                    .columns()
                    .iter()
                    .map(|column| if column.name == body.field { reference.clone() } else { cell(&column.name) })
                    .collect();
                builder.push(false, cells.iter().map(Option::as_deref));
            }
            capture.push(builder.finish()).await?;
        }
        let mut note = run.note_to_extend(entry);
        tally.put(&entry.object, &mut note);
        let captured = read::finish(capture, &note).await?;
        run.settle(captured, note);
    }
    Ok(())
}

impl Tally {
    fn is_hopeless(&self) -> bool {
        self.files == 0 && self.refusals >= REFUSALS_THAT_TELL
    }

    /// Counts a row that has its body.
    fn settle(&mut self, wanted: &Wanted) {
        self.open = self.open.saturating_sub(1);
        self.open_bytes = self.open_bytes.saturating_sub(wanted.length.unwrap_or(0));
    }

    fn refuse(&mut self, wanted: &Wanted, object: &str, reason: &str) {
        self.settle(wanted);
        self.refusals += 1;
        if self.refused.len() < MOST_NAMED {
            let what = format!("{CONTENT_OF}{object} {}", wanted.id);
            self.refused.push(Gap { what, reason: reason.to_owned() });
        }
    }

    fn give_up(&mut self, wanted: &Wanted) {
        self.settle(wanted);
        self.untried += 1;
    }

    /// Writes into a note what was fetched and what is missing. What it said of bodies before is said anew.
    fn put(&self, object: &str, note: &mut Note) {
        (note.files, note.file_bytes) = (self.files, self.bytes);
        (note.left, note.left_bytes) = (self.open, self.open_bytes);
        note.gaps.retain(|gap| !is_of_bodies(gap));
        note.gaps.extend(self.refused.iter().cloned());
        let unnamed = self.refusals - self.refused.len() as u64;
        let mut several = |number: u64, reason: String| {
            let what = format!("{CONTENT_OF}{number} more records of {object}");
            note.gaps.extend((number > 0).then_some(Gap { what, reason }));
        };
        several(unnamed, "each was refused, as those that are named".into());
        several(self.untried, format!("not asked for, because all of the first {} were refused", self.refusals));
        if self.open > 0 {
            let what = format!("{CONTENT_OF}{} records of {object}, {}", self.open, megabytes(self.open_bytes));
            note.gaps
                .push(Gap { what, reason: "left to the budget for files; the next backup goes on with them".into() });
        }
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000)
}

/// The body of a row, from the vault where it is `known` there and still can be read, else from the org; or why the org refuses it.
async fn get(
    org: &Org,
    writer: &BlobWriter,
    entry: &Entry,
    wanted: &Wanted,
    known: Option<&KnownBody>,
) -> Result<Result<Got, String>> {
    if let Some(known) = known
        && let Ok(Some(body)) = known.open().await
    {
        match writer.put(body).await {
            Ok(blob) => return Ok(Ok((format!("{REFERENCE}{}", blob.hash), None))),
            Err(BlobError::Vault(error)) => return Err(error.into()),
            // It has gone from there, or is damaged.
            Err(BlobError::Body(_)) => {}
        }
    }
    let field = entry.spec.body.as_ref().map_or("", |body| body.field.as_str());
    let answer = match org.blob(&entry.object, &wanted.id, field).await {
        Ok(answer) => answer,
        Err(error) => return Ok(Err(refused(error)?)),
    };
    match writer.put(answer.body).await {
        Ok(blob) => Ok(match differs(wanted, &blob) {
            None => Ok((format!("{REFERENCE}{}", blob.hash), Some(blob.length))),
            Some(reason) => Err(reason),
        }),
        Err(BlobError::Vault(error)) => Err(error.into()),
        Err(BlobError::Body(error)) => Ok(Err(refused(error)?)),
    }
}

/// Why the org refuses a body; an error where that is not what happened.
pub(super) fn refused(error: orgkeep_salesforce::Error) -> Result<String> {
    match refusal(&error) {
        Some(reason) => Ok(reason),
        // It was replaced while it was read.
        None if error.kind == orgkeep_salesforce::Kind::Busy => Ok(error.to_string()),
        None => Err(Error::from(error)),
    }
}

/// Why what came is not what the org announced.
fn differs(wanted: &Wanted, blob: &BlobRef) -> Option<String> {
    let announced = wanted.checksum.as_deref()?;
    (announced != blob.md5).then(|| format!("the org announced MD5 {announced} and sent content of MD5 {}", blob.md5))
}
