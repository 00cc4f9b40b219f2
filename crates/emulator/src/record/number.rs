// SPDX-License-Identifier: Apache-2.0
//! Auto-numbers: a display format such as `INV-{YYYY}-{0000}` and a counter that starts at 1 and is never set back.

use chrono::{DateTime, Datelike as _};

use super::draft::Draft;
use super::plan::Plan;
use crate::store::Tx;
use crate::value::Value;

/// Numbers a new row. A number that the platform itself gave (a generated world) stays.
pub fn assign(tx: &Tx<'_>, plan: &Plan, draft: &mut Draft) {
    for (at, format) in &plan.auto_numbers {
        if draft.values[*at].is_null() {
            let name = format!("{}.{}", draft.object.name, draft.object.fields[*at].name);
            draft.values[*at] = Value::Text(text(format, tx.next_number(&name), tx.now));
        }
    }
}

/// The text of one number.
fn text(format: &str, number: u64, now: i64) -> String {
    let day = DateTime::from_timestamp_millis(now).unwrap_or_default();
    let mut out = String::new();
    let mut rest = format;
    while let Some((before, after)) = rest.split_once('{') {
        out += before;
        let (inside, behind) = after.split_once('}').unwrap_or((after, ""));
        match inside {
            "YYYY" => out += &format!("{:04}", day.year()),
            "YY" => out += &format!("{:02}", day.year().rem_euclid(100)),
            "MM" => out += &format!("{:02}", day.month()),
            "DD" => out += &format!("{:02}", day.day()),
            zeros => out += &format!("{number:0width$}", width = zeros.len()),
        }
        rest = behind;
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats() {
        assert_eq!(text("INV-{000000}", 42, 0), "INV-000042");
        assert_eq!(text("{YYYY}/{MM}-{0}", 12345, 0), "1970/01-12345");
        assert_eq!(text("{00000000}", 7, 0), "00000007");
    }
}
