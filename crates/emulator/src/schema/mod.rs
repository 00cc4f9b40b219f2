// SPDX-License-Identifier: Apache-2.0
//! The objects and fields of an org, as describe shows them.
//!
//! The standard objects and those of the demonstration org are checked-in files that `cargo xtask schema` makes; a project
//! may add to them. A schema never changes once made: an org that changes its schema makes a new one, so whoever holds one
//! sees a consistent picture.

mod changes;
pub mod companion;
pub mod custom;
mod field;
mod flags;
mod load;
mod object;
mod platform;
mod shape;
mod tracking;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

pub use companion::Companion;
pub use field::{Field, FieldType, FilteredLookup, PicklistValue, Summary, SummaryFilter, SummaryOperation};
pub use object::{Child, NeedsFilter, Object, RecordTypeInfo};
pub use tracking::{MOST_FIELDS, Tracking};

use crate::record::{Plan, access};
use changes::Changes;

/// Which standard objects an org has. Real orgs differ by edition, licences and features.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Catalog {
    /// The objects of sales, service, activities and files that most orgs use, with the companions they usually have: about 170.
    #[default]
    Core,
    /// Every standard object of a recorded Developer Edition org of Summer '24 with its companions: about 1,250.
    Everything,
}

/// All objects of an org. Names are found in any case.
#[derive(Clone, Debug, Default)]
pub struct Schema {
    objects: BTreeMap<String, Arc<Object>>,
    by_lower: HashMap<String, String>,
    by_prefix: HashMap<String, String>,
    plans: Plans,
    changes: Changes,
    catalog: Catalog,
}

/// The save plans of objects, made when first asked for. A clone starts without.
#[derive(Debug, Default)]
struct Plans(RwLock<HashMap<String, Arc<Plan>>>);

impl Clone for Plans {
    fn clone(&self) -> Plans {
        Plans::default()
    }
}

impl Schema {
    /// The standard schema with the demonstration org's own objects: the objects of [`Catalog::Core`].
    pub fn standard() -> Schema {
        Schema::of(Catalog::Core)
    }

    /// The standard objects of a catalog with the demonstration org's own objects. Read once, then shared.
    pub fn of(catalog: Catalog) -> Schema {
        load::standard(catalog)
    }

    /// Which standard objects are there.
    pub fn catalog(&self) -> Catalog {
        self.catalog
    }

    /// Completes objects into a schema: references to absent objects are dropped, and child relationships are made from
    /// the reference fields where the description lacks them.
    pub fn new(objects: impl IntoIterator<Item = Object>) -> Schema {
        load::complete(objects.into_iter().collect())
    }

    /// The schema of an org that is made now.
    pub(crate) fn made(mut self, now_ms: i64) -> Schema {
        self.changes = Changes::made(now_ms);
        self
    }

    /// When the org was made, as far as describes tell: a whole second in milliseconds.
    pub(crate) fn made_ms(&self) -> i64 {
        self.changes.made_ms
    }

    /// With the times of an earlier run: when the org was made, when anything last changed, and when what did.
    pub(crate) fn dated(mut self, made_ms: i64, last_ms: i64, by_object: HashMap<String, i64>) -> Schema {
        self.changes = Changes { made_ms, by_object, last_ms };
        self
    }

    /// With these objects, if any, changed now.
    pub(crate) fn changed_now(mut self, names: &[String], now_ms: i64) -> Schema {
        if !names.is_empty() {
            self.changes.note(names.iter().map(String::as_str), now_ms);
        }
        self
    }

    /// The schema that takes the place of another one now: what did not change is shared with it and keeps its time.
    pub(crate) fn in_place_of(mut self, before: &Schema, now_ms: i64) -> Schema {
        let mut changed: Vec<String> = Vec::new();
        // Setup's switch is seen in the describes of all objects that take audit fields.
        let switched = access::audit_switch(before) != access::audit_switch(&self);
        for (name, object) in &mut self.objects {
            match before.objects.get(name) {
                Some(_) if switched && access::takes_audit_fields(object) => changed.push(name.clone()),
                Some(known) if known == object => *object = known.clone(),
                _ => changed.push(name.clone()),
            }
        }
        changed.extend(before.objects.keys().filter(|name| !self.objects.contains_key(*name)).cloned());
        self.changes = before.changes.clone();
        self.changed_now(&changed, now_ms)
    }

    /// With some objects replaced whose references are the same as before.
    pub(crate) fn replacing(&self, objects: impl IntoIterator<Item = Object>) -> Schema {
        let mut schema = self.clone();
        for mut object in objects {
            object.index();
            schema.objects.insert(object.name.clone(), Arc::new(object));
        }
        schema
    }

    /// When the description of an object last changed: a whole second in milliseconds since 1970 UTC.
    pub fn last_modified_ms_of(&self, object: &Object) -> i64 {
        self.changes.of(object)
    }

    /// When any object was last added, changed or removed: a whole second in milliseconds since 1970 UTC.
    pub fn last_modified_ms(&self) -> i64 {
        self.changes.last_ms
    }

    /// A schema of these objects in the place of this one's.
    pub fn rebuilt(&self, objects: impl IntoIterator<Item = Object>) -> Schema {
        Schema { catalog: self.catalog, ..Schema::new(objects) }
    }

    pub fn object(&self, name: &str) -> Option<&Arc<Object>> {
        self.objects.get(name).or_else(|| {
            let canonical = self.by_lower.get(&name.to_ascii_lowercase())?;
            self.objects.get(canonical)
        })
    }

    /// The object that Ids with this prefix belong to.
    pub fn by_prefix(&self, id_or_prefix: &str) -> Option<&Arc<Object>> {
        self.objects.get(self.by_prefix.get(id_or_prefix.get(..3)?)?)
    }

    /// Sorted by name.
    pub fn objects(&self) -> impl Iterator<Item = &Arc<Object>> {
        self.objects.values()
    }

    /// Objects that share a key prefix, such as all histories.
    pub fn all_by_prefix<'a>(&'a self, id_or_prefix: &'a str) -> impl Iterator<Item = &'a Arc<Object>> {
        let prefix = id_or_prefix.get(..3);
        self.objects().filter(move |object| prefix.is_some() && object.key_prefix.as_deref() == prefix)
    }

    /// The object that keeps the field history of this one.
    pub fn history_of(&self, name: &str) -> Option<&Arc<Object>> {
        let companion = Companion::History.name_for(name);
        self.objects.get(&companion).filter(|object| object.associate_entity_type.as_deref() == Some("History"))
    }

    /// What saving rows of this object needs to know.
    pub(crate) fn plan(&self, object: &Object) -> Arc<Plan> {
        if let Some(plan) = self.plans.0.read().unwrap_or_else(PoisonError::into_inner).get(&object.name) {
            return plan.clone();
        }
        let plan = Arc::new(Plan::new(self, object));
        self.plans.0.write().unwrap_or_else(PoisonError::into_inner).insert(object.name.clone(), plan.clone());
        plan
    }

    /// The objects, to make a changed schema of.
    pub fn to_objects(&self) -> Vec<Object> {
        self.objects.values().map(|object| Object::clone(object)).collect()
    }

    pub fn len(&self) -> usize {
        self.objects.len()
    }

    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }
}
