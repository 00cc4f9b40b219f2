// SPDX-License-Identifier: Apache-2.0
//! `orgkeep init`: makes a vault. The recovery key is shown here and nowhere else, ever.

use crate::cli;
use crate::context::Context;
use crate::failure::{Answer, Failure};
use crate::{environment, secret};
use clap::Args;
use orgkeep_salesforce::Secret;
use orgkeep_vault::{Location, Protection, RecoveryKey, Vault};
use serde_json::json;
use std::path::PathBuf;

/// Creates a vault in an empty place and prints its recovery key, once
#[derive(Args, Debug)]
pub struct Arguments {
    /// A folder, or a URL such as s3://bucket/folder, gs://bucket/folder or az://container/folder
    #[arg(value_name = "VAULT")]
    vault: String,

    /// File with the passphrase [else: $ORGKEEP_PASSPHRASE, a prompt]
    #[arg(long, value_name = "F", conflicts_with = "unencrypted")]
    passphrase_file: Option<PathBuf>,

    /// Store everything readable, for a place that encrypts by itself
    #[arg(long)]
    unencrypted: bool,
}

pub async fn run(arguments: Arguments, context: &Context) -> Result<Answer, Failure> {
    let place = cli::vault_place(&arguments.vault);
    let about = |error: orgkeep_vault::Error| Failure::from(error).about(format!("vault at {place}"));
    let location = Location::parse(&place).map_err(about)?;
    let protection = if arguments.unencrypted {
        Protection::None
    } else {
        Protection::Passphrase(new_passphrase(&arguments)?.expose().into())
    };
    let opened = location.open(environment::storage_variables()).map_err(about)?;
    let (vault, recovery_key) = Vault::init(opened, protection).await.map_err(about)?;

    let screen = &context.screen;
    match &recovery_key {
        Some(key) => screen.show(&explained(&place, key))?,
        None => screen.line(&format!(
            "Created an unencrypted vault at {place}\n\n\
             Whoever can read that place can read every record in it. It has no passphrase and no recovery key."
        ))?,
    }
    screen.say(&format!("\nNext: orgkeep connect NAME --vault {place} --url URL …"));
    Ok(Answer::with(json!({
        "vault": place,
        "id": vault.id().to_string(),
        "encrypted": vault.encrypted(),
        "recovery_key": recovery_key.map(|key| key.to_string()),
    })))
}

fn explained(place: &str, key: &RecoveryKey) -> String {
    format!(
        "Created an encrypted vault at {place}\n\n\
         Recovery key:\n\n    {key}\n\n\
         Write it down now: it is not stored anywhere and is not shown again. It opens the vault when the passphrase is\n\
         lost (put it into a file and give that with --recovery-key-file). Keep it away from the vault and from this\n\
         machine. Without passphrase and recovery key nobody can read the vault, and nobody can help.\n"
    )
}

fn new_passphrase(arguments: &Arguments) -> Result<Secret, Failure> {
    if let Some(path) = &arguments.passphrase_file {
        return secret::from_file(path, "passphrase");
    }
    if let Some(passphrase) = environment::variable(environment::PASSPHRASE) {
        return Ok(passphrase.into());
    }
    let Some(first) = secret::from_prompt("Passphrase for the new vault")? else {
        return Err(Failure::invalid("no passphrase was given for the new vault").hint(
            "give --passphrase-file FILE, set ORGKEEP_PASSPHRASE, run on a terminal to be asked, or choose --unencrypted",
        ));
    };
    let second = secret::from_prompt("The same once more")?;
    if second.is_none_or(|second| second.expose() != first.expose()) {
        return Err(Failure::invalid("the two passphrases are not the same").hint("run the command again"));
    }
    Ok(first)
}
