// SPDX-License-Identifier: Apache-2.0
//! The Delta log of a table: which files make it up, in which order they came, and one commit at a time.
//!
//! The only file that knows the table library. It reads a table's state through it and writes commits through its
//! conditional put; the lines of a commit are written here, since they are few and must be the same on every run.
//! There is one writer at a time (the lock of the org), so a commit that finds its version taken is refused, not rebased.
//! A commit whose reply was lost is looked up before it counts as failed.
//!
//! Every data file of ours is called `<sequence>-<version>-<part>-<random>.parquet`. Files that a backup captured have its
//! sequence, and are ordered by the version of the table that added them; a merged file has the greatest sequence of its rows.
//! Between files, the version decides only where two hold rows of one backup for the same Id.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use deltalake_core::DeltaTableError;
use deltalake_core::checkpoints;
use deltalake_core::kernel::EagerSnapshot;
use deltalake_core::kernel::transaction::TransactionError;
use deltalake_core::logstore::{CommitOrBytes, LogStoreRef, StorageConfig, default_logstore};
use object_store::ObjectStore;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, SemaphorePermit};
use url::Url;
use uuid::Uuid;

use crate::columns::{BACKUP, Column, ColumnType, DELETED, HASH, MISFIT, OWN};
use crate::datafile::{self, Encoded};
use crate::error::{Error, Kind, Result};

/// A checkpoint is written after this many commits since the last.
const CHECKPOINT_INTERVAL: u64 = 16;

/// One file of a table, as its log describes it.
#[derive(Debug, Clone)]
pub(crate) struct DataFile {
    /// Relative to the table.
    pub name: String,
    pub bytes: u64,
    pub rows: u64,
    pub sequence: u64,
    pub version: u64,
    pub part: u64,
    pub stats: Value,
}

impl DataFile {
    /// The first and the last backup that captured rows of the file.
    pub(crate) fn backups(&self) -> (u64, u64) {
        let bound = |of: &str| self.stats.pointer(of).and_then(Value::as_u64);
        // Without statistics a file may hold rows of any backup up to the one in its name.
        (bound("/minValues/_backup").unwrap_or(0), bound("/maxValues/_backup").unwrap_or(self.sequence))
    }

    /// The smallest and the greatest Id in the file.
    pub(crate) fn ids(&self) -> Option<(&str, &str)> {
        Some((self.stats.pointer("/minValues/Id")?.as_str()?, self.stats.pointer("/maxValues/Id")?.as_str()?))
    }

    fn parse_name(name: &str) -> Option<(u64, u64, u64)> {
        let mut parts = name.strip_suffix(".parquet")?.splitn(4, '-');
        let mut number = || parts.next()?.parse().ok();
        Some((number()?, number()?, number()?))
    }
}

pub(crate) fn file_name(sequence: u64, version: u64, part: u64) -> Result<String> {
    Ok(format!("{sequence:010}-{version:010}-{part:05}-{}.parquet", crate::keys::random_name()?))
}

/// A table at one version.
#[derive(Debug, Clone)]
pub(crate) struct State {
    pub version: u64,
    pub columns: Vec<Column>,
    pub files: Vec<DataFile>,
    last_checkpoint: u64,
}

/// What one commit does.
pub(crate) struct Commit {
    /// The columns, where they are new or have changed.
    pub schema: Option<Value>,
    pub files: Vec<DataFile>,
    /// Files that no longer make up the table. They stay in the store until somebody removes them there.
    pub removed: Vec<DataFile>,
    pub operation: Operation,
    /// Kept in the commit's own information under `orgkeep`.
    pub outcome: Value,
    pub at: DateTime<Utc>,
}

/// Why a commit is made, in the words of Delta.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Rows are added.
    Write,
    /// The same rows in other files.
    Optimize,
    /// Rows are taken out.
    Delete,
}

/// Where a table lies.
#[derive(Clone)]
pub(crate) struct Log {
    root: Arc<dyn ObjectStore>,
    path: Path,
    turns: Arc<Semaphore>,
}

/// To open a table the library keeps a thread of the runtime's blocking pool waiting for reads that need another thread of that pool.
/// Where as many tables are opened at once as there are threads, none of them is ever read.
pub(crate) const OPENED_AT_ONCE: usize = 2;

impl Log {
    pub(crate) fn new(root: Arc<dyn ObjectStore>, path: Path, turns: Arc<Semaphore>) -> Log {
        Log { root, path, turns }
    }

    async fn turn(&self) -> SemaphorePermit<'_> {
        self.turns.acquire().await.expect("nobody closes it")
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Stores an encoded file of the table. It belongs to the table only once a commit names it.
    pub(crate) async fn put_file(&self, encoded: Encoded, sequence: u64, version: u64, part: u64) -> Result<DataFile> {
        let file = DataFile {
            name: file_name(sequence, version, part)?,
            bytes: encoded.bytes.len() as u64,
            rows: encoded.rows,
            sequence,
            version,
            part,
            stats: encoded.stats,
        };
        let path = self.path.clone().join(file.name.as_str());
        datafile::store_file(self.root.as_ref(), &path, encoded.bytes).await?;
        Ok(file)
    }

    fn store(&self) -> Result<LogStoreRef> {
        let url = Url::parse(&format!("memory:///{}/", self.path))
            .map_err(|error| Error::because("a table has an impossible path", error).with("path", &self.path))?;
        let prefixed = Arc::new(PrefixStore::new(self.root.clone(), self.path.clone()));
        Ok(default_logstore(prefixed, self.root.clone(), &url, &StorageConfig::default()))
    }

    /// The table's id in the log: the same for the same path, so that a repeated commit has the same bytes.
    fn id(&self) -> String {
        let hash = blake3::hash(self.path.as_ref().as_bytes());
        let half: [u8; 16] = hash.as_bytes()[..16].try_into().expect("a hash has 32 bytes");
        Uuid::from_bytes(half).to_string()
    }

    fn failed(&self, what: &str, error: DeltaTableError) -> Error {
        Error::because(what, error).with("table", &self.path)
    }

    /// The newest state, `None` where there is no table. A damaged checkpoint is got around: the commits are all there.
    pub(crate) async fn state(&self) -> Result<Option<State>> {
        match self.load().await {
            Err(error) if matches!(error.kind(), Kind::Corrupt | Kind::NotFound) => {
                self.replay().await.map_err(|_| error).map(Some)
            }
            other => other,
        }
    }

    /// Replays the commits one by one, without the library. Fails unless all are there, from the first to the last.
    async fn replay(&self) -> Result<State> {
        let gap = || Error::new(Kind::Corrupt, "commits of a table are gone").with("table", &self.path);
        let folder = self.path.clone().join("_delta_log");
        let listed: Vec<_> = futures::TryStreamExt::try_collect(self.root.list(Some(&folder)))
            .await
            .map_err(|error| Error::because("the log of a table cannot be listed", error).with("table", &self.path))?;
        let version_of = |path: &Path| path.filename()?.strip_suffix(".json")?.parse::<u64>().ok();
        let last = listed.iter().filter_map(|meta| version_of(&meta.location)).max().ok_or_else(gap)?;
        let mut state = State { version: last, columns: Vec::new(), files: Vec::new(), last_checkpoint: last };
        for version in 0..=last {
            for line in self.actions(version).await?.ok_or_else(gap)? {
                if let Some(text) = line.pointer("/metaData/schemaString").and_then(Value::as_str) {
                    let schema = serde_json::from_str(text).map_err(|error| {
                        Error::because("the columns of a table are not readable", error).with("table", &self.path)
                    })?;
                    state.columns = columns(&schema)?;
                }
                if let Some(name) = line.pointer("/add/path").and_then(Value::as_str) {
                    let stats = line.pointer("/add/stats").and_then(Value::as_str).unwrap_or_default();
                    let stats = serde_json::from_str(stats).unwrap_or(Value::Null);
                    state.files.push(self.file(name, line["add"]["size"].as_u64().unwrap_or(0), stats)?);
                }
                if let Some(name) = line.pointer("/remove/path").and_then(Value::as_str) {
                    state.files.retain(|file| file.name != name);
                }
            }
        }
        state.files.sort_by_key(|file| (file.sequence, file.version, file.part));
        Ok(state)
    }

    fn file(&self, name: &str, bytes: u64, stats: Value) -> Result<DataFile> {
        let (sequence, version, part) = DataFile::parse_name(name).ok_or_else(|| {
            Error::new(Kind::Corrupt, "a table holds a file that Orgkeep did not write")
                .with("table", &self.path)
                .with("file", name)
        })?;
        let rows = stats.get("numRecords").and_then(Value::as_u64).unwrap_or(0);
        Ok(DataFile { name: name.to_owned(), bytes, rows, sequence, version, part, stats })
    }

    /// The names of the table's data files; none where there is no table.
    pub(crate) async fn names(&self) -> Result<Option<HashSet<String>>> {
        Ok(self.state().await?.map(|state| state.files.into_iter().map(|file| file.name).collect()))
    }

    async fn load(&self) -> Result<Option<State>> {
        let store = self.store()?;
        let snapshot = {
            let _turn = self.turn().await;
            EagerSnapshot::try_new(store.as_ref(), None).await
        };
        let snapshot = match snapshot {
            Ok(snapshot) => snapshot,
            Err(error) if no_table(&error) => {
                // The library says the same of an empty folder and of a log without a beginning.
                let mut listed = self.root.list(Some(&self.path.clone().join("_delta_log")));
                return match futures::StreamExt::next(&mut listed).await {
                    None => Ok(None),
                    Some(Err(other)) => {
                        Err(Error::because("a table cannot be listed", other).with("table", &self.path))
                    }
                    Some(Ok(_)) => Err(self.failed("the log of a table is not readable", error).of_kind(Kind::Corrupt)),
                };
            }
            Err(error) => return Err(self.failed("the log of a table is not readable", error)),
        };
        let schema = serde_json::to_value(snapshot.schema())
            .map_err(|error| Error::because("the columns of a table are not readable", error))?;
        let mut files = Vec::new();
        for view in snapshot.log_data().iter() {
            let name = view.path().into_owned();
            let stats: Value = view.stats().and_then(|stats| serde_json::from_str(&stats).ok()).unwrap_or(Value::Null);
            files.push(self.file(&name, u64::try_from(view.size()).unwrap_or(0), stats)?);
        }
        files.sort_by_key(|file| (file.sequence, file.version, file.part));
        // Where the last checkpoint is follows from how they are written; a missing one only costs time.
        let version = snapshot.version();
        let last_checkpoint = version / CHECKPOINT_INTERVAL * CHECKPOINT_INTERVAL;
        Ok(Some(State { version, columns: columns(&schema)?, files, last_checkpoint }))
    }

    /// Adds one version after `before` (`None`: creates the table) and returns the state it leads to.
    ///
    /// Busy where someone else has added that version.
    pub(crate) async fn commit(&self, before: Option<State>, commit: Commit) -> Result<State> {
        let version = before.as_ref().map_or(0, |state| state.version + 1);
        let bytes = Bytes::from(lines(&commit, &self.id(), before.is_none()));
        let store = self.store()?;
        let written = store.write_commit_entry(version, CommitOrBytes::LogBytes(bytes.clone()), Uuid::nil()).await;
        if let Err(error) = written {
            // The reply may have been lost after the write took place.
            let there = store.read_commit_entry(version).await.ok().flatten();
            if there != Some(bytes) {
                return Err(match error {
                    TransactionError::VersionAlreadyExists(_) => {
                        Error::new(Kind::Busy, "another process has written to a table of this org meanwhile")
                            .with("table", &self.path)
                            .with("version", version)
                            .hint("only one backup of an org may run at a time; run this one again")
                    }
                    error => Error::because("a table cannot be committed", error).with("table", &self.path),
                });
            }
        }
        let columns_now = match (&commit.schema, &before) {
            (Some(schema), _) => columns(schema)?,
            (None, Some(state)) => state.columns.clone(),
            (None, None) => Vec::new(),
        };
        let mut state = before.unwrap_or(State { version, columns: Vec::new(), files: Vec::new(), last_checkpoint: 0 });
        state.version = version;
        state.columns = columns_now;
        let removed: HashSet<&str> = commit.removed.iter().map(|file| file.name.as_str()).collect();
        state.files.retain(|file| !removed.contains(file.name.as_str()));
        state.files.extend(commit.files);
        state.files.sort_by_key(|file| (file.sequence, file.version, file.part));
        if version - state.last_checkpoint >= CHECKPOINT_INTERVAL {
            state.last_checkpoint = version;
            // Only speeds up opening; what is committed stays committed whether this works or not.
            let _ = self.checkpoint(store).await;
        }
        Ok(state)
    }

    async fn checkpoint(&self, store: LogStoreRef) -> Result<()> {
        let _turn = self.turn().await;
        let mut table = deltalake_core::DeltaTable::new(store);
        table.load().await.map_err(|error| self.failed("a table cannot be loaded", error))?;
        checkpoints::create_checkpoint(&table, None)
            .await
            .map_err(|error| self.failed("a checkpoint cannot be written", error))
    }

    /// The lines of the commit of a version, `None` if it is not there.
    pub(crate) async fn actions(&self, version: u64) -> Result<Option<Vec<Value>>> {
        let bytes = self
            .store()?
            .read_commit_entry(version)
            .await
            .map_err(|error| self.failed("a commit of a table is not readable", error))?;
        let Some(bytes) = bytes else { return Ok(None) };
        let lines = serde_json::Deserializer::from_slice(&bytes).into_iter().collect::<Result<_, _>>();
        lines.map(Some).map_err(|error| {
            Error::because("a commit of a table is not readable", error)
                .with("table", &self.path)
                .with("version", version)
        })
    }

    /// What Orgkeep noted in the commit of a version; `None` if that version is not ours or not there.
    pub(crate) async fn outcome(&self, version: u64) -> Result<Option<Value>> {
        let lines = self.actions(version).await?.unwrap_or_default();
        Ok(lines.into_iter().find_map(|mut line| line.pointer_mut("/commitInfo/orgkeep").map(Value::take)))
    }
}

fn no_table(error: &DeltaTableError) -> bool {
    let text = error.to_string();
    matches!(error, DeltaTableError::NotATable(_) | DeltaTableError::InvalidVersion(_))
        || text.contains("No files in log segment")
        || text.contains("No table version found")
}

fn lines(commit: &Commit, id: &str, create: bool) -> String {
    let at = commit.at.timestamp_millis();
    let mut actions = vec![json!({"commitInfo": {
        "timestamp": at,
        "operation": match commit.operation {
            _ if create => "CREATE TABLE",
            Operation::Write => "WRITE",
            Operation::Optimize => "OPTIMIZE",
            Operation::Delete => "DELETE",
        },
        "operationParameters": if commit.operation == Operation::Write { json!({"mode": "Append"}) } else { json!({}) },
        "engineInfo": concat!("Orgkeep/", env!("CARGO_PKG_VERSION")),
        "orgkeep": commit.outcome,
    }})];
    if create {
        actions.push(json!({"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}));
    }
    if let Some(schema) = &commit.schema {
        actions.push(json!({"metaData": {
            "id": id,
            "format": {"provider": "parquet", "options": {}},
            "schemaString": schema.to_string(),
            "partitionColumns": [],
            "configuration": {
                "delta.appendOnly": "false",
                "delta.enableExpiredLogCleanup": "false",
                "delta.dataSkippingStatsColumns": indexed(schema),
            },
            "createdTime": at,
        }}));
    }
    let data_change = commit.operation != Operation::Optimize;
    for file in &commit.removed {
        actions.push(json!({"remove": {
            "path": file.name,
            "deletionTimestamp": at,
            "dataChange": data_change,
            "extendedFileMetadata": true,
            "partitionValues": {},
            "size": file.bytes,
        }}));
    }
    for file in &commit.files {
        actions.push(json!({"add": {
            "path": file.name,
            "partitionValues": {},
            "size": file.bytes,
            "modificationTime": at,
            "dataChange": data_change,
            "stats": file.stats.to_string(),
        }}));
    }
    let lines: Vec<String> = actions.iter().map(Value::to_string).collect();
    lines.join("\n")
}

/// The columns that have statistics in the log, of those that there are.
fn indexed(schema: &Value) -> String {
    let names: Vec<&str> = schema["fields"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|field| field["name"].as_str())
        .filter(|name| crate::datafile::STATISTICS.contains(name))
        .collect();
    names.join(",")
}

/// The Delta schema of an object's table.
pub(crate) fn delta_schema(columns: &[Column]) -> Value {
    let field = |name: &str, kind: &str| json!({"name": name, "type": kind, "nullable": true, "metadata": {}});
    let mut fields: Vec<Value> = columns
        .iter()
        .map(|column| match column.kind {
            ColumnType::Boolean => field(&column.name, "boolean"),
            ColumnType::Integer => field(&column.name, "long"),
            ColumnType::Decimal { precision, scale } => field(&column.name, &format!("decimal({precision},{scale})")),
            ColumnType::Double => field(&column.name, "double"),
            ColumnType::Date => field(&column.name, "date"),
            ColumnType::Timestamp => field(&column.name, "timestamp"),
            ColumnType::Text => field(&column.name, "string"),
        })
        .collect();
    fields.push(field(MISFIT, "string"));
    fields.push(field(DELETED, "boolean"));
    fields.push(field(BACKUP, "long"));
    fields.push(field(HASH, "binary"));
    json!({"type": "struct", "fields": fields})
}

/// The columns of a Delta schema that hold an object's fields. Columns of other types, and the vault's own, are left out.
fn columns(schema: &Value) -> Result<Vec<Column>> {
    let fields = schema["fields"]
        .as_array()
        .ok_or_else(|| Error::new(Kind::Corrupt, "the columns of a table are not readable"))?;
    // Tables of objects have all of these, those of bodies none.
    let own = [MISFIT, DELETED, HASH].map(|own| fields.iter().any(|field| field["name"] == own));
    if own.contains(&true) && own.contains(&false) {
        return Err(Error::new(Kind::Corrupt, "a table lacks a column that every table has"));
    }
    let mut columns = Vec::new();
    for field in fields {
        let (Some(name), Some(kind)) = (field["name"].as_str(), field["type"].as_str()) else { continue };
        if OWN.contains(&name) {
            continue;
        }
        let kind = match kind {
            "boolean" => ColumnType::Boolean,
            "long" => ColumnType::Integer,
            "double" => ColumnType::Double,
            "date" => ColumnType::Date,
            "timestamp" => ColumnType::Timestamp,
            "string" => ColumnType::Text,
            other => {
                let digits = other.strip_prefix("decimal(").and_then(|rest| rest.strip_suffix(')'));
                let Some((precision, scale)) = digits.and_then(|digits| digits.split_once(',')) else { continue };
                match (precision.trim().parse(), scale.trim().parse()) {
                    (Ok(precision), Ok(scale)) => ColumnType::Decimal { precision, scale },
                    _ => continue,
                }
            }
        };
        columns.push(Column::new(name, kind));
    }
    Ok(columns)
}
