// SPDX-License-Identifier: Apache-2.0
//! Where the demo keeps its vault: a folder that vanishes, or with `--keep` one that stays, with a configuration that
//! the printed commands use.

use super::bad_day::Damage;
use crate::config::{Config, Connector, Login, Place as SecretPlace, replace};
use crate::environment::absolute;
use crate::failure::{Failure, Kind};
use orgkeep_emulator::Credentials;
use orgkeep_salesforce::{Org, Organization, Secret};
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use url::Url;

pub struct Place {
    folder: PathBuf,
    /// Removes the folder at the end.
    _temporary: Option<TempDir>,
}

impl Place {
    pub fn new(keep: Option<&Path>) -> Result<Place, Failure> {
        let Some(folder) = keep else {
            let temporary = tempfile::Builder::new().prefix("orgkeep-demo-").tempdir();
            let temporary =
                temporary.map_err(|error| Failure::caused(Kind::Invalid, "no folder for the demo's vault", &error))?;
            return Ok(Place { folder: temporary.path().to_owned(), _temporary: Some(temporary) });
        };
        let folder = absolute(folder);
        let cannot = |error: std::io::Error| {
            Failure::caused(Kind::Invalid, format!("could not use {}", folder.display()), &error)
        };
        std::fs::create_dir_all(&folder).map_err(cannot)?;
        if std::fs::read_dir(&folder).map_err(cannot)?.next().is_some() {
            return Err(Failure::invalid(format!("{} is not empty", folder.display())).hint("give --keep a new folder"));
        }
        Ok(Place { folder, _temporary: None })
    }

    pub fn vault(&self) -> PathBuf {
        self.folder.join("vault")
    }

    pub fn kept(&self) -> Option<&Path> {
        if self._temporary.is_none() { Some(&self.folder) } else { None }
    }

    /// A passphrase that protects nothing but an emulated org's data, in a file for the commands that follow.
    pub fn passphrase(&self) -> Result<Secret, Failure> {
        let passphrase = Secret::from("correct horse battery staple");
        self.write("passphrase", passphrase.expose())?;
        Ok(passphrase)
    }

    pub fn write_connector(
        &self,
        name: &str,
        url: &Url,
        org: &Org,
        organization: &Organization,
        credentials: &Credentials,
    ) -> Result<(), Failure> {
        self.write("client-secret", &credentials.client_secret)?;
        let connector = Connector {
            vault: self.vault().display().to_string(),
            passphrase_file: Some(self.folder.join("passphrase")),
            recovery_key_file: None,
            url: url.clone(),
            org_id: org.identity().org_id.clone(),
            org_name: organization.name.clone(),
            username: org.identity().username.clone(),
            api_share: None,
            file_budget_bytes: None,
            reconcile_days: None,
            login: Login::ClientCredentials {
                client_id: credentials.client_id.clone(),
                client_secret: SecretPlace::File(self.folder.join("client-secret")),
            },
        };
        Config::load(&self.config())?.put(name, connector)
    }

    /// Stored bytes of everything in the vault.
    pub fn vault_bytes(&self) -> u64 {
        fn below(folder: &Path) -> u64 {
            let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
            entries
                .flatten()
                .map(|entry| match entry.metadata() {
                    Ok(metadata) if metadata.is_dir() => below(&entry.path()),
                    Ok(metadata) => metadata.len(),
                    Err(_) => 0,
                })
                .sum()
        }
        below(&self.vault())
    }

    /// Commands to type; nothing for a folder that vanishes.
    pub fn look_around(&self, name: &str, day: &Damage) -> Vec<String> {
        if self.kept().is_none() {
            return Vec::new();
        }
        let config = self.config().display().to_string();
        let command = |words: String| format!("    orgkeep --config {config} {words}");
        let mut lines = vec![
            format!(
                "\nThe vault stays in {}. The org is gone with this program; what was backed up is not:\n",
                self.folder.display()
            ),
            command(format!("backups {name}")),
            command(format!("ls {name}")),
            command(format!("ls {name} Account --limit 5")),
        ];
        if let Some(id) = day.overwritten.last() {
            lines.push(command(format!("show {name} Contact {id} --history")));
        }
        lines.push(command(format!("compare {name} --from 1 --to 2")));
        lines.push(command(format!("export {name} Account --at 1 --format csv")));
        lines.push(command(format!("check {name}")));
        lines
    }

    fn config(&self) -> PathBuf {
        self.folder.join("config.toml")
    }

    fn write(&self, name: &str, secret: &str) -> Result<(), Failure> {
        let path = self.folder.join(name);
        replace(&path, format!("{secret}\n").as_bytes(), true)
            .map_err(|error| Failure::caused(Kind::Invalid, format!("could not write {}", path.display()), &error))
    }
}
