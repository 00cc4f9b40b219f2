// SPDX-License-Identifier: Apache-2.0
//! Measures a capture and a scan: `measure ROWS COLUMNS INCREMENTS [encrypted]`, in a temporary folder.
//!
//! Prints seconds, store operations and the peak of the process's memory. Only as good as the profile it was built with.

#![expect(clippy::disallowed_macros, clippy::disallowed_methods, reason = "a measurement prints times")]

use std::error::Error;
use std::time::Instant;

use chrono::{TimeZone, Utc};
use futures::TryStreamExt;
use orgkeep_vault::{
    Builder, CaptureKind, Column, ColumnType, Location, ManifestDraft, Protection, Scan, Schema, Secret, Vault,
};
use serde_json::json;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |index: usize, otherwise: u64| arguments.get(index).map_or(Ok(otherwise), |text| text.parse());
    let (rows, columns, increments) = (number(0, 200_000)?, number(1, 20)?, number(2, 10)?);
    let folder = tempfile::tempdir()?;
    let place = Location::parse(folder.path().to_str().ok_or("no UTF-8")?)?.open([])?;
    let protection = match arguments.get(3) {
        Some(_) => Protection::Passphrase(Secret::new("measure")),
        None => Protection::None,
    };
    let vault = Vault::init(place, protection).await?.0;
    let org = vault.org("measure").await?;
    let at = Utc.with_ymd_and_hms(2026, 3, 1, 12, 0, 0).single().ok_or("no such time")?;
    let lock = org.lock("measure", at).await?;
    let schema = schema(columns)?;
    let mut csv_bytes = 0;
    for round in 0..=increments {
        let start = Instant::now();
        let unfinished = org.begin(&lock).await?;
        let kind = if round == 0 { CaptureKind::Everything } else { CaptureKind::Changes };
        let mut capture = unfinished.capture("Account", &schema, kind).await?;
        let mut builder = Builder::new(&schema);
        let mut building = 0.0;
        let step = if round == 0 { 1 } else { 100 };
        for id in (0..rows).filter(|id| (id + round) % step == 0) {
            let cells = cells(id, round, columns);
            csv_bytes += if round == 0 { cells.iter().map(|cell| cell.len() + 3).sum::<usize>() } else { 0 };
            let begin = Instant::now();
            builder.push(false, cells.iter().map(|cell| Some(cell.as_str())));
            building += begin.elapsed().as_secs_f64();
            if builder.len() == 4096 {
                capture.push(builder.finish()).await?;
            }
        }
        capture.push(builder.finish()).await?;
        let captured = capture.finish(json!({})).await?;
        unfinished.finish(ManifestDraft { started_at: at, finished_at: at, content: json!({}) }).await?;
        println!(
            "backup {} took {:.2} s, {building:.2} of it building: {} added, {} changed, {} files, {} of {csv_bytes} bytes; peak {} MB",
            round + 1,
            start.elapsed().as_secs_f64(),
            captured.added,
            captured.changed,
            captured.files,
            captured.bytes,
            peak()
        );
    }
    for (name, sequence) in [("first", 1), ("last", increments + 1), ("last again", increments + 1)] {
        let start = Instant::now();
        let mut scanned = 0;
        let mut stream = org.scan("Account", sequence, Scan::default()).await?;
        while let Some(batch) = stream.try_next().await? {
            scanned += batch.len();
        }
        println!(
            "scan of the {name} state: {scanned} rows in {:.2} s; peak {} MB",
            start.elapsed().as_secs_f64(),
            peak()
        );
    }
    Ok(())
}

fn schema(columns: u64) -> orgkeep_vault::Result<Schema> {
    let mut all = vec![
        Column::new("Id", ColumnType::Text),
        Column::new("Name", ColumnType::Text),
        Column::new("SystemModstamp", ColumnType::Timestamp),
    ];
    for column in 3..columns {
        let kind = match column % 6 {
            0 => ColumnType::Decimal { precision: 18, scale: 2 },
            1 => ColumnType::Boolean,
            2 => ColumnType::Date,
            _ => ColumnType::Text,
        };
        all.push(Column::new(format!("Field{column}__c"), kind));
    }
    Schema::new(all)
}

fn cells(id: u64, round: u64, columns: u64) -> Vec<String> {
    let spread = id.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
    let mut cells = vec![
        format!("001{id:012}AAA"),
        format!("Account number {spread} of {round}"),
        format!("2026-01-{:02}T{:02}:{:02}:{:02}.000Z", id % 28 + 1, spread % 24, spread % 60, spread / 60 % 60),
    ];
    for column in 3..columns {
        let value = spread.rotate_left(column as u32);
        cells.push(match column % 6 {
            0 => format!("{}.{:02}", value % 1_000_000, value % 100),
            1 => (value & 1 == 0).to_string(),
            2 => format!("20{:02}-{:02}-{:02}", value % 30, value % 12 + 1, value % 28 + 1),
            3 => ["Prospect", "Customer - Direct", "Partner", "Other"][(value % 4) as usize].to_owned(),
            4 => format!("{} Market Street, Suite {}", value % 9000, value % 400),
            _ => format!("https://example.com/{}", value % 100_000),
        });
    }
    cells
}

/// The peak of resident memory in megabytes, where the system says it.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) / 1024
}
