// SPDX-License-Identifier: Apache-2.0
//! What an org refused of an object, and the way that was found around it. It is kept in the object's note, so that the next incremental
//! backup goes that way at once and does not ask in vain. A full backup begins without any: an org that changed is noticed then.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

/// Ids kept of a reading that had to be cut into more ranges than that: the others are found again.
const MOST_CUTS: usize = 500;

/// What is asked for of an object, as far as it decides how much the org has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Wanted {
    /// Every row.
    Everything,
    /// What changed since some time.
    Changes,
    /// The Ids of all rows, and formulas.
    Ids,
    /// The number of rows.
    Count,
}

impl Wanted {
    /// Rows: all of them, or those that changed.
    pub fn rows(all: bool) -> Wanted {
        if all { Wanted::Everything } else { Wanted::Changes }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Detours {
    /// It gives no rows by Bulk jobs.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub no_bulk: bool,
    /// It does not say how many rows there are together with their newest stamp.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub no_summary: bool,
    /// Fields that it describes and does not give, with the org's words.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, String>,
    /// The Ids at which a reading was cut into ranges, in their order.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub cuts: BTreeMap<Wanted, Vec<String>>,
}

impl Detours {
    pub fn is_empty(&self) -> bool {
        *self == Detours::default()
    }

    /// In how many ranges something is asked for.
    pub fn ranges(&self, wanted: Wanted) -> usize {
        self.cuts.get(&wanted).map_or(0, Vec::len) + 1
    }

    pub fn cut(&mut self, wanted: Wanted, id: &str) {
        let cuts = self.cuts.entry(wanted).or_default();
        if let Err(place) = cuts.binary_search_by(|cut| cut.as_str().cmp(id))
            && cuts.len() < MOST_CUTS
        {
            cuts.insert(place, id.to_owned());
        }
    }
}

/// The detours of an object while it is read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Learned(Arc<Mutex<Detours>>);

impl Learned {
    pub fn new(detours: Detours) -> Learned {
        Learned(Arc::new(Mutex::new(detours)))
    }

    pub fn known(&self) -> MutexGuard<'_, Detours> {
        self.0.lock().expect("no holder of this lock panics")
    }
}
