// SPDX-License-Identifier: Apache-2.0
//! Manifests and documents are JSON, kept as one Zstandard frame each: a manifest repeats the same words for every object, and
//! there is one per backup. Hashes are those of the JSON, so that they do not depend on who compressed it. Each frame ends with its
//! checksum, so that also in an unencrypted vault a changed letter of an erasure or a hold is noticed by whoever reads it.
//!
//! An error says of `what`, a file in words, that it cannot be read (the store) or is not readable (what is in it).

use std::io::Write as _;

use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Kind, Result};
use crate::org::OrgVault;

/// What follows the name of such a file.
pub(crate) const ENDING: &str = ".json.zst";
/// A tenth of the size for a tenth of the time that the highest level takes.
const LEVEL: i32 = 3;

pub(crate) fn pack(json: &[u8]) -> Vec<u8> {
    let packed = || {
        let mut encoder = zstd::Encoder::new(Vec::new(), LEVEL)?;
        encoder.include_checksum(true)?;
        encoder.write_all(json)?;
        encoder.finish()
    };
    packed().expect("compressing in memory cannot fail")
}

/// Corrupt where the bytes are no such frame.
pub(crate) fn unpack(bytes: &[u8], path: &Path) -> Result<Vec<u8>> {
    zstd::decode_all(bytes).map_err(|source| {
        Error::because("a file is not compressed as it should be", source).of_kind(Kind::Corrupt).with("path", path)
    })
}

fn parse<T: DeserializeOwned>(json: &[u8], path: &Path, what: &str) -> Result<T> {
    serde_json::from_slice(json)
        .map_err(|error| Error::because(format!("{what} is not readable"), error).with("path", path))
}

impl OrgVault {
    async fn bytes_of(&self, path: &Path, what: &str) -> Result<Vec<u8>> {
        let bytes = async { self.store().get(path).await?.bytes().await }.await;
        let unreadable = |error| Error::because(format!("{what} cannot be read"), error).with("path", path);
        Ok(bytes.map_err(unreadable)?.into())
    }

    /// The JSON of a packed file. NotFound where there is none.
    pub(crate) async fn unpacked(&self, path: &Path, what: &str) -> Result<Vec<u8>> {
        unpack(&self.bytes_of(path, what).await?, path)
    }

    /// What a packed file holds. NotFound where there is none.
    pub(crate) async fn packed<T: DeserializeOwned>(&self, path: &Path, what: &str) -> Result<T> {
        parse(&self.unpacked(path, what).await?, path, what)
    }

    /// What a packed file holds, if there is one.
    pub(crate) async fn packed_if_any<T: DeserializeOwned>(&self, path: &Path, what: &str) -> Result<Option<T>> {
        match self.packed(path, what).await {
            Err(error) if error.kind() == Kind::NotFound => Ok(None),
            found => found.map(Some),
        }
    }

    /// What a packed file holds, the default where there is none.
    pub(crate) async fn packed_or_default<T: DeserializeOwned + Default>(&self, path: &Path, what: &str) -> Result<T> {
        Ok(self.packed_if_any(path, what).await?.unwrap_or_default())
    }

    /// Writes a packed file in place of what is there. `failure` is what an error says.
    pub(crate) async fn put_packed(&self, path: &Path, value: &impl Serialize, failure: &str) -> Result<()> {
        let json = serde_json::to_vec(value).expect("what a vault keeps has only text keys");
        let put = self.store().put(path, pack(&json).into()).await;
        put.map(|_| ()).map_err(|error| Error::because(failure, error).with("path", path))
    }
}
