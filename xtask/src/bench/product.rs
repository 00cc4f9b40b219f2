// SPDX-License-Identifier: Apache-2.0
//! Orgkeep as a user runs it: the release program, a configuration and vaults of its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::org::Org;
use crate::child::{self, Run};
use crate::place::Place;
use crate::{Result, emulator::Emulator};

const LIMIT: Duration = Duration::from_secs(60 * 60);

pub struct Product {
    program: PathBuf,
    folder: PathBuf,
    url: String,
    client_id: String,
}

/// How a command ran and the result it reported.
pub struct Done {
    pub run: Run,
    pub result: Value,
}

impl Done {
    pub fn peak_megabytes(&self) -> Result<f64> {
        Ok(self.run.peak_bytes.ok_or("peak memory needs /proc")? as f64 / 1_000_000.0)
    }
}

impl Product {
    pub fn new(place: &Place, profile: &str, emulator: &Emulator, folder: &Path) -> Result<Product> {
        let product = Product {
            program: place.orgkeep(profile),
            folder: folder.to_owned(),
            url: emulator.url.clone(),
            client_id: emulator.told("client_id").to_owned(),
        };
        for (name, secret) in [("passphrase", "measured"), ("secret", emulator.told("client_secret"))] {
            std::fs::write(product.folder.join(name), secret)
                .map_err(|error| format!("cannot write {name}: {error}"))?;
        }
        Ok(product)
    }

    /// A connector with an empty vault of its own, both of this name. Gives the vault's folder.
    pub fn connect(&self, name: &str, encrypted: bool) -> Result<PathBuf> {
        let vault = self.folder.join(name);
        let mut init = self.command("init");
        init.arg(&vault);
        let mut connect = self.command("connect");
        connect.arg(name).arg("--vault").arg(&vault).args(["--url", &self.url, "--client-id", &self.client_id]);
        connect.arg("--client-secret-file").arg(self.folder.join("secret"));
        if encrypted {
            let passphrase = self.folder.join("passphrase");
            let key = self.folder.join(format!("{name}.key"));
            init.arg("--passphrase-file").arg(&passphrase);
            self.run(init)?;
            // As the documentation advises for schedules.
            let mut keys = self.command("keys");
            keys.arg(&vault).args(["add", "--recovery", "--label", "schedule", "--into"]).arg(&key);
            keys.arg("--passphrase-file").arg(&passphrase);
            self.run(keys)?;
            connect.arg("--recovery-key-file").arg(&key);
        } else {
            init.arg("--unencrypted");
            self.run(init)?;
        }
        self.run(connect)?;
        Ok(vault)
    }

    /// A backup that holds everything that the org has of these objects.
    pub fn backup(&self, name: &str, org: &Org<'_>, objects: &[&str]) -> Result<Done> {
        let mut command = self.command("backup");
        command.arg(name);
        let done = self.run(command)?;
        for object in objects {
            let lines = done.result["objects"].as_array().into_iter().flatten();
            let line = lines.into_iter().find(|line| line["object"] == **object);
            let held = line.and_then(|line| line["rows_held"].as_u64());
            let there = org.count(object, "Id != null")?;
            if held != Some(there) {
                return Err(format!("{name}: the org has {there} rows of {object}, the backup {held:?}"));
            }
        }
        Ok(done)
    }

    /// A backup that is killed when it exists, before it merges what has become many files. `manifest` is what it is then told by.
    pub fn backup_cut(&self, name: &str, manifest: &Path) -> Result<()> {
        let mut command = self.command("backup");
        command.arg(name);
        child::until(&mut command, &self.folder.join("orgkeep"), LIMIT, || manifest.exists())
    }

    /// Merges the small files of a vault.
    pub fn compact(&self, name: &str) -> Result<Done> {
        let mut command = self.command("compact");
        command.arg(name);
        self.run(command)
    }

    /// Reads every byte of a vault.
    pub fn check(&self, name: &str) -> Result<Done> {
        let mut command = self.command("check");
        command.args([name, "--read-data"]);
        self.run(command)
    }

    /// Puts back the records of an object that satisfied a condition, with all that hangs on them.
    pub fn restore(&self, name: &str, object: &str, condition: &str) -> Result<Done> {
        let mut command = self.command("restore");
        command.args([name, "--at", "1", "--object", object, "--where", condition, "--related", "--yes"]);
        self.run(command)
    }

    /// Erases a record and what hangs on it.
    pub fn erase(&self, name: &str, object: &str, id: &str) -> Result<Done> {
        let mut command = self.command("erase");
        command.args([name, "--object", object, "--id", id, "--yes"]);
        self.run(command)
    }

    /// What differs between two backups, in all objects.
    pub fn compare(&self, name: &str, from: &str, to: &str) -> Result<Done> {
        let mut command = self.command("compare");
        command.args([name, "--from", from, "--to", to]);
        self.run(command)
    }

    /// Writes the rows of an object at a backup as Parquet.
    pub fn export(&self, name: &str, object: &str, at: &str, file: &Path) -> Result<Done> {
        let mut command = self.command("export");
        command.args([name, object, "--at", at, "--format", "parquet", "--output"]).arg(file);
        self.run(command)
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--config").arg(self.folder.join("config.toml")).args(["--json", name]);
        command
    }

    fn run(&self, mut command: Command) -> Result<Done> {
        let run = child::kept(&mut command, &self.folder.join("orgkeep"), LIMIT)?;
        let text = run.text();
        let last = text.lines().last().ok_or("orgkeep --json said nothing")?;
        let result = serde_json::from_str(last).map_err(|error| format!("no result: {error}: {last}"))?;
        Ok(Done { run, result })
    }
}

/// Bytes of all files below a folder.
pub fn bytes_below(folder: &Path) -> Result<u64> {
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut total = 0;
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let about = entry.metadata().map_err(failed)?;
        total += if about.is_dir() { bytes_below(&entry.path())? } else { about.len() };
    }
    Ok(total)
}
