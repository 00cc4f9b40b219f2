// SPDX-License-Identifier: Apache-2.0
//! `orgkeep export`: the records of one object as a file.

use crate::cli::Unlocking;
use crate::context::Context;
use crate::environment;
use crate::failure::{Answer, Failure, Kind};
use crate::number::counted;
use clap::{Args, ValueEnum};
use serde_json::json;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, IntoInnerError, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// Writes the records of one object as CSV, JSON Lines or Parquet
#[derive(Args, Debug)]
pub struct Arguments {
    /// Connector
    #[arg(value_name = "NAME")]
    name: String,

    /// Object, by its API name
    #[arg(value_name = "OBJECT")]
    object: String,

    /// Backup number
    #[arg(long, value_name = "N")]
    at: u64,

    /// CSV as Bulk API 2.0 writes it, one JSON object a line, or Parquet with typed columns
    #[arg(long, value_name = "FORMAT", value_enum)]
    format: Format,

    /// File to write [default: the standard output]
    #[arg(long, value_name = "F")]
    output: Option<PathBuf>,

    #[command(flatten)]
    unlocking: Unlocking,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Csv,
    Jsonl,
    Parquet,
}

impl From<Format> for orgkeep_engine::Format {
    fn from(format: Format) -> orgkeep_engine::Format {
        match format {
            Format::Csv => orgkeep_engine::Format::Csv,
            Format::Jsonl => orgkeep_engine::Format::Jsonl,
            Format::Parquet => orgkeep_engine::Format::Parquet,
        }
    }
}

pub async fn run(arguments: Arguments, context: &Context) -> Result<Answer, Failure> {
    let screen = &context.screen;
    if screen.json() && arguments.output.is_none() {
        return Err(Failure::invalid("with --json the standard output carries events, so the export needs a file")
            .hint("name one with --output FILE"));
    }
    let connector = context.connector(&arguments.name)?;
    let vault = context.org_vault(&connector, &arguments.unlocking).await?;
    let format = arguments.format.into();
    let (object, at) = (&arguments.object, Some(arguments.at));
    let rows = match &arguments.output {
        Some(path) => {
            let mut target = Target::open(path)?;
            let rows = orgkeep_engine::export(&vault, object, at, format, &mut target).await?;
            target.finish(path)?;
            screen.say(&format!("wrote {} to {}", counted(rows, "record"), path.display()));
            rows
        }
        None => {
            let mut out = screen.bytes();
            match orgkeep_engine::export(&vault, object, at, format, &mut out).await {
                Err(_) if screen.reader_went_away() => 0,
                outcome => outcome?,
            }
        }
    };
    let output = arguments.output.as_deref().map(|path| environment::absolute(path).display().to_string());
    Ok(Answer::with(json!({ "object": object, "at": at, "rows": rows, "output": output })))
}

/// A file that appears under its name only when it is whole; a device or a pipe is written to directly.
enum Target {
    File(BufWriter<NamedTempFile>),
    Device(BufWriter<File>),
}

const BUFFER_BYTES: usize = 1 << 20;

impl Target {
    fn open(path: &Path) -> Result<Target, Failure> {
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

    fn finish(self, path: &Path) -> Result<(), Failure> {
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
