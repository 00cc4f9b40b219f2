// SPDX-License-Identifier: Apache-2.0
//! Where the bodies of Bulk jobs lie: what was uploaded, and the results.
//!
//! An org without a store file keeps small bodies in memory, as it keeps its rows, and larger ones in temporary files that
//! have no name: the system frees them when the process ends, however it ends. An org with a store file keeps every body
//! in a folder beside it, under the Id of its job, where the next process finds it. A body is written once, from front to
//! end, and is then read from any place as often as asked, without holding a cursor.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

/// Up to this size a body without a folder stays in memory.
const MEMORY_MAX_BYTES: usize = 256 * 1024;
const BUFFER_BYTES: usize = 256 * 1024;

/// The place of an org's bodies.
#[derive(Clone, Debug, Default)]
pub struct Spool {
    folder: Option<Arc<Path>>,
}

impl Spool {
    /// In this folder, which is made when it is absent.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn in_folder(folder: &Path) -> io::Result<Spool> {
        fs::create_dir_all(folder)?;
        Ok(Spool { folder: Some(folder.into()) })
    }

    /// Whether bodies outlive the process.
    pub fn lasts(&self) -> bool {
        self.folder.is_some()
    }

    /// Begins a body. One of the same name is replaced.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn begin(&self, name: &str) -> io::Result<Draft> {
        let place = match self.path(name) {
            None => Growing::Memory(Vec::new()),
            Some(path) => {
                let file = OpenOptions::new().create(true).truncate(true).write(true).open(&path)?;
                Growing::Named(BufWriter::with_capacity(BUFFER_BYTES, file), path)
            }
        };
        Ok(Draft { place, size_bytes: 0 })
    }

    /// Goes on with a body that another process began, after its first `size_bytes`. Without a folder it begins anew.
    ///
    /// # Errors
    /// The file is gone or cannot be written.
    pub fn go_on(&self, name: &str, size_bytes: u64) -> io::Result<Draft> {
        let Some(path) = self.path(name) else { return self.begin(name) };
        let mut file = OpenOptions::new().write(true).open(&path)?;
        file.set_len(size_bytes)?;
        file.seek(SeekFrom::End(0))?;
        Ok(Draft { place: Growing::Named(BufWriter::with_capacity(BUFFER_BYTES, file), path), size_bytes })
    }

    /// A body that another process finished.
    pub fn find(&self, name: &str) -> Option<Kept> {
        let path = self.path(name)?;
        let size_bytes = fs::metadata(&path).ok()?.len();
        Some(Kept { place: Place::Named(path.into()), size_bytes })
    }

    /// Removes the bodies whose names begin with the Id of a job or batch.
    pub fn remove(&self, id: &str) {
        self.retain(|name| !name.starts_with(id));
    }

    /// Removes every body whose name does not pass. What cannot be removed now is tried again at the next start.
    pub fn retain(&self, mut keep: impl FnMut(&str) -> bool) {
        let Some(entries) = self.folder.as_deref().and_then(|folder| fs::read_dir(folder).ok()) else { return };
        for entry in entries.flatten() {
            if !keep(&entry.file_name().to_string_lossy()) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        self.folder.as_deref().map(|folder| folder.join(name))
    }
}

/// A body that is being written.
#[derive(Debug)]
pub struct Draft {
    place: Growing,
    size_bytes: u64,
}

#[derive(Debug)]
enum Growing {
    Memory(Vec<u8>),
    Unnamed(BufWriter<File>),
    Named(BufWriter<File>, PathBuf),
}

impl Draft {
    /// Bytes written so far.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Ends the body.
    ///
    /// # Errors
    /// The last bytes cannot be written.
    pub fn finish(self) -> io::Result<Kept> {
        let file = |writer: BufWriter<File>| writer.into_inner().map_err(io::IntoInnerError::into_error);
        let place = match self.place {
            Growing::Memory(bytes) => Place::Memory(bytes.into()),
            Growing::Unnamed(writer) => Place::Unnamed(Arc::new(file(writer)?)),
            Growing::Named(writer, path) => {
                file(writer)?;
                Place::Named(path.into())
            }
        };
        Ok(Kept { place, size_bytes: self.size_bytes })
    }
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Growing::Memory(held) = &mut self.place {
            if held.len() + bytes.len() <= MEMORY_MAX_BYTES {
                held.extend_from_slice(bytes);
                self.size_bytes += bytes.len() as u64;
                return Ok(bytes.len());
            }
            let mut writer = BufWriter::with_capacity(BUFFER_BYTES, tempfile::tempfile()?);
            writer.write_all(held)?;
            self.place = Growing::Unnamed(writer);
        }
        if let Growing::Unnamed(writer) | Growing::Named(writer, _) = &mut self.place {
            writer.write_all(bytes)?;
        }
        self.size_bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.place {
            Growing::Memory(_) => Ok(()),
            Growing::Unnamed(writer) | Growing::Named(writer, _) => writer.flush(),
        }
    }
}

/// A finished body.
#[derive(Clone, Debug)]
pub struct Kept {
    place: Place,
    /// How long it is.
    pub size_bytes: u64,
}

#[derive(Clone, Debug)]
enum Place {
    Memory(Bytes),
    Unnamed(Arc<File>),
    Named(Arc<Path>),
}

impl Kept {
    /// Reads from `start` on, up to `length` bytes.
    ///
    /// # Errors
    /// The file is gone.
    pub fn range(&self, start: u64, length: u64) -> io::Result<Range> {
        let place = match &self.place {
            Place::Named(path) => Place::Unnamed(Arc::new(File::open(path)?)),
            other => other.clone(),
        };
        let start = start.min(self.size_bytes);
        Ok(Range { place, at: start, end: start.saturating_add(length).min(self.size_bytes) })
    }

    /// Reads all of it.
    ///
    /// # Errors
    /// The file is gone.
    pub fn open(&self) -> io::Result<Range> {
        self.range(0, self.size_bytes)
    }
}

/// A part of a body, read from front to end.
#[derive(Debug)]
pub struct Range {
    place: Place,
    at: u64,
    end: u64,
}

impl Range {
    /// Bytes that are still to come.
    pub fn left_bytes(&self) -> u64 {
        self.end - self.at
    }
}

impl Read for Range {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = usize::try_from(self.left_bytes()).unwrap_or(usize::MAX).min(into.len());
        if length == 0 {
            return Ok(0);
        }
        let taken = match &self.place {
            Place::Memory(bytes) => {
                let start = usize::try_from(self.at).expect("a body in memory is small");
                into[..length].copy_from_slice(&bytes[start..start + length]);
                length
            }
            Place::Unnamed(file) => read_at(file, &mut into[..length], self.at)?,
            Place::Named(_) => unreachable!("a range holds its file open"),
        };
        self.at += taken as u64;
        Ok(taken)
    }
}

#[cfg(unix)]
fn read_at(file: &File, into: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, into, at)
}

#[cfg(windows)]
fn read_at(file: &File, into: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, into, at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(mut range: Range) -> String {
        let mut text = String::new();
        range.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn a_body_reads_the_same_wherever_it_lies() {
        let folder = tempfile::tempdir().unwrap();
        for spool in [Spool::default(), Spool::in_folder(folder.path()).unwrap()] {
            for size in [5, 3 * MEMORY_MAX_BYTES] {
                let mut draft = spool.begin("750").unwrap();
                for _ in 0..size / 5 {
                    draft.write_all(b"abcde").unwrap();
                }
                let kept = draft.finish().unwrap();
                assert_eq!(kept.size_bytes, (size / 5 * 5) as u64);
                assert_eq!(text(kept.range(1, 3).unwrap()), "bcd");
                assert_eq!(text(kept.range(kept.size_bytes - 2, 9).unwrap()), "de");
                assert_eq!(text(kept.open().unwrap()).len() as u64, kept.size_bytes);
            }
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_body_in_a_folder_is_found_again_and_cut_where_it_was_good() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::in_folder(folder.path()).unwrap();
        let mut draft = spool.begin("751-rows").unwrap();
        draft.write_all(b"good and torn").unwrap();
        draft.flush().unwrap();
        drop(draft);
        let mut draft = Spool::in_folder(folder.path()).unwrap().go_on("751-rows", 4).unwrap();
        draft.write_all(b", better").unwrap();
        draft.finish().unwrap();
        assert_eq!(text(spool.find("751-rows").unwrap().open().unwrap()), "good, better");
        spool.remove("750");
        assert!(spool.find("751-rows").is_some());
        spool.remove("751");
        assert!(spool.find("751-rows").is_none());
    }
}
