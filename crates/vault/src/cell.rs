// SPDX-License-Identifier: Apache-2.0
//! The canonical text of one value of a column, as docs/format.md has it.

use std::borrow::Cow;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, TimeUnit};

use crate::text;

/// The text of a value; none for null, and for a type that no column of a vault has.
pub fn cell_text(array: &ArrayRef, row: usize) -> Option<Cow<'_, str>> {
    if array.is_null(row) {
        return None;
    }
    let mut written = String::new();
    match array.data_type() {
        DataType::Utf8 => return Some(Cow::Borrowed(array.as_string::<i32>().value(row))),
        DataType::Boolean => {
            return Some(Cow::Borrowed(if array.as_boolean().value(row) { "true" } else { "false" }));
        }
        DataType::Int64 => return Some(Cow::Owned(array.as_primitive::<Int64Type>().value(row).to_string())),
        DataType::Decimal128(_, scale) => {
            text::write_decimal(array.as_primitive::<Decimal128Type>().value(row), *scale, &mut written);
        }
        DataType::Float64 => text::write_double(array.as_primitive::<Float64Type>().value(row), &mut written),
        DataType::Date32 => text::write_date(array.as_primitive::<Date32Type>().value(row), &mut written),
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            text::write_timestamp(array.as_primitive::<TimestampMicrosecondType>().value(row), &mut written);
        }
        _ => return None,
    }
    Some(Cow::Owned(written))
}
