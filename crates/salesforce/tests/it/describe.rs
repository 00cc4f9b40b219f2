// SPDX-License-Identifier: Apache-2.0
//! Recorded describes of real orgs are understood (`fixtures/CumulusCI/decoded`, `fixtures/lwrfileupload`).

use std::path::{Path, PathBuf};

use orgkeep_salesforce::{Describe, FieldType, ObjectSummary};
use serde::Deserialize;
use serde_json::Value;

fn fixtures(folder: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures").join(folder);
    #[expect(clippy::disallowed_macros, reason = "a test that tests nothing says so")]
    if !path.is_dir() {
        println!("skipped: there are no fixtures at {}", path.display());
        return None;
    }
    Some(path)
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn describe(path: &Path) -> Describe {
    Describe::parse(&std::fs::read(path).unwrap()).unwrap_or_else(|error| panic!("{}: {error:?}", path.display()))
}

#[test]
fn a_complete_describe_is_read() {
    let Some(folder) = fixtures("CumulusCI/decoded") else { return };
    let account = describe(&folder.join("GET_sobjects_Account_describe.json"));
    assert_eq!((account.name.as_str(), account.key_prefix.as_deref()), ("Account", Some("001")));
    assert!(account.createable && account.undeletable && !account.custom);
    let name = account.field("name").unwrap();
    assert!(name.required_on_create() && name.name_field);
    assert_eq!(name.length, 255);
    let owner = account.field("OwnerId").unwrap();
    assert_eq!(
        (&owner.field_type, owner.reference_to.as_slice()),
        (&FieldType::Reference, ["User".to_owned()].as_slice())
    );
    assert!(account.field("BillingAddress").unwrap().is_compound());
    assert_eq!(account.field("BillingCity").unwrap().compound_field_name.as_deref(), Some("BillingAddress"));
    let contacts =
        account.child_relationships.iter().find(|child| child.child_object == "Contact" && child.field == "AccountId");
    assert!(contacts.unwrap().cascade_delete);
    let cases =
        account.child_relationships.iter().find(|child| child.child_object == "Case" && child.field == "AccountId");
    assert!(cases.unwrap().restricted_delete);
    assert!(account.record_type_infos.iter().any(|kind| kind.master));
    for other in [
        "GET_sobjects_Case_describe.json",
        "GET_sobjects_Contact_describe.json",
        "GET_sobjects_Custom__c_describe.json",
    ] {
        let describe = describe(&folder.join(other));
        assert!(describe.fields.iter().all(|field| !matches!(field.field_type, FieldType::Other(_))), "{other}");
    }
}

#[test]
fn the_list_of_objects_is_read() {
    let Some(folder) = fixtures("CumulusCI/decoded") else { return };
    let global = json(&folder.join("GET_sobjects_Global_describe.json"));
    let objects = Vec::<ObjectSummary>::deserialize(&global["sobjects"]).unwrap();
    assert!(objects.len() > 100);
    let account = objects.iter().find(|object| object.name == "Account").unwrap();
    assert!(account.queryable && account.replicateable && account.retrieveable);
}

/// Partial describes of every standard object of one org: whatever members are lacking or null, they are read.
#[test]
fn describes_of_712_objects_are_read() {
    let Some(folder) = fixtures("lwrfileupload/soqlMetadata") else { return };
    let mut objects = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let describe = describe(&path);
        assert!(!describe.fields.is_empty() && describe.fields.iter().all(|field| !field.name.is_empty()));
        objects += 1;
    }
    assert!(objects > 700, "{objects}");
}
