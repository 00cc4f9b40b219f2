// SPDX-License-Identifier: Apache-2.0
//! What a deploy brings: files, the manifest that names them, and what is to be removed before and after.

use super::super::archive::{self, Files, Refused};
use super::super::manifest::Manifest;
use super::super::types::{self, Form, Type};

/// The content of a deploy, its paths without the folder around them.
#[derive(Debug, Default)]
pub struct Parcel {
    /// The folder around the package with its slash, as names in messages have it; empty for a single package.
    pub folder: String,
    pub files: Files,
    pub manifest: Manifest,
    pub removed_before: Vec<(String, Manifest)>,
    pub removed_after: Vec<(String, Manifest)>,
    /// What is wrong with the parcel itself: the file, and the text.
    pub wrong: Vec<(String, String)>,
    pub zipped_bytes: usize,
    pub files_count: usize,
    /// Objects need not say what an org insists on: for projects, which say it elsewhere.
    pub lenient: bool,
}

const BEFORE: [&str; 2] = ["destructiveChanges.xml", "destructiveChangesPre.xml"];
const AFTER: &str = "destructiveChangesPost.xml";

/// Unpacks a zip. With `single`, `package.xml` lies at its root; else in one folder of any name.
///
/// # Errors
/// It is no zip, or exceeds a limit.
pub fn unpack(zip: &[u8], single: bool) -> Result<Parcel, Refused> {
    let all = archive::read(zip)?;
    let files_count = all.len();
    let folder = match single {
        true => String::new(),
        false => {
            let with_manifest =
                all.keys().find_map(|path| path.strip_suffix("/package.xml").filter(|folder| !folder.contains('/')));
            let first = || all.keys().find_map(|path| path.split_once('/')).map(|(folder, _)| folder);
            with_manifest.or_else(first).map(|folder| format!("{folder}/")).unwrap_or_default()
        }
    };
    let mut files: Files =
        all.into_iter().filter_map(|(path, body)| Some((path.strip_prefix(&folder)?.to_owned(), body))).collect();
    let mut parcel = Parcel { zipped_bytes: zip.len(), files_count, ..Parcel::default() };
    let mut read = |name: &str| -> Option<Manifest> {
        let body = files.remove(name)?;
        match Manifest::parse(&String::from_utf8_lossy(&body)) {
            Ok(manifest) => Some(manifest),
            Err(error) => {
                parcel.wrong.push((name.to_owned(), format!("Error parsing {name}: {error}")));
                None
            }
        }
    };
    let manifest = read("package.xml");
    for name in BEFORE {
        if let Some(removed) = read(name) {
            parcel.removed_before.push((name.to_owned(), removed));
        }
    }
    if let Some(removed) = read(AFTER) {
        parcel.removed_after.push((AFTER.to_owned(), removed));
    }
    match manifest {
        Some(manifest) => parcel.manifest = manifest,
        None if parcel.wrong.is_empty() => {
            parcel.wrong.push(("package.xml".to_owned(), "No package.xml found".to_owned()))
        }
        None => {}
    }
    (parcel.folder, parcel.files) = (folder, files);
    Ok(parcel)
}

/// Which component a file belongs to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The metadata type; that of the folder for what describes a folder.
    pub kind: String,
    /// The type under which manifests name it.
    pub listed_as: String,
    pub name: String,
}

/// The component that a path in a package belongs to; none when no type has such files.
pub fn place(path: &str) -> Option<Place> {
    let (directory, rest) = path.split_once('/')?;
    if directory == "settings" {
        return plain(types::find("Settings")?, rest);
    }
    let mut candidates: Vec<&Type> = types::in_directory(directory).collect();
    // Territories and their rules lie in folders of their model.
    candidates.sort_by_key(|one| (one.form == Form::Plain, one.name));
    candidates.into_iter().find_map(|one| match one.form {
        Form::Plain => plain(one, rest),
        Form::Content => content(one, rest),
        Form::Folder => in_folder(one, rest),
        Form::Bundle => bundle(one, rest),
        Form::NestedBundle => {
            let mut parts = rest.splitn(3, '/');
            let name = format!("{}/{}", parts.next()?, parts.next()?);
            parts.next().map(|_| named(one, name))
        }
    })
}

fn named(one: &Type, name: impl Into<String>) -> Place {
    Place { kind: one.name.to_owned(), listed_as: one.name.to_owned(), name: name.into() }
}

fn plain(one: &Type, rest: &str) -> Option<Place> {
    let name = rest.strip_suffix(&format!(".{}", one.suffix?))?;
    let name = match one.name {
        "Territory2" | "Territory2Rule" => {
            let (model, file) = (name.split('/').next()?, name.rsplit('/').next()?);
            format!("{model}.{file}")
        }
        "Territory2Model" => name.rsplit('/').next()?.to_owned(),
        _ => name.to_owned(),
    };
    Some(named(one, name))
}

fn content(one: &Type, rest: &str) -> Option<Place> {
    let rest = rest.strip_suffix("-meta.xml").unwrap_or(rest);
    rest.strip_suffix(&format!(".{}", one.suffix?)).map(|name| named(one, name))
}

fn in_folder(one: &Type, rest: &str) -> Option<Place> {
    let described = rest.strip_suffix("-meta.xml");
    let path = described.unwrap_or(rest);
    let file = path.rsplit('/').next()?;
    let suffix = format!(".{}", one.suffix?);
    let folder_kind = one.folder_type()?;
    let folder_suffix = types::find(folder_kind).and_then(|kind| kind.suffix).map(|suffix| format!(".{suffix}"));
    let folder = folder_suffix.and_then(|suffix| path.strip_suffix(&suffix)).or((!file.contains('.')).then_some(path));
    if let (Some(_), Some(folder)) = (described, folder) {
        return Some(Place { kind: folder_kind.to_owned(), listed_as: one.name.to_owned(), name: folder.to_owned() });
    }
    if one.name == "Document" {
        return path.contains('/').then(|| named(one, path));
    }
    path.strip_suffix(&suffix).map(|name| named(one, name))
}

fn bundle(one: &Type, rest: &str) -> Option<Place> {
    match rest.split_once('/') {
        Some((name, _)) => Some(named(one, name)),
        None if one.name == "ExperienceBundle" => Some(named(one, rest.strip_suffix(".site-meta.xml")?)),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_belong_to_components() {
        let of = |path: &str| place(path).map(|place| format!("{} {} {}", place.kind, place.listed_as, place.name));
        for (path, expected) in [
            ("objects/Account.object", "CustomObject CustomObject Account"),
            ("classes/A.cls", "ApexClass ApexClass A"),
            ("classes/A.cls-meta.xml", "ApexClass ApexClass A"),
            ("reports/F/R.report", "Report Report F/R"),
            ("reports/F-meta.xml", "ReportFolder Report F"),
            ("reports/F/G-meta.xml", "ReportFolder Report F/G"),
            ("documents/F/a.b.png", "Document Document F/a.b.png"),
            ("documents/F/a.b.png-meta.xml", "Document Document F/a.b.png"),
            ("documents/F-meta.xml", "DocumentFolder Document F"),
            ("email/F/T.email-meta.xml", "EmailTemplate EmailTemplate F/T"),
            ("lwc/hello/hello.js", "LightningComponentBundle LightningComponentBundle hello"),
            ("experiences/S.site-meta.xml", "ExperienceBundle ExperienceBundle S"),
            ("digitalExperiences/site/S/a/b.json", "DigitalExperienceBundle DigitalExperienceBundle site/S"),
            ("settings/Account.settings", "Settings Settings Account"),
            ("customMetadata/A.B.md", "CustomMetadata CustomMetadata A.B"),
            ("territory2Models/M/M.territory2Model", "Territory2Model Territory2Model M"),
            ("territory2Models/M/territories/T.territory2", "Territory2 Territory2 M.T"),
        ] {
            assert_eq!(of(path).as_deref(), Some(expected), "{path}");
        }
        assert_eq!(of("objects/Account/fields/A__c.field-meta.xml"), None);
        assert_eq!(of("package.xml"), None);
    }
}
