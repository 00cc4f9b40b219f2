// SPDX-License-Identifier: Apache-2.0
//! The process is killed in the middle; the next run continues, and the result is the one of a run that nobody killed.

use crate::world::{Ran, Served, World};
use orgkeep_emulator::record::empty_from_recycle_bin;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

/// Starts a command with `--json` and ends it by `signal` as soon as an event of this kind was seen `times` times.
/// Returns its exit code; `None` for a death by signal. Fails where the command was done before.
fn stopped_at(world: &World, line: &str, kind: &str, times: usize, signal: &str) -> Option<i32> {
    let arguments: Vec<&str> = line.split(' ').chain(["--json"]).collect();
    let mut child = world.command(&arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("a process");
    let mut seen = 0;
    let stdout = child.stdout.take().expect("a pipe");
    let mut last = Value::Null;
    let mut signalled = false;
    for event in BufReader::new(stdout).lines().map_while(Result::ok) {
        last = serde_json::from_str(&event).expect("JSON Lines");
        if last["type"] == kind {
            seen += 1;
            if seen == times {
                let id = child.id().to_string();
                assert!(std::process::Command::new("kill").args([signal, &id]).status().expect("kill").success());
                signalled = true;
            }
        }
    }
    assert!(signalled, "{kind} was seen {seen} times, the last line is {last}");
    assert_ne!(last["exit_code"], 0, "it was done before it was stopped: {last}");
    child.wait().expect("an end").code()
}

/// How many rows of each object the first backup holds, and those of a few objects of every kind as CSV.
fn content(world: &World, name: &str) -> (Vec<(String, u64)>, Vec<String>) {
    let objects = world.orgkeep(&format!("ls {name} --json")).ok().result();
    let lines = objects["objects"].as_array().expect("objects");
    let held = |line: &Value| {
        (line["object"].as_str().unwrap_or_default().to_owned(), line["rows_held"].as_u64().unwrap_or(0))
    };
    let export = |object: &&str| world.orgkeep(&format!("export {name} {object} --at 1 --format csv")).ok().stdout;
    let exported =
        ["Account", "Contact", "Task", "ContentVersion", "Attachment", "Invoice__c", "User"].iter().map(export);
    (lines.iter().map(held).collect(), exported.collect())
}

#[test]
fn a_backup_that_was_killed_is_continued_and_equals_one_that_was_not() {
    let served = Served::new(400);
    let world = World::new();
    world.connected(&served);
    for (times, signal) in [(1, "-KILL"), (4, "-KILL"), (8, "-KILL")] {
        assert_eq!(stopped_at(&world, "backup acme", "object_finished", times, signal), None);
        assert!(
            world.orgkeep("backups acme --json").ok().result()["backups"].as_array().unwrap().is_empty(),
            "nothing half-written is seen"
        );
    }
    let continued = world.orgkeep("backup acme --json").ok();
    assert_eq!(continued.events("backup_started")[0]["continued"], true);
    assert_eq!(continued.result()["sequence"], 1);
    world.orgkeep("check acme --read-data").ok();

    let other = World::new();
    other.connected(&served);
    other.orgkeep("backup acme").ok();
    assert_eq!(content(&world, "acme"), content(&other, "acme"));
}

#[test]
fn ctrl_c_ends_a_backup_with_130_and_says_that_it_continues() {
    let served = Served::new(400);
    let world = World::new();
    world.connected(&served);
    assert_eq!(stopped_at(&world, "backup acme", "object_finished", 3, "-INT"), Some(130));
    assert_eq!(world.orgkeep("backup acme --json").ok().events("backup_started")[0]["continued"], true);
}

#[test]
fn a_restore_that_was_killed_is_continued_and_writes_nothing_twice() {
    let served = Served::new(600);
    let world = World::new();
    world.connected(&served);
    world.orgkeep("backup acme").ok();
    let before = counts(&served);
    // Accounts with all that hangs on them, and contacts past the recycle bin, so that a restore has many steps.
    for id in served.ids("SELECT Id FROM Account ORDER BY Id LIMIT 12") {
        served.api("DELETE", &format!("/services/data/v67.0/sobjects/Account/{id}"), "");
    }
    for id in served.ids("SELECT Id FROM Contact ORDER BY Id LIMIT 24") {
        let refused = served.api("DELETE", &format!("/services/data/v67.0/sobjects/Contact/{id}"), "").is_array();
        if !refused {
            let caller = served.org().caller(&served.credentials().user_id);
            served.org().write(|tx| empty_from_recycle_bin(tx, &caller, &id)).expect("emptied");
        }
    }
    world.orgkeep("backup acme").ok();
    assert_ne!(counts(&served), before);

    world.orgkeep("restore acme --at 1 --changes-since 1 --dry-run --plan plan.json").ok();
    let restore = "restore acme --plan plan.json --yes";
    stopped_at(&world, restore, "step_started", 1, "-KILL");
    stopped_at(&world, restore, "step_finished", 2, "-KILL");
    assert_eq!(stopped_at(&world, restore, "step_started", 1, "-INT"), Some(130));
    let done: Ran = world.orgkeep(&format!("{restore} --json")).ok();
    assert_eq!(done.events("restore_started")[0]["continued"], true);

    assert_eq!(counts(&served), before, "nothing is missing and nothing is there twice");
    let live = world.orgkeep("compare acme --from 1 --to live --json").ok().result();
    for object in live["objects"].as_array().unwrap() {
        let differs = ["added", "removed", "changed"].iter().any(|kind| object[kind].as_u64() > Some(0));
        assert!(!differs || object["writable"] == false, "{object}");
    }
}

/// Live records per object that people write, as the emulator's tables have them.
fn counts(served: &Served) -> Vec<(String, i64)> {
    served.org().read(|tx| {
        let written = tx.schema.objects().filter(|object| object.createable && object.field("IsDeleted").is_some());
        written
            .map(|object| {
                let sql = format!("SELECT COUNT(*) FROM \"{}\" WHERE \"IsDeleted\" = 0", object.name);
                (object.name.clone(), tx.conn.query_row(&sql, [], |row| row.get(0)).unwrap_or(0))
            })
            .collect()
    })
}
