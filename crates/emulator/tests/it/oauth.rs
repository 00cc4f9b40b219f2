// SPDX-License-Identifier: Apache-2.0
//! OAuth and identity, each case citing `salesforce-api.md`.

use std::time::Duration;

use crate::caller::{Caller, HOST, START_MS, Said, encode, settings};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use orgkeep_emulator::Settings;
use orgkeep_emulator::oauth::app::Permitted;
use orgkeep_emulator::oauth::challenge_of;
use serde_json::{Value, json};

const CALLBACK: &str = "http://localhost:1717/OauthRedirect";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const TOKEN: &str = "/services/oauth2/token";
const AUTHORIZE: &str = "/services/oauth2/authorize";
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// The value of a hidden field of a page.
fn hidden(page: &str, name: &str) -> String {
    let mark = format!("name=\"{name}\" value=\"");
    let start = page.find(&mark).unwrap_or_else(|| panic!("no {name} in {page}")) + mark.len();
    page[start..].split('"').next().unwrap().replace("&#39;", "'").replace("&amp;", "&")
}

/// A parameter of the address that an answer redirects to.
fn redirected(said: &Said, name: &str) -> Option<String> {
    assert_eq!(said.status, 302, "{}", said.text());
    let location = url::Url::parse(said.header("location")).unwrap();
    location.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

fn error(said: &Said) -> (u16, String, String) {
    let body = said.json();
    let text = |name: &str| body[name].as_str().unwrap().to_owned();
    (said.status, text("error"), text("error_description"))
}

fn refused(status: u16, error: &str, description: &str) -> (u16, String, String) {
    (status, error.to_owned(), description.to_owned())
}

/// The parameters of a good request of the org's app.
fn request(caller: &Caller) -> Vec<(&'static str, String)> {
    vec![
        ("response_type", "code".into()),
        ("client_id", caller.credentials.client_id.clone()),
        ("redirect_uri", CALLBACK.into()),
        ("scope", "api refresh_token".into()),
        ("state", "a state".into()),
        ("code_challenge", challenge_of(VERIFIER)),
        ("prompt", "consent".into()),
    ]
}

/// The request with one parameter set otherwise, or taken out.
fn changed(caller: &Caller, name: &'static str, value: Option<&str>) -> Vec<(&'static str, String)> {
    let mut request = request(caller);
    request.retain(|(key, _)| *key != name);
    request.extend(value.map(|value| (name, value.to_owned())));
    request
}

async fn ask(caller: &Caller, request: &[(&'static str, String)]) -> Said {
    let query: Vec<String> = request.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
    caller.raw("GET", &format!("{AUTHORIZE}?{}", query.join("&")), &[], "").await
}

/// Posts a step of the dialogue with the request's parameters.
async fn step(caller: &Caller, request: &[(&'static str, String)], more: &[(&str, &str)]) -> Said {
    let mut pairs: Vec<(&str, &str)> = request.iter().map(|(name, value)| (*name, value.as_str())).collect();
    pairs.extend_from_slice(more);
    caller.form(AUTHORIZE, &pairs).await
}

async fn log_in(caller: &Caller, request: &[(&'static str, String)]) -> Said {
    let (username, password) = (caller.credentials.username.as_str(), caller.credentials.password.as_str());
    step(caller, request, &[("step", "login"), ("username", username), ("password", password)]).await
}

/// Logs in and allows; the code.
async fn code(caller: &Caller, request: &[(&'static str, String)]) -> String {
    let consent = log_in(caller, request).await;
    let ticket = hidden(consent.text(), "ticket");
    let allowed = step(caller, request, &[("step", "allow"), ("ticket", &ticket)]).await;
    redirected(&allowed, "code").unwrap()
}

async fn exchange(caller: &Caller, code: &str, more: &[(&str, &str)]) -> Said {
    let credentials = &caller.credentials;
    let mut pairs = vec![
        ("grant_type", "authorization_code"),
        ("code", code),
        ("client_id", credentials.client_id.as_str()),
        ("client_secret", credentials.client_secret.as_str()),
        ("redirect_uri", CALLBACK),
    ];
    pairs.extend_from_slice(more);
    caller.form(TOKEN, &pairs).await
}

async fn refresh(caller: &Caller, token: &str) -> Said {
    let credentials = &caller.credentials;
    let pairs = [
        ("grant_type", "refresh_token"),
        ("refresh_token", token),
        ("client_id", credentials.client_id.as_str()),
        ("client_secret", credentials.client_secret.as_str()),
    ];
    caller.form(TOKEN, &pairs).await
}

async fn works(caller: &Caller, token: &str) -> bool {
    let authorization = format!("Bearer {token}");
    caller.raw("GET", "/services/data/v67.0/limits", &[("authorization", &authorization)], "").await.status == 200
}

#[tokio::test(start_paused = true)]
async fn a_person_signs_in_with_pkce() {
    // 1.3: the challenge comes without a method, as jsforce and sf send it, and means S256. 1.4: keys and their order.
    let caller = Caller::new();
    let request = request(&caller);
    let page = ask(&caller, &request).await;
    assert_eq!(page.status, 200);
    assert!(page.header("content-type").starts_with("text/html"));
    assert_eq!(hidden(page.text(), "state"), "a state");
    let wrong = step(&caller, &request, &[("step", "login"), ("username", "nobody"), ("password", "x")]).await;
    assert!(wrong.text().contains("check your username and password"));

    let code = code(&caller, &request).await;
    assert!(code.starts_with("aPrx") && code.ends_with("=="));
    let said = exchange(&caller, &code, &[("code_verifier", VERIFIER)]).await;
    let body = said.expect(200);
    let keys: Vec<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        ["access_token", "refresh_token", "signature", "scope", "instance_url", "id", "token_type", "issued_at"]
    );
    assert_eq!(said.header("cache-control"), "no-store");
    assert_eq!(said.header("content-type"), "application/json;charset=UTF-8");
    assert_eq!(body["scope"], "api refresh_token");
    assert_eq!(body["instance_url"], format!("http://{HOST}"));
    assert_eq!(body["issued_at"], START_MS.to_string(), "a string of milliseconds");
    let credentials = &caller.credentials;
    assert_eq!(body["id"], format!("http://{HOST}/id/{}/{}", credentials.org_id, credentials.user_id));
    let token = body["access_token"].as_str().unwrap();
    assert!(token.starts_with(&format!("{}!", &credentials.org_id[..15])));
    assert!(works(&caller, token).await);

    let again = exchange(&caller, &code, &[("code_verifier", VERIFIER)]).await;
    assert_eq!(error(&again), refused(400, "invalid_grant", "expired authorization code"));
}

#[tokio::test(start_paused = true)]
async fn a_code_ends_after_fifteen_minutes_and_needs_its_verifier() {
    // 1.3, 1.4
    let caller = Caller::new();
    let request = request(&caller);
    let late = code(&caller, &request).await;
    caller.emulator.clock().advance(Duration::from_secs(15 * 60));
    let said = exchange(&caller, &late, &[("code_verifier", VERIFIER)]).await;
    assert_eq!(error(&said), refused(400, "invalid_grant", "expired authorization code"));
    for verifier in [&[("code_verifier", "another")][..], &[]] {
        let code = code(&caller, &request).await;
        let said = exchange(&caller, &code, verifier).await;
        assert_eq!(error(&said), refused(400, "invalid_grant", "invalid code verifier"));
    }
    let consent = log_in(&caller, &request).await;
    let ticket = hidden(consent.text(), "ticket");
    let said = exchange(&caller, &ticket, &[("code_verifier", VERIFIER)]).await;
    assert_eq!(error(&said), refused(400, "invalid_grant", "expired authorization code"), "a login is no consent");
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_with_the_app_is_shown_and_not_redirected() {
    // 1.3
    let caller = Caller::new();
    let page = ask(&caller, &changed(&caller, "redirect_uri", Some("https://evil.example/"))).await;
    assert_eq!(page.status, 400);
    assert!(page.text().contains("error=redirect_uri_mismatch"));
    assert!(page.text().contains("error_description=redirect_uri%20must%20match%20configuration"));
    let page = ask(&caller, &changed(&caller, "client_id", Some("3MVG9nobody"))).await;
    assert_eq!(page.status, 400);
    assert!(page.text().contains("error=invalid_client_id") && page.text().contains("client%20identifier%20invalid"));
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_with_the_request_goes_back_to_the_app() {
    // 1.3, 1.4
    let caller = Caller::new();
    for (name, value, code, description) in [
        ("code_challenge", None, "invalid_request", "missing required code challenge"),
        ("scope", Some("api pardot_api_x refresh_token wave"), "", ""),
        (
            "response_type",
            Some("magic"),
            "unsupported_response_type",
            "response type must be one of the following: code, token, hybrid_token",
        ),
        ("code_challenge_method", Some("plain"), "invalid_request", "invalid code challenge method"),
    ] {
        let said = ask(&caller, &changed(&caller, name, value)).await;
        if code.is_empty() {
            assert_eq!(said.status, 200, "an app with `full` may ask for any scope");
            continue;
        }
        assert_eq!(redirected(&said, "error").as_deref(), Some(code));
        assert_eq!(redirected(&said, "error_description").as_deref(), Some(description));
        assert_eq!(redirected(&said, "state").as_deref(), Some("a state"));
    }
    caller.org().change_app(&caller.credentials.client_id, |app| app.scopes = ["api".to_owned()].into());
    let said = ask(&caller, &request(&caller)).await;
    assert_eq!(redirected(&said, "error").as_deref(), Some("invalid_scope"));
}

#[tokio::test(start_paused = true)]
async fn a_person_may_deny() {
    // 1.3: the underscore is what real traffic has.
    let caller = Caller::new();
    let request = request(&caller);
    let consent = log_in(&caller, &request).await;
    let ticket = hidden(consent.text(), "ticket");
    let said = step(&caller, &request, &[("step", "deny"), ("ticket", &ticket)]).await;
    assert_eq!(
        said.header("location"),
        format!("{CALLBACK}?error=access_denied&error_description=end-user+denied+authorization&state=a+state")
    );
}

#[tokio::test(start_paused = true)]
async fn only_those_whom_the_admin_approved_come_in() {
    // 1.3, 1.4
    let caller = Caller::new();
    let client_id = caller.credentials.client_id.clone();
    caller.org().change_app(&client_id, |app| app.permitted = Permitted::AdminApproved([].into()));
    let said = log_in(&caller, &request(&caller)).await;
    assert_eq!(redirected(&said, "error").as_deref(), Some("OAUTH_APP_ACCESS_DENIED"));
    let said = refresh(&caller, &caller.credentials.refresh_token).await;
    assert_eq!(error(&said), refused(400, "invalid_app_access", "user is not admin approved to access this app"));
    let user = caller.credentials.user_id.clone();
    caller.org().change_app(&client_id, |app| app.permitted = Permitted::AdminApproved([user].into()));
    let said = log_in(&caller, &changed(&caller, "prompt", None)).await;
    assert!(redirected(&said, "code").is_some(), "who was approved is not asked");
}

#[tokio::test(start_paused = true)]
async fn refresh_tokens_rotate_and_a_used_one_ends_the_grant() {
    // 1.5
    let caller = Caller::new();
    let first = caller.credentials.refresh_token.clone();
    let body = refresh(&caller, &first).await.expect(200);
    let second = body["refresh_token"].as_str().unwrap().to_owned();
    let access = body["access_token"].as_str().unwrap().to_owned();
    assert!(second.starts_with("5Aep861") && second != first);
    assert!(works(&caller, &access).await);
    let said = refresh(&caller, &first).await;
    assert_eq!(error(&said), refused(400, "invalid_grant", "expired access/refresh token"));
    assert!(!works(&caller, &access).await, "all access tokens derived from it are gone");
    let said = refresh(&caller, &second).await;
    assert_eq!(error(&said), refused(400, "invalid_grant", "expired access/refresh token"));
}

#[tokio::test(start_paused = true)]
async fn without_rotation_a_refresh_token_stays() {
    // 1.4: `refresh_token` is in the answer only if rotation is on.
    let caller = Caller::with(Settings { rotate_refresh_tokens: false, ..settings() });
    let token = caller.credentials.refresh_token.clone();
    for _ in 0..3 {
        let body = refresh(&caller, &token).await.expect(200);
        let keys: Vec<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["access_token", "signature", "scope", "instance_url", "id", "token_type", "issued_at"]);
    }
    let said = refresh(&caller, "5Aep861never").await;
    assert_eq!(error(&said), refused(400, "invalid_grant", "expired access/refresh token"));
}

#[tokio::test(start_paused = true)]
async fn platform_cli_is_a_public_client_without_rotation() {
    // 1.3, 1.5: PlatformCLI has an empty secret and listens on a port of its choice.
    let caller = Caller::new();
    let callback = "http://localhost:7171/OauthRedirect";
    let mut request = changed(&caller, "client_id", Some("PlatformCLI"));
    request.retain(|(name, _)| *name != "redirect_uri" && *name != "scope");
    request.extend([("redirect_uri", callback.to_owned()), ("scope", "refresh_token api web".to_owned())]);
    let code = code(&caller, &request).await;
    let pairs = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("client_id", "PlatformCLI"),
        ("client_secret", ""),
        ("redirect_uri", callback),
        ("code_verifier", VERIFIER),
    ];
    let body = caller.form(TOKEN, &pairs).await.expect(200);
    let token = body["refresh_token"].as_str().unwrap();
    let pairs = [("grant_type", "refresh_token"), ("client_id", "PlatformCLI"), ("refresh_token", token)];
    let body = caller.form(TOKEN, &pairs).await.expect(200);
    assert!(body.get("refresh_token").is_none());
}

#[tokio::test(start_paused = true)]
async fn client_credentials_act_as_the_run_as_user() {
    // 1.4: by HTTP Basic (simple-salesforce sends only grant_type in the body) and in the body.
    let caller = Caller::new();
    let (id, secret) = (caller.credentials.client_id.clone(), caller.credentials.client_secret.clone());
    let basic = format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")));
    let headers = [("authorization", basic.as_str()), ("content-type", "application/x-www-form-urlencoded")];
    let body = caller.raw("POST", TOKEN, &headers, "grant_type=client_credentials").await.expect(200);
    let keys: Vec<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        ["access_token", "signature", "scope", "instance_url", "id", "token_type", "issued_at", "api_instance_url"]
    );
    assert_eq!(body["scope"], "api id", "what this flow cannot have is dropped");
    assert!(works(&caller, body["access_token"].as_str().unwrap()).await);

    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret.as_bytes());
    let signed = format!("{}{}", body["id"].as_str().unwrap(), body["issued_at"].as_str().unwrap());
    let tag = aws_lc_rs::hmac::sign(&key, signed.as_bytes());
    assert_eq!(body["signature"], STANDARD.encode(tag.as_ref()));

    let grant = [("grant_type", "client_credentials"), ("client_id", id.as_str()), ("client_secret", "wrong")];
    let said = caller.form(TOKEN, &grant).await;
    assert_eq!(error(&said), refused(400, "invalid_client", "invalid client credentials"));
    let unknown = [("grant_type", "client_credentials"), ("client_id", "x"), ("client_secret", "y")];
    assert_eq!(
        error(&caller.form(TOKEN, &unknown).await),
        refused(400, "invalid_client_id", "client identifier invalid")
    );
    let good = [("grant_type", "client_credentials"), ("client_id", id.as_str()), ("client_secret", secret.as_str())];
    let at_login = caller.emulator.handle(
        http::Request::post(TOKEN)
            .header("host", "login.salesforce.com")
            .body(crate::caller::form(&good).into())
            .unwrap(),
    );
    assert_eq!(at_login.await.status(), 400, "only at the My Domain host");
    caller.org().change_app(&id, |app| app.scopes = ["full".to_owned(), "refresh_token".to_owned()].into());
    assert_eq!(error(&caller.form(TOKEN, &good).await), refused(400, "invalid_grant", "no valid scopes defined"));
    caller.org().change_app(&id, |app| app.run_as = None);
    assert_eq!(
        error(&caller.form(TOKEN, &good).await),
        refused(400, "invalid_grant", "no client credentials user enabled")
    );
}

fn assertion(caller: &Caller, claims: Value) -> String {
    let key = EncodingKey::from_rsa_pem(caller.credentials.jwt_private_key_pem.as_bytes()).unwrap();
    jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &key).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_jwt_of_the_registered_key_signs_in() {
    // 1.4: expiry as a string (simple-salesforce) and in milliseconds (sf) are accepted.
    let caller = Caller::new();
    let (iss, sub) = (caller.credentials.client_id.clone(), caller.credentials.username.clone());
    let said = async |claims: Value| {
        let assertion = assertion(&caller, claims);
        caller.form(TOKEN, &[("grant_type", JWT_BEARER), ("assertion", &assertion)]).await
    };
    let seconds = START_MS / 1000;
    for exp in [json!((seconds + 180).to_string()), json!(START_MS + 300), json!(seconds + 60)] {
        let body =
            said(json!({"iss": iss, "sub": sub, "aud": "https://login.salesforce.com", "exp": exp})).await.expect(200);
        let keys: Vec<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["access_token", "scope", "instance_url", "id", "token_type"], "no refresh token");
        assert!(works(&caller, body["access_token"].as_str().unwrap()).await);
    }
    let exp = seconds + 60;
    let other = said(json!({"iss": iss, "sub": "nobody@x", "aud": "https://login.salesforce.com", "exp": exp})).await;
    assert_eq!(error(&other), refused(400, "invalid_grant", "user hasn't approved this consumer"));
    let audience = said(json!({"iss": iss, "sub": sub, "aud": "https://example.com", "exp": exp})).await;
    assert_eq!(error(&audience), refused(400, "invalid_grant", "audience is invalid"));
    let late = said(json!({"iss": iss, "sub": sub, "aud": "https://login.salesforce.com", "exp": seconds - 1})).await;
    assert_eq!(error(&late), refused(400, "invalid_grant", "invalid assertion"));
    let client = said(json!({"iss": "x", "sub": sub, "aud": "https://login.salesforce.com", "exp": exp})).await;
    assert_eq!(error(&client), refused(400, "invalid_client_id", "client identifier invalid"));
    caller.org().change_app(&iss, |app| app.approved.clear());
    let unapproved = said(json!({"iss": iss, "sub": sub, "aud": "https://login.salesforce.com", "exp": exp})).await;
    assert_eq!(error(&unapproved), refused(400, "invalid_grant", "user hasn't approved this consumer"));
}

#[tokio::test(start_paused = true)]
async fn grants_that_are_off_say_so() {
    // 1.4: passwords are off since Summer '23; device codes are blocked.
    let caller = Caller::new();
    let credentials = &caller.credentials;
    let password = [
        ("grant_type", "password"),
        ("client_id", credentials.client_id.as_str()),
        ("client_secret", credentials.client_secret.as_str()),
        ("username", credentials.username.as_str()),
        ("password", credentials.password.as_str()),
    ];
    assert_eq!(error(&caller.form(TOKEN, &password).await), refused(400, "invalid_grant", "authentication failure"));
    let settings = "<OauthOidcSettings xmlns=\"http://soap.sforce.com/2006/04/metadata\">\
                    <blockOAuthUnPwFlow>false</blockOAuthUnPwFlow></OauthOidcSettings>";
    let files = vec![("settings/OauthOidc.settings".to_owned(), settings.as_bytes().to_vec())];
    let org = caller.org();
    org.write(|tx| orgkeep_emulator::oauth::external_client_app::stage(tx, &org.faces, &files, &[]).commit(&org.faces));
    let body = caller.form(TOKEN, &password).await.expect(200);
    let keys: Vec<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["access_token", "instance_url", "id", "token_type", "issued_at", "signature"]);
    let mut wrong = password;
    wrong[4].1 = "wrong";
    assert_eq!(error(&caller.form(TOKEN, &wrong).await), refused(400, "invalid_grant", "authentication failure"));
    assert_eq!(
        error(&caller.form(TOKEN, &[("grant_type", "device"), ("code", "x")]).await),
        refused(400, "unsupported_grant_type", "grant type not supported")
    );
    let others = ["urn:ietf:params:oauth:grant-type:token-exchange", "urn:ietf:params:oauth:grant-type:saml2-bearer"];
    for grant in others {
        let asked = [("grant_type", grant), ("client_id", credentials.client_id.as_str())];
        let refusal = refused(400, "unsupported_grant_type", "grant type not supported");
        assert_eq!(error(&caller.form(TOKEN, &asked).await), refusal, "{grant}");
    }
    let asked = [("response_type", "device_code"), ("client_id", credentials.client_id.as_str())];
    let refusal = refused(400, "unsupported_grant_type", "grant type not supported");
    assert_eq!(error(&caller.form(TOKEN, &asked).await), refusal, "no device gets a code");
    let missing = [
        ("grant_type", "authorization_code"),
        ("client_id", credentials.client_id.as_str()),
        ("client_secret", credentials.client_secret.as_str()),
    ];
    assert_eq!(
        error(&caller.form(TOKEN, &missing).await),
        refused(400, "invalid_request", "missing required parameter: code")
    );
}

#[tokio::test(start_paused = true)]
async fn answers_come_in_the_form_that_is_asked_for() {
    // 1.4
    let caller = Caller::new();
    let (id, secret) = (caller.credentials.client_id.clone(), caller.credentials.client_secret.clone());
    let grant = |format: &'static str| {
        crate::caller::form(&[
            ("grant_type", "client_credentials"),
            ("client_id", &id),
            ("client_secret", &secret),
            ("format", format),
        ])
    };
    let kind = [("content-type", "application/x-www-form-urlencoded")];
    let xml = caller.raw("POST", TOKEN, &kind, grant("xml")).await;
    assert!(xml.text().contains("<OAuth><access_token>") && xml.header("content-type").starts_with("application/xml"));
    let form = caller.raw("POST", TOKEN, &kind, grant("urlencoded")).await;
    assert!(form.text().starts_with("access_token="));
}

#[tokio::test(start_paused = true)]
async fn a_sixth_approval_revokes_the_oldest() {
    // 1.5: five refresh tokens per user and app; the one of the start is the oldest.
    let caller = Caller::new();
    for _ in 0..5 {
        let code = code(&caller, &request(&caller)).await;
        exchange(&caller, &code, &[("code_verifier", VERIFIER)]).await.expect(200);
    }
    let said = refresh(&caller, &caller.credentials.refresh_token).await;
    assert_eq!(error(&said), refused(400, "invalid_grant", "expired access/refresh token"));
}

#[tokio::test(start_paused = true)]
async fn revoking_takes_along_what_hangs_on_the_token() {
    // 1.6
    let caller = Caller::with(Settings { rotate_refresh_tokens: false, ..settings() });
    let token = caller.credentials.refresh_token.clone();
    let access = refresh(&caller, &token).await.expect(200)["access_token"].as_str().unwrap().to_owned();
    let revoke = "/services/oauth2/revoke";
    let said = caller.form(revoke, &[("token", &access)]).await;
    assert_eq!((said.status, said.body.len()), (200, 0));
    assert!(!works(&caller, &access).await);
    let access = refresh(&caller, &token).await.expect(200)["access_token"].as_str().unwrap().to_owned();
    let by_get = caller.raw("GET", &format!("{revoke}?token={}", encode(&token)), &[], "").await;
    assert_eq!(by_get.status, 200);
    assert!(!works(&caller, &access).await, "the refresh token's sessions end with it");
    assert_eq!(refresh(&caller, &token).await.status, 400);
    let said = caller.form(revoke, &[("token", "x")]).await;
    assert_eq!(error(&said), refused(400, "invalid_token", "invalid token: x"));
    let said = caller.form(revoke, &[("token", "x"), ("token_type_hint", "id_token")]).await;
    assert_eq!(error(&said), refused(400, "unsupported_token_type", "this token type is not supported"));
}

#[tokio::test(start_paused = true)]
async fn an_app_can_look_into_its_tokens() {
    // 1.6
    let caller = Caller::new();
    let credentials = &caller.credentials;
    let ask = async |token: &str, secret: &str| {
        let pairs = [("token", token), ("client_id", credentials.client_id.as_str()), ("client_secret", secret)];
        caller.form("/services/oauth2/introspect", &pairs).await
    };
    let body = ask(&credentials.access_token, &credentials.client_secret).await.expect(200);
    assert_eq!(body["active"], true);
    assert_eq!(body["username"], credentials.username);
    assert_eq!(body["token_type"], "access_token");
    assert_eq!(body["exp"].as_i64().unwrap() - body["iat"].as_i64().unwrap(), 7_200);
    assert_eq!(ask("x", &credentials.client_secret).await.expect(200), json!({"active": false}));
    assert_eq!(ask("x", "wrong").await.status, 401);
}

#[tokio::test(start_paused = true)]
async fn a_token_says_whose_it_is() {
    // 1.6
    let caller = Caller::new();
    let credentials = &caller.credentials;
    let info = caller.call("GET", "/services/oauth2/userinfo", &[], "").await.expect(200);
    assert_eq!(info["user_id"], credentials.user_id);
    assert_eq!(info["organization_id"], credentials.org_id);
    assert_eq!(info["preferred_username"], credentials.username);
    assert_eq!(info["urls"]["rest"], format!("http://{HOST}/services/data/v{{version}}/"));
    for key in
        ["sub", "name", "email", "photos", "active", "user_type", "language", "locale", "utcOffset", "updated_at"]
    {
        assert!(info.get(key).is_some_and(|value| !value.is_null()), "{key}");
    }
    let bad = caller.raw("GET", "/services/oauth2/userinfo", &[("authorization", "Bearer x")], "").await;
    assert_eq!((bad.status, bad.text()), (403, "Bad_OAuth_Token"));

    let path = format!("/id/{}/{}", credentials.org_id, credentials.user_id);
    let query = format!("{path}?oauth_token={}&format=json&version=latest", encode(&caller.token));
    let identity = caller.raw("GET", &query, &[], "").await.expect(200);
    assert_eq!(identity["username"], credentials.username);
    assert_eq!(identity["urls"]["query"], format!("http://{HOST}/services/data/v67.0/query/"));
    assert_eq!(caller.raw("GET", &path, &[], "").await.text(), "Missing_OAuth_Token");
    assert_eq!(caller.raw("GET", &format!("{path}?oauth_token=x"), &[], "").await.text(), "Bad_OAuth_Token");
    let elsewhere = format!("/id/00D000000000099AAA/{}", credentials.user_id);
    let said = caller.call("GET", &elsewhere, &[], "").await;
    assert_eq!((said.status, said.text()), (403, "Wrong_Org"));
}

#[tokio::test(start_paused = true)]
async fn sessions_slide_and_end_by_the_clock() {
    // 1.4: two hours from the last use; 1.8: the exact refusal.
    let caller = Caller::new();
    for _ in 0..3 {
        caller.emulator.clock().advance(Duration::from_secs(7_199));
        assert!(works(&caller, &caller.token).await);
    }
    caller.emulator.clock().advance(Duration::from_secs(7_200));
    let said = caller.get("/limits").await;
    assert_eq!(said.error(), (401, "INVALID_SESSION_ID".into(), "Session expired or invalid".into()));
    let headers = [("authorization", "Bearer eyJno.jwt")];
    let said = caller.raw("GET", "/services/data/v67.0/limits", &headers, "").await;
    assert_eq!(said.error().1, "INVALID_JWT_FORMAT");
}

#[tokio::test(start_paused = true)]
async fn a_frozen_user_is_out() {
    let caller = Caller::new();
    caller.org().set_frozen(&caller.credentials.user_id, true);
    assert!(!works(&caller, &caller.token).await);
    let said = refresh(&caller, &caller.credentials.refresh_token).await;
    assert_eq!(error(&said), refused(400, "invalid_grant", "inactive user"));
}

#[tokio::test(start_paused = true)]
async fn discovery_names_the_endpoints_and_openid_tokens_verify() {
    // 1.2
    let caller = Caller::new();
    let discovery = caller.raw("GET", "/.well-known/openid-configuration", &[], "").await.expect(200);
    assert_eq!(discovery["token_endpoint"], format!("http://{HOST}{TOKEN}"));
    let keys = caller.raw("GET", "/id/keys", &[], "").await.expect(200);
    let mut request = changed(&caller, "scope", Some("api openid"));
    request.push(("nonce", "n1".into()));
    let code = code(&caller, &request).await;
    let body = exchange(&caller, &code, &[("code_verifier", VERIFIER)]).await.expect(200);
    assert!(body.get("refresh_token").is_none(), "no refresh_token in the scope, none in the answer");
    let key = jsonwebtoken::DecodingKey::from_rsa_components(
        keys["keys"][0]["n"].as_str().unwrap(),
        keys["keys"][0]["e"].as_str().unwrap(),
    );
    let mut validation = jsonwebtoken::Validation::new(Algorithm::RS256);
    validation.set_audience(&[&caller.credentials.client_id]);
    validation.validate_exp = false;
    let token = body["id_token"].as_str().unwrap();
    let claims = jsonwebtoken::decode::<Value>(token, &key.unwrap(), &validation).unwrap().claims;
    assert_eq!((claims["sub"].clone(), claims["nonce"].clone()), (body["id"].clone(), json!("n1")));
    assert_eq!(caller.raw("GET", "/services/oauth2/success", &[], "").await.status, 200);
    assert_eq!(caller.raw("GET", "/services/oauth2/nothing", &[], "").await.status, 404);
}

/// A posted form at a host of the caller's choice.
async fn form_at(caller: &Caller, host: &str, path: &str, pairs: &[(&str, &str)]) -> Said {
    let request = http::Request::post(path)
        .header("host", host)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(crate::caller::form(pairs).into())
        .unwrap();
    said(caller.emulator.handle(request).await).await
}

async fn get_at(caller: &Caller, host: &str, path: &str, token: &str) -> Said {
    let request = http::Request::get(path)
        .header("host", host)
        .header("authorization", format!("Bearer {token}"))
        .body(axum::body::Body::empty())
        .unwrap();
    said(caller.emulator.handle(request).await).await
}

async fn said(answer: http::Response<axum::body::Body>) -> Said {
    let (parts, body) = answer.into_parts();
    let body = http_body_util::BodyExt::collect(body).await.unwrap().to_bytes().to_vec();
    Said { status: parts.status.as_u16(), headers: parts.headers, body }
}

async fn refresh_at(caller: &Caller, host: &str, credentials: &orgkeep_emulator::Credentials) -> Said {
    let pairs = [
        ("grant_type", "refresh_token"),
        ("refresh_token", credentials.refresh_token.as_str()),
        ("client_id", credentials.client_id.as_str()),
        ("client_secret", credentials.client_secret.as_str()),
    ];
    form_at(caller, host, TOKEN, &pairs).await
}

/// Two orgs named acme, the second a sandbox; refresh tokens stay.
fn production_and_sandbox() -> Caller {
    let settings =
        Settings { orgs: 2, my_domain: Some("acme".into()), rotate_refresh_tokens: false, ..crate::caller::settings() };
    let caller = Caller::with(settings);
    let sandbox = &caller.emulator.orgs()[1];
    let yes = vec![("IsSandbox".to_owned(), orgkeep_emulator::record::Input::Bool(true))];
    sandbox.update(&sandbox.id, yes).unwrap();
    caller
}

const PRODUCTION: &str = "acme.develop.my.salesforce.com";
const SANDBOX: &str = "acme2--dev.sandbox.my.salesforce.com";

#[tokio::test(start_paused = true)]
async fn salesforces_own_hosts_lead_to_the_my_domain() {
    // 1.1, 1.4: `id` stays at the login host, `instance_url` is the My Domain, with the port the client used.
    let caller = production_and_sandbox();
    let (first, second) = (caller.emulator.credentials(0), caller.emulator.credentials(1));
    let body = refresh_at(&caller, "login.salesforce.com:8443", &first).await.expect(200);
    assert_eq!(body["instance_url"], format!("http://{PRODUCTION}:8443"));
    assert!(body["id"].as_str().unwrap().starts_with("http://login.salesforce.com:8443/id/00D"));
    let body = refresh_at(&caller, "test.salesforce.com", &second).await.expect(200);
    assert_eq!(body["instance_url"], format!("http://{SANDBOX}"));
    let body = refresh_at(&caller, SANDBOX, &second).await.expect(200);
    assert_eq!(body["instance_url"], format!("http://{SANDBOX}"));
    for (host, credentials) in [("login.salesforce.com", &second), ("test.salesforce.com", &first), (SANDBOX, &first)] {
        let said = refresh_at(&caller, host, credentials).await;
        assert_eq!(said.status, 400, "{host} knows the other kind of org only: {}", said.text());
    }
    let body = refresh_at(&caller, "localhost:7700", &second).await.expect(200);
    assert_eq!(body["instance_url"], "http://localhost:7700", "any other name stands for every org");
}

#[tokio::test(start_paused = true)]
async fn a_my_domain_knows_the_sessions_of_its_own_org() {
    // 1.1; the older form of the name leads to the same org.
    let caller = production_and_sandbox();
    let limits = "/services/data/v67.0/limits";
    let other = caller.emulator.credentials(1).access_token;
    for host in [PRODUCTION, "acme.my.salesforce.com", "ACME.develop.my.salesforce.com:7700", "127.0.0.1"] {
        assert_eq!(get_at(&caller, host, limits, &caller.token).await.status, 200, "{host}");
    }
    let said = get_at(&caller, PRODUCTION, limits, &other).await;
    assert_eq!(said.error(), (401, "INVALID_SESSION_ID".into(), "Session expired or invalid".into()));
    assert_eq!(get_at(&caller, "acme.lightning.force.com", limits, &caller.token).await.status, 404);
    let credentials = &caller.credentials;
    let pairs = [
        ("grant_type", "client_credentials"),
        ("client_id", credentials.client_id.as_str()),
        ("client_secret", credentials.client_secret.as_str()),
    ];
    for host in ["acme.my.salesforce-setup.com", "login.salesforce.com", "test.salesforce.com"] {
        let said = form_at(&caller, host, TOKEN, &pairs).await;
        assert_eq!(error(&said), refused(400, "invalid_grant", "request not supported on this domain"), "{host}");
    }
    form_at(&caller, PRODUCTION, TOKEN, &pairs).await.expect(200);
}

#[tokio::test(start_paused = true)]
async fn people_log_in_where_the_policy_lets_them() {
    // 1.1: `login` for production, `test` for sandboxes, and neither where only the My Domain is allowed.
    let caller = production_and_sandbox();
    let page = async |host: &str, org: usize| {
        let credentials = caller.emulator.credentials(org);
        let challenge = challenge_of(VERIFIER);
        let pairs = [
            ("response_type", "code"),
            ("client_id", "PlatformCLI"),
            ("redirect_uri", CALLBACK),
            ("code_challenge", &challenge),
            ("step", "login"),
            ("username", &credentials.username),
            ("password", &credentials.password),
        ];
        form_at(&caller, host, AUTHORIZE, &pairs).await.text().contains("is asking to")
    };
    assert!(page("login.salesforce.com", 0).await && !page("login.salesforce.com", 1).await);
    assert!(page("test.salesforce.com", 1).await && !page("test.salesforce.com", 0).await);
    assert!(page(PRODUCTION, 0).await && !page(PRODUCTION, 1).await);
    let settings = "<MyDomainSettings xmlns=\"http://soap.sforce.com/2006/04/metadata\">\
                    <canOnlyLoginWithMyDomainUrl>true</canOnlyLoginWithMyDomainUrl></MyDomainSettings>";
    let files = vec![("settings/MyDomain.settings".to_owned(), settings.as_bytes().to_vec())];
    let org = caller.org();
    org.write(|tx| orgkeep_emulator::oauth::external_client_app::stage(tx, &org.faces, &files, &[]).commit(&org.faces));
    assert!(!page("login.salesforce.com", 0).await && page(PRODUCTION, 0).await);
}

#[tokio::test(start_paused = true)]
async fn an_assertion_is_for_the_host_of_its_kind_of_org() {
    // 1.4: `test` for a sandbox.
    let caller = production_and_sandbox();
    let credentials = caller.emulator.credentials(1);
    let said = async |aud: &str| {
        let exp = START_MS / 1000 + 60;
        let claims = json!({"iss": credentials.client_id, "sub": credentials.username, "aud": aud, "exp": exp});
        let assertion = assertion(&caller, claims);
        caller.form(TOKEN, &[("grant_type", JWT_BEARER), ("assertion", &assertion)]).await
    };
    said("https://test.salesforce.com").await.expect(200);
    said(&format!("https://{SANDBOX}")).await.expect(200);
    let wrong = said("https://login.salesforce.com").await;
    assert_eq!(error(&wrong), refused(400, "invalid_grant", "audience is invalid"));
}

#[tokio::test(start_paused = true)]
async fn a_restart_forgets_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let store = Some(folder.path().join("org.sqlite"));
    let first = Caller::with(Settings { store: store.clone(), ..settings() });
    let used = first.credentials.refresh_token.clone();
    let body = refresh(&first, &used).await.expect(200);
    let (access, next) = (body["access_token"].as_str().unwrap(), body["refresh_token"].as_str().unwrap());
    let user = first.credentials.user_id.clone();
    first.org().set_password(&user, "another1");
    let again = |seed: u64| Caller::with(Settings { store: store.clone(), seed, ..settings() });
    let known = first.credentials.clone();
    assert!(!works(&first, access).await, "a new password ends sessions");
    let body = refresh(&first, next).await.expect(200);
    let (access, next) = (body["access_token"].as_str().unwrap(), body["refresh_token"].as_str().unwrap());
    drop(first);

    let second = again(99);
    assert_eq!(
        (&second.credentials.client_id, &second.credentials.client_secret),
        (&known.client_id, &known.client_secret)
    );
    assert!(works(&second, access).await && works(&second, &second.token).await);
    assert_ne!(second.token, access);
    let mut request = request(&second);
    request.push(("username", known.username.clone()));
    let old = step(&second, &request, &[("step", "login"), ("password", &known.password)]).await;
    assert!(old.text().contains("check your username and password"));
    let new = step(&second, &request, &[("step", "login"), ("password", "another1")]).await;
    assert!(new.text().contains("is asking to"));
    assert!(
        second.credentials.refresh_token != next
            && refresh(&second, &second.credentials.refresh_token).await.status == 200
    );
    let body = refresh(&second, next).await.expect(200);
    let newest = body["refresh_token"].as_str().unwrap().to_owned();
    drop(second);

    let third = again(1);
    let said = refresh(&third, next).await;
    assert_eq!(error(&said), refused(400, "invalid_grant", "expired access/refresh token"), "used before the restart");
    assert_eq!(refresh(&third, &newest).await.status, 400, "and that ended the whole grant");
}
