// SPDX-License-Identifier: Apache-2.0
//! The ways into a vault: adding and removing passphrases and recovery keys, without touching what is stored.
//!
//! Each is one change of `vault.json`. The last way in cannot be removed, and of two processes that remove the last two, each the other's,
//! one is refused. Removing a slot shuts out who knows only its secret from this file on, not from copies of it made before:
//! where a passphrase has leaked the vault's own key must go as well, which is [`Vault::revoke`].

use crate::error::{Error, Kind, Result};
use crate::keyring;
use crate::keys::{self, Slot};
use crate::secret::{RecoveryKey, Secret};
use crate::vault::{Unlock, Vault};
use crate::vaultfile::{self, VaultFile};

/// One way into a vault.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Way {
    pub label: String,
    /// `passphrase` or `recovery`.
    pub kind: &'static str,
}

/// The slots by their labels: the one they were given, else the kind and where needed a number.
fn labels(slots: &[Slot]) -> Vec<String> {
    let mut labels: Vec<String> = Vec::new();
    for slot in slots {
        let label = slot.label().map_or_else(
            || {
                let mut names = std::iter::once(slot.kind().to_owned())
                    .chain((2u32..).map(|number| format!("{}-{number}", slot.kind())));
                names.find(|name| !labels.contains(name)).expect("numbers do not end")
            },
            str::to_owned,
        );
        labels.push(label);
    }
    labels
}

fn position(file: &VaultFile, label: &str) -> Result<usize> {
    let labels = labels(&file.slots);
    labels.iter().position(|known| known == label).ok_or_else(|| {
        Error::new(Kind::NotFound, "the vault has no way in of this label")
            .with("label", label)
            .hint(format!("there are: {}", labels.join(", ")))
    })
}

fn fresh(file: &VaultFile, label: Option<&str>) -> Result<()> {
    match label {
        Some("") => Err(Error::new(Kind::Invalid, "a label cannot be empty")),
        Some(label) if labels(&file.slots).iter().any(|known| known == label) => {
            Err(Error::new(Kind::Invalid, "there is a way in of this label already").with("label", label))
        }
        _ => Ok(()),
    }
}

fn chosen(passphrase: &Secret) -> Result<()> {
    if passphrase.expose().is_empty() {
        return Err(Error::new(Kind::Invalid, "a passphrase cannot be empty"));
    }
    Ok(())
}

impl Vault {
    fn locked(&self) -> Result<&keys::Key> {
        self.key().ok_or_else(|| {
            Error::new(Kind::Invalid, "the vault is not encrypted, so it has no keys")
                .hint("an encrypted one is made by `orgkeep init` and filled by new backups")
        })
    }

    /// The ways in, in the order in which they were added. Invalid for a vault that is not encrypted.
    pub async fn ways(&self) -> Result<Vec<Way>> {
        self.locked()?;
        let file = vaultfile::read(self.place()).await?.file;
        let kinds = file.slots.iter().map(Slot::kind);
        Ok(labels(&file.slots).into_iter().zip(kinds).map(|(label, kind)| Way { label, kind }).collect())
    }

    async fn add(&self, slot: Slot, label: Option<&str>) -> Result<String> {
        vaultfile::update(self.place(), self.key(), |file| {
            fresh(file, label)?;
            file.slots.push(slot.clone());
            Ok(labels(&file.slots).pop().unwrap_or_default())
        })
        .await
    }

    /// Adds a passphrase; its label.
    pub async fn add_passphrase(&self, passphrase: &Secret, label: Option<&str>) -> Result<String> {
        chosen(passphrase)?;
        let slot = Slot::for_passphrase(passphrase, self.locked()?)?.labelled(label);
        self.add(slot, label).await
    }

    /// Adds a recovery key, which exists only in what this returns, and its label.
    pub async fn add_recovery_key(&self, label: Option<&str>) -> Result<(RecoveryKey, String)> {
        let recovery = RecoveryKey::generate()?;
        let slot = Slot::for_recovery(&recovery, self.locked()?)?.labelled(label);
        let label = self.add(slot, label).await?;
        Ok((recovery, label))
    }

    /// Removes a way in. Invalid for the last one.
    pub async fn remove_way(&self, label: &str) -> Result<()> {
        self.locked()?;
        vaultfile::update(self.place(), self.key(), |file| {
            let at = position(file, label)?;
            if file.slots.len() == 1 {
                return Err(Error::new(Kind::Invalid, "the last way into a vault cannot be removed")
                    .with("label", label)
                    .hint("add another one first: `orgkeep keys VAULT add`"));
            }
            file.slots.remove(at);
            Ok(())
        })
        .await
    }

    /// Replaces a passphrase by another, under its label. Denied where the old one opens nothing (any more).
    pub async fn change_passphrase(&self, old: &Secret, new: &Secret) -> Result<()> {
        chosen(new)?;
        let replacement = Slot::for_passphrase(new, self.locked()?)?;
        vaultfile::update(self.place(), self.key(), |file| {
            for slot in &mut file.slots {
                if slot.open_with_passphrase(old)?.is_some() {
                    *slot = replacement.clone().labelled(slot.label());
                    return Ok(());
                }
            }
            Err(Error::new(Kind::Denied, "the old passphrase does not open this vault"))
        })
        .await
    }

    /// The label of the slot that a secret opens, proven by opening the vault and the keys of all orgs with it.
    pub async fn test(&self, unlock: &Unlock) -> Result<String> {
        let opened = Vault::open(self.place().clone(), unlock.clone()).await?;
        for org in opened.orgs().await? {
            opened.org(&org).await?;
        }
        let file = vaultfile::read(self.place()).await?.file;
        for (slot, label) in file.slots.iter().zip(labels(&file.slots)) {
            if slot.opens(unlock)? {
                return Ok(label);
            }
        }
        Err(Error::new(Kind::Busy, "the ways into the vault were changed meanwhile"))
    }

    /// Exchanges the vault's own key, because a secret that opened it has leaked: of all ways in only the one of `keep` remains, and a
    /// new recovery key, which is returned. What is stored is not rewritten; exchange the keys of the orgs for that.
    ///
    /// 1. Every org's keys are wrapped by the new key as well. 2. `vault.json` gets the new key in its slots. 3. What the old key had
    ///    wrapped is dropped. Stopped after 1, the vault opens as before; after 2, with the new slots.
    pub async fn revoke(&self, keep: &Unlock) -> Result<(Vault, RecoveryKey)> {
        let old = self.locked()?.clone();
        let new = keys::new_key()?;
        let recovery = RecoveryKey::generate()?;
        let orgs = self.orgs().await?;
        for org in &orgs {
            keyring::update(self.place(), org, |file| {
                let ring = file.open(org, &old, &keyring::key_path(org))?;
                ring.keys.iter().try_for_each(|(id, key)| file.add(org, &new, *id, key))
            })
            .await?;
        }
        let recovery_slot = Slot::for_recovery(&recovery, &new)?;
        let file = vaultfile::update(self.place(), Some(&new), |file: &mut VaultFile| {
            let mut kept = None;
            for slot in &file.slots {
                if slot.opens(keep)? {
                    kept = Some(slot.again(keep, &new)?);
                }
            }
            let kept = kept.ok_or_else(|| Error::new(Kind::Denied, "what is to remain does not open this vault"))?;
            file.slots = vec![kept, recovery_slot.clone()];
            file.signing = file.signing.rewrapped(&old, &new)?;
            Ok(file.clone())
        })
        .await?;
        let vault = Vault::with(self.place().clone(), file, Some(new.clone()));
        for org in vault.orgs().await? {
            keyring::update(self.place(), &org, |file| {
                if !orgs.contains(&org) {
                    // Came to the vault meanwhile, by a process that had opened it before.
                    let ring = file.open(&org, &old, &keyring::key_path(&org))?;
                    ring.keys.iter().try_for_each(|(id, key)| file.add(&org, &new, *id, key))?;
                }
                file.tidy(&org, &new)
            })
            .await?;
        }
        Ok((vault, recovery))
    }
}
