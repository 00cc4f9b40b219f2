// SPDX-License-Identifier: Apache-2.0
//! One file per command: its arguments and what it does. Each ends in an [`crate::failure::Answer`] or a failure.

pub mod attach;
pub mod attest;
pub mod backup;
pub mod backups;
pub mod check;
pub mod compact;
pub mod compare;
pub mod connect;
pub mod copy;
pub mod coverage;
pub mod emulator;
pub mod erase;
pub mod estimate;
pub mod expire;
pub mod export;
pub mod hold;
pub mod init;
pub mod keys;
pub mod ls;
pub mod restore;
pub mod show;
#[cfg(feature = "sql")]
pub mod sql;
