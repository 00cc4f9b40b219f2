// SPDX-License-Identifier: Apache-2.0
//! Retention: what expires, what is removed, and what is on hold.

use crate::number::{bytes, counted, grouped};
use crate::table::{Shape, Table};
use orgkeep_engine::ExpireReport;
use orgkeep_vault::{Locked, Removal, Retention};

/// Until when a bucket keeps what locked.
pub fn locked(locked: &Locked, what: &str) -> String {
    let (files, until) = (counted(locked.files, "file"), locked.until.format("%Y-%m-%d"));
    format!("the bucket keeps all {files} of {what} locked until {until} at least")
}

/// `1 to 5, 8`.
pub fn sequences(sequences: &[u64]) -> String {
    let mut parts: Vec<(u64, u64)> = Vec::new();
    for sequence in sequences {
        match parts.last_mut() {
            Some((_, last)) if *last + 1 == *sequence => *last = *sequence,
            _ => parts.push((*sequence, *sequence)),
        }
    }
    let part = |(first, last): &(u64, u64)| match last - first {
        0 => first.to_string(),
        1 => format!("{first}, {last}"),
        _ => format!("{first} to {last}"),
    };
    parts.iter().map(part).collect::<Vec<_>>().join(", ")
}

fn takes(removal: &Removal) -> String {
    let bodies = match removal.bodies {
        0 => String::new(),
        count => format!(", {}", counted(count, "file body")),
    };
    format!("{} of records{bodies}, about {}", counted(removal.versions, "version"), bytes(removal.bytes))
}

pub fn expiry(report: &ExpireReport) -> String {
    let expiry = &report.expiry;
    let mut text = match &report.policy {
        None => "There is no policy, so nothing expires; give one with --keep-daily 7 and the like, and --save it\n"
            .to_owned(),
        Some(_) => format!("Kept: {}\n", counted(expiry.kept.len() as u64, "backup")),
    };
    let refused = &report.removed.refused;
    let would = if report.dry_run { "would " } else { "" };
    let mut line = |what: &str, backups: &[u64]| {
        if !backups.is_empty() {
            text.push_str(&format!("{what}: {}\n", sequences(backups)));
        }
    };
    line("Kept by a hold only", &expiry.held);
    line("Expired before, can be brought back by --undo", &expiry.expired);
    line(if report.dry_run { "Would expire" } else { "Expired" }, &expiry.expiring);
    if report.dry_run {
        line("Would be removed", &expiry.due);
    } else {
        line("Removed", &report.removed.backups);
    }
    if !expiry.expiring.is_empty() {
        text.push_str(
            &format!("Removing what expires now {would}free later: {}\n", takes(&report.expiring_takes))
                .replace("now free", "now frees"),
        );
    }
    if !report.removed.backups.is_empty() {
        text.push_str(&format!(
            "Removed {}: {}\n",
            if report.dry_run { "would be" } else { "are" },
            takes(&report.removed)
        ));
    }
    if report.policy.is_some() && expiry.expiring.is_empty() && expiry.due.is_empty() {
        text.push_str("Nothing is to go\n");
    }
    if !refused.is_empty() {
        text.push_str(&format!(
            "The storage refused to remove {} (a lock, or a missing right); they stay expired, and the next removal tries again\n",
            sequences(refused)
        ));
    }
    text
}

pub fn holds(retention: &Retention, shape: Shape) -> String {
    if retention.backups.is_empty() && retention.records.is_empty() {
        return "Nothing is on hold\n".to_owned();
    }
    let mut table = Table::new(["On hold", "Since", "Reason"]);
    let since = |hold: &orgkeep_vault::Hold| hold.since.format("%Y-%m-%d %H:%M UTC").to_string();
    for (sequence, hold) in &retention.backups {
        table.row([format!("backup {}", grouped(*sequence)), since(hold), hold.reason.clone()]);
    }
    for (object, records) in &retention.records {
        for (id, hold) in records {
            table.row([format!("{object} {id}"), since(hold), hold.reason.clone()]);
        }
    }
    table.render(shape)
}
