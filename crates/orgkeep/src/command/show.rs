// SPDX-License-Identifier: Apache-2.0
//! `orgkeep show`: one record, as it was or through time.

use crate::cli::Unlocking;
use crate::config::Connector;
use crate::context::Context;
use crate::environment::absolute;
use crate::failure::{Answer, Failure, Kind};
use crate::former::{formers, found};
use crate::number::bytes;
use crate::render;
use crate::target::Target;
use clap::Args;
use futures::TryStreamExt;
use orgkeep_engine::Record;
use orgkeep_vault::OrgVault;
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Shows one record as a backup holds it, or its whole history
#[derive(Args, Debug)]
pub struct Arguments {
    /// Connector
    #[arg(value_name = "NAME")]
    name: String,

    /// Object, by its API name
    #[arg(value_name = "OBJECT")]
    object: String,

    /// Record Id of 15 or 18 characters
    #[arg(value_name = "ID")]
    id: String,

    /// Backup number [default: the newest]
    #[arg(long, value_name = "N")]
    at: Option<u64>,

    /// Every version the vault holds, oldest first, with what changed
    #[arg(long, conflicts_with = "at")]
    history: bool,

    /// Write the content of the file that the record is (ContentVersion, Attachment, Document, …) to this file
    #[arg(long, value_name = "FILE", conflicts_with = "history")]
    body: Option<PathBuf>,

    /// With --body: an image in the record's rich text instead, by its content reference Id
    #[arg(long, value_name = "REFERENCE", requires = "body")]
    image: Option<String>,

    #[command(flatten)]
    unlocking: Unlocking,
}

pub async fn run(arguments: Arguments, context: &Context) -> Result<Answer, Failure> {
    let connector = context.connector(&arguments.name)?;
    let vault = context.org_vault(&connector, &arguments.unlocking).await?;
    if arguments.history {
        return history(&arguments, &connector, &vault, context).await;
    }
    let record = orgkeep_engine::record(&vault, &arguments.object, &arguments.id, arguments.at).await?;
    if let Some(path) = &arguments.body {
        let written = write_body(&vault, &record, arguments.image.as_deref(), path).await?;
        context.screen.say(&format!("wrote {} to {}", bytes(written), path.display()));
        let output = absolute(path).display().to_string();
        let (object, id, backup) = (record.object, record.id, record.backup);
        return Ok(Answer::with(
            json!({ "object": object, "id": id, "backup": backup, "bytes": written, "output": output }),
        ));
    }
    context.screen.show(&render::record(&record))?;
    Ok(Answer::with(&record))
}

async fn write_body(vault: &OrgVault, record: &Record, image: Option<&str>, path: &Path) -> Result<u64, Failure> {
    let mut body = orgkeep_engine::body(vault, record, image).await?;
    let (mut target, mut written) = (Target::open(path)?, 0);
    while let Some(piece) = body.try_next().await? {
        target
            .write_all(&piece)
            .map_err(|error| Failure::caused(Kind::Invalid, format!("could not write {}", path.display()), &error))?;
        written += piece.len() as u64;
    }
    target.finish(path)?;
    Ok(written)
}

/// All versions; also those of the orgs that a refreshed sandbox was before, by the same Id, each apart from the others.
async fn history(
    arguments: &Arguments,
    connector: &Connector,
    vault: &OrgVault,
    context: &Context,
) -> Result<Answer, Failure> {
    let (object, id) = (&arguments.object, &arguments.id);
    let now = orgkeep_engine::history(vault, object, id).await;
    let (mut text, mut before) = (String::new(), Vec::new());
    for former in formers(context, connector, vault).await?.into_iter().rev() {
        let Some(versions) = found(orgkeep_engine::history(&former.vault, object, id).await)? else { continue };
        text.push_str(&format!(
            "In {}, before the sandbox was refreshed:\n{}",
            former.name(),
            render::history(&versions)
        ));
        before.push(json!({ "org": former.org, "connector": former.connector, "versions": versions }));
    }
    let versions = if before.is_empty() { now? } else { found(now)?.unwrap_or_default() };
    if !before.is_empty() {
        text.push_str(&format!("In {}:\n", arguments.name));
    }
    text.push_str(&if versions.is_empty() { "no version\n".to_owned() } else { render::history(&versions) });
    context.screen.show(&text)?;
    Ok(Answer::with(json!({ "object": object, "id": id, "versions": versions, "before": before })))
}
