// SPDX-License-Identifier: Apache-2.0
//! What a connector's org was before its sandbox was refreshed: orgs of the same vault, each with backups of its own, and the
//! connectors by which they can be reached.

use crate::config::Connector;
use crate::context::Context;
use crate::failure::Failure;
use orgkeep_vault::OrgVault;
use serde::Serialize;

/// An org that the connector's org continues.
#[derive(Debug, Serialize)]
pub struct Former {
    pub org: String,
    /// None where this machine knows none: `orgkeep attach` makes one.
    pub connector: Option<String>,
    #[serde(skip)]
    pub vault: OrgVault,
}

impl Former {
    /// What to call it on a command line, or in words.
    pub fn name(&self) -> &str {
        self.connector.as_deref().unwrap_or(&self.org)
    }
}

/// The last one first. None, with a warning, where the links cannot be read: nothing else depends on them.
pub async fn formers(context: &Context, connector: &Connector, org: &OrgVault) -> Result<Vec<Former>, Failure> {
    let config = context.config()?;
    let of = |vault: OrgVault| {
        let linking = config.linking(&connector.vault, vault.id()).next().map(str::to_owned);
        Former { org: vault.id().to_owned(), connector: linking, vault }
    };
    let formers = org.formers().await.unwrap_or_else(|error| {
        context.screen.say(&format!("warning: what this sandbox was before a refresh is not known: {error}"));
        Vec::new()
    });
    Ok(formers.into_iter().map(of).collect())
}

/// What one of several orgs may not have.
pub fn found<T>(result: orgkeep_engine::Result<T>) -> orgkeep_engine::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == orgkeep_engine::Kind::NotFound => Ok(None),
        found => found.map(Some),
    }
}
