// SPDX-License-Identifier: Apache-2.0
//! Record Ids as people paste them: 15 and 18 characters are the same record.

use crate::error::{Error, Result};

pub(crate) fn is_id(text: &str) -> bool {
    orgkeep_salesforce::id::to_18(text).is_some()
}

/// The 18-character form.
///
/// # Errors
/// `Invalid` for what is no Id.
pub fn normalize(text: &str) -> Result<String> {
    orgkeep_salesforce::id::to_18(text.trim()).ok_or_else(|| {
        Error::invalid(format!("{text} is not a Salesforce Id"))
            .hint("an Id has 15 or 18 letters and digits, such as 001Ws00003abcDEIAY")
    })
}
