// SPDX-License-Identifier: Apache-2.0
//! What the owner of an emulated org is told: a user, a password, an app with its keys, and a session to start with.
//!
//! All of it follows from the seed and the org's number, so that it is the same after a restart. It protects nothing.

use std::collections::BTreeMap;

use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::faces::lock;
use crate::oauth::app::{App, Permitted, platform_cli};
use crate::oauth::{TEST_PRIVATE_KEY_PEM, TEST_PUBLIC_KEY_PEM};
use crate::org::Org;
use crate::session::Scopes;
use crate::{Emulator, Settings};

/// Every user's password.
const PASSWORD: &str = "emulated1";
/// The app's callback addresses: what its tests and `orgkeep connect` listen on, and the landing page for those who do not.
const CALLBACKS: [&str; 3] = [
    "http://localhost:1717/OauthRedirect",
    "http://127.0.0.1:1717/OauthRedirect",
    "https://login.salesforce.com/services/oauth2/success",
];
const SCOPES: [&str; 6] = ["api", "web", "id", "openid", "refresh_token", "full"];

/// How to get into an org.
#[derive(Clone, Debug)]
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
    /// A refresh token of that app and user, given at the start. With rotation on it is good once.
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

/// Gives a new org its apps, its limits and its first session.
pub(crate) fn set_up(org: &Org, number: usize, settings: &Settings) {
    let seed = settings.seed.wrapping_mul(1_000).wrapping_add(number as u64);
    let mut random = StdRng::seed_from_u64(seed);
    let mut text = |alphabet: &[u8], length: usize| -> String {
        (0..length).map(|_| char::from(alphabet[random.random_range(0..alphabet.len())])).collect()
    };
    const WORD: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let client_id = format!("3MVG9{}", text(WORD, 80));
    let client_secret = text(b"0123456789ABCDEF", 64);
    let security_token = text(WORD, 24);
    let now = org.clock().now();
    let (user_id, username) = administrator(org).unwrap_or_default();
    let faces = &org.faces;
    *lock(&faces.password) = (PASSWORD.to_owned(), security_token.clone());
    lock(&faces.usage).set(now, 0, settings.daily_api_requests);
    lock(&faces.jobs).pace = settings.jobs;
    let scopes: Scopes = SCOPES.map(String::from).into();
    {
        let mut apps = lock(&faces.apps);
        apps.register(platform_cli());
        apps.register(App {
            client_id: client_id.clone(),
            client_secret: Some(client_secret.clone()),
            name: "Orgkeep".into(),
            callbacks: CALLBACKS.map(String::from).into(),
            scopes: scopes.clone(),
            pkce_required: true,
            rotate_refresh_tokens: settings.rotate_refresh_tokens,
            permitted: Permitted::SelfAuthorize,
            approved: BTreeMap::from([(user_id.clone(), scopes.clone())]),
            run_as: Some(user_id.clone()),
            jwt_public_key_pem: Some(TEST_PUBLIC_KEY_PEM.to_owned()),
            installed: true,
        });
    }
    let (access_token, refresh_token) = {
        let mut sessions = lock(&faces.sessions);
        sessions.set_up(settings.session_seconds, seed);
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
