// SPDX-License-Identifier: Apache-2.0
//! Reading one data file or pack to the last page, and holding it against what is said of it elsewhere.
//!
//! Row group by row group, so that a damaged one names the range of its Ids and the others are known to be sound. Beside what
//! decoding notices: Ids come in order and within the bounds that lookups trust (of pages, row groups, and of the file in the
//! log), the columns are columns of the table, values have their hashes, the rows are as many as the log says; bodies have their hashes and lengths.

use std::ops::RangeInclusive;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, RecordBatch};
use chrono::DateTime;
use futures::stream::StreamExt;
use md5::{Digest as _, Md5};
use object_store::path::Path;
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::ParquetRecordBatchStreamBuilder;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use serde_json::Value;

use crate::batch::Batch;
use crate::check::damage_or;
use crate::columns::{Column, ID, OWN, Schema};
use crate::datafile::{FileReader, Statistics, decode_all, guarded, load, of_pack, rows_per_batch};
use crate::digest::RowHasher;
use crate::error::{Error, Kind, Result};
use crate::log::DataFile;
use crate::org::OrgVault;

/// About as much memory as one batch may take.
const BATCH_BYTES: u64 = 4 * 1024 * 1024;

/// A part of a file that is not as it was written.
pub(crate) struct Broken {
    /// The first and the last Id in it, as far as that is known.
    pub ids: Option<(String, String)>,
    pub error: Error,
}

/// Reads a file of rows with these columns, or a pack of bodies. An error means that it could not be read at all now. A file that is not
/// sealed is read twice, with the index of pages and without: what the header of a page says of its size counts only for who comes to the next
/// page by it.
pub(crate) async fn examine(
    org: &OrgVault,
    path: &Path,
    file: &DataFile,
    columns: Option<&[Column]>,
) -> Result<Vec<Broken>> {
    let all = || file.ids().map(|(low, high)| (low.to_owned(), high.to_owned()));
    let unreadable = |error: parquet::errors::ParquetError| Error::because("a data file is not readable", error);
    let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Optional);
    let is_sealed = org.vault_store().keyring().is_some();
    let mut reader = FileReader::new(org.store(), path.clone(), file.bytes);
    let metadata = match load(&mut reader, options).await {
        Ok(metadata) => metadata,
        Err(error) => return Ok(vec![Broken { ids: all(), error: damage_or(unreadable(error))? }]),
    };
    let parquet = metadata.metadata().clone();
    let mut broken = Vec::new();
    let schema = columns.map(|columns| Schema::new(columns.to_vec())).transpose()?;
    let mut hasher = schema.as_ref().map(RowHasher::new);
    if let Err(error) = known(&parquet, columns) {
        broken.push(Broken { ids: all(), error });
    }
    let leaves: Vec<usize> = (0..parquet.file_metadata().schema_descr().num_columns()).collect();
    let rows = rows_per_batch(&parquet, &leaves, BATCH_BYTES).min(1024);
    let mut found = Statistics::default();
    let mut last = String::new();
    for group in 0..parquet.num_row_groups() {
        let bounds = Bounds::of(&parquet, group);
        let outcome = async {
            let reader = reader.clone();
            let builder = ParquetRecordBatchStreamBuilder::new_with_metadata(reader, metadata.clone());
            let builder = builder.with_row_groups(vec![group]).with_batch_size(rows);
            let mut batches = guarded(builder.build().map_err(unreadable)?);
            let mut row = 0;
            while let Some(batch) = batches.next().await.transpose().map_err(unreadable)? {
                bounds.hold(&batch, row, &mut last)?;
                match (&schema, &mut hasher) {
                    (Some(schema), Some(hasher)) => values(&Batch::from_stored(schema, &batch)?, hasher)?,
                    _ => bodies(&batch)?,
                }
                found.add(&batch);
                row += batch.num_rows();
            }
            Ok(())
        };
        if let Err(error) = outcome.await {
            broken.push(Broken { ids: bounds.ids.clone().or_else(all), error: damage_or(error)? });
        }
    }
    if broken.is_empty()
        && !is_sealed
        && let Err(error) = decode_all(reader.clone()).await
    {
        broken.push(Broken { ids: all(), error: damage_or(error)? });
    }
    if broken.is_empty()
        && let Err(error) = as_logged(&file.stats, file.rows, &found.finish())
    {
        broken.push(Broken { ids: all(), error });
    }
    Ok(broken)
}

fn wrong(what: impl Into<String>) -> Error {
    Error::new(Kind::Corrupt, what)
}

/// Whether the table has all columns of the file.
fn known(parquet: &ParquetMetaData, columns: Option<&[Column]>) -> Result<()> {
    let Some(columns) = columns else { return Ok(()) };
    for column in parquet.file_metadata().schema_descr().root_schema().get_fields() {
        let name = column.name();
        if !OWN.contains(&name) && !columns.iter().any(|column| column.name == name) {
            return Err(wrong("the file has a column that its table has not").with("column", name));
        }
    }
    Ok(())
}

/// What is said of the Ids of a row group, and of each of its pages.
struct Bounds {
    ids: Option<(String, String)>,
    pages: Vec<(usize, RangeInclusive<Vec<u8>>)>,
}

impl Bounds {
    fn of(parquet: &ParquetMetaData, group: usize) -> Bounds {
        let schema = parquet.file_metadata().schema_descr();
        let Some(leaf) = (0..schema.num_columns()).find(|index| schema.column(*index).name() == ID) else {
            return Bounds { ids: None, pages: Vec::new() };
        };
        let statistics = parquet.row_group(group).column(leaf).statistics();
        let text = |bytes: Option<&[u8]>| Some(String::from_utf8_lossy(bytes?).into_owned());
        let ids = statistics.and_then(|held| Some((text(held.min_bytes_opt())?, text(held.max_bytes_opt())?)));
        let column = parquet.column_index().and_then(|all| all.get(group)?.get(leaf));
        let offsets = parquet.offset_index().and_then(|all| all.get(group)?.get(leaf));
        let mut pages = Vec::new();
        if let (Some(ColumnIndexMetaData::BYTE_ARRAY(column)), Some(offsets)) = (column, offsets) {
            for (page, location) in offsets.page_locations().iter().enumerate() {
                if let (Some(low), Some(high)) = (column.min_value(page), column.max_value(page)) {
                    let first = usize::try_from(location.first_row_index).unwrap_or(0);
                    pages.push((first, low.to_vec()..=high.to_vec()));
                }
            }
        }
        Bounds { ids, pages }
    }

    /// Fails where Ids are out of order or out of bounds. `row` is the first of the batch within the row group.
    fn hold(&self, batch: &RecordBatch, row: usize, last: &mut String) -> Result<()> {
        let ids = batch.column_by_name(ID).and_then(|column| column.as_string_opt::<i32>());
        let Some(ids) = ids else { return Err(wrong("a data file has no Id column")) };
        for (index, id) in ids.iter().enumerate() {
            let id = id.ok_or_else(|| wrong("a data file has a row without an Id"))?;
            let beyond = |(low, high): &(String, String)| id < low.as_str() || id > high.as_str();
            let page = self.pages.partition_point(|(first, _)| *first <= row + index).checked_sub(1);
            let off = page.is_some_and(|page| !within(&self.pages[page].1, id.as_bytes()));
            if id < last.as_str() || self.ids.as_ref().is_some_and(beyond) || off {
                return Err(wrong("an Id is not where lookups search for it").with("id", id));
            }
            last.clear();
            last.push_str(id);
        }
        Ok(())
    }
}

fn within(range: &RangeInclusive<Vec<u8>>, id: &[u8]) -> bool {
    range.start().as_slice() <= id && id <= range.end().as_slice()
}

/// Whether the statistics in the log, by which files are left out of readings, are those of the rows.
fn as_logged(logged: &Value, rows: u64, found: &Value) -> Result<()> {
    if found["numRecords"] != rows {
        return Err(wrong("the file has another number of rows than the table's log says")
            .with("rows", &found["numRecords"])
            .with("expected", rows));
    }
    for group in ["minValues", "maxValues", "nullCount"] {
        for (column, said) in logged[group].as_object().into_iter().flatten() {
            if !same(said, &found[group][column]) {
                return Err(wrong("the table's log says other things of a file than are in it").with("column", column));
            }
        }
    }
    Ok(())
}

/// Times are written in several ways.
fn same(a: &Value, b: &Value) -> bool {
    let time = |value: &Value| DateTime::parse_from_rfc3339(value.as_str()?).ok();
    a == b || time(a).is_some_and(|a| Some(a) == time(b))
}

/// Whether values are those of their hashes.
fn values(batch: &Batch, hasher: &mut RowHasher) -> Result<()> {
    match (0..batch.len()).find(|row| hasher.row(batch, *row) != batch.hash(*row)) {
        Some(row) => Err(wrong("a row is not what its hash says").with("id", batch.id(row))),
        None => Ok(()),
    }
}

/// Whether bodies are those of their hashes.
fn bodies(batch: &RecordBatch) -> Result<()> {
    let columns = [ID, "md5", "length", "large", "body"].map(str::to_owned);
    let batch = of_pack(batch, &columns).map_err(|error| Error::because("a pack is not readable", error))?;
    let text = |index: usize| batch.column(index).as_string::<i32>();
    let (ids, md5s, large, bodies) = (text(0), text(1), text(3), batch.column(4).as_binary::<i32>());
    let lengths = batch.column(2).as_primitive::<Int64Type>();
    for row in (0..batch.num_rows()).filter(|row| large.is_null(*row)) {
        let body = if bodies.is_null(row) { &[][..] } else { bodies.value(row) };
        let sound = blake3::hash(body).to_hex().as_str() == ids.value(row)
            && crate::keys::hex(&Md5::digest(body)) == md5s.value(row)
            && usize::try_from(lengths.value(row)) == Ok(body.len());
        if !sound {
            return Err(wrong("a body in a pack is not what it was").with("hash", ids.value(row)));
        }
    }
    Ok(())
}
