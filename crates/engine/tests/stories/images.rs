// SPDX-License-Identifier: Apache-2.0
//! Images inside rich text.

use crate::stage::{Fault, Stage, records};
use futures::TryStreamExt as _;
use orgkeep_emulator::record::Input;
use orgkeep_emulator::schema::{Field, FieldType};
use orgkeep_engine::{
    Action, BackupOptions, BackupReport, CoverageOptions, Image, ObjectLine, Silent, State, coverage, erase, record,
};
use serde_json::json;

/// An org whose accounts have a rich text area.
fn stage() -> Stage {
    let stage = Stage::new();
    let story = Field {
        custom: true,
        html_formatted: true,
        extra_type_info: Some("richtextarea".into()),
        ..Field::usual("Story__c", "Story", FieldType::Textarea, 32_768)
    };
    assert!(stage.emulator.orgs()[0].add_field("Account", story));
    stage
}

/// An image of so many bytes at the end of an account's story; its reference.
fn draw(stage: &Stage, id: &str, bytes: usize, colour: u8) -> String {
    let image = [vec![0x89, b'P', b'N', b'G'], vec![colour; bytes - 4]].concat();
    stage.emulator.orgs()[0].attach_rich_text_image(id, "Story__c", &image).unwrap()
}

async fn images(stage: &Stage, id: &str) -> Vec<Image> {
    record(&stage.vault().await, "Account", id, None).await.unwrap().images
}

async fn body(stage: &Stage, image: &Image) -> usize {
    use futures::TryStreamExt;
    let chunks: Vec<_> =
        stage.vault().await.blob(image.hash.as_ref().unwrap()).await.unwrap().try_collect().await.unwrap();
    chunks.iter().map(|chunk| chunk.len()).sum()
}

fn account(report: &BackupReport) -> ObjectLine {
    report.objects.iter().find(|line| line.object == "Account").unwrap().clone()
}

/// How often images were asked for since the network's log began.
fn asked(stage: &Stage) -> usize {
    stage.network.log().iter().filter(|request| request.contains("/richTextImageFields/")).count()
}

async fn budgeted(stage: &Stage, bytes: u64) -> BackupReport {
    let options = BackupOptions { file_budget_bytes: Some(bytes), parallel_objects: 1, ..BackupOptions::default() };
    stage.backup_with(stage.org().await, options).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn images_in_rich_text_are_kept_once_and_found_from_their_record() {
    let stage = stage();
    let ids = stage.create("Account", &[json!({"Name": "a"}), json!({"Name": "b"})]).await;
    let (first, second) = (draw(&stage, &ids[0], 100, 1), draw(&stage, &ids[0], 200, 2));
    stage.later(2);
    stage.network.set(Fault::None);
    let report = stage.backup().await;
    assert_eq!((report.line.state, report.line.files, asked(&stage)), (State::Green, 2, 2), "{:?}", account(&report));
    let kept = images(&stage, &ids[0]).await;
    assert_eq!(kept.iter().map(|image| &image.reference).collect::<Vec<_>>(), [&first, &second]);
    assert_eq!(
        kept.iter().map(|image| (image.field.as_str(), image.bytes)).collect::<Vec<_>>(),
        [("Story__c", Some(100)), ("Story__c", Some(200))]
    );
    assert_eq!((body(&stage, &kept[0]).await, body(&stage, &kept[1]).await), (100, 200));
    assert!(images(&stage, &ids[1]).await.is_empty());
    let vault = stage.vault().await;
    let account = record(&vault, "Account", &ids[0], None).await.unwrap();
    let whole = async |image: Option<&str>| -> orgkeep_engine::Result<usize> {
        let pieces: Vec<_> = orgkeep_engine::body(&vault, &account, image).await?.try_collect().await?;
        Ok(pieces.iter().map(bytes::Bytes::len).sum())
    };
    assert_eq!(whole(Some(&second)).await.unwrap(), 200);
    assert_eq!(whole(Some(&ids[0])).await.unwrap_err().kind(), orgkeep_engine::Kind::NotFound);
    assert_eq!(whole(None).await.unwrap_err().kind(), orgkeep_engine::Kind::NotFound, "an account is no file");

    // Known ones are never asked for again: not by an incremental backup of a changed row, not by a full one.
    stage.later(2);
    let third = draw(&stage, &ids[0], 300, 3);
    stage.later(1);
    stage.network.set(Fault::None);
    stage.backup().await;
    assert_eq!(asked(&stage), 1);
    assert_eq!(images(&stage, &ids[0]).await.last().unwrap().reference, third);
    stage.later(1);
    stage.try_backup(true).await.unwrap();
    stage.later(1);
    stage.reconcile().await;
    assert_eq!(asked(&stage), 1);

    // They go with their record.
    let vault = stage.vault().await;
    let hashes: Vec<String> = images(&stage, &ids[0]).await.into_iter().map(|image| image.hash.unwrap()).collect();
    let done = erase(&vault, "Account", &ids[..1], "story", &stage.clock()).await.unwrap();
    assert_eq!((done.records["RichTextImage"], done.bodies), (3, 3), "{done:?}");
    let vault = stage.vault().await;
    for hash in hashes {
        assert!(!vault.has_blob(&hash).await.unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn images_that_cannot_be_had_are_gaps_and_fail_no_backup() {
    let stage = stage();
    let id = stage.create_one("Account", json!({"Name": "a"})).await;
    let kept = draw(&stage, &id, 100, 1);
    // An address of an image that the org does not have.
    let gone = "0EM000000000XyZ";
    let org = stage.emulator.orgs()[0].clone();
    let text = stage.query(&format!("SELECT Story__c FROM Account WHERE Id = '{id}'"), &["Story__c"]).await;
    let text = format!("{}<img src=\"https://x/servlet/rtaImage?eid={id}&amp;refid={gone}\">", text[0][0]);
    org.update(&id, vec![("Story__c".into(), Input::Text(text))]).unwrap();
    stage.later(2);
    let seen = account(&stage.backup().await);
    assert_eq!(seen.state, State::Yellow);
    let gap = &seen.gaps[0];
    assert!(gap.what.contains(gone) && gap.what.contains("Story__c") && gap.what.contains(&id), "{gap:?}");
    let found = images(&stage, &id).await;
    assert_eq!((found.len(), found[0].reference == kept, found[0].hash.is_some()), (2, true, true));
    assert_eq!(found[1].hash, None);
    // It is not asked for again as long as its row does not change, and said all the same.
    stage.later(2);
    stage.network.set(Fault::None);
    let again = account(&stage.backup().await);
    assert_eq!((asked(&stage), again.state, again.gaps.len()), (0, State::Yellow, 1), "{again:?}");
    // The text no longer shows it, and all rows are read again.
    org.update(&id, vec![("Story__c".into(), Input::Text("plain".into()))]).unwrap();
    stage.later(2);
    assert_eq!(account(&stage.try_backup(true).await.unwrap()).state, State::Green);
}

#[tokio::test(start_paused = true)]
async fn a_budget_leaves_images_to_later_backups() {
    let stage = stage();
    let accounts: Vec<_> = (0..20).map(|n| json!({"Name": format!("{n}")})).collect();
    let ids = stage.create("Account", &accounts).await;
    for (colour, id) in (1..).zip(&ids) {
        draw(&stage, id, 1_000, colour);
    }
    let file = json!({"Title": "t", "PathOnClient": "t.txt", "VersionData": "aGVsbG8="});
    stage.create_one("ContentVersion", file).await;
    stage.later(2);
    let first = budgeted(&stage, 3_000).await;
    let seen = account(&first);
    assert_eq!((seen.files_left, seen.state), (12, State::Yellow), "as many as are fetched together: {seen:?}");
    assert!(seen.gaps.iter().any(|gap| gap.what.contains("12 more") && gap.reason.contains("budget")), "{seen:?}");
    let version = first.objects.iter().find(|line| line.object == "ContentVersion").unwrap();
    assert_eq!(version.files_left, 1, "what images took is not left for files");
    stage.later(2);
    assert_eq!(account(&budgeted(&stage, 3_000).await).files_left, 4);
    stage.later(2);
    let last = budgeted(&stage, 30_000).await;
    assert_eq!((account(&last).files_left, last.line.state), (0, State::Green));
    stage.network.set(Fault::None);
    for id in &ids {
        assert!(images(&stage, id).await[0].hash.is_some());
    }
    let told = coverage(&stage.vault().await, &CoverageOptions::default(), &Silent).await.unwrap();
    assert_eq!(told.state, State::Green);
}

#[tokio::test(start_paused = true)]
async fn a_backup_killed_anywhere_among_images_gets_the_rest_and_none_twice() {
    let stage = stage();
    let accounts: Vec<_> = (0..10).map(|n| json!({"Name": format!("{n}")})).collect();
    let ids = stage.create("Account", &accounts).await;
    for (colour, id) in (1..).zip(&ids) {
        draw(&stage, id, 100, colour);
    }
    stage.later(2);
    stage.network.set(Fault::None);
    stage.backup().await;
    let log = stage.network.log();
    let images_at = |number: usize| log[number].contains("/richTextImageFields/");
    let (first, last) =
        ((0..log.len()).find(|n| images_at(*n)).unwrap(), (0..log.len()).rfind(|n| images_at(*n)).unwrap());
    for at in [first, first + 4, last, last + 1] {
        let again = Stage::around(stage.emulator.clone());
        again.network.set(Fault::Down(at));
        again.try_backup(false).await.unwrap_err();
        let before = again.network.log().iter().take(at).filter(|line| line.contains("/richTextImageFields/")).count();
        again.network.set(Fault::None);
        again.later(1);
        let report = again.backup().await;
        assert_eq!(report.line.state, State::Green, "{at}: {:?}", account(&report));
        assert!(asked(&again) <= 10 - before + 8, "{at}: {} after {before}", asked(&again));
        for id in &ids {
            assert!(images(&again, id).await[0].hash.is_some(), "{at}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_restore_says_that_images_are_not_put_back_and_writes_the_record() {
    let stage = stage();
    let ids = stage.create("Account", &[json!({"Name": "a"}), json!({"Name": "b"}), json!({"Name": "c"})]).await;
    draw(&stage, &ids[0], 100, 1);
    draw(&stage, &ids[1], 100, 2);
    stage.later(2);
    stage.backup().await;
    stage.delete_for_good("Account", &ids[..1]).await;
    stage.update("Account", &ids[1], json!({"Story__c": "overwritten"})).await;
    stage.delete_for_good("Account", &ids[2..]).await;
    let plan = stage.plan(1, records("Account", &ids), false).await;
    let said = |id: &String| {
        let of = |line: &&orgkeep_engine::NotWritten| line.ids.contains(id) && line.reason.contains("images");
        plan.not_written.iter().find(of)
    };
    assert!(said(&ids[0]).unwrap().reason.contains("not put back"), "{:?}", plan.not_written);
    assert!(said(&ids[0]).unwrap().hint.as_ref().unwrap().contains("orgkeep show"));
    assert!(said(&ids[1]).unwrap().reason.contains("not uploaded again"));
    assert!(said(&ids[2]).is_none());
    assert!(plan.steps.iter().any(|step| step.action == Action::Create && step.records.len() == 2));
    let report = stage.apply(&plan).await;
    assert_eq!((report.created, report.updated, report.failed), (2, 1, 0), "{report:?}");
    let repeated = |id: &str| report.not_written.iter().any(|line| line.examples.iter().any(|example| example == id));
    assert!(repeated(&ids[0]) && repeated(&ids[1]) && !repeated(&ids[2]), "{:?}", report.not_written);
}
