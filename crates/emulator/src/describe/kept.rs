// SPDX-License-Identifier: Apache-2.0
//! Descriptions as they go out, zipped and kept, because zipping one costs more than everything else about it.
//!
//! A kept description is good for callers with the same rights, in the same API version, under the same address, as long as
//! the schema is the same one. What is kept is small (a twentieth of the JSON) and bounded: when it grows beyond the bound, all
//! of it goes. Clients that take no gzip get it unzipped, which is cheap.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::schema::Schema;
use crate::user::Caller;

const KEPT_BYTES_MAX: usize = 8 << 20;

/// What was described: the object (none for all objects), in which API version, under which address.
pub type Key = (Option<String>, String, String);

/// The zipped descriptions of one org.
#[derive(Debug, Default)]
pub struct Kept {
    schema: Option<Arc<Schema>>,
    /// One for each set of rights.
    zipped: HashMap<Key, Vec<(Caller, Bytes)>>,
    zipped_bytes: usize,
}

impl Kept {
    /// The description that was kept for callers like this one.
    pub fn find(&self, schema: &Arc<Schema>, key: &Key, caller: &Caller) -> Option<Bytes> {
        if !self.schema.as_ref().is_some_and(|known| Arc::ptr_eq(known, schema)) {
            return None;
        }
        let all = self.zipped.get(key)?;
        all.iter().find(|(known, _)| known.has_same_rights(caller)).map(|(_, zipped)| zipped.clone())
    }

    /// Keeps a description.
    pub fn keep(&mut self, schema: &Arc<Schema>, key: Key, caller: &Caller, zipped: Bytes) {
        let same = self.schema.as_ref().is_some_and(|known| Arc::ptr_eq(known, schema));
        if !same || self.zipped_bytes + zipped.len() > KEPT_BYTES_MAX {
            *self = Kept { schema: Some(schema.clone()), ..Kept::default() };
        }
        self.zipped_bytes += zipped.len();
        self.zipped.entry(key).or_default().push((caller.clone(), zipped));
    }
}
