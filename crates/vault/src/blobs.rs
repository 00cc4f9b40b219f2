// SPDX-License-Identifier: Apache-2.0
//! Bodies of files by the hash of their content, each stored once per org.
//!
//! Small bodies are packed as rows of a Delta table, `blobs/`; a large one is an object of its own below `blobs/large/`,
//! and its row says where. The row's Id is the BLAKE3 hash of the body in hexadecimal. Rows become known with a commit,
//! large objects that no row names are swept after an interruption.
//!
//! Which body lies where is learnt by reading the Id column of all packs once and keeping 16 bytes of each hash.
//! A body that is read is checked against its whole hash.

mod compact;
mod known;
mod mend;
mod takeout;
mod writer;

pub(crate) use compact::{compact, plan};
pub use known::KnownBody;
pub(crate) use takeout::{purge, take_out};
pub use writer::BlobWriter;
use writer::Packed;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow_array::builder::BinaryBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field};
use bytes::{BufMut as _, Bytes, BytesMut};
use futures::stream::{BoxStream, StreamExt, TryStreamExt};
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::backup::Unfinished;
use crate::columns::{BACKUP, ID};
use crate::datafile;
use crate::error::{Error, Kind, Result};
use crate::log::{DataFile, Log};
use crate::org::OrgVault;

/// A body from this size on is an object of its own.
const LARGE_BYTES: usize = 1024 * 1024;
/// A pack is written when its bodies take this much.
const PACK_BYTES: usize = 8 * 1024 * 1024;

/// A stored body.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BlobRef {
    /// BLAKE3 of the body, in hexadecimal.
    pub hash: String,
    /// MD5 of the body, in hexadecimal: the checksum that Salesforce gives for a file.
    pub md5: String,
    /// Bytes.
    pub length: u64,
}

/// Why a body was not stored.
#[derive(Debug)]
pub enum BlobError<E> {
    /// The stream that was to give the body failed.
    Body(E),
    Vault(Error),
}

impl<E> From<Error> for BlobError<E> {
    fn from(error: Error) -> Self {
        BlobError::Vault(error)
    }
}

impl<E: std::fmt::Display> std::fmt::Display for BlobError<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            BlobError::Body(error) => write!(f, "{error}"),
            BlobError::Vault(error) => write!(f, "{error}"),
        }
    }
}

impl<E: std::error::Error> std::error::Error for BlobError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            BlobError::Body(error) => error.source(),
            BlobError::Vault(error) => error.source(),
        }
    }
}

/// The first half of a hash: enough to find a body, and half the memory.
type Half = [u8; 16];

/// Where every body lies.
#[derive(Default)]
pub(crate) struct Index {
    rows: HashMap<Half, (u32, u32)>,
    files: Vec<DataFile>,
}

fn half(hash: &[u8]) -> Half {
    hash[..16].try_into().expect("a hash has 32 bytes")
}

fn parse_hash(hash: &str) -> Result<[u8; 32]> {
    blake3::Hash::from_hex(hash)
        .map(|hash| *hash.as_bytes())
        .map_err(|_| Error::new(Kind::Invalid, "the hash of a body has 64 hexadecimal digits").with("hash", hash))
}

impl OrgVault {
    pub(crate) fn blob_log(&self) -> Log {
        self.log_at(self.path("blobs"))
    }

    /// Where bodies lie that are objects of their own.
    pub(crate) fn large_folder(&self) -> Path {
        self.path("blobs").join("large")
    }

    fn large_path(&self, name: &str) -> Path {
        self.large_folder().join(name)
    }

    async fn index(&self) -> Result<Arc<Index>> {
        let mut held = self.blob_index().lock().await;
        if let Some(index) = held.as_ref() {
            return Ok(index.clone());
        }
        let index = Arc::new(self.load_index().await?);
        *held = Some(index.clone());
        Ok(index)
    }

    async fn load_index(&self) -> Result<Index> {
        let log = self.blob_log();
        let state = log.state().await?;
        let mut index = Index { rows: HashMap::new(), files: state.map(|state| state.files).unwrap_or_default() };
        for (number, file) in index.files.iter().enumerate() {
            let mut row = 0u32;
            let mut batches = self.read_pack(&log, file, &[ID], None).await?;
            while let Some(batch) = batches.try_next().await.map_err(|error| unreadable(&log, file, error))? {
                for hash in batch.column(0).as_string::<i32>().iter().flatten() {
                    let number = u32::try_from(number).expect("a table has fewer files than 2^32");
                    index.rows.insert(half(&parse_hash(hash)?), (number, row));
                    row += 1;
                }
            }
        }
        Ok(index)
    }

    async fn read_pack(
        &self,
        log: &Log,
        file: &DataFile,
        columns: &[&str],
        row: Option<usize>,
    ) -> Result<BoxStream<'static, parquet::errors::Result<RecordBatch>>> {
        let path = log.path().clone().join(file.name.as_str());
        datafile::read_raw(self.store(), path, file.bytes, columns, row).await
    }

    /// Whether a body is stored.
    pub async fn has_blob(&self, hash: &str) -> Result<bool> {
        let half = half(&parse_hash(hash)?);
        Ok(self.index().await?.rows.contains_key(&half))
    }

    /// A body by its hash. NotFound where it is not stored; Corrupt, at the end, where it is not what it was.
    pub async fn blob(&self, hash: &str) -> Result<BoxStream<'static, Result<Bytes>>> {
        let whole = parse_hash(hash)?;
        let mut index = self.index().await?;
        if !index.rows.contains_key(&half(&whole)) {
            // Perhaps another process has stored it since the index was read.
            *self.blob_index().lock().await = None;
            index = self.index().await?;
        }
        let Some((file, row)) = index.rows.get(&half(&whole)).copied() else {
            return Err(Error::new(Kind::NotFound, "the vault has no body of this hash").with("hash", hash));
        };
        let (log, file) = (self.blob_log(), &index.files[file as usize]);
        let mut batches = self.read_pack(&log, file, &["large", "body"], Some(row as usize)).await?;
        let batch = batches.try_next().await.map_err(|error| unreadable(&log, file, error))?;
        let batch = batch.filter(|batch| batch.num_rows() == 1).ok_or_else(|| {
            Error::new(Kind::Corrupt, "a body is not where it should be").with("hash", hash).with("file", &file.name)
        })?;
        let (large, body) = (batch.column(0).as_string::<i32>(), batch.column(1).as_binary::<i32>());
        let bytes = if large.is_null(0) {
            let body = Bytes::copy_from_slice(if body.is_null(0) { &[] } else { body.value(0) });
            futures::stream::once(async move { Ok(body) }).boxed()
        } else {
            let path = self.large_path(large.value(0));
            let failed = move |error| Error::because("the body of a file cannot be read", error).with("path", &path);
            let stored = self.store().get(&self.large_path(large.value(0))).await.map_err(&failed)?;
            stored.into_stream().map_err(failed).boxed()
        };
        Ok(verified(bytes, whole))
    }
}

fn unreadable(log: &Log, file: &DataFile, error: parquet::errors::ParquetError) -> Error {
    Error::because("a pack of bodies is not readable", error).with("path", log.path().clone().join(file.name.as_str()))
}

/// Passes bytes on and fails at the end if they are not those of `hash`.
fn verified(bytes: BoxStream<'static, Result<Bytes>>, hash: [u8; 32]) -> BoxStream<'static, Result<Bytes>> {
    let start = (bytes, blake3::Hasher::new(), false);
    futures::stream::try_unfold(start, move |(mut bytes, mut hasher, done)| async move {
        if done {
            return Ok(None);
        }
        match bytes.next().await.transpose()? {
            Some(part) => {
                hasher.update(&part);
                Ok(Some((part, (bytes, hasher, false))))
            }
            None if hasher.finalize() == blake3::Hash::from_bytes(hash) => Ok(None),
            None => Err(Error::new(Kind::Corrupt, "the body of a file is not what it was when it was stored")
                .with("hash", blake3::Hash::from_bytes(hash).to_hex())),
        }
    })
    .boxed()
}

impl Unfinished {
    /// A writer for bodies of files. What it was given is kept when [`BlobWriter::commit`] returns.
    pub async fn blobs(&self) -> Result<BlobWriter> {
        self.org().index().await?;
        Ok(BlobWriter::new(self.clone()))
    }
}

fn schema() -> Value {
    let field = |name: &str, kind: &str| json!({"name": name, "type": kind, "nullable": true, "metadata": {}});
    json!({"type": "struct", "fields": [
        field(ID, "string"), field("md5", "string"), field("length", "long"), field("large", "string"),
        field("body", "binary"), field(BACKUP, "long"),
    ]})
}

fn fields() -> arrow_schema::Schema {
    let fields = [
        (ID, DataType::Utf8),
        ("md5", DataType::Utf8),
        ("length", DataType::Int64),
        ("large", DataType::Utf8),
        ("body", DataType::Binary),
        (BACKUP, DataType::Int64),
    ];
    arrow_schema::Schema::new(fields.map(|(name, kind)| Field::new(name, kind, true)).to_vec())
}

fn rows(bodies: &[Packed], content: &[u8], sequence: u64) -> Result<RecordBatch> {
    let number = |value: u64| i64::try_from(value).expect("counts stay far below 2^63");
    // As large as it will be: growing would copy what is there.
    let mut contents =
        BinaryBuilder::with_capacity(bodies.len(), bodies.iter().map(|body| body.place.len()).sum::<usize>());
    let packed = |body: &Packed| body.large.is_none().then(|| &content[body.place.clone()]);
    bodies.iter().for_each(|body| contents.append_option(packed(body)));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(bodies.iter().map(|body| Some(body.reference.hash.as_str())).collect::<StringArray>()),
        Arc::new(bodies.iter().map(|body| Some(body.reference.md5.as_str())).collect::<StringArray>()),
        Arc::new(bodies.iter().map(|body| Some(number(body.reference.length))).collect::<Int64Array>()),
        Arc::new(bodies.iter().map(|body| body.large.as_deref()).collect::<StringArray>()),
        Arc::new(contents.finish()),
        Arc::new(Int64Array::from(vec![number(sequence); bodies.len()])),
    ];
    RecordBatch::try_new(Arc::new(fields()), columns)
        .map_err(|error| Error::because("bodies cannot be packed", error).of_kind(Kind::Bug))
}

/// Encodes batches of bodies, sorted by hash, as one pack, into this memory.
fn encode(batches: impl Iterator<Item = Result<RecordBatch>>, memory: BytesMut) -> Result<datafile::Encoded> {
    let failed = |error: parquet::errors::ParquetError| {
        Error::because("bodies cannot be encoded as Parquet", error).of_kind(Kind::Bug)
    };
    let body = || ColumnPath::from("body");
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(3).expect("zstd has this level")))
        .set_created_by(concat!("Orgkeep ", env!("CARGO_PKG_VERSION")).into())
        // Hashes are all different, bodies too; small pages make one body cheap to read alone.
        .set_dictionary_enabled(false)
        .set_write_batch_size(16)
        .set_data_page_size_limit(256 * 1024)
        .set_column_statistics_enabled(body(), EnabledStatistics::None)
        .build();
    let mut writer = ArrowWriter::try_new(memory.writer(), Arc::new(fields()), Some(properties)).map_err(failed)?;
    let mut stats = datafile::Statistics::default();
    for batch in batches {
        let batch = batch?;
        writer.write(&batch).map_err(failed)?;
        stats.add(&batch);
    }
    let bytes = writer.into_inner().map_err(failed)?.into_inner().freeze();
    Ok(datafile::Encoded { bytes, rows: stats.rows(), stats: stats.finish() })
}

/// Removes packs and large bodies that no commit names.
pub(crate) async fn sweep(org: &OrgVault, unfinished: &Unfinished) -> Result<()> {
    let log = org.blob_log();
    let Some(state) = log.state().await? else {
        // Nothing was ever committed: whatever lies there is left over.
        unfinished.sweep(&log, &HashSet::new()).await?;
        return sweep_large(org, &HashSet::new()).await;
    };
    unfinished.sweep(&log, &state.files.iter().map(|file| file.name.clone()).collect()).await?;
    match large_names(org, &log, &state.files).await {
        Ok(large) => sweep_large(org, &large).await,
        // What a damaged pack names is not known, so nothing is left over for certain.
        Err(error) if crate::check::is_damage(&error) => Ok(()),
        Err(error) => Err(error),
    }
}

/// The names of all bodies that are objects of their own.
pub(crate) async fn large(org: &OrgVault) -> Result<HashSet<String>> {
    let log = org.blob_log();
    match log.state().await? {
        Some(state) => large_names(org, &log, &state.files).await,
        None => Ok(HashSet::new()),
    }
}

/// The names of all large bodies that packs name.
async fn large_names(org: &OrgVault, log: &Log, files: &[DataFile]) -> Result<HashSet<String>> {
    let mut large = HashSet::new();
    for file in files {
        let mut batches = org.read_pack(log, file, &["large"], None).await?;
        while let Some(batch) = batches.try_next().await.map_err(|error| unreadable(log, file, error))? {
            large.extend(batch.column(0).as_string::<i32>().iter().flatten().map(str::to_owned));
        }
    }
    Ok(large)
}

async fn sweep_large(org: &OrgVault, named: &HashSet<String>) -> Result<()> {
    let failed = |error| Error::because("files left over cannot be removed", error).with("org", org.id());
    let mut listed = org.store().list(Some(&org.large_folder()));
    let mut leftovers = Vec::new();
    while let Some(meta) = listed.next().await.transpose().map_err(failed)? {
        if meta.location.filename().is_some_and(|name| !named.contains(name)) {
            leftovers.push(meta.location);
        }
    }
    crate::sorter::remove(org, &leftovers).await;
    Ok(())
}

/// The large bodies that the packs name, with the lengths they should have, for `check`.
pub(crate) async fn large_bodies(org: &OrgVault, log: &Log, file: &DataFile) -> Result<Vec<(Path, u64, String)>> {
    let mut batches = org.read_pack(log, file, &[ID, "length", "large"], None).await?;
    let mut found = Vec::new();
    while let Some(batch) = batches.try_next().await.map_err(|error| unreadable(log, file, error))? {
        let (ids, large) = (batch.column(0).as_string::<i32>(), batch.column(2).as_string::<i32>());
        let lengths = batch.column(1).as_primitive::<Int64Type>();
        for row in (0..batch.num_rows()).filter(|row| large.is_valid(*row)) {
            let length = u64::try_from(lengths.value(row)).unwrap_or(0);
            found.push((org.large_path(large.value(row)), length, ids.value(row).to_owned()));
        }
    }
    Ok(found)
}
