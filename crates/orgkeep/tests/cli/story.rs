// SPDX-License-Identifier: Apache-2.0
//! The whole story by hand: every command, against an emulator in another process, over a socket.

use crate::world::{EmulatorProcess, World, request};
use serde_json::Value;

#[test]
fn every_command_by_hand() {
    let world = World::new();
    let emulator = EmulatorProcess::start(&world, "--records 600 --seed 3");
    let url = emulator.ready["url"].as_str().expect("a URL").to_owned();
    let org = &emulator.ready["orgs"][0];
    let keys: Vec<&String> = org.as_object().expect("an org").keys().collect();
    assert_eq!(keys, ["id", "username", "password", "access_token", "client_id", "client_secret", "my_domain"]);

    // init, connect
    world.orgkeep("init vault --passphrase-file passphrase").ok();
    world.write("acme.secret", org["client_secret"].as_str().unwrap());
    let connect = world
        .orgkeep(&format!(
            "connect acme --vault vault --passphrase-file passphrase --url {url} --client-id {} --client-secret-file acme.secret",
            org["client_id"].as_str().unwrap()
        ))
        .ok();
    assert!(connect.stdout.starts_with("Connected acme\n"), "{}", connect.stdout);
    assert!(connect.stdout.contains(&format!("({})", org["id"].as_str().unwrap())), "{}", connect.stdout);
    assert!(connect.stdout.contains(org["username"].as_str().unwrap()), "{}", connect.stdout);
    assert!(connect.stdout.contains("API Enabled yes, View All Data yes, Query All Files yes"), "{}", connect.stdout);
    assert!(connect.stderr.contains("Next: orgkeep backup acme"), "{}", connect.stderr);
    let everything_said = format!("{connect:?}");
    assert!(!everything_said.contains(org["client_secret"].as_str().unwrap()));
    let config = std::fs::read_to_string(world.path("config.toml")).unwrap();
    assert!(!config.contains(org["client_secret"].as_str().unwrap()), "{config}");

    // estimate
    let estimate = world.orgkeep("estimate acme --json").ok().result();
    assert_eq!(estimate["backups"], 0);
    assert!(estimate["full"]["calls"].as_u64().unwrap() > 50, "{estimate}");
    assert!(world.orgkeep("estimate acme").ok().stdout.contains("every 15 minutes"));

    // backup, backups, ls, show
    let full = world.orgkeep("backup acme --json").ok();
    let result = full.result();
    assert_eq!((result["sequence"].as_u64(), result["mode"].as_str()), (Some(1), Some("full")));
    assert_ne!(result["state"], "red", "{result}");
    assert_eq!(full.events("backup_started").len(), 1);
    assert!(full.events("object_finished").len() > 50);
    let coverage = world.orgkeep("coverage acme --references --strict --json").result();
    let state = coverage["state"].as_str().unwrap_or_default();
    assert_eq!(state == "green", coverage["exit_code"] == 0, "{state} {}", coverage["exit_code"]);
    let contacts = coverage["objects"].as_array().unwrap().iter().find(|object| object["object"] == "Contact").unwrap();
    assert_eq!(contacts["rows_held"], contacts["rows_in_org"]);
    assert!(world.orgkeep("coverage acme Contact").ok().stdout.contains("Formulas as of"));
    assert!(world.orgkeep("coverage acme Contakt").fails(10).stderr.contains("did you mean Contact"));
    let objects = world.orgkeep("ls acme --json").ok().result();
    let accounts = held(&objects, "Account");
    assert!(accounts > 5, "{accounts}");
    let listing = world.orgkeep("ls acme Account --limit 3 --json").ok().result();
    assert_eq!(listing["rows"].as_array().unwrap().len(), 3);
    assert_eq!(listing["columns"][0], "Id");
    let id = listing["rows"][0][0].as_str().unwrap().to_owned();
    let shown = world.orgkeep(&format!("show acme Account {id} --json")).ok().result();
    assert_eq!(shown["id"], id.as_str());

    // export in three formats
    let csv = world.orgkeep("export acme Account --at 1 --format csv").ok().stdout;
    assert!(csv.starts_with("\"Id\","), "{}", &csv[..40]);
    assert!(csv.contains(&id));
    let jsonl = world.orgkeep("export acme Account --at 1 --format jsonl").ok().stdout;
    assert_eq!(jsonl.lines().count() as u64, accounts);
    let first: Value = serde_json::from_str(jsonl.lines().next().unwrap()).unwrap();
    assert_eq!(first["Id"], id.as_str());
    let parquet = world.orgkeep("export acme Account --at 1 --format parquet --output a.parquet --json").ok().result();
    assert_eq!(parquet["rows"].as_u64(), Some(accounts));
    assert!(std::fs::read(world.path("a.parquet")).unwrap().starts_with(b"PAR1"));
    world.orgkeep("export acme Account --at 1 --format csv --json").fails(1);

    // A bad day: one account is gone, one has a wrong name. The program has no command that does harm: the test is the client.
    let token = org["access_token"].as_str().unwrap();
    let api = |method: &str, path: &str, body: &str| request(&url, token, method, path, body);
    let all = "SELECT Id FROM Account WHERE Id IN (SELECT AccountId FROM Contact) ORDER BY Id".replace(' ', "+");
    let found = api("GET", &format!("/services/data/v67.0/query?q={all}"), "");
    let mut accounts =
        found["records"].as_array().expect("accounts").iter().map(|record| record["Id"].as_str().expect("an Id"));
    let second = accounts.next().expect("an account").to_owned();
    api("PATCH", &format!("/services/data/v67.0/sobjects/Account/{second}"), r#"{"Name":"Wrong"}"#);
    // The org refuses to delete an account with cases, with a list of errors.
    let gone = |id: &&str| api("DELETE", &format!("/services/data/v67.0/sobjects/Account/{id}"), "").is_null();
    let id = accounts.find(gone).expect("an account that can be deleted").to_owned();
    let incremental = world.orgkeep("backup acme --json").ok().result();
    assert_eq!((incremental["sequence"].as_u64(), incremental["mode"].as_str()), (Some(2), Some("incremental")));
    let backups = world.orgkeep("backups acme").ok().stdout;
    assert_eq!(backups.lines().count(), 3, "{backups}");

    // compare, history
    let comparison = world.orgkeep("compare acme Account --from 1 --to 2 --json").ok().result();
    let object = &comparison["objects"][0];
    assert_eq!((object["removed"].as_u64(), object["added"].as_u64()), (Some(1), Some(0)), "{object}");
    assert!(object["fields"]["Name"].as_u64() == Some(1), "{object}");
    let text = world.orgkeep("compare acme Account --from 1 --to 2").ok().stdout;
    assert!(text.contains("-> \"Wrong\"") && text.contains("- removed"), "{text}");
    let history = world.orgkeep(&format!("show acme Account {second} --history")).ok().stdout;
    assert!(history.contains("Backup 1, ") && history.contains("-> \"Wrong\""), "{history}");
    let deleted = world.orgkeep(&format!("show acme Account {id} --json")).ok().result();
    assert_eq!(deleted["deleted"], true);

    // restore: a dry run, a plan in a file, the plan applied
    let dry = world.orgkeep("restore acme --at 1 --changes-since 1 --dry-run --plan plan.json").ok();
    assert!(dry.stdout.contains("undelete") && dry.stdout.contains("update"), "{}", dry.stdout);
    let plan: Value = serde_json::from_slice(&std::fs::read(world.path("plan.json")).unwrap()).unwrap();
    assert_eq!(plan["backup"], 1);
    let applied = world.orgkeep("restore acme --plan plan.json --yes --json").ok().result();
    assert_eq!(applied["failed"], 0, "{applied}");
    assert!(applied["undeleted"].as_u64() >= Some(1), "{applied}");
    let live = world.orgkeep("compare acme Account --from 1 --to live --json").ok().result();
    let object = &live["objects"][0];
    assert_eq!(
        (object["added"].as_u64(), object["removed"].as_u64(), object["changed"].as_u64()),
        (Some(0), Some(0), Some(0)),
        "{object}"
    );
    // Again: nothing is left to do.
    let again = world.orgkeep("restore acme --at 1 --changes-since 1 --yes --json").ok().result();
    assert_eq!(again["applied"], false, "{again}");

    // check
    let check = world.orgkeep("check acme --read-data").ok().stdout;
    assert!(check.starts_with("Everything is whole: "), "{check}");
    assert!(world.orgkeep("check acme --json").ok().result()["damage"].as_array().unwrap().is_empty());
}

#[test]
fn the_emulator_ends_cleanly_and_its_store_is_found_again() {
    let world = World::new();
    let first = EmulatorProcess::start(&world, "--records 200 --store org.sqlite");
    let id = first.ready["orgs"][0]["id"].clone();
    let (url, token) = (first.ready["url"].as_str().unwrap(), first.ready["orgs"][0]["access_token"].as_str().unwrap());
    let path = "/services/data/v67.0/sobjects/Account";
    let made = request(url, token, "POST", path, r#"{"Name":"Kept in the store"}"#);
    assert_eq!(made["success"], true);
    assert_eq!(interrupt(first), Some(0));

    let second = EmulatorProcess::start(&world, "--records 200 --store org.sqlite");
    assert_eq!(second.ready["orgs"][0]["id"], id);
    let (url, token) =
        (second.ready["url"].as_str().unwrap(), second.ready["orgs"][0]["access_token"].as_str().unwrap());
    let found = request(
        url,
        token,
        "GET",
        "/services/data/v67.0/query?q=SELECT+Id+FROM+Account+WHERE+Name='Kept+in+the+store'",
        "",
    );
    assert_eq!(found["totalSize"], 1, "{found}");
}

#[test]
fn the_emulator_has_the_features_it_is_given_and_keeps_them_in_its_store() {
    let world = World::new();
    let describe = |emulator: &EmulatorProcess| {
        let (url, org) = (emulator.ready["url"].as_str().unwrap(), &emulator.ready["orgs"][0]);
        let token = org["access_token"].as_str().unwrap();
        let account = request(url, token, "GET", "/services/data/v67.0/sobjects/Account/describe", "");
        let names =
            account["fields"].as_array().unwrap().iter().map(|field| field["name"].as_str().unwrap().to_owned());
        names.filter(|name| matches!(name.as_str(), "IsPersonAccount" | "CurrencyIsoCode")).collect::<Vec<_>>()
    };
    let plain = EmulatorProcess::start(&world, "--records 0");
    assert!(describe(&plain).is_empty());
    let features = "--feature person-accounts --feature multi-currency";
    let first = EmulatorProcess::start(&world, &format!("--records 0 --store org.sqlite {features}"));
    assert_eq!(describe(&first).len(), 2);
    assert_eq!(interrupt(first), Some(0));
    let second = EmulatorProcess::start(&world, "--records 0 --store org.sqlite");
    assert_eq!(describe(&second).len(), 2);
    let unknown = world.orgkeep("emulator --feature wings").fails(2);
    assert!(unknown.stderr.contains("there is no feature wings; there are person-accounts, "), "{}", unknown.stderr);
}

#[test]
fn the_emulator_serves_https_beside_http_and_writes_down_whom_to_trust() {
    let world = World::new();
    let emulator = EmulatorProcess::start(&world, "--records 0 --tls-port 0 --tls-ca ca.pem --my-domain acme");
    let secure = emulator.ready["tls_url"].as_str().unwrap();
    let address = secure.strip_prefix("https://").unwrap();
    assert!(std::net::TcpStream::connect(address).is_ok(), "{secure} answers");
    assert_eq!(emulator.ready["tls_ca"], "ca.pem");
    assert_eq!(emulator.ready["orgs"][0]["my_domain"], "acme.develop.my.salesforce.com");
    let authority = std::fs::read_to_string(world.path("ca.pem")).unwrap();
    assert!(authority.starts_with("-----BEGIN CERTIFICATE-----") && world.path("ca.pem.key").exists());
    assert_eq!(interrupt(emulator), Some(0));
    let lonely = world.orgkeep("emulator --tls-port 0").fails(2);
    assert!(lonely.stderr.contains("--tls-ca <FILE>"), "{}", lonely.stderr);
}

#[test]
fn the_emulator_says_how_to_connect_to_it() {
    let world = World::new();
    let busy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = busy.local_addr().unwrap().port();
    let ran = world.orgkeep(&format!("emulator --port {port} --records 0")).fails(1);
    assert!(
        ran.stderr.contains(&format!("port {port}")) && ran.stderr.contains("hint: give another --port"),
        "{}",
        ran.stderr
    );
    let result = world.orgkeep(&format!("emulator --port {port} --records 0 --json")).fails(1).result();
    assert_eq!(result["kind"], "invalid");
}

fn held(objects: &Value, object: &str) -> u64 {
    let lines = objects["objects"].as_array().expect("objects");
    let line = lines.iter().find(|line| line["object"] == object).expect("the object");
    line["rows_held"].as_u64().expect("a number")
}

/// Ends the emulator as Ctrl-C does; one that goes on all the same is a failure, and no wait without end.
fn interrupt(mut emulator: EmulatorProcess) -> Option<i32> {
    let id = emulator.child.id().to_string();
    let kill = |signal: &str| std::process::Command::new("kill").args([signal, &id]).status().expect("kill");
    kill("-INT");
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || tell.send(emulator.child.wait()));
    match told.recv_timeout(std::time::Duration::from_secs(60)) {
        Ok(status) => status.expect("an end").code(),
        Err(_) => {
            kill("-KILL");
            panic!("the emulator goes on a minute after SIGINT");
        }
    }
}
