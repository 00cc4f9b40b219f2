// SPDX-License-Identifier: Apache-2.0
//! Errors of the OAuth endpoints: `{"error":…,"error_description":…}` with Salesforce's texts (`salesforce-api.md` 1.4).

use serde_json::json;

use crate::answer::Answer;
use crate::sign_in::NoEntry;

/// A refused OAuth request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status, where the answer is not a redirect.
    pub status: u16,
    /// OAuth's error code.
    pub error: &'static str,
    /// The text that clients match on.
    pub description: String,
}

impl Refusal {
    /// Status 400.
    pub fn new(error: &'static str, description: impl Into<String>) -> Refusal {
        Refusal { status: 400, error, description: description.into() }
    }

    /// `invalid_grant`.
    pub fn grant(description: &str) -> Refusal {
        Refusal::new("invalid_grant", description)
    }

    /// Unknown consumer key.
    pub fn unknown_client() -> Refusal {
        Refusal::new("invalid_client_id", "client identifier invalid")
    }

    /// Wrong secret.
    pub fn wrong_secret() -> Refusal {
        Refusal::new("invalid_client", "invalid client credentials")
    }

    /// An app that was removed or blocked.
    pub fn not_installed() -> Refusal {
        Refusal::new("invalid_client", "app must be installed into org")
    }

    /// A user whom the app's policy does not admit.
    pub fn not_admitted() -> Refusal {
        Refusal::new("invalid_app_access", "user is not admin approved to access this app")
    }

    /// A parameter that is not there.
    pub fn missing(parameter: &str) -> Refusal {
        Refusal::new("invalid_request", format!("missing required parameter: {parameter}"))
    }
}

impl From<NoEntry> for Refusal {
    /// The texts for inactive users and restricted addresses are those of public reports; that a sign-in outside the login
    /// hours fails like a wrong password is a guess.
    fn from(refused: NoEntry) -> Refusal {
        Refusal::grant(match refused {
            NoEntry::Inactive => "inactive user",
            NoEntry::Address => "ip restricted",
            NoEntry::Unknown | NoEntry::Time | NoEntry::NeedsToken => "authentication failure",
        })
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Answer {
        Answer::json(refusal.status, json!({"error": refusal.error, "error_description": refusal.description}))
    }
}
