// SPDX-License-Identifier: Apache-2.0
//! Programs that other people wrote, against `orgkeep emulator` over a socket. What one of them cannot parse is wrong, whatever
//! our own tests say.
//!
//! Every script in `crates/emulator/tests/clients` is a case: `.py` runs under Python with simple-salesforce, zeep, grpcio and avro, `.mjs` under Node
//! with the Salesforce CLI (`sf`) in its `PATH`, `browser.mjs` with Playwright, `cumulusci.py` with CumulusCI and `sf`. Each gets a fresh emulator, an empty home and folder, and in the variable `EMULATOR` what the
//! emulator announced of its first org (`url`, `username`, `password`, `access_token`, `client_id`, `client_secret`), as JSON. `FIXTURES` is
//! the folder of recordings beside the workspace, which may be absent. A script fails by its exit code; with 77 it says, in its last line, why it
//! cannot be run here. None can reach another machine.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::{Case, Outcome};
use crate::emulator::Emulator;
use crate::place::Place;
use crate::{Result, child, clients};

const LIMIT: Duration = Duration::from_secs(10 * 60);
const RECORDS: &str = "2500";
/// The exit code of a script that cannot be run here, as automake has it.
const SKIPPED: i32 = 77;

pub fn cases(place: &Place) -> Vec<Case> {
    let folder = place.root.join("crates/emulator/tests/clients");
    let mut scripts: Vec<PathBuf> = std::fs::read_dir(&folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| kind(path).is_some() && !name(path).starts_with('_') && name(path) != "sitecustomize.py")
        .collect();
    scripts.sort();
    if scripts.is_empty() {
        let why = format!("there is no script in {}", folder.display());
        return vec![Case { title: "foreign clients".to_owned(), check: Box::new(move |_| Outcome::of(Err(why))) }];
    }
    let case = |script: PathBuf| Case {
        title: format!("foreign client: {}", name(&script)),
        check: Box::new(move |place: &Place| check(place, &script)),
    };
    scripts.into_iter().map(case).collect()
}

#[derive(Clone, Copy)]
enum Kind {
    Python,
    CumulusCi,
    Node,
    /// Node with Playwright, for the browser of this machine.
    Browser,
}

fn kind(script: &Path) -> Option<Kind> {
    match script.extension()?.to_str()? {
        _ if name(script) == "cumulusci.py" => Some(Kind::CumulusCi),
        _ if name(script) == "browser.mjs" => Some(Kind::Browser),
        "py" => Some(Kind::Python),
        "mjs" => Some(Kind::Node),
        _ => None,
    }
}

fn name(script: &Path) -> &str {
    script.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

fn check(place: &Place, script: &Path) -> Outcome {
    let Some(kind) = kind(script) else { return Outcome::Skipped("nobody knows how to run it".to_owned()) };
    let mut modules = place.clients().join("node");
    let interpreter = match kind {
        Kind::Python => clients::python(place).map(|python| (python, Vec::new())),
        Kind::CumulusCi => clients::cumulusci(place).and_then(|python| {
            let beside = python.parent().map(Path::to_owned);
            Ok((python, clients::salesforce_cli(place)?.into_iter().chain(beside).collect()))
        }),
        Kind::Node => clients::salesforce_cli(place).map(|path| (path[0].join("node"), path.to_vec())),
        Kind::Browser => clients::playwright(place).and_then(|folder| {
            modules = folder;
            clients::salesforce_cli(place).map(|path| (path[0].join("node"), path.to_vec()))
        }),
    };
    match interpreter {
        Ok((interpreter, path)) => match run(place, script, &interpreter, path, &modules) {
            Ok(Some(why)) => Outcome::Skipped(why),
            ran => Outcome::of(ran.map(drop)),
        },
        Err(why) => Outcome::Skipped(why),
    }
}

/// Why it was skipped, when it was.
fn run(place: &Place, script: &Path, interpreter: &Path, path: Vec<PathBuf>, modules: &Path) -> Result<Option<String>> {
    let folder = place.scratch(&format!("client-{}", name(script)))?;
    let home = folder.join("home");
    std::fs::create_dir_all(&home).map_err(|error| format!("cannot make {}: {error}", home.display()))?;
    let log = folder.join("emulator.log");
    let emulator = Emulator::start(&place.orgkeep("debug"), &["--records", RECORDS], &log)?;
    let mut command = Command::new(interpreter);
    clients::tamed(&mut command, place, &home);
    emulator.known_to(&mut command);
    command
        .current_dir(&home)
        .env("PATH", clients::path_with(path))
        .env("NODE_FOLDER", modules)
        .env("FIXTURES", place.fixtures())
        .env("PYTHONPATH", place.root.join("xtask/clients"))
        .env("PYTHONDONTWRITEBYTECODE", "1");
    let ran = child::kept_with(command.arg(script), &folder.join("client"), LIMIT, &[SKIPPED])?;
    let text = ran.text();
    let last = text.lines().last().unwrap_or_default();
    if ran.code == Some(SKIPPED) {
        return Ok(Some(last.to_owned()));
    }
    crate::say(&format!("    {last}"));
    Ok(None)
}
