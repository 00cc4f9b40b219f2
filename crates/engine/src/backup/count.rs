// SPDX-License-Identifier: Apache-2.0
//! Live rows as the org counts them, five objects in one API call.
//!
//! Archived activities are live rows that only `queryAll` shows, so the count goes through it and leaves out deleted rows
//! itself (`salesforce-api.md` 7.1).

use super::catalog::Entry;
use crate::error::Result;
use futures::stream::{self, StreamExt, TryStreamExt};
use orgkeep_salesforce::{MOST_QUERIES, Org, Query, Scope};
use std::collections::BTreeMap;

/// Calls made at the same time.
const PARALLEL_CALLS: usize = 2;

/// The count of each object, or the org's words why it does not count it.
pub(crate) async fn counts(org: &Org, entries: &[&Entry]) -> Result<BTreeMap<String, Result<u64, String>>> {
    let mut counts = BTreeMap::new();
    let groups: Vec<&[&Entry]> = entries.chunks(MOST_QUERIES).collect();
    let mut calls = stream::iter(groups)
        .map(|group| async move {
            let query = |entry: &&Entry| Query { soql: soql(entry), columns: vec!["n".to_owned()], scope: Scope::All };
            let queries: Vec<Query> = group.iter().map(query).collect();
            Ok::<_, crate::Error>((group, org.composite_queries(&queries).await?))
        })
        .buffer_unordered(PARALLEL_CALLS);
    while let Some((group, answers)) = calls.try_next().await? {
        for (entry, answer) in group.iter().zip(answers) {
            let count = match answer {
                Ok(answered) => answered
                    .rows
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
