// SPDX-License-Identifier: Apache-2.0
//! Reads that last hold up nobody where the store is a file.

use std::sync::mpsc;
use std::time::Duration;

use crate::client::{Client, settings};
use orgkeep_emulator::Settings;
use orgkeep_emulator::record::Input;
use serde_json::json;

#[tokio::test]
async fn a_long_read_sees_what_was_there_and_lets_others_write() {
    let folder = tempfile::tempdir().unwrap();
    let client = Client::with(Settings { store: Some(folder.path().join("org.sqlite")), ..settings() });
    for number in 0..3 {
        client.create("Account", &json!({"Name": format!("A{number}")})).await;
    }
    let org = client.emulator.orgs()[0].clone();
    let names = org.read_apart(
        |_| {},
        |tx| {
            let mut statement = tx.conn.prepare("SELECT \"Name\" FROM \"Account\" ORDER BY \"Id\"").unwrap();
            let mut rows = statement.query([]).unwrap();
            let mut names: Vec<String> = vec![rows.next().unwrap().unwrap().get(0).unwrap()];
            // Somebody else writes while the rows are read, and is not kept waiting.
            let (sender, written) = mpsc::channel();
            let other = client.emulator.orgs()[0].clone();
            std::thread::spawn(move || {
                let made = other.insert("Account", vec![("Name".to_owned(), Input::Text("late".to_owned()))]);
                sender.send(made.is_ok()).unwrap();
            });
            assert_eq!(written.recv_timeout(Duration::from_secs(60)), Ok(true));
            while let Some(row) = rows.next().unwrap() {
                names.push(row.get(0).unwrap());
            }
            names
        },
    );
    assert_eq!(names, ["A0", "A1", "A2"]);
    // The next one sees it, by Bulk too, and over objects whose tables nobody used before.
    for (statement, rows) in [("SELECT Id, Owner.Name FROM Account", 4), ("SELECT Id, Account.Name FROM Asset", 0)] {
        let order = json!({"operation": "query", "query": statement});
        let job = client.json("POST", "/jobs/query", &order).await.json();
        let path = format!("/jobs/query/{}", job["id"].as_str().unwrap());
        for _ in 0..100 {
            if client.get(&path).await.json()["state"] == "JobComplete" {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let results = client.get(&format!("{path}/results")).await;
        assert_eq!(results.header("sforce-numberofrecords"), rows.to_string(), "{}", results.text());
    }
}
