// SPDX-License-Identifier: Apache-2.0
//! Transactions whose rows are stamped long before anybody sees them (`salesforce-api.md` 6.10).
//!
//! A late commit rehearses each write when it is asked for, so that it is refused or gets its Id at once, and undoes it. Its
//! commit does all of it again, with the times and the Ids of then. Meanwhile nobody sees the rows, and those that it changes
//! are locked for everybody else (`UNABLE_TO_LOCK_ROW`).
//!
//! Not guaranteed: that a commit succeeds when something it refers to was deleted meanwhile; it then changes nothing.

use std::collections::HashMap;
use std::time::Duration;

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

use super::{Org, seed};
use crate::error::SaveError;
use crate::record::{self, Fields, Input};
use crate::store::Tx;

/// One write.
#[derive(Clone, Debug)]
enum Deed {
    Insert { object: String, fields: Fields },
    Update { id: String, fields: Fields },
    Delete { id: String },
}

/// What a transaction did, as it can be done again.
#[derive(Clone, Debug, Default)]
pub(super) struct Deeds {
    /// Each with its time and the numbers that were next then.
    all: Vec<(Deed, i64, HashMap<String, u64>)>,
}

/// A transaction that is open while others come and go. Dropped without a commit, it never happened.
#[must_use]
pub struct LateCommit<'a> {
    org: &'a Org,
    deeds: Deeds,
    locked: Vec<String>,
}

impl Org {
    /// Opens a transaction whose rows are stamped when they are written and seen when it commits.
    pub fn begin_late_commit(&self) -> LateCommit<'_> {
        LateCommit { org: self, deeds: Deeds::default(), locked: Vec::new() }
    }

    /// Lets other users create accounts in `count` transactions, stamped now, that commit by themselves at times within
    /// `longest` that the seed decides. Answers their Ids.
    ///
    /// # Errors
    /// What saving an account may answer.
    pub fn late_commits(&self, seed: u64, count: usize, longest: Duration) -> Result<Vec<String>, SaveError> {
        let mut random = StdRng::seed_from_u64(seed);
        let longest_ms = u64::try_from(longest.as_millis()).unwrap_or(u64::MAX).max(1);
        (1..=count)
            .map(|number| {
                let mut late = self.begin_late_commit();
                let name = Input::Text(format!("Late {number}"));
                let id = late.insert("Account", vec![("Name".to_owned(), name)])?;
                late.commit_after(Duration::from_millis(random.random_range(1..=longest_ms)));
                Ok(id)
            })
            .collect()
    }
}

impl LateCommit<'_> {
    /// Creates a row on the platform's own account and answers the Id it will have.
    ///
    /// # Errors
    /// What the save answers; the transaction then goes on without this row.
    pub fn insert(&mut self, object: &str, fields: Fields) -> Result<String, SaveError> {
        self.rehearse(Deed::Insert { object: object.to_owned(), fields })
    }

    /// Changes a row, which is locked until the commit.
    ///
    /// # Errors
    /// What the save answers.
    pub fn update(&mut self, id: &str, fields: Fields) -> Result<(), SaveError> {
        let id = self.rehearse(Deed::Update { id: id.to_owned(), fields })?;
        self.lock(id);
        Ok(())
    }

    /// Deletes a row, which is locked until the commit.
    ///
    /// # Errors
    /// What the delete answers.
    pub fn delete(&mut self, id: &str) -> Result<(), SaveError> {
        let id = self.rehearse(Deed::Delete { id: id.to_owned() })?;
        self.lock(id);
        Ok(())
    }

    /// Makes it all visible.
    ///
    /// # Errors
    /// What a save answers that succeeded when it was rehearsed; nothing is changed then.
    pub fn commit(mut self) -> Result<(), SaveError> {
        self.unlock();
        let deeds = std::mem::take(&mut self.deeds);
        self.org.write(|tx| deeds.commit(tx))
    }

    /// Commits by itself when the org's clock has gone this far. The rows it changes are no longer locked.
    pub fn commit_after(mut self, wait: Duration) {
        self.unlock();
        let at = self.org.clock().now() + i64::try_from(wait.as_millis()).unwrap_or(i64::MAX / 2);
        self.org.background.commit_at(at, std::mem::take(&mut self.deeds));
    }

    fn rehearse(&mut self, deed: Deed) -> Result<String, SaveError> {
        let earlier = self.deeds.clone();
        let locked = std::mem::take(&mut self.locked);
        for id in &locked {
            self.org.unlock_row(id);
        }
        let rehearsed = self.org.write(|tx| {
            let mut result = Err(SaveError::not_found());
            let mut numbers = HashMap::new();
            let undone: Result<(), ()> = tx.savepoint(|tx| {
                if earlier.play(tx).is_ok() {
                    numbers = tx.numbers();
                    result = deed.play(tx);
                }
                Err(())
            });
            let _ = undone;
            result.map(|id| (id, numbers, tx.now))
        });
        for id in locked {
            self.lock(id);
        }
        let (id, numbers, now) = rehearsed?;
        self.deeds.all.push((deed, now, numbers));
        Ok(id)
    }

    fn lock(&mut self, id: String) {
        self.org.lock_row(&id);
        self.locked.push(id);
    }

    fn unlock(&mut self) {
        for id in self.locked.drain(..) {
            self.org.unlock_row(&id);
        }
    }
}

impl Drop for LateCommit<'_> {
    fn drop(&mut self) {
        self.unlock();
    }
}

impl Deeds {
    /// Does everything, or nothing.
    pub fn commit(&self, tx: &mut Tx<'_>) -> Result<(), SaveError> {
        tx.savepoint(|tx| self.play(tx))
    }

    fn play(&self, tx: &mut Tx<'_>) -> Result<(), SaveError> {
        for (deed, then, numbers) in &self.all {
            let now = std::mem::replace(&mut tx.now, *then);
            let done = tx.with_numbers(numbers, |tx| deed.play(tx));
            tx.now = now;
            done?;
        }
        Ok(())
    }
}

impl Deed {
    fn play(&self, tx: &mut Tx<'_>) -> Result<String, SaveError> {
        let platform = seed::platform(tx);
        match self {
            Deed::Insert { object, fields } => {
                let unknown =
                    || SaveError::new("INVALID_TYPE", format!("sObject type '{object}' is not supported."), &[]);
                let object = tx.schema.object(object).cloned().ok_or_else(unknown)?;
                record::insert(tx, &platform, &object, fields.clone())
            }
            Deed::Update { id, fields } => {
                let object = tx.object_of(id).ok_or_else(|| SaveError::malformed_id(id, "Id"))?;
                record::update(tx, &platform, &object, id, fields.clone())?;
                Ok(crate::id::to18(id).unwrap_or_default())
            }
            Deed::Delete { id } => {
                record::delete(tx, &platform, id)?;
                Ok(crate::id::to18(id).unwrap_or_default())
            }
        }
    }
}
