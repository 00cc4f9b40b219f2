// SPDX-License-Identifier: Apache-2.0
//! Objects that have not changed of late, which are most of an org's: one question each, five in a call.
//!
//! The question asks how many rows are live and which stamp is the newest. Where the newest lies before what an incremental backup would
//! ask for, and the org counts what the vault holds, the object needs neither its rows read nor a count of its own: a fifth of an API
//! call, and a twenty-fifth for its describe. An object that moved, or refuses the question, is asked for its rows like any other.
//!
//! A large object is not asked so: the newest stamp of all rows costs the org a look at each of them, while the rows since a stamp
//! are found by an index (`SystemModstamp` is indexed in every org). Its rows and its count are two fifths of a call, of few objects.

use super::catalog::Entry;
use super::read::{self, Reading};
use super::{HIDDEN, Run, UNSEEN};
use crate::error::Result;
use crate::event::{Gap, Route};
use crate::note::{IMAGE, Note};
use crate::stamp::instant;
use chrono::{DateTime, Utc};
use futures::stream::{self, StreamExt, TryStreamExt};
use orgkeep_salesforce::{Answered, MOST_QUERIES, Query, Scope};

/// Calls made at the same time.
const PARALLEL_CALLS: usize = 2;
/// Objects with more rows are asked for their rows at once.
const SUMMARISED_ROWS: u64 = 50_000;

/// Live rows, and the newest stamp of any row.
struct Summary {
    live: u64,
    newest: Option<DateTime<Utc>>,
}

/// Settles those of the objects in which nothing happened, and gives back the others.
pub(super) async fn objects<'e>(run: &Run<'_>, entries: &[&'e Entry]) -> Result<Vec<&'e Entry>> {
    let (quiet, mut open): (Vec<&Entry>, Vec<&Entry>) = entries.iter().partition(|entry| was_quiet(run, entry));
    let groups: Vec<&[&'e Entry]> = quiet.chunks(MOST_QUERIES).collect();
    let mut calls = stream::iter(groups).map(|group| Box::pin(five(run, group))).buffer_unordered(PARALLEL_CALLS);
    while let Some(moved) = calls.try_next().await? {
        open.extend(moved);
    }
    open.sort_by(|a, b| a.object.cmp(&b.object));
    Ok(open)
}

/// Whether all rows held of an object lie before what an incremental backup asks for: it would get something new, or nothing.
fn was_quiet(run: &Run<'_>, entry: &Entry) -> bool {
    let Some(since) = run.since(entry) else { return false };
    // What is hidden is said again by each backup, and is no reason to look at rows.
    let known = |gap: &Gap| gap.reason == HIDDEN || gap.reason.starts_with(UNSEEN) || gap.what.starts_with(IMAGE);
    let complete = |note: &Note| note.gaps.iter().all(known);
    let old = |note: &Note| complete(note) && note.high_water.as_deref().and_then(instant) < Some(since);
    let summary = !run.learned(&entry.object).known().no_summary && run.held(&entry.object) <= SUMMARISED_ROWS;
    summary && entry.spec.newest_known && entry.spec.body.is_none() && run.previous_note(&entry.object).is_some_and(old)
}

async fn five<'e>(run: &Run<'_>, group: &[&'e Entry]) -> Result<Vec<&'e Entry>> {
    let asked_at = run.org_time();
    let queries: Vec<Query> = group.iter().map(|entry| question(entry)).collect();
    let answers = match run.org.composite_queries(&queries).await {
        Ok(answers) => answers,
        Err(error) if read::was_too_much(&error) => return Ok(group.to_vec()),
        Err(error) => return Err(error.into()),
    };
    let mut moved = Vec::new();
    for (entry, answer) in group.iter().zip(answers) {
        if let Err(error) = &answer
            && read::refusal(error).is_some()
        {
            run.learned(&entry.object).known().no_summary = true;
        }
        let summary = answer.ok().and_then(|answered| summary(&answered));
        let since = run.since(entry);
        match summary {
            Some(Summary { live, newest })
                if live == run.expected(&entry.object) && (newest.is_none() || newest < since) =>
            {
                run.count(&entry.object, Ok(live));
                run.still(entry, Reading { since, route: Route::Composite, asked_at });
            }
            _ => moved.push(*entry),
        }
    }
    Ok(moved)
}

fn question(entry: &Entry) -> Query {
    let stamp = entry.spec.stamp.as_deref().expect("an object that is read by its stamp has one");
    let soql = |flag: &str, grouped: &str| {
        format!("SELECT {flag}COUNT(Id) n, MAX({stamp}) newest FROM {}{grouped}", entry.object)
    };
    let (soql, columns) = match entry.spec.soft_deletes {
        true => (soql("IsDeleted, ", " GROUP BY IsDeleted"), vec!["IsDeleted", "n", "newest"]),
        false => (soql("", ""), vec!["n", "newest"]),
    };
    Query { soql, columns: columns.into_iter().map(str::to_owned).collect(), scope: Scope::All }
}

/// `None` where the answer has another form than that of the question.
fn summary(answered: &Answered) -> Option<Summary> {
    if answered.rest.is_some() {
        return None;
    }
    let mut summary = Summary { live: 0, newest: None };
    let rows = &answered.rows;
    let (count, newest) = (rows.column("n")?, rows.column("newest")?);
    for row in 0..rows.len() {
        let gone = rows.column("IsDeleted").and_then(|column| rows.cell(row, column)) == Some("true");
        if !gone {
            summary.live += rows.cell(row, count)?.parse::<u64>().ok()?;
        }
        if let Some(stamp) = rows.cell(row, newest) {
            summary.newest = summary.newest.max(Some(instant(stamp)?));
        }
    }
    Some(summary)
}
