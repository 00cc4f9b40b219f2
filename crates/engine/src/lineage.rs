// SPDX-License-Identifier: Apache-2.0
//! Which Id a record has now: every restore that created records noted the new Id of each in its ledger, for ever.

use crate::error::Result;
use crate::restore::ledger::{Header, Line};
use orgkeep_vault::OrgVault;
use std::collections::{BTreeSet, HashMap};

/// From the Ids of an org's backups to those that its records have in a target.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lineage {
    now: HashMap<String, String>,
    /// Ids that a record had before it was restored a second time from the same backup.
    former: Vec<(String, String)>,
}

impl Lineage {
    /// Into the same org.
    pub async fn of_org(vault: &OrgVault) -> Result<Lineage> {
        Lineage::into_target(vault, vault.id()).await
    }

    /// Into a target org, over all restores that went there.
    pub async fn into_target(vault: &OrgVault, target_org: &str) -> Result<Lineage> {
        let mut lineage = Lineage::default();
        for restore in vault.restores().await? {
            let ledger = vault.restore_open(&restore).await?;
            let header = Header::of(&ledger).await?;
            if header.target_org != target_org {
                continue;
            }
            for line in crate::restore::ledger::lines(&ledger).await? {
                if let Line::Done { id, new_id: Some(new_id), .. } | Line::Along { id, new_id } = line {
                    lineage.add(id, new_id);
                }
            }
        }
        Ok(lineage)
    }

    /// Whether every record is known under its own Id.
    pub fn is_identity(&self) -> bool {
        self.now.iter().all(|(old, new)| old == new)
    }

    pub fn add(&mut self, old: impl Into<String>, new: impl Into<String>) {
        let (old, new) = (old.into(), new.into());
        if let Some(former) = self.now.insert(old.clone(), new.clone()).filter(|former| *former != new) {
            self.former.push((old, former));
        }
    }

    /// Adds to the Ids of some records all others that these have or had, through however many restores.
    pub fn close_over(&self, ids: &mut BTreeSet<String>) {
        let steps = || self.now.iter().chain(self.former.iter().map(|(old, new)| (old, new)));
        let mut names: HashMap<&str, Vec<&str>> = HashMap::new();
        for (old, new) in steps() {
            names.entry(old).or_default().push(new);
            names.entry(new).or_default().push(old);
        }
        let mut next: Vec<&str> = names.keys().copied().filter(|id| ids.contains(*id)).collect();
        while let Some(id) = next.pop() {
            next.extend(names[id].iter().filter(|other| ids.insert((**other).to_owned())));
        }
    }

    /// The newest Id of a record that a restore made, which in another org may by chance be the same: a sandbox counts
    /// on from where its production org was copied. A record restored twice has two steps.
    pub fn made(&self, id: &str) -> Option<&str> {
        let mut newest = self.now.get(id)?;
        // Each step is a later restore, so there is no circle; the bound keeps a damaged ledger from making one.
        for _ in 0..self.now.len() {
            match self.now.get(newest) {
                Some(next) if next != newest => newest = next,
                _ => break,
            }
        }
        Some(newest)
    }

    pub fn current<'a>(&'a self, id: &'a str) -> &'a str {
        self.made(id).unwrap_or(id)
    }

    /// Old and newest Ids.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.now.keys().map(|old| (old.as_str(), self.current(old)))
    }

    /// The newest Id, where it is another one.
    pub fn renamed(&self, id: &str) -> Option<&str> {
        self.made(id).filter(|new| *new != id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_restored_twice_is_found_under_its_newest_id() {
        let mut lineage = Lineage::default();
        lineage.add("a", "b");
        lineage.add("b", "c");
        assert_eq!((lineage.current("a"), lineage.current("b"), lineage.current("c")), ("c", "c", "c"));
    }

    #[test]
    fn all_ids_of_a_record_are_known_also_where_it_was_restored_twice_from_one_backup() {
        let mut lineage = Lineage::default();
        for (old, new) in [("a", "b"), ("a", "c"), ("c", "d"), ("x", "y")] {
            lineage.add(old, new);
        }
        for id in ["a", "b", "c", "d"] {
            let mut ids = BTreeSet::from([id.to_owned()]);
            lineage.close_over(&mut ids);
            assert_eq!(ids.into_iter().collect::<String>(), "abcd");
        }
    }

    #[test]
    fn a_circle_in_a_damaged_ledger_ends() {
        let mut lineage = Lineage::default();
        lineage.add("a", "b");
        lineage.add("b", "a");
        assert!(lineage.made("a").is_some());
    }
}
