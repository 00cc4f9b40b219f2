// SPDX-License-Identifier: Apache-2.0
//! What an org has: every object it lists, those that can be read with their describe, the others with the reason.
//!
//! The reason is what the org says (`queryable`, `associateEntityType`), not a list of names that goes stale. Names decide only where
//! the API gives no flag: suffixes of platform events and external objects (`salesforce-api.md` 2.4).

use crate::error::Result;
use crate::spec::Spec;
use futures::stream::{self, StreamExt, TryStreamExt};
use orgkeep_salesforce::{Describe, ObjectSummary, Org};

/// Describes fetched at the same time.
const PARALLEL_DESCRIBES: usize = 4;

pub(crate) struct Catalog {
    /// Objects that can be read, by name.
    pub entries: Vec<Entry>,
    /// Objects that have no rows of their own to read, with the reason.
    pub without_rows: Vec<(String, String)>,
}

pub(crate) struct Entry {
    pub object: String,
    pub spec: Spec,
    pub describe: Describe,
    /// Where an object refuses an unfiltered query: the object and the field whose values it can be asked for.
    pub parents: Option<Parents>,
}

/// `ContentDocumentLink` must be filtered by `ContentDocumentId` or `LinkedEntityId` unless the user may query all files
/// (`salesforce-api.md` 6.8).
#[derive(Clone, Copy)]
pub(crate) struct Parents {
    pub object: &'static str,
    pub field: &'static str,
}

impl Catalog {
    pub async fn inspect(org: &Org) -> Result<Catalog> {
        let mut summaries = org.describe_global().await?;
        summaries.sort_by(|a, b| a.name.cmp(&b.name));
        let mut without_rows = Vec::new();
        let mut readable = Vec::new();
        for summary in summaries {
            match no_rows(&summary) {
                Some(reason) => without_rows.push((summary.name, reason.to_owned())),
                None => readable.push(summary.name),
            }
        }
        let entries = stream::iter(readable)
            .map(|name| async move {
                let describe = org.describe(&name).await?;
                Ok::<_, crate::Error>(Entry {
                    spec: Spec::new(&describe)?,
                    parents: (name == "ContentDocumentLink")
                        .then_some(Parents { object: "ContentDocument", field: "ContentDocumentId" }),
                    object: name,
                    describe,
                })
            })
            .buffered(PARALLEL_DESCRIBES)
            .try_collect()
            .await?;
        Ok(Catalog { entries, without_rows })
    }

    pub fn entry(&self, object: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.object == object)
    }
}

fn no_rows(summary: &ObjectSummary) -> Option<&'static str> {
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
    (!summary.queryable).then_some("the org says that it cannot be queried")
}
