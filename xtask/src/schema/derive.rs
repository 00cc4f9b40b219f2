// SPDX-License-Identifier: Apache-2.0
//! One object's line, joined from the sources.

mod companion;
mod field;

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
    /// The objects by name, with their companions.
    pub fn all_objects(&self) -> BTreeSet<String> {
        let mut names: BTreeSet<String> = self.objects.iter().cloned().collect();
        for (parents, suffix) in [(&self.history, "History"), (&self.share, "Share"), (&self.feed, "Feed")] {
            names.extend(parents.iter().map(|parent| format!("{parent}{suffix}")));
        }
        if names.contains("Opportunity") {
            names.insert("OpportunityFieldHistory".into());
        }
        names
    }

    fn lists(table: &BTreeMap<String, BTreeSet<String>>, object: &str, field: &str) -> bool {
        table.get(object).is_some_and(|fields| fields.contains(field))
    }
}

/// The line of an object. `None` when no source describes it.
pub fn object(name: &str, known: &BTreeSet<String>, choices: &Choices, sources: &Sources) -> Option<Value> {
    if let Some(made) = companion::object(name, choices) {
        return Some(made);
    }
    let org = sources.org.get(name);
    let documented = sources.documented.get(name);
    let recorded = sources.recorded.get(name);
    let fields = field::all(name, known, choices, sources);
    if fields.is_empty() {
        return None;
    }
    let label =
        [recorded, org, sources.global.get(name)].into_iter().flatten().find_map(|source| source["label"].as_str());
    let mut object = Map::new();
    object.insert("name".into(), json!(name));
    object.insert("label".into(), json!(label.unwrap_or(name)));
    let plural = sources.global.get(name).or(recorded).and_then(|source| source["labelPlural"].as_str());
    if let Some(plural) = plural {
        object.insert("labelPlural".into(), json!(plural));
    }
    let prefix =
        [sources.global.get(name), documented].into_iter().flatten().find_map(|source| source["keyPrefix"].as_str());
    let prefix = prefix.or(choices.key_prefixes.get(name).map(String::as_str));
    let prefix = prefix.filter(|_| !choices.no_prefix.iter().any(|known| known == name));
    if let Some(prefix) = prefix {
        object.insert("keyPrefix".into(), json!(prefix));
    }
    let flags = object_flags(name, choices, sources);
    if !flags.is_empty() {
        object.insert("flags".into(), json!(flags));
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

/// Only what differs from an object that can do everything.
fn object_flags(name: &str, choices: &Choices, sources: &Sources) -> String {
    let global = sources.global.get(name);
    let documented = sources.documented.get(name);
    let calls = sources.calls.get(name);
    let call = |call: &str| calls.and_then(|calls| calls.get(call)).copied();
    let flag = |name: &str| global.and_then(|global| global[name].as_bool());
    let fact = |name: &str| documented.and_then(|facts| facts[name].as_bool());
    let queryable = sources.org.get(name).and_then(|org| org["queryable"].as_bool());
    let mut values: Vec<(&str, bool)> = vec![
        (
            "queryable",
            flag("queryable").or(queryable).unwrap_or(true) && !sources.not_queryable.iter().any(|known| known == name),
        ),
        ("retrieveable", flag("retrieveable").or(call("retrieve")).unwrap_or(true)),
        ("searchable", flag("searchable").or(fact("searchable")).unwrap_or(false)),
        ("createable", flag("createable").or(fact("createable")).or(call("create")).unwrap_or(false)),
        ("updateable", flag("updateable").or(fact("updateable")).or(call("update")).unwrap_or(false)),
        ("deletable", flag("deletable").or(fact("deletable")).or(call("delete")).unwrap_or(false)),
        ("undeletable", flag("undeletable").or(call("undelete")).unwrap_or(false)),
        ("mergeable", flag("mergeable").or(call("merge")).unwrap_or(false)),
        ("replicateable", flag("replicateable").or(call("getUpdated")).unwrap_or(false)),
        ("layoutable", flag("layoutable").or(call("describeLayout")).unwrap_or(false)),
        (
            "triggerable",
            flag("triggerable").unwrap_or(matches!(name, "ContentVersion" | "OpportunityLineItem" | "Quote")),
        ),
        ("feedEnabled", flag("feedEnabled").unwrap_or(choices.feed.iter().any(|parent| parent == name))),
        ("mruEnabled", flag("mruEnabled").unwrap_or(false)),
        ("bulk", !sources.not_bulk.iter().any(|known| known == name)),
    ];
    for word in choices
        .object_flags
        .get(name)
        .map(String::as_str)
        .unwrap_or_default()
        .split(' ')
        .filter(|word| !word.is_empty())
    {
        let (on, flag) = word.strip_prefix('!').map_or((true, word), |flag| (false, flag));
        if let Some(value) = values.iter_mut().find(|(known, _)| *known == flag) {
            value.1 = on;
        }
    }
    let usual = |flag: &str| !matches!(flag, "mergeable" | "feedEnabled" | "mruEnabled");
    let words: Vec<String> = values
        .into_iter()
        .filter(|(flag, on)| *on != usual(flag))
        .map(|(flag, on)| if on { flag.to_owned() } else { format!("!{flag}") })
        .collect();
    words.join(" ")
}
