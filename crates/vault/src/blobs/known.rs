// SPDX-License-Identifier: Apache-2.0
//! Bodies by the MD5 that an org announces for them, among all that the vault holds of any org: a body that is here need not be asked of
//! the org.
//!
//! The MD5s that are asked for are kept in memory and the column of all packs is read past them once, so that memory grows with the question
//! and not with the vault. What is found is what a commit names at this moment. A body of the same org is there as long as the org's lock is
//! held. One of another org may be erased or expire there at any time: it is copied, with its bytes verified on the way, and whoever
//! copies is ready for its being gone.
//!
//! Not promised: that damage elsewhere is noticed. A pack that cannot be read holds nothing that is known, and the bodies in it are asked of
//! the org as if they were new.

use std::collections::{HashMap, HashSet};

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use bytes::Bytes;
use futures::stream::{BoxStream, TryStreamExt};

use super::unreadable;
use crate::check::is_damage;
use crate::columns::ID;
use crate::error::{Kind, Result};
use crate::log::DataFile;
use crate::org::OrgVault;

/// A body that the vault holds, of this org or another one.
#[derive(Clone, Debug)]
pub struct KnownBody {
    /// BLAKE3 of the body, in hexadecimal.
    pub hash: String,
    /// Bytes.
    pub length: u64,
    /// Where it lies, if that is not the org that asked.
    elsewhere: Option<OrgVault>,
}

impl KnownBody {
    /// Whether it is a body of the org that asked, which can refer to it as it is.
    pub fn is_here(&self) -> bool {
        self.elsewhere.is_none()
    }

    /// The bytes of a body of another org; none for one that is here.
    ///
    /// # Errors
    /// Whatever became of it since it was found: the body is then to be had from the org.
    pub async fn open(&self) -> Result<Option<BoxStream<'static, Result<Bytes>>>> {
        match &self.elsewhere {
            Some(org) => Ok(Some(org.blob(&self.hash).await?)),
            None => Ok(None),
        }
    }
}

impl OrgVault {
    /// Those of the wanted bodies that the vault holds, by their MD5 in lower-case hexadecimal; those of this org first.
    pub async fn bodies_by_md5(&self, wanted: &HashSet<String>) -> Result<HashMap<String, KnownBody>> {
        let mut found = HashMap::new();
        if wanted.is_empty() {
            return Ok(found);
        }
        self.find(wanted, None, &mut found).await?;
        for id in self.vault().orgs().await? {
            if id == self.id() || found.len() == wanted.len() {
                continue;
            }
            // Whatever is the matter with another org's part of the vault, this one can go on without it.
            if let Ok(other) = self.vault().org(&id).await {
                let _ = other.find(wanted, Some(&other), &mut found).await;
            }
        }
        Ok(found)
    }

    async fn find(
        &self,
        wanted: &HashSet<String>,
        elsewhere: Option<&OrgVault>,
        found: &mut HashMap<String, KnownBody>,
    ) -> Result<()> {
        let files = self.blob_log().state().await?.map(|state| state.files).unwrap_or_default();
        for file in &files {
            match self.find_in(file, wanted, elsewhere, found).await {
                Err(error) if !is_damage(&error) && error.kind() != Kind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    async fn find_in(
        &self,
        file: &DataFile,
        wanted: &HashSet<String>,
        elsewhere: Option<&OrgVault>,
        found: &mut HashMap<String, KnownBody>,
    ) -> Result<()> {
        let log = self.blob_log();
        let mut batches = self.read_pack(&log, file, &[ID, "md5", "length"], None).await?;
        while let Some(batch) = batches.try_next().await.map_err(|error| unreadable(&log, file, error))? {
            let (ids, sums) = (batch.column(0).as_string::<i32>(), batch.column(1).as_string::<i32>());
            let lengths = batch.column(2).as_primitive::<Int64Type>();
            for row in (0..batch.num_rows()).filter(|row| sums.is_valid(*row) && wanted.contains(sums.value(*row))) {
                let length = u64::try_from(lengths.value(row)).unwrap_or(0);
                let body = || KnownBody { hash: ids.value(row).to_owned(), length, elsewhere: elsewhere.cloned() };
                found.entry(sums.value(row).to_owned()).or_insert_with(body);
            }
        }
        Ok(())
    }
}
