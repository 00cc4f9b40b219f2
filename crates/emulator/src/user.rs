// SPDX-License-Identifier: Apache-2.0
//! Who calls, and what they may do.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::rights::{Deed, FieldMask, ObjectRights, Rights};
use crate::schema::{Field, Object, Schema};

/// The user behind a request, with what their profile and permission sets grant.
///
/// A caller without [`Caller::rights`] was made by hand: objects and fields are not hidden from it, and its permissions
/// alone decide the rest. The callers of requests come from `Org::caller`, which resolves the rights.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    pub user_id: String,
    /// Names of user permissions as metadata writes them: `ViewAllData` (`salesforce-api.md` 1.11).
    pub permissions: Arc<BTreeSet<String>>,
    /// What the user may do with objects, fields and other people's rows.
    pub rights: Option<Arc<Rights>>,
    /// `Sforce-Auto-Assign`: whether assignment rules may change the owner.
    pub auto_assign: bool,
    /// The rule that was named; none for the active one.
    pub assignment_rule: Option<String>,
    /// `Sforce-Duplicate-Rule-Header: allowSave=true`.
    pub allow_duplicates: bool,
    /// `includeRecordDetails=true` of the same header: a refusal tells more of the records that were found.
    pub duplicate_details: bool,
    /// The session's token, where there is one.
    pub session: Option<String>,
    /// What change events call the API and its client: `com/salesforce/api/rest/67.0;client=Loader`.
    pub origin: Option<Arc<str>>,
    /// The platform itself: every stored field may be given, audit fields too, and nothing is refused for lack of rights.
    pub bypass: bool,
}

impl Caller {
    /// Whether the org's edition has an API at all.
    pub fn has_api(&self) -> bool {
        self.rights.as_ref().is_none_or(|rights| rights.has_api)
    }

    /// Whether the user has a user permission.
    pub fn can(&self, permission: &str) -> bool {
        self.bypass || self.permissions.contains(permission)
    }

    /// Whether both may do the same, as far as that can be told at once: rights that were resolved in the same state of the
    /// org are one in memory.
    pub fn has_same_rights(&self, other: &Caller) -> bool {
        let same = match (&self.rights, &other.rights) {
            (Some(own), Some(others)) => Arc::ptr_eq(own, others),
            (None, None) => true,
            _ => false,
        };
        self.bypass == other.bypass && same && Arc::ptr_eq(&self.permissions, &other.permissions)
    }

    /// What the user may do with rows of an object, before the sharing of the single row.
    pub fn rights_on(&self, object: &Object) -> ObjectRights {
        match &self.rights {
            Some(rights) if !self.bypass => rights.on(object),
            _ if self.can("ModifyAllData") => ObjectRights::ALL,
            _ => ObjectRights { view_all: self.can("ViewAllData"), modify_all: false, ..ObjectRights::ALL },
        }
    }

    /// Whether the user may do this to rows of an object, as far as object permissions go.
    pub fn may(&self, object: &Object, deed: Deed) -> bool {
        let rights = self.rights_on(object);
        match deed {
            Deed::Read => rights.read,
            Deed::Create => rights.create,
            Deed::Edit => rights.edit,
            Deed::Delete => rights.delete,
        }
    }

    /// Whether the object exists for this user: describe shows it, SOQL knows it.
    pub fn sees(&self, object: &Object) -> bool {
        self.rights_on(object).read
    }

    /// The object of this name, in any case, when it exists for this user.
    pub fn object<'s>(&self, schema: &'s Schema, name: &str) -> Option<&'s Arc<Object>> {
        schema.object(name).filter(|object| self.sees(object))
    }

    /// Whether field-level security lets the user see a field.
    pub fn sees_field(&self, object: &Object, field: &Field) -> bool {
        self.field(object, &field.name).is_some()
    }

    /// The field of this name, in any case, when it exists for this user.
    pub fn field<'o>(&self, object: &'o Object, name: &str) -> Option<&'o Arc<Field>> {
        let at = object.position(name)?;
        self.sees_at(object, at).then(|| &object.fields[at])
    }

    /// The reference behind an element of a parent path, when the user sees both it and an object that it leads to.
    pub fn relationship<'o>(&self, schema: &Schema, object: &'o Object, name: &str) -> Option<&'o Arc<Field>> {
        let field = object.relationship(name).filter(|field| self.sees_field(object, field))?;
        let known = field.reference_to.iter().any(|target| self.object(schema, target).is_some());
        (known || field.reference_to.is_empty()).then_some(field)
    }

    /// Field-level security of an object; none where nothing is hidden.
    pub fn field_mask(&self, object: &Object) -> Option<Arc<FieldMask>> {
        self.rights.as_ref().filter(|_| !self.bypass).map(|rights| rights.fields(object))
    }

    /// Whether field-level security lets the user see the field at this place among the object's fields.
    pub fn sees_at(&self, object: &Object, at: usize) -> bool {
        match &self.rights {
            Some(rights) if !self.bypass => rights.fields(object).seen[at],
            _ => true,
        }
    }

    /// Whether field-level security lets the user write the field at this place among the object's fields.
    pub fn writes_at(&self, object: &Object, at: usize) -> bool {
        match &self.rights {
            Some(rights) if !self.bypass => rights.fields(object).written[at],
            _ => true,
        }
    }
}
