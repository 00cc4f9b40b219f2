// SPDX-License-Identifier: Apache-2.0
//! What `cargo xtask bench` cannot do from outside, built in release:
//!
//! - `measure crowd FILE N` fills an emulator's store with N accounts and N contacts;
//! - `measure scan VAULT ORG SEQUENCE OBJECT…` reads the objects of an unencrypted vault as of a backup, and beside that every
//!   row of the same Parquet files with nothing merged, in turn, and prints the median seconds of both as JSON.
//! - `measure record VAULT KEYFILE ORG OBJECT ID` times opening a table, and reading all versions of one of its records.
#![allow(clippy::disallowed_macros, clippy::disallowed_methods, reason = "a measurement has a clock and prints")]

use std::collections::BTreeSet;
use std::error::Error;
use std::fs::File;
use std::path::Path;
use std::time::Instant;

use futures::TryStreamExt as _;
use orgkeep_emulator::{Emulator, Settings, world};
use orgkeep_vault::{Location, OrgVault, Scan, Unlock, Vault};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

const ROUNDS: usize = 3;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["crowd", file, rows] => crowd(Path::new(file), rows.parse()?),
        ["scan", vault, org, sequence, objects @ ..] => {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            runtime.block_on(scan(vault, org, sequence.parse()?, objects))
        }
        ["record", vault, key, org, object, id] => {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            runtime.block_on(record(vault, key, org, object, id))
        }
        _ => {
            Err("usage: measure crowd FILE N | scan VAULT ORG SEQUENCE OBJECT… | record VAULT KEYFILE ORG OBJECT ID"
                .into())
        }
    }
}

fn crowd(file: &Path, rows: u64) -> Result<()> {
    let emulator = Emulator::start(Settings { store: Some(file.to_owned()), ..Settings::default() })?;
    Ok(world::accounts_and_contacts(&emulator.orgs()[0], rows, rows)?)
}

async fn scan(place: &str, org: &str, sequence: u64, objects: &[&str]) -> Result<()> {
    let vault = Vault::open(Location::parse(place)?.open([])?, Unlock::None).await?.org(org).await?;
    let (mut as_of, mut plain) = (Vec::new(), Vec::new());
    let (mut records, mut rows) = (0, 0);
    for _ in 0..ROUNDS {
        let started = Instant::now();
        records = 0;
        for object in objects {
            let mut state = vault.scan(object, sequence, Scan::default()).await?;
            while let Some(batch) = state.try_next().await? {
                records += batch.len();
            }
        }
        as_of.push(started.elapsed().as_secs_f64());
        let started = Instant::now();
        rows = 0;
        for object in objects {
            rows += plain_rows(&Path::new(place).join("orgs").join(org).join("objects").join(object))?;
        }
        plain.push(started.elapsed().as_secs_f64());
    }
    println!(
        r#"{{"as_of_seconds":{},"plain_seconds":{},"records":{records},"rows":{rows}}}"#,
        median(as_of),
        median(plain)
    );
    Ok(())
}

/// A vault opened anew: nothing of it is in memory yet.
async fn opened(place: &str, key: &str, org: &str) -> Result<OrgVault> {
    let key = std::fs::read_to_string(key)?;
    let vault = Vault::open(Location::parse(place)?.open([])?, Unlock::RecoveryKey(key.trim().into())).await?;
    Ok(vault.org(org).await?)
}

async fn record(place: &str, key: &str, org: &str, object: &str, id: &str) -> Result<()> {
    let (mut open, mut read, mut versions) = (Vec::new(), Vec::new(), 0);
    for _ in 0..ROUNDS {
        let vault = opened(place, key, org).await?;
        let started = Instant::now();
        vault.columns(object).await?.ok_or("there is no such table")?;
        open.push(started.elapsed().as_secs_f64());
        let vault = opened(place, key, org).await?;
        let started = Instant::now();
        versions = vault.history(object, id).await?.len();
        read.push(started.elapsed().as_secs_f64());
    }
    println!(r#"{{"open_seconds":{},"record_seconds":{},"versions":{versions}}}"#, median(open), median(read));
    Ok(())
}

/// Reads all columns of every data file of a table, one file after the other.
fn plain_rows(table: &Path) -> Result<usize> {
    let mut rows = 0;
    for name in live(&table.join("_delta_log"))? {
        let file = File::open(table.join(name))?;
        for batch in ParquetRecordBatchReaderBuilder::try_new(file)?.with_batch_size(8192).build()? {
            rows += batch?.num_rows();
        }
    }
    Ok(rows)
}

/// The files that make up a table, by its log. Those that were merged into others lie beside them for a day.
fn live(log: &Path) -> Result<BTreeSet<String>> {
    let (mut added, mut removed) = (BTreeSet::new(), BTreeSet::new());
    for entry in std::fs::read_dir(log)? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "json") {
            for line in std::fs::read_to_string(path)?.lines() {
                let action: serde_json::Value = serde_json::from_str(line)?;
                let named = |kind: &str| action[kind]["path"].as_str().map(str::to_owned);
                added.extend(named("add"));
                removed.extend(named("remove"));
            }
        }
    }
    Ok(added.difference(&removed).cloned().collect())
}

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}
