// SPDX-License-Identifier: Apache-2.0
//! The connection of a store, which makes the tables of rarely used objects when a statement first names them.
//!
//! An org may have more than a thousand objects, and nearly all of them never get a row. Making all their tables and indexes
//! when an org starts would cost seconds and tens of megabytes. So a statement that SQLite refuses with "no such table" is
//! tried again once the table is there. Who reads a table that need not exist asks with [`Database::if_there`] instead, which
//! makes none.

use std::cell::RefCell;
use std::collections::HashSet;
use std::ops::Deref;
use std::sync::Arc;

use rusqlite::{CachedStatement, Connection, Error, Params, Row, Statement};

use super::table_sql;
use crate::schema::Schema;

/// A connection that knows the schema its tables are made from.
pub struct Database {
    conn: Connection,
    schema: RefCell<Arc<Schema>>,
    unused: RefCell<Unused>,
}

/// Tables that were found absent, so that asking again costs nothing.
#[derive(Default)]
struct Unused {
    /// SQLite counts every change of its tables.
    version: i64,
    names: HashSet<String>,
}

impl Deref for Database {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.conn
    }
}

impl Database {
    pub(super) fn new(conn: Connection) -> Database {
        Database { conn, schema: RefCell::default(), unused: RefCell::default() }
    }

    /// From now on tables are made as this schema has them.
    pub(super) fn follow(&self, schema: &Arc<Schema>) {
        let known = Arc::ptr_eq(&self.schema.borrow(), schema);
        if !known {
            *self.schema.borrow_mut() = schema.clone();
        }
    }

    /// As [`Connection::prepare_cached`].
    pub fn prepare_cached(&self, sql: &str) -> rusqlite::Result<CachedStatement<'_>> {
        loop {
            match self.conn.prepare_cached(sql) {
                Err(error) if self.make_missing(&error)? => {}
                other => return other,
            }
        }
    }

    /// As [`Connection::prepare`].
    pub fn prepare(&self, sql: &str) -> rusqlite::Result<Statement<'_>> {
        loop {
            match self.conn.prepare(sql) {
                Err(error) if self.make_missing(&error)? => {}
                other => return other,
            }
        }
    }

    /// As [`Connection::query_row`].
    pub fn query_row<T, P: Params>(
        &self,
        sql: &str,
        params: P,
        f: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        self.prepare(sql)?.query_row(params, f)
    }

    /// As [`Connection::execute`].
    pub fn execute<P: Params>(&self, sql: &str, params: P) -> rusqlite::Result<usize> {
        self.prepare(sql)?.execute(params)
    }

    /// The statement, or none when it names a table that was never used, which therefore has no rows.
    pub fn if_there(&self, sql: &str) -> rusqlite::Result<Option<CachedStatement<'_>>> {
        match self.conn.prepare_cached(sql) {
            Ok(statement) => Ok(Some(statement)),
            Err(error) if missing_table(&error).is_some_and(|name| self.schema.borrow().object(name).is_some()) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The statement, or none when it names this object and the object's table was never used. Other tables are made.
    pub fn unless_unused(&self, sql: &str, object: &str) -> rusqlite::Result<Option<CachedStatement<'_>>> {
        let version = self.conn.prepare_cached("PRAGMA schema_version")?.query_row([], |row| row.get(0))?;
        if self.unused.borrow().version != version {
            *self.unused.borrow_mut() = Unused { version, names: HashSet::new() };
        }
        if self.unused.borrow().names.contains(object) {
            return Ok(None);
        }
        loop {
            match self.conn.prepare_cached(sql) {
                Ok(statement) => return Ok(Some(statement)),
                Err(error)
                    if missing_table(&error) == Some(object) && self.schema.borrow().object(object).is_some() =>
                {
                    // Another table that had to be made changed the version, so this is forgotten the next time.
                    self.unused.borrow_mut().names.insert(object.to_owned());
                    return Ok(None);
                }
                Err(error) if self.make_missing(&error)? => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Makes the table that an error names. False when the error is another one, or the schema lacks the object.
    fn make_missing(&self, error: &Error) -> rusqlite::Result<bool> {
        let schema = self.schema.borrow();
        let Some(object) = missing_table(error).and_then(|name| schema.object(name)) else { return Ok(false) };
        self.conn.execute_batch(&table_sql(object))?;
        Ok(true)
    }
}

fn missing_table(error: &Error) -> Option<&str> {
    let text = match error {
        Error::SqliteFailure(_, Some(text)) => text,
        Error::SqlInputError { msg, .. } => msg,
        _ => return None,
    };
    text.strip_prefix("no such table: ").map(|name| name.strip_prefix("main.").unwrap_or(name))
}
