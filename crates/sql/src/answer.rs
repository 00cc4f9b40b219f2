// SPDX-License-Identifier: Apache-2.0
//! What a query gives: columns by name, and rows batch by batch.
//!
//! Values have the vault's own texts (`docs/format.md`), so that a number or a time reads the same here as in every other command. The
//! engine computes in more types than a vault keeps; those are brought to the nearest that it has, and what has none (lists,
//! intervals) is text.

use std::borrow::Cow;
use std::io::Write;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, RecordBatch, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::DataFusionError;
use datafusion::physical_plan::SendableRecordBatchStream;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use orgkeep_engine::{Error, Result};
use orgkeep_vault::{ErasedSince, cell_text};
use serde_json::Value;

use crate::failure;

/// A column of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    /// Whether its values are numbers.
    pub is_number: bool,
}

/// Columns and a stream of rows.
pub struct Answer {
    columns: Vec<Column>,
    schema: SchemaRef,
    rows: BoxStream<'static, Result<RecordBatch, DataFusionError>>,
    erased: Vec<ErasedSince>,
}

/// Some rows of an answer.
pub struct Rows {
    columns: Vec<ArrayRef>,
    len: usize,
}

impl Answer {
    pub(crate) fn new(names: Vec<String>, rows: SendableRecordBatchStream) -> Answer {
        let fields = rows.schema();
        let fields: Vec<Field> = fields
            .fields()
            .iter()
            .zip(names)
            .map(|(field, name)| Field::new(name, nearest(field.data_type()), true))
            .collect();
        Answer::typed(Arc::new(Schema::new(fields)), rows.boxed())
    }

    fn typed(schema: SchemaRef, rows: BoxStream<'static, Result<RecordBatch, DataFusionError>>) -> Answer {
        let column = |field: &Arc<Field>| Column {
            name: field.name().clone(),
            is_number: matches!(field.data_type(), DataType::Int64 | DataType::Decimal128(..) | DataType::Float64),
        };
        Answer { columns: schema.fields().iter().map(column).collect(), schema, rows, erased: Vec::new() }
    }

    /// Rows that are there already. A column of digits only counts as one of numbers.
    pub(crate) fn of_texts(names: &[&str], rows: Vec<Vec<String>>) -> Answer {
        let mut columns: Vec<Vec<String>> = vec![Vec::with_capacity(rows.len()); names.len()];
        for row in rows {
            columns.iter_mut().zip(row).for_each(|(column, cell)| column.push(cell));
        }
        let arrays: Vec<ArrayRef> = columns
            .into_iter()
            .map(|cells| {
                let numbers: Option<Vec<i64>> = cells.iter().map(|cell| cell.parse().ok()).collect();
                match numbers {
                    Some(numbers) => Arc::new(datafusion::arrow::array::Int64Array::from(numbers)) as ArrayRef,
                    None => Arc::new(StringArray::from(cells)) as ArrayRef,
                }
            })
            .collect();
        let fields: Vec<Field> =
            names.iter().zip(&arrays).map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
        let schema = Arc::new(Schema::new(fields));
        let batch = RecordBatch::try_new(schema.clone(), arrays).map_err(DataFusionError::from);
        Answer::typed(schema, stream::once(async { batch }).boxed())
    }

    /// A plan, with a row for each of its lines.
    pub(crate) async fn explained(rows: SendableRecordBatchStream) -> Result<Answer> {
        let batches: Vec<RecordBatch> = rows.try_collect().await.map_err(failure::explained)?;
        let mut lines = Vec::new();
        for batch in &batches {
            let columns = [near(batch.column(0)), near(batch.column(1))];
            for row in 0..batch.num_rows() {
                let [kind, plan] = &columns;
                let kind = kind.as_ref().ok().and_then(|kind| cell_text(kind, row)).unwrap_or_default();
                let plan = plan.as_ref().ok().and_then(|plan| cell_text(plan, row)).unwrap_or_default();
                lines.extend(plan.lines().map(|line| vec![kind.to_string(), line.to_owned()]));
            }
        }
        Ok(Answer::of_texts(&["Plan", "Step"], lines))
    }

    /// The same, from tables that lack these records.
    pub(crate) fn without(self, erased: Vec<ErasedSince>) -> Answer {
        Answer { erased, ..self }
    }

    /// Records that the backups held which were read, until they were erased.
    pub fn erased(&self) -> &[ErasedSince] {
        &self.erased
    }

    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The next rows; none at the end.
    ///
    /// # Errors
    /// What happens only while the query runs: `Limited` where its memory does not suffice, `Invalid` for a value that cannot be
    /// computed, and what reading the vault gives.
    pub async fn next(&mut self) -> Result<Option<Rows>> {
        let Some(batch) = self.rows.try_next().await.map_err(failure::explained)? else { return Ok(None) };
        let columns = batch.columns().iter().map(near).collect::<Result<_, _>>();
        Ok(Some(Rows { columns: columns.map_err(|error| failure::explained(error.into()))?, len: batch.num_rows() }))
    }

    /// Writes all rows as one Parquet file. Returns how many.
    ///
    /// # Errors
    /// `Unreachable` where the output cannot be written, and what [`Answer::next`] gives.
    pub async fn write_parquet(self, out: &mut (dyn Write + Send)) -> Result<u64> {
        let schema = self.schema.clone();
        let batches = self.rows.map_err(failure::explained).and_then(move |batch| {
            let columns: Result<Vec<ArrayRef>, ArrowError> = batch.columns().iter().map(near).collect();
            let batch = columns.and_then(|columns| RecordBatch::try_new(schema.clone(), columns));
            std::future::ready(batch.map_err(|error| failure::explained(error.into())))
        });
        orgkeep_vault::write_record_batches::<Error>(self.schema, batches, out).await
    }
}

impl Rows {
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The value as text, none for null.
    pub fn text(&self, row: usize, column: usize) -> Option<Cow<'_, str>> {
        cell_text(&self.columns[column], row)
    }

    /// The value as JSON: booleans, and numbers that JSON holds without loss, as such, the rest as text.
    pub fn json(&self, row: usize, column: usize) -> Value {
        let Some(text) = self.text(row, column) else { return Value::Null };
        match self.columns[column].data_type() {
            DataType::Boolean => Value::Bool(text == "true"),
            DataType::Int64 | DataType::Decimal128(..) | DataType::Float64 => serde_json::from_str(&text)
                .ok()
                .filter(|value: &Value| value.as_number().is_some_and(|number| number.to_string() == text))
                .unwrap_or_else(|| text.into()),
            _ => text.into(),
        }
    }
}

/// The type of a vault's column that holds the values of another type.
fn nearest(kind: &DataType) -> DataType {
    match kind {
        DataType::Boolean | DataType::Int64 | DataType::Decimal128(..) | DataType::Float64 | DataType::Date32 => {
            kind.clone()
        }
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16 | DataType::UInt32 => {
            DataType::Int64
        }
        DataType::UInt64 => DataType::Decimal128(20, 0),
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
            DataType::Decimal128(*precision, *scale)
        }
        DataType::Float16 | DataType::Float32 => DataType::Float64,
        DataType::Timestamp(..) | DataType::Date64 => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        _ => DataType::Utf8,
    }
}

fn near(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let target = nearest(array.data_type());
    if *array.data_type() == target {
        return Ok(array.clone());
    }
    let is_text = matches!(array.data_type(), DataType::Utf8View | DataType::LargeUtf8 | DataType::Null);
    if target != DataType::Utf8 || is_text {
        return cast(array, &target);
    }
    let options = FormatOptions::default().with_null("null");
    let formatter = ArrayFormatter::try_new(array.as_ref(), &options)?;
    let text = |row: usize| match array.is_null(row) {
        true => Ok(None),
        false => formatter.value(row).try_to_string().map(Some),
    };
    Ok(Arc::new((0..array.len()).map(text).collect::<Result<StringArray, ArrowError>>()?))
}
