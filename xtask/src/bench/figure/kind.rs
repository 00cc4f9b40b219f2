// SPDX-License-Identifier: Apache-2.0
//! What is measured and what it has to hold.

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
    bar: Bar::Ratio(0.03),
};
pub const EXTRACTS: Kind = Kind {
    name: "extract_seconds",
    what: "full backup / the faster of sfdmu and CumulusCI extracting the same rows and fields",
    bar: Bar::Ratio(1.0),
};
pub const SCAN: Kind = Kind {
    name: "scan_seconds",
    what: "state as of the last of 31 backups / every row of the same files, unmerged",
    bar: Bar::Ratio(1.43),
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
pub const COMPACT: Kind = Kind {
    name: "compact_peak_megabytes",
    what: "peak memory of merging 31 backups that nothing merged before",
    bar: Bar::Ours(300.0),
};
pub const CHECK: Kind = Kind {
    name: "check_peak_megabytes",
    what: "peak memory of a check that reads every byte of 31 backups",
    bar: Bar::Ours(300.0),
};
pub const FILES: Kind = Kind {
    name: "files_seconds",
    what: "full backup of 10,000 files of 100 KB / curl fetching the bodies, as many at a time",
    bar: Bar::Ratio(1.11),
};
pub const FILES_MEMORY: Kind =
    Kind { name: "files_peak_megabytes", what: "peak memory of the backup of those files", bar: Bar::Ours(300.0) };
pub const FAR_FILES: Kind = Kind {
    name: "far_files_seconds",
    what: "the same from an org that answers 20 ms later, as one behind a network does at best",
    bar: Bar::Ratio(1.11),
};
pub const BIG_FILE: Kind = Kind {
    name: "big_file_peak_megabytes",
    what: "peak memory of the backup of a file of 2 GB",
    bar: Bar::Ours(300.0),
};
pub const LARGE: Kind = Kind {
    name: "large_peak_megabytes",
    what: "peak memory of the full backup of 5 million records",
    bar: Bar::Ours(300.0),
};
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
/// Those of `bench` that share one org, of accounts and contacts.
pub const SHARED: [&Kind; 14] = [
    &BACKUP,
    &MEMORY,
    &CURL,
    &SIZE,
    &INCREMENTAL,
    &EXTRACTS,
    &SCAN,
    &RESTORE,
    &HISTORY,
    &RECORD,
    &COMPARE,
    &ERASE,
    &COMPACT,
    &CHECK,
];
/// Those of `bench` that have an org of their own.
pub const APART: [&Kind; 5] = [&FILES, &FILES_MEMORY, &FAR_FILES, &BIG_FILE, &LARGE];
/// Of these, those that take minutes or gigabytes: measured only when asked for by name.
const LONG: [&Kind; 10] =
    [&EXTRACTS, &HISTORY, &RECORD, &COMPARE, &ERASE, &COMPACT, &CHECK, &FAR_FILES, &BIG_FILE, &LARGE];

impl Kind {
    pub fn is_long(&self) -> bool {
        LONG.iter().any(|long| long.name == self.name)
    }
}
