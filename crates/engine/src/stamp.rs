// SPDX-License-Identifier: Apache-2.0
//! Points in time as an org writes them.

use chrono::{DateTime, Utc};

/// Bulk and describes write `2022-03-17T16:21:26.000Z`, REST `2022-03-17T16:21:26.000+0000`.
pub(crate) fn instant(text: &str) -> Option<DateTime<Utc>> {
    let parsed =
        DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z").or_else(|_| DateTime::parse_from_rfc3339(text));
    Some(parsed.ok()?.to_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_of_either_form_are_read() {
        assert_eq!(instant("2022-03-17T16:21:26.000+0000"), instant("2022-03-17T16:21:26.000Z"));
        assert!(instant("2022-03-17T16:21:26.000+0000").is_some());
        assert_eq!(instant("yesterday"), None);
    }
}
