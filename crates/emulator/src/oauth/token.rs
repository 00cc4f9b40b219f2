// SPDX-License-Identifier: Apache-2.0
//! `/services/oauth2/token` (`salesforce-api.md` 1.4): every grant that buys an access token.
//!
//! The app shows who it is in the body or by HTTP Basic. There is never an `expires_in`: a client learns of a session's
//! end by a 401. The username-password flow is off until the org's settings allow it, as in orgs made since Summer '23, and
//! device codes are blocked.

use std::sync::Arc;

use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::HeaderMap;
use serde_json::{Map, Value};

use crate::Emulator;
use crate::answer::Answer;
use crate::faces::lock;
use crate::host::{OrgKind, Place};
use crate::oauth::app::{App, Permitted};
use crate::oauth::refusal::Refusal;
use crate::oauth::{identity, jwt, policy};
use crate::org::Org;
use crate::request::{self, Query};
use crate::session::Scopes;

/// Scopes that client credentials cannot have (`salesforce-api.md` 1.4).
const NOT_FOR_CLIENT_CREDENTIALS: [&str; 4] = ["full", "refresh_token", "web", "openid"];

/// A token request in its setting.
pub struct Exchange<'a> {
    pub emulator: &'a Emulator,
    pub form: &'a Query,
    pub headers: &'a HeaderMap,
    /// `http://host` as the client calls it.
    pub base_url: &'a str,
    /// What that host means.
    pub place: Place,
}

/// What a client shows for itself.
enum Shown {
    Nothing,
    Secret(String),
    Assertion(String),
}

const CLIENT_ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Answers a token request.
pub fn token(exchange: &Exchange<'_>) -> Answer {
    let answer = match exchange.form.get("grant_type") {
        _ if matches!(exchange.place, Place::NoApi) => Err(Refusal::grant("request not supported on this domain")),
        Some("authorization_code") => exchange.authorization_code(),
        Some("refresh_token") => exchange.refresh_token(),
        Some("client_credentials") => exchange.client_credentials(),
        Some("urn:ietf:params:oauth:grant-type:jwt-bearer") => exchange.jwt_bearer(),
        Some("password") => exchange.password(),
        Some(_) => Err(Refusal::new("unsupported_grant_type", "grant type not supported")),
        None if exchange.form.get("response_type") == Some("device_code") => {
            Err(Refusal::new("unsupported_grant_type", "grant type not supported"))
        }
        None => Err(Refusal::missing("grant_type")),
    };
    let answer = match answer {
        Ok(members) => exchange.in_format(members),
        Err(refusal) => refusal.into(),
    };
    answer.header("cache-control", "no-store").header("pragma", "no-cache")
}

impl Exchange<'_> {
    fn required(&self, parameter: &str) -> Result<&str, Refusal> {
        self.form.get(parameter).filter(|value| !value.is_empty()).ok_or_else(|| Refusal::missing(parameter))
    }

    /// Consumer key and how the client shows that it is the one: in the body, by HTTP Basic, or by an assertion.
    fn client(&self) -> Result<(String, Shown), Refusal> {
        if let Some(basic) =
            request::header(self.headers, "authorization").and_then(|value| value.strip_prefix("Basic "))
        {
            let decoded = STANDARD.decode(basic.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let pair = decoded.as_deref().and_then(|text| text.split_once(':'));
            let (key, secret) = pair.ok_or_else(Refusal::wrong_secret)?;
            return Ok((key.to_owned(), Shown::Secret(secret.to_owned())));
        }
        if let Some(assertion) = self.form.get("client_assertion") {
            let kind = self.form.get("client_assertion_type");
            let claims = jwt::unverified(assertion).filter(|_| kind == Some(CLIENT_ASSERTION_TYPE));
            let claims = claims.ok_or_else(Refusal::wrong_secret)?;
            return Ok((claims.iss, Shown::Assertion(assertion.to_owned())));
        }
        let secret = self.form.get("client_secret").filter(|secret| !secret.is_empty());
        Ok((
            self.required("client_id")?.to_owned(),
            secret.map_or(Shown::Nothing, |secret| Shown::Secret(secret.to_owned())),
        ))
    }

    /// The org and app that ask. `needs_secret` says whether this app must show its secret for this flow; a wrong one is
    /// refused also where none is needed.
    fn authenticated(&self, needs_secret: impl FnOnce(&App) -> bool) -> Result<(Arc<Org>, App), Refusal> {
        let (client_id, shown) = self.client()?;
        let (org, app) = self.emulator.app_at(&self.place, &client_id).ok_or_else(Refusal::unknown_client)?;
        let good = match (&app.client_secret, &shown) {
            (None, _) => true,
            (Some(right), Shown::Secret(given)) => right == given,
            (Some(_), Shown::Nothing) => !needs_secret(&app),
            (Some(_), Shown::Assertion(assertion)) => app
                .jwt_public_key_pem
                .as_deref()
                .is_some_and(|key| jwt::verify(assertion, key, &self.audiences(&org), org.clock().now()).is_ok()),
        };
        if good { Ok((org, app)) } else { Err(Refusal::wrong_secret()) }
    }

    fn audiences(&self, org: &Org) -> jwt::Audiences<'_> {
        jwt::Audiences { base_url: self.base_url, is_sandbox: org.kind() == OrgKind::Sandbox }
    }

    /// The app as this org has it: apps with the same key may be in several.
    fn app_in(org: &Org, client_id: &str) -> Option<App> {
        lock(&org.faces.apps).get(client_id).cloned()
    }

    fn authorization_code(&self) -> Result<Map<String, Value>, Refusal> {
        let (_, app) = self.authenticated(|app| app.secret_for_codes)?;
        let text = self.required("code")?;
        let expired = || Refusal::grant("expired authorization code");
        let taken = self.emulator.orgs_at(&self.place).into_iter().find_map(|org| {
            let code = lock(&org.faces.sessions).take_code(text, true, org.clock().now())?;
            Some((org, code))
        });
        let (org, code) = taken.filter(|(_, code)| code.client_id == app.client_id).ok_or_else(expired)?;
        let app = Self::app_in(&org, &app.client_id).ok_or_else(expired)?;
        if self.form.get("redirect_uri").is_some_and(|uri| uri != code.redirect_uri) {
            return Err(Refusal::new("redirect_uri_mismatch", "redirect_uri must match configuration"));
        }
        if let Some(challenge) = &code.challenge
            && self.form.get("code_verifier").is_none_or(|verifier| challenge_of(verifier) != *challenge)
        {
            return Err(Refusal::grant("invalid code verifier"));
        }
        policy::check(&org, &app, &code.user_id)?;
        let now = org.clock().now();
        let granted = code
            .scopes
            .contains("refresh_token")
            .then(|| lock(&org.faces.sessions).grant(&code.user_id, &app.client_id, code.scopes.clone(), now));
        let number = granted.as_ref().map(|(number, _)| *number);
        let token = self.open(&org, &app, &code.user_id, number, &code.scopes);
        let refresh_token = granted.map(|(_, token)| token);
        let id = self.identity_url(&org, &code.user_id);
        let mut answer = Map::new();
        answer.insert("access_token".into(), token.into());
        if let Some(token) = refresh_token {
            answer.insert("refresh_token".into(), token.into());
        }
        self.sign(&mut answer, &app, &id, now);
        answer.insert("scope".into(), scope_text(&code.scopes).into());
        if code.scopes.contains("openid") {
            let token = jwt::id_token(self.base_url, &id, &app.client_id, code.nonce.as_deref(), now);
            answer.insert("id_token".into(), token.into());
        }
        self.finish(&mut answer, &org, id, now);
        Ok(answer)
    }

    fn refresh_token(&self) -> Result<Map<String, Value>, Refusal> {
        let (_, app) = self.authenticated(|app| app.secret_for_refresh)?;
        let text = self.required("refresh_token")?;
        let expired = || Refusal::grant("expired access/refresh token");
        // The org is found before anything changes: presenting a used token to the wrong org must not touch it.
        let org = self
            .emulator
            .orgs_at(&self.place)
            .into_iter()
            .find(|org| lock(&org.faces.sessions).knows_refresh_token(text))
            .ok_or_else(expired)?;
        let app = Self::app_in(&org, &app.client_id).ok_or_else(expired)?;
        let now = org.clock().now();
        // A refusal for who the user is must not use up the token.
        let owner = lock(&org.faces.sessions).grant_of(text).map(|grant| grant.user_id.clone());
        if let Some(user) = owner.and_then(|user_id| org.user(&user_id)) {
            org.entry(&user)?;
            policy::check(&org, &app, &user.id)?;
        }
        let refreshed =
            lock(&org.faces.sessions).refresh(text, &app.client_id, app.rotate_refresh_tokens, app.refresh_policy, now);
        let (number, grant, next) = refreshed.map_err(|_| expired())?;
        let token = self.open(&org, &app, &grant.user_id, Some(number), &grant.scopes);
        let id = self.identity_url(&org, &grant.user_id);
        let mut answer = Map::new();
        answer.insert("access_token".into(), token.into());
        if let Some(next) = next {
            answer.insert("refresh_token".into(), next.into());
        }
        self.sign(&mut answer, &app, &id, now);
        answer.insert("scope".into(), scope_text(&grant.scopes).into());
        self.finish(&mut answer, &org, id, now);
        Ok(answer)
    }

    fn client_credentials(&self) -> Result<Map<String, Value>, Refusal> {
        if matches!(self.place, Place::Login | Place::Test) {
            return Err(Refusal::grant("request not supported on this domain"));
        }
        let (org, app) = self.authenticated(|_| true)?;
        if app.client_secret.is_none() {
            return Err(Refusal::wrong_secret());
        }
        let run_as = app.run_as.as_deref().ok_or_else(|| Refusal::grant("no client credentials user enabled"))?;
        let user = org.user(run_as).ok_or_else(|| Refusal::grant("no client credentials user enabled"))?;
        org.entry(&user)?;
        // No one approves: an app that is not installed is refused whatever its users did.
        if !app.installed && app.external_client_app.is_none() {
            return Err(Refusal::not_installed());
        }
        policy::check(&org, &app, &user.id)?;
        let mut scopes = app.scopes_for(self.form.get("scope")).unwrap_or_default();
        scopes.retain(|scope| !NOT_FOR_CLIENT_CREDENTIALS.contains(&scope.as_str()));
        if scopes.is_empty() {
            return Err(Refusal::grant("no valid scopes defined"));
        }
        let now = org.clock().now();
        let token = self.open(&org, &app, &user.id, None, &scopes);
        let id = self.identity_url(&org, &user.id);
        let mut answer = Map::new();
        answer.insert("access_token".into(), token.into());
        self.sign(&mut answer, &app, &id, now);
        answer.insert("scope".into(), scope_text(&scopes).into());
        self.finish(&mut answer, &org, id, now);
        answer.insert("api_instance_url".into(), self.emulator.instance_url(self.base_url, &org).into());
        Ok(answer)
    }

    fn jwt_bearer(&self) -> Result<Map<String, Value>, Refusal> {
        let assertion = self.required("assertion")?;
        let claims = jwt::unverified(assertion).ok_or_else(|| Refusal::grant("invalid assertion"))?;
        let (org, app) = self.emulator.app_at(&self.place, &claims.iss).ok_or_else(Refusal::unknown_client)?;
        let key = app.jwt_public_key_pem.as_deref().ok_or_else(|| Refusal::grant("invalid assertion"))?;
        let now = org.clock().now();
        jwt::verify(assertion, key, &self.audiences(&org), now)?;
        let user = org.user_named(&claims.sub).ok_or_else(|| Refusal::grant("user hasn't approved this consumer"))?;
        org.entry(&user)?;
        policy::check(&org, &app, &user.id)?;
        let scopes = match &app.permitted {
            Permitted::AdminApproved(_) => app.scopes.clone(),
            Permitted::SelfAuthorize => app
                .approved
                .get(&user.id)
                .cloned()
                .ok_or_else(|| Refusal::grant("user hasn't approved this consumer"))?,
        };
        let token = self.open(&org, &app, &user.id, None, &scopes);
        let mut answer = Map::new();
        answer.insert("access_token".into(), token.into());
        answer.insert("scope".into(), scope_text(&scopes).into());
        answer.insert("instance_url".into(), self.emulator.instance_url(self.base_url, &org).into());
        answer.insert("id".into(), self.identity_url(&org, &user.id).into());
        answer.insert("token_type".into(), "Bearer".into());
        Ok(answer)
    }

    /// Off unless the org's settings allow it, and impossible for external client apps: then even right credentials meet
    /// the answer to wrong ones.
    fn password(&self) -> Result<Map<String, Value>, Refusal> {
        let (org, app) = self.authenticated(|_| true)?;
        let (username, password) = (self.required("username")?, self.required("password")?);
        let failure = || Refusal::grant("authentication failure");
        let is_on = lock(&org.faces.apps).password_flow && app.external_client_app.is_none();
        let (org, user) = match is_on {
            true => self.emulator.log_in_at(&self.place, username, password)?,
            false => return Err(failure()),
        };
        let app = Self::app_in(&org, &app.client_id).ok_or_else(failure)?;
        policy::check(&org, &app, &user.id)?;
        let now = org.clock().now();
        let token = self.open(&org, &app, &user.id, None, &app.scopes);
        let id = self.identity_url(&org, &user.id);
        let mut answer = Map::new();
        answer.insert("access_token".into(), token.into());
        self.finish(&mut answer, &org, id.clone(), now);
        self.sign(&mut answer, &app, &id, now);
        Ok(answer)
    }

    /// Opens a session by the app's policies and gives its token.
    fn open(&self, org: &Org, app: &App, user_id: &str, grant: Option<u64>, scopes: &Scopes) -> String {
        let now = org.clock().now();
        let mut sessions = lock(&org.faces.sessions);
        let client_id = Some(app.client_id.as_str());
        let session =
            sessions.open_for(org.id15(), user_id, client_id, grant, scopes.clone(), now, app.session_seconds);
        let Some(seconds) = app.jwt_access_token_seconds else { return session.token };
        let expires_ms = now.saturating_add(i64::try_from(seconds).unwrap_or(i64::MAX / 1000).saturating_mul(1000));
        let token = jwt::access_token(self.base_url, user_id, &app.client_id, &scope_text(scopes), now, expires_ms);
        sessions.replace_token(&session.token, token.clone(), expires_ms);
        token
    }

    fn identity_url(&self, org: &Org, user_id: &str) -> String {
        identity::url(self.base_url, &org.id, user_id)
    }

    /// `signature` = Base64(HMAC-SHA256(consumer secret, `id` and `issued_at`)).
    fn sign(&self, answer: &mut Map<String, Value>, app: &App, id: &str, now_ms: i64) {
        let key = hmac::Key::new(hmac::HMAC_SHA256, app.client_secret.as_deref().unwrap_or_default().as_bytes());
        let tag = hmac::sign(&key, format!("{id}{now_ms}").as_bytes());
        answer.insert("signature".into(), STANDARD.encode(tag.as_ref()).into());
    }

    fn finish(&self, answer: &mut Map<String, Value>, org: &Org, id: String, now_ms: i64) {
        answer.insert("instance_url".into(), self.emulator.instance_url(self.base_url, org).into());
        answer.insert("id".into(), id.into());
        answer.insert("token_type".into(), "Bearer".into());
        answer.insert("issued_at".into(), now_ms.to_string().into());
    }

    /// JSON, or what `format` or `Accept` asks for.
    fn in_format(&self, members: Map<String, Value>) -> Answer {
        let accept = request::header(self.headers, "accept").unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        match self.form.get("format") {
            Some("urlencoded") => {
                let mut pairs = url::form_urlencoded::Serializer::new(String::new());
                for (name, value) in &members {
                    pairs.append_pair(name, &text(value));
                }
                Answer::bytes(200, "application/x-www-form-urlencoded;charset=UTF-8", pairs.finish())
            }
            format if format == Some("xml") || (format.is_none() && accept.starts_with("application/xml")) => {
                let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?><OAuth>");
                for (name, value) in &members {
                    xml += &format!("<{name}>{}</{name}>", quick_xml::escape::escape(text(value)));
                }
                xml += "</OAuth>";
                Answer::bytes(200, "application/xml;charset=UTF-8", xml)
            }
            _ => Answer::ok(Value::Object(members)),
        }
    }
}

/// PKCE, method S256: BASE64URL(SHA-256(verifier)) without padding.
pub fn challenge_of(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()).as_ref())
}

/// Scopes as answers write them.
pub fn scope_text(scopes: &Scopes) -> String {
    scopes.iter().map(String::as_str).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_is_that_of_rfc_7636() {
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        assert_eq!(challenge_of(verifier), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }
}
