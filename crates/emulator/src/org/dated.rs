// SPDX-License-Identifier: Apache-2.0
//! When the objects of an org changed, written down beside its records, so that a client that comes back after a restart with
//! `If-Modified-Since` is told the truth (`salesforce-api.md` 2.4).
//!
//! The schema itself is not kept: it is made anew at each start, from the same standard objects and perhaps another project.
//! So each object's description is kept as a number that another description hardly has; what has another number, or is new
//! or gone, changed when the org was opened.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Org;
use crate::schema::Schema;

const NAME: &str = "schema dated";

#[derive(Deserialize, Serialize)]
struct Dated {
    made_ms: i64,
    last_ms: i64,
    /// Fingerprint, and when it changed unless that was when the org was made.
    objects: BTreeMap<String, (u64, Option<i64>)>,
}

impl Org {
    /// Takes up the times of an earlier run, and writes down today's. Does nothing for an org in memory.
    pub(super) fn date_schema(&self) {
        if !self.faces.is_kept {
            return;
        }
        let now_ms = self.clock().now();
        let read = "SELECT value FROM _setting WHERE name = ?1";
        let text = self.read(|tx| tx.conn.query_row(read, [NAME], |row| row.get::<_, String>(0)).ok());
        let before: Option<Dated> = text.and_then(|text| serde_json::from_str(&text).ok());
        let schema = self.schema();
        if let Some(before) = before {
            let known = |name: &str| before.objects.get(name);
            let changed = schema.objects().filter(|object| {
                known(&object.name).is_none_or(|(fingerprint, _)| *fingerprint != object.fingerprint())
            });
            let gone = before.objects.keys().filter(|name| schema.object(name).is_none());
            let names: Vec<String> = changed.map(|object| object.name.clone()).chain(gone.cloned()).collect();
            let times = before.objects.iter().filter_map(|(name, (_, at))| Some((name.clone(), (*at)?))).collect();
            let dated = Schema::clone(&schema).dated(before.made_ms, before.last_ms, times);
            self.put_schema(dated.changed_now(&names, now_ms));
        }
        self.write_dates();
    }

    /// Writes down when each object changed.
    pub(super) fn write_dates(&self) {
        if !self.faces.is_kept {
            return;
        }
        let schema = self.schema();
        let made_ms = schema.made_ms();
        let dated = Dated {
            made_ms,
            last_ms: schema.last_modified_ms(),
            objects: schema
                .objects()
                .map(|object| {
                    let at = Some(schema.last_modified_ms_of(object)).filter(|at| *at != made_ms);
                    (object.name.clone(), (object.fingerprint(), at))
                })
                .collect(),
        };
        let text = serde_json::to_string(&dated).expect("it is plain data");
        let write = "INSERT OR REPLACE INTO _setting (name, value) VALUES (?1, ?2)";
        self.write(|tx| tx.conn.execute(write, [NAME, text.as_str()])).expect("the store's own table can be written");
    }
}
