// SPDX-License-Identifier: Apache-2.0
//! What can go wrong with a vault, in the eight kinds that the whole product uses.
//!
//! Errors of the libraries below are classified by walking their sources: a damaged chunk stays [`Kind::Corrupt`]
//! however many layers of Parquet or Delta it came through.

use std::error::Error as StdError;
use std::fmt;

use crate::cipher::Damaged;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What the reader of an error should do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Correct the input or the configuration.
    Invalid,
    /// Check the name.
    NotFound,
    /// Wait: someone else writes.
    Busy,
    /// Give the right passphrase, or grant access to the place.
    Denied,
    /// Make room, or wait for the allowance.
    Limited,
    /// Try later.
    Unreachable,
    /// Run `orgkeep check`, touch nothing.
    Corrupt,
    /// Report it.
    Bug,
}

/// One failure: its kind, what happened, what it happened to, and perhaps the next step.
pub struct Error(Box<Inner>);

struct Inner {
    kind: Kind,
    what: String,
    context: Vec<(&'static str, String)>,
    hint: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    pub(crate) fn new(kind: Kind, what: impl Into<String>) -> Self {
        Error(Box::new(Inner { kind, what: what.into(), context: Vec::new(), hint: None, source: None }))
    }

    /// Wraps an error of a library below; its kind follows from what lies at the root of it.
    pub(crate) fn because(what: impl Into<String>, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let source = source.into();
        let mut error = Self::new(classify(source.as_ref()), what);
        if is_full(source.as_ref()) {
            error.0.hint = Some("the place is full: make room, then run it again; what is there stays valid".into());
        }
        error.0.source = Some(source);
        error
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.0.context.push((name, value.to_string()));
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    pub(crate) fn of_kind(mut self, kind: Kind) -> Self {
        self.0.kind = kind;
        self
    }

    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// What the thing was called that the error is about, such as `path` or `object`.
    pub fn context(&self) -> &[(&'static str, String)] {
        &self.0.context
    }

    /// The next step, where one is known.
    pub fn next_step(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// This error and its sources in one line, for places that keep only text.
    pub fn chain(&self) -> String {
        let mut line = self.to_string();
        let mut source = self.source();
        while let Some(error) = source {
            line.push_str(": ");
            line.push_str(&error.to_string());
            source = error.source();
        }
        line
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.what)?;
        for (index, (name, value)) in self.0.context.iter().enumerate() {
            write!(f, "{}{name} {value}", if index == 0 { " (" } else { ", " })?;
        }
        if self.0.context.is_empty() { Ok(()) } else { f.write_str(")") }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.0.kind, self.chain())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_ref().map(|source| source.as_ref() as &(dyn StdError + 'static))
    }
}

fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| below(*error))
}

fn below<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    // Some wrappers keep the error they carry out of `source()`; look into those that we know.
    if let Some(parquet::errors::ParquetError::External(inner)) = error.downcast_ref() {
        return Some(inner.as_ref());
    }
    if let Some(arrow_schema::ArrowError::ExternalError(inner)) = error.downcast_ref() {
        return Some(inner.as_ref());
    }
    error.source()
}

fn is_full(error: &(dyn StdError + 'static)) -> bool {
    chain(error).any(|error| {
        error.downcast_ref::<std::io::Error>().is_some_and(|error| {
            matches!(error.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded)
        })
    })
}

fn classify(error: &(dyn StdError + 'static)) -> Kind {
    use object_store::Error as Store;
    let mut kind = None;
    for error in chain(error) {
        if error.is::<Damaged>() {
            return Kind::Corrupt;
        }
        if let Some(error) = error.downcast_ref::<Error>() {
            return error.kind();
        }
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            match error.kind() {
                std::io::ErrorKind::PermissionDenied => return Kind::Denied,
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => return Kind::Limited,
                _ => {}
            }
        }
        if let Some(error) = error.downcast_ref::<Store>() {
            kind = Some(match error {
                Store::NotFound { .. } => Kind::NotFound,
                Store::AlreadyExists { .. } | Store::Precondition { .. } | Store::NotModified { .. } => Kind::Busy,
                Store::PermissionDenied { .. } | Store::Unauthenticated { .. } => Kind::Denied,
                Store::InvalidPath { .. } | Store::UnknownConfigurationKey { .. } => Kind::Invalid,
                _ => Kind::Unreachable,
            });
        }
    }
    // Whatever is not the store's fault is content that a reader of Parquet, Delta or JSON could not take.
    kind.unwrap_or(Kind::Corrupt)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrapped(source: std::io::Error) -> Error {
        let store = object_store::Error::Generic { store: "LocalFileSystem", source: Box::new(source) };
        Error::because("a data file cannot be written", store).with("path", "orgs/x").with("object", "Account")
    }

    #[test]
    fn a_full_disk_says_what_to_do() {
        let error = wrapped(std::io::ErrorKind::StorageFull.into());
        assert_eq!(error.kind(), Kind::Limited);
        assert!(error.next_step().is_some_and(|hint| hint.contains("make room")));
        assert_eq!(wrapped(std::io::ErrorKind::PermissionDenied.into()).kind(), Kind::Denied);
        assert_eq!(wrapped(std::io::ErrorKind::TimedOut.into()).kind(), Kind::Unreachable);
    }

    #[test]
    fn damage_stays_damage_through_every_layer() {
        let store = object_store::Error::Generic { store: "vault", source: Box::new(Damaged("chunk 3".into())) };
        let parquet = parquet::errors::ParquetError::External(Box::new(store));
        let arrow = arrow_schema::ArrowError::ExternalError(Box::new(parquet));
        assert_eq!(Error::because("reading", arrow).kind(), Kind::Corrupt);
    }

    #[test]
    fn a_message_is_one_line_and_does_not_repeat_its_source() {
        let error = wrapped(std::io::ErrorKind::TimedOut.into());
        assert_eq!(error.to_string(), "a data file cannot be written (path orgs/x, object Account)");
        assert!(error.chain().starts_with("a data file cannot be written (path orgs/x, object Account): Generic"));
    }
}
