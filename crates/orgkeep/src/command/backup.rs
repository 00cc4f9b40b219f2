// SPDX-License-Identifier: Apache-2.0
//! `orgkeep backup`: takes one backup of a connector's org, or continues one that was interrupted.

use crate::cli::Unlocking;
use crate::config::Seen;
use crate::context::Context;
use crate::environment::{self, SystemClock};
use crate::failure::{Answer, Failure};
use crate::render;
use clap::Args;
use orgkeep_engine::{BackupOptions, backup};

/// Backs up what changed since the last backup; the first one takes everything
#[derive(Args, Debug)]
pub struct Arguments {
    /// Connector
    #[arg(value_name = "NAME")]
    name: String,

    /// Read everything again and compare it with what is held: finds hard-deleted records and changed formulas
    #[arg(long)]
    full: bool,

    /// Go on in a vault that does not contain the backups this machine has seen in it: one put back from an older copy
    #[arg(long)]
    accept_older_vault: bool,

    #[command(flatten)]
    unlocking: Unlocking,
}

pub async fn run(arguments: Arguments, context: &Context) -> Result<Answer, Failure> {
    let connector = context.connector(&arguments.name)?;
    let vault = context.org_vault(&connector, &arguments.unlocking).await?;
    let seen = Seen::beside(context.config()?.path());
    if !arguments.accept_older_vault {
        seen.verify(&vault, &arguments.name).await?;
    }
    let org = context.sign_in(&arguments.name, &connector).await?;
    let options = BackupOptions { full: arguments.full, holder: environment::holder(), ..BackupOptions::default() };
    let report = backup(&org, &vault, &options, &SystemClock, &context.progress).await?;
    if let Err(failure) = seen.note(&vault, report.line.sequence).await {
        // The backup is made; what is lost is that its absence would be noticed.
        context.screen.say(failure.text().trim_end());
    }
    context.screen.show(&render::backup(&report, context.screen.shape()))?;
    Ok(Answer::with(&report).partly(render::backup_shortfall(&report)))
}
