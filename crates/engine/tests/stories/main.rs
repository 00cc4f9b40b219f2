// SPDX-License-Identifier: Apache-2.0
//! Stories of an org and its vault, told in-process under paused time: an hour of polling takes milliseconds, and every single request
//! can be made to fail.

#![allow(clippy::unwrap_used, reason = "a story ends where something fails")]

mod backup;
mod compare;
mod coverage;
mod days;
mod erasure;
mod files;
mod ids;
mod images;
mod refusals;
mod restore;
mod sight;
mod stage;
mod store;
mod sweep;
mod worlds;
