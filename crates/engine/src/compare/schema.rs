// SPDX-License-Identifier: Apache-2.0
//! How the schema differs between two sides: objects, their fields, the values of picklists, record types.
//!
//! Both sides' describes are held against each other attribute by attribute, whatever attributes the org sends: one that a later API
//! version adds is compared like any other. A thing that was given another API name is one that is gone and one that came: nothing in a
//! describe ties them together.

use super::ChangeKind;
use super::sides::Shown;
use crate::error::{Error, Kind, Result};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SchemaChange {
    pub object: String,
    /// `None` where the object itself differs.
    pub field: Option<String>,
    pub kind: ChangeKind,
    /// What of it: an attribute of the describe (`type`, `length`, `label`), `picklist value Hot`, `record type Partner`. `None` for the
    /// object or field as a whole.
    pub what: Option<String>,
    pub before: Option<String>,
    pub after: Option<String>,
}

/// Attributes that follow from other changes, or differ from user to user and day to day.
const NOT_COMPARED: [&str; 7] = [
    "actionOverrides",
    "childRelationships",
    "fields",
    "namedLayoutInfos",
    "recordTypeInfos",
    "supportedScopes",
    "urls",
];

/// What differs from `left` to `right`.
pub(super) fn changes(left: &Shown, right: &Shown) -> Result<Vec<SchemaChange>> {
    let mut changes = Vec::new();
    for object in left.objects.union(&right.objects) {
        match (left.raw(object), right.raw(object)) {
            (Some(left), Some(right)) if left != right => {
                of_object(object, &parse(object, left)?, &parse(object, right)?, &mut changes);
            }
            (Some(_), None) => changes.push(whole(object, None, ChangeKind::Removed)),
            (None, Some(_)) => changes.push(whole(object, None, ChangeKind::Added)),
            _ => {}
        }
    }
    Ok(changes)
}

fn parse(object: &str, raw: &str) -> Result<Map<String, Value>> {
    serde_json::from_str(raw).map_err(|error| {
        Error::new(Kind::Corrupt, format!("the describe of {object} in the vault cannot be read: {error}"))
    })
}

fn whole(object: &str, field: Option<&str>, kind: ChangeKind) -> SchemaChange {
    let (object, field) = (object.to_owned(), field.map(str::to_owned));
    SchemaChange { object, field, kind, what: None, before: None, after: None }
}

fn of_object(object: &str, left: &Map<String, Value>, right: &Map<String, Value>, changes: &mut Vec<SchemaChange>) {
    attributes(object, None, left, right, changes);
    parts(object, None, "record type", ("developerName", "recordTypeInfos"), (left, right), changes);
    let (before, after) = (named(left, "fields", "name"), named(right, "fields", "name"));
    for name in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
        match (before.get(name), after.get(name)) {
            (Some(left), Some(right)) => {
                attributes(object, Some(name), left, right, changes);
                parts(object, Some(name), "picklist value", ("value", "picklistValues"), (left, right), changes);
            }
            (Some(_), None) => changes.push(whole(object, Some(name), ChangeKind::Removed)),
            (None, _) => changes.push(whole(object, Some(name), ChangeKind::Added)),
        }
    }
}

fn attributes(
    object: &str,
    field: Option<&str>,
    left: &Map<String, Value>,
    right: &Map<String, Value>,
    changes: &mut Vec<SchemaChange>,
) {
    let is_part = |name: &str| NOT_COMPARED.contains(&name) || name == "picklistValues";
    for name in left.keys().chain(right.keys()).filter(|name| !is_part(name)).collect::<BTreeSet<_>>() {
        let (before, after) = (left.get(name), right.get(name));
        if before != after {
            changes.push(SchemaChange {
                what: Some(name.clone()),
                before: before.and_then(text),
                after: after.and_then(text),
                ..whole(object, field, ChangeKind::Changed)
            });
        }
    }
}

/// Differences of named parts: the values of a picklist, the record types of an object.
fn parts(
    object: &str,
    field: Option<&str>,
    kind: &str,
    (key, list): (&str, &str),
    (left, right): (&Map<String, Value>, &Map<String, Value>),
    changes: &mut Vec<SchemaChange>,
) {
    let (before, after) = (named(left, list, key), named(right, list, key));
    for name in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
        let change = |kind_of: ChangeKind| SchemaChange {
            what: Some(format!("{kind} {name}")),
            ..whole(object, field, kind_of)
        };
        match (before.get(name), after.get(name)) {
            (Some(left), Some(right)) => {
                let mut inner = Vec::new();
                attributes(object, field, left, right, &mut inner);
                changes.extend(inner.into_iter().map(|inner| SchemaChange {
                    what: Some(format!("{kind} {name}, {}", inner.what.as_deref().unwrap_or_default())),
                    ..inner
                }));
            }
            (Some(_), None) => changes.push(change(ChangeKind::Removed)),
            (None, _) => changes.push(change(ChangeKind::Added)),
        }
    }
}

fn named<'v>(of: &'v Map<String, Value>, list: &str, key: &str) -> BTreeMap<String, &'v Map<String, Value>> {
    let parts = of.get(list).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object);
    parts.filter_map(|part| Some((part.get(key)?.as_str()?.to_owned(), part))).collect()
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::describes::Describes;

    fn side(describes: &[(&str, &str)]) -> Shown {
        let mut all = Describes::default();
        describes.iter().for_each(|(object, raw)| all.push(object, raw));
        Shown { describes: all.into(), objects: describes.iter().map(|(object, _)| (*object).to_owned()).collect() }
    }

    #[test]
    fn objects_fields_attributes_and_picklist_values_are_told_apart() {
        let old = side(&[
            (
                "A",
                r#"{"name":"A","label":"A","fields":[{"name":"F","length":40,"picklistValues":[{"value":"Hot","active":true},{"value":"Cold","active":true}]},{"name":"G"}]}"#,
            ),
            ("B", r#"{"name":"B"}"#),
        ]);
        let new = side(&[
            (
                "A",
                r#"{"name":"A","label":"Alpha","fields":[{"name":"F","length":80,"picklistValues":[{"value":"Hot","active":false},{"value":"Warm","active":true}]},{"name":"H"}],"urls":{}}"#,
            ),
            ("C", r#"{"name":"C"}"#),
        ]);
        let told: Vec<String> = changes(&old, &new)
            .unwrap()
            .iter()
            .map(|change| {
                let what = [
                    change.field.as_deref(),
                    change.what.as_deref(),
                    change.before.as_deref(),
                    change.after.as_deref(),
                ];
                format!(
                    "{:?} {} {}",
                    change.kind,
                    change.object,
                    what.into_iter().flatten().collect::<Vec<_>>().join(" ")
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                "Changed A label A Alpha",
                "Changed A F length 40 80",
                "Removed A F picklist value Cold",
                "Changed A F picklist value Hot, active true false",
                "Added A F picklist value Warm",
                "Removed A G",
                "Added A H",
                "Removed B ",
                "Added C ",
            ]
        );
    }
}
