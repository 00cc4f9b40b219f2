// SPDX-License-Identifier: Apache-2.0
//! `orgkeep emulator` as a program of its own, or the emulator's example `serve`, on a free port, until it is dropped.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;

use crate::{Result, child};

pub struct Emulator {
    child: Child,
    /// Held open, so that the emulator never writes into a closed pipe.
    _stdout: BufReader<ChildStdout>,
    pub url: String,
    /// The first org, as the emulator announced it.
    pub org: Value,
}

impl Emulator {
    /// Starts it with these further arguments; what it says besides the first line goes to `log`.
    pub fn start(orgkeep: &Path, arguments: &[&str], log: &Path) -> Result<Emulator> {
        let mut command = Command::new(orgkeep);
        command.args(["emulator", "--json", "--port", "0"]).args(arguments).stdin(Stdio::null());
        Emulator::spawn(command, log)
    }

    /// Starts the example `serve`, which is built without the rest of the product, with these further arguments.
    pub fn serve(serve: &Path, arguments: &[&str], log: &Path) -> Result<Emulator> {
        let mut command = Command::new(serve);
        // It ends when its input does.
        command.arg("0").args(arguments).stdin(Stdio::piped());
        Emulator::spawn(command, log)
    }

    fn spawn(mut command: Command, log: &Path) -> Result<Emulator> {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(child::create(log)?)
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", command.get_program().display()))?;
        let mut stdout = BufReader::new(child.stdout.take().ok_or("the emulator has no output")?);
        let mut line = String::new();
        let read = stdout.read_line(&mut line).map_err(|error| error.to_string());
        match read.and_then(|_| announced(&line)) {
            Ok((url, org)) => Ok(Emulator { child, _stdout: stdout, url, org }),
            Err(error) => {
                child::stop(&mut child);
                let said = std::fs::read_to_string(log).unwrap_or_default();
                Err(format!("the emulator did not start: {error}\n{}", child::tail(&said)))
            }
        }
    }

    /// The number of the process.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// A text of the first org: `id`, `username`, `access_token`, …
    pub fn told(&self, key: &str) -> &str {
        self.org[key].as_str().unwrap_or_default()
    }

    /// Tells a program where the emulator is and how to get in: as JSON, and what others expect as variables.
    pub fn known_to<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        let mut told = self.org.clone();
        told["url"] = self.url.clone().into();
        command.env("EMULATOR", told.to_string()).env("SF_EMU", &self.url)
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        child::stop(&mut self.child);
    }
}

fn announced(line: &str) -> Result<(String, Value)> {
    let ready: Value = serde_json::from_str(line).map_err(|error| format!("it said {line:?}: {error}"))?;
    let url = ready["url"].as_str().ok_or_else(|| format!("it named no address: {line}"))?.to_owned();
    // `serve` has one org, and tells of it without a list.
    let org = ready.get("orgs").map_or(&ready, |orgs| &orgs[0]).clone();
    Ok((url, org))
}
