// SPDX-License-Identifier: Apache-2.0
//! Whole projects through the Metadata API (`salesforce-api.md` 4): small projects with the data that belongs to them. NPSP's is in `metadata_npsp.rs`.

use crate::client::{Client, settings};
use crate::porter::{deploy, deploy_well, list, package, problems, retrieve, zip};
use orgkeep_emulator::Settings;

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
    let Some(path) = crate::porter::unpack(&format!("sfdx-projects/{name}-metadata.tar.gz"), folder.path()) else {
        return;
    };
    supply_code(&path);
    let root = if path.join(name).exists() { path.join(name) } else { path };
    let data = crate::porter::fixture(&format!("sfdx-projects/{name}-data")).unwrap();
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

#[tokio::test]
async fn an_external_object_is_described_and_an_article_type_is_refused() {
    let client = Client::new();
    let object = "<CustomObject xmlns=\"http://soap.sforce.com/2006/04/metadata\"><deploymentStatus>Deployed</deploymentStatus>\
        <externalDataSource>ERP</externalDataSource><externalName>ORDERS</externalName>\
        <fields><fullName>Amount__c</fullName><externalDeveloperName>AMOUNT</externalDeveloperName><label>Amount</label>\
        <precision>18</precision><scale>2</scale><type>Number</type></fields>\
        <label>Shipment</label><pluralLabel>Shipments</pluralLabel></CustomObject>";
    let manifest = package(&[("CustomObject", &["*"])]);
    deploy_well(&client, &zip(&[("package.xml", &manifest), ("objects/Shipment__x.object", object)])).await;
    let described = client.get("/sobjects/Shipment__x/describe").await.json();
    let names: Vec<&str> =
        described["fields"].as_array().unwrap().iter().map(|field| field["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["Id", "ExternalId", "DisplayUrl", "Amount__c"]);
    assert_eq!((&described["queryable"], &described["createable"]), (&true.into(), &false.into()));
    assert!(described["keyPrefix"].as_str().unwrap().starts_with('x'));
    assert_eq!(client.query("SELECT ExternalId, Amount__c FROM Shipment__x").await.len(), 0);
    let refused = client.json("POST", "/sobjects/Shipment__x", &serde_json::json!({"Amount__c": 1})).await;
    assert_eq!(refused.status, 400, "{}", refused.text());
    let order = serde_json::json!({"operation": "query", "query": "SELECT Id FROM Shipment__x"});
    assert_eq!(client.json("POST", "/jobs/query", &order).await.status, 400);
    let (back, _) = retrieve(&client, &package(&[("CustomObject", &["Shipment__x"])])).await;
    let text = std::str::from_utf8(&back["objects/Shipment__x.object"]).unwrap();
    assert_eq!(crate::porter::normal(text), crate::porter::normal(object));

    for (name, wrong, problem) in [
        (
            "Nowhere__x",
            object.replace("<externalDataSource>ERP</externalDataSource>", ""),
            "Required field is missing: externalDataSource",
        ),
        ("Offer__kav", object.to_owned(), "Not available for deploy for this organization"),
    ] {
        let file = format!("objects/{name}.object");
        let result = deploy(
            &client,
            &zip(&[("package.xml", &manifest), (&file, &wrong)]),
            "<singlePackage>true</singlePackage>",
        )
        .await;
        let found = problems(&result).into_iter().find(|(about, _)| about == name).map(|(_, problem)| problem);
        assert_eq!(found.as_deref(), Some(problem));
    }
}
