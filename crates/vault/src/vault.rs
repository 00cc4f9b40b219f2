// SPDX-License-Identifier: Apache-2.0
//! The vault: one place, one key, any number of orgs.
//!
//! `vault.json` names the format and holds the key slots; `orgs/<id>/key.json` the key of an org, wrapped by the vault's.
//! Both are plain JSON, all else below an org is encrypted. A vault without protection has neither slots nor keys and is
//! a folder of plain Delta tables.

use std::fmt;
use std::sync::Arc;

use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore as _, PutMode};
use uuid::Uuid;

use crate::error::{Error, Kind, Result};
use crate::keyring;
use crate::keys::{self, Key, Slot};
use crate::location::Place;
use crate::org::OrgVault;
use crate::secret::{RecoveryKey, Secret};
use crate::signing::{Signer, SigningKey};
use crate::store::{VaultStore, flush};
use crate::vaultfile::{self, VaultFile, vault_path};

/// The format that this code writes, and the newest that it reads.
pub const FORMAT: u32 = 2;

/// How a new vault is protected.
#[derive(Debug, Clone)]
pub enum Protection {
    Passphrase(Secret),
    /// For a place that encrypts by itself.
    None,
}

/// What opens a vault.
#[derive(Debug, Clone)]
pub enum Unlock {
    Passphrase(Secret),
    RecoveryKey(Secret),
    None,
}

/// An open vault. Clones share it.
#[derive(Clone)]
pub struct Vault {
    place: Place,
    id: Uuid,
    key: Option<Key>,
    signing: SigningKey,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vault({}, encrypted: {})", self.id, self.key.is_some())
    }
}

pub(crate) fn org_path(org: &str) -> Path {
    Path::from("orgs").join(org)
}

impl Vault {
    /// Makes an empty place into a vault. The recovery key exists only in what this returns.
    ///
    /// Invalid for a place that holds anything already, or an empty passphrase.
    pub async fn init(place: impl Into<Place>, protection: Protection) -> Result<(Vault, Option<RecoveryKey>)> {
        let place = place.into();
        let first = place.store.list(None).try_next().await;
        if let Some(found) = first.map_err(|error| Error::because("the place of the vault cannot be listed", error))? {
            return Err(Error::new(Kind::Invalid, "the place for a new vault is not empty")
                .with("holds", &found.location)
                .hint("give an empty or new folder, or use the vault that is there"));
        }
        let (key, slots, recovery) = match &protection {
            Protection::Passphrase(passphrase) => {
                if passphrase.expose().is_empty() {
                    return Err(Error::new(Kind::Invalid, "a passphrase cannot be empty")
                        .hint("for a place that encrypts by itself, make the vault unencrypted"));
                }
                let key = keys::new_key()?;
                let recovery = RecoveryKey::generate()?;
                let slots = vec![Slot::for_passphrase(passphrase, &key)?, Slot::for_recovery(&recovery, &key)?];
                (Some(key), slots, Some(recovery))
            }
            Protection::None => (None, Vec::new(), None),
        };
        let id = Uuid::new_v4();
        let file = VaultFile::new(id, slots, key.is_some(), SigningKey::generate(key.as_ref())?);
        let json = file.marked(key.as_ref());
        let unwritten = |error| Error::because("the vault cannot be written", error).with("path", vault_path());
        place.store.put_opts(&vault_path(), json.into(), PutMode::Create.into()).await.map_err(unwritten)?;
        // The recovery key is about to be shown as if the vault were there for good.
        flush(place.file(&vault_path())).await.map_err(unwritten)?;
        Ok((Vault::with(place, file, key), recovery))
    }

    /// Opens a vault that exists.
    ///
    /// Denied for a wrong passphrase, NotFound where no vault is, Invalid for one of a newer format.
    pub async fn open(place: impl Into<Place>, unlock: Unlock) -> Result<Vault> {
        let place = place.into();
        let file = vaultfile::read(&place).await?.file;
        let key = match (file.encrypted, unlock) {
            (false, _) => None,
            (true, Unlock::None) => {
                return Err(Error::new(Kind::Denied, "the vault is encrypted and no passphrase was given")
                    .hint("give its passphrase or its recovery key"));
            }
            (true, Unlock::Passphrase(passphrase)) => {
                Some(try_slots(&file.slots, |slot| slot.open_with_passphrase(&passphrase))?.ok_or_else(|| {
                    Error::new(Kind::Denied, "the passphrase does not open this vault")
                        .hint("the recovery key printed when the vault was made opens it too")
                })?)
            }
            (true, Unlock::RecoveryKey(text)) => {
                let recovery = RecoveryKey::parse(&text)?;
                Some(
                    try_slots(&file.slots, |slot| slot.open_with_recovery(&recovery))?
                        .ok_or_else(|| Error::new(Kind::Denied, "the recovery key is of another vault"))?,
                )
            }
        };
        Ok(Vault::with(place, file, key))
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    pub(crate) fn key(&self) -> Option<&Key> {
        self.key.as_ref()
    }

    pub(crate) fn with(place: Place, file: VaultFile, key: Option<Key>) -> Vault {
        Vault { place, id: file.id, key, signing: file.signing }
    }

    /// The key that seals are signed with, in Base64.
    pub fn public_key(&self) -> &str {
        &self.signing.public_key
    }

    /// What signs seals.
    pub(crate) fn signer(&self) -> Result<Signer> {
        self.signing.open(self.key.as_ref())
    }

    /// The same vault, opened, in a copy of its place that has the same `vault.json`.
    pub fn at(&self, place: impl Into<Place>) -> Vault {
        Vault { place: place.into(), ..self.clone() }
    }

    pub fn id(&self) -> Uuid {
        self.id
    }

    pub fn encrypted(&self) -> bool {
        self.key.is_some()
    }

    /// Whether `vault.json` is what a holder of the vault's key has written, with keys and slots of the right form.
    pub(crate) async fn examine(&self) -> Result<()> {
        let found = vaultfile::read(&self.place).await?;
        if let Some(key) = &self.key {
            if !found.genuine(key) {
                return Err(Error::new(Kind::Corrupt, "vault.json was changed by someone who has not the vault's key")
                    .hint("a passphrase or the recovery key may no longer open the vault: bring back a copy of vault.json"));
            }
            found.file.slots.iter().try_for_each(Slot::examine)?;
        }
        if found.file.encrypted != self.key.is_some() || found.file.id != self.id {
            return Err(Error::new(Kind::Corrupt, "vault.json is not the one that the vault was opened with"));
        }
        found.file.signing.open(self.key.as_ref()).map(drop)
    }

    /// Whether the vault's key opens all keys of an org.
    pub(crate) async fn examine_keys(&self, org: &str) -> Result<()> {
        match (keyring::read(&self.place, org).await?, &self.key) {
            (Some((file, ..)), Some(key)) => file.open(org, key, &keyring::key_path(org)).map(drop),
            _ => Ok(()),
        }
    }

    /// The ids of the orgs that the vault holds, sorted.
    pub async fn orgs(&self) -> Result<Vec<String>> {
        let listed = self
            .place
            .store
            .list_with_delimiter(Some(&Path::from("orgs")))
            .await
            .map_err(|error| Error::because("the orgs of the vault cannot be listed", error))?;
        let mut orgs: Vec<String> =
            listed.common_prefixes.iter().filter_map(|path| path.filename().map(str::to_owned)).collect();
        orgs.sort();
        Ok(orgs)
    }

    /// The part of the vault that holds one org; its key is made at the first use.
    pub async fn org(&self, org_id: &str) -> Result<OrgVault> {
        if org_id.is_empty() || !org_id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)) {
            return Err(Error::new(Kind::Invalid, "an org's id has only letters, digits, dashes and underscores")
                .with("org", org_id));
        }
        let keys = match &self.key {
            None => None,
            Some(vault_key) => Some(keyring::open_or_make(&self.place, org_id, vault_key).await?),
        };
        let store = Arc::new(VaultStore::new(&self.place, keys));
        Ok(OrgVault::new(org_id, self.clone(), store, self.place.clone()))
    }
}

fn try_slots(slots: &[Slot], open: impl Fn(&Slot) -> Result<Option<Key>>) -> Result<Option<Key>> {
    for slot in slots {
        if let Some(key) = open(slot)? {
            return Ok(Some(key));
        }
    }
    Ok(None)
}
