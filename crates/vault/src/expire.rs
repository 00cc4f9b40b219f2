// SPDX-License-Identifier: Apache-2.0
//! Expiry: backups that are kept no longer, first hidden, later removed.
//!
//! 1. A backup expires by a mark beside its manifest, `backups/<sequence>.expired.json.zst`. From then on no reader sees it,
//!    and taking the mark away brings it back whole. The mark holds what the chain needs of the manifest, and stays for ever.
//! 2. When its time of grace is over, its manifest is removed. That cannot be undone.
//! 3. Versions of records that no remaining backup can see are taken out of the tables, by commits that put files without them
//!    in the place of those that had them. The newest version at or before every remaining backup stays, and every version of a record on
//!    hold. Then the mark says that the removal is complete; until it does, the next run goes on.
//! 4. Bodies that nothing refers to any more are dropped by who knows what refers to them ([`OrgVault::drop_bodies`]).
//!
//! What the storage refuses to remove, because of a retention rule of its own, stays: a manifest keeps its backup expired and its versions
//! where they are until a later removal may take it, files stay noted as taken out of their tables.
//!
//! Rows keep their `_backup`: numbers of removed backups are holes in the sequence. Files that are replaced stay in the
//! store for a day, like those that were merged. Which versions go is held in memory as 16 bytes each, so many at a time.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use futures::stream::StreamExt;
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::backup::Manifest;
use crate::batch::Batch;
use crate::blobs;
use crate::columns::{ID, Schema};
use crate::datafile::{self, Hashes, Reading};
use crate::erase::rewritten;
use crate::erasure::Erased;
use crate::error::{Error, Kind, Result};
use crate::lock::Lock;
use crate::log::{Commit, DataFile, Log, Operation, State};
use crate::org::OrgVault;
use crate::packed::ENDING;
use crate::removed;
use crate::retention::{Policy, Retention};
use crate::runs::only;

/// Versions that are taken out in one go.
const MOST_VERSIONS: usize = 4_000_000;

/// What stands beside an expired backup's manifest, and in its place when it is removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Expired {
    pub sequence: u64,
    pub predecessor: Option<String>,
    /// BLAKE3 of the manifest's JSON.
    pub hash: String,
    pub finished_at: DateTime<Utc>,
    pub expired_at: DateTime<Utc>,
    /// When everything of it was removed.
    pub removed_at: Option<DateTime<Utc>>,
}

/// What a policy makes of the backups that there are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Expiry {
    pub kept: Vec<u64>,
    /// Kept by a hold only.
    pub held: Vec<u64>,
    /// To expire now.
    pub expiring: Vec<u64>,
    /// Expired before, and can be brought back.
    pub expired: Vec<u64>,
    /// Expired so long ago that they are to be removed.
    pub due: Vec<u64>,
}

/// What a removal takes, or would take.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Removal {
    pub backups: Vec<u64>,
    /// Captured versions of records.
    pub versions: u64,
    /// Bytes of data files that are no longer needed, nearly.
    pub bytes: u64,
    pub bodies: u64,
    /// Backups whose manifest the storage refused to remove, by a lock or a rule of its own: they stay expired, and the next removal
    /// tries again.
    #[serde(default)]
    pub refused: Vec<u64>,
}

/// A version of a record, as 16 bytes of a hash.
type Key = [u8; 16];

fn key(id: &str, backup: u64) -> Key {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&backup.to_le_bytes()).update(id.as_bytes());
    hasher.finalize().as_bytes()[..16].try_into().expect("a hash has 32 bytes")
}

/// Whether one of the backups, in order, sees a version that was captured by `backup` and replaced by `later`.
fn is_seen(kept: &[u64], backup: u64, later: Option<u64>) -> bool {
    let first = kept.partition_point(|sequence| *sequence < backup);
    later.is_none() || kept.get(first).is_some_and(|sequence| later.is_none_or(|later| *sequence < later))
}

impl OrgVault {
    pub(crate) fn mark_path(&self, sequence: u64) -> Path {
        self.path("backups").join(format!("{sequence:010}.expired{ENDING}"))
    }

    pub(crate) async fn read_mark(&self, sequence: u64) -> Result<Expired> {
        let path = self.mark_path(sequence);
        let mark: Expired = self.packed(&path, "the mark of an expired backup").await?;
        if mark.sequence != sequence {
            return Err(Error::new(Kind::Corrupt, "a mark stands in the place of another").with("path", path));
        }
        Ok(mark)
    }

    async fn put_mark(&self, mark: &Expired) -> Result<()> {
        let path = self.mark_path(mark.sequence);
        self.put_packed(&path, mark, "the mark of an expired backup cannot be written").await
    }

    /// What a policy makes of the backups that there are.
    pub async fn expiry(&self, retention: &Retention, policy: &Policy, now: DateTime<Utc>) -> Result<Expiry> {
        let there: Vec<(u64, DateTime<Utc>)> =
            self.manifests().await?.iter().map(|manifest| (manifest.sequence, manifest.finished_at)).collect();
        let kept = policy.keeps(&there)?;
        let mut expiry = Expiry::default();
        for (sequence, _) in there {
            let is_held = retention.backups.contains_key(&sequence);
            match (kept.contains(&sequence), is_held) {
                (true, _) => expiry.kept.push(sequence),
                (false, true) => expiry.held.push(sequence),
                (false, false) => expiry.expiring.push(sequence),
            }
        }
        for (sequence, removed) in self.marks().await? {
            let mark = self.read_mark(sequence).await?;
            let over = now - mark.expired_at >= TimeDelta::days(policy.grace_days.into());
            match (removed, mark.removed_at) {
                (false, _) if retention.backups.contains_key(&sequence) || !over => expiry.expired.push(sequence),
                (false, _) | (true, None) => expiry.due.push(sequence),
                (true, Some(_)) => {}
            }
        }
        Ok(expiry)
    }

    /// Expires backups: nobody sees them any more, and they can be brought back. The newest backup, and one on hold, cannot expire.
    pub async fn expire(&self, lock: &Lock, sequences: &[u64]) -> Result<()> {
        lock.of(self)?;
        let holds = self.retention().await?.backups;
        let newest = self.newest().await?.map_or(0, |manifest| manifest.sequence);
        for sequence in sequences {
            if *sequence >= newest || holds.contains_key(sequence) {
                return Err(Error::new(Kind::Invalid, "the newest backup, and one on hold, cannot expire")
                    .with("backup", sequence));
            }
        }
        for sequence in sequences {
            let Manifest { sequence, predecessor, hash, finished_at, .. } = self.manifest(*sequence).await?;
            let expired_at = lock.at();
            self.put_mark(&Expired { sequence, predecessor, hash, finished_at, expired_at, removed_at: None }).await?;
        }
        self.forget_marks();
        Ok(())
    }

    /// Brings expired backups back, one or all that are not removed yet; which.
    pub async fn unexpire(&self, lock: &Lock, only: Option<u64>) -> Result<Vec<u64>> {
        lock.of(self)?;
        let marks = self.marks().await?;
        let back: Vec<u64> = marks
            .iter()
            .filter(|(sequence, removed)| !**removed && only.is_none_or(|only| only == **sequence))
            .map(|(sequence, _)| *sequence)
            .collect();
        if let (Some(only), true) = (only, back.is_empty()) {
            let what = if marks.contains_key(&only) {
                "the backup has been removed and cannot be brought back"
            } else {
                "the backup has not expired"
            };
            return Err(Error::new(Kind::NotFound, what).with("backup", only));
        }
        for sequence in &back {
            let path = self.mark_path(*sequence);
            match self.store().delete(&path).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(Error::because("a backup cannot be brought back", error).with("path", path)),
            }
        }
        self.forget_marks();
        Ok(back)
    }

    /// What would go with some backups, bodies of files aside.
    pub async fn removal(&self, sequences: &[u64]) -> Result<Removal> {
        let mut removal = Removal { backups: sequences.to_vec(), ..Removal::default() };
        if sequences.is_empty() {
            return Ok(removal);
        }
        let (kept, retention) = (self.remaining(sequences).await?, self.retention().await?);
        for object in self.tables().await? {
            let log = self.log(&object);
            let Some(state) = log.state().await? else { continue };
            let mut after = None;
            loop {
                let (unseen, last) = self.unseen(&object, &log, &state, &kept, &retention, after).await?;
                let rows: u64 = state.files.iter().map(|file| file.rows).sum();
                let bytes: u64 = state.files.iter().map(|file| file.bytes).sum();
                removal.versions += unseen.len() as u64;
                removal.bytes += bytes * unseen.len() as u64 / rows.max(1);
                after = last;
                if after.is_none() {
                    break;
                }
            }
        }
        Ok(removal)
    }

    /// Removes expired backups for good, with the versions that no other backup sees.
    pub async fn remove_expired(&self, lock: &Lock, due: &[u64]) -> Result<Removal> {
        lock.of(self)?;
        lock.renewing(self.remove_alone(lock, due)).await
    }

    async fn remove_alone(&self, lock: &Lock, due: &[u64]) -> Result<Removal> {
        let mut removal = Removal { backups: due.to_vec(), ..Removal::default() };
        if due.is_empty() {
            return Ok(removal);
        }
        let (marks, retention) = (self.marks().await?, self.retention().await?);
        let refused = |sequence: &&u64| !marks.contains_key(sequence) || retention.backups.contains_key(sequence);
        if let Some(sequence) = due.iter().find(refused) {
            return Err(Error::new(Kind::Invalid, "only an expired backup that is not on hold can be removed")
                .with("backup", sequence));
        }
        let marked = self.begin_work(lock.at()).await?;
        for sequence in due {
            let path = self.manifest_path(*sequence);
            match self.store().delete(&path).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => {
                    let error = Error::because("a manifest cannot be removed", error).with("path", path);
                    if error.kind() != Kind::Denied {
                        return Err(error);
                    }
                    removal.refused.push(*sequence);
                    continue;
                }
            }
            self.known_manifests().remove(sequence);
        }
        let gone: Vec<u64> = due.iter().copied().filter(|sequence| !removal.refused.contains(sequence)).collect();
        removal.backups.clone_from(&gone);
        self.forget_marks();
        let kept = self.remaining(&[]).await?;
        for object in self.tables().await? {
            let (versions, bytes) = self.prune(&object, &kept, &retention, lock).await?;
            removal.versions += versions;
            removal.bytes += bytes;
        }
        for sequence in &gone {
            let mark = self.read_mark(*sequence).await?;
            self.put_mark(&Expired { removed_at: Some(lock.at()), ..mark }).await?;
        }
        self.end_work(marked).await;
        Ok(removal)
    }

    /// The sequences of all manifests that are there, expired or not, but for some, and the one of a backup that is being made.
    async fn remaining(&self, without: &[u64]) -> Result<Vec<u64>> {
        let mut kept = self.manifest_sequences().await?;
        kept.retain(|sequence| !without.contains(sequence));
        Ok(kept)
    }

    /// Keys of versions that no kept backup sees, of Ids after `after`; and where to go on, if there are more.
    async fn unseen(
        &self,
        object: &str,
        log: &Log,
        state: &State,
        kept: &[u64],
        retention: &Retention,
        after: Option<String>,
    ) -> Result<(HashSet<Key>, Option<String>)> {
        let mut unseen = HashSet::new();
        let backups: BTreeSet<(u64, u64)> = state.files.iter().map(DataFile::backups).collect();
        if backups.len() < 2 && backups.iter().all(|(first, last)| first == last) {
            // One backup captured all there is: every version is the newest of its record.
            return Ok((unseen, None));
        }
        let held = retention.records.get(object);
        let only_id = Schema::new(state.columns.clone())?.project(&[ID.to_owned()]);
        let mut rows = self.versions_of(log, state, only_id, None, Hashes::No)?;
        let mut later: Option<(String, u64)> = None;
        while let Some(batch) = rows.next().await.transpose()? {
            for row in 0..batch.len() {
                let (id, backup) = (batch.id(row), batch.backup(row));
                if after.as_deref().is_some_and(|after| id <= after) {
                    continue;
                }
                let replaced = later.as_ref().filter(|(other, _)| other == id).map(|(_, by)| *by);
                if replaced.is_none() && unseen.len() >= MOST_VERSIONS {
                    return Ok((unseen, later.map(|(id, _)| id)));
                }
                if !is_seen(kept, backup, replaced) && !held.is_some_and(|held| held.contains_key(id)) {
                    unseen.insert(key(id, backup));
                }
                later = Some((id.to_owned(), backup));
            }
        }
        Ok((unseen, None))
    }

    /// Takes versions out of a table that no kept backup sees: how many, and the bytes that this saves.
    async fn prune(&self, object: &str, kept: &[u64], retention: &Retention, lock: &Lock) -> Result<(u64, u64)> {
        let log = self.log(object);
        let Some(mut state) = log.state().await? else { return Ok((0, 0)) };
        let schema = Schema::new(state.columns.clone())?;
        let (mut versions, mut saved, mut after) = (0, 0, None);
        loop {
            let (unseen, last) = self.unseen(object, &log, &state, kept, retention, after).await?;
            let (mut removed, mut files) = (Vec::new(), Vec::new());
            for file in state.files.iter().filter(|_| !unseen.is_empty()) {
                if !self.has_any(&log, file, &schema, &unseen).await? {
                    continue;
                }
                files.extend(rewritten(self, &log, file, &schema, &|batch| without(batch, &unseen)).await?);
                removed.push(file.clone());
            }
            if !removed.is_empty() {
                let bytes = |files: &[DataFile]| files.iter().map(|file| file.bytes).sum::<u64>();
                let rows = |files: &[DataFile]| files.iter().map(|file| file.rows).sum::<u64>();
                versions += rows(&removed) - rows(&files);
                saved += bytes(&removed).saturating_sub(bytes(&files));
                removed::note(self, &log, &removed, lock.at()).await?;
                let outcome = json!({"expired": {"versions": rows(&removed) - rows(&files)}});
                let commit =
                    Commit { schema: None, files, removed, operation: Operation::Delete, outcome, at: lock.at() };
                state = log.commit(Some(state), commit).await?;
                self.forget_state(object);
            }
            after = last;
            if after.is_none() {
                return Ok((versions, saved));
            }
        }
    }

    async fn has_any(&self, log: &Log, file: &DataFile, schema: &Schema, unseen: &HashSet<Key>) -> Result<bool> {
        let path = log.path().clone().join(file.name.as_str());
        let reading = Reading { schema: schema.project(&[]), hashes: Hashes::No, ids: None, batch_bytes: 1024 * 1024 };
        let mut rows = datafile::read(self.store(), path, file.bytes, reading).await?;
        while let Some(batch) = rows.next().await.transpose()? {
            if (0..batch.len()).any(|row| unseen.contains(&key(batch.id(row), batch.backup(row)))) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Drops the bodies of files that nothing refers to; how many. `referred` must know every reference of every version that is kept.
    pub async fn drop_bodies(&self, lock: &Lock, referred: &(dyn Fn(&str) -> bool + Send + Sync)) -> Result<u64> {
        lock.of(self)?;
        let work = async {
            let marked = self.begin_work(lock.at()).await?;
            let mut done = Erased::default();
            let dropped = blobs::take_out(self, &|hash| !referred(hash), lock, &mut done).await?;
            if dropped > 0 {
                // What the storage keeps by a rule of its own is named by no table, and goes with the next removal of bodies.
                let _refused = blobs::purge(self, DateTime::<Utc>::MAX_UTC, &mut done).await?;
            }
            self.end_work(marked).await;
            Ok(dropped)
        };
        lock.renewing(work).await
    }

    /// Fails where a record is on hold.
    /// Invalid where one of some records, by object, is on hold.
    pub(crate) fn refuse_held(retention: &Retention, records: &BTreeMap<String, BTreeSet<String>>) -> Result<()> {
        for (object, ids) in records {
            let held = retention.records.get(object).into_iter().flatten().find(|(id, _)| ids.contains(*id));
            if let Some((id, hold)) = held {
                return Err(Error::new(Kind::Invalid, "a record is on hold and must not be erased")
                    .with("object", object)
                    .with("record", id)
                    .with("reason", &hold.reason)
                    .hint("`orgkeep hold NAME --object O --id ID --remove` lifts the hold"));
            }
        }
        Ok(())
    }
}

fn without(batch: Batch, unseen: &HashSet<Key>) -> Result<Batch> {
    only(batch, |batch, row| !unseen.contains(&key(batch.id(row), batch.backup(row))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_seen_by_the_backups_between_it_and_the_next() {
        let kept = [2, 5, 9];
        assert!(is_seen(&kept, 1, Some(3)) && is_seen(&kept, 2, Some(3)) && is_seen(&kept, 5, Some(6)));
        assert!(!is_seen(&kept, 3, Some(5)) && !is_seen(&kept, 1, Some(2)) && !is_seen(&kept, 6, Some(9)));
        // The newest of its record, also one of a backup that is being made.
        assert!(is_seen(&kept, 3, None) && is_seen(&kept, 10, None));
        // Replaced by a backup that is being made.
        assert!(is_seen(&kept, 9, Some(10)) && is_seen(&kept, 7, Some(10)));
    }
}
