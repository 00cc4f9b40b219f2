// SPDX-License-Identifier: Apache-2.0
//! Retrieving: a manifest becomes a zip with the files of what it names (`salesforce-api.md` 4.1).
//!
//! Files that were deployed come back byte for byte; those of containers are put together of their parts, whole when the
//! container was named, else with the parts that were. A profile says only what belongs to the objects, fields, classes … that
//! are retrieved with it. What is not there becomes a message, not a failure.

use std::collections::{BTreeMap, BTreeSet};

use super::archive::{self, Files};
use super::component::{self, Component};
use super::deploy;
use super::list::{self, Property};
use super::manifest::Manifest;
use super::xml::Node;
use super::{container, standard, types};
use crate::org::{Org, Tx};

/// `RetrieveRequest`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Order {
    pub api_version: String,
    pub package_names: Vec<String>,
    pub single_package: bool,
    pub specific_files: Vec<String>,
    pub unpackaged: Manifest,
}

/// `RetrieveResult`, without its state.
#[derive(Debug, Default)]
pub struct Retrieved {
    pub zip: Vec<u8>,
    pub properties: Vec<Property>,
    /// File and problem.
    pub messages: Vec<(String, String)>,
    /// Code and text of a failure.
    pub error: Option<(String, String)>,
}

/// What is named of one container.
#[derive(Default)]
struct Container {
    whole: bool,
    /// Type and full name of parts.
    parts: BTreeSet<(String, String)>,
}

#[derive(Default)]
struct Wanted {
    plain: BTreeMap<(String, String), Component>,
    containers: BTreeMap<(String, String), Container>,
    manifest: Manifest,
    messages: Vec<(String, String)>,
}

/// Runs a retrieve to its end.
pub fn run(org: &Org, order: &Order) -> Retrieved {
    if let Some(name) = order.package_names.first() {
        let text = format!("No package named '{name}' found");
        return Retrieved { error: Some(("INVALID_CROSS_REFERENCE_KEY".into(), text)), ..Retrieved::default() };
    }
    org.read(|tx| {
        let folder = if order.single_package { String::new() } else { "unpackaged/".to_owned() };
        let mut wanted = Wanted::default();
        for (kind, members) in &order.unpackaged.types {
            wanted.take(tx, kind, members, &format!("{folder}package.xml"));
        }
        let (mut files, components) = wanted.files(tx);
        if !order.specific_files.is_empty() {
            let named = |path: &str| order.specific_files.iter().any(|file| file.trim_start_matches(&folder) == path);
            files.retain(|path, _| named(path));
        }
        if files.len() > archive::FILES_MAX {
            let text = format!("Too many files in retrieve call, limit is: {}", archive::FILES_MAX);
            return Retrieved { error: Some(("LIMIT_EXCEEDED".into(), text)), ..Retrieved::default() };
        }
        wanted.manifest.version = match order.unpackaged.version.as_str() {
            "" => order.api_version.clone(),
            version => version.to_owned(),
        };
        let mut zipped: Files = files.into_iter().map(|(path, body)| (format!("{folder}{path}"), body)).collect();
        zipped.insert(format!("{folder}package.xml"), wanted.manifest.document().into_bytes());
        let mut components: Vec<Component> = components
            .into_iter()
            .map(|component| Component { file: format!("{folder}{}", component.file), ..component })
            .filter(|component| {
                zipped.contains_key(&component.file) || zipped.keys().any(|path| path.starts_with(&component.file))
            })
            .collect();
        components.push(package(tx, &folder));
        Retrieved {
            zip: archive::write(&zipped),
            properties: list::properties(tx, components),
            messages: wanted.messages,
            error: None,
        }
    })
}

/// The manifest is listed among the files.
fn package(tx: &Tx<'_>, folder: &str) -> Component {
    let (name, user) = (format!("{folder}package.xml"), tx.first_user_id());
    Component {
        kind: "Package".to_owned(),
        full_name: name.clone(),
        container: None,
        id: String::new(),
        file: name,
        created_by: user.clone(),
        created_ms: tx.now,
        modified_by: user,
        modified_ms: tx.now,
    }
}

impl Wanted {
    fn take(&mut self, tx: &Tx<'_>, kind: &str, members: &[String], file: &str) {
        if !types::exists(kind) && container::of_part(kind).is_none() {
            self.messages.push((file.to_owned(), format!("Entity type: '{kind}' is unknown")));
            return;
        }
        for member in members {
            if member == "*" {
                for component in list::wildcard(tx, kind) {
                    self.one(tx, kind, component);
                }
                continue;
            }
            // Folders are named under the type they hold.
            let folder = types::find(kind).and_then(types::Type::folder_type);
            let found = list::find(tx, kind, member).or_else(|| component::find(tx, folder?, member));
            match found {
                Some(component) => self.one(tx, kind, component),
                None => {
                    let text = format!("Entity of type '{kind}' named '{member}' cannot be found");
                    self.messages.push((file.to_owned(), text));
                }
            }
        }
    }

    fn one(&mut self, tx: &Tx<'_>, kind: &str, component: Component) {
        self.manifest.add(deploy::listed_as(kind), &component.full_name);
        if let Some((parent, _)) = container::of_part(kind) {
            let name = container::container_name(parent, &component.full_name).to_owned();
            let entry = self.containers.entry((parent.to_owned(), name)).or_default();
            entry.parts.insert((component.kind, component.full_name));
        } else if !container::parts_of(kind).is_empty() {
            self.containers.entry((kind.to_owned(), component.full_name.clone())).or_default().whole = true;
            // The manifest of the answer names the parts of a whole object too.
            for part in component::parts(tx, kind, &component.full_name) {
                if kind != "CustomObject" {
                    self.manifest.add(&part.kind, &part.full_name);
                }
            }
        } else {
            self.plain.insert((component.kind.clone(), component.full_name.clone()), component);
        }
    }

    /// The files by path, and the components they are of.
    fn files(&self, tx: &Tx<'_>) -> (Files, Vec<Component>) {
        let mut files = Files::new();
        let mut components = Vec::new();
        for ((kind, name), component) in &self.plain {
            let mut found = component::files(tx, kind, name);
            if found.is_empty()
                && let Some(made) = standard::find(tx, kind, name)
            {
                found.push((made.component.file.clone(), made.node.document().into_bytes()));
            }
            if kind == "Profile" {
                found = found.into_iter().map(|(path, body)| (path, self.narrow_profile(body))).collect();
            }
            files.extend(found);
            components.push(component.clone());
        }
        for ((kind, name), wanted) in &self.containers {
            let Some(component) = list::find(tx, kind, name) else { continue };
            let root = assemble(
                tx,
                kind,
                name,
                |part, full_name| wanted.whole || wanted.parts.contains(&(part.to_owned(), full_name.to_owned())),
                wanted.whole,
            );
            files.insert(component.file.clone(), root.document().into_bytes());
            components.push(component);
        }
        (files, components)
    }

    /// Leaves out of a profile what belongs to nothing that is retrieved.
    fn narrow_profile(&self, body: Vec<u8>) -> Vec<u8> {
        let Some(mut root) = std::str::from_utf8(&body).ok().and_then(|text| super::xml::parse(text).ok()) else {
            return body;
        };
        let before = root.children.len();
        root.children.retain(|child| self.belongs(child));
        if root.children.len() == before { body } else { root.document().into_bytes() }
    }

    fn belongs(&self, entry: &Node) -> bool {
        let plain = |kind: &str, name: &str| self.plain.contains_key(&(kind.to_owned(), name.to_owned()));
        let object = |name: &str| self.containers.get(&("CustomObject".to_owned(), name.to_owned()));
        let part = |kind: &str, name: &str| {
            let owner = object(name.split('.').next().unwrap_or_default());
            owner.is_some_and(|owner| owner.whole || owner.parts.contains(&(kind.to_owned(), name.to_owned())))
        };
        match entry.name.as_str() {
            "applicationVisibilities" => plain("CustomApplication", entry.text_of("application")),
            "classAccesses" => plain("ApexClass", entry.text_of("apexClass")),
            "customMetadataTypeAccesses" | "customSettingAccesses" => object(entry.text_of("name")).is_some(),
            "customPermissions" => plain("CustomPermission", entry.text_of("name")),
            "externalDataSourceAccesses" => plain("ExternalDataSource", entry.text_of("externalDataSource")),
            "fieldPermissions" => part("CustomField", entry.text_of("field")),
            "flowAccesses" => plain("Flow", entry.text_of("flow")),
            "layoutAssignments" => plain("Layout", entry.text_of("layout")),
            "objectPermissions" => object(entry.text_of("object")).is_some_and(|owner| owner.whole),
            "pageAccesses" => plain("ApexPage", entry.text_of("apexPage")),
            "recordTypeVisibilities" => part("RecordType", entry.text_of("recordType")),
            "tabVisibilities" => {
                plain("CustomTab", entry.text_of("tab")) || entry.text_of("tab").starts_with("standard-")
            }
            _ => true,
        }
    }
}

/// A container's file, with the parts that are wanted.
pub fn assemble(tx: &Tx<'_>, kind: &str, name: &str, wants: impl Fn(&str, &str) -> bool, whole: bool) -> Node {
    let known = component::find(tx, kind, name).and_then(|component| component::node(tx, &component));
    let root = match whole {
        true => {
            known.or_else(|| standard::find(tx, kind, name).map(|made| made.node)).unwrap_or_else(|| Node::named(kind))
        }
        false => Node::named(kind),
    };
    let mut parts: Vec<(container::Part, Node)> = Vec::new();
    for stored in component::parts(tx, kind, name) {
        if let (true, Some(node), Some((_, part))) =
            (wants(&stored.kind, &stored.full_name), component::node(tx, &stored), container::of_part(&stored.kind))
        {
            parts.push((part, node));
        }
    }
    if kind == "CustomObject" {
        for made in standard::parts(tx, name) {
            if let (true, Some((_, part))) =
                (wants(&made.component.kind, &made.component.full_name), container::of_part(&made.component.kind))
            {
                parts.push((part, made.node));
            }
        }
    }
    container::join(root, parts)
}
