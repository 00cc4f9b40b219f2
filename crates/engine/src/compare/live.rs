// SPDX-License-Identifier: Apache-2.0
//! The org as it is now, read through the API into sorted rows.

use super::sides::Skip;
use crate::backup::{BULK_ROWS, Catalog, counts, refusal};
use crate::describes::Describes;
use crate::detours::Learned;
use crate::error::Result;
use futures::stream::{StreamExt, TryStreamExt};
use orgkeep_salesforce::{Describe, Org, Scope};
use orgkeep_vault::{BatchStream, Builder, OrgVault};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub(super) struct Live<'a> {
    vault: &'a OrgVault,
    org: &'a Org,
    catalog: Catalog,
    describes: Arc<Describes>,
    counts: BTreeMap<String, Result<u64, String>>,
}

impl<'a> Live<'a> {
    pub async fn new(vault: &'a OrgVault, org: &'a Org) -> Result<Live<'a>> {
        let mut catalog = Catalog::inspect(org, None).await?;
        let describes = Arc::new(std::mem::take(&mut catalog.describes));
        let entries: Vec<_> = catalog.entries.iter().collect();
        let counts = counts(org, &entries, &|_| Learned::default()).await?;
        Ok(Live { vault, org, catalog, describes, counts })
    }

    pub fn objects(&self) -> BTreeSet<String> {
        let empty = |object: &str| matches!(self.counts.get(object), Some(Ok(0)));
        self.catalog.entries.iter().map(|entry| entry.object.clone()).filter(|object| !empty(object)).collect()
    }

    /// Of all objects that can be read.
    pub fn describes(&self) -> Arc<Describes> {
        self.describes.clone()
    }

    pub fn describe(&self, object: &str) -> Result<Option<Describe>> {
        self.describes.get(object)
    }

    pub async fn rows(&self, object: &str) -> Result<BatchStream, Skip> {
        let Some(entry) = self.catalog.entry(object) else {
            return Err(Skip::Because("the org has no such object now".into()));
        };
        let rows = match self.counts.get(object) {
            Some(Ok(0)) => return Ok(futures::stream::empty().boxed()),
            Some(Ok(rows)) => Some(*rows),
            _ => None,
        };
        let spec = &entry.spec;
        // The body of a file is not a value of its row: a column for it would differ from the vault's in every row.
        let schema = spec.schema_without_body()?;
        let live = if spec.soft_deletes { Some("IsDeleted = false") } else { None };
        let scope = if spec.soft_deletes { Scope::All } else { Scope::Live };
        let soql = spec.select(live);
        let mut stream = if rows.is_some_and(|rows| rows > BULK_ROWS) {
            self.org.bulk_rows(&soql, scope).await?
        } else {
            self.org.query(&soql, &spec.fields, scope)
        };
        let mut sorter = self.vault.sorter(&schema).await?;
        loop {
            let rows = match stream.try_next().await {
                Ok(Some(rows)) => rows,
                Ok(None) => break,
                Err(error) => {
                    return Err(match refusal(&error) {
                        Some(reason) => Skip::Because(reason),
                        None => Skip::Failed(error.into()),
                    });
                }
            };
            let mut builder = Builder::new(&schema);
            for row in rows.iter() {
                builder.push(false, row);
            }
            sorter.push(builder.finish()).await?;
        }
        Ok(sorter.sorted().await?)
    }
}
