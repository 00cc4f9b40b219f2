// SPDX-License-Identifier: Apache-2.0
//! The rules of the layout that no compiler holds: which crate may know which, what belongs in one place only, and that no
//! file grows out of sight.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::Result;
use crate::place::Place;

/// The crates of the workspace that a crate may use. Tests may use more.
const MAY_USE: [(&str, &[&str]); 7] = [
    ("orgkeep-salesforce", &[]),
    ("orgkeep-vault", &[]),
    ("orgkeep-emulator", &[]),
    ("orgkeep-engine", &["orgkeep-salesforce", "orgkeep-vault"]),
    ("orgkeep-sql", &["orgkeep-vault", "orgkeep-engine"]),
    ("orgkeep", &["orgkeep-salesforce", "orgkeep-vault", "orgkeep-engine", "orgkeep-sql", "orgkeep-emulator"]),
    ("xtask", &["orgkeep-vault", "orgkeep-emulator"]),
];
/// Libraries that only some crates may use: the table format, a client to an org, the emulator's store, the query engine.
const ONLY_IN: [(&str, &[&str]); 5] = [
    ("deltalake-core", &["orgkeep-vault"]),
    ("parquet", &["orgkeep-vault", "xtask"]),
    ("reqwest", &["orgkeep-salesforce"]),
    ("rusqlite", &["orgkeep-emulator"]),
    ("datafusion", &["orgkeep-sql"]),
];
const MAX_LINES: usize = 800;

pub fn check(place: &Place) -> Result<()> {
    let mut wrong = Vec::new();
    crates(place, &mut wrong)?;
    sources(place, &mut wrong)?;
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n            ")) }
}

fn crates(place: &Place, wrong: &mut Vec<String>) -> Result<()> {
    let output = place.cargo().args(["metadata", "--no-deps", "--format-version", "1"]).output();
    let output = output.map_err(|error| format!("cannot start cargo: {error}"))?;
    let metadata: Value = serde_json::from_slice(&output.stdout).map_err(|error| format!("cargo metadata: {error}"))?;
    let mut known: BTreeMap<&str, &[&str]> = MAY_USE.into_iter().collect();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default();
        let Some(allowed) = known.remove(name) else {
            wrong.push(format!("{name} is a new crate: say in xtask/src/test/walls.rs what it may use"));
            continue;
        };
        let dependencies = package["dependencies"].as_array().into_iter().flatten();
        // `kind` is null for what the crate itself uses, "dev" for its tests.
        for used in dependencies.filter(|dependency| dependency["kind"].is_null()) {
            let used = used["name"].as_str().unwrap_or_default();
            let ours = MAY_USE.iter().any(|(name, _)| *name == used);
            if ours && !allowed.contains(&used) {
                wrong.push(format!("{name} may not use {used}"));
            }
            if ONLY_IN.iter().any(|(library, crates)| *library == used && !crates.contains(&name)) {
                wrong.push(format!("{name} may not use {used}: another crate is the one place for it"));
            }
        }
    }
    wrong.extend(known.keys().map(|name| format!("{name} is gone: xtask/src/test/walls.rs still has rules for it")));
    Ok(())
}

fn sources(place: &Place, wrong: &mut Vec<String>) -> Result<()> {
    let mut files = Vec::new();
    for folder in ["crates", "xtask"] {
        rust_files(&place.root.join(folder), &mut files)?;
    }
    let mut table_users = Vec::new();
    for path in files {
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let shown = path.strip_prefix(&place.root).unwrap_or(&path).display().to_string();
        if !text.starts_with("// SPDX-License-Identifier: Apache-2.0\n") {
            wrong.push(format!("{shown} does not begin with the licence line"));
        }
        let lines = text.lines().count();
        if lines > MAX_LINES {
            wrong
                .push(format!("{shown} has {lines} lines, more than {MAX_LINES}: split it along a word of the domain"));
        }
        if path.starts_with(place.root.join("crates")) && text.contains("use deltalake_core") {
            table_users.push(shown);
        }
    }
    if table_users.len() > 1 {
        wrong.push(format!("the table library is used by more than one file: {}", table_users.join(", ")));
    }
    Ok(())
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries = std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for entry in entries {
        let path = entry.map_err(|error| format!("{}: {error}", folder.display()))?.path();
        if path.is_dir() {
            rust_files(&path, files)?;
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
    Ok(())
}
