// SPDX-License-Identifier: Apache-2.0
//! Describes as recorded (`salesforce-api.md` 2.4, 2.5): compared key by key with those of real orgs, told when they changed,
//! and cheap when they did not.

mod client;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use client::{Client, settings};
use orgkeep_emulator::schema::Schema;
use orgkeep_emulator::{Catalog, Settings};
use serde_json::{Value, json};

fn fixtures() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures");
    let there = folder.exists();
    if !there {
        say(&format!("no fixtures at {}", folder.display()));
    }
    there.then_some(folder)
}

#[allow(clippy::disallowed_macros, reason = "what agrees and what does not is worth reading")]
fn say(text: &str) {
    println!("{text}");
}

fn recorded(folder: &Path, name: &str) -> Value {
    let text = std::fs::read(folder.join("CumulusCI/decoded").join(name)).expect("the recording is there");
    serde_json::from_slice(&text).expect("it is JSON")
}

fn everything() -> Client {
    Client::with(Settings { catalog: Catalog::Everything, ..settings() })
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().map(|map| map.keys().map(String::as_str).collect()).unwrap_or_default()
}

/// What differs from the recordings, and why: an ending of `Object.Field attribute`.
const KNOWN: [(&str, &str); 21] = [
    ("Account.Type length", LONGER),
    ("Account.Type byteLength", LONGER),
    ("Account.Industry length", LONGER),
    ("Account.Industry byteLength", LONGER),
    ("Account.Ownership length", LONGER),
    ("Account.Ownership byteLength", LONGER),
    ("Account.Rating length", LONGER),
    ("Account.Rating byteLength", LONGER),
    ("Account.AccountSource length", LONGER),
    ("Account.AccountSource byteLength", LONGER),
    ("Case.Type length", LONGER),
    ("Case.Type byteLength", LONGER),
    ("Case.Status length", LONGER),
    ("Case.Status byteLength", LONGER),
    ("Case.Reason length", LONGER),
    ("Case.Reason byteLength", LONGER),
    ("Case.Origin length", LONGER),
    ("Case.Origin byteLength", LONGER),
    ("Case.Priority length", LONGER),
    ("Case.Priority byteLength", LONGER),
    ("GeocodeAccuracy picklistValues", "labels got blanks in a later release (NearAddress, Near Address)"),
];
const LONGER: &str = "picklists of standard objects take 255 characters since; recorded at 48.0 with 40";

fn reason(difference: &str) -> &'static str {
    KNOWN.iter().find(|(what, _)| difference.ends_with(what)).map_or("not known", |(_, why)| why)
}

/// What two describes of an object have in common, counted by fact.
#[derive(Default)]
struct Agreement {
    same: u32,
    all: u32,
    differing: Vec<String>,
}

impl Agreement {
    fn note(&mut self, what: &str, own: &Value, real: &Value) {
        self.all += 1;
        if own == real {
            self.same += 1;
        } else {
            let short = |value: &Value| value.to_string().chars().take(120).collect::<String>();
            let line = format!("{what}: {} where {} is recorded ({})", short(own), short(real), reason(what));
            self.differing.push(line);
        }
    }

    /// The fields that both have, attribute by attribute, keys and fields in the recorded order.
    fn fields(&mut self, name: &str, own: &Value, real: &Value) {
        let (own, real) = (own["fields"].as_array().unwrap(), real["fields"].as_array().unwrap());
        let named = |list: &'_ [Value], other: &[Value]| -> Vec<String> {
            let there = |field: &&Value| other.iter().any(|one| one["name"] == field["name"]);
            list.iter().filter(there).map(|field| field["name"].as_str().unwrap().to_owned()).collect()
        };
        let (mut own_order, mut real_order) = (named(own, real), named(real, own));
        // The org whose describes we follow had no record types, so it tells no place for this field.
        own_order.retain(|field| field != "RecordTypeId");
        real_order.retain(|field| field != "RecordTypeId");
        assert_eq!(own_order, real_order, "{name}: the order of the fields");
        for real in real {
            let Some(own) = own.iter().find(|own| own["name"] == real["name"]) else { continue };
            let field = real["name"].as_str().unwrap();
            assert_eq!(keys(own), keys(real), "{name}.{field}: the keys in their order");
            for (key, value) in real.as_object().unwrap() {
                self.note(&format!("{name}.{field} {key}"), &own[key], value);
            }
        }
    }

    /// The child relationships that both have.
    fn children(&mut self, name: &str, own: &Value, real: &Value) {
        let pairs = |describe: &Value| -> BTreeMap<String, Value> {
            let children = describe["childRelationships"].as_array().unwrap().iter();
            let key = |child: &Value| format!("{}.{}", child["childSObject"], child["field"]).replace('"', "");
            children.map(|child| (key(child), child.clone())).collect()
        };
        let own = pairs(own);
        for (key, real) in pairs(real) {
            if let Some(own) = own.get(&key) {
                assert_eq!(keys(own), keys(&real), "{name}: the keys of a relationship in their order");
                self.note(&format!("{name} child {key}"), own, &real);
            }
        }
    }

    #[track_caller]
    fn holds(&self, least: f64, facts: u32) {
        for line in &self.differing {
            say(line);
        }
        let share = f64::from(self.same) / f64::from(self.all);
        say(&format!("{} of {} facts agree ({:.2} %)", self.same, self.all, 100.0 * share));
        assert!(self.all >= facts && share >= least, "{} of {}", self.same, self.all);
    }
}

#[tokio::test]
async fn describes_are_as_recorded() {
    // The recordings of these three are not among the sources that the schema is made from.
    let Some(folder) = fixtures() else { return };
    let client = everything();
    let mut agreement = Agreement::default();
    for name in ["Account", "Contact", "Case"] {
        let real = recorded(&folder, &format!("GET_sobjects_{name}_describe.json"));
        let version = if real.get("associateEntityType").is_some() { "59.0" } else { "48.0" };
        let own = client.version(version).get(&format!("/sobjects/{name}/describe")).await.json();
        assert_eq!(keys(&own), keys(&real), "{name}: the keys in their order");
        for key in keys(&real) {
            if !matches!(key, "fields" | "childRelationships" | "recordTypeInfos" | "urls") {
                agreement.note(&format!("{name} {key}"), &own[key], &real[key]);
            }
        }
        let (own_urls, real_urls) = (keys(&own["urls"]), keys(&real["urls"]));
        assert_eq!(BTreeSet::from_iter(&own_urls), BTreeSet::from_iter(&real_urls), "{name}: the addresses");
        let own_kinds = own["recordTypeInfos"].as_array().unwrap().last().unwrap();
        let real_kinds = real["recordTypeInfos"].as_array().unwrap().last().unwrap();
        assert_eq!(keys(own_kinds), keys(real_kinds));
        assert_eq!(own_kinds["recordTypeId"], real_kinds["recordTypeId"]);
        agreement.fields(name, &own, &real);
        agreement.children(name, &own, &real);
    }
    agreement.holds(0.99, 9_000);
    let unknown: Vec<&String> = agreement.differing.iter().filter(|line| line.ends_with("(not known)")).collect();
    assert!(unknown.len() < 12, "{unknown:?}");
}

#[tokio::test]
async fn describe_global_is_as_recorded() {
    let Some(folder) = fixtures() else { return };
    let client = everything();
    let real = recorded(&folder, "GET_sobjects_Global_describe.json");
    let own = client.version("52.0").get("/sobjects").await.json();
    assert_eq!(keys(&own), keys(&real));
    let own_objects = own["sobjects"].as_array().unwrap();
    let mut agreement = Agreement::default();
    let mut absent = Vec::new();
    for real in real["sobjects"].as_array().unwrap() {
        let name = real["name"].as_str().unwrap();
        let Some(own) = own_objects.iter().find(|own| own["name"] == name) else {
            absent.push(name);
            continue;
        };
        assert_eq!(keys(own), keys(real), "{name}: the keys in their order");
        for (key, value) in real.as_object().unwrap() {
            agreement.note(&format!("{name} {key}"), &own[key], value);
        }
        if name != "WorkOrderLineItem" {
            assert_eq!(keys(&own["urls"]), keys(&real["urls"]), "{name}: the addresses in their order");
        }
    }
    say(&format!("recorded and absent: {absent:?}"));
    agreement.holds(0.99, 2_500);
    let names: Vec<&str> = own_objects.iter().filter_map(|object| object["name"].as_str()).collect();
    assert!(names.is_sorted());
}

#[tokio::test]
async fn the_org_has_every_object_that_the_recorded_one_has() {
    let Some(folder) = fixtures() else { return };
    let text = std::fs::read(folder.join("lwrfileupload/typeNames.json")).unwrap();
    let recorded: Vec<Value> = serde_json::from_slice(&text).unwrap();
    assert_eq!(recorded.len(), 1_254);
    let schema = Schema::of(Catalog::Everything);
    let lacking: Vec<&str> =
        recorded.iter().filter_map(|one| one["name"].as_str()).filter(|name| schema.object(name).is_none()).collect();
    assert!(lacking.is_empty(), "{lacking:?}");
    // Children are as the parents of that org list them, companions too.
    let (mut told, mut found) = (0, 0);
    let mut absent: BTreeMap<String, u32> = BTreeMap::new();
    for entry in std::fs::read_dir(folder.join("lwrfileupload/soqlMetadata")).unwrap() {
        let real: Value = serde_json::from_slice(&std::fs::read(entry.unwrap().path()).unwrap()).unwrap();
        let parent = schema.object(real["name"].as_str().unwrap()).unwrap();
        for child in real["childRelationships"].as_array().unwrap() {
            let (object, field) = (child["childSObject"].as_str().unwrap(), child["field"].as_str().unwrap());
            if object.contains("__") || field.contains("__") {
                continue;
            }
            told += 1;
            let own = parent.children.iter().find(|own| own.object == object && own.field == field);
            let same = own.is_some_and(|own| {
                own.relationship_name.as_deref() == child["relationshipName"].as_str()
                    && json!(own.cascade_delete) == child["cascadeDelete"]
                    && json!(own.restricted_delete) == child["restrictedDelete"]
            });
            if same {
                found += 1;
            } else {
                *absent.entry(format!("{object}.{field}")).or_default() += 1;
            }
        }
    }
    let mut most: Vec<(&String, &u32)> = absent.iter().collect();
    most.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    say(&format!(
        "{found} of {told} child relationships as recorded; most often not: {:?}",
        most.into_iter().take(40).collect::<Vec<_>>()
    ));
}
