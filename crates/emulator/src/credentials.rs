// SPDX-License-Identifier: Apache-2.0
//! What the owner of an emulated org is told: a user, a password, an app with its keys, and a session to start with.
//!
//! All of it follows from the seed and the org's number. An org with a store file remembers it instead, whatever the seed
//! is then; where its first session has ended meanwhile, a new one is opened. It protects nothing.

use std::collections::BTreeMap;

use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::edition::Edition;
use crate::faces::lock;
use crate::host::MyDomain;
use crate::host::OrgKind;
use crate::oauth::app::{App, platform_cli};
use crate::oauth::{TEST_PRIVATE_KEY_PEM, TEST_PUBLIC_KEY_PEM};
use crate::org::Org;
use crate::session::Scopes;
use crate::sign_in::Passwords;
use crate::{Emulator, Settings};

/// Every user's password.
const PASSWORD: &str = "emulated1";
/// The app's callback addresses: what its tests and `orgkeep connect` listen on, and the landing page for those who do not.
const CALLBACKS: [&str; 3] = [
    "http://localhost:1717/OauthRedirect",
    "http://127.0.0.1:1717/OauthRedirect",
    "https://login.salesforce.com/services/oauth2/success",
];
/// Of at most five grants per user and app, how many may be there when a restart adds one.
const GRANTS_LEFT_ALONE: usize = 4;
const SCOPES: [&str; 6] = ["api", "web", "id", "openid", "refresh_token", "full"];

/// How to get into an org.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Credentials {
    /// 18 characters.
    pub org_id: String,
    /// An administrator.
    pub username: String,
    /// 18 characters.
    pub user_id: String,
    /// The password of this user, and of every other one.
    pub password: String,
    /// May follow the password.
    pub security_token: String,
    /// A session that was opened at the start.
    pub access_token: String,
    /// Consumer key of the org's own app.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
    /// A refresh token of that app and user, given at the start. With rotation on it is good once. Empty after a restart
    /// when it was used up and the user has four others.
    pub refresh_token: String,
    /// PKCS#8 PEM of the key that the app accepts JWT bearer assertions of. A fixed test key.
    pub jwt_private_key_pem: String,
}

impl Emulator {
    /// How to get into the org of this number, counted from 0.
    ///
    /// # Panics
    /// When there is no such org.
    pub fn credentials(&self, org: usize) -> Credentials {
        lock(&self.orgs()[org].faces.credentials).clone().expect("they were made when the org was opened")
    }
}

/// Gives an org its limits, and a new one its apps and its first session.
pub(crate) fn set_up(org: &Org, number: usize, settings: &Settings) {
    let seed = settings.seed.wrapping_mul(1_000).wrapping_add(number as u64);
    let now = org.clock().now();
    let faces = &org.faces;
    let edition = settings.edition.or(org.edition());
    match edition.or(settings.sandbox.then_some(Edition::Enterprise)) {
        Some(edition) => {
            org.set_edition(edition, settings.sandbox || org.kind() == OrgKind::Sandbox, settings.daily_api_requests)
        }
        None => lock(&faces.usage).set(now, 0, settings.daily_api_requests),
    }
    lock(&faces.jobs).pace = settings.jobs;
    let remembered = org.remember();
    if !remembered || settings.my_domain.is_some() {
        let mut my_domain = lock(&faces.my_domain);
        let name = settings.my_domain.clone().unwrap_or_else(|| MyDomain::default().name);
        my_domain.name = if number == 0 { name } else { format!("{name}{}", number + 1) };
    }
    if remembered {
        // Tokens are never drawn a second time: each start draws from another seed.
        let starts = org.write(|tx| tx.next_number("starts"));
        lock(&faces.sessions).set_up(settings.session_seconds, seed ^ starts.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        renew(org, now);
    } else {
        lock(&faces.sessions).set_up(settings.session_seconds, seed);
        begin(org, seed, settings, now);
    }
    org.keep();
}

/// The session that the owner was told of may have ended, and the refresh token may have been used up. Then there is a
/// new session; and a new refresh token, unless that would push out a grant that somebody else uses.
fn renew(org: &Org, now: i64) {
    let Some(mut known) = lock(&org.faces.credentials).clone() else { return };
    let mut sessions = lock(&org.faces.sessions);
    sessions.forget_expired(now);
    let scopes: Scopes = SCOPES.map(String::from).into();
    if sessions.look_at(&known.access_token, now).is_none() {
        let session = sessions.open(org.id15(), &known.user_id, Some(&known.client_id), None, scopes.clone(), now);
        known.access_token = session.token;
    }
    if sessions.grant_of(&known.refresh_token).is_none() {
        let same = sessions
            .grants()
            .filter(|grant| grant.user_id == known.user_id && grant.client_id == known.client_id)
            .count();
        known.refresh_token = match same < GRANTS_LEFT_ALONE {
            true => sessions.grant(&known.user_id, &known.client_id, scopes, now).1,
            false => String::new(),
        };
    }
    drop(sessions);
    *lock(&org.faces.credentials) = Some(known);
}

fn begin(org: &Org, seed: u64, settings: &Settings, now: i64) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut text = |alphabet: &[u8], length: usize| -> String {
        (0..length).map(|_| char::from(alphabet[random.random_range(0..alphabet.len())])).collect()
    };
    const WORD: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let client_id = format!("3MVG9{}", text(WORD, 80));
    let client_secret = text(b"0123456789ABCDEF", 64);
    let security_token = text(WORD, 24);
    let (user_id, username) = administrator(org).unwrap_or_default();
    let faces = &org.faces;
    *lock(&faces.passwords) =
        Passwords { common: PASSWORD.to_owned(), security_token: security_token.clone(), own: BTreeMap::new() };
    let scopes: Scopes = SCOPES.map(String::from).into();
    {
        let mut apps = lock(&faces.apps);
        apps.register(platform_cli());
        apps.register(App {
            client_secret: Some(client_secret.clone()),
            callbacks: CALLBACKS.map(String::from).into(),
            scopes: scopes.clone(),
            pkce_required: true,
            rotate_refresh_tokens: settings.rotate_refresh_tokens,
            approved: BTreeMap::from([(user_id.clone(), scopes.clone())]),
            run_as: Some(user_id.clone()),
            jwt_public_key_pem: Some(TEST_PUBLIC_KEY_PEM.to_owned()),
            ..App::new(&client_id, "Orgkeep")
        });
    }
    let (access_token, refresh_token) = {
        let mut sessions = lock(&faces.sessions);
        let (grant, refresh_token) = sessions.grant(&user_id, &client_id, scopes.clone(), now);
        let session = sessions.open(org.id15(), &user_id, Some(&client_id), Some(grant), scopes, now);
        (session.token, refresh_token)
    };
    *lock(&faces.credentials) = Some(Credentials {
        org_id: org.id.clone(),
        username,
        user_id,
        password: PASSWORD.to_owned(),
        security_token,
        access_token,
        client_id,
        client_secret,
        refresh_token,
        jwt_private_key_pem: TEST_PRIVATE_KEY_PEM.to_owned(),
    });
}

/// Id and username of the first active administrator.
fn administrator(org: &Org) -> Option<(String, String)> {
    org.read(|tx| {
        let users = tx.schema.object("User")?.clone();
        let condition = "\"IsActive\" = 1 AND \"ProfileId\" IN (SELECT \"Id\" FROM \"Profile\" WHERE \"Name\" = 'System Administrator')";
        let user = tx.rows_where(&users, condition, &[]).into_iter().next()?;
        Some((user.id().to_owned(), user.text("Username").to_owned()))
    })
}
