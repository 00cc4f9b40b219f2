// SPDX-License-Identifier: Apache-2.0
//! A finished backup as the engine sees it: the vault's manifest with what the engine wrote into it.

use crate::backup::{Hidden, Sight};
use crate::describes::Describes;
use crate::error::{Error, Kind, Result, nearest};
use crate::event::{Mode, State};
use crate::note::Note;
use chrono::{DateTime, TimeDelta, Utc};
use orgkeep_salesforce::Describe;
use orgkeep_vault::{BatchStream, DocumentRef, Manifest, OrgVault, Scan};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::OnceCell;

/// The engine's part of a manifest.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Content {
    pub mode: Mode,
    pub state: State,
    /// Every object of the org, read or not. What this backup did not touch is carried over.
    pub objects: BTreeMap<String, Entry>,
    /// Objects that have no rows to read, with the reason.
    pub without_rows: BTreeMap<String, String>,
    /// API calls by family.
    pub calls: BTreeMap<String, u64>,
    pub described: Option<DescribedAt>,
    /// Fields that the org does not show; none in a backup that did not look for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hidden: Option<Hidden>,
    /// What the user who backed up is shown; none in a backup that did not ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sight: Option<Sight>,
}

/// The describes of all objects at a backup.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct DescribedAt {
    /// Hash of the document that holds them (see `describes.rs`).
    pub document: String,
    /// Hash of the document of the same form that holds what decides how each object is read (see `spec::outline`).
    #[serde(default)]
    pub outlines: Option<String>,
    /// When the org was asked for what had changed, by its own clock.
    pub asked_at: Option<DateTime<Utc>>,
    /// When it was asked for all of them, changed or not.
    pub whole_at: Option<DateTime<Utc>>,
}

/// An object at a backup.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub note: Note,
    pub state: State,
    /// Rows live in the vault's state.
    pub live: u64,
    pub added: u64,
    pub changed: u64,
    pub deleted: u64,
    /// Digest of the live state.
    pub digest: String,
    /// The fields it had, in the vault's order.
    pub fields: Vec<String>,
}

/// A finished backup.
pub(crate) struct Point {
    pub sequence: u64,
    pub started: DateTime<Utc>,
    pub finished: DateTime<Utc>,
    pub content: Content,
    /// Bytes of data files that it added.
    pub bytes: u64,
    describes: OnceCell<Option<Arc<Describes>>>,
}

/// After this time all describes are asked for, whether the org says that they changed or not: it is not documented that a permission
/// which shows more fields changes them.
const DESCRIBES_TRUSTED_FOR: TimeDelta = TimeDelta::hours(24);

impl Point {
    pub fn of(manifest: Manifest) -> Result<Point> {
        let content = serde_json::from_value(manifest.content).map_err(|source| {
            Error::new(Kind::Corrupt, format!("the manifest of backup {} cannot be read: {source}", manifest.sequence))
                .hint("it was written by another version of this program, or damaged; run `orgkeep check NAME`")
        })?;
        Ok(Point {
            sequence: manifest.sequence,
            started: manifest.started_at,
            finished: manifest.finished_at,
            content,
            bytes: manifest.objects.values().map(|captured| captured.bytes).sum(),
            describes: OnceCell::new(),
        })
    }

    /// All finished backups, oldest first.
    pub async fn all(vault: &OrgVault) -> Result<Vec<Point>> {
        vault.manifests().await?.into_iter().map(Point::of).collect()
    }

    /// A backup, or the newest one.
    pub async fn at(vault: &OrgVault, sequence: Option<u64>) -> Result<Point> {
        let none = || {
            Error::not_found("this vault holds no finished backup of the org")
                .hint("take one with `orgkeep backup NAME`")
        };
        match sequence {
            Some(sequence) => Point::of(vault.manifest(sequence).await?),
            None => Point::of(vault.newest().await?.ok_or_else(none)?),
        }
    }

    pub fn entry(&self, object: &str) -> Option<&Entry> {
        self.content.objects.get(object)
    }

    /// Objects that hold live rows, by name.
    pub fn filled(&self) -> impl Iterator<Item = &String> {
        self.content.objects.iter().filter(|(_, entry)| entry.live > 0).map(|(object, _)| object)
    }

    /// An object by its name, whatever its case.
    ///
    /// # Errors
    /// `NotFound` with the nearest name.
    pub fn named(&self, object: &str) -> Result<(&String, &Entry)> {
        self.content.objects.iter().find(|(name, _)| name.eq_ignore_ascii_case(object)).ok_or_else(|| {
            let error = Error::not_found(format!("backup {} holds no object {object}", self.sequence));
            match nearest(object, self.content.objects.keys().map(String::as_str)) {
                Some(near) => error.hint(format!("did you mean {near}; `orgkeep ls NAME` lists all objects")),
                None => error.hint("`orgkeep ls NAME` lists all objects"),
            }
        })
    }

    /// The state of an object; nothing for one without rows.
    pub async fn rows(&self, vault: &OrgVault, object: &str, scan: Scan) -> Result<BatchStream> {
        // An object has a digest from its first capture on.
        let held = self.entry(object).is_some_and(|entry| !entry.digest.is_empty());
        if !held {
            return Ok(Box::pin(futures::stream::empty()));
        }
        Ok(vault.scan(object, self.sequence, scan).await?)
    }

    /// The describes of all objects at this backup.
    pub async fn describes(&self, vault: &OrgVault) -> Result<Option<Arc<Describes>>> {
        let read = || async {
            let Some(described) = &self.content.described else { return Ok(None) };
            let document = vault.document(&DocumentRef(described.document.clone())).await?;
            Ok::<_, Error>(Some(Arc::new(Describes::parse(document)?)))
        };
        self.describes.get_or_try_init(read).await.cloned()
    }

    /// Outlines of the objects that the org showed; none in a backup that kept none.
    pub async fn outlines(&self, vault: &OrgVault) -> Result<Option<Describes>> {
        let outlines = self.content.described.as_ref().and_then(|described| described.outlines.clone());
        let Some(outlines) = outlines else { return Ok(None) };
        Ok(Some(Describes::parse(vault.document(&DocumentRef(outlines)).await?)?))
    }

    /// The describe that was kept of an object.
    pub async fn describe(&self, vault: &OrgVault, object: &str) -> Result<Option<Describe>> {
        match self.describes(vault).await? {
            Some(describes) => describes.get(object),
            None => Ok(None),
        }
    }

    /// Outlines of what the next backup may take for known of the org's objects, with the org's time when it was so. Nothing for a full
    /// backup, and nothing where it has not been looked at as a whole for a day.
    pub async fn described(
        &self,
        vault: &OrgVault,
        mode: Mode,
        now: Option<DateTime<Utc>>,
    ) -> Result<Option<(Describes, DateTime<Utc>)>> {
        let Some(described) = &self.content.described else { return Ok(None) };
        let (Some(asked_at), Some(whole_at), Some(now)) = (described.asked_at, described.whole_at, now) else {
            return Ok(None);
        };
        if mode == Mode::Full || now - whole_at > DESCRIBES_TRUSTED_FOR || now < asked_at {
            return Ok(None);
        }
        Ok(self.outlines(vault).await?.map(|outlines| (outlines, asked_at)))
    }
}
