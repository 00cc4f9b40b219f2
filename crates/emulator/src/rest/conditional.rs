// SPDX-License-Identifier: Apache-2.0
//! Conditional requests: `If-Modified-Since`, `If-Unmodified-Since`, `If-Match` and `If-None-Match` (`salesforce-api.md` 2.1).
//!
//! Dates are compared in whole seconds, because HTTP dates have nothing finer. Tags exist for Account rows only; for every
//! other resource the two headers about tags are ignored, as Salesforce documents it. A date that cannot be read is ignored.

use std::time::{Duration, UNIX_EPOCH};

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::DateTime;
use http::HeaderMap;

use crate::answer::Answer;
use crate::error::ApiError;
use crate::request;

/// What a caller knows of a resource already.
#[derive(Clone, Copy, Debug)]
pub struct Conditions<'a> {
    headers: &'a HeaderMap,
}

impl<'a> Conditions<'a> {
    /// The conditions among the headers of a request.
    pub fn of(headers: &'a HeaderMap) -> Conditions<'a> {
        Conditions { headers }
    }

    /// Whether a read is answered with 304, because nothing changed since the caller last looked.
    pub fn is_known(self, tag: Option<&str>, changed_ms: i64) -> bool {
        if let (Some(tag), Some(known)) = (tag, self.text("if-none-match")) {
            return names(known, tag);
        }
        self.moment("if-modified-since").is_some_and(|since| seconds(changed_ms) <= since)
    }

    /// Refuses a request whose precondition does not hold.
    ///
    /// # Errors
    /// 412 without a body.
    pub fn check(self, tag: Option<&str>, changed_ms: i64, reads: bool) -> Result<(), ApiError> {
        let other = match (tag, self.text("if-match")) {
            (Some(tag), Some(wanted)) => !names(wanted, tag),
            _ => false,
        };
        let later = self.moment("if-unmodified-since").is_some_and(|since| seconds(changed_ms) > since);
        // A write has nothing to answer 304 with: what matches is refused.
        let same = !reads && tag.zip(self.text("if-none-match")).is_some_and(|(tag, known)| names(known, tag));
        if other || later || same {
            return Err(ApiError::new(412, "", "Precondition failed"));
        }
        Ok(())
    }

    fn text(self, name: &str) -> Option<&'a str> {
        request::header(self.headers, name)
    }

    /// A moment in seconds since 1970. `Sat, 1 Jan 2000 00:00:01 GMT` and named zones of the United States are read too.
    fn moment(self, name: &str) -> Option<i64> {
        DateTime::parse_from_rfc2822(self.text(name)?.trim()).ok().map(|moment| moment.timestamp())
    }
}

/// Whether a list of tags has this one. A proxy marks the tag of a zipped answer with `--gzip`, which is the same row.
fn names(list: &str, tag: &str) -> bool {
    let plain =
        |text: &str| text.trim().trim_start_matches("W/").trim_matches('"').trim_end_matches("--gzip").to_owned();
    list.trim() == "*" || list.split(',').any(|one| plain(one) == plain(tag))
}

fn seconds(ms: i64) -> i64 {
    ms.div_euclid(1000)
}

/// The tag of some state: any text that changes with it.
pub fn row_tag(state: &str) -> String {
    format!("\"{}\"", STANDARD.encode(digest::digest(&digest::SHA256, state.as_bytes())))
}

/// The short tag of a describe: eight hexadecimal digits, as recorded.
pub fn short_tag(state: &str) -> String {
    let hash = digest::digest(&digest::SHA256, state.as_bytes());
    let digits: String = hash.as_ref().iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("\"{digits}\"")
}

/// An answer that says when what it shows changed.
pub fn stamped(answer: Answer, tag: &str, changed_ms: i64) -> Answer {
    let changed = UNIX_EPOCH + Duration::from_millis(u64::try_from(changed_ms).unwrap_or(0));
    answer.header("etag", tag).header("last-modified", httpdate::fmt_http_date(changed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_str(value).unwrap());
        headers
    }

    #[test]
    fn dates_are_read_as_clients_write_them() {
        let changed_ms = 946_684_801_000;
        for (date, known) in [
            ("Sat, 1 Jan 2000 00:00:01 GMT", true),
            ("Sat, 01 Jan 2000 00:00:00 GMT", false),
            ("Fri, 31 Dec 1999 17:00:01 MST", true),
            ("Fri, 31 Dec 1999 17:00:00 MST", false),
            ("yesterday", false),
        ] {
            let headers = headers("if-modified-since", date);
            assert_eq!(Conditions::of(&headers).is_known(None, changed_ms), known, "{date}");
        }
    }

    #[test]
    fn tags_are_lists_and_may_be_zipped() {
        let tag = row_tag("x");
        let zipped = format!("\"other\", {}--gzip\"", tag.trim_end_matches('"'));
        let met = headers("if-match", &zipped);
        assert!(Conditions::of(&met).check(Some(&tag), 0, true).is_ok());
        assert!(Conditions::of(&met).check(Some("\"new\""), 0, true).is_err());
        assert!(Conditions::of(&met).check(None, 0, true).is_ok(), "only rows with tags heed it");
        let known = headers("if-none-match", &tag);
        assert!(Conditions::of(&known).is_known(Some(&tag), 0));
        assert!(Conditions::of(&known).check(Some(&tag), 0, false).is_err());
    }
}
