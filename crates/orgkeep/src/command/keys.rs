// SPDX-License-Identifier: Apache-2.0
//! `orgkeep keys`: the ways into a vault, and the keys that its content is sealed with.

use crate::cli::{self, Unlocking};
use crate::config;
use crate::context::Context;
use crate::environment::{self, SystemClock};
use crate::failure::{Answer, Failure, Kind};
use crate::number::{bytes, counted};
use crate::secret;
use crate::table::Table;
use clap::{Args, Subcommand};
use orgkeep_engine::Clock as _;
use orgkeep_salesforce::Secret;
use orgkeep_vault::{Lock, RecoveryKey, Unlock, Vault};
use serde_json::json;
use std::path::{Path, PathBuf};

/// How much is sealed anew by one `rotate`.
const STEP_BYTES: u64 = 1 << 30;

/// Lists, adds, removes, tests and exchanges the keys of a vault
#[derive(Args, Debug)]
#[command(after_help = "\
VAULT is a folder, a URL or the name of a connector. An encrypted vault has one key of its own, and any number of ways to it: \
passphrases and recovery keys. Adding, removing and changing these rewrites nothing of what is stored. `rotate` gives the content \
of the vault new keys; files that are there are sealed anew little by little, by each backup and each `rotate`.")]
pub struct Arguments {
    /// The vault, or a connector to it
    #[arg(value_name = "VAULT")]
    vault: String,

    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand, Debug)]
enum Action {
    /// Lists the ways into the vault
    List {
        #[command(flatten)]
        unlocking: Unlocking,
    },
    /// Adds a passphrase, or with --recovery a recovery key, which is printed once
    Add {
        /// Name for it, to know it by later
        #[arg(long, value_name = "LABEL")]
        label: Option<String>,
        /// Add a recovery key instead of a passphrase
        #[arg(long)]
        recovery: bool,
        /// Write the recovery key into a new file instead of printing it: for a machine that backs up without a person
        #[arg(long, value_name = "F", requires = "recovery")]
        into: Option<PathBuf>,
        /// File with the passphrase to be added [else: $ORGKEEP_NEW_PASSPHRASE, a prompt]
        #[arg(long, value_name = "F", conflicts_with = "recovery")]
        new_passphrase_file: Option<PathBuf>,
        #[command(flatten)]
        unlocking: Unlocking,
    },
    /// Removes a way into the vault; never the last one
    Remove {
        #[arg(value_name = "LABEL")]
        label: String,
        #[command(flatten)]
        unlocking: Unlocking,
    },
    /// Exchanges the vault's own key because a passphrase or recovery key has leaked: only what opens the vault now remains
    #[command(after_help = "\
All other passphrases and recovery keys stop to work and a new recovery key is printed. Who has the leaked secret and an old copy \
of vault.json can still read old copies of the content; `orgkeep keys VAULT rotate` afterwards makes that worthless for what is \
in the vault.")]
    Revoke {
        #[command(flatten)]
        unlocking: Unlocking,
    },
    /// Replaces a passphrase by another
    ChangePassphrase {
        /// File with the new passphrase [else: $ORGKEEP_NEW_PASSPHRASE, a prompt]
        #[arg(long, value_name = "F")]
        new_passphrase_file: Option<PathBuf>,
        #[command(flatten)]
        unlocking: Unlocking,
    },
    /// Shows that a passphrase or recovery key opens the vault and all that is in it: give it with --recovery-key-file
    Test {
        #[command(flatten)]
        unlocking: Unlocking,
    },
    /// Exchanges the keys that content is sealed with, or goes on with that
    Rotate {
        /// Only go on with an exchange that is under way
        #[arg(long = "continue")]
        go_on: bool,
        #[command(flatten)]
        unlocking: Unlocking,
    },
}

impl Action {
    fn unlocking(&self) -> &Unlocking {
        match self {
            Action::List { unlocking }
            | Action::Add { unlocking, .. }
            | Action::Remove { unlocking, .. }
            | Action::Revoke { unlocking }
            | Action::ChangePassphrase { unlocking, .. }
            | Action::Test { unlocking }
            | Action::Rotate { unlocking, .. } => unlocking,
        }
    }
}

pub async fn run(arguments: Arguments, context: &Context) -> Result<Answer, Failure> {
    let connector = context.config().ok().and_then(|config| config.existing(&arguments.vault).cloned());
    let (place, remembered) = match &connector {
        Some(connector) => (connector.vault.clone(), connector.unlocking()),
        None => (cli::vault_place(&arguments.vault), Unlocking::default()),
    };
    let about = |error: orgkeep_vault::Error| Failure::from(error).about(format!("vault at {place}"));
    let (vault, unlock) = context.vault_and_secret(&place, arguments.action.unlocking(), &remembered).await?;
    match &arguments.action {
        Action::List { .. } => list(&vault, context).await.map_err(about)?,
        Action::Add { label, recovery: true, into: Some(file), .. } => {
            if file.exists() {
                return Err(Failure::invalid(format!("{} is there already", file.display()))
                    .hint("name a file that is not there yet"));
            }
            let (key, label) = vault.add_recovery_key(label.as_deref()).await.map_err(about)?;
            if let Err(error) = config::replace(file, format!("{key}\n").as_bytes(), true) {
                // A way in that nobody knows is of no use.
                vault.remove_way(&label).await.map_err(about)?;
                return Err(Failure::caused(Kind::Invalid, format!("could not write {}", file.display()), &error));
            }
            context.screen.line(&format!("Added the recovery key {label}, kept in {}", file.display()))?;
            context.screen.say("`orgkeep connect NAME --recovery-key-file` lets a connector open the vault with it");
            Ok(Answer::with(json!({ "label": label, "file": file })))
        }
        Action::Add { label, recovery: true, .. } => {
            let (key, label) = vault.add_recovery_key(label.as_deref()).await.map_err(about)?;
            shown_once(context, &label, &key)
        }
        Action::Add { label, new_passphrase_file, .. } => {
            let new = new_passphrase(new_passphrase_file.as_deref())?;
            let label = vault.add_passphrase(&new.expose().into(), label.as_deref()).await.map_err(about)?;
            context.screen.line(&format!("Added the passphrase {label}"))?;
            Ok(Answer::with(json!({ "label": label })))
        }
        Action::Remove { label, .. } => {
            vault.remove_way(label).await.map_err(about)?;
            context.screen.line(&format!(
                "Removed {label}. Who knows its secret and has a copy of vault.json from before can still open that copy: \
                 if it has leaked, run `orgkeep keys {} revoke`",
                arguments.vault
            ))?;
            Ok(Answer::with(json!({ "removed": label })))
        }
        Action::Revoke { .. } => {
            let (vault, key) = vault.revoke(&unlock).await.map_err(about)?;
            let added = vault.ways().await.map_err(about)?.pop().map_or_else(String::new, |way| way.label);
            context.screen.say("All other ways into the vault were removed.");
            shown_once(context, &added, &key)
        }
        Action::ChangePassphrase { new_passphrase_file, .. } => {
            let Unlock::Passphrase(old) = &unlock else {
                return Err(Failure::invalid("the passphrase to be changed was not given")
                    .hint("where it is lost, open the vault with the recovery key and `add` a new one"));
            };
            let new = new_passphrase(new_passphrase_file.as_deref())?;
            vault.change_passphrase(old, &new.expose().into()).await.map_err(about)?;
            context.screen.line("Changed the passphrase")?;
            if let Some(file) = remembered.passphrase_file.filter(|_| connector.is_some()) {
                context.screen.say(&format!("Put the new one into {} too, where connectors read it", file.display()));
            }
            Ok(Answer::default())
        }
        Action::Test { .. } => {
            let label = vault.test(&unlock).await.map_err(about)?;
            context.screen.line(&format!("It opens the vault and all orgs in it, as {label}"))?;
            Ok(Answer::with(json!({ "label": label })))
        }
        Action::Rotate { go_on, .. } => rotate(&vault, *go_on, context).await,
    }
}

async fn list(vault: &Vault, context: &Context) -> Result<Result<Answer, Failure>, orgkeep_vault::Error> {
    let ways = vault.ways().await?;
    let mut table = Table::new(["Label", "Kind"]);
    for way in &ways {
        table.row([way.label.as_str(), way.kind]);
    }
    let mut rotating = Vec::new();
    for org in vault.orgs().await? {
        if vault.org(&org).await?.rotating() {
            rotating.push(org);
        }
    }
    Ok(context.screen.table(&table).map(|()| {
        if !rotating.is_empty() {
            context.screen.say(&format!("\nan exchange of keys is under way for {}", rotating.join(", ")));
        }
        Answer::with(json!({ "ways": ways, "rotating": rotating }))
    }))
}

fn shown_once(context: &Context, label: &str, key: &RecoveryKey) -> Result<Answer, Failure> {
    context.screen.show(&format!(
        "Recovery key {label}:\n\n    {key}\n\nWrite it down now: it is not stored anywhere and is not shown again.\n"
    ))?;
    Ok(Answer::with(json!({ "label": label, "recovery_key": key.to_string() })))
}

fn new_passphrase(file: Option<&Path>) -> Result<Secret, Failure> {
    if let Some(path) = file {
        return secret::from_file(path, "new passphrase");
    }
    if let Some(passphrase) = environment::variable(environment::NEW_PASSPHRASE) {
        return Ok(passphrase.into());
    }
    let Some(first) = secret::from_prompt("New passphrase")? else {
        return Err(Failure::invalid("no new passphrase was given")
            .hint("give --new-passphrase-file FILE, set ORGKEEP_NEW_PASSPHRASE, or run on a terminal to be asked"));
    };
    let second = secret::from_prompt("The same once more")?;
    if second.is_none_or(|second| second.expose() != first.expose()) {
        return Err(Failure::invalid("the two passphrases are not the same").hint("run the command again"));
    }
    Ok(first)
}

async fn rotate(vault: &Vault, go_on: bool, context: &Context) -> Result<Answer, Failure> {
    let mut orgs = Vec::new();
    let mut all_done = true;
    for id in vault.orgs().await? {
        let org = vault.org(&id).await?;
        let exchange = async |lock: &Lock| {
            if !go_on {
                org.rotate(lock, lock.at()).await?;
            }
            org.continue_rotation(lock, STEP_BYTES, lock.at()).await
        };
        let step = org.alone(&environment::holder(), SystemClock.now(), exchange).await?;
        let sealed = format!("{} ({}) sealed with the new key", counted(step.files, "file"), bytes(step.bytes));
        let rest = match (step.done, step.remaining) {
            (true, _) => "the old key is gone".to_owned(),
            (false, 0) => "the old key is dropped by the next run that comes a day after the exchange began".to_owned(),
            (false, remaining) => format!("{} left for the next run", counted(remaining, "file")),
        };
        all_done &= step.done;
        context.screen.line(&format!("{id}: {sealed}; {rest}"))?;
        orgs.push(json!({ "org": id, "files": step.files, "bytes": step.bytes, "remaining": step.remaining, "done": step.done }));
    }
    Ok(Answer::with(json!({ "orgs": orgs, "done": all_done })))
}
