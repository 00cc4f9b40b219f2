// SPDX-License-Identifier: Apache-2.0
//! Attestations: what someone keeps outside of the vault, to tell later whether a backup still is what it was.
//!
//! An attestation is a backup's seal and the leaves of its Merkle tree: of every object its name, how many records, and their digest.
//! By itself it shows that signature and tree fit each other. Held against a vault, the state of the backup is computed
//! from the rows that are there now, not read from the manifest, and compared object by object. What was erased since is taken from what
//! was attested, and named with its certificate.

use std::collections::{BTreeMap, BTreeSet};

use futures::stream::StreamExt;
use serde::{Deserialize, Serialize};

use crate::certificate::ErasedSince;
use crate::columns::Schema;
use crate::datafile::Hashes;
use crate::digest::{Digest, RowHasher};
use crate::error::{Error, Kind, Result};
use crate::merkle::{self, Held};
use crate::org::OrgVault;
use crate::runs::BatchStream;
use crate::seal::{Seal, Statement};
use crate::state::Scan;

const WHAT: &str = "orgkeep attestation";

/// A backup's seal and the state that it seals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attestation {
    pub what: String,
    pub format: u32,
    #[serde(flatten)]
    pub seal: Seal,
    /// The leaves of the tree, by object.
    pub state: BTreeMap<String, Held>,
}

/// One object that is not what was attested.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    pub object: String,
    /// None for an object that was not held then.
    pub attested: Option<Held>,
    /// None for an object that is not there now, or cannot be read.
    pub found: Option<Held>,
    /// Why it cannot be read.
    pub error: Option<String>,
}

/// What came of holding an attestation against a vault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verification {
    pub statement: Statement,
    /// Whether the vault seals with the key that has signed.
    pub same_key: bool,
    /// Whether the chain of the vault has the backup that was attested, by its manifest or, where retention has removed it, its seal.
    pub in_chain: bool,
    /// Whether the backup can still be read; retention may have removed it.
    pub kept: bool,
    pub objects: usize,
    /// Records that were attested and erased since; the rest is what was attested without them.
    pub erased: Vec<ErasedSince>,
    pub differences: Vec<Difference>,
}

impl Verification {
    /// Whether the backup is there and still is what was attested.
    pub fn holds(&self) -> bool {
        self.same_key && self.in_chain && self.kept && self.differences.is_empty()
    }
}

impl Attestation {
    /// Reads the file. Invalid for anything else.
    pub fn parse(bytes: &[u8]) -> Result<Attestation> {
        let wrong = || Error::new(Kind::Invalid, "this is not an attestation").hint("`orgkeep attest` writes one");
        let attestation: Attestation = serde_json::from_slice(bytes).map_err(|_| wrong())?;
        if attestation.what != WHAT {
            return Err(wrong());
        }
        if attestation.format != crate::vault::FORMAT {
            return Err(Error::new(
                Kind::Invalid,
                "the attestation has another format than this version of Orgkeep reads",
            )
            .with("format", attestation.format)
            .with("read", crate::vault::FORMAT)
            .hint("use the version of Orgkeep that wrote it, or a newer one"));
        }
        Ok(attestation)
    }

    pub fn to_json(&self) -> Vec<u8> {
        let mut json = serde_json::to_vec_pretty(self).expect("an attestation is plain JSON");
        json.push(b'\n');
        json
    }

    /// Whether signature and tree fit each other, which needs no vault; what was signed. Corrupt where they do not.
    pub fn verified(&self) -> Result<Statement> {
        let statement = self.seal.verified()?;
        if merkle::root(&self.state)? != statement.root {
            return Err(Error::new(Kind::Corrupt, "the objects of the attestation are not those that were signed")
                .with("backup", statement.sequence));
        }
        Ok(statement)
    }
}

impl OrgVault {
    /// What to keep of a backup elsewhere. NotFound for a backup made before backups were sealed.
    pub async fn attest(&self, sequence: u64) -> Result<Attestation> {
        let seal = self.seal(sequence).await?;
        let state = self.finished(sequence).await?.state.clone();
        let attestation = Attestation { what: WHAT.into(), format: crate::vault::FORMAT, seal, state };
        attestation.verified()?;
        Ok(attestation)
    }

    /// Holds an attestation against what is in this vault now. `progress` is told of each object before it is read.
    ///
    /// Corrupt for an attestation that does not fit itself, Invalid for one of another vault or org.
    pub async fn verify(
        &self,
        attestation: &Attestation,
        progress: &mut (dyn FnMut(&str) + Send),
    ) -> Result<Verification> {
        let statement = attestation.verified()?;
        if statement.vault != self.vault().id().to_string() || statement.org != self.id() {
            return Err(Error::new(Kind::Invalid, "the attestation is of another vault or another org")
                .with("vault", &statement.vault)
                .with("org", &statement.org));
        }
        self.forget_all();
        self.forget_erasures().await;
        let same_key = self.vault().public_key() == statement.public_key;
        let in_chain = self.contains(statement.sequence, &statement.manifest).await?;
        let manifest = match self.finished(statement.sequence).await {
            Ok(manifest) => Some(manifest),
            Err(error) if error.kind() == Kind::NotFound => None,
            Err(error) => return Err(error),
        };
        let erasures = self.erased().await?;
        let (mut differences, mut erased) = (Vec::new(), Vec::new());
        let mut objects = BTreeSet::new();
        if let Some(manifest) = &manifest {
            // All that there is now, so that an object which was slipped in shows as well.
            objects.extend(attestation.state.keys().chain(manifest.state.keys()).cloned());
            for object in &objects {
                progress(object);
                let attested = attestation.state.get(object);
                // What was erased since was there then.
                erased.extend(attested.iter().flat_map(|_| erasures.since(object, statement.sequence)));
                let attested = attested.map(|held| erasures.held(object, statement.sequence, held)).transpose()?;
                let (found, error) = match self.totals(object, statement.sequence).await {
                    Ok(found) => (Some(found), None),
                    Err(error) if error.kind() == Kind::Unreachable => return Err(error),
                    Err(error) => (None, Some(error.chain())),
                };
                if found != attested {
                    differences.push(Difference { object: object.clone(), attested, found, error });
                }
            }
        }
        let kept = manifest.is_some();
        Ok(Verification { statement, same_key, in_chain, kept, objects: objects.len(), erased, differences })
    }

    /// What is held of an object as of a backup, computed from its rows.
    pub(crate) async fn totals(&self, object: &str, sequence: u64) -> Result<Held> {
        // Also of a backup that has expired: its state is still there.
        let state = self.state_at(object, sequence).await?;
        sum(self.scan_of(object, &state, sequence, Scan::default())?).await
    }

    /// What is held of an object from each backup on that captured something of it, computed from the hashes of all its rows in one pass: a version counts
    /// from its backup on, and no longer from that of the next version.
    pub(crate) async fn states(&self, object: &str) -> Result<BTreeMap<u64, Held>> {
        let finished = self.newest().await?.map_or(0, |newest| newest.sequence);
        let log = self.log(object);
        let Some(state) = log.state().await? else { return Ok(BTreeMap::new()) };
        let only_id = Schema::new(state.columns.clone())?.project(&[]);
        let mut rows = self.versions_of(&log, &state, only_id, None, Hashes::Yes)?;
        let mut changes: BTreeMap<u64, (i64, Digest)> = BTreeMap::new();
        // The Id of the row before, and the backup that captured it: versions come newest first.
        let (mut last, mut until) = (String::new(), None);
        while let Some(batch) = rows.next().await.transpose()? {
            for row in 0..batch.len() {
                if batch.id(row) != last {
                    last.clear();
                    last.push_str(batch.id(row));
                    until = None;
                }
                let from = batch.backup(row);
                if from > finished {
                    continue;
                }
                if !batch.deleted(row) {
                    let hash = batch.hash(row);
                    let begins = changes.entry(from).or_default();
                    begins.0 += 1;
                    begins.1.add(hash);
                    if let Some(until) = until {
                        let ends = changes.entry(until).or_default();
                        ends.0 -= 1;
                        ends.1.subtract(hash);
                    }
                }
                until = Some(from);
                changes.entry(from).or_default();
            }
        }
        let (mut live, mut digest) = (0i64, Digest::default());
        let held = changes.into_iter().map(|(sequence, (count, change))| {
            live += count;
            digest.add(change);
            (sequence, Held { live: u64::try_from(live).unwrap_or(0), digest: digest.to_string() })
        });
        Ok(held.collect())
    }
}

/// What rows add up to.
pub(crate) async fn sum(mut rows: BatchStream) -> Result<Held> {
    let (mut live, mut digest, mut hasher) = (0, Digest::default(), None);
    while let Some(batch) = rows.next().await.transpose()? {
        let hasher = hasher.get_or_insert_with(|| RowHasher::new(batch.schema()));
        live += batch.len() as u64;
        for row in 0..batch.len() {
            digest.add(hasher.row(&batch, row));
        }
    }
    Ok(Held { live, digest: digest.to_string() })
}
