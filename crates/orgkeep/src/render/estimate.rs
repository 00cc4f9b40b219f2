// SPDX-License-Identifier: Apache-2.0
//! What backups will cost.

use crate::number::{bytes, counted, duration, grouped};
use crate::table::{Shape, Table};
use orgkeep_engine::{Cost, Estimate};
use std::time::Duration;

pub fn estimate(estimate: &Estimate, shape: Shape) -> String {
    let mut text = format!(
        "{} in {} of {} that can be read, {} to fetch\n\n",
        counted(estimate.rows, "record"),
        grouped(estimate.objects_with_rows),
        counted(estimate.objects, "object"),
        counted(estimate.files, "file")
    );
    let mut table = Table::new(["Backup", ">API calls", ">Records read", ">Sent by the org", ">About"]);
    let mut row = |name: &str, cost: &Cost| {
        table.row([
            name.to_owned(),
            grouped(cost.calls),
            grouped(cost.rows),
            bytes(cost.bytes),
            duration(Duration::from_secs(cost.seconds.max(1))),
        ]);
    };
    row("full, as the first one is", &estimate.full);
    row("incremental, after an hour", &estimate.incremental);
    if let Some(days) = estimate.reconcile_days {
        row(&format!("and every {} its reconciliation", counted(days.into(), "day")), &estimate.reconciliation);
    }
    text.push_str(&table.render(shape));
    let mut table =
        Table::new(["Incremental backups", ">A day", ">API calls a day", ">For reconciling", ">Of the allowance"]);
    for schedule in &estimate.schedules {
        let every = match schedule.every_minutes {
            minutes if minutes % 60 == 0 => counted(minutes / 60, "hour"),
            minutes => counted(minutes, "minute"),
        };
        table.row([
            format!("every {every}"),
            grouped(schedule.runs_a_day),
            grouped(schedule.calls_a_day),
            grouped(schedule.reconciliation_calls_a_day),
            schedule.percent_of_allowance.map(|percent| format!("{percent:.1} %")).unwrap_or_default(),
        ]);
    }
    text.push_str(&format!("\n{}\n", table.render(shape)));
    if let (Some(used), Some(max)) = (estimate.org_used, estimate.org_max) {
        text.push_str(&format!(
            "The org has used {} of its {} API requests of 24 hours.\n",
            grouped(used),
            grouped(max)
        ));
    }
    text.push_str(&match estimate.backups {
        0 => "No backup yet: row width, speed and change (1 % of the records a day) are assumptions.\n".to_owned(),
        backups => format!("Row width, speed and change are those of {}.\n", counted(backups as u64, "backup")),
    });
    text
}
