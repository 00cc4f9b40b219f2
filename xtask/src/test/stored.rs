// SPDX-License-Identifier: Apache-2.0
//! Vaults in storage over a network: what has to work in each kind of it.
//!
//! The command line makes a vault, backs an emulated org up into it, checks every byte, copies it to a folder and back to another
//! place, and attaches and exports the copy. Two processes that make a vault in the same place, and two that back up the same org
//! at once, race: of each pair exactly one may win where both cannot.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::emulator::Emulator;
use crate::place::Place;
use crate::{Result, child, say};

const LIMIT: Duration = Duration::from_secs(10 * 60);

/// An emulated org, and a folder from which the command line is used.
pub struct World {
    orgkeep: PathBuf,
    pub folder: PathBuf,
    /// What tells the program of the storage.
    variables: Vec<(&'static str, String)>,
    emulator: Emulator,
}

impl World {
    pub fn new(place: &Place, folder: &Path, variables: Vec<(&'static str, String)>) -> Result<World> {
        let emulator = Emulator::start(&place.orgkeep("debug"), &["--records", "1000"], &folder.join("emulator.log"))?;
        for (name, text) in [("passphrase", "correct horse"), ("secret", emulator.told("client_secret"))] {
            std::fs::write(folder.join(name), text).map_err(|error| error.to_string())?;
        }
        Ok(World { orgkeep: place.orgkeep("debug"), folder: folder.to_owned(), variables, emulator })
    }

    /// Makes a vault and connects the org to it under a name.
    pub fn connect(&self, name: &str, vault: &str) -> Result<()> {
        self.orgkeep("config.toml", &format!("init {vault} --passphrase-file passphrase"))?;
        let (url, client) = (&self.emulator.url, self.emulator.told("client_id"));
        let login = format!("--url {url} --client-id {client} --client-secret-file secret");
        let line = format!("connect {name} --vault {vault} --passphrase-file passphrase {login}");
        self.orgkeep("config.toml", &line).map(drop)
    }

    pub fn command(&self, config: &str, line: &str) -> Command {
        let mut command = Command::new(&self.orgkeep);
        command.current_dir(&self.folder).arg("--config").arg(self.folder.join(config)).args(line.split(' '));
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    pub fn orgkeep(&self, config: &str, line: &str) -> Result<String> {
        child::kept(&mut self.command(config, line), &self.folder.join("orgkeep"), LIMIT).map(|run| run.text())
    }

    /// The Id of a contact in a vault.
    pub fn contact(&self, name: &str) -> Result<String> {
        let listed = self.orgkeep("config.toml", &format!("export {name} Contact --at 1 --format csv"))?;
        let id =
            listed.lines().nth(1).and_then(|line| line.split(',').next()).map(|id| id.trim_matches('"').to_owned());
        id.filter(|id| id.starts_with("003")).ok_or_else(|| "the org has no contact".to_owned())
    }

    /// Runs a command line twice at the same moment; the two exit codes.
    fn race(&self, line: &str) -> Result<[i32; 2]> {
        let start = |number: u8| {
            let mut command = self.command("config.toml", line);
            let log = child::create(&self.folder.join(format!("race-{number}.log")))?;
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
            command.spawn().map_err(|error| error.to_string())
        };
        let mut both = [start(1)?, start(2)?];
        let mut codes = [0; 2];
        for (child, code) in both.iter_mut().zip(&mut codes) {
            *code = child.wait().map_err(|error| error.to_string())?.code().unwrap_or(-1);
        }
        codes.sort_unstable();
        Ok(codes)
    }
}

/// Vaults below an address of the storage, such as `s3://vaults`.
pub fn story(world: &World, address: &str) -> Result<()> {
    let at = |name: &str| format!("{address}/{name}");
    let expect = |what: &str, found: [i32; 2], allowed: &[[i32; 2]]| {
        if allowed.contains(&found) { Ok(()) } else { Err(format!("{what} at once ended with {found:?}")) }
    };
    let codes = world.race(&format!("init {} --passphrase-file passphrase", at("raced")))?;
    expect("two vaults made in one place", codes, &[[0, 1], [0, 11]])?;
    world.connect("acme", &at("acme"))?;
    // Both may come after each other; at the same time, one is told that the other writes.
    let codes = world.race("backup acme")?;
    expect("two backups", codes, &[[0, 11], [0, 0], [0, 3], [3, 3], [3, 11]])?;
    world.orgkeep("config.toml", "backup acme")?;
    world.orgkeep("config.toml", "check acme --read-data")?;
    let whole = world.orgkeep("config.toml", "export acme Account --at 1 --format csv")?;
    say(&format!("    {} accounts in a bucket", whole.lines().count() - 1));
    // Out of the bucket, and into another; both are the vault.
    world.orgkeep("config.toml", &format!("copy {} copy", at("acme")))?;
    world.orgkeep("config.toml", &format!("copy copy {}", at("copy")))?;
    world.orgkeep("config.toml", "backup acme")?;
    world.orgkeep("config.toml", &format!("copy {} {} --mirror", at("acme"), at("copy")))?;
    let attached =
        world.orgkeep("other.toml", &format!("attach {} --passphrase-file passphrase --json", at("copy")))?;
    let last: serde_json::Value =
        attached.lines().last().and_then(|line| serde_json::from_str(line).ok()).unwrap_or_default();
    let name = last["attached"][0]["connector"].as_str().ok_or("nothing was attached")?.to_owned();
    world.orgkeep("other.toml", &format!("check {name} --read-data"))?;
    let copied = world.orgkeep("other.toml", &format!("export {name} Account --at 1 --format csv"))?;
    if copied != whole {
        return Err("the copy of the vault exports other accounts".to_owned());
    }
    Ok(())
}
