// SPDX-License-Identifier: Apache-2.0
//! Who deleted a record, as far as the org told.
//!
//! `DeleteEvent` names it (`salesforce-api.md` 2.7), as long as the record lies in the recycle bin, and is backed up like any object. Without
//! it there is who modified the record last, if that moved together with the deletion. Of a record that was deleted for good before a
//! backup came by, nobody can tell.

use crate::browse::cell;
use crate::error::Result;
use crate::point::Point;
use crate::stamp::instant;
use chrono::{DateTime, Utc};
use futures::stream::TryStreamExt;
use orgkeep_vault::{OrgVault, Scan};
use serde::Serialize;

const EVENTS: &str = "DeleteEvent";

/// How it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    DeleteEvent,
    /// Who modified it last: nothing else tells.
    LastModified,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeletedBy {
    pub user: String,
    /// As the backup holds the user.
    pub name: Option<String>,
    pub at: Option<DateTime<Utc>>,
    pub source: Source,
}

/// What the events of a backup say of the deletion of a record.
pub(crate) async fn by_event(vault: &OrgVault, point: &Point, record_id: &str) -> Result<Option<DeletedBy>> {
    let needed = ["Record", "DeletedById", "DeletedDate"];
    let has = |name: &&str| point.entry(EVENTS).is_some_and(|entry| entry.fields.iter().any(|field| field == name));
    if !needed.iter().all(has) {
        return Ok(None);
    }
    let columns = Some(needed.map(str::to_owned).to_vec());
    let mut events = point.rows(vault, EVENTS, Scan { columns, with_deleted: true, ..Scan::default() }).await?;
    let mut found: Option<DeletedBy> = None;
    while let Some(batch) = events.try_next().await? {
        for row in 0..batch.len() {
            if cell(&batch, row, "Record").as_deref() != Some(record_id) {
                continue;
            }
            let (Some(user), at) = (cell(&batch, row, "DeletedById"), cell(&batch, row, "DeletedDate")) else {
                continue;
            };
            let at = at.as_deref().and_then(instant);
            // Deleted, brought back, and deleted again.
            if found.as_ref().is_none_or(|found| found.at <= at) {
                found = Some(DeletedBy { user, name: None, at, source: Source::DeleteEvent });
            }
        }
    }
    named(vault, point, found).await
}

/// Who modified the record last, with the name.
pub(crate) async fn by_last_change(
    vault: &OrgVault,
    point: &Point,
    user: String,
    at: Option<&str>,
) -> Result<Option<DeletedBy>> {
    let by = DeletedBy { user, name: None, at: at.and_then(instant), source: Source::LastModified };
    named(vault, point, Some(by)).await
}

async fn named(vault: &OrgVault, point: &Point, by: Option<DeletedBy>) -> Result<Option<DeletedBy>> {
    let Some(mut by) = by else { return Ok(None) };
    let scan = Scan { ids: Some(vec![by.user.clone()]), with_deleted: true, ..Scan::default() };
    let mut users = point.rows(vault, "User", scan).await?;
    while let Some(batch) = users.try_next().await? {
        let row = (0..batch.len()).find(|row| batch.id(*row) == by.user);
        by.name = row.and_then(|row| cell(&batch, row, "Name")).or(by.name);
    }
    Ok(Some(by))
}
