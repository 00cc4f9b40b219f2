// SPDX-License-Identifier: Apache-2.0
//! External client apps from their metadata, and the policies of apps: `salesforce-api.md` 1.4, 1.5, 1.9, 1.10.

use std::time::Duration;

use crate::caller::{Caller, START_MS, Said};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use orgkeep_emulator::oauth::app::{App, Permitted, RefreshPolicy};
use orgkeep_emulator::oauth::challenge_of;
use orgkeep_emulator::oauth::external_client_app::{self as eca, Change, Kind, Outcome};
use serde_json::{Value, json};

const CALLBACK: &str = "https://backup.example.internal/oauth/callback";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const TOKEN: &str = "/services/oauth2/token";
const DAY: u64 = 86_400;

fn xml(kind: Kind, inner: &str) -> Vec<u8> {
    let name = kind.name();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{name} xmlns=\"http://soap.sforce.com/2006/04/metadata\">{inner}</{name}>\n"
    )
    .into_bytes()
}

type Files = Vec<(String, Vec<u8>)>;

fn header() -> Files {
    let inner = "<contactEmail>admin@example.com</contactEmail><distributionState>Local</distributionState>\
                 <isProtected>false</isProtected><label>Self-hosted Backup</label>";
    vec![("externalClientApps/Backup.eca-meta.xml".into(), xml(Kind::ExternalClientApplication, inner))]
}

fn oauth() -> Files {
    let inner = "<commaSeparatedOauthScopes>Api, RefreshToken, OpenID</commaSeparatedOauthScopes>\
                 <externalClientApplication>Backup</externalClientApplication><label>OAuth</label>";
    vec![("extlClntAppOauthSettings/Backup_oauth.ecaOauth-meta.xml".into(), xml(Kind::ExtlClntAppOauthSettings, inner))]
}

fn global(more: &str) -> Files {
    let inner = format!(
        "<callbackUrl>{CALLBACK}</callbackUrl><externalClientApplication>Backup</externalClientApplication>\
         <isClientCredentialsFlowEnabled>true</isClientCredentialsFlowEnabled><isPkceRequired>true</isPkceRequired>\
         <isRefreshTokenRotationEnabled>true</isRefreshTokenRotationEnabled>\
         <isSecretRequiredForRefreshToken>true</isSecretRequiredForRefreshToken><label>global</label>{more}"
    );
    let path = "extlClntAppGlobalOauthSets/Backup_glbl.ecaGlblOauth-meta.xml";
    vec![(path.into(), xml(Kind::ExtlClntAppGlobalOauthSettings, &inner))]
}

fn policy(more: &str) -> Files {
    let inner = format!(
        "<commaSeparatedPermissionSet>Orgkeep_Backup</commaSeparatedPermissionSet>\
         <externalClientApplication>Backup</externalClientApplication><label>Backup_oauth_defaultPolicy</label>\
         <permittedUsersPolicyType>AdminApprovedPreAuthorized</permittedUsersPolicyType>{more}"
    );
    let path = "extlClntAppOauthPolicies/Backup_oauth_defaultPolicy.ecaOauthPlcy-meta.xml";
    vec![(path.into(), xml(Kind::ExtlClntAppOauthConfigurablePolicies, &inner))]
}

const RUNS_AS_BACKUP: &str = "<clientCredentialsFlowUser>backup@org-1.orgkeep.example</clientCredentialsFlowUser>\
                              <isClientCredentialsFlowEnabled>true</isClientCredentialsFlowEnabled>";

fn whole() -> Files {
    [header(), oauth(), global(""), policy(RUNS_AS_BACKUP)].concat()
}

fn change(caller: &Caller, files: &Files, removed: &[(&str, &str)]) -> Vec<Outcome> {
    let removed: Vec<(String, String)> = removed.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
    let faces = &caller.org().faces;
    caller.org().write(|tx| {
        let staged = eca::stage(tx, faces, files, &removed);
        let outcomes = staged.outcomes().to_vec();
        staged.commit(faces);
        outcomes
    })
}

fn deploy(caller: &Caller, files: &Files) -> Vec<Outcome> {
    let outcomes = change(caller, files, &[]);
    let problems: Vec<&String> = outcomes.iter().filter_map(|outcome| outcome.problem.as_ref()).collect();
    assert!(problems.is_empty(), "{problems:?}");
    outcomes
}

fn retrieved(caller: &Caller, kind: Kind) -> String {
    let files = eca::files(&caller.org().faces);
    files.into_iter().find(|file| file.kind == kind).unwrap_or_else(|| panic!("no {}", kind.name())).xml
}

fn element(xml: &str, name: &str) -> String {
    let start = xml.find(&format!("<{name}>")).unwrap_or_else(|| panic!("no {name} in {xml}")) + name.len() + 2;
    xml[start..].split('<').next().unwrap().to_owned()
}

fn key_of(caller: &Caller) -> String {
    element(&retrieved(caller, Kind::ExtlClntAppGlobalOauthSettings), "consumerKey")
}

fn secret_of(caller: &Caller, key: &str) -> String {
    let mut secret = None;
    caller.org().change_app(key, |app| secret = app.client_secret.clone());
    secret.unwrap()
}

fn error(said: &Said) -> (u16, String, String) {
    let body = said.json();
    let text = |name: &str| body[name].as_str().unwrap_or_else(|| panic!("{body}")).to_owned();
    (said.status, text("error"), text("error_description"))
}

fn refused(error: &str, description: &str) -> (u16, String, String) {
    (400, error.to_owned(), description.to_owned())
}

fn redirected(said: &Said, name: &str) -> Option<String> {
    assert_eq!(said.status, 302, "{}", said.text());
    let location = url::Url::parse(said.header("location")).unwrap();
    location.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// Posts credentials to the login page of an app.
async fn log_in(caller: &Caller, client_id: &str, callback: &str, username: &str) -> Said {
    let challenge = challenge_of(VERIFIER);
    let pairs = [
        ("response_type", "code"),
        ("client_id", client_id),
        ("redirect_uri", callback),
        ("code_challenge", &challenge),
        ("step", "login"),
        ("username", username),
        ("password", &caller.credentials.password),
    ];
    caller.form("/services/oauth2/authorize", &pairs).await
}

/// The token answer for the backup user, who is approved beforehand and therefore not asked.
async fn sign_in(caller: &Caller, key: &str, secret: &str) -> Value {
    let said = log_in(caller, key, CALLBACK, "backup@org-1.orgkeep.example").await;
    let code = redirected(&said, "code").unwrap();
    exchange(caller, key, Some(secret), &code).await.expect(200)
}

async fn exchange(caller: &Caller, key: &str, secret: Option<&str>, code: &str) -> Said {
    let mut pairs = vec![
        ("grant_type", "authorization_code"),
        ("code", code),
        ("client_id", key),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    pairs.extend(secret.map(|secret| ("client_secret", secret)));
    caller.form(TOKEN, &pairs).await
}

async fn refresh(caller: &Caller, key: &str, secret: &str, token: &str) -> Said {
    let mut pairs = vec![("grant_type", "refresh_token"), ("refresh_token", token), ("client_id", key)];
    if !secret.is_empty() {
        pairs.push(("client_secret", secret));
    }
    caller.form(TOKEN, &pairs).await
}

async fn credentials(caller: &Caller, key: &str, secret: &str) -> Said {
    let pairs = [("grant_type", "client_credentials"), ("client_id", key), ("client_secret", secret)];
    caller.form(TOKEN, &pairs).await
}

async fn limits(caller: &Caller, token: &str) -> Said {
    let authorization = format!("Bearer {token}");
    caller.raw("GET", "/services/data/v67.0/limits", &[("authorization", &authorization)], "").await
}

#[tokio::test(start_paused = true)]
async fn deploying_its_components_makes_an_app_that_can_be_signed_in_to() {
    // 1.10: the deployable set; the org makes key and secret and tells the key in a retrieve, the secret over REST.
    let caller = Caller::new();
    let outcomes = deploy(&caller, &whole());
    assert_eq!(outcomes.len(), 4);
    assert!(outcomes.iter().all(|outcome| outcome.change == Change::Created && outcome.id.len() == 18));
    let key = key_of(&caller);
    assert!(key.starts_with("3MVG9") && key.len() == 85);
    let link = element(&retrieved(&caller, Kind::ExtlClntAppOauthSettings), "oauthLink");
    let (org, consumer) = link.split_once(':').unwrap();
    assert_eq!(org, &caller.credentials.org_id[..15]);
    assert!(consumer.starts_with("888") && consumer.len() == 15);
    assert!(!retrieved(&caller, Kind::ExtlClntAppGlobalOauthSettings).contains("consumerSecret>"));

    let usage = caller.get("/apps/oauth/usage").await.expect(200);
    assert_eq!(usage["apps"][0]["developerName"], "Backup");
    let app = usage["apps"][0]["identifier"].as_str().unwrap().to_owned();
    assert!(app.starts_with("0xI"));
    let closed = caller.get(&format!("/apps/oauth/credentials/{app}")).await;
    let text = "This feature is not currently enabled for this user.".to_owned();
    assert_eq!(closed.error(), (403, "FUNCTIONALITY_NOT_ENABLED".into(), text));
    let switch = "<ExternalClientAppSettings xmlns=\"http://soap.sforce.com/2006/04/metadata\">\
                  <enableClientSecretInRestApiAccess>true</enableClientSecretInRestApiAccess></ExternalClientAppSettings>";
    deploy(&caller, &vec![("settings/ExternalClientApp.settings".into(), switch.into())]);
    let consumers = caller.get(&format!("/apps/oauth/credentials/{app}")).await.expect(200);
    assert_eq!(consumers["consumers"][0]["key"], key.as_str());
    let id = consumers["consumers"][0]["id"].as_str().unwrap();
    let told = caller.get(&format!("/apps/oauth/credentials/{app}/{id}?part=keyandsecret")).await.expect(200);
    let secret = told["secret"].as_str().unwrap().to_owned();
    assert_eq!((secret.len(), told["key"].as_str()), (64, Some(key.as_str())));
    assert!(caller.get(&format!("/apps/oauth/credentials/{app}/{id}")).await.expect(200)["secret"].is_null());

    let body = credentials(&caller, &key, &secret).await.expect(200);
    let authorization = format!("Bearer {}", body["access_token"].as_str().unwrap());
    let headers = [("authorization", authorization.as_str())];
    let info = caller.raw("GET", "/services/oauth2/userinfo", &headers, "").await.expect(200);
    assert_eq!(info["preferred_username"], "backup@org-1.orgkeep.example");

    let body = sign_in(&caller, &key, &secret).await;
    assert!(body["refresh_token"].as_str().unwrap().starts_with("5Aep861") && body["id_token"].is_string());
    assert_eq!(body["scope"], "api openid refresh_token");
}

#[tokio::test(start_paused = true)]
async fn settings_without_policies_get_the_default_ones() {
    // 1.10: as really retrieved.
    let caller = Caller::new();
    deploy(&caller, &[header(), oauth(), global("")].concat());
    let files = eca::files(&caller.org().faces);
    let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "externalClientApps/Backup.eca",
            "extlClntAppGlobalOauthSets/Backup_glbl.ecaGlblOauth",
            "extlClntAppOauthPolicies/Backup_oauth_defaultPolicy.ecaOauthPlcy",
            "extlClntAppOauthSettings/Backup_oauth.ecaOauth",
        ]
    );
    let policy = retrieved(&caller, Kind::ExtlClntAppOauthConfigurablePolicies);
    for (name, value) in [
        ("permittedUsersPolicyType", "AllSelfAuthorized"),
        ("refreshTokenPolicyType", "SpecificLifetime"),
        ("refreshTokenValidityPeriod", "365"),
        ("refreshTokenValidityUnit", "Days"),
        ("ipRelaxationPolicyType", "Enforce"),
        ("isTokenExchangeFlowEnabled", "false"),
    ] {
        assert_eq!(element(&policy, name), value);
    }
    let key = key_of(&caller);
    let said = credentials(&caller, &key, &secret_of(&caller, &key)).await;
    assert_eq!(error(&said), refused("invalid_grant", "no client credentials user enabled"));
    let said = log_in(&caller, &key, CALLBACK, "sales@org-1.orgkeep.example").await;
    assert!(said.text().contains("Self-hosted Backup</strong> is asking to"), "everyone may approve it himself");
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_with_a_component_is_reported() {
    // 1.10; the texts are quoted from real deploys where one is known.
    let caller = Caller::new();
    let problem = |files: &Files| {
        let outcomes = change(&caller, files, &[]);
        outcomes.into_iter().find_map(|outcome| outcome.problem).unwrap_or_default()
    };
    assert_eq!(
        problem(&oauth()),
        "In field: externalClientApplication - no ExternalClientApplication named Backup found"
    );
    let everything = |policy: Files| [header(), oauth(), global(""), policy].concat();
    let nobody = policy("<clientCredentialsFlowUser>nobody@x</clientCredentialsFlowUser>");
    assert_eq!(problem(&everything(nobody)), "Enter a valid execution user for the OAuth client credentials flow.");
    let approved = policy("<policyAction>Shout</policyAction>");
    assert_eq!(problem(&everything(approved)), "'Shout' is not a valid value for the enum 'PolicyAction'");
    let set = policy("").into_iter().map(|(path, body)| {
        (path, String::from_utf8(body).unwrap().replace("Orgkeep_Backup", "No_Such_Set").into_bytes())
    });
    assert_eq!(
        problem(&everything(set.collect())),
        "In field: commaSeparatedPermissionSet - no PermissionSet named No_Such_Set found"
    );
    let taken = global(&format!("<consumerKey>{}</consumerKey>", caller.credentials.client_id));
    assert_eq!(problem(&[header(), oauth(), taken].concat()), "The consumer key is already taken.");
    let unlabelled = vec![("externalClientApps/X.eca".to_owned(), xml(Kind::ExternalClientApplication, ""))];
    assert_eq!(problem(&unlabelled), "Required field is missing: label");
    let gone = change(&caller, &Vec::new(), &[("ExternalClientApplication", "Nobody")]);
    assert_eq!(gone[0].problem.as_deref(), Some("No ExternalClientApplication named: Nobody found"));
    let files = eca::files(&caller.org().faces);
    assert!(files.iter().all(|file| !file.xml.contains("No_Such_Set") && file.full_name != "X"), "refused, not kept");
}

#[tokio::test(start_paused = true)]
async fn a_redeploy_keeps_the_key_until_it_is_asked_to_rotate() {
    let caller = Caller::new();
    deploy(&caller, &whole());
    let key = key_of(&caller);
    let secret = secret_of(&caller, &key);
    let again = deploy(&caller, &whole());
    assert_eq!(again[0].change, Change::Unchanged);
    assert_eq!((key_of(&caller), secret_of(&caller, &key)), (key.clone(), secret.clone()));
    deploy(&caller, &global("<shouldRotateConsumerSecret>true</shouldRotateConsumerSecret>"));
    assert_eq!(key_of(&caller), key);
    assert_ne!(secret_of(&caller, &key), secret);
    assert_eq!(
        error(&credentials(&caller, &key, &secret).await),
        refused("invalid_client", "invalid client credentials")
    );
    deploy(&caller, &global("<consumerKey>3MVG9own</consumerKey><consumerSecret>given</consumerSecret>"));
    assert_eq!(key_of(&caller), "3MVG9own");
    credentials(&caller, "3MVG9own", "given").await.expect(200);
    assert_eq!(
        error(&credentials(&caller, &key, "given").await),
        refused("invalid_client_id", "client identifier invalid")
    );
}

#[tokio::test(start_paused = true)]
async fn only_users_of_the_permission_set_come_in() {
    // 1.4: the error at the page, and the one at the token endpoint once the permission set is taken away.
    let caller = Caller::new();
    deploy(&caller, &whole());
    let key = key_of(&caller);
    let secret = secret_of(&caller, &key);
    let said = log_in(&caller, &key, CALLBACK, "sales@org-1.orgkeep.example").await;
    assert_eq!(redirected(&said, "error").as_deref(), Some("OAUTH_APP_ACCESS_DENIED"));
    assert_eq!(
        redirected(&said, "error_description").as_deref(),
        Some("user is not admin approved to access this app")
    );
    let body = sign_in(&caller, &key, &secret).await;
    let set = caller.query("SELECT Id FROM PermissionSetAssignment WHERE PermissionSet.Name = 'Orgkeep_Backup'").await;
    let assignment = set.json()["records"][0]["Id"].as_str().unwrap().to_owned();
    assert_eq!(caller.delete(&format!("/sobjects/PermissionSetAssignment/{assignment}")).await.status, 204);
    let denied = refused("invalid_app_access", "user is not admin approved to access this app");
    let token = body["refresh_token"].as_str().unwrap();
    assert_eq!(error(&refresh(&caller, &key, &secret, token).await), denied);
    assert_eq!(error(&credentials(&caller, &key, &secret).await), denied, "also the run-as user");
    deploy(&caller, &policy("<commaSeparatedProfile>Minimum Access - API Only Integrations</commaSeparatedProfile>"));
    refresh(&caller, &key, &secret, token).await.expect(200);
}

#[tokio::test(start_paused = true)]
async fn the_secret_is_asked_for_where_the_app_says_so() {
    let caller = Caller::new();
    deploy(&caller, &whole());
    let key = key_of(&caller);
    let secret = secret_of(&caller, &key);
    let code = async || {
        let said = log_in(&caller, &key, CALLBACK, "backup@org-1.orgkeep.example").await;
        redirected(&said, "code").unwrap()
    };
    let wrong = refused("invalid_client", "invalid client credentials");
    assert_eq!(error(&exchange(&caller, &key, None, &code().await).await), wrong);
    let body = exchange(&caller, &key, Some(&secret), &code().await).await.expect(200);
    let token = body["refresh_token"].as_str().unwrap();
    assert_eq!(error(&refresh(&caller, &key, "", token).await), wrong);
    let optional = global("<isConsumerSecretOptional>true</isConsumerSecretOptional>");
    let optional = optional.into_iter().map(|(path, body)| {
        let text = String::from_utf8(body).unwrap();
        let switch = "<isSecretRequiredForRefreshToken>";
        (path, text.replace(&format!("{switch}true"), &format!("{switch}false")).into_bytes())
    });
    deploy(&caller, &optional.collect());
    let body = exchange(&caller, &key, None, &code().await).await.expect(200);
    refresh(&caller, &key, "", body["refresh_token"].as_str().unwrap()).await.expect(200);
    assert_eq!(error(&exchange(&caller, &key, Some("wrong"), &code().await).await), wrong);
    assert_eq!(error(&credentials(&caller, &key, "").await), wrong, "client credentials always need it");
    let plain = [("response_type", "code"), ("client_id", key.as_str()), ("redirect_uri", CALLBACK)];
    let said = caller.form("/services/oauth2/authorize", &plain).await;
    assert_eq!(redirected(&said, "error_description").as_deref(), Some("missing required code challenge"));
}

#[tokio::test(start_paused = true)]
async fn refresh_tokens_expire_by_policy() {
    // 1.5: 30 days without use; so long after the approval; at once. Rotation moves only the first.
    let caller = Caller::new();
    let idle = "<refreshTokenPolicyType>SpecificInactivity</refreshTokenPolicyType>\
                <refreshTokenValidityPeriod>30</refreshTokenValidityPeriod><refreshTokenValidityUnit>Days</refreshTokenValidityUnit>";
    deploy(&caller, &[header(), oauth(), global(""), policy(&format!("{RUNS_AS_BACKUP}{idle}"))].concat());
    let key = key_of(&caller);
    let secret = secret_of(&caller, &key);
    let mut token = sign_in(&caller, &key, &secret).await["refresh_token"].as_str().unwrap().to_owned();
    let wait = |seconds: u64| caller.emulator.clock().advance(Duration::from_secs(seconds));
    let expired = refused("invalid_grant", "expired access/refresh token");
    for _ in 0..3 {
        wait(30 * DAY - 1);
        let body = refresh(&caller, &key, &secret, &token).await.expect(200);
        token = body["refresh_token"].as_str().unwrap().to_owned();
    }
    wait(30 * DAY);
    assert_eq!(error(&refresh(&caller, &key, &secret, &token).await), expired);

    let set = |policy: RefreshPolicy| caller.org().change_app(&key, |app| app.refresh_policy = policy);
    set(RefreshPolicy { lifetime_seconds: Some(10 * DAY), idle_seconds: None });
    let token = sign_in(&caller, &key, &secret).await["refresh_token"].as_str().unwrap().to_owned();
    wait(6 * DAY);
    let body = refresh(&caller, &key, &secret, &token).await.expect(200);
    wait(4 * DAY);
    assert_eq!(error(&refresh(&caller, &key, &secret, body["refresh_token"].as_str().unwrap()).await), expired);

    let zero = "<refreshTokenPolicyType>Zero</refreshTokenPolicyType>";
    deploy(&caller, &policy(&format!("{RUNS_AS_BACKUP}{zero}")));
    let body = sign_in(&caller, &key, &secret).await;
    assert_eq!(limits(&caller, body["access_token"].as_str().unwrap()).await.status, 200);
    assert_eq!(error(&refresh(&caller, &key, &secret, body["refresh_token"].as_str().unwrap()).await), expired);
}

#[tokio::test(start_paused = true)]
async fn sessions_follow_the_policies_of_their_app() {
    // 1.10: sessionTimeoutInMinutes. 1.8: the text that tells jsforce not to refresh.
    let caller = Caller::new();
    let timeout = "<sessionTimeoutInMinutes>15</sessionTimeoutInMinutes>";
    deploy(&caller, &[header(), oauth(), global(""), policy(&format!("{RUNS_AS_BACKUP}{timeout}"))].concat());
    let key = key_of(&caller);
    let secret = secret_of(&caller, &key);
    let body = credentials(&caller, &key, &secret).await.expect(200);
    let token = body["access_token"].as_str().unwrap();
    caller.emulator.clock().advance(Duration::from_secs(14 * 60));
    assert_eq!(limits(&caller, token).await.status, 200);
    caller.emulator.clock().advance(Duration::from_secs(15 * 60));
    assert_eq!(limits(&caller, token).await.status, 401);

    let client_id = caller.credentials.client_id.clone();
    caller.org().change_app(&client_id, |app| app.scopes = ["web", "id"].map(String::from).into());
    let said = credentials(&caller, &client_id, &caller.credentials.client_secret).await.expect(200);
    let said = limits(&caller, said["access_token"].as_str().unwrap()).await;
    let text = "This session is not valid for use with the REST API".to_owned();
    assert_eq!(said.error(), (401, "INVALID_SESSION_ID".into(), text));
}

#[tokio::test(start_paused = true)]
async fn a_removed_app_takes_its_tokens_along() {
    let caller = Caller::new();
    deploy(&caller, &whole());
    let key = key_of(&caller);
    let secret = secret_of(&caller, &key);
    let body = sign_in(&caller, &key, &secret).await;
    let token = body["access_token"].as_str().unwrap();
    assert_eq!(limits(&caller, token).await.status, 200);
    let outcomes = change(&caller, &Vec::new(), &[("ExternalClientApplication", "Backup")]);
    assert_eq!((outcomes[0].change, outcomes[0].problem.as_ref()), (Change::Deleted, None));
    assert!(eca::files(&caller.org().faces).is_empty());
    assert_eq!(limits(&caller, token).await.status, 401);
    let said = refresh(&caller, &key, &secret, body["refresh_token"].as_str().unwrap()).await;
    assert_eq!(error(&said), refused("invalid_client_id", "client identifier invalid"));
}

#[tokio::test(start_paused = true)]
async fn a_certificate_turns_the_jwt_flow_on() {
    // 1.10: `certificate` holds the base64 body of a certificate. 1.4: the assertion of a user who is approved.
    let caller = Caller::new();
    let private = caller.credentials.jwt_private_key_pem.as_str();
    let pair = rcgen::KeyPair::from_pem(private).unwrap();
    let certificate = rcgen::CertificateParams::default().self_signed(&pair).unwrap();
    let body = STANDARD.encode(certificate.der());
    deploy(&caller, &[header(), oauth(), global(&format!("<certificate>{body}</certificate>")), policy("")].concat());
    let key = key_of(&caller);
    let said = async |user: &str| {
        let claims =
            json!({"iss": key, "sub": user, "aud": "https://login.salesforce.com", "exp": START_MS / 1000 + 60});
        let signing = EncodingKey::from_rsa_pem(private.as_bytes()).unwrap();
        let assertion = jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &signing).unwrap();
        let grant = "urn:ietf:params:oauth:grant-type:jwt-bearer";
        caller.form(TOKEN, &[("grant_type", grant), ("assertion", &assertion)]).await
    };
    assert_eq!(said("backup@org-1.orgkeep.example").await.expect(200)["scope"], "api openid refresh_token");
    let denied = refused("invalid_app_access", "user is not admin approved to access this app");
    assert_eq!(error(&said("sales@org-1.orgkeep.example").await), denied);
    let unreadable = change(&caller, &global("<certificate>AAAA</certificate>"), &[]);
    assert_eq!(unreadable[0].problem.as_deref(), Some("In field: certificate - no Certificate named AAAA found"));
}

#[tokio::test(start_paused = true)]
async fn an_app_that_is_not_installed_admits_only_those_who_had_approved_it() {
    // 1.9, as since September 2025.
    let caller = Caller::new();
    let callback = "http://localhost:1717/OauthRedirect";
    let (client_id, secret) = (caller.credentials.client_id.clone(), caller.credentials.client_secret.clone());
    caller.org().change_app(&client_id, |app| app.installed = false);
    let sales = "sales@org-1.orgkeep.example";
    let said = log_in(&caller, &client_id, callback, sales).await;
    assert_eq!(redirected(&said, "error").as_deref(), Some("OAUTH_APPROVAL_ERROR_GENERIC"));
    let user = caller.query(&format!("SELECT Id FROM User WHERE Username = '{sales}'")).await.json();
    let user = user["records"][0]["Id"].as_str().unwrap();
    caller.org().set_permission(user, "CanApproveUninstalledApps", true);
    let said = log_in(&caller, &client_id, callback, sales).await;
    assert!(said.text().contains("is asking to"));
    refresh(&caller, &client_id, &secret, &caller.credentials.refresh_token).await.expect(200);
    let said = credentials(&caller, &client_id, &secret).await;
    assert_eq!(error(&said), refused("invalid_client", "app must be installed into org"));

    deploy(&caller, &whole());
    let off = "<externalClientApplication>Backup</externalClientApplication><isEnabled>false</isEnabled>";
    let plugins =
        ("extlClntAppPolicies/Backup_plcy.ecaPlcy".to_owned(), xml(Kind::ExtlClntAppConfigurablePolicies, off));
    deploy(&caller, &vec![plugins]);
    let said = log_in(&caller, &key_of(&caller), CALLBACK, "backup@org-1.orgkeep.example").await;
    assert_eq!(redirected(&said, "error").as_deref(), Some("OAUTH_EC_APP_NOT_FOUND"));
    let text = "External client app is not installed in this org";
    assert_eq!(redirected(&said, "error_description").as_deref(), Some(text));
}

#[tokio::test(start_paused = true)]
async fn a_blocked_app_is_out() {
    let caller = Caller::new();
    let callback = "http://localhost:1717/OauthRedirect";
    let (client_id, secret) = (caller.credentials.client_id.clone(), caller.credentials.client_secret.clone());
    let body = credentials(&caller, &client_id, &secret).await.expect(200);
    let token = body["access_token"].as_str().unwrap();
    assert!(caller.org().set_blocked(&client_id, true));
    assert_eq!(limits(&caller, token).await.status, 401);
    let said = log_in(&caller, &client_id, callback, &caller.credentials.username).await;
    assert_eq!(redirected(&said, "error").as_deref(), Some("OAUTH_APP_BLOCKED"));
    assert_eq!(redirected(&said, "error_description").as_deref(), Some("this app is blocked by admin"));
    let expired = refused("invalid_grant", "expired access/refresh token");
    assert_eq!(error(&refresh(&caller, &client_id, &secret, &caller.credentials.refresh_token).await), expired);
    caller.org().set_blocked(&client_id, false);
    credentials(&caller, &client_id, &secret).await.expect(200);
}

#[tokio::test(start_paused = true)]
async fn a_client_may_show_itself_by_an_assertion() {
    // 1.4: client_assertion in place of the secret.
    let caller = Caller::new();
    let claims = |aud: &str| json!({"iss": caller.credentials.client_id, "sub": caller.credentials.client_id, "aud": aud, "exp": START_MS / 1000 + 60});
    let said = async |aud: &str| {
        let signing = EncodingKey::from_rsa_pem(caller.credentials.jwt_private_key_pem.as_bytes()).unwrap();
        let assertion = jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims(aud), &signing).unwrap();
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        let pairs = [
            ("grant_type", "client_credentials"),
            ("client_assertion", assertion.as_str()),
            ("client_assertion_type", kind),
        ];
        caller.form(TOKEN, &pairs).await
    };
    said(&format!("http://{}{TOKEN}", crate::caller::HOST)).await.expect(200);
    assert_eq!(error(&said("https://example.com").await), refused("invalid_client", "invalid client credentials"));
}

#[tokio::test(start_paused = true)]
async fn an_app_of_another_org_is_not_installed_here() {
    // 1.3: "External client app is not installed in this org".
    let caller = Caller::with(orgkeep_emulator::Settings { orgs: 2, ..crate::caller::settings() });
    deploy(&caller, &whole());
    let other = caller.emulator.credentials(1);
    let said = log_in(&caller, &key_of(&caller), CALLBACK, &other.username).await;
    assert_eq!(redirected(&said, "error").as_deref(), Some("OAUTH_EC_APP_NOT_FOUND"));
}

#[tokio::test(start_paused = true)]
async fn an_app_may_be_let_look_into_the_tokens_of_others() {
    // 1.6, isIntrospectAllTokens.
    let caller = Caller::new();
    let looker =
        App { client_secret: Some("s".into()), permitted: Permitted::SelfAuthorize, ..App::new("looker", "Looker") };
    caller.org().register_app(looker);
    let ask = async || {
        let pairs = [("token", caller.token.as_str()), ("client_id", "looker"), ("client_secret", "s")];
        caller.form("/services/oauth2/introspect", &pairs).await.expect(200)
    };
    assert_eq!(ask().await, json!({"active": false}));
    caller.org().change_app("looker", |app| app.introspects_all = true);
    let told = ask().await;
    assert_eq!(
        (told["active"].clone(), told["client_id"].as_str()),
        (json!(true), Some(caller.credentials.client_id.as_str()))
    );
}

#[tokio::test(start_paused = true)]
async fn access_tokens_that_are_jwts_are_none_for_soap() {
    // 1.4: they work for REST, end at their own time, and SOAP answers INVALID_SESSION_ID.
    let caller = Caller::new();
    let jwt = "<isNamedUserJwtEnabled>true</isNamedUserJwtEnabled><namedUserJwtTimeout>10</namedUserJwtTimeout>";
    deploy(&caller, &[header(), oauth(), global(""), policy(&format!("{RUNS_AS_BACKUP}{jwt}"))].concat());
    let key = key_of(&caller);
    let secret = secret_of(&caller, &key);
    let body = credentials(&caller, &key, &secret).await.expect(200);
    let other = credentials(&caller, &key, &secret).await.expect(200);
    let token = body["access_token"].as_str().unwrap();
    assert!(token.starts_with("eyJ") && other["access_token"] != token);
    assert_eq!(limits(&caller, token).await.status, 200);
    let envelope = format!(
        "<soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\"><soapenv:Header><SessionHeader>\
         <sessionId>{token}</sessionId></SessionHeader></soapenv:Header><soapenv:Body><getUserInfo/></soapenv:Body>\
         </soapenv:Envelope>"
    );
    let said = caller.raw("POST", "/services/Soap/u/59.0", &[("content-type", "text/xml")], envelope).await;
    assert_eq!(said.status, 500);
    assert!(said.text().contains("<faultcode>sf:INVALID_SESSION_ID</faultcode>"), "{}", said.text());
    caller.emulator.clock().advance(Duration::from_secs(9 * 60));
    assert_eq!(limits(&caller, token).await.status, 200);
    caller.emulator.clock().advance(Duration::from_secs(60));
    assert_eq!(limits(&caller, token).await.status, 401, "use does not move its end");
}

#[tokio::test(start_paused = true)]
async fn a_token_opens_a_browser() {
    // 1.2: what `sf org open` asks for.
    let caller = Caller::new();
    let body = caller.call("POST", "/services/oauth2/singleaccess", &[], "").await.expect(200);
    let address = body["frontdoor_uri"].as_str().unwrap();
    assert!(address.starts_with(&format!("http://{}/secur/frontdoor.jsp?otp=", crate::caller::HOST)));
    let path = address.split_once(crate::caller::HOST).unwrap().1;
    let said = caller.raw("GET", path, &[], "").await;
    assert_eq!((said.status, said.header("location")), (302, format!("http://{}/", crate::caller::HOST).as_str()));
    let said = caller.raw("POST", "/services/oauth2/singleaccess", &[("authorization", "Bearer x")], "").await;
    assert_eq!(said.status, 400);
}

#[tokio::test(start_paused = true)]
async fn a_permission_set_may_hold_the_app_itself() {
    // 1.11: SetupEntityAccess, which is how a set admits to an app without the app's policies naming it.
    let caller = Caller::new();
    deploy(&caller, &whole());
    let key = key_of(&caller);
    let app =
        eca::files(&caller.org().faces).into_iter().find(|file| file.kind == Kind::ExternalClientApplication).unwrap();
    let sales = "sales@org-1.orgkeep.example";
    let said = log_in(&caller, &key, CALLBACK, sales).await;
    assert_eq!(redirected(&said, "error").as_deref(), Some("OAUTH_APP_ACCESS_DENIED"));
    let text = |value: &str| orgkeep_emulator::record::Input::Text(value.to_owned());
    let profile = caller.query(&format!("SELECT ProfileId FROM User WHERE Username = '{sales}'")).await.json();
    let profile = profile["records"][0]["ProfileId"].as_str().unwrap();
    let set = caller.query(&format!("SELECT Id FROM PermissionSet WHERE ProfileId = '{profile}'")).await.json();
    let set = set["records"][0]["Id"].as_str().unwrap();
    let access = vec![("ParentId".to_owned(), text(set)), ("SetupEntityId".to_owned(), text(&app.id))];
    caller.org().insert("SetupEntityAccess", access).unwrap();
    let said = log_in(&caller, &key, CALLBACK, sales).await;
    assert!(redirected(&said, "code").is_some());
}
