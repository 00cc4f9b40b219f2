// SPDX-License-Identifier: Apache-2.0
//! Comparing any two points in time, or a backup with the org as it is now.
//!
//! Both sides of an object are streams of rows in the order of their Ids; one merge of them gives the changes. Rows of a live org come
//! in any order and pass through the vault's sorter, which spills (encrypted) what does not fit in memory.
//!
//! A record that was deleted for good and restored has a new Id. Where restores of this vault know of such records, the older side
//! is read under the newest Ids, its lookups too, so that the record is compared with itself.

mod live;
mod schema;
mod sides;

pub use schema::SchemaChange;
pub use sides::Side;
pub(crate) use sides::Sides;

use crate::browse::FieldChange;
use crate::error::{Error, Result, nearest};
use crate::event::{Event, Monitor};
use crate::restore::rules;
use futures::stream::TryStreamExt;
use orgkeep_vault::{Change, OrgVault, Row, merge};
use serde::Serialize;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// What is to be compared and how much of it shown.
#[derive(Clone, Debug)]
pub struct CompareOptions {
    /// Only this object.
    pub object: Option<String>,
    /// Changed records kept per object, to be shown.
    pub details: usize,
}

impl Default for CompareOptions {
    fn default() -> Self {
        Self { object: None, details: 100 }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    Added,
    Removed,
    Changed,
    /// Only fields differ that nobody can write, such as SystemModstamp, formulas and auto-numbers.
    Touched,
}

/// How one record differs.
#[derive(Clone, Debug, Serialize)]
pub struct RecordChange {
    pub object: String,
    pub id: String,
    /// What a person calls it.
    pub name: Option<String>,
    pub kind: ChangeKind,
    /// The Id it had on the older side, where a restore gave it a new one.
    pub was_id: Option<String>,
    pub fields: Vec<FieldChange>,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct ObjectComparison {
    pub object: String,
    pub added: u64,
    pub removed: u64,
    pub changed: u64,
    pub touched: u64,
    pub same: u64,
    /// Records that were deleted for good and restored under a new Id since.
    pub recreated: u64,
    /// Per field, in how many records it differs.
    pub fields: BTreeMap<String, u64>,
    /// Those among `fields` that nobody can write.
    pub system_fields: BTreeSet<String>,
    /// Those among `fields` that can be set when a record is created and never again.
    pub fixed_fields: BTreeSet<String>,
    /// Whether records of this object can be created through the API at all.
    pub writable: bool,
    /// Whether its records make up the org's set-up, which a data restore does not write.
    pub setup: bool,
    pub details: Vec<RecordChange>,
    /// Whether there are more changes than `details` holds.
    pub more: bool,
}

impl ObjectComparison {
    pub fn differs(&self) -> bool {
        self.added + self.removed + self.changed + self.touched > 0
    }
}

#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    pub from: String,
    pub to: String,
    pub objects: Vec<ObjectComparison>,
    /// How objects and fields themselves differ.
    pub schema: Vec<SchemaChange>,
    /// Objects that one side does not have or cannot read, with the reason.
    pub skipped: Vec<(String, String)>,
}

/// Compares two sides of an org, object by object.
///
/// # Errors
/// `NotFound` for a backup or object that neither side has.
pub async fn compare(
    vault: &OrgVault,
    from: Side<'_>,
    to: Side<'_>,
    options: &CompareOptions,
    monitor: &dyn Monitor,
) -> Result<Comparison> {
    let mut skipped = Vec::new();
    let mut objects = Vec::new();
    let sides = Sides::open(vault, from, to).await?;
    each(&sides, options.object.as_deref(), monitor, &mut skipped, |object, seen| {
        if objects.last().is_none_or(|last: &ObjectComparison| last.object != object.name) {
            objects.push(ObjectComparison {
                object: object.name.clone(),
                writable: object.writable,
                setup: rules::is_setup(&object.name),
                ..ObjectComparison::default()
            });
        }
        let comparison = objects.last_mut().expect("one was pushed");
        match seen {
            Seen::Unread(same) => comparison.same += same,
            Seen::Rows { left, right, fields } => tally(comparison, object, left, right, fields, options.details),
        }
    })
    .await?;
    let mut schema = match (sides.left.shown().await?, sides.right.shown().await?) {
        (Some(left), Some(right)) => schema::changes(&left, &right)?,
        _ => Vec::new(),
    };
    schema.retain(|change| options.object.as_ref().is_none_or(|only| change.object.eq_ignore_ascii_case(only)));
    Ok(Comparison { from: from.label(), to: to.label(), objects, schema, skipped })
}

/// An object as both sides describe it.
pub(crate) struct Object {
    pub name: String,
    /// Fields that can neither be set on creation nor afterwards.
    pub system: BTreeSet<String>,
    /// Fields that can be set on creation only.
    pub fixed: BTreeSet<String>,
    pub writable: bool,
    /// New Ids of this object's records to their old ones.
    pub old_ids: BTreeMap<String, String>,
}

/// What a walk over both sides meets.
pub(crate) enum Seen<'a> {
    /// A record, `None` on the side that has it not. Where both have it, it differs in no other fields than these.
    Rows { left: Option<&'a Row>, right: Option<&'a Row>, fields: &'a [String] },
    /// So many records that are the same on both sides, known without reading them.
    Unread(u64),
}

/// Walks both sides of every object.
pub(crate) async fn each(
    sides: &Sides<'_>,
    only: Option<&str>,
    monitor: &dyn Monitor,
    skipped: &mut Vec<(String, String)>,
    mut visit: impl FnMut(&Object, Seen<'_>),
) -> Result<()> {
    let Sides { left, right, lineage } = sides;
    let names: BTreeSet<String> = left.objects().union(&right.objects()).cloned().collect();
    let picked = match only {
        None => names,
        Some(only) => match names.iter().find(|name| name.eq_ignore_ascii_case(only)) {
            Some(name) => BTreeSet::from([name.clone()]),
            None => {
                let error = Error::not_found(format!("neither side has an object {only}"));
                return Err(match nearest(only, names.iter().map(String::as_str)) {
                    Some(near) => error.hint(format!("did you mean {near}")),
                    None => error,
                });
            }
        },
    };
    for name in picked {
        let described = right.describe(&name).await?;
        let few = sides.few_changes(&name).await?;
        if let (Some(describe), Some((ids, live))) = (&described, &few)
            && ids.is_empty()
        {
            visit(&Object::new(&name, Some(describe)), Seen::Unread(*live));
            monitor.event(&Event::CompareProgress { object: name, rows: *live });
            continue;
        }
        let before = left.describe(&name).await?;
        let mut object = Object::new(&name, described.as_ref().or(before.as_ref()));
        let ids = few.as_ref().map(|(ids, _)| ids);
        let older = left.rows(&name, before.as_ref(), lineage, ids).await;
        let (older, newer) = match (older, right.rows(&name, described.as_ref(), &Default::default(), ids).await) {
            (Ok(older), Ok(newer)) => (older, newer),
            (Err(sides::Skip::Because(reason)), _) | (_, Err(sides::Skip::Because(reason))) => {
                skipped.push((name, reason));
                continue;
            }
            (Err(sides::Skip::Failed(error)), _) | (_, Err(sides::Skip::Failed(error))) => return Err(error),
        };
        object.old_ids = lineage
            .pairs()
            .filter(|(old, new)| old != new)
            .map(|(old, new)| (new.to_owned(), old.to_owned()))
            .collect();
        let mut rows = 0;
        let mut changes = merge(older, newer);
        let mut older_rows = 0;
        while let Some(change) = changes.try_next().await? {
            let (left, right, fields) = match &change {
                Change::Added { right } => (None, Some(right), &[][..]),
                Change::Removed { left } => (Some(left), None, &[][..]),
                Change::Changed { left, right, fields } => (Some(left), Some(right), &fields[..]),
                Change::Same { left, right } => (Some(left), Some(right), &[][..]),
            };
            older_rows += u64::from(left.is_some());
            visit(&object, Seen::Rows { left, right, fields });
            rows += 1;
            if rows % 10_000 == 0 {
                monitor.event(&Event::CompareProgress { object: name.clone(), rows });
            }
        }
        if let Some((_, live)) = few {
            let unread = live.saturating_sub(older_rows);
            visit(&object, Seen::Unread(unread));
            rows += unread;
        }
        monitor.event(&Event::CompareProgress { object: name, rows });
    }
    Ok(())
}

impl Object {
    fn new(name: &str, describe: Option<&orgkeep_salesforce::Describe>) -> Object {
        let fields = || describe.into_iter().flat_map(|describe| &describe.fields);
        let system: BTreeSet<String> = fields()
            .filter(|field| !field.createable && !field.updateable || rules::withheld(name, &field.name))
            .map(|field| field.name.clone())
            .collect();
        let fixed = fields()
            .filter(|field| field.createable && !field.updateable && !system.contains(&field.name))
            .map(|field| field.name.clone())
            .collect();
        Object {
            name: name.to_owned(),
            system,
            fixed,
            writable: describe.is_none_or(|describe| describe.createable),
            old_ids: BTreeMap::new(),
        }
    }
}

/// The fields in which two rows of a record differ as text, among these.
pub(crate) fn differences(left: &Row, right: &Row, fields: &[String]) -> Vec<FieldChange> {
    let mut changes: Vec<FieldChange> = fields
        .iter()
        .filter_map(|name| {
            let (before, after) = (text(left, name), text(right, name));
            (before != after).then(|| FieldChange {
                field: name.clone(),
                before: before.map(Cow::into_owned),
                after: after.map(Cow::into_owned),
            })
        })
        .collect();
    changes.sort_by(|a, b| a.field.cmp(&b.field));
    changes
}

fn tally(
    comparison: &mut ObjectComparison,
    object: &Object,
    left: Option<&Row>,
    right: Option<&Row>,
    fields: &[String],
    details: usize,
) {
    let row = right.or(left).expect("a pair has a row");
    let was_id = left.and_then(|left| object.old_ids.get(left.id())).cloned();
    comparison.recreated += u64::from(was_id.is_some() && right.is_some());
    let (kind, fields) = match (left, right) {
        (None, _) => (ChangeKind::Added, Vec::new()),
        (_, None) => (ChangeKind::Removed, Vec::new()),
        (Some(left), Some(right)) => {
            let fields = differences(left, right, fields);
            if fields.is_empty() {
                comparison.same += 1;
                return;
            }
            let only_system = fields.iter().all(|change| object.system.contains(&change.field));
            (if only_system { ChangeKind::Touched } else { ChangeKind::Changed }, fields)
        }
    };
    match kind {
        ChangeKind::Added => comparison.added += 1,
        ChangeKind::Removed => comparison.removed += 1,
        ChangeKind::Changed => comparison.changed += 1,
        ChangeKind::Touched => comparison.touched += 1,
    }
    for change in &fields {
        *comparison.fields.entry(change.field.clone()).or_default() += 1;
        if object.system.contains(&change.field) {
            comparison.system_fields.insert(change.field.clone());
        } else if object.fixed.contains(&change.field) {
            comparison.fixed_fields.insert(change.field.clone());
        }
    }
    if kind == ChangeKind::Touched && comparison.changed + comparison.added + comparison.removed > 0 {
        return;
    }
    if comparison.details.len() < details {
        comparison.details.push(RecordChange {
            object: object.name.clone(),
            id: row.id().to_owned(),
            name: name_of(row),
            kind,
            was_id,
            fields,
        });
    } else {
        comparison.more = true;
    }
}

/// What a person calls a record.
pub(crate) fn name_of(row: &Row) -> Option<String> {
    ["Name", "Subject", "Title", "CaseNumber", "DeveloperName"]
        .iter()
        .find_map(|field| text(row, field).map(Cow::into_owned))
}

fn text<'r>(row: &'r Row, field: &str) -> Option<Cow<'r, str>> {
    row.batch.text(row.row, row.batch.column_index(field)?)
}
