// SPDX-License-Identifier: Apache-2.0
//! Query cursors: the Ids that matched when the query was asked, and the query, to read them again page by page.
//!
//! A cursor lives two days, and any number may be open (`salesforce-api.md` 2.6). Rows deleted since then are missing
//! from their page. Cursors lie in the org's store, in blocks of Ids: a result of millions of rows takes no memory, and where
//! the store is a file, a page can be read after a restart.

use rusqlite::{OptionalExtension as _, params};

use crate::error::ApiError;
use crate::id;
use crate::org::Tx;
use crate::soql::Prepared;

const LIFETIME_MS: i64 = 2 * 24 * 3_600 * 1000;
/// Ids in one row of the store.
const BLOCK: usize = 1_000;
const ID_BYTES: usize = 18;

/// The tables of the store that cursors lie in.
pub const TABLES: &str = "
CREATE TABLE IF NOT EXISTS _cursor (number INTEGER PRIMARY KEY AUTOINCREMENT, statement TEXT, deleted INTEGER, tooling INTEGER, user_id TEXT, opened_ms INTEGER, total INTEGER);
CREATE TABLE IF NOT EXISTS _cursor_block (cursor INTEGER, place INTEGER, ids BLOB, PRIMARY KEY (cursor, place));
";

/// What a query is asked for beside its statement.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    pub statement: &'a str,
    /// `queryAll`: deleted rows too.
    pub all: bool,
    /// Asked of the tooling API.
    pub tooling: bool,
    /// Whose cursor it is: nobody else can read it.
    pub user_id: &'a str,
}

/// The first page of a result.
#[derive(Debug)]
pub struct First {
    pub ids: Vec<String>,
    pub total: usize,
    /// Where the rest is found, when there is one: 18 characters from `0r8` on.
    pub locator: Option<String>,
}

/// One open query.
#[derive(Clone, Debug)]
pub struct Cursor {
    number: i64,
    pub statement: String,
    pub all: bool,
    pub tooling: bool,
    pub total: usize,
    /// When the query was asked, in ms: relative dates in it mean that moment on every page.
    pub opened_ms: i64,
}

/// Runs a query and keeps what does not fit into the first page.
///
/// # Errors
/// What running the query fails with.
pub fn open(tx: &Tx<'_>, prepared: &Prepared, asked: Asked<'_>, page: usize) -> Result<First, ApiError> {
    let mut ids: Vec<String> = Vec::new();
    let mut total = 0;
    let mut kept: Option<Keeper<'_, '_>> = None;
    prepared.each_id(tx, |id| {
        total += 1;
        if total <= page {
            ids.push(id.to_owned());
        } else {
            let keeper = kept.get_or_insert_with(|| Keeper::begin(tx, asked, &ids));
            keeper.add(id);
        }
    })?;
    let locator = kept.map(|keeper| keeper.end(total));
    Ok(First { ids, total, locator })
}

/// Keeps a result that was read already, and returns its locator.
pub fn keep(tx: &Tx<'_>, asked: Asked<'_>, ids: &[&str]) -> String {
    let mut keeper = Keeper::begin(tx, asked, &[]);
    ids.iter().for_each(|id| keeper.add(id));
    keeper.end(ids.len())
}

/// The cursor of a locator, unless it ended or is somebody else's.
pub fn find(tx: &Tx<'_>, locator: &str, user_id: &str) -> Option<Cursor> {
    let number = id::number(locator).filter(|number| id::make("0r8", *number) == locator)?.cast_signed();
    let sql = "SELECT statement, deleted, tooling, total, opened_ms FROM _cursor \
               WHERE number = ?1 AND user_id = ?2 AND opened_ms > ?3";
    let mut statement = tx.conn.prepare_cached(sql).expect("the store has its own tables");
    let cursor = statement.query_row(params![number, user_id, tx.now - LIFETIME_MS], |row| {
        let total: i64 = row.get(3)?;
        Ok(Cursor {
            number,
            statement: row.get(0)?,
            all: row.get(1)?,
            tooling: row.get(2)?,
            total: usize::try_from(total).unwrap_or_default(),
            opened_ms: row.get(4)?,
        })
    });
    cursor.optional().expect("the store can be read")
}

impl Cursor {
    /// The Ids from one place to another.
    pub fn ids(&self, tx: &Tx<'_>, from: usize, to: usize) -> Vec<String> {
        let sql = "SELECT place, ids FROM _cursor_block WHERE cursor = ?1 AND place BETWEEN ?2 AND ?3 ORDER BY place";
        let place = |at: usize| i64::try_from(at / BLOCK).unwrap_or(i64::MAX);
        let mut statement = tx.conn.prepare_cached(sql).expect("the store has its own tables");
        let mut rows = statement.query(params![self.number, place(from), place(to)]).expect("the store can be read");
        let mut ids = Vec::with_capacity(to.saturating_sub(from));
        while let Some(row) = rows.next().expect("the store can be read") {
            let (place, block): (i64, Vec<u8>) =
                (row.get(0).expect("it is a number"), row.get(1).expect("it is a block"));
            let start = usize::try_from(place).unwrap_or_default() * BLOCK;
            let wanted = block.chunks_exact(ID_BYTES).enumerate().filter(|(at, _)| (from..to).contains(&(start + at)));
            ids.extend(wanted.map(|(_, id)| String::from_utf8_lossy(id).trim_end().to_owned()));
        }
        ids
    }
}

/// Ends every cursor of an org, as a maintenance window does.
pub fn end_all(tx: &Tx<'_>) {
    for sql in ["DELETE FROM _cursor", "DELETE FROM _cursor_block"] {
        tx.note(sql, &[]).expect("the store can be written");
    }
}

/// A result that is written while it is read.
struct Keeper<'a, 'b> {
    tx: &'a Tx<'b>,
    number: i64,
    block: Vec<u8>,
    place: i64,
}

impl<'a, 'b> Keeper<'a, 'b> {
    fn begin(tx: &'a Tx<'b>, asked: Asked<'_>, first: &[String]) -> Keeper<'a, 'b> {
        // Reads have no transaction of their own, and one per block would be slow.
        tx.conn.execute_batch("SAVEPOINT cursor").expect("savepoints nest");
        let ended = tx.now - LIFETIME_MS;
        tx.note(
            "DELETE FROM _cursor_block WHERE cursor IN (SELECT number FROM _cursor WHERE opened_ms <= ?1)",
            &[&ended],
        )
        .and_then(|_| tx.note("DELETE FROM _cursor WHERE opened_ms <= ?1", &[&ended]))
        .expect("the store can be written");
        let sql = "INSERT INTO _cursor (statement, deleted, tooling, user_id, opened_ms, total) VALUES (?1, ?2, ?3, ?4, ?5, 0)";
        tx.note(sql, &[&asked.statement, &asked.all, &asked.tooling, &asked.user_id, &tx.now])
            .expect("the store can be written");
        let number = tx.conn.last_insert_rowid();
        let mut keeper = Keeper { tx, number, block: Vec::with_capacity(BLOCK * ID_BYTES), place: 0 };
        for id in first {
            keeper.add(id);
        }
        keeper
    }

    fn add(&mut self, id: &str) {
        let padded = format!("{id:<ID_BYTES$}");
        self.block.extend_from_slice(&padded.as_bytes()[..ID_BYTES]);
        if self.block.len() == BLOCK * ID_BYTES {
            self.write();
        }
    }

    fn write(&mut self) {
        let sql = "INSERT INTO _cursor_block (cursor, place, ids) VALUES (?1, ?2, ?3)";
        self.tx.note(sql, &[&self.number, &self.place, &self.block]).expect("the store can be written");
        self.block.clear();
        self.place += 1;
    }

    /// Writes the rest and returns the locator.
    fn end(mut self, total: usize) -> String {
        if !self.block.is_empty() {
            self.write();
        }
        let total = i64::try_from(total).unwrap_or(i64::MAX);
        self.tx
            .note("UPDATE _cursor SET total = ?1 WHERE number = ?2", &[&total, &self.number])
            .expect("the store can be written");
        self.tx.conn.execute_batch("RELEASE cursor").expect("it was begun");
        id::make("0r8", self.number.unsigned_abs())
    }
}
