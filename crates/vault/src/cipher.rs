// SPDX-License-Identifier: Apache-2.0
//! The form of one encrypted object: a header of 48 bytes, then chunks of 64 KiB of plaintext, each sealed with AES-256-GCM.
//!
//! The key of a file is HKDF-SHA256 of the org's key, salted with the 32 random bytes in the header, for the path of the
//! object in the vault: an object moved to another path, or put in place of another, does not decrypt. The nonce of a
//! chunk is its number and a flag on the last one, so that chunks cannot be reordered and a cut file is noticed.
//! Stored and plain size follow from each other. `docs/format.md` says the same for other languages.
//!
//! Not hidden: the names of objects, their sizes, and when they were written. Not noticed: a whole object put back to an
//! older version of itself, or removed; `check` finds those by what refers to them.

use std::fmt;

use aws_lc_rs::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf;
use bytes::{Bytes, BytesMut};

pub(crate) const CHUNK_BYTES: u64 = 64 * 1024;
pub(crate) const TAG_BYTES: u64 = 16;
pub(crate) const SEALED_BYTES: u64 = CHUNK_BYTES + TAG_BYTES;
pub(crate) const HEADER_BYTES: u64 = 48;
const MAGIC: &[u8; 8] = b"ORGKEEP\x01";
const SALT_AT: usize = 16;

pub(crate) type Header = [u8; HEADER_BYTES as usize];

/// Something stored is not what was written. Carried through the layers above, where it decides the kind of the error.
#[derive(Debug, Clone)]
pub(crate) struct Damaged(pub String);

impl fmt::Display for Damaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Damaged {}

/// The plaintext size of an object of this stored size; `None` if no object has that size.
pub(crate) fn plain_size(stored: u64) -> Option<u64> {
    let body = stored.checked_sub(HEADER_BYTES)?;
    let (full, rest) = (body / SEALED_BYTES, body % SEALED_BYTES);
    match rest {
        0 if full > 0 => Some(full * CHUNK_BYTES),
        // A last chunk without content exists only in an empty object.
        TAG_BYTES if full == 0 => Some(0),
        rest if rest > TAG_BYTES => Some(full * CHUNK_BYTES + rest - TAG_BYTES),
        _ => None,
    }
}

/// The number of chunks of an object of this plaintext size: an empty one has one.
pub(crate) fn chunks(plain: u64) -> u64 {
    plain.div_ceil(CHUNK_BYTES).max(1)
}

/// The number of the key that an object was sealed with.
pub(crate) fn key_number(header: &Header) -> u64 {
    u64::from_be_bytes(header[8..SALT_AT].try_into().expect("eight bytes"))
}

pub(crate) fn new_header(key_number: u64) -> crate::Result<Header> {
    let mut header = [0; HEADER_BYTES as usize];
    header[..8].copy_from_slice(MAGIC);
    header[8..SALT_AT].copy_from_slice(&key_number.to_be_bytes());
    crate::keys::fill_random(&mut header[SALT_AT..])?;
    Ok(header)
}

/// Seals and opens the chunks of one object.
pub(crate) struct FileCipher {
    key: LessSafeKey,
    header: Header,
}

struct KeyLength;

impl hkdf::KeyType for KeyLength {
    fn len(&self) -> usize {
        32
    }
}

impl FileCipher {
    /// Fails where the header is not one of ours.
    pub(crate) fn new(org_key: &[u8; 32], header: Header, path: &str) -> Result<Self, Damaged> {
        if &header[..8] != MAGIC {
            return Err(Damaged("the header is not that of an encrypted object of this format".into()));
        }
        let derived = hkdf::Salt::new(hkdf::HKDF_SHA256, &header[SALT_AT..]).extract(org_key);
        let info = [b"orgkeep file 1\0".as_slice(), path.as_bytes()];
        let mut key = [0; 32];
        derived
            .expand(&info, KeyLength)
            .and_then(|derived| derived.fill(&mut key))
            .expect("HKDF gives 32 bytes for any input");
        let key = UnboundKey::new(&aead::AES_256_GCM, &key).expect("32 bytes are a key of AES-256");
        Ok(FileCipher { key: LessSafeKey::new(key), header })
    }

    fn nonce(chunk: u64, last: bool) -> Nonce {
        let mut nonce = [0; 12];
        nonce[..8].copy_from_slice(&chunk.to_be_bytes());
        nonce[11] = u8::from(last);
        Nonce::assume_unique_for_key(nonce)
    }

    /// Appends the sealed form of one chunk to `sealed`.
    pub(crate) fn seal(&self, chunk: u64, last: bool, plain: &[u8], sealed: &mut BytesMut) {
        let start = sealed.len();
        sealed.extend_from_slice(plain);
        let tag = self
            .key
            .seal_in_place_separate_tag(Self::nonce(chunk, last), Aad::from(&self.header), &mut sealed[start..])
            .expect("sealing 64 KiB with a good key cannot fail");
        sealed.extend_from_slice(tag.as_ref());
    }

    /// Opens one chunk in place and returns the length of its plaintext.
    pub(crate) fn open(&self, chunk: u64, last: bool, sealed: &mut [u8]) -> Result<usize, Damaged> {
        self.key
            .open_in_place(Self::nonce(chunk, last), Aad::from(&self.header), sealed)
            .map(|plain| plain.len())
            .map_err(|_| Damaged(format!("chunk {chunk} does not decrypt: changed, cut, moved, or of another key")))
    }

    /// Opens consecutive chunks, the first of which is number `first` of `of` in the object.
    pub(crate) fn open_all(&self, first: u64, of: u64, sealed: &[u8]) -> Result<Vec<u8>, Damaged> {
        let mut plain = sealed.to_vec();
        let (mut read, mut written, mut chunk) = (0, 0, first);
        while read < sealed.len() {
            let end = (read + SEALED_BYTES as usize).min(sealed.len());
            let length = self.open(chunk, chunk + 1 == of, &mut plain[read..end])?;
            plain.copy_within(read..read + length, written);
            written += length;
            read = end;
            chunk += 1;
        }
        plain.truncate(written);
        Ok(plain)
    }

    /// The whole stored form of an object, in this memory, which holds nothing.
    pub(crate) fn seal_all(&self, plain: &[u8], mut sealed: BytesMut) -> Bytes {
        let count = chunks(plain.len() as u64);
        sealed.reserve(plain.len() + (HEADER_BYTES + count * TAG_BYTES) as usize);
        sealed.extend_from_slice(&self.header);
        if plain.is_empty() {
            self.seal(0, true, plain, &mut sealed);
        }
        for (index, chunk) in plain.chunks(CHUNK_BYTES as usize).enumerate() {
            let index = index as u64;
            self.seal(index, index + 1 == count, chunk, &mut sealed);
        }
        sealed.freeze()
    }
}
