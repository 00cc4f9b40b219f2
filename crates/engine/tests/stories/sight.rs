// SPDX-License-Identifier: Apache-2.0
//! A user who loses the sight of records: what no longer comes is not taken for deleted.

use crate::stage::{Fault, Stage};
use orgkeep_emulator::record::Input;
use orgkeep_emulator::sharing::Access;
use orgkeep_engine::{
    BackupReport, Coverage, CoverageOptions, ObjectCoverage, ObjectLine, Silent, State, coverage, history, record,
};
use serde_json::json;

fn line(report: &BackupReport, object: &str) -> ObjectLine {
    report.objects.iter().find(|line| line.object == object).unwrap().clone()
}

async fn covered(stage: &Stage) -> Coverage {
    coverage(&stage.vault().await, &CoverageOptions::default(), &Silent).await.unwrap()
}

fn of<'c>(coverage: &'c Coverage, object: &str) -> &'c ObjectCoverage {
    coverage.objects.iter().find(|seen| seen.line.object == object).unwrap()
}

async fn is_deleted(stage: &Stage, object: &str, id: &str) -> bool {
    record(&stage.vault().await, object, id, None).await.unwrap().deleted
}

/// An org whose accounts are private, with an account of the user who backs up and three of somebody else's. The user may read accounts
/// by a permission set, whose row of ObjectPermissions comes first, and sees them all by View All Data.
struct Private {
    stage: Stage,
    rights: String,
    own: String,
    others: Vec<String>,
}

impl Private {
    async fn new() -> Private {
        let stage = Stage::new();
        stage.emulator.orgs()[0].set_default_access("Account", Access::Private);
        let set = stage.create_one("PermissionSet", json!({"Name": "Reader", "Label": "Reader"})).await;
        let rights = json!({"ParentId": set, "SobjectType": "Account", "PermissionsRead": true});
        let rights = stage.create_one("ObjectPermissions", rights).await;
        let user = stage.emulator.credentials(0).user_id;
        stage.create_one("PermissionSetAssignment", json!({"AssigneeId": user, "PermissionSetId": set})).await;
        let other = stage.query("SELECT Id FROM User WHERE Alias = 'backup'", &["Id"]).await.remove(0).remove(0);
        let own = stage.create_one("Account", json!({"Name": "own"})).await;
        let account = |name: &str| json!({"Name": name, "OwnerId": other});
        let others = stage.create("Account", &[account("b"), account("c"), account("d")]).await;
        stage.later(2);
        Private { stage, rights, own, others }
    }

    fn sees_all(&self, sees: bool) {
        sees_all(&self.stage.emulator, sees);
    }

    /// Something happens in the org that the user who backs up does not see.
    async fn unseen<T>(&self, happens: impl AsyncFnOnce() -> T) -> T {
        self.sees_all(true);
        let done = happens().await;
        self.sees_all(false);
        done
    }
}

fn sees_all(emulator: &orgkeep_emulator::Emulator, sees: bool) {
    let user = emulator.credentials(0).user_id;
    for permission in ["ModifyAllData", "ViewAllData"] {
        emulator.orgs()[0].set_permission(&user, permission, sees);
    }
}

#[tokio::test(start_paused = true)]
async fn records_that_a_user_no_longer_sees_do_not_count_as_deleted() {
    let org = Private::new().await;
    let stage = &org.stage;
    assert_eq!(stage.backup().await.line.state, State::Green);

    // An incremental backup, one that holds all Ids, and a full one.
    org.sees_all(false);
    for way in 0..3 {
        stage.later(3);
        let report = match way {
            0 => stage.backup().await,
            1 => stage.reconcile().await,
            _ => stage.try_backup(true).await.unwrap(),
        };
        let seen = line(&report, "Account");
        assert_eq!((seen.rows_in_org, seen.rows_held, seen.deleted, seen.rows_unseen), (Some(1), 4, 0, 3), "{seen:?}");
        assert_eq!((seen.state, report.line.state), (State::Yellow, State::Yellow), "{seen:?}");
        for id in &org.others {
            assert!(!is_deleted(stage, "Account", id).await);
        }
        let told = covered(stage).await;
        assert!(told.not_all_shown.as_ref().unwrap().contains("View All Data"), "{:?}", told.not_all_shown);
        let account = of(&told, "Account");
        assert!(account.line.gaps.iter().any(|gap| gap.what == "3 rows" && gap.reason.contains("View All Data")));
        assert!(account.to_do.as_ref().unwrap().contains("View All Data"), "{account:?}");
    }
    assert!(stage.ears.notices().iter().any(|notice| notice.contains("does not count as deleted")));

    // What the org itself calls deleted is deleted.
    stage.later(3);
    org.unseen(async || stage.delete(std::slice::from_ref(&org.own)).await).await;
    let report = stage.backup().await;
    assert_eq!((line(&report, "Account").deleted, line(&report, "Account").rows_unseen), (1, 3));
    assert!(is_deleted(stage, "Account", &org.own).await);

    // Out of sight one is changed, one is deleted without a trace, and one is made.
    stage.later(3);
    let made = org
        .unseen(async || {
            stage.update("Account", &org.others[0], json!({"Phone": "1"})).await;
            stage.delete_for_good("Account", &org.others[1..2]).await;
            let owner = stage.query("SELECT Id FROM User WHERE Alias = 'backup'", &["Id"]).await.remove(0).remove(0);
            stage.create_one("Account", json!({"Name": "e", "OwnerId": owner})).await
        })
        .await;
    assert_eq!(line(&stage.backup().await, "Account").deleted, 0);

    // When the permission is back, the next backup finds all of it, though the stamps are older than what it asks for.
    stage.later(3);
    org.sees_all(true);
    stage.later(3);
    let report = stage.backup().await;
    let seen = line(&report, "Account");
    assert_eq!((seen.added, seen.changed, seen.deleted, seen.vanished), (1, 1, 1, 1), "{seen:?}");
    assert_eq!((seen.rows_unseen, seen.state, report.line.state), (0, State::Green, State::Green), "{seen:?}");
    assert!(is_deleted(stage, "Account", &org.others[1]).await && !is_deleted(stage, "Account", &made).await);
    let shown = record(&stage.vault().await, "Account", &org.others[0], None).await.unwrap();
    assert!(shown.fields.contains(&("Phone".into(), Some("1".into()))), "{shown:?}");
    assert_eq!(
        history(&stage.vault().await, "Account", &org.others[2]).await.unwrap().len(),
        1,
        "nothing happened to it"
    );
    assert_eq!(covered(stage).await.not_all_shown, None);
    // And then as ever.
    stage.later(3);
    stage.delete_for_good("Account", &org.others[2..]).await;
    assert_eq!(line(&stage.backup().await, "Account").vanished, 1);
}

#[tokio::test(start_paused = true)]
async fn who_views_all_records_of_an_object_may_say_what_is_gone() {
    let org = Private::new().await;
    let stage = &org.stage;
    stage.update("ObjectPermissions", &org.rights, json!({"PermissionsViewAllRecords": true})).await;
    stage.backup().await;
    stage.later(3);
    stage.delete_for_good("Account", &org.others[..1]).await;
    org.sees_all(false);
    let report = stage.backup().await;
    let seen = line(&report, "Account");
    assert_eq!((seen.vanished, seen.rows_unseen, seen.state), (1, 0, State::Green), "{seen:?}");
    // Of the other objects it is not known.
    assert_eq!(report.line.state, State::Yellow);
    assert!(covered(stage).await.not_all_shown.unwrap().contains("but 1 objects"));
}

#[tokio::test(start_paused = true)]
async fn a_permission_that_is_taken_in_the_middle_of_a_reconciliation_deletes_nothing() {
    let mut unseen = 0;
    for after in [0, 1, 2, 4, 6, 8] {
        let org = Private::new().await;
        let stage = &org.stage;
        stage.backup().await;
        stage.later(3);
        stage.network.meanwhile_after(after, "/services/data", |emulator| sees_all(emulator, false));
        let report = stage.reconcile().await;
        let seen = line(&report, "Account");
        assert_eq!((seen.rows_held, seen.deleted), (4, 0), "after {after}: {seen:?}");
        unseen += usize::from(seen.rows_unseen == 3);
        for id in &org.others {
            assert!(!is_deleted(stage, "Account", id).await, "after {after}");
        }
    }
    assert!(unseen > 1, "it was noticed in {unseen} of them");
}

#[tokio::test(start_paused = true)]
async fn a_permission_that_is_taken_in_the_middle_of_a_full_backup_deletes_nothing() {
    let mut unseen = 0;
    for after in [0, 3, 6] {
        let org = Private::new().await;
        let stage = &org.stage;
        stage.backup().await;
        stage.later(3);
        stage.network.meanwhile_after(after, "/services/data", |emulator| sees_all(emulator, false));
        let report = stage.try_backup(true).await.unwrap();
        let seen = line(&report, "Account");
        assert_eq!((seen.rows_held, seen.deleted), (4, 0), "after {after}: {seen:?}");
        unseen += usize::from(seen.rows_unseen == 3);
        for id in &org.others {
            assert!(!is_deleted(stage, "Account", id).await, "after {after}");
        }
    }
    assert!(unseen > 0, "it was noticed in {unseen} of them");
    // Who sees everything is believed.
    let org = Private::new().await;
    org.stage.backup().await;
    org.stage.later(3);
    org.stage.delete_for_good("Account", &org.others[..1]).await;
    let seen = line(&org.stage.try_backup(true).await.unwrap(), "Account");
    assert_eq!((seen.rows_held, seen.rows_unseen), (3, 0), "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn an_org_that_cannot_be_asked_again_stops_a_full_backup_and_is_not_doubted() {
    let ready = async |gone: usize| {
        let org = Private::new().await;
        org.stage.backup().await;
        org.stage.later(3);
        org.stage.delete_for_good("Account", &org.others[..gone]).await;
        org.stage.network.set(Fault::None);
        org
    };
    let mut logs = Vec::new();
    for gone in [0, 1] {
        let org = ready(gone).await;
        org.stage.try_backup(true).await.unwrap();
        logs.push(org.stage.network.log());
    }
    // The first request that a backup makes only where something is gone.
    let asked_again = (0..logs[1].len()).find(|number| logs[0].get(*number) != logs[1].get(*number)).unwrap();
    assert!(logs[1][asked_again].ends_with("/query"), "{}", logs[1][asked_again]);
    let org = ready(1).await;
    org.stage.network.set(Fault::Down(asked_again));
    assert!(org.stage.try_backup(true).await.is_err());
    org.stage.network.set(Fault::None);
    let seen = line(&org.stage.try_backup(true).await.unwrap(), "Account");
    assert_eq!((seen.rows_held, seen.rows_unseen, seen.state), (3, 0, State::Green), "{seen:?}");
    assert_eq!(covered(&org.stage).await.not_all_shown, None);
}

#[tokio::test(start_paused = true)]
async fn an_org_that_does_not_tell_what_a_user_sees_is_not_believed_either() {
    let org = Private::new().await;
    let stage = &org.stage;
    stage.backup().await;
    stage.later(3);
    stage.delete_for_good("Account", &org.others[..1]).await;
    stage.network.refuse("+FROM+UserPermissionAccess");
    let seen = line(&stage.backup().await, "Account");
    assert_eq!((seen.rows_held, seen.deleted, seen.rows_unseen, seen.state), (4, 0, 1, State::Yellow), "{seen:?}");
    assert!(covered(stage).await.not_all_shown.unwrap().contains("UNKNOWN_EXCEPTION"));
}

#[tokio::test(start_paused = true)]
async fn files_that_a_user_no_longer_sees_do_not_count_as_deleted() {
    let stage = Stage::new();
    let org = stage.emulator.orgs()[0].clone();
    let user = stage.emulator.credentials(0).user_id;
    let other = stage.query("SELECT Id FROM User WHERE Alias = 'backup'", &["Id"]).await.remove(0).remove(0);
    let version = |title: &str| json!({"Title": title, "PathOnClient": "a.txt", "VersionData": "aGVsbG8="});
    stage.create_one("ContentVersion", version("mine")).await;
    let mut theirs = version("theirs");
    theirs["OwnerId"] = json!(other);
    let theirs = stage.create_one("ContentVersion", theirs).await;
    stage.later(2);
    assert_eq!(stage.backup().await.line.state, State::Green);

    org.set_permission(&user, "QueryAllFiles", false);
    for way in 0..3 {
        stage.later(3);
        let report = match way {
            0 => stage.backup().await,
            1 => stage.reconcile().await,
            _ => stage.try_backup(true).await.unwrap(),
        };
        for object in ["ContentDocument", "ContentVersion"] {
            let seen = line(&report, object);
            assert_eq!(
                (seen.rows_held, seen.deleted, seen.rows_unseen, seen.state),
                (2, 0, 1, State::Yellow),
                "{seen:?}"
            );
        }
        assert_eq!(
            (line(&report, "ContentDocumentLink").deleted, line(&report, "ContentDocumentLink").rows_held),
            (0, 2)
        );
        let told = covered(&stage).await;
        assert!(of(&told, "ContentVersion").to_do.as_ref().unwrap().contains("Query All Files"), "{told:?}");
        let body = record(&stage.vault().await, "ContentVersion", &theirs, None).await.unwrap();
        assert!(!body.deleted && body.fields.iter().any(|(name, value)| name == "VersionData" && value.is_some()));
    }

    org.set_permission(&user, "QueryAllFiles", true);
    stage.later(3);
    let document =
        stage.query("SELECT ContentDocumentId FROM ContentVersion WHERE Title = 'theirs'", &["ContentDocumentId"]);
    let document = document.await.remove(0);
    stage.delete(&document).await;
    let report = stage.backup().await;
    assert_eq!(report.line.state, State::Green, "{:?}", report.objects);
    for object in ["ContentDocument", "ContentVersion"] {
        assert_eq!((line(&report, object).rows_held, line(&report, object).deleted), (1, 1), "{object}");
    }
}

/// Rows come back into sight by sharing while the user is not shown everything: what changed meanwhile is read when Ids are held.
#[tokio::test(start_paused = true)]
async fn a_record_that_comes_back_into_sight_is_read_as_it_is_now() {
    let org = Private::new().await;
    let stage = &org.stage;
    stage.backup().await;
    org.sees_all(false);
    stage.later(3);
    stage.backup().await;
    stage.later(3);
    stage.emulator.orgs()[0].update(&org.others[0], vec![("Phone".into(), Input::Text("7".into()))]).unwrap();
    stage.later(3);
    let user = stage.emulator.credentials(0).user_id;
    let share = json!({"AccountId": org.others[0], "UserOrGroupId": user, "AccountAccessLevel": "Read", "OpportunityAccessLevel": "None"});
    org.unseen(async || stage.create_one("AccountShare", share).await).await;
    let seen = line(&stage.backup().await, "Account");
    assert_eq!((seen.rows_in_org, seen.rows_unseen, seen.deleted), (Some(2), 2, 0), "{seen:?}");
    let shown = record(&stage.vault().await, "Account", &org.others[0], None).await.unwrap();
    assert!(shown.fields.contains(&("Phone".into(), Some("7".into()))), "{shown:?}");
}
