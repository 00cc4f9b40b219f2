// SPDX-License-Identifier: Apache-2.0
//! The erasure list: which records were erased, for ever.
//!
//! Each erasure is one document, put if absent before anything is taken out, so that it is known from then on what must not be
//! read, stored or restored again, and so that an interrupted erasure can be finished. It names Ids and no values. Backups that were
//! finished before keep their manifests, whose counts and digests still include what was erased: the erasure says, per object and
//! backup, how much of them that is, and a digest is a sum, so it can be taken away.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures::stream::TryStreamExt;
use object_store::PutMode;
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use crate::batch::Batch;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::merkle::Held;
use crate::org::OrgVault;
use crate::packed::{self, ENDING};
use crate::runs::only;

/// One erasure, as the vault keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Erasure {
    /// Counted from 1.
    pub number: u64,
    pub at: DateTime<Utc>,
    /// What was asked for.
    pub object: String,
    pub ids: Vec<String>,
    /// By which rule other records were taken along.
    pub rule: String,
    /// The newest finished backup at that time: manifests up to it include what was erased.
    pub newest: u64,
    /// All Ids that were erased, by object.
    pub records: BTreeMap<String, BTreeSet<String>>,
    /// Bodies of files that only these records had, by the BLAKE3 of their content.
    pub bodies: BTreeSet<String>,
    /// Captured versions that were taken out, by object.
    pub versions: BTreeMap<String, u64>,
    /// What the erased records were of the state of their object, from a backup on to the next entry.
    pub shares: BTreeMap<String, Vec<Share>>,
}

/// How much of an object's state erased records were.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// From this backup on.
    pub backup: u64,
    pub live: u64,
    /// The sum of the hashes of the live ones.
    pub digest: String,
}

/// What was done to the store, kept beside the erasure when it is complete.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Erased {
    /// Files that were taken away: data files, packs, bodies, spilled rows.
    pub files_removed: u64,
    /// As they lay in the store, plaintext.
    pub bytes_removed: u64,
    /// What was written instead, without the records.
    pub files_written: u64,
    pub bytes_written: u64,
}

/// That an erasure has been through all tables, and its files are left to be removed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct TakenOut {
    /// What was taken out of a table later does not have the records.
    pub at: DateTime<Utc>,
    pub done: Erased,
}

impl Erasure {
    /// What erased records were of an object's state as of a backup.
    pub(crate) fn share(&self, object: &str, at: u64) -> Option<&Share> {
        self.shares.get(object)?.iter().rev().find(|share| share.backup <= at)
    }

    /// BLAKE3 of the erasure as it is kept, in hexadecimal.
    pub fn hash(&self) -> String {
        blake3::hash(&self.json()).to_hex().to_string()
    }

    fn json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("an erasure is plain JSON")
    }

    /// The finished backups whose state held one of the records as live.
    pub fn backups(&self) -> Vec<u64> {
        (1..=self.newest)
            .filter(|at| self.records.keys().any(|object| self.share(object, *at).is_some_and(|share| share.live > 0)))
            .collect()
    }
}

/// All that was erased of an org.
#[derive(Debug, Default)]
pub struct ErasureList {
    pub erasures: Vec<Erasure>,
    /// Numbers of those that were begun and not completed.
    pub(crate) incomplete: BTreeSet<u64>,
    records: BTreeMap<String, HashSet<String>>,
}

impl ErasureList {
    pub(crate) fn new(erasures: Vec<Erasure>, incomplete: BTreeSet<u64>) -> ErasureList {
        let mut records: BTreeMap<String, HashSet<String>> = BTreeMap::new();
        for (object, ids) in erasures.iter().flat_map(|erasure| &erasure.records) {
            records.entry(object.clone()).or_default().extend(ids.iter().cloned());
        }
        ErasureList { erasures, incomplete, records }
    }

    pub fn is_empty(&self) -> bool {
        self.erasures.is_empty()
    }

    /// The erased Ids of an object.
    pub fn of(&self, object: &str) -> Option<&HashSet<String>> {
        self.records.get(object)
    }

    /// The erasure that took a record away.
    pub fn holding(&self, object: &str, id: &str) -> Option<&Erasure> {
        self.erasures.iter().find(|erasure| erasure.records.get(object).is_some_and(|ids| ids.contains(id)))
    }

    /// How many of the live records that a manifest counts were erased since.
    pub fn live(&self, object: &str, at: u64) -> u64 {
        let since = self.erasures.iter().filter(|erasure| erasure.newest >= at);
        since.filter_map(|erasure| erasure.share(object, at)).map(|share| share.live).sum()
    }

    /// What a manifest says of an object, less what was erased since.
    pub fn adjusted(&self, object: &str, at: u64, live: u64, digest: &str) -> Result<(u64, String)> {
        let shares =
            self.erasures.iter().filter(|erasure| erasure.newest >= at).filter_map(|one| one.share(object, at));
        let (mut live, mut sum) = (live, None);
        for share in shares {
            let mut digest = match sum {
                Some(sum) => sum,
                None => Digest::parse(digest)?,
            };
            digest.subtract(Digest::parse(&share.digest)?);
            sum = Some(digest);
            live = live.saturating_sub(share.live);
        }
        Ok((live, sum.map_or_else(|| digest.to_owned(), |sum| sum.to_string())))
    }

    /// Without these.
    pub(crate) fn without(&self, numbers: &BTreeSet<u64>) -> ErasureList {
        let others = |erasure: &&Erasure| !numbers.contains(&erasure.number);
        ErasureList::new(self.erasures.iter().filter(others).cloned().collect(), BTreeSet::new())
    }

    pub(crate) fn held(&self, object: &str, at: u64, held: &Held) -> Result<Held> {
        let (live, digest) = self.adjusted(object, at, held.live, &held.digest)?;
        Ok(Held { live, digest })
    }
}

/// The rows without those of some Ids, and how many live ones there were of these.
pub(crate) fn without(batch: Batch, ids: &HashSet<String>) -> Result<(Batch, u64)> {
    let mut live = 0;
    let kept = only(batch, |batch, row| {
        let erased = ids.contains(batch.id(row));
        live += u64::from(erased && !batch.deleted(row));
        !erased
    })?;
    Ok((kept, live))
}

impl OrgVault {
    pub(crate) fn erasure_path(&self, number: u64, ending: &str) -> Path {
        self.path("erasures").join(format!("{number:010}{ending}{ENDING}"))
    }

    /// Numbers of all erasures, and of those that are complete.
    async fn erasure_numbers(&self) -> Result<(BTreeSet<u64>, BTreeSet<u64>)> {
        let listed: Vec<_> = self
            .store()
            .list(Some(&self.path("erasures")))
            .try_collect()
            .await
            .map_err(|error| Error::because("the erasures cannot be listed", error).with("org", self.id()))?;
        let (mut all, mut done) = (BTreeSet::new(), BTreeSet::new());
        for meta in listed {
            let Some(name) = meta.location.filename().and_then(|name| name.strip_suffix(ENDING)) else { continue };
            match name.strip_suffix(".done") {
                Some(number) => done.extend(number.parse::<u64>()),
                None => all.extend(name.parse::<u64>()),
            }
        }
        Ok((all, done))
    }

    async fn read_erasure(&self, number: u64) -> Result<Erasure> {
        self.packed(&self.erasure_path(number, ""), "an erasure").await
    }

    /// What was erased of this org. Read once and remembered.
    pub async fn erased(&self) -> Result<Arc<ErasureList>> {
        let mut known = self.known_erasures().lock().await;
        if let Some(list) = known.as_ref() {
            return Ok(list.clone());
        }
        let mut erasures = Vec::new();
        let (all, done) = self.erasure_numbers().await?;
        for number in &all {
            erasures.push(self.read_erasure(*number).await?);
        }
        let list = Arc::new(ErasureList::new(erasures, &all - &done));
        *known = Some(list.clone());
        Ok(list)
    }

    pub(crate) async fn forget_erasures(&self) {
        *self.known_erasures().lock().await = None;
    }

    /// Puts an erasure on the list under the next number, which it then has.
    pub(crate) async fn list_erasure(&self, erasure: &mut Erasure) -> Result<()> {
        erasure.number = self.erasure_numbers().await?.0.last().copied().unwrap_or(0) + 1;
        let (path, packed) = (self.erasure_path(erasure.number, ""), packed::pack(&erasure.json()));
        let put = self.store().put_opts(&path, packed.into(), PutMode::Create.into()).await;
        if let Err(error) = put
            // Perhaps only the reply was lost.
            && self.read_erasure(erasure.number).await.ok().as_ref() != Some(&*erasure)
        {
            return Err(Error::because("the erasure cannot be put on the list", error).with("path", path));
        }
        self.forget_erasures().await;
        Ok(())
    }

    /// None where an erasure has not been through all tables.
    pub(crate) async fn taken_out(&self, number: u64) -> Result<Option<TakenOut>> {
        self.packed_if_any(&self.erasure_path(number, ".out"), "the progress of an erasure").await
    }

    pub(crate) async fn note_taken_out(&self, number: u64, taken_out: &TakenOut) -> Result<()> {
        let path = self.erasure_path(number, ".out");
        self.put_packed(&path, taken_out, "the progress of an erasure cannot be noted").await
    }

    pub(crate) async fn complete_erasure(&self, number: u64, done: &Erased) -> Result<()> {
        let path = self.erasure_path(number, ".done");
        self.put_packed(&path, done, "the end of an erasure cannot be noted").await
    }
}
