// SPDX-License-Identifier: Apache-2.0
//! The seal of a backup: a signed statement of which manifest it is, which one came before, and what the state's root is.
//!
//! A seal is put before the manifest it speaks of, under a name with that manifest's hash, so that no manifest is ever
//! without its seal. A seal whose manifest was never put is left over from an interruption: it harms nobody, and the backup that
//! goes on removes it. A seal stays when retention removes its manifest, so that the chain can still be followed.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use futures::stream::TryStreamExt;
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use crate::backup::Manifest;
use crate::error::{Error, Kind, Result};
use crate::org::OrgVault;
use crate::packed::ENDING;
use crate::signing::{self, Signer};

const WHAT: &str = "orgkeep seal";
/// How many digits of a manifest's hash are in the name of its seal.
const NAMED_DIGITS: usize = 16;

/// What a seal says, and what is signed in the very letters that the seal holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Statement {
    pub what: String,
    pub format: u32,
    /// The vault's id.
    pub vault: String,
    pub org: String,
    /// The number of the backup.
    pub sequence: u64,
    pub finished_at: DateTime<Utc>,
    /// BLAKE3 of the manifest's JSON.
    pub manifest: String,
    /// The same of the backup before; null for the first.
    pub predecessor: Option<String>,
    /// Merkle root of the state.
    pub root: String,
    /// Ed25519, 32 bytes in Base64.
    pub public_key: String,
}

/// A statement and its signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    /// JSON of a [`Statement`], exactly as it was signed.
    pub statement: String,
    /// Ed25519 over the UTF-8 bytes of `statement`, 64 bytes in Base64.
    pub signature: String,
}

impl Seal {
    /// Signs for a manifest that has a root.
    pub(crate) fn of(manifest: &Manifest, vault: String, signer: &Signer) -> Seal {
        let statement = Statement {
            what: WHAT.into(),
            format: crate::vault::FORMAT,
            vault,
            org: manifest.org.clone(),
            sequence: manifest.sequence,
            finished_at: manifest.finished_at,
            manifest: manifest.hash.clone(),
            predecessor: manifest.predecessor.clone(),
            root: manifest.root.clone(),
            public_key: signer.public_key.clone(),
        };
        let statement = serde_json::to_string(&statement).expect("a statement is plain JSON");
        let signature = signer.sign(&statement);
        Seal { statement, signature }
    }

    /// What was signed. Corrupt where the signature is not that of the key in the statement.
    pub fn verified(&self) -> Result<Statement> {
        let statement: Statement = serde_json::from_str(&self.statement)
            .map_err(|error| Error::because("the statement of a seal is not readable", error))?;
        if statement.what != WHAT || !signing::verify(&statement.public_key, &self.statement, &self.signature) {
            return Err(Error::new(Kind::Corrupt, "the signature of a seal does not fit its statement")
                .with("backup", statement.sequence));
        }
        Ok(statement)
    }
}

/// The sequence and the beginning of the manifest's hash, by the name of a seal.
pub(crate) fn parse_name(name: &str) -> Option<(u64, &str)> {
    let (sequence, hash) = name.strip_suffix(ENDING)?.strip_suffix(".seal")?.split_once('-')?;
    Some((sequence.parse().ok()?, hash))
}

impl OrgVault {
    pub(crate) fn seal_path(&self, sequence: u64, manifest: &str) -> Path {
        let digits = manifest.get(..NAMED_DIGITS).unwrap_or(manifest);
        self.path("backups").join(format!("{sequence:010}-{digits}.seal{ENDING}"))
    }

    pub(crate) async fn put_seal(&self, manifest: &Manifest, signer: &Signer) -> Result<()> {
        let seal = Seal::of(manifest, self.vault().id().to_string(), signer);
        let path = self.seal_path(manifest.sequence, &manifest.hash);
        // The same manifest has the same seal: putting it twice harms nothing.
        self.put_packed(&path, &seal, "the seal of the backup cannot be written").await
    }

    pub(crate) async fn read_seal(&self, path: &Path) -> Result<(Seal, Statement)> {
        let seal: Seal = self.packed(path, "the seal of a backup").await?;
        let statement = seal.verified()?;
        let here = (self.vault().id().to_string(), self.id());
        if (&statement.vault, statement.org.as_str()) != (&here.0, here.1)
            || *path != self.seal_path(statement.sequence, &statement.manifest)
        {
            return Err(Error::new(Kind::Corrupt, "a seal stands in the place of another").with("path", path));
        }
        Ok((seal, statement))
    }

    /// The seal of a backup, verified against its manifest.
    pub async fn seal(&self, sequence: u64) -> Result<Seal> {
        let manifest = self.finished(sequence).await?;
        let (seal, statement) = self.read_seal(&self.seal_path(sequence, &manifest.hash)).await?;
        speaks_of(&statement, &manifest)?;
        Ok(seal)
    }

    /// The paths of all seals, by sequence.
    pub(crate) async fn seals(&self) -> Result<BTreeMap<u64, Vec<Path>>> {
        let listed: Vec<_> = self
            .store()
            .list(Some(&self.path("backups")))
            .try_collect()
            .await
            .map_err(|error| Error::because("the backups cannot be listed", error).with("org", self.id()))?;
        let mut seals: BTreeMap<u64, Vec<Path>> = BTreeMap::new();
        for meta in listed {
            if let Some((sequence, _)) = meta.location.filename().and_then(parse_name) {
                seals.entry(sequence).or_default().push(meta.location);
            }
        }
        Ok(seals)
    }

    /// Whether the chain of this vault contains a backup that was seen before: a vault that was put back to an older copy and
    /// continued does not.
    pub async fn contains(&self, sequence: u64, manifest: &str) -> Result<bool> {
        match self.finished(sequence).await {
            Ok(there) => Ok(there.hash == manifest),
            // Removed by retention, perhaps: its seal stays.
            Err(error) if error.kind() == Kind::NotFound => {
                match self.read_seal(&self.seal_path(sequence, manifest)).await {
                    Ok((_, statement)) => {
                        let newest = self.newest().await?.map_or(0, |newest| newest.sequence);
                        Ok(statement.manifest == manifest && newest > sequence)
                    }
                    Err(error) if error.kind() == Kind::NotFound => Ok(false),
                    Err(error) => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }
}

/// Fails where a seal says other things of a manifest than are in it.
pub(crate) fn speaks_of(statement: &Statement, manifest: &Manifest) -> Result<()> {
    let said = (&statement.manifest, &statement.predecessor, &statement.root, statement.finished_at);
    if said != (&manifest.hash, &manifest.predecessor, &manifest.root, manifest.finished_at) {
        return Err(Error::new(Kind::Corrupt, "the manifest of a backup is not the one that was sealed")
            .with("backup", manifest.sequence));
    }
    Ok(())
}
