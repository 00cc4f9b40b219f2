// SPDX-License-Identifier: Apache-2.0
//! After an interruption: what became of records that were about to be sent.
//!
//! REST has no way to say that two requests are the same one, so after a lost reply the org is asked. A Bulk job is asked for its
//! results by its id, which the ledger has. Records sent by a collections call are looked for among those that this user
//! wrote since: the same content is the same record. Files are found by their checksum among their fields. Updates and undeletes need
//! no such thing: doing them twice is doing them once.

use super::execute::{Execution, Outcome, Record};
use super::ledger::{self, Line, OpenIntent, Progress};
use super::plan::{Item, Plan};
use super::target::typed;
use super::write::fingerprint;
use crate::error::Result;
use crate::event::{Action, Clock, Event, Monitor};
use chrono::{DateTime, Duration, SecondsFormat, Utc};
use futures::stream::TryStreamExt;
use orgkeep_salesforce::{IngestJob, JobState, Operation, Org, Scope, Writer};
use orgkeep_vault::OrgVault;
use std::collections::{HashMap, HashSet};

/// The org's clock and ours may differ by so much.
const CLOCK_DIFFERENCE: Duration = Duration::hours(1);

/// Settles restores into this org that were interrupted. All but the one of `plan`, which goes on, are closed.
pub(super) async fn interrupted(
    vault: &OrgVault,
    target: &Org,
    plan: Option<&Plan>,
    clock: &dyn Clock,
    monitor: &dyn Monitor,
) -> Result<()> {
    let going_on = plan.map(Plan::digest);
    for id in vault.restores().await? {
        let ledger = vault.restore_open(&id).await?;
        let progress = Progress::of(ledger::lines(&ledger).await?);
        if progress.finished {
            continue;
        }
        let plan = ledger::plan(&ledger).await?;
        if plan.target_org != target.identity().org_id {
            continue;
        }
        let goes_on = going_on.as_ref() == Some(&plan.digest());
        if !goes_on {
            monitor.event(&Event::Notice {
                message: format!("restore {id} was interrupted; asking the org what became of its last records"),
                hint: None,
            });
        }
        let open = progress.open.clone();
        let writer = Writer::new(target.clone());
        let mut execution = Execution::new(vault, &plan, writer, ledger.clone(), progress, clock, monitor).await?;
        for intent in open {
            execution.settle_intent(intent).await?;
        }
        if !goes_on {
            ledger::append(&ledger, &[Line::Finished { at: clock.now(), interrupted: true }]).await?;
        }
    }
    Ok(())
}

impl Execution<'_> {
    async fn settle_intent(&mut self, intent: OpenIntent) -> Result<()> {
        let plan = self.plan;
        let step = &plan.steps[intent.step];
        let open: HashSet<&String> = intent.ids.iter().collect();
        let items: Vec<&Item> = step.records.iter().filter(|item| open.contains(&item.id)).collect();
        let records = self.records(&step.object, &items).await?;
        let operation = match step.action {
            Action::Create | Action::Upload => Operation::Insert,
            _ => Operation::Update,
        };
        match intent.job {
            Some(job) => self.settle_job(intent.step, &job, &operation, &records).await,
            None if operation == Operation::Insert => {
                let found = self.find_created(intent.step, &records, intent.at).await?;
                let created: Vec<(Record<'_>, String)> = records
                    .into_iter()
                    .filter_map(|record| found.get(&record.item.id).map(|id| (record, id.clone())))
                    .collect();
                let outcomes =
                    created.iter().map(|(r, id)| (r.item.id.clone(), Outcome::Done(Some(id.clone())))).collect();
                self.settle(intent.step, outcomes).await?;
                self.note_documents(&step.object, &created).await
            }
            None => Ok(()),
        }
    }

    async fn settle_job(
        &mut self,
        number: usize,
        id: &str,
        operation: &Operation,
        records: &[Record<'_>],
    ) -> Result<()> {
        let object = &self.plan.steps[number].object;
        let job = IngestJob::resume(&self.writer, id.to_owned(), object);
        let state = match job.state().await {
            Ok(info) => info.state,
            // The org forgets jobs after seven days (`salesforce-api.md` 3.3); what they wrote is found as any record is.
            Err(error) if error.kind == orgkeep_salesforce::Kind::NotFound => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        if matches!(state, JobState::Open | JobState::Aborted) {
            // Never closed, so nothing of it was written.
            if state == JobState::Open {
                job.abort().await?;
            }
            return Ok(());
        }
        let columns = self.bulk_columns(number, operation, records);
        let mut sent: HashMap<u128, Vec<String>> = HashMap::new();
        for record in records {
            let cells = self.bulk_cells(number, operation, &columns, record);
            sent.entry(fingerprint(cells.iter().map(Option::as_deref))).or_default().push(record.item.id.clone());
        }
        self.bulk_results(number, &job, operation, sent).await
    }

    /// Looks for records that were sent for creation, by their content, among those this user wrote since. Backup Id to new Id.
    pub(super) async fn find_created(
        &self,
        number: usize,
        records: &[Record<'_>],
        since: DateTime<Utc>,
    ) -> Result<HashMap<String, String>> {
        let step = &self.plan.steps[number];
        let described = self.described(&step.object).clone();
        let Some(stamp) = described.spec.stamp.as_deref() else { return Ok(HashMap::new()) };
        let since = (since - CLOCK_DIFFERENCE).to_rfc3339_opts(SecondsFormat::Millis, true);
        let mut condition = format!("{stamp} >= {since}");
        if described.field("LastModifiedById").is_some() {
            condition.push_str(&format!(" AND LastModifiedById = '{}'", self.writer.org().identity().user_id));
        }
        let known: HashSet<&str> = self.lineage.pairs().map(|(_, new)| new).collect();
        let checksum = described.spec.body.as_ref().and_then(|body| body.checksum.clone());
        let mut wanted: Vec<(&Record<'_>, Vec<(String, String)>)> = records
            .iter()
            .map(|record| {
                let sent = self
                    .fields(step, record.item)
                    .into_iter()
                    .filter(|name| !matches!(*name, "ContentDocumentId" | "FirstPublishLocationId"));
                let mut values: Vec<(String, String)> = sent
                    .filter_map(|name| {
                        let field = described.field(name)?;
                        Some((name.to_owned(), record.value(name).and_then(|value| self.mapped(field, &value))?))
                    })
                    .collect();
                values.extend(checksum.as_ref().and_then(|name| Some((name.clone(), record.value(name)?))));
                (record, values)
            })
            .collect();
        let mut found = HashMap::new();
        let soql = described.spec.select(Some(&condition));
        let mut pages = self.writer.org().query(&soql, &described.spec.fields, Scope::Live);
        while let Some(rows) = pages.try_next().await? {
            let batch = typed(&described.spec, &rows)?;
            for row in 0..batch.len() {
                let new_id = batch.id(row);
                if known.contains(new_id) || found.values().any(|id| id == new_id) {
                    continue;
                }
                let same = |values: &[(String, String)]| {
                    values.iter().all(|(name, value)| crate::browse::cell(&batch, row, name).as_ref() == Some(value))
                };
                if let Some(place) = wanted.iter().position(|(_, values)| same(values)) {
                    let (record, _) = wanted.swap_remove(place);
                    found.insert(record.item.id.clone(), new_id.to_owned());
                }
            }
        }
        Ok(found)
    }
}
