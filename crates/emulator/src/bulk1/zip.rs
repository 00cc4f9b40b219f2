// SPDX-License-Identifier: Apache-2.0
//! The zip of a batch with files: its directory read from the end, its members stored or deflated. No encryption, no zip64;
//! limits as documented for binary content (`salesforce-api.md` 6.8): 1,000 files, 10 MB each, 20 MB together.

use std::collections::BTreeMap;
use std::io::Read as _;

use flate2::read::DeflateDecoder;

const FILES_MAX: usize = 1_000;
const FILE_MAX_BYTES: usize = 10_000_000;
const ALL_MAX_BYTES: usize = 20_000_000;

/// The members by their paths.
///
/// # Errors
/// Why it is no such zip.
pub fn read(bytes: &[u8]) -> Result<BTreeMap<String, Vec<u8>>, String> {
    let broken = || "The zip content is malformed".to_owned();
    let end = bytes.windows(4).rposition(|four| four == b"PK\x05\x06").ok_or_else(broken)?;
    let count = usize::from(u16_at(bytes, end + 10).ok_or_else(broken)?);
    let mut at = u32_at(bytes, end + 16).ok_or_else(broken)?;
    if count > FILES_MAX {
        return Err(format!("The zip content has more than {FILES_MAX} files"));
    }
    let (mut files, mut all_bytes) = (BTreeMap::new(), 0);
    for _ in 0..count {
        let entry = bytes.get(at..).filter(|entry| entry.starts_with(b"PK\x01\x02")).ok_or_else(broken)?;
        let method = u16_at(entry, 10).ok_or_else(broken)?;
        let packed = u32_at(entry, 20).ok_or_else(broken)?;
        let size = u32_at(entry, 24).ok_or_else(broken)?;
        let [name_length, extra, comment] = [28, 30, 32].map(|place| u16_at(entry, place).map_or(0, usize::from));
        let name = entry.get(46..46 + name_length).ok_or_else(broken)?;
        let name = String::from_utf8_lossy(name).into_owned();
        let local = u32_at(entry, 42).ok_or_else(broken)?;
        at += 46 + name_length + extra + comment;
        if name.ends_with('/') {
            continue;
        }
        all_bytes += size;
        if size > FILE_MAX_BYTES || all_bytes > ALL_MAX_BYTES {
            return Err("The decompressed size of the zip content is too large".to_owned());
        }
        let header = bytes.get(local..).filter(|header| header.starts_with(b"PK\x03\x04")).ok_or_else(broken)?;
        let skipped = [26, 28].map(|place| u16_at(header, place).map_or(0, usize::from)).iter().sum::<usize>();
        let data = header.get(30 + skipped..).and_then(|data| data.get(..packed)).ok_or_else(broken)?;
        let content = match method {
            0 => data.to_vec(),
            8 => {
                let mut content = Vec::with_capacity(size);
                let limit = FILE_MAX_BYTES as u64 + 1;
                DeflateDecoder::new(data).take(limit).read_to_end(&mut content).map_err(|_| broken())?;
                content
            }
            _ => return Err(broken()),
        };
        if content.len() != size {
            return Err(broken());
        }
        files.insert(name, content);
    }
    Ok(files)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;

    /// A zip of `request.txt` (stored) with "Name,ParentId,Body" and a folder with a deflated file.
    const SAMPLE: &str = include_str!("zip_sample.txt");

    #[test]
    fn stored_and_deflated_members_are_read() {
        let compact: String = SAMPLE.split_whitespace().collect();
        let bytes = base64::engine::general_purpose::STANDARD.decode(compact).unwrap();
        let files = read(&bytes).unwrap();
        assert_eq!(files.keys().collect::<Vec<_>>(), ["files/a.txt", "request.txt"]);
        assert_eq!(files["files/a.txt"], b"again and ".repeat(50));
        assert!(files["request.txt"].starts_with(b"Name,ParentId,Body"));
        assert!(read(&bytes[..bytes.len() - 30]).is_err() && read(b"PK").is_err());
    }
}
