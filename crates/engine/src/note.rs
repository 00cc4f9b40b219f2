// SPDX-License-Identifier: Apache-2.0
//! What a backup notes down of each object: how it was read, how far, and what is not in it. It is kept in the commit
//! of the object's rows, so that it is there exactly when they are, and again in the backup's manifest.

use crate::detours::Detours;
use crate::event::{Gap, Mode, Route, State};
use chrono::{DateTime, TimeDelta, Utc};
use orgkeep_vault::{Batch, RowsDigest};
use serde::{Deserialize, Serialize};

/// A record becomes visible when its transaction commits, which may be minutes after its SystemModstamp
/// (`salesforce-api.md` 6.10).
const OVERLAP: TimeDelta = TimeDelta::minutes(15);

/// The rows of the overlap among those that are read.
pub(crate) struct Overlap {
    /// Where it begins, as the org writes stamps, to the millisecond.
    start: String,
    rows: Option<RowsDigest>,
}

impl Overlap {
    /// The overlap of a reading before which the org's clock showed `asked_at`.
    pub fn of(asked_at: Option<DateTime<Utc>>) -> Option<Overlap> {
        let start = (asked_at? - OVERLAP).format("%Y-%m-%dT%H:%M:%S%.3f").to_string();
        Some(Overlap { start, rows: Some(RowsDigest::default()) })
    }

    /// Of rows that were asked for because they lie in one.
    pub fn all() -> Overlap {
        Overlap { start: String::new(), rows: Some(RowsDigest::default()) }
    }

    /// Adds a row, if its stamp lies in the overlap.
    pub fn add(&mut self, stamp: Option<&str>, batch: &Batch, row: usize) {
        let Some(stamp) = stamp else { return };
        match (stamp.get(..self.start.len()), &mut self.rows) {
            (Some(time), Some(rows)) if time >= self.start.as_str() => rows.add(batch, row),
            (Some(_), _) => {}
            // A stamp that is written otherwise cannot be compared.
            (None, _) => self.rows = None,
        }
    }

    pub fn digest(self) -> Option<String> {
        self.rows.map(|rows| rows.to_string())
    }
}

/// How a gap begins that concerns a binary field: of one record, or of all.
pub(crate) const CONTENT_OF: &str = "the content of ";
/// How one begins that concerns images in rich text.
pub(crate) const IMAGE: &str = "the image";

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Note {
    pub mode: Mode,
    pub route: Route,
    /// The org's clock before it was asked for the rows.
    #[serde(default)]
    pub asked_at: Option<DateTime<Utc>>,
    /// The org's clock before it was last asked for every row: how fresh calculated values are, which change without a stamp.
    #[serde(default)]
    pub whole_at: Option<DateTime<Utc>>,
    /// The org's clock before it was last asked for all Ids: how fresh it is that nothing is held that the org has not, and the other
    /// way round. Before this was noted, that was when it was asked for every row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ids_at: Option<DateTime<Utc>>,
    /// The greatest stamp among the rows read so far.
    pub high_water: Option<String>,
    /// Live rows as the org counted them after the last row was read.
    pub rows_in_org: Option<u64>,
    pub rows_read: u64,
    /// Rows found missing in the org by holding all Ids side by side, without a trace in the recycle bin.
    #[serde(default)]
    pub vanished: u64,
    pub gaps: Vec<Gap>,
    /// The fields that were read.
    #[serde(default)]
    pub fields: Vec<String>,
    /// A digest of the rows that the next backup asks for although they were read, for the overlap: where it gets the same again,
    /// it has nothing to hold against the vault. `None` where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap: Option<String>,
    /// Rows live in the org that were erased here and are not kept.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub erased: u64,
    /// Rows held as live that the org did not show to a user who is not shown all of the object (see `backup/sight.rs`).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unseen: u64,
    #[serde(default)]
    pub files: u64,
    #[serde(default)]
    pub file_bytes: u64,
    /// Bodies of files that are wanted and were neither fetched nor refused: while rows are read, those of all that came without one;
    /// in the end what the budget left, with their bytes.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left_bytes: u64,
    /// Images in rich text that the budget left; `None` where the rows were not looked through for any (see `backup/images.rs`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images_left: Option<u64>,
    #[serde(default)]
    pub bytes_read: u64,
    /// What the org refused of the object, and the way around it.
    #[serde(default, skip_serializing_if = "Detours::is_empty")]
    pub detours: Detours,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Note {
    /// Of an object of which nothing has been read yet.
    pub fn empty(mode: Mode) -> Note {
        Note {
            mode,
            route: Route::Composite,
            asked_at: None,
            whole_at: None,
            ids_at: None,
            high_water: None,
            rows_in_org: None,
            rows_read: 0,
            vanished: 0,
            gaps: Vec::new(),
            fields: Vec::new(),
            overlap: None,
            erased: 0,
            unseen: 0,
            files: 0,
            file_bytes: 0,
            left: 0,
            left_bytes: 0,
            images_left: None,
            bytes_read: 0,
            detours: Detours::default(),
        }
    }

    /// When the org was last asked for all Ids.
    pub fn ids_at(&self) -> Option<DateTime<Utc>> {
        self.ids_at.max(self.whole_at)
    }

    /// All Ids were asked for, and with them what is calculated, where `formulas`.
    pub fn held_at(&mut self, asked_at: Option<DateTime<Utc>>, formulas: bool) {
        self.ids_at = asked_at;
        if formulas {
            self.whole_at = asked_at;
        }
    }

    /// How fresh Ids and formulas are, taken over from the backup before.
    pub fn with_freshness_of(mut self, before: Option<&Note>) -> Note {
        self.whole_at = before.and_then(|before| before.whole_at);
        self.ids_at = before.and_then(|before| before.ids_at);
        self
    }

    pub fn unread(mode: Mode, reason: impl Into<String>) -> Note {
        let gap = Gap { what: "all rows".into(), reason: reason.into() };
        Note { route: Route::None, gaps: vec![gap], ..Note::empty(mode) }
    }

    /// What is not in the rows of an object that was read, and stays missing until all of it is read again: bodies and images that could
    /// not be fetched, fields that are not read.
    pub fn lasting_gaps(&self) -> Vec<Gap> {
        let lasts = |gap: &&Gap| gap.what.starts_with(CONTENT_OF) || gap.what.starts_with(IMAGE);
        self.gaps.iter().filter(lasts).cloned().collect()
    }

    /// From which stamp on the object is to be read next, where rows of it were read before: what was committed before the org was
    /// asked, less the overlap, has been seen. The greatest stamp seen would not do in its place: a reading takes time, and what
    /// changes early in it, behind its back, may have a smaller stamp than what it reads at its end. It stands in where the org
    /// told no time.
    pub fn since(&self) -> Option<DateTime<Utc>> {
        let high_water = DateTime::parse_from_rfc3339(self.high_water.as_deref()?).ok()?.to_utc();
        Some(self.asked_at.unwrap_or(high_water) - OVERLAP)
    }

    /// The state of an object that holds `live` rows.
    pub fn state(&self, live: u64) -> State {
        match self.rows_in_org {
            Some(rows) if rows + self.unseen != live + self.erased => State::Red,
            None if self.route != Route::None && self.gaps.is_empty() => State::Red,
            _ if self.gaps.is_empty() => State::Green,
            _ => State::Yellow,
        }
    }
}
