// SPDX-License-Identifier: Apache-2.0
//! The vault from outside: what a caller sees, over stores that fail and files that break.

#![expect(clippy::unwrap_used, reason = "what a test cannot set up fails the test")]

mod access;
mod blobs;
mod capture;
mod checks;
mod compaction;
mod copies;
mod damage;
mod erasure;
mod everything;
mod history;
mod keys;
mod locks;
mod mending;
mod proof;
mod reading;
mod restore;
mod retention;
mod slow;
mod stale;
mod sweep;
mod together;
mod values;
mod world;
