// SPDX-License-Identifier: Apache-2.0
//! What the faces of an org remember beside its records: sessions, apps, jobs, usage.
//!
//! It lives in memory. Where the records are kept in a file, sessions, grants, apps, passwords and the My Domain are
//! written there too (see `memory.rs`); query cursors, Bulk jobs, the request log and the count of calls end with the
//! process.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::bulk::Registry;
use crate::describe::Kept;
use crate::fault::Faults;
use crate::host::MyDomain;
use crate::log::{RequestLog, Usage};
use crate::oauth::app::Apps;
use crate::rest::recent::Recent;
use crate::session::Sessions;
use crate::sign_in::Passwords;

/// The memory of an org's faces.
#[derive(Debug, Default)]
pub struct Faces {
    /// Access and refresh tokens.
    pub sessions: Mutex<Sessions>,
    /// Connected and external client apps.
    pub apps: Mutex<Apps>,
    /// What users looked at last.
    pub(crate) recent: Mutex<Recent>,
    /// Bulk API jobs.
    pub jobs: Mutex<Registry>,
    /// Descriptions as they were sent.
    pub(crate) described: Mutex<Kept>,
    /// Deploys and retrieves.
    pub metadata: Mutex<crate::metadata::Requests>,
    /// Calls counted against the daily allowance.
    pub usage: Mutex<Usage>,
    /// The last requests.
    pub log: Mutex<RequestLog>,
    /// What is to go wrong.
    pub faults: Faults,
    /// Permissions that tests gave to or took from users, over what their profile and permission sets say.
    pub permissions: Mutex<BTreeMap<String, BTreeMap<String, bool>>>,
    /// From where and when users may come in.
    pub networks: Mutex<crate::network::Networks>,
    /// What users may do, as it was worked out last.
    pub(crate) rights: Mutex<crate::rights::Resolved>,
    /// What the org's owner is told of it.
    pub credentials: Mutex<Option<crate::Credentials>>,
    /// The users' passwords.
    pub passwords: Mutex<Passwords>,
    /// The org's own host name.
    pub my_domain: Mutex<MyDomain>,
    /// How many rows each object has, as the start page showed last.
    pub(crate) counted: Mutex<crate::landing::Counted>,
    /// Whether the org has a store file, where all this is written down.
    pub(crate) is_kept: bool,
    /// What was written down last of that which is written whole.
    pub(crate) written: Mutex<BTreeMap<&'static str, String>>,
}

/// Locks, also after a panic of another holder: what is guarded is replaced whole or counted up, never left half-written.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Faces {
    /// Takes one call from the allowance. False when nothing is left, and then nothing is counted.
    pub fn take_call(&self, now_ms: i64) -> bool {
        let mut usage = lock(&self.usage);
        if usage.used(now_ms) >= usage.max() {
            return false;
        }
        usage.add(now_ms, 1);
        true
    }

    /// Counts calls beyond the one that the request itself is.
    pub fn count_further(&self, now_ms: i64, calls: u64) {
        lock(&self.usage).add(now_ms, calls);
    }

    /// `api-usage=18/5000`, the short form that anchored patterns of clients expect (`salesforce-api.md` 2.1).
    pub fn limit_line(&self, now_ms: i64) -> String {
        let mut usage = lock(&self.usage);
        format!("api-usage={}/{}", usage.used(now_ms), usage.max())
    }
}
