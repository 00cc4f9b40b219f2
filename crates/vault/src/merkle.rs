// SPDX-License-Identifier: Apache-2.0
//! The root of a state: one hash for all that is held of an org as of a backup.
//!
//! The leaves are the objects in bytewise order of their names; a leaf says name, live records and digest. The tree is that of
//! RFC 6962 with BLAKE3: a node over *n* leaves has on its left the greatest power of two below *n*, and leaves, nodes and
//! the empty tree are hashed after different words, so that none can stand for another.
//!
//! Where it ends: the digest of an object is a sum of hashes, not a hash (`digest.rs`). It tells accidents and clumsy
//! changes; who may choose a great many rows freely can find others of the same sum.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::error::Result;

const LEAF: &[u8] = b"orgkeep leaf 1\0";
const NODE: &[u8] = b"orgkeep node 1\0";
const EMPTY: &[u8] = b"orgkeep empty 1\0";

/// What is held of one object as of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Records that are live.
    pub live: u64,
    /// Digest of those records, 32 hexadecimal digits.
    pub digest: String,
}

/// Nothing is held.
impl Default for Held {
    fn default() -> Self {
        Held { live: 0, digest: Digest::default().to_string() }
    }
}

/// The root of a state, 64 hexadecimal digits. Corrupt for a digest that is none.
pub(crate) fn root(state: &BTreeMap<String, Held>) -> Result<String> {
    let leaves: Vec<[u8; 32]> = state.iter().map(|(object, held)| leaf(object, held)).collect::<Result<_>>()?;
    let root = if leaves.is_empty() { *blake3::hash(EMPTY).as_bytes() } else { node(&leaves) };
    Ok(crate::keys::hex(&root))
}

fn leaf(object: &str, held: &Held) -> Result<[u8; 32]> {
    // Read as a number, so that one digest has one leaf however its letters are written.
    let digest = Digest::parse(&held.digest)?.to_string();
    let mut hasher = blake3::Hasher::new();
    hasher.update(LEAF).update(object.as_bytes()).update(&[0]);
    hasher.update(&held.live.to_be_bytes()).update(digest.as_bytes());
    Ok(*hasher.finalize().as_bytes())
}

fn node(leaves: &[[u8; 32]]) -> [u8; 32] {
    if let [only] = leaves {
        return *only;
    }
    let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
    let mut hasher = blake3::Hasher::new();
    hasher.update(NODE).update(&node(left)).update(&node(right));
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(objects: &[(&str, u64)]) -> BTreeMap<String, Held> {
        let held = |live: &u64| Held { live: *live, digest: format!("{live:032x}") };
        objects.iter().map(|(object, live)| ((*object).to_owned(), held(live))).collect()
    }

    #[test]
    fn every_difference_of_a_state_moves_its_root() {
        let names: Vec<String> = (0..9).map(|number| format!("Object{number}")).collect();
        let mut roots = std::collections::BTreeSet::new();
        let mut kinds = 0;
        for count in 0..names.len() {
            let objects: Vec<(&str, u64)> = names[..count].iter().map(|name| (name.as_str(), 7)).collect();
            roots.insert(root(&state(&objects)).unwrap());
            kinds += 1;
            for changed in &names[..count] {
                let mut other = state(&objects);
                other.get_mut(changed).unwrap().live = 8;
                roots.insert(root(&other).unwrap());
                let mut other = state(&objects);
                other.get_mut(changed).unwrap().digest = "f".repeat(32);
                roots.insert(root(&other).unwrap());
                kinds += 2;
            }
        }
        assert_eq!(roots.len(), kinds);
        assert!(root(&BTreeMap::from([("A".to_owned(), Held { live: 0, digest: "x".into() })])).is_err());
    }
}
