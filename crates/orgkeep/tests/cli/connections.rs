// SPDX-License-Identifier: Apache-2.0
//! Every way to sign in, and where its secrets are afterwards.

use crate::world::{Served, World, ran};
use std::io::Write;
use std::process::Stdio;

fn with_vault(records: u64) -> (Served, World) {
    let world = World::new();
    world.orgkeep("init vault --passphrase-file passphrase").ok();
    (Served::new(records), world)
}

#[test]
fn by_jwt_with_a_private_key() {
    let (served, world) = with_vault(0);
    let credentials = served.credentials();
    world.write("key.pem", &credentials.jwt_private_key_pem);
    let connect = format!(
        "connect acme --vault vault --passphrase-file passphrase --url {} --client-id {} --jwt-key-file key.pem --username {} --json",
        served.url, credentials.client_id, credentials.username
    );
    let result = world.orgkeep(&connect).ok().result();
    assert_eq!(result["username"], credentials.username.as_str());
    assert_eq!(result["missing_permissions"], serde_json::json!([]));
    world.orgkeep("backup acme").ok();
    world.write("key.pem", "no key");
    world.orgkeep("backup acme").fails(1);
}

#[test]
fn by_a_refresh_token_that_the_org_rotates() {
    let (served, world) = with_vault(0);
    let credentials = served.credentials();
    world.write("refresh", &credentials.refresh_token);
    world.write("secret", &credentials.client_secret);
    let connect = format!(
        "connect acme --vault vault --passphrase-file passphrase --url {} --client-id {} --client-secret-file secret --refresh-token-file refresh",
        served.url, credentials.client_id
    );
    world.orgkeep(&connect).ok();
    let second = std::fs::read_to_string(world.path("refresh")).unwrap();
    assert_ne!(second.trim(), credentials.refresh_token, "the file holds the token that is good now");
    world.orgkeep("backup acme").ok();
    world.orgkeep("backup acme").ok();
    // The old token again: the org sees a stolen token and revokes everything that came of it.
    world.write("refresh", &credentials.refresh_token);
    let refused = world.orgkeep("backup acme").fails(12);
    assert!(refused.stderr.contains("hint: "), "{}", refused.stderr);
    world.write("refresh", &second);
    world.orgkeep("backup acme").fails(12);
}

#[test]
fn by_a_token_from_the_environment_which_is_read_each_time() {
    let (served, world) = with_vault(0);
    let line = format!("connect acme --vault vault --passphrase-file passphrase --url {}", served.url);
    let arguments: Vec<&str> = line.split(' ').collect();
    let token = served.credentials().access_token;
    ran(world.command(&arguments).env("ORGKEEP_ACCESS_TOKEN", &token)).ok();
    let config = std::fs::read_to_string(world.path("config.toml")).unwrap();
    assert!(config.contains("{ environment = \"ORGKEEP_ACCESS_TOKEN\" }") && !config.contains(&token), "{config}");
    let missing = world.orgkeep("backup acme").fails(1);
    assert!(missing.stderr.contains("ORGKEEP_ACCESS_TOKEN is not set"), "{}", missing.stderr);
    ran(world.command(&["backup", "acme"]).env("ORGKEEP_ACCESS_TOKEN", &token)).ok();
}

#[test]
fn by_a_secret_from_the_standard_input_which_is_kept_for_the_owner_only() {
    let (served, world) = with_vault(0);
    let credentials = served.credentials();
    let line = format!(
        "connect acme --vault vault --passphrase-file passphrase --url {} --client-id {} --client-secret-file -",
        served.url, credentials.client_id
    );
    let mut command = world.command(&line.split(' ').collect::<Vec<_>>());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(credentials.client_secret.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    assert!(!std::fs::read_to_string(world.path("config.toml")).unwrap().contains(&credentials.client_secret));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(world.path("secrets.toml")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    world.orgkeep("backup acme").ok();
}

#[test]
fn what_is_missing_or_unsafe_is_said_before_anything_is_sent() {
    let (served, world) = with_vault(0);
    world.write("token", "00D!x");
    for (code, line, words) in [
        (1, "connect acme --access-token-file token", "needs --vault"),
        (1, "connect acme --vault vault --access-token-file token", "needs --url"),
        (1, "connect acme --vault vault --url https://acme.my.salesforce.com", "no access token was given"),
        (2, "connect acme --vault vault --url http://acme.my.salesforce.com --access-token-file token", "https://"),
        (
            2,
            "connect acme --vault vault --url https://acme.lightning.force.com --access-token-file token",
            "acme.my.salesforce.com",
        ),
        (2, "connect ../acme --vault vault --url https://a.my.salesforce.com --access-token-file token", "letters"),
        (
            2,
            "connect acme --vault vault --url https://a.my.salesforce.com --client-id x --jwt-key-file token",
            "--username",
        ),
        (10, "connect acme --vault vault --url https://a.my.salesforce.com --access-token-file nothing", "nothing"),
    ] {
        let refused = world.orgkeep(line).fails(code);
        assert!(refused.stderr.contains(words), "{line}: {}", refused.stderr);
    }
    // Signed in, but the vault is not there: nothing is written down.
    world.write("token", &served.credentials().access_token);
    let line = format!(
        "connect acme --vault elsewhere --passphrase-file passphrase --url {} --access-token-file token",
        served.url
    );
    world.orgkeep(&line).fails(10);
    assert!(!world.path("config.toml").exists());
}
