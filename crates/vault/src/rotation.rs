// SPDX-License-Identifier: Apache-2.0
//! Exchanging the key of an org: new files are sealed with a new one at once, those that are there are sealed anew little by little.
//!
//! 1. A new key is added and becomes the current one. The lock of the org is held, so that nobody writes with the old one.
//! 2. File by file, in order of their names, what another key has sealed is sealed with the current one, in its place; a note says how far
//!    that has come. Each file is replaced as a whole, so a reader sees the one or the other, and opens both.
//! 3. When the end is reached, the headers of all files are read once more. If none names another key, and a day has passed, for
//!    processes that had opened the vault before, the other keys are dropped.
//!
//! Stopped anywhere, the next step goes on; a file that was sealed twice is none the worse.

use chrono::{DateTime, TimeDelta, Utc};
use futures::stream::{StreamExt, TryStreamExt};
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, Result};
use crate::keyring;
use crate::keys;
use crate::lock::Lock;
use crate::org::OrgVault;
use crate::vault::org_path;

/// Other keys are dropped this long after the current one was made, at the earliest.
const GRACE: TimeDelta = TimeDelta::hours(24);
/// Headers are read so many at a time.
const AT_ONCE: usize = 16;

/// How far an exchange of keys has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Rotation {
    /// Files that were sealed anew in this step, and their bytes.
    pub files: u64,
    pub bytes: u64,
    /// Files that have not been looked at yet.
    pub remaining: u64,
    /// Whether there is one key only again.
    pub done: bool,
}

#[derive(Serialize, Deserialize)]
struct Progress {
    key: u64,
    /// All files up to this path have been dealt with.
    after: String,
}

impl OrgVault {
    fn rotation_path(&self) -> Path {
        self.path("rotation.json")
    }

    /// Whether an exchange of keys is under way, as far as was known when the org was opened.
    pub fn rotating(&self) -> bool {
        self.vault_store().keyring().is_some_and(|ring| ring.keys.len() > 1)
    }

    /// Begins to exchange the key of this org; one that is under way goes on instead. Invalid for a vault that is not encrypted.
    pub async fn rotate(&self, lock: &Lock, now: DateTime<Utc>) -> Result<()> {
        let Some(vault_key) = self.vault().key().cloned() else {
            return Err(Error::new(Kind::Invalid, "the vault is not encrypted, so it has no keys"));
        };
        lock.of(self)?;
        let key = keys::new_key()?;
        keyring::update(self.place(), self.id(), |file| {
            let ring = file.open(self.id(), &vault_key, &keyring::key_path(self.id()))?;
            if ring.keys.len() > 1 {
                return Ok(());
            }
            let id = ring.current + 1;
            file.add(self.id(), &vault_key, id, &key)?;
            file.begin(id, now);
            Ok(())
        })
        .await?;
        self.reload_keys().await
    }

    async fn reload_keys(&self) -> Result<()> {
        if let Some(vault_key) = self.vault().key() {
            let ring = keyring::open_or_make(self.place(), self.id(), vault_key).await?;
            self.vault_store().take_keys(ring);
        }
        Ok(())
    }

    /// Goes on with an exchange of keys: seals files anew until about so many bytes are written. Does nothing where none is under way.
    pub async fn continue_rotation(&self, lock: &Lock, bytes: u64, now: DateTime<Utc>) -> Result<Rotation> {
        lock.of(self)?;
        self.reload_keys().await?;
        let store = self.vault_store();
        let Some(ring) = store.keyring().filter(|ring| ring.keys.len() > 1) else {
            return Ok(Rotation { done: true, ..Rotation::default() });
        };
        let after = match store.as_ref().get(&self.rotation_path()).await {
            Ok(found) => {
                let bytes = found.bytes().await.map_err(|error| Error::because("the exchange of keys", error))?;
                // One that is not readable, or of an exchange before, says nothing: then everything is looked at again.
                serde_json::from_slice(&bytes).ok().filter(|progress: &Progress| progress.key == ring.current)
            }
            Err(object_store::Error::NotFound { .. }) => None,
            Err(error) => return Err(Error::because("how far the exchange of keys is cannot be read", error)),
        };
        let after = after.map_or(String::new(), |progress| progress.after);
        let paths = self.sealed_paths().await?;
        let mut rotation = Rotation::default();
        let mut last = None;
        let todo: Vec<&Path> = paths.iter().filter(|path| path.as_ref() > after.as_str()).collect();
        for (index, path) in todo.iter().enumerate() {
            if rotation.bytes >= bytes {
                rotation.remaining = (todo.len() - index) as u64;
                break;
            }
            if let Some(written) = self.seal_anew(path).await? {
                rotation.files += 1;
                rotation.bytes += written;
            }
            last = Some(path.to_string());
        }
        if let Some(after) = last {
            let json = serde_json::to_vec(&Progress { key: ring.current, after }).expect("a note is plain JSON");
            store.as_ref().put(&self.rotation_path(), json.into()).await.map_err(|error| {
                Error::because("how far the exchange of keys is cannot be noted", error).with("org", self.id())
            })?;
        }
        if rotation.remaining == 0 && ring.since.is_none_or(|since| now - since >= GRACE) {
            self.drop_keys(&mut rotation).await?;
        }
        Ok(rotation)
    }

    /// Looks whether any file needs another key, and if none does, drops them.
    async fn drop_keys(&self, rotation: &mut Rotation) -> Result<()> {
        let paths = self.sealed_paths().await?;
        let mut sealed = futures::stream::iter(paths.iter().map(|path| self.seal_anew(path))).buffered(AT_ONCE);
        let mut anew = 0;
        while let Some(written) = sealed.next().await.transpose()? {
            if let Some(written) = written {
                anew += 1;
                rotation.bytes += written;
            }
        }
        rotation.files += anew;
        if anew > 0 {
            // Somebody still writes with an old key; the next step looks again.
            return Ok(());
        }
        keyring::update(self.place(), self.id(), |file| {
            file.end();
            Ok(())
        })
        .await?;
        self.reload_keys().await?;
        // Where this fails it is taken for that of an exchange before.
        let _ = self.store().delete(&self.rotation_path()).await;
        rotation.done = true;
        Ok(())
    }

    async fn seal_anew(&self, path: &Path) -> Result<Option<u64>> {
        match self.vault_store().seal_anew(path).await {
            Ok(written) => Ok(written),
            // Removed since it was listed.
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(Error::because("a file cannot be sealed with another key", error).with("path", path)),
        }
    }

    /// The files of this org that are sealed, in order of their names.
    async fn sealed_paths(&self) -> Result<Vec<Path>> {
        let plain = [self.path("key.json"), self.path("lock")];
        let listed = self.store().list(Some(&org_path(self.id()))).map_ok(|meta| meta.location);
        let mut paths: Vec<Path> =
            listed.try_filter(|path| std::future::ready(!plain.contains(path))).try_collect().await.map_err(
                |error| Error::because("the files of the org cannot be listed", error).with("org", self.id()),
            )?;
        paths.sort_unstable_by(|a, b| a.as_ref().cmp(b.as_ref()));
        Ok(paths)
    }
}
