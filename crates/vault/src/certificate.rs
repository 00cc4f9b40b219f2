// SPDX-License-Identifier: Apache-2.0
//! What an erasure is to those outside: which records of a state that was attested, or is read now, it took away, and the vault's signature
//! under that.
//!
//! An attestation from before an erasure counts what is gone since. The erasure says, per object and backup, how many live records
//! that is and the sum of their hashes; taken from what was attested, they leave what the vault must hold now. Who has the attestation and the
//! signed certificate can compute that without asking the vault.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::erasure::{Erasure, ErasureList};
use crate::error::Result;
use crate::org::OrgVault;

/// Live records of an object as of a backup that were erased since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasedSince {
    pub object: String,
    pub records: u64,
    /// The number of the erasure on the vault's list.
    pub erasure: u64,
    pub at: DateTime<Utc>,
    /// The BLAKE3 of the erasure, which its certificate has as `hash`.
    pub certificate: String,
}

impl fmt::Display for ErasedSince {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "erasure {} of {}, BLAKE3 {}", self.erasure, self.at.format("%Y-%m-%d"), self.certificate)
    }
}

/// The vault's signature under an erasure. Keys and signatures in Base64.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ErasureSignature {
    pub public_key: String,
    pub signature: String,
}

impl ErasureList {
    /// What was erased of an object's state as of a backup, by erasure.
    pub fn since(&self, object: &str, at: u64) -> Vec<ErasedSince> {
        let taken = |erasure: &Erasure| {
            let share = erasure.share(object, at).filter(|share| share.live > 0 && erasure.newest >= at)?;
            Some(ErasedSince {
                object: object.to_owned(),
                records: share.live,
                erasure: erasure.number,
                at: erasure.at,
                certificate: erasure.hash(),
            })
        };
        self.erasures.iter().filter_map(taken).collect()
    }
}

impl OrgVault {
    /// The text that is signed: what it is, vault, org, number of the erasure and its BLAKE3, each on a line.
    pub fn erasure_statement(&self, erasure: &Erasure) -> String {
        let (vault, org) = (self.vault().id(), self.id());
        format!("orgkeep erasure\n{vault}\n{org}\n{}\n{}\n", erasure.number, erasure.hash())
    }

    /// Signs an erasure with the vault's key.
    pub fn sign_erasure(&self, erasure: &Erasure) -> Result<ErasureSignature> {
        let signer = self.vault().signer()?;
        let signature = signer.sign(&self.erasure_statement(erasure));
        Ok(ErasureSignature { public_key: signer.public_key.clone(), signature })
    }
}
