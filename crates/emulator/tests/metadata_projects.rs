// SPDX-License-Identifier: Apache-2.0
//! Whole projects through the Metadata API (`salesforce-api.md` 4): small projects with the data that belongs to them. NPSP's is in `metadata_npsp.rs`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod client;
mod porter;

use client::{Client, settings};
use orgkeep_emulator::Settings;
use porter::list;

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
