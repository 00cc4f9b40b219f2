// SPDX-License-Identifier: Apache-2.0
//! The org that a restore goes to: what it lets be written, and what it has of the records in question.

use crate::backup::{IDS_PER_QUERY, in_list};
use crate::error::Result;
use crate::spec::Spec;
use futures::stream::TryStreamExt;
use orgkeep_salesforce::{Describe, Field, Org, Rows, Scope};
use orgkeep_vault::{Batch, Builder};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// From so many missing records on, the whole recycle bin of an object is read instead of asking for Ids.
const WHOLE_BIN: usize = 2_000;

pub(crate) struct Target<'a> {
    pub org: &'a Org,
    objects: BTreeMap<String, Option<String>>,
    describes: HashMap<String, Arc<Described>>,
}

/// An object of the target.
pub(crate) struct Described {
    pub describe: Describe,
    pub spec: Spec,
}

impl Described {
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.describe.fields.iter().find(|field| field.name == name)
    }
}

/// A record of the target, as it is or as it lies in the recycle bin.
pub(crate) struct Present {
    pub batch: Arc<Batch>,
    pub row: usize,
    pub in_bin: bool,
}

impl<'a> Target<'a> {
    pub async fn new(org: &'a Org) -> Result<Target<'a>> {
        let objects =
            org.describe_global().await?.into_iter().map(|summary| (summary.name, summary.key_prefix)).collect();
        Ok(Target { org, objects, describes: HashMap::new() })
    }

    pub async fn describe(&mut self, object: &str) -> Result<Option<Arc<Described>>> {
        if !self.objects.contains_key(object) {
            return Ok(None);
        }
        if let Some(known) = self.describes.get(object) {
            return Ok(Some(known.clone()));
        }
        let describe = self.org.describe(object).await?;
        let described = Arc::new(Described { spec: Spec::new(&describe)?, describe });
        self.describes.insert(object.to_owned(), described.clone());
        Ok(Some(described))
    }

    pub fn object_named(&self, object: &str) -> Option<&str> {
        self.objects.get_key_value(object).map(|(name, _)| name.as_str())
    }

    pub fn object_of(&self, id: &str) -> Option<&str> {
        let prefix = id.get(..3)?;
        self.objects.iter().find(|(_, key)| key.as_deref() == Some(prefix)).map(|(object, _)| object.as_str())
    }

    /// Records by their Ids, live or in the recycle bin; those that are gone are absent.
    pub async fn present(&self, described: &Described, ids: &[String]) -> Result<HashMap<String, Present>> {
        let mut found = HashMap::new();
        for rows in self.live(described, ids).await? {
            collect(&described.spec, &rows, &mut found)?;
        }
        let missing: Vec<&str> = ids.iter().map(String::as_str).filter(|id| !found.contains_key(*id)).collect();
        if !missing.is_empty() && described.spec.soft_deletes && described.describe.undeletable {
            self.bin(described, &missing, &mut found).await?;
        }
        Ok(found)
    }

    async fn live(&self, described: &Described, ids: &[String]) -> Result<Vec<Rows>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        Ok(vec![self.org.retrieve(&described.spec.object, ids, &described.spec.fields).await?])
    }

    async fn bin(&self, described: &Described, missing: &[&str], found: &mut HashMap<String, Present>) -> Result<()> {
        let spec = &described.spec;
        let conditions: Vec<String> = if missing.len() > WHOLE_BIN {
            vec!["IsDeleted = true".to_owned()]
        } else {
            missing.chunks(IDS_PER_QUERY).map(|ids| format!("IsDeleted = true AND {}", in_list("Id", ids))).collect()
        };
        let asked: BTreeSet<&str> = missing.iter().copied().collect();
        for condition in conditions {
            let mut pages = self.org.query(&spec.select(Some(&condition)), &spec.fields, Scope::All);
            while let Some(rows) = pages.try_next().await? {
                collect(spec, &rows, found)?;
            }
        }
        found.retain(|id, present| !present.in_bin || asked.contains(id.as_str()));
        Ok(())
    }

    /// Which of these records exist and are not deleted.
    pub async fn existing(&self, object: &str, ids: &[String]) -> Result<BTreeSet<String>> {
        if ids.is_empty() {
            return Ok(BTreeSet::new());
        }
        let rows = self.org.retrieve(object, ids, &["Id".to_owned()]).await?;
        Ok((0..rows.len()).filter_map(|row| rows.cell(row, 0)).map(str::to_owned).collect())
    }
}

/// Rows in the vault's types, so that equal values are equal texts.
pub(crate) fn typed(spec: &Spec, rows: &Rows) -> Result<Batch> {
    let mut builder = Builder::new(&spec.schema_without_body()?);
    let deleted = spec.position("IsDeleted");
    for (index, row) in rows.iter().enumerate() {
        builder.push(deleted.is_some_and(|column| rows.cell(index, column) == Some("true")), row);
    }
    Ok(builder.finish())
}

fn collect(spec: &Spec, rows: &Rows, found: &mut HashMap<String, Present>) -> Result<()> {
    let batch = Arc::new(typed(spec, rows)?);
    for row in 0..batch.len() {
        let in_bin = batch.deleted(row);
        // A row deleted and created again under one Id does not exist; a live one wins over a stale answer of the bin.
        if !in_bin || !found.contains_key(batch.id(row)) {
            found.insert(batch.id(row).to_owned(), Present { batch: batch.clone(), row, in_bin });
        }
    }
    Ok(())
}
