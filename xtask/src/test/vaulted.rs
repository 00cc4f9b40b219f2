// SPDX-License-Identifier: Apache-2.0
//! A vault with backups of an emulated org, made by the command line, for programs that read it without Orgkeep.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::emulator::Emulator;
use crate::place::Place;
use crate::{Result, child};

const LIMIT: Duration = Duration::from_secs(10 * 60);

/// The vault, its connector `acme`, and the org while this lives.
pub struct Vaulted {
    emulator: Emulator,
    orgkeep: PathBuf,
    /// What changes the org, and what it needs to be found.
    clients: PathBuf,
    folder: PathBuf,
    pub vault: PathBuf,
    /// Written in an encrypted vault's case only.
    pub passphrase_file: PathBuf,
    /// The org's Id, as the vault has it.
    pub org: String,
}

impl Vaulted {
    /// With a first backup of an org of so many records.
    pub fn make(place: &Place, folder: &Path, records: &str, encrypted: bool) -> Result<Vaulted> {
        let orgkeep = place.orgkeep("debug");
        let emulator = Emulator::start(&orgkeep, &["--records", records], &folder.join("emulator.log"))?;
        let org = emulator.told("id").to_owned();
        let (vault, passphrase_file) = (folder.join("vault"), folder.join("passphrase"));
        let (clients, folder) = (place.root.join("xtask/clients"), folder.to_owned());
        let made = Vaulted { emulator, orgkeep, clients, folder, vault, passphrase_file, org };
        let secret = made.folder.join("secret");
        write(&secret, made.emulator.told("client_secret"))?;
        let mut protection = vec!["--unencrypted"];
        let mut opening = Vec::new();
        if encrypted {
            write(&made.passphrase_file, "correct horse battery staple")?;
            opening = vec!["--passphrase-file", text(&made.passphrase_file)?];
            protection = opening.clone();
        }
        let vault = text(&made.vault)?;
        made.orgkeep(&[&["init", vault], protection.as_slice()].concat())?;
        let (id, secret) = (made.emulator.told("client_id"), text(&secret)?);
        let login = ["--url", &made.emulator.url, "--client-id", id, "--client-secret-file", secret];
        made.orgkeep(&[&["connect", "acme", "--vault", vault], opening.as_slice(), login.as_slice()].concat())?;
        made.orgkeep(&["backup", "acme"])?;
        Ok(made)
    }

    /// Lets a script of `xtask/clients` change the org, and backs it up again.
    pub fn changed(&self, python: &Path, script: &str, arguments: &[&str]) -> Result<()> {
        let mut change = Command::new(python);
        self.emulator.known_to(&mut change).env("PYTHONPATH", &self.clients);
        change.arg(self.clients.join(script)).args(arguments);
        child::kept(&mut change, &self.folder.join("change"), LIMIT)?;
        self.orgkeep(&["backup", "acme"]).map(drop)
    }

    /// What a command says.
    pub fn orgkeep(&self, arguments: &[&str]) -> Result<String> {
        self.orgkeep_with(arguments, &[])
    }

    /// The same, where these exit codes are no failure either.
    pub fn orgkeep_with(&self, arguments: &[&str], fine: &[i32]) -> Result<String> {
        let mut command = Command::new(&self.orgkeep);
        command.arg("--config").arg(self.folder.join("config.toml")).args(arguments);
        Ok(child::kept_with(&mut command, &self.folder.join("orgkeep"), LIMIT, fine)?.text())
    }

    /// The org's folder in the vault.
    pub fn org_folder(&self) -> PathBuf {
        self.vault.join("orgs").join(&self.org)
    }
}

pub fn text(path: &Path) -> Result<&str> {
    path.to_str().ok_or_else(|| format!("{} is not Unicode", path.display()))
}

pub fn write(path: &Path, content: &str) -> Result<()> {
    std::fs::write(path, content).map_err(|error| format!("cannot write {}: {error}", path.display()))
}
