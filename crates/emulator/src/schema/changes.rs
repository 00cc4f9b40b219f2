// SPDX-License-Identifier: Apache-2.0
//! When each object's description last changed, which is what `Last-Modified` of a describe tells (`salesforce-api.md` 2.4, 2.5).
//!
//! Times are whole seconds, as HTTP has them, in milliseconds. Two changes of an object within a second are two seconds in the
//! answer: otherwise whoever described between them would never learn of the second one.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::Object;

/// The times by object; what is not named has not changed since the org was made.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    pub(super) made_ms: i64,
    pub(super) by_object: HashMap<String, i64>,
    /// The time of the last change of any object, also of one that is gone.
    pub(super) last_ms: i64,
}

/// Down to the second.
pub(super) fn whole_second(ms: i64) -> i64 {
    ms - ms.rem_euclid(1000)
}

impl Object {
    /// A number that an object with another description hardly has; the same in every run of the same program.
    pub(crate) fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (&self.name, &self.label, &self.label_plural, &self.key_prefix, self.key_prefix_untold).hash(&mut hasher);
        (&self.associate_entity_type, &self.associate_parent_entity).hash(&mut hasher);
        [
            self.custom,
            self.custom_setting,
            self.queryable,
            self.retrieveable,
            self.searchable,
            self.createable,
            self.updateable,
            self.deletable,
            self.undeletable,
            self.mergeable,
            self.replicateable,
            self.layoutable,
            self.triggerable,
            self.feed_enabled,
            self.mru_enabled,
            self.deep_cloneable,
            self.deprecated_and_hidden,
        ]
        .hash(&mut hasher);
        (&self.fields, &self.children, &self.record_types).hash(&mut hasher);
        hasher.finish()
    }
}

impl Changes {
    pub(super) fn made(now_ms: i64) -> Changes {
        let made_ms = whole_second(now_ms);
        Changes { made_ms, by_object: HashMap::new(), last_ms: made_ms }
    }

    pub(super) fn of(&self, object: &Object) -> i64 {
        self.by_object.get(&object.name).copied().unwrap_or(self.made_ms)
    }

    /// Notes that these objects, one at least, changed now.
    pub(super) fn note<'a>(&mut self, objects: impl IntoIterator<Item = &'a str>, now_ms: i64) {
        self.last_ms = whole_second(now_ms).max(self.last_ms + 1000);
        for name in objects {
            let before = self.by_object.get(name).copied().unwrap_or(self.made_ms);
            let at = whole_second(now_ms).max(before + 1000);
            self.by_object.insert(name.to_owned(), at);
            self.last_ms = self.last_ms.max(at);
        }
    }
}
