// SPDX-License-Identifier: Apache-2.0
//! A month of an org: a full backup and thirty incremental ones, one record in a hundred changed before each. After every
//! backup the rows are exported as CSV as well, and `restic` and `borg` keep those exports, each day as a snapshot of its own.
//!
//! What that vault then costs: its bytes beside the smaller of the two repositories, one record with all its versions beside
//! opening its table, a comparison of the last two backups beside DuckDB's full outer join of their Parquet exports, and how
//! much is written anew when one person is erased.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::backup::OBJECTS;
use super::figure::{COMPARE, ERASE, Figure, HISTORY, RECORD, median};
use super::org::Org;
use super::product::{Product, bytes_below};
use super::{DAYS, ROUNDS, Wanted, made, month, written};
use crate::place::Place;
use crate::{Result, child, clients, note};

const LIMIT: Duration = Duration::from_secs(60 * 60);
/// Both sides of the join are read from their files; the answer is how many rows differ.
const JOIN: &str = r#"
import json, sys, time
import duckdb
connection = duckdb.connect()
seconds, found = [], 0
for _ in range(3):
    started, found = time.monotonic(), 0
    for before, after in zip(sys.argv[1::2], sys.argv[2::2]):
        names = [row[0] for row in connection.execute("DESCRIBE SELECT * FROM read_parquet(?)", [before]).fetchall()]
        differs = " OR ".join(f'a."{name}" IS DISTINCT FROM b."{name}"' for name in names)
        found += connection.execute(
            f'SELECT count(*) FROM read_parquet(?) a FULL OUTER JOIN read_parquet(?) b ON a."Id" = b."Id" WHERE {differs}',
            [before, after],
        ).fetchone()[0]
    seconds.append(time.monotonic() - started)
print(json.dumps({"seconds": sorted(seconds)[1], "changes": found}))
"#;

pub fn measure(
    wanted: &Wanted,
    place: &Place,
    org: &Org<'_>,
    product: &Product,
    measure: &Path,
    folder: &Path,
) -> Result<Vec<Figure>> {
    let vault = product.connect("history", true)?;
    let exports = made(folder.join("exports"))?;
    let peers = if wanted.any(&[&HISTORY]) { Repository::all(folder)? } else { Vec::new() };
    month(org, folder, |day| {
        product.backup("history", org, &OBJECTS)?;
        if !peers.is_empty() {
            for object in OBJECTS {
                let fields = org.fields(object, |_| true)?.join(",");
                org.csv(&format!("SELECT {fields} FROM {object}"), &exports.join(format!("{object}.csv")))?;
            }
        }
        peers.iter().try_for_each(|peer| peer.keep(&exports, day))
    })?;
    let bytes = bytes_below(&vault)? as f64;
    let sizes: Vec<f64> = peers.iter().map(|peer| Ok(bytes_below(&peer.folder)? as f64)).collect::<Result<_>>()?;
    note(&format!("history: vault {bytes}, others {sizes:?} bytes"));
    let mut figures = vec![Figure { kind: &HISTORY, ours: bytes, other: sizes.into_iter().reduce(f64::min) }];

    // The library reads the encrypted vault with the key of the connector.
    let key = folder.join("history.key");
    let said = |arguments: &[&str]| -> Result<Value> {
        let mut command = Command::new(measure);
        command.arg(arguments[0]).arg(&vault).arg(&key).arg(org.emulator.told("id")).args(&arguments[1..]);
        let text = child::kept(&mut command, &folder.join("history-measured"), LIMIT)?.text();
        let said = serde_json::from_str(&text).map_err(|error| format!("no JSON: {error}: {text}"))?;
        note(&format!("{}: {said}", arguments[0]));
        Ok(said)
    };
    let seconds = |said: &Value, key: &str| said[key].as_f64().ok_or_else(|| format!("{key} was not measured"));
    let ids = folder.join("ids.csv");
    org.csv("SELECT Id FROM Contact ORDER BY Id LIMIT 1", &ids)?;
    let ids = std::fs::read_to_string(&ids).map_err(|error| error.to_string())?;
    let person = ids.lines().nth(1).ok_or("the org has no contact")?.trim_matches('"').to_owned();
    if wanted.any(&[&RECORD]) {
        let record = said(&["record", "Contact", &person])?;
        figures.push(Figure {
            kind: &RECORD,
            ours: seconds(&record, "record_seconds")?,
            other: Some(seconds(&record, "open_seconds")?),
        });
    }
    if wanted.any(&[&COMPARE]) {
        let (before, after) = (DAYS.to_string(), (DAYS + 1).to_string());
        let mut ours = (Vec::new(), 0);
        for _ in 0..ROUNDS {
            let compared = product.compare("history", &before, &after)?;
            let objects = compared.result["objects"].as_array().into_iter().flatten();
            let of = |object: &Value| {
                ["added", "removed", "changed", "touched"].map(|kind| object[kind].as_u64().unwrap_or(0))
            };
            let picked = objects.filter(|object| OBJECTS.iter().any(|name| object["object"] == **name));
            ours.0.push(compared.run.seconds);
            ours.1 = picked.flat_map(of).sum::<u64>();
        }
        let other = joined(place, product, folder, &[&before, &after])?;
        if let Some(other) = other.as_ref().filter(|other| other["changes"] != ours.1) {
            return Err(format!("the comparison found {}, DuckDB {}", ours.1, other["changes"]));
        }
        figures.push(Figure {
            kind: &COMPARE,
            ours: median(&ours.0).unwrap_or_default(),
            other: other.map(|other| seconds(&other, "seconds")).transpose()?,
        });
    }
    if wanted.any(&[&ERASE]) {
        let erased = product.erase("history", "Contact", &person)?.result;
        let written = erased["bytesWritten"].as_f64().ok_or_else(|| format!("no bytes written: {erased}"))?;
        figures.push(Figure { kind: &ERASE, ours: written, other: Some(bytes) });
    }
    Ok(figures)
}

/// DuckDB's join of what two backups export; `None`, with the reason said, where there is no DuckDB.
fn joined(place: &Place, product: &Product, folder: &Path, backups: &[&str; 2]) -> Result<Option<Value>> {
    let python = match clients::engine(place, "duckdb") {
        Ok(python) => python,
        Err(why) => {
            note(&format!("without DuckDB: {why}"));
            return Ok(None);
        }
    };
    let mut command = Command::new(python);
    command.arg(written(&folder.join("join.py"), JOIN)?);
    for object in OBJECTS {
        for at in backups {
            let file = folder.join(format!("{object}-{at}.parquet"));
            product.export("history", object, at, &file)?;
            command.arg(file);
        }
    }
    let text = child::kept(&mut command, &folder.join("duckdb"), LIMIT)?.text();
    Ok(Some(serde_json::from_str(&text).map_err(|error| format!("no JSON: {error}: {text}"))?))
}

/// A repository of another program for backups of files.
struct Repository {
    program: &'static str,
    folder: PathBuf,
}

impl Repository {
    /// Those whose programs this machine has, empty.
    fn all(folder: &Path) -> Result<Vec<Repository>> {
        let mut all = Vec::new();
        for program in ["restic", "borg"] {
            let asked = if program == "restic" { "version" } else { "--version" };
            if !clients::runs(Command::new(program).arg(asked)) {
                note(&format!("without {program}: it is not on this machine"));
                continue;
            }
            let repository = Repository { program, folder: folder.join(program) };
            repository.run(if program == "restic" {
                &["init"]
            } else {
                &["init", "--encryption", "repokey-blake2"]
            })?;
            all.push(repository);
        }
        Ok(all)
    }

    fn keep(&self, exports: &Path, day: u64) -> Result<()> {
        let exports = exports.to_str().ok_or("the target directory's name is not Unicode")?;
        let archive = format!("::day{day}");
        match self.program {
            "restic" => self.run(&["backup", exports]),
            _ => self.run(&["create", "--compression", "zstd,3", &archive, exports]),
        }
    }

    fn run(&self, arguments: &[&str]) -> Result<()> {
        let mut command = Command::new(self.program);
        command.args(arguments).env("RESTIC_REPOSITORY", &self.folder).env("RESTIC_PASSWORD", "measured");
        command.env("BORG_REPO", &self.folder).env("BORG_PASSPHRASE", "measured");
        command.env("RESTIC_CACHE_DIR", self.folder.with_extension("cache"));
        command.env("BORG_BASE_DIR", self.folder.with_extension("base"));
        child::kept(&mut command, &self.folder.with_extension("log"), LIMIT).map(|_| ())
    }
}
