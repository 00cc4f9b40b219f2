// SPDX-License-Identifier: Apache-2.0
//! `orgkeep show`: one record, as it was or through time.

use crate::cli::Unlocking;
use crate::context::Context;
use crate::failure::{Answer, Failure};
use crate::render;
use clap::Args;
use serde_json::json;

/// Shows one record as a backup holds it, or its whole history
#[derive(Args, Debug)]
pub struct Arguments {
    /// Connector
    #[arg(value_name = "NAME")]
    name: String,

    /// Object, by its API name
    #[arg(value_name = "OBJECT")]
    object: String,

    /// Record Id of 15 or 18 characters
    #[arg(value_name = "ID")]
    id: String,

    /// Backup number [default: the newest]
    #[arg(long, value_name = "N")]
    at: Option<u64>,

    /// Every version the vault holds, oldest first, with what changed
    #[arg(long, conflicts_with = "at")]
    history: bool,

    #[command(flatten)]
    unlocking: Unlocking,
}

pub async fn run(arguments: Arguments, context: &Context) -> Result<Answer, Failure> {
    let connector = context.connector(&arguments.name)?;
    let vault = context.org_vault(&connector, &arguments.unlocking).await?;
    let screen = &context.screen;
    if arguments.history {
        let versions = orgkeep_engine::history(&vault, &arguments.object, &arguments.id).await?;
        screen.show(&render::history(&versions))?;
        return Ok(Answer::with(json!({ "object": arguments.object, "id": arguments.id, "versions": versions })));
    }
    let record = orgkeep_engine::record(&vault, &arguments.object, &arguments.id, arguments.at).await?;
    screen.show(&render::record(&record))?;
    Ok(Answer::with(&record))
}
