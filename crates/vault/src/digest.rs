// SPDX-License-Identifier: Apache-2.0
//! A digest of a set of rows that does not depend on their order and can be kept up to date row by row.
//!
//! It is the sum modulo 2^256 of the BLAKE3 hashes of the rows' canonical bytes: adding a row adds its hash, replacing
//! one subtracts the old hash. Canonical bytes name columns and leave nulls out, so a column that is added to a table
//! changes the digest of no row that does not use it. It tells accidents, not attacks: whoever can write the vault can
//! find other rows of the same sum.

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType};

use crate::batch::Batch;
use crate::columns::{ColumnType, MISFIT};
use crate::error::{Error, Kind, Result};

/// A 256-bit sum, least significant limb first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Digest([u64; 4]);

impl Digest {
    pub(crate) fn add(&mut self, other: Digest) {
        let mut carry = false;
        for (limb, other) in self.0.iter_mut().zip(other.0) {
            let (sum, over) = limb.overflowing_add(other);
            let (sum, over_again) = sum.overflowing_add(u64::from(carry));
            *limb = sum;
            carry = over || over_again;
        }
    }

    pub(crate) fn subtract(&mut self, other: Digest) {
        let mut borrow = false;
        for (limb, other) in self.0.iter_mut().zip(other.0) {
            let (rest, under) = limb.overflowing_sub(other);
            let (rest, under_again) = rest.overflowing_sub(u64::from(borrow));
            *limb = rest;
            borrow = under || under_again;
        }
    }

    pub(crate) fn parse(text: &str) -> Result<Digest> {
        let wrong = || Error::new(Kind::Corrupt, "a digest is not readable").with("digest", text);
        if text.len() != 64 || !text.is_ascii() {
            return Err(wrong());
        }
        let mut limbs = [0; 4];
        for (index, limb) in limbs.iter_mut().enumerate() {
            let start = 48 - index * 16;
            *limb = u64::from_str_radix(&text[start..start + 16], 16).map_err(|_| wrong())?;
        }
        Ok(Digest(limbs))
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [a, b, c, d] = self.0;
        write!(f, "{d:016x}{c:016x}{b:016x}{a:016x}")
    }
}

/// Adds up rows of one schema: two such digests are the same exactly where the rows are, in whatever order they came.
pub struct RowsDigest {
    hasher: RowHasher,
    sum: Digest,
}

impl RowsDigest {
    pub fn new(schema: &crate::columns::Schema) -> RowsDigest {
        RowsDigest { hasher: RowHasher::new(schema), sum: Digest::default() }
    }

    pub fn add(&mut self, batch: &Batch, row: usize) {
        self.sum.add(self.hasher.row(batch, row));
    }
}

/// 64 hexadecimal digits.
impl std::fmt::Display for RowsDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.sum.fmt(f)
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
        let mut limbs = [0; 4];
        for (limb, bytes) in limbs.iter_mut().zip(hash.as_bytes().chunks_exact(8)) {
            *limb = u64::from_le_bytes(bytes.try_into().expect("chunks of eight bytes"));
        }
        Digest(limbs)
    }
}

fn text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend_from_slice(&(text.len() as u64).to_le_bytes());
    bytes.extend_from_slice(text.as_bytes());
}
