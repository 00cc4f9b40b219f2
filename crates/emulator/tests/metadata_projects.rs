// SPDX-License-Identifier: Apache-2.0
//! Whole projects through the Metadata API (`salesforce-api.md` 4): NPSP with its four thousand components, and projects with data.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod client;
mod porter;

use client::{Client, settings};
use orgkeep_emulator::Settings;
use porter::{deploy_well, list, package, retrieve, zip};

/// What NPSP expects of the five packages that it extends: their objects and the fields it computes with.
fn packages() -> Vec<u8> {
    let object = |setting: bool| {
        let kind = if setting {
            "<customSettingsType>Hierarchy</customSettingsType>"
        } else {
            "<deploymentStatus>Deployed</deploymentStatus>"
        };
        let rest = if setting { "" } else { "<nameField><label>Name</label><type>Text</type></nameField>" };
        let model = if setting { "" } else { "<sharingModel>ReadWrite</sharingModel>" };
        let head = "<CustomObject xmlns=\"http://soap.sforce.com/2006/04/metadata\">";
        format!("{head}{kind}<label>O</label>{rest}<pluralLabel>Os</pluralLabel>{model}</CustomObject>")
    };
    let mut files = vec![("package.xml".to_owned(), package(&[("CustomObject", &["*"])]))];
    for name in [
        "npe01__OppPayment__c",
        "npe03__Recurring_Donation__c",
        "npe4__Relationship__c",
        "npe5__Affiliation__c",
        "npo02__Household__c",
    ] {
        files.push((format!("objects/{name}.object"), object(false)));
    }
    for name in [
        "npe01__Contacts_And_Orgs_Settings__c",
        "npe03__Recurring_Donations_Settings__c",
        "npe4__Relationship_Settings__c",
        "npo02__Households_Settings__c",
    ] {
        files.push((format!("objects/{name}.object"), object(true)));
    }
    let date = |name: &str| format!("<fields><fullName>{name}</fullName><label>D</label><type>Date</type></fields>");
    let account = format!(
        "<CustomObject>{}{}</CustomObject>",
        date("npo02__MembershipEndDate__c"),
        date("npo02__MembershipJoinDate__c")
    );
    files.push(("objects/Account.object".to_owned(), account));
    let household = "<CustomObject><fields><fullName>npo02__Household__c</fullName><label>H</label><referenceTo>npo02__Household__c</referenceTo>\
                     <relationshipName>Members</relationshipName><type>Lookup</type></fields></CustomObject>";
    files.push(("objects/Contact.object".to_owned(), household.to_owned()));
    let files: Vec<(&str, &str)> = files.iter().map(|(path, body)| (path.as_str(), body.as_str())).collect();
    zip(&files)
}

#[tokio::test]
async fn npsp_deploys_and_comes_back_equal() {
    let folder = tempfile::tempdir().unwrap();
    let Some(path) = porter::unpack("NPSP/npsp-metadata.tar.gz", folder.path()) else { return };
    supply_code(&path);
    let parcel = orgkeep_emulator::metadata::source::read(&path).unwrap();
    let mut files = parcel.files.clone();
    files.insert("package.xml".to_owned(), parcel.manifest.document().into_bytes());
    let client = Client::new();
    deploy_well(&client, &packages()).await;
    let zipped = orgkeep_emulator::metadata::archive::write(&files);
    let result = deploy_well(&client, &zipped).await;
    assert!(result.text_of("numberComponentsTotal").parse::<u32>().unwrap() > 4_000);
    // All of it comes back, named one by one as the deploy reported it.
    let mut wanted = orgkeep_emulator::metadata::manifest::Manifest { version: "67.0".into(), ..Default::default() };
    for one in result.first("details").unwrap().all("componentSuccesses") {
        let kind = one.text_of("componentType").replace("EmailFolder", "EmailTemplate");
        if !kind.is_empty() {
            wanted.add(kind.trim_end_matches("Folder"), one.text_of("fullName"));
        }
    }
    let (back, result) = retrieve(&client, &wanted.document()).await;
    assert_eq!(
        result.all("messages").map(|one| one.text_of("problem").to_owned()).collect::<Vec<_>>(),
        Vec::<String>::new()
    );
    files.remove("package.xml");
    let mut different = Vec::new();
    for (path, body) in &files {
        let same = back.get(path).is_some_and(|other| {
            let text = |body: &[u8]| std::str::from_utf8(body).map(porter::normal).unwrap_or_default();
            // Standard objects come with more than was deployed when they are named themselves; these were not.
            other == body
                || (path.ends_with(".object")
                    || path.ends_with(".labels")
                    || path.ends_with(".workflow")
                    || path.ends_with("Rule"))
                    && text(other) == text(body)
        });
        if !same {
            different.push(path.clone());
        }
    }
    assert_eq!((different, back.len()), (Vec::new(), files.len() + 1));
}

/// The fixtures leave out program code: each description of code gets some.
fn supply_code(folder: &std::path::Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            supply_code(&path);
            continue;
        }
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let Some(content) = name.strip_suffix("-meta.xml") else { continue };
        let (stem, suffix) = content.rsplit_once('.').unwrap_or((content, ""));
        let siblings = std::fs::read_dir(folder)
            .unwrap()
            .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with(&format!("{stem}.")));
        if suffix == "document" && siblings.count() == 1 {
            std::fs::write(path.with_file_name(format!("{stem}.png")), "an image").unwrap();
        }
        let is_code = ["cls", "trigger", "page", "component", "resource", "asset", "email", "dwl"].contains(&suffix);
        if is_code && !path.with_file_name(content).exists() {
            std::fs::write(path.with_file_name(content), format!("// the content of {content}")).unwrap();
        }
    }
}

/// Deploys a project and loads its data as `sf data import tree` does.
async fn project_with_data(name: &str, objects: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let Some(path) = porter::unpack(&format!("sfdx-projects/{name}-metadata.tar.gz"), folder.path()) else { return };
    supply_code(&path);
    let root = if path.join(name).exists() { path.join(name) } else { path };
    let data = porter::fixture(&format!("sfdx-projects/{name}-data")).unwrap();
    let client = Client::with(Settings { project: Some(root), data: Some(data), ..settings() });
    for object in objects {
        assert!(client.count(object).await > 0, "{object}");
    }
    assert!(!list(&client, "FlexiPage", "").await.is_empty());
    assert!(!list(&client, "Layout", "").await.is_empty());
}

#[tokio::test]
async fn dreamhouse_and_ebikes_deploy_and_their_data_loads() {
    project_with_data("dreamhouse", &["Property__c", "Broker__c", "Contact"]).await;
    project_with_data("ebikes", &["Product__c", "Product_Family__c"]).await;
}
