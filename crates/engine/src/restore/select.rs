// SPDX-License-Identifier: Apache-2.0
//! Which records a restore is about: those a person picked, and with `related` everything below them.
//!
//! Below a record is what refers to it by a relationship that the describe of its object lists as a child relationship, as long as the
//! child is data (no history, no share, no set-up). A related record that still exists is not brought back to its old values:
//! only its lookups to restored records are set again.

use super::rules;
use super::{NotWritten, PlanOptions, Selection};
use crate::browse;
use crate::compare::{self, Seen, Side};
use crate::erase;
use crate::error::{Error, Result};
use crate::event::{Event, Monitor};
use crate::id;
use crate::point::Point;
use futures::stream::TryStreamExt;
use orgkeep_salesforce::Describe;
use orgkeep_vault::{OrgVault, Scan};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Ids of one object.
#[derive(Clone, Debug, Default)]
pub(crate) struct Picked {
    /// To be as they were in every field.
    pub exact: BTreeSet<String>,
    /// To exist, and to refer to what is restored.
    pub related: BTreeSet<String>,
}

#[derive(Debug, Default)]
pub(crate) struct Wanted {
    pub objects: BTreeMap<String, Picked>,
    /// Records made after the backup: a restore leaves them.
    pub newer: BTreeMap<String, Vec<String>>,
}

impl Wanted {
    fn add(&mut self, object: &str, id: String, exact: bool) -> bool {
        let picked = self.objects.entry(object.to_owned()).or_default();
        match exact {
            true => {
                picked.related.remove(&id);
                picked.exact.insert(id)
            }
            false => !picked.exact.contains(&id) && picked.related.insert(id),
        }
    }
}

/// The backup that values come from, with the describes of its time.
pub(crate) struct Source<'a> {
    pub vault: &'a OrgVault,
    pub point: Point,
    pub describes: HashMap<String, Describe>,
}

impl<'a> Source<'a> {
    pub async fn open(vault: &'a OrgVault, at: u64) -> Result<Source<'a>> {
        let point = Point::at(vault, Some(at)).await?;
        let mut describes = HashMap::new();
        for object in point.filled() {
            if let Some(describe) = point.describe(vault, object).await? {
                describes.insert(object.clone(), describe);
            }
        }
        Ok(Source { vault, point, describes })
    }

    /// The object that an Id belongs to, by its key prefix.
    pub fn object_of(&self, id: &str) -> Option<&str> {
        let prefix = id.get(..3)?;
        self.describes
            .values()
            .find(|describe| describe.key_prefix.as_deref() == Some(prefix))
            .map(|describe| describe.name.as_str())
    }

    /// Live rows of an object, restricted to columns and Ids.
    pub async fn rows(
        &self,
        object: &str,
        columns: Option<Vec<String>>,
        ids: Option<Vec<String>>,
    ) -> Result<orgkeep_vault::BatchStream> {
        self.point.rows(self.vault, object, Scan { columns, ids, ..Scan::default() }).await
    }
}

pub(crate) async fn select(source: &Source<'_>, options: &PlanOptions, monitor: &dyn Monitor) -> Result<Wanted> {
    let mut wanted = Wanted::default();
    match &options.selection {
        Selection::Records { object, ids } => by_ids(source, object, ids, &mut wanted).await?,
        Selection::Where { object, filter } => {
            let (object, entry) = source.point.named(object)?;
            let mut columns: Vec<String> = filter.fields(&entry.fields)?.into_iter().map(str::to_owned).collect();
            columns.push("Id".into());
            let mut batches = source.rows(object, Some(columns), None).await?;
            while let Some(batch) = batches.try_next().await? {
                for row in (0..batch.len()).filter(|row| filter.matches(&batch, *row)) {
                    wanted.add(object, batch.id(row).to_owned(), true);
                }
            }
        }
        Selection::ChangesSince(0) => {
            for object in source.point.filled() {
                let mut batches = source.rows(object, Some(vec!["Id".into()]), None).await?;
                while let Some(batch) = batches.try_next().await? {
                    (0..batch.len()).for_each(|row| _ = wanted.add(object, batch.id(row).to_owned(), true));
                }
            }
        }
        Selection::ChangesSince(since) => changed(source, *since, &mut wanted, monitor).await?,
    }
    if options.related {
        related(source, &mut wanted, monitor).await?;
    }
    versions_of_documents(source, &mut wanted).await?;
    Ok(wanted)
}

async fn by_ids(source: &Source<'_>, object: &str, ids: &[String], wanted: &mut Wanted) -> Result<()> {
    let object = source.point.named(object)?.0;
    let mut asked: BTreeSet<String> = ids.iter().map(|each| id::normalize(each)).collect::<Result<_>>()?;
    let mut batches = source.rows(object, Some(vec!["Id".into()]), Some(asked.iter().cloned().collect())).await?;
    while let Some(batch) = batches.try_next().await? {
        for row in 0..batch.len() {
            if asked.remove(batch.id(row)) {
                wanted.add(object, batch.id(row).to_owned(), true);
            }
        }
    }
    match asked.first() {
        None => Ok(()),
        Some(absent) => {
            let unknown = Error::not_found(format!(
                "backup {} holds no {object} {absent}{}",
                source.point.sequence,
                if asked.len() > 1 { format!(" and {} more of the Ids", asked.len() - 1) } else { String::new() }
            ))
            .hint("`orgkeep show NAME OBJECT ID --history` says which backups hold a record");
            Err(erase::absent(source.vault, object, absent, unknown).await)
        }
    }
}

/// Records of the objects that are selected from which the backup had and which were erased since. Whether a condition would have picked them,
/// nobody can tell any more.
pub(crate) async fn erased(source: &Source<'_>, options: &PlanOptions) -> Result<Vec<NotWritten>> {
    let list = source.vault.erased().await?;
    let objects: Vec<&String> = match &options.selection {
        Selection::Records { .. } => Vec::new(),
        Selection::Where { object, .. } => vec![source.point.named(object)?.0],
        Selection::ChangesSince(_) => source.point.filled().collect(),
    };
    let since = |object: &String| list.since(object, source.point.sequence);
    let lines = objects.into_iter().flat_map(since).map(|gone| {
        let erasure = list.erasures.iter().find(|erasure| erasure.number == gone.erasure);
        let ids = erasure.and_then(|erasure| erasure.records.get(&gone.object)).into_iter().flatten();
        NotWritten {
            reason: format!("erased from all backups: {gone}"),
            hint: None,
            ids: ids.cloned().collect(),
            object: gone.object,
        }
    });
    Ok(lines.collect())
}

/// What differs between a backup and the newest one.
async fn changed(source: &Source<'_>, since: u64, wanted: &mut Wanted, monitor: &dyn Monitor) -> Result<()> {
    let newest = Point::at(source.vault, None).await?.sequence;
    if since >= newest {
        return Err(Error::invalid(format!(
            "there is no backup after {since}, so nothing is known to have changed since"
        ))
        .hint("take a backup first with `orgkeep backup NAME`; it costs only what changed"));
    }
    let mut skipped = Vec::new();
    let (from, to) = (Side::Backup(since), Side::Backup(newest));
    let sides = compare::Sides::open(source.vault, from, to).await?;
    compare::each(&sides, None, monitor, &mut skipped, |object, seen| match seen {
        Seen::Rows { left: Some(left), right, fields } => {
            if right.is_none_or(|right| !compare::differences(left, right, fields).is_empty()) {
                // The older side is read under today's Ids; a plan names the Ids of the backup.
                let id = object.old_ids.get(left.id()).map_or(left.id(), String::as_str);
                wanted.add(&object.name, id.to_owned(), true);
            }
        }
        Seen::Rows { left: None, right: Some(right), .. } => {
            wanted.newer.entry(object.name.clone()).or_default().push(right.id().to_owned())
        }
        Seen::Unread(_) | Seen::Rows { .. } => {}
    })
    .await
}

/// Adds what is below the selection, level by level.
async fn related(source: &Source<'_>, wanted: &mut Wanted, monitor: &dyn Monitor) -> Result<()> {
    let mut frontier: BTreeMap<String, BTreeSet<String>> =
        wanted.objects.iter().map(|(object, picked)| (object.clone(), picked.exact.clone())).collect();
    while !frontier.is_empty() {
        let mut below: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (parent, ids) in &frontier {
            for (child, field) in source.children(parent) {
                let columns = vec!["Id".to_owned(), field.clone()];
                let mut batches = source.rows(&child, Some(columns), None).await?;
                while let Some(batch) = batches.try_next().await? {
                    let Some(column) = batch.column_index(&field) else { continue };
                    for row in 0..batch.len() {
                        let refers = batch.text(row, column).is_some_and(|to| ids.contains(to.as_ref()));
                        if refers && wanted.add(&child, batch.id(row).to_owned(), false) {
                            below.entry(child.clone()).or_default().insert(batch.id(row).to_owned());
                        }
                    }
                }
            }
        }
        for (object, ids) in &below {
            monitor.event(&Event::PlanProgress { object: object.clone(), records: ids.len() as u64 });
        }
        frontier = below;
    }
    Ok(())
}

impl Source<'_> {
    /// Objects and fields that refer to an object as its children.
    fn children(&self, parent: &str) -> Vec<(String, String)> {
        let Some(describe) = self.describes.get(parent) else { return Vec::new() };
        if rules::is_setup(parent) {
            return Vec::new();
        }
        describe
            .child_relationships
            .iter()
            .filter(|child| child.cascade_delete || child.relationship_name.is_some())
            .filter(|child| !rules::is_setup(&child.child_object))
            .filter(|child| {
                self.describes.get(&child.child_object).is_some_and(|describe| {
                    (describe.createable || rules::comes_with(&describe.name).is_some())
                        && describe.associate_entity_type.is_none()
                        && describe.fields.iter().any(|field| field.name == child.field)
                })
            })
            .map(|child| (child.child_object.clone(), child.field.clone()))
            .collect()
    }
}

/// A file comes back by its versions.
pub(crate) async fn versions_of_documents(source: &Source<'_>, wanted: &mut Wanted) -> Result<()> {
    let Some(documents) = wanted.objects.get("ContentDocument").cloned() else { return Ok(()) };
    let columns = vec!["Id".to_owned(), "ContentDocumentId".to_owned()];
    let mut batches = source.rows("ContentVersion", Some(columns), None).await?;
    while let Some(batch) = batches.try_next().await? {
        for row in 0..batch.len() {
            let Some(document) = browse::cell(&batch, row, "ContentDocumentId") else { continue };
            if documents.exact.contains(&document) || documents.related.contains(&document) {
                wanted.add("ContentVersion", batch.id(row).to_owned(), documents.exact.contains(&document));
            }
        }
    }
    Ok(())
}
