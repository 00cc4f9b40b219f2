// SPDX-License-Identifier: Apache-2.0
//! What is measured, what it has to hold, and how it is shown.

use serde_json::{Value, json};

use crate::say;

/// What a bar is a limit of.
#[derive(Clone, Copy)]
pub enum Bar {
    /// Ours divided by the other's.
    Ratio(f64),
    /// Ours by itself.
    Ours(f64),
    /// The least that ours may be, by itself.
    Least(f64),
    /// Shown, and nothing to hold.
    None,
}

/// A thing that is measured. The last word of the name is the unit.
pub struct Kind {
    pub name: &'static str,
    /// What `ours` and `other` are.
    pub what: &'static str,
    pub bar: Bar,
}

pub const BACKUP: Kind = Kind {
    name: "backup_seconds",
    what: "full backup / sf data export bulk of the same rows and fields",
    bar: Bar::Ratio(1.0),
};
pub const MEMORY: Kind = Kind {
    name: "backup_peak_megabytes",
    what: "peak memory of the full backup / of sf data export bulk",
    bar: Bar::Ours(300.0),
};
pub const CURL: Kind = Kind {
    name: "backup_beside_curl_seconds",
    what: "full backup / curl fetching the same result pages, jobs done before",
    bar: Bar::None,
};
pub const SIZE: Kind =
    Kind { name: "vault_bytes", what: "vault after the full backup / the rows as CSV", bar: Bar::Ratio(0.25) };
pub const INCREMENTAL: Kind = Kind {
    name: "incremental_seconds",
    what: "incremental backup of 1 % changed / full backup",
    bar: Bar::Ratio(0.05),
};
pub const SCAN: Kind = Kind {
    name: "scan_seconds",
    what: "state as of a backup / every row of the same files, unmerged",
    bar: Bar::Ratio(2.0),
};
pub const RESTORE: Kind = Kind {
    name: "restore_seconds",
    what: "restore of hard-deleted records / sf data import bulk of the same rows",
    bar: Bar::Ratio(1.0),
};
pub const HISTORY: Kind = Kind {
    name: "history_bytes",
    what: "vault of a full and 30 daily backups of 1 % / the smaller of restic and borg with the daily CSV exports",
    bar: Bar::Ratio(0.1),
};
pub const RECORD: Kind = Kind {
    name: "record_seconds",
    what: "one record with all its versions out of 31 backups / opening its table",
    bar: Bar::Ratio(100.0),
};
pub const COMPARE: Kind = Kind {
    name: "compare_seconds",
    what: "comparison of two backups, 1 % different / DuckDB's full outer join of their Parquet exports",
    bar: Bar::Ratio(0.2),
};
pub const ERASE: Kind =
    Kind { name: "erase_bytes", what: "written anew when one person is erased / the vault", bar: Bar::Ratio(0.02) };
pub const EMULATOR_START: Kind = Kind {
    name: "emulator_start_seconds",
    what: "start with every standard object, until it takes requests",
    bar: Bar::Ours(0.5),
};
pub const EMULATOR_PAGES: Kind = Kind {
    name: "emulator_pages_megabytes_per_cpu_second",
    what: "result pages, by the emulator's processor time / a static file, by its server's",
    bar: Bar::Least(150.0),
};
pub const EMULATOR_PAGES_WALL: Kind = Kind {
    name: "emulator_pages_megabytes_per_second",
    what: "curl receiving result pages / curl receiving a static file",
    bar: Bar::None,
};
pub const EMULATOR_JOB: Kind = Kind {
    name: "emulator_query_job_rows_per_cpu_second",
    what: "rows of a query job, by the emulator's processor time",
    bar: Bar::None,
};
pub const EMULATOR_REST: Kind = Kind {
    name: "emulator_rest_rows_per_cpu_second",
    what: "records of REST's pages of 2,000, by the emulator's processor time",
    bar: Bar::None,
};
pub const EMULATOR_INSERT: Kind = Kind {
    name: "emulator_insert_rows_per_second",
    what: "rows of jobs that insert 20 columns / the same by the emulator's processor time",
    bar: Bar::Least(20_000.0),
};
pub const EMULATOR_UPDATE: Kind = Kind {
    name: "emulator_update_rows_per_second",
    what: "rows of a job that updates / the same by the emulator's processor time",
    bar: Bar::Least(20_000.0),
};
pub const EMULATOR_UPSERT: Kind = Kind {
    name: "emulator_upsert_rows_per_second",
    what: "rows of a job that upserts / the same by the emulator's processor time",
    bar: Bar::Least(20_000.0),
};
pub const EMULATOR_MEMORY: Kind = Kind {
    name: "emulator_peak_megabytes",
    what: "peak memory with --records in a store file: written, found again, read, written to",
    bar: Bar::Ours(1000.0),
};
/// Those of `bench emulator`.
pub const EMULATOR: [&Kind; 9] = [
    &EMULATOR_START,
    &EMULATOR_INSERT,
    &EMULATOR_JOB,
    &EMULATOR_PAGES,
    &EMULATOR_PAGES_WALL,
    &EMULATOR_REST,
    &EMULATOR_UPDATE,
    &EMULATOR_UPSERT,
    &EMULATOR_MEMORY,
];
pub const ALL: [&Kind; 11] =
    [&BACKUP, &MEMORY, &CURL, &SIZE, &INCREMENTAL, &SCAN, &RESTORE, &HISTORY, &RECORD, &COMPARE, &ERASE];

/// One measured: medians of several rounds. `other` is absent where the other program is not on this machine.
pub struct Figure {
    pub kind: &'static Kind,
    pub ours: f64,
    pub other: Option<f64>,
}

impl Figure {
    fn ratio(&self) -> Option<f64> {
        self.other.filter(|other| *other > 0.0).map(|other| self.ours / other)
    }

    /// Nothing where there is no bar, or nothing to compare with.
    pub fn holds(&self) -> Option<bool> {
        match self.kind.bar {
            Bar::Ratio(bar) => self.ratio().map(|ratio| ratio <= bar),
            Bar::Ours(bar) => Some(self.ours <= bar),
            Bar::Least(bar) => Some(self.ours >= bar),
            Bar::None => None,
        }
    }

    /// One line of `--json`. `bar` limits `ratio`, and `ours` where the name ends with `megabytes`; of the emulator's figures it
    /// limits `ours`, from below where the name says `per`.
    pub fn json(&self) -> Value {
        let bar = match self.kind.bar {
            Bar::Ratio(bar) | Bar::Ours(bar) | Bar::Least(bar) => Some(bar),
            Bar::None => None,
        };
        json!({
            "name": self.kind.name,
            "ours": rounded(self.ours),
            "other": self.other.map(rounded),
            "ratio": self.ratio().map(rounded),
            "bar": bar,
            "holds": self.holds(),
        })
    }

    fn cells(&self) -> [String; 7] {
        let bar = match self.kind.bar {
            Bar::Ratio(bar) => format!("ratio ≤ {bar}"),
            Bar::Ours(bar) => format!("ours ≤ {bar}"),
            Bar::Least(bar) => format!("ours ≥ {bar}"),
            Bar::None => "–".to_owned(),
        };
        let missing = || "–".to_owned();
        [
            self.kind.name.to_owned(),
            number(self.ours),
            self.other.map_or_else(missing, number),
            self.ratio().map_or_else(missing, |ratio| format!("{ratio:.3}")),
            bar,
            self.holds().map_or_else(missing, |holds| if holds { "yes" } else { "NO" }.to_owned()),
            self.kind.what.to_owned(),
        ]
    }
}

/// Prints all figures as a table.
pub fn table(figures: &[Figure]) {
    let head = ["name", "ours", "other", "ratio", "bar", "holds", "ours / other"].map(str::to_owned);
    let rows: Vec<[String; 7]> = std::iter::once(head).chain(figures.iter().map(Figure::cells)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..7).map(width).collect();
    for row in &rows {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(column, (cell, width))| match column {
                1..=3 => format!("{cell:>width$}"),
                _ => format!("{cell:<width$}"),
            })
            .collect();
        say(cells.join("  ").trim_end());
    }
}

pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}

fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// Seconds and megabytes with two decimals, bytes with none.
fn number(value: f64) -> String {
    if value >= 100_000.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_limits_the_ratio_or_what_is_ours() {
        let figure = |kind, ours, other| Figure { kind, ours, other };
        assert_eq!(figure(&BACKUP, 4.0, Some(5.0)).holds(), Some(true));
        assert_eq!(figure(&BACKUP, 6.0, Some(5.0)).holds(), Some(false));
        assert_eq!(figure(&BACKUP, 6.0, None).holds(), None);
        assert_eq!(figure(&MEMORY, 299.0, None).holds(), Some(true));
        assert_eq!(figure(&CURL, 1.0, Some(2.0)).holds(), None);
        const SPEED: Kind = Kind { name: "rows_per_second", what: "", bar: Bar::Least(20.0) };
        assert_eq!(figure(&SPEED, 21.0, None).holds(), Some(true));
        assert_eq!(figure(&SPEED, 19.0, Some(1.0)).holds(), Some(false));
    }

    #[test]
    fn the_median_is_the_middle_one() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[]), None);
    }
}
