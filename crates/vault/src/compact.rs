// SPDX-License-Identifier: Apache-2.0
//! Compaction: many small files of a table become few, and every row stays.
//!
//! The rows of one backup form a group, those of a merged file another. A group belongs to the tier of its number of rows, one
//! tier for every [`FAN`]-fold. When a tier has [`FAN`] groups, these and all smaller ones are merged into one, which then
//! belongs to a higher tier. So a row is written again at most once per tier (what a backup changed costs a number of
//! rewrites that grows with the logarithm of the table), a large first backup is not touched because of small ones after it,
//! and there are never more than [`FAN`] − 1 groups per tier.
//!
//! A group is merged whole. So no two files hold rows of one backup for the same Id, but those that one backup wrote in
//! several captures, of which the last counts; of these only the last is kept.
//!
//! Order of writing: the mark of unfinished work, the merged files, a note of what is about to be taken out (`removed.rs`), the
//! commit. Until the commit nothing has happened for readers, and after it the old files stay in the store for those who
//! opened the table before. What an interruption leaves is swept by the next backup.
//!
//! Packs of bodies are merged in the same way, each by itself, without order between them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::columns::Schema;
use crate::compare::ranked;
use crate::datafile::{Hashes, Reading};
use crate::error::{Error, Kind, Result};
use crate::lock::Lock;
use crate::log::{Commit, DataFile, Log, Operation, State};
use crate::org::OrgVault;
use crate::output::Output;
use crate::runs::{self, Versions};
use crate::sorter::batch_bytes;
use crate::{blobs, removed};

/// So many groups of one tier are merged into one.
const FAN: u64 = 6;
/// Groups merged at once at most: each is a file that is open.
const MOST_GROUPS: usize = 36;

/// What compaction did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Compacted {
    /// Tables that were changed.
    pub tables: u64,
    pub files_before: u64,
    pub files_after: u64,
    /// Plaintext bytes of the files that were merged, and of those that they became.
    pub bytes_before: u64,
    pub bytes_after: u64,
}

/// Files that are merged together.
fn tier(rows: u64) -> u32 {
    rows.max(1).ilog(FAN)
}

/// The files to be merged next, of those that finished backups made; none where there are few.
pub(crate) fn plan(files: &[DataFile], finished: u64) -> Option<Vec<DataFile>> {
    let mut groups: BTreeMap<u64, Vec<&DataFile>> = BTreeMap::new();
    for file in files.iter().filter(|file| file.sequence <= finished) {
        groups.entry(file.sequence).or_default().push(file);
    }
    pick(groups.into_values().collect())
}

/// Picks groups to be merged, smallest first.
pub(crate) fn pick(groups: Vec<Vec<&DataFile>>) -> Option<Vec<DataFile>> {
    let mut groups: Vec<(u64, Vec<&DataFile>)> =
        groups.into_iter().map(|files| (files.iter().map(|file| file.rows).sum(), files)).collect();
    groups.sort_by_key(|(rows, _)| *rows);
    let in_tier =
        |groups: &[(u64, Vec<&DataFile>)], of: u32| groups.iter().filter(|(rows, _)| tier(*rows) == of).count() as u64;
    let full = groups.iter().map(|(rows, _)| tier(*rows)).find(|of| in_tier(&groups, *of) >= FAN)?;
    let mut count = groups.partition_point(|(rows, _)| tier(*rows) <= full);
    // What comes of it may fill its own tier: then those are merged in the same go.
    loop {
        let rows: u64 = groups[..count].iter().map(|(rows, _)| rows).sum();
        if in_tier(&groups[count..], tier(rows)) + 1 < FAN {
            break;
        }
        count = groups.partition_point(|(other, _)| tier(*other) <= tier(rows));
    }
    let picked = groups.into_iter().take(count.min(MOST_GROUPS));
    Some(picked.flat_map(|(_, files)| files.into_iter().cloned()).collect())
}

impl OrgVault {
    /// Remembers a table whose files have become many. `None` stands for the bodies of files.
    pub(crate) fn note_due(&self, object: Option<&str>, state: &State) {
        let planned = match object {
            Some(_) => plan(&state.files, u64::MAX),
            None => blobs::plan(&state.files),
        };
        if planned.is_some() {
            self.due().insert(object.map(str::to_owned));
        }
    }

    /// Merges files of the tables that this process has seen to have too many. Asks the store nothing where there are none.
    pub(crate) async fn compact_due(&self, lock: &Lock) -> Result<Compacted> {
        let due: Vec<Option<String>> = std::mem::take(&mut *self.due()).into_iter().collect();
        self.compact_tables(lock, due).await
    }

    /// Merges files of all tables that have too many.
    pub async fn compact(&self, lock: &Lock) -> Result<Compacted> {
        self.due().clear();
        let objects = self.tables().await?;
        self.compact_tables(lock, objects.into_iter().map(Some).chain([None]).collect()).await
    }

    async fn compact_tables(&self, lock: &Lock, tables: Vec<Option<String>>) -> Result<Compacted> {
        let mut done = Compacted::default();
        if tables.is_empty() {
            return Ok(done);
        }
        lock.of(self)?;
        let Some(newest) = self.newest().await? else { return Ok(done) };
        let marked = self.begin_work(lock.at()).await?;
        let work = async {
            for table in tables {
                match table {
                    Some(object) => self.compact_object(&object, newest.sequence, lock, &mut done).await?,
                    None => blobs::compact(self, lock, &mut done).await?,
                }
            }
            Ok(())
        };
        lock.renewing(work).await?;
        self.end_work(marked).await;
        Ok(done)
    }

    async fn compact_object(&self, object: &str, finished: u64, lock: &Lock, done: &mut Compacted) -> Result<()> {
        let log = self.log(object);
        let Some(mut state) = log.state().await? else { return Ok(()) };
        let mut changed = false;
        while let Some(selected) = plan(&state.files, finished) {
            let files = merged(self, &log, &state, &selected).await?;
            done.add(&selected, &files);
            state = commit(self, &log, state, files, selected, lock).await?;
            self.forget_state(object);
            changed = true;
        }
        done.tables += u64::from(changed);
        Ok(())
    }
}

/// Writes the rows of files of a table as one group of new files.
async fn merged(org: &OrgVault, log: &Log, state: &State, selected: &[DataFile]) -> Result<Vec<DataFile>> {
    let expected: u64 = selected.iter().map(|file| file.rows).sum();
    let sequence = selected.iter().map(|file| file.sequence).max().unwrap_or(0);
    let runs = runs::chains(selected.iter().map(|file| ranked(log, file, u64::MAX)).collect());
    let reading = Reading {
        schema: Schema::new(state.columns.clone())?,
        hashes: Hashes::Yes,
        ids: None,
        batch_bytes: batch_bytes(runs.len()),
    };
    let mut rows = runs::merge(org.store(), runs, reading, Versions::All, true);
    let mut output = Output::new(log.clone(), sequence, state.version + 1, false);
    while let Some(batch) = futures::StreamExt::next(&mut rows).await.transpose()? {
        output.push(batch).await?;
    }
    let files = output.finish().await?;
    let (written, several) = (files.iter().map(|file| file.rows).sum::<u64>(), captured_again(selected));
    if written > expected || (written < expected && !several) {
        return Err(Error::new(Kind::Bug, "merging files would have changed the number of rows")
            .with("table", log.path())
            .with("rows", written)
            .with("expected", expected));
    }
    Ok(files)
}

/// Whether some backup captured more than once, so that some of its rows were replaced by others.
fn captured_again(files: &[DataFile]) -> bool {
    let mut versions: BTreeMap<u64, u64> = BTreeMap::new();
    files.iter().any(|file| *versions.entry(file.sequence).or_insert(file.version) != file.version)
}

/// Puts merged files in the place of others.
pub(crate) async fn commit(
    org: &OrgVault,
    log: &Log,
    state: State,
    files: Vec<DataFile>,
    selected: Vec<DataFile>,
    lock: &Lock,
) -> Result<State> {
    removed::note(org, log, &selected, lock.at()).await?;
    let commit = Commit {
        schema: None,
        outcome: json!({"compacted": {"before": selected.len(), "after": files.len()}}),
        files,
        removed: selected,
        operation: Operation::Optimize,
        at: lock.at(),
    };
    log.commit(Some(state), commit).await
}

impl Compacted {
    pub(crate) fn add(&mut self, before: &[DataFile], after: &[DataFile]) {
        self.files_before += before.len() as u64;
        self.files_after += after.len() as u64;
        self.bytes_before += before.iter().map(|file| file.bytes).sum::<u64>();
        self.bytes_after += after.iter().map(|file| file.bytes).sum::<u64>();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(sequence: u64, rows: u64) -> DataFile {
        let name = format!("{sequence:010}-0000000000-00000-x.parquet");
        DataFile { name, bytes: rows, rows, sequence, version: 0, part: 0, stats: serde_json::Value::Null }
    }

    /// Plays backups of so many rows each and gives the number of groups at the end and the rows that were written again.
    fn play(first: u64, sizes: impl Iterator<Item = u64>) -> (usize, u64) {
        let (mut files, mut rewritten) = (vec![file(1, first)], 0);
        for (sequence, rows) in (2..).zip(sizes) {
            files.push(file(sequence, rows));
            while let Some(selected) = plan(&files, sequence) {
                let rows: u64 = selected.iter().map(|file| file.rows).sum();
                rewritten += rows;
                files.retain(|file| selected.iter().all(|taken| taken.sequence != file.sequence));
                files.push(file(selected.iter().map(|file| file.sequence).max().unwrap(), rows));
            }
        }
        (files.len(), rewritten)
    }

    #[test]
    fn many_backups_leave_few_groups_and_a_row_is_written_again_a_few_times() {
        for backups in [30usize, 100, 1000] {
            let (groups, rewritten) = play(1_000_000, std::iter::repeat_n(10_000, backups));
            // One less than what is merged in each tier, and the first backup.
            let most = (FAN as usize - 1) * (backups.ilog(FAN as usize) as usize + 1) + 1;
            assert!(groups <= most, "{groups} groups after {backups} backups");
            let changed = backups as u64 * 10_000;
            assert!(rewritten <= changed * 4, "{rewritten} rows written again for {changed} that changed");
        }
    }

    #[test]
    fn backups_of_mixed_sizes_leave_few_groups_too() {
        let sizes = (0u64..1000).map(|number| [1, 7, 400, 3, 20_000][number as usize % 5] + number % 3);
        let changed: u64 = sizes.clone().sum();
        let (groups, rewritten) = play(50, sizes);
        assert!(groups <= 30 && rewritten <= changed * 6, "{groups} groups, {rewritten} of {changed} rows");
    }

    #[test]
    fn what_an_unfinished_backup_captured_is_left_alone() {
        let files: Vec<DataFile> = (1..=6).map(|sequence| file(sequence, 5)).collect();
        assert!(plan(&files, 5).is_none());
        assert_eq!(plan(&files, 6).unwrap().len(), 6);
    }
}
