// SPDX-License-Identifier: Apache-2.0
//! References that lead to no record of the backup.
//!
//! An Id is looked up by a hash of 64 bits. Ids are divided by their hashes into so many parts that the hashes of one part fit in memory; for
//! each part all Ids and then all references are read. Two Ids of one hash would hide one dangling reference in 10^10 or so.

use crate::error::Result;
use crate::event::{Event, Monitor};
use crate::point::Point;
use futures::stream::TryStreamExt;
use orgkeep_salesforce::Field;
use orgkeep_vault::{OrgVault, Scan};
use serde::Serialize;
use std::collections::BTreeMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

/// Hashes of one part: 64 MB.
const HASHES: u64 = 8_000_000;

/// References of one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Dangling {
    pub object: String,
    pub field: String,
    /// Values that are no record of the backup.
    pub references: u64,
    /// One of them: the record that has it, and the value.
    pub example: (String, String),
}

/// Counts them in the live rows of a backup, by object and field.
pub(super) async fn dangling(
    vault: &OrgVault,
    point: &Point,
    only: Option<&str>,
    monitor: &dyn Monitor,
) -> Result<Vec<Dangling>> {
    let rows: u64 = point.content.objects.values().map(|entry| entry.live).sum();
    let parts = rows.div_ceil(HASHES).max(1);
    let mut found: BTreeMap<(String, String), Dangling> = BTreeMap::new();
    for part in 0..parts {
        let ids = ids(vault, point, part, parts).await?;
        for object in point.filled().filter(|object| only.is_none_or(|only| only == *object)) {
            let read = references(vault, point, object, (part, parts), &ids, &mut found).await?;
            monitor.event(&Event::CompareProgress { object: object.clone(), rows: read });
        }
    }
    Ok(found.into_values().collect())
}

fn hash(id: &str) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(id)
}

/// The hashes of all Ids of a part, sorted.
async fn ids(vault: &OrgVault, point: &Point, part: u64, parts: u64) -> Result<Vec<u64>> {
    let mut hashes = Vec::new();
    for object in point.filled() {
        let scan = Scan { columns: Some(Vec::new()), ..Scan::default() };
        let mut rows = point.rows(vault, object, scan).await?;
        while let Some(batch) = rows.try_next().await? {
            hashes.extend((0..batch.len()).map(|row| hash(batch.id(row))).filter(|hash| hash % parts == part));
        }
    }
    hashes.sort_unstable();
    Ok(hashes)
}

async fn references(
    vault: &OrgVault,
    point: &Point,
    object: &str,
    (part, parts): (u64, u64),
    ids: &[u64],
    found: &mut BTreeMap<(String, String), Dangling>,
) -> Result<u64> {
    let Some(describe) = point.describe(vault, object).await? else { return Ok(0) };
    let held = point.entry(object).map(|entry| entry.fields.as_slice()).unwrap_or_default();
    let leads = |field: &&Field| field.field_type.name() == "reference" && held.contains(&field.name);
    let fields: Vec<String> = describe.fields.iter().filter(leads).map(|field| field.name.clone()).collect();
    if fields.is_empty() {
        return Ok(0);
    }
    let scan = Scan { columns: Some(fields.clone()), ..Scan::default() };
    let mut rows = point.rows(vault, object, scan).await?;
    let mut read = 0;
    while let Some(batch) = rows.try_next().await? {
        read += batch.len() as u64;
        for field in &fields {
            let Some(column) = batch.column_index(field) else { continue };
            for row in 0..batch.len() {
                let Some(id) = batch.text(row, column) else { continue };
                let hash = hash(&id);
                if hash % parts != part || ids.binary_search(&hash).is_ok() {
                    continue;
                }
                let key = (object.to_owned(), field.clone());
                let dangling = found.entry(key).or_insert_with(|| Dangling {
                    object: object.to_owned(),
                    field: field.clone(),
                    references: 0,
                    example: (batch.id(row).to_owned(), id.clone().into_owned()),
                });
                dangling.references += 1;
            }
        }
    }
    Ok(read)
}
