// SPDX-License-Identifier: Apache-2.0
//! Dealing with data files that a check has found damaged, at the beginning of the next backup.
//!
//! 1. Each is read once more: one that was brought back from a copy meanwhile is no longer damaged.
//! 2. What is lost for good is noted in `lost.json.zst`: versions of which records, and in which backups they were seen.
//! 3. A commit takes the file out of its table, so that the table can be read again; the file itself stays for the time of grace of
//!    removed files. The states of earlier backups now lack its rows, which is why it is noted first.
//! 4. The backup reads the objects whole, and so captures again what the org still has. When its manifest is put, the damage is forgotten;
//!    interrupted before, the next run reads them whole as well.
//!
//! Bodies of files are dealt with in `blobs/mend.rs`.

use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::attest::sum;
use crate::backup::Unfinished;
use crate::error::{Error, Result};
use crate::examine::examine;
use crate::log::{Commit, Operation};
use crate::org::OrgVault;
use crate::packed::ENDING;
use crate::removed;
use crate::state::Scan;

/// Versions of records that no reading of the org brings back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    pub object: String,
    /// The name of the data file that held them.
    pub file: String,
    /// The first and the last Id of the records.
    pub ids: Option<(String, String)>,
    /// Versions that were in the file.
    pub rows: u64,
    /// The first backup whose state lacks them, and the backup that has read the object whole again.
    pub from: u64,
    pub mended: u64,
}

impl OrgVault {
    fn lost_path(&self) -> Path {
        self.path(&format!("lost{ENDING}"))
    }

    /// What was lost for good in files that were damaged.
    pub async fn lost(&self) -> Result<Vec<Lost>> {
        self.packed_or_default(&self.lost_path(), "the list of what was lost").await
    }
}

impl Unfinished {
    /// Takes damaged files out of their tables; what is lost with them, by object. The backup must read these objects whole.
    pub async fn quarantine(&self) -> Result<Vec<Lost>> {
        let org = self.org();
        if !org.may_be_damaged() {
            return Ok(Vec::new());
        }
        let damaged = org.damaged().await?;
        self.mending.store(true, std::sync::atomic::Ordering::Relaxed);
        let mut lost = org.lost().await?;
        let mut here = Vec::new();
        let mut still = Vec::new();
        for file in damaged {
            let Some(object) = &file.object else {
                still.push(file);
                continue;
            };
            let log = org.log(object);
            let name = file.path.rsplit('/').next().unwrap_or_default();
            let state = log.state().await?;
            let held = state.as_ref().and_then(|state| state.files.iter().find(|held| held.name == name)).cloned();
            if let (Some(state), Some(held)) = (state, held) {
                let path = log.path().clone().join(name);
                let size = match org.store().head(&path).await {
                    Ok(meta) => meta.size,
                    Err(object_store::Error::NotFound { .. }) => 0,
                    Err(error) => return Err(Error::because("a damaged file cannot be looked at", error)),
                };
                let sound = size == held.bytes && examine(org, &path, &held, Some(&state.columns)).await?.is_empty();
                if sound {
                    continue;
                }
                let ids = held.ids().map(|(low, high)| (low.to_owned(), high.to_owned()));
                let new = Lost {
                    object: object.clone(),
                    file: name.to_owned(),
                    ids,
                    rows: held.rows,
                    from: held.backups().0.max(1),
                    mended: self.sequence(),
                };
                if !lost.iter().any(|known| known.file == new.file) {
                    lost.push(new);
                    org.put_packed(&org.lost_path(), &lost, "what was lost cannot be noted").await?;
                }
                // Captures go on counting from what the newest commit says is held.
                let mut without = state.clone();
                without.files.retain(|file| file.name != held.name);
                let captured = sum(org.scan_of(object, &without, self.sequence(), Scan::default())?).await?;
                removed::note_damaged(org, &log, &held, self.at()).await?;
                let commit = Commit {
                    schema: None,
                    files: Vec::new(),
                    removed: vec![held],
                    operation: Operation::Delete,
                    outcome: json!({"lost": name, "captured": captured}),
                    at: self.at(),
                };
                log.commit(Some(state), commit).await?;
                org.forget_state(object);
            }
            here.extend(lost.iter().filter(|known| known.file == name).cloned());
            still.push(file);
        }
        // What was brought back is forgotten now, what was taken out when the manifest is put.
        org.note_damaged(&still).await?;
        Ok(here)
    }

    /// Forgets damage of objects that this backup has captured whole, and of bodies that it has looked for.
    pub(crate) async fn mended(&self) -> Result<()> {
        let damaged = self.org().damaged().await?;
        let outcomes = self.outcomes();
        let [rows, bodies] =
            [&self.mending, &self.mending_bodies].map(|flag| flag.load(std::sync::atomic::Ordering::Relaxed));
        let still: Vec<_> = damaged
            .iter()
            .filter(|file| match &file.object {
                Some(object) => !(rows && outcomes.contains_key(object)),
                None => !(bodies && file.path.starts_with("blobs/")),
            })
            .cloned()
            .collect();
        if still.len() == damaged.len() { Ok(()) } else { self.org().note_damaged(&still).await }
    }
}
