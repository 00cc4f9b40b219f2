// SPDX-License-Identifier: Apache-2.0
//! Fetching the images of rich text (see `rich.rs`), after all rows and before the bodies of files.
//!
//! 1. While rows are read, the references in their rich text are remembered. All held rows of an object are looked through instead where
//!    that is not all: where the backup before left images behind or did not look for any, where an interrupted run has read rows of it,
//!    where there are too many to be remembered, and where a check found bodies damaged. `Note::images_left` says of every backup how many it
//!    left; without it an object was not looked through.
//! 2. References that the table of images has are not asked for again: an image never changes under its reference. The others are fetched some
//!    at a time, below their record, and a portion of them becomes durable in one commit of bodies and then one of the table: interrupted, the
//!    next run goes on behind the last portion.
//! 3. What the org refuses is a gap that names the image, and is asked for again with its row, or by a full backup. What the budget leaves
//!    is counted in a gap, and the next run begins with it.
//!
//! The budget is that of files, and images come first: they are small, and a backlog of large files would hold them up for long. Their sizes
//! are not told beforehand, so that the last few that are fetched together may exceed it.
//!
//! Not promised: images that no record refers to any more stay in the vault until their record is erased.

use super::Run;
use super::bodies::{REFUSALS_THAT_TELL, refused};
use super::catalog::{Catalog, Entry};
use super::files::REFERENCE;
use super::read;
use crate::error::Result;
use crate::event::Gap;
use crate::note::{IMAGE, Note};
use crate::rich::{self, BODY, IMAGES};
use crate::spec::Spec;
use futures::stream::{self, StreamExt, TryStreamExt};
use orgkeep_salesforce::Rows;
use orgkeep_vault::{BlobError, BlobRef, BlobWriter, Builder, CaptureKind, Scan};
use std::collections::{BTreeMap, HashSet};

/// Images fetched at the same time.
const PARALLEL_IMAGES: usize = 8;
/// A portion of references that are looked up, and whose images become durable together.
const PORTION: usize = 1_000;
/// How many images in rows that are read are remembered per object.
const MOST_REMEMBERED: usize = 100_000;
/// Refused images that are named one by one, per object.
const MOST_NAMED: usize = 100;

/// Where an image is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    reference: String,
    record: String,
    field: String,
}

/// Images in the rows of an object that were read in this run.
#[derive(Default)]
pub(super) struct Remembered {
    places: Vec<Place>,
    /// There were more.
    more: bool,
}

/// What became of the images of one object.
#[derive(Default)]
struct Tally {
    fetched: u64,
    bytes: u64,
    refused: Vec<Gap>,
    refusals: u64,
    /// Not asked for, because all before were refused.
    untried: u64,
    /// Left to the budget.
    left: u64,
    /// References that were looked at, of rows that were read.
    seen: HashSet<String>,
}

/// Fetches what is wanted, up to `budget` bytes; how many bytes that took. `lost` says that bodies which are referred to may not be there.
pub(super) async fn fetch(run: &Run<'_>, catalog: &Catalog, lost: bool, budget: Option<u64>) -> Result<u64> {
    let mut spent = 0;
    for entry in &catalog.entries {
        if !entry.spec.rich.is_empty() && run.left(&entry.object).is_none() {
            spent += object(run, entry, lost, budget.map(|budget| budget.saturating_sub(spent))).await?;
        }
    }
    Ok(spent)
}

async fn object(run: &Run<'_>, entry: &Entry, lost: bool, budget: Option<u64>) -> Result<u64> {
    let mut tally = Tally::default();
    let remembered = run.images.lock().expect("no holder of this lock panics").remove(&entry.object);
    let remembered = remembered.unwrap_or_default();
    let whole = lost || remembered.more || run.images_behind(entry);
    if whole {
        let columns: Vec<&str> = std::iter::once("Id").chain(entry.spec.rich.iter().map(String::as_str)).collect();
        let mut batches = run.held_rows(&entry.object, &columns, None).await?;
        let mut places = Vec::new();
        while let Some(batch) = batches.try_next().await? {
            for row in 0..batch.len() {
                for field in &entry.spec.rich {
                    let text = batch.column_index(field).and_then(|column| batch.text(row, column));
                    places.extend(text.iter().flat_map(|text| of(batch.id(row), field, text)));
                }
            }
            while places.len() >= PORTION {
                let portion = places.drain(..PORTION).collect();
                self::portion(run, entry, portion, budget, &mut tally).await?;
            }
        }
        self::portion(run, entry, places, budget, &mut tally).await?;
    } else {
        tally.seen = remembered.places.iter().map(|place| place.reference.clone()).collect();
        for places in remembered.places.chunks(PORTION) {
            portion(run, entry, places.to_vec(), budget, &mut tally).await?;
        }
    }
    let bytes = tally.bytes;
    run.amend(entry, |note| tally.put(&entry.object, whole, note));
    Ok(bytes)
}

/// The images in a text of a record.
fn of<'t>(record: &'t str, field: &'t str, text: &str) -> impl Iterator<Item = Place> + use<'t> {
    let place = |reference| Place { reference, record: record.to_owned(), field: field.to_owned() };
    rich::references(text).into_iter().map(place)
}

/// Fetches those of some images that are not held, and commits them.
async fn portion(
    run: &Run<'_>,
    entry: &Entry,
    mut places: Vec<Place>,
    budget: Option<u64>,
    tally: &mut Tally,
) -> Result<()> {
    let mut once = HashSet::new();
    places.retain(|place| once.insert(place.reference.clone()));
    let held = held(run, &places).await?;
    places.retain(|place| !held.contains(&place.reference));
    if places.is_empty() {
        return Ok(());
    }
    let writer = run.unfinished.blobs().await?;
    let (mut got, mut failed) = (Vec::new(), None);
    'all: for some in places.chunks(PARALLEL_IMAGES) {
        if tally.is_hopeless() {
            tally.untried += some.len() as u64;
            continue;
        }
        if budget.is_some_and(|budget| tally.bytes >= budget) {
            tally.left += some.len() as u64;
            continue;
        }
        let shared = &writer;
        let mut coming = stream::iter(some)
            .map(|place| async move { (place, get(run, shared, entry, place).await) })
            .buffer_unordered(PARALLEL_IMAGES);
        while let Some((place, outcome)) = coming.next().await {
            match outcome {
                Ok(Ok(blob)) => {
                    tally.fetched += 1;
                    tally.bytes += blob.length;
                    got.push((place, blob));
                }
                Ok(Err(reason)) => tally.refuse(place, reason),
                // What has come is kept before the run stops.
                Err(error) => {
                    failed = Some(error);
                    break 'all;
                }
            }
        }
    }
    if let Err(error) = writer.commit().await {
        return Err(failed.unwrap_or_else(|| error.into()));
    }
    keep(run, entry, &got).await?;
    failed.map_or(Ok(()), Err)
}

/// Those of the references whose body the vault has.
async fn held(run: &Run<'_>, places: &[Place]) -> Result<HashSet<String>> {
    let mut held = HashSet::new();
    if places.is_empty() {
        return Ok(held);
    }
    let ids = Some(places.iter().map(|place| place.reference.clone()).collect());
    let columns = Some(vec!["Id".to_owned(), BODY.to_owned()]);
    let mut batches = run.unfinished.scan(IMAGES, Scan { ids, columns, ..Scan::default() }).await?;
    while let Some(batch) = batches.try_next().await? {
        let column = batch.column_index(BODY);
        for row in 0..batch.len() {
            let body = column.and_then(|column| batch.text(row, column));
            if let Some(hash) = body.as_deref().and_then(super::hash_of)
                && run.unfinished.vault().has_blob(hash).await?
            {
                held.insert(batch.id(row).to_owned());
            }
        }
    }
    Ok(held)
}

/// An image's body, or why the org refuses it.
async fn get(
    run: &Run<'_>,
    writer: &BlobWriter,
    entry: &Entry,
    place: &Place,
) -> Result<std::result::Result<BlobRef, String>> {
    let asked = run.org.rich_text_image(&entry.object, &place.record, &place.field, &place.reference);
    let answer = match asked.await {
        Ok(answer) => answer,
        Err(error) => return Ok(Err(refused(error)?)),
    };
    match writer.put(answer.body).await {
        Ok(blob) => Ok(Ok(blob)),
        Err(BlobError::Vault(error)) => Err(error.into()),
        Err(BlobError::Body(error)) => Ok(Err(refused(error)?)),
    }
}

/// Commits where images are and which bodies they have.
async fn keep(run: &Run<'_>, entry: &Entry, got: &[(&Place, BlobRef)]) -> Result<()> {
    if got.is_empty() {
        return Ok(());
    }
    let schema = rich::schema()?;
    let mut builder = Builder::new(&schema);
    for (place, blob) in got {
        let (body, bytes) = (format!("{REFERENCE}{}", blob.hash), blob.length.to_string());
        let cells = [&place.reference, &entry.object, &place.record, &place.field, &body, &bytes];
        builder.push(false, cells.into_iter().map(|cell| Some(cell.as_str())));
    }
    let mut capture = run.unfinished.capture(IMAGES, &schema, CaptureKind::Changes).await?;
    capture.push(builder.finish()).await?;
    let note = Note { rows_read: got.len() as u64, ..Note::empty(run.mode) };
    let captured = read::finish(capture, &note).await?;
    run.settle(captured, note);
    Ok(())
}

impl Tally {
    fn is_hopeless(&self) -> bool {
        self.fetched == 0 && self.refusals >= REFUSALS_THAT_TELL
    }

    fn refuse(&mut self, place: &Place, reason: String) {
        self.refusals += 1;
        if self.refused.len() < MOST_NAMED {
            let what = format!("{IMAGE} {} in {} of {}", place.reference, place.field, place.record);
            self.refused.push(Gap { what, reason });
        }
    }

    /// Writes into a note what was fetched and what is missing. What was said before of images that were looked at now, or of `all`, is
    /// said anew.
    fn put(&self, object: &str, all: bool, note: &mut Note) {
        note.files += self.fetched;
        note.file_bytes += self.bytes;
        note.images_left = Some(self.left);
        let again = |gap: &Gap| gap.what.split(' ').any(|word| self.seen.contains(word));
        note.gaps.retain(|gap| !gap.what.starts_with(IMAGE) || !(all || again(gap)));
        note.gaps.extend(self.refused.iter().cloned());
        let mut several = |number: u64, reason: String| {
            let what = format!("{IMAGE}s of {number} more places in rich text of {object}");
            note.gaps.extend((number > 0).then_some(Gap { what, reason }));
        };
        several(self.refusals - self.refused.len() as u64, "each was refused, as those that are named".into());
        several(self.untried, format!("not asked for, because all of the first {} were refused", self.refusals));
        several(self.left, "left to the budget for files; the next backup goes on with them".into());
    }
}

impl Run<'_> {
    /// Remembers the images in rows that were read.
    pub(super) fn see_images(&self, spec: &Spec, rows: &Rows) {
        if spec.rich.is_empty() {
            return;
        }
        let fields: Vec<(&str, usize)> =
            spec.rich.iter().filter_map(|field| Some((field.as_str(), spec.position(field)?))).collect();
        let (id, deleted) = (spec.position("Id"), spec.position("IsDeleted"));
        let erased = self.unfinished.erasures().of(&spec.object);
        let mut images = self.images.lock().expect("no holder of this lock panics");
        let known = images.entry(spec.object.clone()).or_default();
        for row in 0..rows.len() {
            let cell = |column: Option<usize>| column.and_then(|column| rows.cell(row, column));
            let record = cell(id).unwrap_or_default();
            if cell(deleted) == Some("true") || erased.is_some_and(|erased| erased.contains(record)) {
                continue;
            }
            for (field, column) in &fields {
                known.places.extend(cell(Some(*column)).into_iter().flat_map(|text| of(record, field, text)));
            }
        }
        known.more |= known.places.len() > MOST_REMEMBERED;
        known.places.truncate(MOST_REMEMBERED);
    }

    /// Whether images may be wanted by rows that this run has not read.
    fn images_behind(&self, entry: &Entry) -> bool {
        // A full backup reads every row, and so does the first one of an object.
        let before = self.previous_note(&entry.object).filter(|_| self.mode == crate::event::Mode::Incremental);
        let behind = before.is_some_and(|note| note.images_left != Some(0));
        (behind && self.held(&entry.object) > 0) || self.resumed.contains(&entry.object)
    }
}

/// What an interrupted run of this backup had committed.
pub(super) type Resumed = std::collections::BTreeSet<String>;

/// References remembered by object.
pub(super) type ByObject = BTreeMap<String, Remembered>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_an_image_is_said_anew_when_it_is_looked_at() {
        let gap = |what: &str| Gap { what: what.into(), reason: "gone".into() };
        let mut note = Note::empty(crate::event::Mode::Incremental);
        note.gaps =
            vec![gap("the image 0EMa in Story__c of 001"), gap("the image 0EMb in Story__c of 001"), gap("field X")];
        let tally = Tally { seen: ["0EMa".to_owned()].into(), left: 2, fetched: 1, bytes: 5, ..Tally::default() };
        tally.put("Account", false, &mut note);
        let said: Vec<&str> = note.gaps.iter().map(|gap| gap.what.as_str()).collect();
        assert_eq!(
            said,
            ["the image 0EMb in Story__c of 001", "field X", "the images of 2 more places in rich text of Account"]
        );
        assert_eq!((note.images_left, note.files, note.file_bytes), (Some(2), 1, 5));
        Tally::default().put("Account", true, &mut note);
        assert_eq!((note.gaps.len(), note.images_left), (1, Some(0)));
    }
}
