// SPDX-License-Identifier: Apache-2.0
//! Writes a small encrypted vault and prints what is in it, for readers in other languages to be held against.
//!
//! `sample PATH` makes the new folder PATH with `vault/` and `passphrase`, and prints one line of JSON per object and
//! backup: `{"org", "object", "sequence", "rows"}`, rows sorted by Id, every value as text or null.

#![expect(clippy::disallowed_macros, reason = "an example prints what it is an example of")]

use std::error::Error;
use std::path::Path;

use chrono::{TimeZone, Utc};
use futures::TryStreamExt;
use orgkeep_vault::{
    Batch, Builder, CaptureKind, Column, ColumnType, Location, ManifestDraft, OrgVault, Protection, Scan, Schema,
    Secret, Vault,
};
use serde_json::{Map, Value, json};

const ORG: &str = "00D000000000001EAA";
const PASSPHRASE: &str = "Trübe Aussichten, 3 Äpfel";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("usage: sample PATH")?;
    let path = Path::new(&path);
    std::fs::create_dir_all(path)?;
    std::fs::write(path.join("passphrase"), format!("{PASSPHRASE}\n"))?;
    let folder = path.join("vault");
    let place = Location::parse(folder.to_str().ok_or("the path is not UTF-8")?)?.open([])?;
    let vault = Vault::init(place, Protection::Passphrase(Secret::new(PASSPHRASE))).await?.0;
    let org = vault.org(ORG).await?;
    let lock = org.lock("sample", Utc.with_ymd_and_hms(2026, 3, 1, 12, 0, 0).single().ok_or("no such time")?).await?;
    // More commits than the log has between two checkpoints.
    for round in 1..=20 {
        let unfinished = org.begin(&lock).await?;
        for (object, schema, rows) in
            [("Account", accounts(round)?, account_rows(round)), ("Empty__c", empty()?, vec![])]
        {
            let kind = if round % 3 == 1 { CaptureKind::Everything } else { CaptureKind::Changes };
            let mut capture = unfinished.capture(object, &schema, kind).await?;
            capture.push(batch(&schema, &rows)).await?;
            capture.finish(json!({})).await?;
        }
        let at = lock.at();
        unfinished.finish(ManifestDraft { started_at: at, finished_at: at, content: json!({}) }).await?;
    }
    for sequence in [1, 2, 3, 4, 17, 20] {
        for object in ["Account", "Empty__c"] {
            println!("{}", expected(&org, object, sequence).await?);
        }
    }
    Ok(())
}

fn empty() -> orgkeep_vault::Result<Schema> {
    Schema::new(vec![Column::new("Id", ColumnType::Text)])
}

fn accounts(round: u64) -> orgkeep_vault::Result<Schema> {
    let mut columns = vec![
        Column::new("Id", ColumnType::Text),
        Column::new("Name", ColumnType::Text),
        Column::new("IsActive__c", ColumnType::Boolean),
        Column::new("Employees", ColumnType::Integer),
        Column::new("AnnualRevenue", ColumnType::Decimal { precision: 18, scale: 2 }),
        Column::new("Latitude", ColumnType::Double),
        Column::new("Founded__c", ColumnType::Date),
        Column::new("SystemModstamp", ColumnType::Timestamp),
    ];
    if round >= 3 {
        columns.push(Column::new("Added__c", ColumnType::Text));
    }
    Schema::new(columns)
}

/// Cells of a row in the order of the columns; `-` at the front of the Id marks a deleted record.
type Cells = Vec<String>;

fn account_rows(round: u64) -> Vec<Cells> {
    let row = |cells: [&str; 8]| -> Cells {
        let mut cells: Cells = cells.map(str::to_owned).to_vec();
        cells.push(format!("added in {round}"));
        cells
    };
    let stamp = format!("2026-02-{round:02}T08:09:10.123+0000");
    let mut rows = vec![
        row([
            "001000000000002AAA",
            "Zoë's \"Café\", 東京 😀\nsecond line ",
            "true",
            "7",
            "1000.50",
            "52.5200066",
            "1899-12-31",
            &stamp,
        ]),
        row(["001000000000001AAA", "Acme", "false", "1000.0", "-0.01", "1e-20", "2024-02-29", &stamp]),
        row(["001000000000003AAA", "#N/A", "", "", "", "", "", ""]),
        row([
            "001000000000004AAA",
            "  misfits ",
            "maybe",
            "many",
            "1.005",
            "0.1234567890123456789",
            "29 February",
            "noon",
        ]),
    ];
    match round % 3 {
        // Of three, one misses a record that was there: it is gone.
        1 => drop(rows.remove(usize::from(round > 1))),
        2 => {
            rows.truncate(2);
            rows[0][1] = format!("changed in {round}");
            rows[1][0] = "-001000000000003AAA".into();
        }
        _ => {
            rows.truncate(1);
            rows[0][0] = format!("0010000000{round:05}AAA");
        }
    }
    for filler in 0..if round == 1 { 3000 } else { 0 } {
        let (id, name, employees) = (format!("0019{filler:011}AAA"), format!("Filler {filler}"), filler.to_string());
        rows.push(row([&id, &name, "true", &employees, "12345678901234.5", "2.5", "2001-02-03", &stamp]));
    }
    rows
}

fn batch(schema: &Schema, rows: &[Cells]) -> Batch {
    let mut builder = Builder::new(schema);
    for cells in rows {
        let deleted = cells[0].starts_with('-');
        let id = cells[0].trim_start_matches('-');
        builder.push(deleted, std::iter::once(Some(id)).chain(cells[1..].iter().map(|cell| Some(cell.as_str()))));
    }
    builder.finish()
}

async fn expected(org: &OrgVault, object: &str, sequence: u64) -> orgkeep_vault::Result<Value> {
    let batches: Vec<Batch> = org.scan(object, sequence, Scan::default()).await?.try_collect().await?;
    let rows: Vec<Value> = batches.iter().flat_map(|batch| (0..batch.len()).map(|row| record(batch, row))).collect();
    Ok(json!({"org": ORG, "object": object, "sequence": sequence, "rows": rows}))
}

fn record(batch: &Batch, row: usize) -> Value {
    let fields: Map<String, Value> = batch
        .names()
        .enumerate()
        .map(|(column, name)| (name.to_owned(), batch.text(row, column).map_or(Value::Null, |text| text.into())))
        .collect();
    Value::Object(fields)
}
