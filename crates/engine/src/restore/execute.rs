// SPDX-License-Identifier: Apache-2.0
//! One restore under way: its plan, its ledger, and what the ledger already tells.

use super::ledger::{self, Line, Progress};
use super::plan::{Item, Plan, Step};
use super::select::Source;
use super::target::{Described, Target};
use super::{Refused, RestoreReport, rules};
use crate::browse::cell;
use crate::error::{Error, Result};
use crate::event::{Action, Clock, Event, Monitor};
use crate::lineage::Lineage;
use futures::stream::TryStreamExt;
use orgkeep_salesforce::{Field, Writer};
use orgkeep_vault::{Batch, OrgVault, RestoreLedger};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

pub(super) struct Execution<'a> {
    pub plan: &'a Plan,
    pub writer: Writer,
    pub ledger: RestoreLedger,
    pub source: Source<'a>,
    pub clock: &'a dyn Clock,
    pub monitor: &'a dyn Monitor,
    /// With what this restore has created so far.
    pub lineage: Lineage,
    described: HashMap<String, Arc<Described>>,
    progress: Progress,
    report: RestoreReport,
    /// Per step, records that Salesforce refused.
    refused_in: HashMap<usize, u64>,
    same_org: bool,
}

/// A record to be written: its item of the plan and its row in the backup.
#[derive(Clone)]
pub(super) struct Record<'p> {
    pub item: &'p Item,
    pub batch: Arc<Batch>,
    pub row: usize,
}

impl Record<'_> {
    pub fn value(&self, field: &str) -> Option<String> {
        cell(&self.batch, self.row, field)
    }
}

impl<'a> Execution<'a> {
    pub async fn new(
        vault: &'a OrgVault,
        plan: &'a Plan,
        writer: Writer,
        ledger: RestoreLedger,
        progress: Progress,
        clock: &'a dyn Clock,
        monitor: &'a dyn Monitor,
    ) -> Result<Execution<'a>> {
        let source = Source::open(vault, plan.backup).await?;
        let lineage = Lineage::into_target(vault, &plan.target_org).await?;
        let mut described = HashMap::new();
        {
            let mut target = Target::new(writer.org()).await?;
            let objects: BTreeSet<&String> = plan.steps.iter().map(|step| &step.object).collect();
            for object in objects {
                let found = target.describe(object).await?.ok_or_else(|| {
                    Error::busy(format!("the target org has no object {object} any more")).hint("make a new plan")
                })?;
                described.insert(object.clone(), found);
            }
        }
        let report = RestoreReport {
            restore: ledger.id().to_owned(),
            not_written: plan.not_written_lines(),
            missing: plan.missing.clone(),
            ..RestoreReport::default()
        };
        let same_org = plan.source_org == plan.target_org;
        let mut execution = Execution {
            plan,
            writer,
            ledger,
            source,
            clock,
            monitor,
            lineage,
            described,
            progress,
            report,
            refused_in: HashMap::new(),
            same_org,
        };
        execution.recall();
        Ok(execution)
    }

    /// Counts what was done before an interruption.
    fn recall(&mut self) {
        let settled: Vec<(usize, u64)> =
            self.progress.settled.iter().map(|(step, ids)| (*step, ids.len() as u64)).collect();
        let failed = std::mem::take(&mut self.progress.failed);
        for (step, records) in settled {
            let failed = failed.iter().filter(|(at, ..)| *at == step).count() as u64;
            let there = self.progress.there.get(&step).copied().unwrap_or_default();
            self.count(step, records - failed - there);
            self.report.already_there += there;
        }
        for (step, id, reason) in failed {
            self.refuse(step, id, reason);
        }
    }

    pub fn described(&self, object: &str) -> &Arc<Described> {
        &self.described[object]
    }

    /// Records that are to be written and whose stamp has moved mean that somebody works on them.
    ///
    /// A restore that is continued has moved stamps itself, and more than those of the records it wrote: an account out of the bin
    /// takes back its place in the lookups that were cleared with it. So then only what another user has edited counts.
    pub async fn refuse_moved(&self, continued: bool) -> Result<()> {
        for (number, step) in self.plan.steps.iter().enumerate().filter(|(_, step)| step.action == Action::Update) {
            let spec = &self.described(&step.object).spec;
            let Some(stamp) = spec.stamp.clone() else { continue };
            let expected: HashMap<&str, &str> = step
                .records
                .iter()
                .filter(|item| !self.progress.is_settled(number, &item.id))
                .filter_map(|item| Some((item.current(), item.stamp.as_deref()?)))
                .collect();
            let ids: Vec<String> = expected.keys().map(|id| (*id).to_owned()).collect();
            if ids.is_empty() {
                continue;
            }
            let mut columns = vec!["Id".to_owned(), stamp];
            columns.extend(
                ["LastModifiedById", "LastModifiedDate"]
                    .map(str::to_owned)
                    .into_iter()
                    .filter(|name| spec.position(name).is_some()),
            );
            let rows = self.writer.org().retrieve(&step.object, &ids, &columns).await?;
            let cell = |row: usize, name: &str| rows.column(name).and_then(|column| rows.cell(row, column));
            let user = self.writer.org().identity().user_id.as_str();
            let untouched: HashSet<&str> = (0..rows.len())
                .filter_map(|row| {
                    let id = rows.cell(row, 0)?;
                    let stamp = *expected.get(id)?;
                    let ours = continued
                        && (cell(row, "LastModifiedById") == Some(user)
                            || cell(row, "LastModifiedDate").is_some_and(|edited| edited <= stamp));
                    (ours || rows.cell(row, 1) == Some(stamp)).then_some(id)
                })
                .collect();
            let moved: Vec<&str> = expected.keys().filter(|id| !untouched.contains(*id)).copied().collect();
            if let Some(first) = moved.iter().min() {
                return Err(Error::busy(format!(
                    "{} records of {} changed in the org since the plan was made, among them {first}",
                    moved.len(),
                    step.object
                ))
                .hint("make a new plan; it will show what they are now"));
            }
        }
        Ok(())
    }

    pub async fn step(&mut self, number: usize) -> Result<()> {
        let step = &self.plan.steps[number];
        let open: Vec<&Item> = step.records.iter().filter(|item| !self.progress.is_settled(number, &item.id)).collect();
        self.monitor.event(&Event::StepStarted {
            step: number + 1,
            steps: self.plan.steps.len(),
            action: step.action,
            object: step.object.clone(),
            records: step.records.len() as u64,
        });
        if !open.is_empty() {
            match step.action {
                Action::Undelete => self.undelete(number, &open).await?,
                Action::Create => self.create(number, &open).await?,
                Action::Upload => self.upload(number, &open).await?,
                Action::Update | Action::Relink => self.update(number, &open).await?,
            }
        }
        let failed = self.refused_in.get(&number).copied().unwrap_or_default();
        let settled = self.progress.settled.get(&number).map_or(0, HashSet::len) as u64;
        self.monitor.event(&Event::StepFinished { step: number + 1, done: settled - failed, failed });
        let usage = self.writer.org().usage();
        self.monitor.event(&Event::Allowance {
            calls: usage.calls.values().sum(),
            org_used: usage.org_used,
            org_max: usage.org_max,
        });
        Ok(())
    }

    pub async fn finish(self) -> Result<RestoreReport> {
        let line = Line::Finished { at: self.clock.now(), interrupted: false };
        ledger::append(&self.ledger, &[line]).await?;
        let report = self.report;
        self.monitor.event(&Event::RestoreFinished {
            restore: report.restore.clone(),
            undeleted: report.undeleted,
            created: report.created + report.uploaded,
            updated: report.updated + report.relinked,
            failed: report.failed,
        });
        Ok(report)
    }

    /// Notes what is about to be sent.
    pub async fn intend(&self, step: usize, ids: Vec<String>, job: Option<String>) -> Result<()> {
        ledger::append(&self.ledger, &[Line::Intent { step, at: self.clock.now(), job, ids }]).await
    }

    /// Notes what became of records, here and in the ledger.
    pub async fn settle(&mut self, step: usize, outcomes: Vec<(String, Outcome)>) -> Result<()> {
        let lines: Vec<Line> = outcomes
            .iter()
            .map(|(id, outcome)| match outcome {
                Outcome::Done(new_id) => Line::Done { step, id: id.clone(), new_id: new_id.clone(), there: false },
                Outcome::There(now) => Line::Done { step, id: id.clone(), new_id: Some(now.clone()), there: true },
                Outcome::Refused(reason) => Line::Failed { step, id: id.clone(), reason: reason.clone() },
            })
            .collect();
        ledger::append(&self.ledger, &lines).await?;
        for (id, outcome) in outcomes {
            self.progress.settled.entry(step).or_default().insert(id.clone());
            match outcome {
                Outcome::Done(new_id) => {
                    if let Some(new_id) = new_id {
                        self.lineage.add(&id, new_id);
                    }
                    self.count(step, 1);
                }
                Outcome::There(now) => {
                    self.lineage.add(&id, now);
                    self.report.already_there += 1;
                }
                Outcome::Refused(reason) => self.refuse(step, id, reason),
            }
        }
        let done = self.progress.settled.get(&step).map_or(0, HashSet::len) as u64;
        self.monitor.event(&Event::StepProgress { step: step + 1, records: done });
        Ok(())
    }

    /// Notes the new Id of a record that came along with another one.
    pub async fn also(&mut self, id: &str, new_id: &str) -> Result<()> {
        let line = Line::Along { id: id.to_owned(), new_id: new_id.to_owned() };
        ledger::append(&self.ledger, &[line]).await?;
        self.lineage.add(id, new_id);
        Ok(())
    }

    fn count(&mut self, step: usize, records: u64) {
        let report = &mut self.report;
        *match self.plan.steps[step].action {
            Action::Undelete => &mut report.undeleted,
            Action::Create => &mut report.created,
            Action::Upload => &mut report.uploaded,
            Action::Update => &mut report.updated,
            Action::Relink => &mut report.relinked,
        } += records;
    }

    fn refuse(&mut self, step: usize, id: String, reason: String) {
        let Step { action, object, .. } = &self.plan.steps[step];
        self.report.failed += 1;
        *self.refused_in.entry(step).or_default() += 1;
        self.report.refused.push(Refused { object: object.clone(), id, action: *action, reason });
    }

    /// Rows of these records in the backup, in the order of the items.
    pub async fn records<'p>(&self, object: &str, items: &[&'p Item]) -> Result<Vec<Record<'p>>> {
        let by_id: HashMap<&str, &'p Item> = items.iter().map(|item| (item.id.as_str(), *item)).collect();
        let mut found: HashMap<&str, Record<'p>> = HashMap::new();
        let ids = items.iter().map(|item| item.id.clone()).collect();
        let mut batches = self.source.rows(object, None, Some(ids)).await?;
        while let Some(batch) = batches.try_next().await? {
            let batch = Arc::new(batch);
            for row in 0..batch.len() {
                if let Some((id, item)) = by_id.get_key_value(batch.id(row)) {
                    found.insert(id, Record { item, batch: batch.clone(), row });
                }
            }
        }
        items
            .iter()
            .map(|item| {
                found.get(item.id.as_str()).cloned().ok_or_else(|| {
                    Error::invalid(format!(
                        "the plan names {object} {}, which backup {} does not hold",
                        item.id, self.plan.backup
                    ))
                })
            })
            .collect()
    }

    /// Fields of a record that are written now.
    pub fn fields<'s>(&self, step: &'s Step, item: &'s Item) -> Vec<&'s str> {
        match step.action {
            Action::Update | Action::Relink => item.fields.iter().map(String::as_str).collect(),
            _ => step
                .fields
                .iter()
                .filter(|field| !item.later.contains(field) && !item.dropped.contains(field))
                .filter(|field| !rules::withheld(&step.object, field))
                .map(String::as_str)
                .collect(),
        }
    }

    /// The value to write for a value of the backup. A reference that has no counterpart in another org has none.
    pub fn mapped(&self, field: &Field, value: &str) -> Option<String> {
        if field.field_type.name() != "reference" {
            return Some(value.to_owned());
        }
        if let Some(twin) = self.plan.references.get(&format!("{}:{value}", field.name)) {
            return Some(twin.clone());
        }
        if let Some(made) = self.lineage.made(value) {
            return Some(made.to_owned());
        }
        match self.plan.references.get(value) {
            Some(twin) => Some(twin.clone()),
            None => self.same_org.then(|| value.to_owned()),
        }
    }

    /// The Id under which an existing record of the target is written.
    pub fn target_id(&self, item: &Item) -> String {
        match &item.target_id {
            Some(id) => self.lineage.current(id).to_owned(),
            None => self.lineage.current(&item.id).to_owned(),
        }
    }
}

/// What became of one record.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    /// With the Id it has in the target.
    Done(Option<String>),
    /// It was there already: the org made it, or brought it back, with another record.
    There(String),
    Refused(String),
}
