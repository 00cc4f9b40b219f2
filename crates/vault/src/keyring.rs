// SPDX-License-Identifier: Apache-2.0
//! The keys of an org: the one that new files are sealed with, and those of before as long as files need them.
//!
//! `key.json` holds each key wrapped by the vault's. A key has a number, and every file says in its header which it was sealed
//! with; the first key has the number 0. While the vault's own key is exchanged a key stands in it twice, wrapped by the old and
//! by the new one, so that either `vault.json` opens it: whoever is interrupted leaves a vault that opens.

use std::collections::BTreeMap;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use object_store::path::Path;
use object_store::{ObjectStoreExt as _, PutMode, UpdateVersion};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, Result};
use crate::keys::{self, Key};
use crate::location::Place;
use crate::store::flush;
use crate::vault::org_path;
use crate::vaultfile;

/// Keys by their numbers.
#[derive(Clone)]
pub(crate) struct Keyring {
    pub current: u64,
    pub keys: BTreeMap<u64, Key>,
    /// When the current key was made, if others are still there.
    pub since: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Wrapped {
    id: u64,
    wrapped: String,
}

/// `key.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeyFile {
    current: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<DateTime<Utc>>,
    keys: Vec<Wrapped>,
}

fn purpose(org: &str) -> String {
    format!("orgkeep org {org}")
}

impl KeyFile {
    pub(crate) fn parse(bytes: &[u8], path: &Path) -> Result<KeyFile> {
        serde_json::from_slice(bytes).map_err(|error| {
            Error::because("the key of the org is not readable", error).of_kind(Kind::Corrupt).with("path", path)
        })
    }

    pub(crate) fn to_json(&self) -> Bytes {
        serde_json::to_vec_pretty(self).expect("the file is plain JSON").into()
    }

    pub(crate) fn add(&mut self, org: &str, vault_key: &Key, id: u64, key: &Key) -> Result<()> {
        self.keys.push(Wrapped { id, wrapped: keys::wrap(vault_key, &purpose(org), key)? });
        Ok(())
    }

    /// All keys that the vault's key opens. Corrupt where the current one is not among them.
    pub(crate) fn open(&self, org: &str, vault_key: &Key, path: &Path) -> Result<Keyring> {
        let mut ring = BTreeMap::new();
        for held in &self.keys {
            if let Some(key) = keys::unwrap(vault_key, &purpose(org), &held.wrapped)? {
                ring.insert(held.id, key);
            }
        }
        if !ring.contains_key(&self.current) || self.keys.iter().any(|held| !ring.contains_key(&held.id)) {
            return Err(
                Error::new(Kind::Corrupt, "the key of the org was not wrapped by this vault").with("path", path)
            );
        }
        Ok(Keyring { current: self.current, keys: ring, since: self.since })
    }

    /// Whether keys were exchanged, so that a file's content may change under its name.
    pub(crate) fn exchanged(&self) -> bool {
        self.current != 0 || self.keys.len() > 1
    }

    /// What opens both the files of this place and those of another that is being made the same.
    pub(crate) fn with(mut self, other: KeyFile) -> KeyFile {
        let more: Vec<Wrapped> = other.keys.into_iter().filter(|held| !self.keys.contains(held)).collect();
        self.keys.extend(more);
        self
    }

    pub(crate) fn begin(&mut self, id: u64, since: DateTime<Utc>) {
        (self.current, self.since) = (id, Some(since));
    }

    /// Drops all keys but the current one.
    pub(crate) fn end(&mut self) {
        let current = self.current;
        self.keys.retain(|held| held.id == current);
        self.since = None;
    }

    /// Drops what this vault's key does not open.
    pub(crate) fn tidy(&mut self, org: &str, vault_key: &Key) -> Result<()> {
        let mut kept = Vec::new();
        for held in std::mem::take(&mut self.keys) {
            if keys::unwrap(vault_key, &purpose(org), &held.wrapped)?.is_some() {
                kept.push(held);
            }
        }
        self.keys = kept;
        Ok(())
    }
}

pub(crate) fn key_path(org: &str) -> Path {
    org_path(org).join("key.json")
}

/// The file and its version; `None` where the org has none yet.
pub(crate) async fn read(place: &Place, org: &str) -> Result<Option<(KeyFile, Bytes, UpdateVersion)>> {
    let path = key_path(org);
    let failed = |error| Error::because("the key of the org cannot be read", error).with("path", &path);
    match place.store.get(&path).await {
        Ok(found) => {
            let version = UpdateVersion { e_tag: found.meta.e_tag.clone(), version: found.meta.version.clone() };
            let bytes = found.bytes().await.map_err(failed)?;
            Ok(Some((KeyFile::parse(&bytes, &path)?, bytes, version)))
        }
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

/// The keys of an org, made at the first use.
pub(crate) async fn open_or_make(place: &Place, org: &str, vault_key: &Key) -> Result<Keyring> {
    let path = key_path(org);
    let unwritten = |error| Error::because("the key of the org cannot be written", error).with("path", &path);
    for _ in 0..2 {
        if let Some((file, ..)) = read(place, org).await? {
            return file.open(org, vault_key, &path);
        }
        let mut file = KeyFile::default();
        file.add(org, vault_key, 0, &keys::new_key()?)?;
        match place.store.put_opts(&path, file.to_json().into(), PutMode::Create.into()).await {
            // Read back what is there: it may be another process's key that came first.
            Ok(_) | Err(object_store::Error::AlreadyExists { .. }) => {}
            Err(error) => return Err(unwritten(error)),
        }
        // Before anything is sealed with it.
        flush(place.file(&path)).await.map_err(unwritten)?;
    }
    Err(Error::new(Kind::Unreachable, "the key of the org was written but is not there").with("path", path))
}

/// Changes the keys of an org that has some, under the same conditions as `vault.json`.
pub(crate) async fn update(
    place: &Place,
    org: &str,
    mut change: impl FnMut(&mut KeyFile) -> Result<()> + Send,
) -> Result<()> {
    let _turn = vaultfile::turn(place).await?;
    let path = key_path(org);
    for _ in 0..vaultfile::ATTEMPTS {
        let Some((mut file, before, version)) = read(place, org).await? else {
            return Err(Error::new(Kind::NotFound, "the org has no key").with("path", path));
        };
        change(&mut file)?;
        if vaultfile::replace(place, &path, &before, file.to_json(), version).await? {
            return Ok(());
        }
    }
    Err(Error::new(Kind::Busy, "others keep changing the keys of the org").with("path", path))
}
