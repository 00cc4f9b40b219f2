// SPDX-License-Identifier: Apache-2.0
//! Live rows as the org counts them, five objects in one API call.
//!
//! Archived activities are live rows that only `queryAll` shows, so the count goes through it and leaves out deleted rows
//! itself (`salesforce-api.md` 7.1).
//!
//! What takes the org too long to count is counted by itself, in ranges of Ids (`ask.rs`); where that was so the last time, at once.

use super::ask;
use super::catalog::Entry;
use super::read::{refused, was_too_much};
use crate::detours::{Learned, Wanted};
use crate::error::Result;
use futures::stream::{self, StreamExt, TryStreamExt};
use orgkeep_salesforce::{Answered, MOST_QUERIES, Org, Query, Scope};
use std::collections::BTreeMap;

/// Calls made at the same time.
const PARALLEL_CALLS: usize = 2;

/// The count of each object, or the org's words why it does not count it.
pub(crate) async fn counts(
    org: &Org,
    entries: &[&Entry],
    learned: &(dyn Fn(&str) -> Learned + Sync),
) -> Result<BTreeMap<String, Result<u64, String>>> {
    let mut counts = BTreeMap::new();
    let in_ranges = |entry: &&Entry| learned(&entry.object).known().ranges(Wanted::Count) > 1;
    let (mut large, small): (Vec<&Entry>, Vec<&Entry>) = entries.iter().copied().partition(in_ranges);
    let groups: Vec<&[&Entry]> = small.chunks(MOST_QUERIES).collect();
    let mut calls = stream::iter(groups).map(|group| Box::pin(five(org, group))).buffer_unordered(PARALLEL_CALLS);
    while let Some(counted) = calls.try_next().await? {
        for (entry, counted) in counted {
            match counted {
                Some(counted) => _ = counts.insert(entry.object.clone(), counted),
                None => large.push(entry),
            }
        }
    }
    drop(calls);
    for entry in large {
        let counted = match alone(org, entry, &learned(&entry.object)).await {
            Ok(rows) => Ok(rows),
            Err(error) => Err(refused(error)?),
        };
        counts.insert(entry.object.clone(), counted);
    }
    Ok(counts)
}

/// Counts one object by itself.
///
/// # Errors
/// As the org refuses it.
pub(super) async fn alone(org: &Org, entry: &Entry, learned: &Learned) -> orgkeep_salesforce::Result<u64> {
    ask::count(org, &entry.object, live(entry), Scope::All, learned).await
}

/// An object with its count; `None` where it is to be counted by itself.
type Counted<'e> = (&'e Entry, Option<Result<u64, String>>);

async fn five<'e>(org: &Org, group: &[&'e Entry]) -> Result<Vec<Counted<'e>>> {
    let query = |entry: &&Entry| Query { soql: soql(entry), columns: vec!["n".to_owned()], scope: Scope::All };
    let queries: Vec<Query> = group.iter().map(query).collect();
    let mut counted = Vec::with_capacity(group.len());
    match org.composite_queries(&queries).await {
        Ok(answers) => {
            for (entry, answer) in group.iter().zip(answers) {
                let count = match answer {
                    Ok(answered) => Some(number(&answered).ok_or_else(|| "the org gave no number".to_owned())),
                    Err(error) if error.was_too_much() => None,
                    Err(error) => Some(Err(refused(error)?)),
                };
                counted.push((*entry, count));
            }
        }
        // Five together may be too much for an org that counts each of them.
        Err(error) if was_too_much(&error) => counted.extend(group.iter().map(|entry| (*entry, None))),
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
