// SPDX-License-Identifier: Apache-2.0
//! Help texts are a contract in review.

use crate::world::World;

/// Every command; a program may have been built without `sql`.
fn commands() -> impl Iterator<Item = &'static str> {
    let commands = [
        "demo", "emulator", "init", "connect", "estimate", "backup", "backups", "coverage", "ls", "show", "compare",
        "export", "sql", "restore", "check", "attest", "compact", "erase", "expire", "hold", "copy", "attach", "keys",
    ];
    commands.into_iter().filter(|command| cfg!(feature = "sql") || *command != "sql")
}

#[test]
fn help_of_every_command() {
    let world = World::new();
    let help = world.orgkeep("--help").ok().stdout;
    if cfg!(feature = "sql") {
        insta::assert_snapshot!("help", help);
    }
    for command in commands() {
        let help = world.orgkeep(&format!("{command} --help")).ok().stdout;
        insta::assert_snapshot!(format!("help-{command}"), help);
    }
}

#[test]
fn every_command_takes_config_and_json() {
    let world = World::new();
    for command in commands() {
        let help = world.orgkeep(&format!("{command} --help")).ok().stdout;
        assert!(help.contains("--config <FILE>") && help.contains("--json"), "{help}");
    }
}

#[test]
fn no_secret_is_an_argument() {
    let world = World::new();
    for command in ["init", "connect", "backup", "restore"] {
        let help = world.orgkeep(&format!("{command} --help")).ok().stdout;
        for option in ["--passphrase ", "--password", "--access-token ", "--client-secret ", "--token "] {
            assert!(!help.contains(option), "{command} takes {option}");
        }
    }
}

#[test]
fn arguments_that_make_no_sense_end_with_two_and_a_result() {
    let world = World::new();
    for line in [
        "frobnicate --json",
        "ls acme Account --where x --limit many --json",
        "restore acme --json",
        "compare acme --from 1 --to now --json",
    ] {
        let ran = world.orgkeep(line).fails(2);
        let result = ran.result();
        assert_eq!(result["ok"], false);
        assert_eq!(result["exit_code"], 2);
        assert_eq!(result["kind"], "usage");
        assert!(!result["message"].as_str().unwrap().is_empty());
    }
    assert!(world.orgkeep("restore acme").fails(2).stderr.contains("--at <N>"));
    assert_eq!(world.orgkeep("--version").ok().stdout, format!("orgkeep {}\n", env!("CARGO_PKG_VERSION")));
}
