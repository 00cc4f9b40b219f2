// SPDX-License-Identifier: Apache-2.0
//! The columns of an object's rows, and the builder that turns cells of text into typed columns.
//!
//! A value that its column cannot hold exactly is kept verbatim in `_misfit`, a JSON object from field to text; the cell
//! itself is then null. An empty cell is null. [`Builder::push`] is the hot loop of a backup: it allocates nothing per cell.
//!
//! Rows of a builder belong to no backup yet (`_backup` 0); a capture numbers them.

use std::sync::Arc;

use arrow_array::builder::{
    BooleanBuilder, Date32Builder, Decimal128Builder, Float64Builder, Int64Builder, StringBuilder,
    TimestampMicrosecondBuilder,
};
use arrow_array::{ArrayRef, Int64Array, RecordBatch, new_null_array};
use arrow_schema::{DataType, Field, TimeUnit};
use serde::{Deserialize, Serialize};

use crate::batch::Batch;
use crate::digest::RowHasher;
use crate::error::{Error, Kind, Result};
use crate::text;

/// Text of the values that did not fit, as a JSON object by field.
pub(crate) const MISFIT: &str = "_misfit";
/// Whether the record was gone when the row was captured.
pub(crate) const DELETED: &str = "_deleted";
/// The sequence of the backup that captured the row.
pub(crate) const BACKUP: &str = "_backup";
/// The hash of the row's values; see [`crate::digest`].
pub(crate) const HASH: &str = "_hash";
/// The columns that Orgkeep adds, in their order, after those of the object.
pub(crate) const OWN: [&str; 4] = [MISFIT, DELETED, BACKUP, HASH];
pub(crate) const ID: &str = "Id";

/// How the values of a column are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ColumnType {
    Boolean,
    /// 64 bits, signed.
    Integer,
    /// `precision` digits (1 to 38), `scale` of them (0 to `precision`) after the point.
    Decimal {
        precision: u8,
        scale: i8,
    },
    Double,
    /// A day, without a time zone.
    Date,
    /// An instant in UTC with milliseconds, stored in microseconds.
    Timestamp,
    Text,
}

impl ColumnType {
    /// As Arrow has it.
    pub fn arrow(self) -> DataType {
        match self {
            ColumnType::Boolean => DataType::Boolean,
            ColumnType::Integer => DataType::Int64,
            ColumnType::Decimal { precision, scale } => DataType::Decimal128(precision, scale),
            ColumnType::Double => DataType::Float64,
            ColumnType::Date => DataType::Date32,
            ColumnType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            ColumnType::Text => DataType::Utf8,
        }
    }
}

/// A field of an object and how its values are stored.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Column {
    pub name: String,
    pub kind: ColumnType,
}

impl Column {
    pub fn new(name: impl Into<String>, kind: ColumnType) -> Self {
        Column { name: name.into(), kind }
    }
}

/// The columns of an object, `Id` first.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<Column>", into = "Vec<Column>")]
pub struct Schema {
    columns: Arc<[Column]>,
}

impl Schema {
    /// Invalid unless `Id` comes first as text, names are unique regardless of case, none starts with an underscore that
    /// the vault uses itself, and decimals are possible ones.
    pub fn new(columns: Vec<Column>) -> Result<Self> {
        if columns.first().is_none_or(|first| first.name != ID || first.kind != ColumnType::Text) {
            return Err(Error::new(Kind::Invalid, "the first column of an object must be Id, of type text"));
        }
        let mut names = std::collections::HashSet::new();
        for column in &columns {
            if [MISFIT, DELETED, BACKUP].contains(&column.name.as_str()) || column.name.is_empty() {
                return Err(Error::new(Kind::Invalid, "a column has a name that the vault uses itself")
                    .with("column", &column.name));
            }
            if !names.insert(column.name.to_ascii_lowercase()) {
                return Err(Error::new(Kind::Invalid, "two columns have the same name").with("column", &column.name));
            }
            if let ColumnType::Decimal { precision, scale } = column.kind
                && !((1..=38).contains(&precision) && scale >= 0 && i16::from(scale) <= i16::from(precision))
            {
                return Err(Error::new(Kind::Invalid, "no decimal has that precision and scale")
                    .with("column", &column.name)
                    .with("precision", precision)
                    .with("scale", scale));
            }
        }
        Ok(Schema { columns: columns.into() })
    }

    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The position of a column of exactly this name.
    pub fn index(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// These columns and after them those of `other` that are not here, with the types that came first.
    pub(crate) fn union(&self, other: &Schema) -> Schema {
        let mut columns = self.columns.to_vec();
        for column in other.columns.iter() {
            if !columns.iter().any(|held| held.name.eq_ignore_ascii_case(&column.name)) {
                columns.push(column.clone());
            }
        }
        Schema { columns: columns.into() }
    }

    /// Only the named columns, and `Id`, in the order of this schema. Names that are not there are ignored.
    pub(crate) fn project(&self, names: &[String]) -> Schema {
        let wanted = |column: &&Column| column.name == ID || names.contains(&column.name);
        Schema { columns: self.columns.iter().filter(wanted).cloned().collect() }
    }

    /// The stored columns: these, then [`OWN`].
    pub(crate) fn arrow(&self) -> arrow_schema::SchemaRef {
        let mut fields: Vec<Field> =
            self.columns.iter().map(|column| Field::new(&column.name, column.kind.arrow(), true)).collect();
        fields.push(Field::new(MISFIT, DataType::Utf8, true));
        fields.push(Field::new(DELETED, DataType::Boolean, true));
        fields.push(Field::new(BACKUP, DataType::Int64, true));
        fields.push(Field::new(HASH, DataType::Binary, true));
        Arc::new(arrow_schema::Schema::new(fields))
    }
}

impl TryFrom<Vec<Column>> for Schema {
    type Error = Error;

    fn try_from(columns: Vec<Column>) -> Result<Self> {
        Schema::new(columns)
    }
}

impl From<Schema> for Vec<Column> {
    fn from(schema: Schema) -> Self {
        schema.columns.to_vec()
    }
}

enum Cells {
    Boolean(BooleanBuilder),
    Integer(Int64Builder),
    Decimal(Decimal128Builder, i128, i8),
    Double(Float64Builder),
    Date(Date32Builder),
    Timestamp(TimestampMicrosecondBuilder),
    Text(StringBuilder),
}

impl Cells {
    fn new(kind: ColumnType) -> Cells {
        match kind {
            ColumnType::Boolean => Cells::Boolean(BooleanBuilder::new()),
            ColumnType::Integer => Cells::Integer(Int64Builder::new()),
            ColumnType::Decimal { precision, scale } => {
                let builder = Decimal128Builder::new().with_data_type(DataType::Decimal128(precision, scale));
                Cells::Decimal(builder, 10i128.pow(u32::from(precision)), scale)
            }
            ColumnType::Double => Cells::Double(Float64Builder::new()),
            ColumnType::Date => Cells::Date(Date32Builder::new()),
            ColumnType::Timestamp => Cells::Timestamp(TimestampMicrosecondBuilder::new().with_data_type(kind.arrow())),
            ColumnType::Text => Cells::Text(StringBuilder::new()),
        }
    }

    fn append_null(&mut self) {
        match self {
            Cells::Boolean(builder) => builder.append_null(),
            Cells::Integer(builder) => builder.append_null(),
            Cells::Decimal(builder, ..) => builder.append_null(),
            Cells::Double(builder) => builder.append_null(),
            Cells::Date(builder) => builder.append_null(),
            Cells::Timestamp(builder) => builder.append_null(),
            Cells::Text(builder) => builder.append_null(),
        }
    }

    /// Appends the value of `text`, or nothing and `false` where this column cannot hold it exactly.
    fn append(&mut self, text: &str) -> bool {
        fn push<T>(value: Option<T>, append: impl FnOnce(T)) -> bool {
            value.map(append).is_some()
        }
        match self {
            Cells::Boolean(builder) => {
                let value = match text {
                    "true" => Some(true),
                    "false" => Some(false),
                    _ => None,
                };
                push(value, |value| builder.append_value(value))
            }
            Cells::Integer(builder) => {
                let value = text::parse_decimal(text, 0).and_then(|value| i64::try_from(value).ok());
                push(value, |value| builder.append_value(value))
            }
            Cells::Decimal(builder, limit, scale) => {
                let value = text::parse_decimal(text, *scale).filter(|value| value.abs() < *limit);
                push(value, |value| builder.append_value(value))
            }
            Cells::Double(builder) => push(text::parse_double(text), |value| builder.append_value(value)),
            Cells::Date(builder) => push(text::parse_date(text), |value| builder.append_value(value)),
            Cells::Timestamp(builder) => push(text::parse_timestamp(text), |value| builder.append_value(value)),
            Cells::Text(builder) => {
                builder.append_value(text);
                true
            }
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Cells::Boolean(builder) => Arc::new(builder.finish()),
            Cells::Integer(builder) => Arc::new(builder.finish()),
            Cells::Decimal(builder, ..) => Arc::new(builder.finish()),
            Cells::Double(builder) => Arc::new(builder.finish()),
            Cells::Date(builder) => Arc::new(builder.finish()),
            Cells::Timestamp(builder) => Arc::new(builder.finish()),
            Cells::Text(builder) => Arc::new(builder.finish()),
        }
    }

    fn width_bytes(&self) -> usize {
        match self {
            Cells::Boolean(_) => 1,
            Cells::Date(_) | Cells::Text(_) => 4,
            Cells::Integer(_) | Cells::Double(_) | Cells::Timestamp(_) => 8,
            Cells::Decimal(..) => 16,
        }
    }
}

/// Collects rows of text into a [`Batch`]. Can be used again after [`Builder::finish`].
pub struct Builder {
    schema: Schema,
    cells: Vec<Cells>,
    misfit: StringBuilder,
    deleted: BooleanBuilder,
    row_misfits: Vec<u8>,
    rows: usize,
    text_bytes: usize,
    row_width_bytes: usize,
    hasher: RowHasher,
}

impl Builder {
    pub fn new(schema: &Schema) -> Self {
        let cells: Vec<Cells> = schema.columns.iter().map(|column| Cells::new(column.kind)).collect();
        let row_width_bytes = cells.iter().map(Cells::width_bytes).sum::<usize>() + 26;
        Builder {
            schema: schema.clone(),
            cells,
            misfit: StringBuilder::new(),
            deleted: BooleanBuilder::new(),
            row_misfits: Vec::new(),
            rows: 0,
            text_bytes: 0,
            row_width_bytes,
            hasher: RowHasher::new(schema),
        }
    }

    /// Appends one record: `cells` in the order of the schema; those that are missing at the end are null, those beyond
    /// it are ignored.
    pub fn push<'a>(&mut self, deleted: bool, cells: impl Iterator<Item = Option<&'a str>>) {
        let mut given = cells;
        self.row_misfits.clear();
        for (index, cells) in self.cells.iter_mut().enumerate() {
            match given.next().flatten() {
                None | Some("") => cells.append_null(),
                Some(text) => {
                    if matches!(cells, Cells::Text(_)) {
                        self.text_bytes += text.len();
                    }
                    if !cells.append(text) {
                        cells.append_null();
                        self.row_misfits.push(if self.row_misfits.is_empty() { b'{' } else { b',' });
                        write_json(&mut self.row_misfits, &self.schema.columns[index].name);
                        self.row_misfits.push(b':');
                        write_json(&mut self.row_misfits, text);
                    }
                }
            }
        }
        if self.row_misfits.is_empty() {
            self.misfit.append_null();
        } else {
            self.row_misfits.push(b'}');
            self.text_bytes += self.row_misfits.len();
            self.misfit.append_value(std::str::from_utf8(&self.row_misfits).expect("JSON of strings is UTF-8"));
        }
        self.deleted.append_value(deleted);
        self.rows += 1;
    }

    /// Rows since the last [`Builder::finish`].
    pub fn len(&self) -> usize {
        self.rows
    }

    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Memory that the rows take, nearly. A text column holds at most 2 GiB: finish long before.
    pub fn bytes(&self) -> usize {
        self.text_bytes + self.rows * self.row_width_bytes
    }

    pub fn finish(&mut self) -> Batch {
        let mut columns: Vec<ArrayRef> = self.cells.iter_mut().map(Cells::finish).collect();
        columns.push(Arc::new(self.misfit.finish()));
        columns.push(Arc::new(self.deleted.finish()));
        columns.push(Arc::new(Int64Array::from(vec![0; self.rows])));
        columns.push(new_null_array(&DataType::Binary, self.rows));
        self.rows = 0;
        self.text_bytes = 0;
        let batch = RecordBatch::try_new(self.schema.arrow(), columns)
            .expect("every builder got one value per row, of the type in the schema");
        let mut batch = Batch::new(self.schema.clone(), batch).expect("the batch was built from this schema");
        batch.hash_with(&mut self.hasher);
        batch
    }
}

fn write_json(json: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(json, text).expect("writing a string to memory cannot fail");
}
