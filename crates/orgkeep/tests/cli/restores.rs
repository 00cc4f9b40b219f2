// SPDX-License-Identifier: Apache-2.0
//! What can be selected for a restore, and where it can go.

use crate::world::{Served, World};
use orgkeep_emulator::Settings;
use serde_json::Value;

fn set(served: &Served, object: &str, id: &str, body: &str) {
    served.api("PATCH", &format!("/services/data/v67.0/sobjects/{object}/{id}"), body);
}

fn site(served: &Served, id: &str) -> Value {
    served.api("GET", &format!("/services/data/v67.0/sobjects/Account/{id}?fields=Site"), "")["Site"].clone()
}

#[test]
fn records_by_id_by_condition_and_by_what_changed() {
    let served = Served::new(300);
    let world = World::new();
    world.connected(&served);
    let ids = served.ids("SELECT Id FROM Account ORDER BY Id LIMIT 4");
    for id in &ids {
        set(&served, "Account", id, r#"{"Site":"right"}"#);
    }
    world.orgkeep("backup acme").ok();
    for id in &ids {
        set(&served, "Account", id, r#"{"Site":"wrong"}"#);
    }
    let sites = || ids.iter().map(|id| site(&served, id).as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>();

    // Two Ids, one of 15 characters.
    let (first, second) = (&ids[0], &ids[1][..15]);
    world.run(&["restore", "acme", "--at", "1", "--object", "Account", "--id", first, second, "--yes"]).ok();
    assert_eq!(sites(), ["right", "right", "wrong", "wrong"]);
    // A condition over the backup.
    let condition = format!("Site = 'right' AND Id = '{}'", ids[2]);
    world.run(&["restore", "acme", "--at", "1", "--object", "account", "--where", &condition, "--yes"]).ok();
    assert_eq!(sites(), ["right", "right", "right", "wrong"]);
    // A dry run writes nothing.
    let dry = world.orgkeep("restore acme --at 1 --changes-since 0 --dry-run --json").ok();
    assert_eq!(dry.result()["applied"], false);
    assert_eq!(dry.events("plan")[0]["plan"]["records"], 1);
    assert_eq!(sites()[3], "wrong");
    world.orgkeep("backup acme").ok();
    world.orgkeep("restore acme --at 1 --changes-since 1 --yes").ok();
    assert_eq!(sites(), ["right", "right", "right", "right"]);
}

#[test]
fn an_account_with_all_that_hangs_on_it_comes_back() {
    let served = Served::new(300);
    let world = World::new();
    world.connected(&served);
    world.orgkeep("backup acme").ok();
    let path = |id: &str| format!("/services/data/v67.0/sobjects/Account/{id}");
    let mut accounts = served.ids("SELECT Id FROM Account WHERE Id IN (SELECT AccountId FROM Contact)").into_iter();
    let contacts = |id: &str| served.ids(&format!("SELECT Id FROM Contact WHERE AccountId = '{id}'"));
    let (id, before) = accounts
        .find_map(|id| {
            let before = contacts(&id);
            served.api("DELETE", &path(&id), "").is_null().then_some((id, before))
        })
        .expect("an account that can be deleted");
    assert!(contacts(&id).is_empty());
    let result =
        world.orgkeep(&format!("restore acme --at 1 --object Account --id {id} --related --yes --json")).ok().result();
    assert!(result["undeleted"].as_u64() > Some(before.len() as u64), "{result}");
    assert_eq!(contacts(&id), before, "out of the recycle bin with the Ids they had");
}

#[test]
fn into_another_org() {
    let served = Served::with(Settings { orgs: 2, records: 300, ..Settings::default() });
    let world = World::new();
    world.connected(&served);
    world.connect("uat", &served, 1).ok();
    let made = served.api("POST", "/services/data/v67.0/sobjects/Account", r#"{"Name":"Only in production"}"#);
    let id = made["id"].as_str().expect("an Id").to_owned();
    world.orgkeep("backup acme").ok();
    let line = format!("restore acme --at 1 --object Account --id {id} --to uat");
    let shown = world.orgkeep(&format!("{line} --dry-run")).ok().stdout;
    assert!(shown.contains("another org: ") && shown.contains("create"), "{shown}");
    let result = world.orgkeep(&format!("{line} --yes --json")).ok().result();
    assert_eq!(result["created"], 1, "{result}");
    let copies = |org: usize| {
        served.emulator.orgs()[org].read(|tx| {
            let sql = "SELECT COUNT(*) FROM \"Account\" WHERE \"Name\" = 'Only in production' AND \"IsDeleted\" = 0";
            tx.conn.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap()
        })
    };
    assert_eq!((copies(0), copies(1)), (1, 1));
    // Again: it is known to be there.
    world.orgkeep(&format!("{line} --yes")).ok();
    assert_eq!(copies(1), 1);
}

#[test]
fn what_the_org_refuses_is_reported_and_ends_with_three() {
    // Both worlds come from like seeds, so that an external id is taken in the other org.
    let served = Served::with(Settings { orgs: 2, records: 300, ..Settings::default() });
    let world = World::new();
    world.connected(&served);
    world.connect("uat", &served, 1).ok();
    world.orgkeep("backup acme").ok();
    let id = served.ids("SELECT Id FROM Account ORDER BY Id LIMIT 1").remove(0);
    let line = format!("restore acme --at 1 --object Account --id {id} --to uat --yes");
    let ran = world.orgkeep(&line).fails(3);
    assert!(ran.stdout.contains("DUPLICATE_VALUE"), "{}", ran.stdout);
    assert!(ran.stderr.contains("warning: 1 record could not be written"), "{}", ran.stderr);
    let result = world.orgkeep(&format!("{line} --json")).fails(3).result();
    assert_eq!((result["kind"].as_str(), result["ok"].as_bool()), (Some("partial"), Some(false)));
}

#[test]
fn a_field_that_the_target_lacks_stops_before_anything_is_written() {
    let served = Served::with(Settings { orgs: 2, records: 300, ..Settings::default() });
    let world = World::new();
    world.connected(&served);
    world.connect("uat", &served, 1).ok();
    let body = r#"{"Name":"Only in production","Site":"North"}"#;
    let made = served.api("POST", "/services/data/v67.0/sobjects/Account", body);
    let id = made["id"].as_str().expect("an Id").to_owned();
    world.orgkeep("backup acme").ok();
    assert!(served.emulator.orgs()[1].drop_field("Account", "Site"));
    let line = format!("restore acme --at 1 --object Account --id {id} --to uat --yes");
    let ran = world.orgkeep(&line).fails(1);
    assert!(ran.stdout.contains("field Account.Site"), "{}", ran.stdout);
    insta::assert_snapshot!("missing-field", world.plain(&ran.stderr, Some(&served)));
    world.orgkeep(&format!("{line} --skip-missing")).ok();
}
