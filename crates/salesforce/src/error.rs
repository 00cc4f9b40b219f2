// SPDX-License-Identifier: Apache-2.0
//! What can go wrong between Orgkeep and an org, in kinds that tell the reader what to do.
//!
//! Where the org said something, its own words are kept beside our sentence ([`Refusal`]): an admin searches the
//! web for them, and the engine decides by `error_code`, never by our text.

use std::fmt;

use http::StatusCode;

pub type Result<T, E = Error> = std::result::Result<T, E>;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// What the reader of an error should do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Correct the input or the configuration.
    Invalid,
    /// Check the name.
    NotFound,
    /// Wait: the org, or a part of it, is occupied by someone else.
    Busy,
    /// Sign in again, or grant the permission that is named.
    Denied,
    /// Wait for the API allowance.
    Limited,
    /// Try later.
    Unreachable,
    /// The org's answer does not make sense; nothing was done with it.
    Corrupt,
    /// Report it.
    Bug,
}

/// What the org answered instead of what was asked for (`salesforce-api.md` 2.1, error format).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub http_status: StatusCode,
    /// For example `INVALID_FIELD`; for OAuth the `error` member; `None` where the body held none, as in HTML pages.
    pub error_code: Option<String>,
    /// The org's own words; empty where there were none.
    pub message: String,
    pub fields: Vec<String>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SOQL errors begin with a newline and draw a caret under the place; one line is what fits a message.
        let message = self.message.split_whitespace().collect::<Vec<_>>().join(" ");
        match (&self.error_code, message.is_empty()) {
            (Some(code), true) => write!(f, "{code}"),
            (Some(code), false) if message.starts_with(code.as_str()) => write!(f, "{message}"),
            (Some(code), false) => write!(f, "{code}: {message}"),
            (None, false) => write!(f, "HTTP {}: {message}", self.http_status.as_u16()),
            (None, true) => write!(f, "HTTP {}", self.http_status),
        }
    }
}

/// An error of this crate. `Display` is one line without a final period and leaves `source` to the reporter.
#[derive(Debug)]
pub struct Error {
    pub kind: Kind,
    /// What was being done, as a sentence: "describing Account", "signing in".
    pub doing: String,
    /// What is wrong, where the org did not say it itself.
    pub what: String,
    /// Named context: `("job", "750…")`.
    pub context: Vec<(&'static str, String)>,
    /// The org's own answer.
    pub org: Option<Box<Refusal>>,
    /// The next step.
    pub hint: Option<Box<str>>,
    /// The request may have reached the org and taken effect, although no answer came: ask the org before sending it
    /// again. Only set where repeating is not harmless.
    pub sent: bool,
    /// A Bulk job ended without its rows, or their results are gone: another job, or another API, may give them.
    pub job_ended: bool,
    pub source: Option<Source>,
}

impl Error {
    pub fn new(kind: Kind, doing: impl Into<String>, what: impl Into<String>) -> Error {
        Error {
            kind,
            doing: doing.into(),
            what: what.into(),
            context: Vec::new(),
            org: None,
            hint: None,
            sent: false,
            job_ended: false,
            source: None,
        }
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Error {
        self.hint = Some(hint.into().into_boxed_str());
        self
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Error {
        self.context.push((name, value.into()));
        self
    }

    pub fn caused_by(mut self, source: impl Into<Source>) -> Error {
        self.source = Some(source.into());
        self
    }

    /// The org's error code, such as `INVALID_FIELD`.
    pub fn error_code(&self) -> Option<&str> {
        self.org.as_ref()?.error_code.as_deref()
    }

    /// Whether it is the Bulk API that refused or failed: REST may give the same rows.
    pub fn is_of_bulk(&self) -> bool {
        let of_the_session = matches!(self.kind, Kind::Corrupt | Kind::Bug | Kind::Unreachable | Kind::Limited);
        match self.error_code() {
            // Jobs have a daily limit of their own, which leaves the API's.
            Some("LIMIT_EXCEEDED" | "FUNCTIONALITY_NOT_ENABLED" | "OPERATION_NOT_ALLOWED" | "UNKNOWN_EXCEPTION") => {
                true
            }
            Some(code) if self.kind == Kind::Denied => code.starts_with("INSUFFICIENT_ACCESS"),
            _ => self.job_ended || !of_the_session && self.kind != Kind::Denied,
        }
    }

    /// Whether the org took too long, or found too many rows, so that it may answer for a part of them (`salesforce-api.md` 2.6, 3.5):
    /// by its code, or in the words of a failed job, which has none.
    pub fn was_too_much(&self) -> bool {
        const CODES: [&str; 4] =
            ["QUERY_TIMEOUT", "REQUEST_RUNNING_TOO_LONG", "EXCEEDED_ID_LIMIT", "OPERATION_TOO_LARGE"];
        const WORDS: [&str; 3] = ["running for too long", "does not support queryMore", "exceeded 100000 distinct"];
        let words = self.org_message().unwrap_or(&self.what);
        self.error_code().is_some_and(|code| CODES.contains(&code))
            || self.job_ended && CODES.iter().any(|code| words.contains(code))
            || WORDS.iter().any(|part| words.contains(part))
    }

    /// The field that a query named and the org does not know (`salesforce-api.md` 2.1).
    pub fn unknown_field(&self) -> Option<&str> {
        let words = self.org_message().filter(|words| !words.is_empty()).unwrap_or(&self.what);
        let (field, rest) = words.split_once("No such column '")?.1.split_once('\'')?;
        rest.trim_start().starts_with("on entity").then_some(field)
    }

    /// The org's own words.
    pub fn org_message(&self) -> Option<&str> {
        Some(self.org.as_ref()?.message.as_str())
    }

    pub fn http_status(&self) -> Option<StatusCode> {
        Some(self.org.as_ref()?.http_status)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.doing)?;
        if !self.what.is_empty() {
            write!(f, ": {}", self.what)?;
        }
        if let Some(org) = &self.org {
            write!(f, ": {org}")?;
        }
        for (place, (name, value)) in self.context.iter().enumerate() {
            write!(f, "{}{name} {value}", if place == 0 { " (" } else { ", " })?;
        }
        if !self.context.is_empty() {
            write!(f, ")")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn std::error::Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_line_with_the_orgs_words_and_without_its_source() {
        let mut error = Error::new(Kind::Invalid, "querying Account", "")
            .with("job", "750000000000001AAA")
            .caused_by(std::io::Error::other("the cause"));
        error.org = Some(Box::new(Refusal {
            http_status: StatusCode::BAD_REQUEST,
            error_code: Some("INVALID_FIELD".into()),
            message: "\nSELECT Foo\n       ^\nNo such column".into(),
            fields: vec![],
        }));
        assert_eq!(
            error.to_string(),
            "querying Account: INVALID_FIELD: SELECT Foo ^ No such column (job 750000000000001AAA)"
        );
        assert_eq!(error.error_code(), Some("INVALID_FIELD"));
    }
}
