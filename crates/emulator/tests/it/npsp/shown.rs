// SPDX-License-Identifier: Apache-2.0
//! Whether a file of the project is in what a retrieve gave: byte for byte, or, where Salesforce itself puts several files into
//! one or several deploys into one file, element for element. Elements are equal when they say the same in any order.

use std::collections::{BTreeSet, HashMap};

use orgkeep_emulator::metadata::archive;
use orgkeep_emulator::metadata::xml::{self, Node};

use crate::porter::{Files, sorted};

/// What came back, and its elements once they were asked for.
pub struct Shown<'a> {
    files: &'a Files,
    elements: HashMap<String, BTreeSet<String>>,
    /// Paths of the files that lie flat in the folder of their type, by their name.
    flat: HashMap<&'a str, &'a str>,
}

/// How a file came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// The same bytes.
    Bytes,
    /// Its elements are among those of the file.
    Elements,
    Not,
}

impl<'a> Shown<'a> {
    pub fn new(files: &'a Files) -> Shown<'a> {
        let flat = files.keys().filter_map(|path| path.split_once('/').map(|(_, name)| (name, path.as_str())));
        Shown { files, elements: HashMap::new(), flat: flat.filter(|(name, _)| !name.contains('/')).collect() }
    }

    /// How a file that the Metadata API knows under this path came back.
    pub fn whole(&mut self, path: &str, body: &[u8]) -> How {
        match self.files.get(path) {
            Some(back) if back == body => How::Bytes,
            Some(_) if is_merged(path) => self.among(path, parse(body).children),
            _ => How::Not,
        }
    }

    /// How a file of the source format came back.
    pub fn source(&mut self, path: &str, body: &[u8]) -> How {
        let parts: Vec<&str> = path.split('/').collect();
        let file = parts[parts.len() - 1];
        let plain = file.strip_suffix("-meta.xml").unwrap_or(file);
        let suffix = plain.rsplit('.').next().unwrap_or_default();
        let after = |directory: &str| parts.iter().position(|part| *part == directory).map(|at| &parts[at + 1..]);
        if let Some([name, .., _]) = after("objects") {
            let container = format!("objects/{name}.object");
            return match suffix {
                "object" => self.among(&container, parse(body).children),
                _ => self.part(&container, &format!("{}s", suffix.trim_end_matches("s")), body),
            };
        }
        if let Some([name, .., _]) = after("objectTranslations") {
            let container = format!("objectTranslations/{name}.objectTranslation");
            return match suffix {
                "objectTranslation" => self.among(&container, parse(body).children),
                _ => self.part(&container, "fields", body),
            };
        }
        if after("labels").is_some() {
            return self.among("labels/CustomLabels.labels", parse(body).children);
        }
        if let Some(inside) = after("staticresources") {
            return self.static_resource(inside, body);
        }
        for directory in ["documents", "email", "reports", "lwc", "aura"] {
            let Some(inside) = after(directory) else { continue };
            let inside = inside.join("/");
            let path = match suffix {
                "documentFolder" | "emailFolder" | "reportFolder" => {
                    format!("{directory}/{}-meta.xml", inside.split('.').next().unwrap_or_default())
                }
                "document" => {
                    let stem = format!("documents/{}.", inside.split('.').next().unwrap_or_default());
                    let content = self.files.keys().find(|path| path.starts_with(&stem) && !path.ends_with(".xml"));
                    content.map(|path| format!("{path}-meta.xml")).unwrap_or_default()
                }
                "report" => format!("reports/{}", inside.trim_end_matches("-meta.xml")),
                _ => format!("{directory}/{inside}"),
            };
            return self.whole(&path, body);
        }
        // What is left lies flat in the folder of its type, whatever folders a project has between.
        let found = [file, plain].into_iter().find_map(|name| self.flat.get(name).copied());
        found.map_or(How::Not, |path| self.whole(path, body))
    }

    fn static_resource(&mut self, inside: &[&str], body: &[u8]) -> How {
        let stem = inside[0].split('.').next().unwrap_or_default();
        if inside.len() == 1 {
            let end = if inside[0].ends_with("-meta.xml") { "-meta.xml" } else { "" };
            return self.whole(&format!("staticresources/{stem}.resource{end}"), body);
        }
        let zipped =
            self.files.get(&format!("staticresources/{stem}.resource")).and_then(|zip| archive::read(zip).ok());
        let back = zipped.and_then(|mut files| files.remove(&inside[1..].join("/")));
        if back.as_deref() == Some(body) { How::Bytes } else { How::Not }
    }

    /// A file that is an element of another file.
    fn part(&mut self, container: &str, element: &str, body: &[u8]) -> How {
        let mut node = parse(body);
        node.name = element.to_owned();
        self.among(container, vec![node])
    }

    fn among(&mut self, path: &str, children: Vec<Node>) -> How {
        let Some(file) = self.files.get(path) else { return How::Not };
        let known = self
            .elements
            .entry(path.to_owned())
            .or_insert_with(|| parse(file).children.into_iter().map(sorted).collect());
        if children.into_iter().all(|child| known.contains(&sorted(child))) { How::Elements } else { How::Not }
    }
}

/// Files into which several deploys go.
fn is_merged(path: &str) -> bool {
    let ends = [".object", ".labels", ".workflow", "Rule", ".profile", ".objectTranslation", ".translation"];
    ends.iter().any(|end| path.ends_with(end))
}

fn parse(body: &[u8]) -> Node {
    xml::parse(std::str::from_utf8(body).expect("UTF-8")).expect("well-formed")
}
