// SPDX-License-Identifier: Apache-2.0
//! What goes wrong: everything is done through the org's API, as a careless import tool would.
//!
//! 1. An import overwrites a field on thousands of records (Bulk update).
//! 2. Accounts are deleted, and with each everything that hangs on it (collections delete).
//! 3. Records are deleted past the recycle bin (Bulk hard delete), so that not even their Ids can come back.
//!
//! For 25,000 records that is 2,000, 300 and 40; smaller and larger orgs have it in proportion.

use crate::failure::Failure;
use crate::number::{counted, grouped};
use bytes::Bytes;
use futures::TryStreamExt;
use orgkeep_emulator::Emulator;
use orgkeep_salesforce::{Body, MOST_ROWS_WRITTEN, Operation, Org, Scope, Writer, csv};

pub const OVERWRITTEN: (&str, &str) = ("Contact", "Phone");
const WRONG: &str = "+00 000 0000";

pub struct BadDay {
    overwrite: u64,
    delete: u64,
    hard_delete: u64,
}

/// What happened.
pub struct Damage {
    /// Ids, whose field was overwritten.
    pub overwritten: Vec<String>,
    /// Ids of accounts in the recycle bin.
    pub deleted: Vec<String>,
    /// Ids that are gone for ever.
    pub hard_deleted: Vec<String>,
}

impl BadDay {
    pub fn of(records: u64) -> BadDay {
        let share = |part: u64, of: u64| (records * part).div_ceil(of);
        BadDay { overwrite: share(8, 100), delete: share(12, 1_000), hard_delete: share(16, 10_000) }
    }

    pub async fn happen(&self, emulator: &Emulator, org: &Org) -> Result<Damage, Failure> {
        let writer = Writer::new(org.clone());
        let (object, field) = OVERWRITTEN;

        let contacts = ids(org, object, "ORDER BY Id", self.overwrite).await?;
        let rows: Vec<[&str; 2]> = contacts.iter().map(|id| [id.as_str(), WRONG]).collect();
        let overwritten = bulk(&writer, object, Operation::Update, &["Id", field], &rows).await?;

        // An org refuses to delete some records (an account with an activated order, a contact with cases), so more are
        // at hand than are wanted.
        let mut deleted = Vec::new();
        let accounts = ids(org, "Account", "ORDER BY Id", self.delete * 4).await?;
        let mut left = accounts.as_slice();
        while !left.is_empty() && (deleted.len() as u64) < self.delete {
            let wanted = usize::try_from(self.delete).unwrap_or(usize::MAX) - deleted.len();
            let (chunk, rest) = left.split_at(wanted.min(MOST_ROWS_WRITTEN).min(left.len()));
            let results = writer.delete(chunk).await?;
            deleted.extend(chunk.iter().zip(results).filter(|(_, result)| result.success).map(|(id, _)| id.clone()));
            left = rest;
        }

        // The admin of the emulated org has everything but this; a real one grants it to an integration user.
        emulator.orgs()[0].set_permission(&org.identity().user_id, "BulkApiHardDelete", true);
        let mut hard_deleted = Vec::new();
        let contacts = ids(org, object, "ORDER BY Id DESC", self.hard_delete * 4).await?;
        let mut left = contacts.as_slice();
        while !left.is_empty() && (hard_deleted.len() as u64) < self.hard_delete {
            let wanted = usize::try_from(self.hard_delete).unwrap_or(usize::MAX) - hard_deleted.len();
            let (chunk, rest) = left.split_at(wanted.min(left.len()));
            let rows: Vec<[&str; 1]> = chunk.iter().map(|id| [id.as_str()]).collect();
            hard_deleted.extend(bulk(&writer, object, Operation::HardDelete, &["Id"], &rows).await?);
            left = rest;
        }
        Ok(Damage { overwritten, deleted, hard_deleted })
    }
}

impl Damage {
    pub fn lines(&self) -> Vec<String> {
        let (object, field) = OVERWRITTEN;
        vec![
            format!(
                "An import overwrites {field} of {} with \"{WRONG}\"",
                counted(self.overwritten.len() as u64, &object.to_lowercase())
            ),
            format!(
                "{} are deleted, with everything that hangs on them",
                counted(self.deleted.len() as u64, "account")
            ),
            format!("{} contacts are deleted past the recycle bin", grouped(self.hard_deleted.len() as u64)),
        ]
    }
}

async fn ids(org: &Org, object: &str, order: &str, limit: u64) -> Result<Vec<String>, Failure> {
    let soql = format!("SELECT Id FROM {object} {order} LIMIT {limit}");
    let mut pages = org.query(&soql, &["Id".to_owned()], Scope::Live);
    let mut ids = Vec::new();
    while let Some(rows) = pages.try_next().await? {
        ids.extend((0..rows.len()).filter_map(|row| rows.cell(row, 0).map(str::to_owned)));
    }
    Ok(ids)
}

/// Runs one ingest job and gives the Ids of the rows that the org took.
async fn bulk<const N: usize>(
    writer: &Writer,
    object: &str,
    operation: Operation,
    columns: &[&str; N],
    rows: &[[&str; N]],
) -> Result<Vec<String>, Failure> {
    let mut text = Vec::new();
    for row in std::iter::once(columns).chain(rows) {
        csv::write_row(&mut text, row.iter().map(|cell| Some(*cell)));
    }
    let job = writer.ingest(object, operation).await?;
    job.upload(Body::Bytes(Bytes::from(text))).await?;
    job.close().await?;
    job.wait(&mut |_| {}).await?;
    let mut done = Vec::new();
    let mut pages = job.successful();
    while let Some(rows) = pages.try_next().await? {
        let column = rows.column("sf__Id").unwrap_or(0);
        done.extend((0..rows.len()).filter_map(|row| rows.cell(row, column).map(str::to_owned)));
    }
    Ok(done)
}
