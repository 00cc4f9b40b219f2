// SPDX-License-Identifier: Apache-2.0
//! What a test may say of the org's change events.

use tokio::sync::watch;

use super::Org;

const SETTING: &str = "changes captured";

impl Org {
    /// Captures changes as events from now on, or stops. An org does so by itself when the Pub/Sub API is first asked for a
    /// topic of change events; until then writes cost nothing more, and what was changed has no events. Kept in the store.
    pub fn capture_changes(&self, on: bool) {
        let mut store = self.store();
        store.capture().set_on(on);
        let (schema, now) = (self.schema(), self.clock.now());
        let sql = "INSERT OR REPLACE INTO _setting (name, value) VALUES (?1, ?2)";
        let value = if on { "yes" } else { "no" };
        let written = store.write(schema, now, |tx| tx.note(sql, &[&SETTING, &value]));
        written.and_then(|done| done).expect("the store's own table can be written");
    }

    /// Captures changes as events unless somebody said that it shall not be done.
    pub(crate) fn capture_changes_from_now(&self) {
        if !self.store().capture().is_on() && self.captured().is_none() {
            self.capture_changes(true);
        }
    }

    /// Goes on as an earlier run of this store was told.
    pub(super) fn go_on_capturing(&self) {
        if self.captured() == Some(true) {
            self.store().capture().set_on(true);
        }
    }

    fn captured(&self) -> Option<bool> {
        let said: Option<String> = self.read(|tx| {
            tx.conn.query_row("SELECT value FROM _setting WHERE name = ?1", [SETTING], |row| row.get(0)).ok()
        });
        said.map(|said| said == "yes")
    }

    /// How many changes of one transaction have change events before overflow events take their place; 100,000 unless set.
    pub fn set_overflow_changes(&self, changes: usize) {
        self.store().capture().set_overflow_changes(changes);
    }

    /// Lets the next so many transactions that change records tell of it by gap events, which carry no values.
    pub fn send_gaps(&self, transactions: u32) {
        self.store().capture().set_gap_transactions(transactions);
    }

    /// Moves with every commit that made events known.
    pub(crate) fn event_news(&self) -> watch::Receiver<u64> {
        self.store().news()
    }
}
