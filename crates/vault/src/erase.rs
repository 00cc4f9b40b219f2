// SPDX-License-Identifier: Apache-2.0
//! Erasing records from all backups.
//!
//! 1. Every version of the records is read, to know what they were of each backup's state.
//! 2. The erasure is put on the list (`erasure.rs`). From now on it is obeyed, and whoever finds it incomplete completes it.
//! 3. Per table one commit takes out the files that hold a version of them and adds the same files without. A file takes the
//!    place of another under the same sequence and version, so that the order of versions stays.
//! 4. Packs of bodies likewise.
//! 5. What the tables no longer name is removed from the store, at once and not after a time of grace, and so is
//!    what was spilled. Only when that has worked is the erasure noted as complete.
//!
//! Every step can be repeated: a table that holds none of the records any more has no commit.
//!
//! What stays: the Ids, in the list, in the smallest and greatest Ids that a table's log keeps of its former files, and in
//! lookups of other records. Copies of the vault elsewhere are not reached. Who had a removed file open gets an error.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures::stream::{StreamExt, TryStreamExt};
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use serde_json::json;

use crate::blobs;
use crate::columns::{ID, Schema};
use crate::compare::{ranked, totals};
use crate::datafile::{self, Hashes, Reading};
use crate::digest::Digest;
use crate::erasure::{self, Erased, Erasure, Share, TakenOut};
use crate::error::{Error, Kind, Result};
use crate::lock::Lock;
use crate::log::{Commit, DataFile, Log, Operation, State};
use crate::org::OrgVault;
use crate::output::Output;
use crate::removed::Removed;
use crate::runs::{self, BatchStream, Versions};
use crate::sorter::batch_bytes;
use crate::state::may_hold;

/// What is to be erased.
#[derive(Debug, Clone, Default)]
pub struct ErasureDraft {
    pub object: String,
    pub ids: Vec<String>,
    pub rule: String,
    /// Everything that goes, by object, `ids` among it.
    pub records: BTreeMap<String, BTreeSet<String>>,
    /// Bodies that nothing else refers to.
    pub bodies: BTreeSet<String>,
}

impl OrgVault {
    /// All captured versions of an object's records, sorted by Id, newest first, those of an unfinished backup among them. Nothing for an
    /// object without a table.
    pub async fn versions(
        &self,
        object: &str,
        columns: Option<Vec<String>>,
        ids: Option<Vec<String>>,
    ) -> Result<BatchStream> {
        let log = self.log(object);
        let Some(state) = log.state().await? else { return Ok(futures::stream::empty().boxed()) };
        let whole = Schema::new(state.columns.clone())?;
        let schema = columns.map_or_else(|| whole.clone(), |names| whole.project(&names));
        self.versions_of(&log, &state, schema, ids, Hashes::No)
    }

    pub(crate) fn versions_of(
        &self,
        log: &Log,
        state: &State,
        schema: Schema,
        ids: Option<Vec<String>>,
        hashes: Hashes,
    ) -> Result<BatchStream> {
        let ids: Option<Arc<[String]>> = ids.map(|mut ids| {
            ids.sort_unstable();
            ids.dedup();
            ids.into()
        });
        let wanted = |file: &&DataFile| ids.as_ref().is_none_or(|ids| may_hold(file, ids));
        let files = state.files.iter().filter(wanted).map(|file| ranked(log, file, u64::MAX)).collect();
        let runs = runs::chains(files);
        let reading = Reading { schema, hashes, ids, batch_bytes: batch_bytes(runs.len()) };
        Ok(runs::merge(self.store(), runs, reading, Versions::All, true))
    }

    /// The columns of an object's table; none where there is no table.
    pub async fn columns(&self, object: &str) -> Result<Option<Schema>> {
        self.log(object).state().await?.map(|state| Schema::new(state.columns)).transpose()
    }

    /// What an erasure would be, without doing it. Invalid where a record, or a backup that has one of the records, is on hold.
    pub async fn erasure(&self, draft: ErasureDraft, at: DateTime<Utc>) -> Result<Erasure> {
        let newest = self.newest().await?.map_or(0, |manifest| manifest.sequence);
        let ErasureDraft { object, ids, rule, records, bodies } = draft;
        let retention = self.retention().await?;
        OrgVault::refuse_held(&retention, &records)?;
        let (mut versions, mut shares) = (BTreeMap::new(), BTreeMap::new());
        for (object, ids) in &records {
            let log = self.log(object);
            let Some(state) = log.state().await? else { continue };
            let (count, share) = self.shares(&log, &state, ids).await?;
            versions.insert(object.clone(), count);
            shares.insert(object.clone(), share);
        }
        let erasure = Erasure { number: 0, at, object, ids, rule, newest, records, bodies, versions, shares };
        let held = erasure.backups().into_iter().find_map(|backup| Some((backup, retention.backups.get(&backup)?)));
        if let Some((backup, hold)) = held {
            return Err(Error::new(Kind::Invalid, "a backup that has these records is on hold")
                .with("backup", backup)
                .with("reason", &hold.reason)
                .hint(format!("`orgkeep hold NAME --backup {backup} --remove` lifts the hold")));
        }
        Ok(erasure)
    }

    /// How many versions there are of some records, and what the live ones are of the state of each backup.
    async fn shares(&self, log: &Log, state: &State, ids: &BTreeSet<String>) -> Result<(u64, Vec<Share>)> {
        let only_id = Schema::new(state.columns.clone())?.project(&[]);
        let mut rows = self.versions_of(log, state, only_id, Some(ids.iter().cloned().collect()), Hashes::Yes)?;
        // What comes and what goes with each backup.
        let mut moves: BTreeMap<u64, (u64, u64, Digest)> = BTreeMap::new();
        let (mut count, mut later) = (0, None::<(String, u64)>);
        while let Some(batch) = rows.next().await.transpose()? {
            for row in 0..batch.len() {
                count += 1;
                let (id, backup) = (batch.id(row), batch.backup(row));
                if !batch.deleted(row) {
                    let hash = batch.hash(row);
                    let (comes, _, sum) = moves.entry(backup).or_default();
                    *comes += 1;
                    sum.add(hash);
                    // The version before this one in the stream is the one that replaced it.
                    if let Some((_, replaced)) = later.as_ref().filter(|(other, _)| other == id) {
                        let (_, goes, sum) = moves.entry(*replaced).or_default();
                        *goes += 1;
                        sum.subtract(hash);
                    }
                }
                later = Some((id.to_owned(), backup));
            }
        }
        let (mut live, mut sum) = (0, Digest::default());
        let shares = moves.into_iter().map(|(backup, (comes, goes, moved))| {
            live = live + comes - goes;
            sum.add(moved);
            Share { backup, live, digest: sum.to_string() }
        });
        Ok((count, shares.collect()))
    }

    /// Erases, after completing what an interrupted erasure left. Invalid where there is nothing to erase.
    pub async fn erase(&self, lock: &Lock, draft: ErasureDraft) -> Result<(Erasure, Erased)> {
        lock.of(self)?;
        self.complete_erasures(lock).await?;
        let mut erasure = self.erasure(draft, lock.at()).await?;
        if erasure.records.values().all(BTreeSet::is_empty) {
            return Err(Error::new(Kind::Invalid, "there is nothing to erase"));
        }
        self.list_erasure(&mut erasure).await?;
        let done = self.carry_out(&erasure, lock).await?;
        Ok((erasure, done))
    }

    /// Completes erasures that were interrupted. Their numbers. One whose files the storage still refuses to remove stays incomplete: nobody
    /// reads them, and neither backups nor other erasures wait for them.
    pub async fn complete_erasures(&self, lock: &Lock) -> Result<Vec<u64>> {
        lock.of(self)?;
        // Another process may have begun one since the list was read.
        self.forget_erasures().await;
        let list = self.erased().await?;
        let mut completed = Vec::new();
        for erasure in list.erasures.iter().filter(|erasure| list.incomplete.contains(&erasure.number)) {
            match self.carry_out(erasure, lock).await {
                Ok(_) => completed.push(erasure.number),
                Err(error) if error.kind() == Kind::Denied => {}
                Err(error) => return Err(error),
            }
        }
        if !completed.is_empty() {
            self.forget_erasures().await;
        }
        Ok(completed)
    }

    async fn carry_out(&self, erasure: &Erasure, lock: &Lock) -> Result<Erased> {
        lock.renewing(self.carry_out_alone(erasure, lock)).await
    }

    async fn carry_out_alone(&self, erasure: &Erasure, lock: &Lock) -> Result<Erased> {
        let marked = self.begin_work(lock.at()).await?;
        let TakenOut { at, mut done } = match self.taken_out(erasure.number).await? {
            // What was stored since may have a body of the same content, and that is to stay.
            Some(taken_out) => taken_out,
            None => {
                let mut done = Erased::default();
                for (object, ids) in &erasure.records {
                    self.take_out(object, ids, erasure, lock, &mut done).await?;
                }
                if !erasure.bodies.is_empty() {
                    blobs::take_out(self, &|hash| erasure.bodies.contains(hash), lock, &mut done).await?;
                }
                let taken_out = TakenOut { at: lock.at(), done };
                self.note_taken_out(erasure.number, &taken_out).await?;
                taken_out
            }
        };
        // Nobody reads the records any more. Only now are the files removed, because storage may refuse that for a long time.
        let mut refused = None;
        for object in erasure.records.keys() {
            let log = self.log(object);
            let Some(named) = log.names().await? else { continue };
            refused = self.purge(log.path(), &named, at, &mut done).await?.or(refused);
        }
        // Bodies that nothing refers to may also lie in packs that were merged and are kept for a day.
        refused = blobs::purge(self, at, &mut done).await?.or(refused);
        refused = self.purge(&self.path("spill"), &HashSet::new(), at, &mut done).await?.or(refused);
        if let Some(error) = refused {
            self.end_work(marked).await;
            return Err(error);
        }
        self.complete_erasure(erasure.number, &done).await?;
        self.end_work(marked).await;
        Ok(done)
    }

    /// Takes records out of a table. The files that held them are still in the store.
    async fn take_out(
        &self,
        object: &str,
        ids: &BTreeSet<String>,
        erasure: &Erasure,
        lock: &Lock,
        done: &mut Erased,
    ) -> Result<()> {
        let log = self.log(object);
        let Some(state) = log.state().await? else { return Ok(()) };
        let sorted: Arc<[String]> = ids.iter().cloned().collect();
        let unwanted: HashSet<String> = ids.iter().cloned().collect();
        let schema = Schema::new(state.columns.clone())?;
        let (mut removed, mut files) = (Vec::new(), Vec::new());
        for file in state.files.iter().filter(|file| may_hold(file, &sorted)) {
            if !self.holds(&log, file, &schema, &sorted).await? {
                continue;
            }
            let keep = |batch| Ok(erasure::without(batch, &unwanted)?.0);
            files.extend(rewritten(self, &log, file, &schema, &keep).await?);
            removed.push(file.clone());
        }
        if !removed.is_empty() {
            done.files_written += files.len() as u64;
            done.bytes_written += files.iter().map(|file| file.bytes).sum::<u64>();
            let (live, mut digest) = totals(&log, &state).await?;
            let share = erasure.shares.get(object).and_then(|shares| shares.last());
            let gone = share.map_or(0, |share| share.live);
            if let Some(share) = share {
                digest.subtract(Digest::parse(&share.digest)?);
            }
            let held =
                json!({"erasure": erasure.number, "live": live.saturating_sub(gone), "digest": digest.to_string()});
            let commit = Commit {
                schema: None,
                files,
                removed,
                operation: Operation::Delete,
                outcome: json!({ "erased": held }),
                at: lock.at(),
            };
            log.commit(Some(state), commit).await?;
        }
        self.forget_state(object);
        Ok(())
    }

    async fn holds(&self, log: &Log, file: &DataFile, schema: &Schema, ids: &Arc<[String]>) -> Result<bool> {
        let path = log.path().clone().join(file.name.as_str());
        let only_id = schema.project(&[ID.to_owned()]);
        let reading = Reading { schema: only_id, hashes: Hashes::No, ids: Some(ids.clone()), batch_bytes: 1024 * 1024 };
        let mut rows = datafile::read(self.store(), path, file.bytes, reading).await?;
        Ok(rows.next().await.transpose()?.is_some())
    }

    /// Removes the data files in a folder that are not named, but for those that were taken out of their table after an erasure had been
    /// through all tables. Returns what the storage said where it refused to remove one; the others are removed.
    pub(crate) async fn purge(
        &self,
        folder: &Path,
        named: &HashSet<String>,
        since: DateTime<Utc>,
        done: &mut Erased,
    ) -> Result<Option<Error>> {
        let removed = Removed::of(self).await?;
        let failed = |error| Error::because("files cannot be removed", error).with("folder", folder);
        let mut listed = self.store().list(Some(folder));
        let mut unnamed = Vec::new();
        while let Some(meta) = listed.try_next().await.map_err(failed)? {
            let depth = meta.location.parts().count() - folder.parts().count();
            let unwanted = meta.location.filename().is_some_and(|name| !named.contains(name));
            if depth == 1 && unwanted && removed.at(&meta.location).is_none_or(|at| at <= since) {
                unnamed.push(meta);
            }
        }
        let mut refused = None;
        for meta in unnamed {
            match self.store().delete(&meta.location).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {
                    done.files_removed += 1;
                    done.bytes_removed += meta.size;
                }
                Err(error) => {
                    let error = failed(error).with("path", &meta.location);
                    if error.kind() != Kind::Denied {
                        return Err(error);
                    }
                    refused = Some(error.hint("the storage refuses to remove files, by a lock or a missing right: nobody reads the records any more, and the next `orgkeep erase` or backup that may remove the files completes the erasure"));
                }
            }
        }
        Ok(refused)
    }
}

/// Writes a file again with some of its rows, under the same sequence and version.
pub(crate) async fn rewritten(
    org: &OrgVault,
    log: &Log,
    file: &DataFile,
    schema: &Schema,
    keep: &(dyn Fn(crate::batch::Batch) -> Result<crate::batch::Batch> + Send + Sync),
) -> Result<Vec<DataFile>> {
    let path = log.path().clone().join(file.name.as_str());
    let reading = Reading { schema: schema.clone(), hashes: Hashes::Yes, ids: None, batch_bytes: 1024 * 1024 };
    let mut rows = datafile::read(org.store(), path, file.bytes, reading).await?;
    let mut output = Output::new(log.clone(), file.sequence, file.version, false);
    output.part = file.part;
    while let Some(batch) = rows.next().await.transpose()? {
        let kept = keep(batch)?;
        if !kept.is_empty() {
            output.push(kept).await?;
        }
    }
    output.finish().await
}
