// SPDX-License-Identifier: Apache-2.0
//! What can go wrong, sorted by what the reader should do about it.

use std::fmt;

/// What the reader of an error should do. Decides exit code and retry in one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Correct the input or the configuration.
    Invalid,
    /// Check the name; a hint gives the nearest.
    NotFound,
    /// Wait: someone else writes, or the org moved since the plan.
    Busy,
    /// Sign in again, or grant the permission that is named.
    Denied,
    /// Wait for the API allowance.
    Limited,
    /// Try later.
    Unreachable,
    /// Run `orgkeep check`, touch nothing.
    Corrupt,
    /// Report it.
    Bug,
}

/// One failure: what was being done, why it did not work, and the next step.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    message: String,
    hint: Option<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None, source: None }
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Kind::Invalid, message)
    }

    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(Kind::NotFound, message)
    }

    pub fn busy(message: impl Into<String>) -> Self {
        Self::new(Kind::Busy, message)
    }

    pub fn bug(message: impl Into<String>) -> Self {
        Self::new(Kind::Bug, message).hint("please report this with the command you ran")
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    #[must_use]
    pub(crate) fn caused_by(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The next step, without a final period.
    pub fn next_step(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl From<orgkeep_salesforce::Error> for Error {
    fn from(error: orgkeep_salesforce::Error) -> Self {
        use orgkeep_salesforce::Kind as Api;
        let kind = match error.kind {
            Api::Invalid => Kind::Invalid,
            Api::NotFound => Kind::NotFound,
            Api::Busy => Kind::Busy,
            Api::Denied => Kind::Denied,
            Api::Limited => Kind::Limited,
            Api::Unreachable => Kind::Unreachable,
            Api::Corrupt => Kind::Corrupt,
            Api::Bug => Kind::Bug,
        };
        let hint = error.hint.as_deref().map(str::to_owned);
        Error { kind, message: error.to_string(), hint, source: error.source.map(|source| source as _) }
    }
}

impl From<orgkeep_vault::Error> for Error {
    fn from(error: orgkeep_vault::Error) -> Self {
        use orgkeep_vault::Kind as Vault;
        let kind = match error.kind() {
            Vault::Invalid => Kind::Invalid,
            Vault::NotFound => Kind::NotFound,
            Vault::Busy => Kind::Busy,
            Vault::Denied => Kind::Denied,
            Vault::Limited => Kind::Limited,
            Vault::Unreachable => Kind::Unreachable,
            Vault::Corrupt => Kind::Corrupt,
            Vault::Bug => Kind::Bug,
        };
        let hint = error.next_step().map(str::to_owned);
        Error { kind, message: error.to_string(), hint, source: Some(Box::new(error)) }
    }
}

/// The name in `known` that looks most like `name`, for a hint.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    known
        .into_iter()
        .map(|candidate| (distance(&name, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 3)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance over characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typing_slip_finds_its_name() {
        assert_eq!(nearest("Acount", ["Account", "Contact", "Asset"]), Some("Account"));
        assert_eq!(nearest("contact", ["Account", "Contact"]), Some("Contact"));
        assert_eq!(nearest("Zebra", ["Account", "Contact"]), None);
    }
}
