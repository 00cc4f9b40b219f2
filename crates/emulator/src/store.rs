// SPDX-License-Identifier: Apache-2.0
//! Where an org's rows live: one SQLite database, in memory or in a file.
//!
//! Every object has a table of its own name whose columns are the fields, in the canonical case. `Id` is the primary key of
//! a table without row numbers, so rows lie in the order of their Ids. Booleans are 0 and 1, date-times milliseconds,
//! numbers of NUMERIC affinity; text compares without case ([`compare_folded`]), Ids and case-sensitive fields byte by byte.
//! Reference fields have partial indexes, which cost nothing where they are empty. Base64 fields keep their bytes
//! beside it (`store/body.rs`) and hold nothing themselves.
//!
//! One connection behind one lock: a transaction has the org to itself. The lock is not re-entrant. Only reads that last, those
//! of Bulk queries, have a connection of their own where the store is a file ([`Store::reader`]).

pub(crate) mod body;
mod database;

use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OptionalExtension as _, params};
use tokio::sync::watch;

pub use database::Database;

use crate::automation;
use crate::event::Capture;
use crate::feature::SetUp;
use crate::id;
use crate::schema::{Field, FieldType, Object, Schema};
use crate::user::Caller;
use crate::value::Value;

/// 62 to the fifth: the orgs of a process differ in the fourth digit of the counting part.
const IDS_PER_ORG: u64 = 916_132_832;

const OWN_TABLES: &str = r#"
CREATE TABLE IF NOT EXISTS _blob (object TEXT, id TEXT, field TEXT, body BLOB, md5 TEXT, length INTEGER, PRIMARY KEY (id, field)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS _recycle (id TEXT PRIMARY KEY, object TEXT, root_id TEXT, deleted_ms INTEGER) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS _recycle_root ON _recycle (root_id);
CREATE INDEX IF NOT EXISTS _recycle_time ON _recycle (deleted_ms, root_id);
CREATE TABLE IF NOT EXISTS _cleared (root_id TEXT, object TEXT, id TEXT, field TEXT, was TEXT, PRIMARY KEY (root_id, id, field)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS _cleared_was ON _cleared (was);
CREATE TABLE IF NOT EXISTS _purged (id TEXT PRIMARY KEY, object TEXT, deleted_ms INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS _counter (name TEXT PRIMARY KEY, next INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS _memory (kind TEXT, key TEXT, text TEXT, PRIMARY KEY (kind, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS _setting (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
"#;

/// The database of one org.
pub struct Store {
    conn: Database,
    /// The file; none in memory.
    path: Option<PathBuf>,
    /// What the numbers in this org's Ids start above.
    first_id: u64,
    counters: RefCell<Counters>,
    /// Rows that other transactions hold.
    locks: HashSet<String>,
    set_up: SetUp,
    /// What the deployed rules say, as long as it holds.
    automation: automation::Kept,
    /// Moves with every write to a table that decides what users may do.
    generation: Arc<AtomicU64>,
    /// What the open transaction makes known when it commits.
    capture: Capture,
    /// Moves with every commit that made events known.
    news: watch::Sender<u64>,
}

/// The next number of each Id prefix and auto-number field. Kept here between transactions and written when one commits.
#[derive(Default)]
struct Counters {
    next: HashMap<String, u64>,
    changed: Vec<String>,
}

impl Store {
    /// In memory, or in this file, which is made when absent. The Ids of one org's rows lie far from those of another's, as
    /// in real orgs: an Id taken for one of the other org is found out. `org` counts from 0.
    pub fn open(path: Option<&Path>, org: usize) -> rusqlite::Result<Store> {
        let conn = connection(path)?;
        if path.is_some() {
            conn.pragma_update(None, "journal_mode", "WAL")?;
            conn.pragma_update(None, "synchronous", "NORMAL")?;
        }
        body::create_tables(&conn, path.is_none())?;
        // Who keeps millions of rows in a file does not want them in memory when they are sorted.
        conn.pragma_update(None, "temp_store", if path.is_some() { "FILE" } else { "MEMORY" })?;
        conn.pragma_update(None, "cache_size", -65_536)?;
        conn.execute_batch(OWN_TABLES)?;
        conn.execute_batch(crate::rest::cursor::TABLES)?;
        conn.execute_batch(crate::metadata::component::TABLES)?;
        conn.execute_batch(crate::event::bus::TABLES)?;
        let next = conn
            .prepare("SELECT name, next FROM _counter")?
            .query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs())))?
            .collect::<rusqlite::Result<_>>()?;
        Ok(Store {
            conn: Database::new(conn),
            path: path.map(Path::to_owned),
            first_id: org as u64 * IDS_PER_ORG,
            locks: HashSet::new(),
            counters: RefCell::new(Counters { next, ..Counters::default() }),
            set_up: SetUp::default(),
            automation: automation::Kept::default(),
            generation: Arc::default(),
            capture: Capture::default(),
            news: watch::Sender::default(),
        })
    }

    /// Another connection to the same file, for reads that last: it sees what was committed when its statement began, and
    /// holds up nobody. None in memory, where a second connection would wait for the first all the same.
    pub fn reader(&self) -> rusqlite::Result<Option<Store>> {
        let Some(path) = &self.path else { return Ok(None) };
        let conn = connection(Some(path))?;
        conn.pragma_update(None, "temp_store", "FILE")?;
        conn.pragma_update(None, "cache_size", -16_384)?;
        Ok(Some(Store {
            conn: Database::new(conn),
            path: Some(path.clone()),
            first_id: self.first_id,
            locks: HashSet::new(),
            counters: RefCell::default(),
            set_up: self.set_up.clone(),
            automation: automation::Kept::default(),
            generation: self.generation.clone(),
            capture: Capture::default(),
            news: watch::Sender::default(),
        }))
    }

    /// How change events are made.
    pub(crate) fn capture(&self) -> &Capture {
        &self.capture
    }

    /// Moves with every commit that made events known.
    pub(crate) fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// What moves with every write to a table that decides what users may do.
    pub(crate) fn generation(&self) -> Arc<AtomicU64> {
        self.generation.clone()
    }

    /// The Id of the only row that `Organization` will have.
    pub fn organization_id(&self) -> String {
        id::make("00D", self.first_id + 1)
    }

    /// The columns of each object's table that there is.
    pub fn columns(&self) -> rusqlite::Result<HashMap<String, Vec<String>>> {
        let mut columns = present_columns(&self.conn)?;
        columns.retain(|table, _| !table.starts_with(['_']) && !table.starts_with("sqlite_"));
        Ok(columns)
    }

    /// Makes the tables and columns that the schema has and the database lacks. Columns that the schema no longer has stay.
    pub fn create_tables(&self, schema: &Schema) -> rusqlite::Result<()> {
        let sql = missing_tables(&self.conn, schema)?;
        self.conn.execute_batch(&format!("BEGIN;\n{sql}COMMIT;"))
    }

    /// Runs `f` in a transaction of its own and commits, whatever it returns.
    pub fn write<T>(&mut self, schema: Arc<Schema>, now: i64, f: impl FnOnce(&mut Tx<'_>) -> T) -> rusqlite::Result<T> {
        self.clear_abandoned()?;
        self.capture.begin();
        self.conn.execute_batch("BEGIN IMMEDIATE")?;
        let mut tx = self.transaction(schema, now);
        let result = f(&mut tx);
        let has_news = self.capture.commit(&tx)?;
        self.write_counters()?;
        self.conn.execute_batch("COMMIT")?;
        if has_news {
            self.news.send_modify(|number| *number += 1);
        }
        Ok(result)
    }

    pub fn read<T>(&mut self, schema: Arc<Schema>, now: i64, f: impl FnOnce(&Tx<'_>) -> T) -> rusqlite::Result<T> {
        self.clear_abandoned()?;
        Ok(f(&self.transaction(schema, now)))
    }

    fn transaction(&self, schema: Arc<Schema>, now: i64) -> Tx<'_> {
        self.conn.follow(&schema);
        let (counters, locks) = (&self.counters, &self.locks);
        let (set_up, generation, capture) = (&self.set_up, &self.generation, &self.capture);
        let (automation, first_id) = (&self.automation, self.first_id);
        let (conn, depth) = (&self.conn, 0);
        Tx { conn, schema, now, counters, locks, set_up, automation, generation, capture, first_id, depth }
    }

    /// What the org's set-up says.
    pub fn set_up_mut(&mut self) -> &mut SetUp {
        &mut self.set_up
    }

    /// The Ids of rows that other transactions hold.
    pub fn locks_mut(&mut self) -> &mut HashSet<String> {
        &mut self.locks
    }

    /// A panic inside a transaction leaves it open; whoever comes next undoes it.
    fn clear_abandoned(&self) -> rusqlite::Result<()> {
        if self.conn.is_autocommit() { Ok(()) } else { self.conn.execute_batch("ROLLBACK") }
    }

    fn write_counters(&self) -> rusqlite::Result<()> {
        let mut counters = self.counters.borrow_mut();
        let changed = std::mem::take(&mut counters.changed);
        let mut statement = self.conn.prepare_cached("INSERT OR REPLACE INTO _counter VALUES (?1, ?2)")?;
        for name in changed {
            statement.execute(params![name, counters.next[&name].cast_signed()])?;
        }
        Ok(())
    }
}

fn connection(path: Option<&Path>) -> rusqlite::Result<Connection> {
    let conn = match path {
        Some(path) => Connection::open(path)?,
        None => Connection::open_in_memory()?,
    };
    conn.create_collation("SF", compare_folded)?;
    conn.set_prepared_statement_cache_capacity(2_048);
    // Else SQLite looks at bound values to choose a plan, and to be true to them prepares a statement anew nearly each time
    // that it is run: most of what a save or a small query would cost.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(conn)
}

fn present_columns(conn: &Connection) -> rusqlite::Result<HashMap<String, Vec<String>>> {
    let mut present: HashMap<String, Vec<String>> = HashMap::new();
    let mut statement =
        conn.prepare("SELECT t.name, c.name FROM sqlite_schema t, pragma_table_info(t.name) c WHERE t.type = 'table'")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        present.entry(row.get(0)?).or_default().push(row.get(1)?);
    }
    Ok(present)
}

/// The SQL that makes the tables and columns which the schema has and the database lacks.
pub(crate) fn missing_tables(conn: &Connection, schema: &Schema) -> rusqlite::Result<String> {
    let present = present_columns(conn)?;
    let mut sql = String::new();
    for object in schema.objects() {
        match present.get(&object.name) {
            None if object.table_when_used => {}
            None => sql += &table_sql(object),
            Some(known) => {
                for field in object.fields.iter().filter(|field| field.stored() && !known.contains(&field.name)) {
                    sql += &format!("ALTER TABLE \"{}\" ADD COLUMN {};\n", object.name, column(field));
                    sql += &index_sql(object, field);
                }
            }
        }
    }
    Ok(sql)
}

/// What makes an object's table with its indexes.
fn table_sql(object: &Object) -> String {
    let stored = || object.fields.iter().filter(|field| field.stored());
    let columns: Vec<String> = stored().map(|field| column(field)).collect();
    let rowless = if object.has_field_unindexed("Id") { " WITHOUT ROWID" } else { "" };
    let mut sql = format!("CREATE TABLE \"{}\" ({}){rowless};\n", object.name, columns.join(", "));
    sql.extend(stored().map(|field| index_sql(object, field)));
    sql += &stamp_index_sql(object);
    sql
}

fn index_sql(object: &Object, field: &Field) -> String {
    if !is_indexed(field) {
        return String::new();
    }
    let (table, name) = (&object.name, &field.name);
    format!("CREATE INDEX \"_{table}_{name}\" ON \"{table}\" (\"{name}\") WHERE \"{name}\" IS NOT NULL;\n")
}

/// `SystemModstamp` is indexed in every org, and whoever copies an org asks by it all the time. With the flag beside it the index also
/// answers how many rows there are, without touching them. Those that are deleted are few, and found by themselves (`soql/sql.rs`).
fn stamp_index_sql(object: &Object) -> String {
    let stored = |name: &str| object.fields.iter().any(|field| field.stored() && field.name == name);
    let (table, has_flag) = (&object.name, stored("IsDeleted"));
    let mut sql = String::new();
    if stored("SystemModstamp") {
        let flag = if has_flag { ", \"IsDeleted\"" } else { "" };
        sql += &format!("CREATE INDEX IF NOT EXISTS \"_{table}__stamp\" ON \"{table}\" (\"SystemModstamp\"{flag});\n");
    }
    if has_flag {
        sql += &format!(
            "CREATE INDEX IF NOT EXISTS \"_{table}__deleted\" ON \"{table}\" (\"IsDeleted\") WHERE \"IsDeleted\" = 1;\n"
        );
    }
    sql
}

fn column(field: &Field) -> String {
    let kind = match field.kind {
        FieldType::Id => "TEXT PRIMARY KEY NOT NULL",
        FieldType::Reference | FieldType::Date | FieldType::Time | FieldType::Base64 => "TEXT",
        // The default is that of rows which are there when the field is made.
        FieldType::Boolean if field.default_value.as_ref().is_some_and(Value::is_true) => "INTEGER DEFAULT 1",
        FieldType::Boolean => "INTEGER DEFAULT 0",
        FieldType::Datetime => "INTEGER",
        kind if kind.is_number() => "NUMERIC",
        _ if field.case_sensitive => "TEXT",
        _ => "TEXT COLLATE SF",
    };
    format!("\"{}\" {kind}", field.name)
}

/// References (but for those every row has, which would make each insert dearer) and what records are found by.
fn is_indexed(field: &Field) -> bool {
    let everywhere = matches!(field.name.as_str(), "CreatedById" | "LastModifiedById" | "OwnerId" | "RecordTypeId");
    // A record's own Id is what its DeleteEvent is found by.
    (field.is_reference() && !everywhere) || field.unique || field.external_id || field.name == "Record"
}

/// Compares as Salesforce does: without case, by simple Unicode folding.
pub fn compare_folded(a: &str, b: &str) -> Ordering {
    if a.is_ascii() && b.is_ascii() {
        let fold = |text: &'_ str| text.bytes().map(|c| c.to_ascii_lowercase()).collect::<Vec<u8>>();
        let (short, long) = (a.len().min(b.len()), a.len().cmp(&b.len()));
        for (x, y) in a.bytes().zip(b.bytes()).take(short) {
            let order = x.to_ascii_lowercase().cmp(&y.to_ascii_lowercase());
            if order != Ordering::Equal {
                return order;
            }
        }
        debug_assert!(long != Ordering::Equal || fold(a) == fold(b));
        return long;
    }
    a.chars().flat_map(char::to_lowercase).cmp(b.chars().flat_map(char::to_lowercase))
}

/// One row of an object, deleted or not.
#[derive(Clone, Debug)]
pub struct Row {
    pub object: Arc<Object>,
    /// In the order of the object's fields; compound fields hold nothing.
    pub values: Vec<Value>,
}

impl Row {
    /// The value of a field, null when the object has no such field.
    pub fn get(&self, field: &str) -> &Value {
        self.object.position(field).map_or(&Value::Null, |at| &self.values[at])
    }

    pub fn id(&self) -> &str {
        self.get("Id").as_str().unwrap_or_default()
    }

    pub fn is_deleted(&self) -> bool {
        self.get("IsDeleted").is_true()
    }

    /// The text of a field, empty when it has none.
    pub fn text(&self, field: &str) -> &str {
        self.get(field).as_str().unwrap_or_default()
    }
}

/// A transaction: the only way to the rows.
pub struct Tx<'a> {
    pub conn: &'a Database,
    pub schema: Arc<Schema>,
    /// The time of the whole transaction, milliseconds since 1970 UTC.
    pub now: i64,
    counters: &'a RefCell<Counters>,
    locks: &'a HashSet<String>,
    set_up: &'a SetUp,
    automation: &'a automation::Kept,
    generation: &'a AtomicU64,
    capture: &'a Capture,
    first_id: u64,
    depth: u32,
}

impl Tx<'_> {
    /// Runs `f` so that all it did is undone when it fails.
    pub fn savepoint<T, E>(&mut self, f: impl FnOnce(&mut Tx<'_>) -> Result<T, E>) -> Result<T, E> {
        const NAMES: [&str; 4] = ["s0", "s1", "s2", "s3"];
        let name = NAMES.get(self.depth as usize).map_or_else(|| format!("s{}", self.depth), |name| (*name).to_owned());
        self.run(&format!("SAVEPOINT {name}"));
        let mut inner = Tx {
            conn: self.conn,
            schema: self.schema.clone(),
            now: self.now,
            counters: self.counters,
            locks: self.locks,
            set_up: self.set_up,
            automation: self.automation,
            generation: self.generation,
            capture: self.capture,
            first_id: self.first_id,
            depth: self.depth + 1,
        };
        let messages = self.capture.messages();
        let result = f(&mut inner);
        if result.is_err() {
            self.run(&format!("ROLLBACK TO {name}"));
            self.capture.take_back_messages(messages);
        }
        self.run(&format!("RELEASE {name}"));
        result
    }

    /// Runs a statement that takes nothing and answers nothing.
    fn run(&self, sql: &str) {
        let done = self.conn.prepare_cached(sql).and_then(|mut statement| statement.execute([]));
        done.expect("savepoints nest as the calls do");
    }

    /// The row with this Id (18 characters), also when it is deleted.
    pub fn row(&self, object: &Object, id: &str) -> Option<Row> {
        let object = self.schema.object(&object.name)?.clone();
        let mut statement = self.conn.if_there(object.select_by_id()).expect("the columns are the object's")?;
        let values = statement
            .query_row([id], |row| Ok(read_values(&object, row)))
            .optional()
            .expect("the store can be read")?;
        Some(Row { object, values })
    }

    /// All rows that match a condition in SQL, in the order of their Ids.
    pub fn rows_where(&self, object: &Object, condition: &str, values: &[&dyn rusqlite::ToSql]) -> Vec<Row> {
        let Some(object) = self.schema.object(&object.name).cloned() else { return Vec::new() };
        let sql = format!("{} WHERE {condition} ORDER BY \"Id\"", object.select_all());
        let statement = self.conn.if_there(&sql).expect("the condition names columns of the object");
        let Some(mut statement) = statement else { return Vec::new() };
        let mut rows = statement.query(values).expect("the store can be read");
        let mut found = Vec::new();
        while let Some(row) = rows.next().expect("the store can be read") {
            found.push(Row { object: object.clone(), values: read_values(&object, row) });
        }
        found
    }

    /// The Ids of the rows that match a condition in SQL, in order.
    pub fn ids_where(&self, object: &Object, condition: &str, values: &[&dyn rusqlite::ToSql]) -> Vec<String> {
        let sql = format!("SELECT \"Id\" FROM \"{}\" WHERE {condition} ORDER BY \"Id\"", object.name);
        let statement = self.conn.if_there(&sql).expect("the condition names columns of the object");
        let Some(mut statement) = statement else { return Vec::new() };
        let found = statement.query_map(values, |row| row.get(0)).and_then(Iterator::collect);
        found.expect("the store can be read")
    }

    /// How many rows match a condition in SQL; none when the schema lacks the object.
    pub fn count(&self, object: &str, condition: &str, values: &[&dyn rusqlite::ToSql]) -> i64 {
        if self.schema.object(object).is_none() {
            return 0;
        }
        let sql = format!("SELECT count(*) FROM \"{object}\" WHERE {condition}");
        let statement = self.conn.if_there(&sql).expect("the condition names columns of the object");
        let Some(mut statement) = statement else { return 0 };
        statement.query_row(values, |row| row.get(0)).expect("the store can be read")
    }

    /// The object whose table has the row with this Id. Several objects may share a prefix.
    pub fn object_of(&self, id: &str) -> Option<Arc<Object>> {
        let first = self.schema.by_prefix(id)?;
        let holds = |object: &&Arc<Object>| self.count(&object.name, "\"Id\" = ?1", &[&id]) > 0;
        if holds(&first) {
            return Some(first.clone());
        }
        self.schema.all_by_prefix(id).find(holds).or(Some(first)).cloned()
    }

    /// Writes a whole new row; the values stand in the order of the fields.
    pub(crate) fn insert_row(&self, object: &Object, values: &[Value]) -> rusqlite::Result<()> {
        self.note_rights(object);
        if self.capture.is_on() {
            self.capture.touch_new(self, object, values);
        }
        let mut statement = self.conn.prepare_cached(object.insert_sql())?;
        let stored = object.fields.iter().zip(values).filter(|(field, _)| field.stored()).map(|(_, value)| value);
        statement.execute(rusqlite::params_from_iter(stored)).map(|_| ())
    }

    /// Writes some columns of a row.
    pub(crate) fn update_row(
        &self,
        object: &Object,
        id: &str,
        columns: &[&str],
        values: &[&Value],
    ) -> rusqlite::Result<()> {
        self.note_rights(object);
        let present = |column: &&str| object.has(column);
        let kept: Vec<(&str, &Value)> =
            columns.iter().copied().zip(values.iter().copied()).filter(|(column, _)| present(column)).collect();
        if kept.is_empty() {
            return Ok(());
        }
        if self.capture.is_on() {
            self.capture.touch(self, object, id);
        }
        let mut sql = format!("UPDATE \"{}\" SET ", object.name);
        for (at, (column, _)) in kept.iter().enumerate() {
            sql += &format!("{}\"{column}\" = ?{}", if at == 0 { "" } else { ", " }, at + 1);
        }
        sql += &format!(" WHERE \"Id\" = ?{}", kept.len() + 1);
        let id = Value::Text(id.to_owned());
        let mut statement = self.conn.prepare_cached(&sql)?;
        statement.execute(rusqlite::params_from_iter(kept.iter().map(|(_, value)| *value).chain([&id]))).map(|_| ())
    }

    /// Removes a row and its bytes for good.
    pub(crate) fn delete_row(&self, object: &Object, id: &str) -> rusqlite::Result<()> {
        self.note_rights(object);
        if self.capture.is_on() {
            self.capture.touch(self, object, id);
        }
        let sql = format!("DELETE FROM \"{}\" WHERE \"Id\" = ?1", object.name);
        self.conn.prepare_cached(&sql)?.execute([id])?;
        self.delete_bodies(id)
    }

    /// Rights that were resolved before this write are old.
    fn note_rights(&self, object: &Object) {
        if object.grants() {
            self.generation.fetch_add(1, Relaxed);
        }
    }

    /// Says who writes: change events name the first of a transaction.
    pub(crate) fn acts(&self, caller: &Caller) {
        if self.capture.is_on() {
            self.capture.author(caller);
        }
    }

    /// How change events are made, and what this transaction makes known.
    pub(crate) fn capture(&self) -> &Capture {
        self.capture
    }

    /// Runs a statement on the store's own tables.
    pub(crate) fn note(&self, sql: &str, values: &[&dyn rusqlite::ToSql]) -> rusqlite::Result<usize> {
        self.conn.prepare_cached(sql)?.execute(values)
    }

    /// A number that this name has not had before, from 1 on. Not given back when the transaction is undone.
    pub fn next_number(&self, name: &str) -> u64 {
        let mut counters = self.counters.borrow_mut();
        let Counters { next, changed, .. } = &mut *counters;
        let number = match next.get_mut(name) {
            Some(number) => number,
            None => next.entry(name.to_owned()).or_insert(1),
        };
        let given = *number;
        *number += 1;
        if changed.last().is_none_or(|last| last != name) && !changed.iter().any(|known| known == name) {
            changed.push(name.to_owned());
        }
        given
    }

    /// What the org's set-up says.
    pub(crate) fn set_up(&self) -> &SetUp {
        self.set_up
    }

    pub(crate) fn automation(&self) -> &automation::Kept {
        self.automation
    }

    /// Whether other transactions hold any row.
    pub(crate) fn has_locks(&self) -> bool {
        !self.locks.is_empty()
    }

    /// Whether another transaction holds this row.
    pub(crate) fn is_locked(&self, id: &str) -> bool {
        !self.locks.is_empty() && self.locks.contains(id)
    }

    /// The numbers that are next now, by name.
    pub(crate) fn numbers(&self) -> HashMap<String, u64> {
        self.counters.borrow().next.clone()
    }

    /// Runs `f` as if the numbers of an earlier time were still next; none that was given since is given again later.
    pub(crate) fn with_numbers<T>(&mut self, then: &HashMap<String, u64>, f: impl FnOnce(&mut Tx<'_>) -> T) -> T {
        let since = std::mem::replace(&mut self.counters.borrow_mut().next, then.clone());
        let result = f(self);
        let mut counters = self.counters.borrow_mut();
        for (name, number) in since {
            let next = counters.next.entry(name).or_insert(number);
            *next = number.max(*next);
        }
        drop(counters);
        result
    }

    /// The number that was given last under this name; 0 before the first.
    pub fn last_number(&self, name: &str) -> u64 {
        self.counters.borrow().next.get(name).map_or(0, |next| next - 1)
    }

    /// An Id that no record has had before.
    pub fn next_id(&self, object: &Object) -> String {
        let prefix = object.key_prefix.as_deref().unwrap_or("000");
        self.next_id_of(prefix)
    }

    /// An Id with this prefix, for what has no table of its own.
    pub(crate) fn next_id_of(&self, prefix: &str) -> String {
        id::make(prefix, self.first_id + self.next_number(prefix))
    }

    /// The Id of the org's first user, who made it.
    pub(crate) fn first_user_id(&self) -> String {
        id::make("005", self.first_id + 1)
    }
}

/// MD5 in hexadecimal, which is what `ContentVersion.Checksum` shows (`salesforce-api.md` 6.8).
pub fn md5(body: &[u8]) -> String {
    use md5::Digest as _;
    hexadecimal(&md5::Md5::digest(body))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read_values(object: &Object, row: &rusqlite::Row<'_>) -> Vec<Value> {
    let mut column = 0;
    let read = |field: &Arc<Field>| {
        if !field.stored() {
            return Value::Null;
        }
        let value = row.get_ref(column).map_or(Value::Null, |value| Value::from_sql(value, field.kind));
        column += 1;
        value
    };
    object.fields.iter().map(read).collect()
}
