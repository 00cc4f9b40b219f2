// SPDX-License-Identifier: Apache-2.0
//! What differs between two sides: a table of objects, then records with their fields.

use super::{before_and_after, quoted, some};
use crate::number::{counted, grouped};
use crate::table::{Shape, Table};
use crate::text::shown;
use orgkeep_engine::{ChangeKind, Comparison, ObjectComparison, RecordChange, SchemaChange};
use std::cmp::Reverse;

/// Fields shown of one changed record.
const FIELDS_SHOWN: usize = 6;
/// Differences of the schema shown.
const SCHEMA_SHOWN: usize = 50;

pub fn comparison(comparison: &Comparison, shape: Shape) -> String {
    let mut text = format!("From {} to {}\n\n", comparison.from, comparison.to);
    text.push_str(&overview(comparison, shape));
    for object in comparison.objects.iter().filter(|object| !object.details.is_empty()) {
        text.push_str(&format!("\n{}\n", shown(&object.object)));
        for change in &object.details {
            text.push_str(&record(change));
        }
        let hidden = object.added + object.removed + object.changed + object.touched;
        let hidden = hidden.saturating_sub(object.details.len() as u64);
        if hidden > 0 {
            text.push_str(&format!("  … and {} (raise --details to see them)\n", counted(hidden, "more record")));
        }
    }
    text.push_str(&schema(&comparison.schema));
    for (object, reason) in &comparison.skipped {
        text.push_str(&format!("\nNot compared: {} ({})\n", shown(object), shown(reason)));
    }
    text
}

/// How objects and fields themselves differ, a line each.
fn schema(changes: &[SchemaChange]) -> String {
    if changes.is_empty() {
        return String::new();
    }
    let mut text = "\nSchema\n".to_owned();
    for change in changes.iter().take(SCHEMA_SHOWN) {
        let sign = match change.kind {
            ChangeKind::Added => "+",
            ChangeKind::Removed => "-",
            ChangeKind::Changed | ChangeKind::Touched => "~",
        };
        let field = change.field.as_deref().map(|field| format!(".{}", shown(field))).unwrap_or_default();
        let what = change.what.as_deref().map(|what| format!("  {}", shown(what))).unwrap_or_default();
        let values = match change.kind {
            ChangeKind::Changed => format!(": {}", before_and_after(change.before.as_deref(), change.after.as_deref())),
            _ => String::new(),
        };
        text.push_str(&format!("  {sign} {}{field}{what}{values}\n", shown(&change.object)));
    }
    let more = changes.len().saturating_sub(SCHEMA_SHOWN);
    if more > 0 {
        text.push_str(&format!("  … and {} (all of them with --json)\n", counted(more as u64, "more change")));
    }
    text
}

/// The table of objects that differ.
pub fn overview(comparison: &Comparison, shape: Shape) -> String {
    let mut table = Table::new(["Object", ">Added", ">Removed", ">Changed", ">Touched", ">Same", "Fields changed"]);
    let mut same = 0u64;
    for object in &comparison.objects {
        if !object.differs() {
            same += 1;
            continue;
        }
        table.row([
            object.object.clone(),
            some(object.added),
            some(object.removed),
            some(object.changed),
            some(object.touched),
            grouped(object.same),
            fields(object),
        ]);
    }
    let mut text = if table.is_empty() { "Nothing differs.\n".to_owned() } else { table.render(shape) };
    if same > 0 {
        text.push_str(&format!("{} without a difference\n", counted(same, "object")));
    }
    if comparison.objects.iter().any(|object| object.touched > 0) {
        text.push_str("Touched: only fields differ that Salesforce sets by itself\n");
    }
    text
}

/// Fields that people write, the most often changed first.
fn fields(object: &ObjectComparison) -> String {
    let mut fields: Vec<(&String, u64)> = object
        .fields
        .iter()
        .filter(|(field, _)| !object.system_fields.contains(*field))
        .map(|(field, records)| (field, *records))
        .collect();
    fields.sort_by_key(|(field, records)| (Reverse(*records), *field));
    let more = fields.len().saturating_sub(3);
    let mut shown: Vec<String> =
        fields.iter().take(3).map(|(field, records)| format!("{field} ({})", grouped(*records))).collect();
    if more > 0 {
        shown.push(format!("{more} more"));
    }
    shown.join(", ")
}

/// One record that differs, on a line, its fields below.
pub fn record(change: &RecordChange) -> String {
    let sign = match change.kind {
        ChangeKind::Added => "+ added  ",
        ChangeKind::Removed => "- removed",
        ChangeKind::Changed => "~ changed",
        ChangeKind::Touched => "  touched",
    };
    let name = change.name.as_deref().map(|name| format!("  {}", quoted(Some(name)))).unwrap_or_default();
    let was = change.was_id.as_deref().map(|id| format!("  (was {})", shown(id))).unwrap_or_default();
    let mut text = format!("  {sign}  {}{name}{was}\n", shown(&change.id));
    // Of records that are only on one side the fields say nothing about a difference.
    if matches!(change.kind, ChangeKind::Changed | ChangeKind::Touched) {
        for field in change.fields.iter().take(FIELDS_SHOWN) {
            let values = before_and_after(field.before.as_deref(), field.after.as_deref());
            text.push_str(&format!("        {}: {values}\n", shown(&field.field)));
        }
        let more = change.fields.len().saturating_sub(FIELDS_SHOWN);
        if more > 0 {
            text.push_str(&format!("        … and {}\n", counted(more as u64, "more field")));
        }
    }
    text
}
