// SPDX-License-Identifier: Apache-2.0
//! What a backup notes down of each object: how it was read, how far, and what is not in it. It is kept in the commit
//! of the object's rows, so that it is there exactly when they are, and again in the backup's manifest.

use crate::event::{Gap, Mode, Route, State};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Note {
    pub mode: Mode,
    pub route: Route,
    /// The greatest stamp among the rows read so far: where the next incremental backup starts, less the overlap.
    pub high_water: Option<String>,
    /// Live rows as the org counted them after the last row was read.
    pub rows_in_org: Option<u64>,
    pub rows_read: u64,
    /// Rows found missing in the org by holding all Ids side by side, without a trace in the recycle bin.
    #[serde(default)]
    pub vanished: u64,
    pub gaps: Vec<Gap>,
    /// Hash of the describe, a document of the vault.
    pub describe: Option<String>,
    #[serde(default)]
    pub files: u64,
    #[serde(default)]
    pub file_bytes: u64,
    #[serde(default)]
    pub bytes_read: u64,
}

impl Note {
    pub fn unread(mode: Mode, reason: impl Into<String>, describe: Option<String>) -> Note {
        Note {
            mode,
            route: Route::None,
            high_water: None,
            rows_in_org: None,
            rows_read: 0,
            vanished: 0,
            gaps: vec![Gap { what: "all rows".into(), reason: reason.into() }],
            describe,
            files: 0,
            file_bytes: 0,
            bytes_read: 0,
        }
    }

    /// The state of an object that holds `live` rows.
    pub fn state(&self, live: u64) -> State {
        match self.rows_in_org {
            Some(rows) if rows != live => State::Red,
            None if self.route != Route::None && self.gaps.is_empty() => State::Red,
            _ if self.gaps.is_empty() => State::Green,
            _ => State::Yellow,
        }
    }
}
