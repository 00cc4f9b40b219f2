// SPDX-License-Identifier: Apache-2.0
//! Records: many in a table, one with its fields, one through time.

use super::before_and_after;
use crate::screen::facts;
use crate::table::Table;
use crate::text::shown;
use orgkeep_engine::{Listing, Record, Source, Version};

pub fn listing(listing: &Listing) -> Table {
    let mut table = Table::new(&listing.columns);
    for row in &listing.rows {
        table.row(row.iter().map(|cell| cell.as_deref().unwrap_or("")));
    }
    table
}

/// All fields that hold something; the names of the empty ones on one line.
pub fn record(record: &Record) -> String {
    let deleted = if record.deleted { ", deleted" } else { "" };
    let mut text = format!("{} {} in backup {}{deleted}\n", shown(&record.object), shown(&record.id), record.backup);
    if let Some(id) = &record.now_known_as {
        text.push_str(&format!("A restore created it again; its Id in the org is now {}\n", shown(id)));
    }
    text.push('\n');
    text.push_str(&facts(
        record.fields.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_deref()?.to_owned()))),
    ));
    let empty: Vec<&str> =
        record.fields.iter().filter(|(_, value)| value.is_none()).map(|(name, _)| name.as_str()).collect();
    if !empty.is_empty() {
        text.push_str(&format!("\nEmpty: {}\n", empty.join(", ")));
    }
    if !record.images.is_empty() {
        text.push_str("\nImages in rich text:\n");
    }
    for image in &record.images {
        let body = match (&image.hash, image.bytes) {
            (Some(hash), Some(bytes)) => format!("{bytes} bytes, BLAKE3 {hash}"),
            (Some(hash), None) => format!("BLAKE3 {hash}"),
            (None, _) => "not held; the coverage says why".to_owned(),
        };
        text.push_str(&format!("  {} in {}: {body}\n", image.reference, shown(&image.field)));
    }
    text
}

/// That a record is deleted, by whom and why, as far as that is known.
fn deletion(version: &Version) -> String {
    let mut text = "deleted".to_owned();
    if let Some(winner) = &version.merged_into {
        text.push_str(&format!(", merged into {}", shown(winner)));
    }
    if let Some(by) = &version.deleted_by {
        let who = by
            .name
            .as_deref()
            .map_or_else(|| shown(&by.user).into_owned(), |name| format!("{} ({})", shown(name), by.user));
        let at = by.at.map(|at| at.format(" at %Y-%m-%d %H:%M:%S UTC").to_string()).unwrap_or_default();
        match by.source {
            Source::DeleteEvent => text.push_str(&format!(", by {who}{at}")),
            Source::LastModified => text.push_str(&format!(", last modified by {who}{at}")),
        }
    }
    text
}

/// Every version, oldest first. Of the first one only how many fields it has: `show --at` shows them.
pub fn history(versions: &[Version]) -> String {
    let mut text = String::new();
    for (number, version) in versions.iter().enumerate() {
        let taken = version.taken.format("%Y-%m-%d %H:%M:%S UTC");
        let what = match (number, version.deleted) {
            (_, true) => deletion(version),
            (0, false) => {
                let filled = version.changes.iter().filter(|change| change.after.is_some()).count();
                format!("first seen, {}", crate::number::counted(filled as u64, "filled field"))
            }
            (_, false) => crate::number::counted(version.changes.len() as u64, "changed field"),
        };
        text.push_str(&format!("Backup {}, {taken}: {what}\n", version.backup));
        if number > 0 && !version.deleted {
            for change in &version.changes {
                let values = before_and_after(change.before.as_deref(), change.after.as_deref());
                text.push_str(&format!("    {}: {values}\n", shown(&change.field)));
            }
        }
    }
    text
}
