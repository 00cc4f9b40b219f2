// SPDX-License-Identifier: Apache-2.0
//! A vault of a month of backups, read as of the last one, and beside that every row of the same files unmerged. The vault is not
//! encrypted, so that both read the same bytes.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::backup::OBJECTS;
use super::figure::{Figure, SCAN};
use super::org::Org;
use super::product::Product;
use super::{DAYS, month};
use crate::{Result, child, note};

const LIMIT: Duration = Duration::from_secs(60 * 60);

pub fn measure(org: &Org<'_>, product: &Product, measure: &Path, folder: &Path) -> Result<Figure> {
    let vault = product.connect("scan", false)?;
    month(org, folder, |_| product.backup("scan", org, &OBJECTS).map(drop))?;
    let mut scan = Command::new(measure);
    scan.arg("scan").arg(&vault).arg(org.emulator.told("id")).arg((DAYS + 1).to_string()).args(OBJECTS);
    let said = child::kept(&mut scan, &folder.join("scan-measured"), LIMIT)?.text();
    let said: Value = serde_json::from_str(&said).map_err(|error| format!("no JSON: {error}: {said}"))?;
    note(&format!("scan: {said}"));
    let seconds = |key: &str| said[key].as_f64().ok_or_else(|| format!("{key} was not measured"));
    Ok(Figure { kind: &SCAN, ours: seconds("as_of_seconds")?, other: Some(seconds("plain_seconds")?) })
}
