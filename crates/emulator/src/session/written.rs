// SPDX-License-Identifier: Apache-2.0
//! Sessions and grants as an org with a store file writes them down: one text per session, per grant and per refresh token,
//! also for those that were rotated away, because presenting one of them must still be noticed after a restart.

use super::{Session, Sessions};

/// Something that is written down in an org with a store file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mark {
    Session(String),
    Grant(u64),
    Refresh(String),
}

/// What became of something that is written down: its kind, its key, and its text unless it is gone.
pub(crate) type Written = (&'static str, String, Option<String>);

impl Sessions {
    /// What changed since this was asked last.
    pub(crate) fn take_changes(&mut self) -> Vec<Written> {
        let text = |value: serde_json::Result<String>| value.expect("a session is plain data");
        std::mem::take(&mut self.changes)
            .into_iter()
            .map(|mark| match mark {
                Mark::Session(token) => {
                    let session = self.sessions.get(&token).map(|session| text(serde_json::to_string(session)));
                    ("session", token, session)
                }
                Mark::Grant(number) => {
                    let grant = self.grants.get(&number).map(|grant| text(serde_json::to_string(grant)));
                    ("grant", number.to_string(), grant)
                }
                Mark::Refresh(token) => {
                    let number = self.refresh.get(&token).map(u64::to_string);
                    ("refresh", token, number)
                }
            })
            .collect()
    }

    /// Takes back what was written down: kind, key and text. What cannot be read is passed over, as if it had ended.
    pub(crate) fn restore(&mut self, kind: &str, key: &str, text: &str) {
        match kind {
            "session" => {
                if let Ok(mut session) = serde_json::from_str::<Session>(text) {
                    session.written_ms = session.expires_ms;
                    self.sessions.insert(key.to_owned(), session);
                }
            }
            "grant" => {
                if let (Ok(number), Ok(grant)) = (key.parse::<u64>(), serde_json::from_str(text)) {
                    self.next_grant = self.next_grant.max(number + 1);
                    self.grants.insert(number, grant);
                }
            }
            "refresh" => {
                if let Ok(number) = text.parse() {
                    self.refresh.insert(key.to_owned(), number);
                }
            }
            _ => {}
        }
    }
}
