// SPDX-License-Identifier: Apache-2.0
//! `orgkeep coverage`: what a backup holds of each object, what it does not, why, and what to do about it.

use crate::cli::Unlocking;
use crate::context::Context;
use crate::failure::{Answer, Failure};
use crate::render;
use clap::Args;
use orgkeep_engine::{CoverageOptions, State};

/// Shows what a backup covers: per object what the org had, what is held, and why they differ
#[derive(Args, Debug)]
pub struct Arguments {
    /// Connector
    #[arg(value_name = "NAME")]
    name: String,

    /// Only this object, with its fields
    #[arg(value_name = "OBJECT")]
    object: Option<String>,

    /// Backup number [default: the newest]
    #[arg(long, value_name = "N")]
    at: Option<u64>,

    /// Also read all rows and count the references that lead to no record of the backup
    #[arg(long)]
    references: bool,

    /// Exit with 3 unless the backup is green
    #[arg(long)]
    strict: bool,

    #[command(flatten)]
    unlocking: Unlocking,
}

pub async fn run(arguments: Arguments, context: &Context) -> Result<Answer, Failure> {
    let connector = context.connector(&arguments.name)?;
    let vault = context.org_vault(&connector, &arguments.unlocking).await?;
    let options =
        CoverageOptions { at: arguments.at, object: arguments.object.clone(), references: arguments.references };
    let coverage = orgkeep_engine::coverage(&vault, &options, &context.progress).await?;
    context.progress.clear();
    context.screen.show(&render::coverage(&coverage, &arguments.name, context.screen.shape()))?;
    let shortfall = (arguments.strict && coverage.state != State::Green)
        .then(|| format!("backup {} is not green", coverage.sequence));
    Ok(Answer::with(&coverage).partly(shortfall))
}
