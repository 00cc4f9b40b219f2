// SPDX-License-Identifier: Apache-2.0
//! What a vault can be held to: attestations, and what this machine has seen in it.

use crate::world::{Served, World, files_below};
use serde_json::Value;
use std::path::Path;

fn copy(from: &Path, to: &Path) {
    for file in files_below(from) {
        let target = to.join(file.strip_prefix(from).expect("a file of the folder"));
        std::fs::create_dir_all(target.parent().expect("a file is in a folder")).expect("a folder can be made");
        std::fs::copy(&file, target).expect("a file can be copied");
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

#[test]
fn a_copy_is_attached_on_another_machine_and_restored_from() {
    let (world, served) = (World::new(), Served::new(200));
    world.connected(&served);
    world.orgkeep("backup acme").ok();
    let copied = world.orgkeep("copy vault copy --json").ok().result();
    assert_eq!(copied["backups"], 1);
    assert!(copied["files"].as_u64().unwrap() > 50, "{copied}");
    world.orgkeep("backup acme").ok();
    let again = world.orgkeep("copy vault copy --mirror --json").ok().result();
    assert_eq!(again["backups"], 2);
    assert!(again["present"].as_u64().unwrap() > again["files"].as_u64().unwrap(), "only what is new: {again}");
    world.orgkeep("init other --unencrypted").ok();
    world.orgkeep("copy vault other").fails(1);
    world.orgkeep("copy vault vault").fails(1);
    world.orgkeep("copy nowhere copy").fails(10);

    // Another machine: no configuration, no vault but the copy.
    std::fs::remove_file(world.path("config.toml")).unwrap();
    std::fs::remove_dir_all(world.path("vault")).unwrap();
    let attached = world.orgkeep("attach copy --passphrase-file passphrase --json").ok().result();
    let name = attached["attached"][0]["connector"].as_str().unwrap().to_owned();
    assert_eq!((&attached["attached"][0]["newest"], &attached["attached"][0]["new"]), (&2.into(), &true.into()));
    world.orgkeep(&format!("check {name} --read-data")).ok();
    assert!(world.orgkeep(&format!("export {name} Account --at 2 --format csv")).ok().stdout.lines().count() > 5);
    let denied = world.orgkeep(&format!("backup {name}")).fails(12);
    assert!(denied.stderr.contains(&format!("orgkeep connect {name}")), "{denied:?}");
    let again = world.orgkeep("attach copy --passphrase-file passphrase --json").ok().result();
    assert_eq!(again["attached"][0]["new"], false);
    // With its login the history goes on, from the copy.
    world.write("acme.secret", &served.credentials().client_secret);
    world
        .orgkeep(&format!(
            "connect {name} --url {} --client-id {} --client-secret-file acme.secret",
            served.url,
            served.credentials().client_id
        ))
        .ok();
    assert_eq!(world.orgkeep(&format!("backup {name} --json")).ok().result()["sequence"], 3);
}

#[test]
fn shares_of_a_check_are_remembered_between_runs() {
    let (world, served) = (World::new(), Served::new(100));
    world.connected(&served);
    world.orgkeep("backup acme").ok();
    let mut never = u64::MAX;
    for _ in 0..4 {
        let result = world.orgkeep("check acme --read-data --share 25% --json").ok().result();
        let now = result["content"]["never_bytes"].as_u64().unwrap();
        assert!(now < never, "{result}");
        never = now;
    }
    assert_eq!(never, 0);
    let said = world.orgkeep("check acme --read-data --limit 1kB").ok().stdout;
    assert!(said.contains("all of it since"), "{said}");
    world.orgkeep("check acme --share 10%").fails(2);
    world.orgkeep("check acme --read-data --share 110%").fails(2);
}

#[test]
fn keys_are_added_changed_tested_and_exchanged() {
    let (world, served) = (World::new(), Served::new(50));
    let key = world.orgkeep("init vault --passphrase-file passphrase --json").ok().result()["recovery_key"].clone();
    world.write("recovery", key.as_str().unwrap());
    world.write("second", "another one");
    world.write("third", "a third one");
    world.connect("acme", &served, 0).ok();
    world.orgkeep("backup acme").ok();
    // A recovery key is proven before it is needed; a passphrase that is lost does no harm then.
    let tested = world.orgkeep("keys vault test --recovery-key-file recovery --json").ok().result();
    assert_eq!(tested["label"], "recovery");
    world.orgkeep("keys acme add --label night --new-passphrase-file second").ok();
    world.orgkeep("keys acme add --label night --new-passphrase-file third").fails(1);
    let listed = world.orgkeep("keys acme list --json").ok().result();
    let labels: Vec<&str> =
        listed["ways"].as_array().unwrap().iter().map(|way| way["label"].as_str().unwrap()).collect();
    assert_eq!(labels, ["passphrase", "recovery", "night"]);
    world.orgkeep("keys vault remove night --recovery-key-file recovery").ok();
    // A machine that backs up by itself has a key of its own in a file, which is never written over.
    world.orgkeep("keys acme add --recovery --label cron --into cron.key").ok();
    world.orgkeep("keys acme add --recovery --into cron.key").fails(1);
    assert_eq!(world.orgkeep("keys vault test --recovery-key-file cron.key --json").ok().result()["label"], "cron");
    world.orgkeep("keys vault test --passphrase-file second").fails(12);
    world.orgkeep("keys vault remove nothing --passphrase-file passphrase").fails(10);
    world.orgkeep("keys vault change-passphrase --passphrase-file passphrase --new-passphrase-file third").ok();
    world.orgkeep("backups acme").fails(12);
    world.write("passphrase", "a third one");
    world.orgkeep("backups acme").ok();
    // The content gets another key, now and with each backup; the vault's own goes when a secret has leaked.
    let rotated = world.orgkeep("keys acme rotate --json").ok().result();
    assert!(rotated["orgs"][0]["files"].as_u64().unwrap() > 50, "{rotated}");
    assert_eq!(rotated["orgs"][0]["remaining"], 0);
    world.orgkeep("backup acme").ok();
    let revoked = world.orgkeep("keys acme revoke --json").ok().result();
    world.write("newer", revoked["recovery_key"].as_str().unwrap());
    world.orgkeep("keys vault test --recovery-key-file recovery").fails(12);
    world.orgkeep("keys vault test --recovery-key-file newer").ok();
    world.orgkeep("backup acme").ok();
    world.orgkeep("check acme --read-data").ok();
    world.orgkeep("init plain --unencrypted").ok();
    world.orgkeep("keys plain list").fails(1);
}
