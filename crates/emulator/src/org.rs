// SPDX-License-Identifier: Apache-2.0
//! One emulated org: its schema, its rows, its clock, and what its APIs remember.

mod background;
mod dated;
mod events;
pub mod late;
mod migration;
pub mod seed;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use crate::clock::Clock;
use crate::error::SaveError;
use crate::faces::Faces;
use crate::feature::{self, SetUp};
use crate::metadata;
use crate::record::{self, Fields};
use crate::rights;
use crate::schema::{Field, FieldType, Object, Schema, custom};
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
    /// A second connection that nobody uses at the moment.
    idle_reader: Mutex<Option<Store>>,
    background: background::Background,
    /// What rights are resolved under.
    generation: Arc<AtomicU64>,
}

impl Org {
    /// Opens the org's store, and fills it when it is new. `number` counts from 0 and tells the orgs of one process apart.
    pub fn open(number: usize, schema: Schema, clock: Clock, path: Option<&Path>) -> rusqlite::Result<Org> {
        Org::open_with_ids(number, number, schema, clock, path)
    }

    /// The same, with Ids as those of the org with another number: what a refresh leaves of a sandbox.
    pub(crate) fn open_with_ids(
        number: usize,
        ids: usize,
        schema: Schema,
        clock: Clock,
        path: Option<&Path>,
    ) -> rusqlite::Result<Org> {
        let schema = schema.with_platform_objects();
        let now_ms = clock.now();
        let store = Store::open(path, ids)?;
        let (columns, version) = (store.columns()?, migration::version_of(&schema));
        store.create_tables(&schema)?;
        let org = Org {
            id: store.organization_id(),
            faces: Faces { is_kept: path.is_some(), ..Faces::default() },
            clock,
            schema: RwLock::new(Arc::new(schema.made(now_ms))),
            generation: store.generation(),
            store: Mutex::new(store),
            idle_reader: Mutex::default(),
            background: background::Background::default(),
        };
        org.migrate(|tx| {
            let schema = metadata::deploy::rebuild(tx, &tx.schema);
            if let Some(schema) = &schema {
                let made = crate::store::missing_tables(tx.conn, schema).and_then(|sql| tx.conn.execute_batch(&sql));
                made.expect("tables can be made");
            }
            ((), schema)
        });
        let ids = org.write(|tx| {
            seed::fill(tx, number).expect("the seed fits the checked-in schema, as a test shows");
            migration::run(tx, &columns, &version).expect("the store can be written");
            seed::record_types(tx).expect("record types can always be written")
        });
        let named = seed::with_record_types(&org.schema(), &ids);
        org.put_schema(named);
        org.change_rights();
        org.date_schema();
        org.go_on_capturing();
        Ok(org)
    }

    /// Changes the schema, as an admin in Setup would: `change` gets all objects. Rows keep what columns they had.
    pub fn change_schema(&self, change: impl FnOnce(&mut Vec<Object>)) -> rusqlite::Result<()> {
        let before = self.schema();
        let mut objects = before.to_objects();
        change(&mut objects);
        self.set_up(|set_up| feature::complete(&mut objects, set_up));
        let schema = before.rebuilt(objects);
        self.store().create_tables(&schema)?;
        self.put_schema(schema);
        let ids = self.write(|tx| {
            rights::grant_new_fields(tx, Some(&before))?;
            Ok::<_, rusqlite::Error>(seed::record_types(tx).expect("record types can always be written"))
        })?;
        let named = seed::with_record_types(&self.schema(), &ids);
        self.put_schema(named.in_place_of(&before, self.clock.now()));
        self.write_dates();
        Ok(())
    }

    /// Removes a field from the schema. False when there is none.
    pub fn drop_field(&self, object: &str, field: &str) -> bool {
        let mut dropped = false;
        let done = self.change_schema(|objects| {
            for object in objects.iter_mut().filter(|known| known.name == object) {
                let before = object.fields.len();
                object.fields.retain(|known| known.name != field);
                dropped = object.fields.len() < before;
            }
        });
        done.is_ok() && dropped
    }

    /// Adds a custom field, or replaces one of the same name. False when there is no such object.
    pub fn add_field(&self, object: &str, field: Field) -> bool {
        let mut added = false;
        let done = self.change_schema(|objects| {
            for object in objects.iter_mut().filter(|known| known.name == object) {
                custom::add_field(object, field.clone());
                added = true;
            }
        });
        done.is_ok() && added
    }

    /// Removes an object from the schema. False when there is none.
    pub fn remove_object(&self, object: &str) -> bool {
        let mut removed = false;
        let done = self.change_schema(|objects| {
            let before = objects.len();
            objects.retain(|known| known.name != object);
            removed = objects.len() < before;
        });
        done.is_ok() && removed
    }

    /// Turns Setup's switch "Set Audit Fields upon Record Creation" on or off: without it, its two permissions are no fields of
    /// permission sets, and nobody can give audit fields (`salesforce-api.md` 6.3). On when the org is made.
    pub fn set_audit_fields_switch(&self, on: bool) -> rusqlite::Result<()> {
        const FIELDS: [&str; 2] = ["PermissionsCreateAuditFields", "PermissionsUpdateWithInactiveOwner"];
        self.change_schema(|objects| {
            for object in objects.iter_mut().filter(|known| matches!(known.name.as_str(), "PermissionSet" | "Profile"))
            {
                object.fields.retain(|field| !FIELDS.contains(&field.name.as_str()));
                for name in FIELDS.iter().filter(|_| on) {
                    object.fields.push(Arc::new(Field::usual(name, name, FieldType::Boolean, 0)));
                }
            }
        })
    }

    /// The live rows of an object as stored, for tests to look at. Every column by its field's name, null ones left out.
    pub fn rows(&self, object: &str) -> Vec<serde_json::Map<String, serde_json::Value>> {
        self.read(|tx| {
            let Some(object) = tx.schema.object(object).cloned() else { return Vec::new() };
            let alive = if object.has("IsDeleted") { "\"IsDeleted\" = 0" } else { "1 = 1" };
            tx.rows_where(&object, alive, &[]).iter().map(plain).collect()
        })
    }

    /// Creates a row on the platform's own account, for tests and worlds: every stored field can be given.
    pub fn insert(&self, object: &str, fields: Fields) -> Result<String, SaveError> {
        let unknown = || SaveError::new("INVALID_TYPE", format!("sObject type '{object}' is not supported."), &[]);
        self.write(|tx| {
            let object = tx.schema.object(object).cloned().ok_or_else(unknown)?;
            tx.savepoint(|tx| record::insert(tx, &seed::platform(tx), &object, fields))
        })
    }

    /// Changes a row on the platform's own account.
    pub fn update(&self, id: &str, fields: Fields) -> Result<(), SaveError> {
        self.write(|tx| {
            let object = tx.object_of(id).ok_or_else(|| SaveError::malformed_id(id, "Id"))?;
            tx.savepoint(|tx| record::update(tx, &seed::platform(tx), &object, id, fields))
        })
    }

    /// Deletes a row on the platform's own account, into the recycle bin where there is one.
    pub fn delete(&self, id: &str) -> Result<(), SaveError> {
        self.write(|tx| tx.savepoint(|tx| record::delete(tx, &seed::platform(tx), id)))
    }

    /// Merges records into another one on the platform's own account.
    pub fn merge(&self, master: &str, losers: &[String]) -> Result<(), SaveError> {
        self.write(|tx| {
            let platform = seed::platform(tx);
            tx.savepoint(|tx| record::merge(tx, &platform, master, losers, Vec::new()).map(drop))
        })
    }

    fn put_schema(&self, schema: Schema) {
        *self.schema.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(schema);
        self.change_rights();
    }

    /// What users may do has changed by other means than a write to the tables that say it.
    pub(crate) fn change_rights(&self) {
        self.generation.fetch_add(1, Relaxed);
    }

    /// Moves whenever what users may do may have changed.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Relaxed)
    }

    pub fn schema(&self) -> Arc<Schema> {
        self.schema.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// A transaction that writes, with the schema that the tables have once the store is locked. Others wait; calling this or [`Org::read`] inside it never returns.
    pub fn write<T>(&self, f: impl FnOnce(&mut Tx<'_>) -> T) -> T {
        self.settled().write(self.schema(), self.clock.now(), f).expect("the store can be written")
    }

    /// A transaction that may end with another schema, whose tables it has made. Nobody else sees the rows before the schema.
    pub(crate) fn migrate<T>(&self, f: impl FnOnce(&mut Tx<'_>) -> (T, Option<Schema>)) -> T {
        let mut store = self.settled();
        let (before, now) = (self.schema(), self.clock.now());
        let (answer, schema) = store.write(before.clone(), now, f).expect("the store can be written");
        if let Some(schema) = schema {
            self.put_schema(schema.in_place_of(&before, now));
        }
        answer
    }

    pub fn read<T>(&self, f: impl FnOnce(&Tx<'_>) -> T) -> T {
        self.settled().read(self.schema(), self.clock.now(), f).expect("the store can be read")
    }

    /// A read that lasts. Where the store is a file it holds up nobody, and sees what was there when its first statement
    /// began. The tables it needs are there: `try_out` ran before, with the org to itself, as far as the first row.
    ///
    /// Whatever `f` waits for may not wait for this thread: in memory it runs with the org to itself.
    pub fn read_apart<T>(&self, try_out: impl FnOnce(&Tx<'_>), f: impl FnOnce(&Tx<'_>) -> T) -> T {
        let idle = || self.idle_reader.lock().unwrap_or_else(PoisonError::into_inner);
        let mut store = self.settled();
        let (schema, now) = (self.schema(), self.clock.now());
        let known = idle().take();
        let reader = match known {
            Some(reader) => Some(reader),
            None => store.reader().expect("the store's file can be opened again"),
        };
        let Some(mut reader) = reader else {
            return store.read(schema, now, f).expect("the store can be read");
        };
        reader.set_up_mut().clone_from(store.set_up_mut());
        store.read(schema.clone(), now, try_out).expect("the store can be read");
        drop(store);
        let answer = reader.read(schema, now, f).expect("the store can be read");
        *idle() = Some(reader);
        answer
    }

    /// The store, brought up to the org's clock.
    fn settled(&self) -> MutexGuard<'_, Store> {
        let mut store = self.store();
        let (schema, now) = (self.schema(), self.clock.now());
        self.background.settle(&mut store, &schema, now).expect("the store can be written");
        store
    }

    /// How many rows the recycle bin holds before its oldest are removed; 5,000 for each user licence unless set.
    pub fn set_recycle_bin_capacity(&self, rows: u32) {
        self.background.set_bin_rows(i64::from(rows));
    }

    /// Reads or changes the org's set-up.
    pub(crate) fn set_up<T>(&self, f: impl FnOnce(&mut SetUp) -> T) -> T {
        f(self.store().set_up_mut())
    }

    /// Locks a row as another transaction would: whoever writes it is refused with `UNABLE_TO_LOCK_ROW`.
    pub fn lock_row(&self, id: &str) {
        self.store().locks_mut().insert(crate::id::to18(id).unwrap_or_else(|| id.to_owned()));
    }

    /// Lets a row go. False when it was not locked.
    pub fn unlock_row(&self, id: &str) -> bool {
        self.store().locks_mut().remove(&crate::id::to18(id).unwrap_or_else(|| id.to_owned()))
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn plain(row: &Row) -> serde_json::Map<String, serde_json::Value> {
    let pairs = row.object.fields.iter().zip(&row.values).filter(|(_, value)| !value.is_null());
    pairs.map(|(field, value)| (field.name.clone(), crate::value::json(value, field))).collect()
}
