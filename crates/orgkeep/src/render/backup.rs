// SPDX-License-Identifier: Apache-2.0
//! What a backup brought, which backups there are, what is damaged.

use super::some;
use crate::number::{counted, duration, grouped};
use crate::table::{Shape, Table};
use orgkeep_engine::{BackupLine, BackupReport, Mode, ObjectLine, Route, State};
use orgkeep_vault::CheckReport;
use std::time::Duration;

/// The report of one backup: objects with news, what is missing and why, one line for the whole.
pub fn backup(report: &BackupReport, shape: Shape) -> String {
    let mut text = String::new();
    let mut table = Table::new(["Object", "Route", ">In the org", ">Held", ">Added", ">Changed", ">Deleted"]);
    let mut quiet = 0u64;
    for line in report.objects.iter().filter(|line| line.route != Route::None) {
        if line.added + line.changed + line.deleted == 0 && line.state != State::Red {
            quiet += 1;
            continue;
        }
        table.row([
            line.object.clone(),
            route(line.route).to_owned(),
            line.rows_in_org.map(grouped).unwrap_or_default(),
            grouped(line.rows_held),
            some(line.added),
            some(line.changed),
            some(line.deleted),
        ]);
    }
    if !table.is_empty() {
        text.push_str(&table.render(shape));
    }
    if quiet > 0 {
        text.push_str(&format!("{} without changes\n", counted(quiet, "object")));
    }
    text.push_str(&gaps(&report.objects, shape));
    text.push('\n');
    text.push_str(&backup_total(report));
    text
}

/// One line for the whole backup.
pub fn backup_total(report: &BackupReport) -> String {
    let line = &report.line;
    let files = if line.files > 0 { format!(", {} read", counted(line.files, "file")) } else { String::new() };
    format!(
        "Backup {} ({}) is {}: {} held, {} added, {} changed, {} deleted{files}; {} in {}\n",
        line.sequence,
        mode(line.mode),
        state(line.state),
        counted(line.rows, "record"),
        grouped(line.added),
        grouped(line.changed),
        grouped(line.deleted),
        counted(line.calls, "API call"),
        duration(took(line)),
    )
}

fn took(line: &BackupLine) -> Duration {
    (line.finished - line.started).to_std().unwrap_or(Duration::ZERO)
}

/// Why a backup is not all that was asked for.
pub fn backup_shortfall(report: &BackupReport) -> Option<String> {
    if report.line.state != State::Red {
        return None;
    }
    let red: Vec<&str> =
        report.objects.iter().filter(|line| line.state == State::Red).map(|line| line.object.as_str()).collect();
    Some(format!("backup {} is finished, but not complete: {}", report.line.sequence, red.join(", ")))
}

fn gaps(objects: &[ObjectLine], shape: Shape) -> String {
    let mut table = Table::new(["Object", "Not in this backup", "Reason"]);
    for line in objects {
        for gap in &line.gaps {
            table.row([line.object.as_str(), &gap.what, &gap.reason]);
        }
    }
    if table.is_empty() { String::new() } else { format!("\n{}", table.render(shape)) }
}

/// A list of backups.
pub fn backups(lines: &[BackupLine]) -> Table {
    let headings = [
        ">Backup",
        "Finished (UTC)",
        "Mode",
        "State",
        ">Records",
        ">Added",
        ">Changed",
        ">Deleted",
        ">Files",
        ">API calls",
        ">Time",
    ];
    let mut table = Table::new(headings);
    for line in lines {
        table.row([
            line.sequence.to_string(),
            line.finished.format("%Y-%m-%d %H:%M:%S").to_string(),
            mode(line.mode).to_owned(),
            state(line.state).to_owned(),
            grouped(line.rows),
            grouped(line.added),
            grouped(line.changed),
            grouped(line.deleted),
            grouped(line.files),
            grouped(line.calls),
            duration(took(line)),
        ]);
    }
    table
}

/// The objects of a backup.
pub fn objects(lines: &[ObjectLine]) -> Table {
    let mut table = Table::new(["Object", ">Records", ">In the org", "State", "Remark"]);
    for line in lines {
        let remarks: Vec<String> = line.gaps.iter().map(|gap| format!("{}: {}", gap.what, gap.reason)).collect();
        table.row([
            line.object.clone(),
            grouped(line.rows_held),
            line.rows_in_org.map(grouped).unwrap_or_default(),
            state(line.state).to_owned(),
            remarks.join("; "),
        ]);
    }
    table
}

/// What is damaged in a vault.
pub fn damage(report: &CheckReport) -> Table {
    let mut table = Table::new(["What", "File", "Object", "Ids", "Backups", "What is wrong"]);
    for damage in &report.damage {
        let backups: Vec<String> = damage.backups.iter().map(u64::to_string).collect();
        let ids = damage.ids.as_ref().map_or(String::new(), |(low, high)| format!("{low} to {high}"));
        let object = damage.object.as_deref().unwrap_or("");
        let file = damage.file.as_deref().unwrap_or("");
        table.row([file, damage.path.as_str(), object, &ids, &backups.join(", "), &damage.what]);
    }
    table
}

fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Full => "full",
        Mode::Incremental => "incremental",
    }
}

pub fn state(state: State) -> &'static str {
    match state {
        State::Green => "green",
        State::Yellow => "yellow",
        State::Red => "RED",
    }
}

fn route(route: Route) -> &'static str {
    match route {
        Route::Bulk => "Bulk",
        Route::Rest => "REST",
        Route::Composite => "composite",
        Route::Parents => "by parents",
        Route::None => "none",
    }
}
