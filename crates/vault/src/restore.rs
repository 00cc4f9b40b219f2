// SPDX-License-Identifier: Apache-2.0
//! The plan of a restore and the ledger of what it did, kept beside the backups they came from.
//!
//! A ledger is a numbered series of objects, each put if absent and never changed but by an erasure: what `append` returned for is there
//! for good. One process at a time may write a ledger; the lock of the org sees to that.

use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStoreExt as _, PutMode};
use serde_json::Value;

use crate::error::{Error, Kind, Result};
use crate::lock::Lock;
use crate::org::OrgVault;
use crate::packed::pack;

/// Entries are read this many objects at a time.
const READ_AHEAD: usize = 8;

const PLAN: &str = "plan.json.zst";
/// Ending of the parts of a ledger.
const PART: &str = ".jsonl.zst";

/// Lines of JSON, one an entry.
fn lines(entries: &[Value]) -> Vec<u8> {
    entries.iter().flat_map(|entry| (entry.to_string() + "\n").into_bytes()).collect()
}

/// The plan and the ledger of one restore. Clones share the position of the next entry.
#[derive(Debug, Clone)]
pub struct RestoreLedger {
    org: OrgVault,
    id: String,
    next: Arc<tokio::sync::Mutex<u64>>,
}

impl OrgVault {
    fn restore_path(&self, id: &str) -> Path {
        self.path("restores").join(id)
    }

    /// The ids of all restores, oldest first.
    pub async fn restores(&self) -> Result<Vec<String>> {
        let listed = self
            .store()
            .list_with_delimiter(Some(&self.path("restores")))
            .await
            .map_err(|error| Error::because("the restores cannot be listed", error).with("org", self.id()))?;
        let mut ids: Vec<String> =
            listed.common_prefixes.iter().filter_map(|path| path.filename().map(str::to_owned)).collect();
        ids.sort_unstable();
        Ok(ids)
    }

    /// Keeps a plan and opens an empty ledger for it. Ids count up and sort by age.
    pub async fn restore_create(&self, plan: &[u8]) -> Result<RestoreLedger> {
        let last = self.restores().await?.iter().filter_map(|id| id.parse::<u64>().ok()).max().unwrap_or(0);
        for number in last + 1.. {
            let id = format!("{number:010}");
            let path = self.restore_path(&id).join(PLAN);
            match self.store().put_opts(&path, pack(plan).into(), PutMode::Create.into()).await {
                Ok(_) => return Ok(RestoreLedger { org: self.clone(), id, next: Arc::new(1.into()) }),
                Err(object_store::Error::AlreadyExists { .. }) => {}
                Err(error) => {
                    return Err(Error::because("the plan of a restore cannot be kept", error).with("path", path));
                }
            }
        }
        Err(Error::new(Kind::Bug, "there are no more numbers for restores"))
    }

    /// An earlier restore. NotFound where there is none of that id.
    pub async fn restore_open(&self, id: &str) -> Result<RestoreLedger> {
        let ids = self.restores().await?;
        if !ids.iter().any(|known| known == id) {
            let error = Error::new(Kind::NotFound, "there is no such restore").with("restore", id);
            return Err(match ids.last() {
                Some(last) => error.hint(format!("the last one is {last}")),
                None => error.hint("nothing has been restored from this org's backups yet"),
            });
        }
        let ledger = RestoreLedger { org: self.clone(), id: id.into(), next: Arc::new(1.into()) };
        let last = ledger.numbers().await?.last().copied().unwrap_or(0);
        *ledger.next.lock().await = last + 1;
        Ok(ledger)
    }
}

impl RestoreLedger {
    pub fn id(&self) -> &str {
        &self.id
    }

    fn entry_path(&self, number: u64) -> Path {
        self.org.restore_path(&self.id).join("ledger").join(format!("{number:010}{PART}"))
    }

    async fn numbers(&self) -> Result<Vec<u64>> {
        let folder = self.org.restore_path(&self.id).join("ledger");
        let listed: Vec<_> =
            self.org.store().list(Some(&folder)).try_collect().await.map_err(|error| {
                Error::because("the ledger of a restore cannot be listed", error).with("path", &folder)
            })?;
        let mut numbers: Vec<u64> =
            listed.iter().filter_map(|meta| meta.location.filename()?.strip_suffix(PART)?.parse().ok()).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    async fn read(&self, path: &Path) -> Result<Bytes> {
        self.org.unpacked(path, "a part of a restore").await.map(Bytes::from)
    }

    /// The plan, as it was given.
    pub async fn plan(&self) -> Result<Bytes> {
        self.read(&self.org.restore_path(&self.id).join(PLAN)).await
    }

    /// Adds entries, all or none of them. They are durable when this returns; after an error they may be or may not.
    pub async fn append(&self, entries: &[Value]) -> Result<()> {
        if entries.is_empty() {
            return Ok(());
        }
        let bytes = Bytes::from(lines(entries));
        let packed = Bytes::from(pack(&bytes));
        let mut next = self.next.lock().await;
        loop {
            let path = self.entry_path(*next);
            match self.org.store().put_opts(&path, packed.clone().into(), PutMode::Create.into()).await {
                Ok(_) => {}
                Err(object_store::Error::AlreadyExists { .. }) => {
                    // Written before by a call whose reply was lost: with the same entries by this very call.
                    if self.read(&path).await? != bytes {
                        *next += 1;
                        continue;
                    }
                }
                Err(error) => {
                    // Perhaps only the reply was lost.
                    if self.read(&path).await.ok().as_ref() != Some(&bytes) {
                        return Err(
                            Error::because("the ledger of a restore cannot be written", error).with("path", path)
                        );
                    }
                }
            }
            *next += 1;
            return Ok(());
        }
    }

    /// All entries in the order in which they were added.
    pub async fn entries(&self) -> Result<Vec<Value>> {
        let numbers = self.numbers().await?;
        let mut parts = futures::stream::iter(numbers)
            .map(|number| async move {
                let path = self.entry_path(number);
                let bytes = self.read(&path).await?;
                serde_json::Deserializer::from_slice(&bytes).into_iter().collect::<Result<Vec<Value>, _>>().map_err(
                    |error| Error::because("the ledger of a restore is not readable", error).with("path", &path),
                )
            })
            .buffered(READ_AHEAD);
        let mut entries = Vec::new();
        while let Some(part) = parts.next().await.transpose()? {
            entries.extend(part);
        }
        Ok(entries)
    }

    /// Changes the plan and the entries where they lie. `change` says whether it changed the JSON it was given. Whether anything was.
    pub async fn rewrite(&self, lock: &Lock, change: &(dyn Fn(&mut Value) -> bool + Send + Sync)) -> Result<bool> {
        lock.of(&self.org)?;
        let unwritable = |error| Error::because("a part of a restore cannot be rewritten", error);
        let path = self.org.restore_path(&self.id).join(PLAN);
        let mut any = false;
        if let Ok(mut plan) = serde_json::from_slice::<Value>(&self.plan().await?)
            && change(&mut plan)
        {
            let json = serde_json::to_vec_pretty(&plan).expect("JSON that was read can be written");
            self.org.store().put(&path, pack(&json).into()).await.map_err(unwritable)?;
            any = true;
        }
        for number in self.numbers().await? {
            let path = self.entry_path(number);
            let bytes = self.read(&path).await?;
            let mut entries: Vec<Value> =
                serde_json::Deserializer::from_slice(&bytes).into_iter().collect::<Result<_, _>>().map_err(
                    |error| Error::because("the ledger of a restore is not readable", error).with("path", &path),
                )?;
            if entries.iter_mut().fold(false, |changed, entry| change(entry) | changed) {
                self.org.store().put(&path, pack(&lines(&entries)).into()).await.map_err(unwritable)?;
                any = true;
            }
        }
        Ok(any)
    }
}
