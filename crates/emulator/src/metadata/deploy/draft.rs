// SPDX-License-Identifier: Apache-2.0
//! From files to drafts of components: each file parsed, checked against the WSDL, and containers taken apart.

use std::collections::BTreeMap;

use super::super::container;
use super::super::model::is_custom;
use super::super::types::{self, Form};
use super::super::xml::{self, Node};
use super::super::{Problem, elements};
use super::parcel::{Parcel, Place, place};

/// The version of calls that name none.
pub const LATEST: f64 = 67.0;

/// A component that a deploy wants to save.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    pub kind: String,
    pub full_name: String,
    /// The container it is a part of.
    pub container: Option<String>,
    /// The file it stands in, as packages name it.
    pub file: String,
    /// What is kept of it.
    pub files: Vec<(String, Vec<u8>)>,
    /// Its XML.
    pub node: Option<Node>,
    pub problem: Option<Problem>,
    pub is_warning: bool,
    /// What whoever deploys should know of a component that was saved.
    pub note: Option<String>,
    pub outcome: super::Outcome,
}

impl Draft {
    pub fn refuse(&mut self, problem: Problem) {
        self.problem.get_or_insert(problem);
    }

    pub fn is_good(&self) -> bool {
        self.problem.is_none() || self.is_warning
    }

    /// Where its element stands.
    pub fn position(&self) -> (u32, u32) {
        self.node.as_ref().map_or((0, 0), |node| (node.line, node.column))
    }
}

/// The drafts of all files that the manifest names, and the paths of those it does not.
pub fn read(parcel: &Parcel) -> (Vec<Draft>, Vec<(String, Option<Place>)>) {
    let mut groups: BTreeMap<Place, Vec<(String, Vec<u8>)>> = BTreeMap::new();
    let mut unlisted = Vec::new();
    for (path, body) in &parcel.files {
        match place(path) {
            Some(place) => groups.entry(place).or_default().push((path.clone(), body.clone())),
            None => unlisted.push((path.clone(), None)),
        }
    }
    let mut drafts = Vec::new();
    for (place, files) in groups {
        if super::apps::takes(&place.kind) && parcel.manifest.names(&place.listed_as, &place.name) {
            continue;
        }
        let before = drafts.len();
        one(parcel, &place, files.clone(), &mut drafts);
        if drafts.len() == before {
            unlisted.extend(files.into_iter().take(1).map(|(path, _)| (path, Some(place.clone()))));
        }
    }
    (drafts, unlisted)
}

fn one(parcel: &Parcel, place: &Place, files: Vec<(String, Vec<u8>)>, drafts: &mut Vec<Draft>) {
    let listed = parcel.manifest.names(&place.listed_as, &place.name);
    let parts = container::parts_of(&place.kind);
    let part_listed = parts.iter().any(|part| parcel.manifest.members(part.kind).next().is_some());
    // Labels are named as labels, or all of them by their file.
    if !listed && !part_listed {
        return;
    }
    let mut draft = Draft {
        kind: place.kind.clone(),
        full_name: place.name.clone(),
        file: main_file(&files),
        files,
        ..Draft::default()
    };
    parse(&mut draft, parcel.manifest.version.parse().unwrap_or(LATEST));
    if parts.is_empty() || draft.node.is_none() {
        drafts.push(draft);
        return;
    }
    let (root, found) = container::split(&place.kind, draft.node.take().unwrap_or_default());
    let file = draft.file.clone();
    // An object that is only named for its parts says nothing of itself.
    let says_nothing =
        root.children.is_empty() && place.kind == "CustomObject" && !(parcel.lenient && is_custom(&place.name));
    if listed && !(says_nothing && draft.problem.is_none()) {
        draft.files = vec![(file.clone(), root.document().into_bytes())];
        draft.node = Some(root);
        drafts.push(draft);
    } else if draft.problem.is_some() {
        drafts.push(draft);
        return;
    }
    for (part, node) in found {
        let full_name = container::full_name(&place.kind, &place.name, node.text_of("fullName"));
        if !listed && !parcel.manifest.names(part.kind, &full_name) {
            continue;
        }
        let mut piece = Draft {
            kind: part.kind.to_owned(),
            container: Some(place.name.clone()),
            files: vec![(file.clone(), node.document().into_bytes())],
            file: file.clone(),
            full_name,
            ..Draft::default()
        };
        if node.text_of("fullName").is_empty() {
            let text = format!("element fullName missing for a child of type {}", part.kind);
            piece.problem = Some(Problem::at(&node, text));
        }
        piece.node = Some(node);
        drafts.push(piece);
    }
}

/// The file that messages name: the content rather than what describes it.
fn main_file(files: &[(String, Vec<u8>)]) -> String {
    let plain = files.iter().find(|(path, _)| !path.ends_with("-meta.xml"));
    plain.or(files.first()).map(|(path, _)| path.clone()).unwrap_or_default()
}

/// Reads the XML of a draft, if it has any, and checks it.
fn parse(draft: &mut Draft, version: f64) {
    let form = types::find(&draft.kind).map_or(Form::Plain, |one| one.form);
    let described = draft.files.iter().find(|(path, _)| path.ends_with("-meta.xml"));
    let content = draft.files.iter().find(|(path, _)| !path.ends_with("-meta.xml"));
    let needs_both = form == Form::Content || draft.kind == "EmailTemplate" || draft.kind == "Document";
    let found = match form {
        Form::Bundle | Form::NestedBundle => described,
        _ if needs_both => {
            let missing = match (described, content) {
                (None, Some((path, _))) => Some(format!("Required file '{path}-meta.xml' is missing")),
                (Some((path, _)), None) => {
                    Some(format!("Required file '{}' is missing", path.trim_end_matches("-meta.xml")))
                }
                _ => None,
            };
            if let Some(text) = missing {
                draft.refuse(Problem { line: 0, column: 0, text });
                return;
            }
            described
        }
        _ => described.or(content),
    };
    let Some((_, body)) = found else { return };
    let Ok(text) = std::str::from_utf8(body) else {
        draft.refuse(Problem { line: 1, column: 1, text: "Error parsing file: Invalid UTF-8".to_owned() });
        return;
    };
    match xml::parse(text) {
        Err(error) => {
            let text = format!("Error parsing file: {error}");
            draft.refuse(Problem { line: error.line, column: error.column, text });
        }
        Ok(root) => {
            // Files in one folder may be of several types, whatever their suffix says.
            let same_folder = types::find(&root.name)
                .is_some_and(|one| draft.kind != root.name && draft.file.starts_with(one.directory));
            let expected = draft.kind == root.name || !types::exists(&root.name) || form != Form::Plain || same_folder;
            if !expected && !draft.kind.ends_with("Folder") && draft.kind != "Settings" {
                let text = format!(
                    "Error parsing file: Element {{{}}}{} invalid at this location in type {}",
                    xml::NAMESPACE,
                    root.name,
                    draft.kind
                );
                draft.refuse(Problem::at(&root, text));
            } else if let Err(problem) =
                elements::check(&root, if same_folder { &draft.kind } else { &root.name }, version)
            {
                let text = format!("Error parsing file: {}", problem.text);
                draft.refuse(Problem { text, ..problem });
            }
            draft.node = Some(root);
        }
    }
}
