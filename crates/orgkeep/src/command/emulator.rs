// SPDX-License-Identifier: Apache-2.0
//! `orgkeep emulator`: Salesforce orgs on this machine, to try things on and to test against.

use crate::failure::{Answer, Failure, Kind};
use crate::interrupt::Interrupt;
use crate::screen::{Screen, facts};
use clap::Args;
use orgkeep_emulator::{Catalog, Credentials, Edition, Emulator, Feature, Settings, Tls};
use serde_json::{Value, json};
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::TcpListener;

/// Runs emulated Salesforce orgs on this machine until Ctrl-C
#[derive(Args, Debug)]
#[command(after_help = "\
API clients find what they find at Salesforce: sign-in, REST, Bulk, SOAP, files, the same limits and errors. Nothing \
leaves this machine, and nothing in it is real. When it runs, open its address in a browser: the page there has users, \
passwords, tokens, app keys, record counts and the last requests.

Examples:
  orgkeep emulator                          an org with sample records on http://127.0.0.1:7700
  orgkeep emulator --records 0 --port 0     an empty org on a free port, for a test
  orgkeep emulator --store org.sqlite       an org that is still there next time
  orgkeep emulator --project my-sfdx        an org with the objects and fields of a project
  orgkeep emulator --feature person-accounts --feature multi-currency
                                            an org with features that not every org has
  orgkeep emulator --tls-port 8443 --tls-ca ca.pem
                                            https too: let clients trust ca.pem")]
pub struct Arguments {
    /// How many orgs
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=100))]
    orgs: u16,

    /// About how many records each org starts with; 0 leaves the orgs empty
    #[arg(long, value_name = "N", default_value_t = 2_500)]
    records: u64,

    /// Seed of the generated records: the same seed gives the same orgs
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,

    /// SFDX project whose custom objects and fields are added to the orgs
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,

    /// Folder with sObject tree files that are loaded into the orgs
    #[arg(long, value_name = "DIR", requires = "project")]
    data: Option<PathBuf>,

    /// Every standard object, about 1,250, instead of those that most orgs use
    #[arg(long)]
    all_objects: bool,

    /// Keep the orgs in this file, and find them there next time
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,

    /// Print one line per request to stderr
    #[arg(long)]
    log: bool,

    /// What the orgs were bought as: developer, professional, professional-without-api, enterprise, unlimited or
    /// performance, with its limits. Without it nothing is lacking
    #[arg(long, value_name = "E")]
    edition: Option<Edition>,

    /// Make the orgs sandboxes
    #[arg(long)]
    sandbox: bool,

    /// What the orgs have beyond what every org has, once for each: person-accounts, multi-currency, knowledge,
    /// shared-activities, enhanced-email, owner-shares or field-history
    #[arg(long = "feature", value_name = "F")]
    features: Vec<Feature>,

    /// Port on 127.0.0.1 for http; 0 takes a free one
    #[arg(long, value_name = "P", default_value_t = 7700, help_heading = "Listening")]
    port: u16,

    /// Port on 127.0.0.1 for https, beside http; 0 takes a free one
    #[arg(long, value_name = "P", requires = "tls_ca", help_heading = "Listening")]
    tls_port: Option<u16>,

    /// Certificate that https clients must trust; made here when absent, with its key beside it in FILE.key
    #[arg(long, value_name = "FILE", requires = "tls_port", help_heading = "Listening")]
    tls_ca: Option<PathBuf>,

    /// Name in the orgs' My Domain, for clients that are led here by DNS: NAME.my.salesforce.com [default: orgkeep]
    #[arg(long, value_name = "NAME", value_parser = my_domain, help_heading = "Listening")]
    my_domain: Option<String>,
}

/// Letters, digits and hyphens: the part that a customer chooses.
fn my_domain(text: &str) -> Result<String, String> {
    let good = !text.is_empty() && text.len() <= 40 && !text.starts_with('-') && !text.ends_with('-');
    if good && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        Ok(text.to_ascii_lowercase())
    } else {
        Err("a My Domain name has up to 40 letters, digits and hyphens".to_owned())
    }
}

const LAST_REQUESTS: Duration = Duration::from_secs(2);

pub async fn run(arguments: Arguments, screen: &Screen, interrupt: &Interrupt) -> Result<Answer, Failure> {
    let listener = listen(arguments.port, "--port").await?;
    let url = format!("http://{}", address(&listener)?);
    let secure = match (arguments.tls_port, arguments.tls_ca) {
        (Some(port), Some(file)) => Some(Secure::open(port, file).await?),
        _ => None,
    };
    let settings = Settings {
        orgs: usize::from(arguments.orgs),
        seed: arguments.seed,
        catalog: if arguments.all_objects { Catalog::Everything } else { Catalog::Core },
        records: arguments.records,
        project: arguments.project,
        data: arguments.data,
        store: arguments.store,
        my_domain: arguments.my_domain,
        // Who asks for an edition asks for its allowance of calls too.
        daily_api_requests: match (arguments.edition, arguments.sandbox) {
            (None, false) => Settings::default().daily_api_requests,
            _ => 0,
        },
        edition: arguments.edition,
        sandbox: arguments.sandbox,
        features: arguments.features.into_iter().collect(),
        ..Settings::default()
    };
    // Generating a large org takes seconds and must not hold up Ctrl-C.
    let emulator = tokio::task::spawn_blocking(move || Emulator::start(settings))
        .await
        .map_err(|error| Failure::caused(Kind::Bug, "the emulator did not start", &error))?
        .map_err(|error| Failure::caused(Kind::Invalid, "the emulator did not start", &error))?;
    if arguments.log {
        // A closed stderr leaves nobody to tell.
        emulator.watch(|request| drop(writeln!(io::stderr().lock(), "{request}")));
    }
    let orgs: Vec<Running> = (0..emulator.orgs().len())
        .map(|org| Running { credentials: emulator.credentials(org), my_domain: emulator.orgs()[org].my_domain() })
        .collect();
    if screen.json() {
        screen.record(&ready(&url, secure.as_ref(), &orgs))?;
    } else {
        screen.show(&instructions(&url, secure.as_ref(), &orgs))?;
    }
    let ended = async {
        interrupt.asked().await;
        // Requests in flight may finish, a client that hangs may not hold up the end.
        tokio::time::sleep(LAST_REQUESTS).await;
    };
    let serving = async {
        let plain = emulator.serve(listener, interrupt.asked());
        match secure {
            None => plain.await,
            Some(Secure { listener, tls, .. }) => {
                tokio::try_join!(plain, emulator.serve_tls(listener, &tls, interrupt.asked())).map(|_| ())
            }
        }
    };
    tokio::select! {
        served = serving => {
            served.map_err(|error| Failure::caused(Kind::Unreachable, "the emulator stopped", &error))?;
        }
        () = ended => {}
    }
    screen.say("stopped");
    Ok(Answer::default())
}

async fn listen(port: u16, option: &str) -> Result<TcpListener, Failure> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(|error| {
        Failure::caused(Kind::Invalid, format!("could not listen on port {port}"), &error)
            .hint(format!("give another {option}, or {option} 0 for any free one"))
    })
}

fn address(listener: &TcpListener) -> Result<SocketAddr, Failure> {
    listener.local_addr().map_err(|error| Failure::caused(Kind::Bug, "the port is not known", &error))
}

/// The https listener and what clients must trust.
struct Secure {
    listener: TcpListener,
    tls: Tls,
    url: String,
    authority: PathBuf,
}

impl Secure {
    async fn open(port: u16, authority: PathBuf) -> Result<Secure, Failure> {
        let listener = listen(port, "--tls-port").await?;
        let url = format!("https://{}", address(&listener)?);
        let tls = Tls::open(&authority)
            .map_err(|error| Failure::caused(Kind::Invalid, "there is no certificate for https", &error))?;
        Ok(Secure { listener, tls, url, authority })
    }
}

/// An org that answers.
struct Running {
    credentials: Credentials,
    my_domain: String,
}

/// The one line of `--json`, once requests are answered.
fn ready(url: &str, secure: Option<&Secure>, orgs: &[Running]) -> Value {
    let orgs: Vec<Value> = orgs
        .iter()
        .map(|Running { credentials: org, my_domain }| {
            json!({
                "id": org.org_id,
                "username": org.username,
                "password": org.password,
                "access_token": org.access_token,
                "client_id": org.client_id,
                "client_secret": org.client_secret,
                "my_domain": my_domain,
            })
        })
        .collect();
    let mut ready = json!({"url": url, "orgs": orgs});
    if let Some(secure) = secure {
        ready["tls_url"] = secure.url.as_str().into();
        ready["tls_ca"] = secure.authority.display().to_string().into();
    }
    ready
}

fn instructions(url: &str, secure: Option<&Secure>, orgs: &[Running]) -> String {
    let mut text = format!(
        "Emulated Salesforce on {url}, until Ctrl-C. These orgs hold nothing real and their secrets are public.\n\
         Users, passwords, apps and the last requests: open {url}/\n"
    );
    if let Some(secure) = secure {
        text.push_str(&format!(
            "Also on {}, for clients that trust {}. Led here by DNS or /etc/hosts, they may call it \
             login.salesforce.com, test.salesforce.com and by the My Domain of an org.\n",
            secure.url,
            secure.authority.display()
        ));
    }
    for (number, Running { credentials: org, my_domain }) in orgs.iter().enumerate() {
        let name = if orgs.len() == 1 { "acme".to_owned() } else { format!("acme{}", number + 1) };
        text.push_str(&format!("\nOrg {}\n", number + 1));
        text.push_str(&facts([
            ("  Id", org.org_id.clone()),
            ("  Username", org.username.clone()),
            ("  Password", org.password.clone()),
            ("  Client id", org.client_id.clone()),
            ("  Client secret", org.client_secret.clone()),
            ("  Access token", org.access_token.clone()),
            ("  My Domain", my_domain.clone()),
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
