// SPDX-License-Identifier: Apache-2.0
//! `orgkeep compact`: merges the small files of a vault now, which backups do by themselves when there are many.

use crate::cli::Unlocking;
use crate::context::Context;
use crate::environment::{self, SystemClock};
use crate::failure::{Answer, Failure};
use crate::number::{bytes, counted, grouped};
use clap::Args;

/// Merges the many small files that backups leave in the vault; backups do it by themselves
#[derive(Args, Debug)]
#[command(after_help = "\
Every version of every record stays. The old files remain in the vault for a day, for those who are reading them, and are \
removed by the first backup after that.")]
pub struct Arguments {
    /// Connector
    #[arg(value_name = "NAME")]
    name: String,

    #[command(flatten)]
    unlocking: Unlocking,
}

pub async fn run(arguments: Arguments, context: &Context) -> Result<Answer, Failure> {
    let connector = context.connector(&arguments.name)?;
    let vault = context.org_vault(&connector, &arguments.unlocking).await?;
    let done = orgkeep_engine::compact(&vault, &environment::holder(), &SystemClock).await?;
    context.screen.line(&if done.tables == 0 {
        "There is nothing to merge: no table has many small files".to_owned()
    } else {
        format!(
            "Merged {} of {} ({}) into {} ({})",
            counted(done.files_before, "file"),
            counted(done.tables, "table"),
            bytes(done.bytes_before),
            grouped(done.files_after),
            bytes(done.bytes_after)
        )
    })?;
    Ok(Answer::with(done))
}
