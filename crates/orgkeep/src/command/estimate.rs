// SPDX-License-Identifier: Apache-2.0
//! `orgkeep estimate`: what backups of an org will cost, before one is taken.

use super::backup::RECONCILE_DAYS;
use crate::cli::Unlocking;
use crate::context::Context;
use crate::failure::{Answer, Failure};
use crate::render;
use clap::Args;

/// Says what backups will cost in API calls, time and bytes, and what schedules would cost a day; takes none
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
    let org = context.sign_in(&arguments.name, &connector).await?;
    let reconcile_days = Some(connector.reconcile_days.unwrap_or(RECONCILE_DAYS));
    let estimate = orgkeep_engine::estimate(&org, &vault, reconcile_days).await?;
    context.screen.show(&render::estimate(&estimate, context.screen.shape()))?;
    Ok(Answer::with(&estimate))
}
