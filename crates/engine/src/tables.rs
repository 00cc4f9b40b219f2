// SPDX-License-Identifier: Apache-2.0
//! What a backup holds as tables, for a query engine over the vault: each object of the org with the fields that it had then.

use crate::error::Result;
use crate::point::Point;
use chrono::{DateTime, Utc};
use orgkeep_vault::OrgVault;

/// The objects of an org at a backup.
#[derive(Clone, Debug)]
pub struct Tables {
    pub backup: u64,
    pub finished: DateTime<Utc>,
    /// In order of their names.
    pub objects: Vec<Table>,
}

/// An object at a backup.
#[derive(Clone, Debug)]
pub struct Table {
    pub object: String,
    /// The fields it had then, in the vault's order; none of an object that was never read.
    pub fields: Vec<String>,
    /// Records that were live.
    pub rows: u64,
    /// Whether the vault has a table of it. An object that never had a record has none.
    pub held: bool,
}

/// The objects at a backup, the newest by default.
///
/// # Errors
/// `NotFound` for a backup that is not there.
pub async fn tables(vault: &OrgVault, at: Option<u64>) -> Result<Tables> {
    let point = Point::at(vault, at).await?;
    let table = |(object, entry): (String, crate::point::Entry)| Table {
        object,
        fields: entry.fields,
        rows: entry.live,
        held: !entry.digest.is_empty(),
    };
    Ok(Tables {
        backup: point.sequence,
        finished: point.finished,
        objects: point.content.objects.into_iter().map(table).collect(),
    })
}
