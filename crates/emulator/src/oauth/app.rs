// SPDX-License-Identifier: Apache-2.0
//! The apps that may ask for tokens: the built-in `PlatformCLI`, the one every emulated org starts with, and those that
//! tests register.

use std::collections::{BTreeMap, BTreeSet};

use crate::session::Scopes;

/// Salesforce's own public client, which `sf` uses: no secret, PKCE, and no rotation, because `sf` does not keep a rotated
/// refresh token (`salesforce-api.md` 1.3, 1.5).
pub const PLATFORM_CLI: &str = "PlatformCLI";

/// Who may use an app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Permitted {
    /// Everyone who approves it for himself.
    SelfAuthorize,
    /// Only these users, who need not approve it ("Admin approved users are pre-authorized").
    AdminApproved(BTreeSet<String>),
}

/// A connected app or external client app.
#[derive(Clone, Debug)]
pub struct App {
    /// The consumer key.
    pub client_id: String,
    /// The consumer secret; none for a public client.
    pub client_secret: Option<String>,
    /// The name people see when they approve it.
    pub name: String,
    /// Callback addresses; a request must name one exactly.
    pub callbacks: Vec<String>,
    /// The scopes it may be given.
    pub scopes: Scopes,
    /// Whether an authorization request without a code challenge is refused.
    pub pkce_required: bool,
    /// Whether a refresh gives a new refresh token and ends the old one.
    pub rotate_refresh_tokens: bool,
    /// Who may use it.
    pub permitted: Permitted,
    /// Users who approved it, with what they approved.
    pub approved: BTreeMap<String, Scopes>,
    /// The user that client credentials act as; none: that flow is off.
    pub run_as: Option<String>,
    /// PEM of the RSA public key that checks JWT bearer assertions; none: that flow is off.
    pub jwt_public_key_pem: Option<String>,
    /// A removed or blocked app: "app must be installed into org".
    pub installed: bool,
}

impl App {
    /// Whether a redirect address is one of the app's. `PlatformCLI` listens on a port of the caller's choice.
    pub fn has_callback(&self, redirect_uri: &str) -> bool {
        if self.client_id == PLATFORM_CLI {
            let port =
                redirect_uri.strip_prefix("http://localhost:").and_then(|rest| rest.strip_suffix("/OauthRedirect"));
            return port.is_some_and(|port| port.parse::<u16>().is_ok());
        }
        self.callbacks.iter().any(|callback| callback == redirect_uri)
    }

    /// Whether a user may use the app at all.
    pub fn permits(&self, user_id: &str) -> bool {
        match &self.permitted {
            Permitted::SelfAuthorize => true,
            Permitted::AdminApproved(users) => users.contains(user_id),
        }
    }

    /// Whether a user need not be asked for these scopes: an admin approved him, or he did so himself before.
    pub fn is_approved(&self, user_id: &str, scopes: &Scopes) -> bool {
        match &self.permitted {
            Permitted::SelfAuthorize => self.approved.get(user_id).is_some_and(|approved| scopes.is_subset(approved)),
            Permitted::AdminApproved(users) => users.contains(user_id),
        }
    }

    /// The scopes of a request's `scope` parameter, `None` when one is not allowed. No parameter asks for all; `full` in
    /// the app allows everything but a refresh token; `offline_access` is another name of `refresh_token`
    /// (`salesforce-api.md` 1.3).
    pub fn scopes_for(&self, requested: Option<&str>) -> Option<Scopes> {
        let Some(requested) = requested.filter(|text| !text.trim().is_empty()) else {
            return Some(self.scopes.clone());
        };
        let mut scopes = Scopes::new();
        for scope in requested.split_whitespace() {
            let scope = if scope == "offline_access" { "refresh_token" } else { scope };
            let allowed = self.scopes.contains(scope) || (scope != "refresh_token" && self.scopes.contains("full"));
            if !allowed {
                return None;
            }
            scopes.insert(scope.to_owned());
        }
        Some(scopes)
    }
}

/// The apps of one org by consumer key.
#[derive(Clone, Debug, Default)]
pub struct Apps {
    by_client_id: BTreeMap<String, App>,
}

impl Apps {
    /// Registers an app, or replaces the one with its consumer key.
    pub fn register(&mut self, app: App) {
        self.by_client_id.insert(app.client_id.clone(), app);
    }

    /// The app of a consumer key.
    pub fn get(&self, client_id: &str) -> Option<&App> {
        self.by_client_id.get(client_id)
    }

    /// The app of a consumer key, to change it.
    pub fn get_mut(&mut self, client_id: &str) -> Option<&mut App> {
        self.by_client_id.get_mut(client_id)
    }
}

/// `PlatformCLI` as every org has it.
pub fn platform_cli() -> App {
    App {
        client_id: PLATFORM_CLI.into(),
        client_secret: None,
        name: "Salesforce CLI".into(),
        callbacks: vec!["http://localhost:1717/OauthRedirect".into()],
        scopes: ["api", "web", "refresh_token"].map(String::from).into(),
        pkce_required: true,
        rotate_refresh_tokens: false,
        permitted: Permitted::SelfAuthorize,
        approved: BTreeMap::new(),
        run_as: None,
        jwt_public_key_pem: None,
        installed: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_those_of_the_app() {
        let app = platform_cli();
        assert_eq!(app.scopes_for(None).unwrap().len(), 3);
        assert!(app.scopes_for(Some("api offline_access")).unwrap().contains("refresh_token"));
        assert!(app.scopes_for(Some("api pardot_api")).is_none());
        let full = App { scopes: ["full".to_owned()].into(), ..app };
        assert!(full.scopes_for(Some("api")).is_some());
        assert!(full.scopes_for(Some("api refresh_token")).is_none());
    }

    #[test]
    fn callbacks_match_exactly() {
        let cli = platform_cli();
        assert!(cli.has_callback("http://localhost:7171/OauthRedirect"));
        assert!(
            !cli.has_callback("http://localhost:7171/OauthRedirect/x")
                && !cli.has_callback("http://evil:1/OauthRedirect")
        );
    }
}
