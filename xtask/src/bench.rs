// SPDX-License-Identifier: Apache-2.0
//! `cargo xtask bench [NAME…] [--json] [--rows N] [--debug] [--as-built]`: what Orgkeep has to hold beside other programs, measured on this machine.
//!
//! An emulated org with N accounts and N contacts (200,000) runs as a program of its own. Every program that is compared meets that
//! same org, in the same run, in turn; a figure is the median of three rounds. A NAME selects the figures whose names contain it. Both
//! sides share the processors with the emulator, so ratios mean more than seconds.
//!
//! Everything is built in release. `--debug` uses debug builds, to try the measuring itself; `--as-built` takes the
//! programs that were built before. A missing `sf`, `restic` and `borg`, or DuckDB leaves out what it
//! would be compared with. The command fails when a bar does not hold.
//!
//! `cargo xtask bench emulator …` measures the emulator alone (`bench/emulator.rs`).

mod backup;
mod emulator;
mod figure;
mod history;
mod org;
mod peer;
mod product;
mod restore;
mod scan;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use figure::{
    ALL, BACKUP, COMPARE, CURL, ERASE, Figure, HISTORY, INCREMENTAL, Kind, MEMORY, RECORD, RESTORE, SCAN, SIZE,
};
use org::Org;
use peer::Peer;
use product::Product;

use crate::clients;
use crate::emulator::Emulator;
use crate::place::Place;
use crate::{Result, child, note, say};

const ROUNDS: usize = 3;
const CROWD_LIMIT: Duration = Duration::from_secs(60 * 60);
/// Of so many records one is changed before an incremental backup.
const CHANGED: usize = 100;

/// What was asked for.
struct Wanted {
    names: Vec<String>,
    json: bool,
    rows: u64,
    profile: &'static str,
    as_built: bool,
}

impl Wanted {
    fn parse(arguments: &[String]) -> Result<Wanted> {
        let mut wanted = Wanted { names: Vec::new(), json: false, rows: 200_000, profile: "release", as_built: false };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--json" => wanted.json = true,
                "--as-built" => wanted.as_built = true,
                "--debug" => wanted.profile = "debug",
                "--rows" => {
                    let rows = arguments.next().and_then(|rows| rows.parse().ok()).filter(|rows| *rows >= 1000);
                    wanted.rows = rows.ok_or("--rows needs a number of at least 1000")?;
                }
                name if ALL.iter().any(|kind| kind.name.contains(name)) => wanted.names.push(name.to_owned()),
                other => return Err(not_measured(other, &ALL)),
            }
        }
        Ok(wanted)
    }

    fn any(&self, kinds: &[&Kind]) -> bool {
        chosen(&self.names, kinds)
    }
}

/// Whether one of these figures was asked for; without names all are.
fn chosen(names: &[String], kinds: &[&Kind]) -> bool {
    names.is_empty() || kinds.iter().any(|kind| names.iter().any(|name| kind.name.contains(name.as_str())))
}

/// A word that is neither an option nor a part of the name of a figure.
fn not_measured(word: &str, figures: &[&Kind]) -> String {
    let names: Vec<&str> = figures.iter().map(|kind| kind.name).collect();
    format!("{word} is not measured; there are {}", names.join(", "))
}

pub fn run(arguments: &[String]) -> Result<()> {
    if let Some((first, rest)) = arguments.split_first()
        && first == "emulator"
    {
        return emulator::run(rest);
    }
    let wanted = Wanted::parse(arguments)?;
    let place = Place::find()?;
    if !clients::runs(Command::new("curl").arg("--version")) {
        return Err("there is no curl on this machine, which writes and reads the org for the measurements".to_owned());
    }
    if !wanted.as_built {
        build(&place, &wanted)?;
    }
    let folder = place.scratch("bench")?;
    let store = folder.join("org.sqlite");
    let measure = place.built(wanted.profile, "measure");
    note(&format!("an org with {0} accounts and {0} contacts", wanted.rows));
    let mut crowd = Command::new(&measure);
    crowd.arg("crowd").arg(&store).arg(wanted.rows.to_string());
    child::kept(&mut crowd, &folder.join("crowd"), CROWD_LIMIT)?;
    let store = store.to_str().ok_or("the target directory's name is not Unicode")?;
    let orgkeep = place.orgkeep(wanted.profile);
    let emulator = Emulator::start(&orgkeep, &["--records", "0", "--store", store], &folder.join("emulator.log"))?;
    let org = Org::new(&emulator, &folder);
    let product = Product::new(&place, wanted.profile, &emulator, &folder)?;
    let peer = Peer::new(&place, &emulator, &folder)?;

    let mut figures = Vec::new();
    if wanted.any(&[&BACKUP, &MEMORY, &CURL, &SIZE, &INCREMENTAL]) {
        figures.extend(backup::measure(&wanted, &org, &product, peer.as_ref(), &folder)?);
    }
    if wanted.any(&[&SCAN]) {
        figures.push(scan::measure(&org, &product, &measure, &folder)?);
    }
    if wanted.any(&[&HISTORY, &RECORD, &COMPARE, &ERASE]) {
        figures.extend(history::measure(&wanted, &place, &org, &product, &measure, &folder)?);
    }
    if wanted.any(&[&RESTORE]) {
        figures.push(restore::measure(wanted.rows, &org, &product, peer.as_ref(), &folder)?);
    }
    figures.retain(|figure| wanted.any(&[figure.kind]));
    tell(&figures, wanted.json);
    let below: Vec<&str> = figures.iter().filter(|figure| figure.holds() == Some(false)).map(|f| f.kind.name).collect();
    if below.is_empty() { Ok(()) } else { Err(format!("these do not hold: {}", below.join(", "))) }
}

fn build(place: &Place, wanted: &Wanted) -> Result<()> {
    let mut cargo = place.cargo();
    cargo.args(["build", "--quiet", "--package", "orgkeep", "--package", "xtask", "--features", "xtask/measure"]);
    cargo.args(["--bin", "orgkeep", "--bin", "measure"]);
    if wanted.profile == "release" {
        cargo.arg("--release");
    }
    child::shown(&mut cargo)
}

/// Changes one in a hundred of the accounts and of the contacts.
fn changed(org: &Org<'_>, folder: &Path, text: &str) -> Result<()> {
    for object in ["Account", "Contact"] {
        let ids = folder.join("ids.csv");
        org.csv(&format!("SELECT Id FROM {object}"), &ids)?;
        let ids = std::fs::read_to_string(&ids).map_err(|error| error.to_string())?;
        let mut csv = "\"Id\",\"Description\"\n".to_owned();
        for (number, id) in ids.lines().skip(1).step_by(CHANGED).enumerate() {
            csv.push_str(&format!("{id},\"Changed in {text}, number {number}\"\n"));
        }
        let file = folder.join("changes.csv");
        std::fs::write(&file, csv).map_err(|error| format!("cannot write {}: {error}", file.display()))?;
        org.ingest(object, "update", &file)?;
    }
    Ok(())
}

fn tell(figures: &[Figure], json: bool) {
    if json {
        figures.iter().for_each(|figure| say(&figure.json().to_string()));
    } else {
        say("");
        figure::table(figures);
    }
}
