// SPDX-License-Identifier: Apache-2.0
//! A batch of rows as they are stored, and its values as text.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, BinaryArray, BooleanArray, Int64Array, RecordBatch, StringArray, new_null_array};

use crate::cell::cell_text;
use crate::columns::{BACKUP, Builder, ColumnType, DELETED, ID, Schema};
use crate::digest::{Digest, RowHasher};
use crate::error::{Error, Kind, Result};

/// Rows of one object: the columns of its schema, then `_misfit`, `_deleted`, `_backup` and `_hash`.
#[derive(Clone)]
pub struct Batch {
    schema: Schema,
    batch: RecordBatch,
    /// Measured once, since it is asked for every range that is taken out.
    bytes_per_row: usize,
    /// The table these rows were read from, if from one: equal versions of a record then need no comparison.
    origin: Option<Arc<str>>,
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Batch({} rows, {} columns)", self.len(), self.schema.columns().len())
    }
}

impl Batch {
    pub(crate) fn new(schema: Schema, batch: RecordBatch) -> Result<Batch> {
        let expected = schema.arrow();
        let same = batch.num_columns() == expected.fields().len()
            && expected
                .fields()
                .iter()
                .zip(batch.columns())
                .all(|(field, array)| field.data_type() == array.data_type());
        if !same {
            return Err(Error::new(Kind::Corrupt, "stored columns are not of the types that the table declares"));
        }
        Ok(Batch::measured(schema, batch, None))
    }

    fn measured(schema: Schema, batch: RecordBatch, origin: Option<Arc<str>>) -> Batch {
        let bytes: usize =
            batch.columns().iter().map(|column| column.to_data().get_slice_memory_size().unwrap_or(0)).sum();
        let bytes_per_row = bytes / batch.num_rows().max(1);
        Batch { schema, batch, bytes_per_row, origin }
    }

    pub(crate) fn with_origin(mut self, origin: Option<Arc<str>>) -> Batch {
        self.origin = origin;
        self
    }

    pub(crate) fn origin(&self) -> Option<&Arc<str>> {
        self.origin.as_ref()
    }

    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Rows in this batch.
    pub fn len(&self) -> usize {
        self.batch.num_rows()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn record_batch(&self) -> &RecordBatch {
        &self.batch
    }

    /// Memory that these rows take, nearly.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.bytes_per_row * self.len()
    }

    pub(crate) fn memory_bytes_per_row(&self) -> usize {
        self.bytes_per_row
    }

    pub(crate) fn slice(&self, start: usize, length: usize) -> Batch {
        Batch { batch: self.batch.slice(start, length), ..self.clone() }
    }

    pub(crate) fn ids(&self) -> &StringArray {
        self.batch.column(0).as_string()
    }

    pub(crate) fn misfits(&self) -> &StringArray {
        self.batch.column(self.schema.columns().len()).as_string()
    }

    pub(crate) fn deletions(&self) -> &BooleanArray {
        self.batch.column(self.schema.columns().len() + 1).as_boolean()
    }

    fn backups(&self) -> &Int64Array {
        self.batch.column(self.schema.columns().len() + 2).as_primitive()
    }

    fn hashes(&self) -> &BinaryArray {
        self.batch.column(self.schema.columns().len() + 3).as_binary()
    }

    /// The hash of a row's values, of all columns of its table. Nought where it was not asked for as rows were read, and where a table
    /// written by others has none.
    pub(crate) fn hash(&self, row: usize) -> Digest {
        let hashes = self.hashes();
        let bytes = hashes.is_valid(row).then(|| hashes.value(row));
        bytes.and_then(|bytes| bytes.try_into().ok()).map(Digest::of_bytes).unwrap_or_default()
    }

    /// The same with hashes, computed from the columns that are here, where rows were read without.
    pub fn hashed(mut self) -> Batch {
        if self.hashes().null_count() > 0 {
            self.hash_with(&mut RowHasher::new(&self.schema));
        }
        self
    }

    /// Computes the hashes of the rows anew.
    pub(crate) fn hash_with(&mut self, hasher: &mut RowHasher) {
        let hashes = hasher.rows(self);
        self.replace(3, Arc::new(hashes));
    }

    /// Puts another column in the place of one of [`OWN`].
    fn replace(&mut self, own: usize, column: ArrayRef) {
        let mut columns = self.batch.columns().to_vec();
        columns[self.schema.columns().len() + own] = column;
        self.batch = RecordBatch::try_new(self.batch.schema(), columns).expect("one column was replaced by its like");
    }

    /// The Id of a row; empty where a table written by others has none.
    pub fn id(&self, row: usize) -> &str {
        let ids = self.ids();
        if ids.is_null(row) { "" } else { ids.value(row) }
    }

    /// Whether the record was gone when this row was captured.
    pub fn deleted(&self, row: usize) -> bool {
        let deletions = self.deletions();
        deletions.is_valid(row) && deletions.value(row)
    }

    /// The sequence of the backup that captured this row, 0 for a row that is in no vault.
    pub fn backup(&self, row: usize) -> u64 {
        u64::try_from(self.backups().value(row)).unwrap_or(0)
    }

    /// The names of the schema's columns, in order.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.schema.columns().iter().map(|column| column.name.as_str())
    }

    pub fn column_index(&self, name: &str) -> Option<usize> {
        self.schema.index(name)
    }

    /// The value as text, `None` for null: verbatim where it did not fit its column, canonical otherwise.
    pub fn text(&self, row: usize, column: usize) -> Option<Cow<'_, str>> {
        let array = self.batch.column(column);
        if array.is_null(row) {
            let misfits = self.misfits();
            if misfits.is_null(row) {
                return None;
            }
            let mut misfits: BTreeMap<String, String> = serde_json::from_str(misfits.value(row)).ok()?;
            return misfits.remove(&self.schema.columns()[column].name).map(Cow::Owned);
        }
        cell_text(array, row)
    }

    /// The same rows with every row's `_backup` set.
    pub(crate) fn numbered(&self, sequence: u64) -> Batch {
        let number = i64::try_from(sequence).expect("sequences are counted from 1 and stay far below 2^63");
        let mut numbered = Batch { origin: None, ..self.clone() };
        numbered.replace(2, Arc::new(Int64Array::from(vec![number; self.len()])));
        numbered
    }

    /// The same rows marked deleted.
    pub(crate) fn buried(&self) -> Batch {
        let mut buried = Batch { origin: None, ..self.clone() };
        buried.replace(1, Arc::new(BooleanArray::from(vec![true; self.len()])));
        buried
    }

    /// These rows in the columns of another schema: a column that is not here is null, a value that does not fit the type
    /// it has there becomes a misfit, one that does fit there no longer is one.
    pub(crate) fn conform(&self, schema: &Schema) -> Result<Batch> {
        if &self.schema == schema {
            return Ok(self.clone());
        }
        let find = |name: &str| self.schema.columns().iter().position(|column| column.name.eq_ignore_ascii_case(name));
        let retyped = schema
            .columns()
            .iter()
            .any(|column| find(&column.name).is_some_and(|index| self.schema.columns()[index].kind != column.kind));
        let renamed = schema
            .columns()
            .iter()
            .any(|column| find(&column.name).is_some_and(|index| self.schema.columns()[index].name != column.name));
        if retyped || (renamed && self.misfits().null_count() < self.len()) {
            let positions: Vec<Option<usize>> = schema.columns().iter().map(|column| find(&column.name)).collect();
            let mut builder = Builder::new(schema);
            for row in 0..self.len() {
                let cells: Vec<Option<Cow<'_, str>>> =
                    positions.iter().map(|position| position.and_then(|column| self.text(row, column))).collect();
                builder.push(self.deleted(row), cells.iter().map(Option::as_deref));
            }
            let mut rebuilt = builder.finish();
            rebuilt.replace(2, Arc::new(self.backups().clone()));
            return Ok(Batch::measured(schema.clone(), rebuilt.batch, self.origin.clone()));
        }
        let mut columns: Vec<ArrayRef> = schema
            .columns()
            .iter()
            .map(|column| match find(&column.name) {
                Some(index) => self.batch.column(index).clone(),
                None => new_null_array(&column.kind.arrow(), self.len()),
            })
            .collect();
        columns.extend(self.batch.columns()[self.schema.columns().len()..].iter().cloned());
        let batch = RecordBatch::try_new(schema.arrow(), columns)
            .map_err(|error| Error::because("rows cannot take the table's columns", error))?;
        let mut conformed = Batch::measured(schema.clone(), batch, self.origin.clone());
        if renamed {
            // Names are part of what is hashed.
            conformed.hash_with(&mut RowHasher::new(schema));
        }
        Ok(conformed)
    }

    /// Takes rows read from a file whose columns are some of the schema's, in any order; those that are missing are null.
    pub(crate) fn from_stored(schema: &Schema, stored: &RecordBatch) -> Result<Batch> {
        let target = schema.arrow();
        let mut columns = Vec::with_capacity(target.fields().len());
        for field in target.fields() {
            columns.push(match stored.column_by_name(field.name()) {
                Some(array) if array.data_type() == field.data_type() => array.clone(),
                Some(array) => arrow_cast::cast(array, field.data_type())
                    .map_err(|error| Error::because("a stored column has another type than the table", error))?,
                None if [ID, BACKUP, DELETED].contains(&field.name().as_str()) => {
                    return Err(Error::new(Kind::Corrupt, "a data file lacks a column that every file has")
                        .with("column", field.name()));
                }
                None => new_null_array(field.data_type(), stored.num_rows()),
            });
        }
        let batch = RecordBatch::try_new(target, columns)
            .map_err(|error| Error::because("stored columns do not make a row", error).of_kind(Kind::Corrupt))?;
        Batch::new(schema.clone(), batch)
    }
}

/// Compares the values of two columns of the same type.
pub(crate) fn same_value(
    kind: ColumnType,
    left: &ArrayRef,
    right: &ArrayRef,
) -> Box<dyn Fn(usize, usize) -> bool + Send> {
    macro_rules! compare {
        ($cast:expr) => {{
            let (left, right) = ($cast(left).clone(), $cast(right).clone());
            Box::new(move |a: usize, b: usize| match (left.is_null(a), right.is_null(b)) {
                (false, false) => left.value(a) == right.value(b),
                (left, right) => left == right,
            })
        }};
    }
    match kind {
        ColumnType::Boolean => compare!(|array: &ArrayRef| array.as_boolean().clone()),
        ColumnType::Integer => compare!(|array: &ArrayRef| array.as_primitive::<Int64Type>().clone()),
        ColumnType::Decimal { .. } => compare!(|array: &ArrayRef| array.as_primitive::<Decimal128Type>().clone()),
        ColumnType::Double => compare!(|array: &ArrayRef| array.as_primitive::<Float64Type>().clone()),
        ColumnType::Date => compare!(|array: &ArrayRef| array.as_primitive::<Date32Type>().clone()),
        ColumnType::Timestamp => {
            compare!(|array: &ArrayRef| array.as_primitive::<TimestampMicrosecondType>().clone())
        }
        ColumnType::Text => compare!(|array: &ArrayRef| array.as_string::<i32>().clone()),
    }
}
