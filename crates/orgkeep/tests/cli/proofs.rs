// SPDX-License-Identifier: Apache-2.0
//! What a vault can be held to: attestations, and what this machine has seen in it.

use crate::world::{Served, World, files_below};
use serde_json::Value;
use std::path::Path;

fn copy(from: &Path, to: &Path) {
    for file in files_below(from) {
        let target = to.join(file.strip_prefix(from).unwrap());
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::copy(&file, target).unwrap();
    }
}

#[test]
fn an_attestation_is_kept_outside_and_held_against_the_vault() {
    let (world, served) = (World::new(), Served::new(200));
    world.connected(&served);
    world.orgkeep("attest acme").fails(10);
    world.orgkeep("backup acme").ok();
    let printed = world.orgkeep("attest acme 1").ok().stdout;
    let written = world.orgkeep("attest acme --output one.json --json").ok().result();
    assert_eq!(written["statement"]["sequence"], 1);
    assert_eq!(printed, std::fs::read_to_string(world.path("one.json")).unwrap());
    world.orgkeep("attest acme --json").fails(1);
    world.orgkeep("attest").fails(2);

    // With the vault, and without it.
    let verified = world.orgkeep("attest acme --verify one.json --json").ok().result();
    assert_eq!(verified["in_chain"], true);
    assert!(verified["objects"].as_u64().unwrap() > 5, "{verified}");
    let shown = world.orgkeep("attest --verify one.json").ok().stdout;
    assert!(shown.contains("Signed by"), "{shown}");

    // A file in which a record was forgotten fits neither itself nor the vault.
    let mut other: Value = serde_json::from_str(&printed).unwrap();
    other["state"]["Account"]["live"] = 1.into();
    world.write("other.json", &other.to_string());
    world.orgkeep("attest --verify other.json").fails(15);
    world.orgkeep("attest acme --verify other.json").fails(15);
    world.orgkeep("attest --verify config.toml").fails(1);
    world.orgkeep("attest --verify nowhere.json").fails(10);
}

#[test]
fn a_vault_put_back_from_an_older_copy_is_noticed_before_a_backup_goes_on() {
    let (world, served) = (World::new(), Served::new(50));
    world.connected(&served);
    world.orgkeep("backup acme").ok();
    copy(&world.path("vault"), &world.path("older"));
    world.orgkeep("backup acme").ok();
    world.orgkeep("attest acme 2 --output two.json").ok();
    std::fs::rename(world.path("vault"), world.path("newer")).unwrap();
    std::fs::rename(world.path("older"), world.path("vault")).unwrap();
    let ran = world.orgkeep("backup acme").fails(15);
    assert!(ran.stderr.contains("does not contain backup 2") && ran.stderr.contains("--accept-older-vault"), "{ran:?}");
    assert_eq!(world.orgkeep("backups acme --json").ok().result()["backups"].as_array().unwrap().len(), 1);
    world.orgkeep("backup acme --accept-older-vault").ok();
    // From now on this is the chain; whoever holds an attestation of the other one can tell.
    world.orgkeep("backup acme").ok();
    let ran = world.orgkeep("attest acme --verify two.json").fails(15);
    assert!(ran.stdout.contains("does not contain this one"), "{ran:?}");
}
