// SPDX-License-Identifier: Apache-2.0
//! `orgkeep backup`: takes one backup of a connector's org, or continues one that was interrupted.

use crate::cli::Unlocking;
use crate::config::Seen;
use crate::context::Context;
use crate::environment::{self, SystemClock};
use crate::failure::{Answer, Failure};
use crate::number::{counted, grouped};
use crate::render;
use chrono::TimeDelta;
use clap::Args;
use orgkeep_engine::{BackupOptions, Clock as _, ExpireOptions, Reconcile, backup, expire, expiring};
use orgkeep_salesforce::AtTheReserve;
use orgkeep_vault::{Lock, OrgVault};

/// How much of the content an exchange of keys seals anew after each backup.
const SEALED_ANEW_BYTES: u64 = 256 * 1024 * 1024;

/// Backs up what changed since the last backup; the first one takes everything
#[derive(Args, Debug)]
pub struct Arguments {
    /// Connector
    #[arg(value_name = "NAME")]
    name: String,

    /// Read everything again and compare it with what is held: finds hard-deleted records and changed formulas
    #[arg(long)]
    full: bool,

    /// Hold all Ids, and the values of formula and roll-up fields, against the org's now: finds what was deleted or missed without a trace,
    /// without reading everything. Backups do it by themselves every so many days (`reconcile_days` of the connector)
    #[arg(long, conflicts_with = "full")]
    reconcile: bool,

    /// Share of the org's daily API requests, others' use counted, at which the backup pauses until the org has allowance again, in percent
    /// [default: what `connect` was given, else 50]
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(1..=100))]
    api_share: Option<u8>,

    /// Stop at that share instead of waiting; the next backup continues
    #[arg(long)]
    no_wait: bool,

    /// Fetch the bodies of files up to about so much, such as 500MB or 10GB, newest first; the next backup goes on with the rest
    /// [default: what `connect` was given, else all]
    #[arg(long, value_name = "SIZE", value_parser = crate::number::amount)]
    file_budget: Option<u64>,

    /// Go on in a vault that does not contain the backups this machine has seen in it: one put back from an older copy
    #[arg(long)]
    accept_older_vault: bool,

    #[command(flatten)]
    unlocking: Unlocking,
}

/// Days after which Ids and formulas are held against the org's.
pub const RECONCILE_DAYS: u32 = 7;

/// Percent of the org's daily API requests.
const API_SHARE: u8 = 50;

pub async fn run(arguments: Arguments, context: &Context) -> Result<Answer, Failure> {
    let connector = context.connector(&arguments.name)?;
    let vault = context.org_vault(&connector, &arguments.unlocking).await?;
    let seen = Seen::beside(context.config()?.path());
    if !arguments.accept_older_vault {
        seen.verify(&vault, &arguments.name).await?;
    }
    let share = arguments.api_share.or(connector.api_share).unwrap_or(API_SHARE);
    let at_the_reserve = if arguments.no_wait { AtTheReserve::Refuse } else { AtTheReserve::Wait };
    let org = context.sign_in_sharing(&arguments.name, &connector, share, at_the_reserve).await?;
    let reconcile = match connector.reconcile_days.unwrap_or(RECONCILE_DAYS) {
        _ if arguments.reconcile => Reconcile::Now,
        0 => Reconcile::Never,
        days => Reconcile::After(TimeDelta::days(days.into())),
    };
    let options = BackupOptions {
        full: arguments.full,
        reconcile,
        holder: environment::holder(),
        file_budget_bytes: arguments.file_budget.or(connector.file_budget_bytes),
        ..BackupOptions::default()
    };
    let report = backup(&org, &vault, &options, &SystemClock, &context.progress).await?;
    // The backup is made, whatever becomes of these.
    if vault.rotating() {
        let seal = async |lock: &Lock| vault.continue_rotation(lock, SEALED_ANEW_BYTES, lock.at()).await;
        if let Err(error) = vault.alone(&environment::holder(), SystemClock.now(), seal).await {
            context.screen.say(Failure::from(error).text().trim_end());
        }
    }
    let unlocked = keep_locked(&vault, context).await;
    if let Err(failure) = seen.note(&vault, report.line.sequence).await {
        // The backup is made; what is lost is that its absence would be noticed.
        context.screen.say(failure.text().trim_end());
    }
    context.screen.show(&render::backup(&report, context.screen.shape()))?;
    for object in report.objects.iter().filter(|object| object.erased > 0) {
        let (name, erased) = (&object.object, grouped(object.erased));
        context.screen.say(&format!("{name}: erased here, still in the org and not kept: {erased}"));
    }
    if let Err(failure) = let_go(&vault, &arguments.name, context).await {
        // The backup is finished whatever becomes of older ones.
        context.screen.say(&format!("warning: older backups could not be looked at: {}", failure.text().trim_end()));
    }
    Ok(Answer::with(&report).partly(render::backup_shortfall(&report).or(unlocked)))
}

/// Makes the locks longer that the storage has on what the backups need, also on those of the orgs that this one was before, which nobody
/// backs up any more. Says what went wrong, if anything did.
async fn keep_locked(vault: &OrgVault, context: &Context) -> Option<String> {
    if !vault.may_be_locked() {
        return None;
    }
    let mut wrong = None;
    let formers = vault.formers().await.unwrap_or_else(|error| {
        wrong = Some(format!("the orgs before a refresh are not known: {error}"));
        Vec::new()
    });
    for org in std::iter::once(vault).chain(&formers) {
        let renew = async |lock: &Lock| org.renew_locks(lock).await;
        match org.alone(&environment::holder(), SystemClock.now(), renew).await {
            Ok(Some(locked)) => {
                context.screen.say(&render::locked(&locked, &format!("the backups of {}", org.id())));
            }
            Ok(None) => {}
            Err(error) => {
                context.screen.say(&format!("warning: {}", Failure::from(error).text().trim_end()));
                wrong = Some(format!("files of {} could not be locked for longer", org.id()));
            }
        }
    }
    wrong
}

/// Expires what the vault's policy no longer keeps, or says how many backups that are.
async fn let_go(vault: &OrgVault, name: &str, context: &Context) -> Result<(), Failure> {
    match expiring(vault, &SystemClock).await? {
        Some((backups, true)) if backups > 0 => {
            let done = expire(vault, &ExpireOptions::default(), &environment::holder(), &SystemClock).await?;
            context.screen.say(render::expiry(&done).trim_end());
        }
        Some((backups, _)) if backups > 0 => context.screen.say(&format!(
            "the policy no longer keeps {}; `orgkeep expire {name}` lets go of them",
            counted(backups as u64, "backup")
        )),
        _ => {}
    }
    Ok(())
}
