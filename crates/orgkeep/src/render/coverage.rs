// SPDX-License-Identifier: Apache-2.0
//! What a backup covers.

use super::backup::state;
use crate::number::{counted, grouped};
use crate::table::{Shape, Table};
use crate::text::shown;
use orgkeep_engine::{Coverage, ObjectCoverage, Route, State, TO_SEE_ALL};

/// Objects that are not whole come with their reasons and what to do; the whole ones in a table where they have rows.
pub fn coverage(coverage: &Coverage, name: &str, shape: Shape) -> String {
    let mut text = format!(
        "Backup {} of {}, finished {} UTC, is {}\n",
        coverage.sequence,
        shown(name),
        coverage.finished.format("%Y-%m-%d %H:%M:%S"),
        state(coverage.state)
    );
    let mut table = Table::new([
        "Object",
        "State",
        ">In the org",
        ">Held",
        ">Fields",
        "As of (UTC)",
        "Ids as of",
        "Formulas as of",
    ]);
    let single = coverage.objects.len() == 1;
    let (mut empty, mut unread) = (0u64, 0u64);
    for object in &coverage.objects {
        let line = &object.line;
        if line.state == State::Green && line.rows_held == 0 && !single {
            empty += 1;
            continue;
        }
        unread += u64::from(line.route == Route::None);
        let time = |time: Option<chrono::DateTime<chrono::Utc>>| {
            time.map(|time| time.format("%Y-%m-%d %H:%M").to_string()).unwrap_or_default()
        };
        table.row([
            line.object.clone(),
            state(line.state).to_owned(),
            line.rows_in_org.map(grouped).unwrap_or_else(|| "not counted".into()),
            grouped(line.rows_held),
            format!("{} of {}", object.fields_held, object.fields_in_org),
            time(object.as_of),
            time(object.ids_as_of),
            time(object.calculated_as_of),
        ]);
    }
    if !table.is_empty() {
        text.push_str(&format!("\n{}", table.render(shape)));
    }
    if empty > 0 {
        text.push_str(&format!("{} without rows in the org\n", counted(empty, "object")));
    }
    for object in coverage.objects.iter().filter(|object| object.line.state != State::Green) {
        text.push_str(&shortfall(object));
    }
    for object in coverage.objects.iter().filter(|object| single && !object.fields_missing.is_empty()) {
        text.push_str(&format!("\nFields not held: {}\n", object.fields_missing.join(", ")));
    }
    if !coverage.without_rows.is_empty() {
        let others = counted(coverage.without_rows.len() as u64, "more object");
        text.push_str(&format!("\n{others} have no rows that could be read (each with its reason in --json)\n"));
    }
    if let Some(dangling) = &coverage.dangling {
        let mut table = Table::new(["Reference", ">Lead nowhere", "For example"]);
        for dangling in dangling {
            table.row([
                format!("{}.{}", dangling.object, dangling.field),
                grouped(dangling.references),
                format!("{} refers to {}", dangling.example.0, dangling.example.1),
            ]);
        }
        match table.is_empty() {
            true => text.push_str("\nEvery reference leads to a record of this backup\n"),
            false => text.push_str(&format!("\n{}", table.render(shape))),
        }
    }
    if let Some(reason) = &coverage.hidden_fields_unknown {
        text.push_str(&format!(
            "\nWhether fields are hidden from the user who backs up is not known: {}\n  what to do: give it View Setup and Configuration\n",
            shown(reason)
        ));
    }
    if let Some(reason) = &coverage.not_all_shown {
        text.push_str(&format!("\nNot every record is shown: {}\n  what to do: {TO_SEE_ALL}\n", shown(reason)));
    }
    if unread > 0 {
        text.push_str(&format!("\n{} not read\n", counted(unread, "object")));
    }
    text
}

fn shortfall(object: &ObjectCoverage) -> String {
    let mut text = format!("\n{} is {}\n", shown(&object.line.object), state(object.line.state));
    for gap in &object.line.gaps {
        text.push_str(&format!("  {}: {}\n", shown(&gap.what), shown(&gap.reason)));
    }
    if let Some(to_do) = &object.to_do {
        text.push_str(&format!("  what to do: {to_do}\n"));
    }
    text
}
