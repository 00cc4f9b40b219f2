// SPDX-License-Identifier: Apache-2.0
//! An unencrypted vault, read by engines that know nothing of Orgkeep: DuckDB, `deltalake` for Python, Daft.
//!
//! The vault gets ten backups of an emulated org, with changes, deletions and a new field between them, and is compacted. Each engine is
//! asked the same questions of some tables, of all their rows and of their records as of some backups (by the recipe of
//! docs/open.md), and so is `orgkeep sql`; the answers must be the same texts.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::vaulted::Vaulted;
use super::{Case, Outcome};
use crate::place::Place;
use crate::{Result, child, clients, say};

const LIMIT: Duration = Duration::from_secs(10 * 60);
const ENGINES: [&str; 3] = ["duckdb", "deltalake", "daft"];
const DAYS: u64 = 9;
/// As of which backups the records are asked for; none is all rows.
const POINTS: [Option<u64>; 5] = [None, Some(1), Some(2), Some(6), Some(DAYS + 1)];
const MEASURES: [(&str, &[&str]); 4] = [
    (
        "Account",
        &["COUNT(*)", "SUM(\"AnnualRevenue\")", SCORES, SCORE, "MIN(\"Name\")", "MAX(\"Name\")", "SUM(\"_backup\")"],
    ),
    ("Contact", &["COUNT(*)", "COUNT(DISTINCT \"AccountId\")", "MIN(\"Id\")", "MAX(\"LastName\")", "SUM(\"_backup\")"]),
    ("Task", &["COUNT(*)", "MIN(\"Id\")", "MAX(\"Id\")", "COUNT(\"WhoId\")", "SUM(\"_backup\")"]),
    ("User", &["COUNT(*)", "MAX(\"Username\")", "SUM(\"_backup\")"]),
];
/// Of the field that is made on the first day.
const SCORES: &str = "COUNT(\"Score__c\")";
const SCORE: &str = "SUM(\"Score__c\")";

/// Each under a name of its own, which some engines insist on.
fn named(measures: &[&str]) -> String {
    let named: Vec<String> = measures.iter().enumerate().map(|(index, it)| format!("{it} AS m{index}")).collect();
    named.join(", ")
}

pub fn cases() -> Vec<Case> {
    let case = |engine: &'static str| Case {
        title: format!("open: {engine} reads an unencrypted vault"),
        check: Box::new(move |place: &Place| {
            match clients::python(place).and_then(|_| clients::engine(place, engine)) {
                Ok(python) => Outcome::of(compare(place, engine, &python)),
                Err(why) => Outcome::Skipped(why),
            }
        }),
    };
    ENGINES.into_iter().map(case).collect()
}

fn compare(place: &Place, engine: &str, python: &Path) -> Result<()> {
    let folder = place.scratch(&format!("open-{engine}"))?;
    let vault = ten_days(place, &folder)?;
    let mut questions = Vec::new();
    let mut ours = Vec::new();
    for (object, measures) in MEASURES {
        for backup in POINTS {
            questions.push(json!({ "object": object, "backup": backup, "measures": named(measures) }));
            // As of the first backup the field is not there for Orgkeep; in the table it is, and null.
            let asked = named(measures);
            let asked = if backup == Some(1) { asked.replace("\"Score__c\"", "CAST(NULL AS INT)") } else { asked };
            let from = match backup {
                None => format!("{object}_history"),
                Some(backup) => format!("{object} AS OF {backup}"),
            };
            ours.push(answer(&vault, &format!("SELECT {asked} FROM {from}"))?);
        }
    }
    let list = folder.join("questions.json");
    std::fs::write(&list, Value::Array(questions.clone()).to_string()).map_err(|error| error.to_string())?;
    let mut reader = Command::new(python);
    reader.arg(place.root.join(format!("crates/vault/tests/open/with_{engine}.py")));
    reader.arg(vault.org_folder()).arg(&list).env("PYTHONDONTWRITEBYTECODE", "1");
    let theirs = child::kept(&mut reader, &folder.join("engine"), LIMIT)?.text();
    let theirs: Vec<Value> = theirs
        .lines()
        .map(|line| serde_json::from_str(line).map_err(|error| format!("{engine} wrote no JSON: {error}")))
        .collect::<Result<_>>()?;
    if theirs.len() != ours.len() {
        return Err(format!("{engine} answered {} of {} questions", theirs.len(), ours.len()));
    }
    for ((question, ours), theirs) in questions.iter().zip(&ours).zip(&theirs) {
        if ours != theirs {
            return Err(format!("{question}: orgkeep {ours}, {engine} {theirs}"));
        }
    }
    say(&format!("    {} answers are the same", ours.len()));
    Ok(())
}

/// Backups of ten days, merged.
fn ten_days(place: &Place, folder: &Path) -> Result<Vaulted> {
    let made = Vaulted::make(place, folder, "600", false)?;
    for day in 1..=DAYS {
        made.changed(&clients::python(place)?, "grow.py", &[&day.to_string()])?;
    }
    // Backups have merged files by themselves; this merges what may be left.
    made.orgkeep(&["compact", "acme"])?;
    compacted(&made, "Account")?;
    lacks(&made, "Score__c", 1)?;
    Ok(made)
}

fn compacted(made: &Vaulted, object: &str) -> Result<()> {
    let log = made.org_folder().join("objects").join(object).join("_delta_log");
    let commits = std::fs::read_dir(&log).map_err(|error| format!("{}: {error}", log.display()))?;
    let is_merge = |path: &Path| std::fs::read_to_string(path).is_ok_and(|text| text.contains("\"compacted\""));
    if commits.flatten().any(|entry| is_merge(&entry.path())) {
        return Ok(());
    }
    Err(format!("no files of {object} were merged, so the test would show less than it says"))
}

/// A field that accounts had not yet is refused as of that backup, with a word on where it is.
fn lacks(made: &Vaulted, field: &str, at: u64) -> Result<()> {
    const NOT_FOUND: i32 = 10;
    let query = format!("SELECT {field} FROM Account AS OF {at}");
    let said = made.orgkeep_with(&["sql", "acme", "--json", &query], &[NOT_FOUND])?;
    let words = [format!("Account has no field {field} at backup {at}"), "Account_history has every field".to_owned()];
    if words.iter().all(|words| said.contains(words)) { Ok(()) } else { Err(format!("a field of later: {said}")) }
}

/// The first row, all values as text.
fn answer(made: &Vaulted, query: &str) -> Result<Value> {
    let result = made.orgkeep(&["sql", "acme", query, "--json"])?;
    let line = result.lines().last().ok_or("orgkeep said nothing")?;
    let result: Value = serde_json::from_str(line).map_err(|error| format!("{line}: {error}"))?;
    let row = result["rows"][0].as_array().ok_or_else(|| format!("{query}: {result}"))?;
    Ok(row.iter().map(|value| if value.is_number() { value.to_string().into() } else { value.clone() }).collect())
}
