// SPDX-License-Identifier: Apache-2.0
//! Files of a given size for measurements and for tests of large ones: one of 2 GB, or ten thousand of 100 KB. Their content is
//! made when it is read, so that the store keeps none of it; length and MD5 are true all the same, and each differs from the
//! others.

use super::{BATCH, WorldError};
use crate::org::Org;
use crate::record::{self, Input};
use crate::store::body::{Body, Made};
use crate::user::Caller;

/// So many files of one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
pub struct Files {
    pub count: u64,
    pub bytes: u64,
    /// What their contents follow from.
    #[serde(default)]
    pub seed: u64,
}

/// Adds them as first versions of documents that belong to a user; answers the Ids of the versions.
///
/// # Errors
/// What the platform refuses.
pub fn add_files(org: &Org, files: Files) -> Result<Vec<String>, WorldError> {
    let failed = |message: String, code: String| WorldError { object: "ContentVersion".to_owned(), code, message };
    let mut ids = Vec::new();
    for first in (0..files.count).step_by(usize::try_from(BATCH).unwrap_or(1)) {
        org.write(|tx| {
            let object = tx.schema.object("ContentVersion").cloned();
            let object = object.ok_or_else(|| failed("the org has no files".to_owned(), "INVALID_TYPE".to_owned()))?;
            let caller = Caller { bypass: true, user_id: tx.first_user_id(), ..Caller::default() };
            for number in first..files.count.min(first + BATCH) {
                let name = format!("{} bytes {:05}.bin", files.bytes, number + 1);
                // Not the step between the words of a content: then each would be the one before, shifted by a word.
                let seed = files.seed.wrapping_add(number).wrapping_mul(0xd134_2543_de82_ef95);
                let fields = vec![
                    ("PathOnClient".to_owned(), Input::Text(name)),
                    ("VersionData".to_owned(), Input::Body(Body::Made(Made { seed, bytes: files.bytes }))),
                ];
                let id = record::insert(tx, &caller, &object, fields);
                ids.push(id.map_err(|error| failed(error.message, error.code))?);
            }
            Ok(())
        })?;
    }
    Ok(ids)
}
