// SPDX-License-Identifier: Apache-2.0
//! `cargo xtask schema [FIXTURES]`: builds the emulator's standard schema from what others recorded.
//!
//! No single source has everything, so two are joined per object and field:
//!
//! 1. one org's describes without lengths and write flags (lwrfileupload, 712 objects): types, nillable, picklists,
//!    references, filter flags, and children with what a delete does to them;
//! 2. facts scraped from the documentation (sf-doc-to-json): lengths, scales, key prefixes, and a `readOnly` that means "not
//!    updateable".
//!
//! What follows from neither (which read-only fields can be given on create, defaults, name fields) is decided by rules, and by
//! hand in `xtask/schema.json`. The result is one line of JSON per object, where `is` lists the flags of a field that are true:
//! the core in `crates/emulator/schema/standard.jsonl`, the other objects of the org zipped in `further.jsonl.gz`. Companions
//! (history, shares, feed, change events) are only named there; the emulator makes them by rule.
//!
//! Complete recorded describes (CumulusCI, 3 objects) are not looked at; how well the derivation does is the share of their
//! flags that it got right, which is printed. A test of the emulator compares everything else.

mod derive;
mod sources;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
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
    let core = choices.core();
    let mut known: BTreeSet<String> = sources.names.union(&core).cloned().collect();
    // The emulator makes it itself, because deletes write it.
    known.remove("DeleteEvent");
    let lines = |names: &mut dyn Iterator<Item = &String>| {
        let mut lines = String::new();
        for name in names {
            match derive::object(name, &known, &choices, &sources) {
                Some(object) => {
                    lines += &object.to_string();
                    lines.push('\n');
                }
                None => println!("no source describes {name}"),
            }
        }
        lines
    };
    let folder = root.join("crates/emulator/schema");
    let standard = lines(&mut core.iter());
    write(&folder.join("standard.jsonl"), standard.as_bytes())?;
    let companions = derive::companions(&known);
    let further = lines(&mut known.iter().filter(|name| !core.contains(*name) && !companions.contains(*name)));
    let mut zipped = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    zipped.write_all(further.as_bytes()).and_then(|()| zipped.try_finish()).map_err(|error| error.to_string())?;
    let zipped = zipped.finish().map_err(|error| error.to_string())?;
    write(&folder.join("further.jsonl.gz"), &zipped)?;
    println!(
        "{} core objects in {} bytes, {} more in {} ({} zipped), {} companions",
        standard.lines().count(),
        standard.len(),
        further.lines().count(),
        further.len(),
        zipped.len(),
        companions.len()
    );
    let (same, all) = agreement(&known, &choices, &sources);
    println!("{same} of {all} flags as recorded ({:.1} %)", 100.0 * same as f64 / all as f64);
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).map_err(|error| format!("cannot write {}: {error}", path.display()))
}

/// How many flags of recorded objects the derivation gets right.
#[allow(clippy::disallowed_macros, reason = "a developer's tool talks to a terminal")]
fn agreement(known: &BTreeSet<String>, choices: &Choices, sources: &Sources) -> (usize, usize) {
    let (mut same, mut all) = (0, 0);
    let mut wrong: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (name, recorded) in &sources.recorded {
        let Some(object) = derive::object(name, known, choices, sources) else { continue };
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
