// SPDX-License-Identifier: Apache-2.0
//! Sending records: collections of 200 rows, Bulk jobs for many, SOAP for the recycle bin, one request per file.

use super::execute::{Execution, Outcome, Record};
use super::plan::{BULK_ROWS, Item, ROWS_PER_CALL};
use super::rules;
use crate::backup::{IDS_PER_QUERY, hash_of, in_list};
use crate::error::{Error, Result};
use crate::event::Action;
use bytes::Bytes;
use futures::stream::{StreamExt, TryStreamExt};
use orgkeep_salesforce::{Body, IngestJob, Kind as ApiKind, Operation, RowError, RowResult, RowStream, Scope, csv};
use serde_json::{Map, Value};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// CSV of one Bulk job. Salesforce allows 100 MB (`salesforce-api.md` 3.3); this much is held in memory.
const JOB_BYTES: usize = 24 * 1024 * 1024;
/// A Bulk field may have so many characters (`salesforce-api.md` 3.2).
const BULK_FIELD_CHARACTERS: usize = 32_000;
/// How Bulk writes null; a text that reads so must go another way.
const BULK_NULL: &str = "#N/A";
/// Files whose intent is noted together.
const FILES_PER_INTENT: usize = 20;
/// A row that another transaction has locked is sent again so many times.
const LOCK_RETRIES: usize = 4;
const LOCK_PAUSE: Duration = Duration::from_secs(5);

type Outcomes = Vec<(String, Outcome)>;

impl Execution<'_> {
    pub(super) async fn undelete(&mut self, number: usize, items: &[&Item]) -> Result<()> {
        let object = self.plan.steps[number].object.clone();
        for chunk in items.chunks(ROWS_PER_CALL) {
            let ids: Vec<String> = chunk.iter().map(|item| self.target_id(item)).collect();
            let refused = self.out_of_the_bin(&object, ids.clone()).await?;
            let outcomes = chunk
                .iter()
                .zip(&ids)
                .map(|(item, id)| {
                    let outcome = match refused.get(id) {
                        Some(reason) => Outcome::Refused(reason.clone()),
                        None => Outcome::Done(None),
                    };
                    (item.id.clone(), outcome)
                })
                .collect();
            self.settle(number, outcomes).await?;
        }
        Ok(())
    }

    /// Takes records out of the recycle bin; gives those that are still in it, with the org's words.
    async fn out_of_the_bin(&self, object: &str, mut ids: Vec<String>) -> Result<HashMap<String, String>> {
        for attempt in 0.. {
            let answer = self.writer.undelete(&ids).await;
            let mut refused: HashMap<String, String> = match &answer {
                Ok(results) => {
                    ids.iter().zip(results).filter(|(_, r)| !r.success).map(|(id, r)| (id.clone(), words(r))).collect()
                }
                Err(error) if error.sent => ids.iter().map(|id| (id.clone(), error.to_string())).collect(),
                Err(_) => HashMap::new(),
            };
            // Its parent may have taken it along, or a lost reply may have been a success.
            let asked: Vec<String> = refused.keys().cloned().collect();
            let out = self.existing(object, &asked).await?;
            refused.retain(|id, _| !out.contains(id));
            match answer {
                Err(error) if !error.sent || attempt >= LOCK_RETRIES && !refused.is_empty() => return Err(error.into()),
                Err(_) if !refused.is_empty() => ids.retain(|id| refused.contains_key(id)),
                _ => return Ok(refused),
            }
        }
        Ok(HashMap::new())
    }

    pub(super) async fn existing(&self, object: &str, ids: &[String]) -> Result<BTreeSet<String>> {
        if ids.is_empty() {
            return Ok(BTreeSet::new());
        }
        let rows = self.writer.org().retrieve(object, ids, &["Id".to_owned()]).await?;
        Ok((0..rows.len()).filter_map(|row| rows.cell(row, 0)).map(str::to_owned).collect())
    }

    pub(super) async fn create(&mut self, number: usize, items: &[&Item]) -> Result<()> {
        for chunk in items.chunks(BULK_ROWS * 10) {
            let object = self.plan.steps[number].object.clone();
            let records = self.records(&object, chunk).await?;
            let records = self.take_what_is_there(number, records).await?;
            let (bulk, rest): (Vec<Record<'_>>, Vec<Record<'_>>) = match records.len() >= BULK_ROWS {
                true => records.into_iter().partition(|record| self.fits_bulk(number, record)),
                false => (Vec::new(), records),
            };
            if !bulk.is_empty() {
                self.bulk(number, Operation::Insert, bulk).await?;
            }
            for rows in rest.chunks(ROWS_PER_CALL) {
                self.create_rows(number, rows.to_vec()).await?;
            }
        }
        Ok(())
    }

    /// Creates up to 200 records, each once, also where a reply is lost.
    async fn create_rows(&mut self, number: usize, mut records: Vec<Record<'_>>) -> Result<()> {
        let object = self.plan.steps[number].object.clone();
        for attempt in 0.. {
            let ids: Vec<String> = records.iter().map(|record| record.item.id.clone()).collect();
            self.intend(number, ids, None).await?;
            let rows: Vec<Map<String, Value>> = records.iter().map(|record| self.row(number, record)).collect();
            let mut again = Vec::new();
            let outcomes: Outcomes = match self.writer.create(&object, &rows).await {
                Ok(results) => {
                    let mut outcomes = Vec::new();
                    for (record, result) in records.into_iter().zip(&results) {
                        if locked(result) && attempt < LOCK_RETRIES {
                            again.push(record);
                        } else {
                            outcomes.push((record.item.id.clone(), outcome(result)));
                        }
                    }
                    outcomes
                }
                Err(error) if error.sent => {
                    let found = self.find_created(number, &records, self.clock.now()).await?;
                    let (there, missing): (Vec<_>, Vec<_>) =
                        records.into_iter().partition(|record| found.contains_key(&record.item.id));
                    if attempt >= LOCK_RETRIES && !missing.is_empty() {
                        return Err(error.into());
                    }
                    again = missing;
                    there.iter().map(|r| (r.item.id.clone(), Outcome::Done(found.get(&r.item.id).cloned()))).collect()
                }
                Err(error) => return Err(error.into()),
            };
            self.settle(number, outcomes).await?;
            if again.is_empty() {
                return Ok(());
            }
            tokio::time::sleep(LOCK_PAUSE).await;
            records = again;
        }
        Ok(())
    }

    /// Records that the org has made by itself along with others, or that came out of the bin with their parents.
    async fn take_what_is_there<'p>(&mut self, number: usize, records: Vec<Record<'p>>) -> Result<Vec<Record<'p>>> {
        let object = self.plan.steps[number].object.clone();
        let mut there: HashMap<String, String> = HashMap::new();
        let undeleted = self.plan.steps[..number].iter().any(|step| step.action == Action::Undelete);
        if undeleted && self.plan.source_org == self.plan.target_org {
            let ids: Vec<String> = records.iter().map(|record| self.target_id(record.item)).collect();
            let existing = self.existing(&object, &ids).await?;
            there.extend(
                records.iter().zip(ids).filter(|(_, id)| existing.contains(id)).map(|(r, id)| (r.item.id.clone(), id)),
            );
        }
        if let Some(key) = rules::made_by_the_org(&object) {
            there.extend(self.by_key(&object, key, &records).await?);
        }
        if there.is_empty() {
            return Ok(records);
        }
        let (found, rest): (Vec<Record<'_>>, Vec<Record<'_>>) =
            records.into_iter().partition(|record| there.contains_key(&record.item.id));
        for chunk in found.chunks(ROWS_PER_CALL) {
            let described = self.described(&object).clone();
            let mut rows = Vec::new();
            for record in chunk {
                let mut row = self.row(number, record);
                row.retain(|field, _| described.field(field).is_some_and(|field| field.updateable));
                if !row.is_empty() {
                    row.insert("Id".into(), there[&record.item.id].clone().into());
                    rows.push(row);
                }
            }
            if !rows.is_empty() && described.describe.updateable {
                self.writer.update(&object, &rows).await?;
            }
            let outcomes =
                chunk.iter().map(|r| (r.item.id.clone(), Outcome::There(there[&r.item.id].clone()))).collect();
            self.settle(number, outcomes).await?;
        }
        Ok(rest)
    }

    /// Existing records that have the same values in the fields of a key: backup Id to Id in the target.
    async fn by_key(&self, object: &str, key: &[&str], records: &[Record<'_>]) -> Result<HashMap<String, String>> {
        let described = self.described(object);
        let mut wanted: HashMap<Vec<String>, String> = HashMap::new();
        for record in records {
            let values: Option<Vec<String>> = key
                .iter()
                .map(|name| {
                    let value = record.value(name)?;
                    described.field(name).and_then(|field| self.mapped(field, &value)).map(|value| value.to_lowercase())
                })
                .collect();
            if let Some(values) = values {
                wanted.insert(values, record.item.id.clone());
            }
        }
        let parents: Vec<String> = records
            .iter()
            .filter_map(|record| {
                let value = record.value(key[0])?;
                described.field(key[0]).and_then(|field| self.mapped(field, &value))
            })
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        let mut columns = vec!["Id".to_owned()];
        columns.extend(key.iter().map(|field| (*field).to_owned()));
        let mut found = HashMap::new();
        for group in parents.chunks(IDS_PER_QUERY) {
            let soql = format!("SELECT {} FROM {object} WHERE {}", columns.join(", "), in_list(key[0], group));
            let mut pages = self.writer.org().query(&soql, &columns, Scope::Live);
            while let Some(rows) = pages.try_next().await? {
                for row in 0..rows.len() {
                    let values: Vec<String> = (1..columns.len())
                        .map(|column| rows.cell(row, column).unwrap_or_default().to_lowercase())
                        .collect();
                    if let Some(id) = wanted.get(&values) {
                        found.insert(id.clone(), rows.cell(row, 0).unwrap_or_default().to_owned());
                    }
                }
            }
        }
        Ok(found)
    }

    pub(super) async fn update(&mut self, number: usize, items: &[&Item]) -> Result<()> {
        let object = self.plan.steps[number].object.clone();
        for chunk in items.chunks(BULK_ROWS * 10) {
            let records = self.records(&object, chunk).await?;
            let (bulk, rest): (Vec<Record<'_>>, Vec<Record<'_>>) = match records.len() >= BULK_ROWS {
                true => records.into_iter().partition(|record| self.fits_bulk(number, record)),
                false => (Vec::new(), records),
            };
            if !bulk.is_empty() {
                self.bulk(number, Operation::Update, bulk).await?;
            }
            for rows in rest.chunks(ROWS_PER_CALL) {
                self.update_rows(number, rows.to_vec()).await?;
            }
        }
        Ok(())
    }

    async fn update_rows(&mut self, number: usize, mut records: Vec<Record<'_>>) -> Result<()> {
        let object = self.plan.steps[number].object.clone();
        for attempt in 0..=LOCK_RETRIES {
            let rows: Vec<Map<String, Value>> = records
                .iter()
                .map(|record| {
                    let mut row = self.row(number, record);
                    row.insert("Id".into(), self.target_id(record.item).into());
                    row
                })
                .collect();
            let results = self.writer.update(&object, &rows).await?;
            let (mut again, mut outcomes) = (Vec::new(), Vec::new());
            for (record, result) in records.into_iter().zip(&results) {
                if locked(result) && attempt < LOCK_RETRIES {
                    again.push(record);
                } else {
                    let outcome = if result.success { Outcome::Done(None) } else { Outcome::Refused(words(result)) };
                    outcomes.push((record.item.id.clone(), outcome));
                }
            }
            self.settle(number, outcomes).await?;
            if again.is_empty() {
                break;
            }
            tokio::time::sleep(LOCK_PAUSE).await;
            records = again;
        }
        Ok(())
    }

    /// The JSON of a record: what it holds in the backup, with the Ids of the target. Numbers travel as text, which the org accepts
    /// (`salesforce-api.md` 2.1) and which keeps all their digits.
    fn row(&self, number: usize, record: &Record<'_>) -> Map<String, Value> {
        let step = &self.plan.steps[number];
        let described = self.described(&step.object);
        let creating = matches!(step.action, Action::Create | Action::Upload);
        let mut row = Map::new();
        for name in self.fields(step, record.item) {
            let Some(field) = described.field(name) else { continue };
            let value = record.value(name).and_then(|value| self.mapped(field, &value));
            match value {
                None if creating => {}
                None => drop(row.insert(name.to_owned(), Value::Null)),
                Some(value) if field.field_type.name() == "boolean" => {
                    row.insert(name.to_owned(), Value::Bool(value == "true"));
                }
                Some(value) => drop(row.insert(name.to_owned(), Value::String(value))),
            }
        }
        row
    }

    fn fits_bulk(&self, number: usize, record: &Record<'_>) -> bool {
        self.fields(&self.plan.steps[number], record.item).into_iter().all(|field| {
            record.value(field).is_none_or(|value| value != BULK_NULL && value.chars().count() <= BULK_FIELD_CHARACTERS)
        })
    }

    /// Sends records through Bulk jobs of bounded size. The id of a job is in the ledger before it gets data.
    async fn bulk(&mut self, number: usize, operation: Operation, records: Vec<Record<'_>>) -> Result<()> {
        let object = self.plan.steps[number].object.clone();
        let columns = self.bulk_columns(number, &operation, &records);
        let mut records = records.into_iter().peekable();
        while records.peek().is_some() {
            let mut body = Vec::new();
            csv::write_row(&mut body, columns.iter().map(|column| Some(column.as_str())));
            let mut sent: HashMap<u128, Vec<String>> = HashMap::new();
            let mut ids = Vec::new();
            while body.len() < JOB_BYTES
                && let Some(record) = records.next()
            {
                let cells = self.bulk_cells(number, &operation, &columns, &record);
                csv::write_row(&mut body, cells.iter().map(Option::as_deref));
                sent.entry(fingerprint(cells.iter().map(Option::as_deref))).or_default().push(record.item.id.clone());
                ids.push(record.item.id.clone());
            }
            let job = self.writer.ingest(&object, operation.clone()).await?;
            self.intend(number, ids, Some(job.id.clone())).await?;
            job.upload(Body::Bytes(Bytes::from(body))).await?;
            job.close().await?;
            self.bulk_results(number, &job, &operation, sent).await?;
        }
        Ok(())
    }

    pub(super) fn bulk_columns(&self, number: usize, operation: &Operation, records: &[Record<'_>]) -> Vec<String> {
        let step = &self.plan.steps[number];
        let mut columns: BTreeSet<&str> = BTreeSet::new();
        for record in records {
            columns.extend(self.fields(step, record.item));
        }
        let id = (*operation == Operation::Update).then(|| "Id".to_owned());
        id.into_iter().chain(columns.into_iter().map(str::to_owned)).collect()
    }

    pub(super) fn bulk_cells(
        &self,
        number: usize,
        operation: &Operation,
        columns: &[String],
        record: &Record<'_>,
    ) -> Vec<Option<String>> {
        let step = &self.plan.steps[number];
        let described = self.described(&step.object);
        let fields: HashSet<&str> = self.fields(step, record.item).into_iter().collect();
        columns
            .iter()
            .map(|column| {
                if *operation == Operation::Update && column == "Id" {
                    return Some(self.target_id(record.item));
                }
                // An empty value leaves the field as it is; null is written out.
                let field = described.field(column).filter(|_| fields.contains(column.as_str()))?;
                let value = record.value(column).and_then(|value| self.mapped(field, &value));
                match value {
                    None if *operation == Operation::Update => Some(BULK_NULL.to_owned()),
                    value => value,
                }
            })
            .collect()
    }

    /// Waits for a job and settles its rows. They come back in another order and are matched by content; rows of
    /// the same content are interchangeable.
    pub(super) async fn bulk_results(
        &mut self,
        number: usize,
        job: &IngestJob,
        operation: &Operation,
        mut sent: HashMap<u128, Vec<String>>,
    ) -> Result<()> {
        let failed = match job.wait(&mut |_| {}).await {
            Ok(_) => None,
            // A job that failed as a whole may have written rows all the same.
            Err(error) if matches!(error.kind, ApiKind::Invalid | ApiKind::Busy) => Some(error.to_string()),
            Err(error) => return Err(error.into()),
        };
        let new_ids = *operation == Operation::Insert;
        let take = |sent: &mut HashMap<u128, Vec<String>>, key: u128| sent.get_mut(&key).and_then(Vec::pop);
        let mut results: Vec<(RowStream, bool)> = vec![(job.successful(), true), (job.failed(), false)];
        for (stream, success) in &mut results {
            while let Some(rows) = stream.try_next().await? {
                let mut outcomes = Vec::new();
                for row in rows.iter() {
                    let cells: Vec<Option<&str>> = row.collect();
                    let Some(id) = take(&mut sent, fingerprint(cells[2..].iter().copied())) else { continue };
                    let outcome = match (*success, cells[1]) {
                        (true, _) => Outcome::Done(cells[0].filter(|_| new_ids).map(str::to_owned)),
                        (false, error) => {
                            let error = RowError::from_bulk(error.unwrap_or_default());
                            Outcome::Refused(format!("{}: {}", error.status_code, error.message))
                        }
                    };
                    outcomes.push((id, outcome));
                }
                self.settle(number, outcomes).await?;
            }
        }
        let reason = failed.unwrap_or_else(|| "the org did not process it".to_owned());
        let left: Outcomes = sent.into_values().flatten().map(|id| (id, Outcome::Refused(reason.clone()))).collect();
        if !left.is_empty() {
            self.settle(number, left).await?;
        }
        Ok(())
    }

    pub(super) async fn upload(&mut self, number: usize, items: &[&Item]) -> Result<()> {
        let object = self.plan.steps[number].object.clone();
        for chunk in items.chunks(FILES_PER_INTENT) {
            let records = self.records(&object, chunk).await?;
            let records = self.take_what_is_there(number, records).await?;
            if records.is_empty() {
                continue;
            }
            self.intend(number, records.iter().map(|record| record.item.id.clone()).collect(), None).await?;
            let (mut outcomes, mut created) = (Outcomes::new(), Vec::new());
            let mut stopped = None;
            for record in &records {
                match self.upload_one(number, record).await {
                    Ok(Outcome::Done(Some(new_id))) => {
                        created.push((record.clone(), new_id.clone()));
                        outcomes.push((record.item.id.clone(), Outcome::Done(Some(new_id))));
                    }
                    Ok(outcome) => outcomes.push((record.item.id.clone(), outcome)),
                    Err(error) => {
                        stopped = Some(error);
                        break;
                    }
                }
            }
            self.settle(number, outcomes).await?;
            self.note_documents(&object, &created).await?;
            if let Some(error) = stopped {
                return Err(error);
            }
        }
        Ok(())
    }

    async fn upload_one(&mut self, number: usize, record: &Record<'_>) -> Result<Outcome> {
        let step = &self.plan.steps[number];
        let described = self.described(&step.object).clone();
        let body = described.spec.body.as_ref().ok_or_else(|| Error::bug(format!("{} has no body", step.object)))?;
        let mut row = self.row(number, record);
        let Some(reference) = record.value(&body.field) else {
            // A link has a URL and no body.
            let results = self.writer.create(&step.object, std::slice::from_ref(&row)).await?;
            return Ok(results.first().map_or(Outcome::Refused("the org gave no result".into()), outcome));
        };
        let hash = hash_of(&reference)
            .ok_or_else(|| {
                Error::bug(format!("{} {} refers to its content by {reference}", step.object, record.item.id))
            })?
            .to_owned();
        if step.object == "ContentVersion"
            && let Some(document) = record.value("ContentDocumentId")
        {
            // The first version makes the file; those after it belong to that file.
            match self.lineage.made(&document) {
                Some(made) => {
                    row.insert("ContentDocumentId".into(), made.into());
                    row.remove("FirstPublishLocationId");
                }
                None => drop(row.remove("ContentDocumentId")),
            }
        }
        let name = record.value("PathOnClient").or_else(|| record.value("Name")).unwrap_or_else(|| "file".into());
        let vault = self.source.vault.clone();
        let length = body.length.as_deref().and_then(|name| record.value(name)).and_then(|length| length.parse().ok());
        let length = length.ok_or_else(|| Error::bug(format!("{} {} has no length", step.object, record.item.id)))?;
        let stream = Body::Stream(Arc::new(move || {
            let (vault, hash) = (vault.clone(), hash.clone());
            futures::stream::once(async move { vault.blob(&hash).await })
                .try_flatten()
                .map_err(std::io::Error::other)
                .boxed()
        }));
        let sent_at = self.clock.now();
        for attempt in 0.. {
            match self.writer.create_with_blob(&step.object, &row, &body.field, &name, length, stream.clone()).await {
                Ok(new_id) => {
                    if step.object == "ContentVersion" && !row.contains_key("ContentDocumentId") {
                        self.note_documents(&step.object, &[(record.clone(), new_id.clone())]).await?;
                    }
                    return Ok(Outcome::Done(Some(new_id)));
                }
                Err(error) if error.sent && attempt < LOCK_RETRIES => {
                    let found = self.find_created(number, std::slice::from_ref(record), sent_at).await?;
                    if let Some(new_id) = found.into_values().next() {
                        self.note_documents(&step.object, &[(record.clone(), new_id.clone())]).await?;
                        return Ok(Outcome::Done(Some(new_id)));
                    }
                }
                Err(error) if matches!(error.kind, ApiKind::Invalid) => {
                    let code = error.error_code().unwrap_or("REFUSED").to_owned();
                    return Ok(Outcome::Refused(format!("{code}: {}", error.org_message().unwrap_or_default())));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Outcome::Refused("the org did not answer".into()))
    }

    /// The file that a first version made: which Id it has now.
    pub(super) async fn note_documents(&mut self, object: &str, created: &[(Record<'_>, String)]) -> Result<()> {
        if object != "ContentVersion" {
            return Ok(());
        }
        let unknown: Vec<&(Record<'_>, String)> = created
            .iter()
            .filter(|(record, _)| {
                record.value("ContentDocumentId").is_some_and(|document| self.lineage.made(&document).is_none())
            })
            .collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let ids: Vec<String> = unknown.iter().map(|(_, new_id)| new_id.clone()).collect();
        let rows = self.writer.org().retrieve(object, &ids, &["Id".to_owned(), "ContentDocumentId".to_owned()]).await?;
        for (record, new_id) in unknown {
            let made = (0..rows.len()).find(|row| rows.cell(*row, 0) == Some(new_id)).and_then(|row| rows.cell(row, 1));
            if let (Some(document), Some(made)) = (record.value("ContentDocumentId"), made) {
                self.also(&document, made).await?;
            }
        }
        Ok(())
    }
}

fn locked(result: &RowResult) -> bool {
    result.errors.iter().any(|error| error.status_code == "UNABLE_TO_LOCK_ROW")
}

fn outcome(result: &RowResult) -> Outcome {
    if result.success { Outcome::Done(result.id.clone()) } else { Outcome::Refused(words(result)) }
}

/// The org's words on a refused row.
fn words(result: &RowResult) -> String {
    let words: Vec<String> =
        result.errors.iter().map(|error| format!("{}: {}", error.status_code, error.message)).collect();
    if words.is_empty() { "the org refused it without a reason".into() } else { words.join("; ") }
}

/// Tells rows of a job apart by their content.
pub(super) fn fingerprint<'c>(cells: impl Iterator<Item = Option<&'c str>>) -> u128 {
    let mut hasher = blake3::Hasher::new();
    for cell in cells {
        let text = cell.unwrap_or_default();
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    }
    let bytes = hasher.finalize();
    u128::from_le_bytes(bytes.as_bytes()[..16].try_into().expect("16 of 32 bytes"))
}
