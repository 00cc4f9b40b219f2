// SPDX-License-Identifier: Apache-2.0
//! Merging the small files that backups leave in the vault, when asked. The vault does it by itself when a backup is finished.

use crate::error::Result;
use crate::event::Clock;
use orgkeep_vault::{Compacted, OrgVault};

/// Merges the small files of all tables of an org.
///
/// # Errors
/// `Busy` while somebody else writes to the org's part of the vault.
pub async fn compact(vault: &OrgVault, holder: &str, clock: &dyn Clock) -> Result<Compacted> {
    Ok(vault.alone(holder, clock.now(), async |lock| vault.compact(lock).await).await?)
}
