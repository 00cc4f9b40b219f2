// SPDX-License-Identifier: Apache-2.0
//! Features that an org may have or not: each changes the schema, what saves do, or both.
//!
//! A new org has none of them. One that is turned on stays on, as most of them do on the platform. What a feature adds to the
//! schema is made anew after every change of the schema, so that a custom field of contacts has its twin on person accounts
//! whenever it comes.

mod currency;
mod history;
mod knowledge;
mod person;

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::error::SaveError;
use crate::org::Org;
use crate::record::RecordTypeRules;
use crate::schema::{Field, FieldType, Object};
use crate::store::Tx;

pub(crate) use person::{CONTACT_FIELDS, TWIN_FIELDS};

/// A feature of an org.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Feature {
    /// Accounts that are people, each with a contact of its own (`salesforce-api.md` 6.9).
    PersonAccounts,
    /// `CurrencyType`, and `CurrencyIsoCode` on every object with amounts and every custom one (6.10).
    MultiCurrency,
    /// `TaskRelation` and `EventRelation` rows for whom and what an activity is about, and their counts (6.9).
    SharedActivities,
    /// Each message that is no draft makes a closed task (6.9).
    EnhancedEmail,
    /// Articles with drafts and published versions (6.9).
    Knowledge,
    /// A row in the object's `…Share` for the owner of every record.
    OwnerShares,
    /// Field history of what admins usually track; an org of which metadata says nothing tracks nothing.
    FieldHistory,
}

impl Feature {
    pub const ALL: [Feature; 7] = [
        Feature::PersonAccounts,
        Feature::MultiCurrency,
        Feature::SharedActivities,
        Feature::EnhancedEmail,
        Feature::Knowledge,
        Feature::OwnerShares,
        Feature::FieldHistory,
    ];

    /// Its name on a command line: `person-accounts`.
    pub fn name(self) -> &'static str {
        match self {
            Feature::PersonAccounts => "person-accounts",
            Feature::MultiCurrency => "multi-currency",
            Feature::SharedActivities => "shared-activities",
            Feature::EnhancedEmail => "enhanced-email",
            Feature::Knowledge => "knowledge",
            Feature::OwnerShares => "owner-shares",
            Feature::FieldHistory => "field-history",
        }
    }
}

/// A name that is no feature's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no feature {0}; there are {all}", all = Feature::ALL.map(Feature::name).join(", "))]
pub struct UnknownFeature(pub String);

impl std::str::FromStr for Feature {
    type Err = UnknownFeature;

    /// In any case, by its name here or on a command line: `PersonAccounts`, `person-accounts`.
    fn from_str(name: &str) -> Result<Feature, UnknownFeature> {
        let same = |feature: &Feature| {
            format!("{feature:?}").eq_ignore_ascii_case(name) || feature.name().eq_ignore_ascii_case(name)
        };
        Feature::ALL.into_iter().find(same).ok_or_else(|| UnknownFeature(name.to_owned()))
    }
}

/// What an org's set-up says beside its schema.
#[derive(Clone, Debug, Default)]
pub struct SetUp {
    pub features: BTreeSet<Feature>,
    /// Active currencies, the corporate one first.
    pub currencies: Vec<String>,
    /// Which record types and picklist values go with which profile and record type.
    pub record_types: RecordTypeRules,
}

impl SetUp {
    pub fn has(&self, feature: Feature) -> bool {
        self.features.contains(&feature)
    }
}

impl Org {
    /// Turns a feature on. Nothing happens when it is on.
    ///
    /// # Errors
    /// Only what a full disk brings about.
    pub fn turn_on(&self, feature: Feature) -> rusqlite::Result<()> {
        let fresh = self.set_up(|set_up| {
            if feature == Feature::MultiCurrency && set_up.currencies.is_empty() {
                set_up.currencies = vec!["USD".to_owned(), "EUR".to_owned()];
            }
            set_up.features.insert(feature)
        });
        if !fresh {
            return Ok(());
        }
        self.write(|tx| {
            tx.note("INSERT OR REPLACE INTO _setting (name, value) VALUES (?1, 'on')", &[&setting(feature)])
        })?;
        self.change_schema(|_| {})?;
        let seeded = self.write(|tx| match feature {
            Feature::PersonAccounts => person::seed(tx),
            Feature::MultiCurrency => currency::seed(tx),
            _ => Ok(()),
        });
        seeded.map_err(|error| rusqlite::Error::InvalidParameterName(error.message))?;
        if feature == Feature::MultiCurrency {
            currency::refresh(self)?;
        }
        Ok(())
    }

    /// What was turned on in an earlier life of the org's store.
    pub(crate) fn kept_features(&self) -> BTreeSet<Feature> {
        let kept = |feature: &Feature| {
            let sql = "SELECT 1 FROM _setting WHERE name = ?1 AND value = 'on'";
            self.read(|tx| tx.conn.query_row(sql, [setting(*feature)], |_| Ok(())).is_ok())
        };
        Feature::ALL.into_iter().filter(kept).collect()
    }

    /// Which features are on.
    pub fn features(&self) -> BTreeSet<Feature> {
        self.set_up(|set_up| set_up.features.clone())
    }

    /// Whether a feature is on.
    pub fn has_feature(&self, feature: Feature) -> bool {
        self.set_up(|set_up| set_up.has(feature))
    }

    /// Activates a further currency: so many of it are one of the corporate currency.
    ///
    /// # Errors
    /// `DUPLICATE_VALUE` for a currency that the org has; `INVALID_TYPE` without [`Feature::MultiCurrency`].
    pub fn add_currency(&self, iso_code: &str, rate: f64) -> Result<(), SaveError> {
        currency::add(self, iso_code, rate)
    }
}

/// Under which name the store remembers that a feature is on.
fn setting(feature: Feature) -> String {
    format!("feature {}", feature.name())
}

/// Adds to the objects what the features bring.
pub(crate) fn complete(objects: &mut Vec<Object>, set_up: &SetUp) {
    for feature in &set_up.features {
        match feature {
            Feature::PersonAccounts => person::complete(objects),
            Feature::MultiCurrency => currency::complete(objects, &set_up.currencies),
            Feature::SharedActivities => count_relations(objects),
            Feature::Knowledge => knowledge::complete(objects),
            Feature::FieldHistory => history::complete(objects),
            Feature::EnhancedEmail | Feature::OwnerShares => {}
        }
    }
}

fn count_relations(objects: &mut [Object]) {
    for object in objects.iter_mut().filter(|object| matches!(object.name.as_str(), "Task" | "Event")) {
        for (name, label) in [("WhoCount", "Relation Count"), ("WhatCount", "Related To Count")] {
            let mut field = read_only(name, label, FieldType::Int, 0);
            field.digits = 9;
            add_missing(object, field);
        }
    }
}

/// A field that the server alone writes and that may be empty.
fn read_only(name: &str, label: &str, kind: FieldType, length: u32) -> Field {
    let mut field = Field::usual(name, label, kind, length);
    (field.createable, field.updateable) = (false, false);
    field
}

fn add_missing(object: &mut Object, field: Field) {
    if !object.fields.iter().any(|known| known.name.eq_ignore_ascii_case(&field.name)) {
        object.fields.push(Arc::new(field));
    }
}

fn find<'a>(objects: &'a mut [Object], name: &str) -> Option<&'a mut Object> {
    objects.iter_mut().find(|object| object.name == name)
}

/// Marks rows in a way that no save would.
fn mark(tx: &Tx<'_>, sql: &str, values: &[&dyn rusqlite::ToSql]) -> Result<(), SaveError> {
    tx.note(sql, values)?;
    Ok(())
}
