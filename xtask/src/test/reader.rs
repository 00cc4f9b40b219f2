// SPDX-License-Identifier: Apache-2.0
//! The vault, read without Orgkeep: a Python program that was written from `docs/format.md` alone reads what the command line wrote,
//! and both must say the same.
//!
//! An encrypted vault gets two backups of an emulated org, with a deletion and a change between them. Then every object and backup
//! asked for is exported by `orgkeep export` and by `crates/vault/tests/reader.py`, as CSV, and compared line by line.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::{Case, Outcome};
use crate::emulator::Emulator;
use crate::place::Place;
use crate::{Result, child, clients, say};

const LIMIT: Duration = Duration::from_secs(10 * 60);
const OBJECTS: [&str; 4] = ["Account", "Contact", "Project__c", "Task"];
const BACKUPS: [&str; 2] = ["1", "2"];

pub fn cases() -> Vec<Case> {
    vec![Case {
        title: "reader: Python reads an encrypted vault by docs/format.md".to_owned(),
        check: Box::new(|place: &Place| match clients::python(place) {
            Ok(python) => Outcome::of(compare(place, &python)),
            Err(why) => Outcome::Skipped(why),
        }),
    }]
}

fn compare(place: &Place, python: &Path) -> Result<()> {
    let folder = place.scratch("reader")?;
    let vault = Vaulted::make(place, &folder, python)?;
    let mut lines = 0;
    for (object, at) in OBJECTS.iter().flat_map(|object| BACKUPS.map(|at| (*object, at))) {
        let ours = folder.join(format!("{object}-{at}-orgkeep.csv"));
        let theirs = folder.join(format!("{object}-{at}-python.csv"));
        vault.orgkeep(&["export", "acme", object, "--at", at, "--format", "csv", "--output", text(&ours)?])?;
        let mut reader = Command::new(python);
        reader.arg(place.root.join("crates/vault/tests/reader.py")).arg(&vault.vault);
        reader.arg("--passphrase-file").arg(&vault.passphrase_file).args(["--org", &vault.org]);
        reader.args(["--object", object, "--at", at, "--output"]).arg(&theirs);
        child::kept(&mut reader, &folder.join(format!("{object}-{at}")), LIMIT)?;
        lines += same(object, at, &read(&ours)?, &read(&theirs)?)?;
    }
    say(&format!("    {lines} lines of {} exports are the same", OBJECTS.len() * BACKUPS.len()));
    Ok(())
}

/// A vault that the command line made, and how to use it.
struct Vaulted {
    orgkeep: PathBuf,
    config: PathBuf,
    log: PathBuf,
    vault: PathBuf,
    passphrase_file: PathBuf,
    org: String,
}

impl Vaulted {
    fn make(place: &Place, folder: &Path, python: &Path) -> Result<Vaulted> {
        let emulator = Emulator::start(&place.orgkeep("debug"), &["--records", "1000"], &folder.join("emulator.log"))?;
        let made = Vaulted {
            orgkeep: place.orgkeep("debug"),
            config: folder.join("config.toml"),
            log: folder.join("orgkeep"),
            vault: folder.join("vault"),
            passphrase_file: folder.join("passphrase"),
            org: emulator.told("id").to_owned(),
        };
        let secret = folder.join("secret");
        write(&made.passphrase_file, "correct horse battery staple")?;
        write(&secret, emulator.told("client_secret"))?;
        let (vault, passphrase) = (text(&made.vault)?, text(&made.passphrase_file)?);
        made.orgkeep(&["init", vault, "--passphrase-file", passphrase])?;
        made.orgkeep(&[
            "connect",
            "acme",
            "--vault",
            vault,
            "--passphrase-file",
            passphrase,
            "--url",
            &emulator.url,
            "--client-id",
            emulator.told("client_id"),
            "--client-secret-file",
            text(&secret)?,
        ])?;
        made.orgkeep(&["backup", "acme"])?;
        let mut change = Command::new(python);
        emulator.known_to(&mut change).env("PYTHONPATH", place.root.join("xtask/clients"));
        change.arg(place.root.join("xtask/clients/change.py"));
        child::kept(&mut change, &folder.join("change"), LIMIT)?;
        made.orgkeep(&["backup", "acme"])?;
        Ok(made)
    }

    fn orgkeep(&self, arguments: &[&str]) -> Result<()> {
        let mut command = Command::new(&self.orgkeep);
        command.arg("--config").arg(&self.config).args(arguments);
        child::kept(&mut command, &self.log, LIMIT).map(drop)
    }
}

/// How many lines both have, when they have the same.
fn same(object: &str, at: &str, ours: &str, theirs: &str) -> Result<usize> {
    let differs = ours.lines().zip(theirs.lines()).enumerate().find(|(_, (ours, theirs))| ours != theirs);
    if let Some((number, (ours, theirs))) = differs {
        return Err(format!(
            "{object} at backup {at} differs in line {}\n  orgkeep {ours}\n  python  {theirs}",
            number + 1
        ));
    }
    let (ours, theirs) = (ours.lines().count(), theirs.lines().count());
    if ours != theirs || ours < 2 {
        return Err(format!("{object} at backup {at}: orgkeep wrote {ours} lines, Python {theirs}"));
    }
    Ok(ours)
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().ok_or_else(|| format!("{} is not Unicode", path.display()))
}
