// SPDX-License-Identifier: Apache-2.0
//! The recorded and documented descriptions, read whole.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::Path;

use serde_json::Value;

use super::{Result, read_json};

/// What parents say of a field that refers to them.
pub struct Relationship {
    /// Their name for the children.
    pub name: Option<String>,
    pub cascade: bool,
    pub restricted: bool,
    /// In the sources no field differs between its parents.
    pub parents: Vec<String>,
}

/// What is known of each object, by source.
pub struct Sources {
    /// Complete recorded describes (CumulusCI), which the result is compared with and made without.
    pub recorded: BTreeMap<String, Value>,
    /// All objects of the org.
    pub names: BTreeSet<String>,
    /// By child object and field.
    pub relationships: BTreeMap<(String, String), Relationship>,
    /// Key prefixes and labels (sf-doc-to-json's index, from a live describeGlobal).
    pub index: BTreeMap<String, Value>,
    /// One org's describes (lwrfileupload).
    pub org: BTreeMap<String, Value>,
    /// Documented facts (sf-doc-to-json).
    pub documented: BTreeMap<String, Value>,
    /// Entries of a recorded describeGlobal.
    pub global: BTreeMap<String, Value>,
    /// Which calls an object supports, by the reference's table.
    pub calls: BTreeMap<String, BTreeMap<String, bool>>,
    /// Objects that the Bulk API refuses, and those that cannot be queried.
    pub not_bulk: Vec<String>,
    pub not_queryable: Vec<String>,
    /// Objects that are read whole because they cannot be filtered: stored events of monitoring, among others.
    pub not_filterable: Vec<String>,
}

impl Sources {
    pub fn read(fixtures: &Path) -> Result<Sources> {
        let mut recorded = BTreeMap::new();
        for name in ["Account", "Contact", "Case"] {
            let path = fixtures.join(format!("CumulusCI/decoded/GET_sobjects_{name}_describe.json"));
            recorded.insert(name.to_owned(), read_json(&path)?);
        }
        let mut org = BTreeMap::new();
        let folder = fixtures.join("lwrfileupload/soqlMetadata");
        let entries =
            std::fs::read_dir(&folder).map_err(|error| format!("cannot read {}: {error}", folder.display()))?;
        for entry in entries {
            let path = entry.map_err(|error| error.to_string())?.path();
            let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            org.insert(name, read_json(&path)?);
        }
        let relationships = relationships(&org);
        let reference = fixtures.join("../reference");
        let restrictions: BTreeMap<String, Vec<String>> =
            read_json(&fixtures.join("airbyte-source-salesforce/query-restrictions.json"))?;
        let list = |name: &str| restrictions.get(name).cloned().unwrap_or_default();
        Ok(Sources {
            recorded,
            names: names(&fixtures.join("lwrfileupload/typeNames.json"))?,
            relationships,
            index: index(&fixtures.join("sf-doc-to-json/objects-index.json"))?,
            org,
            documented: documented(&fixtures.join("sf-doc-to-json/objects.tar.gz"))?,
            global: global(&reference.join("describeGlobal.recorded.json"))?,
            calls: calls(&reference.join("object-supported-calls.csv"))?,
            not_bulk: [
                list("airbyte.UNSUPPORTED_BULK_API_SALESFORCE_OBJECTS"),
                list("singer.UNSUPPORTED_BULK_API_SALESFORCE_OBJECTS"),
            ]
            .concat(),
            not_filterable: list("airbyte.UNSUPPORTED_FILTERING_STREAMS"),
            not_queryable: list("airbyte.QUERY_INCOMPATIBLE_SALESFORCE_OBJECTS"),
        })
    }
}

fn names(path: &Path) -> Result<BTreeSet<String>> {
    let list: Vec<Value> = read_json(path)?;
    Ok(list.iter().filter_map(|object| object["name"].as_str().map(str::to_owned)).collect())
}

fn index(path: &Path) -> Result<BTreeMap<String, Value>> {
    let json: Value = read_json(path)?;
    let objects = json["objects"].as_object().cloned().unwrap_or_default();
    Ok(objects.into_iter().collect())
}

fn relationships(org: &BTreeMap<String, Value>) -> BTreeMap<(String, String), Relationship> {
    let mut found: BTreeMap<(String, String), Relationship> = BTreeMap::new();
    for (parent, describe) in org {
        for child in describe["childRelationships"].as_array().into_iter().flatten() {
            let text = |key: &str| child[key].as_str().unwrap_or_default().to_owned();
            let flag = |key: &str| child[key].as_bool() == Some(true);
            let one = found.entry((text("childSObject"), text("field"))).or_insert_with(|| Relationship {
                name: None,
                cascade: flag("cascadeDelete"),
                restricted: flag("restrictedDelete"),
                parents: Vec::new(),
            });
            one.name = one.name.take().or(child["relationshipName"].as_str().map(str::to_owned));
            one.parents.push(parent.clone());
        }
    }
    found
}

fn global(path: &Path) -> Result<BTreeMap<String, Value>> {
    let json: Value = read_json(path)?;
    let objects = json["sobjects"].as_array().cloned().unwrap_or_default();
    Ok(objects.into_iter().map(|object| (object["name"].as_str().unwrap_or_default().to_owned(), object)).collect())
}

fn calls(path: &Path) -> Result<BTreeMap<String, BTreeMap<String, bool>>> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().unwrap_or_default();
    let row = |cells: Vec<&str>| {
        let flags = header.iter().zip(&cells).skip(1).map(|(name, cell)| ((*name).to_owned(), *cell == "1")).collect();
        (cells[0].to_owned(), flags)
    };
    Ok(lines.map(row).collect())
}

/// The members of a gzipped ustar archive whose file name is that of the only key of the JSON inside.
fn documented(path: &Path) -> Result<BTreeMap<String, Value>> {
    let packed = std::fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let mut archive = Vec::new();
    flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut archive).map_err(|error| error.to_string())?;
    let mut objects = BTreeMap::new();
    let mut rest = archive.as_slice();
    while rest.len() > 512 && rest[0] != 0 {
        let (header, body) = rest.split_at(512);
        let octal = String::from_utf8_lossy(&header[124..135]).trim_matches(['\0', ' ']).to_owned();
        let size = usize::from_str_radix(&octal, 8).map_err(|error| format!("{}: {error}", path.display()))?;
        if header[156] == b'0' {
            let json: BTreeMap<String, Value> = serde_json::from_slice(&body[..size]).unwrap_or_default();
            objects.extend(json);
        }
        rest = &body[size.div_ceil(512) * 512..];
    }
    Ok(objects)
}
