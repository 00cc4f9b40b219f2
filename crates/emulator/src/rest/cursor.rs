// SPDX-License-Identifier: Apache-2.0
//! Query cursors: the Ids that matched when the query was asked, and the query, to read them again page by page.
//!
//! A cursor lives two days, and any number may be open (`salesforce-api.md` 2.6). Rows deleted since then are missing
//! from their page.

use std::collections::HashMap;
use std::sync::Arc;

use crate::id;

const LIFETIME_MS: i64 = 2 * 24 * 3_600 * 1000;

/// One open query.
#[derive(Clone, Debug)]
pub struct Cursor {
    /// The statement as it was sent.
    pub statement: Arc<str>,
    /// `queryAll`: deleted rows too.
    pub all: bool,
    /// Asked of the tooling API.
    pub tooling: bool,
    /// What matched, in order.
    pub ids: Arc<[String]>,
    /// Whose cursor it is: nobody else can read it.
    pub user_id: String,
    /// When the query was asked, in ms: relative dates in it mean that moment on every page.
    pub opened_ms: i64,
}

/// The open cursors of an org by locator.
#[derive(Debug, Default)]
pub struct Cursors {
    open: HashMap<String, Cursor>,
    opened: u64,
}

impl Cursors {
    /// Keeps a cursor and returns its locator: 18 characters from `0r8` on.
    pub fn open(&mut self, cursor: Cursor) -> String {
        let now = cursor.opened_ms;
        self.open.retain(|_, cursor| now - cursor.opened_ms < LIFETIME_MS);
        self.opened += 1;
        let locator = id::make("0r8", self.opened);
        self.open.insert(locator.clone(), cursor);
        locator
    }

    /// The cursor of a locator, unless it ended.
    pub fn get(&self, locator: &str, now_ms: i64) -> Option<Cursor> {
        self.open.get(locator).filter(|cursor| now_ms - cursor.opened_ms < LIFETIME_MS).cloned()
    }

    /// Ends every cursor, as a maintenance window does.
    pub fn end_all(&mut self) {
        self.open.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_lives_two_days() {
        let mut cursors = Cursors::default();
        let ids: Arc<[String]> = Arc::from([]);
        let cursor = Cursor {
            statement: "SELECT Id FROM A".into(),
            all: false,
            tooling: false,
            ids,
            user_id: "u".into(),
            opened_ms: 0,
        };
        let locator = cursors.open(cursor);
        assert!(locator.starts_with("0r8") && locator.len() == 18);
        assert!(cursors.get(&locator, LIFETIME_MS - 1).is_some());
        assert!(cursors.get(&locator, LIFETIME_MS).is_none());
    }
}
