// SPDX-License-Identifier: Apache-2.0
//! The vault, read without Orgkeep: a Python program that was written from `docs/format.md` alone reads what the command line wrote,
//! and both must say the same.
//!
//! An encrypted vault gets two backups of an emulated org, with a deletion and a change between them. Then some objects are exported as
//! of both, by `orgkeep export` as CSV and by `crates/vault/tests/reader.py` as JSON Lines, and compared value by value.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::vaulted::{Vaulted, text, write};
use super::{Case, Outcome};
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
    let vault = Vaulted::make(place, &folder, "1000", true)?;
    vault.changed(python, "change.py", &[])?;
    let mut records = 0;
    for (object, at) in OBJECTS.iter().flat_map(|object| BACKUPS.map(|at| (*object, at))) {
        let ours = folder.join(format!("{object}-{at}-orgkeep.csv"));
        vault.orgkeep(&["export", "acme", object, "--at", at, "--format", "csv", "--output", text(&ours)?])?;
        let mut reader = Command::new(python);
        reader.arg(place.root.join("crates/vault/tests/reader.py")).arg(&vault.vault);
        reader.arg(&vault.passphrase_file).args([&vault.org, object, at]);
        let theirs = child::kept(&mut reader, &folder.join(format!("{object}-{at}")), LIMIT)?.text();
        let ours =
            std::fs::read_to_string(&ours).map_err(|error| format!("cannot read {}: {error}", ours.display()))?;
        records += same(&ours, &theirs).map_err(|error| format!("{object} at backup {at}: {error}"))?;
    }
    say(&format!("    {records} records of {} exports are the same", OBJECTS.len() * BACKUPS.len()));
    attested(place, &folder, &vault, python)
}

/// Python verifies what the command line attests of both backups, by themselves and from the rows of the vault, and notices a
/// record that was forgotten.
fn attested(place: &Place, folder: &Path, vault: &Vaulted, python: &Path) -> Result<()> {
    let verify = |file: &Path, at: &str| {
        let mut verifier = Command::new(python);
        verifier.arg(place.root.join("crates/vault/tests/attestation.py")).arg(file);
        verifier.arg(&vault.vault).arg(&vault.passphrase_file);
        child::kept(&mut verifier, &folder.join(format!("attested-{at}")), LIMIT)
    };
    for at in BACKUPS {
        let file = folder.join(format!("attestation-{at}.json"));
        vault.orgkeep(&["attest", "acme", at, "--output", text(&file)?])?;
        say(&format!("    {}", verify(&file, at)?.text().trim_end().replace('\n', "; ")));
        let whole = std::fs::read_to_string(&file).map_err(|error| error.to_string())?;
        let mut other: Value = serde_json::from_str(&whole).map_err(|error| error.to_string())?;
        other["state"]["Account"]["live"] = 1.into();
        write(&file, &other.to_string())?;
        if verify(&file, &format!("{at}-forged")).is_ok() {
            return Err(format!("Python takes a forged attestation of backup {at} for good"));
        }
        write(&file, &whole)?;
    }
    // An attestation from before an erasure still holds, and what was erased is named.
    let contacts = folder.join("Contact-2-orgkeep.csv");
    let contacts = std::fs::read_to_string(contacts).map_err(|error| error.to_string())?;
    let rows = csv_records(&contacts);
    let names = rows.first().ok_or("orgkeep wrote nothing")?;
    let place_of_id = names.iter().position(|name| name == "Id").ok_or("an export without Ids")?;
    let id = rows.get(1).and_then(|row| row.get(place_of_id)).ok_or("an export without contacts")?;
    vault.orgkeep(&["erase", "acme", "--object", "Contact", "--id", id, "--yes"])?;
    let said = verify(&folder.join("attestation-2.json"), "2-erased")?.text();
    if !said.contains("of Contact were erased since: erasure 1, BLAKE3 ") {
        return Err(format!("Python does not see what was erased: {said}"));
    }
    Ok(())
}

/// How many records both have, when they have the same.
fn same(ours: &str, theirs: &str) -> Result<usize> {
    let mut ours = csv_records(ours).into_iter();
    let names = ours.next().ok_or("orgkeep wrote nothing")?;
    let mut records = 0;
    for line in theirs.lines() {
        let theirs: Value = serde_json::from_str(line).map_err(|error| format!("Python wrote no JSON: {error}"))?;
        let ours = ours.next().ok_or_else(|| format!("orgkeep wrote {records} records, Python more"))?;
        for (name, value) in names.iter().zip(&ours) {
            if theirs[name].as_str().unwrap_or_default() != value {
                return Err(format!("{} of {}: orgkeep {value:?}, Python {}", name, ours[0], theirs[name]));
            }
        }
        records += 1;
    }
    match ours.next() {
        Some(_) => Err(format!("Python wrote {records} records, orgkeep more")),
        None if records == 0 => Err("there are no records to compare".to_owned()),
        None => Ok(records),
    }
}

/// Reads CSV in which every value is quoted.
fn csv_records(text: &str) -> Vec<Vec<String>> {
    let (mut records, mut record, mut value) = (Vec::new(), Vec::new(), String::new());
    let mut characters = text.chars().peekable();
    let mut quoted = false;
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                value.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => record.push(std::mem::take(&mut value)),
            '\n' if !quoted => {
                record.push(std::mem::take(&mut value));
                records.push(std::mem::take(&mut record));
            }
            other => value.push(other),
        }
    }
    records
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "\"Id\",\"Name\",\"Site\"\n\"1\",\"two \"\"lines\"\",\nor so\",\"\"\n";

    #[test]
    fn the_same_records_are_the_same() {
        assert_eq!(same(OURS, r#"{"Id":"1","Name":"two \"lines\",\nor so","Site":null}"#), Ok(1));
    }

    #[test]
    fn another_value_and_a_missing_record_are_noticed() {
        assert!(same(OURS, r#"{"Id":"1","Name":"two lines","Site":null}"#).is_err());
        assert!(same(OURS, "").is_err());
        assert!(same("\"Id\"\n", r#"{"Id":"1"}"#).is_err());
    }
}
