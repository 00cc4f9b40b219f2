// SPDX-License-Identifier: Apache-2.0
//! `cargo xtask bench emulator [NAME…] [--json] [--rows N] [--records N] [--as-built]`: how fast and how large the emulator is, so that it
//! is never what another measurement measures.
//!
//! The example `serve` of the emulator's crate, built in release, is asked by `curl`. Speeds are taken over N accounts of 20 columns
//! (`--rows`, 200,000) in memory; the memory over N accounts in a store file (`--records`, 5,000,000): written by jobs, found
//! again by another process, read whole by a query job, in pages by REST, and written to once more. Processor time is that of the
//! emulator's process and comes in hundredths of a second, so this needs `/proc`.
//!
//! The limit that result pages are held against is `curl` reading a static file of the same size, once, from a server of a few lines
//! in this program that has the kernel copy the file into the connection.

mod still;

use std::path::PathBuf;
use std::time::Instant;

use super::figure::{
    EMULATOR, EMULATOR_INSERT, EMULATOR_JOB, EMULATOR_MEMORY, EMULATOR_PAGES, EMULATOR_PAGES_WALL, EMULATOR_REST,
    EMULATOR_START, EMULATOR_UPDATE, EMULATOR_UPSERT, Figure, Kind, median,
};
use super::org::Org;
use super::{chosen, not_measured, tell, written};
use crate::emulator::Emulator;
use crate::place::Place;
use crate::{Result, child, note};
use still::Still;

/// The typical columns.
const COLUMNS: &str = "Name,Type,Phone,Fax,Website,Industry,AnnualRevenue,NumberOfEmployees,Description,BillingStreet,BillingCity,\
                       BillingState,BillingPostalCode,BillingCountry,AccountNumber,Site,Rating,Ownership,Sic,AccountSource";
/// Rows of one job.
const JOB_ROWS: u64 = 100_000;
/// So much is received before a speed in processor time is told.
const RECEIVED_BYTES: u64 = 2_000_000_000;
const STARTS: usize = 5;
const PAGES: usize = 25;
const TICKS_PER_SECOND: f64 = 100.0;
const MEGABYTE: f64 = 1e6;

struct Wanted {
    names: Vec<String>,
    json: bool,
    rows: u64,
    records: u64,
    as_built: bool,
}

impl Wanted {
    fn parse(arguments: &[String]) -> Result<Wanted> {
        let mut wanted = Wanted { names: Vec::new(), json: false, rows: 200_000, records: 5_000_000, as_built: false };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let mut number = |least: u64| {
                let number = arguments.next().and_then(|text| text.parse().ok()).filter(|number| *number >= least);
                number.ok_or_else(|| format!("{argument} needs a number of at least {least}"))
            };
            match argument.as_str() {
                "--json" => wanted.json = true,
                "--as-built" => wanted.as_built = true,
                "--rows" => wanted.rows = number(1_000)?,
                "--records" => wanted.records = number(1_000)?,
                name if EMULATOR.iter().any(|kind| kind.name.contains(name)) => wanted.names.push(name.to_owned()),
                other => return Err(not_measured(other, &EMULATOR)),
            }
        }
        Ok(wanted)
    }

    fn any(&self, kinds: &[&Kind]) -> bool {
        chosen(&self.names, kinds)
    }
}

pub fn run(arguments: &[String]) -> Result<()> {
    let wanted = Wanted::parse(arguments)?;
    let place = Place::find()?;
    if !wanted.as_built {
        let mut cargo = place.cargo();
        cargo.args(["build", "--quiet", "--release", "--package", "orgkeep-emulator", "--example", "serve"]);
        child::shown(&mut cargo)?;
    }
    let folder = place.scratch("bench-emulator")?;
    let bench = Bench { serve: place.built("release", "examples/serve"), folder };
    let mut figures = Vec::new();
    if wanted.any(&[&EMULATOR_START]) {
        figures.push(bench.start()?);
    }
    let speeds = [
        &EMULATOR_PAGES,
        &EMULATOR_PAGES_WALL,
        &EMULATOR_JOB,
        &EMULATOR_REST,
        &EMULATOR_INSERT,
        &EMULATOR_UPDATE,
        &EMULATOR_UPSERT,
    ];
    if wanted.any(&speeds) {
        figures.extend(bench.speeds(wanted.rows)?);
    }
    if wanted.any(&[&EMULATOR_MEMORY]) {
        figures.push(bench.memory(wanted.records)?);
    }
    figures.retain(|figure| wanted.any(&[figure.kind]));
    tell(&figures, wanted.json);
    let below: Vec<&str> = figures.iter().filter(|figure| figure.holds() == Some(false)).map(|f| f.kind.name).collect();
    if below.is_empty() { Ok(()) } else { Err(format!("these do not hold: {}", below.join(", "))) }
}

struct Bench {
    serve: PathBuf,
    folder: PathBuf,
}

impl Bench {
    fn emulator(&self, arguments: &[&str]) -> Result<Emulator> {
        Emulator::serve(&self.serve, arguments, &self.folder.join("emulator.log"))
    }

    /// From the start of the process to its first word, which is when it takes requests.
    fn start(&self) -> Result<Figure> {
        let mut seconds = Vec::new();
        for _ in 0..STARTS {
            let started = Instant::now();
            let _emulator = self.emulator(&["--all-objects"])?;
            seconds.push(started.elapsed().as_secs_f64());
        }
        Ok(Figure { kind: &EMULATOR_START, ours: median(&seconds).unwrap_or_default(), other: None })
    }

    fn speeds(&self, rows: u64) -> Result<Vec<Figure>> {
        note(&format!("an org in memory with {rows} accounts"));
        let emulator = self.emulator(&[])?;
        let org = Org::new(&emulator, &self.folder);
        let mut figures = Vec::new();
        let watch = Watch::start(&emulator)?;
        self.insert(&org, rows)?;
        figures.push(watch.rows(rows, &EMULATOR_INSERT)?);

        let watch = Watch::start(&emulator)?;
        let job = org.queried(&format!("SELECT Id,{COLUMNS} FROM Account"))?;
        let (_, cpu_seconds) = watch.read()?;
        figures.push(Figure { kind: &EMULATOR_JOB, ours: rows as f64 / cpu_seconds, other: None });

        figures.extend(self.pages(&org, &job)?);

        let watch = Watch::start(&emulator)?;
        let records = org.paged(&format!("SELECT Id,{COLUMNS} FROM Account"), usize::MAX)?;
        let (_, cpu_seconds) = watch.read()?;
        figures.push(Figure { kind: &EMULATOR_REST, ours: records as f64 / cpu_seconds, other: None });

        for (operation, kind) in [("update", &EMULATOR_UPDATE), ("upsert", &EMULATOR_UPSERT)] {
            let file = self.changes(&org, operation)?;
            let watch = Watch::start(&emulator)?;
            org.ingest("Account", operation, &file)?;
            figures.push(watch.rows(JOB_ROWS.min(rows), kind)?);
        }
        Ok(figures)
    }

    /// The pages of a finished job, again and again, and a static file as large as all of them.
    fn pages(&self, org: &Org<'_>, job: &str) -> Result<[Figure; 2]> {
        let watch = Watch::start(org.emulator)?;
        let mut bytes = 0;
        while bytes < RECEIVED_BYTES {
            bytes += org.received(job)?;
        }
        let (seconds, cpu_seconds) = watch.read()?;
        let still = Still::serve(&self.folder.join("still"), RECEIVED_BYTES)?;
        let still = still.received(&self.folder)?;
        let speed = |bytes: u64, seconds: f64| bytes as f64 / MEGABYTE / seconds;
        Ok([
            Figure {
                kind: &EMULATOR_PAGES,
                ours: speed(bytes, cpu_seconds),
                other: Some(speed(RECEIVED_BYTES, still.cpu_seconds)),
            },
            Figure {
                kind: &EMULATOR_PAGES_WALL,
                ours: speed(bytes, seconds),
                other: Some(speed(RECEIVED_BYTES, still.seconds)),
            },
        ])
    }

    /// The peak over both processes.
    fn memory(&self, records: u64) -> Result<Figure> {
        note(&format!("an org in a store file with {records} accounts"));
        let store = self.folder.join("org.sqlite");
        let arguments = ["--store", store.to_str().ok_or("the target directory's name is not Unicode")?];
        let mut peak_bytes = 0;
        let mut peak = |step: &str, emulator: &Emulator| {
            let bytes = child::resident_peak_bytes(emulator.process()).ok_or("peak memory needs /proc")?;
            note(&format!("{step}: {} MB at most", bytes / 1_000_000));
            peak_bytes = peak_bytes.max(bytes);
            Ok::<_, String>(())
        };
        {
            let emulator = self.emulator(&arguments)?;
            self.insert(&Org::new(&emulator, &self.folder), records)?;
            peak("written", &emulator)?;
        }
        let emulator = self.emulator(&arguments)?;
        peak("found again", &emulator)?;
        let org = Org::new(&emulator, &self.folder);
        org.received(&org.queried(&format!("SELECT Id,{COLUMNS} FROM Account"))?)?;
        peak("read by a job", &emulator)?;
        org.paged(&format!("SELECT Id,{COLUMNS} FROM Account"), PAGES)?;
        peak("read by REST", &emulator)?;
        org.paged(&format!("SELECT Id,{COLUMNS} FROM Account ORDER BY Name"), PAGES)?;
        peak("read in another order", &emulator)?;
        self.insert(&org, JOB_ROWS.min(records))?;
        peak("written to again", &emulator)?;
        Ok(Figure { kind: &EMULATOR_MEMORY, ours: peak_bytes as f64 / MEGABYTE, other: None })
    }

    /// Inserts accounts by jobs of one file, and one with what is left.
    fn insert(&self, org: &Org<'_>, rows: u64) -> Result<()> {
        let whole = self.accounts(JOB_ROWS.min(rows))?;
        for _ in 0..rows / JOB_ROWS {
            org.ingest("Account", "insert", &whole)?;
        }
        match rows % JOB_ROWS {
            0 => Ok(()),
            left => org.ingest("Account", "insert", &self.accounts(left)?),
        }
    }

    fn accounts(&self, rows: u64) -> Result<PathBuf> {
        let mut csv = format!("{COLUMNS}\n");
        for row in 0..rows {
            csv.push_str(&format!(
                "Account {row:07},Customer - Direct,+1 555 {row:07},+1 556 {row:07},https://www.example-{row}.com,Technology,\
                 {}.5,{},A description of account number {row} that is about as long as such texts are,{row} Market Street,\
                 San Francisco,California,{},United States,AN-{row:07},Main site,Hot,Public,{:04},Web\n",
                row * 37 % 10_000_000,
                row % 50_000,
                90_000 + row % 9_999,
                row % 9_999
            ));
        }
        written(&self.folder.join("accounts.csv"), &csv)
    }

    /// Another phone number and description for the accounts of one job.
    fn changes(&self, org: &Org<'_>, text: &str) -> Result<PathBuf> {
        let ids = self.folder.join("ids.csv");
        org.csv(&format!("SELECT Id FROM Account LIMIT {JOB_ROWS}"), &ids)?;
        let ids = std::fs::read_to_string(&ids).map_err(|error| error.to_string())?;
        let mut csv = "\"Id\",\"Phone\",\"Description\"\n".to_owned();
        for (row, id) in ids.lines().skip(1).enumerate() {
            csv.push_str(&format!("{id},\"+49 {row}\",\"Changed by {text}, number {row}\"\n"));
        }
        written(&self.folder.join("changes.csv"), &csv)
    }
}

/// Time and processor time of a process from a moment on.
struct Watch {
    process: u32,
    started: Instant,
    before: f64,
}

impl Watch {
    fn start(emulator: &Emulator) -> Result<Watch> {
        let process = emulator.process();
        Ok(Watch { process, started: Instant::now(), before: cpu_seconds(&format!("/proc/{process}/stat"))? })
    }

    /// Seconds, and seconds of processor time, which is never less than can be told.
    fn read(&self) -> Result<(f64, f64)> {
        let seconds = self.started.elapsed().as_secs_f64();
        let cpu = cpu_seconds(&format!("/proc/{}/stat", self.process))? - self.before;
        Ok((seconds, cpu.max(1.0 / TICKS_PER_SECOND)))
    }

    /// Rows per second, beside rows per second of processor time.
    fn rows(&self, rows: u64, kind: &'static Kind) -> Result<Figure> {
        let (seconds, cpu_seconds) = self.read()?;
        Ok(Figure { kind, ours: rows as f64 / seconds, other: Some(rows as f64 / cpu_seconds) })
    }
}

/// Processor time of a process or thread so far, in the system and outside of it.
fn cpu_seconds(stat: &str) -> Result<f64> {
    let unknown = || format!("processor time needs {stat}");
    let text = std::fs::read_to_string(stat).map_err(|_| unknown())?;
    // The name in parentheses may hold blanks; what follows it does not.
    let (_, after) = text.rsplit_once(')').ok_or_else(unknown)?;
    let ticks: Vec<f64> = after.split_whitespace().skip(11).take(2).filter_map(|one| one.parse().ok()).collect();
    if ticks.len() == 2 { Ok((ticks[0] + ticks[1]) / TICKS_PER_SECOND) } else { Err(unknown()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_choose_figures() {
        let given = |text: &str| Wanted::parse(&text.split(' ').map(str::to_owned).collect::<Vec<_>>());
        let wanted = given("ingest --records 1000").err();
        assert!(wanted.is_some_and(|error| error.contains("emulator_start_seconds")));
        let wanted = given("start --records 1000").unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((wanted.records, wanted.any(&[&EMULATOR_START]), wanted.any(&[&EMULATOR_JOB])), (1000, true, false));
        assert!(given("--rows 10").is_err());
    }
}
