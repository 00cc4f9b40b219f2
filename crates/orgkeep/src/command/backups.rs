// SPDX-License-Identifier: Apache-2.0
//! `orgkeep backups`: which backups there are of an org.

use crate::cli::Unlocking;
use crate::context::Context;
use crate::failure::{Answer, Failure};
use crate::former::formers;
use crate::render;
use clap::Args;
use serde_json::json;

/// Lists the backups of an org
#[derive(Args, Debug)]
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
    let backups = orgkeep_engine::backups(&vault).await?;
    if backups.is_empty() {
        context.screen.say(&format!("no backup yet; run `orgkeep backup {}`", arguments.name));
    } else {
        context.screen.table(&render::backups(&backups))?;
    }
    let formers = formers(context, &connector, &vault).await?;
    for former in &formers {
        let (org, name) = (&former.org, former.name());
        context.screen.say(&format!(
            "\nBefore a refresh this sandbox was {org}, with backups of its own: `orgkeep backups {name}`"
        ));
    }
    Ok(Answer::with(json!({ "backups": backups, "formers": formers })))
}
