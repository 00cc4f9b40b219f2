// SPDX-License-Identifier: Apache-2.0
//! `orgkeep ls`: what a backup holds: its objects, or records of one.

use crate::cli::Unlocking;
use crate::context::Context;
use crate::failure::{Answer, Failure};
use crate::number::counted;
use crate::render;
use clap::Args;
use orgkeep_engine::Filter;
use serde_json::json;

/// Lists the objects of a backup, or the records of one object
#[derive(Args, Debug)]
pub struct Arguments {
    /// Connector
    #[arg(value_name = "NAME")]
    name: String,

    /// Object, by its API name
    #[arg(value_name = "OBJECT")]
    object: Option<String>,

    /// Backup number [default: the newest]
    #[arg(long, value_name = "N")]
    at: Option<u64>,

    /// Condition in the syntax of a SOQL WHERE: "Amount > 1000 AND Name LIKE 'A%'"
    #[arg(long = "where", value_name = "EXPR", requires = "object")]
    condition: Option<String>,

    /// At most this many records
    #[arg(long, value_name = "N", default_value_t = 50, requires = "object")]
    limit: usize,

    #[command(flatten)]
    unlocking: Unlocking,
}

/// Widest cell in a table of records; whole values are shown by `show`, `export` and `--json`.
const CELL_COLUMNS: usize = 32;

pub async fn run(arguments: Arguments, context: &Context) -> Result<Answer, Failure> {
    let filter = arguments.condition.as_deref().map(Filter::parse).transpose()?;
    let connector = context.connector(&arguments.name)?;
    let vault = context.org_vault(&connector, &arguments.unlocking).await?;
    let screen = &context.screen;
    let Some(object) = &arguments.object else {
        let objects = orgkeep_engine::objects(&vault, arguments.at).await?;
        screen.table(&render::objects(&objects))?;
        return Ok(Answer::with(json!({ "objects": objects })));
    };
    let listing = orgkeep_engine::list(&vault, object, arguments.at, filter.as_ref(), arguments.limit).await?;
    let mut table = render::listing(&listing);
    let left_out = table.fit(screen.shape(), CELL_COLUMNS);
    if table.is_empty() {
        screen.say("no records");
    } else {
        screen.table(&table)?;
    }
    if left_out > 0 {
        screen.say(&format!(
            "{} not shown; see one record whole with `orgkeep show {} {object} ID`",
            counted(left_out as u64, "more column"),
            arguments.name
        ));
    }
    if listing.more {
        screen.say(&format!("there are more records; raise --limit {} or narrow --where", arguments.limit));
    }
    listing.erased.iter().for_each(|gone| screen.say(&render::left_out(gone)));
    Ok(Answer::with(&listing))
}
