// SPDX-License-Identifier: Apache-2.0
//! Which record of the target stands for a record of the source's set-up: users by username, record types by object and developer
//! name, roles, profiles, queues and business hours by name, the standard price book because there is only one.
//!
//! In the same org each stands for itself. A user who is missing or inactive cannot own records (`salesforce-api.md` 6.6,
//! INACTIVE_OWNER_OR_USER), so the user who restores takes over; the plan says so.

use super::rules;
use super::select::Source;
use super::target::Target;
use crate::browse::cell;
use crate::error::Result;
use futures::stream::TryStreamExt;
use orgkeep_salesforce::Scope;
use std::collections::{BTreeSet, HashMap};

#[derive(Default)]
pub(crate) struct Names {
    stands_for: HashMap<String, String>,
    /// Users of the target that are not active.
    inactive: BTreeSet<String>,
    same_org: bool,
    running_user: String,
}

impl Names {
    pub async fn load(source: &Source<'_>, target: &Target<'_>, same_org: bool) -> Result<Names> {
        let mut names = Names { same_org, running_user: target.org.identity().user_id.clone(), ..Names::default() };
        let inactive = "SELECT Id FROM User WHERE IsActive = false";
        let mut pages = target.org.query(inactive, &["Id".to_owned()], Scope::Live);
        while let Some(rows) = pages.try_next().await? {
            names.inactive.extend((0..rows.len()).filter_map(|row| rows.cell(row, 0)).map(str::to_owned));
        }
        if same_org {
            return Ok(names);
        }
        names.stands_for.insert(source.vault.id().to_owned(), target.org.identity().org_id.clone());
        for (object, key) in rules::SETUP {
            if !key.is_empty() {
                names.match_by(source, target, object, key, None).await?;
            }
        }
        // Usernames are unique in all of Salesforce, so the same person has another one in another org.
        for key in ["FederationIdentifier", "Email", "Name"] {
            names.match_by(source, target, "User", &[key], None).await?;
        }
        names.match_by(source, target, "Pricebook2", &["IsStandard"], Some("IsStandard = true")).await?;
        Ok(names)
    }

    async fn match_by(
        &mut self,
        source: &Source<'_>,
        target: &Target<'_>,
        object: &str,
        key: &[&str],
        condition: Option<&str>,
    ) -> Result<()> {
        if target.object_named(object).is_none() {
            return Ok(());
        }
        let mut columns = vec!["Id".to_owned()];
        columns.extend(key.iter().map(|field| (*field).to_owned()));
        let mut soql = format!("SELECT {} FROM {object}", columns.join(", "));
        condition.iter().for_each(|condition| soql.push_str(&format!(" WHERE {condition}")));
        // None where two records have the same key: then it tells nothing.
        let mut by_key: HashMap<Vec<Option<String>>, Option<String>> = HashMap::new();
        let mut pages = target.org.query(&soql, &columns, Scope::Live);
        while let Some(rows) = pages.try_next().await? {
            for row in 0..rows.len() {
                let values = (1..columns.len()).map(|column| rows.cell(row, column).map(str::to_lowercase)).collect();
                by_key
                    .entry(values)
                    .and_modify(|twin| *twin = None)
                    .or_insert_with(|| rows.cell(row, 0).map(str::to_owned));
            }
        }
        let mut batches = source.rows(object, Some(columns), None).await?;
        while let Some(batch) = batches.try_next().await? {
            for row in 0..batch.len() {
                let values: Vec<Option<String>> =
                    key.iter().map(|field| cell(&batch, row, field).map(|text| text.to_lowercase())).collect();
                if values.iter().all(Option::is_some)
                    && let Some(Some(twin)) = by_key.get(&values)
                {
                    self.stands_for.entry(batch.id(row).to_owned()).or_insert_with(|| twin.clone());
                }
            }
        }
        Ok(())
    }

    /// The Id to write for a reference to a record of the set-up; `None` where the target has nothing that stands for it.
    pub fn setup(&self, object: &str, field: &str, id: &str) -> Option<String> {
        let found = match self.stands_for.get(id) {
            Some(found) => Some(found.clone()),
            None if self.same_org => Some(id.to_owned()),
            None => None,
        };
        if object != "User" {
            return found;
        }
        match found {
            Some(user) if field == "OwnerId" && self.inactive.contains(&user) => Some(self.running_user.clone()),
            Some(user) => Some(user),
            None if matches!(field, "OwnerId" | "CreatedById" | "LastModifiedById") => Some(self.running_user.clone()),
            None => None,
        }
    }

    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.stands_for.iter().map(|(old, new)| (old.as_str(), new.as_str()))
    }

    /// What stands for a record that is no set-up but exists once in every org: the standard price book.
    pub fn twin(&self, id: &str) -> Option<&str> {
        self.stands_for.get(id).map(String::as_str)
    }
}
