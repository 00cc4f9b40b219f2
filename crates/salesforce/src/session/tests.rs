// SPDX-License-Identifier: Apache-2.0
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use futures::future::join_all;

use crate::script::{Answer, Script, USERINFO, VERSIONS, json, status, url};
use crate::{Kind, Login, Options, Org, Scope, Secret, TokenStore, Transport};

const ENDED: &str = r#"[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]"#;
const REFUSED: &str = r#"{"error":"invalid_grant","error_description":"expired access/refresh token"}"#;

fn token(number: u32) -> String {
    format!(
        r#"{{"access_token":"00D!{number}","refresh_token":"5Aep{number}","instance_url":"https://acme.my.salesforce.com","id":"https://login.salesforce.com/id/00D000000000001EAA/005000000000001AAA","token_type":"Bearer"}}"#
    )
}

fn refresh_token() -> Login {
    Login::RefreshToken {
        login_url: url(),
        client_id: "3MVG9".into(),
        client_secret: None,
        refresh_token: "5Aep0".into(),
    }
}

/// An org that rotates refresh tokens.
struct Rotating {
    log: Arc<Mutex<Vec<String>>>,
    /// Set by a test to end the current session; a new one begins with the next refresh.
    ended: Arc<AtomicBool>,
    script: Arc<Script>,
}

fn rotating() -> Rotating {
    let ended = Arc::new(AtomicBool::new(false));
    let log = Arc::new(Mutex::new(Vec::new()));
    let (over, said, mut issued) = (ended.clone(), log.clone(), 0);
    let script = Script::answering(move |seen| {
        if seen.line == "POST /services/oauth2/token" {
            if !seen.body.ends_with(&format!("refresh_token=5Aep{issued}")) {
                return status(400, REFUSED);
            }
            issued += 1;
            over.store(false, Ordering::SeqCst);
            said.lock().unwrap().push(format!("issued {issued}"));
            return json(&token(issued));
        }
        if over.load(Ordering::SeqCst) || seen.headers["authorization"] != format!("Bearer 00D!{issued}") {
            return status(401, ENDED);
        }
        if seen.line == "GET /services/data" {
            return json(VERSIONS);
        }
        said.lock().unwrap().push(format!("used {issued}"));
        if seen.line.ends_with("userinfo") { json(USERINFO) } else { json(r#"{"totalSize":7}"#) }
    });
    Rotating { log, ended, script }
}

struct Store {
    log: Arc<Mutex<Vec<String>>>,
    broken: AtomicBool,
}

impl TokenStore for Store {
    fn keep(&self, refresh_token: &Secret) -> io::Result<()> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(io::Error::other("disk full"));
        }
        self.log.lock().unwrap().push(format!("kept {}", refresh_token.expose().trim_start_matches("5Aep")));
        Ok(())
    }
}

async fn connect(transport: Arc<dyn Transport>, store: Arc<Store>) -> crate::Result<Org> {
    Org::connect(transport, refresh_token(), Options { token_store: Some(store), ..Options::default() }).await
}

#[tokio::test(start_paused = true)]
async fn a_rotated_token_is_kept_before_the_session_is_used() {
    let org = rotating();
    let store = Arc::new(Store { log: org.log.clone(), broken: AtomicBool::new(false) });
    connect(org.script.clone(), store).await.unwrap();
    assert_eq!(*org.log.lock().unwrap(), ["issued 1", "kept 1", "used 1"]);
}

#[tokio::test(start_paused = true)]
async fn many_requests_that_find_the_session_ended_ask_for_one_new_one() {
    let rotating = rotating();
    let store = Arc::new(Store { log: rotating.log.clone(), broken: AtomicBool::new(false) });
    let org = connect(rotating.script.clone(), store).await.unwrap();
    rotating.ended.store(true, Ordering::SeqCst);
    let counts = join_all((0..9).map(|_| org.count("Account", None, Scope::Live))).await;
    assert!(counts.into_iter().all(|count| count.unwrap() == 7));
    let log = rotating.log.lock().unwrap();
    assert_eq!(log[3..5], ["issued 2", "kept 2"]);
    assert_eq!(log.iter().filter(|entry| entry.starts_with("issued")).count(), 2);
    assert_eq!(log.iter().filter(|entry| *entry == "used 2").count(), 9);
}

#[tokio::test(start_paused = true)]
async fn an_abandoned_request_does_not_lose_the_token_that_it_asked_for() {
    let rotating = rotating();
    let store = Arc::new(Store { log: rotating.log.clone(), broken: AtomicBool::new(false) });
    let org = connect(rotating.script.clone(), store).await.unwrap();
    rotating.ended.store(true, Ordering::SeqCst);
    // A request takes 10 ms: at 15 ms the refresh is on its way.
    let abandoned = tokio::time::timeout(std::time::Duration::from_millis(15), org.count("Account", None, Scope::Live));
    assert!(abandoned.await.is_err());
    assert_eq!(org.count("Account", None, Scope::Live).await.unwrap(), 7);
    assert_eq!(rotating.log.lock().unwrap()[3..], ["issued 2", "kept 2", "used 2"]);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_could_not_be_kept_is_not_used_and_is_kept_later() {
    let rotating = rotating();
    let store = Arc::new(Store { log: rotating.log.clone(), broken: AtomicBool::new(false) });
    let org = connect(rotating.script.clone(), store.clone()).await.unwrap();
    rotating.ended.store(true, Ordering::SeqCst);
    store.broken.store(true, Ordering::SeqCst);
    let error = org.count("Account", None, Scope::Live).await.unwrap_err();
    assert!(error.to_string().contains("cannot be kept"), "{error}");
    store.broken.store(false, Ordering::SeqCst);
    assert_eq!(org.count("Account", None, Scope::Live).await.unwrap(), 7);
    assert_eq!(rotating.log.lock().unwrap()[3..], ["issued 2", "kept 2", "used 2"]);
}

#[tokio::test(start_paused = true)]
async fn a_refresh_whose_answer_was_lost_is_tried_once_more_and_then_explained() {
    let script = Script::steps(vec![
        ("POST /services/oauth2/token", Answer::Lost),
        ("POST /services/oauth2/token", status(400, REFUSED)),
    ]);
    let error = Org::connect(script.clone(), refresh_token(), Options::default()).await.unwrap_err();
    assert_eq!((error.kind, error.hint.as_deref()), (Kind::Denied, Some("connect again")));
    assert!(error.to_string().contains("the answer to a refresh was lost"), "{error}");
    assert_eq!(script.seen()[0].body, script.seen()[1].body);

    let script = Script::steps(vec![
        ("POST /services/oauth2/token", Answer::Lost),
        ("POST /services/oauth2/token", Answer::Lost),
    ]);
    let error = Org::connect(script, refresh_token(), Options::default()).await.unwrap_err();
    assert_eq!(error.kind, Kind::Unreachable);
}

#[tokio::test(start_paused = true)]
async fn a_busy_login_host_is_asked_again_but_a_refusal_is_final() {
    let script = Script::steps(vec![
        ("POST /services/oauth2/token", status(503, "<html></html>")),
        ("POST /services/oauth2/token", Answer::NotSent),
        (
            "POST /services/oauth2/token",
            status(400, r#"{"error":"invalid_grant","error_description":"no client credentials user enabled"}"#),
        ),
    ]);
    let login = Login::ClientCredentials { login_url: url(), client_id: "3MVG9".into(), client_secret: "s".into() };
    let error = Org::connect(script.clone(), login, Options::default()).await.unwrap_err();
    assert_eq!(error.kind, Kind::Denied);
    assert_eq!(
        error.to_string(),
        "signing in at acme.my.salesforce.com: invalid_grant: no client credentials user enabled"
    );
    assert!(error.hint.unwrap().contains("Run As"));
    assert_eq!(script.seen()[0].body, "grant_type=client_credentials&client_id=3MVG9&client_secret=s");
}

#[tokio::test(start_paused = true)]
async fn a_code_is_redeemed_once_and_its_refresh_token_kept() {
    let code = || Login::Code {
        login_url: url(),
        client_id: "3MVG9".into(),
        client_secret: None,
        redirect_uri: "http://localhost:1717/callback".into(),
        code: "aPrx==".into(),
        code_verifier: "v".into(),
    };
    let script = Script::steps(vec![("POST /services/oauth2/token", Answer::Lost)]);
    let error = Org::connect(script.clone(), code(), Options::default()).await.unwrap_err();
    assert_eq!((error.kind, script.seen().len()), (Kind::Unreachable, 1));

    let script = Script::steps(vec![
        ("POST /services/oauth2/token", json(&token(1))),
        ("GET /services/data", json(VERSIONS)),
        ("GET /services/oauth2/userinfo", status(401, ENDED)),
        ("POST /services/oauth2/token", json(&token(2))),
        ("GET /services/oauth2/userinfo", json(USERINFO)),
    ]);
    let store = Arc::new(Store { log: Arc::default(), broken: AtomicBool::new(false) });
    let options = Options { token_store: Some(store.clone()), ..Options::default() };
    Org::connect(script.clone(), code(), options).await.unwrap();
    assert_eq!(*store.log.lock().unwrap(), ["kept 1", "kept 2"]);
    assert_eq!(script.seen()[3].body, "grant_type=refresh_token&client_id=3MVG9&refresh_token=5Aep1");
}

#[tokio::test(start_paused = true)]
async fn an_assertion_takes_its_time_from_the_host() {
    use aws_lc_rs::encoding::AsDer;
    use base64::Engine;

    let key = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
    let der: aws_lc_rs::encoding::Pkcs8V1Der<'_> = key.as_der().unwrap();
    let base64 = base64::engine::general_purpose::STANDARD.encode(der.as_ref());
    let lines: Vec<&str> = base64.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"));

    let script = Script::steps(vec![
        ("GET /services/data", json(VERSIONS).with("date", "Sun, 06 Nov 1994 08:49:37 GMT")),
        ("POST /services/oauth2/token", json(&token(1))),
        ("GET /services/data", json(VERSIONS)),
        ("GET /services/oauth2/userinfo", json(USERINFO)),
    ]);
    let login = Login::JwtBearer {
        login_url: url(),
        client_id: "3MVG9".into(),
        username: "jane@acme.example".into(),
        private_key_pem: pem.into(),
        audience: None,
    };
    Org::connect(script.clone(), login, Options::default()).await.unwrap();
    let body = &script.seen()[1].body;
    let assertion = body.split_once("assertion=").unwrap().1;
    let claims = assertion.split('.').nth(1).unwrap();
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(claims).unwrap();
    assert_eq!(
        String::from_utf8(claims).unwrap(),
        r#"{"iss":"3MVG9","sub":"jane@acme.example","aud":"https://login.salesforce.com","exp":784111947}"#
    );
}
