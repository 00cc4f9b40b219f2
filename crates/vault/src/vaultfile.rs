// SPDX-License-Identifier: Apache-2.0
//! `vault.json`: what says that a place is a vault, and how its key is got at.
//!
//! Whoever changes it reads it, changes it and puts it back on the condition that it is still what was read: of two
//! processes that change it at once one wins, and the other begins anew with what the first has left. In a folder, where
//! puts know no conditions, an operating system lock stands for the condition. A lost reply is looked up.
//!
//! The file is plain JSON. In an encrypted vault it carries a mark, a keyed hash of its content that only a holder of the vault's
//! key can make, so that `check` notices a slot that was damaged or exchanged.

use std::fs::{File, OpenOptions};

use bytes::Bytes;
use object_store::path::Path;
use object_store::{ObjectStoreExt as _, PutMode, PutOptions, UpdateVersion};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::error::{Error, Kind, Result};
use crate::keys::{Key, Slot};
use crate::location::Place;
use crate::signing::SigningKey;
use crate::vault::FORMAT;

/// Attempts to change the file while others change it too.
pub(crate) const ATTEMPTS: usize = 20;
const MARK_CONTEXT: &str = "orgkeep vault.json 1";

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct VaultFile {
    /// Always `orgkeep vault`, so that any other JSON is told apart.
    pub what: String,
    pub format: u32,
    pub id: Uuid,
    pub encrypted: bool,
    pub slots: Vec<Slot>,
    /// What seals backups.
    pub signing: SigningKey,
    /// Keyed hash of all the above in an encrypted vault; see [`VaultFile::marked`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<String>,
}

/// What `vault.json` was when it was read.
pub(crate) struct Found {
    pub file: VaultFile,
    bytes: Bytes,
    version: UpdateVersion,
}

pub(crate) fn vault_path() -> Path {
    Path::from("vault.json")
}

fn mark(value: &Value, key: &Key) -> String {
    let json = value.to_string();
    let derived = zeroize::Zeroizing::new(blake3::derive_key(MARK_CONTEXT, key.as_slice()));
    blake3::keyed_hash(&derived, json.as_bytes()).to_hex().to_string()
}

impl VaultFile {
    pub(crate) fn new(id: Uuid, slots: Vec<Slot>, encrypted: bool, signing: SigningKey) -> VaultFile {
        VaultFile { what: "orgkeep vault".into(), format: FORMAT, id, encrypted, slots, signing, mark: None }
    }

    /// The bytes of the file, with the mark of the key.
    pub(crate) fn marked(&self, key: Option<&Key>) -> Vec<u8> {
        let unmarked = VaultFile { mark: None, ..self.clone() };
        let mut value = serde_json::to_value(&unmarked).expect("the file is plain JSON");
        if let Some(key) = key {
            value["mark"] = mark(&value, key).into();
        }
        serde_json::to_vec_pretty(&value).expect("the file is plain JSON")
    }
}

impl Found {
    /// Whether the file is what a holder of the key has written.
    pub(crate) fn genuine(&self, key: &Key) -> bool {
        let mut value: Value = serde_json::from_slice(&self.bytes).unwrap_or_default();
        let there = value.as_object_mut().and_then(|file| file.shift_remove("mark"));
        there.is_some_and(|there| there.as_str() == Some(mark(&value, key).as_str()))
    }
}

pub(crate) async fn read(place: &Place) -> Result<Found> {
    let found = async {
        let found = place.store.get(&vault_path()).await?;
        let version = UpdateVersion { e_tag: found.meta.e_tag.clone(), version: found.meta.version.clone() };
        Ok((found.bytes().await?, version))
    };
    let (bytes, version) = found.await.map_err(|error| match error {
        object_store::Error::NotFound { .. } => {
            Error::new(Kind::NotFound, "there is no vault here").hint("make one with `orgkeep init`")
        }
        error => Error::because("the vault cannot be read", error),
    })?;
    Ok(Found { file: parse(&bytes)?, bytes, version })
}

/// Changes the file: `change` says what it should become, from what it is, and may be asked several times.
pub(crate) async fn update<T>(
    place: &Place,
    key: Option<&Key>,
    mut change: impl FnMut(&mut VaultFile) -> Result<T> + Send,
) -> Result<T> {
    let _turn = turn(place).await?;
    for _ in 0..ATTEMPTS {
        let found = read(place).await?;
        let mut file = found.file.clone();
        let outcome = change(&mut file)?;
        let bytes = Bytes::from(file.marked(key));
        if replace(place, &vault_path(), &found.bytes, bytes, found.version).await? {
            return Ok(outcome);
        }
    }
    Err(Error::new(Kind::Busy, "others keep changing vault.json").hint("wait, then run the command again"))
}

/// In a folder, where puts know no conditions: the turn to change a file of keys, until it is dropped.
pub(crate) async fn turn(place: &Place) -> Result<Option<File>> {
    let Some(folder) = &place.folder else { return Ok(None) };
    let path = folder.join("vault.lock");
    tokio::task::spawn_blocking(move || lock(&path)).await.map_err(crate::sorter::stopped)?.map(Some)
}

/// Puts a file on the condition that it is what was read, or in one's turn. Whether it is there; if not, somebody was faster.
pub(crate) async fn replace(
    place: &Place,
    path: &Path,
    before: &Bytes,
    bytes: Bytes,
    version: UpdateVersion,
) -> Result<bool> {
    if bytes == *before {
        return Ok(true);
    }
    let mode = if place.folder.is_some() { PutMode::Overwrite } else { PutMode::Update(version) };
    let put = match place.store.put_opts(path, bytes.clone().into(), PutOptions::from(mode)).await {
        // A store without conditions; the lock of the org keeps backups apart at least.
        Err(object_store::Error::NotImplemented { .. }) => place.store.put(path, bytes.clone().into()).await,
        other => other,
    };
    let put = match put {
        Ok(_) => crate::store::flush(place.file(path)).await,
        Err(error) => Err(error),
    };
    let Err(error) = put else { return Ok(true) };
    // Perhaps only the reply was lost.
    let there = async { place.store.get(path).await?.bytes().await }.await;
    match there {
        Ok(there) if there == bytes => Ok(true),
        Ok(_) if matches!(error, object_store::Error::Precondition { .. }) => Ok(false),
        _ => Err(Error::because("a file of keys cannot be written", error).with("path", path)),
    }
}

/// Waits for its turn: changes of these files take an instant.
fn lock(path: &std::path::Path) -> Result<File> {
    let failed =
        |error: std::io::Error| Error::because("the vault cannot be locked", error).with("path", path.display());
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(path).map_err(failed)?;
    file.lock().map_err(failed)?;
    Ok(file)
}

fn parse(bytes: &[u8]) -> Result<VaultFile> {
    #[derive(Deserialize)]
    struct Head {
        what: String,
        format: u32,
    }
    let not_ours = || {
        Error::new(Kind::Invalid, "vault.json is there but is not that of a vault")
            .hint("check the path; a damaged vault.json can be replaced by a copy of it")
    };
    let head: Head = serde_json::from_slice(bytes).map_err(|_| not_ours())?;
    if head.what != "orgkeep vault" {
        return Err(not_ours());
    }
    if head.format > FORMAT {
        return Err(Error::new(Kind::Invalid, "the vault has a newer format than this version of Orgkeep reads")
            .with("format", head.format)
            .with("newest readable", FORMAT)
            .hint("update Orgkeep"));
    }
    if head.format < FORMAT {
        return Err(Error::new(Kind::Invalid, "the vault has an older format than this version of Orgkeep reads")
            .with("format", head.format)
            .with("oldest readable", FORMAT)
            .hint("read it with the version of Orgkeep that made it, and back up into a new vault"));
    }
    serde_json::from_slice(bytes)
        .map_err(|error| Error::because("vault.json is not readable", error).with("path", vault_path()))
}
