// SPDX-License-Identifier: Apache-2.0
//! The newest backup that this machine has seen in each vault: `seen.json` beside the configuration.
//!
//! A vault that was put back to an older copy looks whole by itself. Only who remembers what was in it can tell, before a backup
//! goes on from there and the history has two ends. Losing the file loses only that.

use super::replace;
use crate::failure::{Failure, Kind};
use orgkeep_vault::OrgVault;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The file of what was seen.
pub struct Seen {
    path: PathBuf,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Newest {
    sequence: u64,
    /// Hash of its manifest.
    manifest: String,
}

fn key(vault: &OrgVault) -> String {
    format!("{}/{}", vault.vault().id(), vault.id())
}

impl Seen {
    pub fn beside(config: &Path) -> Seen {
        Seen { path: config.with_file_name("seen.json") }
    }

    /// Fails where the vault does not contain what was seen in it.
    pub async fn verify(&self, vault: &OrgVault, connector: &str) -> Result<(), Failure> {
        let Some(seen) = self.read().remove(&key(vault)) else { return Ok(()) };
        if vault.contains(seen.sequence, &seen.manifest).await? {
            return Ok(());
        }
        let number = seen.sequence;
        let there = match vault.newest().await? {
            Some(newest) if newest.sequence < number => format!("its newest is backup {}", newest.sequence),
            Some(_) => format!("its backup {number} is another one"),
            None => "it has no backup".to_owned(),
        };
        Err(Failure::new(
            Kind::Corrupt,
            format!("the vault does not contain backup {number} that this machine has seen in it: {there}"),
        )
        .hint(format!(
            "was it put back from an older copy? Bring the newer one back if it exists; else go on from this one with \
             `orgkeep backup {connector} --accept-older-vault`"
        )))
    }

    /// Remembers a backup as the newest of its vault.
    pub async fn note(&self, vault: &OrgVault, sequence: u64) -> Result<(), Failure> {
        let manifest = vault.manifest(sequence).await?.hash;
        let mut all = self.read();
        all.insert(key(vault), Newest { sequence, manifest });
        let json = serde_json::to_vec_pretty(&all).expect("a map of plain values");
        replace(&self.path, &json, false)
            .map_err(|error| Failure::caused(Kind::Invalid, format!("could not write {}", self.path.display()), &error))
    }

    /// A file that is not there or not readable says nothing.
    fn read(&self) -> BTreeMap<String, Newest> {
        std::fs::read(&self.path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }
}
