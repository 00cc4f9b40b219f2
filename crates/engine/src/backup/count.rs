// SPDX-License-Identifier: Apache-2.0
//! Live rows as the org counts them, five objects in one API call.
//!
//! Archived activities are live rows that only `queryAll` shows, so the count goes through it and leaves out deleted rows
//! itself (`salesforce-api.md` 7.1).

use super::Run;
use super::catalog::{Catalog, Entry};
use crate::error::Result;
use orgkeep_salesforce::{Org, Scope};
use std::collections::BTreeMap;

/// Queries that one `/composite` request may hold (`salesforce-api.md` 2.8).
const QUERIES_PER_CALL: usize = 5;

/// Counts of all objects of the catalog that this backup has not finished yet; those that refuse to be counted are absent.
pub(super) async fn rows(run: &Run<'_>, catalog: &Catalog) -> Result<BTreeMap<String, u64>> {
    let open: Vec<&Entry> = catalog.entries.iter().filter(|entry| run.done(&entry.object).is_none()).collect();
    let counts = counts(run.org, &open).await?;
    Ok(counts.into_iter().filter_map(|(object, count)| Some((object, count.ok()?))).collect())
}

/// The count of each object, or the org's words why it does not count it.
pub(crate) async fn counts(org: &Org, entries: &[&Entry]) -> Result<BTreeMap<String, Result<u64, String>>> {
    let mut counts = BTreeMap::new();
    for group in entries.chunks(QUERIES_PER_CALL) {
        let queries: Vec<(String, Vec<String>)> =
            group.iter().map(|entry| (soql(entry), vec!["n".to_owned()])).collect();
        let answers = org.composite_queries(&queries, Scope::All).await?;
        for (entry, answer) in group.iter().zip(answers) {
            let count = match answer {
                Ok(rows) => rows
                    .iter()
                    .next()
                    .and_then(|mut row| row.next().flatten().and_then(|n| n.parse().ok()))
                    .ok_or_else(|| "the org gave no number".to_owned()),
                Err(refusal) => Err(refusal.to_string()),
            };
            counts.insert(entry.object.clone(), count);
        }
    }
    Ok(counts)
}

fn soql(entry: &Entry) -> String {
    let live = if entry.spec.soft_deletes { " WHERE IsDeleted = false" } else { "" };
    format!("SELECT COUNT(Id) n FROM {}{live}", entry.object)
}
