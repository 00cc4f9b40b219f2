// SPDX-License-Identifier: Apache-2.0
//! `orgkeep attach`: makes a vault that exists known to this machine, on a day when all else is gone.

use crate::cli::{self, Unlocking};
use crate::config::{Connector, Login};
use crate::context::Context;
use crate::failure::{Answer, Failure};
use crate::table::Table;
use clap::Args;
use futures::StreamExt;
use orgkeep_vault::{OrgVault, Scan};
use serde_json::json;
use url::Url;

/// Makes the orgs in a vault known to this machine, so that they can be browsed, exported and restored from
#[derive(Args, Debug)]
#[command(after_help = "\
For a new machine, or a copy of a vault: each org in it becomes a connector without a login. `orgkeep ls`, `show`, \
`compare`, `export` and `check` work at once, and so does `orgkeep restore NAME --to OTHER` into an org that is connected. \
`orgkeep connect NAME --url URL …` adds the login for backups.")]
pub struct Arguments {
    /// The vault: a folder or a URL
    #[arg(value_name = "VAULT")]
    vault: String,

    #[command(flatten)]
    unlocking: Unlocking,
}

pub async fn run(arguments: Arguments, context: &Context) -> Result<Answer, Failure> {
    let place = cli::vault_place(&arguments.vault);
    let unlocking = arguments.unlocking.absolute();
    let vault = context.vault(&place, &unlocking, &Unlocking::default()).await?;
    let mut config = context.config()?;
    let mut table = Table::new(["Connector", "Org", "Name", ">Backups", "Newest"]);
    let (mut attached, mut refreshed) = (Vec::new(), Vec::new());
    for org_id in vault.orgs().await? {
        let org = vault.org(&org_id).await?;
        let Some(newest) = org.newest().await? else { continue };
        let org_name = name_of(&org, newest.sequence).await.unwrap_or_else(|| org_id.clone());
        let (name, new) = match config.linking(&place, &org_id).next() {
            Some(name) => (name.to_owned(), false),
            None => (config.free_name(&plain(&org_name, &org_id)), true),
        };
        if new {
            config.put(
                &name,
                Connector {
                    vault: place.clone(),
                    passphrase_file: unlocking.passphrase_file.clone(),
                    // For when the passphrase is lost, and not to be left lying about.
                    recovery_key_file: None,
                    url: Url::parse("https://login.salesforce.com/").expect("a URL"),
                    org_id: org_id.clone(),
                    org_name: org_name.clone(),
                    username: String::new(),
                    login: Login::None {},
                    api_share: None,
                    file_budget_bytes: None,
                    reconcile_days: None,
                },
            )?;
        }
        let former = org.former().await.unwrap_or_else(|error| {
            context.screen.say(&format!("warning: {org_id}: {error}"));
            None
        });
        let former = former.map(|former| former.org);
        if let Some(former) = &former {
            refreshed.push(format!("{name} is the sandbox that was {former} before its refresh"));
        }
        let finished = newest.finished_at.format("%Y-%m-%d %H:%M UTC").to_string();
        table.row([&name, &org_id, &org_name, &newest.sequence.to_string(), &finished]);
        attached.push(json!({
            "connector": name, "new": new, "org": org_id, "org_name": org_name,
            "newest": newest.sequence, "finished_at": newest.finished_at, "former": former,
        }));
    }
    let screen = &context.screen;
    match attached.first() {
        None => screen.say("the vault holds no finished backup of any org"),
        Some(first) => {
            screen.table(&table)?;
            refreshed.iter().for_each(|line| screen.say(line));
            let name = first["connector"].as_str().unwrap_or_default();
            screen.say(&format!(
                "\nNext: orgkeep ls {name}, or orgkeep connect {name} --url URL … to sign in to the org"
            ));
        }
    }
    Ok(Answer::with(json!({ "vault": place, "attached": attached })))
}

/// What the org called itself at a backup.
async fn name_of(org: &OrgVault, at: u64) -> Option<String> {
    let columns = Some(vec!["Name".to_owned()]);
    let mut rows = org.scan("Organization", at, Scan { columns, ..Scan::default() }).await.ok()?;
    let batch = rows.next().await?.ok()?;
    let name = batch.names().position(|name| name == "Name")?;
    batch.text(0, name).map(|text| text.into_owned()).filter(|text| !text.is_empty())
}

/// A connector's name after the org's.
fn plain(org_name: &str, org_id: &str) -> String {
    let letter = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '-' };
    let plain: String = org_name.to_lowercase().chars().map(letter).collect();
    let plain = plain.split('-').filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-");
    if plain.is_empty() { org_id.to_owned() } else { plain }
}
