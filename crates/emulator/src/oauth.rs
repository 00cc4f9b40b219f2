// SPDX-License-Identifier: Apache-2.0
//! OAuth and identity: the endpoints of `salesforce-api.md` 1.2, on every host alike.
//!
//! Which org a request is about follows from the consumer key, the username or the token, among those that its host stands
//! for (`host.rs`).

pub mod app;
mod authorize;
pub(crate) mod consumer;
pub mod external_client_app;
mod identity;
mod jwt;
mod pages;
pub(crate) mod policy;
mod refusal;
mod token;

use http::Method;
use serde_json::{Value, json};

pub(crate) use jwt::{TEST_PRIVATE_KEY_PEM, TEST_PUBLIC_KEY_PEM};
pub(crate) use pages::page;
pub use token::challenge_of;

use crate::Emulator;
use crate::answer::Answer;
use crate::error::ApiError;
use crate::faces::lock;
use crate::oauth::refusal::Refusal;
use crate::request::{self, Query, Request};

/// Answers a request below `/services/oauth2`, `/id` or `/.well-known`, or nothing when there is no such endpoint.
pub(crate) async fn route(emulator: &Emulator, mut request: Request, base_url: &str) -> Option<Answer> {
    let path = request.path.clone();
    let segments: Vec<&str> = path.iter().map(String::as_str).collect();
    let form = match form_of(&mut request).await {
        Ok(form) => form,
        Err(error) => return Some(error.into()),
    };
    let posts = request.method == Method::POST;
    let place = emulator.place(base_url);
    let answer = match segments[..] {
        ["services", "oauth2", "authorize"] => authorize::authorize(emulator, &form, &place),
        ["services", "oauth2", "token"] if posts => {
            token::token(&token::Exchange { emulator, form: &form, headers: &request.headers, base_url, place })
        }
        ["services", "oauth2", "token"] => Refusal::new("invalid_request", "must use HTTP POST").into(),
        ["services", "oauth2", "revoke"] => revoke(emulator, &form),
        ["services", "oauth2", "introspect"] if posts => introspect(emulator, &form, base_url),
        ["services", "oauth2", "userinfo"] => identity::userinfo(emulator, &request.headers, &form, base_url),
        ["services", "oauth2", "singleaccess"] if posts => single_access(emulator, &request, &form, base_url),
        ["services", "oauth2", "success"] => Answer::page(200, pages::success()),
        ["id", "keys"] => Answer::ok(jwt::key_set()),
        ["id", org, user] => identity::identity(emulator, org, user, &request.headers, &form, base_url),
        [".well-known", "openid-configuration"] => Answer::ok(discovery(base_url)),
        _ => return None,
    };
    Some(answer)
}

/// The query's pairs, followed by those of a posted form.
async fn form_of(request: &mut Request) -> Result<Query, ApiError> {
    let mut pairs = request.query.0.clone();
    if request.method == Method::POST {
        let body = request.body_bytes().await?;
        pairs.extend(Query::parse(&String::from_utf8_lossy(&body)).0);
    }
    Ok(Query(pairs))
}

/// Revoking a refresh token ends its access tokens; revoking an access token leaves the refresh token
/// (`salesforce-api.md` 1.6).
fn revoke(emulator: &Emulator, form: &Query) -> Answer {
    if form.get("token_type_hint").is_some_and(|hint| !matches!(hint, "access_token" | "refresh_token")) {
        return Refusal::new("unsupported_token_type", "this token type is not supported").into();
    }
    let Some(token) = form.get("token") else { return Refusal::missing("token").into() };
    let revoked = emulator.orgs().iter().any(|org| lock(&org.faces.sessions).revoke(token));
    if revoked { Answer::empty(200) } else { Refusal::new("invalid_token", format!("invalid token: {token}")).into() }
}

/// Turns an access token into an address that logs a browser in (`salesforce-api.md` 1.2), as `sf org open` asks for. There
/// is no browser session here: the address leads to the start page.
fn single_access(emulator: &Emulator, request: &Request, form: &Query, base_url: &str) -> Answer {
    let session = bearer(&request.headers, form).and_then(|token| emulator.session_at(&token, base_url));
    let Some((org, _)) = session else {
        return Refusal::new("invalid_token", "expired access/refresh token").into();
    };
    let otp = lock(&org.faces.sessions).random_text(40);
    Answer::ok(json!({"frontdoor_uri": format!("{base_url}/secur/frontdoor.jsp?otp={otp}")}))
}

fn introspect(emulator: &Emulator, form: &Query, base_url: &str) -> Answer {
    let client = form.get("client_id").and_then(|client_id| emulator.app(client_id));
    let Some((_, app)) = client.filter(|(_, app)| app.client_secret.as_deref() == form.get("client_secret")) else {
        return Answer::from(Refusal { status: 401, ..Refusal::wrong_secret() });
    };
    let Some(token) = form.get("token") else { return Refusal::missing("token").into() };
    for org in emulator.orgs() {
        let now = org.clock().now();
        let sessions = lock(&org.faces.sessions);
        let found = sessions
            .look_at(token, now)
            .map(|session| {
                let (issued, expires) = (session.issued_ms, Some(session.expires_ms));
                (
                    session.user_id.clone(),
                    session.client_id.clone(),
                    session.scopes.clone(),
                    "access_token",
                    issued,
                    expires,
                )
            })
            .or_else(|| {
                let grant = sessions.grant_of(token)?;
                let client_id = Some(grant.client_id.clone());
                Some((grant.user_id.clone(), client_id, grant.scopes.clone(), "refresh_token", grant.issued_ms, None))
            });
        drop(sessions);
        let Some((user_id, client_id, scopes, token_type, issued_ms, expires_ms)) = found else { continue };
        if client_id.as_deref() != Some(app.client_id.as_str()) && !app.introspects_all {
            break;
        }
        let username = org.user(&user_id).map(|user| user.row.text("Username").to_owned());
        let mut answer = json!({
            "active": true,
            "scope": token::scope_text(&scopes),
            "client_id": client_id,
            "username": username,
            "sub": identity::url(base_url, &org.id, &user_id),
            "token_type": token_type,
        });
        if let Some(expires_ms) = expires_ms {
            answer["exp"] = Value::from(expires_ms / 1000);
        }
        answer["iat"] = Value::from(issued_ms / 1000);
        answer["nbf"] = Value::from(issued_ms / 1000);
        return Answer::ok(answer);
    }
    Answer::ok(json!({"active": false}))
}

/// OpenID Connect discovery.
fn discovery(base_url: &str) -> Value {
    let at = |path: &str| format!("{base_url}{path}");
    json!({
        "issuer": base_url,
        "authorization_endpoint": at("/services/oauth2/authorize"),
        "token_endpoint": at("/services/oauth2/token"),
        "revocation_endpoint": at("/services/oauth2/revoke"),
        "userinfo_endpoint": at("/services/oauth2/userinfo"),
        "jwks_uri": at("/id/keys"),
        "introspection_endpoint": at("/services/oauth2/introspect"),
        "scopes_supported": ["api", "web", "full", "id", "openid", "profile", "email", "refresh_token", "offline_access"],
        "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials",
            "urn:ietf:params:oauth:grant-type:jwt-bearer"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "display_values_supported": ["page", "popup", "touch"],
        "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
        "code_challenge_methods_supported": ["S256"],
    })
}

/// The access token of a request: `Bearer` or `OAuth` in the header, or a parameter.
fn bearer(headers: &http::HeaderMap, form: &Query) -> Option<String> {
    let header = request::header(headers, "authorization").and_then(token_of);
    header.or_else(|| form.get("oauth_token").or_else(|| form.get("access_token"))).map(str::to_owned)
}

/// The token of an `Authorization` header (`salesforce-api.md` 2.1: `Bearer`, and also `OAuth`).
pub(crate) fn token_of(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.trim().split_once(' ')?;
    let known = scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("oauth");
    (known && !token.trim().is_empty()).then(|| token.trim())
}
