// SPDX-License-Identifier: Apache-2.0
//! `orgkeep check`: whether everything the vault should hold of an org is there and readable.

use crate::cli::Unlocking;
use crate::context::Context;
use crate::failure::{Answer, Failure, Kind};
use crate::number::{bytes, counted};
use crate::render;
use clap::Args;

/// Reads the vault and says whether everything in it is whole
#[derive(Args, Debug)]
pub struct Arguments {
    /// Connector
    #[arg(value_name = "NAME")]
    name: String,

    /// Only look whether every file is there and has its size; do not read what is in it
    #[arg(long)]
    quick: bool,

    #[command(flatten)]
    unlocking: Unlocking,
}

pub async fn run(arguments: Arguments, context: &Context) -> Result<Answer, Failure> {
    let connector = context.connector(&arguments.name)?;
    let vault = context.org_vault(&connector, &arguments.unlocking).await?;
    let report = orgkeep_engine::check(&vault, !arguments.quick, &context.progress).await?;
    context.progress.clear();
    let screen = &context.screen;
    let extent = format!("{}, {}", counted(report.files, "file"), bytes(report.bytes));
    if report.damage.is_empty() {
        screen
            .line(&format!("Everything is whole: {extent} {}", if arguments.quick { "looked at" } else { "read" }))?;
        return Ok(Answer::with(&report));
    }
    screen.table(&render::damage(&report))?;
    // The findings are data and go into the stream of events; the last line then says how it ended.
    screen.record(&crate::progress::tagged("damage", &report))?;
    Err(Failure::new(
        Kind::Corrupt,
        format!("{} of {extent} damaged", counted(report.damage.len() as u64, "place")),
    )
    .hint("what is not named above is still readable; bring the named files back from a copy of the vault, or take `orgkeep backup --full` to hold what the org still has"))
}
