// SPDX-License-Identifier: Apache-2.0
//! What of the jobs is written into the org's store, so that the next process finds them: one line per job and per batch,
//! rewritten when its state changes, and a mark of how far running work is, written in the transaction of that work.
//!
//! An org without a store file writes nothing here. The bodies lie in the spool, under the same Ids.

use std::path::Path;

use rusqlite::{OptionalExtension as _, params};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::bulk1;
use crate::faces::lock;
use crate::org::{Org, Tx};

use super::csv::{Delimiter, LineEnding};
use super::job::Job;
use super::operation::Operation;
use super::order::Order;
use super::progress::{Outcome, Progress, Standing, Upload};
use super::results::{self, Results};
use super::spool::Spool;

const TABLE: &str =
    "CREATE TABLE IF NOT EXISTS _bulk (id TEXT PRIMARY KEY, number INTEGER, line TEXT, mark TEXT) WITHOUT ROWID";

/// How far the work of an ingest job is: chunks that are done, and its results at that moment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Mark {
    pub chunks: u64,
    pub results: [results::Mark; 3],
}

/// An order without what is known otherwise.
#[derive(Debug, Serialize, Deserialize)]
pub struct OrderLine {
    operation: Operation,
    object: String,
    query: String,
    external_field: Option<String>,
    assignment_rule: Option<String>,
    version: String,
    delimiter: String,
    line_ending: String,
    user_id: String,
    allow_duplicates: bool,
    #[serde(default)]
    origin: Option<String>,
}

impl OrderLine {
    pub fn of(order: &Order) -> OrderLine {
        OrderLine {
            operation: order.operation,
            object: order.object.clone(),
            query: order.query.clone(),
            external_field: order.external_field.clone(),
            assignment_rule: order.assignment_rule.clone(),
            version: order.version.clone(),
            delimiter: order.delimiter.as_str().to_owned(),
            line_ending: order.line_ending.as_str().to_owned(),
            user_id: order.caller.user_id.clone(),
            allow_duplicates: order.caller.allow_duplicates,
            origin: order.caller.origin.as_deref().map(str::to_owned),
        }
    }

    /// The order again, with what its user may do now.
    pub fn order(self, org: &Org) -> Order {
        let mut caller = org.caller(&self.user_id);
        caller.allow_duplicates = self.allow_duplicates;
        caller.origin = self.origin.map(Into::into);
        caller.auto_assign = self.assignment_rule.is_some();
        caller.assignment_rule = self.assignment_rule.clone();
        Order {
            operation: self.operation,
            object: self.object,
            query: self.query,
            external_field: self.external_field,
            assignment_rule: self.assignment_rule,
            version: self.version,
            delimiter: Delimiter::named(&self.delimiter).unwrap_or(Delimiter::Comma),
            line_ending: LineEnding::named(&self.line_ending).unwrap_or(LineEnding::Lf),
            caller,
        }
    }
}

#[derive(Serialize, Deserialize)]
struct JobLine {
    order: OrderLine,
    created_ms: i64,
    standing: Standing,
    uploaded: bool,
    /// Bytes of the header of each result that there is: rows, failed, unprocessed.
    headers: [Option<u64>; 3],
}

const PARTS: [&str; 3] = ["rows", "failed", "unprocessed"];

/// Writes down how a job of Bulk 2.0 stands.
pub fn keep(org: &Org, job: &Job) {
    let line = {
        let progress = job.progress();
        let outcome = &progress.outcome;
        let headers = [&outcome.rows, &outcome.failed_rows, &outcome.unprocessed_rows]
            .map(|rows| rows.as_ref().map(|rows| rows.header_bytes));
        let (order, standing) = (OrderLine::of(&job.order), progress.standing());
        let uploaded = matches!(progress.upload, Upload::Done(_));
        JobLine { order, created_ms: job.created_ms, standing, uploaded, headers }
    };
    write(org, &job.id, job.number, &line);
}

/// Writes the line of a job or batch.
pub fn write<T: Serialize>(org: &Org, id: &str, number: u64, line: &T) {
    if !lock(&org.faces.jobs).spool.lasts() {
        return;
    }
    let line = serde_json::to_string(line).expect("a line has only text keys");
    let number = i64::try_from(number).unwrap_or(i64::MAX);
    const SQL: &str = "INSERT INTO _bulk (id, number, line) VALUES (?1, ?2, ?3)
                       ON CONFLICT (id) DO UPDATE SET line = excluded.line";
    org.write(|tx| tx.note(SQL, &[&id, &number, &line])).expect("the store's own table can be written");
}

/// Removes the lines of jobs and batches.
pub fn forget(org: &Org, ids: &[String]) {
    if ids.is_empty() || !lock(&org.faces.jobs).spool.lasts() {
        return;
    }
    org.write(|tx| {
        for id in ids {
            tx.note("DELETE FROM _bulk WHERE id = ?1", &[id]).expect("the store's own table can be written");
        }
    });
}

/// Notes in the transaction of the work how far it is.
pub fn note<T: Serialize>(tx: &Tx<'_>, id: &str, mark: &T) {
    let mark = serde_json::to_string(mark).expect("a mark is numbers");
    tx.note("UPDATE _bulk SET mark = ?2 WHERE id = ?1", &[&id, &mark]).expect("the store's own table can be written");
}

/// How far another process had come with the work of a job or batch.
pub fn mark<T: DeserializeOwned>(org: &Org, id: &str) -> Option<T> {
    if !lock(&org.faces.jobs).spool.lasts() {
        return None;
    }
    let text: Option<String> = org.read(|tx| {
        let found = tx.conn.query_row("SELECT mark FROM _bulk WHERE id = ?1", [id], |row| row.get(0));
        found.optional().ok().flatten().flatten()
    });
    serde_json::from_str(&text?).ok()
}

/// Finds the jobs of a store file again, and puts the bodies of the org's jobs beside it from now on.
///
/// # Errors
/// The folder or the table cannot be made.
pub fn open(org: &Org, store: &Path) -> rusqlite::Result<()> {
    let spool = Spool::in_folder(&store.with_extension("jobs"))
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
    let lines: Vec<(String, u64, String)> = org.write(|tx| {
        tx.conn.execute(TABLE, [])?;
        let mut statement = tx.conn.prepare("SELECT id, number, line FROM _bulk ORDER BY number")?;
        statement
            .query_map(params![], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs(), row.get(2)?)))?
            .collect::<rusqlite::Result<Vec<_>>>()
    })?;
    let known: std::collections::BTreeSet<String> = lines.iter().map(|(id, ..)| id.clone()).collect();
    spool.retain(|name| known.contains(name.split('-').next().unwrap_or_default()));
    lock(&org.faces.jobs).spool = spool.clone();
    let mut classic = Vec::new();
    for (id, number, line) in lines {
        match serde_json::from_str::<JobLine>(&line) {
            Ok(found) => {
                let job = job(org, &spool, id, number, found);
                let mut registry = lock(&org.faces.jobs);
                registry.count_from(number, 0, 0);
                registry.jobs.insert(job.id.clone(), job.into());
            }
            Err(_) => classic.push((id, number, line)),
        }
    }
    bulk1::journal::open(org, &spool, classic);
    Ok(())
}

fn job(org: &Org, spool: &Spool, id: String, number: u64, line: JobLine) -> Job {
    let data = spool.find(&format!("{id}-data")).filter(|_| line.uploaded);
    let upload = data.map_or(Upload::None, Upload::Done);
    let [rows, failed_rows, unprocessed_rows] = [0, 1, 2].map(|place| {
        let header_bytes = line.headers[place]?;
        Results::find(spool, &format!("{id}-{}", PARTS[place]), header_bytes)
    });
    let bodies = Outcome { rows, failed_rows, unprocessed_rows, ..Outcome::default() };
    let progress = Progress::found(line.standing, upload, bodies);
    Job::found(id, number, line.order.order(org), line.created_ms, progress)
}
