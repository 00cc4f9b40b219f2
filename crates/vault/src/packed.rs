// SPDX-License-Identifier: Apache-2.0
//! Manifests and documents are JSON, kept as one Zstandard frame each: a manifest repeats the same words for every object, and
//! there is one per backup. Hashes are those of the JSON, so that they do not depend on who compressed it.

use object_store::path::Path;

use crate::error::{Error, Kind, Result};

/// What follows the name of such a file.
pub(crate) const ENDING: &str = ".json.zst";
/// A tenth of the size for a tenth of the time that the highest level takes.
const LEVEL: i32 = 3;

pub(crate) fn pack(json: &[u8]) -> Vec<u8> {
    zstd::encode_all(json, LEVEL).expect("compressing in memory cannot fail")
}

/// Corrupt where the bytes are no such frame.
pub(crate) fn unpack(bytes: &[u8], path: &Path) -> Result<Vec<u8>> {
    zstd::decode_all(bytes).map_err(|source| {
        Error::because("a file is not compressed as it should be", source).of_kind(Kind::Corrupt).with("path", path)
    })
}
