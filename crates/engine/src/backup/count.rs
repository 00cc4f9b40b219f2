// SPDX-License-Identifier: Apache-2.0
//! Live rows as the org counts them, five objects in one API call.
//!
//! Archived activities are live rows that only `queryAll` shows, so the count goes through it and leaves out deleted rows
//! itself (`salesforce-api.md` 7.1).

use super::catalog::Entry;
use super::read::{refused, was_too_much};
use crate::error::Result;
use futures::stream::{self, StreamExt, TryStreamExt};
use orgkeep_salesforce::{Answered, MOST_QUERIES, Org, Query, Scope};
use std::collections::BTreeMap;

/// Calls made at the same time.
const PARALLEL_CALLS: usize = 2;

/// The count of each object, or the org's words why it does not count it.
pub(crate) async fn counts(org: &Org, entries: &[&Entry]) -> Result<BTreeMap<String, Result<u64, String>>> {
    let mut counts = BTreeMap::new();
    let groups: Vec<&[&Entry]> = entries.chunks(MOST_QUERIES).collect();
    let mut calls = stream::iter(groups).map(|group| Box::pin(five(org, group))).buffer_unordered(PARALLEL_CALLS);
    while let Some(counted) = calls.try_next().await? {
        counts.extend(counted);
    }
    Ok(counts)
}

type Counted = (String, Result<u64, String>);

async fn five(org: &Org, group: &[&Entry]) -> Result<Vec<Counted>> {
    let query = |entry: &&Entry| Query { soql: soql(entry), columns: vec!["n".to_owned()], scope: Scope::All };
    let queries: Vec<Query> = group.iter().map(query).collect();
    let mut counted = Vec::with_capacity(group.len());
    match org.composite_queries(&queries).await {
        Ok(answers) => {
            for (entry, answer) in group.iter().zip(answers) {
                let count = match answer {
                    Ok(answered) => number(&answered).ok_or_else(|| "the org gave no number".to_owned()),
                    Err(error) => Err(refused(error)?),
                };
                counted.push((entry.object.clone(), count));
            }
        }
        // Five together may be too much for an org that counts each of them.
        Err(error) if was_too_much(&error) => {
            for entry in group {
                let count = match org.count(&entry.object, live(entry), Scope::All).await {
                    Ok(count) => Ok(count),
                    Err(error) => Err(refused(error)?),
                };
                counted.push((entry.object.clone(), count));
            }
        }
        Err(error) => return Err(error.into()),
    }
    Ok(counted)
}

fn number(answered: &Answered) -> Option<u64> {
    answered.rows.iter().next()?.next()??.parse().ok()
}

/// The condition that leaves out deleted rows, where an object tells them apart.
pub(super) fn live(entry: &Entry) -> Option<&'static str> {
    entry.spec.soft_deletes.then_some("IsDeleted = false")
}

fn soql(entry: &Entry) -> String {
    let condition = live(entry).map(|condition| format!(" WHERE {condition}")).unwrap_or_default();
    format!("SELECT COUNT(Id) n FROM {}{condition}", entry.object)
}
