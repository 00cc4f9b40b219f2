// SPDX-License-Identifier: Apache-2.0
//! Loads a folder of sObject trees into an org, as `sf data import tree --plan` does: the sample data that SFDX projects
//! carry beside their metadata.
//!
//! A plan file is a list of `{"sobject", "saveRefs", "resolveRefs", "files"}`; a tree file is
//! `{"records": [{"attributes": {"type", "referenceId"}, …}]}`; a value `"@Ref"` stands for the Id of the record with
//! that reference id. Every plan of the folder is loaded, in the order of file names, with the references of all of them
//! known to the later ones; a folder without a plan is loaded file by file. Records go through the emulator's own
//! `/composite/tree`, 200 at a time: what the platform would refuse is refused here, and ends the loading.
//!
//! Nested children are loaded too. Not loaded: CSV files, and trees that refer to records of a later file.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use crate::composite::{self, Planted};
use crate::error::SaveError;
use crate::org::Org;
use crate::schema::Object;
use crate::user::Caller;

/// Records per request (`salesforce-api.md` 2.8).
const BATCH_RECORDS: usize = 200;

/// Why data could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} is not JSON as a plan or a tree has it", path.display())]
    Json { path: PathBuf, source: serde_json::Error },
    #[error("the folder {} holds neither a plan nor a tree", path.display())]
    Empty { path: PathBuf },
    #[error("{} refers to {reference}, which no record before it is called", path.display())]
    Reference { path: PathBuf, reference: String },
    #[error("{} has records of the object {object}, which the org lacks", path.display())]
    Object { path: PathBuf, object: String },
    #[error("record {reference_id} of {} was refused: {} {}", path.display(), error.code, error.message)]
    Refused { path: PathBuf, reference_id: String, error: Box<SaveError> },
}

/// How many records of each object were created, in the order in which the objects came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    pub records: Vec<(String, u64)>,
}

impl Loaded {
    /// How many records of one object were created.
    pub fn count(&self, object: &str) -> u64 {
        self.records.iter().find(|(name, _)| name == object).map_or(0, |(_, count)| *count)
    }

    fn add(&mut self, object: &str) {
        match self.records.iter_mut().find(|(name, _)| name == object) {
            Some((_, count)) => *count += 1,
            None => self.records.push((object.to_owned(), 1)),
        }
    }
}

#[derive(Deserialize)]
struct PlanStep {
    files: Vec<PlanFile>,
}

/// Plans name files as text; an old form wraps the name.
#[derive(Deserialize)]
#[serde(untagged)]
enum PlanFile {
    Name(String),
    Wrapped { file: String },
}

#[derive(Deserialize)]
struct Tree {
    records: Vec<Value>,
}

/// Loads a folder for a caller.
///
/// # Errors
/// The first file that cannot be read or record that is refused; what was loaded before it stays.
pub fn load(org: &Org, caller: &Caller, folder: &Path) -> Result<Loaded, LoadError> {
    let mut loader = Loader { org, caller, ids: HashMap::new(), loaded: Loaded::default() };
    for file in ordered_files(folder)? {
        loader.load_file(&file)?;
    }
    Ok(loader.loaded)
}

/// Loads a folder into an org whose store does not say that it has been loaded already, and makes it say so.
///
/// # Errors
/// As [`load`].
pub fn load_once(org: &Org, caller: &Caller, folder: &Path) -> Result<Loaded, LoadError> {
    const MARK: &str = "data loaded";
    let known = org.read(|tx| {
        let known = tx.conn.query_row("SELECT 1 FROM _setting WHERE name = ?1", [MARK], |_| Ok(()));
        known.is_ok()
    });
    if known {
        return Ok(Loaded::default());
    }
    let loaded = load(org, caller, folder)?;
    let from = folder.display().to_string();
    org.write(|tx| tx.conn.execute("INSERT INTO _setting (name, value) VALUES (?1, ?2)", [MARK, from.as_str()]))
        .expect("the store's own table can be written");
    Ok(loaded)
}

/// The tree files in the order to load them: as the plans say, or by name where there is no plan.
fn ordered_files(folder: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let unreadable = |source| LoadError::Read { path: folder.to_owned(), source };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            paths.push(path);
        }
    }
    paths.sort();
    let (mut planned, mut trees) = (Vec::new(), Vec::new());
    for path in paths {
        let json: Value = read_json(&path)?;
        if json.is_array() {
            let steps: Vec<PlanStep> =
                serde_json::from_value(json).map_err(|source| LoadError::Json { path: path.clone(), source })?;
            let names = steps.into_iter().flat_map(|step| step.files);
            planned.extend(names.map(|name| match name {
                PlanFile::Name(name) | PlanFile::Wrapped { file: name } => folder.join(name),
            }));
        } else if json.get("records").is_some() {
            trees.push(path);
        }
    }
    let files = if planned.is_empty() { trees } else { planned };
    if files.is_empty() { Err(LoadError::Empty { path: folder.to_owned() }) } else { Ok(files) }
}

fn read_json<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T, LoadError> {
    let bytes = fs::read(path).map_err(|source| LoadError::Read { path: path.to_owned(), source })?;
    serde_json::from_slice(&bytes).map_err(|source| LoadError::Json { path: path.to_owned(), source })
}

struct Loader<'a> {
    org: &'a Org,
    caller: &'a Caller,
    /// Ids by reference id.
    ids: HashMap<String, String>,
    loaded: Loaded,
}

impl Loader<'_> {
    fn load_file(&mut self, path: &Path) -> Result<(), LoadError> {
        let mut records = read_json::<Tree>(path)?.records;
        for record in &mut records {
            self.resolve(record, path)?;
        }
        let mut batch: Vec<Value> = Vec::new();
        let mut size = 0;
        for record in records {
            let records = count(&record);
            // One request holds records of one root object only.
            let other = batch.last().is_some_and(|last| kind(last) != kind(&record));
            if other || size + records > BATCH_RECORDS {
                self.plant(std::mem::take(&mut batch), path)?;
                size = 0;
            }
            size += records;
            batch.push(record);
        }
        self.plant(batch, path)
    }

    /// Puts Ids in the place of references.
    fn resolve(&self, value: &mut Value, path: &Path) -> Result<(), LoadError> {
        match value {
            Value::Object(members) => {
                let own = members.iter_mut().filter(|(name, _)| *name != "attributes");
                own.map(|(_, value)| value).try_for_each(|value| self.resolve(value, path))
            }
            Value::Array(items) => items.iter_mut().try_for_each(|item| self.resolve(item, path)),
            Value::String(text) => match text.strip_prefix('@') {
                Some(reference) if is_reference(reference) => match self.ids.get(reference) {
                    Some(id) => {
                        id.clone_into(text);
                        Ok(())
                    }
                    None => Err(LoadError::Reference { path: path.to_owned(), reference: text.clone() }),
                },
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn plant(&mut self, records: Vec<Value>, path: &Path) -> Result<(), LoadError> {
        let Some(first) = records.first() else { return Ok(()) };
        let name = kind(first);
        let schema = self.org.schema();
        let object: &Arc<Object> =
            schema.object(&name).ok_or_else(|| LoadError::Object { path: path.to_owned(), object: name.clone() })?;
        let planted = self.org.write(|tx| composite::plant(tx, self.caller, object, records));
        match planted {
            Ok(planted) => {
                for Planted { reference_id, id } in planted {
                    let object = schema.by_prefix(&id).map_or(name.as_str(), |object| &object.name);
                    self.loaded.add(object);
                    self.ids.insert(reference_id, id);
                }
                Ok(())
            }
            Err(refused) => {
                let first = refused.into_iter().next();
                let (reference_id, error) = first.unwrap_or_else(|| (String::new(), SaveError::not_found()));
                Err(LoadError::Refused { path: path.to_owned(), reference_id, error: Box::new(error) })
            }
        }
    }
}

/// As `sf` takes it: letters, digits, underscores and dots. Other text with an @ in front is text.
fn is_reference(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|one| one.is_ascii_alphanumeric() || matches!(one, '_' | '-' | '.'))
}

fn kind(record: &Value) -> String {
    record.pointer("/attributes/type").and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// How many records a record is with its children.
fn count(record: &Value) -> usize {
    let Value::Object(members) = record else { return 1 };
    let branches = members.values().filter_map(|value| value.get("records")).filter_map(Value::as_array);
    1 + branches.flatten().map(count).sum::<usize>()
}
