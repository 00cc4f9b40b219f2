// SPDX-License-Identifier: Apache-2.0
//! The Salesforce CLI, unmodified, doing what comes nearest to a backup and a restore.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::child::{self, Run};
use crate::clients;
use crate::emulator::Emulator;
use crate::place::Place;
use crate::{Result, note};

const LIMIT: Duration = Duration::from_secs(60 * 60);
/// Minutes that `sf` itself waits for a job.
const WAIT: &str = "50";

pub struct Peer {
    pub place: Place,
    path: Vec<PathBuf>,
    /// Its home.
    pub folder: PathBuf,
}

impl Peer {
    /// Signs in to the emulator. None, with the reason said, where the CLI cannot be had.
    pub fn new(place: &Place, emulator: &Emulator, folder: &Path) -> Result<Option<Peer>> {
        let path = match clients::salesforce_cli(place) {
            Ok(path) => path.to_vec(),
            Err(why) => {
                note(&format!("without sf: {why}"));
                return Ok(None);
            }
        };
        let peer = Peer { place: place.clone(), path, folder: folder.join("sf") };
        std::fs::create_dir_all(&peer.folder).map_err(|error| format!("{}: {error}", peer.folder.display()))?;
        let mut login = peer.command(&["org", "login", "access-token", "--no-prompt", "--alias", "emu"]);
        login.args(["--instance-url", &emulator.url]).env("SF_ACCESS_TOKEN", emulator.told("access_token"));
        peer.run(login)?;
        Ok(Some(peer))
    }

    /// `sf data export bulk` of a query into a CSV file.
    pub fn export(&self, soql: &str, file: &Path) -> Result<Run> {
        let mut command = self.command(&["data", "export", "bulk", "--target-org", "emu", "--wait", WAIT]);
        command.args(["--result-format", "csv", "--query", soql, "--output-file"]).arg(file);
        self.run(command)
    }

    /// `sf data import bulk` of a CSV file.
    pub fn import(&self, object: &str, file: &Path) -> Result<Run> {
        let mut command = self.command(&["data", "import", "bulk", "--target-org", "emu", "--wait", WAIT]);
        command.args(["--line-ending", "LF", "--sobject", object, "--file"]).arg(file);
        self.run(command)
    }

    pub fn program(&self) -> PathBuf {
        self.path[1].join("sf")
    }

    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = self.command_of(&self.program());
        command.args(words);
        command
    }

    /// Another program that finds `sf` and whatever lies beside itself, at home where `sf` is.
    pub fn command_of(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        clients::tamed(&mut command, &self.place, &self.folder);
        let path = self.path.iter().cloned().chain(program.parent().map(Path::to_owned));
        command.current_dir(&self.folder).env("PATH", clients::path_with(path));
        command
    }

    /// What the names of files begin with that keep what a program said.
    pub fn log(&self) -> PathBuf {
        self.folder.join("sf")
    }

    fn run(&self, mut command: Command) -> Result<Run> {
        child::kept(&mut command, &self.log(), LIMIT)
    }
}
