// SPDX-License-Identifier: Apache-2.0
//! `orgkeep sql`: a query over what the vault keeps, as a table or as a file.
//!
//! All formats stream. A table holds the rows that it shows, and counts the others.

use crate::cli::Unlocking;
use crate::context::Context;
use crate::environment;
use crate::failure::{Answer, Failure, Kind};
use crate::number::counted;
use crate::render;
use crate::screen::Screen;
use crate::table::Table;
use crate::target::Target;
use clap::{Args, ValueEnum};
use orgkeep_salesforce::csv;
use orgkeep_sql::{Options, Rows};
use serde_json::{Map, Value, json};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// Answers an SQL query over every backup of an org
///
/// Every object is a table of its records at the newest backup, or at --at. `FROM Account AS OF 3` and `FROM Account AS OF
/// '2026-11-01'` read one table of the query at another backup. Account_history has a row for each version of each record, with
/// _valid_from, _valid_to and _deleted. SHOW TABLES and DESCRIBE Account say what there is. Names know no case.
#[derive(Args, Debug)]
pub struct Arguments {
    /// Connector
    #[arg(value_name = "NAME")]
    name: String,

    /// One statement: SELECT, EXPLAIN, SHOW TABLES or DESCRIBE; - reads it from the standard input
    #[arg(value_name = "QUERY")]
    query: String,

    /// Backup number, or a time such as 2026-11-01 or 2026-11-01T18:30:00Z, for tables without AS OF [default: the newest]
    #[arg(long, value_name = "N")]
    at: Option<String>,

    /// A table for people, CSV, one JSON object a line, or Parquet with typed columns
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Table)]
    format: Format,

    /// File to write, with any format but table [default: the standard output]
    #[arg(long, value_name = "F")]
    output: Option<PathBuf>,

    /// At most this many rows in a table
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,

    /// What sorting, joining and grouping may hold in memory, in megabytes; nothing is put on disk
    #[arg(long, value_name = "MB", default_value_t = 512)]
    memory: usize,

    #[command(flatten)]
    unlocking: Unlocking,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Csv,
    Jsonl,
    Parquet,
}

/// Widest cell in a table; whole values are in the other formats and in `--json`.
const CELL_COLUMNS: usize = 40;

pub async fn run(arguments: Arguments, context: &Context) -> Result<Answer, Failure> {
    let screen = &context.screen;
    if arguments.format == Format::Table && arguments.output.is_some() {
        return Err(Failure::invalid("a table is not written to a file")
            .hint("add --format csv, jsonl or parquet, or redirect the standard output"));
    }
    if arguments.format != Format::Table && screen.json() && arguments.output.is_none() {
        return Err(Failure::invalid("with --json the standard output carries events, so the rows need a file")
            .hint("name one with --output FILE, or leave --format out to have the rows in the result"));
    }
    let statement = match arguments.query.as_str() {
        "-" => from_stdin()?,
        statement => statement.to_owned(),
    };
    let connector = context.connector(&arguments.name)?;
    let vault = context.org_vault(&connector, &arguments.unlocking).await?;
    let options = Options { at: arguments.at, memory_bytes: arguments.memory.saturating_mul(1 << 20) };
    let answer = orgkeep_sql::query(&vault, &statement, &options).await?;
    let erased = answer.erased().to_vec();
    let mut result = match arguments.format {
        Format::Table => table(answer, arguments.limit, screen).await?,
        format => file(answer, format, arguments.output.as_deref(), screen).await?,
    };
    erased.iter().for_each(|gone| screen.say(&render::left_out(gone)));
    result["erased"] = json!(erased);
    Ok(Answer::with(result))
}

fn from_stdin() -> Result<String, Failure> {
    let mut statement = String::new();
    io::stdin().lock().read_to_string(&mut statement).map_err(|error| {
        Failure::caused(Kind::Invalid, "the statement could not be read from the standard input", &error)
    })?;
    Ok(statement)
}

/// Shows the first rows and counts the others; with `--json` they are part of the result.
async fn table(mut answer: orgkeep_sql::Answer, limit: usize, screen: &Screen) -> Result<Value, Failure> {
    let columns = answer.columns().to_vec();
    let mut table =
        Table::new(columns.iter().map(|column| format!("{}{}", if column.is_number { ">" } else { "" }, column.name)));
    let mut shown: Vec<Value> = Vec::new();
    let mut count = 0;
    while let Some(rows) = answer.next().await? {
        for row in (0..rows.len()).take(limit.saturating_sub(count)) {
            if screen.json() {
                shown.push((0..columns.len()).map(|column| rows.json(row, column)).collect());
            } else {
                table.row((0..columns.len()).map(|column| rows.text(row, column).unwrap_or_default()));
            }
        }
        count += rows.len();
    }
    if count == 0 {
        screen.say("no rows");
    } else {
        let left_out = table.fit(screen.shape(), CELL_COLUMNS);
        screen.table(&table)?;
        if left_out > 0 {
            screen.say(&format!("{} not shown; name fewer, or use --format", counted(left_out as u64, "more column")));
        }
    }
    let more = count.saturating_sub(limit);
    if more > 0 {
        screen.say(&format!("{}; raise --limit {limit}, or have all with --format", counted(more as u64, "more row")));
    }
    let names: Vec<String> = columns.into_iter().map(|column| column.name).collect();
    Ok(json!({ "columns": names, "rows": shown, "more": more }))
}

/// Writes all rows into a file, or to the standard output.
async fn file(
    answer: orgkeep_sql::Answer,
    format: Format,
    output: Option<&Path>,
    screen: &Screen,
) -> Result<Value, Failure> {
    let rows = match output {
        Some(path) => {
            let mut target = Target::open(path)?;
            let rows = write(answer, format, &mut target).await?;
            target.finish(path)?;
            screen.say(&format!("wrote {} to {}", counted(rows, "row"), path.display()));
            rows
        }
        None => {
            let mut out = screen.bytes();
            match write(answer, format, &mut out).await {
                Err(_) if screen.reader_went_away() => 0,
                outcome => outcome?,
            }
        }
    };
    Ok(json!({ "rows": rows, "output": output.map(|path| environment::absolute(path).display().to_string()) }))
}

/// Writes all rows. Returns how many.
async fn write(mut answer: orgkeep_sql::Answer, format: Format, out: &mut (dyn Write + Send)) -> Result<u64, Failure> {
    if format == Format::Parquet {
        return Ok(answer.write_parquet(out).await?);
    }
    let names: Vec<String> = answer.columns().iter().map(|column| column.name.clone()).collect();
    let mut buffer = Vec::new();
    if format == Format::Csv {
        csv::write_row(&mut buffer, names.iter().map(|name| Some(name.as_str())));
    }
    let mut count = 0;
    while let Some(rows) = answer.next().await? {
        for row in 0..rows.len() {
            match format {
                Format::Csv => {
                    let cells: Vec<_> = (0..names.len()).map(|column| rows.text(row, column)).collect();
                    csv::write_row(&mut buffer, cells.iter().map(Option::as_deref));
                }
                _ => json_line(&mut buffer, &names, &rows, row)?,
            }
        }
        count += rows.len() as u64;
        out.write_all(&buffer).map_err(unwritten)?;
        buffer.clear();
    }
    out.write_all(&buffer).and_then(|()| out.flush()).map_err(unwritten)?;
    Ok(count)
}

fn json_line(buffer: &mut Vec<u8>, names: &[String], rows: &Rows, row: usize) -> Result<(), Failure> {
    let line: Map<String, Value> =
        names.iter().enumerate().map(|(column, name)| (name.clone(), rows.json(row, column))).collect();
    serde_json::to_writer(&mut *buffer, &line)
        .map_err(|error| Failure::caused(Kind::Bug, "a row cannot be written as JSON", &error))?;
    buffer.push(b'\n');
    Ok(())
}

fn unwritten(error: io::Error) -> Failure {
    Failure::caused(Kind::Unreachable, "the output could not be written", &error)
}
