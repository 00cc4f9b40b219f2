// SPDX-License-Identifier: Apache-2.0
//! SFDX projects as parcels: files of the source format become files of the Metadata API.
//!
//! Read are the package directories that `sfdx-project.json` names, or the folder itself. A file's path is cut at the first
//! folder that a metadata type's files lie in; a file in no such folder is known by its ending. Objects and their translations
//! are put together of the files they were taken apart into, labels into the one file that an org has; `-meta.xml` is cut off where the Metadata API has none; folders between that a project has for order's
//! sake are left out; contents of static resources become `.resource`, and folders of them zips. Files that the Metadata API
//! names already are taken as they are. What belongs to no type (scripts, licences, configurations) is left out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::archive::{self, Files};
use super::container;
use super::deploy::parcel::{Parcel, place};
use super::manifest::Manifest;
use super::types::{self, Form};
use super::xml::{self, Node};

/// Why a project could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("cannot read {path}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{path} is not well-formed XML: {reason}")]
    Xml { path: PathBuf, reason: String },
    #[error("there is no metadata in {path}")]
    Empty { path: PathBuf },
}

/// Reads the project in `folder` as what a deploy of it would bring.
///
/// # Errors
/// A file cannot be read, is not well-formed, or there is none.
pub fn read(folder: &Path) -> Result<Parcel, SourceError> {
    let mut paths = Vec::new();
    for root in roots(folder)? {
        walk(&root, &root, &mut paths)?;
    }
    paths.sort();
    let mut composed = Composed::default();
    for (relative, path) in paths {
        let body = std::fs::read(&path).map_err(|source| SourceError::Read { path: path.clone(), source })?;
        composed.take(&relative, body).map_err(|reason| SourceError::Xml { path: path.clone(), reason })?;
    }
    let files = composed.files();
    let mut manifest = Manifest { version: "67.0".to_owned(), ..Manifest::default() };
    for place in files.keys().filter_map(|path| place(path)) {
        manifest.add(&place.listed_as, "*");
    }
    if manifest.types.is_empty() {
        return Err(SourceError::Empty { path: folder.to_owned() });
    }
    Ok(Parcel { files_count: files.len(), files, manifest, lenient: true, ..Parcel::default() })
}

/// The package directories, or the folder itself.
fn roots(folder: &Path) -> Result<Vec<PathBuf>, SourceError> {
    let path = folder.join("sfdx-project.json");
    if !path.exists() {
        return Ok(vec![folder.to_owned()]);
    }
    let text = std::fs::read(&path).map_err(|source| SourceError::Read { path: path.clone(), source })?;
    let json: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
    let directories =
        json["packageDirectories"].as_array().into_iter().flatten().filter_map(|package| package["path"].as_str());
    let found: Vec<PathBuf> = directories.map(|path| folder.join(path)).filter(|path| path.exists()).collect();
    Ok(if found.is_empty() { vec![folder.to_owned()] } else { found })
}

fn walk(root: &Path, folder: &Path, found: &mut Vec<(String, PathBuf)>) -> Result<(), SourceError> {
    let failed = |source| SourceError::Read { path: folder.to_owned(), source };
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            walk(root, &path, found)?;
            continue;
        }
        let relative = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
        found.push((relative, path));
    }
    Ok(())
}

/// Files on their way to the Metadata API's form.
#[derive(Default)]
pub struct Composed {
    files: Files,
    /// Containers by path: what is left of them, and their parts.
    trees: BTreeMap<String, Node>,
    /// Contents of static resources that are folders, by name.
    folders: BTreeMap<String, Files>,
    /// Descriptions of documents by path without a suffix: the suffix is that of the content beside.
    documents: Files,
}

impl Composed {
    /// Takes a file of a project.
    ///
    /// # Errors
    /// It is a part of an object and not well-formed.
    pub fn take(&mut self, path: &str, body: Vec<u8>) -> Result<(), String> {
        let parts: Vec<&str> = path.split('/').collect();
        for at in 0..parts.len().saturating_sub(1) {
            if types::in_directory(parts[at]).next().is_some() && self.place(&parts[at..], &body)? {
                return Ok(());
            }
        }
        if let Some(target) = by_suffix(parts[parts.len() - 1]) {
            self.files.insert(target, body);
        }
        Ok(())
    }

    fn place(&mut self, parts: &[&str], body: &[u8]) -> Result<bool, String> {
        let (directory, file) = (parts[0], parts[parts.len() - 1]);
        let plain = file.strip_suffix("-meta.xml");
        match directory {
            "objects" | "objectTranslations" | "bots" if parts.len() > 2 => {
                let Some((stem, suffix)) = plain.and_then(|plain| plain.rsplit_once('.')) else { return Ok(false) };
                return self.piece(directory, parts[1], (stem, suffix), body);
            }
            "objects" | "labels" | "objectTranslations" => {
                // An org has one file of labels, however many a project spreads them over.
                let name = if directory == "labels" { "CustomLabels.labels" } else { plain.unwrap_or(file) };
                if place(&format!("{directory}/{name}")).is_none() {
                    return Ok(false);
                }
                self.tree(&format!("{directory}/{name}"), parse(body)?);
                return Ok(true);
            }
            "documents" => {
                if let Some(stem) = file.strip_suffix(".document-meta.xml") {
                    self.documents.insert(format!("{}/{stem}", parts[..parts.len() - 1].join("/")), body.to_vec());
                    return Ok(true);
                }
            }
            "staticresources" => return Ok(self.static_resource(&parts[1..], body)),
            _ => {}
        }
        let Some(target) = target(parts) else { return Ok(false) };
        self.files.insert(target, body.to_vec());
        Ok(true)
    }

    /// A file of an object that was taken apart.
    fn piece(
        &mut self,
        directory: &str,
        name: &str,
        (stem, suffix): (&str, &str),
        body: &[u8],
    ) -> Result<bool, String> {
        let (path, element) = match (directory, suffix) {
            ("objects", "object") => (format!("objects/{name}.object"), None),
            ("objects", suffix) => {
                let known = types::find("CustomObject").map(|one| one.children.clone()).unwrap_or_default();
                let kind = known
                    .into_iter()
                    .find(|kind| kind.eq_ignore_ascii_case(suffix) || (suffix == "field" && *kind == "CustomField"));
                let Some(part) = kind.and_then(container::of_part) else { return Ok(false) };
                (format!("objects/{name}.object"), Some(part.1.element))
            }
            ("objectTranslations", "objectTranslation") => {
                (format!("objectTranslations/{name}.objectTranslation"), None)
            }
            ("objectTranslations", "fieldTranslation") => {
                (format!("objectTranslations/{name}.objectTranslation"), Some("fields"))
            }
            ("bots", "bot") => (format!("bots/{name}.bot"), None),
            ("bots", "botVersion") => (format!("bots/{name}.bot"), Some("botVersions")),
            _ => return Ok(false),
        };
        let mut node = parse(body)?;
        match element {
            None => self.tree(&path, node),
            Some(element) => {
                node.name = element.to_owned();
                if node.first("fullName").is_none() && directory != "objectTranslations" {
                    node.children.insert(0, Node::leaf("fullName", stem));
                }
                let root = match directory {
                    "objects" => "CustomObject",
                    "bots" => "Bot",
                    _ => "CustomObjectTranslation",
                };
                self.tree(&path, Node::named(root).with(node));
            }
        }
        Ok(true)
    }

    /// Adds to a tree; two files of one object or of labels are one.
    fn tree(&mut self, path: &str, node: Node) {
        match self.trees.get_mut(path) {
            Some(known) => known.children.extend(node.children),
            None => {
                self.trees.insert(path.to_owned(), node);
            }
        }
    }

    fn static_resource(&mut self, parts: &[&str], body: &[u8]) -> bool {
        let file = parts[parts.len() - 1];
        if parts.len() == 1 {
            let stem = file.split('.').next().unwrap_or(file);
            let target = match file.ends_with("-meta.xml") {
                true => format!("staticresources/{stem}.resource-meta.xml"),
                false => format!("staticresources/{stem}.resource"),
            };
            self.files.insert(target, body.to_vec());
            return true;
        }
        self.folders.entry(parts[0].to_owned()).or_default().insert(parts[1..].join("/"), body.to_vec());
        true
    }

    /// The files of the Metadata API.
    pub fn files(self) -> Files {
        let mut files = self.files;
        for (path, tree) in self.trees {
            files.insert(path, tree.document().into_bytes());
        }
        for (stem, body) in self.documents {
            let content = files.keys().find(|path| path.rsplit_once('.').is_some_and(|(own, _)| own == stem)).cloned();
            files.insert(format!("{}-meta.xml", content.unwrap_or(stem)), body);
        }
        for (name, content) in self.folders {
            // A folder without a description beside it is none of a static resource's.
            if files.contains_key(&format!("staticresources/{name}.resource-meta.xml")) {
                files.insert(format!("staticresources/{name}.resource"), archive::write(&content));
            }
        }
        files
    }
}

/// Where a file that is not taken apart lies for the Metadata API.
fn target(parts: &[&str]) -> Option<String> {
    let (directory, file) = (parts[0], parts[parts.len() - 1]);
    let inside = parts[1..parts.len() - 1].join("/");
    let slash = if inside.is_empty() { "" } else { "/" };
    // Types of folders are named by what they hold, which lies in the same directory.
    let is_folder = |kind: &str| types::in_directory(directory).any(|one| one.folder_type() == Some(kind));
    for one in types::in_directory(directory).filter(|one| !is_folder(one.name)) {
        let found = match one.form {
            Form::Bundle | Form::NestedBundle => Some(parts.join("/")),
            Form::Content => Some(format!("{directory}/{file}")),
            Form::Folder => {
                let folder_suffix = one.folder_type().and_then(types::find).and_then(|kind| kind.suffix);
                let folder = folder_suffix.and_then(|suffix| file.strip_suffix(&format!(".{suffix}-meta.xml")));
                match (folder, one.name) {
                    (Some(folder), _) => Some(format!("{directory}/{inside}{slash}{folder}-meta.xml")),
                    (None, "Document" | "EmailTemplate") => Some(format!("{directory}/{inside}{slash}{file}")),
                    (None, _) => {
                        Some(format!("{directory}/{inside}{slash}{}", file.strip_suffix("-meta.xml").unwrap_or(file)))
                    }
                }
            }
            Form::Plain => {
                let file = file.strip_suffix("-meta.xml").unwrap_or(file);
                let keeps = directory == "territory2Models";
                Some(if keeps { format!("{directory}/{inside}{slash}{file}") } else { format!("{directory}/{file}") })
            }
        };
        if let Some(path) = found.filter(|path| {
            place(path)
                .is_some_and(|place| place.kind == one.name || place.listed_as == one.name || directory == "settings")
        }) {
            return Some(path);
        }
    }
    None
}

/// Where a file lies that is in no folder of its type: a project may keep classes and the like anywhere, as their ending says
/// what they are. Types whose files need their folder have endings that others have too, or none.
fn by_suffix(file: &str) -> Option<String> {
    let plain = file.strip_suffix("-meta.xml");
    let suffix = plain.unwrap_or(file).rsplit_once('.')?.1;
    let mut found = types::all().iter().filter(|one| one.suffix == Some(suffix) && one.name != "StaticResource");
    let one = found.next().filter(|_| found.next().is_none())?;
    match one.form {
        Form::Content => Some(format!("{}/{file}", one.directory)),
        Form::Plain if container::parts_of(one.name).is_empty() => Some(format!("{}/{}", one.directory, plain?)),
        _ => None,
    }
}

fn parse(body: &[u8]) -> Result<Node, String> {
    let text = std::str::from_utf8(body).map_err(|_| "it is not UTF-8".to_owned())?;
    xml::parse(text).map_err(|error| error.reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn composed(files: &[(&str, &str)]) -> Files {
        let mut composed = Composed::default();
        for (path, body) in files {
            composed.take(path, body.as_bytes().to_vec()).unwrap();
        }
        composed.files()
    }

    #[test]
    fn source_becomes_metadata() {
        let files = composed(&[
            ("main/default/objects/A__c/A__c.object-meta.xml", "<CustomObject><label>A</label></CustomObject>"),
            (
                "main/default/objects/A__c/fields/B__c.field-meta.xml",
                "<CustomField><fullName>B__c</fullName></CustomField>",
            ),
            (
                "main/default/objects/A__c/listViews/All.listView-meta.xml",
                "<ListView><fullName>All</fullName></ListView>",
            ),
            (
                "main/default/objectTranslations/A__c-de/A__c-de.objectTranslation-meta.xml",
                "<CustomObjectTranslation/>",
            ),
            (
                "main/default/objectTranslations/A__c-de/B__c.fieldTranslation-meta.xml",
                "<CustomFieldTranslation><name>B__c</name></CustomFieldTranslation>",
            ),
            ("main/default/classes/sub/C.cls", "class"),
            ("main/default/classes/sub/C.cls-meta.xml", "<ApexClass/>"),
            ("service/D.cls", "class"),
            ("service/D.cls-meta.xml", "<ApexClass/>"),
            ("service/P.permissionset-meta.xml", "<PermissionSet/>"),
            ("service/notes.txt", "nothing"),
            ("labels/First.labels-meta.xml", "<CustomLabels><labels><fullName>A</fullName></labels></CustomLabels>"),
            ("labels/Second.labels-meta.xml", "<CustomLabels><labels><fullName>B</fullName></labels></CustomLabels>"),
            ("main/default/lwc/hello/hello.js", "js"),
            ("main/default/reports/F.reportFolder-meta.xml", "<ReportFolder/>"),
            ("main/default/reports/F/R.report-meta.xml", "<Report/>"),
            ("main/default/email/E.emailFolder-meta.xml", "<EmailFolder/>"),
            ("main/default/staticresources/s.json", "{}"),
            ("main/default/staticresources/s.resource-meta.xml", "<StaticResource/>"),
            ("main/default/layouts/A__c-A Layout.layout-meta.xml", "<Layout/>"),
            ("main/default/settings/Account.settings-meta.xml", "<AccountSettings/>"),
            ("README.md", "nothing"),
        ]);
        let paths: Vec<&str> = files.keys().map(String::as_str).collect();
        assert_eq!(
            paths,
            [
                "classes/C.cls",
                "classes/C.cls-meta.xml",
                "classes/D.cls",
                "classes/D.cls-meta.xml",
                "email/E-meta.xml",
                "labels/CustomLabels.labels",
                "layouts/A__c-A Layout.layout",
                "lwc/hello/hello.js",
                "objectTranslations/A__c-de.objectTranslation",
                "objects/A__c.object",
                "permissionsets/P.permissionset",
                "reports/F-meta.xml",
                "reports/F/R.report",
                "settings/Account.settings",
                "staticresources/s.resource",
                "staticresources/s.resource-meta.xml",
            ]
        );
        let object = String::from_utf8(files["objects/A__c.object"].clone()).unwrap();
        assert!(object.contains("<fields>") && object.contains("<listViews>"), "{object}");
    }
}
