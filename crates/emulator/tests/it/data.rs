// SPDX-License-Identifier: Apache-2.0
//! Loading the sample data of real SFDX projects into orgs that have their metadata.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::client::{Client, settings};
use orgkeep_emulator::Settings;

#[allow(clippy::disallowed_macros, reason = "a skipped test says why")]
fn fixtures() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/sfdx-projects");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: the fixtures are not beside the workspace");
    None
}

/// An org with a project's objects and its data.
fn start(name: &str) -> Option<(Client, tempfile::TempDir)> {
    let fixtures = fixtures()?;
    let folder = tempfile::tempdir().unwrap();
    let archive = fixtures.join(format!("{name}-metadata.tar.gz"));
    let unpacked = Command::new("tar").arg("xzf").arg(archive).arg("-C").arg(folder.path()).status().unwrap();
    assert!(unpacked.success());
    let project = Some(folder.path().to_owned());
    let data = Some(fixtures.join(format!("{name}-data")));
    Some((Client::with(Settings { project, data, ..settings() }), folder))
}

async fn check(client: &Client, counts: &[(&str, u64)]) {
    for (object, count) in counts {
        assert_eq!(client.count(object).await, *count, "{object}");
    }
}

#[tokio::test(start_paused = true)]
async fn dreamhouse_loads() {
    let Some((client, _folder)) = start("dreamhouse") else { return };
    check(&client, &[("Broker__c", 8), ("Property__c", 12), ("Contact", 5)]).await;
    let properties = client
        .query("SELECT Name, Broker__r.Name, Price__c, Location__Latitude__s FROM Property__c WHERE Address__c = '18 Henry St'")
        .await;
    assert_eq!(properties[0]["Broker__r"]["Name"], "Caroline Kingsley");
    assert_eq!(properties[0]["Location__Latitude__s"], 42.35663);
}

#[tokio::test(start_paused = true)]
async fn ebikes_loads() {
    let Some((client, _folder)) = start("ebikes") else { return };
    check(&client, &[("Account", 3), ("Product_Family__c", 4), ("Product__c", 16)]).await;
    let fuse = client.query("SELECT Id FROM Product__c WHERE Product_Family__r.Name = 'Fuse'").await;
    assert_eq!(fuse.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn apex_recipes_loads() {
    let Some((client, _folder)) = start("apexrecipes") else { return };
    let counts = [
        ("Account", 50),
        ("Contact", 150),
        ("Opportunity", 50),
        ("Campaign", 15),
        ("Junction_Demo_1__c", 50),
        ("Junction_Demo_2__c", 50),
        ("Junction__c", 50),
    ];
    check(&client, &counts).await;
    let orphans = client.query("SELECT Id FROM Contact WHERE AccountId = null").await;
    assert!(orphans.is_empty());
    let opportunity = client.query("SELECT CloseDate, Amount FROM Opportunity WHERE Name = 'Cape starling'").await;
    assert_eq!(opportunity[0]["CloseDate"], "2020-12-22", "a date and time is cut to the date");
    assert_eq!(opportunity[0]["Amount"], 119_373.34);
}
