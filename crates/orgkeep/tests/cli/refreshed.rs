// SPDX-License-Identifier: Apache-2.0
//! A sandbox that was refreshed: its history is offered to be linked, and is never mixed with what the org is now.

use crate::world::{Served, World};
use orgkeep_emulator::Settings;

/// The same sandbox, after so many refreshes.
fn sandbox(refreshes: usize) -> Served {
    Served::with(Settings { sandbox: true, records: 300, refreshes, ..Settings::default() })
}

/// A record that only this org has.
fn made(served: &Served, name: &str) -> String {
    let body = format!(r#"{{"LastName":"{name}"}}"#);
    let made = served.api("POST", "/services/data/v67.0/sobjects/Contact", &body);
    made["id"].as_str().expect("an Id").to_owned()
}

/// The command line that signs in to a sandbox.
fn login(world: &World, served: &Served) -> String {
    let credentials = served.credentials();
    world.write("uat.secret", &credentials.client_secret);
    format!("--url {} --client-id {} --client-secret-file uat.secret", served.url, credentials.client_id)
}

#[test]
fn a_refreshed_sandbox_goes_on_under_its_name_and_keeps_the_backups_from_before() {
    let (before, after) = (sandbox(0), sandbox(1));
    let (old, new) = (made(&before, "Then"), made(&after, "Now"));
    let world = World::new();
    world.orgkeep("init vault --passphrase-file passphrase").ok();
    world.orgkeep(&format!("connect uat --vault vault --passphrase-file passphrase {}", login(&world, &before))).ok();
    world.orgkeep("backup uat").ok();
    let known = world.orgkeep(&format!("connect uat --refreshed {}", login(&world, &before))).fails(1);
    assert!(known.stderr.contains("uat was not refreshed"), "{}", known.stderr);

    // Nobody links by accident.
    let offered = world.orgkeep(&format!("connect uat {}", login(&world, &after))).fails(1);
    assert!(offered.stderr.contains("orgkeep connect uat --refreshed"), "{}", offered.stderr);
    let elsewhere = format!("connect uat --refreshed --vault other {}", login(&world, &after));
    let elsewhere = world.orgkeep(&elsewhere).fails(10);
    assert!(elsewhere.stderr.contains("no such folder"), "{}", elsewhere.stderr);

    let linked = world.orgkeep(&format!("connect uat --refreshed {} --json", login(&world, &after))).ok().result();
    assert_eq!(linked["former"]["org"], before.org().id.as_str());
    let former = linked["former"]["connector"].as_str().unwrap().to_owned();
    assert!(former.starts_with("uat-until-20"), "{former}");
    world.orgkeep("backup uat").ok();

    // The numbers of backups are each org's own, and each points to the other.
    let backups = world.orgkeep("backups uat --json").ok().result();
    assert_eq!(backups["backups"].as_array().unwrap().len(), 1);
    assert_eq!(backups["formers"][0]["connector"], former.as_str());
    assert!(world.orgkeep("backups uat").ok().stderr.contains(&format!("orgkeep backups {former}")));
    assert_eq!(world.orgkeep(&format!("backups {former} --json")).ok().result()["formers"], serde_json::json!([]));

    // What only the org of before had is still found, named as such.
    let history = world.orgkeep(&format!("show uat Contact {old} --history --json")).ok().result();
    assert_eq!(history["versions"], serde_json::json!([]));
    assert_eq!(history["before"][0]["versions"][0]["backup"], 1);
    let text = world.orgkeep(&format!("show uat Contact {old} --history")).ok().stdout;
    assert!(text.contains(&format!("In {former}, before the sandbox was refreshed")), "{text}");
    let history = world.orgkeep(&format!("show uat Contact {new} --history --json")).ok().result();
    assert_eq!(history["before"], serde_json::json!([]));
    world.orgkeep("show uat Contact 003000000000000AAA --history").fails(10);
    world.orgkeep(&format!("show uat Contact {old}")).fails(10);

    // A record of then is put into the org of now; the one of before has no login to be written to.
    let restore = format!("restore {former} --at 1 --object Contact --id {old} --to uat --yes --json");
    assert_eq!(world.orgkeep(&restore).ok().result()["created"], 1);
    let refused = world.orgkeep(&format!("backup {former}")).fails(12);
    assert!(refused.stderr.contains("has no login"), "{}", refused.stderr);

    // An erasure says that there are backups which it has not reached.
    let erased = world.orgkeep(&format!("erase {former} --object Contact --id {old} --yes")).ok();
    assert!(!erased.stderr.contains("before its refresh as well"), "{}", erased.stderr);

    // Another machine, which has only the vault, sees the link.
    std::fs::remove_file(world.path("config.toml")).unwrap();
    let attached = world.orgkeep("attach vault --passphrase-file passphrase --json").ok().result();
    let formers: Vec<&serde_json::Value> = attached["attached"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["former"])
        .filter(|one| !one.is_null())
        .collect();
    assert_eq!(formers, [&serde_json::json!(before.org().id)]);
    world.orgkeep(&format!("check {} --read-data", attached["attached"][0]["connector"].as_str().unwrap())).ok();
}

#[test]
fn the_login_of_before_is_used_again_where_the_new_org_takes_it() {
    let (before, after) = (sandbox(0), sandbox(1));
    let world = World::new();
    world.orgkeep("init vault --passphrase-file passphrase").ok();
    world.orgkeep(&format!("connect uat --vault vault --passphrase-file passphrase {}", login(&world, &before))).ok();
    world.orgkeep("backup uat").ok();
    // The same host and credentials now lead to another org.
    let config = std::fs::read_to_string(world.path("config.toml")).unwrap();
    let (old, new) = (before.credentials(), after.credentials());
    world.write("config.toml", &config.replace(&before.url, &after.url).replace(&old.client_id, &new.client_id));
    world.write("uat.secret", &new.client_secret);
    let refused = world.orgkeep("backup uat").fails(1);
    assert!(refused.stderr.contains("orgkeep connect uat --refreshed"), "{}", refused.stderr);
    world.orgkeep("connect uat --refreshed").ok();
    world.orgkeep("backup uat").ok();
}

#[test]
fn a_production_org_is_not_taken_for_a_refreshed_sandbox() {
    let served = Served::with(Settings { orgs: 2, records: 30, ..Settings::default() });
    let world = World::new();
    world.connected(&served);
    world.orgkeep("backup acme").ok();
    let credentials = served.emulator.credentials(1);
    world.write("other.secret", &credentials.client_secret);
    let line = format!(
        "connect acme --refreshed --url {} --client-id {} --client-secret-file other.secret",
        served.url, credentials.client_id
    );
    let refused = world.orgkeep(&line).fails(1);
    assert!(refused.stderr.contains("is no sandbox"), "{}", refused.stderr);
    world.orgkeep("backup acme").ok();
}
