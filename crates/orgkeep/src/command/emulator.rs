// SPDX-License-Identifier: Apache-2.0
//! `orgkeep emulator`: Salesforce orgs on this machine, to try things on and to test against.

use crate::failure::{Answer, Failure, Kind};
use crate::screen::{Screen, facts};
use clap::Args;
use orgkeep_emulator::{Credentials, Emulator, Settings};
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::TcpListener;

/// Runs emulated Salesforce orgs on 127.0.0.1 until Ctrl-C
#[derive(Args, Debug)]
pub struct Arguments {
    /// Port to listen on; 0 takes a free one
    #[arg(long, value_name = "P", default_value_t = 7700)]
    port: u16,

    /// How many orgs
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=100))]
    orgs: u16,

    /// Seed of the generated records: the same seed gives the same orgs
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,

    /// About how many records each org starts with; 0 leaves the orgs empty
    #[arg(long, value_name = "N", default_value_t = 2_500)]
    records: u64,

    /// SFDX project whose custom objects and fields are added to the orgs
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,

    /// Folder with sObject tree files that are loaded into the orgs
    #[arg(long, value_name = "DIR", requires = "project")]
    data: Option<PathBuf>,

    /// Keep the orgs in this file, and find them there next time
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
}

const LAST_REQUESTS: Duration = Duration::from_secs(2);

pub async fn run(arguments: Arguments, screen: &Screen) -> Result<Answer, Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, arguments.port)).await.map_err(|error| {
        Failure::caused(Kind::Invalid, format!("could not listen on port {}", arguments.port), &error)
            .hint("give another --port, or --port 0 for any free one")
    })?;
    let address = listener.local_addr().map_err(|error| Failure::caused(Kind::Bug, "the port is not known", &error))?;
    let url = format!("http://{address}");
    let settings = Settings {
        orgs: usize::from(arguments.orgs),
        seed: arguments.seed,
        records: arguments.records,
        project: arguments.project,
        data: arguments.data,
        store: arguments.store,
        ..Settings::default()
    };
    // Generating a large org takes seconds and must not hold up Ctrl-C.
    let emulator = tokio::task::spawn_blocking(move || Emulator::start(settings))
        .await
        .map_err(|error| Failure::caused(Kind::Bug, "the emulator did not start", &error))?
        .map_err(|error| Failure::caused(Kind::Invalid, "the emulator did not start", &error))?;
    let orgs: Vec<Credentials> = (0..emulator.orgs().len()).map(|org| emulator.credentials(org)).collect();
    if screen.json() {
        screen.record(&ready(&url, &orgs))?;
    } else {
        screen.show(&instructions(&url, &orgs))?;
    }
    let ended = async {
        crate::interrupt::asked().await;
        // Requests in flight may finish, a client that hangs may not hold up the end.
        tokio::time::sleep(LAST_REQUESTS).await;
    };
    tokio::select! {
        served = emulator.serve(listener, crate::interrupt::asked()) => {
            served.map_err(|error| Failure::caused(Kind::Unreachable, "the emulator stopped", &error))?;
        }
        () = ended => {}
    }
    screen.say("stopped");
    Ok(Answer::default())
}

/// The one line of `--json`, once requests are answered.
fn ready(url: &str, orgs: &[Credentials]) -> Value {
    let orgs: Vec<Value> = orgs
        .iter()
        .map(|org| {
            json!({
                "id": org.org_id,
                "username": org.username,
                "password": org.password,
                "access_token": org.access_token,
                "client_id": org.client_id,
                "client_secret": org.client_secret,
            })
        })
        .collect();
    json!({"url": url, "orgs": orgs})
}

fn instructions(url: &str, orgs: &[Credentials]) -> String {
    let mut text = format!(
        "Emulated Salesforce on {url}, until Ctrl-C. These orgs hold nothing real and their secrets are public.\n"
    );
    for (number, org) in orgs.iter().enumerate() {
        let name = if orgs.len() == 1 { "acme".to_owned() } else { format!("acme{}", number + 1) };
        text.push_str(&format!("\nOrg {}\n", number + 1));
        text.push_str(&facts([
            ("  Id", org.org_id.clone()),
            ("  Username", org.username.clone()),
            ("  Password", org.password.clone()),
            ("  Client id", org.client_id.clone()),
            ("  Client secret", org.client_secret.clone()),
            ("  Access token", org.access_token.clone()),
        ]));
        text.push_str(&format!(
            "  To back it up, in another terminal:\n\
             \x20   printf '%s' '{}' > {name}.secret && chmod 600 {name}.secret\n",
            org.client_secret,
        ));
        if number == 0 {
            text.push_str("    orgkeep init vault\n");
        }
        text.push_str(&format!(
            "    orgkeep connect {name} --vault vault --url {url} --client-id '{}' --client-secret-file {name}.secret\n\
             \x20   orgkeep backup {name}\n",
            org.client_id,
        ));
    }
    text
}
