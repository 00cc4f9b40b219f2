// SPDX-License-Identifier: Apache-2.0
//! A digest of a set of rows that does not depend on their order and can be kept up to date row by row.
//!
//! It is the sum modulo 2^128 of the hashes of the rows, which are the first half of the BLAKE3 hash of their canonical bytes:
//! adding a row adds its hash, replacing one subtracts the old hash. Canonical bytes name columns and leave nulls out, so a
//! column that is added to a table changes the hash of no row that does not use it. It tells accidents, not attacks: whoever
//! can write the vault can find other rows of the same sum.
//!
//! A row's hash is stored beside it, so that a backup that replaces a row need not read its other columns.

use arrow_array::builder::BinaryBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, BinaryArray};

use crate::batch::Batch;
use crate::columns::{ColumnType, MISFIT};
use crate::error::{Error, Kind, Result};

/// The hash of a row, or a sum of such.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Digest(u128);

impl Digest {
    /// A hash as it is stored.
    pub(crate) fn of_bytes(bytes: [u8; 16]) -> Digest {
        Digest(u128::from_le_bytes(bytes))
    }

    pub(crate) fn bytes(self) -> [u8; 16] {
        self.0.to_le_bytes()
    }

    pub(crate) fn add(&mut self, other: Digest) {
        self.0 = self.0.wrapping_add(other.0);
    }

    pub(crate) fn subtract(&mut self, other: Digest) {
        self.0 = self.0.wrapping_sub(other.0);
    }

    pub(crate) fn parse(text: &str) -> Result<Digest> {
        let wrong = || Error::new(Kind::Corrupt, "a digest is not readable").with("digest", text);
        if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        u128::from_str_radix(text, 16).map(Digest).map_err(|_| wrong())
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Adds up rows of one schema: two such digests are the same exactly where the rows are, in whatever order they came.
#[derive(Default)]
pub struct RowsDigest(Digest);

impl RowsDigest {
    /// Adds a row that a [`Builder`](crate::Builder) made; others need [`Batch::hashed`].
    pub fn add(&mut self, batch: &Batch, row: usize) {
        self.0.add(batch.hash(row));
    }
}

/// 32 hexadecimal digits.
impl std::fmt::Display for RowsDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Hashes the rows of batches of one schema.
pub(crate) struct RowHasher {
    /// The position of each column, in order of its name, and the tag that stands for the name.
    order: Vec<(usize, [u8; 8])>,
    misfit_tag: [u8; 8],
    bytes: Vec<u8>,
}

fn tag(name: &str) -> [u8; 8] {
    blake3::hash(name.as_bytes()).as_bytes()[..8].try_into().expect("a hash has 32 bytes")
}

impl RowHasher {
    pub(crate) fn new(schema: &crate::columns::Schema) -> RowHasher {
        let mut named: Vec<(usize, &str)> =
            schema.columns().iter().enumerate().map(|(index, column)| (index, column.name.as_str())).collect();
        named.sort_by_key(|(_, name)| *name);
        let order = named.into_iter().map(|(index, name)| (index, tag(name))).collect();
        RowHasher { order, misfit_tag: tag(MISFIT), bytes: Vec::new() }
    }

    pub(crate) fn row(&mut self, batch: &Batch, row: usize) -> Digest {
        self.bytes.clear();
        for (index, tag) in &self.order {
            let array = batch.record_batch().column(*index);
            if array.is_null(row) {
                continue;
            }
            self.bytes.extend_from_slice(tag);
            match batch.schema().columns()[*index].kind {
                ColumnType::Boolean => self.bytes.push(u8::from(array.as_boolean().value(row))),
                ColumnType::Integer => {
                    self.bytes.extend_from_slice(&array.as_primitive::<Int64Type>().value(row).to_le_bytes());
                }
                ColumnType::Decimal { .. } => {
                    self.bytes.extend_from_slice(&array.as_primitive::<Decimal128Type>().value(row).to_le_bytes());
                }
                ColumnType::Double => {
                    self.bytes.extend_from_slice(&array.as_primitive::<Float64Type>().value(row).to_le_bytes());
                }
                ColumnType::Date => {
                    self.bytes.extend_from_slice(&array.as_primitive::<Date32Type>().value(row).to_le_bytes());
                }
                ColumnType::Timestamp => {
                    let value = array.as_primitive::<TimestampMicrosecondType>().value(row);
                    self.bytes.extend_from_slice(&value.to_le_bytes());
                }
                ColumnType::Text => text(&mut self.bytes, array.as_string::<i32>().value(row)),
            }
        }
        let misfits = batch.misfits();
        if misfits.is_valid(row) {
            // Sorted by field, since the order in the file follows the columns of the backup that wrote it.
            let sorted: std::collections::BTreeMap<String, String> =
                serde_json::from_str(misfits.value(row)).unwrap_or_default();
            let tag = self.misfit_tag;
            for (field, value) in sorted {
                self.bytes.extend_from_slice(&tag);
                text(&mut self.bytes, &field);
                text(&mut self.bytes, &value);
            }
        }
        let hash = blake3::hash(&self.bytes);
        Digest::of_bytes(hash.as_bytes()[..16].try_into().expect("a hash has 32 bytes"))
    }

    /// The hashes of all rows, as they are stored.
    pub(crate) fn rows(&mut self, batch: &Batch) -> BinaryArray {
        let mut hashes = BinaryBuilder::with_capacity(batch.len(), batch.len() * 16);
        (0..batch.len()).for_each(|row| hashes.append_value(self.row(batch, row).bytes()));
        hashes.finish()
    }
}

fn text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend_from_slice(&(text.len() as u64).to_le_bytes());
    bytes.extend_from_slice(text.as_bytes());
}
