// SPDX-License-Identifier: Apache-2.0
//! The ways to sign in to an org, and what each asks of the token endpoint (`salesforce-api.md` 1.4).
//!
//! Answers carry no expiry: that a session has ended is learnt from a 401, and [`crate::session`] then asks again.

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::error::{Error, Kind, Result};
use crate::secret::Secret;

/// An assertion may be valid for at most 3 minutes (`salesforce-api.md` 1.4).
const ASSERTION_SECONDS: i64 = 170;

#[derive(Debug, Clone)]
pub enum Login {
    /// A session made elsewhere. When it ends, nothing can renew it.
    AccessToken {
        instance_url: Url,
        access_token: Secret,
    },
    /// Only on the org's own My Domain host. Runs as the user that the app's policies name.
    ClientCredentials {
        login_url: Url,
        client_id: String,
        client_secret: Secret,
    },
    JwtBearer {
        login_url: Url,
        client_id: String,
        username: String,
        /// RSA key, PKCS#1 or PKCS#8, without passphrase.
        private_key_pem: Secret,
        /// `None`: `https://test.salesforce.com` for sandboxes and `https://login.salesforce.com` for other hosts of
        /// Salesforce, else the login URL itself.
        audience: Option<String>,
    },
    RefreshToken {
        login_url: Url,
        client_id: String,
        client_secret: Option<Secret>,
        refresh_token: Secret,
    },
    /// What the browser brought back after [`authorization_url`]. The refresh token that comes with the first session
    /// is given to the [`TokenStore`].
    Code {
        login_url: Url,
        client_id: String,
        client_secret: Option<Secret>,
        redirect_uri: String,
        code: Secret,
        code_verifier: Secret,
    },
}

/// Where refresh tokens are kept. With rotation each refresh makes the former token invalid, so a new one that was
/// used before it was kept would be lost in a crash, and the connection with it (`salesforce-api.md` 1.5).
pub trait TokenStore: Send + Sync {
    /// Returns when the token is durable.
    fn keep(&self, refresh_token: &Secret) -> std::io::Result<()>;
}

impl Login {
    /// Where tokens are asked for, and for an access token where the org is.
    pub fn url(&self) -> &Url {
        match self {
            Login::AccessToken { instance_url, .. } => instance_url,
            Login::ClientCredentials { login_url, .. }
            | Login::JwtBearer { login_url, .. }
            | Login::RefreshToken { login_url, .. }
            | Login::Code { login_url, .. } => login_url,
        }
    }

    /// Whether asking once more after a lost answer could do harm: codes are used up, and refresh tokens may rotate.
    pub(crate) fn is_used_up_by_asking(&self) -> bool {
        matches!(self, Login::RefreshToken { .. } | Login::Code { .. })
    }

    pub(crate) fn needs_time(&self) -> bool {
        matches!(self, Login::JwtBearer { .. })
    }

    /// The form for the token endpoint; `None` for an access token, which needs no asking. `now` is used by the JWT
    /// flow only.
    pub(crate) fn form(&self, now: DateTime<Utc>) -> Result<Option<String>> {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        match self {
            Login::AccessToken { .. } => return Ok(None),
            Login::ClientCredentials { client_id, client_secret, .. } => {
                form.append_pair("grant_type", "client_credentials");
                form.append_pair("client_id", client_id);
                form.append_pair("client_secret", client_secret.expose());
            }
            Login::JwtBearer { login_url, client_id, username, private_key_pem, audience } => {
                let audience = audience.clone().unwrap_or_else(|| default_audience(login_url));
                form.append_pair("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer");
                form.append_pair("assertion", &assertion(client_id, username, private_key_pem, &audience, now)?);
            }
            Login::RefreshToken { client_id, client_secret, refresh_token, .. } => {
                form.append_pair("grant_type", "refresh_token");
                form.append_pair("client_id", client_id);
                if let Some(secret) = client_secret {
                    form.append_pair("client_secret", secret.expose());
                }
                form.append_pair("refresh_token", refresh_token.expose());
            }
            Login::Code { client_id, client_secret, redirect_uri, code, code_verifier, .. } => {
                form.append_pair("grant_type", "authorization_code");
                form.append_pair("client_id", client_id);
                if let Some(secret) = client_secret {
                    form.append_pair("client_secret", secret.expose());
                }
                form.append_pair("redirect_uri", redirect_uri);
                form.append_pair("code", code.expose());
                form.append_pair("code_verifier", code_verifier.expose());
            }
        }
        Ok(Some(form.finish()))
    }

    /// From now on sign in by this refresh token, which has replaced a code or an older token.
    pub(crate) fn rotate(&mut self, refresh_token: Secret) {
        match self {
            Login::RefreshToken { refresh_token: held, .. } => *held = refresh_token,
            Login::Code { login_url, client_id, client_secret, .. } => {
                *self = Login::RefreshToken {
                    login_url: login_url.clone(),
                    client_id: client_id.clone(),
                    client_secret: client_secret.take(),
                    refresh_token,
                }
            }
            Login::AccessToken { .. } | Login::ClientCredentials { .. } | Login::JwtBearer { .. } => {}
        }
    }
}

/// Answer of the token endpoint. Other members (`signature`, `issued_at`, …) are not used.
#[derive(Deserialize)]
pub(crate) struct TokenAnswer {
    pub access_token: Secret,
    pub refresh_token: Option<Secret>,
    pub instance_url: String,
    /// Identity URL, `https://login.salesforce.com/id/<org>/<user>`.
    pub id: Option<String>,
}

fn default_audience(login_url: &Url) -> String {
    match login_url.host_str().unwrap_or_default() {
        "test.salesforce.com" => "https://test.salesforce.com".to_owned(),
        host if host.ends_with(".sandbox.my.salesforce.com") || host.ends_with(".scratch.my.salesforce.com") => {
            "https://test.salesforce.com".to_owned()
        }
        host if host.ends_with(".salesforce.com") => "https://login.salesforce.com".to_owned(),
        _ => login_url.as_str().trim_end_matches('/').to_owned(),
    }
}

fn assertion(client_id: &str, username: &str, pem: &Secret, audience: &str, now: DateTime<Utc>) -> Result<String> {
    #[derive(Serialize)]
    struct Claims<'a> {
        iss: &'a str,
        sub: &'a str,
        aud: &'a str,
        exp: i64,
    }
    let key = jsonwebtoken::EncodingKey::from_rsa_pem(pem.expose().as_bytes()).map_err(|source| {
        Error::new(Kind::Invalid, "signing in by JWT", "the private key cannot be read")
            .hint("give an RSA key in PEM form without passphrase, the one whose certificate the app holds")
            .caused_by(source)
    })?;
    let exp = (now + Duration::seconds(ASSERTION_SECONDS)).timestamp();
    let claims = Claims { iss: client_id, sub: username, aud: audience, exp };
    jsonwebtoken::encode(&jsonwebtoken::Header::new(jsonwebtoken::Algorithm::RS256), &claims, &key).map_err(|source| {
        Error::new(Kind::Invalid, "signing in by JWT", "the private key cannot sign").caused_by(source)
    })
}

/// Proof that whoever redeems a code is the one who asked for it (`salesforce-api.md` 1.3).
#[derive(Debug, Clone)]
pub struct Pkce {
    pub verifier: Secret,
    pub challenge: String,
}

impl Pkce {
    /// # Errors
    ///
    /// `Bug` where the machine has no randomness.
    pub fn generate() -> Result<Pkce> {
        let mut random = [0; 48];
        aws_lc_rs::rand::fill(&mut random)
            .map_err(|_| Error::new(Kind::Bug, "preparing to sign in", "the machine gives no random bytes"))?;
        Ok(Pkce::from_verifier(URL_SAFE_NO_PAD.encode(random)))
    }

    pub fn from_verifier(verifier: String) -> Pkce {
        let challenge = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()));
        Pkce { verifier: verifier.into(), challenge }
    }
}

/// Where to send the browser. `redirect_uri` must be one of the app's callbacks to the letter; `state` comes back
/// unchanged and must be compared; `scope` is separated by spaces, and needs `refresh_token` for a lasting connection.
pub fn authorization_url(
    login_url: &Url,
    client_id: &str,
    redirect_uri: &str,
    scope: &str,
    state: &str,
    pkce: &Pkce,
) -> Url {
    let mut url = login_url.clone();
    url.set_path("/services/oauth2/authorize");
    url.query_pairs_mut()
        .clear()
        .append_pair("response_type", "code")
        .append_pair("client_id", client_id)
        .append_pair("redirect_uri", redirect_uri)
        .append_pair("scope", scope)
        .append_pair("state", state)
        .append_pair("code_challenge", &pkce.challenge)
        .append_pair("code_challenge_method", "S256");
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_is_that_of_rfc_7636() {
        let pkce = Pkce::from_verifier("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".into());
        assert_eq!(pkce.challenge, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        assert!(Pkce::generate().unwrap().verifier.expose().len() >= 43);
    }

    #[test]
    fn the_audience_follows_the_host() {
        for (host, audience) in [
            ("https://login.salesforce.com", "https://login.salesforce.com"),
            ("https://acme.my.salesforce.com", "https://login.salesforce.com"),
            ("https://acme--dev.sandbox.my.salesforce.com", "https://test.salesforce.com"),
            ("https://test.salesforce.com/", "https://test.salesforce.com"),
            ("http://localhost:7700/", "http://localhost:7700"),
        ] {
            assert_eq!(default_audience(&Url::parse(host).unwrap()), audience);
        }
    }

    #[test]
    fn a_code_becomes_a_refresh_token() {
        let mut login = Login::Code {
            login_url: Url::parse("https://login.salesforce.com").unwrap(),
            client_id: "3MVG9".into(),
            client_secret: Some("s".into()),
            redirect_uri: "http://localhost:1717/callback".into(),
            code: "aPrx==".into(),
            code_verifier: "v".into(),
        };
        let form = login.form(DateTime::UNIX_EPOCH).unwrap().unwrap();
        assert!(form.contains("code=aPrx%3D%3D") && form.contains("grant_type=authorization_code"), "{form}");
        login.rotate("5Aep".into());
        let form = login.form(DateTime::UNIX_EPOCH).unwrap().unwrap();
        assert_eq!(form, "grant_type=refresh_token&client_id=3MVG9&client_secret=s&refresh_token=5Aep");
    }
}
