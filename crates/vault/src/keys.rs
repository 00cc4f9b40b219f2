// SPDX-License-Identifier: Apache-2.0
//! Keys and what wraps them: a slot per way into the vault wraps the vault's key, the vault's key wraps the key of each org.
//!
//! A wrapped key is 12 bytes of nonce, the sealed key and its tag, AES-256-GCM, with the purpose as associated data.
//! Losing every slot loses the vault; there is no other way in.

use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::error::{Error, Kind, Result};
use crate::secret::{RecoveryKey, Secret};
use crate::vault::Unlock;

/// A key of 32 bytes, wiped when dropped.
pub(crate) type Key = Zeroizing<[u8; 32]>;

/// Fills from the operating system's generator. That of the library for ciphers would first measure the processor's jitter, a twentieth of a
/// second in every process.
pub(crate) fn fill_random(bytes: &mut [u8]) -> Result<()> {
    getrandom::fill(bytes).map_err(|error| Error::new(Kind::Bug, format!("the system gives no random bytes: {error}")))
}

/// 8 random bytes in hexadecimal, for names that must not meet.
pub(crate) fn random_name() -> Result<String> {
    let mut bytes = [0; 8];
    fill_random(&mut bytes)?;
    Ok(hex(&bytes))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a String cannot fail");
        text
    })
}

pub(crate) fn new_key() -> Result<Key> {
    let mut key = Key::new([0; 32]);
    fill_random(key.as_mut_slice())?;
    Ok(key)
}

/// One way to the vault's key, as it stands in `vault.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(crate) enum Slot {
    /// Argon2id of the passphrase.
    #[serde(rename_all = "camelCase")]
    Passphrase {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        label: Option<String>,
        memory_kib: u32,
        iterations: u32,
        lanes: u32,
        salt: String,
        wrapped: String,
    },
    /// HKDF-SHA256 of the recovery key's random bytes: they need no stretching.
    #[serde(rename_all = "camelCase")]
    Recovery {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        label: Option<String>,
        salt: String,
        wrapped: String,
    },
}

impl Slot {
    pub(crate) fn for_passphrase(passphrase: &Secret, vault_key: &Key) -> Result<Slot> {
        // The second recommended option of RFC 9106.
        let (memory_kib, iterations, lanes) = (64 * 1024, 3, 4);
        let mut salt = [0; 16];
        fill_random(&mut salt)?;
        let wrapping = stretch(passphrase, &salt, memory_kib, iterations, lanes)?;
        let wrapped = wrap(&wrapping, "orgkeep slot passphrase", vault_key)?;
        Ok(Slot::Passphrase { label: None, memory_kib, iterations, lanes, salt: BASE64.encode(salt), wrapped })
    }

    pub(crate) fn for_recovery(key: &RecoveryKey, vault_key: &Key) -> Result<Slot> {
        let mut salt = [0; 16];
        fill_random(&mut salt)?;
        let wrapped = wrap(&expand(key, &salt), "orgkeep slot recovery", vault_key)?;
        Ok(Slot::Recovery { label: None, salt: BASE64.encode(salt), wrapped })
    }

    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Slot::Passphrase { .. } => "passphrase",
            Slot::Recovery { .. } => "recovery",
        }
    }

    pub(crate) fn label(&self) -> Option<&str> {
        match self {
            Slot::Passphrase { label, .. } | Slot::Recovery { label, .. } => label.as_deref(),
        }
    }

    pub(crate) fn labelled(mut self, given: Option<&str>) -> Slot {
        match &mut self {
            Slot::Passphrase { label, .. } | Slot::Recovery { label, .. } => *label = given.map(str::to_owned),
        }
        self
    }

    /// Whether a secret opens this slot.
    pub(crate) fn opens(&self, unlock: &Unlock) -> Result<bool> {
        Ok(match unlock {
            Unlock::Passphrase(passphrase) => self.open_with_passphrase(passphrase)?.is_some(),
            Unlock::RecoveryKey(text) => self.open_with_recovery(&RecoveryKey::parse(text)?)?.is_some(),
            Unlock::None => false,
        })
    }

    /// The same way into a vault with another key.
    pub(crate) fn again(&self, unlock: &Unlock, vault_key: &Key) -> Result<Slot> {
        let slot = match unlock {
            Unlock::Passphrase(passphrase) => Slot::for_passphrase(passphrase, vault_key)?,
            Unlock::RecoveryKey(text) => Slot::for_recovery(&RecoveryKey::parse(text)?, vault_key)?,
            Unlock::None => return Err(Error::new(Kind::Invalid, "a way into a vault needs a secret")),
        };
        Ok(slot.labelled(self.label()))
    }

    /// The vault's key, if this slot is of that kind and the passphrase is right.
    pub(crate) fn open_with_passphrase(&self, passphrase: &Secret) -> Result<Option<Key>> {
        let Slot::Passphrase { memory_kib, iterations, lanes, salt, wrapped, .. } = self else { return Ok(None) };
        let wrapping = stretch(passphrase, &decode(salt)?, *memory_kib, *iterations, *lanes)?;
        unwrap(&wrapping, "orgkeep slot passphrase", wrapped)
    }

    /// Whether the slot has the form of one: what it wraps cannot be seen without its secret.
    pub(crate) fn examine(&self) -> Result<()> {
        let (salt, wrapped) = match self {
            Slot::Passphrase { memory_kib, iterations, lanes, salt, wrapped, .. } => {
                parameters(*memory_kib, *iterations, *lanes)?;
                (salt, wrapped)
            }
            Slot::Recovery { salt, wrapped, .. } => (salt, wrapped),
        };
        if decode(salt)?.len() != 16 || decode(wrapped)?.len() != 12 + 32 + 16 {
            return Err(Error::new(Kind::Corrupt, "a key slot has not the form of one"));
        }
        Ok(())
    }

    pub(crate) fn open_with_recovery(&self, key: &RecoveryKey) -> Result<Option<Key>> {
        let Slot::Recovery { salt, wrapped, .. } = self else { return Ok(None) };
        unwrap(&expand(key, &decode(salt)?), "orgkeep slot recovery", wrapped)
    }
}

fn decode(text: &str) -> Result<Vec<u8>> {
    BASE64.decode(text).map_err(|error| Error::because("a key slot is not readable", error).of_kind(Kind::Corrupt))
}

fn parameters(memory_kib: u32, iterations: u32, lanes: u32) -> Result<Params> {
    Params::new(memory_kib, iterations, lanes, Some(32))
        .map_err(|error| Error::new(Kind::Corrupt, format!("a key slot has impossible parameters: {error}")))
}

fn stretch(passphrase: &Secret, salt: &[u8], memory_kib: u32, iterations: u32, lanes: u32) -> Result<Key> {
    let params = parameters(memory_kib, iterations, lanes)?;
    let mut key = Key::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.expose().as_bytes(), salt, key.as_mut_slice())
        .map_err(|error| Error::new(Kind::Limited, format!("the passphrase cannot be stretched: {error}")))?;
    Ok(key)
}

struct KeyLength;

impl hkdf::KeyType for KeyLength {
    fn len(&self) -> usize {
        32
    }
}

fn expand(recovery: &RecoveryKey, salt: &[u8]) -> Key {
    let mut key = Key::new([0; 32]);
    hkdf::Salt::new(hkdf::HKDF_SHA256, salt)
        .extract(recovery.bytes())
        .expand(&[b"orgkeep recovery 1"], KeyLength)
        .and_then(|derived| derived.fill(key.as_mut_slice()))
        .expect("HKDF gives 32 bytes for any input");
    key
}

fn cipher(key: &Key) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&aead::AES_256_GCM, key.as_slice()).expect("32 bytes are a key of AES-256"))
}

pub(crate) fn wrap(wrapping: &Key, purpose: &str, key: &Key) -> Result<String> {
    let mut nonce = [0; 12];
    fill_random(&mut nonce)?;
    let mut sealed = key.to_vec();
    cipher(wrapping)
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(purpose), &mut sealed)
        .expect("sealing 32 bytes with a good key cannot fail");
    Ok(BASE64.encode([nonce.as_slice(), &sealed].concat()))
}

/// `None` where the wrapping key is not the one it was wrapped with.
pub(crate) fn unwrap(wrapping: &Key, purpose: &str, wrapped: &str) -> Result<Option<Key>> {
    let mut bytes = decode(wrapped)?;
    if bytes.len() != 12 + 32 + 16 {
        return Err(Error::new(Kind::Corrupt, "a wrapped key has the wrong length"));
    }
    let nonce = Nonce::try_assume_unique_for_key(&bytes[..12]).expect("12 bytes are a nonce");
    let opened = cipher(wrapping).open_in_place(nonce, Aad::from(purpose), &mut bytes[12..]);
    let key = opened.ok().map(|plain| {
        let mut key = Key::new([0; 32]);
        key.copy_from_slice(plain);
        key
    });
    bytes.zeroize();
    Ok(key)
}
