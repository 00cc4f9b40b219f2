// SPDX-License-Identifier: Apache-2.0
//! JWT bearer assertions, checked, and OpenID tokens, made (`salesforce-api.md` 1.4).
//!
//! The key pair is a fixed one for tests, checked in beside this file: it signs the emulator's OpenID tokens and is what
//! the org's first app accepts, so that the private key that `Emulator::credentials` gives stays good over a restart. It
//! protects nothing.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::oauth::refusal::Refusal;

/// PKCS#8 PEM of the test key.
pub const TEST_PRIVATE_KEY_PEM: &str = include_str!("test_key.pem");
/// SubjectPublicKeyInfo PEM of the test key.
pub const TEST_PUBLIC_KEY_PEM: &str = include_str!("test_key.pub.pem");
/// The modulus of the test key, as a JWK writes it; the exponent is 65537.
const TEST_MODULUS: &str = include_str!("test_key.modulus");
const KEY_ID: &str = "emulator";

/// What an assertion says of itself.
#[derive(Debug, Deserialize)]
pub struct Claims {
    /// The consumer key.
    pub iss: String,
    /// The username.
    #[serde(alias = "prn")]
    pub sub: String,
    /// The login host.
    #[serde(default)]
    aud: Value,
    /// Seconds: a number or, from simple-salesforce, a string of digits.
    #[serde(default)]
    exp: Value,
}

/// The claims before any check: they say whose key to check with.
pub fn unverified(assertion: &str) -> Option<Claims> {
    jsonwebtoken::dangerous::insecure_decode::<Claims>(assertion).ok().map(|token| token.claims)
}

/// Checks signature, expiry and audience.
///
/// # Errors
/// `invalid_grant`, with the text for what is wrong. An expiry in the far future is accepted: `sf` sends milliseconds
/// where seconds are asked for, and works with real orgs.
pub fn verify(assertion: &str, public_key_pem: &str, audiences: &Audiences<'_>, now_ms: i64) -> Result<(), Refusal> {
    let invalid = || Refusal::grant("invalid assertion");
    let key = DecodingKey::from_rsa_pem(public_key_pem.as_bytes()).map_err(|_| invalid())?;
    let mut validation = Validation::new(Algorithm::RS256);
    // Expiry and audience are judged below: by the emulator's clock, and in the forms that clients really send.
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    let claims = jsonwebtoken::decode::<Claims>(assertion, &key, &validation).map_err(|_| invalid())?.claims;
    let expires = match &claims.exp {
        Value::Number(seconds) => seconds.as_f64(),
        Value::String(seconds) => seconds.parse().ok(),
        _ => None,
    };
    if expires.is_none_or(|seconds| seconds * 1000.0 <= now_ms as f64) {
        return Err(invalid());
    }
    let audience = |one: &Value| one.as_str().is_some_and(|text| audiences.contain(text));
    let good = match &claims.aud {
        Value::Array(all) => all.iter().any(audience),
        one => audience(one),
    };
    if good { Ok(()) } else { Err(Refusal::grant("audience is invalid")) }
}

/// Whom an assertion may be addressed to: `login` for a production org, `test` for a sandbox, a My Domain, and whatever
/// the client called the host.
pub struct Audiences<'a> {
    pub base_url: &'a str,
    pub is_sandbox: bool,
}

impl Audiences<'_> {
    fn contain(&self, text: &str) -> bool {
        let text = text.trim_end_matches('/');
        let text = text.strip_suffix("/services/oauth2/token").unwrap_or(text);
        match text {
            "https://login.salesforce.com" => !self.is_sandbox,
            "https://test.salesforce.com" => self.is_sandbox,
            _ => {
                text == self.base_url
                    || text.strip_prefix("https://").is_some_and(|host| host.ends_with(".salesforce.com"))
            }
        }
    }
}

/// An OpenID token for an app.
pub fn id_token(issuer: &str, subject: &str, client_id: &str, nonce: Option<&str>, now_ms: i64) -> String {
    let mut header = Header::new(Algorithm::RS256);
    header.kid = Some(KEY_ID.into());
    let seconds = now_ms / 1000;
    let mut claims = json!({"iss": issuer, "sub": subject, "aud": client_id, "iat": seconds, "exp": seconds + 120});
    if let Some(nonce) = nonce {
        claims["nonce"] = nonce.into();
    }
    let key = EncodingKey::from_rsa_pem(TEST_PRIVATE_KEY_PEM.as_bytes()).expect("the checked-in key is a key");
    jsonwebtoken::encode(&header, &claims, &key).expect("signing with the checked-in key cannot fail")
}

/// An access token that says of itself whose it is and until when. Which claims a real one has is known from decoded
/// examples only.
pub fn access_token(
    issuer: &str,
    user_id: &str,
    client_id: &str,
    scopes: &str,
    now_ms: i64,
    expires_ms: i64,
) -> String {
    let mut header = Header::new(Algorithm::RS256);
    header.kid = Some(KEY_ID.into());
    header.typ = Some("JWT".into());
    let (now, until) = (now_ms / 1000, expires_ms / 1000);
    let claims = json!({
        "scp": scopes, "sub": format!("uid:{user_id}"), "roles": [], "iss": issuer, "client_id": client_id,
        "aud": [issuer], "nbf": now, "mty": "oauth", "exp": until, "iat": now,
        // Two tokens of one second would else be one.
        "jti": format!("{now_ms}-{}", NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed)),
    });
    let key = EncodingKey::from_rsa_pem(TEST_PRIVATE_KEY_PEM.as_bytes()).expect("the checked-in key is a key");
    jsonwebtoken::encode(&header, &claims, &key).expect("signing with the checked-in key cannot fail")
}

static NUMBER: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);

/// The key set behind `/id/keys`.
pub fn key_set() -> Value {
    json!({"keys": [{"kty": "RSA", "n": TEST_MODULUS.trim(), "e": "AQAB", "alg": "RS256", "use": "sig", "kid": KEY_ID}]})
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "http://127.0.0.1:1";

    fn assertion(claims: &Value) -> String {
        let key = EncodingKey::from_rsa_pem(TEST_PRIVATE_KEY_PEM.as_bytes()).unwrap();
        jsonwebtoken::encode(&Header::new(Algorithm::RS256), claims, &key).unwrap()
    }

    fn verdict(aud: &str, exp: Value) -> Result<(), Refusal> {
        verdict_of(aud, exp, false)
    }

    fn verdict_of(aud: &str, exp: Value, is_sandbox: bool) -> Result<(), Refusal> {
        let text = assertion(&json!({"iss": "app", "sub": "me", "aud": aud, "exp": exp}));
        verify(&text, TEST_PUBLIC_KEY_PEM, &Audiences { base_url: BASE, is_sandbox }, 1_000_000)
    }

    #[test]
    fn what_clients_send_is_accepted() {
        // salesforce-api.md 1.4: a string of seconds, milliseconds, and plain seconds.
        assert_eq!(verdict("https://login.salesforce.com", json!("1180")), Ok(()));
        assert_eq!(verdict_of("https://test.salesforce.com", json!(1_000_300_000_i64), true), Ok(()));
        assert_eq!(verdict(BASE, json!(1001)), Ok(()));
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(verdict("https://example.com", json!(2000)).unwrap_err().description, "audience is invalid");
        assert_eq!(verdict("https://test.salesforce.com", json!(2000)).unwrap_err().description, "audience is invalid");
        let sandbox = verdict_of("https://login.salesforce.com", json!(2000), true);
        assert_eq!(sandbox.unwrap_err().description, "audience is invalid");
        assert_eq!(verdict(BASE, json!(1000)).unwrap_err().description, "invalid assertion");
        assert_eq!(verdict(BASE, Value::Null).unwrap_err().description, "invalid assertion");
        let mut forged = assertion(&json!({"iss": "app", "sub": "me", "aud": BASE, "exp": 2000}));
        forged.replace_range(forged.len() - 6.., "AAAAAA");
        let here = Audiences { base_url: BASE, is_sandbox: false };
        assert_eq!(verify(&forged, TEST_PUBLIC_KEY_PEM, &here, 0).unwrap_err().description, "invalid assertion");
        assert!(unverified("no.jwt").is_none());
    }
}
