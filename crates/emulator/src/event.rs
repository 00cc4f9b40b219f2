// SPDX-License-Identifier: Apache-2.0
//! The event bus of an org: change events and platform events, kept for 72 hours (`salesforce-api.md` 5).
//!
//! 1. Every row is written by three functions of the store, whatever API asked. While changes are captured they note which
//!    records a transaction touched, and how each was before ([`capture`]).
//! 2. When the transaction commits, each record is compared with what it was: one event for each record that changed
//!    ([`change`]), one for all records that changed alike, in the order they were first touched, under one transaction
//!    key. What was undone by a savepoint has not changed, so nothing needs to be taken back.
//! 3. The events lie as finished Avro in a table of the org's own store ([`bus`]) and are committed with the rows, so nobody
//!    sees one without the other, and a store file keeps them over a restart. Subscribers are woken after the commit.
//!
//! Nothing is captured until metadata selects an object (`PlatformEventChannelMember`), until the Pub/Sub API is first called with
//! a topic of change events, or until [`crate::Org::capture_changes`] asks for it: until then a write costs nothing more. What was
//! changed before has no events, as in an org whose objects were not selected for Change Data Capture. From then on every object
//! that has change events is selected, unless metadata selects some for the channel `ChangeEvents`.
//!
//! Guesses: that a save which changes no field tells of `LastModifiedDate` alone; the numbers in `commitNumber`, which only
//! increase; that alike changes of one transaction are always merged but for new records.

pub mod avro;
pub mod bus;
pub mod capture;
pub mod change;
pub mod mask;
pub mod shape;
pub mod topic;

pub(crate) use capture::Capture;
