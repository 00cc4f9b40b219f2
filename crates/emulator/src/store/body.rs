// SPDX-License-Identifier: Apache-2.0
//! Bytes of base64 fields: small ones whole in `_blob`, large ones in pieces, so that neither a save nor a read of a file of 2 GB
//! needs memory for more than a piece of it.
//!
//! `_blob` has a row for every body, with its MD5 and length. A large one holds no bytes there; `_large` has its number, under
//! which `_piece` has the pieces, or the seed that its content is made of when it is read. The number is new with every save:
//! who reads pieces of a body that is replaced meanwhile finds the next one gone, and stops. An org in memory has its pieces in
//! a temporary file of SQLite's own, which takes part in its transactions.

use std::io::{Read as _, Seek as _, SeekFrom};
use std::sync::{Arc, Mutex, OnceLock};

use md5::Digest as _;
use rusqlite::{Connection, OptionalExtension as _, params};
use tempfile::SpooledTempFile;

use super::{Tx, hexadecimal, md5};
use crate::faces::lock;
use crate::schema::Object;

/// Larger bodies are kept in pieces of this size.
pub const PIECE_BYTES: usize = 1024 * 1024;

const TABLES: &str = r"
CREATE TABLE IF NOT EXISTS _large (id TEXT, field TEXT, number INTEGER, seed INTEGER, PRIMARY KEY (id, field)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS _large_number ON _large (number);
";

/// The bytes that a base64 field is given.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    Bytes(Vec<u8>),
    /// What arrived in a form, in a temporary file.
    File(Arc<Spooled>),
    /// What is made when it is read.
    Made(Made),
}

/// A body in a temporary file.
#[derive(Debug)]
pub struct Spooled {
    file: Mutex<SpooledTempFile>,
    bytes: u64,
    md5: OnceLock<String>,
}

impl PartialEq for Spooled {
    fn eq(&self, other: &Spooled) -> bool {
        std::ptr::eq(self, other)
    }
}

/// Content that looks random and follows from a seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Made {
    pub seed: u64,
    pub bytes: u64,
}

impl Made {
    /// One of its pieces; none behind its end.
    pub fn piece(self, number: u64) -> Option<Vec<u8>> {
        let start = number * PIECE_BYTES as u64;
        let length = self.bytes.checked_sub(start).filter(|left| *left > 0)?.min(PIECE_BYTES as u64);
        let mut piece = Vec::with_capacity(PIECE_BYTES);
        let mut state = self.seed ^ number.wrapping_mul(0xa076_1d64_78bd_642f);
        while (piece.len() as u64) < length {
            // splitmix64
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut word = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            piece.extend_from_slice(&(word ^ (word >> 31)).to_le_bytes());
        }
        piece.truncate(usize::try_from(length).unwrap_or(PIECE_BYTES));
        Some(piece)
    }
}

impl Body {
    /// What is in a temporary file; small enough, it is read at once.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn spooled(mut file: SpooledTempFile, bytes: u64) -> std::io::Result<Body> {
        if bytes > PIECE_BYTES as u64 {
            return Ok(Body::File(Arc::new(Spooled { file: Mutex::new(file), bytes, md5: OnceLock::new() })));
        }
        let mut whole = Vec::new();
        file.seek(SeekFrom::Start(0))?;
        file.read_to_end(&mut whole)?;
        Ok(Body::Bytes(whole))
    }

    /// How many bytes it has.
    pub fn length(&self) -> i64 {
        let bytes = match self {
            Body::Bytes(bytes) => bytes.len() as u64,
            Body::File(file) => file.bytes,
            Body::Made(made) => made.bytes,
        };
        i64::try_from(bytes).unwrap_or(i64::MAX)
    }

    /// MD5 in hexadecimal.
    pub fn md5(&self) -> String {
        let of_pieces = || {
            let mut digest = md5::Md5::new();
            let done: rusqlite::Result<()> = self.each_piece(|_, piece| {
                digest.update(piece);
                Ok(())
            });
            // A file that cannot be read again is found out when its pieces are written.
            done.map_or_else(|_| String::new(), |()| hexadecimal(&digest.finalize()))
        };
        match self {
            Body::Bytes(bytes) => md5(bytes),
            Body::File(file) => file.md5.get_or_init(of_pieces).clone(),
            Body::Made(_) => of_pieces(),
        }
    }

    fn each_piece(&self, mut take: impl FnMut(u64, &[u8]) -> rusqlite::Result<()>) -> rusqlite::Result<()> {
        match self {
            Body::Bytes(bytes) => {
                let mut pieces = bytes.chunks(PIECE_BYTES).zip(0..);
                pieces.try_for_each(|(piece, number)| take(number, piece))
            }
            Body::File(file) => {
                let failed = |error: std::io::Error| rusqlite::Error::ToSqlConversionFailure(Box::new(error));
                let mut open = lock(&file.file);
                open.seek(SeekFrom::Start(0)).map_err(failed)?;
                let mut number = 0;
                loop {
                    let mut piece = Vec::with_capacity(PIECE_BYTES);
                    (&mut *open).take(PIECE_BYTES as u64).read_to_end(&mut piece).map_err(failed)?;
                    if piece.is_empty() {
                        return Ok(());
                    }
                    take(number, &piece)?;
                    number += 1;
                }
            }
            Body::Made(made) => (0..)
                .map_while(|number| Some((number, made.piece(number)?)))
                .try_for_each(|(number, piece)| take(number, &piece)),
        }
    }
}

/// A body as it is kept.
#[derive(Clone, Debug)]
pub enum Kept {
    Whole(Vec<u8>),
    /// So many bytes, under a number.
    Pieces {
        number: i64,
        bytes: u64,
    },
    Made(Made),
}

/// Makes the tables. To be called before SQLite is told to keep temporary files in memory.
pub(super) fn create_tables(conn: &Connection, in_memory: bool) -> rusqlite::Result<()> {
    conn.execute_batch(TABLES)?;
    let place = if in_memory {
        conn.execute_batch("ATTACH '' AS files")?;
        "files"
    } else {
        "main"
    };
    conn.execute_batch(&format!(
        "CREATE TABLE IF NOT EXISTS {place}._piece (number INTEGER, piece INTEGER, body BLOB, PRIMARY KEY (number, piece)) WITHOUT ROWID"
    ))
}

impl Tx<'_> {
    /// How the bytes of a base64 field, or those in another place beside a record, are kept.
    pub fn kept_body(&self, id: &str, field: &str) -> Option<Kept> {
        let sql = "SELECT b.body, b.length, l.number, l.seed FROM _blob b LEFT JOIN _large l USING (id, field) \
                   WHERE b.id = ?1 AND b.field = ?2";
        let mut statement = self.conn.prepare_cached(sql).expect("own table");
        let row = |row: &rusqlite::Row<'_>| {
            let bytes = row.get::<_, i64>(1)?.unsigned_abs();
            Ok(match (row.get::<_, Option<i64>>(2)?, row.get::<_, Option<i64>>(3)?) {
                (Some(_), Some(seed)) => Kept::Made(Made { seed: seed.cast_unsigned(), bytes }),
                (Some(number), None) => Kept::Pieces { number, bytes },
                _ => Kept::Whole(row.get(0)?),
            })
        };
        statement.query_row([id, field], row).optional().expect("the store can be read")
    }

    /// A piece of a large body. None when there is no such piece any more.
    pub fn piece(&self, number: i64, piece: u64) -> Option<Vec<u8>> {
        let mut statement =
            self.conn.prepare_cached("SELECT body FROM _piece WHERE number = ?1 AND piece = ?2").expect("own table");
        let piece = i64::try_from(piece).unwrap_or(i64::MAX);
        statement.query_row([number, piece], |row| row.get(0)).optional().expect("the store can be read")
    }

    /// The bytes of a base64 field, all of them.
    pub fn blob(&self, object: &Object, id: &str, field: &str) -> Option<Vec<u8>> {
        self.side_blob(id, &object.field(field)?.name)
    }

    /// Bytes that are kept beside a record, all of them.
    pub(crate) fn side_blob(&self, id: &str, place: &str) -> Option<Vec<u8>> {
        let pieces = |piece: &dyn Fn(u64) -> Option<Vec<u8>>| (0..).map_while(piece).flatten().collect();
        Some(match self.kept_body(id, place)? {
            Kept::Whole(bytes) => bytes,
            Kept::Pieces { number, .. } => pieces(&|piece| self.piece(number, piece)),
            Kept::Made(made) => pieces(&|piece| made.piece(piece)),
        })
    }

    /// MD5 in hexadecimal and length in bytes of a base64 field.
    pub fn blob_facts(&self, id: &str, field: &str) -> Option<(String, i64)> {
        let mut statement =
            self.conn.prepare_cached("SELECT md5, length FROM _blob WHERE id = ?1 AND field = ?2").expect("own table");
        statement
            .query_row([id, field], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()
            .expect("the store can be read")
    }

    /// Keeps the bytes of a base64 field.
    pub(crate) fn put_body(&self, object: &Object, id: &str, field: &str, body: &Body) -> rusqlite::Result<()> {
        self.forget_pieces("id = ?1 AND field = ?2", &[&id, &field])?;
        let small = match body {
            Body::Bytes(bytes) if bytes.len() <= PIECE_BYTES => Some(bytes.as_slice()),
            _ => None,
        };
        let mut statement = self.conn.prepare_cached("INSERT OR REPLACE INTO _blob VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
        statement.execute(params![object.name, id, field, small.unwrap_or_default(), body.md5(), body.length()])?;
        if small.is_some() {
            return Ok(());
        }
        let number = i64::try_from(self.next_number("_large")).unwrap_or(i64::MAX);
        let seed = match body {
            Body::Made(made) => Some(made.seed.cast_signed()),
            _ => None,
        };
        self.note(
            "INSERT INTO _large (id, field, number, seed) VALUES (?1, ?2, ?3, ?4)",
            &[&id, &field, &number, &seed],
        )?;
        if seed.is_some() {
            return Ok(());
        }
        body.each_piece(|piece, bytes| {
            let piece = i64::try_from(piece).unwrap_or(i64::MAX);
            self.note("INSERT INTO _piece (number, piece, body) VALUES (?1, ?2, ?3)", &[&number, &piece, &bytes])
                .map(drop)
        })
    }

    /// Removes the bytes of a record for good.
    pub(super) fn delete_bodies(&self, id: &str) -> rusqlite::Result<()> {
        let gone = self.conn.prepare_cached("DELETE FROM _blob WHERE id = ?1")?.execute([id])?;
        if gone > 0 { self.forget_pieces("id = ?1", &[&id]) } else { Ok(()) }
    }

    fn forget_pieces(&self, which: &str, values: &[&dyn rusqlite::ToSql]) -> rusqlite::Result<()> {
        self.note(&format!("DELETE FROM _piece WHERE number IN (SELECT number FROM _large WHERE {which})"), values)?;
        self.note(&format!("DELETE FROM _large WHERE {which}"), values).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_content_has_its_length_and_differs_by_piece_and_seed() {
        let made = Made { seed: 7, bytes: PIECE_BYTES as u64 + 3 };
        let (first, second) = (made.piece(0).unwrap(), made.piece(1).unwrap());
        assert_eq!((first.len(), second.len(), made.piece(2)), (PIECE_BYTES, 3, None));
        assert_ne!(first[..3], second[..]);
        assert_ne!(Made { seed: 8, ..made }.piece(0).unwrap()[..8], first[..8]);
        assert_eq!(Made { seed: 1, bytes: 0 }.piece(0), None);
        let whole = [first, second].concat();
        assert_eq!(Body::Made(made).md5(), md5(&whole));
    }
}
