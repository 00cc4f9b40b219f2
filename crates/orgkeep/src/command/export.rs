// SPDX-License-Identifier: Apache-2.0
//! `orgkeep export`: the records of one object as a file.

use crate::cli::Unlocking;
use crate::context::Context;
use crate::environment;
use crate::failure::{Answer, Failure};
use crate::number::counted;
use crate::render;
use crate::target::Target;
use clap::{Args, ValueEnum};
use serde_json::json;
use std::path::PathBuf;

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
    let erased = orgkeep_engine::erased_since(&vault, object, at).await?;
    erased.iter().for_each(|gone| screen.say(&render::left_out(gone)));
    let output = arguments.output.as_deref().map(|path| environment::absolute(path).display().to_string());
    Ok(Answer::with(json!({ "object": object, "at": at, "rows": rows, "output": output, "erased": erased })))
}
