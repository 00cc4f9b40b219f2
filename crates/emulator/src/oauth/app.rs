// SPDX-License-Identifier: Apache-2.0
//! The apps that may ask for tokens: the built-in `PlatformCLI`, the one every emulated org starts with, and those that
//! tests register.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::oauth::external_client_app::{Component, Consumer};
use crate::session::Scopes;

/// Salesforce's own public client, which `sf` uses: no secret, PKCE, and no rotation, because `sf` does not keep a rotated
/// refresh token (`salesforce-api.md` 1.3, 1.5).
pub const PLATFORM_CLI: &str = "PlatformCLI";

/// Who may use an app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Permitted {
    /// Everyone who approves it for himself.
    SelfAuthorize,
    /// Only these users and those of [`App::permission_sets`] and [`App::profiles`], who need not approve it ("Admin
    /// approved users are pre-authorized").
    AdminApproved(BTreeSet<String>),
}

/// How long a refresh token is good for (`salesforce-api.md` 1.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefreshPolicy {
    /// From the approval on; 0 is "immediately expire", none is "until revoked".
    pub lifetime_seconds: Option<u64>,
    /// From its last use on.
    pub idle_seconds: Option<u64>,
}

/// A connected app or external client app.
#[derive(Clone, Debug, Serialize, Deserialize)]
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
    /// Whether the secret must come with a code ("Require secret for Web Server Flow").
    pub secret_for_codes: bool,
    /// Whether the secret must come with a refresh token ("Require secret for Refresh Token Flow").
    pub secret_for_refresh: bool,
    /// Whether a refresh gives a new refresh token and ends the old one.
    pub rotate_refresh_tokens: bool,
    /// When refresh tokens expire.
    pub refresh_policy: RefreshPolicy,
    /// Session timeout of its sessions in place of the org's, in seconds.
    pub session_seconds: Option<u64>,
    /// Life of its access tokens in seconds where they are JWTs, which SOAP does not take (`salesforce-api.md` 1.4); none:
    /// they are opaque.
    pub jwt_access_token_seconds: Option<u64>,
    /// Who may use it.
    pub permitted: Permitted,
    /// Names of the permission sets whose users an admin approved.
    pub permission_sets: BTreeSet<String>,
    /// Names of the profiles whose users an admin approved.
    pub profiles: BTreeSet<String>,
    /// Users who approved it, with what they approved.
    pub approved: BTreeMap<String, Scopes>,
    /// The user that client credentials act as; none: that flow is off.
    pub run_as: Option<String>,
    /// PEM of the RSA public key, or of the certificate with it, that checks JWT bearer assertions; none: that flow is off.
    pub jwt_public_key_pem: Option<String>,
    /// Whether it may look into the tokens of other apps too.
    pub introspects_all: bool,
    /// Whether an admin installed it. Who has not approved one that is not installed meets `OAUTH_APPROVAL_ERROR_GENERIC`
    /// or "app must be installed into org" (`salesforce-api.md` 1.9).
    pub installed: bool,
    /// Whether an admin blocked it: nobody signs in with it, and its sessions are no good.
    pub blocked: bool,
    /// Id of the external client app that it is; none for a connected app.
    pub external_client_app: Option<String>,
}

impl App {
    /// A connected app that everybody may approve: no secret, no callbacks, no scopes, no rotation.
    pub fn new(client_id: &str, name: &str) -> App {
        App {
            client_id: client_id.to_owned(),
            client_secret: None,
            name: name.to_owned(),
            callbacks: Vec::new(),
            scopes: Scopes::new(),
            pkce_required: false,
            secret_for_codes: true,
            secret_for_refresh: true,
            rotate_refresh_tokens: false,
            refresh_policy: RefreshPolicy::default(),
            session_seconds: None,
            jwt_access_token_seconds: None,
            permitted: Permitted::SelfAuthorize,
            permission_sets: BTreeSet::new(),
            profiles: BTreeSet::new(),
            approved: BTreeMap::new(),
            run_as: None,
            jwt_public_key_pem: None,
            introspects_all: false,
            installed: true,
            blocked: false,
            external_client_app: None,
        }
    }

    /// Whether a redirect address is one of the app's. `PlatformCLI` listens on a port of the caller's choice.
    pub fn has_callback(&self, redirect_uri: &str) -> bool {
        if self.client_id == PLATFORM_CLI {
            let port =
                redirect_uri.strip_prefix("http://localhost:").and_then(|rest| rest.strip_suffix("/OauthRedirect"));
            return port.is_some_and(|port| port.parse::<u16>().is_ok());
        }
        self.callbacks.iter().any(|callback| callback == redirect_uri)
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

/// The apps of one org, and the components that external client apps are made of.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Apps {
    by_client_id: BTreeMap<String, App>,
    /// Components of external client apps, as deployed.
    pub(crate) components: Vec<Component>,
    /// Keys of external client apps by the name of the application.
    pub(crate) consumers: BTreeMap<String, Consumer>,
    /// Certificates by name, as PEM.
    pub(crate) certificates: BTreeMap<String, String>,
    /// `ExternalClientAppSettings.enableClientSecretInRestApiAccess`: whether REST gives out consumer secrets.
    pub(crate) secrets_in_rest: bool,
    /// `OauthOidcSettings.blockOAuthUnPwFlow` turned off: the username-password flow works for connected apps.
    #[serde(default)]
    pub(crate) password_flow: bool,
    #[serde(skip)]
    changed: bool,
}

impl Apps {
    /// Registers an app, or replaces the one with its consumer key.
    pub fn register(&mut self, app: App) {
        self.changed = true;
        self.by_client_id.insert(app.client_id.clone(), app);
    }

    /// Takes out the app of a consumer key.
    pub fn remove(&mut self, client_id: &str) -> Option<App> {
        self.changed = true;
        self.by_client_id.remove(client_id)
    }

    /// The app of a consumer key.
    pub fn get(&self, client_id: &str) -> Option<&App> {
        self.by_client_id.get(client_id)
    }

    /// The app of a consumer key, to change it.
    pub fn get_mut(&mut self, client_id: &str) -> Option<&mut App> {
        self.changed = true;
        self.by_client_id.get_mut(client_id)
    }

    /// Every app, by consumer key.
    pub fn all(&self) -> impl Iterator<Item = &App> {
        self.by_client_id.values()
    }

    pub(crate) fn note_change(&mut self) {
        self.changed = true;
    }

    /// Whether something may have changed since this was asked last.
    pub(crate) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }
}

/// `PlatformCLI` as every org has it.
pub fn platform_cli() -> App {
    App {
        callbacks: vec!["http://localhost:1717/OauthRedirect".into()],
        scopes: ["api", "web", "refresh_token"].map(String::from).into(),
        pkce_required: true,
        ..App::new(PLATFORM_CLI, "Salesforce CLI")
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
