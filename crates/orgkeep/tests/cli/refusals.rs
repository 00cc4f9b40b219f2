// SPDX-License-Identifier: Apache-2.0
//! Bad input and bad days: each gets a message that names the thing and the next step, and its exit code.

use crate::world::{Served, World, ran};

/// A message as it is shown, for the snapshots.
fn said(world: &World, served: &Served, ran: &crate::world::Ran) -> String {
    assert_eq!(ran.stdout, "", "errors do not go to stdout");
    world.plain(&ran.stderr, Some(served))
}

#[test]
fn names_that_are_not_there_and_conditions_that_are_not_understood() {
    let served = Served::new(300);
    let world = World::new();
    world.connected(&served);
    world.orgkeep("backup acme").ok();
    let mut shown = String::new();
    for (code, arguments) in [
        (10, vec!["ls", "acme", "Acount"]),
        (10, vec!["ls", "acme", "Account", "--at", "7"]),
        (10, vec!["ls", "acme", "Account", "--where", "Nmae = 'x'"]),
        (1, vec!["ls", "acme", "Account", "--where", "Name ~ 'x'"]),
        (1, vec!["ls", "acme", "Account", "--where", "Name = 'x"]),
        (10, vec!["show", "acme", "Account", "001000000000zzzAAA"]),
        (1, vec!["show", "acme", "Account", "no Id"]),
        (10, vec!["compare", "acme", "--from", "1", "--to", "2"]),
        (10, vec!["export", "acme", "Nothing__c", "--at", "1", "--format", "csv"]),
        (1, vec!["export", "acme", "Account", "--at", "1", "--format", "csv", "--output", "no/such/folder/a.csv"]),
        (10, vec!["restore", "acme", "--at", "1", "--object", "Account", "--id", "001000000000zzzAAA", "--dry-run"]),
        (10, vec!["restore", "acme", "--at", "9", "--changes-since", "1", "--dry-run"]),
        (10, vec!["restore", "acme", "--plan", "none.json"]),
        (10, vec!["restore", "acme", "--at", "1", "--changes-since", "0", "--to", "uat"]),
    ] {
        let ran = world.run(&arguments).fails(code);
        shown.push_str(&format!("$ orgkeep {}\n{}\n", arguments.join(" "), said(&world, &served, &ran)));
    }
    insta::assert_snapshot!("refusals", shown);
    assert!(!world.path("no").exists());
}

#[test]
fn an_id_of_fifteen_characters_is_the_same_as_its_eighteen() {
    let served = Served::new(300);
    let world = World::new();
    world.connected(&served);
    world.orgkeep("backup acme").ok();
    let id = served.ids("SELECT Id FROM Account ORDER BY Id LIMIT 1").remove(0);
    let long = world.orgkeep(&format!("show acme Account {id}")).ok().stdout;
    let short = world.orgkeep(&format!("show acme Account {}", &id[..15])).ok().stdout;
    assert_eq!(long, short);
    assert!(long.contains(&id));
}

#[test]
fn a_wrong_passphrase_is_denied_and_the_recovery_key_opens() {
    let served = Served::new(300);
    let world = World::new();
    let init = world.orgkeep("init vault --passphrase-file passphrase --json").ok().result();
    world.connect("acme", &served, 0).ok();
    world.write("wrong", "not the passphrase");
    let ran = world.orgkeep("backups acme --passphrase-file wrong").fails(12);
    insta::assert_snapshot!("wrong-passphrase", said(&world, &served, &ran));
    world.write("recovery", init["recovery_key"].as_str().unwrap());
    world.orgkeep("backups acme --recovery-key-file recovery").ok();
    world.write("recovery", "AAAAA-BBBBB");
    world.orgkeep("backups acme --recovery-key-file recovery").fails(12);
}

#[test]
fn a_vault_of_a_newer_format_is_not_touched() {
    let served = Served::new(300);
    let world = World::new();
    world.connected(&served);
    let file = world.path("vault/vault.json");
    let newer = std::fs::read_to_string(&file).unwrap().replace("\"format\": 2", "\"format\": 99");
    std::fs::write(&file, &newer).unwrap();
    let ran = world.orgkeep("backup acme").fails(1);
    insta::assert_snapshot!("newer-format", said(&world, &served, &ran));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), newer);
    std::fs::remove_dir_all(world.path("vault")).unwrap();
    let ran = world.orgkeep("backup acme").fails(10);
    insta::assert_snapshot!("no-vault", said(&world, &served, &ran));
    assert!(!world.path("vault").exists(), "looking for a vault does not make a folder");
}

#[test]
fn a_session_that_ended_says_to_connect_again() {
    let served = Served::new(300);
    let world = World::new();
    world.orgkeep("init vault --passphrase-file passphrase").ok();
    world.write("token", &served.credentials().access_token);
    let connect = format!(
        "connect acme --vault vault --passphrase-file passphrase --url {} --access-token-file token",
        served.url
    );
    world.orgkeep(&connect).ok();
    world.orgkeep("backup acme").ok();
    served.org().expire_sessions();
    let ran = world.orgkeep("backup acme").fails(12);
    insta::assert_snapshot!("expired-session", said(&world, &served, &ran));
    // By client credentials a new session is had at any time; connecting again under the name replaces the login.
    let again = world.connect("acme", &served, 0).ok();
    assert!(again.stdout.starts_with("Renewed the login of acme"), "{}", again.stdout);
    world.orgkeep("backup acme").ok();
}

#[test]
fn a_wrong_secret_is_denied_and_nothing_is_written_down() {
    let served = Served::new(300);
    let world = World::new();
    world.orgkeep("init vault --passphrase-file passphrase").ok();
    world.write("secret", "wrong");
    let ran = world
        .orgkeep(&format!(
            "connect acme --vault vault --passphrase-file passphrase --url {} --client-id {} --client-secret-file secret",
            served.url,
            served.credentials().client_id
        ))
        .fails(12);
    insta::assert_snapshot!("wrong-secret", said(&world, &served, &ran));
    assert!(!world.path("config.toml").exists());
}

#[test]
fn missing_permissions_are_named() {
    let served = Served::new(300);
    let world = World::new();
    world.orgkeep("init vault --passphrase-file passphrase").ok();
    let user = served.credentials().user_id;
    let set = |name: &str, given: bool| served.org().set_permission(&user, name, given);
    set("QueryAllFiles", false);
    let ran = world.connect("acme", &served, 0).ok();
    insta::assert_snapshot!("missing-query-all-files", world.plain(&ran.stderr, Some(&served)));
    set("QueryAllFiles", true);
    set("ApiEnabled", false);
    let ran = world.orgkeep("backup acme").fails(12);
    insta::assert_snapshot!("missing-api-enabled", said(&world, &served, &ran));
    assert_eq!(world.orgkeep("backup acme --json").fails(12).result()["kind"], "denied");
}

#[test]
fn an_allowance_that_is_used_up_is_not_overdrawn() {
    let served = Served::new(300);
    let world = World::new();
    world.connected(&served);
    served.org().set_daily_limit(1_000, 1_000);
    let ran = world.orgkeep("backup acme --no-wait").fails(13);
    insta::assert_snapshot!("allowance", said(&world, &served, &ran));
    served.org().set_daily_limit(0, 100_000);
    world.orgkeep("backup acme").ok();
}

#[test]
fn an_org_that_does_not_answer_is_unreachable() {
    let served = Served::new(300);
    let world = World::new();
    world.connected(&served);
    let address = served.url.clone();
    drop(served);
    let ran = world.orgkeep("backup acme").fails(14);
    let host = address.trim_start_matches("http://");
    assert!(
        ran.stderr.starts_with(&format!("error: {host} cannot be reached: ")) || ran.stderr.contains("127.0.0.1"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("\nhint: check the address and the network"), "{}", ran.stderr);
    // What is in the vault needs no org.
    world.orgkeep("backups acme").ok();
}

#[test]
fn two_backups_of_one_org_do_not_run_at_once() {
    let served = Served::new(300);
    let world = World::new();
    world.connected(&served);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let place = orgkeep_vault::Location::parse(world.path("vault").to_str().unwrap()).unwrap().open([]).unwrap();
    let unlock = orgkeep_vault::Unlock::Passphrase(crate::world::PASSPHRASE.into());
    let vault = runtime.block_on(orgkeep_vault::Vault::open(place, unlock)).unwrap();
    let org = runtime.block_on(vault.org(&served.org().id)).unwrap();
    let now = chrono::DateTime::parse_from_rfc3339("2026-11-22T08:00:00Z").unwrap().to_utc();
    let lock = runtime.block_on(org.lock("the night job on backup-1", now)).unwrap();
    let ran = world.orgkeep("backup acme").fails(11);
    insta::assert_snapshot!("busy", said(&world, &served, &ran));
    drop(lock);
    world.orgkeep("backup acme").ok();
}

#[test]
fn a_restore_asks_before_it_writes() {
    let served = Served::new(300);
    let world = World::new();
    world.connected(&served);
    world.orgkeep("backup acme").ok();
    let id = served.ids("SELECT Id FROM Account ORDER BY Id LIMIT 1").remove(0);
    served.api("PATCH", &format!("/services/data/v67.0/sobjects/Account/{id}"), r#"{"Site":"wrong"}"#);
    let before = served.org().usage_by_family();
    let ran = world.orgkeep(&format!("restore acme --at 1 --object Account --id {id}")).fails(1);
    insta::assert_snapshot!("not-confirmed", world.plain(&ran.stderr, Some(&served)));
    assert_eq!(before.get("composite_write"), served.org().usage_by_family().get("composite_write"));
    let site = format!("SELECT Id FROM Account WHERE Site = 'wrong' AND Id = '{id}'");
    assert_eq!(served.ids(&site).len(), 1, "nothing was written");
    let result = world.orgkeep(&format!("restore acme --at 1 --object Account --id {id} --json")).fails(1).result();
    assert_eq!(result["kind"], "invalid");
    world.orgkeep(&format!("restore acme --at 1 --object Account --id {id} --yes")).ok();
    assert!(served.ids(&site).is_empty());
}

#[test]
fn an_org_that_moved_since_the_plan_is_busy() {
    let served = Served::new(300);
    let world = World::new();
    world.connected(&served);
    world.orgkeep("backup acme").ok();
    let id = served.ids("SELECT Id FROM Account ORDER BY Id LIMIT 1").remove(0);
    let path = format!("/services/data/v67.0/sobjects/Account/{id}");
    served.api("PATCH", &path, r#"{"Site":"wrong"}"#);
    world.orgkeep(&format!("restore acme --at 1 --object Account --id {id} --dry-run --plan plan.json")).ok();
    served.emulator.clock().advance(std::time::Duration::from_secs(5));
    served.api("PATCH", &path, r#"{"Site":"right, by a colleague"}"#);
    let ran = world.orgkeep("restore acme --plan plan.json --yes").fails(11);
    assert!(ran.stderr.contains("hint: "), "{}", ran.stderr);
    assert_eq!(
        served.ids(&format!("SELECT Id FROM Account WHERE Site = 'right, by a colleague' AND Id = '{id}'")).len(),
        1
    );
}

#[test]
fn a_plan_is_only_for_the_orgs_it_was_made_for() {
    let served = Served::with(orgkeep_emulator::Settings { orgs: 2, records: 300, ..Default::default() });
    let world = World::new();
    world.connected(&served);
    world.connect("uat", &served, 1).ok();
    world.orgkeep("backup acme").ok();
    world.orgkeep("restore acme --at 1 --object Account --where Name!=null --dry-run --plan plan.json").ok();
    world.orgkeep("restore acme --plan plan.json --to uat --yes").fails(1);
    world.orgkeep("restore acme --plan plan.json --at 2 --changes-since 0 --yes").fails(1);
    world.write("plan.json", "{\"format\": 99}");
    world.orgkeep("restore acme --plan plan.json --yes").fails(1);
    // Another org under a name that is taken would mix two histories.
    world.connect("acme", &served, 1).fails(1);
}

#[test]
fn damage_is_named_and_the_rest_stays_readable() {
    let served = Served::new(300);
    let world = World::new();
    world.connected(&served);
    world.orgkeep("backup acme").ok();
    world.orgkeep("check acme --read-data").ok();
    let accounts = world.path("vault/orgs").join(&served.org().id).join("objects/Account");
    let file = crate::world::files_below(&accounts)
        .into_iter()
        .find(|path| path.extension().is_some_and(|kind| kind == "parquet"));
    let file = file.expect("a data file of Account");
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).unwrap();

    let ran = world.orgkeep("check acme --read-data").fails(15);
    let name = file.file_name().unwrap().to_str().unwrap();
    assert!(ran.stdout.contains(name) && ran.stdout.contains("Account"), "{}", ran.stdout);
    let damage = &world.orgkeep("check acme --read-data --json").fails(15).events("damage")[0]["damage"];
    assert_eq!(damage[0]["object"], "Account");
    world.orgkeep("ls acme Contact").ok();
    world.orgkeep("export acme Account --at 1 --format csv --output a.csv").fails(15);
    assert!(!world.path("a.csv").exists(), "half an export has no name");

    // The next backup takes the file out and reads the object again; what the org still has is held again.
    let mended = world.orgkeep("backup acme");
    assert!([0, 3].contains(&mended.code), "{mended:?}");
    assert!(mended.stderr.contains("was taken out"), "{mended:?}");
    let checked = world.orgkeep("check acme --read-data --json").ok().result();
    assert_eq!((&checked["lost"][0]["object"], &checked["lost"][0]["mended"]), (&"Account".into(), &2.into()));
    let accounts = served.ids("SELECT Id FROM Account").len();
    let exported = world.orgkeep("export acme Account --at 2 --format csv").ok().stdout;
    assert_eq!(exported.matches("\n\"001").count(), accounts);
    assert!(!world.orgkeep("backup acme").stderr.contains("was taken out"), "once");
}

#[test]
fn storage_that_is_full_ends_in_an_error_and_a_later_backup_continues() {
    let served = Served::new(300);
    let world = World::new();
    world.connected(&served);
    // A folder that nobody may write into behaves like a full disk; but for root, who may always.
    let orgs = world.path("vault/orgs").join(&served.org().id);
    let backups = orgs.join("backups");
    std::fs::create_dir_all(&orgs).unwrap();
    std::fs::write(&backups, "in the way").unwrap();
    let failed = world.orgkeep("backup acme");
    assert_ne!(failed.code, 0, "{failed:?}");
    assert!(failed.stderr.contains("\nerror: "), "{failed:?}");
    std::fs::remove_file(&backups).unwrap();
    let again = world.orgkeep("backup acme --json").ok();
    assert_eq!(again.result()["sequence"], 1);
    let quiet = ran(world.command(&["backups", "acme"]).env("NO_COLOR", "1")).ok();
    assert!(!quiet.stdout.contains('\u{1b}'));
}
