// SPDX-License-Identifier: Apache-2.0
//! Merging the small files that backups leave in the vault: by itself after a backup that left too many, or when asked.

use crate::error::Result;
use crate::event::{Clock, Event, Monitor};
use chrono::TimeDelta;
use orgkeep_vault::{Compacted, Lock, OrgVault};
use std::time::Duration;

/// How often the lock is renewed meanwhile: a lease in a bucket ends after ten minutes of silence.
const RENEW_EVERY: Duration = Duration::from_secs(120);

/// Does some work under the lock and says meanwhile, every few minutes, that its holder is still at it.
pub(crate) async fn renewing<T, E>(
    lock: &Lock,
    clock: &dyn Clock,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T>
where
    crate::Error: From<E>,
{
    let renewal = async {
        let mut last = clock.now();
        loop {
            tokio::time::sleep(RENEW_EVERY).await;
            let now = clock.now();
            if now - last >= TimeDelta::seconds(RENEW_EVERY.as_secs().cast_signed()) {
                last = now;
                if let Err(error) = lock.renew(now).await {
                    return error;
                }
            }
        }
    };
    tokio::select! {
        done = work => Ok(done?),
        error = renewal => Err(error.into()),
    }
}

/// Merges what a backup has left in too many files. The backup is finished, so a failure is only said.
pub(crate) async fn after_backup(vault: &OrgVault, lock: &Lock, clock: &dyn Clock, monitor: &dyn Monitor) {
    if let Err(error) = renewing(lock, clock, vault.compact_due(lock)).await {
        monitor.event(&Event::Notice {
            message: format!("the vault's small files could not be merged: {error}"),
            hint: Some("nothing is lost, and a later backup merges them; `orgkeep compact NAME` does it now".into()),
        });
    }
}

/// Merges the small files of all tables of an org.
///
/// # Errors
/// `Busy` while somebody else writes to the org's part of the vault.
pub async fn compact(vault: &OrgVault, holder: &str, clock: &dyn Clock) -> Result<Compacted> {
    let lock = vault.lock(holder, clock.now()).await?;
    let done = renewing(&lock, clock, vault.compact(&lock)).await;
    let released = lock.release().await;
    let done = done?;
    released?;
    Ok(done)
}
