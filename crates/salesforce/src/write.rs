// SPDX-License-Identifier: Apache-2.0
//! The handle that writes to an org. It is a type of its own so that only what holds a plan can hold it.

use serde::Deserialize;

use crate::org::Org;

/// Writes by collections (`collections.rs`), ingest jobs (`bulk/ingest.rs`), files (`blob.rs`) and undelete
/// (`soap.rs`).
#[derive(Debug, Clone)]
pub struct Writer {
    org: Org,
}

impl Writer {
    pub fn new(org: Org) -> Writer {
        Writer { org }
    }

    pub fn org(&self) -> &Org {
        &self.org
    }
}

/// What became of one row.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct RowResult {
    pub id: Option<String>,
    pub success: bool,
    /// Said by upserts only.
    pub created: bool,
    pub errors: Vec<RowError>,
}

/// Why a row was refused (`salesforce-api.md` 6.6).
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct RowError {
    /// `REQUIRED_FIELD_MISSING`, …
    #[serde(rename = "statusCode", alias = "errorCode")]
    pub status_code: String,
    pub message: String,
    pub fields: Vec<String>,
}

impl RowError {
    /// The form of an ingest job's `sf__Error`, `CODE:message:fields--` (`salesforce-api.md` 3.2). The message may
    /// hold colons.
    pub fn from_bulk(text: &str) -> RowError {
        let Some((status_code, rest)) = text.split_once(':') else {
            return RowError { message: text.to_owned(), ..RowError::default() };
        };
        let (message, fields) = match rest.strip_suffix("--").and_then(|rest| rest.rsplit_once(':')) {
            Some((message, fields)) => (message, fields),
            None => (rest, ""),
        };
        let fields = fields.split(',').map(str::trim).filter(|field| !field.is_empty()).map(str::to_owned).collect();
        RowError { status_code: status_code.to_owned(), message: message.to_owned(), fields }
    }
}

impl std::fmt::Display for RowError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.status_code, self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_ingest_jobs_are_taken_apart() {
        let error = RowError::from_bulk("REQUIRED_FIELD_MISSING:Required fields are missing: [LastName]:LastName--");
        assert_eq!(error.status_code, "REQUIRED_FIELD_MISSING");
        assert_eq!(error.message, "Required fields are missing: [LastName]");
        assert_eq!(error.fields, ["LastName"]);

        let duplicate =
            "DUPLICATE_VALUE:duplicate value found: Ext__c duplicates value on record with id: a0524000005wNw0:--";
        let error = RowError::from_bulk(duplicate);
        assert_eq!(error.message, "duplicate value found: Ext__c duplicates value on record with id: a0524000005wNw0");
        assert!(error.fields.is_empty());

        assert_eq!(RowError::from_bulk("what").message, "what");
    }
}
