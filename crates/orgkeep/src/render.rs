// SPDX-License-Identifier: Apache-2.0
//! Reports of the engine as text for people: pure functions from a value to a text or a table.

mod attest;
mod backup;
mod browse;
mod comparison;
mod coverage;
mod erasure;
mod estimate;
mod plan;
mod proof;
mod retention;

pub use attest::{statement, verification};
pub use backup::{backup, backup_shortfall, backup_total, backups, damage, objects};
pub use browse::{history, listing, record};
pub use comparison::{comparison, overview};
pub use coverage::coverage;
pub use erasure::{erasure, left_out};
pub use estimate::estimate;
pub use plan::{plan, restore};
pub use proof::proof;
pub use retention::{expiry, holds, locked, sequences};

use crate::text::{cut, shown};

/// Widest value in a line about a change; whole ones are shown by `orgkeep show`.
const VALUE_COLUMNS: usize = 48;

/// A value in a line of prose: quoted, so that spaces at its ends are seen, and cut; nothing is `(empty)`.
fn quoted(value: Option<&str>) -> String {
    match value {
        Some(text) => format!("\"{}\"", cut(&shown(text), VALUE_COLUMNS)),
        None => "(empty)".to_owned(),
    }
}

/// Two values that differ, cut so that the difference is seen: what both begin with is shortened when it is long.
fn before_and_after(before: Option<&str>, after: Option<&str>) -> String {
    let (Some(old), Some(new)) = (before, after) else {
        return format!("{} -> {}", quoted(before), quoted(after));
    };
    let common = old.chars().zip(new.chars()).take_while(|(old, new)| old == new).count();
    let skipped = common.saturating_sub(KEPT_CHARACTERS);
    if common <= VALUE_COLUMNS / 2 || skipped == 0 {
        return format!("{} -> {}", quoted(before), quoted(after));
    }
    let rest = |text: &str| format!("…{}", text.chars().skip(skipped).collect::<String>());
    format!("{} -> {}", quoted(Some(&rest(old))), quoted(Some(&rest(new))))
}

/// How much of a long common beginning stays, to find one's way.
const KEPT_CHARACTERS: usize = 12;

/// A number for a table, where zero is noise.
fn some(number: u64) -> String {
    if number == 0 { String::new() } else { crate::number::grouped(number) }
}

#[cfg(test)]
mod tests;
