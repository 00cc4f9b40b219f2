// SPDX-License-Identifier: Apache-2.0
//! Vaults and configuration, before any org is involved.

use crate::world::{World, ran};

#[test]
fn init_prints_the_recovery_key_once_and_stores_it_nowhere() {
    let world = World::new();
    let ran = world.orgkeep("init vault --passphrase-file passphrase").ok();
    let key = ran.stdout.lines().find(|line| line.starts_with("    ")).expect("a key").trim().to_owned();
    assert_eq!(key.split('-').count(), 8, "{key}");
    let shown = world.plain(&ran.stdout, None).replace(&key, "[KEY]");
    insta::assert_snapshot!("init", format!("{shown}--- stderr ---\n{}", world.plain(&ran.stderr, None)));
    for file in crate::world::files_below(&world.path("vault")) {
        let text = String::from_utf8_lossy(&std::fs::read(&file).unwrap()).into_owned();
        assert!(!text.contains(&key) && !text.contains(crate::world::PASSPHRASE), "{}", file.display());
    }
}

#[test]
fn a_place_that_is_not_empty_is_left_alone() {
    let world = World::new();
    std::fs::create_dir(world.path("full")).unwrap();
    world.write("full/letter.txt", "dear");
    let ran = world.orgkeep("init full --passphrase-file passphrase").fails(1);
    insta::assert_snapshot!("init-not-empty", world.plain(&ran.stderr, None));
    assert_eq!(std::fs::read_dir(world.path("full")).unwrap().count(), 1);
    world.orgkeep("init vault --unencrypted").ok();
    world.orgkeep("init vault --unencrypted").fails(1);
}

#[test]
fn a_passphrase_is_never_guessed() {
    let world = World::new();
    let ran = world.orgkeep("init vault").fails(1);
    insta::assert_snapshot!("init-no-passphrase", world.plain(&ran.stderr, None));
    assert!(!world.path("vault").exists());
    world.write("empty", "\n");
    world.orgkeep("init vault --passphrase-file empty").fails(1);
    world.orgkeep("init vault --passphrase-file none").fails(10);
    world.orgkeep("init vault --passphrase-file passphrase --unencrypted").fails(2);
}

#[test]
fn the_environment_may_hold_the_passphrase() {
    let world = World::new();
    let init = ran(world.command(&["init", "vault", "--json"]).env("ORGKEEP_PASSPHRASE", "from the environment")).ok();
    assert_eq!(init.result()["encrypted"], true);
    assert_eq!(init.result()["vault"].as_str().unwrap(), world.path("vault").display().to_string());
    assert!(!format!("{init:?}").contains("from the environment"));
}

#[test]
fn an_unknown_connector_is_not_found() {
    let world = World::new();
    let ran = world.orgkeep("backups acme").fails(10);
    insta::assert_snapshot!("unknown-connector", world.plain(&ran.stderr, None));
    let result = world.orgkeep("backups acme --json").fails(10).result();
    assert_eq!((result["kind"].as_str(), result["exit_code"].as_i64()), (Some("not_found"), Some(10)));
}

#[test]
fn a_faulty_configuration_is_named_with_its_line() {
    let world = World::new();
    world.write("config.toml", "[connectors.acme]\nvault = 3\n");
    let ran = world.orgkeep("backups acme").fails(1);
    insta::assert_snapshot!("faulty-config", world.plain(&ran.stderr, None));
}

#[test]
fn output_that_cannot_be_written_is_an_error_and_a_reader_that_left_is_none() {
    let world = World::new();
    world.orgkeep("init vault --passphrase-file passphrase").ok();
    if let Ok(full) = std::fs::OpenOptions::new().write(true).open("/dev/full") {
        let status = world.command(&["emulator", "--help"]).stdout(full).status().unwrap();
        assert_eq!(status.code(), Some(0), "help is printed by clap, and nobody can be told");
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let status = world.command(&["init", "other", "--unencrypted"]).stdout(full).status().unwrap();
        assert_eq!(status.code(), Some(1));
    }
    let mut child = world
        .command(&["init", "third", "--unencrypted"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
