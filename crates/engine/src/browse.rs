// SPDX-License-Identifier: Apache-2.0
//! Looking into a vault: rows of an object at a backup, one record, and a record's history. Nothing here asks the org.

use crate::backup::hash_of;
use crate::deletion::{self, DeletedBy};
use crate::erase;
use crate::error::{Error, Result};
use crate::filter::Filter;
use crate::id;
use crate::lineage::Lineage;
use crate::point::Point;
use crate::rich::{self, Image};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::stream::{BoxStream, TryStreamExt};
use orgkeep_vault::{Batch, ErasedSince, OrgVault, Scan};
use serde::Serialize;

/// Columns shown of a row where the caller does not choose.
const SHOWN_COLUMNS: usize = 8;

/// Rows of an object at a backup.
#[derive(Clone, Debug, Serialize)]
pub struct Listing {
    pub backup: u64,
    pub object: String,
    pub columns: Vec<String>,
    pub rows: Vec<Vec<Option<String>>>,
    /// Whether there are rows beyond the limit.
    pub more: bool,
    /// What the backup held besides, until it was erased.
    pub erased: Vec<ErasedSince>,
}

/// One record at a backup.
#[derive(Clone, Debug, Serialize)]
pub struct Record {
    pub backup: u64,
    pub object: String,
    pub id: String,
    /// It lay in the recycle bin, or was gone.
    pub deleted: bool,
    pub fields: Vec<(String, Option<String>)>,
    /// Images in its rich text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<Image>,
    /// The Id a later restore gave it.
    pub now_known_as: Option<String>,
}

/// One captured version of a record.
#[derive(Clone, Debug, Serialize)]
pub struct Version {
    pub backup: u64,
    pub taken: DateTime<Utc>,
    pub deleted: bool,
    /// Who deleted it, where the org told.
    pub deleted_by: Option<DeletedBy>,
    /// The record that it was merged into.
    pub merged_into: Option<String>,
    /// Against the version before; the first one has all its fields.
    pub changes: Vec<FieldChange>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldChange {
    pub field: String,
    pub before: Option<String>,
    pub after: Option<String>,
}

/// The first rows, in the order of their Ids, that satisfy the filter.
///
/// # Errors
/// `NotFound` for a backup, object or field that is not there.
pub async fn list(
    vault: &OrgVault,
    object: &str,
    at: Option<u64>,
    filter: Option<&Filter>,
    limit: usize,
) -> Result<Listing> {
    let point = Point::at(vault, at).await?;
    let (object, entry) = point.named(object)?;
    let names = &entry.fields;
    if let Some(filter) = filter {
        filter.fields(names)?;
    }
    let mut kept: Vec<(Batch, Vec<usize>)> = Vec::new();
    let mut count = 0;
    let mut batches = point.rows(vault, object, Scan::default()).await?;
    while count <= limit
        && let Some(batch) = batches.try_next().await?
    {
        let mut rows: Vec<usize> =
            (0..batch.len()).filter(|row| filter.is_none_or(|filter| filter.matches(&batch, *row))).collect();
        rows.truncate(limit + 1 - count);
        count += rows.len();
        if !rows.is_empty() {
            kept.push((batch, rows));
        }
    }
    let columns = shown(names, &kept);
    let mut rows = Vec::with_capacity(count.min(limit));
    for (batch, picked) in &kept {
        for row in picked {
            rows.push(columns.iter().map(|name| cell(batch, *row, name)).collect());
        }
    }
    rows.truncate(limit);
    let erased = vault.erased().await?.since(object, point.sequence);
    Ok(Listing { backup: point.sequence, object: object.clone(), columns, rows, more: count > limit, erased })
}

pub(crate) fn cell(batch: &Batch, row: usize, name: &str) -> Option<String> {
    batch.column_index(name).and_then(|column| batch.text(row, column)).map(|text| text.into_owned())
}

/// Id, what a person calls the record, then the columns with the most values, system columns last.
fn shown(names: &[String], kept: &[(Batch, Vec<usize>)]) -> Vec<String> {
    let rank = |name: &str| match name {
        "Id" => 0,
        "Name" | "Subject" | "Title" | "CaseNumber" | "LastName" | "FirstName" => 1,
        "CreatedDate" | "CreatedById" | "LastModifiedById" | "LastModifiedDate" | "SystemModstamp" | "IsDeleted"
        | "OwnerId" | "RecordTypeId" | "LastViewedDate" | "LastReferencedDate" => 4,
        _ if name.ends_with("Id") => 3,
        _ => 2,
    };
    let filled = |name: &str| {
        kept.iter()
            .map(|(batch, rows)| match batch.column_index(name) {
                Some(column) => {
                    rows.iter().filter(|row| batch.text(**row, column).is_some_and(|text| text != "false")).count()
                }
                None => 0,
            })
            .sum::<usize>()
    };
    let mut ranked: Vec<(u8, std::cmp::Reverse<usize>, usize)> =
        names.iter().enumerate().map(|(place, name)| (rank(name), std::cmp::Reverse(filled(name)), place)).collect();
    ranked.sort_unstable();
    ranked
        .into_iter()
        .filter(|(rank, filled, _)| *rank == 0 || filled.0 > 0)
        .take(SHOWN_COLUMNS)
        .map(|(_, _, place)| names[place].clone())
        .collect()
}

/// One record by its Id of 15 or 18 characters.
///
/// # Errors
/// `Invalid` for what is no Id, `NotFound` where the backup does not have it.
pub async fn record(vault: &OrgVault, object: &str, record_id: &str, at: Option<u64>) -> Result<Record> {
    let record_id = id::normalize(record_id)?;
    let point = Point::at(vault, at).await?;
    let (object, entry) = point.named(object)?;
    let scan = Scan { ids: Some(vec![record_id.clone()]), with_deleted: true, ..Scan::default() };
    let mut batches = point.rows(vault, object, scan).await?;
    while let Some(batch) = batches.try_next().await? {
        if let Some(row) = (0..batch.len()).find(|row| batch.id(*row) == record_id) {
            let lineage = Lineage::of_org(vault).await?;
            let fields: Vec<(String, Option<String>)> =
                entry.fields.iter().map(|name| (name.clone(), cell(&batch, row, name))).collect();
            return Ok(Record {
                backup: point.sequence,
                object: object.clone(),
                deleted: batch.deleted(row),
                images: rich::images(vault, &fields).await?,
                fields,
                now_known_as: lineage.renamed(&record_id).map(str::to_owned),
                id: record_id,
            });
        }
    }
    let unknown = Error::not_found(format!("backup {} holds no {object} {record_id}", point.sequence))
        .hint("`orgkeep show NAME OBJECT ID --history` says which backups hold it");
    Err(erase::absent(vault, object, &record_id, unknown).await)
}

/// What a file that a record is holds, or an image in its rich text by its content reference Id, as the vault keeps it.
///
/// # Errors
/// `NotFound` for a record that is no file, or an image that it does not have, and where the vault holds no content of it.
pub async fn body(
    vault: &OrgVault,
    record: &Record,
    image: Option<&str>,
) -> Result<BoxStream<'static, orgkeep_vault::Result<Bytes>>> {
    let (object, id, backup) = (&record.object, &record.id, record.backup);
    let hash = match image {
        Some(reference) => {
            let known = record.images.iter().find(|known| known.reference == reference);
            let known = known.ok_or_else(|| {
                Error::not_found(format!("{object} {id} has no image {reference} in backup {backup}"))
                    .hint("`orgkeep show` without --body lists the images of a record")
            })?;
            known.hash.as_deref()
        }
        None => record.fields.iter().find_map(|(_, value)| hash_of(value.as_deref()?)),
    };
    let hash = hash.ok_or_else(|| {
        Error::not_found(format!("backup {backup} holds no content of {object} {id}"))
            .hint(format!("if it is a file, `orgkeep coverage NAME {object}` says why; an image is named with --image"))
    })?;
    Ok(vault.blob(hash).await?)
}

/// All captured versions of a record, oldest first.
///
/// # Errors
/// `NotFound` where no backup has it.
pub async fn history(vault: &OrgVault, object: &str, record_id: &str) -> Result<Vec<Version>> {
    let record_id = id::normalize(record_id)?;
    let points = Point::all(vault).await?;
    let newest = Point::at(vault, None).await?;
    let object = newest.named(object)?.0;
    let taken = |sequence: u64| {
        points.iter().find(|point| point.sequence == sequence).map_or(newest.finished, |point| point.finished)
    };
    let mut versions = Vec::new();
    let mut before: Vec<(String, Option<String>)> = Vec::new();
    for version in vault.history(object, &record_id).await? {
        let after: Vec<(String, Option<String>)> =
            version.batch.names().map(|name| (name.to_owned(), cell(&version.batch, version.row, name))).collect();
        let unknown = version.deleted && after.iter().filter(|(_, value)| value.is_some()).count() <= 1;
        let changes = if unknown { Vec::new() } else { changes(&before, &after) };
        let point = points.iter().find(|point| point.sequence == version.backup).filter(|_| version.deleted);
        let deleted_by = match point {
            Some(point) => deleted_by(vault, point, &record_id, &changes, versions.is_empty()).await?,
            None => None,
        };
        let value = |name: &str| after.iter().find(|(field, _)| field == name).and_then(|(_, value)| value.clone());
        versions.push(Version {
            backup: version.backup,
            taken: taken(version.backup),
            deleted: version.deleted,
            deleted_by,
            merged_into: value("MasterRecordId").filter(|_| version.deleted),
            changes,
        });
        if !unknown {
            before = after;
        }
    }
    if versions.is_empty() {
        let unknown = Error::not_found(format!("no backup holds {object} {record_id}"));
        return Err(erase::absent(vault, object, &record_id, unknown).await);
    }
    Ok(versions)
}

/// Who deleted a record: by the org's own event, or else by who modified it last, where that moved with the deletion.
async fn deleted_by(
    vault: &OrgVault,
    point: &Point,
    record_id: &str,
    changes: &[FieldChange],
    first_seen: bool,
) -> Result<Option<DeletedBy>> {
    if let Some(by) = deletion::by_event(vault, point, record_id).await? {
        return Ok(Some(by));
    }
    let now = |field: &str| changes.iter().find(|change| change.field == field).and_then(|change| change.after.clone());
    match (now("LastModifiedById"), now("LastModifiedDate")) {
        (Some(user), at) if !first_seen => deletion::by_last_change(vault, point, user, at.as_deref()).await,
        _ => Ok(None),
    }
}

fn changes(before: &[(String, Option<String>)], after: &[(String, Option<String>)]) -> Vec<FieldChange> {
    after
        .iter()
        .filter_map(|(field, value)| {
            let old = before.iter().find(|(name, _)| name == field).and_then(|(_, value)| value.clone());
            (old != *value).then(|| FieldChange { field: field.clone(), before: old, after: value.clone() })
        })
        .collect()
}
