// SPDX-License-Identifier: Apache-2.0
//! The compound name of people: first and last name, with middle name and suffix where the object has them. The salutation
//! is no part of it.

use crate::record::draft::Draft;
use crate::value::Value;

pub fn join(draft: &mut Draft) {
    let parts: Vec<&str> =
        ["FirstName", "MiddleName", "LastName", "Suffix"].iter().filter_map(|part| draft.text(part)).collect();
    let name = parts.join(" ");
    draft.set("Name", if name.is_empty() { Value::Null } else { Value::Text(name) });
}
