// SPDX-License-Identifier: Apache-2.0
//! `cargo xtask schema [FIXTURES]`: builds the emulator's standard schema from what others recorded.
//!
//! No single source has everything, so three are joined per object and field:
//!
//! 1. complete recorded describes (CumulusCI, 3 objects): they win;
//! 2. one org's describes without lengths and write flags (lwrfileupload, 712 objects): types, nillable, picklists,
//!    references, filter flags, and children with what a delete does to them;
//! 3. facts scraped from the documentation (sf-doc-to-json): lengths, scales, key prefixes, and a `readOnly` that means "not
//!    updateable".
//!
//! What follows from none of them (which read-only fields can be given on create, defaults, name fields) is written by hand
//! in `xtask/schema.json`. The result is one line of JSON per object in `crates/emulator/schema/standard.jsonl`, where
//! `is` lists the flags of a field that are true. How well the derivation does is printed: the share of flags that it
//! would have got right of the objects whose recorded describe it may not look at.

mod derive;
mod sources;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use derive::Choices;
use sources::Sources;

type Result<T> = std::result::Result<T, String>;

/// Builds the file.
#[allow(clippy::disallowed_macros, reason = "a developer's tool talks to a terminal")]
pub fn run(arguments: &[String]) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let fixtures = arguments.first().map_or_else(|| root.join("../shared/fixtures"), PathBuf::from);
    let choices: Choices = read_json(&root.join("xtask/schema.json"))?;
    let sources = Sources::read(&fixtures)?;
    let known: BTreeSet<String> = choices.all_objects();
    let mut lines = String::new();
    let mut written = 0;
    for name in &known {
        match derive::object(name, &known, &choices, &sources) {
            Some(object) => {
                lines += &object.to_string();
                lines.push('\n');
                written += 1;
            }
            None => println!("no source describes {name}"),
        }
    }
    let target = root.join("crates/emulator/schema/standard.jsonl");
    std::fs::write(&target, &lines).map_err(|error| format!("cannot write {}: {error}", target.display()))?;
    println!("{written} objects, {} bytes", lines.len());
    let (same, all) = agreement(&known, &choices, &sources);
    println!("{same} of {all} flags as recorded, without looking ({:.1} %)", 100.0 * same as f64 / all as f64);
    Ok(())
}

/// How many flags of recorded objects the derivation gets right when it may not see the recording.
#[allow(clippy::disallowed_macros, reason = "a developer's tool talks to a terminal")]
fn agreement(known: &BTreeSet<String>, choices: &Choices, sources: &Sources) -> (usize, usize) {
    let (mut same, mut all) = (0, 0);
    let mut wrong: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let blind = Sources { recorded: BTreeMap::new(), ..sources.clone() };
    for (name, recorded) in &sources.recorded {
        let Some(object) = derive::object(name, known, choices, &blind) else { continue };
        for field in object["fields"].as_array().into_iter().flatten() {
            let same_name = |other: &&Value| other["name"] == field["name"];
            let Some(real) = recorded["fields"].as_array().and_then(|fields| fields.iter().find(same_name)) else {
                continue;
            };
            let is: Vec<&str> = field["is"].as_str().unwrap_or_default().split(' ').collect();
            for flag in derive::FLAGS.iter().filter(|flag| real[**flag].is_boolean()) {
                all += 1;
                if real[*flag] == json!(is.contains(flag)) {
                    same += 1;
                } else {
                    wrong
                        .entry(flag)
                        .or_default()
                        .push(format!("{name}.{}", field["name"].as_str().unwrap_or_default()));
                }
            }
        }
    }
    for (flag, fields) in wrong {
        println!("{flag}: {}", fields.join(" "));
    }
    (same, all)
}

fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    let text = std::fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    serde_json::from_slice(&text).map_err(|error| format!("{}: {error}", path.display()))
}
