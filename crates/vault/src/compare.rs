// SPDX-License-Identifier: Apache-2.0
//! The walk at the heart of a capture: given rows beside the held state, appending what is new or differs.
//!
//! Both sides come sorted by Id and are read once. The number of live rows and the digest are not counted afresh but
//! carried over from the table's last commit, and changed with each row that comes, goes or differs. Rows are the same where
//! their hashes are.

use std::sync::Arc;

use futures::stream::StreamExt;

use crate::batch::Batch;
use crate::capture::{Absence, CaptureKind, Counts};
use crate::columns::Schema;
use crate::datafile::{Hashes, Reading};
use crate::digest::Digest;
use crate::error::{Error, Kind, Result};
use crate::log::{DataFile, Log, State};
use crate::lookup::{self, Candidate};
use crate::org::OrgVault;
use crate::output::Output;
use crate::runs::{self, BatchStream, Rank, Segment, Versions, end_before};
use crate::sorter::{StoredRun, batch_bytes, sorted_runs};

/// Walks given and held rows side by side.
pub(crate) async fn compare(
    org: &OrgVault,
    log: &Log,
    state: &State,
    schema: &Schema,
    absence: &mut Absence,
    given: (Vec<StoredRun>, Vec<Batch>),
    output: &mut Output,
) -> Result<Counts> {
    let kind = absence.kind;
    let (mut counts, totals) = (Counts::default(), totals(log, state).await?);
    (counts.live, counts.digest) = totals;
    let (stored, memory) = given;
    if kind == CaptureKind::Changes && stored.is_empty() && memory.is_empty() {
        return Ok(counts);
    }
    let ids = (kind == CaptureKind::Changes && stored.is_empty()).then(|| few_ids(&memory, state)).flatten();
    let range = match kind {
        CaptureKind::Everything | CaptureKind::Shown => None,
        CaptureKind::Changes => bounds(&stored, &memory),
    };
    let reading =
        Reading { schema: schema.clone(), hashes: Hashes::Yes, ids: None, batch_bytes: batch_bytes(stored.len()) };
    let given = runs::merge(org.store(), sorted_runs(&stored, memory), reading, Versions::Newest, true);
    // Of a row that is replaced, its hash and whether it was live are all that counts; of one that is gone, everything is kept.
    let columns = match kind {
        CaptureKind::Everything => schema.clone(),
        CaptureKind::Changes | CaptureKind::Shown => schema.project(&[]),
    };
    let held = held_rows(org, log, state, columns, ids, range);
    let (mut given, mut held) = (Walk::new(given), Walk::new(held));
    given.load().await?;
    held.load().await?;
    while let Some((new, row)) = given.current() {
        let id = new.id(row);
        // Held rows below this Id were not given.
        while let Some((old, at)) = held.current()
            && old.id(at) < id
        {
            let end = end_before(&old, at, id);
            missing(&old, at, end, absence, &mut counts, output).await?;
            held.skip_to(end).await?;
        }
        match held.current() {
            Some((old, at)) if old.id(at) == id => {
                let (before, after) = (!old.deleted(at), !new.deleted(row));
                let (gone, come) = (old.hash(at), new.hash(row));
                if (before, gone) == (after, come) {
                    counts.unchanged += 1;
                } else {
                    if before {
                        counts.digest.subtract(gone);
                        counts.live -= 1;
                    }
                    if after {
                        counts.digest.add(come);
                        counts.live += 1;
                    }
                    match (before, after) {
                        (false, true) => counts.added += 1,
                        (true, false) => counts.deleted += 1,
                        _ if old.backup(at) == output.sequence => {}
                        _ => counts.changed += 1,
                    }
                    output.pick(&new, row).await?;
                }
                held.skip_to(at + 1).await?;
            }
            _ => {
                if new.deleted(row) {
                    counts.deleted += 1;
                } else {
                    counts.added += 1;
                    counts.live += 1;
                    counts.digest.add(new.hash(row));
                }
                output.pick(&new, row).await?;
            }
        }
        given.skip_to(row + 1).await?;
    }
    if kind != CaptureKind::Changes {
        while let Some((old, at)) = held.current() {
            let end = old.len();
            missing(&old, at, end, absence, &mut counts, output).await?;
            held.skip_to(end).await?;
        }
    }
    Ok(counts)
}

/// Held rows that were not given: gone, if everything was given; counted, if all that is shown was.
async fn missing(
    old: &Arc<Batch>,
    start: usize,
    end: usize,
    absence: &mut Absence,
    counts: &mut Counts,
    output: &mut Output,
) -> Result<()> {
    if absence.kind == CaptureKind::Changes {
        return Ok(());
    }
    for row in (start..end).filter(|row| !old.deleted(*row)) {
        if !absence.is_the_end().await? {
            counts.unseen += 1;
            continue;
        }
        counts.deleted += 1;
        counts.live -= 1;
        counts.digest.subtract(old.hash(row));
        output.push(old.slice(row, 1).buried()).await?;
    }
    Ok(())
}

/// Live rows and digest of the state of a table, as its newest commit says that changed them.
pub(crate) async fn totals(log: &Log, state: &State) -> Result<(u64, Digest)> {
    for version in (0..=state.version).rev() {
        if let Some(outcome) = log.outcome(version).await? {
            let said = |name: &str| outcome.get("captured").or_else(|| outcome.get("erased"))?.get(name);
            let live = said("live").and_then(serde_json::Value::as_u64);
            let digest = said("digest").and_then(serde_json::Value::as_str);
            if let (Some(live), Some(digest)) = (live, digest) {
                return Ok((live, Digest::parse(digest)?));
            }
        }
    }
    Err(Error::new(Kind::Corrupt, "no commit of a table says how many rows are live").with("table", log.path()))
}

/// The given Ids, if they are so few beside the table that looking them up is cheaper than reading all.
fn few_ids(memory: &[Batch], state: &State) -> Option<Arc<[String]>> {
    let given: u64 = memory.iter().map(|batch| batch.len() as u64).sum();
    let held: u64 = state.files.iter().map(|file| file.rows).sum();
    (given * 8 < held)
        .then(|| memory.iter().flat_map(|batch| (0..batch.len()).map(|row| batch.id(row).to_owned())).collect())
}

fn bounds(stored: &[StoredRun], memory: &[Batch]) -> Option<(String, String)> {
    let low = stored.iter().map(|run| run.low.as_str()).chain(memory.first().map(|batch| batch.id(0))).min()?;
    let high =
        stored.iter().map(|run| run.high.as_str()).chain(memory.last().map(|batch| batch.id(batch.len() - 1))).max()?;
    Some((low.to_owned(), high.to_owned()))
}

/// The newest row of every Id of a table, deleted ones among them.
fn held_rows(
    org: &OrgVault,
    log: &Log,
    state: &State,
    schema: Schema,
    ids: Option<Arc<[String]>>,
    range: Option<(String, String)>,
) -> BatchStream {
    let outside = |file: &&DataFile| match (&range, file.ids()) {
        (Some((low, high)), Some((first, last))) => last < low.as_str() || first > high.as_str(),
        _ => false,
    };
    let files = state.files.iter().filter(|file| !outside(file)).map(|file| candidate(log, file, u64::MAX)).collect();
    let reading = Reading { schema, hashes: Hashes::Yes, ids, batch_bytes: batch_bytes(1) };
    lookup::newest(org.store(), files, reading, true)
}

/// A file of a table in which a record is looked for, as of a backup.
pub(crate) fn candidate(log: &Log, file: &DataFile, at: u64) -> Candidate {
    let (rank, segment) = ranked(log, file, at);
    Candidate { rank, segment, newest: file.backups().1.min(at), rows: file.rows }
}

/// A file of a table as part of a merge, with what it has to say of the state as of a backup.
pub(crate) fn ranked(log: &Log, file: &DataFile, at: u64) -> (Rank, Segment) {
    // Without statistics a file may hold any Id: the lowest bound, and an end that nothing follows.
    let (low, high) = file.ids().unwrap_or(("", "\u{10ffff}"));
    let (first, last) = file.backups();
    let segment = Segment::File {
        path: log.path().clone().join(file.name.as_str()),
        bytes: file.bytes,
        low: low.to_owned(),
        high: high.to_owned(),
        newest_at: (first != last || last > at).then_some(at),
    };
    ((file.sequence, file.version, file.part), segment)
}

/// A position in a stream of batches.
struct Walk {
    rows: BatchStream,
    batch: Option<Arc<Batch>>,
    row: usize,
}

impl Walk {
    fn new(rows: BatchStream) -> Walk {
        Walk { rows, batch: None, row: 0 }
    }

    async fn load(&mut self) -> Result<()> {
        self.row = 0;
        self.batch = self.rows.next().await.transpose()?.map(Arc::new);
        Ok(())
    }

    fn current(&self) -> Option<(Arc<Batch>, usize)> {
        self.batch.as_ref().map(|batch| (batch.clone(), self.row))
    }

    async fn skip_to(&mut self, row: usize) -> Result<()> {
        self.row = row;
        if self.batch.as_ref().is_some_and(|batch| row >= batch.len()) {
            self.load().await?;
        }
        Ok(())
    }
}
