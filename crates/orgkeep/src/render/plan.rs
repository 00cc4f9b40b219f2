// SPDX-License-Identifier: Apache-2.0
//! A plan before it is applied, and what became of it.

use crate::number::{counted, grouped};
use crate::progress::verb;
use crate::table::{Shape, Table};
use crate::text::shown;
use orgkeep_engine::{Missing, NotWrittenLine, Plan, RestoreReport};
use std::cmp::Reverse;
use std::collections::BTreeMap;

pub fn plan(plan: &Plan, shape: Shape) -> String {
    let summary = plan.summary();
    let target = if plan.target_org == plan.source_org {
        format!("the same org ({})", plan.target_org)
    } else {
        format!("another org: {}, the backup is of {}", plan.target_org, plan.source_org)
    };
    let mut text = format!(
        "Restore from backup {}: {}\nInto {target}, as {}\n\n",
        plan.backup,
        shown(&plan.selection),
        shown(&plan.target_username)
    );
    if plan.is_empty() {
        text.push_str("Nothing to write.\n");
    } else {
        let mut table = Table::new([">Step", "Action", "Object", ">Records", "Fields"]);
        for (number, step) in summary.steps.iter().enumerate() {
            table.row([
                (number + 1).to_string(),
                verb(step.action).to_owned(),
                step.object.clone(),
                grouped(step.records),
                fields(&step.fields),
            ]);
        }
        text.push_str(&table.render(shape));
        text.push_str(&format!(
            "{} in {}, about {}\n",
            counted(summary.records, "record"),
            counted(summary.steps.len() as u64, "step"),
            counted(summary.estimated_calls, "API call")
        ));
    }
    text.push_str(&left_out(&summary.not_written, &plan.missing, shape));
    text
}

/// What is not written, and what the target org lacks.
fn left_out(not_written: &[NotWrittenLine], missing: &[Missing], shape: Shape) -> String {
    let mut text = String::new();
    if !not_written.is_empty() {
        let mut table = Table::new(["Object", ">Not written", "Why", "For example"]);
        for line in not_written {
            let hint = line.hint.as_deref().map(|hint| format!("; {hint}")).unwrap_or_default();
            let example = line.examples.first().map(String::as_str).unwrap_or("");
            table.row([&line.object, &grouped(line.records), &format!("{}{hint}", line.reason), example]);
        }
        text.push_str(&format!("\n{}", table.render(shape)));
    }
    if !missing.is_empty() {
        let mut table = Table::new(["The target org lacks", ">Records that need it"]);
        for missing in missing {
            let what = match &missing.field {
                Some(field) => format!("field {}.{field}", missing.object),
                None => format!("object {}", missing.object),
            };
            table.row([what, grouped(missing.records)]);
        }
        text.push_str(&format!("\n{}", table.render(shape)));
    }
    text
}

/// The fields that are written in most records first.
fn fields(fields: &BTreeMap<String, u64>) -> String {
    if fields.is_empty() {
        return "all".to_owned();
    }
    let mut sorted: Vec<(&String, &u64)> = fields.iter().collect();
    sorted.sort_by_key(|(field, records)| (Reverse(**records), *field));
    let mut names: Vec<String> = sorted.iter().take(4).map(|(field, _)| (*field).clone()).collect();
    if sorted.len() > 4 {
        names.push(format!("{} more", sorted.len() - 4));
    }
    names.join(", ")
}

/// What a restore did.
pub fn restore(report: &RestoreReport, shape: Shape) -> String {
    let counts = [
        (report.undeleted, "undeleted"),
        (report.created, "created"),
        (report.uploaded, "uploaded"),
        (report.updated, "updated"),
        (report.relinked, "relinked"),
        (report.failed, "refused by the org"),
    ];
    let counts: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{} {what}", grouped(*count)))
        .collect();
    let counts = if counts.is_empty() { "nothing was left to write".to_owned() } else { counts.join(", ") };
    let mut text = format!("Restore {} is done: {counts}\n", report.restore);
    if !report.refused.is_empty() {
        let mut reasons: BTreeMap<(&str, &str, &str), (u64, &str)> = BTreeMap::new();
        for record in &report.refused {
            let entry = reasons.entry((&record.object, verb(record.action), &record.reason)).or_insert((0, &record.id));
            entry.0 += 1;
        }
        let mut table = Table::new(["Object", "Action", ">Refused", "Why", "For example"]);
        for ((object, action, reason), (records, example)) in reasons {
            table.row([object, action, &grouped(records), reason, example]);
        }
        text.push_str(&format!("\n{}", table.render(shape)));
    }
    text + &left_out(&report.not_written, &report.missing, shape)
}
