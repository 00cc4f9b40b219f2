// SPDX-License-Identifier: Apache-2.0
//! One emulated org: its schema, its rows, its clock, and what its APIs remember.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use crate::clock::Clock;
use crate::faces::Faces;
use crate::id;
use crate::schema::Schema;
use crate::store::Store;

pub use crate::store::{Row, Tx};

/// An org. Shared by all requests; a transaction has its rows to itself.
pub struct Org {
    /// 18 characters.
    pub id: String,
    pub faces: Faces,
    clock: Clock,
    schema: RwLock<Arc<Schema>>,
    store: Mutex<Store>,
}

impl Org {
    /// Opens the org's store, and seeds it when it is new. `number` counts from 0 and tells the orgs of one process apart.
    pub fn open(number: usize, schema: Schema, clock: Clock, path: Option<&Path>) -> rusqlite::Result<Org> {
        let store = Store::open(path)?;
        store.create_tables(&schema)?;
        let org = Org {
            id: id::make("00D", number as u64 + 1),
            faces: Faces::default(),
            clock,
            schema: RwLock::new(Arc::new(schema)),
            store: Mutex::new(store),
        };
        Ok(org)
    }

    pub fn schema(&self) -> Arc<Schema> {
        self.schema.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// A transaction that writes. Others wait; calling this or [`Org::read`] inside it never returns.
    pub fn write<T>(&self, f: impl FnOnce(&mut Tx<'_>) -> T) -> T {
        let (schema, now) = (self.schema(), self.clock.now());
        self.store().write(schema, now, f).expect("the store can be written")
    }

    pub fn read<T>(&self, f: impl FnOnce(&Tx<'_>) -> T) -> T {
        let (schema, now) = (self.schema(), self.clock.now());
        self.store().read(schema, now, f).expect("the store can be read")
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
