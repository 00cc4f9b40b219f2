// SPDX-License-Identifier: Apache-2.0
//! `orgkeep backup`: takes one backup of a connector's org, or continues one that was interrupted.

use crate::cli::Unlocking;
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

    #[command(flatten)]
    unlocking: Unlocking,
}

pub async fn run(arguments: Arguments, context: &Context) -> Result<Answer, Failure> {
    let connector = context.connector(&arguments.name)?;
    let vault = context.org_vault(&connector, &arguments.unlocking).await?;
    let org = context.sign_in(&arguments.name, &connector).await?;
    let options = BackupOptions { full: arguments.full, holder: environment::holder(), ..BackupOptions::default() };
    let report = backup(&org, &vault, &options, &SystemClock, &context.progress).await?;
    context.screen.show(&render::backup(&report, context.screen.shape()))?;
    Ok(Answer::with(&report).partly(render::backup_shortfall(&report)))
}
