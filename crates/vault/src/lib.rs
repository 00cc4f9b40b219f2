// SPDX-License-Identifier: Apache-2.0
//! Encrypted, versioned history of orgs, in open formats.
//!
//! A [`Vault`] holds any number of orgs, an [`OrgVault`] the backups of one. A backup is made by an [`Unfinished`], which
//! only the holder of the org's [`Lock`] can begin; rows of an object go through a [`Capture`]. Reading is a stream of
//! [`Batch`]es sorted by Id: [`OrgVault::scan`] for a point in time, [`OrgVault::versions_until`] for history, [`merge`] for what differs between two streams.
//!
//! This crate knows tables, blobs and keys, and nothing of any API of Salesforce: "org", "object" and "Id" are names to
//! it. `docs/format.md` describes what it stores, for readers in other languages.

mod attest;
mod backup;
mod batch;
mod blobs;
mod capture;
mod cell;
mod certificate;
mod check;
mod cipher;
mod columns;
mod compact;
mod compare;
mod copy;
mod datafile;
mod digest;
mod erase;
mod erasure;
mod error;
mod examine;
mod expire;
mod export;
mod former;
mod keyring;
mod keys;
mod location;
mod lock;
mod locked;
mod log;
mod lookup;
mod mend;
mod merge;
mod merkle;
mod org;
mod output;
mod packed;
mod parts;
mod removed;
mod restore;
mod retention;
mod rotation;
mod runs;
mod seal;
mod secret;
mod signing;
mod sorter;
mod state;
mod store;
mod text;
mod vault;
mod vaultfile;
mod versions;
mod ways;

pub use attest::{Attestation, Difference, Verification};
pub use backup::{DocumentRef, Manifest, ManifestDraft, Unfinished};
pub use batch::Batch;
pub use blobs::{BlobError, BlobRef, BlobWriter, KnownBody};
pub use capture::{Capture, CaptureKind, Captured};
pub use cell::cell_text;
pub use certificate::{ErasedSince, ErasureSignature};
pub use check::{CheckOptions, CheckProgress, CheckReport, Coverage, Damage, DamagedFile, Extent, Unnamed, Within};
pub use columns::{Builder, Column, ColumnType, Schema};
pub use compact::Compacted;
pub use copy::{Copied, copy};
pub use digest::RowsDigest;
pub use erase::ErasureDraft;
pub use erasure::{Erased, Erasure, ErasureList, Share};
pub use error::{Error, Kind, Result};
pub use expire::{Expired, Expiry, Removal};
pub use export::{write_parquet, write_record_batches};
pub use former::Former;
pub use location::{BucketRetention, Location, ObjectLock, Place};
pub use lock::{LEASE_MINUTES, Lock};
pub use locked::{Locked, renew_locks_of_copy};
pub use mend::Lost;
pub use merge::{Change, Row, merge};
pub use merkle::Held;
pub use org::OrgVault;
pub use restore::RestoreLedger;
pub use retention::{Hold, Policy, Retention};
pub use rotation::Rotation;
pub use runs::BatchStream;
pub use seal::{Seal, Statement};
pub use secret::{RecoveryKey, Secret};
pub use sorter::Sorter;
pub use state::{Scan, Version};
pub use vault::{FORMAT, Protection, Unlock, Vault};
pub use ways::Way;
