// SPDX-License-Identifier: Apache-2.0
//! Which components there are: deployed ones and standard ones, one place for `listMetadata` and for the wildcards of retrieve.

use std::collections::{BTreeMap, BTreeSet};

use super::component::{self, Component};
use super::{container, standard, types};
use crate::org::Tx;

/// All components of a type, by name; of types with folders only those of the folder, which may be in folders below it.
pub fn all(tx: &Tx<'_>, kind: &str, folder: Option<&str>) -> Vec<Component> {
    let mut found: BTreeMap<String, Component> = BTreeMap::new();
    for known in component::all(tx, kind) {
        found.insert(known.full_name.to_lowercase(), known);
    }
    for name in standard::names(tx, kind) {
        if !found.contains_key(&name.to_lowercase())
            && let Some(made) = standard::find(tx, kind, &name)
        {
            found.insert(name.to_lowercase(), made.component);
        }
    }
    // A container that nobody deployed is there with its parts.
    if !container::parts_of(kind).is_empty() && kind != "CustomObject" {
        for name in component::containers_with_parts(tx, kind) {
            found.entry(name.to_lowercase()).or_insert_with(|| whole(tx, kind, &name));
        }
    }
    let mut found: Vec<Component> = found.into_values().collect();
    if let Some(one) = types::find(kind).filter(|one| one.in_folder()) {
        let inside = |name: &str| {
            folder.is_some_and(|folder| name.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')))
        };
        found.retain(|known| inside(&known.full_name));
        if let (Some(folder_kind), Some(folder)) = (one.folder_type(), folder) {
            // A folder's own folders are listed with its content (`salesforce-api.md` 4.1).
            let below = component::all(tx, folder_kind).into_iter();
            found.extend(
                below.filter(|known| known.full_name.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))),
            );
        }
    }
    found.sort_by(|a, b| a.full_name.cmp(&b.full_name));
    found
}

/// A container that only exists through its parts: as old as the oldest, as new as the newest.
fn whole(tx: &Tx<'_>, kind: &str, name: &str) -> Component {
    let parts = component::parts(tx, kind, name);
    let oldest = parts.iter().min_by_key(|part| part.created_ms);
    let newest = parts.iter().max_by_key(|part| part.modified_ms);
    let file = types::find(kind).map(|one| format!("{}/{name}.{}", one.directory, one.suffix.unwrap_or_default()));
    Component {
        kind: kind.to_owned(),
        full_name: name.to_owned(),
        container: None,
        id: String::new(),
        file: file.unwrap_or_default(),
        created_by: oldest.map(|part| part.created_by.clone()).unwrap_or_default(),
        created_ms: oldest.map_or(0, |part| part.created_ms),
        modified_by: newest.map(|part| part.modified_by.clone()).unwrap_or_default(),
        modified_ms: newest.map_or(0, |part| part.modified_ms),
    }
}

/// The component of a type and name, deployed or standard. Containers are found by their parts too.
pub fn find(tx: &Tx<'_>, kind: &str, full_name: &str) -> Option<Component> {
    let known =
        component::find(tx, kind, full_name).or_else(|| standard::find(tx, kind, full_name).map(|made| made.component));
    known.or_else(|| {
        let has_parts = !component::parts(tx, kind, full_name).is_empty();
        has_parts.then(|| whole(tx, kind, full_name))
    })
}

/// What a wildcard stands for: nothing for parts of objects, for what lies in folders and for standard value sets; only custom
/// objects among objects (`salesforce-api.md` 4.1).
pub fn wildcard(tx: &Tx<'_>, kind: &str) -> Vec<Component> {
    let part_of_object = container::of_part(kind).is_some_and(|(parent, _)| parent == "CustomObject");
    let in_folder = types::find(kind).is_some_and(types::Type::in_folder);
    if part_of_object || in_folder || kind == "StandardValueSet" {
        return Vec::new();
    }
    let mut found = all(tx, kind, None);
    if kind == "CustomObject" {
        found.retain(|known| super::model::is_custom(&known.full_name));
    }
    found
}

/// One `FileProperties` (`salesforce-api.md` 4.1).
#[derive(Clone, Debug)]
pub struct Property {
    pub component: Component,
    pub created_by_name: String,
    pub modified_by_name: String,
}

/// Components with the names of who made and changed them.
pub fn properties(tx: &Tx<'_>, components: Vec<Component>) -> Vec<Property> {
    let ids: BTreeSet<&str> =
        components.iter().flat_map(|one| [one.created_by.as_str(), one.modified_by.as_str()]).collect();
    let users = tx.schema.object("User").cloned();
    let names: BTreeMap<String, String> = ids
        .into_iter()
        .filter_map(|id| Some((id.to_owned(), tx.row(users.as_ref()?, id)?.text("Name").to_owned())))
        .collect();
    let name = |id: &str| names.get(id).cloned().unwrap_or_default();
    components
        .into_iter()
        .map(|component| Property {
            created_by_name: name(&component.created_by),
            modified_by_name: name(&component.modified_by),
            component,
        })
        .collect()
}
