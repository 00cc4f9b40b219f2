// SPDX-License-Identifier: Apache-2.0
//! One object's line, joined from the sources.

mod companion;
mod field;
mod flags;

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::sources::Sources;

/// The flags of a field that the emulator keeps, by describe's names.
pub const FLAGS: [&str; 24] = [
    "nillable",
    "createable",
    "updateable",
    "defaultedOnCreate",
    "filterable",
    "sortable",
    "groupable",
    "aggregatable",
    "unique",
    "externalId",
    "idLookup",
    "caseSensitive",
    "calculated",
    "autoNumber",
    "encrypted",
    "htmlFormatted",
    "restrictedPicklist",
    "dependentPicklist",
    "nameField",
    "namePointing",
    "polymorphicForeignKey",
    "permissionable",
    "queryByDistance",
    "searchPrefilterable",
];

/// What is decided by hand.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choices {
    objects: Vec<String>,
    history: Vec<String>,
    share: Vec<String>,
    feed: Vec<String>,
    create_only: BTreeMap<String, BTreeSet<String>>,
    update_only: BTreeMap<String, BTreeSet<String>>,
    read_only: BTreeMap<String, BTreeSet<String>>,
    /// What the documentation wrongly calls read-only.
    writable: BTreeMap<String, BTreeSet<String>>,
    defaulted: BTreeMap<String, BTreeSet<String>>,
    defaults: BTreeMap<String, Value>,
    name_fields: BTreeMap<String, String>,
    auto_numbers: BTreeMap<String, String>,
    id_lookup: BTreeSet<String>,
    /// Where an org of today takes more than the recorded one did.
    lengths: BTreeMap<String, u64>,
    /// Endings of the names of picklists that take only their own values.
    restricted: Vec<String>,
    unique: BTreeSet<String>,
    object_flags: BTreeMap<String, String>,
    /// `Child.Field=RelationshipName`: deletes that take the child along, where no source tells.
    cascade: Vec<String>,
    fields: BTreeMap<String, Vec<Value>>,
    reference_to: BTreeMap<String, Vec<String>>,
    /// Where no source tells the prefix of an object's Ids.
    key_prefixes: BTreeMap<String, String>,
    /// Objects that share the Ids of another one, which is the one that Ids are looked up in.
    no_prefix: Vec<String>,
    needs_filter: BTreeMap<String, Value>,
    record_types: BTreeMap<String, Vec<(String, String)>>,
}

impl Choices {
    /// The objects of the core, without companions.
    pub fn core(&self) -> BTreeSet<String> {
        self.objects.iter().cloned().collect()
    }

    fn lists(table: &BTreeMap<String, BTreeSet<String>>, object: &str, field: &str) -> bool {
        table.get(object).is_some_and(|fields| fields.contains(field))
    }
}

/// The names of all companions in the org.
pub fn companions(known: &BTreeSet<String>) -> BTreeSet<String> {
    companion::all(known)
}

/// The line of an object. `None` when no source describes it.
pub fn object(name: &str, known: &BTreeSet<String>, choices: &Choices, sources: &Sources) -> Option<Value> {
    let org = sources.org.get(name);
    let mut fields = field::all(name, known, choices, sources);
    if fields.is_empty() {
        return None;
    }
    let index = sources.index.get(name);
    let label =
        [org, sources.global.get(name), index].into_iter().flatten().find_map(|source| source["label"].as_str());
    let label = label.map_or_else(|| field::words(name), str::to_owned);
    let mut object = Map::new();
    object.insert("name".into(), json!(name));
    object.insert("label".into(), json!(label));
    let plural = sources.global.get(name).and_then(|source| source["labelPlural"].as_str());
    object.insert("labelPlural".into(), json!(plural.map_or_else(|| many(&label), str::to_owned)));
    let prefix = [sources.global.get(name), sources.documented.get(name), index]
        .into_iter()
        .flatten()
        .find_map(|source| source["keyPrefix"].as_str());
    let prefix = prefix.or(choices.key_prefixes.get(name).map(String::as_str));
    let prefix = prefix.filter(|_| !choices.no_prefix.iter().any(|known| known == name));
    if let Some(prefix) = prefix {
        object.insert("keyPrefix".into(), json!(prefix));
    }
    let (companions, core) = companion::kinds(name, &companion::all(known), choices);
    let flags = flags::of(name, choices, sources, &fields, &companions);
    if flags.split(' ').any(|word| word == "!layoutable") {
        // Field-level security is for what people see on pages.
        fields.iter_mut().for_each(field::not_permissionable);
    }
    for (key, words) in [("flags", flags), ("companions", companions), ("coreCompanions", core)] {
        if !words.is_empty() {
            object.insert(key.into(), json!(words));
        }
    }
    if let Some(needs) = choices.needs_filter.get(name) {
        object.insert("needsFilter".into(), needs.clone());
    }
    object.insert("fields".into(), Value::Array(fields));
    if let Some(kinds) = choices.record_types.get(name) {
        let kinds: Vec<Value> =
            kinds.iter().map(|(developer_name, name)| json!({"developerName": developer_name, "name": name})).collect();
        object.insert("recordTypes".into(), Value::Array(kinds));
    }
    Some(Value::Object(object))
}

/// The plural of a label, where no source has it.
fn many(label: &str) -> String {
    let ends = |endings: &[&str]| endings.iter().any(|ending| label.ends_with(ending));
    match label.strip_suffix('y') {
        Some(stem) if !ends(&["ay", "ey", "oy", "uy"]) => format!("{stem}ies"),
        _ if ends(&["s", "x", "ch", "sh"]) => format!("{label}es"),
        _ => format!("{label}s"),
    }
}
