// SPDX-License-Identifier: Apache-2.0
//! `orgkeep hold`: what must not be removed, whatever the policy says.

use crate::cli::Unlocking;
use crate::context::Context;
use crate::environment::{self, SystemClock};
use crate::failure::{Answer, Failure};
use crate::render;
use clap::Args;
use orgkeep_engine::{Held, hold};

/// Puts a backup or a record on hold, so that it is neither expired nor erased; lists what is on hold
#[derive(Args, Debug)]
pub struct Arguments {
    /// Connector
    #[arg(value_name = "NAME")]
    name: String,

    /// Backup that must not expire
    #[arg(long, value_name = "N", conflicts_with = "object")]
    backup: Option<u64>,

    /// Object of a record whose versions must all stay
    #[arg(long, value_name = "O", requires = "id")]
    object: Option<String>,

    /// The record
    #[arg(long, value_name = "ID", requires = "object")]
    id: Option<String>,

    /// Why, for whoever meets the hold
    #[arg(long, value_name = "TEXT", default_value = "legal hold")]
    reason: String,

    /// Lift the hold
    #[arg(long)]
    remove: bool,

    #[command(flatten)]
    unlocking: Unlocking,
}

pub async fn run(arguments: Arguments, context: &Context) -> Result<Answer, Failure> {
    let connector = context.connector(&arguments.name)?;
    let vault = context.org_vault(&connector, &arguments.unlocking).await?;
    let what = match (arguments.backup, &arguments.object, &arguments.id) {
        (Some(sequence), ..) => Some(Held::Backup(sequence)),
        (None, Some(object), Some(id)) => Some(Held::Record { object: object.clone(), id: id.clone() }),
        _ if arguments.remove => {
            return Err(Failure::invalid("it was not said which hold to lift")
                .hint("name it with --backup N, or --object O --id ID"));
        }
        _ => None,
    };
    let retention = match what {
        Some(what) => {
            let reason = (!arguments.remove).then_some(arguments.reason.as_str());
            hold(&vault, &what, reason, &environment::holder(), &SystemClock).await?
        }
        None => vault.retention().await?,
    };
    context.screen.show(&render::holds(&retention, context.screen.shape()))?;
    Ok(Answer::with(&retention))
}
