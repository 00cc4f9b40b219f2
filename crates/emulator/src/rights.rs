// SPDX-License-Identifier: Apache-2.0
//! What a user may do: user permissions, object permissions, field-level security, and where the user stands in sharing.
//!
//! The rows of Profile, PermissionSet, PermissionSetAssignment, PermissionSetGroup, ObjectPermissions and FieldPermissions
//! are the one source (`salesforce-api.md` 1.11): a profile owns a permission set, and a user has the union of that set and of
//! every set assigned to them. Nothing is taken away but by a group's muting set. What `Org::set_permission` gave or took
//! comes last.
//!
//! Reading all that for every request would cost more than most requests do. So rights are resolved once per user and kept
//! until the org's generation moves: the store moves it with every write to a table that rights depend on
//! (`Object::grants`), the org with every change of its schema.
//!
//! Not modelled: permission set licences, expiry of sessions' permission sets, delegated administration, restriction rules.

mod depends;
mod governed;
mod granted;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use crate::edition::Edition;
use crate::faces::lock;
use crate::org::{Org, Tx};
use crate::schema::{Field, Object, Schema};
use crate::sharing::Standing;
use crate::user::Caller;

pub use depends::{check as check_dependencies, removes};
pub use governed::{has_field_security, is_secured};
pub use granted::grant_new_fields;

/// What is done to rows of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    Read,
    Create,
    Edit,
    Delete,
}

/// What a user may do with rows of one object (`ObjectPermissions`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ObjectRights {
    pub read: bool,
    pub create: bool,
    pub edit: bool,
    pub delete: bool,
    /// Rows of all owners are seen.
    pub view_all: bool,
    /// Rows of all owners are edited and deleted.
    pub modify_all: bool,
    /// Field-level security hides nothing.
    pub view_all_fields: bool,
}

impl ObjectRights {
    pub const ALL: ObjectRights = ObjectRights {
        read: true,
        create: true,
        edit: true,
        delete: true,
        view_all: true,
        modify_all: true,
        view_all_fields: false,
    };

    fn join(&mut self, other: ObjectRights) {
        self.read |= other.read;
        self.create |= other.create;
        self.edit |= other.edit;
        self.delete |= other.delete;
        self.view_all |= other.view_all;
        self.modify_all |= other.modify_all;
        self.view_all_fields |= other.view_all_fields;
    }

    fn without(&mut self, other: ObjectRights) {
        self.read &= !other.read;
        self.create &= !other.create;
        self.edit &= !other.edit;
        self.delete &= !other.delete;
        self.view_all &= !other.view_all;
        self.modify_all &= !other.modify_all;
        self.view_all_fields &= !other.view_all_fields;
    }
}

/// What field-level security says of one object's fields, by their places.
#[derive(Debug)]
pub struct FieldMask {
    of: Vec<Arc<Field>>,
    pub seen: Vec<bool>,
    pub written: Vec<bool>,
}

impl FieldMask {
    fn fits(&self, object: &Object) -> bool {
        self.of.len() == object.fields.len() && self.of.iter().zip(&object.fields).all(|(a, b)| Arc::ptr_eq(a, b))
    }
}

/// Read and edit of one field.
type FieldRight = (bool, bool);

/// What one user may do.
#[derive(Debug, Default)]
pub struct Rights {
    /// Whether the user is active and not frozen.
    pub may_enter: bool,
    pub profile_id: String,
    /// Whether the org's edition has an API.
    pub has_api: bool,
    pub permissions: Arc<BTreeSet<String>>,
    /// Where the user stands among roles and groups.
    pub standing: Standing,
    /// What was granted on objects that have permissions of their own.
    granted: HashMap<String, ObjectRights>,
    /// What that makes of every object.
    objects: HashMap<String, ObjectRights>,
    /// The schema that the rights were resolved against.
    schema: Arc<Schema>,
    /// By object, then by field.
    fields: HashMap<String, HashMap<String, FieldRight>>,
    all_fields: bool,
    masks: RwLock<HashMap<String, Arc<FieldMask>>>,
}

impl Rights {
    /// What may be done with rows of an object.
    pub fn on(&self, object: &Object) -> ObjectRights {
        let known = self.objects.get(&object.name).copied();
        // An object that came after the rights were resolved, as for a long job.
        known.unwrap_or_else(|| effective(object, &self.granted, &self.permissions))
    }

    /// Field-level security of an object, worked out when first asked for.
    pub fn fields(&self, object: &Object) -> Arc<FieldMask> {
        let known = self.masks.read().unwrap_or_else(PoisonError::into_inner).get(&object.name).cloned();
        if let Some(mask) = known.filter(|mask| mask.fits(object)) {
            return mask;
        }
        let mask = Arc::new(self.mask(object));
        self.masks.write().unwrap_or_else(PoisonError::into_inner).insert(object.name.clone(), mask.clone());
        mask
    }

    fn mask(&self, object: &Object) -> FieldMask {
        let all_seen = self.all_fields || self.on(object).view_all_fields;
        let granted = self.fields.get(&object.name);
        // Administrators have every field that came after their rights were resolved.
        let before = self.schema.object(&object.name);
        let administrator = self.permissions.contains("ModifyAllData");
        let came_later = |name: &str| administrator && before.is_none_or(|before| !before.has(name));
        let right = |field: &Arc<Field>| match governed::secured_by(object, field) {
            None => (true, true),
            Some(name) if came_later(name) => (true, true),
            Some(name) => {
                let (read, edit) = granted.and_then(|all| all.get(name)).copied().unwrap_or_default();
                (read || all_seen, edit)
            }
        };
        let (seen, written) = object.fields.iter().map(right).unzip();
        FieldMask { of: object.fields.clone(), seen, written }
    }
}

/// The rights that were resolved under one generation.
#[derive(Debug, Default)]
pub struct Resolved {
    generation: u64,
    by_user: HashMap<String, Arc<Rights>>,
}

impl Org {
    /// A user's rights as they are now.
    pub fn rights(&self, user_id: &str) -> Arc<Rights> {
        let generation = self.generation();
        {
            let known = lock(&self.faces.rights);
            if known.generation == generation
                && let Some(rights) = known.by_user.get(user_id)
            {
                return rights.clone();
            }
        }
        let changed = lock(&self.faces.permissions).get(user_id).cloned().unwrap_or_default();
        let rights = Arc::new(self.read(|tx| resolve(tx, user_id, &changed)));
        let mut known = lock(&self.faces.rights);
        if known.generation < generation {
            *known = Resolved { generation, by_user: HashMap::new() };
        }
        if known.generation == generation {
            known.by_user.insert(user_id.to_owned(), rights.clone());
        }
        rights
    }

    /// A caller with the rights that the user has now.
    pub fn caller(&self, user_id: &str) -> Caller {
        let rights = self.rights(user_id);
        Caller {
            user_id: user_id.to_owned(),
            permissions: rights.permissions.clone(),
            rights: Some(rights),
            auto_assign: true,
            ..Caller::default()
        }
    }
}

/// A caller with what the rows alone give a user, read anew.
pub fn caller_as_stored(tx: &Tx<'_>, user_id: &str) -> Caller {
    let rights = Arc::new(resolve(tx, user_id, &BTreeMap::new()));
    let permissions = rights.permissions.clone();
    Caller { user_id: user_id.to_owned(), permissions, rights: Some(rights), ..Caller::default() }
}

/// Reads a user's rights. `changed` are the permissions that a test gave or took.
fn resolve(tx: &Tx<'_>, user_id: &str, changed: &BTreeMap<String, bool>) -> Rights {
    let mut granted = granted::of_user(tx, user_id);
    for (name, given) in changed {
        if *given {
            granted.permissions.insert(name.clone());
        } else {
            granted.permissions.remove(name);
        }
    }
    let has_api = crate::edition::chosen(tx).is_none_or(Edition::has_api);
    if !has_api {
        granted.permissions.remove("ApiEnabled");
    }
    let user = tx.schema.object("User").and_then(|users| tx.row(users, user_id));
    let may_enter = user.as_ref().is_some_and(|user| {
        let frozen = tx.count("UserLogin", "\"UserId\" = ?1 AND \"IsFrozen\" = 1", &[&user_id]) > 0;
        user.get("IsActive").is_true() && !frozen
    });
    let every = tx.schema.objects();
    let objects =
        every.map(|object| (object.name.clone(), effective(object, &granted.objects, &granted.permissions))).collect();
    let sees_all = granted.permissions.contains("ViewAllData") || granted.permissions.contains("ModifyAllData");
    let standing = if sees_all { Standing::alone(user_id) } else { Standing::read(tx, user_id) };
    Rights {
        may_enter,
        has_api,
        profile_id: user.map(|user| user.text("ProfileId").to_owned()).unwrap_or_default(),
        all_fields: granted.permissions.contains("ViewAllFieldsGlobal"),
        permissions: Arc::new(granted.permissions),
        standing,
        granted: granted.objects,
        objects,
        schema: tx.schema.clone(),
        fields: granted.fields,
        masks: RwLock::default(),
    }
}

/// What may be done with an object, given the permissions on those that have any of their own.
fn effective(object: &Object, granted: &HashMap<String, ObjectRights>, permissions: &BTreeSet<String>) -> ObjectRights {
    let can = |name: &str| permissions.contains(name);
    let own = |name: &str| {
        let mut rights = granted.get(name).copied().unwrap_or_default();
        if can("ViewAllData") {
            rights.join(ObjectRights { read: true, view_all: true, ..ObjectRights::default() });
        }
        if can("ModifyAllData") {
            rights.join(ObjectRights::ALL);
        }
        rights
    };
    governed::rights(object, &own, &can)
}
