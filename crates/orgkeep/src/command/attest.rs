// SPDX-License-Identifier: Apache-2.0
//! `orgkeep attest`: a small file that says what a backup was, and whether it still is.

use crate::cli::Unlocking;
use crate::config::replace;
use crate::context::Context;
use crate::environment;
use crate::failure::{Answer, Failure, Kind};
use crate::number::counted;
use crate::render;
use clap::Args;
use orgkeep_vault::Attestation;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Writes down what a backup is, signed, to be held against the vault later by whoever keeps the file
#[derive(Args, Debug)]
#[command(after_help = "\
Give the file to someone who has no key to the vault. With --verify the backup is read again from its rows and compared \
with the file, object by object; with --verify and without NAME only the file itself is looked at: whether its signature \
and its contents fit each other.")]
pub struct Arguments {
    /// Connector; may be left out with --verify
    #[arg(value_name = "NAME", required_unless_present = "verify")]
    name: Option<String>,

    /// Backup number [default: the newest]
    #[arg(value_name = "N", conflicts_with = "verify")]
    at: Option<u64>,

    /// File to write [default: the standard output]
    #[arg(long, value_name = "FILE", conflicts_with = "verify")]
    output: Option<PathBuf>,

    /// Say whether what this file attests is so
    #[arg(long, value_name = "FILE")]
    verify: Option<PathBuf>,

    #[command(flatten)]
    unlocking: Unlocking,
}

pub async fn run(arguments: Arguments, context: &Context) -> Result<Answer, Failure> {
    match (&arguments.verify, &arguments.name) {
        (Some(file), None) => by_itself(file, context),
        (Some(file), Some(name)) => verify(file, name, &arguments.unlocking, context).await,
        (None, Some(name)) => write(name, &arguments, context).await,
        (None, None) => Err(Failure::invalid("neither a connector nor a file to verify was named")),
    }
}

async fn write(name: &str, arguments: &Arguments, context: &Context) -> Result<Answer, Failure> {
    let screen = &context.screen;
    if screen.json() && arguments.output.is_none() {
        return Err(Failure::invalid(
            "with --json the standard output carries events, so the attestation needs a file",
        )
        .hint("name one with --output FILE"));
    }
    let connector = context.connector(name)?;
    let vault = context.org_vault(&connector, &arguments.unlocking).await?;
    let at = match arguments.at {
        Some(at) => at,
        None => {
            let none = || {
                Failure::new(Kind::NotFound, "there is no backup to attest yet")
                    .hint(format!("take one: `orgkeep backup {name}`"))
            };
            vault.newest().await?.ok_or_else(none)?.sequence
        }
    };
    let attestation = vault.attest(at).await?;
    let statement = attestation.verified()?;
    let Some(path) = &arguments.output else {
        screen.show(&String::from_utf8_lossy(&attestation.to_json()))?;
        return Ok(Answer::default());
    };
    replace(path, &attestation.to_json(), false)
        .map_err(|error| Failure::caused(Kind::Invalid, format!("could not write {}", path.display()), &error))?;
    screen.say(&format!(
        "backup {at} with {} attested in {}",
        counted(objects(&attestation), "object"),
        path.display()
    ));
    Ok(Answer::with(json!({
        "output": environment::absolute(path).display().to_string(),
        "statement": statement,
        "objects": objects(&attestation),
    })))
}

fn objects(attestation: &Attestation) -> u64 {
    attestation.state.len() as u64
}

fn read(path: &Path) -> Result<Attestation, Failure> {
    let bytes = std::fs::read(path)
        .map_err(|error| Failure::caused(Kind::NotFound, format!("could not read {}", path.display()), &error))?;
    Ok(Attestation::parse(&bytes)?)
}

fn by_itself(path: &Path, context: &Context) -> Result<Answer, Failure> {
    let attestation = read(path)?;
    let statement = attestation.verified()?;
    context.screen.show(&render::statement(&statement, objects(&attestation)))?;
    context.screen.say("The file fits itself. Give a connector's name as well to hold it against a vault.");
    Ok(Answer::with(json!({ "statement": statement, "objects": objects(&attestation) })))
}

async fn verify(path: &Path, name: &str, unlocking: &Unlocking, context: &Context) -> Result<Answer, Failure> {
    let attestation = read(path)?;
    let connector = context.connector(name)?;
    let vault = context.org_vault(&connector, unlocking).await?;
    let verification = vault.verify(&attestation, &mut |_| {}).await?;
    let screen = &context.screen;
    screen.show(&render::verification(&verification, screen.shape()))?;
    if verification.holds() {
        return Ok(Answer::with(&verification));
    }
    screen.record(&crate::progress::tagged("attestation", &verification))?;
    let backup = verification.statement.sequence;
    if verification.in_chain && !verification.kept {
        return Err(Failure::new(Kind::NotFound, format!("backup {backup} was removed since it was attested"))
            .hint("its seal is still in the vault's chain; its records are not kept any more"));
    }
    Err(Failure::new(Kind::Corrupt, format!("backup {backup} is not what was attested"))
        .hint("`orgkeep check NAME` looks for damage; a vault put back from a copy differs too"))
}
