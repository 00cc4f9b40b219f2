// SPDX-License-Identifier: Apache-2.0
//! Where an export or the answer to a query is written to, when it is a file.

use crate::failure::{Failure, Kind};
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, IntoInnerError, Write};
use std::path::Path;
use tempfile::NamedTempFile;

/// A file that appears under its name only when it is whole; a device or a pipe is written to directly.
pub enum Target {
    File(BufWriter<NamedTempFile>),
    Device(BufWriter<File>),
}

const BUFFER_BYTES: usize = 1 << 20;

impl Target {
    pub fn open(path: &Path) -> Result<Target, Failure> {
        let cannot = |error: io::Error| {
            Failure::caused(Kind::Invalid, format!("could not write to {}", path.display()), &error)
                .hint("name a file in a folder that exists and can be written")
        };
        if path.metadata().is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir()) {
            let device = OpenOptions::new().write(true).open(path).map_err(cannot)?;
            return Ok(Target::Device(BufWriter::with_capacity(BUFFER_BYTES, device)));
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !folder.is_dir() {
            return Err(Failure::new(Kind::Invalid, format!("{} is not a folder", folder.display()))
                .hint("name a file in a folder that exists and can be written"));
        }
        let file = tempfile::Builder::new().prefix(".orgkeep-").tempfile_in(folder).map_err(cannot)?;
        Ok(Target::File(BufWriter::with_capacity(BUFFER_BYTES, file)))
    }

    /// Puts a file in its place.
    pub fn finish(self, path: &Path) -> Result<(), Failure> {
        let written = match self {
            Target::File(file) => file.into_inner().map_err(IntoInnerError::into_error).and_then(|file| {
                file.as_file().sync_all()?;
                file.persist(path).map_err(|error| error.error).map(drop)
            }),
            Target::Device(mut device) => device.flush(),
        };
        written.map_err(|error| Failure::caused(Kind::Invalid, format!("could not write {}", path.display()), &error))
    }
}

impl Write for Target {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Target::File(file) => file.write(buffer),
            Target::Device(device) => device.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Target::File(file) => file.flush(),
            Target::Device(device) => device.flush(),
        }
    }
}
