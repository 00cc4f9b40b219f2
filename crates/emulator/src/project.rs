// SPDX-License-Identifier: Apache-2.0
//! Adds the custom objects and fields of an SFDX project (or of a folder in Metadata API form) to a schema.
//!
//! Read are `objects/` folders wherever they lie below the package directories that `sfdx-project.json` names (below the given
//! folder, where there is none): objects, fields, record types and the global value sets they use. Layouts, list views,
//! validation rules and all code are none of a schema's business and are not looked at. What is looked at and cannot be
//! emulated is named in [`Project::skipped`]; nothing is left out silently.
//!
//! Not read: custom labels of standard fields and changes to standard picklists; external, big and Data Cloud objects.

mod field;
mod object;
pub(crate) mod xml;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::schema::{PicklistValue, Schema};
use object::Described;
use xml::Node;

/// A schema with a project's objects and fields.
#[derive(Debug)]
pub struct Project {
    pub schema: Schema,
    /// What the project has and the emulator has not: where, and why. Sentences without a final period.
    pub skipped: Vec<String>,
}

/// Why a project could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    #[error("cannot read {path}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{path} is not well-formed XML: {reason}")]
    Xml { path: PathBuf, reason: String },
    #[error("there is no objects folder with objects in {path}")]
    Empty { path: PathBuf },
}

/// Value sets that several fields share, by name.
type ValueSets = BTreeMap<String, Vec<PicklistValue>>;

/// Reads the project in `folder` and adds it to `schema`.
pub fn load(schema: &Schema, folder: &Path) -> Result<Project, ProjectError> {
    let mut files = Vec::new();
    for root in roots(folder)? {
        walk(&root, &mut files)?;
    }
    files.sort();
    let mut described: BTreeMap<String, Described> = BTreeMap::new();
    let mut value_sets = ValueSets::new();
    for file in &files {
        read(file, &mut described, &mut value_sets)?;
    }
    if described.is_empty() {
        return Err(ProjectError::Empty { path: folder.to_owned() });
    }
    Ok(object::add(schema, described, &value_sets))
}

/// The package directories, or the folder itself.
fn roots(folder: &Path) -> Result<Vec<PathBuf>, ProjectError> {
    let path = folder.join("sfdx-project.json");
    if !path.exists() {
        return Ok(vec![folder.to_owned()]);
    }
    let text = std::fs::read(&path).map_err(|source| ProjectError::Read { path: path.clone(), source })?;
    let json: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
    let directories =
        json["packageDirectories"].as_array().into_iter().flatten().filter_map(|package| package["path"].as_str());
    let found: Vec<PathBuf> = directories.map(|path| folder.join(path)).filter(|path| path.exists()).collect();
    Ok(if found.is_empty() { vec![folder.to_owned()] } else { found })
}

/// All files that describe objects, fields, record types or value sets.
fn walk(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), ProjectError> {
    let failed = |source| ProjectError::Read { path: folder.to_owned(), source };
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            walk(&path, found)?;
            continue;
        }
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let endings = [
            ".object-meta.xml",
            ".object",
            ".field-meta.xml",
            ".recordType-meta.xml",
            ".globalValueSet-meta.xml",
            ".globalValueSet",
        ];
        if endings.iter().any(|ending| name.ends_with(ending)) {
            found.push(path);
        }
    }
    Ok(())
}

fn read(
    path: &Path,
    described: &mut BTreeMap<String, Described>,
    value_sets: &mut ValueSets,
) -> Result<(), ProjectError> {
    let text = std::fs::read_to_string(path).map_err(|source| ProjectError::Read { path: path.to_owned(), source })?;
    let root = xml::parse(&text).map_err(|reason| ProjectError::Xml { path: path.to_owned(), reason })?;
    let file = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let stem = file.split('.').next().unwrap_or_default().to_owned();
    // Fields and record types lie in a folder of their own inside that of their object.
    let grandparent = path.parent().and_then(Path::parent).and_then(Path::file_name);
    let owner = grandparent.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    match root.name.as_str() {
        "CustomObject" => {
            let entry = described.entry(stem).or_default();
            entry.fields.extend(root.all("fields").cloned());
            entry.record_types.extend(root.all("recordTypes").cloned());
            entry.object = Some(root);
        }
        "CustomField" => described.entry(owner).or_default().fields.push(root),
        "RecordType" => described.entry(owner).or_default().record_types.push(root),
        "GlobalValueSet" => {
            value_sets.insert(stem, root.all("customValue").map(field::picklist_value).collect());
        }
        _ => {}
    }
    Ok(())
}

/// The text of a child element, empty when there is none.
fn text<'a>(node: &'a Node, name: &str) -> &'a str {
    node.first(name).map_or("", |child| child.text.as_str())
}

fn is_true(node: &Node, name: &str) -> bool {
    text(node, name) == "true"
}
