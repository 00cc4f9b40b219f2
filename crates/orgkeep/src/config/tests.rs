// SPDX-License-Identifier: Apache-2.0

use super::*;
use orgkeep_salesforce::Secret;

fn acme() -> Connector {
    Connector {
        vault: "/srv/vault".into(),
        passphrase_file: None,
        recovery_key_file: None,
        url: Url::parse("https://acme.my.salesforce.com").unwrap(),
        org_id: "00D000000000001EAA".into(),
        org_name: "Acme".into(),
        username: "backup@acme.example".into(),
        api_share: None,
        file_budget_bytes: None,
        reconcile_days: None,
        login: Login::ClientCredentials {
            client_id: "3MVG9".into(),
            client_secret: Place::File("/etc/orgkeep/acme.secret".into()),
        },
    }
}

#[test]
fn a_connector_is_read_as_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep").join("config.toml");
    let mut config = Config::load(&path).unwrap();
    config.put("acme", acme()).unwrap();
    let jwt = Login::JwtBearer {
        client_id: "3MVG9".into(),
        username: "u@acme.example".into(),
        key_file: "/k.pem".into(),
        audience: None,
    };
    config.put("acme-uat", Connector { login: jwt, passphrase_file: Some("/p".into()), ..acme() }).unwrap();
    let kept = Login::AccessToken { access_token: Place::Kept };
    config.put("scratch", Connector { login: kept, ..acme() }).unwrap();
    insta::assert_snapshot!(std::fs::read_to_string(&path).unwrap());

    let again = Config::load(&path).unwrap();
    assert_eq!(again.connector("acme").unwrap(), &acme());
    assert_eq!(again.connectors, config.connectors);
}

#[test]
fn comments_and_foreign_keys_survive_a_change() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    std::fs::write(&path, "# ours\ncolour = \"blue\" # later\n").unwrap();
    Config::load(&path).unwrap().put("acme", acme()).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("# ours\ncolour = \"blue\" # later\n"), "{text}");
    assert!(Config::load(&path).unwrap().existing("acme").is_some());
}

#[test]
fn an_unknown_connector_names_those_there_are() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::load(&folder.path().join("config.toml")).unwrap();
    let failure = config.connector("acme").unwrap_err();
    assert_eq!(failure.kind, Kind::NotFound);
    assert!(failure.hint.unwrap().contains("orgkeep connect acme"));
    config.put("acme", acme()).unwrap();
    assert_eq!(config.connector("acne").unwrap_err().hint.unwrap(), "connectors there: acme");
}

#[test]
fn a_key_that_is_not_known_is_refused_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    let mut config = Config::load(&path).unwrap();
    config.put("acme", acme()).unwrap();
    let text = std::fs::read_to_string(&path).unwrap().replace("org_name", "orgname");
    std::fs::write(&path, text).unwrap();
    let failure = Config::load(&path).unwrap_err();
    assert_eq!(failure.kind, Kind::Invalid);
    assert!(failure.message.contains("unknown field `orgname`"), "{}", failure.message);
    assert!(failure.message.contains("line 5"), "{}", failure.message);
}

#[test]
fn names_are_plain() {
    assert!(connector_name("acme-uat_2.eu").is_ok());
    for name in ["", "-acme", "acme uat", "../x", "ä"] {
        assert!(connector_name(name).is_err(), "{name}");
    }
}

#[test]
fn kept_secrets_are_for_the_owner_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    let kept = Kept::beside(&path);
    kept.put("acme", "access_token", &Secret::from("00D!\"quoted\"")).unwrap();
    kept.put("uat", "access_token", &Secret::from("other")).unwrap();
    assert_eq!(kept.get("acme", "access_token").unwrap().expose(), "00D!\"quoted\"");
    assert_eq!(kept.get("acme", "refresh_token").unwrap_err().kind, Kind::NotFound);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(folder.path().join("secrets.toml")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn a_broken_file_of_secrets_is_not_quoted() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("secrets.toml"), "[acme]\naccess_token = \"s3cret").unwrap();
    let failure = Kept::beside(&folder.path().join("config.toml")).get("acme", "access_token").unwrap_err();
    assert!(!failure.text().contains("s3cret"), "{}", failure.text());
}
