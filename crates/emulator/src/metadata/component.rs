// SPDX-License-Identifier: Apache-2.0
//! The components of an org as they are kept: in tables of its own store, so that they last as long as its rows do.
//!
//! `_component` has a row for each component, also for the parts of containers ([`super::container`]); `_component_file` has
//! its files, compressed. What remains of a container's file is the container's own file; a part's file is its XML alone.
//! A component that only exists because others lie in it (`Account`, when nothing but a field of it was deployed) has a row
//! only when it was deployed itself. Names compare without case.

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use rusqlite::{OptionalExtension as _, params};

use super::types;
use super::xml::{self, Node};
use crate::org::Tx;

/// The tables; made when the store is opened.
pub(crate) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS _component (kind TEXT, name TEXT COLLATE NOCASE, container TEXT COLLATE NOCASE, id TEXT, file TEXT, created_by TEXT, created_ms INTEGER, modified_by TEXT, modified_ms INTEGER, PRIMARY KEY (kind, name)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS _component_container ON _component (container) WHERE container IS NOT NULL;
CREATE TABLE IF NOT EXISTS _component_file (kind TEXT, name TEXT COLLATE NOCASE, path TEXT, body BLOB, PRIMARY KEY (kind, name, path)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS _key_prefix (object TEXT PRIMARY KEY, prefix TEXT) WITHOUT ROWID;
";

/// One component.
#[derive(Clone, Debug, PartialEq)]
pub struct Component {
    /// The metadata type.
    pub kind: String,
    pub full_name: String,
    /// Full name of the container it is a part of.
    pub container: Option<String>,
    /// 18 characters; empty where components of the type have none here.
    pub id: String,
    /// The path of its file in a package: `objects/Account.object`.
    pub file: String,
    pub created_by: String,
    pub created_ms: i64,
    pub modified_by: String,
    pub modified_ms: i64,
}

impl Component {
    /// The namespace that a name begins with: `npe01` of `npe01__OppPayment__c`.
    pub fn namespace(&self) -> Option<&str> {
        let own = self.full_name.rsplit('.').next()?;
        let (first, rest) = own.split_once("__")?;
        rest.contains("__").then_some(first)
    }
}

const COLUMNS: &str = "kind, name, container, id, file, created_by, created_ms, modified_by, modified_ms";

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Component> {
    Ok(Component {
        kind: row.get(0)?,
        full_name: row.get(1)?,
        container: row.get(2)?,
        id: row.get(3)?,
        file: row.get(4)?,
        created_by: row.get(5)?,
        created_ms: row.get(6)?,
        modified_by: row.get(7)?,
        modified_ms: row.get(8)?,
    })
}

fn select(tx: &Tx<'_>, condition: &str, values: &[&dyn rusqlite::ToSql]) -> Vec<Component> {
    let sql = format!("SELECT {COLUMNS} FROM _component WHERE {condition} ORDER BY kind, name");
    let mut statement = tx.conn.prepare_cached(&sql).expect("own table");
    let found = statement.query_map(values, read).and_then(Iterator::collect);
    found.expect("the store can be read")
}

/// The component of this type and name.
pub fn find(tx: &Tx<'_>, kind: &str, full_name: &str) -> Option<Component> {
    select(tx, "kind = ?1 AND name = ?2", &[&kind, &full_name]).pop()
}

/// All components of a type, by name.
pub fn all(tx: &Tx<'_>, kind: &str) -> Vec<Component> {
    select(tx, "kind = ?1", &[&kind])
}

/// The parts that lie in a container, by type and name.
pub fn parts(tx: &Tx<'_>, container_kind: &str, container: &str) -> Vec<Component> {
    let kinds = super::container::parts_of(container_kind);
    let mut found = select(tx, "container = ?1", &[&container]);
    found.retain(|component| kinds.iter().any(|part| part.kind == component.kind));
    found
}

/// The names of the containers of a type that have parts, whether they were deployed themselves or not.
pub fn containers_with_parts(tx: &Tx<'_>, container_kind: &str) -> Vec<String> {
    let mut names = Vec::new();
    for part in super::container::parts_of(container_kind) {
        let sql = "SELECT DISTINCT container FROM _component WHERE kind = ?1 AND container IS NOT NULL";
        let mut statement = tx.conn.prepare_cached(sql).expect("own table");
        let found = statement.query_map([part.kind], |row| row.get::<_, String>(0));
        names.extend(found.and_then(Iterator::collect::<rusqlite::Result<Vec<_>>>).expect("the store can be read"));
    }
    names.sort();
    names.dedup();
    names
}

/// The files of a component by path.
pub fn files(tx: &Tx<'_>, kind: &str, full_name: &str) -> Vec<(String, Vec<u8>)> {
    let sql = "SELECT path, body FROM _component_file WHERE kind = ?1 AND name = ?2 ORDER BY path";
    let mut statement = tx.conn.prepare_cached(sql).expect("own table");
    let found = statement.query_map([kind, full_name], |row| Ok((row.get(0)?, unzip(row.get_ref(1)?.as_blob()?))));
    found.and_then(Iterator::collect).expect("the store can be read")
}

/// The XML of a component that has one file, or whose files have one beside them that describes it.
pub fn node(tx: &Tx<'_>, component: &Component) -> Option<Node> {
    let files = files(tx, &component.kind, &component.full_name);
    let described = files.iter().find(|(path, _)| path.ends_with("-meta.xml")).or(files.first())?;
    xml::parse(std::str::from_utf8(&described.1).ok()?).ok()
}

/// What saving a component did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    pub id: String,
    pub created: bool,
    pub changed: bool,
}

/// Saves a component with its files, over the one of its name.
pub fn put(
    tx: &Tx<'_>,
    user_id: &str,
    (kind, full_name): (&str, &str),
    container: Option<&str>,
    file: &str,
    files: &[(String, Vec<u8>)],
    id: Option<String>,
) -> rusqlite::Result<Saved> {
    if kind == "PlatformEventChannelMember" {
        tx.capture().forget_shapes();
    }
    let known = find(tx, kind, full_name);
    let before = if known.is_some() { self::files(tx, kind, full_name) } else { Vec::new() };
    let changed = known.is_none() || before != files;
    let id = match (&known, id) {
        (_, Some(id)) => id,
        (Some(known), None) => known.id.clone(),
        (None, None) => types::key_prefix(kind).map(|prefix| tx.next_id_of(prefix)).unwrap_or_default(),
    };
    let (created_by, created_ms) =
        known.as_ref().map_or((user_id, tx.now), |known| (known.created_by.as_str(), known.created_ms));
    let (modified_by, modified_ms) = match &known {
        Some(known) if !changed => (known.modified_by.as_str(), known.modified_ms),
        _ => (user_id, tx.now),
    };
    let sql = format!("INSERT OR REPLACE INTO _component ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)");
    let name = known.as_ref().map_or(full_name, |known| known.full_name.as_str());
    let values = params![kind, name, container, id, file, created_by, created_ms, modified_by, modified_ms];
    tx.conn.prepare_cached(&sql)?.execute(values)?;
    if changed {
        tx.note("DELETE FROM _component_file WHERE kind = ?1 AND name = ?2", &[&kind, &full_name])?;
        for (path, body) in files {
            let body = zip(body);
            tx.note("INSERT INTO _component_file VALUES (?1, ?2, ?3, ?4)", &[&kind, &name, path, &body])?;
        }
    }
    Ok(Saved { id, created: known.is_none(), changed })
}

/// Removes a component with its files; the parts of a container go too. False when there is none.
pub fn remove(tx: &Tx<'_>, kind: &str, full_name: &str) -> rusqlite::Result<bool> {
    if kind == "PlatformEventChannelMember" {
        tx.capture().forget_shapes();
    }
    let mut gone = false;
    for part in parts(tx, kind, full_name) {
        gone |= remove(tx, &part.kind, &part.full_name)?;
    }
    gone |= tx.note("DELETE FROM _component WHERE kind = ?1 AND name = ?2", &[&kind, &full_name])? > 0;
    tx.note("DELETE FROM _component_file WHERE kind = ?1 AND name = ?2", &[&kind, &full_name])?;
    Ok(gone)
}

/// The key prefixes given to custom objects.
pub fn key_prefixes(conn: &rusqlite::Connection) -> Vec<(String, String)> {
    let mut statement = conn.prepare_cached("SELECT object, prefix FROM _key_prefix").expect("own table");
    let found = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).and_then(Iterator::collect);
    found.expect("the store can be read")
}

/// Keeps the key prefix of a custom object: it never changes and is never given to another.
pub fn keep_key_prefix(tx: &Tx<'_>, object: &str, prefix: &str) -> rusqlite::Result<()> {
    tx.note("INSERT OR REPLACE INTO _key_prefix VALUES (?1, ?2)", &[&object, &prefix]).map(|_| ())
}

/// The key prefix that an object was given.
pub fn key_prefix_of(tx: &Tx<'_>, object: &str) -> Option<String> {
    let mut statement = tx.conn.prepare_cached("SELECT prefix FROM _key_prefix WHERE object = ?1").expect("own table");
    statement.query_row([object], |row| row.get(0)).optional().expect("the store can be read")
}

fn zip(body: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::with_capacity(body.len() / 3), Compression::fast());
    encoder.write_all(body).and_then(|()| encoder.finish()).expect("writing to memory cannot fail")
}

fn unzip(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    ZlibDecoder::new(body).read_to_end(&mut out).expect("only what was zipped here is kept");
    out
}
