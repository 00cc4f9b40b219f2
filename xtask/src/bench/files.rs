// SPDX-License-Identifier: Apache-2.0
//! Files, in an org that has nothing else.
//!
//! Rounds of: ten thousand files of 100 KB, each with a content of its own, are backed up into an empty vault; `curl` fetches the same
//! bodies, as many at a time as the backup does. A backup reads every object of the org besides, and finds out what `curl` was told. Then
//! the same once more from an org that takes its time for each body, as every org does that is not on this machine.
//!
//! And one file of 2 GB, for the memory that its backup takes.

use std::path::{Path, PathBuf};

use super::figure::{BIG_FILE, FAR_FILES, FILES, FILES_MEMORY, Figure, Kind, median};
use super::org::Org;
use super::product::{Done, Product, bytes_below};
use super::{ROUNDS, Wanted, emulated, made};
use crate::place::Place;
use crate::{Result, note};

const COUNT: u64 = 10_000;
const BYTES: u64 = 100_000;
const BIG_BYTES: u64 = 2_000_000_000;
/// `PARALLEL_BODIES` of `crates/engine/src/backup/bodies.rs`.
const AT_A_TIME: usize = 8;
const FAR_MS: u64 = 20;

pub fn files(wanted: &Wanted, place: &Place, folder: &Path) -> Result<Vec<Figure>> {
    let (emulator, product) = emulated(wanted, place, folder, &[])?;
    let org = Org::new(&emulator, folder);
    let count = wanted.sized(COUNT);
    note(&format!("an org with {count} files of {BYTES} bytes"));
    let ids = org.add_files(count, BYTES)?;
    let mut figures = Vec::new();
    if wanted.any(&[&FILES, &FILES_MEMORY]) {
        let (figure, peak) = rounds(&FILES, &org, &product, &ids, folder)?;
        figures.extend([figure, Figure { kind: &FILES_MEMORY, ours: peak, other: None }]);
    }
    if wanted.any(&[&FAR_FILES]) {
        org.bodies_come_later(FAR_MS)?;
        figures.push(rounds(&FAR_FILES, &org, &product, &ids, folder)?.0);
    }
    Ok(figures)
}

/// The figure, and the peak memory of the backups in megabytes.
fn rounds(
    kind: &'static Kind,
    org: &Org<'_>,
    product: &Product,
    ids: &[String],
    folder: &Path,
) -> Result<(Figure, f64)> {
    let count = ids.len() as u64;
    let (mut ours, mut others, mut peaks) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        let name = format!("{}{round}", kind.name);
        let (done, vault) = backup(product, &name, org, count, BYTES)?;
        let bodies = made(folder.join("bodies"))?;
        let curl = org.bodies(ids, AT_A_TIME, &bodies)?;
        let fetched = bytes_below(&bodies)?;
        if fetched != count * BYTES {
            return Err(format!("curl fetched {fetched} bytes"));
        }
        note(&format!("{name}: backup {:.2} s, curl {:.2} s", done.run.seconds, curl.seconds));
        ours.push(done.run.seconds);
        peaks.push(done.peak_megabytes()?);
        others.push(curl.seconds);
        // A gigabyte each.
        for folder in [vault, bodies] {
            std::fs::remove_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        }
    }
    let figure = Figure { kind, ours: median(&ours).unwrap_or_default(), other: median(&others) };
    Ok((figure, median(&peaks).unwrap_or_default()))
}

pub fn big_file(wanted: &Wanted, place: &Place, folder: &Path) -> Result<Figure> {
    let (emulator, product) = emulated(wanted, place, folder, &[])?;
    let org = Org::new(&emulator, folder);
    let bytes = wanted.sized(BIG_BYTES);
    note(&format!("an org with a file of {bytes} bytes"));
    org.add_files(1, bytes)?;
    let (done, _) = backup(&product, "big", &org, 1, bytes)?;
    note(&format!("backup of the file: {:.2} s", done.run.seconds));
    Ok(Figure { kind: &BIG_FILE, ours: done.peak_megabytes()?, other: None })
}

/// A backup into a vault of its own, also its folder, that holds so many files of so many bytes, which no compression makes fewer.
fn backup(product: &Product, name: &str, org: &Org<'_>, files: u64, bytes: u64) -> Result<(Done, PathBuf)> {
    let vault = product.connect(name, true)?;
    let done = product.backup(name, org, &["ContentVersion"])?;
    let held = bytes_below(&vault)?;
    if done.result["files"] != files || held < files * bytes {
        return Err(format!(
            "{name}: fetched {} of {files} files, and the vault has {held} bytes",
            done.result["files"]
        ));
    }
    Ok((done, vault))
}

#[cfg(test)]
mod tests {
    #[test]
    fn curl_fetches_as_many_at_a_time_as_the_backup() {
        let engine = include_str!("../../../crates/engine/src/backup/bodies.rs");
        assert!(engine.contains(&format!("const PARALLEL_BODIES: usize = {};", super::AT_A_TIME)));
    }
}
