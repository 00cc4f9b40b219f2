// SPDX-License-Identifier: Apache-2.0
//! Secrets that never show up in messages, and the recovery key as a person writes it down.
//!
//! A recovery key is 23 random bytes and 2 bytes of checksum, 200 bits together, written as eight groups of five
//! Crockford base32 characters. The checksum tells a slip of the pen from a wrong key.

use std::fmt;

use aws_lc_rs::digest;
use zeroize::Zeroize;

use crate::error::{Error, Kind, Result};

/// A passphrase or a recovery key as typed. Wiped when dropped; `Debug` shows nothing.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    pub fn new(secret: impl Into<String>) -> Self {
        Secret(secret.into())
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(secret: String) -> Self {
        Secret(secret)
    }
}

impl From<&str> for Secret {
    fn from(secret: &str) -> Self {
        Secret(secret.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

const RANDOM_BYTES: usize = 23;
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// The second way into an encrypted vault, shown once. `Display` prints it for the person to keep.
#[derive(Clone)]
pub struct RecoveryKey([u8; RANDOM_BYTES]);

impl RecoveryKey {
    pub(crate) fn generate() -> Result<Self> {
        let mut bytes = [0; RANDOM_BYTES];
        crate::keys::fill_random(&mut bytes)?;
        Ok(RecoveryKey(bytes))
    }

    /// Reads what a person typed; case, spaces, dashes and the usual confusions (O for 0, I and L for 1) do not matter.
    pub fn parse(text: &Secret) -> Result<Self> {
        let wrong = || {
            Error::new(Kind::Denied, "this is not a recovery key").hint(
                "a recovery key has eight groups of five letters or digits; check for a character that was misread",
            )
        };
        let mut bits = 0u32;
        let mut held = 0;
        let mut bytes = Vec::with_capacity(RANDOM_BYTES + 2);
        for character in text.expose().chars() {
            let upper = match character.to_ascii_uppercase() {
                '-' | ' ' | '\n' | '\r' | '\t' => continue,
                'O' => '0',
                'I' | 'L' => '1',
                other => other,
            };
            let value = ALPHABET.iter().position(|letter| char::from(*letter) == upper).ok_or_else(wrong)?;
            bits = bits << 5 | u32::try_from(value).expect("an alphabet of 32 letters");
            held += 5;
            if held >= 8 {
                held -= 8;
                bytes.push((bits >> held) as u8);
                bits &= (1 << held) - 1;
            }
        }
        let key: [u8; RANDOM_BYTES] =
            bytes.get(..RANDOM_BYTES).and_then(|bytes| bytes.try_into().ok()).ok_or_else(wrong)?;
        if held != 0 || bytes[RANDOM_BYTES..] != checksum(&key) {
            return Err(wrong());
        }
        Ok(RecoveryKey(key))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for RecoveryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = [self.0.as_slice(), &checksum(&self.0)].concat();
        // 25 bytes are 40 groups of five bits: five bytes are eight letters.
        for (group, five) in all.chunks(5).enumerate() {
            let value = five.iter().fold(0u64, |value, byte| value << 8 | u64::from(*byte));
            for letter in 0..8 {
                let position = group * 8 + letter;
                if position > 0 && position % 5 == 0 {
                    f.write_str("-")?;
                }
                let index = (value >> (35 - 5 * letter)) & 31;
                write!(f, "{}", char::from(ALPHABET[index as usize]))?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for RecoveryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryKey(..)")
    }
}

impl Drop for RecoveryKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

fn checksum(key: &[u8]) -> [u8; 2] {
    let hash = digest::digest(&digest::SHA256, key);
    [hash.as_ref()[0], hash.as_ref()[1]]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recovery_key_survives_being_written_down() {
        let key = RecoveryKey([7; RANDOM_BYTES]);
        let text = key.to_string();
        assert_eq!(text.len(), 47);
        assert_eq!(RecoveryKey::parse(&text.as_str().into()).unwrap().bytes(), key.bytes());
        let careless = text.to_lowercase().replace('-', " ").replace('0', "o").replace('1', "l");
        assert_eq!(RecoveryKey::parse(&careless.into()).unwrap().bytes(), key.bytes());
        let mut slip = text.into_bytes();
        slip[0] = if slip[0] == b'A' { b'B' } else { b'A' };
        let slip = String::from_utf8(slip).unwrap();
        assert_eq!(RecoveryKey::parse(&slip.into()).unwrap_err().kind(), Kind::Denied);
    }

    #[test]
    fn secrets_do_not_show() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "Secret(..)");
    }
}
