// SPDX-License-Identifier: Apache-2.0
//! Which changes an object's field history keeps (`salesforce-api.md` 6.9; Salesforce Help, "Field History Tracking").
//!
//! An admin chooses up to twenty fields of each object, by `trackHistory` of the field and `enableHistory` of the object. An
//! address or a name counts as one field. What is computed or numbered cannot be tracked. A new org tracks nothing.

use super::{Field, FieldType, Object};

/// How many fields of an object can be tracked.
pub const MOST_FIELDS: usize = 20;

/// What an admin chose for an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Tracking {
    /// Nothing yet.
    #[default]
    Unsaid,
    /// No history: no field can be chosen either.
    Off,
    /// These, by the names that metadata gives them.
    Fields(Vec<String>),
}

/// For each field of the object, whether its changes are kept.
pub fn tracked(object: &Object) -> Vec<bool> {
    match &object.tracking {
        Tracking::Unsaid | Tracking::Off => vec![false; object.fields.len()],
        Tracking::Fields(names) => {
            let named = |field: &Field| is_trackable(field) && names.iter().any(|name| is_named(field, name));
            object.fields.iter().map(|field| named(field)).collect()
        }
    }
}

/// Whether the platform offers it for tracking.
pub fn is_trackable(field: &Field) -> bool {
    let kind = matches!(field.kind, FieldType::Base64 | FieldType::Time);
    field.updateable && field.stored() && !field.auto_number && !kind
}

/// Metadata names the whole of an address or a name, and may leave away the `Id` of a standard lookup.
fn is_named(field: &Field, name: &str) -> bool {
    let own = field.name.eq_ignore_ascii_case(name);
    own || field.compound.as_deref().is_some_and(|whole| whole.eq_ignore_ascii_case(name))
        || field.is_reference() && field.name.strip_suffix("Id").is_some_and(|stem| stem.eq_ignore_ascii_case(name))
}

impl Tracking {
    /// Takes what metadata says of one field.
    pub fn choose(&mut self, name: &str, tracked: bool) {
        if matches!(self, Tracking::Off) || (matches!(self, Tracking::Unsaid) && !tracked) {
            return;
        }
        let mut names = match std::mem::take(self) {
            Tracking::Fields(names) => names,
            _ => Vec::new(),
        };
        names.retain(|known| !known.eq_ignore_ascii_case(name));
        if tracked {
            names.push(name.to_owned());
        }
        *self = Tracking::Fields(names);
    }

    /// Takes what metadata says of the object: a history that is switched on tracks what is chosen then.
    pub fn enable(&mut self, on: bool) {
        match (on, &self) {
            (false, _) => *self = Tracking::Off,
            (true, Tracking::Fields(_)) => {}
            (true, _) => *self = Tracking::Fields(Vec::new()),
        }
    }

    /// Whether a history is kept at all.
    pub fn is_on(&self) -> bool {
        matches!(self, Tracking::Fields(_))
    }

    /// How many fields are chosen beside this one.
    pub fn others(&self, name: &str) -> usize {
        match self {
            Tracking::Fields(names) => names.iter().filter(|known| !known.eq_ignore_ascii_case(name)).count(),
            _ => 0,
        }
    }
}
