// SPDX-License-Identifier: Apache-2.0
//! The sweep: every single request, and every single write to the vault, fails before its effect or after it; requests also with
//! everything after them. Then the story is told again, and the vault and the org must be as if nothing had happened.
//!
//! The org has few objects, so that every place fails and the sweep is still short. One after the other they fail in another way;
//! built with `ORGKEEP_EVERY_FAULT=1` each fails in every way, which takes three times as long.

use crate::stage::{Fault, Stage};
use crate::store::{FaultyStore, StoreFault};
use chrono::{DateTime, Utc};
use object_store::memory::InMemory;
use orgkeep_emulator::record::Input;
use orgkeep_engine::{BackupOptions, Clock as _, Reconcile, Selection};
use orgkeep_vault::OrgVault;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What the story is about. The others are there for signing in, flagged as something that a backup leaves out.
const OBJECTS: [&str; 9] = [
    "Account",
    "AccountContactRelation",
    "Attachment",
    "Contact",
    "ContentDocument",
    "ContentDocumentLink",
    "ContentVersion",
    "User",
    "UserPermissionAccess",
];

const SIGN_IN: [&str; 10] = [
    "FieldPermissions",
    "Group",
    "ObjectPermissions",
    "Organization",
    "PermissionSet",
    "PermissionSetAssignment",
    "Profile",
    "UserLicense",
    "UserLogin",
    "UserRole",
];

/// An org with a little of everything that a restore treats in its own way.
async fn org() -> (Stage, Vec<String>) {
    let stage = Stage::new();
    let few = |objects: &mut Vec<orgkeep_emulator::schema::Object>| {
        objects.retain(|object| OBJECTS.iter().chain(&SIGN_IN).any(|name| object.name == *name));
        for object in objects.iter_mut().filter(|object| SIGN_IN.contains(&object.name.as_str())) {
            object.associate_entity_type = Some("ChangeEvent".into());
        }
    };
    stage.emulator.orgs()[0].change_schema(few).unwrap();
    let parent = stage.create_one("Account", json!({"Name": "Parent", "Phone": "1"})).await;
    let child = stage.create_one("Account", json!({"Name": "Child", "ParentId": parent})).await;
    let kept = stage.create_one("Account", json!({"Name": "Kept", "Phone": "1"})).await;
    let contact = stage.create_one("Contact", json!({"LastName": "Löwe", "AccountId": child})).await;
    let boss =
        stage.create_one("Contact", json!({"LastName": "Boss", "AccountId": kept, "ReportsToId": contact})).await;
    let version =
        json!({"Title": "File", "PathOnClient": "a.txt", "VersionData": "Zmlyc3Q=", "FirstPublishLocationId": child});
    stage.create_one("ContentVersion", version).await;
    let attachment = json!({"Name": "note.txt", "ParentId": child, "Body": "c2Vjb25k"});
    stage.create_one("Attachment", attachment).await;
    (stage, vec![parent, child, kept, contact, boss])
}

/// The bad day: some deleted for good, some into the bin, one overwritten.
async fn damage(stage: &Stage, ids: &[String]) {
    stage.later(24);
    let document = stage.query("SELECT Id FROM ContentDocument", &["Id"]).await[0][0].clone();
    stage.delete_for_good("ContentDocument", &[document]).await;
    stage.delete_for_good("Contact", &ids[3..4]).await;
    stage.delete_for_good("Account", &ids[1..2]).await;
    stage.delete(&ids[4..5]).await;
    stage.delete(&ids[0..1]).await;
    stage.update("Account", &ids[2], json!({"Phone": "2"})).await;
}

/// What a vault says of its newest backup: per object the digest of its state and the counts.
async fn content(vault: &OrgVault) -> (u64, BTreeMap<String, Value>) {
    let manifest = vault.manifests().await.unwrap().pop().unwrap();
    let objects = manifest.content["objects"].as_object().unwrap().clone();
    let pick = |entry: &Value| json!([entry["live"], entry["digest"], entry["state"], entry["note"]["rows_in_org"]]);
    (manifest.sequence, objects.iter().map(|(object, entry)| (object.clone(), pick(entry))).collect())
}

/// What a person sees in the org, without Ids.
async fn seen(stage: &Stage) -> Vec<Vec<Vec<String>>> {
    vec![
        stage
            .query("SELECT Name, Phone, Parent.Name FROM Account ORDER BY Name", &["Name", "Phone", "Parent.Name"])
            .await,
        stage
            .query(
                "SELECT LastName, Account.Name, ReportsTo.LastName FROM Contact ORDER BY LastName",
                &["LastName", "Account.Name", "ReportsTo.LastName"],
            )
            .await,
        stage
            .query("SELECT Title, Checksum, VersionNumber FROM ContentVersion", &["Title", "Checksum", "VersionNumber"])
            .await,
        stage
            .query("SELECT Name, BodyLength, Parent.Name FROM Attachment", &["Name", "BodyLength", "Parent.Name"])
            .await,
        stage.query("SELECT COUNT(Id) n FROM ContentDocumentLink", &["n"]).await,
        stage.query("SELECT COUNT(Id) n FROM AccountContactRelation", &["n"]).await,
    ]
}

/// Whether each place fails in every way.
const EVERY_WAY: bool = option_env!("ORGKEEP_EVERY_FAULT").is_some();

/// The faults of a story's requests. A GET has no effect, so losing its reply is losing it, and dying after it is dying before
/// the next request.
fn request_faults(log: &[String]) -> Vec<Fault> {
    let (mut faults, mut reads, mut writes) = (Vec::new(), 0, 0);
    for (n, request) in log.iter().enumerate() {
        let (ways, turn) = match request.starts_with("GET ") {
            true => (vec![Fault::Before(n), Fault::Down(n)], &mut reads),
            false => (vec![Fault::After(n), Fault::DownAfter(n), Fault::Before(n), Fault::Down(n)], &mut writes),
        };
        match EVERY_WAY {
            true => faults.extend(ways),
            false => faults.push(ways[*turn % ways.len()]),
        }
        *turn += 1;
    }
    faults
}

fn store_faults(writes: usize) -> impl Iterator<Item = StoreFault> {
    let all = (0..writes).flat_map(|n| [StoreFault::Before(n), StoreFault::After(n)]);
    // Before the first, after the second, before the third.
    all.enumerate().filter(|(at, _)| EVERY_WAY || matches!(at % 4, 0 | 3)).map(|(_, fault)| fault)
}

/// Takes a backup into a copy of `base`, failing as told, then again until it succeeds.
async fn backup_on(
    stage: &Stage,
    base: &InMemory,
    request: Fault,
    store: StoreFault,
    options: &BackupOptions,
) -> (u64, BTreeMap<String, Value>) {
    let store = Arc::new(FaultyStore::new(base.fork(), store));
    backup_into(stage, &store, request, options).await;
    content(&stage.vault_on(store).await.unwrap()).await
}

/// The same, into a store.
async fn backup_into(stage: &Stage, store: &Arc<FaultyStore>, request: Fault, options: &BackupOptions) {
    stage.network.set(request);
    for attempt in 0.. {
        let taken = async {
            let org = stage.connect(0).await.map_err(orgkeep_engine::Error::from)?;
            let vault = stage.vault_on(store.clone()).await.map_err(orgkeep_engine::Error::from)?;
            orgkeep_engine::backup(&org, &vault, options, &stage.clock(), &stage.ears).await
        };
        match taken.await {
            Ok(_) => break,
            Err(error) => assert!(attempt < 3, "{request:?}, {attempt}: {error}"),
        }
        stage.network.set(Fault::None);
        store.heal();
        // A lease of the interrupted run may still be there.
        stage.later(1);
    }
    stage.network.set(Fault::None);
    store.heal();
}

async fn sweep_backup(stage: &Stage, base: &InMemory, full: bool, reconcile: Reconcile) {
    let options =
        BackupOptions { full, reconcile, holder: "sweep".into(), parallel_objects: 1, ..BackupOptions::default() };
    let expected = backup_on(stage, base, Fault::None, StoreFault::None, &options).await;
    let counted = Arc::new(FaultyStore::new(base.fork(), StoreFault::None));
    stage.network.set(Fault::None);
    let org = stage.connect(0).await.unwrap();
    let vault = stage.vault_on(counted.clone()).await.unwrap();
    orgkeep_engine::backup(&org, &vault, &options, &stage.clock(), &stage.ears).await.unwrap();
    let (log, writes) = (stage.network.log(), counted.writes());
    assert!(log.len() > 10 && writes > 5, "{} requests, {writes} writes", log.len());
    for fault in request_faults(&log) {
        assert_eq!(backup_on(stage, base, fault, StoreFault::None, &options).await, expected, "{fault:?} of {log:#?}");
    }
    for fault in store_faults(writes) {
        assert_eq!(backup_on(stage, base, Fault::None, fault, &options).await, expected, "{fault:?} of {writes}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_backup_may_fail_anywhere() {
    let (stage, _) = org().await;
    let base = InMemory::new();
    stage.vault_on(Arc::new(base.fork())).await.unwrap();
    sweep_backup(&stage, &base, true, Reconcile::Never).await;
}

#[tokio::test(start_paused = true)]
async fn an_incremental_backup_may_fail_anywhere() {
    let (stage, ids) = org().await;
    stage.backup().await;
    damage(&stage, &ids).await;
    sweep_backup(&stage, &stage.store.fork(), false, Reconcile::Never).await;
}

/// However often a budgeted backup is interrupted, what it leaves is counted, and the next one without a budget has everything.
#[tokio::test(start_paused = true)]
async fn a_backup_with_a_budget_for_files_may_fail_anywhere() {
    let (stage, ids) = org().await;
    for letter in ["QUFBQUFB", "QkJCQkJC", "Q0NDQ0ND"] {
        stage.create_one("Attachment", json!({"Name": letter, "ParentId": ids[2], "Body": letter})).await;
    }
    let budgeted = BackupOptions {
        holder: "sweep".into(),
        parallel_objects: 1,
        file_budget_bytes: Some(7),
        ..BackupOptions::default()
    };
    let unlimited = BackupOptions { file_budget_bytes: None, ..budgeted.clone() };
    let base = InMemory::new();
    stage.vault_on(Arc::new(base.fork())).await.unwrap();
    let files = async |store: &Arc<FaultyStore>| {
        let vault = stage.vault_on(store.clone()).await.unwrap();
        let manifest = vault.manifests().await.unwrap().pop().unwrap();
        let note =
            |object: &str, number: &str| manifest.content["objects"][object]["note"][number].as_u64().unwrap_or(0);
        let of = |number: &str| note("Attachment", number) + note("ContentVersion", number);
        (of("files"), of("left"), manifest.content["state"].clone())
    };
    let one = async |request: Fault, fault: StoreFault| {
        let store = Arc::new(FaultyStore::new(base.fork(), fault));
        backup_into(&stage, &store, request, &budgeted).await;
        let (_, left, state) = files(&store).await;
        assert!(left < 5 && (state == "yellow") == (left > 0), "{request:?}, {fault:?}: {left} left, {state}");
        backup_into(&stage, &store, Fault::None, &unlimited).await;
        let (fetched, none, state) = files(&store).await;
        assert!(
            fetched <= left && none == 0 && state == "green",
            "{request:?}, {fault:?}: {fetched} of {left}, {state}"
        );
        content(&stage.vault_on(store.clone()).await.unwrap()).await
    };
    let expected = one(Fault::None, StoreFault::None).await;
    let counted = Arc::new(FaultyStore::new(base.fork(), StoreFault::None));
    stage.network.set(Fault::None);
    let (org, vault) = (stage.connect(0).await.unwrap(), stage.vault_on(counted.clone()).await.unwrap());
    orgkeep_engine::backup(&org, &vault, &budgeted, &stage.clock(), &stage.ears).await.unwrap();
    let (log, writes) = (stage.network.log(), counted.writes());
    let (fetched, left, _) = files(&counted).await;
    assert!(fetched > 0 && left > 1 && log.len() > 10, "{fetched} fetched, {left} left, {} requests", log.len());
    for fault in request_faults(&log) {
        assert_eq!(one(fault, StoreFault::None).await, expected, "{fault:?}");
    }
    for fault in store_faults(writes) {
        assert_eq!(one(Fault::None, fault).await, expected, "{fault:?}");
    }
}

/// What no stamp and no count tells: a record that was missed, one that is gone, and a formula that says something else.
#[tokio::test(start_paused = true)]
async fn a_reconciliation_may_fail_anywhere() {
    let (stage, ids) = org().await;
    stage.add_phone_of_account();
    {
        let org = stage.emulator.orgs()[0].clone();
        let mut late = org.begin_late_commit();
        late.insert("Account", vec![("Name".into(), Input::Text("late".into()))]).unwrap();
        late.commit_after(Duration::from_secs(2 * 3600));
    }
    stage.later(1);
    stage.backup().await;
    stage.later(2);
    stage.delete_for_good("Account", &ids[1..2]).await;
    stage.backup().await;
    stage.later(1);
    stage.update("Account", &ids[2], json!({"Phone": "2"})).await;
    sweep_backup(&stage, &stage.store.fork(), false, Reconcile::Now).await;
    let report = stage.reconcile().await;
    let of = |object: &str| report.objects.iter().find(|line| line.object == object).unwrap();
    assert_eq!((of("Account").added, of("Account").vanished, of("Contact").changed), (1, 1, 1));
}

/// What the whole story up to the damage left; the restore comes after.
struct Told {
    vault: InMemory,
    /// When the first backup was taken, and the second.
    backups: [DateTime<Utc>; 2],
}

async fn told() -> Told {
    let (stage, ids) = org().await;
    stage.backup().await;
    let first = stage.clock().now();
    damage(&stage, &ids).await;
    stage.backup().await;
    Told { vault: stage.store.fork(), backups: [first, stage.clock().now()] }
}

impl Told {
    /// The org as it was then. It is made alike down to its Ids, so that no backup needs to be taken again.
    async fn org(&self) -> Stage {
        let (stage, ids) = org().await;
        stage.until(self.backups[0]);
        damage(&stage, &ids).await;
        stage.until(self.backups[1]);
        stage
    }
}

async fn restore_on(stage: &Stage, store: Arc<FaultyStore>, request: Fault) -> u64 {
    stage.network.set(request);
    for attempt in 0.. {
        let restored = async {
            let org = stage.connect(0).await.map_err(orgkeep_engine::Error::from)?;
            let vault = stage.vault_on(store.clone()).await.map_err(orgkeep_engine::Error::from)?;
            let options = orgkeep_engine::PlanOptions {
                at: 1,
                selection: Selection::ChangesSince(1),
                related: false,
                skip_missing: false,
            };
            let plan = orgkeep_engine::plan(&vault, &org, &options, &stage.clock(), &stage.ears).await?;
            let writer = orgkeep_salesforce::Writer::new(org);
            orgkeep_engine::apply(&vault, &plan, writer, &stage.clock(), &stage.ears).await
        };
        match restored.await {
            Ok(report) => return report.failed,
            Err(error) => assert!(attempt < 3, "{request:?}, {attempt}: {error}"),
        }
        stage.network.set(Fault::None);
        store.heal();
    }
    unreachable!("the loop ends by returning")
}

#[tokio::test(start_paused = true)]
async fn a_restore_may_fail_anywhere() {
    let before = {
        let (stage, _) = org().await;
        seen(&stage).await
    };
    let told = told().await;
    let stage = told.org().await;
    let store = Arc::new(FaultyStore::new(told.vault.fork(), StoreFault::None));
    let failed = restore_on(&stage, store.clone(), Fault::None).await;
    let (log, writes) = (stage.network.log(), store.writes());
    assert_eq!(failed, 0);
    assert_eq!(seen(&stage).await, before, "without any fault");
    assert!(log.len() > 20 && writes > 8, "{} requests, {writes} writes", log.len());
    let requests = request_faults(&log).into_iter().map(|fault| (fault, StoreFault::None));
    for (request, fault) in requests.chain(store_faults(writes).map(|fault| (Fault::None, fault))) {
        let stage = told.org().await;
        restore_on(&stage, Arc::new(FaultyStore::new(told.vault.fork(), fault)), request).await;
        assert_eq!(seen(&stage).await, before, "{request:?}, {fault:?} of {writes} writes and {log:#?}");
    }
}
