// SPDX-License-Identifier: Apache-2.0
//! Retention: what a policy makes of the backups of an org, expiring, bringing back, removing, and holds.
//!
//! Expiring hides a backup and can be undone. Removing is for a later run, when the time of grace is over: then versions go that
//! no other backup sees, and bodies of files that no version refers to any more. Which fields refer to bodies is known from the
//! describes; of an object without one, every field of text is looked at.

use crate::backup::hash_of;
use crate::error::Result;
use crate::event::Clock;
use crate::id;
use crate::point::Point;
use futures::stream::TryStreamExt;
use orgkeep_vault::{ColumnType, Expiry, Hold, OrgVault, Policy, Removal, Retention};
use serde::Serialize;
use std::collections::HashSet;

/// What to do with the policy.
#[derive(Clone, Debug, Default)]
pub struct ExpireOptions {
    /// Instead of the one that the vault keeps.
    pub policy: Option<Policy>,
    /// Keep it in the vault for later runs.
    pub save: bool,
    pub dry_run: bool,
}

/// What expired and what was removed, or would be.
#[derive(Clone, Debug, Serialize)]
pub struct ExpireReport {
    /// None where the org has none: then nothing expires.
    pub policy: Option<Policy>,
    #[serde(flatten)]
    pub expiry: Expiry,
    /// What goes with the backups that expire now, when they are removed.
    pub expiring_takes: Removal,
    /// What was removed now, or would be.
    pub removed: Removal,
    pub dry_run: bool,
}

/// What is put on hold.
#[derive(Clone, Debug)]
pub enum Held {
    Backup(u64),
    Record { object: String, id: String },
}

/// Expires what the policy no longer keeps, and removes what expired long enough ago.
///
/// # Errors
/// `Invalid` for a policy that makes no sense, `Busy` while somebody else writes to the org's part of the vault.
pub async fn expire(
    vault: &OrgVault,
    options: &ExpireOptions,
    holder: &str,
    clock: &dyn Clock,
) -> Result<ExpireReport> {
    let mut retention = vault.retention().await?;
    let policy = options.policy.clone().or_else(|| retention.policy.clone());
    let followed = policy.clone().unwrap_or_default();
    if options.dry_run {
        let expiry = vault.expiry(&retention, &followed, clock.now()).await?;
        let (expiring_takes, removed) = (vault.removal(&expiry.expiring).await?, vault.removal(&expiry.due).await?);
        return Ok(ExpireReport { policy, expiry, expiring_takes, removed, dry_run: true });
    }
    vault
        .alone(holder, clock.now(), async |lock| {
            if options.save {
                retention.policy.clone_from(&policy);
                vault.set_retention(lock, &retention).await?;
            }
            let expiry = vault.expiry(&retention, &followed, lock.at()).await?;
            let expiring_takes = vault.removal(&expiry.expiring).await?;
            vault.expire(lock, &expiry.expiring).await?;
            let mut removed = vault.remove_expired(lock, &expiry.due).await?;
            if !expiry.due.is_empty() {
                let referred = bodies(vault).await?;
                removed.bodies =
                    vault.drop_bodies(lock, &|hash| short(hash).is_none_or(|key| referred.contains(&key))).await?;
            }
            Ok(ExpireReport { policy, expiry, expiring_takes, removed, dry_run: false })
        })
        .await
}

/// How many backups the policy of the org no longer keeps; none where there is no policy. And whether backups expire them by themselves.
///
/// # Errors
/// Those of reading the vault.
pub async fn expiring(vault: &OrgVault, clock: &dyn Clock) -> Result<Option<(usize, bool)>> {
    let retention = vault.retention().await?;
    let Some(policy) = &retention.policy else { return Ok(None) };
    let expiry = vault.expiry(&retention, policy, clock.now()).await?;
    Ok(Some((expiry.expiring.len() + expiry.due.len(), policy.automatic)))
}

/// Brings expired backups back, one or all; which.
///
/// # Errors
/// `NotFound` for one that has not expired, or is removed.
pub async fn unexpire(vault: &OrgVault, only: Option<u64>, holder: &str, clock: &dyn Clock) -> Result<Vec<u64>> {
    vault.alone(holder, clock.now(), async |lock| Ok(vault.unexpire(lock, only).await?)).await
}

/// Puts something on hold, or lifts a hold where there is no `reason`. What is on hold afterwards.
///
/// # Errors
/// `NotFound` for a backup that is not there.
pub async fn hold(
    vault: &OrgVault,
    what: &Held,
    reason: Option<&str>,
    holder: &str,
    clock: &dyn Clock,
) -> Result<Retention> {
    vault
        .alone(holder, clock.now(), async |lock| {
            let mut retention = vault.retention().await?;
            let entry = reason.map(|reason| Hold { since: lock.at(), reason: reason.to_owned() });
            match (what, entry) {
                (Held::Backup(sequence), Some(entry)) => {
                    vault.manifest(*sequence).await?;
                    retention.backups.insert(*sequence, entry);
                }
                (Held::Backup(sequence), None) => _ = retention.backups.remove(sequence),
                (Held::Record { object, id }, entry) => {
                    let point = Point::at(vault, None).await?;
                    let (object, id) = (point.named(object)?.0.clone(), id::normalize(id)?);
                    let records = retention.records.entry(object.clone()).or_default();
                    match entry {
                        Some(entry) => _ = records.insert(id, entry),
                        None => _ = records.remove(&id),
                    }
                    if records.is_empty() {
                        retention.records.remove(&object);
                    }
                }
            }
            vault.set_retention(lock, &retention).await?;
            Ok(retention)
        })
        .await
}

/// The first half of a hash: enough to tell bodies apart, and half the memory.
fn short(hash: &str) -> Option<u128> {
    u128::from_str_radix(hash.get(..32)?, 16).ok()
}

/// All bodies that any kept version of any record refers to.
async fn bodies(vault: &OrgVault) -> Result<HashSet<u128>> {
    let point = Point::at(vault, None).await?;
    let mut referred = HashSet::new();
    for object in vault.tables().await? {
        let Some(schema) = vault.columns(&object).await? else { continue };
        let describe = point.describe(vault, &object).await?;
        let is_body = |name: &str| match &describe {
            Some(describe) => describe.field(name).is_none_or(|field| field.field_type.name() == "base64"),
            None => true,
        };
        let texts = schema.columns().iter().filter(|column| column.kind == ColumnType::Text && column.name != "Id");
        let columns: Vec<String> =
            texts.filter(|column| is_body(&column.name)).map(|column| column.name.clone()).collect();
        if columns.is_empty() {
            continue;
        }
        let mut rows = vault.versions(&object, Some(columns.clone()), None).await?;
        while let Some(batch) = rows.try_next().await? {
            for column in columns.iter().filter_map(|name| batch.column_index(name)) {
                let cells = (0..batch.len()).filter_map(|row| batch.text(row, column));
                referred.extend(cells.filter_map(|cell| short(hash_of(&cell)?)));
            }
        }
    }
    Ok(referred)
}
