// SPDX-License-Identifier: Apache-2.0
//! Rounds of: a full backup into an empty vault, the same rows and fields by `sf data export bulk`, by sfdmu and by CumulusCI, their
//! result pages by `curl`, an hour on the org's clock and a change of one record in a hundred, an incremental backup. Every program
//! meets the same emulator.
//!
//! A backup reads every object of the org, `sf` and `curl` only the three that hold the rows: accounts, contacts, and the relations
//! that the platform makes of each contact and its account.
//!
//! And one backup of an org of five million records, for the memory that it takes.

use std::path::Path;

use super::extract::{self, Extract};
use super::figure::{BACKUP, CURL, EXTRACTS, Figure, INCREMENTAL, LARGE, MEMORY, SIZE, median};
use super::org::Org;
use super::peer::Peer;
use super::product::{Product, bytes_below};
use super::{ROUNDS, Wanted, changed, crowd};
use crate::place::Place;
use crate::{Result, note};

pub const OBJECTS: [&str; 3] = ["Account", "Contact", "AccountContactRelation"];
const LARGE_RECORDS: u64 = 5_000_000;

#[derive(Default)]
struct Measured {
    full: Vec<f64>,
    full_peak: Vec<f64>,
    sf: Vec<f64>,
    sf_peak: Vec<f64>,
    /// Of each round the fastest.
    extracts: Vec<f64>,
    curl: Vec<f64>,
    incremental: Vec<f64>,
    vault_bytes: f64,
    csv_bytes: f64,
}

pub fn measure(
    wanted: &Wanted,
    org: &Org<'_>,
    product: &Product,
    peer: Option<&Peer>,
    folder: &Path,
) -> Result<Vec<Figure>> {
    let queries: Vec<String> = OBJECTS
        .iter()
        .map(|object| Ok(format!("SELECT {} FROM {object}", org.fields(object, |_| true)?.join(","))))
        .collect::<Result<_>>()?;
    let mut measured = Measured::default();
    let mut extracts = match peer.filter(|_| wanted.any(&[&EXTRACTS])) {
        Some(peer) => Extract::all(peer, org)?,
        None => Vec::new(),
    };
    // An org of which the schema changed minutes ago is asked for its describes again.
    org.later(1)?;
    for round in 1..=ROUNDS {
        let name = format!("backup{round}");
        let vault = product.connect(&name, true)?;
        let full = product.backup(&name, org, &OBJECTS)?;
        note(&format!(
            "round {round}: full backup {:.2} s, {:.0} MB",
            full.run.seconds,
            megabytes(full.run.peak_bytes)
        ));
        measured.full.push(full.run.seconds);
        measured.full_peak.push(megabytes(full.run.peak_bytes));
        measured.vault_bytes = bytes_below(&vault)? as f64;
        if let Some(peer) = peer.filter(|_| wanted.any(&[&BACKUP, &MEMORY])) {
            by_sf(peer, &queries, folder, &mut measured)?;
        }
        measured.extracts.extend(extract::fastest(&mut extracts));
        if wanted.any(&[&CURL, &SIZE]) {
            by_curl(org, &queries, &mut measured)?;
        }
        if wanted.any(&[&INCREMENTAL]) {
            org.later(1)?;
            changed(org, folder, &format!("round {round}"))?;
            let incremental = product.backup(&name, org, &OBJECTS)?;
            note(&format!("round {round}: incremental backup {:.2} s", incremental.run.seconds));
            measured.incremental.push(incremental.run.seconds);
        }
    }
    Ok(measured.figures())
}

fn by_sf(peer: &Peer, queries: &[String], folder: &Path, measured: &mut Measured) -> Result<()> {
    let (mut seconds, mut peak) = (0.0, 0.0_f64);
    for (object, query) in OBJECTS.iter().zip(queries) {
        let run = peer.export(query, &folder.join(format!("sf-{object}.csv")))?;
        seconds += run.seconds;
        peak = peak.max(megabytes(run.peak_bytes));
    }
    note(&format!("         sf data export bulk {seconds:.2} s, {peak:.0} MB"));
    measured.sf.push(seconds);
    measured.sf_peak.push(peak);
    Ok(())
}

fn by_curl(org: &Org<'_>, queries: &[String], measured: &mut Measured) -> Result<()> {
    let jobs: Vec<String> = queries.iter().map(|query| org.queried(query)).collect::<Result<_>>()?;
    let (mut seconds, mut bytes) = (0.0, 0);
    for job in jobs {
        let fetched = org.fetch(&job)?;
        seconds += fetched.seconds;
        for page in fetched.pages {
            bytes += std::fs::metadata(&page).map_err(|error| error.to_string())?.len();
            std::fs::remove_file(&page).map_err(|error| error.to_string())?;
        }
    }
    note(&format!("         curl of the result pages {seconds:.2} s, {bytes} bytes of CSV"));
    measured.curl.push(seconds);
    measured.csv_bytes = bytes as f64;
    Ok(())
}

impl Measured {
    fn figures(self) -> Vec<Figure> {
        let full = median(&self.full).unwrap_or_default();
        let figure = |kind, ours, other| Figure { kind, ours, other };
        let mut figures = vec![
            figure(&BACKUP, full, median(&self.sf)),
            figure(&MEMORY, median(&self.full_peak).unwrap_or_default(), median(&self.sf_peak)),
            figure(&CURL, full, median(&self.curl)),
            figure(&EXTRACTS, full, median(&self.extracts)),
            figure(&SIZE, self.vault_bytes, Some(self.csv_bytes)),
        ];
        figures.extend(median(&self.incremental).map(|seconds| figure(&INCREMENTAL, seconds, Some(full))));
        figures
    }
}

/// A backup of five million records: accounts, contacts, and a relation of each contact.
pub fn large(wanted: &Wanted, place: &Place, folder: &Path) -> Result<Figure> {
    let (emulator, product) = crowd(wanted, place, folder, wanted.sized(LARGE_RECORDS).div_ceil(OBJECTS.len() as u64))?;
    product.connect("large", true)?;
    let done = product.backup("large", &Org::new(&emulator, folder), &OBJECTS)?;
    note(&format!("backup of {} records: {:.2} s", done.result["rows"], done.run.seconds));
    Ok(Figure { kind: &LARGE, ours: done.peak_megabytes()?, other: None })
}

fn megabytes(bytes: Option<u64>) -> f64 {
    bytes.unwrap_or_default() as f64 / 1_000_000.0
}
