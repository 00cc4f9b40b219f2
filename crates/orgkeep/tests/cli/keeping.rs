// SPDX-License-Identifier: Apache-2.0
//! What a vault keeps, from the command line: merging, expiring, holding, erasing.

use crate::world::{Served, World};

#[test]
fn backups_expire_and_come_back_and_records_are_erased() {
    let (world, served) = (World::new(), Served::new(200));
    world.connected(&served);
    for _ in 0..3 {
        world.orgkeep("backup acme").ok();
    }
    let merged = world.orgkeep("compact acme --json").ok().result();
    assert_eq!(merged["tables"], 0, "{merged}");
    assert!(world.orgkeep("hold acme").ok().stdout.contains("Nothing is on hold"));

    // Nothing expires without a policy; the policy is tried, then kept.
    assert!(world.orgkeep("expire acme").ok().stdout.contains("no policy"));
    let planned = world.orgkeep("expire acme --keep-last 1 --dry-run --json").ok().result();
    assert_eq!((&planned["expiring"], &planned["kept"]), (&serde_json::json!([1, 2]), &serde_json::json!([3])));
    world.orgkeep("hold acme --backup 1 --reason lawsuit").ok();
    world.orgkeep("hold acme --backup 9").fails(10);
    world.orgkeep("expire acme --keep-within soon --save").fails(1);
    let done = world.orgkeep("expire acme --keep-last 1 --save --json").ok().result();
    assert_eq!((&done["expiring"], &done["held"]), (&serde_json::json!([2]), &serde_json::json!([1])));
    let listed = world.orgkeep("backups acme --json").ok().result();
    let there: Vec<u64> =
        listed["backups"].as_array().unwrap().iter().map(|line| line["sequence"].as_u64().unwrap()).collect();
    assert_eq!(there, [1, 3]);
    assert!(world.orgkeep("ls acme Account --at 2").fails(10).stderr.contains("--undo 2"));
    assert!(world.orgkeep("expire acme --undo 2").ok().stdout.contains("Back again: 2"));
    world.orgkeep("ls acme Account --at 2").ok();
    world.orgkeep("hold acme --backup 1 --remove").ok();
    assert!(world.orgkeep("backup acme").ok().stderr.contains("no longer keeps 3 backups"));
    world.orgkeep("check acme").ok();

    // A record goes from all of them.
    let rows = world.orgkeep("ls acme Lead --limit 1 --json").ok().result();
    let id = rows["rows"][0][0].as_str().unwrap().to_owned();
    world.orgkeep(&format!("erase acme --object Lead --id {id}")).fails(1);
    let planned = world.orgkeep(&format!("erase acme --object Lead --id {id} --dry-run --json")).ok().result();
    assert_eq!((&planned["records"]["Lead"], planned["erasure"].is_null()), (&1.into(), true), "{planned}");
    world.orgkeep(&format!("hold acme --object Lead --id {id}")).ok();
    assert!(world.orgkeep(&format!("erase acme --object Lead --id {id} --yes")).fails(1).stderr.contains("on hold"));
    world.orgkeep(&format!("hold acme --object Lead --id {id} --remove")).ok();
    let erased = world.orgkeep(&format!("erase acme --object Lead --id {id} --yes --certificate c.json")).ok();
    assert!(erased.stdout.contains("Erased from 4 backups"), "{erased:?}");
    let certificate: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(world.path("c.json")).unwrap()).unwrap();
    assert_eq!(certificate["erasure"], 1);
    assert_eq!(certificate["hash"].as_str().unwrap().len(), 64);
    world.orgkeep(&format!("show acme Lead {id}")).fails(10);
    // Whoever counts is told what is not there.
    let gone = "left out, because it was erased since: 1 record of Lead, erasure 1 of ";
    assert!(world.orgkeep("ls acme Lead --limit 1").ok().stderr.contains(gone));
    for query in ["SELECT COUNT(*) FROM Lead", "SELECT Id FROM Lead_history AS OF 1"] {
        assert!(world.run(&["sql", "acme", query]).ok().stderr.contains(gone), "{query}");
    }
    assert!(!world.run(&["sql", "acme", "SELECT COUNT(*) FROM Account"]).ok().stderr.contains("erased"));
    let listed = world.orgkeep("ls acme Lead --json").ok().result();
    assert_eq!((&listed["erased"][0]["records"], &listed["erased"][0]["erasure"]), (&1.into(), &1.into()), "{listed}");
    assert!(world.orgkeep("backup acme --full").ok().stderr.contains("Lead: erased here, still in the org"));
    world.orgkeep("check acme").ok();
}

#[test]
fn the_content_of_a_file_comes_out_as_it_went_in() {
    let served = Served::new(300);
    let world = World::new();
    world.connected(&served);
    let account = served.api("POST", "/services/data/v67.0/sobjects/Account", r#"{"Name":"With a file"}"#);
    let account = account["id"].as_str().expect("an Id");
    // "hello", and a file name that says nothing of where it is written to.
    let body = format!(r#"{{"ParentId":"{account}","Name":"../hello.txt","Body":"aGVsbG8="}}"#);
    let file = served.api("POST", "/services/data/v67.0/sobjects/Attachment", &body);
    let file = file["id"].as_str().expect("an Id").to_owned();
    world.orgkeep("backup acme").ok();
    served.api("DELETE", &format!("/services/data/v67.0/sobjects/Attachment/{file}"), "");
    world.orgkeep("backup acme").ok();
    let written = world.orgkeep(&format!("show acme Attachment {file} --at 1 --body out.txt --json")).ok().result();
    assert_eq!(written["bytes"], 5);
    assert_eq!(std::fs::read_to_string(world.path("out.txt")).expect("the file"), "hello");
    let none = world.orgkeep(&format!("show acme Account {account} --body none.txt")).fails(10);
    assert!(none.stderr.contains("holds no content of Account"), "{}", none.stderr);
    world.orgkeep(&format!("show acme Account {account} --body none.txt --image 0EM000000000001AAA")).fails(10);
    assert!(!world.path("none.txt").exists());
}
