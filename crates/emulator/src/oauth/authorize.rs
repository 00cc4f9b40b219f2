// SPDX-License-Identifier: Apache-2.0
//! `/services/oauth2/authorize`: login, consent, and the code sent back by redirect (`salesforce-api.md` 1.3).
//!
//! 1. The app and the redirect address are checked first; a mistake there is shown, never redirected.
//! 2. Every other mistake goes back to the app in the redirect.
//! 3. The login page posts credentials; a good login becomes a ticket, kept like a code.
//! 4. The consent page posts the ticket and Allow or Deny. Whoever was approved before and is not asked again by
//!    `prompt=consent` skips it.
//!
//! There is no browser session: every authorization asks for the password, as `prompt=login` does.

use std::sync::Arc;

use url::form_urlencoded;

use crate::Emulator;
use crate::answer::Answer;
use crate::faces::lock;
use crate::host::Place;
use crate::oauth::app::App;
use crate::oauth::refusal::Refusal;
use crate::oauth::{pages, policy};
use crate::org::Org;
use crate::request::Query;
use crate::session::{Code, Scopes};

/// Parameters that belong to a step of the dialogue and not to the app's request.
const STEP_PARAMETERS: [&str; 4] = ["step", "username", "password", "ticket"];

/// A request whose app and redirect address are good.
struct Asked<'a> {
    client_id: &'a str,
    redirect_uri: String,
    state: Option<&'a str>,
    parameters: Vec<(String, String)>,
    app: App,
    place: &'a Place,
}

/// Answers both the app's request and the posts of its pages.
pub fn authorize(emulator: &Emulator, parameters: &Query, place: &Place) -> Answer {
    let asked = match check_app(emulator, parameters, place) {
        Ok(asked) => asked,
        Err(refusal) => {
            return Answer::page(refusal.status, pages::refused(refusal.error, &refusal.description));
        }
    };
    let (scopes, challenge) = match check_request(&asked, parameters) {
        Ok(checked) => checked,
        Err(refusal) => return asked.refuse(&refusal),
    };
    match parameters.get("step") {
        Some("login") => log_in(emulator, &asked, parameters, scopes, challenge),
        Some("allow") => decide(emulator, &asked, parameters, true),
        Some("deny") => decide(emulator, &asked, parameters, false),
        _ => {
            let username = parameters.get("login_hint").unwrap_or_default();
            Answer::page(200, pages::login(&asked.app.name, &asked.parameters, username, None))
        }
    }
}

fn check_app<'a>(emulator: &Emulator, parameters: &'a Query, place: &'a Place) -> Result<Asked<'a>, Refusal> {
    if matches!(place, Place::NoApi) {
        return Err(Refusal::new("invalid_request", "request not supported on this domain"));
    }
    let client_id = parameters.get("client_id").ok_or_else(|| Refusal::missing("client_id"))?;
    // The app may be another org's than the user will turn out to be of.
    let (_, app) =
        emulator.app_at(place, client_id).or_else(|| emulator.app(client_id)).ok_or_else(Refusal::unknown_client)?;
    let redirect_uri = match parameters.get("redirect_uri") {
        Some(uri) if app.has_callback(uri) => uri.to_owned(),
        None if app.callbacks.len() == 1 => app.callbacks[0].clone(),
        _ => return Err(Refusal::new("redirect_uri_mismatch", "redirect_uri must match configuration")),
    };
    let kept = parameters.0.iter().filter(|(name, _)| !STEP_PARAMETERS.contains(&name.as_str())).cloned().collect();
    Ok(Asked { client_id, redirect_uri, state: parameters.get("state"), parameters: kept, app, place })
}

fn check_request(asked: &Asked<'_>, parameters: &Query) -> Result<(Scopes, Option<String>), Refusal> {
    match parameters.get("response_type") {
        Some("code") => {}
        Some(_) => {
            let text = "response type must be one of the following: code, token, hybrid_token";
            return Err(Refusal::new("unsupported_response_type", text));
        }
        None => return Err(Refusal::missing("response_type")),
    }
    let challenge = parameters.get("code_challenge").filter(|challenge| !challenge.is_empty());
    // jsforce and sf send a challenge without a method and mean S256.
    match (challenge, parameters.get("code_challenge_method")) {
        (None, _) if asked.app.pkce_required => {
            return Err(Refusal::new("invalid_request", "missing required code challenge"));
        }
        (_, Some(method)) if method != "S256" => {
            return Err(Refusal::new("invalid_request", "invalid code challenge method"));
        }
        _ => {}
    }
    let scopes = asked.app.scopes_for(parameters.get("scope"));
    let scopes = scopes.ok_or_else(|| Refusal::new("invalid_scope", "the requested scope is not allowed"))?;
    Ok((scopes, challenge.map(str::to_owned)))
}

fn log_in(
    emulator: &Emulator,
    asked: &Asked<'_>,
    parameters: &Query,
    scopes: Scopes,
    challenge: Option<String>,
) -> Answer {
    let username = parameters.get("username").unwrap_or_default();
    let password = parameters.get("password").unwrap_or_default();
    let Ok((org, user)) = emulator.log_in_at(asked.place, username, password) else {
        let error = "Please check your username and password. If you still can't log in, contact your Salesforce administrator.";
        return Answer::page(200, pages::login(&asked.app.name, &asked.parameters, username, Some(error)));
    };
    let Some(app) = lock(&org.faces.apps).get(asked.client_id).cloned() else {
        return asked.refuse(&Refusal::new("OAUTH_EC_APP_NOT_FOUND", policy::NOT_INSTALLED));
    };
    if let Some(refusal) = policy::refused_to_person(&org, &app, &user.id) {
        return asked.refuse(&refusal);
    }
    let now = org.clock().now();
    let mut code = Code::new(&user.id, asked.client_id, scopes, &asked.redirect_uri, now);
    code.challenge = challenge;
    code.nonce = parameters.get("nonce").map(str::to_owned);
    let asks_again = parameters.get("prompt").is_some_and(|prompt| prompt.split_whitespace().any(|p| p == "consent"));
    if policy::is_approved(&org, &app, &user.id, &code.scopes) && !asks_again {
        return asked.send_code(&org, code);
    }
    let scopes: Vec<&str> = code.scopes.iter().map(String::as_str).collect();
    let shown = |ticket: &str| pages::consent(&app.name, username, &scopes, ticket, &asked.parameters);
    let ticket = lock(&org.faces.sessions).keep_code(code.clone());
    Answer::page(200, shown(&ticket))
}

fn decide(emulator: &Emulator, asked: &Asked<'_>, parameters: &Query, allowed: bool) -> Answer {
    let ticket = parameters.get("ticket").unwrap_or_default();
    let taken = emulator.orgs().iter().find_map(|org| {
        let code = lock(&org.faces.sessions).take_code(ticket, false, org.clock().now())?;
        Some((org.clone(), code))
    });
    let Some((org, code)) =
        taken.filter(|(_, code)| code.client_id == asked.client_id && code.redirect_uri == asked.redirect_uri)
    else {
        let error = "Your login has expired. Log in again.";
        return Answer::page(200, pages::login(&asked.app.name, &asked.parameters, "", Some(error)));
    };
    if !allowed {
        return asked.refuse(&Refusal::new("access_denied", "end-user denied authorization"));
    }
    if let Some(app) = lock(&org.faces.apps).get_mut(asked.client_id) {
        app.approved.entry(code.user_id.clone()).or_default().extend(code.scopes.iter().cloned());
    }
    asked.send_code(&org, code)
}

impl Asked<'_> {
    fn send_code(&self, org: &Arc<Org>, code: Code) -> Answer {
        let text = lock(&org.faces.sessions).keep_code(code.approve(org.clock().now()));
        self.redirect(&[("code", &text)])
    }

    fn refuse(&self, refusal: &Refusal) -> Answer {
        self.redirect(&[("error", refusal.error), ("error_description", &refusal.description)])
    }

    fn redirect(&self, answer: &[(&str, &str)]) -> Answer {
        let mut pairs = form_urlencoded::Serializer::new(String::new());
        pairs.extend_pairs(answer);
        if let Some(state) = self.state {
            pairs.append_pair("state", state);
        }
        let joint = if self.redirect_uri.contains('?') { '&' } else { '?' };
        Answer::empty(302).header("location", format!("{}{joint}{}", self.redirect_uri, pairs.finish()))
    }
}
