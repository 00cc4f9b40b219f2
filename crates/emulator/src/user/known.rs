// SPDX-License-Identifier: Apache-2.0
//! Rights as they were read, so that a request does not read dozens of rows to learn what its user may do.
//!
//! They are good until a row changes that rights are made of ([`crate::schema::Object::grants`]), a test gives or takes a
//! permission, or the schema changes. Users with the same rights share one set in memory, by which others tell that the rights
//! are the same.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// The rights of the users who called.
#[derive(Debug, Default)]
pub struct KnownRights {
    /// Counts the changes of rows that rights are made of.
    state: u64,
    by_user: HashMap<String, Arc<BTreeSet<String>>>,
    sets: Vec<Arc<BTreeSet<String>>>,
}

impl KnownRights {
    /// The rights of a user in this state of the rows, read unless they are known.
    pub fn of(&mut self, state: u64, user_id: &str, read: impl FnOnce() -> BTreeSet<String>) -> Arc<BTreeSet<String>> {
        if self.state != state {
            self.state = state;
            self.forget();
        }
        if let Some(known) = self.by_user.get(user_id) {
            return known.clone();
        }
        let rights = read();
        self.sets.retain(|set| Arc::strong_count(set) > 1);
        let shared = match self.sets.iter().find(|set| ***set == rights) {
            Some(set) => set.clone(),
            None => {
                let set = Arc::new(rights);
                self.sets.push(set.clone());
                set
            }
        };
        self.by_user.insert(user_id.to_owned(), shared.clone());
        shared
    }

    /// Nothing is known any more.
    pub fn forget(&mut self) {
        self.by_user.clear();
    }
}
