// SPDX-License-Identifier: Apache-2.0
//! Programs that extract records with their relations, unmodified: sfdmu, the data mover plugin of the Salesforce CLI, into CSV files, and
//! CumulusCI's `extract_dataset` into a database of SQLite. Both are asked for all fields of the objects that hold the rows, and
//! both are counted after: one that does not bring every row is left out, with what it said.
//!
//! sfdmu asks for the names behind each lookup besides; it cannot be told not to. CumulusCI is told to keep the org's Ids, which saves it
//! from exchanging them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::backup::OBJECTS;
use super::org::Org;
use super::peer::Peer;
use super::{made, written};
use crate::{Result, child, clients, note};

const LIMIT: Duration = Duration::from_secs(60 * 60);
/// How many rows each table of a database has.
const COUNT: &str = "import sqlite3, sys; database = sqlite3.connect(sys.argv[1]); \
                     print(*(database.execute(f'SELECT count(*) FROM \"{name}\"').fetchone()[0] for name in sys.argv[2:]))";

/// One such program, ready to run.
pub struct Extract<'a> {
    name: &'static str,
    peer: &'a Peer,
    org: &'a Org<'a>,
    program: PathBuf,
    arguments: Vec<String>,
    /// Where it runs, and where its CSV files come to be.
    folder: PathBuf,
    /// What it writes instead of them.
    database: Option<PathBuf>,
}

impl<'a> Extract<'a> {
    /// Those that can be had on this machine.
    pub fn all(peer: &'a Peer, org: &'a Org<'a>) -> Result<Vec<Extract<'a>>> {
        let fields: Vec<Vec<String>> =
            OBJECTS.iter().map(|object| org.fields(object, |_| true)).collect::<Result<_>>()?;
        let mut all = Vec::new();
        for (name, made) in [("sfdmu", sfdmu(peer, org, &fields)), ("CumulusCI", cumulusci(peer, org, &fields))] {
            match made {
                Ok(extract) => all.push(extract),
                Err(why) => note(&format!("without {name}: {why}")),
            }
        }
        Ok(all)
    }

    /// Runs it once.
    fn seconds(&self) -> Result<f64> {
        let written = match &self.database {
            Some(database) => vec![database.clone()],
            None => OBJECTS.map(|object| self.csv(object)).to_vec(),
        };
        // Neither writes over what an earlier run wrote.
        for file in written.iter().filter(|file| file.exists()) {
            std::fs::remove_file(file).map_err(|error| format!("{}: {error}", file.display()))?;
        }
        let mut command = foreign(self.peer, self.org, &self.program);
        command.args(&self.arguments).current_dir(&self.folder);
        let seconds = child::kept(&mut command, &self.peer.log(), LIMIT)?.seconds;
        let there = |object: &&str| self.org.count(object, "Id != null");
        let (there, rows) = (OBJECTS.iter().map(there).collect::<Result<Vec<_>>>()?, self.rows()?);
        if rows == there { Ok(seconds) } else { Err(format!("the org has {there:?} rows, it brought {rows:?}")) }
    }

    /// How many rows of each object it has written.
    fn rows(&self) -> Result<Vec<u64>> {
        let Some(database) = &self.database else {
            return OBJECTS.iter().map(|object| records(&self.csv(object))).collect();
        };
        let mut count = Command::new(self.program.with_file_name("python"));
        let said = child::kept(count.args(["-c", COUNT]).arg(database).args(OBJECTS), &self.peer.log(), LIMIT)?.text();
        said.split_whitespace().map(|rows| rows.parse().map_err(|error| format!("{rows}: {error}"))).collect()
    }

    fn csv(&self, object: &str) -> PathBuf {
        self.folder.join(format!("{object}.csv"))
    }
}

/// Seconds of the fastest. One that fails is left out from then on.
pub fn fastest(extracts: &mut Vec<Extract<'_>>) -> Option<f64> {
    let mut all = Vec::new();
    extracts.retain(|extract| match extract.seconds() {
        Ok(seconds) => {
            note(&format!("         {} {seconds:.2} s", extract.name));
            all.push(seconds);
            true
        }
        Err(why) => {
            note(&format!("without {}: {why}", extract.name));
            false
        }
    });
    all.into_iter().reduce(f64::min)
}

fn sfdmu<'a>(peer: &'a Peer, org: &'a Org<'a>, fields: &[Vec<String>]) -> Result<Extract<'a>> {
    let plugin = peer.place.clients().join("node/node_modules/sfdmu");
    child::kept(peer.command(&["plugins", "link", "--no-install"]).arg(plugin), &peer.log(), LIMIT)?;
    let folder = made(peer.folder.join("sfdmu"))?;
    let object = |(object, fields): (&&str, &Vec<String>)| json!({"query": format!("SELECT {} FROM {object}", fields.join(",")), "operation": "Readonly", "externalId": "Id"});
    let objects: Vec<Value> = OBJECTS.iter().zip(fields).map(object).collect();
    let (url, token) = (&org.emulator.url, org.emulator.told("access_token"));
    let orgs = [json!({"name": "emu", "instanceUrl": url, "accessToken": token})];
    written(&folder.join("export.json"), &json!({"orgs": orgs, "objects": objects}).to_string())?;
    let words = ["sfdmu", "run", "-s", "emu", "-u", "csvfile", "-p", ".", "--noprompt", "--nowarnings", "--quiet"];
    let arguments = words.map(str::to_owned).to_vec();
    Ok(Extract { name: "sfdmu", peer, org, program: peer.program(), arguments, folder, database: None })
}

fn cumulusci<'a>(peer: &'a Peer, org: &'a Org<'a>, fields: &[Vec<String>]) -> Result<Extract<'a>> {
    let program = clients::cumulusci(&peer.place)?.with_file_name("cci");
    // When it last looked for a newer one of itself: far ahead, so that it does not look.
    written(&made(peer.folder.join(".cumulusci"))?.join("cumulus_timestamp"), "99999999999")?;
    let folder = made(peer.folder.join("cumulusci"))?;
    // JSON is YAML.
    let package = json!({"name": "bench", "api_version": "60.0"});
    let project = json!({"name": "bench", "package": package, "git": {"default_branch": "main"}});
    let project = json!({"minimum_cumulusci_version": "3.0.0", "project": project});
    written(&folder.join("cumulusci.yml"), &project.to_string())?;
    let step = |(object, fields): (&&str, &Vec<String>)| {
        ((*object).to_owned(), json!({"sf_object": object, "api": "bulk", "fields": fields}))
    };
    let mapping: Map<String, Value> = OBJECTS.iter().zip(fields).map(step).collect();
    written(&folder.join("mapping.yml"), &Value::from(mapping).to_string())?;
    // It wants a repository with a commit and an origin around it.
    let git = |words: &[&str]| {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=bench", "-c", "user.email=bench@example.com"]).args(words).current_dir(&folder);
        child::kept(&mut git, &peer.log(), LIMIT)
    };
    git(&["init", "--quiet", "--initial-branch=main"])?;
    git(&["commit", "--quiet", "--allow-empty", "--message=bench"])?;
    git(&["remote", "add", "origin", "https://github.com/example/bench"])?;
    let mut import = foreign(peer, org, &program);
    child::kept(import.args(["org", "import", "emu", "dev"]).current_dir(&folder), &peer.log(), LIMIT)?;
    let database = folder.join("extract.db");
    let words = ["task", "run", "extract_dataset", "--org", "dev", "--mapping", "mapping.yml", "--database_url"];
    let mut arguments = words.map(str::to_owned).to_vec();
    arguments.push(format!("sqlite:///{}", database.display()));
    Ok(Extract { name: "CumulusCI", peer, org, program, arguments, folder, database: Some(database) })
}

/// A program beside `sf`, with what one needs that only knows Salesforce's own hosts, and CumulusCI to read the login that `sf` keeps.
fn foreign(peer: &Peer, org: &Org<'_>, program: &Path) -> Command {
    let mut command = peer.command_of(program);
    org.emulator.known_to(&mut command);
    command.env("PYTHONPATH", peer.place.root.join("xtask/clients")).env("PYTHONDONTWRITEBYTECODE", "1");
    command.env("SF_TEMP_SHOW_SECRETS", "true").env("CUMULUSCI_KEY", "0123456789abcdef");
    command
}

/// The records of a CSV file: lines that do not begin inside of quotes, without the first.
fn records(csv: &Path) -> Result<u64> {
    let text = std::fs::read(csv).map_err(|error| format!("{}: {error}", csv.display()))?;
    let (mut quoted, mut lines) = (false, 0_u64);
    for byte in text {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' if !quoted => lines += 1,
            _ => {}
        }
    }
    Ok(lines.saturating_sub(1))
}
