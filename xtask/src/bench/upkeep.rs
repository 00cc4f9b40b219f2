// SPDX-License-Identifier: Apache-2.0
//! The memory that it takes to merge the files of a month of backups, and to read every byte of them.
//!
//! A backup merges by itself what has become many files. So that `orgkeep compact` has a whole month to merge at once, which is the most
//! that it meets, each backup is killed when its manifest is there, before it merges anything.

use std::path::Path;

use super::figure::{CHECK, COMPACT, Figure};
use super::month;
use super::org::Org;
use super::product::Product;
use crate::{Result, note};

pub fn measure(org: &Org<'_>, product: &Product, folder: &Path) -> Result<[Figure; 2]> {
    let vault = product.connect("upkeep", true)?;
    let backups = vault.join("orgs").join(org.emulator.told("id")).join("backups");
    month(org, folder, |day| product.backup_cut("upkeep", &backups.join(format!("{:010}.json.zst", day + 1))))?;
    let before = product.check("upkeep")?;
    let compact = product.compact("upkeep")?;
    note(&format!("upkeep: {}", compact.result));
    if compact.result["filesBefore"] == 0 {
        return Err("there was nothing to merge".to_owned());
    }
    let after = product.check("upkeep")?;
    let check = before.peak_megabytes()?.max(after.peak_megabytes()?);
    Ok([
        Figure { kind: &COMPACT, ours: compact.peak_megabytes()?, other: None },
        Figure { kind: &CHECK, ours: check, other: None },
    ])
}
