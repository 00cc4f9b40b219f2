// SPDX-License-Identifier: Apache-2.0
//! One Parquet file of a table: rows sorted by Id, written at once, read back in batches.
//!
//! A file holds at most what fits the memory of one run, so writing it is one encoding and one put. Reading sizes its
//! batches by what the rows take in memory, and with a set of Ids it skips the pages that cannot hold one of them.

use std::ops::Range;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array, BooleanArray, RecordBatch};
use arrow_schema::{ArrowError, DataType};
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{BoxStream, Stream, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use parquet::arrow::arrow_reader::{
    ArrowPredicateFn, ArrowReaderMetadata, ArrowReaderOptions, RowFilter, RowSelection, RowSelector,
};
use parquet::arrow::async_reader::{AsyncFileReader, ParquetRecordBatchStreamBuilder};
use parquet::arrow::{ArrowWriter, ProjectionMask};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use serde_json::{Map, Value, json};

use crate::batch::Batch;
use crate::columns::{BACKUP, HASH, ID, OWN, Schema};
use crate::error::{Error, Kind, Result};
use crate::text;

/// The columns whose smallest and greatest value the log keeps per file.
pub(crate) const STATISTICS: [&str; 3] = [ID, MODSTAMP, BACKUP];
const MODSTAMP: &str = "SystemModstamp";
/// A file up to this size is fetched whole: one request instead of several.
const WHOLE_BYTES: u64 = 1024 * 1024;
const FOOTER_BYTES: usize = 64 * 1024;
const ROW_GROUP_ROWS: usize = 64 * 1024;
const ROW_GROUP_BYTES: usize = 16 * 1024 * 1024;
const MOST_ROWS: u64 = 8192;

/// A file ready to be stored.
pub(crate) struct Encoded {
    pub bytes: Bytes,
    pub rows: u64,
    /// In the form of the table log.
    pub stats: Value,
}

/// How a file is written. Where `lasting`, it is read more often than written and worth more compression. Columns that
/// have no values, or bits, take a few bytes as they are; a codec would cost memory and time in each, also when they are read.
fn properties(lasting: bool, batches: &[RecordBatch]) -> WriterProperties {
    let (id, hash) = (|| ColumnPath::from(ID), || ColumnPath::from(HASH));
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(
            ZstdLevel::try_new(if lasting { 3 } else { 1 }).expect("zstd has these levels"),
        ))
        .set_created_by(concat!("Orgkeep ", env!("CARGO_PKG_VERSION")).into())
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_max_row_group_bytes(Some(ROW_GROUP_BYTES))
        // Each column of a run being written holds a page and a dictionary; and a lookup decodes whole pages.
        .set_dictionary_page_size_limit(256 * 1024)
        .set_data_page_size_limit(128 * 1024)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_column_statistics_enabled(id(), EnabledStatistics::Page)
        // Sorted and all different: what matters is the prefix that neighbours share.
        .set_column_dictionary_enabled(id(), false)
        .set_column_encoding(id(), Encoding::DELTA_BYTE_ARRAY)
        // Bytes that no codec makes fewer, all of one length.
        .set_column_dictionary_enabled(hash(), false)
        .set_column_encoding(hash(), Encoding::DELTA_LENGTH_BYTE_ARRAY)
        .set_column_compression(hash(), Compression::UNCOMPRESSED)
        .set_column_statistics_enabled(hash(), EnabledStatistics::None);
    for (index, field) in batches[0].schema().fields().iter().enumerate() {
        if batches.iter().all(|batch| is_plain(batch.column(index))) {
            let column = ColumnPath::from(field.name().as_str());
            properties = properties.set_column_compression(column, Compression::UNCOMPRESSED);
        }
    }
    properties.build()
}

/// Whether a column has no values, or one bit in each row.
fn is_plain(column: &dyn Array) -> bool {
    column.null_count() == column.len() || *column.data_type() == DataType::Boolean
}

/// Encodes rows sorted by Id as one file. Takes as long as compression takes: call it off the async threads.
pub(crate) fn encode(batches: &[RecordBatch], lasting: bool) -> Result<Encoded> {
    let failed = |error: parquet::errors::ParquetError| {
        Error::because("rows cannot be encoded as Parquet", error).of_kind(Kind::Bug)
    };
    let first = batches.first().ok_or_else(|| Error::new(Kind::Bug, "a data file without rows was to be written"))?;
    let mut writer =
        ArrowWriter::try_new(Vec::new(), first.schema(), Some(properties(lasting, batches))).map_err(failed)?;
    let mut stats = Statistics::default();
    for batch in batches {
        writer.write(batch).map_err(failed)?;
        stats.add(batch);
    }
    let bytes = writer.into_inner().map_err(failed)?;
    Ok(Encoded { bytes: bytes.into(), rows: stats.rows, stats: stats.finish() })
}

/// The statistics of rows sorted by Id, in the form of the table log.
#[derive(Default)]
pub(crate) struct Statistics {
    rows: u64,
    first_id: Option<String>,
    last_id: Option<String>,
    modstamps: Option<(i64, i64)>,
    modstamp_nulls: Option<usize>,
    backups: Option<(i64, i64)>,
}

fn widen(range: &mut Option<(i64, i64)>, value: i64) {
    *range = Some(range.map_or((value, value), |(low, high)| (low.min(value), high.max(value))));
}

impl Statistics {
    pub(crate) fn add(&mut self, batch: &RecordBatch) {
        if batch.num_rows() == 0 {
            return;
        }
        self.rows += batch.num_rows() as u64;
        if let Some(ids) = batch.column_by_name(ID).and_then(|column| column.as_string_opt::<i32>()) {
            self.first_id.get_or_insert_with(|| ids.value(0).to_owned());
            self.last_id = Some(ids.value(ids.len() - 1).to_owned());
        }
        let column = batch.column_by_name(MODSTAMP);
        if let Some(stamps) = column.and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>()) {
            *self.modstamp_nulls.get_or_insert(0) += stamps.null_count();
            stamps.iter().flatten().for_each(|stamp| widen(&mut self.modstamps, stamp));
        }
        let column = batch.column_by_name(BACKUP);
        if let Some(backups) = column.and_then(|column| column.as_primitive_opt::<arrow_array::types::Int64Type>()) {
            backups.iter().flatten().for_each(|backup| widen(&mut self.backups, backup));
        }
    }

    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    pub(crate) fn finish(self) -> Value {
        let (mut low, mut high) = (Map::new(), Map::new());
        if let (Some(first), Some(last)) = (self.first_id, self.last_id) {
            low.insert(ID.into(), first.into());
            high.insert(ID.into(), last.into());
        }
        if let Some((first, last)) = self.modstamps {
            let written = |stamp| {
                let mut text = String::new();
                text::write_timestamp(stamp, &mut text);
                text
            };
            low.insert(MODSTAMP.into(), written(first).into());
            high.insert(MODSTAMP.into(), written(last).into());
        }
        if let Some((first, last)) = self.backups {
            low.insert(BACKUP.into(), first.into());
            high.insert(BACKUP.into(), last.into());
        }
        let mut nulls = Map::new();
        if let Some(count) = self.modstamp_nulls {
            nulls.insert(MODSTAMP.into(), count.into());
        }
        json!({"numRecords": self.rows, "minValues": low, "maxValues": high, "nullCount": nulls})
    }
}

/// Stores an encoded file; a lost reply counts as stored if the object is there in full.
pub(crate) async fn store_file(store: &dyn ObjectStore, path: &Path, bytes: Bytes) -> Result<()> {
    store
        .put(path, bytes.into())
        .await
        .map(|_| ())
        .map_err(|error| Error::because("a data file cannot be written", error).with("path", path))
}

/// Whether the hashes of rows are wanted too: of all their columns, whichever are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hashes {
    Yes,
    No,
}

/// What to read of a file.
#[derive(Clone)]
pub(crate) struct Reading {
    /// The columns, and the form the rows are given in.
    pub schema: Schema,
    pub hashes: Hashes,
    /// Only rows of these Ids, sorted.
    pub ids: Option<Arc<[String]>>,
    /// About as much memory as one batch may take.
    pub batch_bytes: u64,
}

#[derive(Clone)]
pub(crate) struct FileReader {
    store: Arc<dyn ObjectStore>,
    path: Path,
    bytes: u64,
    whole: Option<Bytes>,
}

impl FileReader {
    pub(crate) fn new(store: Arc<dyn ObjectStore>, path: Path, bytes: u64) -> FileReader {
        FileReader { store, path, bytes, whole: None }
    }

    async fn fetch(&mut self, ranges: Vec<Range<u64>>) -> parquet::errors::Result<Vec<Bytes>> {
        if self.bytes <= WHOLE_BYTES && self.whole.is_none() {
            self.whole = Some(self.store.get(&self.path).await?.bytes().await?);
        }
        match &self.whole {
            None => Ok(self.store.get_ranges(&self.path, &ranges).await?),
            Some(whole) => ranges
                .into_iter()
                .map(|range| {
                    if range.start > range.end || range.end > whole.len() as u64 {
                        let damage = crate::cipher::Damaged(format!("{}: cut off", self.path));
                        return Err(parquet::errors::ParquetError::External(Box::new(damage)));
                    }
                    Ok(whole.slice(range.start as usize..range.end as usize))
                })
                .collect(),
        }
    }
}

impl AsyncFileReader for FileReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, parquet::errors::Result<Bytes>> {
        async move { Ok(self.fetch(vec![range]).await?.remove(0)) }.boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, parquet::errors::Result<Vec<Bytes>>> {
        self.fetch(ranges).boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, parquet::errors::Result<Arc<ParquetMetaData>>> {
        async move {
            let policy = options.map_or(PageIndexPolicy::Skip, ArrowReaderOptions::offset_index_policy);
            let bytes = self.bytes;
            let metadata = ParquetMetaDataReader::new()
                .with_page_index_policy(policy)
                .with_prefetch_hint(Some(FOOTER_BYTES.min(bytes as usize)))
                .load_and_finish(self, bytes)
                .await?;
            Ok(Arc::new(metadata))
        }
        .boxed()
    }
}

/// Opens a file and gives its rows in order of Id.
pub(crate) async fn read(
    store: Arc<dyn ObjectStore>,
    path: Path,
    bytes: u64,
    reading: Reading,
) -> Result<BoxStream<'static, Result<Batch>>> {
    let unreadable = {
        let path = path.clone();
        move |error: parquet::errors::ParquetError| {
            Error::because("a data file is not readable", error).with("path", &path)
        }
    };
    let mut reader = FileReader { store, path, bytes, whole: None };
    let policy = if reading.ids.is_some() { PageIndexPolicy::Optional } else { PageIndexPolicy::Skip };
    let options = ArrowReaderOptions::new().with_page_index_policy(policy);
    let metadata = load(&mut reader, options).await.map_err(&unreadable)?;
    let parquet = metadata.metadata().clone();
    let own = |name: &str| OWN.contains(&name) && (name != HASH || reading.hashes == Hashes::Yes);
    let wanted = |name: &str| own(name) || reading.schema.index(name).is_some();
    let leaves: Vec<usize> = (0..parquet.file_metadata().schema_descr().num_columns())
        .filter(|index| wanted(parquet.file_metadata().schema_descr().column(*index).name()))
        .filter(|index| !is_empty(&parquet, *index))
        .collect();
    let id_leaf = (0..parquet.file_metadata().schema_descr().num_columns())
        .find(|index| parquet.file_metadata().schema_descr().column(*index).name() == ID)
        .ok_or_else(|| Error::new(Kind::Corrupt, "a data file has no Id column").with("path", &reader.path))?;
    let rows = rows_per_batch(&parquet, &leaves, reading.batch_bytes);
    let mask = |leaves: Vec<usize>| ProjectionMask::leaves(parquet.file_metadata().schema_descr(), leaves);
    let mut builder = ParquetRecordBatchStreamBuilder::new_with_metadata(reader, metadata)
        .with_batch_size(rows)
        .with_projection(mask(leaves));
    if let Some(ids) = &reading.ids {
        let (groups, selection) = select(&parquet, id_leaf, ids);
        builder = builder.with_row_groups(groups).with_row_selection(selection);
        let ids = ids.clone();
        let held = ArrowPredicateFn::new(mask(vec![id_leaf]), move |batch| held_ids(&batch, &ids));
        builder = builder.with_row_filter(RowFilter::new(vec![Box::new(held)]));
    }
    let schema = reading.schema;
    let stream = builder.build().map_err(&unreadable)?;
    Ok(guarded(stream)
        .map_err(unreadable)
        .and_then(move |stored| std::future::ready(Batch::from_stored(&schema, &stored)))
        .try_filter(|batch| std::future::ready(!batch.is_empty()))
        .boxed())
}

/// Gives columns of a file as they are stored, in the order asked for; of all rows, or of one.
pub(crate) async fn read_raw(
    store: Arc<dyn ObjectStore>,
    path: Path,
    bytes: u64,
    columns: &[&str],
    row: Option<usize>,
) -> Result<BoxStream<'static, parquet::errors::Result<RecordBatch>>> {
    let unreadable = {
        let path = path.clone();
        move |error: parquet::errors::ParquetError| {
            Error::because("a data file is not readable", error).with("path", &path)
        }
    };
    let mut reader = FileReader { store, path, bytes, whole: None };
    let policy = if row.is_some() { PageIndexPolicy::Optional } else { PageIndexPolicy::Skip };
    let options = ArrowReaderOptions::new().with_page_index_policy(policy);
    let metadata = load(&mut reader, options).await.map_err(&unreadable)?;
    let mask = ProjectionMask::columns(metadata.metadata().file_metadata().schema_descr(), columns.iter().copied());
    let mut builder = ParquetRecordBatchStreamBuilder::new_with_metadata(reader, metadata)
        .with_batch_size(1024)
        .with_projection(mask);
    if let Some(row) = row {
        builder = builder.with_row_selection(vec![RowSelector::skip(row), RowSelector::select(1)].into());
    }
    let columns: Vec<String> = columns.iter().map(|name| (*name).to_owned()).collect();
    let batches = guarded(builder.build().map_err(unreadable)?);
    Ok(batches.and_then(move |batch| std::future::ready(of_pack(&batch, &columns))).boxed())
}

/// Columns of a pack as they must be: whoever takes one for another than it is panics.
pub(crate) fn of_pack(batch: &RecordBatch, columns: &[String]) -> parquet::errors::Result<RecordBatch> {
    let form = |name: &str| match name {
        "length" | BACKUP => DataType::Int64,
        "body" => DataType::Binary,
        _ => DataType::Utf8,
    };
    let mut found = Vec::new();
    for name in columns {
        let column =
            batch.schema_ref().index_of(name).ok().filter(|index| *batch.column(*index).data_type() == form(name));
        found.push(column.ok_or_else(|| ParquetError::General(format!("a pack lacks the column {name}")))?);
    }
    Ok(batch.project(&found)?)
}

/// What a file says of itself at its end; see [`guarded`].
pub(crate) async fn load(
    reader: &mut FileReader,
    options: ArrowReaderOptions,
) -> parquet::errors::Result<ArrowReaderMetadata> {
    let given_up = |_| Err(ParquetError::General("its description is impossible".into()));
    AssertUnwindSafe(ArrowReaderMetadata::load_async(reader, options)).catch_unwind().await.unwrap_or_else(given_up)
}

/// The batches of a file. The decoder trusts lengths inside of pages and gives up with a panic where one was changed, which
/// happens in unencrypted vaults only; that is damage of the file, and no reason to stop.
pub(crate) fn guarded(
    batches: impl Stream<Item = parquet::errors::Result<RecordBatch>> + Send + 'static,
) -> BoxStream<'static, parquet::errors::Result<RecordBatch>> {
    let given_up = |_| Err(ParquetError::General("a page has impossible lengths".into()));
    AssertUnwindSafe(batches).catch_unwind().map(move |batch| batch.unwrap_or_else(given_up)).boxed()
}

/// Decodes every page of a Parquet file, whatever its columns.
pub(crate) async fn decode_all(mut reader: FileReader) -> Result<()> {
    let failed = {
        let path = reader.path.clone();
        move |error: parquet::errors::ParquetError| Error::because("a file is not readable", error).with("path", &path)
    };
    let metadata = load(&mut reader, ArrowReaderOptions::new()).await.map_err(&failed)?;
    let builder = ParquetRecordBatchStreamBuilder::new_with_metadata(reader, metadata);
    let mut batches = guarded(builder.with_batch_size(1024).build().map_err(&failed)?);
    while batches.next().await.transpose().map_err(&failed)?.is_some() {}
    Ok(())
}

pub(crate) fn rows_per_batch(parquet: &ParquetMetaData, leaves: &[usize], batch_bytes: u64) -> usize {
    let rows = parquet.file_metadata().num_rows().max(1) as u64;
    let mut bytes = 0;
    for group in parquet.row_groups() {
        for leaf in leaves {
            let column = group.column(*leaf);
            let text = column.unencoded_byte_array_data_bytes().unwrap_or(0);
            bytes += (text.max(column.uncompressed_size()).max(0)) as u64;
        }
    }
    let per_row = bytes / rows + leaves.len() as u64 * 4;
    (batch_bytes / per_row.max(1)).clamp(16, MOST_ROWS) as usize
}

/// Whether a file says of a column that it has no value in any row. Most columns of an org's objects have none, and opening one costs as much
/// as decoding thousands of values.
fn is_empty(parquet: &ParquetMetaData, leaf: usize) -> bool {
    parquet.row_groups().iter().all(|group| {
        let nulls = group.column(leaf).statistics().and_then(|statistics| statistics.null_count_opt());
        nulls.is_some_and(|nulls| nulls == group.num_rows() as u64)
    })
}

/// The row groups, and in them the pages, whose range of Ids holds one of `ids`.
fn select(parquet: &ParquetMetaData, id_leaf: usize, ids: &[String]) -> (Vec<usize>, RowSelection) {
    let holds = |low: Option<&[u8]>, high: Option<&[u8]>| {
        let start = low.map_or(0, |low| ids.partition_point(|id| id.as_bytes() < low));
        ids.get(start).is_some_and(|id| high.is_none_or(|high| id.as_bytes() <= high))
    };
    let (mut groups, mut selectors) = (Vec::new(), Vec::new());
    for (index, group) in parquet.row_groups().iter().enumerate() {
        let statistics = group.column(id_leaf).statistics();
        let low = statistics.and_then(|statistics| statistics.min_bytes_opt());
        let high = statistics.and_then(|statistics| statistics.max_bytes_opt());
        if !holds(low, high) {
            continue;
        }
        groups.push(index);
        let rows = group.num_rows() as usize;
        let column = parquet.column_index().and_then(|all| all.get(index)?.get(id_leaf));
        let offsets = parquet.offset_index().and_then(|all| all.get(index)?.get(id_leaf));
        let (Some(ColumnIndexMetaData::BYTE_ARRAY(column)), Some(offsets)) = (column, offsets) else {
            selectors.push(RowSelector::select(rows));
            continue;
        };
        let pages = offsets.page_locations();
        for (page, location) in pages.iter().enumerate() {
            let start = location.first_row_index as usize;
            let end = pages.get(page + 1).map_or(rows, |next| next.first_row_index as usize);
            selectors.push(if holds(column.min_value(page), column.max_value(page)) {
                RowSelector::select(end - start)
            } else {
                RowSelector::skip(end - start)
            });
        }
    }
    (groups, RowSelection::from(selectors))
}

/// Which rows have one of `ids`; both are sorted, so one pass suffices.
fn held_ids(batch: &RecordBatch, ids: &[String]) -> Result<BooleanArray, ArrowError> {
    let column = batch.column(0).as_string::<i32>();
    let mut at = 0;
    let mut held = Vec::with_capacity(column.len());
    for row in 0..column.len() {
        let id = column.value(row);
        if row == 0 || ids.get(at).is_some_and(|wanted| wanted.as_str() < id) {
            at += ids[at..].partition_point(|wanted| wanted.as_str() < id);
        }
        held.push(ids.get(at).is_some_and(|wanted| wanted == id));
    }
    Ok(BooleanArray::from(held))
}
