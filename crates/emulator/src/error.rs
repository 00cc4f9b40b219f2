// SPDX-License-Identifier: Apache-2.0
//! Salesforce's own errors, with its codes and texts (`salesforce-api.md` 2.1 "Error format" and 6.6).
//!
//! [`ApiError`] refuses a whole request; [`SaveError`] refuses one row of it and says nothing of HTTP, because the same
//! refusal is a status 400 in a single-row call, an element in a collection and a line in a Bulk result.

/// A request that is refused.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiError {
    pub status: u16,
    pub code: String,
    pub message: String,
    pub fields: Vec<String>,
    /// Members that this error carries beside the usual three, e.g. `duplicateResut`.
    pub extra: Option<Box<serde_json::Value>>,
    /// Further errors of the same row: each validation rule that is broken has its own.
    pub further: Box<[SaveError]>,
}

impl ApiError {
    pub fn new(status: u16, code: &str, message: impl Into<String>) -> ApiError {
        ApiError {
            status,
            code: code.to_owned(),
            message: message.into(),
            fields: Vec::new(),
            extra: None,
            further: Box::default(),
        }
    }

    pub fn with_fields(mut self, fields: Vec<String>) -> ApiError {
        self.fields = fields;
        self
    }

    pub fn malformed_query(message: impl Into<String>) -> ApiError {
        ApiError::new(400, "MALFORMED_QUERY", message)
    }

    pub fn invalid_field(message: impl Into<String>) -> ApiError {
        ApiError::new(400, "INVALID_FIELD", message)
    }

    pub fn invalid_type(message: impl Into<String>) -> ApiError {
        ApiError::new(400, "INVALID_TYPE", message)
    }

    pub fn malformed_id(id: &str) -> ApiError {
        ApiError::new(400, "MALFORMED_ID", format!("malformed id {id}"))
    }

    pub fn not_found() -> ApiError {
        ApiError::new(404, "NOT_FOUND", "The requested resource does not exist")
    }

    pub fn entity_is_deleted() -> ApiError {
        ApiError::new(404, "ENTITY_IS_DELETED", "entity is deleted")
    }

    pub fn json_parser(message: impl Into<String>) -> ApiError {
        ApiError::new(400, "JSON_PARSER_ERROR", message)
    }

    pub fn invalid_session() -> ApiError {
        ApiError::new(401, "INVALID_SESSION_ID", "Session expired or invalid")
    }

    pub fn api_disabled() -> ApiError {
        ApiError::new(403, "API_DISABLED_FOR_ORG", "API is not enabled for this Organization or Partner")
    }

    pub fn request_limit_exceeded() -> ApiError {
        ApiError::new(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
    }

    pub fn insufficient_access() -> ApiError {
        ApiError::new(
            403,
            "INSUFFICIENT_ACCESS",
            "You do not have the level of access necessary to perform the operation you requested. Please contact the owner of the record or your administrator if access is necessary.",
        )
    }

    pub fn method_not_allowed(method: &str, allowed: &str) -> ApiError {
        ApiError::new(405, "METHOD_NOT_ALLOWED", format!("HTTP Method '{method}' not allowed. Allowed are {allowed}"))
    }

    pub fn invalid_query_locator() -> ApiError {
        ApiError::new(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
    }
}

/// A row that is refused.
#[derive(Clone, Debug, PartialEq)]
pub struct SaveError {
    pub code: String,
    pub message: String,
    pub fields: Vec<String>,
    /// Members beside the usual ones; see [`ApiError::extra`].
    pub extra: Option<Box<serde_json::Value>>,
    /// See [`ApiError::further`].
    pub further: Box<[SaveError]>,
}

impl SaveError {
    pub fn new(code: &str, message: impl Into<String>, fields: &[&str]) -> SaveError {
        let fields = fields.iter().map(|field| (*field).to_owned()).collect();
        SaveError { code: code.to_owned(), message: message.into(), fields, extra: None, further: Box::default() }
    }

    /// It and the further ones of its row.
    pub fn all(&self) -> impl Iterator<Item = &SaveError> {
        std::iter::once(self).chain(&*self.further)
    }

    pub fn required(fields: Vec<String>) -> SaveError {
        let message = format!("Required fields are missing: [{}]", fields.join(", "));
        SaveError { fields, ..SaveError::new("REQUIRED_FIELD_MISSING", message, &[]) }
    }

    pub fn no_such_column(column: &str, object: &str) -> SaveError {
        SaveError::new("INVALID_FIELD", format!("No such column '{column}' on sobject of type {object}"), &[])
    }

    pub fn not_writable(fields: Vec<String>) -> SaveError {
        let message = format!(
            "Unable to create/update fields: {}. Please check the security settings of this field and verify that it is \
             read/write for your profile or permission set.",
            fields.join(", ")
        );
        SaveError { fields, ..SaveError::new("INVALID_FIELD_FOR_INSERT_UPDATE", message, &[]) }
    }

    pub fn malformed_id(id: &str, field: &str) -> SaveError {
        SaveError::new("MALFORMED_ID", format!("malformed id {id}"), &[field])
    }

    pub fn wrong_object_id(label: &str, id: &str, field: &str) -> SaveError {
        SaveError::new("MALFORMED_ID", format!("{label}: id value of incorrect type: {id}"), &[field])
    }

    pub fn invalid_cross_reference(fields: &[&str]) -> SaveError {
        SaveError::new("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", fields)
    }

    pub fn entity_is_deleted() -> SaveError {
        SaveError::new("ENTITY_IS_DELETED", "entity is deleted", &[])
    }

    pub fn not_found() -> SaveError {
        SaveError::new("NOT_FOUND", "The requested resource does not exist", &[])
    }

    pub fn insufficient_access() -> SaveError {
        SaveError::new("INSUFFICIENT_ACCESS_OR_READONLY", "insufficient access rights on object id", &[])
    }

    pub fn duplicate_value(field: &str, id: &str) -> SaveError {
        let id = crate::id::to15(id);
        SaveError::new(
            "DUPLICATE_VALUE",
            format!("duplicate value found: {field} duplicates value on record with id: {id}"),
            &[],
        )
    }
}

impl From<SaveError> for ApiError {
    /// As a single-row call answers: 404 for a row that is gone, 403 for missing rights, else 400.
    fn from(error: SaveError) -> ApiError {
        let status = match error.code.as_str() {
            "ENTITY_IS_DELETED" | "NOT_FOUND" => 404,
            "INVALID_CROSS_REFERENCE_KEY" if error.fields.is_empty() => 404,
            "UNKNOWN_EXCEPTION" => 500,
            "INSUFFICIENT_ACCESS_OR_READONLY" | "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY" => 403,
            _ => 400,
        };
        let SaveError { code, message, fields, extra, further } = error;
        ApiError { status, code, message, fields, extra, further }
    }
}

impl From<rusqlite::Error> for SaveError {
    /// What only a full disk or a fault of the emulator brings about.
    fn from(error: rusqlite::Error) -> SaveError {
        let message =
            format!("An unexpected error occurred. Please include this ErrorId if you contact support: {error}");
        SaveError::new("UNKNOWN_EXCEPTION", message, &[])
    }
}
