// SPDX-License-Identifier: Apache-2.0
//! The key that seals backups: Ed25519, one per vault, made when the vault is.
//!
//! Its secret is wrapped by the vault's key, so that only who can open the vault can seal. An unencrypted vault has nothing
//! to wrap it with: there it lies open beside the data, and a seal shows that nothing was damaged, not who wrote it.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, Result};
use crate::keys::{self, Key};

const PURPOSE: &str = "orgkeep signing";

/// The key as it stands in `vault.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SigningKey {
    pub public_key: String,
    /// The secret in an encrypted vault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    wrapped: Option<String>,
    /// The secret in an unencrypted vault, in plain sight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

/// Signs, for who has opened the vault.
pub(crate) struct Signer {
    pair: Ed25519KeyPair,
    pub public_key: String,
}

impl SigningKey {
    pub(crate) fn generate(vault_key: Option<&Key>) -> Result<SigningKey> {
        let seed = keys::new_key()?;
        let public_key = BASE64.encode(pair(&seed)?.public_key().as_ref());
        Ok(match vault_key {
            Some(vault_key) => {
                SigningKey { public_key, wrapped: Some(keys::wrap(vault_key, PURPOSE, &seed)?), secret: None }
            }
            None => SigningKey { public_key, wrapped: None, secret: Some(BASE64.encode(seed.as_slice())) },
        })
    }

    /// Corrupt where the secret is not that of the public key, or was wrapped by another vault.
    pub(crate) fn open(&self, vault_key: Option<&Key>) -> Result<Signer> {
        let foreign = || Error::new(Kind::Corrupt, "the key that seals backups is not that of this vault");
        let seed = self.seed(vault_key)?.ok_or_else(foreign)?;
        let pair = pair(&seed)?;
        let public_key = BASE64.encode(pair.public_key().as_ref());
        if public_key != self.public_key {
            return Err(foreign());
        }
        Ok(Signer { pair, public_key })
    }

    /// The same key, its secret wrapped by another key of the vault.
    pub(crate) fn rewrapped(&self, old: &Key, new: &Key) -> Result<SigningKey> {
        let seed = self
            .seed(Some(old))?
            .ok_or_else(|| Error::new(Kind::Corrupt, "the key that seals backups is not that of this vault"))?;
        let wrapped = Some(keys::wrap(new, PURPOSE, &seed)?);
        Ok(SigningKey { public_key: self.public_key.clone(), wrapped, secret: None })
    }

    fn seed(&self, vault_key: Option<&Key>) -> Result<Option<Key>> {
        match (vault_key, &self.wrapped, &self.secret) {
            (Some(vault_key), Some(wrapped), _) => keys::unwrap(vault_key, PURPOSE, wrapped),
            (None, _, Some(secret)) => {
                let bytes = BASE64.decode(secret).unwrap_or_default();
                Ok(<[u8; 32]>::try_from(bytes.as_slice()).ok().map(Key::new))
            }
            _ => Ok(None),
        }
    }
}

fn pair(seed: &Key) -> Result<Ed25519KeyPair> {
    Ed25519KeyPair::from_seed_unchecked(seed.as_slice())
        .map_err(|_| Error::new(Kind::Corrupt, "the key that seals backups is none"))
}

impl Signer {
    /// The signature of a text, in Base64. The same text has the same signature.
    pub(crate) fn sign(&self, text: &str) -> String {
        BASE64.encode(self.pair.sign(text.as_bytes()).as_ref())
    }
}

/// Whether `signature` is that of `text` by the holder of `public_key`; both in Base64.
pub(crate) fn verify(public_key: &str, text: &str, signature: &str) -> bool {
    let (Ok(key), Ok(signature)) = (BASE64.decode(public_key), BASE64.decode(signature)) else { return false };
    UnparsedPublicKey::new(&ED25519, key).verify(text.as_bytes(), &signature).is_ok()
}
