// SPDX-License-Identifier: Apache-2.0
//! Putting records back, into the same org or another one.
//!
//! 1. [`plan`] selects, holds every selected record against the target, and decides: take out of the recycle bin, create, update, or
//!    leave with a reason. It reads and never writes. What an interrupted restore left open is settled first.
//! 2. [`apply`] executes a plan step by step. What is about to be sent is noted in the ledger, then sent, then what
//!    became of each record is noted. It is the only place that holds the handle that writes to an org.
//!
//! An interrupted restore is continued by applying its plan again, or by a new plan: either sees the new Ids that the ledger knows.
//! A record that Salesforce refuses is an outcome with its reason, not an error.

mod decide;
mod execute;
pub(crate) mod ledger;
mod names;
mod order;
mod plan;
pub(crate) mod rules;
mod select;
mod settle;
mod target;
mod write;

pub use plan::{Item, Missing, NotWritten, NotWrittenLine, PLAN_FORMAT, Plan, PlanSummary, Step, StepLine};

use crate::error::{Error, Result};
use crate::event::{Action, Clock, Event, Monitor};
use crate::filter::Filter;
use crate::lineage::Lineage;
use decide::Decisions;
use execute::Execution;
use ledger::Progress;
use names::Names;
use order::{Node, Reference};
use orgkeep_salesforce::{Org, Writer};
use orgkeep_vault::{OrgVault, RestoreLedger};
use select::Source;
use serde::Serialize;
use std::collections::BTreeMap;
use target::Target;

/// What a person picked to restore.
#[derive(Clone, Debug)]
pub enum Selection {
    Records {
        object: String,
        ids: Vec<String>,
    },
    Where {
        object: String,
        filter: Filter,
    },
    /// What differs between this backup and the newest one; 0 is everything.
    ChangesSince(u64),
}

impl Selection {
    fn words(&self) -> String {
        match self {
            Selection::Records { object, ids } if ids.len() == 1 => format!("{object} {}", ids[0]),
            Selection::Records { object, ids } => format!("{} records of {object}", ids.len()),
            Selection::Where { object, filter } => format!("{object} where {}", filter.text()),
            Selection::ChangesSince(0) => "everything".into(),
            Selection::ChangesSince(since) => format!("what changed since backup {since}"),
        }
    }
}

#[derive(Clone, Debug)]
pub struct PlanOptions {
    /// The backup whose state is wanted.
    pub at: u64,
    pub selection: Selection,
    /// Everything below the selected records too.
    pub related: bool,
    /// Go on without what the target org lacks.
    pub skip_missing: bool,
}

/// What a restore did.
#[derive(Clone, Debug, Default, Serialize)]
pub struct RestoreReport {
    pub restore: String,
    pub undeleted: u64,
    pub created: u64,
    pub uploaded: u64,
    pub updated: u64,
    pub relinked: u64,
    /// Records that the org made, or brought back, along with others.
    pub already_there: u64,
    pub failed: u64,
    /// Records that Salesforce refused, with its words.
    pub refused: Vec<Refused>,
    /// What the plan left alone, whole records or parts of them.
    pub not_written: Vec<NotWrittenLine>,
    /// What the target org did not have.
    pub missing: Vec<Missing>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Refused {
    pub object: String,
    pub id: String,
    pub action: Action,
    pub reason: String,
}

/// Computes what a restore would do. Writes nothing to the org; in the vault it may complete the ledger of an interrupted restore.
///
/// # Errors
/// `NotFound` for a backup, object, field or Id that is not there; `Invalid` for a selection that makes no sense.
pub async fn plan(
    vault: &OrgVault,
    target: &Org,
    options: &PlanOptions,
    clock: &dyn Clock,
    monitor: &dyn Monitor,
) -> Result<Plan> {
    settle::interrupted(vault, target, None, clock, monitor).await?;
    let identity = target.identity();
    let same_org = identity.org_id == vault.id();
    let source = Source::open(vault, options.at).await?;
    let wanted = select::select(&source, options, monitor).await?;
    let erased = select::erased(&source, options).await?;

    let mut target_org = Target::new(target).await?;
    let lineage = Lineage::into_target(vault, &identity.org_id).await?;
    let names = Names::load(&source, &target_org, same_org).await?;
    let mut decisions = Decisions::new(&source, &names, &lineage, same_org);
    decisions.decide(&mut target_org, wanted, monitor).await?;
    let steps = steps(&source, &mut target_org, &mut decisions).await?;
    Ok(Plan {
        format: PLAN_FORMAT,
        made: clock.now(),
        source_org: vault.id().to_owned(),
        target_org: identity.org_id.clone(),
        target_username: identity.username.clone(),
        backup: source.point.sequence,
        selection: options.selection.words() + if options.related { ", with all that is below" } else { "" },
        steps,
        missing: decisions.missing(),
        skip_missing: options.skip_missing,
        not_written: decisions.not_written().into_iter().chain(erased).collect(),
        references: std::mem::take(&mut decisions.references),
    })
}

/// Adds to a lineage which records of another org's set-up stand for those of a backup.
pub(crate) async fn add_twins(vault: &OrgVault, at: u64, org: &Org, lineage: &mut Lineage) -> Result<()> {
    let source = Source::open(vault, at).await?;
    let names = Names::load(&source, &Target::new(org).await?, false).await?;
    names.pairs().for_each(|(old, new)| lineage.add(old, new));
    Ok(())
}

/// Steps in the order of execution: out of the bin parents first, then creations level by level, then updates, then lookups that had to wait.
async fn steps(source: &Source<'_>, target: &mut Target<'_>, decisions: &mut Decisions<'_>) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    let mut undelete = std::mem::take(&mut decisions.undelete);
    let objects: Vec<String> = undelete.keys().cloned().collect();
    for object in parents_first(source, &objects) {
        let records = undelete.remove(&object).unwrap_or_default();
        steps.push(Step { action: Action::Undelete, object, fields: Vec::new(), records });
    }

    // A lookup to a file waits for its first version, which makes it.
    let mut nodes = std::mem::take(&mut decisions.create);
    for reference in nodes.iter_mut().flat_map(|node| &mut node.references) {
        if let Some(version) = decisions.first_version.get(&reference.to) {
            reference.to.clone_from(version);
        }
    }
    let order = order::order(&nodes);
    for place in &order.impossible {
        decisions.leave_impossible(&nodes[*place].object, &nodes[*place].id);
    }
    let mut later: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for (place, field) in order.cut {
        later.entry(place).or_default().push(field);
    }
    for (object, places) in order.levels.into_iter().flatten() {
        let described =
            target.describe(&object).await?.ok_or_else(|| Error::bug(format!("{object} vanished from the target")))?;
        let action = if described.spec.body.is_some() { Action::Upload } else { Action::Create };
        let fields = decisions.create_fields.get(&object).into_iter().flatten().cloned().collect();
        let records = places
            .into_iter()
            .map(|place| Item {
                id: nodes[place].id.clone(),
                later: later.get(&place).cloned().unwrap_or_default(),
                dropped: decisions.dropped.get(&nodes[place].id).cloned().unwrap_or_default(),
                ..Item::default()
            })
            .collect();
        steps.push(Step { action, object, fields, records });
    }
    for (object, mut records) in std::mem::take(&mut decisions.update) {
        records.retain(|item| !item.fields.is_empty());
        if !records.is_empty() {
            steps.push(Step { action: Action::Update, object, fields: Vec::new(), records });
        }
    }
    let mut relink: BTreeMap<String, Vec<Item>> = BTreeMap::new();
    for (place, fields) in later {
        let item = Item { id: nodes[place].id.clone(), fields, ..Item::default() };
        relink.entry(nodes[place].object.clone()).or_default().push(item);
    }
    for (object, records) in relink {
        steps.push(Step { action: Action::Relink, object, fields: Vec::new(), records });
    }
    Ok(steps)
}

/// Objects in such an order that taking a record out of the bin finds its parent out of it.
fn parents_first(source: &Source<'_>, objects: &[String]) -> Vec<String> {
    let nodes: Vec<Node> = objects
        .iter()
        .map(|object| {
            let fields = source.describes.get(object).map(|describe| describe.fields.as_slice()).unwrap_or_default();
            let references = fields
                .iter()
                .flat_map(|field| field.reference_to.iter().map(move |to| (field, to)))
                .filter(|(_, to)| *to != object && objects.contains(to))
                .map(|(field, to)| Reference { field: field.name.clone(), to: to.clone(), required: false })
                .collect();
            Node { object: object.clone(), id: object.clone(), references }
        })
        .collect();
    order::order(&nodes).levels.into_iter().flat_map(|level| level.into_keys()).collect()
}

/// Executes a plan. Applying a plan whose restore was interrupted continues it.
///
/// # Errors
/// `Busy` where a record changed since the plan was made; `Invalid` where the target lacks what the plan needs. After `Unreachable`,
/// `Limited` or `Denied` the same plan continues where it stopped.
pub async fn apply(
    vault: &OrgVault,
    plan: &Plan,
    writer: Writer,
    clock: &dyn Clock,
    monitor: &dyn Monitor,
) -> Result<RestoreReport> {
    refuse_unfit(vault, plan, &writer)?;
    settle::interrupted(vault, writer.org(), Some(plan), clock, monitor).await?;
    let (ledger, continued) = open(vault, plan).await?;
    let progress = Progress::of(ledger::lines(&ledger).await?);
    let mut execution = Execution::new(vault, plan, writer, ledger, progress, clock, monitor).await?;
    monitor.event(&Event::RestoreStarted {
        restore: execution.ledger.id().to_owned(),
        steps: plan.steps.len(),
        records: plan.records(),
        continued,
    });
    execution.refuse_moved(continued).await?;
    for number in 0..plan.steps.len() {
        execution.step(number).await?;
    }
    execution.finish().await
}

fn refuse_unfit(vault: &OrgVault, plan: &Plan, writer: &Writer) -> Result<()> {
    let identity = writer.org().identity();
    if plan.target_org != identity.org_id || plan.source_org != vault.id() {
        return Err(Error::invalid(format!(
            "the plan takes records of org {} to org {}, and this connection is to {}",
            plan.source_org, plan.target_org, identity.org_id
        ))
        .hint("make a plan for this org"));
    }
    let Some(first) = plan.missing.first().filter(|_| !plan.skip_missing) else { return Ok(()) };
    let what = match &first.field {
        Some(field) => format!("field {}.{field}", first.object),
        None => format!("object {}", first.object),
    };
    let more = if plan.missing.len() > 1 {
        format!(" and {} more are missing", plan.missing.len() - 1)
    } else {
        String::new()
    };
    Err(Error::invalid(format!("the target org has no {what}, which {} records need{more}", first.records))
        .hint("deploy it to the target org, or restore without it by --skip-missing"))
}

/// The ledger of this very plan if it was not finished, or a new one.
async fn open(vault: &OrgVault, plan: &Plan) -> Result<(RestoreLedger, bool)> {
    let digest = plan.digest();
    if let Some(last) = vault.restores().await?.pop() {
        let ledger = vault.restore_open(&last).await?;
        let same = ledger::plan(&ledger).await?.digest() == digest;
        if same && !Progress::of(ledger::lines(&ledger).await?).finished {
            return Ok((ledger, true));
        }
    }
    Ok((vault.restore_create(&plan.to_json()).await?, false))
}
