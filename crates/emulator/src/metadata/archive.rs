// SPDX-License-Identifier: Apache-2.0
//! The zip files that deploy takes and retrieve gives, and their limits (`salesforce-api.md` 4.1).

use std::collections::BTreeMap;
use std::io::{Cursor, Read as _, Write as _};

use zip::write::SimpleFileOptions;

/// Most files in a deploy or retrieve.
pub const FILES_MAX: usize = 10_000;
/// Largest zip, in bytes.
pub const ZIPPED_MAX_BYTES: usize = 39 * 1024 * 1024;
/// Largest content of a zip, in bytes.
pub const UNZIPPED_MAX_BYTES: u64 = 629_145_600;

/// Files by path.
pub type Files = BTreeMap<String, Vec<u8>>;

/// Why an archive was refused: code and text.
pub type Refused = (&'static str, String);

/// Reads a zip file whole.
///
/// # Errors
/// It is no zip file, or exceeds a limit.
pub fn read(bytes: &[u8]) -> Result<Files, Refused> {
    if bytes.len() > ZIPPED_MAX_BYTES {
        return Err((
            "LIMIT_EXCEEDED",
            format!("Maximum size of request reached. Maximum size of request is {ZIPPED_MAX_BYTES} bytes."),
        ));
    }
    let broken = |error: String| ("INVALID_OPERATION", format!("Error reading zip file: {error}"));
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(|error| broken(error.to_string()))?;
    let mut files = Files::new();
    let mut total: u64 = 0;
    for at in 0..archive.len() {
        let mut file = archive.by_index(at).map_err(|error| broken(error.to_string()))?;
        if file.is_dir() {
            continue;
        }
        if files.len() == FILES_MAX {
            let text = format!("You've exceeded the maximum number of {FILES_MAX} files in a zip file.");
            return Err(("LIMIT_EXCEEDED", text));
        }
        let name = file.name().map_err(|error| broken(error.to_string()))?.replace('\\', "/");
        let mut body = Vec::new();
        let left = UNZIPPED_MAX_BYTES - total;
        let read = std::io::Read::by_ref(&mut file).take(left + 1).read_to_end(&mut body);
        total += read.map_err(|error| broken(error.to_string()))? as u64;
        if total > UNZIPPED_MAX_BYTES {
            let text = format!("Uncompressed size of the zip file exceeds the limit of {UNZIPPED_MAX_BYTES} bytes.");
            return Err(("LIMIT_EXCEEDED", text));
        }
        files.insert(name, body);
    }
    Ok(files)
}

/// Makes a zip file.
pub fn write(files: &Files) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    for (path, body) in files {
        let written = writer.start_file(path.as_str(), options).map_err(std::io::Error::from);
        written.and_then(|()| writer.write_all(body)).expect("writing to memory cannot fail");
    }
    writer.finish().expect("writing to memory cannot fail").into_inner()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_back() {
        let files = Files::from([("a/b.xml".to_owned(), b"<a/>".to_vec()), ("c".to_owned(), vec![0; 70_000])]);
        assert_eq!(read(&write(&files)).unwrap(), files);
        assert_eq!(read(b"no zip").unwrap_err().0, "INVALID_OPERATION");
    }

    #[test]
    fn too_many_files_are_refused() {
        let files: Files = (0..=FILES_MAX).map(|at| (format!("{at}"), Vec::new())).collect();
        assert_eq!(read(&write(&files)).unwrap_err().0, "LIMIT_EXCEEDED");
    }
}
