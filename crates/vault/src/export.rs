// SPDX-License-Identifier: Apache-2.0
//! Rows as one Parquet file of their typed columns, for people to take away.

use std::io::Write;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use futures::stream::{Stream, TryStreamExt};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use crate::columns::Schema;
use crate::error::{Error, Kind, Result};
use crate::runs::BatchStream;

/// Writes rows with the columns that the vault keeps them in, `_misfit`, `_deleted` and `_backup` last. Returns how many.
///
/// # Errors
/// Unreachable where the output cannot be written, and whatever reading the rows gives.
pub async fn write_parquet(schema: &Schema, rows: BatchStream, out: &mut (dyn Write + Send)) -> Result<u64> {
    let batches = rows.map_ok(|batch| batch.record_batch().clone());
    write_record_batches(schema.arrow(), batches, out).await
}

/// Writes record batches of this schema, whatever it is. Returns how many rows.
///
/// # Errors
/// Unreachable where the output cannot be written or Parquet has no such type, and whatever reading the rows gives.
pub async fn write_record_batches<E: From<Error>>(
    schema: SchemaRef,
    batches: impl Stream<Item = Result<RecordBatch, E>>,
    out: &mut (dyn Write + Send),
) -> Result<u64, E> {
    let failed = |error| Error::because("the Parquet file cannot be written", error).of_kind(Kind::Unreachable);
    let compression = Compression::ZSTD(ZstdLevel::default());
    let properties = WriterProperties::builder()
        .set_compression(compression)
        // What is not yet written of a row group is held in memory.
        .set_max_row_group_row_count(Some(64 * 1024))
        .build();
    let mut writer = ArrowWriter::try_new(out, schema, Some(properties)).map_err(failed)?;
    let mut batches = std::pin::pin!(batches);
    let mut count = 0;
    while let Some(batch) = batches.try_next().await? {
        writer.write(&batch).map_err(failed)?;
        count += batch.num_rows() as u64;
    }
    writer.close().map_err(failed)?;
    Ok(count)
}
