// SPDX-License-Identifier: Apache-2.0
//! `orgkeep compare`: what differs between two backups, or between a backup and the org as it is now.

use crate::cli::Unlocking;
use crate::context::Context;
use crate::failure::{Answer, Failure};
use crate::render;
use clap::Args;
use orgkeep_engine::{CompareOptions, Side};
use std::str::FromStr;

/// Shows what differs between two backups, or a backup and the live org
#[derive(Args, Debug)]
pub struct Arguments {
    /// Connector
    #[arg(value_name = "NAME")]
    name: String,

    /// Only this object, by its API name
    #[arg(value_name = "OBJECT")]
    object: Option<String>,

    /// Backup number that counts as before
    #[arg(long, value_name = "N")]
    from: u64,

    /// Backup number that counts as after, or `live` for the org as it is now
    #[arg(long, value_name = "M|live")]
    to: To,

    /// Changed records to show of each object
    #[arg(long, value_name = "N", default_value_t = 10)]
    details: usize,

    #[command(flatten)]
    unlocking: Unlocking,
}

#[derive(Clone, Copy, Debug)]
enum To {
    Backup(u64),
    Live,
}

impl FromStr for To {
    type Err = String;

    fn from_str(text: &str) -> Result<To, String> {
        if text.eq_ignore_ascii_case("live") {
            return Ok(To::Live);
        }
        text.parse().map(To::Backup).map_err(|_| "it is a backup number or the word live".to_owned())
    }
}

pub async fn run(arguments: Arguments, context: &Context) -> Result<Answer, Failure> {
    let connector = context.connector(&arguments.name)?;
    let vault = context.org_vault(&connector, &arguments.unlocking).await?;
    let org = match arguments.to {
        To::Live => Some(context.sign_in(&arguments.name, &connector).await?),
        To::Backup(_) => None,
    };
    let to = match (arguments.to, &org) {
        (To::Live, Some(org)) => Side::Live(org),
        (To::Backup(sequence), _) => Side::Backup(sequence),
        (To::Live, None) => return Err(Failure::new(crate::failure::Kind::Bug, "the live side has no org")),
    };
    let options = CompareOptions { object: arguments.object.clone(), details: arguments.details };
    let from = Side::Backup(arguments.from);
    let comparison = orgkeep_engine::compare(&vault, from, to, &options, &context.progress).await?;
    context.progress.clear();
    context.screen.show(&render::comparison(&comparison, context.screen.shape()))?;
    Ok(Answer::with(&comparison))
}
