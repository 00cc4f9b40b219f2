// SPDX-License-Identifier: Apache-2.0
//! An org to save records in, and an administrator who does.
use std::time::Duration;

use orgkeep_emulator::error::SaveError;
use orgkeep_emulator::org::Org;
use orgkeep_emulator::record::{self, Fields, Input};
use orgkeep_emulator::schema::Schema;
use orgkeep_emulator::value::Value;
use orgkeep_emulator::{Caller, Clock};

/// 2024-05-06T07:08:09.123Z
pub const START_MS: i64 = 1_714_979_289_123;

pub struct Desk {
    pub org: Org,
    pub caller: Caller,
}

impl Desk {
    pub fn new() -> Desk {
        let org = Org::open(0, Schema::standard(), Clock::standing_at(START_MS), None).expect("an org in memory opens");
        let caller = org.caller(&org.id_of("User", "Username", "admin@org-1.orgkeep.example"));
        Desk { org, caller }
    }

    pub fn with(permissions: &[&str]) -> Desk {
        let mut desk = Desk::new();
        let mut all = (*desk.caller.permissions).clone();
        all.extend(permissions.iter().map(|name| (*name).to_owned()));
        desk.caller.permissions = all.into();
        desk
    }

    pub fn insert(&self, object: &str, fields: &[(&str, Input)]) -> Result<String, SaveError> {
        self.org.write(|tx| {
            let object = tx.schema.object(object).expect("the object is there").clone();
            tx.savepoint(|tx| record::insert(tx, &self.caller, &object, own(fields)))
        })
    }

    /// An insert that must succeed, of texts.
    pub fn make(&self, object: &str, fields: &[(&str, &str)]) -> String {
        let fields: Vec<(&str, Input)> = fields.iter().map(|(name, value)| (*name, text(value))).collect();
        self.insert(object, &fields).unwrap_or_else(|error| panic!("{object}: {error:?}"))
    }

    /// The code, message and fields of an insert that must fail.
    pub fn refused(&self, object: &str, fields: &[(&str, &str)]) -> (String, String, Vec<String>) {
        let fields: Vec<(&str, Input)> = fields.iter().map(|(name, value)| (*name, text(value))).collect();
        match self.insert(object, &fields) {
            Ok(id) => panic!("{object} was saved as {id}"),
            Err(error) => (error.code, error.message, error.fields),
        }
    }

    pub fn update(&self, object: &str, id: &str, fields: &[(&str, &str)]) -> Result<(), SaveError> {
        let fields: Vec<(&str, Input)> = fields.iter().map(|(name, value)| (*name, text(value))).collect();
        self.org.write(|tx| {
            let object = tx.schema.object(object).expect("the object is there").clone();
            tx.savepoint(|tx| record::update(tx, &self.caller, &object, id, own(&fields)))
        })
    }

    pub fn upsert(
        &self,
        object: &str,
        key: &str,
        value: &str,
        fields: &[(&str, &str)],
    ) -> Result<(String, bool), SaveError> {
        let fields: Vec<(&str, Input)> = fields.iter().map(|(name, value)| (*name, text(value))).collect();
        self.org.write(|tx| {
            let object = tx.schema.object(object).expect("the object is there").clone();
            tx.savepoint(|tx| record::upsert(tx, &self.caller, &object, key, &text(value), own(&fields)))
        })
    }

    pub fn delete(&self, id: &str) -> Result<(), SaveError> {
        self.org.write(|tx| tx.savepoint(|tx| record::delete(tx, &self.caller, id)))
    }

    pub fn hard_delete(&self, id: &str) -> Result<(), SaveError> {
        self.org.write(|tx| tx.savepoint(|tx| record::hard_delete(tx, &self.caller, id)))
    }

    pub fn undelete(&self, id: &str) -> Result<(), SaveError> {
        self.org.write(|tx| tx.savepoint(|tx| record::undelete(tx, &self.caller, id)))
    }

    pub fn empty(&self, id: &str) -> Result<(), SaveError> {
        self.org.write(|tx| tx.savepoint(|tx| record::empty_from_recycle_bin(tx, &self.caller, id)))
    }

    /// A field of a row, deleted ones too; `None` when the row is gone.
    pub fn find(&self, id: &str, field: &str) -> Option<Value> {
        self.org.read(|tx| {
            let object = tx.object_of(id)?;
            Some(tx.row(&object, id)?.get(field).clone())
        })
    }

    pub fn get(&self, id: &str, field: &str) -> Value {
        self.find(id, field).unwrap_or_else(|| panic!("{id} is gone"))
    }

    pub fn is_deleted(&self, id: &str) -> bool {
        self.get(id, "IsDeleted").is_true()
    }

    /// How many live rows an object has.
    pub fn count(&self, object: &str) -> usize {
        self.org.rows(object).len()
    }

    pub fn later(&self, seconds: u64) {
        self.org.clock().advance(Duration::from_secs(seconds));
    }
}

pub trait Find {
    fn id_of(&self, object: &str, field: &str, value: &str) -> String;
}

impl Find for Org {
    /// The Id of the first row with this text in this field.
    fn id_of(&self, object: &str, field: &str, value: &str) -> String {
        self.read(|tx| {
            let object = tx.schema.object(object).expect("the object is there");
            tx.ids_where(object, &format!("\"{field}\" = ?1"), &[&value])
                .into_iter()
                .next()
                .expect("there is such a row")
        })
    }
}

pub fn text(value: &str) -> Input {
    match value {
        "" => Input::Null,
        "true" => Input::Bool(true),
        "false" => Input::Bool(false),
        value => Input::Text(value.to_owned()),
    }
}

fn own(fields: &[(&str, Input)]) -> Fields {
    fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}
