// SPDX-License-Identifier: Apache-2.0
//! The events as they are kept, and their replay ids.
//!
//! A replay id is a number that only increases. It follows the clock, two for each millisecond, so that it is never
//! contiguous, moves on while nothing happens (as Salesforce's does, where orgs share a stream), and says by itself whether
//! it lies within the 72 hours that events are kept. On the wire it is ten bytes: the number, the most significant byte
//! first, and two zeros, as recorded.
//!
//! Events that are too old are removed as new ones are written. In an org without a store file they lie in memory until
//! then.

use std::sync::Arc;

use rusqlite::{OptionalExtension as _, params};

use super::shape::Shape;
use crate::org::Tx;

/// How long events are kept (`salesforce-api.md` 5.1).
pub const RETENTION_MS: i64 = 72 * 3_600_000;
/// When replay ids began: 2020-01-01T00:00:00Z.
const EPOCH_MS: i64 = 1_577_836_800_000;
const IDS_PER_MS: i64 = 2;

/// The tables; made when the store is opened.
pub(crate) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS _event (replay INTEGER PRIMARY KEY, at_ms INTEGER, topic TEXT, schema TEXT, payload BLOB);
CREATE TABLE IF NOT EXISTS _event_schema (id TEXT PRIMARY KEY, json TEXT) WITHOUT ROWID;
";

/// An event that is to be kept.
pub struct Kept {
    pub shape: Arc<Shape>,
    pub payload: Vec<u8>,
}

/// An event that was kept.
#[derive(Clone, Debug)]
pub struct Event {
    pub replay: i64,
    /// The event object: `AccountChangeEvent`.
    pub topic: String,
    pub schema_id: String,
    pub payload: Vec<u8>,
}

/// The replay id that the clock stands for.
fn replay_at(ms: i64) -> i64 {
    (ms - EPOCH_MS).max(0) * IDS_PER_MS
}

/// The replay id of the last event; 0 before the first.
fn last(tx: &Tx<'_>) -> i64 {
    let mut statement = tx.conn.prepare_cached("SELECT max(replay) FROM _event").expect("own table");
    statement.query_row([], |row| row.get::<_, Option<i64>>(0)).expect("the store can be read").unwrap_or(0)
}

/// The end of the stream: no event that was kept so far lies behind it, and every later one will.
pub fn tip(tx: &Tx<'_>) -> i64 {
    last(tx).max(replay_at(tx.now) - IDS_PER_MS)
}

/// Keeps events in their order, and removes those that are too old. Answers the replay ids.
pub fn append(tx: &Tx<'_>, events: &[Kept]) -> rusqlite::Result<Vec<i64>> {
    let oldest = replay_at(tx.now - RETENTION_MS);
    tx.note("DELETE FROM _event WHERE replay < ?1 AND at_ms < ?2", &[&oldest, &(tx.now - RETENTION_MS)])?;
    let mut next = (last(tx) + IDS_PER_MS).max(replay_at(tx.now));
    let mut statement = tx.conn.prepare_cached("INSERT INTO _event VALUES (?1, ?2, ?3, ?4, ?5)")?;
    let mut known: Option<&Arc<Shape>> = None;
    let mut replays = Vec::with_capacity(events.len());
    for Kept { shape, payload } in events {
        if known.is_none_or(|known| !Arc::ptr_eq(known, shape)) {
            keep_schema(tx, shape)?;
            known = Some(shape);
        }
        statement.execute(params![next, tx.now, shape.event, shape.schema_id, payload])?;
        replays.push(next);
        next += IDS_PER_MS;
    }
    Ok(replays)
}

/// Keeps the schema of a shape, so that it can be read for as long as the org lives.
pub fn keep_schema(tx: &Tx<'_>, shape: &Shape) -> rusqlite::Result<()> {
    tx.note("INSERT OR IGNORE INTO _event_schema VALUES (?1, ?2)", &[&shape.schema_id, &shape.schema_json])?;
    Ok(())
}

/// The schema with this id.
pub fn schema(tx: &Tx<'_>, id: &str) -> Option<String> {
    let mut statement = tx.conn.prepare_cached("SELECT json FROM _event_schema WHERE id = ?1").expect("own table");
    statement.query_row([id], |row| row.get(0)).optional().expect("the store can be read")
}

/// The next events after a replay id that `is_wanted` by their topic, at most `limit`, and how far was read.
pub fn after(tx: &Tx<'_>, replay: i64, limit: usize, mut is_wanted: impl FnMut(&str) -> bool) -> (Vec<Event>, i64) {
    let sql = "SELECT replay, topic, schema, payload FROM _event WHERE replay > ?1 AND at_ms >= ?2 ORDER BY replay";
    let mut statement = tx.conn.prepare_cached(sql).expect("own table");
    let mut rows = statement.query([replay, tx.now - RETENTION_MS]).expect("the store can be read");
    let mut found = Vec::new();
    let mut position = replay;
    while found.len() < limit
        && let Some(row) = rows.next().expect("the store can be read")
    {
        position = row.get_unwrap(0);
        let topic: String = row.get_unwrap(1);
        if is_wanted(&topic) {
            let (schema_id, payload) = (row.get_unwrap(2), row.get_unwrap(3));
            found.push(Event { replay: position, topic, schema_id, payload });
        }
    }
    (found, position)
}

/// Whether a subscription may begin after this replay id: it lies within the retention and not in the future.
pub fn is_retained(tx: &Tx<'_>, replay: i64) -> bool {
    let mut statement = tx.conn.prepare_cached("SELECT at_ms FROM _event WHERE replay = ?1").expect("own table");
    let at_ms: Option<i64> = statement.query_row([replay], |row| row.get(0)).optional().expect("the store can be read");
    match at_ms {
        Some(at_ms) => at_ms >= tx.now - RETENTION_MS,
        None => (replay_at(tx.now - RETENTION_MS)..=tip(tx)).contains(&replay),
    }
}

/// A replay id on the wire.
pub fn to_bytes(replay: i64) -> Vec<u8> {
    let mut bytes = replay.to_be_bytes().to_vec();
    bytes.extend([0, 0]);
    bytes
}

/// A replay id from the wire; clients that make one from the number leave the zeros out.
pub fn from_bytes(bytes: &[u8]) -> Option<i64> {
    let number = match bytes {
        [number @ .., 0, 0] if number.len() == 8 => number,
        number => number,
    };
    Some(i64::from_be_bytes(number.try_into().ok()?)).filter(|replay| *replay >= 0)
}

/// A name in the form of a UUID that follows from a text. Keys of transactions begin with two zero bytes, as recorded.
pub fn uuid(of: &str, is_key: bool) -> String {
    use md5::Digest as _;
    let mut bytes: [u8; 16] = md5::Md5::digest(of.as_bytes()).into();
    if is_key {
        bytes[..2].fill(0);
    }
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replay_id_is_written_as_recorded() {
        // A subscriber's log shows 487259 beside these bytes.
        assert_eq!(to_bytes(487_259), [0, 0, 0, 0, 0, 7, 111, 91, 0, 0]);
        assert_eq!(from_bytes(&[0, 0, 0, 0, 0, 7, 111, 91, 0, 0]), Some(487_259));
        assert_eq!(from_bytes(&[0, 0, 0, 0, 0, 7, 111, 91]), Some(487_259));
        assert_eq!(from_bytes(&[0, 0, 0, 0, 0, 7, 0, 0]), Some(458_752));
        assert_eq!(from_bytes(b"12907414!"), None);
        assert_eq!(from_bytes(&[]), None);
    }
}
