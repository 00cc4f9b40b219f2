// SPDX-License-Identifier: Apache-2.0
//! Rows of a backup as CSV, JSON Lines or Parquet, streamed.

use crate::error::{Error, Kind, Result};
use crate::point::Point;
use futures::stream::TryStreamExt;
use orgkeep_salesforce::csv;
use orgkeep_vault::{Batch, OrgVault, Scan};
use std::io::Write;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// As Bulk API 2.0 writes it: every value quoted, null as the empty value.
    Csv,
    /// An object a line; booleans and numbers as such, null left as null.
    Jsonl,
    /// The vault's typed columns.
    Parquet,
}

/// Writes all live rows of an object at a backup, in the order of their Ids. Returns how many.
///
/// # Errors
/// `NotFound` for a backup or object that is not there; `Unreachable` where the output cannot be written.
pub async fn export(
    vault: &OrgVault,
    object: &str,
    at: Option<u64>,
    format: Format,
    out: &mut (dyn Write + Send),
) -> Result<u64> {
    let point = Point::at(vault, at).await?;
    let (object, entry) = point.named(object)?;
    let mut batches = point.rows(vault, object, Scan::default()).await?;
    if format == Format::Parquet {
        return Ok(orgkeep_vault::write_parquet(&vault.schema(object).await?, batches, out).await?);
    }
    let names: Vec<&str> = entry.fields.iter().map(String::as_str).collect();
    let mut buffer = Vec::new();
    if format == Format::Csv {
        csv::write_row(&mut buffer, names.iter().map(|name| Some(*name)));
    }
    let mut rows = 0;
    while let Some(batch) = batches.try_next().await? {
        let columns: Vec<Option<usize>> = names.iter().map(|name| batch.column_index(name)).collect();
        for row in 0..batch.len() {
            let cells: Vec<_> =
                columns.iter().map(|column| column.and_then(|column| batch.text(row, column))).collect();
            match format {
                Format::Csv => csv::write_row(&mut buffer, cells.iter().map(Option::as_deref)),
                _ => json_line(&mut buffer, &batch, &names, &cells)?,
            }
        }
        rows += batch.len() as u64;
        out.write_all(&buffer).map_err(written)?;
        buffer.clear();
    }
    out.write_all(&buffer).and_then(|()| out.flush()).map_err(written)?;
    Ok(rows)
}

fn written(source: std::io::Error) -> Error {
    Error::new(Kind::Unreachable, "the output could not be written").caused_by(source)
}

fn json_line(
    buffer: &mut Vec<u8>,
    batch: &Batch,
    names: &[&str],
    cells: &[Option<std::borrow::Cow<'_, str>>],
) -> Result<()> {
    let mut line = serde_json::Map::new();
    for (name, cell) in names.iter().zip(cells) {
        line.insert(
            (*name).to_owned(),
            cell.as_deref().map_or(serde_json::Value::Null, |text| typed(batch, name, text)),
        );
    }
    serde_json::to_writer(&mut *buffer, &line)
        .map_err(|source| Error::bug(format!("a row cannot be written as JSON: {source}")))?;
    buffer.push(b'\n');
    Ok(())
}

/// Booleans and numbers that JSON holds without loss become such; the rest stays text.
fn typed(batch: &Batch, name: &str, text: &str) -> serde_json::Value {
    use orgkeep_vault::ColumnType;
    let kind = batch.schema().columns().iter().find(|column| column.name == name).map(|column| column.kind);
    let number = || {
        serde_json::from_str(text).ok().filter(|value: &serde_json::Value| {
            value.as_number().is_some_and(|number| format!("{number}").as_str() == text)
        })
    };
    match kind {
        Some(ColumnType::Boolean) => serde_json::Value::Bool(text == "true"),
        Some(ColumnType::Integer | ColumnType::Decimal { .. } | ColumnType::Double) => {
            number().unwrap_or_else(|| text.into())
        }
        _ => text.into(),
    }
}
