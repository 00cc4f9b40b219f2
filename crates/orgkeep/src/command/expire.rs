// SPDX-License-Identifier: Apache-2.0
//! `orgkeep expire`: lets go of backups that the retention policy no longer keeps.

use crate::cli::Unlocking;
use crate::context::Context;
use crate::environment::{self, SystemClock};
use crate::failure::{Answer, Failure};
use crate::render;
use clap::Args;
use orgkeep_engine::{ExpireOptions, expire, unexpire};
use orgkeep_vault::Policy;
use serde_json::json;

/// Lets go of backups that the policy no longer keeps; can be undone for some days
#[derive(Args, Debug)]
#[command(after_help = "\
A backup is kept if any rule keeps it, or a hold; without a rule everything is kept. Rules count backups from the newest on: --keep-daily 7 \
keeps the newest backup of each of the last seven days that have one. Times are UTC.

A backup that expires is hidden at once and removed by the first `orgkeep expire` after the time of grace. Until then --undo brings it back.")]
pub struct Arguments {
    /// Connector
    #[arg(value_name = "NAME")]
    name: String,

    /// Keep the newest N backups
    #[arg(long, value_name = "N", help_heading = "Policy [default: the one saved in the vault]")]
    keep_last: Option<u32>,

    /// Keep the newest of each of N hours
    #[arg(long, value_name = "N", help_heading = "Policy [default: the one saved in the vault]")]
    keep_hourly: Option<u32>,

    /// Keep the newest of each of N days
    #[arg(long, value_name = "N", help_heading = "Policy [default: the one saved in the vault]")]
    keep_daily: Option<u32>,

    /// Keep the newest of each of N weeks
    #[arg(long, value_name = "N", help_heading = "Policy [default: the one saved in the vault]")]
    keep_weekly: Option<u32>,

    /// Keep the newest of each of N months
    #[arg(long, value_name = "N", help_heading = "Policy [default: the one saved in the vault]")]
    keep_monthly: Option<u32>,

    /// Keep the newest of each of N years
    #[arg(long, value_name = "N", help_heading = "Policy [default: the one saved in the vault]")]
    keep_yearly: Option<u32>,

    /// Keep all that are at most so much older than the newest: 1y6m, 14d, 36h
    #[arg(long, value_name = "DURATION", help_heading = "Policy [default: the one saved in the vault]")]
    keep_within: Option<String>,

    /// Days between expiry and removal [default: 7]
    #[arg(long, value_name = "DAYS", help_heading = "Policy [default: the one saved in the vault]")]
    grace_days: Option<u32>,

    /// With --save: every backup expires and removes by itself what the policy says
    #[arg(long, requires = "save", help_heading = "Policy [default: the one saved in the vault]")]
    automatic: bool,

    /// Keep this policy in the vault
    #[arg(long, conflicts_with_all = ["dry_run", "undo"], help_heading = "Policy [default: the one saved in the vault]")]
    save: bool,

    /// Show what would go and change nothing
    #[arg(long, conflicts_with = "undo")]
    dry_run: bool,

    /// Bring expired backups back: backup N, or all of them
    #[arg(long, value_name = "N", num_args = 0..=1)]
    #[expect(clippy::option_option, reason = "clap's form of an option whose value may be left out")]
    undo: Option<Option<u64>>,

    #[command(flatten)]
    unlocking: Unlocking,
}

impl Arguments {
    fn policy(&self) -> Option<Policy> {
        let default = Policy::default();
        let policy = Policy {
            keep_last: self.keep_last.unwrap_or_default(),
            keep_hourly: self.keep_hourly.unwrap_or_default(),
            keep_daily: self.keep_daily.unwrap_or_default(),
            keep_weekly: self.keep_weekly.unwrap_or_default(),
            keep_monthly: self.keep_monthly.unwrap_or_default(),
            keep_yearly: self.keep_yearly.unwrap_or_default(),
            keep_within: self.keep_within.clone(),
            grace_days: self.grace_days.unwrap_or(default.grace_days),
            automatic: self.automatic,
        };
        // Saving without a rule takes the policy away: then everything is kept.
        (self.save || self.grace_days.is_some() || !policy.is_empty()).then_some(policy)
    }
}

pub async fn run(arguments: Arguments, context: &Context) -> Result<Answer, Failure> {
    let connector = context.connector(&arguments.name)?;
    let vault = context.org_vault(&connector, &arguments.unlocking).await?;
    let (screen, holder) = (&context.screen, environment::holder());
    if let Some(only) = arguments.undo {
        let back = unexpire(&vault, only, &holder, &SystemClock).await?;
        screen.line(&match back.as_slice() {
            [] => "No backup has expired".to_owned(),
            some => format!("Back again: {}", render::sequences(some)),
        })?;
        return Ok(Answer::with(json!({ "back": back })));
    }
    let options = ExpireOptions { policy: arguments.policy(), save: arguments.save, dry_run: arguments.dry_run };
    let report = expire(&vault, &options, &holder, &SystemClock).await?;
    screen.show(&render::expiry(&report))?;
    Ok(Answer::with(&report))
}
