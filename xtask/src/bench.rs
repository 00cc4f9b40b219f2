// SPDX-License-Identifier: Apache-2.0
//! `cargo xtask bench [NAME…] [--json] [--rows N] [--debug] [--as-built]`: what Orgkeep has to hold beside other programs, measured on this machine.
//!
//! An emulated org with N accounts and N contacts (200,000) runs as a program of its own. Every program that is compared meets that
//! same org, in the same run, in turn; a figure is the median of three rounds. Both sides share the processors with the emulator, so
//! ratios mean more than seconds. Files, and the largest org, have an emulator of their own, because every backup reads a whole org.
//!
//! A NAME selects the figures whose names contain it. Without one, those are left out that take minutes (`figure.rs`).
//!
//! Everything is built in release. `--debug` uses debug builds, to try the measuring itself; `--as-built` takes the
//! programs that were built before. A missing `sf`, CumulusCI, `restic` and `borg`, or DuckDB leaves out what it
//! would be compared with. The command fails when a bar does not hold. `--rows` also sizes, in proportion, what has a size of its own.
//!
//! `cargo xtask bench emulator …` measures the emulator alone (`bench/emulator.rs`).

mod backup;
mod emulator;
mod extract;
mod figure;
mod files;
mod history;
mod org;
mod peer;
mod product;
mod restore;
mod scan;
mod upkeep;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use figure::{
    APART, BACKUP, BIG_FILE, CHECK, COMPACT, COMPARE, CURL, ERASE, EXTRACTS, FAR_FILES, FILES, FILES_MEMORY, Figure,
    HISTORY, INCREMENTAL, Kind, LARGE, MEMORY, RECORD, RESTORE, SCAN, SHARED, SIZE,
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
/// Days of a month, each with such a change and an incremental backup.
const DAYS: u64 = 30;
/// Of the rows that are told of, the default. Sizes of their own are for so many.
const ROWS: u64 = 200_000;

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
        let mut wanted = Wanted { names: Vec::new(), json: false, rows: ROWS, profile: "release", as_built: false };
        let all = [&SHARED[..], &APART].concat();
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
                name if all.iter().any(|kind| kind.name.contains(name)) => wanted.names.push(name.to_owned()),
                other => return Err(not_measured(other, &all)),
            }
        }
        Ok(wanted)
    }

    /// Whether one of these figures is to be measured.
    fn any(&self, kinds: &[&Kind]) -> bool {
        if self.names.is_empty() { kinds.iter().any(|kind| !kind.is_long()) } else { chosen(&self.names, kinds) }
    }

    /// A size of its own, as many times smaller as there are fewer rows than usual; never larger.
    fn sized(&self, usual: u64) -> u64 {
        usual / ROWS.div_ceil(self.rows)
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
    let mut figures = Vec::new();
    if wanted.any(&SHARED) {
        figures.extend(shared(&wanted, &place, &folder)?);
    }
    if wanted.any(&[&FILES, &FILES_MEMORY, &FAR_FILES]) {
        figures.extend(files::files(&wanted, &place, &folder.join("files"))?);
    }
    if wanted.any(&[&BIG_FILE]) {
        figures.push(files::big_file(&wanted, &place, &folder.join("big"))?);
    }
    if wanted.any(&[&LARGE]) {
        figures.push(backup::large(&wanted, &place, &folder.join("large"))?);
    }
    figures.retain(|figure| wanted.any(&[figure.kind]));
    tell(&figures, wanted.json);
    let below: Vec<&str> = figures.iter().filter(|figure| figure.holds() == Some(false)).map(|f| f.kind.name).collect();
    if below.is_empty() { Ok(()) } else { Err(format!("these do not hold: {}", below.join(", "))) }
}

/// The figures that share one org.
fn shared(wanted: &Wanted, place: &Place, folder: &Path) -> Result<Vec<Figure>> {
    let (emulator, product) = crowd(wanted, place, folder, wanted.rows)?;
    let org = Org::new(&emulator, folder);
    let peer = Peer::new(place, &emulator, folder)?;
    let measure = place.built(wanted.profile, "measure");
    let mut figures = Vec::new();
    if wanted.any(&[&BACKUP, &MEMORY, &CURL, &SIZE, &INCREMENTAL, &EXTRACTS]) {
        figures.extend(backup::measure(wanted, &org, &product, peer.as_ref(), folder)?);
    }
    if wanted.any(&[&SCAN]) {
        figures.push(scan::measure(&org, &product, &measure, folder)?);
    }
    if wanted.any(&[&HISTORY, &RECORD, &COMPARE, &ERASE]) {
        figures.extend(history::measure(wanted, place, &org, &product, &measure, folder)?);
    }
    if wanted.any(&[&COMPACT, &CHECK]) {
        figures.extend(upkeep::measure(&org, &product, folder)?);
    }
    if wanted.any(&[&RESTORE]) {
        figures.push(restore::measure(wanted.rows, &org, &product, peer.as_ref(), folder)?);
    }
    Ok(figures)
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

/// An org of this many accounts and as many contacts, and the product with a configuration for it, both in a folder.
fn crowd(wanted: &Wanted, place: &Place, folder: &Path, rows: u64) -> Result<(Emulator, Product)> {
    note(&format!("an org with {rows} accounts and {rows} contacts"));
    let store = made(folder.to_owned())?.join("org.sqlite");
    let mut crowd = Command::new(place.built(wanted.profile, "measure"));
    crowd.arg("crowd").arg(&store).arg(rows.to_string());
    child::kept(&mut crowd, &folder.join("crowd"), CROWD_LIMIT)?;
    let store = store.to_str().ok_or("the target directory's name is not Unicode")?;
    emulated(wanted, place, folder, &["--store", store])
}

/// An org without records, unless its store has some, and the product with a configuration for it, both in a folder.
fn emulated(wanted: &Wanted, place: &Place, folder: &Path, arguments: &[&str]) -> Result<(Emulator, Product)> {
    made(folder.to_owned())?;
    let arguments = [&["--records", "0"], arguments].concat();
    let emulator = Emulator::start(&place.orgkeep(wanted.profile), &arguments, &folder.join("emulator.log"))?;
    let product = Product::new(place, wanted.profile, &emulator, folder)?;
    Ok((emulator, product))
}

/// Does something with an org as it is, and again after each of thirty days on which some of its records were changed.
fn month(org: &Org<'_>, folder: &Path, mut on: impl FnMut(u64) -> Result<()>) -> Result<()> {
    on(0)?;
    (1..=DAYS).try_for_each(|day| {
        // A day would end the session that `curl` has.
        org.later(1)?;
        changed(org, folder, &format!("day {day}"))?;
        on(day)
    })
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
        org.ingest(object, "update", &written(&folder.join("changes.csv"), &csv)?)?;
    }
    Ok(())
}

fn written(file: &Path, text: &str) -> Result<PathBuf> {
    std::fs::write(file, text).map_err(|error| format!("cannot write {}: {error}", file.display()))?;
    Ok(file.to_owned())
}

/// A folder that is there now.
fn made(folder: PathBuf) -> Result<PathBuf> {
    std::fs::create_dir_all(&folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    Ok(folder)
}

fn tell(figures: &[Figure], json: bool) {
    if json {
        figures.iter().for_each(|figure| say(&figure.json().to_string()));
    } else {
        say("");
        figure::table(figures);
    }
}
