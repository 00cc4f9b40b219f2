// SPDX-License-Identifier: Apache-2.0
//! The metadata types: in which folder their files lie, with which suffix, and which types they contain.
//!
//! `metadata/types.tsv` lists them: the 631 that Salesforce's own description of real orgs knows (`described`; 35 of them are
//! children of others), and those that only its registry of source formats has. `describeMetadata` answers the former.

use std::collections::HashMap;
use std::sync::OnceLock;

/// How the files of a type lie in its folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One XML file for each component.
    Plain,
    /// A file of any content, with a `-meta.xml` beside it.
    Content,
    /// Files in folders, and for each folder a `-meta.xml`.
    Folder,
    /// A folder for each component.
    Bundle,
    /// A folder in a folder for each component: `digitalExperiences/site/Name`.
    NestedBundle,
}

/// A metadata type with files of its own.
#[derive(Clone, Debug)]
pub struct Type {
    pub name: &'static str,
    pub directory: &'static str,
    pub suffix: Option<&'static str>,
    pub form: Form,
    pub described: bool,
    /// Types that live inside it.
    pub children: Vec<&'static str>,
}

impl Type {
    /// `inFolder` of describe.
    pub fn in_folder(&self) -> bool {
        self.form == Form::Folder
    }

    /// `metaFile` of describe.
    pub fn meta_file(&self) -> bool {
        self.form == Form::Content || matches!(self.name, "Document" | "EmailTemplate")
    }

    /// The type of the folders that its components lie in (`salesforce-api.md` 4.1).
    pub fn folder_type(&self) -> Option<&'static str> {
        match self.name {
            "Dashboard" => Some("DashboardFolder"),
            "Document" => Some("DocumentFolder"),
            "EmailTemplate" => Some("EmailFolder"),
            "Report" => Some("ReportFolder"),
            _ => None,
        }
    }
}

struct Table {
    types: Vec<Type>,
    by_name: HashMap<&'static str, usize>,
    parents: HashMap<&'static str, usize>,
    directories: HashMap<&'static str, Vec<usize>>,
}

fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| {
        let types: Vec<Type> = include_str!("../../metadata/types.tsv").lines().map(read).collect();
        let mut table = Table { types, by_name: HashMap::new(), parents: HashMap::new(), directories: HashMap::new() };
        for (at, one) in table.types.iter().enumerate() {
            table.by_name.insert(one.name, at);
            table.directories.entry(one.directory).or_default().push(at);
            for child in &one.children {
                table.parents.insert(child, at);
            }
        }
        table
    })
}

fn read(line: &'static str) -> Type {
    let parts: Vec<&str> = line.split('\t').collect();
    let [name, directory, suffix, form, described, children] = parts[..] else {
        unreachable!("the checked-in table is read by a test, and {line} has not six parts")
    };
    let form = match form {
        "content" => Form::Content,
        "folder" => Form::Folder,
        "bundle" => Form::Bundle,
        "nested-bundle" => Form::NestedBundle,
        _ => Form::Plain,
    };
    let children = children.split(',').filter(|child| *child != "-").collect();
    Type {
        name,
        directory,
        suffix: Some(suffix).filter(|text| *text != "-"),
        form,
        described: described == "+",
        children,
    }
}

/// All types with files of their own, by name.
pub fn all() -> &'static [Type] {
    &table().types
}

/// The type of this name that has files of its own.
pub fn find(name: &str) -> Option<&'static Type> {
    table().by_name.get(name).map(|&at| &table().types[at])
}

/// The type whose files contain components of this one.
pub fn parent_of(child: &str) -> Option<&'static Type> {
    table().parents.get(child).map(|&at| &table().types[at])
}

/// Whether there is a type of this name, with files of its own or inside another's; the types of folders are types too.
pub fn exists(name: &str) -> bool {
    find(name).is_some() || parent_of(name).is_some()
}

/// The types whose files lie in this folder.
pub fn in_directory(directory: &str) -> impl Iterator<Item = &'static Type> {
    table().directories.get(directory).into_iter().flatten().map(|&at| &table().types[at])
}

/// The names of all standard value sets.
pub fn standard_value_sets() -> impl Iterator<Item = &'static str> {
    include_str!("../../metadata/standard_value_sets.txt").lines()
}

/// How Ids of components of this type begin; none where the emulator gives them no Id.
pub fn key_prefix(kind: &str) -> Option<&'static str> {
    const PREFIXES: [(&str, &str); 52] = [
        ("ApexClass", "01p"),
        ("ApexComponent", "099"),
        ("ApexPage", "066"),
        ("ApexTrigger", "01q"),
        ("AuraDefinitionBundle", "0Ab"),
        ("BusinessProcess", "019"),
        ("CompactLayout", "0AH"),
        ("ConnectedApp", "0H4"),
        ("ContentAsset", "03S"),
        ("CspTrustedSite", "08y"),
        ("CustomApplication", "02u"),
        ("CustomField", "00N"),
        ("CustomLabel", "101"),
        ("CustomNotificationType", "0ML"),
        ("CustomObject", "01I"),
        ("CustomPermission", "0CP"),
        ("CustomTab", "01r"),
        ("Dashboard", "01Z"),
        ("Document", "015"),
        ("DuplicateRule", "0Bm"),
        ("EmailTemplate", "00X"),
        ("ExternalClientApplication", "0xI"),
        ("FieldSet", "0IX"),
        ("FlexiPage", "0M0"),
        ("Flow", "301"),
        ("GlobalValueSet", "0Nt"),
        ("Group", "00G"),
        ("Layout", "00h"),
        ("Letterhead", "018"),
        ("LightningComponentBundle", "0Rb"),
        ("ListView", "00B"),
        ("MatchingRule", "0JI"),
        ("NamedCredential", "0XA"),
        ("PermissionSet", "0PS"),
        ("PermissionSetGroup", "0PG"),
        ("Profile", "00e"),
        ("Queue", "00G"),
        ("QuickAction", "09D"),
        ("RecordType", "012"),
        ("RemoteSiteSetting", "0rp"),
        ("Report", "00O"),
        ("ReportType", "070"),
        ("Role", "00E"),
        ("StaticResource", "081"),
        ("ValidationRule", "03d"),
        ("WebLink", "00b"),
        ("WorkflowAlert", "01W"),
        ("WorkflowFieldUpdate", "04Y"),
        ("WorkflowOutboundMessage", "04k"),
        ("WorkflowRule", "01Q"),
        ("WorkflowTask", "01T"),
        ("AssignmentRule", "01Q"),
    ];
    PREFIXES.iter().find(|(name, _)| *name == kind).map(|(_, prefix)| *prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_found_by_name_by_child_and_by_folder() {
        let object = find("CustomObject").unwrap();
        assert_eq!((object.directory, object.suffix), ("objects", Some("object")));
        assert_eq!(parent_of("CustomField").unwrap().name, "CustomObject");
        assert_eq!(parent_of("WorkflowRule").unwrap().name, "Workflow");
        assert!(exists("ValidationRule") && !exists("Nothing"));
        assert!(in_directory("reports").any(|one| one.name == "Report"));
        // The 631 of the description: 596 with files of their own and 35 that live in others.
        let own = all().iter().filter(|one| one.described).count();
        assert_eq!(own, 596);
        assert_eq!(standard_value_sets().count(), 142);
    }
}
