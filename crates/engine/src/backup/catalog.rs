// SPDX-License-Identifier: Apache-2.0
//! What an org has: every object it lists, those that can be read with how they are read, the others with the reason.
//!
//! The reason is what the org says (`queryable`, `associateEntityType`), not a list of names that goes stale. Names decide only where
//! the API gives no flag: suffixes of platform events and external objects (`salesforce-api.md` 2.4), objects that show the
//! schema as rows or compute theirs, and objects that must be asked for by their parents.
//!
//! Describes come 25 in a call. What the backup before knew is asked for only where something has changed since.

use super::read::refused;
use crate::describes::Describes;
use crate::error::Result;
use crate::event::Gap;
use crate::point::Content;
use crate::spec::{Spec, outline};
use chrono::{DateTime, TimeDelta, Utc};
use futures::stream::{self, StreamExt, TryStreamExt};
use orgkeep_salesforce::{Describe, Described, Field, MOST_DESCRIBES, ObjectSummary, Org};
use std::collections::BTreeMap;
use std::time::SystemTime;

/// Calls for describes made at the same time.
const PARALLEL_DESCRIBES: usize = 2;
/// How far the clocks of an org's servers may lie apart: a change is asked for from this long before the last time on.
const CLOCKS_APART: TimeDelta = TimeDelta::seconds(10);

pub(crate) struct Catalog {
    /// Objects that can be read, by name.
    pub entries: Vec<Entry>,
    /// Objects that have no rows of their own to read, with the reason.
    pub without_rows: Vec<(String, String)>,
    /// Objects that the org lists and refuses to describe, with its words.
    pub refused: Vec<(String, String)>,
    /// Describes as the org sent them: of all objects, or of those that may have changed since the last time (see `complete`).
    pub describes: Describes,
    /// Outlines of all objects that can be read.
    pub outlines: Describes,
    /// When the org was asked, by its own clock.
    pub asked_at: Option<DateTime<Utc>>,
}

#[derive(Clone)]
pub(crate) struct Entry {
    pub object: String,
    pub spec: Spec,
    /// Where an object refuses an unfiltered query: the object and the field whose values it can be asked for.
    pub parents: Option<Parents>,
    /// Whether a field is of another form than at the backup before, or is calculated otherwise: then its values may have changed
    /// without a stamp.
    pub reshaped: bool,
    /// Fields that the backup before had and the org no longer shows, and that backup.
    gone: Option<(u64, Vec<String>)>,
    /// Fields that the org describes and does not give, with its words.
    withheld: BTreeMap<String, String>,
}

impl Entry {
    /// Fields that are not read: those that are no longer shown, which is said once, and those that are shown and not given.
    pub fn fields_missed(&self) -> Vec<Gap> {
        let mut missed = Vec::new();
        if let Some((backup, fields)) = &self.gone {
            let reason = format!(
                "the org no longer shows it: it was deleted, or hidden from this user; backup {backup} holds what it had"
            );
            missed.extend(fields.iter().map(|field| (field, reason.clone())));
        }
        let withheld = |words: &String| format!("the org describes it and does not give it: {words}");
        missed.extend(self.withheld.iter().map(|(field, words)| (field, withheld(words))));
        missed.into_iter().map(|(field, reason)| Gap { what: format!("field {field}"), reason }).collect()
    }

    /// Without a field that the org does not give. False where it is needed.
    pub fn withhold(&mut self, field: &str, words: &str) -> bool {
        match self.spec.without(field) {
            Some(spec) => {
                self.spec = spec;
                self.withheld.insert(field.to_owned(), words.to_owned());
                true
            }
            None => false,
        }
    }
}

/// What is known of the org's objects from before.
pub(crate) struct Known {
    pub outlines: Describes,
    /// When the org was asked for what had changed, by its own clock.
    pub asked_at: DateTime<Utc>,
    /// Objects that have no rows of their own to read, with the reason; `None` where the org had refused to describe others.
    pub without_rows: Option<Vec<(String, String)>>,
}

impl Known {
    pub fn of(outlines: Describes, asked_at: DateTime<Utc>, before: &Content) -> Known {
        let described = before.objects.keys().all(|object| outlines.raw(object).is_some());
        let without_rows = || before.without_rows.iter().map(|(name, reason)| (name.clone(), reason.clone())).collect();
        Known { without_rows: described.then(without_rows), outlines, asked_at }
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Parents {
    pub object: &'static str,
    pub field: &'static str,
    /// Whether one value at a time must be asked for.
    pub single: bool,
}

/// Objects that must be filtered by their parents (`salesforce-api.md` 3.5, 6.8): by one that is compared with `=`, or by several.
const BY_PARENTS: [(&str, Parents); 4] = [
    ("ContentDocumentLink", Parents { object: "ContentDocument", field: "ContentDocumentId", single: false }),
    ("ContentFolderItem", Parents { object: "ContentFolder", field: "ParentContentFolderId", single: true }),
    ("ContentFolderMember", Parents { object: "ContentFolder", field: "ParentContentFolderId", single: true }),
    ("Vote", Parents { object: "Idea", field: "ParentId", single: true }),
];

/// Objects that show the schema as rows and must be filtered by the object they tell of. What they tell is in the describes.
const SCHEMA_AS_ROWS: [&str; 12] = [
    "ColorDefinition",
    "DataType",
    "EntityDefinition",
    "EntityParticle",
    "FieldDefinition",
    "IconDefinition",
    "OwnerChangeOptionInfo",
    "PicklistValueInfo",
    "RelationshipDomain",
    "RelationshipInfo",
    "UserEntityAccess",
    "UserFieldAccess",
];

impl Catalog {
    pub async fn inspect(org: &Org, known: Option<&Known>) -> Result<Catalog> {
        let mut summaries = match known {
            Some(known) if let Some(without_rows) = &known.without_rows => {
                match org.describe_global_since((known.asked_at - CLOCKS_APART).into()).await? {
                    Some(summaries) => summaries,
                    None => return Catalog::unchanged(org, known, without_rows),
                }
            }
            _ => org.describe_global().await?,
        };
        let asked_at = org.now().map(DateTime::<Utc>::from);
        summaries.sort_by(|a, b| a.name.cmp(&b.name));
        let mut without_rows = Vec::new();
        let mut readable = Vec::new();
        for summary in summaries {
            match no_rows(&summary) {
                Some(reason) => without_rows.push((summary.name, reason.to_owned())),
                None => readable.push(summary.name),
            }
        }
        let mut catalog = Catalog {
            entries: Vec::new(),
            without_rows,
            refused: Vec::new(),
            describes: Describes::default(),
            outlines: Describes::default(),
            asked_at,
        };
        let mut calls = stream::iter(readable.chunks(MOST_DESCRIBES))
            .map(|names| async move { Ok::<_, crate::Error>((names, ask(org, names, known).await?)) })
            .buffered(PARALLEL_DESCRIBES);
        while let Some((names, describes)) = calls.try_next().await? {
            for (name, describe) in names.iter().zip(describes) {
                match describe {
                    Ok(describe) => catalog.add(name, describe)?,
                    Err(reason) => catalog.refused.push((name.clone(), reason)),
                }
            }
        }
        drop(calls);
        Ok(catalog)
    }

    /// Of an org in which no object has changed.
    fn unchanged(org: &Org, known: &Known, without_rows: &[(String, String)]) -> Result<Catalog> {
        let mut catalog = Catalog {
            entries: Vec::new(),
            without_rows: without_rows.to_vec(),
            refused: Vec::new(),
            describes: Describes::default(),
            outlines: Describes::default(),
            asked_at: org.now().map(DateTime::from),
        };
        for object in known.outlines.objects() {
            if let Some(outline) = known.outlines.get(object)? {
                org.know(&outline);
                catalog.add(object, Answer::Unchanged(outline))?;
            }
        }
        Ok(catalog)
    }

    fn add(&mut self, name: &str, answer: Answer) -> Result<()> {
        let describe = match answer {
            Answer::Sent(describe) => {
                self.describes.push(name, &describe.raw);
                self.outlines.push(name, &outline(&describe));
                describe
            }
            Answer::Unchanged(outline) => {
                self.outlines.push(name, &outline.raw);
                outline
            }
        };
        let parents = BY_PARENTS.iter().find(|(object, _)| *object == name).map(|(_, parents)| *parents);
        let spec = Spec::new(&describe)?;
        self.entries.push(Entry {
            object: name.to_owned(),
            spec,
            parents,
            reshaped: false,
            gone: None,
            withheld: BTreeMap::new(),
        });
        Ok(())
    }

    /// Whether the org shows exactly what it did before.
    pub fn is_as(&self, known: &Known) -> bool {
        let shown = |object: &str| self.outlines.raw(object).is_some();
        self.describes.objects().next().is_none() && known.outlines.objects().all(shown)
    }

    /// Adds the describes of what has not changed.
    pub fn complete(&mut self, before: &Describes) {
        let mut describes = Describes::default();
        for entry in &self.entries {
            if let Some(raw) = self.describes.raw(&entry.object).or_else(|| before.raw(&entry.object)) {
                describes.push(&entry.object, raw);
            }
        }
        self.describes = describes;
    }

    /// Holds the describes against those of the backup before, `backup`.
    pub fn compare(&mut self, before: &Describes, backup: u64) -> Result<()> {
        for entry in &mut self.entries {
            let (old, new) = (before.raw(&entry.object), self.describes.raw(&entry.object));
            if old.is_none() || old == new {
                continue;
            }
            let (Some(old), Some(new)) = (before.get(&entry.object)?, self.describes.get(&entry.object)?) else {
                continue;
            };
            let mut gone = Vec::new();
            for field in &old.fields {
                match new.field(&field.name) {
                    Some(now) => entry.reshaped |= shape(field) != shape(now),
                    None => gone.push(field.name.clone()),
                }
            }
            entry.gone = (!gone.is_empty()).then_some((backup, gone));
        }
        Ok(())
    }

    /// Has an object read in every row, because some that the vault held are gone.
    pub fn read_whole(&mut self, object: &str) {
        for entry in self.entries.iter_mut().filter(|entry| entry.object == object) {
            entry.reshaped = true;
        }
    }

    pub fn entry(&self, object: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.object == object)
    }
}

/// What of a field decides which values it holds.
fn shape(field: &Field) -> impl PartialEq + '_ {
    let kind = (field.field_type.name(), field.length, field.precision, field.scale, field.digits);
    (kind, field.calculated, field.calculated_formula.as_deref(), field.auto_number)
}

enum Answer {
    Sent(Describe),
    /// The outline that is known.
    Unchanged(Describe),
}

async fn ask(org: &Org, names: &[String], known: Option<&Known>) -> Result<Vec<Result<Answer, String>>> {
    let wanted: Vec<(&str, Option<SystemTime>)> = names
        .iter()
        .map(|name| {
            let known = known.filter(|known| known.outlines.raw(name).is_some());
            (name.as_str(), known.map(|known| (known.asked_at - CLOCKS_APART).into()))
        })
        .collect();
    let mut answers = Vec::with_capacity(names.len());
    for (name, answer) in names.iter().zip(org.describes(&wanted).await?) {
        let answer = match (answer, known) {
            (Ok(Described::Now(describe)), _) => Ok(Answer::Sent(*describe)),
            (Ok(Described::Unchanged), Some(known)) if let Some(outline) = known.outlines.get(name)? => {
                org.know(&outline);
                Ok(Answer::Unchanged(outline))
            }
            (Ok(Described::Unchanged), _) => org.describe(name).await.map(Answer::Sent),
            (Err(error), _) => Err(error),
        };
        answers.push(match answer {
            Ok(answer) => Ok(answer),
            Err(error) => Err(refused(error)?),
        });
    }
    Ok(answers)
}

/// Why an object has no rows of its own to read.
pub(crate) fn no_rows(summary: &ObjectSummary) -> Option<&'static str> {
    let name = summary.name.as_str();
    if summary.associate_entity_type.as_deref() == Some("ChangeEvent") || name.ends_with("ChangeEvent") {
        return Some("change events are a stream about other objects, whose rows are kept");
    }
    if name.ends_with("__e") {
        return Some("platform events are not stored by the org");
    }
    if name.ends_with("__x") {
        return Some("external objects are stored outside the org");
    }
    if name.ends_with("__mdt") {
        return Some("custom metadata is metadata, not data");
    }
    if ["UserPermissionAccess", "UserRecordAccess"].contains(&name) {
        return Some("it answers what one user may do, and stores nothing");
    }
    if SCHEMA_AS_ROWS.contains(&name) {
        return Some("it shows the org's schema as rows, and the schema is kept as describes");
    }
    (!summary.queryable).then_some("the org says that it cannot be queried")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stores_no_rows_of_its_own_is_told_from_what_may_hold_data() {
        let summary = |name: &str| ObjectSummary { name: name.to_owned(), queryable: true, ..ObjectSummary::default() };
        for name in [
            "UserRecordAccess",
            "UserPermissionAccess",
            "FieldDefinition",
            "AccountChangeEvent",
            "Order__e",
            "Order__x",
            "Order__mdt",
        ] {
            assert!(no_rows(&summary(name)).is_some(), "{name}");
        }
        for name in ["Account", "ContentDocumentLink", "Order__c", "Order__b"] {
            assert!(no_rows(&summary(name)).is_none(), "{name}");
        }
        assert!(no_rows(&ObjectSummary { queryable: false, ..summary("Account") }).is_some());
    }
}
