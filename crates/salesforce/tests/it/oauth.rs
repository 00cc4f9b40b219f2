// SPDX-License-Identifier: Apache-2.0
//! Signing in, against an emulated org. Each case names the section of `salesforce-api.md` on which it stands.

use std::sync::Arc;

use crate::emulated::{Emulated, Kept, emulated};
use futures::future::join_all;
use http::Method;
use orgkeep_salesforce::{Body, Kind, Login, Options, Org, Pkce, Request, Scope, Transport, authorization_url};
use url::Url;

const CALLBACK: &str = "http://localhost:1717/OauthRedirect";

/// 1.4: client credentials, and what is wrong with a wrong secret.
#[tokio::test(start_paused = true)]
async fn client_credentials() {
    let emulated = emulated();
    let org = emulated.connect(emulated.client_credentials()).await.unwrap();
    assert_eq!(org.identity().username, emulated.credentials.username);
    assert_eq!(org.identity().org_id, emulated.credentials.org_id);
    let wrong = Login::ClientCredentials {
        login_url: emulated.url(),
        client_id: emulated.credentials.client_id.clone(),
        client_secret: "wrong".into(),
    };
    let error = emulated.connect(wrong).await.unwrap_err();
    assert_eq!((error.kind, error.error_code()), (Kind::Denied, Some("invalid_client")), "{error}");
    assert!(error.hint.is_some());
}

/// 1.4: the flow without a user to run as says what to click.
#[tokio::test(start_paused = true)]
async fn client_credentials_without_run_as() {
    let emulated = emulated();
    let org = &emulated.emulator.orgs()[0];
    assert!(org.change_app(&emulated.credentials.client_id, |app| app.run_as = None));
    let error = emulated.connect(emulated.client_credentials()).await.unwrap_err();
    assert_eq!(error.kind, Kind::Denied);
    assert!(error.to_string().contains("no client credentials user enabled"), "{error}");
    assert!(error.hint.unwrap().contains("Run As"));
}

/// 1.4: JWT bearer, for a user who may, and for one who is not there.
#[tokio::test(start_paused = true)]
async fn jwt_bearer() {
    let emulated = emulated();
    let login = |username: &str| Login::JwtBearer {
        login_url: emulated.url(),
        client_id: emulated.credentials.client_id.clone(),
        username: username.to_owned(),
        private_key_pem: emulated.credentials.jwt_private_key_pem.as_str().into(),
        audience: None,
    };
    let org = emulated.connect(login(&emulated.credentials.username)).await.unwrap();
    assert_eq!(org.identity().username, emulated.credentials.username);
    let error = emulated.connect(login("nobody@acme.example")).await.unwrap_err();
    assert_eq!((error.kind, error.error_code()), (Kind::Denied, Some("invalid_grant")), "{error}");
}

fn refresh_token(emulated: &Emulated) -> Login {
    Login::RefreshToken {
        login_url: emulated.url(),
        client_id: emulated.credentials.client_id.clone(),
        client_secret: Some(emulated.credentials.client_secret.as_str().into()),
        refresh_token: emulated.credentials.refresh_token.as_str().into(),
    }
}

/// 1.5, 1.8: sessions that end are renewed once for all, and each rotated token is kept.
#[tokio::test(start_paused = true)]
async fn rotation_survives_many_ended_sessions() {
    let emulated = emulated();
    let kept = Arc::new(Kept::default());
    let options = Options { token_store: Some(kept.clone()), ..Options::default() };
    let org = Org::connect(emulated.transport(), refresh_token(&emulated), options).await.unwrap();
    for _ in 0..3 {
        emulated.emulator.orgs()[0].expire_sessions();
        let counts = join_all((0..5).map(|_| org.count("User", None, Scope::Live))).await;
        assert!(counts.into_iter().all(|count| count.is_ok()));
    }
    let kept: Vec<String> = kept.0.lock().unwrap().iter().map(|token| token.expose().to_owned()).collect();
    assert_eq!(kept.len(), 4);
    let mut last = refresh_token(&emulated);
    let Login::RefreshToken { refresh_token, .. } = &mut last else { unreachable!() };
    *refresh_token = kept[3].as_str().into();
    emulated.connect(last).await.unwrap();
}

/// 1.5: a token that was rotated away is refused in the documented words.
#[tokio::test(start_paused = true)]
async fn an_old_refresh_token_is_refused() {
    let emulated = emulated();
    emulated.connect(refresh_token(&emulated)).await.unwrap();
    let error = emulated.connect(refresh_token(&emulated)).await.unwrap_err();
    assert_eq!((error.kind, error.org_message()), (Kind::Denied, Some("expired access/refresh token")));
    assert!(error.hint.unwrap().contains("connect again"));
}

/// 1.6: an admin who revokes the grant ends the connection at its next need of a session.
#[tokio::test(start_paused = true)]
async fn a_revoked_grant_is_denied() {
    let emulated = emulated();
    let org = emulated.connect(refresh_token(&emulated)).await.unwrap();
    emulated.emulator.orgs()[0].revoke_grants();
    let error = org.count("User", None, Scope::Live).await.unwrap_err();
    assert_eq!((error.kind, error.org_message()), (Kind::Denied, Some("expired access/refresh token")));
}

/// 1.8: sessions end by themselves two hours after their last use, and a bare access token cannot be renewed.
#[tokio::test(start_paused = true)]
async fn an_access_token_ends() {
    let emulated = emulated();
    let org = emulated.org().await;
    emulated.emulator.clock().advance(std::time::Duration::from_secs(7_201));
    let error = org.count("User", None, Scope::Live).await.unwrap_err();
    assert_eq!((error.kind, error.error_code()), (Kind::Denied, Some("INVALID_SESSION_ID")));
    let renewing = emulated.connect(emulated.client_credentials()).await.unwrap();
    emulated.emulator.clock().advance(std::time::Duration::from_secs(7_201));
    renewing.count("User", None, Scope::Live).await.unwrap();
}

/// 1.8: a user without "API Enabled".
#[tokio::test(start_paused = true)]
async fn a_user_without_api_access_is_told_the_permission() {
    let emulated = emulated();
    let org = emulated.org().await;
    emulated.emulator.orgs()[0].set_permission(&org.identity().user_id, "ApiEnabled", false);
    let error = org.count("User", None, Scope::Live).await.unwrap_err();
    assert_eq!(error.kind, Kind::Denied, "{error}");
    assert!(error.hint.unwrap().contains("API Enabled"));
}

/// 1.3, 1.4: authorization code with PKCE, through the pages that a browser shows.
#[tokio::test(start_paused = true)]
async fn authorization_code_with_pkce() {
    let emulated = emulated();
    let pkce = Pkce::generate().unwrap();
    let client_id = &emulated.credentials.client_id;
    let url = authorization_url(&emulated.url(), client_id, CALLBACK, "api refresh_token", "the state", &pkce);
    let code = browse(&emulated, &url).await;
    let login = |verifier: &str| Login::Code {
        login_url: emulated.url(),
        client_id: client_id.clone(),
        client_secret: Some(emulated.credentials.client_secret.as_str().into()),
        redirect_uri: CALLBACK.to_owned(),
        code: code.as_str().into(),
        code_verifier: verifier.into(),
    };
    let kept = Arc::new(Kept::default());
    let options = Options { token_store: Some(kept.clone()), ..Options::default() };
    let org = Org::connect(emulated.transport(), login(pkce.verifier.expose()), options).await.unwrap();
    assert_eq!(kept.0.lock().unwrap().len(), 1);
    emulated.emulator.orgs()[0].expire_sessions();
    org.count("User", None, Scope::Live).await.unwrap();
    assert_eq!(kept.0.lock().unwrap().len(), 2);

    let error = emulated.connect(login(pkce.verifier.expose())).await.unwrap_err();
    assert_eq!((error.kind, error.org_message()), (Kind::Denied, Some("expired authorization code")));
}

/// 1.4: a code is of no use to someone who does not hold the verifier.
#[tokio::test(start_paused = true)]
async fn a_stolen_code_is_refused() {
    let emulated = emulated();
    let pkce = Pkce::generate().unwrap();
    let url = authorization_url(&emulated.url(), &emulated.credentials.client_id, CALLBACK, "api", "s", &pkce);
    let login = Login::Code {
        login_url: emulated.url(),
        client_id: emulated.credentials.client_id.clone(),
        client_secret: Some(emulated.credentials.client_secret.as_str().into()),
        redirect_uri: CALLBACK.to_owned(),
        code: browse(&emulated, &url).await.into(),
        code_verifier: Pkce::generate().unwrap().verifier,
    };
    let error = emulated.connect(login).await.unwrap_err();
    assert_eq!((error.kind, error.org_message()), (Kind::Denied, Some("invalid code verifier")));
}

/// Logs in, allows, and gives the code that the browser is sent back with.
async fn browse(emulated: &Emulated, url: &Url) -> String {
    let mut fields: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    let page = post(emulated, url, &fields).await;
    assert!(page.is_err(), "the login page comes first");
    fields.push(("username".into(), emulated.credentials.username.clone()));
    fields.push(("password".into(), emulated.credentials.password.clone()));
    fields.push(("step".into(), "login".into()));
    let back = match post(emulated, url, &fields).await {
        Ok(back) => back,
        Err(consent) => {
            let ticket = consent.split("name=\"ticket\" value=\"").nth(1).expect("the consent page has a ticket");
            let ticket = ticket.split('"').next().unwrap().to_owned();
            fields.truncate(fields.len() - 3);
            fields.extend([("ticket".to_owned(), ticket), ("step".to_owned(), "allow".to_owned())]);
            post(emulated, url, &fields).await.expect("allowing sends the browser back")
        }
    };
    assert!(back.as_str().starts_with(CALLBACK), "{back}");
    let of = |name: &str| back.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    assert!(of("state").is_some());
    of("code").unwrap_or_else(|| panic!("no code in {back}"))
}

/// The address of a redirect, or else the page.
async fn post(emulated: &Emulated, url: &Url, fields: &[(String, String)]) -> Result<Url, String> {
    let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let mut to = url.clone();
    to.set_query(None);
    let mut request =
        Request { method: Method::POST, url: to, headers: http::HeaderMap::new(), body: Body::Bytes(form.into()) };
    request.headers.insert(http::header::CONTENT_TYPE, "application/x-www-form-urlencoded".parse().unwrap());
    let response = emulated.transport().send(request).await.unwrap();
    if let Some(place) = response.headers.get(http::header::LOCATION) {
        return Ok(Url::parse(place.to_str().unwrap()).unwrap());
    }
    let page: Vec<bytes::Bytes> = futures::TryStreamExt::try_collect(response.body).await.unwrap();
    Err(String::from_utf8(page.concat()).unwrap())
}
