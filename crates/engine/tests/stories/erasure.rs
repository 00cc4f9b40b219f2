// SPDX-License-Identifier: Apache-2.0
//! Erasing a person: what goes along, what stays, and what later backups and restores make of it.

use crate::stage::{Stage, records};
use futures::TryStreamExt;
use object_store::ObjectStore;
use orgkeep_engine::{
    Held, Kind, Selection, State, backups, erase, erased_since, erasure, history, hold, list, record,
};
use serde_json::json;

#[tokio::test(start_paused = true)]
async fn a_record_that_was_restored_is_erased_under_all_the_ids_it_had() {
    let stage = Stage::new();
    let first = stage.create_one("Contact", json!({"LastName": "Mustermann"})).await;
    stage.create_one("Contact", json!({"LastName": "Bleibt"})).await;
    stage.backup().await;
    let mut ids = vec![first.clone()];
    // Twice gone for good, twice restored from the same backup: three Ids.
    for _ in 0..2 {
        stage.later(1);
        stage.delete_for_good("Contact", &ids[ids.len() - 1..]).await;
        let report = stage.restore(1, records("Contact", std::slice::from_ref(&first)), false).await;
        assert_eq!((report.created, report.failed), (1, 0), "{report:?}");
        let found = stage.query("SELECT Id FROM Contact WHERE LastName = 'Mustermann'", &["Id"]).await;
        ids.push(found[0][0].clone());
        stage.later(1);
        stage.backup().await;
    }
    let vault = stage.vault().await;
    // A hold on one of the Ids, or on a backup that has one, keeps all of it, the words in plans and ledgers of restores too.
    let record = Held::Record { object: "Contact".into(), id: first.clone() };
    let files = async || {
        let mut files: Vec<_> =
            stage.store.list(None).map_ok(|meta| (meta.location, meta.e_tag)).try_collect().await.unwrap();
        files.retain(|(path, _): &(_, Option<String>)| path.as_ref().contains("/restores/"));
        files
    };
    let before = files().await;
    assert!(before.len() > 2, "{before:?}");
    for held in [record, Held::Backup(2)] {
        hold(&vault, &held, Some("a lawsuit"), "story", &stage.clock()).await.unwrap();
        let refused = erase(&vault, "Contact", &ids[1..2], "story", &stage.clock()).await.unwrap_err();
        assert!(refused.to_string().contains("on hold") && files().await == before, "{refused}");
        hold(&vault, &held, None, "story", &stage.clock()).await.unwrap();
    }
    let done = erase(&vault, "Contact", &ids[1..2], "story", &stage.clock()).await.unwrap();
    assert_eq!(done.records["Contact"], 3, "{done:?}");
    assert!(done.restores > 0 && files().await != before, "{done:?}");
    for id in &ids {
        assert!(history(&vault, "Contact", id).await.is_err(), "{id}");
    }
    assert_eq!(list(&vault, "Contact", None, None, 10).await.unwrap().rows.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_erased_contact_takes_along_what_hangs_on_it_and_does_not_come_back() {
    let stage = Stage::new();
    let account = stage.create_one("Account", json!({"Name": "Acme"})).await;
    let contacts = stage
        .create(
            "Contact",
            &[
                json!({"LastName": "Mustermann", "AccountId": account}),
                json!({"LastName": "Bleibt", "AccountId": account}),
            ],
        )
        .await;
    let [gone, stays] = [contacts[0].clone(), contacts[1].clone()];
    let tasks = stage
        .create(
            "Task",
            &[json!({"Subject": "Call Erika", "WhoId": gone}), json!({"Subject": "Call other", "WhoId": stays})],
        )
        .await;
    stage.create_one("Case", json!({"Subject": "her case", "ContactId": gone})).await;
    let file = |title: &str, of: &str| json!({"Title": title, "PathOnClient": format!("{title}.txt"), "VersionData": "RXJpa2E=", "FirstPublishLocationId": of});
    stage.create_one("ContentVersion", file("only hers", &gone)).await;
    let other = json!({"Title": "other", "PathOnClient": "o.txt", "VersionData": "b3RoZXI=", "FirstPublishLocationId": account});
    stage.create_one("ContentVersion", other).await;
    stage.backup().await;
    let vault = stage.vault().await;
    let count = async |object: &str| list(&vault, object, None, None, 100).await.unwrap().rows.len();
    assert_eq!((count("Task").await, count("ContentVersion").await), (2, 2));

    let ids = [gone[..15].to_owned()];
    let planned = erasure(&vault, "contact", &ids, &stage.clock()).await.unwrap();
    assert_eq!((planned.erasure, planned.records["Contact"], planned.records["Task"]), (None, 1, 1), "{planned:?}");
    assert_eq!(count("Contact").await, 2);
    let done = erase(&vault, "Contact", &ids, "story", &stage.clock()).await.unwrap();
    assert_eq!((done.erasure, &done.records), (Some(1), &planned.records));
    assert_eq!((done.records["ContentDocument"], done.records["ContentVersion"], done.bodies), (1, 1, 1), "{done:?}");

    // The account, her case and the other person's things stay; the case refers to nobody.
    for (object, rows) in [("Contact", 1), ("Task", 1), ("ContentVersion", 1), ("Account", 1), ("Case", 1)] {
        assert_eq!(count(object).await, rows, "{object}");
    }
    assert!(history(&vault, "Contact", &gone).await.is_err());
    assert!(history(&vault, "Task", &tasks[0]).await.is_err());
    let again = erasure(&vault, "Contact", &ids, &stage.clock()).await.unwrap_err();
    assert!(again.kind() == Kind::NotFound && again.to_string().contains("was erased on"), "{again}");
    let plan = stage.try_plan(0, 1, records("Contact", std::slice::from_ref(&gone)), false).await;
    // It does not go silently: show and restore say what became of it, export and larger restores count it, each with the certificate.
    let hash = done.hash.clone().unwrap();
    let told = [plan.unwrap_err(), record(&vault, "Contact", &gone, Some(1)).await.unwrap_err()];
    for told in told.into_iter().chain([history(&vault, "Contact", &gone).await.unwrap_err()]) {
        assert!(told.kind() == Kind::NotFound && told.to_string().contains("was erased from all backups"), "{told}");
        assert!(told.next_step().is_some_and(|hint| hint.contains(&hash)), "{told:?}");
    }
    let since = erased_since(&vault, "contact", Some(1)).await.unwrap();
    assert_eq!((since.len(), since[0].records, &since[0].certificate), (1, 1, &hash));
    assert!(erased_since(&vault, "Account", Some(1)).await.unwrap().is_empty());
    let whole = stage.try_plan(0, 1, Selection::ChangesSince(0), false).await.unwrap();
    let lines: Vec<_> = whole.not_written.iter().filter(|line| line.reason.contains(&hash)).collect();
    assert!(lines.iter().any(|line| line.object == "Contact" && line.ids == [gone.clone()]), "{lines:?}");
    assert_eq!(done.shares["Contact"][0].live, 1);
    assert!(done.signature.is_some() && planned.signature.is_none());
    assert!(vault.check(true, &mut |_| {}).await.unwrap().damage.is_empty());

    // The org still has all of it. An incremental backup and a full one leave it out, say so, and are green.
    stage.later(24);
    stage.update("Contact", &gone, json!({"FirstName": "Erika"})).await;
    stage.update("Contact", &stays, json!({"FirstName": "Bleibt"})).await;
    for full in [false, true] {
        let report = stage.try_backup(full).await.unwrap();
        let line = report.objects.iter().find(|line| line.object == "Contact").unwrap();
        assert_eq!(
            (line.rows_held, line.rows_in_org, line.erased, line.state),
            (1, Some(2), 1, State::Green),
            "{line:?}"
        );
        assert!(history(&stage.vault().await, "Contact", &gone).await.is_err());
    }
    assert_eq!(backups(&stage.vault().await).await.unwrap().len(), 3);
    let vault = stage.vault().await;
    assert!(vault.check(true, &mut |_| {}).await.unwrap().damage.is_empty());
}
