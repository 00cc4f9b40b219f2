// SPDX-License-Identifier: Apache-2.0
//! Files: fetched once per content in a whole vault, newest first within a budget, and again where the vault has lost them.

use crate::stage::{Fault, Stage};
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use orgkeep_emulator::Settings;
use orgkeep_emulator::schema::Catalog;
use orgkeep_emulator::world::{Files, add_files};
use orgkeep_engine::{BackupOptions, BackupReport, CoverageOptions, ObjectLine, Silent, State, coverage};
use orgkeep_vault::{CheckOptions, Extent, Unlock, Vault};
use serde_json::json;

/// A file's content, as the API wants it in JSON: base64 of `AAAA…` is itself over and over.
fn version(title: &str, letter: char, length: usize) -> serde_json::Value {
    let mut body = letter.to_string().repeat(length / 3 * 4);
    body.truncate(length / 3 * 4);
    json!({"Title": title, "PathOnClient": format!("{title}.bin"), "VersionData": body})
}

fn line(report: &BackupReport, object: &str) -> ObjectLine {
    report.objects.iter().find(|line| line.object == object).unwrap().clone()
}

/// How many bodies were asked of the org since the last fault was set.
fn fetched(stage: &Stage) -> usize {
    stage.network.log().iter().filter(|request| request.ends_with("/VersionData") || request.ends_with("/Body")).count()
}

async fn backup_with(stage: &Stage, file_budget_bytes: Option<u64>) -> BackupReport {
    stage.network.set(Fault::None);
    let options =
        BackupOptions { holder: "story".into(), parallel_objects: 1, file_budget_bytes, ..BackupOptions::default() };
    let vault = stage.vault_on(stage.store.clone()).await.unwrap();
    orgkeep_engine::backup(&stage.org().await, &vault, &options, &stage.clock(), &stage.ears).await.unwrap()
}

/// Titles of the versions whose body is held.
async fn held(stage: &Stage) -> Vec<String> {
    let vault = stage.vault().await;
    let newest = vault.newest().await.unwrap().unwrap().sequence;
    let rows: Vec<_> = vault
        .scan("ContentVersion", newest, orgkeep_vault::Scan::default())
        .await
        .unwrap()
        .try_collect()
        .await
        .unwrap();
    let mut titles = Vec::new();
    for batch in rows {
        let (title, body) = (batch.column_index("Title").unwrap(), batch.column_index("VersionData").unwrap());
        for row in 0..batch.len() {
            if let Some(reference) = batch.text(row, body) {
                let hash = reference.strip_prefix("blob:").unwrap().to_owned();
                let bytes: Vec<_> = vault.blob(&hash).await.unwrap().try_collect().await.unwrap();
                assert!(!bytes.concat().is_empty());
                titles.push(batch.text(row, title).unwrap().into_owned());
            }
        }
    }
    titles.sort();
    titles
}

#[tokio::test(start_paused = true)]
async fn a_budget_takes_the_newest_files_first_and_later_runs_take_the_rest() {
    let stage = Stage::new();
    for (number, letter) in ('A'..='F').enumerate() {
        stage.create("ContentVersion", &[version(&format!("{number}"), letter, 3_000)]).await;
        stage.later(1);
    }
    let first = backup_with(&stage, Some(5_000)).await;
    let files = line(&first, "ContentVersion");
    assert_eq!((first.line.files, files.state, files.files_left, files.file_bytes_left), (2, State::Yellow, 4, 12_000));
    assert_eq!(files.gaps.len(), 1, "{files:?}");
    assert!(files.gaps[0].what.contains("4 records of ContentVersion, 0.0 MB"), "{files:?}");
    assert_eq!(held(&stage).await, ["4", "5"]);
    let seen = coverage(&stage.vault().await, &CoverageOptions::default(), &Silent).await.unwrap();
    let files = seen.objects.iter().find(|object| object.line.object == "ContentVersion").unwrap();
    assert!(files.to_do.as_ref().unwrap().contains("--file-budget"), "{files:?}");

    // A newer one comes before those that were left; no body is asked for twice.
    stage.later(1);
    stage.create("ContentVersion", &[version("6", 'G', 3_000)]).await;
    let second = backup_with(&stage, Some(5_000)).await;
    assert_eq!((second.line.files, fetched(&stage)), (2, 2));
    assert_eq!(held(&stage).await, ["3", "4", "5", "6"]);
    stage.later(24);
    let third = backup_with(&stage, None).await;
    assert_eq!((third.line.files, fetched(&stage)), (3, 3));
    assert_eq!((line(&third, "ContentVersion").state, line(&third, "ContentVersion").files_left), (State::Green, 0));
    stage.later(24);
    assert_eq!(backup_with(&stage, Some(0)).await.line.files, 0);
    assert_eq!((held(&stage).await.len(), fetched(&stage)), (7, 0));
}

#[tokio::test(start_paused = true)]
async fn an_interruption_among_more_files_than_become_durable_together_fetches_none_twice() {
    const FILES: usize = 1_100;
    let stage = || {
        let stage = Stage::new();
        let files = Files { count: FILES as u64, bytes: 20, seed: 1 };
        add_files(&stage.emulator.orgs()[0], files).unwrap();
        stage.later(2);
        stage
    };
    let whole = stage();
    let report = backup_with(&whole, None).await;
    assert_eq!((report.line.files as usize, fetched(&whole)), (FILES, FILES));
    let log = whole.network.log();
    let bodies: Vec<usize> = (0..log.len()).filter(|number| log[*number].ends_with("/VersionData")).collect();
    // With the first thousand on their way, and with the next.
    for after in [995, 1_050] {
        let stage = stage();
        stage.network.set(Fault::Down(bodies[after]));
        assert!(stage.try_backup(false).await.is_err());
        let before = fetched(&stage);
        let report = backup_with(&stage, None).await;
        let files = line(&report, "ContentVersion");
        assert_eq!((files.file_bytes_left, files.files_left), (0, 0), "{after}: {files:?}");
        assert_eq!(held(&stage).await.len(), FILES, "{after}");
        // Those that were under way when the line went dead are asked for again.
        assert!(fetched(&stage) <= FILES - after + 8, "{after}: {before} and {}", fetched(&stage));
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_that_another_org_of_the_vault_has_is_not_fetched() {
    let stage = Stage::with(Settings { orgs: 2, ..Settings::default() });
    stage.create("ContentVersion", &[version("a", 'A', 3_000), version("large", 'B', 3_000_000)]).await;
    stage.backup().await;
    let (other, vault) = (
        stage.org_number(1).await,
        Vault::open(stage.store.clone() as std::sync::Arc<dyn ObjectStore>, Unlock::None).await.unwrap(),
    );
    let writer = orgkeep_salesforce::Writer::new(other.clone());
    let rows = [version("same", 'A', 3_000), version("large too", 'B', 3_000_000), version("own", 'C', 3_000)];
    let rows: Vec<_> = rows.iter().map(|row| row.as_object().unwrap().clone()).collect();
    for result in writer.create("ContentVersion", &rows).await.unwrap() {
        assert!(result.success, "{result:?}");
    }
    stage.network.set(Fault::None);
    let part = vault.org(&stage.emulator.orgs()[1].id).await.unwrap();
    let report =
        orgkeep_engine::backup(&other, &part, &BackupOptions::default(), &stage.clock(), &stage.ears).await.unwrap();
    assert_eq!((fetched(&stage), report.line.files, line(&report, "ContentVersion").state), (1, 1, State::Green));
    // It is the other org's own: what becomes of the first one's does not concern it.
    let listed: Vec<_> = stage
        .store
        .list(Some(&Path::from(format!("orgs/{}", stage.emulator.orgs()[0].id))))
        .try_collect()
        .await
        .unwrap();
    for file in listed {
        stage.store.delete(&file.location).await.unwrap();
    }
    let again = vault.org(&stage.emulator.orgs()[1].id).await.unwrap();
    assert_eq!(again.check(true, &mut |_| {}).await.unwrap().damage, []);
    let rows: Vec<_> =
        again.scan("ContentVersion", 1, orgkeep_vault::Scan::default()).await.unwrap().try_collect().await.unwrap();
    let mut bytes = 0;
    for batch in &rows {
        let body = batch.column_index("VersionData").unwrap();
        for row in 0..batch.len() {
            let hash = batch.text(row, body).unwrap().strip_prefix("blob:").unwrap().to_owned();
            let parts: Vec<_> = again.blob(&hash).await.unwrap().try_collect().await.unwrap();
            bytes += parts.concat().len();
        }
    }
    assert_eq!(bytes, 3_006_000);
}

#[tokio::test(start_paused = true)]
async fn bodies_that_the_vault_has_lost_are_fetched_again() {
    let stage = Stage::new();
    let parent = stage.create_one("Account", json!({"Name": "a"})).await;
    stage.create("ContentVersion", &[version("small", 'A', 3_000), version("large", 'B', 3_000_000)]).await;
    let attachment = json!({"Name": "note.txt", "ParentId": parent, "Body": "c2Vjb25k"});
    stage.create_one("Attachment", attachment).await;
    assert_eq!(stage.backup().await.line.files, 3);
    let now = || Some(orgkeep_engine::Clock::now(&stage.clock()));
    let blobs = || async {
        let folder = Path::from(format!("orgs/{}/blobs", stage.emulator.orgs()[0].id));
        let listed: Vec<_> = stage.store.list(Some(&folder)).try_collect().await.unwrap();
        listed
            .into_iter()
            .map(|meta| meta.location)
            .filter(|path| !path.as_ref().contains("_delta_log"))
            .collect::<Vec<_>>()
    };
    let options = || CheckOptions { extent: Extent::Everything, now: now() };
    let damage = async |large: bool| {
        for path in blobs().await.into_iter().filter(|path| path.as_ref().contains("/large/") == large) {
            let mut bytes = stage.store.get(&path).await.unwrap().bytes().await.unwrap().to_vec();
            bytes[100..200].fill(0x55);
            stage.store.put(&path, bytes.into()).await.unwrap();
        }
        let found = stage.vault().await.check_with(options(), &mut |_| {}).await.unwrap().damage;
        assert!(!found.is_empty());
        assert_eq!(stage.vault().await.damaged().await.unwrap().len(), found.len(), "{found:?}");
        stage.later(24);
    };
    damage(true).await;
    let report = backup_with(&stage, None).await;
    assert_eq!((report.line.files, fetched(&stage), report.line.state), (1, 1, State::Green));
    // With too small a budget it takes two runs, the second of which knows of it by what the first has left.
    damage(false).await;
    let first = backup_with(&stage, Some(1)).await;
    assert_eq!((first.line.files, first.line.state), (1, State::Yellow));
    stage.later(1);
    let second = backup_with(&stage, None).await;
    assert!(second.line.files >= 1 && second.line.state == State::Green, "{second:?}");
    assert_eq!(held(&stage).await, ["large", "small"]);
    assert_eq!(stage.vault().await.check_with(options(), &mut |_| {}).await.unwrap().damage, []);
    assert!(stage.vault().await.damaged().await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_org_that_refuses_all_bodies_is_not_asked_for_every_one() {
    let stage = Stage::new();
    let rows: Vec<_> = (0..70)
        .map(|number| json!({"Title": "x", "PathOnClient": "x.txt", "VersionData": format!("AA{:02}", number)}))
        .collect();
    stage.create("ContentVersion", &rows).await;
    let refuse = json!({"refuse": {"status": 403, "code": "INSUFFICIENT_ACCESS", "message": "not today"}});
    stage.order(json!({"when": {"path": "*/VersionData"}, "times": 0, "do": refuse})).await;
    let files = line(&backup_with(&stage, None).await, "ContentVersion");
    assert_eq!(files.state, State::Yellow);
    // Fifty, and those that were under way when the last of these was refused.
    assert!((50..58).contains(&fetched(&stage)), "{}", fetched(&stage));
    let untried = files.gaps.iter().find(|gap| gap.reason.starts_with("not asked for")).unwrap();
    let (refused, untried) = (fetched(&stage), untried.what.split(' ').find_map(|word| word.parse::<usize>().ok()));
    assert_eq!(Some(70 - refused), untried, "{:?}", files.gaps);
    assert_eq!((files.files_left, files.gaps.len()), (0, refused + 1));

    // The next backup tries again, and has them all when the org gives them.
    stage.emulator.orgs()[0].faults().clear();
    stage.later(1);
    let report = backup_with(&stage, None).await;
    assert_eq!((fetched(&stage), line(&report, "ContentVersion").state), (70, State::Green));
}

/// The body of every row of an object, by its Id.
async fn bodies(stage: &Stage, object: &str, field: &str) -> Vec<Vec<u8>> {
    let vault = stage.vault().await;
    let newest = vault.newest().await.unwrap().unwrap().sequence;
    let rows: Vec<_> =
        vault.scan(object, newest, orgkeep_vault::Scan::default()).await.unwrap().try_collect().await.unwrap();
    let mut bodies = Vec::new();
    for batch in rows {
        let column = batch.column_index(field).unwrap();
        for row in 0..batch.len() {
            let reference = batch.text(row, column).unwrap_or_else(|| panic!("{object} without {field}"));
            let hash = reference.strip_prefix("blob:").unwrap().to_owned();
            let parts: Vec<_> = vault.blob(&hash).await.unwrap().try_collect().await.unwrap();
            bodies.push(parts.concat());
        }
    }
    bodies
}

#[tokio::test(start_paused = true)]
async fn bodies_of_every_kind_of_file_are_kept() {
    let stage = Stage::with(Settings { catalog: Catalog::Everything, ..Settings::default() });
    let folder = stage
        .create_one("Folder", json!({"Name": "F", "DeveloperName": "F", "Type": "Document", "AccessType": "Public"}));
    let folder = folder.await;
    let document = json!({"Name": "D", "DeveloperName": "D", "FolderId": folder, "Body": "aGVsbG8="});
    stage.create_one("Document", document).await;
    stage
        .create_one(
            "StaticResource",
            json!({"Name": "S", "Body": "d29ybGQ=", "ContentType": "text/plain", "CacheControl": "Public"}),
        )
        .await;
    let note = json!({"Title": "N", "PathOnClient": "N.snote", "VersionData": "PGI+bm90ZTwvYj4="});
    stage.create_one("ContentVersion", note).await;
    let case = stage.create_one("Case", json!({"Subject": "c"})).await;
    let message = stage.create_one("EmailMessage", json!({"ParentId": case, "Subject": "m", "Status": "5"})).await;
    stage.create_one("Attachment", json!({"Name": "mail.txt", "ParentId": message, "Body": "bWFpbA=="})).await;
    let report = stage.backup().await;
    for (object, field, body) in [
        ("Document", "Body", "hello"),
        ("StaticResource", "Body", "world"),
        ("ContentVersion", "VersionData", "<b>note</b>"),
        ("ContentNote", "Content", "<b>note</b>"),
        ("Attachment", "Body", "mail"),
    ] {
        assert_eq!(bodies(&stage, object, field).await, [body.as_bytes()], "{object}");
        assert_eq!(line(&report, object).state, State::Green, "{object}");
    }
}
