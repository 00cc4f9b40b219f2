// SPDX-License-Identifier: Apache-2.0
//! Lock contention between jobs that write children of the same parent at the same time (`salesforce-api.md` 3.2, 6.6).
//!
//! Saving a child locks its parent, and who waits for a lock longer than ten seconds gives up. The emulator works chunks
//! off one after another, so it reckons what would have happened: writing a child holds the lock on its parent for a
//! millisecond of the clock; those who want it queue; a row whose turn at the lock would come more than ten seconds from
//! now is refused with `UNABLE_TO_LOCK_ROW`. So two jobs collide once one has more than 10,000 children of one parent in
//! flight, which is the number from which Salesforce calls a parent skewed. A job (or a Serial job's batches, or one batch of a
//! Parallel job) never waits for itself.
//!
//! A parent is locked by every reference that cascades or restricts its delete, and by every reference of a standard field but
//! those to users, groups, profiles, roles and record types. How long a lock is held, and that a custom lookup which empties
//! itself locks nothing, are guesses. Only rows of Bulk jobs queue, and only by references their rows name by Id.

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::SaveError;
use crate::id;
use crate::record::{Fields, Input};
use crate::schema::{Field, FieldType, Object};

/// Above this many parents those whose lock is free are forgotten.
const PARENTS_MAX: usize = 100_000;
/// Objects whose rows are referred to by everything and are not locked for it.
const NEVER_LOCKED: [&str; 6] = ["User", "Group", "Profile", "UserRole", "RecordType", "Queue"];

/// How locks behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Locking {
    /// How long saving one row holds the lock on its parent, in ms of the clock.
    pub held_ms_per_row: i64,
    /// How long a row waits for a lock, in ms of the clock.
    pub wait_max_ms: i64,
}

impl Default for Locking {
    fn default() -> Locking {
        Locking { held_ms_per_row: 1, wait_max_ms: 10_000 }
    }
}

/// Who holds a parent, and until when.
#[derive(Debug)]
struct Hold {
    holder: String,
    free_ms: i64,
}

/// The locks of an org's jobs.
#[derive(Debug, Default)]
pub struct Contention {
    pub locking: Locking,
    parents: HashMap<String, Hold>,
}

impl Contention {
    /// Takes the locks a row needs for `holder`, at a time in ms.
    ///
    /// # Errors
    /// `UNABLE_TO_LOCK_ROW` when one of them would not come free in time; then none is taken.
    pub fn take(&mut self, holder: &str, parents: &[String], now_ms: i64) -> Result<(), SaveError> {
        let latest_ms = now_ms + self.locking.wait_max_ms;
        for parent in parents {
            if self.parents.get(parent).is_some_and(|hold| hold.holder != holder && hold.free_ms > latest_ms) {
                return Err(unable_to_lock(parent));
            }
        }
        for parent in parents {
            let hold =
                self.parents.entry(parent.clone()).or_insert_with(|| Hold { holder: String::new(), free_ms: now_ms });
            hold.free_ms = hold.free_ms.max(now_ms) + self.locking.held_ms_per_row;
            if hold.holder != holder {
                holder.clone_into(&mut hold.holder);
            }
        }
        if self.parents.len() > PARENTS_MAX {
            self.parents.retain(|_, hold| hold.free_ms > now_ms);
        }
        Ok(())
    }

    /// Keeps every parent of a holder locked for longer: its work is slow.
    pub fn prolong(&mut self, holder: &str, by_ms: i64) {
        for hold in self.parents.values_mut().filter(|hold| hold.holder == holder) {
            hold.free_ms += by_ms;
        }
    }
}

/// The text is Salesforce's (`salesforce-api.md` 6.6).
pub fn unable_to_lock(id: &str) -> SaveError {
    let text = format!("unable to obtain exclusive access to this record or 1 records: {}", id::to15(id));
    SaveError::new("UNABLE_TO_LOCK_ROW", text, &[])
}

/// The fields of an object that lock what they refer to.
pub fn locking_fields(object: &Object) -> Vec<String> {
    let locks = |field: &&Arc<Field>| {
        let held = field.cascade_delete || field.restricted_delete || !field.custom;
        let to_rows = field.reference_to.iter().any(|target| !NEVER_LOCKED.contains(&target.as_str()));
        field.kind == FieldType::Reference && held && to_rows
    };
    object.fields.iter().filter(locks).map(|field| field.name.clone()).collect()
}

/// The parents a row names by Id in those fields, 18 characters each, without repetition.
pub fn parents(locking_fields: &[String], fields: &Fields) -> Vec<String> {
    let mut named: Vec<String> = Vec::new();
    for (name, value) in fields {
        if let Input::Text(text) = value
            && locking_fields.iter().any(|field| field.eq_ignore_ascii_case(name))
            && let Some(id) = id::to18(text.trim())
            && !named.contains(&id)
        {
            named.push(id);
        }
    }
    named
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_thousand_children_in_flight_is_where_another_job_gives_up() {
        let parent = [id::make("001", 1)];
        let mut locks = Contention::default();
        for _ in 0..10_000 {
            locks.take("a", &parent, 0).unwrap();
        }
        locks.take("b", &parent, 0).unwrap();
        let error = locks.take("a", &parent, 0).unwrap_err();
        assert_eq!(error.code, "UNABLE_TO_LOCK_ROW");
        assert_eq!(error.message, "unable to obtain exclusive access to this record or 1 records: 001EM0000000001");
        locks.take("b", &parent, 0).unwrap();
        locks.take("a", &parent, 2).unwrap();
        locks.take("a", &[id::make("001", 2)], 0).unwrap();
    }

    #[test]
    fn standard_lookups_and_master_details_lock_and_owners_do_not() {
        let fields = locking_fields(crate::schema::Schema::standard().object("Contact").unwrap());
        assert!(fields.contains(&"AccountId".to_owned()) && !fields.contains(&"OwnerId".to_owned()));
        let row = vec![("accountid".to_owned(), Input::Text(id::make("001", 7)[..15].to_owned()))];
        assert_eq!(parents(&fields, &row), [id::make("001", 7)]);
    }
}
