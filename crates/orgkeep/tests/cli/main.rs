// SPDX-License-Identifier: Apache-2.0
//! The program as people and scripts meet it: started as a process, in a world of its own.

mod connections;
mod demo;
mod help;
mod keeping;
mod killed;
mod proofs;
mod refreshed;
mod refusals;
mod restores;
#[cfg(feature = "sql")]
mod sql;
mod story;
mod vaults;
mod world;
