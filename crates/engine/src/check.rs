// SPDX-License-Identifier: Apache-2.0
//! Looking whether the vault still is what was written into it.

use crate::error::Result;
use crate::event::{Event, Monitor};
use orgkeep_vault::{CheckReport, OrgVault};

/// Checks all that the vault holds of an org: that it is there, and with `read_data` every byte of it. Damage is in the report, not
/// an error; what is not damaged stays readable.
///
/// # Errors
/// `Unreachable` where the store cannot be read at all.
pub async fn check(vault: &OrgVault, read_data: bool, monitor: &dyn Monitor) -> Result<CheckReport> {
    let report = vault
        .check(read_data, &mut |progress| {
            monitor.event(&Event::CheckProgress {
                files: progress.files,
                bytes: progress.bytes,
                damaged: progress.damaged,
            });
        })
        .await?;
    Ok(report)
}
