// SPDX-License-Identifier: Apache-2.0
//! Authorization codes, and logins that wait for consent, which are kept the same way (`salesforce-api.md` 1.3).

use super::Scopes;

/// An authorization code that was handed to an app, or a login that waits for consent.
#[derive(Clone, Debug)]
pub struct Code {
    /// Who approved.
    pub user_id: String,
    /// For which app.
    pub client_id: String,
    /// What was approved.
    pub scopes: Scopes,
    /// The redirect address the code was sent to, which the token request must repeat.
    pub redirect_uri: String,
    /// PKCE: BASE64URL(SHA-256(verifier)).
    pub challenge: Option<String>,
    /// OpenID nonce.
    pub nonce: Option<String>,
    /// Whether consent was given: without it this is a login that waits, and buys no token.
    pub approved: bool,
    pub(super) issued_ms: i64,
}

impl Code {
    /// The same code, approved now, with its 15 minutes ahead of it.
    pub fn approve(self, now_ms: i64) -> Code {
        Code { approved: true, issued_ms: now_ms, ..self }
    }

    /// A code issued now.
    pub fn new(user_id: &str, client_id: &str, scopes: Scopes, redirect_uri: &str, now_ms: i64) -> Code {
        Code {
            user_id: user_id.into(),
            client_id: client_id.into(),
            scopes,
            redirect_uri: redirect_uri.into(),
            challenge: None,
            nonce: None,
            approved: false,
            issued_ms: now_ms,
        }
    }
}
