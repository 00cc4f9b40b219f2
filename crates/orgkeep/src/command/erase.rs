// SPDX-License-Identifier: Apache-2.0
//! `orgkeep erase`: takes records, and what hangs on them, out of all backups for good.

use crate::cli::Unlocking;
use crate::config;
use crate::context::Context;
use crate::environment::{self, SystemClock};
use crate::failure::{Answer, Failure, Kind};
use crate::former::formers;
use crate::number::{counted, grouped};
use crate::{prompt, render};
use clap::Args;
use orgkeep_vault::OrgVault;
use std::path::PathBuf;

/// Erases records, and what hangs on them, from all backups for good
#[derive(Args, Debug)]
#[command(after_help = "\
With a record go its children by cascading delete, its history, shares and feed, its activities, notes, attachments and e-mails, \
and files that are linked to nothing else. Other records that refer to it keep the Id, which then leads nowhere.

The org is not touched: delete the record there as well. Later backups do not store it again, even where it is still in the org. \
Copies of the vault, exports and other files outside of it are not reached.")]
pub struct Arguments {
    /// Connector
    #[arg(value_name = "NAME")]
    name: String,

    /// Object, by its API name
    #[arg(long, value_name = "O")]
    object: String,

    /// Record to erase; may be given several times
    #[arg(long = "id", value_name = "ID", required = true)]
    ids: Vec<String>,

    /// Show what would be erased and change nothing
    #[arg(long)]
    dry_run: bool,

    /// Erase without asking
    #[arg(long, short = 'y', conflicts_with = "dry_run")]
    yes: bool,

    /// File for the certificate that says what was erased, as JSON
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,

    #[command(flatten)]
    unlocking: Unlocking,
}

pub async fn run(arguments: Arguments, context: &Context) -> Result<Answer, Failure> {
    let connector = context.connector(&arguments.name)?;
    let vault = context.org_vault(&connector, &arguments.unlocking).await?;
    let screen = &context.screen;
    let (object, ids) = (&arguments.object, &arguments.ids);
    if arguments.dry_run || !arguments.yes {
        let planned = orgkeep_engine::erasure(&vault, object, ids, &SystemClock).await?;
        screen.show(&render::erasure(&planned, screen.shape()))?;
        if arguments.dry_run {
            return Ok(Answer::with(&planned));
        }
        let records: u64 = planned.records.values().sum();
        confirm(&format!("\nErase {} from all backups for good? [y/N]", counted(records, "record")), context)?;
    }
    let certificate = orgkeep_engine::erase(&vault, object, ids, &environment::holder(), &SystemClock).await?;
    screen.show(&render::erasure(&certificate, screen.shape()))?;
    if let Some(path) = &arguments.certificate {
        let mut json = serde_json::to_vec_pretty(&certificate).expect("a certificate has only text keys");
        json.push(b'\n');
        config::replace(path, &json, false)
            .map_err(|error| Failure::caused(Kind::Invalid, format!("could not write {}", path.display()), &error))?;
        screen.say(&format!("wrote the certificate to {}", path.display()));
    }
    for former in formers(context, &connector, &vault).await? {
        // Not by itself: an Id of before may have become another record's.
        if holds(&former.vault, object, ids).await {
            let (name, ids) = (former.name(), ids.iter().map(|id| format!(" --id {id}")).collect::<String>());
            screen.say(&format!(
                "warning: the sandbox had it before its refresh as well, and those backups still do: `orgkeep erase {name} --object {object}{ids}`"
            ));
        }
    }
    let still = grouped(certificate.ids.len() as u64);
    screen.say(&format!("the org itself was not touched: delete {object} ({still}) there as well"));
    Ok(Answer::with(&certificate))
}

/// Whether a backup of an org has one of the records. What cannot be told is not worth failing for: the erasure is done.
async fn holds(org: &OrgVault, object: &str, ids: &[String]) -> bool {
    for id in ids {
        if orgkeep_engine::history(org, object, id).await.is_ok_and(|versions| !versions.is_empty()) {
            return true;
        }
    }
    false
}

fn confirm(question: &str, context: &Context) -> Result<(), Failure> {
    match prompt::agreed(question, &context.screen)? {
        Some(true) => Ok(()),
        Some(false) => Err(Failure::new(Kind::Interrupted, "not confirmed; nothing was erased")),
        None => Err(Failure::invalid("the erasure was not confirmed; nothing was erased")
            .hint("look at it with --dry-run, then give --yes; on a terminal you are asked")),
    }
}
