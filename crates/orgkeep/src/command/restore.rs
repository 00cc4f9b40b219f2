// SPDX-License-Identifier: Apache-2.0
//! `orgkeep restore`: plan, show, ask, apply.
//!
//! The plan is the only thing that is ever applied. `--plan FILE` keeps it: a dry run writes the file (over an older one),
//! and so does a first run; a run that finds the file applies exactly that, and continues it when it was interrupted.

use crate::cli::Unlocking;
use crate::config;
use crate::context::Context;
use crate::environment::SystemClock;
use crate::failure::{Answer, Failure, Kind};
use crate::number::{counted, grouped};
use crate::prompt;
use crate::render;
use clap::Args;
use orgkeep_engine::{Filter, Plan, PlanOptions, Selection, apply, plan};
use orgkeep_salesforce::{Org, Writer};
use orgkeep_vault::OrgVault;
use serde_json::json;
use std::io;
use std::path::{Path, PathBuf};

/// Puts records back as they were in a backup: plans, shows the plan, asks, applies
#[derive(Args, Debug)]
#[command(group = clap::ArgGroup::new("selection").args(["ids", "condition", "changes_since"]))]
pub struct Arguments {
    /// Connector whose backups are restored from
    #[arg(value_name = "NAME")]
    name: String,

    /// Backup number to restore from
    #[arg(long, value_name = "N", required_unless_present = "plan", requires = "selection")]
    at: Option<u64>,

    /// Object of the records, by its API name
    #[arg(long, value_name = "O", requires = "at")]
    object: Option<String>,

    /// Record Ids of 15 or 18 characters
    #[arg(long = "id", value_name = "ID", requires = "object", num_args = 1..)]
    ids: Vec<String>,

    /// Records that satisfied this condition in the backup, in the syntax of a SOQL WHERE
    #[arg(long = "where", value_name = "EXPR", requires = "object")]
    condition: Option<String>,

    /// Every record that changed between backup M and the newest backup; 0 selects every record
    #[arg(long, value_name = "M", requires = "at", conflicts_with = "object")]
    changes_since: Option<u64>,

    /// Also what hangs on these records, all the way down
    #[arg(long, requires = "at")]
    related: bool,

    /// Connector to write through: another org, or the same org by a login that may write [default: NAME]
    #[arg(long, value_name = "NAME2")]
    to: Option<String>,

    /// Leave out objects and fields that the target org does not have
    #[arg(long, requires = "at")]
    skip_missing: bool,

    /// Show the plan and write nothing to the org
    #[arg(long)]
    dry_run: bool,

    /// File for the plan: written if it does not exist or with --dry-run, else applied as it is
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,

    /// Apply without asking
    #[arg(long, short = 'y', conflicts_with = "dry_run")]
    yes: bool,

    #[command(flatten)]
    unlocking: Unlocking,
}

pub async fn run(arguments: Arguments, context: &Context) -> Result<Answer, Failure> {
    let selection = selection(&arguments)?;
    let given = given_plan(&arguments)?;
    let connector = context.connector(&arguments.name)?;
    let target_name = arguments.to.as_ref().unwrap_or(&arguments.name);
    let target_connector = context.connector(target_name)?;
    let vault = context.org_vault(&connector, &arguments.unlocking).await?;
    let target = context.sign_in(target_name, &target_connector).await?;

    // 1. The plan: from the file, or made now and kept in the file.
    let plan = match (given, selection) {
        (Some(plan), _) => {
            let made = plan.made.format("%Y-%m-%d %H:%M UTC");
            context.screen.say(&format!("using the plan that was made {made}; selecting options are not used"));
            checked(plan, &arguments, &connector.org_id, &target)?
        }
        (None, Some(selection)) => {
            let plan = make(&arguments, selection, &vault, &target, context).await?;
            if let Some(path) = &arguments.plan {
                keep(&plan, path, context)?;
            }
            plan
        }
        (None, None) => return Err(nothing_selected(&arguments)),
    };
    let screen = &context.screen;
    context.progress.clear();
    screen.show(&render::plan(&plan, screen.shape()))?;
    screen.record(&crate::progress::tagged("plan", json!({ "plan": plan.summary(), "missing": plan.missing })))?;

    // 2. A dry run ends here, and so does a plan that cannot be applied.
    let file = arguments.plan.as_ref().map(|path| path.display().to_string());
    let answer = |applied: bool| json!({ "applied": applied, "plan_file": file, "records": plan.records() });
    if arguments.dry_run {
        return Ok(Answer::with(answer(false)));
    }
    if !plan.missing.is_empty() && !plan.skip_missing {
        return Err(Failure::invalid(format!(
            "the target org lacks objects or fields that this plan needs ({} in all); nothing was written",
            grouped(plan.missing.len() as u64)
        ))
        .hint("create them in the target org, or leave them out with --skip-missing"));
    }
    if plan.is_empty() {
        return Ok(Answer::with(answer(false)));
    }

    // 3. Ask, apply, say what was done.
    confirm(&arguments, &plan, context)?;
    let report = apply(&vault, &plan, Writer::new(target), &SystemClock, &context.progress).await?;
    context.progress.clear();
    screen.show(&format!("\n{}", render::restore(&report, screen.shape())))?;
    let shortfall = (report.failed > 0).then(|| format!("{} could not be written", counted(report.failed, "record")));
    let mut answer = Answer::with(&report).partly(shortfall);
    answer.fields.insert("applied".to_owned(), true.into());
    Ok(answer)
}

fn selection(arguments: &Arguments) -> Result<Option<Selection>, Failure> {
    Ok(match (&arguments.object, &arguments.condition, arguments.changes_since) {
        (_, _, Some(sequence)) => Some(Selection::ChangesSince(sequence)),
        (Some(object), Some(condition), _) => {
            Some(Selection::Where { object: object.clone(), filter: Filter::parse(condition)? })
        }
        (Some(object), None, _) => Some(Selection::Records { object: object.clone(), ids: arguments.ids.clone() }),
        (None, ..) => None,
    })
}

/// The plan in the file, where there is one and it is to be applied.
fn given_plan(arguments: &Arguments) -> Result<Option<Plan>, Failure> {
    let Some(path) = arguments.plan.as_ref().filter(|_| !(arguments.dry_run && arguments.at.is_some())) else {
        return Ok(None);
    };
    match std::fs::read(path) {
        Ok(json) => Ok(Some(Plan::from_json(&json).map_err(|error| Failure::from(error).about(path.display()))?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::caused(Kind::Invalid, format!("could not read {}", path.display()), &error)),
    }
}

fn nothing_selected(arguments: &Arguments) -> Failure {
    let path = arguments.plan.as_deref().map(|path| path.display().to_string()).unwrap_or_default();
    Failure::new(Kind::NotFound, format!("there is no plan in {path}")).hint(
        "check the name, or make a plan: --at N with --object O --id ID, --object O --where EXPR or --changes-since M",
    )
}

/// A plan is made for one backup and one pair of orgs.
fn checked(plan: Plan, arguments: &Arguments, source: &str, target: &Org) -> Result<Plan, Failure> {
    if let Some(at) = arguments.at.filter(|at| *at != plan.backup) {
        return Err(Failure::invalid(format!("the plan restores from backup {}, not from {at}", plan.backup))
            .hint("name the plan's backup, or make a new plan under another file name"));
    }
    let target = &target.identity().org_id;
    if plan.source_org != source || plan.target_org != *target {
        return Err(Failure::invalid(format!(
            "the plan restores {} into {}, these connectors lead from {source} to {target}",
            plan.source_org, plan.target_org
        ))
        .hint("name the connectors that the plan was made with, or make a new plan under another file name"));
    }
    Ok(plan)
}

async fn make(
    arguments: &Arguments,
    selection: Selection,
    vault: &OrgVault,
    target: &Org,
    context: &Context,
) -> Result<Plan, Failure> {
    let options = PlanOptions {
        at: arguments.at.unwrap_or_default(),
        selection,
        related: arguments.related,
        skip_missing: arguments.skip_missing,
    };
    Ok(plan(vault, target, &options, &SystemClock, &context.progress).await?)
}

fn keep(plan: &Plan, path: &Path, context: &Context) -> Result<(), Failure> {
    config::replace(path, &plan.to_json(), true)
        .map_err(|error| Failure::caused(Kind::Invalid, format!("could not write {}", path.display()), &error))?;
    context.screen.say(&format!("wrote the plan to {}", path.display()));
    Ok(())
}

fn confirm(arguments: &Arguments, plan: &Plan, context: &Context) -> Result<(), Failure> {
    if arguments.yes {
        return Ok(());
    }
    let question = format!("\nWrite {} records to the org? [y/N]", grouped(plan.records()));
    match prompt::agreed(&question, &context.screen)? {
        Some(true) => Ok(()),
        Some(false) => Err(Failure::new(Kind::Interrupted, "not confirmed; nothing was written")),
        None => Err(Failure::invalid("the restore was not confirmed; nothing was written")
            .hint("review the plan, then give --yes; on a terminal you are asked")),
    }
}
