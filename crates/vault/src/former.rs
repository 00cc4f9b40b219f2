// SPDX-License-Identifier: Apache-2.0
//! The org that an org was before: a sandbox that is refreshed gets another org Id, and with it a part of the vault of its own. The two
//! are linked by `former.json.zst` in the newer one's folder, and never mixed: what the former org had stays where it is, with its own
//! numbers of backups, and is only pointed to.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, Result};
use crate::org::OrgVault;
use crate::packed::ENDING;

/// Which org an org continues.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Former {
    /// Its org Id, which names its part of the same vault.
    pub org: String,
    pub linked_at: DateTime<Utc>,
}

impl OrgVault {
    /// The org that this one was before its last refresh, as it was linked.
    pub async fn former(&self) -> Result<Option<Former>> {
        self.packed_if_any(&self.former_path(), "the link to the former org").await
    }

    /// Links this org to the one that it was before. Linking again to the same org does nothing; a link is never changed. Invalid where the former
    /// org itself goes back to this one.
    pub async fn continue_from(&self, former: &OrgVault, now: DateTime<Utc>) -> Result<()> {
        if former.id() == self.id() || former.formers().await?.iter().any(|org| org.id() == self.id()) {
            return Err(Error::new(Kind::Invalid, "an org cannot continue from itself").with("org", self.id()));
        }
        match self.former().await? {
            Some(known) if known.org == former.id() => Ok(()),
            Some(known) => Err(Error::new(Kind::Invalid, "the org is linked to another former org already")
                .with("org", self.id())
                .with("former", known.org)),
            None => {
                let link = Former { org: former.id().to_owned(), linked_at: now };
                self.put_packed(&self.former_path(), &link, "the link to the former org cannot be written").await
            }
        }
    }

    /// Every org that this one was before, the last one first.
    pub async fn formers(&self) -> Result<Vec<OrgVault>> {
        let mut formers: Vec<OrgVault> = Vec::new();
        let mut at = self.clone();
        while let Some(former) = at.former().await? {
            at = self.vault().org(&former.org).await?;
            if at.id() == self.id() || formers.iter().any(|known| known.id() == at.id()) {
                return Err(Error::new(Kind::Corrupt, "the links between orgs go in a circle").with("org", at.id()));
            }
            formers.push(at.clone());
        }
        Ok(formers)
    }

    fn former_path(&self) -> object_store::path::Path {
        self.path(&format!("former{ENDING}"))
    }
}
