// SPDX-License-Identifier: Apache-2.0
//! What NPSP and its configurations expect to be there and the fixtures do not have: the five packages that it extends, with
//! the fields that it computes with or gives permissions for; for configurations of orgs that have the managed package, some of
//! its own objects with its namespace; and the records that its own code makes of one custom metadata type.

use std::collections::{BTreeMap, BTreeSet};

use orgkeep_emulator::metadata::source;
use orgkeep_emulator::metadata::xml;

use super::{Tree, inject, injected};
use crate::porter::{Files, package};

/// The packages' objects, with what all of the project names of them in permissions.
pub fn packages(all: &Tree) -> Files {
    let object = |setting: bool| {
        let kind = if setting {
            "<customSettingsType>Hierarchy</customSettingsType>"
        } else {
            "<deploymentStatus>Deployed</deploymentStatus>"
        };
        let rest = if setting { "" } else { "<nameField><label>Name</label><type>Text</type></nameField>" };
        let model = if setting { "" } else { "<sharingModel>ReadWrite</sharingModel>" };
        format!("{kind}<label>O</label>{rest}<pluralLabel>Os</pluralLabel>{model}")
    };
    let mut objects: BTreeMap<String, String> = BTreeMap::new();
    for name in [
        "npe01__OppPayment__c",
        "npe03__Recurring_Donation__c",
        "npe4__Relationship__c",
        "npe4__Relationship_Error__c",
        "npe5__Affiliation__c",
        "npo02__Household__c",
    ] {
        objects.insert(name.to_owned(), object(false));
    }
    for name in [
        "npe01__Contacts_And_Orgs_Settings__c",
        "npe03__Recurring_Donations_Settings__c",
        "npe4__Relationship_Settings__c",
        "npo02__Households_Settings__c",
    ] {
        objects.insert(name.to_owned(), object(true));
    }
    for field in fields(all) {
        let (object, name) = field.split_once('.').unwrap();
        let kind = match name {
            "npo02__Household__c" => {
                "<referenceTo>npo02__Household__c</referenceTo><relationshipName>Members</relationshipName><type>Lookup</type>"
            }
            "npe01__Do_Not_Automatically_Create_Payment__c"
            | "npe01__Paid__c"
            | "npe01__Written_Off__c"
            | "npe5__Primary__c" => "<defaultValue>false</defaultValue><type>Checkbox</type>",
            "npe01__Payment_Amount__c" | "npe03__Amount__c" => {
                "<precision>18</precision><scale>2</scale><type>Currency</type>"
            }
            name if name.contains("Date") && !name.contains("Time") => "<type>Date</type>",
            _ => "<length>255</length><type>Text</type>",
        };
        let element = format!("<fields><fullName>{name}</fullName><label>F</label>{kind}</fields>");
        objects.entry(object.to_owned()).or_default().push_str(&element);
    }
    let manifest = package(&[("CustomObject", &["*"]), ("CustomTab", &["*"])]);
    let mut files = Files::from([("package.xml".to_owned(), manifest.into_bytes())]);
    let tab = "<CustomTab xmlns=\"http://soap.sforce.com/2006/04/metadata\"><label>A</label><motif>Custom1: Heart</motif></CustomTab>";
    for name in [
        "npe01__Contact_Merge",
        "npe01__Contacts_Settings",
        "npe01__Payment_Mapping",
        "npe4__Relationships_Settings",
        "npe5__Affiliations_Settings",
        "npo02__Households_Settings",
        "npo02__Opportunity_Rollups",
        "npo02__User_Rollups",
    ] {
        files.insert(format!("tabs/{name}.tab"), tab.as_bytes().to_vec());
    }
    for (name, body) in objects {
        let body = format!("<CustomObject xmlns=\"http://soap.sforce.com/2006/04/metadata\">{body}</CustomObject>");
        files.insert(format!("objects/{name}.object"), body.into_bytes());
    }
    files
}

/// Fields of packages in permission sets, profiles and formulas, but for those that the project's own package adds to.
fn fields(all: &Tree) -> BTreeSet<String> {
    let mut named: BTreeSet<String> =
        ["Account.npo02__MembershipEndDate__c", "Account.npo02__MembershipJoinDate__c", "Contact.npo02__Household__c"]
            .map(str::to_owned)
            .into();
    let mut own: BTreeSet<String> = BTreeSet::new();
    for (path, body) in all {
        let (Ok(text), file) = (std::str::from_utf8(body), path.rsplit('/').next().unwrap()) else { continue };
        if let Some((_, at)) = path.split_once("/objects/").filter(|_| path.ends_with(".field-meta.xml")) {
            let object = at.split('/').next().unwrap();
            own.insert(format!("{object}.{}", file.trim_end_matches(".field-meta.xml")));
        } else if [".permissionset", ".profile"].iter().any(|kind| file.contains(kind)) {
            let root = xml::parse(&inject(text)).unwrap();
            named.extend(root.all("fieldPermissions").map(|one| one.text_of("field").to_owned()));
        }
    }
    let of_package = |name: &str| name.split_once('.').is_some_and(|(_, field)| field.matches("__").count() == 2);
    named.into_iter().filter(|name| of_package(name) && !own.contains(name)).collect()
}

/// Objects of the managed package: the project's own, with a namespace before every name.
pub fn managed(all: &Tree) -> Files {
    let folder = tempfile::tempdir().unwrap();
    for object in [
        "Data_Import_Field_Mapping_Set__mdt",
        "Data_Import_Field_Mapping__mdt",
        "Data_Import_Object_Mapping_Set__mdt",
        "Data_Import_Object_Mapping__mdt",
        "Engagement_Plan_Template__c",
        "Level__c",
    ] {
        let inside = format!("/objects/{object}/");
        let wanted = all.iter().filter(|(path, _)| {
            path.contains(&inside) && (path.ends_with(".field-meta.xml") || path.ends_with(".object-meta.xml"))
        });
        let wanted: Tree = wanted.map(|(path, body)| (path.clone(), body.clone())).collect();
        for (path, body) in injected(&wanted) {
            let path = folder.path().join(namespaced(&path[path.find("objects/").unwrap()..]));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, namespaced(std::str::from_utf8(&body).unwrap())).unwrap();
        }
    }
    let parcel = source::read(folder.path()).unwrap();
    let mut files = parcel.files;
    files.insert("package.xml".to_owned(), parcel.manifest.document().into_bytes());
    files
}

/// A namespace before every name of a custom object or field that has none.
fn namespaced(text: &str) -> String {
    let mut out = String::new();
    for word in text.split_inclusive(|letter: char| !(letter.is_alphanumeric() || letter == '_')) {
        let name = word.trim_end_matches(|letter: char| !(letter.is_alphanumeric() || letter == '_'));
        let is_own = ["__c", "__mdt", "__r"].iter().any(|end| name.ends_with(end)) && name.matches("__").count() == 1;
        out += if is_own { "npsp__" } else { "" };
        out += word;
    }
    out
}

/// Groups of filters that NPSP's code makes when customizable rollups are turned on.
pub fn filter_groups() -> Files {
    let names =
        ["ClosedWon_Memberships", "ClosedWon_Opps_HC", "ClosedWon_Opps_SC", "Paid_Payments", "WrittenOff_Payments"];
    let record = |name: &str| {
        format!(
            "<CustomMetadata xmlns=\"http://soap.sforce.com/2006/04/metadata\"><label>{name}</label><protected>false</protected></CustomMetadata>"
        )
    };
    let mut files: Files = names
        .iter()
        .map(|name| (format!("customMetadata/Filter_Group.NPSP_{name}.md"), record(name).into_bytes()))
        .collect();
    files.insert("package.xml".to_owned(), package(&[("CustomMetadata", &["*"])]).into_bytes());
    files
}
