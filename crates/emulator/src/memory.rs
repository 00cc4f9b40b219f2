// SPDX-License-Identifier: Apache-2.0
//! What the faces of an org with a store file write down beside its records, so that a restart forgets nobody: sessions,
//! grants, apps, passwords, the My Domain, and the credentials that its owner was told.
//!
//! Each is a text under a kind and a key in a table of the store. [`Org::keep`] writes what changed since it was called
//! last; it is called before a request's answer leaves, so that whoever holds a token holds one that survives a crash
//! of the process. An org in memory has none of this.

use crate::faces::lock;
use crate::org::Org;
use crate::session::Written;

impl Org {
    /// Writes down what changed. Must not be called inside a transaction of the org.
    pub fn keep(&self) {
        if !self.faces.is_kept {
            return;
        }
        // Whoever takes the changes writes them before another may take later ones.
        let mut last = lock(&self.faces.written);
        let mut changes = lock(&self.faces.sessions).take_changes();
        let mut whole = |kind: &'static str, text: serde_json::Result<String>| {
            let text = text.expect("it is plain data");
            if last.get(kind) != Some(&text) {
                last.insert(kind, text.clone());
                changes.push((kind, String::new(), Some(text)));
            }
        };
        let apps = {
            let mut apps = lock(&self.faces.apps);
            apps.take_changed().then(|| serde_json::to_string(&*apps))
        };
        if let Some(apps) = apps {
            whole("apps", apps);
        }
        whole("passwords", serde_json::to_string(&*lock(&self.faces.passwords)));
        whole("my_domain", serde_json::to_string(&*lock(&self.faces.my_domain)));
        whole("credentials", serde_json::to_string(&*lock(&self.faces.credentials)));
        if !changes.is_empty() {
            self.write_down(&changes);
        }
    }

    fn write_down(&self, changes: &[Written]) {
        let done = self.write(|tx| -> rusqlite::Result<()> {
            for (kind, key, text) in changes {
                match text {
                    Some(text) => tx
                        .conn
                        .prepare_cached("INSERT OR REPLACE INTO _memory (kind, key, text) VALUES (?1, ?2, ?3)")?
                        .execute([kind, key.as_str(), text.as_str()])?,
                    None => tx
                        .conn
                        .prepare_cached("DELETE FROM _memory WHERE kind = ?1 AND key = ?2")?
                        .execute([kind, key.as_str()])?,
                };
            }
            Ok(())
        });
        done.expect("the store's own table can be written");
    }

    /// Takes back what was written down. False when nothing was.
    pub(crate) fn remember(&self) -> bool {
        let rows: Vec<(String, String, String)> = self
            .read(|tx| {
                let mut statement = tx.conn.prepare("SELECT kind, key, text FROM _memory")?;
                let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
                rows.collect::<rusqlite::Result<_>>()
            })
            .expect("the store's own table can be read");
        let mut credentials = false;
        for (kind, key, text) in &rows {
            match kind.as_str() {
                "apps" => take(text, |apps| *lock(&self.faces.apps) = apps),
                "passwords" => take(text, |passwords| *lock(&self.faces.passwords) = passwords),
                "my_domain" => take(text, |my_domain| *lock(&self.faces.my_domain) = my_domain),
                "credentials" => take(text, |known: Option<crate::Credentials>| {
                    credentials = known.is_some();
                    *lock(&self.faces.credentials) = known;
                }),
                kind => lock(&self.faces.sessions).restore(kind, key, text),
            }
        }
        credentials
    }
}

/// What another version of the program wrote and this one cannot read is passed over, and made anew.
fn take<T: serde::de::DeserializeOwned>(text: &str, put: impl FnOnce(T)) {
    if let Ok(value) = serde_json::from_str(text) {
        put(value);
    }
}
