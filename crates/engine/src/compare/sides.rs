// SPDX-License-Identifier: Apache-2.0
//! One side of a comparison: a backup, or the org as it is now.

use super::live;
use crate::describes::Describes;
use crate::error::{Error, Result};
use crate::lineage::Lineage;
use crate::point::Point;
use crate::restore;
use futures::stream::{StreamExt, TryStreamExt};
use orgkeep_salesforce::{Describe, Org};
use orgkeep_vault::{BatchStream, Builder, OrgVault, Scan};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A lookup of one in so many records costs as much as reading all.
const FEW: u64 = 8;
/// Ids of records that changed are kept in memory.
const MOST_IDS: usize = 200_000;

/// A point in time.
#[derive(Clone, Copy)]
pub enum Side<'a> {
    Backup(u64),
    /// The org now. Its rows are read through the API.
    Live(&'a Org),
}

impl Side<'_> {
    pub fn label(&self) -> String {
        match self {
            Side::Backup(sequence) => format!("backup {sequence}"),
            Side::Live(_) => "the org now".into(),
        }
    }
}

/// Why an object takes no part.
pub(super) enum Skip {
    Because(String),
    Failed(Error),
}

impl<E: Into<Error>> From<E> for Skip {
    fn from(error: E) -> Self {
        Skip::Failed(error.into())
    }
}

/// A side with what it takes to read it.
pub(super) enum Opened<'a> {
    Backup { vault: &'a OrgVault, point: Box<Point> },
    Live(Box<live::Live<'a>>),
}

impl<'a> Opened<'a> {
    pub async fn new(vault: &'a OrgVault, side: Side<'a>) -> Result<Opened<'a>> {
        Ok(match side {
            Side::Backup(sequence) => {
                Opened::Backup { vault, point: Box::new(Point::at(vault, Some(sequence)).await?) }
            }
            Side::Live(org) => Opened::Live(Box::new(live::Live::new(vault, org).await?)),
        })
    }

    /// Objects whose rows it has or can read.
    pub fn objects(&self) -> BTreeSet<String> {
        match self {
            Opened::Backup { point, .. } => point.filled().cloned().collect(),
            Opened::Live(live) => live.objects(),
        }
    }

    /// `None` for a backup that kept no describes.
    pub async fn shown(&self) -> Result<Option<Shown>> {
        let names = |describes: &Describes| describes.objects().map(str::to_owned).collect();
        match self {
            Opened::Backup { vault, point } => {
                let Some(describes) = point.describes(vault).await? else { return Ok(None) };
                let objects = match point.outlines(vault).await? {
                    Some(outlines) => names(&outlines),
                    None => names(&describes),
                };
                Ok(Some(Shown { describes, objects }))
            }
            Opened::Live(live) => {
                let describes = live.describes();
                Ok(Some(Shown { objects: names(&describes), describes }))
            }
        }
    }

    pub async fn describe(&self, object: &str) -> Result<Option<Describe>> {
        match self {
            Opened::Backup { vault, point } => point.describe(vault, object).await,
            Opened::Live(live) => live.describe(object),
        }
    }

    /// Live rows in the order of their Ids, under the Ids that the lineage gives them; of a backup only those of `ids`, where given.
    /// `describe` is the side's own.
    pub async fn rows(
        &self,
        object: &str,
        describe: Option<&Describe>,
        lineage: &Lineage,
        ids: Option<&Vec<String>>,
    ) -> Result<BatchStream, Skip> {
        match self {
            Opened::Backup { vault, point } => {
                let Some(entry) = point.entry(object).filter(|entry| entry.live > 0) else {
                    return Ok(futures::stream::empty().boxed());
                };
                let scan = Scan { ids: ids.cloned(), ..scan_without_bodies(&entry.fields, describe) };
                let rows = point.rows(vault, object, scan).await?;
                Ok(if lineage.is_identity() { rows } else { renamed(vault, rows, lineage).await? })
            }
            Opened::Live(live) => live.rows(object).await,
        }
    }
}

/// The schema of a side.
pub(super) struct Shown {
    pub describes: Arc<Describes>,
    /// Objects that the org shows there: a vault keeps the describes of others as long as it holds rows of them.
    pub objects: BTreeSet<String>,
}

impl Shown {
    pub fn raw(&self, object: &str) -> Option<&str> {
        self.describes.raw(object).filter(|_| self.objects.contains(object))
    }
}

/// The column of a body refers to the vault, which the org knows nothing of; a file's checksum and size are compared. Which
/// column that is the describe says: a Note's Body is text like any other.
fn scan_without_bodies(fields: &[String], describe: Option<&Describe>) -> Scan {
    let described = describe.map(|describe| describe.fields.as_slice()).unwrap_or_default();
    let is_body = |name: &str| described.iter().any(|field| field.name == name && field.field_type.name() == "base64");
    let columns = fields.iter().filter(|name| !is_body(name)).cloned().collect();
    Scan { columns: Some(columns), ..Scan::default() }
}

/// Rows with the Ids, and the lookups, that their records have now.
async fn renamed(vault: &OrgVault, mut rows: BatchStream, lineage: &Lineage) -> Result<BatchStream> {
    let Some(first) = rows.try_next().await? else { return Ok(rows) };
    let schema = first.schema().clone();
    let mut sorter = vault.sorter(&schema).await?;
    let mut rows = futures::stream::once(async { Ok(first) }).chain(rows).boxed();
    while let Some(batch) = rows.try_next().await? {
        let mut builder = Builder::new(&schema);
        for row in 0..batch.len() {
            let cells: Vec<Option<String>> = (0..schema.columns().len())
                .map(|column| batch.text(row, column).map(|text| lineage.current(&text).to_owned()))
                .collect();
            builder.push(batch.deleted(row), cells.iter().map(Option::as_deref));
        }
        sorter.push(builder.finish()).await?;
    }
    Ok(sorter.sorted().await?)
}

/// Both sides of a comparison, opened.
pub(crate) struct Sides<'a> {
    pub(super) left: Opened<'a>,
    pub(super) right: Opened<'a>,
    pub(super) lineage: Lineage,
}

impl<'a> Sides<'a> {
    pub async fn open(vault: &'a OrgVault, from: Side<'a>, to: Side<'a>) -> Result<Sides<'a>> {
        let (left, right) = (Opened::new(vault, from).await?, Opened::new(vault, to).await?);
        Ok(Sides { left, right, lineage: lineage(vault, from, to).await? })
    }

    /// Where both sides are backups that show the same fields of an object, and little was captured between them: the Ids of the
    /// records of which something was, and how many the older side has in all. The others are the same and need not be read.
    pub(super) async fn few_changes(&self, object: &str) -> Result<Option<(Vec<String>, u64)>> {
        let (Opened::Backup { vault, point: left }, Opened::Backup { point: right, .. }) = (&self.left, &self.right)
        else {
            return Ok(None);
        };
        let (Some(older), Some(newer)) = (left.entry(object), right.entry(object)) else { return Ok(None) };
        let fields = |entry: &'_ crate::point::Entry| entry.fields.iter().cloned().collect::<BTreeSet<_>>();
        if !self.lineage.is_identity() || older.live == 0 || newer.live == 0 || fields(older) != fields(newer) {
            return Ok(None);
        }
        let (after, until) = (left.sequence.min(right.sequence), left.sequence.max(right.sequence));
        let most = usize::try_from(older.live / FEW).unwrap_or(usize::MAX).min(MOST_IDS);
        let ids = vault.changed_between(object, after, until, most).await?;
        Ok(ids.map(|ids| (ids, older.live)))
    }
}

/// Which record of the newer side is which of the older one: what restores made, and in another org also the users, record types
/// and so on that stand for those of the backup.
async fn lineage(vault: &OrgVault, from: Side<'_>, to: Side<'_>) -> Result<Lineage> {
    let (Side::Backup(at), Side::Live(org)) = (from, to) else { return Lineage::of_org(vault).await };
    let mut lineage = Lineage::into_target(vault, &org.identity().org_id).await?;
    if org.identity().org_id != vault.id() {
        restore::add_twins(vault, at, org, &mut lineage).await?;
    }
    Ok(lineage)
}
