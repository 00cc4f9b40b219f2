// SPDX-License-Identifier: Apache-2.0
//! Looking whether the vault still is what was written into it.

use crate::error::Result;
use crate::event::{Event, Monitor};
use orgkeep_vault::{CheckOptions, CheckReport, OrgVault};

/// Checks all that the vault holds of an org: that it is there, and of what is in the files as much as the options say. Damage is in the report, not
/// an error; what is not damaged stays readable.
///
/// # Errors
/// `Unreachable` where the store cannot be read at all.
pub async fn check(vault: &OrgVault, options: CheckOptions, monitor: &dyn Monitor) -> Result<CheckReport> {
    let report = vault
        .check_with(options, &mut |progress| {
            monitor.event(&Event::CheckProgress {
                files: progress.files,
                bytes: progress.bytes,
                damaged: progress.damaged,
            });
        })
        .await?;
    Ok(report)
}
